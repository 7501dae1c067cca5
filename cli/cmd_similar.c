/* cmd_similar.c - similar: the cosine of two texts, of many pairs, and how well it agrees with
 * labels. */
#include "agreement.h"
#include "commands.h"
#include "encoder.h"
#include "job.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct comparer {
    const cli_settings *settings;
    cli_encoder encoder;     /* its texts: a and b of each pair */
    cli_agreement agreement; /* of all pairs, when there are labels */
    size_t n;
} comparer;

static void put_pair(const comparer *c, cli_output *out, const cli_chunk *chunk,
                     const cli_record *r, double cosine)
{
    const char *a = cli_at(chunk, r->text[0]), *b = cli_at(chunk, r->text[1]);
    if (out->format == CLI_TEXT)
        cli_print(out, "%.4f\n", cosine);
    else if (out->format == CLI_JSONL) {
        cli_put_text(out, "{\"a\":");
        cli_put_json(out, a, r->text[0].size);
        cli_put_text(out, ",\"b\":");
        cli_put_json(out, b, r->text[1].size);
        if (c->settings->label) cli_print(out, ",\"label\":%.9g", c->agreement.label[c->n]);
        cli_print(out, ",\"cosine\":%.6f}\n", cosine);
    } else {
        if (r->line.size)
            cli_put(out, cli_at(chunk, r->line), r->line.size);
        else {
            cli_put_field(out, a, r->text[0].size);
            cli_put_text(out, "\t");
            cli_put_field(out, b, r->text[1].size);
            if (c->settings->label) cli_print(out, "\t%.9g", c->agreement.label[c->n]);
        }
        cli_print(out, "\t%.6f\n", cosine);
    }
}

static int compare_chunk(void *self, const cli_chunk *chunk, cli_output *out, b4c_error *err)
{
    comparer *c = self;
    cli_encoder *e = &c->encoder;
    const bool labels = c->settings->label != NULL;
    cli_agreement *a = &c->agreement;
    if (labels && cli_agreement_room(a, chunk->n, err) < 0) return B4C_E_MEMORY;
    if (cli_encoder_load(e, chunk, 2, err) < 0) return err->code;
    /* Before anything is kept: a chunk that fails comes again, pair by pair. */
    for (int i = 0; labels && i < chunk->n; i++)
        if (cli_label_read(chunk, chunk->record + i, a->label + a->n + (size_t)i, err) < 0)
            return err->code;
    if (cli_encoder_run(e, err) < 0) return err->code;
    for (int i = 0; i < chunk->n; i++) {
        const float *v = e->vector + (size_t)(2 * i) * (size_t)e->width;
        const double cosine = b4c_cosine(v, v + e->width, e->width);
        if (!c->settings->summary) put_pair(c, out, chunk, chunk->record + i, cosine);
        if (labels) a->score[a->n++] = cosine;
        c->n++;
    }
    return 0;
}

static void put_header(void *self, cli_output *out, const char *header)
{
    const comparer *c = self;
    if (header && out->format == CLI_TSV && !c->settings->summary)
        cli_print(out, "%s\tcosine\n", header);
}

/* One measure: "# spearman<tab>0.7219" after lines of pairs, "spearman<tab>0.7219" alone, a key in
 * jsonl. */
static void put_measure(const comparer *c, cli_output *out, const char *name, double x)
{
    if (out->format == CLI_JSONL) {
        if (isnan(x))
            cli_print(out, ",\"%s\":null", name);
        else
            cli_print(out, ",\"%s\":%.6f", name, x);
        return;
    }
    if (!c->settings->summary) cli_put_text(out, "# ");
    if (isnan(x))
        cli_print(out, "%s\tundefined\n", name);
    else
        cli_print(out, "%s\t%.6f\n", name, x);
}

static int put_measures(void *self, cli_output *out, b4c_error *err)
{
    comparer *c = self;
    cli_measures m;
    if (!c->settings->label) return 0;
    if (cli_agreement_measure(&c->agreement, &m, err) < 0) return err->code;
    if (out->format == CLI_JSONL)
        cli_print(out, "{\"pairs\":%zu", c->n);
    else
        cli_print(out, "%spairs\t%zu\n", c->settings->summary ? "" : "# ", c->n);
    put_measure(c, out, "spearman", m.spearman);
    put_measure(c, out, "pearson", m.pearson);
    if (m.binary) {
        put_measure(c, out, "auc", m.auc);
        put_measure(c, out, "f1", m.f1);
        put_measure(c, out, "threshold", m.threshold);
    }
    if (out->format == CLI_JSONL) cli_put_text(out, "}\n");
    if (out->target)
        cli_say("%zu pairs: Spearman %.4f, Pearson %.4f", c->n, m.spearman, m.pearson);
    return 0;
}

static int prepare(void *self, b4c_error *err)
{
    comparer *c = self;
    const cli_settings *s = c->settings;
    if (s->text.n % 2)
        return cli_fail(err, B4C_E_ARG,
                        "odd number of texts: similar: found %d, wanted two, or -f FILE with pairs",
                        s->text.n);
    if (s->text.n && s->label)
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: similar: found --label and texts as arguments; "
                        "labels stand in a column of -f FILE");
    return cli_encoder_open(&c->encoder, s, err);
}

static void say(const void *self, long long records, double seconds)
{
    const comparer *c = self;
    cli_say_counts(&c->encoder.counts, records, "pairs", seconds);
}

static int run(const cli_command *self, const cli_settings *s)
{
    comparer c = { .settings = s };
    cli_command command = *self;
    if (!s->text.n) command.format = CLI_TSV;
    const cli_job job = { .command = &command,
                          .settings = s,
                          .want = CLI_PAIR,
                          .unit = "pairs",
                          .model = &c.encoder.model,
                          .self = &c,
                          .prepare = prepare,
                          .begin = put_header,
                          .chunk = compare_chunk,
                          .end = put_measures,
                          .say = say };
    const int code = cli_job_run(&job);
    cli_agreement_done(&c.agreement);
    cli_encoder_close(&c.encoder);
    return code;
}

const cli_command cli_similar = {
    .bit = CLI_SIMILAR,
    .name = "similar",
    .operands = "[A B]",
    .run = run,
    .summary = "The cosine of two texts, or of each pair in a file",
    .about = "Two arguments: prints their cosine. A file of pairs (tsv or jsonl; standard input is "
             "tsv): tsv output is "
             "each line with the cosine as one more column, text the cosine alone, jsonl {\"a\", "
             "\"b\", \"cosine\"}.\n"
             "\n"
             "--label adds, after the last pair, how well the cosine agrees with a column of "
             "labels: Spearman "
             "(equal values share their ranks) and Pearson; for labels 0 and 1 also the area under "
             "the ROC curve, the "
             "best F1 and its threshold. In tsv and text these lines begin with #; --summary "
             "prints them alone.",
    .examples = "bert4c similar 今天天气很好 今天天气不错\n"
                "bert4c similar -f pairs.tsv -o scored.tsv\n"
                "bert4c similar -f lcqmc.tsv --label 3 --summary\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_TSV | 1 << CLI_JSONL,
    .format = CLI_TEXT,
};
