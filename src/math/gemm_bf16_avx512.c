/* gemm_bf16_avx512.c - products on processors with AVX-512, its bf16 instructions and VNNI. Results
 * round to bf16 by instruction, here and in `operand`, which must give the same bits. */
#define B4C_VEC_BF16
#include "math/gemm_avx512_body.h"

void b4c_fill_gemm_bf16_avx512(b4c_kernels *t) { fill_products(t); }
