/* evaluate.h - what a training's held-out data say of its network, by the recipe's metric. */
#ifndef B4C_TRAIN_EVALUATE_H
#define B4C_TRAIN_EVALUATE_H
#include "train/trainer.h"

typedef struct b4c_evaluation {
    double value;            /* of the metric; NaN: there is nothing to measure */
    bool wrote;              /* texts were written; then: */
    b4c_overlap overlap;     /* means over them, 0 .. 1 */
} b4c_evaluation;

/* Choose the metric: the recipe's, or the task's own. B4C_E_ARG: the task has no such thing. */
int b4c_evaluate_begin(b4c_trainer *, b4c_error *);
/* Measure all held-out batches, or as many as the recipe says. */
int b4c_evaluate(b4c_trainer *, b4c_evaluation *, b4c_error *);
/* Is a smaller value a better one? */
bool b4c_metric_falls(b4c_metric);

/* How the network writes for its task; B4C_READ_MASKED: it fills masks; AUTO: it does not write. */
b4c_reading b4c_trainer_reading(const b4c_trainer *);
#endif
