/* store.h - a checkpoint of any layout as a list of named tensors.
 *
 * Every reader fills the same list; names are those in the file (ONNX: the module's name that the
 * graph gives a matrix), the model's name tables come later. Data stay in the mapped files; reading
 * converts to float rows.
 *
 * Orientation is the file's: hub layouts hold linears as [out, in], a TF1 checkpoint holds kernels
 * as [in, out], whatever their names are. ONNX matrices, whose names come from their modules, are
 * presented as [out, in] like the module's weight.
 */
#ifndef B4C_MODEL_FORMAT_STORE_H
#define B4C_MODEL_FORMAT_STORE_H
#include "base/file.h"

typedef enum b4c_stored_type {
    B4C_STORED_F32, B4C_STORED_F64, B4C_STORED_F16, B4C_STORED_BF16,
    B4C_STORED_I8, B4C_STORED_U8, B4C_STORED_I16, B4C_STORED_I32, B4C_STORED_I64, B4C_STORED_BOOL,
    /* blocks of a row's neighbours under common scales, as ggml packs them: gguf_quants.h */
    B4C_STORED_Q4_0, B4C_STORED_Q4_1, B4C_STORED_Q5_0, B4C_STORED_Q5_1, B4C_STORED_Q8_0,
    B4C_STORED_Q2_K, B4C_STORED_Q3_K, B4C_STORED_Q4_K, B4C_STORED_Q5_K, B4C_STORED_Q6_K,
    B4C_STORED_IQ4_NL, B4C_STORED_IQ4_XS,
    /* codes of 4 bits, a row padded to words of eight; scales and offsets stand elsewhere */
    B4C_STORED_I4,
    B4C_STORED_OTHER                  /* listed, never readable */
} b4c_stored_type;

#define B4C_STORED_RANK 8

/* One tensor. After b4c_store_open every element lies within [data, data + bytes). */
typedef struct b4c_stored {
    const char *name;                 /* UTF-8 without controls, unique in its store */
    b4c_stored_type type;
    int rank;                         /* 0 .. B4C_STORED_RANK */
    int64_t shape[B4C_STORED_RANK];   /* as it is to be read */
    int64_t stride[B4C_STORED_RANK];  /* elements, >= 0; torch views and transposed matrices */
    const unsigned char *data;        /* in a mapped file or the store's memory; any alignment */
    size_t bytes;                     /* that belong to it in the file */
    /* ONNX integers: value = (q - zero) * scale, one of each a row of `shape`, or one for all */
    const float *quant_scale;         /* [n_quant] */
    const int32_t *quant_zero;        /* [n_quant] */
    int n_quant;                      /* 0: plain */
    /* Codes of a file that `convert` wrote (codes.c): int8 with one scale a row in quant_scale, or
     * I4 with a scale (bf16) and an offset for each 32 of a row, in the order [out, in] whatever
     * the layout's is; and what each column was multiplied by before it was rounded, [cols] powers
     * of two, which reading divides by, or NULL. */
    bool coded;
    const unsigned char *group_scale, *group_offset; /* [rows, cols / 32], of 2 bytes and of 1 */
    const float *columns;
    int paired;                       /* b4c_store_unpair's head, or 0 */
    const char *foreign;              /* OTHER: what the file calls its type, or NULL */
    bool has_checksum;                /* TF1: CRC-32C of data[0 .. bytes) */
    uint32_t checksum;
    int file;                         /* index into the store's files, for messages */
} b4c_stored;

/* What an ONNX graph says of the architecture beyond its tensors' shapes; zero or NULL where it
 * says nothing. */
typedef struct b4c_onnx_facts {
    double epsilon;                   /* of its first norm */
    int head_size;                    /* last axis that queries are reshaped to */
    int heads;                        /* said by fused attention only */
    const char *activation;           /* "gelu" (erf), "gelu_new" (tanh), "relu" */
} b4c_onnx_facts;

typedef struct b4c_store {
    /* "safetensors", "torch", "tf1", "keras" (TF1 names out of an object graph), "hdf5" (the same
     * out of Keras' HDF5), "gguf", "onnx" */
    const char *layout;
    int n;
    b4c_stored *tensor;               /* sorted by name */
    int n_files;
    b4c_file *file;
    char **file_name;
    const char *note;                 /* what is odd in the files but harmless, one line, or NULL */
    b4c_onnx_facts facts;
    struct b4c_store_own *own;        /* memory of names and assembled data */
} b4c_store;

/* Open what `path` names: a folder, a file, or a TF1 prefix (PATH.index exists). In a folder the
 * first of these that is there: model.safetensors, model.safetensors.index.json,
 * pytorch_model.bin, pytorch_model.bin.index.json, model.onnx, onnx/model.onnx, the TF1
 * checkpoint that the file `checkpoint` names, the only *.index, the only *.safetensors, the
 * only *.gguf (split ones count by their first part), the only *.onnx, the only *.weights, *.h5 or
 * *.hdf5. A file's content decides what it is, not its name.
 *
 * Everything is checked: sizes with overflow, ranges within the file, overlaps where the layout
 * has none, duplicate names, a checksum of every block of a TF1 index. Memory beyond the mapping
 * stays within a constant times the size of the files. Opening reads no weights, save TF1
 * variables that are cut in slices, which are put together here. On failure the store is closed. */
int b4c_store_open(b4c_store *, const char *path, b4c_error *);
/* Takes a zeroed or closed store too. */
void b4c_store_close(b4c_store *);
int b4c_store_find(const b4c_store *, const char *name); /* index or -1 */
/* Metadata of a GGUF model, which is its configuration and its tokenizer; NULL in other layouts. */
const struct b4c_gguf *b4c_store_gguf(const b4c_store *);

/* Elements as float, row-major over shape: rows [first, first + rows). A row is all axes but the
 * first; a tensor of rank 0 or 1 is one row. out has rows * b4c_stored_row() places. 64-bit
 * integers and doubles are rounded. The first read of a tensor with a checksum compares it over
 * the whole tensor. Threads may read at once. B4C_E_UNSUPPORTED: type OTHER; B4C_E_FORMAT: the
 * checksum differs. */
int b4c_store_read(const b4c_store *, int tensor, int64_t first, int64_t rows, float *out,
                   b4c_error *);
/* Rows as b4c_store_read counts them, and elements in one. */
int64_t b4c_stored_rows(const b4c_stored *);
int64_t b4c_stored_row(const b4c_stored *);
/* Present a matrix transposed: shape and strides change places, `data` stays. */
void b4c_stored_turn(b4c_stored *);
/* Blocks of numbers: elements in one (1 for plain types), and its bytes. A row of a tensor in
 * blocks is whole blocks, row after row from `data` on, for those who keep them as they are. */
int b4c_stored_block(b4c_stored_type);
size_t b4c_stored_width(b4c_stored_type); /* 0 for OTHER */
/* GGUF's llama keeps queries and keys for rotary positions by neighbours: row i and row half + i of
 * each head stand side by side, at 2i and 2i + 1. After this call b4c_store_read gives that
 * tensor's rows (a vector's elements) in the hub's order; `data` stays. Before threads read.
 * B4C_E_SHAPE: its rows are not heads of `head`, an even number. */
int b4c_store_unpair(b4c_store *, int tensor, int head, b4c_error *);
/* Pages of this tensor will not be needed again. */
void b4c_store_forget(const b4c_store *, int tensor);
const char *b4c_stored_type_name(b4c_stored_type);
#endif
