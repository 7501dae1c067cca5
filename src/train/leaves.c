/* leaves.c - a network's parameters as runs of numbers. See leaves.h.
 *
 * Query, key and value are three leaves of one weight: its gradient is one block [n, k], each leaf
 * a range of its rows. So a weight's slot and its bias's are placed when their first leaf comes,
 * and later leaves find themselves inside. A tied head has no leaf of its own: its master and its
 * slot are the token table's.
 */
#include "train/leaves.h"
#include "base/error.h"
#include "base/pool.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in_list(const char *const *words, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strstr(name, words[i])) return true;
    return false;
}

static int check_words(const b4c_leaves *l, const char *const *words, int n, const char *what,
                       b4c_error *err)
{
    for (int i = 0; i < n; i++) {
        bool found = false;
        for (int k = 0; k < l->n && !found; k++) found = strstr(l->item[k].name, words[i]) != NULL;
        if (!found)
            return b4c_fail(err, B4C_E_ARG,
                            "%s: '%s' is part of no tensor's name, the first are '%s', '%s'", what,
                            words[i], l->item[0].name, l->item[l->n > 1].name);
    }
    return 0;
}

/* Layers above a parameter's; the embedding is below all, heads above. */
static int layers_above(const b4c_network *net, const b4c_parameter *p)
{
    const int layers = net->encoder.layers, decoder = net->decoder.layers;
    if (p->role >= B4C_ROLE_POOLER || p->role == B4C_ROLE_FINAL_NORM) return 0;
    if (p->role <= B4C_ROLE_PROJECT || p->role == B4C_ROLE_BUCKETS) return layers + decoder + 1;
    return p->stack ? decoder - p->layer : layers - p->layer + decoder;
}

static void value_of(b4c_leaf *f)
{
    const b4c_parameter *p = f->p;
    if (p->table) f->x = p->table->real.x;
    else if (p->array) f->x = p->array->x + p->at;
    else f->x = p->weight->master + (size_t)p->at * (size_t)p->weight->packed.k;
}

/* The slot's owner, and the elements of its block. */
static b4c_slot **slot_of(const b4c_parameter *p, size_t *elements)
{
    if (p->table) {
        *elements = (size_t)p->rows * (size_t)p->cols;
        return &p->table->real.slot;
    }
    if (p->array) {
        *elements = (size_t)p->array->rows * (size_t)p->array->cols;
        return &p->array->slot;
    }
    *elements = (size_t)p->weight->packed.n * (size_t)p->weight->packed.k;
    return &p->weight->slot;
}

static size_t offset_in_slot(const b4c_parameter *p)
{
    if (p->table) return 0;
    return p->array ? (size_t)p->at : (size_t)p->at * (size_t)p->weight->packed.k;
}

static bool is_frozen(const b4c_leaf_options *o, const b4c_leaf *f)
{
    if (o->lora.rank > 0 && !f->p->missing && !in_list(o->lora.also, o->lora.n_also, f->name))
        return true;
    return in_list(o->freeze, o->n_freeze, f->name);
}

static void describe(b4c_leaf *f, const b4c_network *net, const b4c_leaf_options *o)
{
    const b4c_parameter *p = f->p;
    const bool vector = p->kind == B4C_KIND_GAIN || p->kind == B4C_KIND_BIAS;
    f->rows = p->rows;
    f->cols = p->cols;
    f->n = (size_t)p->rows * (size_t)p->cols;
    o->name(o->name_arg, p, f->name, sizeof f->name);
    f->decay = vector || in_list(o->no_decay, o->n_no_decay, f->name) ? 0 : 1;
    f->rate = o->layer_rate == 1 ? 1 : pow(o->layer_rate, layers_above(net, p));
    value_of(f);
}

/* First leaf of the same slot; itself when it is the first. */
static int first_of_slot(const b4c_leaves *l, int i)
{
    size_t n;
    b4c_slot **own = slot_of(l->item[i].p, &n);
    int first = i;
    for (int k = i - 1; k >= 0 && k >= i - 8; k--)       /* they follow one another closely */
        if (slot_of(l->item[k].p, &n) == own) first = k;
    return first;
}

/* Does a leaf of the slot whose first leaf is i learn? */
static bool slot_learns(const b4c_leaves *l, int i)
{
    size_t n;
    b4c_slot **slot = slot_of(l->item[i].p, &n);
    bool learns = false;
    for (int k = i; k < l->parameters && k < i + 8; k++)
        if (slot_of(l->item[k].p, &n) == slot) learns |= b4c_leaf_learns(&l->item[k]);
    return learns;
}

/* What is frozen has no place among the gradients, and none in an optimiser's state. */
static void place(b4c_leaves *l, const b4c_leaf_options *o, size_t *at_of_slot)
{
    for (int i = 0; i < l->parameters; i++)
        if (is_frozen(o, &l->item[i])) l->item[i].rate = 0;
    for (int i = 0; i < l->parameters; i++) {
        b4c_leaf *f = &l->item[i];
        size_t n;
        slot_of(f->p, &n);
        const int first = first_of_slot(l, i);
        if (first == i) {
            at_of_slot[i] = l->total;
            if (slot_learns(l, i)) l->total += b4c_padded(n);
        }
        f->in_slot = offset_in_slot(f->p);
        f->at = at_of_slot[first] + f->in_slot;
    }
    for (int i = l->parameters; i < l->n; i++) {
        l->item[i].at = l->total;
        l->total += b4c_padded(l->item[i].n);
    }
    for (int i = 0; i < l->n; i++) {
        b4c_leaf *f = &l->item[i];
        f->piece = l->pieces;
        if (b4c_leaf_learns(f)) l->pieces += (f->n + B4C_LEAF_PIECE - 1) / B4C_LEAF_PIECE;
    }
}

/* Gradients into the block; no slot where no leaf of it is trained. */
static void point_slots(b4c_leaves *l, const size_t *at_of_slot)
{
    for (int i = 0; i < l->parameters; i++) {
        size_t n;
        b4c_slot **slot = slot_of(l->item[i].p, &n);
        const int first = first_of_slot(l, i);
        l->item[i].slot = *slot;
        l->item[i].leads = b4c_leaf_learns(&l->item[i]);
        for (int k = first; k < i; k++)
            if (l->item[k].slot == *slot && l->item[k].leads) l->item[i].leads = false;
        if (first != i) continue;
        if (!slot_learns(l, i)) {
            if (l->item[i].p->table == &l->net->token && l->net->spec.tied)
                l->net->head_out.slot = NULL;
            *slot = NULL;
            continue;
        }
        const b4c_parameter *p = l->item[i].p;
        (*slot)->g = l->grad ? l->grad + at_of_slot[i] : NULL;
        (*slot)->rows = p->table ? p->rows : p->array ? p->array->rows : p->weight->packed.n;
        (*slot)->ld = p->table ? p->cols : p->array ? p->array->cols : p->weight->packed.k;
    }
    for (int i = 0; l->grad && i < l->n; i++)
        if (b4c_leaf_learns(&l->item[i])) l->item[i].g = l->grad + l->item[i].at;
    for (int i = 0; i < l->lora.n; i++) {
        l->lora.low[i].da = l->item[l->parameters + 2 * i].g;
        l->lora.low[i].db = l->item[l->parameters + 2 * i + 1].g;
    }
}

/* ---- LoRA's factors -------------------------------------------------------------------------- */

static int make_lora(b4c_leaves *l, const b4c_leaf_options *o, b4c_error *err)
{
    if (o->lora.rank == 0) return 0;
    b4c_named_parameter *named = calloc((size_t)l->parameters, sizeof *named);
    if (!named) return b4c_fail(err, B4C_E_MEMORY, "no memory for the parameters' names");
    for (int i = 0; i < l->parameters; i++)
        named[i] = (b4c_named_parameter){ l->item[i].p, l->item[i].name };
    const int rc = b4c_lora_make(&l->lora, named, l->parameters, &o->lora, err);
    free(named);
    return rc;
}

/* A leaf of factor A or B of weight i. */
static void add_factor(b4c_leaves *l, int i, bool is_b)
{
    const b4c_low_rank *low = &l->lora.low[i];
    const b4c_leaf *of = l->item;
    while (of->p != l->lora.of[i]) of++;
    b4c_leaf *f = &l->item[l->n++];
    *f = (b4c_leaf){ .p = of->p, .x = is_b ? low->b : low->a, .decay = 1,
                     .rate = of->rate };
    f->rows = is_b ? low->rows : low->rank;
    f->cols = is_b ? low->rank : of->cols;
    f->n = (size_t)f->rows * (size_t)f->cols;
    snprintf(f->name, sizeof f->name, "%.110s.lora_%c", of->name, is_b ? 'B' : 'A');
}

int b4c_leaves_make(b4c_leaves *l, b4c_network *net, const b4c_parameters *list,
                    const b4c_leaf_options *o, b4c_error *err)
{
    *l = (b4c_leaves){ .net = net, .n = list->n, .parameters = list->n };
    l->item = calloc(3 * (size_t)list->n, sizeof *l->item);
    size_t *at = calloc((size_t)list->n, sizeof *at);
    int rc = l->item && at ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for the parameters' list");
    for (int i = 0; rc == 0 && i < list->n; i++) {
        l->item[i].p = &list->item[i];
        describe(&l->item[i], net, o);
    }
    if (rc == 0) rc = check_words(l, o->freeze, o->n_freeze, "freeze", err);
    if (rc == 0) rc = check_words(l, o->no_decay, o->n_no_decay, "no_decay", err);
    if (rc == 0) rc = check_words(l, o->lora.targets, o->lora.n_targets, "lora: targets", err);
    if (rc == 0) rc = check_words(l, o->lora.also, o->lora.n_also, "lora: also", err);
    if (rc == 0) rc = make_lora(l, o, err);
    for (int i = 0; rc == 0 && i < 2 * l->lora.n; i++) add_factor(l, i / 2, i % 2);
    if (rc == 0) {
        place(l, o, at);
        if (!o->lent) l->grad = b4c_block_new(l->total * sizeof *l->grad);
        if (l->grad || o->lent) point_slots(l, at);
        else rc = b4c_fail(err, B4C_E_MEMORY, "no memory for %zu gradients", l->total);
    }
    free(at);
    if (rc < 0) b4c_leaves_done(l);
    return rc;
}

void b4c_leaves_done(b4c_leaves *l)
{
    b4c_block_free(l->grad, l->total * sizeof *l->grad);
    b4c_lora_done(&l->lora);
    free(l->item);
    *l = (b4c_leaves){ 0 };
}

void b4c_leaves_zero(b4c_leaves *l, b4c_pool *pool)
{
    if (l->grad) b4c_pool_zero(pool, l->grad, l->total * sizeof *l->grad);
}

static void point(b4c_leaves *l, const b4c_slot *slot, b4c_real *g)
{
    for (int i = 0; i < l->parameters; i++) {
        b4c_leaf *f = &l->item[i];
        if (f->slot == slot && b4c_leaf_learns(f)) f->g = g ? g + f->in_slot : NULL;
    }
}

void b4c_leaves_take(b4c_leaves *l, const b4c_slot *slot) { point(l, slot, slot->g); }
void b4c_leaves_leave(b4c_leaves *l, const b4c_slot *slot) { point(l, slot, NULL); }

/* ---- in pieces ------------------------------------------------------------------------------- */

static size_t pieces_of(const b4c_leaf *f)
{
    return f->g ? (f->n + B4C_LEAF_PIECE - 1) / B4C_LEAF_PIECE : 0;
}

typedef struct walk {
    const b4c_leaves *l;
    b4c_leaf_fn fn;
    void *arg;
    atomic_size_t next;
} walk;

/* Pieces are taken in order, so a lane goes through the leaves once. */
static void walk_lane(void *arg, int lane, int lanes)
{
    walk *w = arg;
    (void)lane, (void)lanes;
    int i = 0;
    size_t before = 0;
    for (;;) {
        const size_t piece = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        while (i < w->l->n && piece >= before + pieces_of(&w->l->item[i]))
            before += pieces_of(&w->l->item[i++]);
        if (i == w->l->n) return;
        const b4c_leaf *f = &w->l->item[i];
        const size_t begin = (piece - before) * B4C_LEAF_PIECE,
                     end = begin + B4C_LEAF_PIECE < f->n ? begin + B4C_LEAF_PIECE : f->n;
        w->fn(w->arg, f, begin, end);
    }
}

void b4c_leaves_each(const b4c_leaves *l, b4c_pool *pool, b4c_leaf_fn fn, void *arg)
{
    walk w = { .l = l, .fn = fn, .arg = arg };
    atomic_init(&w.next, 0);
    size_t pieces = 0;
    for (int i = 0; i < l->n && pieces < 2; i++) pieces += pieces_of(&l->item[i]);
    b4c_pool_run(pieces > 1 ? pool : NULL, walk_lane, &w);
}

static void square_piece(void *arg, const b4c_leaf *f, size_t begin, size_t end)
{
    double *square = arg;
    square[f->piece + begin / B4C_LEAF_PIECE] =
        (double)b4c_kernels_get()->dot(f->g + begin, f->g + begin, end - begin);
}

void b4c_leaves_squares(const b4c_leaves *l, b4c_pool *pool, double *square)
{
    b4c_leaves_each(l, pool, square_piece, square);
}

double b4c_leaves_root(const b4c_leaves *l, const double *square)
{
    double all = 0;
    for (size_t i = 0; i < l->pieces; i++) all += square[i];
    return sqrt(all);
}

double b4c_leaves_norm(const b4c_leaves *l, b4c_pool *pool)
{
    double *square = calloc(l->pieces + 1, sizeof *square);
    if (!square) return NAN;
    b4c_leaves_squares(l, pool, square);
    const double norm = b4c_leaves_root(l, square);
    free(square);
    return norm;
}

int b4c_leaves_bad(const b4c_leaves *l, bool values)
{
    for (int i = 0; i < l->n; i++) {
        const b4c_leaf *f = &l->item[i];
        const b4c_real *x = values ? f->x : f->g;
        for (size_t k = 0; x && k < f->n; k++)
            if (!isfinite(x[k])) return i;
    }
    return -1;
}
