/* test_text_unicode.c - UTF-8, and what is known about single characters. */
#include "text/unicode.h"

#include "support/test.h"
#include "text/normal.h"
#include "text/rules.h"
#include "text/utf8.h"
#include "unit/text_case.h"

static const b4c_dialect both[] = { B4C_DIALECT_HUB, B4C_DIALECT_BERT4KERAS };

static void every_code_point_survives_writing_and_reading(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        char bytes[4];
        const int n = b4c_utf8_write(c, bytes);
        const uint8_t *const p = (const uint8_t *)bytes, *next;
        assert_int_equal(b4c_utf8_read(p, p + n, &next), c);
        assert_ptr_equal(next, p + n);
        assert_int_equal(b4c_utf8_before(p, p + n, &next), c);
        assert_ptr_equal(next, p);
        for (int cut = 1; cut < n; cut++) {
            assert_int_equal(b4c_utf8_read(p, p + cut, &next), B4C_NOT_A_CHAR);
            assert_ptr_equal(next, p + cut);
        }
    }
}

static void what_is_not_utf8_is_found_at_its_first_byte(void **state)
{
    (void)state;
    static const struct { const char *text; size_t at; } bad[] = {
        { "ab\x80", 2 },       { "\xc0\xaf", 0 },      { "\xc1\xbf", 0 },
        { "a\xe0\x80\x80", 1 }, { "\xed\xa0\x80", 0 }, { "\xf0\x80\x80\x80", 0 },
        { "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xff", 0 },
        { "中\xe4\xb8", 3 },   { "12345678\xc3", 8 },  { "1234567890123456\xe4\xb8z", 16 },
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(b4c_utf8_check(bad[i].text, strlen(bad[i].text)), bad[i].at);
    const char *good = "aé中\U0001f4a9\xef\xbf\xbf";
    assert_int_equal(b4c_utf8_check(good, strlen(good)), strlen(good));
    assert_int_equal(b4c_utf8_count(good, strlen(good)), 5);
}

static void a_bad_run_is_as_long_as_unicode_recommends(void **state)
{
    (void)state;
    /* Unicode 15, table 3-8: 61 F1 80 80 E1 80 C2 62 80 63 80 BF 64 */
    const uint8_t text[] = "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64";
    const uint8_t *p = text, *const end = text + sizeof text - 1;
    static const int length[] = { 1, 3, 2, 1, 1, 1, 1, 1, 1, 1 };
    for (size_t i = 0; i < COUNT(length); i++) {
        const uint8_t *from = p;
        (void)b4c_utf8_read(p, end, &p);
        assert_int_equal(p - from, length[i]);
    }
    assert_ptr_equal(p, end);
}

static void gbk_is_recognised_and_named(void **state)
{
    (void)state;
    const char *gbk = "\xbd\xf1\xcc\xec\xcc\xec\xc6\xf8\xba\xdc\xba\xc3 GPT";
    assert_true(b4c_looks_like_gbk(gbk, strlen(gbk)));
    assert_true(b4c_looks_like_gbk(gbk, 11));   /* cut inside a character */
    const char *utf8 = "今天天气很好";
    assert_false(b4c_looks_like_gbk(utf8, strlen(utf8)));
    assert_false(b4c_looks_like_gbk("abc", 3));
    assert_false(b4c_looks_like_gbk("caf\xe9", 4));
    b4c_error err = { 0 };
    assert_fails(b4c_utf8_fail("text", gbk, strlen(gbk), 0, &err), &err, B4C_E_TEXT,
                 "looks like GBK");
    assert_fails(b4c_utf8_fail("text", "\xff\xfe\x2d\x4e", 4, 0, &err), &err, B4C_E_TEXT, "UTF-16");
    assert_fails(b4c_utf8_fail("text", "caf\xe9", 4, 3, &err), &err, B4C_E_TEXT, "byte 3 (0xE9)");
}

/* Report K5: the hub's list of ideographs has 2B920 where Google's has 2B820. */
static void the_dialects_differ_from_2b820_to_2b91f(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        const bool differ = c >= 0x2b820 && c <= 0x2b91f;
        assert_int_equal(b4c_is_chinese(both[0], c) != b4c_is_chinese(both[1], c), differ);
    }
    assert_true(b4c_is_chinese(both[0], 0x2b920) && !b4c_is_chinese(both[1], 0x30000));
    assert_false(b4c_is_chinese(both[0], 0x3042));   /* kana */
}

static void both_dialects_agree_on_common_classes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const b4c_dialect d = both[i];
        for (uint32_t c = 33; c < 127; c++)
            assert_int_equal(b4c_is_punctuation(d, c),
                             strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)c) != NULL);
        static const uint32_t punctuation[] = { 0x3002, 0xff0c, 0x2014, 0x2026, 0x300a, 0xb7 };
        for (size_t k = 0; k < COUNT(punctuation); k++)
            assert_true(b4c_is_punctuation(d, punctuation[k]));
        assert_false(b4c_is_punctuation(d, 0x20ac));   /* a symbol */
        static const uint32_t removed[] = { 0, 0x1b, 0x7f, 0xad, 0x200b, 0x200d, 0xfeff, 0xfffd };
        for (size_t k = 0; k < COUNT(removed); k++) assert_true(b4c_is_removed(d, removed[k]));
        assert_true(b4c_is_mark(d, 0x301) && b4c_is_mark(d, 0xe0100) && !b4c_is_mark(d, 'a'));
    }
    /* the hub deletes private use too, and knows no marks newer than Unicode 8 */
    assert_true(b4c_is_removed(B4C_DIALECT_HUB, 0xe000) &&
                !b4c_is_removed(B4C_DIALECT_BERT4KERAS, 0xe000));
    assert_true(!b4c_is_mark(B4C_DIALECT_HUB, 0x1dfb) &&
                b4c_is_mark(B4C_DIALECT_BERT4KERAS, 0x1dfb));
}

static void normalising_twice_is_normalising_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const b4c_flags f = { both[i], true, true, true, true };
        for (uint32_t c = 0; c <= 0x10ffff; c++) {
            uint32_t once[B4C_EXPANSION], twice[B4C_EXPANSION];
            bool barrier;
            const int n = b4c_rules_normalize(&f, c, once, &barrier);
            for (int k = 0; k < n; k++) {
                if (b4c_rules_normalize(&f, once[k], twice, &barrier) != 1 || twice[0] != once[k])
                    fail_msg("U+%X becomes U+%X, which does not stay", (unsigned)c,
                             (unsigned)once[k]);
            }
        }
    }
}

static void the_table_says_what_the_rules_say(void **state)
{
    (void)state;
    b4c_tokenizer *t = make_small("[UNK] [CLS] [SEP] 我 ! a", B4C_DIALECT_HUB, 1);
    for (uint32_t c = 0; c < 0x10000; c++) {
        if (c >= 0xd800 && c <= 0xdfff) continue;
        uint32_t out[B4C_EXPANSION], entry = t->rules.table[c];
        const int n = b4c_rules_entries(&t->rules, c, out);
        assert_true(n >= 1 && n <= B4C_EXPANSION);
        if (B4C_ENTRY_KIND(entry) == B4C_KIND_LATER) continue;
        if (B4C_ENTRY_KIND(entry) == B4C_KIND_LETTER) entry = B4C_ENTRY(B4C_KIND_OTHER, c);
        assert_int_equal(n, 1);
        assert_int_equal(out[0], entry);
    }
    assert_int_equal(B4C_ENTRY_PAYLOAD(t->rules.table[0x6211]), b4c_tokenizer_find(t, "我"));
    b4c_tokenizer_free(t);
}

static void assert_normal(const char *text, const char *wanted)
{
    b4c_error err = { 0 };
    size_t n;
    char *got = b4c_lowercase_and_normalize(text, strlen(text), &n, &err);
    if (!got) fail_msg("%s", err.message);
    assert_string_equal(got, wanted);
    assert_int_equal(n, strlen(wanted));
    free(got);
}

/* SPEC A.1 */
static void lowercase_and_normalize_as_python_does(void **state)
{
    (void)state;
    assert_normal("", "");
    assert_normal("Café RÉSUMÉ", "cafe resume");
    assert_normal("İ", "i");
    assert_normal("が", "か");
    assert_normal("한", "\u1112\u1161\u11ab");
    assert_normal("葛\U000e0100", "葛");
    assert_normal("ß ﬁ ① ＡＢ", "ß ﬁ ① ａｂ");
    assert_normal("龍门", "龍门");
    assert_normal("豈", "\u8c48");
    b4c_error err = { 0 };
    assert_null(b4c_lowercase_and_normalize("a\xff", 2, NULL, &err));
    assert_error(&err, B4C_E_TEXT, "byte 1");
}

/* Report T01: Python's lower() looks around a capital sigma. Values by Python 3.11. */
static void capital_sigma_is_final_at_the_end_of_a_word(void **state)
{
    (void)state;
    assert_normal("ΟΔΟΣ", "οδος");
    assert_normal("rΣ", "rς");
    assert_normal("Σ", "σ");
    assert_normal("ΣΑ ΑΣ", "σα ας");
    assert_normal("ΑΣΑ", "ασα");
    assert_normal("ΑΣΣ", "ασς");
    assert_normal("Α'Σ", "α'ς");
    assert_normal("ΑΣ'", "ας'");
    assert_normal("ΑΣ'Α", "ασ'α");
    assert_normal("Α\u0301Σ.", "ας.");
    assert_normal("1Σ", "1σ");
    assert_normal("ΑΣ1", "ας1");
    assert_normal("ⅠΣ ⒶΣ ªΣ", "ⅰς ⓐς ªς");
    assert_normal("北Σ", "北σ");
}

static void marks_come_into_canonical_order(void **state)
{
    (void)state;
    /* 224, 9, 216: none is deleted, all are sorted */
    assert_normal("a\u302e\u1b44\U0001d165", "a\u1b44\U0001d165\u302e");
    assert_normal("a\u302eb\u1b44", "a\u302eb\u1b44");
    /* a deleted mark of class 0 stands between them still */
    assert_normal("a\u302e\ufe0f\u1b44", "a\u302e\u1b44");
}

static void a_long_run_of_marks_takes_linear_time(void **state)
{
    (void)state;
    const size_t pairs = 200000;
    char *text = malloc(6 * pairs + 1);
    assert_non_null(text);
    for (size_t i = 0; i < pairs; i++) memcpy(text + 6 * i, "\u302e\u1b44", 6);
    size_t n;
    char *got = b4c_lowercase_and_normalize(text, 6 * pairs, &n, NULL);
    assert_non_null(got);
    assert_int_equal(n, 6 * pairs);
    assert_memory_equal(got + 3 * pairs - 3, "\u1b44\u302e", 6);
    free(got);
    free(text);
}

static void the_unicode_version_is_told(void **state)
{
    (void)state;
    int major = 0, minor = 0, patch = 0;
    assert_int_equal(sscanf(b4c_unicode_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    assert_true(major >= 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_survives_writing_and_reading),
        cmocka_unit_test(what_is_not_utf8_is_found_at_its_first_byte),
        cmocka_unit_test(a_bad_run_is_as_long_as_unicode_recommends),
        cmocka_unit_test(gbk_is_recognised_and_named),
        cmocka_unit_test(the_dialects_differ_from_2b820_to_2b91f),
        cmocka_unit_test(both_dialects_agree_on_common_classes),
        cmocka_unit_test(normalising_twice_is_normalising_once),
        cmocka_unit_test(the_table_says_what_the_rules_say),
        cmocka_unit_test(lowercase_and_normalize_as_python_does),
        cmocka_unit_test(capital_sigma_is_final_at_the_end_of_a_word),
        cmocka_unit_test(marks_come_into_canonical_order),
        cmocka_unit_test(a_long_run_of_marks_takes_linear_time),
        cmocka_unit_test(the_unicode_version_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
