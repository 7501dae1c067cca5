/* gemm_epilogue.h - from a block of sums to results: scales, bias, activation, and the form the next product wants, while the sums are hot.
 *
 * Written in vector words; included after a vec_<isa>.h, act_body.h and two words of its own: v_load_float (VEC_LANES floats) and
 * v_sums_i8 (VEC_LANES differences of integers as numbers). A block is [rows][32] sums of one panel. The activations are those of
 * act_body.h, so that they give the same bits here and in a pass of their own. Results beyond n stay inside this file, except in BF16
 * rows, whose padding is written as zeros: there weights, scales and biases are zero, and every activation keeps zero.
 */
#ifndef B4C_MATH_GEMM_EPILOGUE_H
#define B4C_MATH_GEMM_EPILOGUE_H
#include "math/internal.h"
#include <assert.h>

enum { EPILOGUE_VECTORS = B4C_PANEL / VEC_LANES };

/* What the rows of one block share. */
typedef struct epilogue {
    const b4c_real *bias;           /* [32], zeros beyond n or without a bias */
    const float *scale;             /* int8: [32] of the outputs */
    const int32_t *sum128;
    const float *row_scale;         /* int8: of the block's first row */
    char *to;                       /* first row, first output */
    size_t step;                    /* bytes from row to row */
    int rows, n;                    /* n: outputs of this panel that exist */
    b4c_real padded_bias[B4C_PANEL];
} epilogue;

static inline void epilogue_init(epilogue *e, const b4c_gemm *g, int row, int rows, int first)
{
    e->rows = rows;
    e->n = g->w->n - first < B4C_PANEL ? g->w->n - first : B4C_PANEL;
    e->bias = g->bias + first;
    if (!g->bias || e->n < B4C_PANEL) {
        for (int j = 0; j < B4C_PANEL; j++) e->padded_bias[j] = g->bias && j < e->n ? g->bias[first + j] : 0;
        e->bias = e->padded_bias;
    }
    if (g->w->dtype == B4C_I8) {
        e->scale = g->w->scale + first;
        e->sum128 = g->w->sum128 + first;
        e->row_scale = g->in.scale + row;
    }
    bool real = g->out.form == B4C_FORM_REAL;
    assert(real || g->out.form == B4C_FORM_BF16);
    e->step = real ? g->out.ld * sizeof(b4c_real) : g->out.ld;
    e->to = (char *)g->out.data + (size_t)row * e->step + (size_t)first * (real ? sizeof(b4c_real) : sizeof(uint16_t));
}

/* `i8`, `act` and `real` are constants at each call: one tight loop for each combination. */
static inline __attribute__((always_inline)) void
epilogue_rows(const epilogue *e, const void *sums, const bool i8, const b4c_act act, const bool real)
{
    const b4c_real *bias = e->bias;
    char *to = e->to;
    for (int i = 0; i < e->rows; i++, to += e->step) {
        vec y[EPILOGUE_VECTORS];
        UNROLL
        for (int j = 0; j < EPILOGUE_VECTORS; j++) {
            int at = j * VEC_LANES;
            if (i8) {
                vec scale = v_mul(v_set(e->row_scale[i]), v_load_float(e->scale + at));
                y[j] = v_fma(v_sums_i8((const int32_t *)sums + i * B4C_PANEL + at, e->sum128 + at), scale, v_load(bias + at));
            } else {
                y[j] = v_add(v_load((const b4c_real *)sums + i * B4C_PANEL + at), v_load(bias + at));
            }
            y[j] = act_apply(act, y[j]);
        }
        if (!real) {
            UNROLL
            for (int j = 0; j < EPILOGUE_VECTORS; j++) v_store_bf16_n((uint16_t *)(void *)to + j * VEC_LANES, y[j], VEC_LANES);
        } else if (e->n == B4C_PANEL) {                 /* whole lines: a masked store reads its line first */
            UNROLL
            for (int j = 0; j < EPILOGUE_VECTORS; j++) v_store((b4c_real *)(void *)to + j * VEC_LANES, y[j]);
        } else {
            UNROLL
            for (int j = 0; j < EPILOGUE_VECTORS; j++) {
                int left = e->n - j * VEC_LANES;
                if (left > 0) v_store_n((b4c_real *)(void *)to + j * VEC_LANES, y[j], left < VEC_LANES ? left : VEC_LANES);
            }
        }
    }
}

#define EPILOGUE_ACT(a)                                                                              \
    case a:                                                                                          \
        if (real) epilogue_rows(&e, sums, i8, a, true);                                              \
        else epilogue_rows(&e, sums, i8, a, false);                                                  \
        break;

static inline __attribute__((always_inline)) void
finish(const b4c_gemm *g, const void *sums, int row, int rows, int first, const bool i8)
{
    epilogue e;
    epilogue_init(&e, g, row, rows, first);
    bool real = g->out.form == B4C_FORM_REAL;
    switch (g->act) {
        EPILOGUE_ACT(B4C_ACT_NONE)
        EPILOGUE_ACT(B4C_ACT_GELU)
        EPILOGUE_ACT(B4C_ACT_GELU_TANH)
        EPILOGUE_ACT(B4C_ACT_RELU)
        EPILOGUE_ACT(B4C_ACT_SILU)
        EPILOGUE_ACT(B4C_ACT_TANH)
    }
}

static __attribute__((noinline)) void finish_real(const b4c_gemm *g, const b4c_real *sums, int row, int rows, int first)
{
    finish(g, sums, row, rows, first, false);
}

/* Sums of (q + 128) * w lose 128 times the output's sum of w, then take the scales of row and output. */
static __attribute__((noinline)) void finish_i8(const b4c_gemm *g, const int32_t *sums, int row, int rows, int first)
{
    finish(g, sums, row, rows, first, true);
}
#endif
