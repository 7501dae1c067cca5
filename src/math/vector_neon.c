/* vector_neon.c - everything but products on 4 floats of AArch64. */
#include "math/vec_neon.h"
#include "math/vector_body.h"

void b4c_fill_vector_neon(b4c_kernels *t) { vector_fill(t); }
