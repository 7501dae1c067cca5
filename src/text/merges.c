/* merges.c - SentencePiece's BPE.
 *
 * Idea: two characters that no piece has side by side never meet in a symbol, so a text falls apart
 * there into short stretches that are merged alone, with the same result. Within a stretch every
 * symbol knows its node in the trie: a union's node is one walk away. Source: google/sentencepiece,
 * src/bpe_model.cc.
 */
#include "text/merge.h"
#include "text/pieces.h"
#include "text/utf8.h"

/* The union of two symbols is a piece, then its score counts. */
static bool joins(const void *model, const char *text, const b4c_symbol *a, const b4c_symbol *b,
                  uint32_t *both, float *score)
{
    const b4c_pieces *m = model;
    if (a->state == B4C_TRIE_NONE) return false;
    const uint32_t node = b4c_trie_walk(&m->trie, a->state, text + b->begin, b->end - b->begin);
    const int32_t id = node == B4C_TRIE_NONE ? -1 : m->trie.unit[node].value;
    if (id < 0) return false;
    *both = node;
    *score = (float)m->piece[id].score;
    return true;
}

/* A symbol of an unused piece falls back into the two that made it: the pair of highest score that
 * its own merges end with. */
static bool put(const b4c_pieces *m, const char *text, uint32_t begin, uint32_t end,
                b4c_token_list *out)
{
    const int32_t id = b4c_trie_find(&m->trie, text + begin, end - begin);
    if (id >= 0 && m->piece[id].kind == B4C_PIECE_UNUSED) {
        uint32_t at = 0;
        double best = 0;
        for (uint32_t i = begin + 1; i < end; i++) {
            const int32_t a = b4c_trie_find(&m->trie, text + begin, i - begin),
                          b = b4c_trie_find(&m->trie, text + i, end - i);
            if (a < 0 || b < 0) continue;
            const double score = m->piece[a].score < m->piece[b].score ? m->piece[a].score
                                                                       : m->piece[b].score;
            if (!at || score > best) at = i, best = score;
        }
        if (at) return put(m, text, begin, at, out) && put(m, text, at, end, out);
    }
    if (!b4c_token_list_reserve(out, 1)) return false;
    b4c_token_list_add(out, id, begin, end);
    return true;
}

bool b4c_merges_cut(const b4c_pieces *m, const char *text, size_t bytes, b4c_piece_list *out)
{
    b4c_symbol *s = NULL;
    b4c_merge_pair *heap = NULL;
    size_t room = 0;
    const uint8_t *base = (const uint8_t *)text, *p = base, *end = p + bytes, *next;
    while (p < end) {
        int n = 0;
        uint32_t last = 0;
        while (p < end) {
            size_t user;
            const bool frozen = m->map.keep_first[*p] &&
                                b4c_trie_longest(&m->map.keep, (const char *)p, (size_t)(end - p),
                                                 &user) >= 0;
            uint32_t c = 0;
            if (frozen)
                next = p + user;
            else
                c = b4c_utf8_read(p, end, &next);
            if (n && (frozen || s[n - 1].frozen || !b4c_pieces_may_join(m, last, c))) break;
            if ((size_t)n == room) {
                room = 2 * room + 256;
                s = b4c_piece_list_work(out, room * (sizeof *s + 3 * sizeof *heap));
                if (!s) return false;
                heap = (b4c_merge_pair *)(void *)(s + room);
            }
            const uint32_t begin = (uint32_t)(p - base), stop = (uint32_t)(next - base);
            s[n++] = (b4c_symbol){ .begin = begin,
                                   .end = stop,
                                   .frozen = frozen,
                                   .state = b4c_trie_walk(&m->trie, B4C_TRIE_ROOT, text + begin,
                                                          stop - begin) };
            last = c;
            p = next;
        }
        b4c_merge(joins, m, text, s, n, heap);
        for (int i = 0; i >= 0; i = s[i].after)
            if (!put(m, text, s[i].begin, s[i].end, &out->tokens)) return false;
    }
    return true;
}
