/* test_gemm.c - products of every kernel table against a double loop, and the laws they owe: rows
 * and panels are independent to the bit, int8 sums are the same integers everywhere.
 *
 * The reference reads what the kernel reads: weights by b4c_packed_row, inputs by the table's own
 * `rows`, so that rounding of operands is not in the tolerance. What is: each of k products and
 * sums in float, error <= k u sum |a w|, in practice sqrt(k) of that.
 */
#include "kernels_common.h"
#include "math/internal.h"
#include <math.h>
#include <stdio.h>

static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };
static const char *dtype_names[] = { "f32", "bf16", "int8", "int4" };

static double act_exact(b4c_act act, double x)
{
    switch (act) {
    case B4C_ACT_GELU:
    case B4C_ACT_GELU_BRIEF: return 0.5 * x * erfc(-x * M_SQRT1_2);
    case B4C_ACT_GELU_TANH:
    case B4C_ACT_GELU_TANH_BRIEF:
        return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case B4C_ACT_RELU: return x > 0 ? x : 0;
    case B4C_ACT_SILU: return x / (1 + exp(-x));
    case B4C_ACT_TANH: return tanh(x);
    case B4C_ACT_NONE: break;
    }
    return x;
}

/* A product with everything it needs, for one table. */
typedef struct product {
    const b4c_kernels *t;
    int m, n, k;
    float *x, *wide, *bias;
    b4c_packed w;
    b4c_operand in, out;
    size_t in_bytes, out_bytes;
} product;

static b4c_operand operand_new(b4c_form form, int rows, int cols, size_t *bytes)
{
    b4c_operand o = { .form = form, .rows = rows, .cols = cols };
    *bytes = b4c_operand_bytes(form, rows, cols, &o.ld);
    o.data = b4c_block_new(*bytes);
    assert_non_null(o.data);
    memset(o.data, 0xee, *bytes);
    o.scale = calloc(b4c_operand_scales(form, rows, cols) + 16, sizeof *o.scale);
    return o;
}

static void operand_free(b4c_operand *o, size_t bytes)
{
    b4c_block_free(o->data, bytes);
    free(o->scale);
}

static product product_of(const b4c_kernels *t, b4c_dtype dtype, bool groups, b4c_form out, int m,
                          int n, int k, uint32_t seed)
{
    product p = { .t = t, .m = m, .n = n, .k = k };
    p.x = random_floats((size_t)m * (size_t)k, seed, 2);
    p.wide = random_floats((size_t)n * (size_t)k, seed + 1, 1);
    p.bias = random_floats((size_t)n, seed + 2, 1);
    assert_int_equal(b4c_packed_init(&p.w, n, k, dtype), 0);
    b4c_packed_fill(&p.w, 0, n, p.wide, (size_t)k);
    p.w.groups = groups;
    p.in = operand_new(b4c_form_for(t, dtype, groups), m, k, &p.in_bytes);
    t->operand(p.x, k, &p.in, 0, m);
    p.out = operand_new(out, m, n, &p.out_bytes);
    return p;
}

static product product_new(const b4c_kernels *t, b4c_dtype dtype, b4c_form out, int m, int n, int k,
                           uint32_t seed)
{
    return product_of(t, dtype, false, out, m, n, k, seed);
}

static void product_free(product *p)
{
    operand_free(&p->in, p->in_bytes);
    operand_free(&p->out, p->out_bytes);
    b4c_packed_done(&p->w);
    free(p->x);
    free(p->wide);
    free(p->bias);
}

static int panels(const product *p) { return (p->n + 31) / 32; }

static void product_run(product *p, const float *bias, b4c_act act)
{
    b4c_gemm g = { .w = &p->w, .in = p->in, .bias = bias, .act = act, .out = p->out };
    p->t->gemm(&g, 0, panels(p));
}

/* The result as float rows [m, n]. */
static float *product_rows(const product *p)
{
    float *y = calloc((size_t)p->m * (size_t)p->n, sizeof *y);
    p->t->rows(&p->out, y, p->n, 0, p->m);
    return y;
}

/* int4: by how much integers for the offsets' part may be off (gemm_int4_body.h): half a step of
 * each, a step being at least a 4096th of the row's or the output's largest. a [k] a row. */
static double offsets_round(const product *p, int output, const float *a)
{
    double sums = 0, offsets = 0, most_sum = 0, most_offset = 0;
    for (int k = 0; k < p->k; k += B4C_GROUP) {
        b4c_int4_group g;
        b4c_packed_group(&p->w, output, k, &g);
        const double d = b4c_from_bf16(g.scale), offset = fabs(d * (g.offset / 16.0 - 8));
        double sum = 0;
        for (int l = k; l < k + B4C_GROUP && l < p->k; l++) sum += (double)a[l];
        sums += fabs(sum);
        offsets += offset;
        most_sum = fmax(most_sum, fabs(sum));
        most_offset = fmax(most_offset, offset);
    }
    return (most_sum * offsets + most_offset * sums) / 4096;
}

static void check_against_double(const product *p, const float *bias, b4c_act act, const char *what)
{
    float *y = product_rows(p), *a = calloc((size_t)p->m * (size_t)p->k, sizeof *a),
          *w = calloc((size_t)p->k, sizeof *w);
    p->t->rows(&p->in, a, p->k, 0, p->m);
    for (int j = 0; j < p->n; j++) {
        b4c_packed_row(&p->w, j, w);
        for (int i = 0; i < p->m; i++) {
            double sum = 0, size = 0;
            for (int l = 0; l < p->k; l++) {
                double term = (double)a[i * p->k + l] * w[l];
                sum += term;
                size += fabs(term);
            }
            if (bias) sum += bias[j];
            double want = act_exact(act, sum), got = y[i * p->n + j];
            double tolerance = 4e-7 * (size + 1) + 1e-6;
            if (p->w.dtype == B4C_I4) tolerance += offsets_round(p, j, a + i * p->k);
            if (p->out.form != B4C_FORM_REAL) tolerance += fabs(want) / 256;
            if (!(fabs(got - want) <= tolerance))
                fail_msg("%s %s: [%d, %d] of %dx%dx%d is %.9g, should be %.9g", p->t->name, what, i,
                         j, p->m, p->n, p->k, got, want);
        }
    }
    free(y);
    free(a);
    free(w);
}

static void products_equal_a_double_loop(void **state)
{
    (void)state;
    static const int shapes[][3] = {
        /* m, n, k: every kind of tail */
        { 1, 1, 1 },    { 1, 32, 64 },  { 2, 33, 3 },     { 3, 130, 65 },  { 5, 70, 31 },
        { 6, 64, 128 }, { 7, 31, 2 },   { 13, 96, 100 },  { 14, 32, 32 },  { 15, 40, 63 },
        { 17, 65, 66 }, { 29, 47, 33 }, { 33, 129, 257 }, { 64, 96, 384 }, { 450, 33, 1100 },
    };
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                const int *z = shapes[s];
                product p = product_new(t, dtypes[d], B4C_FORM_REAL, z[0], z[1], z[2],
                                        (uint32_t)(1000 * d + s));
                product_run(&p, s % 2 ? p.bias : NULL, B4C_ACT_NONE);
                check_against_double(&p, s % 2 ? p.bias : NULL, B4C_ACT_NONE, dtype_names[d]);
                product_free(&p);
            }
}

static b4c_form narrow_form(const b4c_kernels *t)
{
    return strcmp(t->name, "amx") == 0 ? B4C_FORM_TILE_BF16 : B4C_FORM_BF16;
}

static void every_activation_comes_out_in_every_form(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++)
            for (int act = B4C_ACT_NONE; act <= B4C_ACT_TANH; act++)
                for (int narrow = 0; narrow < 2; narrow++) {
                    product p = product_new(t, dtypes[d], narrow ? narrow_form(t) : B4C_FORM_REAL,
                                            19, 77, 70, (uint32_t)act);
                    product_run(&p, p.bias, (b4c_act)act);
                    check_against_double(&p, p.bias, (b4c_act)act, dtype_names[d]);
                    product_free(&p);
                }
}

/* DESIGN law 3: a step that records runs product and activation apart, one that does not runs them
 * fused. */
static void a_fused_activation_has_the_bits_of_one_of_its_own(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));) {
        if (!t->act) continue;
        for (size_t d = 0; d < 4; d++)
            for (int act = B4C_ACT_NONE; act <= B4C_ACT_GELU_TANH_BRIEF; act++) {
                product p = product_new(t, dtypes[d], B4C_FORM_REAL, 9, 45, 50, 77);
                product_run(&p, p.bias, (b4c_act)act);
                float *fused = product_rows(&p);
                product_run(&p, p.bias, B4C_ACT_NONE);
                float *apart = product_rows(&p);
                t->act((b4c_act)act, apart, apart, 9 * 45);
                assert_memory_equal(fused, apart, 9 * 45 * sizeof *fused);
                free(fused);
                free(apart);
                product_free(&p);
            }
    }
}

/* ... and BF16 rows from the epilogue are those that `operand` makes of the REAL rows. */
static void rows_rounded_in_the_epilogue_are_those_of_operand(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++) {
            int m = 21, n = 75;
            product real = product_new(t, dtypes[d], B4C_FORM_REAL, m, n, 40, 5),
                    narrow = product_new(t, dtypes[d], narrow_form(t), m, n, 40, 5);
            product_run(&real, real.bias, B4C_ACT_GELU);
            product_run(&narrow, narrow.bias, B4C_ACT_GELU);
            size_t bytes;
            b4c_operand again = operand_new(narrow_form(t), m, n, &bytes);
            t->operand(real.out.data, n, &again, 0, m);
            if (again.form == B4C_FORM_BF16)
                assert_memory_equal(again.data, narrow.out.data, bytes);
            float *a = calloc((size_t)(m * n), sizeof *a), *b = product_rows(&narrow);
            t->rows(&again, a, n, 0, m);
            assert_memory_equal(a, b, (size_t)(m * n) * sizeof *a);
            free(a);
            free(b);
            operand_free(&again, bytes);
            product_free(&real);
            product_free(&narrow);
        }
}

static void a_row_does_not_feel_how_many_there_are(void **state)
{
    (void)state;
    enum { M = 40, N = 150, K = 100 };
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++) {
            product all = product_new(t, dtypes[d], B4C_FORM_REAL, M, N, K, 11);
            product_run(&all, all.bias, B4C_ACT_GELU);
            float *want = product_rows(&all);
            for (int m = 1; m < M; m++) {
                product p = product_new(t, dtypes[d], B4C_FORM_REAL, M, N, K, 11);
                int skip = (m * 7) %
                           (M - m + 1); /* rows skip .. skip+m-1, standing at another place */
                p.m = p.in.rows = p.out.rows = m;
                t->operand(p.x + (size_t)skip * K, K, &p.in, 0, m);
                product_run(&p, p.bias, B4C_ACT_GELU);
                float *got = product_rows(&p);
                if (memcmp(got, want + (size_t)skip * N, (size_t)m * N * sizeof *got) != 0)
                    fail_msg("%s %s: %d rows differ from the same rows among %d", t->name,
                             dtype_names[d], m, M);
                free(got);
                product_free(&p);
            }
            free(want);
            product_free(&all);
        }
}

/* Rows that are a view: what stands between two of them, here NaN, is not theirs. */
static void rows_of_numbers_end_where_they_end(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++)
            for (int m = 1; m < 20 && t->form(dtypes[d]) == B4C_FORM_REAL; m++)
                for (int k = 1; k < 70; k += 17) {
                    product p = product_new(t, dtypes[d], B4C_FORM_REAL, m, 70, k, 31);
                    product_run(&p, p.bias, B4C_ACT_NONE);
                    float *want = malloc(p.out_bytes),
                          *apart = malloc((size_t)(m * (k + 1)) * sizeof *apart);
                    assert_true(want && apart);
                    memcpy(want, p.out.data, p.out_bytes);
                    for (int i = 0; i < m; i++) {
                        memcpy(apart + i * (k + 1), p.x + i * k, (size_t)k * sizeof *apart);
                        apart[i * (k + 1) + k] = NAN;
                    }
                    b4c_gemm g = { .w = &p.w, .in = p.in, .bias = p.bias, .out = p.out };
                    g.in.data = apart;
                    g.in.ld = (size_t)k + 1;
                    t->gemm(&g, 0, 3);
                    if (memcmp(p.out.data, want, p.out_bytes) != 0)
                        fail_msg("%s %s: a product of %d rows of %d read beyond them", t->name,
                                 dtype_names[d], m, k);
                    free(want);
                    free(apart);
                    product_free(&p);
                }
}

static void panels_may_be_divided_anyhow(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++)
            for (int m = 1; m < 34; m += 4) {
                product whole = product_new(t, dtypes[d], B4C_FORM_REAL, m, 300, 90, 21);
                product parts = product_new(t, dtypes[d], B4C_FORM_REAL, m, 300, 90, 21);
                product_run(&whole, whole.bias, B4C_ACT_SILU);
                b4c_gemm g = { .w = &parts.w,
                               .in = parts.in,
                               .bias = parts.bias,
                               .act = B4C_ACT_SILU,
                               .out = parts.out };
                static const int cuts[] = { 0, 1, 3, 4, 9, 10 };
                for (int c = 4; c >= 0; c--) t->gemm(&g, cuts[c], cuts[c + 1]);
                assert_memory_equal(whole.out.data, parts.out.data, whole.out_bytes);
                product_free(&whole);
                product_free(&parts);
            }
}

/* Scales of 1 make the result the integer sum itself; up to k = 1000 it fits a float exactly.
 * Extremes must not saturate. */
static void int8_sums_are_exact_on_every_table(void **state)
{
    (void)state;
    static const int ks[] = { 1, 3, 4, 7, 63, 64, 65, 130, 1000 };
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t s = 0; s < sizeof ks / sizeof *ks; s++)
            for (int m = 1; m <= 17; m += 4) {
                int n = 40, k = ks[s];
                product p = product_new(t, B4C_I8, B4C_FORM_REAL, m, n, k, (uint32_t)(s + 50));
                for (int i = 0; i < m * k; i++)
                    p.x[i] = i % 3 ? 1.f : -1.f; /* q = +-127: the largest there are */
                for (int i = 0; i < n * k; i++)
                    p.wide[i] = i / k % 2 ? (i % 3 ? 1.f : -1.f) : p.wide[i];
                b4c_packed_fill(&p.w, 0, n, p.wide, (size_t)k);
                t->operand(p.x, k, &p.in, 0, m);
                for (int i = 0; i < m; i++) p.in.scale[i] = 1;
                for (int j = 0; j < n; j++) p.w.scale[j] = 1;
                product_run(&p, NULL, B4C_ACT_NONE);
                float *y = product_rows(&p), *a = calloc((size_t)(m * k), sizeof *a),
                      *w = calloc((size_t)k, sizeof *w);
                t->rows(&p.in, a, k, 0, m);
                for (int j = 0; j < n; j++) {
                    b4c_packed_row(&p.w, j, w);
                    for (int i = 0; i < m; i++) {
                        long sum = 0;
                        for (int l = 0; l < k; l++) sum += (long)a[i * k + l] * (long)w[l];
                        assert_true((long)y[i * n + j] == sum);
                    }
                }
                free(y);
                free(a);
                free(w);
                product_free(&p);
            }
}

/* Scales and bias join the integers by the same multiply-add everywhere it exists. */
static void integer_results_are_the_same_on_every_vector_table(void **state)
{
    (void)state;
    enum { N = 70, K = 200 };
    for (int m = 1; m < 80; m += 3) {
        const b4c_dtype dtype = m % 2 ? B4C_I8 : B4C_I4;
        float *want = NULL;
        for (const b4c_kernels *t = NULL; (t = next_table(t));) {
            if (strcmp(t->name, "scalar") == 0) continue;
            product p = product_new(t, dtype, B4C_FORM_REAL, m, N, K, 91);
            product_run(&p, p.bias, B4C_ACT_RELU);
            float *got = product_rows(&p);
            if (want) assert_memory_equal(got, want, (size_t)m * N * sizeof *got);
            free(want);
            want = got;
            product_free(&p);
        }
        free(want);
    }
}

/* 4096: rows of operands stand further apart than they are long. 1100: more rows than go together
 * through the panels. A row's result is that of the row alone, and the same on every table that has
 * the multiply-add. */
static void rows_in_groups_are_multiplied_group_by_group(void **state)
{
    (void)state;
    static const int ks[] = { 7, 32, 96, 200, 576, 4096 };
    static const int ms[] = { 1, 4, 7, 10, 13, 16, 19, 45, 1100 };
    enum { N = 70 };
    for (int k = 0; k < 6; k++)
        for (int i = 0; i < 9 && (ms[i] < 1000 || ks[k] < 100); i++)
            for (int int4 = 0; int4 < 2; int4++) {
                const b4c_dtype dtype = int4 ? B4C_I4 : B4C_I8;
                const int m = ms[i];
                float *want = NULL;
                for (const b4c_kernels *t = NULL; (t = next_table(t));) {
                    product p = product_of(t, dtype, true, B4C_FORM_REAL, m, N, ks[k], 17);
                    assert_int_equal(p.in.form, B4C_FORM_I8_GROUPS);
                    product_run(&p, p.bias, B4C_ACT_RELU);
                    check_against_double(&p, p.bias, B4C_ACT_RELU, "groups");
                    float *got = product_rows(&p), *alone = calloc(N, sizeof *alone);
                    b4c_gemm last = { .w = &p.w, .in = p.in, .bias = p.bias, .act = B4C_ACT_RELU,
                                      .out = p.out };
                    last.in.rows = last.out.rows = 1;
                    last.in.data = (char *)p.in.data + (size_t)(m - 1) * p.in.ld;
                    last.in.scale += (size_t)(m - 1) * b4c_operand_scales(p.in.form, 1, ks[k]);
                    last.out.data = alone;
                    last.out.ld = N;
                    t->gemm(&last, 0, panels(&p));
                    assert_memory_equal(alone, got + (m - 1) * N, N * sizeof *alone);
                    free(alone);
                    product_free(&p);
                    if (strcmp(t->name, "scalar") == 0) {
                        free(got);
                        continue;
                    }
                    if (want) assert_memory_equal(got, want, (size_t)m * N * sizeof *got);
                    free(want);
                    want = got;
                }
                free(want);
            }
}

static void nan_and_infinity_pass_through(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++)
            for (int bad = 0; bad < 2; bad++) {
                product p = product_new(t, dtypes[d], B4C_FORM_REAL, 20, 50, 70, 31);
                product_run(&p, p.bias, B4C_ACT_NONE);
                float *before = product_rows(&p);
                p.x[7 * 70 + 69] = bad ? INFINITY : NAN;
                t->operand(p.x, 70, &p.in, 0, 20);
                product_run(&p, p.bias, B4C_ACT_NONE);
                float *after = product_rows(&p);
                for (int i = 0; i < 20; i++)
                    for (int j = 0; j < 50; j++) {
                        if (i == 7)
                            assert_false(isfinite(after[i * 50 + j]));
                        else
                            assert_memory_equal(&after[i * 50 + j], &before[i * 50 + j],
                                                sizeof(float));
                    }
                free(before);
                free(after);
                product_free(&p);
            }
}

/* Row by row: results stay inside their n columns, and inside `rows` rows. */
static void results_stay_inside_their_rows(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t d = 0; d < 4; d++)
            for (int m = 1; m < 18; m += 3) {
                enum { N = 45, LD = 50 };
                product p = product_new(t, dtypes[d], B4C_FORM_REAL, m, N, 33, 3);
                float *y = calloc((size_t)(m + 1) * LD, sizeof *y);
                for (int i = 0; i < (m + 1) * LD; i++) y[i] = 12345;
                b4c_gemm g = {
                    .w = &p.w, .in = p.in, .bias = p.bias, .act = B4C_ACT_NONE, .out = p.out
                };
                g.out.data = y;
                g.out.ld = LD;
                t->gemm(&g, 0, panels(&p));
                for (int i = 0; i <= m; i++)
                    for (int j = i < m ? N : 0; j < LD; j++) assert_true(y[i * LD + j] == 12345);
                free(y);
                product_free(&p);
            }
}

static void products_for_gradients_equal_a_double_loop(void **state)
{
    (void)state;
    static const int shapes[][3] = { { 1, 1, 1 },    { 3, 5, 7 },    { 14, 32, 16 },
                                     { 17, 65, 40 }, { 40, 33, 70 }, { 29, 130, 300 },
                                     { 130, 20, 515 }, { 410, 37, 48 } };
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (int way = 0; way < 5; way++) {      /* 3, 4: the first two, rounded to bf16 */
                const int kind = way % 3;
                const double tolerance = way < 3 ? 4e-7 : 1.0 / 128;
                int m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
                int lda = (kind == 1 ? m : k) + 3, ldb = (kind == 2 ? k : n) + 5, ldc = n + 2;
                float *a = random_floats((size_t)(lda * (kind == 1 ? k : m)), 1, 1);
                float *b = random_floats((size_t)(ldb * (kind == 2 ? n : k)), 2, 1);
                float *c = random_floats((size_t)(ldc * m), 3, 1),
                      *old = calloc((size_t)(ldc * m), sizeof *old);
                memcpy(old, c, (size_t)(ldc * m) * sizeof *old);
                void (*add)(int, int, int, const float *, int, const float *, int, float *, int,
                            int, int) = way == 0 ? t->add_nn
                                      : way == 1 ? t->add_tn
                                      : way == 2 ? t->add_nt
                                      : way == 3 ? t->half_nn
                                                 : t->half_tn;
                add(m, n, k, a, lda, b, ldb, c, ldc, m / 3, m);
                add(m, n, k, a, lda, b, ldb, c, ldc, 0, m / 3);
                for (int i = 0; i < m; i++)
                    for (int j = 0; j < ldc; j++) {
                        double sum = old[i * ldc + j], size = 1;
                        for (int l = 0; l < k && j < n; l++) {
                            double term = (double)(kind == 1 ? a[l * lda + i] : a[i * lda + l]) *
                                          (kind == 2 ? b[j * ldb + l] : b[l * ldb + j]);
                            sum += term;
                            size += fabs(term);
                        }
                        if (!(fabs(c[i * ldc + j] - sum) <= tolerance * size))
                            fail_msg("%s add %d: [%d, %d] of %dx%dx%d is %.9g, should be %.9g",
                                     t->name, way, i, j, m, n, k, (double)c[i * ldc + j], sum);
                    }
                free(a);
                free(b);
                free(c);
                free(old);
            }
}

/* The tables as an older processor would have them: no dot products, no bf16 arithmetic. */
static int take_features_away(void **state)
{
    (void)state;
    b4c_cpu *cpu = (b4c_cpu *)b4c_cpu_get(); /* the object itself is not const */
    cpu->avx_vnni = cpu->avx512_vnni = cpu->avx512_bf16 = cpu->fast_bf16 = cpu->dotprod = false;
#ifdef B4C_X86
    if (b4c_kernels_find("avx512")) b4c_fill_gemm_avx512((b4c_kernels *)b4c_kernels_find("avx512"));
#endif
    return 0;
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_a_double_loop),
        cmocka_unit_test(rows_of_numbers_end_where_they_end),
        cmocka_unit_test(every_activation_comes_out_in_every_form),
        cmocka_unit_test(a_fused_activation_has_the_bits_of_one_of_its_own),
        cmocka_unit_test(rows_rounded_in_the_epilogue_are_those_of_operand),
        cmocka_unit_test(a_row_does_not_feel_how_many_there_are),
        cmocka_unit_test(panels_may_be_divided_anyhow),
        cmocka_unit_test(int8_sums_are_exact_on_every_table),
        cmocka_unit_test(integer_results_are_the_same_on_every_vector_table),
        cmocka_unit_test(rows_in_groups_are_multiplied_group_by_group),
        cmocka_unit_test(nan_and_infinity_pass_through),
        cmocka_unit_test(results_stay_inside_their_rows),
        cmocka_unit_test(products_for_gradients_equal_a_double_loop),
    };
    int failed = cmocka_run_group_tests_name("products", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("products on an older processor", tests,
                                                take_features_away, NULL);
}
