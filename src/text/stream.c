/* stream.c - see stream.h.
 *
 * Hub, WordPiece: the decoder of the tokenizers library, token by token. Pieces and BPE: tokens end
 * to end, marks as blanks, bytes as the characters they form. bert4keras: mend.h. None of them
 * gives the original back where blanks or case were lost.
 */
#include "text/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/spell.h"
#include "text/unicode.h"
#include "text/utf8.h"

/* ---- the hub's WordPiece ----------------------------------------------------------------- */

/* Replace `from` by the shorter or equally long `to` in out->data[begin ..]. */
static void replace(b4c_buffer *out, size_t begin, const char *from, const char *to)
{
    if (out->failed || !out->data) return;
    const size_t n_from = strlen(from), n_to = strlen(to);
    char *write = out->data + begin;
    const char *read = write, *const end = out->data + out->size, *hit;
    while ((hit = memmem(read, (size_t)(end - read), from, n_from))) {
        memmove(write, read, (size_t)(hit - read));
        write += hit - read;
        memcpy(write, to, n_to);
        write += n_to;
        read = hit + n_from;
    }
    memmove(write, read, (size_t)(end - read));
    write += end - read;
    *write = 0;
    out->size = (size_t)(write - out->data);
}

/* `decoder`: the decoder's list, else that of transformers' clean_up_tokenization. */
static void clean_up(b4c_buffer *out, size_t begin, bool decoder)
{
    static const char *const pair[][2] = {
        { " .", "." },     { " ?", "?" },      { " !", "!" },   { " ,", "," },
        { " ' ", "'" },    { " n't", "n't" },  { " 'm", "'m" }, { " do not", " don't" },
        { " 's", "'s" },   { " 've", "'ve" },  { " 're", "'re" },
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (decoder || pair[i][0][1] != 'd') replace(out, begin, pair[i][0], pair[i][1]);
}

static void put_wordpiece(b4c_stream *s, const char *token)
{
    const b4c_decoder *d = &s->t->decoder;
    b4c_buffer *out = d->cleanup_all ? &s->held : &s->text;
    const size_t n = strlen(d->prefix), begin = out->size;
    if (!s->begun) b4c_buffer_text(out, token);
    else if (!d->no_pieces && strncmp(token, d->prefix, n) == 0) b4c_buffer_text(out, token + n);
    else {
        b4c_buffer_text(out, " ");
        b4c_buffer_text(out, token);
    }
    if (!d->no_pieces && d->cleanup) clean_up(out, begin, true);
}

/* Clean up what is held before byte `end`, and let it go. */
static void release(b4c_stream *s, size_t end)
{
    const size_t begin = s->text.size;
    if (s->held.failed) s->text.failed = true;
    if (end == 0 || s->text.failed) return;
    b4c_buffer_add(&s->text, s->held.data, end);
    clean_up(&s->text, begin, false);
    memmove(s->held.data, s->held.data + end, s->held.size - end);
    s->held.size -= end;
}

/* Where the text may be divided so that cleaning up each part is cleaning up all: before the last
 * blank, since what is sought begins with one, but not within " ' ". */
static size_t division(const b4c_buffer *held)
{
    size_t at = held->size;
    while (at > 0 && held->data[at - 1] != ' ') at--;
    if (at == 0) return held->size;
    at--;
    return at >= 2 && held->data[at - 1] == '\'' && held->data[at - 2] == ' ' ? at - 2 : at;
}

/* ---- tokens end to end ------------------------------------------------------------------- */

static void put_broken(b4c_stream *s) { b4c_buffer_text(&s->text, "\xef\xbf\xbd"); }

/* Bytes of a character that will not be completed. As the references do: one U+FFFD for each byte
 * piece, or for all of them where tokens are made of bytes. */
static void give_up(b4c_stream *s)
{
    const int n = s->t->decoder.byte_pieces ? s->n_waiting : s->n_waiting > 0;
    for (int i = 0; i < n; i++) put_broken(s);
    s->n_waiting = 0;
}

/* Write the characters that the bytes complete; keep those that may begin one. */
static void put_bytes(b4c_stream *s, const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text, *const end = p + n, *next;
    while (p < end) {
        if (s->n_waiting) {
            uint8_t *w = s->waiting;
            w[s->n_waiting++] = *p;
            const uint8_t *const stop = w + s->n_waiting;
            const uint32_t c = b4c_utf8_read(w, stop, &next);
            if (c != B4C_NOT_A_CHAR) {
                b4c_buffer_add(&s->text, w, (size_t)s->n_waiting);
                s->n_waiting = 0;
                p++;
            } else if (next == stop) p++;
            else { /* this byte does not go on with them */
                s->n_waiting--;
                give_up(s);
            }
            continue;
        }
        const bool lead = *p >= 0xc2 && *p <= 0xf4;
        const uint32_t c = b4c_utf8_read(p, end, &next);
        if (c != B4C_NOT_A_CHAR) b4c_buffer_add(&s->text, p, (size_t)(next - p));
        else if (lead && next == end) {
            memcpy(s->waiting, p, (size_t)(next - p));
            s->n_waiting = (int)(next - p);
        } else
            for (const uint8_t *q = p; q < next; q++)
                if (s->t->decoder.byte_pieces || q == p) put_broken(s);
        p = next;
    }
}

/* A token of pieces: what goes off the front, marks as blanks. */
static void put_piece(b4c_stream *s, const char *text, size_t n)
{
    const b4c_decoder *d = &s->t->decoder;
    const char *const end = text + n, *mark;
    give_up(s);
    if (s->front && d->front == B4C_FRONT_BLANK && n) {
        const bool blank = *text == ' ' || (d->marks && !strncmp(text, B4C_BLANK_MARK, 3));
        if (blank) text += *text == ' ' ? 1 : 3;
        s->front = false;
    } else if (s->front && d->front > B4C_FRONT_BLANK) {
        bool taken = false;
        const bool all = d->front == B4C_FRONT_MARKS;
        while ((all || !taken) && end - text >= 3 && !memcmp(text, B4C_BLANK_MARK, 3)) {
            text += 3;
            taken = true;
        }
        s->front = d->front == B4C_FRONT_EMPTY_MARKS && taken && text == end;
    }
    for (; text < end; text = mark + (mark < end ? 3 : 0)) {
        mark = d->marks ? memmem(text, (size_t)(end - text), B4C_BLANK_MARK, 3) : NULL;
        if (!mark) mark = end;
        b4c_buffer_add(&s->text, text, (size_t)(mark - text));
        if (mark < end) b4c_buffer_text(&s->text, " ");
    }
}

static void put_as_it_is(b4c_stream *s, const char *text)
{
    give_up(s);
    s->front = false;
    b4c_buffer_text(&s->text, text);
}

static void put_byte(b4c_stream *s, int byte)
{
    const char one = (char)byte;
    s->front = false;
    put_bytes(s, &one, 1);
}

static bool made_of_characters(const b4c_tokenizer *t)
{
    return t->cutter != &b4c_bpe_cutter || t->bpe.characters;
}

static void put_joined(b4c_stream *s, int32_t id, const char *spelling, bool added)
{
    const b4c_tokenizer *t = s->t;
    size_t n = strlen(spelling);
    if (added && (t->own_map || !made_of_characters(t))) {
        put_as_it_is(s, spelling);
    } else if (added) { /* what the hub's decoders do to pieces they do to all tokens */
        put_piece(s, spelling, n);
    } else if (t->cutter == &b4c_bpe_cutter) {
        const b4c_piece piece = { .text = (char *)(uintptr_t)spelling, .bytes = n };
        const int byte = t->decoder.byte_pieces ? b4c_piece_byte(&piece) : -1;
        if (byte >= 0) put_byte(s, byte);
        else if (t->bpe.characters) put_piece(s, spelling, n);
        else {
            const char *bytes = b4c_bpe_text(&t->bpe, id, &n);
            put_bytes(s, bytes, n);
        }
    } else {
        const b4c_piece *piece = &t->pieces.piece[id];
        if (piece->kind == B4C_PIECE_BYTE) put_byte(s, b4c_piece_byte(piece));
        else if (piece->kind == B4C_PIECE_CONTROL) put_as_it_is(s, spelling);
        else if (piece->kind == B4C_PIECE_UNKNOWN) put_as_it_is(s, t->pieces.unknown_text);
        else put_piece(s, spelling, n);
    }
}

/* ---- all kinds --------------------------------------------------------------------------- */

void b4c_stream_init(b4c_stream *s, const b4c_tokenizer *t, int flags)
{
    *s = (b4c_stream){ .t = t,
                       .keep_special = flags & B4C_STREAM_SPECIAL,
                       .tight = flags & B4C_STREAM_TIGHT && t->kind == B4C_TOKENIZER_WORDPIECE,
                       .front = true };
}

void b4c_stream_done(b4c_stream *s)
{
    b4c_mend_done(&s->mender);
    b4c_buffer_done(&s->held);
    b4c_buffer_done(&s->text);
    *s = (b4c_stream){ 0 };
}

static bool is_special(const b4c_tokenizer *t, int32_t id, const char *spelling, bool *added)
{
    const int i = b4c_added_find_id(&t->added, id);
    const size_t n = strlen(spelling);
    *added = i >= 0;
    if (t->decoder.as == B4C_DECODE_BERT4KERAS)
        return n && spelling[0] == '[' && spelling[n - 1] == ']';
    if (i >= 0) return t->added.token[i].special;
    return t->cutter == &b4c_pieces_cutter && t->pieces.piece[id].kind == B4C_PIECE_CONTROL;
}

/* Written without blanks around it: Chinese characters, their punctuation, full-width forms. */
static bool is_tight(uint32_t c)
{
    return b4c_is_chinese(B4C_DIALECT_BERT4KERAS, c) || (c >= 0x3000 && c <= 0x303f) ||
           (c >= 0xff01 && c <= 0xff65) || (c >= 0x2018 && c <= 0x201d) || c == 0x2026;
}

/* Take out of the text from byte `begin` on the blanks beside what is tight; one at its end waits
 * for what comes. */
static void tighten(b4c_stream *s, size_t begin)
{
    b4c_buffer fresh = { 0 };
    if (s->text.failed || s->text.size == begin) return;
    b4c_buffer_add(&fresh, s->text.data + begin, s->text.size - begin);
    if (fresh.failed) s->text.failed = true;
    s->text.size = begin;
    const uint8_t *p = (const uint8_t *)fresh.data, *const end = p + fresh.size, *next;
    for (; p < end; p = next) {
        const uint32_t c = b4c_utf8_read(p, end, &next);
        if (s->blank && !is_tight(c)) b4c_buffer_text(&s->text, " ");
        s->blank = c == ' ' && !s->after_tight;
        if (c == ' ') continue;
        b4c_buffer_add(&s->text, p, (size_t)(next - p));
        s->after_tight = is_tight(c);
    }
    b4c_buffer_done(&fresh);
}

static int grown(const b4c_stream *s, size_t before, b4c_error *err)
{
    if (!s->text.failed && !s->held.failed) return (int)(s->text.size - before);
    return b4c_fail(err, B4C_E_MEMORY, "detokenize: no memory for %zu bytes of text", before);
}

int b4c_stream_push(b4c_stream *s, int32_t id, b4c_error *err)
{
    const char *spelling = b4c_tokenizer_token(s->t, id);
    const size_t before = s->text.size;
    bool added;
    if (!spelling)
        return b4c_fail(err, B4C_E_ARG, "detokenize: id %d is no token; ids are 0 to %d", id,
                        b4c_tokenizer_count(s->t) - 1);
    if (is_special(s->t, id, spelling, &added) && !s->keep_special) return 0;
    switch (s->t->decoder.as) {
    case B4C_DECODE_WORDPIECE: put_wordpiece(s, spelling); break;
    case B4C_DECODE_BERT4KERAS: b4c_mend_token(&s->mender, spelling, &s->text); break;
    case B4C_DECODE_JOINED: put_joined(s, id, spelling, added); break;
    }
    s->begun = true;
    if (s->held.size) release(s, division(&s->held));
    if (s->tight) tighten(s, before);
    return grown(s, before, err);
}

int b4c_stream_end(b4c_stream *s, b4c_error *err)
{
    const size_t before = s->text.size;
    give_up(s);
    if (s->held.size) release(s, s->held.size);
    if (s->t->decoder.as == B4C_DECODE_BERT4KERAS) b4c_mend_end(&s->mender, &s->text);
    if (s->tight) tighten(s, before);
    if (s->blank) b4c_buffer_text(&s->text, " ");
    s->blank = false;
    b4c_buffer_text(&s->text, "");   /* an empty text is a string too */
    return grown(s, before, err);
}

static char *all(const b4c_tokenizer *t, const int32_t *ids, int n, int flags, b4c_error *err)
{
    b4c_stream s;
    char *text = NULL;
    int rc = 0;
    b4c_stream_init(&s, t, flags);
    for (int i = 0; i < n && rc >= 0; i++) {
        rc = b4c_stream_push(&s, ids[i], err);
        if (rc == B4C_E_ARG)
            b4c_fail(err, rc, "detokenize: id %d at place %d is no token; ids are 0 to %d", ids[i],
                     i, b4c_tokenizer_count(t) - 1);
    }
    if (rc >= 0) rc = b4c_stream_end(&s, err);
    if (rc >= 0) {
        text = s.text.data;
        s.text.data = NULL;
    }
    b4c_stream_done(&s);
    return text;
}

char *b4c_detokenize(const b4c_tokenizer *t, const int32_t *ids, int n, bool keep_special,
                     b4c_error *err)
{
    return all(t, ids, n, keep_special ? B4C_STREAM_SPECIAL : 0, err);
}

char *b4c_spell(const b4c_tokenizer *t, const int32_t *ids, int n, b4c_error *err)
{
    return all(t, ids, n, B4C_STREAM_TIGHT, err);
}
