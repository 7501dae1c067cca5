/* machine.c - the clock, and the limits that speeds are compared with: of arithmetic, by the
 * library's own loops on registers, and of memory.
 */
#include "bench.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, rising);
    return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct {
    const char *data;
    size_t bytes;
    uint64_t sum;
    pthread_barrier_t *start;
} worker;

static void *read_main(void *arg)
{
    worker *w = arg;
    const uint64_t *p = (const uint64_t *)(const void *)w->data;
    size_t n = w->bytes / 8;
    uint64_t s[8] = { 0 };
    pthread_barrier_wait(w->start);
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) s[j] += p[i + (size_t)j];
    for (int j = 0; j < 8; j++) w->sum += s[j];
    return NULL;
}

/* Seconds from the moment all threads stood ready until the last one was done. */
static double together(void *(*main)(void *), worker *w, int threads)
{
    pthread_t thread[256];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        w[i].start = &start;
        pthread_create(&thread[i], NULL, main, &w[i]);
    }
    pthread_barrier_wait(&start);
    double t = bench_now();
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    t = bench_now() - t;
    pthread_barrier_destroy(&start);
    return t;
}

double bench_peak(b4c_dtype type, int threads)
{
    return b4c_machine_peak(type, threads, NULL) * 1e-9;
}

const char *bench_peak_name(b4c_dtype type)
{
    const char *name;
    b4c_machine_peak(type, 0, &name);
    return name;
}

enum { MEMORY = 512 << 20, FLUSH = 128 << 20 };

/* MEMORY bytes in huge pages, so that what is measured is not the tables of small ones. */
static char *memory(void)
{
    static char *data;
    if (!data && (data = aligned_alloc(2 << 20, MEMORY))) {
#ifdef MADV_HUGEPAGE
        (void)madvise(data, MEMORY, MADV_HUGEPAGE);
#endif
        memset(data, 1, MEMORY);
    }
    return data;
}

double bench_bandwidth(int threads)
{
    char *data = memory();
    if (!data || threads < 1 || threads > 256) return 0;
    worker w[256];
    const size_t part = MEMORY / (size_t)threads / 64 * 64;
    for (int i = 0; i < threads; i++) w[i] = (worker){ .data = data + part * (size_t)i, part };
    return (double)part * threads / together(read_main, w, threads);
}

void bench_flush_caches(void)
{
    static volatile uint64_t sink;
    const uint64_t *p = (const uint64_t *)(void *)memory();
    for (size_t i = 0; p && i < FLUSH / 8; i += 8) sink += p[i];
}

/* ---- words for a report ---------------------------------------------------------------------- */

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % n;
}

void bench_make_text(uint64_t *random, char *room)
{
    const uint32_t some = 3 + below(random, 5) + below(random, 5) + below(random, 5);
    const uint32_t n = some + (below(random, 8) ? 0 : below(random, 16));
    for (uint32_t i = 0; i < n; i++) {
        const int c = 0x4e00 + (int)below(random, 3000);
        *room++ = (char)(0xe0 | c >> 12);
        *room++ = (char)(0x80 | (c >> 6 & 63));
        *room++ = (char)(0x80 | (c & 63));
    }
    *room = 0;
}

void bench_print_machine(int threads)
{
    char line[256], model[200] = "unknown processor";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "model name", 10) && strchr(line, ':')) {
            snprintf(model, sizeof model, "%s", strchr(line, ':') + 2);
            model[strcspn(model, "\n")] = 0;
            break;
        }
    if (f) fclose(f);
    const char *commit = getenv("BENCH_COMMIT");
    printf("%s, %d thread%s, kernels %s, bert4c %s commit %s\n", model, threads,
           threads > 1 ? "s" : "", b4c_isa_name(), B4C_VERSION, commit ? commit : "unknown");
}
