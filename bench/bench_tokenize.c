/* bench_tokenize.c - how fast text becomes tokens: MB/s of one thread.
 *
 *     bench_tokenize [TOKENIZER [TEXT-FILE]]
 *
 * Without arguments: the golden vocabularies of every kind, and a text of Chinese sentences put
 * together here. The best of five passes counts, line by line as a program would call it, then as
 * one text. Where a vocabulary has no words, cutting Chinese into words is timed with the first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bert4c.h"

enum { PASSES = 5, MADE_BYTES = 8 << 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may be busy */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The file's bytes, or sentences repeated; NULL: it cannot be read. */
static char *get_text(const char *path, size_t *n)
{
    static const char made[] = "今天天气很好，我们去公园散步吧。\n"
                               "科学技术是第一生产力，这句话你一定听说过！\n"
                               "他来到了网易杭研大厦，在2023年10月1日发布了RoFormer-Sim模型。\n"
                               "苹果的发布会上说：新手机比去年的快了百分之三十。\n";
    if (!path) {
        char *text = malloc(MADE_BYTES);
        if (!text) return NULL;
        for (*n = 0; *n + sizeof made - 1 <= MADE_BYTES; *n += sizeof made - 1)
            memcpy(text + *n, made, sizeof made - 1);
        return text;
    }
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = NULL;
    long size = -1;
    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0)
        text = malloc((size_t)size + 1);
    *n = text ? fread(text, 1, (size_t)size, f) : 0;
    fclose(f);
    return text;
}

typedef struct outcome { double seconds; long long tokens, unknown; } outcome;

/* One pass over the text, a call a line or one for all. False: err is set. */
static bool pass(const b4c_tokenizer *t, const char *text, size_t n, bool lines, b4c_encoding *e,
                 outcome *o, b4c_error *err)
{
    const double begin = now();
    const char *const end = text + n;
    *o = (outcome){ 0 };
    for (const char *p = text; p < end;) {
        const char *stop = lines ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        if (!stop) stop = end;
        if (b4c_tokenize(t, p, (size_t)(stop - p), NULL, 0, NULL, e, err) < 0) return false;
        o->tokens += e->n;
        o->unknown += e->unknown;
        p = stop + 1;
    }
    o->seconds = now() - begin;
    return true;
}

/* Open a vocabulary and time it. False: said why. */
static bool measure(const char *path, const b4c_tokenizer_options *o, const char *text, size_t n)
{
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    const double begin = now();
    b4c_tokenizer *t = b4c_tokenizer_open_with(path, o, &err);
    const double opened = now() - begin;
    bool good = t != NULL;
    if (good) {
        b4c_tokenizer_info info;
        b4c_tokenizer_describe(t, &info);
        printf("%s: %s%s\n", path, b4c_tokenizer_kind_name(info.kind), info.words ? ", words" : "");
        printf("  open                   %8.2f ms\n", 1e3 * opened);
    }
    for (int lines = 1; lines >= 0 && good; lines--) {
        outcome best = { 0 };
        for (int i = 0; i < PASSES && good; i++) {
            outcome o_now;
            good = pass(t, text, n, lines, &e, &o_now, &err);
            if (good && (i == 0 || o_now.seconds < best.seconds)) best = o_now;
        }
        if (good)
            printf("  %-22s %8.1f MB/s  %6.1f M tokens/s  %lld tokens, %.2f %% unknown\n",
                   lines ? "line by line" : "as one text", 1e-6 * (double)n / best.seconds,
                   1e-6 * (double)best.tokens / best.seconds, best.tokens,
                   100.0 * (double)best.unknown / (double)(best.tokens ? best.tokens : 1));
    }
    if (!good) fprintf(stderr, "bench_tokenize: %s\n", err.message);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
    return good;
}

int main(int argc, char **argv)
{
    static const char *const golden[] = {
        "tests/golden/text/vocab-zh.txt", "tests/golden/pieces/unigram.model",
        "tests/golden/pieces/bpe.model", "tests/golden/bytes/tokenizer.json",
    };
    b4c_tokenizer_options plain = B4C_TOKENIZER_DEFAULT, words = B4C_TOKENIZER_DEFAULT;
    words.words = 1;
    size_t n = 0;
    char *text = get_text(argc > 2 ? argv[2] : NULL, &n);
    if (!text) {
        fprintf(stderr, "bench_tokenize: %s: cannot be read\n", argc > 2 ? argv[2] : "");
        return 1;
    }
    bool good = true;
    if (argc > 1) good = measure(argv[1], &plain, text, n);
    else {
        for (size_t i = 0; i < sizeof golden / sizeof *golden && good; i++)
            good = measure(golden[i], &plain, text, n);
        good = good && measure(golden[0], &words, text, n);
    }
    free(text);
    return good ? 0 : 1;
}
