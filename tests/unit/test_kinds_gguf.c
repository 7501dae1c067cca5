/* test_kinds_gguf.c - the tokenizer inside a GGUF file, and the one that weights lead to. */
#include <math.h>

#include "base/gguf.h"
#include "support/test.h"
#include "text/gguf_tokens.h"
#include "unit/format_maker.h"
#include "unit/text_case.h"

static void gguf_files_have_their_tokenizer_inside(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        b4c_tokenizer_kind kind;
        int bos, eos, cls, unknown;
        bool starts;
    } cases[] = {
        { "gguf-llama/model.gguf", B4C_TOKENIZER_BPE, 1, 38, -1, 0, true },
        { "gguf-qwen2", B4C_TOKENIZER_BYTE_BPE, 1, 20, -1, -1, false },
        { "gguf-gpt2", B4C_TOKENIZER_BYTE_BPE, 1, 81, -1, -1, false },
        { "gguf-bert", B4C_TOKENIZER_WORDPIECE, 2, 3, 2, 1, true },
        { "gguf-llama-split", B4C_TOKENIZER_BPE, 1, 38, -1, 0, true },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/golden/formats/%s", cases[i].path);
        b4c_tokenizer *t = open_path(path);
        const b4c_tokenizer_info info = describe(t);
        assert_int_equal(info.kind, cases[i].kind);
        assert_int_equal(info.bos, cases[i].bos);
        assert_int_equal(info.eos, cases[i].eos);
        assert_int_equal(info.cls, cases[i].cls);
        assert_int_equal(info.unknown, cases[i].unknown);
        b4c_encoding e = { 0 };
        encode(t, "the", SIZE_MAX, &e);
        assert_true(e.n > 0);
        assert_int_equal(e.added[0], cases[i].starts);
        if (cases[i].starts) assert_int_equal(e.ids[0], info.start);
        b4c_encoding_free(&e);
        b4c_tokenizer_free(t);
    }
}

/* A model's weights lead to its tokenizer: beside them by one of its usual names or by theirs, one
 * folder up from onnx/, and inside a GGUF file whatever lies beside it. */
static void weights_lead_to_their_tokenizer(void **state)
{
    (void)state;
    static const char *const list = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
    static const char *const own =
        "{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"type\":\"WordPiece\","
        "\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1}}}";
    size_t bytes;
    char *gguf = read_file("tests/golden/formats/gguf-llama/model.gguf", &bytes);
    temp_file("led/model.gguf", gguf, bytes);
    temp_text("led/vocab.txt", list);
    temp_text("led/onnx/model.onnx", "");
    temp_text("lone/small.onnx", "");
    temp_text("lone/small-tokenizer.json", own);
    const struct {
        const char *path;
        b4c_tokenizer_kind kind;
        int count;
    } cases[] = {
        { "led/model.gguf", B4C_TOKENIZER_BPE, 0 },
        { "led", B4C_TOKENIZER_WORDPIECE, 6 },
        { "led/model.safetensors.index.json", B4C_TOKENIZER_WORDPIECE, 6 },
        { "led/bert_model.ckpt", B4C_TOKENIZER_WORDPIECE, 6 },
        { "led/best_model.weights", B4C_TOKENIZER_WORDPIECE, 6 },
        { "led/onnx/model.onnx", B4C_TOKENIZER_WORDPIECE, 6 },
        { "lone/small.onnx", B4C_TOKENIZER_WORDPIECE, 2 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_tokenizer *t = open_path(temp_path("%s", cases[i].path));
        assert_int_equal(describe(t).kind, cases[i].kind);
        if (cases[i].count) assert_int_equal(b4c_tokenizer_count(t), cases[i].count);
        b4c_tokenizer_free(t);
    }
    free(gguf);
    b4c_error err = { 0 };
    temp_text("bare/model.safetensors", "");
    assert_null(b4c_tokenizer_open(temp_path("bare/model.safetensors"), B4C_DIALECT_AUTO, &err));
    assert_error(&err, B4C_E_MISSING, "bare: no tokenizer.json, SentencePiece model");
}

/* A file with these tokens (separated by commas) and their types, and what else `put` adds. */
typedef struct gguf_case {
    const char *model, *pre, *tokens, *types, *merges;
    const float *scores;
    size_t n_scores;
} gguf_case;

static uint64_t put_texts(b4c_buffer *out, const char *list)
{
    uint64_t n = 0;
    for (const char *p = list; *p; n++) {
        char one[40];
        const size_t bytes = strcspn(p, ",");
        snprintf(one, sizeof one, "%.*s", (int)bytes, p);
        gguf_text(out, one);
        p += bytes + (p[bytes] == ',');
    }
    return n;
}

static b4c_tokenizer *from_gguf(gguf_case c, b4c_error *err)
{
    gguf_maker m = { 0 };
    b4c_buffer list = { 0 }, file = { 0 };
    if (c.model) gguf_string(&m, "tokenizer.ggml.model", c.model);
    if (c.pre) gguf_string(&m, "tokenizer.ggml.pre", c.pre);
    uint64_t n = put_texts(&list, c.tokens);
    gguf_array(&m, "tokenizer.ggml.tokens", B4C_GGUF_STRING, n, list.data, list.size);
    list.size = 0;
    for (n = 0; c.types && c.types[n]; n++) put_number(&list, (uint64_t)(c.types[n] - '0'), 4);
    if (c.types) gguf_array(&m, "tokenizer.ggml.token_type", B4C_GGUF_I32, n, list.data, list.size);
    list.size = 0;
    if (c.merges) {
        n = put_texts(&list, c.merges);
        gguf_array(&m, "tokenizer.ggml.merges", B4C_GGUF_STRING, n, list.data, list.size);
    }
    if (c.scores)
        gguf_array(&m, "tokenizer.ggml.scores", B4C_GGUF_F32, c.n_scores, c.scores,
                   c.n_scores * sizeof *c.scores);
    put_gguf(&file, &m);
    b4c_gguf g = { 0 };
    b4c_tokenizer *t = NULL;
    const b4c_span bytes = { (unsigned char *)file.data, file.size };
    if (b4c_gguf_open(&g, bytes, "made.gguf", err) == 0)
        t = b4c_tokenizer_from_gguf(&g, NULL, err);
    b4c_gguf_done(&g);
    b4c_buffer_done(&list);
    b4c_buffer_done(&file);
    return t;
}

static void gguf_metadata_become_a_tokenizer(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    static const float scores[] = { 0, 0, -1, -2, -1.5f, 0 };
    const char *const pieces = "<unk>,<s>,a,\u2581,\u2581a,<tool>";
    b4c_tokenizer *t = from_gguf((gguf_case){ "llama", NULL, pieces, "231114", NULL, scores, 6 },
                                 &err);
    if (!t) fail_msg("%s", err.message);
    assert_tokens(t, "a<tool>a", "\u2581a <tool> \u2581a");
    assert_tokens(t, " a<s>", "\u2581 \u2581a <s>");
    const int32_t ids[] = { 1, 4, 5, 4 };
    char *text = b4c_detokenize(t, ids, 4, false, &err);
    assert_string_equal(text, "a<tool> a"); /* made by the user: no special token */
    free(text);
    b4c_tokenizer_free(t);
    t = from_gguf((gguf_case){ "t5", NULL, pieces, "231114", NULL, scores, 6 }, &err);
    if (!t) fail_msg("%s", err.message);
    assert_int_equal(describe(t).kind, B4C_TOKENIZER_UNIGRAM);
    assert_tokens(t, "  a  a ", "\u2581a \u2581a");
    b4c_tokenizer_free(t);
    t = from_gguf((gguf_case){ "gpt2", "llama-bpe", "a,b,ab,ba,<|x|>,[PAD]", "111135",
                               "a b", NULL, 0 }, &err);
    if (!t) fail_msg("%s", err.message);
    assert_tokens(t, "ab<|x|>ba", "ab <|x|> ba"); /* a whole part is a token before merges count */
    assert_string_equal(b4c_tokenizer_token(t, 5), "[PAD]");
    b4c_tokenizer_free(t);
    t = from_gguf((gguf_case){ "bert", NULL, "[UNK],[CLS],[SEP],\u2581ab,c,\u2581\u6211", "333111",
                               NULL, NULL, 0 }, &err);
    if (!t) fail_msg("%s", err.message);
    assert_string_equal(b4c_tokenizer_token(t, 4), "##c");
    b4c_encoding e = { 0 };
    const b4c_tokenize_options bare = { .no_special = true };
    encode_with(t, "ABc\u6211[SEP]", NULL, &bare, &e);
    assert_true(e.n == 4 && e.ids[0] == 3 && e.ids[1] == 4 && e.ids[2] == 5 && e.ids[3] == 2);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

static void wrong_gguf_metadata_are_refused(void **state)
{
    (void)state;
    static const float scores[] = { 0, -1 }, nan[] = { 0, NAN };
    const struct { gguf_case c; int code; const char *why; } cases[] = {
        { { NULL, NULL, "a", NULL, NULL, NULL, 0 }, B4C_E_MISSING, "tokenizer.ggml.model" },
        { { "rwkv", NULL, "a", NULL, NULL, NULL, 0 }, B4C_E_UNSUPPORTED, "'rwkv'" },
        { { "gpt2", "tekken", "a", NULL, "", NULL, 0 }, B4C_E_UNSUPPORTED, "'tekken'" },
        { { "gpt2", NULL, "a", NULL, NULL, NULL, 0 }, B4C_E_MISSING, "merges" },
        { { "gpt2", NULL, "a,b", NULL, "a c", NULL, 0 }, B4C_E_FORMAT, "merge 0" },
        { { "gpt2", NULL, "a,a", NULL, "", NULL, 0 }, B4C_E_FORMAT, "both \"a\"" },
        { { "gpt2", NULL, "", NULL, "", NULL, 0 }, B4C_E_FORMAT, "found 0 tokens" },
        { { "gpt2", NULL, "a,,b", NULL, "", NULL, 0 }, B4C_E_FORMAT, "token 1 is empty" },
        { { "gpt2", NULL, "a,\xff", NULL, "", NULL, 0 }, B4C_E_FORMAT, "not UTF-8" },
        { { "gpt2", NULL, "a,b", "1", "", NULL, 0 }, B4C_E_FORMAT, "wanted one for each of 2" },
        { { "gpt2", NULL, "a,b", "17", "", NULL, 0 }, B4C_E_FORMAT, "token 1 has type 7" },
        { { "llama", NULL, "a,b", "21", NULL, NULL, 0 }, B4C_E_MISSING, "scores" },
        { { "llama", NULL, "a,b", "11", NULL, scores, 2 }, B4C_E_FORMAT, "no unknown piece" },
        { { "llama", NULL, "a,b", "22", NULL, scores, 2 }, B4C_E_FORMAT, "both the unknown one" },
        { { "llama", NULL, "a,b", "26", NULL, scores, 2 }, B4C_E_FORMAT, "byte piece" },
        { { "llama", NULL, "a,b", "21", NULL, nan, 2 }, B4C_E_NUMBER, "not a number" },
        { { "llama", NULL, "a,b", "21", NULL, scores, 1 }, B4C_E_FORMAT, "found 1" },
        { { "bert", NULL, "a,b", NULL, NULL, NULL, 0 }, B4C_E_MISSING, "unknown token" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        assert_null(from_gguf(cases[i].c, &err));
        assert_error(&err, cases[i].code, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_files_have_their_tokenizer_inside),
        cmocka_unit_test(weights_lead_to_their_tokenizer),
        cmocka_unit_test(gguf_metadata_become_a_tokenizer),
        cmocka_unit_test(wrong_gguf_metadata_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
