/* gemm_avx512_body.h - products on x86-64-v4: a tile of 14 rows x 32 outputs in 28 registers.
 * Compiled twice: with B4C_VEC_BF16 for processors that have the instructions of bf16 (and with
 * them VNNI), without it for those that may have neither.
 *
 * Order of sums (gemm_tile.h: one accumulator an output): f32 adds a[k] * w[k] for k = 0, 1, ... by
 * fused multiply-add; bf16, where vdpbf16ps is fast, adds pairs of k the way that instruction does;
 * elsewhere bf16 weights are widened and meet f32 rows as in f32. int8 sums are exact integers,
 * with VNNI or without.
 */
#ifndef __AVX512F__
#error "this file wants the flags of AVX-512"
#endif
#include "math/internal.h"
#include "math/vec_avx512.h"

#include "math/act_body.h"

#define UNROLL B4C_UNROLL

static inline vec v_load_float(const float *p) { return _mm512_loadu_ps(p); }
static inline vec v_sums_i8(const int32_t *sum, const int32_t *sum128)
{
    return _mm512_cvtepi32_ps(
        _mm512_sub_epi32(_mm512_loadu_si512(sum), _mm512_loadu_si512(sum128)));
}

/* What convert_body.h would do vector by vector, on whole lines. */
#include "math/row_body.h"
#define CONVERT_LINES
static inline float largest_of_lines(row_lines from)
{
    __m512i top = _mm512_setzero_si512();
    for (int l = 0; l < from.lines; l++) {
        const __m512i x = _mm512_loadu_si512(row_bf16_line(from, l));
        top = _mm512_max_epu16(top, _mm512_and_si512(x, _mm512_set1_epi16(0x7fff)));
    }
    /* Even lanes shifted up join the odd ones, whose lower halves are cut off. */
    top = _mm512_max_epu32(_mm512_slli_epi32(top, 16), top);
    return v_absmax_top(_mm512_castsi512_ps(_mm512_and_si512(top, _mm512_set1_epi32(0x7fff0000))));
}
#include "math/convert_body.h"
#include "math/gemm_epilogue.h"

#define PREFETCH(p)      __asm__ volatile("prefetcht0 %0" ::"m"(*(const char *)(p)))
#define LANES            16
#define LARGE_ROWS       14
#define LARGE_VECTORS    2
#define LARGE(X)         X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define FEW_ROWS         6
#define FEW_MOST_PANELS  4
#define FEW_PANELS(rows) ((rows) <= 3 ? 4 : 2)
#define FEW(X)           X(1, 4) X(2, 4) X(3, 4) X(4, 2) X(5, 2) X(6, 2)
#define MOST_VECTORS     8

static inline __m512i twice16(const uint16_t *p)
{
    int x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}
static inline __m512i four8(const uint8_t *p)
{
    int x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

/* ---- f32 ------------------------------------------------------------------------------------- */

#define NAME(x)          f32_##x
#define A_T              float
#define B_T              float
#define SUM_T            float
#define GROUP            1
#define PHASES           1
#define A_V              __m512
#define B_V              __m512
#define SUM_V            __m512
#define A_LOAD(p, phase) _mm512_set1_ps(*(p))
#define B_LOAD(p, phase) _mm512_load_ps(p)
#define DOT(s, a, b)     s = _mm512_fmadd_ps(a, b, s)
#define SUM_ZERO()       _mm512_setzero_ps()
#define SUM_STORE(p, s)  _mm512_store_ps(p, s)
#include "math/gemm_blocks.h"

/* ---- bf16: by its instruction, or widened against f32 rows ---------------------------------- */

#ifdef B4C_VEC_BF16
#define NAME(x)          bf16_##x
#define A_T              uint16_t
#define B_T              uint16_t
#define SUM_T            float
#define GROUP            2
#define PHASES           1
#define A_V              __m512bh
#define B_V              __m512bh
#define SUM_V            __m512
#define A_LOAD(p, phase) (__m512bh) twice16(p)
#define B_LOAD(p, phase) (__m512bh) _mm512_load_si512(p)
#define DOT(s, a, b)     s = _mm512_dpbf16_ps(s, a, b)
#define SUM_ZERO()       _mm512_setzero_ps()
#define SUM_STORE(p, s)  _mm512_store_ps(p, s)
#include "math/gemm_blocks.h"
#endif

/* bf16 is the upper half of an f32: of a pair the even value is shifted up, the odd one masked. */
static inline __m512 widen(__m512i pairs, int odd)
{
    return _mm512_castsi512_ps(odd ? _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000))
                                   : _mm512_slli_epi32(pairs, 16));
}

#define NAME(x)          wide_##x
#define A_T              float
#define B_T              uint16_t
#define SUM_T            float
#define GROUP            2
#define PHASES           2
#define A_V              __m512
#define B_V              __m512
#define SUM_V            __m512
#define A_LOAD(p, phase) _mm512_set1_ps((p)[phase])
#define B_LOAD(p, phase) widen(_mm512_load_si512(p), phase)
#define DOT(s, a, b)     s = _mm512_fmadd_ps(a, b, s)
#define SUM_ZERO()       _mm512_setzero_ps()
#define SUM_STORE(p, s)  _mm512_store_ps(p, s)
#include "math/gemm_blocks.h"

/* ---- int8: by its instruction, or widened to 16 bits (vpmaddubsw would saturate) ------------ */

/* gcc 12 spills sums around _mm512_dpbusd_epi32 (40 % of the limit instead of 97): so by name. */
#define NAME(x)          vnni_##x
#define A_T              uint8_t
#define B_T              int8_t
#define SUM_T            int32_t
#define GROUP            4
#define PHASES           1
#define A_V              __m512i
#define B_V              __m512i
#define SUM_V            __m512i
#define A_LOAD(p, phase) four8(p)
#define B_LOAD(p, phase) _mm512_load_si512(p)
#define DOT(s, a, b)     __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(a), "v"(b))
#define SUM_ZERO()       _mm512_setzero_si512()
#define SUM_STORE(p, s)  _mm512_store_si512(p, s)
#include "math/gemm_blocks.h"

#ifndef B4C_VEC_BF16
static inline __m512i bytes_of_row(const uint8_t *p, int odd)
{
    return odd ? _mm512_srli_epi16(four8(p), 8)
               : _mm512_and_si512(four8(p), _mm512_set1_epi16(0xff));
}
static inline __m512i bytes_of_panel(__m512i w, int odd)
{
    return _mm512_srai_epi16(odd ? w : _mm512_slli_epi16(w, 8), 8);
}

#define NAME(x)          i8_##x
#define A_T              uint8_t
#define B_T              int8_t
#define SUM_T            int32_t
#define GROUP            4
#define PHASES           2
#define A_V              __m512i
#define B_V              __m512i
#define SUM_V            __m512i
#define A_LOAD(p, phase) bytes_of_row(p, phase)
#define B_LOAD(p, phase) bytes_of_panel(_mm512_load_si512(p), phase)
#define DOT(s, a, b)     s = _mm512_add_epi32(s, _mm512_madd_epi16(a, b))
#define SUM_ZERO()       _mm512_setzero_si512()
#define SUM_STORE(p, s)  _mm512_store_si512(p, s)
#include "math/gemm_blocks.h"
#endif

/* ---- int4: nibbles as unsigned bytes against the row's signed ones --------------------------- */

#define GROUP_ROWS         5
#define GROUP_FEW          2
#define GROUP_VECTORS      2
#define EACH_GROUP_ROWS(X) X(1) X(2) X(3) X(4) X(5)

typedef __m512i shorts, short_sums;
static inline short_sums shorts_none(void) { return _mm512_setzero_si512(); }
static inline shorts shorts_get(const int32_t *p) { return _mm512_load_si512(p); }
static inline void shorts_put(int32_t *p, shorts x) { _mm512_store_si512(p, x); }
static inline shorts shorts_of(vec a, vec b)
{
    const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(b), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_cvtps_epi32(a), high);
}
static inline short_sums shorts_dot(short_sums s, shorts w, const int16_t *x)
{
    const __m512i pair = four8((const uint8_t *)x);
#ifdef B4C_VEC_BF16
    __asm__("vpdpwssd %2, %1, %0" : "+v"(s) : "v"(w), "v"(pair));
    return s;
#else
    return _mm512_add_epi32(s, _mm512_madd_epi16(w, pair));
#endif
}
static inline vec shorts_total(short_sums s) { return _mm512_cvtepi32_ps(s); }

/* Sums that begin at the bits of a number, and are off by one. */
static inline __m512i sums_from(float x) { return _mm512_castps_si512(_mm512_set1_ps(x)); }
static inline vec sums_less(__m512i s, float x)
{
    return _mm512_sub_ps(_mm512_castsi512_ps(s), _mm512_set1_ps(x));
}

static inline __m512i low_nibbles(__m512i w) { return _mm512_and_si512(w, _mm512_set1_epi8(15)); }

#define NAME(x)      vnni_i4_##x
#define W_V          __m512i
#define X_V          __m512i
#define S_V          __m512i
#define W_LOAD(p)    _mm512_load_si512(p)
#define LOW(w)       low_nibbles(w)
#define HIGH(w)      low_nibbles(_mm512_srli_epi16(w, 4))
#define X_LOAD(p)    four8(p)
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(w), "v"(x))
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int4_body.h"

#ifndef B4C_VEC_BF16
/* Two products of 15 and 127, eight times: below 2^15. */
static inline vec total_of_words(__m512i s, float from)
{
    const __m512i sum = _mm512_madd_epi16(s, _mm512_set1_epi16(1));
    return sums_less(_mm512_add_epi32(sums_from(from), sum), from);
}

#define NAME(x)      i4_##x
#define W_V          __m512i
#define X_V          __m512i
#define S_V          __m512i
#define W_LOAD(p)    _mm512_load_si512(p)
#define LOW(w)       low_nibbles(w)
#define HIGH(w)      low_nibbles(_mm512_srli_epi16(w, 4))
#define X_LOAD(p)    four8(p)
#define S_FROM(p, g) _mm512_setzero_si512()
#define DOT(s, w, x) s = _mm512_add_epi16(s, _mm512_maddubs_epi16(w, x))
#define TOTAL(s, p, g) total_of_words(s, (p)->start[g])
#include "math/gemm_int4_body.h"
#endif

/* ---- int8 over rows in groups ---------------------------------------------------------------- */

#undef GROUP_ROWS
#undef EACH_GROUP_ROWS
#define GROUP_ROWS         6
#define EACH_GROUP_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)

static inline __m512i plus_128(const uint8_t *p)
{
    return _mm512_xor_si512(_mm512_load_si512(p), _mm512_set1_epi8(-128));
}

#define NAME(x)      vnni_i8_groups_##x
#define W_V          __m512i
#define X_V          __m512i
#define S_V          __m512i
#define W_LOAD(p)    plus_128(p)
#define X_LOAD(p)    four8(p)
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(w), "v"(x))
#define TOTAL(s, p, g) sums_less(s, (p)->after[g])
#include "math/gemm_int8_groups_body.h"

#ifndef B4C_VEC_BF16
typedef struct signed_pairs { __m512i even, odd; } signed_pairs;
static inline signed_pairs pairs_of(__m512i x)
{
    return (signed_pairs){ bytes_of_panel(x, 0), bytes_of_panel(x, 1) };
}

#define NAME(x)      i8_groups_##x
#define W_V          signed_pairs
#define X_V          signed_pairs
#define S_V          __m512i
#define W_LOAD(p)    pairs_of(_mm512_load_si512(p))
#define X_LOAD(p)    pairs_of(four8(p))
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x)                                              \
    s = _mm512_add_epi32(_mm512_add_epi32(s, _mm512_madd_epi16(w.even, x.even)), \
                         _mm512_madd_epi16(w.odd, x.odd))
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int8_groups_body.h"
#endif

#include "math/add_body.h"
#ifdef B4C_VEC_BF16
#include "math/add_half_body.h"
#endif

/* ---- the table ------------------------------------------------------------------------------ */

#ifdef B4C_VEC_BF16
static bool narrow_bf16(void) { return b4c_cpu_get()->fast_bf16; }
#else
static bool narrow_bf16(void) { return false; }
#endif

static void gemm(const b4c_gemm *g, int begin, int end)
{
    const bool groups = g->in.form == B4C_FORM_I8_GROUPS;
    switch (g->w->dtype) {
#ifdef B4C_VEC_BF16
    case B4C_I4: vnni_i4_gemm(g, begin, end); break;
    case B4C_I8: (groups ? vnni_i8_groups_gemm : vnni_gemm)(g, begin, end); break;
    case B4C_BF16: (narrow_bf16() ? bf16_gemm : wide_gemm)(g, begin, end); break;
#else
    case B4C_I4: (b4c_cpu_get()->avx512_vnni ? vnni_i4_gemm : i4_gemm)(g, begin, end); break;
    case B4C_I8:
        if (groups)
            (b4c_cpu_get()->avx512_vnni ? vnni_i8_groups_gemm : i8_groups_gemm)(g, begin, end);
        else (b4c_cpu_get()->avx512_vnni ? vnni_gemm : i8_gemm)(g, begin, end);
        break;
    case B4C_BF16: wide_gemm(g, begin, end); break;
#endif
    default: f32_gemm(g, begin, end);
    }
}

static b4c_form form(b4c_dtype weight)
{
    if (weight == B4C_I4) return B4C_FORM_I8_GROUPS;
    if (weight == B4C_I8) return B4C_FORM_I8;
    return weight == B4C_BF16 && narrow_bf16() ? B4C_FORM_BF16 : B4C_FORM_REAL;
}

static inline void fill_products(b4c_kernels *t)
{
    t->form = form;
    t->bf16_pays = narrow_bf16();
    t->batch_tokens = 256;   /* weights come from L3: twice as many rows want them half as often */
    t->gemm = gemm;
    fill_conversions(t);
    fill_additions(t);
#ifdef B4C_VEC_BF16
    if (narrow_bf16()) t->half_nn = half_nn, t->half_tn = half_tn;
#endif
}
