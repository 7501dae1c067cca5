/* tape.h - tensors, the arena they live in, and the tape that remembers ops.
 *
 * An op runs at once. When the tape records, it also leaves a record that knows how to send
 * gradients back; when it does not, nothing is left behind but the result. Forward, training and
 * decoding are therefore the same calls. Invariants:
 *  - activations are [rows, cols]; the rows of all sequences stand end to end, and padding exists
 *    nowhere;
 *  - `back` only adds to gradients; a gradient is born (zeroed) at first use and dies when its
 *    producer's back has run;
 *  - recording or not, the numbers of a result are the same to the bit;
 *  - failure is sticky: once tape->failed, ops return empty tensors and do nothing; the caller
 *    checks once, at the end;
 *  - numbers go through the kernel table; where it has no kernel (maxima, scatter, the one number
 *    of a loss), a plain loop stands in the op;
 *  - results do not depend on how many lanes the pool has, nor on which lane took which part.
 */
#ifndef B4C_TAPE_TAPE_H
#define B4C_TAPE_TAPE_H
#include "base/memory.h"
#include "base/pool.h"
#include "math/kernels.h"

typedef struct b4c_tape b4c_tape;

/* Where a gradient will stand: [rows, ld], NULL until something flows back. Views share their
 * parent's slot. A slot of an array or a weight may bring memory of its own in g, which its owner
 * zeroes; with g NULL the tape lends memory until its next reset. A slot outlives that reset. */
typedef struct b4c_slot {
    b4c_real *g;
    int rows, ld;
    bool read;               /* an op of the recording reads it (b4c_reads) */
} b4c_slot;

typedef struct b4c_tensor {
    int rows, cols, ld;
    b4c_real *x;    /* [rows, cols] with stride ld; NULL when only the operand exists */
    b4c_operand in; /* the same values in the form that linears read; NONE when not made */
    b4c_slot *slot; /* NULL: no gradient is wanted */
    int at;         /* first column of a view within its slot */
} b4c_tensor;

/* A learned array that is no product's weight: norm gains, biases, tables. x is the model's. */
typedef struct b4c_array {
    int rows, cols;
    b4c_real *x;
    b4c_slot *slot;
} b4c_array;

/* A low-rank change of a weight's rows at .. at + rows - 1, which alone learns there: master = base
 * + scale B A. The weight's owner keeps that sum; gradients go to A and B. (Hu et al. 2021: LoRA.)
 */
typedef struct b4c_low_rank {
    int at, rows, rank;
    b4c_real scale;
    b4c_real *a, *b;      /* [rank, k], [rows, rank] */
    b4c_real *da, *db;    /* their gradients, the owner's to zero; NULL: not wanted */
    const b4c_real *base; /* [rows, k] */
} b4c_low_rank;

/* A linear layer's weight [n, k] and bias. `master` (row-major [n, k]) exists only where it is
 * trained; then packed says shape and type alone, and each panel is made when a product reads it:
 * for many rows that is little work, and the weight stands in memory once. Where both exist, packed
 * is derived from master by whoever changes it. */
typedef struct b4c_weight {
    b4c_packed packed;
    b4c_real *master;
    b4c_slot *slot; /* gradient of master, or NULL */
    b4c_array bias; /* [1, n]; x NULL: none */
    const b4c_low_rank *low; /* [n_low] changes of parts of it */
    int n_low;
} b4c_weight;

typedef struct b4c_record b4c_record;
typedef void (*b4c_back_fn)(b4c_tape *, const b4c_record *);
struct b4c_record {
    b4c_back_fn back;
    b4c_tensor out, in[4];
    const void *arg; /* the op's own parameters and what forward kept, in the arena */
    size_t mark;     /* what was taken of the arena when the op was remembered */
};

/* Gradients that are alive, by address, in an arena of their own (see tape.c). */
typedef struct b4c_life {
    char *begin, *end;
    b4c_slot *slot;
} b4c_life;
typedef struct b4c_lives {
    b4c_arena arena;
    b4c_life *life;
    int n, room;
} b4c_lives;

/* The first op of a recording that reads an array or a weight: behind its back, nothing adds to
 * that gradient any more, and nothing reads the values for gradients' sake. */
typedef struct b4c_first_read {
    b4c_slot *slot;
    int record;
} b4c_first_read;

struct b4c_tape {
    const b4c_kernels *kernels;
    b4c_pool *pool;  /* NULL: one lane. Belongs to the session */
    double worth;    /* steps of work (b4c_grain) that pay for waking a lane; 0: any do */
    b4c_dtype dtype; /* of the weights that operands are made for */
    bool groups;     /* int8 ones whose rows come in groups (b4c_packed.groups) */
    bool recording;
    bool failed;     /* sticky: out of memory */
    b4c_arena arena; /* its limit holds for activations and gradients together */
    b4c_record *record;
    int n_record, room;
    b4c_lives lives;
    b4c_first_read *first_read; /* in the order of records */
    int n_first_reads, first_read_room;
    int waiting;       /* of a backward: of first_read, those whose gradients are not whole yet */
    bool dry;          /* ops take memory, leave records and compute nothing (b4c_tape_dry) */
    bool in_part;   /* the first run of a part (b4c_recomputed) */
    /* A backward gives back what it has used: less memory, and when it returns nothing of the
     * recording may be read or sent back again, the loss neither. */
    bool spend;
    /* Called in a backward when the gradient of an array or a weight is whole, from the last read
     * to the first; those that no op read are not called for. It may change the values and let go
     * of the gradient (b4c_slot_drop). NULL: nobody waits. */
    void (*whole)(void *arg, b4c_slot *);
    void *whole_arg;
    /* Called with tensors worth looking at (golden tests, analysis): "hidden", layer, tensor. NULL:
     * nobody looks. */
    void (*look)(void *arg, const char *name, int layer, b4c_tensor);
    void *look_arg;
};

/* What a caller will do with a result: read its rows, give it to linears, both. HALF: give it to
 * attention, which reads bf16 rows (b4c_attend_reads says when); a recording has rows all the same.
 */
typedef enum b4c_want { B4C_ROWS = 1, B4C_OPERAND = 2, B4C_BOTH = 3, B4C_HALF = 4 } b4c_want;

/* 0 or B4C_E_MEMORY. limit: bytes. dtype: not AUTO. */
int b4c_tape_init(b4c_tape *, const b4c_kernels *, b4c_pool *, b4c_dtype, size_t limit,
                  bool recording);
/* Slots that were read or lent memory must still be there: it lets go of them. */
void b4c_tape_done(b4c_tape *);
/* From here on the tape only finds out what its peaks are: results are not to be read. It touches
 * little of what it takes, so its limit may be beyond what the machine has. */
void b4c_tape_dry(b4c_tape *);
/* Forget all tensors, records and gradients; clears `failed`. */
void b4c_tape_reset(b4c_tape *);
/* loss [1, 1]; adds to the gradients of arrays and weights. A second loss of the same recording may
 * follow: gradients add up. Does nothing on a failed tape; may itself fail it. */
void b4c_backward(b4c_tape *, b4c_tensor loss);

/* A part of a computation that a recording keeps only the result of: fn runs once, and once more,
 * recording, when gradients come to its result. Both times it must compute the same of the same x
 * and arg, and give a tensor that is not x. All but x that it reads must live until the tape's
 * reset; arg [bytes] is copied. Same bits as fn(t, arg, x) itself, which it is where the tape does
 * not record. (Chen et al. 2016.) */
typedef b4c_tensor (*b4c_part_fn)(b4c_tape *, const void *arg, b4c_tensor x);
b4c_tensor b4c_recomputed(b4c_tape *, b4c_part_fn fn, const void *arg, size_t bytes, b4c_tensor x);

/* Arena memory, 64-byte aligned, not zeroed; NULL sets `failed`. */
void *b4c_take(b4c_tape *, size_t bytes);
/* Forget everything taken since the scope opened but `keep` (rows and operand move down; a view
 * becomes a tensor of its own). Recording forgets nothing. */
size_t b4c_scope_open(const b4c_tape *);
b4c_tensor b4c_scope_close(b4c_tape *, size_t scope, b4c_tensor keep);

/* A tensor over the caller's memory; with `slot` a gradient is collected there. */
b4c_tensor b4c_tensor_of(b4c_real *x, int rows, int cols, b4c_slot *slot);
/* Columns [from, from + cols) of a tensor's rows: no copy, gradients go to the parent. */
b4c_tensor b4c_columns(b4c_tensor, int from, int cols);
/* Rows [from, from + rows). Needs rows; not for recording. */
b4c_tensor b4c_row_range(b4c_tensor, int from, int rows);

static inline void b4c_look(const b4c_tape *t, const char *name, int layer, b4c_tensor x)
{
    if (t->look && !t->failed) t->look(t->look_arg, name, layer, x);
}

/* ---- for ops (op_*.c) ---------------------------------------------------------------------- */

/* Memory for a result: rows, the operand, or both, as wanted; rows always, and a slot, when
 * recording. Where operands are REAL, rows and operand are the same memory. */
b4c_tensor b4c_fresh(b4c_tape *, int rows, int cols, b4c_want);
/* The same where the reader takes rows of any stride. */
b4c_tensor b4c_fresh_spaced(b4c_tape *, int rows, int cols, b4c_want);
/* The same in the memory of `old`, which nobody reads any more, where its shape and forms fit. */
b4c_tensor b4c_fresh_over(b4c_tape *, b4c_tensor old, int rows, int cols, b4c_want);
/* NULL when not recording or failed. Valid until the next call. */
b4c_record *b4c_remember(b4c_tape *, b4c_back_fn, b4c_tensor out);
/* The op that was just remembered reads the array or weight with this slot. NULL: not learned. */
void b4c_reads(b4c_tape *, b4c_slot *);
/* A copy in the arena, for record->arg. */
void *b4c_copy(b4c_tape *, const void *from, size_t bytes);
b4c_real *b4c_take_rows(b4c_tape *, int rows, int cols);
/* Memory taken since `mark` (b4c_scope_open) is given back, recording or not: an op's scratch. What
 * a back takes is given back when it returns. */
void b4c_drop(b4c_tape *, size_t mark);

/* First element of x's gradient, zeroed when born, and its stride; NULL: not wanted, or failed. */
b4c_real *b4c_grad(b4c_tape *, b4c_tensor x, int *ld);
/* The same for arrays and weights; NULL slot: NULL. */
b4c_real *b4c_slot_grad(b4c_tape *, b4c_slot *, int rows, int cols);
/* Forget a gradient whose memory the tape lent; one of its owner's stays. */
void b4c_slot_drop(b4c_tape *, b4c_slot *);

/* The operand of x for linears of this tape, made now if it was not; kept in *x. */
b4c_operand b4c_operand_of(b4c_tape *, b4c_tensor *x);
/* The same in any form. */
b4c_operand b4c_operand_as(b4c_tape *, b4c_tensor *x, b4c_form);
/* The rows of x, made now if only the operand exists; kept in *x. */
b4c_real *b4c_rows_of(b4c_tape *, b4c_tensor *x);
/* Memory for an operand. */
b4c_operand b4c_operand_new(b4c_tape *, b4c_form, int rows, int cols);
/* y's rows begin .. end-1, just computed, into its operand, if one is wanted that is not rows. */
void b4c_also_operand(const b4c_tape *, b4c_tensor *y, int begin, int end);

/* The products and attention write REAL rows or bf16 forms, not int8. b4c_target says where they
 * shall write for y: its rows, its operand, or scratch; b4c_settle makes of that what else y wants.
 * An int8 operand always comes from bf16, so that its bits do not depend on the way. */
b4c_operand b4c_target(b4c_tape *, const b4c_tensor *y);
void b4c_settle(b4c_tape *, b4c_tensor *y, const b4c_operand *target);

/* fn over n units divided among the pool's lanes, which take parts in turn. `grain`: units below
 * which dividing does not pay. fn must not touch the arena; lane < b4c_lanes(tape). */
typedef void (*b4c_units_fn)(b4c_tape *, void *arg, int begin, int end, int lane);
void b4c_each(b4c_tape *, b4c_units_fn, void *arg, int n, int grain);
/* The same for rows, in parts that begin at multiples of 16: kernels that write operands ask for
 * it. */
void b4c_each_rows(b4c_tape *, b4c_units_fn, void *arg, int rows, int grain);
int b4c_lanes(const b4c_tape *);
/* The grain of units that cost `work` elementary steps (an addition in a row of them; 16
 * multiply-adds of a product are one). */
int b4c_grain(const b4c_tape *, double work);

/* to[c] += sum over rows of x[r][c], in order of rows. */
void b4c_add_columns(b4c_tape *, const b4c_real *x, int ld, int rows, int cols, b4c_real *to);
/* Row index[i] of `to` += factor * row i of x, in order of i, where index[i] >= 0; NULL: row i. */
void b4c_add_rows(b4c_tape *, b4c_real factor, const b4c_real *x, int ld, int rows, int cols,
                  const int *index, b4c_real *to, int to_ld);

void b4c_sum_back(b4c_tape *, const b4c_record *); /* out's gradient to in[0] and in[1] */

static inline b4c_real *b4c_row(b4c_real *x, int ld, int row)
{
    return x + (size_t)row * (size_t)ld;
}
static inline const b4c_real *b4c_row_of(b4c_tensor x, int row)
{
    return x.x + (size_t)row * (size_t)x.ld;
}
#endif
