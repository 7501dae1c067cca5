/* normal.c - writing the normalised text down.
 *
 * Invariant: letters stand in the order of the original, so their places never fall. Sorting marks
 * into canonical order moves characters between places, not places.
 */
#include "text/normal.h"

#include <stdlib.h>
#include <string.h>

static int add(b4c_normal *out, b4c_letter letter)
{
    if (out->n == out->room) {
        const size_t room = out->room * 2 + 256;
        b4c_letter *more = realloc(out->letter, room * sizeof *more);
        if (!more) return B4C_E_MEMORY;
        out->letter = more;
        out->room = room;
    }
    out->letter[out->n++] = letter;
    return 0;
}

/* Sort the marks among letters begin .. n - 1 by combining class, equal ones as they come. A
 * counting sort: a hostile text is one long run of marks. */
static int sort_marks(b4c_normal *out, size_t begin)
{
    size_t start[256] = { 0 }, marks = 0;
    for (size_t i = begin; i < out->n; i++)
        if (out->letter[i].c != B4C_DROPPED) {
            const int order = b4c_combining_class(out->letter[i].c);
            if (order < 255) start[order + 1]++;
            marks++;
        }
    uint32_t *sorted = malloc((marks ? marks : 1) * sizeof *sorted);
    if (!sorted) return B4C_E_MEMORY;
    for (int i = 1; i < 256; i++) start[i] += start[i - 1];
    for (size_t i = begin; i < out->n; i++)
        if (out->letter[i].c != B4C_DROPPED)
            sorted[start[b4c_combining_class(out->letter[i].c)]++] = out->letter[i].c;
    size_t k = 0;
    for (size_t i = begin; i < out->n; i++)
        if (out->letter[i].c != B4C_DROPPED) out->letter[i].c = sorted[k++];
    free(sorted);
    return 0;
}

/* Is normalising the character nothing but lower case, or nothing at all? Most characters of most
 * texts; the rest is looked at closely. */
static bool is_plain(uint32_t c)
{
    return (c >= ' ' && c < 0x7f) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3001 && c <= 0x3029) ||
           (c >= 0x2010 && c <= 0x2027) || (c >= 0xff01 && c <= 0xff20);
}

/* Letters [n] of plain characters from p on, n <= room; *next is behind them. */
static size_t take_plain(b4c_letter *out, size_t room, bool lower, const uint8_t *base,
                         const uint8_t *p, const uint8_t *end, uint32_t at, const uint8_t **next)
{
    size_t n = 0;
    for (const uint8_t *after; n < room && p < end; p = after, n++) {
        uint32_t c = b4c_utf8_read(p, end, &after);
        if (!is_plain(c)) break;
        if (lower && c >= 'A' && c <= 'Z') c += 'a' - 'A';
        out[n] = (b4c_letter){ c, (uint32_t)(p - base), (uint32_t)(after - base),
                               at + (uint32_t)n };
    }
    *next = p;
    return n;
}

int b4c_normal_make(b4c_normal *out, const b4c_flags *f, const char *text, size_t from, size_t to,
                  uint32_t at)
{
    const uint8_t *const base = (const uint8_t *)text, *const begin = base + from,
                         *const end = base + to;
    const bool sigma = f->lower && f->dialect == B4C_DIALECT_BERT4KERAS;
    const bool spaced = f->chinese && f->dialect == B4C_DIALECT_HUB;
    size_t run = 0;          /* first letter of the run of marks that is open; out->n: none is */
    int highest = 0;         /* combining class in the run */
    bool unsorted = false;
    out->n = 0;
    for (const uint8_t *p = begin, *next; p < end; p = next, at++) {
        if (!spaced && out->n < out->room) { /* they have no marks, and end what has */
            const size_t n = take_plain(out->letter + out->n, out->room - out->n, f->lower, base, p,
                                        end, at, &next);
            if (n && unsorted) B4C_TRY(sort_marks(out, run));
            if (n) unsorted = false, highest = 0;
            out->n += n;
            at += (uint32_t)n;
            p = next;
            if (p == end) break;
        }
        uint32_t c = b4c_utf8_read(p, end, &next), part[B4C_EXPANSION];
        if (c == B4C_NOT_A_CHAR) c = 0xfffd;
        b4c_letter letter = { B4C_DROPPED, (uint32_t)(p - base), (uint32_t)(next - base), at };
        bool barrier = false;
        int n = 1;
        if (c == B4C_CAPITAL_SIGMA && sigma)
            part[0] = b4c_sigma_is_final(begin, end, p) ? B4C_FINAL_SIGMA : B4C_FINAL_SIGMA + 1;
        else
            n = b4c_rules_normalize(f, c, part, &barrier);
        const bool chinese = spaced && n && b4c_is_chinese(f->dialect, c);
        for (int i = chinese ? -1 : 0; i < n + chinese; i++) {
            letter.c = i < 0 || i == n ? ' ' : part[i];
            const int order = f->strip_accents ? b4c_combining_class(letter.c) : 0;
            if (order == 0) {
                if (unsorted) B4C_TRY(sort_marks(out, run));
                unsorted = false;
                highest = 0;
            } else {
                if (highest == 0) run = out->n;
                unsorted |= order < highest;
                if (order > highest) highest = order;
            }
            B4C_TRY(add(out, letter));
        }
        if (n == 0) {
            if (barrier) {
                if (unsorted) B4C_TRY(sort_marks(out, run));
                unsorted = false;
                highest = 0;
            }
            B4C_TRY(add(out, letter));
        }
    }
    return unsorted ? sort_marks(out, run) : 0;
}

void b4c_normal_done(b4c_normal *out)
{
    free(out->letter);
    *out = (b4c_normal){ 0 };
}

void b4c_normal_text(const b4c_normal *in, b4c_buffer *out)
{
    char some[1024]; /* written at once: a call for each character would take most of the time */
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        if (in->letter[i].c == B4C_DROPPED) continue;
        n += (size_t)b4c_utf8_write(in->letter[i].c, some + n);
        if (n < sizeof some - 4) continue;
        b4c_buffer_add(out, some, n);
        n = 0;
    }
    b4c_buffer_add(out, some, n);
}

char *b4c_lowercase_and_normalize(const char *text, size_t bytes, size_t *n, b4c_error *err)
{
    const size_t bad = b4c_utf8_check(text, bytes);
    if (bad < bytes) {
        b4c_utf8_fail("text", text, bytes, bad, err);
        return NULL;
    }
    const b4c_flags flags = { B4C_DIALECT_BERT4KERAS, true, true, true, true };
    b4c_normal normal = { 0 };
    b4c_buffer out = { 0 };
    if (bytes > UINT32_MAX || b4c_normal_make(&normal, &flags, text, 0, bytes, 0) < 0)
        out.failed = true;
    else b4c_normal_text(&normal, &out);
    b4c_buffer_text(&out, "");   /* an empty result is a string too */
    b4c_normal_done(&normal);
    if (out.failed) {
        b4c_buffer_done(&out);
        b4c_fail(err, B4C_E_MEMORY, "text: no memory to normalise %zu bytes", bytes);
        return NULL;
    }
    if (n) *n = out.size;
    return out.data;
}
