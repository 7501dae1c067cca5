/* elementwise_body.h - activations and their derivatives, sums and products of arrays, softmax of a
 * row, rotary positions. Included after a vec_<isa>.h and act_body.h.
 *
 * The one idea: a loop of whole vectors and one tail of fewer lanes. Sums keep one vector (dot:
 * four) of partial sums, element j in lane j mod VEC_LANES, so a result depends on the elements and
 * their number only.
 */
#ifndef B4C_MATH_ELEMENTWISE_BODY_H
#define B4C_MATH_ELEMENTWISE_BODY_H
#include "math/kernels.h"

/* `step` for j = 0, VEC_LANES, ... with n = VEC_LANES known to the compiler, then for the rest.
 * GET and PUT read and write elements j .. j+n-1 of an array. */
#define EACH_VEC(count, step)                                                                    \
    do {                                                                                         \
        size_t j = 0;                                                                            \
        for (; j + VEC_LANES <= (count); j += VEC_LANES) {                                       \
            enum { n = VEC_LANES };                                                              \
            step;                                                                                \
        }                                                                                        \
        if (j < (count)) {                                                                       \
            const int n = (int)((count) - j);                                                    \
            step;                                                                                \
        }                                                                                        \
    } while (0)
#define GET(p) elementwise_load((p) + j, n)
#define PUT(p, x) elementwise_store((p) + j, x, n)

B4C_INLINE vec elementwise_load(const b4c_real *p, int n)
{
    return n == VEC_LANES ? v_load(p) : v_load_n(p, n);
}
B4C_INLINE void elementwise_store(b4c_real *p, vec x, int n)
{
    if (n == VEC_LANES) v_store(p, x);
    else v_store_n(p, x, n);
}

/* One loop an activation: inside it the kind is a constant. */
#define EACH_ACT(loop)                                                                           \
    switch (act) {                                                                               \
    case B4C_ACT_GELU: loop(B4C_ACT_GELU); break;                                                \
    case B4C_ACT_GELU_TANH: loop(B4C_ACT_GELU_TANH); break;                                      \
    case B4C_ACT_RELU: loop(B4C_ACT_RELU); break;                                                \
    case B4C_ACT_SILU: loop(B4C_ACT_SILU); break;                                                \
    case B4C_ACT_TANH: loop(B4C_ACT_TANH); break;                                                \
    case B4C_ACT_GELU_BRIEF: loop(B4C_ACT_GELU_BRIEF); break;                                    \
    case B4C_ACT_GELU_TANH_BRIEF: loop(B4C_ACT_GELU_TANH_BRIEF); break;                          \
    case B4C_ACT_NONE: loop(B4C_ACT_NONE); break;                                                \
    }

static void vector_act(b4c_act act, const b4c_real *x, b4c_real *y, size_t count)
{
#define LOOP(kind) EACH_VEC(count, PUT(y, act_apply(kind, GET(x))))
    EACH_ACT(LOOP)
#undef LOOP
}

static void vector_act_back(b4c_act act, const b4c_real *x, const b4c_real *dy, b4c_real *dx,
                            size_t count)
{
#define LOOP(kind) EACH_VEC(count, PUT(dx, v_fma(GET(dy), act_slope(kind, GET(x)), GET(dx))))
    EACH_ACT(LOOP)
#undef LOOP
}

static void vector_add(const b4c_real *a, const b4c_real *b, b4c_real *y, size_t count)
{
    EACH_VEC(count, PUT(y, v_add(GET(a), GET(b))));
}

static void vector_mul(const b4c_real *a, const b4c_real *b, b4c_real *y, size_t count)
{
    EACH_VEC(count, PUT(y, v_mul(GET(a), GET(b))));
}

static void vector_shift(b4c_real a, const b4c_real *x, b4c_real *y, size_t count)
{
    const vec by = v_set(a);
    EACH_VEC(count, PUT(y, v_add(GET(x), by)));
}

static void vector_axpy(b4c_real a, const b4c_real *x, b4c_real *y, size_t count)
{
    const vec factor = v_set(a);
    EACH_VEC(count, PUT(y, v_fma(factor, GET(x), GET(y))));
}

B4C_INLINE void adam_lanes(b4c_real *x, const b4c_real *g, b4c_real *m, b4c_real *v, b4c_adam by,
                           size_t j, int n)
{
    const vec new_g = v_mul(v_set(by.scale), GET(g));
    const vec first = v_fma(v_set(by.beta1), GET(m), v_mul(v_set(1 - by.beta1), new_g));
    const vec square = v_mul(new_g, new_g);
    const vec second = v_fma(v_set(by.beta2), GET(v), v_mul(v_set(1 - by.beta2), square));
    const vec under = v_fma(v_sqrt(second), v_set(by.root), v_set(by.eps));
    PUT(m, first);
    PUT(v, second);
    PUT(x, v_fma(v_set(by.keep), GET(x), v_div(v_mul(v_set(-by.rate), first), under)));
}

static void vector_adam(b4c_real *x, const b4c_real *g, b4c_real *m, b4c_real *v, size_t count,
                        const b4c_adam *by)
{
    const b4c_adam local = *by;      /* no store may change it: its vectors are made once */
    EACH_VEC(count, adam_lanes(x, g, m, v, local, j, n));
}

static b4c_real vector_dot(const b4c_real *a, const b4c_real *b, size_t count)
{
    vec s[4] = { v_set(0), v_set(0), v_set(0), v_set(0) };    /* none waits for its own last step */
    size_t j = 0;
    for (; j + 4 * VEC_LANES <= count; j += 4 * VEC_LANES)
        for (size_t i = 0; i < 4; i++) {
            const size_t at = j + i * VEC_LANES;
            s[i] = v_fma(v_load(a + at), v_load(b + at), s[i]);
        }
    for (; j < count; j += VEC_LANES) {
        const int n = count - j < VEC_LANES ? (int)(count - j) : VEC_LANES;
        s[0] = v_fma(v_load_n(a + j, n), v_load_n(b + j, n), s[0]);
    }
    return v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
}

/* x where the first n lanes are, `other` behind them. */
B4C_INLINE vec elementwise_first(vec x, vec other, int n)
{
    return n == VEC_LANES ? x : v_select(v_first(n), x, other);
}

/* The largest element is subtracted first, so nothing overflows. */
static b4c_real vector_softmax(b4c_real *x, size_t count)
{
    const vec zero = v_set(0), lowest = v_set(-INFINITY);
    vec top = lowest, sum = zero;
    EACH_VEC(count, top = v_max(top, elementwise_first(GET(x), lowest, n)));
    b4c_real most = v_top(top);
    if (most == -INFINITY) most = 0;             /* e^-inf then makes every weight 0 */
    const vec shift = v_set(most);
    EACH_VEC(count, PUT(x, v_exp_falling(v_sub(GET(x), shift))));
    EACH_VEC(count, sum = v_add(sum, elementwise_first(GET(x), zero, n)));
    const b4c_real total = v_sum(sum);
    if (total == 0) return -INFINITY;
    const vec inverse = v_set(1 / total);
    EACH_VEC(count, PUT(x, v_mul(GET(x), inverse)));
    return most + (b4c_real)log((double)total);
}

/* ---- rotary positions ------------------------------------------------------------------------ */

/* What one row is turned by, and how. */
typedef struct rotate_by {
    const b4c_real *cosine, *sine;   /* [d/2] */
    bool back, add;
} rotate_by;

/* Elements j .. j+n-1 of a head's first half, with their partners in the second. */
B4C_INLINE void rotate_halves(const b4c_real *x, b4c_real *y, size_t half, const rotate_by *by,
                              size_t j, int n)
{
    const vec a = GET(x), b = GET(x + half), c = GET(by->cosine);
    const vec s = by->back ? v_sub(v_set(0), GET(by->sine)) : GET(by->sine);
    vec first = v_sub(v_mul(a, c), v_mul(b, s)), second = v_fma(a, s, v_mul(b, c));
    if (by->add) {
        first = v_add(first, GET(y));
        second = v_add(second, GET(y + half));
    }
    PUT(y, first);
    PUT(y + half, second);
}

#if VEC_LANES == 1
static void rotate_pairs(const b4c_real *x, b4c_real *y, size_t d, const rotate_by *by)
{
    for (size_t i = 0; i < d / 2; i++) {
        const b4c_real a = x[2 * i], b = x[2 * i + 1];
        const b4c_real c = by->cosine[i], s = by->back ? -by->sine[i] : by->sine[i];
        y[2 * i] = a * c - b * s + (by->add ? y[2 * i] : 0);
        y[2 * i + 1] = b * c + a * s + (by->add ? y[2 * i + 1] : 0);
    }
}
#else
B4C_INLINE void rotate_lanes(const b4c_real *x, b4c_real *y, const rotate_by *by, size_t j, int n)
{
    const vec a = GET(x), c = v_load_twice_n(by->cosine + j / 2, n);
    vec s = v_negate_even(v_load_twice_n(by->sine + j / 2, n));
    if (by->back) s = v_sub(v_set(0), s);
    vec turned = v_fma(v_swap_pairs(a), s, v_mul(a, c));
    if (by->add) turned = v_add(turned, GET(y));
    PUT(y, turned);
}

static void rotate_pairs(const b4c_real *x, b4c_real *y, size_t d, const rotate_by *by)
{
    EACH_VEC(d, rotate_lanes(x, y, by, j, n));
}
#endif

static void vector_rotate(const b4c_real *x, int x_ld, b4c_real *y, int y_ld, int heads, int d,
                          const int *pos, const b4c_real *cosine, const b4c_real *sine, bool halves,
                          bool back, bool add, int begin, int end)
{
    const size_t half = (size_t)d / 2;
    for (int i = begin; i < end; i++) {
        const size_t at = (size_t)pos[i] * half;
        const rotate_by by = { cosine + at, sine + at, back, add };
        for (int h = 0; h < heads; h++) {
            const b4c_real *from = x + (size_t)i * (size_t)x_ld + (size_t)h * (size_t)d;
            b4c_real *to = y + (size_t)i * (size_t)y_ld + (size_t)h * (size_t)d;
            if (halves) EACH_VEC(half, rotate_halves(from, to, half, &by, j, n));
            else rotate_pairs(from, to, (size_t)d, &by);
        }
    }
}
#undef GET
#undef PUT
#endif
