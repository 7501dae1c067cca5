/* cache.c - slots of keys and values. The idea and the invariants stand in cache.h. */
#include "model/cache.h"
#include "base/error.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int b4c_cache_init(b4c_cache *c, const b4c_network *net, const b4c_stack *st, int slots, int room,
                   b4c_error *err)
{
    assert(slots > 0 && room > 0);
    *c = (b4c_cache){ .layers = st->layers,
                      .slots = slots,
                      .room = room,
                      .width = net->spec.kv_heads * net->spec.head_size };
    c->bytes = (size_t)c->layers * (size_t)slots * (size_t)room * (size_t)c->width *
               sizeof(b4c_real);
    c->length = calloc((size_t)slots, sizeof *c->length);
    c->k = b4c_block_new(c->bytes);
    c->v = b4c_block_new(c->bytes);
    if (c->length && c->k && c->v) return 0;
    b4c_cache_done(c);
    return b4c_fail(err, B4C_E_MEMORY,
                    "no memory for the keys and values of %d sequences of %d tokens", slots, room);
}

void b4c_cache_done(b4c_cache *c)
{
    free(c->length);
    b4c_block_free(c->k, c->bytes);
    b4c_block_free(c->v, c->bytes);
    *c = (b4c_cache){ 0 };
}

b4c_plan b4c_cache_plan(b4c_tape *t, const b4c_cache *c, b4c_mask mask, const int *slot,
                        const int *lengths, int n_seq)
{
    assert(mask == B4C_MASK_FULL || mask == B4C_MASK_CAUSAL);
    int rows = 0;
    for (int s = 0; s < n_seq; s++) rows += lengths[s];
    const size_t bytes = sizeof(int);
    int *q_off = b4c_take(t, (size_t)(n_seq + 1) * bytes),
        *k_off = b4c_take(t, (size_t)n_seq * bytes);
    int *k_len = b4c_take(t, (size_t)n_seq * bytes), *from = b4c_take(t, (size_t)rows * bytes);
    int *upto = b4c_take(t, (size_t)rows * bytes), *pos = b4c_take(t, (size_t)rows * bytes);
    if (t->failed) return (b4c_plan){ .n_seq = -1 };
    q_off[0] = 0;
    for (int s = 0, i = 0; s < n_seq; s++) {
        const int held = c->length[slot[s]], end = held + lengths[s];
        assert(end <= c->room);
        k_off[s] = slot[s] * c->room;
        k_len[s] = end;
        for (int p = held; p < end; p++, i++) {
            from[i] = 0;
            upto[i] = mask == B4C_MASK_FULL ? end : p + 1;
            pos[i] = p;
        }
        q_off[s + 1] = i;
    }
    return (b4c_plan){ .n_seq = n_seq,
                       .n_rows = rows,
                       .q_off = q_off,
                       .k_off = k_off,
                       .k_len = k_len,
                       .from = { from },
                       .upto = { upto },
                       .pos = pos };
}

void b4c_cache_grow(b4c_cache *c, const int *slot, const int *lengths, int n_seq)
{
    for (int s = 0; s < n_seq; s++) c->length[slot[s]] += lengths[s];
}

/* Rows of x to where the plan's positions put them. */
static void place(b4c_real *layer, int width, const b4c_plan *p, b4c_tensor x)
{
    for (int s = 0; s < p->n_seq; s++)
        for (int i = p->q_off[s]; i < p->q_off[s + 1]; i++)
            memcpy(layer + ((size_t)p->k_off[s] + (size_t)p->pos[i]) * (size_t)width,
                   x.x + (size_t)i * (size_t)x.ld, (size_t)width * sizeof(b4c_real));
}

void b4c_cache_layer(const b4c_cache *c, int layer, b4c_tensor *k, b4c_tensor *v)
{
    const int rows = c->slots * c->room;
    const size_t at = (size_t)layer * (size_t)rows * (size_t)c->width;
    *k = b4c_tensor_of(c->k + at, rows, c->width, NULL);
    *v = b4c_tensor_of(c->v + at, rows, c->width, NULL);
}

void b4c_cache_keep(b4c_cache *c, int layer, const b4c_plan *p, b4c_tensor *k, b4c_tensor *v)
{
    b4c_tensor all_k, all_v;
    b4c_cache_layer(c, layer, &all_k, &all_v);
    place(all_k.x, c->width, p, *k);
    place(all_v.x, c->width, p, *v);
    *k = all_k;
    *v = all_v;
}

void b4c_cache_copy(b4c_cache *c, int from, int to)
{
    const size_t slot = (size_t)c->room * (size_t)c->width, layer = (size_t)c->slots * slot;
    const size_t bytes = (size_t)c->length[from] * (size_t)c->width * sizeof(b4c_real);
    for (int l = 0; l < c->layers; l++) {
        const size_t base = (size_t)l * layer;
        memcpy(c->k + base + (size_t)to * slot, c->k + base + (size_t)from * slot, bytes);
        memcpy(c->v + base + (size_t)to * slot, c->v + base + (size_t)from * slot, bytes);
    }
    c->length[to] = c->length[from];
}

/* ---- sources ------------------------------------------------------------------------------- */

void b4c_cache_source(b4c_tape *t, b4c_cache *c, const b4c_network *net, b4c_tensor memory,
                      const int *slot, const int *lengths, int n_seq)
{
    for (int l = 0; l < c->layers && !t->failed; l++) {
        const size_t scope = b4c_scope_open(t);
        const b4c_weight *w = &net->decoder.block[net->decoder.blocks == 1 ? 0 : l].cross.kv;
        const b4c_tensor kv = b4c_linear(t, memory, w, B4C_ACT_NONE, B4C_ROWS);
        b4c_tensor k, v;
        b4c_cache_layer(c, l, &k, &v);
        for (int s = 0, row = 0; s < n_seq && !t->failed; s++)
            for (int i = 0; i < lengths[s]; i++, row++) {
                const size_t at = ((size_t)slot[s] * (size_t)c->room + (size_t)i) *
                                  (size_t)c->width;
                const b4c_real *x = kv.x + (size_t)row * (size_t)kv.ld;
                memcpy(k.x + at, x, (size_t)c->width * sizeof *x);
                memcpy(v.x + at, x + c->width, (size_t)c->width * sizeof *x);
            }
        if (!t->failed) b4c_drop(t, scope);
    }
    for (int s = 0; s < n_seq; s++) c->length[slot[s]] = lengths[s];
}

b4c_plan b4c_cache_source_plan(b4c_tape *t, const b4c_cache *c, const b4c_plan *self,
                               const int *slot)
{
    const size_t bytes = sizeof(int), n = (size_t)self->n_seq, rows = (size_t)self->n_rows;
    int *k_off = b4c_take(t, n * bytes), *k_len = b4c_take(t, n * bytes);
    int *from = b4c_take(t, rows * bytes), *upto = b4c_take(t, rows * bytes);
    if (t->failed) return (b4c_plan){ .n_seq = -1 };
    for (int s = 0; s < self->n_seq; s++) {
        k_off[s] = slot[s] * c->room;
        k_len[s] = c->length[slot[s]];
        for (int i = self->q_off[s]; i < self->q_off[s + 1]; i++) {
            from[i] = 0;
            upto[i] = k_len[s];
        }
    }
    return (b4c_plan){ .n_seq = self->n_seq,
                       .n_rows = self->n_rows,
                       .q_off = self->q_off,
                       .k_off = k_off,
                       .k_len = k_len,
                       .from = { from },
                       .upto = { upto },
                       .pos = self->pos };
}
