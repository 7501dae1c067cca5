/* even.h - evening out int8: columns of activations that are far larger than others.
 *
 * An int8 row has one scale, set by its largest value. After a BERT's norms one or two columns are
 * ten times as large as the rest, in any text, and cost the others three bits. So each column is
 * divided by a power of two, and the weights that read it are multiplied by the same: exact, and
 * free.
 */
#ifndef B4C_MODEL_EVEN_H
#define B4C_MODEL_EVEN_H
#include "model/network.h"

/* Columns' factors for one product: the norm before it divides, the weight multiplies. */
typedef struct b4c_evening {
    b4c_norm *norm;
    b4c_weight *weight[2];   /* the second (a gate) may be NULL */
    b4c_real *largest;       /* [width] found by b4c_evenings_measure */
    float *factor;           /* [width] powers of two */
} b4c_evening;

typedef struct b4c_evenings { b4c_evening *item; int n; float *memory; } b4c_evenings;

/* Post-norm encoders. The norms that feed one product alone are measured by a pass over random
 * tokens. Listed are those with outlying columns: norm->even is set, and the weights must now be
 * written again with their columns times `factor`. 0 or B4C_E_MEMORY. */
int  b4c_evenings_measure(b4c_evenings *, b4c_network *, b4c_pool *, b4c_error *);
/* The same with factors that are known already: columns(arg, weight) [width], or NULL. */
int  b4c_evenings_given(b4c_evenings *, b4c_network *,
                        const float *(*columns)(const void *arg, const b4c_weight *),
                        const void *arg, b4c_error *);
void b4c_evenings_done(b4c_evenings *);
/* Factors of the columns of a weight, or NULL. */
const float *b4c_evenings_of(const b4c_evenings *, const b4c_weight *);
/* What the columns that a loaded weight reads were divided by, inverted: norm->even [width], or
 * NULL. */
const b4c_real *b4c_evened(const b4c_network *, const b4c_weight *);
#endif
