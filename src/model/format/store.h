/* store.h - a checkpoint of any layout as a list of named tensors.
 *
 * Every reader fills the same list; names are those in the file (ONNX: resolved to the module's name), the model's name
 * tables come later. Data stay in the mapped files; reading converts to float rows.
 */
#ifndef B4C_MODEL_FORMAT_STORE_H
#define B4C_MODEL_FORMAT_STORE_H
#include "base/file.h"

typedef enum b4c_stored_type {
    B4C_STORED_F32, B4C_STORED_F64, B4C_STORED_F16, B4C_STORED_BF16, B4C_STORED_I8, B4C_STORED_U8, B4C_STORED_I16, B4C_STORED_I32, B4C_STORED_I64,
    B4C_STORED_BOOL,
    B4C_STORED_OTHER         /* listed, never readable */
} b4c_stored_type;

#define B4C_STORED_RANK 8

typedef struct b4c_stored {
    const char *name;
    b4c_stored_type type;
    int rank;
    int64_t shape[B4C_STORED_RANK];   /* as it is to be read: already exchanged when `transposed` */
    const unsigned char *data;        /* in a mapped file or in the store's own memory */
    size_t bytes;
    int64_t stride[B4C_STORED_RANK];  /* elements; covers torch views and transposed matrices */
    /* I8/U8 with a scale (ONNX dynamic quantisation): value = (q - zero) * scale, per column [shape[0]] or one. NULL: none */
    const float *quant_scale;
    const int32_t *quant_zero;
    int n_quant;
    int file;                         /* index into the store's files, for messages */
} b4c_stored;

typedef struct b4c_store {
    const char *layout;               /* "safetensors", "torch", "tf1", "onnx" */
    int n;
    b4c_stored *tensor;               /* sorted by name */
    int n_files;
    b4c_file *file;
    char **file_name;
    void *own;                        /* the reader's memory */
    void (*own_free)(void *);
} b4c_store;

/* Open what `path` names: a folder (model.safetensors, its .index.json, pytorch_model.bin or its index, model.onnx or onnx/model.onnx,
 * *.ckpt.index - in this order, several kinds: the first), a file, or a TF1 prefix (PATH.index exists). The content decides, not the
 * extension. Everything is checked: sizes with overflow, ranges within the file, overlaps, duplicate names. */
int  b4c_store_open(b4c_store *, const char *path, b4c_error *);
void b4c_store_close(b4c_store *);
int  b4c_store_find(const b4c_store *, const char *name);             /* index or -1 */

/* Elements as float, row-major over shape: `rows` rows from `first` on (a row = all axes but the first; rank 0 and 1 are one row).
 * out has rows * row size elements. B4C_E_UNSUPPORTED: type OTHER. */
int  b4c_store_read(const b4c_store *, int tensor, int64_t first, int64_t rows, float *out, b4c_error *);
/* Pages of this tensor will not be needed again. */
void b4c_store_forget(const b4c_store *, int tensor);
const char *b4c_stored_type_name(b4c_stored_type);
#endif
