/* order.h - which record comes at place p of an endless, shuffled row: computed, not stored.
 *
 * The one idea: an epoch is a permutation of 0 .. n-1 that is a keyed function (a Feistel network
 * on the bits of a number below the next power of four, walked until it lands below n: Black and
 * Rogaway 2002, "Ciphers with arbitrary finite domains", method 2). So a place is one integer,
 * any place is reached at once, and nothing is kept in memory.
 *
 *     files ─► pools (each shuffled by itself, again each time it is used up)
 *     pools ─► turns, such as a b a c: place p takes the next record of pool turns[p mod 4]
 *
 * A file's weight says how often an epoch of its pool has each of its records: 2 has all of them
 * twice; 0.5 half of them, the other half in the next epoch.
 */
#ifndef B4C_TRAIN_ORDER_H
#define B4C_TRAIN_ORDER_H
#include "base/error.h"

/* Where i goes: a permutation of 0 .. n-1 for each (seed, epoch). i < n, n <= 2^62. */
uint64_t b4c_permuted(uint64_t i, uint64_t n, uint64_t seed, uint64_t epoch);

enum { B4C_ORDER_FILES = 256, B4C_ORDER_TURNS = 64 };

typedef struct b4c_order_file {
    int64_t n;               /* records, >= 1 */
    double weight;           /* > 0 */
    int pool;
} b4c_order_file;

typedef struct b4c_order {
    b4c_order_file file[B4C_ORDER_FILES];
    int n_files;
    int turn[B4C_ORDER_TURNS]; /* the pool that gives a record at this place of a round of turns */
    int n_turns;
    int n_pools;
    bool in_order;           /* one round: file after file as they stand, whatever pools say */
    uint64_t seed;
    int64_t share[B4C_ORDER_FILES]; /* records of a file in an epoch of its pool */
    int64_t total[B4C_ORDER_TURNS]; /* [n_pools] records in an epoch of a pool */
    int64_t records;         /* of all pools together */
} b4c_order;

/* What b4c_order_at finds. The random choices for it are keyed by (seed, key, epoch): two visits of
 * a record differ in one of them. */
typedef struct b4c_visit {
    int file;
    int64_t record;
    uint64_t key;
    uint32_t epoch;
} b4c_visit;

/* file, n_files, turn, n_turns, n_pools, in_order, seed are set; fills the rest. Each pool needs a
 * file and a turn. */
void b4c_order_begin(b4c_order *);
/* False: in_order, and p is behind the end. */
bool b4c_order_at(const b4c_order *, uint64_t p, b4c_visit *);
#endif
