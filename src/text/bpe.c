/* bpe.c - see bpe.h.
 *
 * Two ideas. Between characters that stand side by side in no token nothing ever merges, so a part
 * falls into short stretches there, with the same result. And stretches repeat, so a list remembers
 * the tokens of short ones; what it does not know is merged (merge.h) with ids as states and minus
 * the rank as score.
 */
#include "text/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/merge.h"
#include "text/utf8.h"

enum { MEMORY_SLOTS = 1 << 13, REMEMBERED_BYTES = 24, REMEMBERED_TOKENS = 10 };
enum { MOST = 1 << 24 }; /* tokens, and merges: ranks must be exact as float scores */

/* A stretch and its tokens: where they end, and what they are. */
typedef struct remembered {
    uint8_t bytes, tokens, text[REMEMBERED_BYTES];
    uint8_t begin[REMEMBERED_TOKENS], end[REMEMBERED_TOKENS];
    int id[REMEMBERED_TOKENS];
} remembered;

struct b4c_bpe_memory {
    uint64_t mark; /* of the model that cut these */
    remembered part[MEMORY_SLOTS];
    b4c_symbol *symbol;
    b4c_merge_pair *heap;
    size_t room;
};

/* ---- printable characters for bytes ------------------------------------------------------ */

/* Bytes that print stand for themselves; the others, in rising order, for U+0100 and on. Source:
 * openai/gpt-2, encoder.py. */
static bool prints(int byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static int byte_of(uint32_t c)
{
    if (c < 256) return prints((int)c) ? (int)c : -1;
    for (int byte = 0, next = 256; byte < 256; byte++)
        if (!prints(byte) && next++ == (int)c) return byte;
    return -1;
}

typedef struct alphabet { int16_t byte[512]; } alphabet; /* -1: the character stands for none */

static void make_alphabet(alphabet *a)
{
    for (uint32_t c = 0; c < 512; c++) a->byte[c] = (int16_t)byte_of(c);
}

/* Append the bytes that `spelt` stands for. False: a character stands for none, and nothing is
 * appended. a NULL: characters stand for themselves. */
static bool plain(b4c_buffer *out, const alphabet *a, const char *spelt, size_t n)
{
    const size_t start = out->size;
    const uint8_t *p = (const uint8_t *)spelt, *end = p + n, *next;
    if (!a) b4c_buffer_add(out, spelt, n);
    for (; a && p < end; p = next) {
        const uint32_t c = b4c_utf8_read(p, end, &next);
        const int byte = c < 512 ? a->byte[c] : -1;
        const char one = (char)byte;
        if (byte < 0) {
            out->size = start;
            return false;
        }
        b4c_buffer_add(out, &one, 1);
    }
    return true;
}

/* ---- merges ------------------------------------------------------------------------------ */

static uint32_t slot_of(const b4c_bpe *m, uint64_t pair)
{
    pair *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(pair >> 32 ^ pair >> 13) & (m->slots - 1);
}

static const b4c_bpe_rule *find_rule(const b4c_bpe *m, uint32_t left, uint32_t right)
{
    const uint64_t pair = (uint64_t)left << 32 | right;
    for (uint32_t i = slot_of(m, pair);; i = (i + 1) & (m->slots - 1)) {
        const b4c_bpe_rule *e = &m->rule[i];
        if (e->rank == UINT32_MAX) return NULL;
        if (e->pair == pair) return e;
    }
}

static int add_rule(b4c_bpe *m, const b4c_bpe_pair *p, uint32_t rank, b4c_buffer *bytes,
                    const alphabet *a, const char *where, b4c_error *err)
{
    bytes->size = 0;
    int left = -1, right = -1, both = -1;
    if (plain(bytes, a, p->left, p->left_bytes)) {
        const size_t cut = bytes->size;
        if (plain(bytes, a, p->right, p->right_bytes) && !bytes->failed && bytes->data) {
            left = b4c_trie_find(&m->trie, bytes->data, cut);
            right = b4c_trie_find(&m->trie, bytes->data + cut, bytes->size - cut);
            both = b4c_trie_find(&m->trie, bytes->data, bytes->size);
        }
    }
    if (bytes->failed) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory", where);
    if (left < 0 || right < 0 || both < 0)
        return b4c_fail(
            err, B4C_E_FORMAT,
            "%s: merge %u \"%.*s %.*s\": its parts or their union are no tokens of the vocabulary",
            where, rank, p->left_bytes < 80 ? (int)p->left_bytes : 80, p->left,
            p->right_bytes < 80 ? (int)p->right_bytes : 80, p->right);
    const uint64_t pair = (uint64_t)left << 32 | (uint32_t)right;
    uint32_t i = slot_of(m, pair);
    for (; m->rule[i].rank != UINT32_MAX; i = (i + 1) & (m->slots - 1))
        if (m->rule[i].pair == pair) return 0; /* the first one counts, as in the reference */
    m->rule[i] = (b4c_bpe_rule){ pair, rank, (uint32_t)both };
    return 0;
}

/* ---- places where tokens have an inside -------------------------------------------------- */

/* Up to this many bytes on either side tell one place from another: a Chinese character each. */
enum { EDGE = 3 };

/* The last l bytes before p and the first r from it on, as one number a side. */
static uint32_t edge_bit(const b4c_bpe *m, const uint8_t *p, int l, int r)
{
    uint32_t left = (uint32_t)l, right = (uint32_t)r;
    for (int i = -l; i < 0; i++) left = left << 8 | p[i];
    for (int i = 0; i < r; i++) right = right << 8 | p[i];
    return (left * 0x9e3779b1u ^ right * 0x85ebca6bu) * 0xc2b2ae35u >> 3 & m->edge_mask;
}

static int learn_edges(b4c_bpe *m)
{
    uint32_t bits = 1 << 12;
    while (bits < 8 * (uint64_t)m->at[m->n] && bits < 1u << 27) bits *= 2;
    m->edge_mask = bits - 1;
    m->edge = calloc(bits / 64, sizeof *m->edge);
    if (!m->edge) return B4C_E_MEMORY;
    for (int id = 0; id < m->n; id++) {
        const uint8_t *p = (const uint8_t *)m->text + m->at[id];
        const int n = (int)(m->at[id + 1] - m->at[id]);
        for (int i = 1; i < n; i++) {
            const int l = i < EDGE ? i : EDGE, r = n - i < EDGE ? n - i : EDGE;
            const uint32_t bit = edge_bit(m, p + i, l, r);
            m->edge[bit >> 6] |= (uint64_t)1 << (bit & 63);
            m->edge_kinds |= 1u << (EDGE * (l - 1) + r - 1);
            if (l < EDGE || r < EDGE)
                m->near_end[p[i - 1] << 2 | p[i] >> 6] |= (uint64_t)1 << (p[i] & 63);
        }
    }
    return 0;
}

static bool has_edge(const b4c_bpe *m, const uint8_t *p, int l, int r)
{
    const uint32_t bit = edge_bit(m, p, l, r);
    return m->edge[bit >> 6] >> (bit & 63) & 1;
}

/* May a token have p, which lies in (begin, end), inside? */
static bool may_span(const b4c_bpe *m, const uint8_t *begin, const uint8_t *p, const uint8_t *end)
{
    if (p - begin >= EDGE && end - p >= EDGE && has_edge(m, p, EDGE, EDGE)) return true;
    if (!(m->near_end[p[-1] << 2 | p[0] >> 6] >> (p[0] & 63) & 1)) return false;
    for (int l = EDGE; l >= 1; l--)
        for (int r = l == EDGE ? EDGE - 1 : EDGE; r >= 1; r--)
            if (m->edge_kinds >> (EDGE * (l - 1) + r - 1) & 1 && p - begin >= l && end - p >= r &&
                has_edge(m, p, l, r))
                return true;
    return false;
}

/* ---- making ------------------------------------------------------------------------------ */

/* Copy spellings; `by_id` [n] becomes the index of each id's token, -1: a hole. */
static int copy_spellings(b4c_bpe *m, const b4c_bpe_source *s, int32_t *by_id, const char *where,
                          b4c_error *err)
{
    size_t bytes = 0, at = 0;
    for (int id = 0; id < m->n; id++) by_id[id] = -1;
    for (size_t i = 0; i < s->n; i++) {
        bytes += s->token[i].bytes + 1;
        int32_t *index = &by_id[s->token[i].value];
        if (*index >= 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: two tokens have id %d, wanted one", where,
                            s->token[i].value);
        *index = (int32_t)i;
    }
    m->spelt_at = malloc((size_t)m->n * sizeof *m->spelt_at);
    m->spelt = bytes < UINT32_MAX ? malloc(bytes) : NULL;
    if (!m->spelt || !m->spelt_at)
        return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %d tokens", where, m->n);
    for (int id = 0; id < m->n; id++) {
        m->spelt_at[id] = UINT32_MAX;
        if (by_id[id] < 0) continue;
        const b4c_key *t = &s->token[by_id[id]];
        m->spelt_at[id] = (uint32_t)at;
        memcpy(m->spelt + at, t->text, t->bytes);
        m->spelt[at + t->bytes] = 0;
        at += t->bytes + 1;
    }
    return 0;
}

/* "<0x1F>" -> 31, or -1. */
static int byte_piece(const char *spelt)
{
    unsigned byte;
    char again[8];
    if (sscanf(spelt, "<0x%2X>", &byte) != 1) return -1;
    snprintf(again, sizeof again, "<0x%02X>", byte);
    return strcmp(again, spelt) ? -1 : (int)byte;
}

static int add_tokens(b4c_bpe *m, const b4c_bpe_source *s, const alphabet *a, const char *where,
                      b4c_error *err)
{
    const size_t n = (size_t)m->n;
    b4c_buffer all = { 0 };
    b4c_key *key = malloc(2 * n * sizeof *key), *other = key ? key + n : NULL;
    int32_t *by_id = malloc(n * sizeof *by_id), twice[2];
    m->at = calloc(n + 1, sizeof *m->at);
    int rc = key && by_id && m->at
               ? copy_spellings(m, s, by_id, where, err)
               : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %d tokens", where, m->n);
    size_t keys = 0, others = 0;
    for (int i = 0; i < 256; i++) m->byte_id[i] = -1;
    for (int id = 0; rc == 0 && id < m->n; id++) {
        const char *spelt = b4c_bpe_spelling(m, id);
        const size_t bytes = spelt ? strlen(spelt) : 0;
        const int byte = s->byte_fallback && spelt ? byte_piece(spelt) : -1;
        if (byte >= 0) m->byte_id[byte] = id;
        bool text = byte < 0 && !(s->apart && s->apart[id]);
        if (!plain(&all, a, spelt ? spelt : "", bytes)) { /* an added one stands for itself */
            b4c_buffer_add(&all, spelt, bytes);
            text = false;
        }
        m->at[id + 1] = (uint32_t)all.size;
        if (!bytes) continue;
        if (text) key[keys++] = (b4c_key){ NULL, 0, id };
        else other[others++] = (b4c_key){ spelt, bytes, id };
    }
    b4c_buffer_text(&all, ""); /* a place to point at, though all tokens be empty */
    m->text = all.data;
    if (rc == 0 && (all.failed || all.size >= UINT32_MAX)) rc = B4C_E_MEMORY;
    for (size_t i = 0; rc == 0 && i < keys; i++) {
        const int32_t id = key[i].value;
        key[i] = (b4c_key){ m->text + m->at[id], m->at[id + 1] - m->at[id], id };
    }
    if (rc == 0) {
        rc = b4c_trie_build(&m->trie, key, keys, twice);
        if (rc == 0) rc = b4c_trie_build(&m->other, other, others, twice);
        if (rc == B4C_E_FORMAT)
            b4c_fail(err, rc, "%s: tokens %d and %d are both \"%s\"; wanted each once", where,
                     twice[0], twice[1], b4c_bpe_spelling(m, twice[0]));
    }
    if (rc == 0) rc = learn_edges(m);
    if (rc == B4C_E_MEMORY) b4c_fail(err, rc, "%s: no memory for %d tokens", where, m->n);
    free(key);
    free(by_id);
    return rc;
}

/* A number that tells this model from others: of its tokens, merges and ways. */
static uint64_t mark_of(const b4c_bpe *m)
{
    uint64_t h = (uint64_t)m->split << 8 | (uint64_t)m->characters << 4 |
                 (uint64_t)m->whole_first << 2 | m->fuse_unknown;
    const uint64_t step = 0x100000001b3u;
    for (size_t i = 0; i < m->at[m->n]; i++) h = (h ^ (uint8_t)m->text[i]) * step;
    for (int i = 0; i <= m->n; i++) h = (h ^ m->at[i]) * step;
    for (uint32_t i = 0; i < m->slots; i++)
        if (m->rule[i].rank != UINT32_MAX)
            h = (h ^ m->rule[i].pair ^ (uint64_t)m->rule[i].rank << 20) * step;
    for (int i = 0; i < 256; i++) h = (h ^ (uint32_t)m->byte_id[i]) * step;
    return (h ^ (uint32_t)m->unknown) * step | 1;
}

int b4c_bpe_make(b4c_bpe *m, const b4c_bpe_source *s, const char *where, b4c_error *err)
{
    *m = (b4c_bpe){ .split = s->split,
                    .characters = s->characters,
                    .whole_first = s->whole_first,
                    .fuse_unknown = s->fuse_unknown,
                    .unknown = -1 };
    alphabet bytes_of_characters, *a = s->characters ? NULL : &bytes_of_characters;
    if (a) make_alphabet(a);
    for (size_t i = 0; i < s->n && s->n <= MOST; i++)
        if (s->token[i].value >= m->n) m->n = s->token[i].value + 1;
    if (m->n < 1 || m->n > MOST || s->pairs > MOST)
        return b4c_fail(err, B4C_E_FORMAT, "%s: found %zu tokens and %zu merges, wanted 1 to %d",
                        where, s->n, s->pairs, MOST);
    for (m->slots = 16; m->slots < 2 * (uint32_t)s->pairs;) m->slots *= 2;
    m->rule = malloc(m->slots * sizeof *m->rule);
    int rc = m->rule ? add_tokens(m, s, a, where, err)
                     : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %zu merges", where, s->pairs);
    b4c_buffer bytes = { 0 };
    for (uint32_t i = 0; rc == 0 && i < m->slots; i++) m->rule[i].rank = UINT32_MAX;
    for (size_t i = 0; rc == 0 && i < s->pairs; i++)
        rc = add_rule(m, &s->pair[i], (uint32_t)i, &bytes, a, where, err);
    b4c_buffer_done(&bytes);
    for (int i = 0; rc == 0 && !s->characters && i < 256; i++) {
        const char byte = (char)i;
        m->byte_id[i] = b4c_trie_find(&m->trie, &byte, 1);
    }
    if (rc == 0 && s->unknown) m->unknown = b4c_bpe_find(m, s->unknown);
    if (rc == 0 && s->unknown && m->unknown < 0 && s->characters)
        rc = b4c_fail(err, B4C_E_FORMAT, "%s: the unknown token '%.80s' is not in the vocabulary",
                      where, s->unknown);
    if (rc == 0) m->mark = mark_of(m);
    if (rc < 0) b4c_bpe_done(m);
    return rc;
}

void b4c_bpe_done(b4c_bpe *m)
{
    free(m->text);
    free(m->at);
    free(m->spelt);
    free(m->spelt_at);
    free(m->rule);
    free(m->edge);
    b4c_trie_done(&m->trie);
    b4c_trie_done(&m->other);
    *m = (b4c_bpe){ 0 };
}

const char *b4c_bpe_text(const b4c_bpe *m, int id, size_t *n)
{
    *n = id >= 0 && id < m->n ? m->at[id + 1] - m->at[id] : 0;
    return *n ? m->text + m->at[id] : "";
}

const char *b4c_bpe_spelling(const b4c_bpe *m, int id)
{
    return id < 0 || id >= m->n || m->spelt_at[id] == UINT32_MAX ? NULL
                                                                 : m->spelt + m->spelt_at[id];
}

int b4c_bpe_find(const b4c_bpe *m, const char *spelling)
{
    alphabet a;
    b4c_buffer bytes = { 0 };
    const size_t n = strlen(spelling);
    int32_t id = b4c_trie_find(&m->other, spelling, n);
    if (!m->characters) make_alphabet(&a);
    if (id < 0 && plain(&bytes, m->characters ? NULL : &a, spelling, n) && bytes.data)
        id = b4c_trie_find(&m->trie, bytes.data, bytes.size);
    b4c_buffer_done(&bytes);
    return id;
}

/* ---- encoding ---------------------------------------------------------------------------- */

static bool ready(b4c_bpe_list *l, size_t n, size_t symbols)
{
    if (!b4c_token_list_reserve(&l->tokens, n)) return false;
    struct b4c_bpe_memory *mem = l->memory;
    if (mem->room >= symbols) return true;
    const size_t room = 2 * symbols + 64;
    void *symbol = realloc(mem->symbol, room * sizeof *mem->symbol);
    if (symbol) mem->symbol = symbol;
    void *heap = realloc(mem->heap, 3 * room * sizeof *mem->heap);
    if (heap) mem->heap = heap;
    if (!symbol || !heap) return false;
    mem->room = room;
    return true;
}

void b4c_bpe_list_done(b4c_bpe_list *l)
{
    if (l->memory) {
        free(l->memory->symbol);
        free(l->memory->heap);
        free(l->memory);
    }
    b4c_token_list_done(&l->tokens);
    *l = (b4c_bpe_list){ 0 };
}

static bool joins(const void *model, const char *text, const b4c_symbol *a, const b4c_symbol *b,
                  uint32_t *both, float *score)
{
    (void)text;
    const b4c_bpe_rule *e = find_rule(model, a->state, b->state);
    if (!e) return false;
    *both = e->id;
    *score = -(float)e->rank;
    return true;
}

static b4c_symbol symbol(int id, size_t begin, size_t end)
{
    return (b4c_symbol){ .begin = (uint32_t)begin, .end = (uint32_t)end, .state = (uint32_t)id };
}

/* Characters of a stretch as symbols; what is no token is its bytes, if all of them are, or
 * unknown. */
static int characters(const b4c_bpe *m, const uint8_t *p, size_t n, b4c_symbol *s)
{
    const uint8_t *const base = p, *const end = p + n, *next;
    int count = 0;
    for (; p < end; p = next) {
        b4c_utf8_read(p, end, &next);
        const size_t bytes = (size_t)(next - p), begin = (size_t)(p - base);
        int id = b4c_trie_find(&m->trie, (const char *)p, bytes);
        bool as_bytes = id < 0;
        for (size_t i = 0; i < bytes && as_bytes; i++) as_bytes = m->byte_id[p[i]] >= 0;
        if (id < 0) id = m->unknown;
        if (as_bytes)
            for (size_t i = 0; i < bytes; i++)
                s[count++] = symbol(m->byte_id[p[i]], begin, begin + bytes);
        else if (id >= 0) s[count++] = symbol(id, begin, begin + bytes);
    }
    return count;
}

static int single_bytes(const b4c_bpe *m, const uint8_t *p, size_t n, b4c_symbol *s)
{
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        const int id = m->byte_id[p[i]] >= 0 ? m->byte_id[p[i]] : m->unknown;
        if (id >= 0) s[count++] = symbol(id, i, i + 1);
    }
    return count;
}

/* Merge one stretch, `n` bytes that lie at `base` of the caller's text. */
static void merge_stretch(const b4c_bpe *m, const uint8_t *p, size_t n, size_t base,
                          b4c_bpe_list *l)
{
    b4c_symbol *s = l->memory->symbol;
    const int count = m->characters ? characters(m, p, n, s) : single_bytes(m, p, n, s);
    if (count == 0) return;
    b4c_merge(joins, m, NULL, s, count, l->memory->heap);
    for (int i = 0; i >= 0; i = s[i].after)
        b4c_token_list_add(&l->tokens, (int)s[i].state, base + s[i].begin, base + s[i].end);
}

static uint32_t hash_bytes(const uint8_t *p, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 29) & (MEMORY_SLOTS - 1);
}

static int encode_stretch(const b4c_bpe *m, const uint8_t *p, size_t n, size_t base,
                          b4c_bpe_list *l)
{
    if (n > INT32_MAX / 2 || !ready(l, n, n)) return B4C_E_MEMORY;
    remembered *r = n <= REMEMBERED_BYTES ? &l->memory->part[hash_bytes(p, n)] : NULL;
    if (r && r->bytes == n && !memcmp(r->text, p, n)) {
        for (int i = 0; i < r->tokens; i++)
            b4c_token_list_add(&l->tokens, r->id[i], base + r->begin[i], base + r->end[i]);
        return 0;
    }
    const int first = l->tokens.n;
    merge_stretch(m, p, n, base, l);
    const int tokens = l->tokens.n - first;
    if (!r || tokens > REMEMBERED_TOKENS) return 0;
    r->bytes = (uint8_t)n;
    r->tokens = (uint8_t)tokens;
    memcpy(r->text, p, n);
    for (int i = 0; i < tokens; i++) {
        r->id[i] = l->tokens.id[first + i];
        r->begin[i] = (uint8_t)(l->tokens.begin[first + i] - base);
        r->end[i] = (uint8_t)(l->tokens.end[first + i] - base);
    }
    return 0;
}

static int encode_part(const b4c_bpe *m, const uint8_t *part, size_t n, size_t base,
                       b4c_bpe_list *l)
{
    const int first = l->tokens.n;
    const int32_t whole = m->whole_first ? b4c_trie_find(&m->trie, (const char *)part, n) : -1;
    if (whole >= 0) {
        if (!ready(l, 1, 0)) return B4C_E_MEMORY;
        b4c_token_list_add(&l->tokens, whole, base, base + n);
        return 0;
    }
    const uint8_t *end = part + n, *begin = part;
    for (const uint8_t *p = part + 1; p <= end; p++) {
        if (p < end && ((*p & 0xc0) == 0x80 || may_span(m, part, p, end))) continue;
        B4C_TRY(encode_stretch(m, begin, (size_t)(p - begin), base + (size_t)(begin - part), l));
        begin = p;
    }
    if (m->fuse_unknown && m->unknown >= 0)
        b4c_token_list_fuse(&l->tokens, first, m->unknown, m->unknown);
    return 0;
}

/* What is remembered is this model's. */
static bool recall(const b4c_bpe *m, b4c_bpe_list *l)
{
    if (!l->memory && !(l->memory = calloc(1, sizeof *l->memory))) return false;
    if (l->memory->mark != m->mark && l->memory->mark)
        memset(l->memory->part, 0, sizeof l->memory->part);
    l->memory->mark = m->mark;
    return true;
}

int b4c_bpe_encode(const b4c_bpe *m, const char *text, size_t bytes, b4c_bpe_list *l,
                   b4c_error *err)
{
    if (bytes >= UINT32_MAX)
        return b4c_fail(
            err, B4C_E_TEXT,
            "tokens: found a text of %zu bytes, wanted fewer than 4 GiB; cut it into lines", bytes);
    l->tokens.n = 0;
    const uint8_t *const base = (const uint8_t *)text, *begin, *stop;
    b4c_splitter s = { m->split, base, base + bytes, NULL };
    int rc = recall(m, l) ? 0 : B4C_E_MEMORY;
    while (rc == 0 && b4c_split_next(&s, &begin, &stop))
        rc = encode_part(m, begin, (size_t)(stop - begin), (size_t)(begin - base), l);
    return rc == 0 ? 0
                   : b4c_fail(err, rc, "tokens: no memory for a text of %zu bytes", bytes);
}
