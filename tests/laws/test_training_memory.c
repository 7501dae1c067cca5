/* test_training_memory.c - what a training takes: said before its first step, kept to, and refused
 * where it is too much.
 */
#include "laws/course.h"
#include "support/test.h"

static const char albert[] =
    "{\"model_type\":\"albert\",\"vocab_size\":23,\"embedding_size\":8,\"hidden_size\":16,"
    "\"num_hidden_layers\":3,\"num_attention_heads\":2,\"intermediate_size\":24,"
    "\"max_position_embeddings\":16}";
static const char llama[] =
    "{\"model_type\":\"llama\",\"vocab_size\":23,\"hidden_size\":16,\"num_hidden_layers\":2,"
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"intermediate_size\":24,"
    "\"max_position_embeddings\":16}";
static const char t5[] =
    "{\"model_type\":\"t5\",\"vocab_size\":23,\"d_model\":16,\"d_kv\":8,\"d_ff\":24,"
    "\"num_layers\":2,\"num_decoder_layers\":2,\"num_heads\":2,"
    "\"relative_attention_num_buckets\":8,\"relative_attention_max_distance\":16}";

static size_t step_peak(const b4c_learner *l)
{
    return l->tape.arena.peak + l->tape.lives.arena.peak;
}

/* One step and one measuring of the largest batch; what they took. */
static void take_largest(course *c, size_t *step, size_t *plain)
{
    b4c_trainer *t = &c->trainer;
    b4c_error err = { 0 };
    b4c_batch b;
    b4c_step_result r;
    b4c_losses losses;
    const b4c_batch_shape s = { .examples = t->recipe.batch_examples,
                                .length = 12,
                                .target = 6,
                                .negatives = 7,
                                .asked = 0.15 };
    b4c_batch_init(&b);
    b4c_largest_batch(&b, &t->learner.task, t->parts.spec, &s);
    assert_false(b.failed);
    assert_ok(b4c_learner_step(&t->learner, &b, 1, 1, 0.01, &r, &err), &err);
    assert_ok(b4c_learner_measure(&t->learner, &b, false, &losses, &err), &err);
    *step = step_peak(&t->learner);
    *plain = t->learner.plain.arena.peak;
    b4c_batch_done(&b);
}

static void a_step_takes_what_was_said_before_it(void **state)
{
    (void)state;
    static const struct {
        const char *config, *task;
    } cases[] = {
        { course_bert, "\"mlm\"" },
        { course_bert, "\"simbert\"" },
        { course_bert, "\"cosent\"" },
        { course_bert, "\"infonce\"" },
        { course_bert, "\"lm\",\"rdrop\":4" },
        { course_bert, "\"classify\",\"classes\":3" },
        { albert, "\"mlm\"" },
        { course_gpt2, "\"lm\"" },
        { llama, "\"lm\"" },
        { t5, "\"seq2seq\"" },
    };
    static const char *const ends[] = { "}", ",\"clip\":1}", ",\"clip\":1},\"dtype\":\"bf16\"",
                                        "},\"recompute\":true" };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t least = 0;
        for (size_t way = 0; way < COUNT(ends); way++) {
            char rest[512];
            course c;
            b4c_error err = { 0 };
            size_t step, plain;
            snprintf(rest, sizeof rest,
                     "\"task\":{\"kind\":%s,\"dropout\":0.1},\"steps\":3,\"max_length\":12,"
                     "\"max_target\":6,\"evaluate\":{\"every\":1,\"metric\":\"loss\"},"
                     "\"optimiser\":{\"rate\":0.01%s",
                     cases[i].task, ends[way]);
            char *recipe = course_recipe(course_folder(), cases[i].config, rest);
            assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
            const b4c_footprint said = c.trainer.footprint;
            take_largest(&c, &step, &plain);
            if (step > said.step || (double)step < 0.98 * (double)said.step || plain > said.plain ||
                (double)plain < 0.98 * (double)said.plain)
                fail_msg("%s, way %zu: a step took %zu and %zu bytes, said were %zu and %zu",
                         cases[i].task, way, step, plain, said.step, said.plain);
            if (way == 0) least = said.step;
            /* where vectors alone are asked, two tiny layers keep next to nothing anyway */
            const bool deep = strstr(cases[i].task, "lm") != NULL;
            if (way == 3 && (double)said.step >= (deep ? 1 : 1.01) * (double)least)
                fail_msg("%s: computing layers again takes %zu, keeping them %zu", cases[i].task,
                         said.step, least);
            course_done(&c);
            free(recipe);
        }
    }
}

static void too_little_memory_is_told_before_the_first_step(void **state)
{
    (void)state;
    course c;
    b4c_error err = { 0 };
    static const char big[] =
        "{\"model_type\":\"gpt2\",\"vocab_size\":23,\"n_embd\":64,\"n_layer\":8,\"n_head\":2,"
        "\"n_positions\":512}";
    char *recipe = course_recipe(course_folder(), big,
                                 "\"task\":\"lm\",\"steps\":3,\"max_length\":512,"
                                 "\"optimiser\":{\"rate\":0.01}");
    assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
    const size_t all = b4c_footprint_sum(&c.trainer.footprint);
    course_done(&c);
    char set[64];
    snprintf(set, sizeof set, "memory=%zu", (all >> 20) - 24);
    assert_fails(course_begin(&c, recipe, set, 1, false, &err), &err, B4C_E_MEMORY,
                 "\"recompute\"");
    assert_non_null(strstr(err.message, "\"batch\".\"examples\" to "));
    json_decref(c.config);
    assert_fails(course_begin(&c, recipe, "memory=1", 1, false, &err), &err, B4C_E_MEMORY,
                 "\"lora\"");
    json_decref(c.config);
    snprintf(set, sizeof set, "memory=%zu", (all >> 20) + 256);
    assert_ok(course_begin(&c, recipe, set, 1, false, &err), &err);
    course_go(&c, 1);
    course_done(&c);
    free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_takes_what_was_said_before_it),
        cmocka_unit_test(too_little_memory_is_told_before_the_first_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
