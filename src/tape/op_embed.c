/* op_embed.c - row i = scale * (sum over tables of table_t[ids_t[i]]).
 *
 * Tables are added in the order given, each to the sum of those before it, as the reference
 * frameworks do; back adds scale * dy to the rows that were looked up.
 */
#include "tape/ops.h"

#include <assert.h>
#include <string.h>

/* AHEAD: rows from the one that is added to the one that is asked for. */
enum { MOST_TABLES = 3, AHEAD = 3 };

typedef struct embed_arg {
    int n;
    b4c_table table[MOST_TABLES];
    const int32_t *ids[MOST_TABLES];
    b4c_real scale;
    b4c_tensor y;
    b4c_real *scratch;       /* [lanes, cols] */
} embed_arg;

/* Row `id` of the table: where it stands, or widened into `wide`. */
static const b4c_real *look_up(const b4c_tape *t, const b4c_table *table, int32_t id,
                               b4c_real *wide)
{
    const size_t at = (size_t)id * (size_t)table->real.cols;
    assert(id < table->real.rows);
    if (!table->half) return table->real.x + at;
    b4c_operand row = { .form = B4C_FORM_BF16, .rows = 1, .cols = table->real.cols };
    row.data = table->half + at;
    row.ld = (size_t)table->real.cols * sizeof *table->half;
    t->kernels->rows(&row, wide, table->real.cols, 0, 1);
    return wide;
}

/* Rows that are looked up lie anywhere. */
static void ask_ahead(const b4c_table *table, int32_t id)
{
    const size_t w = (size_t)table->real.cols, at = (size_t)(id < 0 ? 0 : id) * w;
    if (table->half) b4c_ask_ahead(table->half + at, 0, w * sizeof *table->half);
    else b4c_ask_ahead(table->real.x + at, 0, w * sizeof(b4c_real));
}

static void embed_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const embed_arg *a = arg;
    const size_t w = (size_t)a->y.cols;
    b4c_real *other = b4c_row(a->scratch, a->y.cols, lane);
    for (int i = begin; i < end; i++) {
        b4c_real *y = b4c_row(a->y.x, a->y.ld, i);
        bool first = true;
        if (i + AHEAD < end) ask_ahead(&a->table[0], a->ids[0][i + AHEAD]);
        for (int s = 0; s < a->n; s++) {
            if (a->ids[s][i] < 0) continue;
            const b4c_real *x = look_up(t, &a->table[s], a->ids[s][i], other);
            if (first) memcpy(y, x, w * sizeof *y);
            else t->kernels->add(y, x, y, w);
            first = false;
        }
        if (first) memset(y, 0, w * sizeof *y);
        if (a->scale == 1) continue;
        memcpy(other, y, w * sizeof *y);
        memset(y, 0, w * sizeof *y);
        t->kernels->axpy(a->scale, other, y, w);
    }
}

static void embed_back(b4c_tape *t, const b4c_record *r)
{
    const embed_arg *a = r->arg;
    int dy_ld;
    const b4c_real *dy = b4c_grad(t, r->out, &dy_ld);
    for (int s = 0; s < a->n; s++) {
        const b4c_array *real = &a->table[s].real;
        b4c_real *to = b4c_slot_grad(t, real->slot, real->rows, real->cols);
        if (to)
            b4c_add_rows(t, a->scale, dy, dy_ld, r->out.rows, real->cols, a->ids[s], to,
                         real->cols);
    }
}

b4c_tensor b4c_embed(b4c_tape *t, const b4c_table *const *tables, const int32_t *const *ids,
                     int n_tables, int rows, b4c_real scale)
{
    if (t->failed) return (b4c_tensor){ 0 };
    assert(n_tables >= 1 && n_tables <= MOST_TABLES);
    embed_arg a = { .n = n_tables, .scale = scale };
    for (int s = 0; s < n_tables; s++) {
        a.table[s] = *tables[s];
        a.ids[s] = ids[s];
        assert(tables[s]->real.cols == tables[0]->real.cols);
        assert(!tables[s]->half || !tables[s]->real.slot);
    }
    a.y = b4c_fresh(t, rows, tables[0]->real.cols, B4C_ROWS);
    b4c_record *r = b4c_remember(t, embed_back, a.y);
    if (r) r->arg = b4c_copy(t, &a, sizeof a);
    for (int s = 0; s < n_tables; s++) b4c_reads(t, tables[s]->real.slot);
    const size_t mark = b4c_scope_open(t);
    a.scratch = b4c_take_rows(t, b4c_lanes(t), a.y.cols);
    if (t->failed) return (b4c_tensor){ 0 };
    b4c_each_rows(t, embed_rows, &a, rows, b4c_grain(t, (double)n_tables * a.y.cols));
    b4c_drop(t, mark);
    return a.y;
}
