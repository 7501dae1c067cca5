/* gemm_neon.c - products on AArch64: a tile of 6 rows x 16 outputs (half a panel) in 24 registers.
 *
 * Order of sums (gemm_tile.h: one accumulator an output): f32 by fused multiply-add, as on x86-64.
 * bf16 weights are widened and meet f32 rows. int8 sums are exact: with the dot product
 * instructions rows take off their 128 again and meet the weights as signed bytes; without them
 * bytes are widened to 16 bits.
 */
#ifndef __aarch64__
#error "gemm_neon.c is for AArch64"
#endif
#include "math/internal.h"
#include "math/vec_neon.h"

#include "math/act_body.h"

#define UNROLL B4C_UNROLL

static inline vec v_load_float(const float *p) { return vld1q_f32(p); }
static inline vec v_sums_i8(const int32_t *sum, const int32_t *sum128)
{
    return vcvtq_f32_s32(vsubq_s32(vld1q_s32(sum), vld1q_s32(sum128)));
}
#include "math/convert_body.h"
#include "math/gemm_epilogue.h"

#define PREFETCH(p)      __builtin_prefetch(p)
#define LANES            4
#define LARGE_ROWS       6
#define LARGE_VECTORS    4
#define LARGE(X)         X(1) X(2) X(3) X(4) X(5) X(6)
#define FEW_ROWS         2
#define FEW_MOST_PANELS  2
#define FEW_PANELS(rows) ((rows) == 1 ? 2 : 1)
#define FEW(X)           X(1, 2) X(2, 1)
#define MOST_VECTORS     16

/* ---- f32 ------------------------------------------------------------------------------------- */

#define NAME(x)          f32_##x
#define A_T              float
#define B_T              float
#define SUM_T            float
#define GROUP            1
#define PHASES           1
#define A_V              float32x4_t
#define B_V              float32x4_t
#define SUM_V            float32x4_t
#define A_LOAD(p, phase) vld1q_dup_f32(p)
#define B_LOAD(p, phase) vld1q_f32(p)
#define DOT(s, a, b)     s = vfmaq_f32(s, a, b)
#define SUM_ZERO()       vdupq_n_f32(0)
#define SUM_STORE(p, s)  vst1q_f32(p, s)
#include "math/gemm_blocks.h"

/* ---- bf16, widened -------------------------------------------------------------------------- */

/* bf16 is the upper half of an f32: of a pair the even value is shifted up, the odd one masked. */
static inline float32x4_t widen(const uint16_t *p, int odd)
{
    uint32x4_t pairs = vreinterpretq_u32_u16(vld1q_u16(p));
    return vreinterpretq_f32_u32(odd ? vandq_u32(pairs, vdupq_n_u32(0xffff0000u))
                                     : vshlq_n_u32(pairs, 16));
}

#define NAME(x)          wide_##x
#define A_T              float
#define B_T              uint16_t
#define SUM_T            float
#define GROUP            2
#define PHASES           2
#define A_V              float32x4_t
#define B_V              float32x4_t
#define SUM_V            float32x4_t
#define A_LOAD(p, phase) vld1q_dup_f32((p) + (phase))
#define B_LOAD(p, phase) widen(p, phase)
#define DOT(s, a, b)     s = vfmaq_f32(s, a, b)
#define SUM_ZERO()       vdupq_n_f32(0)
#define SUM_STORE(p, s)  vst1q_f32(p, s)
#include "math/gemm_blocks.h"

/* ---- int8 ------------------------------------------------------------------------------------ */

static inline uint8x16_t four8(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return vreinterpretq_u8_u32(vdupq_n_u32(x));
}

/* By name, since this file is compiled for processors without it, too. */
#define NAME(x)          dot_##x
#define A_T              uint8_t
#define B_T              int8_t
#define SUM_T            int32_t
#define GROUP            4
#define PHASES           1
#define A_V              int8x16_t
#define B_V              int8x16_t
#define SUM_V            int32x4_t
#define A_LOAD(p, phase) vreinterpretq_s8_u8(veorq_u8(four8(p), vdupq_n_u8(0x80)))
#define B_LOAD(p, phase) vld1q_s8(p)
#define DOT(s, a, b) \
    __asm__(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b" : "+w"(s) : "w"(a), "w"(b))
#define SUM_ZERO()      vdupq_n_s32(0)
#define SUM_STORE(p, s) vst1q_s32(p, s)
#define A_PLUS_128      false
#include "math/gemm_blocks.h"

/* Even and odd bytes of each group of four, as 16-bit numbers: their products of two pairs, summed
 * to 32 bits. */
static inline int16x8_t bytes_of_row(const uint8_t *p, int odd)
{
    uint16x8_t x = vreinterpretq_u16_u8(four8(p));
    return vreinterpretq_s16_u16(odd ? vshrq_n_u16(x, 8) : vandq_u16(x, vdupq_n_u16(0xff)));
}
static inline int16x8_t bytes_of_panel(const int8_t *p, int odd)
{
    int16x8_t w = vreinterpretq_s16_s8(vld1q_s8(p));
    return vshrq_n_s16(odd ? w : vshlq_n_s16(w, 8), 8);
}
static inline int32x4_t dot16(int32x4_t sum, int16x8_t a, int16x8_t b)
{
    int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b)), high = vmull_high_s16(a, b);
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

#define NAME(x)          i8_##x
#define A_T              uint8_t
#define B_T              int8_t
#define SUM_T            int32_t
#define GROUP            4
#define PHASES           2
#define A_V              int16x8_t
#define B_V              int16x8_t
#define SUM_V            int32x4_t
#define A_LOAD(p, phase) bytes_of_row(p, phase)
#define B_LOAD(p, phase) bytes_of_panel(p, phase)
#define DOT(s, a, b)     s = dot16(s, a, b)
#define SUM_ZERO()       vdupq_n_s32(0)
#define SUM_STORE(p, s)  vst1q_s32(p, s)
#include "math/gemm_blocks.h"

/* ---- int4: nibbles as bytes against the row's bytes ------------------------------------------ */

#define GROUP_ROWS         2
#define GROUP_FEW          1
#define GROUP_VECTORS      4
#define EACH_GROUP_ROWS(X) X(1) X(2)

typedef int32x4_t shorts, short_sums;
static inline short_sums shorts_none(void) { return vdupq_n_s32(0); }
static inline shorts shorts_get(const int32_t *p) { return vld1q_s32(p); }
static inline void shorts_put(int32_t *p, shorts x) { vst1q_s32(p, x); }
static inline shorts shorts_of(vec a, vec b)
{
    return vsliq_n_s32(vcvtnq_s32_f32(a), vcvtnq_s32_f32(b), 16);
}
static inline short_sums shorts_dot(short_sums s, shorts w, const int16_t *x)
{
    return dot16(s, vreinterpretq_s16_s32(w), vreinterpretq_s16_u8(four8((const uint8_t *)x)));
}
static inline vec shorts_total(short_sums s) { return vcvtq_f32_s32(s); }

/* Sums that begin at the bits of a number, and are off by one. */
static inline int32x4_t sums_from(float x) { return vreinterpretq_s32_f32(vdupq_n_f32(x)); }
static inline vec sums_less(int32x4_t s, float x)
{
    return vsubq_f32(vreinterpretq_f32_s32(s), vdupq_n_f32(x));
}

#define NAME(x)      dot_i4_##x
#define W_V          uint8x16_t
#define X_V          int8x16_t
#define S_V          int32x4_t
#define W_LOAD(p)    vld1q_u8(p)
#define LOW(w)       vandq_u8(w, vdupq_n_u8(15))
#define HIGH(w)      vshrq_n_u8(w, 4)
#define X_LOAD(p)    vreinterpretq_s8_u8(four8(p))
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) \
    __asm__(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b" : "+w"(s) : "w"(w), "w"(x))
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int4_body.h"

/* Products of 15 and 127, each lane eight of them: below 2^15. */
static inline int16x8x2_t dot4(int16x8x2_t s, int8x16_t w, int8x16_t x)
{
    s.val[0] = vmlal_s8(s.val[0], vget_low_s8(w), vget_low_s8(x));
    s.val[1] = vmlal_high_s8(s.val[1], w, x);
    return s;
}
static inline int16x8x2_t no_sums(void)
{
    return (int16x8x2_t){ { vdupq_n_s16(0), vdupq_n_s16(0) } };
}
static inline float32x4_t total4(int16x8x2_t s, float from)
{
    const int32x4_t sum = vpaddq_s32(vpaddlq_s16(s.val[0]), vpaddlq_s16(s.val[1]));
    return sums_less(vaddq_s32(sums_from(from), sum), from);
}

#define NAME(x)      i4_##x
#define W_V          uint8x16_t
#define X_V          int8x16_t
#define S_V          int16x8x2_t
#define W_LOAD(p)    vld1q_u8(p)
#define LOW(w)       vandq_u8(w, vdupq_n_u8(15))
#define HIGH(w)      vshrq_n_u8(w, 4)
#define X_LOAD(p)    vreinterpretq_s8_u8(four8(p))
#define S_FROM(p, g) no_sums()
#define DOT(s, w, x) s = dot4(s, vreinterpretq_s8_u8(w), x)
#define TOTAL(s, p, g) total4(s, (p)->start[g])
#include "math/gemm_int4_body.h"

/* ---- int8 over rows in groups ---------------------------------------------------------------- */

#define NAME(x)      dot_i8_groups_##x
#define W_V          int8x16_t
#define X_V          int8x16_t
#define S_V          int32x4_t
#define W_LOAD(p)    vreinterpretq_s8_u8(vld1q_u8(p))
#define X_LOAD(p)    vreinterpretq_s8_u8(four8(p))
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) \
    __asm__(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b" : "+w"(s) : "w"(w), "w"(x))
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int8_groups_body.h"

/* Two products of 128 and 127 fit 16 bits; then pairs of sums widen to 32. */
static inline int32x4_t dot_bytes(int32x4_t s, int8x16_t w, int8x16_t x)
{
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vaddq_s32(s, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

#define NAME(x)      i8_groups_##x
#define W_V          int8x16_t
#define X_V          int8x16_t
#define S_V          int32x4_t
#define W_LOAD(p)    vreinterpretq_s8_u8(vld1q_u8(p))
#define X_LOAD(p)    vreinterpretq_s8_u8(four8(p))
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) s = dot_bytes(s, w, x)
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int8_groups_body.h"

#include "math/add_body.h"

/* ---- the table ------------------------------------------------------------------------------ */

static void gemm(const b4c_gemm *g, int begin, int end)
{
    const bool groups = g->in.form == B4C_FORM_I8_GROUPS;
    switch (g->w->dtype) {
    case B4C_I4: (b4c_cpu_get()->dotprod ? dot_i4_gemm : i4_gemm)(g, begin, end); break;
    case B4C_I8:
        if (groups) (b4c_cpu_get()->dotprod ? dot_i8_groups_gemm : i8_groups_gemm)(g, begin, end);
        else (b4c_cpu_get()->dotprod ? dot_gemm : i8_gemm)(g, begin, end);
        break;
    case B4C_BF16: wide_gemm(g, begin, end); break;
    default: f32_gemm(g, begin, end);
    }
}

static b4c_form form(b4c_dtype weight)
{
    if (weight == B4C_I4) return B4C_FORM_I8_GROUPS;
    return weight == B4C_I8 ? B4C_FORM_I8 : B4C_FORM_REAL;
}

void b4c_fill_gemm_neon(b4c_kernels *t)
{
    t->form = form;
    t->bf16_pays = false;
    t->gemm = gemm;
    fill_conversions(t);
    fill_additions(t);
}
