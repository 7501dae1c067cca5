/* jinja_values.c - what a template can do with any value: truth, equality, printing, walking over
 * it, tests and parts of it, as Python and Jinja define them. NULL is undefined.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

typedef b4c_jinja_arguments arguments;

static bool is_marked(const json_t *x, const char *kind)
{
    const char *mark = b4c_jinja_mark(x);
    return mark && !strcmp(mark, kind);
}

bool b4c_jinja_true(const json_t *x)
{
    switch (x ? json_typeof(x) : JSON_NULL) {
    case JSON_TRUE: return true;
    case JSON_INTEGER: return json_integer_value(x) != 0;
    case JSON_REAL: return json_real_value(x) < 0 || json_real_value(x) > 0;
    case JSON_STRING: return json_string_length(x) > 0;
    case JSON_ARRAY: return json_array_size(x) > 0;
    case JSON_OBJECT: /* a marked one has its mark */
        return is_marked(x, "view") ? json_array_size(json_object_get(x, "list")) > 0
                                    : json_object_size(x) > 0;
    default: return false;
    }
}

/* Lists may hold one list many times over, so that a few steps make a tree without end: what walks
 * over a whole value looks first whether it is small. */
static bool count_parts(const json_t *x, int *left)
{
    size_t i;
    const char *key;
    json_t *one;
    if (--*left < 0) return false;
    if (json_is_array(x))
        json_array_foreach((json_t *)x, i, one) if (!count_parts(one, left)) return false;
    if (json_is_object(x))
        json_object_foreach((json_t *)x, key, one) if (!count_parts(one, left)) return false;
    return true;
}

bool b4c_jinja_small(const json_t *x)
{
    int left = 100000;
    return count_parts(x, &left);
}

/* Numbers and truths are one kind in Python. */
static bool as_number(const json_t *x, double *number)
{
    *number = json_is_boolean(x) ? json_is_true(x) : json_number_value(x);
    return json_is_number(x) || json_is_boolean(x);
}

bool b4c_jinja_equal(const json_t *a, const json_t *b)
{
    double x, y;
    if (!a || !b) return a == b;
    if (as_number(a, &x) && as_number(b, &y)) return !(x < y) && !(x > y);
    if (json_typeof(a) != json_typeof(b)) return false;
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = b4c_jinja_equal(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (!json_is_object(a)) return json_equal(a, b);
    if (is_marked(a, "view") && is_marked(b, "view"))
        return b4c_jinja_equal(json_object_get(a, "list"), json_object_get(b, "list"));
    if (b4c_jinja_mark(a) || b4c_jinja_mark(b)) return a == b;
    bool same = json_object_size(a) == json_object_size(b);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
        same = same && json_object_get(b, key) && b4c_jinja_equal(value, json_object_get(b, key));
    return same;
}

void b4c_jinja_real(b4c_buffer *out, double x)
{
    char room[40];
    int digits = 15;
    do snprintf(room, sizeof room, "%.*g", digits, x);
    while (digits++ < 17 && (strtod(room, NULL) < x || strtod(room, NULL) > x));
    if (fabs(x) >= 1e15 && fabs(x) < 1e16 && !(x < floor(x)) && !(x > floor(x)))
        snprintf(room, sizeof room, "%.0f", x);
    b4c_buffer_text(out, room);
    if (!strpbrk(room, ".en")) b4c_buffer_text(out, ".0");
}

int b4c_jinja_print(b4c_buffer *out, const json_t *x, b4c_error *err)
{
    if (!x) return 0;
    switch (json_typeof(x)) {
    case JSON_STRING: b4c_buffer_add(out, json_string_value(x), json_string_length(x)); break;
    case JSON_INTEGER: b4c_buffer_print(out, "%lld", (long long)json_integer_value(x)); break;
    case JSON_REAL: b4c_jinja_real(out, json_real_value(x)); break;
    case JSON_TRUE: b4c_buffer_text(out, "True"); break;
    case JSON_FALSE: b4c_buffer_text(out, "False"); break;
    case JSON_NULL: b4c_buffer_text(out, "None"); break;
    default:
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "a list or an object is printed; | tojson and | join say how");
    }
    return out->failed ? b4c_fail(err, B4C_E_MEMORY, "no memory") : 0;
}

/* ---- lists and objects ----------------------------------------------------------------------- */

json_t *b4c_jinja_marked(const char *kind)
{
    json_t *x = json_object();
    json_object_set_new_nocheck(x, B4C_JINJA_MARK, json_string(kind));
    return x;
}

const char *b4c_jinja_mark(const json_t *x)
{
    return json_string_value(json_object_get(x, B4C_JINJA_MARK));
}

json_t *b4c_jinja_members(const json_t *object, bool keys, bool values)
{
    json_t *list = json_array(), *value;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (keys && values)
            json_array_append_new(list, json_pack("[s,O]", key, value));
        else if (keys)
            json_array_append_new(list, json_string(key));
        else
            json_array_append(list, value);
    }
    return list;
}

static json_t *characters(const json_t *x)
{
    json_t *list = json_array();
    const uint8_t *p = (const uint8_t *)json_string_value(x), *end = p + json_string_length(x),
                  *other;
    for (; p < end; p = other) {
        b4c_utf8_read(p, end, &other);
        json_array_append_new(list, json_stringn((const char *)p, (size_t)(other - p)));
    }
    return list;
}

int b4c_jinja_list(const json_t *x, json_t **out, b4c_error *err)
{
    const char *mark = b4c_jinja_mark(x);
    *out = NULL;
    if (mark && !strcmp(mark, "iterator")) {
        json_t *list = json_object_get(x, "list");
        *out = json_copy(list);
        json_array_clear(list); /* gone, once it was walked over */
    } else if (mark && !strcmp(mark, "view"))
        *out = json_copy(json_object_get(x, "list"));
    else if (!x || (json_is_array(x) && !json_array_size(x)))
        *out = json_array();
    else if (json_is_array(x))
        *out = json_copy((json_t *)(uintptr_t)x);
    else if (json_is_string(x))
        *out = characters(x);
    else if (json_is_object(x) && !mark)
        *out = b4c_jinja_members(x, true, false);
    else
        return b4c_fail(err, B4C_E_TEXT, "what is no list is walked over");
    return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for a list");
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Tests that a value of another kind does not bear. */
static int more_tests(const char *name, const json_t *x, const arguments *a, bool *out,
                      b4c_error *err)
{
    const bool parity = !strcmp(name, "odd") || !strcmp(name, "even");
    json_t *list = NULL;
    size_t i;
    json_t *item;
    if (parity || !strcmp(name, "divisibleby")) {
        const json_int_t by = parity ? 2 : a->n ? json_integer_value(a->item[0]) : 0;
        if (!json_is_integer(x) || !by)
            return b4c_fail(err, B4C_E_TEXT, "'is %s' of what is no whole number", name);
        *out = (json_integer_value(x) % by == 0) == (*name != 'o');
        return 0;
    }
    if (strcmp(name, "in") != 0 || a->n != 1)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "the test 'is %s' is not done", name);
    if (json_is_string(a->item[0]) || b4c_jinja_mark(a->item[0]))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "'is in' of a text is not done; 'in' is");
    B4C_TRY(b4c_jinja_list(a->item[0], &list, err));
    *out = false;
    json_array_foreach(list, i, item) *out = *out || b4c_jinja_equal(item, x);
    json_decref(list);
    return 0;
}

int b4c_jinja_test(const char *name, const json_t *x, const arguments *a, bool *out, b4c_error *err)
{
    const json_t *other = a->n ? a->item[0] : NULL;
    const bool marked = b4c_jinja_mark(x) != NULL;
    const struct {
        const char *name;
        int arguments;
        bool holds;
    } tests[] = {
        { "defined", 0, x != NULL },
        { "undefined", 0, x == NULL },
        { "none", 0, json_is_null(x) },
        { "string", 0, json_is_string(x) },
        { "number", 0, json_is_number(x) || json_is_boolean(x) },
        { "integer", 0, json_is_integer(x) },
        { "float", 0, json_is_real(x) },
        { "boolean", 0, json_is_boolean(x) },
        { "true", 0, json_is_true(x) },
        { "false", 0, json_is_false(x) },
        { "mapping", 0, json_is_object(x) && !marked },
        { "callable", 0, !x || is_marked(x, "function") || is_marked(x, "macro") },
        { "sequence", 0, !x || json_is_array(x) || json_is_string(x) ||
                             (json_is_object(x) && !marked) },
        { "iterable", 0, !x || json_is_array(x) || json_is_string(x) ||
                             (json_is_object(x) && !marked) || is_marked(x, "iterator") ||
                             is_marked(x, "view") },
        { "equalto", 1, b4c_jinja_equal(x, other) },
        { "eq", 1, b4c_jinja_equal(x, other) },
        { "ne", 1, !b4c_jinja_equal(x, other) },
        { "sameas", 1, !x ? !other : other && json_typeof(x) == json_typeof(other) &&
                             b4c_jinja_equal(x, other) },
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(name, tests[i].name)) {
            if (a->n != tests[i].arguments)
                return b4c_fail(err, B4C_E_TEXT, "'is %s' takes %d arguments, found %d", name,
                                tests[i].arguments, a->n);
            *out = tests[i].holds;
            return 0;
        }
    return more_tests(name, x, a, out, err);
}

/* ---- parts of values ------------------------------------------------------------------------- */

/* Python's bounds of a slice of n items. */
static void bounds(const json_t *from, const json_t *upto, json_int_t by, json_int_t n,
                   json_int_t *first, json_int_t *last)
{
    const json_int_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
    json_int_t at[2] = { by > 0 ? low : high, by > 0 ? high : low };
    const json_t *given[2] = { from, upto };
    for (int i = 0; i < 2; i++) {
        if (!json_is_integer(given[i])) continue;
        json_int_t x = json_integer_value(given[i]);
        if (x < 0) x += n;
        at[i] = x < low ? low : x > high ? high : x;
    }
    *first = at[0];
    *last = at[1];
}

int b4c_jinja_slice(const json_t *x, json_t *const bound[3], json_t **out, b4c_error *err)
{
    const json_int_t by = bound[2] && json_is_integer(bound[2]) ? json_integer_value(bound[2]) : 1;
    if (!by) return b4c_fail(err, B4C_E_TEXT, "a slice's step is 0");
    if (!json_is_array(x) && !json_is_string(x))
        return b4c_fail(err, B4C_E_TEXT, "a slice of what is no list and no text");
    json_t *all, *some = json_array();
    B4C_TRY(b4c_jinja_list(x, &all, err));
    json_int_t first, last;
    bounds(bound[0], bound[1], by, (json_int_t)json_array_size(all), &first, &last);
    for (json_int_t i = first; by > 0 ? i < last : i > last; i += by)
        json_array_append(some, json_array_get(all, (size_t)i));
    json_decref(all);
    if (!json_is_string(x)) {
        *out = some;
        return 0;
    }
    b4c_buffer text = { 0 };
    size_t k;
    json_t *one;
    json_array_foreach(some, k, one)
        b4c_buffer_add(&text, json_string_value(one), json_string_length(one));
    json_decref(some);
    *out = b4c_jinja_take_text(&text);
    return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for a slice");
}

int b4c_jinja_item(const json_t *x, const json_t *at, json_t **out, b4c_error *err)
{
    if (!x) return b4c_fail(err, B4C_E_TEXT, "a part of what is undefined");
    if (json_is_object(x) && !b4c_jinja_mark(x)) {
        const char *key = json_is_string(at) ? json_string_value(at) : "";
        *out = json_incref(json_object_get(x, key));
        if (!*out && b4c_jinja_is_method(x, key)) *out = b4c_jinja_marked("function");
        return 0;
    }
    *out = NULL;
    if (json_is_string(at) && b4c_jinja_is_method(x, json_string_value(at)))
        *out = b4c_jinja_marked("function");
    if (!json_is_integer(at) || (!json_is_array(x) && !json_is_string(x))) return 0;
    json_t *all;
    B4C_TRY(b4c_jinja_list(x, &all, err));
    json_int_t i = json_integer_value(at), count = (json_int_t)json_array_size(all);
    if (i < 0) i += count;
    if (i >= 0 && i < count) *out = json_incref(json_array_get(all, (size_t)i));
    json_decref(all);
    return 0;
}
