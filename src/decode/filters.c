/* filters.c - see filters.h.
 *
 * Idea of the selections: no sorting of a whole vocabulary. What may stay is put side by side and
 * divided by a pivot again and again, as quickselect does, with the probability mass of the upper
 * part in place of its count: O(v) on average. Nucleus sampling, which is asked for at every token
 * of every sample, first sorts the mass into buckets, so that only one of them is divided. And
 * exponentials come from the softmax kernel, a block that fits the nearest cache at a time.
 */
#include "decode/filters.h"

#include "math/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK = 1024 };

static float highest(const float *x, int v)
{
    float best = -INFINITY;
    for (int i = 0; i < v; i++) best = x[i] > best ? x[i] : best;
    return best;
}

/* Softmax of block `at` of x / temperature into w [BLOCK]; returns the log of its sum of exp. */
static double block_softmax(const float *x, int v, int at, float temperature, float *w, int *n)
{
    *n = v - at < BLOCK ? v - at : BLOCK;
    memcpy(w, x + at, (size_t)*n * sizeof *w);
    if (temperature < 1 || temperature > 1)
        for (int i = 0; i < *n; i++) w[i] /= temperature;
    return (double)b4c_kernels_get()->softmax(w, (size_t)*n);
}

static double log_sum(const float *x, int v, float temperature)
{
    float w[BLOCK];
    double most = -INFINITY, sum = 0;
    for (int at = 0, n; at < v; at += n) {
        const double l = block_softmax(x, v, at, temperature, w, &n);
        if (l > most) {
            sum = sum * exp(most - l) + 1;
            most = l;
        } else if (l > -INFINITY) {
            sum += exp(l - most);
        }
    }
    return most + log(sum);
}

/* Middle of three, as pivot. */
static float median3(float a, float b, float c)
{
    if (a > b) return b > c ? b : a > c ? c : a;
    return a > c ? a : b > c ? c : b;
}

static void exchange(float *x, int i, int k)
{
    const float t = x[i];
    x[i] = x[k];
    x[k] = t;
}

/* Put key [n], and weight with it, in order: those above the pivot, those equal to it, those below.
 */
static void divide(float *key, float *weight, int n, float pivot, int *above, int *equal)
{
    int low = 0, at = 0, high = n;
    while (at < high) {
        if (key[at] == pivot) {
            at++;
            continue;
        }
        const int to = key[at] > pivot ? low++ : --high;
        exchange(key, at, to);
        exchange(weight, at, to);
        at += to <= at; /* what came from the back has not been looked at yet */
    }
    *above = low;
    *equal = high - low;
}

/* The highest key such that the keys at or above it weigh at least `wanted`; the lowest key when
 * all together do not. n >= 1. */
static float threshold(float *key, float *weight, int n, double wanted)
{
    double have = 0;
    while (n > 1) {
        const float pivot = median3(key[0], key[n / 2], key[n - 1]);
        int above, equal;
        divide(key, weight, n, pivot, &above, &equal);
        double mass = 0, same = 0;
        for (int i = 0; i < above; i++) mass += (double)weight[i];
        for (int i = above; i < above + equal; i++) same += (double)weight[i];
        if (above && have + mass >= wanted) {
            n = above;
        } else if (have + mass + same >= wanted || above + equal == n) {
            return pivot;
        } else {
            have += mass + same;
            key += above + equal;
            weight += above + equal;
            n -= above + equal;
        }
    }
    return key[0];
}

/* Which logits stay is as good as random: as bits, no branch is taken wrongly. */
static inline int drop_one(float *logit, float least)
{
    uint32_t bits, nothing;
    const float none = -INFINITY;
    memcpy(&bits, logit, sizeof bits);
    memcpy(&nothing, &none, sizeof nothing);
    const uint32_t goes = 0u - (uint32_t)(*logit < least);
    bits = (bits & ~goes) | (nothing & goes);
    memcpy(logit, &bits, sizeof bits);
    return bits != nothing;
}

static int drop_below(float *logits, int v, float least)
{
    enum { STEP = 16 };      /* a constant number, which compilers turn into vectors */
    int kept = 0, i = 0;
    for (; i + STEP <= v; i += STEP)
        for (int k = 0; k < STEP; k++) kept += drop_one(logits + i + k, least);
    for (; i < v; i++) kept += drop_one(logits + i, least);
    return kept;
}

int b4c_keep_top_k(float *logits, int v, int k, b4c_filter_scratch *s)
{
    float *key = s->value, *one = key + v;
    int n = 0;
    for (int i = 0; i < v; i++)
        if (logits[i] > -INFINITY) key[n] = logits[i], one[n++] = 1;
    return n <= k ? n : drop_below(logits, v, threshold(key, one, n, k));
}

/* Buckets of equal width in the distance to the best logit; what is farther than all of them shares
 * the last one. */
enum { BUCKETS = 2048, BUCKETS_A_UNIT = 64 };

static inline int bucket_of(float best, float x)
{
    const float far = (best - x) * BUCKETS_A_UNIT, most = BUCKETS - 1;
    return (int)(far < most ? far : most);
}

int b4c_keep_top_p(float *logits, int v, float p, b4c_filter_scratch *s)
{
    const float best = highest(logits, v);
    const double z = log_sum(logits, v, 1);
    float *weight = s->value, *key = weight + v;
    double mass[BUCKETS] = { 0 }, sum = 0, have = 0;
    if (!(best > -INFINITY)) return 0;
    for (int at = 0, n; at < v; at += n) {
        float w[BLOCK];
        const double l = block_softmax(logits, v, at, 1, w, &n);
        const float share = l > -INFINITY ? (float)exp(l - z) : 0;
        for (int i = 0; i < n; i++) {
            weight[at + i] = w[i] * share;
            mass[bucket_of(best, logits[at + i])] += (double)weight[at + i];
        }
    }
    for (int b = 0; b < BUCKETS; b++) sum += mass[b];
    /* p is a float and so are the parts: what reaches p but for their rounding has reached it */
    const double wanted = p < 1 ? (double)p * sum * (1 - 1e-6) : INFINITY;
    int bucket = 0;
    while (bucket < BUCKETS && have + mass[bucket] < wanted) have += mass[bucket++];
    if (bucket == BUCKETS) return drop_below(logits, v, -INFINITY);
    int n = 0;
    for (int i = 0; i < v; i++) {
        if (bucket_of(best, logits[i]) != bucket || !(logits[i] > -INFINITY)) continue;
        key[n] = logits[i];
        weight[n++] = weight[i]; /* n is at most i */
    }
    return drop_below(logits, v, threshold(key, weight, n, wanted - have));
}

int b4c_keep_min_p(float *logits, int v, float p)
{
    const float best = highest(logits, v);
    return drop_below(logits, v, p > 0 ? best + logf(p) : -INFINITY);
}

int b4c_keep_typical(float *logits, int v, float p, b4c_filter_scratch *s)
{
    const double z = b4c_log_sum_exp(logits, v);
    double entropy = 0;
    for (int i = 0; i < v; i++) {
        if (!(logits[i] > -INFINITY)) continue;
        const double l = (double)logits[i] - z;
        entropy -= exp(l) * l;
    }
    float *key = s->value, *weight = key + v;
    int n = 0;
    for (int i = 0; i < v; i++) {
        if (!(logits[i] > -INFINITY)) continue;
        const double l = (double)logits[i] - z;
        key[n] = -(float)fabs(-l - entropy);
        weight[n++] = (float)exp(l);
    }
    if (!n || p >= 1) return n;
    const float least = threshold(key, weight, n, (double)p * (1 - 1e-6));
    int kept = 0;
    for (int i = 0; i < v; i++) {
        if (!(logits[i] > -INFINITY)) continue;
        if (-(float)fabs(-((double)logits[i] - z) - entropy) < least)
            logits[i] = -INFINITY;
        else
            kept++;
    }
    return kept;
}

/* ---- rules over what was said --------------------------------------------------------------- */

static bool valid(int32_t token, int v) { return token >= 0 && token < v; }

void b4c_penalize_repeats(float *logits, int v, const int32_t *history, int n, float penalty,
                          uint8_t *seen)
{
    for (int i = 0; i < n; i++) {
        const int32_t t = history[i];
        if (!valid(t, v) || seen[t]) continue;
        seen[t] = 1;
        logits[t] = logits[t] > 0 ? logits[t] / penalty : logits[t] * penalty;
    }
    for (int i = 0; i < n; i++)
        if (valid(history[i], v)) seen[history[i]] = 0;
}

void b4c_penalize_counts(float *logits, int v, const int32_t *history, int n, float presence,
                         float frequency, uint8_t *seen)
{
    for (int i = 0; i < n; i++) {
        const int32_t t = history[i];
        if (!valid(t, v)) continue;
        logits[t] -= frequency + (seen[t] ? 0 : presence);
        seen[t] = 1;
    }
    for (int i = 0; i < n; i++)
        if (valid(history[i], v)) seen[history[i]] = 0;
}

void b4c_ban_ngrams(float *logits, int v, const int32_t *history, int n_history, int n)
{
    const int32_t *tail = history + n_history - (n - 1); /* what the next token would complete */
    for (int i = 0; i + n <= n_history; i++)
        if (!memcmp(history + i, tail, (size_t)(n - 1) * sizeof *tail) &&
            valid(history[i + n - 1], v))
            logits[history[i + n - 1]] = -INFINITY;
}

void b4c_ban_phrase(float *logits, int v, const int32_t *history, int n_history,
                    const int32_t *phrase, int n)
{
    if (n_history < n - 1 || !valid(phrase[n - 1], v)) return;
    if (!memcmp(history + n_history - (n - 1), phrase, (size_t)(n - 1) * sizeof *phrase))
        logits[phrase[n - 1]] = -INFINITY;
}

/* ---- numbers --------------------------------------------------------------------------------- */

double b4c_log_sum_exp(const float *logits, int v) { return log_sum(logits, v, 1); }

int b4c_best_token(const float *logits, int v)
{
    int best = -1;
    for (int i = 0; i < v; i++)
        if (logits[i] > -INFINITY && (best < 0 || logits[i] > logits[best])) best = i;
    return best;
}

int b4c_draw_token(const float *logits, int v, float temperature, float u)
{
    const double z = log_sum(logits, v, temperature);
    double reached = 0;
    int last = -1;           /* block with a token that may come */
    for (int at = 0, n; at < v && z > -INFINITY; at += n) {
        float w[BLOCK];
        const double l = block_softmax(logits, v, at, temperature, w, &n);
        if (!(l > -INFINITY)) continue;
        const double share = exp(l - z);
        double inside = 0;
        last = at;
        for (int i = 0; i < n && reached + share > (double)u; i++) {
            if (!(logits[at + i] > -INFINITY)) continue;
            inside += (double)w[i] * share;
            if (reached + inside > (double)u) return at + i;
        }
        reached += share;
    }
    if (last < 0) return -1;
    int i = v - last < BLOCK ? v - 1 : last + BLOCK - 1; /* u so near 1 that rounding passed it */
    while (!(logits[i] > -INFINITY)) i--;
    return i;
}
