/* tape_net.h - a small network that uses every op, for the tests of the tape. Not a model: a walk
 * through src/tape. */
#ifndef B4C_TESTS_TAPE_NET_H
#define B4C_TESTS_TAPE_NET_H
#include "tape/ops.h"

enum { NET_WEIGHTS = 8, NET_ARRAYS = 8, NET_ROWS_MOST = 96, NET_SEQUENCES_MOST = 8 };

typedef struct tape_net {
    int width, heads, inner, vocabulary, rows, n_seq;
    int lengths[NET_SEQUENCES_MOST], offsets[NET_SEQUENCES_MOST + 1], positive[NET_SEQUENCES_MOST];
    int32_t ids[NET_ROWS_MOST], segments[NET_ROWS_MOST], target[NET_ROWS_MOST];
    int index[NET_ROWS_MOST];
    uint8_t allowed[NET_ROWS_MOST * 64];
    b4c_real labels[NET_SEQUENCES_MOST], similar[NET_SEQUENCES_MOST * NET_SEQUENCES_MOST];
    b4c_real *angles[2];
    b4c_weight weight[NET_WEIGHTS];
    b4c_slot weight_slot[NET_WEIGHTS];
    b4c_array array[NET_ARRAYS];
    b4c_slot array_slot[NET_ARRAYS];
    int n_weight, n_array;
    b4c_norm norm[3];
    b4c_attend_spec attention;
} tape_net;

/* Random weights, packed as dtype; an even number of sequences. width = heads * head size, a
 * multiple of 2 heads. */
tape_net *tape_net_new(b4c_dtype dtype, int width, int heads, const int *lengths, int n_seq);
void tape_net_free(tape_net *);

/* From here on gradients stand in the tape's memory, not in their own. */
void tape_net_lend(tape_net *);
/* Forget gradients. */
void tape_net_zero(tape_net *);

/* What the network computes: rows after the block, and the sum of all losses. Empty when the tape
 * has failed. */
typedef struct tape_net_result { b4c_tensor rows, loss; } tape_net_result;
tape_net_result tape_net_run(b4c_tape *, const tape_net *);

/* Gradients of all weights and arrays, one after another, into out (NULL: only counted). Returns
 * how many. */
size_t tape_net_gradients(const tape_net *, b4c_real *out);
#endif
