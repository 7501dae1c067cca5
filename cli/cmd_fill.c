/* cmd_fill.c - fill: the likeliest tokens for every [MASK] of a text. */
#include "commands.h"
#include "default_model.h"
#include "job.h"
#include <string.h>

typedef struct filler {
    const cli_settings *settings;
    cli_model model;
    const b4c_tokenizer *tokenizer;
    b4c_fill_options options;
    b4c_fill_result result;
    cli_counts counts;
    long long without; /* texts without a mask */
} filler;

static const char *token_of(const filler *f, int32_t id)
{
    const char *token = b4c_tokenizer_token(f->tokenizer, id);
    return token ? token : "";
}

static void put_jsonl(const filler *f, cli_output *out, const char *text, size_t size)
{
    const b4c_fill_result *r = &f->result;
    cli_put_text(out, "{\"text\":");
    cli_put_json(out, text, size);
    cli_put_text(out, ",\"masks\":[");
    for (int m = 0; m < r->masks; m++) {
        cli_print(out, "%s{\"position\":%d,\"candidates\":[", m ? "," : "", r->position[m]);
        for (int k = 0; k < r->top; k++) {
            const b4c_candidate *c = r->best + (size_t)m * (size_t)r->top + k;
            const char *token = token_of(f, c->id);
            cli_put_text(out, k ? ",{\"token\":" : "{\"token\":");
            cli_put_json(out, token, strlen(token));
            cli_print(out, ",\"id\":%d,\"p\":", (int)c->id);
            cli_put_float(out, c->p);
            cli_put_text(out, "}");
        }
        cli_put_text(out, "]}");
    }
    cli_put_text(out, "]}\n");
}

/* text: one line, the text, then the candidates of each mask; tsv: the same in columns. */
static void put_line(const filler *f, cli_output *out, const char *text, size_t size)
{
    const b4c_fill_result *r = &f->result;
    const bool tsv = out->format == CLI_TSV;
    cli_put_field(out, text, size);
    for (int m = 0; m < r->masks; m++) {
        cli_put_text(out, tsv ? "\t" : m ? "  |" : "  ");
        for (int k = 0; k < r->top; k++) {
            const b4c_candidate *c = r->best + (size_t)m * (size_t)r->top + k;
            const char *token = token_of(f, c->id);
            if (k || (!tsv && m)) cli_put_text(out, " ");
            cli_put_field(out, token, strlen(token));
            cli_print(out, tsv ? ":%.6f" : " %.4f", (double)c->p);
            if (k + 1 < r->top && !tsv) cli_put_text(out, " ");
        }
    }
    cli_put_text(out, "\n");
}

static int fill_chunk(void *self, const cli_chunk *chunk, cli_output *out, b4c_error *err)
{
    filler *f = self;
    for (int i = 0; i < chunk->n; i++) {
        const cli_piece p = chunk->record[i].text[0];
        const char *text = cli_at(chunk, p);
        b4c_fill_result_free(&f->result);
        const int rc = b4c_fill(f->model.session, text, p.size, &f->options, &f->result, err);
        if (rc < 0) return rc;
        cli_count(&f->counts, f->model.session);
        f->without += f->result.masks == 0;
        if (out->format == CLI_JSONL)
            put_jsonl(f, out, text, p.size);
        else
            put_line(f, out, text, p.size);
    }
    return 0;
}

static int prepare(void *self, b4c_error *err)
{
    filler *f = self;
    const cli_settings *s = f->settings;
    if (cli_model_open(&f->model, s, CLI_DEFAULT_FILLER, CLI_WITH_HEAD, err) < 0) return err->code;
    f->options = B4C_FILL_DEFAULT;
    f->options.top = (int)s->top;
    f->options.max_length = (int)s->max_length;
    /* Cutting a mask off unasked would change the answer's shape. */
    if (cli_given(s, "truncate")) f->options.truncate = (b4c_truncate)s->truncate;
    f->tokenizer = b4c_model_tokenizer(f->model.model);
    return 0;
}

static void say(const void *self, long long records, double seconds)
{
    const filler *f = self;
    cli_say_counts(&f->counts, records, "texts", seconds);
    if (f->without) cli_say("texts without a [MASK] to fill: %lld", f->without);
}

static int run(const cli_command *self, const cli_settings *s)
{
    filler f = { .settings = s };
    const cli_job job = { .command = self,
                          .settings = s,
                          .want = CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &f.model,
                          .self = &f,
                          .prepare = prepare,
                          .chunk = fill_chunk,
                          .say = say };
    const int code = cli_job_run(&job);
    b4c_fill_result_free(&f.result);
    cli_model_close(&f.model);
    return code;
}

const cli_command cli_fill = {
    .bit = CLI_FILL,
    .name = "fill",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "The likeliest tokens for every [MASK]",
    .about = "Needs a model with a masked-LM head. Probabilities are over the whole vocabulary. "
             "jsonl: {\"text\", "
             "\"masks\": [{\"position\", \"candidates\": [{\"token\", \"id\", \"p\"}]}]}, where "
             "position counts tokens, "
             "[CLS] being 0; text and tsv: the text and, for each mask, its candidates.",
    .examples = "bert4c fill -m google-bert/bert-base-chinese --to text 今天天[MASK]很好\n",
    .formats = 1 << CLI_JSONL | 1 << CLI_TEXT | 1 << CLI_TSV,
    .format = CLI_JSONL,
};
