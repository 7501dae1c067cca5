/* test_training_output.c - what a training leaves: the model that it trained, the best by its
 * measure, and, where it could not go on, what is wrong.
 */
#include "golden/golden.h"
#include "laws/course.h"
#include "support/test.h"
#include "model/config.h"

#include <math.h>

static void the_written_model_computes_what_the_trained_one_did(void **state)
{
    (void)state;
    static const struct {
        const char *config, *task;
    } cases[] = {
        { course_bert, "\"mlm\"" },
        { course_gpt2, "\"lm\"" },
        { course_bert, "\"lm\"" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char rest[200], path[512];
        course c;
        b4c_error err = { 0 };
        b4c_losses want, got;
        b4c_batch b;
        const char *folder = course_folder();
        snprintf(rest, sizeof rest, "\"task\":%s,\"steps\":3,\"optimiser\":{\"rate\":0.01}",
                 cases[i].task);
        char *recipe = course_recipe(folder, cases[i].config, rest);
        assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
        course_go(&c, 1000);
        b4c_batch_init(&b);
        assert_int_equal(c.trainer.feed->next(c.trainer.feed, &b, &err), 1);
        assert_ok(b4c_learner_measure(&c.trainer.learner, &b, false, &want, &err), &err);
        golden_model m;
        b4c_tape t;
        snprintf(path, sizeof path, "%s/out", folder);
        golden_model_open(&m, path, B4C_F32, true);
        assert_int_equal(json_array_size(json_object_get(m.report, "unexpected")), 0);
        assert_int_equal(
            b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, (size_t)64 << 20, false), 0);
        const b4c_task_call call = { .batch = &b, .token_share = 1, .vector_share = 1 };
        b4c_task_loss(&t, &m.net, &c.trainer.learner.task, &call, &got);
        assert_true(got.tokens == want.tokens && got.n_tokens == want.n_tokens);
        b4c_tape_done(&t);
        golden_model_close(&m);
        b4c_batch_done(&b);
        course_done(&c);
        free(recipe);
    }
}

static void the_best_model_by_the_metric_is_kept(void **state)
{
    (void)state;
    const char *folder = course_folder();
    course c;
    b4c_error err = { 0 };
    b4c_train_report r;
    /* A rate that rises without end: the loss falls first, then flies away. */
    char *recipe = course_recipe(folder, course_gpt2,
                                 "\"task\":\"lm\",\"steps\":60,\"optimiser\":{\"kind\":\"adam\","
                                 "\"rate\":1},\"schedule\":{\"kind\":\"piecewise\",\"points\":"
                                 "[[30,0.01],[60,1]]},\"evaluate\":{\"every\":5}");
    assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
    double best = INFINITY, last = 0;
    int64_t at = 0;
    while (b4c_trainer_run_step(&c.trainer, &r, &err) == 1)
        if (r.evaluated) {
            assert_int_equal(r.best, r.measure < best);
            if (r.measure < best) best = r.measure, at = r.step;
            last = r.measure;
        }
    assert_true(last > 2 * best && at < 60);
    assert_true(c.trainer.standing.best == best && c.trainer.standing.best_step == at);
    course_done(&c);
    free(recipe);
}

static void a_loss_that_is_no_number_stops_and_is_named(void **state)
{
    (void)state;
    const char *folder = course_folder();
    course c;
    b4c_error err = { 0 };
    b4c_train_report r;
    size_t n;
    int rc;
    char *recipe = course_recipe(folder, course_gpt2,
                                 "\"task\":\"lm\",\"steps\":50,\"optimiser\":{\"kind\":\"sgd\","
                                 "\"rate\":1000}");
    assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
    while ((rc = b4c_trainer_run_step(&c.trainer, &r, &err)) == 1) continue;
    assert_int_equal(rc, B4C_E_NUMBER);
    if (!strstr(err.message, "is no number") ||
        !(strstr(err.message, "transformer.") || strstr(err.message, "activation '")))
        fail_msg("%s", err.message);
    char *batch = course_content(folder, "bad_batch.json", &n);
    assert_non_null(strstr(batch, "\"ids\""));
    free(batch);
    course_done(&c);
    free(recipe);
}

static void an_output_with_a_checkpoint_is_not_overwritten(void **state)
{
    (void)state;
    const char *folder = course_folder();
    course c;
    b4c_error err = { 0 };
    course_run(folder, course_gpt2, course_whole, 1);
    char *recipe = course_recipe(folder, course_gpt2, course_whole);
    assert_fails(course_begin(&c, recipe, NULL, 1, false, &err), &err, B4C_E_ARG, "resume it");
    json_decref(c.config);
    assert_fails(course_begin(&c, recipe, "seed=2", 1, true, &err), &err, B4C_E_ARG, "\"seed\"");
    json_decref(c.config);
    assert_ok(course_begin(&c, recipe, "steps=9", 1, true, &err), &err);
    course_go(&c, 1000);
    assert_int_equal(c.trainer.standing.step, 9);
    course_done(&c);
    free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_written_model_computes_what_the_trained_one_did),
        cmocka_unit_test(the_best_model_by_the_metric_is_kept),
        cmocka_unit_test(a_loss_that_is_no_number_stops_and_is_named),
        cmocka_unit_test(an_output_with_a_checkpoint_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
