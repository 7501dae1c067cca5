/* gemm_epilogue.h - from a block of sums to results: scales, bias, activation, and the form the next product wants, while the sums are hot.
 *
 * Written in vector words; included after a vec_<isa>.h, act_body.h and the word v_load_i32 (VEC_LANES integers as numbers).
 * A block is [rows][32] sums of one panel. The activations are those of act_body.h, so that they give the same bits here and in a pass of
 * their own. Outputs beyond n stay inside this file, except in BF16 rows, whose padding is written as zeros: there the weights are zero,
 * and every activation keeps zero.
 */
#ifndef B4C_MATH_GEMM_EPILOGUE_H
#define B4C_MATH_GEMM_EPILOGUE_H
#include "math/internal.h"
#include <assert.h>

enum { EPILOGUE_VECTORS = B4C_PANEL / VEC_LANES };

/* The panel's biases, zeros beyond n or without a bias. `room` [32] is used where the bias itself cannot be. */
static inline const b4c_real *panel_bias(const b4c_gemm *g, int first, b4c_real *room)
{
    int n = g->w->n - first;
    if (g->bias && n >= B4C_PANEL) return g->bias + first;
    for (int j = 0; j < B4C_PANEL; j++) room[j] = g->bias && j < n ? g->bias[first + j] : 0;
    return room;
}

#define EACH_VECTOR(statement)                                                                       \
    do {                                                                                             \
        UNROLL for (int j = 0; j < EPILOGUE_VECTORS; j++) { statement; }                             \
    } while (0)

static inline void finish_row(const b4c_gemm *g, vec y[EPILOGUE_VECTORS], int row, int first)
{
    switch (g->act) {                       /* a constant for act_apply, so that only one activation stands in each loop */
    case B4C_ACT_GELU: EACH_VECTOR(y[j] = act_apply(B4C_ACT_GELU, y[j])); break;
    case B4C_ACT_GELU_TANH: EACH_VECTOR(y[j] = act_apply(B4C_ACT_GELU_TANH, y[j])); break;
    case B4C_ACT_RELU: EACH_VECTOR(y[j] = act_apply(B4C_ACT_RELU, y[j])); break;
    case B4C_ACT_SILU: EACH_VECTOR(y[j] = act_apply(B4C_ACT_SILU, y[j])); break;
    case B4C_ACT_TANH: EACH_VECTOR(y[j] = act_apply(B4C_ACT_TANH, y[j])); break;
    case B4C_ACT_NONE: break;
    }
    if (g->out.form == B4C_FORM_REAL) {
        b4c_real *to = (b4c_real *)g->out.data + (size_t)row * g->out.ld + first;
        int n = g->w->n - first;
        if (n >= B4C_PANEL)                 /* whole lines: a masked store reads its line first */
            EACH_VECTOR(v_store(to + j * VEC_LANES, y[j]));
        else
            for (int j = 0; j * VEC_LANES < n; j++)
                v_store_n(to + j * VEC_LANES, y[j], n - j * VEC_LANES < VEC_LANES ? n - j * VEC_LANES : VEC_LANES);
    } else {
        assert(g->out.form == B4C_FORM_BF16);
        uint16_t *to = (uint16_t *)(void *)((char *)g->out.data + (size_t)row * g->out.ld) + first;
        EACH_VECTOR(v_store_bf16_n(to + j * VEC_LANES, y[j], VEC_LANES));
    }
}

static inline void finish_real(const b4c_gemm *g, const b4c_real *sum, int row, int rows, int first)
{
    b4c_real room[B4C_PANEL];
    const b4c_real *bias = panel_bias(g, first, room);
    for (int i = 0; i < rows; i++, sum += B4C_PANEL) {
        vec y[EPILOGUE_VECTORS];
        EACH_VECTOR(y[j] = v_add(v_load(sum + j * VEC_LANES), v_load(bias + j * VEC_LANES)));
        finish_row(g, y, row + i, first);
    }
}

/* Sums of (q + 128) * w lose 128 times the row's sum of w, then take the scales of row and output. */
static inline void finish_i8(const b4c_gemm *g, const int32_t *sum, int row, int rows, int first)
{
    b4c_real room[B4C_PANEL];
    const b4c_real *bias = panel_bias(g, first, room);
    const float *scale = g->w->scale + first;
    const int32_t *sum128 = g->w->sum128 + first;
    for (int i = 0; i < rows; i++, sum += B4C_PANEL) {
        vec y[EPILOGUE_VECTORS], s = v_set(g->in.scale[row + i]);
        EACH_VECTOR(y[j] = v_fma(v_sums_i8(sum + j * VEC_LANES, sum128 + j * VEC_LANES),
                                 v_mul(s, v_load_float(scale + j * VEC_LANES)), v_load(bias + j * VEC_LANES)));
        finish_row(g, y, row + i, first);
    }
}
#endif
