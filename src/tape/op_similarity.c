/* op_similarity.c - losses over the similarities of vectors, and the features of pairs. Rows of u
 * are unit vectors, so a product of two rows is a cosine.
 *
 *     contrastive    S = scale U U^T without its diagonal
 *                    L = mean_i (log sum_j exp s_ij - s_i,positive(i)), over rows with a positive
 *                    dS = (softmax S - [j = positive(i)]) / n
 *     distillation   S = U U^T    L = weight / n^2 sum_ij (s_ij - target_ij)^2
 *                    dS = 2 weight / n^2 (S - target)
 *     both           dU += dS U + dS^T U    (times scale)
 *     CoSENT         c_i = u_2i . u_2i+1
 *                    L = log(1 + sum over label_i > label_j of exp(scale (c_j - c_i)))
 *     pairs          y_i = [u_2i, u_2i+1, |u_2i - u_2i+1|]
 *
 * A batch has some hundred vectors, so the [n, n] matrices are small beside a layer's activations.
 * Sources: Gao et al. 2021 (SimCSE); Reimers and Gurevych 2019 (pairs); Su 2022 (CoSENT),
 * kexue.fm/archives/8847.
 */
#include "tape/ops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const b4c_tensor nothing;

/* ---- losses over all pairs ------------------------------------------------------------------ */

typedef struct square {
    b4c_tensor u;
    b4c_real scale;
    b4c_real *ds;            /* [n, n] gradient of the loss by S */
} square;

static void zero(b4c_real *x, size_t n)
{
    memset(x, 0, n * sizeof *x);
}

/* s [n, n] = U U^T */
static void similarities(const b4c_tape *t, b4c_tensor u, b4c_real *s)
{
    const int n = u.rows;
    zero(s, (size_t)n * (size_t)n);
    t->kernels->add_nt(n, n, u.cols, u.x, u.ld, u.x, u.ld, s, n, 0, n);
}

static void square_back(b4c_tape *t, const b4c_record *r)
{
    const square *a = r->arg;
    const int n = a->u.rows, w = a->u.cols;
    int ld;
    const b4c_real up = b4c_grad(t, r->out, &ld)[0];
    b4c_real *du = b4c_grad(t, a->u, &ld), *sum = b4c_take_rows(t, n, w);
    if (!du || t->failed) return;
    zero(sum, (size_t)n * (size_t)w);
    t->kernels->add_nn(n, w, n, a->ds, n, a->u.x, a->u.ld, sum, w, 0, n);
    t->kernels->add_tn(n, w, n, a->ds, n, a->u.x, a->u.ld, sum, w, 0, n);
    for (int i = 0; i < n; i++)
        t->kernels->axpy(up * a->scale, b4c_row(sum, w, i), b4c_row(du, ld, i), (size_t)w);
}

/* y [1, 1], and S in a->ds; false: the tape has failed. */
static bool begin_square(b4c_tape *t, b4c_tensor *y, square *a)
{
    if (t->failed) return false;
    assert(a->u.x);
    *y = b4c_fresh(t, 1, 1, B4C_ROWS);
    a->ds = b4c_take_rows(t, a->u.rows, a->u.rows);
    b4c_record *r = b4c_remember(t, square_back, *y);
    if (r) r->arg = b4c_copy(t, a, sizeof *a);
    if (t->failed) return false;
    similarities(t, a->u, a->ds);
    return true;
}

b4c_tensor b4c_contrastive(b4c_tape *t, b4c_tensor u, const int *positive, b4c_real scale)
{
    b4c_tensor y;
    square a = { .u = u, .scale = scale };
    if (!begin_square(t, &y, &a)) return nothing;
    const int n = u.rows;
    const size_t w = (size_t)n;
    double sum = 0;
    int asking = 0;
    const size_t mark = b4c_scope_open(t);
    b4c_real *s = b4c_take_rows(t, 1, n);
    if (!s) return nothing;
    for (int i = 0; i < n; i++) asking += positive[i] >= 0;
    for (int i = 0; i < n; i++) {
        b4c_real *row = b4c_row(a.ds, n, i);
        assert(positive[i] < n && positive[i] != i);
        if (positive[i] < 0) {
            zero(row, w);
            continue;
        }
        zero(s, w);
        t->kernels->axpy(scale, row, s, w);
        s[i] = -INFINITY;
        const b4c_real at = s[positive[i]];
        sum += (double)(t->kernels->softmax(s, w) - at);
        s[positive[i]] -= 1;
        zero(row, w);
        t->kernels->axpy(1 / (b4c_real)asking, s, row, w);
    }
    y.x[0] = asking ? (b4c_real)(sum / asking) : 0;
    b4c_drop(t, mark);
    return y;
}

b4c_tensor b4c_similarity_mse(b4c_tape *t, b4c_tensor u, const b4c_real *target, b4c_real weight)
{
    b4c_tensor y;
    square a = { .u = u, .scale = u.rows ? 2 * weight / (b4c_real)u.rows / (b4c_real)u.rows : 0 };
    if (!begin_square(t, &y, &a)) return nothing;
    const size_t n = (size_t)u.rows;
    double sum = 0;
    t->kernels->axpy(-1, target, a.ds, n * n);
    for (size_t i = 0; i < n; i++) sum += (double)t->kernels->dot(a.ds + i * n, a.ds + i * n, n);
    y.x[0] = n ? (b4c_real)((double)weight * sum / (double)n / (double)n) : 0;
    return y;
}

/* ---- CoSENT --------------------------------------------------------------------------------- */

typedef struct cosent_arg {
    b4c_tensor u;
    b4c_real *dc;            /* [n / 2] gradient of the loss by the cosines */
} cosent_arg;

static void cosent_back(b4c_tape *t, const b4c_record *r)
{
    const cosent_arg *a = r->arg;
    const size_t w = (size_t)a->u.cols;
    int ld;
    const b4c_real up = b4c_grad(t, r->out, &ld)[0];
    b4c_real *du = b4c_grad(t, a->u, &ld);
    if (!du || t->failed) return;
    for (int i = 0; i < a->u.rows; i++)
        t->kernels->axpy(up * a->dc[i / 2], b4c_row_of(a->u, i ^ 1), b4c_row(du, ld, i), w);
}

/* The loss is the log-sum-exp of 0 and of all scale (c_j - c_i), so softmax of that list gives loss
 * and gradient, and no exponential overflows. */
b4c_tensor b4c_cosent(b4c_tape *t, b4c_tensor u, const b4c_real *labels, b4c_real scale)
{
    if (t->failed) return nothing;
    assert(u.x && u.rows % 2 == 0);
    const int n = u.rows / 2;
    b4c_tensor y = b4c_fresh(t, 1, 1, B4C_ROWS);
    cosent_arg a = { .u = u, .dc = b4c_take_rows(t, 1, n) };
    b4c_record *r = b4c_remember(t, cosent_back, y);
    if (r) r->arg = b4c_copy(t, &a, sizeof a);
    const size_t mark = b4c_scope_open(t);
    b4c_real *c = b4c_take_rows(t, 1, n), *p = b4c_take_rows(t, 1 + n, n ? n : 1);
    if (t->failed) return nothing;

    size_t terms = 1;
    p[0] = 0;
    for (int i = 0; i < n; i++)
        c[i] = t->kernels->dot(b4c_row_of(u, 2 * i), b4c_row_of(u, 2 * i + 1), (size_t)u.cols);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (labels[i] > labels[j]) p[terms++] = scale * (c[j] - c[i]);
    y.x[0] = t->kernels->softmax(p, terms);
    zero(a.dc, (size_t)n);
    terms = 1;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (labels[i] > labels[j]) {
                a.dc[i] -= scale * p[terms];
                a.dc[j] += scale * p[terms++];
            }
    b4c_drop(t, mark);
    return y;
}

/* ---- features of pairs ---------------------------------------------------------------------- */

static void pair_features_back(b4c_tape *t, const b4c_record *r)
{
    const b4c_kernels *k = t->kernels;
    const b4c_tensor u = r->in[0];
    const size_t w = (size_t)u.cols;
    int dy_ld, ld;
    const b4c_real *dy = b4c_grad(t, r->out, &dy_ld);
    b4c_real *du = b4c_grad(t, u, &ld), *turned = b4c_take_rows(t, 1, u.cols);
    if (!du || t->failed) return;
    for (int i = 0; i < r->out.rows; i++, dy += dy_ld) {
        b4c_real *da = b4c_row(du, ld, 2 * i), *db = b4c_row(du, ld, 2 * i + 1);
        const b4c_real *a = b4c_row_of(u, 2 * i), *b = b4c_row_of(u, 2 * i + 1);
        for (size_t c = 0; c < w; c++)
            turned[c] = a[c] > b[c] ? dy[2 * w + c] : a[c] < b[c] ? -dy[2 * w + c] : 0;
        k->add(da, dy, da, w);
        k->add(db, dy + w, db, w);
        k->axpy(1, turned, da, w);
        k->axpy(-1, turned, db, w);
    }
}

b4c_tensor b4c_pair_features(b4c_tape *t, b4c_tensor u)
{
    if (t->failed) return nothing;
    assert(u.x && u.rows % 2 == 0);
    b4c_tensor y = b4c_fresh(t, u.rows / 2, 3 * u.cols, B4C_ROWS);
    b4c_record *r = b4c_remember(t, pair_features_back, y);
    if (r) r->in[0] = u;
    if (t->failed) return nothing;
    const size_t w = (size_t)u.cols;
    for (int i = 0; i < y.rows; i++) {
        b4c_real *to = b4c_row(y.x, y.ld, i);
        const b4c_real *a = b4c_row_of(u, 2 * i), *b = b4c_row_of(u, 2 * i + 1);
        memcpy(to, a, w * sizeof *to);
        memcpy(to + w, b, w * sizeof *to);
        for (size_t c = 0; c < w; c++) to[2 * w + c] = (b4c_real)fabs((double)(a[c] - b[c]));
    }
    return y;
}
