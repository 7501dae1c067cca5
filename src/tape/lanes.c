/* lanes.c - an op's work divided among the lanes of the tape's pool, and sums that several ops send
 * back.
 *
 * Idea: units are given out in parts, several a lane, so that uneven units balance. Invariants: a
 * unit is taken once; what a unit computes does not depend on which lane takes it, nor on its part.
 */
#include "tape/tape.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>

/* PARTS: a lane takes about so many parts of a job. AHEAD: rows from the one that is added to the
 * one that is asked for. */
enum { PARTS = 4, ROW_BLOCK = 16, AHEAD = 4 };

/* ---- lanes ---------------------------------------------------------------------------------- */

typedef struct job {
    b4c_tape *tape;
    b4c_units_fn fn;
    void *arg;
    int n, part;
    atomic_int next;
} job;

static void take_parts(void *arg, int lane, int lanes)
{
    job *j = arg;
    (void)lanes;
    for (;;) {
        const int begin = atomic_fetch_add_explicit(&j->next, j->part, memory_order_relaxed);
        if (begin >= j->n) return;
        j->fn(j->tape, j->arg, begin, j->n - begin < j->part ? j->n : begin + j->part, lane);
    }
}

/* Parts begin at multiples of `step`. */
static void divide(b4c_tape *t, b4c_units_fn fn, void *arg, int n, int grain, int step)
{
    const int lanes = b4c_lanes(t);
    if (n <= 0 || t->dry) return;
    if (lanes == 1 || n < 2 * (long)grain || n <= step) {
        fn(t, arg, 0, n, 0);
        return;
    }
    /* as many parts for every lane: two lanes and three parts would take as long as four */
    int parts = PARTS * lanes;
    if (n / grain < parts) parts = n / grain < lanes ? n / grain : n / grain / lanes * lanes;
    int part = (n + parts - 1) / parts;
    part = (part + step - 1) / step * step;
    assert(n <= INT_MAX - (lanes + 1) * (long)part);     /* every lane overshoots once */
    job j = { .tape = t, .fn = fn, .arg = arg, .n = n, .part = part };
    atomic_init(&j.next, 0);
    b4c_pool_run(t->pool, take_parts, &j);
}

int b4c_lanes(const b4c_tape *t)
{
    return b4c_pool_lanes(t->pool);
}

int b4c_grain(const b4c_tape *t, double work)
{
    return (int)(t->worth / (work < 1 ? 1 : work)) + 1;
}

void b4c_each(b4c_tape *t, b4c_units_fn fn, void *arg, int n, int grain)
{
    divide(t, fn, arg, n, grain, 1);
}

void b4c_each_rows(b4c_tape *t, b4c_units_fn fn, void *arg, int rows, int grain)
{
    divide(t, fn, arg, rows, grain, ROW_BLOCK);
}

/* ---- sums that several ops send back -------------------------------------------------------- */

typedef struct scatter {
    b4c_real factor;
    const b4c_real *x;
    int ld, rows, cols;
    const int *index;
    b4c_real *to;
    int to_ld;
} scatter;

/* Lanes divide columns, not rows: two rows may go to one place, and always in the same order. */
static void scatter_columns(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const scatter *s = arg;
    const int from = begin * ROW_BLOCK, most = end * ROW_BLOCK;
    const size_t n = (size_t)((most < s->cols ? most : s->cols) - from);
    (void)lane;
    for (int i = 0; i < s->rows; i++) {
        const int row = s->index ? s->index[i] : i;
        if (row < 0) continue;
        const b4c_real *x = s->x + (size_t)i * (size_t)s->ld + from;
        b4c_ask_ahead(x, AHEAD * (size_t)s->ld * sizeof *x, n * sizeof *x);
        t->kernels->axpy(s->factor, x, b4c_row(s->to, s->to_ld, row) + from, n);
    }
}

void b4c_add_rows(b4c_tape *t, b4c_real factor, const b4c_real *x, int ld, int rows, int cols,
                  const int *index, b4c_real *to, int to_ld)
{
    scatter s = { factor, x, ld, rows, cols, index, to, to_ld };
    const int units = (cols + ROW_BLOCK - 1) / ROW_BLOCK, share = units / b4c_lanes(t);
    const int grain = b4c_grain(t, (double)rows * ROW_BLOCK);
    b4c_each(t, scatter_columns, &s, units, grain > share ? grain : share);
}

void b4c_add_columns(b4c_tape *t, const b4c_real *x, int ld, int rows, int cols, b4c_real *to)
{
    b4c_add_rows(t, 1, x, ld, rows, cols, NULL, to, 0);      /* every row onto the first */
}
