/* gemm_epilogue.h - from a block of sums to results: scales, bias, activation, and the form the
 * next product wants, while the sums are hot.
 *
 * Written in vector words; included after a vec_<isa>.h, act_body.h and two words of its own:
 * v_load_float (VEC_LANES floats) and v_sums_i8 (VEC_LANES differences of integers as numbers). A
 * block is [rows][32] sums of one panel. The activations are those of act_body.h, so that they give
 * the same bits here and in a pass of their own. Results beyond n stay inside this file, except in
 * bf16 forms, whose padding is written as zeros: there weights, scales and biases are zero, and
 * every activation keeps zero.
 */
#ifndef B4C_MATH_GEMM_EPILOGUE_H
#define B4C_MATH_GEMM_EPILOGUE_H
#include "math/internal.h"
#include <assert.h>

enum { EPILOGUE_VECTORS = B4C_PANEL / VEC_LANES };

/* What the blocks of one panel share. Any form of rows: row r stands at
 * to + (r / 16) * step16 + (r % 16) * step. */
typedef struct epilogue {
    const b4c_real *bias;   /* [32], zeros beyond n or without a bias */
    const float *scale;     /* int8: [32] of the outputs */
    const int32_t *sum128;  /* int8: [32] to take from the sums */
    const float *row_scale; /* int8: [rows] of the product */
    char *to;
    size_t step, step16;
    int n; /* outputs of this panel that exist */
    b4c_real padded_bias[B4C_PANEL];
} epilogue;

/* In groups, a body makes numbers of its sums. */
static inline bool sums_are_integers(const b4c_gemm *g)
{
    return g->w->dtype == B4C_I8 && g->in.form != B4C_FORM_I8_GROUPS;
}

/* plus_128: the sums are those of int8 rows kept as q + 128. */
static inline void epilogue_init(epilogue *e, const b4c_gemm *g, int panel, bool plus_128)
{
    static const int32_t nothing[B4C_PANEL];
    static const b4c_real no_bias[B4C_PANEL];
    int first = panel * B4C_PANEL;
    e->n = g->w->n - first < B4C_PANEL ? g->w->n - first : B4C_PANEL;
    e->bias = g->bias ? g->bias + first : no_bias;
    if (g->bias && e->n < B4C_PANEL) {
        for (int j = 0; j < B4C_PANEL; j++)
            e->padded_bias[j] = j < e->n ? g->bias[first + j] : 0;
        e->bias = e->padded_bias;
    }
    if (sums_are_integers(g)) {
        e->scale = g->w->scale + first;
        e->sum128 = plus_128 ? g->w->sum128 + first : nothing;
        e->row_scale = g->in.scale;
    }
    bool real = g->out.form == B4C_FORM_REAL, tile = g->out.form == B4C_FORM_TILE_BF16;
    assert(real || tile || g->out.form == B4C_FORM_BF16);
    e->step = real ? g->out.ld * sizeof(b4c_real) : tile ? 64 : g->out.ld;
    e->step16 = tile ? g->out.ld : 16 * e->step;
    const size_t panel_bytes = real ? B4C_PANEL * sizeof(b4c_real) : tile ? 1024 : 64;
    e->to = (char *)g->out.data + (size_t)panel * panel_bytes;
}

/* `i8`, `act` and `real` are constants at each call: one tight loop for each combination. */
B4C_INLINE void epilogue_rows(const epilogue *e, const void *sums, int row, int rows, const bool i8,
                              const b4c_act act, const bool real)
{
    const size_t step = e->step, step16 = e->step16;
    const float *row_scale = e->row_scale;
    const int32_t *sum128 = e->sum128;
    char *const first = e->to;
    const int n = e->n;
    vec bias[EPILOGUE_VECTORS], scale[EPILOGUE_VECTORS];
    UNROLL
    for (int j = 0; j < EPILOGUE_VECTORS; j++) {
        bias[j] = v_load(e->bias + j * VEC_LANES);
        if (i8) scale[j] = v_load_float(e->scale + j * VEC_LANES);
    }
    for (int i = 0; i < rows; i++) {
        vec y[EPILOGUE_VECTORS];
        UNROLL
        for (int j = 0; j < EPILOGUE_VECTORS; j++) {
            int at = i * B4C_PANEL + j * VEC_LANES;
            if (i8) {
                vec sum = v_sums_i8((const int32_t *)sums + at, sum128 + j * VEC_LANES);
                y[j] = v_fma(sum, v_mul(v_set(row_scale[row + i]), scale[j]), bias[j]);
            } else {
                y[j] = v_add(v_load((const b4c_real *)sums + at), bias[j]);
            }
            y[j] = act_apply(act, y[j]);
        }
        const unsigned r = (unsigned)(row + i);
        char *to = first + r / 16 * step16 + r % 16 * step;
        if (!real) {
            UNROLL
            for (int j = 0; j < EPILOGUE_VECTORS; j++)
                v_store_bf16_n((uint16_t *)(void *)to + j * VEC_LANES, y[j], VEC_LANES);
        } else if (n == B4C_PANEL) { /* whole lines: a masked store reads its line first */
            UNROLL
            for (int j = 0; j < EPILOGUE_VECTORS; j++)
                v_store((b4c_real *)(void *)to + j * VEC_LANES, y[j]);
        } else {
            UNROLL
            for (int j = 0; j < EPILOGUE_VECTORS; j++) {
                int left = n - j * VEC_LANES;
                if (left > 0)
                    v_store_n((b4c_real *)(void *)to + j * VEC_LANES, y[j],
                              left < VEC_LANES ? left : VEC_LANES);
            }
        }
    }
}

/* Finish `rows` rows of a product from `row` on: sums [rows][32] of b4c_real or int32_t. */
typedef void (*finish_fn)(const epilogue *, const void *sums, int row, int rows);

#define EPILOGUE_ACTS(X) \
    X(NONE) X(GELU) X(GELU_TANH) X(RELU) X(SILU) X(TANH) X(GELU_BRIEF) X(GELU_TANH_BRIEF)
#define EPILOGUE_FUNCTION(name, i8, act, real)                               \
    static void name(const epilogue *e, const void *sums, int row, int rows) \
    {                                                                        \
        epilogue_rows(e, sums, row, rows, i8, act, real);                    \
    }
#define EPILOGUE_FUNCTIONS(act)                                          \
    EPILOGUE_FUNCTION(finish_##act##_real, false, B4C_ACT_##act, true)   \
    EPILOGUE_FUNCTION(finish_##act##_bf16, false, B4C_ACT_##act, false)  \
    EPILOGUE_FUNCTION(finish_##act##_i8_real, true, B4C_ACT_##act, true) \
    EPILOGUE_FUNCTION(finish_##act##_i8_bf16, true, B4C_ACT_##act, false)
EPILOGUE_ACTS(EPILOGUE_FUNCTIONS)

static finish_fn finish_of(const b4c_gemm *g)
{
#define EPILOGUE_ROW(act)                                             \
    [B4C_ACT_##act] = { { finish_##act##_real, finish_##act##_bf16 }, \
                        { finish_##act##_i8_real, finish_##act##_i8_bf16 } },
    static const finish_fn all[][2][2] = { EPILOGUE_ACTS(EPILOGUE_ROW) };
#undef EPILOGUE_ROW
    return all[g->act][sums_are_integers(g)][g->out.form != B4C_FORM_REAL];
}
#endif
