/* test_compare.c - compare as a person runs it: REPORTS L23, "TF and torch vectors differ, nobody
 * can say why": the layer from which two copies of a model differ is named.
 */
#include "base/json.h"
#include "cli/command.h"
#include "golden/folder.h"
#include "support/test.h"

static json_t *compare(const char *a, const char *b, const char *dtype)
{
    const run r = bert4c(NULL, "compare", a, b, "--dtype", dtype, "--to", "json", "-q", "今天天气",
                         "北京欢迎你", NULL);
    if (r.code != 0) fail_msg("exit code %d: %s", r.code, r.err);
    b4c_error err = { 0 };
    json_t *json = b4c_json_parse(r.out, r.out_size, "compare", &err);
    if (!json) fail_msg("%s", err.message);
    return json;
}

static void a_model_is_itself_to_the_bit(void **state)
{
    (void)state;
    json_t *json = compare(tiny_model(), tiny_model_without_pooling(), "f32");
    const json_t *layers = json_object_get(json, "layers");
    assert_int_equal(json_array_size(layers), 4);
    for (size_t l = 0; l < 4; l++)
        assert_true(json_number_value(json_object_get(json_array_get(layers, l), "largest")) <= 0);
    assert_true(json_is_null(json_object_get(json, "parts_at")));
    json_decref(json);
}

static void another_type_parts_from_the_start_and_stays_near(void **state)
{
    (void)state;
    json_t *json = compare(tiny_model(), tiny_model(), "bf16");
    const json_t *layers = json_object_get(json, "layers");
    const double last = json_number_value(json_object_get(json_array_get(layers, 3), "rms"));
    assert_true(last > 1e-5 && last < 0.1);
    json_decref(json);
}

/* Without the tensors of one layer's output, that layer's are another's. */
static const char *swap(const char *name, char *room, size_t size)
{
    const char *second = strstr(name, "layer.1.output.dense.weight"),
               *third = strstr(name, "layer.2.output.dense.weight");
    if (!second && !third) return name;
    snprintf(room, size, "%.*slayer.%d.output.dense.weight",
             (int)((second ? second : third) - name), name, second ? 2 : 1);
    return room;
}

static void the_layer_where_weights_differ_is_named(void **state)
{
    (void)state;
    const char *folder = folder_make("swapped", "bert");
    size_t bytes;
    char *words = read_file(tiny_vocabulary(), &bytes);
    temp_file("swapped/vocab.txt", words, bytes);
    free(words);
    folder_rename("swapped/model.safetensors", "tests/golden/models/bert/model.safetensors", swap);
    json_t *json = compare(tiny_model(), folder, "f32");
    assert_int_equal(json_integer_value(json_object_get(json, "parts_at")), 2);
    json_decref(json);
    const run r = bert4c(NULL, "compare", tiny_model(), folder, "-q", "今天天气", NULL);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "from here on\n3 "));
}

static void what_is_no_copy_is_refused(void **state)
{
    (void)state;
    run r = bert4c(NULL, "compare", tiny_model(), NULL);
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "wanted two"));
    r = bert4c(NULL, "compare", tiny_model(), "tests/golden/formats/gguf-llama/model.gguf", "x",
               NULL);
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.err, "not two copies of one model"));
}

/* A table of zeros would look like two equal models. */
static void nothing_read_is_nothing_compared(void **state)
{
    (void)state;
    const run r = bert4c("", "compare", "-q", tiny_model(), tiny_model_without_pooling(), NULL);
    assert_refused(r, 1, "nothing to compare");
    assert_string_equal(r.out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_itself_to_the_bit),
        cmocka_unit_test(another_type_parts_from_the_start_and_stays_near),
        cmocka_unit_test(the_layer_where_weights_differ_is_named),
        cmocka_unit_test(what_is_no_copy_is_refused),
        cmocka_unit_test(nothing_read_is_nothing_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
