/* evaluate.c - measuring a training on its held-out data. See evaluate.h. */
#include "train/evaluate.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>

/* ---- the metric ------------------------------------------------------------------------------ */

/* What is measured when the recipe does not say. */
static b4c_metric usual_metric(const b4c_task *k)
{
    if (k->kind == B4C_TASK_COSENT || k->kind == B4C_TASK_ROFORMER_SIM_FT)
        return B4C_METRIC_SPEARMAN;
    return k->classes ? B4C_METRIC_ACCURACY : B4C_METRIC_LOSS;
}

int b4c_evaluate_begin(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    t->metric = r->metric < 0 ? usual_metric(&t->learner.task) : (b4c_metric)r->metric;
    if (t->metric == B4C_METRIC_ACCURACY && !t->learner.task.classes)
        return b4c_fail(err, B4C_E_ARG, "%s: evaluate: task '%s' has no classes to be right about",
                        r->where, b4c_task_name(r->task));
    return 0;
}

/* ---- sums over batches ----------------------------------------------------------------------- */

typedef struct measures {
    b4c_losses sum;          /* each part times what it counts */
    double vectors;          /* batches whose vectors counted */
    double *cosine, *label;
    size_t n, room;
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
    B4C_TRY(b4c_learner_measure(&t->learner, &t->measured, &one, err));
    m->sum.tokens += one.tokens * one.n_tokens;
    m->sum.classes += one.classes * one.n_classes;
    m->sum.vectors += one.vectors;
    m->sum.n_tokens += one.n_tokens;
    m->sum.n_classes += one.n_classes;
    m->sum.right += one.right;
    m->vectors++;
    return 0;
}

static int measure_all(b4c_trainer *t, measures *m, b4c_error *err)
{
    const bool by_label = t->metric == B4C_METRIC_SPEARMAN;
    const int most = t->recipe.evaluate_batches;
    int rc = t->held_out->seek(t->held_out, (b4c_place){ 0, 0 }, err);
    for (int n = 0; rc >= 0 && (most == 0 || n < most); n++) {
        rc = b4c_trainer_batch(t, t->held_out, &t->measured, by_label, err);
        if (rc <= 0) break;
        rc = by_label ? add_cosines(t, m, err) : add_losses(t, m, err);
    }
    return rc < 0 ? rc : 0;
}

static int value_of(const b4c_trainer *t, const measures *m, double *value, b4c_error *err)
{
    const b4c_losses *s = &m->sum;
    *value = NAN;
    if (t->metric == B4C_METRIC_SPEARMAN)
        return t->parts.correlate(m->label, m->cosine, m->n, value, err);
    if (t->metric == B4C_METRIC_ACCURACY) {
        if (s->n_classes) *value = (double)s->right / s->n_classes;
    } else if (m->vectors > 0) {
        *value = (s->n_tokens ? s->tokens / s->n_tokens : 0) +
                 (s->n_classes ? s->classes / s->n_classes : 0) + s->vectors / m->vectors;
    }
    return 0;
}

int b4c_evaluate(b4c_trainer *t, double *value, b4c_error *err)
{
    measures m = { 0 };
    int rc = measure_all(t, &m, err);
    if (rc == 0) rc = value_of(t, &m, value, err);
    free(m.cosine);
    free(m.label);
    return rc;
}
