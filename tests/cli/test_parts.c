/* test_parts.c - the command's own arithmetic: numbers as text, hashes, UTF-8, widths. */
#include "support/test.h"

#include <float.h>
#include <math.h>

#include "../../cli/message.c"
#include "../../cli/number.c"
#include "../../cli/sha.c"
#include "../../cli/utf8.c"

static const char *shown(float x)
{
    static char room[CLI_FLOAT_ROOM];
    const size_t n = cli_float_text(x, room);
    assert_int_equal(n, strlen(room));
    return room;
}

static void a_float_reads_back_as_itself(void **state)
{
    (void)state;
    uint32_t bits = 1;
    for (int i = 0; i < 300000; i++) {
        float x;
        bits = bits * 1664525u + 1013904223u;
        const uint32_t b = bits ^ bits >> 13;
        memcpy(&x, &b, sizeof x);
        if (!isfinite(x)) continue;
        if (strtof(shown(x), NULL) != x) fail_msg("%.9g is written as %s", (double)x, shown(x));
    }
}

static void short_floats_are_written_short(void **state)
{
    (void)state;
    static const struct {
        float x;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { -0.0f, "-0" },
        { 1, "1" },
        { 0.1f, "0.1" },
        { -0.25f, "-0.25" },
        { 100, "100" },
        { 123456, "123456" },
        { 16777216, "16777216" },
        { 1e9f, "1e+09" },
        { 1e-5f, "0.00001" },
        { 1e-6f, "1e-06" },
        { 0.99999994f, "0.99999994" },
        { FLT_MAX, "3.4028235e+38" },
        { FLT_MIN, "1.1754944e-38" },
        { INFINITY, "inf" },
        { -INFINITY, "-inf" },
        { NAN, "nan" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) assert_string_equal(shown(cases[i].x), cases[i].text);
}

static void counts_bytes_and_times_are_written_for_people(void **state)
{
    (void)state;
    char room[32];
    assert_string_equal(cli_count_text(0, room), "0");
    assert_string_equal(cli_count_text(999, room), "999");
    assert_string_equal(cli_count_text(1000, room), "1,000");
    assert_string_equal(cli_count_text(1234567890123, room), "1,234,567,890,123");
    assert_string_equal(cli_bytes_text(999, room), "999 B");
    assert_string_equal(cli_bytes_text(94851877, room), "94.9 MB");
    assert_string_equal(cli_bytes_text(999600, room), "1.0 MB");
    assert_string_equal(cli_time_text(59.6, room), "1:00");
    assert_string_equal(cli_time_text(7384, room), "2:03:04");
}

static const char *hash(bool sha256, const char *text, size_t step)
{
    static char hex[65];
    cli_sha s;
    const size_t n = strlen(text);
    if (sha256)
        cli_sha256_start(&s);
    else
        cli_sha1_start(&s);
    for (size_t at = 0; at < n; at += step)
        cli_sha_add(&s, text + at, n - at < step ? n - at : step);
    cli_sha_end(&s, hex);
    return hex;
}

/* FIPS 180-4's examples. */
static void hashes_are_the_standards(void **state)
{
    (void)state;
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_string_equal(hash(true, "", 1),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(hash(true, "abc", 3),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_string_equal(hash(true, two, 7),
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_string_equal(hash(false, "abc", 1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_string_equal(hash(false, two, 64), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

static void a_hash_does_not_feel_how_its_bytes_came(void **state)
{
    (void)state;
    char text[300], whole[65];
    for (size_t n = 0; n < sizeof text; n++) {
        memset(text, 'a' + (int)(n % 26), n);
        text[n] = 0;
        strcpy(whole, hash(true, text, sizeof text));
        for (size_t step = 1; step < 130; step += 21)
            assert_string_equal(hash(true, text, step), whole);
    }
}

static void utf8_is_checked_to_the_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bad;
    } cases[] = {
        { "今天 a\xf0\x9f\x98\x80", 12 },
        { "\xc0\x80", 0 },
        { "a\xc1\xbf", 1 },
        { "\xe0\x9f\xbf", 0 },
        { "ab\xed\xa0\x80", 2 },
        { "\xed\x9f\xbf\xee\x80\x80", 6 },
        { "\xf0\x8f\xbf\xbf", 0 },
        { "\xf4\x8f\xbf\xbf", 4 },
        { "\xf4\x90\x80\x80", 0 },
        { "\xf5\x80\x80\x80", 0 },
        { "今\xe5\xa4", 3 },
        { "\x80", 0 },
        { "", 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(cli_utf8_bad(cases[i].text, strlen(cases[i].text)), cases[i].bad);
}

static void conversion_gives_utf8_or_the_bad_byte(void **state)
{
    (void)state;
    cli_recode c = { 0 };
    const char *out;
    size_t n, bad;
    b4c_error err;
    assert_int_equal(cli_recode_open(&c, CLI_GB18030, &err), 0);
    assert_int_equal(
        cli_recode_text(&c, "\xbd\xf1\xcc\xec\x95\x32\x82\x36", 8, &out, &n, &bad, &err), 0);
    assert_int_equal(n, 10);
    assert_memory_equal(out, "今天\xf0\xa0\x80\x80", 10); /* four bytes: U+20000 */
    assert_int_equal(cli_recode_text(&c, "ab\xff", 3, &out, &n, &bad, &err), B4C_E_TEXT);
    assert_int_equal(bad, 2);
    assert_int_equal(cli_recode_text(&c, "ab\xbd", 3, &out, &n, &bad, &err), B4C_E_TEXT);
    assert_int_equal(cli_recode_text(&c, "", 0, &out, &n, &bad, &err), 0);
    assert_int_equal(n, 0);
    cli_recode_close(&c);
    assert_int_equal(cli_recode_open(&c, CLI_BIG5, &err), 0);
    assert_int_equal(cli_recode_text(&c, "\xa4\xb5\xa4\xd1", 4, &out, &n, &bad, &err), 0);
    assert_memory_equal(out, "今天", 6);
    /* A letter that a following mark may change is not lost at the end. */
    assert_int_equal(cli_recode_text(&c, "\x88\x66", 2, &out, &n, &bad, &err), 0);
    assert_int_equal(n, 2);
    cli_recode_close(&c);
}

static void advice_knows_what_bytes_look_like(void **state)
{
    (void)state;
    assert_non_null(strstr(cli_utf8_advice("\x1f\x8b\x08", 3), "gzip"));
    assert_non_null(strstr(cli_utf8_advice("\xff\xfe\x2a\x4e", 4), "UTF-16"));
    assert_non_null(strstr(cli_utf8_advice("\xbd\xf1\xcc\xec", 4), "gb18030"));
    assert_non_null(strstr(cli_utf8_advice("\x93NUMPY\x01", 7), ".npy"));
    assert_non_null(strstr(cli_utf8_advice("\xff\xff\xff", 3), "is it text"));
}

static void chinese_is_two_columns_wide(void **state)
{
    (void)state;
    assert_int_equal(cli_width("abc", 3), 3);
    assert_int_equal(cli_width("今天", 6), 4);
    assert_int_equal(cli_width("e\xcc\x81", 3), 1); /* e and a combining acute */
    assert_int_equal(cli_width("，", 3), 2);
    assert_int_equal(cli_width("\xff\x01", 2), 2); /* shown as two marks */
    assert_int_equal(cli_width_cut("今天", 6, 3), 3);
    assert_int_equal(cli_width_cut("今天", 6, 4), 6);
    assert_int_equal(cli_width_cut("今天", 6, 0), 0);
    assert_int_equal(cli_width_cut("", 0, 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_float_reads_back_as_itself),
        cmocka_unit_test(short_floats_are_written_short),
        cmocka_unit_test(counts_bytes_and_times_are_written_for_people),
        cmocka_unit_test(hashes_are_the_standards),
        cmocka_unit_test(a_hash_does_not_feel_how_its_bytes_came),
        cmocka_unit_test(utf8_is_checked_to_the_byte),
        cmocka_unit_test(conversion_gives_utf8_or_the_bad_byte),
        cmocka_unit_test(advice_knows_what_bytes_look_like),
        cmocka_unit_test(chinese_is_two_columns_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
