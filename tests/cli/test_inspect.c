/* test_inspect.c - inspect and bench: what they say of a model; every layout is one. */
#include "cli/command.h"

#include <jansson.h>

#define EMBED    "embed", "-q", "-m", tiny_model()
#define TOKENIZE "tokenize", "-q", "-m", tiny_model()

static void inspect_tells_what_the_model_is(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "inspect", "-m", tiny_model(), "--dtype", "f32", NULL);
    assert_code(r, 0);
    static const char *const rows[] = {
        "architecture  bert: 3 layers, width 40, 4 heads, inner 72, 24 positions\n",
        "heads         pooler: yes, masked LM: yes\n",
        "vectors       pooling: mean, length 1, at most 24 tokens\n",
        "special       pad [PAD] 0  unknown [UNK] 1  cls [CLS] 2  sep [SEP] 3  mask [MASK] 4\n",
        "tokenizer     WordPiece, 137 tokens, hub dialect",
        "files         model.safetensors (safetensors); names: hub, prefix bert",
        "tensors       60 read (f32 60), 0 missing, 2 unexpected\n",
        "unexpected    cls.seq_relationship.bias f32 [2] (harmless)\n",
        "numbers       no NaN, no infinity\n",
        "writes        reading prefix, ends with [SEP] (3)\n",
        "serves        embed, similar, fill, complete, summarize, paraphrase, score, tokenize\n",
        "as f32\n",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (!strstr(r.out, rows[i])) fail_msg("\"%s\" lacks \"%s\"", r.out, rows[i]);
    assert_null(strstr(r.out, "embeddings.word_embeddings"));
    const run all = bert4c(NULL, "inspect", tiny_model(), "--tensors", NULL);
    assert_non_null(strstr(all.out, "embeddings.word_embeddings.weight f32 [137, 40]\n"));
}

static void inspect_as_json_has_the_same(void **state)
{
    (void)state;
    const char *path = temp_path("inspect.json");
    assert_code(bert4c(NULL, "inspect", "-m", tiny_model(), "-o", path, NULL), 0);
    json_error_t why;
    json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(o);
    const json_t *m = json_object_get(o, "model");
    assert_int_equal(json_integer_value(json_object_get(m, "layers")), 3);
    assert_string_equal(json_string_value(json_object_get(m, "pooling")), "mean");
    assert_int_equal(json_array_size(json_object_get(o, "serves")), 8);
    assert_int_equal(json_array_size(json_object_get(json_object_get(o, "report"), "tensors")), 60);
    json_decref(o);
}

static void inspect_shows_models_with_faults(void **state)
{
    (void)state;
    if (!exists("tests/golden/formats/nan/model.safetensors")) skip();
    const run nan = bert4c(NULL, "inspect", "tests/golden/formats/nan", NULL);
    assert_code(nan, 0);
    assert_non_null(strstr(nan.out, "numbers       NaN or infinity, see below\n"));
    assert_non_null(strstr(nan.out, "has NaN at"));
    assert_non_null(strstr(nan.out, "serves        nothing\n"));
    const run missing = bert4c(NULL, "inspect", "tests/golden/formats/missing-one", NULL);
    assert_code(missing, 0);
    assert_non_null(strstr(missing.out, "59 read (f32 59), 1 missing"));
    assert_non_null(strstr(
        missing.out, "missing       bert.encoder.layer.1.attention.output.LayerNorm.weight\n"));
    assert_refused(bert4c(NULL, "inspect", temp_text("junk/config.json", "{"), NULL), 1, "junk");
}

/* Each note is a line; a step of vectors that is not done is the reason. */
static void inspect_says_what_the_files_want(void **state)
{
    (void)state;
    if (!exists("tests/golden/formats/gguf-bert/model.gguf")) skip();
    const run notes = bert4c(NULL, "inspect", "tests/golden/formats/gguf-bert", NULL);
    assert_non_null(strstr(notes.out, "since tokens have no capital letters\n"));
    assert_null(strstr(notes.out, " \n"));
    copy_tiny_model("wants");
    temp_text("wants/1_Pooling/config.json", "{\"pooling_mode\": \"attentive\"}");
    temp_text("wants/config_sentence_transformers.json", "{\"truncate_dim\": 16}");
    const run r = bert4c(NULL, "inspect", temp_path("wants"), NULL);
    assert_code(r, 0);
    assert_non_null(strstr(r.out, "not normalised, the first 16 components, at most"));
    assert_non_null(strstr(r.out, "embed: only with --pooling: config.json asks for 'attentive'"));
}

static void bench_measures_what_it_says(void **state)
{
    (void)state;
    json_error_t why;
    static const char *const keys[] = {
        "sentences_per_second", "tokens_per_second", "gflops",        "one_short_ms",
        "one_long_ms",          "texts_per_second",  "cold_start_ms", "tokenizer_mb_per_second"
    };
    const run r = bert4c(NULL, "bench", "-q", "-m", tiny_model(), "--seconds", "0.01", "--dtype",
                         "f32", "--threads", "1", "--to", "json", NULL);
    assert_code(r, 0);
    json_t *o = json_loads(r.out, 0, &why);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "threads")), 1);
    assert_string_equal(json_string_value(json_object_get(o, "isa")), b4c_isa_name());
    const json_t *results = json_object_get(o, "results");
    assert_int_equal(json_array_size(results), 1);
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_true(json_real_value(json_object_get(json_array_get(results, 0), keys[i])) > 0);
    json_decref(o);
    const run table = bert4c(NULL, "bench", "-q", "-m", tiny_model(), "--seconds", "0.01", NULL);
    assert_code(table, 0);
    assert_non_null(strstr(table.out, "\nf32  "));
    assert_non_null(strstr(table.out, "\nbf16 "));
    assert_non_null(strstr(table.out, "\nint8 "));
}

static void every_layout_is_a_model(void **state)
{
    (void)state;
    const char *prefix = "tests/golden/formats/tf1-bert/bert_model.ckpt";
    if (!exists("tests/golden/formats/tf1-bert/bert_model.ckpt.index")) skip();
    const run by_prefix = bert4c(NULL, "embed", "-q", "--dtype=f32", "--pooling=mean", "--to=text",
                                 "-m", prefix, "我想", NULL);
    assert_code(by_prefix, 0);
    assert_string_equal(bert4c(NULL, "embed", "-q", "--dtype=f32", "--pooling=mean", "--to=text",
                               "-m", "tests/golden/formats/tf1-bert", "我想", NULL)
                            .out,
                        by_prefix.out);
    assert_string_equal(
        bert4c(NULL, EMBED, "--dtype=f32", "--no-normalize", "--to=text", "我想", NULL).out,
        by_prefix.out);
    char weights[300];
    snprintf(weights, sizeof weights, "%s/model.safetensors", tiny_model());
    assert_string_equal(bert4c(NULL, "embed", "-q", "--dtype=f32", "--no-normalize", "--to=text",
                               "-m", weights, "我想", NULL)
                            .out,
                        by_prefix.out);
    const run tokens = bert4c(NULL, TOKENIZE, "我想", NULL);
    assert_string_equal(bert4c(NULL, "tokenize", "-q", "-m", weights, "我想", NULL).out,
                        tokens.out);
    assert_string_equal(bert4c(NULL, "tokenize", "-q", "-m", prefix, "我想", NULL).out, tokens.out);
    snprintf(weights, sizeof weights, "%s.data-00000-of-00001", prefix);
    assert_string_equal(bert4c(NULL, "tokenize", "-q", "-m", weights, "我想", NULL).out, tokens.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_tells_what_the_model_is),
        cmocka_unit_test(inspect_as_json_has_the_same),
        cmocka_unit_test(inspect_shows_models_with_faults),
        cmocka_unit_test(inspect_says_what_the_files_want),
        cmocka_unit_test(bench_measures_what_it_says),
        cmocka_unit_test(every_layout_is_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
