/* convert_parts.h - what listing a conversion's tensors (convert.c) hands to writing them
 * (convert_put.c). */
#ifndef B4C_MODEL_CONVERT_PARTS_H
#define B4C_MODEL_CONVERT_PARTS_H
#include "model/convert.h"
#include "model/format/safetensors_write.h"

enum { B4C_CONVERT_NAME = 512, B4C_CONVERT_PARTS = 3, B4C_CONVERT_BLOCK = 1 << 16 };

typedef enum b4c_converted_what {
    B4C_OUT_VALUES,                  /* of parameters */
    B4C_OUT_CODES, B4C_OUT_SCALES,   /* of a matrix in int8 or int4 */
    B4C_OUT_OFFSETS, B4C_OUT_SHAPE,  /* int4 */
    B4C_OUT_COLUMNS,                 /* where columns were evened out */
    B4C_OUT_OTHERS                   /* a tensor that the spec does not know, as it is */
} b4c_converted_what;

/* A tensor to be written. */
typedef struct b4c_converted {
    char name[B4C_CONVERT_NAME];
    b4c_converted_what what;
    /* parameters, one below the other; OTHERS: part[0] is a tensor */
    int part[B4C_CONVERT_PARTS], parts;
    int rows, cols;          /* of all parts, [out, in]; vectors [1, n] */
    bool turned, vector, table;
    double square, square_off, largest, largest_off; /* of the values, and of what rounding moved */
} b4c_converted;

typedef struct b4c_converter {
    b4c_store *store;
    const b4c_conversion *how;
    b4c_network net;
    b4c_matching m;
    bool keep_names;         /* they are the hub's already */
    b4c_converted *out;
    int n, room;
    float *values, *rounded; /* [B4C_CONVERT_BLOCK or the widest row] */
    int8_t *codes;
    b4c_safetensors_out file;
    int64_t done, total;
} b4c_converter;

static inline const b4c_weight *b4c_converted_weight(const b4c_converter *c, const b4c_converted *o)
{
    return c->m.list.item[o->part[0]].weight;
}

/* Is it of a matrix of 4-bit codes? */
static inline bool b4c_converted_is_packed(const b4c_converter *c, const b4c_converted *o)
{
    return o->what != B4C_OUT_VALUES && o->what != B4C_OUT_OTHERS &&
           b4c_converted_weight(c, o)->packed.dtype == B4C_I4;
}

/* Does the dtype hold it in its own type? */
static inline bool b4c_converted_is_narrow(const b4c_converter *c, const b4c_converted *o)
{
    const b4c_parameter *p = &c->m.list.item[o->part[0]];
    const bool matrix = p->kind == B4C_KIND_MATRIX && p->role != B4C_ROLE_CLASSIFIER;
    return c->how->dtype != B4C_F32 && (o->table || (matrix && c->how->dtype == B4C_BF16));
}

/* Are only some rows (elements of a vector) written of a parameter, those of tokens that are kept?
 * And how many rows are written of it. */
static inline bool b4c_converted_some(const b4c_converter *c, const b4c_parameter *p)
{
    return c->how->keep && (p->role == B4C_ROLE_TOKEN || p->role == B4C_ROLE_HEAD_OUT ||
                            p->role == B4C_ROLE_HEAD_BIAS);
}
static inline int b4c_converted_rows(const b4c_converter *c, const b4c_parameter *p)
{
    if (b4c_converted_some(c, p)) return c->how->n_keep;
    return p->kind == B4C_KIND_BIAS || p->kind == B4C_KIND_GAIN ? p->cols : p->rows;
}

/* The next tensor of the file, whose type is `type`. */
int b4c_convert_put(b4c_converter *, b4c_converted *, b4c_stored_type type, b4c_error *);
#endif
