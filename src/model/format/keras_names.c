/* keras_names.c - bert4keras' layers and Google's names, side by side.
 *
 * Idea: a row says what one dense layer, norm or table is called in both worlds; its kind says
 * what weights it has, in Keras' order, and how their names end. '#' stands for the layer's
 * number, "###" for three digits of it.
 */
#include "model/format/keras_names.h"

#include <stdio.h>

/* ---- families ------------------------------------------------------------------------------- */

enum { BERT = 1, ALBERT = 2, GPT = 4, GPT2 = 8, T5 = 16, ENCODER = BERT | ALBERT };

/* '#' of the pattern in the name's end, and what stands before it; false: another name. A pattern
 * is matched from its end, so that a prefix may stand before it. */
static bool match(b4c_span name, const char *pattern, long *number, b4c_span *before)
{
    size_t n = name.size, p = strlen(pattern);
    *number = 0;
    while (p > 0) {
        if (n == 0) return false;
        if (pattern[--p] != '#') {
            if (name.data[--n] != (unsigned char)pattern[p]) return false;
            continue;
        }
        long unit = 1;
        int digits = 0;
        for (; n > 0 && name.data[n - 1] >= '0' && name.data[n - 1] <= '9'; unit *= 10, n--) {
            if (++digits > 6) return false;
            *number += unit * (name.data[n - 1] - '0');
        }
        if (digits == 0) return false;
    }
    *before = (b4c_span){ name.data, n };
    return n == 0 || name.data[n - 1] == '-' || name.data[n - 1] == '_';
}

void b4c_keras_see(b4c_keras_layers *l, b4c_span layer)
{
    long number;
    b4c_span before;
    l->embedding_norm |= match(layer, "Embedding-Norm", &number, &before);
    l->embedding_position |= match(layer, "Embedding-Position", &number, &before);
    l->output_norm |= match(layer, "Output-Norm", &number, &before);
    l->unnumbered |= match(layer, "Transformer-MultiHeadSelfAttention", &number, &before);
    l->relative |= match(layer, "Encoder-Embedding-Relative-Position", &number, &before) ||
                   match(layer, "Decoder-Embedding-Relative-Position", &number, &before);
}

/* GPT's embeddings have no norm; RoFormer-V2's neither, but it has no positions. */
static int family(const b4c_keras_layers *l)
{
    if (l->relative) return T5;
    if (l->unnumbered) return ALBERT;
    if (l->embedding_norm || !l->embedding_position) return BERT;
    return l->output_norm ? GPT2 : GPT;
}

/* ---- kinds ---------------------------------------------------------------------------------- */

typedef enum kind { TABLE, DENSE, BARE, NORM, SCALE, VECTOR, SENTENCE, BUCKETS } kind;

enum { TURNED = 1, OPTIONAL = 2, AGAIN = 4 }; /* AGAIN: another name of the one above */

/* A weight by its Keras name, the end of its TF1 name, and its rank. In Keras' order. */
static const struct ending {
    kind kind;
    const char *weight, *end;
    int rank, flags;
} endings[] = {
    { TABLE, "embeddings", "", 2, 0 },
    { DENSE, "kernel", "/kernel", 2, 0 },
    { DENSE, "bias", "/bias", 1, OPTIONAL },
    { BARE, "kernel", "", 2, 0 },
    { NORM, "beta", "/beta", 1, OPTIONAL },
    { NORM, "gamma", "/gamma", 1, 0 },
    { SCALE, "gamma", "/scale", 1, 0 },
    { VECTOR, "bias", "", 1, 0 },
    { VECTOR, "beta", "", 1, AGAIN }, /* of version 0.11 */
    { SENTENCE, "kernel", "/output_weights", 2, TURNED },
    { SENTENCE, "bias", "/output_bias", 1, 0 },
    { BUCKETS, "embeddings", "", 2, TURNED },
};
#define ENDINGS (sizeof endings / sizeof *endings)

/* ---- rows ----------------------------------------------------------------------------------- */

typedef enum when { ALWAYS, PLAIN, GATED } when; /* in a feed-forward layer with an i1_dense */

typedef struct row {
    int families;
    const char *layer, *part, *name; /* of one layer: in the order of its weights */
    kind kind;
    when when;
} row;

/* Blocks of BERT's kind: what stands before a layer's name, Google's names of the attention, of
 * the first dense layer and of the second. */
#define ATTENTION(families, layer, to)                                                      \
    { families, layer "MultiHeadSelfAttention", "q_dense", to "/self/query", DENSE, ALWAYS }, \
    { families, layer "MultiHeadSelfAttention", "k_dense", to "/self/key", DENSE, ALWAYS },   \
    { families, layer "MultiHeadSelfAttention", "v_dense", to "/self/value", DENSE, ALWAYS }, \
    { families, layer "MultiHeadSelfAttention", "o_dense", to "/output/dense", DENSE, ALWAYS }
#define FEED_FORWARD(families, layer, first, second)                                 \
    { families, layer "FeedForward", "i0_dense", first "/dense", DENSE, ALWAYS },    \
    { families, layer "FeedForward", "i1_dense", first "/dense_1", DENSE, GATED },   \
    { families, layer "FeedForward", "o_dense", second "/dense", DENSE, ALWAYS }

/* T5's sublayers, each with its norm. */
#define T5_ATTENTION(layer, to, kind)                           \
    { T5, layer, "q_dense", to "/" kind "/q", BARE, ALWAYS },   \
    { T5, layer, "k_dense", to "/" kind "/k", BARE, ALWAYS },   \
    { T5, layer, "v_dense", to "/" kind "/v", BARE, ALWAYS },   \
    { T5, layer, "o_dense", to "/" kind "/o", BARE, ALWAYS },   \
    { T5, layer "-Norm", "", to "/layer_norm", SCALE, ALWAYS }
#define T5_FEED_FORWARD(layer, to)                                        \
    { T5, layer, "i0_dense", to "/DenseReluDense/wi", DENSE, PLAIN },     \
    { T5, layer, "i0_dense", to "/DenseReluDense/wi_0", DENSE, GATED },   \
    { T5, layer, "i1_dense", to "/DenseReluDense/wi_1", DENSE, GATED },   \
    { T5, layer, "o_dense", to "/DenseReluDense/wo", DENSE, ALWAYS },     \
    { T5, layer "-Norm", "", to "/layer_norm", SCALE, ALWAYS }

#define BERT_LAYER "bert/encoder/layer_#"
#define GROUP      "bert/encoder/transformer/group_0/inner_group_0"
#define GPT_LAYER  "gpt/transformer/layer_#"

static const row rows[] = {
    { ENCODER, "Embedding-Token", "", "bert/embeddings/word_embeddings", TABLE, ALWAYS },
    { ENCODER, "Embedding-Segment", "", "bert/embeddings/token_type_embeddings", TABLE, ALWAYS },
    { ENCODER, "Embedding-Position", "", "bert/embeddings/position_embeddings", TABLE, ALWAYS },
    { ENCODER, "Embedding-Norm", "", "bert/embeddings/LayerNorm", NORM, ALWAYS },
    { ENCODER, "Embedding-Mapping", "", "bert/encoder/embedding_hidden_mapping_in", DENSE, ALWAYS },
    { ENCODER, "Pooler-Dense", "", "bert/pooler/dense", DENSE, ALWAYS },
    { ENCODER, "NSP-Proba", "", "cls/seq_relationship", SENTENCE, ALWAYS },
    { ENCODER, "MLM-Dense", "", "cls/predictions/transform/dense", DENSE, ALWAYS },
    { ENCODER, "MLM-Norm", "", "cls/predictions/transform/LayerNorm", NORM, ALWAYS },
    { ENCODER, "MLM-Bias", "", "cls/predictions/output_bias", VECTOR, ALWAYS },

    ATTENTION(BERT, "Transformer-#-", BERT_LAYER "/attention"),
    FEED_FORWARD(BERT, "Transformer-#-", BERT_LAYER "/intermediate", BERT_LAYER "/output"),
    { BERT, "Transformer-#-MultiHeadSelfAttention-Norm", "",
      BERT_LAYER "/attention/output/LayerNorm", NORM, ALWAYS },
    { BERT, "Transformer-#-FeedForward-Norm", "", BERT_LAYER "/output/LayerNorm", NORM, ALWAYS },

    ATTENTION(ALBERT, "Transformer-", GROUP "/attention_1"),
    FEED_FORWARD(ALBERT, "Transformer-", GROUP "/ffn_1/intermediate",
                 GROUP "/ffn_1/intermediate/output"),
    { ALBERT, "Transformer-MultiHeadSelfAttention-Norm", "", GROUP "/LayerNorm", NORM, ALWAYS },
    { ALBERT, "Transformer-FeedForward-Norm", "", GROUP "/LayerNorm_1", NORM, ALWAYS },

    { GPT | GPT2, "Embedding-Token", "", "gpt/embeddings/word_embeddings", TABLE, ALWAYS },
    { GPT | GPT2, "Embedding-Segment", "", "gpt/embeddings/token_type_embeddings", TABLE, ALWAYS },
    { GPT | GPT2, "Embedding-Position", "", "gpt/embeddings/position_embeddings", TABLE, ALWAYS },
    ATTENTION(GPT | GPT2, "Transformer-#-", GPT_LAYER "/attention"),
    FEED_FORWARD(GPT | GPT2, "Transformer-#-", GPT_LAYER "/intermediate", GPT_LAYER "/output"),
    { GPT, "Transformer-#-MultiHeadSelfAttention-Norm", "", GPT_LAYER "/attention/output/LayerNorm",
      NORM, ALWAYS },
    { GPT, "Transformer-#-FeedForward-Norm", "", GPT_LAYER "/output/LayerNorm", NORM, ALWAYS },
    { GPT2, "Transformer-#-MultiHeadSelfAttention-Norm", "", GPT_LAYER "/attention/input/LayerNorm",
      NORM, ALWAYS },
    { GPT2, "Transformer-#-FeedForward-Norm", "", GPT_LAYER "/input/LayerNorm", NORM, ALWAYS },
    { GPT2, "Output-Norm", "", "gpt/output/LayerNorm", NORM, ALWAYS },

    { T5, "Embedding-Token", "", "shared/embedding", TABLE, ALWAYS },
    { T5, "Encoder-Embedding-Relative-Position", "",
      "encoder/block_000/layer_000/SelfAttention/relative_attention_bias", BUCKETS, ALWAYS },
    { T5, "Decoder-Embedding-Relative-Position", "",
      "decoder/block_000/layer_000/SelfAttention/relative_attention_bias", BUCKETS, ALWAYS },
    T5_ATTENTION("Encoder-Transformer-#-MultiHeadSelfAttention", "encoder/block_###/layer_000",
                 "SelfAttention"),
    T5_FEED_FORWARD("Encoder-Transformer-#-FeedForward", "encoder/block_###/layer_001"),
    T5_ATTENTION("Decoder-Transformer-#-MultiHeadSelfAttention", "decoder/block_###/layer_000",
                 "SelfAttention"),
    T5_ATTENTION("Decoder-Transformer-#-MultiHeadCrossAttention", "decoder/block_###/layer_001",
                 "EncDecAttention"),
    T5_FEED_FORWARD("Decoder-Transformer-#-FeedForward", "decoder/block_###/layer_002"),
    { T5, "Encoder-Output-Norm", "", "encoder/final_layer_norm", SCALE, ALWAYS },
    { T5, "Decoder-Output-Norm", "", "decoder/final_layer_norm", SCALE, ALWAYS },
    { T5, "Decoder-Output-LM", "", "decoder/logits", DENSE, ALWAYS },
};
#define ROWS (sizeof rows / sizeof *rows)

/* ---- names ---------------------------------------------------------------------------------- */

/* The row's name with its number, behind the user's prefix, with an end. */
static bool compose(const row *r, b4c_span before, long number, const char *end,
                    char name[B4C_KERAS_NAME])
{
    const size_t hash = strcspn(r->name, "#"), digits = strspn(r->name + hash, "#");
    char text[16] = "";
    if (digits) snprintf(text, sizeof text, "%0*ld", (int)digits, number);
    if (before.size) before.size--; /* its '-' becomes a slash */
    if (before.size > B4C_KERAS_NAME / 2) return false;
    return snprintf(name, B4C_KERAS_NAME, "%.*s%s%.*s%s%s%s", (int)before.size,
                    (const char *)before.data, before.size ? "/" : "", (int)hash, r->name, text,
                    r->name + hash + digits, end) < B4C_KERAS_NAME;
}

/* Whether row r is one of this layer's. */
static bool is_of(const row *r, int families, bool gated, b4c_span layer, long *number,
                  b4c_span *before)
{
    return (r->families & families) && r->when != (gated ? PLAIN : GATED) &&
           match(layer, r->layer, number, before);
}

/* The row's weight called `weight`; NULL: it has none. */
static const struct ending *find_ending(kind k, b4c_span weight)
{
    for (size_t i = 0; i < ENDINGS; i++)
        if (endings[i].kind == k && b4c_span_is(weight, endings[i].weight)) return &endings[i];
    return NULL;
}

bool b4c_keras_name(const b4c_keras_layers *l, b4c_span layer, b4c_span part, bool gated,
                    char name[B4C_KERAS_NAME], bool *turned)
{
    const int families = family(l);
    size_t slash = part.size;
    while (slash > 0 && part.data[slash - 1] != '/') slash--;
    const b4c_span dense = { part.data, slash ? slash - 1 : 0 },
                   weight = { part.data + slash, part.size - slash };
    for (size_t i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        long number;
        b4c_span before;
        if (!is_of(r, families, gated, layer, &number, &before) || !b4c_span_is(dense, r->part))
            continue;
        const struct ending *e = find_ending(r->kind, weight);
        if (!e) return false;
        *turned = e->flags & TURNED;
        return compose(r, before, number, e->end, name);
    }
    return false;
}

/* ---- by order ------------------------------------------------------------------------------- */

#define LAYER_ROWS 4

/* Whether these ranks are those of the rows' weights, `lean`: without the optional ones. Then
 * weight i is *e of *r. */
static bool in_order(const row *const own[LAYER_ROWS], int n_own, bool lean, const int *rank, int n,
                     int i, const row **r, const struct ending **e)
{
    int at = 0;
    for (int k = 0; k < n_own; k++)
        for (size_t j = 0; j < ENDINGS; j++) {
            if (endings[j].kind != own[k]->kind || (endings[j].flags & AGAIN)) continue;
            if (lean && (endings[j].flags & OPTIONAL)) continue;
            if (at == n || rank[at] != endings[j].rank) return false;
            if (at++ == i) {
                *r = own[k];
                *e = &endings[j];
            }
        }
    return at == n;
}

bool b4c_keras_name_at(const b4c_keras_layers *l, b4c_span layer, const int *rank, int n, int i,
                       char name[B4C_KERAS_NAME], bool *turned)
{
    const int families = family(l);
    for (int gated = 0; gated < 2; gated++) {
        const row *own[LAYER_ROWS], *r = NULL;
        const struct ending *e = NULL;
        int n_own = 0;
        long number = 0;
        b4c_span before = { 0, 0 };
        for (size_t k = 0; k < ROWS && n_own < LAYER_ROWS; k++) {
            long its;
            b4c_span front;
            if (!is_of(&rows[k], families, gated, layer, &its, &front)) continue;
            own[n_own++] = &rows[k];
            number = its;
            before = front;
        }
        if (n_own == 0) return false;
        if (!in_order(own, n_own, false, rank, n, i, &r, &e) &&
            !in_order(own, n_own, true, rank, n, i, &r, &e))
            continue;
        *turned = e->flags & TURNED;
        return compose(r, before, number, e->end, name);
    }
    return false;
}
