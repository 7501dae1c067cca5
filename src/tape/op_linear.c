/* op_linear.c - y = act(x W^T + bias).
 *
 * One product over packed panels, with bias and activation in its epilogue. Panels of a weight that
 * is trained are made as they are read, a lane's one at a time. Without a recording the
 * product writes straight into the form that the reader wants. With one it leaves the rows before
 * the activation, for back, and the activation runs on them; the kernels promise the same bits
 * either way.
 *
 *     z = x W^T + b    y = act(z)
 *     dz = dy * act'(z)    dx += dz W    dW += dz^T x    db += column sums of dz
 *
 * A weight with a low-rank change B A of base W sends its gradient there, and makes no dW:
 *
 *     u = s dz B    dA += u^T x    v = s x A^T    dB += dz^T v
 *
 * Where weights are bf16 or int8, gradients are those of the master weights and of the rows before
 * rounding ("straight-through": rounding counts as the identity).
 */
#include "tape/ops.h"

#include <assert.h>
#include <string.h>

typedef struct linear_arg {
    b4c_act act;
    b4c_weight w;
    b4c_real *before;        /* [rows, n] z; NULL without an activation */
} linear_arg;

/* ---- back ----------------------------------------------------------------------------------- */

typedef struct product {
    bool half;               /* factors may be rounded to bf16, as those of the forward product */
    int m, n, k;
    const b4c_real *a, *b;
    int lda, ldb;
    b4c_real *c;
    int ldc;
} product;

static void product_nn(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const product *p = arg;
    (p->half ? t->kernels->half_nn : t->kernels->add_nn)
        (p->m, p->n, p->k, p->a, p->lda, p->b, p->ldb, p->c, p->ldc, begin, end);
}

static void product_tn(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const product *p = arg;
    (p->half ? t->kernels->half_tn : t->kernels->add_tn)
        (p->m, p->n, p->k, p->a, p->lda, p->b, p->ldb, p->c, p->ldc, begin, end);
}

static void product_nt(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const product *p = arg;
    t->kernels->add_nt(p->m, p->n, p->k, p->a, p->lda, p->b, p->ldb, p->c, p->ldc, begin, end);
}

/* A lane takes its rows at once: what a part copies of b it uses for all of them. */
static void add_product(b4c_tape *t, b4c_units_fn fn, product p)
{
    const int grain = b4c_grain(t, (double)p.n * p.k / 16), share = p.m / b4c_lanes(t);
    b4c_each_rows(t, fn, &p, p.m, grain > share ? grain : share);
}

typedef struct activation {
    b4c_act act;
    const b4c_real *z, *dy;
    b4c_real *dz;
    size_t cols;
} activation;

static void activation_back(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const activation *a = arg;
    for (size_t at = (size_t)begin * a->cols; begin < end; begin++, at += a->cols) {
        memset(a->dz + at, 0, a->cols * sizeof *a->dz);
        t->kernels->act_back(a->act, a->z + at, a->dy + at, a->dz + at, a->cols);
    }
}

static b4c_real *zero_rows(b4c_tape *t, int rows, int cols)
{
    b4c_real *x = b4c_take_rows(t, rows, cols);
    if (x && !t->dry) memset(x, 0, (size_t)rows * (size_t)cols * sizeof *x);
    return x;
}

/* The weight as rows [n, k]: the master, or where it is not trained, what the panels hold. */
static const b4c_real *rows_of_weight(b4c_tape *t, const b4c_weight *w)
{
    if (w->master) return w->master;
    b4c_real *rows = b4c_take_rows(t, w->packed.n, w->packed.k);
    for (int i = 0; rows && i < w->packed.n; i++)
        b4c_packed_row(&w->packed, i, b4c_row(rows, w->packed.k, i));
    return rows;
}

static void scale_all(b4c_real *x, int n, b4c_real factor)
{
    for (int i = 0; i < n; i++) x[i] *= factor;
}

/* dz [rows, n], x [rows, k] of the whole weight. */
static void low_rank_back(b4c_tape *t, const b4c_low_rank *l, bool half, const b4c_real *dz, int n,
                          b4c_tensor x)
{
    const int rows = x.rows, k = x.cols, rank = l->rank;
    const b4c_real *part = dz + l->at;
    b4c_real *u = zero_rows(t, rows, rank), *v = zero_rows(t, rows, rank);
    if (t->failed || !l->da) return;
    const int of = l->rows;
    add_product(t, product_nn, (product){ half, rows, rank, of, part, l->b, n, rank, u, rank });
    add_product(t, product_nt, (product){ half, rows, rank, k, x.x, l->a, x.ld, k, v, rank });
    scale_all(u, rows * rank, l->scale);
    scale_all(v, rows * rank, l->scale);
    add_product(t, product_tn, (product){ half, rank, k, rows, u, x.x, rank, x.ld, l->da, k });
    add_product(t, product_tn, (product){ half, of, rank, rows, part, v, n, rank, l->db, rank });
}

static void linear_back(b4c_tape *t, const b4c_record *r)
{
    const linear_arg *a = r->arg;
    const b4c_tensor x = r->in[0];
    const int rows = x.rows, n = a->w.packed.n, k = a->w.packed.k;
    int dy_ld, dx_ld;
    const b4c_real *dz = b4c_grad(t, r->out, &dy_ld);
    b4c_real *dx = b4c_grad(t, x, &dx_ld);
    b4c_real *dw = b4c_slot_grad(t, a->w.slot, n, k), *db = b4c_slot_grad(t, a->w.bias.slot, 1, n);
    assert(dy_ld == n);
    if (a->before) {
        b4c_real *back = b4c_take_rows(t, rows, n);      /* zeroed in activation_back */
        if (!back) return;
        activation act = { a->act, a->before, dz, back, (size_t)n };
        b4c_each_rows(t, activation_back, &act, rows, b4c_grain(t, 8.0 * n));
        dz = back;
    }
    const b4c_real *w = dx ? rows_of_weight(t, &a->w) : NULL;
    if (t->failed) return;
    const bool half = a->w.packed.dtype == B4C_BF16;
    if (dx) add_product(t, product_nn, (product){ half, rows, k, n, dz, w, n, k, dx, dx_ld });
    if (dw) add_product(t, product_tn, (product){ half, n, k, rows, dz, x.x, n, x.ld, dw, k });
    if (db) b4c_add_columns(t, dz, n, rows, n, db);
    for (int i = 0; i < a->w.n_low; i++) low_rank_back(t, &a->w.low[i], half, dz, n, x);
}

/* ---- forward -------------------------------------------------------------------------------- */

static void gemm_panels(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    t->kernels->gemm(arg, begin, end);
}

typedef struct master_product {
    const b4c_gemm *g;
    const b4c_real *master;
    char *scratch;           /* [lanes, panel_bytes] */
    size_t panel_bytes;
} master_product;

static void gemm_master(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const master_product *j = arg;
    for (int p = begin; p < end; p++) {
        b4c_packed panel;
        const b4c_gemm one = b4c_gemm_of_panel(j->g, p, j->master, &panel,
                                               j->scratch + (size_t)lane * j->panel_bytes);
        t->kernels->gemm(&one, 0, 1);
    }
}

static void activate_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const activation *a = arg;
    const size_t at = (size_t)begin * a->cols;
    t->kernels->act(a->act, a->z + at, a->dz + at, (size_t)(end - begin) * a->cols);
}

/* Few rows wait for the weights, of which two bytes cost at least a step where they come from
 * memory. */
static double work_of_panel(const b4c_weight *w, int rows)
{
    const double products = (double)rows * w->packed.k * 32 / 16;
    const double bytes = (double)w->packed.bytes / ((w->packed.n + 31) / 32);
    return products > bytes / 2 ? products : bytes / 2;
}

static void multiply(b4c_tape *t, b4c_gemm *g, const b4c_weight *w)
{
    const int panels = (w->packed.n + 31) / 32;
    const int grain = b4c_grain(t, work_of_panel(w, g->in.rows));
    if (w->packed.panels) {
        if (!t->failed) b4c_each(t, gemm_panels, g, panels, grain);
        return;
    }
    master_product j = { .g = g, .master = w->master };
    j.panel_bytes = b4c_packed_room(32, w->packed.k, w->packed.dtype);
    j.scratch = b4c_take(t, (size_t)b4c_lanes(t) * j.panel_bytes);
    if (j.scratch) b4c_each(t, gemm_master, &j, panels, grain);
}

b4c_tensor b4c_linear(b4c_tape *t, b4c_tensor x, const b4c_weight *w, b4c_act act, b4c_want want)
{
    return b4c_linear_into(t, b4c_fresh_spaced(t, x.rows, w->packed.n, want), x, w, act);
}

/* Products of int8 have results no finer than a brief activation. */
static b4c_act act_of(b4c_act act, const b4c_packed *w)
{
    if (w->dtype != B4C_I8 || w->groups) return act;
    return act == B4C_ACT_GELU        ? B4C_ACT_GELU_BRIEF
           : act == B4C_ACT_GELU_TANH ? B4C_ACT_GELU_TANH_BRIEF
                                      : act;
}

b4c_tensor b4c_linear_into(b4c_tape *t, b4c_tensor y, b4c_tensor x, const b4c_weight *w,
                           b4c_act wanted)
{
    const int n = w->packed.n;
    const b4c_act act = act_of(wanted, &w->packed);
    if (t->failed) return (b4c_tensor){ 0 };
    assert(x.cols == w->packed.k && (!t->recording || x.x));
    b4c_record *r = b4c_remember(t, linear_back, y);
    linear_arg a = { .act = act, .w = *w };
    if (r) {
        if (act != B4C_ACT_NONE) a.before = b4c_take_rows(t, x.rows, n);
        r->in[0] = x;
        r->arg = b4c_copy(t, &a, sizeof a);
    }
    b4c_reads(t, w->slot);
    b4c_reads(t, w->bias.slot);
    const size_t mark = b4c_scope_open(t);
    b4c_gemm g = { .w = &w->packed, .bias = w->bias.x, .act = a.before ? B4C_ACT_NONE : act };
    g.in = b4c_operand_as(t, &x, b4c_form_for(t->kernels, w->packed.dtype, w->packed.groups));
    b4c_tensor z = y;
    if (a.before) z.x = a.before;
    g.out = b4c_target(t, &z);
    multiply(t, &g, w);
    if (a.before && !t->failed) {
        activation run = { act, a.before, NULL, y.x, (size_t)n };
        b4c_each_rows(t, activate_rows, &run, x.rows, b4c_grain(t, 8.0 * n));
    }
    b4c_settle(t, &y, &g.out);
    b4c_drop(t, mark);
    return t->failed ? (b4c_tensor){ 0 } : y;
}
