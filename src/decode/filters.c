/* filters.c - see filters.h.
 *
 * Idea of the selections: no sorting of a whole vocabulary, and no walk over it that branches. The
 * number at which the likeliest end is enclosed by a few passes of the kernels (how much weigh
 * those above a guess?), over ever fewer that lie in between; a handful is divided by a pivot again
 * and again, as quickselect does, with the mass of the upper part in place of its count.
 */
#include "decode/filters.h"

#include "math/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Numbers that are summed in float before their sum goes into a double. */
enum { BLOCK = 1024 };

static inline int block_at(int v, int at) { return v - at < BLOCK ? v - at : BLOCK; }

/* Sum of e^(x - best); the parts into w [v] unless NULL. */
static double weigh(const float *x, int v, float best, float *w)
{
    const b4c_kernels *k = b4c_kernels_get();
    double sum = 0;
    for (int at = 0; at < v; at += BLOCK)
        sum += (double)k->weigh(x + at, (size_t)block_at(v, at), best, w ? w + at : NULL);
    return sum;
}

static float highest(const float *x, int v) { return b4c_kernels_get()->highest(x, (size_t)v); }

static int drop_below(float *logits, int v, float least)
{
    return b4c_kernels_get()->drop_below(logits, (size_t)v, least);
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

typedef struct tally { double mass; int n; } tally;

/* Of the x at or above `least`, > -INFINITY. weight NULL: each weighs 1. */
static tally at_least(const float *x, const float *weight, int v, float least)
{
    const b4c_kernels *k = b4c_kernels_get();
    tally sum = { 0 };
    for (int at = 0; at < v; at += BLOCK) {
        const b4c_tally t = k->at_least(x + at, weight ? weight + at : NULL,
                                        (size_t)block_at(v, at), least);
        sum.mass += (double)t.mass;
        sum.n += t.n;
    }
    return sum;
}

/* The highest x such that those at or above it weigh at least `wanted` > 0; -INFINITY when all
 * together do not. best: the highest of all, finite. weight NULL: each weighs 1. room: v floats. */
static float lowest_kept(const float *x, const float *weight, int v, float best, double wanted,
                         float *room)
{
    enum { FEW = 64, SLACK = 16 };   /* so many are looked at one by one */
    const b4c_kernels *k = b4c_kernels_get();
    float key[FEW + SLACK], share[FEW + SLACK];
    float lower = -FLT_MAX, upper = INFINITY;    /* the answer is in lower <= x < upper */
    int n = v;               /* of x that are still looked at */
    /* left behind by then; above upper; at or above lower */
    tally behind = { 0 }, above = { 0 }, below = at_least(x, weight, v, lower);
    if (below.mass < wanted) return -INFINITY;
    /* From the best one down by steps that double, then by halves. */
    for (float far = 2; below.n - above.n > FEW; far *= 2) {
        const bool falling = lower <= -FLT_MAX && best - far > lower && best - far < upper;
        const float high = upper < best ? upper : best;
        float guess = falling ? best - far : lower / 2 + high / 2;
        const bool between = guess > lower && guess < upper;
        if (!between && upper <= best) return lower;             /* all the rest are equal */
        if (!between) guess = upper = best;
        tally t = at_least(x, weight, n, guess);
        t.mass += behind.mass;
        t.n += behind.n;
        if (t.mass >= wanted) {
            if (guess >= best) return best;
            lower = guess;
            below = t;
        } else {
            upper = guess;
            above = t;
        }
        if (below.n - above.n > n / 4) continue;
        float *to = room, *to_weight = room + v / 2;
        n = k->between(x, weight, (size_t)n, lower, upper, to, to_weight);
        x = to;
        weight = to_weight;
        behind = above;
    }
    n = k->between(x, weight, (size_t)n, lower, upper, key, share);
    return threshold(key, share, n, wanted - above.mass);
}

int b4c_keep_top_k(float *logits, int v, int k, b4c_filter_scratch *s)
{
    const float best = highest(logits, v);
    if (!(best > -INFINITY)) return 0;
    return drop_below(logits, v, lowest_kept(logits, NULL, v, best, k, s->value));
}

/* What stays by top-p is at least this; what each weighs into s->value [v]. best: finite. */
static float least_of_top_p(const float *logits, int v, float best, float p, b4c_filter_scratch *s)
{
    const double sum = weigh(logits, v, best, s->value);
    /* p is a float and so are the parts: what reaches p but for their rounding has reached it */
    const double wanted = p < 1 ? (double)p * sum * (1 - 1e-6) : INFINITY;
    return lowest_kept(logits, s->value, v, best, wanted, s->value + v);
}

int b4c_keep_top_p(float *logits, int v, float p, b4c_filter_scratch *s)
{
    const float best = highest(logits, v);
    if (!(best > -INFINITY)) return 0;
    return drop_below(logits, v, least_of_top_p(logits, v, best, p, s));
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

double b4c_log_sum_exp(const float *logits, int v)
{
    const float best = highest(logits, v), shift = best == -INFINITY ? 0 : best;
    return (double)shift + log(weigh(logits, v, shift, NULL));
}

int b4c_best_token(const float *logits, int v)
{
    int best = -1;
    for (int i = 0; i < v; i++)
        if (logits[i] > -INFINITY && (best < 0 || logits[i] > logits[best])) best = i;
    return best;
}

/* ---- draws ----------------------------------------------------------------------------------- */

enum { PARTS = sizeof ((b4c_categorical *)0)->part / sizeof(double) };

static bool may_come(float logit, float least) { return logit > -INFINITY && logit >= least; }

/* Where part p begins, and with p = PARTS where the last one ends. */
static int part_at(const b4c_categorical *c, int p)
{
    const int size = (c->v + PARTS - 1) / PARTS;
    return p * size < c->v ? p * size : c->v;
}

static void sum_parts(b4c_categorical *c)
{
    for (int p = 0; p < PARTS; p++) {
        const int at = part_at(c, p), n = part_at(c, p + 1) - at;
        c->part[p] = c->weight ? at_least(c->logits + at, c->weight + at, n, c->least).mass
                               : weigh(c->logits + at, n, c->best, NULL);
    }
}

void b4c_categorical_all(b4c_categorical *c, const float *logits, int v)
{
    *c = (b4c_categorical){
        .logits = logits, .v = v, .best = highest(logits, v), .least = -INFINITY
    };
    if (c->best > -INFINITY) sum_parts(c);
}

void b4c_categorical_top_p(b4c_categorical *c, const float *logits, int v, float p,
                           b4c_filter_scratch *s)
{
    *c = (b4c_categorical){ .logits = logits, .v = v, .best = highest(logits, v) };
    if (!(c->best > -INFINITY)) return;
    c->weight = s->value;
    c->least = least_of_top_p(logits, v, c->best, p, s);
    sum_parts(c);
}

int b4c_categorical_draw(const b4c_categorical *c, float u)
{
    double sum = 0, reached = 0;
    if (!(c->best > -INFINITY)) return -1;
    for (int p = 0; p < PARTS; p++) sum += c->part[p];
    const double wanted = (double)u * sum;
    int p = 0, last = -1, v = c->v;      /* last: a token that may come */
    while (p < PARTS - 1 && reached + c->part[p] <= wanted) reached += c->part[p++];
    /* Where the parts of a part, or all parts, sum up to a little less than they did, the next
     * token that may come is as good. */
    for (int at = part_at(c, p), n; at < v; at += n) {
        float found[BLOCK];
        const float *weight = c->weight ? c->weight + at : found;
        n = block_at(v, at);
        if (!c->weight) weigh(c->logits + at, n, c->best, found);
        for (int i = 0; i < n; i++) {
            if (!may_come(c->logits[at + i], c->least)) continue;
            last = at + i;
            reached += (double)weight[i];
            if (reached > wanted) return last;
        }
    }
    while (last < 0) last = may_come(c->logits[--v], c->least) ? v : -1;
    return last;
}
