/* test_norm_even.c - a norm whose int8 result is evened is the evened rows in int8. */
#include "kernels_common.h"

#include <math.h>

enum { ROWS = 5 };

static void evened_int8_is_int8_of_evened_rows(void **state)
{
    (void)state;
    static const int widths[] = { 1, 7, 24, 40, 64, 129, 384 };
    for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k))
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            for (int with_rows = 0; with_rows < 2; with_rows++) {
                const int w = widths[i];
                const size_t n = (size_t)ROWS * (size_t)w;
                float *x = random_floats(n, 1, 3), *even = random_floats((size_t)w, 2, 4),
                    *y = malloc(n * sizeof *y);
                for (int c = 0; c < w; c++) even[c] = exp2f(rintf(even[c]));
                b4c_operand got = { .form = k->form(B4C_I8), .rows = ROWS, .cols = w }, want = got;
                const size_t bytes = b4c_operand_bytes(got.form, ROWS, w, &got.ld);
                want.ld = got.ld;
                got.data = b4c_block_new(bytes);
                want.data = b4c_block_new(bytes);
                float scales[2][16] = { { 0 } };
                got.scale = scales[0];
                want.scale = scales[1];
                b4c_norm_job job =
                    { .kind = B4C_NORM_LAYER, .cols = w, .eps = 1e-12f, .x = x, .x_ld = w, .y = y };
                k->norm(&job, 0, ROWS);
                job.out = got;
                job.even = even;
                if (!with_rows) job.y = NULL;
                k->norm(&job, 0, ROWS);
                float *evened = malloc(n * sizeof *evened);
                for (size_t at = 0; at < n; at++) evened[at] = y[at] * even[at % (size_t)w];
                k->operand(evened, w, &want, 0, ROWS);
                assert_memory_equal(got.data, want.data, bytes);
                assert_memory_equal(scales[0], scales[1], ROWS * sizeof(float));
                b4c_block_free(got.data, bytes);
                b4c_block_free(want.data, bytes);
                free(x);
                free(even);
                free(y);
                free(evened);
            }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = { cmocka_unit_test(evened_int8_is_int8_of_evened_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
