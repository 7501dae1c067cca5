/* test_model_open.c - opening models: what belongs together, what is missing and what is too
 * much. L*, N*: reports of users of other programs.
 */
#include "golden/folder.h"

#include "base/json.h"
#include "model/names.h"
#include "support/test.h"

#define BERT "tests/golden/models/bert"

static b4c_model *open_or_fail(const char *path, const b4c_model_options *o)
{
    b4c_error err = { 0 };
    b4c_model *m = b4c_model_open(path, o, &err);
    if (!m) fail_msg("%s: %s", path, err.message);
    return m;
}

static void must_not_open(const char *path, const b4c_model_options *o, int code, const char *part)
{
    b4c_error err = { 0 };
    b4c_model *m = b4c_model_open(path, o, &err);
    if (m) fail_msg("%s opened, wanted \"%s\"", path, part);
    assert_error(&err, code, part);
}

static b4c_model_options weights_only(void)
{
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = B4C_F32;
    o.weights_only = true;
    return o;
}

/* The report's value of a key. */
static json_t *report(const b4c_model *m)
{
    b4c_error err = { 0 };
    const char *text = b4c_model_report(m);
    json_t *json = b4c_json_parse(text, strlen(text), "report", &err);
    if (!json) fail_msg("%s", err.message);
    return json;
}

/* ---- weights --------------------------------------------------------------------------------- */

static void a_missing_tensor_is_named_with_its_nearest(void **state)
{
    (void)state;
    b4c_model_options o = weights_only();
    must_not_open("tests/golden/formats/missing-one", &o, B4C_E_MISSING, "nearest are");
    must_not_open("tests/golden/formats/missing-one", &o, B4C_E_MISSING, "layer.1.");
    o.allow_missing = true;
    b4c_model *m = open_or_fail("tests/golden/formats/missing-one", &o);
    json_t *r = report(m);
    assert_int_equal(json_array_size(json_object_get(r, "missing")), 1);
    json_decref(r);
    b4c_model_free(m);
}

static void nan_is_found_where_it_is(void **state)
{
    (void)state;
    b4c_model_options o = weights_only();
    must_not_open("tests/golden/formats/nan", &o, B4C_E_NUMBER, "has NaN at [");
    o.check_numbers = false;
    b4c_model_free(open_or_fail("tests/golden/formats/nan", &o));
}

static void padding_and_extra_tensors_are_reported(void **state)
{
    (void)state;
    b4c_model_options o = weights_only();
    o.need_head = true;
    b4c_model *m = open_or_fail("tests/golden/formats/padded-and-extra", &o);
    json_t *r = report(m);
    assert_int_equal(json_integer_value(json_object_get(r, "padded_rows")), 7);
    const json_t *unexpected = json_object_get(r, "unexpected");
    assert_true(json_array_size(unexpected) >= 3);
    const char *first = json_string_value(json_object_get(json_array_get(unexpected, 0), "name"));
    assert_string_equal(first, "bert.embeddings.position_ids");
    assert_true(json_is_true(json_object_get(json_array_get(unexpected, 0), "harmless")));
    assert_string_equal(json_string_value(json_object_get(r, "prefix")), "bert.");
    b4c_model_info info;
    b4c_model_describe(m, &info);
    assert_int_equal(info.vocabulary, 137);
    json_decref(r);
    b4c_model_free(m);
}

static const char *twice_prefixed(const char *name, char *room, size_t size)
{
    snprintf(room, size, "roformer.%s", name);
    return room;
}

static const char *bare(const char *name, char *room, size_t size)
{
    (void)room, (void)size;
    return strncmp(name, "bert.", 5) == 0 ? name + 5 : name;
}

static const char *strange(const char *name, char *room, size_t size)
{
    snprintf(room, size, "model.student.%s", name);
    return room;
}

static const char *no_backbone(const char *name, char *room, size_t size)
{
    (void)room, (void)size;
    return strstr(name, "word_embeddings") ? "bert.embeddings.words.weight" : name;
}

/* L03, L07, L12, L14: prefixes that others do not expect, and then load nothing. */
static void prefixes_are_found_and_reported(void **state)
{
    (void)state;
    static const struct { rename_fn rename; const char *prefix; } cases[] = {
        { twice_prefixed, "roformer.bert." }, { bare, "" }, { strange, "model.student.bert." },
    };
    const b4c_model_options o = weights_only();
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *folder = folder_make("prefix", "bert");
        folder_rename("prefix/model.safetensors", BERT "/model.safetensors", cases[i].rename);
        b4c_model *m = open_or_fail(folder, &o);
        json_t *r = report(m);
        assert_string_equal(json_string_value(json_object_get(r, "prefix")), cases[i].prefix);
        assert_int_equal(json_array_size(json_object_get(r, "missing")), 0);
        b4c_model_info info;
        b4c_model_describe(m, &info);
        assert_true(info.has_mlm && info.has_pooler);
        json_decref(r);
        b4c_model_free(m);
    }
    const char *folder = folder_make("nothing", "bert");
    folder_rename("nothing/model.safetensors", BERT "/model.safetensors", no_backbone);
    must_not_open(folder, &o, B4C_E_MISSING, "'bert.embeddings.words.weight'");
}

static const char *two_models(const char *name, char *room, size_t size)
{
    /* Half of the tensors under another prefix: two word embeddings. */
    static int count;
    snprintf(room, size, "%s.%s", count++ % 2 ? "a" : "b", name);
    if (strstr(name, "position_embeddings"))
        snprintf(room, size, "c.bert.embeddings.word_embeddings.weight");
    return room;
}

static void two_backbones_in_one_file_are_not_chosen_from(void **state)
{
    (void)state;
    const b4c_model_options o = weights_only();
    const char *folder = folder_make("two", "bert");
    folder_rename("two/model.safetensors", BERT "/model.safetensors", two_models);
    must_not_open(folder, &o, B4C_E_FORMAT, "several models in this file");
}

static void a_shape_that_does_not_fit_names_both(void **state)
{
    (void)state;
    const b4c_model_options o = weights_only();
    size_t n;
    char *config = read_file(BERT "/config.json", &n);
    const char *folder = folder_make("shape", "bert");
    char *inner = strstr(config, "\"intermediate_size\": 72");
    assert_non_null(inner);
    memcpy(inner, "\"intermediate_size\": 80", 23);
    temp_text("shape/config.json", config);
    must_not_open(folder, &o, B4C_E_SHAPE, "the configuration wants [80, 40]");
    free(config);
}

static const char *packed_query(const char *name, char *room, size_t size)
{
    const char *end = strstr(name, "layer.1.attention.self.query.weight");
    if (!end) return name;
    snprintf(room, size, "%.*squery.qweight", (int)(strlen(name) - strlen("query.weight")), name);
    return room;
}

/* The file, with what its header says of tensor `name` exchanged for as many letters. */
static void say_of_tensor(const char *to, const char *name, const char *is, const char *becomes)
{
    size_t n;
    uint64_t header;
    char *bytes = read_file(BERT "/model.safetensors", &n), quoted[256];
    memcpy(&header, bytes, sizeof header);
    bytes[8 + header - 1] = '\0'; /* its last brace, for the search */
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    char *at = strstr(bytes + 8, quoted);
    if (at) at = strstr(at, is);
    assert_non_null(at);
    memcpy(at, becomes, strlen(is));
    bytes[8 + header - 1] = '}';
    temp_file(to, bytes, n);
    free(bytes);
}

/* L*: codes that others wrote, taken for numbers, or told as missing. */
static void codes_of_another_quantisation_are_refused(void **state)
{
    (void)state;
    const char *const query = "bert.encoder.layer.1.attention.self.query.weight";
    const b4c_model_options o = weights_only();
    const char *folder = folder_make("codes", "bert");
    /* bitsandbytes: integers under the weight's name, scales under others */
    say_of_tensor("codes/model.safetensors", query, "\"F32\"", "\"I32\"");
    must_not_open(folder, &o, B4C_E_UNSUPPORTED,
                  "layer.1.attention.self.query.weight': found codes (i32) of a quantisation");
    /* GPTQ, AWQ */
    say_of_tensor("codes/model.safetensors", query, "query.weight\"", "query.qweigh\"");
    must_not_open(folder, &o, B4C_E_MISSING, "query.weight'");
    folder_rename("codes/model.safetensors", BERT "/model.safetensors", packed_query);
    must_not_open(folder, &o, B4C_E_UNSUPPORTED, "query.qweight': found codes");
}

/* ---- configurations -------------------------------------------------------------------------- */

static void with_config(const char *config, int code, const char *part)
{
    const b4c_model_options o = weights_only();
    const char *folder = folder_make("config", "bert");
    temp_text("config/config.json", config);
    must_not_open(folder, &o, code, part);
}

static void a_wrong_configuration_is_refused_by_name(void **state)
{
    (void)state;
    with_config("{\"model_type\": \"mamba\"}", B4C_E_UNSUPPORTED, "known are bert, roformer");
    with_config("{\"model_type\": \"bert\"}", B4C_E_MISSING, "'vocab_size' is missing");
    with_config("[1]", B4C_E_FORMAT, "not a JSON object");
    with_config("{\"model_type\": 7}", B4C_E_FORMAT, "model_type");
    with_config("{\"model_type\": \"bert\", \"vocab_size\": -5}", B4C_E_FORMAT, "vocab_size");
    with_config("{\"model_type\": \"bert\", \"vocab_size\": 137, \"hidden_size\": 40, "
                "\"num_hidden_layers\": 3, \"num_attention_heads\": 7, \"intermediate_size\": 72}",
                B4C_E_FORMAT, "not a multiple of 7 heads");
    with_config("{\"model_type\": \"bert\", \"vocab_size\": 137, \"hidden_size\": 40, "
                "\"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"intermediate_size\": 72, "
                "\"hidden_act\": \"mish\"}", B4C_E_UNSUPPORTED, "activation 'mish'");
    with_config("{\"model_type\": \"bert\", \"vocab_size\": 137, \"hidden_size\": 40, "
                "\"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"intermediate_size\": 72, "
                "\"layer_norm_eps\": 2}", B4C_E_FORMAT, "epsilon is 2");
    with_config("{\"model_type\": \"bert\", \"position_embedding_type\": \"relative_key\"}",
                B4C_E_UNSUPPORTED, "position_embedding_type");
    with_config("{\"model_type\": \"albert\", \"num_hidden_groups\": 2}", B4C_E_UNSUPPORTED,
                "num_hidden_groups is 2");
}

/* Elsewhere the weights, which have another shape, would be what is wrong. */
static void a_model_too_wide_for_int8_is_told_so(void **state)
{
    (void)state;
    const char *folder = folder_make("wide", "bert");
    temp_text("wide/config.json",
              "{\"model_type\": \"bert\", \"vocab_size\": 137, \"hidden_size\": 40, "
              "\"num_hidden_layers\": 3, \"num_attention_heads\": 4, "
              "\"intermediate_size\": 70000, \"max_position_embeddings\": 24}");
    b4c_model_options o = weights_only();
    must_not_open(folder, &o, B4C_E_SHAPE, "70000");
    o.dtype = B4C_I8;
    must_not_open(folder, &o, B4C_E_UNSUPPORTED, "inner size is 70000");
}

/* An ALBERT as wide as its embeddings, made of a BERT: its pooler is the projection. */
static const char *as_albert(const char *name, char *room, size_t size)
{
    static const struct { const char *bert, *albert; } parts[] = {
        { "bert.encoder.layer.0.attention.output.LayerNorm.", "attention.LayerNorm." },
        { "bert.encoder.layer.0.attention.output.", "attention." },
        { "bert.encoder.layer.0.attention.self.", "attention." },
        { "bert.encoder.layer.0.intermediate.dense.", "ffn." },
        { "bert.encoder.layer.0.output.dense.", "ffn_output." },
        { "bert.encoder.layer.0.output.LayerNorm.", "full_layer_layer_norm." },
    };
    if (strncmp(name, "bert.pooler.dense.", 18) == 0) {
        snprintf(room, size, "albert.encoder.embedding_hidden_mapping_in.%s", name + 18);
        return room;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const size_t n = strlen(parts[i].bert);
        if (strncmp(name, parts[i].bert, n)) continue;
        snprintf(room, size, "albert.encoder.albert_layer_groups.0.albert_layers.0.%s%s",
                 parts[i].albert, name + n);
        return room;
    }
    snprintf(room, size, "al%s", name);
    return room;
}

/* transformers' AlbertModel projects whatever the widths are: of a projection to a constant all
 * tokens come out as that. */
static void an_albert_projects_although_the_widths_are_equal(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    static const int32_t ids[] = { 2, 9, 17, 3 };
    float hidden[4 * 4 * 40];
    folder_make("square", "bert");
    temp_text("square/config.json",
              "{\"model_type\": \"albert\", \"vocab_size\": 137, \"hidden_size\": 40, "
              "\"embedding_size\": 40, \"num_hidden_layers\": 3, \"num_attention_heads\": 4, "
              "\"intermediate_size\": 72, \"max_position_embeddings\": 24}");
    const char *path = folder_rename("square/model.safetensors", BERT "/model.safetensors",
                                     as_albert);
    folder_fill(path, "albert.encoder.embedding_hidden_mapping_in.weight", 0);
    folder_fill(path, "albert.encoder.embedding_hidden_mapping_in.bias", 0.5F);
    const b4c_model_options o = weights_only();
    b4c_model *m = open_or_fail(temp_path("square"), &o);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    assert_ok(b4c_hidden(s, ids, 4, hidden, &err), &err);
    for (int i = 0; i < 4 * 40; i++) assert_float_equal(hidden[i], 0.5F, 0);
    b4c_session_free(s);
    b4c_model_free(m);
}

/* A nezha in bert's clothes, as some repositories have it. */
static void relative_positions_make_a_nezha_of_a_bert(void **state)
{
    (void)state;
    size_t n;
    char *config = read_file("tests/golden/models/nezha/config.json", &n);
    const char *folder = folder_make("nezha", "nezha");
    char *type = strstr(config, "\"nezha\"");
    assert_non_null(type);
    memcpy(type, "\"bert\" ", 7);
    temp_text("nezha/config.json", config);
    const b4c_model_options o = weights_only();
    b4c_model *m = open_or_fail(folder, &o);
    b4c_model_info info;
    b4c_model_describe(m, &info);
    assert_string_equal(info.architecture, "nezha");
    assert_int_equal(info.max_positions, 0);
    assert_int_equal(info.max_length, 24);
    b4c_model_free(m);
    free(config);
}

/* transformers 5 writes both biases of a head that is not tied, and reads the decoder's. */
static void a_head_that_is_not_tied_has_its_own_bias(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_stored tensors[] = { { .name = "bert.embeddings.word_embeddings.weight" },
                             { .name = "cls.predictions.bias" },
                             { .name = "cls.predictions.decoder.bias" },
                             { .name = "cls.predictions.transform.dense.weight" } };
    const b4c_store store = { .n = 4, .tensor = tensors };
    const b4c_parameter bias = { .role = B4C_ROLE_HEAD_BIAS, .kind = B4C_KIND_BIAS };
    for (int tied = 0; tied < 2; tied++) {
        const b4c_spec spec = { .architecture = "bert", .head = B4C_HEAD_TRANSFORM, .tied = tied };
        b4c_mapping m;
        assert_ok(b4c_mapping_find(&m, &spec, &store, &err), &err);
        assert_int_equal(b4c_mapping_tensor(&m, &store, &bias), tied ? 1 : 2);
        b4c_mapping_done(&m);
    }
}

static int open_config(const char *path, void *arg, b4c_error *err)
{
    (void)path;
    const b4c_model_options o = weights_only();
    b4c_model *m = b4c_model_open(arg, &o, err);
    b4c_model_free(m);
    return m ? 0 : err->code;
}

static void a_damaged_configuration_is_an_answer_not_a_crash(void **state)
{
    (void)state;
    const char *folder = folder_make("damaged", "bert");
    temp_text("damaged/modules.json", "[{\"type\": \"x.Transformer\", \"path\": \"\"},"
              " {\"type\": \"x.Pooling\", \"path\": \"1_Pooling\"}]");
    cut_file(temp_path("damaged/config.json"), 3, open_config, (void *)(uintptr_t)folder);
    cut_file(temp_path("damaged/modules.json"), 1, open_config, (void *)(uintptr_t)folder);
}

/* As Java packages have it: nothing but the graph, which says the rest. */
static void a_lone_onnx_file_tells_its_architecture(void **state)
{
    (void)state;
    size_t n;
    char *onnx = read_file("tests/golden/formats/onnx-bert/model.onnx", &n);
    const char *path = temp_file("lone/x.onnx", onnx, n);
    char *vocabulary = read_file("tests/golden/formats/tf1-bert/vocab.txt", &n);
    temp_text("lone/vocab.txt", vocabulary);
    b4c_model *m = open_or_fail(path, NULL);
    b4c_model_info info;
    b4c_model_describe(m, &info);
    assert_string_equal(info.layout, "onnx");
    assert_int_equal(info.layers, 3);
    assert_int_equal(info.heads, 4);
    assert_int_equal(info.inner, 72);
    assert_int_equal(info.max_length, 24);
    assert_false(info.has_mlm || info.has_pooler);
    b4c_model_free(m);
    free(vocabulary);
    free(onnx);
}

/* ---- tokenizer ------------------------------------------------------------------------------- */

/* L06: a character model with a word vocabulary. */
static void more_tokens_than_embeddings_do_not_belong_together(void **state)
{
    (void)state;
    const char *folder = folder_make("tokens", "bert");
    size_t n;
    char *vocabulary = read_file("tests/golden/formats/tf1-bert/vocab.txt", &n);
    char *longer = malloc(n + 16);
    snprintf(longer, n + 16, "%s多余\n", vocabulary);
    temp_text("tokens/vocab.txt", longer);
    must_not_open(folder, NULL, B4C_E_FORMAT, "138 tokens, the embedding only 137 rows");
    char *last = strrchr(vocabulary, '\n');
    *last = 0;
    last = strrchr(vocabulary, '\n');
    last[1] = 0;
    temp_text("tokens/vocab.txt", vocabulary);
    b4c_model *m = open_or_fail(folder, NULL);
    json_t *r = report(m);
    assert_int_equal(json_integer_value(json_object_get(r, "rows_without_token")), 1);
    json_decref(r);
    b4c_model_free(m);
    free(longer);
    free(vocabulary);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void what_is_wrong_with_a_call_is_said(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    float out[3 * 40];
    b4c_model *m = open_or_fail(folder_make("calls", "bert"), NULL);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    b4c_encode_options o = { .pooling = B4C_POOL_CLS };
    const char *texts[] = { "我", "\xff\xfe", "他" };
    assert_fails(b4c_encode(s, texts, NULL, 3, &o, out, &err), &err, B4C_E_TEXT, "text 2");
    assert_ok(b4c_encode(s, texts, NULL, 0, &o, out, &err), &err);
    assert_fails(b4c_encode(s, texts, NULL, -1, &o, out, &err), &err, B4C_E_ARG, "-1 texts");
    o.max_length = 25;
    assert_fails(b4c_encode(s, texts, NULL, 1, &o, out, &err), &err, B4C_E_ARG,
                 "at most 24 tokens");
    o.max_length = 0;
    o.truncate = B4C_TRUNCATE_ERROR;
    const char *words[] = { "我我我我我我我我我我我我我我我我我我我我我我我我我" };
    assert_fails(b4c_encode(s, words, NULL, 1, &o, out, &err), &err, B4C_E_TEXT, "24");
    o.truncate = B4C_TRUNCATE_RIGHT;
    assert_ok(b4c_encode(s, words, NULL, 1, &o, out, &err), &err);
    b4c_encode_stats stats;
    b4c_session_stats(s, &stats);
    assert_int_equal(stats.texts_cut, 1);
    assert_int_equal(stats.cut, 3);
    assert_int_equal(stats.tokens, 24);
    o.dim = 41;
    assert_fails(b4c_encode_width(s, &o, &err), &err, B4C_E_ARG, "dim is 41");
    o.dim = 0;
    const int32_t ids[] = { 2, 137, 3 };
    int length = 3;
    assert_fails(b4c_encode_ids(s, ids, NULL, &length, 1, &o, out, &err), &err, B4C_E_ARG,
                 "id is 137");
    length = 0;
    assert_fails(b4c_encode_ids(s, ids, NULL, &length, 1, &o, out, &err), &err, B4C_E_ARG,
                 "0 tokens");
    assert_null(b4c_session_new(m, &(b4c_session_options){ .threads = -1 }, &err));
    assert_error(&err, B4C_E_ARG, "-1 threads");
    b4c_session_free(s);
    b4c_model_free(m);
    assert_null(b4c_model_open("tests/golden/models/not-there", NULL, &err));
    assert_null(b4c_model_open("", NULL, &err));
}

/* ---- masks ----------------------------------------------------------------------------------- */

static void masks_are_filled_from_the_head(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.need_head = true;
    o.dtype = B4C_F32;
    b4c_model *m = open_or_fail(folder_make("fill", "bert"), &o);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    b4c_fill_result r;
    b4c_fill_options f = B4C_FILL_DEFAULT;
    f.top = 137;
    const char *text = "我[MASK]人[MASK]";
    assert_ok(b4c_fill(s, text, strlen(text), &f, &r, &err), &err);
    assert_int_equal(r.masks, 2);
    assert_int_equal(r.position[0], 2);
    assert_int_equal(r.position[1], 4);
    assert_int_equal(r.begin[0], 3);
    for (int k = 0; k < r.masks; k++) {
        double sum = 0;
        bool seen[137] = { false };
        for (int i = 0; i < r.top; i++) {
            const b4c_candidate *c = &r.best[k * r.top + i];
            sum += (double)c->p;
            assert_false(seen[c->id]);
            seen[c->id] = true;
            if (i > 0) assert_true(c->p <= c[-1].p);
        }
        assert_true(sum > 0.99999 && sum < 1.00001);
    }
    b4c_fill_result_free(&r);
    b4c_session_free(s);
    b4c_model_free(m);
}

/* L11, L12: a head that is not there is not made up. */
static void a_model_without_a_head_fills_no_mask(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_fill_result r;
    b4c_model_options o = B4C_MODEL_DEFAULT;
    b4c_model *m = open_or_fail(folder_make("headless", "bert-noprefix"), NULL);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    assert_fails(b4c_fill(s, "[MASK]", 6, NULL, &r, &err), &err, B4C_E_MISSING,
                 "no masked-LM head");
    b4c_session_free(s);
    b4c_model_free(m);
    o.need_head = true;
    must_not_open(folder_make("headless", "bert-noprefix"), &o, B4C_E_MISSING, "cls.predictions");
    must_not_open(temp_path("headless"), &o, B4C_E_MISSING, "no masked-LM head");
    m = open_or_fail(folder_make("closed", "bert"), NULL);
    s = b4c_session_new(m, NULL, &err);
    assert_fails(b4c_fill(s, "[MASK]", 6, NULL, &r, &err), &err, B4C_E_ARG, "need_head");
    b4c_session_free(s);
    b4c_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_tensor_is_named_with_its_nearest),
        cmocka_unit_test(nan_is_found_where_it_is),
        cmocka_unit_test(padding_and_extra_tensors_are_reported),
        cmocka_unit_test(prefixes_are_found_and_reported),
        cmocka_unit_test(two_backbones_in_one_file_are_not_chosen_from),
        cmocka_unit_test(a_shape_that_does_not_fit_names_both),
        cmocka_unit_test(codes_of_another_quantisation_are_refused),
        cmocka_unit_test(a_wrong_configuration_is_refused_by_name),
        cmocka_unit_test(a_model_too_wide_for_int8_is_told_so),
        cmocka_unit_test(an_albert_projects_although_the_widths_are_equal),
        cmocka_unit_test(a_head_that_is_not_tied_has_its_own_bias),
        cmocka_unit_test(relative_positions_make_a_nezha_of_a_bert),
        cmocka_unit_test(a_damaged_configuration_is_an_answer_not_a_crash),
        cmocka_unit_test(a_lone_onnx_file_tells_its_architecture),
        cmocka_unit_test(more_tokens_than_embeddings_do_not_belong_together),
        cmocka_unit_test(what_is_wrong_with_a_call_is_said),
        cmocka_unit_test(masks_are_filled_from_the_head),
        cmocka_unit_test(a_model_without_a_head_fills_no_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
