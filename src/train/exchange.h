/* exchange.h - what the ranks of a training tell each other: gradients, added up while the backward
 * still runs; losses; whether all of them train the same thing.
 *
 *     backward   layer 3 whole | layer 2 whole | layer 1 whole | embedding whole
 *     exchange        add piece 4 ─────► add piece 3 ─────► ... ─────► the rest, wait
 *
 * The gradients stand in one block (leaves.h), which is cut into pieces of 4 MiB. A piece is given
 * to all ranks when all its gradients are whole, and pieces go from the last to the first, which is
 * the order of a backward: every rank begins them in the same order, as collectives want it.
 */
#ifndef B4C_TRAIN_EXCHANGE_H
#define B4C_TRAIN_EXCHANGE_H
#include "train/leaves.h"

typedef struct b4c_exchange {
    const b4c_world *ranks;      /* NULL: alone, and nothing here does anything */
    const b4c_leaves *leaves;
    size_t pieces;
    size_t *missing;             /* [pieces] elements whose gradients are not whole */
    size_t begun;                /* pieces from this one on were given away */
    int rc;
    b4c_error error;
} b4c_exchange;

/* ranks NULL or of one: alone. */
int b4c_exchange_init(b4c_exchange *, const b4c_world *, const b4c_leaves *, b4c_error *);
void b4c_exchange_done(b4c_exchange *);
int b4c_exchange_ranks(const b4c_exchange *); /* how many; 1: alone */
int b4c_exchange_rank(const b4c_exchange *);

/* The next backward of this tape is the step's last: its gradients go to all as they are whole. */
void b4c_exchange_follow(b4c_exchange *, b4c_tape *);
/* Behind that backward: the gradients are sums over all ranks. */
int b4c_exchange_finish(b4c_exchange *, b4c_tape *, b4c_error *);

/* x[i] = the sum of all ranks' x[i]. */
int b4c_exchange_add(b4c_exchange *, double *x, int n, b4c_error *);

/* Something that must be the same on all ranks. */
typedef struct b4c_common {
    const char *what;            /* "recipe" */
    uint64_t digest;
} b4c_common;
/* B4C_E_ARG on every rank where one of them has another digest than rank 0: names it and what.
 * Not for one that is alone. */
int b4c_exchange_agree(b4c_exchange *, const b4c_common *, int n, b4c_error *);
/* Of all weights. */
uint64_t b4c_exchange_digest(const b4c_leaves *);
#endif
