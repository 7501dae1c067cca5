/* learner.c - one step of training. See learner.h. */
#include "train/learner.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- gradients that are used at once --------------------------------------------------------- */

static bool is_finite(const b4c_learner *l, const b4c_leaf *f)
{
    const size_t pieces = (f->n + B4C_LEAF_PIECE - 1) / B4C_LEAF_PIECE;
    for (size_t i = 0; i < pieces; i++)
        if (!isfinite(l->square[f->piece + i])) return false;
    return true;
}

/* A whole gradient is measured and moves its weights; where none came, it is zero. */
static void use_gradient(void *arg, b4c_slot *slot)
{
    b4c_learner *l = arg;
    if (l->bad < 0 && b4c_slot_grad(&l->tape, slot, slot->rows, slot->ld)) {
        b4c_leaves_take(&l->leaves, slot);
        b4c_leaves_squares(&l->leaves, l->pool, l->square);
        for (int i = 0; i < l->leaves.n && l->bad < 0; i++)
            if (l->leaves.item[i].g && !is_finite(l, &l->leaves.item[i])) l->bad = i;
        if (l->bad < 0) b4c_optimiser_move(&l->optimiser, l->rate, 1, l->pool);
        b4c_leaves_leave(&l->leaves, slot);
    }
    b4c_slot_drop(&l->tape, slot);
}

/* What no op of the recording read has a gradient too, of zeros. */
static void use_the_rest(b4c_learner *l)
{
    for (int i = 0; i < l->leaves.n && !l->tape.failed; i++)
        if (l->leaves.item[i].leads && !l->leaves.item[i].slot->read)
            use_gradient(l, l->leaves.item[i].slot);
}

/* ---- life ------------------------------------------------------------------------------------ */

int b4c_learner_init(b4c_learner *l, const b4c_learner_options *o, b4c_error *err)
{
    l->task = o->task;
    l->teacher = o->teacher;
    l->clip = o->clip;
    l->adversarial = o->adversarial;
    l->seed = o->seed;
    l->pool = o->pool;
    b4c_batch_init(&l->twice);
    l->at_once = o->one_batch && o->clip == 0 && o->adversarial == 0 && o->leaf.lora.rank == 0;
    b4c_leaf_options leaf = o->leaf;
    leaf.lent = l->at_once;
    int rc = b4c_leaves_make(&l->leaves, &l->net, &l->list, &leaf, err);
    if (rc == 0 && l->at_once) {
        l->square = calloc(l->leaves.pieces + 1, sizeof *l->square);
        if (!l->square) rc = b4c_fail(err, B4C_E_MEMORY, "no memory for the sums of gradients");
    }
    if (rc == 0) rc = b4c_exchange_init(&l->exchange, o->ranks, &l->leaves, err);
    if (rc == 0) rc = b4c_optimiser_init(&l->optimiser, &l->leaves, &o->optimiser, err);
    if (rc < 0) b4c_learner_done(l);
    return rc;
}

int b4c_learner_limit(b4c_learner *l, size_t step, size_t plain, b4c_error *err)
{
    const b4c_kernels *k = b4c_kernels_get();
    if (b4c_tape_init(&l->tape, k, l->pool, l->net.dtype, step, true) < 0 ||
        b4c_tape_init(&l->plain, k, l->pool, l->net.dtype, plain, false) < 0)
        return b4c_fail(err, B4C_E_MEMORY, "no address space for %zu MiB of activations",
                        step >> 20);
    l->tape.spend = true;
    if (l->at_once) {
        l->tape.whole = use_gradient;
        l->tape.whole_arg = l;
    }
    return 0;
}

void b4c_learner_done(b4c_learner *l)
{
    b4c_tape_done(&l->tape);
    b4c_tape_done(&l->plain);
    b4c_batch_done(&l->twice);
    free(l->square);
    b4c_exchange_done(&l->exchange);
    b4c_optimiser_done(&l->optimiser);
    b4c_leaves_done(&l->leaves);
    b4c_parameters_done(&l->list);
    b4c_network_done(&l->net);
    *l = (b4c_learner){ 0 };
}

static int over_memory(const b4c_tape *t, const b4c_batch *b, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY,
                    "a batch of %d tokens needs more than the %zu MiB that activations may take; "
                    "lower batch.tokens and raise accumulate, or raise memory",
                    b->n_rows + b->n_out, t->arena.limit >> 20);
}

/* ---- the teacher ----------------------------------------------------------------------------- */

/* Cosines of the teacher's vectors [n_seq, n_seq], malloc'ed. The plain tape is used. */
static b4c_real *teach(b4c_learner *l, const b4c_batch *b, b4c_error *err)
{
    const b4c_batch clean = { .n_rows = b->n_teacher, .n_seq = b->n_seq, .ids = b->teacher_ids,
                              .seq_off = b->teacher_off };
    const b4c_task task = { .mask = B4C_MASK_FULL, .pooling = l->teacher.pooling };
    const size_t n = (size_t)b->n_seq;
    b4c_real *s = calloc(n * n, sizeof *s);
    if (!s) b4c_fail(err, B4C_E_MEMORY, "no memory for %d similarities", b->n_seq);
    b4c_tape_reset(&l->plain);
    const b4c_dtype own = l->plain.dtype;
    l->plain.dtype = l->teacher.net->dtype;
    const b4c_tensor v = b4c_task_vectors(&l->plain, l->teacher.net, &task, &clean),
                     u = b4c_unit(&l->plain, v);
    l->plain.dtype = own;
    if (s && l->plain.failed) {
        over_memory(&l->plain, b, err);
        free(s);
        return NULL;
    }
    if (s) l->plain.kernels->add_nt(b->n_seq, b->n_seq, u.cols, u.x, u.ld, u.x, u.ld, s, b->n_seq,
                                    0, b->n_seq);
    return s;
}

/* ---- numbers that are none ------------------------------------------------------------------- */

typedef struct finding {
    char text[96];
} finding;

static void look_for_bad(void *arg, const char *name, int layer, b4c_tensor x)
{
    finding *f = arg;
    for (int r = 0; !*f->text && x.x && r < x.rows; r++)
        for (int c = 0; c < x.cols; c++)
            if (!isfinite(b4c_row_of(x, r)[c])) {
                snprintf(f->text, sizeof f->text, "activation '%s' after layer %d", name, layer);
                return;
            }
}

static int not_a_number(b4c_learner *l, const b4c_task_call *call, int64_t step, b4c_error *err)
{
    finding f = { "" };
    b4c_losses losses;
    const int bad = b4c_leaves_bad(&l->leaves, true);
    if (bad >= 0) {
        snprintf(f.text, sizeof f.text, "weight '%.80s'", l->leaves.item[bad].name);
    } else {
        b4c_tape_reset(&l->tape);
        l->tape.look = look_for_bad;
        l->tape.look_arg = &f;
        b4c_task_loss(&l->tape, &l->net, &l->task, call, &losses);
        l->tape.look = NULL;
    }
    return b4c_fail(err, B4C_E_NUMBER,
                    "step %lld: the loss is no number, first in %s; lower the learning rate, clip "
                    "gradients, or go on from an earlier checkpoint",
                    (long long)step, *f.text ? f.text : "the loss itself");
}

static int bad_gradient(const b4c_learner *l, int64_t step, b4c_error *err)
{
    const int bad = l->at_once ? l->bad : b4c_leaves_bad(&l->leaves, false);
    return b4c_fail(err, B4C_E_NUMBER,
                    "step %lld: the gradient of '%s' is no number; lower the learning rate, clip "
                    "gradients, or go on from an earlier checkpoint",
                    (long long)step, bad >= 0 ? l->leaves.item[bad].name : "all weights together");
}

/* ---- a step ---------------------------------------------------------------------------------- */

typedef struct totals {
    int tokens, batches;
} totals;

/* The batch as the loss shall see it: dropout makes two readings of what stands there twice. */
static const b4c_batch *readings(b4c_learner *l, const b4c_batch *b, b4c_error *err)
{
    if (l->task.rdrop == 0) return b;
    b4c_batch_clear(&l->twice);
    b4c_batch_append(&l->twice, b);
    b4c_batch_append(&l->twice, b);
    if (!l->twice.failed) return &l->twice;
    b4c_fail(err, B4C_E_MEMORY, "no memory for a batch read twice");
    return NULL;
}

/* Adds the batch's gradients. */
static int learn(b4c_learner *l, const b4c_batch *b, const totals *of, int64_t step, int i,
                 b4c_losses *sum, b4c_error *err)
{
    b4c_losses one;
    const b4c_batch *seen = readings(l, b, err);
    if (!seen) return B4C_E_MEMORY;
    b4c_task_call call = {
        .batch = seen,
        .twice = seen != b,
        .token_share = of->tokens ? (double)b4c_batch_targets(b) / of->tokens : 1,
        .vector_share = 1.0 / of->batches,
        .drop = { l->task.dropout, l->seed, (uint64_t)step * (uint64_t)of->batches + (uint64_t)i },
    };
    b4c_real *teacher = NULL;
    if (l->task.vectors == B4C_VECTORS_FOLLOW) {
        teacher = teach(l, seen, err);
        if (!teacher) return B4C_E_MEMORY;
        call.teacher = teacher;
    }
    b4c_tape_reset(&l->tape);
    const b4c_tensor loss = b4c_task_loss(&l->tape, &l->net, &l->task, &call, &one);
    int rc = 0;
    if (l->tape.failed) rc = over_memory(&l->tape, seen, err);
    else if (!isfinite(loss.x[0])) rc = not_a_number(l, &call, step, err);
    if (rc == 0) {
        l->halfway = l->at_once;
        if (l->at_once) b4c_optimiser_begin(&l->optimiser);
        b4c_backward(&l->tape, loss);
        if (l->at_once) use_the_rest(l);
        if (l->tape.failed) rc = over_memory(&l->tape, seen, err);
    }
    if (rc == 0)
        b4c_losses_add(sum, &one, call.token_share, call.vector_share, call.vector_share);
    free(teacher);
    return rc;
}

/* Losses of all ranks together. */
static int add_ranks(b4c_learner *l, b4c_losses *sum, b4c_error *err)
{
    double x[] = { sum->tokens,           sum->vectors,           sum->classes, sum->apart,
                   (double)sum->n_tokens, (double)sum->n_classes, (double)sum->right };
    B4C_TRY(b4c_exchange_add(&l->exchange, x, sizeof x / sizeof *x, err));
    *sum = (b4c_losses){ .tokens = x[0], .vectors = x[1], .classes = x[2], .apart = x[3],
                         .n_tokens = (int)x[4], .n_classes = (int)x[5], .right = (int)x[6] };
    return 0;
}

static void drop_gradient(void *arg, b4c_slot *slot)
{
    b4c_slot_drop(arg, slot);
}

/* The teacher's memory and that of measuring stand in the same arena, one after the other. */
static void rehearse_plain(b4c_learner *l, const b4c_batch *b, bool measures, b4c_tape *plain)
{
    b4c_losses one;
    const b4c_task_call call = { .batch = b, .token_share = 1, .vector_share = 1 };
    if (l->task.vectors == B4C_VECTORS_FOLLOW) {
        const b4c_batch clean = { .n_rows = b->n_teacher, .n_seq = b->n_seq,
                                  .ids = b->teacher_ids, .seq_off = b->teacher_off };
        const b4c_task task = { .mask = B4C_MASK_FULL, .pooling = l->teacher.pooling };
        plain->dtype = l->teacher.net->dtype;
        b4c_unit(plain, b4c_task_vectors(plain, l->teacher.net, &task, &clean));
        plain->dtype = l->net.dtype;
        b4c_tape_reset(plain);
    }
    b4c_task t = l->task;
    if (t.vectors == B4C_VECTORS_FOLLOW) t.vectors = B4C_VECTORS_CONTRAST;
    if (measures) b4c_task_loss(plain, &l->net, &t, &call, &one);
}

int b4c_learner_rehearse(b4c_learner *l, const b4c_batch *b, bool measures, b4c_tape *step,
                         b4c_tape *plain, b4c_error *err)
{
    b4c_losses one;
    const b4c_batch *seen = readings(l, b, err);
    if (!seen) return B4C_E_MEMORY;
    b4c_task task = l->task;         /* without a teacher's cosines, which are small */
    if (task.vectors == B4C_VECTORS_FOLLOW) task.vectors = B4C_VECTORS_CONTRAST;
    const b4c_task_call call = { .batch = seen, .twice = seen != b, .token_share = 1,
                                 .vector_share = 1, .drop = { task.dropout, 0, 0 } };
    step->spend = true;
    if (l->at_once) {
        step->whole = drop_gradient;
        step->whole_arg = step;
    }
    const b4c_tensor loss = b4c_task_loss(step, &l->net, &task, &call, &one);
    b4c_backward(step, loss);
    rehearse_plain(l, b, measures, plain);
    return step->failed || plain->failed ? over_memory(step, seen, err) : 0;
}

static int learn_all(b4c_learner *l, const b4c_batch *batches, int n, int64_t step,
                     b4c_losses *sum, b4c_error *err)
{
    totals of = { 0, n };
    for (int i = 0; i < n; i++) of.tokens += b4c_batch_targets(&batches[i]);
    *sum = (b4c_losses){ 0 };
    const int ranks = b4c_exchange_ranks(&l->exchange);
    for (int i = b4c_exchange_rank(&l->exchange); i < n; i += ranks) {
        if (i + ranks >= n) b4c_exchange_follow(&l->exchange, &l->tape);
        B4C_TRY(learn(l, &batches[i], &of, step, i, sum, err));
    }
    B4C_TRY(b4c_exchange_finish(&l->exchange, &l->tape, err));
    B4C_TRY(add_ranks(l, sum, err));
    sum->total = sum->tokens + sum->vectors + sum->classes + sum->apart;
    return 0;
}

/* The gradients where the token table stands `adversarial` further along its own gradient, added
 * (Miyato et al. 2017: fast gradient method). */
static int learn_against(b4c_learner *l, const b4c_batch *batches, int n, int64_t step,
                         b4c_error *err)
{
    const b4c_leaf *f = &l->leaves.item[0];      /* the token table is first in the list */
    b4c_losses losses;
    const double norm = f->g ? sqrt((double)l->tape.kernels->dot(f->g, f->g, f->n)) : 0;
    if (!(norm > 0) || !isfinite(norm)) return 0;
    b4c_real *kept = malloc(f->n * sizeof *kept);
    if (!kept) return b4c_fail(err, B4C_E_MEMORY, "no memory for a copy of the token table");
    memcpy(kept, f->x, f->n * sizeof *kept);
    l->tape.kernels->axpy((b4c_real)(l->adversarial / norm), f->g, f->x, f->n);
    const int rc = learn_all(l, batches, n, step, &losses, err);
    memcpy(f->x, kept, f->n * sizeof *kept);
    free(kept);
    return rc;
}

int b4c_learner_step(b4c_learner *l, const b4c_batch *batches, int n, int64_t step, double rate,
                     b4c_step_result *r, b4c_error *err)
{
    *r = (b4c_step_result){ 0 };
    assert(n == 1 || !l->at_once);
    b4c_leaves_zero(&l->leaves, l->pool);
    if (l->at_once) {
        l->rate = rate;
        l->bad = -1;
    }
    B4C_TRY(learn_all(l, batches, n, step, &r->losses, err));
    if (l->adversarial > 0) B4C_TRY(learn_against(l, batches, n, step, err));
    for (int i = 0; i < n; i++) {
        r->rows += batches[i].n_rows;
        r->out_rows += batches[i].n_out;
    }
    if (l->at_once) {
        r->norm = l->bad < 0 ? b4c_leaves_root(&l->leaves, l->square) : NAN;
        if (l->bad >= 0) return bad_gradient(l, step, err);
        l->halfway = false;
        return 0;
    }
    r->norm = b4c_leaves_norm(&l->leaves, l->pool);
    if (!isfinite(r->norm)) return bad_gradient(l, step, err);
    const double scale = l->clip > 0 && r->norm > l->clip ? l->clip / r->norm : 1;
    b4c_optimiser_step(&l->optimiser, rate, scale, l->pool);
    b4c_lora_sum(&l->leaves.lora, l->pool);
    return 0;
}

/* ---- measuring ------------------------------------------------------------------------------- */

int b4c_learner_measure(b4c_learner *l, const b4c_batch *b, bool strict, b4c_losses *losses,
                        b4c_error *err)
{
    b4c_task_call call = { .batch = b, .token_share = 1, .vector_share = 1, .strict = strict };
    b4c_real *teacher = NULL;
    if (l->task.vectors == B4C_VECTORS_FOLLOW) {
        teacher = teach(l, b, err);
        if (!teacher) return B4C_E_MEMORY;
        call.teacher = teacher;
    }
    b4c_tape_reset(&l->plain);
    b4c_task_loss(&l->plain, &l->net, &l->task, &call, losses);
    free(teacher);
    return l->plain.failed ? over_memory(&l->plain, b, err) : 0;
}

int b4c_learner_cosines(b4c_learner *l, const b4c_batch *b, double *cosine, b4c_error *err)
{
    b4c_tape *t = &l->plain;
    b4c_tape_reset(t);
    const b4c_tensor u = b4c_unit(t, b4c_task_vectors(t, &l->net, &l->task, b));
    if (t->failed) return over_memory(t, b, err);
    for (int e = 0; e < b->n_examples; e++) {
        const int s = b->example_off[e];
        cosine[e] =
            (double)t->kernels->dot(b4c_row_of(u, s), b4c_row_of(u, s + 1), (size_t)u.cols);
    }
    return 0;
}

/* ---- the beginning --------------------------------------------------------------------------- */

static double cut_normal(b4c_rng *r)
{
    double x;
    do x = (double)b4c_rng_normal(r);
    while (fabs(x) > 2);
    return x;
}

static double deviation_of(const b4c_spec *s, const b4c_parameter *p, double deviation)
{
    const bool ends = p->role == B4C_ROLE_OUT || p->role == B4C_ROLE_CROSS_OUT ||
                      p->role == B4C_ROLE_DOWN;
    return s->pre_norm && ends ? deviation / sqrt(2.0 * s->layers) : deviation;
}

int b4c_learner_begin(const b4c_network *net, b4c_parameters *list, double deviation,
                      uint64_t seed, bool only_missing)
{
    int widest = 1, n = 0;
    for (int i = 0; i < list->n; i++)
        if (list->item[i].cols > widest) widest = list->item[i].cols;
    b4c_real *row = malloc((size_t)widest * sizeof *row);
    for (int i = 0; row && i < list->n; i++) {
        const b4c_parameter *p = &list->item[i];
        if (only_missing && !p->missing) continue;
        const double d = deviation_of(&net->spec, p, deviation);
        b4c_rng rng;
        b4c_rng_init(&rng, seed, (uint64_t)i, 0);
        for (int r = 0; r < p->rows; r++) {
            for (int c = 0; c < p->cols; c++)
                row[c] = p->kind == B4C_KIND_GAIN   ? 1
                         : p->kind == B4C_KIND_BIAS ? 0
                                                    : (b4c_real)(d * cut_normal(&rng));
            b4c_parameter_write(p, r, 1, row);
        }
        n++;
    }
    free(row);
    return row ? n : B4C_E_MEMORY;
}
