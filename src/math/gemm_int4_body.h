/* gemm_int4_body.h - products with 4-bit weights, over int8 rows in groups (gemm_groups.h). No
 * include guard on purpose: gemm_<isa>.c includes it once a way to multiply bytes, after its vec
 * words and gemm_epilogue.h.
 *
 * A weight is d * (u + c / 16 - 8) with u in 0 .. 15, d (bf16) and c (-128 .. 127) shared by 32
 * neighbours in k: a group. A row's number is r * x, x in -127 .. 127, r shared by the same
 * neighbours. So a group's part of an output is
 *
 *     r sum(x u) * d  +  r sum(x) * d (c / 16 - 8)
 *
 * The first sum is an exact integer. The second part is a product over groups, of integers too: as
 * numbers it would cost an eighth of the whole, so a sixteenth. Rows bring r sum(x) in units of
 * their own (row_body.h), d (c / 16 - 8) is made integers of 12 bits once a panel, or while the
 * panel passes where few rows meet it; what both round away is far less than what the rows' own
 * rounding does. All that is the same on every instruction set and however many rows there are; the
 * rest are numbers added in order of k. Panels: pack_int4.c.
 *
 * The including file defines the words of gemm_groups.h and
 *   LOW(w), HIGH(w)     nibbles as bytes 0 .. 15
 * and, once, of pairs of 16-bit integers side by side
 *   shorts, shorts_of(a, b)     VEC_LANES pairs: the integers next to a and to b
 *   shorts_get(p), shorts_put(p, x)       from and to aligned memory
 *   short_sums, shorts_none()     sums of both products of pairs
 *   shorts_dot(s, w, x)          s + the products of VEC_LANES pairs with one pair at x
 *   shorts_total(s)              as numbers
 */
#define BLOCK_BYTES B4C_I4_BLOCK
#define AHEAD 4096
#define SHARED_LINES 1

typedef short_sums NAME(beside);
#define READY_BLOCKS (B4C_I8_COLS / 64 + 1)

static inline vec NAME(unit)(const b4c_packed *w, int output)
{
    return v_max(v_load_float(w->scale + output), v_set((b4c_real)0x1p-100));
}

B4C_INLINE vec NAME(scale)(const uint8_t *b, const int g, int lane)
{
    const uint16_t *d = (const uint16_t *)(const void *)(b + B4C_I4_SCALES);
    return v_load_bf16_n(d + g * B4C_PANEL + lane, VEC_LANES);
}

/* Of group g of a block. */
B4C_INLINE vec NAME(offset)(const uint8_t *b, int g, int lane)
{
    const vec c = v_load_i8_n(b + B4C_I4_OFFSETS + g * B4C_PANEL + lane, 0, VEC_LANES);
    return v_mul(NAME(scale)(b, g, lane), v_sub(v_mul(c, v_set((b4c_real)0.0625)), v_set(8)));
}

/* Of both groups of a block as pairs, in units of the outputs' own. */
B4C_INLINE shorts NAME(offsets)(const b4c_packed *w, const uint8_t *b, int output)
{
    const int lane = output % B4C_PANEL;
    const vec inverse = v_div(v_set(1), NAME(unit)(w, output));
    return shorts_of(v_mul(NAME(offset)(b, 0, lane), inverse),
                     v_mul(NAME(offset)(b, 1, lane), inverse));
}

static void NAME(prepare)(const b4c_packed *w, int panel, const uint8_t *b, int32_t *ready)
{
    for (int j = 0; j < B4C_PANEL; j += VEC_LANES)
        for (int i = 0; i < w->kp / 64; i++)
            shorts_put(ready + i * B4C_PANEL + j,
                      NAME(offsets)(w, b + (size_t)i * BLOCK_BYTES, panel * B4C_PANEL + j));
}

B4C_INLINE void NAME(begin)(const int rows, NAME(beside) s[GROUP_ROWS][GROUP_VECTORS])
{
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) s[i][j] = shorts_none();
    }
}

B4C_INLINE void NAME(add)(const int rows, const b4c_group_pair *p, size_t ld, const b4c_packed *w,
                          const uint8_t *b, const int32_t *ready, int output,
                          NAME(beside) s[GROUP_ROWS][GROUP_VECTORS])
{
    UNROLL
    for (int j = 0; j < GROUP_VECTORS; j++) {
        const int at = output + j * VEC_LANES;
        const shorts x = ready ? shorts_get(ready + at % B4C_PANEL) : NAME(offsets)(w, b, at);
        UNROLL
        for (int i = 0; i < rows; i++) s[i][j] = shorts_dot(s[i][j], x, p[(size_t)i * ld].sum);
    }
}

/* 4 k of group g of a block, all of some outputs. */
B4C_INLINE W_V NAME(weights)(const uint8_t *b, const int g, const int k, int lane)
{
    const W_V both = W_LOAD(b + k * 4 * B4C_PANEL + lane * 4);
    return g ? HIGH(both) : LOW(both);
}

B4C_INLINE vec NAME(joined)(vec part, vec value, vec scale) { return v_fma(value, scale, part); }

B4C_INLINE vec NAME(last)(const b4c_packed *w, int output, vec sum, NAME(beside) offsets,
                          float unit)
{
    const vec units = v_mul(NAME(unit)(w, output), v_set((b4c_real)unit));
    return v_fma(shorts_total(offsets), units, sum);
}
#include "math/gemm_groups.h"
#undef LOW
#undef HIGH
