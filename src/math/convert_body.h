/* convert_body.h - whole operands between forms, row by row (row_body.h). Included after a vec_<isa>.h; serves that set's table. */
#ifndef B4C_MATH_CONVERT_BODY_H
#define B4C_MATH_CONVERT_BODY_H
#include "math/row_body.h"

static void operand(const b4c_real *x, int x_ld, b4c_operand *out, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        const b4c_real *row = x + (size_t)i * (size_t)x_ld;
        if (out->form == B4C_FORM_REAL)
            memmove((b4c_real *)out->data + (size_t)i * out->ld, row, (size_t)out->cols * sizeof *row);
        else
            row_put(row, out, i);
    }
}

static void rows(const b4c_operand *in, b4c_real *y, int y_ld, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        b4c_real *row = y + (size_t)i * (size_t)y_ld;
        if (in->form == B4C_FORM_REAL)
            memmove(row, (const b4c_real *)in->data + (size_t)i * in->ld, (size_t)in->cols * sizeof *row);
        else
            row_get(in, i, row);
    }
}

static void requantize(const b4c_operand *in, b4c_operand *out, int begin, int end)
{
    assert(in->cols == out->cols && form_is_i8(out->form) && !form_is_i8(in->form) && in->form != B4C_FORM_REAL);
    for (int i = begin; i < end; i++) {
        const row_source from = { .bf16 = row_of(in, i) };
        out->scale[i] = row_put_i8(&from, in->cols, row_of(out, i), row_flip(out->form));
    }
}

static inline void fill_conversions(b4c_kernels *t)
{
    t->operand = operand;
    t->rows = rows;
    t->requantize = requantize;
}
#endif
