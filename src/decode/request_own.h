/* request_own.h - what the parts of a request share: request_check.c (options), request.c (rules),
 * sample.c (greedy and sampling), beam.c, results.c.
 *
 * A hypothesis owns its tokens. Each step makes the next generation of hypotheses from the last one
 * by moves, then the last one is forgotten.
 */
#ifndef B4C_DECODE_REQUEST_OWN_H
#define B4C_DECODE_REQUEST_OWN_H
#include "decode/filters.h"
#include "decode/request.h"

enum { B4C_NEVER_MOST = 4 };

typedef struct b4c_hypothesis {
    int32_t *ids;               /* [n], end tokens included */
    float *token_logprob;       /* [n] */
    b4c_candidate *alternative; /* [n, alternatives], or NULL */
    int n;
    double logprob; /* by the model alone */
    double score;   /* of beams: what the rules made of it */
    int lane;       /* beams: its group. Samples: the first of the results that it is (also) */
    b4c_finish finish;
    size_t cut; /* bytes of text before a stop string, SIZE_MAX: no stop string */
} b4c_hypothesis;

struct b4c_request {
    b4c_generate_options o; /* its arrays are copies */
    b4c_vocabulary_facts facts;
    int32_t *end; /* [n_end] the model's end tokens and the caller's */
    int n_end, n_model_end;
    int32_t never[B4C_NEVER_MOST]; /* [n_never] tokens that come only where they are asked for */
    int n_never;
    uint64_t number;
    int32_t *history; /* [n_prompt + room] prompt, then a hypothesis's tokens, for the rules */
    int n_prompt, history_room;
    b4c_hypothesis *live, *next, *done; /* [most], [most], [n_done] */
    int n_live, n_next, n_done, done_room, most;
    int steps;
    bool failed;          /* sticky: no memory */
    b4c_pool *pool;       /* not its own, or NULL */
    double *z;            /* [most] of the live rows of a step: log of the sum of exp */
    double raise;         /* what rules may give a token beyond a log-probability of 0; >= 0 */
    float *row;           /* [vocabulary] a row's copy */
    float *scratch_value; /* [2 * vocabulary] */
    uint8_t *seen;        /* [vocabulary] zeros */
    char *beside;         /* [lanes - 1] rows, scratch, history, seen of other lanes; NULL */
    int beside_lanes;
    int *border;          /* [max_new_tokens + 2], for b4c_cycle_find */
    b4c_rng *rng;         /* [n] a stream for each result; one for beams */
    int *also;            /* [most] samples: the next result of the same tokens so far, or -1 */
    struct b4c_beam_group *group;
    b4c_result *result;
    int n_result;
};

/* Are its results drawn, or the best each time? Else they come from beams. */
static inline bool b4c_is_sample(const b4c_request *r)
{
    return r->o.beams <= 1 && !r->o.bert4keras_beam;
}

/* ---- options (request_check.c) --------------------------------------------------------------- */

/* Tokens that come only where they are asked for: [UNK] and its like, but for those that end
 * results. Returns how many. */
int b4c_request_never(const b4c_generate_options *, const b4c_vocabulary_facts *,
                      int32_t never[B4C_NEVER_MOST]);

static inline bool b4c_is_among(const int32_t *tokens, int n, int32_t token)
{
    for (int i = 0; i < n; i++)
        if (tokens[i] == token) return true;
    return false;
}

/* ---- hypotheses (request.c) ------------------------------------------------------------------ */

/* h plus a token: a copy. Its log-probability is token_logprob more; row (log-probabilities
 * [vocabulary]) is for alternatives, or NULL. */
void b4c_hypothesis_extend(b4c_request *, b4c_hypothesis *to, const b4c_hypothesis *h,
                           int32_t token, double token_logprob, const float *row);
void b4c_hypothesis_free(b4c_hypothesis *);
/* Move h among the finished; of samples, as all the results that it is. */
void b4c_request_finished(b4c_request *, b4c_hypothesis *h, b4c_finish why);
/* The next generation becomes the live one. */
void b4c_request_turn(b4c_request *);

/* ---- rules (request.c) ----------------------------------------------------------------------- */

/* Penalties, bans, biases, forced tokens, minimum length, on a row for hypothesis h. */
void b4c_request_rules(b4c_request *, const b4c_hypothesis *h, float *row);
/* Temperature-free filters of sampling. */
void b4c_request_keep(b4c_request *, float *row);
/* Why h, whose last token is new, is finished; NONE: it goes on. Sets h->cut. */
b4c_finish b4c_request_why(b4c_request *, b4c_hypothesis *h);
bool b4c_request_is_end(const b4c_request *, int32_t token);

/* Tokens of forced phrases that h holds, those of the phrase it is in the middle of included;
 * *missing: tokens of the phrases it does not hold whole; *next: what goes on with the phrase
 * begun, or begins one; -1: nothing is missing. */
int b4c_request_forced(const b4c_request *, const b4c_hypothesis *h, int *missing, int32_t *next);

/* ---- ways to choose -------------------------------------------------------------------------- */

int b4c_sample_step(b4c_request *, float *logits, b4c_move *, b4c_error *);
int b4c_beam_init(b4c_request *);
void b4c_beam_done(b4c_request *);
int b4c_beam_step(b4c_request *, float *logits, b4c_move *, b4c_error *);
int b4c_bert4keras_step(b4c_request *, float *logits, b4c_move *, b4c_error *);
/* What is live when time is up becomes results too. */
void b4c_beam_finish(b4c_request *, b4c_finish why);
#endif
