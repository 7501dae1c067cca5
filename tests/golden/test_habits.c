/* test_habits.c - rules of generation_config.json: bad words, suppressed tokens, forced first and
 * last tokens, stop strings. What transformers' generate writes under the same file is in
 * habits/cases.jsonl (habits/make.py; its first line has the version).
 */
#include "golden/opened.h"
#include "golden/settings.h"
#include "support/lines.h"
#include "support/test.h"

static b4c_model *reopen(const char *name, const char *config, bool tokenizer)
{
    char path[64];
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    snprintf(path, sizeof path, "%s/generation_config.json", name);
    temp_text(path, config);
    mo.need_head = true;
    mo.weights_only = !tokenizer;
    mo.dtype = B4C_F32;
    b4c_model *m = b4c_model_open(temp_path("%s", name), &mo, &err);
    if (!m) fail_msg("%s", err.message);
    return m;
}

typedef struct checking {
    const opened *o;
    const char *name;
    int cases;
} checking;

static void check_case(const json_t *c, long number, void *arg)
{
    checking *all = arg;
    const opened *o = all->o;
    const char *name = json_string_value(json_object_get(c, "model"));
    (void)number;
    if (!name || strcmp(name, all->name) != 0) return;
    all->cases++;
    char *config = json_dumps(json_object_get(c, "config"), JSON_COMPACT);
    b4c_model *m = reopen(name, config, false);
    b4c_error err = { 0 };
    b4c_generation g;
    if (strstr(b4c_model_report(m), "generation_ignored"))
        fail_msg("%s: %s", config, b4c_model_report(m));
    b4c_session *s = b4c_session_new(m, &(b4c_session_options){ .threads = 1 }, &err);
    if (!s) fail_msg("%s", err.message);
    b4c_generate_options how = b4c_generate_defaults(m);
    how.allow_unknown = true;
    assert_ok(b4c_generate_ids(s, o->g.ids, NULL, o->g.lengths, o->g.n_seq, &how, &g, &err), &err);
    assert_int_equal(g.n, json_array_size(json_object_get(c, "want")));
    for (int i = 0; i < g.n; i++) {
        const b4c_result *x = &g.result[i][0];
        const json_t *want = json_array_get(json_object_get(c, "want"), (size_t)i);
        bool same = (size_t)x->n == json_array_size(want);
        for (int k = 0; same && k < x->n; k++)
            same = x->ids[k] == json_integer_value(json_array_get(want, (size_t)k));
        if (same) continue;
        for (int k = 0; k < x->n; k++) printf(" %d", (int)x->ids[k]);
        fail_msg("\n%s %s: sequence %d differs: wanted %s", name, config, i,
                 json_dumps(want, JSON_COMPACT));
    }
    b4c_generation_free(&g);
    b4c_session_free(s);
    b4c_model_free(m);
    free(config);
}

static void rules_of_the_file_write_what_transformers_writes(void **state)
{
    (void)state;
    static const char *const names[] = { "gpt2", "qwen2", "bart", "t5" };
    for (size_t i = 0; i < COUNT(names); i++) {
        opened o;
        checking all = { &o, names[i], 0 };
        open_golden_model(&o, names[i], B4C_F32, NULL);
        each_line("tests/golden/habits/cases.jsonl", check_case, &all);
        assert_true(all.cases >= 18);
        close_golden(&o);
    }
}

static void lists_that_are_none_and_ids_that_are_no_tokens_are_told(void **state)
{
    (void)state;
    opened o;
    open_golden_model(&o, "gpt2", B4C_F32, NULL);
    close_golden(&o);
    b4c_model *m =
        reopen("gpt2",
               "{\"eos_token_id\": 81, \"bad_words_ids\": [[3, 100000], [4], [81]], "
               "\"suppress_tokens\": [-1, 7], \"forced_eos_token_id\": 5, "
               "\"force_words_ids\": [[[1], [2]]], \"stop_strings\": \"x\"}",
               false);
    const b4c_generate_options d = b4c_generate_defaults(m);
    assert_int_equal(d.n_bad, 1);
    assert_int_equal(d.bad[0].ids[0], 4);
    assert_int_equal(d.n_bias, 1);
    assert_int_equal(d.bias[0].token, 7);
    assert_int_equal(d.n_forced, 0);
    assert_int_equal(d.n_stop, 0);
    assert_false(d.end_at_limit);
    const char *report = b4c_model_report(m);
    assert_non_null(strstr(report, "bad_words_ids: 1 with ids that are no token"));
    assert_non_null(strstr(report, "suppress_tokens: 1 with ids that are no token"));
    assert_non_null(strstr(report, "\"generation_ignored\":[\"force_words_ids\",\"stop_strings\","
                                   "\"forced_eos_token_id\"]"));
    b4c_model_free(m);
    static const struct {
        const char *config, *key;
    } wrong[] = {
        { "{\"bad_words_ids\": [3]}", "bad_words_ids" },
        { "{\"bad_words_ids\": {\"a\": 1}}", "bad_words_ids" },
        { "{\"bad_words_ids\": [[3, \"x\"]]}", "bad_words_ids" },
        { "{\"bad_words_ids\": [[]]}", "bad_words_ids" },
        { "{\"suppress_tokens\": \"all\"}", "suppress_tokens" },
        { "{\"begin_suppress_tokens\": [1.5]}", "begin_suppress_tokens" },
        { "{\"stop_strings\": [\"a\", \"\"]}", "stop_strings" },
        { "{\"stop_strings\": 3}", "stop_strings" },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        b4c_error err = { 0 };
        b4c_model_options mo = B4C_MODEL_DEFAULT;
        mo.need_head = mo.weights_only = true;
        temp_text("gpt2/generation_config.json", wrong[i].config);
        assert_null(b4c_model_open(temp_path("gpt2"), &mo, &err));
        assert_error(&err, B4C_E_FORMAT, wrong[i].key);
    }
}

static void strings_of_the_file_end_results(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_generation free_of_rules, g;
    open_unilm(&o, 1);
    /* the first that writes some text, and a token in the middle of it */
    static const char *const some[] = { "今天天气很好", "中国", "上海市", "大家好吗", "小学生" };
    const char *texts[] = { NULL };
    const b4c_result *x = NULL;
    assert_ok(b4c_generate(o.session, some, NULL, COUNT(some), NULL, &free_of_rules, &err), &err);
    for (size_t i = 0; i < COUNT(some) && !texts[0]; i++)
        if ((x = &free_of_rules.result[i][0])->n > 2) texts[0] = some[i];
    if (!texts[0]) fail_msg("no result is long enough");
    char config[256];
    char *stop = b4c_detokenize(b4c_model_tokenizer(o.model), x->ids + x->n / 2, 1, false, &err);
    snprintf(config, sizeof config, "{\"eos_token_id\": %lld, \"stop_strings\": [\"%s\"]}",
             json_integer_value(json_object_get(o.io, "end")), stop);
    b4c_model *m = reopen("bert-unilm-beam", config, true);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    if (!s) fail_msg("%s", err.message);
    assert_ok(b4c_generate(s, texts, NULL, 1, NULL, &g, &err), &err);
    const b4c_result *y = &g.result[0][0];
    assert_int_equal(y->finish, B4C_FINISH_STOP);
    assert_null(strstr(y->text, stop));
    assert_memory_equal(x->text, y->text, strlen(y->text));
    assert_memory_equal(x->text + strlen(y->text), stop, strlen(stop));
    b4c_generation_free(&g);
    b4c_generation_free(&free_of_rules);
    b4c_session_free(s);
    b4c_model_free(m);
    free(stop);
    close_golden(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_the_file_write_what_transformers_writes),
        cmocka_unit_test(strings_of_the_file_end_results),
        cmocka_unit_test(lists_that_are_none_and_ids_that_are_no_tokens_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
