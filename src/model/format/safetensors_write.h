/* safetensors_write.h - the hub's format, written in one pass: the header first, then the tensors'
 * numbers as they come.
 *
 *     b4c_safetensors_out out;
 *     B4C_TRY(b4c_safetensors_begin(&out, path, list, n, err));     sorts the list
 *     for (int i = 0; rc == 0 && i < n; i++)
 *         rc = b4c_safetensors_put(&out, numbers of list[i], how many, err);
 *     if (rc == 0) rc = b4c_safetensors_commit(&out, err);
 *     b4c_safetensors_drop(&out);
 *
 * The file takes its name only when it is whole (b4c_writer). Its bytes are those that the
 * reference implementation writes for the same tensors.
 */
#ifndef B4C_MODEL_FORMAT_SAFETENSORS_WRITE_H
#define B4C_MODEL_FORMAT_SAFETENSORS_WRITE_H
#include "model/format/store.h"

/* A tensor to be written: any plain type (not in blocks, not OTHER). */
typedef struct b4c_tensor_out {
    const char *name; /* UTF-8 */
    b4c_stored_type type;
    int rank;
    int64_t shape[B4C_STORED_RANK];
    const void *tag; /* the caller's own, carried along when the list is sorted */
} b4c_tensor_out;

typedef struct b4c_safetensors_out {
    b4c_writer writer;
    const b4c_tensor_out *tensor; /* [n], the caller's */
    int n, at;                    /* the tensor whose numbers come next */
    uint64_t left;                /* elements of it */
    uint64_t too_large;           /* finite numbers that became infinities: F16 ends at 65504 */
} b4c_safetensors_out;

/* Sorts the list into the order in which its numbers must come (wide types first, so that all are
 * aligned, then by name), which must live until the end, and writes the header. Fails with
 * B4C_E_ARG where two have one name or a shape is none, with B4C_E_IO. */
int b4c_safetensors_begin(b4c_safetensors_out *, const char *path, b4c_tensor_out *list, int n,
                          b4c_error *);
/* The next n elements of the tensor at `at`, which has so many left; its type is F32, F16 or BF16.
 * They are rounded to nearest, ties to even; NaN stays NaN. */
int b4c_safetensors_put(b4c_safetensors_out *, const float *x, uint64_t n, b4c_error *);
/* The same as they are stored: n elements of the tensor's own type, little-endian. */
int b4c_safetensors_put_raw(b4c_safetensors_out *, const void *x, uint64_t n, b4c_error *);
/* All tensors must be complete (assert). On failure nothing is left behind. */
int b4c_safetensors_commit(b4c_safetensors_out *, b4c_error *);
void b4c_safetensors_drop(b4c_safetensors_out *); /* takes a committed or zeroed one too */
#endif
