/* test_training_parts.c - what of a model learns: LoRA's targets alone, all but what is frozen.
 */
#include "golden/golden.h"
#include "laws/course.h"
#include "support/test.h"
#include "model/config.h"

static char *lora_recipe(const char *folder, const char *source, const char *lora)
{
    char *path = malloc(512);
    snprintf(path, 512, "%s/recipe.json", folder);
    FILE *f = fopen(path, "w");
    fprintf(f,
            "{\"model\":{\"from\":\"%s\"},\"data\":{},\"batch\":{\"examples\":4},"
            "\"output\":\"%s/out\",\"task\":{\"kind\":\"classify\",\"classes\":2,\"dropout\":0.1},"
            "\"steps\":9,\"optimiser\":{\"rate\":0.01,\"ema\":0.5},\"lora\":%s}",
            source, folder, lora);
    fclose(f);
    return path;
}

/* A tensor of two models' files: is it the same to the bit? */
static bool same_tensor(const b4c_store *a, const b4c_store *b, const char *name)
{
    const int i = b4c_store_find(a, name), k = b4c_store_find(b, name);
    assert_true(i >= 0 && k >= 0);
    const int64_t rows = b4c_stored_rows(&a->tensor[i]), n = rows * b4c_stored_row(&a->tensor[i]);
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
    b4c_error err = { 0 };
    assert_ok(b4c_store_read(a, i, 0, rows, x, &err), &err);
    assert_ok(b4c_store_read(b, k, 0, rows, y, &err), &err);
    const bool same = memcmp(x, y, (size_t)n * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

/* Targets and what the source lacked have moved; nothing else has, not by a bit; and a training
 * that was stopped ends with the same files. */
static void lora_moves_its_targets_alone_and_resumes(void **state)
{
    (void)state;
    char source[512], path[512];
    const char *first = course_folder(), *never = course_folder(), *stopped = course_folder();
    course c;
    b4c_store store, before, after;
    b4c_error err = { 0 };
    course_run(first, course_bert, "\"task\":\"mlm\",\"steps\":3,\"optimiser\":{\"rate\":0.01}", 1);
    snprintf(source, sizeof source, "%s/out", first);
    const char *lora = "{\"rank\":2,\"alpha\":8,\"targets\":[\"query\",\"output.dense.weight\"]}";
    char *recipe = lora_recipe(never, source, lora);
    assert_ok(course_begin_from(&c, &store, source, recipe, 1, false, &err), &err);
    assert_true(c.trainer.info.trained < c.trainer.info.parameters / 2);
    course_go(&c, 1000);
    course_done(&c);
    free(recipe);

    recipe = lora_recipe(stopped, source, lora);
    assert_ok(course_begin_from(&c, &store, source, recipe, 2, false, &err), &err);
    course_go(&c, 4);
    assert_ok(b4c_trainer_write_checkpoint(&c.trainer, &err), &err);
    course_go(&c, 1);
    course_done(&c);
    assert_ok(course_begin_from(&c, &store, source, recipe, 1, true, &err), &err);
    course_go(&c, 1000);
    course_done(&c);
    free(recipe);
    course_same_file(never, stopped, "log.jsonl");
    course_same_file(never, stopped, "model.safetensors");

    snprintf(path, sizeof path, "%s/out", never);
    assert_ok(b4c_store_open(&before, source, &err), &err);
    assert_ok(b4c_store_open(&after, path, &err), &err);
    int moved = 0;
    for (int i = 0; i < before.n; i++) {
        const char *name = before.tensor[i].name;
        if (b4c_store_find(&after, name) < 0) continue; /* the masked LM's head */
        const bool target = strstr(name, "query.weight") || strstr(name, "output.dense.weight");
        if (same_tensor(&before, &after, name) == target)
            fail_msg("%s has %s", name, target ? "not moved" : "moved");
        moved += target;
    }
    assert_int_equal(moved, 2 * 3);
    b4c_store_close(&before);
    b4c_store_close(&after);
}

static void a_frozen_part_stays_and_the_rest_learns(void **state)
{
    (void)state;
    const char *folder = course_folder();
    course c;
    b4c_error err = { 0 };
    char *recipe = course_recipe(folder, course_bert,
                                 "\"task\":\"mlm\",\"steps\":3,\"optimiser\":{\"rate\":0.01},"
                                 "\"freeze\":[\"embeddings\",\"layer.0.\"]");
    assert_ok(course_begin(&c, recipe, NULL, 1, false, &err), &err);
    const b4c_leaves *l = &c.trainer.learner.leaves;
    float *before = malloc((size_t)l->n * sizeof *before);
    for (int i = 0; i < l->n; i++) before[i] = (float)l->item[i].x[0];
    course_go(&c, 3);
    int frozen = 0;
    for (int i = 0; i < l->n; i++) {
        const bool stays = strstr(l->item[i].name, "embeddings") ||
                           strstr(l->item[i].name, "layer.0.");
        frozen += stays;
        assert_int_equal(b4c_leaf_learns(&l->item[i]), !stays);
        assert_int_equal(before[i] == (float)l->item[i].x[0], stays);
    }
    assert_true(frozen > 15 && frozen < l->n - 15);
    course_done(&c);
    assert_fails(course_begin(&c, recipe, "freeze=[\"nonsense\"]", 1, false, &err), &err, B4C_E_ARG,
                 "part of no tensor's name");
    json_decref(c.config);
    free(before);
    free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lora_moves_its_targets_alone_and_resumes),
        cmocka_unit_test(a_frozen_part_stays_and_the_rest_learns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
