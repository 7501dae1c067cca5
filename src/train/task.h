/* task.h - what a model may be trained for, and the loss of each.
 *
 * A task is a row of choices: what the rows see, whether tokens are asked, what sequence vectors
 * must do, what is classified. One function makes the loss of all of them from a batch.
 */
#ifndef B4C_TRAIN_TASK_H
#define B4C_TRAIN_TASK_H
#include "train/batch.h"

typedef enum b4c_task_kind {
    B4C_TASK_LM, B4C_TASK_MLM, B4C_TASK_SEQ2SEQ, B4C_TASK_DENOISE, B4C_TASK_PSEUDO_SUMMARY,
    B4C_TASK_SIMBERT, B4C_TASK_ROFORMER_SIM, B4C_TASK_DISTIL, B4C_TASK_ROFORMER_SIM_FT,
    B4C_TASK_COSENT, B4C_TASK_SIMCSE, B4C_TASK_INFONCE, B4C_TASK_CLASSIFY, B4C_TASK_PAIRS,
    B4C_TASKS
} b4c_task_kind;

/* "lm", "mlm", "seq2seq", ...: as a recipe spells it. */
const char *b4c_task_name(b4c_task_kind);
/* -1: none has this name. */
int b4c_task_find(const char *name);
#endif
