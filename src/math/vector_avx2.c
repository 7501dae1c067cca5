/* vector_avx2.c - everything but products on 8 floats of AVX2 with FMA. */
#include "math/vec_avx2.h"
#include "math/vector_body.h"

void b4c_fill_vector_avx2(b4c_kernels *t) { vector_fill(t); }
