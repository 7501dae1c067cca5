/* gemm_int4_body.h - products with 4-bit weights, over int8 rows in groups (gemm_groups.h). No
 * include guard on purpose: gemm_<isa>.c includes it once a way to multiply bytes, after its vec
 * words and gemm_epilogue.h.
 *
 * A weight is d * (u + c / 16 - 8) with u in 0 .. 15, d (bf16) and c (-128 .. 127) shared by 32
 * neighbours in k: a group. A row's number is r * x, x in -127 .. 127, r shared by the same
 * neighbours: with one scale a row, the few huge columns of a decoder's stream would leave the
 * others nothing. So a group's part of an output is
 *
 *     r sum(x u) * d  +  r sum(x) * d (c / 16 - 8)
 *
 * Both sums are exact integers, the same on every instruction set and however many rows there are;
 * the second one is made once a row. Parts are added as numbers in order of k. Panels: pack_int4.c.
 *
 * The including file defines the words of gemm_groups.h and
 *   LOW(w), HIGH(w)     nibbles as bytes 0 .. 15
 *   S_ZERO()            sums of nothing
 */
#define BLOCK_BYTES B4C_I4_BLOCK
#define EXTRA_T float
enum { NAME(ahead) = 4096 };    /* bytes by which weights are fetched before their use */

static inline float NAME(extra)(float r, int sum) { return r * (float)sum; }

B4C_INLINE vec NAME(last)(const b4c_packed *w, int output, vec sum)
{
    (void)w;
    (void)output;
    return sum;
}

/* 64 k of `rows` rows and some vectors of outputs from `first` on, added to sum. */
B4C_INLINE void NAME(step)(const int rows, const uint8_t *x, size_t x_ld, const float *xs,
                           const float *r, size_t ld, const uint8_t *b, int first,
                           vec sum[GROUP_ROWS][GROUP_VECTORS])
{
    S_V s[2][GROUP_ROWS][GROUP_VECTORS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) s[0][i][j] = s[1][i][j] = S_ZERO();
    }
    UNROLL
    for (int k = 0; k < 8; k++) {
        const uint8_t *w = b + k * 4 * B4C_PANEL + first * 4;
        W_V low[GROUP_VECTORS], high[GROUP_VECTORS];
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) {
            const W_V both = W_LOAD(w + j * 4 * VEC_LANES);
            low[j] = LOW(both);
            high[j] = HIGH(both);
        }
        UNROLL
        for (int line = 0; line < GROUP_VECTORS * 4 * VEC_LANES; line += 64)
            PREFETCH((const char *)w + NAME(ahead) + line);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const X_V x0 = X_LOAD(x + (size_t)i * x_ld + 4 * k);
            const X_V x1 = X_LOAD(x + (size_t)i * x_ld + 32 + 4 * k);
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++) {
                DOT(s[0][i][j], low[j], x0);
                DOT(s[1][i][j], high[j], x1);
            }
        }
    }
    const uint16_t *scales = (const uint16_t *)(const void *)(b + B4C_I4_SCALES);
    UNROLL
    for (int line = B4C_I4_SCALES; line < B4C_I4_BLOCK; line += 64)
        PREFETCH((const char *)b + NAME(ahead) + line);
    UNROLL
    for (int g = 0; g < 2; g++) {
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) {
            const int at = g * B4C_PANEL + first + j * VEC_LANES;
            const vec d = v_load_bf16_n(scales + at, VEC_LANES);
            const vec c = v_load_i8_n(b + B4C_I4_OFFSETS + at, 0, VEC_LANES);
            const vec e = v_mul(d, v_sub(v_mul(c, v_set((b4c_real)0.0625)), v_set(8)));
            UNROLL
            for (int i = 0; i < rows; i++) {
                const size_t group = (size_t)i * ld + (size_t)g;
                const vec scaled = v_mul(TOTAL(s[g][i][j]), v_set((b4c_real)r[group]));
                const vec part = v_fma(scaled, d, sum[i][j]);
                sum[i][j] = v_fma(v_set((b4c_real)xs[group]), e, part);
            }
        }
    }
}
#include "math/gemm_groups.h"
#undef LOW
#undef HIGH
#undef S_ZERO
