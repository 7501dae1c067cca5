/* order.c - places of a shuffled row by a cipher on small numbers. */
#include "train/order.h"
#include "base/rng.h"
#include <assert.h>
#include <math.h>

/* ---- one permutation ------------------------------------------------------------------------- */

enum { ROUNDS = 6 };

/* Its counters are no stream's: b4c_rng_init has lanes below this. */
#define ORDER_LANE 0xfe000000u

static uint64_t mixed(uint64_t half, int round, uint64_t seed, uint64_t epoch)
{
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) ^ (uint32_t)(epoch >> 32) };
    const uint32_t counter[4] = { (uint32_t)half, ORDER_LANE + (uint32_t)round,
                                  (uint32_t)(half >> 32), (uint32_t)epoch };
    uint32_t out[4];
    b4c_philox(counter, key, out);
    return (uint64_t)out[1] << 32 | out[0];
}

uint64_t b4c_permuted(uint64_t i, uint64_t n, uint64_t seed, uint64_t epoch)
{
    assert(i < n && n <= (uint64_t)1 << 62);
    int bits = 1; /* of each half */
    while ((uint64_t)1 << 2 * bits < n) bits++;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    do {
        uint64_t left = i >> bits, right = i & mask;
        for (int r = 0; r < ROUNDS; r++) {
            const uint64_t next = left ^ (mixed(right, r, seed, epoch) & mask);
            left = right;
            right = next;
        }
        i = left << bits | right;
    } while (i >= n); /* at most three in four are */
    return i;
}

/* ---- many files ------------------------------------------------------------------------------ */

void b4c_order_begin(b4c_order *o)
{
    o->records = 0;
    for (int k = 0; k < o->n_pools; k++) o->total[k] = 0;
    for (int f = 0; f < o->n_files; f++) {
        const b4c_order_file *x = &o->file[f];
        const int64_t n = o->in_order ? x->n : (int64_t)llround((double)x->n * x->weight);
        o->share[f] = n > 0 ? n : 1;
        o->total[x->pool] += o->share[f];
        o->records += o->share[f];
    }
}

/* Number v of the records that files of this pool (-1: all) have in an epoch. */
static void find(const b4c_order *o, int pool, uint64_t epoch, uint64_t v, b4c_visit *to)
{
    int64_t rest = (int64_t)v;
    int f = 0;
    for (;; f++) {
        if (pool >= 0 && o->file[f].pool != pool) continue;
        if (rest < o->share[f]) break;
        rest -= o->share[f];
    }
    const uint64_t n = (uint64_t)o->file[f].n, first = epoch % n * ((uint64_t)o->share[f] % n) % n;
    to->file = f;
    to->record = (int64_t)((first + (uint64_t)rest) % n);
    to->key = v << 8 | (uint64_t)(pool + 1);
    to->epoch = (uint32_t)epoch;
}

bool b4c_order_at(const b4c_order *o, uint64_t p, b4c_visit *to)
{
    if (o->in_order) {
        if (p >= (uint64_t)o->records) return false;
        find(o, -1, 0, p, to);
        return true;
    }
    const int at = (int)(p % (uint64_t)o->n_turns), pool = o->turn[at];
    uint64_t each = 0, before = 0; /* turns of this pool in a round, and before this one */
    for (int i = 0; i < o->n_turns; i++) {
        each += o->turn[i] == pool;
        before += o->turn[i] == pool && i < at;
    }
    const uint64_t q = p / (uint64_t)o->n_turns * each + before, n = (uint64_t)o->total[pool];
    const uint64_t epoch = q / n;
    find(o, pool, epoch, b4c_permuted(q % n, n, o->seed + (uint64_t)pool, epoch), to);
    return true;
}
