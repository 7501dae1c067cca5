/* machine.c - the arithmetic limit of this machine, against which speeds are told. */
#include "base/pool.h"
#include "math/peak.h"

#include <stdlib.h>
#include <time.h>

enum { RUNS = 9, MOST_THREADS = 1024 };
/* A run takes some 5 ms: long for the clock, short against the time slices of other programs. */
#define ROUNDS 3000000L

typedef struct burn {
    b4c_peak_fn loop;
    long rounds;
    double *operations;      /* [lanes] */
} burn;

static void burn_lane(void *arg, int lane, int lanes)
{
    const burn *b = arg;
    (void)lanes;
    b->operations[lane] = b->loop(b->rounds);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double b4c_machine_peak(b4c_dtype dtype, int threads, const char **name)
{
    const char *what = "";
    double speed[RUNS];
    /* 4-bit weights are multiplied as bytes. */
    const b4c_dtype type = dtype == B4C_AUTO ? B4C_F32 : dtype == B4C_I4 ? B4C_I8 : dtype;
    burn b = { .loop = b4c_peak_loop(type, &what), .rounds = ROUNDS };
    if (name) *name = what;
    if (!b.loop || threads < 1 || threads > MOST_THREADS) return 0;
    b4c_pool *pool = b4c_pool_new(threads);
    b.operations = calloc((size_t)threads, sizeof *b.operations);
    for (int r = 0; r < RUNS; r++) {
        double operations = 0;
        const double start = now();
        if (pool && b.operations) b4c_pool_run(pool, burn_lane, &b);
        const double took = now() - start;
        for (int i = 0; i < threads && b.operations; i++) operations += b.operations[i];
        speed[r] = took > 0 ? operations / took : 0;
    }
    free(b.operations);
    b4c_pool_free(pool);
    qsort(speed, RUNS, sizeof *speed, rising);
    return speed[RUNS / 2];
}
