/* evaluate.h - what a training's held-out data say of its network, by the recipe's metric. */
#ifndef B4C_TRAIN_EVALUATE_H
#define B4C_TRAIN_EVALUATE_H
#include "train/trainer.h"

/* Choose the metric: the recipe's, or the task's own. B4C_E_ARG: the task has no such thing. */
int b4c_evaluate_begin(b4c_trainer *, b4c_error *);
/* Measure all held-out batches, or as many as the recipe says; NaN: there is nothing to measure. */
int b4c_evaluate(b4c_trainer *, double *value, b4c_error *);
#endif
