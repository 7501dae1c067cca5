/* encode.c - one text: added tokens in it, the stretches between them, and the encoding's memory.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* ---- the encoding ------------------------------------------------------------------------ */

/* array: where a pointer to items stands; copied, for it may be of any type. */
static bool resize(void *array, size_t item, int room)
{
    void *now;
    memcpy(&now, array, sizeof now);
    void *more = realloc(now, item * (size_t)room);
    if (more) memcpy(array, &more, sizeof more);
    return more != NULL;
}

int b4c_encoding_reserve(b4c_encoding *e, int64_t n, b4c_error *err)
{
    if (n <= e->room) return 0;
    int64_t room = n > 2 * (int64_t)e->room ? n : 2 * (int64_t)e->room;
    if (room < 64) room = 64;
    if (room > INT32_MAX) room = INT32_MAX;
    if (n <= room && resize(&e->ids, sizeof *e->ids, (int)room) &&
        resize(&e->segments, sizeof *e->segments, (int)room) &&
        resize(&e->begin, sizeof *e->begin, (int)room) &&
        resize(&e->end, sizeof *e->end, (int)room) &&
        resize(&e->char_begin, sizeof *e->char_begin, (int)room) &&
        resize(&e->char_end, sizeof *e->char_end, (int)room) &&
        resize(&e->added, sizeof *e->added, (int)room)) {
        e->room = (int)room;
        return 0;
    }
    return b4c_fail(err, B4C_E_MEMORY, "tokenize: no memory for %lld tokens", (long long)n);
}

void b4c_encoding_reopen(b4c_encoding *e)
{
    while (e->n > 1 && e->added[e->n - 1]) e->n--;
}

int b4c_encoding_drop(b4c_encoding *e, uint32_t begin)
{
    if (e->n_dropped == e->dropped_room) {
        if (e->dropped_room > INT32_MAX / 2 - 64) return B4C_E_MEMORY;
        const int room = e->dropped_room * 2 + 64;
        if (!resize(&e->dropped, sizeof *e->dropped, room)) return B4C_E_MEMORY;
        e->dropped_room = room;
    }
    e->dropped[e->n_dropped++] = begin;
    return 0;
}

b4c_tokenize_work *b4c_encoding_work(b4c_encoding *e)
{
    if (!e->work) e->work = calloc(1, sizeof *e->work);
    return e->work;
}

void b4c_encoding_free(b4c_encoding *e)
{
    if (!e) return;
    if (e->work) {
        b4c_normal_done(&e->work->normal);
        b4c_buffer_done(&e->work->text);
        b4c_cuts_free(&e->work->cuts);
        b4c_mapped_done(&e->work->repaired);
        for (int i = 0; i < 2; i++) b4c_mapped_done(&e->work->normal_steps[i]);
        for (int i = 0; i < 2; i++) b4c_mapped_done(&e->work->before_steps[i]);
        b4c_piece_list_done(&e->work->pieces);
        b4c_bpe_list_done(&e->work->bpe);
        free(e->work);
    }
    free(e->ids);
    free(e->segments);
    free(e->begin);
    free(e->end);
    free(e->char_begin);
    free(e->char_end);
    free(e->added);
    free(e->dropped);
    *e = (b4c_encoding){ 0 };
}

/* ---- the text ---------------------------------------------------------------------------- */

static int no_memory(const char *what, size_t bytes, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the tokens of %zu bytes", what, bytes);
}

/* The tokens of the text from s->begin up to `upto`. */
static int encode_part(b4c_stretch *s, size_t upto, const char *what, b4c_error *err)
{
    const b4c_tokenizer *t = s->t;
    b4c_added_match match;
    size_t from = s->begin;
    while (s->begin < upto) {
        const bool found = s->find_added && b4c_added_next(&t->added, &t->added.raw, s->text, upto,
                                                           &from, s->begin, &match);
        s->end = found ? match.begin : upto;
        if (s->begin < s->end) B4C_TRY(t->cutter->encode(s, err));
        s->begin = s->end;
        if (!found) break;
        const uint32_t at = s->at;
        s->at += (uint32_t)b4c_utf8_count(s->text + match.begin, match.end - match.begin);
        s->begin = match.end;
        if (b4c_encoding_add(s->e, t->added.token[match.token].id, match.begin, match.end, at,
                             s->at) < 0)
            return no_memory(what, upto, err);
    }
    return 0;
}

int b4c_encode_text(const b4c_tokenizer *t, const char *text, size_t bytes, bool find_added,
                    bool parted, b4c_encoding *e, const char *what, b4c_error *err)
{
    const size_t parting = strlen(B4C_PARTING);
    if (bytes > UINT32_MAX)
        return b4c_fail(err, B4C_E_TEXT, "%s: %zu bytes, wanted less than 4 GiB; divide it", what,
                        bytes);
    b4c_stretch s = { .t = t, .text = text, .find_added = find_added, .e = e };
    while (s.begin < bytes) {
        const char *part = parted ? memmem(text + s.begin, bytes - s.begin, B4C_PARTING, parting)
                                  : NULL;
        B4C_TRY(encode_part(&s, part ? (size_t)(part - text) : bytes, what, err));
        if (!part) break;
        if (b4c_encoding_drop(e, (uint32_t)s.begin) < 0) return no_memory(what, bytes, err);
        s.begin += parting;
        s.at++;
    }
    return 0;
}
