/* jinja_expression.c - a tag's words, and expressions by recursive descent: one function a level of
 * precedence, from the loosest (a if b else c) to what binds closest (a.b, a[b], a | f, a is t).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_parse.h"
#include "text/utf8.h"

typedef b4c_jinja_parser parser;
typedef b4c_jinja_node node;

/* Counted on from where it was asked last, so that all lines together are one walk. */
static int line_of(parser *p, const char *at)
{
    if (at < p->counted) {
        p->counted = p->begin;
        p->line = 1;
    }
    for (; p->counted < at; p->counted++) p->line += *p->counted == '\n';
    return p->line;
}

node *b4c_jinja_fail(parser *p, int code, const char *what)
{
    const int shown = p->size > 40 ? 40 : (int)p->size;
    if (!p->failed)
        b4c_fail(p->err, code, "%s: line %d: found '%.*s', %s", p->j->where, line_of(p, p->word),
                 shown, p->word, what);
    p->failed = true;
    return NULL;
}

static node *no_memory(parser *p)
{
    if (!p->failed) b4c_fail(p->err, B4C_E_MEMORY, "%s: no memory for its tree", p->j->where);
    p->failed = true;
    return NULL;
}

node *b4c_jinja_make(parser *p, b4c_jinja_kind kind)
{
    if (p->failed) return NULL;
    node *n = calloc(1, sizeof *n);
    if (!n) return no_memory(p);
    *n = (node){ .kind = kind, .line = line_of(p, p->word ? p->word : p->at), .all = p->j->all };
    return p->j->all = n;
}

bool b4c_jinja_enter(parser *p)
{
    if (++p->deep > B4C_JINJA_DEEPEST) b4c_jinja_fail(p, B4C_E_FORMAT, "nested too deeply");
    return p->deep <= B4C_JINJA_DEEPEST;
}

const char *b4c_jinja_keep(parser *p, const char *text, size_t size)
{
    b4c_jinja *j = p->j;
    if (p->failed) return "";
    if (j->words == j->room) {
        char **more = realloc(j->word, (2 * j->room + 64) * sizeof *more);
        if (!more) return no_memory(p), "";
        j->word = more;
        j->room = 2 * j->room + 64;
    }
    char *copy = malloc(size + 1);
    if (!copy) return no_memory(p), "";
    memcpy(copy, text, size);
    copy[size] = 0;
    return j->word[j->words++] = copy;
}

/* ---- words ----------------------------------------------------------------------------------- */

bool b4c_jinja_is(const parser *p, const char *word)
{
    return (p->kind == B4C_JINJA_WORD_NAME || p->kind == B4C_JINJA_WORD_SIGN) &&
           p->size == strlen(word) && !memcmp(p->word, word, p->size);
}

void b4c_jinja_next(parser *p)
{
    static const char *const two[] = { "==", "!=", "<=", ">=", "//", "**" };
    while (p->at < p->end && isspace((unsigned char)*p->at)) p->at++;
    p->word = p->at;
    p->size = 0;
    if (p->at == p->end) {
        p->kind = B4C_JINJA_WORD_END;
        b4c_jinja_fail(p, B4C_E_FORMAT, "wanted the end of the tag");
        return;
    }
    const size_t left = (size_t)(p->end - p->at), dash = *p->at == '-' || *p->at == '+';
    const char end = left >= 2 + dash && p->at[dash + 1] == '}' ? p->at[dash] : 0;
    if (end == '%' || (end == '}' && !p->braces)) {
        p->kind = B4C_JINJA_WORD_END;
        p->size = 2 + dash;
        return;
    }
    const char c = *p->at;
    size_t n = 1;
    if (isalpha((unsigned char)c) || c == '_') {
        p->kind = B4C_JINJA_WORD_NAME;
        while (n < left && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_')) n++;
    } else if (isdigit((unsigned char)c)) {
        p->kind = B4C_JINJA_WORD_NUMBER;
        while (n < left &&
               (isdigit((unsigned char)p->at[n]) ||
                (p->at[n] == '.' && n + 1 < left && isdigit((unsigned char)p->at[n + 1]))))
            n++;
    } else if (c == '"' || c == '\'') {
        p->kind = B4C_JINJA_WORD_STRING;
        while (n < left && p->at[n] != c) n += p->at[n] == '\\' ? 2 : 1;
        if (n >= left) {
            p->size = left;
            b4c_jinja_fail(p, B4C_E_FORMAT, "wanted its closing quote");
            return;
        }
        n++;
    } else {
        p->kind = B4C_JINJA_WORD_SIGN;
        for (size_t i = 0; i < sizeof two / sizeof *two; i++)
            if (left >= 2 && !memcmp(p->at, two[i], 2)) n = 2;
        p->braces += (c == '{') - (c == '}');
        if (!strchr("+-*/%~<>=!()[]{}.,:|", c))
            b4c_jinja_fail(p, B4C_E_FORMAT, "which has no meaning here");
    }
    p->size = n;
    p->at += n;
}

bool b4c_jinja_take(parser *p, const char *word)
{
    if (p->failed || !b4c_jinja_is(p, word)) return false;
    b4c_jinja_next(p);
    return true;
}

void b4c_jinja_want(parser *p, const char *word)
{
    char what[64];
    if (b4c_jinja_take(p, word)) return;
    snprintf(what, sizeof what, "wanted '%s'", word);
    b4c_jinja_fail(p, B4C_E_FORMAT, what);
}

const char *b4c_jinja_want_name(parser *p)
{
    if (p->kind != B4C_JINJA_WORD_NAME) {
        b4c_jinja_fail(p, B4C_E_FORMAT, "wanted a name");
        return "";
    }
    const char *name = b4c_jinja_keep(p, p->word, p->size);
    b4c_jinja_next(p);
    return name;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static node *value_node(parser *p, json_t *value)
{
    node *n = b4c_jinja_make(p, B4C_JINJA_VALUE);
    if (n)
        n->value = value;
    else
        json_decref(value);
    return n;
}

/* The character of \xhh, \uhhhh, \Uhhhhhhhh or \ooo at c; *c becomes its last byte. -1: none. */
static int32_t numbered(const char **c, const char *end)
{
    const char kind = **c;
    const int octal = kind >= '0' && kind <= '7';
    const int most = octal ? 3 : kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    const char *at = octal ? *c : *c + 1;
    int n = 0;
    long value = 0;
    for (; n < most && at < end; n++, at++) {
        const char *digit = *at ? strchr("0123456789abcdefABCDEF", *at) : NULL;
        if (!digit || (octal && *at > '7')) break;
        const long d = digit - "0123456789abcdefABCDEF";
        value = value * (octal ? 8 : 16) + (d > 15 ? d - 6 : d);
    }
    if (!most || (octal ? n == 0 : n < most) || value > 0x10ffff ||
        (value >= 0xd800 && value < 0xe000))
        return -1;
    *c = at - 1;
    return (int32_t)value;
}

/* Python keeps the backslash of what is no escape. */
static void put_escape(b4c_buffer *text, const char **c, const char *end, bool *odd)
{
    static const char from[] = "ntrabfv\\'\"", to[] = "\n\t\r\a\b\f\v\\'\"";
    char room[4];
    const char *found = **c ? strchr(from, **c) : NULL;
    if (**c == '\n') return;
    if (found) {
        b4c_buffer_add(text, &to[found - from], 1);
        return;
    }
    if (strchr("xuUN", **c) || (**c >= '0' && **c <= '7')) {
        const int32_t value = numbered(c, end);
        if (value < 0) *odd = true;
        else b4c_buffer_add(text, room, (size_t)b4c_utf8_write((uint32_t)value, room));
        return;
    }
    b4c_buffer_text(text, "\\");
    b4c_buffer_add(text, *c, 1);
}

static node *string(parser *p)
{
    b4c_buffer text = { 0 };
    const char *end = p->word + p->size - 1;
    bool odd = false;
    for (const char *c = p->word + 1; c < end; c++)
        if (*c == '\\' && c + 1 < end) {
            c++;
            put_escape(&text, &c, end, &odd);
        } else
            b4c_buffer_add(&text, c, 1);
    json_t *value = text.failed || odd ? NULL
                                       : json_stringn(text.data ? text.data : "", text.size);
    b4c_buffer_done(&text);
    if (odd) return b4c_jinja_fail(p, B4C_E_FORMAT, "wanted a text whose escapes are characters");
    if (!value) return b4c_jinja_fail(p, B4C_E_TEXT, "wanted a text in UTF-8");
    node *n = value_node(p, value);
    b4c_jinja_next(p);
    return n;
}

static node *number(parser *p)
{
    char room[64];
    if (p->size >= sizeof room) return b4c_jinja_fail(p, B4C_E_FORMAT, "wanted a shorter number");
    memcpy(room, p->word, p->size);
    room[p->size] = 0;
    node *n = value_node(p, strchr(room, '.') ? json_real(strtod(room, NULL))
                                              : json_integer(strtoll(room, NULL, 10)));
    b4c_jinja_next(p);
    return n;
}

/* Items up to `end`, each with `name` where it is a keyword argument. */
static node *items(parser *p, const char *end, bool keywords)
{
    node *first = NULL, **last = &first;
    while (!p->failed && !b4c_jinja_is(p, end)) {
        const char *name = NULL;
        const parser before = *p;
        if (keywords && p->kind == B4C_JINJA_WORD_NAME) {
            const char *word = p->word;
            const size_t size = p->size;
            b4c_jinja_next(p);
            if (b4c_jinja_is(p, "=")) {
                name = b4c_jinja_keep(p, word, size);
                b4c_jinja_next(p);
            } else
                *p = before;
        }
        node *n = b4c_jinja_expression(p), *item = b4c_jinja_make(p, B4C_JINJA_LIST);
        if (!item) return NULL;
        item->a = n;
        item->name = name;
        *last = item;
        last = &item->next;
        if (!b4c_jinja_take(p, ",")) break;
    }
    b4c_jinja_want(p, end);
    return first;
}

static node *dict(parser *p)
{
    node *n = b4c_jinja_make(p, B4C_JINJA_DICT), **last = n ? &n->a : NULL;
    while (!p->failed && !b4c_jinja_is(p, "}")) {
        node *pair = b4c_jinja_make(p, B4C_JINJA_LIST);
        if (!pair) return NULL;
        pair->a = b4c_jinja_expression(p);
        b4c_jinja_want(p, ":");
        pair->b = b4c_jinja_expression(p);
        *last = pair;
        last = &pair->next;
        if (!b4c_jinja_take(p, ",")) break;
    }
    b4c_jinja_want(p, "}");
    return n;
}

static node *constant(parser *p)
{
    static const struct {
        const char *name;
        int value; /* 0, 1; 2: none */
    } known[] = { { "true", 1 },  { "True", 1 }, { "false", 0 },
                  { "False", 0 }, { "none", 2 }, { "None", 2 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (b4c_jinja_is(p, known[i].name)) {
            b4c_jinja_next(p);
            return value_node(p, known[i].value == 2 ? json_null() : json_boolean(known[i].value));
        }
    return NULL;
}

static node *primary(parser *p)
{
    static const char *const odd[] = { "caller", "varargs", "kwargs" };
    if (p->kind == B4C_JINJA_WORD_STRING) {
        node *n = string(p);
        /* "a" "b" stand together as in Python. */
        while (n && !p->failed && p->kind == B4C_JINJA_WORD_STRING) {
            node *join = b4c_jinja_make(p, B4C_JINJA_JOIN);
            if (!join) return NULL;
            join->a = n;
            join->b = string(p);
            n = join;
        }
        return n;
    }
    if (p->kind == B4C_JINJA_WORD_NUMBER) return number(p);
    if (b4c_jinja_take(p, "(")) {
        node *n = b4c_jinja_expression(p);
        if (!b4c_jinja_is(p, ",")) {
            b4c_jinja_want(p, ")");
            return n;
        }
        node *list = b4c_jinja_make(p, B4C_JINJA_LIST), *first = b4c_jinja_make(p, B4C_JINJA_LIST);
        if (!first) return NULL;
        b4c_jinja_next(p);
        first->a = n;
        first->next = items(p, ")", false);
        list->a = first;
        return list;
    }
    if (b4c_jinja_take(p, "[")) {
        node *n = b4c_jinja_make(p, B4C_JINJA_LIST);
        if (n) n->a = items(p, "]", false);
        return n;
    }
    if (b4c_jinja_take(p, "{")) return dict(p);
    if (p->kind != B4C_JINJA_WORD_NAME) return b4c_jinja_fail(p, B4C_E_FORMAT, "wanted a value");
    node *n = constant(p);
    if (n || p->failed) return n;
    for (size_t i = 0; p->macros && i < sizeof odd / sizeof *odd; i++)
        if (b4c_jinja_is(p, odd[i]))
            return b4c_jinja_fail(p, B4C_E_UNSUPPORTED, "which is not done in a macro");
    n = b4c_jinja_make(p, B4C_JINJA_NAME);
    if (n) n->name = b4c_jinja_want_name(p);
    return n;
}

/* What stands in brackets behind x. */
static node *subscript(parser *p, node *x)
{
    node *part[3] = { NULL, NULL, NULL };
    int k = 0;
    bool slice = false;
    for (; !p->failed && !b4c_jinja_is(p, "]"); k++) {
        if (k > 2) return b4c_jinja_fail(p, B4C_E_FORMAT, "wanted ']'");
        if (!b4c_jinja_is(p, ":")) part[k] = b4c_jinja_expression(p);
        if (!b4c_jinja_take(p, ":")) break;
        slice = true;
    }
    b4c_jinja_want(p, "]");
    if (!slice && !part[0]) return b4c_jinja_fail(p, B4C_E_FORMAT, "wanted an index before it");
    node *n = b4c_jinja_make(p, slice ? B4C_JINJA_SLICE : B4C_JINJA_ITEM);
    if (!n) return NULL;
    n->a = x;
    n->b = part[0];
    n->c = part[1];
    n->other = part[2];
    return n;
}

static node *call(parser *p, node *object, const char *name)
{
    node *n = b4c_jinja_make(p, B4C_JINJA_CALL);
    if (!n) return NULL;
    n->a = object;
    n->name = name;
    n->b = items(p, ")", true);
    return n;
}

static node *postfix(parser *p)
{
    node *n = primary(p);
    while (n && !p->failed) {
        if (b4c_jinja_take(p, ".")) {
            const char *name = b4c_jinja_want_name(p);
            if (b4c_jinja_take(p, "(")) {
                n = call(p, n, name);
                continue;
            }
            node *of = b4c_jinja_make(p, B4C_JINJA_ATTRIBUTE);
            if (!of) return NULL;
            of->a = n;
            of->name = name;
            n = of;
        } else if (b4c_jinja_take(p, "["))
            n = subscript(p, n);
        else if (b4c_jinja_is(p, "(") && n->kind == B4C_JINJA_NAME) {
            b4c_jinja_next(p);
            n = call(p, NULL, n->name);
        } else
            break;
    }
    return n;
}

static node *tested(parser *p, node *x)
{
    const bool no = b4c_jinja_take(p, "not");
    node *n = b4c_jinja_make(p, B4C_JINJA_TEST);
    if (!n) return NULL;
    n->a = x;
    n->name = b4c_jinja_want_name(p);
    /* "is odd(x)", or as Jinja has it too: "is odd x" */
    const bool word = p->kind == B4C_JINJA_WORD_NAME && !b4c_jinja_is(p, "else") &&
                      !b4c_jinja_is(p, "or") && !b4c_jinja_is(p, "and") &&
                      !b4c_jinja_is(p, "if") && !b4c_jinja_is(p, "is") && !b4c_jinja_is(p, "in") &&
                      !b4c_jinja_is(p, "not") && !b4c_jinja_is(p, "recursive");
    if (b4c_jinja_take(p, "("))
        n->b = items(p, ")", false);
    else if (word || p->kind == B4C_JINJA_WORD_STRING || p->kind == B4C_JINJA_WORD_NUMBER ||
             b4c_jinja_is(p, "[") || b4c_jinja_is(p, "{")) {
        n->b = b4c_jinja_make(p, B4C_JINJA_LIST);
        if (!n->b) return NULL;
        n->b->a = postfix(p);
    }
    if (!no) return n;
    node *not = b4c_jinja_make(p, B4C_JINJA_NOT);
    if (not) not->a = n;
    return not;
}

/* A minus binds closer than filters: -3 | string is (-3) | string. */
static node *negative(parser *p)
{
    if (!b4c_jinja_take(p, "-")) return postfix(p);
    if (!b4c_jinja_enter(p)) return NULL;
    node *n = b4c_jinja_make(p, B4C_JINJA_MINUS);
    if (n) n->a = negative(p);
    p->deep--;
    return n;
}

static node *unary(parser *p)
{
    if (!b4c_jinja_enter(p)) return NULL;
    node *n = negative(p);
    while (n && !p->failed) {
        if (b4c_jinja_take(p, "|")) {
            node *f = b4c_jinja_make(p, B4C_JINJA_FILTER);
            if (!f) return NULL;
            f->a = n;
            f->name = b4c_jinja_want_name(p);
            if (b4c_jinja_take(p, "(")) f->b = items(p, ")", true);
            n = f;
        } else if (b4c_jinja_take(p, "is"))
            n = tested(p, n);
        else
            break;
    }
    p->deep--;
    return n;
}

/* Operators of one level, from the closest: */
typedef struct operator_of {
    int level;
    const char *sign;
    b4c_jinja_kind kind;
} operator_of;
static const operator_of operators[] = {
    { 0, "*", B4C_JINJA_TIMES },          { 0, "/", B4C_JINJA_DIVIDE },
    { 0, "//", B4C_JINJA_DIVIDE_WHOLE },  { 0, "%", B4C_JINJA_REST },
    { 1, "~", B4C_JINJA_JOIN },           { 2, "+", B4C_JINJA_ADD },
    { 2, "-", B4C_JINJA_SUBTRACT },       { 3, "==", B4C_JINJA_EQUAL },
    { 3, "!=", B4C_JINJA_DIFFERENT },     { 3, "<", B4C_JINJA_LESS },
    { 3, "<=", B4C_JINJA_LESS_EQUAL },    { 3, ">", B4C_JINJA_GREATER },
    { 3, ">=", B4C_JINJA_GREATER_EQUAL }, { 3, "in", B4C_JINJA_IN },
};
enum { COMPARISONS = 3 };

static const operator_of *operator_at(const parser *p, int level)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].level == level && b4c_jinja_is(p, operators[i].sign)) return &operators[i];
    return NULL;
}

static node *binary(parser *p, int level)
{
    if (level < 0) return unary(p);
    node *n = binary(p, level - 1);
    for (int times = 0; n && !p->failed; times++) {
        const operator_of *o = operator_at(p, level);
        b4c_jinja_kind kind = o ? o->kind : B4C_JINJA_NOT_IN;
        if (!o) {
            /* "not in" is a comparison; any other "not" here has no business. */
            if (level != COMPARISONS || !b4c_jinja_is(p, "not")) break;
            b4c_jinja_next(p);
            if (!b4c_jinja_is(p, "in")) return b4c_jinja_fail(p, B4C_E_FORMAT, "wanted 'in'");
        }
        if (level == COMPARISONS && times)
            return b4c_jinja_fail(p, B4C_E_UNSUPPORTED, "chains of comparisons are not done");
        b4c_jinja_next(p);
        node *both = b4c_jinja_make(p, kind);
        if (!both) return NULL;
        both->a = n;
        both->b = binary(p, level - 1);
        n = both;
    }
    return n;
}

static node *negation(parser *p)
{
    if (!b4c_jinja_take(p, "not")) return binary(p, COMPARISONS);
    if (!b4c_jinja_enter(p)) return NULL;
    node *n = b4c_jinja_make(p, B4C_JINJA_NOT);
    if (n) n->a = negation(p);
    p->deep--;
    return n;
}

static node *logical(parser *p, bool either)
{
    node *n = either ? logical(p, false) : negation(p);
    while (n && b4c_jinja_take(p, either ? "or" : "and")) {
        node *both = b4c_jinja_make(p, either ? B4C_JINJA_OR : B4C_JINJA_AND);
        if (!both) return NULL;
        both->a = n;
        both->b = either ? logical(p, false) : negation(p);
        n = both;
    }
    return n;
}

node *b4c_jinja_expression(parser *p)
{
    if (p->failed) return NULL;
    if (!b4c_jinja_enter(p)) return NULL;
    node *n = logical(p, true);
    while (n && b4c_jinja_take(p, "if")) {
        node *choice = b4c_jinja_make(p, B4C_JINJA_CHOICE);
        if (!choice) return NULL;
        choice->a = n;
        choice->b = logical(p, true);
        if (b4c_jinja_take(p, "else")) choice->c = b4c_jinja_expression(p);
        n = choice;
    }
    p->deep--;
    return p->failed ? NULL : n;
}

node *b4c_jinja_plain(parser *p) { return logical(p, true); }
