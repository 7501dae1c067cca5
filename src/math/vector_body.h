/* vector_body.h - one instruction set's share of the kernel table, but for products and
 * conversions. Included by vector_<isa>.c after its vec_<isa>.h. */
#include "math/act_body.h"
#include "math/row_body.h"
#include "math/elementwise_body.h"
#include "math/select_body.h"
#include "math/norm_body.h"
#include "math/attention_body.h"

static void vector_fill(b4c_kernels *t)
{
    t->norm = vector_norm;
    t->attention = vector_attention;
    t->attention_scratch = vector_attention_scratch;
    t->page_bytes = vector_page_bytes;
    t->keep = vector_keep;
    t->copy_kept = vector_copy_kept;
    t->attention_rows = ROWS;
    t->bf16_heads = attention_bf16_heads();
    t->act = vector_act;
    t->act_back = vector_act_back;
    t->add = vector_add;
    t->mul = vector_mul;
    t->shift = vector_shift;
    t->axpy = vector_axpy;
    t->adam = vector_adam;
    t->dot = vector_dot;
    t->softmax = vector_softmax;
    t->highest = vector_highest;
    t->weigh = vector_weigh;
    t->at_least = vector_at_least;
    t->drop_below = vector_drop_below;
    t->between = vector_between;
    t->reach = vector_reach;
    t->rotate = vector_rotate;
}
