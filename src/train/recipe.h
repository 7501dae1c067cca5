/* recipe.h - what a training shall be, as a person writes it: JSON, read once and checked before
 * anything large is opened. docs/training.md explains every key.
 *
 *     { "model": {"from": FOLDER} or {"config": FILE or {...}, "tokenizer": PATH, "deviation": x},
 *       "task": NAME or {"kind": NAME, "scale", "weight", "pooling", "classes", "smoothing",
 *                        "dropout", "mask", "adversarial", "rdrop"},
 *       "teacher": FOLDER,
 *       "data": {...},                                                the feed's: feed.h
 *       "batch": {"tokens": n} or {"examples": n}, "accumulate": n,
 *       "max_length": n, "max_target": n, "steps": n, "seed": n, "dtype": "f32" or "bf16",
 *       "optimiser": {"kind", "rate", "beta1", "beta2", "eps", "decay", "no_decay", "clip", "ema",
 *                     "layer_rate", "state"},
 *       "schedule": {"kind", "warmup", "floor", "points"}, "freeze": [WORD, ...],
 *       "lora": {"rank", "alpha", "targets": [WORD, ...], "also": [WORD, ...]},
 *       "evaluate": {"every", "metric", "batches", "data", "beams", "max_new_tokens"},
 *       "samples": {"every", "texts", "count", "max_new_tokens", "temperature", "top_k", "top_p"},
 *       "save": n, "memory": MiB, "recompute": true,
 *       "output": FOLDER }
 *
 * File names are as from the current folder.
 */
#ifndef B4C_TRAIN_RECIPE_H
#define B4C_TRAIN_RECIPE_H
#include "base/json.h"
#include "train/optimiser.h"
#include "train/schedule.h"
#include "train/task.h"

typedef enum b4c_metric {
    B4C_METRIC_LOSS, B4C_METRIC_PERPLEXITY, B4C_METRIC_SPEARMAN, B4C_METRIC_ACCURACY,
    B4C_METRIC_ROUGE_1, B4C_METRIC_ROUGE_2, B4C_METRIC_ROUGE_L, B4C_METRIC_BLEU, B4C_METRICS
} b4c_metric;
const char *b4c_metric_name(b4c_metric);

enum { B4C_RECIPE_WORDS = 64 };

/* Texts that a training writes now and then, to be read by people. */
typedef struct b4c_recipe_samples {
    int64_t every;                      /* so many steps; 0: none */
    const char *text[B4C_RECIPE_WORDS]; /* what goes on, is answered, or has masks to fill */
    int n;
    int count, max_new_tokens;          /* results a text; tokens of one, 0: not said */
    double temperature, top_p;          /* temperature 0: the likeliest token each time */
    int top_k;
} b4c_recipe_samples;

typedef struct b4c_recipe {
    json_t *json;                /* all of it; the texts below belong to it */
    const char *where;           /* its file, for messages; malloc'ed */
    const char *from, *tokenizer; /* NULL: not said */
    json_t *config;              /* of a model from scratch, owned; NULL: `from` */
    double deviation;
    b4c_task_kind task;
    const json_t *task_json;     /* the object, or NULL when a name alone was given */
    int classes;
    const char *teacher, *output;
    const json_t *data, *evaluate_data; /* evaluate_data NULL: what `data` sets aside */
    int batch_tokens, batch_examples, accumulate, max_length, max_target;
    int64_t steps, save, evaluate;      /* save, evaluate: every so many steps; 0: never between */
    int evaluate_batches;               /* at most so many; 0: all */
    int evaluate_beams, evaluate_new_tokens; /* where texts are written; 0: not said */
    b4c_recipe_samples samples;
    int metric;                         /* b4c_metric; -1: the task's own */
    uint64_t seed;
    b4c_dtype dtype;
    b4c_optimiser_options optimiser;
    double rate, clip, layer_rate, adversarial;
    b4c_schedule schedule;
    const char *freeze[B4C_RECIPE_WORDS], *no_decay[B4C_RECIPE_WORDS];
    int n_freeze, n_no_decay;
    const char *lora_targets[B4C_RECIPE_WORDS], *lora_also[B4C_RECIPE_WORDS];
    b4c_lora_options lora;              /* its words are those above */
    bool recompute;
    size_t memory;                      /* bytes for all of it; 0: not said */
} b4c_recipe;

/* path: the recipe's file. set [n_set]: "a.b=value". After failure there is nothing to free. */
int b4c_recipe_read(b4c_recipe *, const char *path, const char *const *set, int n_set, b4c_error *);
void b4c_recipe_done(b4c_recipe *);
/* What the recipe changes of a task that b4c_task_make made. */
int b4c_recipe_task(const b4c_recipe *, b4c_task *, const b4c_spec *, b4c_error *);
/* May a checkpoint of recipe `old` go on with this one? Steps, saving, evaluating, samples, memory,
 * recompute and output may differ; the message names what else does. */
int b4c_recipe_same(const b4c_recipe *, const json_t *old, const char *where, b4c_error *);
#endif
