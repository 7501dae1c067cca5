/* sample.c - one token after another: greedy, or drawn; n results part ways in their first step. */
#include <math.h>
#include <string.h>

#include "decode/request_own.h"

/* The token that follows, or -1 when rules have banned all. */
static int choose(b4c_request *r, const b4c_hypothesis *h, float *row, int lane)
{
    const b4c_generate_options *o = &r->o;
    const int v = r->facts.vocabulary;
    b4c_request_rules(r, h, row);
    if (!o->sample) return b4c_best_token(row, v);
    if (o->temperature < 1 || o->temperature > 1)
        for (int i = 0; i < v; i++) row[i] /= o->temperature;
    b4c_request_keep(r, row);
    return b4c_draw_token(row, v, 1, b4c_rng_uniform(&r->rng[lane]));
}

int b4c_sample_step(b4c_request *r, float *logits, b4c_move *moves, b4c_error *err)
{
    const int v = r->facts.vocabulary, n = r->steps ? r->n_live : r->o.n;
    int kept = 0;
    for (int i = 0; i < n && !r->failed; i++) {
        const int parent = r->steps ? i : 0;
        const b4c_hypothesis *h = &r->live[parent];
        const int lane = r->steps ? h->lane : i;
        const float *given = logits + (size_t)parent * (size_t)v;
        const double z = b4c_log_sum_exp(given, v);
        memcpy(r->row, given, (size_t)v * sizeof *r->row);
        const int token = choose(r, h, r->row, lane);
        if (token < 0)
            return b4c_fail(err, B4C_E_ARG,
                            "generation: step %d: every token is banned; loosen the rules",
                            r->steps);
        if (r->o.alternatives)
            for (int k = 0; k < v; k++) r->row[k] = given[k] - (float)z;
        b4c_hypothesis *to = &r->next[kept];
        b4c_hypothesis_extend(r, to, h, token, (double)given[token] - z, r->row);
        if (r->failed) break;
        to->lane = lane;
        const b4c_finish why = b4c_request_why(r, to);
        if (why != B4C_FINISH_NONE)
            b4c_request_finished(r, to, why);
        else
            moves[kept++] = (b4c_move){ parent, token };
    }
    r->n_next = kept;
    b4c_request_turn(r);
    return kept;
}
