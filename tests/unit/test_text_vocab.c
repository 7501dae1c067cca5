/* test_text_vocab.c - vocabularies from lines and from pairs, good and bad. */
#include "text/vocab.h"

#include "support/test.h"
#include "text/simplify.h"
#include "unit/text_case.h"

static int read_lines(b4c_vocab *v, const char *text, size_t n, b4c_dialect d, b4c_error *err)
{
    return b4c_vocab_read(v, text, n, d, "vocab.txt", err);
}

static void assert_lines(const char *text, b4c_dialect d, int n, const char *const *tokens)
{
    b4c_vocab v;
    b4c_error err = { 0 };
    assert_ok(read_lines(&v, text, strlen(text), d, &err), &err);
    assert_int_equal(v.n, n);
    for (int i = 0; i < n; i++) {
        assert_string_equal(b4c_vocab_token(&v, i), tokens[i]);
        assert_int_equal(b4c_trie_find(&v.trie, tokens[i], strlen(tokens[i])), i);
    }
    assert_null(b4c_vocab_token(&v, n));
    assert_null(b4c_vocab_token(&v, -1));
    b4c_vocab_done(&v);
}

static void assert_refused(const char *text, size_t n, b4c_dialect d, const char *why)
{
    b4c_vocab v;
    b4c_error err = { 0 };
    assert_fails(read_lines(&v, text, n, d, &err), &err, B4C_E_FORMAT, why);
    assert_null(v.bytes);
    assert_int_equal(read_lines(&v, text, n, d, NULL), B4C_E_FORMAT);
}

static void a_token_a_line(void **state)
{
    (void)state;
    static const char *const abc[] = { "a", "b", "##c" };
    assert_lines("a\nb\n##c\n", B4C_DIALECT_HUB, 3, abc);
    assert_lines("a\nb\n##c", B4C_DIALECT_HUB, 3, abc);
    assert_lines("a\r\nb\r\n##c\r\n", B4C_DIALECT_BERT4KERAS, 3, abc);
    assert_lines("\xef\xbb\xbf" "a\nb\n##c\n", B4C_DIALECT_HUB, 3, abc);
}

static void bert4keras_takes_the_first_word_of_a_line(void **state)
{
    (void)state;
    static const char *const first[] = { "a", "b" }, *const whole[] = { "a 12", "b\t3" };
    assert_lines("a 12\nb\t3\n", B4C_DIALECT_BERT4KERAS, 2, first);
    assert_lines("a 12\nb\t3\n", B4C_DIALECT_HUB, 2, whole);
    static const char *const trimmed[] = { "a", "b" };
    assert_lines("a  \nb\t\n", B4C_DIALECT_HUB, 2, trimmed);
}

/* Report K2, and line 344 of Google's Chinese vocabulary, which is U+2028. */
static void a_blank_token_keeps_its_number_and_a_second_one_is_refused(void **state)
{
    (void)state;
    static const char *const tokens[] = { "a", "\u2028", "b" };
    assert_lines("a\n\u2028\nb\n", B4C_DIALECT_BERT4KERAS, 3, tokens);
    assert_lines("a\n\u2028\nb\n", B4C_DIALECT_HUB, 3, tokens);
    const char *two = "a\n\u2028\nb\n\u3000\n";
    assert_refused(two, strlen(two), B4C_DIALECT_BERT4KERAS, "line 4 is blank, as line 2 is");
}

static void repeated_and_empty_lines_are_refused_by_number(void **state)
{
    (void)state;
    static const struct { const char *text, *why; } bad[] = {
        { "", "empty" },
        { "a\nb\na\nc\n", "line 3 repeats 'a' of line 1" },
        { "a\n\nb\n", "line 2 is empty" },
        { "a\nb\n\n", "line 3 is empty" },
        { "\na\n", "line 1 is empty" },
        { "a\r\n\r\nb", "line 2 is empty" },
        { "a\nb\xff\nc\n", "line 2: byte 3 (0xFF)" },
        { "a\n\xb1\xb1\xbe\xa9\n", "looks like GBK" },
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bad[i].text, strlen(bad[i].text), B4C_DIALECT_HUB, bad[i].why);
    assert_refused("a\nb\0c\n", 6, B4C_DIALECT_HUB, "line 2 has a NUL byte");
    assert_refused("a 1\nb 2\na 3\n", 12, B4C_DIALECT_BERT4KERAS, "line 3 repeats 'a' of line 1");
}

static void pairs_may_leave_holes_but_not_share_ids(void **state)
{
    (void)state;
    const b4c_key keys[] = { { "c", 1, 7 }, { "a", 1, 0 }, { "", 0, 3 }, { "bb", 2, 1 } };
    b4c_vocab v;
    b4c_error err = { 0 };
    assert_ok(b4c_vocab_make(&v, keys, COUNT(keys), "t", &err), &err);
    assert_int_equal(v.n, 8);
    assert_int_equal(v.longest, 2);
    assert_null(b4c_vocab_token(&v, 2));
    assert_string_equal(b4c_vocab_token(&v, 3), "");
    assert_string_equal(b4c_vocab_token(&v, 7), "c");
    b4c_vocab_done(&v);

    const b4c_key shared[] = { { "a", 1, 4 }, { "b", 1, 4 } };
    assert_fails(b4c_vocab_make(&v, shared, 2, "t", &err), &err, B4C_E_FORMAT,
                 "'b' has id 4, which");
    const b4c_key below[] = { { "a", 1, -1 } }, above[] = { { "a", 1, B4C_VOCAB_MOST } };
    assert_fails(b4c_vocab_make(&v, below, 1, "t", &err), &err, B4C_E_FORMAT, "id -1");
    assert_fails(b4c_vocab_make(&v, above, 1, "t", &err), &err, B4C_E_FORMAT, "wanted 0 to");
}

static int read_cut(const void *bytes, size_t n, void *arg, b4c_error *err)
{
    b4c_vocab v;
    const int rc = read_lines(&v, bytes, n, *(const b4c_dialect *)arg, err);
    if (rc == 0) {
        for (int id = 0; id < v.n; id++) {
            const char *token = b4c_vocab_token(&v, id);
            assert_int_equal(b4c_trie_find(&v.trie, token, strlen(token)), id);
        }
        b4c_vocab_done(&v);
    }
    return rc;
}

static void any_damage_is_an_error_or_another_vocabulary(void **state)
{
    (void)state;
    const char *good = "[PAD]\r\n[UNK]\n我\n##我 3\n\u2028\na\n##ab\n\U0002b820\n";
    for (b4c_dialect d = B4C_DIALECT_HUB; d <= B4C_DIALECT_BERT4KERAS; d++) {
        const cut_result r = cut_bytes(good, strlen(good), 1, read_cut, &d);
        assert_true(r.cuts > 0 && r.changes > 0 && r.changes_taken < r.changes);
    }
}

static void the_golden_vocabularies_have_their_size(void **state)
{
    (void)state;
    b4c_tokenizer *zh = open_golden("vocab-zh.txt", B4C_DIALECT_AUTO, -1);
    b4c_tokenizer *en = open_golden("vocab-en.txt", B4C_DIALECT_AUTO, -1);
    assert_int_equal(b4c_tokenizer_count(zh), 21128);
    assert_int_equal(b4c_tokenizer_count(en), 30522);
    for (int id = 0; id < 21128; id++)
        assert_int_equal(b4c_tokenizer_find(zh, b4c_tokenizer_token(zh, id)), id);
    assert_int_equal(b4c_tokenizer_find(zh, "[MASK]"), 103);
    assert_int_equal(b4c_tokenizer_find(zh, "no such token"), -1);
    assert_int_equal(b4c_tokenizer_find(zh, ""), -1);
    b4c_tokenizer_free(zh);
    b4c_tokenizer_free(en);
}

/* Of Google's Chinese vocabulary 13,584 tokens are left, as of bert4keras 0.11.5's load_vocab; and
 * the same ones, which an FNV-1a hash of their old numbers says (made in Python by its rules). */
static void googles_vocabulary_simplified_has_13584_tokens(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_simplified s;
    b4c_tokenizer *t = open_golden("vocab-zh.txt", B4C_DIALECT_BERT4KERAS, -1);
    assert_ok(b4c_simplify(&s, t, "[PAD],[UNK],[CLS],[SEP]", &err), &err);
    assert_int_equal(s.n, 13584);
    uint64_t hash = 1469598103934665603u;
    for (int i = 0; i < s.n; i++)
        hash = (hash ^ (uint64_t)b4c_simplified_keep(&s)[i]) * 1099511628211u;
    assert_true(hash == 16191753167547016553u);
    b4c_vocab v;
    assert_ok(b4c_vocab_read(&v, s.text.data, s.text.size, B4C_DIALECT_BERT4KERAS, "vocab.txt",
                             &err), &err);
    assert_int_equal(v.n, 13584);
    assert_string_equal(b4c_vocab_token(&v, 2), "[CLS]");
    b4c_vocab_done(&v);
    b4c_simplified_done(&s);
    assert_fails(b4c_simplify(&s, t, "[PAD],[NO]", &err), &err, B4C_E_ARG, "'[NO]' is not in");
    assert_ok(b4c_simplify(&s, t, "", &err), &err);
    assert_int_equal(s.n, 13580);
    b4c_simplified_done(&s);
    b4c_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_a_line),
        cmocka_unit_test(bert4keras_takes_the_first_word_of_a_line),
        cmocka_unit_test(a_blank_token_keeps_its_number_and_a_second_one_is_refused),
        cmocka_unit_test(repeated_and_empty_lines_are_refused_by_number),
        cmocka_unit_test(pairs_may_leave_holes_but_not_share_ids),
        cmocka_unit_test(any_damage_is_an_error_or_another_vocabulary),
        cmocka_unit_test(the_golden_vocabularies_have_their_size),
        cmocka_unit_test(googles_vocabulary_simplified_has_13584_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
