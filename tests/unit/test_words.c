/* test_words.c - Chinese words: equal to jieba's, whatever the text.
 *
 * Golden cuts: tests/golden/words.jsonl, made by jieba 0.42.1 with its own dictionary; a line has
 * the words with the Markov model
 * ("hmm") and without ("plain"), which put together are the text.
 */
#include "support/lines.h"
#include "support/test.h"

#include "text/utf8.h"
#include "text/words.h"

static int open_words(void **state)
{
    b4c_error err = { 0 };
    *state = b4c_words_default(&err);
    if (!*state) fail_msg("%s", err.message);
    return 0;
}

static int close_words(void **state)
{
    b4c_words_free(*state);
    return 0;
}

/* The words of `text`, joined by '/'. */
static void assert_cut(const b4c_words *w, const char *text, bool hmm, const char *wanted)
{
    b4c_cuts cuts = { 0 };
    b4c_error err = { 0 };
    char joined[1000] = "";
    assert_ok(b4c_words_cut(w, text, strlen(text), hmm, &cuts, &err), &err);
    for (size_t i = 0, at = 0; i < cuts.n; at = cuts.end[i++]) {
        if (i) strcat(joined, "/");
        strncat(joined, text + at, cuts.end[i] - at);
    }
    b4c_cuts_free(&cuts);
    assert_string_equal(joined, wanted);
}

static void cuts_equal_the_specification_s(void **state)
{
    const b4c_words *w = *state;
    assert_cut(w, "科学技术是第一生产力。", false, "科学技术/是/第一/生产力/。");
    assert_cut(w, "T5 PEGASUS是中文生成式预训练模型", false,
               "T5/ /PEGASUS/是/中文/生成式/预/训练/模型");
    assert_cut(w, "苏剑林发布了RoFormer-Sim模型v2.0", false,
               "苏/剑/林/发布/了/RoFormer/-/Sim/模型/v2/./0");
    assert_cut(w, "苏剑林发布了RoFormer-Sim模型v2.0", true,
               "苏剑林/发布/了/RoFormer/-/Sim/模型/v2.0");
    assert_cut(w, "3.14元", false, "3/./14/元");
    assert_cut(w, "3.14元", true, "3.14/元");
    assert_cut(w, "研究生命的起源", true, "研究/生命/的/起源");
    assert_cut(w, "", true, "");
}

static void check_golden(const b4c_words *w, const json_t *words, bool hmm, long line)
{
    char *text = calloc(1, 1);
    size_t bytes = 0;
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        text = realloc(text, bytes + json_string_length(word) + 1);
        memcpy(text + bytes, json_string_value(word), json_string_length(word));
        bytes += json_string_length(word);
    }
    b4c_cuts cuts = { 0 };
    b4c_error err = { 0 };
    assert_ok(b4c_words_cut(w, text, bytes, hmm, &cuts, &err), &err);
    size_t end = 0;
    for (size_t i = 0; i < json_array_size(words); i++) {
        end += json_string_length(json_array_get(words, i));
        if (i >= cuts.n || cuts.end[i] != end)
            fail_msg("line %ld, hmm %d: word %zu of \"%.*s\" is not \"%s\"", line, hmm, i,
                     (int)bytes, text, json_string_value(json_array_get(words, i)));
    }
    assert_int_equal(cuts.n, json_array_size(words));
    b4c_cuts_free(&cuts);
    free(text);
}

static void check_both(const json_t *line, long number, void *words)
{
    check_golden(words, json_object_get(line, "hmm"), true, number);
    check_golden(words, json_object_get(line, "plain"), false, number);
}

static void cuts_equal_the_reference_s(void **state)
{
    assert_int_equal(each_line("tests/golden/words.jsonl", check_both, *state), 396);
}

static void words_cover_any_text_and_never_split_a_character(void **state)
{
    b4c_cuts cuts = { 0 };
    b4c_error err = { 0 };
    uint64_t random = 1;
    for (int round = 0; round < 3000; round++) {
        char text[256];
        size_t n = 0;
        while (n < 200) { /* Han, ASCII, blanks, and now and then a stray byte */
            random = random * 6364136223846793005u + 1442695040888963407u;
            const uint32_t r = (uint32_t)(random >> 33), kind = r % 16;
            if (kind < 9)
                n += (size_t)b4c_utf8_write(0x4e00 + r / 16 % 0x5200, text + n);
            else if (kind < 14)
                text[n++] = (char)(32 + r / 16 % 95);
            else if (kind < 15)
                text[n++] = "\r\n\t\xc2"[r / 16 % 4];
            else
                n += (size_t)b4c_utf8_write(0x1f300 + r / 16 % 0x200, text + n);
        }
        assert_ok(b4c_words_cut(*state, text, n, round % 2, &cuts, &err), &err);
        assert_true(cuts.n > 0);
        assert_int_equal(cuts.end[cuts.n - 1], n);
        for (size_t i = 0, before = 0; i < cuts.n; before = cuts.end[i++]) {
            assert_true(cuts.end[i] > before);
            if (cuts.end[i] < n && b4c_utf8_check(text, n) == n)
                assert_true((text[cuts.end[i]] & 0xc0) != 0x80);
        }
    }
    b4c_cuts_free(&cuts);
}

static void a_long_block_takes_linear_memory_and_time(void **state)
{
    const size_t n = 3000000;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i += 3)
        memcpy(text + i, "\xe9\xbe\x98", 3); /* 龘-like: no dictionary word, all for the model */
    b4c_cuts cuts = { 0 };
    b4c_error err = { 0 };
    assert_ok(b4c_words_cut(*state, text, n, true, &cuts, &err), &err);
    assert_int_equal(cuts.end[cuts.n - 1], n);
    b4c_cuts_free(&cuts);
    free(text);
}

/* Expected cuts and frequencies: jieba 0.42.1's add_word, del_word, load_userdict. */
static void user_words_change_cuts_as_in_the_reference(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_words *w = b4c_words_default(&err);
    assert_non_null(w);
    assert_cut(w, "李小福是创新办主任也是云计算方面的专家", false,
               "李/小/福/是/创新/办/主任/也/是/云/计算/方面/的/专家");
    const char *path = temp_text("用户词典.txt",
                                 "\xef\xbb\xbf云计算 5\n李小福 2 nr\r\n\n创新办 3 i\n");
    assert_ok(b4c_words_add_file(w, path, &err), &err);
    assert_cut(w, "李小福是创新办主任也是云计算方面的专家", true,
               "李小福/是/创新办/主任/也/是/云计算/方面/的/专家");
    assert_int_equal(b4c_words_freq(w, "云计算", 9), 5);
    assert_ok(b4c_words_add(w, "石墨烯", 9, -1, &err), &err);
    assert_cut(w, "石墨烯很轻", false, "石墨烯/很/轻");
    assert_ok(b4c_words_add(w, "科学技术", 12, 0, &err), &err);
    assert_cut(w, "科学技术是第一生产力", false, "科学/技术/是/第一/生产力");
    assert_fails(b4c_words_add(w, "", 0, 1, &err), &err, B4C_E_ARG, "wanted 1 to 1000 bytes");
    assert_fails(b4c_words_add_file(w, temp_text("bad.txt", "好词 3\n\xc4\xe3\xba\xc3 2\n"), &err),
                 &err, B4C_E_TEXT, "line 2");
    b4c_words_free(w);
}

static void a_broken_dictionary_is_refused(void **state)
{
    (void)state;
    static const char zeros[4096] __attribute__((aligned(64)));
    b4c_error err = { 0 };
    assert_null(b4c_words_open(zeros, sizeof zeros, "zeros", &err));
    assert_error(&err, B4C_E_FORMAT, "compile it again");
    assert_null(b4c_words_open(zeros, 3, "three bytes", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_equal_the_specification_s),
        cmocka_unit_test(cuts_equal_the_reference_s),
        cmocka_unit_test(words_cover_any_text_and_never_split_a_character),
        cmocka_unit_test(a_long_block_takes_linear_memory_and_time),
        cmocka_unit_test(user_words_change_cuts_as_in_the_reference),
        cmocka_unit_test(a_broken_dictionary_is_refused),
    };
    return cmocka_run_group_tests(tests, open_words, close_words);
}
