/* charsmap.c - see charsmap.h.
 *
 * The order of steps is the reference's: blanks at the front go first (after replacement, so that
 * U+3000 counts), then the dummy blank, then one replacement at a time, then blanks at the end.
 */
#include "text/charsmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/utf8.h"

/* ---- Darts-clone's units ----------------------------------------------------------------- */

static bool has_leaf(uint32_t unit) { return unit >> 8 & 1; }
static uint32_t leaf_value(uint32_t unit) { return unit & 0x7fffffffu; }
static uint32_t label(uint32_t unit) { return unit & (0x80000000u | 0xff); }
static uint32_t offset(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

static uint32_t read_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Follow text through the table until a key ends, but at least `from` bytes: the bytes followed,
 * with the key's replacement in *value; 0: no key ends there. *at is the node, 0 at first. */
static size_t next_key(const b4c_charsmap *m, const uint8_t *text, size_t from, size_t bytes,
                       uint32_t *at, uint32_t *value)
{
    if (from == 0) *at = offset(m->unit[0]);
    for (size_t i = from; i < bytes && text[i]; i++) {
        *at ^= text[i];
        if (*at >= m->units || label(m->unit[*at]) != text[i]) return 0;
        const uint32_t unit = m->unit[*at];
        *at ^= offset(unit);
        if (*at >= m->units) return 0;
        if (!has_leaf(unit)) continue;
        *value = leaf_value(m->unit[*at]);
        return i + 1;
    }
    return 0;
}

/* Longest key that text begins with: its bytes (0: none), and its replacement in *value. */
static size_t longest(const b4c_charsmap *m, const uint8_t *text, size_t bytes, uint32_t *value)
{
    size_t found = 0, more;
    uint32_t at;
    while ((more = next_key(m, text, found, bytes, &at, value))) found = more;
    return found;
}

bool b4c_charsmap_shortest(const b4c_charsmap *m, const uint8_t *text, size_t bytes,
                           const char **replacement)
{
    uint32_t at, value = 0;
    if (!bytes || !m->first[*text] || !next_key(m, text, 0, bytes, &at, &value)) return false;
    if (value > m->text_bytes) return false;
    *replacement = m->text + value;
    return true;
}

int b4c_charsmap_read(b4c_charsmap *m, const void *table, size_t bytes, const char *where,
                      b4c_error *err)
{
    const uint8_t *p = table;
    if (!bytes) return 0;
    const size_t size = bytes >= 4 ? read_u32(p) : 0;
    if (bytes < 4 || size > bytes - 4 || size < 1024 || size % 4 ||
        (bytes - 4 - size && p[bytes - 1]))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: precompiled_charsmap: found %zu bytes with a table of %zu, wanted a "
                        "table and NUL-ended texts",
                        where, bytes, size);
    m->units = size / 4;
    m->text_bytes = bytes - 4 - size;
    m->unit = malloc(size);
    m->text = malloc(m->text_bytes + 1);
    if (!m->unit || !m->text)
        return b4c_fail(err, B4C_E_MEMORY, "%s: precompiled_charsmap: no memory", where);
    for (size_t i = 0; i < m->units; i++) m->unit[i] = read_u32(p + 4 + 4 * i);
    memcpy(m->text, p + 4 + size, m->text_bytes);
    m->text[m->text_bytes] = 0;
    for (int c = 0; c < 256; c++) {
        const uint32_t at = offset(m->unit[0]) ^ (uint32_t)c;
        m->first[c] = c && at < m->units && label(m->unit[at]) == (uint32_t)c;
    }
    return 0;
}

void b4c_charsmap_done(b4c_charsmap *m)
{
    free(m->unit);
    free(m->text);
    b4c_trie_done(&m->keep);
    *m = (b4c_charsmap){ 0 };
}

/* ---- applying ---------------------------------------------------------------------------- */

/* What stands for the characters at p: [*text, *text + *n). Returns the bytes of p that it stands
 * for (>= 1). */
static size_t next_part(const b4c_charsmap *m, const uint8_t *p, const uint8_t *end,
                        const char **text, size_t *n)
{
    const size_t left = (size_t)(end - p);
    if (m->keep_first[*p] && b4c_trie_longest(&m->keep, (const char *)p, left, n) >= 0)
        return *text = (const char *)p, *n;
    uint32_t value = 0;
    const size_t key = m->first[*p] ? longest(m, p, left, &value) : 0;
    if (key && value <= m->text_bytes) {
        *text = m->text + value;
        *n = strlen(*text);
        return key;
    }
    const uint8_t *next;
    if (b4c_utf8_read(p, end, &next) == B4C_NOT_A_CHAR) {
        *text = "\xef\xbf\xbd";
        *n = 3;
        return (size_t)(next - p);
    }
    *text = (const char *)p;
    return *n = (size_t)(next - p);
}

static void put(b4c_mapped *out, const char *text, size_t n, size_t from)
{
    memcpy(out->text + out->bytes, text, n);
    for (size_t i = 0; i < n; i++) out->from[out->bytes + i] = (uint32_t)from;
    out->bytes += n;
}

static void put_blank(const b4c_charsmap *m, b4c_mapped *out, size_t from)
{
    if (m->mark_blanks)
        put(out, B4C_BLANK_MARK, 3, from);
    else
        put(out, " ", 1, from);
}

static bool ends_in_blank(const b4c_charsmap *m, const b4c_mapped *out)
{
    if (!m->mark_blanks) return out->bytes && out->text[out->bytes - 1] == ' ';
    return out->bytes >= 3 && !memcmp(out->text + out->bytes - 3, B4C_BLANK_MARK, 3);
}

int b4c_charsmap_apply(const b4c_charsmap *m, const char *input, size_t bytes, bool dummy,
                       b4c_mapped *out)
{
    const uint8_t *start = (const uint8_t *)input, *p = start, *end = p + bytes;
    const char *text;
    size_t n;
    out->bytes = out->front = 0;
    if (!b4c_mapped_reserve(out, bytes + 16)) return B4C_E_MEMORY;
    while (m->squeeze && p < end) {
        const size_t used = next_part(m, p, end, &text, &n);
        if (n != 1 || text[0] != ' ') break;
        p += used;
    }
    const size_t first = (size_t)(p - start);
    if (p < end && m->dummy_prefix && dummy && !m->suffix) put_blank(m, out, first);
    out->front = out->bytes;

    bool after_blank = m->squeeze;
    while (p < end) {
        const size_t used = next_part(m, p, end, &text, &n), from = (size_t)(p - start);
        while (after_blank && n && text[0] == ' ') text++, n--;
        if (n) {
            if (!b4c_mapped_reserve(out, 3 * n + 16)) return B4C_E_MEMORY;
            const char *stop = text + n;
            if (m->mark_blanks && memchr(text, ' ', n)) {
                for (const char *c = text; c < stop; c++) {
                    if (*c == ' ')
                        put_blank(m, out, from);
                    else
                        put(out, c, 1, from);
                }
            } else {
                put(out, text, n, from);
            }
            after_blank = m->squeeze && stop[-1] == ' ';
        }
        p += used;
    }
    size_t last = bytes;
    while (m->squeeze && ends_in_blank(m, out)) {
        out->bytes -= m->mark_blanks ? 3 : 1;
        last = out->from[out->bytes];
    }
    if (out->bytes && m->dummy_prefix && dummy && m->suffix) put_blank(m, out, last);
    out->from[out->bytes] = (uint32_t)last;
    return 0;
}
