/* test_sentence.c - where sentences end. */
#include "support/test.h"
#include "text/sentence.h"

/* Parts of a text with a bar behind each end. */
static void assert_cut(const char *wanted, bool lines)
{
    char text[200], found[400] = "";
    size_t n = 0, at = 0, used = 0;
    for (const char *c = wanted; *c; c++)
        if (*c != '|') text[n++] = *c;
    while (at < n) {
        const size_t end = b4c_sentence_end(text + at, n - at, lines);
        const size_t size = end ? end : n - at;
        used += (size_t)snprintf(found + used, sizeof found - used, "%.*s%s", (int)size, text + at,
                                 end ? "|" : "");
        at += size;
    }
    assert_string_equal(found, wanted);
}

static void marks_and_what_closes_behind_them_end_a_sentence(void **state)
{
    (void)state;
    assert_cut("今天很好。|明天呢？|", false);
    assert_cut("他说：“走吧！”|然后走了", false);
    assert_cut("（真的？）|是的；|好……|完。|", false);
    assert_cut("What?!| No.|", false);
    assert_cut("“今天”很好", false);
}

static void marks_in_a_row_are_one_end(void **state)
{
    (void)state;
    assert_cut("真的？！|好。。。|", false);
    assert_cut("「好！」。|是", false);
}

static void a_point_in_a_number_or_a_name_ends_nothing(void **state)
{
    (void)state;
    assert_cut("圆周率是3.14，版本v2.0。|", false);
    assert_cut("see bert4c.h now.| Yes", false);
}

static void lines_end_where_they_are_wanted(void **state)
{
    (void)state;
    assert_cut("床前明月光\n|疑是地上霜\n|", true);
    assert_cut("床前明月光\n疑是地上霜\n", false);
    assert_cut("好。\n\n|好", true); /* one end */
}

static void nothing_ends_in_nothing(void **state)
{
    (void)state;
    assert_int_equal(b4c_sentence_end("", 0, true), 0);
    assert_int_equal(b4c_sentence_end("。", 0, true), 0);
    assert_int_equal(b4c_sentence_end("\xe3\x80", 2, true), 0); /* half a full stop */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_and_what_closes_behind_them_end_a_sentence),
        cmocka_unit_test(marks_in_a_row_are_one_end),
        cmocka_unit_test(a_point_in_a_number_or_a_name_ends_nothing),
        cmocka_unit_test(lines_end_where_they_are_wanted),
        cmocka_unit_test(nothing_ends_in_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
