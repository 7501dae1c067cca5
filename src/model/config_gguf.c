/* config_gguf.c - a GGUF model's metadata as the config.json that it was made from.
 *
 * Keys begin with the architecture ("llama.block_count"); what the file does not state, tensors
 * tell: the vocabulary, the segments, whether the head is the embedding. Source: llama.cpp,
 * gguf-py/gguf/constants.py.
 */
#include "base/error.h"
#include "base/gguf.h"
#include "model/config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef struct key {
    const char *gguf, *config;
    bool needed;
} key;

static const key numbers[] = {
    { "block_count", "num_hidden_layers", true },
    { "embedding_length", "hidden_size", true },
    { "feed_forward_length", "intermediate_size", true },
    { "attention.head_count", "num_attention_heads", true },
    { "attention.head_count_kv", "num_key_value_heads", false },
    { "attention.key_length", "head_dim", false },
    { "context_length", "max_position_embeddings", false },
};
static const key reals[] = {
    { "attention.layer_norm_epsilon", "layer_norm_eps", false },
    { "attention.layer_norm_rms_epsilon", "rms_norm_eps", false },
    { "rope.freq_base", "rope_theta", false },
};
static const char *const known[] = { "llama", "qwen2", "gpt2", "bert" };

static int read_keys(json_t *config, const b4c_gguf *g, const char *family, b4c_error *err)
{
    char name[128];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value;
        snprintf(name, sizeof name, "%s.%s", family, numbers[i].gguf);
        const int found = b4c_gguf_int(g, name, 1, INT_MAX, &value, err);
        B4C_TRY(found);
        if (!found && numbers[i].needed)
            return b4c_fail(err, B4C_E_MISSING,
                            "%s: the key '%s' is missing; is this a whole model?", g->where, name);
        if (found) json_object_set_new(config, numbers[i].config, json_integer(value));
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        double value;
        snprintf(name, sizeof name, "%s.%s", family, reals[i].gguf);
        const int found = b4c_gguf_real(g, name, &value, err);
        B4C_TRY(found);
        if (found) json_object_set_new(config, reals[i].config, json_real(value));
    }
    b4c_span scaling;
    snprintf(name, sizeof name, "%s.rope.scaling.type", family);
    const int found = b4c_gguf_text(g, name, &scaling, err);
    B4C_TRY(found);
    if (found && !b4c_span_is(scaling, "none"))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: %s is '%.*s', bert4c knows 'none'", g->where,
                        name, B4C_SPAN_ARG(scaling));
    return 0;
}

static int rows_of(const b4c_store *store, const char *tensor)
{
    const int i = b4c_store_find(store, tensor);
    if (i < 0 || store->tensor[i].rank != 2 || store->tensor[i].shape[0] > INT_MAX) return 0;
    return (int)store->tensor[i].shape[0];
}

json_t *b4c_config_from_gguf(const b4c_store *store, b4c_error *err)
{
    const b4c_gguf *g = b4c_store_gguf(store);
    b4c_span family = b4c_span_of("");
    const int found = b4c_gguf_text(g, "general.architecture", &family, err);
    if (found < 0) return NULL;
    const char *type = NULL;
    for (size_t i = 0; found && i < sizeof known / sizeof *known; i++)
        if (b4c_span_is(family, known[i])) type = known[i];
    if (!type) {
        b4c_fail(err, B4C_E_UNSUPPORTED,
                 "%s: general.architecture is '%.*s', known are llama, qwen2, gpt2, bert", g->where,
                 B4C_SPAN_ARG(family));
        return NULL;
    }
    json_t *config = json_object();
    json_object_set_new(config, "model_type", json_string(type));
    json_object_set_new(config, "vocab_size", json_integer(rows_of(store, "token_embd.weight")));
    const int segments = rows_of(store, "token_types.weight");
    if (segments) json_object_set_new(config, "type_vocab_size", json_integer(segments));
    json_object_set_new(config, "tie_word_embeddings",
                        json_boolean(b4c_store_find(store, "output.weight") < 0));
    if (read_keys(config, g, type, err) == 0) return config;
    json_decref(config);
    return NULL;
}
