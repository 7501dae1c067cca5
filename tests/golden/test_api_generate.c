/* test_api_generate.c - b4c_generate against the references, through the public calls alone: what
 * the files say about beginnings, ends and usual decoding is part of what is tested.
 *
 * gen.*: transformers' generate; b4k.*: bert4keras's beam search (golden/README.md).
 */
#include "golden/opened.h"
#include "golden/settings.h"
#include "support/test.h"

#include <math.h>

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
    open_golden_model(&o, name, B4C_F32, NULL);
    b4c_model_info info;
    b4c_model_describe(o.model, &info);
    /* NEZHA-GPT's files are those of a BERT: that it is a decoder must be said. */
    const bool told = strcmp(name, "nezha-gpt") != 0;
    if (told) assert_int_equal(info.reading, reading);
    for (int kind = 0; kind < 2; kind++)
        json_object_foreach(json_object_get(o.io, kind ? "beams" : "generate"), method, settings)
        {
            b4c_generation g;
            char tensor[96];
            const bool start = info.start >= 0;
            if (json_is_true(json_object_get(settings, "several_ends"))) continue;
            b4c_generate_options options = kind ? bert4keras_settings(settings, start)
                                                : hub_settings(o.io, settings);
            options.allow_unknown = true;
            options.logprobs = !kind;
            if (!told) options.reading = reading;
            assert_ok(b4c_generate_ids(o.session, o.g.ids, o.g.segments, o.g.lengths, o.g.n_seq,
                                       &options, &g, &err),
                      &err);
            assert_int_equal(g.n, o.g.n_seq);
            for (int s = 0; s < g.n; s++)
                for (int k = 0; k < g.count[s]; k++, compared++) {
                    if (kind)
                        snprintf(tensor, sizeof tensor, "b4k.%s.%d", method, s);
                    else
                        snprintf(tensor, sizeof tensor, "gen.%s.%d.%d", method, s, k);
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
    static const char *const names[] = { "gpt2",  "openai-gpt", "llama",
                                         "qwen2", "bert-lm",    "nezha-gpt" };
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(check_model(names[i], B4C_READ_CAUSAL) >= 6);
}

/* REPORTS G16: T5 behind others' calls and bindings crashed or wrote garbage, for they had no place
 * for an encoder. */
static void encoder_decoders_write_what_the_references_write(void **state)
{
    (void)state;
    static const char *const names[] = { "t5",      "mt5",        "bart",
                                         "pegasus", "t5-pegasus", "t5-pegasus-tf" };
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(check_model(names[i], B4C_READ_SEQ2SEQ) >= 6);
}

static void a_prefix_model_writes_what_bert4keras_writes(void **state)
{
    (void)state;
    assert_true(check_model("bert-unilm-beam", B4C_READ_PREFIX) >= 3);
}

/* ---- what the files say, and what is refused ------------------------------------------------- */

static void usual_decoding_is_what_the_files_say(void **state)
{
    (void)state;
    opened o;
    open_golden_model(&o, "bart", B4C_F32, NULL);
    b4c_generate_options d = b4c_generate_defaults(o.model);
    assert_int_equal(d.beams, 1);
    assert_int_equal(d.max_new_tokens, 128);
    close_golden(&o);
    temp_text("bart/generation_config.json",
              "{\"eos_token_id\": [52, 7, 999], \"decoder_start_token_id\": 2, \"num_beams\": 4, "
              "\"max_length\": 21, \"min_length\": 6, \"length_penalty\": 2.0, "
              "\"early_stopping\": true, \"no_repeat_ngram_size\": 3, \"forced_bos_token_id\": 0}");
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    mo.need_head = mo.weights_only = true;
    b4c_model *m = b4c_model_open(temp_path("bart"), &mo, &err);
    if (!m) fail_msg("%s", err.message);
    d = b4c_generate_defaults(m);
    assert_int_equal(d.beams, 4);
    /* of 21 and 6 tokens the decoder begins with two */
    assert_int_equal(d.max_new_tokens, 19);
    assert_int_equal(d.min_new_tokens, 4);
    assert_int_equal(d.no_repeat_ngram, 3);
    assert_int_equal(d.early_stopping, B4C_EARLY_ALWAYS);
    assert_true(d.length_penalty > 1.99f && d.length_penalty < 2.01f);
    assert_non_null(strstr(b4c_model_report(m), "eos_token_id is no token"));
    assert_non_null(strstr(b4c_model_report(m), "any of these tokens ends a result: 52, 7"));
    b4c_model_info info;
    b4c_model_describe(m, &info);
    assert_int_equal(info.end, 52);
    assert_int_equal(info.start, 2);
    /* A GGUF file says it inside, whatever lies beside it. */
    size_t bytes;
    char *gguf = read_file("tests/golden/formats/gguf-llama/model.gguf", &bytes);
    temp_text("gguf/config.json", "{\"model_type\": \"bert\"}");
    temp_text("gguf/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
    mo.weights_only = false;
    b4c_model *llama = b4c_model_open(temp_file("gguf/model.gguf", gguf, bytes), &mo, &err);
    if (!llama) fail_msg("%s", err.message);
    b4c_model_describe(llama, &info);
    assert_string_equal(info.architecture, "llama");
    assert_int_equal(info.reading, B4C_READ_CAUSAL);
    assert_int_equal(info.end, 38);
    b4c_model_free(llama);
    free(gguf);
    mo.weights_only = true;
    /* The decoder begins with two tokens now: of its 64 positions they take two, the last token of
     * a target none. */
    b4c_session *session = b4c_session_new(m, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    int32_t ids[68] = { 0 };
    for (int target = 63; target <= 64; target++) {
        b4c_scores x;
        const int all = target + 2, source = 2;
        const int rc = b4c_score_ids(session, ids, &all, &source, 1, NULL, &x, &err);
        if (target == 63) assert_int_equal(rc, 0);
        else assert_int_equal(rc, B4C_E_TEXT);
        if (rc == 0) assert_int_equal(x.score[0].n, 63);
        b4c_scores_free(&x);
    }
    b4c_session_free(session);
    b4c_model_free(m);
    temp_text("bart/generation_config.json", "{\"num_beams\": \"four\"}");
    assert_null(b4c_model_open(temp_path("bart"), &mo, &err));
    assert_error(&err, B4C_E_FORMAT, "num_beams");
}

/* A value that generation refuses is said to come from the file; rules that are not done are noted;
 * options are checked before there is a text. */
static void odd_words_in_the_files_are_told(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_generation g;
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    opened o;
    open_golden_model(&o, "gpt2", B4C_F32, NULL);
    close_golden(&o);
    mo.need_head = mo.weights_only = true;
    temp_text("gpt2/generation_config.json",
              "{\"eos_token_id\": \"7\", \"top_p\": 2.5, \"do_sample\": true, "
              "\"penalty_alpha\": 0.6, \"guidance_scale\": 1.0, \"suppress_tokens\": [], "
              "\"sequence_bias\": [[[3], 1.5]]}");
    b4c_model *m = b4c_model_open(temp_path("gpt2"), &mo, &err);
    if (!m) fail_msg("%s", err.message);
    const char *report = b4c_model_report(m);
    assert_non_null(strstr(report, "eos_token_id is no token"));
    assert_non_null(strstr(report, "penalty_alpha is passed over"));
    assert_non_null(strstr(report, "sequence_bias is passed over"));
    assert_null(strstr(report, "guidance_scale is"));
    assert_null(strstr(report, "suppress_tokens is"));
    b4c_session *session = b4c_session_new(m, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    assert_fails(b4c_generate_ids(session, NULL, NULL, NULL, 0, NULL, &g, &err), &err, B4C_E_ARG,
                 "generation_config.json says: generation: top_p: found 2.5");
    b4c_generate_options how = b4c_generate_defaults(m);
    how.top_p = 1;
    assert_ok(b4c_generate_ids(session, NULL, NULL, NULL, 0, &how, &g, &err), &err);
    b4c_generation_free(&g);
    b4c_session_free(session);
    b4c_model_free(m);
    temp_text("gpt2/generation_config.json", "{\"do_sample\": \"yes\"}");
    assert_null(b4c_model_open(temp_path("gpt2"), &mo, &err));
    assert_error(&err, B4C_E_FORMAT, "\"do_sample\" is a string, wanted true or false");
}

/* A text without tokens is continued from the token that begins texts, as the hub does. */
static void nothing_is_continued_from_the_beginning(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_generation empty, begun;
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    mo.need_head = true;
    mo.dtype = B4C_F32;
    b4c_model *m = b4c_model_open("tests/golden/formats/gguf-qwen2", &mo, &err);
    if (!m) fail_msg("%s", err.message);
    b4c_session *session = b4c_session_new(m, NULL, &err);
    if (!session) fail_msg("%s", err.message);
    b4c_tokenizer_info t;
    b4c_tokenizer_describe(b4c_model_tokenizer(m), &t);
    assert_true(t.bos >= 0);
    const char *const texts[] = { "", "" };
    const int one = 1;
    const int32_t bos = t.bos;
    b4c_generate_options how = B4C_GENERATE_DEFAULT;
    how.max_new_tokens = 9;
    how.min_new_tokens = 5;
    assert_ok(b4c_generate(session, texts, NULL, 2, &how, &empty, &err), &err);
    assert_ok(b4c_generate_ids(session, &bos, NULL, &one, 1, &how, &begun, &err), &err);
    assert_true(begun.result[0][0].n >= 5);
    for (int i = 0; i < 2; i++)
        assert_string_equal(empty.result[i][0].text, begun.result[0][0].text);
    b4c_generation_free(&empty);
    b4c_generation_free(&begun);
    b4c_session_free(session);
    b4c_model_free(m);
}

/* pegasus.logits of the golden file: bias in cross-attention and scaled output, with the hub's
 * gelu; the exact gelu moves probabilities by some 1e-4. */
static void as_t5_pegasus_turns_its_switches_on(void **state)
{
    (void)state;
    opened hub, own;
    b4c_error err = { 0 };
    open_golden_model(&hub, "t5-pegasus", B4C_F32, NULL);
    size_t n_ids, n, n_lengths;
    float *target = golden_tensor(&hub.g, "target_ids", &n_ids),
          *lengths = golden_tensor(&hub.g, "target_lengths", &n_lengths),
          *logits = golden_tensor(&hub.g, "pegasus.logits", &n);
    assert_non_null(target);
    assert_non_null(logits);
    close_golden(&hub);
    for (int as = 0; as < 2; as++) {
        double worst = 0;
        open_golden_model(&own, "t5-pegasus", B4C_F32, as ? "t5-pegasus" : NULL);
        const int v = 113;
        for (int s = 0, row = 0, at = 0; s < own.g.n_seq; s++) {
            int32_t ids[128];
            b4c_scores x;
            const int source = own.g.lengths[s], length = (int)lengths[s];
            memcpy(ids, own.g.ids + row, (size_t)source * sizeof *ids);
            for (int k = 1; k < length; k++) ids[source + k - 1] = (int32_t)target[at + k];
            const int all = source + length - 1;
            assert_ok(b4c_score_ids(own.session, ids, &all, &source, 1, NULL, &x, &err), &err);
            for (int k = 0; k < x.score[0].n; k++) {
                const float *y = logits + (size_t)(at + k) * (size_t)v;
                double sum = 0;
                for (int j = 0; j < v; j++) sum += exp((double)y[j]);
                const double want = (double)y[ids[source + k]] - log(sum);
                worst = fmax(worst, fabs(want - (double)x.score[0].token_logprob[k]));
            }
            b4c_scores_free(&x);
            row += source;
            at += length;
        }
        if (as)
            assert_true(worst < 0.02);
        else
            assert_true(worst > 0.1);
        close_golden(&own);
    }
    free(target);
    free(lengths);
    free(logits);
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.as = "t5-pegasus";
    o.weights_only = true;
    assert_null(b4c_model_open("tests/golden/models/gpt2", &o, &err));
    assert_error(&err, B4C_E_ARG, "wanted mt5");
    o.as = "gpt5";
    assert_null(b4c_model_open("tests/golden/models/mt5", &o, &err));
    assert_error(&err, B4C_E_ARG, "known are t5-pegasus");
}

static void what_a_model_cannot_do_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        b4c_reading reading;
        const char *says;
    } cases[] = {
        { "gpt2", B4C_READ_PREFIX, "is a decoder" },
        { "gpt2", B4C_READ_SEQ2SEQ, "has one stack" },
        { "t5", B4C_READ_CAUSAL, "has an encoder and a decoder" },
        { "bert-lm", B4C_READ_PREFIX, "no second segment" },
        { "bert-unilm-beam", B4C_READ_MASKED, "for scoring" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        opened o;
        b4c_error err = { 0 };
        b4c_generation g;
        open_golden_model(&o, cases[i].model, B4C_F32, NULL);
        b4c_generate_options how = B4C_GENERATE_DEFAULT;
        how.reading = cases[i].reading;
        assert_fails(b4c_generate_ids(o.session, o.g.ids, NULL, o.g.lengths, 1, &how, &g, &err),
                     &err, B4C_E_ARG, cases[i].says);
        const int32_t beyond[] = { 1, 100000 };
        const int two = 2;
        assert_fails(b4c_generate_ids(o.session, beyond, NULL, &two, 1, NULL, &g, &err), &err,
                     B4C_E_ARG, "id is 100000");
        close_golden(&o);
    }
    opened o;
    b4c_error err = { 0 };
    float v[64];
    open_golden_model(&o, "gpt2", B4C_F32, NULL);
    const b4c_encode_options mean = { .pooling = B4C_POOL_MEAN };
    assert_fails(b4c_encode_ids(o.session, o.g.ids, NULL, o.g.lengths, 1, &mean, v, &err), &err,
                 B4C_E_UNSUPPORTED, "is a decoder");
    close_golden(&o);
}

static void a_long_text_leaves_room_to_write(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_generation g;
    char text[1024] = "";
    for (int i = 0; i < 100; i++) strcat(text, "中");
    const char *one = text;
    open_unilm(&o, 1);
    b4c_generate_options how = B4C_GENERATE_DEFAULT;
    how.min_new_tokens = how.max_new_tokens = 20;
    assert_ok(b4c_generate(o.session, &one, NULL, 1, &how, &g, &err), &err);
    assert_int_equal(g.tokens_read, 44);
    assert_int_equal(g.cut, 102 - 44);
    assert_int_equal(g.result[0][0].n, 20);
    assert_int_equal(g.shortened, 0);
    assert_int_equal(g.at_limit, 1);
    b4c_generation_free(&g);
    how.max_source = 60;
    assert_ok(b4c_generate(o.session, &one, NULL, 1, &how, &g, &err), &err);
    assert_int_equal(g.tokens_read, 60);
    assert_int_equal(g.shortened, 1);
    assert_int_equal(g.result[0][0].n, 5); /* the last one needs no position */
    assert_int_equal(g.result[0][0].finish, B4C_FINISH_LENGTH);
    b4c_generation_free(&g);
    close_golden(&o);
}

/* Sources of 45 to 64 tokens, so that some blocks are read by one lane each, and the rest, if any,
 * by all of them. */
static void sources_are_read_alike_by_however_many_lanes(void **state)
{
    (void)state;
    enum { SOURCES = 22, MOST = 64 };
    opened o;
    b4c_error err = { 0 };
    static int32_t ids[SOURCES * MOST];
    int lengths[SOURCES], n = 0;
    open_golden_model(&o, "t5", B4C_F32, NULL);
    b4c_model_info info;
    b4c_model_describe(o.model, &info);
    for (int i = 0; i < SOURCES; n += lengths[i++]) {
        lengths[i] = MOST - i % 20;
        for (int k = 0; k < lengths[i]; k++)
            ids[n + k] = (i * 31 + k * 7919) % (info.vocabulary - 4) + 4;
    }
    b4c_generate_options how = B4C_GENERATE_DEFAULT;
    how.beams = 3;
    how.min_new_tokens = how.max_new_tokens = 5;
    how.logprobs = true;
    b4c_generation alone[SOURCES];
    for (int lanes = 1; lanes <= 4; lanes++) {
        b4c_session *s = b4c_session_new(o.model, &(b4c_session_options){ .threads = lanes }, &err);
        if (!s) fail_msg("%s", err.message);
        for (int i = 0, at = 0; i < SOURCES && lanes == 1; at += lengths[i++])
            assert_ok(b4c_generate_ids(s, ids + at, NULL, lengths + i, 1, &how, &alone[i], &err),
                      &err);
        b4c_generation g;
        assert_ok(b4c_generate_ids(s, ids, NULL, lengths, SOURCES, &how, &g, &err), &err);
        for (int i = 0; i < SOURCES; i++) {
            const b4c_result *x = &g.result[i][0], *want = &alone[i].result[0][0];
            assert_int_equal(x->n, want->n);
            assert_memory_equal(x->ids, want->ids, (size_t)x->n * sizeof *x->ids);
            assert_memory_equal(x->token_logprob, want->token_logprob,
                                (size_t)x->n * sizeof(float));
        }
        b4c_generation_free(&g);
        b4c_session_free(s);
    }
    for (int i = 0; i < SOURCES; i++) b4c_generation_free(&alone[i]);
    close_golden(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_write_what_the_references_write),
        cmocka_unit_test(encoder_decoders_write_what_the_references_write),
        cmocka_unit_test(a_prefix_model_writes_what_bert4keras_writes),
        cmocka_unit_test(sources_are_read_alike_by_however_many_lanes),
        cmocka_unit_test(usual_decoding_is_what_the_files_say),
        cmocka_unit_test(odd_words_in_the_files_are_told),
        cmocka_unit_test(nothing_is_continued_from_the_beginning),
        cmocka_unit_test(as_t5_pegasus_turns_its_switches_on),
        cmocka_unit_test(what_a_model_cannot_do_is_refused),
        cmocka_unit_test(a_long_text_leaves_room_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
