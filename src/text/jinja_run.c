/* jinja_run.c - a template's tree with variables: the text it makes.
 *
 * Names are looked up through frames: one for the template, one more for each turn of a loop, so
 * that what is set in a turn is forgotten after it, as Jinja has it; a namespace is an object that
 * all frames share. Every value is a reference that its receiver gives back.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja.h"
#include "text/utf8.h"

typedef b4c_jinja_node node;

enum { FRAMES = 32, STEPS = 1000000 };

typedef enum after { GO_ON, BREAK, CONTINUE } after;

typedef struct run {
    const b4c_jinja *j;
    json_t *variables;
    json_t
        *frame[FRAMES]; /* names set in the template, in a turn of a loop, in one inside it ... */
    int frames;
    after after; /* what a break or continue asks of the loop around it */
    long steps;
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
        if (found) return found;
    }
    return json_object_get(r->variables, name);
}

/* ---- operators ------------------------------------------------------------------------------- */

/* "undefined", "a text" ...: for messages. */
static const char *kind_of(const json_t *x)
{
    return !x                ? "undefined"
         : json_is_string(x) ? "a text"
         : json_is_number(x) ? "a number"
         : json_is_array(x)  ? "a list"
         : json_is_object(x) ? "an object"
                             : "a constant";
}

static int compare(run *r, const node *n, const json_t *a, const json_t *b, bool *out)
{
    double order;
    if (json_is_number(a) && json_is_number(b))
        order = json_number_value(a) - json_number_value(b);
    else if (json_is_string(a) && json_is_string(b))
        order = strcmp(json_string_value(a), json_string_value(b));
    else
        return fail(r, n, B4C_E_TEXT, "%s is compared with %s", kind_of(a), kind_of(b));
    *out = n->kind == B4C_JINJA_LESS       ? order < 0
         : n->kind == B4C_JINJA_LESS_EQUAL ? order <= 0
         : n->kind == B4C_JINJA_GREATER    ? order > 0
                                           : order >= 0;
    return 0;
}

static int contains(run *r, const node *n, const json_t *x, const json_t *what, bool *out)
{
    *out = false;
    if (json_is_string(x) && json_is_string(what))
        *out = !json_string_length(what) ||
               memmem(json_string_value(x), json_string_length(x), json_string_value(what),
                      json_string_length(what)) != NULL;
    else if (json_is_object(x))
        *out = json_is_string(what) && json_object_get(x, json_string_value(what));
    else if (json_is_array(x))
        for (size_t i = 0; i < json_array_size(x) && !*out; i++)
            *out = b4c_jinja_equal(json_array_get(x, i), what);
    else
        return fail(r, n, B4C_E_TEXT, "'in' is asked of %s", kind_of(x));
    return 0;
}

static int join(run *r, const node *n, const json_t *a, const json_t *b, json_t **out)
{
    b4c_buffer text = { 0 };
    b4c_error why = { 0 };
    int rc = b4c_jinja_print(&text, a, &why);
    if (rc == 0) rc = b4c_jinja_print(&text, b, &why);
    if (rc == 0) *out = json_stringn(text.data ? text.data : "", text.size);
    b4c_buffer_done(&text);
    return rc < 0 ? failed(r, n, rc, &why) : 0;
}

static int add(run *r, const node *n, const json_t *a, const json_t *b, json_t **out)
{
    if (json_is_string(a) && json_is_string(b)) return join(r, n, a, b, out);
    if (!json_is_array(a) || !json_is_array(b))
        return fail(r, n, B4C_E_TEXT, "%s and %s are added", kind_of(a), kind_of(b));
    *out = json_copy((json_t *)a);
    json_array_extend(*out, (json_t *)b);
    return 0;
}

static json_int_t down(json_int_t a, json_int_t b) /* Python's a // b */
{
    const json_int_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static int calculate(run *r, const node *n, const json_t *a, const json_t *b, json_t **out)
{
    const b4c_jinja_kind k = n->kind;
    if (k == B4C_JINJA_ADD && !json_is_number(a)) return add(r, n, a, b, out);
    if (!json_is_number(a) || !json_is_number(b))
        return fail(r, n, B4C_E_TEXT, "calculated with %s and %s", kind_of(a), kind_of(b));
    const double x = json_number_value(a), y = json_number_value(b);
    const bool divides = k == B4C_JINJA_DIVIDE || k == B4C_JINJA_DIVIDE_WHOLE ||
                         k == B4C_JINJA_REST;
    if (divides && !(y < 0 || y > 0)) return fail(r, n, B4C_E_TEXT, "division by zero");
    if (json_is_integer(a) && json_is_integer(b) && k != B4C_JINJA_DIVIDE) {
        const json_int_t i = json_integer_value(a), j = json_integer_value(b);
        if (fabs(x) > 1e9 || fabs(y) > 1e9)
            return fail(r, n, B4C_E_TEXT, "calculated with numbers beyond a billion");
        *out = json_integer(k == B4C_JINJA_ADD            ? i + j
                            : k == B4C_JINJA_SUBTRACT     ? i - j
                            : k == B4C_JINJA_TIMES        ? i * j
                            : k == B4C_JINJA_DIVIDE_WHOLE ? down(i, j)
                                                          : i - down(i, j) * j);
        return 0;
    }
    *out = json_real(k == B4C_JINJA_ADD            ? x + y
                     : k == B4C_JINJA_SUBTRACT     ? x - y
                     : k == B4C_JINJA_TIMES        ? x * y
                     : k == B4C_JINJA_DIVIDE       ? x / y
                     : k == B4C_JINJA_DIVIDE_WHOLE ? floor(x / y)
                                                   : x - floor(x / y) * y);
    return *out ? 0 : fail(r, n, B4C_E_TEXT, "a number beyond all bounds");
}

static int operate(run *r, const node *n, const json_t *a, const json_t *b, json_t **out)
{
    bool truth = false;
    int rc = 0;
    if (!b4c_jinja_small(a) || !b4c_jinja_small(b))
        return fail(r, n, B4C_E_MEMORY, "values too large");
    switch (n->kind) {
    case B4C_JINJA_EQUAL: truth = b4c_jinja_equal(a, b); break;
    case B4C_JINJA_DIFFERENT: truth = !b4c_jinja_equal(a, b); break;
    case B4C_JINJA_IN:
    case B4C_JINJA_NOT_IN:
        rc = contains(r, n, b, a, &truth);
        truth = truth == (n->kind == B4C_JINJA_IN);
        break;
    case B4C_JINJA_LESS:
    case B4C_JINJA_LESS_EQUAL:
    case B4C_JINJA_GREATER:
    case B4C_JINJA_GREATER_EQUAL: rc = compare(r, n, a, b, &truth); break;
    case B4C_JINJA_JOIN: return join(r, n, a, b, out);
    default: return calculate(r, n, a, b, out);
    }
    if (rc == 0) *out = json_boolean(truth);
    return rc;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void give_back(b4c_jinja_arguments *a)
{
    for (int i = 0; i < a->n; i++) json_decref(a->item[i]);
}

/* An undefined argument is none. */
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
        a->item[a->n++] = x ? x : json_null();
    }
    return 0;
}

static int range(run *r, const node *n, const b4c_jinja_arguments *a, json_t **out)
{
    json_int_t at[3] = { 0, 0, 1 };
    for (int i = 0; i < a->n && i < 3; i++) at[i] = json_integer_value(a->item[i]);
    if (a->n == 1) {
        at[1] = at[0];
        at[0] = 0;
    }
    const double turns = at[2] ? (double)(at[1] - at[0]) / (double)at[2] : 1e9;
    if (!a->n || turns > 100000) return fail(r, n, B4C_E_TEXT, "range() of too many or no numbers");
    *out = json_array();
    for (json_int_t i = at[0]; at[2] > 0 ? i < at[1] : i > at[1]; i += at[2])
        json_array_append_new(*out, json_integer(i));
    return 0;
}

static int call_function(run *r, const node *n, const b4c_jinja_arguments *a, json_t **out)
{
    if (!strcmp(n->name, "raise_exception"))
        return fail(r, n, B4C_E_TEXT, "the template refuses: %s",
                    a->n && json_is_string(a->item[0]) ? json_string_value(a->item[0]) : "");
    if (!strcmp(n->name, "range")) return range(r, n, a, out);
    if (!strcmp(n->name, "namespace") || !strcmp(n->name, "dict")) {
        *out = json_object();
        for (int i = 0; i < a->n; i++)
            if (a->name[i]) json_object_set(*out, a->name[i], a->item[i]);
        return 0;
    }
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
        const int rc = value_of(r, i->a, &x);
        if (rc < 0) return rc;
        json_array_append_new(*out, x ? x : json_null());
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
        if (rc == 0)
            json_object_set_new(*out, json_string_value(key), x ? x : json_null());
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
            if (!x)
                rc = fail(r, n, B4C_E_TEXT, "'%s' of what is undefined", n->name);
            else
                *out = json_incref(json_object_get(x, n->name));
            break;
        case B4C_JINJA_ITEM: rc = b4c_jinja_item(x, part[0], out, &why); break;
        case B4C_JINJA_SLICE: rc = b4c_jinja_slice(x, part, out, &why); break;
        case B4C_JINJA_FILTER:
        case B4C_JINJA_CALL: rc = call(r, n, x, out); break;
        case B4C_JINJA_TEST: rc = test(r, n, x, out); break;
        case B4C_JINJA_MINUS:
            if (!json_is_number(x))
                rc = fail(r, n, B4C_E_TEXT, "minus %s", kind_of(x));
            else
                *out = json_is_integer(x) ? json_integer(-json_integer_value(x))
                                          : json_real(-json_real_value(x));
            break;
        default: rc = operate(r, n, x, part[0], out); break;
        }
    if (rc < 0 && *why.message) rc = failed(r, n, rc, &why);
    json_decref(x);
    for (int i = 0; i < 3; i++) json_decref(part[i]);
    return rc;
}

/* *out: a new reference, or NULL: undefined. On failure there is none. */
static int value_of(run *r, const node *n, json_t **out)
{
    *out = NULL;
    B4C_TRY(step(r, n));
    int rc = 0;
    switch (n->kind) {
    case B4C_JINJA_VALUE: *out = json_incref(n->value); break;
    case B4C_JINJA_NAME: *out = json_incref(look_up(r, n->name)); break;
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
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- statements ------------------------------------------------------------------------------ */

static int run_all(run *r, const node *n);

static void set_name(run *r, const char *name, json_t *x)
{
    json_object_set_new(r->frame[r->frames - 1], name, x ? x : json_null());
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
    if (!json_is_object(space)) {
        json_decref(x);
        return fail(r, n, B4C_E_TEXT, "'%s' is no namespace", n->target[0]);
    }
    /* A namespace that held itself would never be given back. */
    if (json_is_object(x)) {
        json_decref(x);
        return fail(r, n, B4C_E_MEMORY, "an object as a namespace's attribute");
    }
    json_object_set_new(space, n->attribute, x ? x : json_null());
    return 0;
}

/* What templates ask of their loop. */
static json_t *loop_of(const json_t *items, size_t i)
{
    const size_t n = json_array_size(items);
    json_t *loop = json_pack("{s:I,s:I,s:I,s:I,s:I,s:b,s:b}", "index", (json_int_t)i + 1, "index0",
                             (json_int_t)i, "revindex", (json_int_t)(n - i), "revindex0",
                             (json_int_t)(n - i - 1), "length", (json_int_t)n, "first", i == 0,
                             "last", i + 1 == n);
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
    b4c_jinja_filter("list", over, &(b4c_jinja_arguments){ .n = 0 }, &items, NULL);
    json_decref(over);
    if (r->frames == FRAMES || !items) {
        json_decref(items);
        return fail(r, n, B4C_E_MEMORY, "loops nested too deeply");
    }
    json_t **frame = &r->frame[r->frames++];
    *frame = json_object();
    int rc = n->b ? keep_items(r, n, &items) : 0;
    if (rc == 0 && !json_array_size(items)) rc = run_all(r, n->other);
    json_array_foreach(items, i, x)
    {
        if (rc < 0 || r->after == BREAK || (rc = step(r, n)) < 0) break;
        json_object_clear(*frame);
        json_object_set_new(*frame, "loop", loop_of(items, i));
        if ((rc = set_targets(r, n, x)) == 0) rc = run_all(r, n->body);
        if (r->after == CONTINUE) r->after = GO_ON;
    }
    r->after = GO_ON;
    json_decref(*frame);
    r->frames--;
    json_decref(items);
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
    for (; n && r->after == GO_ON; n = n->next) B4C_TRY(run_one(r, n));
    return 0;
}

int b4c_jinja_run(const b4c_jinja *j, json_t *variables, b4c_buffer *out, b4c_error *err)
{
    run r = { .j = j, .variables = variables, .frames = 1, .out = out, .err = err };
    r.frame[0] = json_object();
    const int rc = run_all(&r, j->body);
    json_decref(r.frame[0]);
    if (rc == 0 && out->failed) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory", j->where);
    return rc;
}
