/* vec_neon.h - the vector words (vec_scalar.h says what each means) on 4 floats of AArch64. */
#ifndef B4C_MATH_VEC_NEON_H
#define B4C_MATH_VEC_NEON_H
#ifndef __aarch64__
#error "this file is for AArch64"
#endif
#include "math/internal.h"
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define VEC_LANES 4
#define VEC_REGISTERS 32
typedef float32x4_t vec;
typedef uint32x4_t vmask;            /* all bits of a lane, or none */

static inline vmask v_first(int n)
{
    static const int32_t lane[4] = { 0, 1, 2, 3 };
    return vcltq_s32(vld1q_s32(lane), vdupq_n_s32(n));
}
static inline vec v_set(float x) { return vdupq_n_f32(x); }
static inline vec v_load(const float *p) { return vld1q_f32(p); }
static inline void v_store(float *p, vec x) { vst1q_f32(p, x); }
static inline vec v_load_n(const float *p, int n)
{
    float t[VEC_LANES] = {0};
    if (n == VEC_LANES) return vld1q_f32(p);
    memcpy(t, p, (size_t)n * sizeof *p);
    return vld1q_f32(t);
}
static inline void v_store_n(float *p, vec x, int n)
{
    float t[VEC_LANES];
    if (n == VEC_LANES) { vst1q_f32(p, x); return; }
    vst1q_f32(t, x);
    memcpy(p, t, (size_t)n * sizeof *p);
}

static inline vec v_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec v_sub(vec a, vec b) { return vsubq_f32(a, b); }
static inline vec v_mul(vec a, vec b) { return vmulq_f32(a, b); }
static inline vec v_div(vec a, vec b) { return vdivq_f32(a, b); }
static inline vec v_sqrt(vec x) { return vsqrtq_f32(x); }
static inline vec v_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vec v_min(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vec v_max(vec a, vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline vec v_round(vec x) { return vrndnq_f32(x); }
static inline vec v_abs(vec a) { return vabsq_f32(a); }
static inline vec v_rcp(vec x) { return vdivq_f32(vdupq_n_f32(1), x); }

static inline vmask v_less(vec a, vec b) { return vcltq_f32(a, b); }
static inline vmask v_not_less(vec a, vec b) { return vmvnq_u32(vcltq_f32(a, b)); }
static inline bool v_any(vmask m) { return vmaxvq_u32(m) != 0; }
static inline vmask v_both(vmask a, vmask b) { return vandq_u32(a, b); }
static inline int v_pack(float *to, vmask m, vec x)
{
    float lane[4];
    uint32_t holds[4];
    int n = 0;
    vst1q_f32(lane, x);
    vst1q_u32(holds, m);
    for (int i = 0; i < 4; i++)
        if (holds[i]) to[n++] = lane[i];
    return n;
}
static inline vec v_select(vmask m, vec a, vec b) { return vbslq_f32(m, a, b); }
static inline vec v_keep(vmask m, vec x)
{
    return vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(x)));
}
static inline vmask v_between(int lo, int hi) { return vbicq_u32(v_first(hi), v_first(lo)); }
static inline vec v_look16(const float *t, vec z)
{
    const uint8_t *bytes = (const uint8_t *)t;
    uint8x16x4_t table = { { vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32),
                             vld1q_u8(bytes + 48) } };
    uint32x4_t i = vandq_u32(vreinterpretq_u32_f32(z), vdupq_n_u32(15));
    const uint32x4_t first = vdupq_n_u32(0x03020100), four = vdupq_n_u32(0x04040404);
    i = vmlaq_u32(first, i, four);               /* the four bytes of entry i */
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(i)));
}
static inline vec v_exp2(vec x, vec n)
{
    return vreinterpretq_f32_s32(
        vaddq_s32(vreinterpretq_s32_f32(x), vshlq_n_s32(vcvtq_s32_f32(n), 23)));
}

static inline int v_sum_bytes(const int8_t *p)
{
    return vaddlvq_s8(vld1q_s8(p)) + vaddlvq_s8(vld1q_s8(p + 16));
}
static inline float v_sum(vec x)
{
    float32x2_t b = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}
static inline float v_top(vec x) { return vmaxvq_f32(x); }

static inline vec v_swap_pairs(vec x) { return vrev64q_f32(x); }
static inline vec v_load_twice_n(const float *p, int n)
{
    vec x = v_load_n(p, n / 2);
    return vzip1q_f32(x, x);
}
static inline vec v_negate_even(vec x)
{
    return vreinterpretq_f32_u64(veorq_u64(vreinterpretq_u64_f32(x), vdupq_n_u64(0x80000000u)));
}

B4C_INLINE void v_transpose(vec r[VEC_LANES])
{
    float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
    float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
    float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
    float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
    r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

/* ---- other forms of rows --------------------------------------------------------------------- */

static inline vec v_absmax(vec a, vec x)
{
    return vreinterpretq_f32_u32(
        vmaxq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(vabsq_f32(x))));
}
static inline float v_absmax_top(vec a)
{
    union { uint32_t u; float f; } r = { vmaxvq_u32(vreinterpretq_u32_f32(a)) };
    return r.f;
}
static inline void v_store_bf16_n(uint16_t *p, vec x, int n)
{
    uint32x4_t u = vreinterpretq_u32_f32(x);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    uint32x4_t up = vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    up = vbslq_u32(vceqq_f32(x, x), up, vorrq_u32(u, vdupq_n_u32(0x400000)));
    uint16x4_t h = vshrn_n_u32(up, 16);
    if (n == VEC_LANES) vst1_u16(p, h);
    else {
        uint16_t t[VEC_LANES];
        vst1_u16(t, h);
        memcpy(p, t, (size_t)n * sizeof *p);
    }
}
static inline vec v_load_bf16_n(const uint16_t *p, int n)
{
    uint16_t t[VEC_LANES] = {0};
    if (n < VEC_LANES) { memcpy(t, p, (size_t)n * sizeof *p); p = t; }
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline void v_store_i8_n(uint8_t *p, vec x, uint8_t flip, int n)
{
    int16x4_t h = vqmovn_s32(vcvtnq_s32_f32(x));
    uint8x8_t q = veor_u8(vreinterpret_u8_s8(vqmovn_s16(vcombine_s16(h, h))), vdup_n_u8(flip));
    uint8_t t[8];
    vst1_u8(t, q);
    memcpy(p, t, (size_t)n);
}
static inline vec v_load_i8_n(const uint8_t *p, uint8_t flip, int n)
{
    uint8_t t[8] = {0};
    memcpy(t, p, (size_t)n);
    int8x8_t q = vreinterpret_s8_u8(veor_u8(vld1_u8(t), vdup_n_u8(flip)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(q))));
}
#endif
