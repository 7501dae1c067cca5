/* save.h - a trained network into a checkpoint of the hub's layout. */
#ifndef B4C_MODEL_SAVE_H
#define B4C_MODEL_SAVE_H
#include "model/format/store.h"
#include "model/names.h"

/* The name of a parameter's tensor, into out. */
typedef const char *(*b4c_save_name_fn)(void *arg, const b4c_parameter *, char *out, size_t room);

/* All parameters of `list`, whose network has masters, into the safetensors file `path`, which
 * takes that name only when it is whole. The mapping says which stand turned, and which are parts
 * of one tensor; NULL name: what the mapping calls them. type: F32, BF16, F16. */
int b4c_network_save(const char *path, const b4c_parameters *list, const b4c_mapping *,
                     b4c_save_name_fn name, void *arg, b4c_stored_type type, b4c_error *);
#endif
