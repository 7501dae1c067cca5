/* test_docs.c - what the READMEs and the pages of docs/ show is so: their commands run, print what
 * they are said to print in shape, their C is compiled elsewhere, their links lead somewhere.
 * blocks.h says how documents are written.
 *
 * Small models stand in for those that are named, so numbers and words differ; tests/real compares
 * them where real models are.
 */
#include "docs/blocks.h"
#include "docs/place.h"
#include "support/test.h"
#include <glob.h>
#include <unistd.h>

/* ---- commands ------------------------------------------------------------------------------- */

static int bad_blocks(const doc *d)
{
    int bad = 0;
    for (int i = 0; i < d->n; i++) {
        if (strcmp(d->block[i].language, "sh") != 0 || d->block[i].not_run) continue;
        place_result r = place_run(d->block[i].text);
        const char *shown = doc_output(d, i),
                   *other = r.code == 0 && shown ? doc_difference(shown, r.out, false, 0) : NULL;
        if (r.code != 0)
            print_message("%s:%d: exit code %d: %s", d->path, d->block[i].line, r.code, r.err);
        if (other) print_message("%s:%d: %s\n", d->path, d->block[i + 1].line, other);
        bad += r.code != 0 || other;
        place_free_result(&r);
    }
    return bad;
}

/* Of commands that are not run: scripts are there, and so are the targets of make. */
static int bad_names(const doc *d)
{
    int bad = 0;
    for (int i = 0; i < d->n; i++) {
        if (!d->block[i].not_run) continue;
        for (const char *p = d->block[i].text; (p = strstr(p, "scripts/")); p++) {
            char path[200];
            snprintf(path, sizeof path, "%.*s", (int)strcspn(p, " \n"), p);
            if (access(path, F_OK) == 0) continue;
            print_message("%s:%d: no %s\n", d->path, d->block[i].line, path);
            bad++;
        }
        for (const char *p = d->block[i].text; (p = strstr(p, "make ")); p++) {
            if (p > d->block[i].text && p[-1] != '\n' && p[-1] != ' ') continue;
            char line[200];
            snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "#&|;\n"), p);
            place_result r = place_run(line);
            if (r.code) print_message("%s:%d: %s", d->path, d->block[i].line, r.err);
            bad += r.code != 0;
            place_free_result(&r);
        }
    }
    return bad;
}

/* Report R07: published examples called what newer code no longer had. */
static void its_commands_run_as_shown(void **state)
{
    doc d;
    doc_read(&d, *state);
    place_enter(&d);
    const int bad = bad_blocks(&d) + bad_names(&d);
    doc_free(&d);
    if (bad) fail_msg("%d blocks are not as shown", bad);
}

/* ---- C -------------------------------------------------------------------------------------- */

/* Lines without what stands before and behind them, each with an end; malloc'ed. */
static char *bare_lines(const char *text)
{
    char *bare = malloc(strlen(text) + 2), *to = bare;
    assert_non_null(bare);
    for (const char *p = text; *p;) {
        p += strspn(p, " \t");
        size_t n = strcspn(p, "\n"), kept = n;
        while (kept && p[kept - 1] == ' ') kept--;
        memcpy(to, p, kept);
        to += kept;
        *to++ = '\n';
        p += n + (p[n] == '\n');
    }
    *to = 0;
    return bare;
}

static bool is_in_some(const char *code, const glob_t *sources)
{
    bool found = false;
    char *wanted = bare_lines(code);
    for (size_t i = 0; i < sources->gl_pathc && !found; i++) {
        char *text = read_file(sources->gl_pathv[i], NULL), *bare = bare_lines(text);
        const char *at = strstr(bare, wanted);
        found = at && (at == bare || at[-1] == '\n');
        free(bare);
        free(text);
    }
    free(wanted);
    return found;
}

static void every_block_of_c_is_compiled_somewhere(void **state)
{
    (void)state;
    glob_t sources;
    char **paths;
    int bad = 0;
    assert_int_equal(glob("examples/*.c", 0, NULL, &sources), 0);
    assert_int_equal(glob("include/*.h", GLOB_APPEND, NULL, &sources), 0);
    const int n = doc_paths(&paths);
    for (int i = 0; i < n; i++) {
        doc d;
        doc_read(&d, paths[i]);
        for (int k = 0; k < d.n; k++)
            if (!strcmp(d.block[k].language, "c") && !is_in_some(d.block[k].text, &sources)) {
                print_message("%s:%d: not in examples/*.c\n", d.path, d.block[k].line);
                bad++;
            }
        doc_free(&d);
    }
    doc_free_paths(paths, n);
    globfree(&sources);
    assert_int_equal(bad, 0);
}

/* Call with each name in the text that begins with b4c_ and is called or declared there:
 * "b4c_NAME(" or `b4c_NAME`. */
static void every_public_function_has_its_place_in_the_c_page(void **state)
{
    (void)state;
    char *header = read_file("include/bert4c.h", NULL), *page = read_file("docs/c-api.md", NULL);
    int bad = 0, found = 0;
    for (const char *line = header; (line = strstr(line, "\nB4C_API ")); line++) {
        const size_t n = strcspn(line + 1, "(");
        const char *name = line + 1 + n;
        while (name > line && name[-1] != ' ' && name[-1] != '*') name--;
        char wanted[100];
        snprintf(wanted, sizeof wanted, "`%.*s`", (int)(line + 1 + n - name), name);
        found++;
        if (strstr(page, wanted)) continue;
        print_message("docs/c-api.md does not tell of %s\n", wanted);
        bad++;
    }
    free(header);
    free(page);
    assert_true(found > 20);
    assert_int_equal(bad, 0);
}

static void the_c_page_names_nothing_that_is_not_public(void **state)
{
    (void)state;
    char *header = read_file("include/bert4c.h", NULL), *page = read_file("docs/c-api.md", NULL);
    int bad = 0;
    for (const char *p = page; (p = strstr(p, "b4c_")); p += 4) {
        const size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
        char name[100];
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        if (strstr(header, name)) continue;
        print_message("docs/c-api.md: %s is not in bert4c.h\n", name);
        bad++;
    }
    free(header);
    free(page);
    assert_int_equal(bad, 0);
}

/* ---- links and languages -------------------------------------------------------------------- */

static void links_lead_to_files(void **state)
{
    (void)state;
    char **paths;
    int bad = 0, found = 0;
    const int n = doc_paths(&paths);
    for (int i = 0; i < n; i++) {
        char *text = read_file(paths[i], NULL);
        const char *slash = strrchr(paths[i], '/');
        const int folder = slash ? (int)(slash + 1 - paths[i]) : 0;
        for (const char *p = text; (p = strstr(p, "](")); p += 2) {
            char target[512];
            const int length = (int)strcspn(p + 2, ")#");
            if (strchr(p + 2, ')') == NULL || length == 0 || !strncmp(p + 2, "http", 4)) continue;
            snprintf(target, sizeof target, "%.*s%.*s", folder, paths[i], length, p + 2);
            found++;
            if (access(target, F_OK) == 0) continue;
            print_message("%s: no %s\n", paths[i], target);
            bad++;
        }
        free(text);
    }
    doc_free_paths(paths, n);
    assert_true(found > 0);
    assert_int_equal(bad, 0);
}

static void both_languages_show_the_same(void **state)
{
    (void)state;
    doc d[2];
    doc_read(&d[0], "README.md");
    doc_read(&d[1], "README.zh-CN.md");
    for (int i = 0; i < d[0].n && i < d[1].n; i++) {
        assert_string_equal(d[1].block[i].language, d[0].block[i].language);
        assert_string_equal(d[1].block[i].text, d[0].block[i].text);
    }
    assert_int_equal(d[1].n, d[0].n);
    doc_free(&d[0]);
    doc_free(&d[1]);
}

/* ---- the comparison itself ------------------------------------------------------------------ */

static void outputs_of_another_shape_differ(void **state)
{
    (void)state;
    static const struct {
        const char *shown, *got;
        bool shape, exact;
    } cases[] = {
        { "0.5\n", "0.5\n", true, true },
        { "0.5\n", "0.501\n", true, true },
        { "0.5\n", "0.6\n", true, false },
        { "0.5\n", "half\n", false, false },
        { "0.5\n", "", false, false },
        { "0.5\n", "0.5\n0.5\n", false, false },
        { "3 words here\n", "3 words\n", false, false },
        { "3 words here\n", "3 words there\n", true, false },
        { "a\tb\n", "a b\n", true, true },
        { "a\n...\nz\n", "a\nb\nc\nz\n", true, true },
        { "a\n...\nz\n", "a\nz\n", true, true },
        { "a\n...\nz\n", "a\n", false, false },
        { "...\nb c\n...\n", "a\nb c\nd\n", true, true },
        { "...\nb c\n...\n", "a\nb\nd\n", false, false },
        { "...\nb\n...\n", "b\n", true, true },
        { "a b…\n", "a bcd\n", true, true },
        { "a b…\n", "a cd\n", true, false },
        { "7 a\n", "8 a\n", true, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(!doc_difference(cases[i].shown, cases[i].got, false, 0), cases[i].shape);
        assert_int_equal(!doc_difference(cases[i].shown, cases[i].got, true, 0.002),
                         cases[i].exact);
    }
}

static void commands_that_fail_are_noticed(void **state)
{
    (void)state;
    static const char *const good[] = { "true\n", "make test -j2 KINDS=unit\n",
                                        "bert4c version\n" },
                             *const bad[] = { "false\ntrue\n", "make no-such-target\n",
                                              "bert4c embed --no-such a\n", "curl example.org\n",
                                              "bert4c embed -m no/such a\n" };
    const doc none = { .path = "none" };
    place_enter(&none);
    for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
        const bool is_good = i < COUNT(good);
        place_result r = place_run(is_good ? good[i] : bad[i - COUNT(good)]);
        if (is_good != (r.code == 0)) fail_msg("%d: %s", (int)i, r.err);
        place_free_result(&r);
    }
}

/* ---- all ------------------------------------------------------------------------------------ */

int main(void)
{
    static const struct CMUnitTest fixed[] = {
        cmocka_unit_test(every_block_of_c_is_compiled_somewhere),
        cmocka_unit_test(every_public_function_has_its_place_in_the_c_page),
        cmocka_unit_test(the_c_page_names_nothing_that_is_not_public),
        cmocka_unit_test(links_lead_to_files),
        cmocka_unit_test(both_languages_show_the_same),
        cmocka_unit_test(outputs_of_another_shape_differ),
        cmocka_unit_test(commands_that_fail_are_noticed),
    };
    char **paths;
    const int n = doc_paths(&paths);
    struct CMUnitTest *tests = calloc((size_t)n + COUNT(fixed), sizeof *tests);
    char(*name)[256] = calloc((size_t)n, sizeof *name);
    if (!tests || !name) return 1;
    for (int i = 0; i < n; i++) {
        snprintf(name[i], sizeof name[i], "the_commands_of_%s_run_as_shown", paths[i]);
        tests[i] = (struct CMUnitTest){ name[i], its_commands_run_as_shown, NULL, NULL, paths[i] };
    }
    memcpy(tests + n, fixed, sizeof fixed);
    place_make(NULL);
    const int rc = _cmocka_run_group_tests("docs", tests, (size_t)n + COUNT(fixed), NULL, NULL);
    doc_free_paths(paths, n);
    free(tests);
    free(name);
    return rc;
}
