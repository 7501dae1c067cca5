/* segmentate.c - text_segmentate of bert4keras, without copying: a piece is a stretch of the text.
 *
 * Lengths count characters, so the text is decoded once; then indices of characters are enough.
 */
#include "text/segmentate.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"
#include "text/utf8.h"

enum { MOST_SEPARATORS = 64 };   /* they bound the recursion */

typedef struct cutter {
    size_t maxlen;
    const uint32_t *c;               /* [n] the text's characters */
    const size_t *at;                /* [n + 1] where each begins */
    uint32_t sep[MOST_SEPARATORS];
    size_t n_sep;
    const char *strips;
    b4c_segments *out;
} cutter;

static bool is_among(uint32_t c, const char *list)
{
    const uint8_t *p = (const uint8_t *)list, *const end = p + strlen(list);
    while (p < end)
        if (b4c_utf8_read(p, end, &p) == c) return true;
    return false;
}

static int add(b4c_segments *out, b4c_segment segment)
{
    if (out->n == out->room) {
        const size_t room = out->room * 2 + 16;
        b4c_segment *more = realloc(out->segment, room * sizeof *more);
        if (!more) return B4C_E_MEMORY;
        out->segment = more;
        out->room = room;
    }
    out->segment[out->n++] = segment;
    return 0;
}

/* Characters [begin, end), cut at separator k and finer ones. */
static int cut(const cutter *t, size_t begin, size_t end, size_t k)
{
    while (begin < end && b4c_is_python_space(t->c[begin])) begin++;
    while (end > begin && b4c_is_python_space(t->c[end - 1])) end--;
    if (t->strips) {
        while (begin < end && is_among(t->c[begin], t->strips)) begin++;
        while (end > begin && is_among(t->c[end - 1], t->strips)) end--;
    }
    if (k == t->n_sep || end - begin <= t->maxlen)
        return add(t->out, (b4c_segment){ t->at[begin], t->at[end] });
    /* [from, at) is gathered; [at, stop) is the next part, without the separator behind it */
    size_t from = begin;
    for (size_t at = begin, stop; at <= end; at = stop + 1) {
        for (stop = at; stop < end && t->c[stop] != t->sep[k];) stop++;
        if (at > from && stop > at && stop - from + 1 > t->maxlen) {
            B4C_TRY(cut(t, from, at, k + 1));
            from = at;
        }
    }
    return from < end ? cut(t, from, end, k + 1) : 0;
}

int b4c_segmentate(const char *text, size_t bytes, size_t maxlen, const char *seps,
                   const char *strips, b4c_segments *out, b4c_error *err)
{
    const size_t bad = b4c_utf8_check(text, bytes);
    if (bad < bytes) return b4c_utf8_fail("text", text, bytes, bad, err);
    cutter t = { .maxlen = maxlen, .strips = strips, .out = out };
    const size_t seps_bytes = seps ? strlen(seps) : 0;
    const uint8_t *p = (const uint8_t *)seps, *end = p + seps_bytes;
    while (seps && p < end) {
        if (t.n_sep == MOST_SEPARATORS)
            return b4c_fail(err, B4C_E_ARG, "segmentate: more than %d separators", MOST_SEPARATORS);
        t.sep[t.n_sep++] = b4c_utf8_read(p, end, &p);
    }
    uint32_t *c = malloc((bytes + 1) * sizeof *c);
    size_t *at = malloc((bytes + 1) * sizeof *at), n = 0;
    int rc = c && at ? 0 : B4C_E_MEMORY;
    if (rc == 0) {
        p = (const uint8_t *)text;
        for (end = p + bytes; p < end; n++) {
            at[n] = (size_t)((const char *)p - text);
            c[n] = b4c_utf8_read(p, end, &p);
        }
        at[n] = bytes;
        t.c = c;
        t.at = at;
        rc = cut(&t, 0, n, 0);
    }
    free(c);
    free(at);
    if (rc < 0) b4c_fail(err, rc, "segmentate: no memory for a text of %zu bytes", bytes);
    return rc;
}

void b4c_segments_free(b4c_segments *segments)
{
    free(segments->segment);
    *segments = (b4c_segments){ 0 };
}
