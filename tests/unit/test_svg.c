/* test_svg.c - pictures of curves: well-formed, whatever the numbers are. */
#include "base/svg.h"
#include "support/test.h"
#include "train/curve.h"
#include <math.h>

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part))) n++, text += strlen(part);
    return n;
}

/* Tags close; no number is nan or inf; quotes pair. */
static void assert_well_formed(const char *svg)
{
    assert_non_null(strstr(svg, "<svg "));
    assert_non_null(strstr(svg, "</svg>\n"));
    assert_int_equal(count_of(svg, "<text"), count_of(svg, "</text>"));
    assert_int_equal(count_of(svg, "<path") + count_of(svg, "<rect"), count_of(svg, "\"/>"));
    assert_int_equal(count_of(svg, "\"") % 2, 0);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
}

static void marks_are_round_numbers_and_neither_few_nor_many(void **state)
{
    (void)state;
    for (double low = -1000; low <= 1000; low += 333.3)
        for (double length = 1e-6; length < 1e9; length *= 1.37) {
            const double step = b4c_svg_step(low, low + length);
            const double first = step / pow(10, floor(log10(step) + 1e-9));
            assert_true(fabs(first - 1) < 1e-6 || fabs(first - 2) < 1e-6 || fabs(first - 5) < 1e-6);
            assert_in_range((int)(length / step), 3, 9);
        }
}

static void any_numbers_make_a_picture(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const double x[] = { 0, 1, 2, 3 };
    const double y[][4] = {
        { 1, 2, 3, 4 },         { 5, 5, 5, 5 },           { 0, 0, 0, 0 },
        { NAN, NAN, NAN, NAN }, { 1, NAN, 3, INFINITY },  { 1e300, -1e300, 0, 1 },
        { 1e-300, 0, 1e-300, 0 },
    };
    for (size_t i = 0; i < COUNT(y); i++)
        for (size_t n = 0; n <= 4; n++) {
            const b4c_svg_line line = { "a < b & c", x, y[i], n, n == 3 };
            const b4c_svg_panel panel[] = { { "困惑度", &line, 1 }, { "empty", NULL, 0 } };
            const char *path = temp_path("any.svg");
            assert_ok(b4c_svg_write(path, "step", panel, 2, &err), &err);
            char *svg = read_file(path, NULL);
            assert_well_formed(svg);
            assert_non_null(strstr(svg, "a &lt; b &amp; c"));
            assert_non_null(strstr(svg, "困惑度"));
            free(svg);
        }
}

static void a_log_becomes_a_curve(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    char *log = malloc(200000), *p = log;
    for (int step = 1; step <= 2000; step++) {
        p += sprintf(p, "{\"step\":%d,\"loss\":%g,\"rate\":0.1}\n", step, 5.0 / step);
        if (step % 500 == 0)
            p += sprintf(p, "{\"step\":%d,\"spearman\":0.5,\"best\":true}\n", step);
    }
    strcpy(p, "{\"step\":2001,\"lo"); /* it was being written */
    const char *from = temp_text("log.jsonl", log), *path = temp_path("curve.svg");
    static const char *const metric[] = { NULL, "loss", "spearman" };
    for (size_t i = 0; i < COUNT(metric); i++) {
        assert_ok(b4c_curve_write(from, metric[i], path, &err), &err);
        char *svg = read_file(path, NULL);
        assert_well_formed(svg);
        assert_int_equal(count_of(svg, "<rect"), i == 2 ? 2 : 1);
        assert_true(strlen(svg) < 30000); /* 2000 steps are thinned */
        assert_int_equal(count_of(svg, "held out"), i == 1);
        free(svg);
    }
    assert_ok(b4c_curve_write(temp_text("log.jsonl", ""), NULL, path, &err), &err);
    assert_fails(b4c_curve_write(temp_path("no.jsonl"), NULL, path, &err), &err, B4C_E_IO,
                 "no.jsonl");
    free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_round_numbers_and_neither_few_nor_many),
        cmocka_unit_test(any_numbers_make_a_picture),
        cmocka_unit_test(a_log_becomes_a_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
