/* json.c - jansson, made strict and made to say where.
 *
 * Invariants: a duplicate key is an error (two tools would read two models from one file); whatever
 * follows the value is an error; a byte order mark before it is skipped, as RFC 8259 section 8.1
 * allows.
 */
#include "base/json.h"

#include "base/file.h"
#include "base/nearest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *b4c_json_parse(const char *text, size_t bytes, const char *where, b4c_error *err)
{
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        bytes -= 3;
    }
    json_error_t at;
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    json_t *value = json_loadb(text, bytes, flags, &at);
    /* The hub writes 1e30 as an integer of 31 digits, for "no limit": then all numbers become
     * doubles. */
    if (!value && json_error_code(&at) == json_error_numeric_overflow)
        value = json_loadb(text, bytes, flags | JSON_DECODE_INT_AS_REAL, &at);
    if (value) return value;
    if (json_error_code(&at) == json_error_out_of_memory)
        b4c_fail(err, B4C_E_MEMORY, "%s: no memory for its JSON of %zu bytes", where, bytes);
    else if (at.line >= 0)
        b4c_fail(err, B4C_E_FORMAT, "%s: line %d, column %d: not valid JSON: %s", where, at.line,
                 at.column, at.text);
    else
        b4c_fail(err, B4C_E_FORMAT, "%s: not valid JSON: %s", where, at.text);
    return NULL;
}

json_t *b4c_json_file(const char *path, b4c_error *err)
{
    b4c_file file;
    if (b4c_file_map(&file, path, err) < 0) return NULL;
    json_t *value = NULL;
    if (file.size == 0)
        b4c_fail(err, B4C_E_FORMAT, "%s: the file is empty, wanted JSON", path);
    else
        value = b4c_json_parse((const char *)file.data, file.size, path, err);
    b4c_file_unmap(&file);
    return value;
}

static const char *kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    }
    return "nothing";
}

/* 1: *value is there; 0: absent or null; negative: `object` is none. */
static int look_up(const json_t *object, const char *key, const json_t **value, const char *where,
                   b4c_error *err)
{
    if (!json_is_object(object))
        return b4c_fail(err, B4C_E_FORMAT, "%s: found %s, wanted an object with \"%s\"", where,
                        object ? kind(object) : "nothing", key);
    *value = json_object_get(object, key);
    return *value && !json_is_null(*value);
}

static int wrong_kind(const json_t *value, const char *key, const char *wanted, const char *where,
                      b4c_error *err)
{
    return b4c_fail(err, B4C_E_FORMAT, "%s: \"%s\" is %s, wanted %s", where, key, kind(value),
                    wanted);
}

int b4c_json_int(const json_t *object, const char *key, long long low, long long high,
                 long long *out, const char *where, b4c_error *err)
{
    const json_t *value;
    const int found = look_up(object, key, &value, where, err);
    if (found <= 0) return found;
    long long n;
    if (json_is_integer(value)) {
        n = json_integer_value(value);
    } else {
        /* 512.0 is an integer to JSON, which knows one kind of number; 2^53 is where doubles stop
         * counting */
        const double x = json_is_real(value) ? json_real_value(value) : 0.5;
        if (x != floor(x) || fabs(x) > 0x1p53)
            return wrong_kind(value, key, "an integer", where, err);
        n = (long long)x;
    }
    if (n < low || n > high)
        return b4c_fail(err, B4C_E_FORMAT, "%s: \"%s\" is %lld, wanted %lld to %lld", where, key, n,
                        low, high);
    *out = n;
    return 1;
}

int b4c_json_real(const json_t *object, const char *key, double *out, const char *where,
                  b4c_error *err)
{
    const json_t *value;
    const int found = look_up(object, key, &value, where, err);
    if (found <= 0) return found;
    if (!json_is_number(value)) return wrong_kind(value, key, "a number", where, err);
    *out = json_number_value(value);
    return 1;
}

int b4c_json_bool(const json_t *object, const char *key, bool *out, const char *where,
                  b4c_error *err)
{
    const json_t *value;
    const int found = look_up(object, key, &value, where, err);
    if (found <= 0) return found;
    if (!json_is_boolean(value)) return wrong_kind(value, key, "true or false", where, err);
    *out = json_is_true(value);
    return 1;
}

int b4c_json_text(const json_t *object, const char *key, const char **out, const char *where,
                  b4c_error *err)
{
    const json_t *value;
    const int found = look_up(object, key, &value, where, err);
    if (found <= 0) return found;
    if (!json_is_string(value)) return wrong_kind(value, key, "a string", where, err);
    *out = json_string_value(value);
    return 1;
}

/* ---- objects that people write --------------------------------------------------------------- */

int b4c_json_only(const json_t *object, const char *const *keys, int n, const char *where,
                  b4c_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return b4c_fail(err, B4C_E_FORMAT, "%s: found %s, wanted an object", where,
                        object ? kind(object) : "nothing");
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        bool known = false;
        for (int i = 0; i < n && !known; i++) known = strcmp(key, keys[i]) == 0;
        if (known) continue;
        const char *near = b4c_nearest(key, keys, n);
        char all[400] = "";
        for (int i = 0; !near && i < n; i++)
            strncat(strncat(all, i ? ", " : "", sizeof all - strlen(all) - 1), keys[i],
                    sizeof all - strlen(all) - 1);
        return b4c_fail(err, B4C_E_ARG, "%s: unknown key \"%.100s\"; %s%s", where, key,
                        near ? "did you mean " : "known are ", near ? near : all);
    }
    return 0;
}

/* Member `name` of an object, element of a list; made an object where there is none. NULL: the
 * parent is neither, or has no such element. */
static json_t *member(json_t *parent, const char *name)
{
    if (json_is_array(parent)) return json_array_get(parent, (size_t)strtoul(name, NULL, 10));
    if (!json_is_object(parent)) return NULL;
    json_t *value = json_object_get(parent, name);
    if (!value && json_object_set_new(parent, name, json_object()) == 0)
        value = json_object_get(parent, name);
    return value;
}

int b4c_json_assign(json_t *object, const char *assignment, b4c_error *err)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return b4c_fail(err, B4C_E_ARG, "'%.200s': wanted name=value, such as steps=1000",
                        assignment);
    char *path = strndup(assignment, (size_t)(equals - assignment)), *name = path, *dot;
    json_t *parent = object;
    if (!path) return b4c_fail(err, B4C_E_MEMORY, "no memory for '%.200s'", assignment);
    for (; parent && (dot = strchr(name, '.')); name = dot + 1) {
        *dot = '\0';
        parent = member(parent, name);
    }
    json_t *value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!value) value = json_string(equals + 1);
    int rc = -1;
    if (value && json_is_object(parent)) rc = json_object_set(parent, name, value);
    else if (value && json_is_array(parent))
        rc = json_array_set(parent, (size_t)strtoul(name, NULL, 10), value);
    json_decref(value);
    free(path);
    if (rc == 0) return 0;
    return b4c_fail(err, B4C_E_ARG, "'%.200s': nothing can be set there", assignment);
}
