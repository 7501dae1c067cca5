/* request.h - one request for text: which tokens come next, and when it is finished.
 *
 * The idea: choosing is apart from computing. The engine (engine.h) owns the network and the cache;
 * a request owns the hypotheses. Each step the engine hands over a row of logits for every live
 * hypothesis, and the request answers with moves: hypothesis i of the next step is hypothesis
 * `parent` of this one, longer by `token`. Greedy decoding, sampling of many results, beam search
 * of any kind are all moves. A request looks at nothing but its own logits and its own random
 * stream, so its result does not depend on what else is in the batch.
 *
 *     r = b4c_request_new(options, vocabulary facts, prompt)            live = 1: the prompt
 *     while (live > 0) live = b4c_request_step(r, logits [live, v], moves); slots follow the moves
 *     b4c_request_results(r, ...)
 */
#ifndef B4C_DECODE_REQUEST_H
#define B4C_DECODE_REQUEST_H
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"

/* What a request must know about the model. */
typedef struct b4c_vocabulary_facts {
    int vocabulary; /* logits a row: tokens that exist; padded rows of the head are not among them
                     */
    const int32_t *end; /* tokens that end a result */
    int n_end;
    int unknown, pad, mask, cls;    /* never produced unless asked; -1: none */
    const b4c_tokenizer *tokenizer; /* for stop strings and streaming; NULL: neither */
    int begun; /* tokens of a result that the start holds already: beams count them as its length */
} b4c_vocabulary_facts;

typedef struct b4c_move {
    int parent;
    int32_t token;
} b4c_move;

typedef struct b4c_request b4c_request;

/* Are options in their ranges, and do none contradict one another? B4C_E_ARG, by name. */
int b4c_request_check(const b4c_generate_options *, const b4c_vocabulary_facts *, b4c_error *);

/* `prompt` [n_prompt] counts for repetition rules where the options say so and is never part of a
 * result. `number` tells requests of one seed apart (the counter of the random stream). Options are
 * checked. */
b4c_request *b4c_request_new(const b4c_generate_options *, const b4c_vocabulary_facts *,
                             const int32_t *prompt, int n_prompt, uint64_t number, b4c_error *);
void b4c_request_free(b4c_request *);

/* Hypotheses that want a row of logits now; at first 1. Results of a sample that have the same
 * tokens so far are one. 0: done. */
int b4c_request_live(const b4c_request *);
/* The most that may ever be live at once: what the engine must have slots for. */
int b4c_request_most(const b4c_request *);
/* The most tokens that a result may have, and the logits of a row. */
int b4c_request_longest(const b4c_request *);
int b4c_request_vocabulary(const b4c_request *);
/* logits [live, vocabulary], changed in place. moves has room for b4c_request_most. Returns how
 * many are live now (0: done), or a negative code (B4C_E_NUMBER: NaN in logits; B4C_E_MEMORY). */
int b4c_request_step(b4c_request *, float *logits, b4c_move *moves, b4c_error *);
/* Samples of the next steps are chosen by the pool's lanes side by side, to the same result; NULL:
 * by the caller alone. */
void b4c_request_share(b4c_request *, b4c_pool *);
/* Tokens of live hypothesis i, without the prompt. */
const int32_t *b4c_request_tokens(const b4c_request *, int i, int *n);
/* End now with what there is: the model's longest sequence is reached ("length"), or the caller
 * stops ("stopped"). */
void b4c_request_finish(b4c_request *, b4c_finish why);

/* After it is done: results best first (beams) or in order (samples). They belong to the request.
 */
int b4c_request_results(const b4c_request *, const b4c_result **results);
#endif
