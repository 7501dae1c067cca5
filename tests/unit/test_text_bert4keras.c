/* test_text_bert4keras.c - the BERT4KERAS dialect: values by bert4keras 0.11.5's own functions. */
#include "support/test.h"
#include "text/segmentate.h"
#include "unit/text_case.h"

static const char vocabulary[] =
    "[PAD] [UNK] [CLS] [SEP] [MASK] 我 喜 欢 北 京 不 很 play ##ing ##ed un ##aff ##able cafe a b "
    "##b ##c 1 2 ##2 . , 。 ， ！ ! hello world resume i ## 北京 喜欢 天 气 - strasse ß ##t don t ' "
    "《 》 3 ##. 龙 葛";

static b4c_tokenizer *t;

static int open_vocabulary(void **state)
{
    (void)state;
    t = make_small(vocabulary, B4C_DIALECT_BERT4KERAS, -1);
    return 0;
}

static int close_vocabulary(void **state)
{
    (void)state;
    b4c_tokenizer_free(t);
    return 0;
}

/* Ids (and segments, NULL: all 0) separated by blanks. */
static void assert_ids(const b4c_encoding *e, const char *ids, const char *segments)
{
    b4c_buffer got[2] = { { 0 }, { 0 } };
    for (int i = 0; i < e->n; i++) {
        b4c_buffer_print(&got[0], "%s%d", i ? " " : "", e->ids[i]);
        b4c_buffer_print(&got[1], "%s%d", i ? " " : "", e->segments[i]);
    }
    assert_string_equal(got[0].data, ids);
    if (segments) assert_string_equal(got[1].data, segments);
    b4c_buffer_done(&got[0]);
    b4c_buffer_done(&got[1]);
}

static void texts_become_these_ids(void **state)
{
    (void)state;
    static const struct { const char *text; size_t n; const char *ids; } cases[] = {
        { "我喜欢北京", 15, "2 5 6 7 8 9 3" },
        { "Hello, WORLD!", 13, "2 32 27 33 31 3" },
        { "Café résumé", 14, "2 18 34 3" },
        { "playing played", 14, "2 12 13 12 14 3" },
        { "unaffable", 9, "2 15 16 17 3" },
        { "xyz我", 6, "2 1 5 3" },
        { "  a\tb\nc  ", 9, "2 19 20 1 3" },
        { "ab c", 4, "2 19 21 1 3" },
        { "a\u200bb\ufeffc", 9, "2 19 21 22 3" },
        { "a\0b\ufffdc", 7, "2 19 21 22 3" },
        { "1.22", 4, "2 23 26 24 25 3" },
        { "我 喜欢", 10, "2 5 6 7 3" },
        { "ＡＢ！", 9, "2 1 30 3" },
        { "Straße", 7, "2 1 3" },
        { "don't", 5, "2 45 47 46 3" },
        { "\u0130", 2, "2 35 3" },
        { "\u3000我\u3000", 9, "2 5 3" },
        { "龍", 3, "2 1 3" },
        { "葛\U000e0100", 7, "2 53 3" },
        { "a\u00adb", 4, "2 19 21 3" },
        { "北京-天气", 13, "2 8 9 41 39 40 3" },
        { "[MASK]我", 9, "2 1 1 1 5 3" },
        { "abb", 3, "2 19 21 21 3" },
        { "abc", 3, "2 19 21 22 3" },
        { "é", 2, "2 1 3" },
        { "\u00c5", 2, "2 19 3" },
        { "ﬁ", 3, "2 1 3" },
        { "①", 3, "2 1 3" },
        { "が", 3, "2 1 3" },
        { "한", 3, "2 1 3" },
        { "a\x7f""b", 3, "2 19 21 3" },
        { "a\u2028b", 5, "2 19 20 3" },
        { "——", 6, "2 1 1 3" },
        { "…", 3, "2 1 3" },
        { "", 0, "2 3" },
    };
    b4c_encoding e = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        encode(t, cases[i].text, cases[i].n, &e);
        assert_ids(&e, cases[i].ids, NULL);
        check_laws(t, &e, cases[i].text, cases[i].n, NULL, 0);
    }
    b4c_encoding_free(&e);
}

static void truncation_pops_from_the_longer_text(void **state)
{
    (void)state;
    static const struct { int length; const char *one, *pair, *segments; } cases[] = {
        { 4, "2 5 6 3", "2 3 11 3", "0 0 1 1" },
        { 5, "2 5 6 7 3", "2 5 3 11 3", "0 0 0 1 1" },
        { 6, "2 5 6 7 8 3", "2 5 3 11 6 3", "0 0 0 1 1 1" },
        { 10, "2 5 6 7 8 9 3", "2 5 6 7 8 3 11 6 7 3", "0 0 0 0 0 0 1 1 1 1" },
        { 11, "2 5 6 7 8 9 3", "2 5 6 7 8 9 3 11 6 7 3", "0 0 0 0 0 0 0 1 1 1 1" },
    };
    b4c_encoding e = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_tokenize_options o = B4C_TOKENIZE_DEFAULT;
        o.max_length = cases[i].length;
        encode_with(t, "我喜欢北京", NULL, &o, &e);
        assert_ids(&e, cases[i].one, NULL);
        encode_with(t, "我喜欢北京", "很喜欢", &o, &e);
        assert_ids(&e, cases[i].pair, cases[i].segments);
        assert_int_equal(e.cut, 11 - e.n);
    }
    const b4c_tokenize_options left = { .max_length = 5, .truncate = B4C_TRUNCATE_LEFT };
    encode_with(t, "我喜欢北京", NULL, &left, &e);
    assert_ids(&e, "2 7 8 9 3", "0 0 0 0 0");
    b4c_encoding_free(&e);
}

/* Cuts "我喜欢北京playingxyz" as the golden values' pre_tokenize does; anything else stays whole. */
static int cut_words(void *arg, const char *text, size_t bytes, b4c_cuts *cuts, b4c_error *err)
{
    (void)err;
    static const uint32_t ends[] = { 3, 9, 15, 22, 25 };
    ++*(int *)arg;
    cuts->end = realloc(cuts->end, sizeof ends);
    assert_non_null(cuts->end);
    if (bytes == 25 && memcmp(text, "我喜欢北京playingxyz", 25) == 0) {
        memcpy(cuts->end, ends, sizeof ends);
        cuts->n = COUNT(ends);
    } else {
        cuts->end[0] = (uint32_t)bytes;
        cuts->n = 1;
    }
    return 0;
}

static int cut_fails(void *arg, const char *text, size_t bytes, b4c_cuts *cuts, b4c_error *err)
{
    (void)arg, (void)text, (void)bytes, (void)cuts;
    return b4c_fail(err, B4C_E_MEMORY, "no memory for words");
}

static void a_segmenters_words_are_tokens_where_the_vocabulary_has_them(void **state)
{
    (void)state;
    b4c_tokenizer *words = make_small(vocabulary, B4C_DIALECT_BERT4KERAS, -1);
    int calls = 0;
    b4c_tokenizer_set_cut(words, cut_words, &calls);
    b4c_encoding e = { 0 };
    encode(words, "我喜欢北京playingxyz", SIZE_MAX, &e);
    assert_ids(&e, "2 5 38 37 12 13 1 3", NULL);
    assert_bytes(words, "我喜欢北京playingxyz", "0-3 3-9 9-15 15-19 19-22 22-25");
    /* the segmenter sees the normalised text; places are the original's, dropped ones are told */
    assert_bytes(words, "我喜欢北京PLA\u0301YINGxyz", "0-3 3-9 9-15 15-21 21-24 24-27");
    assert_dropped(words, "我喜欢北京PLA\u0301YINGxyz", "18");
    assert_tokens(words, "北京", "北京");
    assert_tokens(words, "北\u200b京 x", "北 京 [UNK]");
    assert_dropped(words, "\u0301北\u200b京", "0 5");
    assert_int_equal(calls, 7);
    encode(words, "", 0, &e);
    assert_ids(&e, "2 3", NULL);
    b4c_tokenizer_set_cut(words, cut_fails, NULL);
    b4c_error err = { 0 };
    assert_fails(b4c_tokenize(words, "a", 1, NULL, 0, NULL, &e, &err), &err, B4C_E_MEMORY, "words");
    b4c_encoding_free(&e);
    b4c_tokenizer_free(words);
}

static void decoding_joins_as_bert4keras_does(void **state)
{
    (void)state;
    assert_decoded(t, "hello , world !", false, "hello, world!");
    assert_decoded(t, "我 喜 欢 北京 。 hello world", false, "我喜欢北京。hello world");
    assert_decoded(t, "play ##ing 我 1 . 2", false, "playing我1.2");
    assert_decoded(t, "don ' t a", false, "don't a");
    assert_decoded(t, "《 北 京 》 ， a b", false, "《北京》，a b");
    assert_decoded(t, "[CLS] 我 [UNK] [SEP] - 3", false, "我-3");
    assert_decoded(t, "[CLS] 我 [SEP] a", true, "[CLS]我[SEP] a");
    assert_decoded(t, "1 . 2 . 3", false, "1.2. 3");
    assert_decoded(t, "", false, "");
    b4c_error err = { 0 };
    assert_null(b4c_detokenize(t, (const int32_t[]){ 5, 54 }, 2, false, &err));
    assert_error(&err, B4C_E_ARG, "id 54 at place 1");
    assert_null(b4c_detokenize(t, (const int32_t[]){ -1 }, 1, false, &err));
}

static void assert_segments(const char *text, size_t maxlen, const char *seps, const char *strips,
                            const char *wanted)
{
    b4c_segments s = { 0 };
    b4c_buffer out = { 0 };
    b4c_error err = { 0 };
    assert_ok(b4c_segmentate(text, strlen(text), maxlen, seps, strips, &s, &err), &err);
    for (size_t i = 0; i < s.n; i++) {
        assert_true(s.segment[i].begin <= s.segment[i].end && s.segment[i].end <= strlen(text));
        assert_true(i == 0 || s.segment[i].begin >= s.segment[i - 1].end);
        if (i) b4c_buffer_text(&out, "|");
        b4c_buffer_add(&out, text + s.segment[i].begin, s.segment[i].end - s.segment[i].begin);
    }
    b4c_buffer_text(&out, "");
    assert_string_equal(out.data, wanted);
    b4c_buffer_done(&out);
    b4c_segments_free(&s);
}

static void segmentation_cuts_at_the_coarsest_separator_that_helps(void **state)
{
    (void)state;
    static const char seps[] = "\n。！？!?；;，, ", strips[] = "；;，, ";
    assert_segments("今天天气很好。我们去公园玩吧，好吗？好的！那就走；出发", 8, seps, strips,
                    "今天天气很好。|我们去公园玩吧|好吗？|好的！|那就走；出发");
    assert_segments("今天天气很好", 8, seps, strips, "今天天气很好");
    assert_segments("甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲。乙乙乙乙乙。丙丙丙丙丙", 12, seps, strips,
                    "甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲甲。|乙乙乙乙乙。丙丙丙丙丙");
    assert_segments("aaa,bbb,ccc,ddd", 7, ",", ",", "aaa|bbb|ccc|ddd");
    assert_segments("aaa,bbb,ccc,ddd", 7, ",", NULL, "aaa,|bbb,|ccc,|ddd");
    assert_segments("第一句话。第二句话。第三句话。\n第四句话。", 10, "\n。", NULL,
                    "第一句话。第二句话。|第三句话。|第四句话。");
    assert_segments("", 8, seps, strips, "");
    assert_segments(" \u3000a ", 8, NULL, NULL, "a");
    assert_segments("。。。。", 1, "。", NULL, "。。。。");
    b4c_segments s = { 0 };
    b4c_error err = { 0 };
    assert_fails(b4c_segmentate("a\xff", 2, 8, seps, NULL, &s, &err), &err, B4C_E_TEXT, "byte 1");
}

static void special_tokens_in_text_are_found_on_request(void **state)
{
    (void)state;
    const b4c_tokenize_options find = { .find_special = true };
    b4c_encoding e = { 0 };
    encode_with(t, "我[MASK]北", NULL, &find, &e);
    assert_ids(&e, "2 5 4 8 3", NULL);
    assert_int_equal(e.begin[2], 3);
    assert_int_equal(e.end[2], 9);
    assert_int_equal(e.added[2], 0);
    const b4c_tokenize_options plain = { .find_special = true, .plain_text = true };
    encode_with(t, "[MASK]", NULL, &plain, &e);
    assert_ids(&e, "2 1 1 1 3", NULL);
    b4c_encoding_free(&e);
}

static void words_of_200_characters_are_cut_and_of_201_unknown(void **state)
{
    (void)state;
    char text[260];
    b4c_encoding e = { 0 };
    for (int n = 199; n <= 202; n++) {
        text[0] = 'a';
        memset(text + 1, 'b', (size_t)n - 1);
        text[n] = 0;
        encode(t, text, SIZE_MAX, &e);
        assert_int_equal(e.n - 2, n <= 200 ? n : 1);
        assert_int_equal(e.unknown, n > 200);
        assert_int_equal(e.end[e.n - 2], n);
    }
    /* the limit counts what is left after normalisation */
    for (int i = 0; i < 100; i++) memcpy(text + 2 * i, "b\xc2", 2);
    text[0] = 'a';
    for (int i = 0; i < 100; i++) text[2 * i + 1] = 'b';
    memcpy(text + 200, "\xc2\xad\xe2\x80\x8b", 6);
    encode(t, text, SIZE_MAX, &e);
    assert_int_equal(e.n - 2, 200);
    assert_int_equal(e.n_dropped, 2);
    b4c_encoding_free(&e);
}

/* bert4keras looks a word that is too long up whole; the hub does not. */
static void a_token_longer_than_the_limit_is_found_by_bert4keras_only(void **state)
{
    (void)state;
    char tokens[600] = "[UNK] [CLS] [SEP] ";
    const size_t at = strlen(tokens);
    memset(tokens + at, 'w', 250);
    tokens[at + 250] = 0;
    b4c_tokenizer *b = make_small(tokens, B4C_DIALECT_BERT4KERAS, -1);
    b4c_tokenizer *h = make_small(tokens, B4C_DIALECT_HUB, -1);
    assert_tokens(b, tokens + at, tokens + at);
    assert_tokens(h, tokens + at, "[UNK]");
    assert_tokens(b, tokens + at + 1, "[UNK]");
    b4c_tokenizer_free(b);
    b4c_tokenizer_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_these_ids),
        cmocka_unit_test(truncation_pops_from_the_longer_text),
        cmocka_unit_test(a_segmenters_words_are_tokens_where_the_vocabulary_has_them),
        cmocka_unit_test(decoding_joins_as_bert4keras_does),
        cmocka_unit_test(segmentation_cuts_at_the_coarsest_separator_that_helps),
        cmocka_unit_test(special_tokens_in_text_are_found_on_request),
        cmocka_unit_test(words_of_200_characters_are_cut_and_of_201_unknown),
        cmocka_unit_test(a_token_longer_than_the_limit_is_found_by_bert4keras_only),
    };
    return cmocka_run_group_tests(tests, open_vocabulary, close_vocabulary);
}
