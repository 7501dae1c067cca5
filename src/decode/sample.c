/* sample.c - one token after another: greedy, or drawn.
 *
 * Results of one request begin alike, and go on as one hypothesis, which costs what one result
 * does, until they draw different tokens. Each draws by its own random stream, so what it says does
 * not depend on the others. (Paraphrases of a trained model share most of their first words.)
 */
#include "decode/request_own.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What may follow, of what the rules leave of the row. */
static void spread(b4c_request *r, float *row, b4c_categorical *c)
{
    const b4c_generate_options *o = &r->o;
    const int v = r->facts.vocabulary;
    b4c_filter_scratch s = { r->scratch_value, 2 * v };
    if (o->temperature < 1 || o->temperature > 1)
        for (int i = 0; i < v; i++) row[i] /= o->temperature;
    if (!(o->top_p < 1) || o->min_p > 0 || o->typical < 1) {
        b4c_request_keep(r, row);
        b4c_categorical_all(c, row, v);
        return;
    }
    if (o->top_k) b4c_keep_top_k(row, v, o->top_k, &s);
    b4c_categorical_top_p(c, row, v, o->top_p, &s);
}

/* token[i] of the results i that h is: what follows, or -1 when rules have banned all. */
static void choose(b4c_request *r, const b4c_hypothesis *h, float *row, int *token)
{
    b4c_request_rules(r, h, row);
    if (!r->o.sample) {
        const int best = b4c_best_token(row, r->facts.vocabulary);
        for (int i = h->lane; i >= 0; i = r->also[i]) token[i] = best;
        return;
    }
    b4c_categorical c;
    spread(r, row, &c);
    for (int i = h->lane; i >= 0; i = r->also[i])
        token[i] = b4c_categorical_draw(&c, b4c_rng_uniform(&r->rng[i]));
}

/* ---- side by side ---------------------------------------------------------------------------- */

typedef struct choosing {
    b4c_request *r;
    const float *logits;
    int *token;              /* [results] */
} choosing;

/* Bytes of what a lane writes on while it chooses: a row, scratch of filters, history, seen. */
static size_t lane_bytes(const b4c_request *r)
{
    const size_t v = (size_t)r->facts.vocabulary;
    const size_t bytes = 3 * v * sizeof(float) + (size_t)r->history_room * sizeof(int32_t) + v;
    return (bytes + B4C_ALIGN - 1) / B4C_ALIGN * B4C_ALIGN;
}

/* The request as lane `lane` sees it: all of it, but paper of its own. */
static b4c_request seen_by(const b4c_request *r, int lane)
{
    b4c_request mine = *r;
    if (lane == 0) return mine;
    const size_t v = (size_t)r->facts.vocabulary;
    char *at = r->beside + (size_t)(lane - 1) * lane_bytes(r);
    mine.row = (float *)(void *)at;
    mine.scratch_value = mine.row + v;
    mine.history = (int32_t *)(void *)(mine.scratch_value + 2 * v);
    mine.seen = (uint8_t *)(mine.history + r->history_room);
    if (r->n_prompt) memcpy(mine.history, r->history, (size_t)r->n_prompt * sizeof *mine.history);
    return mine;
}

/* Lanes take hypotheses in turn. */
static void choose_some(void *arg, int lane, int lanes)
{
    const choosing *c = arg;
    b4c_request r = seen_by(c->r, lane);
    const int v = r.facts.vocabulary;
    for (int i = lane; i < r.n_live; i += lanes) {
        memcpy(r.row, c->logits + (size_t)i * (size_t)v, (size_t)v * sizeof *r.row);
        choose(&r, &r.live[i], r.row, c->token);
    }
}

/* Paper for the other lanes; without it the caller chooses alone. */
static b4c_pool *pool_of(b4c_request *r)
{
    const int lanes = b4c_pool_lanes(r->pool);
    if (r->n_live < 2 || lanes == 1) return NULL;
    if (r->beside_lanes < lanes) {
        free(r->beside);
        r->beside = calloc((size_t)(lanes - 1), lane_bytes(r));
        r->beside_lanes = r->beside ? lanes : 0;
    }
    return r->beside ? r->pool : NULL;
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* Of the results from `first` on, those that drew what it did stay its list; returns the list of
 * the others, -1: none. */
static int part_ways(int *also, const int *token, int first)
{
    int same = first, rest = -1, *other = &rest;
    for (int i = also[first]; i >= 0; i = also[i]) {
        if (token[i] == token[first]) {
            also[same] = i;
            same = i;
        } else {
            *other = i;
            other = &also[i];
        }
    }
    also[same] = *other = -1;
    return rest;
}

/* Live hypothesis i goes on as the results that it is have drawn. Returns how many now go on. */
static int go_on(b4c_request *r, int i, const float *given, const int *token, b4c_move *moves,
                 int kept)
{
    const b4c_hypothesis *h = &r->live[i];
    const int v = r->facts.vocabulary;
    if (r->o.alternatives)
        for (int k = 0; k < v; k++) r->row[k] = given[k] - (float)r->z[i];
    for (int first = h->lane, rest; first >= 0; first = rest) {
        b4c_hypothesis *to = &r->next[kept];
        rest = part_ways(r->also, token, first);
        const double logprob = (double)given[token[first]] - r->z[i];
        b4c_hypothesis_extend(r, to, h, token[first], logprob, r->row);
        if (r->failed) break;
        to->lane = first;
        const b4c_finish why = b4c_request_why(r, to);
        if (why != B4C_FINISH_NONE)
            b4c_request_finished(r, to, why);
        else
            moves[kept++] = (b4c_move){ i, token[first] };
    }
    return kept;
}

int b4c_sample_step(b4c_request *r, float *logits, b4c_move *moves, b4c_error *err)
{
    const size_t v = (size_t)r->facts.vocabulary;
    int kept = 0, rc = 0;
    choosing c = { r, logits, malloc((size_t)r->o.n * sizeof *c.token) };
    if (!c.token) return r->failed = true, B4C_E_MEMORY;
    b4c_pool_run(pool_of(r), choose_some, &c);
    for (int i = 0; i < r->n_live && !r->failed && rc == 0; i++) {
        if (c.token[r->live[i].lane] >= 0)
            kept = go_on(r, i, logits + (size_t)i * v, c.token, moves, kept);
        else
            rc = b4c_fail(err, B4C_E_ARG,
                          "generation: step %d: every token is banned; loosen the rules",
                          r->steps);
    }
    free(c.token);
    if (rc < 0) return rc;
    r->n_next = kept;
    b4c_request_turn(r);
    return kept;
}
