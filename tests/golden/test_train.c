/* test_train.c - training against the reference frameworks: the loss of every task, the gradient of
 * every weight, and five steps of AdamW.
 *
 * Reference: transformers 5.12 and 5.24 on torch 2.14 and 2.15 in float32, no dropout; the losses
 * as SPEC 2-4 and 8 have them; the last three by tests/golden/train/heads.py. The files
 * (tests/golden/train/pack.py) hold gradients, and what five steps moved, as halves of the largest
 * of each tensor, so that their own error is 2.5e-4 of it; tolerance 5e-4. A bias of attention keys
 * has a gradient of zero in theory (softmax does not see it; under rotary positions it does), and
 * AdamW makes full steps of its noise: neither is compared there. For weights whose gradient nearly
 * vanishes the same holds in part, so what moved is compared by its root mean square (2e-2 of the
 * tensor's), and by the losses, which read it all.
 */
#include "golden/golden.h"
#include "kernels/kernels_common.h"
#include "model/config.h"
#include "model/names.h"
#include "support/test.h"
#include "train/optimiser.h"
#include "train/task.h"

#include <math.h>

static const struct { const char *name, *model; b4c_task_kind kind; double smoothing;
} cases[] = {
    { "lm", "lm", B4C_TASK_LM, 0 },
    { "mlm", "mlm", B4C_TASK_MLM, 0 },
    { "seq2seq", "seq2seq", B4C_TASK_SEQ2SEQ, 0 },
    { "seq2seq-smooth", "seq2seq", B4C_TASK_SEQ2SEQ, 0.1 },
    { "simbert", "cosent", B4C_TASK_SIMBERT, 0 },
    { "roformer-sim", "cosent", B4C_TASK_ROFORMER_SIM, 0 },
    { "distil", "cosent", B4C_TASK_DISTIL, 0 },
    { "roformer-sim-ft", "roformer-sim-ft", B4C_TASK_ROFORMER_SIM_FT, 0 },
    { "cosent", "cosent", B4C_TASK_COSENT, 0 },
    { "infonce", "cosent", B4C_TASK_INFONCE, 0 },
    { "simcse", "cosent", B4C_TASK_SIMCSE, 0 },
    { "classify", "mlm", B4C_TASK_CLASSIFY, 0 },
    { "pairs", "cosent", B4C_TASK_PAIRS, 0 },
};

enum { CLASSES = 3 };          /* of classify and pairs */

typedef struct world {
    b4c_store store, io;
    b4c_spec spec;
    b4c_task task;
    b4c_network net;
    b4c_parameters list;
    b4c_mapping map;
    b4c_leaves leaves;
    b4c_batch batch;
    float *teacher;
} world;

static float *tensor(const b4c_store *s, const char *name, size_t *n)
{
    b4c_error err = { 0 };
    const int i = b4c_store_find(s, name);
    *n = 0;
    if (i < 0) return NULL;
    *n = (size_t)(b4c_stored_rows(&s->tensor[i]) * b4c_stored_row(&s->tensor[i]));
    float *x = malloc(*n * sizeof *x + 1);
    assert_ok(b4c_store_read(s, i, 0, b4c_stored_rows(&s->tensor[i]), x, &err), &err);
    return x;
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* What row i of a sequence is asked: SPEC's rules, from what the files hold. */
static int32_t target_of(b4c_task_kind kind, const float *ids, const float *segments,
                         const float *targets, int i, int n)
{
    if (kind == B4C_TASK_LM) return i + 1 < n ? (int32_t)ids[i + 1] : -1;
    if (kind == B4C_TASK_MLM) return (int32_t)targets[i] < 0 ? -1 : (int32_t)targets[i];
    if (kind >= B4C_TASK_SIMBERT && kind <= B4C_TASK_DISTIL)
        return i + 1 < n && segments[i + 1] == 1 ? (int32_t)ids[i + 1] : -1;
    return -1;
}

static void make_batch(world *w)
{
    size_t n, n_seq;
    float *ids = tensor(&w->io, "ids", &n), *segments = tensor(&w->io, "segments", &n),
          *targets = tensor(&w->io, "targets", &n), *labels = tensor(&w->io, "labels", &n),
          *out = tensor(&w->io, "target_ids", &n), *out_n = tensor(&w->io, "target_lengths", &n),
          *lengths = tensor(&w->io, "lengths", &n_seq);
    const b4c_task_kind kind = w->task.kind;
    const bool pairs = kind >= B4C_TASK_SIMBERT && kind != B4C_TASK_CLASSIFY;
    int at = 0, out_at = 0;
    w->teacher = tensor(&w->io, "teacher", &n);
    b4c_batch_init(&w->batch);
    b4c_batch_clear(&w->batch);
    for (size_t s = 0; s < n_seq; s++) {
        const int rows = (int)lengths[s];
        if (!pairs || s % 2 == 0)
            b4c_batch_example(&w->batch, labels ? labels[pairs ? s / 2 : s] : 0);
        b4c_batch_sequence(&w->batch);
        for (int i = 0; i < rows; i++)
            b4c_batch_row(&w->batch, (int32_t)ids[at + i],
                          segments ? (int32_t)segments[at + i] : 0,
                          target_of(kind, ids + at, segments ? segments + at : NULL,
                                    targets ? targets + at : NULL, i, rows));
        for (int i = 0; out && i < (int)out_n[s]; i++)
            b4c_batch_out(&w->batch, i ? (int32_t)out[out_at + i - 1] : 0,
                          (int32_t)out[out_at + i]);
        at += rows;
        out_at += out ? (int)out_n[s] : 0;
    }
    free(ids), free(segments), free(targets), free(labels), free(out), free(out_n), free(lengths);
}

/* ---- the model ------------------------------------------------------------------------------- */

static const char *name_of(void *arg, const b4c_parameter *p, char *out, size_t room)
{
    if (p->role == B4C_ROLE_POOLER)
        snprintf(out, room, "pool.%s", p->kind == B4C_KIND_BIAS ? "bias" : "weight");
    else if (p->role == B4C_ROLE_CLASSIFIER)
        snprintf(out, room, "classify.%s", p->kind == B4C_KIND_BIAS ? "bias" : "weight");
    else b4c_mapping_wanted(arg, p, out, room);
    return out;
}

/* What an encoder lacks stands in its folder, or beside the batch. */
static void fill_new(world *w)
{
    for (int i = 0; i < w->list.n; i++) {
        char name[128];
        size_t n;
        if (!w->list.item[i].missing) continue;
        float *x = tensor(&w->store, name_of(&w->map, &w->list.item[i], name, sizeof name), &n);
        if (!x) x = tensor(&w->io, name, &n);
        if (!x) fail_msg("no '%s'", name);
        b4c_parameter_write(&w->list.item[i], 0, w->list.item[i].rows, x);
        free(x);
    }
}

static void open_world(world *w, size_t c, const b4c_lora_options *lora)
{
    char path[128];
    b4c_error err = { 0 };
    const char *note;
    b4c_loaded loaded;
    *w = (world){ 0 };
    snprintf(path, sizeof path, "tests/golden/train/%s.safetensors", cases[c].name);
    assert_ok(b4c_store_open(&w->io, path, &err), &err);
    snprintf(path, sizeof path, "tests/golden/train/%s", cases[c].model);
    assert_ok(b4c_store_open(&w->store, path, &err), &err);
    strcat(path, "/config.json");
    json_t *config = b4c_json_file(path, &err), *report = json_object();
    assert_ok(b4c_config_read(&w->spec, config, &w->store, path, &note, &err), &err);
    assert_ok(b4c_task_make(&w->task, cases[c].kind, &w->spec, CLASSES, &err), &err);
    w->task.smoothing = cases[c].smoothing;
    /* linear, as all systems of vectors here have it; transformers' classifier has its tanh */
    w->task.pooling = cases[c].kind == B4C_TASK_CLASSIFY ? B4C_TASK_POOLER_TANH : B4C_TASK_POOLER;
    const b4c_network_options o = { .dtype = B4C_F32,
                                    .head = b4c_task_needs_head(&w->task),
                                    .pooler = b4c_task_needs_pooler(&w->task),
                                    .classes = w->task.classes,
                                    .class_cols = b4c_task_class_cols(&w->task, &w->spec),
                                    .class_bias = cases[c].kind != B4C_TASK_ROFORMER_SIM_FT,
                                    .trained = true };
    const b4c_load_options lo = {
        .dtype = B4C_F32, .need_head = o.head, .threads = 1, .trained = &o, .list = &w->list
    };
    assert_ok(b4c_network_load(&w->net, &w->store, &w->spec, &lo, &loaded, report, &err), &err);
    assert_ok(b4c_mapping_find(&w->map, &w->spec, &w->store, &err), &err);
    fill_new(w);
    const b4c_leaf_options leaf = { .name = name_of, .name_arg = &w->map, .layer_rate = 1,
                                    .lora = lora ? *lora : (b4c_lora_options){ 0 } };
    assert_ok(b4c_leaves_make(&w->leaves, &w->net, &w->list, &leaf, &err), &err);
    make_batch(w);
    assert_ok(b4c_batch_check(&w->batch, w->spec.vocabulary, w->spec.max_positions, &err), &err);
    assert_ok(b4c_task_check(&w->task, &w->spec, &w->batch, &err), &err);
    json_decref(config);
    json_decref(report);
}

static void close_world(world *w)
{
    b4c_leaves_done(&w->leaves);
    b4c_parameters_done(&w->list);
    b4c_network_done(&w->net);
    b4c_mapping_done(&w->map);
    b4c_store_close(&w->store);
    b4c_store_close(&w->io);
    b4c_batch_done(&w->batch);
    free(w->teacher);
}

static double run(world *w, b4c_tape *t)
{
    const b4c_task_call call = {
        .batch = &w->batch, .teacher = w->teacher, .token_share = 1, .vector_share = 1
    };
    b4c_losses parts;
    b4c_tape_reset(t);
    b4c_leaves_zero(&w->leaves, NULL);
    const b4c_tensor loss = b4c_task_loss(t, &w->net, &w->task, &call, &parts);
    assert_false(t->failed);
    b4c_backward(t, loss);
    assert_false(t->failed);
    assert_true(fabs(parts.total - (double)loss.x[0]) <= 1e-5 * fabs(parts.total));
    return (double)loss.x[0];
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Does the leaf's gradient vanish in theory? */
static bool is_noise(const world *w, const b4c_parameter *p)
{
    return p->role == B4C_ROLE_KEY && p->kind == B4C_KIND_BIAS &&
           w->spec.positions != B4C_POSITION_ROTARY;
}

/* A tensor of the file as the leaf has it: in part, turned. NULL: the file has none. */
static float *wanted(const world *w, const b4c_leaf *f, const char *prefix, double *most)
{
    char name[256];
    size_t n;
    snprintf(name, sizeof name, "most.%s%s", prefix, f->name);
    float *all = tensor(&w->io, name, &n);
    if (!all) return NULL;
    *most = (double)*all;
    free(all);
    snprintf(name, sizeof name, "%s%s", prefix, f->name);
    all = tensor(&w->io, name, &n);
    const int part = b4c_mapping_part(&w->map, f->p);
    const bool turned = b4c_mapping_turned(&w->map, f->p);
    const size_t parts = part < 0 ? 1 : 3;
    assert_int_equal(n, parts * f->n);
    float *x = malloc(f->n * sizeof *x + 1);
    const bool vector = f->rows == 1;
    const size_t cols = (size_t)f->cols, rows = (size_t)f->rows,
                 first = part < 0 ? 0 : (size_t)part * (vector ? cols : rows);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            x[r * cols + c] = (float)*most *
                              (vector ? all[first + c]
                               : turned ? all[c * rows * parts + first + r]
                                        : all[(first + r) * cols + c]);
    free(all);
    return x;
}

static int compare_gradients(const world *w, const char *what)
{
    int compared = 0;
    for (int i = 0; i < w->leaves.n; i++) {
        const b4c_leaf *f = &w->leaves.item[i];
        double most;
        float *want = wanted(w, f, "grad.", &most);
        if (!want) fail_msg("%s: no gradient of '%s' in the file", what, f->name);
        for (size_t k = 0; k < f->n && !is_noise(w, f->p); k++)
            if (!(fabs((double)f->g[k] - (double)want[k]) <= 5e-4 * most))
                fail_msg("%s: gradient of %s at %zu: %g, wanted %g of at most %g", what, f->name, k,
                         (double)f->g[k], (double)want[k], most);
        compared++;
        free(want);
    }
    return compared;
}

static void compare_moves(const world *w, const float *before, const char *what)
{
    for (int i = 0; i < w->leaves.n; i++) {
        const b4c_leaf *f = &w->leaves.item[i];
        double most, off = 0, all = 0;
        float *want = wanted(w, f, "moved.", &most);
        for (size_t k = 0; want && k < f->n; k++) {
            const double moved = (double)f->x[k] - (double)before[f->at + k];
            off += pow(moved - (double)want[k], 2);
            all += pow((double)want[k], 2);
        }
        if (want && !is_noise(w, f->p) && !(sqrt(off) <= 2e-2 * sqrt(all)))
            fail_msg("%s: five steps moved %s by %g, off by %g", what, f->name, sqrt(all),
                     sqrt(off));
        free(want);
    }
}

static void compare_steps(world *w, b4c_tape *t, const char *what)
{
    b4c_error err = { 0 };
    b4c_optimiser_options o = b4c_optimiser_default(B4C_ADAMW);
    b4c_optimiser op;
    size_t n;
    float *history = tensor(&w->io, "loss_history", &n),
          *before = malloc(w->leaves.total * sizeof *before);
    assert_int_equal(n, 6);
    assert_ok(b4c_optimiser_init(&op, &w->leaves, &o, &err), &err);
    for (int i = 0; i < w->leaves.n; i++)
        memcpy(before + w->leaves.item[i].at, w->leaves.item[i].x,
               w->leaves.item[i].n * sizeof *before);
    for (int step = 0; step < 6; step++) {
        const double loss = run(w, t);
        if (!(fabs(loss - (double)history[step]) <= 2e-4 * fabs((double)history[step])))
            fail_msg("%s: loss %g before step %d, wanted %g", what, loss, step + 1,
                     (double)history[step]);
        if (step == 5) break;
        b4c_optimiser_step(&op, 1e-3, 1, NULL);
    }
    compare_moves(w, before, what);
    b4c_optimiser_done(&op);
    free(history);
    free(before);
}

static void compare_case(size_t c, const b4c_kernels *kernels)
{
    world w;
    b4c_tape t;
    size_t n;
    char what[64];
    snprintf(what, sizeof what, "%s on %s", cases[c].name, kernels->name);
    open_world(&w, c, NULL);
    assert_int_equal(b4c_tape_init(&t, kernels, NULL, B4C_F32, (size_t)256 << 20, true), 0);
    const double loss = run(&w, &t);
    float *want = tensor(&w.io, "loss", &n);
    if (!(fabs(loss - (double)*want) <= 2e-5 * fabs((double)*want)))
        fail_msg("%s: loss %.8g, wanted %.8g", what, loss, (double)*want);
    free(want);
    assert_int_equal(compare_gradients(&w, what), w.leaves.n);
    assert_true(w.leaves.n > 20);
    compare_steps(&w, &t, what);
    b4c_tape_done(&t);
    close_world(&w);
}

static void losses_gradients_and_five_steps_are_the_references(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(cases); c++)
        for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) compare_case(c, k);
}

/* ---- LoRA ------------------------------------------------------------------------------------ */

static void same_numbers(const b4c_store *io, const char *prefix, const b4c_leaf *f,
                         const b4c_real *x, double tolerance, const char *what)
{
    char name[256];
    size_t n;
    double most = 0;
    snprintf(name, sizeof name, "%s%s", prefix, f->name);
    float *want = tensor(io, name, &n);
    if (!want) fail_msg("%s: the file has no '%s'", what, name);
    assert_int_equal(n, f->n);
    for (size_t k = 0; k < n; k++) most = fmax(most, fabs((double)want[k]));
    for (size_t k = 0; k < n; k++)
        if (!(fabs((double)x[k] - (double)want[k]) <= tolerance * most))
            fail_msg("%s: %s at %zu: %g, wanted %g of at most %g", what, name, k, (double)x[k],
                     (double)want[k], most);
    free(want);
}

/* The factors of query and value of a BERT, B not 0 so that A has a gradient. Reference: peft
 * 0.21.2 (tests/golden/train/lora.py), which keeps W and B A apart and adds their products; here
 * the sum is the weight, so only rounding differs. */
static void compare_lora(const b4c_kernels *kernels)
{
    static const b4c_lora_options lora = { .rank = 4, .alpha = 8, .seed = 1 };
    b4c_optimiser_options o = b4c_optimiser_default(B4C_ADAMW);
    b4c_optimiser op;
    b4c_store io;
    b4c_error err = { 0 };
    b4c_tape t;
    world w;
    size_t n;
    open_world(&w, 1, &lora);
    assert_string_equal(cases[1].name, "mlm");
    assert_ok(b4c_store_open(&io, "tests/golden/train/lora.safetensors", &err), &err);
    assert_int_equal(b4c_tape_init(&t, kernels, NULL, B4C_F32, (size_t)256 << 20, true), 0);
    assert_int_equal(w.leaves.n, w.leaves.parameters + 2 * 2 * w.spec.layers);
    float *history = tensor(&io, "loss_history", &n);
    assert_int_equal(n, 6);
    for (int i = w.leaves.parameters; i < w.leaves.n; i++) {
        const b4c_leaf *f = &w.leaves.item[i];
        float *x = tensor(&io, f->name, &n);
        assert_non_null(x);
        for (size_t k = 0; k < n; k++) f->x[k] = x[k];
        free(x);
    }
    b4c_lora_sum(&w.leaves.lora, NULL);
    assert_ok(b4c_optimiser_init(&op, &w.leaves, &o, &err), &err);
    for (int step = 0; step < 6; step++) {
        const double loss = run(&w, &t), want = (double)history[step];
        if (!(fabs(loss - want) <= 2e-5 * want))
            fail_msg("%s: loss %.8g before step %d, wanted %.8g", kernels->name, loss, step + 1,
                     want);
        for (int i = 0; step == 0 && i < w.leaves.n; i++) {
            const b4c_leaf *f = &w.leaves.item[i];
            if (i < w.leaves.parameters) assert_null(f->g);
            else same_numbers(&io, "grad.", f, f->g, 1e-4, kernels->name);
        }
        if (step == 5) break;
        b4c_optimiser_step(&op, 1e-3, 1, NULL);
        b4c_lora_sum(&w.leaves.lora, NULL);
    }
    for (int i = w.leaves.parameters; i < w.leaves.n; i++)
        same_numbers(&io, "after.", &w.leaves.item[i], w.leaves.item[i].x, 1e-4, kernels->name);
    free(history);
    b4c_optimiser_done(&op);
    b4c_tape_done(&t);
    b4c_store_close(&io);
    close_world(&w);
}

static void lora_learns_as_peft_has_it(void **state)
{
    (void)state;
    for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) compare_lora(k);
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_gradients_and_five_steps_are_the_references),
        cmocka_unit_test(lora_learns_as_peft_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
