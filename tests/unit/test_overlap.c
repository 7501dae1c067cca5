/* test_overlap.c - ROUGE and BLEU against values worked out by hand, and nltk's. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_wholly_like_itself),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(bleu_is_nltks),
        cmocka_unit_test(blanks_and_capitals_do_not_count),
        cmocka_unit_test(what_shares_nothing_or_is_blank_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
