/* cmd_embed.c - embed: texts in, one vector each out. */
#include "commands.h"
#include "encoder.h"
#include "job.h"

typedef struct embedder {
    const cli_settings *settings;
    cli_encoder encoder;
    b4c_whitening *fitted; /* --fit-whitening */
} embedder;

static int embed_chunk(void *self, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    cli_encoder *e = &((embedder *)self)->encoder;
    b4c_whitening *fitted = ((embedder *)self)->fitted;
    int rc = cli_encoder_load(e, c, 1, err);
    if (rc == 0) rc = cli_encoder_run(e, err);
    if (rc == 0 && fitted) return b4c_whitening_add(fitted, e->vector, (size_t)c->n, err);
    for (int i = 0; i < c->n && rc == 0; i++) {
        if (out->format == CLI_JSONL) {
            cli_put_text(out, "{\"text\":");
            cli_put_json(out, e->texts.text[i], e->texts.size[i]);
            cli_put_text(out, ",\"vector\":");
        }
        cli_put_vector(out, e->vector + (size_t)i * (size_t)e->width, e->width);
        if (out->format == CLI_JSONL) cli_put_text(out, "}");
        if (out->format != CLI_NPY) cli_put_text(out, "\n");
    }
    return rc;
}

/* The reader of vectors must be able to say what they are. */
static void say_what(const cli_encoder *e)
{
    b4c_model_info info;
    b4c_model_describe(e->model.model, &info);
    const b4c_pooling pooling = e->options.pooling == B4C_POOL_AUTO ? info.pooling
                                                                    : e->options.pooling;
    const bool unit = e->whitening             ? e->unit
                    : e->options.normalize < 0 ? info.normalize
                                               : e->options.normalize == 1;
    cli_say("vectors of %d: %s pooling, %s%s%s", e->width, b4c_pooling_name(pooling),
            info.dense_steps ? "dense layer, " : "", e->whitening ? "whitened, " : "",
            unit ? "length 1" : "not normalised");
}

static int prepare(void *self, b4c_error *err)
{
    embedder *e = self;
    if (cli_encoder_open(&e->encoder, e->settings, err) < 0) return err->code;
    if (e->settings->fit_whitening) {
        e->fitted = b4c_whitening_new(e->encoder.width, err);
        return e->fitted ? 0 : err->code;
    }
    say_what(&e->encoder);
    return 0;
}

static int save_fitted(void *self, cli_output *out, b4c_error *err)
{
    const embedder *e = self;
    (void)out;
    if (!e->fitted) return 0;
    if (b4c_whitening_solve(e->fitted, err) < 0 ||
        b4c_whitening_save(e->fitted, e->settings->fit_whitening, err) < 0)
        return err->code;
    cli_say("%s: a whitening of vectors of %d, which vary in %d directions",
            e->settings->fit_whitening, e->encoder.width, b4c_whitening_rank(e->fitted));
    return 0;
}

static void say(const void *self, long long records, double seconds)
{
    const embedder *e = self;
    cli_say_counts(&e->encoder.counts, records, "texts", seconds);
}

static int run(const cli_command *self, const cli_settings *s)
{
    embedder e = { .settings = s };
    const cli_job job = { .command = self,
                          .settings = s,
                          .want = CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &e.encoder.model,
                          .width = &e.encoder.width,
                          .self = &e,
                          .prepare = prepare,
                          .chunk = embed_chunk,
                          .end = save_fitted,
                          .say = say };
    const int code = cli_job_run(&job);
    b4c_whitening_free(e.fitted);
    cli_encoder_close(&e.encoder);
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
        "bert4c embed -f sentences.txt --fit-whitening white.safetensors\n"
        "bert4c embed -m BAAI/bge-small-zh-v1.5 -f big.tsv --column 2 -o big.jsonl --resume\n",
    .formats = 1 << CLI_JSONL | 1 << CLI_TSV | 1 << CLI_TEXT | 1 << CLI_NPY,
    .format = CLI_JSONL,
};
