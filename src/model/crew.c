/* crew.c - the lanes that a session works with. The idea stands in crew.h. */
#include "model/crew.h"

#include "base/error.h"
#include <stdatomic.h>
#include <stdlib.h>

/* LIMIT: address space of a tape; pages come at first touch. KEEP, KEEP_CACHE: what a tape and a
 * cache may hold on to. */
static const size_t LIMIT = (size_t)16 << 30, KEEP = (size_t)64 << 20,
                    KEEP_CACHE = (size_t)512 << 20;

int b4c_crew_init(b4c_crew *c, const b4c_kernels *kernels, b4c_dtype dtype, int lanes,
                  int batch_tokens, b4c_error *err)
{
    *c = (b4c_crew){ .batch_tokens = batch_tokens ? batch_tokens : kernels->batch_tokens };
    c->tape = calloc((size_t)lanes, sizeof *c->tape);
    bool ok = c->tape != NULL;
    for (int i = 0; ok && i < lanes; i++) {
        ok = b4c_tape_init(&c->tape[i], kernels, NULL, dtype, LIMIT, false) == 0;
        c->lanes += ok;
    }
    if (ok && lanes > 1) ok = (c->pool = b4c_pool_new(lanes)) != NULL;
    if (ok) return 0;
    b4c_crew_done(c);
    return b4c_fail(err, B4C_E_MEMORY,
                    "no memory or threads for a session of %d threads; ask for fewer", lanes);
}

void b4c_crew_done(b4c_crew *c)
{
    b4c_pool_free(c->pool);
    for (int i = 0; i < c->lanes; i++) b4c_tape_done(&c->tape[i]);
    b4c_crew_forget(c);
    free(c->tape);
    *c = (b4c_crew){ 0 };
}

b4c_tape *b4c_crew_joint(b4c_crew *c)
{
    c->tape[0].pool = c->pool;
    return &c->tape[0];
}

void b4c_crew_apart(b4c_crew *c)
{
    c->tape[0].pool = NULL;
}

typedef struct taking {
    b4c_crew *crew;
    bool (*fn)(b4c_tape *, void *arg, int i);
    void *arg;
    int n;
    atomic_int next;
    atomic_bool failed;
} taking;

static void take_some(void *arg, int lane, int lanes)
{
    taking *k = arg;
    (void)lanes;
    for (int i; (i = atomic_fetch_add(&k->next, 1)) < k->n && !atomic_load(&k->failed);)
        if (!k->fn(&k->crew->tape[lane], k->arg, i)) atomic_store(&k->failed, true);
}

bool b4c_crew_take(b4c_crew *c, bool (*fn)(b4c_tape *, void *arg, int i), void *arg, int n)
{
    taking k = { .crew = c, .fn = fn, .arg = arg, .n = n };
    atomic_init(&k.next, 0);
    atomic_init(&k.failed, false);
    b4c_pool_run(n > 1 ? c->pool : NULL, take_some, &k);
    return !atomic_load(&k.failed);
}

void b4c_crew_rest(b4c_crew *c)
{
    for (int i = 0; i < c->lanes; i++) {
        b4c_tape_reset(&c->tape[i]);
        if (c->tape[i].arena.peak > KEEP) b4c_arena_trim(&c->tape[i].arena, KEEP);
    }
    if (c->cache.bytes > KEEP_CACHE) b4c_cache_memory_done(&c->cache);
    if (c->sources.bytes > KEEP_CACHE) b4c_cache_memory_done(&c->sources);
}

void b4c_crew_forget(b4c_crew *c)
{
    b4c_cache_memory_done(&c->cache);
    b4c_cache_memory_done(&c->sources);
}
