/* output.h - the folder that a training writes: a model in the hub's layout, and beside it the log
 * and the checkpoint.
 *
 *     config.json, tokenizer's files, modules.json ...    at the beginning
 *     model.safetensors                                    the best model so far, or the last
 *     recipe.json, log.jsonl, curve.svg
 *     checkpoint/training.safetensors                      to go on from
 */
#ifndef B4C_TRAIN_OUTPUT_H
#define B4C_TRAIN_OUTPUT_H
#include "base/json.h"
#include "train/task.h"

/* What a configuration says of the training. */
typedef struct b4c_output_words {
    const b4c_spec *spec;
    const b4c_task *task;
    bool fresh;              /* the model began from nothing */
    int start, end;          /* what a decoder's text begins and ends with; -1: none */
    b4c_reading reading;     /* how the task reads before it writes; AUTO: it writes nothing */
    int written, read;       /* tokens of the longest text that it asks to be written, and that it
                              * shows before; 0: none is written */
    const json_t *labels;    /* names of the classes, a list; NULL: their numbers */
} b4c_output_words;
/* Change a configuration, the source's or the recipe's, to that of what is trained. */
void b4c_output_config(json_t *config, const b4c_output_words *);

/* Path of a file in the folder, malloc'ed, or NULL with err set. */
char *b4c_output_path(const char *folder, const char *name, b4c_error *);
/* Make the folder (and checkpoint/ in it), and write all but the model: config, recipe, what stands
 * beside the source's weights (NULL: none), the tokenizer's files (a folder or one file; NULL: the
 * source's), and how vectors are made, where the task makes some. */
int b4c_output_begin(const char *folder, const char *source, const char *tokenizer,
                     const json_t *config, const json_t *recipe, const b4c_task *, int width,
                     b4c_error *);
/* JSON into a file, whole or not at all. */
int b4c_output_json(const char *folder, const char *name, const json_t *, b4c_error *);
/* A batch that could not be learned from, as JSON: ids, segments, targets, lengths, labels. NULL:
 * no memory. */
json_t *b4c_output_batch(const b4c_batch *);
#endif
