/* optimiser.h - how gradients change weights.
 *
 * g: gradient, x: weight, t: steps from 1, r: learning rate, d: decay; all elementwise.
 *
 *     sgd        m = b1 m + g;  x -= r (m + d x)
 *     adam       m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *                x -= r sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps) + r d x       Keras' form
 *     adamw      x -= r d x;  x -= r / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)    PyTorch's
 *     lion       x -= r (sign(b1 m + (1 - b1) g) + d x);  m = b2 m + (1 - b2) g
 *     adafactor  v of a matrix as the product of its rows' and its columns' means, decay
 *                b2(t) = 1 - t^-0.8, updates with a root mean square above 1 scaled down to it;
 *                no momentum
 *
 * Sources: Kingma and Ba 2015; Loshchilov and Hutter 2019; Chen et al. 2023; Shazeer and Stern
 * 2018; bert4keras optimizers.py (adam's epsilon outside the correction). Decay of adam uses the
 * base rate as bert4keras does: all here are decoupled from g.
 */
#ifndef B4C_TRAIN_OPTIMISER_H
#define B4C_TRAIN_OPTIMISER_H
#include "train/leaves.h"

typedef enum b4c_optimiser_kind {
    B4C_SGD, B4C_ADAM, B4C_ADAMW, B4C_LION, B4C_ADAFACTOR, B4C_OPTIMISERS
} b4c_optimiser_kind;

typedef struct b4c_optimiser_options {
    b4c_optimiser_kind kind;
    double beta1, beta2, eps, decay;
    double ema;              /* decay of a moving average of the weights; 0: none */
    bool half;               /* m and v as bf16, rounded up or down by chance so that they are right
                              * on average; not adafactor */
    uint64_t seed;           /* of that chance, which (seed, step, element) decides */
} b4c_optimiser_options;

/* "sgd", "adam", "adamw", "lion", "adafactor". */
const char *b4c_optimiser_name(b4c_optimiser_kind);
int b4c_optimiser_find(const char *name); /* -1: none */
/* The constants of its paper or reference. */
b4c_optimiser_options b4c_optimiser_default(b4c_optimiser_kind);

/* Its memory, parallel to the leaves' gradients. What a kind does not need is NULL. */
typedef struct b4c_optimiser {
    b4c_optimiser_options o;
    const b4c_leaves *leaves;
    int64_t t;               /* steps taken */
    b4c_real *m, *v, *ema;   /* [leaves->total]; adafactor keeps of v what it needs, at the front
                              * of each leaf */
    uint16_t *half_m, *half_v; /* instead of m and v */
    size_t bytes, half_bytes; /* of each array that is there */
} b4c_optimiser;

int b4c_optimiser_init(b4c_optimiser *, const b4c_leaves *, const b4c_optimiser_options *,
                       b4c_error *);
void b4c_optimiser_done(b4c_optimiser *);
/* Bytes of all its memory. */
size_t b4c_optimiser_memory(const b4c_optimiser *);
/* One step at learning rate `rate` with gradients times `scale` (clipping). */
void b4c_optimiser_step(b4c_optimiser *, double rate, double scale, b4c_pool *);
/* The same in parts: begin a step, then move leaves whose gradients are here, each once. */
void b4c_optimiser_begin(b4c_optimiser *);
void b4c_optimiser_move(b4c_optimiser *, double rate, double scale, b4c_pool *);
/* Change places: masters and moving average. For evaluating and saving the average; do it twice. */
void b4c_optimiser_swap_ema(b4c_optimiser *);
#endif
