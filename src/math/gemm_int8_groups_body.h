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
 * unsigned by signed ones, W_LOAD gives q + 128, and TOTAL takes 128 sum(x) off again.
 *
 * The including file defines the words of gemm_groups.h.
 */
#define BLOCK_BYTES (64 * B4C_PANEL)
#define AHEAD 8192
#define SHARED_LINES 0

/* Nothing stands beside the sums. */
typedef int NAME(beside);
#define READY_BLOCKS 1

static void NAME(prepare)(const b4c_packed *w, int panel, const uint8_t *b, int32_t *ready)
{
    (void)w, (void)panel, (void)b, (void)ready;
}

B4C_INLINE void NAME(begin)(const int rows, NAME(beside) s[GROUP_ROWS][GROUP_VECTORS])
{
    (void)rows, (void)s;
}

B4C_INLINE void NAME(add)(const int rows, const b4c_group_pair *p, size_t ld, const b4c_packed *w,
                          const uint8_t *b, const int32_t *ready, int output,
                          NAME(beside) s[GROUP_ROWS][GROUP_VECTORS])
{
    (void)rows, (void)p, (void)ld, (void)w, (void)b, (void)ready, (void)output, (void)s;
}

B4C_INLINE W_V NAME(weights)(const uint8_t *b, const int g, const int k, int lane)
{
    return W_LOAD(b + (g * 8 + k) * 4 * B4C_PANEL + lane * 4);
}

B4C_INLINE vec NAME(scale)(const uint8_t *b, const int g, int lane)
{
    (void)b, (void)g, (void)lane;
    return v_set(1);
}

B4C_INLINE vec NAME(joined)(vec part, vec value, vec scale)
{
    (void)scale;
    return v_add(part, value);
}

B4C_INLINE vec NAME(last)(const b4c_packed *w, int output, vec sum, NAME(beside) nothing,
                          float unit)
{
    (void)nothing, (void)unit;
    return v_mul(sum, v_load_float(w->scale + output));
}
#include "math/gemm_groups.h"
