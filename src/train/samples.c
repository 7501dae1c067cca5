/* samples.c - see samples.h. A text is read as the task reads one: a language model goes on behind
 * it, a task with sources answers it, a masked language model fills its masks.
 */
#include "train/samples.h"
#include "base/error.h"
#include "text/tokenizer.h"
#include "train/evaluate.h"
#include <stdlib.h>
#include <string.h>

enum { USUAL_TOKENS = 48 };

static int new_tokens(const b4c_trainer *t)
{
    const b4c_recipe *r = &t->recipe;
    return r->samples.max_new_tokens ? r->samples.max_new_tokens
         : r->max_target             ? r->max_target
                                     : USUAL_TOKENS;
}

/* Tokens that a text may have so that there is room to write. */
static int source_room(const b4c_trainer *t)
{
    const int length = b4c_trainer_length(t, t->recipe.max_length);
    if (t->parts.spec->decoder_layers) return length;
    const int own = new_tokens(t) < length / 2 ? new_tokens(t) : length / 2;
    return length - own;
}

/* ---- sources --------------------------------------------------------------------------------- */

static int read_text(const b4c_trainer *t, const char *text, b4c_encoding *e, b4c_error *err)
{
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    how.max_length = source_room(t);
    B4C_TRY(b4c_tokenize(t->parts.tokenizer, text, SIZE_MAX, NULL, 0, &how, e, err));
    if (!b4c_task_has_source(&t->learner.task)) b4c_encoding_reopen(e);
    return e->n ? 0 : b4c_fail(err, B4C_E_TEXT, "no token is left of it");
}

static int read_sources(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe_samples *r = &t->recipe.samples;
    b4c_samples *s = &t->samples;
    b4c_encoding e = { 0 };
    int rc = 0;
    for (int i = 0; i < r->n && rc == 0; i++) {
        rc = read_text(t, r->text[i], &e, err);
        if (rc < 0) break;
        b4c_buffer_add(&s->ids, e.ids, (size_t)e.n * sizeof *e.ids);
        s->length[i] = e.n;
    }
    b4c_encoding_free(&e);
    if (rc < 0) return b4c_fail_in(err, "%s: samples", t->recipe.where);
    return s->ids.failed ? b4c_fail(err, B4C_E_MEMORY, "no memory for samples' tokens") : 0;
}

int b4c_samples_begin(b4c_trainer *t, b4c_error *err)
{
    const b4c_recipe *r = &t->recipe;
    const b4c_recipe_samples *o = &r->samples;
    b4c_samples *s = &t->samples;
    const b4c_reading reading = b4c_trainer_reading(t);
    if (o->every == 0) return 0;
    if (reading == B4C_READ_AUTO || !t->parts.scribe.write)
        return b4c_fail(err, B4C_E_ARG, "%s: samples: task '%s' writes nothing", r->where,
                        b4c_task_name(r->task));
    if (reading == B4C_READ_MASKED && o->count > 1)
        return b4c_fail(err, B4C_E_ARG, "%s: samples: \"count\" is %d, but masks are filled once",
                        r->where, o->count);
    s->n = o->n * o->count;
    s->length = calloc((size_t)o->n, sizeof *s->length);
    s->text = calloc((size_t)s->n, sizeof *s->text);
    s->sample = calloc((size_t)s->n, sizeof *s->sample);
    if (!s->length || !s->text || !s->sample)
        return b4c_fail(err, B4C_E_MEMORY, "no memory for %d samples", s->n);
    return reading == B4C_READ_MASKED ? 0 : read_sources(t, err);
}

static void forget(b4c_samples *s)
{
    for (int i = 0; s->text && i < s->n; i++) {
        free(s->text[i]);
        s->text[i] = NULL;
    }
}

void b4c_samples_done(b4c_samples *s)
{
    forget(s);
    free(s->text);
    free(s->sample);
    free(s->length);
    b4c_buffer_done(&s->ids);
    *s = (b4c_samples){ 0 };
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_texts(b4c_trainer *t, b4c_reading reading, b4c_error *err)
{
    const b4c_recipe_samples *o = &t->recipe.samples;
    b4c_samples *s = &t->samples;
    b4c_writing w = { .net = &t->learner.net, .how = B4C_GENERATE_DEFAULT, .n = o->n,
                      .ids = (const int32_t *)(const void *)s->ids.data, .length = s->length,
                      .text = s->text };
    w.how.reading = reading;
    w.how.n = o->count;
    w.how.max_new_tokens = new_tokens(t);
    w.how.sample = o->temperature > 0;
    w.how.temperature = (float)o->temperature;
    w.how.top_k = o->top_k;
    w.how.top_p = (float)o->top_p;
    w.how.seed = t->recipe.seed;
    return t->parts.scribe.write(t->parts.scribe.arg, &w, err);
}

static int fill_texts(b4c_trainer *t, b4c_error *err)
{
    const b4c_scribe *w = &t->parts.scribe;
    for (int i = 0; i < t->samples.n; i++) {
        t->samples.text[i] = w->fill(w->arg, &t->learner.net, t->recipe.samples.text[i], err);
        if (!t->samples.text[i]) return err->code;
    }
    return 0;
}

static int log_sample(const b4c_trainer *t, const b4c_train_sample *s, b4c_error *err)
{
    json_t *o = json_pack("{s:I,s:s,s:s}", "step", (json_int_t)t->standing.step, "sample",
                          s->source, "wrote", s->text);
    char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!line) return b4c_fail(err, B4C_E_MEMORY, "no memory for a line of the log");
    fprintf(t->log, "%s\n", line);
    free(line);
    return 0;
}

int b4c_samples_write(b4c_trainer *t, b4c_train_report *r, b4c_error *err)
{
    const b4c_recipe_samples *o = &t->recipe.samples;
    const b4c_reading reading = b4c_trainer_reading(t);
    b4c_samples *s = &t->samples;
    forget(s);
    B4C_TRY(reading == B4C_READ_MASKED ? fill_texts(t, err) : write_texts(t, reading, err));
    for (int i = 0; i < s->n; i++) {
        s->sample[i] = (b4c_train_sample){ o->text[i / o->count], s->text[i] };
        B4C_TRY(log_sample(t, s->sample + i, err));
    }
    r->sample = s->sample;
    r->samples = s->n;
    return 0;
}
