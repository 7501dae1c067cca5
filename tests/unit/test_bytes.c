/* test_bytes.c - byte-level BPE: equal to tokenizers 0.23 for every pattern by which texts are cut.
 *
 * tests/golden/bytes/tokenizer.json: ByteLevelBPETokenizer trained on open text; PATTERN.jsonl:
 * text and ids with that pre-tokenizer.
 */
#include "support/test.h"

#include <jansson.h>

#include "text/bytes.h"
#include "text/utf8.h"

static json_t *vocabulary;

static void make(b4c_bpe *m, b4c_split split, bool prefix)
{
    const json_t *model = json_object_get(vocabulary, "model"),
                 *merges = json_object_get(model, "merges");
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *token, *spelt[4000] = { NULL };
    static char merge[4000][256];
    const char *line[4000];
    int n = 0;
    json_object_foreach(vocab, token, id)
    {
        spelt[json_integer_value(id)] = token;
        if (json_integer_value(id) >= n) n = (int)json_integer_value(id) + 1;
    }
    const size_t n_merges = json_array_size(merges);
    assert_true(n < 4000 && n_merges < 4000);
    for (size_t i = 0; i < n_merges; i++) {
        const json_t *pair = json_array_get(merges, i);
        snprintf(merge[i], sizeof merge[i], "%s %s", json_string_value(json_array_get(pair, 0)),
                 json_string_value(json_array_get(pair, 1)));
        line[i] = merge[i];
    }
    const b4c_bpe_source source = { n, (int)n_merges, spelt, line, split, prefix, false };
    b4c_error err = { 0 };
    assert_ok(b4c_bpe_make(m, &source, "tokenizer.json", &err), &err);
}

static int load(void **state)
{
    (void)state;
    vocabulary = json_load_file("tests/golden/bytes/tokenizer.json", 0, NULL);
    return vocabulary ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(vocabulary);
    return 0;
}

static void check(const char *name, b4c_split split, bool prefix)
{
    b4c_bpe m;
    b4c_bpe_list l = { 0 };
    make(&m, split, prefix);
    char path[100];
    snprintf(path, sizeof path, "tests/golden/bytes/%s.jsonl", name);
    size_t size;
    char *all = read_file(path, &size), *p = all;
    long lines = 0;
    for (char *end; (end = memchr(p, '\n', size - (size_t)(p - all))); p = end + 1) {
        json_t *line = json_loadb(p, (size_t)(end - p), JSON_ALLOW_NUL, NULL);
        const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids");
        const char *s = json_string_value(text);
        const size_t bytes = json_string_length(text);
        b4c_error err = { 0 };
        lines++;
        assert_ok(b4c_bpe_encode(&m, s, bytes, &l, &err), &err);
        size_t at = 0;
        for (int i = 0; i < l.n; i++) {
            if ((size_t)i >= json_array_size(ids) ||
                l.id[i] != json_integer_value(json_array_get(ids, (size_t)i)))
                fail_msg("%s line %ld: token %d of \"%s\" is %d", name, lines, i, s, l.id[i]);
            size_t n;
            const char *token = b4c_bpe_text(&m, l.id[i], &n);
            assert_int_equal(l.begin[i], at);
            at = l.end[i];
            const bool blank = prefix && i == 0 &&
                               n > l.end[i] - l.begin[i]; /* the one put in front */
            assert_int_equal(l.end[i] - l.begin[i], n - blank);
            assert_memory_equal(token + blank, s + l.begin[i], n - blank);
        }
        assert_int_equal(at, bytes);
        assert_int_equal(l.n, json_array_size(ids));
        json_decref(line);
    }
    assert_true(lines > 200);
    free(all);
    b4c_bpe_list_done(&l);
    b4c_bpe_done(&m);
}

static void every_pattern_equals_the_reference_and_tokens_are_slices_of_the_text(void **state)
{
    (void)state;
    check("gpt2", B4C_SPLIT_GPT2, false);
    check("prefix", B4C_SPLIT_GPT2, true);
    check("digits", B4C_SPLIT_DIGITS, false);
    check("llama3", B4C_SPLIT_LLAMA3, false);
    check("qwen2", B4C_SPLIT_QWEN2, false);
}

/* Merging without stretches and memory: what the ideas of bytes.c must not change. */
static void stretches_and_memory_do_not_change_tokens(void **state)
{
    (void)state;
    b4c_bpe m, plain;
    b4c_bpe_list l = { 0 }, one = { 0 };
    make(&m, B4C_SPLIT_NONE, false);
    make(&plain, B4C_SPLIT_NONE, false);
    memset(plain.edge, 0xff, (size_t)(plain.edge_mask + 1) / 8); /* everything may span */
    b4c_error err = { 0 };
    uint64_t random = 3;
    for (int round = 0; round < 1000; round++) {
        char text[256];
        size_t n = 0;
        while (n < 150) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const uint32_t r = (uint32_t)(random >> 33);
            if (r % 4 < 2)
                n += (size_t)b4c_utf8_write(0x4e00 + r / 4 % 0x300, text + n);
            else
                text[n++] = (char)("etaoin shrdlu,."[r / 4 % 15]);
        }
        assert_ok(b4c_bpe_encode(&m, text, n, &l, &err), &err);
        assert_ok(b4c_bpe_encode(&plain, text, n, &one, &err), &err);
        assert_int_equal(l.n, one.n);
        assert_memory_equal(l.id, one.id, (size_t)l.n * sizeof *l.id);
    }
    b4c_bpe_list_done(&l);
    b4c_bpe_list_done(&one);
    b4c_bpe_done(&m);
    b4c_bpe_done(&plain);
}

static void wrong_vocabularies_are_refused_with_the_place(void **state)
{
    (void)state;
    b4c_bpe m;
    b4c_error err = { 0 };
    const char *const twice[] = { "a", "b", "a" }, *const good[] = { "a", "b", "ab" };
    const char *const broken[] = { "ab" }, *const strange[] = { "a c" };
    b4c_bpe_source s = { 3, 0, twice, NULL, B4C_SPLIT_GPT2, false, false };
    assert_fails(b4c_bpe_make(&m, &s, "vocab.json", &err), &err, B4C_E_FORMAT, "tokens 0 and 2");
    s = (b4c_bpe_source){ 3, 1, good, broken, B4C_SPLIT_GPT2, false, false };
    assert_fails(b4c_bpe_make(&m, &s, "merges.txt", &err), &err, B4C_E_FORMAT,
                 "merge 0: found \"ab\"");
    s.merges = strange;
    assert_fails(b4c_bpe_make(&m, &s, "merges.txt", &err), &err, B4C_E_FORMAT,
                 "no tokens of the vocabulary");
    s.n_merges = 0;
    assert_ok(b4c_bpe_make(&m, &s, "vocab.json", &err), &err);
    b4c_bpe_list l = { 0 };
    assert_fails(b4c_bpe_encode(&m, "abc", 3, &l, &err), &err, B4C_E_TEXT, "no token for");
    b4c_bpe_list_done(&l);
    b4c_bpe_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_equals_the_reference_and_tokens_are_slices_of_the_text),
        cmocka_unit_test(stretches_and_memory_do_not_change_tokens),
        cmocka_unit_test(wrong_vocabularies_are_refused_with_the_place),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
