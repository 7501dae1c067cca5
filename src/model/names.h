/* names.h - what a checkpoint calls each parameter.
 *
 * A naming is a table from roles to names, for one layout and family; what stands before a name
 * (`bert.`, `roformer.bert.`, nothing) is inferred from the word embedding and reported. Adding a
 * layout is adding a table.
 */
#ifndef B4C_MODEL_NAMES_H
#define B4C_MODEL_NAMES_H
#include "model/format/store.h"
#include "model/network.h"

typedef struct b4c_naming b4c_naming;

typedef struct b4c_mapping {
    const b4c_naming *naming;
    char *prefix, *head_prefix;      /* of the backbone, of the head; malloc'ed */
    bool untied;                     /* the head's own bias goes before the one it may share */
} b4c_mapping;

/* The naming that fits a checkpoint, with its prefixes. B4C_E_MISSING: no table's word embedding is
 * there (the message has the nearest names); B4C_E_FORMAT: there are several backbones. */
int  b4c_mapping_find(b4c_mapping *, const b4c_spec *, const b4c_store *, b4c_error *);
/* The hub's naming of a family, with the prefixes that its models for writing have. */
int  b4c_mapping_hub(b4c_mapping *, const b4c_spec *, b4c_error *);
void b4c_mapping_done(b4c_mapping *);
const char *b4c_naming_name(const b4c_naming *);     /* "hub", "hub-albert", "tf1", ... */

/* Index of the parameter's tensor, or -1. */
int  b4c_mapping_tensor(const b4c_mapping *, const b4c_store *, const b4c_parameter *);
/* Is there any tensor of this role (layer 0)? */
bool b4c_mapping_has(const b4c_mapping *, const b4c_store *, b4c_role, b4c_kind);
/* Has it what gives logits: the head's transform, or for heads that are the embedding alone, the
 * embedding? */
/* Is tensor number `tensor` one that a language-model head would read? */
bool b4c_mapping_is_heads(const b4c_mapping *, const b4c_store *, int tensor);
bool b4c_mapping_has_head(const b4c_mapping *, const b4c_spec *, const b4c_store *);
/* The name it should have, for messages. Returns out. */
const char *b4c_mapping_wanted(const b4c_mapping *, const b4c_parameter *, char *out, size_t room);
/* The name that the hub gives it in a new checkpoint of this spec. Returns out. */
const char *b4c_mapping_new_name(const b4c_mapping *, const b4c_spec *, const b4c_parameter *,
                                 char *out, size_t room);
/* Is the parameter's tensor stored turned: [in, out], or [heads, buckets]? */
bool b4c_mapping_turned(const b4c_mapping *, const b4c_parameter *);
/* Do the parameter's rows stand as rotary positions by neighbours want them (b4c_store_unpair)? */
bool b4c_mapping_paired(const b4c_mapping *, const b4c_parameter *);
/* Where query, key and value are one tensor: which of them this is, 0 to 2; -1: it has a tensor of
 * its own. */
int  b4c_mapping_part(const b4c_mapping *, const b4c_parameter *);
/* A tensor that checkpoints of this kind hold and nobody needs: position_ids, optimiser slots, the
 * next-sentence head. */
bool b4c_name_is_known_extra(const char *name);

/* "'a', 'b', 'c'": the three names of the store that need the fewest edits to become `name`.
 * Returns out. */
const char *b4c_names_nearest(const b4c_store *, const char *name, char *out, size_t room);
/* Does any name contain the text? */
bool b4c_names_any(const b4c_store *, const char *text);
/* The only tensor whose name is `tail` or ends with ".tail" or "/tail"; -1: none, or several. */
int  b4c_names_ending(const b4c_store *, const char *tail);

const char *b4c_role_name(b4c_role);
#endif
