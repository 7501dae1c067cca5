/* test_text_options.c - truncation, special and added tokens, and what options may not say. */
#include "support/test.h"
#include "unit/text_case.h"

static const char letters[] = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h i j 我 你 ! ##x";
static b4c_tokenizer *hub, *bert;

static int open_both(void **state)
{
    (void)state;
    hub = make_small(letters, B4C_DIALECT_HUB, -1);
    bert = make_small(letters, B4C_DIALECT_BERT4KERAS, -1);
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    b4c_tokenizer_free(hub);
    b4c_tokenizer_free(bert);
    return 0;
}

/* Tokens of all kinds, joined; one letter each, [CLS] as ^, [SEP] as $. */
static void assert_line(const b4c_tokenizer *t, const char *a, const char *b,
                        b4c_tokenize_options o, const char *wanted)
{
    b4c_encoding e = { 0 };
    b4c_buffer out = { 0 };
    encode_with(t, a, b, &o, &e);
    check_laws(t, &e, a, strlen(a), b, b ? strlen(b) : 0);
    assert_true(o.max_length == 0 || e.n <= o.max_length);
    for (int i = 0; i < e.n; i++) {
        const char *token = b4c_tokenizer_token(t, e.ids[i]);
        b4c_buffer_text(&out, e.ids[i] == 2 ? "^" : e.ids[i] == 3 ? "$" : token);
        assert_int_equal(e.added[i], e.ids[i] == 2 || e.ids[i] == 3);
    }
    b4c_buffer_text(&out, "");
    assert_string_equal(out.data, wanted);
    b4c_buffer_done(&out);
    b4c_encoding_free(&e);
}

static b4c_tokenize_options cut_to(int length, b4c_truncate how)
{
    return (b4c_tokenize_options){ .max_length = length, .truncate = how };
}

static void one_text_is_cut_on_the_side_that_was_asked(void **state)
{
    (void)state;
    const char *text = "a b c d e f g";
    for (int i = 0; i < 2; i++) {
        const b4c_tokenizer *t = i ? bert : hub;
        assert_line(t, text, NULL, cut_to(0, B4C_TRUNCATE_RIGHT), "^abcdefg$");
        assert_line(t, text, NULL, cut_to(9, B4C_TRUNCATE_RIGHT), "^abcdefg$");
        assert_line(t, text, NULL, cut_to(6, B4C_TRUNCATE_RIGHT), "^abcd$");
        assert_line(t, text, NULL, cut_to(6, B4C_TRUNCATE_LEFT), "^defg$");
        assert_line(t, text, NULL, cut_to(6, B4C_TRUNCATE_MIDDLE), "^abfg$");
        assert_line(t, text, NULL, cut_to(5, B4C_TRUNCATE_MIDDLE), "^abg$");
        assert_line(t, text, NULL, cut_to(3, B4C_TRUNCATE_MIDDLE), "^a$");
        assert_line(t, text, NULL, cut_to(2, B4C_TRUNCATE_LEFT), "^$");
        assert_line(t, text, NULL, cut_to(9, B4C_TRUNCATE_ERROR), "^abcdefg$");
        assert_line(t, "", NULL, cut_to(2, B4C_TRUNCATE_RIGHT), "^$");
    }
}

static void a_pair_gives_up_tokens_of_its_longer_text(void **state)
{
    (void)state;
    const char *a = "a b c d e", *b = "f g h";
    for (int i = 0; i < 2; i++) {
        const b4c_tokenizer *t = i ? bert : hub;
        assert_line(t, a, b, cut_to(0, B4C_TRUNCATE_RIGHT), "^abcde$fgh$");
        assert_line(t, a, b, cut_to(10, B4C_TRUNCATE_RIGHT), "^abcd$fgh$");
        assert_line(t, a, b, cut_to(9, B4C_TRUNCATE_RIGHT), "^abc$fgh$");
        assert_line(t, a, b, cut_to(9, B4C_TRUNCATE_LEFT), "^cde$fgh$");
        assert_line(t, a, b, cut_to(9, B4C_TRUNCATE_MIDDLE), "^abe$fgh$");
        assert_line(t, a, b, cut_to(7, B4C_TRUNCATE_MIDDLE), "^ae$fh$");
        assert_line(t, a, b, cut_to(3, B4C_TRUNCATE_RIGHT), "^$$");
        assert_line(t, a, "", cut_to(6, B4C_TRUNCATE_RIGHT), "^abc$$");
        assert_line(t, "", b, cut_to(4, B4C_TRUNCATE_LEFT), "^$h$");
    }
    /* an odd token: the hub leaves it to the longer text, bert4keras to the second */
    assert_line(hub, a, b, cut_to(8, B4C_TRUNCATE_RIGHT), "^abc$fg$");
    assert_line(bert, a, b, cut_to(8, B4C_TRUNCATE_RIGHT), "^ab$fgh$");
    assert_line(hub, b, a, cut_to(8, B4C_TRUNCATE_RIGHT), "^fg$abc$");
    assert_line(bert, b, a, cut_to(8, B4C_TRUNCATE_RIGHT), "^fg$abc$");
}

static void what_was_cut_is_counted(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    for (int length = 3; length <= 12; length++) {
        const b4c_tokenize_options o = cut_to(length, B4C_TRUNCATE_RIGHT);
        encode_with(hub, "a b c d e", "f g h", &o, &e);
        assert_int_equal(e.cut, 11 > length ? 11 - length : 0);
        assert_int_equal(e.n + e.cut, 11);
    }
    b4c_encoding_free(&e);
}

static void too_long_is_an_error_where_truncation_is_off(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    const b4c_tokenize_options o = cut_to(4, B4C_TRUNCATE_ERROR);
    assert_fails(b4c_tokenize(hub, "a b c", 5, NULL, 0, &o, &e, &err), &err, B4C_E_TEXT,
                 "5 tokens, the limit is 4");
    assert_int_equal(e.n, 0);
    assert_fails(b4c_tokenize(hub, "a b c", 5, "a", 1, &o, &e, &err), &err, B4C_E_TEXT, "pair");
    b4c_encoding_free(&e);
}

static void options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    b4c_tokenize_options o = cut_to(-1, B4C_TRUNCATE_RIGHT);
    assert_fails(b4c_tokenize(hub, "a", 1, NULL, 0, &o, &e, &err), &err, B4C_E_ARG, "-1");
    o = cut_to(1, B4C_TRUNCATE_RIGHT);
    assert_fails(b4c_tokenize(hub, "a", 1, NULL, 0, &o, &e, &err), &err, B4C_E_ARG,
                 "no room for the 2 special tokens");
    o = cut_to(2, B4C_TRUNCATE_RIGHT);
    assert_fails(b4c_tokenize(hub, "a", 1, "b", 1, &o, &e, &err), &err, B4C_E_ARG, "3 special");
    o.truncate = (b4c_truncate)9;
    assert_fails(b4c_tokenize(hub, "a", 1, NULL, 0, &o, &e, &err), &err, B4C_E_ARG, "truncate");
    assert_fails(b4c_tokenize(hub, NULL, 1, NULL, 0, NULL, &e, &err), &err, B4C_E_ARG, "no text");
    assert_int_equal(b4c_tokenize(NULL, "a", 1, NULL, 0, NULL, &e, NULL), B4C_E_ARG);
    b4c_encoding_free(&e);
    b4c_encoding_free(&e);
    b4c_encoding_free(NULL);

    b4c_tokenizer_options t = B4C_TOKENIZER_DEFAULT;
    t.dialect = (b4c_dialect)7;
    assert_null(try_make((made_of){ .vocabulary = "[UNK]\n" }, &t, &err));
    assert_error(&err, B4C_E_ARG, "dialect");
    t.dialect = B4C_DIALECT_BERT4KERAS;
    t.strip_accents = 0;
    assert_null(try_make((made_of){ .vocabulary = "[UNK]\n" }, &t, &err));
    assert_error(&err, B4C_E_ARG, "strip_accents");
}

static void special_tokens_can_be_left_out(void **state)
{
    (void)state;
    const b4c_tokenize_options none = { .no_special = true };
    assert_line(hub, "a b", NULL, none, "ab");
    assert_line(bert, "a b", "c", none, "abc");
    assert_line(hub, "", "", none, "");
    const b4c_tokenize_options cut = { .no_special = true, .max_length = 3 };
    assert_line(hub, "a b c d", NULL, cut, "abc");
    assert_line(hub, "a b c d", "e", cut, "abe");
}

static void a_vocabulary_without_cls_serves_where_no_special_tokens_are_wanted(void **state)
{
    (void)state;
    b4c_tokenizer *t = make_small("[UNK] a b", B4C_DIALECT_HUB, -1);
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    assert_fails(b4c_tokenize(t, "a", 1, NULL, 0, NULL, &e, &err), &err, B4C_E_MISSING, "[CLS]");
    const b4c_tokenize_options none = { .no_special = true };
    encode_with(t, "a b", NULL, &none, &e);
    assert_int_equal(e.n, 2);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

static void an_encoding_can_be_used_again_and_again(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    char text[4001];
    for (int round = 0; round < 6; round++) {
        const int n = round % 2 ? 2000 : 3;
        for (int i = 0; i < n; i++) memcpy(text + 2 * i, "a ", 2);
        text[2 * n] = 0;
        encode(hub, text, SIZE_MAX, &e);
        assert_int_equal(e.n, n + 2);
        check_laws(hub, &e, text, strlen(text), NULL, 0);
    }
    const int room = e.room;
    encode(hub, "a", 1, &e);
    assert_int_equal(e.room, room);
    b4c_encoding_free(&e);
    assert_null(e.ids);
}

/* ---- added tokens -------------------------------------------------------------------------- */

#define HEAD                                                                                 \
    "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"我\":3," \
    "\"b\":4,\"<\":5,\"x\":6,\">\":7}},\"normalizer\":{\"type\":\"BertNormalizer\"},"        \
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"added_tokens\":["

static b4c_tokenizer *with_added(const char *tokens)
{
    char json[2000];
    snprintf(json, sizeof json, HEAD "%s]}", tokens);
    return make((made_of){ .json = json }, NULL);
}

static void blanks_beside_a_token_are_its_own_if_it_says_so(void **state)
{
    (void)state;
    b4c_tokenizer *t = with_added("{\"id\":8,\"content\":\"<x>\",\"lstrip\":true,\"rstrip\":true,"
                                  "\"normalized\":false,\"special\":true}");
    assert_tokens(t, "a <x> \u3000b<x>", "a <x> b <x>");
    assert_bytes(t, "a <x> \u3000b<x>", "0-1 1-9 9-10 10-13");
    assert_bytes(t, "<x> <x>", "0-4 4-7");
    b4c_tokenizer_free(t);
    t = with_added("{\"id\":8,\"content\":\"<x>\",\"normalized\":false}");
    assert_bytes(t, "a <x> b", "0-1 2-5 6-7");
    b4c_tokenizer_free(t);
}

static void a_single_word_is_not_found_inside_a_word(void **state)
{
    (void)state;
    b4c_tokenizer *t = with_added("{\"id\":8,\"content\":\"ab\",\"single_word\":true,"
                                  "\"normalized\":false}");
    assert_tokens(t, "ab", "ab");
    assert_tokens(t, "ab!我", "ab [UNK] 我");
    assert_tokens(t, "abx aab", "[UNK] [UNK]");
    assert_tokens(t, "ab我", "a ##b 我");   /* ideographs are word characters */
    b4c_tokenizer_free(t);
}

static void normalized_tokens_are_sought_in_the_normalised_text(void **state)
{
    (void)state;
    b4c_tokenizer *t = with_added("{\"id\":8,\"content\":\"Äx\",\"normalized\":true},"
                                  "{\"id\":9,\"content\":\"BX\",\"normalized\":false}");
    assert_tokens(t, "Äx ÄX ax a\u0308x", "Äx Äx Äx Äx");
    assert_bytes(t, "a\u0308\u200bx!", "0-7 7-8");
    assert_dropped(t, "\u200ba\u0308\u200bx!", "0 4 6");
    assert_tokens(t, "BX bx", "BX [UNK]");
    b4c_tokenizer_free(t);
}

static void the_longest_of_several_tokens_is_found(void **state)
{
    (void)state;
    b4c_tokenizer *t = with_added("{\"id\":8,\"content\":\"<x\",\"normalized\":false},"
                                  "{\"id\":9,\"content\":\"<x>>\",\"normalized\":false},"
                                  "{\"id\":10,\"content\":\"我我\",\"normalized\":false}");
    assert_tokens(t, "<x><x>><x<我我我", "<x > <x>> <x < 我我 我");
    b4c_tokenizer_free(t);
}

static void many_added_tokens_are_all_found(void **state)
{
    (void)state;
    b4c_buffer json = { 0 }, text = { 0 }, tokens = { 0 };
    b4c_buffer_text(&json, HEAD);
    for (int i = 0; i < 3000; i++) {
        b4c_buffer_print(&json, "%s{\"id\":%d,\"content\":\"<%d>\",\"normalized\":%s}",
                         i ? "," : "", 8 + i, i, i % 2 ? "true" : "false");
        b4c_buffer_print(&text, "<%d>a", i);
        b4c_buffer_print(&tokens, "%s<%d> a", i ? " " : "", i);
    }
    b4c_buffer_text(&json, "]}");
    b4c_tokenizer *t = make((made_of){ .json = json.data }, NULL);
    assert_int_equal(b4c_tokenizer_count(t), 3008);
    assert_string_equal(b4c_tokenizer_token(t, 2007), "<1999>");
    assert_tokens(t, text.data, tokens.data);
    b4c_tokenizer_free(t);
    b4c_buffer_done(&json);
    b4c_buffer_done(&text);
    b4c_buffer_done(&tokens);
}

static void blanks_are_divided_among_greedy_tokens(void **state)
{
    (void)state;
    b4c_tokenizer *t = with_added(
        "{\"id\":8,\"content\":\" \",\"rstrip\":true,\"normalized\":false}");
    char text[20001];
    memset(text, ' ', 20000);
    text[20000] = 0;
    assert_bytes(t, text, "0-20000");   /* and not in quadratic time */
    assert_tokens(t, "a  a", "a   a");
    b4c_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_text_is_cut_on_the_side_that_was_asked),
        cmocka_unit_test(a_pair_gives_up_tokens_of_its_longer_text),
        cmocka_unit_test(what_was_cut_is_counted),
        cmocka_unit_test(too_long_is_an_error_where_truncation_is_off),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(special_tokens_can_be_left_out),
        cmocka_unit_test(a_vocabulary_without_cls_serves_where_no_special_tokens_are_wanted),
        cmocka_unit_test(an_encoding_can_be_used_again_and_again),
        cmocka_unit_test(blanks_beside_a_token_are_its_own_if_it_says_so),
        cmocka_unit_test(a_single_word_is_not_found_inside_a_word),
        cmocka_unit_test(normalized_tokens_are_sought_in_the_normalised_text),
        cmocka_unit_test(the_longest_of_several_tokens_is_found),
        cmocka_unit_test(many_added_tokens_are_all_found),
        cmocka_unit_test(blanks_are_divided_among_greedy_tokens),
    };
    return cmocka_run_group_tests(tests, open_both, close_both);
}
