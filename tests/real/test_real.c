/* test_real.c - real models against the vectors of tests/golden/real.
 *
 * Those are BertModel's in float64, rounded (transformers 5.24.0). Tolerance 2e-6 of a unit
 * vector's component: float32 engines differ from float64 by 2.5e-7 at most, a wrong epsilon by
 * 9e-6, the tanh GELU by 4e-4. The environment variable B4C_REAL_MODELS names the folder that holds
 * the models; what is not there is skipped, and said so.
 */
#include "base/json.h"
#include "support/test.h"
#include <math.h>

#define TOLERANCE 2e-6

typedef struct sentences { int n; char **text; json_t **line; } sentences;

static const char *model_path(const char *name)
{
    const char *folder = getenv("B4C_REAL_MODELS");
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "", name);
    FILE *f = folder ? fopen(path, "r") : NULL;
    if (!f) {
        printf("skipped: %s is not in B4C_REAL_MODELS (%s)\n", name, folder ? folder : "not set");
        return NULL;
    }
    fclose(f);
    return path;
}

static sentences read_sentences(const char *name)
{
    char path[256];
    size_t bytes;
    b4c_error err = { 0 };
    sentences s = { 0 };
    snprintf(path, sizeof path, "tests/golden/real/%s", name);
    char *data = read_file(path, &bytes), *end;
    for (char *at = data; *at; at = end + 1) {
        end = strchr(at, '\n');
        if (!end) break;
        json_t *line = b4c_json_parse(at, (size_t)(end - at), path, &err);
        if (!line) fail_msg("%s", err.message);
        if (!json_object_get(line, "text")) {
            json_decref(line);
            continue;
        }
        s.text = realloc(s.text, (size_t)(s.n + 1) * sizeof *s.text);
        s.line = realloc(s.line, (size_t)(s.n + 1) * sizeof *s.line);
        s.text[s.n] = (char *)(uintptr_t)json_string_value(json_object_get(line, "text"));
        s.line[s.n++] = line;
    }
    free(data);
    assert_int_equal(s.n, 200);
    return s;
}

static void free_sentences(sentences *s)
{
    for (int i = 0; i < s->n; i++) json_decref(s->line[i]);
    free(s->text);
    free(s->line);
}

/* float32 [200, width] of an .npy file of version 1. */
static float *read_vectors(const char *name, int width)
{
    char path[256];
    size_t bytes;
    snprintf(path, sizeof path, "tests/golden/real/%s", name);
    char *data = read_file(path, &bytes);
    const size_t header = 10 + (size_t)(unsigned char)data[8] +
                          256 * (size_t)(unsigned char)data[9];
    assert_memory_equal(data, "\x93NUMPY\x01", 7);
    assert_int_equal(bytes, header + 200 * (size_t)width * sizeof(float));
    float *x = malloc(200 * (size_t)width * sizeof *x);
    memcpy(x, data + header, 200 * (size_t)width * sizeof *x);
    free(data);
    return x;
}

static void compare_ids(const b4c_tokenizer *t, const sentences *s, int max_length)
{
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    const b4c_tokenize_options o = { .max_length = max_length };
    for (int i = 0; i < s->n; i++) {
        const json_t *ids = json_object_get(s->line[i], "ids");
        assert_ok(b4c_tokenize(t, s->text[i],
                               json_string_length(json_object_get(s->line[i], "text")), NULL, 0, &o,
                               &e, &err),
                  &err);
        if ((size_t)e.n != json_array_size(ids))
            fail_msg("sentence %d has %d tokens, wanted %zu", i, e.n, json_array_size(ids));
        for (int k = 0; k < e.n; k++)
            if (e.ids[k] != json_integer_value(json_array_get(ids, (size_t)k)))
                fail_msg("sentence %d, token %d is %d", i, k, (int)e.ids[k]);
    }
    b4c_encoding_free(&e);
}

/* Vectors of the sentences by the model, after its ids were compared. */
static float *encode(const char *path, b4c_dtype dtype, const sentences *s, int width,
                     int max_length, const b4c_encode_options *options)
{
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    mo.dtype = dtype;
    b4c_model *m = b4c_model_open(path, &mo, &err);
    if (!m) fail_msg("%s", err.message);
    b4c_model_info info;
    b4c_model_describe(m, &info);
    assert_int_equal(info.max_length, max_length);
    compare_ids(b4c_model_tokenizer(m), s, max_length);
    b4c_session *session = b4c_session_new(m, NULL, &err);
    assert_int_equal(b4c_encode_width(session, options, &err), width);
    float *x = malloc((size_t)s->n * (size_t)width * sizeof *x);
    size_t *lens = malloc((size_t)s->n * sizeof *lens);
    for (int i = 0; i < s->n; i++)
        lens[i] = json_string_length(json_object_get(s->line[i], "text"));
    assert_ok(b4c_encode(session, (const char *const *)s->text, lens, s->n, options, x, &err),
              &err);
    free(lens);
    b4c_session_free(session);
    b4c_model_free(m);
    return x;
}

static void compare_model(const char *model, const char *lines, const char *vectors, int width,
                          int max_length, const b4c_encode_options *options)
{
    static const struct {
        b4c_dtype dtype;
        double lowest, mean;
    } fewer_bits[] = { { B4C_BF16, 0.9995, 0.9999 }, { B4C_I8, 0.98, 0.998 },
                    { B4C_I4, 0.9, 0.97 } };
    const char *path = model_path(model);
    if (!path) skip();
    sentences s = read_sentences(lines);
    float *want = read_vectors(vectors, width),
          *got = encode(path, B4C_F32, &s, width, max_length, options);
    const size_t n = (size_t)s.n * (size_t)width;
    double farthest = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - (double)want[i]);
        if (!(d <= farthest)) farthest = d;
    }
    printf("%s f32: farthest component %.2g\n", model, farthest);
    assert_true(farthest <= TOLERANCE);
    free(got);
    for (size_t k = 0; k < COUNT(fewer_bits); k++) {
        got = encode(path, fewer_bits[k].dtype, &s, width, max_length, options);
        double lowest = 1, sum = 0;
        for (int i = 0; i < s.n; i++) {
            const double c = cosine_f32(got + i * width, want + i * width, (size_t)width);
            if (!(c >= lowest)) lowest = c;
            sum += c;
        }
        printf("%s %s: lowest cosine %.5f, mean %.5f\n", model, b4c_dtype_name(fewer_bits[k].dtype),
               lowest, sum / s.n);
        assert_true(lowest >= fewer_bits[k].lowest && sum >= fewer_bits[k].mean * s.n);
        free(got);
    }
    free(want);
    free_sentences(&s);
}

static void bge_small_zh_is_itself(void **state)
{
    (void)state;
    compare_model("bge-small-zh-v1.5", "sentences.jsonl", "bge-small-zh-v1.5.npy", 512, 512, NULL);
}

static void bge_small_zh_as_a_lone_onnx_is_itself(void **state)
{
    (void)state;
    const b4c_encode_options o = { .pooling = B4C_POOL_CLS, .normalize = 1 };
    compare_model("bge-onnx/bge-small-zh-v1.5.onnx", "sentences.jsonl", "bge-small-zh-v1.5.npy",
                  512, 512, &o);
}

static void all_minilm_is_itself(void **state)
{
    (void)state;
    compare_model("all-MiniLM-L6-v2", "sentences-en.jsonl", "all-MiniLM-L6-v2.npy", 384, 256, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bge_small_zh_is_itself),
        cmocka_unit_test(bge_small_zh_as_a_lone_onnx_is_itself),
        cmocka_unit_test(all_minilm_is_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
