/* test_optimiser.c - optimisers by their formulas in double, on a network of one layer; schedules
 * by hand.
 *
 * Adafactor's reference is the paper's text (Shazeer and Stern 2018, algorithms 4 and 5), written
 * out here once more, matrix by matrix.
 */
#include "support/test.h"
#include "train/optimiser.h"
#include "train/schedule.h"

#include <math.h>

static const char *name_of(void *arg, const b4c_parameter *p, char *out, size_t room)
{
    (void)arg;
    snprintf(out, room, "layer.%d.role%d", p->layer, (int)p->role);
    return out;
}

typedef struct world {
    b4c_network net;
    b4c_parameters list;
    b4c_leaves leaves;
} world;

static void open_world(world *w, double layer_rate)
{
    b4c_error err = { 0 };
    const b4c_spec spec = { .architecture = "gpt2", .vocabulary = 7, .width = 8,
                            .embedding_width = 8, .heads = 2, .kv_heads = 2, .head_size = 4,
                            .inner = 12, .layers = 2, .max_positions = 5,
                            .positions = B4C_POSITION_LEARNED, .embedding_scale = 1,
                            .norm_gain = true, .norm_bias = true, .qkv_bias = true,
                            .out_bias = true, .ffn_bias = true, .final_norm = true,
                            .pre_norm = true, .tied = true, .causal = true, .output_scale = 1 };
    const b4c_network_options o = { .dtype = B4C_F32, .head = true, .trained = true };
    const b4c_leaf_options leaf = { .name = name_of, .layer_rate = layer_rate };
    assert_ok(b4c_network_random(&w->net, &spec, &o, 1, 4, &w->list, &err), &err);
    assert_ok(b4c_leaves_make(&w->leaves, &w->net, &w->list, &leaf, &err), &err);
}

static void close_world(world *w)
{
    b4c_leaves_done(&w->leaves);
    b4c_parameters_done(&w->list);
    b4c_network_done(&w->net);
}

/* The reference's state of one leaf, in double. */
typedef struct model {
    double x[256], g[256], m[256], v[256], row[16], col[16];
} model;

static void adafactor(model *s, const b4c_leaf *f, int t, double rate)
{
    const bool matrix = f->rows > 1 && f->cols > 1;
    const double b = 1 - pow(t, -0.8);
    double mean = 0, sum = 0, u[256];
    for (int r = 0; r < f->rows && matrix; r++) {
        double all = 0;
        for (int c = 0; c < f->cols; c++) all += pow(s->g[r * f->cols + c], 2) + 1e-30;
        s->row[r] = b * s->row[r] + (1 - b) * all / f->cols;
        mean += s->row[r] / f->rows;
    }
    for (int c = 0; c < f->cols && matrix; c++) {
        double all = 0;
        for (int r = 0; r < f->rows; r++) all += pow(s->g[r * f->cols + c], 2) + 1e-30;
        s->col[c] = b * s->col[c] + (1 - b) * all / f->rows;
    }
    for (size_t i = 0; i < f->n; i++) {
        s->v[i] = b * s->v[i] + (1 - b) * (s->g[i] * s->g[i] + 1e-30);
        const double v = matrix ? s->row[i / (size_t)f->cols] * s->col[i % (size_t)f->cols] / mean
                                : s->v[i];
        u[i] = s->g[i] / sqrt(v);
        sum += u[i] * u[i];
    }
    const double rms = sqrt(sum / (double)f->n);
    for (size_t i = 0; i < f->n; i++) s->x[i] -= rate * u[i] / fmax(1, rms);
}

static void expect(model *s, const b4c_leaf *f, b4c_optimiser_kind kind, int t, double rate)
{
    const double d = f->decay * 0.1;
    if (kind == B4C_ADAFACTOR) adafactor(s, f, t, rate);
    for (size_t i = 0; i < f->n && kind != B4C_ADAFACTOR; i++) {
        double *x = &s->x[i], *m = &s->m[i], *v = &s->v[i];
        const double g = s->g[i];
        switch (kind) {
        case B4C_SGD:
            *m = 0.9 * *m + g;
            *x -= rate * (*m + d * *x);
            break;
        case B4C_LION: {
            const double c = 0.9 * *m + 0.1 * g;
            *x -= rate * ((c > 0) - (c < 0) + d * *x);
            *m = 0.99 * *m + 0.01 * g;
            break;
        }
        default:
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            const double c1 = 1 - pow(0.9, t), c2 = 1 - pow(0.999, t), old = *x;
            if (kind == B4C_ADAM)
                *x -= rate * sqrt(c2) / c1 * *m / (sqrt(*v) + 1e-7) + rate * d * old;
            else
                *x = old * (1 - rate * d) - rate / c1 * *m / (sqrt(*v / c2) + 1e-8);
        }
    }
}

static void check_kind(b4c_optimiser_kind kind)
{
    world w;
    b4c_optimiser op;
    b4c_error err = { 0 };
    b4c_rng rng;
    b4c_optimiser_options o = b4c_optimiser_default(kind);
    o.decay = kind == B4C_ADAFACTOR ? 0 : 0.1;
    open_world(&w, 1);
    assert_ok(b4c_optimiser_init(&op, &w.leaves, &o, &err), &err);
    model *all = calloc((size_t)w.leaves.n, sizeof *all);
    for (int i = 0; i < w.leaves.n; i++)
        for (size_t k = 0; k < w.leaves.item[i].n; k++)
            all[i].x[k] = (double)w.leaves.item[i].x[k];
    b4c_rng_init(&rng, 9, 0, 0);
    for (int t = 1; t <= 5; t++) {
        for (int i = 0; i < w.leaves.n; i++)
            for (size_t k = 0; k < w.leaves.item[i].n; k++) {
                const float g = b4c_rng_normal(&rng);
                w.leaves.item[i].g[k] = (b4c_real)(2 * g);
                all[i].g[k] = (double)g;
            }
        b4c_optimiser_step(&op, 0.01, 0.5, NULL);        /* gradients count half: clipped */
        for (int i = 0; i < w.leaves.n; i++)
            expect(&all[i], &w.leaves.item[i], kind, t, 0.01);
    }
    for (int i = 0; i < w.leaves.n; i++)
        for (size_t k = 0; k < w.leaves.item[i].n; k++)
            if (fabs((double)w.leaves.item[i].x[k] - all[i].x[k]) > 2e-6)
                fail_msg("%s: leaf %d, element %zu: %.9g, wanted %.9g", b4c_optimiser_name(kind), i,
                         k, (double)w.leaves.item[i].x[k], all[i].x[k]);
    free(all);
    b4c_optimiser_done(&op);
    close_world(&w);
}

static void every_kind_steps_by_its_formula(void **state)
{
    (void)state;
    for (int k = 0; k < B4C_OPTIMISERS; k++) check_kind((b4c_optimiser_kind)k);
}

static void gains_and_biases_do_not_decay(void **state)
{
    (void)state;
    world w;
    int vectors = 0;
    open_world(&w, 1);
    for (int i = 0; i < w.leaves.n; i++) {
        const b4c_leaf *f = &w.leaves.item[i];
        assert_true(f->decay == (f->rows > 1 ? 1 : 0));
        vectors += f->rows == 1;
    }
    assert_true(vectors > 10);
    close_world(&w);
}

static void lower_layers_learn_slower_when_asked(void **state)
{
    (void)state;
    world w;
    open_world(&w, 0.5);
    for (int i = 0; i < w.leaves.n; i++) {
        const b4c_parameter *p = w.leaves.item[i].p;
        const double want = p->role <= B4C_ROLE_PROJECT      ? 0.125
                          : p->role >= B4C_ROLE_FINAL_NORM   ? 1
                                                             : p->layer ? 0.5 : 0.25;
        assert_true(w.leaves.item[i].rate == want);
    }
    close_world(&w);
}

static void the_norm_is_of_all_gradients(void **state)
{
    (void)state;
    world w;
    double sum = 0;
    open_world(&w, 1);
    for (int i = 0; i < w.leaves.n; i++)
        for (size_t k = 0; k < w.leaves.item[i].n; k++) {
            w.leaves.item[i].g[k] = (b4c_real)(i + 1);
            sum += pow(i + 1, 2);
        }
    assert_true(fabs(b4c_leaves_norm(&w.leaves, NULL) - sqrt(sum)) < 1e-5 * sqrt(sum));
    assert_int_equal(b4c_leaves_bad(&w.leaves, false), -1);
    w.leaves.item[5].g[1] = (b4c_real)NAN;
    assert_true(isnan(b4c_leaves_norm(&w.leaves, NULL)));
    assert_int_equal(b4c_leaves_bad(&w.leaves, false), 5);
    close_world(&w);
}

static void schedules_by_hand(void **state)
{
    (void)state;
    b4c_schedule s = { .kind = B4C_SCHEDULE_CONSTANT, .warmup = 4, .steps = 10 };
    assert_true(b4c_schedule_factor(&s, 1) == 0.25 && b4c_schedule_factor(&s, 4) == 1 &&
                b4c_schedule_factor(&s, 10) == 1);
    s.kind = B4C_SCHEDULE_LINEAR;
    s.floor = 0.1;
    assert_true(fabs(b4c_schedule_factor(&s, 7) - 0.55) < 1e-12);
    assert_true(fabs(b4c_schedule_factor(&s, 10) - 0.1) < 1e-12);
    assert_true(fabs(b4c_schedule_factor(&s, 99) - 0.1) < 1e-12);
    s.kind = B4C_SCHEDULE_COSINE;
    assert_true(fabs(b4c_schedule_factor(&s, 7) - 0.55) < 1e-12);
    assert_true(fabs(b4c_schedule_factor(&s, 6) - (1 - 0.9 * (1 - cos(M_PI / 3)) / 2)) < 1e-12);
    /* bert4keras: {1000: 1, 2000: 0.1} */
    b4c_schedule p = { .kind = B4C_SCHEDULE_PIECEWISE, .n = 2, .step = { 1000, 2000 },
                       .factor = { 1, 0.1 } };
    assert_true(b4c_schedule_factor(&p, 500) == 0.5 && b4c_schedule_factor(&p, 1000) == 1);
    assert_true(fabs(b4c_schedule_factor(&p, 1500) - 0.55) < 1e-12);
    assert_true(b4c_schedule_factor(&p, 5000) == 0.1);
}

/* bf16 has 8 bits: rounded to the nearest, a second moment would stand still where a step moves it
 * by less than 1 / 512. By chance it is right on average. */
static void halved_state_follows_the_whole_on_average(void **state)
{
    (void)state;
    world w[2];
    b4c_error err = { 0 };
    b4c_optimiser op[2];
    double sum = 0, most = 0;
    size_t n = 0;
    for (int half = 0; half < 2; half++) {
        b4c_optimiser_options o = b4c_optimiser_default(B4C_ADAMW);
        o.half = half;
        o.seed = 5;
        open_world(&w[half], 1);
        assert_ok(b4c_optimiser_init(&op[half], &w[half].leaves, &o, &err), &err);
        for (int t = 0; t < 3000; t++) {
            for (size_t i = 0; i < w[half].leaves.total; i++)
                w[half].leaves.grad[i] = (b4c_real)(1 + 0.5 * sin((double)i + 0.1 * t));
            b4c_optimiser_step(&op[half], 1e-4, 1, NULL);
        }
    }
    assert_int_equal(2 * b4c_optimiser_memory(&op[1]), b4c_optimiser_memory(&op[0]));
    for (int i = 0; i < w[0].leaves.n; i++) {
        const b4c_leaf *f = &w[0].leaves.item[i];
        for (size_t k = f->at; k < f->at + f->n; k++, n++) {
            const double off = (double)b4c_from_bf16(op[1].half_v[k]) / (double)op[0].v[k] - 1;
            sum += off;
            most = fmax(most, fabs(off));
        }
    }
    /* A step's rounding is off by at most 2^-7; 0.999 forgets some 500 of them. */
    if (!(fabs(sum / (double)n) < 0.005 && most < 0.25))
        fail_msg("second moments are off by %g on average, by %g at most", sum / (double)n, most);
    for (int half = 0; half < 2; half++) {
        b4c_optimiser_done(&op[half]);
        close_world(&w[half]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_steps_by_its_formula),
        cmocka_unit_test(gains_and_biases_do_not_decay),
        cmocka_unit_test(lower_layers_learn_slower_when_asked),
        cmocka_unit_test(the_norm_is_of_all_gradients),
        cmocka_unit_test(schedules_by_hand),
        cmocka_unit_test(halved_state_follows_the_whole_on_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
