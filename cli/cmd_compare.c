/* cmd_compare.c - compare: where two copies of a model part ways, layer by layer.
 *
 * The first is the measure and stands in f32; the second may be another layout, another training
 * or, by --dtype, other numbers. Both read the first one's tokens.
 */
#include "commands.h"
#include "job.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond what two orders of summing make of one set of f32 weights. */
#define NOISE 1e-4

typedef struct comparison {
    cli_settings settings; /* without the models among the texts */
    const char *name[2];
    cli_model model[2];
    b4c_model_info info[2];
    float *hidden[2]; /* [layers + 1, tokens, width] of one text */
    size_t room;
    b4c_encoding e[2];
    double *off, *square, *size;    /* [layers + 1]: largest difference; sums of squares */
    double *largest;                /* [layers + 1] of the first's numbers */
    long long tokens, other_tokens; /* texts that the tokenizers cut in two ways */
} comparison;

static int open_models(comparison *c, b4c_error *err)
{
    for (int i = 0; i < 2; i++) {
        cli_settings s = c->settings;
        s.model = c->name[i];
        if (!i || !cli_given(&c->settings, "dtype")) s.dtype = B4C_F32;
        if (cli_model_open(&c->model[i], &s, NULL, CLI_ENCODER, err) < 0) return err->code;
        b4c_model_describe(c->model[i].model, &c->info[i]);
    }
    const b4c_model_info *a = &c->info[0], *b = &c->info[1];
    if (a->layers != b->layers || a->width != b->width || a->vocabulary > b->vocabulary)
        return cli_fail(err, B4C_E_SHAPE,
                        "not two copies of one model: %s: found %d layers of %d and %d tokens, "
                        "wanted %d of %d and %d",
                        c->name[1], b->layers, b->width, b->vocabulary, a->layers, a->width,
                        a->vocabulary);
    return 0;
}

static int prepare(void *self, b4c_error *err)
{
    comparison *c = self;
    if (open_models(c, err) < 0) return err->code;
    const size_t n = (size_t)c->info[0].layers + 1;
    c->off = calloc(4 * n, sizeof *c->off);
    if (!c->off) return cli_fail(err, B4C_E_MEMORY, "no memory");
    c->square = c->off + n;
    c->size = c->square + n;
    c->largest = c->size + n;
    return 0;
}

static int make_room(comparison *c, size_t n, b4c_error *err)
{
    if (n <= c->room) return 0;
    for (int i = 0; i < 2; i++) {
        free(c->hidden[i]);
        c->hidden[i] = malloc(n * sizeof *c->hidden[i]);
    }
    c->room = c->hidden[0] && c->hidden[1] ? n : 0;
    return c->room ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory for a text's layers");
}

static void add_layers(comparison *c, int tokens)
{
    const size_t one = (size_t)tokens * (size_t)c->info[0].width;
    for (int l = 0; l <= c->info[0].layers; l++)
        for (size_t i = 0; i < one; i++) {
            const double x = (double)c->hidden[0][(size_t)l * one + i],
                         d = (double)c->hidden[1][(size_t)l * one + i] - x;
            c->off[l] = fmax(c->off[l], fabs(d));
            c->largest[l] = fmax(c->largest[l], fabs(x));
            c->square[l] += d * d;
            c->size[l] += x * x;
        }
}

static int compare_text(comparison *c, const char *text, size_t size, b4c_error *err)
{
    const int most = c->info[0].max_length;
    b4c_tokenize_options o = B4C_TOKENIZE_DEFAULT;
    o.max_length = c->settings.max_length ? (int)c->settings.max_length : most;
    for (int i = 0; i < 2; i++)
        if (b4c_tokenize(b4c_model_tokenizer(c->model[i].model), text, size, NULL, 0, &o, &c->e[i],
                         err) < 0)
            return err->code;
    const b4c_encoding *e = &c->e[0];
    const size_t layers = (size_t)c->info[0].layers + 1;
    c->other_tokens += e->n != c->e[1].n ||
                       memcmp(e->ids, c->e[1].ids, (size_t)e->n * sizeof *e->ids) != 0;
    if (!e->n) return 0;
    if (make_room(c, layers * (size_t)e->n * (size_t)c->info[0].width, err) < 0) return err->code;
    for (int i = 0; i < 2; i++)
        if (b4c_hidden(c->model[i].session, e->ids, e->n, c->hidden[i], err) < 0) return err->code;
    add_layers(c, e->n);
    c->tokens += e->n;
    return 0;
}

static int compare_chunk(void *self, const cli_chunk *chunk, cli_output *out, b4c_error *err)
{
    (void)out;
    for (int i = 0; i < chunk->n; i++) {
        const cli_piece p = chunk->record[i].text[0];
        if (compare_text(self, cli_at(chunk, p), p.size, err) < 0) return err->code;
    }
    return 0;
}

static double share(double x, double of) { return x > 0 ? (of > 0 ? x / of : INFINITY) : 0; }

static int put_layers(void *self, cli_output *out, b4c_error *err)
{
    const comparison *c = self;
    const bool json = out->format == CLI_JSON;
    int parts = -1;
    if (!c->tokens)
        return cli_fail(err, B4C_E_TEXT,
                        "nothing to compare: %s: found no token, wanted a text that both models "
                        "read: compare A B TEXT, or -f FILE",
                        c->name[1]);
    cli_put_text(out, json ? "{\"layers\":[" : "layer       largest         rms\n");
    for (int l = 0; l <= c->info[0].layers; l++) {
        const double largest = share(c->off[l], c->largest[l]),
                     rms = sqrt(share(c->square[l], c->size[l]));
        if (parts < 0 && !(largest <= NOISE)) parts = l;
        if (json)
            cli_print(out, "%s{\"layer\":%d,\"largest\":%.6g,\"rms\":%.6g}", l ? "," : "", l,
                      largest, rms);
        else
            cli_print(out, "%-9d %9.2e   %9.2e%s\n", l, largest, rms,
                      l == parts ? "   from here on" : "");
    }
    if (json)
        cli_print(out, "],\"tokens\":%lld,\"other_tokens\":%lld,\"parts_at\":", c->tokens,
                  c->other_tokens);
    if (json && parts < 0)
        cli_put_text(out, "null}\n");
    else if (json)
        cli_print(out, "%d}\n", parts);
    return 0;
}

static void say(const void *self, long long records, double seconds)
{
    const comparison *c = self;
    (void)seconds;
    if (c->other_tokens)
        cli_say("the tokenizers differ on %lld of %lld texts; both models read the first one's "
                "tokens",
                c->other_tokens, records);
}

static int run(const cli_command *self, const cli_settings *s)
{
    b4c_error err = { 0 };
    comparison c = { .settings = *s };
    if (s->text.n < 2) {
        cli_fail(&err, B4C_E_ARG, "too few models: compare: found %d, wanted two: compare A B TEXT",
                 s->text.n);
        cli_error(&err);
        return CLI_USAGE;
    }
    for (int i = 0; i < 2; i++) c.name[i] = s->text.item[i];
    c.settings.text.item += 2;
    c.settings.text.n -= 2;
    const cli_job job = { .command = self,
                          .settings = &c.settings,
                          .want = CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &c.model[1],
                          .self = &c,
                          .prepare = prepare,
                          .chunk = compare_chunk,
                          .end = put_layers,
                          .say = say };
    const int code = cli_job_run(&job);
    for (int i = 0; i < 2; i++) {
        free(c.hidden[i]);
        b4c_encoding_free(&c.e[i]);
        cli_model_close(&c.model[i]);
    }
    free(c.off);
    return code;
}

const cli_command cli_compare = {
    .bit = CLI_COMPARE,
    .name = "compare",
    .operands = "A B [TEXT ...]",
    .words = 2,
    .run = run,
    .summary = "Where two copies of a model part ways, layer by layer",
    .about = "A stands in f32, B too or as --dtype says. Each layer's hidden states of B are held "
             "against A's: the largest difference as a share of the largest number, and the root "
             "of the mean square of the differences over that of the numbers. Layer 0 is the "
             "embedding: where that differs, tables or their norm do; where a later one begins, "
             "that layer's weights do. Of an encoder-decoder it is the encoder.",
    .examples = "bert4c compare BAAI/bge-small-zh-v1.5 BAAI/bge-small-zh-v1.5 --dtype int8 "
                "今天天气很好\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_JSON,
    .format = CLI_TEXT,
};
