/* vec_avx512.h - the vector words (vec_scalar.h says what each means) on 16 floats of x86-64-v4.
 *
 * B4C_VEC_BF16, defined by a file that only runs where the processor has it, converts to bf16 by
 * its instruction: the same bits as the integer form, save that it takes denormal numbers for 0.
 */
#ifndef B4C_MATH_VEC_AVX512_H
#define B4C_MATH_VEC_AVX512_H
#ifndef __AVX512F__
#error "this file wants the flags of AVX-512"
#endif
#include "math/internal.h"
#include "math/bytes_avx2.h"
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define VEC_LANES 16
#define VEC_REGISTERS 32
typedef __m512 vec;
typedef __mmask16 vmask;

static inline vmask v_first(int n) { return (vmask)((1u << n) - 1); }
static inline vec v_set(float x) { return _mm512_set1_ps(x); }
static inline vec v_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
static inline vec v_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
static inline void v_store_n(float *p, vec x, int n) { _mm512_mask_storeu_ps(p, v_first(n), x); }

static inline vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec v_sqrt(vec x) { return _mm512_sqrt_ps(x); }
static inline vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline vec v_round(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vec v_abs(vec a) { return _mm512_abs_ps(a); }
static inline vec v_rcp(vec x)
{
    vec r = _mm512_rcp14_ps(x);                  /* 2^-14; one step of Newton squares it */
    return _mm512_mul_ps(r, _mm512_fnmadd_ps(x, r, _mm512_set1_ps(2)));
}

static inline vmask v_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vmask v_not_less(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ); }
static inline bool v_any(vmask m) { return m != 0; }
static inline vmask v_both(vmask a, vmask b) { return a & b; }
static inline int v_pack(float *to, vmask m, vec x)
{
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(m, x));
    return __builtin_popcount(m);
}
static inline vec v_select(vmask m, vec a, vec b) { return _mm512_mask_blend_ps(m, b, a); }
static inline vec v_keep(vmask m, vec x) { return _mm512_maskz_mov_ps(m, x); }
static inline vmask v_between(int lo, int hi) { return v_first(hi) & (vmask)~v_first(lo); }
static inline vec v_look16(const float *t, vec z)
{
    return _mm512_permutexvar_ps(_mm512_castps_si512(z), _mm512_load_ps(t));
}
static inline vec v_exp2(vec x, vec n) { return _mm512_scalef_ps(x, n); }

static inline float v_sum(vec x)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
static inline float v_top(vec x)
{
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

static inline vec v_swap_pairs(vec x) { return _mm512_permute_ps(x, 0xb1); }
static inline vec v_load_twice_n(const float *p, int n)
{
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(v_first(n / 2), p));
}
static inline vec v_negate_even(vec x)
{
    return _mm512_xor_ps(x, _mm512_castsi512_ps(_mm512_set1_epi64(0x80000000ll)));
}

B4C_INLINE void v_transpose(vec r[VEC_LANES])
{
    vec t[16];
    B4C_UNROLL
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    B4C_UNROLL
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    B4C_UNROLL
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
    }
    B4C_UNROLL
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_f32x4(t[i], t[8 + i], 0xdd);
    }
}

/* ---- other forms of rows --------------------------------------------------------------------- */

static inline vec v_absmax(vec a, vec x)
{
    return _mm512_castsi512_ps(
        _mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(_mm512_abs_ps(x))));
}
static inline float v_absmax_top(vec a)
{
    union { uint32_t u; float f; } r = { _mm512_reduce_max_epu32(_mm512_castps_si512(a)) };
    return r.f;
}

/* Of two at once. */
#define VEC_TWO_GROUPS
static inline void v_absmax_tops(vec a, vec b, float top[2])
{
    const __m512i x = _mm512_castps_si512(a), y = _mm512_castps_si512(b);
    const __m512i low = _mm512_shuffle_i32x4(x, y, 0x44), high = _mm512_shuffle_i32x4(x, y, 0xee);
    __m512i m = _mm512_max_epu32(low, high);
    m = _mm512_max_epu32(m, _mm512_permutex_epi64(m, 0x4e));
    m = _mm512_max_epu32(m, _mm512_shuffle_epi32(m, 0x4e));
    m = _mm512_max_epu32(m, _mm512_shuffle_epi32(m, 0xb1));
    top[0] = _mm512_cvtss_f32(_mm512_castsi512_ps(m));
    top[1] = _mm_cvtss_f32(_mm_castsi128_ps(_mm512_extracti32x4_epi32(m, 2)));
}
static inline void v_sums_of_bytes(const int8_t *line, int sum[2])
{
    const __m512i x = _mm512_xor_si512(_mm512_loadu_si512(line), _mm512_set1_epi8(-128));
    __m512i s = _mm512_sad_epu8(x, _mm512_setzero_si512());
    s = _mm512_add_epi64(s, _mm512_permutex_epi64(s, 0x4e));
    s = _mm512_add_epi64(s, _mm512_permutex_epi64(s, 0xb1));
    sum[0] = _mm_cvtsi128_si32(_mm512_castsi512_si128(s)) - 32 * 128;
    sum[1] = _mm_cvtsi128_si32(_mm512_extracti32x4_epi32(s, 2)) - 32 * 128;
}

static inline __m256i v_to_bf16(vec x)
{
#ifdef B4C_VEC_BF16
    return (__m256i)_mm512_cvtneps_pbh(x);
#else
    __m512i u = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    vmask nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
#endif
}
static inline void v_store_bf16_n(uint16_t *p, vec x, int n)
{
    if (n == VEC_LANES) _mm256_storeu_si256((__m256i *)(void *)p, v_to_bf16(x));
    else _mm256_mask_storeu_epi16(p, v_first(n), v_to_bf16(x));
}
static inline vec v_load_bf16_n(const uint16_t *p, int n)
{
    __m256i h = _mm256_maskz_loadu_epi16(v_first(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
static inline void v_store_i8_n(uint8_t *p, vec x, uint8_t flip, int n)
{
    __m128i q = _mm_xor_si128(_mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)),
                              _mm_set1_epi8((char)flip));
    if (n == VEC_LANES) _mm_storeu_si128((__m128i *)(void *)p, q);
    else _mm_mask_storeu_epi8(p, v_first(n), q);
}
/* 64 numbers at once, by packing instead of cutting. */
#define VEC_LINE_I8
static inline void v_store_line_i8(uint8_t *line, const vec x[64 / VEC_LANES], uint8_t flip)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(x[0]), _mm512_cvtps_epi32(x[1]));
    const __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(x[2]), _mm512_cvtps_epi32(x[3]));
    const __m512i q = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
    _mm512_storeu_si512(line, _mm512_xor_si512(q, _mm512_set1_epi8((char)flip)));
}
static inline vec v_load_i8_n(const uint8_t *p, uint8_t flip, int n)
{
    __m128i q = _mm_maskz_loadu_epi8(v_first(n), p);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_xor_si128(q, _mm_set1_epi8((char)flip))));
}

#ifdef B4C_VEC_BF16
/* VEC_PAIRS: two bf16 numbers in every lane, and sums of their products. */
#define VEC_PAIRS
typedef __m512i vpair;

static inline vpair v_no_pairs(void) { return _mm512_setzero_si512(); }
static inline vpair v_load_pairs(const uint16_t *p) { return _mm512_loadu_si512(p); }
static inline vpair v_load_pairs_n(const uint16_t *p, int n) /* the first n lanes */
{
    return _mm512_maskz_loadu_epi32(v_first(n), p);
}
static inline void v_store_pairs(uint16_t *p, vpair x) { _mm512_storeu_si512(p, x); }
static inline vpair v_set_pair(const uint16_t *p)            /* p[0] and p[1] in every lane */
{
    int x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}
static inline vpair v_pairs_of(vec a, vec b)                 /* lane i: a[i], b[i] */
{
    const __m512i order = _mm512_setr_epi32(0x00100000, 0x00110001, 0x00120002, 0x00130003,
                                            0x00140004, 0x00150005, 0x00160006, 0x00170007,
                                            0x00180008, 0x00190009, 0x001a000a, 0x001b000b,
                                            0x001c000c, 0x001d000d, 0x001e000e, 0x001f000f);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(b, a));
}
B4C_INLINE void v_transpose_pairs(vpair r[VEC_LANES])
{
    vec t[VEC_LANES];
    B4C_UNROLL
    for (int i = 0; i < VEC_LANES; i++) t[i] = _mm512_castsi512_ps(r[i]);
    v_transpose(t);
    B4C_UNROLL
    for (int i = 0; i < VEC_LANES; i++) r[i] = _mm512_castps_si512(t[i]);
}
static inline vpair v_weave_low(vpair a, vpair b)            /* number i of a, number i of b */
{
    const __m512i order =
        _mm512_setr_epi32(0x00200000, 0x00210001, 0x00220002, 0x00230003, 0x00240004, 0x00250005,
                          0x00260006, 0x00270007, 0x00280008, 0x00290009, 0x002a000a, 0x002b000b,
                          0x002c000c, 0x002d000d, 0x002e000e, 0x002f000f);
    return _mm512_permutex2var_epi16(a, order, b);
}
static inline vpair v_weave_high(vpair a, vpair b)           /* numbers 16 + i */
{
    const __m512i order =
        _mm512_setr_epi32(0x00300010, 0x00310011, 0x00320012, 0x00330013, 0x00340014, 0x00350015,
                          0x00360016, 0x00370017, 0x00380018, 0x00390019, 0x003a001a, 0x003b001b,
                          0x003c001c, 0x003d001d, 0x003e001e, 0x003f001f);
    return _mm512_permutex2var_epi16(a, order, b);
}
static inline vec v_dot_pairs(vec sum, vpair a, vpair b)     /* sum + a[0] b[0] + a[1] b[1] */
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
#endif
#endif
