/* A real export against the same model in the hub's layout, bit by bit, and a real model of
 * llama.cpp's; skipped, and said so, where the environment variable B4C_REAL_MODELS names no folder
 * that holds them. */
#include "support/test.h"

#include "base/gguf.h"
#include "model/format/store.h"

#include <math.h>

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

/* SmolLM2-135M-Instruct: 210 tensors Q4_1, 61 F32, the token table Q8_0. */
static void a_real_quantised_model_is_whole(void **state)
{
    (void)state;
    const char *folder = getenv("B4C_REAL_MODELS");
    char path[1024];
    snprintf(path, sizeof path, "%s/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder ? folder : "");
    if (!folder || !b4c_file_exists(path)) {
        printf("skipped: smollm2/SmolLM2-135M-Instruct.Q4_1.gguf is not in B4C_REAL_MODELS (%s)\n",
               folder ? folder : "not set");
        skip();
    }
    b4c_store s;
    b4c_error err = { 0 };
    b4c_gguf_value v;
    b4c_span text;
    int64_t count[B4C_STORED_OTHER + 1] = { 0 }, numbers = 0;
    assert_ok(b4c_store_open(&s, path, &err), &err);
    for (int i = 0; i < s.n; i++) {
        const b4c_stored *t = &s.tensor[i];
        const int64_t rows = b4c_stored_rows(t), n = rows * b4c_stored_row(t);
        float *x = malloc((size_t)n * sizeof *x);
        double sum = 0;
        assert_non_null(x);
        assert_ok(b4c_store_read(&s, i, 0, rows, x, &err), &err);
        for (int64_t k = 0; k < n; k++) sum += (double)x[k] * (double)x[k];
        free(x);
        /* weights of a trained model: neither noise nor nothing */
        const double size = sqrt(sum / (double)n);
        if (!(size > 0.001 && size < 30)) fail_msg("%s: root mean square %g", t->name, size);
        count[t->type]++;
        numbers += n;
    }
    assert_int_equal(count[B4C_STORED_Q4_1], 210);
    assert_int_equal(count[B4C_STORED_F32], 61);
    assert_int_equal(count[B4C_STORED_Q8_0], 1);
    assert_int_equal(s.n, 272);
    assert_int_equal(numbers, 134515008);
    const int token = b4c_store_find(&s, "token_embd.weight");
    assert_true(token >= 0 && s.tensor[token].shape[0] == 49152 && s.tensor[token].shape[1] == 576);
    const b4c_gguf *g = b4c_store_gguf(&s);
    assert_int_equal(b4c_gguf_text(g, "general.architecture", &text, &err), 1);
    assert_true(b4c_span_is(text, "llama"));
    assert_int_equal(b4c_gguf_array(g, "tokenizer.ggml.tokens", B4C_GGUF_STRING, &v, &err), 1);
    assert_int_equal(v.count, 49152);
    assert_int_equal(b4c_gguf_array(g, "tokenizer.ggml.merges", B4C_GGUF_STRING, &v, &err), 1);
    assert_int_equal(b4c_gguf_text(g, "tokenizer.chat_template", &text, &err), 1);
    b4c_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_export_is_its_hub_model_to_the_bit),
        cmocka_unit_test(a_real_quantised_model_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
