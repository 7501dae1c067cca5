/* test_api_generate.c - b4c_generate against the references, through the public calls alone: what
 * the files say about beginnings, ends and usual decoding is part of what is tested.
 *
 * gen.*: transformers' generate; b4k.*: bert4keras's beam search (golden/README.md).
 */
#include "golden/folder.h"
#include "golden/golden.h"
#include "support/test.h"

#include <jansson.h>
#include <math.h>

typedef struct opened {
    b4c_model *model;
    b4c_session *session;
    golden g;
    json_t *io;
} opened;

/* A golden model in a folder of the test's own, with `end` in a generation_config.json if it is a
 * token: what exists as a TF1 checkpoint alone has none. */
static void open_golden(opened *o, const char *name, b4c_dtype dtype, const char *as)
{
    char path[256], own[256];
    b4c_error err = { 0 };
    b4c_model_options options = B4C_MODEL_DEFAULT;
    static const char *const files[] = { "config.json", "generation_config.json", "vocab.txt",
                                         "model.safetensors" };
    bool has_config = false;
    golden_open(&o->g, name);
    snprintf(path, sizeof path, "tests/golden/models/%s/io.json", name);
    o->io = json_load_file(path, 0, NULL);
    assert_non_null(o->io);
    options.dtype = dtype;
    options.need_head = options.weights_only = true;
    options.as = as;
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t n;
        snprintf(path, sizeof path, "tests/golden/models/%s/%s", name, files[i]);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        fclose(f);
        char *bytes = read_file(path, &n);
        snprintf(own, sizeof own, "%s/%s", name, files[i]);
        temp_file(own, bytes, n);
        free(bytes);
        has_config |= i == 1;
        if (i == 2) options.weights_only = false;
    }
    if (!has_config && !strstr(name, "pegasus")) {
        snprintf(own, sizeof own, "%s/generation_config.json", name);
        snprintf(path, sizeof path, "{\"eos_token_id\": %lld}",
                 json_integer_value(json_object_get(o->io, "end")));
        temp_text(own, path);
    }
    o->model = b4c_model_open(temp_path("%s", name), &options, &err);
    if (!o->model) fail_msg("%s", err.message);
    o->session = b4c_session_new(o->model, &(b4c_session_options){ .threads = 2 }, &err);
    if (!o->session) fail_msg("%s", err.message);
}

static void close_golden(opened *o)
{
    b4c_session_free(o->session);
    b4c_model_free(o->model);
    json_decref(o->io);
    golden_close(&o->g);
}

static long long number(const json_t *o, const char *key, long long otherwise)
{
    const json_t *x = json_object_get(o, key);
    return json_is_integer(x) ? json_integer_value(x) : otherwise;
}

static double real(const json_t *o, const char *key, double otherwise)
{
    const json_t *x = json_object_get(o, key);
    return json_is_number(x) ? json_number_value(x) : otherwise;
}

static b4c_generate_options hub_options(const json_t *io, const json_t *settings)
{
    const json_t *early = json_object_get(settings, "early_stopping");
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = (int)number(io, "max_new_tokens", 0);
    o.min_new_tokens = (int)number(settings, "min_new_tokens", 0);
    o.beams = (int)number(settings, "num_beams", 1);
    o.n = (int)number(settings, "num_return_sequences", 1);
    o.no_repeat_ngram = (int)number(settings, "no_repeat_ngram_size", 0);
    o.length_penalty = (float)real(settings, "length_penalty", 1);
    o.repetition_penalty = (float)real(settings, "repetition_penalty", 1);
    o.early_stopping = json_is_true(early)   ? B4C_EARLY_ALWAYS
                     : json_is_string(early) ? B4C_EARLY_NEVER
                                             : B4C_EARLY_HEURISTIC;
    o.allow_unknown = o.logprobs = true;
    return o;
}

static b4c_generate_options bert4keras_options(const json_t *settings, bool start)
{
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.bert4keras_beam = o.allow_unknown = true;
    o.beams = (int)number(settings, "topk", 1);
    o.max_new_tokens = (int)number(settings, "maxlen", 0);
    o.min_new_tokens = (int)number(settings, "minlen", 1);
    if (start && o.min_new_tokens > 0) o.min_new_tokens--;     /* there the start token counts */
    o.min_ends = (int)number(settings, "min_ends", 1);
    return o;
}

static void check_ids(const opened *o, const char *tensor, const b4c_result *x, size_t skip)
{
    size_t n;
    b4c_model_info info;
    float *want = golden_tensor(&o->g, tensor, &n);
    if (!want) fail_msg("the golden file lacks %s", tensor);
    b4c_model_describe(o->model, &info);
    if (x->finish == B4C_FINISH_END)
        while (n > skip && (int)want[n - 1] == info.end) n--;
    bool same = n - skip == (size_t)x->n;
    for (int i = 0; same && i < x->n; i++) same = x->ids[i] == (int32_t)want[(size_t)i + skip];
    if (!same) {
        for (int i = 0; i < x->n; i++) printf(" %d", x->ids[i]);
        printf(", wanted");
        for (size_t i = skip; i < n; i++) printf(" %d", (int)want[i]);
        fail_msg("\n%s differs", tensor);
    }
    free(want);
}

/* All methods of one model. Returns how many results were compared. */
static int check_model(const char *name, b4c_reading reading)
{
    opened o;
    b4c_error err = { 0 };
    const char *method;
    json_t *settings;
    int compared = 0;
    open_golden(&o, name, B4C_F32, NULL);
    b4c_model_info info;
    b4c_model_describe(o.model, &info);
    /* NEZHA-GPT's files are those of a BERT: that it is a decoder must be said. */
    const bool told = strcmp(name, "nezha-gpt") != 0;
    if (told) assert_int_equal(info.reading, reading);
    for (int kind = 0; kind < 2; kind++)
        json_object_foreach(json_object_get(o.io, kind ? "beams" : "generate"), method, settings) {
            b4c_generation g;
            char tensor[96];
            const bool start = info.start >= 0;
            if (json_is_true(json_object_get(settings, "several_ends"))) continue;
            b4c_generate_options options =
                kind ? bert4keras_options(settings, start) : hub_options(o.io, settings);
            if (!told) options.reading = reading;
            assert_ok(b4c_generate_ids(o.session, o.g.ids, o.g.segments, o.g.lengths, o.g.n_seq,
                                       &options, &g, &err), &err);
            assert_int_equal(g.n, o.g.n_seq);
            for (int s = 0; s < g.n; s++)
                for (int k = 0; k < g.count[s]; k++, compared++) {
                    if (kind) snprintf(tensor, sizeof tensor, "b4k.%s.%d", method, s);
                    else snprintf(tensor, sizeof tensor, "gen.%s.%d.%d", method, s, k);
                    check_ids(&o, tensor, &g.result[s][k], kind && start);
                }
            b4c_generation_free(&g);
        }
    close_golden(&o);
    return compared;
}

static void decoders_write_what_the_references_write(void **state)
{
    (void)state;
    static const char *const names[] = { "gpt2", "openai-gpt", "llama", "qwen2", "bert-lm",
                                         "nezha-gpt" };
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(check_model(names[i], B4C_READ_CAUSAL) >= 6);
}

static void encoder_decoders_write_what_the_references_write(void **state)
{
    (void)state;
    static const char *const names[] = { "t5", "mt5", "bart", "pegasus", "t5-pegasus",
                                         "t5-pegasus-tf" };
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(check_model(names[i], B4C_READ_SEQ2SEQ) >= 6);
}

static void a_prefix_model_writes_what_bert4keras_writes(void **state)
{
    (void)state;
    assert_true(check_model("bert-unilm-beam", B4C_READ_PREFIX) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_write_what_the_references_write),
        cmocka_unit_test(encoder_decoders_write_what_the_references_write),
        cmocka_unit_test(a_prefix_model_writes_what_bert4keras_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
