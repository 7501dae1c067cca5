/* keras_names.h - the TF1 names of weights in bert4keras' layers.
 *
 * bert4keras' users have files that say LAYER and weight; the same weights in a TF1 checkpoint
 * have Google's names. Presented under those, one table of names serves all three layouts. A
 * user's prefix of all layers, as in Student-Embedding-Token, stands in front:
 * Student/bert/embeddings/word_embeddings.
 * Source: bert4keras 0.11.5, models.py: the names of its layers, and `variable_mapping`.
 */
#ifndef B4C_MODEL_FORMAT_KERAS_NAMES_H
#define B4C_MODEL_FORMAT_KERAS_NAMES_H
#include "base/span.h"

/* Which layers with weights a model has: that tells the families apart, which share layers'
 * names. Start from {0}. */
typedef struct b4c_keras_layers {
    bool embedding_norm, embedding_position, output_norm, unnumbered, relative;
} b4c_keras_layers;
void b4c_keras_see(b4c_keras_layers *, b4c_span layer);

#define B4C_KERAS_NAME 400

/* `part`: the path of a weight within its layer, "q_dense/kernel", "gamma"; `gated`: the layer has
 * an i1_dense too. False: no weight of bert4keras'. `turned`: TF1 has this matrix transposed. */
bool b4c_keras_name(const b4c_keras_layers *, b4c_span layer, b4c_span part, bool gated,
                    char name[B4C_KERAS_NAME], bool *turned);
/* The same for weight i of the n whose ranks these are: in a layer their order tells them apart. */
bool b4c_keras_name_at(const b4c_keras_layers *, b4c_span layer, const int *rank, int n, int i,
                       char name[B4C_KERAS_NAME], bool *turned);
#endif
