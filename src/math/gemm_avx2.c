/* gemm_avx2.c - products and conversions of the avx2 table. */
#include "math/internal.h"

void b4c_fill_gemm_avx2(b4c_kernels *t)
{
    (void)t;     /* nothing better than the parts below it yet */
}
