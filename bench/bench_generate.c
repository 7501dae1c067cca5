/* bench_generate.c - how fast models write.
 *
 *   bench_generate [--threads N] [--model FILE] [--folder DIR] [--write] [--job next|paraphrase|t5]
 *                  [--dtype bf16|int8|int4]
 *
 *   next        --model, a decoder (GGUF file or folder), in one dtype or all three: a prompt of
 *               512 tokens, and next tokens one by one behind 16 and 512; their bytes of weights a
 *               second, against what memory gives, measured before and after
 *   paraphrase  a RoFormer-base of random weights, int8: 100 samples of 20 tokens for one sentence,
 *               ranked by cosine
 *   t5          a PEGASUS-small shape (mT5, 8 + 8 layers of 512), random weights, int8: 64 sources
 *               of 400 tokens, 3 beams, 30 tokens
 *
 * Random models are written once to DIR (--write: do only that), where the peers' script finds
 * them.
 */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 4096, STEPS = 64, ROUNDS = 5, PROMPT = 512 };

typedef struct options {
    int threads;
    const char *model, *folder, *job, *dtype;
    bool write;
} options;

static void *must(void *p, const b4c_error *err)
{
    if (p) return p;
    fprintf(stderr, "bench_generate: %s\n", err->message);
    exit(1);
}

static void must_do(int rc, const b4c_error *err)
{
    if (rc < 0) must(NULL, err);
}

static b4c_model *open_model(const char *path, b4c_dtype dtype, bool weights_only)
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = dtype;
    o.need_head = true;
    o.weights_only = weights_only;
    return must(b4c_model_open(path, &o, &err), &err);
}

static b4c_session *open_session(const b4c_model *m, int threads)
{
    b4c_error err = { 0 };
    const b4c_session_options o = { .threads = threads };
    return must(b4c_session_new(m, &o, &err), &err);
}

/* ---- next tokens ----------------------------------------------------------------------------- */

typedef struct steps {
    double last, took[MOST_STEPS];
    int n;
} steps;

static int tick(void *arg)
{
    steps *s = arg;
    const double now = bench_now();
    if (s->last > 0 && s->n < MOST_STEPS) s->took[s->n++] = now - s->last;
    s->last = now;
    return 0;
}

/* Seconds of a step behind `prompt` tokens; *first: of the prompt and the first token. */
static double step_seconds(b4c_session *s, int vocabulary, int prompt, double *first)
{
    b4c_error err = { 0 };
    static steps t;
    double read[ROUNDS];
    int32_t ids[PROMPT];
    t.n = 0;
    for (int i = 0; i < prompt; i++) ids[i] = (int32_t)(((long)i * 7919 + 1000) % vocabulary);
    for (int r = 0; r < ROUNDS; r++) {
        b4c_generate_options o = B4C_GENERATE_DEFAULT;
        b4c_generation g;
        o.min_new_tokens = o.max_new_tokens = 1;
        const double start = bench_now();
        must_do(b4c_generate_ids(s, ids, NULL, &prompt, 1, &o, &g, &err), &err);
        read[r] = bench_now() - start;
        b4c_generation_free(&g);
        o.min_new_tokens = o.max_new_tokens = STEPS;
        o.interrupt = tick;
        o.interrupt_arg = &t;
        t.last = 0;
        must_do(b4c_generate_ids(s, ids, NULL, &prompt, 1, &o, &g, &err), &err);
        b4c_generation_free(&g);
    }
    *first = bench_median(read, ROUNDS);
    return bench_median(t.took, t.n);
}

/* Bytes of weights that a step reads: all but the token table, of which it reads a row. */
static double bytes_of_step(const b4c_model_info *i)
{
    const double table = (double)i->vocabulary * i->width * (i->dtype == B4C_F32 ? 4 : 2);
    return (double)i->packed_bytes - table;
}

static void next_tokens(const options *o)
{
    static const b4c_dtype dtypes[] = { B4C_BF16, B4C_I8, B4C_I4 };
    for (int d = 0; d < 3; d++) {
        if (o->dtype && strcmp(o->dtype, b4c_dtype_name(dtypes[d]))) continue;
        b4c_model *m = open_model(o->model, dtypes[d], true);
        b4c_session *s = open_session(m, o->threads);
        b4c_model_info info;
        b4c_model_describe(m, &info);
        double first, prompt;
        const double before = bench_bandwidth(o->threads);
        const double step = step_seconds(s, info.vocabulary, 16, &first);
        const double late = step_seconds(s, info.vocabulary, PROMPT, &prompt);
        const double memory = (before + bench_bandwidth(o->threads)) / 2;
        printf("next        %-4s weights %5.1f MB  prompt of %d: %6.0f tokens/s   next: %5.1f "
               "tokens/s, %4.1f GB/s = %3.0f %% of memory's %.1f; behind %d: %5.1f\n",
               b4c_dtype_name(dtypes[d]), bytes_of_step(&info) * 1e-6, PROMPT, PROMPT / prompt,
               1 / step, bytes_of_step(&info) / step * 1e-9,
               100 * bytes_of_step(&info) / step / memory, memory * 1e-9, PROMPT, 1 / late);
        fflush(stdout);
        b4c_session_free(s);
        b4c_model_free(m);
    }
}

/* ---- many samples of one source -------------------------------------------------------------- */

/* Seconds of a whole paraphrase, and of the writing alone. */
static void paraphrase_seconds(b4c_session *s, const b4c_paraphrase_options *p, double *whole,
                               double *written)
{
    static const char *const text[] = { "今天天气很好我们去公园玩" };
    b4c_error err = { 0 };
    double took[ROUNDS], wrote[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        b4c_paraphrases out;
        double start = bench_now();
        must_do(b4c_paraphrase_texts(s, text, NULL, 1, p, &out, &err), &err);
        took[r] = bench_now() - start;
        b4c_paraphrases_free(&out);
        b4c_generation g;
        start = bench_now();
        must_do(b4c_generate(s, text, NULL, 1, &p->generate, &g, &err), &err);
        wrote[r] = bench_now() - start;
        b4c_generation_free(&g);
    }
    *whole = bench_median(took, ROUNDS);
    *written = bench_median(wrote, ROUNDS);
}

/* As RoFormer-Sim draws, by top-p, and as SimBERT does, by top-k. Samples of random weights part
 * ways at once in the one and soon in the other; a trained model's agree for longer. */
static void paraphrase(const options *o)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", o->folder, bench_roformer.name);
    b4c_model *m = open_model(path, B4C_I8, false);
    b4c_session *s = open_session(m, o->threads);
    for (int top_k = 0; top_k <= 5; top_k += 5) {
        b4c_paraphrase_options p = B4C_PARAPHRASE_DEFAULT;
        double whole, written;
        p.generate.max_new_tokens = p.generate.min_new_tokens = 20;
        p.generate.top_k = top_k;
        if (top_k) p.generate.top_p = 1;
        paraphrase_seconds(s, &p, &whole, &written);
        printf("paraphrase  int8 %d samples of 20 tokens by %s, ranked: %.3f s, of which written "
               "in %.3f s\n",
               p.generate.n, top_k ? "top-k 5" : "top-p 0.95", whole, written);
        fflush(stdout);
    }
    b4c_session_free(s);
    b4c_model_free(m);
}

/* ---- beams over long sources ----------------------------------------------------------------- */

static void summarize(const options *o)
{
    enum { SOURCES = 64, LENGTH = 400 };
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", o->folder, bench_t5.name);
    b4c_model *m = open_model(path, B4C_I8, true);
    b4c_session *s = open_session(m, o->threads);
    b4c_error err = { 0 };
    b4c_generate_options g = B4C_GENERATE_DEFAULT;
    g.beams = 3;
    g.min_new_tokens = g.max_new_tokens = 30;
    static int32_t ids[SOURCES * LENGTH];
    int lengths[SOURCES];
    double took[3];
    for (int i = 0; i < SOURCES; i++) lengths[i] = LENGTH;
    for (int i = 0; i < SOURCES * LENGTH; i++) ids[i] = (int32_t)((long)i * 7919 % 49000 + 300);
    for (int r = 0; r < 3; r++) {
        b4c_generation out;
        const double start = bench_now();
        must_do(b4c_generate_ids(s, ids, NULL, lengths, SOURCES, &g, &out, &err), &err);
        took[r] = bench_now() - start;
        b4c_generation_free(&out);
    }
    printf("t5          int8 %d sources of %d tokens, 3 beams, 30 tokens: %.2f s, %.1f sources/s\n",
           SOURCES, LENGTH, bench_median(took, 3), SOURCES / bench_median(took, 3));
    fflush(stdout);
    b4c_session_free(s);
    b4c_model_free(m);
}

int main(int argc, char **argv)
{
    options o = { .folder = "build/bench-models", .job = "" };
    const bench_option list[] = {
        { "--write", .flag = &o.write },
        { "--threads", .count = &o.threads },
        { "--model", .text = &o.model },
        { "--folder", .text = &o.folder },
        { "--job", .text = &o.job },
        { "--dtype", .text = &o.dtype },
        { 0 },
    };
    if (bench_read_options(argc, argv, list) != 0) return 2;
    if (o.threads < 1) o.threads = b4c_cpu_count();
    if (bench_make_generators(o.folder) < 0) return perror(o.folder), 1;
    if (o.write) return 0;
    bench_print_machine(o.threads);
    if (o.model && (!*o.job || !strcmp(o.job, "next"))) next_tokens(&o);
    if (!*o.job || !strcmp(o.job, "paraphrase")) paraphrase(&o);
    if (!*o.job || !strcmp(o.job, "t5")) summarize(&o);
    return 0;
}
