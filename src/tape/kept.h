/* kept.h - attention over keys and values that stay from earlier calls (op_attend.c).
 *
 * They lie as attention's kernel reads them, in pages that sequences may share, so a step turns no
 * key again. A new key is put away just before it is looked at, while its page is near. Only
 * inference keeps: there is no gradient.
 */
#ifndef B4C_TAPE_KEPT_H
#define B4C_TAPE_KEPT_H
#include "tape/ops.h"

/* Keys and values of one layer that were put away (kernels.h: b4c_keeping): page number
 * page[plan->k_off[s] + i] holds keys i * B4C_PAGE .. of sequence s. */
typedef struct b4c_kept {
    char *pages;
    const int *page;
    int kv_heads, head_size;
    bool rel;                /* they are for an attention with NEZHA's table */
} b4c_kept;

/* Rows of k and v [rows, kv_heads*d] of the plan to where their positions are. */
void b4c_keep(b4c_tape *, const b4c_kept *, const b4c_plan *, b4c_tensor k, b4c_tensor v);
/* b4c_attend with kept keys and values, to the same bits. Not recording. */
b4c_tensor b4c_attend_kept(b4c_tape *, b4c_tensor q, const b4c_kept *, const b4c_plan *,
                           const b4c_attend_spec *, b4c_want);
/* b4c_keep of k and v by plan `self`, then b4c_attend_kept of q by `plan`, whose keys these are. */
b4c_tensor b4c_attend_keeping(b4c_tape *, b4c_tensor q, b4c_tensor k, b4c_tensor v,
                              const b4c_kept *, const b4c_plan *self, const b4c_plan *plan,
                              const b4c_attend_spec *, b4c_want);
#endif
