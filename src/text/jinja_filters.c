/* jinja_filters.c - filters by their names, as Jinja and transformers define them.
 *
 * A table says what arguments a filter takes; more, or others, are an error as in Python, and so is
 * a value of a kind that the filter does not know: nothing is approached. What Jinja makes an
 * iterator of (map, select, items ...) is one here too: always true, without a length, gone once it
 * was walked over.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"

typedef b4c_jinja_arguments arguments;
typedef b4c_jinja_part part;

enum { MOST_PARAMETERS = 4 };

/* What str() makes of x. */
static int text_of(const json_t *x, b4c_buffer *room, part *out, b4c_error *err)
{
    *out = b4c_jinja_part_of(x);
    if (json_is_string(x)) return 0;
    B4C_TRY(b4c_jinja_print(room, x, err));
    *out = (part){ room->data ? room->data : "", room->size };
    return 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Python's float() of a text: true, and *number. */
static bool read_number(part x, bool whole, double *number)
{
    json_t *plain = b4c_jinja_strip(x, true, true, NULL);
    const char *text = json_string_value(plain);
    char *end = NULL;
    const bool digits = text && *text &&
                        !text[strspn(text, whole ? "+-0123456789" : "+-.eE0123456789")];
    if (digits) *number = strtod(text, &end);
    const bool good = digits && !*end;
    json_decref(plain);
    return good;
}

static int to_int(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    double number = 0;
    bool good = true;
    if (arg[1]) return b4c_fail(err, B4C_E_UNSUPPORTED, "int: a base is not done");
    if (!x) return b4c_jinja_wrong("int", err);
    if (json_is_integer(x))
        number = (double)json_integer_value(x);
    else if (json_is_real(x))
        number = json_real_value(x);
    else if (json_is_boolean(x))
        number = json_is_true(x);
    else
        good = json_is_string(x) && read_number(b4c_jinja_part_of(x), false, &number);
    if (good && fabs(number) > 9e15)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "int: a number beyond 9e15");
    if (good)
        *out = json_integer((json_int_t)number);
    else
        *out = arg[0] ? json_incref(arg[0]) : json_integer(0);
    return 0;
}

static int to_float(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    double number = 0;
    if (!x) return b4c_jinja_wrong("float", err);
    if (json_is_number(x))
        *out = json_real(json_number_value(x));
    else if (json_is_boolean(x))
        *out = json_real(json_is_true(x));
    else if (json_is_string(x) && read_number(b4c_jinja_part_of(x), false, &number))
        *out = json_real(number);
    else
        *out = arg[0] ? json_incref(arg[0]) : json_real(0);
    return 0;
}

static int absolute(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    (void)arg;
    if (json_is_integer(x))
        *out = json_integer(llabs(json_integer_value(x)));
    else if (json_is_real(x))
        *out = json_real(fabs(json_real_value(x)));
    else
        return b4c_jinja_wrong("abs", err);
    return 0;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static int in_letters(const json_t *x, b4c_jinja_letters how, json_t **out, b4c_error *err)
{
    b4c_buffer room = { 0 };
    part text;
    const int rc = text_of(x, &room, &text, err);
    if (rc == 0) *out = b4c_jinja_letters_of(text, how);
    b4c_buffer_done(&room);
    return rc;
}
#define LETTERS(name, how)                                                             \
    static int name(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err) \
    {                                                                                  \
        (void)arg;                                                                     \
        return in_letters(x, how, out, err);                                           \
    }
LETTERS(upper, B4C_JINJA_UPPER)
LETTERS(lower, B4C_JINJA_LOWER)
LETTERS(capitalize, B4C_JINJA_CAPITAL)
LETTERS(title, B4C_JINJA_HEADLINE)

static int trim(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    b4c_buffer room = { 0 };
    part text;
    if (arg[0] && !json_is_string(arg[0]) && !json_is_null(arg[0]))
        return b4c_jinja_wrong("trim", err);
    const int rc = text_of(x, &room, &text, err);
    if (rc == 0) *out = b4c_jinja_strip(text, true, true, arg[0]);
    b4c_buffer_done(&room);
    return rc;
}

static int replace(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    b4c_buffer room[3] = { { 0 }, { 0 }, { 0 } };
    part p[3];
    const json_t *const from[3] = { x, arg[0], arg[1] };
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) rc = text_of(from[i], &room[i], &p[i], err);
    if (rc == 0 && arg[2] && !json_is_integer(arg[2]) && !json_is_null(arg[2]))
        rc = b4c_jinja_wrong("replace", err);
    if (rc == 0 && !p[1].size)
        rc = b4c_fail(err, B4C_E_UNSUPPORTED, "replace: what is replaced is empty");
    if (rc == 0)
        *out = b4c_jinja_replace(p[0], p[1], p[2],
                                 json_is_integer(arg[2]) ? json_integer_value(arg[2]) : -1);
    for (int i = 0; i < 3; i++) b4c_buffer_done(&room[i]);
    return rc;
}

static int string(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    (void)arg;
    const int rc = b4c_jinja_print(&text, x, err);
    if (rc == 0) *out = b4c_jinja_take_text(&text);
    b4c_buffer_done(&text);
    return rc;
}

static int indent(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    const json_int_t width = json_is_integer(arg[0]) ? json_integer_value(arg[0]) : 4;
    if (!json_is_string(x) || width < 0 || width > 1000) return b4c_jinja_wrong("indent", err);
    const bool first = b4c_jinja_true(arg[1]), blank = b4c_jinja_true(arg[2]);
    /* Jinja puts a newline behind the text before it parts lines. */
    b4c_buffer_add(&text, json_string_value(x), json_string_length(x));
    b4c_buffer_text(&text, "\n");
    json_t *lines = b4c_jinja_lines((part){ text.data ? text.data : "", text.size }), *line;
    b4c_buffer_done(&text);
    size_t i;
    json_array_foreach(lines, i, line)
    {
        const part p = b4c_jinja_part_of(line);
        if (i) b4c_buffer_text(&text, "\n");
        if (i ? blank || p.size : first) {
            if (json_is_string(arg[0]))
                b4c_buffer_add(&text, json_string_value(arg[0]), json_string_length(arg[0]));
            else
                for (json_int_t k = 0; k < width; k++) b4c_buffer_text(&text, " ");
        }
        b4c_buffer_add(&text, p.text, p.size);
    }
    json_decref(lines);
    *out = b4c_jinja_take_text(&text);
    return 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int length(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    json_t *list;
    (void)arg;
    const char *mark = b4c_jinja_mark(x);
    if ((mark && strcmp(mark, "view") != 0) ||
        (x && !json_is_string(x) && !json_is_array(x) && !json_is_object(x)))
        return b4c_jinja_wrong("length", err);
    B4C_TRY(b4c_jinja_list(x, &list, err));
    *out = json_integer((json_int_t)json_array_size(list));
    json_decref(list);
    return 0;
}

static int end_of(const json_t *x, bool last, json_t **out, b4c_error *err)
{
    const char *mark = b4c_jinja_mark(x);
    json_t *inside = mark && !strcmp(mark, "iterator") ? json_object_get(x, "list") : NULL, *list;
    if (inside && last) return b4c_jinja_wrong("last", err);
    if (inside) { /* the others stay in the iterator */
        *out = json_incref(json_array_get(inside, 0));
        json_array_remove(inside, 0);
        return 0;
    }
    B4C_TRY(b4c_jinja_list(x, &list, err));
    const size_t n = json_array_size(list);
    *out = n ? json_incref(json_array_get(list, last ? n - 1 : 0)) : NULL;
    json_decref(list);
    return 0;
}

static int join(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    json_t *list, *item, *one;
    size_t i;
    B4C_TRY(b4c_jinja_list(x, &list, err));
    int rc = 0;
    json_array_foreach(list, i, item)
    {
        if (i && arg[0]) rc = b4c_jinja_print(&text, arg[0], err);
        if (rc == 0 && text.size > B4C_JINJA_LONGEST)
            rc = b4c_fail(err, B4C_E_MEMORY, "join: a text too long");
        if (rc < 0 || (rc = b4c_jinja_follow(item, arg[1], &one, err)) < 0) break;
        rc = b4c_jinja_print(&text, one, err);
        json_decref(one);
        if (rc < 0) break;
    }
    json_decref(list);
    if (rc == 0) *out = b4c_jinja_take_text(&text);
    b4c_buffer_done(&text);
    return rc;
}

static int list_of(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    (void)arg;
    return b4c_jinja_list(x, out, err);
}

static int items(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    (void)arg;
    if (x && (!json_is_object(x) || b4c_jinja_mark(x))) return b4c_jinja_wrong("items", err);
    return b4c_jinja_iterator(b4c_jinja_members(x, true, true), out);
}

/* ---- by name --------------------------------------------------------------------------------- */

static int tojson(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    const int rc = b4c_jinja_json(&text, x, arg, err);
    if (rc == 0) *out = b4c_jinja_take_text(&text);
    b4c_buffer_done(&text);
    return rc;
}

static int safe(const json_t *x, json_t *const *arg, json_t **out, b4c_error *err)
{
    return string(x, arg, out, err);
}

static int default_of(const json_t *x, const arguments *a, json_t **out, b4c_error *err)
{
    json_t *arg[2];
    if (a->n == 1 && !a->item[0] && !a->name[0]) { /* of two undefined the second one */
        *out = x ? json_incref((json_t *)(uintptr_t)x) : NULL;
        return 0;
    }
    B4C_TRY(b4c_jinja_bind("default", "default_value,boolean", 0, a, arg, err));
    if (x && (!b4c_jinja_true(arg[1]) || b4c_jinja_true(x)))
        *out = json_incref((json_t *)(uintptr_t)x);
    else
        *out = arg[0] ? json_incref(arg[0]) : json_string("");
    return 0;
}

static const struct {
    const char *name, *parameters;
    int needed;
    int (*run)(const json_t *x, json_t *const *arg, json_t **out, b4c_error *);
} filters[] = {
    { "abs", "", 0, absolute },
    { "capitalize", "", 0, capitalize },
    { "count", "", 0, length },
    { "dictsort", "case_sensitive,by,reverse", 0, b4c_jinja_dictsort },
    { "float", "default", 0, to_float },
    { "indent", "width,first,blank", 0, indent },
    { "int", "default,base", 0, to_int },
    { "items", "", 0, items },
    { "join", "d,attribute", 0, join },
    { "length", "", 0, length },
    { "list", "", 0, list_of },
    { "lower", "", 0, lower },
    { "replace", "old,new,count", 2, replace },
    { "reverse", "", 0, b4c_jinja_reverse },
    { "safe", "", 0, safe },
    { "sort", "reverse,case_sensitive,attribute", 0, b4c_jinja_sort },
    { "string", "", 0, string },
    { "title", "", 0, title },
    { "tojson", "ensure_ascii,indent,separators,sort_keys", 0, tojson },
    { "trim", "chars", 0, trim },
    { "unique", "case_sensitive,attribute", 0, b4c_jinja_unique },
    { "upper", "", 0, upper },
};

int b4c_jinja_filter(const char *name, const json_t *x, const arguments *a, json_t **out,
                     b4c_error *err)
{
    static const char *const walks[] = { "map", "select", "reject", "selectattr", "rejectattr" };
    json_t *arg[MOST_PARAMETERS];
    *out = NULL;
    if (!strcmp(name, "default") || !strcmp(name, "d")) return default_of(x, a, out, err);
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        if (!strcmp(name, walks[i])) return b4c_jinja_walk(name, x, a, out, err);
    const bool last = !strcmp(name, "last"), most = !strcmp(name, "max");
    if (last || !strcmp(name, "first")) { /* of nothing: undefined */
        B4C_TRY(b4c_jinja_bind(name, "", 0, a, arg, err));
        return end_of(x, last, out, err);
    }
    if (most || !strcmp(name, "min")) {
        B4C_TRY(b4c_jinja_bind(name, "case_sensitive,attribute", 0, a, arg, err));
        return b4c_jinja_extreme(x, arg, most, out, err);
    }
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (strcmp(name, filters[i].name) != 0) continue;
        B4C_TRY(b4c_jinja_bind(name, filters[i].parameters, filters[i].needed, a, arg, err));
        const int rc = filters[i].run(x, arg, out, err);
        if (rc < 0) return rc;
        return *out ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory", name);
    }
    return b4c_fail(err, B4C_E_UNSUPPORTED, "the filter '%s' is not done", name);
}
