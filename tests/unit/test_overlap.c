/* test_overlap.c - ROUGE, BLEU and distinct-n against values worked out by hand, and nltk's. */
#include "support/test.h"

#include <math.h>

#define NEAR(a, b) assert_true(fabs((a) - (b)) <= 1e-12)

static b4c_overlap of(const char *found, const char *wanted)
{
    b4c_error err = { 0 };
    b4c_overlap x;
    assert_ok(b4c_overlap_measure(found, strlen(found), wanted, strlen(wanted), &x, &err), &err);
    return x;
}

static void a_text_is_wholly_like_itself(void **state)
{
    (void)state;
    static const char *const texts[] = { "今天天气很好", "GPT与BERT的比较研究", "abcd" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        const b4c_overlap x = of(texts[i], texts[i]);
        NEAR(x.rouge_1, 1);
        NEAR(x.rouge_2, 1);
        NEAR(x.rouge_l, 1);
        NEAR(x.bleu, 1);
    }
}

static void by_hand(void **state)
{
    (void)state;
    /* found 天气好 (3), wanted 今天天气很好 (6). Characters in both: 天 once, 气, 好: 3. Pairs: 天气
     * of {天气, 气好} and five. In a row, with gaps: 天气好. */
    const b4c_overlap x = of("天气好", "今天天气很好");
    NEAR(x.rouge_1, 2. * 3 / (3 + 6));
    NEAR(x.rouge_2, 2. * 1 / (2 + 5));
    NEAR(x.rouge_l, 2. * 3 / (3 + 6));
    /* orders 1 to 4: 3/3, 1/2, none of 1, none of none; half as long as wanted */
    NEAR(x.bleu, exp(1 - 6. / 3) * pow(1 * .5 * .1 * .1, .25));
    /* A character that comes twice counts twice only where it does so in both. */
    const b4c_overlap twice = of("天天天", "天天");
    NEAR(twice.rouge_1, 2. * 2 / (3 + 2));
    NEAR(twice.rouge_2, 2. * 1 / (2 + 1));
    NEAR(twice.rouge_l, 2. * 2 / (3 + 2));
}

/* nltk 3.10.4: sentence_bleu([list(wanted)], list(found), (.25, .25, .25, .25),
 * SmoothingFunction().method1) */
static void bleu_is_nltks(void **state)
{
    (void)state;
    static const struct {
        const char *found, *wanted;
        double bleu;
    } cases[] = {
        { "天气好", "今天天气很好", 0.09782458612762486 },
        { "今天天气很好", "天气好", 0.09554427922043669 },
        { "基于深度学习的文本摘要方法", "基于深度学习的中文文本摘要研究", 0.5747539348314025 },
        { "北", "北京", 0.06541924356118012 },
        { "北京欢迎你", "北京欢迎您来到北京", 0.3004843884984905 },
        { "这是一个完全不同的句子", "今天我们去公园", 0 },
        { "abcabcabc", "abcabd", 0.44632361378533286 },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        NEAR(of(cases[i].found, cases[i].wanted).bleu, cases[i].bleu);
}

static void blanks_and_capitals_do_not_count(void **state)
{
    (void)state;
    const b4c_overlap x = of("BERT 模型\n", "bert　模 型");
    NEAR(x.rouge_2, 1);
    NEAR(x.bleu, 1);
}

static void what_shares_nothing_or_is_blank_has_nothing(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "", "今天" }, { "今天", "" }, { " \n", "今天" },
                                            { "", "" },     { "东西", "南北" } };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const b4c_overlap x = of(pairs[i][0], pairs[i][1]);
        assert_true(x.rouge_1 <= 0 && x.rouge_2 <= 0 && x.rouge_l <= 0 && x.bleu <= 0);
    }
    b4c_error err = { 0 };
    b4c_overlap x;
    assert_fails(b4c_overlap_measure("\xff", 1, "a", 1, &x, &err), &err, B4C_E_TEXT, "UTF-8");
}

static void distinct_of(const char *const *texts, size_t n, double *one, double *two)
{
    b4c_error err = { 0 };
    b4c_distinct *d = b4c_distinct_new(&err);
    assert_non_null(d);
    for (size_t i = 0; i < n; i++)
        assert_ok(b4c_distinct_add(d, texts[i], strlen(texts[i]), &err), &err);
    b4c_distinct_measure(d, one, two);
    b4c_distinct_free(d);
}

/* 今天天气: 今 天 气 of 4; 今天 天天 天气 of 3. With 天气好, which adds 好 and 气好: 4 of 7 and 4 of
 * 5. The end of one text and the beginning of the next are no pair. */
static void distinct_by_hand(void **state)
{
    (void)state;
    double one, two;
    distinct_of((const char *[]){ "今天天气" }, 1, &one, &two);
    NEAR(one, 3. / 4);
    NEAR(two, 3. / 3);
    distinct_of((const char *[]){ "今天天气", "天气好" }, 2, &one, &two);
    NEAR(one, 4. / 7);
    NEAR(two, 4. / 5);
    distinct_of((const char *[]){ "Ab a", "aB\tA" }, 2, &one, &two); /* aba twice */
    NEAR(one, 2. / 6);
    NEAR(two, 2. / 4);
    distinct_of((const char *[]){ "", " ", "天" }, 3, &one, &two);
    NEAR(one, 1);
    assert_true(isnan(two));
}

/* Saying everything again halves both, whatever it is and in whatever order. */
static void what_is_said_again_is_not_distinct(void **state)
{
    (void)state;
    enum { TEXTS = 400 };
    static char text[TEXTS][16];
    const char *once[TEXTS], *twice[2 * TEXTS];
    for (int i = 0; i < TEXTS; i++) { /* thousands of pairs: the tables grow */
        char *to = text[i];
        for (int k = 0; k < 4; k++) {
            const unsigned c = 0x4e00u + (unsigned)(i * 7919 + k * 104729) % 20000u;
            *to++ = (char)(0xe0 | c >> 12);
            *to++ = (char)(0x80 | (c >> 6 & 63));
            *to++ = (char)(0x80 | (c & 63));
        }
        once[i] = twice[i] = twice[2 * TEXTS - 1 - i] = text[i];
    }
    double one, two, half_one, half_two;
    distinct_of(once, TEXTS, &one, &two);
    distinct_of(twice, 2 * TEXTS, &half_one, &half_two);
    NEAR(half_one, one / 2);
    NEAR(half_two, two / 2);
    assert_true(4 * TEXTS * one > 1024 && 3 * TEXTS * two > 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_wholly_like_itself),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(bleu_is_nltks),
        cmocka_unit_test(blanks_and_capitals_do_not_count),
        cmocka_unit_test(what_shares_nothing_or_is_blank_has_nothing),
        cmocka_unit_test(distinct_by_hand),
        cmocka_unit_test(what_is_said_again_is_not_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
