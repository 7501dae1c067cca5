/* cmd_embed.c - embed: texts in, one vector each out. */
#include "commands.h"
#include "default_model.h"
#include "job.h"
#include "model.h"
#include <stdlib.h>

typedef struct embedder {
    cli_model model;
    b4c_encode_options options;
    int width;
    cli_counts counts;
    const char **text; /* of a chunk */
    size_t *size;
    float *vector; /* [n, width] */
    int room;
} embedder;

static int make_room(embedder *e, int n, b4c_error *err)
{
    if (n <= e->room) return 0;
    free(e->text);
    free(e->size);
    free(e->vector);
    e->text = malloc((size_t)n * sizeof *e->text);
    e->size = malloc((size_t)n * sizeof *e->size);
    e->vector = malloc((size_t)n * (size_t)e->width * sizeof *e->vector);
    e->room = e->text && e->size && e->vector ? n : 0;
    return e->room ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory for %d vectors of %d", n, e->width);
}

static int embed_chunk(void *self, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    embedder *e = self;
    if (make_room(e, c->n, err) < 0) return B4C_E_MEMORY;
    for (int i = 0; i < c->n; i++) {
        e->text[i] = cli_at(c, c->record[i].text[0]);
        e->size[i] = c->record[i].text[0].size;
    }
    const int rc = b4c_encode(e->model.session, e->text, e->size, c->n, &e->options, e->vector,
                              err);
    if (rc < 0) return rc;
    cli_count(&e->counts, e->model.session);
    for (int i = 0; i < c->n; i++) {
        if (out->format == CLI_JSONL) {
            cli_put_text(out, "{\"text\":");
            cli_put_json(out, e->text[i], e->size[i]);
            cli_put_text(out, ",\"vector\":");
        }
        cli_put_vector(out, e->vector + (size_t)i * (size_t)e->width, e->width);
        if (out->format == CLI_JSONL) cli_put_text(out, "}");
        if (out->format != CLI_NPY) cli_put_text(out, "\n");
    }
    return 0;
}

/* The reader of vectors must be able to say what they are. */
static void say_what(const embedder *e)
{
    b4c_model_info info;
    b4c_model_describe(e->model.model, &info);
    const b4c_pooling pooling = e->options.pooling == B4C_POOL_AUTO ? info.pooling
                                                                    : e->options.pooling;
    const bool unit = e->options.normalize < 0 ? info.normalize : e->options.normalize == 1;
    cli_say("vectors of %d: %s pooling, %s", e->width, b4c_pooling_name(pooling),
            unit ? "length 1" : "not normalised");
}

static int run(const cli_command *self, const cli_settings *s)
{
    b4c_error err = { 0 };
    embedder e = { 0 };
    int code = CLI_FAILED, rc;
    if ((rc = cli_model_open(&e.model, s, CLI_DEFAULT_ENCODER, CLI_ENCODER, &err)) == 0 &&
        (rc = cli_encode_options(&e.model, s, &e.options, &err)) == 0)
        rc = e.width = b4c_encode_width(e.model.session, &e.options, &err);
    if (rc < 0) {
        cli_error(&err);
        code = cli_exit_code(&err);
    } else {
        const cli_job job = { .command = self,
                              .settings = s,
                              .want = CLI_ONE_TEXT,
                              .unit = "texts",
                              .model = e.model.path,
                              .dtype = e.model.dtype,
                              .width = e.width,
                              .self = &e,
                              .chunk = embed_chunk };
        long long records;
        double seconds;
        say_what(&e);
        code = cli_job_run(&job, &records, &seconds);
        if (code == CLI_DONE) cli_say_counts(&e.counts, records, "texts", seconds);
    }
    free(e.text);
    free(e.size);
    free(e.vector);
    cli_model_close(&e.model);
    return code;
}

const cli_command cli_embed = {
    .bit = CLI_EMBED,
    .name = "embed",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "Texts as vectors",
    .about = "Writes one record a text: {\"text\": ..., \"vector\": [...]} in jsonl, components "
             "parted by tabs in "
             "tsv and by blanks in text, and in npy (with -o FILE.npy) a float32 array with a row "
             "a text.\n"
             "\n"
             "A vector depends on its text alone: not on the texts around it, their order or the "
             "number of "
             "threads, to the last bit.",
    .examples =
        "bert4c embed 今天天气很好\n"
        "bert4c embed -f sentences.txt -o sentences.npy\n"
        "bert4c embed -m BAAI/bge-small-zh-v1.5 -f big.tsv --column 2 -o big.jsonl --resume\n",
    .formats = 1 << CLI_JSONL | 1 << CLI_TSV | 1 << CLI_TEXT | 1 << CLI_NPY,
    .format = CLI_JSONL,
};
