/* bench_kernels.c - products of the kernel table in use against the arithmetic limit of one core.
 *
 *   bench_kernels [--dtype f32|bf16|int8] [--gelu] [--bf16-rows] [--budget SECONDS]
 *
 * BERT4C_ISA chooses the table. Six shapes of encoders [outputs x inputs], 1 to 512 rows, 1 thread.
 * The limit is measured between the products, in the thread's own CPU time, and the median of the
 * ratios is printed: on a shared machine the clock moves and others take the core, but both alike.
 * --gelu: with bias and GELU in the epilogue. --bf16-rows: results as bf16, as the next product's
 * input. The only benchmark that looks inside the library: no public call is a product alone.
 */
#include "base/memory.h"
#include "bench.h"
#include "math/kernels.h"
#include "math/peak.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    b4c_act act;
    bool bf16_rows;
    double budget;           /* seconds a cell */
} options;

static const int shapes[][2] = { { 512, 512 }, { 2048, 512 }, { 768, 768 },
                                 { 3072, 768 }, { 768, 3072 }, { 21128, 768 } };
static const int rows_of[] = { 1, 4, 8, 16, 32, 128, 512 };
enum { SHAPES = sizeof shapes / sizeof *shapes, ROWS = sizeof rows_of / sizeof *rows_of };
enum { RUNS = 400 };

static double cpu_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(void *memory)
{
    if (memory) return memory;
    fprintf(stderr, "bench_kernels: no memory\n");
    exit(1);
}

static b4c_operand operand_new(b4c_form form, int rows, int cols, size_t *bytes)
{
    b4c_operand o = { .form = form, .rows = rows, .cols = cols };
    *bytes = b4c_operand_bytes(form, rows, cols, &o.ld);
    o.data = need(b4c_block_new(*bytes));
    o.scale = need(calloc((size_t)rows, sizeof *o.scale));
    return o;
}

/* Median of product speed over limit. */
static double ratio(const b4c_kernels *t, const b4c_gemm *g, b4c_peak_fn peak, double budget)
{
    const int panels = (g->w->n + 31) / 32;
    const double flops = 2.0 * g->in.rows * g->w->n * g->w->k;
    const int inner = (int)(3e7 / flops) + 1;
    double r[RUNS], spent = 0;
    int n = 0;
    t->gemm(g, 0, panels);
    while (n < RUNS && (n < 5 || spent < budget)) {
        const double start = cpu_time();
        for (int i = 0; i < inner; i++) t->gemm(g, 0, panels);
        const double middle = cpu_time(), burnt = peak(20000), end = cpu_time();
        r[n++] = flops * inner / (middle - start) / (burnt / (end - middle));
        spent += end - start;
    }
    return bench_median(r, n);
}

static void measure(const b4c_kernels *t, b4c_dtype dtype, const options *o)
{
    const char *instruction = "";
    const b4c_peak_fn peak = b4c_peak_loop(dtype, &instruction);
    const bool tiles = t->form(B4C_BF16) == B4C_FORM_TILE_BF16;
    const b4c_form narrow = tiles ? B4C_FORM_TILE_BF16 : B4C_FORM_BF16;
    double product[ROWS];
    for (int m = 0; m < ROWS; m++) product[m] = 1;
    if (!peak) {
        printf("%s %s: no limit is known on this machine\n", t->name, b4c_dtype_name(dtype));
        return;
    }
    printf("%s %s, %% of %s; rows:", t->name, b4c_dtype_name(dtype), instruction);
    for (int m = 0; m < ROWS; m++) printf(" %5d", rows_of[m]);
    printf("\n");
    for (int s = 0; s < SHAPES; s++) {
        const int n = shapes[s][0], k = shapes[s][1];
        const size_t most = (size_t)(n > 512 ? n : 512) * (size_t)k;
        b4c_packed w;
        float *x = need(malloc(most * sizeof *x)), *bias = need(calloc((size_t)n, sizeof *bias));
        for (size_t i = 0; i < most; i++) x[i] = (float)((i * 7919) % 2001) * 1e-3f - 1;
        if (b4c_packed_init(&w, n, k, dtype) < 0) need(NULL);
        b4c_packed_fill(&w, 0, n, x, (size_t)k);
        printf("%14d x %-14d      ", n, k);
        for (int m = 0; m < ROWS; m++) {
            size_t in_bytes, out_bytes;
            const b4c_form result = o->bf16_rows ? narrow : B4C_FORM_REAL;
            b4c_operand in = operand_new(t->form(dtype), rows_of[m], k, &in_bytes);
            b4c_operand out = operand_new(result, rows_of[m], n, &out_bytes);
            t->operand(x, k, &in, 0, rows_of[m]);
            const b4c_gemm g = { .w = &w, .in = in, .bias = bias, .act = o->act, .out = out };
            const double r = ratio(t, &g, peak, o->budget);
            product[m] *= r;
            printf(" %5.1f", 100 * r);
            fflush(stdout);
            b4c_block_free(in.data, in_bytes);
            b4c_block_free(out.data, out_bytes);
            free(in.scale);
            free(out.scale);
        }
        printf("\n");
        free(x);
        free(bias);
        b4c_packed_done(&w);
    }
    printf("       geometric mean              ");
    for (int m = 0; m < ROWS; m++) printf(" %5.1f", 100 * pow(product[m], 1.0 / SHAPES));
    printf("\n");
}

int main(int argc, char **argv)
{
    options o = { .act = B4C_ACT_NONE, .budget = 0.1 };
    const char *only = NULL;
    bool gelu = false;
    const bench_option list[] = {
        { "--dtype", .text = &only },
        { "--budget", .number = &o.budget },
        { "--gelu", .flag = &gelu },
        { "--bf16-rows", .flag = &o.bf16_rows },
        { 0 },
    };
    if (bench_read_options(argc, argv, list) != 0) return 2;
    if (gelu) o.act = B4C_ACT_GELU;
    bench_print_machine(1);
    const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8 };
    for (int d = 0; d < 3; d++)
        if (!only || !strcmp(only, b4c_dtype_name(dtypes[d])))
            measure(b4c_kernels_get(), dtypes[d], &o);
    return 0;
}
