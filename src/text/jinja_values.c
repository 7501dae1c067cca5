/* jinja_values.c - what a template can do with one value: truth, equality, printing, and the
 * filters, methods and tests by their names, as Python and Jinja define them. NULL is undefined.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "text/jinja.h"
#include "text/unicode.h"
#include "text/utf8.h"

typedef b4c_jinja_arguments arguments;

enum { LONGEST = B4C_JINJA_LONGEST };

bool b4c_jinja_true(const json_t *x)
{
    switch (x ? json_typeof(x) : JSON_NULL) {
    case JSON_TRUE: return true;
    case JSON_INTEGER: return json_integer_value(x) != 0;
    case JSON_REAL: return json_real_value(x) < 0 || json_real_value(x) > 0;
    case JSON_STRING: return json_string_length(x) > 0;
    case JSON_ARRAY: return json_array_size(x) > 0;
    case JSON_OBJECT: return json_object_size(x) > 0;
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

bool b4c_jinja_equal(const json_t *a, const json_t *b)
{
    if (!a || !b) return a == b;
    if (json_is_number(a) && json_is_number(b)) {
        const double x = json_number_value(a), y = json_number_value(b);
        return !(x < y) && !(x > y);
    }
    return json_equal(a, b);
}

static void print_real(b4c_buffer *out, double x)
{
    char room[40];
    int digits = 15;
    do snprintf(room, sizeof room, "%.*g", digits, x);
    while (digits++ < 17 && (strtod(room, NULL) < x || strtod(room, NULL) > x));
    b4c_buffer_text(out, room);
    if (!strpbrk(room, ".en")) b4c_buffer_text(out, ".0");
}

int b4c_jinja_print(b4c_buffer *out, const json_t *x, b4c_error *err)
{
    if (!x) return 0;
    switch (json_typeof(x)) {
    case JSON_STRING: b4c_buffer_add(out, json_string_value(x), json_string_length(x)); break;
    case JSON_INTEGER: b4c_buffer_print(out, "%lld", (long long)json_integer_value(x)); break;
    case JSON_REAL: print_real(out, json_real_value(x)); break;
    case JSON_TRUE: b4c_buffer_text(out, "True"); break;
    case JSON_FALSE: b4c_buffer_text(out, "False"); break;
    case JSON_NULL: b4c_buffer_text(out, "None"); break;
    default:
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "a list or an object is printed; | tojson and | join say how");
    }
    return out->failed ? b4c_fail(err, B4C_E_MEMORY, "no memory") : 0;
}

/* ---- strings --------------------------------------------------------------------------------- */

typedef struct part {
    const char *text;
    size_t size;
} part;

static part text_of(const json_t *x)
{
    return json_is_string(x) ? (part){ json_string_value(x), json_string_length(x) }
                             : (part){ "", 0 };
}

static json_t *make_text(part p) { return json_stringn(p.text, p.size); }

/* Is the character white, or, with `set`, one of it? */
static bool goes(uint32_t c, const json_t *set)
{
    if (!set || json_is_null(set)) return b4c_is_python_space(c);
    const part s = text_of(set);
    const uint8_t *p = (const uint8_t *)s.text, *end = p + s.size;
    while (p < end)
        if (b4c_utf8_read(p, end, &p) == c) return true;
    return false;
}

static json_t *stripped(part x, bool left, bool right, const json_t *set)
{
    const uint8_t *begin = (const uint8_t *)x.text, *end = begin + x.size, *other;
    while (left && begin < end && goes(b4c_utf8_read(begin, end, &other), set)) begin = other;
    while (right && begin < end && goes(b4c_utf8_before(begin, end, &other), set)) end = other;
    return make_text((part){ (const char *)begin, (size_t)(end - begin) });
}

typedef enum letters { LOWER, UPPER, CAPITAL, TITLE } letters;

static json_t *in_letters(part x, letters how)
{
    b4c_buffer out = { 0 };
    const uint8_t *p = (const uint8_t *)x.text, *end = p + x.size;
    for (bool first = true; p < end;) {
        char room[4];
        const utf8proc_int32_t c = (utf8proc_int32_t)b4c_utf8_read(p, end, &p);
        const bool up = how == UPPER || (how != LOWER && first);
        const utf8proc_int32_t d = up ? utf8proc_toupper(c) : utf8proc_tolower(c);
        b4c_buffer_add(&out, room, (size_t)b4c_utf8_write((uint32_t)d, room));
        const bool letter = utf8proc_tolower(c) != utf8proc_toupper(c);
        first = how == TITLE && !letter;
    }
    json_t *text = out.failed ? NULL : json_stringn(out.data ? out.data : "", out.size);
    b4c_buffer_done(&out);
    return text;
}

static const char *found_in(part x, part what)
{
    return what.size ? memmem(x.text, x.size, what.text, what.size) : x.text;
}

static json_t *replaced(part x, part from, part to)
{
    b4c_buffer out = { 0 };
    const char *end = x.text + x.size;
    for (const char *hit; from.size && out.size < LONGEST && (hit = found_in(x, from));) {
        b4c_buffer_add(&out, x.text, (size_t)(hit - x.text));
        b4c_buffer_add(&out, to.text, to.size);
        x.text = hit + from.size;
        x.size = (size_t)(end - x.text);
    }
    b4c_buffer_add(&out, x.text, x.size);
    json_t *text = out.failed ? NULL : json_stringn(out.data, out.size);
    b4c_buffer_done(&out);
    return text;
}

/* By a separator, at most `most` times (negative: always); without one, by runs of blanks. */
static json_t *split(part x, const json_t *separator, json_int_t most)
{
    json_t *list = json_array();
    if (json_is_string(separator)) {
        const part by = text_of(separator);
        const char *end = x.text + x.size;
        for (const char *hit; by.size && most != 0 && (hit = found_in(x, by)); most--) {
            json_array_append_new(list, make_text((part){ x.text, (size_t)(hit - x.text) }));
            x.text = hit + by.size;
            x.size = (size_t)(end - x.text);
        }
        json_array_append_new(list, make_text(x));
        return list;
    }
    const uint8_t *p = (const uint8_t *)x.text, *end = p + x.size, *other, *word;
    for (;;) {
        while (p < end && goes(b4c_utf8_read(p, end, &other), NULL)) p = other;
        if (p == end) return list;
        for (word = p; p < end && !goes(b4c_utf8_read(p, end, &other), NULL);) p = other;
        json_array_append_new(list, make_text((part){ (const char *)word, (size_t)(p - word) }));
    }
}

/* ---- lists and objects ----------------------------------------------------------------------- */

static json_t *length_of(const json_t *x)
{
    if (json_is_string(x))
        return json_integer(
            (json_int_t)b4c_utf8_count(json_string_value(x), json_string_length(x)));
    return json_integer(json_is_array(x) ? (json_int_t)json_array_size(x)
                                         : (json_int_t)json_object_size(x));
}

/* What an iteration gives of an object: keys, values or pairs. */
static json_t *members(const json_t *object, bool keys, bool values)
{
    json_t *list = json_array(), *value;
    const char *key;
    json_object_foreach((json_t *)object, key, value)
    {
        json_t *k = json_string(key);
        if (keys && values)
            json_array_append_new(list, json_pack("[o,O]", k, value));
        else if (keys)
            json_array_append_new(list, k);
        else {
            json_decref(k);
            json_array_append(list, value);
        }
    }
    return list;
}

static json_t *end_of(const json_t *x, bool last)
{
    if (json_is_array(x) && json_array_size(x))
        return json_incref(json_array_get(x, last ? json_array_size(x) - 1 : 0));
    if (!json_is_string(x) || !json_string_length(x)) return NULL;
    const uint8_t *begin = (const uint8_t *)json_string_value(x),
                  *end = begin + json_string_length(x), *other;
    if (last) {
        b4c_utf8_before(begin, end, &other);
        begin = other;
    } else {
        b4c_utf8_read(begin, end, &other);
        end = other;
    }
    return make_text((part){ (const char *)begin, (size_t)(end - begin) });
}

static int joined(const json_t *list, part between, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    size_t i;
    json_t *item;
    int rc = 0;
    json_array_foreach((json_t *)list, i, item)
    {
        if (i) b4c_buffer_add(&text, between.text, between.size);
        if (text.size > LONGEST) rc = b4c_fail(err, B4C_E_MEMORY, "join: a text too long");
        if (rc < 0 || (rc = b4c_jinja_print(&text, item, err)) < 0) break;
    }
    if (rc == 0) *out = text.failed ? NULL : json_stringn(text.data ? text.data : "", text.size);
    b4c_buffer_done(&text);
    return rc;
}

/* Members of a list by a test of one of their attributes. */
static int selected(const json_t *list, const arguments *a, bool wanted, json_t **out,
                    b4c_error *err)
{
    size_t i;
    json_t *item;
    arguments rest = { { NULL }, { NULL }, 0 };
    for (int k = 2; k < a->n; k++) rest.item[rest.n++] = a->item[k];
    json_t *found = json_array();
    json_array_foreach((json_t *)list, i, item)
    {
        const json_t *x = json_object_get(item, text_of(a->item[0]).text);
        bool holds = b4c_jinja_true(x);
        const int rc = a->n > 1 ? b4c_jinja_test(text_of(a->item[1]).text, x, &rest, &holds, err)
                                : 0;
        if (rc < 0) {
            json_decref(found);
            return rc;
        }
        if (holds == wanted) json_array_append(found, item);
    }
    *out = found;
    return 0;
}

/* ---- by name --------------------------------------------------------------------------------- */

/* The argument of this place or name; NULL: not given. */
static json_t *argument(const arguments *a, int place, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (a->name[i] ? name && !strcmp(a->name[i], name) : i == place) return a->item[i];
    return NULL;
}

/* Things that a string does, as a filter or as a method. 1: done. */
static int of_text(const char *name, const json_t *x, const arguments *a, json_t **out)
{
    static const struct {
        const char *name;
        letters how;
    } forms[] = {
        { "upper", UPPER }, { "lower", LOWER }, { "title", TITLE }, { "capitalize", CAPITAL }
    };
    const part text = text_of(x);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (!strcmp(name, forms[i].name)) {
            *out = in_letters(text, forms[i].how);
            return 1;
        }
    if (strcmp(name, "replace")) return 0;
    *out = replaced(text, text_of(argument(a, 0, "old")), text_of(argument(a, 1, "new")));
    return 1;
}

static int default_of(const json_t *x, const arguments *a, json_t **out)
{
    const bool also_false = b4c_jinja_true(argument(a, 1, "boolean"));
    json_t *other = argument(a, 0, "default_value");
    if (x && (!also_false || b4c_jinja_true(x)))
        *out = json_incref((json_t *)x);
    else
        *out = other ? json_incref(other) : json_string("");
    return 0;
}

static json_t *whole_number(const json_t *x)
{
    if (json_is_string(x)) return json_integer(strtoll(json_string_value(x), NULL, 10));
    if (json_is_true(x)) return json_integer(1);
    return json_integer((json_int_t)json_number_value(x));
}

static json_t *as_list(const json_t *x)
{
    if (json_is_object(x)) return members(x, true, false);
    if (!json_is_string(x)) return json_is_array(x) ? json_copy((json_t *)x) : json_array();
    json_t *list = json_array();
    const uint8_t *p = (const uint8_t *)json_string_value(x), *end = p + json_string_length(x),
                  *other;
    for (; p < end; p = other) {
        b4c_utf8_read(p, end, &other);
        json_array_append_new(list, make_text((part){ (const char *)p, (size_t)(other - p) }));
    }
    return list;
}

int b4c_jinja_filter(const char *name, const json_t *x, const arguments *a, json_t **out,
                     b4c_error *err)
{
    *out = NULL;
    if (!strcmp(name, "default") || !strcmp(name, "d")) return default_of(x, a, out);
    if (!strcmp(name, "trim"))
        *out = stripped(text_of(x), true, true, argument(a, 0, "chars"));
    else if (!strcmp(name, "length") || !strcmp(name, "count"))
        *out = length_of(x);
    else if (!strcmp(name, "first") || !strcmp(name, "last")) {
        *out = end_of(x, *name == 'l');
        return 0; /* of nothing: undefined */
    } else if (!strcmp(name, "tojson")) {
        const json_int_t indent = json_integer_value(argument(a, 0, "indent"));
        if (!x) return b4c_fail(err, B4C_E_TEXT, "tojson: the value is undefined");
        if (!b4c_jinja_small(x)) return b4c_fail(err, B4C_E_MEMORY, "tojson: a value too large");
        char *text = json_dumps(
            x, JSON_ENCODE_ANY | (indent > 0 && indent < 32 ? JSON_INDENT((size_t)indent) : 0));
        *out = text ? json_string(text) : NULL;
        free(text);
    } else if (!strcmp(name, "join"))
        return joined(x, text_of(argument(a, 0, "d")), out, err);
    else if (!strcmp(name, "string")) {
        b4c_buffer text = { 0 };
        const int rc = b4c_jinja_print(&text, x, err);
        if (rc == 0) *out = json_stringn(text.data ? text.data : "", text.size);
        b4c_buffer_done(&text);
        if (rc < 0) return rc;
    } else if (!strcmp(name, "int"))
        *out = whole_number(x);
    else if (!strcmp(name, "list"))
        *out = as_list(x);
    else if (!strcmp(name, "items"))
        *out = members(x, true, true);
    else if (!strcmp(name, "selectattr") || !strcmp(name, "rejectattr"))
        return selected(x, a, *name == 's', out, err);
    else if (!strcmp(name, "safe"))
        *out = x ? json_incref((json_t *)x) : json_string("");
    else if (!of_text(name, x, a, out))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "the filter '%s' is not done", name);
    return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory", name);
}

static int method_of_object(const char *name, const json_t *x, const arguments *a, json_t **out)
{
    if (!strcmp(name, "items"))
        *out = members(x, true, true);
    else if (!strcmp(name, "keys"))
        *out = members(x, true, false);
    else if (!strcmp(name, "values"))
        *out = members(x, false, true);
    else if (!strcmp(name, "get")) {
        json_t *found = json_object_get(x, text_of(argument(a, 0, NULL)).text);
        if (!found) found = argument(a, 1, NULL);
        *out = found ? json_incref(found) : json_null();
    } else
        return 0;
    return 1;
}

static int method_of_text(const char *name, const json_t *x, const arguments *a, json_t **out,
                          b4c_error *err)
{
    const part text = text_of(x), other = text_of(argument(a, 0, NULL));
    const json_t *first = argument(a, 0, NULL);
    if (!strcmp(name, "strip"))
        *out = stripped(text, true, true, first);
    else if (!strcmp(name, "lstrip"))
        *out = stripped(text, true, false, first);
    else if (!strcmp(name, "rstrip"))
        *out = stripped(text, false, true, first);
    else if (!strcmp(name, "startswith"))
        *out = json_boolean(text.size >= other.size && !memcmp(text.text, other.text, other.size));
    else if (!strcmp(name, "endswith"))
        *out = json_boolean(text.size >= other.size &&
                            !memcmp(text.text + text.size - other.size, other.text, other.size));
    else if (!strcmp(name, "split")) {
        const json_t *most = argument(a, 1, "maxsplit");
        *out = split(text, argument(a, 0, "sep"), most ? json_integer_value(most) : -1);
    } else if (!strcmp(name, "find")) {
        const char *hit = found_in(text, other);
        *out = json_integer(hit ? (json_int_t)b4c_utf8_count(text.text, (size_t)(hit - text.text))
                                : -1);
    } else if (!strcmp(name, "join")) {
        const int rc = joined(first, text, out, err);
        if (rc < 0) return rc;
    } else
        return of_text(name, x, a, out);
    return 1;
}

int b4c_jinja_method(const char *name, const json_t *x, const arguments *a, json_t **out,
                     b4c_error *err)
{
    *out = NULL;
    const int done = json_is_object(x) ? method_of_object(name, x, a, out)
                   : json_is_string(x) ? method_of_text(name, x, a, out, err)
                                       : 0;
    if (done < 0) return done;
    if (!done)
        return x ? b4c_fail(err, B4C_E_UNSUPPORTED, "the method '%s' is not done", name)
                 : b4c_fail(err, B4C_E_TEXT, "'%s' is called on what is undefined", name);
    return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory", name);
}

int b4c_jinja_test(const char *name, const json_t *x, const arguments *a, bool *out, b4c_error *err)
{
    const json_t *other = argument(a, 0, NULL);
    const struct {
        const char *name;
        bool holds;
    } tests[] = {
        { "defined", x != NULL },
        { "undefined", x == NULL },
        { "none", json_is_null(x) },
        { "string", json_is_string(x) },
        { "number", json_is_number(x) },
        { "integer", json_is_integer(x) },
        { "float", json_is_real(x) },
        { "boolean", json_is_boolean(x) },
        { "true", json_is_true(x) },
        { "false", json_is_false(x) },
        { "mapping", json_is_object(x) },
        { "sequence", json_is_array(x) || json_is_string(x) || json_is_object(x) },
        { "iterable", json_is_array(x) || json_is_string(x) || json_is_object(x) },
        { "odd", json_integer_value(x) % 2 != 0 },
        { "even", json_is_integer(x) && json_integer_value(x) % 2 == 0 },
        { "divisibleby",
          json_integer_value(other) && json_integer_value(x) % json_integer_value(other) == 0 },
        { "equalto", b4c_jinja_equal(x, other) },
        { "eq", b4c_jinja_equal(x, other) },
        { "ne", !b4c_jinja_equal(x, other) },
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(name, tests[i].name)) {
            *out = tests[i].holds;
            return 0;
        }
    return b4c_fail(err, B4C_E_UNSUPPORTED, "the test 'is %s' is not done", name);
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
    json_t *all = as_list(x), *some = json_array();
    json_int_t first, last;
    bounds(bound[0], bound[1], by, (json_int_t)json_array_size(all), &first, &last);
    for (json_int_t i = first; by > 0 ? i < last : i > last; i += by)
        json_array_append(some, json_array_get(all, (size_t)i));
    json_decref(all);
    if (!json_is_string(x)) {
        *out = some;
        return 0;
    }
    const int rc = joined(some, (part){ "", 0 }, out, err);
    json_decref(some);
    return rc;
}

int b4c_jinja_item(const json_t *x, const json_t *at, json_t **out, b4c_error *err)
{
    if (!x) return b4c_fail(err, B4C_E_TEXT, "a part of what is undefined");
    if (json_is_object(x)) {
        *out = json_incref(json_object_get(x, json_is_string(at) ? json_string_value(at) : ""));
        return 0;
    }
    if (!json_is_integer(at)) return 0;
    json_t *all = as_list(x);
    json_int_t i = json_integer_value(at), count = (json_int_t)json_array_size(all);
    if (i < 0) i += count;
    *out = i >= 0 && i < count ? json_incref(json_array_get(all, (size_t)i)) : NULL;
    json_decref(all);
    return 0;
}
