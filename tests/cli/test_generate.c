/* test_generate.c - complete, summarize, paraphrase and score on tiny models, with exact outputs
 * where they hang on no rounding (greedy and beams; the golden tests hold their ids), and against
 * the library's own answers where they are drawn. */
#include "cli/command.h"

#include "bert4c.h"
#include <jansson.h>
#include <math.h>

#define UNILM   "tests/golden/models/bert-unilm-beam"
#define LM      "tests/golden/models/bert-lm"
#define PEGASUS "tests/golden/models/t5-pegasus"
#define ON(command, model) command, "-q", "-m", model, "--dtype", "f32"

static void assert_out(run r, const char *wanted)
{
    assert_code(r, 0);
    assert_string_equal(r.out, wanted);
}

/* ---- complete and summarize --------------------------------------------------------------- */

static void a_line_answers_a_line(void **state)
{
    (void)state;
    assert_out(bert4c(NULL, ON("complete", UNILM), "--max-new-tokens", "8", "--min-new-tokens", "4",
                      "中国人", "", "大天", NULL),
               "子可日子日\n子日日子\n子日可可可可\n");
    assert_out(bert4c("中国人\n\n大天\n", ON("complete", UNILM), "--max-new-tokens", "8",
                      "--min-new-tokens", "4", NULL),
               "子可日子日\n子日日子\n子日可可可可\n");
    assert_out(bert4c(NULL, ON("complete", UNILM), "--max-new-tokens", "6", "--beams", "3", "--n",
                      "2", "--to", "tsv", "中国人", NULL),
               "中国人\t子可\t\n");
    assert_out(bert4c(NULL, ON("summarize", PEGASUS), "--max-new-tokens", "5", "中国天气", NULL),
               "时不方现得\n");
}

static void jsonl_says_all(void **state)
{
    (void)state;
    const run r = bert4c(NULL, ON("complete", UNILM), "--to", "jsonl", "--logprobs",
                         "--alternatives", "2", "--min-new-tokens", "3", "--max-new-tokens", "3",
                         "中国人", NULL);
    assert_code(r, 0);
    json_t *o = json_loads(r.out, 0, NULL);
    assert_non_null(o);
    const json_t *x = json_array_get(json_object_get(o, "outputs"), 0);
    const json_t *tokens = json_object_get(x, "tokens");
    assert_string_equal(json_string_value(json_object_get(o, "text")), "中国人");
    assert_string_equal(json_string_value(json_object_get(x, "finish")), "length");
    assert_int_equal(json_array_size(tokens), 3);
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        const json_t *t = json_array_get(tokens, i),
                     *best = json_array_get(json_object_get(t, "alternatives"), 0);
        sum += json_number_value(json_object_get(t, "logprob"));
        assert_int_equal(json_array_size(json_object_get(t, "alternatives")), 2);
        assert_true(json_number_value(json_object_get(best, "logprob")) >=
                    json_number_value(json_object_get(t, "logprob")));
        assert_int_equal(json_integer_value(json_array_get(json_object_get(x, "ids"), i)),
                         json_integer_value(json_object_get(t, "id")));
    }
    assert_true(fabs(sum - json_number_value(json_object_get(x, "logprob"))) < 1e-4);
    json_decref(o);
}

static void rules_on_tokens_hold(void **state)
{
    (void)state;
#define FOUR "--max-new-tokens", "4", "--min-new-tokens", "4"
    assert_out(bert4c(NULL, ON("complete", UNILM), FOUR, "--logit-bias", "国=100", "中", NULL),
               "国国国国\n");
    assert_out(bert4c(NULL, ON("complete", UNILM), FOUR, "--logit-bias", "97=100", "中", NULL),
               "体体体体\n");
    assert_out(bert4c(NULL, ON("complete", UNILM), FOUR, "--bad-words", "子", "中", NULL),
               "有可可可\n");
    assert_out(bert4c(NULL, ON("complete", UNILM), "--max-new-tokens", "4", "--force-words", "国家",
                      "中", NULL),
               "子日国家\n");
    assert_out(bert4c(NULL, ON("complete", UNILM), "--max-new-tokens", "6", "--min-new-tokens", "6",
                      "--no-repeat-ngram", "1", "", NULL),
               "子日物进可为\n");
    assert_out(bert4c(NULL, ON("complete", LM), "--max-new-tokens", "6", "--stop-token", "。", "中国",
                      NULL),
               "四四\n");
    assert_out(bert4c(NULL, ON("complete", LM), "--max-new-tokens", "6", "--stop", "。四", "中国",
                      NULL),
               "四四。\n");
}

static void a_stream_is_the_same_text(void **state)
{
    (void)state;
    static const char *const rules[] = { "--temperature=1.5", "--top-k=20", "--stop=日子" };
    for (size_t i = 0; i < COUNT(rules); i++) {
        const run whole = bert4c(NULL, ON("complete", UNILM), FOUR, "--seed", "3", rules[i],
                                 "中国人", "大天", NULL);
        const run pieces = bert4c(NULL, ON("complete", UNILM), FOUR, "--seed", "3", rules[i],
                                  "--stream", "中国人", "大天", NULL);
        assert_code(whole, 0);
        assert_out(pieces, whole.out);
    }
}

/* A chat is what its template makes of the messages, without special tokens around it. */
static void a_chat_is_its_templates_text(void **state)
{
    (void)state;
    copy_model(LM, "talks");
    const char *model = temp_path("talks");
    run r = bert4c(NULL, ON("complete", model), FOUR, "--chat", "中国", NULL);
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.err, "no chat template"));
    temp_text("talks/chat_template.jinja",
              "[CLS]{% for m in messages %}{{ m.content }}{% endfor %}");
    const run plain = bert4c(NULL, ON("complete", model), FOUR, "中国大天", NULL);
    assert_code(plain, 0);
    char twice[256];
    snprintf(twice, sizeof twice, "%s%s", plain.out, plain.out);
    assert_out(bert4c(NULL, ON("complete", model), FOUR, "--chat", "中国大天", NULL), plain.out);
    assert_out(bert4c(NULL, ON("complete", model), FOUR, "--chat", "--system", "中国", "大天", NULL),
               plain.out);
    assert_out(bert4c("{\"messages\": [{\"role\": \"user\", \"content\": \"中国大\"}, {\"role\": "
                      "\"assistant\", \"content\": \"天\"}]}\n{\"messages\": \"中国大天\"}\n",
                      ON("complete", model), FOUR, "--chat", "--from", "jsonl", NULL),
               twice);
    assert_refused(bert4c("{\"message\": \"中\"}\n", ON("complete", model), "--chat", "--from",
                          "jsonl", NULL),
                   1, "wanted 'text' or 'messages'; --key names another");
    /* --system stands before arrays too, but for those that say it themselves */
    assert_out(bert4c("{\"messages\": [{\"role\": \"user\", \"content\": \"大天\"}]}\n{\"messages\": "
                      "[{\"role\": \"system\", \"content\": \"中国\"}, {\"role\": \"user\", "
                      "\"content\": \"大天\"}]}\n",
                      ON("complete", model), FOUR, "--chat", "--system", "中国", "--from", "jsonl",
                      "--key", "messages", NULL),
               twice);
    r = bert4c(NULL, ON("complete", model), "--chat", "--system", "\xff", "中", NULL);
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "--system: found bytes that are not UTF-8"));
    /* another template, and what it is told besides */
    temp_text("talks/additional_chat_templates/terse.jinja",
              "[CLS]{{ first }}{% if twice is true %}{{ messages[0].content }}{% endif %}");
    assert_out(bert4c(NULL, ON("complete", model), FOUR, "--chat", "--chat-template", "terse",
                      "--chat-set", "twice=true", "--chat-set", "first=中国", "大天", NULL),
               plain.out);
    r = bert4c(NULL, ON("complete", model), "--chat", "--chat-template", "wordy", "中", NULL);
    assert_refused(r, 1, "wanted one of: default terse");
    r = bert4c(NULL, ON("complete", model), "--chat", "--chat-set", "twice", "中", NULL);
    assert_refused(r, 2, "--chat-set: found 'twice', wanted KEY=VALUE");
    assert_refused(bert4c(NULL, ON("complete", model), "--chat-set", "a=1", "中", NULL), 2,
                   "wanted --chat with it");
    r = bert4c(NULL, "inspect", "-m", model, NULL);
    assert_non_null(strstr(r.out, "templates by name (--chat-template): default terse"));
    /* a message cannot speak for the model: [CLS] in it is text, here unknown tokens */
    const run spelt = bert4c(NULL, ON("complete", model), FOUR, "--chat", "--to", "jsonl",
                             "--allow-unknown", "中[CLS]国", NULL),
              known = bert4c(NULL, ON("complete", model), FOUR, "--chat", "--to", "jsonl",
                             "--allow-unknown", "中[cls]国", NULL);
    assert_code(spelt, 0);
    assert_string_equal(strstr(spelt.out, "\"outputs\""), strstr(known.out, "\"outputs\""));
    r = bert4c("{\"messages\": [{\"content\": \"中\"}]}\n", ON("complete", model), "--chat",
               "--from", "jsonl", "--key", "messages", NULL);
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.err, "message 1 has no"));
}

static void samples_are_the_librarys(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    b4c_generation g;
    char wanted[4096] = "";
    const char *texts[] = { "中国人", "大天" };
    mo.need_head = true;
    mo.dtype = B4C_F32;
    b4c_model *m = b4c_model_open(UNILM, &mo, &err);
    if (!m) fail_msg("%s", err.message);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    o.sample = true;
    o.n = 3;
    o.temperature = 1.25f;
    o.top_k = 50;
    o.top_p = 0.875f;
    o.min_p = 0.001f;
    o.typical = 0.9f;
    o.repetition_penalty = 1.5f;
    o.presence_penalty = 0.25f;
    o.frequency_penalty = 0.5f;
    o.max_new_tokens = 9;
    o.seed = 11;
    assert_ok(b4c_generate(s, texts, NULL, 2, &o, &g, &err), &err);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++) {
            strcat(wanted, g.result[i][k].text);
            strcat(wanted, k < 2 ? "\t" : "\n");
        }
    assert_out(bert4c(NULL, ON("complete", UNILM), "-n", "3", "--temperature", "1.25", "--top-k",
                      "50", "--top-p", "0.875", "--min-p", "0.001", "--typical", "0.9",
                      "--repetition-penalty", "1.5", "--presence-penalty", "0.25",
                      "--frequency-penalty", "0.5", "--max-new-tokens", "9", "--seed", "11",
                      "--threads", "1", texts[0], texts[1], NULL),
               wanted);
    b4c_generation_free(&g);
    b4c_session_free(s);
    b4c_model_free(m);
}

/* Lists of generation_config.json hold, what is typed joins them; what nobody follows is told. */
static void rules_of_the_files_hold_and_join(void **state)
{
    (void)state;
    copy_model(UNILM, "ruled");
    json_t *io = json_load_file(UNILM "/io.json", 0, NULL);
    char config[256];
    snprintf(config, sizeof config,
             "{\"eos_token_id\": %lld, \"suppress_tokens\": [97], \"bad_words_ids\": [[96]], "
             "\"stop_strings\": [\"龘\"], \"guidance_scale\": 2, \"top_h\": 0.4}",
             json_integer_value(json_object_get(io, "end")));
    json_decref(io);
    temp_text("ruled/generation_config.json", config);
    const char *const model = temp_path("ruled");
    /* 体 is token 97: no bias brings it back, and one that is typed brings another */
    const run r = bert4c(NULL, "complete", "-m", model, "--dtype", "f32", FOUR, "--logit-bias",
                         "97=100", "--logit-bias", "国=90", "--bad-words", "子", "--stop", "鼷",
                         "中", NULL);
    assert_out(r, "国国国国\n");
    assert_says(r, "the model's files ask for guidance_scale, top_h, which is not done");
    const run quiet = bert4c(NULL, ON("complete", UNILM), FOUR, "中", NULL);
    assert_string_equal(quiet.err, "");
    assert_non_null(strstr(bert4c(NULL, "inspect", "-m", model, NULL).out,
                           "guidance_scale is passed over: bert4c has no such rule"));
}

/* REPORTS G01. */
static void odd_results_are_told(void **state)
{
    (void)state;
    const run limit = bert4c(NULL, "complete", "-m", UNILM, FOUR, "中国人", NULL);
    assert_code(limit, 0);
    assert_says(limit, "1 result ended by a length limit");
    const run empty = bert4c(NULL, "complete", "-m", UNILM, "--logit-bias", "[SEP]=100", "中国人",
                             NULL);
    assert_out(empty, "\n");
    assert_says(empty, "1 result without a token");
}

/* REPORTS G02, G09: what goes round in circles is named, with what helps. */
static void circles_are_told_and_ended(void **state)
{
    (void)state;
    const run whole = bert4c(NULL, "complete", "-m", LM, "--logit-bias", "国=100",
                             "--max-new-tokens", "20", "--to", "jsonl", "中", NULL);
    assert_code(whole, 0);
    assert_non_null(strstr(whole.out, "\"finish\":\"length\",\"cycle\":{\"tokens\":1,"
                                      "\"rounds\":20}"));
    assert_says(whole, "1 result ended in a cycle, '国' again and again: --no-repeat-ngram 4, "
                       "--repetition-penalty 1.2 or sampling (--top-p 0.9) breaks it, "
                       "--stop-cycle 3 ends it");
    const run ended = bert4c(NULL, "complete", "-m", LM, "--logit-bias", "国=100", "--stop-cycle",
                             "3", "--to", "jsonl", "中", NULL);
    assert_code(ended, 0);
    assert_non_null(strstr(ended.out, "\"finish\":\"cycle\",\"cycle\":{\"tokens\":1,"
                                      "\"rounds\":12}"));
}

/* REPORTS G20, T18, T23. */
static void odd_options_and_texts_are_told(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "complete", "-m", LM, "--repetition-penalty", "9",
                         "--max-new-tokens", "20", "中国", "龘", NULL);
    assert_code(r, 0);
    assert_says(r, "a repetition penalty of 9 drives a model to tokens that mean nothing: 2 was");
    assert_says(r, "1 of 5 tokens read are unknown to the vocabulary (20.00 %)");
    assert_null(strstr(r.out, "[UNK]"));
    const run two = bert4c(NULL, "complete", "-q", "-m", LM, "--repetition-penalty", "2",
                           "--max-new-tokens", "20", "中国", "龘", NULL);
    assert_out(two, r.out);
}

/* REPORTS G18. */
static void inspect_says_how_a_model_writes(void **state)
{
    (void)state;
    const run pegasus = bert4c(NULL, "inspect", "-m", PEGASUS, NULL);
    assert_code(pegasus, 0);
    assert_non_null(strstr(pegasus.out, "writes        reading seq2seq, starts with [CLS] "
                                        "(2), ends with [SEP] (38)\n"));
    assert_non_null(strstr(pegasus.out, "is taken for T5 PEGASUS"));
    assert_non_null(strstr(pegasus.out, "fill: it has no masked-LM head"));
    const run lm = bert4c(NULL, "inspect", "-m", LM, NULL);
    assert_code(lm, 0);
    assert_non_null(strstr(lm.out, "writes        reading causal"));
}

/* ---- paraphrase --------------------------------------------------------------------------- */

/* REPORTS G14. */
static void candidates_come_with_cosines_in_order(void **state)
{
    (void)state;
    const run r = bert4c("中国人\n大小\n", ON("paraphrase", UNILM), "--pooling", "cls", "--n", "30",
                         "--keep", "5", "--max-new-tokens", "4", "--seed", "2", NULL);
    assert_code(r, 0);
    int lines = 0;
    double before = 2;
    const char *source = "中国人";
    for (const char *p = r.out; *p; p = strchr(p, '\n') + 1, lines++) {
        const char *text = strchr(p, '\t') + 1, *of = strchr(text, '\t') + 1;
        const double cosine = strtod(p, NULL);
        if (lines == 5) source = "大小", before = 2;
        assert_true(cosine <= before && cosine >= -1);
        assert_memory_equal(of, source, strlen(source));
        assert_int_equal(of[strlen(source)], '\n');
        before = cosine;
    }
    assert_int_equal(lines, 10);
    /* a chunk at a time, one thread: the same */
    const run again = bert4c("大小\n中国人\n", ON("paraphrase", UNILM), "--pooling", "cls", "--n",
                             "30", "--keep", "5", "--max-new-tokens", "4", "--seed", "2",
                             "--threads", "1", NULL);
    assert_code(again, 0);
    const char *second = strstr(r.out, "\t大小\n");
    while (second > r.out && second[-1] != '\n') second--;
    assert_memory_equal(again.out, second, strlen(second));
    const run none = bert4c(NULL, "paraphrase", "-m", UNILM, "--pooling", "cls", "--n", "9",
                            "--floor", "1", "--max-new-tokens", "4", "中国人", NULL);
    assert_out(none, "");
    assert_says(none, "1 texts are left without a candidate");
}

/* REPORTS G13: no paraphrases of many texts, and a model loaded for each. Here a file of any size
 * goes in and a file comes out; each text's candidates are those that it has alone. */
static void a_file_of_texts_becomes_a_file_of_candidates(void **state)
{
    (void)state;
    enum { TEXTS = 40 };
    static const char *const words[] = { "中国人", "大小", "", "我想一天", "他们" };
    char all[2048] = "", wanted[16384] = "";
#define DRAW "--pooling", "cls", "--n", "6", "--keep", "2", "--max-new-tokens", "4", "--to", "jsonl"
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = words[(i + i / 5) % COUNT(words)];
        static const char *alone[COUNT(words)];
        if (i < COUNT(words)) {
            const run one = bert4c(NULL, ON("paraphrase", UNILM), DRAW, "--threads", "1", text,
                                   NULL);
            assert_code(one, 0);
            alone[i] = one.out;
        }
        strcat(strcat(all, text), "\n");
        strcat(wanted, alone[(i + i / 5) % COUNT(words)]);
    }
    const char *to = temp_path("candidates.jsonl");
    const run r = bert4c(NULL, "paraphrase", "-m", UNILM, "--dtype", "f32", DRAW, "-f",
                         temp_text("questions.txt", all), "-o", to, NULL);
    assert_out(r, "");
    char *got = read_file(to, NULL);
    assert_string_equal(got, wanted);
    free(got);
    char *opened = strstr(r.err, " layers of ");
    assert_non_null(opened);
    assert_null(strstr(opened + 1, " layers of "));
}

/* ---- score -------------------------------------------------------------------------------- */

static void a_score_is_three_numbers(void **state)
{
    (void)state;
    const run masked = bert4c(NULL, ON("score", UNILM), "中国人", "", NULL);
    assert_code(masked, 0);
    float x[8];
    assert_int_equal(sscanf(masked.out, "{\"text\":\"中国人\",\"logprob\":%f,\"tokens\":3,\"ppl\":%f}",
                            x, x + 1), 2);
    assert_true(fabs((double)x[0] + 20.2876) < 1e-3);
    assert_true(fabs(exp(-(double)x[0] / 3) - (double)x[1]) < 0.1);
    assert_non_null(strstr(masked.out, "{\"text\":\"\",\"logprob\":0,\"tokens\":0,\"ppl\":null}"));
    /* of what follows a source: pairs, or one source for all; the end token counts */
    const run pairs = bert4c("大小\t子\n", ON("score", UNILM), "--pair", "--from", "tsv", "--to",
                             "tsv", NULL);
    assert_out(pairs, "13.8664\t-5.2589\t2\t大小\t子\n");
    assert_out(bert4c(NULL, ON("score", UNILM), "--source", "大小", "--to", "tsv", "子", NULL),
               pairs.out);
    /* and it is what complete says of its own */
    const run own = bert4c(NULL, ON("complete", UNILM), "--to", "jsonl", "中国人", NULL);
    json_t *o = json_loads(own.out, 0, NULL);
    const json_t *result = json_array_get(json_object_get(o, "outputs"), 0);
    assert_string_equal(json_string_value(json_object_get(result, "finish")), "end");
    const run scored = bert4c(NULL, ON("score", UNILM), "--source", "中国人",
                              json_string_value(json_object_get(result, "text")), NULL);
    assert_int_equal(sscanf(strstr(scored.out, "\"logprob\":"), "\"logprob\":%f", x), 1);
    assert_true(fabs(json_number_value(json_object_get(result, "logprob")) - (double)x[0]) < 1e-3);
    json_decref(o);
}

/* ---- what is refused ---------------------------------------------------------------------- */

static void what_contradicts_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *arg[4];
        const char *says;
    } cases[] = {
        { { "complete", "--temperature=0", "--top-k=5" }, "--temperature 0" },
        { { "complete", "--beam-groups=2" }, "wanted --beams" },
        { { "complete", "--beams=4", "--beam-groups=3" },
          "beam_groups: found 3, wanted a number that beams is a multiple of" },
        { { "complete", "--beams=2", "--n=3" }, "n: found 3, wanted at most as many as beams" },
        { { "complete", "--n=3" }, "n: found 3, wanted 1: several results need sampling or beams" },
        { { "complete", "--length-penalty=2" }, "wanted --beams" },
        { { "complete", "--bert4keras-beam", "--beams=2", "--sample" }, "contradicting" },
        { { "complete", "--min-new-tokens=9", "--max-new-tokens=8" }, "min_new_tokens" },
        { { "complete", "--top-p=1.5" }, "wanted a number from" },
        { { "complete", "--early-stopping=sometimes", "--beams=2" }, "heuristic|always|never" },
        { { "complete", "--stream", "--to=jsonl" }, "--stream goes with text" },
        { { "complete", "--reading=masked" }, "for scoring" },
        { { "complete", "--reading=seq2seq" }, "has one stack" },
        { { "complete", "--logit-bias=国" }, "TOKEN=X" },
        { { "complete", "--logit-bias=龘=3" }, "wanted a token" },
        { { "complete", "--stop-token=1370" }, "0 to 136" },
        { { "complete", "--force-words=龘" }, "which the vocabulary does not know" },
        { { "complete", "--max-length=999" }, "max_source: found 999, wanted 0 to 64" },
        { { "complete", "--as=t5-pegasus" }, "wanted mt5" },
        { { "complete", "--temperatur=1" }, "did you mean --temperature" },
        { { "complete", "--keep=3" }, "belongs to paraphrase" },
        { { "summarize", "--floor=0.5" }, "belongs to paraphrase" },
        { { "paraphrase", "--pooling=cls", "--mask=6" }, "wanted 1 to 1" },
        { { "paraphrase", "--pooling=cls", "--mask=1,x" }, "parted by commas" },
        { { "paraphrase", "--n=3" }, "do not say how tokens become one vector" },
        { { "score", "--pair", "--source=大" }, "contradicting" },
        { { "score", "--reading=prefix" }, "found no source" },
        { { "complete", "--logprobs" }, "text does not show, wanted --to jsonl" },
        { { "complete", "--alternatives=2", "--to=tsv" }, "tsv does not show" },
        { { "summarize", "--logprobs", "-ox.txt" }, "text does not show" },
        { { "score", "--logprobs", "--to=tsv" }, "tsv does not show" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const *a = cases[i].arg;
        const char *argv[] = { a[0], "-q", "-m", UNILM, "中", a[1], a[2], a[3], NULL };
        const run r = bert4c_bytes("", 0, argv);
        if (r.code != 2) fail_msg("%s %s: exit code %d: %s", a[0], a[1], r.code, r.err);
        assert_refused(r, 2, cases[i].says);
        /* but for masks it is the options' fault, not the text's */
        if (!strstr(cases[i].says, "wanted 1 to 1")) assert_null(strstr(r.err, "argument 1"));
    }
    assert_refused(bert4c(NULL, "complete", "-q", "-m", "tests/golden/models/bert-noprefix", "中",
                          NULL), 1, "missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_answers_a_line),
        cmocka_unit_test(jsonl_says_all),
        cmocka_unit_test(rules_on_tokens_hold),
        cmocka_unit_test(a_stream_is_the_same_text),
        cmocka_unit_test(a_chat_is_its_templates_text),
        cmocka_unit_test(samples_are_the_librarys),
        cmocka_unit_test(rules_of_the_files_hold_and_join),
        cmocka_unit_test(odd_results_are_told),
        cmocka_unit_test(circles_are_told_and_ended),
        cmocka_unit_test(odd_options_and_texts_are_told),
        cmocka_unit_test(inspect_says_how_a_model_writes),
        cmocka_unit_test(candidates_come_with_cosines_in_order),
        cmocka_unit_test(a_file_of_texts_becomes_a_file_of_candidates),
        cmocka_unit_test(a_score_is_three_numbers),
        cmocka_unit_test(what_contradicts_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
