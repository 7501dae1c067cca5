/* vec_avx2.h - the vector words (vec_scalar.h says what each means) on 8 floats of AVX2 and FMA. */
#ifndef B4C_MATH_VEC_AVX2_H
#define B4C_MATH_VEC_AVX2_H
#if !defined(__AVX2__) || !defined(__FMA__)
#error "this file wants the flags of AVX2 and FMA"
#endif
#include "math/internal.h"
#include "math/bytes_avx2.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define VEC_LANES 8
#define VEC_REGISTERS 16
typedef __m256 vec;
typedef __m256 vmask;                /* all bits of a lane, or none */

static inline vmask v_first(int n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
}
static inline vec v_set(float x) { return _mm256_set1_ps(x); }
static inline vec v_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void v_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
static inline vec v_load_n(const float *p, int n)
{
    return _mm256_maskload_ps(p, _mm256_castps_si256(v_first(n)));
}
static inline void v_store_n(float *p, vec x, int n)
{
    _mm256_maskstore_ps(p, _mm256_castps_si256(v_first(n)), x);
}

static inline vec v_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec v_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec v_sqrt(vec x) { return _mm256_sqrt_ps(x); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec v_min(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline vec v_round(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_abs(vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), a); }
static inline vec v_rcp(vec x) { return _mm256_div_ps(_mm256_set1_ps(1), x); }

static inline vmask v_less(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vmask v_not_less(vec a, vec b) { return _mm256_cmp_ps(a, b, _CMP_NLT_UQ); }
static inline bool v_any(vmask m) { return _mm256_movemask_ps(m) != 0; }
static inline vmask v_both(vmask a, vmask b) { return _mm256_and_ps(a, b); }
static inline int v_pack(float *to, vmask m, vec x)
{
    float lane[8];
    int n = 0;
    _mm256_storeu_ps(lane, x);
    for (unsigned left = (unsigned)_mm256_movemask_ps(m); left; left &= left - 1)
        to[n++] = lane[__builtin_ctz(left)];
    return n;
}
static inline vec v_select(vmask m, vec a, vec b) { return _mm256_blendv_ps(b, a, m); }
static inline vec v_keep(vmask m, vec x) { return _mm256_and_ps(m, x); }
static inline vmask v_between(int lo, int hi) { return _mm256_andnot_ps(v_first(lo), v_first(hi)); }
static inline vec v_look16(const float *t, vec z)
{
    __m256i i = _mm256_castps_si256(z);
    vec low = _mm256_permutevar8x32_ps(_mm256_load_ps(t), i);
    vec high = _mm256_permutevar8x32_ps(_mm256_load_ps(t + 8), i);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
}
static inline vec v_exp2(vec x, vec n)
{
    __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), shift));
}

static inline float v_sum(vec x)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float v_top(vec x)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

static inline vec v_swap_pairs(vec x) { return _mm256_permute_ps(x, 0xb1); }
static inline vec v_load_twice_n(const float *p, int n)
{
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(v_load_n(p, n / 2), twice);
}
static inline vec v_negate_even(vec x)
{
    return _mm256_xor_ps(x, _mm256_castsi256_ps(_mm256_set1_epi64x(0x80000000ll)));
}

B4C_INLINE void v_transpose(vec r[VEC_LANES])
{
    vec t[8];
    B4C_UNROLL
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    B4C_UNROLL
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    B4C_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x20);
        t[4 + i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x31);
    }
    B4C_UNROLL
    for (int i = 0; i < 8; i++) r[i] = t[i];
}

/* ---- other forms of rows --------------------------------------------------------------------- */

static inline vec v_absmax(vec a, vec x)
{
    return _mm256_castsi256_ps(
        _mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(v_abs(x))));
}
static inline float v_absmax_top(vec a)
{
    __m256i u = _mm256_castps_si256(a);
    __m128i b = _mm_max_epu32(_mm256_castsi256_si128(u), _mm256_extracti128_si256(u, 1));
    b = _mm_max_epu32(b, _mm_shuffle_epi32(b, 0x4e));
    b = _mm_max_epu32(b, _mm_shuffle_epi32(b, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(b));
}

static inline __m128i v_to_bf16(vec x)
{
    __m256i u = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256 quiet = _mm256_or_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x400000)));
    up = _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(up), quiet, _mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
    up = _mm256_srli_epi32(up, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(up), _mm256_extracti128_si256(up, 1));
}
static inline void v_store_bf16_n(uint16_t *p, vec x, int n)
{
    if (n == VEC_LANES) _mm_storeu_si128((__m128i *)(void *)p, v_to_bf16(x));
    else {
        uint16_t t[VEC_LANES];
        _mm_storeu_si128((__m128i *)(void *)t, v_to_bf16(x));
        memcpy(p, t, (size_t)n * sizeof *p);
    }
}
static inline vec v_load_bf16_n(const uint16_t *p, int n)
{
    uint16_t t[VEC_LANES] = {0};
    if (n < VEC_LANES) { memcpy(t, p, (size_t)n * sizeof *p); p = t; }
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
static inline void v_store_i8_n(uint8_t *p, vec x, uint8_t flip, int n)
{
    __m256i i = _mm256_cvtps_epi32(x);
    __m128i q = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    q = _mm_xor_si128(_mm_packs_epi16(q, q), _mm_set1_epi8((char)flip));
    uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(q);
    memcpy(p, &bytes, (size_t)n);
}
static inline vec v_load_i8_n(const uint8_t *p, uint8_t flip, int n)
{
    uint64_t bytes = 0;
    memcpy(&bytes, p, (size_t)n);
    __m128i q = _mm_xor_si128(_mm_cvtsi64_si128((long long)bytes), _mm_set1_epi8((char)flip));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));
}
#endif
