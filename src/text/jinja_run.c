/* jinja_run.c - a template's tree with variables: the text it makes.
 *
 * Names are looked up through frames: one for the template, one more for each turn of a loop, so
 * that what is set in a turn is forgotten after it, as Jinja has it; a namespace is an object that
 * all frames share. A macro sees the frames that surrounded its definition. Every value is a
 * reference that its receiver gives back.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "text/jinja.h"

typedef b4c_jinja_node node;

/* DEEPEST: expressions, statements and macros inside one another; the stack holds them. */
enum { FRAMES = 32, STEPS = 1000000, DEEPEST = 600, MACROS = 64 };

typedef enum after { GO_ON, BREAK, CONTINUE } after;

typedef struct run {
    const b4c_jinja *j;
    json_t *variables;
    json_t
        *frame[FRAMES]; /* names set in the template, in a turn of a loop, in one inside it ... */
    int frames;
    after after; /* what a break or continue asks of the loop around it */
    json_t *undefined; /* stands in a frame for a name that is set to what is undefined */
    long steps;
    int deep, macros; /* how deep; how many macros that are */
    b4c_buffer *out;
    b4c_error *err;
} run;

static int fail(run *r, const node *n, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int fail(run *r, const node *n, int code, const char *format, ...)
{
    char what[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    return b4c_fail(r->err, code, "%s: line %d: %s", r->j->where, n->line, what);
}

/* What a function of values said, with the place. */
static int failed(run *r, const node *n, int code, const b4c_error *why)
{
    return fail(r, n, code, "%s", why->message);
}

static int step(run *r, const node *n)
{
    if (++r->steps > STEPS || r->out->size > B4C_JINJA_LONGEST)
        return fail(r, n, B4C_E_MEMORY, "the template does not come to an end");
    return r->out->failed ? fail(r, n, B4C_E_MEMORY, "no memory") : 0;
}

static int value_of(run *r, const node *n, json_t **out);

static json_t *look_up(const run *r, const char *name)
{
    for (int i = r->frames; i-- > 0;) {
        json_t *found = json_object_get(r->frame[i], name);
        if (found) return found == r->undefined ? NULL : found;
    }
    return json_object_get(r->variables, name);
}

static bool is_function(const char *name)
{
    static const char *const known[] = { "raise_exception", "range", "namespace", "dict",
                                         "strftime_now" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i])) return true;
    return false;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void give_back(b4c_jinja_arguments *a)
{
    for (int i = 0; i < a->n; i++) json_decref(a->item[i]);
}

static int arguments_of(run *r, const node *first, b4c_jinja_arguments *a)
{
    *a = (b4c_jinja_arguments){ .n = 0 };
    for (const node *n = first; n; n = n->next) {
        json_t *x;
        if (a->n == (int)(sizeof a->item / sizeof *a->item)) {
            give_back(a);
            return fail(r, n, B4C_E_UNSUPPORTED, "more than %d arguments", a->n);
        }
        const int rc = value_of(r, n->a, &x);
        if (rc < 0) {
            give_back(a);
            return rc;
        }
        a->name[a->n] = n->name;
        a->item[a->n++] = x;
    }
    return 0;
}

static int range(run *r, const node *n, const b4c_jinja_arguments *a, json_t **out)
{
    json_int_t at[3] = { 0, 0, 1 };
    for (int i = 0; i < a->n; i++) {
        if (i == 3 || !json_is_integer(a->item[i]) || a->name[i])
            return fail(r, n, B4C_E_TEXT, "range() takes one to three whole numbers");
        at[i] = json_integer_value(a->item[i]);
    }
    if (a->n == 1) {
        at[1] = at[0];
        at[0] = 0;
    }
    const double turns = at[2] ? ((double)at[1] - (double)at[0]) / (double)at[2] : 1e9;
    if (!a->n || turns > 100000) return fail(r, n, B4C_E_TEXT, "range() of too many or no numbers");
    *out = json_array();
    for (json_int_t i = at[0]; at[2] > 0 ? i < at[1] : i > at[1]; i += at[2])
        json_array_append_new(*out, json_integer(i));
    return 0;
}

/* The time of the machine's clock and zone. */
static int now(run *r, const node *n, const b4c_jinja_arguments *a, json_t **out)
{
    char room[1024];
    struct tm tm;
    const time_t seconds = time(NULL);
    const char *format = a->n == 1 ? json_string_value(a->item[0]) : NULL;
    if (!format || !localtime_r(&seconds, &tm))
        return fail(r, n, B4C_E_TEXT, "strftime_now() takes one text, the format");
    if (strstr(format, "%f")) return fail(r, n, B4C_E_UNSUPPORTED, "'%%f' of time is not done");
    room[0] = 0;
    const size_t size = strftime(room, sizeof room, format, &tm);
    if (*format && !size) return fail(r, n, B4C_E_TEXT, "a time in '%.40s' is too long", format);
    *out = json_stringn(room, size);
    return *out ? 0 : fail(r, n, B4C_E_TEXT, "a time that is not UTF-8");
}

static int make_object(run *r, const node *n, const b4c_jinja_arguments *a, json_t **out)
{
    const bool space = !strcmp(n->name, "namespace");
    *out = space ? b4c_jinja_marked("namespace") : json_object();
    for (int i = 0; i < a->n; i++) {
        if (!a->name[i] || (!a->item[i] && !space))
            return fail(r, n, B4C_E_UNSUPPORTED, "%s() takes names with values that are defined",
                        n->name);
        json_object_set(*out, a->name[i], a->item[i] ? a->item[i] : r->undefined);
    }
    return 0;
}

static int run_all(run *r, const node *n);

/* Parameters by place, by name, by their defaults; the text that the macro's body makes. */
static int fill_parameters(run *r, const node *macro, const b4c_jinja_arguments *a, const node *at)
{
    json_t *own = r->frame[r->frames - 1];
    int place = 0, used = 0;
    for (const node *p = macro->a; p; p = p->next, place++) {
        int found = -1;
        for (int i = 0; i < a->n; i++)
            if (a->name[i] ? !strcmp(a->name[i], p->name) : i == place) found = i;
        json_t *x = NULL;
        if (found >= 0) x = json_incref(a->item[found]);
        else if (p->b) B4C_TRY(value_of(r, p->b, &x));
        used += found >= 0;
        json_object_set_new(own, p->name, x ? x : json_incref(r->undefined));
    }
    return used == a->n ? 0
                        : fail(r, at, B4C_E_TEXT, "the macro '%s' takes no such arguments",
                               macro->name);
}

static int call_macro(run *r, const node *n, const json_t *what, const b4c_jinja_arguments *a,
                      json_t **out)
{
    const node *macro = r->j->macro[json_integer_value(json_object_get(what, "number"))];
    b4c_buffer text = { 0 };
    run inside = *r;
    inside.frames = (int)json_integer_value(json_object_get(what, "frames"));
    if (inside.frames >= FRAMES || inside.macros >= MACROS)
        return fail(r, n, B4C_E_MEMORY, "macros nested too deeply");
    inside.macros++;
    inside.out = &text;
    inside.frame[inside.frames++] = json_object();
    int rc = fill_parameters(&inside, macro, a, n);
    if (rc == 0) rc = run_all(&inside, macro->body);
    json_decref(inside.frame[inside.frames - 1]);
    r->steps = inside.steps + (long)(text.size >> 6);
    if (rc == 0) *out = json_stringn(text.data ? text.data : "", text.size);
    b4c_buffer_done(&text);
    return rc;
}

static int call_function(run *r, const node *n, const b4c_jinja_arguments *a, json_t **out)
{
    const json_t *own = look_up(r, n->name);
    const char *mark = b4c_jinja_mark(own);
    if (mark && !strcmp(mark, "macro")) return call_macro(r, n, own, a, out);
    if (own && !mark)
        return fail(r, n, B4C_E_TEXT, "'%s' is called, %s", n->name, b4c_jinja_kind_of(own));
    if (!strcmp(n->name, "raise_exception"))
        return fail(r, n, B4C_E_TEXT, "the template refuses: %s",
                    a->n && json_is_string(a->item[0]) ? json_string_value(a->item[0]) : "");
    if (!strcmp(n->name, "range")) return range(r, n, a, out);
    if (!strcmp(n->name, "strftime_now")) return now(r, n, a, out);
    if (is_function(n->name)) return make_object(r, n, a, out);
    return fail(r, n, B4C_E_UNSUPPORTED, "the function '%s' is not done", n->name);
}

static int call(run *r, const node *n, const json_t *object, json_t **out)
{
    b4c_jinja_arguments a;
    b4c_error why = { 0 };
    B4C_TRY(arguments_of(r, n->b, &a));
    int rc;
    if (n->kind == B4C_JINJA_CALL && !n->a)
        rc = call_function(r, n, &a, out);
    else {
        rc = n->kind == B4C_JINJA_FILTER ? b4c_jinja_filter(n->name, object, &a, out, &why)
                                         : b4c_jinja_method(n->name, object, &a, out, &why);
        if (rc < 0) rc = failed(r, n, rc, &why);
    }
    give_back(&a);
    return rc;
}

static int test(run *r, const node *n, const json_t *x, json_t **out)
{
    b4c_jinja_arguments a;
    b4c_error why = { 0 };
    bool truth = false;
    B4C_TRY(arguments_of(r, n->b, &a));
    const int rc = b4c_jinja_test(n->name, x, &a, &truth, &why);
    give_back(&a);
    if (rc < 0) return failed(r, n, rc, &why);
    *out = json_boolean(truth);
    return 0;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static int make_list(run *r, const node *n, json_t **out)
{
    *out = json_array();
    for (const node *i = n->a; i; i = i->next) {
        json_t *x;
        B4C_TRY(value_of(r, i->a, &x));
        if (!x) return fail(r, n, B4C_E_UNSUPPORTED, "a list with what is undefined");
        json_array_append_new(*out, x);
    }
    return 0;
}

static int make_dict(run *r, const node *n, json_t **out)
{
    *out = json_object();
    for (const node *i = n->a; i; i = i->next) {
        json_t *key, *x = NULL;
        int rc = value_of(r, i->a, &key);
        if (rc == 0) rc = value_of(r, i->b, &x);
        if (rc == 0 && !json_is_string(key))
            rc = fail(r, n, B4C_E_UNSUPPORTED, "a key that is no text");
        if (rc == 0 && !x)
            rc = fail(r, n, B4C_E_UNSUPPORTED, "an object with what is undefined");
        if (rc == 0)
            json_object_set_new(*out, json_string_value(key), x);
        else
            json_decref(x);
        json_decref(key);
        if (rc < 0) return rc;
    }
    return 0;
}

static int choose(run *r, const node *n, json_t **out)
{
    json_t *x;
    const node *of = n->kind == B4C_JINJA_CHOICE ? n->b : n->a;
    B4C_TRY(value_of(r, of, &x));
    const bool truth = b4c_jinja_true(x);
    if (n->kind == B4C_JINJA_NOT) *out = json_boolean(!truth);
    /* Python's and, or give one of their operands. */
    else if (n->kind != B4C_JINJA_CHOICE && truth == (n->kind == B4C_JINJA_OR)) {
        *out = x;
        return 0;
    }
    json_decref(x);
    if (n->kind == B4C_JINJA_NOT) return 0;
    const node *next = n->kind != B4C_JINJA_CHOICE ? n->b : truth ? n->a : n->c;
    return next ? value_of(r, next, out) : 0;
}

static int attribute_of(run *r, const node *n, const json_t *x, json_t **out)
{
    if (!x) return fail(r, n, B4C_E_TEXT, "'%s' of what is undefined", n->name);
    if (b4c_jinja_is_method(x, n->name)) {
        *out = b4c_jinja_marked("function");
        return 0;
    }
    json_t *found = json_object_get(x, n->name);
    *out = found == r->undefined ? NULL : json_incref(found);
    return 0;
}

/* Of an object that is given: its parts, calls and tests, and operators. */
static int with_value(run *r, const node *n, json_t **out)
{
    json_t *x = NULL, *part[3] = { NULL, NULL, NULL };
    b4c_error why = { 0 };
    const bool parts = n->kind == B4C_JINJA_ITEM || n->kind == B4C_JINJA_SLICE;
    const bool two = n->kind >= B4C_JINJA_EQUAL && n->kind < B4C_JINJA_MINUS;
    int rc = value_of(r, n->a, &x);
    if (rc == 0 && (parts || two) && n->b) rc = value_of(r, n->b, &part[0]);
    if (rc == 0 && parts && n->c) rc = value_of(r, n->c, &part[1]);
    if (rc == 0 && parts && n->other) rc = value_of(r, n->other, &part[2]);
    if (rc == 0) switch (n->kind) {
        case B4C_JINJA_ATTRIBUTE:
            rc = attribute_of(r, n, x, out);
            break;
        case B4C_JINJA_ITEM: rc = b4c_jinja_item(x, part[0], out, &why); break;
        case B4C_JINJA_SLICE: rc = b4c_jinja_slice(x, part, out, &why); break;
        case B4C_JINJA_FILTER:
        case B4C_JINJA_CALL: rc = call(r, n, x, out); break;
        case B4C_JINJA_TEST: rc = test(r, n, x, out); break;
        case B4C_JINJA_MINUS:
            if (!json_is_number(x))
                rc = fail(r, n, B4C_E_TEXT, "minus %s", b4c_jinja_kind_of(x));
            else
                *out = json_is_integer(x) ? json_integer(-json_integer_value(x))
                                          : json_real(-json_real_value(x));
            break;
        default: rc = b4c_jinja_operate(n->kind, x, part[0], out, &why); break;
        }
    if (rc < 0 && *why.message) rc = failed(r, n, rc, &why);
    json_decref(x);
    for (int i = 0; i < 3; i++) json_decref(part[i]);
    return rc;
}

static json_t *name_of(const run *r, const char *name)
{
    json_t *found = look_up(r, name);
    return found || !is_function(name) ? json_incref(found) : b4c_jinja_marked("function");
}

/* *out: a new reference, or NULL: undefined. On failure there is none. */
static int value_of(run *r, const node *n, json_t **out)
{
    *out = NULL;
    B4C_TRY(step(r, n));
    if (r->deep >= DEEPEST) return fail(r, n, B4C_E_MEMORY, "nested too deeply");
    r->deep++;
    int rc = 0;
    switch (n->kind) {
    case B4C_JINJA_VALUE: *out = json_incref(n->value); break;
    case B4C_JINJA_NAME: *out = name_of(r, n->name); break;
    case B4C_JINJA_LIST: rc = make_list(r, n, out); break;
    case B4C_JINJA_DICT: rc = make_dict(r, n, out); break;
    case B4C_JINJA_AND:
    case B4C_JINJA_OR:
    case B4C_JINJA_NOT:
    case B4C_JINJA_CHOICE: rc = choose(r, n, out); break;
    case B4C_JINJA_CALL: rc = n->a ? with_value(r, n, out) : call(r, n, NULL, out); break;
    default: rc = with_value(r, n, out); break;
    }
    if (rc == 0 &&
        (json_string_length(*out) > B4C_JINJA_LONGEST || json_array_size(*out) > B4C_JINJA_MOST))
        rc = fail(r, n, B4C_E_MEMORY, "a value too large");
    r->deep--;
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- statements ------------------------------------------------------------------------------ */

static void set_name(run *r, const char *name, json_t *x)
{
    json_object_set_new(r->frame[r->frames - 1], name, x ? x : json_incref(r->undefined));
}

/* Is it, or does it hold, what JSON has not? It is small. */
static bool holds_mark(const json_t *x)
{
    size_t i;
    const char *key;
    json_t *one;
    if (b4c_jinja_mark(x)) return true;
    json_array_foreach((json_t *)(uintptr_t)x, i, one) if (holds_mark(one)) return true;
    json_object_foreach((json_t *)(uintptr_t)x, key, one) if (holds_mark(one)) return true;
    return false;
}

static int set(run *r, const node *n)
{
    json_t *x = NULL;
    if (n->a) {
        B4C_TRY(value_of(r, n->a, &x));
    } else {
        b4c_buffer text = { 0 }, *out = r->out;
        r->out = &text;
        const int rc = run_all(r, n->body);
        r->out = out;
        if (rc == 0) x = json_stringn(text.data ? text.data : "", text.size);
        b4c_buffer_done(&text);
        if (rc < 0) return rc;
    }
    if (!n->attribute) {
        set_name(r, n->target[0], x);
        return 0;
    }
    json_t *space = look_up(r, n->target[0]);
    const char *mark = b4c_jinja_mark(space);
    if (!mark || strcmp(mark, "namespace") != 0) {
        json_decref(x);
        return fail(r, n, B4C_E_TEXT, "'%s' is no namespace", n->target[0]);
    }
    /* A namespace that held itself would never be given back: what may hold it is copied, and it
     * alone, in whatever, is refused. Others are never changed, so a copy is as good. */
    if (json_is_object(x) || json_is_array(x)) {
        json_t *copy = b4c_jinja_small(x) && !holds_mark(x) ? json_deep_copy(x) : NULL;
        json_decref(x);
        if (!copy) return fail(r, n, B4C_E_MEMORY, "too large, or no plain value, for a namespace");
        x = copy;
    }
    json_object_set_new(space, n->attribute, x ? x : json_incref(r->undefined));
    return 0;
}

/* What templates ask of their loop. */
static json_t *loop_of(const json_t *items, size_t i)
{
    const size_t n = json_array_size(items);
    json_t *loop = json_pack("{s:I,s:I,s:I,s:I,s:I,s:b,s:b,s:i,s:i}", "index", (json_int_t)i + 1,
                             "index0", (json_int_t)i, "revindex", (json_int_t)(n - i), "revindex0",
                             (json_int_t)(n - i - 1), "length", (json_int_t)n, "first", i == 0,
                             "last", i + 1 == n, "depth", 1, "depth0", 0);
    json_object_set_new_nocheck(loop, B4C_JINJA_MARK, json_string("loop"));
    if (i) json_object_set(loop, "previtem", json_array_get(items, i - 1));
    if (i + 1 < n) json_object_set(loop, "nextitem", json_array_get(items, i + 1));
    return loop;
}

static int set_targets(run *r, const node *n, json_t *x)
{
    if (!n->target[1]) {
        set_name(r, n->target[0], json_incref(x));
        return 0;
    }
    if (!json_is_array(x) || json_array_size(x) != 2)
        return fail(r, n, B4C_E_TEXT, "two names for what is no pair");
    for (size_t i = 0; i < 2; i++) set_name(r, n->target[i], json_incref(json_array_get(x, i)));
    return 0;
}

/* Items that the loop's condition keeps. */
static int keep_items(run *r, const node *n, json_t **items)
{
    json_t *kept = json_array(), *x, *truth;
    size_t i;
    int rc = 0;
    json_array_foreach(*items, i, x)
    {
        if ((rc = set_targets(r, n, x)) < 0 || (rc = value_of(r, n->b, &truth)) < 0) break;
        if (b4c_jinja_true(truth)) json_array_append(kept, x);
        json_decref(truth);
    }
    json_decref(*items);
    *items = kept;
    return rc;
}

static int run_loop(run *r, const node *n)
{
    json_t *over, *x;
    size_t i;
    B4C_TRY(value_of(r, n->a, &over));
    json_t *items = NULL;
    b4c_error why = { 0 };
    int rc = b4c_jinja_list(over, &items, &why);
    json_decref(over);
    if (rc < 0) return failed(r, n, rc, &why);
    if (r->frames == FRAMES) {
        json_decref(items);
        return fail(r, n, B4C_E_MEMORY, "loops nested too deeply");
    }
    json_t **frame = &r->frame[r->frames++];
    *frame = json_object();
    if (n->b) rc = keep_items(r, n, &items);
    bool ended = false; /* a round came to its end; as in Jinja, else is for when none did */
    json_array_foreach(items, i, x)
    {
        if (rc < 0 || r->after == BREAK || (rc = step(r, n)) < 0) break;
        json_object_clear(*frame);
        json_object_set_new(*frame, "loop", loop_of(items, i));
        if ((rc = set_targets(r, n, x)) == 0) rc = run_all(r, n->body);
        ended = ended || r->after == GO_ON;
        if (r->after == CONTINUE) r->after = GO_ON;
    }
    r->after = GO_ON;
    if (rc == 0 && !ended) { /* knows nothing of the loop, and its break is of the one around */
        json_object_clear(*frame);
        rc = run_all(r, n->other);
    }
    json_decref(*frame);
    r->frames--;
    json_decref(items);
    return rc;
}

static int run_apart(run *r, const node *n)
{
    if (r->frames == FRAMES) return fail(r, n, B4C_E_MEMORY, "blocks nested too deeply");
    r->frame[r->frames++] = json_object();
    const int rc = run_all(r, n->body);
    json_decref(r->frame[--r->frames]);
    return rc;
}

static int run_one(run *r, const node *n)
{
    json_t *x;
    b4c_error why = { 0 };
    B4C_TRY(step(r, n));
    switch (n->kind) {
    case B4C_JINJA_TEXT: b4c_buffer_add(r->out, n->name, n->size); return 0;
    case B4C_JINJA_SET: return set(r, n);
    case B4C_JINJA_FOR: return run_loop(r, n);
    case B4C_JINJA_MACRO:
        x = b4c_jinja_marked("macro");
        json_object_set_new(x, "number", json_integer(n->number));
        json_object_set_new(x, "frames", json_integer(r->frames));
        set_name(r, n->name, x);
        return 0;
    case B4C_JINJA_SCOPE: return run_apart(r, n);
    case B4C_JINJA_BREAK: r->after = BREAK; return 0;
    case B4C_JINJA_CONTINUE: r->after = CONTINUE; return 0;
    default: break;
    }
    B4C_TRY(value_of(r, n->a, &x));
    int rc = 0;
    if (n->kind == B4C_JINJA_IF)
        rc = run_all(r, b4c_jinja_true(x) ? n->body : n->other);
    else if ((rc = b4c_jinja_print(r->out, x, &why)) < 0)
        rc = failed(r, n, rc, &why);
    json_decref(x);
    return rc;
}

static int run_all(run *r, const node *n)
{
    if (n && r->deep >= DEEPEST) return fail(r, n, B4C_E_MEMORY, "nested too deeply");
    r->deep++;
    int rc = 0;
    for (; rc == 0 && n && r->after == GO_ON; n = n->next) rc = run_one(r, n);
    r->deep--;
    return rc;
}

int b4c_jinja_run(const b4c_jinja *j, json_t *variables, b4c_buffer *out, b4c_error *err)
{
    run r = { .j = j, .variables = variables, .frames = 1, .out = out, .err = err };
    r.frame[0] = json_object();
    r.undefined = json_object();
    const int rc = r.frame[0] && r.undefined ? run_all(&r, j->body)
                                             : b4c_fail(err, B4C_E_MEMORY, "no memory");
    json_decref(r.frame[0]);
    json_decref(r.undefined);
    if (rc == 0 && out->failed) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory", j->where);
    return rc;
}
