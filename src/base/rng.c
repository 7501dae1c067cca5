/* rng.c - Philox4x32-10 and the draws made from its words.
 *
 * A stream's counter is { block, lane, request low, request high }, so streams of different
 * (request, lane) never meet; a stream has 2^32 blocks of four words. The constants are those of
 * Salmon et al. 2011, section 3.3.
 */
#include "base/rng.h"

#include <assert.h>
#include <math.h>

void b4c_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void b4c_rng_init(b4c_rng *r, uint64_t seed, uint64_t request, uint32_t lane)
{
    *r = (b4c_rng){
        .key = { (uint32_t)seed, (uint32_t)(seed >> 32) },
        .counter = { 0, lane, (uint32_t)request, (uint32_t)(request >> 32) },
    };
}

uint32_t b4c_rng_word(b4c_rng *r)
{
    if (r->left == 0) {
        b4c_philox(r->counter, r->key, r->word);
        r->counter[0]++;
        r->left = 4;
    }
    return r->word[4 - r->left--];
}

float b4c_rng_uniform(b4c_rng *r) { return (float)(b4c_rng_word(r) >> 8) * 0x1p-24f; }

/* Lemire 2019, "Fast random integer generation in an interval": the high half of word * n, drawing
 * again for the few low halves that would favour some results. */
uint32_t b4c_rng_below(b4c_rng *r, uint32_t n)
{
    assert(n >= 1);
    uint64_t m = (uint64_t)b4c_rng_word(r) * n;
    if ((uint32_t)m < n) {
        const uint32_t uneven = -n % n; /* 2^32 mod n */
        while ((uint32_t)m < uneven) m = (uint64_t)b4c_rng_word(r) * n;
    }
    return (uint32_t)(m >> 32);
}

float b4c_rng_normal(b4c_rng *r)
{
    /* In double, so that libraries whose last bits differ still round to the same float almost
     * always. The logarithm's argument is in (0, 1]. */
    const double radius = sqrt(-2 * log(((double)b4c_rng_word(r) + 1) * 0x1p-32));
    const double angle = 6.283185307179586 * 0x1p-32 * (double)b4c_rng_word(r);
    return (float)(radius * cos(angle));
}
