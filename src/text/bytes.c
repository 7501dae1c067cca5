/* bytes.c - see bytes.h.
 *
 * Two ideas. Between characters that stand side by side in no token nothing ever merges, so a part
 * falls into short stretches there, with the same result. And stretches repeat, so a list remembers
 * the tokens of short ones; what it does not know is merged (merge.h) with ids as states and minus
 * the rank as score.
 */
#include "text/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/merge.h"
#include "text/utf8.h"

enum { MEMORY_SLOTS = 1 << 13, REMEMBERED_BYTES = 24, REMEMBERED_TOKENS = 10 };

/* A stretch and its tokens: where they end, and what they are. */
typedef struct remembered {
    uint8_t bytes, tokens, text[REMEMBERED_BYTES], end[REMEMBERED_TOKENS];
    int id[REMEMBERED_TOKENS];
} remembered;

struct b4c_bpe_memory {
    remembered part[MEMORY_SLOTS];
    b4c_symbol *symbol;
    b4c_merge_pair *heap;
    size_t room;
};

/* ---- printable characters for bytes
 * ------------------------------------------------------------------------ */

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

/* Append the bytes that `spelt` stands for. A token with characters outside the alphabet (an added
 * one) stands for itself. */
static void plain(b4c_buffer *out, const char *spelt, size_t n, const int16_t *table)
{
    const size_t start = out->size;
    const uint8_t *p = (const uint8_t *)spelt, *end = p + n, *next;
    for (; p < end; p = next) {
        const uint32_t c = b4c_utf8_read(p, end, &next);
        const int byte = c < 512 ? table[c] : -1;
        if (byte < 0) {
            out->size = start;
            b4c_buffer_add(out, spelt, n);
            return;
        }
        const char one = (char)byte;
        b4c_buffer_add(out, &one, 1);
    }
}

/* ---- merges ---------------------------------------------------------------------------------- */

static uint32_t slot_of(const b4c_bpe *m, uint64_t pair)
{
    pair *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(pair >> 32 ^ pair >> 13) & (m->slots - 1);
}

static const b4c_bpe_merge *find_merge(const b4c_bpe *m, uint32_t left, uint32_t right)
{
    const uint64_t pair = (uint64_t)left << 32 | right;
    for (uint32_t i = slot_of(m, pair);; i = (i + 1) & (m->slots - 1)) {
        const b4c_bpe_merge *e = &m->merge[i];
        if (e->rank == UINT32_MAX) return NULL;
        if (e->pair == pair) return e;
    }
}

static int add_merge(b4c_bpe *m, const char *line, int rank, b4c_buffer *bytes,
                     const int16_t *table, const char *where, b4c_error *err)
{
    const char *blank = strchr(line, ' ');
    const size_t n = strlen(line);
    if (!blank || blank == line || !blank[1] || strchr(blank + 1, ' '))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: merge %d: found \"%.100s\", wanted two tokens and a blank between",
                        where, rank, line);
    bytes->size = 0;
    plain(bytes, line, (size_t)(blank - line), table);
    const size_t left_bytes = bytes->size;
    plain(bytes, blank + 1, n - (size_t)(blank + 1 - line), table);
    if (bytes->failed) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory", where);
    const int left = b4c_trie_find(&m->trie, bytes->data, left_bytes),
              both = b4c_trie_find(&m->trie, bytes->data, bytes->size);
    const int right = b4c_trie_find(&m->trie, bytes->data + left_bytes, bytes->size - left_bytes);
    if (left < 0 || right < 0 || both < 0)
        return b4c_fail(
            err, B4C_E_FORMAT,
            "%s: merge %d \"%.100s\": its parts or their union are no tokens of the vocabulary",
            where, rank, line);
    const uint64_t pair = (uint64_t)left << 32 | (uint32_t)right;
    if (find_merge(m, (uint32_t)left, (uint32_t)right))
        return 0; /* the first one counts, as in the reference */
    uint32_t i = slot_of(m, pair);
    while (m->merge[i].rank != UINT32_MAX) i = (i + 1) & (m->slots - 1);
    m->merge[i] = (b4c_bpe_merge){ pair, (uint32_t)rank, (uint32_t)both };
    return 0;
}

/* ---- places where tokens have an inside
 * ------------------------------------------------------------------------- */

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

static int add_tokens(b4c_bpe *m, const b4c_bpe_source *s, const int16_t *table, const char *where,
                      b4c_error *err)
{
    b4c_buffer all = { 0 };
    b4c_key *key = malloc(((size_t)s->n + 1) * sizeof *key);
    m->at = calloc((size_t)s->n + 1, sizeof *m->at);
    if (!key || !m->at) {
        free(key);
        return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %d tokens", where, s->n);
    }
    for (int i = 0; i < s->n; i++) {
        if (s->token[i]) plain(&all, s->token[i], strlen(s->token[i]), table);
        m->at[i + 1] = (uint32_t)all.size;
    }
    m->n = s->n;
    size_t n = 0;
    for (int i = 0; i < s->n && !all.failed; i++)
        if (m->at[i + 1] > m->at[i])
            key[n++] = (b4c_key){ all.data + m->at[i], m->at[i + 1] - m->at[i], i };
    int32_t twice[2];
    const int rc = all.failed ? B4C_E_MEMORY : b4c_trie_build(&m->trie, key, n, twice);
    free(key);
    m->text = all.data;
    if (rc == B4C_E_FORMAT)
        return b4c_fail(err, rc, "%s: tokens %d and %d are the same bytes; wanted each once", where,
                        twice[0], twice[1]);
    if (rc < 0 || learn_edges(m) < 0)
        return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %d tokens", where, s->n);
    for (int i = 0; i < 256; i++) {
        const char byte = (char)i;
        m->byte_id[i] = b4c_trie_find(&m->trie, &byte, 1);
    }
    return 0;
}

int b4c_bpe_make(b4c_bpe *m, const b4c_bpe_source *s, const char *where, b4c_error *err)
{
    *m = (b4c_bpe){ .split = s->split,
                    .prefix_blank = s->prefix_blank,
                    .whole_first = s->whole_first };
    int16_t table[512];
    for (int c = 0; c < 512; c++) table[c] = (int16_t)byte_of((uint32_t)c);
    if (s->n < 1 || s->n > 1 << 24 || s->n_merges < 0 ||
        s->n_merges > 1 << 24) /* ranks must be exact as float scores */
        return b4c_fail(err, B4C_E_FORMAT, "%s: found %d tokens and %d merges, wanted 1 to %d",
                        where, s->n, s->n_merges, 1 << 24);
    for (m->slots = 16; m->slots < 2 * (uint32_t)s->n_merges;) m->slots *= 2;
    m->merge = malloc(m->slots * sizeof *m->merge);
    int rc = m->merge
               ? add_tokens(m, s, table, where, err)
               : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for %d merges", where, s->n_merges);
    b4c_buffer bytes = { 0 };
    for (uint32_t i = 0; rc == 0 && i < m->slots; i++) m->merge[i].rank = UINT32_MAX;
    for (int i = 0; rc == 0 && i < s->n_merges; i++)
        rc = add_merge(m, s->merges[i], i, &bytes, table, where, err);
    b4c_buffer_done(&bytes);
    if (rc < 0) b4c_bpe_done(m);
    return rc;
}

void b4c_bpe_done(b4c_bpe *m)
{
    free(m->text);
    free(m->at);
    free(m->merge);
    free(m->edge);
    b4c_trie_done(&m->trie);
    *m = (b4c_bpe){ 0 };
}

const char *b4c_bpe_text(const b4c_bpe *m, int id, size_t *n)
{
    *n = id >= 0 && id < m->n ? m->at[id + 1] - m->at[id] : 0;
    return *n ? m->text + m->at[id] : "";
}

/* ---- encoding -------------------------------------------------------------------------------- */

static bool ready(b4c_bpe_list *l, size_t n, size_t symbols)
{
    if (!l->memory && !(l->memory = calloc(1, sizeof *l->memory))) return false;
    if ((size_t)(l->room - l->n) < n) {
        if (n > (size_t)(INT32_MAX / 2 - l->n)) return false;
        const int room = 2 * (l->n + (int)n) + 64;
        void *id = realloc(l->id, (size_t)room * sizeof *l->id);
        if (id) l->id = id;
        void *begin = realloc(l->begin, (size_t)room * sizeof *l->begin);
        if (begin) l->begin = begin;
        void *end = realloc(l->end, (size_t)room * sizeof *l->end);
        if (end) l->end = end;
        if (!id || !begin || !end) return false;
        l->room = room;
    }
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
    free(l->id);
    free(l->begin);
    free(l->end);
    *l = (b4c_bpe_list){ 0 };
}

static bool joins(const void *model, const char *text, const b4c_symbol *a, const b4c_symbol *b,
                  uint32_t *both, float *score)
{
    (void)text;
    const b4c_bpe_merge *e = find_merge(model, a->state, b->state);
    if (!e) return false;
    *both = e->id;
    *score = -(float)e->rank;
    return true;
}

static void put(b4c_bpe_list *l, int id, size_t begin, size_t end)
{
    l->id[l->n] = id;
    l->begin[l->n] = (uint32_t)begin;
    l->end[l->n++] = (uint32_t)end;
}

/* Merge one stretch, `n` bytes that lie at `base` of the caller's text. B4C_E_TEXT: it has a byte
 * that is no token. */
static int merge_stretch(const b4c_bpe *m, const uint8_t *p, size_t n, size_t base, b4c_bpe_list *l)
{
    b4c_symbol *s = l->memory->symbol;
    for (size_t i = 0; i < n; i++) {
        const int id = m->byte_id[p[i]];
        if (id < 0) return B4C_E_TEXT;
        s[i] = (b4c_symbol){ .begin = (uint32_t)i, .end = (uint32_t)i + 1, .state = (uint32_t)id };
    }
    b4c_merge(joins, m, NULL, s, (int)n, l->memory->heap);
    for (int i = 0; i >= 0; i = s[i].after)
        put(l, (int)s[i].state, base + s[i].begin, base + s[i].end);
    return 0;
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
    if (n > REMEMBERED_BYTES) return merge_stretch(m, p, n, base, l);
    remembered *r = &l->memory->part[hash_bytes(p, n)];
    if (r->bytes == n && !memcmp(r->text, p, n)) {
        for (int i = 0, begin = 0; i < r->tokens; begin = r->end[i++])
            put(l, r->id[i], base + (size_t)begin, base + r->end[i]);
        return 0;
    }
    const int first = l->n;
    B4C_TRY(merge_stretch(m, p, n, base, l));
    const int tokens = l->n - first;
    if (tokens > REMEMBERED_TOKENS) return 0;
    r->bytes = (uint8_t)n;
    r->tokens = (uint8_t)tokens;
    memcpy(r->text, p, n);
    for (int i = 0; i < tokens; i++) {
        r->id[i] = l->id[first + i];
        r->end[i] = (uint8_t)(l->end[first + i] - base);
    }
    return 0;
}

static int encode_part(const b4c_bpe *m, const uint8_t *part, size_t n, size_t base,
                       b4c_bpe_list *l)
{
    const int32_t whole = m->whole_first ? b4c_trie_find(&m->trie, (const char *)part, n) : -1;
    if (whole >= 0) {
        if (!ready(l, 1, 0)) return B4C_E_MEMORY;
        put(l, whole, base, base + n);
        return 0;
    }
    const uint8_t *end = part + n, *begin = part;
    for (const uint8_t *p = part + 1; p <= end; p++) {
        if (p < end && ((*p & 0xc0) == 0x80 || may_span(m, part, p, end))) continue;
        B4C_TRY(encode_stretch(m, begin, (size_t)(p - begin), base + (size_t)(begin - part), l));
        begin = p;
    }
    return 0;
}

/* The tokens of a text that is cut as it is. */
static int encode(const b4c_bpe *m, const uint8_t *text, size_t bytes, b4c_bpe_list *l)
{
    const uint8_t *begin, *stop;
    b4c_splitter s = { m->split, text, text + bytes, NULL };
    while (b4c_split_next(&s, &begin, &stop))
        B4C_TRY(encode_part(m, begin, (size_t)(stop - begin), (size_t)(begin - text), l));
    return 0;
}

/* The same with a blank in front, which has no place in the caller's text. */
static int encode_behind_blank(const b4c_bpe *m, const char *text, size_t bytes, b4c_bpe_list *l)
{
    b4c_buffer longer = { 0 };
    b4c_buffer_add(&longer, " ", 1);
    b4c_buffer_add(&longer, text, bytes);
    const int rc = longer.failed ? B4C_E_MEMORY
                                 : encode(m, (const uint8_t *)longer.data, longer.size, l);
    b4c_buffer_done(&longer);
    for (int i = 0; i < l->n; i++) {
        l->begin[i] -= l->begin[i] > 0;
        l->end[i]--;
    }
    return rc;
}

int b4c_bpe_encode(const b4c_bpe *m, const char *text, size_t bytes, b4c_bpe_list *l,
                   b4c_error *err)
{
    if (bytes >= UINT32_MAX)
        return b4c_fail(
            err, B4C_E_TEXT,
            "tokens: found a text of %zu bytes, wanted fewer than 4 GiB; cut it into lines", bytes);
    l->n = 0;
    const bool blank = m->prefix_blank && bytes && text[0] != ' ';
    const int rc = blank ? encode_behind_blank(m, text, bytes, l)
                         : encode(m, (const uint8_t *)text, bytes, l);
    if (rc == B4C_E_MEMORY) b4c_fail(err, rc, "tokens: no memory for a text of %zu bytes", bytes);
    if (rc == B4C_E_TEXT)
        b4c_fail(err, rc, "tokens: the text has a byte that the vocabulary has no token for");
    return rc;
}
