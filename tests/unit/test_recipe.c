/* test_recipe.c - recipes: what is read, and that every wrong word is named. */
#include "support/test.h"
#include "train/recipe.h"

static const char good[] =
    "{\"model\":{\"config\":{\"model_type\":\"gpt2\"},\"tokenizer\":\"vocab.txt\"},"
    "\"task\":{\"kind\":\"lm\",\"dropout\":0.1},\"data\":{\"files\":[\"a.txt\"]},"
    "\"batch\":{\"tokens\":512},\"accumulate\":2,\"steps\":100,\"seed\":7,\"dtype\":\"bf16\","
    "\"optimiser\":{\"kind\":\"lion\",\"rate\":0.0001,\"no_decay\":[\"wpe\"]},"
    "\"schedule\":{\"kind\":\"piecewise\",\"points\":[[10,1],[100,0.1]]},"
    "\"evaluate\":{\"every\":10,\"metric\":\"loss\"},\"save\":20,\"memory\":512,"
    "\"output\":\"out\"}";

static void a_recipe_is_read_whole(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_recipe r;
    assert_ok(b4c_recipe_read(&r, temp_text("r.json", good), NULL, 0, &err), &err);
    assert_int_equal(r.task, B4C_TASK_LM);
    assert_int_equal(r.batch_tokens, 512);
    assert_int_equal(r.accumulate, 2);
    assert_int_equal(r.steps, 100);
    assert_int_equal(r.seed, 7);
    assert_int_equal(r.dtype, B4C_BF16);
    assert_int_equal(r.optimiser.kind, B4C_LION);
    assert_true(r.rate == 0.0001 && r.optimiser.beta2 == 0.99 && r.n_no_decay == 1);
    assert_int_equal(r.schedule.n, 2);
    assert_int_equal(r.evaluate, 10);
    assert_int_equal(r.memory, (size_t)512 << 20);
    b4c_recipe_done(&r);
}

static void set_changes_a_value_or_makes_one(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_recipe r;
    const char *set[] = { "optimiser.rate=0.5", "schedule.points.1=[50,0.3]", "output=there",
                          "schedule.warmup=3", "task.smoothing=0.1" };
    assert_ok(b4c_recipe_read(&r, temp_text("r.json", good), set, 5, &err), &err);
    assert_true(r.rate == 0.5 && r.schedule.step[1] == 50 && r.schedule.warmup == 3);
    assert_string_equal(r.output, "there");
    assert_true(json_real_value(json_object_get(r.task_json, "smoothing")) == 0.1);
    b4c_recipe_done(&r);
}

static void every_wrong_word_is_named(void **state)
{
    (void)state;
    static const struct { const char *set; int code; const char *part; } wrong[] = {
        { "stepz=3", B4C_E_ARG, "unknown key \"stepz\"; did you mean steps" },
        { "optimiser.rat=3", B4C_E_ARG, "optimiser: unknown key \"rat\"; did you mean rate" },
        { "task.kind=lmm", B4C_E_ARG, "did you mean lm" },
        { "optimiser.kind=adamv", B4C_E_ARG, "did you mean adam" },
        { "batch.examples=3", B4C_E_ARG, "one of \"tokens\" and \"examples\"" },
        { "steps=0", B4C_E_FORMAT, "\"steps\" is 0" },
        { "model.from=folder", B4C_E_ARG, "one of \"from\"" },
        { "teacher=folder", B4C_E_ARG, "do not go together" },
        { "schedule.points=[[9,1],[3,1]]", B4C_E_ARG, "element 1" },
        { "freeze=word", B4C_E_ARG, "\"freeze\" is no list" },
        { "optimiser.rate=\"fast\"", B4C_E_FORMAT, "wanted a number" },
        { "data=3", B4C_E_MISSING, "no \"data\"" },
        { "output=\"\"", B4C_E_MISSING, "no \"output\"" },
        { "model.tokenizer=null", B4C_E_MISSING, "no \"tokenizer\"" },
        { "task.dropout=1", B4C_E_ARG, "\"dropout\" is 1" },
        { "steps", B4C_E_ARG, "wanted name=value" },
        { "steps.more=1", B4C_E_ARG, "nothing can be set there" },
    };
    const char *path = temp_text("r.json", good);
    b4c_spec spec = { .architecture = "bert" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        b4c_error err = { 0 };
        b4c_recipe r;
        b4c_task task = { 0 };
        int rc = b4c_recipe_read(&r, path, &wrong[i].set, 1, &err);
        if (rc == 0) {
            rc = b4c_recipe_task(&r, &task, &spec, &err);
            b4c_recipe_done(&r);
        }
        if (rc != wrong[i].code || !strstr(err.message, wrong[i].part))
            fail_msg("%s: %d, \"%s\"; wanted %d and \"%s\"", wrong[i].set, rc, err.message,
                     wrong[i].code, wrong[i].part);
    }
}

static void a_missing_or_broken_file_is_an_error(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_recipe r;
    assert_fails(b4c_recipe_read(&r, temp_path("none.json"), NULL, 0, &err), &err, B4C_E_IO,
                 "none.json");
    const size_t n = strlen(good);
    for (size_t cut = 0; cut < n; cut += 7) {
        char text[sizeof good];
        memcpy(text, good, cut);
        text[cut] = '\0';
        assert_true(b4c_recipe_read(&r, temp_text("cut.json", text), NULL, 0, &err) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recipe_is_read_whole),
        cmocka_unit_test(set_changes_a_value_or_makes_one),
        cmocka_unit_test(every_wrong_word_is_named),
        cmocka_unit_test(a_missing_or_broken_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
