/* bench_encoder.c - whole encoders against the machine's arithmetic limit.
 *
 *   bench_encoder [--threads N] [--shape NAME] [--dtype f32|bf16|int8] [--length 32] [--batch 32]
 * [--folder DIR] [--write]
 *
 * For each shape and dtype: sentences a second of a batch, by the mean of all tokens, and their
 * share of the limit; by the first token, which asks the last layer for one row a sentence; one
 * short sentence's latency. Random weights are written once to DIR (--write: do only that), where
 * the peers' scripts find them too.
 */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 9 };

typedef struct {
    int threads, length, batch;
    const char *shape, *dtype, *folder;
    bool write;
} options;

static double seconds_of(b4c_session *s, const int32_t *ids, const int *lengths, int n,
                         b4c_pooling pooling, float *out, double spend)
{
    b4c_encode_options o = B4C_ENCODE_DEFAULT;
    o.pooling = pooling;
    double t[200], spent = 0;
    int runs = 0;
    b4c_error err = { 0 };
    while (runs < 3 || (spent < spend && runs < 200)) {
        double start = bench_now();
        if (b4c_encode_ids(s, ids, NULL, lengths, n, &o, out, &err) < 0) {
            fprintf(stderr, "%s\n", err.message);
            exit(1);
        }
        t[runs] = bench_now() - start;
        spent += t[runs++];
    }
    return bench_median(t, runs);
}

/* Speed and limit in turns, since the clock moves and others use the cores: the median of the
 * ratios. */
static void measure(const options *o, const bench_shape *shape, b4c_dtype dtype)
{
    char folder[1000];
    snprintf(folder, sizeof folder, "%s/%s", o->folder, shape->name);
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    mo.dtype = dtype;
    mo.weights_only = true;
    b4c_model *model = b4c_model_open(folder, &mo, &err);
    b4c_session_options so = { .threads = o->threads };
    b4c_session *s = model ? b4c_session_new(model, &so, &err) : NULL;
    if (!s) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    int rows = o->batch * o->length, eight = 8;
    int32_t *ids = malloc((size_t)rows * sizeof *ids);
    int *lengths = malloc((size_t)o->batch * sizeof *lengths);
    float *out = malloc((size_t)o->batch * (size_t)shape->width * sizeof *out);
    for (int i = 0; i < rows; i++) ids[i] = (int32_t)((long)i * 7919 % shape->vocabulary);
    for (int i = 0; i < o->batch; i++) lengths[i] = o->length;

    const b4c_pooling mean = B4C_POOL_MEAN;      /* every row of every layer */
    double ratio[ROUNDS], batch[ROUNDS], first[ROUNDS], one[ROUNDS], limit[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double before = bench_peak(dtype, o->threads);
        batch[r] = seconds_of(s, ids, lengths, o->batch, mean, out, 0.2);
        limit[r] = 0.5 * (before + bench_peak(dtype, o->threads));
        ratio[r] = bench_flops(shape, o->batch, o->length) / batch[r] * 1e-9 / limit[r];
        first[r] = seconds_of(s, ids, lengths, o->batch, B4C_POOL_CLS, out, 0.1);
        one[r] = seconds_of(s, ids, &eight, 1, mean, out, 0.05);
    }
    b4c_model_info info;
    b4c_model_describe(model, &info);
    double t = bench_median(batch, ROUNDS);
    printf("%-13s %-5s %4d x %-4d %9.1f sentences/s %7.0f G/s = %5.1f %% of %s (%.0f); by the "
           "first token %.1f; one of 8 tokens %7.3f ms, weights %.0f MB\n",
           shape->name, b4c_dtype_name(dtype), o->batch, o->length, o->batch / t,
           bench_flops(shape, o->batch, o->length) / t * 1e-9, 100 * bench_median(ratio, ROUNDS),
           bench_peak_name(dtype), bench_median(limit, ROUNDS),
           o->batch / bench_median(first, ROUNDS), bench_median(one, ROUNDS) * 1e3,
           (double)info.packed_bytes * 1e-6);
    fflush(stdout);
    free(ids);
    free(lengths);
    free(out);
    b4c_session_free(s);
    b4c_model_free(model);
}

int main(int argc, char **argv)
{
    options o = { .length = 32, .batch = 32, .folder = "build/bench-models" };
    const bench_option list[] = {
        { "--write", .flag = &o.write },
        { "--threads", .count = &o.threads },
        { "--length", .count = &o.length },
        { "--batch", .count = &o.batch },
        { "--shape", .text = &o.shape },
        { "--dtype", .text = &o.dtype },
        { "--folder", .text = &o.folder },
        { 0 },
    };
    if (bench_read_options(argc, argv, list) != 0) return 2;
    if (o.threads < 1) o.threads = b4c_cpu_count();
    if (o.length < 1 || o.length > 512 || o.batch < 1 || o.length * o.batch < 8)
        return fprintf(stderr, "bench_encoder: length 1 .. 512, batch from 1\n"), 2;

    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8 };
    if (bench_make_models(o.folder) < 0) return perror(o.folder), 1;
    if (o.write) return 0;
    bench_print_machine(o.threads);
    for (const bench_shape *s = bench_shapes; s->name; s++)
        for (int d = 0; d < 3; d++)
            if ((!o.shape || !strcmp(o.shape, s->name)) &&
                (!o.dtype || !strcmp(o.dtype, b4c_dtype_name(dtypes[d]))))
                measure(&o, s, dtypes[d]);
    return 0;
}
