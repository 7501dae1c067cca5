/* cache.h - keys and values of rows that were already read, so that a sequence goes on from where
 * it stopped.
 *
 * A slot holds one sequence: `room` rows of keys and of values for each layer, keys already turned
 * by their positions. A plan made here lets new rows continue slots; their keys and values are put
 * behind those that are there, and attention reads the slot from its first row on. Nothing else in
 * the block knows about it.
 */
#ifndef B4C_MODEL_CACHE_H
#define B4C_MODEL_CACHE_H
#include "model/network.h"

typedef struct b4c_cache {
    int layers, slots, room, width; /* width = kv_heads * head_size */
    int *length;                    /* [slots] rows that a slot holds */
    b4c_real *k, *v;                /* [layers, slots * room, width] */
    size_t bytes;                   /* of k, and of v */
} b4c_cache;

int b4c_cache_init(b4c_cache *, const b4c_network *, const b4c_stack *, int slots, int room,
                   b4c_error *);
void b4c_cache_done(b4c_cache *);

/* Plan for lengths[s] new rows behind slot[s], s < n_seq. FULL: each sees all the slot holds and
 * all new rows (a source); CAUSAL: what the slot holds and the new rows up to itself. n_seq is -1
 * (and the tape failed) when there is no memory. */
b4c_plan b4c_cache_plan(b4c_tape *, const b4c_cache *, b4c_mask, const int *slot,
                        const int *lengths, int n_seq);
/* The rows of that plan have been read: they belong to the slots now. */
void b4c_cache_grow(b4c_cache *, const int *slot, const int *lengths, int n_seq);

/* Slot `to` becomes a copy of slot `from`. */
void b4c_cache_copy(b4c_cache *, int from, int to);
/* All of a layer's keys and values, as tensors of slots * room rows. */
void b4c_cache_layer(const b4c_cache *, int layer, b4c_tensor *k, b4c_tensor *v);

/* ---- sources of an encoder-decoder: one slot each, written once, read by many targets -------- */

/* Keys and values that the decoder's cross-attention makes of the encoder's rows `memory`
 * (sequences of lengths[s], end to end), into slot[s]. */
void b4c_cache_source(b4c_tape *, b4c_cache *, const b4c_network *, b4c_tensor memory,
                      const int *slot, const int *lengths, int n_seq);
/* The rows of plan `self` see all of source slot[s], each sequence its own. n_seq is -1 on failure.
 */
b4c_plan b4c_cache_source_plan(b4c_tape *, const b4c_cache *, const b4c_plan *self,
                               const int *slot);

/* Put rows k, v of a layer where the plan says, and answer with all of the layer's. */
void b4c_cache_keep(b4c_cache *, int layer, const b4c_plan *, b4c_tensor *k, b4c_tensor *v);
#endif
