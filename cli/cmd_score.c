/* cmd_score.c - score: how likely a model finds a text. */
#include "commands.h"
#include "default_model.h"
#include "job.h"
#include "writing.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scorer {
    const cli_settings *settings;
    cli_model model;
    const b4c_tokenizer *tokenizer;
    b4c_score_options options;
    cli_counts counts;
    const char **text, **source;
    size_t *size, *source_size;
    int room;
    double logprob;          /* of all */
    long long tokens;
} scorer;

static int make_room(scorer *s, int n, b4c_error *err)
{
    if (n <= s->room) return 0;
    free(s->text);
    free(s->size);
    s->text = calloc(2 * (size_t)n, sizeof *s->text);
    s->size = calloc(2 * (size_t)n, sizeof *s->size);
    s->room = s->text && s->size ? n : 0;
    if (!s->room) return cli_fail(err, B4C_E_MEMORY, "no memory for %d texts", n);
    s->source = s->text + n;
    s->source_size = s->size + n;
    return 0;
}

/* Record i of the chunk. */
static void put_jsonl(const scorer *s, cli_output *out, int i, bool sources, const b4c_score *x)
{
    if (sources) {
        cli_put_text(out, "{\"source\":");
        cli_put_json(out, s->source[i], s->source_size[i]);
        cli_put_text(out, ",\"text\":");
    } else
        cli_put_text(out, "{\"text\":");
    cli_put_json(out, s->text[i], s->size[i]);
    cli_put_text(out, ",\"logprob\":");
    cli_put_float(out, (float)x->logprob);
    cli_print(out, ",\"tokens\":%d,\"ppl\":", x->n);
    cli_put_float(out, (float)x->perplexity);
    for (int k = 0; s->settings->logprobs && k < x->n; k++) {
        const char *token = b4c_tokenizer_token(s->tokenizer, x->ids[k]);
        cli_put_text(out, k ? ",{\"token\":" : ",\"logprobs\":[{\"token\":");
        cli_put_json(out, token ? token : "", token ? strlen(token) : 0);
        cli_put_text(out, ",\"logprob\":");
        cli_put_float(out, x->token_logprob[k]);
        cli_put_text(out, k + 1 < x->n ? "}" : "}]");
    }
    cli_put_text(out, "}\n");
}

static void put_line(const scorer *s, cli_output *out, int i, bool sources, const b4c_score *x)
{
    cli_print(out, "%.4f\t%.4f\t%d\t", x->perplexity, x->logprob, x->n);
    if (sources) {
        cli_put_field(out, s->source[i], s->source_size[i]);
        cli_put_text(out, "\t");
    }
    cli_put_field(out, s->text[i], s->size[i]);
    cli_put_text(out, "\n");
}

static int score_chunk(void *self, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    scorer *s = self;
    const cli_settings *o = s->settings;
    b4c_scores all = { 0 };
    if (make_room(s, c->n, err) < 0) return B4C_E_MEMORY;
    for (int i = 0; i < c->n; i++) {
        const cli_piece *piece = c->record[i].text;
        s->source[i] = o->pair ? cli_at(c, piece[0]) : o->source;
        s->source_size[i] = o->pair ? piece[0].size : o->source ? strlen(o->source) : 0;
        s->text[i] = cli_at(c, piece[o->pair]);
        s->size[i] = piece[o->pair].size;
    }
    const bool sources = o->pair || o->source;
    const int rc = b4c_score_texts(s->model.session, sources ? s->source : NULL, s->source_size,
                                   s->text, s->size, c->n, &s->options, &all, err);
    if (rc == 0) cli_count(&s->counts, s->model.session);
    for (int i = 0; i < c->n && rc == 0; i++) {
        const b4c_score *x = &all.score[i];
        s->logprob += x->logprob;
        s->tokens += x->n;
        if (out->format == CLI_JSONL) put_jsonl(s, out, i, sources, x);
        else put_line(s, out, i, sources, x);
    }
    b4c_scores_free(&all);
    return rc;
}

static int prepare(void *self, b4c_error *err)
{
    scorer *s = self;
    const cli_settings *o = s->settings;
    if (cli_model_open(&s->model, o, CLI_DEFAULT_DECODER, CLI_WITH_HEAD, err) < 0) return err->code;
    s->options = B4C_SCORE_DEFAULT;
    s->options.reading = (b4c_reading)o->reading;
    s->options.max_length = (int)o->max_length;
    s->options.windows = true;
    s->tokenizer = b4c_model_tokenizer(s->model.model);
    /* What is wrong with options shows before the first text. */
    b4c_scores none = { 0 };
    const char *const source = "";
    const int rc = b4c_score_texts(s->model.session, o->pair || o->source ? &source : NULL, NULL,
                                   NULL, NULL, 0, &s->options, &none, err);
    b4c_scores_free(&none);
    return rc;
}

static void say(const void *self, long long records, double seconds)
{
    const scorer *s = self;
    cli_say_counts(&s->counts, records, "texts", seconds);
    if (records > 1 && s->tokens)
        cli_say("perplexity of all %lld tokens: %.4f", s->tokens,
                exp(-s->logprob / (double)s->tokens));
}

static int run(const cli_command *self, const cli_settings *o)
{
    scorer s = { .settings = o };
    const cli_job job = { .command = self,
                          .settings = o,
                          .want = o->pair ? CLI_PAIR : CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &s.model,
                          .self = &s,
                          .prepare = prepare,
                          .chunk = score_chunk,
                          .say = say };
    const int code = cli_job_run(&job);
    free(s.text);
    free(s.size);
    cli_model_close(&s.model);
    return code;
}

const cli_command cli_score = {
    .bit = CLI_SCORE,
    .name = "score",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "How likely a model finds a text",
    .about = "Log-probability and perplexity: of a text read token by token (decoders, --reading "
             "causal), of what follows a source (--source, --pair), or, by a masked LM, the "
             "pseudo-log-likelihood: each token from all others. With a source the end token "
             "counts. A first token that nothing stands before does not count. Without a source "
             "a text longer than --max-length is read in windows that overlap by half.\n"
             "\n"
             "jsonl: {\"text\", \"logprob\", \"tokens\", \"ppl\"}; text, tsv: perplexity, "
             "log-probability, tokens, the source if there is one, and the text.",
    .examples = "bert4c score -m google-bert/bert-base-chinese 今天天气很好 今天天气很号\n"
                "bert4c score -m ./t5-pegasus-small --pair -f articles-and-titles.tsv\n",
    .formats = 1 << CLI_JSONL | 1 << CLI_TSV | 1 << CLI_TEXT,
    .format = CLI_JSONL,
};
