/* forward.h - what a network computes, as ops on a tape: inference, training and decoding are these
 * same calls.
 *
 *     x = b4c_input(t, net, &net->encoder, ids, segments, &plan)  rows after embedding and its norm
 *     x = b4c_stack_run(t, net, &net->encoder, x, &call)          rows after the last layer
 *     b4c_pooler(t, net, first rows, true), b4c_logits(t, net, x)  heads
 *
 * Every tensor comes in rows of all sequences end to end; the plan says where they begin and what
 * they see.
 */
#ifndef B4C_MODEL_FORWARD_H
#define B4C_MODEL_FORWARD_H
#include "model/cache.h"
#include "model/network.h"

/* Dropout where the reference has it: after the embedding norm, each attention and each
 * feed-forward. p 0: none. */
typedef struct b4c_dropping {
    double p;
    uint64_t seed, step;
} b4c_dropping;

typedef struct b4c_stack_call {
    const b4c_plan *plans; /* layer l sees by plans[l % n_plans]: one, or several that alternate.
                              Same lengths */
    int n_plans;
    b4c_cache *cache;  /* keys and values of earlier calls, and these after them; NULL: the batch's
                          own. Not recording */
    b4c_tensor memory; /* decoder: the encoder's rows, and who sees which of them; cross NULL: no
                          cross-attention */
    const b4c_plan *cross;
    const b4c_cache *sources; /* keys and values of the memory, already made (b4c_cache_source);
                                 NULL: from memory */
    const int *only; /* rising rows that the last layer is wanted for, or NULL: all. The result has
                        n_only rows */
    int n_only;
    b4c_tensor *first; /* receives the first layer's rows; NULL: not wanted */
    b4c_dropping drop;
    bool recompute; /* a recording keeps each layer's input only and runs the layer again in the
                       back: plans, memory, only and cross must live until the tape's reset */
} b4c_stack_call;

/* Rows of the embedding. segments NULL: zeros. ids, segments and plan must live until the tape is
 * reset. ids in 0 .. vocabulary-1 and positions below max_positions are the caller's duty. */
b4c_tensor b4c_input(b4c_tape *, const b4c_network *, const b4c_stack *, const int32_t *ids,
                     const int32_t *segments, const b4c_plan *, b4c_dropping);

/* Rows after all layers and the final norm. The tape is shown "hidden" 0 .. layers, the last after
 * the final norm. Not recording, it leaves nothing in the arena but the result (and *first), which
 * may stand in the place of x. */
b4c_tensor b4c_stack_run(b4c_tape *, const b4c_network *, const b4c_stack *, b4c_tensor x,
                         const b4c_stack_call *);

/* The pooler's dense layer on rows (first tokens), with its tanh or without. Only if
 * net->has_pooler. */
b4c_tensor b4c_pooler(b4c_tape *, const b4c_network *, b4c_tensor x, bool with_tanh);
/* [rows, vocabulary]. Only if net->has_head. */
b4c_tensor b4c_logits(b4c_tape *, const b4c_network *, b4c_tensor x);

/* The one block (block.c): x [rows, width] -> [rows that ask, width]. */
typedef struct b4c_block_call {
    const b4c_stack *stack;
    const b4c_stack_call *run;
    int layer;
    const b4c_plan *self, *asked; /* of all rows; of the rows that ask, which are all but in a last
                                     layer with `only` */
    const b4c_plan *cross;        /* of the rows that ask, or NULL */
    bool keep_input;              /* x is needed again; else the result may stand in its place */
} b4c_block_call;
b4c_tensor b4c_block_run(b4c_tape *, const b4c_network *, b4c_tensor x, const b4c_block_call *);

/* x with dropout, if there is any. `place` tells apart the places of one step. */
b4c_tensor b4c_dropped(b4c_tape *, b4c_tensor x, const b4c_dropping *, int place);
#endif
