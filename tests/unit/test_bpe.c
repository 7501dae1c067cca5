/* test_bpe.c - byte-level BPE: equal to tokenizers 0.23 for every pattern by which texts are cut.
 *
 * tests/golden/bytes/tokenizer.json: ByteLevelBPETokenizer trained on open text; PATTERN.jsonl:
 * text and ids with that pre-tokenizer.
 */
#include "support/lines.h"
#include "support/test.h"

#include "text/bpe.h"
#include "text/utf8.h"

static json_t *vocabulary;

static void make(b4c_bpe *m, b4c_split split)
{
    const json_t *model = json_object_get(vocabulary, "model"),
                 *merges = json_object_get(model, "merges");
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *token;
    b4c_key key[4000];
    b4c_bpe_pair pair[4000];
    size_t n = 0;
    const size_t pairs = json_array_size(merges);
    assert_true(json_object_size(vocab) <= COUNT(key) && pairs <= COUNT(pair));
    json_object_foreach(vocab, token, id)
        key[n++] = (b4c_key){ token, strlen(token), (int32_t)json_integer_value(id) };
    for (size_t i = 0; i < pairs; i++) {
        const json_t *left = json_array_get(json_array_get(merges, i), 0);
        const json_t *right = json_array_get(json_array_get(merges, i), 1);
        pair[i] = (b4c_bpe_pair){ json_string_value(left), json_string_value(right),
                                  (uint32_t)json_string_length(left),
                                  (uint32_t)json_string_length(right) };
    }
    const b4c_bpe_source source = { .token = key, .n = n, .pair = pair, .pairs = pairs,
                                    .split = split };
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

typedef struct judged {
    const char *name;
    b4c_bpe m;
    b4c_bpe_list l;
} judged;

static void check_line(const json_t *line, long number, void *arg)
{
    judged *g = arg;
    const b4c_token_list *l = &g->l.tokens;
    const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids");
    const char *s = json_string_value(text);
    const size_t bytes = json_string_length(text);
    b4c_error err = { 0 };
    assert_ok(b4c_bpe_encode(&g->m, s, bytes, &g->l, &err), &err);
    size_t at = 0;
    for (int i = 0; i < l->n; i++) {
        if ((size_t)i >= json_array_size(ids) ||
            l->id[i] != json_integer_value(json_array_get(ids, (size_t)i)))
            fail_msg("%s line %ld: token %d of \"%s\" is %d", g->name, number, i, s, l->id[i]);
        size_t n;
        const char *token = b4c_bpe_text(&g->m, l->id[i], &n);
        assert_int_equal(l->begin[i], at);
        at = l->end[i];
        assert_int_equal(l->end[i] - l->begin[i], n);
        assert_memory_equal(token, s + l->begin[i], n);
    }
    assert_int_equal(at, bytes);
    assert_int_equal(l->n, json_array_size(ids));
}

static void check(const char *name, b4c_split split)
{
    judged g = { .name = name };
    make(&g.m, split);
    char path[100];
    snprintf(path, sizeof path, "tests/golden/bytes/%s.jsonl", name);
    assert_true(each_line(path, check_line, &g) > 130);
    b4c_bpe_list_done(&g.l);
    b4c_bpe_done(&g.m);
}

static void every_pattern_equals_the_reference_and_tokens_are_slices_of_the_text(void **state)
{
    (void)state;
    check("gpt2", B4C_SPLIT_GPT2);
    check("digits", B4C_SPLIT_DIGITS);
    check("llama3", B4C_SPLIT_LLAMA3);
    check("qwen2", B4C_SPLIT_QWEN2);
}

/* Merging without stretches and memory: what the ideas of bpe.c must not change. */
static void stretches_and_memory_do_not_change_tokens(void **state)
{
    (void)state;
    b4c_bpe m, plain;
    b4c_bpe_list l = { 0 }, one = { 0 };
    make(&m, B4C_SPLIT_NONE);
    make(&plain, B4C_SPLIT_NONE);
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
        assert_int_equal(l.tokens.n, one.tokens.n);
        assert_memory_equal(l.tokens.id, one.tokens.id, (size_t)l.tokens.n * sizeof *l.tokens.id);
    }
    b4c_bpe_list_done(&l);
    b4c_bpe_list_done(&one);
    b4c_bpe_done(&m);
    b4c_bpe_done(&plain);
}

/* A model of a few tokens, the ids in their order; merges as "left right". */
static int small(b4c_bpe *m, const char *tokens, const char *merges, b4c_bpe_source s,
                 b4c_error *err)
{
    b4c_key key[20];
    b4c_bpe_pair pair[20];
    const char *p = tokens;
    for (; *p && s.n < COUNT(key); p += strcspn(p, ","), p += *p == ',') {
        key[s.n] = (b4c_key){ p, strcspn(p, ","), (int32_t)s.n };
        s.n++;
    }
    for (p = merges; *p && s.pairs < COUNT(pair); p += strcspn(p, ","), p += *p == ',') {
        const size_t all = strcspn(p, ","), left = strcspn(p, " ");
        pair[s.pairs++] = (b4c_bpe_pair){ p, p + left + 1, (uint32_t)left,
                                          (uint32_t)(all - left - 1) };
    }
    s.token = key;
    s.pair = pair;
    return b4c_bpe_make(m, &s, "small", err);
}

static void assert_cut(const b4c_bpe *m, b4c_bpe_list *l, const char *text, const char *wanted)
{
    b4c_error err = { 0 };
    b4c_buffer out = { 0 };
    assert_ok(b4c_bpe_encode(m, text, strlen(text), l, &err), &err);
    for (int i = 0; i < l->tokens.n; i++)
        b4c_buffer_print(&out, "%s%s:%u-%u", i ? " " : "", b4c_bpe_spelling(m, l->tokens.id[i]),
                         l->tokens.begin[i], l->tokens.end[i]);
    b4c_buffer_text(&out, "");
    assert_string_equal(out.data, wanted);
    b4c_buffer_done(&out);
}

static void wrong_vocabularies_are_refused_with_the_place(void **state)
{
    (void)state;
    b4c_bpe m;
    b4c_error err = { 0 };
    const b4c_bpe_source s = { .split = B4C_SPLIT_GPT2 };
    assert_fails(small(&m, "a,b,a", "", s, &err), &err, B4C_E_FORMAT, "tokens 0 and 2");
    assert_fails(small(&m, "a,b,ab", "a c", s, &err), &err, B4C_E_FORMAT,
                 "merge 0 \"a c\": its parts or their union are no tokens");
    assert_fails(small(&m, "", "", s, &err), &err, B4C_E_FORMAT, "found 0 tokens");
    const b4c_key twice[] = { { "a", 1, 3 }, { "b", 1, 3 } };
    const b4c_bpe_source same = { .token = twice, .n = 2 };
    assert_fails(b4c_bpe_make(&m, &same, "small", &err), &err, B4C_E_FORMAT,
                 "two tokens have id 3");
    const b4c_bpe_source none = { .split = B4C_SPLIT_NONE, .characters = true, .unknown = "?" };
    assert_fails(small(&m, "a,b", "", none, &err), &err, B4C_E_FORMAT, "unknown token '?'");
}

static void what_is_no_token_is_left_out_unknown_or_bytes(void **state)
{
    (void)state;
    b4c_bpe m;
    b4c_bpe_list l = { 0 };
    b4c_error err = { 0 };
    b4c_bpe_source s = { .split = B4C_SPLIT_NONE };
    assert_ok(small(&m, "a,b,ab", "a b", s, &err), &err);
    assert_cut(&m, &l, "abxab", "ab:0-2 ab:3-5");
    b4c_bpe_done(&m);
    s = (b4c_bpe_source){ .split = B4C_SPLIT_NONE, .characters = true, .unknown = "?" };
    assert_ok(small(&m, "?,a,我,a我", "a 我", s, &err), &err);
    assert_cut(&m, &l, "a我你你a", "a我:0-4 ?:4-7 ?:7-10 a:10-11");
    b4c_bpe_done(&m);
    s.fuse_unknown = true;
    assert_ok(small(&m, "?,a,我,a我", "a 我", s, &err), &err);
    assert_cut(&m, &l, "a我你你a", "a我:0-4 ?:4-10 a:10-11");
    assert_cut(&m, &l, "你", "?:0-3");
    b4c_bpe_done(&m);
    s.byte_fallback = true;
    assert_ok(small(&m, "?,a,<0xE4>,<0xBD>,<0xA0>", "", s, &err), &err);
    assert_cut(&m, &l, "你我a", "<0xE4>:0-3 <0xBD>:0-3 <0xA0>:0-3 ?:3-6 a:6-7");
    assert_cut(&m, &l, "<0xE4>", "?:0-6");
    assert_int_equal(b4c_bpe_find(&m, "<0xBD>"), 3);
    b4c_bpe_done(&m);
    b4c_bpe_list_done(&l);
}

static void tokens_apart_are_found_by_name_only(void **state)
{
    (void)state;
    b4c_bpe m;
    b4c_bpe_list l = { 0 };
    b4c_error err = { 0 };
    const uint8_t apart[] = { 0, 0, 0, 1, 0 };
    const b4c_bpe_source s = { .split = B4C_SPLIT_NONE, .whole_first = true, .apart = apart };
    assert_ok(small(&m, "a,b,ab,ba,你", "", s, &err), &err);
    assert_cut(&m, &l, "ab", "ab:0-2");
    assert_cut(&m, &l, "ba", "b:0-1 a:1-2");
    assert_int_equal(b4c_bpe_find(&m, "ba"), 3);
    assert_int_equal(b4c_bpe_find(&m, "你"), 4); /* no character of its stands for a byte */
    assert_int_equal(b4c_bpe_find(&m, "c"), -1);
    size_t n;
    assert_memory_equal(b4c_bpe_text(&m, 4, &n), "你", 3);
    assert_int_equal(n, 3);
    assert_null(b4c_bpe_spelling(&m, 5));
    b4c_bpe_done(&m);
    b4c_bpe_list_done(&l);
}

static void a_list_does_not_take_one_models_memory_for_anothers(void **state)
{
    (void)state;
    b4c_bpe one, two;
    b4c_bpe_list l = { 0 };
    b4c_error err = { 0 };
    const b4c_bpe_source s = { .split = B4C_SPLIT_NONE };
    assert_ok(small(&one, "a,b,ab", "a b", s, &err), &err);
    assert_ok(small(&two, "a,b,ab", "", s, &err), &err);
    for (int i = 0; i < 3; i++) {
        assert_cut(&one, &l, "abab", "ab:0-2 ab:2-4");
        assert_cut(&two, &l, "abab", "a:0-1 b:1-2 a:2-3 b:3-4");
    }
    b4c_bpe_done(&one);
    b4c_bpe_done(&two);
    b4c_bpe_list_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_equals_the_reference_and_tokens_are_slices_of_the_text),
        cmocka_unit_test(stretches_and_memory_do_not_change_tokens),
        cmocka_unit_test(wrong_vocabularies_are_refused_with_the_place),
        cmocka_unit_test(what_is_no_token_is_left_out_unknown_or_bytes),
        cmocka_unit_test(tokens_apart_are_found_by_name_only),
        cmocka_unit_test(a_list_does_not_take_one_models_memory_for_anothers),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
