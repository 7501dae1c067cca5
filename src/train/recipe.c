/* recipe.c - reading recipes: every key known, every number in range, one message a fault. */
#include "train/recipe.h"
#include "base/error.h"
#include "base/nearest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const char *const metrics[B4C_METRICS] = { "loss",   "perplexity", "spearman", "accuracy",
                                                  "rouge1", "rouge2",     "rougeL",   "bleu" };
const char *b4c_metric_name(b4c_metric m) { return metrics[m]; }

/* ---- words ----------------------------------------------------------------------------------- */

/* The index of a text among words, into *out, if it is there. */
static int word(const json_t *o, const char *key, const char *const *words, int n, int *out,
                const char *where, b4c_error *err)
{
    const char *text;
    const int found = b4c_json_text(o, key, &text, where, err);
    if (found <= 0) return found;
    for (int i = 0; i < n; i++)
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return 1;
        }
    char all[400] = "";
    for (int i = 0; i < n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", words[i]);
    const char *near = b4c_nearest(text, words, n);
    return b4c_fail(err, B4C_E_ARG, "%s: \"%s\" is '%.100s'; %s%s", where, key, text,
                    near ? "did you mean " : "known are ", near ? near : all);
}

static int words_of(const json_t *o, const char *key, const char **out, int *n, const char *where,
                    b4c_error *err)
{
    const json_t *list = json_object_get(o, key);
    *n = 0;
    if (!list) return 0;
    if (!json_is_array(list) || json_array_size(list) > B4C_RECIPE_WORDS)
        return b4c_fail(err, B4C_E_ARG, "%s: \"%s\" is no list of at most %d parts of names", where,
                        key, B4C_RECIPE_WORDS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        out[i] = json_string_value(json_array_get(list, i));
        if (!out[i] || !*out[i])
            return b4c_fail(err, B4C_E_ARG, "%s: \"%s\": element %zu is no text", where, key, i);
        ++*n;
    }
    return 0;
}

static int integer(const json_t *o, const char *key, long long low, long long high, int64_t *out,
                   const char *where, b4c_error *err)
{
    long long x;
    const int found = b4c_json_int(o, key, low, high, &x, where, err);
    if (found == 1) *out = x;
    return found;
}

static int count(const json_t *o, const char *key, int low, int *out, const char *where,
                 b4c_error *err)
{
    int64_t x = *out;
    const int found = integer(o, key, low, 1 << 30, &x, where, err);
    *out = (int)x;
    return found;
}

/* A number in low .. high. */
static int real(const json_t *o, const char *key, double low, double high, double *out,
                const char *where, b4c_error *err)
{
    double x;
    const int found = b4c_json_real(o, key, &x, where, err);
    if (found <= 0) return found;
    if (!(x >= low && x <= high))
        return b4c_fail(err, B4C_E_ARG, "%s: \"%s\" is %g, wanted %g to %g", where, key, x, low,
                        high);
    *out = x;
    return 1;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static int read_model(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "from", "config", "tokenizer", "deviation" };
    char where[300];
    snprintf(where, sizeof where, "%.200s: model", r->where);
    if (!o) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"model\"", r->where);
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    B4C_TRY(b4c_json_text(o, "from", &r->from, where, err));
    B4C_TRY(b4c_json_text(o, "tokenizer", &r->tokenizer, where, err));
    B4C_TRY(real(o, "deviation", 1e-6, 10, &r->deviation, where, err));
    json_t *config = json_object_get(o, "config");
    if (!config == !r->from)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: wanted one of \"from\", a model's folder, and \"config\", to begin "
                        "from nothing",
                        where);
    if (json_is_string(config)) r->config = b4c_json_file(json_string_value(config), err);
    else if (config) r->config = json_deep_copy(config);
    if (config && !r->config) return err && err->code < 0 ? err->code : B4C_E_MEMORY;
    if (config && !r->tokenizer)
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: there is no \"tokenizer\" (a model's folder, or a file such as "
                        "vocab.txt)",
                        where);
    return 0;
}

static int read_task(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "kind",    "scale",     "weight",  "pooling",    "classes",
                                        "smoothing", "dropout", "mask",    "adversarial",
                                        "rdrop" };
    const char *names[B4C_TASKS];
    char where[300];
    int kind = -1;
    snprintf(where, sizeof where, "%.200s: task", r->where);
    for (int i = 0; i < B4C_TASKS; i++) names[i] = b4c_task_name((b4c_task_kind)i);
    if (json_is_string(o)) {
        B4C_TRY(word(r->json, "task", names, B4C_TASKS, &kind, r->where, err));
    } else {
        if (!o) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"task\"", r->where);
        B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
        B4C_TRY(word(o, "kind", names, B4C_TASKS, &kind, where, err));
        B4C_TRY(count(o, "classes", 2, &r->classes, where, err));
        B4C_TRY(real(o, "adversarial", 0, 1e6, &r->adversarial, where, err));
        r->task_json = o;
    }
    if (kind < 0) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"kind\"", where);
    r->task = (b4c_task_kind)kind;
    return 0;
}

/* Names of classes say how many there are; each name is one class. */
static int count_labels(b4c_recipe *r, b4c_error *err)
{
    json_t *labels = json_object_get(r->data, "labels"), *label, *seen = json_object();
    const int n = (int)json_array_size(labels);
    const char *twice = NULL;
    size_t i;
    json_array_foreach(labels, i, label) {
        const char *name = json_string_value(label);
        if (name && json_object_get(seen, name)) twice = name;
        if (name) json_object_set_new(seen, name, json_true());
    }
    json_decref(seen);
    if (n == 0 || (r->task != B4C_TASK_CLASSIFY && r->task != B4C_TASK_PAIRS)) return 0;
    if (twice)
        return b4c_fail(err, B4C_E_ARG, "%s: data: labels: '%.100s' is there twice", r->where,
                        twice);
    if (r->classes == 0) r->classes = n;
    if (r->classes == n) return 0;
    return b4c_fail(err, B4C_E_ARG,
                    "%s: task.classes is %d, and data.labels names %d; leave \"classes\" out",
                    r->where, r->classes, n);
}

int b4c_recipe_task(const b4c_recipe *r, b4c_task *k, const b4c_spec *s, b4c_error *err)
{
    static const char *const poolings[] = { "pooler", "pooler_tanh", "first", "mean" };
    static const char *const masks[] = { "full", "causal", "anti", "prefix" };
    const json_t *o = r->task_json;
    char where[300];
    int pooling = (int)k->pooling, mask = (int)k->mask;
    k->recompute = r->recompute;
    if (!o) return 0;
    snprintf(where, sizeof where, "%.200s: task", r->where);
    B4C_TRY(real(o, "scale", 1e-6, 1e6, &k->scale, where, err));
    B4C_TRY(real(o, "weight", 0, 1e9, &k->weight, where, err));
    B4C_TRY(real(o, "smoothing", 0, 0.999, &k->smoothing, where, err));
    B4C_TRY(real(o, "dropout", 0, 0.999, &k->dropout, where, err));
    B4C_TRY(real(o, "rdrop", 0, 1000, &k->rdrop, where, err));
    if (k->rdrop > 0 && (k->vectors != B4C_VECTORS_FREE || k->two_tasks || k->dropout == 0))
        return b4c_fail(err, B4C_E_ARG, "%s: \"rdrop\" wants %s", where,
                        k->dropout == 0 ? "\"dropout\", which makes two readings differ"
                                        : "a task that asks for tokens or classes alone");
    B4C_TRY(word(o, "pooling", poolings, COUNT(poolings), &pooling, where, err));
    B4C_TRY(word(o, "mask", masks, COUNT(masks), &mask, where, err));
    if (s->causal && mask != B4C_MASK_CAUSAL)
        return b4c_fail(err, B4C_E_ARG, "%s: a model of architecture '%s' sees the past only",
                        where, s->architecture);
    k->pooling = (b4c_task_pooling)pooling;
    k->mask = (b4c_mask)mask;
    return 0;
}

static int read_batch(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "tokens", "examples" };
    char where[300];
    snprintf(where, sizeof where, "%.200s: batch", r->where);
    if (!o) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"batch\"", r->where);
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    B4C_TRY(count(o, "tokens", 1, &r->batch_tokens, where, err));
    B4C_TRY(count(o, "examples", 1, &r->batch_examples, where, err));
    if (!r->batch_tokens == !r->batch_examples)
        return b4c_fail(err, B4C_E_ARG, "%s: wanted one of \"tokens\" and \"examples\"", where);
    return 0;
}

static int read_optimiser(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "kind", "rate",     "beta1", "beta2", "eps",
                                        "decay", "no_decay", "clip",  "ema",   "layer_rate",
                                        "state" };
    static const char *const states[] = { "f32", "bf16" };
    int state = 0;
    const char *names[B4C_OPTIMISERS];
    char where[300];
    int kind = B4C_ADAMW;
    snprintf(where, sizeof where, "%.200s: optimiser", r->where);
    for (int i = 0; i < B4C_OPTIMISERS; i++) names[i] = b4c_optimiser_name((b4c_optimiser_kind)i);
    if (!o) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"optimiser\"", r->where);
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    B4C_TRY(word(o, "kind", names, B4C_OPTIMISERS, &kind, where, err));
    b4c_optimiser_options *op = &r->optimiser;
    *op = b4c_optimiser_default((b4c_optimiser_kind)kind);
    const int rate = real(o, "rate", 0, 1000, &r->rate, where, err);
    if (rate < 0) return rate;
    if (!rate) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"rate\"", where);
    B4C_TRY(real(o, "beta1", 0, 0.9999999, &op->beta1, where, err));
    B4C_TRY(real(o, "beta2", 0, 0.9999999, &op->beta2, where, err));
    B4C_TRY(real(o, "eps", 0, 1, &op->eps, where, err));
    B4C_TRY(real(o, "decay", 0, 1000, &op->decay, where, err));
    B4C_TRY(real(o, "ema", 0, 0.9999999, &op->ema, where, err));
    B4C_TRY(real(o, "clip", 0, 1e9, &r->clip, where, err));
    B4C_TRY(real(o, "layer_rate", 0.01, 1, &r->layer_rate, where, err));
    B4C_TRY(word(o, "state", states, COUNT(states), &state, where, err));
    op->half = state == 1;
    op->seed = r->seed;
    if (op->half && kind == B4C_ADAFACTOR)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: adafactor keeps rows and columns only, in f32: leave \"state\" out",
                        where);
    return words_of(o, "no_decay", r->no_decay, &r->n_no_decay, where, err);
}

static int read_points(b4c_schedule *s, const json_t *list, const char *where, b4c_error *err)
{
    const size_t n = json_array_size(list);
    if (n == 0 || n > B4C_SCHEDULE_POINTS)
        return b4c_fail(err, B4C_E_ARG, "%s: \"points\" is no list of 1 to %d [step, factor]",
                        where, B4C_SCHEDULE_POINTS);
    for (size_t i = 0; i < n; i++) {
        const json_t *p = json_array_get(list, i), *step = json_array_get(p, 0),
                     *factor = json_array_get(p, 1);
        if (json_array_size(p) != 2 || !json_is_integer(step) || !json_is_number(factor) ||
            (i && json_integer_value(step) <= s->step[i - 1]) || json_integer_value(step) < 0)
            return b4c_fail(err, B4C_E_ARG,
                            "%s: \"points\": element %zu is no [step, factor] behind the last one",
                            where, i);
        s->step[i] = json_integer_value(step);
        s->factor[i] = json_number_value(factor);
    }
    s->n = (int)n;
    return 0;
}

static int read_schedule(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "kind", "warmup", "floor", "points" };
    static const char *const kinds[] = { "constant", "linear", "cosine", "piecewise" };
    char where[300];
    int kind = B4C_SCHEDULE_CONSTANT;
    b4c_schedule *s = &r->schedule;
    s->steps = r->steps;
    if (!o) return 0;
    snprintf(where, sizeof where, "%.200s: schedule", r->where);
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    B4C_TRY(word(o, "kind", kinds, COUNT(kinds), &kind, where, err));
    B4C_TRY(integer(o, "warmup", 0, (long long)1 << 40, &s->warmup, where, err));
    B4C_TRY(real(o, "floor", 0, 1, &s->floor, where, err));
    s->kind = (b4c_schedule_kind)kind;
    if (s->kind == B4C_SCHEDULE_PIECEWISE)
        return read_points(s, json_object_get(o, "points"), where, err);
    return 0;
}

static int read_lora(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "rank", "alpha", "targets", "also" };
    char where[300];
    int rank = 0;
    if (!o) return 0;
    snprintf(where, sizeof where, "%.200s: lora", r->where);
    if (!r->from)
        return b4c_fail(err, B4C_E_ARG, "%s: it changes a model that has learned: wanted a "
                                        "\"model\" with \"from\"", where);
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    B4C_TRY(count(o, "rank", 1, &rank, where, err));
    if (rank < 1) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"rank\"", where);
    r->lora.rank = rank;
    r->lora.alpha = 2.0 * rank;
    r->lora.seed = r->seed;
    B4C_TRY(real(o, "alpha", 0, 1e6, &r->lora.alpha, where, err));
    B4C_TRY(words_of(o, "targets", r->lora_targets, &r->lora.n_targets, where, err));
    return words_of(o, "also", r->lora_also, &r->lora.n_also, where, err);
}

static int read_evaluate(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "every", "metric",  "batches",
                                        "data",  "beams", "max_new_tokens" };
    char where[300];
    if (!o) return 0;
    snprintf(where, sizeof where, "%.200s: evaluate", r->where);
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    const int every = integer(o, "every", 1, (long long)1 << 40, &r->evaluate, where, err);
    if (every < 0) return every;
    if (!every) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"every\"", where);
    B4C_TRY(count(o, "batches", 1, &r->evaluate_batches, where, err));
    B4C_TRY(count(o, "beams", 1, &r->evaluate_beams, where, err));
    B4C_TRY(count(o, "max_new_tokens", 1, &r->evaluate_new_tokens, where, err));
    B4C_TRY(word(o, "metric", metrics, B4C_METRICS, &r->metric, where, err));
    r->evaluate_data = json_object_get(o, "data");
    return 0;
}

static int read_samples(b4c_recipe *r, const json_t *o, b4c_error *err)
{
    static const char *const keys[] = { "every",       "texts", "count", "max_new_tokens",
                                        "temperature", "top_k", "top_p" };
    b4c_recipe_samples *s = &r->samples;
    char where[300];
    if (!o) return 0;
    snprintf(where, sizeof where, "%.200s: samples", r->where);
    *s = (b4c_recipe_samples){ .count = 1, .top_p = 1 };
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), where, err));
    const int every = integer(o, "every", 1, (long long)1 << 40, &s->every, where, err);
    if (every < 0) return every;
    B4C_TRY(words_of(o, "texts", s->text, &s->n, where, err));
    if (!every || s->n == 0)
        return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"%s\"", where,
                        every ? "texts" : "every");
    B4C_TRY(count(o, "count", 1, &s->count, where, err));
    if (s->count > 1) s->temperature = 1;
    B4C_TRY(count(o, "max_new_tokens", 1, &s->max_new_tokens, where, err));
    B4C_TRY(count(o, "top_k", 0, &s->top_k, where, err));
    B4C_TRY(real(o, "temperature", 0, 100, &s->temperature, where, err));
    B4C_TRY(real(o, "top_p", 1e-6, 1, &s->top_p, where, err));
    if (s->count > 1 && s->temperature == 0)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: \"count\" is %d, but temperature 0 writes one text only", where,
                        s->count);
    return 0;
}

static int read_top(b4c_recipe *r, b4c_error *err)
{
    static const char *const keys[] = {
        "model",     "task",     "teacher", "data",     "batch",  "accumulate", "max_length",
        "max_target", "steps",   "seed",    "dtype",    "optimiser", "schedule", "freeze",
        "evaluate",  "samples",  "save",    "memory",   "output", "note",      "lora",
        "recompute"
    };
    static const char *const dtypes[] = { "auto", "f32", "bf16" };
    const json_t *o = r->json;
    int64_t seed = 1, memory = 0;
    int dtype = 1;
    B4C_TRY(b4c_json_only(o, keys, COUNT(keys), r->where, err));
    const int steps = integer(o, "steps", 1, (long long)1 << 40, &r->steps, r->where, err);
    if (steps < 0) return steps;
    if (!steps) return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"steps\"", r->where);
    B4C_TRY(b4c_json_text(o, "output", &r->output, r->where, err));
    if (!r->output || !*r->output)
        return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"output\", the folder to write",
                        r->where);
    B4C_TRY(b4c_json_text(o, "teacher", &r->teacher, r->where, err));
    B4C_TRY(count(o, "accumulate", 1, &r->accumulate, r->where, err));
    B4C_TRY(count(o, "max_length", 2, &r->max_length, r->where, err));
    B4C_TRY(count(o, "max_target", 1, &r->max_target, r->where, err));
    B4C_TRY(integer(o, "save", 0, (long long)1 << 40, &r->save, r->where, err));
    B4C_TRY(integer(o, "seed", 0, (long long)1 << 53, &seed, r->where, err));
    B4C_TRY(integer(o, "memory", 1, 1 << 30, &memory, r->where, err));
    B4C_TRY(b4c_json_bool(o, "recompute", &r->recompute, r->where, err));
    B4C_TRY(word(o, "dtype", dtypes, COUNT(dtypes), &dtype, r->where, err));
    r->seed = (uint64_t)seed;
    r->memory = (size_t)memory << 20;
    r->dtype = dtype == 0 ? B4C_AUTO : dtype == 1 ? B4C_F32 : B4C_BF16;
    r->data = json_object_get(o, "data");
    if (!json_is_object(r->data))
        return b4c_fail(err, B4C_E_MISSING, "%s: there is no \"data\"", r->where);
    return words_of(o, "freeze", r->freeze, &r->n_freeze, r->where, err);
}

static int read_all(b4c_recipe *r, b4c_error *err)
{
    const json_t *o = r->json;
    B4C_TRY(read_top(r, err));
    B4C_TRY(read_model(r, json_object_get(o, "model"), err));
    B4C_TRY(read_task(r, json_object_get(o, "task"), err));
    B4C_TRY(count_labels(r, err));
    B4C_TRY(read_batch(r, json_object_get(o, "batch"), err));
    B4C_TRY(read_optimiser(r, json_object_get(o, "optimiser"), err));
    B4C_TRY(read_schedule(r, json_object_get(o, "schedule"), err));
    B4C_TRY(read_lora(r, json_object_get(o, "lora"), err));
    B4C_TRY(read_evaluate(r, json_object_get(o, "evaluate"), err));
    B4C_TRY(read_samples(r, json_object_get(o, "samples"), err));
    if ((r->task == B4C_TASK_DISTIL) != (r->teacher != NULL))
        return b4c_fail(err, B4C_E_ARG, "%s: task '%s' and %s \"teacher\" do not go together",
                        r->where, b4c_task_name(r->task), r->teacher ? "a" : "no");
    return 0;
}

int b4c_recipe_read(b4c_recipe *r, const char *path, const char *const *set, int n_set,
                    b4c_error *err)
{
    *r = (b4c_recipe){ .deviation = 0.02, .accumulate = 1, .metric = -1, .layer_rate = 1 };
    r->where = strdup(path);
    r->json = b4c_json_file(path, err);
    int rc = r->json && r->where ? 0 : err && err->code < 0 ? err->code : B4C_E_MEMORY;
    for (int i = 0; rc == 0 && i < n_set; i++) rc = b4c_json_assign(r->json, set[i], err);
    if (rc == 0) rc = read_all(r, err);
    if (rc < 0) b4c_recipe_done(r);
    return rc;
}

void b4c_recipe_done(b4c_recipe *r)
{
    json_decref(r->json);
    json_decref(r->config);
    free((char *)(uintptr_t)r->where);
    *r = (b4c_recipe){ 0 };
}

int b4c_recipe_same(const b4c_recipe *r, const json_t *old, const char *where, b4c_error *err)
{
    static const char *const free_keys[] = { "steps",  "save",   "evaluate", "samples",   "memory",
                                             "output", "note",   "recompute", "accumulate" };
    /* accumulate: the standing has how many batches a step is of, ranks counted */
    const char *key;
    json_t *value;
    const json_t *side[2] = { r->json, old }, *other[2] = { old, r->json };
    for (int i = 0; i < 2; i++)
        json_object_foreach((json_t *)(uintptr_t)side[i], key, value) {
            bool may = false;
            for (int k = 0; k < COUNT(free_keys); k++) may |= strcmp(key, free_keys[k]) == 0;
            if (may || json_equal(value, json_object_get(other[i], key))) continue;
            return b4c_fail(err, B4C_E_ARG,
                            "%s: \"%.100s\" is not what the training was begun with; resume with "
                            "the same recipe, or begin anew in another output folder",
                            where, key);
        }
    return 0;
}
