/* vector_avx512.c - everything but products on 16 floats of AVX-512. */
#include "math/vec_avx512.h"
#include "math/vector_body.h"

void b4c_fill_vector_avx512(b4c_kernels *t) { vector_fill(t); }
