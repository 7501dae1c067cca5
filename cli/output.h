/* output.h - records, to standard output or to FILE.part that becomes FILE.
 *
 * Records gather in memory, whole ones only, and are written by cli_output_flush. With -o they go
 * to FILE.part beside FILE, and FILE.part.json says about once a second how many records and bytes
 * of it are good and what made them; that is all --resume needs: it cuts FILE.part to those bytes,
 * and the run goes on with the record after. At the end FILE.part is renamed.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H
#include "options.h"

typedef struct cli_output {
    cli_format format;
    int fd;
    char *target;       /* NULL: standard output */
    char *part, *state; /* NULL: a target that nothing can be renamed to, as a pipe */
    char *bytes;        /* records not written yet */
    size_t used, room;
    bool failed;                /* no memory for them */
    bool seekable, opened;      /* opened: FILE.part is ours, to remove if it stays empty */
    long long records, written; /* finished records; bytes of the file */
    int width;                  /* npy: components of a row */
    uint64_t input;             /* hash of the last finished record's input */
    json_t *made_by;            /* {"command", "model", "options", ...} */
    double saved;               /* clock of the last state */
} cli_output;

/* The format that --to, or else the extension of -o, or else the command says. */
int cli_output_format(const cli_command *, const cli_settings *, cli_format *, b4c_error *);

/* made_by: what the records depend on besides the input; the output takes it over, also on failure.
 * After a resume, out->records and out->input tell what is there already. width: npy. */
int cli_output_open(cli_output *, const cli_settings *, cli_format, json_t *made_by, int width,
                    b4c_error *);

/* Add to the record that is being made. Memory failure is sticky and told by the next flush. */
void cli_put(cli_output *, const void *bytes, size_t size);
void cli_put_text(cli_output *, const char *text);
void cli_print(cli_output *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_put_count(cli_output *, long long n); /* a whole number, faster than printf */
void cli_put_json(cli_output *, const char *text, size_t size); /* "quoted" */
/* A field of a tsv line: tabs and line ends become blanks. */
void cli_put_field(cli_output *, const char *text, size_t size);
void cli_put_float(cli_output *, float); /* null in JSON when it is not finite */
/* n components: [1,2] in jsonl, 1<tab>2 in tsv, 1 2 in text, bytes in npy. */
void cli_put_vector(cli_output *, const float *, int n);

/* Write what has gathered, which must end with a whole record. Saves the state about once a second,
 * or now. */
int cli_output_flush(cli_output *, bool save_now, b4c_error *);
/* The last byte was put: complete the file and give it its name. */
int cli_output_finish(cli_output *, b4c_error *);
/* Close. What was not finished stays as FILE.part, unless it is empty. */
void cli_output_close(cli_output *);
#endif
