/* filters.h - rules on one row of logits before a token is chosen from it.
 *
 * Every filter works in place: a token that may not be chosen gets -INFINITY, and the best token
 * always stays unless a ban hits it. NaN is the caller's duty. Names and meanings are those that
 * people know from elsewhere; each says its source.
 */
#ifndef B4C_DECODE_FILTERS_H
#define B4C_DECODE_FILTERS_H
#include <stddef.h>
#include <stdint.h>

/* Room for a filter's own numbers: at least 2 v floats. */
typedef struct b4c_filter_scratch {
    float *value;
    int room;
} b4c_filter_scratch;

/* ---- which of the likeliest stay: each returns how many are left (>= 1) ---------------------- */

/* The k highest; ties at the boundary stay, so that equal tokens are treated alike. k >= 1. */
int b4c_keep_top_k(float *logits, int v, int k, b4c_filter_scratch *);
/* The fewest of the highest whose probabilities reach p, the one that crosses included; ties at the
 * boundary stay. 0 < p <= 1. Source: Holtzman et al. 2020, section 3.1. O(v). */
int b4c_keep_top_p(float *logits, int v, float p, b4c_filter_scratch *);
/* Those with a probability of at least p times the highest. 0 <= p <= 1. */
int b4c_keep_min_p(float *logits, int v, float p);
/* The fewest whose information is nearest to the entropy and whose probabilities reach p. 0 < p
 * <= 1. Source: Meister et al. 2022. */
int b4c_keep_typical(float *logits, int v, float p, b4c_filter_scratch *);

/* ---- rules over what was said ---------------------------------------------------------------- */

/* Logits of tokens in history [n]: divided by the penalty where positive, multiplied where negative
 * (once a token). > 0; 1 changes nothing. Source: Keskar et al. 2019, section 4.1. seen: v bytes
 * that are zero, and zero again afterwards. */
void b4c_penalize_repeats(float *logits, int v, const int32_t *history, int n, float penalty,
                          uint8_t *seen);
/* Minus presence once, minus frequency for each time. seen: the same. */
void b4c_penalize_counts(float *logits, int v, const int32_t *history, int n, float presence,
                         float frequency, uint8_t *seen);
/* Ban every token that would complete an n-gram that history already has. n >= 1. */
void b4c_ban_ngrams(float *logits, int v, const int32_t *history, int n_history, int n);
/* Ban the token that would complete `phrase` [n]. n >= 1. */
void b4c_ban_phrase(float *logits, int v, const int32_t *history, int n_history,
                    const int32_t *phrase, int n);

/* ---- numbers --------------------------------------------------------------------------------- */

/* Log of the sum of exp; -INFINITY when all are, NaN when one is NaN or INFINITY. */
double b4c_log_sum_exp(const float *logits, int v);
/* The highest, the first of equals; -1 when all are -INFINITY. */
int b4c_best_token(const float *logits, int v);
/* Softmax of a row, of all of it or of what top-p leaves, ready for any number of draws. The row,
 * and the scratch of top-p, must live as long. */
typedef struct b4c_categorical {
    const float *logits, *weight; /* [v] weight: e^(logit - best), or NULL */
    int v;
    float best, least; /* of the logits; those below least do not come */
    double part[64];   /* sums of weights, of equal stretches of the row */
} b4c_categorical;
void b4c_categorical_all(b4c_categorical *, const float *logits, int v);
/* As if b4c_keep_top_p had left the others out, in fewer passes. */
void b4c_categorical_top_p(b4c_categorical *, const float *logits, int v, float p,
                           b4c_filter_scratch *);
/* By uniform u in [0, 1), the first token at which the sum of probabilities, by rising id, exceeds
 * u; -1 when all logits are -INFINITY. */
int b4c_categorical_draw(const b4c_categorical *, float u);
#endif
