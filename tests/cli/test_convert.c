/* convert, from outside: the folder embeds as its source does, the report tells what it cost. */
#include "cli/command.h"

#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void a_converted_folder_embeds_as_its_source(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "f32", "bf16", "int8", "int4" };
    const char *model = tiny_model();
    for (size_t i = 0; i < COUNT(dtypes); i++) {
        const char *to = temp_path("as-%s", dtypes[i]);
        const run r = bert4c(NULL, "convert", "-m", model, "-o", to, "--dtype", dtypes[i], NULL);
        assert_code(r, 0);
        assert_non_null(strstr(r.out, dtypes[i]));
        assert_true((strstr(r.out, "worst") != NULL) == (i > 0));
        const run a = bert4c(NULL, "embed", "-m", model, "--dtype", dtypes[i], "今天天气", NULL),
                  b = bert4c(NULL, "embed", "-m", to, "--dtype", dtypes[i], "今天天气", NULL);
        assert_code(b, 0);
        assert_string_equal(a.out, b.out); /* pooling and norm came along too */
    }
}

static void the_report_is_json_when_asked(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "convert", "-m", tiny_model(), "-o", temp_path("json"), "--dtype",
                         "int8", "--to", "json", NULL);
    assert_code(r, 0);
    json_t *o = json_loads(r.out, 0, NULL), *one;
    assert_non_null(o);
    size_t i, rounded = 0;
    json_array_foreach(json_object_get(o, "tensors"), i, one)
        rounded += json_object_get(one, "rms_error") && json_object_get(one, "largest_error");
    assert_true(rounded > 10);
    assert_true(json_integer_value(json_object_get(o, "bytes_after")) <
                json_integer_value(json_object_get(o, "bytes_before")));
    assert_string_equal(json_string_value(json_object_get(o, "dtype")), "int8");
    json_decref(o);
}

static void a_folder_is_replaced_by_force_alone(void **state)
{
    (void)state;
    const char *to = temp_path("there");
    temp_text("there/mine.txt", "mine");
    assert_refused(bert4c(NULL, "convert", "-m", tiny_model(), "-o", to, NULL), 1,
                   "found a folder of that name");
    assert_true(exists(temp_path("there/mine.txt")));
    assert_code(bert4c(NULL, "convert", "-m", tiny_model(), "-o", to, "--force", NULL), 0);
    assert_true(exists(temp_path("there/model.safetensors")));
    assert_false(exists(temp_path("there/mine.txt")));
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, "convert", "-m", tiny_model(), NULL), 2, "found no -o");
    assert_refused(bert4c(NULL, "convert", "-m", temp_path("nowhere"), "-o", temp_path("x"), NULL),
                   1, "no such model");
    assert_refused(bert4c(NULL, "convert", "-m", "tests/golden/formats/nan", "-o", temp_path("x"),
                          NULL), 1, "has NaN");
    assert_false(exists(temp_path("x")) || exists(temp_path("x.part")));
    temp_text("file", "");
    assert_refused(bert4c(NULL, "convert", "-m", tiny_model(), "-o", temp_path("file"), NULL), 1,
                   "found a file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_converted_folder_embeds_as_its_source),
        cmocka_unit_test(the_report_is_json_when_asked),
        cmocka_unit_test(a_folder_is_replaced_by_force_alone),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
