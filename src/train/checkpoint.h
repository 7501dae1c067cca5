/* checkpoint.h - all that a training needs to go on to the same bits: weights, the optimiser's
 * state, and where it stood, in one file that is whole or not there.
 *
 * A safetensors file: "x.I", "m.I", "v.I", "ema.I" of leaf I in float32, exactly as they were, and
 * "state", the JSON below as bytes.
 */
#ifndef B4C_TRAIN_CHECKPOINT_H
#define B4C_TRAIN_CHECKPOINT_H
#include "base/json.h"
#include "train/learner.h"

/* Where a training stands. */
typedef struct b4c_standing {
    int64_t step;            /* steps taken */
    b4c_place place;         /* in the feed: the next batch begins here */
    double best;             /* the metric of the best model so far; NaN: none yet */
    int64_t best_step;
    int64_t log_bytes;       /* of the log that belong to these steps */
    double loss;             /* of recent steps, for the progress line */
    int64_t tokens;          /* read so far */
    int batches;             /* of a step, those of all ranks */
} b4c_standing;

/* recipe: goes into the state, so that a resumed run can be compared. */
int b4c_checkpoint_write(const char *path, const b4c_learner *, const b4c_standing *,
                         const json_t *recipe, b4c_error *);
/* Fills the learner's masters and optimiser (panels are made again) and *standing. *recipe: the one
 * it was written with; the caller owns it. */
int b4c_checkpoint_read(const char *path, b4c_learner *, b4c_standing *, json_t **recipe,
                        b4c_error *);
#endif
