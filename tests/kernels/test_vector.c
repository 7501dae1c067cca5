/* test_vector.c - activations, elementwise kernels, softmax, norm and rotary positions of every
 * instruction set against the same in double, within the error bounds that src/math/act_body.h
 * states. */
#include "kernels_common.h"
#include "math/vec_scalar.h"
#include "math/act_body.h"
#include <math.h>

#define EACH_TABLE(t) for (const b4c_kernels *t = next_table(NULL); t; t = next_table(t))
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static const double root_half = 0.70710678118654752440, root_2_pi = 0.79788456080286535588;

static double true_act(b4c_act act, double x)
{
    switch (act) {
    case B4C_ACT_GELU:
    case B4C_ACT_GELU_BRIEF: return 0.5 * x * erfc(-x * root_half);
    case B4C_ACT_GELU_TANH:
    case B4C_ACT_GELU_TANH_BRIEF:
        return x / (1 + exp(-2 * root_2_pi * (x + 0.044715 * x * x * x)));
    case B4C_ACT_RELU: return x > 0 ? x : 0;
    case B4C_ACT_SILU: return x / (1 + exp(-x));
    case B4C_ACT_TANH: return tanh(x);
    case B4C_ACT_NONE: break;
    }
    return x;
}

static double true_slope(b4c_act act, double x)
{
    double t, s;
    switch (act) {
    case B4C_ACT_GELU:
    case B4C_ACT_GELU_BRIEF:
        return 0.5 * erfc(-x * root_half) + x * exp(-0.5 * x * x) * 0.39894228040143267794;
    case B4C_ACT_GELU_TANH:
    case B4C_ACT_GELU_TANH_BRIEF:
        t = tanh(root_2_pi * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root_2_pi * (1 + 3 * 0.044715 * x * x);
    case B4C_ACT_RELU: return x > 0;
    case B4C_ACT_SILU: s = 1 / (1 + exp(-x)); return s + x * s * (1 - s);
    case B4C_ACT_TANH: return 1 - tanh(x) * tanh(x);
    case B4C_ACT_NONE: break;
    }
    return 1;
}

/* Arguments lo .. hi with uneven steps. */
static float *ladder(double lo, double hi, int n)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int i = 0; i < n; i++) x[i] = (float)(lo + (hi - lo) * (i + 0.37) / n);
    return x;
}

typedef struct error_bound { b4c_act act; double lo, hi, absolute, relative; } error_bound;

/* The bounds are for fused multiply-adds; without them two roundings take the place of one. */
static double slack(const b4c_kernels *t) { return strcmp(t->name, "scalar") == 0 ? 3 : 1; }

static void hold(const b4c_kernels *t, const error_bound *b, int n)
{
    float *x = ladder(b->lo, b->hi, n), *y = malloc((size_t)n * sizeof *y);
    double absolute = 0, relative = 0;
    t->act(b->act, x, y, (size_t)n);
    for (int i = 0; i < n; i++) {
        double want = true_act(b->act, x[i]), e = fabs(y[i] - want);
        if (e > absolute) absolute = e;
        if (want != 0 && e / fabs(want) > relative) relative = e / fabs(want);
    }
    if (absolute > b->absolute * slack(t) || relative > b->relative * slack(t))
        fail_msg("%s: activation %d on %g .. %g: absolute error %.2e (bound %.2e), relative %.2e "
                 "(bound %.2e)",
                 t->name, (int)b->act, b->lo, b->hi, absolute, b->absolute, relative, b->relative);
    free(x);
    free(y);
}

static void activations_keep_their_error_bounds(void **state)
{
    (void)state;
    static const error_bound bounds[] = {
        { B4C_ACT_GELU, -20, 0, 3.5e-8, INFINITY },
        { B4C_ACT_GELU, 0, 100, INFINITY, 2.5e-7 },
        { B4C_ACT_GELU, -1e-3, 1e-3, INFINITY, 2.5e-7 },
        { B4C_ACT_GELU_TANH, -20, 0, 3.5e-8, INFINITY },
        { B4C_ACT_GELU_TANH, 0, 100, INFINITY, 2.5e-7 },
        { B4C_ACT_GELU_TANH, -1e-3, 1e-3, INFINITY, 2.5e-7 },
        { B4C_ACT_GELU_BRIEF, -20, 20, 9e-6, INFINITY },
        { B4C_ACT_GELU_TANH_BRIEF, -20, 20, 9e-6, INFINITY },
        { B4C_ACT_SILU, -80, 80, 1e-5, 5e-7 },
        { B4C_ACT_SILU, -1e-2, 1e-2, INFINITY, 5e-7 },
        { B4C_ACT_TANH, -12, 12, 5e-7, 5e-7 },
        { B4C_ACT_TANH, -1e-3, 1e-3, INFINITY, 5e-7 },
        { B4C_ACT_RELU, -10, 10, 0, 0 },
        { B4C_ACT_NONE, -10, 10, 0, 0 },
    };
    EACH_TABLE(t) for (int i = 0; i < COUNT(bounds); i++) hold(t, &bounds[i], 200003);
}

static void slopes_are_the_derivatives(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *x = ladder(-12, 12, N), *dx = malloc(N * sizeof *dx), *dy = malloc(N * sizeof *dy);
    for (int i = 0; i < N; i++) dy[i] = 2;
    EACH_TABLE(t)
        for (int act = B4C_ACT_NONE; act <= B4C_ACT_GELU_TANH_BRIEF; act++) {
            for (int i = 0; i < N; i++) dx[i] = 1;
            t->act_back((b4c_act)act, x, dy, dx, N);
            for (int i = 0; i < N; i++) {
                double want = 1 + 2 * true_slope((b4c_act)act, x[i]); /* back adds */
                if (fabs(dx[i] - want) > 2.5e-6 * slack(t))
                    fail_msg("%s: slope %d at %g is %g, not %g", t->name, act, x[i], dx[i], want);
            }
        }
    free(x);
    free(dx);
    free(dy);
}

static void exp_and_half_erf_keep_their_error_bounds(void **state)
{
    (void)state;
    double worst = 0, worst_erf = 0;
    for (int i = 0; i < 2000000; i++) {
        float x = (float)(-87.3 + 176.0 * i / 2000000);
        double e = fabs(v_exp(x) / exp(x) - 1);
        if (e > worst) worst = e;
        float z = (float)(-7 + 14.0 * i / 2000000);
        e = fabs(v_half_erf(z) - 0.5 * erf(z * root_half));
        if (e > worst_erf) worst_erf = e;
    }
    if (worst > 1.3e-7 || worst_erf > 2e-7)
        fail_msg("exp: relative error %.2e; half erf: absolute %.2e", worst, worst_erf);
    assert_true(v_exp(0) == 1 && v_exp(-INFINITY) == 0 && v_exp(-87.34f) == 0 &&
                v_exp(-1e30f) == 0);
    assert_true(v_exp(1e30f) > 3e38f && isfinite(v_exp(INFINITY)) && isnan(v_exp(NAN)));
}

static void activations_bear_any_number(void **state)
{
    (void)state;
    EACH_TABLE(t)
        for (int at = 0; at < 70; at++) {               /* in whole vectors and in tails */
            float x[70], y[70];
            for (int i = 0; i < 70; i++) x[i] = 0.25f;
            for (int act = B4C_ACT_GELU; act <= B4C_ACT_GELU_TANH_BRIEF; act++) {
                x[at] = NAN;
                t->act((b4c_act)act, x, y, 70);
                assert_true(isnan(y[at]));
                for (int i = 0; i < 70; i++) assert_true(i == at || y[i] == y[at ? 0 : 1]);
                x[at] = INFINITY;
                t->act((b4c_act)act, x, y, 70);
                assert_true(act == B4C_ACT_TANH ? y[at] == 1 : y[at] == INFINITY);
                x[at] = -3e38f;
                t->act((b4c_act)act, x, y, 70);
                assert_true(act == B4C_ACT_TANH   ? y[at] == -1
                            : act == B4C_ACT_SILU ? y[at] <= 0 && y[at] > -2
                                                  : y[at] <= 0 && y[at] > -3e-9f);
                x[at] = 0;
                t->act((b4c_act)act, x, y, 70);
                assert_true(y[at] == 0);
            }
        }
}

static void elementwise_kernels_touch_their_elements_only(void **state)
{
    (void)state;
    float *a = random_floats(80, 1, 2), *b = random_floats(80, 2, 2);
    EACH_TABLE(t)
        for (size_t n = 0; n <= 70; n++) {
            float y[80], z[80];
            for (int i = 0; i < 80; i++) y[i] = z[i] = 7;
            t->add(a, b, y, n);
            for (size_t i = 0; i < 80; i++) assert_true(y[i] == (i < n ? a[i] + b[i] : 7));
            t->mul(a, b, y, n);
            for (size_t i = 0; i < 80; i++) assert_true(y[i] == (i < n ? a[i] * b[i] : 7));
            t->shift(-0.3f, a, y, n);
            for (size_t i = 0; i < 80; i++) assert_true(y[i] == (i < n ? a[i] - 0.3f : 7));
            memcpy(y, b, n * sizeof *y);
            t->axpy(3, a, y, n);
            for (size_t i = 0; i < 80; i++)
                assert_true(i < n ? fabs(y[i] - (3.0 * a[i] + b[i])) < 2e-6 : y[i] == 7);
            t->act(B4C_ACT_GELU, a, z, n);
            memcpy(y, a, n * sizeof *y);
            t->act(B4C_ACT_GELU, y, y, n); /* y may be x, and an element's place changes nothing */
            for (size_t i = 0; i < 80; i++) {
                float alone = 7;
                t->act(B4C_ACT_GELU, a + i, &alone, i < n);
                assert_true(y[i] == z[i] && z[i] == alone);
            }
            double want = 0, size = 0;
            for (size_t i = 0; i < n; i++) {
                want += (double)a[i] * b[i];
                size += fabs((double)a[i] * b[i]);
            }
            assert_true(fabs(t->dot(a, b, n) - want) <= 1e-6 * size);
        }
    free(a);
    free(b);
}

/* x after one step of Adam, by its formula in double. */
static double true_adam(double x, double g, double *m, double *v, const b4c_adam *by)
{
    g *= by->scale;
    *m = by->beta1 * *m + (1 - (double)by->beta1) * g;
    *v = by->beta2 * *v + (1 - (double)by->beta2) * g * g;
    return by->keep * x - by->rate * *m / (by->root * sqrt(*v) + by->eps);
}

static void adam_steps_its_elements_only(void **state)
{
    (void)state;
    enum { N = 80 };
    const b4c_adam by = { 0.9f, 0.999f, 0.01f, 1.25f, 1e-8f, 0.99f, 0.5f };
    float *x0 = random_floats(N, 3, 2), *g = random_floats(N, 4, 2), *m0 = random_floats(N, 5, 1),
          *v0 = random_floats(N, 6, 1);
    for (int i = 0; i < N; i++) v0[i] = fabsf(v0[i]);
    g[0] = m0[0] = v0[0] = 0;        /* what never had a gradient only decays */
    EACH_TABLE(t)
        for (size_t n = 0; n <= 70; n++) {
            float x[N], m[N], v[N];
            memcpy(x, x0, sizeof x);
            memcpy(m, m0, sizeof m);
            memcpy(v, v0, sizeof v);
            t->adam(x, g, m, v, n, &by);
            for (size_t i = 0; i < N; i++) {
                double first = (double)m0[i], second = (double)v0[i];
                const double want = true_adam((double)x0[i], (double)g[i], &first, &second, &by);
                if (i >= n) {
                    assert_true(x[i] == x0[i] && m[i] == m0[i] && v[i] == v0[i]);
                    continue;
                }
                assert_true(fabs((double)m[i] - first) <= 3e-7);
                assert_true(fabs((double)v[i] - second) <= 3e-7);
                assert_true(fabs((double)x[i] - want) <= 1e-6 * (1 + fabs(want)));
            }
        }
    free(x0);
    free(g);
    free(m0);
    free(v0);
}

static void softmax_is_a_distribution(void **state)
{
    (void)state;
    EACH_TABLE(t)
        for (int n = 1; n <= 400; n += n < 70 ? 1 : 37) {
            float *x = random_floats((size_t)n, (uint32_t)n, 9), *y = malloc((size_t)n * sizeof *y);
            for (int hidden = 0; hidden < 2 && hidden < n; hidden++) {
                if (hidden) x[n / 2] = -INFINITY;
                double top = -INFINITY, sum = 0, total = 0;
                for (int i = 0; i < n; i++) top = fmax(top, x[i]);
                for (int i = 0; i < n; i++) sum += exp(x[i] - top);
                memcpy(y, x, (size_t)n * sizeof *y);
                float lse = t->softmax(y, (size_t)n);
                for (int i = 0; i < n; i++) {
                    total += y[i];
                    assert_true(fabs(y[i] - exp(x[i] - top) / sum) <=
                                1.5e-6 * (exp(x[i] - top) / sum) + 1e-30); /* x - top is rounded */
                }
                assert_true(fabs(total - 1) < 1e-6 && fabs(lse - (top + log(sum))) < 2e-6);
                if (hidden) assert_true(y[n / 2] == 0);
            }
            for (int i = 0; i < n; i++) y[i] = -INFINITY;
            assert_true(t->softmax(y, (size_t)n) == -INFINITY);
            for (int i = 0; i < n; i++) assert_true(y[i] == 0);
            y[n / 3] = NAN;
            t->softmax(y, (size_t)n);
            for (int i = 0; i < n; i++) assert_true(isnan(y[i]));
            free(x);
            free(y);
        }
    EACH_TABLE(t) assert_true(t->softmax(NULL, 0) == -INFINITY);
}

static void selections_read_their_elements_only(void **state)
{
    (void)state;
    enum { MOST = 150 };
    EACH_TABLE(t)
        for (int n = 0; n <= MOST; n += n < 70 ? 1 : 37) {
            float *x = random_floats(MOST + 1, (uint32_t)n + 1, 9), y[MOST + 1];
            float w[MOST + 1], key[MOST + 1], weight[MOST + 1];
            for (int i = 0; i < n; i += 7) x[i] = -INFINITY;
            for (int i = 3; i < n; i += 5) x[i] = 0.25f;     /* the bound itself, often */
            float best = -INFINITY;
            double sum = 0, part = 0, mass = 0;
            int above = 0, between = 0;
            for (int i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
            assert_true(t->highest(x, (size_t)n) == best);
            const float shift = n > 1 ? best : 0;
            for (int i = 0; i < n; i++) sum += exp(x[i] - shift);
            w[n] = y[n] = 3;
            assert_true(fabs(t->weigh(x, (size_t)n, shift, w) - sum) <= 2e-6 * sum);
            assert_true(fabs(t->weigh(x, (size_t)n, shift, NULL) - sum) <= 2e-6 * sum);
            for (int i = 0; i < n; i++) {
                part = exp(x[i] - shift);
                assert_true(fabs(w[i] - part) <= 2e-6 * part);
                mass += x[i] >= 0.25f ? (double)w[i] : 0;
                above += x[i] >= 0.25f;
            }
            const b4c_tally some = t->at_least(x, w, (size_t)n, 0.25f);
            assert_true(fabs(some.mass - mass) <= 2e-6 * mass && some.n == above);
            const b4c_tally each = t->at_least(x, NULL, (size_t)n, 0.25f);
            assert_true(each.mass == (float)above && each.n == above);
            memcpy(y, x, (size_t)n * sizeof *y);
            assert_int_equal(t->drop_below(y, (size_t)n, 0.25f), above);
            for (int i = 0; i < n; i++) assert_true(y[i] == (x[i] >= 0.25f ? x[i] : -INFINITY));
            assert_true(w[n] == 3 && y[n] == 3);
            const int found = t->between(x, w, (size_t)n, 0.25f, 5, key, weight);
            for (int i = 0; i < n; i++) {
                if (!(x[i] >= 0.25f && x[i] < 5)) continue;
                assert_true(between < found && key[between] == x[i] && weight[between] == w[i]);
                between++;
            }
            assert_int_equal(found, between);
            assert_int_equal(t->between(x, w, (size_t)n, 0.25f, 5, key, w), found); /* in place */
            for (int i = 0; i < found; i++) assert_true(w[i] == weight[i]);
            assert_int_equal(t->between(x, NULL, (size_t)n, 0.25f, 5, key, weight), found);
            for (int i = 0; i < found; i++) assert_true(weight[i] == 1);
            free(x);
        }
}

static void reach_finds_what_a_walk_finds(void **state)
{
    (void)state;
    enum { N = 700 };
    float *x = random_floats(N, 11, 2);
    x[100] = -INFINITY;
    x[333] = NAN;
    x[555] = INFINITY;
    const float least[] = { -INFINITY, -1.5f, 0, 1.9f, 1.999f, 5, INFINITY };
    EACH_TABLE(t)
        for (size_t k = 0; k < sizeof least / sizeof *least; k++)
            for (size_t from = 0; from < N; from += 1 + from % 7)
                for (size_t n = 0; from + n <= N; n += 1 + n / 3) {
                    size_t want = 0;
                    while (want < n && x[from + want] < least[k]) want++;
                    assert_true(t->reach(x + from, n, least[k]) == want);
                }
    free(x);
}

/* ---- norm ------------------------------------------------------------------------------------ */

static const int widths[] = { 1,  2,  3,  5,  7,  8,  12, 15,  16,  17,  24,  31,  32,
                              33, 47, 48, 63, 64, 65, 70, 127, 312, 384, 512, 768, 1000 };

typedef struct norm_case {
    int w;
    b4c_norm_kind kind;
    bool residual, gain, bias, y, sum;
    b4c_form form;
} norm_case;

static void true_norm(const b4c_norm_job *job, int row, double *y, double *mean, double *rstd)
{
    double sum = 0, squares = 0;
    for (int j = 0; j < job->cols; j++) {
        y[j] = job->x[row * job->x_ld + j];
        if (job->residual) y[j] = (float)((float)y[j] + job->residual[row * job->residual_ld + j]);
        sum += y[j];
    }
    *mean = job->kind == B4C_NORM_LAYER ? sum / job->cols : 0;
    for (int j = 0; j < job->cols; j++) squares += (y[j] - *mean) * (y[j] - *mean);
    *rstd = 1 / sqrt(squares / job->cols + job->eps);
    for (int j = 0; j < job->cols; j++)
        y[j] = (y[j] - *mean) * *rstd * (job->gain ? job->gain[j] : 1) +
               (job->bias ? job->bias[j] : 0);
}

static void check_norm(const b4c_kernels *t, const norm_case *c)
{
    enum { ROWS = 5 };
    const int w = c->w, x_ld = w + 3, r_ld = w + 1;
    float *x = random_floats((size_t)(ROWS * x_ld), 3, 2),
          *r = random_floats((size_t)(ROWS * r_ld), 4, 2);
    float *gain = random_floats((size_t)w, 5, 2), *bias = random_floats((size_t)w, 6, 1);
    float *y = random_floats((size_t)(ROWS * w), 7, 1),
          *sum = random_floats((size_t)(ROWS * w), 8, 1);
    float *kept = random_floats((size_t)(ROWS * w), 9, 1),
          *back = random_floats((size_t)(ROWS * w), 10, 1);
    double *want = malloc((size_t)w * sizeof *want);
    const bool i8 = c->form == B4C_FORM_I8 || c->form == B4C_FORM_TILE_I8;
    float mean[ROWS], rstd[ROWS], scale[ROWS], scale2[ROWS];
    b4c_norm_job job = { .kind = c->kind,
                         .cols = w,
                         .eps = 1e-12f,
                         .x = x,
                         .x_ld = x_ld,
                         .residual = c->residual ? r : NULL,
                         .residual_ld = r_ld,
                         .gain = c->gain ? gain : NULL,
                         .bias = c->bias ? bias : NULL,
                         .y = y,
                         .sum = c->sum ? sum : NULL,
                         .mean = mean,
                         .rstd = rstd };
    size_t ld, bytes = 0;
    if (c->form != B4C_FORM_NONE) {
        bytes = b4c_operand_bytes(c->form, ROWS, w, &ld);
        job.out = (b4c_operand){ c->form, ROWS, w, b4c_block_new(bytes), ld, scale };
    }
    t->norm(&job, 0, ROWS);
    for (int i = 0; i < ROWS; i++) {
        double m, s;
        true_norm(&job, i, want, &m, &s);
        assert_true(fabs(mean[i] - m) < 1e-6 && fabs(rstd[i] / s - 1) < 1e-6);
        /* for two columns the normalised values are +-1 however near they are: the division by
         * their distance amplifies */
        for (int j = 0; j < w; j++)
            if (fabs(y[i * w + j] - want[j]) > 1e-6 * (4 + fabs(s)))
                fail_msg("%s: norm of %d columns: [%d, %d] is %g, not %g", t->name, w, i, j,
                         y[i * w + j], want[j]);
        for (int j = 0; c->sum && j < w; j++)
            assert_true(sum[i * w + j] == x[i * x_ld + j] + (c->residual ? r[i * r_ld + j] : 0));
    }
    if (bytes) { /* the operand is the conversion of the rows, byte for byte */
        b4c_operand other = { c->form, ROWS, w, b4c_block_new(bytes), ld, scale2 };
        t->operand(y, w, &other, 0, ROWS);
        if (memcmp(other.data, job.out.data, bytes))
            fail_msg("%s: operand form %d of a norm of %d columns is not that of its rows", t->name,
                     (int)c->form, w);
        if (i8) assert_memory_equal(scale, scale2, sizeof scale);
        t->rows(&other, back, w, 0, ROWS);
        for (int i = 0; i < ROWS * w; i++) {
            double step = i8 ? 0.501 * scale[i / w] : fabs(y[i]) / 256;
            assert_true(fabs(back[i] - y[i]) <= step);
        }
        b4c_block_free(other.data, bytes);
    }
    memcpy(kept, y, (size_t)(ROWS * w) * sizeof *y);
    if (!c->y) job.y = NULL; /* with or without rows: the same operand */
    if (bytes) {
        char *first = malloc(bytes);
        memcpy(first, job.out.data, bytes);
        if (ld == bytes)
            memset(job.out.data, 0, bytes); /* a tile of 16 rows: those beyond ROWS stay zero */
        else memset(job.out.data, 0x55, bytes);
        for (int i = ROWS - 1; i >= 0; i--)
            t->norm(&job, i, i + 1); /* rows one by one, in another order */
        assert_memory_equal(first, job.out.data, bytes);
        free(first);
        b4c_block_free(job.out.data, bytes);
    } else {
        for (int i = ROWS - 1; i >= 0; i--) t->norm(&job, i, i + 1);
    }
    assert_memory_equal(kept, y, (size_t)(ROWS * w) * sizeof *y);
    float *all[] = { x, r, gain, bias, y, sum, kept, back };
    for (int i = 0; i < COUNT(all); i++) free(all[i]);
    free(want);
}

static void norm_gives_rows_and_the_operand_of_these_rows(void **state)
{
    (void)state;
    EACH_TABLE(t) {
        const bool tiles = t->form(B4C_I8) == B4C_FORM_TILE_I8;
        const b4c_form forms[] = { B4C_FORM_NONE, tiles ? B4C_FORM_TILE_BF16 : B4C_FORM_BF16,
                                   tiles ? B4C_FORM_TILE_I8 : B4C_FORM_I8 };
        for (int i = 0; i < COUNT(widths); i++)
            for (int k = 0; k < 128; k++) {
                const b4c_norm_kind kind = k & 1 ? B4C_NORM_RMS : B4C_NORM_LAYER;
                const int w = widths[i];
                norm_case c = { w, kind, k & 2, k & 4, k & 8, k & 16, k & 32, forms[k % 3] };
                if (k & 64 && i % 3)
                    continue; /* every choice at some widths, half of them at all */
                check_norm(t, &c);
            }
    }
}

static void norm_of_nearly_equal_numbers_is_exact(void **state)
{
    (void)state;
    enum { W = 312 };
    EACH_TABLE(t) {
        float x[W], y[W], gain[W];
        double want[W], m, s;
        for (int j = 0; j < W; j++) { x[j] = 1000 + (float)(j % 7) / 64; gain[j] = 1; }
        b4c_norm_job job = { .kind = B4C_NORM_LAYER,
                             .cols = W,
                             .eps = 1e-12f,
                             .x = x,
                             .x_ld = W,
                             .gain = gain,
                             .y = y };
        t->norm(&job, 0, 1);
        true_norm(&job, 0, want, &m, &s);
        /* The mean itself is rounded to 6e-5, which is 2e-3 deviations. */
        for (int j = 0; j < W; j++) assert_true(fabs(y[j] - want[j]) < 2e-3);
        for (int j = 0; j < W; j++) x[j] = 0.125f;
        t->norm(&job, 0, 1);
        for (int j = 0; j < W; j++) assert_true(y[j] == 0); /* no spread: 0 / sqrt(epsilon) */
        x[100] = NAN;
        t->norm(&job, 0, 1);
        for (int j = 0; j < W; j++) assert_true(isnan(y[j]));
    }
}

/* ---- int8 bytes ------------------------------------------------------------------------------ */

static void integers_are_the_same_on_every_instruction_set(void **state)
{
    (void)state;
    enum { ROWS = 9 };
    const b4c_kernels *reference = b4c_kernels_find("scalar");
    EACH_TABLE(t)
        for (int i = 0; i < COUNT(widths); i++) {
            const int w = widths[i];
            float *x = random_floats((size_t)(ROWS * w), (uint32_t)w, 3), scale[2][ROWS];
            for (int j = 0; j < w; j++) {
                x[w + j] = 0;
                x[2 * w + j] *= 1e-38f;
                x[3 * w + j] *= 1e30f;
                x[4 * w + j] = (float)(j % 255 - 127) / 2;   /* halves: ties go to even */
            }
            x[5 * w + w / 2] = NAN;
            x[6 * w + w - 1] = -INFINITY;
            x[7 * w] = 1e20f;
            size_t ld, bytes = b4c_operand_bytes(B4C_FORM_I8, ROWS, w, &ld);
            b4c_operand a = { B4C_FORM_I8, ROWS, w, b4c_block_new(bytes), ld, scale[0] }, b = a;
            b.data = b4c_block_new(bytes);
            b.scale = scale[1];
            memset(b.data, 0x55, bytes);
            reference->operand(x, w, &a, 0, ROWS);
            t->operand(x, w, &b, 0, ROWS);
            assert_memory_equal(a.data, b.data, bytes);
            for (int r = 0; r < ROWS; r++)
                assert_true(scale[0][r] == scale[1][r] ||
                            (isnan(scale[0][r]) && isnan(scale[1][r])));
            assert_true(isnan(scale[1][5]) && isnan(scale[1][6]) && scale[1][1] == 0 &&
                        scale[1][2] == 0);
            for (int r = 0; r < ROWS; r++)
                for (int j = 0; j < w && r != 5 && r != 6; j++) {
                    double back = scale[1][r] *
                                  (((uint8_t *)b.data)[(size_t)r * ld + (size_t)j] - 128.0);
                    assert_true(fabs(back - x[r * w + j]) <= 0.5001 * scale[1][r] + 1e-30);
                }
            b4c_block_free(a.data, bytes);
            b4c_block_free(b.data, bytes);
            free(x);
        }
}

/* ---- rotary positions ------------------------------------------------------------------------ */

static void rotate_turns_pairs_and_turns_them_back(void **state)
{
    (void)state;
    enum { ROWS = 4, HEADS = 3, POSITIONS = 9 };
    static const int sizes[] = { 2, 4, 6, 8, 12, 16, 24, 32, 34, 64, 128 },
                     pos[ROWS] = { 3, 0, 8, 3 };
    EACH_TABLE(t)
        for (int i = 0; i < COUNT(sizes); i++)
            for (int halves = 0; halves < 2; halves++) {
                const int d = sizes[i], ld = HEADS * d + 5;
                float *x = random_floats((size_t)(ROWS * ld), 1, 2),
                      *y = random_floats((size_t)(ROWS * ld), 2, 2);
                float *z = random_floats((size_t)(ROWS * ld), 3, 2),
                      *before = random_floats((size_t)(ROWS * ld), 2, 2);
                float *cosine = malloc(POSITIONS * (size_t)d * 2),
                      *sine = malloc(POSITIONS * (size_t)d * 2);
                for (int p = 0; p < POSITIONS; p++)
                    for (int k = 0; k < d / 2; k++) {
                        cosine[p * (d / 2) + k] = (float)cos(p * pow(10000, -2.0 * k / d));
                        sine[p * (d / 2) + k] = (float)sin(p * pow(10000, -2.0 * k / d));
                    }
                t->rotate(x, ld, y, ld, HEADS, d, pos, cosine, sine, halves, false, false, 0, ROWS);
                for (int r = 0; r < ROWS; r++) {
                    for (int h = 0; h < HEADS; h++)
                        for (int k = 0; k < d / 2; k++) {
                            int a = r * ld + h * d + (halves ? k : 2 * k),
                                b = r * ld + h * d + (halves ? k + d / 2 : 2 * k + 1);
                            double c = cosine[pos[r] * (d / 2) + k], s = sine[pos[r] * (d / 2) + k];
                            assert_true(fabs(y[a] - (x[a] * c - x[b] * s)) < 1e-6 &&
                                        fabs(y[b] - (x[b] * c + x[a] * s)) < 1e-6);
                        }
                    for (int k = HEADS * d; k < ld; k++)
                        assert_true(y[r * ld + k] == before[r * ld + k]);
                }
                memcpy(z, y, (size_t)(ROWS * ld) * sizeof *z);
                /* Back in place; once more, adding, one row. */
                t->rotate(z, ld, z, ld, HEADS, d, pos, cosine, sine, halves, true, false, 0, ROWS);
                t->rotate(x, ld, y, ld, HEADS, d, pos, cosine, sine, halves, false, true, 1, 2);
                for (int r = 0; r < ROWS; r++)
                    for (int k = 0; k < HEADS * d; k++)
                        assert_true(fabs(z[r * ld + k] - x[r * ld + k]) < 2e-6);
                t->rotate(x, ld, before, ld, HEADS, d, pos, cosine, sine, halves, false, false, 1,
                          2);
                for (int k = 0; k < HEADS * d; k++)
                    assert_true(fabs(y[ld + k] - 2 * before[ld + k]) < 1e-6);
                free(x); free(y); free(z); free(before); free(cosine); free(sine);
            }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_keep_their_error_bounds),
        cmocka_unit_test(slopes_are_the_derivatives),
        cmocka_unit_test(exp_and_half_erf_keep_their_error_bounds),
        cmocka_unit_test(activations_bear_any_number),
        cmocka_unit_test(elementwise_kernels_touch_their_elements_only),
        cmocka_unit_test(adam_steps_its_elements_only),
        cmocka_unit_test(softmax_is_a_distribution),
        cmocka_unit_test(selections_read_their_elements_only),
        cmocka_unit_test(reach_finds_what_a_walk_finds),
        cmocka_unit_test(norm_gives_rows_and_the_operand_of_these_rows),
        cmocka_unit_test(norm_of_nearly_equal_numbers_is_exact),
        cmocka_unit_test(integers_are_the_same_on_every_instruction_set),
        cmocka_unit_test(rotate_turns_pairs_and_turns_them_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
