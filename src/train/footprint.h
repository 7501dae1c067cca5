/* footprint.h - what a training takes of memory, known before its first step.
 *
 * Weights, gradients and state are what was allocated. What a step takes is found by a rehearsal: a
 * tape that takes memory and computes nothing (b4c_tape.dry) goes through the step of the largest
 * batch that the recipe allows, so that no formula has to follow the ops.
 */
#ifndef B4C_TRAIN_FOOTPRINT_H
#define B4C_TRAIN_FOOTPRINT_H
#include "train/learner.h"

/* What a recipe says of the size of batches. */
typedef struct b4c_batch_shape {
    int tokens;              /* rows of a batch, decoder rows too; 0: */
    int examples;            /* so many */
    int length, target;      /* most rows of a sequence, of its target */
    int negatives;           /* infonce: beside an anchor and its positive */
    double asked;            /* mlm: share of rows that are asked */
} b4c_batch_shape;

/* A batch of full-length sequences as the task reads them; ids are all 0. */
void b4c_largest_batch(b4c_batch *, const b4c_task *, const b4c_spec *, const b4c_batch_shape *);

/* Bytes. */
typedef struct b4c_footprint {
    size_t weights, gradients, state; /* gradients 0: none are kept, each is used at once */
    size_t step;             /* activations and their gradients, and weights' that are lent */
    size_t plain;            /* of evaluating, and of a teacher */
    size_t rest;             /* the data's index, tokenizer, buffers: what the process had before */
} b4c_footprint;

static inline size_t b4c_footprint_sum(const b4c_footprint *f)
{
    return f->weights + f->gradients + f->state + f->step + f->plain + f->rest;
}

/* Of the learner and one step on the batch; `measures`: it is asked about held-out batches of that
 * size too. rest is 0. B4C_E_MEMORY: not even address space is there. */
int b4c_footprint_find(b4c_footprint *, b4c_learner *, const b4c_batch *, bool measures,
                       b4c_error *);
#endif
