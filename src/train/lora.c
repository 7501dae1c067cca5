/* lora.c - see lora.h. */
#include "train/lora.h"
#include "base/error.h"
#include "base/rng.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool is_target(const b4c_named_parameter *x, const b4c_lora_options *o)
{
    if (x->p->kind != B4C_KIND_MATRIX || !x->p->weight || !x->p->weight->master) return false;
    for (int i = 0; i < o->n_targets; i++)
        if (strstr(x->name, o->targets[i])) return true;
    return o->n_targets == 0 &&
           (x->p->role == B4C_ROLE_QUERY || x->p->role == B4C_ROLE_VALUE ||
            x->p->role == B4C_ROLE_CROSS_QUERY || x->p->role == B4C_ROLE_CROSS_VALUE);
}

static size_t factor_size(const b4c_parameter *p, int rank, size_t *of_a)
{
    *of_a = b4c_padded((size_t)rank * (size_t)p->cols);
    return *of_a + b4c_padded((size_t)rank * (size_t)p->rows);
}

/* Uniform within 1 / sqrt(in), as the authors and PEFT begin. */
static void begin_a(b4c_low_rank *l, int cols, uint64_t seed, int number)
{
    const double most = 1 / sqrt((double)cols);
    b4c_rng rng;
    b4c_rng_init(&rng, seed, (uint64_t)number, 1);
    for (int i = 0; i < l->rank * cols; i++)
        l->a[i] = (b4c_real)(most * (2 * (double)b4c_rng_uniform(&rng) - 1));
}

static void attach(b4c_lora *lora, int i, size_t *factor_at, size_t *base_at,
                   const b4c_lora_options *o)
{
    const b4c_parameter *p = lora->of[i];
    b4c_weight *w = p->weight;
    b4c_low_rank *l = &lora->low[i];
    size_t of_a;
    const size_t n = factor_size(p, o->rank, &of_a), cells = (size_t)p->rows * (size_t)p->cols;
    *l = (b4c_low_rank){ .at = p->at, .rows = p->rows, .rank = o->rank,
                         .scale = (b4c_real)(o->alpha / o->rank),
                         .a = lora->factors + *factor_at, .b = lora->factors + *factor_at + of_a,
                         .base = lora->base + *base_at };
    memcpy(lora->base + *base_at, w->master + (size_t)p->at * (size_t)p->cols,
           cells * sizeof *lora->base);
    begin_a(l, p->cols, o->seed, i);
    if (!w->low) w->low = l;
    w->n_low++;
    *factor_at += n;
    *base_at += cells;
}

int b4c_lora_make(b4c_lora *lora, const b4c_named_parameter *list, int n,
                  const b4c_lora_options *o, b4c_error *err)
{
    size_t factors = 0, cells = 0, factor_at = 0, base_at = 0, of_a;
    *lora = (b4c_lora){ 0 };
    lora->low = calloc((size_t)n, sizeof *lora->low);
    lora->of = calloc((size_t)n, sizeof *lora->of);
    if (!lora->low || !lora->of) {
        b4c_lora_done(lora);
        return b4c_fail(err, B4C_E_MEMORY, "no memory for the list of LoRA's weights");
    }
    for (int i = 0; i < n; i++) {
        if (!is_target(&list[i], o)) continue;
        lora->of[lora->n++] = list[i].p;
        factors += factor_size(list[i].p, o->rank, &of_a);
        cells += (size_t)list[i].p->rows * (size_t)list[i].p->cols;
    }
    if (lora->n == 0) {
        b4c_lora_done(lora);
        return b4c_fail(err, B4C_E_ARG, "lora: none of the targets is part of a matrix's name");
    }
    lora->factor_bytes = factors * sizeof(b4c_real);
    lora->base_bytes = cells * sizeof(b4c_real);
    lora->factors = b4c_block_new(lora->factor_bytes);
    lora->base = b4c_block_new(lora->base_bytes);
    if (!lora->factors || !lora->base) {
        b4c_lora_done(lora);
        return b4c_fail(err, B4C_E_MEMORY, "no memory for LoRA's factors and %zu base weights",
                        cells);
    }
    for (int i = 0; i < lora->n; i++) attach(lora, i, &factor_at, &base_at, o);
    return 0;
}

void b4c_lora_done(b4c_lora *lora)
{
    b4c_block_free(lora->factors, lora->factor_bytes);
    b4c_block_free(lora->base, lora->base_bytes);
    free(lora->low);
    free(lora->of);
    *lora = (b4c_lora){ 0 };
}

/* ---- the sum --------------------------------------------------------------------------------- */

enum { GROUP = 32 };         /* rows that a lane takes at once */

typedef struct summing {
    const b4c_lora *lora;
    atomic_int next;
} summing;

static void sum_rows(const b4c_parameter *p, const b4c_low_rank *l, int begin, int end)
{
    const b4c_kernels *k = b4c_kernels_get();
    const size_t cols = (size_t)p->cols;
    for (int r = begin; r < end; r++) {
        b4c_real *to = p->weight->master + (size_t)(l->at + r) * cols;
        memcpy(to, l->base + (size_t)r * cols, cols * sizeof *to);
        for (int j = 0; j < l->rank; j++)
            k->axpy(l->scale * l->b[(size_t)r * (size_t)l->rank + (size_t)j],
                    l->a + (size_t)j * cols, to, cols);
    }
}

static void sum_lane(void *arg, int lane, int lanes)
{
    summing *s = arg;
    (void)lane, (void)lanes;
    int i = 0, before = 0;
    for (;;) {
        const int group = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
        for (int groups; i < s->lora->n; i++, before += groups) {
            groups = (s->lora->low[i].rows + GROUP - 1) / GROUP;
            if (group < before + groups) break;
        }
        if (i == s->lora->n) return;
        const b4c_low_rank *l = &s->lora->low[i];
        const int begin = (group - before) * GROUP;
        sum_rows(s->lora->of[i], l, begin, begin + GROUP < l->rows ? begin + GROUP : l->rows);
    }
}

void b4c_lora_sum(const b4c_lora *lora, b4c_pool *pool)
{
    summing s = { .lora = lora };
    atomic_init(&s.next, 0);
    if (lora->n) b4c_pool_run(pool, sum_lane, &s);
}
