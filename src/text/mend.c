/* mend.c - see mend.h.
 *
 *     join ─► ' +' ─► "' (re|m|s|t|ve|d|ll) " ─► punctuation and a blank ─► "\d\. \d" ─► strip
 */
#include "text/mend.h"

#include <string.h>

#include "text/unicode.h"
#include "text/utf8.h"

/* bert4keras' list of Chinese punctuation (zhon's), and some ASCII: no blank stays behind these. */
static bool takes_blank(uint32_t c)
{
    static const uint16_t list[] = {
        0xff02, 0xff03, 0xff04, 0xff05, 0xff06, 0xff07, 0xff08, 0xff09, 0xff0a, 0xff0b, 0xff0c,
        0xff0d, 0xff0f, 0xff1a, 0xff1b, 0xff1c, 0xff1d, 0xff1e, 0xff20, 0xff3b, 0xff3c, 0xff3d,
        0xff3e, 0xff3f, 0xff40, 0xff5b, 0xff5c, 0xff5d, 0xff5e, 0xff5f, 0xff60, 0xff62, 0xff63,
        0xff64, 0x3000, 0x3001, 0x3003, 0x3008, 0x3009, 0x300a, 0x300b, 0x300c, 0x300d, 0x300e,
        0x300f, 0x3010, 0x3011, 0x3014, 0x3015, 0x3016, 0x3017, 0x3018, 0x3019, 0x301a, 0x301b,
        0x301c, 0x301d, 0x301e, 0x301f, 0x3030, 0x303e, 0x303f, 0x2013, 0x2014, 0x2018, 0x2019,
        0x201b, 0x201c, 0x201d, 0x201e, 0x201f, 0x2026, 0x2027, 0xfe4f, 0xfe51, 0xfe54, 0x00b7,
        0xff01, 0xff1f, 0xff61, 0x3002, '+',    '-',    '/',    '=',    '{',    '(',    '<',
        '[',
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == c) return true;
    return false;
}

/* ---- the end of the chain ---------------------------------------------------------------- */

static void write_char(b4c_buffer *out, uint32_t c)
{
    char bytes[4];
    b4c_buffer_add(out, bytes, (size_t)b4c_utf8_write(c, bytes));
}

/* White space goes from both ends. */
static void strip(b4c_mender *m, uint32_t c, b4c_buffer *out)
{
    if (b4c_is_python_space(c)) {
        if (m->begun) write_char(&m->blanks, c);
        return;
    }
    if (m->blanks.size) b4c_buffer_add(out, m->blanks.data, m->blanks.size);
    m->blanks.size = 0;
    m->begun = true;
    write_char(out, c);
}

/* ---- substitutions ----------------------------------------------------------------------- */

typedef enum fit { NO, PERHAPS, YES } fit;
typedef void (*next_fn)(b4c_mender *, uint32_t c, b4c_buffer *out);

static fit fits_text(const b4c_mend_queue *q, const char *text)
{
    for (int i = 0; i < q->n; i++)
        if (q->c[i] != (uint8_t)text[i]) return NO; /* a NUL too */
    return text[q->n] ? PERHAPS : YES;
}

static fit fits_contraction(const b4c_mend_queue *q)
{
    static const char *const list[] = { "' re ", "' m ", "' s ", "' t ", "' ve ", "' d ", "' ll " };
    fit best = NO;
    for (size_t i = 0; i < sizeof list / sizeof *list && best != YES; i++) {
        const fit it = fits_text(q, list[i]);
        if (it > best) best = it;
    }
    return best;
}

static fit fits_number(const b4c_mend_queue *q)
{
    if (!b4c_is_digit(q->c[0]) || (q->n > 1 && q->c[1] != '.') || (q->n > 2 && q->c[2] != ' '))
        return NO;
    return q->n < 4 ? PERHAPS : b4c_is_digit(q->c[3]) ? YES : NO;
}

/* One more character, for a substitution that takes out the character `gone` of what it finds. */
static void substitute(b4c_mender *m, b4c_mend_queue *q, fit (*fits)(const b4c_mend_queue *),
                       int gone, next_fn next, uint32_t c, b4c_buffer *out)
{
    q->c[q->n++] = c;
    while (q->n) {
        const fit it = fits(q);
        if (it == PERHAPS) return;
        const int ready = it == YES ? q->n : 1;
        for (int i = 0; i < ready; i++)
            if (it == NO || i != gone) next(m, q->c[i], out);
        q->n -= ready;
        memmove(q->c, q->c + ready, (size_t)q->n * sizeof *q->c);
    }
}

static void number(b4c_mender *m, uint32_t c, b4c_buffer *out)
{
    substitute(m, &m->number, fits_number, 2, strip, c, out);
}

static void punctuation(b4c_mender *m, uint32_t c, b4c_buffer *out)
{
    const bool goes = m->drop_blank && c == ' ';
    m->drop_blank = !goes && takes_blank(c);
    if (!goes) number(m, c, out);
}

static void contraction(b4c_mender *m, uint32_t c, b4c_buffer *out)
{
    substitute(m, &m->contraction, fits_contraction, 1, punctuation, c, out);
}

static void put(b4c_mender *m, uint32_t c, b4c_buffer *out)
{
    const bool again = c == ' ' && m->after_blank;
    m->after_blank = c == ' ';
    m->last = c;
    if (!again) contraction(m, c, out);
}

/* ---- joining ----------------------------------------------------------------------------- */

static void put_text(b4c_mender *m, const char *text, b4c_buffer *out)
{
    const uint8_t *p = (const uint8_t *)text, *const end = p + strlen(text);
    while (p < end) put(m, b4c_utf8_read(p, end, &p), out);
}

void b4c_mend_token(b4c_mender *m, const char *token, b4c_buffer *out)
{
    const size_t bytes = strlen(token);
    const uint8_t *const p = (const uint8_t *)token, *next;
    const uint32_t c = bytes ? b4c_utf8_read(p, p + bytes, &next) : 0;
    const bool one = bytes && next == p + bytes;
    const b4c_dialect d = B4C_DIALECT_BERT4KERAS;
    if (strncmp(token, "##", 2) == 0) {
        put_text(m, token + 2, out);
    } else if (one && b4c_is_chinese(d, c)) {
        put_text(m, token, out);
    } else if (one && b4c_is_punctuation(d, c)) {
        put_text(m, token, out);
        put(m, ' ', out);
    } else {
        if (!m->last || !b4c_is_chinese(d, m->last)) put(m, ' ', out);
        put_text(m, token, out);
    }
}

void b4c_mend_end(b4c_mender *m, b4c_buffer *out)
{
    for (int i = 0; i < m->contraction.n; i++) punctuation(m, m->contraction.c[i], out);
    for (int i = 0; i < m->number.n; i++) strip(m, m->number.c[i], out);
    m->contraction.n = m->number.n = 0;
    m->blanks.size = 0;
}

void b4c_mend_done(b4c_mender *m)
{
    b4c_buffer_done(&m->blanks);
    *m = (b4c_mender){ 0 };
}
