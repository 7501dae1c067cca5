/* test_text_reports.c - faults that users of other tokenizers reported, each as a test. */
#include "support/test.h"
#include "text/utf8.h"
#include "unit/text_case.h"

static const b4c_dialect both[] = { B4C_DIALECT_HUB, B4C_DIALECT_BERT4KERAS };
static b4c_tokenizer *zh[2];   /* the Chinese vocabulary, lower-cased, by dialect */

static int open_both(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) zh[i] = open_golden("vocab-zh.txt", both[i], 1);
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) b4c_tokenizer_free(zh[i]);
    return 0;
}

/* rΣ: Python's lower() makes ς of the whole word's last sigma, the hub σ of each. */
static void t01_offsets_survive_lower_casing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_bytes(zh[i], "rΣ", "0-1 1-3");
        assert_chars(zh[i], "ΟΔΟΣ", "0-1 1-2 2-3 3-4");
        assert_chars(zh[i], "İstanbul", "0-2 2-5 5-7 7-8");
        assert_bytes(zh[i], "ﬁ", "0-3");
        assert_chars(zh[i], "Straße", "0-2 2-4 4-5 5-6");
    }
    assert_tokens(zh[0], "rΣ", "r ##σ");
    assert_tokens(zh[1], "rΣ", "r ##ς");
    assert_tokens(zh[1], "ΑΣΑ", "α ##σ ##α");
}

static void t03_chinese_after_chinese_is_never_a_continuation(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_tokens(zh[i], "三国演义[unused1]", "三 国 演 义 [ u ##nus ##ed ##1 ]");
}

static void t04_offsets_index_the_callers_text(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_chars(zh[i], "今天天气很好", "0-1 1-2 2-3 3-4 4-5 5-6");
        assert_bytes(zh[i], "今天天气很好", "0-3 3-6 6-9 9-12 12-15 15-18");
    }
}

static void t05_offsets_of_the_second_text_index_the_second_text(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    const char *a = "今天天气很好", *b = "我 喜欢e\u0301北京";
    for (int i = 0; i < 2; i++) {
        encode_with(zh[i], a, b, NULL, &e);
        check_laws(zh[i], &e, a, strlen(a), b, strlen(b));
        static const uint32_t begin[] = { 0, 2, 3, 4, 6, 7 };
        for (int k = 0; k < 6; k++) {
            assert_int_equal(e.char_begin[8 + k], begin[k]);
            assert_int_equal(e.segments[8 + k], 1);
        }
        assert_int_equal(e.n, 15);
        assert_int_equal(e.n_dropped, 1);
        assert_int_equal(e.dropped_in_first, 0);
        assert_int_equal(e.dropped[0], 11);
    }
    b4c_encoding_free(&e);
}

static void t07_an_unknown_word_keeps_its_whole_span(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_tokens(zh[i], "💩💩💩", "[UNK]");
        assert_chars(zh[i], "💩💩💩", "0-3");
        assert_bytes(zh[i], "💩💩💩我", "0-12 12-15");
    }
}

static void t08_dropped_characters_are_listed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_dropped(zh[i], "这是一个\ufffd\ufffd\ufffd中文句子", "12 15 18");
        assert_chars(zh[i], "这是一个\ufffd\ufffd\ufffd中文句子",
                     "0-1 1-2 2-3 3-4 7-8 8-9 9-10 10-11");
        assert_dropped(zh[i], "a\u200bb e\u0301\x1b", "1 7 9");
        assert_dropped(zh[i], " 今天\u3000\t", "");
    }
}

static void t09_tokenize_chinese_chars_is_honoured(void **state)
{
    (void)state;
    const char *lines = "[UNK]\n[CLS]\n[SEP]\n我\n##们\n们\n";
    b4c_tokenizer *t = make((made_of){ .vocabulary = lines,
                                       .config = "{\"tokenize_chinese_chars\": false}" }, NULL);
    assert_tokens(t, "我们", "我 ##们");
    assert_bytes(t, "我们", "0-3 3-6");
    b4c_tokenizer_free(t);
    t = make((made_of){ .vocabulary = lines, .config = "{}" }, NULL);
    assert_tokens(t, "我们", "我 们");
    b4c_tokenizer_free(t);
}

static void t12_offsets_hold_where_special_tokens_stand_in_the_text(void **state)
{
    (void)state;
    assert_tokens(zh[0], "今天[MASK]气很好", "今 天 [MASK] 气 很 好");
    assert_chars(zh[0], "今天[MASK]气很好", "0-1 1-2 2-8 8-9 9-10 10-11");
    const b4c_tokenize_options plain = { .plain_text = true };
    b4c_encoding e = { 0 };
    encode_with(zh[0], "今天[MASK]气", NULL, &plain, &e);
    check_laws(zh[0], &e, "今天[MASK]气", strlen("今天[MASK]气"), NULL, 0);
    assert_int_equal(e.n, 9);
    assert_string_equal(b4c_tokenizer_token(zh[0], e.ids[3]), "[");
    b4c_encoding_free(&e);

    b4c_tokenizer *t = make((made_of){ .vocabulary = "[UNK]\n[CLS]\n[SEP]\n我\n!\n",
                                       .added = "{\"[test]\": 5}" }, NULL);
    assert_int_equal(b4c_tokenizer_count(t), 6);
    assert_tokens(t, "我[test]我![test]", "我 [test] 我 ! [test]");
    assert_chars(t, "我[test]我![test]", "0-1 1-7 7-8 8-9 9-15");
    b4c_tokenizer_free(t);
}

/* clean_text must not hang on do_lower_case. */
static void t14_a_cased_vocabulary_is_cleaned_too(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        b4c_tokenizer *t = make_small("[UNK] [CLS] [SEP] a ##b A 我", both[i], 0);
        assert_tokens(t, "a\u200bb\u00a0我\x01", "a ##b 我");
        assert_tokens(t, "AB", "[UNK]");
        assert_tokens(t, "Ab", "A ##b");
        assert_tokens(t, "A", "A");
        b4c_tokenizer_free(t);
    }
}

/* bge-small-zh: the files say do_lower_case false; lower-casing is the caller's explicit choice. */
static void t16_the_files_decide_about_case_unless_told_otherwise(void **state)
{
    (void)state;
    const made_of bge = { .vocabulary = "[UNK]\n[CLS]\n[SEP]\ngpt\ne\n",
                          .config = "{\"do_lower_case\": false}" };
    b4c_tokenizer_info info;
    b4c_tokenizer *t = make(bge, NULL);
    assert_tokens(t, "GPT gpt é", "[UNK] gpt [UNK]");
    b4c_tokenizer_describe(t, &info);
    assert_false(info.lower_case || info.strip_accents);
    assert_non_null(strstr(info.notes, "capital"));
    b4c_tokenizer_free(t);
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    o.lower_case = 1;
    t = make(bge, &o);
    assert_tokens(t, "GPT gpt é", "gpt gpt e");
    b4c_tokenizer_free(t);
}

static void t18_unknown_tokens_are_counted(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    encode(zh[0], "我💩 你 💩💩", SIZE_MAX, &e);
    assert_int_equal(e.unknown, 2);
    encode(zh[0], "我你", SIZE_MAX, &e);
    assert_int_equal(e.unknown, 0);
    b4c_encoding_free(&e);
}

static void t21_every_chinese_character_is_one_token(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    for (int i = 0; i < 2; i++)
        for (uint32_t c = 0x3400; c < 0x30000; c++) {
            if (!b4c_is_chinese(both[i], c)) continue;
            char text[16];
            int n = b4c_utf8_write('x', text);
            n += b4c_utf8_write(c, text + n);
            n += b4c_utf8_write('y', text + n);
            encode(zh[i], text, (size_t)n, &e);
            if (e.n != 5) fail_msg("U+%X: %d tokens", (unsigned)c, e.n);
            assert_int_equal(e.begin[2], 1);
            assert_int_equal(e.end[2], n - 1);
            char one[4];
            const int bytes = b4c_utf8_write(c, one);
            const int32_t id = b4c_trie_find(&zh[i]->vocab.trie, one, (size_t)bytes);
            if (id >= 0) assert_true(e.ids[2] == id || c >= 0xf900);
        }
    b4c_encoding_free(&e);
}

static void t24_gbk_is_recognised(void **state)
{
    (void)state;
    const char *gbk = "\xce\xd2\xcf\xb2\xbb\xb6\xb1\xb1\xbe\xa9";
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    assert_fails(b4c_tokenize(zh[0], gbk, SIZE_MAX, NULL, 0, NULL, &e, &err), &err, B4C_E_TEXT,
                 "text: byte 0 (0xCE) is not UTF-8; it looks like GBK");
    assert_fails(b4c_tokenize(zh[0], "好", SIZE_MAX, "ab\x80", SIZE_MAX, NULL, &e, &err), &err,
                 B4C_E_TEXT, "second text: byte 2 (0x80)");
    assert_int_equal(e.n, 0);
    b4c_encoding_free(&e);
}

static void t25_bad_bytes_can_be_repaired_with_a_count(void **state)
{
    (void)state;
    const b4c_tokenize_options o = { .repair = true };
    b4c_encoding e = { 0 };
    const char text[] = "我\xff\xfe你\xe4\xb8";
    for (int i = 0; i < 2; i++) {
        encode_with(zh[i], text, NULL, &o, &e);
        assert_int_equal(e.n, 4);
        assert_int_equal(e.repaired, 3);
        assert_int_equal(e.n_dropped, 3);
        assert_int_equal(e.dropped[2], 8);
        assert_int_equal(e.begin[2], 5);
        assert_int_equal(e.char_begin[2], 3);
        check_laws(zh[i], &e, text, strlen(text), NULL, 0);
    }
    b4c_encoding_free(&e);
}

static void t26_paths_may_be_chinese(void **state)
{
    (void)state;
    temp_text("词典/模型 一/vocab.txt", "[UNK]\n[CLS]\n[SEP]\n我\n");
    b4c_error err = { 0 };
    b4c_tokenizer *t = b4c_tokenizer_open(temp_path("词典/模型 一"), B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    assert_tokens(t, "我", "我");
    b4c_tokenizer_free(t);
}

static void t29_bytes_and_code_points_are_told_apart(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_bytes(zh[i], "é司\U0001f600!", "0-2 2-5 5-9 9-10");
        assert_chars(zh[i], "é司\U0001f600!", "0-1 1-2 2-3 3-4");
    }
}

static void t30_a_missing_vocabulary_is_an_error_at_start(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    assert_null(b4c_tokenizer_open(temp_path("nowhere"), B4C_DIALECT_AUTO, &err));
    assert_error(&err, B4C_E_IO, "nowhere");
    temp_text("empty/readme", "");
    assert_null(b4c_tokenizer_open(temp_path("empty"), B4C_DIALECT_AUTO, &err));
    assert_error(&err, B4C_E_MISSING, "no tokenizer.json, SentencePiece model");
}

static void l06_a_word_vocabulary_is_told_from_one_of_characters(void **state)
{
    (void)state;
    b4c_tokenizer_info info;
    b4c_tokenizer_describe(zh[0], &info);
    assert_int_equal(info.word_tokens, 0);
    b4c_tokenizer *t = make_small("[UNK] [CLS] [SEP] 我 我们 北京 ##北京 a北", B4C_DIALECT_HUB, -1);
    b4c_tokenizer_describe(t, &info);
    assert_int_equal(info.word_tokens, 2);
    b4c_tokenizer_free(t);
}

static void l16_added_tokens_beyond_the_vocabulary_are_counted(void **state)
{
    (void)state;
    b4c_tokenizer *t = make((made_of){ .vocabulary = "[UNK]\n[CLS]\n[SEP]\na\n",
                                       .added = "{\"<new>\": 7}" }, NULL);
    assert_int_equal(b4c_tokenizer_count(t), 8);
    assert_string_equal(b4c_tokenizer_token(t, 7), "<new>");
    assert_int_equal(b4c_tokenizer_find(t, "<new>"), 7);
    assert_null(b4c_tokenizer_token(t, 5));
    b4c_tokenizer_free(t);
}

static void l18_vocab_txt_alone_suffices(void **state)
{
    (void)state;
    temp_text("l18/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n我\na\n");
    b4c_error err = { 0 };
    b4c_tokenizer_info info;
    b4c_tokenizer *t = b4c_tokenizer_open(temp_path("l18"), B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    b4c_tokenizer_describe(t, &info);
    assert_true(info.dialect == B4C_DIALECT_HUB && info.lower_case && info.max_length == 0);
    assert_true(info.cls == 2 && info.sep == 3 && info.mask == 4 && info.pad == 0);
    assert_tokens(t, "我[MASK]A", "我 [MASK] a");
    b4c_tokenizer_free(t);
}

static void k3_full_width_letters_are_lower_cased_not_folded(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        b4c_tokenizer *t = make_small("[UNK] [CLS] [SEP] ａ ##ｂ a ##b", both[i], 1);
        assert_tokens(t, "ＡＢ", "ａ ##ｂ");
        b4c_tokenizer_free(t);
    }
}

static void k5_ideographs_that_the_hub_takes_for_letters(void **state)
{
    (void)state;
    const char *tokens = "[UNK] [CLS] [SEP] \U0002b820 ##\U0002b820 \U0002b920";
    b4c_tokenizer *hub = make_small(tokens, B4C_DIALECT_HUB, 1);
    b4c_tokenizer *bert = make_small(tokens, B4C_DIALECT_BERT4KERAS, 1);
    assert_tokens(hub, "\U0002b820\U0002b820\U0002b920", "\U0002b820 ##\U0002b820 \U0002b920");
    assert_tokens(bert, "\U0002b820\U0002b820\U0002b920", "\U0002b820 \U0002b820 \U0002b920");
    b4c_tokenizer_free(hub);
    b4c_tokenizer_free(bert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t01_offsets_survive_lower_casing),
        cmocka_unit_test(t03_chinese_after_chinese_is_never_a_continuation),
        cmocka_unit_test(t04_offsets_index_the_callers_text),
        cmocka_unit_test(t05_offsets_of_the_second_text_index_the_second_text),
        cmocka_unit_test(t07_an_unknown_word_keeps_its_whole_span),
        cmocka_unit_test(t08_dropped_characters_are_listed),
        cmocka_unit_test(t09_tokenize_chinese_chars_is_honoured),
        cmocka_unit_test(t12_offsets_hold_where_special_tokens_stand_in_the_text),
        cmocka_unit_test(t14_a_cased_vocabulary_is_cleaned_too),
        cmocka_unit_test(t16_the_files_decide_about_case_unless_told_otherwise),
        cmocka_unit_test(t18_unknown_tokens_are_counted),
        cmocka_unit_test(t21_every_chinese_character_is_one_token),
        cmocka_unit_test(t24_gbk_is_recognised),
        cmocka_unit_test(t25_bad_bytes_can_be_repaired_with_a_count),
        cmocka_unit_test(t26_paths_may_be_chinese),
        cmocka_unit_test(t29_bytes_and_code_points_are_told_apart),
        cmocka_unit_test(t30_a_missing_vocabulary_is_an_error_at_start),
        cmocka_unit_test(l06_a_word_vocabulary_is_told_from_one_of_characters),
        cmocka_unit_test(l16_added_tokens_beyond_the_vocabulary_are_counted),
        cmocka_unit_test(l18_vocab_txt_alone_suffices),
        cmocka_unit_test(k3_full_width_letters_are_lower_cased_not_folded),
        cmocka_unit_test(k5_ideographs_that_the_hub_takes_for_letters),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
