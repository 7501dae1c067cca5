/* pool.c - fork and join in less than a microsecond.
 *
 * Idea: between two parallel regions of a forward pass lie a few microseconds, so a thread that
 * waits first looks again and again for SPIN_NS, and only then sleeps in the kernel. Both sides do
 * so: the workers for the next job, the caller for the last worker. Without the second, one other
 * busy process on the machine makes a call a hundred times slower, because the caller burns the
 * core that its worker needs.
 *
 *     caller   fn, arg, left = lanes - 1, job++ ──────► lane 0 ──────► waits for left == 0
 *     worker   waits for job to change ─► lane i ─► left-- ─► waits for job to change
 *
 * Invariants: fn and arg change only while left == 0. Whoever sleeps says so (`asleep`, `waiting`)
 * before it looks a last time, and whoever changes the word looks at that flag afterwards; both in
 * one total order (seq_cst), so no wake-up is lost. A sleeper looks again after every wake-up, so a
 * needless one is harmless.
 */
#include "base/pool.h"

#include "bert4c.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__) && !defined(B4C_NO_FUTEX)
#include <linux/futex.h>
#include <sys/syscall.h>
#define HAS_FUTEX 1
#else
#define HAS_FUTEX 0
#endif

/* LOOKS between two readings of the clock: about 2 microseconds */
enum { SPIN_NS = 50000, LOOKS = 64, STACK = 2 << 20, LINE = 64 };

typedef struct worker {
    b4c_pool *pool;
    int lane;
    pthread_t thread;
} worker;

struct b4c_pool {
    int lanes;
    bool spin; /* false: more lanes than cores, where spinning only delays the others */
    bool busy;
    b4c_lane_fn fn; /* NULL: leave */
    void *arg;
    bool *here; /* on a page that reads false in a forked child, where the workers do not exist */
    worker *worker; /* [lanes - 1] */
    /* Words that many threads write stand on cache lines of their own. */
    _Alignas(LINE) atomic_uint job;
    atomic_uint asleep; /* workers in the kernel */
    _Alignas(LINE) atomic_uint left;
    atomic_uint waiting; /* the caller is in the kernel */
#if !HAS_FUTEX
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
};

/* ---- sleeping ------------------------------------------------------------------------------- */

#if HAS_FUTEX
static void sleep_while(b4c_pool *p, atomic_uint *word, unsigned value)
{
    (void)p;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(b4c_pool *p, atomic_uint *word)
{
    (void)p;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
static void sleep_while(b4c_pool *p, atomic_uint *word, unsigned value)
{
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(word) == value) pthread_cond_wait(&p->changed, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}

static void wake(b4c_pool *p, atomic_uint *word)
{
    (void)word;
    pthread_mutex_lock(&p->mutex); /* a sleeper has either not looked yet, or is waiting */
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
}
#endif

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most cores */
#endif
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Look at word until it is no longer value. False: still value after SPIN_NS. */
static bool spin_while(const b4c_pool *p, atomic_uint *word, unsigned value)
{
    long long end = 0;
    do {
        for (int i = 0; i < LOOKS; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value) return true;
            if (!p->spin) return false;
            relax();
        }
        const long long t = now_ns();
        if (!end) end = t + SPIN_NS;
        if (t >= end) return false;
    } while (true);
}

/* ---- both sides ----------------------------------------------------------------------------- */

static void *work(void *argument)
{
    worker *w = argument;
    b4c_pool *p = w->pool;
    for (unsigned seen = 0;; seen++) {
        if (!spin_while(p, &p->job, seen)) {
            atomic_fetch_add(&p->asleep, 1);
            while (atomic_load(&p->job) == seen) sleep_while(p, &p->job, seen);
            atomic_fetch_sub(&p->asleep, 1);
        }
        if (!p->fn) return NULL;
        p->fn(p->arg, w->lane, p->lanes);
        if (atomic_fetch_sub(&p->left, 1) == 1 && atomic_load(&p->waiting)) wake(p, &p->left);
    }
}

static void post(b4c_pool *p, b4c_lane_fn fn, void *arg)
{
    p->fn = fn;
    p->arg = arg;
    atomic_store_explicit(&p->left, (unsigned)p->lanes - 1, memory_order_relaxed);
    atomic_fetch_add(&p->job, 1);
    if (atomic_load(&p->asleep)) wake(p, &p->job);
}

static void join_lanes(b4c_pool *p)
{
    for (;;) {
        const unsigned left = atomic_load_explicit(&p->left, memory_order_acquire);
        if (left == 0) return;
        if (spin_while(p, &p->left, left)) continue;
        atomic_store(&p->waiting, 1);
        if (atomic_load(&p->left) == left) sleep_while(p, &p->left, left);
        atomic_store(&p->waiting, 0);
    }
}

void b4c_pool_run(b4c_pool *p, b4c_lane_fn fn, void *arg)
{
    if (!p || p->lanes == 1) {
        fn(arg, 0, 1);
        return;
    }
    assert(!p->busy);
    p->busy = true;
    if (*p->here) {
        post(p, fn, arg);
        fn(arg, 0, p->lanes);
        join_lanes(p);
    } else {
        for (int lane = 0; lane < p->lanes; lane++) fn(arg, lane, p->lanes);
    }
    p->busy = false;
}

int b4c_pool_lanes(const b4c_pool *p) { return p ? p->lanes : 1; }

/* ---- life ----------------------------------------------------------------------------------- */

/* A page with the word true, which a forked child finds false where the system can do that. */
static bool *map_here(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    bool *here = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (here == MAP_FAILED) return NULL;
#ifdef MADV_WIPEONFORK
    (void)madvise(here, page, MADV_WIPEONFORK);
#endif
    *here = true;
    return here;
}

static bool start(worker *w)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) return false;
    pthread_attr_setstacksize(&attr, STACK);
    const bool started = pthread_create(&w->thread, &attr, work, w) == 0;
    pthread_attr_destroy(&attr);
    return started;
}

/* Workers 0 .. started-1 leave; everything is freed. In a forked child there is nobody to wait for,
 * and nothing to destroy: the condition variable still counts its sleepers. */
static void tear_down(b4c_pool *p, int started)
{
    if (p->here && *p->here) {
        post(p, NULL, NULL);
        for (int i = 0; i < started; i++) pthread_join(p->worker[i].thread, NULL);
#if !HAS_FUTEX
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->mutex);
#endif
    }
    if (p->here) munmap(p->here, (size_t)sysconf(_SC_PAGESIZE));
    free(p->worker);
    free(p);
}

b4c_pool *b4c_pool_new(int lanes)
{
    assert(lanes >= 1);
    b4c_pool *p = aligned_alloc(LINE, sizeof *p); /* sizeof is a multiple of the alignment */
    if (!p) return NULL;
    memset(p, 0, sizeof *p);
    p->lanes = lanes;
    p->spin = lanes <= b4c_cpu_count();
    atomic_init(&p->job, 0);
    atomic_init(&p->asleep, 0);
    atomic_init(&p->left, 0);
    atomic_init(&p->waiting, 0);
#if !HAS_FUTEX
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
#endif
    int started = 0;
    p->here = map_here();
    p->worker = calloc((size_t)lanes, sizeof *p->worker);
    if (!p->here || !p->worker) goto fail;

    /* Workers inherit the mask: a signal is the business of the program's own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started < lanes - 1; started++) {
        worker *w = &p->worker[started];
        w->pool = p;
        w->lane = started + 1;
        if (!start(w)) break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started == lanes - 1) return p;
fail:
    tear_down(p, started);
    return NULL;
}

void b4c_pool_free(b4c_pool *p)
{
    if (p) tear_down(p, p->lanes - 1);
}

/* ---- zeros ---------------------------------------------------------------------------------- */

typedef struct zeros {
    char *at;
    size_t lines;
} zeros;

static void zero_lines(void *arg, int lane, int lanes)
{
    const zeros *z = arg;
    long begin, end;
    b4c_share((long)z->lines, lane, lanes, &begin, &end);
    memset(z->at + begin * LINE, 0, (size_t)(end - begin) * LINE);
}

void b4c_pool_zero(b4c_pool *p, void *at, size_t bytes)
{
    enum { WORTH = 1 << 20 };        /* a lane writes this in some 30 us */
    zeros z = { at, bytes >= WORTH ? bytes / LINE : 0 };
    if (z.lines) b4c_pool_run(p, zero_lines, &z);
    memset(z.at + z.lines * LINE, 0, bytes - z.lines * LINE);
}
