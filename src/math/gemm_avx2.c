/* gemm_avx2.c - products on AVX2 with FMA: a tile of 6 rows x 16 outputs (half a panel) in 12
 * registers.
 *
 * Order of sums (gemm_tile.h: one accumulator an output): f32 as on AVX-512, to the bit. bf16
 * weights are widened and meet f32 rows: there is no arithmetic on bf16 here, so rows need not lose
 * their digits. int8 sums are the integers of VNNI, which AVX-VNNI gives directly; without it bytes
 * are widened to 16 bits, since vpmaddubsw would saturate.
 */
#ifndef __AVX2__
#error "gemm_avx2.c wants the flags of AVX2"
#endif
#include "math/internal.h"
#include "math/vec_avx2.h"

#include "math/act_body.h"

#define UNROLL B4C_UNROLL

static inline __m256i load_ints(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline vec v_load_float(const float *p) { return _mm256_loadu_ps(p); }
static inline vec v_sums_i8(const int32_t *sum, const int32_t *sum128)
{
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(load_ints(sum), load_ints(sum128)));
}
#include "math/convert_body.h"
#include "math/gemm_epilogue.h"

#define PREFETCH(p)      _mm_prefetch(p, _MM_HINT_T0)
#define LANES            8
#define LARGE_ROWS       6
#define LARGE_VECTORS    2
#define LARGE(X)         X(1) X(2) X(3) X(4) X(5) X(6)
#define FEW_ROWS         2
#define FEW_MOST_PANELS  2
#define FEW_PANELS(rows) ((rows) == 1 ? 2 : 1)
#define FEW(X)           X(1, 2) X(2, 1)
#define MOST_VECTORS     8

/* ---- f32 ------------------------------------------------------------------------------------- */

#define NAME(x)          f32_##x
#define A_T              float
#define B_T              float
#define SUM_T            float
#define GROUP            1
#define PHASES           1
#define A_V              __m256
#define B_V              __m256
#define SUM_V            __m256
#define A_LOAD(p, phase) _mm256_broadcast_ss(p)
#define B_LOAD(p, phase) _mm256_load_ps(p)
#define DOT(s, a, b)     s = _mm256_fmadd_ps(a, b, s)
#define SUM_ZERO()       _mm256_setzero_ps()
#define SUM_STORE(p, s)  _mm256_store_ps(p, s)
#include "math/gemm_blocks.h"

/* ---- bf16, widened -------------------------------------------------------------------------- */

/* bf16 is the upper half of an f32: of each pair the even value is shifted up, the odd one down and
 * up again. A mask would be shorter, but it and the pairs kept for both phases do not fit beside 12
 * sums, which the compiler only knows when both are hidden from it (75 -> 98 % of the limit). */
static inline __m256 widen(const uint16_t *p, int odd)
{
    if (odd) __asm__("" : "+r"(p));
    __m256i pairs = load_ints(p);
    if (odd) __asm__("vpsrld $16, %0, %0" : "+x"(pairs));
    return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
}

#define NAME(x)          wide_##x
#define A_T              float
#define B_T              uint16_t
#define SUM_T            float
#define GROUP            2
#define PHASES           2
#define A_V              __m256
#define B_V              __m256
#define SUM_V            __m256
#define A_LOAD(p, phase) _mm256_broadcast_ss((p) + (phase))
#define B_LOAD(p, phase) widen(p, phase)
#define DOT(s, a, b)     s = _mm256_fmadd_ps(a, b, s)
#define SUM_ZERO()       _mm256_setzero_ps()
#define SUM_STORE(p, s)  _mm256_store_ps(p, s)
#include "math/gemm_blocks.h"

/* ---- int8 ------------------------------------------------------------------------------------ */

static inline __m256i four8(const uint8_t *p)
{
    int x;
    memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

#define NAME(x)          vnni_##x
#define A_T              uint8_t
#define B_T              int8_t
#define SUM_T            int32_t
#define GROUP            4
#define PHASES           1
#define A_V              __m256i
#define B_V              __m256i
#define SUM_V            __m256i
#define A_LOAD(p, phase) four8(p)
#define B_LOAD(p, phase) load_ints(p)
#define DOT(s, a, b)     __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s) : "x"(a), "x"(b))
#define SUM_ZERO()       _mm256_setzero_si256()
#define SUM_STORE(p, s)  _mm256_store_si256((__m256i *)(void *)(p), s)
#include "math/gemm_blocks.h"

static inline __m256i bytes_of_row(const uint8_t *p, int odd)
{
    return odd ? _mm256_srli_epi16(four8(p), 8)
               : _mm256_and_si256(four8(p), _mm256_set1_epi16(0xff));
}
static inline __m256i bytes_of_panel(__m256i w, int odd)
{
    return _mm256_srai_epi16(odd ? w : _mm256_slli_epi16(w, 8), 8);
}

#define NAME(x)          i8_##x
#define A_T              uint8_t
#define B_T              int8_t
#define SUM_T            int32_t
#define GROUP            4
#define PHASES           2
#define A_V              __m256i
#define B_V              __m256i
#define SUM_V            __m256i
#define A_LOAD(p, phase) bytes_of_row(p, phase)
#define B_LOAD(p, phase) bytes_of_panel(load_ints(p), phase)
#define DOT(s, a, b)     s = _mm256_add_epi32(s, _mm256_madd_epi16(a, b))
#define SUM_ZERO()       _mm256_setzero_si256()
#define SUM_STORE(p, s)  _mm256_store_si256((__m256i *)(void *)(p), s)
#include "math/gemm_blocks.h"

/* ---- int4: nibbles as unsigned bytes against the row's signed ones --------------------------- */

#define GROUP_ROWS         2
#define GROUP_FEW          1
#define GROUP_VECTORS      2
#define EACH_GROUP_ROWS(X) X(1) X(2)

typedef __m256i shorts, short_sums;
static inline short_sums shorts_none(void) { return _mm256_setzero_si256(); }
static inline shorts shorts_get(const int32_t *p) { return load_ints(p); }
static inline void shorts_put(int32_t *p, shorts x) { _mm256_store_si256((__m256i *)(void *)p, x); }
static inline shorts shorts_of(vec a, vec b)
{
    const __m256i high = _mm256_slli_epi32(_mm256_cvtps_epi32(b), 16);
    return _mm256_blend_epi16(_mm256_cvtps_epi32(a), high, 0xaa);
}
static inline short_sums shorts_dot(short_sums s, shorts w, const int16_t *x)
{
    const __m256i pair = four8((const uint8_t *)x);
    return _mm256_add_epi32(s, _mm256_madd_epi16(w, pair));
}
static inline vec shorts_total(short_sums s) { return _mm256_cvtepi32_ps(s); }

/* Sums that begin at the bits of a number, and are off by one. */
static inline __m256i sums_from(float x) { return _mm256_castps_si256(_mm256_set1_ps(x)); }
static inline vec sums_less(__m256i s, float x)
{
    return _mm256_sub_ps(_mm256_castsi256_ps(s), _mm256_set1_ps(x));
}

static inline __m256i low_nibbles(__m256i w) { return _mm256_and_si256(w, _mm256_set1_epi8(15)); }

#define NAME(x)      vnni_i4_##x
#define W_V          __m256i
#define X_V          __m256i
#define S_V          __m256i
#define W_LOAD(p)    load_ints(p)
#define LOW(w)       low_nibbles(w)
#define HIGH(w)      low_nibbles(_mm256_srli_epi16(w, 4))
#define X_LOAD(p)    four8(p)
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s) : "x"(w), "x"(x))
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int4_body.h"

/* Two products of 15 and 127, eight times: below 2^15. */
static inline vec total_of_words(__m256i s, float from)
{
    const __m256i sum = _mm256_madd_epi16(s, _mm256_set1_epi16(1));
    return sums_less(_mm256_add_epi32(sums_from(from), sum), from);
}

#define NAME(x)      i4_##x
#define W_V          __m256i
#define X_V          __m256i
#define S_V          __m256i
#define W_LOAD(p)    load_ints(p)
#define LOW(w)       low_nibbles(w)
#define HIGH(w)      low_nibbles(_mm256_srli_epi16(w, 4))
#define X_LOAD(p)    four8(p)
#define S_FROM(p, g) _mm256_setzero_si256()
#define DOT(s, w, x) s = _mm256_add_epi16(s, _mm256_maddubs_epi16(w, x))
#define TOTAL(s, p, g) total_of_words(s, (p)->start[g])
#include "math/gemm_int4_body.h"

/* ---- int8 over rows in groups ---------------------------------------------------------------- */

static inline __m256i plus_128(const uint8_t *p)
{
    return _mm256_xor_si256(load_ints(p), _mm256_set1_epi8(-128));
}

#define NAME(x)      vnni_i8_groups_##x
#define W_V          __m256i
#define X_V          __m256i
#define S_V          __m256i
#define W_LOAD(p)    plus_128(p)
#define X_LOAD(p)    four8(p)
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s) : "x"(w), "x"(x))
#define TOTAL(s, p, g) sums_less(s, (p)->after[g])
#include "math/gemm_int8_groups_body.h"

/* Signed bytes as numbers of 16 bits, even and odd ones apart. */
typedef struct signed_pairs { __m256i even, odd; } signed_pairs;
static inline signed_pairs pairs_of(__m256i x)
{
    return (signed_pairs){ bytes_of_panel(x, 0), bytes_of_panel(x, 1) };
}

#define NAME(x)      i8_groups_##x
#define W_V          signed_pairs
#define X_V          signed_pairs
#define S_V          __m256i
#define W_LOAD(p)    pairs_of(load_ints(p))
#define X_LOAD(p)    pairs_of(four8(p))
#define S_FROM(p, g) sums_from((p)->start[g])
#define DOT(s, w, x)                                                             \
    s = _mm256_add_epi32(_mm256_add_epi32(s, _mm256_madd_epi16(w.even, x.even)), \
                         _mm256_madd_epi16(w.odd, x.odd))
#define TOTAL(s, p, g) sums_less(s, (p)->start[g])
#include "math/gemm_int8_groups_body.h"

#include "math/add_body.h"

/* ---- the table ------------------------------------------------------------------------------ */

static void gemm(const b4c_gemm *g, int begin, int end)
{
    const bool groups = g->in.form == B4C_FORM_I8_GROUPS, vnni = b4c_cpu_get()->avx_vnni;
    switch (g->w->dtype) {
    case B4C_I4: (vnni ? vnni_i4_gemm : i4_gemm)(g, begin, end); break;
    case B4C_I8:
        if (groups) (vnni ? vnni_i8_groups_gemm : i8_groups_gemm)(g, begin, end);
        else (vnni ? vnni_gemm : i8_gemm)(g, begin, end);
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

void b4c_fill_gemm_avx2(b4c_kernels *t)
{
    t->form = form;
    t->bf16_pays = false;
    t->gemm = gemm;
    fill_conversions(t);
    fill_additions(t);
}
