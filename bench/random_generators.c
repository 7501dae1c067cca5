/* random_generators.c - models of random weights that write: a RoFormer as a language model with a
 * pooler, as SimBERT and RoFormer-Sim are, and a T5 of PEGASUS-small's shape. */
#include "random_model.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

const bench_shape bench_roformer = { "roformer-base", 12, 768, 12, 3072, 21128 };
const bench_shape bench_t5 = { "t5-small", 8, 512, 6, 1024, 50000 };

static void roformer(bench_maker *m, const bench_shape *s)
{
    bench_tensor(m, "roformer.embeddings.word_embeddings.weight", s->vocabulary, s->width, 0,
                 0.05f);
    bench_tensor(m, "roformer.embeddings.token_type_embeddings.weight", 2, s->width, 0, 0.05f);
    bench_norm(m, "roformer.embeddings.", "LayerNorm", s->width);
    for (int l = 0; l < s->layers; l++) {
        char p[64];
        snprintf(p, sizeof p, "roformer.encoder.layer.%d.", l);
        bench_bert_layer(m, p, s);
    }
    bench_dense(m, "roformer.", "pooler.dense", s->width, s->width);
    bench_dense(m, "cls.predictions.", "transform.dense", s->width, s->width);
    bench_norm(m, "cls.predictions.", "transform.LayerNorm", s->width);
    bench_tensor(m, "cls.predictions.bias", s->vocabulary, 0, 0, 0.02f);
}

/* Heads of 64 whatever the width. */
static void t5_attention(bench_maker *m, const char *p, const char *name, const bench_shape *s)
{
    static const char *const parts[] = { "q", "k", "v", "o" };
    const int heads = 64 * s->heads;
    char path[200];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s.%s.%s.weight", p, name, parts[i]);
        bench_tensor(m, path, i < 3 ? heads : s->width, i < 3 ? s->width : heads, 0, 0.04f);
    }
    snprintf(path, sizeof path, "%s.layer_norm.weight", p);
    bench_tensor(m, path, s->width, 0, 1, 0.1f);
}

static void t5_stack(bench_maker *m, const char *stack, const bench_shape *s, bool decoder)
{
    char p[200], path[250];
    for (int l = 0; l < s->layers; l++) {
        snprintf(p, sizeof p, "%s.block.%d.layer.0", stack, l);
        t5_attention(m, p, "SelfAttention", s);
        if (l == 0) {
            snprintf(path, sizeof path, "%s.SelfAttention.relative_attention_bias.weight", p);
            bench_tensor(m, path, 32, s->heads, 0, 0.5f);
        }
        if (decoder) {
            snprintf(p, sizeof p, "%s.block.%d.layer.1", stack, l);
            t5_attention(m, p, "EncDecAttention", s);
        }
        static const char *const parts[] = { "wi_0", "wi_1", "wo" };
        snprintf(p, sizeof p, "%s.block.%d.layer.%d", stack, l, decoder ? 2 : 1);
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s.DenseReluDense.%s.weight", p, parts[i]);
            bench_tensor(m, path, i < 2 ? s->inner : s->width, i < 2 ? s->width : s->inner, 0,
                         0.04f);
        }
        snprintf(path, sizeof path, "%s.layer_norm.weight", p);
        bench_tensor(m, path, s->width, 0, 1, 0.1f);
    }
    snprintf(path, sizeof path, "%s.final_layer_norm.weight", stack);
    bench_tensor(m, path, s->width, 0, 1, 0.1f);
}

static void t5(bench_maker *m, const bench_shape *s)
{
    bench_tensor(m, "shared.weight", s->vocabulary, s->width, 0, 1);
    t5_stack(m, "encoder", s, false);
    t5_stack(m, "decoder", s, true);
    bench_tensor(m, "lm_head.weight", s->vocabulary, s->width, 0, 0.05f);
}

static const char roformer_config[] =
    "{\"model_type\":\"roformer\",\"architectures\":[\"RoFormerForMaskedLM\"],"
    "\"hidden_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
    "\"intermediate_size\":%d,\"vocab_size\":%d,\"max_position_embeddings\":512,"
    "\"type_vocab_size\":2,\"rotary_value\":false,\"hidden_act\":\"gelu\","
    "\"layer_norm_eps\":1e-12,\"pad_token_id\":0,\"tie_word_embeddings\":true}\n";
static const char t5_config[] =
    "{\"model_type\":\"mt5\",\"architectures\":[\"MT5ForConditionalGeneration\"],"
    "\"d_model\":%d,"
    "\"num_layers\":%d,\"num_heads\":%d,\"d_ff\":%d,\"vocab_size\":%d,\"d_kv\":64,"
    "\"feed_forward_proj\":\"gated-gelu\",\"layer_norm_epsilon\":1e-06,\"pad_token_id\":0,"
    "\"eos_token_id\":1,\"decoder_start_token_id\":0,\"is_encoder_decoder\":true,"
    "\"relative_attention_num_buckets\":32,\"tie_word_embeddings\":false}\n";

int bench_make_generators(const char *folder)
{
    const struct {
        const bench_shape *shape;
        const char *config;
        bench_tensors_fn tensors;
    } all[] = { { &bench_roformer, roformer_config, roformer }, { &bench_t5, t5_config, t5 } };
    char path[1000];
    if (mkdir(folder, 0777) < 0 && errno != EEXIST) return -1;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, all[i].shape->name);
        if (!bench_model_there(folder, all[i].shape->name) &&
            bench_write_model(all[i].config, all[i].tensors, all[i].shape, path) < 0)
            return -1;
    }
    return 0;
}
