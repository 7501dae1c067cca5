/* load_parts.h - what matching (load.c) hands to reading (load_read.c). */
#ifndef B4C_MODEL_LOAD_PARTS_H
#define B4C_MODEL_LOAD_PARTS_H
#include "model/load.h"
#include "model/names.h"
#include <stdatomic.h>

/* A parameter, its tensor and its blocks of rows. */
typedef struct b4c_load_item {
    const b4c_parameter *p;
    int tensor;          /* -1: missing, stays zero */
    int at;              /* its first row (or element of a vector) in the tensor */
    int rows;            /* of a block */
    int first_block;     /* number of its first block among all */
    const float *mapped; /* its rows in the file, where they lie there as floats; NULL: not so */
    bool kept;           /* the network will read them there too */
    const float *factor; /* [cols] of its columns, or NULL */
    atomic_int left;     /* blocks not read yet; the last one lets the file's pages go */
} b4c_load_item;

typedef struct b4c_loader {
    b4c_network *net;
    b4c_store *store;
    const b4c_load_options *options;
    b4c_mapping map;
    b4c_parameters list;
    b4c_load_item *item; /* [list.n] */
    int blocks;
    size_t block_bytes;     /* the largest block, as b4c_real */
    atomic_int next;        /* block to be taken */
    atomic_int failed_item; /* lowest item that failed, or list.n */
    b4c_error *lane_error;  /* [lanes] */
    int *lane_item;         /* [lanes] item of that error, or list.n */
    char *lane_memory;      /* [lanes, block_bytes] */
    bool given;             /* factors are those that the file says */
} b4c_loader;

/* Do the rows of a matrix lie one after the other? */
static inline bool b4c_stored_in_order(const b4c_stored *t)
{
    return t->rank == 2 && t->stride[1] == 1 && t->stride[0] == t->shape[1] && !t->paired;
}

/* All tensors that were matched into the network. What was evened out goes to the report. */
int b4c_load_read(b4c_loader *, json_t *report, b4c_error *);
#endif
