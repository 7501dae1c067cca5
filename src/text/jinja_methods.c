/* jinja_methods.c - methods of texts, dictionaries and loops, as Python has them. What another kind
 * of argument would be in Python an error is one here.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_filters.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

typedef b4c_jinja_part part;

enum { MOST_PARAMETERS = 3 };

/* ---- texts ----------------------------------------------------------------------------------- */

static bool is_side(part x, part side, bool end)
{
    return x.size >= side.size &&
           !memcmp(x.text + (end ? x.size - side.size : 0), side.text, side.size);
}

/* startswith, endswith: of one text, or of any of a list. */
static int has_side(part x, const json_t *sides, bool end, json_t **out, b4c_error *err)
{
    size_t i;
    json_t *one;
    bool found = json_is_string(sides) && is_side(x, b4c_jinja_part_of(sides), end);
    if (!json_is_string(sides) && !json_is_array(sides)) return b4c_jinja_wrong("startswith", err);
    if (json_is_array(sides)) json_array_foreach((json_t *)(uintptr_t)sides, i, one)
        {
            if (!json_is_string(one)) return b4c_jinja_wrong("startswith", err);
            found |= is_side(x, b4c_jinja_part_of(one), end);
        }
    *out = json_boolean(found);
    return 0;
}

static int join(part between, const json_t *x, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    json_t *list, *one;
    size_t i;
    B4C_TRY(b4c_jinja_list(x, &list, err));
    int rc = 0;
    json_array_foreach(list, i, one)
    {
        if (!json_is_string(one))
            rc = b4c_jinja_wrong("join", err);
        else if (text.size > B4C_JINJA_LONGEST)
            rc = b4c_fail(err, B4C_E_MEMORY, "join: a text too long");
        if (rc < 0) break;
        if (i) b4c_buffer_add(&text, between.text, between.size);
        b4c_buffer_add(&text, json_string_value(one), json_string_length(one));
    }
    json_decref(list);
    if (rc == 0) *out = b4c_jinja_take_text(&text);
    b4c_buffer_done(&text);
    return rc;
}

static int split(const char *name, part x, json_t *const *arg, json_t **out, b4c_error *err)
{
    const bool right = *name == 'r',
               limited = json_is_integer(arg[1]) && json_integer_value(arg[1]) >= 0;
    if (arg[0] && !json_is_string(arg[0]) && !json_is_null(arg[0]))
        return b4c_jinja_wrong(name, err);
    if (json_is_string(arg[0]) && !json_string_length(arg[0]))
        return b4c_fail(err, B4C_E_TEXT, "'%s' by an empty text", name);
    if (limited && !json_is_string(arg[0]))
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: by blanks, but at most so often, is not done",
                        name);
    *out = b4c_jinja_split(x, json_is_string(arg[0]) ? arg[0] : NULL,
                           limited ? json_integer_value(arg[1]) : -1, right);
    return 0;
}

static int count(part x, part what, json_t **out, b4c_error *err)
{
    json_int_t n = 0;
    const char *end = x.text + x.size;
    if (!what.size) return b4c_fail(err, B4C_E_UNSUPPORTED, "count: of an empty text");
    for (const char *hit; (hit = b4c_jinja_find(x, what, false)); n++)
        x = (part){ hit + what.size, (size_t)(end - hit) - what.size };
    *out = json_integer(n);
    return 0;
}

/* All arguments are texts. */
static int of_text(const char *name, part x, json_t *const *arg, json_t **out, b4c_error *err)
{
    const part a = b4c_jinja_part_of(arg[0]);
    if (!strcmp(name, "find") || !strcmp(name, "rfind")) {
        const char *hit = b4c_jinja_find(x, a, *name == 'r');
        *out = json_integer(hit ? (json_int_t)b4c_utf8_count(x.text, (size_t)(hit - x.text)) : -1);
    } else if (!strcmp(name, "count"))
        return count(x, a, out, err);
    else if (!strcmp(name, "removeprefix"))
        *out = b4c_jinja_make_text(is_side(x, a, false) ? (part){ x.text + a.size, x.size - a.size }
                                                        : x);
    else if (!strcmp(name, "removesuffix"))
        *out = b4c_jinja_make_text(is_side(x, a, true) ? (part){ x.text, x.size - a.size } : x);
    else if (!a.size)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "replace: what is replaced is empty");
    else
        *out = b4c_jinja_replace(x, a, b4c_jinja_part_of(arg[1]),
                                 json_is_integer(arg[2]) ? json_integer_value(arg[2]) : -1);
    return 0;
}

static const struct {
    const char *name, *parameters;
    int needed, texts; /* arguments; how many of them are texts */
} methods[] = {
    { "capitalize", "", 0, 0 },
    { "count", "sub", 1, 1 },
    { "endswith", "suffix", 1, 0 },
    { "find", "sub", 1, 1 },
    { "join", "iterable", 1, 0 },
    { "lower", "", 0, 0 },
    { "lstrip", "chars", 0, 0 },
    { "removeprefix", "prefix", 1, 1 },
    { "removesuffix", "suffix", 1, 1 },
    { "replace", "old,new,count", 2, 2 },
    { "rfind", "sub", 1, 1 },
    { "rsplit", "sep,maxsplit", 0, 0 },
    { "rstrip", "chars", 0, 0 },
    { "split", "sep,maxsplit", 0, 0 },
    { "splitlines", "", 0, 0 },
    { "startswith", "prefix", 1, 0 },
    { "strip", "chars", 0, 0 },
    { "title", "", 0, 0 },
    { "upper", "", 0, 0 },
};

static int method_of_text(const char *name, const json_t *self, const b4c_jinja_arguments *a,
                          json_t **out, b4c_error *err)
{
    const part x = b4c_jinja_part_of(self);
    json_t *arg[MOST_PARAMETERS];
    size_t i = 0;
    while (i < sizeof methods / sizeof *methods && strcmp(name, methods[i].name) != 0) i++;
    if (i == sizeof methods / sizeof *methods)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "the method '%s' is not done", name);
    B4C_TRY(b4c_jinja_bind(name, methods[i].parameters, methods[i].needed, a, arg, err));
    for (int k = 0; k < methods[i].texts; k++)
        if (!json_is_string(arg[k])) return b4c_jinja_wrong(name, err);
    if (methods[i].texts) return of_text(name, x, arg, out, err);
    if (strstr(name, "with")) return has_side(x, arg[0], *name == 'e', out, err);
    if (strstr(name, "strip")) {
        if (arg[0] && !json_is_string(arg[0]) && !json_is_null(arg[0]))
            return b4c_jinja_wrong(name, err);
        *out = b4c_jinja_strip(x, *name != 'r', *name != 'l', arg[0]);
    } else if (!strcmp(name, "splitlines"))
        *out = b4c_jinja_lines(x);
    else if (strstr(name, "split"))
        return split(name, x, arg, out, err);
    else if (!strcmp(name, "join"))
        return join(x, arg[0], out, err);
    else
        *out = b4c_jinja_letters_of(x, *name == 'c'   ? B4C_JINJA_CAPITAL
                                       : *name == 'l' ? B4C_JINJA_LOWER
                                       : *name == 't' ? B4C_JINJA_TITLE
                                                      : B4C_JINJA_UPPER);
    return 0;
}

/* ---- dictionaries and loops ------------------------------------------------------------------ */

static int method_of_object(const char *name, const json_t *x, const b4c_jinja_arguments *a,
                            json_t **out, b4c_error *err)
{
    json_t *arg[2];
    if (!strcmp(name, "get")) {
        /* what is undefined is as good as none */
        b4c_jinja_arguments given = *a;
        if (given.n == 2 && !given.item[1]) given.n = 1;
        B4C_TRY(b4c_jinja_bind(name, "key,default", 1, &given, arg, err));
        json_t *found = json_is_string(arg[0]) ? json_object_get(x, json_string_value(arg[0]))
                                               : NULL;
        if (!found && a->n == 2 && !a->item[1]) return 0;
        *out = found ? json_incref(found) : arg[1] ? json_incref(arg[1]) : json_null();
        return 0;
    }
    const bool keys = !strcmp(name, "keys"), values = !strcmp(name, "values"),
               both = !strcmp(name, "items");
    if (!keys && !values && !both)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "the method '%s' is not done", name);
    B4C_TRY(b4c_jinja_bind(name, "", 0, a, arg, err));
    *out = b4c_jinja_marked("view");
    json_object_set_new(*out, "list", b4c_jinja_members(x, keys || both, values || both));
    return 0;
}

static int method_of_loop(const char *name, const json_t *x, const b4c_jinja_arguments *a,
                          json_t **out, b4c_error *err)
{
    const char *mark = b4c_jinja_mark(x);
    if (strcmp(mark, "loop") != 0 || strcmp(name, "cycle") != 0 || !a->n)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "the method '%s' of a %s is not done", name, mark);
    *out = json_incref(a->item[json_integer_value(json_object_get(x, "index0")) % a->n]);
    return 0;
}

int b4c_jinja_method(const char *name, const json_t *x, const b4c_jinja_arguments *a, json_t **out,
                     b4c_error *err)
{
    *out = NULL;
    if (!x) return b4c_fail(err, B4C_E_TEXT, "'%s' is called on what is undefined", name);
    if (b4c_jinja_mark(x)) return method_of_loop(name, x, a, out, err);
    if (json_is_object(x)) return method_of_object(name, x, a, out, err);
    if (json_is_string(x)) return method_of_text(name, x, a, out, err);
    return b4c_fail(err, B4C_E_UNSUPPORTED, "the method '%s' is not done", name);
}

bool b4c_jinja_is_method(const json_t *x, const char *name)
{
    static const char of_objects[] =
        " copy pop update clear setdefault popitem fromkeys items keys "
        "values get ",
                      of_lists[] =
                          " append clear copy count extend index insert pop remove reverse "
                          "sort ",
                      of_texts[] = " casefold center encode expandtabs format format_map index "
                                   "isalnum isalpha isascii isdecimal isdigit isidentifier islower "
                                   "isnumeric isprintable isspace istitle isupper ljust maketrans "
                                   "partition rindex rjust rpartition swapcase translate zfill ",
                      of_numbers[] = " as_integer_ratio bit_count bit_length conjugate denominator "
                                     "from_bytes fromhex hex imag is_integer numerator real "
                                     "to_bytes ";
    char word[32];
    for (size_t i = 0; json_is_string(x) && i < sizeof methods / sizeof *methods; i++)
        if (!strcmp(name, methods[i].name)) return true;
    if (b4c_jinja_mark(x) || !*name ||
        snprintf(word, sizeof word, " %s ", name) >= (int)sizeof word)
        return false;
    return strstr(json_is_object(x)   ? of_objects
                  : json_is_array(x)  ? of_lists
                  : json_is_string(x) ? of_texts
                  : json_is_number(x) ? of_numbers
                                      : "",
                  word) != NULL;
}
