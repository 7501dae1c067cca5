/* trie.c - building a double array.
 *
 * Idea: a queue of key ranges. A range holds the keys that share their first `depth` bytes, hence
 * one node; it is divided by the next byte, a base is sought at which all those bytes' units are
 * free, and each part joins the queue. Keys need not come sorted. A block of 256 units is given up
 * after a few failures, so building stays linear for any set of keys.
 *
 * Invariant: a free unit has check B4C_TRIE_NONE; a unit is taken once and never moves.
 */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { BLOCK = 256, OPEN_BLOCKS = 8, FEW_KEYS = 24 };

typedef struct range { size_t begin, end, depth; uint32_t node; } range;

/* free: one bit a unit, `left` of them set. */
typedef struct open_block {
    uint32_t first;
    int left, failed;
    uint64_t free[BLOCK / 64];
} open_block;

typedef struct builder {
    b4c_trie trie;
    uint32_t room;
    open_block open[OPEN_BLOCKS];
    int n_open;
    range *queue;
    size_t head, tail, queue_room;
    b4c_key *spare;          /* where dividing a range puts its keys */
} builder;

/* Another block, open for placing; the fullest gives way when there are too many. */
static int add_block(builder *b)
{
    if (b->trie.size > UINT32_MAX - 2 * BLOCK) return B4C_E_MEMORY;
    if (b->trie.size + BLOCK > b->room) {
        const uint32_t room = b->room > UINT32_MAX / 4 ? UINT32_MAX - BLOCK
                                                       : b->room * 2 + 4 * BLOCK;
        b4c_trie_unit *unit = realloc(b->trie.unit, (size_t)room * sizeof *unit);
        if (!unit) return B4C_E_MEMORY;
        b->trie.unit = unit;
        b->room = room;
    }
    for (uint32_t i = 0; i < BLOCK; i++)
        b->trie.unit[b->trie.size + i] = (b4c_trie_unit){ 0, B4C_TRIE_NONE, -1 };
    int at = b->n_open;
    if (at == OPEN_BLOCKS) {
        at = 0;
        for (int i = 1; i < OPEN_BLOCKS; i++)
            if (b->open[i].left < b->open[at].left) at = i;
    } else {
        b->n_open++;
    }
    open_block *block = &b->open[at];
    *block = (open_block){ .first = b->trie.size, .left = BLOCK };
    memset(block->free, 0xff, sizeof block->free);
    b->trie.size += BLOCK;
    return 0;
}

static void take(open_block *block, int unit)
{
    block->free[unit / 64] &= ~((uint64_t)1 << unit % 64);
    block->left--;
}

/* A base within this block at which the n bytes' units are free, or -1. Bit b ^ byte of free says
 * whether base b suits that byte; 64 bases are judged at once. */
static int fit(const open_block *block, const uint8_t *byte, int n)
{
    static const uint64_t lower_half[6] = { 0x5555555555555555, 0x3333333333333333,
                                            0x0f0f0f0f0f0f0f0f, 0x00ff00ff00ff00ff,
                                            0x0000ffff0000ffff, 0x00000000ffffffff };
    for (int word = 0; word < BLOCK / 64; word++) {
        uint64_t suits = UINT64_MAX;
        for (int i = 0; i < n && suits; i++) {
            uint64_t bits = block->free[word ^ byte[i] >> 6];
            for (int k = 0; k < 6; k++)
                if (byte[i] >> k & 1)
                    bits = (bits & lower_half[k]) << (1 << k) | (bits >> (1 << k) & lower_half[k]);
            suits &= bits;
        }
        if (suits) return word * 64 + __builtin_ctzll(suits);
    }
    return -1;
}

/* Place the children of `node`; their units then are unit[base ^ byte[i]]. */
static int place(builder *b, uint32_t node, const uint8_t *byte, int n)
{
    for (;;) {
        for (int i = b->n_open - 1; i >= 0; i--) {
            open_block *block = &b->open[i];
            const int base = block->left < n ? -1 : fit(block, byte, n);
            if (base < 0) {
                if (++block->failed > BLOCK / 8) b->open[i] = b->open[--b->n_open];
                continue;
            }
            b->trie.unit[node].base = block->first + (uint32_t)base;
            for (int k = 0; k < n; k++) {
                take(block, base ^ byte[k]);
                b->trie.unit[block->first + (uint32_t)(base ^ byte[k])].check = node;
            }
            if (block->left == 0) b->open[i] = b->open[--b->n_open];
            return 0;
        }
        B4C_TRY(add_block(b));
    }
}

static int push(builder *b, range r)
{
    if (b->tail == b->queue_room) {
        /* what was read from the front is given back before more is asked for */
        if (b->head > b->queue_room / 2) {
            memmove(b->queue, b->queue + b->head, (b->tail - b->head) * sizeof *b->queue);
            b->tail -= b->head;
            b->head = 0;
        } else {
            const size_t room = b->queue_room * 2 + 1024;
            range *queue = realloc(b->queue, room * sizeof *queue);
            if (!queue) return B4C_E_MEMORY;
            b->queue = queue;
            b->queue_room = room;
        }
    }
    b->queue[b->tail++] = r;
    return 0;
}

/* Order keys by their byte at `depth`; all are longer than that. */
static void divide(builder *b, b4c_key *keys, size_t n, size_t depth)
{
    if (n <= FEW_KEYS) {
        for (size_t i = 1; i < n; i++) {
            const b4c_key key = keys[i];
            size_t k = i;
            for (; k && (uint8_t)keys[k - 1].text[depth] > (uint8_t)key.text[depth]; k--)
                keys[k] = keys[k - 1];
            keys[k] = key;
        }
        return;
    }
    size_t start[257] = { 0 };
    for (size_t i = 0; i < n; i++) start[(uint8_t)keys[i].text[depth] + 1]++;
    for (int i = 0; i < 256; i++) start[i + 1] += start[i];
    for (size_t i = 0; i < n; i++) b->spare[start[(uint8_t)keys[i].text[depth]]++] = keys[i];
    memcpy(keys, b->spare, n * sizeof *keys);
}

static int expand(builder *b, b4c_key *keys, range r, int32_t twice[2])
{
    /* keys that end here: one, which gives the node its value */
    for (size_t i = r.begin; i < r.end;) {
        if (keys[i].bytes > r.depth) {
            i++;
            continue;
        }
        const int32_t other = b->trie.unit[r.node].value, value = keys[i].value;
        if (other >= 0 && r.depth) {
            if (twice) {
                twice[0] = other < value ? other : value;
                twice[1] = other < value ? value : other;
            }
            return B4C_E_FORMAT;
        }
        if (r.depth) b->trie.unit[r.node].value = value;
        const b4c_key done = keys[i];   /* exchanged, not lost: the caller still owns all keys */
        keys[i] = keys[--r.end];
        keys[r.end] = done;
    }
    if (r.begin == r.end) return 0;
    divide(b, keys + r.begin, r.end - r.begin, r.depth);

    uint8_t byte[256];
    size_t first[257];
    int n = 0;
    for (size_t i = r.begin; i < r.end; i++) {
        const uint8_t c = (uint8_t)keys[i].text[r.depth];
        if (n && byte[n - 1] == c) continue;
        byte[n] = c;
        first[n++] = i;
    }
    first[n] = r.end;
    B4C_TRY(place(b, r.node, byte, n));
    const uint32_t base = b->trie.unit[r.node].base;
    for (int i = 0; i < n; i++)
        B4C_TRY(push(b, (range){ first[i], first[i + 1], r.depth + 1, base ^ byte[i] }));
    return 0;
}

int b4c_trie_build(b4c_trie *trie, b4c_key *keys, size_t n, int32_t twice[2])
{
    builder b = { 0 };
    *trie = (b4c_trie){ 0 };
    b.spare = malloc((n ? n : 1) * sizeof *b.spare);
    int rc = b.spare ? add_block(&b) : B4C_E_MEMORY;
    if (rc == 0) {
        b.trie.unit[B4C_TRIE_ROOT].check = B4C_TRIE_ROOT - 2;   /* taken, and nobody's child */
        take(&b.open[0], 0);
        rc = push(&b, (range){ 0, n, 0, B4C_TRIE_ROOT });
    }
    while (rc == 0 && b.head < b.tail) {
        const range r = b.queue[b.head++];
        rc = expand(&b, keys, r, twice);
    }
    free(b.spare);
    free(b.queue);
    if (rc < 0) {
        free(b.trie.unit);
        return rc;
    }
    *trie = b.trie;
    if (b.room > b.trie.size) {
        b4c_trie_unit *unit = realloc(trie->unit, (size_t)trie->size * sizeof *unit);
        if (unit) trie->unit = unit;
    }
    return 0;
}

void b4c_trie_done(b4c_trie *trie)
{
    free(trie->unit);
    *trie = (b4c_trie){ 0 };
}
