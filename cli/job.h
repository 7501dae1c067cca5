/* job.h - the run that embed, similar, fill and tokenize share: chunks of input in, records out, to
 * the end, an error or Ctrl-C. */
#ifndef CLI_JOB_H
#define CLI_JOB_H
#include "input.h"
#include "output.h"

typedef struct cli_job {
    const cli_command *command;
    const cli_settings *settings;
    cli_want want;
    const char *unit;  /* "texts", "pairs": for progress */
    const char *model; /* path of the model, whose fingerprint a resumed run compares */
    const char *dtype; /* what its weights were kept as; NULL: it has none */
    int width;         /* of an npy row */
    void *self;        /* the command's own, handed to: */
    /* before the first record of a new output; header: of the first tsv file, or NULL. May be NULL
     */
    void (*begin)(void *self, cli_output *, const char *header);
    /* one record for each of the chunk. When it fails for several, it is called again with one at a
     * time, so that the records before the bad one are kept and the message can say which it is */
    int (*chunk)(void *self, const cli_chunk *, cli_output *, b4c_error *);
    /* after the last record. May be NULL */
    int (*end)(void *self, cli_output *, b4c_error *);
} cli_job;

/* Returns the exit code; everything was said. *records (may be NULL): how many were made, in
 * *seconds. */
int cli_job_run(const cli_job *, long long *records, double *seconds);
#endif
