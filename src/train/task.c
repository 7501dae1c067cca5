/* task.c - the tasks as data, and their one loss.
 *
 * Only what the loss reads is computed in the last layer: the rows that are asked for a token and
 * the first rows of sequences whose vectors count. So a pass looks like this:
 *
 *     rows ─► stack ─► wanted rows ─┬─► asked ─► head ─► cross entropy
 *                                   └─► first ─► pooler ─► vectors ─► their loss, or classes
 */
#include "train/task.h"
#include "base/error.h"
#include "model/classes.h"
#include <assert.h>
#include <math.h>
#include <string.h>

static const b4c_tensor nothing;

typedef struct choices {
    const char *name;
    b4c_mask mask;
    bool tokens;
    b4c_vector_loss vectors;
    double scale;            /* or weight */
    int classes;             /* -1: as many as the recipe says */
    bool by_pair;
} choices;

static const choices tasks[B4C_TASKS] = {
    [B4C_TASK_LM] = { "lm", B4C_MASK_CAUSAL, true, B4C_VECTORS_FREE, 0, 0, false },
    [B4C_TASK_MLM] = { "mlm", B4C_MASK_FULL, true, B4C_VECTORS_FREE, 0, 0, false },
    [B4C_TASK_SEQ2SEQ] = { "seq2seq", B4C_MASK_PREFIX, true, B4C_VECTORS_FREE, 0, 0, false },
    [B4C_TASK_DENOISE] = { "denoise", B4C_MASK_PREFIX, true, B4C_VECTORS_FREE, 0, 0, false },
    [B4C_TASK_PSEUDO_SUMMARY] = { "pseudo_summary", B4C_MASK_PREFIX, true, B4C_VECTORS_FREE, 0, 0,
                                  false },
    [B4C_TASK_SIMBERT] = { "simbert", B4C_MASK_PREFIX, true, B4C_VECTORS_CONTRAST, 30, 0, false },
    [B4C_TASK_ROFORMER_SIM] = { "roformer_sim", B4C_MASK_PREFIX, true, B4C_VECTORS_CONTRAST, 20, 0,
                                false },
    [B4C_TASK_DISTIL] = { "distil", B4C_MASK_PREFIX, true, B4C_VECTORS_FOLLOW, 100, 0, false },
    [B4C_TASK_ROFORMER_SIM_FT] = { "roformer_sim_ft", B4C_MASK_FULL, false, B4C_VECTORS_FREE, 0, 5,
                                   true },
    [B4C_TASK_COSENT] = { "cosent", B4C_MASK_FULL, false, B4C_VECTORS_COSENT, 20, 0, false },
    [B4C_TASK_SIMCSE] = { "simcse", B4C_MASK_FULL, false, B4C_VECTORS_CONTRAST, 20, 0, false },
    [B4C_TASK_INFONCE] = { "infonce", B4C_MASK_FULL, false, B4C_VECTORS_CONTRAST, 20, 0, false },
    [B4C_TASK_CLASSIFY] = { "classify", B4C_MASK_FULL, false, B4C_VECTORS_FREE, 0, -1, false },
    [B4C_TASK_PAIRS] = { "pairs", B4C_MASK_FULL, false, B4C_VECTORS_FREE, 0, -1, true },
};

const char *b4c_task_name(b4c_task_kind kind) { return tasks[kind].name; }

int b4c_task_find(const char *name)
{
    for (int i = 0; i < B4C_TASKS; i++)
        if (strcmp(tasks[i].name, name) == 0) return i;
    return -1;
}

/* ---- what a task is -------------------------------------------------------------------------- */

int b4c_task_make(b4c_task *k, b4c_task_kind kind, const b4c_spec *s, int classes, b4c_error *err)
{
    const choices *r = &tasks[kind];
    const bool two_stacks = s->decoder_layers > 0;
    *k = (b4c_task){ .kind = kind,
                     .mask = s->causal ? B4C_MASK_CAUSAL : two_stacks ? B4C_MASK_FULL : r->mask,
                     .tokens = r->tokens,
                     .vectors = r->vectors,
                     .pooling = s->pooler ? B4C_TASK_POOLER : B4C_TASK_FIRST,
                     .scale = r->scale,
                     .weight = r->scale,
                     .by_pair = r->by_pair,
                     .two_tasks = kind == B4C_TASK_ROFORMER_SIM_FT,
                     .classes = r->classes < 0 ? classes : r->classes };
    if (kind == B4C_TASK_CLASSIFY && s->pooler) k->pooling = B4C_TASK_POOLER_TANH;
    if (s->causal && kind == B4C_TASK_MLM)
        return b4c_fail(err, B4C_E_ARG,
                        "task 'mlm': a model of architecture '%s' sees the past only; train it as "
                        "'lm', or take an encoder",
                        s->architecture);
    if (two_stacks && !(kind >= B4C_TASK_SEQ2SEQ && kind <= B4C_TASK_PSEUDO_SUMMARY))
        return b4c_fail(err, B4C_E_ARG,
                        "task '%s': a model of architecture '%s' has an encoder and a decoder; "
                        "its tasks are 'seq2seq', 'denoise' and 'pseudo_summary'",
                        r->name, s->architecture);
    if (s->causal && (r->classes || r->vectors != B4C_VECTORS_FREE))
        return b4c_fail(err, B4C_E_ARG,
                        "task '%s': a model of architecture '%s' sees the past only, and the first "
                        "token, which stands for a text, nothing of it; take an encoder",
                        r->name, s->architecture);
    if (r->classes < 0 && classes < 2)
        return b4c_fail(err, B4C_E_ARG, "task '%s': %d classes, wanted 2 or more", r->name,
                        classes);
    return 0;
}

void b4c_losses_add(b4c_losses *sum, const b4c_losses *one, double tokens, double vectors,
                    double classes)
{
    sum->tokens += tokens * one->tokens;
    sum->vectors += vectors * one->vectors;
    sum->classes += classes * one->classes;
    sum->apart += (one->n_tokens ? tokens : vectors) * one->apart;
    sum->n_tokens += one->n_tokens;
    sum->n_classes += one->n_classes;
    sum->right += one->right;
    sum->right_tokens += one->right_tokens;
}

bool b4c_task_has_source(const b4c_task *k)
{
    return k->tokens && k->kind != B4C_TASK_LM && k->kind != B4C_TASK_MLM;
}

bool b4c_task_is_classifier(const b4c_task *k)
{
    return k->classes > 0 && !k->two_tasks && k->mask == B4C_MASK_FULL;
}

b4c_pooling b4c_task_pooled_as(const b4c_task *k)
{
    static const b4c_pooling as[] = { [B4C_TASK_POOLER] = B4C_POOL_LINEAR,
                                      [B4C_TASK_POOLER_TANH] = B4C_POOL_TANH,
                                      [B4C_TASK_FIRST] = B4C_POOL_CLS,
                                      [B4C_TASK_MEAN] = B4C_POOL_MEAN };
    return as[k->pooling];
}

bool b4c_task_is_hub_classifier(const b4c_task *k, const b4c_spec *s)
{
    return b4c_task_is_classifier(k) && !k->by_pair &&
           b4c_classes_of_hub(s, b4c_task_pooled_as(k));
}

bool b4c_task_needs_head(const b4c_task *k) { return k->tokens; }

static bool wants_vectors(const b4c_task *k)
{
    return k->vectors != B4C_VECTORS_FREE || k->classes > 0;
}

bool b4c_task_needs_pooler(const b4c_task *k)
{
    return wants_vectors(k) &&
           (k->pooling == B4C_TASK_POOLER || k->pooling == B4C_TASK_POOLER_TANH);
}

int b4c_task_class_cols(const b4c_task *k, const b4c_spec *s)
{
    return k->by_pair ? 3 * s->width : s->width;
}

static bool wants_pairs(const b4c_task *k)
{
    return k->by_pair || k->vectors != B4C_VECTORS_FREE;
}

static int check_example(const b4c_task *k, const b4c_batch *b, int e, b4c_error *err)
{
    const int n = b->example_off[e + 1] - b->example_off[e];
    const bool negatives = k->kind == B4C_TASK_INFONCE;
    const int wanted = wants_pairs(k) ? 2 : 1;
    if (negatives ? n < wanted : n != wanted)
        return b4c_fail(err, B4C_E_ARG, "task '%s': example %d has %d sequences, wanted %s%d",
                        b4c_task_name(k->kind), e, n, negatives ? "at least " : "", wanted);
    const float label = b->label[e];
    if (k->classes && !(label >= 0 && label < (float)k->classes && label == truncf(label)))
        return b4c_fail(err, B4C_E_ARG, "task '%s': example %d has label %g, wanted 0 to %d",
                        b4c_task_name(k->kind), e, (double)label, k->classes - 1);
    if (k->vectors == B4C_VECTORS_COSENT && !isfinite(label))
        return b4c_fail(err, B4C_E_ARG, "task '%s': example %d has no finite label",
                        b4c_task_name(k->kind), e);
    return 0;
}

int b4c_batch_targets(const b4c_batch *b)
{
    int n = 0;
    for (int i = 0; i < b->n_rows; i++) n += b->targets[i] >= 0;
    for (int i = 0; i < b->n_out; i++) n += b->out_targets[i] >= 0;
    return n;
}

int b4c_task_check(const b4c_task *k, const b4c_spec *s, const b4c_batch *b, b4c_error *err)
{
    for (int e = 0; e < b->n_examples; e++) B4C_TRY(check_example(k, b, e, err));
    for (int i = 0; s->segments && i < b->n_rows; i++)
        if (b->segments[i] < 0 || b->segments[i] >= s->segments)
            return b4c_fail(err, B4C_E_ARG, "row %d of the batch: segment is %d, wanted 0 to %d",
                            i, (int)b->segments[i], s->segments - 1);
    for (int q = 0; s->decoder_layers && q < b->n_seq; q++)
        if (b->out_off[q] == b->out_off[q + 1])
            return b4c_fail(err, B4C_E_ARG, "sequence %d of the batch has no target", q);
    return 0;
}

/* ---- the rows that are read ------------------------------------------------------------------ */

/* Rows wanted of the last layer (only NULL: all), and where in them stand those that are asked for
 * a token and the first ones. */
typedef struct wanted {
    int *only, n_only;
    int *asked, n_asked;
    int32_t *target;         /* [n_asked] */
    int *first;              /* [n_seq] */
} wanted;

static bool is_first(const b4c_batch *b, int row, int *s)
{
    while (*s < b->n_seq && b->seq_off[*s] < row) (*s)++;
    return *s < b->n_seq && b->seq_off[*s] == row;
}

static wanted rows_wanted(b4c_tape *t, const b4c_batch *b, bool tokens, bool firsts, bool all)
{
    const size_t rows = (size_t)b->n_rows * sizeof(int);
    wanted w = { .only = b4c_take(t, rows), .asked = b4c_take(t, rows),
                 .target = b4c_take(t, rows),
                 .first = b4c_take(t, (size_t)b->n_seq * sizeof(int)) };
    if (t->failed) return w;
    /* A batch may by chance have no target: then one row is computed and not counted. */
    const bool none = tokens && b4c_batch_targets(b) == 0;
    for (int i = 0, s = 0; i < b->n_rows; i++) {
        const bool ask = tokens && (b->targets[i] >= 0 || (none && i == 0)),
                   first = firsts && is_first(b, i, &s);
        if (!ask && !first && !all) continue;
        if (ask) {
            w.target[w.n_asked] = b->targets[i];
            w.asked[w.n_asked++] = w.n_only;
        }
        if (first) w.first[s] = w.n_only;
        w.only[w.n_only++] = i;
    }
    if (w.n_only == b->n_rows) w.only = NULL;
    return w;
}

static const int *lengths_of(b4c_tape *t, const int *off, int n_seq)
{
    int *n = b4c_take(t, (size_t)n_seq * sizeof *n);
    for (int s = 0; n && s < n_seq; s++) n[s] = off[s + 1] - off[s];
    return n;
}

static b4c_tensor encode(b4c_tape *t, const b4c_network *net, const b4c_task *k, const b4c_batch *b,
                         const wanted *w, b4c_dropping drop)
{
    const int *lengths = lengths_of(t, b->seq_off, b->n_seq);
    if (t->failed) return nothing;
    b4c_plan *plan = b4c_take(t, sizeof *plan);
    const b4c_plan made = b4c_plan_make(t, k->mask, lengths, b->n_seq, b->segments);
    if (t->failed) return nothing;
    *plan = made;
    const b4c_stack_call call = { .plans = plan, .n_plans = 1, .drop = drop,
                                  .recompute = k->recompute,
                                  .only = w ? w->only : NULL, .n_only = w ? w->n_only : 0 };
    /* what sees the past only writes in its source's segment */
    const bool one = k->tokens && k->mask == B4C_MASK_CAUSAL;
    const int32_t *segments = net->spec.segments && !one ? b->segments : NULL;
    const b4c_tensor x = b4c_input(t, net, &net->encoder, b->ids, segments, plan, drop);
    return b4c_stack_run(t, net, &net->encoder, x, &call);
}

static b4c_tensor decode(b4c_tape *t, const b4c_network *net, const b4c_task *k, const b4c_batch *b,
                         b4c_tensor memory, b4c_dropping drop)
{
    const int *out = lengths_of(t, b->out_off, b->n_seq);
    const int *in = lengths_of(t, b->seq_off, b->n_seq);
    b4c_plan *plan = b4c_take(t, 2 * sizeof *plan);
    if (t->failed) return nothing;
    plan[0] = b4c_plan_make(t, B4C_MASK_CAUSAL, out, b->n_seq, NULL);
    plan[1] = b4c_plan_cross(t, out, in, b->n_seq);
    if (t->failed) return nothing;
    const b4c_stack_call call = {
        .plans = plan, .n_plans = 1, .memory = memory, .cross = plan + 1, .drop = drop,
        .recompute = k->recompute
    };
    const b4c_tensor x = b4c_input(t, net, &net->decoder, b->out_ids, NULL, plan, drop);
    return b4c_stack_run(t, net, &net->decoder, x, &call);
}

static b4c_tensor pooled(b4c_tape *t, const b4c_network *net, const b4c_task *k, b4c_tensor x,
                         const b4c_batch *b, const wanted *w)
{
    if (t->failed) return nothing;
    if (k->pooling == B4C_TASK_MEAN)
        return b4c_pooled(t, x, b->seq_off, b->n_seq, B4C_POOL_ROW_MEAN);
    const b4c_tensor first = b4c_gather(t, x, w->first, b->n_seq);
    if (k->pooling == B4C_TASK_FIRST) return first;
    return b4c_pooler(t, net, first, k->pooling == B4C_TASK_POOLER_TANH);
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* Each example's first two sequences are each other's; further ones are nobody's. */
static const int *positives(b4c_tape *t, const b4c_batch *b)
{
    int *p = b4c_take(t, (size_t)b->n_seq * sizeof *p);
    for (int e = 0; p && e < b->n_examples; e++) {
        const int s = b->example_off[e];
        for (int i = s; i < b->example_off[e + 1]; i++) p[i] = -1;
        p[s] = s + 1;
        p[s + 1] = s;
    }
    return p;
}

static const b4c_real *labels_of(b4c_tape *t, const b4c_batch *b)
{
    b4c_real *l = b4c_take_rows(t, 1, b->n_examples);
    for (int e = 0; l && e < b->n_examples; e++) l[e] = (b4c_real)b->label[e];
    return l;
}

static b4c_tensor vector_loss(b4c_tape *t, const b4c_task *k, b4c_tensor vectors,
                              const b4c_task_call *c, double *note)
{
    const b4c_tensor u = b4c_unit(t, vectors);
    b4c_tensor loss = nothing;
    if (k->vectors == B4C_VECTORS_FOLLOW) {
        loss = b4c_similarity_mse(t, u, c->teacher, (b4c_real)k->weight);
    } else if (k->vectors == B4C_VECTORS_COSENT) {
        loss = b4c_cosent(t, u, labels_of(t, c->batch), (b4c_real)k->scale);
    } else {
        const int *positive = positives(t, c->batch);
        if (!t->failed) loss = b4c_contrastive(t, u, positive, (b4c_real)k->scale);
    }
    if (!t->failed) *note = (double)loss.x[0];
    return loss;
}

static int right_ones(b4c_tensor z, const int32_t *target, const uint8_t *allowed)
{
    int right = 0;
    for (int i = 0; i < z.rows; i++) {
        const b4c_real *x = b4c_row_of(z, i);
        int best = -1;
        for (int c = 0; c < z.cols; c++)
            if ((!allowed || allowed[(size_t)i * (size_t)z.cols + (size_t)c]) &&
                (best < 0 || x[c] > x[best]))
                best = c;
        right += best == target[i];
    }
    return right;
}

/* Which classes an example's row may choose among: its task's. */
static uint8_t *allowed_classes(b4c_tape *t, const b4c_batch *b, int classes)
{
    uint8_t *a = b4c_take(t, (size_t)b->n_examples * (size_t)classes);
    for (int e = 0; a && e < b->n_examples; e++)
        for (int c = 0; c < classes; c++)
            a[e * classes + c] = (b->label[e] < 1.5f) == (c < 2);
    return a;
}

/* A loss of what is asked, from logits z; with their agreement where everything was read twice. */
static b4c_tensor asked_loss(b4c_tape *t, const b4c_task *k, const b4c_task_call *c, b4c_tensor z,
                             const int32_t *target, const uint8_t *allowed, double *note,
                             double *apart)
{
    const b4c_tensor loss =
        allowed ? b4c_masked_cross_entropy(t, z, target, allowed)
                : b4c_cross_entropy(t, z, target, c->strict ? 0 : (b4c_real)k->smoothing);
    if (t->failed) return nothing;
    *note = (double)loss.x[0];
    if (!c->twice || z.rows % 2) return loss;            /* odd: rows_wanted's row that asks none */
    const b4c_tensor a = b4c_agreement(t, z, target, (b4c_real)(k->rdrop / 4));
    if (t->failed) return nothing;
    *apart = (double)a.x[0];
    return b4c_sum(t, loss, a);
}

static b4c_tensor class_loss(b4c_tape *t, const b4c_network *net, const b4c_task *k,
                             b4c_tensor vectors, const b4c_task_call *c, b4c_losses *out)
{
    const b4c_batch *b = c->batch;
    const b4c_tensor features = k->by_pair ? b4c_pair_features(t, vectors) : vectors;
    const b4c_tensor z = b4c_linear(t, features, &net->classifier, B4C_ACT_NONE, B4C_ROWS);
    int32_t *target = b4c_take(t, (size_t)b->n_examples * sizeof *target);
    uint8_t *allowed = k->two_tasks ? allowed_classes(t, b, k->classes) : NULL;
    if (t->failed) return nothing;
    for (int e = 0; e < b->n_examples; e++) target[e] = (int32_t)b->label[e];
    out->n_classes = b->n_examples;
    out->right = right_ones(z, target, allowed);
    return asked_loss(t, k, c, z, target, allowed, &out->classes, &out->apart);
}

static b4c_tensor token_loss(b4c_tape *t, const b4c_network *net, const b4c_task *k, b4c_tensor x,
                             const wanted *w, const b4c_task_call *c, b4c_losses *out)
{
    const b4c_batch *b = c->batch;
    out->n_tokens = b4c_batch_targets(b);
    if (net->decoder.layers) {
        const b4c_tensor z = b4c_logits(t, net, decode(t, net, k, b, x, c->drop));
        b4c_look(t, "logits", net->decoder.layers, z);
        if (c->strict && !t->failed) out->right_tokens = right_ones(z, b->out_targets, NULL);
        return asked_loss(t, k, c, z, b->out_targets, NULL, &out->tokens, &out->apart);
    }
    const b4c_tensor asked = w->n_asked == x.rows ? x : b4c_gather(t, x, w->asked, w->n_asked);
    const b4c_tensor z = b4c_logits(t, net, asked);
    b4c_look(t, "logits", net->encoder.layers, z);
    if (c->strict && !t->failed) out->right_tokens = right_ones(z, w->target, NULL);
    return asked_loss(t, k, c, z, w->target, NULL, &out->tokens, &out->apart);
}

/* sum + factor * part. */
static b4c_tensor joined(b4c_tape *t, b4c_tensor sum, b4c_tensor part, double factor)
{
    if (t->failed) return nothing;
    if (factor != 1) part = b4c_scaled(t, part, (b4c_real)factor);
    return sum.x ? b4c_sum(t, sum, part) : part;
}

b4c_tensor b4c_task_loss(b4c_tape *t, const b4c_network *net, const b4c_task *k,
                         const b4c_task_call *c, b4c_losses *out)
{
    const b4c_batch *b = c->batch;
    const bool vectors = wants_vectors(k);
    b4c_tensor sum = nothing;
    *out = (b4c_losses){ 0 };
    const wanted w = rows_wanted(t, b, k->tokens && !net->decoder.layers, vectors,
                                 net->decoder.layers || (vectors && k->pooling == B4C_TASK_MEAN));
    const b4c_tensor x = t->failed ? nothing : encode(t, net, k, b, &w, c->drop);
    if (t->failed) return nothing;
    if (k->tokens)
        sum = joined(t, sum, token_loss(t, net, k, x, &w, c, out), c->token_share);
    if (vectors) {
        const b4c_tensor v = pooled(t, net, k, x, b, &w);
        if (k->vectors != B4C_VECTORS_FREE)
            sum = joined(t, sum, vector_loss(t, k, v, c, &out->vectors), c->vector_share);
        if (k->classes)
            sum = joined(t, sum, class_loss(t, net, k, v, c, out), c->vector_share);
    }
    out->total = out->tokens + out->vectors + out->classes + out->apart;
    return sum;
}

b4c_tensor b4c_task_vectors(b4c_tape *t, const b4c_network *net, const b4c_task *k,
                            const b4c_batch *b)
{
    const wanted w = rows_wanted(t, b, false, true, k->pooling == B4C_TASK_MEAN);
    const b4c_tensor x = t->failed ? nothing
                                   : encode(t, net, k, b, &w, (b4c_dropping){ 0 });
    return pooled(t, net, k, x, b, &w);
}
