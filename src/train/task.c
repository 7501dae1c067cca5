/* task.c - the tasks by name. */
#include "train/task.h"
#include <string.h>

static const char *const names[B4C_TASKS] = {
    "lm",      "mlm",    "seq2seq",         "denoise", "pseudo_summary", "simbert",  "roformer_sim",
    "distil",  "roformer_sim_ft", "cosent", "simcse",  "infonce",        "classify", "pairs",
};

const char *b4c_task_name(b4c_task_kind kind)
{
    return names[kind];
}

int b4c_task_find(const char *name)
{
    for (int i = 0; i < B4C_TASKS; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}
