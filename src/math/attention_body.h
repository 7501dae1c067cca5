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

/* c [rows, cols] = a [rows, steps] b [steps, cols], each row times factor[row] (NULL: 1), sums starting from c itself (`add`) or from 0.
 * `to` non-NULL: the result goes to that operand instead, at row to_row and column to_col. */
typedef struct attention_product {
    const b4c_real *a, *b;
    size_t a_ld, b_ld;
    int steps, cols;
    b4c_real *c;
    size_t c_ld;
    const b4c_real *factor;
    bool add;
    const b4c_operand *to;
    int to_row, to_col;
} attention_product;

/* A tile's columns: two whole vectors, one, or some of two. */
typedef enum tile_kind { TILE_TWO, TILE_ONE, TILE_SOME } tile_kind;

B4C_INLINE void attention_tile(const int rows, const tile_kind kind, const attention_product *p, int first, int col)
{
    const b4c_real *a = p->a + (size_t)first * p->a_ld, *b = p->b + col;
    b4c_real *c = p->c + (size_t)first * p->c_ld + col;
    const int n0 = kind == TILE_SOME ? row_left(p->cols - col, 0) : VEC_LANES;
    const int n1 = kind == TILE_SOME ? row_left(p->cols - col, VEC_LANES) : kind == TILE_TWO ? VEC_LANES : 0;
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
        vec b0 = kind == TILE_SOME ? v_load_n(b, n0) : v_load(b), b1 = v_set(0);
        if (n1 > 0) b1 = kind == TILE_SOME ? v_load_n(b + VEC_LANES, n1) : v_load(b + VEC_LANES);
        B4C_UNROLL
        for (int i = 0; i < rows; i++) {
            vec x = v_set(a[(size_t)i * p->a_ld + (size_t)k]);
            s[i][0] = v_fma(x, b0, s[i][0]);
            if (kind != TILE_ONE) s[i][1] = v_fma(x, b1, s[i][1]);
        }
    }
    if (p->factor) {
        B4C_UNROLL
        for (int i = 0; i < rows; i++) {
            vec f = v_set(p->factor[first + i]);
            s[i][0] = v_mul(s[i][0], f);
            s[i][1] = v_mul(s[i][1], f);
        }
    }
    if (p->to && kind != TILE_SOME) {
        const int at = p->to_col + col;                           /* a multiple of VEC_LANES, as 32 is: vectors stay within lines */
        B4C_UNROLL
        for (int i = 0; i < rows; i++) {
            row_lines to = row_of(p->to, p->to_row + first + i);
            v_store_bf16_n(row_bf16_line(to, at / 32) + at % 32, s[i][0], VEC_LANES);
            if (n1 > 0) v_store_bf16_n(row_bf16_line(to, (at + VEC_LANES) / 32) + (at + VEC_LANES) % 32, s[i][1], VEC_LANES);
        }
        return;
    }
    B4C_UNROLL
    for (int i = 0; i < rows; i++, c += p->c_ld) {
        if (kind == TILE_SOME) {
            v_store_n(c, s[i][0], n0);
            if (n1 > 0) v_store_n(c + VEC_LANES, s[i][1], n1);
        } else {
            v_store(c, s[i][0]);
            if (n1 > 0) v_store(c + VEC_LANES, s[i][1]);
        }
    }
}

#define EACH_ROWS(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)

static void attention_multiply(const attention_product *p, int rows)
{
    for (int col = 0; col < p->cols; col += COLS) {
#define TWO(n) case n: if (n <= ROWS) attention_tile(n, TILE_TWO, p, 0, col); break;
#define ONE(n) case n: if (n <= ROWS) attention_tile(n, TILE_ONE, p, 0, col); break;
        if (p->cols - col >= COLS) {
            switch (rows) { EACH_ROWS(TWO) }
        } else if (p->cols - col == VEC_LANES) {
            switch (rows) { EACH_ROWS(ONE) }
        } else {
            for (int i = 0; i < rows; i++) attention_tile(1, TILE_SOME, p, i, col);
        }
#undef TWO
#undef ONE
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

/* Rows from .. upto-1 of k as columns of their panels. The rest of their vectors is zero; a vector without any of them is never read. */
static void attention_turn(const b4c_real *k, size_t ld, int d, int from, int upto, b4c_real *panels)
{
    for (int j = from / VEC_LANES * VEC_LANES; j < upto; j += VEC_LANES) {
        b4c_real *to = panels + (size_t)(j / COLS) * (size_t)d * COLS + j % COLS;
        const b4c_real *rows = k + (size_t)j * ld;
        for (int c = 0; c < d; c += VEC_LANES) {
            const int n = row_left(d, c);
            vec r[VEC_LANES];
            if (j >= from && j + VEC_LANES <= upto && n == VEC_LANES) {
                B4C_UNROLL
                for (int i = 0; i < VEC_LANES; i++) r[i] = v_load(rows + (size_t)i * ld + c);
            } else {
                for (int i = 0; i < VEC_LANES; i++)
                    r[i] = j + i >= from && j + i < upto ? v_load_n(rows + (size_t)i * ld + c, n) : v_set(0);
            }
            v_transpose(r);
            if (n == VEC_LANES) {
                B4C_UNROLL
                for (int i = 0; i < VEC_LANES; i++) v_store(to + (size_t)(c + i) * COLS, r[i]);
            } else {
                for (int i = 0; i < n; i++) v_store(to + (size_t)(c + i) * COLS, r[i]);
            }
        }
    }
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

/* ---- from scores to weights ------------------------------------------------------------------------------- */

/* out[i] = the largest, or the sum, of the lanes of r[i]. Many at once: a turned block folds lane by lane without any shuffle. */
static void attention_fold(const vec *r, int rows, bool largest, b4c_real *out)
{
    for (int i = 0; i < rows; i += VEC_LANES) {
        vec t[VEC_LANES];
        for (int j = 0; j < VEC_LANES; j++) t[j] = r[i + j < rows ? i + j : i];
        v_transpose(t);
        B4C_UNROLL
        for (int n = VEC_LANES / 2; n > 0; n /= 2) {
            B4C_UNROLL
            for (int j = 0; j < n; j++) t[j] = largest ? v_max(t[j], t[j + n]) : v_add(t[j], t[j + n]);
        }
        v_store_n(out + i, t[0], row_left(rows, i));
    }
}

/* The whole vectors in which a row sees keys. */
typedef struct attention_span { int from, upto, begin, end; } attention_span;

static inline attention_span attention_span_of(int from, int upto)
{
    return (attention_span){ from, upto, from / VEC_LANES * VEC_LANES,
                             from < upto ? (int)b4c_round_up((size_t)upto, VEC_LANES) : from / VEC_LANES * VEC_LANES };
}

/* row[j] = scale * row[j] + extra[j], hidden keys at -infinity. Returns the largest of each lane. */
B4C_INLINE vec attention_scores(b4c_real *row, attention_span s, vec scale, const b4c_real *extra)
{
    vec top = v_set(-INFINITY);
    for (int j = s.begin; j < s.end; j += VEC_LANES) {
        vec x = extra ? v_fma(v_load(row + j), scale, v_load(extra + j)) : v_mul(v_load(row + j), scale);
        if (j < s.from || j + VEC_LANES > s.upto)
            x = v_select(v_between(s.from > j ? s.from - j : 0, row_left(s.upto, j)), x, v_set(-INFINITY));
        v_store(row + j, x);
        top = v_max(top, x);
    }
    return top;
}

/* row[j] = e^(row[j] - shift), and 0 elsewhere in first .. last-1. Returns the sum of each lane: of even and of odd vectors, then of both. */
B4C_INLINE vec attention_weights(b4c_real *row, attention_span s, int first, int last, vec shift)
{
    vec even = v_set(0), odd = v_set(0);
    for (int j = s.begin; j < s.end; j += VEC_LANES) {
        vec e = v_exp_falling(v_sub(v_load(row + j), shift)), sum = v_add(even, e);
        v_store(row + j, e);
        even = odd;
        odd = sum;
    }
    for (int j = first; j < s.begin; j += VEC_LANES) v_store(row + j, v_set(0));
    for (int j = s.end; j < last; j += VEC_LANES) v_store(row + j, v_set(0));
    return v_add(even, odd);
}

/* What the caller asked to see: weights of one query over all keys. */
static void attention_show(const b4c_real *row, int k_rows, int from, int upto, b4c_real inverse, b4c_real *shown)
{
    for (int j = 0; j < k_rows; j++) shown[j] = j >= from && j < upto ? row[j] * inverse : 0;
}

/* ---- a block of queries against the keys of one head -------------------------------------------------------- */

typedef struct attention_head {
    const b4c_attention *job;
    attention_room room;
    int head;
    const b4c_real *q, *v;   /* columns of this head, of the sequence's first row */
    const int *from, *upto;  /* [q_rows] */
} attention_head;

/* At most ROWS queries from `row` on. One of them sees lo .. hi-1 in all; these keys lie in the vectors from first up to last-1. */
typedef struct attention_block {
    int row, rows, lo, hi, first, last;
    bool ragged;             /* some of them do not see all of lo .. hi-1 */
    attention_span span[ROWS];
    b4c_real inverse[ROWS];  /* 1 / sum of the weights, 0 for a query that sees nothing */
} attention_block;

static void attention_look(const attention_head *t, attention_block *b)
{
    const int *from = t->from + b->row, *upto = t->upto + b->row;
    b->lo = INT_MAX;
    b->hi = 0;
    for (int i = 0; i < b->rows; i++) {
        if (from[i] >= upto[i]) continue;
        if (from[i] < b->lo) b->lo = from[i];
        if (upto[i] > b->hi) b->hi = upto[i];
    }
    if (b->lo > b->hi) b->lo = b->hi = 0;
    b->first = b->lo / VEC_LANES * VEC_LANES;
    b->last = (int)b4c_round_up((size_t)b->hi, VEC_LANES);
    b->ragged = false;
    for (int i = 0; i < b->rows; i++) {
        const bool blind = from[i] >= upto[i];
        b->span[i] = attention_span_of(blind ? b->lo : from[i], blind ? b->lo : upto[i]);
        b->ragged |= b->span[i].from != b->lo || b->span[i].upto != b->hi;
    }
}

/* Queries times keys, and times NEZHA's table. */
static void attention_products(const attention_head *t, const attention_block *b)
{
    const b4c_attention *job = t->job;
    const attention_room *room = &t->room;
    const int d = job->head_size;
    attention_product p = { .a = t->q + (size_t)b->row * (size_t)job->q_ld, .a_ld = (size_t)job->q_ld, .b_ld = COLS, .steps = d };
    p.c_ld = room->ld;
    for (int j = b->first; j < b->last; j += p.cols) {
        p.cols = j % COLS || j + COLS > b->last ? VEC_LANES : COLS;
        p.b = room->keys + (size_t)(j / COLS) * (size_t)d * COLS + j % COLS;
        p.c = room->weights + j;
        attention_multiply(&p, b->rows);
    }
    b4c_real scale[ROWS];
    for (int i = 0; i < ROWS; i++) scale[i] = job->scale;
    p.factor = scale;
    p.cols = COLS;
    p.c_ld = room->rel_ld;
    for (int j = 0; j < rel_rows(job) && b->lo < b->hi; j += COLS) {
        p.b = room->rel_keys + (size_t)j * (size_t)d;
        p.c = room->rel_scores + j;
        attention_multiply(&p, b->rows);
    }
}

/* What the distance adds to the scores of the block's query i: room.extra, or NULL for nothing. */
static const b4c_real *attention_extra(const attention_head *t, const attention_block *b, int i)
{
    const b4c_attention *job = t->job;
    const attention_span s = b->span[i];
    b4c_real *extra = t->room.extra;
    if (!job->bias && !job->rel) return NULL;
    const int pos = job->pos[b->row + i];
    if (job->bias)
        distance_spread(job->bias + (size_t)t->head * (size_t)(2 * job->span + 1), job->span, pos, s.from, s.upto, extra, false);
    if (job->rel)
        distance_spread(t->room.rel_scores + (size_t)i * t->room.rel_ld, job->rel_max, pos, s.from, s.upto, extra, job->bias != NULL);
    return extra;
}

/* Scores in room.weights become weights, not yet divided by their sums. */
static void attention_weigh(const attention_head *t, attention_block *b)
{
    const b4c_attention *job = t->job;
    const size_t ld = t->room.ld;
    const vec scale = v_set(job->scale);
    b4c_real *w = t->room.weights, top[ROWS], sum[ROWS];
    vec lanes[ROWS];
    for (int i = 0; i < b->rows; i++) lanes[i] = attention_scores(w + (size_t)i * ld, b->span[i], scale, attention_extra(t, b, i));
    attention_fold(lanes, b->rows, true, top);
    for (int i = 0; i < b->rows; i++) {                           /* -infinity, where nothing is to be seen, must stay as far from the shift */
        const vec shift = v_max(v_set((b4c_real)-3e38), v_set(top[i]));
        lanes[i] = attention_weights(w + (size_t)i * ld, b->span[i], b->first, b->last, shift);
    }
    attention_fold(lanes, b->rows, false, sum);
    for (int i = 0; i < b->rows; i += VEC_LANES) {                /* the largest weighs 1, so a sum is 0 or at least 1, or NaN */
        const int n = row_left(b->rows, i);
        vec x = v_load_n(sum + i, n);
        v_store_n(b->inverse + i, v_keep(v_not_less(x, v_set(0.5f)), v_div(v_set(1), x)), n);
    }
    for (int i = 0; i < b->rows; i++) {
        const attention_span s = b->span[i];
        if (job->rel)
            distance_collect(w + (size_t)i * ld, job->rel_max, job->pos[b->row + i], s.from, s.upto,
                             t->room.rel_weights + (size_t)i * t->room.rel_ld);
        if (job->weights)
            attention_show(w + (size_t)i * ld, job->k_rows, s.from, s.upto, b->inverse[i],
                           job->weights + ((size_t)t->head * (size_t)job->q_rows + (size_t)(b->row + i)) * (size_t)job->k_rows);
    }
}

/* Rows beside hidden values that came out as NaN or infinity, once more from what they see. */
static void attention_mend(const attention_head *t, const attention_block *b, const attention_product *all)
{
    for (int i = 0; i < b->rows; i++) {
        attention_product p = *all;
        p.c += (size_t)i * p.c_ld;
        vec odd = v_set(0);
        for (int j = 0; j < p.cols; j += VEC_LANES) odd = v_fma(v_load_n(p.c + j, row_left(p.cols, j)), v_set(0), odd);
        const b4c_real x = v_sum(odd);
        if (x == x) continue;
        p.a = t->room.weights + (size_t)i * t->room.ld + b->span[i].from;
        p.b = t->v + (size_t)b->span[i].from * p.b_ld;
        p.steps = b->span[i].upto - b->span[i].from;
        if (p.factor) p.factor += i;
        attention_multiply(&p, 1);
    }
}

/* Results in another form than numbers, from room.out. */
static void attention_convert(const attention_head *t, const attention_block *b)
{
    const b4c_attention *job = t->job;
    const int d = job->head_size;
    for (int i = 0; i < b->rows; i++) {
        row_lines to = row_of(&job->out, job->out_row + b->row + i);
        const b4c_real *x = t->room.out + (size_t)i * (size_t)d;
        for (int j = 0, n; j < d; j += n) {
            int c = t->head * d + j, line_left = 32 - c % 32;
            n = row_left(d, j) < line_left ? row_left(d, j) : line_left;
            v_store_bf16_n(row_bf16_line(to, c / 32) + c % 32, v_load_n(x + j, n), n);
        }
    }
}

/* What such rows have beyond the last head, over which the next product runs. */
static void attention_pad(const b4c_attention *job, const attention_block *b)
{
    const int width = job->heads * job->head_size;
    for (int i = 0; i < b->rows && width % 32; i++) {
        row_lines to = row_of(&job->out, job->out_row + b->row + i);
        memset(row_bf16_line(to, width / 32) + width % 32, 0, (size_t)(32 - width % 32) * 2);
    }
}

/* Weights times values, and times NEZHA's table. */
static void attention_results(const attention_head *t, const attention_block *b)
{
    const b4c_attention *job = t->job;
    const attention_room *room = &t->room;
    const int d = job->head_size;
    const bool numbers = job->out.form == B4C_FORM_REAL;
    const bool lines = !numbers && !b->ragged && !job->rel && d % VEC_LANES == 0;      /* straight to the operand */
    attention_product p = {
        .a = room->weights + b->lo, .a_ld = room->ld, .b = t->v + (size_t)b->lo * (size_t)job->v_ld, .b_ld = (size_t)job->v_ld,
        .steps = b->hi - b->lo, .cols = d, .c = room->out, .c_ld = (size_t)d, .factor = job->rel ? NULL : b->inverse,
    };
    if (lines) {
        p.to = &job->out;
        p.to_row = job->out_row + b->row;
        p.to_col = t->head * d;
    } else if (numbers) {
        p.c = (b4c_real *)job->out.data + (size_t)(job->out_row + b->row) * job->out.ld + (size_t)t->head * (size_t)d;
        p.c_ld = job->out.ld;
    }
    attention_multiply(&p, b->rows);
    if (b->ragged) attention_mend(t, b, &p);
    if (job->rel) {
        p.a = room->rel_weights;
        p.a_ld = room->rel_ld;
        p.b = job->rel;
        p.b_ld = (size_t)d;
        p.steps = rel_rows(job);
        p.factor = b->inverse;
        p.add = true;
        attention_multiply(&p, b->rows);
    }
    if (numbers) return;
    if (!lines) attention_convert(t, b);
    if (t->head == job->heads - 1) attention_pad(job, b);
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
            attention_block b = { .row = (int)((long)job->q_rows * i / tiles) };
            b.rows = (int)((long)job->q_rows * (i + 1) / tiles) - b.row;
            attention_look(&t, &b);
            attention_products(&t, &b);
            attention_weigh(&t, &b);
            attention_results(&t, &b);
        }
    }
}
#endif
