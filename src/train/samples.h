/* samples.h - texts that a training writes now and then, for people to read: what its loss does not
 * say.
 *
 * Invariants: they change nothing of the training; they depend on the weights, the recipe and its
 * seed alone, so that a resumed training writes the same ones.
 */
#ifndef B4C_TRAIN_SAMPLES_H
#define B4C_TRAIN_SAMPLES_H
#include "train/trainer.h"

/* Can the task write, and every text be read? */
int b4c_samples_begin(b4c_trainer *, b4c_error *);
/* Write them all: into the report, which they live behind until the next call, and the log. */
int b4c_samples_write(b4c_trainer *, b4c_train_report *, b4c_error *);
void b4c_samples_done(b4c_samples *);
#endif
