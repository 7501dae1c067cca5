/* What bert4keras' users save: object-graph checkpoints and HDF5 files, under TF1 names.
 *
 * tests/golden/formats/keras-* are written by bert4keras 0.11.5 on tf-keras 2.21 and on Keras
 * 2.3.1.
 */
#include "support/test.h"

#include "format_check.h"
#include "format_golden.h"
#include "format_maker.h"
#include "hdf5_maker.h"
#include "model/format/crc32c.h"
#include "model/format/keras_names.h"

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

/* ---- whole models --------------------------------------------------------------------------- */

#define BERT  .source = "bert/model.safetensors", .first = tf_bert
#define GRAPH "_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/.ATTRIBUTES/VARIABLE_VALUE"

/* REPORTS L01. */
static void object_graphs_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "keras-bert", .layout = "keras", BERT, .extra = { GRAPH }, .files = 2 },
        { "keras-bert", "best_model.weights", .layout = "keras", BERT, .extra = { GRAPH } },
        { "keras-bert", "best_model.weights.index", .layout = "keras", BERT, .extra = { GRAPH } },
        { "keras-bert-adam", .layout = "keras", BERT, .extra = { GRAPH } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

/* ---- object graphs, made -------------------------------------------------------------------- */

#define SUFFIX "/.ATTRIBUTES/VARIABLE_VALUE"

/* A node of the graph with one attribute. */
static void put_node(b4c_buffer *graph, const char *full_name, const char *key)
{
    b4c_buffer attribute = { 0 }, node = { 0 };
    pb_text(&attribute, 1, "VARIABLE_VALUE");
    pb_text(&attribute, 2, full_name);
    pb_text(&attribute, 3, key);
    pb_message(&node, 2, &attribute);
    pb_message(graph, 1, &node);
}

/* A string tensor's bytes, and the checksum that its entry has. */
static uint32_t put_string(b4c_buffer *b, const b4c_buffer *text)
{
    b4c_buffer summed = { 0 };
    put_number(&summed, text->size, 4);
    put_number(&summed, tf1_mask(b4c_crc32c(summed.data, 4)), 4);
    put_varint(b, text->size);
    b4c_buffer_add(b, summed.data + 4, 4);
    b4c_buffer_add(b, text->data, text->size);
    b4c_buffer_add(&summed, text->data, text->size);
    const uint32_t sum = b4c_crc32c(summed.data, summed.size);
    b4c_buffer_done(&summed);
    return sum;
}

/* A checkpoint m.index of this graph and these keys, ascending, each of [2, 3]; frees the graph.
 * wrong: the graph's entry has another checksum. */
static void put_checkpoint(b4c_buffer *index, b4c_buffer *graph, const char *const *keys, int n,
                           bool wrong)
{
    static const int64_t shape[] = { 2, 3 };
    table_maker t = { 0 };
    b4c_buffer value = { 0 }, data = { 0 };
    const uint32_t sum = put_string(&data, graph);
    tf1_header(&value, 1);
    table_add(&t, "", 0, &value);
    b4c_buffer_done(&value);
    tf1_entry(&value, 7, NULL, 0, 0, 0, NULL, data.size);
    pb_fixed32(&value, 6, tf1_mask(sum) + wrong);
    table_add(&t, "_CHECKPOINTABLE_OBJECT_GRAPH", 28, &value);
    for (int i = 0; i < n; i++) {
        b4c_buffer_done(&value);
        tf1_entry(&value, 1, shape, 2, 0, data.size, numbers, sizeof numbers);
        b4c_buffer_add(&data, numbers, sizeof numbers);
        table_add(&t, keys[i], strlen(keys[i]), &value);
    }
    table_end(&t);
    b4c_buffer_add(index, t.file.data, t.file.size);
    temp_file("m.data-00000-of-00001", data.data, data.size);
    table_done(&t);
    b4c_buffer_done(&value);
    b4c_buffer_done(&data);
    b4c_buffer_done(graph);
}

static void keys_become_names_by_their_layers(void **state)
{
    (void)state;
    static const struct {
        const char *key, *full_name, *name;
        bool turned;
    } cases[] = {
        /* keys in ascending order; each name by its layer, wherever it stands */
        { "layer_with_weights-0/kernel" SUFFIX, "NSP-Proba/kernel",
          "cls/seq_relationship/output_weights", true },
        { "layer_with_weights-1/kernel" SUFFIX, "dense_67/kernel", "dense_67/kernel", false },
        { "layer_with_weights-1/kernel/.OPTIMIZER_SLOT/optimizer/m" SUFFIX, "dense_67/kernel/m",
          "layer_with_weights-1/kernel/.OPTIMIZER_SLOT/optimizer/m" SUFFIX, false },
        { "layer_with_weights-2/layer_with_weights-7/q_dense/kernel" SUFFIX,
          "Transformer-10-MultiHeadSelfAttention/dense_8/kernel",
          "bert/encoder/layer_10/attention/self/query/kernel", false },
        { "layer_with_weights-3/embeddings" SUFFIX, "Teacher-Embedding-Token/embeddings",
          "Teacher/bert/embeddings/word_embeddings", false },
        { "optimizer/beta_1" SUFFIX, "beta_1", "optimizer/beta_1" SUFFIX, false },
        { "scale" SUFFIX, "scale/scale", "scale" SUFFIX, false },
    };
    const char *keys[COUNT(cases)];
    const float turned[] = { 1, -4.25f, -2, 5, 3.5f, 6 };
    b4c_buffer graph = { 0 }, index = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        keys[i] = cases[i].key;
        put_node(&graph, cases[i].full_name, cases[i].key);
    }
    put_node(&graph, "Embedding-Norm/gamma", "layer_with_weights-4/gamma" SUFFIX); /* not saved */
    put_checkpoint(&index, &graph, keys, COUNT(cases), false);
    b4c_store s = opened("m.index", &index);
    assert_string_equal(s.layout, "keras");
    assert_int_equal(s.n, COUNT(cases) + 1);
    for (size_t i = 0; i < COUNT(cases); i++)
        holds(&s, cases[i].name, cases[i].turned ? turned : numbers, 6);
    b4c_store_close(&s);
}

static void a_gated_layer_is_known_by_its_second_dense(void **state)
{
    (void)state;
    static const char *const keys[] = { "layer_with_weights-0/i0_dense/kernel" SUFFIX,
                                        "layer_with_weights-1/i0_dense/kernel" SUFFIX,
                                        "layer_with_weights-1/i1_dense/kernel" SUFFIX,
                                        "layer_with_weights-2/embeddings" SUFFIX };
    static const char *const names[] = { "Encoder-Transformer-0-FeedForward/dense/kernel",
                                         "Encoder-Transformer-1-FeedForward/dense_1/kernel",
                                         "Encoder-Transformer-1-FeedForward/dense_2/kernel",
                                         "Encoder-Embedding-Relative-Position/embeddings" };
    b4c_buffer graph = { 0 }, index = { 0 };
    for (size_t i = 0; i < COUNT(keys); i++) put_node(&graph, names[i], keys[i]);
    put_checkpoint(&index, &graph, keys, COUNT(keys), false);
    b4c_store s = opened("m.index", &index);
    assert_true(b4c_store_find(&s, "encoder/block_000/layer_001/DenseReluDense/wi/kernel") >= 0);
    assert_true(b4c_store_find(&s, "encoder/block_001/layer_001/DenseReluDense/wi_0/kernel") >= 0);
    assert_true(b4c_store_find(&s, "encoder/block_001/layer_001/DenseReluDense/wi_1/kernel") >= 0);
    const int i = b4c_store_find(
        &s, "encoder/block_000/layer_000/SelfAttention/relative_attention_bias");
    assert_true(i >= 0 && s.tensor[i].shape[0] == 3 && s.tensor[i].shape[1] == 2);
    b4c_store_close(&s);
}

/* Variables of somebody's own program, which no Keras model holds, keep their keys. */
static void a_graph_without_layers_changes_nothing(void **state)
{
    (void)state;
    static const char *const keys[] = { "bert/pooler/kernel" SUFFIX };
    b4c_buffer graph = { 0 }, index = { 0 };
    put_node(&graph, "pooler/kernel", keys[0]);
    put_checkpoint(&index, &graph, keys, 1, false);
    b4c_store s = opened("m.index", &index);
    assert_string_equal(s.layout, "tf1");
    holds(&s, keys[0], numbers, 6);
    b4c_store_close(&s);
}

static void a_graph_that_lies_is_refused(void **state)
{
    (void)state;
    static const char *const keys[] = { "layer_with_weights-0/gamma" SUFFIX,
                                        "layer_with_weights-1/gamma" SUFFIX };
    b4c_buffer graph = { 0 }, index = { 0 };
    put_node(&graph, "Embedding-Norm/gamma", keys[0]);
    put_checkpoint(&index, &graph, keys, 2, true);
    refused("m.index", &index, B4C_E_FORMAT, "its checksum differs");

    put_node(&graph, "Embedding-Norm/gamma", keys[0]);
    put_node(&graph, "MLM-Norm/gamma", keys[0]);
    put_checkpoint(&index, &graph, keys, 2, false);
    refused("m.index", &index, B4C_E_FORMAT, "names a weight twice");

    put_node(&graph, "MLM-Norm/gamma", keys[0]);
    put_node(&graph, "MLM-Norm/gamma", keys[1]);
    put_checkpoint(&index, &graph, keys, 2, false);
    refused("m.index", &index, B4C_E_FORMAT,
            "'cls/predictions/transform/LayerNorm/gamma': found twice");

    put_node(&graph, "my\nlayer/gamma", keys[0]);
    put_checkpoint(&index, &graph, keys, 2, false);
    refused("m.index", &index, B4C_E_FORMAT, "controls");

    put_node(&graph, "Embedding-Norm/gamma", keys[0]);
    graph.size -= 3;
    put_checkpoint(&index, &graph, keys, 2, false);
    refused("m.index", &index, B4C_E_FORMAT, "is malformed");

    /* not one string: a tensor of numbers under the graph's name */
    table_maker t = { 0 };
    b4c_buffer value = { 0 };
    tf1_header(&value, 1);
    table_add(&t, "", 0, &value);
    b4c_buffer_done(&value);
    tf1_entry(&value, 1, NULL, 0, 0, 0, numbers, 4);
    table_add(&t, "_CHECKPOINTABLE_OBJECT_GRAPH", 28, &value);
    table_end(&t);
    temp_file("m.data-00000-of-00001", numbers, 4);
    refused("m.index", &t.file, B4C_E_FORMAT, "is not one string");
    table_done(&t);
    b4c_buffer_done(&value);
}

/* ---- HDF5 ----------------------------------------------------------------------------------- */

static void hdf5_files_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "keras-h5-bert", .layout = "hdf5", BERT, .files = 1 },
        { "keras-h5-bert", "best_model.weights", .layout = "hdf5", BERT },
        { "keras-h5-bert-vlen", .layout = "hdf5", BERT, .files = 1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static const int64_t matrix[] = { 2, 3 }, vector[] = { 2 };

/* The superblock's root is the group of these layers. `lists`: in how many pieces the list of
 * layers is cut; 1: not. */
static uint64_t put_layers(b4c_buffer *b, const char *const *layers, const uint64_t *groups, int n,
                           int lists, bool fixed)
{
    h5_messages m = { 0 };
    for (int i = 0; i < lists; i++) {
        char name[40];
        const int from = n * i / lists, to = n * (i + 1) / lists;
        snprintf(name, sizeof name, lists > 1 ? "layer_names%d" : "layer_names", i);
        h5_texts(b, &m, name, layers + from, to - from, fixed);
    }
    h5_members(b, &m, layers, groups, n);
    return h5_object(b, &m, true);
}

/* Two layers: a norm, and one of the user's own with a matrix and a vector. */
static uint64_t put_two_layers(b4c_buffer *b, int lists, bool fixed, bool compact)
{
    static const char *const layers[] = { "Embedding-Norm", "Dropout", "dense_67" },
                             *const norm[] = { "beta:0", "gamma:0" },
                             *const dense[] = { "kernel:0", "bias:0" };
    const uint64_t norms[] = { h5_floats(b, vector, 1, numbers, compact),
                               h5_floats(b, vector, 1, numbers + 2, compact) },
                   denses[] = { h5_floats(b, matrix, 2, numbers, compact),
                                h5_floats(b, vector, 1, numbers + 4, compact) },
                   groups[] = { h5_layer(b, layers[0], norm, norms, 2, fixed),
                                h5_layer(b, layers[1], NULL, NULL, 0, fixed),
                                h5_layer(b, layers[2], dense, denses, 2, fixed) };
    return put_layers(b, layers, groups, 3, lists, fixed);
}

static void lists_and_strings_of_every_kind_are_read(void **state)
{
    (void)state;
    for (int kind = 0; kind < 16; kind++) {
        b4c_buffer b = { 0 };
        h5_begin(&b);
        uint64_t root = put_two_layers(&b, kind & 1 ? 3 : 1, kind & 2, kind & 4);
        if (kind & 8) { /* as model.save has it */
            h5_messages m = { 0 };
            const char *name = "model_weights";
            h5_members(&b, &m, &name, &root, 1);
            root = h5_object(&b, &m, false);
        }
        h5_end(&b, root);
        b4c_store s = opened("two.h5", &b);
        assert_string_equal(s.layout, "hdf5");
        assert_int_equal(s.n, 4);
        holds(&s, "bert/embeddings/LayerNorm/beta", numbers, 2);
        holds(&s, "bert/embeddings/LayerNorm/gamma", numbers + 2, 2);
        holds(&s, "dense_67/kernel", numbers, 6);
        holds(&s, "dense_67/bias", numbers + 4, 2);
        b4c_store_close(&s);
    }
}

/* A model that is a layer: its layers' weights are one list, with the datasets below groups of
 * their names. */
static void a_model_within_a_model_keeps_its_layers(void **state)
{
    (void)state;
    static const char *const lists[] = { "Encoder-Embedding-Relative-Position/embeddings:0",
                                         "Encoder-Output-Norm/gamma:0", "other/kernel:0" };
    static const char *const inner[] = { "Encoder-Embedding-Relative-Position",
                                         "Encoder-Output-Norm", "other" };
    static const char *const leaf[] = { "embeddings:0", "gamma:0", "kernel:0" };
    const float turned[] = { 1, -4.25f, -2, 5, 3.5f, 6 };
    b4c_buffer b = { 0 };
    h5_messages m = { 0 };
    uint64_t groups[3];
    const char *name = "model_1";
    h5_begin(&b);
    for (int i = 0; i < 3; i++) {
        const uint64_t data = h5_floats(&b, i == 1 ? vector : matrix, i == 1 ? 1 : 2, numbers,
                                        false);
        h5_members(&b, &m, &leaf[i], &data, 1);
        groups[i] = h5_object(&b, &m, false);
    }
    h5_texts(&b, &m, "weight_names", lists, 3, false);
    h5_members(&b, &m, inner, groups, 3);
    const uint64_t model = h5_object(&b, &m, false);
    h5_end(&b, put_layers(&b, &name, &model, 1, 1, false));
    b4c_store s = opened("nested.h5", &b);
    assert_int_equal(s.n, 3);
    holds(&s, "encoder/block_000/layer_000/SelfAttention/relative_attention_bias", turned, 6);
    holds(&s, "encoder/final_layer_norm/scale", numbers, 2);
    holds(&s, "model_1/other/kernel", numbers, 6);
    b4c_store_close(&s);
}

/* One dataset whose header is these messages, as the only weight of a layer. */
static void put_dataset(b4c_buffer *b, uint64_t dataset)
{
    const char *layer = "dense_1", *weight = "kernel:0";
    const uint64_t group = h5_layer(b, layer, &weight, &dataset, 1, true);
    h5_end(b, put_layers(b, &layer, &group, 1, 1, true));
}

static void datasets_that_are_not_plain_are_refused(void **state)
{
    (void)state;
    enum { CHUNKED, OLD, FILTERED, SHARED, UNWRITTEN, BEYOND, BIG, TALL, ALONE, SHORT, KINDS };
    static const struct {
        int code;
        const char *part;
    } want[] = {
        [CHUNKED] = { B4C_E_UNSUPPORTED, "in chunks" },
        [OLD] = { B4C_E_UNSUPPORTED, "layout that is not of version 3" },
        [FILTERED] = { B4C_E_UNSUPPORTED, "'dense_1/kernel:0' is compressed" },
        [SHARED] = { B4C_E_UNSUPPORTED, "shares a part of its header" },
        [UNWRITTEN] = { B4C_E_FORMAT, "was never written" },
        [BEYOND] = { B4C_E_FORMAT, "beyond the file's end" },
        [BIG] = { B4C_E_UNSUPPORTED, "big-endian" },
        [TALL] = { B4C_E_FORMAT, "malformed shape" },
        [ALONE] = { B4C_E_FORMAT, "lacks a shape, type or data" },
        [SHORT] = { B4C_E_FORMAT, "shape [2, 3] of f32 reaches element 5" },
    };
    static const int64_t tall[] = { INT64_MAX, 3 };
    static const char chunked[24] = { 3, 2, 3 }, old[8] = { 1, 2, 1 };
    for (int kind = 0; kind < KINDS; kind++) {
        b4c_buffer b = { 0 };
        h5_messages m = { 0 };
        h5_begin(&b);
        h5_space(&m, kind == TALL ? tall : matrix, 2);
        if (kind == SHARED) m.bytes.data[4] = 2;
        if (kind != ALONE) {
            h5_f32(&m);
            if (kind == BIG) m.bytes.data[m.bytes.size - 24 + 1] |= 1;
        }
        if (kind == CHUNKED) h5_message(&m, 8, chunked, sizeof chunked);
        if (kind == OLD) h5_message(&m, 8, old, sizeof old);
        if (kind == FILTERED) h5_message(&m, 11, "\1\1\0\0\0\0\0\0", 8);
        if (kind != CHUNKED && kind != OLD)
            h5_layout(&m,
                      kind == UNWRITTEN ? UINT64_MAX
                      : kind == BEYOND  ? UINT64_MAX - 8
                                        : 0,
                      kind == SHORT ? 20 : 24);
        put_dataset(&b, h5_object(&b, &m, false));
        refused("dataset.h5", &b, want[kind].code, want[kind].part);
    }
}

static void files_that_are_not_keras_are_refused(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    h5_messages m = { 0 };
    const uint64_t none = 96;
    const char *name = "layers";
    h5_begin(&b);
    h5_end(&b, h5_object(&b, &m, false));
    refused("k.h5", &b, B4C_E_FORMAT, "without Keras' list of layers");
    h5_begin(&b);
    h5_members(&b, &m, &name, &none, 1);
    h5_end(&b, h5_object(&b, &m, false));
    refused("k.h5", &b, B4C_E_UNSUPPORTED, "layout of Keras 3");
    h5_begin(&b);
    h5_end(&b, 0);
    b.data[8] = 2;
    refused("k.h5", &b, B4C_E_UNSUPPORTED, "superblock of version 2");
    h5_begin(&b);
    h5_end(&b, 96);
    b.data[13] = 4;
    refused("k.h5", &b, B4C_E_UNSUPPORTED, "addresses of 4");
    h5_begin(&b);
    h5_end(&b, 96);
    b4c_buffer_add(&b, "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    refused("k.h5", &b, B4C_E_UNSUPPORTED, "header is of version 2");
    h5_begin(&b);
    h5_texts(&b, &m, "layer_names", &name, 1, true);
    h5_end(&b, h5_object(&b, &m, false));
    refused("k.h5", &b, B4C_E_FORMAT, "layer 'layers' is in the list of layers, but has no group");
    h5_begin(&b);
    h5_texts(&b, &m, "layer_names", &name, 1, true);
    m.bytes.data[8 + 8 + 16] = 0x11; /* its type: numbers */
    h5_end(&b, h5_object(&b, &m, false));
    refused("k.h5", &b, B4C_E_FORMAT, "'layer_names' is not a list of strings");
}

/* Trees below themselves and headers that go on in themselves. */
static void circles_come_to_an_end(void **state)
{
    (void)state;
    static const char *const parts[] = { "tree is broken", "tree is broken", "lead in circles" };
    for (int kind = 0; kind < 3; kind++) {
        b4c_buffer b = { 0 };
        h5_messages m = { 0 };
        const char *name = "x";
        const uint64_t none = 96;
        h5_begin(&b);
        if (kind < 2) {
            h5_members(&b, &m, &name, &none, 1);
            const size_t tree = b.size - 48; /* its level is 5 bytes on, its child 32 */
            b.data[tree + 5] = (char)(kind ? 255 : 1);
            for (int i = 0; i < 8; i++) b.data[tree + 32 + (size_t)i] = (char)(tree >> 8 * i);
        } else {
            b4c_buffer body = { 0 };
            put_number(&body, 96 + 16, 8); /* the header's only block */
            put_number(&body, 24, 8);
            h5_message(&m, 16, body.data, body.size);
            b4c_buffer_done(&body);
            m.n = 65535;
        }
        h5_end(&b, h5_object(&b, &m, false));
        refused("circle.h5", &b, B4C_E_FORMAT, parts[kind]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(object_graphs_hold_what_was_saved),
        cmocka_unit_test(keys_become_names_by_their_layers),
        cmocka_unit_test(a_gated_layer_is_known_by_its_second_dense),
        cmocka_unit_test(a_graph_without_layers_changes_nothing),
        cmocka_unit_test(a_graph_that_lies_is_refused),
        cmocka_unit_test(hdf5_files_hold_what_was_saved),
        cmocka_unit_test(lists_and_strings_of_every_kind_are_read),
        cmocka_unit_test(a_model_within_a_model_keeps_its_layers),
        cmocka_unit_test(datasets_that_are_not_plain_are_refused),
        cmocka_unit_test(files_that_are_not_keras_are_refused),
        cmocka_unit_test(circles_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
