/* op_pool.c - one row a sequence, listed rows, and rows of unit length.
 *
 *     first, last  y = x_0, x_n-1        dx_0, dx_n-1 += dy
 *     mean   y = (1/n) sum_i x_i          dx_i += dy / n
 *     mean_sqrt   y = sum_i x_i / sqrt n  dx_i += dy / sqrt n
 *     weighted    y = sum_i (i+1) x_i / (n(n+1)/2)    dx_i += (i+1) dy / (n(n+1)/2)
 *     max    y_c = max_i x_ic             dx_ic += dy_c in the first row i that has the maximum
 *     unit   y = x / max(|x|, 1e-12)      dx += (dy - y (y.dy)) / |x|;  below 1e-12: dy / 1e-12
 *
 * A sequence of no rows gives zeros. Every sum runs in the order of rows, whatever the lanes.
 */
#include "tape/ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const b4c_tensor nothing;

/* ---- one row a sequence --------------------------------------------------------------------- */

typedef struct pool_arg {
    b4c_pool_kind kind;
    const int *offsets;
    b4c_tensor x, y;
    int *winner;             /* MAX: [n_seq, cols] the row that has it, -1: none; to record only */
} pool_arg;

/* The rows' sum is divided by this; row i of a weighted mean counts i + 1 times. */
static double divisor(b4c_pool_kind kind, int n)
{
    return kind == B4C_POOL_ROW_MEAN        ? n
           : kind == B4C_POOL_ROW_MEAN_SQRT ? sqrt(n)
                                            : 0.5 * n * (n + 1.0);
}

static void pool_mean(const b4c_kernels *k, const pool_arg *a, int s, b4c_real *sum)
{
    const int from = a->offsets[s], upto = a->offsets[s + 1];
    const size_t w = (size_t)a->y.cols;
    b4c_real *y = b4c_row(a->y.x, a->y.ld, s);
    memset(y, 0, w * sizeof *y);
    if (from == upto) return;
    memset(sum, 0, w * sizeof *sum);
    for (int i = from; i < upto; i++)
        if (a->kind == B4C_POOL_ROW_WEIGHTED)
            k->axpy((b4c_real)(i - from + 1), b4c_row_of(a->x, i), sum, w);
        else
            k->add(sum, b4c_row_of(a->x, i), sum, w);
    k->axpy((b4c_real)(1 / divisor(a->kind, upto - from)), sum, y, w);
}

static bool is_mean(b4c_pool_kind kind)
{
    return kind == B4C_POOL_ROW_MEAN || kind == B4C_POOL_ROW_MEAN_SQRT ||
           kind == B4C_POOL_ROW_WEIGHTED;
}

/* Of those that take one row. */
static int row_taken(const pool_arg *a, int s)
{
    return a->kind == B4C_POOL_ROW_LAST ? a->offsets[s + 1] - 1 : a->offsets[s];
}

static void pool_max(const pool_arg *a, int s)
{
    b4c_real *y = b4c_row(a->y.x, a->y.ld, s);
    int *winner = a->winner ? a->winner + (size_t)s * (size_t)a->y.cols : NULL;
    for (int c = 0; c < a->y.cols; c++) {
        int best = a->offsets[s] < a->offsets[s + 1] ? a->offsets[s] : -1;
        for (int i = best + 1; best >= 0 && i < a->offsets[s + 1]; i++) {
            const b4c_real v = b4c_row_of(a->x, i)[c], top = b4c_row_of(a->x, best)[c];
            if (v > top || (isnan(v) && !isnan(top))) best = i;
        }
        y[c] = best < 0 ? 0 : b4c_row_of(a->x, best)[c];
        if (winner) winner[c] = best;
    }
}

typedef struct pool_job { const pool_arg *a; b4c_real *scratch; } pool_job;

static void pool_sequences(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const pool_job *j = arg;
    const pool_arg *a = j->a;
    for (int s = begin; s < end; s++) {
        b4c_real *y = b4c_row(a->y.x, a->y.ld, s);
        if (is_mean(a->kind))
            pool_mean(t->kernels, a, s, b4c_row(j->scratch, a->y.cols, lane));
        else if (a->kind == B4C_POOL_ROW_MAX)
            pool_max(a, s);
        else if (a->offsets[s] < a->offsets[s + 1])
            memcpy(y, b4c_row_of(a->x, row_taken(a, s)), (size_t)a->y.cols * sizeof *y);
        else
            memset(y, 0, (size_t)a->y.cols * sizeof *y);
    }
}

static void pooled_back(b4c_tape *t, const b4c_record *r)
{
    const pool_arg *a = r->arg;
    const size_t w = (size_t)a->y.cols;
    int dy_ld, dx_ld;
    const b4c_real *dy = b4c_grad(t, r->out, &dy_ld);
    b4c_real *dx = b4c_grad(t, a->x, &dx_ld);
    if (!dx || t->failed) return;
    for (int s = 0; s < a->y.rows; s++, dy += dy_ld) {
        const int from = a->offsets[s], upto = a->offsets[s + 1];
        if (from == upto) continue;
        if (a->kind == B4C_POOL_ROW_MAX) {
            const int *winner = a->winner + (size_t)s * w;
            for (size_t c = 0; c < w; c++) b4c_row(dx, dx_ld, winner[c])[c] += dy[c];
        } else if (is_mean(a->kind)) {
            const double by = divisor(a->kind, upto - from);
            for (int i = from; i < upto; i++) {
                const int times = a->kind == B4C_POOL_ROW_WEIGHTED ? i - from + 1 : 1;
                t->kernels->axpy((b4c_real)(times / by), dy, b4c_row(dx, dx_ld, i), w);
            }
        } else {
            t->kernels->axpy(1, dy, b4c_row(dx, dx_ld, row_taken(a, s)), w);
        }
    }
}

b4c_tensor b4c_pooled(b4c_tape *t, b4c_tensor x, const int *offsets, int n_seq, b4c_pool_kind kind)
{
    if (t->failed) return nothing;
    assert(x.x && n_seq >= 0 && offsets[0] >= 0 && offsets[n_seq] <= x.rows);
    pool_arg a = { .kind = kind, .offsets = offsets, .x = x };
    a.y = b4c_fresh(t, n_seq, x.cols, B4C_ROWS);
    b4c_record *r = b4c_remember(t, pooled_back, a.y);
    if (r) {
        if (kind == B4C_POOL_ROW_MAX)
            a.winner = b4c_take(t, (size_t)n_seq * (size_t)x.cols * sizeof *a.winner);
        r->arg = b4c_copy(t, &a, sizeof a);
    }
    const size_t mark = b4c_scope_open(t);
    pool_job j = { &a, b4c_take_rows(t, b4c_lanes(t), x.cols) };
    if (t->failed) return nothing;
    b4c_each(t, pool_sequences, &j, n_seq,
             b4c_grain(t, (double)x.rows * x.cols / (n_seq ? n_seq : 1)));
    b4c_drop(t, mark);
    return a.y;
}

/* ---- listed rows ---------------------------------------------------------------------------- */

static void gather_back(b4c_tape *t, const b4c_record *r)
{
    int dy_ld, dx_ld;
    const b4c_real *dy = b4c_grad(t, r->out, &dy_ld);
    b4c_real *dx = b4c_grad(t, r->in[0], &dx_ld);
    if (dx && !t->failed)
        b4c_add_rows(t, 1, dy, dy_ld, r->out.rows, r->out.cols, r->arg, dx, dx_ld);
}

b4c_tensor b4c_gather(b4c_tape *t, b4c_tensor x, const int *index, int n)
{
    if (t->failed) return nothing;
    assert(x.x);
    b4c_tensor y = b4c_fresh(t, n, x.cols, B4C_ROWS);
    b4c_record *r = b4c_remember(t, gather_back, y);
    if (r) r->in[0] = x, r->arg = index;
    if (t->failed) return nothing;
    for (int i = 0; i < n; i++) {
        assert(index[i] >= 0 && index[i] < x.rows);
        memcpy(b4c_row(y.x, y.ld, i), b4c_row_of(x, index[i]), (size_t)x.cols * sizeof *y.x);
    }
    return y;
}

/* ---- unit rows ------------------------------------------------------------------------------ */

static const b4c_real shortest = (b4c_real)1e-12;

static void unit_back(b4c_tape *t, const b4c_record *r)
{
    const b4c_kernels *k = t->kernels;
    const size_t w = (size_t)r->out.cols;
    const b4c_real *length = r->arg;
    int dy_ld, dx_ld;
    const b4c_real *dy = b4c_grad(t, r->out, &dy_ld);
    b4c_real *dx = b4c_grad(t, r->in[0], &dx_ld);
    if (!dx || t->failed) return;
    for (int i = 0; i < r->out.rows; i++, dy += dy_ld, dx += dx_ld) {
        const b4c_real *y = b4c_row_of(r->out, i);
        k->axpy(1 / length[i], dy, dx, w);
        if (length[i] > shortest) k->axpy(-k->dot(y, dy, w) / length[i], y, dx, w);
    }
}

b4c_tensor b4c_unit(b4c_tape *t, b4c_tensor x)
{
    if (t->failed) return nothing;
    assert(x.x);
    b4c_tensor y = b4c_fresh(t, x.rows, x.cols, B4C_ROWS);
    b4c_real *length = b4c_take_rows(t, 1, x.rows);
    b4c_record *r = b4c_remember(t, unit_back, y);
    if (r) r->in[0] = x, r->arg = length;
    if (t->failed) return nothing;
    const size_t w = (size_t)x.cols;
    memset(y.x, 0, (size_t)y.rows * w * sizeof *y.x);
    for (int i = 0; i < x.rows; i++) {
        const b4c_real *row = b4c_row_of(x, i);
        const b4c_real size = (b4c_real)sqrt((double)t->kernels->dot(row, row, w));
        length[i] = size < shortest ? shortest : size;
        t->kernels->axpy(1 / length[i], row, b4c_row(y.x, y.ld, i), w);
    }
    return y;
}
