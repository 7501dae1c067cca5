/* test_text_offsets.c - laws of offsets over random Unicode and very long texts. */
#include <time.h>

#include "support/test.h"
#include "text/utf8.h"
#include "unit/text_case.h"

enum { TEXTS = 400, CHARACTERS = 40 };

static const char words[] =
    "[PAD] [UNK] [CLS] [SEP] [MASK] a b c ##a ##b ##c e ##e i ##i ß 我 你 北京 ##我 . , ! ' - [ ] か "
    "\u1112 ##\u1161 ##\u11ab σ ##ς ##σ # ## U S A s d o n t 3 1 4 ##s";

/* Tokenizers of both dialects with every combination of flags, added tokens of each kind. */
static b4c_tokenizer *variant(int i)
{
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    const bool hub = i & 1;
    o.dialect = hub ? B4C_DIALECT_HUB : B4C_DIALECT_BERT4KERAS;
    o.lower_case = i >> 1 & 1;
    if (hub) o.strip_accents = i >> 2 & 1;
    if (hub) o.chinese_chars = i >> 3 & 1;
    char *lines = strdup(words);
    assert_non_null(lines);
    for (char *p = lines; *p; p++)
        if (*p == ' ') *p = '\n';
    const bool added = i >> 4 & 1;
    const char *config = i >> 5 & 1 ? "{\"clean_text\":false}" : "{}";
    b4c_tokenizer *t = make((made_of){ .vocabulary = lines,
                                       .config = config,
                                       .added = added ? "{\"ab\":60,\"É\":61,\"北\":62}" : NULL },
                            &o);
    free(lines);
    return t;
}

static void offsets_hold_for_random_texts_under_every_flag(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 11, 0, 0);
    b4c_encoding e = { 0 };
    char a[8 * CHARACTERS + 16], b[8 * CHARACTERS + 16];
    for (int i = 0; i < 64; i++) {
        b4c_tokenizer *t = variant(i);
        for (int k = 0; k < TEXTS / 8; k++) {
            const size_t n = random_text(&r, CHARACTERS, a), m = random_text(&r, CHARACTERS, b);
            b4c_error err = { 0 };
            const b4c_tokenize_options o = { .plain_text = k & 1, .find_special = k & 2 };
            assert_ok(b4c_tokenize(t, a, n, k & 4 ? b : NULL, m, &o, &e, &err), &err);
            check_laws(t, &e, a, n, k & 4 ? b : NULL, m);
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
}

static void offsets_hold_in_the_real_vocabulary(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 12, 0, 0);
    b4c_encoding e = { 0 };
    char a[8 * CHARACTERS + 16];
    for (int i = 0; i < 4; i++) {
        b4c_tokenizer *t = open_golden("vocab-zh.txt",
                                       i & 1 ? B4C_DIALECT_HUB : B4C_DIALECT_BERT4KERAS, i >> 1);
        for (int k = 0; k < TEXTS; k++) {
            const size_t n = random_text(&r, CHARACTERS, a);
            encode(t, a, n, &e);
            check_laws(t, &e, a, n, NULL, 0);
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
}

static void truncation_keeps_a_part_of_what_there_was(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 13, 0, 0);
    b4c_encoding all = { 0 }, cut = { 0 };
    char a[8 * CHARACTERS + 16], b[8 * CHARACTERS + 16];
    for (int i = 0; i < 2; i++) {
        b4c_tokenizer *t = variant(i ? 3 : 2);
        for (int k = 0; k < TEXTS; k++) {
            const size_t n = random_text(&r, CHARACTERS, a), m = random_text(&r, CHARACTERS, b);
            const char *second = k & 1 ? b : NULL;
            b4c_tokenize_options o = B4C_TOKENIZE_DEFAULT;
            b4c_error err = { 0 };
            assert_ok(b4c_tokenize(t, a, n, second, m, &o, &all, &err), &err);
            o.max_length = 3 + (int)b4c_rng_below(&r, 40);
            o.truncate = (b4c_truncate)b4c_rng_below(&r, 3);
            assert_ok(b4c_tokenize(t, a, n, second, m, &o, &cut, &err), &err);
            check_laws(t, &cut, a, n, second, m);
            assert_int_equal(cut.n + cut.cut, all.n);
            assert_int_equal(cut.n, all.n < o.max_length ? all.n : o.max_length);
            int at = 0;
            for (int x = 0; x < cut.n; x++, at++) {
                while (at < all.n && (all.ids[at] != cut.ids[x] || all.begin[at] != cut.begin[x] ||
                                      all.segments[at] != cut.segments[x]))
                    at++;
                assert_true(at < all.n);
            }
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&all);
    b4c_encoding_free(&cut);
}

/* REPORTS T28: bytes that are not UTF-8 ended a process. */
static void broken_bytes_are_an_error_or_repaired_never_a_crash(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 14, 0, 0);
    b4c_encoding e = { 0 };
    char a[8 * CHARACTERS + 16];
    for (int i = 0; i < 64; i += 7) {
        b4c_tokenizer *t = variant(i);
        for (int k = 0; k < TEXTS / 4; k++) {
            const size_t n = random_bytes(&r, CHARACTERS, a), bad = b4c_utf8_check(a, n);
            b4c_error err = { 0 };
            if (bad < n) {
                char byte[40];
                snprintf(byte, sizeof byte, "byte %zu ", bad);
                assert_fails(b4c_tokenize(t, a, n, NULL, 0, NULL, &e, &err), &err, B4C_E_TEXT,
                             byte);
            }
            const b4c_tokenize_options o = { .repair = true };
            assert_ok(b4c_tokenize(t, a, n, NULL, 0, &o, &e, &err), &err);
            assert_int_equal(e.repaired > 0, bad < n);
            check_laws(t, &e, a, n, NULL, 0);
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
}

/* A text tokenized in one piece is its words tokenized one by one, where blanks divide it. */
static void words_do_not_feel_their_neighbours(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 15, 0, 0);
    b4c_encoding e = { 0 }, one = { 0 };
    const b4c_tokenize_options o = { .no_special = true, .plain_text = true };
    char text[8 * (8 * 6 + 17)];
    for (int i = 0; i < 2; i++) {
        b4c_tokenizer *t = variant(i ? 11 : 2);
        for (int k = 0; k < TEXTS; k++) {
            size_t n = 0, begin[8], end[8];
            for (int w = 0; w < 8; w++) {
                begin[w] = n;
                n += random_text(&r, 6, text + n);
                end[w] = n;
                text[n++] = '\n';
            }
            b4c_error err = { 0 };
            assert_ok(b4c_tokenize(t, text, n, NULL, 0, &o, &e, &err), &err);
            int at = 0;
            for (int w = 0; w < 8; w++) {
                assert_ok(
                    b4c_tokenize(t, text + begin[w], end[w] - begin[w], NULL, 0, &o, &one, &err),
                    &err);
                for (int x = 0; x < one.n; x++, at++) {
                    assert_true(at < e.n);
                    assert_int_equal(e.ids[at], one.ids[x]);
                    assert_int_equal(e.begin[at], one.begin[x] + begin[w]);
                }
            }
            assert_int_equal(at, e.n);
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
    b4c_encoding_free(&one);
}

/* ---- long texts ---------------------------------------------------------------------------- */

static double seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* `unit` repeated to n bytes at most. */
static char *repeated(const char *unit, size_t n, size_t *size)
{
    const size_t k = strlen(unit);
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (*size = 0; *size + k <= n; *size += k) memcpy(text + *size, unit, k);
    return text;
}

static void a_million_characters_take_linear_time(void **state)
{
    (void)state;
    static const char *const unit[] = {
        "我",     "a",       "ab ",     "a b\n",      "[",          "[MASK",    "[MASK]", "\u0301",
        "e\u0301", "\u200b", "한",      "Σ",          "Α'Σ",        "Σ''''''",  "\u302e\u1b44",
        "a\u302e\u1b44", " ", "\U0001f600", "İ",      "É北É",       "\U0002b820", "!",    "\u3000我",
    };
    b4c_encoding e = { 0 };
    for (int i = 0; i < 4; i++) {
        b4c_tokenizer *t = variant(i < 2 ? 2 + i : 0x1e + i - 2);
        for (size_t k = 0; k < COUNT(unit); k++) {
            double time[2];
            for (int big = 0; big < 2; big++) {
                size_t n;
                char *text = repeated(unit[k], big ? 2000000 : 250000, &n);
                const double begin = seconds();
                const b4c_tokenize_options o = { .find_special = true };
                b4c_error err = { 0 };
                assert_ok(b4c_tokenize(t, text, n, NULL, 0, &o, &e, &err), &err);
                time[big] = seconds() - begin;
                assert_true(e.n >= 2 && e.n_dropped >= 0);
                if (e.n > 2) assert_true(e.end[e.n - 2] <= n);
                free(text);
            }
            /* 8 times the text: 8 times the time, or 64 where it were quadratic */
            if (time[1] > 40 * (time[0] + 0.002))
                fail_msg("variant %d, '%s': %.3f s, then %.3f s", i, unit[k], time[0], time[1]);
        }
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
}

static void one_word_of_a_hundred_megabytes_is_one_unknown_token(void **state)
{
    (void)state;
    size_t n;
    char *text = repeated("x", 100 << 20, &n);
    b4c_encoding e = { 0 };
    for (int i = 0; i < 2; i++) {
        b4c_tokenizer *t = variant(2 + i);
        encode(t, text, n, &e);
        assert_int_equal(e.n, 3);
        assert_int_equal(e.unknown, 1);
        assert_int_equal(e.begin[1], 0);
        assert_int_equal(e.end[1], n);
        assert_int_equal(e.char_end[1], n);
        assert_true(e.room < 1000);
        b4c_tokenizer_free(t);
    }
    b4c_encoding_free(&e);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_hold_for_random_texts_under_every_flag),
        cmocka_unit_test(offsets_hold_in_the_real_vocabulary),
        cmocka_unit_test(truncation_keeps_a_part_of_what_there_was),
        cmocka_unit_test(broken_bytes_are_an_error_or_repaired_never_a_crash),
        cmocka_unit_test(words_do_not_feel_their_neighbours),
        cmocka_unit_test(a_million_characters_take_linear_time),
        cmocka_unit_test(one_word_of_a_hundred_megabytes_is_one_unknown_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
