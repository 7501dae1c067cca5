/* bpe.h - byte-pair encoding by a list of merges: GPT-2, Qwen2, LLaMA 3, SmolLM and their like over
 * bytes; LLaMA 2's tokenizer.json over characters.
 *
 * A text is cut by a pattern (split.h), each part falls into its bytes (or characters), and
 * neighbours merge by the rank of their pair. Vocabulary files write bytes as printable characters;
 * here tokens are plain bytes. A model is put together once and never changes after.
 */
#ifndef B4C_TEXT_BPE_H
#define B4C_TEXT_BPE_H
#include "base/memory.h"
#include "text/split.h"
#include "text/token_list.h"
#include "text/trie.h"

typedef struct b4c_bpe_rule {
    uint64_t pair;
    uint32_t rank, id;
} b4c_bpe_rule; /* pair: left << 32 | right; rank ~0: free slot */

typedef struct b4c_bpe {
    b4c_split split;
    bool characters;      /* parts fall into characters, not bytes */
    bool whole_first;     /* a part that is a token stays one, whatever the merges say */
    bool fuse_unknown;    /* neighbours that are unknown are one */
    int unknown;          /* id for what is no token; -1: it is left out */
    int n;                /* ids 0 .. n-1; there may be holes */
    char *text;           /* tokens' bytes, end to end */
    uint32_t *at;         /* [n + 1] */
    char *spelt;          /* tokens as the file spells them, each NUL-ended */
    uint32_t *spelt_at;   /* [n]; UINT32_MAX: a hole */
    b4c_trie trie;        /* tokens that text can become, by their bytes */
    b4c_trie other;       /* the others, by their spelling */
    int byte_id[256];     /* id of each single byte, -1: none; of characters: of "<0x41>" */
    b4c_bpe_rule *rule;   /* hash table */
    uint32_t slots;       /* a power of two */
    uint64_t mark;        /* of its contents: other models have others */
    /* what stands on both sides of a place within some token; a set without misses */
    uint64_t *edge;
    uint32_t edge_mask, edge_kinds;
    /* the two bytes around a place that is near a token's end: most places are not */
    uint64_t near_end[1024];
} b4c_bpe;

/* Two tokens that merge, as files spell them. */
typedef struct b4c_bpe_pair {
    const char *left, *right;
    uint32_t left_bytes, right_bytes;
} b4c_bpe_pair;

typedef struct b4c_bpe_source {
    const b4c_key *token;    /* [n] as files spell them; values are the ids, each once */
    size_t n;
    const b4c_bpe_pair *pair; /* [pairs] in rank order */
    size_t pairs;
    const uint8_t *apart;    /* [highest id + 1] 1: no text becomes it; NULL: none is such */
    b4c_split split;
    bool characters, whole_first, fuse_unknown;
    bool byte_fallback;      /* of characters: what is no token is its bytes, "<0xE4>" ... */
    const char *unknown;     /* token for what is no token; NULL: it is left out */
} b4c_bpe_source;

/* B4C_E_FORMAT: names the token or merge that is wrong. */
int b4c_bpe_make(b4c_bpe *, const b4c_bpe_source *, const char *where, b4c_error *);
void b4c_bpe_done(b4c_bpe *);

/* A text as tokens; offsets in bytes of it: a token may be a part of a character, and a byte that
 * stands for a character has all of it. Reused: start from {0}, free once. Remembers parts that a
 * model has cut, so it belongs to one thread. */
typedef struct b4c_bpe_list {
    b4c_token_list tokens;
    struct b4c_bpe_memory *memory;
} b4c_bpe_list;

/* 0, B4C_E_TEXT (4 GiB and more) or B4C_E_MEMORY. The list is begun anew. */
int b4c_bpe_encode(const b4c_bpe *, const char *text, size_t bytes, b4c_bpe_list *, b4c_error *);
void b4c_bpe_list_done(b4c_bpe_list *);

/* Bytes that decoding writes for a token; *n is 0 for holes. */
const char *b4c_bpe_text(const b4c_bpe *, int id, size_t *n);
/* As the file spells it; NULL: a hole. */
const char *b4c_bpe_spelling(const b4c_bpe *, int id);
/* Id of the token spelt so, whatever becomes it; -1: none. */
int b4c_bpe_find(const b4c_bpe *, const char *spelling);
#endif
