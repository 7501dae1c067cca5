/* vocab_json.c - finding model.vocab and model.merges in JSON text and reading them.
 *
 * Idea: skipping needs to know only strings and brackets; whether what was skipped is proper JSON,
 * the strict reader finds out afterwards. Every step that meets something unexpected gives up.
 */
#include "text/vocab_json.h"

#include <locale.h>
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

/* Code unit of "\uXXXX" (at: the backslash), or -1. */
static int escaped_unit(const char *at, const char *end)
{
    int unit = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        const char c = at[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Bytes of an escaped character, or 0: it is none, or U+0000, or half a pair. */
static size_t escaped_char(const char *at, const char *end, uint32_t *c)
{
    const int high = escaped_unit(at, end);
    if (high <= 0 || (high >= 0xdc00 && high <= 0xdfff)) return 0;
    *c = (uint32_t)high;
    if (high < 0xd800 || high > 0xdfff) return 6;
    const int low = escaped_unit(at + 6, end);
    if (low < 0xdc00 || low > 0xdfff) return 0;
    *c = 0x10000u + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
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
        uint32_t c = 0;
        const size_t used = escaped_char(at, end, &c);
        if (used == 0) return -1;
        write += b4c_utf8_write(c, write);
        at += used;
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

/* Does the array have room for one more? array: where a pointer to items stands; `spare` items
 * may come at once. */
static bool grow(void *array, size_t n, size_t *room, size_t item, size_t spare)
{
    if (n < *room) return true;
    const size_t more = *room * 2 + spare;
    void *now, *grown;
    memcpy(&now, array, sizeof now);
    grown = realloc(now, more * item);
    if (!grown) return false;
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return true;
}

enum { SPARE = 4096 };

static bool add_key(b4c_lifted *out, b4c_key key, const double *score)
{
    size_t room = out->room;
    if (score && !grow(&out->score, out->n, &room, sizeof *out->score, SPARE)) return false;
    if (!grow(&out->keys, out->n, &out->room, sizeof *out->keys, SPARE)) return false;
    if (score) out->score[out->n] = *score;
    out->keys[out->n++] = key;
    return true;
}

static bool add_pair(b4c_lifted *out, b4c_bpe_pair pair)
{
    if (!grow(&out->pair, out->pairs, &out->pair_room, sizeof *out->pair, SPARE)) return false;
    out->pair[out->pairs++] = pair;
    return true;
}

/* A string without its escapes. */
static bool read_plain(b4c_lifted *out, reader *r, const char **text, size_t *bytes)
{
    if (!read_string(r, text, bytes) || has_control(*text, *bytes)) return false;
    if (!memchr(*text, '\\', *bytes)) return true;
    /* what is left of the file is room for all escapes to come */
    if (!out->unescaped) out->unescaped = malloc((size_t)(r->end - *text) + 1);
    if (!out->unescaped) return false;
    char *to = out->unescaped + out->used;
    const long n = unescape(*text, *bytes, to);
    if (n < 0) return false;
    to[n] = 0;
    out->used += (size_t)n + 1;
    *text = to;
    *bytes = (size_t)n;
    return true;
}

/* {"token": id, ...}; r is behind its end afterwards. */
static bool read_ids(b4c_lifted *out, reader *r)
{
    if (!take(r, '{')) return false;
    do {
        b4c_key key;
        if (!read_plain(out, r, &key.text, &key.bytes) || !take(r, ':')) return false;
        if ((key.value = read_id(r)) < 0 || !add_key(out, key, NULL)) return false;
    } while (take(r, ','));
    return take(r, '}');
}

/* A number that something follows, as JSON spells it or nearly so. */
static bool read_number(reader *r, locale_t locale, double *out)
{
    skip_blanks(r);
    const char *const from = r->at;
    if (r->at < r->end && *r->at == '-') r->at++;
    if (r->at == r->end || *r->at < '0' || *r->at > '9') return false;
    while (r->at < r->end && *r->at && strchr("0123456789.eE+-", *r->at)) r->at++;
    if (r->at == r->end) return false;
    char *stop;
    *out = strtod_l(from, &stop, locale);
    return stop == r->at && *out - *out == 0;
}

/* [["piece", score], ...] */
static bool read_scores(b4c_lifted *out, reader *r, locale_t locale)
{
    if (!take(r, '[')) return false;
    do {
        b4c_key key;
        double score;
        if (!take(r, '[') || !read_plain(out, r, &key.text, &key.bytes)) return false;
        if (!take(r, ',') || !read_number(r, locale, &score) || !take(r, ']')) return false;
        key.value = (int32_t)out->n;
        if (out->n >= B4C_VOCAB_MOST || !add_key(out, key, &score)) return false;
    } while (take(r, ','));
    return take(r, ']');
}

/* ["left right", ...] or [["left", "right"], ...]; the list may be empty. */
static bool read_merges(b4c_lifted *out, reader *r)
{
    if (!take(r, '[')) return false;
    if (take(r, ']')) return true;
    do {
        const char *left, *right;
        size_t n, m;
        if (take(r, '[')) {
            if (!read_plain(out, r, &left, &n) || !take(r, ',')) return false;
            if (!read_plain(out, r, &right, &m) || !take(r, ']')) return false;
            if (n == 0 || m == 0 || n > UINT32_MAX || m > UINT32_MAX ||
                !add_pair(out, (b4c_bpe_pair){ left, right, (uint32_t)n, (uint32_t)m }))
                return false;
        } else if (!read_plain(out, r, &left, &n) ||
                   b4c_lifted_merge(out, left, n, "", NULL) < 0) return false;
    } while (take(r, ','));
    return take(r, ']');
}

static bool is_utf8(const char *from, const char *to)
{
    return b4c_utf8_check(from, (size_t)(to - from)) == (size_t)(to - from);
}

/* The members of the model at r; what is lifted is left out of the rest. */
static bool read_model(b4c_lifted *out, reader *r, const char *json, locale_t locale)
{
    const char *name, *copied = json;
    size_t bytes;
    if (!take(r, '{')) return false;
    do {
        if (!read_string(r, &name, &bytes) || !take(r, ':')) return false;
        skip_blanks(r);
        const char *const from = r->at;
        const bool vocab = bytes == 5 && memcmp(name, "vocab", 5) == 0;
        const bool merges = bytes == 6 && memcmp(name, "merges", 6) == 0;
        if (!vocab && !merges) {
            if (!skip_value(r)) return false;
            continue;
        }
        if ((vocab && out->n) || (merges && out->pairs)) return false; /* twice */
        const bool list = peek(r) == '[';
        const bool read = merges ? read_merges(out, r)
                          : list ? read_scores(out, r, locale)
                                 : read_ids(out, r);
        if (!read || !is_utf8(from, r->at)) return false;
        b4c_buffer_add(&out->rest, copied, (size_t)(from - copied));
        b4c_buffer_text(&out->rest, list ? "[]" : "{}");
        copied = r->at;
    } while (take(r, ','));
    b4c_buffer_add(&out->rest, copied, (size_t)(r->end - copied));
    return out->n && !out->rest.failed;
}

static reader begin(const char *json, size_t bytes)
{
    reader r = { json, json + bytes };
    if (bytes >= 3 && memcmp(json, "\xef\xbb\xbf", 3) == 0) r.at += 3;
    return r;
}

bool b4c_vocab_lift(b4c_lifted *out, const char *json, size_t bytes)
{
    *out = (b4c_lifted){ 0 };
    reader r = begin(json, bytes);
    /* numbers are spelt with a point, whatever the program's language */
    locale_t locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const bool good = locale && enter(&r, "model") && read_model(out, &r, json, locale);
    if (locale) freelocale(locale);
    if (!good) b4c_lifted_done(out);
    return good;
}

bool b4c_vocab_lift_all(b4c_lifted *out, const char *json, size_t bytes)
{
    *out = (b4c_lifted){ 0 };
    reader r = begin(json, bytes);
    bool good = read_ids(out, &r) && is_utf8(json, r.at);
    skip_blanks(&r);
    good = good && r.at == r.end;
    if (!good) b4c_lifted_done(out);
    return good;
}

/* ---- the slow way ------------------------------------------------------------------------ */

static int no_memory(const char *where, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the vocabulary", where);
}

static int take_ids(b4c_lifted *out, json_t *vocab, const char *where, b4c_error *err)
{
    const char *token;
    json_t *value;
    json_object_foreach(vocab, token, value) {
        const double id = json_is_number(value) ? json_number_value(value) : -1;
        if (!(id >= 0 && id < B4C_VOCAB_MOST && id == (int32_t)id))
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: model: the id of '%.60s' is not a number from 0 to %d", where,
                            token, B4C_VOCAB_MOST - 1);
        if (!add_key(out, (b4c_key){ token, strlen(token), (int32_t)id }, NULL))
            return no_memory(where, err);
    }
    return 0;
}

int b4c_vocab_take(b4c_lifted *out, json_t *vocab, const char *where, b4c_error *err)
{
    size_t i;
    json_t *item;
    if (json_is_object(vocab)) return take_ids(out, vocab, where, err);
    if (!json_is_array(vocab))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: model: \"vocab\" is neither an object of tokens and ids nor a list of "
                        "pieces and scores",
                        where);
    json_array_foreach(vocab, i, item) {
        const json_t *text = json_array_get(item, 0), *number = json_array_get(item, 1);
        if (!json_is_string(text) || !json_is_number(number) || i >= B4C_VOCAB_MOST)
            return b4c_fail(err, B4C_E_FORMAT, "%s: model: piece %zu is not [text, score]", where,
                            i);
        const double score = json_number_value(number);
        const b4c_key key = { json_string_value(text), json_string_length(text), (int32_t)i };
        if (!add_key(out, key, &score)) return no_memory(where, err);
    }
    return 0;
}

int b4c_merges_take(b4c_lifted *out, const json_t *merges, const char *where, b4c_error *err)
{
    size_t i;
    const json_t *item;
    if (!json_is_array(merges))
        return b4c_fail(err, B4C_E_FORMAT, "%s: model: \"merges\" is not a list", where);
    json_array_foreach(merges, i, item) {
        if (json_is_string(item)) {
            B4C_TRY(b4c_lifted_merge(out, json_string_value(item), json_string_length(item), where,
                                     err));
            continue;
        }
        const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
        if (json_array_size(item) != 2 || json_string_length(left) == 0 ||
            json_string_length(right) == 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: model: merge %zu is not a pair of tokens",
                            where, i);
        if (!add_pair(out, (b4c_bpe_pair){ json_string_value(left), json_string_value(right),
                                           (uint32_t)json_string_length(left),
                                           (uint32_t)json_string_length(right) }))
            return no_memory(where, err);
    }
    return 0;
}

int b4c_lifted_merge(b4c_lifted *out, const char *line, size_t bytes, const char *where,
                     b4c_error *err)
{
    const char *blank = bytes ? memchr(line, ' ', bytes) : NULL;
    const size_t left = blank ? (size_t)(blank - line) : 0, right = bytes - left - (left > 0);
    if (left == 0 || right == 0 || memchr(blank + 1, ' ', right) || bytes > UINT32_MAX)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: merge %zu: found \"%.*s\", wanted two tokens and a blank between",
                        where, out->pairs, bytes < 100 ? (int)bytes : 100, line);
    const b4c_bpe_pair pair = { line, blank + 1, (uint32_t)left, (uint32_t)right };
    return add_pair(out, pair) ? 0 : no_memory(where, err);
}

void b4c_lifted_done(b4c_lifted *lifted)
{
    free(lifted->keys);
    free(lifted->score);
    free(lifted->pair);
    free(lifted->unescaped);
    b4c_buffer_done(&lifted->rest);
    *lifted = (b4c_lifted){ 0 };
}
