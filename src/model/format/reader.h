/* reader.h - what the readers of checkpoints share: bytes with bounds, and the list that they fill.
 *
 * A reader gets a mapped file and calls b4c_store_add once a tensor. It checks what its layout
 * promises; b4c_store_add checks what every layout promises: a printable name and no element
 * outside the tensor's bytes. Another layout is one more file with an `_is` and a `_read`, and one
 * more line in open.c.
 */
#ifndef B4C_MODEL_FORMAT_READER_H
#define B4C_MODEL_FORMAT_READER_H
#include "base/span.h"
#include "model/format/store.h"

/* ---- memory --------------------------------------------------------------------------------- */

/* Memory in small pieces that is freed together: zeroed, 16-byte aligned; NULL: none left. Start
 * from a NULL list. */
typedef struct b4c_chunk b4c_chunk;
void *b4c_chunk_take(b4c_chunk **list, size_t bytes);
void b4c_chunk_free(b4c_chunk **list);

/* ---- tensors -------------------------------------------------------------------------------- */

/* Elements of a shape into *count. False when the product of the axes (empty ones counted as 1)
 * passes 2^56, so that bytes and strides never overflow, or when an axis is negative. */
bool b4c_shape_count(const int64_t *shape, int rank, uint64_t *count);
/* Row-major strides for the shape. */
void b4c_stored_pack(b4c_stored *);
/* Element i of a packed tensor of a plain type; no checksum is compared. */
float b4c_stored_element(const b4c_stored *, size_t i);
/* "[3, 4]" into text; returns text. */
const char *b4c_shape_text(char text[200], const int64_t *shape, int rank);

/* ---- the list ------------------------------------------------------------------------------- */

/* Map a file for the life of the store; returns its index. */
int b4c_store_map(b4c_store *, const char *path, b4c_error *);
static inline b4c_span b4c_store_bytes(const b4c_store *s, int file)
{
    return (b4c_span){ s->file[file].data, s->file[file].size };
}
/* Memory for the life of the store, as b4c_chunk_take gives it. */
void *b4c_store_keep(b4c_store *, size_t bytes);
/* The tensor under a copy of `name`. Of `t` everything but the name must be set; b4c_stored_pack
 * sets strides. */
int b4c_store_add(b4c_store *, const b4c_stored *t, b4c_span name, b4c_error *);
/* Another name for an added tensor. */
int b4c_store_rename(b4c_store *, int tensor, b4c_span name, b4c_error *);
/* After the last reader: the list is sorted. */
int b4c_store_finish(b4c_store *, b4c_error *);
/* Sort by name and refuse duplicates: again after renaming in a finished list. */
int b4c_store_sort(b4c_store *, b4c_error *);
/* b4c_fail with "FILE: tensor 'NAME': " in front. */
int b4c_fail_tensor(const b4c_store *, int file, b4c_span name, b4c_error *, int code,
                    const char *format, ...) __attribute__((format(printf, 6, 7)));
int b4c_fail_memory(const b4c_store *, int file, b4c_error *);

/* ---- the readers ---------------------------------------------------------------------------- */

/* `_is` looks at the first and last bytes only; `_read` takes a mapped file and adds its
 * tensors, mapping further files that belong to it. */

bool b4c_safetensors_is(b4c_span);
int b4c_safetensors_read(b4c_store *, int file, b4c_error *);
bool b4c_torch_is(b4c_span); /* zip or legacy pickle */
int b4c_torch_read(b4c_store *, int file, b4c_error *);
bool b4c_onnx_is(b4c_span);
int b4c_onnx_read(b4c_store *, int file, b4c_error *);
bool b4c_tf1_is(b4c_span); /* an index file */
int b4c_tf1_read(b4c_store *, int file, b4c_error *);
/* Not a reader but what follows one: where the tensors from index `from` on, in their keys' order,
 * are a Keras model's, their names become those of TF1. */
int b4c_keras_graph(b4c_store *, int from, b4c_error *);
/* The same of safetensors, once all names are known: int8 and int4 matrices with their scales
 * (codes.c). */
int b4c_store_codes(b4c_store *, b4c_error *);
/* b4c_hdf5_is (hdf5.h) looks. */
int b4c_keras_hdf5_read(b4c_store *, int file, b4c_error *);
/* b4c_gguf_is (base/gguf.h) looks. Each of split files says what the whole is. */
int b4c_gguf_read(b4c_store *, int file, b4c_error *);
#endif
