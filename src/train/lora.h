/* lora.h - low-rank changes of weights (Hu et al. 2021): which weights have them, and the sum.
 *
 *     W = base + alpha / rank * B A        A [rank, in] random, B [out, rank] 0 at first
 *
 * The master holds the sum, made anew whenever A and B have changed, so that forward and what
 * is saved know nothing of it: the written model is an ordinary one. Only the back of a linear
 * (tape/op_linear.c) sends its gradient to A and B instead, and never makes the weight's own.
 */
#ifndef B4C_TRAIN_LORA_H
#define B4C_TRAIN_LORA_H
#include "model/network.h"

/* Elements up to the next 64-byte boundary: where the runs of a block begin. */
static inline size_t b4c_padded(size_t n)
{
    const size_t step = B4C_ALIGN / sizeof(b4c_real);
    return (n + step - 1) / step * step;
}

typedef struct b4c_lora_options {
    int rank;                    /* 0: none */
    double alpha;
    const char *const *targets;  /* parts of names of matrices; none: query and value */
    int n_targets;
    const char *const *also;     /* parts of names: such parameters learn as a whole */
    int n_also;
    uint64_t seed;
} b4c_lora_options;

typedef struct b4c_lora {
    b4c_low_rank *low;           /* [n] those of one weight follow one another */
    const b4c_parameter **of;    /* [n] */
    int n;
    b4c_real *factors, *base;    /* blocks that low points into */
    size_t factor_bytes, base_bytes;
} b4c_lora;

typedef struct b4c_named_parameter {
    const b4c_parameter *p;
    const char *name;
} b4c_named_parameter;

/* Give each target among the network's parameters [n] its factors, and copy it to base. B4C_E_ARG:
 * none is a target. The parameters' weights point into what is made here. */
int b4c_lora_make(b4c_lora *, const b4c_named_parameter *, int n, const b4c_lora_options *,
                  b4c_error *);
void b4c_lora_done(b4c_lora *);
/* Masters from bases and factors, after the factors have changed. */
void b4c_lora_sum(const b4c_lora *, b4c_pool *);
#endif
