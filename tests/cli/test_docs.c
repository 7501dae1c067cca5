/* test_docs.c - the manual page and docs/cli.md say what the table of options says. */
#include "cli/command.h"

static void the_manual_page_is_in_step(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "help", "--man", NULL);
    assert_code(r, 0);
    char *page = read_file("man/bert4c.1", NULL);
    const bool same = !strcmp(page, r.out);
    free(page);
    if (!same) fail_msg("man/bert4c.1 is old: make docs");
}

static void the_reference_is_in_step(void **state)
{
    (void)state;
    const run r = bert4c(NULL, "help", "--markdown", NULL);
    assert_code(r, 0);
    char *page = read_file("docs/cli.md", NULL);
    const char *begin = strstr(page, "<!-- generated: begin");
    assert_non_null(begin);
    begin = strchr(begin, '\n') + 1;
    const char *end = strstr(begin, "<!-- generated: end");
    assert_non_null(end);
    const bool same = (size_t)(end - begin) == r.out_size && !memcmp(begin, r.out, r.out_size);
    free(page);
    if (!same) fail_msg("docs/cli.md is old: make docs");
}

/* Every option that a command lists stands in the manual page and in the reference. */
static void no_option_is_left_out(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "embed",     "similar",    "fill",  "tokenize", "inspect", "convert", "verify",
        "complete",  "summarize",  "paraphrase", "score",
        "pull",      "bench",      "version", "help"
    };
    const char *man = bert4c(NULL, "help", "--man", NULL).out;
    const char *markdown = bert4c(NULL, "help", "--markdown", NULL).out;
    for (size_t i = 0; i < COUNT(commands); i++) {
        const char *p = bert4c(NULL, commands[i], "-h", NULL).out;
        int found = 0;
        for (; (p = strstr(p, "\n  ")); p++) {
            char name[40], roff[80] = "", *to = roff;
            const char *option = p + 3 + strspn(p + 3, " ");
            if (option[0] == '-' && option[2] == ',') option += 4;
            if (strncmp(option, "--", 2) != 0) continue;
            snprintf(name, sizeof name, "%.*s", (int)strcspn(option, " \n"), option);
            for (const char *q = name; *q; q++) to += sprintf(to, *q == '-' ? "\\-" : "%c", *q);
            found++;
            if (!strstr(markdown, name)) fail_msg("docs/cli.md lacks %s of %s", name, commands[i]);
            if (!strstr(man, roff)) fail_msg("man/bert4c.1 lacks %s of %s", name, commands[i]);
        }
        assert_true(found >= 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_page_is_in_step),
        cmocka_unit_test(the_reference_is_in_step),
        cmocka_unit_test(no_option_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
