/* codes.h - int4 matrices in safetensors: their groups. Layout: codes.c. */
#ifndef B4C_MODEL_FORMAT_CODES_H
#define B4C_MODEL_FORMAT_CODES_H
#include "math/kernels.h"
#include "model/format/store.h"

/* Words of eight codes in a row of so many columns, and groups. */
static inline int b4c_code_words(int cols) { return (cols + 7) / 8; }
static inline int b4c_code_groups(int cols) { return (cols + B4C_GROUP - 1) / B4C_GROUP; }

/* The group of `row` that begins at column c of a tensor of type I4. */
void b4c_stored_group(const b4c_stored *, int64_t row, int c, b4c_int4_group *);
/* Its codes into a row of words, which has room for whole groups. */
void b4c_codes_put(const b4c_int4_group *, int c, unsigned char *words);
#endif
