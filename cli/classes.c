/* classes.c - see classes.h. */
#include "classes.h"
#include "utf8.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_WIDTH = 28, COLUMN = 10 };

int cli_classifier_open(cli_classifier *x, const cli_settings *s, b4c_error *err)
{
    b4c_model_info info;
    *x = (cli_classifier){ .options = { (int)s->max_length, (b4c_truncate)s->truncate } };
    if (!s->model)
        return cli_fail(err, B4C_E_ARG,
                        "missing option: eval classify: wanted -m, a model with a classifier");
    if (cli_model_open(&x->model, s, NULL, CLI_ENCODER, err) < 0) return err->code;
    b4c_model_describe(x->model.model, &info);
    x->classes = info.classes;
    x->pairs = info.classes_of_pairs || s->pair;
    if (info.classes >= 2) return 0;
    return cli_fail(err, B4C_E_MISSING,
                    "no classes: %s: found %s, wanted a classifier of 2 classes or more; train one "
                    "(task classify or pairs), or take a ...ForSequenceClassification",
                    x->model.path, info.classes ? "a single number" : "no classifier of texts");
}

void cli_classifier_close(cli_classifier *x)
{
    cli_texts_done(&x->first);
    cli_texts_done(&x->second);
    free(x->logits);
    free(x->label);
    free(x->said);
    cli_model_close(&x->model);
}

/* ---- answers --------------------------------------------------------------------------------- */

static const char *name_of(const cli_classifier *x, int class)
{
    return b4c_model_label(x->model.model, class);
}

/* A class by its name, else by its number; -1: none. */
static int find_class(const cli_classifier *x, const char *label, size_t size)
{
    char digits[12], *end;
    for (int i = 0; i < x->classes; i++)
        if (strlen(name_of(x, i)) == size && !memcmp(name_of(x, i), label, size)) return i;
    if (size == 0 || size >= sizeof digits || label[strspn(label, "0123456789")]) return -1;
    const long number = strtol(memcpy(digits, label, size + 1), &end, 10);
    return number < x->classes ? (int)number : -1;
}

static int read_label(const cli_classifier *x, const cli_chunk *c, const cli_record *r, int *class,
                      b4c_error *err)
{
    const char *label = cli_at(c, r->label);
    *class = find_class(x, label, r->label.size);
    if (*class >= 0) return 0;
    char names[200] = "";
    for (int i = 0; i < x->classes && i < 6; i++)
        cli_add_name(names, sizeof names, 24, i < 5 ? name_of(x, i) : "...");
    return cli_fail(err, B4C_E_FORMAT,
                    "wrong label: found '%.40s', wanted a class of the model (%s) or its number, 0 "
                    "to %d; --label says which column, and --header that the first line is none",
                    label, names, x->classes - 1);
}

static int make_room(cli_classifier *x, int n, b4c_error *err)
{
    if (n <= x->room) return 0;
    free(x->logits);
    free(x->label);
    free(x->said);
    x->logits = malloc((size_t)n * (size_t)x->classes * sizeof *x->logits);
    x->label = malloc((size_t)n * sizeof *x->label);
    x->said = malloc((size_t)n * sizeof *x->said);
    x->room = x->logits && x->label && x->said ? n : 0;
    return x->room ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory for the classes of %d texts", n);
}

static const float *logits_of(const cli_classifier *x, int record)
{
    return x->logits + (size_t)record * (size_t)x->classes;
}

int cli_classifier_run(cli_classifier *x, const cli_chunk *c, b4c_error *err)
{
    if (make_room(x, c->n, err) < 0) return err->code;
    for (int i = 0; i < c->n; i++)
        if (read_label(x, c, c->record + i, x->label + i, err) < 0) return err->code;
    if (cli_texts_take(&x->first, c, 0, err) < 0) return err->code;
    if (x->pairs && cli_texts_take(&x->second, c, 1, err) < 0) return err->code;
    if (b4c_classify(x->model.session, x->first.text, x->first.size,
                     x->pairs ? x->second.text : NULL, x->pairs ? x->second.size : NULL, c->n,
                     &x->options, x->logits, err) < 0)
        return err->code;
    cli_count(&x->counts, x->model.session);
    for (int i = 0; i < c->n; i++) {
        const float *z = logits_of(x, i);
        x->said[i] = 0;
        for (int k = 1; k < x->classes; k++)
            if (z[k] > z[x->said[i]]) x->said[i] = k;
    }
    return 0;
}

/* ---- confusion ------------------------------------------------------------------------------- */

int cli_confusion_add(cli_confusion *f, const cli_classifier *x, int record, b4c_error *err)
{
    const size_t n = (size_t)x->classes;
    if (!f->count) f->count = calloc(n * n, sizeof *f->count);
    if (!f->count) return cli_fail(err, B4C_E_MEMORY, "no memory for %d classes", x->classes);
    f->classes = x->classes;
    f->count[(size_t)x->label[record] * n + (size_t)x->said[record]]++;
    return 0;
}

void cli_confusion_done(cli_confusion *f)
{
    free(f->count);
    *f = (cli_confusion){ 0 };
}

/* ---- every record ---------------------------------------------------------------------------- */

static void put_name(cli_output *out, const cli_classifier *x, int class)
{
    const char *name = name_of(x, class);
    if (out->format == CLI_JSON) cli_put_json(out, name, strlen(name));
    else cli_put_field(out, name, strlen(name));
}

void cli_put_answers_head(cli_output *out, const cli_classifier *x)
{
    if (out->format == CLI_TSV)
        cli_put_text(out, x->pairs ? "set\tlabel\tpredicted\tp\ttext\tsecond\n"
                                   : "set\tlabel\tpredicted\tp\ttext\n");
    if (out->format != CLI_JSON) return;
    cli_put_text(out, "{\"measure\":\"classify\",\"labels\":[");
    for (int k = 0; k < x->classes; k++) {
        if (k) cli_put_text(out, ",");
        put_name(out, x, k);
    }
    cli_put_text(out, "],\"predictions\":[");
}

/* Probability of a class, by the softmax of a record's logits. */
static double probability(const cli_classifier *x, int record, int class)
{
    const float *z = logits_of(x, record), most = z[x->said[record]];
    double sum = 0;
    for (int k = 0; k < x->classes; k++) sum += exp((double)z[k] - (double)most);
    return exp((double)z[class] - (double)most) / sum;
}

static void put_json_answer(cli_output *out, const cli_classifier *x, const cli_chunk *c, int i,
                            const char *set)
{
    const cli_record *r = c->record + i;
    cli_put_text(out, out->records + i ? ",\n{\"set\":" : "\n{\"set\":");
    cli_put_json(out, set, strlen(set));
    cli_put_text(out, ",\"text\":");
    cli_put_json(out, cli_at(c, r->text[0]), r->text[0].size);
    if (x->pairs) {
        cli_put_text(out, ",\"second\":");
        cli_put_json(out, cli_at(c, r->text[1]), r->text[1].size);
    }
    cli_put_text(out, ",\"label\":");
    put_name(out, x, x->label[i]);
    cli_put_text(out, ",\"predicted\":");
    put_name(out, x, x->said[i]);
    for (int k = 0; k < x->classes; k++)
        cli_print(out, "%s%.6g", k ? "," : ",\"p\":[", probability(x, i, k));
    cli_put_text(out, "]}");
}

void cli_put_answer(cli_output *out, const cli_classifier *x, const cli_chunk *c, int i,
                    const char *set)
{
    const cli_record *r = c->record + i;
    if (out->format == CLI_JSON) put_json_answer(out, x, c, i, set);
    if (out->format != CLI_TSV) return;
    cli_put_field(out, set, strlen(set));
    cli_put_text(out, "\t");
    put_name(out, x, x->label[i]);
    cli_put_text(out, "\t");
    put_name(out, x, x->said[i]);
    cli_print(out, "\t%.6g\t", probability(x, i, x->said[i]));
    cli_put_field(out, cli_at(c, r->text[0]), r->text[0].size);
    if (x->pairs) {
        cli_put_text(out, "\t");
        cli_put_field(out, cli_at(c, r->text[1]), r->text[1].size);
    }
    cli_put_text(out, "\n");
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void put_left(cli_output *out, const char *text, int width)
{
    cli_put_text(out, text);
    for (int k = cli_width(text, strlen(text)); k < width; k++) cli_put_text(out, " ");
}

static void put_right(cli_output *out, const char *text, int width)
{
    cli_put_text(out, " ");
    for (int k = cli_width(text, strlen(text)); k < width; k++) cli_put_text(out, " ");
    cli_put_text(out, text);
}

static void put_labels(cli_output *out, const cli_classifier *x, const b4c_class_measure *each,
                       const char *set)
{
    cli_put_text(out, "\n");
    put_left(out, set, NAME_WIDTH);
    cli_print(out, " %8s %10s %10s %10s %10s\n", "texts", "predicted", "precision", "recall", "f1");
    for (int k = 0; k < x->classes; k++) {
        put_left(out, name_of(x, k), NAME_WIDTH);
        cli_print(out, " %8lld %10lld %10.2f %10.2f %10.2f\n", (long long)each[k].meant,
                  (long long)each[k].said, 100 * each[k].precision, 100 * each[k].recall,
                  100 * each[k].f1);
    }
}

static void put_counts(cli_output *out, const cli_classifier *x, const int64_t *count)
{
    const size_t n = (size_t)x->classes;
    int width = COLUMN;
    for (int k = 0; k < x->classes; k++) {
        const int w = cli_width(name_of(x, k), strlen(name_of(x, k)));
        if (w > width) width = w;
    }
    cli_put_text(out, "\n");
    put_left(out, "label, and what was said", NAME_WIDTH);
    for (int k = 0; k < x->classes; k++) put_right(out, name_of(x, k), width);
    cli_put_text(out, "\n");
    for (size_t i = 0; i < n; i++) {
        put_left(out, name_of(x, (int)i), NAME_WIDTH);
        for (size_t k = 0; k < n; k++)
            cli_print(out, " %*lld", width, (long long)count[i * n + k]);
        cli_put_text(out, "\n");
    }
}

static void put_json_confusion(cli_output *out, const cli_classifier *x,
                               const b4c_class_measure *each, const int64_t *count)
{
    const size_t n = (size_t)x->classes;
    for (int k = 0; k < x->classes; k++) {
        cli_put_text(out, k ? ",{\"label\":" : ",\"labels\":[{\"label\":");
        put_name(out, x, k);
        cli_print(out,
                  ",\"texts\":%lld,\"predicted\":%lld,\"precision\":%.10g,\"recall\":%.10g,"
                  "\"f1\":%.10g}",
                  (long long)each[k].meant, (long long)each[k].said, each[k].precision,
                  each[k].recall, each[k].f1);
    }
    cli_put_text(out, "],\"confusion\":");
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++)
            cli_print(out, "%s%lld", k ? "," : i ? ",[" : "[[", (long long)count[i * n + k]);
        cli_put_text(out, "]");
    }
    cli_put_text(out, "]");
}

int cli_put_confusion(cli_output *out, const cli_classifier *x, const cli_confusion *f,
                      const char *set, b4c_error *err)
{
    double accuracy, macro_f1;
    if (!f->count) return 0;
    b4c_class_measure *each = malloc((size_t)x->classes * sizeof *each);
    if (!each) return cli_fail(err, B4C_E_MEMORY, "no memory for %d classes", x->classes);
    b4c_classes_measure(f->count, x->classes, &accuracy, &macro_f1, each);
    if (out->format == CLI_JSON) {
        put_json_confusion(out, x, each, f->count);
    } else {
        put_labels(out, x, each, set);
        put_counts(out, x, f->count);
    }
    free(each);
    return 0;
}
