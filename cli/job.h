/* job.h - the run of every command that turns texts into records: what it needs made ready, chunks
 * of input in, records out, to the end, an error or Ctrl-C. */
#ifndef CLI_JOB_H
#define CLI_JOB_H
#include "input.h"
#include "model.h"
#include "output.h"

typedef struct cli_job {
    const cli_command *command;
    const cli_settings *settings;
    cli_want want;
    const char *unit;       /* "texts", "pairs": for progress */
    const cli_model *model; /* whose files' fingerprint and dtype a resumed run compares */
    const int *width;       /* of an npy row, once prepared; NULL: no npy */
    void *self;             /* the command's own, handed to: */
    /* before the input is looked at; what it made is the caller's to free, also on failure */
    int (*prepare)(void *self, b4c_error *);
    /* before the first record of a new output; header: of the first tsv file, or NULL. May be NULL
     */
    void (*begin)(void *self, cli_output *, const char *header);
    /* one record for each of the chunk. When it fails for several, it is called again with one at a
     * time, so that the records before the bad one are kept and the message can say which it is */
    int (*chunk)(void *self, const cli_chunk *, cli_output *, b4c_error *);
    /* after the last record. May be NULL */
    int (*end)(void *self, cli_output *, b4c_error *);
    /* when all is done: how many records were made, in how many seconds */
    void (*say)(const void *self, long long records, double seconds);
} cli_job;

/* Returns the exit code; everything was said. */
int cli_job_run(const cli_job *);
#endif
