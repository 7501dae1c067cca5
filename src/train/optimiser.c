/* optimiser.c - steps of the weights; optimiser.h has the formulas.
 *
 * Elementwise kinds walk the leaves in pieces, in any order on any lane; adafactor's sums run over
 * whole matrices, so a lane takes a leaf at a time.
 */
#include "train/optimiser.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "math/kernels.h"
#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

static const char *const names[B4C_OPTIMISERS] = { "sgd", "adam", "adamw", "lion", "adafactor" };

const char *b4c_optimiser_name(b4c_optimiser_kind kind) { return names[kind]; }

int b4c_optimiser_find(const char *name)
{
    for (int i = 0; i < B4C_OPTIMISERS; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

b4c_optimiser_options b4c_optimiser_default(b4c_optimiser_kind kind)
{
    static const b4c_optimiser_options o[B4C_OPTIMISERS] = {
        [B4C_SGD] = { .kind = B4C_SGD, .beta1 = 0.9 },
        [B4C_ADAM] = { .kind = B4C_ADAM, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-7 },
        [B4C_ADAMW] = { .kind = B4C_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8,
                        .decay = 0.01 },
        [B4C_LION] = { .kind = B4C_LION, .beta1 = 0.9, .beta2 = 0.99, .decay = 0.1 },
        [B4C_ADAFACTOR] = { .kind = B4C_ADAFACTOR, .beta2 = 0.8, .eps = 1e-30 },
    };
    return o[kind];
}

int b4c_optimiser_init(b4c_optimiser *op, const b4c_leaves *leaves,
                       const b4c_optimiser_options *o, b4c_error *err)
{
    *op = (b4c_optimiser){ .o = *o, .leaves = leaves,
                           .bytes = leaves->total * sizeof(b4c_real),
                           .half_bytes = leaves->total * sizeof(uint16_t) };
    const bool m = o->kind != B4C_ADAFACTOR, v = o->kind != B4C_SGD && o->kind != B4C_LION;
    assert(!o->half || m);
    if (m && !o->half) op->m = b4c_block_new(op->bytes);
    if (v && !o->half) op->v = b4c_block_new(op->bytes);
    if (m && o->half) op->half_m = b4c_block_new(op->half_bytes);
    if (v && o->half) op->half_v = b4c_block_new(op->half_bytes);
    if (o->ema > 0) op->ema = b4c_block_new(op->bytes);
    if ((m && !op->m && !op->half_m) || (v && !op->v && !op->half_v) || (o->ema > 0 && !op->ema)) {
        b4c_optimiser_done(op);
        return b4c_fail(err, B4C_E_MEMORY, "no memory for the state of %s (%zu weights)",
                        names[o->kind], leaves->total);
    }
    for (int i = 0; op->ema && i < leaves->n; i++) {
        const b4c_leaf *f = &leaves->item[i];
        if (b4c_leaf_learns(f)) memcpy(op->ema + f->at, f->x, f->n * sizeof *f->x);
    }
    return 0;
}

void b4c_optimiser_done(b4c_optimiser *op)
{
    b4c_block_free(op->m, op->bytes);
    b4c_block_free(op->v, op->bytes);
    b4c_block_free(op->ema, op->bytes);
    b4c_block_free(op->half_m, op->half_bytes);
    b4c_block_free(op->half_v, op->half_bytes);
    *op = (b4c_optimiser){ 0 };
}

size_t b4c_optimiser_memory(const b4c_optimiser *op)
{
    const size_t whole = (op->m != NULL) + (op->v != NULL) + (op->ema != NULL),
                 half = (op->half_m != NULL) + (op->half_v != NULL);
    return whole * op->bytes + half * op->half_bytes;
}

/* ---- elementwise ----------------------------------------------------------------------------- */

typedef struct step {
    b4c_optimiser *op;
    double rate, scale;
    double rest1, rest2;     /* 1 - b1^t, 1 - b2^t */
} step;

static void sgd(b4c_real *x, const b4c_real *g, b4c_real *m, size_t n, const b4c_real k[4])
{
    const b4c_real b1 = k[0], rate = k[1], decay = k[2], scale = k[3];
    for (size_t i = 0; i < n; i++) {
        m[i] = b1 * m[i] + scale * g[i];
        x[i] -= rate * (m[i] + decay * x[i]);
    }
}

static void lion(b4c_real *x, const b4c_real *g, b4c_real *m, size_t n, const b4c_real k[5])
{
    const b4c_real b1 = k[0], b2 = k[1], rate = k[2], decay = k[3], scale = k[4];
    for (size_t i = 0; i < n; i++) {
        const b4c_real gi = scale * g[i], c = b1 * m[i] + (1 - b1) * gi;
        x[i] -= rate * ((b4c_real)((c > 0) - (c < 0)) + decay * x[i]);
        m[i] = b2 * m[i] + (1 - b2) * gi;
    }
}

/* m and v: of the leaf's elements begin .. begin + n - 1. */
static void move(const step *s, const b4c_leaf *f, size_t begin, size_t n, b4c_real *m, b4c_real *v)
{
    const b4c_optimiser_options *o = &s->op->o;
    const double r = s->rate * f->rate, d = f->decay * o->decay;
    const b4c_real rate = (b4c_real)r, decay = (b4c_real)d, scale = (b4c_real)s->scale,
                   b1 = (b4c_real)o->beta1, b2 = (b4c_real)o->beta2;
    b4c_real *x = f->x + begin;
    const b4c_real *g = f->g + begin;
    if (o->kind == B4C_SGD) {
        sgd(x, g, m, n, (const b4c_real[]){ b1, rate, decay, scale });
    } else if (o->kind == B4C_LION) {
        lion(x, g, m, n, (const b4c_real[]){ b1, b2, rate, decay, scale });
    } else {
        const bool keras = o->kind == B4C_ADAM;
        const b4c_adam by = {
            .beta1 = b1,
            .beta2 = b2,
            .rate = (b4c_real)((keras ? r * sqrt(s->rest2) : r) / s->rest1),
            .root = (b4c_real)(keras ? 1 : 1 / sqrt(s->rest2)),
            .eps = (b4c_real)o->eps,
            .keep = (b4c_real)(1 - r * d),
            .scale = scale,
        };
        b4c_kernels_get()->adam(x, g, m, v, n, &by);
    }
}

/* ---- state as bf16 --------------------------------------------------------------------------- */

enum { CHUNK = 256 };        /* elements that are wide at once */

static void widen(const uint16_t *h, b4c_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = b4c_from_bf16(h[i]);
}

/* x = the upper half of its bits, up with the probability that the lower half says: 16 random bits
 * are added there. Each chance is a hash of the element's place (the finaliser "lowbias32"). */
static void narrow(const b4c_real *x, uint16_t *h, size_t n, uint32_t key)
{
    for (size_t i = 0; i < n; i++) {
        union {
            float f;
            uint32_t u;
        } v = { (float)x[i] };
        uint32_t r = key + (uint32_t)i * 0x9e3779b9u;
        r = (r ^ r >> 16) * 0x7feb352du;
        r = (r ^ r >> 15) * 0x846ca68bu;
        h[i] = (uint16_t)((v.u + (r >> 16)) >> 16);
    }
}

static void move_half(const step *s, const b4c_leaf *f, size_t begin, size_t n)
{
    const b4c_optimiser *op = s->op;
    const uint64_t seed = op->o.seed, t = (uint64_t)op->t;
    b4c_real m[CHUNK], v[CHUNK];
    for (size_t at = begin; at < begin + n; at += CHUNK) {
        const size_t left = begin + n - at, k = left < CHUNK ? left : CHUNK;
        const uint64_t place = f->at + at;
        const uint32_t counter[4] = { (uint32_t)place, (uint32_t)(place >> 32), (uint32_t)t,
                                      (uint32_t)(t >> 32) },
                       key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
        uint32_t chance[4];
        b4c_philox(counter, key, chance);
        widen(op->half_m + place, m, k);
        if (op->half_v) widen(op->half_v + place, v, k);
        move(s, f, at, k, m, v);
        narrow(m, op->half_m + place, k, chance[0]);
        if (op->half_v) narrow(v, op->half_v + place, k, chance[1]);
    }
}

/* ---- a piece --------------------------------------------------------------------------------- */

static void follow(const b4c_optimiser *op, const b4c_leaf *f, size_t begin, size_t n)
{
    b4c_real *e = op->ema + f->at + begin;
    const b4c_real *x = f->x + begin, keep = (b4c_real)op->o.ema;
    for (size_t i = 0; i < n; i++) e[i] = keep * e[i] + (1 - keep) * x[i];
}

static void step_piece(void *arg, const b4c_leaf *f, size_t begin, size_t end)
{
    const step *s = arg;
    const b4c_optimiser *op = s->op;
    const size_t n = end - begin, at = f->at + begin;
    if (op->half_m) move_half(s, f, begin, n);
    else move(s, f, begin, n, op->m + at, op->v ? op->v + at : NULL);
    if (op->ema) follow(op, f, begin, n);
}

/* ---- adafactor ------------------------------------------------------------------------------- */

/* Means of g^2 + eps over columns into row [rows], over rows into col [cols], moving with b. */
static void factor(const b4c_leaf *f, double scale, double b, double eps, b4c_real *row,
                   b4c_real *col)
{
    for (int c = 0; c < f->cols; c++) col[c] *= (b4c_real)b;
    for (int r = 0; r < f->rows; r++) {
        const b4c_real *g = f->g + (size_t)r * (size_t)f->cols;
        double sum = 0;
        for (int c = 0; c < f->cols; c++) {
            const double square = scale * scale * (double)g[c] * (double)g[c] + eps;
            sum += square;
            col[c] += (b4c_real)((1 - b) * square / f->rows);
        }
        row[r] = (b4c_real)(b * (double)row[r] + (1 - b) * sum / f->cols);
    }
}

/* 1 / root of the mean of g^2 that stands for element (r, c). */
static double inverse(const b4c_real *row, const b4c_real *col, double mean, int r, int c)
{
    return 1 / sqrt((double)row[r] * (double)col[c] / mean);
}

static void adafactor_leaf(const step *s, const b4c_leaf *f)
{
    const b4c_optimiser *op = s->op;
    const double b = 1 - pow((double)op->t, -op->o.beta2), eps = op->o.eps;
    const double rate = s->rate * f->rate;
    const bool matrix = f->rows > 1 && f->cols > 1;
    b4c_real *v = op->v + f->at, *col = v + f->rows;
    double mean = 0, sum = 0;
    if (matrix) {
        factor(f, s->scale, b, eps, v, col);
        for (int r = 0; r < f->rows; r++) mean += (double)v[r] / f->rows;
    }
    for (size_t i = 0; i < f->n; i++) {
        const double g = s->scale * (double)f->g[i];
        if (!matrix) v[i] = (b4c_real)(b * (double)v[i] + (1 - b) * (g * g + eps));
        const double u =
            g * (matrix ? inverse(v, col, mean, (int)(i / (size_t)f->cols),
                                  (int)(i % (size_t)f->cols))
                        : 1 / sqrt((double)v[i]));
        sum += u * u;
    }
    const double rms = sqrt(sum / (double)f->n), clip = rms > 1 ? rms : 1;
    for (size_t i = 0; i < f->n; i++) {
        const double u = s->scale * (double)f->g[i] *
                         (matrix ? inverse(v, col, mean, (int)(i / (size_t)f->cols),
                                           (int)(i % (size_t)f->cols))
                                 : 1 / sqrt((double)v[i]));
        f->x[i] = (b4c_real)((1 - rate * f->decay * op->o.decay) * (double)f->x[i] -
                             rate * u / clip);
    }
    if (op->ema) follow(op, f, 0, f->n);
}

typedef struct leaf_walk {
    step s;
    atomic_int next;
} leaf_walk;

static void adafactor_lane(void *arg, int lane, int lanes)
{
    leaf_walk *w = arg;
    (void)lane, (void)lanes;
    for (int i; (i = atomic_fetch_add(&w->next, 1)) < w->s.op->leaves->n;)
        if (w->s.op->leaves->item[i].g) adafactor_leaf(&w->s, &w->s.op->leaves->item[i]);
}

/* ---- a step ---------------------------------------------------------------------------------- */

void b4c_optimiser_begin(b4c_optimiser *op) { op->t++; }

void b4c_optimiser_move(b4c_optimiser *op, double rate, double scale, b4c_pool *pool)
{
    step s = { .op = op, .rate = rate, .scale = scale,
               .rest1 = 1 - pow(op->o.beta1, (double)op->t),
               .rest2 = 1 - pow(op->o.beta2, (double)op->t) };
    if (op->o.kind == B4C_ADAFACTOR) {
        leaf_walk w = { .s = s };
        atomic_init(&w.next, 0);
        b4c_pool_run(pool, adafactor_lane, &w);
    } else {
        b4c_leaves_each(op->leaves, pool, step_piece, &s);
    }
}

void b4c_optimiser_step(b4c_optimiser *op, double rate, double scale, b4c_pool *pool)
{
    b4c_optimiser_begin(op);
    b4c_optimiser_move(op, rate, scale, pool);
}

void b4c_optimiser_swap_ema(b4c_optimiser *op)
{
    for (int i = 0; op->ema && i < op->leaves->n; i++) {
        const b4c_leaf *f = &op->leaves->item[i];
        for (size_t k = 0; b4c_leaf_learns(f) && k < f->n; k++) {
            const b4c_real x = f->x[k];
            f->x[k] = op->ema[f->at + k];
            op->ema[f->at + k] = x;
        }
    }
}
