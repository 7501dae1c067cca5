/* op_rotate.c - rotary positions: each pair of a head's columns is turned by position * theta_i. A
 * turn has no gradient of its own to keep: back turns dy the other way. Source: Su et al. 2021,
 * RoFormer.
 */
#include "tape/ops.h"

#include <assert.h>

typedef struct rotate_arg {
    const b4c_real *x;
    b4c_real *y;
    int x_ld, y_ld, heads, d;
    const int *pos;
    b4c_rotary rotary;
    bool back;               /* the other way, and added */
} rotate_arg;

static void rotate_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const rotate_arg *a = arg;
    t->kernels->rotate(a->x, a->x_ld, a->y, a->y_ld, a->heads, a->d, a->pos, a->rotary.cosine,
                       a->rotary.sine, a->rotary.halves, a->back, a->back, begin, end);
}

static void rotated_back(b4c_tape *t, const b4c_record *r)
{
    rotate_arg a = *(const rotate_arg *)r->arg;
    a.x = b4c_grad(t, r->out, &a.x_ld);
    a.y = b4c_grad(t, r->in[0], &a.y_ld);
    a.back = true;
    if (a.y && !t->failed)
        b4c_each_rows(t, rotate_rows, &a, r->out.rows, b4c_grain(t, 2.0 * r->out.cols));
}

b4c_tensor b4c_rotated(b4c_tape *t, b4c_tensor x, int heads, int d, const int *pos,
                       const b4c_rotary *rotary)
{
    if (t->failed) return (b4c_tensor){ 0 };
    assert(x.x && x.cols == heads * d && d % 2 == 0);
    for (int i = 0; i < x.rows; i++) assert(pos[i] >= 0 && pos[i] < rotary->max_pos);
    b4c_tensor y = b4c_fresh(t, x.rows, x.cols, B4C_ROWS);
    rotate_arg a = { x.x, y.x, x.ld, y.ld, heads, d, pos, *rotary, false };
    b4c_record *r = b4c_remember(t, rotated_back, y);
    if (r) r->in[0] = x, r->arg = b4c_copy(t, &a, sizeof a);
    if (t->failed) return (b4c_tensor){ 0 };
    b4c_each_rows(t, rotate_rows, &a, x.rows, b4c_grain(t, 2.0 * x.cols));
    return y;
}
