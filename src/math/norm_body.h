/* norm_body.h - LayerNorm and RMS norm of x + residual, as rows and in the form of the next
 * product. Included after a vec_<isa>.h and row_body.h.
 *
 * The one idea: rows stay in the nearest cache while they are walked several times: sum, mean, then
 * the squares of the distances from the mean (never mean square minus squared mean: with epsilon
 * 1e-12 its cancellation would show), then the result, then its operand. A few rows take each walk
 * together, so that the wait for a sum is one for all. Element j adds to partial sum j / VEC_LANES
 * mod 4, lane j mod VEC_LANES: a result depends on its own row only.
 */
#ifndef B4C_MATH_NORM_BODY_H
#define B4C_MATH_NORM_BODY_H
#include "math/kernels.h"

/* One row's input: a[j], or a[j] + b[j]. */
typedef struct norm_row { const b4c_real *a, *b; int w; } norm_row;

B4C_INLINE vec norm_value(const norm_row *r, int j, int n)
{
    vec x = n == VEC_LANES ? v_load(r->a + j) : v_load_n(r->a + j, n);
    if (!r->b) return x;
    return v_add(x, n == VEC_LANES ? v_load(r->b + j) : v_load_n(r->b + j, n));
}

/* Sum of x, or of (x - mean)^2, over the row, by lane; `keep` non-NULL: x is stored there too. */
B4C_INLINE vec norm_sum(const norm_row *r, const bool squares, b4c_real mean, b4c_real *keep)
{
    const vec m = v_set(mean);
    vec s[4] = { v_set(0), v_set(0), v_set(0), v_set(0) };
    int j = 0;
    for (; j + 4 * VEC_LANES <= r->w; j += 4 * VEC_LANES) {
        B4C_UNROLL
        for (int i = 0; i < 4; i++) {
            vec x = norm_value(r, j + i * VEC_LANES, VEC_LANES);
            if (keep) v_store(keep + j + i * VEC_LANES, x);
            s[i] = squares ? v_fma(v_sub(x, m), v_sub(x, m), s[i]) : v_add(s[i], x);
        }
    }
    for (int i = 0; j < r->w; j += VEC_LANES, i++) {
        int n = row_left(r->w, j);
        vec x = norm_value(r, j, n);
        if (keep) v_store_n(keep + j, x, n);
        vec to = squares ? v_fma(v_sub(x, m), v_sub(x, m), s[i]) : v_add(s[i], x);
        s[i] = v_select(v_first(n), to, s[i]);
    }
    return v_add(v_add(s[0], s[1]), v_add(s[2], s[3]));
}

/* What the walks after the sums share: one row, and where its results go. */
typedef struct norm_out {
    const b4c_norm_job *job;
    norm_row from;
    vec mean, rstd;
    b4c_real *y;             /* or NULL */
    row_lines to;
} norm_out;

B4C_INLINE vec norm_load(const b4c_real *p, int j, int n)
{
    return n == VEC_LANES ? v_load(p + j) : v_load_n(p + j, n);
}

/* What most encoders and most decoders ask for: loops that know it test nothing an element. */
typedef enum norm_case { NORM_ANY, NORM_ENCODER, NORM_DECODER } norm_case;

static inline norm_case norm_case_of(const norm_out *o)
{
    const b4c_norm_job *j = o->job;
    if (!j->gain || j->even || o->from.b) return NORM_ANY;
    if (j->bias && o->y) return NORM_ENCODER;
    return j->kind == B4C_NORM_RMS && !j->bias && !o->y ? NORM_DECODER : NORM_ANY;
}

/* Elements j .. j+n-1, zeros in lanes beyond. `is` is a constant, as in all that follow. */
B4C_INLINE vec norm_result(const norm_out *o, const norm_case is, int j, int n)
{
    const b4c_norm_job *job = o->job;
    const vec x = is ? norm_load(o->from.a, j, n) : norm_value(&o->from, j, n);
    const vec h = v_mul(is == NORM_DECODER ? x : v_sub(x, o->mean), o->rstd);
    const vec gain = is || job->gain ? norm_load(job->gain, j, n) : v_set(1);
    const bool bias = is == NORM_ENCODER || (!is && job->bias);
    const vec y = bias ? v_fma(h, gain, norm_load(job->bias, j, n)) : v_mul(h, gain);
    return n == VEC_LANES ? y : v_keep(v_first(n), y);
}

/* What an int8 row takes of them. */
B4C_INLINE vec norm_evened(const b4c_norm_job *job, const norm_case is, vec v, int j, int n)
{
    return !is && job->even ? v_mul(v, norm_load(job->even, j, n)) : v;
}

B4C_INLINE vec norm_write(const norm_out *o, const norm_case is, const bool bf16, const bool i8,
                          int j, int n, vec top)
{
    const vec v = norm_result(o, is, j, n);
    const bool rows = is == NORM_ENCODER || (!is && o->y);
    if (rows) row_write(o->y + j, v, n);
    if (bf16) v_store_bf16_n(row_bf16_line(o->to, j / 32) + j % 32, v, VEC_LANES);
    return i8 ? v_absmax(top, norm_evened(o->job, is, v, j, n)) : top;
}

B4C_INLINE vec norm_write_all(const norm_out *o, const norm_case is, const bool bf16, const bool i8)
{
    const int w = o->from.w, whole = w / VEC_LANES * VEC_LANES;
    vec top = v_set(0);
    for (int j = 0; j < whole; j += VEC_LANES)
        top = norm_write(o, is, bf16, i8, j, VEC_LANES, top);
    return whole < w ? norm_write(o, is, bf16, i8, whole, w - whole, top) : top;
}

/* Rows and bf16; returns the largest of each lane when int8 is wanted. */
B4C_INLINE vec norm_walk(const norm_out *o, const bool bf16, const bool i8)
{
    const int w = o->from.w;
    const norm_case is = norm_case_of(o);
    const vec top = is == NORM_ENCODER   ? norm_write_all(o, NORM_ENCODER, bf16, i8)
                    : is == NORM_DECODER ? norm_write_all(o, NORM_DECODER, bf16, i8)
                                         : norm_write_all(o, NORM_ANY, bf16, i8);
    for (int j = (int)b4c_round_up((size_t)w, VEC_LANES); bf16 && j < 32 * o->to.lines;
         j += VEC_LANES)
        v_store_bf16_n(row_bf16_line(o->to, j / 32) + j % 32, v_set(0), VEC_LANES);
    return top;
}

/* What line l of an int8 row is made of, whole vectors where `whole`. Without rows the results are
 * made again. */
B4C_INLINE void norm_numbers(const norm_out *o, const norm_case is, const bool whole, int l,
                             vec x[LINE_I8])
{
    B4C_UNROLL
    for (int i = 0; i < LINE_I8; i++) {
        const int j = 64 * l + i * VEC_LANES, n = whole ? VEC_LANES : row_left(o->from.w, j);
        const bool rows = is == NORM_ENCODER || (!is && o->y);
        const vec v = rows ? norm_load(o->y, j, n) : norm_result(o, is, j, n);
        x[i] = norm_evened(o->job, is, v, j, n);
    }
}

B4C_INLINE void norm_line(const norm_out *o, const row_i8 *q, const norm_case is, const bool whole,
                          int l)
{
    vec x[LINE_I8];
    norm_numbers(o, is, whole, l, x);
    row_i8_line(q, l, x);
}

/* The int8 row, whose largest value is known. */
static float norm_integers(const norm_out *o, float top)
{
    const row_i8 q = row_i8_begin(top, o->to, row_flip(o->job->out.form));
    int l = 0;
    for (; norm_case_of(o) == NORM_ENCODER && l < o->from.w / 64; l++)
        norm_line(o, &q, NORM_ENCODER, true, l);
    for (; l < o->to.lines; l++) norm_line(o, &q, NORM_ANY, false, l);
    return q.scale;
}

/* Rows in groups of int8. */
B4C_INLINE void norm_groups(const norm_out *o, const norm_case is, int rows, b4c_operand *out,
                            int row)
{
    row_groups r[ROW_TOGETHER][ROW_PARTS];
    vec x[LINE_I8];
    for (int i = 0; i < rows; i++) {
        if (o[i].y) norm_walk(&o[i], false, false);
        row_groups_clear(r[i], o[i].to);
        for (int l = 0; l < o[i].to.lines; l++) {
            norm_numbers(&o[i], is, l < o[i].from.w / 64, l, x);
            row_groups_look(r[i], l, x);
        }
    }
    for (int i = 0; i < rows; i++) row_groups_begin(r[i], o[i].to);
    for (int i = 0; i < rows; i++) {
        for (int l = 0; l < o[i].to.lines; l++) {
            norm_numbers(&o[i], is, l < o[i].from.w / 64, l, x);
            row_groups_line(r[i], o[i].to, l, x);
        }
    }
    for (int i = 0; i < rows; i++) row_groups_sum(r[i], o[i].to);
    for (int i = 0; i < rows; i++) row_groups_end(r[i], o[i].to, row_pairs(out, row + i));
}

/* ---- a few rows ------------------------------------------------------------------------------ */

enum { NORM_ROWS = ROW_TOGETHER };

/* The walks that only read: mean and deviation of each row. */
static void norm_measure(const b4c_norm_job *job, int row, int rows, norm_out *o)
{
    const int w = job->cols;
    b4c_real *keep[NORM_ROWS], mean[NORM_ROWS] = { 0 };
    vec lanes[NORM_ROWS];
    for (int i = 0; i < rows; i++) {
        const size_t at = (size_t)(row + i) * (size_t)w;
        norm_row r = { .a = job->x + (size_t)(row + i) * (size_t)job->x_ld, .w = w };
        if (job->residual) r.b = job->residual + (size_t)(row + i) * (size_t)job->residual_ld;
        o[i] = (norm_out){ .job = job, .from = r, .y = job->y ? job->y + at : NULL };
        keep[i] = job->sum ? job->sum + at : r.b ? o[i].y : NULL;  /* x + residual waits here */
    }
    if (job->kind == B4C_NORM_LAYER) {
        for (int i = 0; i < rows; i++) {
            lanes[i] = norm_sum(&o[i].from, false, 0, keep[i]);
            if (keep[i]) o[i].from = (norm_row){ .a = keep[i], .w = w };
            keep[i] = NULL;
        }
        for (int i = 0; i < rows; i++) mean[i] = v_sum(lanes[i]) / (b4c_real)w;
    }
    for (int i = 0; i < rows; i++) {
        lanes[i] = norm_sum(&o[i].from, true, mean[i], keep[i]);
        if (keep[i]) o[i].from = (norm_row){ .a = keep[i], .w = w };
    }
    for (int i = 0; i < rows; i++) {
        const double square = (double)v_sum(lanes[i]) / w;
        const b4c_real rstd = (b4c_real)(1 / sqrt(square + (double)job->eps));
        o[i].mean = v_set(mean[i]);
        o[i].rstd = v_set(rstd);
        if (job->mean) job->mean[row + i] = mean[i];
        if (job->rstd) job->rstd[row + i] = rstd;
    }
}

static void norm_rows(const b4c_norm_job *job, int row, int rows)
{
    const b4c_form form = job->out.form;
    norm_out o[NORM_ROWS];
    vec top[NORM_ROWS];
    norm_measure(job, row, rows, o);
    if (form == B4C_FORM_NONE || form == B4C_FORM_REAL) {
        for (int i = 0; i < rows; i++) norm_walk(&o[i], false, false);
        return;
    }
    for (int i = 0; i < rows; i++) o[i].to = row_of(&job->out, row + i);
    if (form == B4C_FORM_I8_GROUPS) {
        b4c_operand out = job->out;
        if (norm_case_of(o) == NORM_DECODER) norm_groups(o, NORM_DECODER, rows, &out, row);
        else norm_groups(o, NORM_ANY, rows, &out, row);
        return;
    }
    if (!form_is_i8(form)) {
        for (int i = 0; i < rows; i++) norm_walk(&o[i], true, false);
        return;
    }
    for (int i = 0; i < rows; i++) top[i] = norm_walk(&o[i], false, true);
    for (int i = 0; i < rows; i++)
        job->out.scale[row + i] = norm_integers(&o[i], (float)v_absmax_top(top[i]));
}

static void vector_norm(const b4c_norm_job *job, int begin, int end)
{
    for (int row = begin; row < end; row += NORM_ROWS)
        norm_rows(job, row, end - row < NORM_ROWS ? end - row : NORM_ROWS);
}
#endif
