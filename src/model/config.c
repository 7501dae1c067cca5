/* config.c - from the keys of a configuration to a spec.
 *
 * The idea: a family is a row, what holds unless the file says otherwise; the keys that mean the
 * same under several names are one table for all families. What a config asks for and bert4c does
 * not do is refused, never ignored.
 */
#include "model/config.h"
#include "base/error.h"
#include "model/names.h"
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* What families share. */
#define COMMON                                                                        \
    .embedding_scale = 1, .output_scale = 1, .norm_gain = true, .rotary_base = 10000, \
    .bucket_distance = 128, .relative_max = 64
#define BIASED .norm_bias = true, .qkv_bias = true, .out_bias = true, .ffn_bias = true
#define BERT_LIKE                                                                        \
    COMMON, BIASED, .scaled = true, .segments = 2, .eps = 1e-12, .embedding_norm = true, \
                    .pooler = true, .tied = true, .head = B4C_HEAD_TRANSFORM, .head_bias = true
#define GPT_LIKE                                                                    \
    COMMON, BIASED, .scaled = true, .positions = B4C_POSITION_LEARNED, .eps = 1e-5, \
                    .act = B4C_ACT_GELU_TANH, .causal = true, .tied = true
#define T5_LIKE                                                                \
    COMMON, .positions = B4C_POSITION_BUCKETS, .buckets = 32, .head_size = 64, \
            .norm = B4C_NORM_RMS, .eps = 1e-6, .pre_norm = true, .final_norm = true
#define BART_LIKE                                                                   \
    COMMON, BIASED, .scaled = true, .eps = 1e-5, .act = B4C_ACT_GELU, .tied = true, \
                    .head_bias = true
#define LLAMA_LIKE                                                                     \
    COMMON, .scaled = true, .positions = B4C_POSITION_ROTARY, .position_halves = true, \
            .norm = B4C_NORM_RMS, .eps = 1e-6, .pre_norm = true, .final_norm = true,   \
            .act = B4C_ACT_SILU, .gated = true, .causal = true

typedef struct family {
    bool factorised; /* its embedding_size means a factorised embedding */
    bool two_stacks;
    b4c_spec base;
} family;

static const family families[] = {
    { .factorised = true,
      .base = { "bert", BERT_LIKE, .positions = B4C_POSITION_LEARNED, .act = B4C_ACT_GELU } },
    { .factorised = true,
      .base = { "roformer", BERT_LIKE, .positions = B4C_POSITION_ROTARY, .act = B4C_ACT_GELU } },
    { .factorised = true,
      .base = { "albert", BERT_LIKE, .positions = B4C_POSITION_LEARNED, .act = B4C_ACT_GELU_TANH,
                .embedding_width = 128, .shared_layers = true } },
    /* Published NEZHA configs state an embedding_size that means nothing. */
    { .base = { "nezha", BERT_LIKE, .positions = B4C_POSITION_NEZHA, .act = B4C_ACT_GELU } },
    { .base = { "gpt2", GPT_LIKE, .pre_norm = true, .final_norm = true } },
    { .base = { "openai-gpt", GPT_LIKE } },
    { .two_stacks = true, .base = { "t5", T5_LIKE, .act = B4C_ACT_RELU, .tied = true } },
    { .two_stacks = true, .base = { "mt5", T5_LIKE, .act = B4C_ACT_GELU_TANH, .gated = true } },
    { .two_stacks = true,
      .base = { "bart", BART_LIKE, .positions = B4C_POSITION_LEARNED, .position_offset = 2,
                .embedding_norm = true } },
    { .two_stacks = true,
      .base = { "pegasus", BART_LIKE, .positions = B4C_POSITION_SINUSOIDAL, .position_halves = true,
                .pre_norm = true, .final_norm = true } },
    { .base = { "llama", LLAMA_LIKE } },
    { .base = { "qwen2", LLAMA_LIKE, .qkv_bias = true } },
};
enum { FAMILIES = sizeof families / sizeof *families };

/* Numbers, by the names the families give them. */
typedef struct number {
    const char *key[4];
    size_t at; /* of an int in b4c_spec */
    int low, high;
} number;
#define AT(field) offsetof(b4c_spec, field)
static const number numbers[] = {
    { { "vocab_size" }, AT(vocabulary), 1, INT_MAX },
    { { "hidden_size", "n_embd", "d_model" }, AT(width), 1, INT_MAX },
    { { "num_hidden_layers", "n_layer", "num_layers", "encoder_layers" }, AT(layers), 1, INT_MAX },
    { { "num_attention_heads", "n_head", "num_heads", "encoder_attention_heads" },
      AT(heads),
      1,
      INT_MAX },
    { { "num_key_value_heads" }, AT(kv_heads), 1, INT_MAX },
    { { "attention_head_size", "head_dim", "d_kv" }, AT(head_size), 1, INT_MAX },
    { { "intermediate_size", "n_inner", "d_ff", "encoder_ffn_dim" }, AT(inner), 1, INT_MAX },
    { { "type_vocab_size" }, AT(segments), 0, INT_MAX },
    { { "max_position_embeddings", "n_positions", "n_ctx" }, AT(max_positions), 1, INT_MAX },
    { { "max_relative_position" }, AT(relative_max), 1, INT_MAX },
    { { "relative_attention_num_buckets" }, AT(buckets), 1, INT_MAX },
    { { "relative_attention_max_distance" }, AT(bucket_distance), 1, INT_MAX },
};
typedef struct real_key {
    const char *key[3];
    size_t at;
} real_key;
static const real_key reals[] = {
    { { "layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps" }, AT(eps) },
    { { "rope_theta" }, AT(rotary_base) },
};
typedef struct flag {
    const char *key;
    size_t at;
} flag;
static const flag flags[] = {
    { "tie_word_embeddings", AT(tied) },
    { "rotary_value", AT(rotate_values) },
};

const char *b4c_architectures(void)
{
    return "bert, roformer, albert, nezha, gpt2, openai-gpt, t5, mt5, bart, pegasus, llama, qwen2";
}

static int read_numbers(b4c_spec *s, const json_t *config, const char *where, b4c_error *err)
{
    char *base = (char *)s;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (int k = 0; k < 4 && numbers[i].key[k]; k++) {
            long long value;
            const int found = b4c_json_int(config, numbers[i].key[k], numbers[i].low,
                                           numbers[i].high, &value, where, err);
            B4C_TRY(found);
            if (found == 0) continue;
            *(int *)(void *)(base + numbers[i].at) = (int)value;
            break;
        }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        for (int k = 0, found = 0; k < 3 && reals[i].key[k] && !found; k++) {
            found = b4c_json_real(config, reals[i].key[k], (double *)(void *)(base + reals[i].at),
                                  where, err);
            B4C_TRY(found);
        }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        B4C_TRY(
            b4c_json_bool(config, flags[i].key, (bool *)(void *)(base + flags[i].at), where, err));
    return 0;
}

static int activation(const char *name, b4c_act *act, const char *where, b4c_error *err)
{
    static const struct {
        const char *name;
        b4c_act act;
    } known[] = {
        { "gelu", B4C_ACT_GELU },
        { "gelu_python", B4C_ACT_GELU },
        { "gelu_new", B4C_ACT_GELU_TANH },
        { "gelu_fast", B4C_ACT_GELU_TANH },
        { "gelu_pytorch_tanh", B4C_ACT_GELU_TANH },
        { "relu", B4C_ACT_RELU },
        { "silu", B4C_ACT_SILU },
        { "swish", B4C_ACT_SILU },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *act = known[i].act;
            return 0;
        }
    return b4c_fail(err, B4C_E_UNSUPPORTED,
                    "%s: activation '%s', known are gelu, gelu_new, relu, silu", where, name);
}

/* "gelu"; ["gelu", "linear"], bert4keras's gated form; T5's "gated-gelu", by which the tanh form is
 * meant. */
static int read_activation(b4c_spec *s, const json_t *config, const char *where, b4c_error *err)
{
    static const char *const keys[] = { "hidden_act", "activation_function", "afn",
                                        "dense_act_fn" };
    const json_t *pair = json_object_get(config, "hidden_act");
    const char *name = NULL;
    if (json_is_array(pair)) {
        const char *second = json_string_value(json_array_get(pair, 1));
        name = json_string_value(json_array_get(pair, 0));
        if (json_array_size(pair) != 2 || !name || !second || strcmp(second, "linear") != 0)
            return b4c_fail(err, B4C_E_UNSUPPORTED,
                            "%s: hidden_act is a list other than [ACTIVATION, \"linear\"]", where);
        s->gated = true;
        return activation(name, &s->act, where, err);
    }
    B4C_TRY(b4c_json_text(config, "feed_forward_proj", &name, where, err));
    if (name) {
        s->gated = strncmp(name, "gated-", 6) == 0;
        if (s->gated) name += 6;
        return activation(s->gated && strcmp(name, "gelu") == 0 ? "gelu_new" : name, &s->act, where,
                          err);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !name; i++)
        B4C_TRY(b4c_json_text(config, keys[i], &name, where, err));
    if (!name) return 0;
    /* "gelu" is the exact form everywhere but in the first GPT, whose code knows only the other. */
    if (strcmp(s->architecture, "openai-gpt") == 0 && strcmp(name, "gelu") == 0) name = "gelu_new";
    return activation(name, &s->act, where, err);
}

/* Keys that change the computation in ways bert4c does not follow. */
static int refuse_unsupported(const json_t *config, const char *where, b4c_error *err)
{
    static const char *const only_one[] = { "num_hidden_groups", "inner_group_num" };
    const char *kind = NULL;
    bool on = false;
    long long groups = 1;
    B4C_TRY(b4c_json_text(config, "position_embedding_type", &kind, where, err));
    if (kind && strcmp(kind, "absolute") != 0 && strcmp(kind, "rotary") != 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: position_embedding_type is '%s', bert4c knows 'absolute'", where,
                        kind);
    B4C_TRY(b4c_json_bool(config, "add_cross_attention", &on, where, err));
    if (on)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: add_cross_attention is on: this is half of a two-part model", where);
    for (size_t i = 0; i < sizeof only_one / sizeof *only_one; i++) {
        B4C_TRY(b4c_json_int(config, only_one[i], 1, INT_MAX, &groups, where, err));
        if (groups != 1)
            return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: %s is %lld, bert4c does 1", where,
                            only_one[i], groups);
    }
    if (json_object_size(json_object_get(config, "pruned_heads")) > 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: pruned_heads is not empty", where);
    const char *rope = NULL;
    const json_t *rotary = json_object_get(config, "rope_parameters");
    if (json_is_object(rotary)) B4C_TRY(b4c_json_text(rotary, "rope_type", &rope, where, err));
    if (rope && strcmp(rope, "default") != 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: rope_parameters: rope_type is '%s', bert4c knows 'default'", where,
                        rope);
    const json_t *scaling = json_object_get(config, "rope_scaling");
    if (scaling && !json_is_null(scaling))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: rope_scaling is set", where);
    return 0;
}

/* RoFormer-V2: norms without mean, gain and bias, no bias anywhere, a head that is the embedding
 * alone. */
static void strip(b4c_spec *s)
{
    s->norm = B4C_NORM_RMS;
    s->norm_gain = s->norm_bias = s->qkv_bias = s->out_bias = s->ffn_bias = s->head_bias =
        s->pooler = false;
    s->head = B4C_HEAD_PLAIN;
}

/* T5 as bert4keras computes it, whose checkpoints come without model_type (docs/models.md): the
 * decoder's distances count in cross-attention, and the head's input is scaled, tied or not. */
static void follow_bert4keras(b4c_spec *s, const b4c_store *store)
{
    s->cross_bias = true;
    s->output_scale = 1 / sqrt(s->width);
    if (store) s->tied = !b4c_names_any(store, "decoder/logits");
}

int b4c_config_follow(b4c_spec *s, const char *as, const char *where, b4c_error *err)
{
    const bool t5 = s->decoder_layers && s->positions == B4C_POSITION_BUCKETS;
    const bool pegasus = strcmp(as, "t5-pegasus") == 0;
    if (!pegasus && strcmp(as, "bert4keras") != 0)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: computing as '%s', known are t5-pegasus and bert4keras", where, as);
    if (!t5)
        return b4c_fail(err, B4C_E_ARG, "%s: a '%s' cannot be computed as %s, wanted mt5", where,
                        s->architecture, as);
    s->cross_bias = true;
    s->output_scale = 1 / sqrt(s->width);
    if (pegasus) s->act = s->head_act = B4C_ACT_GELU;
    return 0;
}

/* The family of a checkpoint whose config does not say it, by what its variables are called and
 * which are there. */
static const char *told_by_names(const json_t *config, const b4c_store *store, const char **note)
{
    *note = "the config has no model_type: taken for BERT by its variables";
    if (!store) return "bert";
    if (json_is_true(json_object_get(config, "use_relative_position"))) {
        *note = "the config has no model_type: taken for NEZHA because of use_relative_position";
        return "nezha";
    }
    if (b4c_names_any(store, "group_0/inner_group_0/")) {
        *note = "the config has no model_type: taken for ALBERT by its variables";
        return "albert";
    }
    if (b4c_names_any(store, "/SelfAttention/"))
        return b4c_names_any(store, "/wi_0") ? "mt5" : "t5";
    if (b4c_names_any(store, "/input/LayerNorm")) return "gpt2";
    if (b4c_names_any(store, "gpt/transformer/")) return "openai-gpt";
    if (!b4c_names_any(store, "position_embeddings")) {
        *note = "the config has no model_type: taken for RoFormer because the checkpoint has no "
                "position table";
        return "roformer";
    }
    return "bert";
}

static const family *find_family(const json_t *config, const b4c_store *store, const char *where,
                                 const char **note, b4c_error *err)
{
    const char *type = NULL;
    bool relative = false;
    *note = NULL;
    if (b4c_json_text(config, "model_type", &type, where, err) < 0) return NULL;
    if (b4c_json_bool(config, "use_relative_position", &relative, where, err) < 0) return NULL;
    if (type && relative && strcmp(type, "bert") == 0) type = "nezha";
    if (!type) type = told_by_names(config, store, note);
    for (int i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].base.architecture, type) == 0) return &families[i];
    b4c_fail(err, B4C_E_UNSUPPORTED, "%s: model_type is '%s', known are %s", where, type,
             b4c_architectures());
    return NULL;
}

/* T5EncoderModel, MT5EncoderModel: what sentence-t5 and text encoders of image models are. */
static bool is_encoder_alone(const b4c_spec *s, const json_t *config)
{
    const char *class =
        json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    return s->positions == B4C_POSITION_BUCKETS && class &&
           (!strcmp(class, "T5EncoderModel") || !strcmp(class, "MT5EncoderModel"));
}

int b4c_config_read(b4c_spec *s, const json_t *config, const b4c_store *store, const char *where,
                    const char **note, b4c_error *err)
{
    if (!json_is_object(config)) return b4c_fail(err, B4C_E_FORMAT, "%s: not a JSON object", where);
    const family *f = find_family(config, store, where, note, err);
    if (!f) return err && err->code ? err->code : B4C_E_UNSUPPORTED;
    *s = f->base;
    B4C_TRY(refuse_unsupported(config, where, err));
    B4C_TRY(read_numbers(s, config, where, err));
    if (json_is_object(json_object_get(config, "rope_parameters")))
        B4C_TRY(b4c_json_real(json_object_get(config, "rope_parameters"), "rope_theta",
                              &s->rotary_base, where, err));
    B4C_TRY(read_activation(s, config, where, err));
    if (*note && f->two_stacks) follow_bert4keras(s, store);
    static const struct {
        const char *key;
        size_t at;
    } needed[] = {
        { "vocab_size", AT(vocabulary) },    { "hidden_size", AT(width) },
        { "num_hidden_layers", AT(layers) }, { "num_attention_heads", AT(heads) },
        { "intermediate_size", AT(inner) },
    };
    if (s->inner == 0 && s->causal && s->width <= INT_MAX / 4)
        s->inner = 4 * s->width; /* GPT-2's "n_inner": null */
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (*(const int *)(const void *)((const char *)s + needed[i].at) == 0)
            return b4c_fail(err, B4C_E_MISSING,
                            "%s: '%s' is missing; is this the model's configuration?", where,
                            needed[i].key);
    if (s->head_size == 0) {
        if (s->width % s->heads)
            return b4c_fail(err, B4C_E_FORMAT, "%s: hidden size %d is not a multiple of %d heads",
                            where, s->width, s->heads);
        s->head_size = s->width / s->heads;
    }
    if (s->kv_heads == 0) s->kv_heads = s->heads;
    if (f->base.segments == 0) s->segments = 0;
    s->head_act = s->act;

    long long embedding = s->embedding_width ? s->embedding_width : s->width, decoder = s->layers;
    if (f->factorised)
        B4C_TRY(b4c_json_int(config, "embedding_size", 1, INT_MAX, &embedding, where, err));
    s->embedding_width = (int)embedding;
    /* Google's ALBERT has no projection where it would change no width. */
    s->always_projects = !strcmp(s->architecture, "albert") &&
                         (!store || b4c_names_any(store, "embedding_hidden_mapping_in"));
    B4C_TRY(b4c_json_int(config, "num_decoder_layers", 1, INT_MAX, &decoder, where, err));
    B4C_TRY(b4c_json_int(config, "decoder_layers", 1, INT_MAX, &decoder, where, err));
    s->decoder_layers = f->two_stacks && !is_encoder_alone(s, config) ? (int)decoder : 0;
    if (f->two_stacks && !s->decoder_layers) s->tied = false; /* it has no head */
    /* The limit of a config is a limit of the architecture only where positions come from a table.
     */
    if (s->positions == B4C_POSITION_NEZHA || s->positions == B4C_POSITION_BUCKETS)
        s->max_positions = 0;
    else if (s->max_positions == 0)
        s->max_positions = 512;
    if (s->tied && s->positions == B4C_POSITION_BUCKETS) s->output_scale = 1 / sqrt(s->width);
    bool scaled_embedding = false;
    B4C_TRY(b4c_json_bool(config, "scale_embedding", &scaled_embedding, where, err));
    if (scaled_embedding) s->embedding_scale = sqrt(s->width);

    const char *norm = NULL;
    bool biases = true;
    B4C_TRY(b4c_json_text(config, "norm_type", &norm, where, err));
    B4C_TRY(b4c_json_bool(config, "use_bias", &biases, where, err));
    const bool bare_file = *note && store && !b4c_names_any(store, "LayerNorm") &&
                           !strcmp(s->architecture, "roformer");
    if (!biases || bare_file || (norm && strcmp(norm, "rms_norm") == 0)) strip(s);
    /* bert4keras builds models without segments from configs that still count them; then the
     * checkpoint decides. */
    if (*note && store && s->segments && !b4c_names_any(store, "token_type_embeddings"))
        s->segments = 0;
    return b4c_spec_check(s, where, err);
}

/* Rows and columns of the matrix whose name ends so; false: none, or not a matrix. */
static bool shape_of(const b4c_store *store, const char *tail, int64_t *rows, int64_t *cols)
{
    const int i = b4c_names_ending(store, tail);
    if (i < 0 || store->tensor[i].rank != 2) return false;
    *rows = store->tensor[i].shape[0];
    *cols = store->tensor[i].shape[1];
    return true;
}

json_t *b4c_config_guess(const b4c_store *store, const char *where, b4c_error *err)
{
    if (b4c_store_gguf(store)) return b4c_config_from_gguf(store, err);
    int64_t vocabulary, width, positions, segments, inner, same;
    if (!shape_of(store, "embeddings.word_embeddings.weight", &vocabulary, &width) ||
        !shape_of(store, "embeddings.position_embeddings.weight", &positions, &same) ||
        same != width ||
        !shape_of(store, "encoder.layer.0.intermediate.dense.weight", &inner, &same) ||
        same != width) {
        b4c_fail(err, B4C_E_MISSING,
                 "%s: no config.json (or bert_config.json) beside it, and its tensors are not "
                 "named as the hub names a BERT's; put the model's there",
                 where);
        return NULL;
    }
    if (!shape_of(store, "embeddings.token_type_embeddings.weight", &segments, &same)) segments = 0;
    int layers = 0;
    for (char name[64]; layers < 10000; layers++) {
        snprintf(name, sizeof name, "encoder.layer.%d.intermediate.dense.weight", layers);
        if (b4c_names_ending(store, name) < 0) break;
    }
    const b4c_onnx_facts *f = &store->facts;
    const int64_t heads = f->heads > 0 ? f->heads : f->head_size > 0 ? width / f->head_size : 0;
    if (heads <= 0 || f->epsilon <= 0) {
        b4c_fail(err, B4C_E_MISSING,
                 "%s: no config.json beside it, and the file does not tell the number of heads and "
                 "the norms' epsilon; "
                 "put the model's config.json there",
                 where);
        return NULL;
    }
    json_t *config = json_pack(
        "{s:s, s:I, s:I, s:i, s:I, s:I, s:I, s:I, s:f, s:s}", "model_type", "bert", "vocab_size",
        (json_int_t)vocabulary, "hidden_size", (json_int_t)width, "num_hidden_layers", layers,
        "num_attention_heads", (json_int_t)heads, "intermediate_size", (json_int_t)inner,
        "max_position_embeddings", (json_int_t)positions, "type_vocab_size", (json_int_t)segments,
        "layer_norm_eps", f->epsilon, "hidden_act", f->activation ? f->activation : "gelu");
    if (!config) b4c_fail(err, B4C_E_MEMORY, "%s: no memory for its configuration", where);
    return config;
}
