/* test_options.c - what can be typed, and what is said when it is wrong. */
#include "cli/command.h"

static void nothing_typed_shows_the_commands(void **state)
{
    (void)state;
    const run r = bert4c(NULL, NULL);
    assert_code(r, 2);
    assert_string_equal(r.out, "");
    assert_says(r, "Usage: bert4c COMMAND");
    const run h = bert4c(NULL, "--help", NULL);
    assert_code(h, 0);
    assert_string_equal(h.out, r.err);
    assert_string_equal(bert4c(NULL, "help", NULL).out, h.out);
    assert_string_equal(bert4c(NULL, "-h", NULL).out, h.out);
}

static const char *const commands[] = { "embed", "similar", "fill",    "tokenize", "inspect",
                                        "pull",  "bench",   "version", "help" };

static void every_command_shows_its_options(void **state)
{
    (void)state;
    const run all = bert4c(NULL, "help", NULL);
    for (size_t i = 0; i < COUNT(commands); i++) {
        const run r = bert4c(NULL, commands[i], "-h", NULL);
        char usage[64];
        snprintf(usage, sizeof usage, "Usage: bert4c %s [options]", commands[i]);
        assert_code(r, 0);
        assert_string_equal(r.err, "");
        assert_memory_equal(r.out, usage, strlen(usage));
        assert_non_null(strstr(r.out, "  -h, --help "));
        assert_string_equal(bert4c(NULL, "help", commands[i], NULL).out, r.out);
        assert_string_equal(bert4c(NULL, commands[i], "--help", NULL).out, r.out);
        snprintf(usage, sizeof usage, "\n  %-10s ", commands[i]);
        assert_non_null(strstr(all.out, usage));
    }
}

static void help_fits_a_terminal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *p = bert4c(NULL, commands[i], "-h", NULL).out;
        for (size_t n; *p; p += n + (p[n] == '\n')) {
            n = strcspn(p, "\n");
            if (n > 79 && strncmp(p, "  bert4c ", 9) != 0)
                fail_msg("%s: %.*s", commands[i], (int)n, p);
        }
    }
}

static void version_says_what_results_depend_on(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "version", NULL);
    assert_code(r, 0);
    char want[256];
    snprintf(want, sizeof want, "bert4c %s\nisa %s\nthreads %d\nunicode %s\n", B4C_VERSION,
             b4c_isa_name(), b4c_cpu_count(), b4c_unicode_version());
    assert_string_equal(r.out, want);
    assert_string_equal(bert4c(NULL, "--version", NULL).out, want);
    snprintf(want, sizeof want,
             "{\"version\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"unicode\":\"%s\"}\n", B4C_VERSION,
             b4c_isa_name(), b4c_cpu_count(), b4c_unicode_version());
    assert_string_equal(bert4c(NULL, "version", "--to", "json", NULL).out, want);
    setenv("BERT4C_ISA", "scalar", 1);
    assert_non_null(strstr(bert4c(NULL, "version", NULL).out, "isa scalar\n"));
    unsetenv("BERT4C_ISA");
}

static void a_wrong_name_is_answered_with_the_nearest(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, "emebd", NULL), 2,
                   "unknown command: found 'emebd'; did you mean embed?");
    assert_refused(bert4c(NULL, "tok", NULL), 2, "did you mean tokenize?");
    assert_refused(bert4c(NULL, "xyzzy", NULL), 2,
                   "unknown command: found 'xyzzy'; bert4c help lists them");
    assert_refused(bert4c(NULL, "-m", "model", "embed", "x", NULL), 2,
                   "found '-m', wanted a command in front of it: bert4c COMMAND -m ...");
    assert_refused(bert4c(NULL, "help", "simlar", NULL), 2, "did you mean similar?");
    assert_refused(bert4c(NULL, "embed", "--poling", "cls", "x", NULL), 2,
                   "found --poling; did you mean --pooling?");
    assert_refused(bert4c(NULL, "embed", "--normalise", "x", NULL), 2, "did you mean --normalize?");
    assert_refused(bert4c(NULL, "embed", "--thread=2", "x", NULL), 2,
                   "found --thread; did you mean --threads?");
    assert_refused(bert4c(NULL, "embed", "--xyzzyxyzzy", "x", NULL), 2,
                   "found --xyzzyxyzzy; bert4c embed -h lists");
    assert_refused(bert4c(NULL, "embed", "-Z", "x", NULL), 2, "found -Z; bert4c embed -h lists");
    assert_refused(bert4c(NULL, "embed", "-5", NULL), 2,
                   "texts that begin with a dash go after --");
}

static void an_option_of_another_command_is_told_whose_it_is(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, "embed", "--top", "3", "x", NULL), 2,
                   "found --top, which belongs to fill");
    assert_refused(bert4c(NULL, "fill", "--label", "3", "x", NULL), 2,
                   "found --label, which belongs to similar");
    assert_refused(bert4c(NULL, "version", "--threads", "3", NULL), 2, "which belongs to embed");
}

static void wrong_values_say_what_was_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *command, *option, *value, *says;
    } cases[] = {
        { "embed", "--dtype", "fp32",
          "found 'fp32', wanted auto|f32|bf16|int8|int4; did you mean f32?" },
        { "embed", "--pooling", "average", "wanted auto|cls|linear|tanh|mean|max|first-last|" },
        { "embed", "--truncate", "lef", "did you mean left?" },
        { "embed", "--dialect", "", "wanted auto|hub|bert4keras" },
        { "embed", "--encoding", "latin1", "wanted utf-8|gb18030|gbk|big5" },
        { "embed", "--from", "csv", "wanted text|tsv|jsonl" },
        { "embed", "--to", "json", "wanted text|tsv|jsonl|npy" },
        { "similar", "--to", "npy", "wanted text|tsv|jsonl" },
        { "inspect", "--to", "tsv", "wanted text|json" },
        { "embed", "--threads", "0", "found '0', wanted a whole number from 1 to 1024" },
        { "embed", "--threads", "2x", "found '2x'" },
        { "embed", "--threads", "-2", "found '-2'" },
        { "embed", "--threads", " 2", "found ' 2'" },
        { "embed", "--threads", "99999999999999999999", "found '99999999999999999999'" },
        { "embed", "--batch-tokens", "0", "wanted a whole number from 1 to" },
        { "embed", "--max-length", "0", "wanted a whole number from 1 to" },
        { "embed", "--dim", "0.5", "wanted a whole number from 1 to" },
        { "embed", "--seed", "-1", "wanted a whole number from 0 to" },
        { "fill", "--top", "many", "found 'many'" },
        { "bench", "--seconds", "nan", "found 'nan', wanted a number from 0.01 to 3600" },
        { "bench", "--seconds", "0", "found '0'" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char joined[128];
        assert_refused(bert4c(NULL, cases[i].command, cases[i].option, cases[i].value, NULL), 2,
                       cases[i].says);
        snprintf(joined, sizeof joined, "%s=%s", cases[i].option, cases[i].value);
        assert_refused(bert4c(NULL, cases[i].command, joined, NULL), 2, cases[i].says);
    }
}

static void missing_and_needless_values_are_refused(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, "embed", "-m", NULL), 2,
                   "missing value: embed --model: found nothing after it, wanted MODEL");
    assert_refused(bert4c(NULL, "embed", "x", "--to", NULL), 2, "wanted text|tsv|jsonl|npy");
    assert_refused(bert4c(NULL, "embed", "--normalize=1", "x", NULL), 2,
                   "found '1', wanted none: it is a switch");
    assert_refused(bert4c(NULL, "embed", "-", NULL), 2, "write -f - for standard input");
    assert_refused(bert4c(NULL, "version", "now", NULL), 2,
                   "unexpected argument: version: found 'now'");
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *command, *a, *av, *b, *bv;
    } cases[] = {
        { "embed", "--normalize", NULL, "--no-normalize", NULL },
        { "embed", "--progress", NULL, "--quiet", NULL },
        { "embed", "--prompt", "x", "--prompt-name", "y" },
        { "tokenize", "--pair", NULL, "--decode", NULL },
        { "embed", "--column", "2", "--key", "k" },
        { "embed", "--header", NULL, "--key", "k" },
        { "help", "--man", NULL, "--markdown", NULL },
        { "tokenize", "--decode", NULL, "--plain", NULL },
        { "tokenize", "--decode", NULL, "--max-length", "5" },
        { "tokenize", "--decode", NULL, "--truncate", "left" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *argv[6] = { cases[i].command };
        int n = 1;
        argv[n++] = cases[i].a;
        if (cases[i].av) argv[n++] = cases[i].av;
        argv[n++] = cases[i].b;
        if (cases[i].bv) argv[n++] = cases[i].bv;
        assert_refused(bert4c_bytes("", 0, argv), 2, "contradicting options");
    }
    assert_refused(bert4c(NULL, "similar", "--resume", "--label", "3", "-o", "x", NULL), 2,
                   "found --resume and --label");
    assert_refused(bert4c(NULL, "embed", "--resume", "x", NULL), 2,
                   "found --resume, wanted --output with it");
    assert_refused(bert4c(NULL, "similar", "--summary", NULL), 2,
                   "found --summary, wanted --label with it");
    assert_refused(bert4c(NULL, "embed", "-f", "x", "text", NULL), 2,
                   "found --file and texts as arguments");
    assert_refused(bert4c(NULL, "embed", "--column", "2", "text", NULL), 2,
                   "found --column and texts as arguments");
    assert_refused(bert4c(NULL, "similar", "a", NULL), 2,
                   "odd number of texts: similar: found 1, wanted two");
    assert_refused(bert4c(NULL, "similar", "a", "b", "--label", "3", NULL), 2,
                   "found --label and texts as arguments");
    assert_refused(bert4c(NULL, "inspect", "a", "b", NULL), 2, "too many models");
}

static void a_model_that_is_not_there_is_told_how_to_get(void **state)
{
    (void)state;
    setenv("BERT4C_CACHE", temp_path("no-cache"), 1);
    setenv("HF_HUB_CACHE", temp_path("no-cache"), 1);
    for (size_t i = 0; i < 7; i++)
        if (i != 5) assert_refused(bert4c("x\ty\n", commands[i], NULL), 1, "bert4c pull ");
    assert_refused(bert4c(NULL, "embed", "-m", "lab/none", "x", NULL), 1,
                   "bert4c pull lab/none downloads it");
    assert_refused(bert4c(NULL, "embed", "-m", "./none at all", "x", NULL), 1,
                   "wanted a folder, a file, or a name on the hub");
    setenv("HF_HUB_OFFLINE", "1", 1);
    assert_refused(bert4c(NULL, "embed", "-m", "lab/none", "--pull", "x", NULL), 1,
                   "found HF_HUB_OFFLINE set");
    unsetenv("HF_HUB_OFFLINE");
}

static void a_message_stays_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    assert_refused(bert4c(NULL, "embed", "-m", "a\nb\033[31mc", "x", NULL), 1, "found 'a?b?[31mc'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_typed_shows_the_commands),
        cmocka_unit_test(every_command_shows_its_options),
        cmocka_unit_test(help_fits_a_terminal),
        cmocka_unit_test(version_says_what_results_depend_on),
        cmocka_unit_test(a_wrong_name_is_answered_with_the_nearest),
        cmocka_unit_test(an_option_of_another_command_is_told_whose_it_is),
        cmocka_unit_test(wrong_values_say_what_was_wanted),
        cmocka_unit_test(missing_and_needless_values_are_refused),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(a_model_that_is_not_there_is_told_how_to_get),
        cmocka_unit_test(a_message_stays_one_line_whatever_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
