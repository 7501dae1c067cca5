/* test_pack.c - packed weights: the same however they are filled, zero where they are padding, and
 * readable again. */
#include "kernels_common.h"
#include <math.h>

static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };

static b4c_packed packed_new(int n, int k, b4c_dtype dtype)
{
    b4c_packed p;
    assert_int_equal(b4c_packed_init(&p, n, k, dtype), 0);
    assert_int_equal(p.bytes, b4c_packed_bytes(n, k, dtype));
    assert_int_equal((uintptr_t)p.panels % 64, 0);
    return p;
}

static void filling_in_parts_is_filling_at_once(void **state)
{
    (void)state;
    enum { N = 101, K = 77, LD = 80 };
    float *w = random_floats(N * LD, 1, 1);
    for (int d = 0; d < 4; d++) {
        b4c_packed whole = packed_new(N, K, dtypes[d]), parts = packed_new(N, K, dtypes[d]);
        b4c_packed_fill(&whole, 0, N, w, LD);
        b4c_packed_fill(&parts, 40, 61, w + 40 * LD, LD);
        b4c_packed_fill(&parts, 0, 33, w, LD);
        b4c_packed_fill(&parts, 33, 7, w + 33 * LD, LD);
        assert_memory_equal(whole.panels, parts.panels, whole.bytes);
        if (dtypes[d] == B4C_I8) {
            assert_memory_equal(whole.scale, parts.scale, 128 * sizeof(float));
            assert_memory_equal(whole.sum128, parts.sum128, 128 * sizeof(int32_t));
        }
        b4c_packed_done(&whole);
        b4c_packed_done(&parts);
    }
    free(w);
}

static void a_row_reads_back_as_it_was_rounded(void **state)
{
    (void)state;
    enum { N = 37, K = 131 };
    float *w = random_floats(N * K, 2, 3), y[K];
    for (int d = 0; d < 3; d++) {
        b4c_packed p = packed_new(N, K, dtypes[d]);
        b4c_packed_fill(&p, 0, N, w, K);
        for (int i = 0; i < N; i++) {
            b4c_packed_row(&p, i, y);
            long sum = 0;
            float top = 0;
            for (int k = 0; k < K; k++) {
                float x = w[i * K + k];
                if (dtypes[d] == B4C_F32) assert_true(y[k] == x);
                if (dtypes[d] == B4C_BF16) assert_true(y[k] == b4c_from_bf16(b4c_to_bf16(x)));
                if (dtypes[d] == B4C_I8) {
                    assert_true(fabsf(y[k] - x) <= 0.501f * p.scale[i]);
                    sum += lroundf(y[k] / p.scale[i]);
                    top = fmaxf(top, fabsf(x));
                }
            }
            if (dtypes[d] == B4C_I8) {
                assert_int_equal(p.sum128[i], 128 * sum);
                assert_true(p.scale[i] == top / 127);
            }
        }
        b4c_packed_done(&p);
    }
    free(w);
}

static int not_zero(const unsigned char *bytes, size_t n)
{
    int found = 0;
    for (size_t i = 0; i < n; i++) found += bytes[i] != 0;
    return found;
}

static void padding_is_zero(void **state)
{
    (void)state;
    enum { N = 33, K = 65 };
    float w[N * K];
    for (int i = 0; i < N * K; i++) w[i] = 1;
    for (int d = 0; d < 3; d++) {
        b4c_packed p = packed_new(N, K, dtypes[d]);
        b4c_packed_fill(&p, 0, N, w, K);
        /* 1.0 has two bytes other than 0 in f32 (3f80) and bf16, and 127 is one byte */
        assert_int_equal(not_zero(p.panels, p.bytes), N * K * (dtypes[d] == B4C_I8 ? 1 : 2));
        for (int j = N; j < 64 && dtypes[d] == B4C_I8; j++)
            assert_true(p.scale[j] == 0 && p.sum128[j] == 0);
        b4c_packed_done(&p);
    }
}

static void rows_of_zeros_and_of_no_numbers_keep_to_themselves(void **state)
{
    (void)state;
    enum { K = 10 };
    float w[3 * K], y[K];
    for (int i = 0; i < 3 * K; i++) w[i] = i < K ? 0 : 1;
    w[K + 3] = NAN;
    b4c_packed p = packed_new(3, K, B4C_I8);
    b4c_packed_fill(&p, 0, 3, w, K);
    assert_true(p.scale[0] == 0 && p.sum128[0] == 0);
    assert_true(isnan(p.scale[1]));
    b4c_packed_row(&p, 1, y);
    assert_true(isnan(y[0]));
    b4c_packed_row(&p, 2, y);
    assert_true(y[9] == 127 * (1 / 127.f));
    b4c_packed_done(&p);
    b4c_packed_done(&p); /* takes what is done already */
}

static void an_operand_is_as_large_as_its_form_says(void **state)
{
    (void)state;
    static const struct {
        b4c_form form;
        int rows, cols;
        size_t ld, bytes;
    } want[] = {
        { B4C_FORM_REAL, 3, 33, 33, 3 * 33 * sizeof(b4c_real) },
        { B4C_FORM_BF16, 3, 33, 128, 3 * 128 },
        { B4C_FORM_I8, 3, 65, 128, 3 * 128 },
        { B4C_FORM_TILE_BF16, 17, 33, 2048, 2 * 2048 },
        { B4C_FORM_TILE_I8, 16, 64, 1024, 1024 },
        { B4C_FORM_NONE, 3, 33, 0, 0 },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        size_t ld;
        assert_int_equal(b4c_operand_bytes(want[i].form, want[i].rows, want[i].cols, &ld),
                         want[i].bytes);
        assert_int_equal(ld, want[i].ld);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filling_in_parts_is_filling_at_once),
        cmocka_unit_test(a_row_reads_back_as_it_was_rounded),
        cmocka_unit_test(padding_is_zero),
        cmocka_unit_test(rows_of_zeros_and_of_no_numbers_keep_to_themselves),
        cmocka_unit_test(an_operand_is_as_large_as_its_form_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
