/* model.h - the model that -m names, or the default of the command: found, opened, and told apart
 * from others. */
#ifndef CLI_MODEL_H
#define CLI_MODEL_H
#include "options.h"

/* Where the model is: a path, the caches, and, with --pull, the hub. malloc'ed; NULL: not found.
 * `standard`: without -m; it is named on stderr then. */
char *cli_model_find(const cli_settings *, const char *standard, b4c_error *);

typedef struct cli_model {
    char *path;
    b4c_model *model;
    b4c_session *session;
    const char *dtype; /* what its weights are kept as */
} cli_model;

/* Find, open, make a session. what: what the model must have besides the encoder. */
typedef enum cli_need { CLI_ENCODER, CLI_WITH_HEAD } cli_need;
int cli_model_open(cli_model *, const cli_settings *, const char *standard, cli_need, b4c_error *);
void cli_model_close(cli_model *);

/* "2 threads (all cores)": how many work, and why so many. asked: --threads, 0 without. */
#define CLI_THREADS_ROOM 96
const char *cli_threads_text(int threads, long long asked, char room[CLI_THREADS_ROOM]);

/* SHA-256 over the sizes and samples of the model's files: the same files, the same text.
 * malloc'ed. */
char *cli_model_fingerprint(const char *path, b4c_error *);

/* What vectors were made from, for the message at the end. */
typedef struct cli_counts {
    long long tokens, unknown, cut, texts_cut;
} cli_counts;
void cli_count(cli_counts *, const b4c_session *);
/* Texts that truncation cut. */
void cli_say_cut(long long texts, long long tokens);
void cli_say_counts(const cli_counts *, long long records, const char *unit, double seconds);
#endif
