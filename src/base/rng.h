/* rng.h - Philox4x32-10: random numbers as a function of (key, counter), so that a result depends
 * on neither batch order nor threads. Source: Salmon et al. 2011, "Parallel random numbers: as easy
 * as 1, 2, 3". */
#ifndef B4C_BASE_RNG_H
#define B4C_BASE_RNG_H
#include <stdint.h>

typedef struct b4c_rng {
    uint32_t key[2], counter[4], word[4];
    int left;
} b4c_rng;
void b4c_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* A stream: seed chooses the key, (request, lane) its place. */
void b4c_rng_init(b4c_rng *, uint64_t seed, uint64_t request, uint32_t lane);
uint32_t b4c_rng_word(b4c_rng *);
float b4c_rng_uniform(b4c_rng *);              /* [0, 1), 24 bits */
uint32_t b4c_rng_below(b4c_rng *, uint32_t n); /* 0 .. n-1, unbiased; n >= 1 */
float b4c_rng_normal(b4c_rng *);               /* mean 0, variance 1 (Box-Muller) */
#endif
