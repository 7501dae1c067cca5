/* gemm_avx512.c - products on x86-64-v4: a tile of 14 rows x 32 outputs in 28 registers.
 *
 * Order of sums (gemm_tile.h: one accumulator an output): f32 adds a[k] * w[k] for k = 0, 1, ... by fused multiply-add; bf16, where
 * vdpbf16ps is fast, adds pairs of k the way that instruction does; elsewhere bf16 weights are widened and meet f32 rows as in f32. int8 sums are exact
 * integers, with VNNI or without.
 */
#ifndef __AVX512F__
#error "gemm_avx512.c wants the flags of AVX-512"
#endif
#include "math/internal.h"
#include "math/vec_avx512.h"
#include "math/act_body.h"

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

static inline vec v_load_float(const float *p) { return _mm512_loadu_ps(p); }
static inline vec v_sums_i8(const int32_t *sum, const int32_t *sum128)
{
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(sum), _mm512_loadu_si512(sum128)));
}
#include "math/gemm_epilogue.h"

#define PREFETCH(p) _mm_prefetch(p, _MM_HINT_T0)
#define BLOCK_BYTES ((size_t)384 << 10)
#define LANES 16
#define LARGE_ROWS 14
#define LARGE_VECTORS 2
#define LARGE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define FEW_ROWS 6
#define FEW_MOST_PANELS 4
#define FEW_PANELS(rows) ((rows) <= 3 ? 4 : 2)
#define FEW(X) X(1, 4) X(2, 4) X(3, 4) X(4, 2) X(5, 2) X(6, 2)
#define MOST_VECTORS 8

#define NAME(x) f32_##x
#define A_T float
#define B_T float
#define SUM_T float
#define GROUP 1
#define A_V __m512
#define B_V __m512
#define SUM_V __m512
#define A_LOAD(p) _mm512_set1_ps(*(p))
#define B_LOAD(p) _mm512_load_ps(p)
#define DOT(s, a, b) s = _mm512_fmadd_ps(a, b, s)
#define SUM_ZERO() _mm512_setzero_ps()
#define SUM_STORE(p, s) _mm512_store_ps(p, s)
#define FINISH finish_real
#include "math/gemm_tile.h"

static inline int pair(const uint16_t *p) { int x; memcpy(&x, p, sizeof x); return x; }
static inline int four(const uint8_t *p) { int x; memcpy(&x, p, sizeof x); return x; }

#define NAME(x) bf16_##x
#define A_T uint16_t
#define B_T uint16_t
#define SUM_T float
#define GROUP 2
#define A_V __m512bh
#define B_V __m512bh
#define SUM_V __m512
#define A_LOAD(p) (__m512bh)_mm512_set1_epi32(pair(p))
#define B_LOAD(p) (__m512bh)_mm512_load_si512(p)
#define DOT(s, a, b) s = _mm512_dpbf16_ps(s, a, b)
#define SUM_ZERO() _mm512_setzero_ps()
#define SUM_STORE(p, s) _mm512_store_ps(p, s)
#define FINISH finish_real
#include "math/gemm_tile.h"

/* gcc 12 spills sums around _mm512_dpbusd_epi32 (40 % of the limit instead of 97): so by name. */
#define NAME(x) i8_##x
#define A_T uint8_t
#define B_T int8_t
#define SUM_T int32_t
#define GROUP 4
#define A_V __m512i
#define B_V __m512i
#define SUM_V __m512i
#define A_LOAD(p) _mm512_set1_epi32(four(p))
#define B_LOAD(p) _mm512_load_si512(p)
#define DOT(s, a, b) __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(a), "v"(b))
#define SUM_ZERO() _mm512_setzero_si512()
#define SUM_STORE(p, s) _mm512_store_si512(p, s)
#define FINISH finish_i8
#include "math/gemm_tile.h"

static void gemm(const b4c_gemm *g, int begin, int end)
{
    if (g->w->dtype == B4C_I8) i8_gemm(g, begin, end);
    else if (g->w->dtype == B4C_BF16) bf16_gemm(g, begin, end);
    else f32_gemm(g, begin, end);
}

void b4c_fill_gemm_avx512(b4c_kernels *t)
{
    t->bf16_pays = true;
    t->gemm = gemm;
}
