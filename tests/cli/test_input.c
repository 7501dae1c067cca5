/* test_input.c - texts from arguments, files and pipes: what is read is what stands there, or an
 * error names the place. */
#include "cli/command.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKENIZE "tokenize", "-m", tiny_vocabulary(), "--to", "jsonl"

/* The "text" values of jsonl, joined by '|'. */
static const char *texts_of(const char *jsonl)
{
    static char all[4096];
    char *to = all;
    int n_texts = 0;
    for (const char *p = jsonl; (p = strstr(p, "{\"text\":\""));) {
        p += 9;
        const size_t n = (size_t)(strstr(p, "\",\"") - p);
        if (n_texts++) *to++ = '|';
        memcpy(to, p, n);
        to += n;
    }
    *to = 0;
    return all;
}

#define assert_texts(r, wanted)                            \
    do {                                                   \
        const run texts_ = (r);                            \
        assert_code(texts_, 0);                            \
        assert_string_equal(texts_of(texts_.out), wanted); \
    } while (0)

static void arguments_are_texts_in_their_order(void **state)
{
    (void)state;
    assert_texts(bert4c("not read", TOKENIZE, "我想", "一天", "", "--", "-m", NULL),
                 "我想|一天||-m");
}

static void standard_input_is_read_where_nothing_else_is_given(void **state)
{
    (void)state;
    assert_texts(bert4c("我\n想\n", TOKENIZE, NULL), "我|想");
    assert_texts(bert4c("我\n想\n", TOKENIZE, "-f", "-", NULL), "我|想");
    assert_texts(bert4c("", TOKENIZE, NULL), "");
}

static void every_line_counts(void **state)
{
    (void)state;
    assert_texts(bert4c("\n我\n\n\n想", TOKENIZE, NULL), "|我|||想");
    assert_texts(bert4c("我\n", TOKENIZE, NULL), "我");
    assert_texts(bert4c("\n", TOKENIZE, NULL), "");
    assert_texts(bert4c(" 我 \n", TOKENIZE, NULL), " 我 ");
}

static void marks_and_line_ends_of_other_systems_vanish(void **state)
{
    (void)state;
    assert_texts(bert4c("\xef\xbb\xbf我\r\n想\r\n\r\n天", TOKENIZE, NULL), "我|想||天");
    /* Only at the beginning of the file, and only before a line feed. */
    const run r = bert4c("我\n\xef\xbb\xbf想\r天\n", TOKENIZE, NULL);
    assert_texts(r, "我|\xef\xbb\xbf想\\r天");
}

static void files_follow_one_another(void **state)
{
    (void)state;
    const char *a = temp_text("a.txt", "我\n想"), *b = temp_text("b.txt", "\xef\xbb\xbf一\n"),
               *c = temp_text("empty.txt", "");
    assert_texts(bert4c("天\n", TOKENIZE, "-f", a, "-f", c, "-f", b, "-f", "-", NULL),
                 "我|想|一|天");
}

static void a_file_may_have_a_chinese_name(void **state)
{
    (void)state;
    assert_texts(bert4c(NULL, TOKENIZE, "-f", temp_text("今天.txt", "我\n"), NULL), "我");
}

static void tsv_gives_a_column_by_number_or_name(void **state)
{
    (void)state;
    const char *t = temp_text("t.tsv", "name\ttext\n我\t想\n一\t天\textra\n"),
               *plain = temp_text("plain", "我\t想\n一\t天\n");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", t, NULL), "name|我|一");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", t, "--column", "2", NULL), "text|想|天");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", t, "--column", "text", NULL), "想|天");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", t, "--column", "2", "--header", NULL), "想|天");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", t, "--header", NULL), "我|一");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", plain, "--from", "tsv", "--column", "2", NULL),
                 "想|天");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", plain, NULL), "我\\t想|一\\t天");
    assert_texts(bert4c("我\t想\n\n", TOKENIZE, "--column", "2", NULL), "想|");
}

static void a_missing_column_is_named_with_its_place(void **state)
{
    (void)state;
    const char *t = temp_text("short.tsv", "我\t想\n一\n");
    const run r = bert4c(NULL, TOKENIZE, "-f", t, "--column", "2", NULL);
    assert_refused(r, 1, "short.tsv:2: found 1, wanted column 2");
    assert_string_equal(texts_of(r.out), "想"); /* what came before is kept */
    assert_refused(bert4c(NULL, TOKENIZE, "-f", t, "--column", "nope", NULL), 2,
                   "short.tsv:1: found '我?想' as the header, wanted a column 'nope'");
    assert_refused(bert4c(NULL, TOKENIZE, "-f", t, "--column", "0", NULL), 2,
                   "wanted a column: 1 is the first");
}

static void jsonl_gives_a_key(void **state)
{
    (void)state;
    const char *j = temp_text(
        "j.jsonl", "{\"text\":\"我\",\"q\":\"想\"}\n{\"q\":\"a\\\"\\u4e00\",\"text\":\"\"}\r\n");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", j, NULL), "我|");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", j, "--key", "q", NULL), "想|a\\\"一");
    assert_texts(bert4c("{\"q\":\"我\"}\n", TOKENIZE, "--key", "q", NULL), "我");
    assert_texts(bert4c("{\"text\":\"我\"}\n", TOKENIZE, "--from", "jsonl", NULL), "我");
}

static void wrong_json_is_named_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        { "{\"text\":\"a\"", "standard input:2: byte" },
        { "[1]", "not an object: standard input:2" },
        { "{\"text\":1}", "'text': found a number, wanted a string" },
        { "{\"text\":null}", "found null" },
        { "{\"text\":[\"a\"]}", "found an array" },
        { "{}", "no such key: standard input:2: wanted 'text'" },
        { "{\"text\":\"a\",\"text\":\"b\"}", "standard input:2: byte" },
        { "", "not JSON: standard input:2" },
        { "{\"text\":\"\\ud800\"}", "standard input:2" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char input[200];
        snprintf(input, sizeof input, "{\"text\":\"我\"}\n%s\n", cases[i].line);
        const run r = bert4c(input, TOKENIZE, "--from", "jsonl", NULL);
        assert_refused(r, 1, cases[i].says);
        assert_string_equal(texts_of(r.out), "我");
    }
}

static void pairs_come_from_two_columns_or_keys(void **state)
{
    (void)state;
    const char *t = temp_text("p.tsv", "x\ta\tb\n0\t我\t想\n"),
               *j = temp_text("p.jsonl", "{\"a\":\"我\",\"b\":\"想\",\"c\":\"天\"}\n");
    const char *want = "{\"text\":\"我\",\"pair\":\"想\",";
    const struct {
        const char *file, *option, *value;
    } cases[] = {
        { t, "--column", "a,b" },
        { j, "--key", "a,b" },
        { j, "--to", "jsonl" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const run r = bert4c(NULL, TOKENIZE, "--pair", "-f", cases[i].file, cases[i].option,
                             cases[i].value, NULL);
        assert_code(r, 0);
        assert_memory_equal(r.out, want, strlen(want));
    }
    const run r = bert4c("想\t我\n", TOKENIZE, "--pair", "--column", "2,1", NULL);
    assert_memory_equal(r.out, want, strlen(want));
    assert_memory_equal(bert4c(NULL, TOKENIZE, "--pair", "我", "想", NULL).out, want, strlen(want));
    assert_refused(bert4c("x\n", TOKENIZE, "--pair", NULL), 1,
                   "standard input:1: found 1, wanted column 2");
    assert_refused(bert4c("x\n", TOKENIZE, "--pair", "--from", "text", NULL), 2,
                   "found text, wanted pairs");
    assert_refused(bert4c("x\n", TOKENIZE, "--pair", "--column", "2", NULL), 2,
                   "found '2', wanted two");
    assert_refused(bert4c("x\n", TOKENIZE, "--pair", "--key", "a,b,c", NULL), 2, "wanted two");
    assert_refused(bert4c(NULL, TOKENIZE, "--pair", "我", NULL), 2, "odd number of texts: found 1");
}

static void bytes_that_are_not_utf8_are_named_with_file_line_and_byte(void **state)
{
    (void)state;
    const run r = bert4c("我\n\xbd\xf1\xcc\xec\n", TOKENIZE, NULL);
    assert_refused(r, 1,
                   "standard input:2: byte 1: found 0xBD, wanted UTF-8; it looks like GB18030: "
                   "--encoding gb18030");
    assert_string_equal(texts_of(r.out), "我");
    assert_refused(bert4c(NULL, TOKENIZE, "-f", temp_text("bad.txt", "a我\xff\n"), NULL), 1,
                   "bad.txt:1: byte 5: found 0xFF");
    assert_refused(bert4c(NULL, TOKENIZE, "x", "我\xe6", NULL), 1,
                   "argument 2: byte 4: found 0xE6");
    assert_refused(bert4c("\x1f\x8b\x08\n", TOKENIZE, NULL), 1, "zcat FILE");
    assert_refused(bert4c("\xff\xfe\x11\x62\n", TOKENIZE, NULL), 1, "UTF-16");
}

static void other_encodings_are_converted(void **state)
{
    (void)state;
    assert_texts(bert4c("\xce\xd2\r\n\xcf\xeb", TOKENIZE, "--encoding", "gb18030", NULL), "我|想");
    assert_texts(bert4c("\xce\xd2\n", TOKENIZE, "--encoding", "gbk", NULL), "我");
    assert_texts(bert4c("\xa7\xda\n\xb7\x51\n", TOKENIZE, "--encoding", "big5", NULL), "我|想");
    assert_texts(bert4c("\x84\x31\x95\x33\xce\xd2\n", TOKENIZE, "--encoding", "gb18030", NULL),
                 "我"); /* its own mark */
    assert_texts(
        bert4c("\xce\xd2\t\xcf\xeb\n", TOKENIZE, "--encoding", "gb18030", "--column", "2", NULL),
        "想");
    /* A second byte may be a backslash or a brace. */
    assert_texts(bert4c("{\"text\":\"\x8c\x5c\x81\x7d\"}\n", TOKENIZE, "--encoding", "gb18030",
                        "--from", "jsonl", NULL),
                 "孿亇");
    assert_refused(bert4c("ok\na\xff\n", TOKENIZE, "--encoding", "gb18030", NULL), 1,
                   "standard input:2: byte 2: found 0xFF, wanted GB18030");
}

static void a_nul_is_a_character(void **state)
{
    (void)state;
    const char *argv[] = { TOKENIZE, NULL };
    const run r = bert4c_bytes("我\0想\n", 8, argv);
    assert_texts(r, "我\\u0000想");
    assert_texts(bert4c("{\"text\":\"我\\u0000想\"}\n", TOKENIZE, "--from", "jsonl", NULL),
                 "我\\u0000想");
}

static void a_long_line_is_one_text(void **state)
{
    (void)state;
    enum { LONG = 3000000 };
    char *line = malloc(LONG + 3);
    memset(line, 'a', LONG);
    memcpy(line + LONG, "\nb", 3);
    const run r = bert4c(line, "tokenize", "-m", tiny_vocabulary(), "--to", "tsv", NULL);
    free(line);
    assert_code(r, 0);
    assert_non_null(strstr(r.out, "0-3000000")); /* over a hundred characters: one unknown token */
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    const char *path = temp_text("endless", "");
    assert_int_equal(truncate(path, 100 << 20), 0);
    assert_refused(bert4c(NULL, TOKENIZE, "-f", path, NULL), 1,
                   "endless:1: found more than 64 MiB without a line end");
}

static void files_that_cannot_be_read_are_named_before_anything_is_done(void **state)
{
    (void)state;
    const char *good = temp_text("good.txt", "我\n");
    const run r = bert4c(NULL, TOKENIZE, "-f", good, "-f", temp_path("absent.txt"), NULL);
    assert_refused(r, 1, "absent.txt: No such file or directory");
    assert_string_equal(r.out, "");
    assert_refused(bert4c(NULL, TOKENIZE, "-f", temp_folder(), NULL), 1,
                   "found a folder, wanted a file of texts");
    assert_refused(bert4c(NULL, TOKENIZE, "-f", temp_text("x.csv", "a,b\n"), NULL), 1,
                   "found .csv, wanted text, tsv or jsonl");
    assert_refused(bert4c(NULL, TOKENIZE, "-f", temp_text("x.json", "{}"), NULL), 1, "found .json");
    assert_texts(bert4c(NULL, TOKENIZE, "-f", temp_path("x.csv"), "--from", "text", NULL), "a,b");
}

static void options_must_fit_the_file(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, TOKENIZE, "-f", temp_text("k.txt", "x\n"), "--from", "text",
                          "--column", "2", NULL),
                   2, "found --column for a file that is no tsv");
    assert_refused(bert4c(NULL, TOKENIZE, "-f", temp_text("k.tsv", "x\n"), "--key", "q", NULL), 2,
                   "found --key for a file that is no jsonl");
    assert_refused(
        bert4c(NULL, TOKENIZE, "-f", temp_text("k.jsonl", "{}\n"), "--column", "2", NULL), 2,
        "found --column for a file that is no tsv");
}

static void a_program_that_waits_for_its_answer_gets_it(void **state)
{
    (void)state;
    const char *argv[] = { TOKENIZE, NULL };
    char answer[512] = "";
    running r = bert4c_start(argv);
    assert_int_equal(write(r.in, "我\n", 4), 4);
    size_t n = 0;
    while (!strchr(answer, '\n')) {
        const ssize_t got = read(r.out, answer + n, sizeof answer - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        answer[n] = 0;
    }
    assert_string_equal(texts_of(answer), "我");
    assert_int_equal(write(r.in, "想\n", 4), 4);
    assert_texts(bert4c_wait(&r), "想");
}

static void ctrl_c_at_a_waiting_pipe_ends_the_run(void **state)
{
    (void)state;
    const char *argv[] = { TOKENIZE, NULL };
    char answer[512];
    running r = bert4c_start(argv);
    assert_int_equal(write(r.in, "我\n", 4), 4);
    assert_true(read(r.out, answer, sizeof answer) > 0);
    assert_int_equal(kill(r.pid, SIGINT), 0);
    const int in = r.in;
    r.in = -1;
    const run done = bert4c_wait(&r);
    close(in);
    assert_code(done, 130);
    assert_says(done, "stopped after 1 texts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_texts_in_their_order),
        cmocka_unit_test(standard_input_is_read_where_nothing_else_is_given),
        cmocka_unit_test(every_line_counts),
        cmocka_unit_test(marks_and_line_ends_of_other_systems_vanish),
        cmocka_unit_test(files_follow_one_another),
        cmocka_unit_test(a_file_may_have_a_chinese_name),
        cmocka_unit_test(tsv_gives_a_column_by_number_or_name),
        cmocka_unit_test(a_missing_column_is_named_with_its_place),
        cmocka_unit_test(jsonl_gives_a_key),
        cmocka_unit_test(wrong_json_is_named_with_its_place),
        cmocka_unit_test(pairs_come_from_two_columns_or_keys),
        cmocka_unit_test(bytes_that_are_not_utf8_are_named_with_file_line_and_byte),
        cmocka_unit_test(other_encodings_are_converted),
        cmocka_unit_test(a_nul_is_a_character),
        cmocka_unit_test(a_long_line_is_one_text),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(files_that_cannot_be_read_are_named_before_anything_is_done),
        cmocka_unit_test(options_must_fit_the_file),
        cmocka_unit_test(a_program_that_waits_for_its_answer_gets_it),
        cmocka_unit_test(ctrl_c_at_a_waiting_pipe_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
