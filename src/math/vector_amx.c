/* vector_amx.c - what the AMX table has beside its products. Norm and attention are those of
 * AVX-512: they write operands in tile order as well as in rows, so little is to be replaced. */
#include "math/internal.h"

/* Products leave rows of numbers or tiles, no rows of bf16. */
void b4c_fill_vector_amx(b4c_kernels *t) { t->bf16_heads = 0; }
