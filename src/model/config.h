/* config.h - config.json (the hub's) or bert_config.json (Google's, bert4keras's) as a spec. */
#ifndef B4C_MODEL_CONFIG_H
#define B4C_MODEL_CONFIG_H
#include "base/json.h"
#include "model/format/store.h"
#include "model/spec.h"

/* Read and check a spec. `where` names the file in messages. A config without model_type is one of
 * Google's or bert4keras's kind: then the checkpoint's names tell the family (store may be NULL:
 * BERT), and *note says how, a static string; else *note is NULL. */
int b4c_config_read(b4c_spec *, const json_t *config, const b4c_store *store, const char *where,
                    const char **note, b4c_error *);

/* A config for a checkpoint that comes without one, from its tensors' shapes and what an ONNX graph
 * tells. NULL on failure; the caller owns it. */
json_t *b4c_config_guess(const b4c_store *, const char *where, b4c_error *);
/* The same of a GGUF model, whose metadata say it (config_gguf.c); b4c_config_guess comes here. */
json_t *b4c_config_from_gguf(const b4c_store *, b4c_error *);

/* Switches of another family's reference: "t5-pegasus" (bias in cross-attention, scaled output,
 * gelu by erf) for a T5 that its hub folder calls mt5; "bert4keras": the same with the activation
 * that the configuration says. B4C_E_ARG: unknown, or not for this spec. */
int b4c_config_follow(b4c_spec *, const char *as, const char *where, b4c_error *);

/* The config.json of a spec, in the names of the family's own library (config_write.c): reads back
 * to the same spec, save for what `bert4c_as` in it says and b4c_config_follow does. head: the
 * model has its language-model head. NULL: no memory; the caller owns it. */
json_t *b4c_config_write(const b4c_spec *, bool head, b4c_error *);

/* The class of the family's own library, by its name: with its language-model head, without one,
 * with a classifier of texts. NULL: it has none that computes what this library does. */
typedef enum b4c_config_kind {
    B4C_CLASS_WRITES, B4C_CLASS_BARE, B4C_CLASS_CLASSIFIES
} b4c_config_kind;
const char *b4c_config_class(const b4c_spec *, b4c_config_kind);

/* "bert, roformer, ..." */
const char *b4c_architectures(void);
#endif
