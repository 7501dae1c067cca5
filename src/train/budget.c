/* budget.c - see budget.h. */
#include "train/budget.h"
#include "base/error.h"
#include <stdio.h>
#include <unistd.h>

static size_t machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    const size_t least = (size_t)1 << 30;
    const size_t all = pages > 0 && bytes > 0 ? (size_t)pages * (size_t)bytes : least;
    return all > least ? all : least;
}

static b4c_batch_shape shape_of(const b4c_trainer *t)
{
    const b4c_recipe *r = &t->recipe;
    b4c_batch_shape s = { .tokens = r->batch_tokens, .examples = r->batch_examples,
                          .length = b4c_trainer_length(t, r->max_length),
                          .target = b4c_trainer_length(t, r->max_target) };
    const json_t *rate = json_object_get(r->data, "mask_rate"),
                 *negatives = json_object_get(r->data, "negatives");
    s.asked = json_is_number(rate) ? json_number_value(rate) : 0.15;
    s.negatives = json_is_integer(negatives) ? (int)json_integer_value(negatives) : 7;
    return s;
}

static int find(b4c_trainer *t, const b4c_batch_shape *s, size_t before, b4c_footprint *f,
                b4c_error *err)
{
    b4c_batch b;
    b4c_batch_init(&b);
    b4c_largest_batch(&b, &t->learner.task, t->parts.spec, s);
    int rc = b.failed ? b4c_fail(err, B4C_E_MEMORY, "no memory for a batch") : 0;
    if (rc == 0) rc = b4c_footprint_find(f, &t->learner, &b, t->recipe.evaluate > 0, err);
    f->rest = before;
    b4c_batch_done(&b);
    return rc;
}

/* ---- what would fit -------------------------------------------------------------------------- */

enum { ADVICE = 200 };

/* Layers computed again. */
static bool advise_recompute(b4c_trainer *t, size_t before, size_t limit, char advice[ADVICE])
{
    b4c_footprint f;
    const b4c_batch_shape s = shape_of(t);
    if (t->learner.task.recompute) return false;
    t->learner.task.recompute = true;
    const int rc = find(t, &s, before, &f, NULL);
    t->learner.task.recompute = false;
    if (rc < 0 || b4c_footprint_sum(&f) > limit) return false;
    snprintf(advice, ADVICE, "set \"recompute\" to true: %zu MiB", b4c_footprint_sum(&f) >> 20);
    return true;
}

/* Smaller batches, more of them a step, which must keep gradients. */
static bool advise_batch(b4c_trainer *t, size_t before, size_t limit, char advice[ADVICE])
{
    const b4c_recipe *r = &t->recipe;
    b4c_batch_shape s = shape_of(t);
    int *size = s.tokens ? &s.tokens : &s.examples, parts = 1;
    const int least = s.tokens ? s.length : 1, whole = *size;
    while (*size / 2 >= least) {
        b4c_footprint f;
        parts *= 2;
        *size = whole / parts;
        if (find(t, &s, before, &f, NULL) < 0) return false;
        f.gradients = t->learner.leaves.total * sizeof(b4c_real);
        if (b4c_footprint_sum(&f) > limit) continue;
        snprintf(advice, ADVICE, "set \"batch\".\"%s\" to %d and \"accumulate\" to %d: %zu MiB",
                 s.tokens ? "tokens" : "examples", *size, r->accumulate * parts,
                 b4c_footprint_sum(&f) >> 20);
        return true;
    }
    return false;
}

static int too_large(b4c_trainer *t, const b4c_footprint *f, size_t limit, b4c_error *err)
{
    char advice[2][ADVICE] = { "", "" };
    const bool again = advise_recompute(t, f->rest, limit, advice[0]),
               smaller = advise_batch(t, f->rest, limit, advice[1]);
    const size_t step = f->step + f->plain;
    return b4c_fail(err, B4C_E_MEMORY,
                    "%s: \"memory\" is %zu MiB, the training takes %zu: weights %zu, gradients "
                    "%zu, optimiser %zu, activations %zu, all else %zu; %s%s%s",
                    t->recipe.where, limit >> 20, b4c_footprint_sum(f) >> 20, f->weights >> 20,
                    f->gradients >> 20, f->state >> 20, step >> 20, f->rest >> 20, advice[0],
                    again && smaller ? "; or " : "",
                    smaller ? advice[1]
                    : again ? ""
                            : "lower \"max_length\", set \"optimiser\".\"state\" to \"bf16\", or "
                              "train fewer weights (\"lora\", \"freeze\")");
}

int b4c_budget_make(b4c_trainer *t, size_t before, b4c_error *err)
{
    const b4c_batch_shape s = shape_of(t);
    const size_t limit = t->recipe.memory;
    b4c_footprint *f = &t->footprint;
    size_t step = machine_memory(), plain = step;
    B4C_TRY(find(t, &s, before, f, err));
    const size_t sum = b4c_footprint_sum(f);
    if (limit && sum > limit) return too_large(t, f, limit, err);
    if (limit) {                     /* what is over is shared by the parts that can grow */
        step = f->step + (limit - sum) / 2;
        plain = f->plain + (limit - sum) / 2;
    }
    return b4c_learner_limit(&t->learner, step + B4C_ALIGN * 4, plain + B4C_ALIGN * 4, err);
}
