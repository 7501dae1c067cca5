/* op_elementwise.c - sum, product, scaling, activation, dropout: row i of the result from row i of
 * the operands, so lanes take rows as they come.
 */
#include "base/rng.h"
#include "tape/ops.h"

#include <assert.h>
#include <string.h>

static const b4c_tensor nothing;

/* Rows that are made an operand while they are near; operands in tiles begin at such multiples. */
enum { NEAR_ROWS = 16 };

/* What a run over rows reads and writes. Forward: y from a, b. Back: da += dy ... */
typedef struct rowwise {
    b4c_tensor a, b, y;
    const b4c_real *dy;
    b4c_real *da;
    int dy_ld, da_ld;
    b4c_real factor, *scratch;   /* scratch: [lanes, cols] */
    b4c_act act;
    uint64_t seed, step;
    uint32_t below;              /* dropped: words less than this */
} rowwise;

static b4c_real *y_row(const rowwise *j, int i) { return b4c_row(j->y.x, j->y.ld, i); }
static b4c_real *da_row(const rowwise *j, int i) { return b4c_row(j->da, j->da_ld, i); }
static const b4c_real *dy_row(const rowwise *j, int i)
{
    return j->dy + (size_t)i * (size_t)j->dy_ld;
}

/* Gradients of out and of operand `a`; false: nothing to do, or the tape has failed. */
static bool begin_back(b4c_tape *t, rowwise *j, const b4c_record *r, b4c_tensor a)
{
    j->a = a;
    j->y = r->out;
    j->dy = b4c_grad(t, r->out, &j->dy_ld);
    j->da = b4c_grad(t, a, &j->da_ld);
    return j->da != NULL && !t->failed;
}

static void run(b4c_tape *t, b4c_units_fn fn, rowwise *j, double work)
{
    b4c_each_rows(t, fn, j, j->y.rows, b4c_grain(t, work * j->y.cols));
}

/* ---- sum ------------------------------------------------------------------------------------ */

static void sum_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const rowwise *j = arg;
    for (int i = begin; i < end; i++)
        t->kernels->add(b4c_row_of(j->a, i), b4c_row_of(j->b, i), y_row(j, i), (size_t)j->y.cols);
}

static void add_rows_back(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const rowwise *j = arg;
    for (int i = begin; i < end; i++)
        t->kernels->axpy(j->factor, dy_row(j, i), da_row(j, i), (size_t)j->y.cols);
}

void b4c_sum_back(b4c_tape *t, const b4c_record *r)
{
    for (int i = 0; i < 2; i++) {
        rowwise j = { .factor = 1 };
        if (begin_back(t, &j, r, r->in[i])) run(t, add_rows_back, &j, 1);
    }
}

b4c_tensor b4c_sum(b4c_tape *t, b4c_tensor a, b4c_tensor b)
{
    return b4c_sum_into(t, b4c_fresh(t, a.rows, a.cols, B4C_ROWS), a, b);
}

b4c_tensor b4c_sum_into(b4c_tape *t, b4c_tensor y, b4c_tensor a, b4c_tensor b)
{
    if (t->failed) return nothing;
    assert(a.x && b.x && a.rows == b.rows && a.cols == b.cols);
    rowwise j = { .a = a, .b = b, .y = y };
    b4c_record *r = b4c_remember(t, b4c_sum_back, j.y);
    if (r) r->in[0] = a, r->in[1] = b;
    if (t->failed) return nothing;
    run(t, sum_rows, &j, 1);
    return j.y;
}

/* ---- product -------------------------------------------------------------------------------- */

static void product_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    rowwise *j = arg;
    for (int i = begin; i < end; i += NEAR_ROWS) {
        const int upto = end - i < NEAR_ROWS ? end : i + NEAR_ROWS;
        for (int k = i; k < upto; k++)
            t->kernels->mul(b4c_row_of(j->a, k), b4c_row_of(j->b, k), y_row(j, k),
                            (size_t)j->y.cols);
        b4c_also_operand(t, &j->y, i, upto);
    }
}

static void product_back_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const rowwise *j = arg;
    const size_t w = (size_t)j->y.cols;
    b4c_real *product = b4c_row(j->scratch, j->y.cols, lane);
    for (int i = begin; i < end; i++) {
        t->kernels->mul(dy_row(j, i), b4c_row_of(j->b, i), product, w);
        t->kernels->add(product, da_row(j, i), da_row(j, i), w);
    }
}

static void product_back(b4c_tape *t, const b4c_record *r)
{
    for (int i = 0; i < 2; i++) {
        rowwise j = { .b = r->in[1 - i] };
        if (!begin_back(t, &j, r, r->in[i])) continue;
        j.scratch = b4c_take_rows(t, b4c_lanes(t), j.y.cols);
        if (j.scratch) run(t, product_back_rows, &j, 2);
    }
}

b4c_tensor b4c_product(b4c_tape *t, b4c_tensor a, b4c_tensor b, b4c_want want)
{
    if (t->failed) return nothing;
    assert(a.x && b.x && a.rows == b.rows && a.cols == b.cols);
    rowwise j = { .a = a, .b = b, .y = b4c_fresh(t, a.rows, a.cols, want | B4C_ROWS) };
    b4c_record *r = b4c_remember(t, product_back, j.y);
    if (r) r->in[0] = a, r->in[1] = b;
    if (t->failed) return nothing;
    run(t, product_rows, &j, 1);
    return j.y;
}

/* ---- scaling -------------------------------------------------------------------------------- */

static void scale_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const rowwise *j = arg;
    for (int i = begin; i < end; i++) {
        memset(y_row(j, i), 0, (size_t)j->y.cols * sizeof(b4c_real));
        t->kernels->axpy(j->factor, b4c_row_of(j->a, i), y_row(j, i), (size_t)j->y.cols);
    }
}

static void scaled_back(b4c_tape *t, const b4c_record *r)
{
    rowwise j = { .factor = *(const b4c_real *)r->arg };
    if (begin_back(t, &j, r, r->in[0])) run(t, add_rows_back, &j, 1);
}

b4c_tensor b4c_scaled(b4c_tape *t, b4c_tensor a, b4c_real factor)
{
    if (t->failed) return nothing;
    assert(a.x);
    rowwise j = { .a = a, .factor = factor, .y = b4c_fresh(t, a.rows, a.cols, B4C_ROWS) };
    b4c_record *r = b4c_remember(t, scaled_back, j.y);
    if (r) r->in[0] = a, r->arg = b4c_copy(t, &factor, sizeof factor);
    if (t->failed) return nothing;
    run(t, scale_rows, &j, 1);
    return j.y;
}

/* ---- activation ----------------------------------------------------------------------------- */

static void act_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    rowwise *j = arg;
    for (int i = begin; i < end; i++)
        t->kernels->act(j->act, b4c_row_of(j->a, i), y_row(j, i), (size_t)j->y.cols);
    b4c_also_operand(t, &j->y, begin, end);
}

static void act_back_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const rowwise *j = arg;
    for (int i = begin; i < end; i++)
        t->kernels->act_back(j->act, b4c_row_of(j->a, i), dy_row(j, i), da_row(j, i),
                             (size_t)j->y.cols);
}

static void activate_back(b4c_tape *t, const b4c_record *r)
{
    rowwise j = { .act = *(const b4c_act *)r->arg };
    if (begin_back(t, &j, r, r->in[0])) run(t, act_back_rows, &j, 8);
}

b4c_tensor b4c_activate(b4c_tape *t, b4c_tensor a, b4c_act act, b4c_want want)
{
    if (t->failed) return nothing;
    assert(a.x);
    rowwise j = { .a = a, .act = act, .y = b4c_fresh(t, a.rows, a.cols, want | B4C_ROWS) };
    b4c_record *r = b4c_remember(t, activate_back, j.y);
    if (r) r->in[0] = a, r->arg = b4c_copy(t, &act, sizeof act);
    if (t->failed) return nothing;
    run(t, act_rows, &j, 8);
    return j.y;
}

/* ---- dropout -------------------------------------------------------------------------------- */

/* Row `row` of the mask, 0 or 1 / (1 - p): four columns a block of Philox at (column / 4, row,
 * step). Made again in back rather than kept: it costs less than the memory. */
static void mask_row(const rowwise *j, int row, b4c_real *mask)
{
    const uint32_t key[2] = { (uint32_t)j->seed, (uint32_t)(j->seed >> 32) };
    uint32_t counter[4] = { 0, (uint32_t)row, (uint32_t)j->step, (uint32_t)(j->step >> 32) };
    uint32_t word[4];
    for (int c = 0; c < j->y.cols; c++) {
        if (c % 4 == 0) {
            counter[0] = (uint32_t)c / 4;
            b4c_philox(counter, key, word);
        }
        mask[c] = word[c % 4] < j->below ? 0 : j->factor;
    }
}

static void dropout_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const rowwise *j = arg;
    b4c_real *mask = b4c_row(j->scratch, j->y.cols, lane);
    for (int i = begin; i < end; i++) {
        mask_row(j, i, mask);
        t->kernels->mul(b4c_row_of(j->a, i), mask, y_row(j, i), (size_t)j->y.cols);
    }
}

static void dropout_back_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const rowwise *j = arg;
    const size_t w = (size_t)j->y.cols;
    b4c_real *mask = b4c_row(j->scratch, j->y.cols, lane);
    for (int i = begin; i < end; i++) {
        mask_row(j, i, mask);
        t->kernels->mul(dy_row(j, i), mask, mask, w);
        t->kernels->add(mask, da_row(j, i), da_row(j, i), w);
    }
}

static void dropout_back(b4c_tape *t, const b4c_record *r)
{
    rowwise j = *(const rowwise *)r->arg;
    if (!begin_back(t, &j, r, r->in[0])) return;
    j.scratch = b4c_take_rows(t, b4c_lanes(t), j.y.cols);
    if (j.scratch) run(t, dropout_back_rows, &j, 8);
}

b4c_tensor b4c_dropout(b4c_tape *t, b4c_tensor a, b4c_real p, uint64_t seed, uint64_t step)
{
    if (t->failed) return nothing;
    assert(a.x && p >= 0 && p < 1);
    if (p == 0) return a;
    rowwise j = { .a = a, .factor = 1 / (1 - p), .seed = seed, .step = step };
    j.y = b4c_fresh(t, a.rows, a.cols, B4C_ROWS);
    j.below = (uint32_t)((double)p * 4294967296.0);
    b4c_record *r = b4c_remember(t, dropout_back, j.y);
    if (r) r->in[0] = a, r->arg = b4c_copy(t, &j, sizeof j);
    const size_t mark = b4c_scope_open(t);
    j.scratch = b4c_take_rows(t, b4c_lanes(t), a.cols);
    if (t->failed) return nothing;
    run(t, dropout_rows, &j, 8);
    b4c_drop(t, mark);
    return j.y;
}
