/* test_t5_encoder.c - a T5 without a decoder, as sentence-t5 is one: its vectors are means of what
 * the encoder of the whole model makes in transformers (encoder.hidden.* of the golden files).
 */
#include "golden/golden.h"
#include "support/test.h"

#include <jansson.h>
#include <math.h>

static void copy_as_encoder(const char *name, const char *class)
{
    char path[128], own[64];
    size_t n;
    snprintf(path, sizeof path, "tests/golden/models/%s/model.safetensors", name);
    snprintf(own, sizeof own, "%s/model.safetensors", name);
    char *bytes = read_file(path, &n);
    temp_file(own, bytes, n);
    free(bytes);
    snprintf(path, sizeof path, "tests/golden/models/%s/config.json", name);
    json_t *config = json_load_file(path, 0, NULL);
    assert_non_null(config);
    json_object_set_new(config, "architectures", json_pack("[s]", class));
    json_object_set_new(config, "is_encoder_decoder", json_false());
    char *text = json_dumps(config, 0);
    snprintf(own, sizeof own, "%s/config.json", name);
    temp_text(own, text);
    free(text);
    json_decref(config);
}

static b4c_model *open_encoder(const char *folder)
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.weights_only = true;
    o.dtype = B4C_F32;
    b4c_model *m = b4c_model_open(folder, &o, &err);
    if (!m) fail_msg("%s", err.message);
    return m;
}

/* Vectors of the golden file's sequences; malloc'ed. */
static float *vectors(const b4c_model *m, const golden *g, int width)
{
    b4c_error err = { 0 };
    b4c_encode_options o = B4C_ENCODE_DEFAULT;
    float *out = malloc((size_t)(g->n_seq * width) * sizeof *out);
    o.pooling = B4C_POOL_MEAN;
    b4c_session *s = b4c_session_new(m, &(b4c_session_options){ .threads = 1 }, &err);
    if (!s) fail_msg("%s", err.message);
    assert_ok(b4c_encode_ids(s, g->ids, NULL, g->lengths, g->n_seq, &o, out, &err), &err);
    b4c_session_free(s);
    return out;
}

static void a_t5_without_a_decoder_makes_vectors(void **state)
{
    (void)state;
    static const char *const names[][2] = { { "t5", "T5EncoderModel" },
                                            { "mt5", "MT5EncoderModel" } };
    for (size_t k = 0; k < COUNT(names); k++) {
        golden g;
        char tensor[64];
        size_t n;
        b4c_error err = { 0 };
        b4c_model_info info;
        copy_as_encoder(names[k][0], names[k][1]);
        golden_open(&g, names[k][0]);
        b4c_model *m = open_encoder(temp_path("%s", names[k][0]));
        b4c_model_describe(m, &info);
        assert_false(info.has_head);
        snprintf(tensor, sizeof tensor, "encoder.hidden.%d", info.layers);
        float *hidden = golden_tensor(&g, tensor, &n), *got = vectors(m, &g, info.width);
        assert_non_null(hidden);
        float *want = calloc((size_t)(g.n_seq * info.width), sizeof *want);
        for (int s = 0, row = 0; s < g.n_seq; row += g.lengths[s++])
            for (int i = 0; i < g.lengths[s]; i++)
                for (int c = 0; c < info.width; c++)
                    want[s * info.width + c] +=
                        hidden[(row + i) * info.width + c] / (float)g.lengths[s];
        /* t5's unscaled scores differ between machines by 6e-4 (golden/README.md) */
        assert_near(got, want, (size_t)(g.n_seq * info.width), 1e-3);
        /* a conversion stays one */
        const b4c_convert_options o = { .dtype = B4C_F32, .force = true };
        const char *to = temp_path("converted-%s", names[k][0]);
        assert_ok(b4c_convert(temp_path("%s", names[k][0]), to, &o, NULL, &err), &err);
        b4c_model *again = open_encoder(to);
        float *same = vectors(again, &g, info.width);
        assert_memory_equal(same, got, (size_t)(g.n_seq * info.width) * sizeof *got);
        json_t *config = json_load_file(temp_path("converted-%s/config.json", names[k][0]), 0,
                                        NULL);
        const json_t *class = json_array_get(json_object_get(config, "architectures"), 0);
        assert_string_equal(json_string_value(class), names[k][1]);
        json_decref(config);
        b4c_model_free(again);
        b4c_model_free(m);
        free(same);
        free(want);
        free(got);
        free(hidden);
        golden_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_t5_without_a_decoder_makes_vectors) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
