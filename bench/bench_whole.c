/* bench_whole.c - what a user waits for, each as a ratio to a limit measured in the same run.
 *
 *   bench_whole [--threads N] [--folder DIR] [--command PATH] [--text FILE]
 *
 *   real text      texts of mixed lengths, tokenizer included, against the tokens of sequences that
 *                  are all as long as the mean of those
 *   one sentence   of 8 tokens, caches emptied before, against the time its weights take from DRAM
 *   cold start     of `PATH embed`, process start to the first vector
 *   peak memory    of `PATH embed` of those texts, against 1.1 x the packed weights + 32 MB
 *
 * Models are those of bench_encoder: random weights. Without --text the texts are made here; of a
 * FILE the first lines are taken, of a .tsv their first two columns.
 */
#include "bench.h"
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ROUNDS = 5, TEXTS = 3072, SHORT = 8, STARTS = 11, LONGEST = 100 };
#define COMMAND_SHAPE "bge-small-zh"
extern char **environ;

typedef struct options {
    int threads;
    const char *folder, *command, *file;
} options;

static void *need(void *memory)
{
    if (memory) return memory;
    fprintf(stderr, "bench_whole: no memory\n");
    exit(1);
}

static void check(int rc, const b4c_error *err)
{
    if (rc >= 0) return;
    fprintf(stderr, "bench_whole: %s\n", err->message);
    exit(1);
}

/* ---- models and texts ------------------------------------------------------------------------ */

typedef struct opened {
    const bench_shape *shape;
    char path[1000];
    b4c_model *model;
    b4c_session *session;
    b4c_model_info info;
} opened;

static opened open_shape(const options *o, const char *name, b4c_dtype dtype)
{
    opened x = { .shape = bench_shapes };
    b4c_error err = { 0 };
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    b4c_session_options so = { .threads = o->threads };
    mo.dtype = dtype;
    while (strcmp(x.shape->name, name)) x.shape++;
    snprintf(x.path, sizeof x.path, "%s/%s", o->folder, name);
    x.model = b4c_model_open(x.path, &mo, &err);
    x.session = x.model ? b4c_session_new(x.model, &so, &err) : NULL;
    check(x.session ? 0 : -1, &err);
    b4c_model_describe(x.model, &x.info);
    return x;
}

static void close_shape(opened *x)
{
    b4c_session_free(x->session);
    b4c_model_free(x->model);
}

typedef struct texts {
    const char **text;
    int n;
    char *bytes;
} texts;

static texts made_texts(void)
{
    texts t = { need(calloc(TEXTS, sizeof *t.text)), TEXTS, need(malloc(TEXTS * LONGEST)) };
    uint64_t random = 1;
    for (int i = 0; i < TEXTS; i++) {
        t.text[i] = t.bytes + (size_t)i * LONGEST;
        bench_make_text(&random, t.bytes + (size_t)i * LONGEST);
    }
    return t;
}

static texts read_texts(const char *path)
{
    FILE *f = fopen(path, "rb");
    const size_t length = strlen(path);
    const bool pairs = length > 4 && !strcmp(path + length - 4, ".tsv");
    texts t = { .n = 0 };
    if (!f || fseek(f, 0, SEEK_END) != 0) perror(path), exit(1);
    const long bytes = ftell(f);
    rewind(f);
    t.bytes = need(calloc((size_t)bytes + 1, 1));
    if (fread(t.bytes, 1, (size_t)bytes, f) != (size_t)bytes) perror(path), exit(1);
    fclose(f);
    for (char *line = t.bytes, *next; *line && t.n < TEXTS; line = next) {
        next = line + strcspn(line, "\n");
        if (*next) *next++ = 0;
        t.text = need(realloc(t.text, (size_t)(t.n + 2) * sizeof *t.text));
        t.text[t.n++] = line;
        char *tab = pairs ? strchr(line, '\t') : NULL;
        if (!tab) continue;
        *tab++ = 0;
        tab[strcspn(tab, "\t\r")] = 0;
        t.text[t.n++] = tab;
    }
    return t;
}

/* ---- real text ------------------------------------------------------------------------------- */

/* The texts' tokens end to end: ids [returned]. */
static int tokens_of(const b4c_model *m, const texts *t, int32_t **ids)
{
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    int n = 0;
    *ids = NULL;
    for (int i = 0; i < t->n; i++) {
        check(b4c_tokenize(b4c_model_tokenizer(m), t->text[i], SIZE_MAX, NULL, 0, NULL, &e, &err),
              &err);
        *ids = need(realloc(*ids, (size_t)(n + e.n) * sizeof **ids));
        memcpy(*ids + n, e.ids, (size_t)e.n * sizeof **ids);
        n += e.n;
    }
    b4c_encoding_free(&e);
    return n;
}

static void real_text(const options *o, const texts *t, b4c_dtype dtype)
{
    opened x = open_shape(o, "bge-small-zh", dtype);
    b4c_encode_options how = B4C_ENCODE_DEFAULT;
    b4c_error err = { 0 };
    int32_t *ids;
    const int tokens = tokens_of(x.model, t, &ids), mean = (tokens + t->n / 2) / t->n;
    const int n = tokens / mean;
    const size_t most = (size_t)(n > t->n ? n : t->n);
    int *lengths = need(malloc((size_t)n * sizeof *lengths));
    float *out = need(malloc(most * (size_t)x.shape->width * sizeof *out));
    double mixed[ROUNDS], equal[ROUNDS], ratio[ROUNDS];
    how.pooling = B4C_POOL_CLS;
    for (int i = 0; i < n; i++) lengths[i] = mean;
    for (int r = -1; r < ROUNDS; r++) {          /* the first only warms up */
        const double start = bench_now();
        check(b4c_encode(x.session, t->text, NULL, t->n, &how, out, &err), &err);
        const double middle = bench_now();
        check(b4c_encode_ids(x.session, ids, NULL, lengths, n, &how, out, &err), &err);
        if (r < 0) continue;
        mixed[r] = tokens / (middle - start);
        equal[r] = n * mean / (bench_now() - middle);
        ratio[r] = mixed[r] / equal[r];
    }
    printf("real text     %-13s %-5s %d texts of %.1f tokens, tokenizer included: %.0f tokens/s = "
           "%.1f %% of equal lengths (%.0f)\n",
           x.shape->name, b4c_dtype_name(dtype), t->n, (double)tokens / t->n,
           bench_median(mixed, ROUNDS), 100 * bench_median(ratio, ROUNDS),
           bench_median(equal, ROUNDS));
    free(ids);
    free(lengths);
    free(out);
    close_shape(&x);
}

/* ---- one sentence ---------------------------------------------------------------------------- */

static void one_sentence(const options *o, b4c_dtype dtype)
{
    opened x = open_shape(o, "bert-base", dtype);
    const bench_shape *s = x.shape;
    b4c_encode_options how = B4C_ENCODE_DEFAULT;
    b4c_error err = { 0 };
    const double w = s->width, size = dtype == B4C_F32 ? 4 : dtype == B4C_BF16 ? 2 : 1;
    const double bytes = s->layers * (4 * w * w + 2 * w * s->inner) * size;
    const int length = SHORT;
    int32_t ids[SHORT];
    float *out = need(malloc((size_t)s->width * sizeof *out));
    double took[ROUNDS], speed[ROUNDS], ratio[ROUNDS];
    how.pooling = B4C_POOL_MEAN; /* every row of every layer */
    for (int i = 0; i < SHORT; i++) ids[i] = 1000 + 37 * i;
    for (int r = -1; r < ROUNDS; r++) {
        const double before = bench_bandwidth(o->threads);
        bench_flush_caches();
        const double start = bench_now();
        check(b4c_encode_ids(x.session, ids, NULL, &length, 1, &how, out, &err), &err);
        const double t = bench_now() - start;
        if (r < 0) continue;
        took[r] = t;
        speed[r] = 0.5 * (before + bench_bandwidth(o->threads));
        ratio[r] = t / (bytes / speed[r]);
    }
    printf("one sentence  %-13s %-5s %d tokens: %.2f ms = %.2f x its weights from DRAM (%.0f MB "
           "at %.1f GB/s)\n",
           s->name, b4c_dtype_name(dtype), SHORT, 1e3 * bench_median(took, ROUNDS),
           bench_median(ratio, ROUNDS), bytes * 1e-6, bench_median(speed, ROUNDS) * 1e-9);
    free(out);
    close_shape(&x);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Seconds of `command embed` of one text, or of the file's lines; kilobytes it had at most. */
static double run_command(const options *o, b4c_dtype dtype, const char *file, long *kilobytes)
{
    char threads[16], path[1000];
    snprintf(path, sizeof path, "%s/%s", o->folder, COMMAND_SHAPE);
    snprintf(threads, sizeof threads, "%d", o->threads);
    const char *argv[] = { o->command, "embed", "-q", "-m", path, "--pooling", "cls", "--dtype",
                           b4c_dtype_name(dtype), "--threads", threads, "--to", "text", "-o",
                           "/dev/null", file ? "-f" : "今天天气很好", file, NULL };
    const double start = bench_now();
    struct rusage usage;
    pid_t child;
    int status = -1;
    if (posix_spawn(&child, o->command, NULL, NULL, (char *const *)argv, environ) != 0 ||
        wait4(child, &status, 0, &usage) < 0 || status != 0) {
        fprintf(stderr, "bench_whole: %s embed ended with status %d\n", o->command, status);
        exit(1);
    }
    if (kilobytes) *kilobytes = usage.ru_maxrss;
    return bench_now() - start;
}

typedef struct command_run {
    double cold;
    long kilobytes;
} command_run;

/* To be called before this program has grown: a child's peak counts the memory that it was born
 * with, before it became the command. */
static command_run whole_command(const options *o, const texts *t, b4c_dtype dtype)
{
    char file[1100];
    double took[STARTS];
    command_run r;
    snprintf(file, sizeof file, "%s/texts.txt", o->folder);
    FILE *f = fopen(file, "w");
    if (!f) perror(file), exit(1);
    for (int i = 0; i < t->n; i++) fprintf(f, "%s\n", t->text[i]);
    fclose(f);
    for (int i = 0; i < STARTS; i++) took[i] = run_command(o, dtype, NULL, NULL);
    run_command(o, dtype, file, &r.kilobytes);
    r.cold = bench_median(took, STARTS);
    return r;
}

static void show_command(const options *o, command_run r, b4c_dtype dtype)
{
    opened x = open_shape(o, COMMAND_SHAPE, dtype);
    const double packed = (double)x.info.packed_bytes, peak = 1024.0 * (double)r.kilobytes;
    const double most = 1.1 * packed + 32 * 1048576.0;
    printf("cold start    %-13s %-5s %.1f ms\n", x.shape->name, b4c_dtype_name(dtype),
           1e3 * r.cold);
    printf("peak memory   %-13s %-5s %.1f MB = %.2f x (1.1 x packed weights, %.1f MB, + 32 MB)\n",
           x.shape->name, b4c_dtype_name(dtype), peak * 1e-6, peak / most, packed * 1e-6);
    close_shape(&x);
}

int main(int argc, char **argv)
{
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8 };
    options o = { .folder = "build/bench-models", .command = "build/bert4c" };
    const bench_option list[] = {
        { "--threads", .count = &o.threads },
        { "--folder", .text = &o.folder },
        { "--command", .text = &o.command },
        { "--text", .text = &o.file },
        { 0 },
    };
    if (bench_read_options(argc, argv, list) != 0) return 2;
    if (o.threads < 1) o.threads = b4c_cpu_count();
    if (bench_make_models(o.folder) < 0) return perror(o.folder), 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_print_machine(o.threads);
    texts t = o.file ? read_texts(o.file) : made_texts();
    if (t.n == 0) return fprintf(stderr, "bench_whole: %s has no text\n", o.file), 1;
    command_run commands[3];
    for (int d = 0; d < 3; d++) commands[d] = whole_command(&o, &t, dtypes[d]);
    for (int d = 0; d < 3; d++) show_command(&o, commands[d], dtypes[d]);
    for (int d = 0; d < 3; d++) real_text(&o, &t, dtypes[d]);
    for (int d = 0; d < 3; d++) one_sentence(&o, dtypes[d]);
    free(t.text);
    free(t.bytes);
    return 0;
}
