/* hdf5_maker.h - HDF5 files as Keras writes them, piece by piece, so that tests can make each
 * mistake on purpose. Pieces are appended, children before the groups that have them, and known by
 * their addresses. */
#ifndef B4C_TEST_HDF5_MAKER_H
#define B4C_TEST_HDF5_MAKER_H
#include "base/memory.h"
#include <stdint.h>

/* The superblock, whose root and size h5_end fills in. */
void h5_begin(b4c_buffer *);
void h5_end(b4c_buffer *, uint64_t root);

/* Messages of an object's header, which h5_object writes. */
typedef struct h5_messages {
    b4c_buffer bytes;
    int n;
} h5_messages;
void h5_message(h5_messages *, int type, const void *body, size_t n);
/* Writes an object's header with these, emptied; its address. `split`: the last one stands in a
 * continuation. */
uint64_t h5_object(b4c_buffer *, h5_messages *, bool split);

/* A list of strings as an attribute: `fixed` as h5py 2 writes it, else as h5py 3. No strings: an
 * empty list of numbers. */
void h5_texts(b4c_buffer *, h5_messages *, const char *name, const char *const *texts, int n,
              bool fixed);
/* The symbol table of a group: a B-tree of one node over one list, and the heap of names. */
void h5_members(b4c_buffer *, h5_messages *, const char *const *names, const uint64_t *objects,
                int n);
/* f32; `compact`: the data stand in the header. */
uint64_t h5_floats(b4c_buffer *, const int64_t *shape, int rank, const float *data, bool compact);
void h5_space(h5_messages *, const int64_t *shape, int rank);
void h5_f32(h5_messages *);
void h5_layout(h5_messages *, uint64_t address, uint64_t size);

/* A layer's group: weight_names, and a group with the layer's name that has the datasets: names
 * are "LAYER/x:0". */
uint64_t h5_layer(b4c_buffer *, const char *layer, const char *const *weights,
                  const uint64_t *datasets, int n, bool fixed);
#endif
