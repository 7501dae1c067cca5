/* noise.h - what is hidden from a model so that it learns to restore it.
 *
 * Masking (Devlin et al. 2019; whole words as RoFormer-Sim's stage 1, SPEC of bert4keras scripts):
 * one draw r per unit, a token or a word; r < 0.8 rate: all its tokens become the mask token;
 * then a tenth of the rate: they stay; then a tenth: each becomes a random token 1 .. vocabulary-1;
 * else the unit is not chosen. Infilling (Lewis et al. 2020, BART): spans of Poisson(3) tokens
 * become one mask token each, spans of none insert one.
 */
#ifndef B4C_TRAIN_NOISE_H
#define B4C_TRAIN_NOISE_H
#include "base/rng.h"
#include "bert4c.h"
#include "text/words.h"

/* Units of tokens [from, upto) of an encoding: first[u] is the first token of unit u, first[n] is
 * upto; room for upto - from + 1. Tokens are of one unit unless a word ends between them; cuts
 * NULL: each is its own. Returns n. */
int b4c_units(const b4c_encoding *, int from, int upto, const b4c_cuts *, int *first);

typedef struct b4c_masking {
    double rate;             /* of units that are chosen: 0.15 */
    int32_t mask;            /* the mask token */
    int vocabulary;
} b4c_masking;

/* Mask ids [first[0], first[n]) in place. targets (may be NULL) receives at each such place what
 * stood there, or -1 where nothing was chosen. Returns units chosen. */
int b4c_mask_units(b4c_rng *, const b4c_masking *, const int *first, int n, int32_t *ids,
                   int32_t *targets);
/* The same, but with at least one unit chosen when there is any: a sequence without a target
 * teaches nothing. */
int b4c_mask_some(b4c_rng *, const b4c_masking *, const int *first, int n, int32_t *ids,
                  int32_t *targets);

/* Infilling: out has room for 2 n + 1. ceil(rate n) tokens go, in spans that do not touch, which
 * lie anywhere with equal chance. Returns tokens written. B4C_E_MEMORY. */
int b4c_infill(b4c_rng *, double rate, int32_t mask, const int32_t *ids, int n, int32_t *out);

/* A random order of 0 .. n-1 (Fisher and Yates). */
void b4c_shuffle(b4c_rng *, int *order, int n);
#endif
