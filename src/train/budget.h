/* budget.h - is there memory for a training, and how much of it may each part have? */
#ifndef B4C_TRAIN_BUDGET_H
#define B4C_TRAIN_BUDGET_H
#include "train/trainer.h"

/* Find what the training takes, into t->footprint, and give its learner the memory: what the recipe
 * allows, all together, or else what the machine has. before: bytes that the process had when
 * network and learner were not there yet. B4C_E_MEMORY: more than the recipe allows; the message
 * names the keys that would make it fit. */
int b4c_budget_make(b4c_trainer *, size_t before, b4c_error *);
#endif
