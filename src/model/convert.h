/* convert.h - a checkpoint of any layout into the hub's: model.safetensors. */
#ifndef B4C_MODEL_CONVERT_H
#define B4C_MODEL_CONVERT_H
#include "base/json.h"
#include "model/load.h"

/* Of the tensors that hold codes of int8 and int4, as config.json states it. An older one is read
 * as long as there are readers for it here; a newer one is refused. */
enum { B4C_CODES_FORMAT = 1 };

typedef struct b4c_conversion {
    b4c_dtype dtype;         /* F32, BF16, I8, I4 */
    bool classifier;         /* its configuration says that "classifier" is one of texts */
    int threads;             /* >= 1 */
    /* Ids of the tokens that are kept, in their new order, or NULL: all. The token table, a head
     * and its bias have their rows alone; tensors that the spec does not know and that have a row
     * for each token are dropped. */
    const int32_t *keep;
    int n_keep;
    /* Bytes written so far of all; another answer than 0 ends it with B4C_E_STOPPED. May be NULL */
    int (*progress)(void *arg, int64_t done, int64_t total);
    void *arg;
} b4c_conversion;

/* All tensors of the store that the spec knows, and, where its names are the hub's already, those
 * that it does not know, into the safetensors file `path`: under the names that the hub gives them,
 * in its orientation. What the dtype holds is stored in it (matrices, the token table; of I8 and I4
 * matrices as codes.c says, the table as BF16), the rest as F32, so that the file opened in this
 * dtype gives the network that the store does, to the bit. *head: it has a head for logits. report
 * (an object) receives "tensors" (name, shape, type, bytes, and of those that were rounded the root
 * mean square and the largest error, relative to the tensor's own), "dropped", "bytes_before",
 * "bytes_after". B4C_E_NUMBER: NaN or infinity. */
int b4c_convert_weights(const char *path, b4c_store *, const b4c_spec *, const b4c_conversion *,
                        bool *head, json_t *report, b4c_error *);
#endif
