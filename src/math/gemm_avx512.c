/* gemm_avx512.c - products on processors with AVX-512 but without its bf16 instructions; with VNNI
 * where it is. */
#include "math/gemm_avx512_body.h"

void b4c_fill_gemm_avx512(b4c_kernels *t) { fill_products(t); }
