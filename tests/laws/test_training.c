/* test_training.c - laws of a whole training: stopped anywhere and resumed it is the one that was
 * never stopped, to the bit; threads and ways to compute do not matter; every optimiser learns.
 */
#include "laws/course.h"
#include "support/test.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Report R02: after resuming, losses jumped, since some of optimiser, data order and random numbers
 * had begun anew. */
static void a_training_resumed_at_any_step_is_the_one_never_stopped(void **state)
{
    (void)state;
    const char *const configs[2] = { course_gpt2, course_bert };
    for (int k = 0; k < 2; k++) {
        const char *never = course_folder();
        course_run(never, configs[k], course_whole, 1);
        for (int stop = 1; stop < 7; stop++) {
            course c;
            b4c_error err = { 0 };
            const char *folder = course_folder();
            char *recipe = course_recipe(folder, configs[k], course_whole);
            assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
            course_go(&c, stop);
            assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
            if (stop % 2) course_go(&c, 1); /* what came after the checkpoint is done again */
            course_done(&c);
            assert_ok(course_begin(&c, recipe, NULL, 2, true, &err), &err);
            assert_int_equal(c.trainer.standing.step, stop);
            course_go(&c, 1000);
            course_done(&c);
            course_same_file(never, folder, "log.jsonl");
            course_same_file(never, folder, "model.safetensors");
            free(recipe);
        }
    }
}

/* Report R05: what stands at no multiple of 64 bytes costs a tenth of a training's speed. */
static void gradients_and_states_begin_at_cache_lines(void **state)
{
    (void)state;
    course c;
    b4c_error err = { 0 };
    char *recipe = course_recipe(course_folder(), course_gpt2, course_whole);
    assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
    const b4c_learner *l = &c.trainer.learner;
    int seen = 0;
    for (int i = 0; i < l->leaves.n; i++) {
        const b4c_leaf *f = &l->leaves.item[i];
        if (f->in_slot || !f->g) continue;
        assert_int_equal((uintptr_t)f->g % B4C_ALIGN, 0);
        assert_int_equal((uintptr_t)(l->optimiser.m + f->at) % B4C_ALIGN, 0);
        assert_int_equal((uintptr_t)(l->optimiser.v + f->at) % B4C_ALIGN, 0);
        seen++;
    }
    assert_true(seen > 10);
    course_done(&c);
    free(recipe);
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    static const char *const tasks[] = { "\"lm\"",
                                         "\"mlm\"",
                                         "\"simbert\"",
                                         "\"cosent\"",
                                         "\"infonce\"",
                                         "\"lm\",\"rdrop\":4",
                                         "\"classify\",\"classes\":2,\"rdrop\":4" };
    for (size_t i = 0; i < COUNT(tasks); i++) {
        char rest[256];
        const char *one = course_folder(), *two = course_folder();
        snprintf(rest, sizeof rest,
                 "\"task\":{\"kind\":%s,\"dropout\":0.1},\"steps\":3,"
                 "\"optimiser\":{\"rate\":0.01}",
                 tasks[i]);
        course_run(one, course_bert, rest, 1);
        course_run(two, course_bert, rest, 2);
        course_same_file(one, two, "log.jsonl");
        course_same_file(one, two, "model.safetensors");
    }
}

static void layers_computed_again_change_no_bit(void **state)
{
    (void)state;
    static const char *const tasks[] = { "\"lm\"", "\"simbert\"", "\"classify\",\"classes\":2" };
    static const char *const types[] = { "f32", "bf16" };
    for (size_t i = 0; i < 2 * COUNT(tasks); i++) {
        char rest[256];
        const char *once = course_folder(), *again = course_folder();
        const int n = snprintf(rest, sizeof rest,
                               "\"task\":{\"kind\":%s,\"dropout\":0.1},\"steps\":3,"
                               "\"optimiser\":{\"rate\":0.01},\"dtype\":\"%s\"",
                               tasks[i / 2], types[i % 2]);
        course_run(once, course_bert, rest, 1);
        snprintf(rest + n, sizeof rest - (size_t)n, ",\"recompute\":true");
        course_run(again, course_bert, rest, 1);
        course_same_file(once, again, "log.jsonl");
        course_same_file(once, again, "model.safetensors");
    }
}

static void a_killed_training_goes_on_from_its_last_checkpoint(void **state)
{
    (void)state;
    const char *never = course_folder(), *folder = course_folder();
    char rest[512];
    b4c_error err = { 0 };
    const char *const many = "steps=80";
    snprintf(rest, sizeof rest, "%s,\"save\":1", course_whole);
    char *recipe = course_recipe(never, course_gpt2, rest);
    course c;
    assert_ok(course_begin(&c, recipe, many, 1, false, &err), &err);
    course_go(&c, 1000);
    course_done(&c);
    free(recipe);
    recipe = course_recipe(folder, course_gpt2, rest);
    b4c_rng rng;
    b4c_rng_init(&rng, 3, 0, 0);
    bool again = false;
    for (int run = 0; run < 20; run++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (course_begin(&c, recipe, many, 1, again, &err) == 0) course_go(&c, 1000);
            _exit(0);
        }
        usleep(2000 + b4c_rng_below(&rng, 12000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        char path[512];
        snprintf(path, sizeof path, "%s/out/checkpoint/training.safetensors", folder);
        again = b4c_file_exists(path);
    }
    assert_ok(course_begin(&c, recipe, many, 1, again, &err), &err);
    course_go(&c, 1000);
    course_done(&c);
    course_same_file(never, folder, "log.jsonl");
    course_same_file(never, folder, "model.safetensors");
    free(recipe);
}

static void every_optimiser_learns_and_resumes(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        double rate;
        const char *state;
    } optimisers[] = {
        { "sgd", 0.1, "f32" },    { "adam", 0.02, "f32" },      { "adamw", 0.02, "f32" },
        { "lion", 0.005, "f32" }, { "adafactor", 0.05, "f32" }, { "sgd", 0.1, "bf16" },
        { "adam", 0.02, "bf16" }, { "adamw", 0.02, "bf16" },    { "lion", 0.005, "bf16" },
    };
    for (size_t i = 0; i < COUNT(optimisers); i++) {
        char rest[256];
        course c;
        b4c_error err = { 0 };
        const char *never = course_folder(), *folder = course_folder();
        snprintf(rest, sizeof rest,
                 "\"task\":\"lm\",\"steps\":60,\"optimiser\":{\"kind\":\"%s\",\"rate\":%g%s}",
                 optimisers[i].kind, optimisers[i].rate,
                 strcmp(optimisers[i].state, "bf16") ? "" : ",\"state\":\"bf16\"");
        course_run(never, course_gpt2, rest, 1);
        if (!(course_last_loss(never) < 1)) /* it begins at log 23 = 3.1 */
            fail_msg("%s: the loss ends at %g", optimisers[i].kind, course_last_loss(never));
        char *recipe = course_recipe(folder, course_gpt2, rest);
        assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
        course_go(&c, 31);
        assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
        course_done(&c);
        assert_ok(course_begin(&c, recipe, NULL, 1, true, &err), &err);
        course_go(&c, 1000);
        course_done(&c);
        course_same_file(never, folder, "log.jsonl");
        course_same_file(never, folder, "model.safetensors");
        free(recipe);
    }
}

/* Without clipping, weights move while the backward runs; a limit that is never reached makes them
 * wait. */
static void moving_weights_in_the_backward_changes_no_bit(void **state)
{
    (void)state;
    static const char *const rests[] = {
        "\"kind\":\"adamw\",\"rate\":0.02",
        "\"kind\":\"adafactor\",\"rate\":0.02",
        "\"kind\":\"lion\",\"rate\":0.01,\"state\":\"bf16\"",
        "\"kind\":\"sgd\",\"rate\":0.02,\"ema\":0.9",
    };
    static const char *const extra[] = { "", ",\"recompute\":true", ",\"freeze\":[\"embeddings\"]",
                                         ",\"dtype\":\"bf16\"" };
    for (size_t i = 0; i < COUNT(rests); i++) {
        char rest[256];
        const char *at_once = course_folder(), *waiting = course_folder();
        for (int wait = 0; wait < 2; wait++) {
            snprintf(rest, sizeof rest,
                     "\"task\":{\"kind\":\"mlm\",\"dropout\":0.1},\"steps\":5,"
                     "\"optimiser\":{%s%s}%s",
                     rests[i], wait ? ",\"clip\":1e9" : "", extra[i]);
            course_run(wait ? waiting : at_once, course_bert, rest, 1 + wait);
        }
        course_same_file(at_once, waiting, "log.jsonl");
        course_same_file(at_once, waiting, "model.safetensors");
    }
}

/* A gradient that is no number is found in the backward, when some weights have moved: what is left
 * must not become a checkpoint. */
static void a_step_that_failed_halfway_is_no_checkpoint(void **state)
{
    (void)state;
    const char *folder = course_folder();
    course c;
    b4c_error err = { 0 };
    b4c_train_report r;
    char *recipe = course_recipe(folder, course_gpt2,
                                 "\"task\":\"lm\",\"steps\":9,\"optimiser\":{\"rate\":0.01}");
    assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
    course_go(&c, 1);
    assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
    /* A gain so large that the loss is finite and the squares of its gradients are not. */
    b4c_network *net = &c.trainer.learner.net;
    for (int i = 0; i < net->spec.width; i++) net->encoder.final_norm.gain.x[i] = 1e25f;
    for (int i = 0; i < net->spec.width; i++) net->encoder.final_norm.bias.x[i] = 0;
    assert_int_equal(b4c_trainer_run_step(&c.trainer, &r, &err), B4C_E_NUMBER);
    assert_fails(b4c_trainer_write_checkpoint(&c.trainer, &err), &err, B4C_E_ARG, "halfway");
    course_done(&c);
    assert_ok(course_begin(&c, recipe, NULL, 1, true, &err), &err);
    assert_int_equal(c.trainer.standing.step, 1);
    course_done(&c);
    free(recipe);
}

/* What R-Drop is for: the more two readings' distance costs, the smaller it is. */
static void readings_agree_the_more_the_more_it_counts(void **state)
{
    (void)state;
    static const double alpha[2] = { 0.01, 20 };
    double apart[2];
    for (int i = 0; i < 2; i++) {
        char rest[256];
        const char *folder = course_folder();
        snprintf(rest, sizeof rest,
                 "\"task\":{\"kind\":\"lm\",\"dropout\":0.3,\"rdrop\":%g},\"steps\":60,"
                 "\"optimiser\":{\"rate\":0.01}",
                 alpha[i]);
        course_run(folder, course_gpt2, rest, 1);
        apart[i] = course_last(folder, "apart") / alpha[i];
    }
    assert_true(apart[1] > 0 && apart[1] < apart[0] / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_resumed_at_any_step_is_the_one_never_stopped),
        cmocka_unit_test(gradients_and_states_begin_at_cache_lines),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(layers_computed_again_change_no_bit),
        cmocka_unit_test(moving_weights_in_the_backward_changes_no_bit),
        cmocka_unit_test(a_step_that_failed_halfway_is_no_checkpoint),
        cmocka_unit_test(a_killed_training_goes_on_from_its_last_checkpoint),
        cmocka_unit_test(every_optimiser_learns_and_resumes),
        cmocka_unit_test(readings_agree_the_more_the_more_it_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
