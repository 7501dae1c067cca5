/* sources.c - see sources.h.
 *
 * Sources side by side make a block of about as many rows as a lane takes through all layers at
 * once. Invariants: pages are promised to every block before the first is read, so that lanes write
 * to the cache without a word; the first lane's tape holds these plans below what it reads.
 */
#include "decode/sources.h"

#include "base/error.h"
#include "model/forward.h"
#include <string.h>

typedef struct reading {
    const b4c_network *net;
    b4c_crew *crew;
    b4c_cache *cache;
    const b4c_unread *source;
    int *block;              /* [blocks + 1] its first source */
    b4c_plan *to;            /* [blocks] where the cache puts them */
    int blocks;
} reading;

/* Cut n sources into blocks. */
static void cut(b4c_tape *t, reading *r, int n)
{
    r->block = b4c_take(t, ((size_t)n + 1) * sizeof *r->block);
    if (t->failed) return;
    for (int i = 0, rows = 0; i < n; i++) {
        if (rows == 0) r->block[r->blocks++] = i;
        rows += r->source[i].n;
        if (rows >= r->crew->batch_tokens) rows = 0;
    }
    r->block[r->blocks] = n;
}

/* Pages for every block. */
static void promise(b4c_tape *t, reading *r, int n)
{
    int *slot = b4c_take(t, (size_t)n * sizeof *slot),
        *length = b4c_take(t, (size_t)n * sizeof *length);
    r->to = b4c_take(t, (size_t)r->blocks * sizeof *r->to);
    for (int i = 0; i < n && !t->failed; i++) {
        slot[i] = r->source[i].slot;
        length[i] = r->source[i].n;
    }
    for (int b = 0; b < r->blocks && !t->failed; b++) {
        const int from = r->block[b], some = r->block[b + 1] - from;
        r->to[b] = b4c_cache_plan(t, r->cache, B4C_MASK_FULL, slot + from, length + from, some);
        if (!t->failed) b4c_cache_grow(r->cache, slot + from, length + from, some);
    }
}

static bool read_block(b4c_tape *t, void *arg, int b)
{
    const reading *r = arg;
    const b4c_unread *source = r->source + r->block[b];
    const b4c_plan *to = &r->to[b];
    const size_t scope = b4c_scope_open(t);
    int *length = b4c_take(t, (size_t)to->n_seq * sizeof *length);
    int32_t *ids = b4c_take(t, (size_t)to->n_rows * sizeof *ids);
    for (int i = 0, at = 0; i < to->n_seq && !t->failed; at += length[i++]) {
        length[i] = source[i].n;
        memcpy(ids + at, source[i].ids, (size_t)length[i] * sizeof *ids);
    }
    if (!t->failed) {
        const b4c_plan plan = b4c_plan_make(t, B4C_MASK_FULL, length, to->n_seq, NULL);
        const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
        b4c_tensor x = b4c_input(t, r->net, &r->net->encoder, ids, NULL, &plan,
                                 (b4c_dropping){ 0 });
        x = b4c_stack_run(t, r->net, &r->net->encoder, x, &call);
        if (!t->failed) b4c_cache_source(t, r->cache, r->net, x, to);
    }
    if (!t->failed) b4c_drop(t, scope);
    return !t->failed;
}

int b4c_sources_encode(const b4c_network *net, b4c_crew *crew, b4c_cache *cache,
                       const b4c_unread *source, int n, b4c_error *err)
{
    reading r = { .net = net, .crew = crew, .cache = cache, .source = source };
    b4c_tape *t = b4c_crew_joint(crew);
    for (int i = 0; i < crew->lanes; i++) b4c_tape_reset(&crew->tape[i]);
    cut(t, &r, n);
    if (!t->failed) promise(t, &r, n);
    bool ok = !t->failed;
    /* of the first so many, each by one lane */
    const int apart = crew->lanes > 1 ? r.blocks / crew->lanes * crew->lanes : 0;
    if (apart && ok) {
        b4c_crew_apart(crew);
        ok = b4c_crew_take(crew, read_block, &r, apart);
        t = b4c_crew_joint(crew);
    }
    for (int b = apart; b < r.blocks && ok; b++) ok = read_block(t, &r, b);
    if (ok) return 0;
    return b4c_fail(err, B4C_E_MEMORY, "generation: no memory to read %d sources", n);
}
