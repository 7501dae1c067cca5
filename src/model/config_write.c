/* config_write.c - a spec as the config.json that reads back to it.
 *
 * The idea: what config.c reads under any of a field's names is written here under the one name
 * that the family's own library gives it, so that the library opens the folder too. Invariant:
 * b4c_config_read of the result gives the same spec, for every family (a test holds it).
 */
#include "base/error.h"
#include "model/config.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Families by the names that they give things. */
enum { BERT = 1, GPT = 2, T5 = 4, BART = 8, LLAMA = 16 };

static const struct {
    const char *architecture;
    int names;
    const char *class[3];    /* the library's, by b4c_config_kind */
    const char *encoder;     /* of the encoder alone, where there may be no decoder */
} families[] = {
    { "bert", BERT, { "BertForMaskedLM", "BertModel", "BertForSequenceClassification" }, NULL },
    { "roformer", BERT, { "RoFormerForMaskedLM", "RoFormerModel", NULL }, NULL },
    { "albert", BERT, { "AlbertForMaskedLM", "AlbertModel", "AlbertForSequenceClassification" },
      NULL },
    { "nezha", BERT, { "NezhaForMaskedLM", "NezhaModel", "NezhaForSequenceClassification" }, NULL },
    { "gpt2", GPT, { "GPT2LMHeadModel", "GPT2Model", NULL }, NULL },
    { "openai-gpt", GPT, { "OpenAIGPTLMHeadModel", "OpenAIGPTModel", NULL }, NULL },
    { "t5", T5, { "T5ForConditionalGeneration", "T5Model", NULL }, "T5EncoderModel" },
    { "mt5", T5, { "MT5ForConditionalGeneration", "MT5Model", NULL }, "MT5EncoderModel" },
    { "bart", BART, { "BartForConditionalGeneration", "BartModel", NULL }, NULL },
    { "pegasus", BART, { "PegasusForConditionalGeneration", "PegasusModel", NULL }, NULL },
    { "llama", LLAMA, { "LlamaForCausalLM", "LlamaModel", NULL }, NULL },
    { "qwen2", LLAMA, { "Qwen2ForCausalLM", "Qwen2Model", NULL }, NULL },
};
enum { FAMILIES = sizeof families / sizeof *families };

#define AT(field) offsetof(b4c_spec, field)
static const struct {
    int names;
    const char *key;
    size_t at;
} numbers[] = {
    { BERT | GPT | T5 | BART | LLAMA, "vocab_size", AT(vocabulary) },
    { BERT | LLAMA, "hidden_size", AT(width) },
    { GPT, "n_embd", AT(width) },
    { T5 | BART, "d_model", AT(width) },
    { BERT | LLAMA, "num_hidden_layers", AT(layers) },
    { GPT, "n_layer", AT(layers) },
    { T5, "num_layers", AT(layers) },
    { BART, "encoder_layers", AT(layers) },
    { T5, "num_decoder_layers", AT(decoder_layers) },
    { BART, "decoder_layers", AT(decoder_layers) },
    { BERT | LLAMA, "num_attention_heads", AT(heads) },
    { GPT, "n_head", AT(heads) },
    { T5, "num_heads", AT(heads) },
    { BART, "encoder_attention_heads", AT(heads) },
    { BART, "decoder_attention_heads", AT(heads) },
    { LLAMA, "num_key_value_heads", AT(kv_heads) },
    { LLAMA, "head_dim", AT(head_size) },
    { T5, "d_kv", AT(head_size) },
    { BERT | LLAMA, "intermediate_size", AT(inner) },
    { GPT, "n_inner", AT(inner) },
    { T5, "d_ff", AT(inner) },
    { BART, "encoder_ffn_dim", AT(inner) },
    { BART, "decoder_ffn_dim", AT(inner) },
    { BERT, "type_vocab_size", AT(segments) },
    { T5, "relative_attention_num_buckets", AT(buckets) },
    { T5, "relative_attention_max_distance", AT(bucket_distance) },
};

static int family_of(const b4c_spec *s)
{
    int i = 0;
    while (i + 1 < FAMILIES && strcmp(families[i].architecture, s->architecture) != 0) i++;
    return i;
}

const char *b4c_config_class(const b4c_spec *s, b4c_config_kind kind)
{
    const int f = family_of(s);
    return families[f].encoder && !s->decoder_layers && kind == B4C_CLASS_BARE
             ? families[f].encoder
             : families[f].class[kind];
}

static void set(json_t *config, const char *key, json_t *value)
{
    json_object_set_new(config, key, value);
}
static void set_text(json_t *config, const char *key, const char *text)
{
    set(config, key, json_string(text));
}

static const char *act_name(b4c_act act)
{
    return act == B4C_ACT_GELU        ? "gelu"
           : act == B4C_ACT_GELU_TANH ? "gelu_new"
           : act == B4C_ACT_SILU      ? "silu"
                                      : "relu";
}

/* T5's "gated-gelu" means the tanh form; the exact one has another name. */
static void set_forward(json_t *config, const b4c_spec *s)
{
    char text[40];
    const char *name = !s->gated                    ? act_name(s->act)
                       : s->act == B4C_ACT_GELU_TANH ? "gelu"
                       : s->act == B4C_ACT_GELU      ? "gelu_python"
                                                     : act_name(s->act);
    snprintf(text, sizeof text, "%s%s", s->gated ? "gated-" : "", name);
    set_text(config, "feed_forward_proj", text);
}

static void set_act(json_t *config, const b4c_spec *s, int names)
{
    const bool first_gpt = strcmp(s->architecture, "openai-gpt") == 0;
    if (names == T5)
        set_forward(config, s);
    else if (names == BERT && s->gated)
        set(config, "hidden_act", json_pack("[s,s]", act_name(s->act), "linear"));
    else if (first_gpt) /* whose library knows the tanh form only, and calls it gelu */
        set_text(config, "afn",
                 s->act == B4C_ACT_GELU_TANH ? "gelu"
                 : s->act == B4C_ACT_GELU    ? "gelu_python"
                                             : act_name(s->act));
    else
        set_text(config, names == GPT || names == BART ? "activation_function" : "hidden_act",
                 act_name(s->act));
}

static void set_positions(json_t *config, const b4c_spec *s, int names)
{
    if (s->max_positions)
        set(config, names == GPT ? "n_positions" : "max_position_embeddings",
            json_integer(s->max_positions));
    if (s->positions == B4C_POSITION_NEZHA)
        set(config, "max_relative_position", json_integer(s->relative_max));
    if (names != LLAMA) return;
    set(config, "rope_theta", json_real(s->rotary_base));
    set(config, "rope_parameters",
        json_pack("{s:s,s:f}", "rope_type", "default", "rope_theta", s->rotary_base));
}

/* What is one family's own. */
static void set_own(json_t *config, const b4c_spec *s, int names)
{
    if (names == T5 || names == BART)
        set(config, "is_encoder_decoder", json_boolean(s->decoder_layers > 0));
    if (names == BART) set(config, "scale_embedding", json_boolean(s->embedding_scale > 1));
    if (names == LLAMA) set(config, "attention_bias", json_false());
    if (names != BERT) return;
    if (s->embedding_width != s->width || strcmp(s->architecture, "bert") != 0)
        set(config, "embedding_size", json_integer(s->embedding_width));
    if (s->head_size * s->heads != s->width)
        set(config, "attention_head_size", json_integer(s->head_size));
    if (s->rotate_values) set(config, "rotary_value", json_true());
    if (!s->norm_gain) { /* RoFormer-V2, which the hub's library does not know */
        set_text(config, "norm_type", "rms_norm");
        set(config, "use_bias", json_false());
    }
}

json_t *b4c_config_write(const b4c_spec *s, bool head, b4c_error *err)
{
    const int f = family_of(s), names = families[f].names;
    json_t *config = json_object();
    set_text(config, "model_type", s->architecture);
    set(config, "architectures",
        json_pack("[s]", b4c_config_class(s, head ? B4C_CLASS_WRITES : B4C_CLASS_BARE)));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const int x = *(const int *)(const void *)((const char *)s + numbers[i].at);
        /* a T5 without a decoder has no number of its layers */
        if ((numbers[i].names & names) && (x || numbers[i].at != AT(decoder_layers)))
            set(config, numbers[i].key, json_integer(x));
    }
    set(config,
        names == LLAMA            ? "rms_norm_eps"
        : names == GPT || names == T5 ? "layer_norm_epsilon"
                                      : "layer_norm_eps",
        json_real(s->eps));
    set_act(config, s, names);
    set_positions(config, s, names);
    set_own(config, s, names);
    set(config, "tie_word_embeddings", json_boolean(s->tied));
    if (s->cross_bias)
        set_text(config, "bert4c_as", s->act == B4C_ACT_GELU ? "t5-pegasus" : "bert4keras");
    if (config) return config;
    b4c_fail(err, B4C_E_MEMORY, "no memory for a configuration");
    return NULL;
}
