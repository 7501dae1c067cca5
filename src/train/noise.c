/* noise.c - masking, infilling, shuffling; every draw from the caller's stream. */
#include "train/noise.h"
#include <math.h>
#include <stdlib.h>

/* ---- units ----------------------------------------------------------------------------------- */

/* Words tile the text, so two tokens are of one unit unless some word ends at or behind the end of
 * the first and not behind the beginning of the second. */
int b4c_units(const b4c_encoding *e, int from, int upto, const b4c_cuts *cuts, int *first)
{
    int n = 0;
    size_t w = 0;
    for (int i = from; i < upto; i++) {
        bool apart = i == from || !cuts;
        if (!apart) {
            while (w < cuts->n && cuts->end[w] < e->end[i - 1]) w++;
            apart = w < cuts->n && cuts->end[w] <= e->begin[i];
        }
        if (apart) first[n++] = i;
    }
    first[n] = upto;
    return n;
}

/* ---- masking --------------------------------------------------------------------------------- */

static void keep_targets(const int32_t *ids, int32_t *targets, int from, int upto, bool chosen)
{
    for (int i = from; targets && i < upto; i++) targets[i] = chosen ? ids[i] : -1;
}

/* r in [0, rate): which of the three it is. */
static void hide(b4c_rng *rng, const b4c_masking *m, double r, int32_t *ids, int from, int upto)
{
    if (r < 0.8 * m->rate)
        for (int i = from; i < upto; i++) ids[i] = m->mask;
    else if (r >= 0.9 * m->rate)
        for (int i = from; i < upto; i++)
            ids[i] = 1 + (int32_t)b4c_rng_below(rng, (uint32_t)m->vocabulary - 1);
}

int b4c_mask_units(b4c_rng *rng, const b4c_masking *m, const int *first, int n, int32_t *ids,
                   int32_t *targets)
{
    int chosen = 0;
    for (int u = 0; u < n; u++) {
        const double r = (double)b4c_rng_uniform(rng);
        const bool here = r < m->rate;
        keep_targets(ids, targets, first[u], first[u + 1], here);
        if (here) hide(rng, m, r, ids, first[u], first[u + 1]);
        chosen += here;
    }
    return chosen;
}

int b4c_mask_some(b4c_rng *rng, const b4c_masking *m, const int *first, int n, int32_t *ids,
                  int32_t *targets)
{
    const int chosen = b4c_mask_units(rng, m, first, n, ids, targets);
    if (chosen > 0 || n == 0) return chosen;
    const int u = (int)b4c_rng_below(rng, (uint32_t)n);
    keep_targets(ids, targets, first[u], first[u + 1], true);
    hide(rng, m, (double)b4c_rng_uniform(rng) * m->rate, ids, first[u], first[u + 1]);
    return 1;
}

/* ---- infilling ------------------------------------------------------------------------------- */

void b4c_shuffle(b4c_rng *rng, int *order, int n)
{
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int k = (int)b4c_rng_below(rng, (uint32_t)i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

/* Knuth's product of uniforms; the mean is small. */
static int poisson(b4c_rng *rng, double mean)
{
    const double floor_ = exp(-mean);
    double product = 1;
    int k = -1;
    do {
        product *= 1 - (double)b4c_rng_uniform(rng);
        k++;
    } while (product > floor_ && k < 64);
    return k;
}

/* Lengths that add up to `hidden`, at most `most` of them; the last is cut to fit. */
static int draw_spans(b4c_rng *rng, int hidden, int most, int *length)
{
    int n = 0, sum = 0;
    while (sum < hidden && n < most) {
        int l = poisson(rng, 3);
        if (n == most - 1 || l > hidden - sum) l = hidden - sum;
        length[n++] = l;
        sum += l;
    }
    return n;
}

/* Tokens that stay leave gaps before, between and behind them; each span goes into another gap.
 * Choosing k of them in order with equal chance: Knuth, volume 2, algorithm 3.4.2S. */
int b4c_infill(b4c_rng *rng, double rate, int32_t mask, const int32_t *ids, int n, int32_t *out)
{
    const int hidden = (int)ceil(rate * n - 1e-9), kept = n - hidden;
    int *length = malloc(2 * ((size_t)kept + 1) * sizeof *length), *order = NULL;
    if (!length) return B4C_E_MEMORY;
    order = length + kept + 1;
    int spans = draw_spans(rng, hidden, kept + 1, length), to = 0, at = 0, used = 0;
    b4c_shuffle(rng, order, spans); /* the one that was cut may lie anywhere */
    for (int gap = 0; gap <= kept; gap++) {
        if (b4c_rng_below(rng, (uint32_t)(kept + 1 - gap)) < (uint32_t)(spans - used)) {
            out[to++] = mask;
            at += length[order[used++]];
        }
        if (gap < kept) out[to++] = ids[at++];
    }
    free(length);
    return to;
}
