/* engine.c - see engine.h. */
#include "decode/engine.h"

#include "decode/sources.h"

#include <stdlib.h>
#include <string.h>

/* Rows that are read between two steps: of prompts, which the step brings along, and of sources. */
enum { DEFAULT_CACHE = 1 << 30, PROMPT_ROWS = 2048, SOURCE_ROWS = 8192 };

/* A job that is being worked at: slot[i] holds live hypothesis i. */
typedef struct active {
    int job, source; /* source: slot of its source, or -1 */
    int pages;       /* of the cache that are set aside for it, and of the sources */
    int source_pages;
    bool fresh;      /* its prompt has not been read */
    int live;
    int *slot;       /* [most] */
    b4c_move *moves; /* [most] of its last step */
    float *logits;   /* [live, vocabulary] of this step */
    int next;        /* hypotheses that live after it, or an error's code */
} active;

typedef struct engine {
    const b4c_network *net;
    b4c_crew *crew;
    b4c_tape *tape;
    const b4c_engine_options *o;
    b4c_job *job;
    int n_jobs, next_job;
    const b4c_stack *stack; /* the one that writes */
    b4c_cache cache, sources;
    int *free_slot, n_free, *free_source, n_free_source;
    int left, left_sources; /* pages that nobody has been promised */
    active *active;
    int n_active, room_active;
    b4c_error *error; /* [room_active] of a job's last step */
    b4c_unread *source; /* [room_active] that are being read */
    b4c_pool *pool;   /* NULL: one lane */
    int *spare;       /* [most] */
    int vocabulary; /* logits a row */
} engine;

static bool two_stacks(const engine *e) { return e->o->reading == B4C_READ_SEQ2SEQ; }

/* Rows that a job's own slot begins with. */
static int first_rows(const engine *e, const b4c_job *j)
{
    return two_stacks(e) ? e->o->n_start : j->n;
}

/* ---- room ------------------------------------------------------------------------------------ */

static int check_jobs(const engine *e, b4c_error *err)
{
    const int limit = e->net->spec.max_positions;
    for (int i = 0; i < e->n_jobs; i++) {
        const b4c_job *j = &e->job[i];
        const bool full = limit && !two_stacks(e) && j->n >= limit;
        if (full || (limit && j->n > limit))
            return b4c_fail(
                err, B4C_E_ARG,
                "generation: text %d: found %d tokens, the model reads at most %d; shorten it",
                i + 1, j->n, two_stacks(e) ? limit : limit - 1);
    }
    return 0;
}

/* Rows of a slot that the longest job may fill. */
static int longest(const engine *e, int (*limit_of)(const b4c_request *))
{
    int most = 0;
    for (int i = 0; i < e->n_jobs; i++) {
        const int n = first_rows(e, &e->job[i]) + limit_of(e->job[i].request);
        if (n > most) most = n;
    }
    const int limit = e->net->spec.max_positions;
    return limit && most > limit ? limit : most;
}

/* Pages that a job may come to hold: its hypotheses share those of its prompt. */
static int pages_for(const engine *e, const b4c_job *j, int room)
{
    const int first = first_rows(e, j), all = first + b4c_request_longest(j->request);
    return b4c_cache_pages_of_forks(first, all < room ? all : room, b4c_request_most(j->request));
}

/* As many of the wanted pages as the budget has, and at least what one job needs. */
static int pages_within(const engine *e, size_t budget, long wanted, int least)
{
    const size_t fit = budget / b4c_cache_page_bytes(e->tape->kernels, e->net, e->stack);
    const long n = fit < (size_t)wanted ? (long)fit : wanted;
    return (int)(n < least ? least : n);
}

static int make_room(engine *e, b4c_crew *crew, b4c_error *err)
{
    const size_t budget = e->o->cache_bytes ? e->o->cache_bytes : DEFAULT_CACHE;
    const b4c_kernels *kernels = e->tape->kernels;
    const int room = longest(e, b4c_request_longest);
    int most = 1, source = 1, least = 1;
    long all = 0, pages = 0, source_pages = 0;
    for (int i = 0; i < e->n_jobs; i++) {
        const b4c_job *j = &e->job[i];
        const int m = b4c_request_most(j->request), n = pages_for(e, j, room);
        if (m > most) most = m;
        if (j->n > source) source = j->n;
        if (n > least) least = n;
        all += m;
        pages += n;
        source_pages += b4c_pages_of(j->n);
    }
    e->left = pages_within(e, budget, pages, least);
    /* A hypothesis that lives has a page. */
    const int slots = all < e->left ? (int)all : e->left > most ? e->left : most;
    B4C_TRY(b4c_cache_init(&e->cache, kernels, e->net, e->stack, slots, room, e->left,
                           &crew->cache, err));
    int sources = 0;
    if (two_stacks(e)) {
        e->left_sources = pages_within(e, budget, source_pages, b4c_pages_of(source));
        sources = e->n_jobs < e->left_sources ? e->n_jobs : e->left_sources;
        B4C_TRY(b4c_cache_init(&e->sources, kernels, e->net, e->stack, sources, source,
                               e->left_sources, &crew->sources, err));
    }
    e->room_active = slots < e->n_jobs ? slots : e->n_jobs;
    e->free_slot = malloc((size_t)slots * sizeof *e->free_slot);
    e->free_source = malloc(((size_t)sources + 1) * sizeof *e->free_source);
    e->active = calloc((size_t)e->room_active, sizeof *e->active);
    e->error = calloc((size_t)e->room_active, sizeof *e->error);
    e->source = calloc((size_t)e->room_active, sizeof *e->source);
    e->spare = malloc((size_t)most * sizeof *e->spare);
    bool ok = e->free_slot && e->free_source && e->active && e->error && e->source && e->spare;
    for (int i = 0; ok && i < slots; i++) e->free_slot[e->n_free++] = slots - 1 - i;
    for (int i = 0; ok && i < e->room_active; i++) {
        active *a = &e->active[i];
        a->slot = malloc((size_t)most * sizeof *a->slot);
        a->moves = malloc((size_t)most * sizeof *a->moves);
        ok = a->slot && a->moves;
    }
    for (int i = 0; ok && i < sources; i++) e->free_source[e->n_free_source++] = sources - 1 - i;
    return ok ? 0 : b4c_fail(err, B4C_E_MEMORY, "generation: no memory for %d sequences", slots);
}

static void done(engine *e)
{
    for (int i = 0; e->active && i < e->room_active; i++) {
        free(e->active[i].slot);
        free(e->active[i].moves);
    }
    free(e->free_slot);
    free(e->free_source);
    free(e->active);
    free(e->error);
    free(e->source);
    free(e->spare);
    b4c_cache_done(&e->cache);
    b4c_cache_done(&e->sources);
}

static int take_slot(engine *e) { return e->free_slot[--e->n_free]; }

static void free_slot(engine *e, int slot)
{
    b4c_cache_clear(&e->cache, slot);
    e->free_slot[e->n_free++] = slot;
}

/* ---- coming and going ------------------------------------------------------------------------ */

/* Slots that active jobs may still ask for. */
static int promised(const engine *e)
{
    int n = 0;
    for (int i = 0; i < e->n_active; i++)
        n += b4c_request_most(e->job[e->active[i].job].request) - e->active[i].live;
    return n;
}

static void leave(engine *e, int i)
{
    active *a = &e->active[i];
    for (int k = 0; k < a->live; k++) free_slot(e, a->slot[k]);
    if (a->source >= 0) {
        b4c_cache_clear(&e->sources, a->source);
        e->free_source[e->n_free_source++] = a->source;
    }
    e->left += a->pages;
    e->left_sources += a->source_pages;
    const active gone = *a;
    e->n_active--;
    memmove(a, a + 1, (size_t)(e->n_active - i) * sizeof *a);
    e->active[e->n_active] = gone; /* keeps its memory for the next one */
}

/* Active jobs from `first` on are new: their sources. */
static int read_sources(engine *e, int first, b4c_error *err)
{
    const int n = e->n_active - first;
    for (int i = 0; i < n; i++) {
        const active *a = &e->active[first + i];
        const b4c_job *j = &e->job[a->job];
        e->source[i] = (b4c_unread){ .ids = j->ids, .n = j->n, .slot = a->source };
    }
    return b4c_sources_encode(e->net, e->crew, &e->sources, e->source, n, err);
}

static int admit(engine *e, b4c_error *err)
{
    const int first = e->n_active, most = two_stacks(e) ? SOURCE_ROWS : PROMPT_ROWS;
    int rows = 0;
    while (e->next_job < e->n_jobs && e->n_active < e->room_active && rows < most) {
        b4c_job *j = &e->job[e->next_job];
        if (!b4c_request_live(j->request)) { /* nothing to do */
            e->next_job++;
            continue;
        }
        const int pages = pages_for(e, j, e->cache.room);
        const int source_pages = two_stacks(e) ? b4c_pages_of(j->n) : 0;
        if (e->n_free - promised(e) < b4c_request_most(j->request) || pages > e->left ||
            source_pages > e->left_sources || (two_stacks(e) && !e->n_free_source))
            break;
        e->left -= pages;
        e->left_sources -= source_pages;
        active *a = &e->active[e->n_active++];
        a->pages = pages;
        a->source_pages = source_pages;
        a->job = e->next_job++;
        a->fresh = true;
        a->live = 1;
        a->slot[0] = take_slot(e);
        a->source = two_stacks(e) ? e->free_source[--e->n_free_source] : -1;
        rows += j->n;
    }
    return two_stacks(e) && e->n_active > first ? read_sources(e, first, err) : 0;
}

/* The first of `n` moves with this parent, or -1. */
static int first_child(const b4c_move *moves, int n, int parent)
{
    for (int i = 0; i < n; i++)
        if (moves[i].parent == parent) return i;
    return -1;
}

/* Slots follow the moves: a parent's first child goes on in its slot, others fork from it; slots
 * without children are freed first, so that the others find room. Where all come from one, what it
 * holds is their trunk. */
static void follow(engine *e, active *a)
{
    const int live = a->next;
    const b4c_move *moves = a->moves;
    if (a->live == 1 && live > 1) b4c_cache_root(&e->cache, a->slot[0]);
    for (int p = 0; p < a->live; p++) {
        e->spare[p] = a->slot[p];
        if (first_child(moves, live, p) < 0) free_slot(e, a->slot[p]);
    }
    for (int i = 0; i < live; i++) {
        const int parent = e->spare[moves[i].parent];
        if (first_child(moves, live, moves[i].parent) == i) {
            a->slot[i] = parent;
        } else {
            a->slot[i] = take_slot(e);
            b4c_cache_fork(&e->cache, parent, a->slot[i]);
        }
    }
    a->live = live;
}

/* ---- a step ---------------------------------------------------------------------------------- */

typedef struct batch {
    int n_seq, rows, *slot, *length, *only, *source;
    int32_t *ids, *segments;
} batch;

static int rows_of(const engine *e, const active *a)
{
    return a->fresh ? first_rows(e, &e->job[a->job]) : a->live;
}

static bool gather(engine *e, batch *b)
{
    b4c_tape *t = e->tape;
    *b = (batch){ 0 };
    for (int i = 0; i < e->n_active; i++) {
        b->n_seq += e->active[i].live;
        b->rows += rows_of(e, &e->active[i]);
    }
    const size_t n = (size_t)b->n_seq, rows = (size_t)b->rows;
    b->slot = b4c_take(t, n * sizeof *b->slot);
    b->length = b4c_take(t, n * sizeof *b->length);
    b->only = b4c_take(t, n * sizeof *b->only);
    b->source = b4c_take(t, n * sizeof *b->source);
    b->ids = b4c_take(t, rows * sizeof *b->ids);
    b->segments = b4c_take(t, rows * sizeof *b->segments);
    if (t->failed) return false;
    int s = 0, row = 0;
    for (int i = 0; i < e->n_active; i++) {
        const active *a = &e->active[i];
        const b4c_job *j = &e->job[a->job];
        for (int h = 0; h < a->live; h++, s++) {
            b->slot[s] = a->slot[h];
            b->source[s] = a->source;
            b->length[s] = a->fresh ? rows_of(e, a) : 1;
            if (a->fresh) {
                memcpy(b->ids + row, two_stacks(e) ? e->o->start : j->ids,
                       (size_t)b->length[s] * sizeof *b->ids);
            } else {
                int n_ids;
                const int32_t *ids = b4c_request_tokens(j->request, h, &n_ids);
                b->ids[row] = ids[n_ids - 1];
            }
            for (int k = 0; k < b->length[s]; k++) {
                const bool stated = a->fresh && !two_stacks(e) && j->segments;
                b->segments[row + k] = stated ? j->segments[k] : a->fresh ? 0 : j->segment;
            }
            row += b->length[s];
            b->only[s] = row - 1;
        }
    }
    return true;
}

/* One pass: logits [n_seq, head rows] of every live hypothesis's last row. */
static b4c_tensor pass(engine *e, const batch *b)
{
    b4c_tape *t = e->tape;
    /* A prefix model's source sees all of itself; a single new row sees the same either way. */
    const b4c_mask mask = e->o->reading == B4C_READ_PREFIX ? B4C_MASK_FULL : B4C_MASK_CAUSAL;
    const b4c_plan plan = b4c_cache_plan(t, &e->cache, mask, b->slot, b->length, b->n_seq);
    b4c_plan cross;
    b4c_stack_call call = {
        .plans = &plan, .n_plans = 1, .cache = &e->cache, .only = b->only, .n_only = b->n_seq
    };
    if (t->failed) return (b4c_tensor){ 0 };
    if (two_stacks(e)) {
        cross = b4c_cache_source_plan(t, &e->sources, &plan, b->source);
        call.cross = &cross;
        call.sources = &e->sources;
    }
    const int32_t *segments = e->net->spec.segments > 1 ? b->segments : NULL;
    b4c_tensor x = b4c_input(t, e->net, e->stack, b->ids, segments, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(t, e->net, e->stack, x, &call);
    return b4c_logits(t, e->net, x);
}

/* Can the job's sequences grow by one more row? */
static bool has_room(const engine *e, const active *a)
{
    for (int h = 0; h < a->live; h++)
        if (e->cache.length[a->slot[h]] >= e->cache.room) return false;
    return true;
}

/* Job i's step on its rows of logits, side by side. */
static void choose(engine *e, int i, b4c_pool *pool)
{
    active *a = &e->active[i];
    b4c_request *r = e->job[a->job].request;
    e->error[i] = (b4c_error){ 0 };
    b4c_request_share(r, pool);
    a->next = b4c_request_step(r, a->logits, a->moves, &e->error[i]);
}

static void choose_some(void *arg, int lane, int lanes)
{
    engine *e = arg;
    for (int i = lane; i < e->n_active; i += lanes) choose(e, i, NULL);
}

/* Jobs do not know of one another: many choose side by side; of few, each divides its samples. */
static void choose_all(engine *e, b4c_tensor logits)
{
    const size_t v = (size_t)e->vocabulary;
    float *row = (float *)(void *)logits.x;
    for (int i = 0; i < e->n_active; i++) {
        active *a = &e->active[i];
        a->logits = row;
        for (int h = 1; h < a->live && (size_t)logits.ld != v; h++)
            memmove(row + (size_t)h * v, row + (size_t)h * (size_t)logits.ld, v * sizeof *row);
        row += (size_t)a->live * (size_t)logits.ld;
    }
    if (e->n_active >= 2 * b4c_pool_lanes(e->pool)) {
        b4c_pool_run(e->pool, choose_some, e);
        return;
    }
    for (int i = 0; i < e->n_active; i++) choose(e, i, e->pool);
}

static int step(engine *e, b4c_watch_fn watch, void *arg, b4c_error *err)
{
    batch b;
    b4c_tape_reset(e->tape);
    b4c_tensor logits = gather(e, &b) ? pass(e, &b) : (b4c_tensor){ 0 };
    if (e->tape->failed)
        return b4c_fail(err, B4C_E_MEMORY, "generation: no memory for a step of %d rows", b.rows);
    b4c_cache_grow(&e->cache, b.slot, b.length, b.n_seq);
    choose_all(e, logits);
    for (int i = 0; i < e->n_active; i++)
        if (e->active[i].next < 0) {
            if (err) *err = e->error[i];
            return b4c_fail_in(err, "text %d", e->active[i].job + 1);
        }
    for (int i = 0; i < e->n_active;) {
        active *a = &e->active[i];
        b4c_request *r = e->job[a->job].request;
        a->fresh = false;
        follow(e, a);
        if (a->live && !has_room(e, a))
            b4c_request_finish(r, B4C_FINISH_LENGTH);
        else if (a->live && watch && watch(arg, a->job))
            b4c_request_finish(r, B4C_FINISH_STOPPED);
        if (b4c_request_live(r))
            i++;
        else
            leave(e, i);
    }
    return 0;
}

int b4c_engine_run(const b4c_network *net, b4c_crew *crew, const b4c_engine_options *o,
                   b4c_job *jobs, int n_jobs, b4c_watch_fn watch, void *arg, b4c_error *err)
{
    engine e = {
        .net = net, .o = o, .job = jobs, .n_jobs = n_jobs, .vocabulary = net->spec.vocabulary
    };
    e.stack = o->reading == B4C_READ_SEQ2SEQ ? &net->decoder : &net->encoder;
    if (n_jobs < 1) return 0;
    B4C_TRY(check_jobs(&e, err));
    e.vocabulary = b4c_request_vocabulary(jobs[0].request);
    e.crew = crew;
    e.tape = b4c_crew_joint(crew);
    e.pool = crew->pool;
    int rc = make_room(&e, crew, err);
    while (rc == 0) {
        rc = admit(&e, err);
        if (rc < 0 || !e.n_active) break;
        rc = step(&e, watch, arg, err);
    }
    done(&e);
    if (rc < 0) b4c_crew_forget(crew);
    b4c_tape_reset(e.tape);
    b4c_crew_apart(crew);
    return rc;
}
