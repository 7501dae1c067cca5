/* Names of bert4keras' layers as TF1 names: against what TensorFlow wrote under them, and the same
 * by order as by path. */
#include "support/test.h"

#include "format_golden.h"
#include "model/format/keras_names.h"

/* A layer's weights in Keras' order; "i0_dense/kernel" or "gamma". */
typedef struct layer {
    const char *name; /* '#': for each number below `blocks` */
    const char *weight[9];
} layer;

#define ATTENTION                                                                           \
    { "q_dense/kernel", "q_dense/bias", "k_dense/kernel", "k_dense/bias", "v_dense/kernel", \
      "v_dense/bias", "o_dense/kernel", "o_dense/bias" }
#define BARE_ATTENTION { "q_dense/kernel", "k_dense/kernel", "v_dense/kernel", "o_dense/kernel" }
#define FEED_FORWARD   { "i0_dense/kernel", "i0_dense/bias", "o_dense/kernel", "o_dense/bias" }
#define BARE_FORWARD   { "i0_dense/kernel", "o_dense/kernel" }
#define GATED_FORWARD  { "i0_dense/kernel", "i1_dense/kernel", "o_dense/kernel" }
#define NORM           { "beta", "gamma" }
#define DENSE          { "kernel", "bias" }
#define TABLE          { "embeddings" }

#define BERT_EMBEDDINGS                                           \
    { "Embedding-Token", TABLE }, { "Embedding-Segment", TABLE }, \
    { "Embedding-Position", TABLE }, { "Embedding-Norm", NORM }
#define BERT_BLOCK                                         \
    { "Transformer-#-MultiHeadSelfAttention", ATTENTION }, \
    { "Transformer-#-MultiHeadSelfAttention-Norm", NORM }, \
    { "Transformer-#-FeedForward", FEED_FORWARD },         \
    { "Transformer-#-FeedForward-Norm", NORM }
#define MLM { "MLM-Dense", DENSE }, { "MLM-Norm", NORM }, { "MLM-Bias", { "bias" } }
#define END { NULL, { NULL } }

static const layer bert[] = { BERT_EMBEDDINGS, BERT_BLOCK, { "Pooler-Dense", DENSE },
                              { "NSP-Proba", DENSE }, MLM, END };
static const layer factorised[] = { { "Embedding-Token", TABLE }, { "Embedding-Segment", TABLE },
                                    { "Embedding-Norm", NORM }, { "Embedding-Mapping", DENSE },
                                    BERT_BLOCK, MLM, END };
static const layer albert[] = { BERT_EMBEDDINGS,
                                { "Embedding-Mapping", DENSE },
                                { "Transformer-MultiHeadSelfAttention", ATTENTION },
                                { "Transformer-MultiHeadSelfAttention-Norm", NORM },
                                { "Transformer-FeedForward", FEED_FORWARD },
                                { "Transformer-FeedForward-Norm", NORM },
                                MLM, END };
static const layer gpt[] = { { "Embedding-Token", TABLE }, { "Embedding-Position", TABLE },
                             BERT_BLOCK, END };
static const layer gpt2[] = { { "Embedding-Token", TABLE }, { "Embedding-Position", TABLE },
                              BERT_BLOCK, { "Output-Norm", NORM }, END };
static const layer t5[] = {
    { "Embedding-Token", TABLE },
    { "Encoder-Embedding-Relative-Position", TABLE },
    { "Decoder-Embedding-Relative-Position", TABLE },
    { "Encoder-Transformer-#-MultiHeadSelfAttention", BARE_ATTENTION },
    { "Encoder-Transformer-#-MultiHeadSelfAttention-Norm", { "gamma" } },
    { "Encoder-Transformer-#-FeedForward", BARE_FORWARD },
    { "Encoder-Transformer-#-FeedForward-Norm", { "gamma" } },
    { "Encoder-Output-Norm", { "gamma" } },
    { "Decoder-Transformer-#-MultiHeadSelfAttention", BARE_ATTENTION },
    { "Decoder-Transformer-#-MultiHeadSelfAttention-Norm", { "gamma" } },
    { "Decoder-Transformer-#-MultiHeadCrossAttention", BARE_ATTENTION },
    { "Decoder-Transformer-#-MultiHeadCrossAttention-Norm", { "gamma" } },
    { "Decoder-Transformer-#-FeedForward", BARE_FORWARD },
    { "Decoder-Transformer-#-FeedForward-Norm", { "gamma" } },
    { "Decoder-Output-Norm", { "gamma" } },
    END
};
static const layer mt5[] = { { "Encoder-Embedding-Relative-Position", TABLE },
                             { "Decoder-Transformer-#-FeedForward", GATED_FORWARD },
                             { "Decoder-Output-LM", { "kernel" } },
                             END };

typedef int (*weight_fn)(const b4c_keras_layers *, b4c_span name, const layer *, int weight,
                         bool gated, void *);

/* Every weight of a model of `blocks` layers, whose layers are told apart first. */
static int each_weight(const layer *model, int blocks, weight_fn fn, void *arg)
{
    b4c_keras_layers layers = { 0 };
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (const layer *l = model; l->name; l++)
            for (int block = 0; block < (strchr(l->name, '#') ? blocks : 1); block++) {
                char name[100];
                bool gated = false;
                snprintf(name, sizeof name, "%s", l->name);
                char *hash = strchr(name, '#');
                if (hash) *hash = (char)('0' + block);
                if (pass == 0) b4c_keras_see(&layers, b4c_span_of(name));
                for (int i = 0; l->weight[i]; i++) gated |= strstr(l->weight[i], "i1_") != NULL;
                for (int i = 0; pass && l->weight[i]; i++)
                    n += fn(&layers, b4c_span_of(name), l, i, gated, arg);
            }
    return n;
}

/* In the store, under its name. */
static int is_stored(const b4c_keras_layers *layers, b4c_span name, const layer *l, int weight,
                     bool gated, void *store)
{
    char tf1[B4C_KERAS_NAME];
    bool turned;
    if (!b4c_keras_name(layers, name, b4c_span_of(l->weight[weight]), gated, tf1, &turned))
        fail_msg("%.*s %s has no name", B4C_SPAN_ARG(name), l->weight[weight]);
    if (b4c_store_find(store, tf1) < 0)
        fail_msg("%.*s %s: no variable %s", B4C_SPAN_ARG(name), l->weight[weight], tf1);
    return 1;
}

static void all_names_are_those_of_tf1_checkpoints(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        const layer *model;
        int all; /* variables of the checkpoint that the layers have, or 0: each */
    } cases[] = {
        { "tf1-bert", bert, 0 },           { "tf1-roformer-factorised", factorised, 0 },
        { "tf1-albert", albert, 0 },       { "tf1-openai-gpt", gpt, 0 },
        { "tf1-gpt2", gpt2, 0 },           { "tf1-t5", t5, 0 },
        { "tf1-mt5", mt5, 1 + 3 * 3 + 1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[200];
        b4c_store s;
        b4c_error err = { 0 };
        int blocks = 0, n;
        snprintf(path, sizeof path, FORMATS "%s", cases[i].folder);
        assert_ok(b4c_store_open(&s, path, &err), &err);
        for (bool more = true; more; blocks += more) {
            char part[2][50];
            snprintf(part[0], sizeof part[0], "/layer_%d/", blocks);
            snprintf(part[1], sizeof part[1], "/block_%03d/", blocks);
            more = false;
            for (int k = 0; k < s.n; k++)
                more |= strstr(s.tensor[k].name, part[0]) || strstr(s.tensor[k].name, part[1]);
        }
        n = each_weight(cases[i].model, blocks, is_stored, &s);
        assert_int_equal(n, cases[i].all ? cases[i].all : s.n);
        b4c_store_close(&s);
    }
}

static int rank_of(const char *weight)
{
    return strstr(weight, "kernel") || strstr(weight, "embeddings") ? 2 : 1;
}

static int is_the_same_by_order(const b4c_keras_layers *layers, b4c_span name, const layer *l,
                                int weight, bool gated, void *arg)
{
    char by_path[B4C_KERAS_NAME], by_order[B4C_KERAS_NAME];
    bool turned[2];
    int rank[9], n = 0;
    (void)arg;
    for (; l->weight[n]; n++) rank[n] = rank_of(l->weight[n]);
    assert_true(
        b4c_keras_name(layers, name, b4c_span_of(l->weight[weight]), gated, by_path, &turned[0]));
    assert_true(b4c_keras_name_at(layers, name, rank, n, weight, by_order, &turned[1]));
    assert_string_equal(by_path, by_order);
    assert_int_equal(turned[0], turned[1]);
    /* one weight more, or another kind of weight, and it is another layer */
    rank[n] = 3;
    assert_false(b4c_keras_name_at(layers, name, rank, n + 1, weight, by_order, &turned[1]));
    rank[0] = 3;
    assert_false(b4c_keras_name_at(layers, name, rank, n, weight, by_order, &turned[1]));
    return 1;
}

static void order_tells_as_much_as_paths(void **state)
{
    (void)state;
    static const layer *const models[] = { bert, factorised, albert, gpt, gpt2, t5, mt5 };
    for (size_t i = 0; i < COUNT(models); i++)
        assert_true(each_weight(models[i], 3, is_the_same_by_order, NULL) > 5);
}

static void names_have_their_shape_and_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *layer, *part;
        bool gated;
        const char *name; /* NULL: none */
        bool turned;
    } cases[] = {
        { "Transformer-11-FeedForward", "i0_dense/kernel", false,
          "bert/encoder/layer_11/intermediate/dense/kernel", false },
        { "Student-Embedding-Token", "embeddings", false, "Student/bert/embeddings/word_embeddings",
          false },
        { "a/b-Transformer-0-FeedForward-Norm", "gamma", false,
          "a/b/bert/encoder/layer_0/output/LayerNorm/gamma", false },
        { "NSP-Proba", "kernel", false, "cls/seq_relationship/output_weights", true },
        { "MLM-Bias", "beta", false, "cls/predictions/output_bias", false },
        { "MLM-Bias", "bias", false, "cls/predictions/output_bias", false },
        { "Embedding-Token", "kernel", false, NULL, false },
        { "MyEmbedding-Token", "embeddings", false, NULL, false },
        { "Transformer--FeedForward", "i0_dense/kernel", false, NULL, false },
        { "Transformer-1234567-FeedForward", "i0_dense/kernel", false, NULL, false },
        { "Transformer-0-FeedForward", "i2_dense/kernel", false, NULL, false },
        { "Transformer-0-FeedForward", "i1_dense/kernel", false, NULL, false },
        { "Transformer-0-FeedForward", "", false, NULL, false },
        { "", "kernel", false, NULL, false },
        { "dense_67", "kernel", false, NULL, false },
    };
    b4c_keras_layers layers = { .embedding_norm = true, .embedding_position = true };
    char name[B4C_KERAS_NAME], longest[1000];
    bool turned;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const bool known = b4c_keras_name(&layers, b4c_span_of(cases[i].layer),
                                          b4c_span_of(cases[i].part), cases[i].gated, name,
                                          &turned);
        if (known != (cases[i].name != NULL))
            fail_msg("%s %s: %s", cases[i].layer, cases[i].part, known ? name : "none");
        if (!known) continue;
        assert_string_equal(name, cases[i].name);
        assert_int_equal(turned, cases[i].turned);
    }
    memset(longest, 'x', sizeof longest);
    memcpy(longest + sizeof longest - 17, "-Embedding-Token", 17);
    assert_false(b4c_keras_name(&layers, b4c_span_of(longest), b4c_span_of("embeddings"), false,
                                name, &turned));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_names_are_those_of_tf1_checkpoints),
        cmocka_unit_test(order_tells_as_much_as_paths),
        cmocka_unit_test(names_have_their_shape_and_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
