/* wordpiece.c - a stretch of text to tokens, by WordPiece.
 *
 * Idea: one walk over the characters. The table of rules.h says what becomes of each; one that is a
 * word of its own (nearly all of a Chinese text) is written out at once, letters gather in `word`
 * until it ends and is then cut into the longest pieces that the trie knows. Nothing is allocated
 * per token or per word, and no word is longer than the limit beyond which it is unknown, so time
 * is linear in the text whatever the text is.
 *
 * Invariants: every letter carries the place in the caller's text that it came from, so offsets
 * need no second pass; places never fall from letter to letter, hence neither from token to token.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/normal.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

enum { WORD_ROOM = 256 };

typedef struct scan {
    const b4c_tokenizer *t;
    const uint8_t *text;                 /* the caller's; offsets count from here */
    const uint8_t *begin, *end;          /* the stretch */
    b4c_encoding *e;
    uint32_t at;                         /* code points before the next character */
    b4c_letter *word;                    /* [room]; `here` or from the heap */
    int n, room, most;                   /* letters; at most `most` are kept */
    int barrier;                         /* marks do not move before this letter */
    bool too_long;
    uint32_t last_end, last_at;          /* where a word that is too long ends */
    bool failed;                         /* no memory */
    b4c_letter *here;                    /* [WORD_ROOM] on the caller's stack */
} scan;

/* ---- writing tokens ---------------------------------------------------------------------- */

static inline void emit(scan *s, int32_t id, uint32_t begin, uint32_t end, uint32_t at,
                        uint32_t at_end)
{
    if (b4c_encoding_add(s->e, id, begin, end, at, at_end) < 0) s->failed = true;
}

static void drop(scan *s, uint32_t begin)
{
    if (b4c_encoding_drop(s->e, begin) < 0) s->failed = true;
}

/* ---- words ------------------------------------------------------------------------------- */

static inline uint32_t step(const b4c_trie *trie, uint32_t node, uint32_t c)
{
    if (c < 0x80) return b4c_trie_step(trie, node, (uint8_t)c);
    char bytes[4];
    return b4c_trie_walk(trie, node, bytes, (size_t)b4c_utf8_write(c, bytes));
}

/* The longest token that letters from .. n-1 begin with: its id and where it ends, or -1. */
static inline int32_t longest(const scan *s, uint32_t node, int from, int *end)
{
    const b4c_trie *trie = &s->t->vocab.trie;
    int32_t id = -1;
    if (node == B4C_TRIE_NONE) return -1;
    for (int i = from; i < s->n; i++) {
        node = step(trie, node, s->word[i].c);
        if (node == B4C_TRIE_NONE) break;
        if (trie->unit[node].value >= 0) {
            id = trie->unit[node].value;
            *end = i + 1;
        }
    }
    return id;
}

static void emit_letters(scan *s, int32_t id, int from, int to)
{
    const b4c_letter *first = &s->word[from], *last = &s->word[to - 1];
    emit(s, id, first->begin, last->end, first->at, last->at + 1);
}

static void end_word(scan *s)
{
    const int n = s->n, written = s->e->n;
    if (n == 0) return;
    if (s->too_long) {
        emit(s, s->t->unknown, s->word[0].begin, s->last_end, s->word[0].at, s->last_at + 1);
    } else if (n > s->t->max_word) {
        /* bert4keras then looks for the word itself; the hub does not */
        int end = 0;
        const int32_t id = s->t->flags.dialect == B4C_DIALECT_HUB
                             ? -1
                             : longest(s, B4C_TRIE_ROOT, 0, &end);
        emit_letters(s, id >= 0 && end == n ? id : s->t->unknown, 0, n);
    } else {
        for (int from = 0, end = 0; from < n; from = end) {
            const int32_t id = longest(s, from ? s->t->inside : B4C_TRIE_ROOT, from, &end);
            if (id >= 0) {
                emit_letters(s, id, from, end);
                continue;
            }
            s->e->n = written;   /* one piece is unknown: the whole word is */
            emit_letters(s, s->t->unknown, 0, n);
            break;
        }
    }
    s->n = 0;
    s->barrier = 0;
    s->too_long = false;
}

/* More room for letters, up to s->most; beyond, the word is only followed to its end. */
static bool more_letters(scan *s)
{
    if (s->n == s->most) {
        s->too_long = true;
        return false;
    }
    const int room = s->room > s->most / 2 ? s->most : s->room * 2;
    b4c_letter *word = realloc(s->word == s->here ? NULL : s->word, (size_t)room * sizeof *word);
    if (!word) {
        s->failed = true;
        return false;
    }
    if (s->word == s->here) memcpy(word, s->here, (size_t)s->n * sizeof *word);
    s->word = word;
    s->room = room;
    return true;
}

static inline void letter(scan *s, uint32_t c, uint32_t begin, uint32_t end)
{
    if (s->n == s->room && !more_letters(s)) {
        s->last_end = end;
        s->last_at = s->at;
        return;
    }
    s->word[s->n++] = (b4c_letter){ c, begin, end, s->at };
}

/* A mark goes before the marks of a higher class that stand just before it: canonical order. Places
 * stay. */
static void mark(scan *s, uint32_t c, uint32_t begin, uint32_t end)
{
    letter(s, c, begin, end);
    const int order = b4c_combining_class(c);
    for (int i = s->n - 1;
         !s->too_long && i > s->barrier && b4c_combining_class(s->word[i - 1].c) > order; i--) {
        s->word[i].c = s->word[i - 1].c;
        s->word[i - 1].c = c;
    }
}

/* ---- characters -------------------------------------------------------------------------- */

/* What a character at p becomes, or one part of it. */
static void apply(scan *s, uint32_t entry, const uint8_t *p, uint32_t begin, uint32_t end)
{
    const uint32_t payload = B4C_ENTRY_PAYLOAD(entry);
    switch (B4C_ENTRY_KIND(entry)) {
    case B4C_KIND_SINGLE:
        end_word(s);
        emit(s, (int32_t)payload, begin, end, s->at, s->at + 1);
        break;
    case B4C_KIND_SPACE:
        end_word(s);
        break;
    case B4C_KIND_BARRIER:
        s->barrier = s->n;
        drop(s, begin);
        break;
    case B4C_KIND_DROP:
        drop(s, begin);
        break;
    case B4C_KIND_MARK:
        mark(s, payload, begin, end);
        break;
    case B4C_KIND_SIGMA:
        letter(s, B4C_FINAL_SIGMA + !b4c_sigma_is_final(s->begin, s->end, p), begin, end);
        break;
    case B4C_KIND_OTHER:
        letter(s, payload, begin, end);
        break;
    case B4C_KIND_LETTER:
    case B4C_KIND_LATER:
        assert(!"entries that only the table has");
    }
}

/* A character whose outcome is not in the table. */
static void unusual(scan *s, uint32_t c, const uint8_t *p, uint32_t begin, uint32_t end)
{
    uint32_t entry[B4C_EXPANSION];
    const int n = b4c_rules_entries(&s->t->rules, c, entry);
    for (int i = 0; i < n; i++) apply(s, entry[i], p, begin, end);
}

/* The stretch from s->begin to s->end. */
static void stretch(scan *s)
{
    const uint32_t *const table = s->t->rules.table;
    const uint8_t *const base = s->text, *const stop = s->end, *next;
    for (const uint8_t *p = s->begin; p < stop; p = next, s->at++) {
        const uint32_t c = b4c_utf8_read(p, stop, &next);
        const uint32_t begin = (uint32_t)(p - base), end = (uint32_t)(next - base);
        if (c >= 0x10000) {
            unusual(s, c == B4C_NOT_A_CHAR ? 0xfffd : c, p, begin, end);
            continue;
        }
        const uint32_t entry = table[c];
        switch (B4C_ENTRY_KIND(entry)) {   /* the usual ones here, so that they cost no call */
        case B4C_KIND_SINGLE:
            if (s->n) end_word(s);
            emit(s, (int32_t)B4C_ENTRY_PAYLOAD(entry), begin, end, s->at, s->at + 1);
            break;
        case B4C_KIND_LETTER:
            letter(s, c, begin, end);
            break;
        case B4C_KIND_LATER:
            unusual(s, c, p, begin, end);
            break;
        default:
            apply(s, entry, p, begin, end);
        }
    }
    end_word(s);
}

/* ---- stretches that must be seen as they are normalised ---------------------------------- */

/* Letters as tokens, by the classes of what normalisation made. */
static void from_letters(scan *s, const b4c_letter *l, size_t n, bool chinese)
{
    for (size_t i = 0; i < n; i++) {
        s->at = l[i].at;
        switch (l[i].c == B4C_DROPPED ? B4C_KIND_DROP
                                      : b4c_rules_classify(&s->t->flags, l[i].c, chinese)) {
        case B4C_KIND_SINGLE:
            end_word(s);
            emit(s, b4c_rules_single(&s->t->rules, l[i].c), l[i].begin, l[i].end, l[i].at,
                 l[i].at + 1);
            break;
        case B4C_KIND_SPACE:
            end_word(s);
            break;
        case B4C_KIND_LETTER:
            letter(s, l[i].c, l[i].begin, l[i].end);
            break;
        default:
            drop(s, l[i].begin);
        }
    }
    end_word(s);
}

/* A place in the normalised text: bytes and letters before it. */
typedef struct cursor { size_t bytes, letters; } cursor;

static void advance(const b4c_normal *normal, cursor *c, size_t bytes)
{
    while (c->bytes < bytes) {
        const uint32_t ch = normal->letter[c->letters++].c;
        if (ch != B4C_DROPPED)
            c->bytes += 1u + (ch >= 0x80) + (ch >= 0x800) + (ch >= 0x10000);
    }
    /* dropped characters belong to what stands before them */
    while (c->letters < normal->n && normal->letter[c->letters].c == B4C_DROPPED) c->letters++;
}

/* One token for the letters [from, to), of which the dropped ones at the ends are left out. */
static void as_one(scan *s, int32_t id, const b4c_normal *normal, size_t from, size_t to)
{
    const b4c_letter *l = normal->letter;
    size_t first = from, last = to;
    while (first < last && l[first].c == B4C_DROPPED) first++;
    while (last > first && l[last - 1].c == B4C_DROPPED) last--;
    for (size_t i = from; i < to; i++)
        if (l[i].c == B4C_DROPPED) drop(s, l[i].begin);
    if (first < last) emit(s, id, l[first].begin, l[last - 1].end, l[first].at, l[last - 1].at + 1);
}

/* Letters [from, to), whose text is `text`: cut into words first, if the tokenizer wants that. */
static int words(scan *s, const b4c_normal *normal, size_t from, size_t to, const char *text,
                 size_t bytes, b4c_error *err)
{
    const b4c_tokenizer *t = s->t;
    if (!t->cut || bytes == 0) {
        /* the hub's blanks around Chinese characters set them apart already */
        from_letters(s, normal->letter + from, to - from, t->flags.dialect != B4C_DIALECT_HUB);
        return 0;
    }
    b4c_cuts *cuts = &s->e->work->cuts;
    B4C_TRY(t->cut(t->cut_arg, text, bytes, cuts, err));
    size_t begin = 0;
    cursor at = { 0, from };
    for (size_t i = 0; i < cuts->n; i++) {
        const size_t end = cuts->end[i], first = at.letters;
        assert(end > begin && end <= bytes);
        advance(normal, &at, end);
        const int32_t id = b4c_trie_find(&t->vocab.trie, text + begin, end - begin);
        if (id >= 0) as_one(s, id, normal, first, at.letters);
        else from_letters(s, normal->letter + first, at.letters - first, true);
        begin = end;
    }
    return 0;
}

static int offset_order(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

static int normalized_stretch(scan *s, bool find_added, b4c_error *err)
{
    const b4c_tokenizer *t = s->t;
    b4c_tokenize_work *work = b4c_encoding_work(s->e);
    s->failed = !work;
    if (!work) return 0;
    b4c_normal *normal = &work->normal;
    b4c_buffer *text = &work->text;
    b4c_flags flags = t->flags;
    if (t->cut) flags.chinese = false; /* blanks around characters would hide the words */
    const int dropped = s->e->n_dropped;
    int rc = b4c_normal_make(normal, &flags, (const char *)s->text, (size_t)(s->begin - s->text),
                             (size_t)(s->end - s->text), s->at);
    text->size = 0;
    if (rc == 0) b4c_normal_text(normal, text);
    b4c_buffer_text(text, "");   /* so that data is there when nothing is left of the text */
    if (rc < 0 || text->failed) {
        b4c_buffer_done(text);
        s->failed = true;
        return 0;
    }

    cursor done = { 0, 0 };
    size_t from = 0;
    b4c_added_match match;
    while (rc == 0 && find_added &&
           b4c_added_next(&t->added, &t->added.normal, text->data, text->size, &from, done.bytes,
                          &match)) {
        cursor stop = done;
        advance(normal, &stop, match.begin);
        if (stop.letters > done.letters)
            rc = words(s, normal, done.letters, stop.letters, text->data + done.bytes,
                       match.begin - done.bytes, err);
        done = stop;
        advance(normal, &stop, match.end);
        as_one(s, t->added.token[match.token].id, normal, done.letters, stop.letters);
        done = stop;
    }
    if (rc == 0 && done.letters < normal->n)
        rc = words(s, normal, done.letters, normal->n, text->data + done.bytes,
                   text->size - done.bytes, err);
    if (rc == 0 && s->e->n_dropped > dropped)
        qsort(s->e->dropped + dropped, (size_t)(s->e->n_dropped - dropped), sizeof *s->e->dropped,
              offset_order);
    if (normal->n) s->at = normal->letter[normal->n - 1].at + 1;
    return rc;
}

/* ---- the kind ---------------------------------------------------------------------------- */

static int encode(b4c_stretch *stretch_of, b4c_error *err)
{
    const b4c_tokenizer *t = stretch_of->t;
    b4c_letter here[WORD_ROOM];
    scan s = { .t = t, .text = (const uint8_t *)stretch_of->text, .e = stretch_of->e,
               .at = stretch_of->at, .room = WORD_ROOM, .word = here, .here = here };
    s.begin = s.text + stretch_of->begin;
    s.end = s.text + stretch_of->end;
    s.most = t->max_word;
    if (t->flags.dialect == B4C_DIALECT_BERT4KERAS && t->vocab.longest > s.most)
        s.most = t->vocab.longest;
    if (s.most < INT32_MAX) s.most++;   /* one more shows that the word is too long */
    if (s.room > s.most) s.room = s.most;

    int rc = 0;
    if (t->cut || (stretch_of->find_added && t->added.normal.n))
        rc = normalized_stretch(&s, stretch_of->find_added, err);
    else stretch(&s);
    stretch_of->at = s.at;
    if (s.word != here) free(s.word);
    if (rc == 0 && s.failed)
        rc = b4c_fail(err, B4C_E_MEMORY, "tokenize: no memory for %zu bytes of text",
                      stretch_of->end - stretch_of->begin);
    return rc;
}

static int count(const b4c_tokenizer *t) { return t->vocab.n; }

static const char *token(const b4c_tokenizer *t, int id) { return b4c_vocab_token(&t->vocab, id); }

static int find(const b4c_tokenizer *t, const char *text)
{
    return b4c_trie_find(&t->vocab.trie, text, strlen(text));
}

const b4c_cutter b4c_wordpiece_cutter = { encode, count, token, find };
