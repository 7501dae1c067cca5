/* place.h - where a model's parts are: its weights, its configuration, its settings. */
#ifndef B4C_API_PLACE_H
#define B4C_API_PLACE_H
#include "base/json.h"
#include "embed/settings.h"
#include "model/format/store.h"
#include "model/spec.h"

typedef struct b4c_place {
    const char *weights;         /* what b4c_store_open gets; the caller's path or the settings' */
    char *folder;                /* of the configuration and the tokenizer */
    bool is_folder;
} b4c_place;

/* Of a folder, a file, or a TF1 prefix; the settings are read on the way, and must stay. */
int  b4c_place_find(b4c_place *, b4c_embed_settings *, const char *path, b4c_error *);
void b4c_place_done(b4c_place *);
/* The spec of the checkpoint. `as`: b4c_model_options. *kept: the configuration that was read or
 * made, the caller's also on failure; *length: positions that it states, or 0. */
int  b4c_place_config(const b4c_place *, const b4c_store *, const char *as, b4c_spec *,
                      json_t **kept, json_t *report, int *length, b4c_error *);
/* Threads that reading weights can use. */
int  b4c_load_threads(void);
#endif
