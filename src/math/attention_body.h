/* attention_body.h - attention of one sequence, head by head. Included after a vec_<isa>.h,
 * act_body.h and row_body.h.
 *
 * The one idea: both products are the same tile (attention_tile_body.h), ROWS queries x COLS
 * columns in registers. The keys of a head are turned once into panels of VEC_LANES keys: scores
 * are queries [ROWS, d] x two panels [d, COLS], results weights [ROWS, keys] x values [keys, d].
 * In between, ROWS rows of scores wait in the nearest cache; the matrix of all queries against all
 * keys never exists unless `weights` is asked for. Where bf16 products are faster and the job
 * allows them, queries, keys, weights and values are rounded to bf16 on their way into the tile;
 * sums and exponentials stay as they are.
 *
 * Orders of sums, which make a query's result the same to the bit alone, in any batch, beside other
 * queries, and with its keys in the batch or in a cache:
 *  - a score is one sum over the head's components, first to last (bf16: two a step);
 *  - the sum of weights keeps key j in lane j mod VEC_LANES (softmax_body.h);
 *  - a component of the result is one sum over the keys, first to last (bf16: keys 2j and 2j + 1 a
 *    step); the sum of weights divides it at the end.
 * A tile walks over all keys that one of its queries sees. What a query does not see weighs 0
 * there, and adding 0 changes no sum, unless a hidden value is infinite or NaN: such a result is
 * made again from the visible keys alone.
 */
#ifndef B4C_MATH_ATTENTION_BODY_H
#define B4C_MATH_ATTENTION_BODY_H
#include "math/attention_pages_body.h"
#include "math/attention_room_body.h"
#include "math/internal.h"
#include "math/softmax_body.h"
#include <assert.h>
#include <limits.h>

/* ---- a block of queries against the keys of one head ----------------------------------------- */

static void attention_look(attention_block *b, const int *from, const int *upto)
{
    int lo = INT_MAX, hi = 0, highest = 0, lowest = INT_MAX;
    for (int i = b->row; i < b->row + b->rows; i++) {
        if (from[i] < upto[i] && from[i] < lo) lo = from[i];
        if (from[i] < upto[i] && upto[i] > hi) hi = upto[i];
        if (from[i] > highest) highest = from[i];
        if (upto[i] < lowest) lowest = upto[i];
    }
    if (lo > hi) lo = hi = 0;
    b->lo = lo;
    b->hi = hi;
    b->first = lo / VEC_LANES * VEC_LANES;
    b->last = (int)b4c_round_up((size_t)hi, VEC_LANES);
    b->ragged = highest != lo || lowest != hi;
}

/* Query i of a block; nothing to see is an empty interval inside the block's keys. */
static inline softmax_span attention_see(const attention_head *t, const attention_block *b, int i)
{
    const int from = t->from[b->row + i], upto = t->upto[b->row + i];
    return from < upto ? softmax_span_of(from, upto) : softmax_span_of(b->lo, b->lo);
}

/* Scores of `rows` rows of a block from row i on against a run of keys that begins with key `run`
 * and whose pages they share: vectors of begin .. end-1 within the run. */
static void attention_score(const attention_head *t, const attention_block *b, attention_product p,
                            int i, int rows, int run, int begin, int end)
{
    const attention_room *room = &t->room;
    b4c_real *scores = room->weights + (size_t)(b->at + i) * room->ld + run;
    if (p.a_pairs) p.a_pairs += (size_t)i * p.a_ld;
    else p.a += (size_t)i * p.a_ld;
    const int d = t->job->head_size;
    const size_t one = (size_t)d * (room->pairs ? sizeof(uint16_t) : sizeof(b4c_real));  /* a key */
    for (int j = begin; j < end; j += p.cols) {
        const bool second = j % COLS > 0;
        const char *panel = (const char *)room->keys + (size_t)j * one;
        if (t->job->pages) {
            const attention_place at = attention_find(t, b->row + i, run + j);
            panel = page_keys(at.page, t->kv, d, room->pairs) + (size_t)at.key * one;
            p.ask = second ? NULL : attention_later(t, b->row + i, at.index, false);
            p.ask_half = t->job->branch && end <= VEC_LANES;
        }
        p.cols = second || j + COLS > end ? VEC_LANES : COLS;
        p.c = scores + j;
        p.b = panel;
        attention_multiply(&p, rows);
    }
}

/* Queries times keys: of the trunk, which all rows share, then of their branches. */
static void attention_score_all(const attention_head *t, const attention_block *b,
                                const attention_product *p)
{
    const int trunk = t->job->trunk, each = t->job->branch ? 1 : b->rows;
    const int shared = b->hi < trunk ? b->hi : trunk, behind = b->lo > trunk ? b->lo - trunk : 0;
    if (b->lo < shared)
        attention_score(t, b, *p, 0, b->rows, 0, b->first,
                        (int)b4c_round_up((size_t)shared, VEC_LANES));
    for (int i = 0; i < b->rows; i += each) {
        const int hi = t->job->branch ? t->upto[b->row + i] : b->hi;
        if (attention_keeps(t)) attention_keep_key(t, b->row + i);
        if (hi > trunk)
            attention_score(t, b, *p, i, each, trunk, behind / VEC_LANES * VEC_LANES,
                            (int)b4c_round_up((size_t)(hi - trunk), VEC_LANES));
    }
}

/* Queries times keys, and times NEZHA's table. */
static void attention_products(const attention_head *t, const attention_block *b)
{
    const b4c_attention *job = t->job;
    const attention_room *room = &t->room;
    const int d = job->head_size;
    const size_t q_ld = (size_t)job->q_ld;
    const b4c_real *q = t->q ? t->q + (size_t)b->row * q_ld : NULL;
    attention_product p = { .a = q, .a_ld = q_ld, .b_ld = VEC_LANES, .steps = d, .c_ld = room->ld };
    p.b_next = (size_t)d * VEC_LANES;
    if (room->pairs) {
        p.b_ld = 2 * VEC_LANES;
        p.steps = d / 2;
    }
    if (t->q_half) {
        p.a_pairs = t->q_half + (size_t)b->row * q_ld;
    } else if (room->pairs) {
        for (int i = 0; i < b->rows; i++)
            for (int c = 0; c < d; c += VEC_LANES)
                v_store_bf16_n(room->q_pairs + i * d + c, v_load(q + (size_t)i * q_ld + c),
                               VEC_LANES);
        p.a_pairs = room->q_pairs;
        p.a_ld = (size_t)d;
    }
    attention_score_all(t, b, &p);
    if (!job->rel || b->lo == b->hi) return;
    b4c_real scale[ROWS];
    for (int i = 0; i < ROWS; i++) scale[i] = job->scale;
    p.factor = scale;
    p.cols = COLS;
    p.c_ld = room->rel_ld;
    for (int j = 0; j < rel_rows(job); j += COLS) {
        p.b = room->rel_keys + (size_t)j * (size_t)d;
        p.c = room->rel_scores + (size_t)b->at * room->rel_ld + j;
        attention_multiply(&p, b->rows);
    }
}

/* What the distance adds to the scores of query i: room.extra, or NULL for nothing. */
static const b4c_real *attention_extra(const attention_head *t, const attention_block *b, int i)
{
    const b4c_attention *job = t->job;
    b4c_real *extra = t->room.extra;
    if (!job->bias && !job->rel) return NULL;
    const softmax_span s = attention_see(t, b, i);
    const int pos = job->pos[b->row + i];
    if (job->bias) {
        const b4c_real *table = job->bias + (size_t)b->head * (size_t)(2 * job->span + 1);
        distance_spread(table, job->span, pos, s.from, s.upto, extra, false);
    }
    if (job->rel) {
        const b4c_real *table = t->room.rel_scores + (size_t)(b->at + i) * t->room.rel_ld;
        distance_spread(table, job->rel_max, pos, s.from, s.upto, extra, job->bias != NULL);
    }
    return extra;
}

/* What the caller asked to see of query i, and NEZHA's weights by distance. */
static void attention_show(const attention_head *t, const attention_block *b, int i)
{
    const b4c_attention *job = t->job;
    const softmax_span s = attention_see(t, b, i);
    const b4c_real *w = t->room.weights + (size_t)(b->at + i) * t->room.ld;
    if (job->rel)
        distance_collect(w, job->rel_max, job->pos[b->row + i], s.from, s.upto,
                         t->room.rel_weights + (size_t)(b->at + i) * t->room.rel_ld);
    if (!job->weights) return;
    const size_t row = (size_t)t->head * (size_t)job->q_rows + (size_t)(b->row + i);
    b4c_real *shown = job->weights + row * (size_t)job->k_rows;
    for (int j = 0; j < job->k_rows; j++)
        shown[j] = j >= s.from && j < s.upto ? w[j] * t->inverse[b->at + i] : 0;
}

/* Scores in room.weights, of a strip of n blocks, become weights not yet divided by their sums. */
static void attention_weigh(attention_head *t, const attention_block *blocks, int n)
{
    const attention_room *room = &t->room;
    const vec scale = v_set(t->job->scale), lowest = v_set((b4c_real)-3e38);
    const int rows = blocks[n - 1].at + blocks[n - 1].rows;
    b4c_real fold[STRIP_ROWS];
    vec lanes[STRIP_ROWS];
    lanes[0] = scale;        /* there is a row */
    for (const attention_block *b = blocks; b < blocks + n; b++)
        for (int i = 0; i < b->rows; i++) {
            b4c_real *w = room->weights + (size_t)(b->at + i) * room->ld;
            lanes[b->at + i] =
                softmax_scores(w, attention_see(t, b, i), scale, attention_extra(t, b, i));
        }
    softmax_fold(lanes, rows, true, fold);
    for (const attention_block *b = blocks; b < blocks + n; b++)
        for (int i = 0; i < b->rows; i++) {
            const size_t at = (size_t)(b->at + i) * room->ld;
            uint16_t *half = room->pairs ? room->w_pairs + at : NULL;
            const vec shift = v_max(lowest, v_set(fold[b->at + i]));   /* -infinity stays as far */
            lanes[b->at + i] = softmax_weights(room->weights + at, half, attention_see(t, b, i),
                                               b->first, b->last, shift);
        }
    softmax_fold(lanes, rows, false, fold);
    for (int i = 0; i < rows; i += VEC_LANES) {            /* a sum is 0, at least 1, or NaN */
        const vec x = v_load(fold + i);
        v_store(t->inverse + i, v_keep(v_not_less(x, v_set(0.5f)), v_div(v_set(1), x)));
    }
    if (!t->job->rel && !t->job->weights) return;
    for (const attention_block *b = blocks; b < blocks + n; b++)
        for (int i = 0; i < b->rows; i++) attention_show(t, b, i);
}

/* Values in pairs, of the keys from .. upto-1 alone. */
static void attention_values(const attention_head *t, int from, int upto)
{
#ifdef VEC_PAIRS
    const size_t ld = (size_t)t->job->v_ld;
    const int d = t->job->head_size;
    if (t->v_half) attention_pair_half(t->v_half, ld, d, from, upto, t->room.v_pairs);
    else if (t->room.pairs) attention_pair(t->v, ld, d, from, upto, t->room.v_pairs);
#else
    (void)t, (void)from, (void)upto;
#endif
}

/* Keys of key head `kv`, as panels, and their values in pairs: kept ones are that already. */
static void attention_keys(attention_head *t, int kv)
{
    const b4c_attention *job = t->job;
    const size_t at = (size_t)kv * (size_t)job->head_size, ld = (size_t)job->k_ld;
    t->kv = kv;
    if (job->pages) return;
    const int d = job->head_size;
#ifdef VEC_PAIRS
    if (job->q_half) {
        uint16_t *panels = (uint16_t *)(void *)t->room.keys;
        attention_turn_half(job->k_half + at, ld, d, t->low, t->high, panels);
        t->v_half = job->v_half + at;
    } else
#endif
    {
        attention_turn(job->k + at, ld, d, t->low, t->high, t->room.keys, t->room.pairs);
        t->v = job->v + at;
    }
    attention_values(t, t->low, t->high);
}

/* The weights of the strip's row i and those below, and their values, from key lo on, as the two
 * matrices of a product. */
static void attention_weighted(const attention_head *t, attention_product *p, int i, int lo, int hi,
                               const void *values, size_t ld)
{
    const attention_room *room = &t->room;
    p->a_ld = room->ld;
    p->b = values;
    if (room->pairs) {
        p->a_pairs = room->w_pairs + (size_t)i * room->ld + lo;
        p->b_ld = 2 * ld;
        p->b_next = 2 * VEC_LANES;
        p->steps = (hi - lo + 1) / 2;
    } else {
        p->a = room->weights + (size_t)i * room->ld + lo;
        p->b_ld = ld;
        p->b_next = VEC_LANES;
        p->steps = hi - lo;
    }
}

/* Sums over the kept values lo .. hi-1 of `rows` rows of a block from row i on, which share their
 * pages: page by page, each going on from the sums before it. `before`: there are some; `last`: it
 * ends with them. */
static void attention_sum_run(const attention_head *t, const attention_block *b,
                              const attention_product *p, int i, int rows, int lo, int hi,
                              bool before, bool last)
{
    const int d = t->job->head_size;
    const bool pairs = t->room.pairs;
    const size_t one = (size_t)d * (pairs ? sizeof(uint16_t) : sizeof(b4c_real));
    for (int j = lo, next; j < hi; j = next) {
        const attention_place at = attention_find(t, b->row + i, j);
        const char *values = page_values(at.page, t->job->kv_heads, t->kv, d, pairs);
        attention_product part = *p;
        next = at.upto < hi ? at.upto : hi;
        attention_weighted(t, &part, b->at + i, j, next, values + (size_t)at.key * one, (size_t)d);
        part.add = before || j > lo;
        part.ask = attention_later(t, b->row + i, at.index, true);
        if (next < hi || !last) {
            part.factor = NULL;
            part.to = NULL;
        }
        attention_multiply(&part, rows);
    }
}

/* Row i and those below as a product of their own. */
static attention_product attention_from_row(const attention_product *p, int i)
{
    attention_product x = *p;
    x.c += (size_t)i * p->c_ld;
    x.to_row += i;
    if (x.factor) x.factor += i;
    return x;
}

/* Sums over kept values: of the trunk for all rows, then of each row's branch. */
static void attention_sum_branches(const attention_head *t, const attention_block *b,
                                   const attention_product *p)
{
    const int trunk = t->job->trunk, lo = b->lo > trunk ? b->lo : trunk;
    attention_sum_run(t, b, p, 0, b->rows, b->lo, trunk, false, false);
    for (int i = 0; i < b->rows; i++) {
        const attention_product row = attention_from_row(p, i);
        assert(t->upto[b->row + i] > trunk);         /* its sums end in its branch */
        if (attention_keeps(t)) attention_keep_value(t, b->row + i);
        attention_sum_run(t, b, &row, i, 1, lo, t->upto[b->row + i], b->lo < trunk, true);
    }
}

/* p = weights times the values lo .. hi-1, for `rows` rows of a block from row i on. */
static void attention_sum_values(const attention_head *t, const attention_block *b,
                                 attention_product *p, int i, int rows, int lo, int hi)
{
    const attention_room *room = &t->room;
    const size_t d = (size_t)t->job->head_size, ld = room->pairs ? d : (size_t)t->job->v_ld;
    if (room->pairs) lo = lo / 2 * 2;
    if (t->job->pages && lo < hi) {
        if (t->job->branch) {
            attention_sum_branches(t, b, p);
            return;
        }
        if (attention_keeps(t)) attention_keep_value(t, b->row + i);
        attention_sum_run(t, b, p, i, rows, lo, hi, false, true);
        return;
    }
    const void *values = room->pairs  ? (const void *)(room->v_pairs + (size_t)lo * d)
                       : t->job->pages ? (const void *)room->weights
                                       : (const void *)(t->v + (size_t)lo * ld);
    attention_weighted(t, p, b->at + i, lo, hi, values, ld);
    attention_multiply(p, rows);
}

/* The same from a copy of the pairs in which hidden values are 0. */
static void attention_sum_seen(const attention_head *t, const attention_block *b,
                               attention_product *p, int i, int from, int upto)
{
#ifdef VEC_PAIRS
    const attention_room *room = &t->room;
    const size_t d = (size_t)t->job->head_size;
    if (room->pairs) {
        const int lo = from / 2 * 2;
        if (!t->job->pages) attention_values(t, from, upto);
        for (int j = lo; t->job->pages && j < upto; j += 2) {
            const attention_place at = attention_find(t, b->row + i, j);
            const char *values = page_values(at.page, t->job->kv_heads, t->kv, (int)d, true);
            uint16_t *to = room->v_pairs + (size_t)j * d;
            memcpy(to, (const uint16_t *)(const void *)values + (size_t)at.key * d,
                   2 * d * sizeof *to);
            for (size_t c = 0; c < 2 * d; c += 2) {
                if (j < from) to[c] = 0;
                if (j + 1 >= upto) to[c + 1] = 0;
            }
        }
        attention_weighted(t, p, b->at + i, lo, upto, room->v_pairs + (size_t)lo * d, d);
        attention_multiply(p, 1);
        return;
    }
#endif
    attention_sum_values(t, b, p, i, 1, from, upto);
}

/* Rows beside hidden values that came out as NaN or infinity, once more from what they see. */
static void attention_mend(const attention_head *t, const attention_block *b, attention_product p)
{
    bool mended = false;
    for (int i = 0; i < b->rows; i++, p.c += p.c_ld) {
        vec odd = v_set(0);
        for (int j = 0; j < p.cols; j += VEC_LANES)
            odd = v_fma(v_load_n(p.c + j, row_left(p.cols, j)), v_set(0), odd);
        const b4c_real x = v_sum(odd);
        if (x == x) continue;
        const softmax_span s = attention_see(t, b, i);
        attention_product alone = p;
        if (p.factor) alone.factor = p.factor + i;
        attention_sum_seen(t, b, &alone, i, s.from, s.upto);
        mended = true;
    }
    if (mended && !t->job->pages) attention_values(t, t->low, t->high);
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
    const int d = job->head_size, row = job->out_row + b->row;
    const bool numbers = job->out.form == B4C_FORM_REAL;
    const bool straight = !numbers && !b->ragged && !job->rel && d % VEC_LANES == 0;
    attention_product p = { .cols = d, .c = room->out, .c_ld = (size_t)d,
                            .factor = job->rel ? NULL : t->inverse + b->at };
    if (straight) {
        p.to = &job->out;
        p.to_row = row;
        p.to_col = t->head * d;
    } else if (numbers) {
        p.c = (b4c_real *)job->out.data + (size_t)row * job->out.ld + (size_t)t->head * (size_t)d;
        p.c_ld = job->out.ld;
    }
    attention_sum_values(t, b, &p, 0, b->rows, b->lo, b->hi);
    if (b->ragged) attention_mend(t, b, p);
    if (job->rel) {
        p.a = room->rel_weights + (size_t)b->at * room->rel_ld;
        p.a_ld = room->rel_ld;
        p.b = job->rel;
        p.b_ld = (size_t)d;
        p.b_next = VEC_LANES;
        p.steps = rel_rows(job);
        p.factor = t->inverse + b->at;
        p.add = true;
        attention_multiply(&p, b->rows);
    }
    if (numbers) return;
    if (!straight) attention_convert(t, b);
    if (t->head == job->heads - 1) attention_pad(job, b);
}

/* Divide the queries evenly (small tiles wait for their own sums), and see what they see. */
static void attention_plan(attention_head *t)
{
    const b4c_attention *job = t->job;
    const int blocks = t->room.blocks;
    t->low = INT_MAX;
    t->high = 0;
    for (int set = 0; set < (job->head_set ? 2 : 1); set++)
        for (int i = 0; i < blocks; i++) {
            attention_block *b = &t->room.block[set * blocks + i];
            b->row = (int)((long)job->q_rows * i / blocks);
            b->rows = (int)((long)job->q_rows * (i + 1) / blocks) - b->row;
            b->at = i % t->room.strip == 0 ? 0 : b[-1].at + b[-1].rows;
            attention_look(b, set ? job->from2 : job->from, set ? job->upto2 : job->upto);
            if (job->branch) b->ragged = false;      /* each row sums up its own keys */
            assert(b->lo >= 0 && b->hi <= job->k_rows);
            if (b->lo < b->hi && b->lo < t->low) t->low = b->lo;
            if (b->hi > t->high) t->high = b->hi;
        }
    if (t->low > t->high) t->low = t->high = 0;
}

/* Head h is the one that is looked at. */
static void attention_turn_to(attention_head *t, int h)
{
    const b4c_attention *job = t->job;
    const bool second = job->head_set && job->head_set[h];
    const size_t column = (size_t)h * (size_t)job->head_size;
    t->head = h;
    t->kv = h / (job->heads / job->kv_heads);
    if (job->q_half) t->q_half = job->q_half + column;
    else t->q = job->q + column;
    t->from = second ? job->from2 : job->from;
    t->upto = second ? job->upto2 : job->upto;
}

/* Blocks side by side. turned: the key head whose keys are ready. */
static void attention_strip(attention_head *t, const attention_block *blocks, int n, int *turned)
{
    for (int i = 0; i < n; i++) {
        attention_turn_to(t, blocks[i].head);
        if (t->kv != *turned) attention_keys(t, t->kv);
        *turned = t->kv;
        attention_products(t, &blocks[i]);
    }
    attention_weigh(t, blocks, n);
    for (int i = 0; i < n; i++) {
        attention_turn_to(t, blocks[i].head);
        attention_results(t, &blocks[i]);
    }
}

/* Do the blocks of all heads make one strip? */
static bool attention_is_together(const attention_head *t)
{
    const b4c_attention *job = t->job;
    const long rows = (long)job->heads * job->q_rows;
    return job->pages && t->room.blocks == 1 && !job->rel && !job->head_set && !job->weights &&
           rows <= t->room.strip * ROWS &&
           (size_t)rows * t->room.ld * sizeof(b4c_real) <= STRIP_BYTES;
}

static void vector_attention(const b4c_attention *job, int begin, int end, void *scratch)
{
    const int d = job->head_size;
    attention_head t = { .job = job, .room = attention_divide(job, scratch) };
    int turned = -1;
    assert(job->heads % job->kv_heads == 0 && !form_is_i8(job->out.form) &&
           job->out.form != B4C_FORM_I8_GROUPS);
    assert(!job->q_half || t.room.pairs);
    if (job->pages)
        t.page_bytes = vector_page_bytes(job->kv_heads, d, job->bf16 && !job->rel);
    attention_plan(&t);
    if (job->rel)
        attention_turn(job->rel, (size_t)d, d, 0, rel_rows(job), t.room.rel_keys, false);
    t.together = attention_is_together(&t);
    if (t.together && begin < end) {
        attention_block heads[STRIP_ROWS];
        for (int i = 0; i < end - begin; i++) {
            heads[i] = t.room.block[0];
            heads[i].head = begin + i;
            heads[i].at = i * job->q_rows;
        }
        attention_strip(&t, heads, end - begin, &turned);
        return;
    }
    for (int h = begin; h < end; h++) {
        const bool second = job->head_set && job->head_set[h];
        attention_block *blocks = t.room.block + (second ? t.room.blocks : 0);
        for (int i = 0, some; i < t.room.blocks; i += some, blocks += some) {
            some = t.room.blocks - i < t.room.strip ? t.room.blocks - i : t.room.strip;
            for (int k = 0; k < some; k++) blocks[k].head = h;
            attention_strip(&t, blocks, some, &turned);
        }
    }
}
#endif
