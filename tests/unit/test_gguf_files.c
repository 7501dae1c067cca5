/* A GGUF file's tokenizer, written as the hub's files, cuts every text as it did inside. */
#include "base/file.h"
#include "base/folder.h"
#include "base/gguf.h"
#include "support/test.h"
#include "text/gguf_tokens.h"
#include "unit/format_maker.h"
#include "unit/text_case.h"

static void same_encoding(const b4c_tokenizer *a, const b4c_tokenizer *b, const char *text,
                          const char *second)
{
    b4c_encoding x = { 0 }, y = { 0 };
    encode_with(a, text, second, NULL, &x);
    encode_with(b, text, second, NULL, &y);
    if (x.n != y.n || memcmp(x.ids, y.ids, (size_t)x.n * sizeof *x.ids))
        fail_msg("'%s' has other ids", text);
    assert_memory_equal(x.begin, y.begin, (size_t)x.n * sizeof *x.begin);
    b4c_error err = { 0 };
    /* Ends are special in the folder, in the golden files they are ordinary tokens. */
    char *p = b4c_detokenize(a, x.ids, x.n, true, &err),
         *q = b4c_detokenize(b, x.ids, x.n, true, &err);
    assert_string_equal(p, q);
    free(p);
    free(q);
    b4c_encoding_free(&x);
    b4c_encoding_free(&y);
}

/* The tokenizer of the metadata, and that of the folder written of them. */
static void check(const b4c_gguf *g, const char *folder, const char *const *texts, size_t n,
                  int *chats)
{
    b4c_error err = { 0 };
    b4c_tokenizer_info x, y;
    b4c_tokenizer *a = b4c_tokenizer_from_gguf(g, NULL, &err);
    if (!a) fail_msg("%s: %s", folder, err.message);
    assert_ok(b4c_folder_make(folder, &err), &err);
    assert_ok(b4c_gguf_tokens_write(g, folder, &err), &err);
    b4c_tokenizer *b = b4c_tokenizer_open(folder, B4C_DIALECT_AUTO, &err);
    if (!b) fail_msg("%s: %s", folder, err.message);
    b4c_tokenizer_describe(a, &x);
    b4c_tokenizer_describe(b, &y);
    assert_string_equal(x.chat_names, y.chat_names);
    if (x.chat) assert_string_equal(x.chat, y.chat);
    *chats = (int)strlen(x.chat_names);
    assert_true(x.kind == y.kind && x.pad == y.pad && x.unknown == y.unknown && x.cls == y.cls &&
                x.sep == y.sep && x.mask == y.mask && x.lower_case == y.lower_case);
    /* An ordinary token that ends texts, as the golden files have it, is no special one there. */
    assert_true((x.bos == y.bos && x.start == y.start) || y.bos < 0);
    assert_true((x.eos == y.eos && x.end == y.end) || y.eos < 0);
    assert_int_equal(b4c_tokenizer_count(a), b4c_tokenizer_count(b));
    for (int i = 0; i < b4c_tokenizer_count(a); i++)
        assert_string_equal(b4c_tokenizer_token(a, i), b4c_tokenizer_token(b, i));
    for (size_t i = 0; i < n; i++) same_encoding(a, b, texts[i], texts[n - 1 - i]);
    b4c_rng rng;
    b4c_rng_init(&rng, 11, 0, 0);
    for (int i = 0; i < 300; i++) {
        char text[512] = { 0 };
        random_text(&rng, i % 40, text);
        same_encoding(a, b, text, NULL);
    }
    b4c_tokenizer_free(a);
    b4c_tokenizer_free(b);
}

static const char *const texts[] = {
    "", " ", "the", "the cat sat on the mat", "  two  blanks  ", "12345 and 6", "它是一只猫。",
    "a<s>b</s>c", "<unk>", "<|endoftext|>x", "[CLS] a [SEP]", "don't WON'T\r\n\tx", "e\u0301 ＡＢ ﬁ",
};

static void the_files_cut_as_the_metadata_do(void **state)
{
    (void)state;
    static const char *const golden[] = { "gguf-llama", "gguf-qwen2", "gguf-gpt2", "gguf-bert" };
    for (size_t i = 0; i < COUNT(golden); i++) {
        char path[100];
        b4c_error err = { 0 };
        b4c_file file;
        b4c_gguf g;
        snprintf(path, sizeof path, "tests/golden/formats/%s/model.gguf", golden[i]);
        assert_ok(b4c_file_map(&file, path, &err), &err);
        assert_ok(b4c_gguf_open(&g, (b4c_span){ file.data, file.size }, path, &err), &err);
        int chats;
        check(&g, temp_path("%s", golden[i]), texts, COUNT(texts), &chats);
        b4c_gguf_done(&g);
        b4c_file_unmap(&file);
    }
}

/* What the golden files have not: blanks squeezed, none in front, tokens around a text, user's
 * tokens, whole parts before merges, digits one by one. */
typedef struct made {
    const char *model, *pre, *tokens, *types, *merges;
    int front, squeeze, bos, eos;      /* -1: not said */
} made;

static void put_list(b4c_buffer *out, const char *words, char by, uint64_t *n)
{
    for (const char *w = words; w; w = strchr(w, by) ? strchr(w, by) + 1 : NULL, ++*n) {
        const uint64_t size = strcspn(w, (char[]){ by, 0 });
        b4c_buffer_add(out, &size, sizeof size);
        b4c_buffer_add(out, w, size);
    }
}

static void put_flag(gguf_maker *m, const char *key, int value)
{
    if (value >= 0) gguf_number(m, key, B4C_GGUF_BOOL, (uint64_t)value, 1);
}

static void other_metadata_too(void **state)
{
    (void)state;
    static const char *const bytes = "<s>,</s>,a,b,ab,ba,Ġ,1,2,12", *const pairs = "a b;1 2";
    const made list[] = {
        { "t5", NULL, "<pad>,</s>,<unk>,▁a,a,▁,b,▁ab,<x>", "332111114", NULL, -1, -1, -1, -1 },
        { "t5", NULL, "<pad>,</s>,<unk>,▁a,a,▁,b,▁ab,<x>", "332111114", NULL, 0, 0, -1, 1 },
        { "llama", NULL, "<unk>,<s>,</s>,<0x41>,a,▁,▁a,b,ab", "233611111", NULL, 1, 1, 1, 1 },
        { "llama", NULL, "<unk>,<s>,</s>,<0x41>,a,▁,▁a,b,ab", "233611111", NULL, 0, 0, 0, 0 },
        { "gpt2", "llama-bpe", bytes, "3311111111", pairs, -1, -1, -1, 1 },
        { "gpt2", "smollm", bytes, "3311141111", pairs, -1, -1, -1, -1 },
        { "gpt2", "qwen2", bytes, "3311111111", pairs, -1, -1, 1, 0 },
    };
    for (size_t i = 0; i < COUNT(list); i++) {
        const made *c = &list[i];
        gguf_maker m = { 0 };
        b4c_buffer tokens = { 0 }, merges = { 0 }, file = { 0 };
        uint64_t n = 0, k = 0;
        int32_t type[16];
        float score[16];
        b4c_gguf g;
        b4c_error err = { 0 };
        put_list(&tokens, c->tokens, ',', &n);
        for (uint64_t t = 0; t < n; t++) {
            type[t] = c->types[t] - '0';
            score[t] = -(float)t / 2;
        }
        gguf_string(&m, "tokenizer.ggml.model", c->model);
        if (c->pre) gguf_string(&m, "tokenizer.ggml.pre", c->pre);
        if (i > 0) gguf_string(&m, "tokenizer.chat_template", "{{ messages }}");
        if (i > 1) gguf_string(&m, "tokenizer.chat_template.tool_use", "{{ tools }}");
        gguf_array(&m, "tokenizer.ggml.tokens", B4C_GGUF_STRING, n, tokens.data, tokens.size);
        gguf_array(&m, "tokenizer.ggml.token_type", B4C_GGUF_I32, n, type, n * sizeof *type);
        gguf_array(&m, "tokenizer.ggml.scores", B4C_GGUF_F32, n, score, n * sizeof *score);
        if (c->merges) {
            put_list(&merges, c->merges, ';', &k);
            gguf_array(&m, "tokenizer.ggml.merges", B4C_GGUF_STRING, k, merges.data, merges.size);
        }
        const bool pad = strcmp(c->model, "t5") == 0, unk = strcmp(c->model, "gpt2") != 0;
        const uint64_t eos = pad || !unk ? 1 : 2, bos = unk, unknown = pad ? 2 : 0;
        gguf_number(&m, "tokenizer.ggml.eos_token_id", B4C_GGUF_U32, eos, 4);
        if (pad) gguf_number(&m, "tokenizer.ggml.padding_token_id", B4C_GGUF_U32, 0, 4);
        else gguf_number(&m, "tokenizer.ggml.bos_token_id", B4C_GGUF_U32, bos, 4);
        if (unk) gguf_number(&m, "tokenizer.ggml.unknown_token_id", B4C_GGUF_U32, unknown, 4);
        put_flag(&m, "tokenizer.ggml.add_space_prefix", c->front);
        put_flag(&m, "tokenizer.ggml.remove_extra_whitespaces", c->squeeze);
        put_flag(&m, "tokenizer.ggml.add_bos_token", c->bos);
        put_flag(&m, "tokenizer.ggml.add_eos_token", c->eos);
        put_gguf(&file, &m);
        assert_ok(b4c_gguf_open(&g, (b4c_span){ (unsigned char *)file.data, file.size }, "made",
                                &err), &err);
        static const char *const own[] = { "", "a", "ab a", "  a  ab ", "a<x>ab</s>a", "A<s>a",
                                           "12ab1 2" };
        int chats;
        check(&g, temp_path("made-%zu", i), own, COUNT(own), &chats);
        assert_int_equal(chats, (int)strlen(i > 1 ? "default\ntool_use" : i ? "default" : ""));
        b4c_gguf_done(&g);
        b4c_buffer_done(&file);
        b4c_buffer_done(&tokens);
        b4c_buffer_done(&merges);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_cut_as_the_metadata_do),
        cmocka_unit_test(other_metadata_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
