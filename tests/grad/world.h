/* world.h - what a case of a gradient's test is made of: the same shapes and values at every
 * evaluation, learned arrays that the test moves, and a loss that every element of a result is in.
 */
#ifndef B4C_TEST_GRAD_WORLD_H
#define B4C_TEST_GRAD_WORLD_H
#include "base/rng.h"
#include "tape/ops.h"

enum { MOST_INPUTS = 24, MOST_WEIGHTS = 8 };

typedef struct input { int rows, cols; b4c_real *x, *g; b4c_slot slot; } input;

typedef struct world {
    b4c_tape *t;
    b4c_rng rng;
    uint64_t seed;
    int kind;                        /* of the case */
    input in[MOST_INPUTS];
    int n_in, next;
    b4c_packed packed[MOST_WEIGHTS];
    int n_packed;
} world;

/* Both ends included; the upper one not. */
int draw(world *, int low, int high);
double uniform(world *, double low, double high);
/* Room for n + 1 numbers, on the tape. */
int *ints(world *, int n);
/* The next learned array [rows, cols], random at first, then as the differences left it. */
input *learned(world *, int rows, int cols, double low, double high);
b4c_array array(world *, int rows, int cols, double low, double high);
/* Rows that want a gradient: whole, or a view of some columns of wider rows. */
b4c_tensor rows_between(world *, int rows, int cols, double low, double high);
b4c_tensor rows_of(world *, int rows, int cols);
/* x [n, k] in float32. */
b4c_packed pack(world *, int n, int k, const b4c_real *x);
b4c_weight weight(world *, int n, int k, bool with_bias);
b4c_want any_want(world *);

/* The loss: the sum of y's elements times random numbers, as an op of the test. */
b4c_tensor weighed(world *, b4c_tensor y);
#endif
