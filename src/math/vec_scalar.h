/* vec_scalar.h - the vector words for one number at a time.
 *
 * A body (act_body.h, row_body.h, norm_body.h, attention_body.h, ...) is written once in these
 * words and compiled once per instruction set, after including that set's vec_<isa>.h. This file is
 * their definition: the others must do the same on VEC_LANES numbers side by side.
 *
 *   vec             VEC_LANES numbers            vmask           a truth value for each
 *   v_load_n        the first n (0 <= n <= VEC_LANES) are read, the others are 0; memory beyond is
 *                   not touched
 *   v_store_n       the first n are written
 *   v_min, v_max    the second operand where either is NaN
 *   v_first(n)      the mask of the first n lanes; v_between(lo, hi): of lanes lo .. hi-1
 *   v_fma(a, b, c)  a b + c, rounded once where the hardware can
 *   v_round         nearest integer, ties to even
 *   v_look16(t, z)  t[last four bits of z], z as a bit pattern
 *   v_any           whether the mask holds anywhere; v_both(a, b): where both hold
 *   v_pack          the lanes where the mask holds are written, side by side, and anything behind
 *                   them, VEC_LANES numbers at most; returns how many hold
 *   v_keep          x where the mask holds, else 0
 *   v_exp2(x, n)    x * 2^n for whole n in -127 .. 128; NaN stays NaN; other n, and results below
 *                   the least normal number: anything
 *   v_div, v_sqrt   correctly rounded
 *   v_rcp           1 / x, to 2 units in the last place
 *   v_sum, v_top    over the lanes in one fixed order (halves folded on halves); v_top for numbers
 *                   without NaN
 *   v_absmax(a, x)  the larger of a >= 0 and |x| as bit patterns: unlike v_max, a NaN once met
 *                   stays; v_absmax_top: of all lanes
 *   v_transpose     lane i of r[j] and lane j of r[i] change places
 *   v_swap_pairs    lanes 2i and 2i + 1 change places; v_load_twice_n: p[i] in both, first n lanes
 *                   (even); v_negate_even: of lanes 2i (none of them here: one lane has no pairs)
 *   v_sum_bytes     sum of 32 signed bytes
 *   v_absmax_tops, v_sums_of_bytes      v_absmax_top of two vectors, v_sum_bytes of 64 bytes: by
 *                   row_body.h unless the set defines VEC_TWO_GROUPS and better ones
 *   v_store_bf16_n  nearest even; a NaN stays a NaN
 *   v_store_i8_n    x, already within -127 .. 127, to the nearest even integer as one byte, xor
 *                   `flip` (0, or 0x80 for q + 128); v_store_line_i8: 64 of them, by
 *                   row_body.h unless the set defines VEC_LINE_I8 and a better one
 */
#ifndef B4C_MATH_VEC_SCALAR_H
#define B4C_MATH_VEC_SCALAR_H
#include "math/internal.h"
#include <math.h>
#include <string.h>

#define VEC_LANES 1
#define VEC_REGISTERS 16
typedef b4c_real vec;
typedef bool vmask;

static inline vec v_set(b4c_real x) { return x; }
static inline vec v_load(const b4c_real *p) { return *p; }
static inline void v_store(b4c_real *p, vec x) { *p = x; }
static inline vec v_load_n(const b4c_real *p, int n) { return n > 0 ? *p : 0; }
static inline void v_store_n(b4c_real *p, vec x, int n) { if (n > 0) *p = x; }

static inline vec v_add(vec a, vec b) { return a + b; }
static inline vec v_sub(vec a, vec b) { return a - b; }
static inline vec v_mul(vec a, vec b) { return a * b; }
static inline vec v_div(vec a, vec b) { return a / b; }
static inline vec v_sqrt(vec x) { return (b4c_real)sqrt((double)x); }
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
static inline vec v_min(vec a, vec b) { return a < b ? a : b; }
static inline vec v_max(vec a, vec b) { return a > b ? a : b; }
static inline vec v_abs(vec a) { return a < 0 ? -a : a; }
static inline vec v_rcp(vec x) { return 1 / x; }
#ifdef B4C_DOUBLE
static inline vec v_round(vec x) { return rint(x); }
#else
static inline vec v_round(vec x) { return rintf(x); }
#endif

static inline vmask v_less(vec a, vec b) { return a < b; }
static inline vmask v_not_less(vec a, vec b) { return !(a < b); }            /* holds for NaN */
static inline bool v_any(vmask m) { return m; }
static inline vmask v_both(vmask a, vmask b) { return a && b; }
static inline int v_pack(b4c_real *to, vmask m, vec x)
{
    if (m) *to = x;
    return m;
}
static inline vec v_select(vmask m, vec a, vec b) { return m ? a : b; }
static inline vec v_keep(vmask m, vec x) { return m ? x : 0; }
static inline vmask v_first(int n) { return n > 0; }                         /* the first n lanes */
static inline vmask v_between(int lo, int hi) { return lo < hi; }
B4C_INLINE void v_transpose(vec r[VEC_LANES]) { (void)r; }

static inline int v_sum_bytes(const int8_t *p)
{
    int sum = 0;
    for (int i = 0; i < 32; i++) sum += p[i];
    return sum;
}
static inline b4c_real v_sum(vec x) { return x; }
static inline b4c_real v_top(vec x) { return x; }

#ifndef B4C_DOUBLE
static inline vec v_look16(const float *t, vec z)
{
    union { float f; uint32_t u; } bits = { z };
    return t[bits.u & 15];
}
static inline vec v_exp2(vec x, vec n)
{
    union { float f; uint32_t u; } r = { x };
    /* NaN and the infinities have no whole number. */
    r.u += (uint32_t)(n >= -127 && n <= 128 ? (int32_t)n : 0) << 23;
    return r.f;
}
#endif

/* ---- other forms of rows --------------------------------------------------------------------- */

static inline vec v_absmax(vec a, vec x)
{
    return x != x || a != a ? (vec)NAN : v_max(a, x < 0 ? -x : x);
}
static inline b4c_real v_absmax_top(vec a) { return a; }
static inline vec v_load_bf16_n(const uint16_t *p, int n) { return n > 0 ? b4c_from_bf16(*p) : 0; }
static inline void v_store_bf16_n(uint16_t *p, vec x, int n)
{
    if (n > 0) *p = b4c_to_bf16((float)x);
}
static inline void v_store_i8_n(uint8_t *p, vec x, uint8_t flip, int n)
{
    if (n > 0) *p = (uint8_t)((uint8_t)(int)v_round(x) ^ flip);
}
static inline vec v_load_i8_n(const uint8_t *p, uint8_t flip, int n)
{
    return n > 0 ? (vec)(int8_t)(*p ^ flip) : 0;
}
#endif
