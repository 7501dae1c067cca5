/* jinja_text.c - see jinja_text.h. */
#include "text/jinja_text.h"

#include <string.h>
#include <utf8proc.h>

#include "text/unicode.h"
#include "text/utf8.h"

typedef b4c_jinja_part part;

enum { LONGEST = B4C_JINJA_LONGEST };

part b4c_jinja_part_of(const json_t *x)
{
    return json_is_string(x) ? (part){ json_string_value(x), json_string_length(x) }
                             : (part){ "", 0 };
}

json_t *b4c_jinja_make_text(part p) { return json_stringn(p.text, p.size); }

json_t *b4c_jinja_take_text(b4c_buffer *b)
{
    json_t *text = b->failed ? NULL : json_stringn(b->data ? b->data : "", b->size);
    b4c_buffer_done(b);
    return text;
}

/* Is the character white, or, with `set`, one of it? */
static bool goes(uint32_t c, const json_t *set)
{
    if (!json_is_string(set)) return b4c_is_python_space(c);
    const part s = b4c_jinja_part_of(set);
    const uint8_t *p = (const uint8_t *)s.text, *end = p + s.size;
    while (p < end)
        if (b4c_utf8_read(p, end, &p) == c) return true;
    return false;
}

json_t *b4c_jinja_strip(part x, bool left, bool right, const json_t *set)
{
    const uint8_t *begin = (const uint8_t *)x.text, *end = begin + x.size, *other;
    while (left && begin < end && goes(b4c_utf8_read(begin, end, &other), set)) begin = other;
    while (right && begin < end && goes(b4c_utf8_before(begin, end, &other), set)) end = other;
    return b4c_jinja_make_text((part){ (const char *)begin, (size_t)(end - begin) });
}

json_t *b4c_jinja_letters_of(part x, b4c_jinja_letters how)
{
    b4c_buffer out = { 0 };
    const uint8_t *p = (const uint8_t *)x.text, *end = p + x.size;
    for (bool first = true; p < end;) {
        char room[4];
        const utf8proc_int32_t c = (utf8proc_int32_t)b4c_utf8_read(p, end, &p);
        const bool up = how == B4C_JINJA_UPPER || (how != B4C_JINJA_LOWER && first);
        const utf8proc_int32_t d = up ? utf8proc_toupper(c) : utf8proc_tolower(c);
        b4c_buffer_add(&out, room, (size_t)b4c_utf8_write((uint32_t)d, room));
        const bool letter = utf8proc_tolower(c) != utf8proc_toupper(c);
        const bool begins = b4c_is_python_space((uint32_t)c) ||
                            (c && c < 0x80 && strchr("-({[<", (int)c));
        first = how == B4C_JINJA_TITLE ? !letter : how == B4C_JINJA_HEADLINE && begins;
    }
    return b4c_jinja_take_text(&out);
}

const char *b4c_jinja_find(part x, part what, bool last)
{
    const char *hit = what.size ? memmem(x.text, x.size, what.text, what.size)
                                : x.text + (last ? x.size : 0);
    if (!last || !what.size) return hit;
    for (const char *next = hit; next; hit = next ? next : hit)
        next = memmem(hit + 1, x.size - (size_t)(hit + 1 - x.text), what.text, what.size);
    return hit;
}

json_t *b4c_jinja_replace(part x, part from, part to, json_int_t most)
{
    b4c_buffer out = { 0 };
    const char *end = x.text + x.size;
    for (const char *hit; most != 0 && out.size < LONGEST && (hit = b4c_jinja_find(x, from, false));
         most--) {
        b4c_buffer_add(&out, x.text, (size_t)(hit - x.text));
        b4c_buffer_add(&out, to.text, to.size);
        x.text = hit + from.size;
        x.size = (size_t)(end - x.text);
    }
    b4c_buffer_add(&out, x.text, x.size);
    return b4c_jinja_take_text(&out);
}

static json_t *split_right(part x, part by, json_int_t most)
{
    json_t *list = json_array();
    for (const char *hit; most != 0 && (hit = b4c_jinja_find(x, by, true)); most--) {
        const char *behind = hit + by.size;
        json_array_insert_new(
            list, 0, b4c_jinja_make_text((part){ behind, (size_t)(x.text + x.size - behind) }));
        x.size = (size_t)(hit - x.text);
    }
    json_array_insert_new(list, 0, b4c_jinja_make_text(x));
    return list;
}

json_t *b4c_jinja_split(part x, const json_t *separator, json_int_t most, bool right)
{
    const part by = b4c_jinja_part_of(separator);
    if (by.size && right && most >= 0) return split_right(x, by, most);
    json_t *list = json_array();
    if (by.size) {
        const char *end = x.text + x.size;
        for (const char *hit; most != 0 && (hit = b4c_jinja_find(x, by, false)); most--) {
            json_array_append_new(list,
                                  b4c_jinja_make_text((part){ x.text, (size_t)(hit - x.text) }));
            x.text = hit + by.size;
            x.size = (size_t)(end - x.text);
        }
        json_array_append_new(list, b4c_jinja_make_text(x));
        return list;
    }
    const uint8_t *p = (const uint8_t *)x.text, *end = p + x.size, *other, *word;
    for (;;) {
        while (p < end && goes(b4c_utf8_read(p, end, &other), NULL)) p = other;
        if (p == end) return list;
        for (word = p; p < end && !goes(b4c_utf8_read(p, end, &other), NULL);) p = other;
        json_array_append_new(
            list, b4c_jinja_make_text((part){ (const char *)word, (size_t)(p - word) }));
    }
}

json_t *b4c_jinja_lines(part x)
{
    json_t *list = json_array();
    const uint8_t *p = (const uint8_t *)x.text, *end = p + x.size, *next, *line = p;
    for (; p < end; p = next) {
        const uint32_t c = b4c_utf8_read(p, end, &next);
        const bool ends = (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 ||
                          c == 0x2028 || c == 0x2029;
        if (!ends) continue;
        json_array_append_new(
            list, b4c_jinja_make_text((part){ (const char *)line, (size_t)(p - line) }));
        if (c == '\r' && next < end && *next == '\n') next++;
        line = next;
    }
    if (line < end)
        json_array_append_new(
            list, b4c_jinja_make_text((part){ (const char *)line, (size_t)(end - line) }));
    return list;
}
