/* gguf.h - the container of llama.cpp's models: typed metadata, and where each tensor stands.
 *
 *     b4c_gguf g;
 *     B4C_TRY(b4c_gguf_open(&g, bytes, path, err));
 *     b4c_gguf_value tokens;
 *     b4c_span token;
 *     if (b4c_gguf_array(&g, "tokenizer.ggml.tokens", B4C_GGUF_STRING, &tokens, err) > 0)
 *         while (b4c_gguf_next_text(&tokens, &token)) ...
 *
 * Everything is checked when it is opened, so reading a value cannot fail; nothing is copied: the
 * bytes must live as long as what is read from them. Texts are as the file has them: with NULs
 * inside, perhaps, and not always UTF-8.
 */
#ifndef B4C_BASE_GGUF_H
#define B4C_BASE_GGUF_H
#include "base/error.h"
#include "base/span.h"

/* As the file numbers them. */
typedef enum b4c_gguf_kind {
    B4C_GGUF_U8, B4C_GGUF_I8, B4C_GGUF_U16, B4C_GGUF_I16, B4C_GGUF_U32, B4C_GGUF_I32,
    B4C_GGUF_F32, B4C_GGUF_BOOL, B4C_GGUF_STRING, B4C_GGUF_ARRAY, B4C_GGUF_U64, B4C_GGUF_I64,
    B4C_GGUF_F64
} b4c_gguf_kind;

typedef struct b4c_gguf_value {
    b4c_gguf_kind kind; /* of the elements, never ARRAY */
    bool array;
    uint64_t count;     /* of elements; 1 unless it is an array */
    b4c_span bytes;     /* of all elements */
} b4c_gguf_value;

typedef struct b4c_gguf_pair {
    b4c_span key;
    b4c_gguf_value value;
} b4c_gguf_pair;

#define B4C_GGUF_RANK 4

typedef struct b4c_gguf_tensor {
    b4c_span name;
    int rank;
    uint64_t extent[B4C_GGUF_RANK]; /* as the file has them: the fastest first */
    uint32_t type;                  /* ggml's number */
    uint64_t offset;                /* from the file's `data`, a multiple of `alignment` */
} b4c_gguf_tensor;

typedef struct b4c_gguf {
    const char *where;
    uint32_t version; /* 2 or 3 */
    size_t n;
    b4c_gguf_pair *pair; /* ascending by key */
    size_t n_tensors;
    b4c_gguf_tensor *tensor; /* in the file's order */
    size_t data;             /* where tensors begin; within the file */
    uint64_t alignment;
} b4c_gguf;

bool b4c_gguf_is(b4c_span file);
/* `where` names the file in messages and must live as long as the result. Checks all but tensors'
 * types, names and ends, which their reader knows. Memory: a constant times the file. After
 * failure there is nothing to free. */
int b4c_gguf_open(b4c_gguf *, b4c_span file, const char *where, b4c_error *);
void b4c_gguf_done(b4c_gguf *); /* takes a zeroed one too */

/* NULL: there is no such key. */
const b4c_gguf_value *b4c_gguf_find(const b4c_gguf *, const char *key);

/* Typed access. 1: found and set; 0: absent, *out untouched; negative: of another type or out of
 * range, with a message that names the file and the key. */

/* Of any integer type. */
int b4c_gguf_int(const b4c_gguf *, const char *key, int64_t low, int64_t high, int64_t *out,
                 b4c_error *);
/* Of any type of number. NaN and infinity are refused. */
int b4c_gguf_real(const b4c_gguf *, const char *key, double *out, b4c_error *);
int b4c_gguf_bool(const b4c_gguf *, const char *key, bool *out, b4c_error *);
int b4c_gguf_text(const b4c_gguf *, const char *key, b4c_span *out, b4c_error *);
/* wanted: STRING; I64, for integers of any type or booleans; F64, for any numbers. */
int b4c_gguf_array(const b4c_gguf *, const char *key, b4c_gguf_kind wanted, b4c_gguf_value *out,
                   b4c_error *);

/* Element i of an array of integers or booleans; those beyond 2^63 - 1 count as that. */
int64_t b4c_gguf_int_at(const b4c_gguf_value *, uint64_t i);
/* Element i of an array of numbers, NaN as it is. */
double b4c_gguf_real_at(const b4c_gguf_value *, uint64_t i);
/* The next string off the front of an array of them, which it shortens; false: it is empty. */
bool b4c_gguf_next_text(b4c_gguf_value *rest, b4c_span *text);
#endif
