/* world.c - see world.h. */
#include "grad/world.h"
#include "support/test.h"

int draw(world *w, int low, int high)
{
    return low + (int)b4c_rng_below(&w->rng, (uint32_t)(high - low + 1));
}

double uniform(world *w, double low, double high)
{
    return low + (high - low) * (b4c_rng_word(&w->rng) * 0x1p-32);
}

int *ints(world *w, int n)
{
    return b4c_take(w->t, (size_t)(n + 1) * sizeof(int));
}

input *learned(world *w, int rows, int cols, double low, double high)
{
    assert_true(w->next < MOST_INPUTS);
    input *p = &w->in[w->next++];
    if (w->next > w->n_in) {
        w->n_in = w->next;
        p->rows = rows;
        p->cols = cols;
        p->x = calloc((size_t)rows * (size_t)cols + 1, sizeof *p->x);
        p->g = calloc((size_t)rows * (size_t)cols + 1, sizeof *p->g);
        for (int i = 0; i < rows * cols; i++) p->x[i] = uniform(w, low, high);
    } else {
        for (int i = 0; i < rows * cols; i++) uniform(w, low, high);  /* later draws keep in step */
    }
    assert_true(p->rows == rows && p->cols == cols);
    p->slot = (b4c_slot){ .g = p->g, .rows = rows, .ld = cols };
    return p;
}

b4c_array array(world *w, int rows, int cols, double low, double high)
{
    input *p = learned(w, rows, cols, low, high);
    return (b4c_array){ rows, cols, p->x, &p->slot };
}

b4c_tensor rows_between(world *w, int rows, int cols, double low, double high)
{
    const int before = draw(w, 0, 1) * draw(w, 0, 3), after = before ? draw(w, 0, 3) : 0;
    input *p = learned(w, rows, before + cols + after, low, high);
    b4c_tensor x = b4c_tensor_of(p->x, rows, p->cols, &p->slot);
    return p->cols == cols ? x : b4c_columns(x, before, cols);
}

b4c_tensor rows_of(world *w, int rows, int cols)
{
    return rows_between(w, rows, cols, -1, 1);
}

b4c_packed pack(world *w, int n, int k, const b4c_real *x)
{
    assert_true(w->n_packed < MOST_WEIGHTS);
    b4c_packed *p = &w->packed[w->n_packed++];
    assert_int_equal(b4c_packed_init(p, n, k, B4C_F32), 0);
    b4c_packed_fill(p, 0, n, x, (size_t)k);
    return *p;
}

b4c_weight weight(world *w, int n, int k, bool with_bias)
{
    input *p = learned(w, n, k, -1, 1);
    b4c_weight y = { .master = p->x, .slot = &p->slot, .packed = pack(w, n, k, p->x) };
    if (with_bias) y.bias = array(w, 1, n, -1, 1);
    return y;
}

b4c_want any_want(world *w)
{
    return (b4c_want)draw(w, 1, 3);
}

/* ---- the loss ------------------------------------------------------------------------------- */

static void weighed_back(b4c_tape *t, const b4c_record *r)
{
    const b4c_real *factor = r->arg;
    int ld, up_ld;
    const b4c_real up = *b4c_grad(t, r->out, &up_ld);
    b4c_real *dy = b4c_grad(t, r->in[0], &ld);
    for (int i = 0; dy && i < r->in[0].rows; i++)
        for (int c = 0; c < r->in[0].cols; c++)
            b4c_row(dy, ld, i)[c] += up * factor[i * r->in[0].cols + c];
}

b4c_tensor weighed(world *w, b4c_tensor y)
{
    b4c_rng rng;
    b4c_rng_init(&rng, w->seed, 77, 1);
    b4c_tensor z = b4c_fresh(w->t, 1, 1, B4C_ROWS);
    b4c_real *factor = b4c_take_rows(w->t, y.rows, y.cols);
    b4c_record *r = b4c_remember(w->t, weighed_back, z);
    assert_false(w->t->failed);
    if (r) r->in[0] = y, r->arg = factor;
    *z.x = 0;
    for (int i = 0; i < y.rows; i++)
        for (int c = 0; c < y.cols; c++) {
            b4c_real *f = &factor[i * y.cols + c];
            *f = 2 * (b4c_real)b4c_rng_uniform(&rng) - 1;
            *z.x += *f * b4c_row_of(y, i)[c];
        }
    return z;
}
