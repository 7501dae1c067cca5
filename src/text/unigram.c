/* unigram.c - the most probable pieces of a text: Viterbi over the trie of pieces, forward.
 *
 * Scores are summed and compared as the reference does (EncodeOptimized in unigram_model.cc: in
 * float; the hub's: in double), so that even sums that round alike choose alike: a later path must
 * be better, not equal. A sum of two floats in double, rounded, is their sum in float. A character
 * that is no piece costs the lowest score minus 10; a user-defined piece always wins, since it
 * costs a tenth where others cost whole numbers.
 */
#include <string.h>

#include "text/pieces.h"
#include "text/utf8.h"

typedef struct node {
    double score;
    int32_t id;
    uint32_t from;
} node; /* best way to end here; from == own place: none yet */

static size_t char_bytes(uint8_t c) { return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4; }

static inline double sum(double a, double b, bool exact)
{
    return exact ? a + b : (double)(float)(a + b);
}

static inline bool cut(const b4c_pieces *m, const char *text, size_t n, b4c_piece_list *out,
                       bool exact)
{
    node *best = b4c_piece_list_work(out, (n + 1) * sizeof *best);
    if (!best) return false;
    for (size_t i = 0; i <= n; i++) best[i] = (node){ 0, -1, (uint32_t)i };
    const double unknown = sum(m->lowest, -10, exact);
    const b4c_trie_unit *unit = m->trie.unit;

    for (size_t at = 0; at < n;) {
        size_t one = char_bytes((uint8_t)text[at]);
        if (one > n - at) one = n - at;
        const double here = best[at].score;
        bool single = false;
        uint32_t place = B4C_TRIE_ROOT;
        for (size_t i = at; i < n;) {
            place = b4c_trie_step(&m->trie, place, (uint8_t)text[i++]);
            if (place == B4C_TRIE_NONE) break;
            const int32_t id = unit[place].value;
            if (id < 0 || m->piece[id].kind == B4C_PIECE_UNUSED) continue;
            const bool user = m->piece[id].kind == B4C_PIECE_USER;
            const double gain = user ? (double)((float)(i - at) * (float)m->highest - 0.1f)
                                     : m->piece[id].score;
            const double score = sum(gain, here, exact);
            if (best[i].from == i || score > best[i].score)
                best[i] = (node){ score, id, (uint32_t)at };
            single |= i - at == one;
        }
        if (!single) {
            const double score = sum(unknown, here, exact);
            node *to = &best[at + one];
            if (to->from == at + one || score > to->score) *to = (node){ score, -1, (uint32_t)at };
        }
        at += one;
    }

    b4c_token_list *l = &out->tokens;
    size_t count = 0;
    for (size_t i = n; i > 0; i = best[i].from) count++;
    if (!b4c_token_list_reserve(l, count)) return false;
    size_t k = (size_t)l->n + count;
    l->n = (int)k;
    for (size_t i = n; i > 0; i = best[i].from) {
        k--;
        l->id[k] = best[i].id;
        l->begin[k] = best[i].from;
        l->end[k] = (uint32_t)i;
    }
    return true;
}

bool b4c_unigram_cut(const b4c_pieces *m, const char *text, size_t bytes, b4c_piece_list *out)
{
    return m->exact_sums ? cut(m, text, bytes, out, true) : cut(m, text, bytes, out, false);
}
