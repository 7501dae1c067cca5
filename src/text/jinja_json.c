/* jinja_json.c - JSON as Python's json.dumps writes it, which tojson is in transformers: items
 * parted by ", " and ": ", by "," and newlines where it is indented; numbers as Python prints them.
 */
#include <string.h>

#include "base/error.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

typedef struct writer {
    b4c_buffer *out;
    bool ascii, sorted, lines;
    const char *step; /* a level's indentation */
    int spaces;       /* the same in blanks, where step is NULL */
    const char *comma, *colon;
    b4c_error *err;
} writer;

static void put_text(const writer *w, const json_t *x)
{
    static const char plain[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    const uint8_t *p = (const uint8_t *)json_string_value(x), *end = p + json_string_length(x),
                  *next;
    b4c_buffer_text(w->out, "\"");
    for (; p < end; p = next) {
        uint32_t c = b4c_utf8_read(p, end, &next);
        const char *found = c && c < 0x80 ? strchr(plain, (int)c) : NULL;
        if (found)
            b4c_buffer_print(w->out, "\\%c", names[found - plain]);
        else if (c < 0x20 || (w->ascii && c >= 0x7f && c < 0x10000))
            b4c_buffer_print(w->out, "\\u%04x", (unsigned)c);
        else if (w->ascii && c >= 0x10000) {
            c -= 0x10000;
            b4c_buffer_print(w->out, "\\u%04x\\u%04x", (unsigned)(0xd800 + (c >> 10)),
                             (unsigned)(0xdc00 + (c & 0x3ff)));
        } else
            b4c_buffer_add(w->out, p, (size_t)(next - p));
    }
    b4c_buffer_text(w->out, "\"");
}

static void new_line(const writer *w, int level)
{
    if (!w->lines) return;
    b4c_buffer_text(w->out, "\n");
    for (int i = 0; i < level; i++) {
        if (w->step) b4c_buffer_text(w->out, w->step);
        for (int k = 0; k < w->spaces && !w->step; k++) b4c_buffer_text(w->out, " ");
    }
}

static int put(const writer *w, const json_t *x, int level);

static int put_object(const writer *w, const json_t *x, int level)
{
    json_t *keys = b4c_jinja_members(x, true, false), *key, *ordered = NULL;
    size_t i;
    int rc = 0;
    if (w->sorted)
        rc = b4c_jinja_filter("sort", keys,
                              &(b4c_jinja_arguments){ { json_true() }, { "case_sensitive" }, 1 },
                              &ordered, w->err);
    b4c_buffer_text(w->out, "{");
    json_array_foreach(ordered ? ordered : keys, i, key)
    {
        if (rc < 0) break;
        if (i) b4c_buffer_text(w->out, w->comma);
        new_line(w, level + 1);
        put_text(w, key);
        b4c_buffer_text(w->out, w->colon);
        rc = put(w, json_object_get(x, json_string_value(key)), level + 1);
    }
    if (json_array_size(keys)) new_line(w, level);
    b4c_buffer_text(w->out, "}");
    json_decref(ordered);
    json_decref(keys);
    return rc;
}

static int put(const writer *w, const json_t *x, int level)
{
    size_t i;
    json_t *item;
    if (b4c_jinja_mark(x))
        return b4c_fail(w->err, B4C_E_TEXT, "tojson: '%s' is no JSON", b4c_jinja_mark(x));
    if (w->out->size > B4C_JINJA_LONGEST)
        return b4c_fail(w->err, B4C_E_MEMORY, "tojson: a text too long");
    switch (json_typeof(x)) {
    case JSON_STRING: put_text(w, x); return 0;
    case JSON_INTEGER: b4c_buffer_print(w->out, "%lld", (long long)json_integer_value(x)); return 0;
    case JSON_REAL: b4c_jinja_real(w->out, json_real_value(x)); return 0;
    case JSON_TRUE: b4c_buffer_text(w->out, "true"); return 0;
    case JSON_FALSE: b4c_buffer_text(w->out, "false"); return 0;
    case JSON_NULL: b4c_buffer_text(w->out, "null"); return 0;
    case JSON_OBJECT: return put_object(w, x, level);
    case JSON_ARRAY: break;
    }
    b4c_buffer_text(w->out, "[");
    json_array_foreach((json_t *)(uintptr_t)x, i, item)
    {
        if (i) b4c_buffer_text(w->out, w->comma);
        new_line(w, level + 1);
        B4C_TRY(put(w, item, level + 1));
    }
    if (i) new_line(w, level);
    b4c_buffer_text(w->out, "]");
    return 0;
}

int b4c_jinja_json(b4c_buffer *out, const json_t *x, json_t *const arg[4], b4c_error *err)
{
    const json_t *indent = arg[1], *separators = arg[2];
    writer w = { .out = out,
                 .ascii = b4c_jinja_true(arg[0]),
                 .sorted = b4c_jinja_true(arg[3]),
                 .comma = ", ",
                 .colon = ": ",
                 .err = err };
    if (!x) return b4c_fail(err, B4C_E_TEXT, "tojson: the value is undefined");
    if (!b4c_jinja_small(x)) return b4c_fail(err, B4C_E_MEMORY, "tojson: a value too large");
    if (indent && !json_is_null(indent)) {
        const json_int_t n = json_integer_value(indent);
        if ((!json_is_integer(indent) && !json_is_string(indent)) || n < 0 || n > 64)
            return b4c_fail(err, B4C_E_TEXT, "tojson: indent is no text or number up to 64");
        w.lines = true;
        w.comma = ",";
        w.step = json_string_value(indent);
        w.spaces = (int)n;
    }
    if (separators && !json_is_null(separators)) {
        w.comma = json_string_value(json_array_get(separators, 0));
        w.colon = json_string_value(json_array_get(separators, 1));
        if (json_array_size(separators) != 2 || !w.comma || !w.colon)
            return b4c_fail(err, B4C_E_TEXT, "tojson: separators are no two texts");
    }
    return put(&w, x, 0);
}
