/* vector_scalar.c - everything but products, one number at a time: the fallback for any machine,
 * and in double the arithmetic of the gradient tests. */
#include "math/vec_scalar.h"
#include "math/vector_body.h"

void b4c_fill_vector_scalar(b4c_kernels *t) { vector_fill(t); }
