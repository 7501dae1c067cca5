/* classes.h - what a classifier says of records beside the labels that a file gives them, and the
 * tables that come of it: eval classify. */
#ifndef CLI_CLASSES_H
#define CLI_CLASSES_H
#include "input.h"
#include "model.h"
#include "output.h"

typedef struct cli_classifier {
    cli_model model;
    b4c_classify_options options;
    int classes;
    bool pairs;              /* records are of two texts */
    cli_texts first, second; /* of the last chunk */
    float *logits;           /* [records, classes] of it */
    int *label, *said;       /* [records] of it */
    int room;                /* of these three, in records */
    cli_counts counts;
} cli_classifier;

/* Fails on a model without classes; pairs as the model wants them, or --pair says. */
int cli_classifier_open(cli_classifier *, const cli_settings *, b4c_error *);
void cli_classifier_close(cli_classifier *);
/* Labels and answers of a chunk's records. */
int cli_classifier_run(cli_classifier *, const cli_chunk *, b4c_error *);

/* Counts [classes, classes] of records: what they are, what was said. */
typedef struct cli_confusion {
    int64_t *count; /* NULL: no record yet */
    int classes;
} cli_confusion;
int cli_confusion_add(cli_confusion *, const cli_classifier *, int record, b4c_error *);
void cli_confusion_done(cli_confusion *);

/* Every record with its answer: what stands before them (json: with the beginning of the object, to
 * the bracket of their list), and record i of the chunk. */
void cli_put_answers_head(cli_output *, const cli_classifier *);
void cli_put_answer(cli_output *, const cli_classifier *, const cli_chunk *, int i,
                    const char *set);
/* The measures of each label and the confusion: json members behind others, or tables. */
int cli_put_confusion(cli_output *, const cli_classifier *, const cli_confusion *, const char *set,
                      b4c_error *);
#endif
