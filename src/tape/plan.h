/* plan.h - which keys each query row sees: one interval a row, so every mask is data.
 *
 *   full     from 0, upto length            causal   from 0, upto position + 1
 *   anti     from position, upto length     prefix   from 0, upto max(prefix, position + 1): UniLM
 *   cross    from 0, upto source length     cached   from 0, upto position + 1, keys in the cache
 *   window   from position - w, upto ...
 *
 * Hidden keys weigh exactly 0, and attention does not even look at them. A plan may hold two
 * interval sets and say which heads use which (half forward, half backward heads). Keys of sequence
 * s start at key row k_off[s]: of this batch, or of a cache slot.
 */
#ifndef B4C_TAPE_PLAN_H
#define B4C_TAPE_PLAN_H
#include "base/memory.h"
#include "tape/tape.h"

typedef struct b4c_plan {
    int n_seq, n_rows;
    const int *q_off;        /* [n_seq + 1] rows of sequence s: q_off[s] .. q_off[s+1]-1 */
    const int *k_off;        /* [n_seq] its first key row */
    const int *k_len;        /* [n_seq] key rows it has */
    const int *from[2], *upto[2]; /* [n_rows] each, within the sequence's keys; set 1 may be NULL */
    const uint8_t *head_set; /* [heads], or NULL: all heads use set 0 */
    const int *pos;          /* [n_rows] position of the row in its sequence */
    const int *trunk;        /* [n_seq] kept keys: the first ones, that other sequences may share
                                (cache.h); NULL: none */
} b4c_plan;

typedef enum b4c_mask { B4C_MASK_FULL, B4C_MASK_CAUSAL, B4C_MASK_ANTI, B4C_MASK_PREFIX } b4c_mask;

/* A plan for whole sequences, in the tape's arena. lengths [n_seq]; segments [rows] is read by
 * PREFIX only: the prefix of a sequence is its leading run of segment 0 (SPEC A.4: key j visible to
 * i iff cumsum_j <= cumsum_i, for segments 0..0 1..1). Returns a plan with n_seq = -1 on failure
 * (the tape is then failed). */
b4c_plan b4c_plan_make(b4c_tape *, b4c_mask, const int *lengths, int n_seq,
                       const int32_t *segments);
/* Heads with head_set 1 see by `second`: mixed heads. Same lengths. */
b4c_plan b4c_plan_mix(b4c_tape *, b4c_mask first, b4c_mask second, const uint8_t *head_set,
                      const int *lengths, int n_seq);
/* Queries of lengths q see all of their source's k rows. */
b4c_plan b4c_plan_cross(b4c_tape *, const int *q_lengths, const int *k_lengths, int n_seq);
#endif
