/* test_classify.c - a classifier from its recipe to its measures: train, what the folder says, eval
 * classify, convert; and what is refused.
 */
#include "base/json.h"
#include "cli/command.h"

#include <math.h>

/* Texts by what their first character is: above five or not. The last label is wrong, so that a
 * training cannot be right about all. */
static const char *texts(void)
{
    return temp_text("texts.tsv", "一八\t小\n二七\t小\n三九\t小\n四六\t小\n五九\t小\n六一\t大\n"
                                  "七三\t大\n八二\t大\n九五\t大\n十四\t大\n一二\t小\n六一\t小\n");
}

/* Do both say the same? */
static const char *twos(void)
{
    return temp_text("twos.tsv", "一八\t一八\t1\n二七\t二七\t1\n三九\t三九\t1\n四六\t四六\t1\n"
                                 "一八\t二七\t0\n三九\t四六\t0\n五五\t一八\t0\n五五\t五五\t1\n");
}

static const char *recipe(const char *name, const char *task, const char *data, const char *rest)
{
    char text[2000], file[64];
    snprintf(text, sizeof text,
             "{\"model\":{\"config\":{\"model_type\":\"bert\",\"vocab_size\":15,\"hidden_size\":32,"
             "\"num_hidden_layers\":2,\"num_attention_heads\":2,\"intermediate_size\":64,"
             "\"max_position_embeddings\":16},\"tokenizer\":\"%s\",\"deviation\":0.1},\"task\":%s,"
             "\"data\":{\"files\":[\"%s\"]%s},\"batch\":{\"examples\":12},\"steps\":60,"
             "\"optimiser\":{\"rate\":0.003},\"output\":\"%s\"}",
             number_vocabulary(), task, data, rest, temp_path("%s", name));
    snprintf(file, sizeof file, "%s.json", name);
    return temp_text(file, text);
}

static json_t *parsed(run r)
{
    assert_code(r, 0);
    b4c_error err = { 0 };
    json_t *json = b4c_json_parse(r.out, r.out_size, "eval", &err);
    if (!json) fail_msg("%s", err.message);
    return json;
}

static double number(const json_t *o, const char *key)
{
    const json_t *x = json_object_get(o, key);
    if (!json_is_number(x)) fail_msg("%s is no number", key);
    return json_number_value(x);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    if (!text) fail_msg("%s is no text", key);
    return text;
}

static const char sizes[] = ",\"labels\":[\"小\",\"大\"]";

/* A trained classifier of texts; its folder. */
static const char *classifier(void)
{
    static const char *made;
    if (!made) {
        char evaluate[300];
        snprintf(evaluate, sizeof evaluate,
                 "evaluate={\"every\":60,\"data\":{\"files\":[\"%s\"]%s}}", texts(), sizes);
        assert_code(bert4c(NULL, "train", recipe("sizes", "\"classify\"", texts(), sizes), "--set",
                           evaluate, NULL),
                    0);
        made = strdup(temp_path("sizes"));
    }
    return made;
}

static void a_folder_names_its_classes_as_the_hub_does(void **state)
{
    (void)state;
    char path[400];
    b4c_error err = { 0 };
    snprintf(path, sizeof path, "%s/config.json", classifier());
    json_t *config = b4c_json_file(path, &err);
    assert_non_null(config);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(config, "architectures"), 0)),
        "BertForSequenceClassification");
    assert_string_equal(text_of(json_object_get(config, "id2label"), "1"), "大");
    assert_true(number(json_object_get(config, "label2id"), "小") == 0);
    json_decref(config);
    json_t *o = parsed(bert4c(NULL, "inspect", "-m", classifier(), "--to", "json", "-q", NULL));
    const json_t *classes = json_object_get(json_object_get(o, "model"), "classes");
    assert_int_equal(json_array_size(classes), 2);
    assert_int_equal(json_array_size(json_object_get(json_object_get(o, "report"), "unexpected")),
                     0);
    json_decref(o);
}

/* The last "accuracy" in the log that an evaluation wrote. */
static double measured(const char *folder)
{
    char path[400];
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    char *log = read_file(path, NULL);
    const char *at = strstr(log, "\"best\":");
    assert_non_null(at);
    while (at > log && at[-1] != '\n') at--;
    const double x = strtod(strstr(at, "\"accuracy\":") + strlen("\"accuracy\":"), NULL);
    free(log);
    return x;
}

static void eval_says_what_the_training_measured(void **state)
{
    (void)state;
    json_t *o = parsed(bert4c(NULL, "eval", "classify", "-m", classifier(), "-f", texts(),
                              "--label", "2", "--to", "json", "--dtype", "f32", "-q", NULL));
    const json_t *set = json_array_get(json_object_get(o, "sets"), 0);
    const double accuracy = number(set, "accuracy");
    assert_true(fabs(accuracy - measured(classifier())) < 1e-9);
    assert_true(accuracy > 0.9 && accuracy < 1); /* one label is wrong */

    /* The table is what the answers come to. */
    const json_t *answers = json_object_get(o, "predictions");
    const json_t *counts = json_object_get(set, "confusion");
    int count[2][2] = { { 0 } }, right = 0;
    assert_int_equal(json_array_size(answers), 12);
    for (size_t i = 0; i < 12; i++) {
        const json_t *a = json_array_get(answers, i), *p = json_object_get(a, "p");
        const int is = strcmp(text_of(a, "label"), "大") == 0,
                  said = strcmp(text_of(a, "predicted"), "大") == 0;
        const double x = json_number_value(json_array_get(p, 0)),
                     y = json_number_value(json_array_get(p, 1));
        assert_true(fabs(x + y - 1) < 1e-5 && (said ? y > x : x > y));
        count[is][said]++;
        right += is == said;
    }
    assert_true(fabs(accuracy - right / 12.0) < 1e-9);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(json_integer_value(json_array_get(json_array_get(counts, i), k)),
                             count[i][k]);
    json_decref(o);
}

static void text_shows_tables_and_tsv_every_answer(void **state)
{
    (void)state;
    const char *two = temp_text("two.tsv", "一八\t小\n七三\t0\n"); /* by name, by number */
    run r = bert4c(NULL, "eval", "classify", "-m", classifier(), "-f", two, "--label", "2", "-q",
                   NULL);
    assert_code(r, 0);
    assert_string_equal(
        r.out,
        "classify x100                   texts   accuracy   macro-f1\n"
        "two.tsv                             2      50.00      33.33\n"
        "\n"
        "two.tsv                         texts  predicted  precision     recall         f1\n"
        "小                                  2          1     100.00      50.00      66.67\n"
        "大                                  0          1       0.00       0.00       0.00\n"
        "\n"
        "label, and what was said             小         大\n"
        "小                                    1          1\n"
        "大                                    0          0\n");
    r = bert4c(NULL, "eval", "classify", "-m", classifier(), "-f", two, "--label", "2", "--to",
               "tsv", NULL);
    assert_code(r, 0);
    assert_true(strstr(r.out, "set\tlabel\tpredicted\tp\ttext\ntwo.tsv\t小\t小\t0.") == r.out);
    assert_non_null(strstr(r.out, "\ntwo.tsv\t小\t大\t0."));
    assert_says(r, "two.tsv: 2 texts, accuracy 50.00 %, macro F1 33.33 %");
}

/* Law 1: alone, in any company, with any number of threads. */
static void an_answer_does_not_feel_its_neighbours(void **state)
{
    (void)state;
    const run all = bert4c(NULL, "eval", "classify", "-m", classifier(), "-f", texts(), "--label",
                           "2", "--to", "tsv", "-q", NULL);
    const run one = bert4c("七三\t大\n", "eval", "classify", "-m", classifier(), "--from", "tsv",
                           "--label", "2", "--to", "tsv", "--threads", "1", "-q", NULL);
    assert_code(all, 0);
    assert_code(one, 0);
    const char *line = strstr(one.out, "\t大\t大\t");
    assert_non_null(line);
    assert_non_null(strstr(all.out, line));
}

static void pairs_are_read_as_two_texts(void **state)
{
    (void)state;
    const char *path = recipe("twos", "{\"kind\":\"pairs\",\"classes\":2}", twos(), "");
    assert_code(bert4c(NULL, "train", path, "--set", "steps=200", NULL), 0);
    const char *folder = temp_path("twos");
    json_t *o = parsed(bert4c(NULL, "eval", "classify", "-m", folder, "-f", twos(), "--label", "3",
                              "--to", "json", "-q", NULL));
    const json_t *answer = json_array_get(json_object_get(o, "predictions"), 4);
    assert_string_equal(text_of(answer, "second"), "二七");
    assert_string_equal(text_of(answer, "label"), "0"); /* classes without names are numbers */
    assert_true(number(json_array_get(json_object_get(o, "sets"), 0), "accuracy") > 0.9);
    json_decref(o);
    assert_refused(bert4c("一八\t1\n", "eval", "classify", "-m", folder, "--from", "tsv",
                          "--label", "2", "--column", "1", "-q", NULL),
                   2, "wanted two");
}

/* Two texts of a classifier of texts are one sequence with two segments. */
static void a_pair_in_one_sequence_is_read_with_its_segments(void **state)
{
    (void)state;
    const char *path = recipe("joined", "{\"kind\":\"classify\",\"classes\":2}", twos(),
                              ",\"fields\":{\"text\":1,\"pair\":2,\"label\":3}");
    assert_code(bert4c(NULL, "train", path, "--set", "steps=200", "--set",
                       "optimiser.rate=0.005", NULL),
                0);
    const char *folder = temp_path("joined");
    json_t *o = parsed(bert4c(NULL, "eval", "classify", "-m", folder, "-f", twos(), "--label", "3",
                              "--pair", "--to", "json", "-q", NULL));
    assert_true(number(json_array_get(json_object_get(o, "sets"), 0), "accuracy") > 0.8);
    json_decref(o);
}

static void a_converted_classifier_says_the_same(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "f32", "bf16", "int8", "int4" };
    for (size_t i = 0; i < COUNT(dtypes); i++) {
        char folder[300];
        snprintf(folder, sizeof folder, "%s", temp_path("as-%s", dtypes[i]));
        assert_code(bert4c(NULL, "convert", "-m", classifier(), "-o", folder, "--dtype", dtypes[i],
                           "-q", NULL),
                    0);
        const run a = bert4c(NULL, "eval", "classify", "-m", classifier(), "-f", texts(), "--label",
                             "2", "--to", "tsv", "--dtype", dtypes[i], "-q", NULL);
        const run b = bert4c(NULL, "eval", "classify", "-m", folder, "-f", texts(), "--label", "2",
                             "--to", "tsv", "--dtype", dtypes[i], "-q", NULL);
        assert_code(a, 0);
        assert_string_equal(a.out, b.out);
    }
}

static void what_cannot_be_classified_is_refused(void **state)
{
    (void)state;
    const char *bad = temp_text("bad.tsv", "一八\t小\n二七\t中\n"), *model = classifier();
    assert_refused(bert4c(NULL, "eval", "classify", "-m", model, "-f", bad, "--label", "2", "-q",
                          NULL),
                   1, "bad.tsv:2: wrong label: found '中', wanted a class of the model (小, 大)");
    assert_refused(bert4c(NULL, "eval", "classify", "-f", bad, "--label", "2", "-q", NULL), 2,
                   "wanted -m");
    assert_refused(bert4c(NULL, "eval", "classify", "-m", model, "-f", bad, "-q", NULL), 2,
                   "wanted --label");
    assert_refused(bert4c(NULL, "eval", "rouge", "-f", bad, "--pair", "-q", NULL), 2,
                   "which classify alone reads");
    assert_refused(bert4c(NULL, "eval", "classify", "-m", tiny_model(), "-f", bad, "--label", "2",
                          "-q", NULL),
                   1, "no classifier of texts");
    const char *path = recipe("wrong", "{\"kind\":\"classify\",\"classes\":3}", texts(), sizes);
    assert_refused(bert4c(NULL, "train", path, NULL), 1, "task.classes is 3");
    path = recipe("twice", "\"classify\"", texts(), ",\"labels\":[\"小\",\"小\"]");
    assert_refused(bert4c(NULL, "train", path, NULL), 1, "'小' is there twice");
    path = recipe("past", "\"classify\"", texts(), sizes);
    assert_refused(bert4c(NULL, "train", path, "--set", "model.config.model_type=gpt2", NULL), 1,
                   "sees the past only");
}

static b4c_session *session_of(const char *folder, b4c_model **model)
{
    b4c_error err = { 0 };
    *model = b4c_model_open(folder, NULL, &err);
    b4c_session *s = *model ? b4c_session_new(*model, NULL, &err) : NULL;
    if (!s) fail_msg("%s", err.message);
    return s;
}

/* The call behind it: lengths may be left out, and none of what it is not given is read. */
static void the_call_checks_what_it_gets(void **state)
{
    (void)state;
    static const char *const text[] = { "一八", "六一七" };
    static const size_t size[] = { 6, 9 };
    float a[4], b[4];
    b4c_error err = { 0 };
    b4c_model *model;
    b4c_session *s = session_of(classifier(), &model);
    assert_string_equal(b4c_model_label(model, 1), "大");
    assert_null(b4c_model_label(model, 2));
    assert_null(b4c_model_label(model, -1));
    assert_int_equal(b4c_classify(s, text, NULL, NULL, NULL, 2, NULL, a, &err), 0);
    assert_int_equal(b4c_classify(s, text, size, NULL, NULL, 2, NULL, b, &err), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(b4c_classify(s, NULL, NULL, NULL, NULL, 0, NULL, NULL, &err), 0);
    const b4c_classify_options much = { 17, B4C_TRUNCATE_RIGHT }, error = { 3, B4C_TRUNCATE_ERROR };
    assert_int_equal(b4c_classify(s, text, NULL, NULL, NULL, 2, &much, a, &err), B4C_E_ARG);
    assert_non_null(strstr(err.message, "at most 16"));
    assert_int_equal(b4c_classify(s, text, NULL, NULL, NULL, 2, &error, a, &err), B4C_E_TEXT);
    assert_int_equal(b4c_classify(s, text, NULL, NULL, NULL, -1, NULL, a, NULL), B4C_E_ARG);
    b4c_session_free(s);
    b4c_model_free(model);

    s = session_of(tiny_model(), &model);
    assert_int_equal(b4c_classify(s, text, NULL, NULL, NULL, 2, NULL, a, &err), B4C_E_MISSING);
    assert_null(b4c_model_label(model, 0));
    b4c_session_free(s);
    b4c_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_names_its_classes_as_the_hub_does),
        cmocka_unit_test(eval_says_what_the_training_measured),
        cmocka_unit_test(text_shows_tables_and_tsv_every_answer),
        cmocka_unit_test(an_answer_does_not_feel_its_neighbours),
        cmocka_unit_test(pairs_are_read_as_two_texts),
        cmocka_unit_test(a_pair_in_one_sequence_is_read_with_its_segments),
        cmocka_unit_test(a_converted_classifier_says_the_same),
        cmocka_unit_test(what_cannot_be_classified_is_refused),
        cmocka_unit_test(the_call_checks_what_it_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
