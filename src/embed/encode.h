/* encode.h - sequences of tokens to sentence vectors. */
#ifndef B4C_EMBED_ENCODE_H
#define B4C_EMBED_ENCODE_H
#include "embed/dense.h"
#include "model/crew.h"
#include "model/forward.h"

typedef struct b4c_sequence {
    const int32_t *ids, *segments;   /* [length]; segments NULL: zeros */
    int length;                      /* >= 1 */
} b4c_sequence;

typedef struct b4c_embedding {
    const b4c_network *net;
    b4c_pooling pooling;             /* not AUTO; one that the network can do */
    const b4c_dense *dense;          /* [n_dense] steps behind the pooling */
    int n_dense;
    bool normalize;
    int width;                       /* components kept, 1 .. the last step's or the network's */
} b4c_embedding;

/* out [n, width]. ids and lengths are in range. A vector depends on its sequence alone, to the
 * bit. */
int b4c_embed_sequences(b4c_crew *, const b4c_embedding *, const b4c_sequence *, int n, float *out,
                        b4c_error *);
/* B4C_E_NUMBER: one of the vectors out [n, width] holds NaN or infinity, as they do where numbers
 * of a layer overflow. `first`: of the call's texts, the one that is first among these. */
int b4c_embed_check(const float *out, int n, int width, int first, b4c_error *);
#endif
