/* op_norm.c - y = norm(x + residual) * gain + bias, LayerNorm or RMSNorm.
 *
 * One kernel does it in one pass and writes rows, operand and sum as wanted. On a tape that
 * records, the sum is a result of its own with a record of its own, so that back is two plain
 * steps: the norm's, and the sum's.
 *
 *     h = (s - mean) * rstd    y = h * gain + bias          (RMS: mean = 0)
 *     g = dy * gain    ds += rstd * (g - mean(g) - h * mean(g h))    (RMS: without mean(g))
 *     dgain += column sums of dy h    dbias += column sums of dy
 *
 * Sources: Ba et al. 2016; Zhang and Sennrich 2019.
 */
#include "tape/ops.h"

#include <assert.h>
#include <string.h>

typedef struct norm_arg {
    b4c_norm norm;
    b4c_real *mean, *rstd;   /* [rows]; mean is NULL for RMS */
} norm_arg;

typedef struct norm_back_job {
    const norm_arg *a;
    b4c_tensor s;
    const b4c_real *dy, *ones;
    b4c_real *ds, *product;  /* product: [rows, cols] dy h, or NULL */
    int dy_ld, ds_ld;
    b4c_real *scratch;       /* [lanes, 2 cols]: h and g of one row */
} norm_back_job;

static void norm_back_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const norm_back_job *j = arg;
    const b4c_kernels *k = t->kernels;
    const int cols = j->s.cols;
    const size_t w = (size_t)cols;
    b4c_real *h = b4c_row(j->scratch, 2 * cols, lane), *scaled = h + w;
    for (int i = begin; i < end; i++) {
        const b4c_real *dy = j->dy + (size_t)i * (size_t)j->dy_ld, *g = dy, rstd = j->a->rstd[i];
        memset(h, 0, w * sizeof *h);
        k->axpy(rstd, b4c_row_of(j->s, i), h, w);
        if (j->a->mean) k->axpy(-rstd * j->a->mean[i], j->ones, h, w);
        if (j->product) k->mul(dy, h, b4c_row(j->product, cols, i), w);
        if (!j->ds) continue;
        if (j->a->norm.gain.x) k->mul(dy, j->a->norm.gain.x, scaled, w), g = scaled;
        b4c_real *ds = b4c_row(j->ds, j->ds_ld, i);
        const b4c_real along = k->dot(g, h, w) / (b4c_real)cols;
        k->axpy(rstd, g, ds, w);
        k->axpy(-rstd * along, h, ds, w);
        if (j->a->mean) k->axpy(-rstd * k->dot(g, j->ones, w) / (b4c_real)cols, j->ones, ds, w);
    }
}

static void norm_back(b4c_tape *t, const b4c_record *r)
{
    const norm_arg *a = r->arg;
    const int rows = r->out.rows, cols = r->out.cols;
    norm_back_job j = { .a = a, .s = r->in[0] };
    j.dy = b4c_grad(t, r->out, &j.dy_ld);
    j.ds = b4c_grad(t, j.s, &j.ds_ld);
    b4c_real *dgain = b4c_slot_grad(t, a->norm.gain.slot, 1, cols);
    b4c_real *dbias = b4c_slot_grad(t, a->norm.bias.slot, 1, cols);
    b4c_real *ones = b4c_take_rows(t, 1, cols);
    j.scratch = b4c_take_rows(t, b4c_lanes(t), 2 * cols);
    if (dgain) j.product = b4c_take_rows(t, rows, cols);
    if (t->failed) return;
    for (int c = 0; c < cols; c++) ones[c] = 1;
    j.ones = ones;
    b4c_each_rows(t, norm_back_rows, &j, rows, b4c_grain(t, 10.0 * cols));
    if (dgain) b4c_add_columns(t, j.product, cols, rows, cols, dgain);
    if (dbias) b4c_add_columns(t, j.dy, j.dy_ld, rows, cols, dbias);
}

static void norm_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    t->kernels->norm(arg, begin, end);
}

b4c_tensor b4c_normalize(b4c_tape *t, b4c_tensor x, b4c_tensor residual, const b4c_norm *norm,
                         b4c_tensor *sum, b4c_want want)
{
    return b4c_normalize_into(t, b4c_fresh(t, x.rows, x.cols, want), x, residual, norm, sum);
}

b4c_tensor b4c_normalize_into(b4c_tape *t, b4c_tensor y, b4c_tensor x, b4c_tensor residual,
                              const b4c_norm *norm, b4c_tensor *sum)
{
    const b4c_tensor nothing = { 0 };
    if (sum) *sum = nothing;
    if (t->failed) return nothing;
    assert(x.x && (!residual.x || (residual.rows == x.rows && residual.cols == x.cols)));
    assert(!norm->gain.x || norm->gain.cols == x.cols);

    b4c_tensor s = x;
    if (residual.x && (sum || t->recording)) {
        s = b4c_fresh(t, x.rows, x.cols, B4C_ROWS);
        b4c_record *r = b4c_remember(t, b4c_sum_back, s);
        if (r) r->in[0] = x, r->in[1] = residual;
    }
    b4c_norm_job job = {
        .kind = norm->kind, .cols = x.cols, .eps = norm->eps, .x = x.x, .x_ld = x.ld
    };
    norm_arg a = { .norm = *norm };
    b4c_record *r = b4c_remember(t, norm_back, y);
    if (r) {
        a.rstd = job.rstd = b4c_take_rows(t, 1, x.rows);
        if (norm->kind == B4C_NORM_LAYER) a.mean = job.mean = b4c_take_rows(t, 1, x.rows);
        r->in[0] = s;
        r->arg = b4c_copy(t, &a, sizeof a);
    }
    b4c_reads(t, norm->gain.slot);
    b4c_reads(t, norm->bias.slot);
    if (t->failed) return nothing;

    job.residual = residual.x;
    job.residual_ld = residual.ld;
    job.gain = norm->gain.x;
    job.bias = norm->bias.x;
    job.y = y.x;
    job.out = y.in;
    job.even = norm->even;
    if (s.x != x.x) job.sum = s.x;
    b4c_each_rows(t, norm_rows, &job, x.rows, b4c_grain(t, 4.0 * x.cols));
    if (sum) *sum = s;
    return y;
}
