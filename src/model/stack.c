/* stack.c - embedding, a stack of blocks, and the heads.
 *
 * The idea: the memory of a stack is one stream and one block's scratch, however many layers there
 * are: each layer's result stands in its input's place. And when only some rows are wanted at the
 * end ([CLS], masks), the last layer is asked for those alone.
 */
#include "model/forward.h"

static const b4c_tensor none = { 0 };

/* Row of the position table for each row. */
static const int32_t *position_rows(b4c_tape *t, const b4c_plan *plan, int offset)
{
    int32_t *rows = b4c_take(t, (size_t)plan->n_rows * sizeof *rows);
    for (int i = 0; rows && i < plan->n_rows; i++) rows[i] = plan->pos[i] + offset;
    return rows;
}

static const int32_t *zeros(b4c_tape *t, int n)
{
    int32_t *z = b4c_take(t, (size_t)n * sizeof *z);
    for (int i = 0; z && i < n; i++) z[i] = 0;
    return z;
}

b4c_tensor b4c_input(b4c_tape *t, const b4c_network *net, const b4c_stack *st, const int32_t *ids,
                     const int32_t *segments, const b4c_plan *plan, b4c_dropping drop)
{
    const b4c_spec *s = &net->spec;
    const b4c_table *tables[3] = { &net->token };
    const int32_t *rows[3] = { ids };
    int n = 1;
    t->groups = net->groups;
    if (t->failed) return none;
    if (s->segments) {
        tables[n] = &net->segment;
        rows[n++] = segments ? segments : zeros(t, plan->n_rows);
    }
    if (st->position.real.x) {
        tables[n] = &st->position;
        rows[n++] = position_rows(t, plan, s->position_offset);
    }
    /* The scale is the tokens' alone. */
    const int at_once = s->embedding_scale == 1 ? n : 1;
    b4c_tensor x = b4c_embed(t, tables, rows, at_once, plan->n_rows, (b4c_real)s->embedding_scale);
    if (at_once < n) x = b4c_sum(t, x, b4c_embed(t, tables + 1, rows + 1, n - 1, plan->n_rows, 1));
    const bool project = b4c_spec_projects(s);
    if (s->embedding_norm)
        x = b4c_normalize(t, x, none, &st->embedding_norm, NULL, project ? B4C_OPERAND : B4C_BOTH);
    if (drop.p > 0) x = b4c_dropped(t, x, &drop, st == &net->decoder);
    return project ? b4c_linear(t, x, &net->project, B4C_ACT_NONE, B4C_ROWS) : x;
}

/* The plan of the rows listed in `only` (rising): their intervals and positions, the same keys. */
static b4c_plan narrowed(b4c_tape *t, const b4c_plan *p, const int *only, int n)
{
    const size_t bytes = (size_t)n * sizeof(int);
    int *q_off = b4c_take(t, (size_t)(p->n_seq + 1) * sizeof *q_off), *pos = b4c_take(t, bytes);
    b4c_plan q = *p;
    q.n_rows = n;
    if (t->failed) return q;
    for (int s = 0, i = 0; s <= p->n_seq; s++) {
        while (i < n && only[i] < p->q_off[s]) i++;
        q_off[s] = i;
    }
    for (int i = 0; i < n; i++) pos[i] = p->pos[only[i]];
    for (int set = 0; set < 2 && p->from[set]; set++) {
        int *from = b4c_take(t, bytes), *upto = b4c_take(t, bytes);
        if (t->failed) return q;
        for (int i = 0; i < n; i++) {
            from[i] = p->from[set][only[i]];
            upto[i] = p->upto[set][only[i]];
        }
        q.from[set] = from;
        q.upto[set] = upto;
    }
    q.q_off = q_off;
    q.pos = pos;
    return q;
}

/* A layer as a part that may be computed again: it must not need what its caller's frame holds. */
typedef struct layer {
    const b4c_network *net;
    b4c_stack_call run;
    b4c_block_call block;
    b4c_plan asked, cross;
} layer;

static b4c_tensor run_layer(b4c_tape *t, const void *arg, b4c_tensor x)
{
    const layer *l = arg;
    b4c_block_call c = l->block;
    c.run = &l->run;
    if (c.asked != c.self) c.asked = &l->asked;
    if (c.cross) c.cross = &l->cross;
    return b4c_block_run(t, l->net, x, &c);
}

static b4c_tensor recomputed_layer(b4c_tape *t, const b4c_network *net, b4c_tensor x,
                                   const b4c_block_call *c)
{
    layer l = { .net = net, .run = *c->run, .block = *c, .asked = *c->asked };
    if (c->cross) l.cross = *c->cross;
    return b4c_recomputed(t, run_layer, &l, sizeof l, x);
}

b4c_tensor b4c_stack_run(b4c_tape *t, const b4c_network *net, const b4c_stack *st, b4c_tensor x,
                         const b4c_stack_call *call)
{
    const b4c_plan *last = &call->plans[(st->layers - 1) % call->n_plans],
                   *last_cross = call->cross;
    b4c_plan asked, cross;
    if (t->failed) return none;
    const bool some = call->only && call->n_only < last->n_rows;    /* else it is all of them */
    if (some) {
        asked = narrowed(t, last, call->only, call->n_only);
        if (call->cross) cross = narrowed(t, call->cross, call->only, call->n_only);
        last_cross = call->cross ? &cross : NULL;
    }
    const bool again = call->recompute && t->recording;
    size_t scope = b4c_scope_open(t);
    b4c_look(t, "hidden", 0, x);
    for (int l = 0; l < st->layers && !t->failed; l++) {
        const bool at_end = l == st->layers - 1;
        const b4c_plan *self = &call->plans[l % call->n_plans];
        const b4c_block_call c = { .stack = st,
                                   .run = call,
                                   .layer = l,
                                   .self = self,
                                   .asked = at_end && some ? &asked : self,
                                   .cross = at_end ? last_cross : call->cross,
                                   .keep_input = again || (call->first && l == 1) };
        x = again ? recomputed_layer(t, net, x, &c) : b4c_block_run(t, net, x, &c);
        if (at_end && net->spec.final_norm)
            x = b4c_normalize(t, x, none, &st->final_norm, NULL, B4C_ROWS);
        x = b4c_scope_close(t, scope, x);
        b4c_look(t, "hidden", l + 1, x);
        if (l == 0 && call->first) {
            *call->first = x;
            scope = b4c_scope_open(t);
        }
    }
    return x;
}

b4c_tensor b4c_pooler(b4c_tape *t, const b4c_network *net, b4c_tensor x, bool with_tanh)
{
    return b4c_linear(t, x, &net->pooler, with_tanh ? B4C_ACT_TANH : B4C_ACT_NONE, B4C_ROWS);
}

b4c_tensor b4c_logits(b4c_tape *t, const b4c_network *net, b4c_tensor x)
{
    const b4c_spec *s = &net->spec;
    t->groups = net->groups;
    if (s->head == B4C_HEAD_TRANSFORM) {
        x = b4c_linear(t, x, &net->head_dense, s->head_act, B4C_ROWS);
        x = b4c_normalize(t, x, none, &net->head_norm, NULL, B4C_OPERAND);
    }
    if (s->output_scale != 1) x = b4c_scaled(t, x, (b4c_real)s->output_scale);
    return b4c_linear(t, x, &net->head_out, B4C_ACT_NONE, B4C_ROWS);
}
