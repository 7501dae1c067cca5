/* softmax_body.h - from a block of scores to weights that still wait for their division. Included
 * after a vec_<isa>.h, act_body.h and row_body.h.
 *
 * The one idea: key j stands in lane j mod VEC_LANES, j counted from the sequence's first key, and
 * lanes are folded once at the end, for many rows together. So the sum of a row depends on the
 * visible keys and their places only; vectors that hold none of them are not even walked.
 */
#ifndef B4C_MATH_SOFTMAX_BODY_H
#define B4C_MATH_SOFTMAX_BODY_H
#include "math/internal.h"

/* out[i] = the largest, or the sum, of the lanes of r[i]: a turned block folds without shuffles.
 * `out` has room for whole vectors. */
static void softmax_fold(const vec *r, int rows, bool largest, b4c_real *out)
{
    for (int i = 0; i < rows; i += VEC_LANES) {
        vec t[VEC_LANES];
        for (int j = 0; j < VEC_LANES; j++) t[j] = r[i + j < rows ? i + j : i];
        v_transpose(t);
        B4C_UNROLL
        for (int n = VEC_LANES / 2; n > 0; n /= 2) {
            B4C_UNROLL
            for (int j = 0; j < n; j++)
                t[j] = largest ? v_max(t[j], t[j + n]) : v_add(t[j], t[j + n]);
        }
        v_store(out + i, t[0]);
    }
}

/* What a row sees, and the whole vectors in which that stands. */
typedef struct softmax_span { int from, upto, begin, end; } softmax_span;

static inline softmax_span softmax_span_of(int from, int upto)
{
    const int begin = from / VEC_LANES * VEC_LANES;
    if (from >= upto) return (softmax_span){ from, upto, begin, begin };
    return (softmax_span){ from, upto, begin, (int)b4c_round_up((size_t)upto, VEC_LANES) };
}

/* row[j] = scale * row[j] + extra[j], hidden keys -infinity. Returns the largest of each lane. */
B4C_INLINE vec softmax_scores(b4c_real *row, softmax_span s, vec scale, const b4c_real *extra)
{
    vec top = v_set(-INFINITY);
    for (int j = s.begin; j < s.end; j += VEC_LANES) {
        vec x = v_load(row + j);
        x = extra ? v_fma(x, scale, v_load(extra + j)) : v_mul(x, scale);
        if (j < s.from || j + VEC_LANES > s.upto) {
            const int hidden = s.from > j ? s.from - j : 0;
            x = v_select(v_between(hidden, row_left(s.upto, j)), x, v_set(-INFINITY));
        }
        v_store(row + j, x);
        top = v_max(top, x);
    }
    return top;
}

/* row[j] = e^(row[j] - shift), and 0 elsewhere in first .. last-1; the same as bf16 in `half`
 * unless NULL. Returns the sum of each lane: of every other vector, then of both. */
B4C_INLINE vec softmax_weights(b4c_real *row, uint16_t *half, softmax_span s, int first, int last,
                               vec shift)
{
    vec a = v_set(0), b = a;
    const vec zero = a;
    for (int j = s.begin; j < s.end; j += VEC_LANES) {
        vec e = v_exp_falling(v_sub(v_load(row + j), shift)), sum = v_add(a, e);
        v_store(row + j, e);
        if (half) v_store_bf16_n(half + j, e, VEC_LANES);
        a = b;
        b = sum;
    }
    for (int j = first; j < last; j += VEC_LANES) {
        if (j == s.begin && s.begin < s.end) j = s.end;
        if (j >= last) break;
        v_store(row + j, zero);
        if (half) v_store_bf16_n(half + j, zero, VEC_LANES);
    }
    return v_add(a, b);
}

/* ---- scores that hang on the distance -------------------------------------------------------- */

/* Keys left .. right-1 of from .. upto-1 are within reach of pos; those before and behind share the
 * first and the last entry of a table [2 * reach + 1]. */
typedef struct distance_split { int left, right; } distance_split;

static inline distance_split distance_cut(int reach, int pos, int from, int upto)
{
    const int left = pos - reach < from ? from : pos - reach > upto ? upto : pos - reach;
    const int right = pos + reach + 1 > upto ? upto : pos + reach + 1;
    return (distance_split){ left, right < left ? left : right };
}

/* y[j] = (or +=) x[j], where x == NULL stands for `same`. */
B4C_INLINE void distance_put(b4c_real *y, const b4c_real *x, b4c_real same, int n, bool add)
{
    for (int j = 0; j < n; j += VEC_LANES) {
        const int m = row_left(n, j);
        vec v = x ? v_load_n(x + j, m) : v_set(same);
        row_write(y + j, add ? v_add(v_load_n(y + j, m), v) : v, m);
    }
}

/* extra[j] = (or +=) table[reach + (j - pos clipped to -reach .. reach)], j in from .. upto-1. */
static void distance_spread(const b4c_real *table, int reach, int pos, int from, int upto,
                            b4c_real *extra, bool add)
{
    const distance_split s = distance_cut(reach, pos, from, upto);
    distance_put(extra + from, NULL, table[0], s.left - from, add);
    if (s.left < s.right)
        distance_put(extra + s.left, table + reach + (s.left - pos), 0, s.right - s.left, add);
    distance_put(extra + s.right, NULL, table[2 * reach], upto - s.right, add);
}

/* The way back: by_distance[...] = sum of the weights at that distance, keys in order. */
static void distance_collect(const b4c_real *weights, int reach, int pos, int from, int upto,
                             b4c_real *by_distance)
{
    const distance_split s = distance_cut(reach, pos, from, upto);
    b4c_real before = 0;
    for (int j = 0; j < 2 * reach + 1; j++) by_distance[j] = 0;
    for (int j = from; j < s.left; j++) before += weights[j];
    for (int j = s.left; j < s.right; j++) by_distance[reach + (j - pos)] = weights[j];
    by_distance[0] += before;
    for (int j = s.right; j < upto; j++) by_distance[2 * reach] += weights[j];
}
#endif
