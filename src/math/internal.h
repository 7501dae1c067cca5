/* internal.h - how the files of math/ find one another.
 *
 * Each instruction set has two parts, each filling its share of a table: products and conversions
 * (gemm_<isa>.c, from gemm_blocks.h and its kin) and everything that works on vectors
 * (vector_<isa>.c, from vec words and its bodies). dispatch.c composes a table by letting the parts
 * write over one another, weakest instruction set first, so a part only sets what it does better.
 * Files that end in _avx2.c, _avx512.c, _amx.c, _neon.c are the only ones compiled with the flags
 * of that set.
 */
#ifndef B4C_MATH_INTERNAL_H
#define B4C_MATH_INTERNAL_H
#include "math/kernels.h"

/* Gradient tests build math/ in double: then the scalar table stands alone. */
#if defined(__x86_64__) && !defined(B4C_DOUBLE)
#define B4C_X86 1
#endif
#if defined(__aarch64__) && !defined(B4C_DOUBLE)
#define B4C_ARM64 1
#endif

/* What the processor has. Filled before the parts run, and only they ask. */
typedef struct b4c_cpu {
    bool avx2;               /* with FMA and F16C, and the system saves the registers */
    bool avx_vnni;
    bool avx512;             /* F, CD, BW, DQ, VL: x86-64-v4 */
    bool avx512_vnni, avx512_bf16;
    bool amx;                /* tiles, int8, bf16, and permission to use them */
    bool dotprod;            /* aarch64: sdot */
    bool fast_bf16;          /* vdpbf16ps is faster than an fp32 FMA (not on Intel's cores) */
    size_t l2_bytes;         /* of a core's second cache; how work is cut, never what it gives */
} b4c_cpu;

const b4c_cpu *b4c_cpu_get(void);

void b4c_fill_gemm_scalar(b4c_kernels *);
void b4c_fill_gemm_avx2(b4c_kernels *);
void b4c_fill_gemm_avx512(b4c_kernels *);
/* instead, where the processor has avx512_bf16 and avx512_vnni */
void b4c_fill_gemm_bf16_avx512(b4c_kernels *);
void b4c_fill_gemm_amx(b4c_kernels *);
void b4c_fill_gemm_neon(b4c_kernels *);

void b4c_fill_vector_scalar(b4c_kernels *);
void b4c_fill_vector_avx2(b4c_kernels *);
void b4c_fill_vector_avx512(b4c_kernels *);
void b4c_fill_vector_bf16_avx512(b4c_kernels *);  /* instead, beside the products of that kind */
void b4c_fill_vector_amx(b4c_kernels *);       /* what writes TILE_* operands */
void b4c_fill_vector_neon(b4c_kernels *);

enum { B4C_PANEL = 32 };  /* outputs that a packed panel holds side by side */
/* 4-bit panels (pack_int4.c): where in a block of 64 k scales and offsets begin; its bytes. */
enum { B4C_I4_SCALES = 1024, B4C_I4_OFFSETS = 1152, B4C_I4_BLOCK = 1216 };
void b4c_int4_fill(b4c_packed *, int row, const b4c_real *w);   /* w [k] */
void b4c_int4_row(const b4c_packed *, int row, b4c_real *y);    /* y [k] */
/* What an operand in groups knows of 64 neighbours of a row, two groups: an integer q of group g
 * stands for scale * 2^-e * q, where start[g] = 1.5 * 2^23 * 2^-e. One more in the bits of `start`
 * is 2^-e more in the number: an integer sum that begins at these bits is, read as a number, off by
 * `start` from the sum times 2^-e, exactly. `after` is what to take off instead where every weight
 * was 128 too large. */
typedef struct b4c_group_pair {
    float scale;
    float start[2], after[2];
    int16_t sum[2];          /* scale * 2^-e * sum(q), in units */
    float unit;              /* a power of two, the same in the whole row */
} b4c_group_pair;
/* Sums over groups of a row's `sum` and as many integers within B4C_GROUP_SUM fit 32 bits. */
enum { B4C_GROUP_SUM = 4096 };

/* An int8 row (of weights or of activations) whose largest value is below this counts as zero:
 * 127 / largest must stay finite. */
#define B4C_I8_TINY 1e-30f

#define B4C_INLINE static inline __attribute__((always_inline))
/* Before a loop whose body must be written out so that an array stays in registers. */
#ifdef __clang__
#define B4C_UNROLL _Pragma("clang loop unroll(full)")
#else
#define B4C_UNROLL _Pragma("GCC unroll 32")
#endif

/* Weights so small that they may still lie in a core's second cache when they are wanted again. */
static inline bool weights_are_near(const b4c_packed *w)
{
    return w->bytes <= b4c_cpu_get()->l2_bytes / 4;
}

static inline size_t b4c_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
#endif
