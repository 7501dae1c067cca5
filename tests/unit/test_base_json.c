/* JSON: what is strict, what is accepted, and what the messages say. */
#include "base/json.h"
#include "support/test.h"

static json_t *parse(const char *text, b4c_error *err)
{
    return b4c_json_parse(text, strlen(text), "x.json", err);
}

static void good_json_is_read(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *good[] = {
        "{}", "[]",   " {\"a\": [1, 2.5, null, true, \"\\u4f60\"]}\n", "\xef\xbb\xbf{\"a\": 1}",
        "3",  "\"x\""
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        json_t *v = parse(good[i], &err);
        if (!v) fail_msg("%s: %s", good[i], err.message);
        json_decref(v);
    }
}

static void bad_json_is_refused_with_its_place(void **state)
{
    (void)state;
    const char *bad[] = { "", "{", "{\"a\":1,}", "{\"a\":1} x", "{'a':1}", "[1 2]", "\"\xff\"",
                          "{\"a\":NaN}", "[01]", "\"\\ud800\"", "\"\\u0000\"", "[1e999]",
                          "\xef\xbb\xbf", "nul" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        b4c_error err = { 0 };
        json_t *v = parse(bad[i], &err);
        if (v) fail_msg("taken: %s", bad[i]);
        assert_error(&err, B4C_E_FORMAT, "x.json");
        assert_error(&err, B4C_E_FORMAT, "not valid JSON");
    }
    b4c_error err = { 0 };
    assert_null(parse("{\n  \"a\": 1,\n  \"b\": 2,\n  \"a\": 3\n}", &err));
    assert_error(&err, B4C_E_FORMAT, "line 4");
    assert_error(&err, B4C_E_FORMAT, "duplicate");
}

static void deep_json_is_an_error_not_a_crash(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    char *text = malloc(DEPTH + 1);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    text[DEPTH] = 0;
    b4c_error err = { 0 };
    assert_null(parse(text, &err));
    assert_error(&err, B4C_E_FORMAT, "x.json");
    free(text);
}

static void files_are_read_and_named_in_messages(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    json_t *v = b4c_json_file(temp_text("配置.json", "{\"层\": 12}"), &err);
    assert_non_null(v);
    long long n = 0;
    assert_int_equal(b4c_json_int(v, "层", 1, 100, &n, "配置.json", &err), 1);
    assert_int_equal(n, 12);
    json_decref(v);
    assert_null(b4c_json_file(temp_text("empty.json", ""), &err));
    assert_error(&err, B4C_E_FORMAT, "empty.json: the file is empty");
    assert_null(b4c_json_file(temp_path("absent.json"), &err));
    assert_error(&err, B4C_E_IO, "absent.json");
}

static void integers_are_checked(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    json_t *v = parse("{\"n\": 12, \"r\": 512.0, \"h\": 0.5, \"s\": \"12\", \"z\": null, \"big\": "
                      "1e300, \"min\": -9223372036854775808}",
                      &err);
    long long n = -1;
    assert_int_equal(b4c_json_int(v, "n", 1, 12, &n, "c", &err), 1);
    assert_int_equal(n, 12);
    assert_int_equal(b4c_json_int(v, "r", 1, 1000, &n, "c", &err), 1);
    assert_int_equal(n, 512);
    assert_int_equal(b4c_json_int(v, "min", INT64_MIN, 0, &n, "c", &err), 1);
    assert_true(n == INT64_MIN);
    n = 77;
    assert_int_equal(b4c_json_int(v, "absent", 0, 9, &n, "c", &err), 0);
    assert_int_equal(b4c_json_int(v, "z", 0, 9, &n, "c", &err), 0);
    assert_fails(b4c_json_int(v, "n", 13, 20, &n, "c.json", &err), &err, B4C_E_FORMAT,
                 "c.json: \"n\" is 12, wanted 13 to 20");
    assert_fails(b4c_json_int(v, "n", 0, 11, &n, "c", &err), &err, B4C_E_FORMAT, "wanted 0 to 11");
    assert_fails(b4c_json_int(v, "h", 0, 9, &n, "c", &err), &err, B4C_E_FORMAT,
                 "wanted an integer");
    assert_fails(b4c_json_int(v, "s", 0, 99, &n, "c", &err), &err, B4C_E_FORMAT,
                 "\"s\" is a string");
    assert_fails(b4c_json_int(v, "big", 0, INT64_MAX, &n, "c", &err), &err, B4C_E_FORMAT,
                 "wanted an integer");
    assert_int_equal(n, 77);
    json_decref(v);
}

/* tokenizer_config.json says so for "no limit". */
static void integers_beyond_64_bits_are_numbers_still(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    json_t *v = parse("{\"max\": 1000000000000000019884624838656, \"n\": 512}", &err);
    if (!v) fail_msg("%s", err.message);
    double x = 0;
    long long n = 0;
    assert_int_equal(b4c_json_real(v, "max", &x, "c", &err), 1);
    assert_true(x == 1e30);
    assert_int_equal(b4c_json_int(v, "n", 1, 1000, &n, "c", &err), 1);
    assert_int_equal(n, 512);
    assert_fails(b4c_json_int(v, "max", 1, 1000, &n, "c", &err), &err, B4C_E_FORMAT, "\"max\"");
    json_decref(v);
}

static void other_types_are_checked(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    json_t *v = parse("{\"i\": 1, \"r\": 1e-12, \"b\": true, \"f\": false, \"t\": \"文\", \"z\": "
                      "null, \"l\": []}",
                      &err);
    double x = 7;
    assert_int_equal(b4c_json_real(v, "r", &x, "c", &err), 1);
    assert_true(x == 1e-12);
    assert_int_equal(b4c_json_real(v, "i", &x, "c", &err), 1);
    assert_true(x == 1);
    assert_int_equal(b4c_json_real(v, "z", &x, "c", &err), 0);
    assert_fails(b4c_json_real(v, "t", &x, "c", &err), &err, B4C_E_FORMAT, "wanted a number");
    bool b = false;
    assert_int_equal(b4c_json_bool(v, "b", &b, "c", &err), 1);
    assert_true(b);
    assert_int_equal(b4c_json_bool(v, "f", &b, "c", &err), 1);
    assert_false(b);
    assert_int_equal(b4c_json_bool(v, "none", &b, "c", &err), 0);
    assert_fails(b4c_json_bool(v, "i", &b, "c", &err), &err, B4C_E_FORMAT,
                 "\"i\" is an integer, wanted true or false");
    const char *t = NULL;
    assert_int_equal(b4c_json_text(v, "t", &t, "c", &err), 1);
    assert_string_equal(t, "文");
    assert_int_equal(b4c_json_text(v, "none", &t, "c", &err), 0);
    assert_fails(b4c_json_text(v, "l", &t, "c", &err), &err, B4C_E_FORMAT,
                 "\"l\" is a list, wanted a string");
    json_decref(v);
}

static void what_is_no_object_has_no_keys(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    long long n;
    json_t *v = parse("[1]", &err);
    assert_fails(b4c_json_int(v, "n", 0, 1, &n, "c.json", &err), &err, B4C_E_FORMAT,
                 "c.json: found a list, wanted an object with \"n\"");
    json_decref(v);
    assert_fails(b4c_json_int(NULL, "n", 0, 1, &n, "c.json", &err), &err, B4C_E_FORMAT,
                 "found nothing");
}

static int read_json(const void *bytes, size_t n, void *arg, b4c_error *err)
{
    (void)arg;
    json_t *v = b4c_json_parse(bytes, n, "cut.json", err);
    if (!v) return err->code;
    json_decref(v);
    return 0;
}

static void broken_json_never_crashes(void **state)
{
    (void)state;
    const char *good =
        "{\"a\": [1, 2.5e3, {\"键\": \"\\ud83d\\ude00\\n\"}], \"b\": null, \"c\": [true, false]}";
    const cut_result r = cut_bytes(good, strlen(good), 1, read_json, NULL);
    assert_int_equal(r.cuts_taken, 0);
    assert_true(r.changes > r.changes_taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_json_is_read),
        cmocka_unit_test(bad_json_is_refused_with_its_place),
        cmocka_unit_test(deep_json_is_an_error_not_a_crash),
        cmocka_unit_test(files_are_read_and_named_in_messages),
        cmocka_unit_test(integers_are_checked),
        cmocka_unit_test(integers_beyond_64_bits_are_numbers_still),
        cmocka_unit_test(other_types_are_checked),
        cmocka_unit_test(what_is_no_object_has_no_keys),
        cmocka_unit_test(broken_json_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
