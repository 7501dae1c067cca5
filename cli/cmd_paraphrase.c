/* cmd_paraphrase.c - paraphrase: other ways to say a text, with how near they are. */
#include "commands.h"
#include "default_model.h"
#include "job.h"
#include "writing.h"
#include <stdlib.h>
#include <string.h>

typedef struct paraphraser {
    const cli_settings *settings;
    cli_model model;
    cli_writing writing;
    cli_texts texts;
    b4c_paraphrase_options options;
    int *mask;
    long long repeats, below, without;
} paraphraser;

/* "6,7" */
static int read_mask(paraphraser *p, const char *list, b4c_error *err)
{
    if (!list) return 0;
    p->mask = calloc(strlen(list) / 2 + 1, sizeof *p->mask);
    if (!p->mask) return cli_fail(err, B4C_E_MEMORY, "no memory for --mask");
    for (const char *at = list;; at++) {
        char *end;
        const long long x = strtoll(at, &end, 10);
        if (end == at || at[strspn(at, "0123456789")] != *end || x < 1 || x > 1 << 24 ||
            (*end && *end != ','))
            return cli_fail(err, B4C_E_ARG,
                            "wrong value: paraphrase --mask: found '%s', wanted numbers of tokens "
                            "from 1 on, parted by commas",
                            list);
        p->mask[p->options.n_mask++] = (int)x;
        if (!*end) break;
        at = end;
    }
    p->options.mask = p->mask;
    return 0;
}

static void put_jsonl(cli_output *out, const char *text, size_t size, const b4c_paraphrase *c,
                      int n)
{
    cli_put_text(out, "{\"text\":");
    cli_put_json(out, text, size);
    cli_put_text(out, ",\"candidates\":[");
    for (int k = 0; k < n; k++) {
        cli_put_text(out, k ? ",{\"text\":" : "{\"text\":");
        cli_put_json(out, c[k].text, strlen(c[k].text));
        cli_put_text(out, ",\"cosine\":");
        cli_put_float(out, c[k].cosine);
        cli_put_text(out, ",\"logprob\":");
        cli_put_float(out, (float)c[k].logprob);
        cli_put_text(out, "}");
    }
    cli_put_text(out, "]}\n");
}

/* A line a candidate: cosine, candidate, and the text that it is of. */
static void put_lines(cli_output *out, const char *text, size_t size, const b4c_paraphrase *c,
                      int n)
{
    for (int k = 0; k < n; k++) {
        cli_print(out, "%.4f\t", (double)c[k].cosine);
        cli_put_field(out, c[k].text, strlen(c[k].text));
        cli_put_text(out, "\t");
        cli_put_field(out, text, size);
        cli_put_text(out, "\n");
    }
}

static int paraphrase_chunk(void *self, const cli_chunk *chunk, cli_output *out, b4c_error *err)
{
    paraphraser *p = self;
    cli_writing *w = &p->writing;
    b4c_paraphrases all = { 0 };
    int rc = cli_texts_make(&p->texts, chunk, 1, err);
    if (rc == 0)
        rc = b4c_paraphrase_texts(p->model.session, p->texts.text, p->texts.size, chunk->n,
                                  &p->options, &all, err);
    for (int i = 0; i < chunk->n && rc == 0; i++) {
        p->without += all.count[i] == 0;
        if (out->format == CLI_JSONL)
            put_jsonl(out, p->texts.text[i], p->texts.size[i], all.candidate[i], all.count[i]);
        else
            put_lines(out, p->texts.text[i], p->texts.size[i], all.candidate[i], all.count[i]);
    }
    if (rc == 0) {
        w->read += all.tokens_read;
        w->written += all.tokens_written;
        w->cut += all.cut;
        w->texts_cut += all.texts_cut;
        w->unfamiliar += all.unfamiliar;
        p->repeats += all.repeats;
        p->below += all.below;
    }
    b4c_paraphrases_free(&all);
    return rc;
}

static int prepare(void *self, b4c_error *err)
{
    paraphraser *p = self;
    const cli_settings *s = p->settings;
    b4c_paraphrase_options *o = &p->options;
    *o = B4C_PARAPHRASE_DEFAULT;
    if (cli_model_open(&p->model, s, CLI_DEFAULT_PARAPHRASER, CLI_WITH_HEAD, err) < 0)
        return err->code;
    /* SimBERT draws from the 5 likeliest: with --top-k, the 0.95 of RoFormer-Sim no longer
     * holds. */
    if (cli_given(s, "top-k") && !cli_given(s, "top-p")) o->generate.top_p = 1;
    if (cli_writing_read(&p->writing, &p->model, s, &o->generate, err) < 0) return err->code;
    o->generate = p->writing.options;
    o->pooling = (b4c_pooling)s->pooling;
    if (cli_given(s, "keep")) o->keep = (int)s->keep;
    if (cli_given(s, "floor")) o->floor = (float)s->floor;
    if (read_mask(p, s->mask, err) < 0) return err->code;
    /* What is wrong with options shows before the first text. */
    b4c_paraphrases none = { 0 };
    const int rc = b4c_paraphrase_texts(p->model.session, NULL, NULL, 0, o, &none, err);
    b4c_paraphrases_free(&none);
    return rc;
}

static void say(const void *self, long long records, double seconds)
{
    const paraphraser *p = self;
    cli_writing_say(&p->writing, records, seconds);
    if (p->repeats)
        cli_say("%lld samples were repeats, empty, or the text itself", p->repeats);
    if (p->below) cli_say("%lld candidates were below --floor", p->below);
    if (p->without) cli_say("%lld texts are left without a candidate", p->without);
}

static int run(const cli_command *self, const cli_settings *s)
{
    paraphraser p = { .settings = s };
    const cli_job job = { .command = self,
                          .settings = s,
                          .want = CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &p.model,
                          .self = &p,
                          .prepare = prepare,
                          .chunk = paraphrase_chunk,
                          .say = say };
    const int code = cli_job_run(&job);
    free(p.mask);
    cli_texts_done(&p.texts);
    cli_writing_done(&p.writing);
    cli_model_close(&p.model);
    return code;
}

const cli_command cli_paraphrase = {
    .bit = CLI_PARAPHRASE,
    .name = "paraphrase",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "Other ways to say a text",
    .about = "For SimBERT, RoFormer-Sim and their like. Draws samples of each text (--n), drops "
             "repeats and the text itself, encodes what is left by the same model and gives back "
             "the nearest (--keep), with their cosine to the text. Same seed and text, same "
             "candidates. RoFormer-Sim draws with --top-p 0.95, which is the default; SimBERT "
             "with --top-k 5.\n"
             "\n"
             "tsv: a line a candidate: cosine, candidate, text; text: the same; jsonl: {\"text\", "
             "\"candidates\": [{\"text\", \"cosine\", \"logprob\"}]}.",
    .examples = "bert4c paraphrase -m ./roformer-sim --keep 10 广州和深圳哪个好？\n"
                "bert4c paraphrase -m ./simbert --top-k 5 --floor 0.8 -f questions.txt -o "
                "more.tsv\n",
    .formats = 1 << CLI_TSV | 1 << CLI_JSONL | 1 << CLI_TEXT,
    .format = CLI_TSV,
};
