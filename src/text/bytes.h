/* bytes.h - byte-level BPE: GPT-2, Qwen2, LLaMA 3, SmolLM and their like.
 *
 * A text is cut by a pattern (split.h), each part becomes its bytes, and neighbours merge by the
 * rank of their pair. Vocabulary files write bytes as printable characters; here tokens are plain
 * bytes. A model is put together once and never changes after.
 */
#ifndef B4C_TEXT_BYTES_H
#define B4C_TEXT_BYTES_H
#include "base/memory.h"
#include "text/split.h"
#include "text/trie.h"

typedef struct b4c_bpe_merge {
    uint64_t pair;
    uint32_t rank, id;
} b4c_bpe_merge; /* pair: left << 32 | right; rank ~0: free slot */

typedef struct b4c_bpe {
    b4c_split split;
    bool prefix_blank; /* a blank in front of a text that begins without one */
    bool whole_first; /* a part that is a token stays one, whatever the merges say ("ignore_merges")
                       */
    int n;            /* ids 0 .. n-1; those without text are added tokens or holes */
    char *text;       /* tokens' bytes, end to end */
    uint32_t *at;     /* [n + 1] */
    b4c_trie trie;
    int byte_id[256];     /* id of each single byte, -1: none */
    b4c_bpe_merge *merge; /* hash table */
    uint32_t slots;       /* a power of two */
    uint64_t
        *edge; /* what stands on both sides of a place within some token; a set without misses */
    uint32_t edge_mask, edge_kinds;
    uint64_t near_end[1024]; /* the two bytes around a place that is near a token's end: most places
                                are not */
} b4c_bpe;

/* token [n]: as the files spell them (printable characters for bytes), NULL: no such id. merges
 * [n_merges]: "left right", in rank order, as in merges.txt. B4C_E_FORMAT: names the token or merge
 * that is wrong. */
typedef struct b4c_bpe_source {
    int n, n_merges;
    const char *const *token;
    const char *const *merges;
    b4c_split split;
    bool prefix_blank, whole_first;
} b4c_bpe_source;
int b4c_bpe_make(b4c_bpe *, const b4c_bpe_source *, const char *where, b4c_error *);
void b4c_bpe_done(b4c_bpe *);

/* A text as tokens; offsets in bytes of it: a token may be a part of a character. Reused: start
 * from {0}, free once. Remembers parts it has cut, so one list belongs to one model and one thread.
 */
typedef struct b4c_bpe_list {
    int n, room;
    int *id;
    uint32_t *begin, *end;
    struct b4c_bpe_memory *memory;
} b4c_bpe_list;

/* 0, B4C_E_TEXT (4 GiB and more; a byte that the vocabulary lacks) or B4C_E_MEMORY. Appends
 * nothing: the list is begun anew. */
int b4c_bpe_encode(const b4c_bpe *, const char *text, size_t bytes, b4c_bpe_list *, b4c_error *);
void b4c_bpe_list_done(b4c_bpe_list *);
/* Bytes of a token; *n is 0 for ids without text. */
const char *b4c_bpe_text(const b4c_bpe *, int id, size_t *n);
#endif
