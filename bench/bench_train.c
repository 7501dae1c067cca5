/* bench_train.c - whole steps of training against the machine's arithmetic limit.
 *
 *   bench_train [--shape SHAPE] [--dtype f32|bf16] [--threads N] [--steps N] [--folder DIR]
 *
 * decoder (the default): 6 layers of 384, a vocabulary of 8,192 (13.8 million weights), 2,048
 * tokens a step in sequences of 128. gpt2, gpt2-padded: GPT-2 124M, 4 sequences of 64 that are
 * predicted, the setting that llm.c's CPU program has; padded: its vocabulary of 50,257 filled up
 * to 50,304. AdamW; f32 and bf16 unless one is named: milliseconds and tokens a second (medians of
 * steps), and what share of the limit the products of the linear layers are; peak memory. Data are
 * random words, so that every token is one of the vocabulary's.
 */
#include "bench.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A step reads `sequences` of `length` tokens each, of which the last is only predicted. */
typedef struct shape {
    const char *name, *title;
    int layers, width, heads, vocabulary, sequences, length;
    double clip;
} shape;

static const shape shapes[] = {
    { "decoder", "decoder 6 x 384", 6, 384, 6, 8192, 16, 128, 1 },
    { "gpt2", "GPT-2 124M", 12, 768, 12, 50257, 4, 65, 0 },
    { "gpt2-padded", "GPT-2 124M, padded", 12, 768, 12, 50304, 4, 65, 0 },
};

enum { SHAPES = sizeof shapes / sizeof *shapes, LINES = 2000, MOST = 200 };

typedef struct options {
    int threads, steps;
    const char *folder, *dtype;
    const shape *shape;
} options;

static FILE *create(const char *folder, const char *name, char path[600])
{
    snprintf(path, 600, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (f) return f;
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(1);
}

/* Words w5 ... of which each is a token, and lines of `length` tokens with [CLS] and [SEP]. */
static void make_files(const options *o, const char *dtype, char recipe[600])
{
    const shape *s = o->shape;
    char vocabulary[600], text[600];
    uint64_t random = 1;
    if (mkdir(o->folder, 0777) < 0 && errno != EEXIST) {
        fprintf(stderr, "%s: %s\n", o->folder, strerror(errno));
        exit(1);
    }
    FILE *f = create(o->folder, "vocab.txt", vocabulary);
    fprintf(f, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 5; i < s->vocabulary; i++) fprintf(f, "w%d\n", i);
    fclose(f);
    f = create(o->folder, "text.txt", text);
    for (int i = 0; i < LINES; i++)
        for (int k = 0; k < s->length - 2; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            fprintf(f, "w%d%s", 5 + (int)((random >> 33) % (uint64_t)(s->vocabulary - 5)),
                    k + 3 == s->length ? "\n" : " ");
        }
    fclose(f);
    f = create(o->folder, "recipe.json", recipe);
    fprintf(f,
            "{\"model\":{\"config\":{\"model_type\":\"gpt2\",\"vocab_size\":%d,\"n_embd\":%d,"
            "\"n_layer\":%d,\"n_head\":%d,\"n_positions\":%d},\"tokenizer\":\"%s\"},"
            "\"task\":\"lm\",\"data\":{\"files\":[\"%s\"]},\"batch\":{\"tokens\":%d},"
            "\"max_length\":%d,\"steps\":%d,\"dtype\":\"%s\","
            "\"optimiser\":{\"rate\":1e-4,\"clip\":%g},\"output\":\"%s/%s-%d\"}",
            s->vocabulary, s->width, s->layers, s->heads, s->length, vocabulary, text,
            s->sequences * s->length, s->length, o->steps + 1, dtype, s->clip, o->folder, dtype,
            (int)(bench_now() * 1000) % 1000000);
    fclose(f);
}

static void measure(const options *o, const char *dtype, b4c_dtype type)
{
    char recipe[600];
    b4c_error err = { 0 };
    b4c_train_report r;
    double took[MOST], share[MOST];
    int n = 0, tokens = 0;
    make_files(o, dtype, recipe);
    const b4c_trainer_options to = { .threads = o->threads };
    b4c_trainer *t = b4c_trainer_open(recipe, &to, &err);
    const shape *s = o->shape;
    const double weights = s->layers * 12.0 * s->width * s->width +
                           (double)s->vocabulary * s->width;
    /* The first step touches all memory, the last one writes files. */
    int rc = t ? b4c_trainer_step(t, &r, &err) : -1;
    for (; rc > 0 && n < o->steps - 1 && n < MOST; n++) {
        const double limit = bench_peak(type, o->threads) * 1e9, start = bench_now();
        rc = b4c_trainer_step(t, &r, &err);
        took[n] = bench_now() - start;
        tokens = r.tokens;
        share[n] = 6 * weights * tokens / took[n] / limit;
    }
    b4c_trainer_free(t);
    if (rc < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    const double median = bench_median(took, n);
    printf("%s, %d tokens a step  %-4s  %6.0f ms  %6.0f tokens/s  %5.1f %% of %s\n",
           s->title, tokens, dtype, median * 1e3, tokens / median, 100 * bench_median(share, n),
           bench_peak_name(type));
    fflush(stdout);
}

static const shape *find_shape(const char *name)
{
    for (int i = 0; i < SHAPES; i++)
        if (!strcmp(shapes[i].name, name)) return &shapes[i];
    return NULL;
}

int main(int argc, char **argv)
{
    options o = { b4c_cpu_count(), 12, "build/bench/train", "", &shapes[0] };
    const char *asked = NULL;
    const bench_option list[] = {
        { "--threads", .count = &o.threads },
        { "--steps", .count = &o.steps },
        { "--folder", .text = &o.folder },
        { "--dtype", .text = &o.dtype },
        { "--shape", .text = &asked },
        { 0 },
    };
    if (bench_read_options(argc, argv, list) != 0) return 2;
    if (asked) o.shape = find_shape(asked);
    if (o.threads < 1 || o.steps < 3 || !o.shape) {
        fprintf(stderr, "bench_train [--shape decoder|gpt2|gpt2-padded] [--dtype f32|bf16] "
                        "[--threads N] [--steps N, 3 or more] [--folder DIR]\n");
        return 2;
    }
    struct rusage usage;
    bench_print_machine(o.threads);
    if (strcmp(o.dtype, "bf16")) measure(&o, "f32", B4C_F32);
    if (strcmp(o.dtype, "f32")) measure(&o, "bf16", B4C_BF16);
    getrusage(RUSAGE_SELF, &usage);
    printf("peak memory: %.0f MB\n", (double)usage.ru_maxrss / 1024);
    return 0;
}
