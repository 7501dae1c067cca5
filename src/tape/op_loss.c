/* op_loss.c - losses [1, 1] over rows of logits.
 *
 * -log p of the target, with p = softmax of a row over its allowed classes; smoothing e spreads a
 * share e of the target over all classes:
 *
 *     l_i = log sum_c exp z_ic - (1 - e) z_it - e mean_c z_ic    L = mean over rows with a target
 *     dz_ic += (p_ic - (1 - e) [c = t] - e / v) / rows
 *
 * Agreement of two readings a, b of the same rows, p and q their softmax:
 *
 *     D = log p - log q    S = sum_c (p_c - q_c) D_c = KL(p|q) + KL(q|p)
 *     da_c += p_c (D_c - sum p D) + p_c - q_c    db_c += q_c (sum q D - D_c) + q_c - p_c
 *
 * The probabilities are made again in back: logits are the largest tensor of a model, and a copy of
 * them would be the second largest.
 */
#include "tape/ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const b4c_tensor nothing;

typedef struct entropy_arg {
    b4c_tensor z;
    const int32_t *target;
    const uint8_t *allowed;  /* [rows, v], or NULL: all */
    b4c_real smoothing;
    int counted;             /* rows with a target */
    b4c_real *ones;          /* [v], with smoothing */
    b4c_real *loss;          /* [rows] */
    b4c_real *scratch;       /* [lanes, v] */
    b4c_real *dz, up;
    int dz_ld;
} entropy_arg;

/* p = softmax of row i over its allowed classes. Returns log of the sum. */
static b4c_real probabilities(const b4c_tape *t, const entropy_arg *a, int i, b4c_real *p)
{
    const size_t v = (size_t)a->z.cols;
    memcpy(p, b4c_row_of(a->z, i), v * sizeof *p);
    if (a->allowed)
        for (size_t c = 0; c < v; c++)
            if (!a->allowed[(size_t)i * v + c]) p[c] = -INFINITY;
    return t->kernels->softmax(p, v);
}

static void entropy_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const entropy_arg *a = arg;
    const size_t v = (size_t)a->z.cols;
    for (int i = begin; i < end; i++) {
        const b4c_real *z = b4c_row_of(a->z, i);
        a->loss[i] = 0;
        if (a->target[i] < 0) continue;
        a->loss[i] = probabilities(t, a, i, b4c_row(a->scratch, a->z.cols, lane)) -
                     (1 - a->smoothing) * z[a->target[i]];
        if (a->smoothing > 0)
            a->loss[i] -= a->smoothing / (b4c_real)v * t->kernels->dot(z, a->ones, v);
    }
}

static void entropy_rows_back(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const entropy_arg *a = arg;
    const size_t v = (size_t)a->z.cols;
    b4c_real *p = b4c_row(a->scratch, a->z.cols, lane);
    for (int i = begin; i < end; i++) {
        if (a->target[i] < 0) continue;
        b4c_real *dz = b4c_row(a->dz, a->dz_ld, i);
        probabilities(t, a, i, p);
        t->kernels->axpy(a->up, p, dz, v);
        dz[a->target[i]] -= a->up * (1 - a->smoothing);
        if (a->smoothing > 0) t->kernels->axpy(-a->up * a->smoothing / (b4c_real)v, a->ones, dz, v);
    }
}

static double work(const entropy_arg *a)
{
    return 8.0 * a->z.cols;
}

static void entropy_back(b4c_tape *t, const b4c_record *r)
{
    entropy_arg a = *(const entropy_arg *)r->arg;
    int ld;
    if (a.counted == 0) return;
    a.up = b4c_grad(t, r->out, &ld)[0] / (b4c_real)a.counted;
    a.dz = b4c_grad(t, a.z, &a.dz_ld);
    a.scratch = b4c_take_rows(t, b4c_lanes(t), a.z.cols);
    if (a.dz && !t->failed)
        b4c_each_rows(t, entropy_rows_back, &a, a.z.rows, b4c_grain(t, work(&a)));
}

static b4c_tensor entropy(b4c_tape *t, entropy_arg a)
{
    if (t->failed) return nothing;
    assert(a.z.x && a.smoothing >= 0 && a.smoothing < 1);
    b4c_tensor y = b4c_fresh(t, 1, 1, B4C_ROWS);
    if (a.smoothing > 0) a.ones = b4c_take_rows(t, 1, a.z.cols);
    for (int c = 0; a.ones && c < a.z.cols; c++) a.ones[c] = 1;
    for (int i = 0; i < a.z.rows; i++) {
        assert(a.target[i] < a.z.cols);
        assert(a.target[i] < 0 || !a.allowed ||
               a.allowed[(size_t)i * (size_t)a.z.cols + (size_t)a.target[i]]);
        a.counted += a.target[i] >= 0;
    }
    b4c_record *r = b4c_remember(t, entropy_back, y);
    if (r) r->arg = b4c_copy(t, &a, sizeof a);
    const size_t mark = b4c_scope_open(t);
    a.loss = b4c_take_rows(t, 1, a.z.rows);
    a.scratch = b4c_take_rows(t, b4c_lanes(t), a.z.cols);
    if (t->failed) return nothing;
    b4c_each_rows(t, entropy_rows, &a, a.z.rows, b4c_grain(t, work(&a)));
    double sum = 0;
    for (int i = 0; i < a.z.rows; i++) sum += (double)a.loss[i];
    y.x[0] = a.counted ? (b4c_real)(sum / a.counted) : 0;
    b4c_drop(t, mark);
    return y;
}

b4c_tensor b4c_cross_entropy(b4c_tape *t, b4c_tensor logits, const int32_t *target,
                             b4c_real smoothing)
{
    return entropy(t, (entropy_arg){ .z = logits, .target = target, .smoothing = smoothing });
}

b4c_tensor b4c_masked_cross_entropy(b4c_tape *t, b4c_tensor logits, const int32_t *target,
                                    const uint8_t *allowed)
{
    return entropy(t, (entropy_arg){ .z = logits, .target = target, .allowed = allowed });
}

/* ---- agreement of two readings --------------------------------------------------------------- */

typedef struct agreement_arg {
    b4c_tensor z;            /* [2m, v] */
    const int32_t *target;   /* [m or more] */
    b4c_real weight;
    int counted;             /* pairs with a target */
    b4c_real *sum;           /* [m] S of each pair */
    b4c_real *scratch;       /* [lanes, 3v] p, q, D */
    b4c_real *dz, up;
    int dz_ld;
} agreement_arg;

typedef struct two_readings {
    b4c_real *p, *q, *d;     /* [v] */
    double under_p, under_q; /* sums of p D, q D */
} two_readings;

static two_readings read_twice(const b4c_tape *t, const agreement_arg *a, int i, int lane)
{
    const int m = a->z.rows / 2;
    const size_t v = (size_t)a->z.cols;
    const b4c_real *x = b4c_row_of(a->z, i), *y = b4c_row_of(a->z, i + m);
    two_readings r = { .p = b4c_row(a->scratch, 3 * a->z.cols, lane) };
    r.q = r.p + v;
    r.d = r.q + v;
    memcpy(r.p, x, v * sizeof *x);
    memcpy(r.q, y, v * sizeof *y);
    const b4c_real apart = t->kernels->softmax(r.q, v) - t->kernels->softmax(r.p, v);
    for (size_t c = 0; c < v; c++) r.d[c] = x[c] - y[c] + apart;
    r.under_p = (double)t->kernels->dot(r.p, r.d, v);
    r.under_q = (double)t->kernels->dot(r.q, r.d, v);
    return r;
}

static void agreement_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const agreement_arg *a = arg;
    for (int i = begin; i < end; i++) {
        a->sum[i] = 0;
        if (a->target[i] < 0) continue;
        const two_readings r = read_twice(t, a, i, lane);
        a->sum[i] = (b4c_real)(r.under_p - r.under_q);
    }
}

static void agreement_rows_back(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const agreement_arg *a = arg;
    const int m = a->z.rows / 2;
    for (int i = begin; i < end; i++) {
        if (a->target[i] < 0) continue;
        const two_readings r = read_twice(t, a, i, lane);
        const b4c_real up = a->up, under_p = (b4c_real)r.under_p, under_q = (b4c_real)r.under_q;
        b4c_real *da = b4c_row(a->dz, a->dz_ld, i), *db = b4c_row(a->dz, a->dz_ld, i + m);
        for (int c = 0; c < a->z.cols; c++) {
            const b4c_real p = r.p[c], q = r.q[c], d = r.d[c];
            da[c] += up * (p * (d - under_p) + p - q);
            db[c] += up * (q * (under_q - d) + q - p);
        }
    }
}

static void agreement_back(b4c_tape *t, const b4c_record *r)
{
    agreement_arg a = *(const agreement_arg *)r->arg;
    int ld;
    if (a.counted == 0) return;
    a.up = b4c_grad(t, r->out, &ld)[0] * a.weight / (b4c_real)a.counted;
    a.dz = b4c_grad(t, a.z, &a.dz_ld);
    a.scratch = b4c_take_rows(t, b4c_lanes(t), 3 * a.z.cols);
    if (a.dz && !t->failed)
        b4c_each_rows(t, agreement_rows_back, &a, a.z.rows / 2, b4c_grain(t, 16.0 * a.z.cols));
}

b4c_tensor b4c_agreement(b4c_tape *t, b4c_tensor logits, const int32_t *target, b4c_real weight)
{
    if (t->failed) return nothing;
    assert(logits.x && logits.rows % 2 == 0);
    agreement_arg a = { .z = logits, .target = target, .weight = weight };
    for (int i = 0; i < logits.rows / 2; i++) a.counted += target[i] >= 0;
    b4c_tensor y = b4c_fresh(t, 1, 1, B4C_ROWS);
    b4c_record *r = b4c_remember(t, agreement_back, y);
    if (r) r->arg = b4c_copy(t, &a, sizeof a);
    const size_t mark = b4c_scope_open(t);
    a.sum = b4c_take_rows(t, 1, logits.rows / 2);
    a.scratch = b4c_take_rows(t, b4c_lanes(t), 3 * logits.cols);
    if (t->failed) return nothing;
    b4c_each_rows(t, agreement_rows, &a, logits.rows / 2, b4c_grain(t, 16.0 * logits.cols));
    double sum = 0;
    for (int i = 0; i < logits.rows / 2; i++) sum += (double)a.sum[i];
    y.x[0] = a.counted ? weight * (b4c_real)(sum / a.counted) : 0;
    b4c_drop(t, mark);
    return y;
}
