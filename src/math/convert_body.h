/* convert_body.h - whole operands between forms, row by row (row_body.h). Included after a
 * vec_<isa>.h; serves that set's table.
 *
 * requantize has loops of its own, since a feed-forward layer's hidden rows all pass through it:
 * its rows are whole lines, zero in their padding, so no element needs to be counted.
 */
#ifndef B4C_MATH_CONVERT_BODY_H
#define B4C_MATH_CONVERT_BODY_H
#include "math/row_body.h"

/* Rows in groups, of numbers or of bf16. */
static void operand_groups(const b4c_real *x, int x_ld, const b4c_operand *in, b4c_operand *out,
                           int begin, int end)
{
    for (int row = begin; row < end; row += ROW_TOGETHER) {
        const int rows = end - row < ROW_TOGETHER ? end - row : ROW_TOGETHER;
        row_source s[ROW_TOGETHER];
        for (int i = 0; i < rows; i++) {
            s[i] = (row_source){ 0 };
            if (in) s[i].bf16 = row_of(in, row + i);
            else s[i].real = x + (size_t)(row + i) * (size_t)x_ld;
        }
        row_put_groups(s, rows, out, row);
    }
}

static void operand(const b4c_real *x, int x_ld, b4c_operand *out, int begin, int end)
{
    if (out->form == B4C_FORM_I8_GROUPS) {
        operand_groups(x, x_ld, NULL, out, begin, end);
        return;
    }
    for (int i = begin; i < end; i++) {
        const b4c_real *row = x + (size_t)i * (size_t)x_ld;
        if (out->form == B4C_FORM_REAL)
            memmove((b4c_real *)out->data + (size_t)i * out->ld, row,
                    (size_t)out->cols * sizeof *row);
        else
            row_put(row, out, i);
    }
}

static void rows(const b4c_operand *in, b4c_real *y, int y_ld, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        b4c_real *row = y + (size_t)i * (size_t)y_ld;
        if (in->form == B4C_FORM_REAL)
            memmove(row, (const b4c_real *)in->data + (size_t)i * in->ld,
                    (size_t)in->cols * sizeof *row);
        else
            row_get(in, i, row);
    }
}

#ifndef CONVERT_LINES /* the instruction set has no better ones */
/* The largest size of a row of bf16, NaN or infinity where it has one. */
B4C_INLINE float largest_of_lines(row_lines from)
{
    vec largest = v_set(0);
    for (int l = 0; l < from.lines; l++) {
        B4C_UNROLL
        for (int j = 0; j < 32; j += VEC_LANES)
            largest = v_absmax(largest, v_load_bf16_n(row_bf16_line(from, l) + j, VEC_LANES));
    }
    return (float)v_absmax_top(largest);
}
#endif

static float requantize_row(row_lines from, row_lines to, uint8_t flip)
{
    const row_i8 q = row_i8_begin(largest_of_lines(from), to, flip);
    for (int l = 0; l < to.lines; l++) {
        vec x[LINE_I8];
        B4C_UNROLL
        for (int j = 0; j < LINE_I8; j++) x[j] = v_set(0);
        for (int half = 0; half < 2 && 2 * l + half < from.lines; half++) {
            const uint16_t *line = row_bf16_line(from, 2 * l + half);
            B4C_UNROLL
            for (int j = 0; j < 32 / VEC_LANES; j++)
                x[half * 32 / VEC_LANES + j] = v_load_bf16_n(line + j * VEC_LANES, VEC_LANES);
        }
        row_i8_line(&q, l, x);
    }
    return q.scale;
}

static void requantize(const b4c_operand *in, b4c_operand *out, int begin, int end)
{
    const bool groups = out->form == B4C_FORM_I8_GROUPS;
    assert(in->cols == out->cols && (groups || form_is_i8(out->form)));
    assert(in->form == B4C_FORM_BF16 || in->form == B4C_FORM_TILE_BF16);
    if (groups) operand_groups(NULL, 0, in, out, begin, end);
    for (int i = begin; i < end && !groups; i++)
        out->scale[i] = requantize_row(row_of(in, i), row_of(out, i), row_flip(out->form));
}

static inline void fill_conversions(b4c_kernels *t)
{
    t->operand = operand;
    t->rows = rows;
    t->requantize = requantize;
}
#endif
