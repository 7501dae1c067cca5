/* op_loss.c - losses [1, 1] over rows of logits.
 *
 * -log p of the target, with p = softmax of a row over its allowed classes; smoothing e spreads a
 * share e of the target over all classes:
 *
 *     l_i = log sum_c exp z_ic - (1 - e) z_it - e mean_c z_ic    L = mean over rows with a target
 *     dz_ic += (p_ic - (1 - e) [c = t] - e / v) / rows
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
