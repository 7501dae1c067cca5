/* vector_bf16_avx512.c - vector_avx512.c once more for processors with the bf16 instructions, which
 * round results that become operands. */
#define B4C_VEC_BF16
#include "math/vec_avx512.h"
#include "math/vector_body.h"

void b4c_fill_vector_bf16_avx512(b4c_kernels *t) { vector_fill(t); }
