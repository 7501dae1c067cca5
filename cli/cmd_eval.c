/* cmd_eval.c - eval: how well a model, or what it wrote, does on files of examples.
 *
 * One idea: a measure is a row of a table: what it reads, what it needs, what a record adds to the
 * sums of its file, and what columns come of them. Each file is a set; the last row is their mean.
 */
#include "agreement.h"
#include "classes.h"
#include "commands.h"
#include "default_model.h"
#include "encoder.h"
#include "job.h"
#include "utf8.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4 };

/* Sums over the records of one file. */
typedef struct set {
    long long n;
    double sum[COLUMNS];
    cli_agreement agreement;
    cli_confusion confusion;
    b4c_distinct *distinct;
} set;

typedef struct examiner examiner;

typedef struct measure {
    const char *name, *unit; /* of records */
    cli_want want;           /* classify: of one text; the model may want two */
    bool labels;
    bool answers;            /* tsv and json tell of every record */
    int (*open)(examiner *, b4c_error *);
    int (*chunk)(examiner *, const cli_chunk *, cli_output *, b4c_error *);
    int (*finish)(const set *, double out[COLUMNS], b4c_error *);
    const char *column[COLUMNS];
    double factor; /* of the numbers, in text */
    const char *say_factor;
} measure;

struct examiner {
    const measure *measure;
    cli_settings settings; /* without the measure's name among the texts */
    set *set;              /* [sets], one for each file */
    int sets;
    cli_job *job;
    cli_encoder encoder; /* sts */
    cli_classifier classifier;
    cli_model model;     /* ppl */
    cli_texts texts;
    b4c_score_options scoring;
    cli_counts counts;
};

/* ---- sts: the cosine of pairs against labels ------------------------------------------------- */

static int open_encoder(examiner *e, b4c_error *err)
{
    return cli_encoder_open(&e->encoder, &e->settings, err);
}

static int compare_chunk(examiner *e, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    cli_encoder *x = &e->encoder;
    (void)out;
    if (cli_encoder_load(x, c, 2, err) < 0 || cli_encoder_run(x, err) < 0) return err->code;
    for (int i = 0; i < c->n; i++) {
        const cli_record *r = c->record + i;
        cli_agreement *a = &e->set[r->file].agreement;
        if (cli_agreement_room(a, 1, err) < 0) return err->code;
        if (cli_label_read(c, r, a->label + a->n, err) < 0) return err->code;
        const float *v = x->vector + (size_t)(2 * i) * (size_t)x->width;
        a->score[a->n++] = b4c_cosine(v, v + x->width, x->width);
    }
    return 0;
}

static int agree(const set *s, double out[COLUMNS], b4c_error *err)
{
    cli_measures m;
    if (cli_agreement_measure(&s->agreement, &m, err) < 0) return err->code;
    out[0] = m.spearman;
    out[1] = m.pearson;
    out[2] = m.binary ? m.auc : NAN;
    out[3] = m.binary ? m.f1 : NAN;
    return 0;
}

/* ---- rouge and bleu: what was written against what was wanted -------------------------------- */

static int open_nothing(examiner *e, b4c_error *err)
{
    (void)err;
    if (e->settings.model) cli_say("eval %s reads texts alone: -m is not used", e->measure->name);
    return 0;
}

static int overlap(const cli_chunk *c, const cli_record *r, b4c_overlap *x, b4c_error *err)
{
    return b4c_overlap_measure(cli_at(c, r->text[0]), r->text[0].size, cli_at(c, r->text[1]),
                               r->text[1].size, x, err);
}

static int rouge_chunk(examiner *e, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    b4c_overlap x;
    (void)out;
    for (int i = 0; i < c->n; i++) {
        if (overlap(c, c->record + i, &x, err) < 0) return err->code;
        double *sum = e->set[c->record[i].file].sum;
        sum[0] += x.rouge_1;
        sum[1] += x.rouge_2;
        sum[2] += x.rouge_l;
    }
    return 0;
}

static int bleu_chunk(examiner *e, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    b4c_overlap x;
    (void)out;
    for (int i = 0; i < c->n; i++) {
        if (overlap(c, c->record + i, &x, err) < 0) return err->code;
        e->set[c->record[i].file].sum[0] += x.bleu;
    }
    return 0;
}

/* ---- distinct: how varied what was written is ------------------------------------------------ */

static int distinct_chunk(examiner *e, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    (void)out;
    for (int i = 0; i < c->n; i++) {
        const cli_record *r = c->record + i;
        set *s = &e->set[r->file];
        if (!s->distinct) s->distinct = b4c_distinct_new(err);
        if (!s->distinct ||
            b4c_distinct_add(s->distinct, cli_at(c, r->text[0]), r->text[0].size, err) < 0)
            return err->code;
    }
    return 0;
}

static int tell_distinct(const set *s, double out[COLUMNS], b4c_error *err)
{
    (void)err;
    out[0] = out[1] = NAN;
    if (s->distinct) b4c_distinct_measure(s->distinct, &out[0], &out[1]);
    return 0;
}

static int average(const set *s, double out[COLUMNS], b4c_error *err)
{
    (void)err;
    for (int k = 0; k < COLUMNS; k++) out[k] = s->n ? s->sum[k] / (double)s->n : NAN;
    return 0;
}

/* ---- ppl: how well a language model foretells texts ------------------------------------------ */

enum { LOGPROB, TOKENS, CHARACTERS };

static int open_scorer(examiner *e, b4c_error *err)
{
    if (cli_model_open(&e->model, &e->settings, CLI_DEFAULT_DECODER, CLI_WITH_HEAD, err) < 0)
        return err->code;
    e->scoring = B4C_SCORE_DEFAULT;
    e->scoring.reading = (b4c_reading)e->settings.reading;
    e->scoring.max_length = (int)e->settings.max_length;
    e->scoring.windows = true;
    return 0;
}

static int score_chunk(examiner *e, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    b4c_scores all = { 0 };
    (void)out;
    int rc = cli_texts_make(&e->texts, c, 1, err);
    if (rc == 0)
        rc = b4c_score_texts(e->model.session, NULL, NULL, e->texts.text, e->texts.size, c->n,
                             &e->scoring, &all, err);
    if (rc == 0) cli_count(&e->counts, e->model.session);
    for (int i = 0; i < c->n && rc == 0; i++) {
        double *sum = e->set[c->record[i].file].sum;
        sum[LOGPROB] += all.score[i].logprob;
        sum[TOKENS] += all.score[i].n;
        sum[CHARACTERS] += (double)cli_utf8_count(e->texts.text[i], e->texts.size[i]);
    }
    b4c_scores_free(&all);
    return rc;
}

static int perplex(const set *s, double out[COLUMNS], b4c_error *err)
{
    (void)err;
    out[0] = s->sum[TOKENS] > 0 ? exp(-s->sum[LOGPROB] / s->sum[TOKENS]) : NAN;
    out[1] = s->sum[CHARACTERS] > 0 ? exp(-s->sum[LOGPROB] / s->sum[CHARACTERS]) : NAN;
    out[2] = s->sum[TOKENS];
    out[3] = s->sum[CHARACTERS];
    return 0;
}

/* ---- classify: what a classifier says against labels ----------------------------------------- */

static const char *set_name(const examiner *e, int i)
{
    const char *name = e->settings.file.n ? e->settings.file.item[i] : "-", *slash;
    slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static int open_classifier(examiner *e, b4c_error *err)
{
    if (cli_classifier_open(&e->classifier, &e->settings, err) < 0) return err->code;
    if (e->classifier.pairs) e->job->want = CLI_PAIR;
    return 0;
}

static int classify_chunk(examiner *e, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    cli_classifier *x = &e->classifier;
    if (cli_classifier_run(x, c, err) < 0) return err->code;
    for (int i = 0; i < c->n; i++) {
        const int file = c->record[i].file;
        if (cli_confusion_add(&e->set[file].confusion, x, i, err) < 0) return err->code;
        cli_put_answer(out, x, c, i, set_name(e, file));
    }
    return 0;
}

static int count_right(const set *s, double out[COLUMNS], b4c_error *err)
{
    (void)err;
    out[0] = out[1] = NAN;
    if (s->confusion.count)
        b4c_classes_measure(s->confusion.count, s->confusion.classes, &out[0], &out[1], NULL);
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const measure measures[] = {
    { "sts",
      "pairs",
      CLI_PAIR,
      true,
      false,
      open_encoder,
      compare_chunk,
      agree,
      { "spearman", "pearson", "auc", "f1" },
      100,
      "x100" },
    { "rouge",
      "texts",
      CLI_PAIR,
      false,
      false,
      open_nothing,
      rouge_chunk,
      average,
      { "rouge-1", "rouge-2", "rouge-l", NULL },
      100,
      "x100" },
    { "bleu",
      "texts",
      CLI_PAIR,
      false,
      false,
      open_nothing,
      bleu_chunk,
      average,
      { "bleu", NULL, NULL, NULL },
      100,
      "x100" },
    { "distinct",
      "texts",
      CLI_ONE_TEXT,
      false,
      false,
      open_nothing,
      distinct_chunk,
      tell_distinct,
      { "distinct-1", "distinct-2", NULL, NULL },
      100,
      "x100" },
    { "ppl",
      "texts",
      CLI_ONE_TEXT,
      false,
      false,
      open_scorer,
      score_chunk,
      perplex,
      { "ppl", "ppl/char", "tokens", "characters" },
      1,
      NULL },
    { "classify",
      "texts",
      CLI_ONE_TEXT,
      true,
      true,
      open_classifier,
      classify_chunk,
      count_right,
      { "accuracy", "macro-f1", NULL, NULL },
      100,
      "x100" },
};
enum { MEASURES = sizeof measures / sizeof *measures };

static const measure *find_measure(const char *name, b4c_error *err)
{
    const char *names[MEASURES];
    for (int i = 0; i < MEASURES; i++) {
        if (!strcmp(measures[i].name, name)) return &measures[i];
        names[i] = measures[i].name;
    }
    const char *near = cli_nearest(name, names, MEASURES);
    cli_fail(err, B4C_E_ARG,
             "unknown measure: eval: found '%s', wanted sts, rouge, bleu, distinct, ppl or "
             "classify%s%s%s",
             name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return NULL;
}

/* ---- the run --------------------------------------------------------------------------------- */

static int prepare(void *self, b4c_error *err)
{
    examiner *e = self;
    const cli_settings *s = &e->settings;
    const measure *m = e->measure;
    if (m->labels && !s->label)
        return cli_fail(err, B4C_E_ARG,
                        "missing option: eval %s: wanted --label N, the column of the labels",
                        m->name);
    if (!m->labels && s->label)
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: eval %s: found --label, which sts "
                        "and classify read",
                        m->name);
    if (s->pair && !m->answers)
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: eval %s: found --pair, which classify alone reads",
                        m->name);
    e->sets = s->file.n ? s->file.n : 1;
    e->set = calloc((size_t)e->sets, sizeof *e->set);
    if (!e->set) return cli_fail(err, B4C_E_MEMORY, "no memory");
    return m->open(e, err);
}

static int examine_chunk(void *self, const cli_chunk *c, cli_output *out, b4c_error *err)
{
    examiner *e = self;
    if (e->measure->chunk(e, c, out, err) < 0) return err->code;
    for (int i = 0; i < c->n; i++) e->set[c->record[i].file].n++;
    return 0;
}

static void put_number(cli_output *out, const examiner *e, double x)
{
    const measure *m = e->measure;
    if (out->format == CLI_JSON) {
        if (isnan(x))
            cli_put_text(out, "null");
        else
            cli_print(out, "%.10g", x);
    } else if (isnan(x))
        cli_put_text(out, out->format == CLI_TSV ? "\t" : "          -");
    else if (out->format == CLI_TSV)
        cli_print(out, "\t%.10g", x);
    else /* counts stand among the measures of ppl */
        cli_print(out, " %10.*f", m->factor > 1 || x != floor(x) ? 2 : 0, x * m->factor);
}

static void put_row(cli_output *out, const examiner *e, const char *name, long long n,
                    const double *x)
{
    const measure *m = e->measure;
    if (out->format == CLI_JSON) {
        cli_put_text(out, "{\"set\":");
        cli_put_json(out, name, strlen(name));
        cli_print(out, ",\"%s\":%lld", m->unit, n);
    } else if (out->format == CLI_TSV) {
        cli_put_field(out, name, strlen(name));
        cli_print(out, "\t%lld", n);
    } else {
        cli_put_text(out, name);
        for (int k = cli_width(name, strlen(name)); k < 28; k++) cli_put_text(out, " ");
        cli_print(out, " %8lld", n);
    }
    for (int k = 0; k < COLUMNS && m->column[k]; k++) {
        if (out->format == CLI_JSON) cli_print(out, ",\"%s\":", m->column[k]);
        put_number(out, e, x[k]);
    }
    if (out->format != CLI_JSON) cli_put_text(out, "\n");
}

static void put_head(cli_output *out, const measure *m)
{
    const bool tsv = out->format == CLI_TSV;
    char first[40];
    snprintf(first, sizeof first, "%s%s%s", m->name, !tsv && m->say_factor ? " " : "",
             !tsv && m->say_factor ? m->say_factor : "");
    cli_print(out, tsv ? "%s\t%s" : "%-28s %8s", tsv ? "set" : first, m->unit);
    for (int k = 0; k < COLUMNS && m->column[k]; k++)
        cli_print(out, tsv ? "\t%s" : " %10s", m->column[k]);
    cli_put_text(out, "\n");
}

/* A file of answers ends with them; their measures are told beside it. */
static int say_sets(const examiner *e, b4c_error *err)
{
    for (int i = 0; i < e->sets; i++) {
        double x[COLUMNS] = { 0 };
        if (e->measure->finish(&e->set[i], x, err) < 0) return err->code;
        cli_say("%s: %lld %s, accuracy %.2f %%, macro F1 %.2f %%", set_name(e, i), e->set[i].n,
                e->measure->unit, 100 * x[0], 100 * x[1]);
    }
    return 0;
}

static void begin(void *self, cli_output *out, const char *header)
{
    const examiner *e = self;
    (void)header;
    if (e->measure->answers) cli_put_answers_head(out, &e->classifier);
}

static int put_sets(void *self, cli_output *out, b4c_error *err)
{
    examiner *e = self;
    const bool json = out->format == CLI_JSON;
    double mean[COLUMNS] = { 0 };
    long long n = 0;
    if (e->measure->answers && out->format == CLI_TSV) return say_sets(e, err);
    if (json && e->measure->answers)
        cli_put_text(out, "\n],\"sets\":[");
    else if (json)
        cli_print(out, "{\"measure\":\"%s\",\"sets\":[", e->measure->name);
    else
        put_head(out, e->measure);
    for (int i = 0; i < e->sets; i++) {
        double x[COLUMNS] = { 0 };
        if (e->measure->finish(&e->set[i], x, err) < 0) return err->code;
        if (json && i) cli_put_text(out, ",");
        put_row(out, e, set_name(e, i), e->set[i].n, x);
        if (json && cli_put_confusion(out, &e->classifier, &e->set[i].confusion, NULL, err) < 0)
            return err->code;
        if (json) cli_put_text(out, "}");
        n += e->set[i].n;
        for (int k = 0; k < COLUMNS; k++) mean[k] += x[k] / e->sets;
    }
    if (json) cli_put_text(out, "]");
    if (e->sets > 1) {
        if (json) cli_put_text(out, ",\"mean\":");
        put_row(out, e, "mean", n, mean);
        if (json) cli_put_text(out, "}");
    }
    if (json) cli_put_text(out, "}\n");
    for (int i = 0; i < e->sets && !json; i++)
        if (cli_put_confusion(out, &e->classifier, &e->set[i].confusion, set_name(e, i), err) < 0)
            return err->code;
    return 0;
}

static void say(const void *self, long long records, double seconds)
{
    const examiner *e = self;
    const cli_counts *c = e->measure->answers  ? &e->classifier.counts
                        : e->measure->labels ? &e->encoder.counts
                                             : &e->counts;
    if (c->tokens) cli_say_counts(c, records, e->measure->unit, seconds);
}

static int run(const cli_command *self, const cli_settings *s)
{
    b4c_error err = { 0 };
    examiner e = { .settings = *s };
    if (s->text.n != 1)
        cli_fail(&err, B4C_E_ARG,
                 "%s: eval: wanted sts, rouge, bleu, distinct, ppl or classify; texts come with -f",
                 s->text.n ? "too many arguments" : "no measure");
    else
        e.measure = find_measure(s->text.item[0], &err);
    if (!e.measure) {
        cli_error(&err);
        return CLI_USAGE;
    }
    e.settings.text.n = 0;
    cli_job job = { .command = self,
                          .settings = &e.settings,
                          .want = e.measure->want,
                          .unit = e.measure->unit,
                          .model = e.measure->answers  ? &e.classifier.model
                                 : e.measure->labels ? &e.encoder.model
                                                     : &e.model,
                          .self = &e,
                          .prepare = prepare,
                          .begin = begin,
                          .chunk = examine_chunk,
                          .end = put_sets,
                          .say = say };
    e.job = &job;
    const int code = cli_job_run(&job);
    for (int i = 0; i < e.sets; i++) {
        cli_agreement_done(&e.set[i].agreement);
        cli_confusion_done(&e.set[i].confusion);
        b4c_distinct_free(e.set[i].distinct);
    }
    free(e.set);
    cli_texts_done(&e.texts);
    cli_encoder_close(&e.encoder);
    cli_classifier_close(&e.classifier);
    cli_model_close(&e.model);
    return code;
}

const cli_command cli_eval = {
    .bit = CLI_EVAL,
    .name = "eval",
    .operands = "sts|rouge|bleu|distinct|ppl|classify",
    .words = 1,
    .run = run,
    .summary = "Measures of a model, or of what was written, on files of examples",
    .about =
        "sts: how well the cosine of pairs agrees with their labels (--label): Spearman, Pearson "
        "and, for labels 0 and 1, the area under the ROC curve and the best F1.\n"
        "rouge, bleu: a column of what was written against one of what was wanted, by characters: "
        "F1 of ROUGE-1, -2 and -L, n-grams counted as often as they stand in both; BLEU of a text "
        "by up to four characters in a row, an order without a match counting as 0.1. Blanks do "
        "not count, letters are lower case.\n"
        "distinct: how varied texts are: of all the characters of a set the share of different "
        "ones, and the same of pairs of characters (distinct-1 and -2). It falls as texts become "
        "more, so sets of about a size compare.\n"
        "ppl: perplexity of a language model, a token and a character; a text longer than "
        "--max-length is read in windows that overlap by half.\n"
        "classify: what a classifier (task classify or pairs of a training, or a "
        "...ForSequenceClassification) says of texts against their labels (--label), which are "
        "the names that the model's files give to classes, or their numbers: accuracy, the mean "
        "F1 of all labels that were meant or said, and for each label precision, recall, F1 and "
        "what was said instead. --to tsv and json have every answer too. --pair: two texts read "
        "as one, as a model of pairs wants them anyway.\n"
        "\n"
        "Each -f is a set, and the last row is their mean.",
    .examples = "bert4c eval sts -f lcqmc.tsv -f bq.tsv --label 3\n"
                "bert4c eval rouge -f pairs.tsv\n"
                "bert4c paraphrase -f questions.txt -o variants.tsv\n"
                "bert4c eval distinct -f variants.tsv --column 2\n"
                "bert4c train examples/recipes/classify.json\n"
                "bert4c eval classify -m out-classify -f examples/comments.tsv --label 2\n"
                "bert4c eval ppl -m uer/gpt2-chinese-cluecorpussmall -f sentences.txt\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_TSV | 1 << CLI_JSON,
    .format = CLI_TEXT,
};
