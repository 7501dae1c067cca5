/* beam.c - beam search, of two kinds.
 *
 * The usual one: a score is the sum of log-probabilities, as the rules left them, over
 * length^penalty; each step looks at the best few continuations of all beams, ended ones among the
 * best `beams` are kept, the best others go on. Equal to transformers 5's to the end condition.
 * Groups search one after another and pay for tokens that earlier groups chose in the same step
 * (Vijayakumar et al. 2018). Forced phrases share the places by how much of them a beam holds (Post
 * and Vilar 2018), so that beams which are about to meet one are not crowded out.
 *
 * bert4keras's: no normalisation; once the best beam has ended it is the answer, other ended beams
 * are dropped and the search narrows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode/request_own.h"
#include "math/kernels.h"

typedef struct candidate {
    int parent; /* index of its live hypothesis */
    int32_t token;
    double score, key; /* key: what it is ranked by; score + noise when sampling */
    int bank;          /* tokens of forced phrases that it would hold */
} candidate;

typedef struct b4c_beam_group {
    int width;    /* beams it may have now */
    int begin, n; /* its live hypotheses */
    int n_done;
    double worst; /* score of its worst kept result */
    bool over;
} b4c_beam_group;

static int keep_of(const b4c_request *r, int width)
{
    return (r->n_end > 1 ? 1 + r->n_end : 2) * width;
}

int b4c_beam_init(b4c_request *r)
{
    const int groups = r->o.beam_groups;
    r->group = calloc((size_t)groups, sizeof *r->group);
    if (!r->group) return B4C_E_MEMORY;
    for (int g = 0; g < groups; g++)
        r->group[g] = (b4c_beam_group){ .width = r->o.beams / groups, .n = 1 };
    return 0;
}

void b4c_beam_done(b4c_request *r)
{
    free(r->group);
    r->group = NULL;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static bool above(const candidate *a, const candidate *b)
{
    if (a->key < b->key || a->key > b->key) return a->key > b->key;
    return a->parent != b->parent ? a->parent < b->parent : a->token < b->token;
}

/* Put c among the best `room`, which stand in order. */
static void offer(candidate *best, int *n, int room, const candidate *c)
{
    if (*n == room && !above(c, &best[room - 1])) return;
    int i = *n < room ? (*n)++ : room - 1;
    for (; i > 0 && above(c, &best[i - 1]); i--) best[i] = best[i - 1];
    best[i] = *c;
}

/* Log-probabilities of a live hypothesis: the model's in `model`, the rules' in `row`. */
static void log_probabilities(b4c_request *r, const b4c_hypothesis *h, const float *logits,
                              float *row)
{
    const int v = r->facts.vocabulary;
    b4c_kernels_get()->shift(-(float)r->z[h - r->live], logits, row, (size_t)v);
    b4c_request_rules(r, h, row);
    if (!r->o.sample) return;
    if (r->o.temperature < 1 || r->o.temperature > 1)
        for (int i = 0; i < v; i++) row[i] /= r->o.temperature;
    b4c_request_keep(r, row);
}

/* What a number of a row must reach to come among the best: below it, none does. A margin for the
 * rounding of both sums. */
static float least_of(const candidate *best, int n, int room, double sum)
{
    if (n < room) return -INFINITY;
    const double key = best[room - 1].key;
    return (float)(key - sum - 1e-6 * (fabs(key) + fabs(sum)));
}

static void offer_row(b4c_request *r, int parent, const float *row, const double *taken,
                      candidate *best, int *n, int room)
{
    const size_t v = (size_t)r->facts.vocabulary;
    const b4c_kernels *kernels = b4c_kernels_get();
    const double sum = r->live[parent].score;
    const bool plain = !taken && !r->o.sample;
    float least = plain ? least_of(best, *n, room, sum) : -INFINITY;
    for (size_t i = 0; (i += kernels->reach(row + i, v - i, least)) < v; i++) {
        if (!(row[i] > -INFINITY)) continue;
        candidate c = { parent, (int32_t)i, sum + (double)row[i], 0, 0 };
        if (taken) c.score -= (double)r->o.diversity * taken[i];
        c.key = c.score;
        if (r->o.sample)
            c.key -= log(-log(((double)b4c_rng_word(&r->rng[0]) + 0.5) /
                              4294967296.0)); /* Gumbel: draws without replacement */
        offer(best, n, room, &c);
        if (plain) least = least_of(best, *n, room, sum);
    }
}

/* Order candidates so that banks take turns, the fullest first, each by its score. */
static void take_turns(candidate *c, int n, candidate *spare)
{
    memcpy(spare, c, (size_t)n * sizeof *c);
    int placed = 0;
    for (int turn = 0; placed < n; turn++) {
        int bank = 1 << 30;
        for (;;) { /* the next lower bank that has a candidate number `turn` */
            int lower = -1;
            for (int i = 0; i < n; i++)
                if (spare[i].bank < bank && spare[i].bank > lower) lower = spare[i].bank;
            if (lower < 0) break;
            bank = lower;
            int seen = 0;
            for (int i = 0; i < n; i++)
                if (spare[i].bank == bank && seen++ == turn) c[placed++] = spare[i];
        }
    }
}

/* ---- results --------------------------------------------------------------------------------- */

static double normalised(const b4c_request *r, double sum, int length)
{
    return sum / pow(length + r->facts.begun, (double)r->o.length_penalty);
}

/* A group keeps its best `width` results: h joins them unless it is worse than all of a full set.
 */
static void keep_result(b4c_request *r, int g, b4c_hypothesis *h, double score, b4c_finish why)
{
    b4c_beam_group *group = &r->group[g];
    const int size = r->o.beams / r->o.beam_groups;
    h->score = score;
    h->lane = g;
    if (group->n_done == size && !(score > group->worst)) {
        b4c_hypothesis_free(h);
        return;
    }
    if (group->n_done == size) {
        int worst = -1;
        for (int i = 0; i < r->n_done; i++)
            if (r->done[i].lane == g && (worst < 0 || r->done[i].score < r->done[worst].score))
                worst = i;
        b4c_hypothesis_free(&r->done[worst]);
        h->finish = why;
        r->done[worst] = *h;
        *h = (b4c_hypothesis){ 0 };
    } else {
        b4c_request_finished(r, h, why);
        group->n_done++;
    }
    group->worst = INFINITY;
    for (int i = 0; i < r->n_done; i++)
        if (r->done[i].lane == g && r->done[i].score < group->worst)
            group->worst = r->done[i].score;
}

/* The highest score that a live beam with this sum and length may end with: its sum cannot rise but
 * by what the rules give, and the best length depends on the sign of sum and penalty. */
static double best_end(const b4c_request *r, double sum, int length)
{
    double best = -INFINITY;
    for (int n = length; n <= r->o.max_new_tokens; n++)
        best = fmax(best, normalised(r, sum + r->raise * (n - length), n));
    return best;
}

/* Can nothing that is live still become a result? best: the highest sum that goes on; length:
 * tokens it has. */
static bool is_over(const b4c_request *r, const b4c_beam_group *group, double best, int length)
{
    const int size = r->o.beams / r->o.beam_groups;
    if (group->n_done < size) return false;
    if (r->o.early_stopping == B4C_EARLY_ALWAYS) return true;
    const double end = r->o.early_stopping == B4C_EARLY_NEVER ? best_end(r, best, length)
                                                              : normalised(r, best, length);
    return !(end > group->worst);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static void extend(b4c_request *r, b4c_hypothesis *to, const candidate *c, const float *logits)
{
    const int v = r->facts.vocabulary;
    const float *given = logits + (size_t)c->parent * (size_t)v;
    const double z = r->z[c->parent];
    for (int i = 0; i < v && r->o.alternatives; i++) r->row[i] = given[i] - (float)z;
    b4c_hypothesis_extend(r, to, &r->live[c->parent], c->token, (double)given[c->token] - z,
                          r->row);
    to->score = c->score;
}

/* The group's best continuations, in order; taken [v] counts what earlier groups chose, or is NULL.
 */
static int collect(b4c_request *r, const b4c_beam_group *group, const float *logits,
                   const double *taken, candidate *best, int room)
{
    const int v = r->facts.vocabulary;
    int n = 0;
    for (int i = group->begin; i < group->begin + group->n; i++) {
        log_probabilities(r, &r->live[i], logits + (size_t)i * (size_t)v, r->row);
        offer_row(r, i, r->row, taken, best, &n, room);
    }
    if (!r->o.n_forced) return n;
    /* what goes on with a forced phrase is a candidate whatever its score */
    candidate *all = best + room;
    int more = 0;
    for (int i = group->begin; i < group->begin + group->n; i++) {
        int missing;
        int32_t next;
        b4c_request_forced(r, &r->live[i], &missing, &next);
        if (next < 0) continue;
        log_probabilities(r, &r->live[i], logits + (size_t)i * (size_t)v, r->row);
        bool there = !(r->row[next] > -INFINITY);
        for (int k = 0; k < n; k++) there |= best[k].parent == i && best[k].token == next;
        if (!there)
            best[n + more++] = (candidate){ i, next, r->live[i].score + (double)r->row[next],
                                            r->live[i].score + (double)r->row[next], 0 };
        if (n + more >= room + group->n) break;
    }
    n += more;
    for (int k = 0; k < n; k++) {
        b4c_hypothesis longer = { 0 };
        int missing;
        int32_t next;
        b4c_hypothesis_extend(r, &longer, &r->live[best[k].parent], best[k].token, 0, r->row);
        if (r->failed) return 0;
        best[k].bank = b4c_request_forced(r, &longer, &missing, &next);
        b4c_hypothesis_free(&longer);
    }
    take_turns(best, n, all + group->n);
    return n;
}

/* One group's step; appends what goes on to r->next and moves. */
static void step_group(b4c_request *r, int g, const float *logits, double *taken, candidate *best,
                       b4c_move *moves)
{
    b4c_beam_group *group = &r->group[g];
    const int room = keep_of(r, group->width), length = r->steps + 1;
    const int n = collect(r, group, logits, g && taken ? taken : NULL, best, room),
              begin = r->n_next;
    double top = -INFINITY;
    for (int k = 0; k < n && r->n_next - begin < group->width && !r->failed; k++) {
        b4c_hypothesis *to = &r->next[r->n_next];
        extend(r, to, &best[k], logits);
        if (r->failed) return;
        to->lane = g;
        const b4c_finish why = b4c_request_why(r, to);
        if (why != B4C_FINISH_NONE) {
            /* an ended one counts only among the best `width`: behind them it is no better than
             * what goes on */
            if (k < group->width)
                keep_result(r, g, to, normalised(r, best[k].score, length), why);
            else
                b4c_hypothesis_free(to);
            continue;
        }
        if (best[k].score > top) top = best[k].score;
        if (taken) taken[best[k].token]++;
        moves[r->n_next++] = (b4c_move){ best[k].parent, best[k].token };
    }
    if (r->n_next == begin || is_over(r, group, top, length)) {
        for (int i = begin; i < r->n_next; i++) b4c_hypothesis_free(&r->next[i]);
        r->n_next = begin;
        group->over = true;
    }
    group->begin = begin;
    group->n = r->n_next - begin;
}

int b4c_beam_step(b4c_request *r, float *logits, b4c_move *moves, b4c_error *err)
{
    const int v = r->facts.vocabulary, size = r->o.beams / r->o.beam_groups,
              room = keep_of(r, size);
    candidate *best = malloc((size_t)(3 * (room + size)) * sizeof *best);
    double *taken = r->o.beam_groups > 1 ? calloc((size_t)v, sizeof *taken) : NULL;
    if (!best || (r->o.beam_groups > 1 && !taken)) r->failed = true;
    for (int g = 0; g < r->o.beam_groups && !r->failed; g++)
        if (!r->group[g].over) step_group(r, g, logits, taken, best, moves);
    free(best);
    free(taken);
    if (r->failed) return B4C_E_MEMORY;
    if (!r->n_next && !r->n_done)
        return b4c_fail(err, B4C_E_ARG,
                        "generation: step %d: every token is banned; loosen the rules", r->steps);
    b4c_request_turn(r);
    return r->n_live;
}

void b4c_beam_finish(b4c_request *r, b4c_finish why)
{
    for (int i = 0; i < r->n_live; i++) {
        b4c_hypothesis *h = &r->live[i];
        if (!h->n) continue;
        if (r->o.bert4keras_beam) {
            if (i == 0) b4c_request_finished(r, h, why);
        } else {
            keep_result(r, h->lane, h, normalised(r, h->score, h->n), why);
        }
    }
}

/* ---- bert4keras ------------------------------------------------------------------------------ */

static int ends_of(const b4c_request *r, const b4c_hypothesis *h)
{
    int n = 0;
    for (int i = 0; i < h->n; i++) n += b4c_request_is_end(r, h->ids[i]);
    return n;
}

int b4c_bert4keras_step(b4c_request *r, float *logits, b4c_move *moves, b4c_error *err)
{
    const int v = r->facts.vocabulary, width = r->group[0].width;
    candidate *best = malloc((size_t)width * sizeof *best);
    if (!best) return r->failed = true, B4C_E_MEMORY;
    int n = 0;
    for (int i = 0; i < r->n_live; i++) {
        const float *given = logits + (size_t)i * (size_t)v;
        const double z = r->z[i];
        for (int k = 0; k < v; k++) r->row[k] = (float)log(exp((double)given[k] - z) + 1e-12);
        b4c_request_rules(r, &r->live[i], r->row);
        offer_row(r, i, r->row, NULL, best, &n, width);
    }
    for (int k = 0; k < n && !r->failed; k++) {
        extend(r, &r->next[k], &best[k], logits);
        moves[k] = (b4c_move){ best[k].parent, best[k].token };
    }
    free(best);
    if (r->failed) return B4C_E_MEMORY;
    if (!n)
        return b4c_fail(err, B4C_E_ARG,
                        "generation: step %d: every token is banned; loosen the rules", r->steps);
    const int length = r->steps + 1;
    bool over = false;
    if (length >= r->o.min_new_tokens) {
        b4c_hypothesis *first = &r->next[0];
        over = b4c_request_is_end(r, first->ids[first->n - 1]) &&
               ends_of(r, first) >= r->o.min_ends;
        if (over) b4c_request_finished(r, first, B4C_FINISH_END);
        int kept = over ? n : 0;
        for (int k = 0; k < n && !over; k++) {
            b4c_hypothesis *h = &r->next[k];
            if (b4c_request_is_end(r, h->ids[h->n - 1]) && ends_of(r, h) >= r->o.min_ends) {
                b4c_hypothesis_free(h);
                continue;
            }
            if (kept != k) {
                r->next[kept] = *h;
                *h = (b4c_hypothesis){ 0 };
            }
            moves[kept++] = moves[k];
        }
        r->group[0].width -= over ? 0 : n - kept;
        n = kept;
    }
    if (!over && length >= r->o.max_new_tokens) {
        b4c_request_finished(r, &r->next[0], B4C_FINISH_LENGTH);
        over = true;
    }
    r->n_next = n;
    b4c_request_turn(r);
    if (!over) return r->n_live;
    for (int i = 0; i < r->n_live; i++) b4c_hypothesis_free(&r->live[i]);
    r->n_live = 0;
    return 0;
}
