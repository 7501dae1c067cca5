/* fill.c - the best tokens for every mask in a text. */
#include "api/model.h"

#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Insert into best [top], falling p; equal p: the smaller id first. */
static void offer(b4c_candidate *best, int top, int *held, int32_t id, float p)
{
    int at = *held;
    if (at == top && p <= best[top - 1].p) return;
    if (at < top) ++*held;
    else at--;
    for (; at > 0 && best[at - 1].p < p; at--) best[at] = best[at - 1];
    best[at] = (b4c_candidate){ id, p };
}

/* Positions of the masks in a tokenized text into the result; memory for all of it. */
static int find_masks(b4c_fill_result *r, const b4c_encoding *e, int mask, int top, b4c_error *err)
{
    int masks = 0;
    for (int i = 0; i < e->n; i++) masks += e->ids[i] == mask;
    *r = (b4c_fill_result){ .masks = masks, .top = top };
    if (masks == 0) return 0;
    r->position = calloc((size_t)masks, sizeof *r->position);
    r->begin = calloc((size_t)masks, sizeof *r->begin);
    r->best = calloc((size_t)masks * (size_t)top, sizeof *r->best);
    if (!r->position || !r->begin || !r->best)
        return b4c_fail(err, B4C_E_MEMORY, "no memory for %d masks", masks);
    for (int i = 0, k = 0; i < e->n; i++)
        if (e->ids[i] == mask) {
            r->position[k] = i;
            r->begin[k++] = e->begin[i];
        }
    return 0;
}

/* Rows of logits at the masks: the last layer is asked for those rows alone. */
static b4c_tensor logits_at(b4c_tape *t, const b4c_network *net, const b4c_encoding *e,
                            const b4c_fill_result *r)
{
    b4c_tape_reset(t);
    const b4c_plan plan = b4c_plan_make(t, B4C_MASK_FULL, &e->n, 1, NULL);
    const b4c_stack_call call = {
        .plans = &plan, .n_plans = 1, .only = r->position, .n_only = r->masks
    };
    const b4c_tensor x = b4c_input(t, net, &net->encoder, e->ids, NULL, &plan, (b4c_dropping){ 0 });
    return b4c_logits(t, net, b4c_stack_run(t, net, &net->encoder, x, &call));
}

static int fill(b4c_session *s, const b4c_encoding *e, int top, b4c_fill_result *r, b4c_error *err)
{
    const b4c_model *m = s->model;
    /* Rows that pad the embedding have no token and no probability. */
    const int tokens = b4c_tokenizer_count(m->tokenizer);
    B4C_TRY(find_masks(r, e, m->tokens.mask, top < tokens ? top : tokens, err));
    if (r->masks == 0) return 0;
    b4c_tape *t = b4c_crew_joint(&s->crew);
    const b4c_tensor logits = logits_at(t, &m->net, e, r);
    const bool failed = t->failed;
    b4c_crew_apart(&s->crew);
    int rc = 0;
    for (int k = 0; !failed && k < r->masks && rc == 0; k++) {
        b4c_real *row = logits.x + (size_t)k * (size_t)logits.ld;
        int held = 0;
        for (int id = 0; id < tokens && rc == 0; id++)
            if (isnan(row[id]))
                rc = b4c_fail(err, B4C_E_NUMBER, "mask %d: the logit of token %d is NaN", k + 1,
                              id);
        t->kernels->softmax(row, (size_t)tokens);
        for (int32_t id = 0; id < tokens; id++)
            offer(r->best + (size_t)k * (size_t)r->top, r->top, &held, id, (float)row[id]);
    }
    b4c_crew_rest(&s->crew);
    return failed
             ? b4c_fail(err, B4C_E_MEMORY, "no memory for %d masks in %d tokens", r->masks, e->n)
             : rc;
}

int b4c_fill(b4c_session *s, const char *text, size_t len, const b4c_fill_options *options,
             b4c_fill_result *r, b4c_error *err)
{
    const b4c_model *m = s->model;
    const b4c_fill_options f = options ? *options : B4C_FILL_DEFAULT;
    const int most = m->net.spec.max_positions;
    *r = (b4c_fill_result){ 0 };
    if (f.top < 1) return b4c_fail(err, B4C_E_ARG, "top is %d, wanted 1 or more", f.top);
    if (f.max_length < 0 || (most && f.max_length > most))
        return b4c_fail(err, B4C_E_ARG, "max_length is %d, the model reads at most %d tokens",
                        f.max_length, most);
    if (!m->info.has_mlm)
        return b4c_fail(err, B4C_E_MISSING,
                        "the model's files hold no masked-LM head, so masks cannot be filled");
    if (!m->net.has_head)
        return b4c_fail(err, B4C_E_ARG,
                        "the model was opened without its masked-LM head; open it with need_head");
    if (!m->tokenizer)
        return b4c_fail(err, B4C_E_ARG, "the model was opened without its tokenizer");
    if (m->tokens.mask < 0) return b4c_fail(err, B4C_E_MISSING, "the tokenizer has no mask token");
    const b4c_tokenize_options o = { .max_length = f.max_length ? f.max_length : m->info.max_length,
                                     .truncate = f.truncate, .find_special = true };
    b4c_encoding e = { 0 };
    int rc = b4c_tokenize(m->tokenizer, text, len, NULL, 0, &o, &e, err);
    if (rc == 0) rc = fill(s, &e, f.top, r, err);
    s->stats = (b4c_encode_stats){
        .tokens = e.n, .unknown = e.unknown, .cut = e.cut, .texts_cut = e.cut > 0
    };
    b4c_encoding_free(&e);
    if (rc < 0) b4c_fill_result_free(r);
    return rc;
}

void b4c_fill_result_free(b4c_fill_result *r)
{
    if (!r) return;
    free(r->position);
    free(r->begin);
    free(r->best);
    *r = (b4c_fill_result){ 0 };
}
