/* jinja_parse.c - a template's source to its tree: text up to the next tag, with the rules for
 * blanks around it, and statements. Expressions are jinja_expression.c's.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_parse.h"

typedef b4c_jinja_parser parser;
typedef b4c_jinja_node node;

static node *statements(parser *p, const char *const *ends);

/* Behind a tag, whose newline goes with it where it `trims`. */
static void go_behind(parser *p, const char *at, bool strip, bool trims)
{
    p->strip = strip;
    p->line_begins = trims && at < p->end && *at == '\n';
    p->at = at + p->line_begins;
}

/* Behind the last word of a tag. */
static void close_tag(parser *p, char sign)
{
    if (p->failed) return;
    if (p->kind != B4C_JINJA_WORD_END || p->word[p->size - 2] != sign) {
        b4c_jinja_fail(p, B4C_E_FORMAT, sign == '%' ? "wanted '%}'" : "wanted '}}'");
        return;
    }
    go_behind(p, p->word + p->size, *p->word == '-', sign == '%' && p->size == 2);
}

static const char *const after_for[] = { "else", "endfor", NULL },
                         *const after_if[] = { "elif", "else", "endif", NULL },
                         *const after_else_for[] = { "endfor", NULL },
                         *const after_else_if[] = { "endif", NULL },
                         *const after_set[] = { "endset", NULL },
                         *const after_macro[] = { "endmacro", NULL },
                         *const after_generation[] = { "endgeneration", NULL };

static node *for_tag(parser *p)
{
    node *n = b4c_jinja_make(p, B4C_JINJA_FOR);
    if (!n) return NULL;
    n->target[0] = b4c_jinja_want_name(p);
    if (b4c_jinja_take(p, ",")) n->target[1] = b4c_jinja_want_name(p);
    b4c_jinja_want(p, "in");
    /* "if" here begins the loop's condition, not a choice. */
    n->a = b4c_jinja_plain(p);
    if (b4c_jinja_take(p, "if")) n->b = b4c_jinja_expression(p);
    if (b4c_jinja_is(p, "recursive"))
        return b4c_jinja_fail(p, B4C_E_UNSUPPORTED, "recursive loops are not done");
    close_tag(p, '%');
    p->loops++;
    n->body = statements(p, after_for);
    p->loops--;
    if (b4c_jinja_take(p, "else")) {
        close_tag(p, '%');
        n->other = statements(p, after_else_for);
    }
    b4c_jinja_want(p, "endfor");
    close_tag(p, '%');
    return n;
}

/* Behind "if" or "elif", up to and with "endif". */
static node *if_tag(parser *p)
{
    if (!b4c_jinja_enter(p)) return NULL;
    node *n = b4c_jinja_make(p, B4C_JINJA_IF);
    if (!n) return NULL;
    n->a = b4c_jinja_expression(p);
    close_tag(p, '%');
    n->body = statements(p, after_if);
    if (b4c_jinja_take(p, "elif")) {
        n->other = if_tag(p);
    } else {
        if (b4c_jinja_take(p, "else")) {
            close_tag(p, '%');
            n->other = statements(p, after_else_if);
        }
        b4c_jinja_want(p, "endif");
        close_tag(p, '%');
    }
    p->deep--;
    return n;
}

static node *set_tag(parser *p)
{
    node *n = b4c_jinja_make(p, B4C_JINJA_SET);
    if (!n) return NULL;
    n->target[0] = b4c_jinja_want_name(p);
    if (b4c_jinja_take(p, ".")) n->attribute = b4c_jinja_want_name(p);
    if (b4c_jinja_is(p, ","))
        return b4c_jinja_fail(p, B4C_E_UNSUPPORTED, "setting several names is not done");
    if (b4c_jinja_take(p, "=")) {
        n->a = b4c_jinja_expression(p);
        close_tag(p, '%');
    } else {
        close_tag(p, '%');
        n->body = statements(p, after_set);
        b4c_jinja_want(p, "endset");
        close_tag(p, '%');
    }
    return n;
}

/* Up to its end tag; a loop around it is not one that is broken inside. */
static node *inside(parser *p, const char *const *ends)
{
    const int loops = p->loops;
    p->loops = 0;
    node *body = statements(p, ends);
    p->loops = loops;
    b4c_jinja_want(p, ends[0]);
    close_tag(p, '%');
    return body;
}

static node *macro_tag(parser *p)
{
    b4c_jinja *j = p->j;
    node *n = b4c_jinja_make(p, B4C_JINJA_MACRO), **last = n ? &n->a : NULL;
    if (!n) return NULL;
    if (j->macros == j->macro_room) {
        node **more = realloc(j->macro, (2 * j->macro_room + 8) * sizeof(node *));
        if (!more) return b4c_jinja_fail(p, B4C_E_MEMORY, "no memory");
        j->macro = more;
        j->macro_room = 2 * j->macro_room + 8;
    }
    n->number = (int)j->macros;
    j->macro[j->macros++] = n;
    n->name = b4c_jinja_want_name(p);
    b4c_jinja_want(p, "(");
    while (!p->failed && !b4c_jinja_is(p, ")")) {
        node *one = b4c_jinja_make(p, B4C_JINJA_NAME);
        if (!one) return NULL;
        one->name = b4c_jinja_want_name(p);
        if (b4c_jinja_take(p, "=")) one->b = b4c_jinja_expression(p);
        *last = one;
        last = &one->next;
        if (!b4c_jinja_take(p, ",")) break;
    }
    b4c_jinja_want(p, ")");
    close_tag(p, '%');
    p->macros++;
    n->body = inside(p, after_macro);
    p->macros--;
    return n;
}

/* transformers marks what the model wrote; nothing is printed by it, but it is a scope. */
static node *generation_tag(parser *p)
{
    node *n = b4c_jinja_make(p, B4C_JINJA_SCOPE);
    close_tag(p, '%');
    if (n) n->body = inside(p, after_generation);
    return n;
}

static node *block_tag(parser *p)
{
    if (b4c_jinja_take(p, "macro")) return macro_tag(p);
    if (b4c_jinja_take(p, "generation")) return generation_tag(p);
    if (b4c_jinja_take(p, "for")) return for_tag(p);
    if (b4c_jinja_take(p, "if")) return if_tag(p);
    if (b4c_jinja_take(p, "set")) return set_tag(p);
    const bool ends = b4c_jinja_is(p, "break");
    if (ends || b4c_jinja_is(p, "continue")) {
        if (!p->loops) return b4c_jinja_fail(p, B4C_E_FORMAT, "outside of a loop");
        b4c_jinja_next(p);
        node *n = b4c_jinja_make(p, ends ? B4C_JINJA_BREAK : B4C_JINJA_CONTINUE);
        close_tag(p, '%');
        return n;
    }
    return b4c_jinja_fail(p, B4C_E_UNSUPPORTED,
                          "a tag that is not done; wanted for, if, set, macro, break or continue");
}

/* Text up to the next tag; its blanks go where the tags around it say so. Returns the tag's sign:
 * '%', '{', '#', or 0 at the end of the template. */
static char read_text(parser *p, node **out)
{
    const char *from = p->at, *tag = from;
    while (tag < p->end && !(tag + 1 < p->end && *tag == '{' && strchr("%{#", tag[1]) && tag[1]))
        tag++;
    const bool begins = p->line_begins;
    const char sign = tag < p->end ? tag[1] : 0;
    const char how = sign && tag + 2 < p->end ? tag[2] : 0;
    const char *end = tag;
    if (p->strip)
        while (from < end && isspace((unsigned char)*from)) from++;
    if (how == '-')
        while (end > from && isspace((unsigned char)end[-1])) end--;
    else if ((sign == '%' || sign == '#') && how != '+') {
        const char *blank = end;
        while (blank > from && (blank[-1] == ' ' || blank[-1] == '\t')) blank--;
        if (blank == from ? begins : blank[-1] == '\n') end = blank;
    }
    *out = NULL;
    p->word = tag;
    if (end > from && (*out = b4c_jinja_make(p, B4C_JINJA_TEXT))) {
        (*out)->name = b4c_jinja_keep(p, from, (size_t)(end - from));
        (*out)->size = (size_t)(end - from);
    }
    p->at = sign ? tag + 2 + (how == '-' || how == '+') : p->end;
    p->strip = false;
    p->line_begins = false;
    return sign;
}

static void comment(parser *p)
{
    const char *end = p->at;
    while (end + 1 < p->end && !(end[0] == '#' && end[1] == '}')) end++;
    if (end + 1 >= p->end) {
        p->size = 2;
        b4c_jinja_fail(p, B4C_E_FORMAT, "wanted the end of the comment, '#}'");
        return;
    }
    const bool strip = end > p->at && end[-1] == '-';
    go_behind(p, end + 2, strip, !strip);
}

static bool is_one_of(const parser *p, const char *const *words)
{
    for (int i = 0; words && words[i]; i++)
        if (b4c_jinja_is(p, words[i])) return true;
    return false;
}

/* Up to a tag whose first word is one of `ends`, which stays; NULL: up to the end. */
static node *statements(parser *p, const char *const *ends)
{
    node *first = NULL, **last = &first;
    if (!b4c_jinja_enter(p)) return NULL;
    while (!p->failed) {
        node *text, *n = NULL;
        const char sign = read_text(p, &text);
        if (text) {
            *last = text;
            last = &text->next;
        }
        if (!sign) {
            if (ends)
                b4c_jinja_fail(p, B4C_E_FORMAT,
                               "the end of the template, wanted the end of a block");
            break;
        }
        if (sign == '#') {
            comment(p);
            continue;
        }
        b4c_jinja_next(p);
        if (sign == '%' && is_one_of(p, ends)) break;
        if (sign == '%') {
            n = block_tag(p);
        } else if ((n = b4c_jinja_make(p, B4C_JINJA_PRINT))) {
            n->a = b4c_jinja_expression(p);
            close_tag(p, '}');
        }
        if (n) {
            *last = n;
            last = &n->next;
        }
    }
    p->deep--;
    return first;
}

/* ---- the whole ------------------------------------------------------------------------------- */

b4c_jinja *b4c_jinja_parse(const char *source, size_t size, const char *where, b4c_error *err)
{
    b4c_jinja *j = calloc(1, sizeof *j);
    char *text = malloc(size + 1);
    if (j) j->where = strdup(where);
    if (!j || !text || !j->where) {
        b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the template", where);
        free(text);
        b4c_jinja_free(j);
        return NULL;
    }
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        if (source[i] != '\r') text[n++] = source[i];
        else if (i + 1 == size || source[i + 1] != '\n') text[n++] = '\n';
    if (n && text[n - 1] == '\n') n--;
    text[n] = 0;
    parser p = { .j = j,
                 .at = text,
                 .end = text + n,
                 .begin = text,
                 .line_begins = true,
                 .word = text,
                 .counted = text,
                 .line = 1,
                 .err = err };
    j->body = statements(&p, NULL);
    free(text);
    if (!p.failed) return j;
    b4c_jinja_free(j);
    return NULL;
}

void b4c_jinja_free(b4c_jinja *j)
{
    if (!j) return;
    for (b4c_jinja_node *n = j->all, *after; n; n = after) {
        after = n->all;
        json_decref(n->value);
        free(n);
    }
    for (size_t i = 0; i < j->words; i++) free(j->word[i]);
    free(j->word);
    free(j->macro);
    free(j->where);
    free(j);
}
