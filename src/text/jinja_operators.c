/* jinja_operators.c - operators of two values, as Python has them. Whole numbers beyond a billion
 * are refused, for Python's have no end.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja_text.h"

const char *b4c_jinja_kind_of(const json_t *x)
{
    return !x                ? "undefined"
         : json_is_string(x) ? "a text"
         : json_is_number(x) ? "a number"
         : json_is_array(x)  ? "a list"
         : b4c_jinja_mark(x) ? b4c_jinja_mark(x)
         : json_is_object(x) ? "an object"
                             : "a constant";
}

static int compare(b4c_jinja_kind k, const json_t *a, const json_t *b, bool *out, b4c_error *err)
{
    double order;
    if (json_is_number(a) && json_is_number(b))
        order = json_number_value(a) - json_number_value(b);
    else if (json_is_string(a) && json_is_string(b))
        order = strcmp(json_string_value(a), json_string_value(b));
    else
        return b4c_fail(err, B4C_E_TEXT, "%s is compared with %s", b4c_jinja_kind_of(a),
                        b4c_jinja_kind_of(b));
    *out = k == B4C_JINJA_LESS       ? order < 0
         : k == B4C_JINJA_LESS_EQUAL ? order <= 0
         : k == B4C_JINJA_GREATER    ? order > 0
                                     : order >= 0;
    return 0;
}

static int contains(const json_t *x, const json_t *what, bool *out, b4c_error *err)
{
    *out = false;
    if (json_is_string(x) && json_is_string(what))
        *out = !json_string_length(what) ||
               memmem(json_string_value(x), json_string_length(x), json_string_value(what),
                      json_string_length(what)) != NULL;
    else if (json_is_object(x) && !b4c_jinja_mark(x))
        *out = json_is_string(what) && json_object_get(x, json_string_value(what));
    else if (json_is_array(x))
        for (size_t i = 0; i < json_array_size(x) && !*out; i++)
            *out = b4c_jinja_equal(json_array_get(x, i), what);
    else if (x)
        return b4c_fail(err, B4C_E_TEXT, "'in' is asked of %s", b4c_jinja_kind_of(x));
    return 0;
}

static int join(const json_t *a, const json_t *b, json_t **out, b4c_error *err)
{
    b4c_buffer text = { 0 };
    int rc = b4c_jinja_print(&text, a, err);
    if (rc == 0) rc = b4c_jinja_print(&text, b, err);
    if (rc == 0) *out = b4c_jinja_take_text(&text);
    b4c_buffer_done(&text);
    return rc;
}

static int add(const json_t *a, const json_t *b, json_t **out, b4c_error *err)
{
    if (json_is_string(a) && json_is_string(b)) return join(a, b, out, err);
    if (!json_is_array(a) || !json_is_array(b))
        return b4c_fail(err, B4C_E_TEXT, "%s and %s are added", b4c_jinja_kind_of(a),
                        b4c_jinja_kind_of(b));
    *out = json_copy((json_t *)a);
    json_array_extend(*out, (json_t *)b);
    return 0;
}

static json_int_t down(json_int_t a, json_int_t b) /* Python's a // b */
{
    const json_int_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static int calculate(b4c_jinja_kind k, const json_t *a, const json_t *b, json_t **out,
                     b4c_error *err)
{
    if (k == B4C_JINJA_ADD && !json_is_number(a)) return add(a, b, out, err);
    if (!json_is_number(a) || !json_is_number(b))
        return b4c_fail(err, B4C_E_TEXT, "calculated with %s and %s", b4c_jinja_kind_of(a),
                        b4c_jinja_kind_of(b));
    const double x = json_number_value(a), y = json_number_value(b);
    const bool divides = k == B4C_JINJA_DIVIDE || k == B4C_JINJA_DIVIDE_WHOLE ||
                         k == B4C_JINJA_REST;
    if (divides && !(y < 0 || y > 0)) return b4c_fail(err, B4C_E_TEXT, "division by zero");
    if (json_is_integer(a) && json_is_integer(b) && k != B4C_JINJA_DIVIDE) {
        const json_int_t i = json_integer_value(a), j = json_integer_value(b);
        if (fabs(x) > 1e9 || fabs(y) > 1e9)
            return b4c_fail(err, B4C_E_TEXT, "calculated with numbers beyond a billion");
        *out = json_integer(k == B4C_JINJA_ADD            ? i + j
                            : k == B4C_JINJA_SUBTRACT     ? i - j
                            : k == B4C_JINJA_TIMES        ? i * j
                            : k == B4C_JINJA_DIVIDE_WHOLE ? down(i, j)
                                                          : i - down(i, j) * j);
        return 0;
    }
    /* Python's rest has the sign of y; its whole quotient is what that leaves. */
    double rest = divides ? fmod(x, y) : 0;
    if ((rest < 0 || rest > 0) && (rest < 0) != (y < 0)) rest += y;
    *out = json_real(k == B4C_JINJA_ADD            ? x + y
                     : k == B4C_JINJA_SUBTRACT     ? x - y
                     : k == B4C_JINJA_TIMES        ? x * y
                     : k == B4C_JINJA_DIVIDE       ? x / y
                     : k == B4C_JINJA_DIVIDE_WHOLE ? round((x - rest) / y)
                                                   : rest);
    return *out ? 0 : b4c_fail(err, B4C_E_TEXT, "a number beyond all bounds");
}

int b4c_jinja_operate(b4c_jinja_kind k, const json_t *a, const json_t *b, json_t **out,
                      b4c_error *err)
{
    bool truth = false;
    int rc = 0;
    if (!b4c_jinja_small(a) || !b4c_jinja_small(b))
        return b4c_fail(err, B4C_E_MEMORY, "values too large");
    switch (k) {
    case B4C_JINJA_EQUAL: truth = b4c_jinja_equal(a, b); break;
    case B4C_JINJA_DIFFERENT: truth = !b4c_jinja_equal(a, b); break;
    case B4C_JINJA_IN:
    case B4C_JINJA_NOT_IN:
        rc = contains(b, a, &truth, err);
        truth = truth == (k == B4C_JINJA_IN);
        break;
    case B4C_JINJA_LESS:
    case B4C_JINJA_LESS_EQUAL:
    case B4C_JINJA_GREATER:
    case B4C_JINJA_GREATER_EQUAL: rc = compare(k, a, b, &truth, err); break;
    case B4C_JINJA_JOIN: return join(a, b, out, err);
    default: return calculate(k, a, b, out, err);
    }
    if (rc == 0) *out = json_boolean(truth);
    return rc;
}
