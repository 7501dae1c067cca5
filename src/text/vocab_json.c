/* vocab_json.c - finding model.vocab in JSON text and reading its pairs.
 *
 * Idea: skipping needs to know only strings and brackets; whether what was skipped is proper JSON,
 * the strict reader finds out afterwards. Every step that meets something unexpected gives up.
 */
#include "text/vocab_json.h"

#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"
#include "text/vocab.h"

typedef struct reader { const char *at, *end; } reader;

static char peek(const reader *r) { return r->at < r->end ? *r->at : 0; }

static void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

static bool take(reader *r, char c)
{
    skip_blanks(r);
    if (peek(r) != c) return false;
    r->at++;
    return true;
}

/* What stands between the quotes, escapes as they are. */
static bool read_string(reader *r, const char **text, size_t *bytes)
{
    if (!take(r, '"')) return false;
    *text = r->at;
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\' && ++r->at == r->end) return false;
        r->at++;
    }
    if (r->at == r->end) return false;
    *bytes = (size_t)(r->at++ - *text);
    return true;
}

static bool skip_value(reader *r)
{
    size_t depth = 0, bytes;
    const char *text;
    do {
        skip_blanks(r);
        const char c = peek(r);
        if (c == '"') {
            if (!read_string(r, &text, &bytes)) return false;
        } else if (c == '{' || c == '[') {
            depth++;
            r->at++;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
            r->at++;
        } else if ((c == ',' || c == ':') && depth) {
            r->at++;
        } else {
            const char *from = r->at;
            while (r->at < r->end && !strchr(" \n\t\r\"{}[],:", *r->at)) r->at++;
            if (r->at == from) return false;
        }
    } while (depth);
    return true;
}

/* Before an object: go to the value of one of its members. */
static bool enter(reader *r, const char *member)
{
    const char *text;
    size_t bytes;
    if (!take(r, '{')) return false;
    do {
        if (!read_string(r, &text, &bytes) || !take(r, ':')) return false;
        skip_blanks(r);
        if (bytes == strlen(member) && memcmp(text, member, bytes) == 0) return true;
        if (!skip_value(r)) return false;
    } while (take(r, ','));
    return false;
}

/* Code unit of "\uXXXX" (at: the backslash), or -1 for what needs more than one escape, and for
 * U+0000. */
static int escaped_unit(const char *at, const char *end)
{
    int unit = 0;
    if (end - at < 6) return -1;
    for (int i = 2; i < 6; i++) {
        const char c = at[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit == 0 || (unit >= 0xd800 && unit <= 0xdfff) ? -1 : unit;
}

/* Write text without its escapes to out (as many bytes at most); the bytes written, or -1. */
static long unescape(const char *text, size_t bytes, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *const end = text + bytes, *at = text;
    char *write = out;
    while (at < end) {
        const char *stop = memchr(at, '\\', (size_t)(end - at));
        if (!stop) stop = end;
        memcpy(write, at, (size_t)(stop - at));
        write += stop - at;
        at = stop;
        if (at == end) break;
        const char *known = at + 1 < end && at[1] ? strchr(from, at[1]) : NULL;
        if (known) {
            *write++ = to[known - from];
            at += 2;
            continue;
        }
        const int unit = at + 1 < end && at[1] == 'u' ? escaped_unit(at, end) : -1;
        if (unit < 0) return -1;
        write += b4c_utf8_write((uint32_t)unit, write);
        at += 6;
    }
    return (long)(write - out);
}

/* A whole number of at most eight digits, as JSON spells it; -1: something else. */
static int32_t read_id(reader *r)
{
    skip_blanks(r);
    const char *from = r->at;
    int32_t id = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && r->at - from < 8)
        id = id * 10 + (*r->at++ - '0');
    const size_t digits = (size_t)(r->at - from);
    if (digits == 0 || (digits > 1 && *from == '0') || id >= B4C_VOCAB_MOST) return -1;
    const char c = peek(r);
    return c == ',' || c == '}' || c == ' ' || c == '\n' || c == '\r' || c == '\t' ? id : -1;
}

static bool has_control(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] < ' ') return true;
    return false;
}

static bool add(b4c_lifted *out, b4c_key key)
{
    if (out->n == out->room) {
        const size_t room = out->room * 2 + 4096;
        b4c_key *more = realloc(out->keys, room * sizeof *more);
        if (!more) return false;
        out->keys = more;
        out->room = room;
    }
    out->keys[out->n++] = key;
    return true;
}

/* The pairs of the object at r, which is behind its end afterwards. */
static bool read_pairs(b4c_lifted *out, reader *r)
{
    size_t used = 0;
    if (!take(r, '{')) return false;
    do {
        b4c_key key;
        if (!read_string(r, &key.text, &key.bytes) || has_control(key.text, key.bytes))
            return false;
        if (memchr(key.text, '\\', key.bytes)) {
            /* what is left of the file is room for all escapes to come */
            if (!out->unescaped) out->unescaped = malloc((size_t)(r->end - key.text) + 1);
            const long bytes = out->unescaped ? unescape(key.text, key.bytes, out->unescaped + used)
                                              : -1;
            if (bytes < 0) return false;
            key = (b4c_key){ out->unescaped + used, (size_t)bytes, 0 };
            used += (size_t)bytes + 1;
            out->unescaped[used - 1] = 0;
        }
        if (!take(r, ':') || (key.value = read_id(r)) < 0 || !add(out, key)) return false;
    } while (take(r, ','));
    return take(r, '}');
}

bool b4c_vocab_lift(b4c_lifted *out, const char *json, size_t bytes)
{
    *out = (b4c_lifted){ 0 };
    reader r = { json, json + bytes };
    if (bytes >= 3 && memcmp(json, "\xef\xbb\xbf", 3) == 0) r.at += 3;
    if (!enter(&r, "model") || !enter(&r, "vocab")) return false;
    const char *const from = r.at;
    bool good = read_pairs(out, &r) &&
                b4c_utf8_check(from, (size_t)(r.at - from)) == (size_t)(r.at - from);
    if (good) {
        b4c_buffer_add(&out->rest, json, (size_t)(from - json));
        b4c_buffer_text(&out->rest, "{}");
        b4c_buffer_add(&out->rest, r.at, (size_t)(r.end - r.at));
        good = !out->rest.failed;
    }
    if (!good) b4c_lifted_done(out);
    return good;
}

void b4c_lifted_done(b4c_lifted *lifted)
{
    free(lifted->keys);
    free(lifted->unescaped);
    b4c_buffer_done(&lifted->rest);
    *lifted = (b4c_lifted){ 0 };
}
