/* A real export against the same model in the hub's layout, bit by bit; skipped, and said so, where
 * the environment variable B4C_REAL_MODELS names no folder that holds both. */
#include "support/test.h"

#include "model/format/store.h"

static void a_real_export_is_its_hub_model_to_the_bit(void **state)
{
    (void)state;
    const char *folder = getenv("B4C_REAL_MODELS");
    char path[2][1024];
    snprintf(path[0], sizeof path[0], "%s/bge-onnx", folder ? folder : "");
    snprintf(path[1], sizeof path[1], "%s/bge-small-zh-v1.5/model.safetensors",
             folder ? folder : "");
    b4c_store s[2];
    b4c_error err = { 0 };
    if (!folder || !b4c_folder_exists(path[0]) || !b4c_file_exists(path[1])) {
        printf("skipped: bge-onnx and bge-small-zh-v1.5 are not both in B4C_REAL_MODELS (%s)\n",
               folder ? folder : "not set");
        skip();
    }
    for (int i = 0; i < 2; i++) assert_ok(b4c_store_open(&s[i], path[i], &err), &err);
    assert_int_equal(s[0].n, s[1].n);
    for (int i = 0; i < s[1].n; i++) {
        const b4c_stored *t = &s[1].tensor[i], *u = &s[0].tensor[i];
        assert_string_equal(u->name, t->name);
        assert_int_equal(u->rank, t->rank);
        assert_memory_equal(u->shape, t->shape, sizeof t->shape);
        const int64_t rows = b4c_stored_rows(t), row = b4c_stored_row(t);
        float *x[2];
        for (int k = 0; k < 2; k++) {
            x[k] = malloc((size_t)(rows * row) * sizeof *x[k]);
            assert_non_null(x[k]);
            assert_ok(b4c_store_read(&s[k], i, 0, rows, x[k], &err), &err);
        }
        assert_memory_equal(x[0], x[1], (size_t)(rows * row) * sizeof *x[0]);
        free(x[0]);
        free(x[1]);
    }
    assert_true(s[0].facts.epsilon == 1e-12);
    assert_int_equal(s[0].facts.head_size, 64);
    assert_string_equal(s[0].facts.activation, "gelu");
    for (int i = 0; i < 2; i++) b4c_store_close(&s[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_export_is_its_hub_model_to_the_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
