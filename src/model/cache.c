/* cache.c - slots of keys and values. The idea stands in cache.h.
 *
 * Invariants: a slot's list begins with the pages of its trunk, on which those of the keys behind
 * it follow, as many as they fill; users[] counts the slots that hold a page; free pages have no
 * users and are listed once. A page is written only by a slot that is its one user, and no page of
 * a trunk is. Values behind a page's end are finite: memory begins as zeros and gets what rows
 * gave, and where rows are not finite a logit is NaN, which ends the run; whoever runs must then
 * let go of the memory.
 */
#include "model/cache.h"
#include "base/error.h"
#include "base/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Keys that pay for a page of their own. */
enum { TRUNK_LEAST = 8 };

/* Attention takes keys by pairs: an odd last one stays with those that follow. */
static int trunk_of(int rows) { return rows < TRUNK_LEAST ? 0 : rows - rows % 2; }

int b4c_cache_pages_of_forks(int first, int rows, int n)
{
    const int whole = b4c_pages_of(rows);
    /* The trunk may come to be any longer than `first`, the branches then the shorter. */
    return n == 1 ? whole : whole + n * b4c_pages_of(rows - trunk_of(first));
}

/* May keys be rounded? */
static bool in_bf16(const b4c_network *net)
{
    return net->dtype != B4C_F32 && net->spec.positions != B4C_POSITION_NEZHA;
}

/* Bytes of a page in one layer. */
static size_t layer_page_bytes(const b4c_kernels *k, const b4c_network *net)
{
    return k->page_bytes(net->spec.kv_heads, net->spec.head_size, in_bf16(net));
}

size_t b4c_cache_page_bytes(const b4c_kernels *k, const b4c_network *net, const b4c_stack *st)
{
    return (size_t)st->layers * layer_page_bytes(k, net);
}

void b4c_cache_memory_done(b4c_cache_memory *m)
{
    if (m->data) b4c_block_free(m->data, m->bytes);
    *m = (b4c_cache_memory){ 0 };
}

/* Memory for the pages: the home's where it has enough. */
static void take_memory(b4c_cache *c)
{
    b4c_cache_memory *home = c->home;
    if (home && home->bytes >= c->bytes) {
        c->data = home->data;
        c->bytes = home->bytes;
        *home = (b4c_cache_memory){ 0 };
        return;
    }
    if (home) b4c_cache_memory_done(home);
    c->data = b4c_block_new(c->bytes);
}

int b4c_cache_init(b4c_cache *c, const b4c_kernels *kernels, const b4c_network *net,
                   const b4c_stack *st, int slots, int room, int pages, b4c_cache_memory *home,
                   b4c_error *err)
{
    assert(slots > 0 && room > 0);
    *c = (b4c_cache){ .kernels = kernels,
                      .layers = st->layers,
                      .slots = slots,
                      .room = room,
                      .kv_heads = net->spec.kv_heads,
                      .head_size = net->spec.head_size,
                      .slot_pages = b4c_pages_of(room) + 1,
                      .rel = net->spec.positions == B4C_POSITION_NEZHA,
                      .bf16 = in_bf16(net),
                      .page_bytes = layer_page_bytes(kernels, net),
                      .home = home };
    c->pages = pages ? pages : slots * c->slot_pages;
    c->bytes = (size_t)c->layers * (size_t)c->pages * c->page_bytes;
    c->length = calloc((size_t)slots, sizeof *c->length);
    c->trunk = calloc((size_t)slots, sizeof *c->trunk);
    c->page = calloc((size_t)slots * (size_t)c->slot_pages, sizeof *c->page);
    c->users = calloc((size_t)c->pages, sizeof *c->users);
    c->free_page = calloc((size_t)c->pages, sizeof *c->free_page);
    take_memory(c);
    if (!c->length || !c->trunk || !c->page || !c->users || !c->free_page || !c->data) {
        b4c_cache_done(c);
        return b4c_fail(err, B4C_E_MEMORY,
                        "no memory for the keys and values of %d sequences of %d tokens", slots,
                        room);
    }
    for (int i = 0; i < c->pages; i++) c->free_page[c->n_free++] = c->pages - 1 - i;
    return 0;
}

void b4c_cache_done(b4c_cache *c)
{
    free(c->length);
    free(c->trunk);
    free(c->page);
    free(c->users);
    free(c->free_page);
    b4c_cache_memory own = { c->data, c->bytes };
    if (c->home && c->data) *c->home = own;
    else b4c_cache_memory_done(&own);
    *c = (b4c_cache){ 0 };
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int *list_of(const b4c_cache *c, int slot)
{
    return c->page + (size_t)slot * (size_t)c->slot_pages;
}

static char *page_at(const b4c_cache *c, int layer, int page)
{
    return c->data + ((size_t)layer * (size_t)c->pages + (size_t)page) * c->page_bytes;
}

static int take_page(b4c_cache *c)
{
    assert(c->n_free > 0);
    const int page = c->free_page[--c->n_free];
    c->users[page] = 1;
    return page;
}

static void leave_page(b4c_cache *c, int page)
{
    if (--c->users[page] == 0) c->free_page[c->n_free++] = page;
}

/* Pages of the slot's trunk, and of what it holds behind that. */
static int trunk_pages(const b4c_cache *c, int slot) { return b4c_pages_of(c->trunk[slot]); }
static int branch_pages(const b4c_cache *c, int slot)
{
    return b4c_pages_of(c->length[slot] - c->trunk[slot]);
}

/* `n` keys of a layer's page, from number `at` on, to the beginning of another. */
static void copy_keys(const b4c_cache *c, int layer, int from, int at, int n, int to)
{
    c->kernels->copy_kept(c->kv_heads, c->head_size, c->bf16, page_at(c, layer, from), at,
                          page_at(c, layer, to), 0, n);
}

/* Pages to copy, and how many keys of them: `from` keeps a user until that is done. */
typedef struct copying {
    const b4c_cache *c;
    int n, *from, *to, *keys;
} copying;

/* Unit: a page in one layer. */
static void copy_pages(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const copying *j = arg;
    (void)t, (void)lane;
    for (int u = begin; u < end; u++) {
        const int l = u / j->n, i = u % j->n;
        copy_keys(j->c, l, j->from[i], 0, j->keys[i], j->to[i]);
    }
}

/* A copy of its own of a page with so many keys, where others hold the page too. */
static int own_page(b4c_cache *c, int page, int keys, copying *copies)
{
    if (c->users[page] == 1) return page;
    const int copy = take_page(c);
    copies->from[copies->n] = page;
    copies->keys[copies->n] = keys;
    copies->to[copies->n++] = copy;
    leave_page(c, page);
    return copy;
}

/* Pages for `rows` more rows of a slot. */
static void make_ready(b4c_cache *c, int slot, int rows, copying *copies)
{
    int *list = list_of(c, slot) + trunk_pages(c, slot);
    const int held = c->length[slot] - c->trunk[slot], have = b4c_pages_of(held);
    assert(c->length[slot] + rows <= c->room);
    if (rows && held % B4C_PAGE)
        list[have - 1] = own_page(c, list[have - 1], held % B4C_PAGE, copies);
    for (int i = have; i < b4c_pages_of(held + rows); i++) list[i] = take_page(c);
}

void b4c_cache_root(b4c_cache *c, int slot)
{
    const int length = c->length[slot], trunk = trunk_of(length);
    if (c->trunk[slot] || !trunk) return;
    c->trunk[slot] = trunk;
    if (length == trunk || trunk % B4C_PAGE == 0) return;    /* no page holds keys of both */
    int *list = list_of(c, slot) + trunk_pages(c, slot);
    list[0] = take_page(c);
    for (int l = 0; l < c->layers; l++) copy_keys(c, l, list[-1], trunk % B4C_PAGE, 1, list[0]);
}

void b4c_cache_fork(b4c_cache *c, int from, int to)
{
    assert(c->length[to] == 0);
    const int n = trunk_pages(c, from) + branch_pages(c, from);
    memcpy(list_of(c, to), list_of(c, from), (size_t)n * sizeof *c->page);
    for (int i = 0; i < n; i++) c->users[list_of(c, to)[i]]++;
    c->length[to] = c->length[from];
    c->trunk[to] = c->trunk[from];
}

void b4c_cache_clear(b4c_cache *c, int slot)
{
    const int n = trunk_pages(c, slot) + branch_pages(c, slot);
    for (int i = n; i-- > 0;) leave_page(c, list_of(c, slot)[i]);
    c->length[slot] = c->trunk[slot] = 0;
}

b4c_kept b4c_cache_layer(const b4c_cache *c, int layer)
{
    return (b4c_kept){ .pages = page_at(c, layer, 0),
                       .page = c->page,
                       .kv_heads = c->kv_heads,
                       .head_size = c->head_size,
                       .rel = c->rel };
}

/* ---- plans ----------------------------------------------------------------------------------- */

static const b4c_plan no_plan = { .n_seq = -1 };

b4c_plan b4c_cache_plan(b4c_tape *t, b4c_cache *c, b4c_mask mask, const int *slot,
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
    copying copies = { .c = c };
    copies.from = b4c_take(t, (size_t)n_seq * bytes);
    copies.to = b4c_take(t, (size_t)n_seq * bytes);
    copies.keys = b4c_take(t, (size_t)n_seq * bytes);
    int *trunk = b4c_take(t, (size_t)n_seq * bytes);
    if (t->failed) return no_plan;
    q_off[0] = 0;
    for (int s = 0, i = 0; s < n_seq; s++) {
        const int held = c->length[slot[s]], end = held + lengths[s];
        make_ready(c, slot[s], lengths[s], &copies);
        k_off[s] = slot[s] * c->slot_pages;
        k_len[s] = end;
        trunk[s] = c->trunk[slot[s]];
        for (int p = held; p < end; p++, i++) {
            from[i] = 0;
            upto[i] = mask == B4C_MASK_FULL ? end : p + 1;
            pos[i] = p;
        }
        q_off[s + 1] = i;
    }
    b4c_each(t, copy_pages, &copies, c->layers * copies.n,
             b4c_grain(t, (double)c->page_bytes / B4C_ALIGN));
    return (b4c_plan){ .n_seq = n_seq,
                       .n_rows = rows,
                       .q_off = q_off,
                       .k_off = k_off,
                       .k_len = k_len,
                       .from = { from },
                       .upto = { upto },
                       .pos = pos,
                       .trunk = trunk };
}

void b4c_cache_grow(b4c_cache *c, const int *slot, const int *lengths, int n_seq)
{
    for (int s = 0; s < n_seq; s++) c->length[slot[s]] += lengths[s];
}

/* ---- sources ------------------------------------------------------------------------------- */

void b4c_cache_source(b4c_tape *t, const b4c_cache *c, const b4c_network *net, b4c_tensor memory,
                      const b4c_plan *plan)
{
    const int cols = c->kv_heads * c->head_size;
    for (int l = 0; l < c->layers && !t->failed; l++) {
        const size_t scope = b4c_scope_open(t);
        const b4c_weight *w = &net->decoder.block[net->decoder.blocks == 1 ? 0 : l].cross.kv;
        const b4c_tensor kv = b4c_linear(t, memory, w, B4C_ACT_NONE, B4C_ROWS);
        const b4c_kept kept = b4c_cache_layer(c, l);
        b4c_keep(t, &kept, plan, b4c_columns(kv, 0, cols), b4c_columns(kv, cols, cols));
        if (!t->failed) b4c_drop(t, scope);
    }
}

b4c_plan b4c_cache_source_plan(b4c_tape *t, const b4c_cache *c, const b4c_plan *self,
                               const int *slot)
{
    const size_t bytes = sizeof(int), n = (size_t)self->n_seq, rows = (size_t)self->n_rows;
    int *q_off = b4c_take(t, (n + 1) * bytes);
    int *k_off = b4c_take(t, n * bytes), *k_len = b4c_take(t, n * bytes);
    int *from = b4c_take(t, rows * bytes), *upto = b4c_take(t, rows * bytes);
    if (t->failed) return no_plan;
    int m = 0;
    q_off[0] = 0;
    for (int s = 0; s < self->n_seq; s++) {
        if (s == 0 || slot[s] != slot[s - 1]) {
            k_off[m] = slot[s] * c->slot_pages;
            k_len[m++] = c->length[slot[s]];
        }
        q_off[m] = self->q_off[s + 1];
        for (int i = self->q_off[s]; i < self->q_off[s + 1]; i++) {
            from[i] = 0;
            upto[i] = c->length[slot[s]];
        }
    }
    return (b4c_plan){ .n_seq = m,
                       .n_rows = self->n_rows,
                       .q_off = q_off,
                       .k_off = k_off,
                       .k_len = k_len,
                       .from = { from },
                       .upto = { upto },
                       .pos = self->pos };
}
