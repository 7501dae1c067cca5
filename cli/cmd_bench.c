/* cmd_bench.c - bench: how fast this machine runs a model.
 *
 * Every number is the median of as many runs as fit into --seconds, since other programs share the
 * machine. Batches are random tokens of one length, so that numbers of different machines and
 * programs compare; the mixed line is text, tokenizer included.
 */
#include "commands.h"
#include "default_model.h"
#include "model.h"
#include "number.h"
#include "output.h"
#include "signals.h"
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 1000, BATCH = 32, LENGTH = 32, SHORT = 8, TEXTS = 256 };
extern char **environ;

typedef struct bench {
    const cli_settings *settings;
    const char *path;
    b4c_dtype dtype;
    b4c_model *model;
    b4c_session *session;
    b4c_encode_options options;
    int width, vocabulary, length; /* length: tokens of a sentence in a batch */
    b4c_encoding encoding;
    float *out; /* [TEXTS, width] */
    char *text[TEXTS];
    uint64_t random;
    json_t *result;
} bench;

/* ---- one measurement ------------------------------------------------------------------------ */

static uint32_t next_random(bench *b)
{
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(b->random >> 33);
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of work(b, arg), or negative: it failed. */
static double median_of(bench *b, int (*work)(bench *, const void *, b4c_error *), const void *arg,
                        b4c_error *err)
{
    static double took[RUNS];
    int n = 0;
    for (double spent = 0; n < RUNS && (n < 3 || spent < b->settings->seconds); n++) {
        const double start = cli_clock();
        if (work(b, arg, err) < 0) return -1;
        if (cli_stopped()) return cli_fail(err, B4C_E_STOPPED, "stopped");
        took[n] = cli_clock() - start;
        spent += took[n];
    }
    qsort(took, (size_t)n, sizeof *took, rising);
    return n % 2 ? took[n / 2] : 0.5 * (took[n / 2 - 1] + took[n / 2]);
}

/* ---- what is measured ----------------------------------------------------------------------- */

typedef struct batch {
    int sequences, length;
    int32_t *ids;
    int *lengths;
} batch;

static int run_batch(bench *b, const void *arg, b4c_error *err)
{
    const batch *x = arg;
    return b4c_encode_ids(b->session, x->ids, NULL, x->lengths, x->sequences, &b->options, b->out,
                          err);
}

static double time_batch(bench *b, int sequences, int length, b4c_error *err)
{
    const int rows = sequences * length;
    batch x = { sequences, length, malloc((size_t)rows * sizeof *x.ids),
                malloc((size_t)sequences * sizeof *x.lengths) };
    double seconds = -1;
    if (!x.ids || !x.lengths)
        cli_fail(err, B4C_E_MEMORY, "no memory for %d tokens", rows);
    else {
        for (int i = 0; i < rows; i++)
            x.ids[i] = (int32_t)(next_random(b) % (uint32_t)b->vocabulary);
        for (int i = 0; i < sequences; i++) x.lengths[i] = length;
        seconds = median_of(b, run_batch, &x, err);
    }
    free(x.ids);
    free(x.lengths);
    return seconds;
}

static int run_texts(bench *b, const void *arg, b4c_error *err)
{
    (void)arg;
    return b4c_encode(b->session, (const char *const *)b->text, NULL, TEXTS, &b->options, b->out,
                      err);
}

static int run_tokenizer(bench *b, const void *arg, b4c_error *err)
{
    const b4c_tokenizer *t = b4c_model_tokenizer(b->model);
    (void)arg;
    for (int i = 0; i < TEXTS; i++)
        if (b4c_tokenize(t, b->text[i], SIZE_MAX, NULL, 0, NULL, &b->encoding, err) < 0)
            return err->code;
    return 0;
}

/* Process start to the first vector, by running this command. */
static int run_cold(bench *b, const void *arg, b4c_error *err)
{
    const char *argv[] = { "bert4c",    "embed",        "-q",
                           "-m",        b->path,        "--pooling",
                           "cls",       "--dtype",      b4c_dtype_name(b->dtype),
                           "--to",      "text",         "-o",
                           "/dev/null", "今天天气很好", NULL };
    pid_t child;
    int status = -1;
    (void)arg;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char *const *)argv, environ) != 0 ||
        waitpid(child, &status, 0) < 0 || status != 0)
        return cli_fail(err, B4C_E_IO, "cannot run: bert4c embed -m %s: it ended with status %d",
                        b->path, status);
    return 0;
}

/* A Chinese character of the basic block: U+4E00 .. U+9FFF is E4 B8 80 .. E9 BF BF. */
static bool is_chinese(const char *token)
{
    return token && strlen(token) == 3 && (unsigned char)*token >= 0xe4 &&
           (unsigned char)*token <= 0xe9;
}

/* Sentences of 3 to 62 characters, mostly short, of the vocabulary's Chinese characters; where it
 * has none, of 'a'. */
static int make_texts(bench *b, b4c_error *err)
{
    const b4c_tokenizer *t = b4c_model_tokenizer(b->model);
    const int count = b4c_tokenizer_count(t);
    const char **character = malloc((size_t)(count + 1) * sizeof *character);
    uint32_t n = 0;
    if (!character) return cli_fail(err, B4C_E_MEMORY, "no memory for %d characters", count);
    for (int id = 0; id < count; id++)
        if (is_chinese(b4c_tokenizer_token(t, id))) character[n++] = b4c_tokenizer_token(t, id);
    if (!n) character[n++] = "a";
    int rc = 0;
    for (int i = 0; i < TEXTS && rc == 0; i++) {
        const uint32_t length = 3 + next_random(b) % 20 + (i % 8 ? 0 : next_random(b) % 40);
        char *p = b->text[i] = malloc(3 * length + 1);
        if (!p) rc = cli_fail(err, B4C_E_MEMORY, "no memory for %d texts", TEXTS);
        for (uint32_t k = 0; p && k < length; k++) p = stpcpy(p, character[next_random(b) % n]);
    }
    free(character);
    return rc;
}

/* Multiply-adds count two: linears and attention. */
static double operations(const bench *b, int sequences, int length)
{
    b4c_model_info i;
    b4c_model_describe(b->model, &i);
    const double w = i.width, linear = 2 * (4 * w * w + 2 * w * i.inner),
                 attention = 4.0 * length * w;
    return (double)sequences * length * i.layers * (linear + attention);
}

static void note(json_t *o, const char *key, double x)
{
    json_object_set_new(o, key, json_real(x));
}

static int measure(bench *b, b4c_error *err)
{
    json_t *o = json_object();
    double t;
    size_t bytes = 0;
    json_array_append_new(b->result, o);
    json_object_set_new(o, "dtype", json_string(b4c_dtype_name(b->dtype)));
    if ((t = time_batch(b, BATCH, b->length, err)) < 0) return err->code;
    note(o, "sentences_per_second", BATCH / t);
    note(o, "tokens_per_second", b->length * BATCH / t);
    const double speed = operations(b, BATCH, b->length) / t;
    const int threads = b->settings->threads ? (int)b->settings->threads : b4c_cpu_count();
    const char *instruction;
    const double limit = b4c_machine_peak(b->dtype, threads, &instruction);
    note(o, "gflops", speed * 1e-9);
    if (limit > 0) {
        note(o, "of_limit", speed / limit);
        json_object_set_new(o, "limit", json_string(instruction));
    }
    if ((t = time_batch(b, 1, SHORT, err)) < 0) return err->code;
    note(o, "one_short_ms", 1e3 * t);
    if ((t = time_batch(b, 1, b->length, err)) < 0) return err->code;
    note(o, "one_long_ms", 1e3 * t);
    if ((t = median_of(b, run_texts, NULL, err)) < 0) return err->code;
    note(o, "texts_per_second", TEXTS / t);
    if ((t = median_of(b, run_cold, NULL, err)) < 0) return err->code;
    note(o, "cold_start_ms", 1e3 * t);
    for (int i = 0; i < TEXTS; i++) bytes += strlen(b->text[i]);
    if ((t = median_of(b, run_tokenizer, NULL, err)) < 0) return err->code;
    note(o, "tokenizer_mb_per_second", (double)bytes / t * 1e-6);
    return 0;
}

static int bench_dtype(bench *b, b4c_dtype dtype, b4c_error *err)
{
    const cli_settings *s = b->settings;
    b4c_model_options mo = B4C_MODEL_DEFAULT;
    b4c_session_options so = { (int)s->threads, (int)s->batch_tokens };
    b4c_model_info info;
    mo.dtype = dtype;
    mo.dialect = (b4c_dialect)s->dialect;
    mo.lower_case = s->lower;
    b->model = b4c_model_open(b->path, &mo, err);
    b->session = b->model ? b4c_session_new(b->model, &so, err) : NULL;
    int rc = b->session ? 0 : err->code;
    if (rc == 0) {
        b4c_model_describe(b->model, &info);
        b->dtype = info.dtype;
        b->vocabulary = info.vocabulary;
        b->length = info.max_positions && info.max_positions < LENGTH ? info.max_positions : LENGTH;
        b->random = (uint64_t)s->seed + 1;
        b->options = B4C_ENCODE_DEFAULT;
        b->options.pooling = s->pooling ? (b4c_pooling)s->pooling : B4C_POOL_CLS;
        b->options.max_length = (int)s->max_length;
        b->options.truncate = (b4c_truncate)s->truncate;
        rc = b->width = b4c_encode_width(b->session, &b->options, err);
    }
    if (rc >= 0) {
        b->out = malloc((size_t)TEXTS * (size_t)b->width * sizeof *b->out);
        rc = b->out ? make_texts(b, err) : cli_fail(err, B4C_E_MEMORY, "no memory for vectors");
    }
    if (rc == 0) rc = measure(b, err);
    for (int i = 0; i < TEXTS; i++) {
        free(b->text[i]);
        b->text[i] = NULL;
    }
    free(b->out);
    b->out = NULL;
    b4c_encoding_free(&b->encoding);
    b4c_session_free(b->session);
    b4c_model_free(b->model);
    b->session = NULL;
    b->model = NULL;
    return rc;
}

/* ---- showing -------------------------------------------------------------------------------- */

static double number_of(const json_t *o, const char *key)
{
    return json_real_value(json_object_get(o, key));
}

static void show(const bench *b, int threads)
{
    size_t i;
    json_t *o;
    struct rusage usage;
    char memory[32];
    printf("%s\n%s kernels, %d %s, bert4c %s\n\n", b->path, b4c_isa_name(), threads,
           threads == 1 ? "thread" : "threads", B4C_VERSION);
    printf("dtype  %d x %d: sentences/s   tokens/s  GFLOP/s                  of limit     1 x %d   "
           " 1 x "
           "%d     texts/s"
           "      cold\n",
           BATCH, b->length, SHORT, b->length);
    json_array_foreach(b->result, i, o)
    {
        char limit[40] = "";
        const char *instruction = json_string_value(json_object_get(o, "limit"));
        if (instruction)
            snprintf(limit, sizeof limit, "%.1f %% of %s", 100 * number_of(o, "of_limit"),
                     instruction);
        printf("%-5s  %20.1f  %9.0f  %7.0f  %24s  %5.2f ms  %5.2f ms  %10.1f  %5.0f ms\n",
               json_string_value(json_object_get(o, "dtype")), number_of(o, "sentences_per_second"),
               number_of(o, "tokens_per_second"), number_of(o, "gflops"), limit,
               number_of(o, "one_short_ms"), number_of(o, "one_long_ms"),
               number_of(o, "texts_per_second"), number_of(o, "cold_start_ms"));
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("\ntokenizer %.1f MB/s on one thread; at most %s of memory\n",
           number_of(json_array_get(b->result, 0), "tokenizer_mb_per_second"),
           cli_bytes_text(usage.ru_maxrss * 1024LL, memory));
    printf(
        "texts: 3 to 62 characters, tokenizer included; cold: process start to the first vector\n");
}

static int run(const cli_command *self, const cli_settings *s)
{
    static const b4c_dtype all[] = { B4C_F32, B4C_BF16, B4C_I8 };
    b4c_error err = { 0 };
    bench b = { .settings = s, .result = json_array() };
    const int threads = s->threads ? (int)s->threads : b4c_cpu_count();
    char *path = cli_model_find(s, CLI_DEFAULT_ENCODER, &err);
    int rc = path ? 0 : err.code;
    (void)self;
    cli_catch_signals();
    b.path = path;
    for (int i = 0; i < 3 && rc == 0; i++)
        if (s->dtype == B4C_AUTO || s->dtype == (int)all[i]) rc = bench_dtype(&b, all[i], &err);
    if (rc == 0 && s->to == CLI_JSON) {
        json_t *o = json_pack("{s:s,s:s,s:s,s:i,s:O}", "model", path, "version", B4C_VERSION, "isa",
                              b4c_isa_name(), "threads", threads, "results", b.result);
        json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        printf("\n");
        json_decref(o);
    } else if (rc == 0)
        show(&b, threads);
    if (rc < 0 && !cli_stopped()) cli_error(&err);
    json_decref(b.result);
    free(path);
    return rc == 0 ? CLI_DONE : cli_stopped() ? cli_stop_code() : cli_exit_code(&err);
}

const cli_command cli_bench = {
    .bit = CLI_BENCH,
    .name = "bench",
    .operands = "",
    .run = run,
    .summary = "How fast this machine runs a model",
    .about = "Sentences and tokens a second of batches of 32 sentences of 32 tokens, one short "
             "sentence's time, texts of "
             "mixed lengths with the tokenizer, the tokenizer alone, and the time from process "
             "start to the first "
             "vector, each the median of what fits into --seconds; for every dtype, or the one of "
             "--dtype.",
    .examples = "bert4c bench -m BAAI/bge-small-zh-v1.5 --threads 2\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_JSON,
    .format = CLI_TEXT,
};
