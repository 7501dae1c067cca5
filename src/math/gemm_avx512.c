/* gemm_avx512.c - products and conversions of the avx512 table. */
#include "math/internal.h"

void b4c_fill_gemm_avx512(b4c_kernels *t)
{
    (void)t;     /* nothing better than the parts below it yet */
}
