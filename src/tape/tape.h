/* tape.h - tensors, the arena they live in, and the tape that remembers ops.
 *
 * An op runs at once. When the tape records, it also leaves a record that knows how to send gradients back; when it does
 * not, nothing is left behind but the result. Forward, training and decoding are therefore the same calls. Invariants:
 *  - activations are [rows, cols]; the rows of all sequences stand end to end, and padding exists nowhere;
 *  - `back` only adds to gradients; a gradient is born (zeroed) at first use and dies when its producer's back has run;
 *  - failure is sticky: once tape->failed, ops return empty tensors and do nothing; the caller checks once, at the end;
 *  - ops touch numbers only through the kernel table.
 */
#ifndef B4C_TAPE_TAPE_H
#define B4C_TAPE_TAPE_H
#include "base/memory.h"
#include "base/pool.h"
#include "math/kernels.h"

typedef struct b4c_tape b4c_tape;

/* Where a gradient will stand: [rows, ld], NULL until something flows back. Views share their parent's slot. */
typedef struct b4c_slot { b4c_real *g; int rows, ld; } b4c_slot;

typedef struct b4c_tensor {
    int rows, cols, ld;
    b4c_real *x;             /* [rows, cols] with stride ld; NULL when only the operand exists */
    b4c_operand in;          /* the same values in the form that linears read; form NONE when not made */
    b4c_slot *slot;          /* NULL: no gradient is wanted */
    int at;                  /* first column of a view within its slot */
} b4c_tensor;

/* A learned array that is not a product's weight: norm gains, biases, tables. x belongs to the model. */
typedef struct b4c_array { int rows, cols; b4c_real *x; b4c_slot *slot; } b4c_array;

/* A linear layer's weight [n, k] and bias. `master` (row-major [n, k]) exists only where it is trained; then packed is
 * derived from it by whoever changes it. */
typedef struct b4c_weight {
    b4c_packed packed;
    b4c_real *master;
    b4c_slot *slot;          /* gradient of master, or NULL */
    b4c_array bias;          /* [1, n]; x NULL: none */
} b4c_weight;

typedef struct b4c_record b4c_record;
typedef void (*b4c_back_fn)(b4c_tape *, const b4c_record *);
struct b4c_record {
    b4c_back_fn back;
    b4c_tensor out, in[4];
    const void *arg;         /* the op's own parameters and what forward kept, in the arena */
};

struct b4c_tape {
    const b4c_kernels *kernels;
    b4c_pool *pool;          /* NULL: one lane. Belongs to the session */
    b4c_dtype dtype;         /* of the weights that operands are made for */
    bool recording;
    bool failed;             /* sticky: out of memory */
    b4c_arena arena;
    b4c_record *record;
    int n_record, room;
    /* A name for tensors worth looking at (golden tests, analysis): called with "hidden", layer, tensor; NULL: nobody looks. */
    void (*look)(void *arg, const char *name, int layer, b4c_tensor);
    void *look_arg;
};

/* What a caller will do with a result. */
typedef enum b4c_want { B4C_ROWS = 1, B4C_OPERAND = 2, B4C_BOTH = 3 } b4c_want;

int  b4c_tape_init(b4c_tape *, const b4c_kernels *, b4c_pool *, b4c_dtype, size_t limit, bool recording);   /* 0 or B4C_E_MEMORY */
void b4c_tape_done(b4c_tape *);
void b4c_tape_reset(b4c_tape *);                    /* forget all tensors and records; clears `failed` */
void b4c_backward(b4c_tape *, b4c_tensor loss);     /* loss [1, 1]; fills the slots of arrays and weights */

/* Arena memory; NULL sets `failed`. */
void *b4c_take(b4c_tape *, size_t bytes);
/* Forget everything taken since the scope opened but `keep` (rows and operand move down). Recording forgets nothing. */
size_t b4c_scope_open(const b4c_tape *);
b4c_tensor b4c_scope_close(b4c_tape *, size_t scope, b4c_tensor keep);

/* A tensor over the caller's memory; with `slot` a gradient is collected there. */
b4c_tensor b4c_tensor_of(b4c_real *x, int rows, int cols, b4c_slot *slot);
/* Columns [from, from + cols) of a tensor's rows: no copy, gradients go to the parent. Needs rows. */
b4c_tensor b4c_columns(b4c_tensor, int from, int cols);
/* Rows [from, from + rows). Needs rows; not for recording. */
b4c_tensor b4c_row_range(b4c_tensor, int from, int rows);

/* ---- for ops (op_*.c) --------------------------------------------------------------------------- */

b4c_tensor b4c_fresh(b4c_tape *, int rows, int cols, b4c_want);             /* with a slot when recording */
b4c_record *b4c_remember(b4c_tape *, b4c_back_fn, b4c_tensor out);          /* NULL when not recording or failed */
b4c_real *b4c_grad(b4c_tape *, b4c_tensor, int *ld);                        /* first element, zeroed when born; NULL: not wanted */
b4c_real *b4c_slot_grad(b4c_tape *, b4c_slot *, int rows, int cols);        /* the same for arrays and weights; NULL slot: NULL */
/* The operand of x for linears of this tape, made now if it was not. */
b4c_operand b4c_operand_of(b4c_tape *, b4c_tensor *x);
/* fn over n units divided among the pool's lanes. `grain`: units below which dividing does not pay. */
typedef void (*b4c_units_fn)(b4c_tape *, void *arg, int begin, int end, int lane);
void b4c_each(b4c_tape *, b4c_units_fn, void *arg, int n, int grain);
#endif
