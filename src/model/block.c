/* block.c - the one transformer block.
 *
 *     post-norm (BERT)        x = norm(x + attention(x));   x = norm(x + feed_forward(x))
 *     pre-norm (GPT-2, T5)    x = x + attention(norm(x));   x = x + feed_forward(norm(x))
 *
 * with cross-attention between the two in a decoder. Both are one chain of "sublayer, then join":
 * joining adds the sublayer's result to the stream and makes the next sublayer's input, so residual
 * and norm are always one fused op.
 * Invariant: a row is asked about only through its own query, so a layer may be run for some of its
 * rows (`only`) and gives those the same bits.
 */
#include "model/forward.h"
#include <math.h>

static const b4c_tensor none = { 0 };

b4c_tensor b4c_dropped(b4c_tape *t, b4c_tensor x, const b4c_dropping *d, int place)
{
    return d->p > 0 ? b4c_dropout(t, x, (b4c_real)d->p, d->seed, d->step << 16 | (uint64_t)place)
                    : x;
}

/* The stream x and what the next sublayer reads. */
typedef struct stream { b4c_tensor x, in; } stream;

/* Sublayer result y joins the stream. after: this sublayer's norm; before: the next one's. */
static stream joined(b4c_tape *t, bool pre_norm, stream s, b4c_tensor y, const b4c_norm *after,
                     const b4c_norm *before)
{
    stream next;
    if (!pre_norm) next.in = next.x = b4c_normalize(t, y, s.x, after, NULL, B4C_BOTH);
    else next.in = b4c_normalize(t, y, s.x, before, &next.x, B4C_OPERAND);
    return next;
}

static b4c_attend_spec attend_spec(const b4c_network *net, const b4c_stack *st, bool cross)
{
    const b4c_spec *s = &net->spec;
    b4c_attend_spec a = { .heads = s->heads, .kv_heads = s->kv_heads, .head_size = s->head_size,
                          .scale = s->scaled ? (b4c_real)(1 / sqrt(s->head_size)) : 1 };
    if (s->positions == B4C_POSITION_BUCKETS && (!cross || s->cross_bias)) {
        a.bias = st->buckets;
        a.max_distance = s->bucket_distance;
        a.both_ways = st->both_ways;
    }
    if (s->positions == B4C_POSITION_NEZHA && !cross) {
        a.rel = net->relative;
        a.rel_max = s->relative_max;
    }
    return a;
}

/* Queries, keys and values of x, side by side as one product. */
static b4c_tensor self_attention(b4c_tape *t, const b4c_network *net,
                                 const b4c_attention_weights *w, b4c_tensor x,
                                 const b4c_block_call *c)
{
    const b4c_spec *s = &net->spec;
    const b4c_tensor result = b4c_fresh(t, c->asked->n_rows, s->width, B4C_ROWS);
    const int q_cols = s->heads * s->head_size, kv_cols = s->kv_heads * s->head_size;
    const size_t scope = b4c_scope_open(t);
    const b4c_attend_spec a = attend_spec(net, c->stack, false);
    const bool straight = s->positions != B4C_POSITION_ROTARY && !c->run->cache &&
                          c->asked == c->self;           /* nothing stands between the two */
    const b4c_want want = straight ? b4c_attend_reads(t, &a) : B4C_ROWS;
    const b4c_tensor qkv = b4c_linear(t, x, &w->qkv, B4C_ACT_NONE, want);
    b4c_tensor q = b4c_columns(qkv, 0, q_cols), k = b4c_columns(qkv, q_cols, kv_cols);
    b4c_tensor v = b4c_columns(qkv, q_cols + kv_cols, kv_cols);
    if (c->asked != c->self) q = b4c_gather(t, q, c->run->only, c->run->n_only);
    if (s->positions == B4C_POSITION_ROTARY && c->asked == c->self) {    /* side by side */
        const int heads = s->heads + s->kv_heads + (s->rotate_values ? s->kv_heads : 0);
        const b4c_tensor all = b4c_rotated(t, b4c_columns(qkv, 0, heads * s->head_size), heads,
                                           s->head_size, c->self->pos, &net->rotary);
        q = b4c_columns(all, 0, q_cols);
        k = b4c_columns(all, q_cols, kv_cols);
        if (s->rotate_values) v = b4c_columns(all, q_cols + kv_cols, kv_cols);
    } else if (s->positions == B4C_POSITION_ROTARY) {
        q = b4c_rotated(t, q, s->heads, s->head_size, c->asked->pos, &net->rotary);
        k = b4c_rotated(t, k, s->kv_heads, s->head_size, c->self->pos, &net->rotary);
        if (s->rotate_values)
            v = b4c_rotated(t, v, s->kv_heads, s->head_size, c->self->pos, &net->rotary);
    }
    b4c_tensor y;
    if (c->run->cache) {
        const b4c_kept kept = b4c_cache_layer(c->run->cache, c->layer);
        y = b4c_attend_keeping(t, q, k, v, &kept, c->self, c->asked, &a, B4C_OPERAND);
    } else {
        y = b4c_attend(t, q, k, v, c->asked, &a, B4C_OPERAND);
    }
    return b4c_scope_close(t, scope, b4c_linear_into(t, result, y, &w->out, B4C_ACT_NONE));
}

static b4c_tensor cross_attention(b4c_tape *t, const b4c_network *net,
                                  const b4c_attention_weights *w, b4c_tensor x,
                                  const b4c_block_call *c)
{
    const int kv_cols = net->spec.kv_heads * net->spec.head_size;
    const b4c_tensor result = b4c_fresh(t, x.rows, net->spec.width, B4C_ROWS);
    const size_t scope = b4c_scope_open(t);
    const b4c_tensor q = b4c_linear(t, x, &w->qkv, B4C_ACT_NONE, B4C_ROWS);
    const b4c_attend_spec a = attend_spec(net, c->stack, true);
    b4c_tensor y;
    if (c->run->sources) {
        const b4c_kept kept = b4c_cache_layer(c->run->sources, c->layer);
        y = b4c_attend_kept(t, q, &kept, c->cross, &a, B4C_OPERAND);
    } else {
        const b4c_tensor kv = b4c_linear(t, c->run->memory, &w->kv, B4C_ACT_NONE, B4C_ROWS);
        y = b4c_attend(t, q, b4c_columns(kv, 0, kv_cols), b4c_columns(kv, kv_cols, kv_cols),
                       c->cross, &a, B4C_OPERAND);
    }
    return b4c_scope_close(t, scope, b4c_linear_into(t, result, y, &w->out, B4C_ACT_NONE));
}

static b4c_tensor feed_forward(b4c_tape *t, const b4c_spec *s, const b4c_block *b, b4c_tensor x)
{
    const b4c_tensor result = b4c_fresh(t, x.rows, s->width, B4C_ROWS);
    const size_t scope = b4c_scope_open(t);
    b4c_tensor h;
    if (s->gated)
        h = b4c_product(t, b4c_linear(t, x, &b->gate, s->act, B4C_ROWS),
                        b4c_linear(t, x, &b->up, B4C_ACT_NONE, B4C_ROWS), B4C_OPERAND);
    else
        h = b4c_linear(t, x, &b->up, s->act, B4C_OPERAND);
    return b4c_scope_close(t, scope, b4c_linear_into(t, result, h, &b->down, B4C_ACT_NONE));
}

b4c_tensor b4c_block_run(b4c_tape *t, const b4c_network *net, b4c_tensor x, const b4c_block_call *c)
{
    const b4c_spec *s = &net->spec;
    const b4c_block *b = &c->stack->block[c->stack->blocks == 1 ? 0 : c->layer];
    const b4c_dropping *drop = &c->run->drop;
    const int place = 4 * (c->layer + (c->stack == &net->decoder ? net->spec.layers : 0)) + 4;
    const bool last = c->layer == c->stack->layers - 1;
    const b4c_want want = last || s->pre_norm ? B4C_ROWS : B4C_BOTH;
    const b4c_tensor result =
        b4c_fresh_over(t, c->keep_input ? none : x, c->asked->n_rows, s->width, want);
    const size_t scope = b4c_scope_open(t);

    stream st = { x, x };
    if (s->pre_norm) st.in = b4c_normalize(t, x, none, &b->self.norm, NULL, B4C_OPERAND);
    b4c_tensor y = self_attention(t, net, &b->self, st.in, c);
    if (c->asked != c->self) st.x = b4c_gather(t, x, c->run->only, c->run->n_only);
    st = joined(t, s->pre_norm, st, b4c_dropped(t, y, drop, place), &b->self.norm,
                c->cross ? &b->cross.norm : &b->norm);
    if (c->cross) {
        y = cross_attention(t, net, &b->cross, st.in, c);
        st = joined(t, s->pre_norm, st, b4c_dropped(t, y, drop, place + 1), &b->cross.norm,
                    &b->norm);
    }
    b4c_look(t, "attended", c->layer, st.in);
    y = feed_forward(t, s, b, st.in);
    y = b4c_dropped(t, y, drop, place + 2);
    x = s->pre_norm ? b4c_sum_into(t, result, y, st.x)
                    : b4c_normalize_into(t, result, y, st.x, &b->norm, NULL);
    return b4c_scope_close(t, scope, x);
}
