/* merge.h - byte-pair merging: join the two neighbours whose union scores highest, the leftmost of
 * equals, until none may be joined.
 *
 * The one loop of SentencePiece's BPE (scores of pieces, states are trie nodes) and of byte-level
 * BPE (minus the rank, states are ids). A symbol keeps the union with its right neighbour, so a
 * round only looks for the best; long stretches keep a heap instead. The caller's join function is
 * inlined.
 */
#ifndef B4C_TEXT_MERGE_H
#define B4C_TEXT_MERGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct b4c_symbol {
    uint32_t begin, end;   /* bytes; end == begin: merged away */
    uint32_t state;        /* what the join function needs to know */
    int32_t before, after; /* neighbours, -1: none */
    bool frozen, may;      /* never joined; may be joined with the one behind */
    uint32_t both;         /* state and score of that union */
    float score;
} b4c_symbol;

typedef struct b4c_merge_pair {
    float score;
    int32_t left;
    uint32_t end;
} b4c_merge_pair; /* end: of the union, when it was found */

/* Symbols of at most this many are merged without a heap. */
enum { B4C_MERGE_SHORT = 32 };

/* May a and b be joined? Then *both and *score are set. */
typedef bool (*b4c_join_fn)(const void *model, const char *text, const b4c_symbol *a,
                            const b4c_symbol *b, uint32_t *both, float *score);

#define B4C_INLINE static inline __attribute__((always_inline))

B4C_INLINE void b4c_merge_look(b4c_join_fn may_join, const void *model, const char *text,
                               b4c_symbol *s, int i)
{
    if (i < 0) return;
    const b4c_symbol *b = s[i].after < 0 ? NULL : &s[s[i].after];
    s[i].may = b && !s[i].frozen && !b->frozen &&
               may_join(model, text, &s[i], b, &s[i].both, &s[i].score);
}

B4C_INLINE void b4c_merge_join(b4c_join_fn may_join, const void *model, const char *text,
                               b4c_symbol *s, int i)
{
    b4c_symbol *a = &s[i], *b = &s[a->after];
    a->end = b->end;
    a->state = a->both;
    a->after = b->after;
    if (b->after >= 0) s[b->after].before = i;
    b->end = b->begin;
    b4c_merge_look(may_join, model, text, s, a->before);
    b4c_merge_look(may_join, model, text, s, i);
}

static inline bool b4c_merge_above(const b4c_merge_pair *a, const b4c_merge_pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static inline void b4c_merge_push(b4c_merge_pair *heap, int *n, const b4c_symbol *s, int left)
{
    if (left < 0 || !s[left].may) return;
    const b4c_merge_pair p = { s[left].score, left, s[s[left].after].end };
    int i = (*n)++;
    for (; i > 0 && b4c_merge_above(&p, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = p;
}

static inline b4c_merge_pair b4c_merge_pop(b4c_merge_pair *heap, int *n)
{
    const b4c_merge_pair top = heap[0], last = heap[--*n];
    int i = 0;
    for (int k; (k = 2 * i + 1) < *n; i = k) {
        if (k + 1 < *n && b4c_merge_above(&heap[k + 1], &heap[k])) k++;
        if (!b4c_merge_above(&heap[k], &last)) break;
        heap[i] = heap[k];
    }
    heap[i] = last;
    return top;
}

/* Merge s [n], n >= 1: begin, end, state and frozen are set by the caller. heap has room for 3 n
 * pairs when n is over B4C_MERGE_SHORT, else it may be NULL. What is left is the list from symbol 0
 * on by `after`. */
B4C_INLINE void b4c_merge(b4c_join_fn may_join, const void *model, const char *text, b4c_symbol *s,
                          int n, b4c_merge_pair *heap)
{
    for (int i = 0; i < n; i++) {
        s[i].before = i - 1;
        s[i].after = i + 1 < n ? i + 1 : -1;
    }
    for (int i = 0; i < n; i++) b4c_merge_look(may_join, model, text, s, i);
    if (n <= B4C_MERGE_SHORT) {
        for (;;) {
            int best = -1;
            for (int i = 0; i >= 0; i = s[i].after)
                if (s[i].may && (best < 0 || s[i].score > s[best].score)) best = i;
            if (best < 0) return;
            b4c_merge_join(may_join, model, text, s, best);
        }
    }
    int waiting = 0;
    for (int i = 0; i < n; i++) b4c_merge_push(heap, &waiting, s, i);
    while (waiting) {
        const b4c_merge_pair p = b4c_merge_pop(heap, &waiting);
        const b4c_symbol *a = &s[p.left];
        /* what has changed since is no longer that pair */
        if (a->end == a->begin || !a->may || a->score != p.score || s[a->after].end != p.end)
            continue;
        b4c_merge_join(may_join, model, text, s, p.left);
        b4c_merge_push(heap, &waiting, s, s[p.left].before);
        b4c_merge_push(heap, &waiting, s, p.left);
    }
}
#endif
