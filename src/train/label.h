/* label.h - what a label in the data means to a task.
 *
 *     roformer_sim_ft  a number: 1 above the threshold, else 0; contradiction, entailment, neutral:
 *                      classes 2, 3, 4; another word where such words are expected: no example
 *     cosent           a number as it is; contradiction < neutral < entailment: 0, 1, 2
 *     classify, pairs  the place of a word among the data's "labels"; without them an integer
 *
 * Source: RoFormer-Sim-FT's train/supervised.py; the order for CoSENT is its author's.
 */
#ifndef B4C_TRAIN_LABEL_H
#define B4C_TRAIN_LABEL_H
#include "train/fields.h"

typedef struct b4c_label_rule {
    b4c_task_kind task;
    double threshold;        /* 0.5; 2.5 for scores of 0 to 5 */
    const json_t *words;     /* "labels": a list of texts, or NULL */
} b4c_label_rule;

/* 1: *label; 0: a record without a label, to be left out (a word like "-" beside those of
 * inference); B4C_E_FORMAT: *why says what is wrong with it. */
int b4c_label_of(const b4c_label_rule *, const b4c_data_record *, float *label, const char **why);
/* Is it one of inference (roformer_sim_ft takes those in turns with the others)? */
bool b4c_label_is_inference(const b4c_data_record *);
#endif
