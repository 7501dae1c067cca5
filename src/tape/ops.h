/* ops.h - every op: a forward and a back side by side in an op_*.c file. docs/ops.md lists them
 * with their formulas.
 *
 * All return a tensor in the tape's arena (empty when the tape has failed). Row and column counts
 * are the caller's duty (asserted).
 */
#ifndef B4C_TAPE_OPS_H
#define B4C_TAPE_OPS_H
#include "tape/plan.h"
#include "tape/tape.h"

/* op_embed.c: row i = sum over tables of table_t[ids_t[i]]. tables: 1 .. 3. ids < 0 add nothing.
 * Table rows are b4c_real, or packed as bf16 rows (`half`) where memory counts; only real tables
 * have gradients. */
typedef struct b4c_table {
    b4c_array real;
    uint16_t *half;
} b4c_table;
b4c_tensor b4c_embed(b4c_tape *, const b4c_table *const *tables, const int32_t *const *ids,
                     int n_tables, int rows, b4c_real scale);

/* op_linear.c: act(x W^T + bias) [rows, n]. */
b4c_tensor b4c_linear(b4c_tape *, b4c_tensor x, const b4c_weight *w, b4c_act act, b4c_want);
/* Ops *_into: the same into y of b4c_fresh, of the result's shape. Taken before a scope, it stays
 * where it is when the scope closes. */
b4c_tensor b4c_linear_into(b4c_tape *, b4c_tensor y, b4c_tensor x, const b4c_weight *w, b4c_act);

/* op_norm.c: norm(x + residual) [rows, cols]; residual.x NULL: none. With `sum` non-NULL also
 * x + residual (pre-norm stacks go on from it). `even` [cols], or NULL: factors on what an int8
 * operand holds; the weight that reads it has its columns divided by them (model/even.c). */
typedef struct b4c_norm {
    b4c_norm_kind kind;
    b4c_real eps;
    b4c_array gain, bias;
    const b4c_real *even;
} b4c_norm;
b4c_tensor b4c_normalize(b4c_tape *, b4c_tensor x, b4c_tensor residual, const b4c_norm *,
                         b4c_tensor *sum, b4c_want);
b4c_tensor b4c_normalize_into(b4c_tape *, b4c_tensor y, b4c_tensor x, b4c_tensor residual,
                              const b4c_norm *, b4c_tensor *sum);

/* op_elementwise.c */
b4c_tensor b4c_sum(b4c_tape *, b4c_tensor a, b4c_tensor b);
b4c_tensor b4c_sum_into(b4c_tape *, b4c_tensor y, b4c_tensor a, b4c_tensor b);
b4c_tensor b4c_product(b4c_tape *, b4c_tensor a, b4c_tensor b, b4c_want); /* gates */
b4c_tensor b4c_scaled(b4c_tape *, b4c_tensor a, b4c_real factor);
b4c_tensor b4c_activate(b4c_tape *, b4c_tensor a, b4c_act, b4c_want);
/* Inverted dropout: kept with probability 1 - p and divided by it; bits from Philox (seed, step) at
 * (row, column), so that results do not depend on threads. p = 0 returns a. */
b4c_tensor b4c_dropout(b4c_tape *, b4c_tensor a, b4c_real p, uint64_t seed, uint64_t step);

/* op_rotate.c: rotary positions on rows of heads x d. Tables [max_pos, d/2] belong to the model. */
typedef struct b4c_rotary {
    const b4c_real *cosine, *sine;
    int max_pos;
    bool halves;
} b4c_rotary;
b4c_tensor b4c_rotated(b4c_tape *, b4c_tensor x, int heads, int d, const int *pos,
                       const b4c_rotary *);

/* op_attend.c: q [rows, heads*d], k, v [key rows, kv_heads*d] -> [rows, heads*d]. */
typedef struct b4c_attend_spec {
    int heads, kv_heads, head_size;
    b4c_real scale;
    b4c_array bias;      /* T5: [buckets, heads]; x NULL: none */
    int max_distance;    /* of the buckets */
    bool both_ways;      /* bidirectional buckets */
    const b4c_real *rel; /* NEZHA: fixed table [2*rel_max+1, d], or NULL */
    int rel_max;
    const int *pos; /* [rows] query positions for bias and rel; NULL: the plan's */
} b4c_attend_spec;
/* What linears in front of attention best leave: bf16 rows where it reads them to the same bits,
 * all three of q, k and v then, else rows of numbers. */
b4c_want b4c_attend_reads(const b4c_tape *, const b4c_attend_spec *);
b4c_tensor b4c_attend(b4c_tape *, b4c_tensor q, b4c_tensor k, b4c_tensor v, const b4c_plan *,
                      const b4c_attend_spec *, b4c_want);
/* T5's bucket of a distance key - query (SPEC A.8.4). */
int b4c_bucket(int distance, int buckets, int max_distance, bool both_ways);

/* op_pool.c: one row a sequence. offsets [n_seq + 1]. */
typedef enum b4c_pool_kind {
    B4C_POOL_ROW_FIRST,
    B4C_POOL_ROW_MEAN,
    B4C_POOL_ROW_MAX,
    B4C_POOL_ROW_MEAN_SQRT,
    B4C_POOL_ROW_WEIGHTED,
    B4C_POOL_ROW_LAST
} b4c_pool_kind;
b4c_tensor b4c_pooled(b4c_tape *, b4c_tensor x, const int *offsets, int n_seq, b4c_pool_kind);
/* The rows of x listed in index [n]. */
b4c_tensor b4c_gather(b4c_tape *, b4c_tensor x, const int *index, int n);
/* Rows divided by their length (at least 1e-12). */
b4c_tensor b4c_unit(b4c_tape *, b4c_tensor x);

/* Losses are [1, 1]. op_loss.c: */
/* Mean over rows with target >= 0 of -log softmax(logits)[target]; no such row: 0. smoothing: the
 * share of the target that goes to all classes alike; 0: none. */
b4c_tensor b4c_cross_entropy(b4c_tape *, b4c_tensor logits, const int32_t *target,
                             b4c_real smoothing);
/* The same where row i may only choose among classes with allowed[i*classes + c] != 0: SPEC 2.2 */
b4c_tensor b4c_masked_cross_entropy(b4c_tape *, b4c_tensor logits, const int32_t *target,
                                    const uint8_t *allowed);
/* R-Drop (Liang et al. 2021): rows i and i + m of the logits [2m, v] are two readings of one thing;
 * weight times the mean of KL(p|q) + KL(q|p) over pairs with target[i] >= 0; no such pair: 0. */
b4c_tensor b4c_agreement(b4c_tape *, b4c_tensor logits, const int32_t *target, b4c_real weight);

/* op_similarity.c: */
/* In-batch softmax (SimBERT, SimCSE, InfoNCE): rows of u [n, w] are unit vectors; s_ij = scale
 * times u_i.u_j, i = j left out; mean of the cross entropy against positive[i]. SPEC 3.1. Rows with
 * positive < 0 ask nothing and are everyone's negatives. */
b4c_tensor b4c_contrastive(b4c_tape *, b4c_tensor u, const int *positive, b4c_real scale);
/* Distillation: weight / n^2 * sum_ij (u_i.u_j - target_ij)^2, target [n, n]. SPEC 3.4. */
b4c_tensor b4c_similarity_mse(b4c_tape *, b4c_tensor u, const b4c_real *target, b4c_real weight);
/* CoSENT over pairs (u_2i, u_2i+1) of unit rows with ordinal labels [n/2]. SPEC 8. */
b4c_tensor b4c_cosent(b4c_tape *, b4c_tensor u, const b4c_real *labels, b4c_real scale);
/* Rows [u, v, |u - v|] of pairs (2i, 2i+1): [n/2, 3w] features for SBERT / RoFormer-Sim-FT. */
b4c_tensor b4c_pair_features(b4c_tape *, b4c_tensor u);
#endif
