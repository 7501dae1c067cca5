/* learner.h - a network that learns: one step of training from batches, and what it would say about
 * held-out ones.
 *
 *     batches ─► loss ─► gradients, added up ─► norm, clipping ─► optimiser
 *
 * Invariants: a step is a function of weights, optimiser state, batches and step number, to the
 * bit, with any number of threads; several batches count as one of their sum; a loss or gradient
 * that is no number is an error that names the tensor, and changes nothing, or (at_once) ends the
 * use of the learner. Moving weights in the backward changes no bit.
 */
#ifndef B4C_TRAIN_LEARNER_H
#define B4C_TRAIN_LEARNER_H
#include "train/exchange.h"
#include "train/optimiser.h"
#include "train/task.h"

/* Another model whose similarities are to be learned. */
typedef struct b4c_teacher {
    const b4c_network *net;  /* NULL: none. Belongs to the caller */
    b4c_task_pooling pooling;
} b4c_teacher;

typedef struct b4c_learner {
    b4c_network net;
    b4c_parameters list;     /* of net */
    b4c_leaves leaves;
    b4c_optimiser optimiser;
    b4c_task task;
    b4c_teacher teacher;
    double clip;             /* largest norm of the gradients; 0: any */
    double adversarial;      /* FGM: length of the step against the embedding; 0: none */
    uint64_t seed;           /* of dropout */
    b4c_pool *pool;          /* NULL: one thread. Its owner is the caller */
    b4c_tape tape, plain;    /* recording; not */
    bool at_once;            /* gradients move their weights in the backward, and are let go */
    double *square;          /* at_once: [leaves.pieces] of the step's gradients */
    double rate;             /* at_once: of the step */
    int bad;                 /* at_once: leaf whose gradient is no number, or -1 */
    bool halfway;            /* a step failed when some weights had moved: no more use */
    b4c_exchange exchange;   /* with other ranks */
    b4c_batch twice;         /* R-Drop: a batch and itself again */
} b4c_learner;

typedef struct b4c_learner_options {
    b4c_leaf_options leaf;
    b4c_optimiser_options optimiser;
    b4c_task task;
    b4c_teacher teacher;
    double clip, adversarial;
    uint64_t seed;
    b4c_pool *pool;
    const b4c_world *ranks;  /* NULL: alone */
    bool one_batch;          /* every step has one batch: where nothing must see all gradients first
                              * (clipping, FGM, LoRA), none outlives its use */
} b4c_learner_options;

/* net and list are filled (b4c_network_load or _init with `trained`); the learner owns them from
 * here on, also when this fails. It learns when it has been given memory (b4c_learner_limit). */
int b4c_learner_init(b4c_learner *, const b4c_learner_options *, b4c_error *);
/* Memory that a step may take for activations and gradients, and measuring or a teacher: bytes. */
int b4c_learner_limit(b4c_learner *, size_t step, size_t plain, b4c_error *);
void b4c_learner_done(b4c_learner *);

typedef struct b4c_step_result {
    b4c_losses losses;       /* of all batches together */
    double norm;             /* of the gradients before clipping */
    int rows, out_rows;      /* that were read */
} b4c_step_result;

/* One step, number `step` (from 1), at learning rate `rate`, from batches [n]: of several ranks
 * each is given all and learns from every so-many-th. B4C_E_NUMBER: see above. */
int b4c_learner_step(b4c_learner *, const b4c_batch *batches, int n, int64_t step, double rate,
                     b4c_step_result *, b4c_error *);
/* The takings of a step on the batch, and with `measures` of b4c_learner_measure on it, on two dry
 * tapes, one that records and one that does not. */
int b4c_learner_rehearse(b4c_learner *, const b4c_batch *, bool measures, b4c_tape *step,
                         b4c_tape *plain, b4c_error *);
/* Without learning and dropout. strict: as in b4c_task_call. */
int b4c_learner_measure(b4c_learner *, const b4c_batch *, bool strict, b4c_losses *, b4c_error *);
/* Cosine [n_examples] of each example's first two sequences, of which it must have two. */
int b4c_learner_cosines(b4c_learner *, const b4c_batch *, double *cosine, b4c_error *);

/* Random values as BERT begins: matrices and tables normal with this deviation, cut at two of
 * them, gains 1, biases 0; with pre-norm, matrices that end a sublayer by 1 / sqrt(2 layers) less
 * (Radford et al. 2019). only_missing: those that the checkpoint lacked. Returns how many. */
int b4c_learner_begin(const b4c_network *, b4c_parameters *, double deviation, uint64_t seed,
                      bool only_missing);
#endif
