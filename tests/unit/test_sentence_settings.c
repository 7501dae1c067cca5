/* test_sentence_settings.c - what a model's files say about vectors, in sentence-transformers'
 * layout, as its versions 2 to 6 write it. L20: a report of users of other programs.
 */
#include "golden/folder.h"

#include "support/test.h"
#include <math.h>

enum { WIDTH = 40 };

static b4c_model *open_or_fail(const char *path, const b4c_model_options *o)
{
    b4c_error err = { 0 };
    b4c_model *m = b4c_model_open(path, o, &err);
    if (!m) fail_msg("%s: %s", path, err.message);
    return m;
}

static void must_not_open(const char *path, int code, const char *part)
{
    b4c_error err = { 0 };
    b4c_model *m = b4c_model_open(path, NULL, &err);
    if (m) fail_msg("%s opened, wanted \"%s\"", path, part);
    assert_error(&err, code, part);
}

/* NULL: the default, with mean pooling. */
static void encode_as(const b4c_model *m, const char *text, const b4c_encode_options *o,
                      float out[WIDTH])
{
    b4c_error err = { 0 };
    const b4c_encode_options mean = { .pooling = B4C_POOL_MEAN, .normalize = -1 };
    b4c_session *s = b4c_session_new(m, &(b4c_session_options){ .threads = 1 }, &err);
    assert_ok(b4c_encode(s, &text, NULL, 1, o ? o : &mean, out, &err), &err);
    b4c_session_free(s);
}

static void encode_must_fail(const char *folder, const b4c_encode_options *o, int code,
                             const char *part)
{
    b4c_error err = { 0 };
    float out[40];
    b4c_model *m = open_or_fail(folder, NULL);
    b4c_session *s = b4c_session_new(m, &(b4c_session_options){ .threads = 1 }, &err);
    assert_fails(b4c_encode(s, (const char *[]){ "我是人" }, NULL, 1, o, out, &err), &err, code,
                 part);
    b4c_session_free(s);
    b4c_model_free(m);
}

/* L20: others create a mean pooling and say so in a log. */
static void pooling_is_asked_for_and_never_guessed(void **state)
{
    (void)state;
    encode_must_fail(folder_make("pool", "bert"), NULL, B4C_E_ARG,
                     "choose cls, linear, tanh, mean, max or first-last");
    encode_must_fail(folder_make("pool", "roformer"), NULL, B4C_E_ARG, "choose cls, mean, max");
    const b4c_encode_options linear = { .pooling = B4C_POOL_LINEAR };
    encode_must_fail(folder_make("pool", "roformer"), &linear, B4C_E_MISSING, "hold no pooler");
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void a_step_that_is_not_done_is_named(void **state)
{
    (void)state;
    const char *folder = folder_make("dense", "bert");
    temp_text("dense/1_Pooling/config.json", "{\"pooling_mode_mean_tokens\": true}");
    temp_text(
        "dense/modules.json",
        "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"},"
        " {\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"},"
        " {\"type\": \"sentence_transformers.models.LayerNorm\", \"path\": \"2_LayerNorm\"}]");
    encode_must_fail(folder, NULL, B4C_E_ARG, "asks for 'LayerNorm'");
    temp_text("dense/modules.json", "[{\"type\": \"a.Pooling\", \"path\": \"../elsewhere\"}]");
    must_not_open(folder, B4C_E_FORMAT, "leaves the model's folder");
    folder = folder_make("last", "bert");
    temp_text("last/1_Pooling/config.json", "{\"pooling_mode\": \"attentive\"}");
    encode_must_fail(folder, NULL, B4C_E_ARG, "asks for 'attentive'");
    temp_text("last/1_Pooling/config.json",
              "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": true}");
    encode_must_fail(folder, NULL, B4C_E_ARG, "several poolings side by side");
}

/* sentence-transformers 5's Pooling, written out as double loops over the last layer's rows. */
static void the_rarer_poolings_are_their_formulas(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        b4c_pooling pooling;
    } cases[] = {
        { "{\"pooling_mode_mean_sqrt_len_tokens\": true}", B4C_POOL_MEAN_SQRT },
        { "{\"pooling_mode_weightedmean_tokens\": true}", B4C_POOL_WEIGHTED_MEAN },
        { "{\"pooling_mode\": \"lasttoken\"}", B4C_POOL_LAST_TOKEN },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        float out[40], hidden[8 * 12 * 40];
        const char *folder = folder_make("rare", "bert");
        b4c_model_options o = B4C_MODEL_DEFAULT;
        temp_text("rare/1_Pooling/config.json", cases[i].config);
        o.dtype = B4C_F32;
        b4c_model *m = open_or_fail(folder, &o);
        b4c_model_info info;
        b4c_model_describe(m, &info);
        assert_int_equal(info.pooling, cases[i].pooling);
        b4c_session *s = b4c_session_new(m, &(b4c_session_options){ .threads = 1 }, &err);
        b4c_encoding e = { 0 };
        assert_ok(b4c_tokenize(b4c_model_tokenizer(m), "我是人中大", SIZE_MAX, NULL, 0, NULL, &e,
                               &err),
                  &err);
        assert_true(e.n > 3 && e.n <= 12);
        assert_ok(b4c_hidden(s, e.ids, e.n, hidden, &err), &err);
        assert_ok(b4c_encode_ids(s, e.ids, NULL, &e.n, 1, NULL, out, &err), &err);
        const float *last = hidden + (size_t)info.layers * (size_t)(e.n * info.width);
        for (int c = 0; c < info.width; c++) {
            double sum = 0, by = 0;
            for (int row = 0; row < e.n; row++) {
                const int counts = cases[i].pooling == B4C_POOL_MEAN_SQRT      ? 1
                                   : cases[i].pooling == B4C_POOL_WEIGHTED_MEAN ? row + 1
                                                                                : row + 1 == e.n;
                sum += counts * (double)last[row * info.width + c];
                by += counts;
            }
            if (cases[i].pooling == B4C_POOL_MEAN_SQRT) by = sqrt(by);
            assert_true(fabs(sum / by - (double)out[c]) < 1e-5);
        }
        b4c_encoding_free(&e);
        b4c_session_free(s);
        b4c_model_free(m);
    }
}

static void files_say_how_to_pool(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    float said[40], asked[40], prompted[40];
    const char *folder = folder_make("said", "bert");
    temp_text("said/1_Pooling/config.json", "{\"pooling_mode_mean_tokens\": true}");
    temp_text("said/sentence_bert_config.json",
              "{\"max_seq_length\": 12, \"do_lower_case\": false}");
    temp_text("said/config_sentence_transformers.json",
              "{\"prompts\": {\"query\": \"我是\"}, \"default_prompt_name\": \"query\"}");
    temp_text(
        "said/modules.json",
        "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"},"
        " {\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"},"
        " {\"type\": \"sentence_transformers.models.Normalize\", \"path\": \"2_Normalize\"}]");
    b4c_model *m = open_or_fail(folder, NULL);
    b4c_model_info info;
    b4c_model_describe(m, &info);
    assert_int_equal(info.pooling, B4C_POOL_MEAN);
    assert_true(info.normalize);
    assert_int_equal(info.max_length, 12);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    const char *text[] = { "人中大" }, *whole[] = { "我是人中大" };
    assert_ok(b4c_encode(s, text, NULL, 1, NULL, prompted, &err), &err);
    b4c_encode_options o = { .pooling = B4C_POOL_MEAN, .normalize = 1, .prompt = "" };
    assert_ok(b4c_encode(s, whole, NULL, 1, &o, asked, &err), &err);
    assert_memory_equal(prompted, asked, sizeof asked);
    o.prompt = NULL;
    assert_ok(b4c_encode(s, text, NULL, 1, &o, said, &err), &err);
    assert_memory_equal(said, prompted, sizeof said);
    b4c_session_free(s);
    b4c_model_free(m);
}

static const char *pooler_as_linear(const char *name, char *room, size_t size)
{
    const char *dot = strstr(name, "pooler.dense.");
    if (!dot) return name;
    snprintf(room, size, "linear.%s", dot + strlen("pooler.dense."));
    return room;
}

/* cls pooling and a dense layer of width 40 that has the pooler's weights. */
static const char *with_dense(const char *name, const char *config, const char *behind)
{
    char file[80], text[600];
    const char *folder = folder_make(name, "bert");
    snprintf(file, sizeof file, "%s/1_Pooling/config.json", name);
    temp_text(file, "{\"pooling_mode\": \"cls\"}");
    snprintf(file, sizeof file, "%s/2_Dense/model.safetensors", name);
    folder_rename(file, "tests/golden/models/bert/model.safetensors", pooler_as_linear);
    snprintf(file, sizeof file, "%s/2_Dense/config.json", name);
    temp_text(file, config);
    snprintf(file, sizeof file, "%s/modules.json", name);
    snprintf(text, sizeof text,
             "[{\"type\": \"a.Transformer\", \"path\": \"\"},"
             " {\"type\": \"a.Pooling\", \"path\": \"1_Pooling\"},"
             " {\"type\": \"a.Dense\", \"path\": \"2_Dense\"}%s]",
             behind);
    temp_text(file, text);
    return folder;
}

#define SHAPE "{\"in_features\": 40, \"out_features\": 40"

/* Then it is the pooler, to the bit. */
static void a_dense_layer_with_the_poolers_weights_is_the_pooler(void **state)
{
    (void)state;
    static const struct {
        const char *name, *config;
        b4c_pooling same;
    } cases[] = {
        { "dense0", SHAPE "}", B4C_POOL_TANH }, /* what the reference takes where nothing is said */
        { "dense1", SHAPE ", \"activation_function\": \"torch.nn.modules.linear.Identity\"}",
          B4C_POOL_LINEAR },
    };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = B4C_F32;
    b4c_model *plain = open_or_fail("tests/golden/models/bert",
                                    &(b4c_model_options){ .dtype = B4C_F32, .weights_only = true });
    for (int i = 0; i < 2; i++) {
        b4c_error err = { 0 };
        b4c_model_info info;
        float dense[WIDTH], pooler[WIDTH];
        static const int32_t ids[] = { 2, 9, 17, 3 };
        const int length = 4;
        const b4c_encode_options as = { .pooling = cases[i].same, .normalize = 1 };
        b4c_model *m = open_or_fail(
            with_dense(cases[i].name, cases[i].config,
                       ", {\"type\": \"a.Normalize\", \"path\": \"3_Normalize\"}"),
            &o);
        b4c_model_describe(m, &info);
        assert_int_equal(info.dense_steps, 1);
        b4c_session *s = b4c_session_new(m, NULL, &err), *p = b4c_session_new(plain, NULL, &err);
        assert_ok(b4c_encode_ids(s, ids, NULL, &length, 1, NULL, dense, &err), &err);
        assert_ok(b4c_encode_ids(p, ids, NULL, &length, 1, &as, pooler, &err), &err);
        assert_memory_equal(dense, pooler, sizeof dense);
        b4c_session_free(s);
        b4c_session_free(p);
        b4c_model_free(m);
    }
    b4c_model_free(plain);
}

static void what_is_wrong_with_a_dense_layer_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        int code;
        const char *says;
    } cases[] = {
        { "{\"in_features\": 39, \"out_features\": 40}", B4C_E_SHAPE, "in_features is 39" },
        { "{\"in_features\": 40, \"out_features\": 41}", B4C_E_SHAPE, "41 x 40" },
        { "{\"in_features\": 40}", B4C_E_FORMAT, "wanted in_features and out_features" },
        { "{\"in_features\": -1, \"out_features\": 40}", B4C_E_FORMAT, "in_features" },
        { "[]", B4C_E_FORMAT, "in_features" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        must_not_open(with_dense("wrong", cases[i].config, ""), cases[i].code, cases[i].says);
    const char *folder = with_dense("odd", SHAPE ", \"use_residual\": true}", "");
    encode_must_fail(folder, NULL, B4C_E_ARG, "asks for 'Dense with use_residual'");
    folder = with_dense("odd", SHAPE ", \"activation_function\": \"torch.nn.Hardswish\"}", "");
    encode_must_fail(folder, NULL, B4C_E_ARG, "asks for 'another activation in Dense'");
    with_dense("gone", SHAPE "}", "");
    folder_fill(temp_path("gone/2_Dense/model.safetensors"), "linear.bias", NAN);
    must_not_open(temp_path("gone"), B4C_E_NUMBER, "'linear.bias' has NaN");
    assert_int_equal(remove(temp_path("gone/2_Dense/model.safetensors")), 0);
    must_not_open(temp_path("gone"), B4C_E_MISSING, "2_Dense: no weights");
}

/* sentence-transformers 6 writes one name, or a list of them. */
static void pooling_modes_may_be_a_list(void **state)
{
    (void)state;
    b4c_model_info info;
    const char *folder = folder_make("list", "bert");
    temp_text("list/1_Pooling/config.json", "{\"pooling_mode\": [\"max\"]}");
    b4c_model *m = open_or_fail(folder, NULL);
    b4c_model_describe(m, &info);
    assert_int_equal(info.pooling, B4C_POOL_MAX);
    b4c_model_free(m);
    temp_text("list/1_Pooling/config.json", "{\"pooling_mode\": [\"cls\", \"mean\"]}");
    encode_must_fail(folder, NULL, B4C_E_ARG, "several poolings side by side");
    temp_text("list/1_Pooling/config.json", "{\"pooling_mode\": []}");
    must_not_open(folder, B4C_E_FORMAT, "pooling_mode");
}

/* A router has no weights where the others have them: not that, but the router is the reason. */
static void a_model_that_begins_otherwise_is_told_so(void **state)
{
    (void)state;
    const char *folder = folder_make("router", "bert");
    temp_text("router/modules.json",
              "[{\"type\": \"sentence_transformers.base.modules.router.Router\", \"path\": \"\"}]");
    must_not_open(folder, B4C_E_UNSUPPORTED, "asks for 'Router'");
}

static void dropout_does_nothing_to_vectors(void **state)
{
    (void)state;
    b4c_model_info info;
    const char *folder = folder_make("dropout", "bert");
    temp_text("dropout/1_Pooling/config.json", "{\"pooling_mode\": \"cls\"}");
    temp_text("dropout/modules.json",
              "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"},"
              " {\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"},"
              " {\"type\": \"sentence_transformers.models.Dropout\", \"path\": \"2_Dropout\"}]");
    b4c_model *m = open_or_fail(folder, NULL);
    b4c_model_describe(m, &info);
    assert_int_equal(info.pooling, B4C_POOL_CLS);
    b4c_model_free(m);
}

/* include_prompt: false leaves the prompt out of whatever pooling: an error for each, since its
 * rows would count. */
static void a_prompt_that_must_not_count_is_refused(void **state)
{
    (void)state;
    static const char *const modes[] = { "cls", "mean", "max" };
    const char *folder = folder_make("prompt", "bert");
    const b4c_encode_options with = { .prompt = "我" }, without = { .prompt = "" };
    float out[WIDTH];
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"pooling_mode\": \"%s\", \"include_prompt\": false}",
                 modes[i]);
        temp_text("prompt/1_Pooling/config.json", text);
        encode_must_fail(folder, &with, B4C_E_UNSUPPORTED, "include_prompt");
        b4c_model *m = open_or_fail(folder, NULL);
        encode_as(m, "是人", &without, out);
        b4c_model_free(m);
    }
}

/* truncate_dim of config_sentence_transformers.json; --dim goes before it. */
static void files_say_how_many_components_count(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_model_info info;
    float cut[WIDTH], asked[WIDTH];
    const char *folder = folder_make("dim", "bert");
    temp_text("dim/config_sentence_transformers.json", "{\"truncate_dim\": 7}");
    b4c_model *m = open_or_fail(folder, NULL);
    b4c_model_describe(m, &info);
    assert_int_equal(info.dim, 7);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    b4c_encode_options o = { .pooling = B4C_POOL_MEAN, .normalize = 1 };
    assert_int_equal(b4c_encode_width(s, &o, &err), 7);
    encode_as(m, "我是人", &o, cut);
    o.dim = info.width;
    assert_int_equal(b4c_encode_width(s, &o, &err), info.width);
    b4c_session_free(s);
    o.dim = 7;
    encode_as(m, "我是人", &o, asked);
    assert_memory_equal(cut, asked, 7 * sizeof *cut);
    b4c_model_free(m);
    temp_text("dim/config_sentence_transformers.json", "{\"truncate_dim\": 4096}");
    m = open_or_fail(folder, NULL);
    b4c_model_describe(m, &info);
    assert_int_equal(info.dim, info.width);
    b4c_model_free(m);
    temp_text("dim/config_sentence_transformers.json", "{\"truncate_dim\": -1}");
    must_not_open(folder, B4C_E_FORMAT, "truncate_dim");
}

/* ---- reading text ---------------------------------------------------------------------------- */

/* The tokens of a text, by a tokenizer opened alone, as by the model's. */
static void assert_tokens(const char *folder, const char *text, const char *wanted)
{
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    b4c_model *m = open_or_fail(folder, NULL);
    b4c_tokenizer *alone = b4c_tokenizer_open(folder, B4C_DIALECT_AUTO, &err);
    if (!alone) fail_msg("%s: %s", folder, err.message);
    const b4c_tokenizer *both[] = { alone, b4c_model_tokenizer(m) };
    for (int k = 0; k < 2; k++) {
        char got[200] = "";
        assert_ok(b4c_tokenize(both[k], text, SIZE_MAX, NULL, 0, NULL, &e, &err), &err);
        for (int i = 0; i < e.n; i++) {
            if (i) strcat(got, " ");
            strcat(got, b4c_tokenizer_token(both[k], e.ids[i]));
        }
        assert_string_equal(got, wanted);
    }
    b4c_encoding_free(&e);
    b4c_tokenizer_free(alone);
    b4c_model_free(m);
}

/* do_lower_case stands before the tokenizer, so accents stay as the tokenizer has them. The file
 * has a name for each architecture. */
static void settings_lower_case_before_the_tokenizer(void **state)
{
    (void)state;
    static const char *const files[] = { "sentence_bert_config.json",
                                         "sentence_albert_config.json" };
    for (int i = 0; i < 2; i++) {
        char name[60];
        const char *folder = folder_make(i ? "lower1" : "lower0", "bert");
        snprintf(name, sizeof name, "lower%d/tokenizer_config.json", i);
        temp_text(name, "{\"do_lower_case\": false}");
        assert_tokens(folder, "A \xc3\x81", "[CLS] [UNK] [UNK] [SEP]");
        snprintf(name, sizeof name, "lower%d/%s", i, files[i]);
        temp_text(name, "{\"max_seq_length\": 9, \"do_lower_case\": true}");
        assert_tokens(folder, "A \xc3\x81", "[CLS] a [UNK] [SEP]");
    }
}

/* T16: the model's decision holds, unless the caller says otherwise, aloud. */
static void lower_case_may_be_asked_for(void **state)
{
    (void)state;
    b4c_model_options o = B4C_MODEL_DEFAULT;
    float asked[WIDTH], small[WIDTH], large[WIDTH];
    const char *folder = folder_make("asked", "bert");
    temp_text("asked/tokenizer_config.json", "{\"do_lower_case\": false}");
    b4c_model *m = open_or_fail(folder, NULL);
    encode_as(m, "a", NULL, small);
    encode_as(m, "A", NULL, large);
    assert_memory_not_equal(small, large, sizeof small);
    b4c_model_free(m);
    o.lower_case = true;
    m = open_or_fail(folder, &o);
    encode_as(m, "\xc3\x81", NULL, asked);
    assert_memory_equal(small, asked, sizeof small);
    b4c_model_free(m);
}

/* The first versions kept the transformer's files in a folder of their own. */
static void a_tokenizer_is_found_where_the_transformer_is(void **state)
{
    (void)state;
    folder_make("apart/0_Transformer", "bert");
    temp_text("apart/modules.json", "[{\"type\": \"sentence_transformers.models.Transformer\","
                                    "  \"path\": \"0_Transformer\"}]");
    assert_tokens(temp_path("apart"), "我", "[CLS] 我 [SEP]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_is_asked_for_and_never_guessed),
        cmocka_unit_test(the_rarer_poolings_are_their_formulas),
        cmocka_unit_test(files_say_how_to_pool),
        cmocka_unit_test(a_step_that_is_not_done_is_named),
        cmocka_unit_test(a_dense_layer_with_the_poolers_weights_is_the_pooler),
        cmocka_unit_test(what_is_wrong_with_a_dense_layer_is_said),
        cmocka_unit_test(pooling_modes_may_be_a_list),
        cmocka_unit_test(a_model_that_begins_otherwise_is_told_so),
        cmocka_unit_test(dropout_does_nothing_to_vectors),
        cmocka_unit_test(a_prompt_that_must_not_count_is_refused),
        cmocka_unit_test(files_say_how_many_components_count),
        cmocka_unit_test(settings_lower_case_before_the_tokenizer),
        cmocka_unit_test(lower_case_may_be_asked_for),
        cmocka_unit_test(a_tokenizer_is_found_where_the_transformer_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
