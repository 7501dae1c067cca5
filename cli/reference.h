/* reference.h - what a model makes of some texts, so that two models, or one in two dtypes, can be
 * compared: sentence vectors, or, of models that write, each token's log-probability.
 */
#ifndef CLI_REFERENCE_H
#define CLI_REFERENCE_H
#include "options.h"
#include <jansson.h>

/* Texts to ask for where none are given. */
enum { CLI_STANDARD_TEXTS = 8 };
extern const char *const cli_standard_texts[CLI_STANDARD_TEXTS];

/* Start from {0}; closing takes that too. */
typedef struct cli_asked {
    b4c_model *model;
    b4c_session *session;
} cli_asked;

/* With its head where its files name no pooling. Threads and --as are the settings'. */
int cli_asked_open(cli_asked *, const char *path, const cli_settings *, b4c_dtype, b4c_error *);
void cli_asked_close(cli_asked *);
/* How it answers of its own accord; AUTO: by log-probabilities. */
b4c_pooling cli_asked_pooling(const cli_asked *);
/* {"text", "ids", "values"}; NULL: err says why. An encoder-decoder reads the text and is asked for
 * it again. */
json_t *cli_asked_answer(cli_asked *, const char *text, b4c_pooling, b4c_error *);

/* How far answers are apart. Start from { .cosine = 1 }. */
typedef struct cli_difference {
    double off, size, largest; /* sums of squares; the largest difference over the largest value */
    double cosine;             /* the least */
    bool other_ids;
} cli_difference;

/* False: they are not of one kind. */
bool cli_difference_add(cli_difference *, const json_t *was, const json_t *is);
/* Root mean square of the differences over that of the first answers. */
double cli_difference_rms(const cli_difference *);
#endif
