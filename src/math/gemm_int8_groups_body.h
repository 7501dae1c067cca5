/* gemm_int8_groups_body.h - products with int8 weights over int8 rows in groups (gemm_groups.h):
 * what decoders want, whose streams have columns that one scale a row cannot hold beside the
 * others. No include guard on purpose: gemm_<isa>.c includes it once a way to multiply bytes, after
 * its vec words and gemm_epilogue.h.
 *
 * A weight is d * q, d shared by its whole output: panels are those of any int8 weight. A row's
 * number is r * x, r shared by 32 neighbours in k. So an output is d times the sum over groups of
 *
 *     r sum(x q)
 *
 * the sum an exact integer, the same on every instruction set. Where bytes are multiplied as
 * unsigned by signed ones, W_LOAD gives q + 128 and sums start at -128 sum(x).
 *
 * The including file defines the words of gemm_groups.h and
 *   S_FROM(n)           sums that start at n = -128 sum(x), or at 0 where q keeps its sign
 */
#define BLOCK_BYTES (64 * B4C_PANEL)
#define EXTRA_T int32_t
enum { NAME(ahead) = 8192 };    /* bytes by which weights are fetched before their use */

static inline int32_t NAME(extra)(float r, int sum)
{
    (void)r;
    return -128 * sum;
}

B4C_INLINE vec NAME(last)(const b4c_packed *w, int output, vec sum)
{
    return v_mul(sum, v_load_float(w->scale + output));
}

/* 64 k of `rows` rows and some vectors of outputs from `first` on, added to sum. */
B4C_INLINE void NAME(step)(const int rows, const uint8_t *x, size_t x_ld, const int32_t *xs,
                           const float *r, size_t ld, const uint8_t *b, int first,
                           vec sum[GROUP_ROWS][GROUP_VECTORS])
{
    for (int g = 0; g < 2; g++, x += 32, b += 32 * B4C_PANEL) {
        S_V s[GROUP_ROWS][GROUP_VECTORS];
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++)
                s[i][j] = S_FROM(xs[(size_t)i * ld + (size_t)g]);
        }
        UNROLL
        for (int k = 0; k < 8; k++) {
            const uint8_t *from = b + k * 4 * B4C_PANEL + first * 4;
            W_V w[GROUP_VECTORS];
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++) w[j] = W_LOAD(from + j * 4 * VEC_LANES);
            UNROLL
            for (int line = 0; line < GROUP_VECTORS * 4 * VEC_LANES; line += 64)
                PREFETCH((const char *)from + NAME(ahead) + line);
            UNROLL
            for (int i = 0; i < rows; i++) {
                const X_V y = X_LOAD(x + (size_t)i * x_ld + 4 * k);
                UNROLL
                for (int j = 0; j < GROUP_VECTORS; j++) DOT(s[i][j], w[j], y);
            }
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            const vec scale = v_set((b4c_real)r[(size_t)i * ld + (size_t)g]);
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++)
                sum[i][j] = v_fma(TOTAL(s[i][j]), scale, sum[i][j]);
        }
    }
}
#include "math/gemm_groups.h"
#undef S_FROM
