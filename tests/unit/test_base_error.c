/* Messages are one line of UTF-8, whatever they quote. */
#include "base/error.h"
#include "support/test.h"

static void a_failure_carries_its_code_and_message(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    assert_int_equal(b4c_fail(&err, B4C_E_SHAPE, "%s: found %d, wanted %d", "w", 3, 4),
                     B4C_E_SHAPE);
    assert_int_equal(err.code, B4C_E_SHAPE);
    assert_string_equal(err.message, "w: found 3, wanted 4");
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    assert_int_equal(b4c_fail(NULL, B4C_E_IO, "%s", "x"), B4C_E_IO);
    assert_true(b4c_fail_in(NULL, "y") < 0);
}

static void a_prefix_goes_in_front(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_fail(&err, B4C_E_FORMAT, "bad");
    assert_int_equal(b4c_fail_in(&err, "line %d", 7), B4C_E_FORMAT);
    assert_string_equal(err.message, "line 7: bad");
}

static void a_message_may_quote_itself(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_fail(&err, B4C_E_IO, "first");
    b4c_fail(&err, B4C_E_FORMAT, "second (%s)", err.message);
    assert_string_equal(err.message, "second (first)");
    b4c_fail_in(&err, "%s", err.message);
    assert_string_equal(err.message, "second (first): second (first)");
}

static void lines_and_broken_bytes_are_cleaned(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_fail(&err, B4C_E_TEXT,
             "a\nb\001c\177 \xff \xe4\xbd \xed\xa0\x80 \xc0\xaf 你好😀");
    assert_string_equal(err.message, "a b c  ? ?? ??? ?? 你好😀");
}

static void a_long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char text[3000] = "aaa";
        size_t n = (size_t)shift;
        while (n + 4 < sizeof text) n += put_utf8(text + n, 0x4f60);
        text[n] = 0;
        b4c_error err;
        memset(&err, 'x', sizeof err);
        b4c_fail(&err, B4C_E_TEXT, "%s", text);
        const size_t length = strlen(err.message);
        assert_true(length < sizeof err.message);
        assert_true(length > sizeof err.message - 8);
        assert_string_equal(err.message + length - 3, "...");
        assert_int_equal((length - 3 - (size_t)shift) % 3, 0);
        b4c_fail_in(&err, "%s", text);
        assert_true(strlen(err.message) < sizeof err.message);
    }
}

static int three_tries(int first, int second)
{
    B4C_TRY(first);
    B4C_TRY(second);
    return 5;
}

static void a_try_passes_only_failures_on(void **state)
{
    (void)state;
    assert_int_equal(three_tries(0, 1), 5);
    assert_int_equal(three_tries(-3, -4), -3);
    assert_int_equal(three_tries(0, -4), -4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_carries_its_code_and_message),
        cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(a_prefix_goes_in_front),
        cmocka_unit_test(a_message_may_quote_itself),
        cmocka_unit_test(lines_and_broken_bytes_are_cleaned),
        cmocka_unit_test(a_long_message_is_cut_at_a_character),
        cmocka_unit_test(a_try_passes_only_failures_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
