/* steps.c - see steps.h.
 *
 * Each step reads a view and writes a mapped text; `at` is a place in the view, and what is written
 * for it has its origin. Two buffers take turns.
 */
#include "text/steps.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

typedef struct pass {
    const b4c_view *in;
    b4c_mapped *out;
    bool failed; /* no memory */
} pass;

/* ---- writing ----------------------------------------------------------------------------- */

/* `text` stands for what is at `at`. */
static void put(pass *p, size_t at, const char *text, size_t n)
{
    b4c_mapped *out = p->out;
    if (!b4c_mapped_reserve(out, n)) {
        p->failed = true;
        return;
    }
    const uint32_t from = (uint32_t)b4c_view_origin(p->in, at);
    memcpy(out->text + out->bytes, text, n);
    for (size_t i = 0; i < n; i++) out->from[out->bytes + i] = from;
    out->bytes += n;
    if (at < p->in->front) out->front = out->bytes;
}

/* Characters [begin, end) as they are. */
static void copy(pass *p, size_t begin, size_t end)
{
    b4c_mapped *out = p->out;
    if (begin == end) return;
    if (!b4c_mapped_reserve(out, end - begin)) {
        p->failed = true;
        return;
    }
    uint32_t *from = out->from + out->bytes;
    memcpy(out->text + out->bytes, p->in->text + begin, end - begin);
    if (p->in->from)
        for (size_t i = begin; i < end; i++)
            from[i - begin] = (uint32_t)p->in->base + p->in->from[i];
    else
        for (size_t i = begin, at = begin; i < end; i++) {
            if ((p->in->text[i] & 0xc0) != 0x80) at = i;
            from[i - begin] = (uint32_t)(p->in->base + at);
        }
    out->bytes += end - begin;
    if (begin < p->in->front) out->front = out->bytes;
}

static void put_char(pass *p, size_t at, uint32_t c)
{
    char bytes[4];
    put(p, at, bytes, (size_t)b4c_utf8_write(c, bytes));
}

/* A blank or its mark that stands for nothing, before all else. */
static void put_in_front(pass *p, const char *text)
{
    put(p, 0, text, strlen(text));
    p->out->front = p->out->bytes;
}

static const uint8_t *bytes_of(const b4c_view *v) { return (const uint8_t *)v->text; }

/* ---- normal forms ------------------------------------------------------------------------ */

/* In no form does it change, and it joins with nothing before it: most characters of most texts. */
static bool is_plain(uint32_t c)
{
    return c < 0x80 || (c >= 0x3400 && c <= 0x9fff);
}

/* Is the character in one of the ranges, which rise? */
static bool within(const b4c_range *list, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n && c >= list[i].low; i++)
        if (c <= list[i].high) return true;
    return false;
}

/* Class 0, but joined with the character before it when composing. Source: Unicode 17,
 * DerivedNormalizationProps, NFC_QC=Maybe with ccc=0. */
static bool joins_backwards(uint32_t c)
{
    static const b4c_range list[] = {
        { 0x9be, 0x9be },     { 0x9d7, 0x9d7 },     { 0xb3e, 0xb3e },     { 0xb56, 0xb57 },
        { 0xbbe, 0xbbe },     { 0xbd7, 0xbd7 },     { 0xcc2, 0xcc2 },     { 0xcd5, 0xcd6 },
        { 0xd3e, 0xd3e },     { 0xd57, 0xd57 },     { 0xdcf, 0xdcf },     { 0xddf, 0xddf },
        { 0x102e, 0x102e },   { 0x1161, 0x1175 },   { 0x11a8, 0x11c2 },   { 0x1b35, 0x1b35 },
        { 0x11127, 0x11127 }, { 0x1133e, 0x1133e }, { 0x11357, 0x11357 }, { 0x113b8, 0x113c9 },
        { 0x114b0, 0x114b0 }, { 0x114ba, 0x114bd }, { 0x115af, 0x115af }, { 0x11930, 0x11930 },
        { 0x1611e, 0x16129 }, { 0x16d63, 0x16d67 },
    };
    return within(list, sizeof list / sizeof *list, c);
}

enum { EXPANSION = 18 }; /* U+FDFA becomes 18 characters: no other more */

static int decompose(uint32_t c, bool compatible, uint32_t out[EXPANSION])
{
    /* decomposed since Unicode 12.1, which tokenizers 0.23.3 does not know here */
    static const b4c_range whole[] = {
        { 0x32ff, 0x32ff },   { 0xa7f2, 0xa7f4 },   { 0xab69, 0xab69 },   { 0x10781, 0x107ba },
        { 0x11938, 0x11938 }, { 0x1e030, 0x1e06d }, { 0x1f16c, 0x1f16c }, { 0x1fbf0, 0x1fbf9 },
    };
    if (!compatible) return b4c_decompose(B4C_DIALECT_HUB, c, out);
    if (within(whole, sizeof whole / sizeof *whole, c)) return out[0] = c, 1;
    int boundary = 0;
    utf8proc_int32_t part[EXPANSION];
    const utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)c, part, EXPANSION, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
    if (n < 1 || n > EXPANSION) return out[0] = c, 1;
    for (int i = 0; i < n; i++) out[i] = (uint32_t)part[i];
    return (int)n;
}

/* Neither sorted nor joined with what stands before it. */
static bool begins_cluster(uint32_t c, bool compatible)
{
    uint32_t part[EXPANSION];
    if (is_plain(c)) return true;
    decompose(c, compatible, part);
    return b4c_combining_class(part[0]) == 0 && !joins_backwards(part[0]);
}

/* Sort each run of marks by combining class, equal ones as they come. Runs may be long in hostile
 * texts, hence no sort that is quadratic. */
static bool sort_marks(uint32_t *c, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (b4c_combining_class(c[i]) == 0) continue;
        size_t start[256] = { 0 };
        while (end < n && b4c_combining_class(c[end])) end++;
        if (end == i + 1) continue;
        uint32_t *sorted = malloc((end - i) * sizeof *sorted);
        if (!sorted) return false;
        for (size_t k = i; k < end; k++) {
            const int order = b4c_combining_class(c[k]);
            if (order < 255) start[order + 1]++;
        }
        for (int k = 1; k < 256; k++) start[k] += start[k - 1];
        for (size_t k = i; k < end; k++) sorted[start[b4c_combining_class(c[k])]++] = c[k];
        memcpy(c + i, sorted, (end - i) * sizeof *sorted);
        free(sorted);
    }
    return true;
}

/* The characters of a cluster, bytes [begin, end), in the wanted form. */
static void put_cluster(pass *p, const b4c_step *s, size_t begin, size_t end)
{
    uint32_t here[8 * EXPANSION], *c = here;
    const uint8_t *at = bytes_of(p->in) + begin, *const stop = bytes_of(p->in) + end;
    const size_t most = (end - begin) * EXPANSION; /* a character is at least one byte */
    if (most > sizeof here / sizeof *here && !(c = malloc(most * sizeof *c))) {
        p->failed = true;
        return;
    }
    size_t n = 0;
    while (at < stop) n += (size_t)decompose(b4c_utf8_read(at, stop, &at), s->compatible, c + n);
    if (!sort_marks(c, n)) p->failed = true;
    if (s->compose) {
        const utf8proc_ssize_t kept = utf8proc_normalize_utf32(
            (utf8proc_int32_t *)c, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        if (kept >= 0) n = (size_t)kept;
    }
    const size_t before = p->out->bytes;
    for (size_t i = 0; i < n && !p->failed; i++) put_char(p, begin, c[i]);
    if (p->out->bytes - before == end - begin &&
        !memcmp(p->out->text + before, p->in->text + begin, end - begin)) {
        p->out->bytes = before; /* as it was: each character then has its own place */
        copy(p, begin, end);
    }
    if (c != here) free(c);
}

static void form(pass *p, const b4c_step *s)
{
    const uint8_t *const base = bytes_of(p->in), *const end = base + p->in->bytes, *next;
    const uint8_t *done = base, *begin = base; /* what is copied; where the cluster begins */
    bool plain = true;                         /* the cluster is one plain character */
    for (const uint8_t *at = base;; at = next) {
        const uint32_t c = at < end ? b4c_utf8_read(at, end, &next) : 0;
        if (at > base && at < end && !begins_cluster(c, s->compatible)) {
            plain = false;
            continue;
        }
        if (!plain) {
            copy(p, (size_t)(done - base), (size_t)(begin - base));
            put_cluster(p, s, (size_t)(begin - base), (size_t)(at - base));
            done = at;
        }
        if (at >= end) break;
        begin = at;
        plain = is_plain(c);
    }
    copy(p, (size_t)(done - base), p->in->bytes);
}

/* ---- characters alone -------------------------------------------------------------------- */

static bool is_any_mark(uint32_t c)
{
    if (c < 0x300) return false;
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

static void lower_or_strip(pass *p, const b4c_step *s)
{
    const uint8_t *const base = bytes_of(p->in), *const end = base + p->in->bytes, *next, *done;
    done = base;
    for (const uint8_t *at = base; at < end; at = next) {
        uint32_t part[B4C_EXPANSION];
        const uint32_t c = b4c_utf8_read(at, end, &next);
        int n = 1;
        part[0] = c;
        if (s->kind == B4C_STEP_LOWER) n = b4c_lower(B4C_DIALECT_HUB, c, part);
        else if (is_any_mark(c)) n = 0;
        if (n == 1 && part[0] == c) continue;
        copy(p, (size_t)(done - base), (size_t)(at - base));
        for (int i = 0; i < n; i++) put_char(p, (size_t)(at - base), part[i]);
        done = next;
    }
    copy(p, (size_t)(done - base), p->in->bytes);
}

/* ---- strings ----------------------------------------------------------------------------- */

static void replace(pass *p, const b4c_step *s)
{
    const char *const base = p->in->text, *const end = base + p->in->bytes, *at = base, *hit;
    const size_t n = strlen(s->from), m = strlen(s->to);
    while (at < end && (hit = memmem(at, (size_t)(end - at), s->from, n))) {
        copy(p, (size_t)(at - base), (size_t)(hit - base));
        put(p, (size_t)(hit - base), s->to, m);
        at = hit + n;
    }
    copy(p, (size_t)(at - base), p->in->bytes);
}

static void squeeze(pass *p, const b4c_step *s)
{
    const char *const base = p->in->text, *const end = base + p->in->bytes, *at = base, *hit;
    const size_t m = strlen(s->to);
    while (at < end && (hit = memmem(at, (size_t)(end - at), "  ", 2))) {
        copy(p, (size_t)(at - base), (size_t)(hit - base));
        put(p, (size_t)(hit - base), s->to, m);
        for (at = hit; at < end && *at == ' ';) at++;
    }
    copy(p, (size_t)(at - base), p->in->bytes);
}

static bool starts_with(const b4c_view *v, const char *text)
{
    const size_t n = strlen(text);
    return v->bytes >= n && memcmp(v->text, text, n) == 0;
}

static void marks(pass *p, const b4c_step *s, bool first)
{
    const char *const base = p->in->text, *const end = base + p->in->bytes, *at = base, *hit;
    const bool front = s->front == B4C_PREFIX_ALWAYS || (s->front == B4C_PREFIX_FIRST && first);
    if (front && !starts_with(p->in, " ") && !starts_with(p->in, B4C_BLANK_MARK))
        put_in_front(p, B4C_BLANK_MARK);
    while (at < end && (hit = memchr(at, ' ', (size_t)(end - at)))) {
        copy(p, (size_t)(at - base), (size_t)(hit - base));
        put(p, (size_t)(hit - base), B4C_BLANK_MARK, 3);
        at = hit + 1;
    }
    copy(p, (size_t)(at - base), p->in->bytes);
}

/* From p on, behind all characters that are blank, or are not. */
static const uint8_t *behind(const uint8_t *p, const uint8_t *end, bool blank)
{
    for (const uint8_t *next; p < end; p = next)
        if (b4c_is_blank(b4c_utf8_read(p, end, &next)) != blank) break;
    return p;
}

static void words(pass *p)
{
    const uint8_t *const base = bytes_of(p->in), *const end = base + p->in->bytes;
    const uint8_t *blank = base, *word, *stop;
    for (; (word = behind(blank, end, true)) < end; blank = stop) {
        stop = behind(word, end, false);
        const b4c_view it = b4c_view_part(p->in, (size_t)(word - base), (size_t)(stop - base));
        if (starts_with(&it, B4C_BLANK_MARK)) { /* it brings its own */
        } else if (blank == base) put_in_front(p, B4C_BLANK_MARK);
        else put(p, (size_t)(blank - base), B4C_BLANK_MARK, 3);
        copy(p, (size_t)(word - base), (size_t)(stop - base));
    }
}

/* ---- SentencePiece's replacements -------------------------------------------------------- */

/* A grapheme of its own whatever is beside it, unless that is a mark. */
static bool stands_alone(uint32_t c)
{
    return (c >= ' ' && c < 0x7f) || (c >= 0x3400 && c <= 0x9fff);
}

/* Where the grapheme at p ends. */
static const uint8_t *grapheme(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *next, *after;
    uint32_t c = b4c_utf8_read(p, end, &next);
    utf8proc_int32_t state = 0;
    for (; next < end; next = after) {
        const uint32_t d = b4c_utf8_read(next, end, &after);
        if (stands_alone(c) && stands_alone(d)) break;
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)d, &state))
            break;
        c = d;
    }
    return next;
}

/* The reference looks up a grapheme of up to five bytes whole, and takes the replacement of its
 * shortest beginning for all of it; otherwise each character alone. */
static void charsmap(pass *p, const b4c_step *s)
{
    const uint8_t *const base = bytes_of(p->in), *const end = base + p->in->bytes, *next, *done;
    const char *text;
    done = base;
    for (const uint8_t *at = base; at < end;) {
        const uint8_t *stop = grapheme(at, end);
        const bool whole = stop - at < 6 &&
                           b4c_charsmap_shortest(&s->map, at, (size_t)(stop - at), &text);
        for (; at < stop; at = next) {
            if (whole) next = stop;
            else {
                b4c_utf8_read(at, stop, &next);
                if (!b4c_charsmap_shortest(&s->map, at, (size_t)(next - at), &text)) continue;
            }
            copy(p, (size_t)(done - base), (size_t)(at - base));
            put(p, (size_t)(at - base), text, strlen(text));
            done = next;
        }
    }
    copy(p, (size_t)(done - base), p->in->bytes);
}

/* ---- one after another ------------------------------------------------------------------- */

/* Blanks at the ends: only the view changes. */
static void strip(b4c_view *v, bool left, bool right)
{
    const uint8_t *const base = bytes_of(v), *begin = base, *end = base + v->bytes, *next;
    while (left && begin < end && b4c_is_blank(b4c_utf8_read(begin, end, &next))) begin = next;
    while (right && end > begin && b4c_is_blank(b4c_utf8_before(begin, end, &next))) end = next;
    *v = b4c_view_part(v, (size_t)(begin - base), (size_t)(end - base));
}

/* Would the step leave the text as it is? A quick look that need not find out. */
static bool is_idle(const b4c_step *s, const b4c_view *v)
{
    switch (s->kind) {
    case B4C_STEP_FORM:
    case B4C_STEP_STRIP_ACCENTS:
        for (size_t i = 0; i < v->bytes; i++) {
            const uint8_t byte = (uint8_t)v->text[i];
            if (byte >= 0x80 && !(byte >= 0xe4 && byte <= 0xe9 && i + 2 < v->bytes)) return false;
            if (byte >= 0x80) i += 2; /* U+4000 .. U+9FFF */
        }
        return true;
    case B4C_STEP_REPLACE: return !memmem(v->text, v->bytes, s->from, strlen(s->from));
    case B4C_STEP_SQUEEZE: return !memmem(v->text, v->bytes, "  ", 2);
    case B4C_STEP_PREPEND: return v->bytes == 0;
    case B4C_STEP_BLANK_IN_FRONT: return v->bytes == 0 || v->text[0] == ' ';
    default: return v->bytes == 0;
    }
}

int b4c_steps_apply(const b4c_steps *steps, b4c_view *v, bool first, b4c_mapped work[2])
{
    int turn = 0;
    for (int i = 0; i < steps->n; i++) {
        const b4c_step *s = &steps->step[i];
        if (s->kind == B4C_STEP_STRIP) strip(v, s->left, s->right);
        if (s->kind == B4C_STEP_WORDS) strip(v, true, true);
        if (s->kind == B4C_STEP_STRIP || is_idle(s, v)) continue;
        b4c_mapped *out = &work[turn];
        pass p = { v, out, false };
        turn = !turn;
        out->bytes = out->front = 0;
        if (!b4c_mapped_reserve(out, v->bytes + 16)) return B4C_E_MEMORY;
        switch (s->kind) {
        case B4C_STEP_FORM: form(&p, s); break;
        case B4C_STEP_LOWER:
        case B4C_STEP_STRIP_ACCENTS: lower_or_strip(&p, s); break;
        case B4C_STEP_STRIP: break;
        case B4C_STEP_REPLACE: replace(&p, s); break;
        case B4C_STEP_SQUEEZE: squeeze(&p, s); break;
        case B4C_STEP_CHARSMAP: charsmap(&p, s); break;
        case B4C_STEP_MARKS: marks(&p, s, first); break;
        case B4C_STEP_WORDS: words(&p); break;
        case B4C_STEP_PREPEND:
            put_in_front(&p, s->to);
            copy(&p, 0, v->bytes);
            break;
        case B4C_STEP_BLANK_IN_FRONT:
            put_in_front(&p, " ");
            copy(&p, 0, v->bytes);
            break;
        }
        if (p.failed || !b4c_mapped_reserve(out, 1)) return B4C_E_MEMORY;
        out->from[out->bytes] = (uint32_t)b4c_view_origin(v, v->bytes);
        *v = b4c_view_of(out);
    }
    return 0;
}

void b4c_steps_done(b4c_steps *steps)
{
    for (int i = 0; i < steps->n; i++) {
        free(steps->step[i].from);
        free(steps->step[i].to);
        b4c_charsmap_done(&steps->step[i].map);
    }
    *steps = (b4c_steps){ 0 };
}
