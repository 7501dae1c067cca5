/* attention_body.h - attention of one sequence, head by head. Included after a vec_<isa>.h, act_body.h and row_body.h.
 *
 * The one idea: both products are the same tile of fused multiply-adds, ROWS queries x COLS columns in registers. The keys of a head are
 * turned once into panels of COLS keys, so that scores are  queries [ROWS, d] x panel [d, COLS];  the values need no turning:
 * results are  weights [ROWS, keys] x values [keys, COLS of d].  In between, ROWS rows of scores wait in the nearest cache;
 * the matrix of all queries against all keys never exists unless `weights` is asked for.
 *
 * Orders of sums, which make a query's result the same to the bit alone, in any batch, beside other queries, and with its keys in the
 * batch or in a cache:
 *  - a score is one sum over the head's components, first to last;
 *  - the sum of e^(score - largest) keeps key j in lane j mod COLS, j counted from the sequence's first key, then folds the lanes;
 *  - a component of the result is one sum over the keys, first to last; it is divided by the sum of weights at the end.
 * A tile walks over all keys that one of its queries sees. What a query does not see weighs 0 there, and adding 0 changes no sum, unless a
 * hidden value is infinite or NaN: such a result is made again from the visible keys alone.
 */
#ifndef B4C_MATH_ATTENTION_BODY_H
#define B4C_MATH_ATTENTION_BODY_H
#include "math/internal.h"
#include <assert.h>
#include <limits.h>

enum { COLS = 2 * VEC_LANES, ROWS = (VEC_REGISTERS - 4) / 2, MOST_ROWS = 14 };

/* ---- the tile ------------------------------------------------------------------------------------------ */

/* c [rows, cols] = a [rows, steps] b [steps, cols], each row times factor[row] (NULL: 1), sums starting from c itself (`add`) or from 0. */
typedef struct attention_product {
    const b4c_real *a, *b;
    size_t a_ld, b_ld;
    int steps, cols;
    b4c_real *c;
    size_t c_ld;
    const b4c_real *factor;
    bool add;
} attention_product;

/* Columns col .. col + left - 1; left >= COLS: two whole vectors. */
B4C_INLINE void attention_tile(const int rows, const bool whole, const attention_product *p, int first, int col, int left)
{
    const b4c_real *a = p->a + (size_t)first * p->a_ld, *b = p->b + col;
    b4c_real *c = p->c + (size_t)first * p->c_ld + col;
    const int n0 = whole ? VEC_LANES : row_left(left, 0), n1 = whole ? VEC_LANES : row_left(left, VEC_LANES);
    vec s[MOST_ROWS][2];
    B4C_UNROLL
    for (int i = 0; i < rows; i++) s[i][0] = s[i][1] = v_set(0);
    if (p->add) {
        B4C_UNROLL
        for (int i = 0; i < rows; i++) {
            s[i][0] = v_load_n(c + (size_t)i * p->c_ld, n0);
            if (n1 > 0) s[i][1] = v_load_n(c + (size_t)i * p->c_ld + VEC_LANES, n1);
        }
    }
    for (int k = 0; k < p->steps; k++, b += p->b_ld) {
        vec b0 = whole ? v_load(b) : v_load_n(b, n0);
        vec b1 = whole ? v_load(b + VEC_LANES) : n1 > 0 ? v_load_n(b + VEC_LANES, n1) : v_set(0);
        B4C_UNROLL
        for (int i = 0; i < rows; i++) {
            vec x = v_set(a[(size_t)i * p->a_ld + (size_t)k]);
            s[i][0] = v_fma(x, b0, s[i][0]);
            s[i][1] = v_fma(x, b1, s[i][1]);
        }
    }
    B4C_UNROLL
    for (int i = 0; i < rows; i++, c += p->c_ld) {
        if (p->factor) {
            vec f = v_set(p->factor[first + i]);
            s[i][0] = v_mul(s[i][0], f);
            s[i][1] = v_mul(s[i][1], f);
        }
        if (whole) {
            v_store(c, s[i][0]);
            v_store(c + VEC_LANES, s[i][1]);
        } else {
            v_store_n(c, s[i][0], n0);
            if (n1 > 0) v_store_n(c + VEC_LANES, s[i][1], n1);
        }
    }
}

static void attention_multiply(const attention_product *p, int rows)
{
    for (int col = 0; col < p->cols; col += COLS) {
        int left = p->cols - col;
        if (left < COLS) {
            for (int i = 0; i < rows; i++) attention_tile(1, false, p, i, col, left);
            continue;
        }
#define TILE(n) case n: if (n <= ROWS) attention_tile(n, true, p, 0, col, left); break;
        switch (rows) { TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14) }
#undef TILE
    }
}

/* ---- memory for one thread ------------------------------------------------------------------------------- */

typedef struct attention_room {
    b4c_real *keys;          /* [panels][d][COLS] of one head */
    b4c_real *weights;       /* [ROWS][ld] scores, then weights before their division */
    b4c_real *extra;         /* [ld] what the distance adds to the scores of one query */
    b4c_real *out;           /* [ROWS][d] results that do not go to rows of numbers */
    b4c_real *rel_keys;      /* NEZHA: the table as keys, [panels][d][COLS] */
    b4c_real *rel_scores;    /* [ROWS][rel_ld] of the queries against the table */
    b4c_real *rel_weights;   /* [ROWS][rel_ld] weights by distance */
    size_t ld, rel_ld;
    size_t bytes;
} attention_room;

static inline int rel_rows(const b4c_attention *job) { return job->rel ? 2 * job->rel_max + 1 : 0; }

/* The parts of a scratch block; base NULL: only sizes are meant. */
static attention_room attention_divide(const b4c_attention *job, void *base)
{
    const size_t d = (size_t)job->head_size;
    const size_t keys = b4c_round_up((size_t)job->k_rows, COLS), rel = b4c_round_up((size_t)rel_rows(job), COLS);
    attention_room r = { .ld = keys + 16, .rel_ld = rel };        /* + 16: rows a power of two apart would share few sets of the cache */
    struct { b4c_real **part; size_t count; } parts[] = {
        { &r.keys, keys * d },     { &r.weights, ROWS * r.ld },      { &r.extra, r.ld },           { &r.out, ROWS * d },
        { &r.rel_keys, rel * d },  { &r.rel_scores, ROWS * rel },    { &r.rel_weights, ROWS * rel },
    };
    size_t misaligned = (uintptr_t)base % 64;
    r.bytes = misaligned ? 64 - misaligned : 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (base) *parts[i].part = (b4c_real *)(void *)((char *)base + r.bytes);
        r.bytes += b4c_round_up(parts[i].count * sizeof(b4c_real), 64);
    }
    return r;
}

static size_t vector_attention_scratch(const b4c_attention *job) { return attention_divide(job, NULL).bytes + 64; }

/* Rows from .. upto-1 of k as columns of their panels; the rest of a panel is zero. */
static void attention_turn(const b4c_real *k, size_t ld, int d, int from, int upto, b4c_real *panels)
{
    for (int j = from / COLS * COLS; j < upto; j += VEC_LANES) {
        b4c_real *to = panels + (size_t)(j / COLS) * (size_t)d * COLS + j % COLS;
        for (int c = 0; c < d; c += VEC_LANES) {
            const int n = row_left(d, c);
            vec r[VEC_LANES];
            B4C_UNROLL
            for (int i = 0; i < VEC_LANES; i++)
                r[i] = j + i >= from && j + i < upto ? v_load_n(k + (size_t)(j + i) * ld + c, n) : v_set(0);
            v_transpose(r);
            for (int i = 0; i < n; i++) v_store(to + (size_t)(c + i) * COLS, r[i]);
        }
    }
    if (upto > from && (upto - 1) % COLS < VEC_LANES)             /* the last panel's second half */
        for (int c = 0; c < d; c++)
            v_store(panels + ((size_t)((upto - 1) / COLS) * (size_t)d + (size_t)c) * COLS + VEC_LANES, v_set(0));
}

/* ---- scores that hang on the distance -------------------------------------------------------------------- */

/* extra[j] = (or +=) table[reach + (j - pos clipped to -reach .. reach)] for j in from .. upto-1. */
static void distance_spread(const b4c_real *table, int reach, int pos, int from, int upto, b4c_real *extra, bool add)
{
    for (int j = from; j < upto; j++) {
        int distance = j - pos < -reach ? -reach : j - pos > reach ? reach : j - pos;
        extra[j] = (add ? extra[j] : 0) + table[reach + distance];
    }
}

/* The way back: by_distance[...] = sum of the weights at that distance, keys in order. */
static void distance_collect(const b4c_real *weights, int reach, int pos, int from, int upto, b4c_real *by_distance)
{
    for (int j = 0; j < 2 * reach + 1; j++) by_distance[j] = 0;
    for (int j = from; j < upto; j++) {
        int distance = j - pos < -reach ? -reach : j - pos > reach ? reach : j - pos;
        by_distance[reach + distance] += weights[j];
    }
}

/* ---- one row of scores ----------------------------------------------------------------------------------- */

/* row[j] = e^(scale * row[j] + extra[j] - largest) for j in from .. upto-1, and 0 elsewhere in first .. last-1 (multiples of COLS).
 * Returns 1 / sum of them; 0 when there is nothing to see. */
static b4c_real attention_weigh(b4c_real *row, int first, int last, int from, int upto, b4c_real scale, const b4c_real *extra)
{
    const vec factor = v_set(scale), hidden = v_set(-INFINITY), zero = v_set(0);
    const int begin = from >= upto ? last : from / VEC_LANES * VEC_LANES;
    int end = begin;
    vec top = hidden, sum[2] = { zero, zero };
    for (; end < upto; end += VEC_LANES) {
        vec s = v_fma(v_load(row + end), factor, extra ? v_load(extra + end) : zero);
        if (end < from || end + VEC_LANES > upto)
            s = v_select(v_between(from > end ? from - end : 0, row_left(upto, end)), s, hidden);
        v_store(row + end, s);
        top = v_max(top, s);
    }
    b4c_real most = v_top(top);
    const vec shift = v_set(most == -INFINITY ? 0 : most);
    for (int j = begin; j < end; j += VEC_LANES) {
        vec e = v_exp(v_sub(v_load(row + j), shift));
        v_store(row + j, e);
        sum[j / VEC_LANES % 2] = v_add(sum[j / VEC_LANES % 2], e);
    }
    for (int j = first; j < begin; j += VEC_LANES) v_store(row + j, zero);
    for (int j = end; j < last; j += VEC_LANES) v_store(row + j, zero);
    b4c_real total = v_sum(v_add(sum[0], sum[1]));
    return total == 0 ? 0 : 1 / total;
}

/* What the caller asked to see: weights of one query over all keys. */
static void attention_show(const b4c_real *row, int k_rows, int from, int upto, b4c_real inverse, b4c_real *shown)
{
    for (int j = 0; j < k_rows; j++) shown[j] = j >= from && j < upto ? row[j] * inverse : 0;
}

/* ---- one tile of queries against the keys of one head ------------------------------------------------------ */

typedef struct attention_head {
    const b4c_attention *job;
    attention_room room;
    int head;
    const b4c_real *q, *v;   /* columns of this head, of the sequence's first row */
    const int *from, *upto;  /* [q_rows] */
} attention_head;

/* A row beside hidden values that came out as NaN or infinity, once more from what it sees. */
static void attention_mend(const attention_head *t, attention_product p, int row, int first, int from, int upto)
{
    vec odd = v_set(0);
    for (int j = 0; j < p.cols; j += VEC_LANES)
        odd = v_fma(v_load_n(p.c + (size_t)row * p.c_ld + j, row_left(p.cols, j)), v_set(0), odd);
    b4c_real x = v_sum(odd);
    if (x == x) return;
    p.a += (size_t)row * p.a_ld + (size_t)(from - first);
    p.b = t->v + (size_t)from * p.b_ld;
    p.c += (size_t)row * p.c_ld;
    if (p.factor) p.factor += row;
    p.steps = upto - from;
    attention_multiply(&p, 1);
}

/* Results in another form than numbers: `rows` rows of d from room.out, at query row `first`. */
static void attention_convert(const attention_head *t, int first, int rows)
{
    const b4c_attention *job = t->job;
    const int d = job->head_size, width = job->heads * d;
    for (int i = 0; i < rows; i++) {
        row_lines to = row_of(&job->out, job->out_row + first + i);
        const b4c_real *x = t->room.out + (size_t)i * (size_t)d;
        for (int j = 0, n; j < d; j += n) {
            int c = t->head * d + j, line_left = 32 - c % 32;
            n = row_left(d, j) < line_left ? row_left(d, j) : line_left;
            v_store_bf16_n(row_bf16_line(to, c / 32) + c % 32, v_load_n(x + j, n), n);
        }
        if (t->head == job->heads - 1 && width % 32)              /* padding, over which the next product runs */
            memset(row_bf16_line(to, width / 32) + width % 32, 0, (size_t)(32 - width % 32) * 2);
    }
}

static void attention_rows(const attention_head *t, int row, int rows)
{
    const b4c_attention *job = t->job;
    const attention_room *room = &t->room;
    const int d = job->head_size, reach = job->rel_max;
    const size_t q_ld = (size_t)job->q_ld, v_ld = (size_t)job->v_ld;
    const bool numbers = job->out.form == B4C_FORM_REAL;
    b4c_real inverse[ROWS], scales[ROWS];
    int from[ROWS], upto[ROWS], lo = INT_MAX, hi = 0;             /* lo .. hi-1: keys that one of these queries sees */
    for (int i = 0; i < rows; i++) {
        from[i] = t->from[row + i];
        upto[i] = t->upto[row + i];
        scales[i] = job->scale;
        if (from[i] >= upto[i]) continue;
        if (from[i] < lo) lo = from[i];
        if (upto[i] > hi) hi = upto[i];
    }
    if (lo > hi) lo = hi = 0;
    for (int i = 0; i < rows; i++)
        if (from[i] >= upto[i]) from[i] = upto[i] = lo;
    const int first = lo / COLS * COLS, last = (int)b4c_round_up((size_t)hi, COLS);

    attention_product p = { .a = t->q + (size_t)row * q_ld, .a_ld = q_ld, .b_ld = COLS, .steps = d, .cols = COLS };
    for (int j = first; j < last; j += COLS) {
        p.b = room->keys + (size_t)j * (size_t)d;
        p.c = room->weights + j;
        p.c_ld = room->ld;
        attention_multiply(&p, rows);
    }
    for (int j = 0; j < rel_rows(job) && lo < hi; j += COLS) {
        p.b = room->rel_keys + (size_t)j * (size_t)d;
        p.c = room->rel_scores + j;
        p.c_ld = room->rel_ld;
        p.factor = scales;
        attention_multiply(&p, rows);
    }

    for (int i = 0; i < rows; i++) {
        b4c_real *w = room->weights + (size_t)i * room->ld;
        const int pos = job->pos ? job->pos[row + i] : 0;
        if (job->bias)
            distance_spread(job->bias + (size_t)t->head * (size_t)(2 * job->span + 1), job->span, pos, from[i], upto[i], room->extra,
                            false);
        if (job->rel)
            distance_spread(room->rel_scores + (size_t)i * room->rel_ld, reach, pos, from[i], upto[i], room->extra, job->bias != NULL);
        inverse[i] = attention_weigh(w, first, last, from[i], upto[i], job->scale, job->bias || job->rel ? room->extra : NULL);
        if (job->rel) distance_collect(w, reach, pos, from[i], upto[i], room->rel_weights + (size_t)i * room->rel_ld);
        if (job->weights)
            attention_show(w, job->k_rows, from[i], upto[i], inverse[i],
                           job->weights + ((size_t)t->head * (size_t)job->q_rows + (size_t)(row + i)) * (size_t)job->k_rows);
    }

    p = (attention_product){ .a = room->weights + lo, .a_ld = room->ld, .b = t->v + (size_t)lo * v_ld, .b_ld = v_ld, .steps = hi - lo,
                             .cols = d, .c = room->out, .c_ld = (size_t)d, .factor = job->rel ? NULL : inverse };
    if (numbers) {
        p.c = (b4c_real *)job->out.data + (size_t)(job->out_row + row) * job->out.ld + (size_t)t->head * (size_t)d;
        p.c_ld = job->out.ld;
    }
    attention_multiply(&p, rows);
    for (int i = 0; i < rows; i++)
        if (from[i] != lo || upto[i] != hi) attention_mend(t, p, i, lo, from[i], upto[i]);
    if (job->rel) {
        p.a = room->rel_weights;
        p.a_ld = room->rel_ld;
        p.b = job->rel;
        p.b_ld = (size_t)d;
        p.steps = rel_rows(job);
        p.factor = inverse;
        p.add = true;
        attention_multiply(&p, rows);
    }
    if (!numbers) attention_convert(t, row, rows);
}

/* Keys that any query of the job sees, in either set. */
static void attention_reach(const b4c_attention *job, int *from, int *upto)
{
    *from = INT_MAX;
    *upto = 0;
    for (int set = 0; set < 2; set++) {
        const int *f = set ? job->from2 : job->from, *u = set ? job->upto2 : job->upto;
        for (int i = 0; f && i < job->q_rows; i++) {
            if (f[i] >= u[i]) continue;
            assert(f[i] >= 0 && u[i] <= job->k_rows);
            if (f[i] < *from) *from = f[i];
            if (u[i] > *upto) *upto = u[i];
        }
    }
    if (*from > *upto) *from = *upto = 0;
}

static void vector_attention(const b4c_attention *job, int begin, int end, void *scratch)
{
    const int d = job->head_size, group = job->heads / job->kv_heads;
    attention_head t = { .job = job, .room = attention_divide(job, scratch) };
    int from, upto, turned = -1;
    assert(job->heads % job->kv_heads == 0 && job->out.form != B4C_FORM_I8 && job->out.form != B4C_FORM_TILE_I8);
    attention_reach(job, &from, &upto);
    if (job->rel) attention_turn(job->rel, (size_t)d, d, 0, rel_rows(job), t.room.rel_keys);
    for (int h = begin; h < end; h++) {
        const int kv = h / group;
        const bool second = job->head_set && job->head_set[h];
        t.head = h;
        t.q = job->q + (size_t)h * (size_t)d;
        t.v = job->v + (size_t)kv * (size_t)d;
        t.from = second ? job->from2 : job->from;
        t.upto = second ? job->upto2 : job->upto;
        if (kv != turned) attention_turn(job->k + (size_t)kv * (size_t)d, (size_t)job->k_ld, d, from, upto, t.room.keys);
        turned = kv;
        const int tiles = (job->q_rows + ROWS - 1) / ROWS;
        for (int i = 0; i < tiles; i++) {                         /* cut evenly: small tiles wait for their own sums */
            int row = (int)((long)job->q_rows * i / tiles), next = (int)((long)job->q_rows * (i + 1) / tiles);
            attention_rows(&t, row, next - row);
        }
    }
}
#endif
