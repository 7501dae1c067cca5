/* evaluate.c - measuring a training on its held-out data. See evaluate.h.
 *
 * One idea: a batch of held-out examples holds all that a measure needs, also the one of texts: its
 * rows are the source as the task frames it, its targets are the tokens that were wanted. So the
 * text that is wanted is the target as the tokenizer knows it, cut where the training cuts it.
 */
#include "train/evaluate.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the metric ------------------------------------------------------------------------------ */

/* What is measured when the recipe does not say. */
static b4c_metric usual_metric(const b4c_task *k)
{
    if (k->kind == B4C_TASK_COSENT || k->kind == B4C_TASK_ROFORMER_SIM_FT)
        return B4C_METRIC_SPEARMAN;
    return k->classes ? B4C_METRIC_ACCURACY : B4C_METRIC_LOSS;
}

static bool is_of_texts(b4c_metric m) { return m >= B4C_METRIC_ROUGE_1 && m <= B4C_METRIC_BLEU; }

bool b4c_metric_falls(b4c_metric m) { return m == B4C_METRIC_LOSS || m == B4C_METRIC_PERPLEXITY; }

b4c_reading b4c_trainer_reading(const b4c_trainer *t)
{
    const b4c_task *k = &t->learner.task;
    if (!k->tokens) return B4C_READ_AUTO;
    if (k->kind == B4C_TASK_MLM) return B4C_READ_MASKED;
    if (t->parts.spec->decoder_layers) return B4C_READ_SEQ2SEQ;
    return k->mask == B4C_MASK_PREFIX && t->parts.spec->segments > 1 ? B4C_READ_PREFIX
                                                                     : B4C_READ_CAUSAL;
}

int b4c_evaluate_begin(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    const b4c_task *k = &t->learner.task;
    t->metric = r->metric < 0 ? usual_metric(k) : (b4c_metric)r->metric;
    const char *lack = t->metric == B4C_METRIC_ACCURACY && !k->classes && !k->tokens
                           ? "no classes or tokens to be right about"
                       : t->metric == B4C_METRIC_PERPLEXITY && !k->tokens
                           ? "no tokens to foretell"
                       : is_of_texts(t->metric) &&
                                 (!b4c_task_has_source(k) || !t->parts.scribe.write)
                           ? "no source that a text is written for"
                           : NULL;
    if (lack)
        return b4c_fail(err, B4C_E_ARG, "%s: evaluate: metric '%s': task '%s' has %s", r->where,
                        b4c_metric_name(t->metric), b4c_task_name(r->task), lack);
    if ((r->evaluate_beams || r->evaluate_new_tokens) && !is_of_texts(t->metric))
        return b4c_fail(err, B4C_E_ARG,
                        "%s: evaluate: \"beams\" and \"max_new_tokens\" are for metrics of texts: "
                        "rouge1, rouge2, rougeL, bleu",
                        r->where);
    return 0;
}

/* ---- sums over batches ----------------------------------------------------------------------- */

typedef struct measures {
    b4c_losses sum;          /* each part times what it counts */
    double vectors;          /* batches whose vectors counted */
    double *cosine, *label;
    size_t n, room;
    b4c_buffer source, source_length, target, target_length; /* int32_t; int [texts] */
} measures;

static int add_cosines(b4c_trainer *t, measures *m, b4c_error *err)
{
    const b4c_batch *b = &t->measured;
    const size_t n = (size_t)b->n_examples;
    if (m->n + n > m->room) {
        const size_t room = 2 * (m->n + n);
        double *cosine = realloc(m->cosine, room * sizeof *cosine);
        if (cosine) m->cosine = cosine;
        double *label = realloc(m->label, room * sizeof *label);
        if (label) m->label = label;
        if (!cosine || !label) return b4c_fail(err, B4C_E_MEMORY, "no memory for %zu pairs", room);
        m->room = room;
    }
    B4C_TRY(b4c_learner_cosines(&t->learner, b, m->cosine + m->n, err));
    for (size_t i = 0; i < n; i++) m->label[m->n + i] = (double)b->label[i];
    m->n += n;
    return 0;
}

static int add_losses(b4c_trainer *t, measures *m, b4c_error *err)
{
    b4c_losses one;
    B4C_TRY(b4c_learner_measure(&t->learner, &t->measured, t->metric != B4C_METRIC_LOSS, &one,
                                err));
    b4c_losses_add(&m->sum, &one, one.n_tokens, 1, one.n_classes);
    m->vectors++;
    return 0;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* The first `n` asked tokens and how many there are; an end that closes them is no text. */
static void add_target(measures *m, const int32_t *target, int n, int32_t end)
{
    int last = -1, count = 0;
    for (int i = 0; i < n; i++)
        if (target[i] >= 0) last = i;
    for (int i = 0; i <= last; i++) {
        if (target[i] < 0 || (i == last && target[i] == end)) continue;
        b4c_buffer_add(&m->target, target + i, sizeof *target);
        count++;
    }
    b4c_buffer_add(&m->target_length, &count, sizeof count);
}

/* Every sequence's source and target. */
static int add_sources(b4c_trainer *t, measures *m, b4c_error *err)
{
    const b4c_batch *b = &t->measured;
    const bool two = t->parts.spec->decoder_layers > 0;
    for (int s = 0; s < b->n_seq; s++) {
        const int from = b->seq_off[s], upto = b->seq_off[s + 1], out = b->out_off[s];
        int n = upto - from;
        while (!two && n > 1 && b->segments[from + n - 1] == 1) n--;
        b4c_buffer_add(&m->source, b->ids + from, (size_t)n * sizeof *b->ids);
        b4c_buffer_add(&m->source_length, &n, sizeof n);
        if (two) add_target(m, b->out_targets + out, b->out_off[s + 1] - out, t->parts.end);
        else add_target(m, b->targets + from, upto - from, t->parts.end);
    }
    return m->source.failed || m->source_length.failed || m->target.failed ||
                   m->target_length.failed
             ? b4c_fail(err, B4C_E_MEMORY, "no memory for the sources of held-out examples")
             : 0;
}

static int add_overlaps(const b4c_trainer *t, const measures *m, char *const *text, int n,
                        b4c_overlap *mean, b4c_error *err)
{
    const int32_t *target = (const int32_t *)(const void *)m->target.data;
    const int *length = (const int *)(const void *)m->target_length.data;
    for (int i = 0; i < n; target += length[i++]) {
        b4c_overlap one;
        char *wanted = b4c_detokenize(t->parts.tokenizer, target, length[i], false, err);
        if (!wanted) return B4C_E_MEMORY;
        const int rc = t->parts.scribe.overlap(text[i], strlen(text[i]), wanted, strlen(wanted),
                                               &one, err);
        free(wanted);
        if (rc < 0) return rc;
        mean->rouge_1 += one.rouge_1 / n;
        mean->rouge_2 += one.rouge_2 / n;
        mean->rouge_l += one.rouge_l / n;
        mean->bleu += one.bleu / n;
    }
    return 0;
}

/* All sources at once, so that the engine's batches are full to the end. */
static int compare_texts(b4c_trainer *t, const measures *m, b4c_evaluation *e, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    const int n = (int)(m->source_length.size / sizeof(int));
    int longest = 1;
    for (int i = 0; i < n; i++) {
        const int wanted = ((const int *)(const void *)m->target_length.data)[i];
        if (wanted > longest) longest = wanted;
    }
    b4c_writing w = { .net = &t->learner.net, .how = B4C_GENERATE_DEFAULT, .n = n,
                      .ids = (const int32_t *)(const void *)m->source.data,
                      .length = (const int *)(const void *)m->source_length.data };
    /* Without a word on it: half as long again as the longest that is wanted, and its end. */
    w.how.max_new_tokens = r->evaluate_new_tokens ? r->evaluate_new_tokens
                                                  : longest + longest / 2 + 1;
    w.how.beams = r->evaluate_beams ? r->evaluate_beams : 1;
    w.how.reading = b4c_trainer_reading(t);
    w.text = calloc((size_t)n + 1, sizeof *w.text);
    int rc = w.text ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for %d texts", n);
    if (rc == 0 && n) rc = t->parts.scribe.write(t->parts.scribe.arg, &w, err);
    if (rc == 0) rc = add_overlaps(t, m, w.text, n, &e->overlap, err);
    for (int i = 0; w.text && i < n; i++) free(w.text[i]);
    free(w.text);
    e->wrote = n > 0;
    return rc;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int measure_all(b4c_trainer *t, measures *m, b4c_error *err)
{
    const bool by_label = t->metric == B4C_METRIC_SPEARMAN;
    const int most = t->recipe.evaluate_batches;
    int rc = t->held_out->seek(t->held_out, (b4c_place){ 0, 0 }, err);
    for (int n = 0; rc >= 0 && (most == 0 || n < most); n++) {
        rc = b4c_trainer_batch(t, t->held_out, &t->measured, by_label, err);
        if (rc <= 0) break;
        rc = by_label                ? add_cosines(t, m, err)
           : is_of_texts(t->metric) ? add_sources(t, m, err)
                                     : add_losses(t, m, err);
    }
    return rc < 0 ? rc : 0;
}

static double loss_of(const measures *m)
{
    const b4c_losses *s = &m->sum;
    if (m->vectors == 0) return NAN;
    return (s->n_tokens ? s->tokens / s->n_tokens : 0) +
           (s->n_classes ? s->classes / s->n_classes : 0) + s->vectors / m->vectors;
}

static int value_of(b4c_trainer *t, const measures *m, b4c_evaluation *e, b4c_error *err)
{
    const b4c_losses *s = &m->sum;
    if (is_of_texts(t->metric)) {
        B4C_TRY(compare_texts(t, m, e, err));
        if (!e->wrote) return 0;
    }
    switch (t->metric) {
    case B4C_METRIC_LOSS: e->value = loss_of(m); break;
    case B4C_METRIC_PERPLEXITY: e->value = s->n_tokens ? exp(s->tokens / s->n_tokens) : NAN; break;
    case B4C_METRIC_SPEARMAN: return t->parts.correlate(m->label, m->cosine, m->n, &e->value, err);
    case B4C_METRIC_ACCURACY:
        if (s->n_classes) e->value = (double)s->right / s->n_classes;
        else if (s->n_tokens) e->value = (double)s->right_tokens / s->n_tokens;
        break;
    case B4C_METRIC_ROUGE_1: e->value = e->overlap.rouge_1; break;
    case B4C_METRIC_ROUGE_2: e->value = e->overlap.rouge_2; break;
    case B4C_METRIC_ROUGE_L: e->value = e->overlap.rouge_l; break;
    case B4C_METRIC_BLEU: e->value = e->overlap.bleu; break;
    case B4C_METRICS: break;
    }
    return 0;
}

int b4c_evaluate(b4c_trainer *t, b4c_evaluation *e, b4c_error *err)
{
    measures m = { 0 };
    *e = (b4c_evaluation){ .value = NAN };
    int rc = measure_all(t, &m, err);
    if (rc == 0) rc = value_of(t, &m, e, err);
    free(m.cosine);
    free(m.label);
    b4c_buffer_done(&m.source);
    b4c_buffer_done(&m.source_length);
    b4c_buffer_done(&m.target);
    b4c_buffer_done(&m.target_length);
    return rc;
}
