/* format_maker.h - checkpoints of every layout, written byte by byte, so that tests can make each
 * mistake on purpose. */
#ifndef B4C_TEST_FORMAT_MAKER_H
#define B4C_TEST_FORMAT_MAKER_H
#include "base/memory.h"
#include <stdint.h>

/* Little-endian number of `width` bytes. */
void put_number(b4c_buffer *, uint64_t x, int width);
void put_varint(b4c_buffer *, uint64_t x);

/* ---- safetensors ---------------------------------------------------------------------------- */

/* Header and `n` bytes of data. */
void put_safetensors(b4c_buffer *, const char *header, const void *data, size_t n);

/* ---- zip and pickle ------------------------------------------------------------------------- */

typedef struct zip_maker {
    b4c_buffer file, directory;
    int n;
    bool zip64;
} zip_maker;
/* method 0: stored. */
void zip_add(zip_maker *, const char *name, const void *bytes, size_t n, int method);
/* Writes the directory; the archive is zip->file. */
void zip_end(zip_maker *);
void zip_done(zip_maker *);

/* One tensor of a state dict: (storage key, offset, shape, stride), "FloatStorage" and so on. */
typedef struct pickled_tensor {
    const char *name, *type, *key;
    int64_t count, offset; /* of the storage; into it */
    int rank;
    int64_t shape[4], stride[4];
} pickled_tensor;

/* A whole pickle: {name: tensor, ...}; `call`: torch._utils._rebuild_tensor_v2 unless given. */
void put_state_dict(b4c_buffer *, const pickled_tensor *, int n, const char *call);
void put_pickle_text(b4c_buffer *, const char *);
void put_pickle_int(b4c_buffer *, int64_t);
/* A zip as torch.save writes it: NAME/data.pkl, NAME/byteorder, NAME/data/KEY. */
void put_torch_zip(b4c_buffer *, const pickled_tensor *, int n, const void *storage, size_t bytes);
/* The five pickles and the storage that the first tensor names. */
void put_torch_legacy(b4c_buffer *, const pickled_tensor *, int n, const void *storage, int width);

/* ---- protobuf, ONNX ------------------------------------------------------------------------- */

void pb_int(b4c_buffer *, int field, uint64_t);
void pb_bytes(b4c_buffer *, int field, const void *, size_t);
void pb_text(b4c_buffer *, int field, const char *);
void pb_message(b4c_buffer *, int field, b4c_buffer *); /* empties the message */
void pb_fixed32(b4c_buffer *, int field, uint32_t);

/* TensorProto with raw data into a GraphProto's initialisers. */
void onnx_tensor(b4c_buffer *graph, const char *name, int type, const int64_t *shape, int rank,
                 const void *data, size_t n);
/* inputs: separated by blanks; '-' is an absent one. */
void onnx_node(b4c_buffer *graph, const char *op, const char *name, const char *inputs,
               const char *output);
void put_onnx(b4c_buffer *, b4c_buffer *graph); /* empties the graph */

/* ---- TF1 ------------------------------------------------------------------------------------ */

typedef struct table_maker {
    b4c_buffer file, block, index;
    b4c_buffer key; /* the last one */
    int compression;
} table_maker;
/* Keys in ascending order. */
void table_add(table_maker *, const void *key, size_t n, const b4c_buffer *value);
void table_block(table_maker *); /* ends a data block; may be left out before the end */
void table_end(table_maker *);   /* the table is maker->file */
void table_done(table_maker *);
/* BundleHeaderProto and BundleEntryProto (offset and checksum of `data`). */
void tf1_header(b4c_buffer *, int shards);
void tf1_entry(b4c_buffer *, int dtype, const int64_t *shape, int rank, int shard, uint64_t offset,
               const void *data, size_t n);
uint32_t tf1_mask(uint32_t crc);

/* ---- GGUF ----------------------------------------------------------------------------------- */

typedef struct gguf_maker {
    b4c_buffer pairs, tensors, data;
    int version, n, n_tensors; /* version 0: 3 */
    size_t alignment;          /* 0: 32 */
} gguf_maker;
void gguf_text(b4c_buffer *, const char *);
void gguf_number(gguf_maker *, const char *key, int kind, uint64_t value, int width);
void gguf_string(gguf_maker *, const char *key, const char *value);
/* n elements that are already bytes. */
void gguf_array(gguf_maker *, const char *key, int kind, uint64_t n, const void *bytes,
                size_t size);
/* Extents as the file has them, the fastest first. Data are padded to the alignment. */
void gguf_tensor(gguf_maker *, const char *name, int type, const int64_t *extents, int rank,
                 const void *data, size_t n);
/* The whole file; empties the maker. The last tensor is not padded. */
void put_gguf(b4c_buffer *, gguf_maker *);
#endif
