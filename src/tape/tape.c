/* tape.c - the tape: memory for activations, records, gradients.
 *
 * Idea: two arenas. Activations are a stack: an op takes, a scope gives back, a reset forgets all.
 * Gradients do not die in the order of a stack, so they stand in an arena of their own, each in the
 * first gap that is large enough; few are alive at once, and a list of them by address is the whole
 * bookkeeping. The same step finds the same places, so after the first nothing is asked of the
 * system.
 *
 *     arena   | ids, plan | layer 0 | layer 1 | ... | scratch of the op or back that runs |   free
 *     lives   | gradient | gap | gradient | gradient |   free
 *
 * Invariants: lives.life is sorted by address and does not overlap; lives.arena.used is the end of
 * the last; arena.used + lives.arena.used <= arena.limit.
 */
#include "tape/tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORTH = 32768 };      /* of additions, some 3 microseconds */

static const b4c_tensor nothing;

/* ---- life ----------------------------------------------------------------------------------- */

int b4c_tape_init(b4c_tape *t, const b4c_kernels *kernels, b4c_pool *pool, b4c_dtype dtype,
                  size_t limit, bool recording)
{
    assert(kernels && dtype != B4C_AUTO);
    *t = (b4c_tape){
        .kernels = kernels, .pool = pool, .worth = WORTH, .dtype = dtype, .recording = recording
    };
    if (b4c_arena_init(&t->arena, limit) < 0 ||
        (recording && b4c_arena_init(&t->lives.arena, limit) < 0)) {
        b4c_tape_done(t);
        return B4C_E_MEMORY;
    }
    return 0;
}

void b4c_tape_dry(b4c_tape *t)
{
    t->dry = true;
    b4c_arena_sparse(&t->arena);
    b4c_arena_sparse(&t->lives.arena);
}

void b4c_tape_done(b4c_tape *t)
{
    if (!t) return;
    b4c_tape_reset(t);
    b4c_arena_done(&t->arena);
    b4c_arena_done(&t->lives.arena);
    free(t->record);
    free(t->first_read);
    free(t->lives.life);
    *t = (b4c_tape){ 0 };
}

void b4c_tape_reset(b4c_tape *t)
{
    for (int i = 0; i < t->lives.n; i++) t->lives.life[i].slot->g = NULL;
    for (int i = 0; i < t->n_first_reads; i++) t->first_read[i].slot->read = false;
    t->n_first_reads = 0;
    t->lives.n = 0;
    t->lives.arena.used = 0;
    t->arena.used = 0;
    t->n_record = 0;
    t->failed = false;
}

/* ---- activations ---------------------------------------------------------------------------- */

/* The alignment of both arenas may cost B4C_ALIGN each beyond the sum. */
static bool fits(const b4c_tape *t, size_t bytes)
{
    size_t used = t->arena.used + t->lives.arena.used + 2 * B4C_ALIGN;
    return used <= t->arena.limit && bytes <= t->arena.limit - used;
}

static void *take_from(b4c_tape *t, b4c_arena *arena, size_t bytes)
{
    void *p = !t->failed && fits(t, bytes) ? b4c_arena_take(arena, bytes) : NULL;
    if (!p) t->failed = true;
    return p;
}

void *b4c_take(b4c_tape *t, size_t bytes)
{
    return take_from(t, &t->arena, bytes);
}

void *b4c_copy(b4c_tape *t, const void *from, size_t bytes)
{
    void *to = b4c_take(t, bytes);
    if (to) memcpy(to, from, bytes);
    return to;
}

void b4c_drop(b4c_tape *t, size_t mark)
{
    assert(mark <= t->arena.used);
    t->arena.used = mark;
}

b4c_real *b4c_take_rows(b4c_tape *t, int rows, int cols)
{
    assert(rows >= 0 && cols >= 0);
    size_t bytes;
    if (__builtin_mul_overflow((size_t)rows, (size_t)cols, &bytes) ||
        __builtin_mul_overflow(bytes, sizeof(b4c_real), &bytes))
        bytes = SIZE_MAX;
    return b4c_take(t, bytes);
}

b4c_operand b4c_operand_new(b4c_tape *t, b4c_form form, int rows, int cols)
{
    b4c_operand o = { .form = form, .rows = rows, .cols = cols };
    o.data = b4c_take(t, b4c_operand_bytes(form, rows, cols, &o.ld));
    const size_t scales = b4c_operand_scales(form, rows, cols);
    if (scales) o.scale = b4c_take(t, scales * sizeof *o.scale);
    return t->failed ? (b4c_operand){ 0 } : o;
}

/* Rows are an operand already where operands are REAL. */
static b4c_operand real_operand(b4c_tensor x)
{
    return (b4c_operand){
        .form = B4C_FORM_REAL, .rows = x.rows, .cols = x.cols, .data = x.x, .ld = (size_t)x.ld
    };
}

static b4c_tensor fresh(b4c_tape *t, int rows, int cols, int ld, b4c_want want)
{
    b4c_tensor y = { .rows = rows, .cols = cols, .ld = ld };
    const b4c_form form = b4c_form_for(t->kernels, t->dtype, t->groups);
    const bool as_operand = (want & B4C_OPERAND) != 0, half = want == B4C_HALF && !t->recording;
    if (half) y.in = b4c_operand_new(t, B4C_FORM_BF16, rows, cols);
    else if (t->recording || (want & B4C_ROWS) || form == B4C_FORM_REAL)
        y.x = b4c_take_rows(t, rows, ld);
    if (as_operand)
        y.in = form == B4C_FORM_REAL ? real_operand(y) : b4c_operand_new(t, form, rows, cols);
    const b4c_slot slot = { .rows = rows, .ld = cols };
    if (t->recording) y.slot = b4c_copy(t, &slot, sizeof slot);
    return t->failed ? nothing : y;
}

b4c_tensor b4c_fresh(b4c_tape *t, int rows, int cols, b4c_want want)
{
    return fresh(t, rows, cols, cols, want);
}

b4c_tensor b4c_fresh_spaced(b4c_tape *t, int rows, int cols, b4c_want want)
{
    const bool any = want == B4C_OPERAND && !t->recording;
    const size_t bytes = (size_t)cols * sizeof(b4c_real);
    return fresh(t, rows, cols, any ? (int)(b4c_spaced(bytes) / sizeof(b4c_real)) : cols, want);
}

b4c_tensor b4c_fresh_over(b4c_tape *t, b4c_tensor old, int rows, int cols, b4c_want want)
{
    const b4c_form form = b4c_form_for(t->kernels, t->dtype, t->groups);
    const bool as_rows = old.x && old.rows == rows && old.cols == cols && old.ld == cols;
    if (t->recording || !as_rows || want == B4C_HALF) return b4c_fresh(t, rows, cols, want);
    if ((want & B4C_OPERAND) && form == B4C_FORM_REAL) old.in = real_operand(old);
    if ((want & B4C_OPERAND) && old.in.form != form) return b4c_fresh(t, rows, cols, want);
    if (!(want & B4C_OPERAND)) old.in = (b4c_operand){ 0 };
    return old;
}

b4c_tensor b4c_tensor_of(b4c_real *x, int rows, int cols, b4c_slot *slot)
{
    if (slot) slot->rows = rows, slot->ld = cols;
    return (b4c_tensor){ .rows = rows, .cols = cols, .ld = cols, .x = x, .slot = slot };
}

b4c_tensor b4c_columns(b4c_tensor x, int from, int cols)
{
    const bool half = !x.x && x.in.form == B4C_FORM_BF16;
    if (!x.x && !half) return nothing;   /* of a failed tape */
    assert(from >= 0 && cols >= 0 && from <= x.cols - cols);
    x.at += from;
    x.cols = cols;
    if (half) {
        x.in.data = (uint16_t *)x.in.data + from;
        x.in.cols = cols;
    } else {
        x.x += from;
        x.in = (b4c_operand){ 0 };
    }
    return x;
}

b4c_tensor b4c_row_range(b4c_tensor x, int from, int rows)
{
    if (!x.x) return nothing;
    assert(from >= 0 && rows >= 0 && from <= x.rows - rows);
    x.x += (size_t)from * (size_t)x.ld;
    x.rows = rows;
    x.in = (b4c_operand){ 0 };
    x.slot = NULL;               /* a slot knows columns only */
    return x;
}

/* ---- scopes --------------------------------------------------------------------------------- */

size_t b4c_scope_open(const b4c_tape *t)
{
    return t->arena.used;
}

static bool is_above(const b4c_tape *t, size_t scope, const void *p)
{
    const uintptr_t at = (uintptr_t)p, base = (uintptr_t)t->arena.base;
    return at >= base + scope && at < base + t->arena.limit;
}

static void move_rows(b4c_tape *t, b4c_tensor *y)
{
    b4c_real *to = b4c_take_rows(t, y->rows, y->cols);
    const bool shared = y->in.form == B4C_FORM_REAL && y->in.data == y->x;
    /* Upwards, row by row: a row never lands on one that has yet to move. */
    for (int i = 0; i < y->rows; i++)
        memmove(b4c_row(to, y->cols, i), b4c_row_of(*y, i), (size_t)y->cols * sizeof *to);
    y->x = to;
    y->ld = y->cols;
    if (shared) y->in = real_operand(*y);
}

static void move_data(b4c_tape *t, b4c_tensor *y)
{
    size_t ld, bytes = b4c_operand_bytes(y->in.form, y->in.rows, y->in.cols, &ld);
    y->in.data = memmove(b4c_take(t, bytes), y->in.data, bytes);
}

static void move_scale(b4c_tape *t, b4c_tensor *y)
{
    const size_t scales = b4c_operand_scales(y->in.form, y->in.rows, y->in.cols);
    const size_t bytes = scales * sizeof *y->in.scale;
    y->in.scale = memmove(b4c_take(t, bytes), y->in.scale, bytes);
}

b4c_tensor b4c_scope_close(b4c_tape *t, size_t scope, b4c_tensor keep)
{
    if (t->failed) return nothing;
    if (t->recording) return keep;
    struct { const void *at; void (*move)(b4c_tape *, b4c_tensor *); } part[3] = { 0 }, swap;
    int n = 0;
    if (keep.x && is_above(t, scope, keep.x)) part[n].at = keep.x, part[n++].move = move_rows;
    if (keep.in.form > B4C_FORM_REAL && is_above(t, scope, keep.in.data))
        part[n].at = keep.in.data, part[n++].move = move_data;
    if (keep.in.scale && is_above(t, scope, keep.in.scale))
        part[n].at = keep.in.scale, part[n++].move = move_scale;
    /* Lowest first: then every part moves down, onto memory that nobody needs any more. What was
     * taken below the same addresses fits again, so taking cannot fail. */
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && (const char *)part[j].at < (const char *)part[j - 1].at; j--)
            swap = part[j], part[j] = part[j - 1], part[j - 1] = swap;
    t->arena.used = scope;
    for (int i = 0; i < n; i++) part[i].move(t, &keep);
    return keep;
}

/* ---- forms ---------------------------------------------------------------------------------- */

typedef struct conversion {
    const b4c_operand *from;
    b4c_operand *to;
    b4c_real *x;
    int ld;
} conversion;

static void rows_to_operand(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const conversion *c = arg;
    t->kernels->operand(c->x, c->ld, c->to, begin, end);
}

static void operand_to_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const conversion *c = arg;
    t->kernels->rows(c->from, c->x, c->ld, begin, end);
}

static void bf16_to_int8(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const conversion *c = arg;
    t->kernels->requantize(c->from, c->to, begin, end);
}

static void convert(b4c_tape *t, b4c_units_fn fn, conversion c, int rows, int cols)
{
    b4c_each_rows(t, fn, &c, rows, b4c_grain(t, cols));
}

b4c_real *b4c_rows_of(b4c_tape *t, b4c_tensor *x)
{
    if (x->x || t->failed) return x->x;
    assert(x->in.form != B4C_FORM_NONE);
    b4c_real *rows = b4c_take_rows(t, x->rows, x->cols);
    if (!rows) return NULL;
    convert(t, operand_to_rows, (conversion){ .from = &x->in, .x = rows, .ld = x->cols }, x->rows,
            x->cols);
    x->ld = x->cols;
    return x->x = rows;
}

b4c_operand b4c_operand_as(b4c_tape *t, b4c_tensor *x, b4c_form form)
{
    if (t->failed || x->in.form == form) return x->in;
    b4c_real *rows = b4c_rows_of(t, x);
    if (!rows) return (b4c_operand){ 0 };
    if (form == B4C_FORM_REAL) return x->in = real_operand(*x);
    b4c_operand o = b4c_operand_new(t, form, x->rows, x->cols);
    if (t->failed) return o;
    convert(t, rows_to_operand, (conversion){ .to = &o, .x = rows, .ld = x->ld }, x->rows, x->cols);
    return x->in = o;
}

b4c_operand b4c_operand_of(b4c_tape *t, b4c_tensor *x)
{
    return b4c_operand_as(t, x, b4c_form_for(t->kernels, t->dtype, t->groups));
}

void b4c_also_operand(const b4c_tape *t, b4c_tensor *y, int begin, int end)
{
    if (y->in.form > B4C_FORM_REAL) t->kernels->operand(y->x, y->ld, &y->in, begin, end);
}

/* The form that an int8 form is made from; any other form itself. */
static b4c_form wide(b4c_form form)
{
    if (form == B4C_FORM_I8 || form == B4C_FORM_I8_GROUPS) return B4C_FORM_BF16;
    return form == B4C_FORM_TILE_I8 ? B4C_FORM_TILE_BF16 : form;
}

b4c_operand b4c_target(b4c_tape *t, const b4c_tensor *y)
{
    if (y->x) return real_operand(*y);
    if (wide(y->in.form) == y->in.form) return y->in;
    return b4c_operand_new(t, wide(y->in.form), y->rows, y->cols);
}

void b4c_settle(b4c_tape *t, b4c_tensor *y, const b4c_operand *target)
{
    if (y->in.form <= B4C_FORM_REAL || y->in.form == target->form || t->failed) return;
    b4c_operand bf16 = *target;
    if (target->form == B4C_FORM_REAL) {
        const bool last = wide(y->in.form) == y->in.form;
        bf16 = last ? y->in : b4c_operand_new(t, wide(y->in.form), y->rows, y->cols);
        if (t->failed) return;
        convert(t, rows_to_operand, (conversion){ .to = &bf16, .x = y->x, .ld = y->ld }, y->rows,
                y->cols);
        if (last) return;
    }
    convert(t, bf16_to_int8, (conversion){ .from = &bf16, .to = &y->in }, y->rows, y->cols);
}

/* ---- records and gradients ------------------------------------------------------------------ */

/* Room for one more element of `size` bytes. */
static void *grown(b4c_tape *t, void *list, int n, int *room, size_t size)
{
    if (n < *room) return list;
    int more = *room ? 2 * *room : 256;
    void *p = realloc(list, (size_t)more * size);
    if (p)
        *room = more;
    else
        t->failed = true;
    return p ? p : list;
}

b4c_record *b4c_remember(b4c_tape *t, b4c_back_fn back, b4c_tensor out)
{
    if (!t->recording || t->failed) return NULL;
    t->record = grown(t, t->record, t->n_record, &t->room, sizeof *t->record);
    if (t->failed) return NULL;
    b4c_record *r = &t->record[t->n_record++];
    *r = (b4c_record){ .back = back, .out = out, .mark = t->arena.used };
    return r;
}

/* A part's record follows its first run. */
void b4c_reads(b4c_tape *t, b4c_slot *slot)
{
    if (!slot || slot->read || !(t->recording || t->in_part) || t->failed) return;
    t->first_read = grown(t, t->first_read, t->n_first_reads, &t->first_read_room,
                          sizeof *t->first_read);
    if (t->failed) return;
    t->first_read[t->n_first_reads++] = (b4c_first_read){ slot, t->n_record - !t->in_part };
    slot->read = true;
}

/* A place for `bytes` in the first gap, or above all. */
static char *place(b4c_tape *t, size_t bytes, int *index)
{
    b4c_lives *l = &t->lives;
    char *at = l->arena.base;
    for (*index = 0; *index < l->n; at = l->life[(*index)++].end)
        if ((size_t)(l->life[*index].begin - at) >= bytes) return at;
    return take_from(t, &l->arena, bytes);
}

static b4c_real *born(b4c_tape *t, b4c_slot *slot)
{
    b4c_lives *l = &t->lives;
    const size_t cells = (size_t)slot->rows * (size_t)slot->ld;
    const size_t bytes = (cells * sizeof(b4c_real) + B4C_ALIGN - 1) / B4C_ALIGN * B4C_ALIGN;
    int i;
    l->life = grown(t, l->life, l->n, &l->room, sizeof *l->life);
    char *at = t->failed ? NULL : place(t, bytes, &i);
    if (!at) return NULL;
    memmove(l->life + i + 1, l->life + i, (size_t)(l->n++ - i) * sizeof *l->life);
    l->life[i] = (b4c_life){ at, at + bytes, slot };
    slot->g = (b4c_real *)(void *)at;
    if (!t->dry) b4c_pool_zero(t->pool, at, bytes);
    return slot->g;
}

void b4c_slot_drop(b4c_tape *t, b4c_slot *slot)
{
    b4c_lives *l = &t->lives;
    int i = l->n - 1;
    while (i >= 0 && l->life[i].slot != slot) i--;
    if (i < 0) return;           /* memory of its owner */
    slot->g = NULL;
    memmove(l->life + i, l->life + i + 1, (size_t)(--l->n - i) * sizeof *l->life);
    l->arena.used = l->n ? (size_t)(l->life[l->n - 1].end - l->arena.base) : 0;
}

b4c_real *b4c_slot_grad(b4c_tape *t, b4c_slot *slot, int rows, int cols)
{
    if (!slot || t->failed) return NULL;
    if (slot->g) return slot->g;
    slot->rows = rows;
    slot->ld = cols;
    return born(t, slot);
}

b4c_real *b4c_grad(b4c_tape *t, b4c_tensor x, int *ld)
{
    *ld = x.slot ? x.slot->ld : 0;
    b4c_real *g = x.slot ? b4c_slot_grad(t, x.slot, x.slot->rows, x.slot->ld) : NULL;
    return g ? g + x.at : NULL;
}

/* The backs of records from .. n_record - 1, the last first. */
static void send_back(b4c_tape *t, int from)
{
    for (int i = t->n_record - 1; i >= from; i--) {
        const b4c_record r = t->record[i];       /* a copy: the list may grow and move */
        const size_t mark = t->arena.used;
        if (t->spend && i + 1 < t->n_record) t->arena.used = t->record[i + 1].mark;
        if (r.out.slot->g) {                     /* else nothing flowed here */
            const size_t own = t->arena.used;
            r.back(t, &r);
            t->arena.used = own;
            b4c_slot_drop(t, r.out.slot);
        }
        if (!t->spend) t->arena.used = mark;
        if (t->failed) return;
        for (; t->waiting && t->first_read[t->waiting - 1].record == i; t->waiting--)
            if (t->whole) t->whole(t->whole_arg, t->first_read[t->waiting - 1].slot);
    }
}

void b4c_backward(b4c_tape *t, b4c_tensor loss)
{
    if (t->failed) return;
    assert(t->recording && loss.rows == 1 && loss.cols == 1 && loss.slot);
    int ld;
    b4c_real *one = b4c_grad(t, loss, &ld);
    if (one) *one = 1;
    t->waiting = t->n_first_reads;
    send_back(t, 0);
}

/* ---- parts that are computed again ----------------------------------------------------------- */

typedef struct part {
    b4c_part_fn fn;
    const void *arg;
} part;

static void part_back(b4c_tape *t, const b4c_record *r)
{
    const part *s = r->arg;
    const int outer = t->n_record;
    void (*const look)(void *, const char *, int, b4c_tensor) = t->look;
    t->look = NULL;
    const b4c_tensor y = s->fn(t, s->arg, r->in[0]);
    t->look = look;
    if (!t->failed) {
        assert(y.rows == r->out.rows && y.slot->ld == r->out.slot->ld && y.at == 0);
        y.slot->g = r->out.slot->g;
        send_back(t, outer);
    }
    t->n_record = outer;
}

b4c_tensor b4c_recomputed(b4c_tape *t, b4c_part_fn fn, const void *arg, size_t bytes, b4c_tensor x)
{
    if (!t->recording || t->failed) return fn(t, arg, x);
    const size_t scope = b4c_scope_open(t);
    t->recording = false;
    t->in_part = true;
    b4c_tensor y = fn(t, arg, x);
    b4c_rows_of(t, &y);
    y.in = (b4c_operand){ 0 };                   /* made again where it is read */
    y = b4c_scope_close(t, scope, y);
    t->in_part = false;
    t->recording = true;
    if (t->failed) return nothing;
    const part s = { fn, b4c_copy(t, arg, bytes) };
    const b4c_slot slot = { .rows = y.rows, .ld = y.ld };
    y.slot = b4c_copy(t, &slot, sizeof slot);
    b4c_record *r = b4c_remember(t, part_back, y);
    if (r) r->in[0] = x, r->arg = b4c_copy(t, &s, sizeof s);
    return t->failed ? nothing : y;
}
