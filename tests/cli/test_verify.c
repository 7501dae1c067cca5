/* verify: a reference kept beside a model holds there, and shows what is not as it was (report N15:
 * another program's vectors had a cosine of 0.6 to the reference, and nobody was told). */
#include "cli/command.h"

#include <jansson.h>
#include <string.h>

/* A copy of a folder, by convert, with a reference in it. */
static const char *with_reference(const char *model, const char *name)
{
    const char *to = temp_path("%s", name);
    assert_code(bert4c(NULL, "convert", "-m", model, "-o", to, NULL), 0);
    assert_code(bert4c(NULL, "verify", "-m", to, "--write", NULL), 0);
    return to;
}

static void what_was_written_holds_in_every_dtype(void **state)
{
    (void)state;
    const char *model = with_reference(tiny_model(), "holds");
    const run r = bert4c(NULL, "verify", "-m", model, NULL);
    assert_code(r, 0);
    static const char *const dtypes[] = { "f32   holds", "bf16  holds", "int8  holds",
                                          "int4  holds" };
    for (size_t i = 0; i < COUNT(dtypes); i++)
        if (!strstr(r.out, dtypes[i])) fail_msg("%s: %s", dtypes[i], r.out);
    const run one = bert4c(NULL, "verify", "-m", model, "--dtype", "f32", NULL);
    assert_code(one, 0);
    assert_null(strstr(one.out, "bf16"));
    /* the same bits here */
    assert_non_null(strstr(one.out, "difference 0 "));
}

/* A model that writes keeps log-probabilities; its reference may stand elsewhere. */
static void log_probabilities_are_verified_too(void **state)
{
    (void)state;
    const char *file = temp_path("elsewhere.json");
    const char *model = "tests/golden/models/bert-lm";
    assert_code(bert4c(NULL, "verify", "-m", model, "--write", "--reference", file, "大小中国",
                       "人人人", NULL), 0);
    const run r = bert4c(NULL, "verify", "-m", model, "--reference", file, "--dtype", "f32", NULL);
    assert_code(r, 0);
    json_t *o = json_load_file(file, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(o, "texts")), 2);
    assert_string_equal(json_string_value(json_object_get(o, "pooling")), "none");
    json_decref(o);
}

/* Another pooling, another vocabulary: said, with exit code 1. */
static void what_is_not_as_it_was_is_shown(void **state)
{
    (void)state;
    const char *model = with_reference(tiny_model(), "changed");
    const char *path = temp_path("changed/verify.json");
    json_t *o = json_load_file(path, 0, NULL);
    json_object_set_new(o, "pooling", json_string("cls"));
    json_dump_file(o, path, 0);
    const run other = bert4c(NULL, "verify", "-m", model, "--dtype", "f32", NULL);
    assert_int_equal(other.code, 1);
    assert_non_null(strstr(other.out, "f32   DIFFERS: ids equal"));

    json_object_set_new(o, "pooling", json_string("mean"));
    json_t *text = json_array_get(json_object_get(o, "texts"), 0);
    json_array_set_new(json_object_get(text, "ids"), 1, json_integer(5));
    json_dump_file(o, path, 0);
    const run ids = bert4c(NULL, "verify", "-m", model, "--dtype", "f32", NULL);
    assert_int_equal(ids.code, 1);
    assert_non_null(strstr(ids.out, "ids differ"));
    json_decref(o);
}

static void a_reference_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, "verify", "-m", tiny_model(), "--reference", temp_path("no"), NULL),
                   1, "no reference");
    assert_refused(bert4c(NULL, "verify", "-m", tiny_model(), "--reference",
                          temp_text("list.json", "[1]"), NULL), 1, "not a reference");
    assert_refused(bert4c(NULL, "verify", "-m", tiny_model(), "--reference",
                          temp_text("odd.json", "{\"format\":1,\"pooling\":\"mean\","
                                                "\"texts\":[{\"text\":3}]}"),
                          "--dtype", "f32", NULL), 1, "not a reference");
    assert_refused(bert4c(NULL, "verify", "-m", tiny_model(), "今天", NULL), 2, "without --write");
}

/* REPORTS L24: what an earlier version wrote still opens; see tests/golden/test_kept.c. */
static void a_reference_of_an_earlier_version_holds(void **state)
{
    (void)state;
    const char *model = "tests/golden/models/bert-lm", *kept = "tests/golden/kept/verify.json";
    assert_code(bert4c(NULL, "verify", "-m", model, "--reference", kept, NULL), 0);
    json_t *o = json_load_file(kept, 0, NULL);
    assert_non_null(o);
    json_object_set_new(o, "format", json_integer(2));
    const char *later = temp_path("later.json");
    json_dump_file(o, later, 0);
    json_decref(o);
    assert_refused(bert4c(NULL, "verify", "-m", model, "--reference", later, NULL), 1,
                   "wanted format 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_holds_in_every_dtype),
        cmocka_unit_test(log_probabilities_are_verified_too),
        cmocka_unit_test(what_is_not_as_it_was_is_shown),
        cmocka_unit_test(a_reference_that_is_none_is_refused),
        cmocka_unit_test(a_reference_of_an_earlier_version_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
