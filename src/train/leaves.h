/* leaves.h - what an optimiser changes: every parameter of a network as a run of numbers with its
 * gradient, whatever weight it is a part of.
 *
 * Values are the network's own masters, tables and arrays; gradients stand in one block that
 * belongs here, so that they add up over several batches and are watched and measured as a whole.
 * With LoRA (lora.h) the factors of its weights are leaves too, behind those of the parameters, and
 * of the parameters only those learn that the checkpoint lacked or that are asked for.
 *
 * State of optimisers is parallel to that block: leaf i's begins at its `at`.
 */
#ifndef B4C_TRAIN_LEAVES_H
#define B4C_TRAIN_LEAVES_H
#include "model/network.h"
#include "train/lora.h"

enum { B4C_LEAF_NAME = 128 };

typedef struct b4c_leaf {
    const b4c_parameter *p;  /* of a factor: the parameter that it changes */
    b4c_real *x, *g;         /* [rows, cols]; g NULL: frozen, or lent and not here now */
    b4c_slot *slot;          /* where its gradient comes, from element in_slot on; NULL: a factor's
                              * comes to g itself */
    size_t in_slot;
    bool leads;              /* of the leaves of its slot that learn, it is the first */
    int rows, cols;
    size_t n, at;            /* elements; and those of the leaves before */
    size_t piece;            /* number of its first piece (b4c_leaves_each) */
    double decay;            /* share of the optimiser's weight decay: 0 or 1 */
    double rate;             /* factor on the learning rate; 0: frozen */
    char name[B4C_LEAF_NAME]; /* as checkpoints call it */
} b4c_leaf;

typedef struct b4c_leaves {
    b4c_network *net;
    b4c_leaf *item;
    int n, parameters;       /* leaves; the first of them are parameters, the others LoRA's */
    b4c_lora lora;
    size_t total;            /* elements of all that are trained, and what lies between for
                              * alignment */
    size_t pieces;           /* of all that are trained */
    b4c_real *grad;          /* [total]; NULL: lent */
} b4c_leaves;

/* The name of a parameter in checkpoints, into out. */
typedef const char *(*b4c_leaf_name_fn)(void *arg, const b4c_parameter *, char *out, size_t room);

typedef struct b4c_leaf_options {
    b4c_leaf_name_fn name;
    void *name_arg;
    const char *const *freeze;   /* parts of names: such leaves stay as they are */
    int n_freeze;
    const char *const *no_decay; /* parts of names, besides all gains and biases */
    int n_no_decay;
    b4c_lora_options lora;
    double layer_rate;           /* a layer's rate as a part of the one's above it; 1: all alike */
    bool lent;                   /* no block of gradients: the tape lends memory to each, and their
                                  * user takes them one slot at a time (b4c_leaves_take). No LoRA */
} b4c_leaf_options;

/* The network is trained, its parameters stand in `list`; both must live as long. Points the
 * network's gradient slots into the block (zero). A word in freeze or no_decay that is part of no
 * name is B4C_E_ARG. */
int b4c_leaves_make(b4c_leaves *, b4c_network *, const b4c_parameters *list,
                    const b4c_leaf_options *, b4c_error *);
void b4c_leaves_done(b4c_leaves *);
void b4c_leaves_zero(b4c_leaves *, b4c_pool *);

/* Lent gradients: those of the slot into its leaves' g; and out again. */
void b4c_leaves_take(b4c_leaves *, const b4c_slot *);
void b4c_leaves_leave(b4c_leaves *, const b4c_slot *);

/* Root of the sum of squares of all gradients; its bits do not depend on threads. NaN or infinity
 * in any makes it so. */
double b4c_leaves_norm(const b4c_leaves *, b4c_pool *);
/* The same in two steps: each piece's squares, of the gradients that are here, into square
 * [pieces]; the root of their sum. */
void b4c_leaves_squares(const b4c_leaves *, b4c_pool *, double *square);
double b4c_leaves_root(const b4c_leaves *, const double *square);
/* Index of the first leaf whose gradient (values: with `values`) is not finite, or -1. */
int b4c_leaves_bad(const b4c_leaves *, bool values);

/* fn over all leaves whose gradients are here, in pieces of at most B4C_LEAF_PIECE elements:
 * [begin, end) of leaf, which is piece number leaf->piece + begin / B4C_LEAF_PIECE. */
enum { B4C_LEAF_PIECE = 1 << 15 };
typedef void (*b4c_leaf_fn)(void *arg, const b4c_leaf *, size_t begin, size_t end);
void b4c_leaves_each(const b4c_leaves *, b4c_pool *, b4c_leaf_fn, void *arg);

static inline bool b4c_leaf_learns(const b4c_leaf *f)
{
    return f->rate > 0;
}
#endif
