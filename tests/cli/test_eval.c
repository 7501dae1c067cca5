/* test_eval.c - eval as a person runs it: each measure, sets and their mean, what is refused. */
#include "base/json.h"
#include "cli/command.h"
#include "support/test.h"

#include <math.h>

static json_t *eval_json(const char *measure, const char *const *more)
{
    const char *argv[16] = { "eval", measure, "--to", "json", "-q" };
    int n = 5;
    while (*more) argv[n++] = *more++;
    const run r = bert4c_bytes(NULL, 0, argv);
    if (r.code != 0) fail_msg("exit code %d: %s", r.code, r.err);
    b4c_error err = { 0 };
    json_t *json = b4c_json_parse(r.out, r.out_size, "eval", &err);
    if (!json) fail_msg("%s", err.message);
    return json;
}

static const json_t *set_of(const json_t *json, size_t i)
{
    return json_array_get(json_object_get(json, "sets"), i);
}

static double number(const json_t *o, const char *key)
{
    const json_t *x = json_object_get(o, key);
    if (!json_is_number(x)) fail_msg("%s is no number", key);
    return json_number_value(x);
}

static const char *const written = "天气好\t今天天气很好\n今天天气很好\t今天天气很好\n";

static void rouge_and_bleu_are_means_over_texts(void **state)
{
    (void)state;
    const char *path = temp_text("written.tsv", written);
    json_t *json = eval_json("rouge", (const char *[]){ "-f", path, NULL });
    assert_true(fabs(number(set_of(json, 0), "rouge-1") - (6. / 9 + 1) / 2) < 1e-9);
    assert_true(fabs(number(set_of(json, 0), "rouge-2") - (2. / 7 + 1) / 2) < 1e-9);
    assert_int_equal(number(set_of(json, 0), "texts"), 2);
    assert_null(json_object_get(json, "mean"));
    json_decref(json);
    json = eval_json("bleu", (const char *[]){ "-f", path, NULL });
    assert_true(fabs(number(set_of(json, 0), "bleu") - (0.09782458612762486 + 1) / 2) < 1e-9);
    json_decref(json);
}

static void each_file_is_a_set_and_the_last_row_their_mean(void **state)
{
    (void)state;
    const char *a = temp_text("a.tsv", written), *b = temp_text("b.tsv", "天\t天\n");
    const run r = bert4c(NULL, "eval", "rouge", "-f", a, "-f", b, NULL);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out,
                        "rouge x100                      texts    rouge-1    rouge-2    rouge-l\n"
                        "a.tsv                               2      83.33      64.29      83.33\n"
                        "b.tsv                               1     100.00       0.00     100.00\n"
                        "mean                                3      91.67      32.14      91.67\n");
}

/* Over all texts of a file together: 天 气 好 今 很 of 9; of 7 pairs 天气 comes twice. */
static void distinct_is_of_a_whole_file(void **state)
{
    (void)state;
    const char *path = temp_text("varied.tsv", "0.9\t天气好\n0.8\t今天天气很好\n");
    const run r = bert4c(NULL, "eval", "distinct", "-f", path, "--column", "2", NULL);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out,
                        "distinct x100                   texts distinct-1 distinct-2\n"
                        "varied.tsv                          2      55.56      85.71\n");
}

/* The same numbers as similar's: one code. */
static void sts_is_what_similar_says(void **state)
{
    (void)state;
    const char *path = "examples/pairs.tsv";
    const run r = bert4c(NULL, "similar", "-m", tiny_model(), "-f", path, "--label", "3",
                         "--summary", "-q", NULL);
    assert_int_equal(r.code, 0);
    json_t *json = eval_json(
        "sts", (const char *[]){ "-m", tiny_model(), "-f", path, "--label", "3", NULL });
    char line[64];
    static const char *const names[] = { "spearman", "pearson", "auc", "f1" };
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(line, sizeof line, "%s\t%.6f\n", names[i], number(set_of(json, 0), names[i]));
        if (!strstr(r.out, line)) fail_msg("\"%s\" lacks \"%s\"", r.out, line);
    }
    json_decref(json);
}

/* Perplexity is that of all tokens together, as `score` tells them one by one. */
static void ppl_is_that_of_scores_together(void **state)
{
    (void)state;
    const char *path = temp_text("lines.txt", "北京欢迎你\n今天天气很好\n\n");
    const run r = bert4c(NULL, "score", "-m", tiny_model(), "--reading", "causal", "-f", path, "-q",
                         NULL);
    assert_int_equal(r.code, 0);
    double logprob = 0, tokens = 0;
    b4c_error err = { 0 };
    const char *at = r.out;
    for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
        json_t *line = b4c_json_parse(at, (size_t)(end - at), "score", &err);
        if (!line) fail_msg("%s", err.message);
        logprob += number(line, "logprob");
        tokens += number(line, "tokens");
        json_decref(line);
    }
    json_t *json = eval_json(
        "ppl", (const char *[]){ "-m", tiny_model(), "--reading", "causal", "-f", path, NULL });
    const json_t *set = set_of(json, 0);
    assert_int_equal(number(set, "texts"), 3);
    assert_int_equal(number(set, "characters"), 11);
    assert_int_equal(number(set, "tokens"), tokens);
    assert_true(fabs(log(number(set, "ppl")) + logprob / tokens) < 1e-5);
    assert_true(fabs(log(number(set, "ppl/char")) + logprob / 11) < 1e-5);
    json_decref(json);
}

/* Vectors of many texts, whitened, are uncorrelated; similar and eval take the same file. */
static void a_whitening_is_learnt_and_used(void **state)
{
    (void)state;
    const char *white = temp_path("white.safetensors"), *file = "examples/sentences.txt";
    temp_folder();
    run r = bert4c(NULL, "embed", "-m", tiny_model(), "-f", file, "--fit-whitening", white, NULL);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.out_size, 0);
    assert_non_null(strstr(r.err, "which vary in"));
    r = bert4c(NULL, "embed", "-m", tiny_model(), "-f", file, "--whiten", white, "--dim", "3",
               "--to", "tsv", "--no-normalize", "-q", NULL);
    assert_int_equal(r.code, 0);
    double sum[3] = { 0 }, square[3] = { 0 };
    int rows = 0;
    for (const char *at = r.out, *end; (end = strchr(at, '\n')); at = end + 1, rows++) {
        double x[3];
        assert_int_equal(sscanf(at, "%lf\t%lf\t%lf", &x[0], &x[1], &x[2]), 3);
        for (int k = 0; k < 3; k++) {
            sum[k] += x[k];
            square[k] += x[k] * x[k];
        }
    }
    for (int k = 0; k < 3; k++) {
        assert_true(fabs(sum[k] / rows) < 1e-4);
        assert_true(fabs(square[k] / (rows - 1) - 1) < 1e-4);
    }
    r = bert4c(NULL, "eval", "sts", "-m", tiny_model(), "-f", "examples/pairs.tsv", "--label", "3",
               "--whiten", white, "-q", NULL);
    assert_int_equal(r.code, 0);
    r = bert4c(NULL, "embed", "-m", tiny_model(), "--whiten", white, "--dim", "41", "x", NULL);
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "wanted at most"));
}

static void what_cannot_be_measured_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *argv[6];
        int code;
        const char *says;
    } cases[] = {
        { { NULL }, 2, "no measure: eval: wanted sts, rouge, bleu, distinct, ppl or classify" },
        { { "roug" }, 2, "did you mean rouge?" },
        { { "sts", "texts" }, 2, "too many arguments" },
        { { "sts", "-f", "examples/pairs.tsv" }, 2, "wanted --label N" },
        { { "rouge", "-f", "examples/pairs.tsv", "--label", "3" }, 2, "sts and classify read" },
        { { "rouge", "-f", "examples/sentences.txt" }, 1, "examples/sentences.txt" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *argv[10] = { "eval" };
        for (int k = 0; k < 6 && cases[i].argv[k]; k++) argv[1 + k] = cases[i].argv[k];
        const run r = bert4c_bytes(NULL, 0, argv);
        if (r.code != cases[i].code || !strstr(r.err, cases[i].says))
            fail_msg("case %zu: exit code %d: %s", i, r.code, r.err);
        assert_int_equal(r.out_size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rouge_and_bleu_are_means_over_texts),
        cmocka_unit_test(each_file_is_a_set_and_the_last_row_their_mean),
        cmocka_unit_test(distinct_is_of_a_whole_file),
        cmocka_unit_test(sts_is_what_similar_says),
        cmocka_unit_test(ppl_is_that_of_scores_together),
        cmocka_unit_test(a_whitening_is_learnt_and_used),
        cmocka_unit_test(what_cannot_be_measured_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
