/* test_text_words.c - vocabularies of Chinese words: T5 PEGASUS, WoBERT, the word RoFormer.
 *
 * Text is normalised, then cut as jieba 0.42.1 cuts it without HMM; a word that is a token is one,
 * others go on as characters and pieces. Wanted tokens follow from that by hand.
 */
#include "support/test.h"
#include "unit/text_case.h"

static const char tokens[] =
    "[PAD] [UNK] [CLS] [SEP] [MASK] 科学技术 第一 是 生产力 。 中文 训练 模型 预 生 成 式 t5 peg ##as "
    "##us 他 来到 了 网易 杭 研 大厦 杭研 科 学 技 术 研究 生命 的 起源 v2 . 0 - sim 苏 剑 林 发布 e";

static b4c_tokenizer *open_words(b4c_dialect dialect, int words, const char *user_words,
                                 b4c_error *err)
{
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    char lines[sizeof tokens];
    strcpy(lines, tokens);
    for (char *p = lines; *p; p++)
        if (*p == ' ') *p = '\n';
    o.dialect = dialect;
    o.words = words;
    o.user_words = user_words;
    return try_make((made_of){ .vocabulary = lines }, &o, err);
}

static b4c_tokenizer *must_open(b4c_dialect dialect, int words)
{
    b4c_error err = { 0 };
    b4c_tokenizer *t = open_words(dialect, words, NULL, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

static void words_that_are_tokens_stay_whole(void **state)
{
    (void)state;
    for (int d = B4C_DIALECT_HUB; d <= B4C_DIALECT_BERT4KERAS; d++) {
        b4c_tokenizer *t = must_open((b4c_dialect)d, 1);
        assert_tokens(t, "科学技术是第一生产力。", "科学技术 是 第一 生产力 。");
        assert_tokens(t, "T5 PEGASUS是中文生成式预训练模型",
                      "t5 peg ##as ##us 是 中文 生 成 式 预 训练 模型");
        assert_tokens(t, "他来到了网易杭研大厦", "他 来到 了 网易 杭 研 大厦");
        assert_tokens(t, "研究生命的起源", "研究 生命 的 起源");
        assert_tokens(t, "苏剑林发布了Sim-V2.0", "苏 剑 林 发布 了 sim - v2 . 0");
        assert_tokens(t, "科 学", "科 学");
        assert_tokens(t, "", "");
        b4c_tokenizer_info info;
        b4c_tokenizer_describe(t, &info);
        assert_true(info.words && info.word_tokens == 14);
        b4c_tokenizer_free(t);
        t = must_open((b4c_dialect)d, 0);
        assert_tokens(t, "科学技术是", "科 学 技 术 是");
        b4c_tokenizer_free(t);
    }
}

static void places_are_those_of_the_text_as_it_came(void **state)
{
    (void)state;
    b4c_tokenizer *t = must_open(B4C_DIALECT_BERT4KERAS, 1);
    assert_bytes(t, "科学技术，T5", "0-12 12-15 15-17");
    assert_chars(t, "科学技术，T5", "0-4 4-5 5-7");
    /* normalising comes first, so what it drops does not part a word */
    assert_tokens(t, "E\u0301科学\u0301技术", "e 科学技术");
    assert_chars(t, "E\u0301科学\u0301技术", "0-1 2-7");
    assert_dropped(t, "E\u0301科学\u0301技术", "1 9");
    /* but the segmenter sees controls, which go later */
    assert_tokens(t, "研\u200b究", "研 [UNK]");
    b4c_tokenizer_free(t);
}

static void special_tokens_are_found_before_words(void **state)
{
    (void)state;
    b4c_tokenizer *t = must_open(B4C_DIALECT_HUB, 1);
    assert_tokens(t, "科学[MASK]技术[SEP]第一", "科 学 [MASK] 技 术 [SEP] 第一");
    b4c_tokenizer_free(t);
}

static void users_may_add_words(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *path = temp_text("own.txt", "杭研 1000 nt\n");
    b4c_tokenizer *t = open_words(B4C_DIALECT_HUB, 1, path, &err);
    if (!t) fail_msg("%s", err.message);
    assert_tokens(t, "他来到了网易杭研大厦", "他 来到 了 网易 杭研 大厦");
    b4c_tokenizer_free(t);
    assert_null(open_words(B4C_DIALECT_HUB, 1, temp_path("no-such-file"), &err));
    assert_error(&err, B4C_E_IO, "no-such-file");
    assert_null(open_words(B4C_DIALECT_HUB, 0, path, &err));
    assert_error(&err, B4C_E_ARG, "user_words");
}

/* `words` tokens of two Chinese characters besides the usual ones. */
static char *many_words(int words)
{
    b4c_buffer out = { 0 };
    b4c_buffer_text(&out, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n网易\n网\n易\n");
    for (int i = 0; i < words; i++) {
        char one[8];
        size_t n = put_utf8(one, 0x4e00 + (uint32_t)i / 100);
        n += put_utf8(one + n, 0x5000 + (uint32_t)i % 100);
        b4c_buffer_add(&out, one, n);
        b4c_buffer_text(&out, "\n");
    }
    assert_false(out.failed);
    return out.data;
}

static void a_vocabulary_with_thousands_of_words_is_cut_into_words(void **state)
{
    (void)state;
    static const struct {
        int count, chinese, words;
        const char *config;
        bool cut;
    } cases[] = {
        { 2000, -1, -1, NULL, true },
        { 900, -1, -1, NULL, false },
        { 2000, -1, 0, NULL, false },
        { 900, -1, 1, NULL, true },
        { 2000, 0, -1, NULL, false }, /* characters are not set apart: words are found as pieces */
        { 2000, -1, -1, "{\"tokenize_chinese_chars\":false}", false },
        { 2000, -1, -1, "{\"tokenize_chinese_chars\":false,\"tokenizer_class\":"
                        "\"RoFormerTokenizer\"}", true },
        { 2000, -1, -1, "{\"tokenizer_class\":\"RoFormerTokenizerFast\"}", true },
        { 900, -1, -1, "{\"tokenizer_class\":\"RoFormerTokenizer\"}", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *lines = many_words(cases[i].count);
        b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
        o.chinese_chars = cases[i].chinese;
        o.words = cases[i].words;
        b4c_tokenizer *t = make((made_of){ .vocabulary = lines, .config = cases[i].config }, &o);
        b4c_tokenizer_info info;
        b4c_tokenizer_describe(t, &info);
        assert_int_equal(info.words, cases[i].cut);
        if (cases[i].cut) assert_tokens(t, "他在网易", "[UNK] [UNK] 网易");
        const bool told = strstr(info.notes, "cut into words first") != NULL;
        assert_int_equal(told, cases[i].cut && cases[i].words < 0);
        b4c_tokenizer_free(t);
        free(lines);
    }
}

/* Report T11: offsets of RoFormer's word vocabularies were wrong where BERT's were right. */
static void offsets_hold_for_random_texts(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 41, 0, 0);
    b4c_encoding e = { 0 };
    char a[400];
    for (int d = B4C_DIALECT_HUB; d <= B4C_DIALECT_BERT4KERAS; d++) {
        b4c_tokenizer *t = must_open((b4c_dialect)d, 1);
        for (int i = 0; i < 500; i++) {
            const size_t n = random_text(&r, 40, a);
            encode(t, a, n, &e);
            check_laws(t, &e, a, n, NULL, 0);
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_are_tokens_stay_whole),
        cmocka_unit_test(places_are_those_of_the_text_as_it_came),
        cmocka_unit_test(special_tokens_are_found_before_words),
        cmocka_unit_test(users_may_add_words),
        cmocka_unit_test(a_vocabulary_with_thousands_of_words_is_cut_into_words),
        cmocka_unit_test(offsets_hold_for_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
