/* load.h - a checkpoint into a network. */
#ifndef B4C_MODEL_LOAD_H
#define B4C_MODEL_LOAD_H
#include "base/json.h"
#include "model/format/store.h"
#include "model/network.h"

typedef struct b4c_load_options {
    b4c_dtype dtype;         /* F32, BF16, I8 */
    bool need_head;          /* the masked-LM head is wanted; its absence is an error */
    bool allow_missing;      /* what is missing is zero, and reported */
    bool check_numbers;      /* NaN and infinity are errors */
    int threads;             /* >= 1 */
    /* For training: F32 or BF16 with masters and gradient slots, nothing left in the file; a
     * pooler where it is wanted, and a classifier. What of pooler, classifier and head is not in
     * the file is zero and marked `missing` in *list, which the caller frees. NULL: not so. */
    const b4c_network_options *trained;
    b4c_parameters *list;
} b4c_load_options;

typedef struct b4c_loaded {
    bool head_in_file;       /* whether or not it was wanted */
    bool keeps_store;        /* the token table lies in the store's mapped file: close it last */
} b4c_loaded;

/* Every parameter of the spec found, checked, read in blocks, packed. The store's matrices may be
 * turned (shape and stride exchanged). `report` (an object) receives names, tensors, unexpected,
 * missing, padding. Memory beyond the network: some 300 KB a thread. On failure the network is
 * empty. */
int b4c_network_load(b4c_network *, b4c_store *, const b4c_spec *, const b4c_load_options *,
                     b4c_loaded *, json_t *report, b4c_error *);
#endif
