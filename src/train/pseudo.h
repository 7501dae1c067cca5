/* pseudo.h - a summary taken from a text itself: T5 PEGASUS' pre-training (T5 PEGASUS' train.py;
 * the idea is PEGASUS', Zhang et al. 2020).
 *
 * Greedy: the piece whose move from the source to the target makes their longest common
 * subsequence longest is moved, the first of equals, until one piece is left in the source or the
 * target has more than a quarter of the source's characters. Both sides keep the text's order; the
 * shorter one is the target.
 */
#ifndef B4C_TRAIN_PSEUDO_H
#define B4C_TRAIN_PSEUDO_H
#include "base/lcs.h"
#include "base/span.h"

/* What a choice needs, from call to call: start from {0}. */
typedef struct b4c_pseudo {
    b4c_lcs lcs;
    int32_t *chars;          /* of all pieces, end to end */
    int32_t *source, *target; /* the two sides, joined */
    int *offset;             /* [n + 1] of pieces in chars */
    size_t room;
    int room_pieces;
} b4c_pseudo;

/* piece [n], UTF-8, n >= 2. in_target [n] receives which go to the target. */
int b4c_pseudo_choose(b4c_pseudo *, const b4c_span *piece, int n, bool *in_target, b4c_error *);
void b4c_pseudo_done(b4c_pseudo *);

/* Pieces of at most 32 characters that belong to one example: from piece *next on, as many as have
 * `most` characters together, at least three (SPEC of the script). Returns how many, 0 when fewer
 * than three are left; *next is behind them. count [n]: characters. */
int b4c_pseudo_pack(const int *count, int n, int most, int *next);
#endif
