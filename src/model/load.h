/* load.h - a checkpoint into a network. */
#ifndef B4C_MODEL_LOAD_H
#define B4C_MODEL_LOAD_H
#include "base/json.h"
#include "model/format/store.h"
#include "model/names.h"

/* Where a parameter stands in the store, once its tensor was turned as the parameter wants it. */
typedef struct b4c_matched {
    int tensor;              /* -1: it is missing */
    int at;                  /* its first row (of a vector: element) in that tensor */
} b4c_matched;

typedef struct b4c_matching {
    b4c_parameters list;     /* of the network, which must live as long */
    b4c_matched *item;       /* [list.n] */
    b4c_mapping map;
} b4c_matching;
void b4c_matching_done(b4c_matching *);      /* convert.c; takes a zeroed one too */

typedef struct b4c_load_options {
    b4c_dtype dtype;         /* F32, BF16, I8 */
    bool need_head;          /* the masked-LM head is wanted; its absence is an error */
    bool classifier;         /* the classifier is wanted, where there is one */
    bool allow_missing;      /* what is missing is zero, and reported */
    bool check_numbers;      /* NaN and infinity are errors */
    int threads;             /* >= 1 */
    /* For training: F32 or BF16 with masters and gradient slots, nothing left in the file; a
     * pooler where it is wanted, and a classifier. What of pooler, classifier and head is not in
     * the file is zero and marked `missing` in *list, which the caller frees. NULL: not so. */
    const b4c_network_options *trained;
    b4c_parameters *list;
    /* For those who write a checkpoint from another: what is where, the caller's to free. Not with
     * `list`. unread: nothing is read or packed, the network stays as it was made. */
    b4c_matching *matching;
    bool unread;
} b4c_load_options;

typedef struct b4c_loaded {
    bool head_in_file;       /* whether or not it was wanted */
    bool keeps_store;        /* the token table lies in the store's mapped file: close it last */
} b4c_loaded;

/* Rows of the checkpoint's token table, whatever the spec says. Errors are b4c_mapping_find's. */
int b4c_store_tokens(const b4c_store *, const b4c_spec *, int64_t *rows, b4c_error *);
/* Has the checkpoint a head that gives logits? Errors are b4c_mapping_find's. */
int b4c_store_has_head(const b4c_store *, const b4c_spec *, bool *has, b4c_error *);

/* Every parameter of the spec found, checked, read in blocks, packed. The store's matrices may be
 * turned (shape and stride exchanged). `report` (an object) receives names, tensors, unexpected,
 * missing, padding. Memory beyond the network: some 300 KB a thread. On failure the network is
 * empty. */
int b4c_network_load(b4c_network *, b4c_store *, const b4c_spec *, const b4c_load_options *,
                     b4c_loaded *, json_t *report, b4c_error *);
#endif
