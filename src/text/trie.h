/* trie.h - strings to numbers by a double array: one look at memory a byte, however many strings.
 *
 *     step(node, byte):   next = unit[node].base ^ byte;   a child if unit[next].check == node
 *
 * The root is node 0. Units stand in blocks of 256 and a base lies within them, so next is never
 * out of range: looking up hostile bytes needs no check of its own. Keys may hold any bytes.
 */
#ifndef B4C_TEXT_TRIE_H
#define B4C_TEXT_TRIE_H
#include "bert4c.h"

#define B4C_TRIE_ROOT 0u
#define B4C_TRIE_NONE 0xffffffffu

typedef struct b4c_trie_unit {
    uint32_t base, check;
    int32_t value;           /* of the key that ends here; -1: none does */
} b4c_trie_unit;

typedef struct b4c_trie { b4c_trie_unit *unit; uint32_t size; } b4c_trie;

typedef struct b4c_key { const char *text; size_t bytes; int32_t value; } b4c_key;

/* Keys [n] are put into another order; values >= 0; an empty key is left out. 0, or B4C_E_MEMORY,
 * or B4C_E_FORMAT when two keys are equal: `twice` (may be NULL) then has their two values, the
 * smaller first. Time is linear in the keys' bytes, nearly. */
int  b4c_trie_build(b4c_trie *, b4c_key *keys, size_t n, int32_t twice[2]);
void b4c_trie_done(b4c_trie *);

static inline uint32_t b4c_trie_step(const b4c_trie *trie, uint32_t node, uint8_t byte)
{
    const uint32_t next = trie->unit[node].base ^ byte;
    return trie->unit[next].check == node ? next : B4C_TRIE_NONE;
}

/* Node after these bytes from `node` on, or B4C_TRIE_NONE. */
static inline uint32_t b4c_trie_walk(const b4c_trie *trie, uint32_t node, const char *text,
                                     size_t bytes)
{
    for (size_t i = 0; i < bytes && node != B4C_TRIE_NONE; i++)
        node = b4c_trie_step(trie, node, (uint8_t)text[i]);
    return node;
}

/* Value of the key that is exactly these bytes, or -1. */
static inline int32_t b4c_trie_find(const b4c_trie *trie, const char *text, size_t bytes)
{
    const uint32_t node = b4c_trie_walk(trie, B4C_TRIE_ROOT, text, bytes);
    return node == B4C_TRIE_NONE ? -1 : trie->unit[node].value;
}

/* Value of the longest key that text begins with, with its bytes in *length; or -1. */
static inline int32_t b4c_trie_longest(const b4c_trie *trie, const char *text, size_t bytes,
                                       size_t *length)
{
    int32_t value = -1;
    uint32_t node = B4C_TRIE_ROOT;
    for (size_t i = 0; i < bytes; i++) {
        node = b4c_trie_step(trie, node, (uint8_t)text[i]);
        if (node == B4C_TRIE_NONE) break;
        if (trie->unit[node].value >= 0) {
            value = trie->unit[node].value;
            *length = i + 1;
        }
    }
    return value;
}
#endif
