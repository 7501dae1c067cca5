/* dense.h - a step behind the pooling: act(W x + b), as sentence-transformers' Dense. */
#ifndef B4C_EMBED_DENSE_H
#define B4C_EMBED_DENSE_H
#include "embed/settings.h"
#include "tape/tape.h"

typedef struct b4c_dense {
    b4c_weight weight;       /* [out, in], f32 whatever the network's type is */
    b4c_act act;
} b4c_dense;

/* Its weights from its folder: model.safetensors or pytorch_model.bin with linear.weight and
 * linear.bias, in the shapes that its settings say. On failure nothing is left behind. */
int  b4c_dense_open(b4c_dense *, const b4c_dense_settings *, b4c_error *);
void b4c_dense_done(b4c_dense *);
#endif
