/* test_int4.c - 4-bit weights: what a group of 32 can hold exactly it holds, what it cannot it
 * rounds by little; and the integers of their products are the same on every table. */
#include "kernels_common.h"
#include "math/internal.h"
#include <math.h>

enum { GROUP = 32 };

static void fill(b4c_packed *p, int n, int k, const float *w)
{
    assert_int_equal(b4c_packed_init(p, n, k, B4C_I4), 0);
    b4c_packed_fill(p, 0, n, w, (size_t)k);
}

/* The lowest and the highest of a row's group, 0 among them. */
static void range_of(const float *w, int k, int at, float *low, float *high)
{
    *low = *high = 0;
    for (int i = at; i < at + GROUP && i < k; i++) {
        *low = fminf(*low, w[i]);
        *high = fmaxf(*high, w[i]);
    }
}

/* Half a step where the group's own range is taken; the narrowest range that may be taken instead
 * moves the outermost weight by a twentieth of the whole. */
static void a_weight_moves_by_less_than_a_step(void **state)
{
    (void)state;
    enum { N = 40, K = 131 };
    float *w = random_floats(N * K, 3, 2), y[K];
    b4c_packed p;
    for (int i = 0; i < N * K; i++) w[i] += i % 3 == 0 ? 0.7f : 0;   /* not centred */
    fill(&p, N, K, w);
    double off = 0, all = 0;
    for (int n = 0; n < N; n++) {
        b4c_packed_row(&p, n, y);
        for (int k = 0; k < K; k++) {
            float low, high;
            range_of(w + n * K, K, k / GROUP * GROUP, &low, &high);
            const float x = w[n * K + k];
            assert_true(fabsf(y[k] - x) <= (high - low) / 15);
            off += (double)((y[k] - x) * (y[k] - x));
            all += (double)(x * x);
        }
    }
    /* uniform numbers: a step of 2 * 2 / 15 rounds by step / sqrt(12) = 0.077 of their 1.15 */
    assert_true(sqrt(off / all) < 0.08);
    b4c_packed_done(&p);
    free(w);
}

/* GGUF's Q4_0 is d * (q - 8) and Q4_1 is d * q + m: with an offset in sixteenths of d, exact. */
static void grids_of_sixteen_steps_are_exact(void **state)
{
    (void)state;
    static const float steps[] = { 1, 0.0078125f, 96, 0.15625f };
    static const float shifts[] = { -8, -7, -7.5f, -0.0625f, -12.25f, -15 };
    enum { K = 2 * GROUP };
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 6; b++) {
            float w[K], y[K];
            for (int k = 0; k < K; k++) w[k] = steps[a] * ((float)(k * 7 % 16) + shifts[b]);
            b4c_packed p;
            fill(&p, 1, K, w);
            b4c_packed_row(&p, 0, y);
            assert_memory_equal(w, y, sizeof w);
            b4c_packed_done(&p);
        }
    /* Q4_0 whose highest step is not there: its lowest, -8 d, says what d is */
    float w[K], y[K];
    for (int k = 0; k < K; k++) w[k] = 0.25f * (float)(k * 5 % 11 - 8);
    b4c_packed p;
    fill(&p, 1, K, w);
    b4c_packed_row(&p, 0, y);
    assert_memory_equal(w, y, sizeof w);
    b4c_packed_done(&p);
}

static void zeros_padding_and_no_numbers_keep_to_themselves(void **state)
{
    (void)state;
    enum { N = 33, K = 70 };
    float w[N * K], y[K];
    for (int i = 0; i < N * K; i++) w[i] = i < K ? 0 : 1;
    w[K + 3] = NAN;
    w[2 * K + 40] = INFINITY;
    b4c_packed p;
    fill(&p, N, K, w);
    b4c_packed_row(&p, 0, y);
    for (int k = 0; k < K; k++) assert_true(y[k] == 0);
    b4c_packed_row(&p, 1, y);
    assert_true(isnan(y[0]) && isnan(y[31]) && fabsf(y[32] - 1) < 0.01f);
    b4c_packed_row(&p, 2, y);
    assert_true(!isfinite(y[40]) && fabsf(y[31] - 1) < 0.01f);
    /* 64 outputs x 4 groups: those beyond have the scale 0 */
    const unsigned char *panel = p.panels;
    for (int n = N; n < 64; n++)
        for (int g = 0; g < 4; g++) {
            const size_t block = (size_t)(n / 32 * 2 + g / 2) * B4C_I4_BLOCK;
            const unsigned char *d = panel + block + B4C_I4_SCALES + 2 * (g % 2 * 32 + n % 32);
            assert_true(d[0] == 0 && d[1] == 0);
        }
    b4c_packed_done(&p);
}

/* Numbers that are their integers make the result the integer sum itself. Extremes
 * must not saturate where bytes are multiplied in 16 bits. */
static void sums_are_exact_on_every_table(void **state)
{
    (void)state;
    static const int ks[] = { 32, 64, 96, 200, 576 };
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (size_t s = 0; s < sizeof ks / sizeof *ks; s++)
            for (int m = 1; m <= 17; m++) {
                enum { N = 40 };
                const int k = ks[s];
                float *x = random_floats((size_t)(m * k), (uint32_t)m, 1);
                float *w = malloc((size_t)(N * k) * sizeof *w);
                float *y = malloc((size_t)(N * m) * sizeof *y);
                for (int i = 0; i < m * k; i++) {
                    const bool largest = i % k % GROUP == 0;          /* so that the scale is 1 */
                    if (m % 2) x[i] = i % 3 || m == 1 || largest ? 127.f : -127.f;
                    else x[i] = largest ? 127.f : rintf(127 * x[i]);
                }
                for (int i = 0; i < N * k; i++) {
                    const bool first = i % k % GROUP == 0;
                    w[i] = first ? -8 : i / k % 2 ? 7.f : (float)(i * 7919 % 16 - 8);
                    if (i % k % GROUP == 1) w[i] = 7;                 /* the whole range: d = 1 */
                }
                b4c_packed p;
                fill(&p, N, k, w);
                b4c_operand in = { .form = t->form(B4C_I4), .rows = m, .cols = k };
                const size_t bytes = b4c_operand_bytes(in.form, m, k, &in.ld);
                in.data = b4c_block_new(bytes);
                const size_t scales = b4c_operand_scales(in.form, m, k);
                in.scale = calloc(scales, sizeof *in.scale);
                t->operand(x, k, &in, 0, m);
                const b4c_gemm g = { .w = &p, .in = in,
                                     .out = { B4C_FORM_REAL, m, N, y, N, NULL } };
                t->gemm(&g, 0, 2);
                for (int i = 0; i < m; i++)
                    for (int n = 0; n < N; n++) {
                        long sum = 0;
                        for (int l = 0; l < k; l++)
                            sum += (long)x[i * k + l] * (long)w[n * k + l];
                        if ((long)y[i * N + n] != sum)
                            fail_msg("%s: %d x %d: %ld, wanted %ld", t->name, m, k,
                                     (long)y[i * N + n], sum);
                    }
                b4c_block_free(in.data, bytes);
                free(in.scale);
                b4c_packed_done(&p);
                free(x);
                free(w);
                free(y);
            }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_moves_by_less_than_a_step),
        cmocka_unit_test(grids_of_sixteen_steps_are_exact),
        cmocka_unit_test(zeros_padding_and_no_numbers_keep_to_themselves),
        cmocka_unit_test(sums_are_exact_on_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
