/* even.c - evening out int8. The idea stands in even.h.
 *
 * Which columns are large is a property of the weights, not of the text: random tokens show the
 * same ones as sentences do (bge-small-zh, all-MiniLM: 1 - cosine of the vectors falls to a quarter
 * or a third, with either). Only columns far above the mean are touched, and only by powers of two:
 * a model without such columns stays as it is, and tiny differences between instruction sets do not
 * show in the weights.
 * Source of the idea: Xiao et al. 2023, "SmoothQuant", which measures with text and takes any
 * factor.
 */
#include "model/even.h"

#include "base/error.h"
#include "base/rng.h"
#include "model/forward.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 4, LENGTH = 32 };
static const size_t ARENA = (size_t)4 << 30;      /* address space */

/* Norm before the product of query, key and value of block b; NULL: something else stands there. */
static const b4c_norm *before_attention(const b4c_network *net, int b)
{
    const b4c_spec *s = &net->spec;
    const b4c_stack *st = &net->encoder;
    if (s->shared_layers) return NULL;            /* reads the embedding's result and its own */
    if (b > 0) return &st->block[b - 1].norm;
    return s->embedding_norm && !b4c_spec_projects(s) ? &st->embedding_norm : NULL;
}

static void list(b4c_evenings *e, b4c_network *net)
{
    for (int b = 0; b < net->encoder.blocks; b++) {
        b4c_block *block = &net->encoder.block[b];
        b4c_norm *norm = (b4c_norm *)(uintptr_t)before_attention(net, b);
        if (norm) e->item[e->n++] = (b4c_evening){ .norm = norm, .weight = { &block->self.qkv } };
        e->item[e->n++] = (b4c_evening){ .norm = &block->self.norm,
                                         .weight = { &block->up,
                                                     net->spec.gated ? &block->gate : NULL } };
    }
}

typedef struct watch { b4c_evenings *e; const b4c_network *net; } watch;

/* The norms' results as they pass: "attended" is the one before the feed-forward, "hidden" before
 * the next layer. */
static void measure(void *arg, const char *name, int layer, b4c_tensor x)
{
    const watch *w = arg;
    const b4c_stack *st = &w->net->encoder;
    const bool hidden = strcmp(name, "hidden") == 0;
    const int b = st->blocks == 1 ? 0 : layer;
    if (b >= st->blocks) return;
    const b4c_weight *reader = hidden ? &st->block[b].self.qkv : &st->block[b].up;
    for (int i = 0; i < w->e->n; i++) {
        b4c_evening *it = &w->e->item[i];
        if (it->weight[0] != reader) continue;
        for (int r = 0; r < x.rows; r++)
            for (int c = 0; c < x.cols; c++) {
                const b4c_real a = x.x[(size_t)r * (size_t)x.ld + (size_t)c];
                if ((a < 0 ? -a : a) > it->largest[c]) it->largest[c] = a < 0 ? -a : a;
            }
    }
}

static bool run_random(b4c_tape *t, const b4c_network *net)
{
    const b4c_spec *s = &net->spec;
    const int length = s->max_positions && s->max_positions < LENGTH ? s->max_positions : LENGTH;
    const int lengths[SEQUENCES] = { length, length, length, length };
    int32_t ids[SEQUENCES * LENGTH];
    b4c_rng rng;
    b4c_rng_init(&rng, 1, 0, 0);
    for (int i = 0; i < SEQUENCES * length; i++)
        ids[i] = (int32_t)b4c_rng_below(&rng, (uint32_t)s->vocabulary);
    const b4c_plan plan = b4c_plan_make(t, B4C_MASK_FULL, lengths, SEQUENCES, NULL);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    const b4c_tensor x = b4c_input(t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    b4c_stack_run(t, net, &net->encoder, x, &call);
    return !t->failed;
}

/* A column whose largest value is r times the mean of all columns' is divided by the power of two
 * nearest to r / 2, if that is 2 or more. False: there is no such column. */
static bool choose(b4c_evening *it, b4c_real *even, int width)
{
    double mean = 0;
    bool any = false;
    for (int c = 0; c < width; c++) mean += (double)it->largest[c] / width;
    for (int c = 0; c < width; c++) {
        const double power = round(log2((double)it->largest[c] / mean / 2));
        const int n = power >= 1 && power <= 16 ? (int)power : 0;     /* NaN: 0 */
        any |= n > 0;
        it->factor[c] = (float)ldexp(1, n);
        even[c] = (b4c_real)ldexp(1, -n);
    }
    if (any) it->norm->even = even;
    return any;
}

/* The list with memory for its numbers. Returns the network's [n, width], or NULL: none. */
static b4c_real *begin(b4c_evenings *e, b4c_network *net)
{
    const size_t w = (size_t)net->spec.width;
    *e = (b4c_evenings){ .item = calloc(2 * (size_t)net->encoder.blocks, sizeof *e->item) };
    assert(!net->spec.pre_norm);
    if (!e->item) return NULL;
    list(e, net);
    const size_t rows = (size_t)e->n;
    e->memory = calloc(rows + 1, w * (sizeof(float) + sizeof(b4c_real)));
    if (!e->memory) return NULL;
    b4c_real *largest = (b4c_real *)(void *)e->memory;
    float *factor = (float *)(void *)(largest + rows * w);
    for (size_t i = 0; i < rows; i++) {
        e->item[i].largest = largest + i * w;
        e->item[i].factor = factor + i * w;
    }
    return b4c_network_take(net, (rows + 1) * w * sizeof(b4c_real));
}

static int no_memory(b4c_evenings *e, b4c_error *err)
{
    b4c_evenings_done(e);
    return b4c_fail(err, B4C_E_MEMORY, "no memory to even out the weights");
}

int b4c_evenings_given(b4c_evenings *e, b4c_network *net,
                       const float *(*columns)(const void *arg, const b4c_weight *),
                       const void *arg, b4c_error *err)
{
    const int width = net->spec.width;
    b4c_real *even = begin(e, net);
    if (!even) return no_memory(e, err);
    int kept = 0;
    for (int i = 0; i < e->n; i++, even += width) {
        const float *given = columns(arg, e->item[i].weight[0]);
        if (!given) continue;
        for (int c = 0; c < width; c++) {
            e->item[i].factor[c] = given[c];
            even[c] = (b4c_real)(1 / given[c]);
        }
        e->item[i].norm->even = even;
        e->item[kept++] = e->item[i];
    }
    e->n = kept;
    return 0;
}

int b4c_evenings_measure(b4c_evenings *e, b4c_network *net, b4c_pool *pool, b4c_error *err)
{
    const int width = net->spec.width;
    const size_t w = (size_t)width;
    b4c_tape t = { 0 };
    b4c_real *even = begin(e, net);
    const size_t rows = (size_t)e->n;
    bool ok = even && b4c_tape_init(&t, b4c_kernels_get(), pool, net->dtype, ARENA, false) == 0;
    if (ok) {
        watch eye = { e, net };
        t.look = measure;
        t.look_arg = &eye;
        ok = run_random(&t, net);
    }
    int kept = 0;
    for (size_t i = 0; ok && i < rows; i++)
        if (choose(&e->item[i], even + i * w, width)) e->item[kept++] = e->item[i];
    e->n = kept;
    b4c_tape_done(&t);
    return ok ? 0 : no_memory(e, err);
}

void b4c_evenings_done(b4c_evenings *e)
{
    free(e->item);
    free(e->memory);
    *e = (b4c_evenings){ 0 };
}

const float *b4c_evenings_of(const b4c_evenings *e, const b4c_weight *w)
{
    for (int i = 0; i < e->n; i++)
        if (e->item[i].weight[0] == w || e->item[i].weight[1] == w) return e->item[i].factor;
    return NULL;
}

const b4c_real *b4c_evened(const b4c_network *net, const b4c_weight *w)
{
    const b4c_spec *s = &net->spec;
    const b4c_stack *st = &net->encoder;
    if (s->pre_norm) return NULL;
    for (int b = 0; b < st->blocks; b++) {
        const b4c_block *block = &st->block[b];
        if (w == &block->up || (s->gated && w == &block->gate)) return block->self.norm.even;
        if (w != &block->self.qkv) continue;
        const b4c_norm *norm = before_attention(net, b);
        return norm ? norm->even : NULL;
    }
    return NULL;
}
