/* Every layout that a checkpoint may have, against the model that it was made of.
 *
 * tests/golden/formats holds the weights of tests/golden/models written by the frameworks
 * themselves (PyTorch 2.15, TensorFlow 2.21, ONNX Runtime 1.32). What a reader gives must be the
 * source's numbers bit for bit; half and bf16 files hold them rounded to nearest.
 */
#include "support/test.h"

#include "format_golden.h"

#include <math.h>

/* ---- names ---------------------------------------------------------------------------------- */

static const rename_rule tf_roformer[] = {
    { "bert/encoder/embedding_hidden_mapping_in", "roformer/embeddings_project" },
    { "bert/", "roformer/" },
    { NULL, NULL },
};
static const rename_rule tf_albert[] = {
    { "cls/predictions/output_bias", "predictions.bias" },
    { "cls/predictions/transform/", "predictions/" },
    { "bert/encoder/transformer/group_0/inner_group_0/LayerNorm_1/",
      "albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm." },
    { "bert/encoder/transformer/group_0/inner_group_0/LayerNorm/",
      "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.LayerNorm." },
    { "bert/encoder/transformer/group_0/inner_group_0/",
      "albert.encoder.albert_layer_groups.0.albert_layers.0." },
    { "attention_1/self/", "attention." },
    { "attention_1/output/", "attention." },
    { "ffn_1/intermediate/output/dense/", "ffn_output." },
    { "ffn_1/intermediate/dense/", "ffn." },
    { "bert/", "albert/" },
    { NULL, NULL },
};
static const rename_rule gamma_beta[] = {
    { "LayerNorm.gamma", "LayerNorm.weight" },
    { "LayerNorm.beta", "LayerNorm.bias" },
    { NULL, NULL },
};

/* ---- the layouts ---------------------------------------------------------------------------- */

#define BERT .source = "bert/model.safetensors"
#define TIED .extra = { "cls.predictions.decoder.weight", "cls.predictions.decoder.bias" }

static void safetensors_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "../models/bert", .layout = "safetensors", BERT, .files = 1 },
        { "../models/roformer", .layout = "safetensors", .source = "roformer/model.safetensors" },
        { "sharded", .layout = "safetensors", BERT, .files = 3 },
        { "sharded", "model.safetensors.index.json", .layout = "safetensors", BERT, .files = 3 },
        { "bf16", .layout = "safetensors", BERT, .precision = BRAIN },
        { "f16", .layout = "safetensors", BERT, .precision = HALF },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static void torch_files_of_every_age_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "bin-zip", .layout = "torch", BERT, TIED, .files = 1 },
        { "bin-zip", "pytorch_model.bin", .layout = "torch", BERT, TIED },
        { "bin-legacy", .layout = "torch", BERT, TIED },
        { "bin-gamma-beta", .layout = "torch", BERT, TIED, .first = gamma_beta },
        { "bin-half", .layout = "torch", BERT, TIED, .precision = HALF },
        { "bin-strided", .layout = "torch", BERT, TIED },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static void tf1_checkpoints_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "tf1-bert", .layout = "tf1", BERT, .first = tf_bert, .files = 2 },
        { "tf1-bert", "bert_model.ckpt", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-bert", "bert_model.ckpt.index", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-bert", "bert_model.ckpt.data-00000-of-00001", .layout = "tf1", BERT,
          .first = tf_bert },
        { "tf1-bert-sharded", .layout = "tf1", BERT, .first = tf_bert, .files = 3 },
        { "tf1-bert-sliced", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-bert-adam", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-roformer", .layout = "tf1", .source = "roformer/model.safetensors",
          .first = tf_roformer, .then = tf_bert },
        { "tf1-roformer-factorised", .layout = "tf1",
          .source = "roformer-factorised/model.safetensors", .first = tf_roformer,
          .then = tf_bert },
        { "tf1-albert", .layout = "tf1", .source = "albert/model.safetensors", .first = tf_albert,
          .then = tf_bert },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static void onnx_exports_hold_what_was_exported(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "onnx-bert", .layout = "onnx", BERT, .strip = "bert." },
        { "onnx-bert-dynamo", .layout = "onnx", BERT, .strip = "bert.",
          .extra = { "embeddings.position_ids" } },
        { "onnx-bert-mlm", .layout = "onnx", BERT, .extra = { "cls.predictions.decoder.weight" } },
        { "onnx-bert-external", .layout = "onnx", BERT, .strip = "bert.", .files = 2 },
        { "onnx-bert-fused", .layout = "onnx", BERT, .strip = "bert." },
        { "onnx-bert-f16", .layout = "onnx", BERT, .strip = "bert.", .precision = HALF },
        { "onnx-bert-int8", "model_quantized.onnx", .layout = "onnx",
          .source = "./onnx-bert-int8/expected.safetensors" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

/* The tied head: listed once more, as a view of the same bytes. */
static void tied_weights_are_stored_once(void **state)
{
    (void)state;
    static const char *const files[] = { FORMATS "bin-zip", FORMATS "bin-legacy" };
    for (size_t i = 0; i < COUNT(files); i++) {
        b4c_store s;
        b4c_error err = { 0 };
        assert_ok(b4c_store_open(&s, files[i], &err), &err);
        const int a = b4c_store_find(&s, "bert.embeddings.word_embeddings.weight");
        const int b = b4c_store_find(&s, "cls.predictions.decoder.weight");
        assert_true(a >= 0 && b >= 0);
        assert_ptr_equal(s.tensor[a].data, s.tensor[b].data);
        b4c_store_close(&s);
    }
}

static void identity_nodes_give_shared_tensors_their_names_back(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    assert_ok(b4c_store_open(&s, FORMATS "onnx-bert-identity", &err), &err);
    json_t *expected = b4c_json_file(FORMATS "onnx-bert-identity/expected.json", &err);
    assert_non_null(expected);
    static const char *const keys[] = { "zeros", "ones" };
    int seen = 0;
    for (int k = 0; k < 2; k++) {
        size_t j;
        const json_t *name;
        json_array_foreach(json_object_get(expected, keys[k]), j, name)
        {
            const int i = b4c_store_find(&s, json_string_value(name));
            assert_true(i >= 0);
            float *x = read_all(&s, i);
            for (int64_t at = 0; at < s.tensor[i].shape[0]; at++) assert_true(x[at] == (float)k);
            free(x);
            seen++;
        }
    }
    assert_int_equal(seen, 6);
    reference r = reference_open(MODELS "bert/model.safetensors");
    for (int i = 0; i < s.n; i++) { /* the others are the source's */
        char name[300];
        snprintf(name, sizeof name, "bert.%s", s.tensor[i].name);
        const json_t *entry = json_object_get(r.header, name);
        assert_non_null(entry);
        if (!is_listed(name + 5, json_object_get(expected, "ones")) &&
            !is_listed(name + 5, json_object_get(expected, "zeros")))
            compare(&s, i, &r, entry, false, EXACT);
    }
    reference_close(&r);
    json_decref(expected);
    b4c_store_close(&s);
}

static void a_graph_tells_what_its_shapes_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        double epsilon;
        int head_size, heads;
    } cases[] = {
        { FORMATS "onnx-bert", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-dynamo", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-mlm", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-fused", 1e-12, 0, 4 },
        { FORMATS "onnx-bert-int8/model_quantized.onnx", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-f16", 5.96046e-8, 10, 0 }, /* the least half that is not 0 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_store s;
        b4c_error err = { 0 };
        assert_ok(b4c_store_open(&s, cases[i].path, &err), &err);
        assert_true(s.facts.epsilon == cases[i].epsilon);
        assert_int_equal(s.facts.head_size, cases[i].head_size);
        assert_int_equal(s.facts.heads, cases[i].heads);
        assert_string_equal(s.facts.activation, "gelu");
        b4c_store_close(&s);
    }
}

/* What the model room must see to refuse it: nothing is invented, nothing repaired. */
static void what_a_file_lacks_or_has_too_much_is_left_so(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    reference r = reference_open(MODELS "bert/model.safetensors");
    assert_ok(b4c_store_open(&s, FORMATS "missing-one", &err), &err);
    assert_int_equal(s.n, (int)json_object_size(r.header) - 1);
    b4c_store_close(&s);

    assert_ok(b4c_store_open(&s, FORMATS "padded-and-extra", &err), &err);
    assert_true(b4c_store_find(&s, "bert.embeddings.position_ids") >= 0);
    const int i = b4c_store_find(&s, "bert.embeddings.word_embeddings.weight");
    const json_t *entry = json_object_get(r.header, "bert.embeddings.word_embeddings.weight");
    assert_int_equal(s.tensor[i].shape[0], 144);
    float *x = read_all(&s, i);
    assert_memory_equal(x, data_of(&r, entry), (size_t)(axis(entry, 0) * axis(entry, 1)) * 4);
    free(x);
    b4c_store_close(&s);

    assert_ok(b4c_store_open(&s, FORMATS "nan", &err), &err);
    int nans = 0;
    for (int t = 0; t < s.n; t++) {
        float *y = read_all(&s, t);
        const int64_t n = b4c_stored_rows(&s.tensor[t]) * b4c_stored_row(&s.tensor[t]);
        for (int64_t at = 0; at < n; at++) nans += isnan(y[at]) != 0;
        free(y);
    }
    assert_true(nans > 0);
    b4c_store_close(&s);
    reference_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_hold_what_was_saved),
        cmocka_unit_test(torch_files_of_every_age_hold_what_was_saved),
        cmocka_unit_test(tf1_checkpoints_hold_what_was_saved),
        cmocka_unit_test(onnx_exports_hold_what_was_exported),
        cmocka_unit_test(tied_weights_are_stored_once),
        cmocka_unit_test(identity_nodes_give_shared_tensors_their_names_back),
        cmocka_unit_test(a_graph_tells_what_its_shapes_do_not),
        cmocka_unit_test(what_a_file_lacks_or_has_too_much_is_left_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
