/* model.c - a stretch of text to tokens by pieces (SentencePiece) or by BPE.
 *
 * Idea: the stretch becomes a view (mapped.h) that steps or a charsmap change; added tokens are
 * sought in it; what lies between them is cut by the model; and places in the view become places in
 * the caller's text.
 *
 * Tokens have whole characters: one that is a part of a character (a byte of it, or of what it was
 * replaced by) has the place of all of it. A blank that was put in front has no place.
 */
#include <string.h>

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* ---- places ------------------------------------------------------------------------------ */

/* How far the tokens of a stretch have come: bytes of the caller's text, and code points before
 * them. */
typedef struct place {
    b4c_stretch *s;
    bool valid;              /* the text is UTF-8 */
    size_t begin, end;       /* of the last token; end: the furthest */
    uint32_t at_begin, at_end;
} place;

/* Code points from begin to end, both at characters' ends. */
static uint32_t code_points(const place *p, size_t begin, size_t end)
{
    const uint8_t *at = (const uint8_t *)p->s->text + begin;
    const uint8_t *const stop = (const uint8_t *)p->s->text + end;
    uint32_t n = 0;
    if (p->valid)
        for (; at < stop; at++) n += (*at & 0xc0) != 0x80;
    else
        for (; at < stop; n++) b4c_utf8_read(at, stop, &at);
    return n;
}

/* What lies before the next token stands for nothing: list it, but blanks. */
static int pass_over(place *p, size_t to)
{
    const uint8_t *const base = (const uint8_t *)p->s->text, *const stop = base + to, *next;
    for (const uint8_t *at = base + p->end; at < stop; at = next, p->at_end++)
        if (!b4c_is_blank(b4c_utf8_read(at, stop, &next)))
            B4C_TRY(b4c_encoding_drop(p->s->e, (uint32_t)(at - base)));
    p->end = to;
    return 0;
}

static int add_token(place *p, int32_t id, size_t begin, size_t end)
{
    if (begin > p->end) B4C_TRY(pass_over(p, begin));
    p->at_begin = begin == p->end ? p->at_end : p->at_begin + code_points(p, p->begin, begin);
    p->begin = begin;
    const uint32_t at = p->at_begin + code_points(p, begin, end);
    if (end > p->end) {
        p->end = end;
        p->at_end = at;
    }
    return b4c_encoding_add(p->s->e, id, begin, end, p->at_begin, at);
}

/* The tokens of a view: bytes [begin, end) of it, neither of which ever falls. */
static int add_tokens(place *p, const b4c_view *v, const b4c_token_list *l)
{
    if (!v->from) {
        for (int i = 0; i < l->n; i++) {
            size_t from = l->begin[i], to = l->end[i];
            while (from && ((uint8_t)v->text[from] & 0xc0) == 0x80) from--;
            while (to < v->bytes && ((uint8_t)v->text[to] & 0xc0) == 0x80) to++;
            B4C_TRY(add_token(p, l->id[i], v->base + from, v->base + to));
        }
        return 0;
    }
    size_t next = 0; /* the first place with another origin than the token's last byte */
    for (int i = 0; i < l->n; i++) {
        const size_t from = v->base + v->from[l->begin[i]];
        size_t to = from;
        if (l->end[i] > v->front && l->end[i] > l->begin[i]) {
            const uint32_t last = v->from[l->end[i] - 1];
            if (next < l->end[i]) next = l->end[i];
            while (next < v->bytes && v->from[next] == last) next++;
            to = v->base + v->from[next];
        }
        B4C_TRY(add_token(p, l->id[i], from, to));
    }
    return 0;
}

/* ---- stretches --------------------------------------------------------------------------- */

typedef int (*cut_fn)(place *, const b4c_view *, b4c_tokenize_work *, b4c_error *);

static int cut_pieces(place *p, const b4c_view *v, b4c_tokenize_work *w, b4c_error *err)
{
    B4C_TRY(b4c_pieces_cut(&p->s->t->pieces, v->text, v->bytes, &w->pieces, err));
    return add_tokens(p, v, &w->pieces.tokens);
}

static int cut_bpe(place *p, const b4c_view *v, b4c_tokenize_work *w, b4c_error *err)
{
    B4C_TRY(b4c_bpe_encode(&p->s->t->bpe, v->text, v->bytes, &w->bpe, err));
    return add_tokens(p, v, &w->bpe.tokens);
}

/* Bytes [begin, end) of the normalised text, which have no added token. */
static int cut_part(place *p, const b4c_view *all, size_t begin, size_t end, b4c_tokenize_work *w,
                    cut_fn cut, b4c_error *err)
{
    b4c_view v = b4c_view_part(all, begin, end);
    if (v.bytes == 0) return 0;
    const bool first = p->s->begin == 0 && begin == 0;
    B4C_TRY(b4c_steps_apply(&p->s->t->before, &v, first, w->before_steps));
    return cut(p, &v, w, err);
}

static int cut_between_added(place *p, const b4c_view *v, b4c_tokenize_work *w, cut_fn cut,
                             b4c_error *err)
{
    const b4c_added *added = &p->s->t->added;
    size_t from = 0, done = 0;
    b4c_added_match match;
    while (p->s->find_added &&
           b4c_added_next(added, &added->normal, v->text, v->bytes, &from, done, &match)) {
        int id = added->token[match.token].id;
        uint32_t begin = (uint32_t)match.begin, end = (uint32_t)match.end;
        B4C_TRY(cut_part(p, v, done, match.begin, w, cut, err));
        B4C_TRY(add_tokens(p, v, &(b4c_token_list){ 1, 1, &id, &begin, &end }));
        done = match.end;
    }
    return cut_part(p, v, done, v->bytes, w, cut, err);
}

/* Write U+FFFD for what is not UTF-8. */
static int repair(b4c_view *v, b4c_mapped *out)
{
    const uint8_t *const base = (const uint8_t *)v->text, *const end = base + v->bytes, *next;
    out->bytes = out->front = 0;
    for (const uint8_t *at = base; at < end; at = next) {
        char bytes[4];
        const uint32_t c = b4c_utf8_read(at, end, &next);
        if (!b4c_mapped_reserve(out, sizeof bytes)) return B4C_E_MEMORY;
        const int n = b4c_utf8_write(c == B4C_NOT_A_CHAR ? 0xfffd : c, bytes);
        memcpy(out->text + out->bytes, bytes, (size_t)n);
        for (int i = 0; i < n; i++)
            out->from[out->bytes++] = (uint32_t)(v->base + (size_t)(at - base));
    }
    out->from[out->bytes] = (uint32_t)(v->base + v->bytes);
    *v = b4c_view_of(out);
    return 0;
}

static int make_view(const b4c_stretch *s, b4c_view *v, b4c_tokenize_work *w)
{
    const b4c_tokenizer *t = s->t;
    *v = (b4c_view){ .text = s->text + s->begin, .bytes = s->end - s->begin, .base = s->begin };
    if (t->own_map) {
        const bool dummy = t->front == B4C_PREFIX_ALWAYS ||
                           (t->front == B4C_PREFIX_FIRST && s->begin == 0);
        B4C_TRY(b4c_charsmap_apply(&t->pieces.map, v->text, v->bytes, dummy, w->normal_steps));
        *v = b4c_view_of(w->normal_steps);
        v->base = s->begin;
        return 0;
    }
    if (s->e->repaired) B4C_TRY(repair(v, &w->repaired));
    return b4c_steps_apply(&t->normal, v, s->begin == 0, w->normal_steps);
}

static int encode(b4c_stretch *s, cut_fn cut, b4c_error *err)
{
    b4c_tokenize_work *w = b4c_encoding_work(s->e);
    place p = { s, s->e->repaired == 0, s->begin, s->begin, s->at, s->at };
    b4c_view v;
    int rc = w ? make_view(s, &v, w) : B4C_E_MEMORY;
    if (rc == 0) rc = cut_between_added(&p, &v, w, cut, err);
    if (rc == 0) rc = pass_over(&p, s->end);
    s->at = p.at_end;
    return rc == B4C_E_MEMORY ? b4c_fail(err, rc, "tokenize: no memory for %zu bytes of text",
                                         s->end - s->begin)
                              : rc;
}

/* ---- the kinds --------------------------------------------------------------------------- */

static int encode_pieces(b4c_stretch *s, b4c_error *err) { return encode(s, cut_pieces, err); }
static int encode_bpe(b4c_stretch *s, b4c_error *err) { return encode(s, cut_bpe, err); }

static int count_pieces(const b4c_tokenizer *t) { return t->pieces.n; }
static int count_bpe(const b4c_tokenizer *t) { return t->bpe.n; }

static const char *piece(const b4c_tokenizer *t, int id)
{
    return id < 0 || id >= t->pieces.n ? NULL : t->pieces.piece[id].text;
}

static const char *bpe_token(const b4c_tokenizer *t, int id)
{
    return b4c_bpe_spelling(&t->bpe, id);
}

static int find_piece(const b4c_tokenizer *t, const char *text)
{
    return b4c_pieces_find(&t->pieces, text);
}

static int find_bpe(const b4c_tokenizer *t, const char *text)
{
    return b4c_bpe_find(&t->bpe, text);
}

const b4c_cutter b4c_pieces_cutter = { encode_pieces, count_pieces, piece, find_piece };
const b4c_cutter b4c_bpe_cutter = { encode_bpe, count_bpe, bpe_token, find_bpe };
