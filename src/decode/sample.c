/* sample.c - one token after another: greedy, or drawn; n results part ways in their first step. */
#include "decode/request_own.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The token that uniform u in [0, 1) draws from what the filters leave, or -1. */
static int draw(b4c_request *r, float *row, float u)
{
    const b4c_generate_options *o = &r->o;
    const int v = r->facts.vocabulary;
    b4c_filter_scratch s = { r->scratch_value, 2 * v };
    if (!(o->top_p < 1) || o->min_p > 0 || o->typical < 1) {
        b4c_request_keep(r, row);
        return b4c_draw_token(row, v, u);
    }
    if (o->top_k) b4c_keep_top_k(row, v, o->top_k, &s);
    return b4c_draw_top_p(row, v, o->top_p, u, &s);
}

/* The token that follows, or -1 when rules have banned all. */
static int choose(b4c_request *r, const b4c_hypothesis *h, float *row, int lane)
{
    const b4c_generate_options *o = &r->o;
    const int v = r->facts.vocabulary;
    b4c_request_rules(r, h, row);
    if (!o->sample) return b4c_best_token(row, v);
    if (o->temperature < 1 || o->temperature > 1)
        for (int i = 0; i < v; i++) row[i] /= o->temperature;
    return draw(r, row, b4c_rng_uniform(&r->rng[lane]));
}

/* ---- side by side ---------------------------------------------------------------------------- */

typedef struct choosing {
    b4c_request *r;
    const float *logits;
    int *token;              /* [n] */
    int n;
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

/* Lanes take samples in turn; each is chosen by its own random stream. */
static void choose_some(void *arg, int lane, int lanes)
{
    const choosing *c = arg;
    b4c_request r = seen_by(c->r, lane);
    const int v = r.facts.vocabulary;
    for (int i = lane; i < c->n; i += lanes) {
        const int parent = r.steps ? i : 0;
        const b4c_hypothesis *h = &r.live[parent];
        const float *given = c->logits + (size_t)parent * (size_t)v;
        memcpy(r.row, given, (size_t)v * sizeof *r.row);
        c->token[i] = choose(&r, h, r.row, r.steps ? h->lane : i);
    }
}

/* Paper for the other lanes; without it the caller chooses alone. */
static b4c_pool *pool_of(b4c_request *r, int n)
{
    const int lanes = b4c_pool_lanes(r->pool);
    if (n < 2 || lanes == 1) return NULL;
    if (r->beside_lanes < lanes) {
        free(r->beside);
        r->beside = calloc((size_t)(lanes - 1), lane_bytes(r));
        r->beside_lanes = r->beside ? lanes : 0;
    }
    return r->beside ? r->pool : NULL;
}

/* ---- a step ---------------------------------------------------------------------------------- */

int b4c_sample_step(b4c_request *r, float *logits, b4c_move *moves, b4c_error *err)
{
    const int v = r->facts.vocabulary, n = r->steps ? r->n_live : r->o.n;
    int kept = 0;
    choosing c = { r, logits, malloc((size_t)n * sizeof *c.token), n };
    if (!c.token) return r->failed = true, B4C_E_MEMORY;
    b4c_pool_run(pool_of(r, n), choose_some, &c);
    for (int i = 0; i < n && !r->failed; i++) {
        const int parent = r->steps ? i : 0;
        const b4c_hypothesis *h = &r->live[parent];
        const float *given = logits + (size_t)parent * (size_t)v;
        const double z = r->z[parent];
        const int token = c.token[i];
        if (token < 0) {
            free(c.token);
            return b4c_fail(err, B4C_E_ARG,
                            "generation: step %d: every token is banned; loosen the rules",
                            r->steps);
        }
        if (r->o.alternatives)
            for (int k = 0; k < v; k++) r->row[k] = given[k] - (float)z;
        b4c_hypothesis *to = &r->next[kept];
        const int lane = r->steps ? h->lane : i;
        b4c_hypothesis_extend(r, to, h, token, (double)given[token] - z, r->row);
        if (r->failed) break;
        to->lane = lane;
        const b4c_finish why = b4c_request_why(r, to);
        if (why != B4C_FINISH_NONE)
            b4c_request_finished(r, to, why);
        else
            moves[kept++] = (b4c_move){ parent, token };
    }
    free(c.token);
    r->n_next = kept;
    b4c_request_turn(r);
    return kept;
}
