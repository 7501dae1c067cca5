/* machine.c - the clock, and the limits that speeds are compared with: of arithmetic, by the
 * library's own loops on registers, and of memory.
 */
#include "bench.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

double bench_bandwidth(int threads)
{
    size_t bytes = (size_t)512 << 20;
    char *data = malloc(bytes);
    if (!data || threads < 1 || threads > 256) return free(data), 0;
    memset(data, 1, bytes);
    double speed[7];
    for (int r = 0; r < 7; r++) {
        worker w[256];
        memset(w, 0, sizeof w);
        for (int i = 0; i < threads; i++) {
            w[i].data = data + bytes / (size_t)threads / 64 * 64 * (size_t)i;
            w[i].bytes = bytes / (size_t)threads / 64 * 64;
        }
        speed[r] = (double)bytes / together(read_main, w, threads);
    }
    free(data);
    return bench_median(speed, 7);
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
#ifndef B4C_COMMIT
#define B4C_COMMIT "unknown"
#endif
    printf("%s, %d thread%s, kernels %s, bert4c %s commit %s\n", model, threads,
           threads > 1 ? "s" : "", b4c_isa_name(), B4C_VERSION, B4C_COMMIT);
}
