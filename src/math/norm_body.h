/* norm_body.h - LayerNorm and RMS norm of x + residual, as rows and in the form of the next product. Included after a vec_<isa>.h
 * and row_body.h.
 *
 * The one idea: a row stays in the nearest cache while it is walked several times: sum, mean, then the squares of the distances
 * from the mean (never mean square minus squared mean: with epsilon 1e-12 its cancellation would show), then the result, then its
 * operand. Element j adds to partial sum j / VEC_LANES mod 4, lane j mod VEC_LANES, so a result depends on its own row only.
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

/* Sum of x, or of (x - mean)^2, over the row; `keep` non-NULL: x is stored there too. */
B4C_INLINE b4c_real norm_sum(const norm_row *r, const bool squares, b4c_real mean, b4c_real *keep)
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
    return v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
}

/* Elements j .. j+n-1, zeros in lanes beyond. */
B4C_INLINE vec norm_result(const b4c_norm_job *job, const norm_row *r, vec mean, vec rstd, int j, int n)
{
    vec y = v_mul(v_sub(norm_value(r, j, n), mean), rstd);
    vec gain = !job->gain ? v_set(1) : n == VEC_LANES ? v_load(job->gain + j) : v_load_n(job->gain + j, n);
    if (!job->bias) y = v_mul(y, gain);
    else y = v_fma(y, gain, n == VEC_LANES ? v_load(job->bias + j) : v_load_n(job->bias + j, n));
    return n == VEC_LANES ? y : v_keep(v_first(n), y);
}

/* What an int8 row takes of them. */
B4C_INLINE vec norm_evened(const b4c_norm_job *job, vec v, int j, int n)
{
    if (!job->even) return v;
    return v_mul(v, n == VEC_LANES ? v_load(job->even + j) : v_load_n(job->even + j, n));
}

static void norm_one(const b4c_norm_job *job, int row)
{
    const int w = job->cols;
    const size_t at = (size_t)row * (size_t)w;
    norm_row r = { job->x + (size_t)row * (size_t)job->x_ld,
                   job->residual ? job->residual + (size_t)row * (size_t)job->residual_ld : NULL, w };
    b4c_real *y = job->y ? job->y + at : NULL, *sum = job->sum ? job->sum + at : NULL;
    b4c_real *keep = sum ? sum : r.b ? y : NULL;                  /* where x + residual waits for the later walks, if anywhere */

    b4c_real mean = 0, squares;
    if (job->kind == B4C_NORM_LAYER) {
        mean = norm_sum(&r, false, 0, keep) / (b4c_real)w;
        if (keep) { r.a = keep; r.b = NULL; }
        squares = norm_sum(&r, true, mean, NULL);
    } else {
        squares = norm_sum(&r, true, 0, keep);
        if (keep) { r.a = keep; r.b = NULL; }
    }
    b4c_real rstd = (b4c_real)(1 / sqrt((double)squares / w + (double)job->eps));
    if (job->mean) job->mean[row] = mean;
    if (job->rstd) job->rstd[row] = rstd;

    const vec m = v_set(mean), inverse = v_set(rstd);
    const bool wants_i8 = form_is_i8(job->out.form);
    const bool wants_bf16 = job->out.form == B4C_FORM_BF16 || job->out.form == B4C_FORM_TILE_BF16;
    row_lines to = wants_i8 || wants_bf16 ? row_of(&job->out, row) : (row_lines){ 0 };
    vec largest = v_set(0);
    for (int j = 0; j < (wants_bf16 ? 32 * to.lines : w); j += VEC_LANES) {
        int n = row_left(w, j);
        vec v = norm_result(job, &r, m, inverse, j, n);
        if (y && n == VEC_LANES) v_store(y + j, v);
        else if (y) v_store_n(y + j, v, n);
        if (wants_bf16) v_store_bf16_n(row_bf16_line(to, j / 32) + j % 32, v, VEC_LANES);
        if (wants_i8) largest = v_absmax(largest, norm_evened(job, v, j, n));
    }
    if (!wants_i8) return;
    row_i8 q = row_i8_begin((float)v_absmax_top(largest), to, row_flip(job->out.form));
    for (int j = 0; j < 64 * to.lines; j += VEC_LANES) {
        int n = row_left(w, j);
        /* Where no rows are wanted, the result is made once more. */
        vec v = y ? v_load_n(y + j, n) : norm_result(job, &r, m, inverse, j, n);
        row_i8_put(&q, j, norm_evened(job, v, j, n));
    }
    job->out.scale[row] = q.scale;
}

static void vector_norm(const b4c_norm_job *job, int begin, int end)
{
    for (int row = begin; row < end; row++) norm_one(job, row);
}
#endif
