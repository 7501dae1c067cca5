/* test_tape.c - the tape's own promises, on every kernel table and weight type of this machine:
 * recording and lanes change no bit, a failed tape is quiet, scopes keep their result, memory stops
 * growing after a step.
 */
#include "kernels/amx_emulated_table.h"
#include "support/test.h"
#include "tape_net.h"

#include <math.h>
#include <stdatomic.h>

static const char *const tables[] = { "scalar", "avx2", "avx512", "amx", "neon" };
static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };
static const int lengths[] = { 5, 17, 1, 9, 20, 16 }, few[] = { 2, 1, 3, 1 };
enum { LIMIT = 64 << 20, SEQUENCES = COUNT(lengths) };

/* The table of that name: where the machine has no tiles, with emulated ones. */
static const b4c_kernels *table_of(const char *name)
{
    const b4c_kernels *found = b4c_kernels_find(name);
    return found || strcmp(name, "amx") != 0 ? found : amx_emulated_table();
}

typedef void (*on_tape_fn)(b4c_tape *, b4c_tape *, tape_net *);

/* fn for each table and type, with a recording tape and a plain one. */
static void everywhere(on_tape_fn fn)
{
    for (size_t k = 0; k < COUNT(tables); k++) {
        const b4c_kernels *kernels = table_of(tables[k]);
        for (size_t d = 0; kernels && d < COUNT(dtypes); d++) {
            b4c_tape record, plain;
            tape_net *net = tape_net_new(dtypes[d], 48, 3, lengths, SEQUENCES);
            assert_int_equal(b4c_tape_init(&record, kernels, NULL, dtypes[d], LIMIT, true), 0);
            assert_int_equal(b4c_tape_init(&plain, kernels, NULL, dtypes[d], LIMIT, false), 0);
            fn(&record, &plain, net);
            b4c_tape_done(&record);
            b4c_tape_done(&plain);
            tape_net_free(net);
        }
    }
}

static const char *where(const b4c_tape *t)
{
    static const char *const name[] = { "auto", "f32", "bf16", "int8" };
    static char text[64];
    snprintf(text, sizeof text, "%s, %s", t->kernels->name, name[t->dtype]);
    return text;
}

static void assert_same_bits(const b4c_tape *t, b4c_tensor got, b4c_tensor want, const char *what)
{
    assert_true(got.rows == want.rows && got.cols == want.cols);
    for (int i = 0; i < got.rows; i++)
        for (int c = 0; c < got.cols; c++)
            if (memcmp(&b4c_row_of(got, i)[c], &b4c_row_of(want, i)[c], sizeof(b4c_real)) != 0)
                fail_msg("%s: %s differ at [%d, %d]: %.9g, %.9g", where(t), what, i, c,
                         (double)b4c_row_of(got, i)[c], (double)b4c_row_of(want, i)[c]);
}

/* ---- recording and lanes -------------------------------------------------------------------- */

static void compare_recording(b4c_tape *record, b4c_tape *plain, tape_net *net)
{
    const tape_net_result a = tape_net_run(record, net), b = tape_net_run(plain, net);
    assert_false(record->failed || plain->failed);
    assert_true(isfinite(*a.loss.x));
    assert_same_bits(record, a.rows, b.rows, "rows with and without recording");
    assert_same_bits(record, a.loss, b.loss, "losses with and without recording");
}

static void recording_changes_no_bit(void **state)
{
    (void)state;
    everywhere(compare_recording);
}

/* Each activation, each way of asking for the result: what the next product makes of it. */
static void compare_wants(b4c_tape *record, b4c_tape *plain, tape_net *net)
{
    const b4c_weight *up = &net->weight[2], *down = &net->weight[4];
    const b4c_tensor x = b4c_tensor_of(net->array[net->n_array - 1].x, 37, net->width, NULL);
    for (b4c_act act = B4C_ACT_NONE; act <= B4C_ACT_TANH; act++) {
        b4c_tape_reset(record);
        b4c_tape_reset(plain);
        const b4c_tensor a = b4c_linear(record, x, up, act, B4C_OPERAND),
                         both = b4c_linear(plain, x, up, act, B4C_BOTH);
        const b4c_tensor operand = b4c_linear(plain, x, up, act, B4C_OPERAND),
                         rows = b4c_linear(plain, x, up, act, B4C_ROWS);
        assert_same_bits(record, a, both, "rows of a recorded product");
        assert_same_bits(record, rows, both, "rows asked for alone");
        const b4c_tensor want = b4c_linear(plain, operand, down, B4C_ACT_NONE, B4C_ROWS);
        assert_same_bits(record, b4c_linear(record, a, down, B4C_ACT_NONE, B4C_ROWS), want,
                         "products of a recorded operand");
        assert_same_bits(record, b4c_linear(plain, both, down, B4C_ACT_NONE, B4C_ROWS), want,
                         "products of an operand with rows");
    }
}

static void how_a_result_is_asked_for_changes_no_bit(void **state)
{
    (void)state;
    everywhere(compare_wants);
}

static b4c_real *gradients_of(b4c_tape *t, tape_net *net, size_t *n)
{
    b4c_tape_reset(t);
    tape_net_zero(net);
    b4c_backward(t, tape_net_run(t, net).loss);
    assert_false(t->failed);
    *n = tape_net_gradients(net, NULL);
    b4c_real *g = malloc(*n * sizeof *g);
    assert_non_null(g);
    tape_net_gradients(net, g);
    return g;
}

static void compare_lanes(b4c_tape *record, b4c_tape *plain, tape_net *net)
{
    size_t n, m;
    const tape_net_result alone = tape_net_run(plain, net);
    b4c_real *want = gradients_of(record, net, &n);
    b4c_tape many;
    assert_int_equal(b4c_tape_init(&many, plain->kernels, NULL, plain->dtype, LIMIT, false), 0);
    for (int lanes = 2; lanes <= 3; lanes++) {
        many.pool = record->pool = b4c_pool_new(lanes);
        many.worth = record->worth = 0;
        assert_non_null(many.pool);
        b4c_tape_reset(&many);
        assert_same_bits(plain, tape_net_run(&many, net).rows, alone.rows, "rows with more lanes");
        b4c_real *got = gradients_of(record, net, &m);
        assert_int_equal(m, n);
        if (memcmp(got, want, n * sizeof *got) != 0)
            fail_msg("%s: gradients on %d lanes differ", where(record), lanes);
        free(got);
        b4c_pool_free(many.pool);
    }
    b4c_tape_done(&many);
    free(want);
}

static void lanes_change_no_bit(void **state)
{
    (void)state;
    everywhere(compare_lanes);
}

/* Rounded weights give about the gradients of the exact ones: they pass straight through the
 * rounding. */
static void gradients_of_rounded_weights_point_the_same_way(void **state)
{
    (void)state;
    const b4c_kernels *kernels = b4c_kernels_get();
    b4c_real *g[COUNT(dtypes)];
    size_t n = 0;
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        b4c_tape t;
        tape_net *net = tape_net_new(dtypes[d], 48, 3, lengths, SEQUENCES);
        assert_int_equal(b4c_tape_init(&t, kernels, NULL, dtypes[d], LIMIT, true), 0);
        g[d] = gradients_of(&t, net, &n);
        b4c_tape_done(&t);
        tape_net_free(net);
    }
    assert_true(cosine_f32(g[0], g[1], n) > 0.995);
    assert_true(cosine_f32(g[0], g[2], n) > 0.95);
    for (size_t d = 0; d < COUNT(dtypes); d++) free(g[d]);
}

/* ---- memory --------------------------------------------------------------------------------- */

static void after_the_first_step_memory_stays(void **state)
{
    (void)state;
    b4c_tape t;
    tape_net *net = tape_net_new(B4C_F32, 48, 3, lengths, SEQUENCES);
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, LIMIT, true), 0);
    size_t n;
    free(gradients_of(&t, net, &n));
    const b4c_tape first = t;
    for (int step = 0; step < 3; step++) {
        free(gradients_of(&t, net, &n));
        assert_ptr_equal(t.record, first.record);
        assert_ptr_equal(t.lives.life, first.lives.life);
        assert_int_equal(t.room, first.room);
        assert_int_equal(t.lives.room, first.lives.room);
        assert_int_equal(t.arena.peak, first.arena.peak);
        assert_int_equal(t.lives.arena.peak, first.lives.arena.peak);
    }
    /* Gradients die on the way: all of them together would take as much as the activations. */
    assert_true(first.lives.arena.peak < first.arena.peak / 3);
    b4c_tape_done(&t);
    tape_net_free(net);
}

/* The limit grows by the smallest piece that an arena hands out, so every single request fails
 * once. */
static void walk_limits(bool recording)
{
    b4c_tape t;
    tape_net *net = tape_net_new(B4C_I8, 12, 2, few, COUNT(few));
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_find("scalar"), NULL, B4C_I8, LIMIT, recording),
                     0);
    const size_t whole = t.arena.limit;
    b4c_real want = 0;
    int failures = 0;
    bool done = false;
    for (size_t limit = whole; !done; limit = limit == whole ? 0 : limit + B4C_ALIGN) {
        t.arena.limit = limit;
        b4c_tape_reset(&t);
        tape_net_zero(net);
        const tape_net_result r = tape_net_run(&t, net);
        assert_true(t.failed ? !r.loss.x && r.loss.rows == 0 : r.loss.rows == 1);
        if (t.failed) assert_null(b4c_take(&t, 1));
        if (recording) b4c_backward(&t, r.loss);
        failures += t.failed;
        if (limit == whole) {
            assert_false(t.failed);
            want = *r.loss.x;
        } else if (!t.failed) {
            assert_true(*r.loss.x == want);
            done = true;
        }
    }
    assert_true(failures > (recording ? 400 : 100));
    t.arena.limit = whole;
    b4c_tape_done(&t);
    tape_net_free(net);
}

static void running_out_of_memory_anywhere_is_quiet(void **state)
{
    (void)state;
    walk_limits(false);
    walk_limits(true);
}

static void a_tape_over_its_limit_works_again_after_a_reset(void **state)
{
    (void)state;
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, false), 0);
    assert_null(b4c_take(&t, (1 << 16) + 1));
    assert_true(t.failed);
    assert_null(b4c_take(&t, 1));
    assert_null(b4c_fresh(&t, 1, 1, B4C_BOTH).x);
    b4c_tape_reset(&t);
    assert_non_null(b4c_take(&t, 1 << 15));
    assert_null(b4c_fresh(&t, INT32_MAX, INT32_MAX, B4C_ROWS).x);
    assert_int_equal(b4c_plan_make(&t, B4C_MASK_FULL, (const int[]){ 3 }, 1, NULL).n_seq, -1);
    b4c_tape_done(&t);
    b4c_tape_done(NULL);
}

static void lengths_beyond_an_int_fail_the_tape(void **state)
{
    (void)state;
    b4c_tape t;
    const int long_ones[] = { INT32_MAX, 1 };
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, false), 0);
    assert_int_equal(b4c_plan_make(&t, B4C_MASK_FULL, long_ones, 2, NULL).n_seq, -1);
    assert_true(t.failed);
    b4c_tape_done(&t);
}

/* ---- scopes --------------------------------------------------------------------------------- */

/* Rows and operand, with garbage below them, as they were; memory above given back. */
static void close_scope(b4c_tape *record, b4c_tape *plain, tape_net *net)
{
    (void)record;
    const b4c_tensor x = b4c_tensor_of(net->array[net->n_array - 1].x, 37, net->width, NULL);
    for (int want = B4C_ROWS; want <= B4C_BOTH; want++)
        for (int garbage = 64; garbage <= 1 << 17; garbage *= 4) {
            b4c_tape_reset(plain);
            b4c_tensor far = b4c_linear(plain, x, &net->weight[2], B4C_ACT_GELU, (b4c_want)want);
            const b4c_tensor expected = b4c_linear(plain, far, &net->weight[4], B4C_ACT_NONE,
                                                   B4C_ROWS);
            const size_t scope = b4c_scope_open(plain);
            memset(b4c_take(plain, (size_t)garbage), 255, (size_t)garbage);
            b4c_tensor near = b4c_linear(plain, x, &net->weight[2], B4C_ACT_GELU, (b4c_want)want);
            memset(b4c_take(plain, 64), 255, 64);
            const size_t before = plain->arena.used;
            near = b4c_scope_close(plain, scope, near);
            assert_true(plain->arena.used <= before - (size_t)garbage);
            if (want & B4C_ROWS) assert_same_bits(plain, near, far, "rows that moved");
            assert_same_bits(plain,
                             b4c_linear(plain, near, &net->weight[4], B4C_ACT_NONE, B4C_ROWS),
                             expected, "products of what moved");
        }
}

static void a_scope_keeps_its_result(void **state)
{
    (void)state;
    everywhere(close_scope);
}

static void a_scope_leaves_alone_what_stood_before_it(void **state)
{
    (void)state;
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, false), 0);
    const b4c_tensor x = b4c_fresh(&t, 3, 5, B4C_BOTH);
    const size_t scope = b4c_scope_open(&t);
    b4c_take(&t, 100);
    const b4c_tensor y = b4c_scope_close(&t, scope, x);
    assert_ptr_equal(y.x, x.x);
    assert_int_equal(b4c_scope_open(&t), scope);
    b4c_tape_done(&t);
}

static void a_view_that_a_scope_keeps_stands_on_its_own(void **state)
{
    (void)state;
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, false), 0);
    const size_t scope = b4c_scope_open(&t);
    const b4c_tensor wide = b4c_fresh(&t, 40, 9, B4C_ROWS);
    for (int i = 0; i < 40 * 9; i++) wide.x[i] = (b4c_real)i;
    const b4c_tensor y = b4c_scope_close(&t, scope, b4c_columns(wide, 4, 3));
    assert_int_equal(y.ld, 3);
    assert_true(t.arena.used - scope <= 40 * 3 * sizeof(b4c_real) + B4C_ALIGN);
    for (int i = 0; i < 40; i++)
        for (int c = 0; c < 3; c++) assert_true(b4c_row_of(y, i)[c] == (b4c_real)(i * 9 + 4 + c));
    b4c_tape_done(&t);
}

static void a_recording_scope_forgets_nothing(void **state)
{
    (void)state;
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, true), 0);
    const size_t scope = b4c_scope_open(&t);
    const b4c_tensor x = b4c_fresh(&t, 3, 5, B4C_ROWS);
    const size_t used = t.arena.used;
    assert_ptr_equal(b4c_scope_close(&t, scope, x).x, x.x);
    assert_int_equal(t.arena.used, used);
    b4c_tape_done(&t);
}

/* ---- gradients ------------------------------------------------------------------------------ */

static void a_second_loss_of_one_recording_adds_up(void **state)
{
    (void)state;
    b4c_tape t;
    b4c_real x[6] = { 1, 2, 3, 4, 5, 6 }, g[6] = { 0 };
    b4c_slot slot = { .g = g };
    const int offsets[2] = { 0, 6 };
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, true), 0);
    const b4c_tensor in = b4c_tensor_of(x, 6, 1, &slot), double_in = b4c_scaled(&t, in, 2);
    const b4c_tensor mean = b4c_pooled(&t, double_in, offsets, 1, B4C_POOL_ROW_MEAN);
    const b4c_tensor most = b4c_pooled(&t, double_in, offsets, 1, B4C_POOL_ROW_MAX);
    b4c_backward(&t, mean);
    for (int i = 0; i < 6; i++) assert_true(fabs((double)g[i] - 2.0 / 6) < 1e-6);
    b4c_backward(&t, most);
    assert_true(fabs((double)g[5] - 2 - 2.0 / 6) < 1e-6);
    assert_true(fabs((double)g[4] - 2.0 / 6) < 1e-6);
    b4c_tape_done(&t);
}

static void memory_lent_to_a_slot_ends_with_the_reset(void **state)
{
    (void)state;
    b4c_tape t;
    b4c_real x[2] = { 1, 2 };
    b4c_slot slot = { 0 };
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 16, true), 0);
    const int offsets[2] = { 0, 2 };
    b4c_backward(&t, b4c_pooled(&t, b4c_tensor_of(x, 2, 1, &slot), offsets, 1, B4C_POOL_ROW_MEAN));
    assert_non_null(slot.g);
    assert_true(slot.g[0] == (b4c_real)0.5 && slot.g[1] == (b4c_real)0.5);
    b4c_tape_reset(&t);
    assert_null(slot.g);
    b4c_tape_done(&t);
}

static void gradients_fill_the_gaps_of_the_dead(void **state)
{
    (void)state;
    enum { DEEP = 700, WIDE = 64 };
    b4c_tape t;
    b4c_real x[WIDE];
    b4c_slot slot = { 0 };
    for (int i = 0; i < WIDE; i++) x[i] = 1;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 20, true), 0);
    b4c_tensor y = b4c_tensor_of(x, 1, WIDE, &slot);
    for (int i = 0; i < DEEP; i++)
        y = b4c_scaled(
            &t, y, i % 2 ? 2 : (b4c_real)0.5); /* more records than there is room for at first */
    const int offsets[2] = { 0, 1 };
    b4c_scaled(&t, y, 3);            /* nothing flows back through this one */
    b4c_backward(&t, b4c_pooled(&t, b4c_columns(y, 7, 1), offsets, 1, B4C_POOL_ROW_FIRST));
    assert_false(t.failed);
    assert_int_equal(t.n_record, DEEP + 2);
    for (int i = 0; i < WIDE; i++) assert_true(slot.g[i] == (b4c_real)(i == 7));
    assert_int_equal(t.lives.n, 1);
    /* Two rows live at once, a result's and its operand's, and never more than one gap beside them.
     */
    assert_true(t.lives.arena.peak <= 3 * WIDE * sizeof(b4c_real));
    b4c_tape_done(&t);
}

/* ---- lanes ---------------------------------------------------------------------------------- */

typedef struct cover { atomic_int seen[300]; int step, n; } cover;

static void mark(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    cover *c = arg;
    assert_true(lane >= 0 && lane < b4c_lanes(t) && begin < end && end <= c->n &&
                begin % c->step == 0);
    for (int i = begin; i < end; i++) atomic_fetch_add(&c->seen[i], 1);
}

static void every_unit_is_taken_once(void **state)
{
    (void)state;
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 12, false), 0);
    for (int lanes = 1; lanes <= 4; lanes++) {
        t.pool = b4c_pool_new(lanes);
        for (int n = 0; n < 300; n += n < 70 ? 1 : 37)
            for (int grain = 1; grain < 300; grain *= 3)
                for (int step = 1; step <= 16; step += 15) {
                    cover c = { .step = step, .n = n };
                    if (step == 1) b4c_each(&t, mark, &c, n, grain);
                    else b4c_each_rows(&t, mark, &c, n, grain);
                    for (int i = 0; i < 300; i++) assert_int_equal(c.seen[i], i < n);
                }
        b4c_pool_free(t.pool);
    }
    b4c_tape_done(&t);
}

static void a_grain_is_never_less_than_one(void **state)
{
    (void)state;
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 12, false), 0);
    assert_int_equal(b4c_grain(&t, 1e18), 1);
    assert_true(b4c_grain(&t, 0) > 1000);
    t.worth = 0;
    assert_int_equal(b4c_grain(&t, 0), 1);
    b4c_tape_done(&t);
}

/* ---- operands, views, looking --------------------------------------------------------------- */

static void make_operands(b4c_tape *record, b4c_tape *plain, tape_net *net)
{
    (void)record;
    b4c_tensor x = b4c_tensor_of(net->array[net->n_array - 1].x, 37, net->width, NULL);
    const b4c_operand first = b4c_operand_of(plain, &x), second = b4c_operand_of(plain, &x);
    assert_int_equal(first.form, plain->kernels->form(plain->dtype));
    assert_ptr_equal(first.data, second.data);
    b4c_tensor only = { .rows = x.rows, .cols = x.cols, .in = first };
    const b4c_real *back = b4c_rows_of(plain, &only);
    const double tolerance = plain->dtype == B4C_F32  ? 0
                           : plain->dtype == B4C_BF16 ? 1.0 / 256
                                                      : 1.0 / 127;
    assert_near(back, x.x, (size_t)x.rows * (size_t)x.cols, tolerance);
}

static void an_operand_is_made_once_and_holds_the_rows(void **state)
{
    (void)state;
    everywhere(make_operands);
}

static void a_weight_of_another_type_gets_its_own_form(void **state)
{
    (void)state;
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        b4c_tape t;
        tape_net *net = tape_net_new(dtypes[d], 48, 3, lengths, SEQUENCES),
                 *exact = tape_net_new(B4C_F32, 48, 3, lengths, SEQUENCES);
        assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_BF16, LIMIT, false), 0);
        const b4c_tensor x = b4c_tensor_of(net->array[net->n_array - 1].x, 37, net->width, NULL);
        const b4c_tensor h = b4c_linear(&t, x, &exact->weight[2], B4C_ACT_NONE, B4C_OPERAND);
        const b4c_tensor got = b4c_linear(&t, h, &net->weight[4], B4C_ACT_NONE, B4C_ROWS);
        const b4c_tensor rows = b4c_linear(&t, x, &exact->weight[2], B4C_ACT_NONE, B4C_ROWS);
        const b4c_tensor want = b4c_linear(&t, rows, &exact->weight[4], B4C_ACT_NONE, B4C_ROWS);
        assert_false(t.failed);
        assert_near(got.x, want.x, (size_t)got.rows * (size_t)got.cols,
                    dtypes[d] == B4C_I4 ? 0.1 : 0.03);
        b4c_tape_done(&t);
        tape_net_free(net);
        tape_net_free(exact);
    }
}

static void views_of_nothing_are_nothing(void **state)
{
    (void)state;
    const b4c_tensor nothing = { 0 };
    assert_null(b4c_columns(nothing, 3, 4).x);
    assert_null(b4c_row_range(nothing, 3, 4).x);
}

static void views_know_their_place(void **state)
{
    (void)state;
    b4c_real x[12];
    b4c_slot slot = { 0 };
    const b4c_tensor whole = b4c_tensor_of(x, 3, 4, &slot),
                     part = b4c_columns(b4c_columns(whole, 1, 3), 1, 2);
    assert_int_equal(part.at, 2);
    assert_ptr_equal(part.x, x + 2);
    assert_int_equal(part.ld, 4);
    const b4c_tensor rows = b4c_row_range(part, 1, 2);
    assert_ptr_equal(rows.x, x + 6);
    assert_null(rows.slot);
}

static void count_look(void *arg, const char *name, int layer, b4c_tensor x)
{
    assert_string_equal(name, "hidden");
    assert_int_equal(layer, 3);
    assert_int_equal(x.cols, 4);
    ++*(int *)arg;
}

static void a_tape_shows_what_is_worth_looking_at(void **state)
{
    (void)state;
    b4c_tape t;
    int looks = 0;
    b4c_real x[4] = { 0 };
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, 1 << 12, false), 0);
    const b4c_tensor row = b4c_tensor_of(x, 1, 4, NULL);
    b4c_look(&t, "hidden", 3, row);
    t.look = count_look;
    t.look_arg = &looks;
    b4c_look(&t, "hidden", 3, row);
    assert_int_equal(looks, 1);
    t.failed = true;
    b4c_look(&t, "hidden", 3, row);
    assert_int_equal(looks, 1);
    b4c_tape_done(&t);
}

int main(void)
{
    for (size_t k = 0; k < COUNT(tables); k++)
        printf("%s: %s\n", tables[k],
               b4c_kernels_find(tables[k]) ? "tested"
               : table_of(tables[k])       ? "tested, emulated"
                                           : "not on this machine, skipped");
    fflush(stdout);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recording_changes_no_bit),
        cmocka_unit_test(how_a_result_is_asked_for_changes_no_bit),
        cmocka_unit_test(lanes_change_no_bit),
        cmocka_unit_test(gradients_of_rounded_weights_point_the_same_way),
        cmocka_unit_test(after_the_first_step_memory_stays),
        cmocka_unit_test(running_out_of_memory_anywhere_is_quiet),
        cmocka_unit_test(a_tape_over_its_limit_works_again_after_a_reset),
        cmocka_unit_test(lengths_beyond_an_int_fail_the_tape),
        cmocka_unit_test(a_scope_keeps_its_result),
        cmocka_unit_test(a_scope_leaves_alone_what_stood_before_it),
        cmocka_unit_test(a_view_that_a_scope_keeps_stands_on_its_own),
        cmocka_unit_test(a_recording_scope_forgets_nothing),
        cmocka_unit_test(a_second_loss_of_one_recording_adds_up),
        cmocka_unit_test(memory_lent_to_a_slot_ends_with_the_reset),
        cmocka_unit_test(gradients_fill_the_gaps_of_the_dead),
        cmocka_unit_test(every_unit_is_taken_once),
        cmocka_unit_test(a_grain_is_never_less_than_one),
        cmocka_unit_test(an_operand_is_made_once_and_holds_the_rows),
        cmocka_unit_test(a_weight_of_another_type_gets_its_own_form),
        cmocka_unit_test(views_of_nothing_are_nothing),
        cmocka_unit_test(views_know_their_place),
        cmocka_unit_test(a_tape_shows_what_is_worth_looking_at),
    };
    return cmocka_run_group_tests_name("tests/unit/test_tape", tests, NULL, NULL);
}
