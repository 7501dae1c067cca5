/* blocks.c - reading documents and comparing outputs; see blocks.h. */
#include "docs/blocks.h"

#include "support/test.h"
#include <glob.h>
#include <math.h>

/* ---- reading -------------------------------------------------------------------------------- */

static doc_block *add(doc *d, const char *language, size_t n, int line)
{
    d->block = realloc(d->block, (size_t)(d->n + 1) * sizeof *d->block);
    assert_non_null(d->block);
    doc_block *b = &d->block[d->n++];
    *b = (doc_block){ .language = strndup(language, n), .text = strdup(""), .line = line };
    assert_true(b->language && b->text);
    return b;
}

static void append(doc_block *b, const char *line, size_t n)
{
    const size_t had = strlen(b->text);
    b->text = realloc(b->text, had + n + 2);
    assert_non_null(b->text);
    memcpy(b->text + had, line, n);
    strcpy(b->text + had + n, "\n");
}

static bool starts(const char *line, const char *with)
{
    return !strncmp(line, with, strlen(with));
}

/* The reason in `<!-- not run: WHY -->`, malloc'ed; NULL: the line is another. */
static char *reason(const doc *d, const char *line, size_t n, int number)
{
    static const char mark[] = "<!-- not run:";
    if (!starts(line, mark)) return NULL;
    const char *why = line + strlen(mark), *end = line + n;
    while (*why == ' ') why++;
    if (n < strlen(mark) + 3 || strncmp(end - 3, "-->", 3) != 0 || why + 8 > end - 3)
        fail_msg("%s:%d: wanted <!-- not run: WHY -->", d->path, number);
    return strndup(why, (size_t)(end - 3 - why));
}

void doc_read(doc *d, const char *path)
{
    *d = (doc){ 0 };
    snprintf(d->path, sizeof d->path, "%s", path);
    char *text = read_file(path, NULL), *why = NULL;
    int number = 0;
    bool inside = false, right_behind = false, examples = false;
    for (const char *line = text, *next; *line; line = next) {
        const size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        number++;
        if (starts(line, "```")) {
            inside = !inside;
            if (!inside) {
                right_behind = true;
                continue;
            }
            doc_block *b = add(d, line + 3, n - 3, number + 1);
            b->follows = right_behind;
            b->not_run = why;
            why = NULL;
        } else if (inside) {
            append(&d->block[d->n - 1], line, n);
        } else if (n > 0) {
            right_behind = false;
            if (why) fail_msg("%s:%d: wanted a block behind `not run`", path, number);
            why = reason(d, line, n, number);
            if (starts(line, "Examples:"))
                examples = true;
            else if (!starts(line, "    "))
                examples = false;
            else if (examples)
                append(add(d, "sh", 2, number), line + 4, n - 4);
        }
    }
    if (inside) fail_msg("%s: a block has no end", path);
    free(why);
    free(text);
}

void doc_free(doc *d)
{
    for (int i = 0; i < d->n; i++) {
        free(d->block[i].language);
        free(d->block[i].text);
        free(d->block[i].not_run);
    }
    free(d->block);
    *d = (doc){ 0 };
}

int doc_paths(char ***paths)
{
    glob_t g;
    assert_int_equal(glob("README*.md", 0, NULL, &g), 0);
    assert_int_equal(glob("docs/*.md", GLOB_APPEND, NULL, &g), 0);
    *paths = calloc(g.gl_pathc, sizeof **paths);
    assert_non_null(*paths);
    const int n = (int)g.gl_pathc;
    for (int i = 0; i < n; i++) (*paths)[i] = strdup(g.gl_pathv[i]);
    globfree(&g);
    return n;
}

void doc_free_paths(char **paths, int n)
{
    for (int i = 0; i < n; i++) free(paths[i]);
    free(paths);
}

const char *doc_output(const doc *d, int i)
{
    const doc_block *b = i + 1 < d->n ? &d->block[i + 1] : NULL;
    return b && b->follows && !strcmp(b->language, "text") ? b->text : NULL;
}

/* ---- comparing ------------------------------------------------------------------------------ */

typedef struct span {
    const char *at;
    size_t n;
} span;

static bool is(span s, const char *text) { return s.n == strlen(text) && !memcmp(s.at, text, s.n); }

static bool ends_open(span s)
{
    return s.n >= 3 && (!memcmp(s.at + s.n - 3, "...", 3) || !memcmp(s.at + s.n - 3, "…", 3));
}

/* The next part of *rest that is free of `parted`; false: none. */
static bool next_part(const char **rest, const char *parted, span *s)
{
    *rest += strspn(*rest, parted);
    *s = (span){ *rest, strcspn(*rest, parted) };
    *rest += s->n;
    return s->n > 0;
}

static bool next_line(const char **rest, span *s)
{
    if (!**rest) return false;
    *s = (span){ *rest, strcspn(*rest, "\n") };
    *rest += s->n + ((*rest)[s->n] == '\n');
    return true;
}

static bool is_number(span s, double *value)
{
    char text[64], *end;
    if (s.n >= sizeof text || s.n == 0) return false;
    memcpy(text, s.at, s.n);
    text[s.n] = 0;
    if (!strchr("+-.0123456789", *text)) return false;
    *value = strtod(text, &end);
    return *end == 0;
}

static bool same_field(span shown, span got, bool exact, double near)
{
    double a, b;
    const bool number = is_number(shown, &a);
    if (number != is_number(got, &b)) return false;
    if (!exact) return true;
    if (number && memchr(shown.at, '.', shown.n)) return fabs(a - b) <= near;
    return shown.n == got.n && !memcmp(shown.at, got.at, got.n);
}

static bool same_line(span shown, span got, bool exact, double near)
{
    char line[2][4096];
    const char *rest[2] = { line[0], line[1] };
    if (shown.n >= sizeof *line) return false;
    snprintf(line[0], sizeof line[0], "%.*s", (int)shown.n, shown.at);
    snprintf(line[1], sizeof line[1], "%.*s", (int)got.n, got.at);
    for (span a, b;;) {
        const bool more = next_part(&rest[0], " \t", &a);
        if (more && ends_open(a))
            return !exact || !strncmp(a.at, rest[1] + strspn(rest[1], " \t"), a.n - 3);
        if (more != next_part(&rest[1], " \t", &b)) return false;
        if (!more) return true;
        if (!same_field(a, b, exact, near)) return false;
    }
}

static bool is_gap(span line) { return is(line, "...") || is(line, "…"); }

/* Lines up to the next gap or the end; *more: there is one. */
static int lines_to_gap(const char *text, bool *more)
{
    int n = 0;
    span line;
    while ((*more = next_line(&text, &line)) && !is_gap(line)) n++;
    return n;
}

/* Move *got over what a gap stands for: to as many lines from the end as are shown; with another
 * gap to come, to the first line that is as the next one shown. False: nothing more is shown. */
static bool skip_gap(const char **got, const char *shown, bool exact, double near)
{
    bool more, none;
    span wanted, line;
    const int left = lines_to_gap(shown, &more);
    if (left == 0) return false;
    if (!more)
        for (int n = lines_to_gap(*got, &none) - left; n > 0; n--) next_line(got, &line);
    next_line(&shown, &wanted);
    for (const char *at = *got; more && next_line(&at, &line); *got = at)
        if (same_line(wanted, line, exact, near)) break;
    return true;
}

const char *doc_difference(const char *shown, const char *got, bool exact, double near)
{
    static char message[600];
    span a, b;
    int line = 0;
    for (; next_line(&shown, &a); line++) {
        if (is_gap(a)) {
            if (!skip_gap(&got, shown, exact, near)) return NULL;
            continue;
        }
        if (!next_line(&got, &b))
            snprintf(message, sizeof message, "line %d, \"%.*s\", is not printed", line + 1,
                     (int)(a.n < 200 ? a.n : 200), a.at);
        else if (!same_line(a, b, exact, near))
            snprintf(message, sizeof message, "line %d: shown \"%.*s\", printed \"%.*s\"", line + 1,
                     (int)(a.n < 200 ? a.n : 200), a.at, (int)(b.n < 200 ? b.n : 200), b.at);
        else
            continue;
        return message;
    }
    if (!next_line(&got, &b)) return NULL;
    snprintf(message, sizeof message, "printed, but not shown: \"%.*s\"",
             (int)(b.n < 200 ? b.n : 200), b.at);
    return message;
}
