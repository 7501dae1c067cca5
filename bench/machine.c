/* machine.c - the clock, and the limits that speeds are compared with.
 *
 * A limit is what the execution units do on registers alone, on all threads at once. Enough
 * independent sums hide the latency (4 cycles for FMA, 6 for vdpbf16ps on Zen 5; two pipes: 12 and
 * more sums).
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

/* ---- loops on registers ---------------------------------------------------------------------- */

typedef double (*burn_fn)(long rounds); /* returns the operations done */

#if defined(__x86_64__)
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define BURN(name, isa, op, flops)                                             \
    static double name(long rounds)                                            \
    {                                                                          \
        for (long i = 0; i < rounds; i++) __asm__ volatile(TWELVE(op)::: isa); \
        return (double)rounds * 12 * flops;                                    \
    }
#define CLOBBER_Z \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11"
#define FMA_Y(i) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n\t"
#define FMA_Z(i) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define BF_Z(i)  "vdpbf16ps %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define I8_Z(i)  "vpdpbusd %%zmm12, %%zmm13, %%zmm" #i "\n\t"
#define I8_Y(i)  "vpmaddwd %%ymm12, %%ymm13, %%ymm" #i "\n\t"
BURN(burn_fma_ymm, CLOBBER_Z, FMA_Y, 16.)
BURN(burn_fma_zmm, CLOBBER_Z, FMA_Z, 32.)
BURN(burn_bf16_zmm, CLOBBER_Z, BF_Z, 64.)
BURN(burn_i8_zmm, CLOBBER_Z, I8_Z, 128.)
BURN(burn_i8_ymm, CLOBBER_Z, I8_Y, 32.)

static burn_fn burner(b4c_dtype type, const char **name)
{
    const char *isa = b4c_isa_name();
    bool wide = !strcmp(isa, "avx512") || !strcmp(isa, "amx");
    __builtin_cpu_init();
    if (type == B4C_F32)
        return *name = wide ? "fma zmm" : "fma ymm", wide ? burn_fma_zmm : burn_fma_ymm;
    if (type == B4C_BF16) {
        if (wide && __builtin_cpu_supports("avx512bf16"))
            return *name = "vdpbf16ps zmm", burn_bf16_zmm;
        return *name = "fma ymm", burn_fma_ymm;
    }
    if (wide && __builtin_cpu_supports("avx512vnni")) return *name = "vpdpbusd zmm", burn_i8_zmm;
    return *name = "vpmaddwd ymm", burn_i8_ymm;
}
#else
static burn_fn burner(b4c_dtype type, const char **name)
{
    (void)type;
    *name = "unknown";
    return NULL;
}
#endif

/* ---- the same on all threads ------------------------------------------------------------------
 */

typedef struct {
    burn_fn fn;
    long rounds;
    double operations;
    const char *data;
    size_t bytes;
    uint64_t sum;
    pthread_barrier_t *start;
} worker;

static void *burn_main(void *arg)
{
    worker *w = arg;
    pthread_barrier_wait(w->start);
    w->operations = w->fn(w->rounds);
    return NULL;
}

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
    const char *name;
    burn_fn fn = burner(type, &name);
    if (!fn || threads < 1 || threads > 256) return 0;
    double speed[9];
    for (int r = 0; r < 9; r++) {
        worker w[256];
        memset(w, 0, sizeof w);
        for (int i = 0; i < threads; i++) w[i].fn = fn, w[i].rounds = 3000000;
        double t = together(burn_main, w, threads), operations = 0;
        for (int i = 0; i < threads; i++) operations += w[i].operations;
        speed[r] = operations / t * 1e-9;
    }
    return bench_median(speed, 9);
}

const char *bench_peak_name(b4c_dtype type)
{
    const char *name;
    burner(type, &name);
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
