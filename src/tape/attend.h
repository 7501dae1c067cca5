/* attend.h - what both directions of attention share: op_attend.c runs forward, op_attend_back.c
 * sends gradients back. */
#ifndef B4C_TAPE_ATTEND_H
#define B4C_TAPE_ATTEND_H
#include "tape/kept.h"

typedef struct b4c_attend_arg {
    b4c_attend_spec spec; /* spec.pos is never NULL */
    b4c_plan plan;
    b4c_tensor q, k, v;
    const b4c_kept *kept; /* instead of k and v, or NULL: then those are rows to be put away */
    const b4c_plan *self; /* first, by this plan; NULL: nothing is */
    int span;             /* farthest distance whose bias differs from its neighbour's */
} b4c_attend_arg;

/* The bucket that a distance falls into, by the spec's buckets. */
int b4c_attend_bucket(const b4c_attend_spec *, int distance);
/* The bias as attention reads it, [heads, 2 span + 1], by distance; NULL: the tape failed. */
b4c_real *b4c_attend_bias(b4c_tape *, const b4c_attend_spec *, int span);
/* Multiply-adds of one head in all sequences. */
double b4c_attend_work(const b4c_attend_arg *);
/* The record's back; its arg is a b4c_attend_arg. */
void b4c_attend_back(b4c_tape *, const b4c_record *);
#endif
