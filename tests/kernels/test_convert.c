/* test_convert.c - operands in every form on every table: what is stored is what rounding says, and
 * the bytes are the same wherever they come from. */
#include "kernels_common.h"
#include <math.h>

enum { ROWS = 19 };
static const int widths[] = { 1, 31, 32, 33, 63, 64, 65, 96, 100, 200 };
enum { WIDTHS = sizeof widths / sizeof *widths };

static bool tiles(const b4c_kernels *t) { return strcmp(t->name, "amx") == 0; }
static b4c_form bf16_form(const b4c_kernels *t)
{
    return tiles(t) ? B4C_FORM_TILE_BF16 : B4C_FORM_BF16;
}
static b4c_form i8_form(const b4c_kernels *t) { return tiles(t) ? B4C_FORM_TILE_I8 : B4C_FORM_I8; }

static b4c_operand operand_new(b4c_form form, int cols, size_t *bytes)
{
    b4c_operand o = { .form = form, .rows = ROWS, .cols = cols };
    *bytes = b4c_operand_bytes(form, ROWS, cols, &o.ld);
    o.data = b4c_block_new(*bytes);
    o.scale = calloc(ROWS, sizeof *o.scale);
    assert_true(o.data && o.scale);
    return o;
}

static void operand_free(b4c_operand *o, size_t bytes)
{
    b4c_block_free(o->data, bytes);
    free(o->scale);
}

/* Rows of several sizes, one of zeros, one of numbers too small for a scale. */
static float *rows_new(int w)
{
    float *x = random_floats((size_t)ROWS * (size_t)w, (uint32_t)w, 1);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < w; j++) x[i * w + j] *= i == 3 ? 0 : i == 4 ? 1e-33f : (float)(i + 1);
    return x;
}

static void bf16_rows_are_rounded_to_nearest_even(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (int z = 0; z < WIDTHS; z++) {
            const int w = widths[z];
            size_t bytes;
            float *x = rows_new(w), *y = calloc((size_t)(ROWS * w), sizeof *y);
            b4c_operand o = operand_new(bf16_form(t), w, &bytes);
            t->operand(x, w, &o, 0, 16);
            t->operand(x, w, &o, 16, ROWS);
            t->rows(&o, y, w, 0, ROWS);
            for (int i = 0; i < ROWS * w; i++)
                assert_true(y[i] == b4c_from_bf16(b4c_to_bf16(x[i])));
            operand_free(&o, bytes);
            free(x);
            free(y);
        }
}

static void int8_rows_are_within_half_a_step(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (int z = 0; z < WIDTHS; z++) {
            const int w = widths[z];
            size_t bytes;
            float *x = rows_new(w), *y = calloc((size_t)(ROWS * w), sizeof *y);
            b4c_operand o = operand_new(i8_form(t), w, &bytes);
            t->operand(x, w, &o, 0, ROWS);
            t->rows(&o, y, w, 0, ROWS);
            for (int i = 0; i < ROWS; i++) {
                float top = 0;
                for (int j = 0; j < w; j++) top = fmaxf(top, fabsf(x[i * w + j]));
                assert_true(o.scale[i] == (top > 1e-30f ? top / 127 : 0));
                for (int j = 0; j < w; j++) {
                    const float error = fabsf(y[i * w + j] - x[i * w + j]);
                    assert_true(error <= 0.5001f * o.scale[i] + 1e-30f);
                }
            }
            operand_free(&o, bytes);
            free(x);
            free(y);
        }
}

/* A hidden row goes from the epilogue's bf16 to int8 by `requantize`; where it exists as rows of
 * numbers, by `operand`. Both must leave the same bytes, padding included. */
static void int8_from_bf16_is_int8_from_the_same_numbers(void **state)
{
    (void)state;
    for (const b4c_kernels *t = NULL; (t = next_table(t));)
        for (int z = 0; z < WIDTHS; z++) {
            const int w = widths[z];
            size_t narrow_bytes, bytes;
            float *x = rows_new(w), *y = calloc((size_t)(ROWS * w), sizeof *y);
            x[7 * w] = NAN;
            x[8 * w + w - 1] = -INFINITY;
            b4c_operand narrow = operand_new(bf16_form(t), w, &narrow_bytes);
            b4c_operand direct = operand_new(i8_form(t), w, &bytes);
            b4c_operand through = operand_new(i8_form(t), w, &bytes);
            t->operand(x, w, &narrow, 0, ROWS);
            t->rows(&narrow, y, w, 0, ROWS);
            t->operand(y, w, &direct, 0, ROWS);
            t->requantize(&narrow, &through, 0, 5);
            t->requantize(&narrow, &through, 5, ROWS);
            assert_memory_equal(direct.data, through.data, bytes);
            for (int i = 0; i < ROWS; i++) {
                assert_true(isnan(through.scale[i]) == (i == 7 || i == 8));
                assert_true(isnan(direct.scale[i]) || direct.scale[i] == through.scale[i]);
            }
            operand_free(&narrow, narrow_bytes);
            operand_free(&direct, bytes);
            operand_free(&through, bytes);
            free(x);
            free(y);
        }
}

static void int8_bytes_are_the_same_on_every_table(void **state)
{
    (void)state;
    for (int z = 0; z < WIDTHS; z++) {
        const int w = widths[z];
        float *x = rows_new(w);
        size_t bytes;
        b4c_operand want = { 0 };
        for (const b4c_kernels *t = NULL; (t = next_table(t));) {
            if (tiles(t)) continue;
            b4c_operand o = operand_new(B4C_FORM_I8, w, &bytes);
            t->operand(x, w, &o, 0, ROWS);
            if (want.data) {
                assert_memory_equal(o.data, want.data, bytes);
                assert_memory_equal(o.scale, want.scale, ROWS * sizeof *o.scale);
                operand_free(&o, bytes);
            } else {
                want = o;
            }
        }
        operand_free(&want, bytes);
        free(x);
    }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_rows_are_rounded_to_nearest_even),
        cmocka_unit_test(int8_rows_are_within_half_a_step),
        cmocka_unit_test(int8_from_bf16_is_int8_from_the_same_numbers),
        cmocka_unit_test(int8_bytes_are_the_same_on_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
