/* bench.h - what the benchmarks share: a clock, medians, the machine's limits, models of random
 * weights.
 *
 * Speeds are printed as ratios to a limit measured in the same run, since these machines are shared
 * and their clocks move.
 */
#ifndef B4C_BENCH_H
#define B4C_BENCH_H
#include "bert4c.h"

double bench_now(void);                     /* seconds */
double bench_median(double *values, int n); /* sorts them */

/* Arithmetic limit of `threads` cores in GFLOP/s (GOP/s for I8): independent multiply-adds in
 * registers, the widest instruction the machine has for the type (AMX tiles, AVX-512, AVX2). 0:
 * this program cannot measure it here. */
double bench_peak(b4c_dtype, int threads);
const char *bench_peak_name(b4c_dtype); /* "fma zmm", "vdpbf16ps", "vpdpbusd", "tdpbf16ps" ... */
/* Bytes a second read from memory far larger than any cache; 0: no memory for that. */
double bench_bandwidth(int threads);
/* Read through so much other memory that no cache holds anything of use. */
void bench_flush_caches(void);

/* An encoder of random weights in the hub's layout. */
typedef struct bench_shape {
    const char *name;
    int layers, width, heads, inner, vocabulary;
} bench_shape;
extern const bench_shape bench_shapes[]; /* ends with name NULL */
/* All of them as folders in `folder` (made if absent), each with config.json, vocab.txt and
 * model.safetensors, unless they are there. 0, or -1 with errno. */
int bench_make_models(const char *folder);
/* The same of models that write: RoFormer as a language model with a pooler, and mT5, whose heads
 * have 64 columns and whose stacks have `layers` layers each. */
extern const bench_shape bench_roformer, bench_t5;
int bench_make_generators(const char *folder);
/* Multiply-adds count two: linears and attention of `sequences` of `length` tokens. */
double bench_flops(const bench_shape *, int sequences, int length);
/* "AMD EPYC, 2 threads, kernels avx512, bert4c 0.1.0 commit 1a2b3c"; the commit is what the
 * environment's BENCH_COMMIT says. */
void bench_print_machine(int threads);

/* An option and the one place that its value goes to; a table ends with name NULL. */
typedef struct bench_option {
    const char *name; /* "--threads" */
    bool *flag;       /* it has no value: true where it stands */
    int *count;
    double *number;
    const char **text;
} bench_option;
/* 0, or the exit code 2 after a line on stderr that says what is wrong. */
int bench_read_options(int argc, char **argv, const bench_option *);

/* A text as a search engine is asked: 3 to 30 Chinese characters, 10 on average. room: 100 bytes.
 */
void bench_make_text(uint64_t *random, char *room);
#endif
