/* elementwise_body.h - activations and their derivatives, sums and products of arrays, softmax of a row, rotary positions.
 * Included after a vec_<isa>.h and act_body.h.
 *
 * The one idea: a loop of whole vectors and one tail of fewer lanes. Sums keep one vector (dot: four) of partial sums, element j in
 * lane j mod VEC_LANES, so a result depends on the elements and their number only.
 */
#ifndef B4C_MATH_ELEMENTWISE_BODY_H
#define B4C_MATH_ELEMENTWISE_BODY_H
#include "math/kernels.h"

/* For j = 0, VEC_LANES, ...: `whole` with n = VEC_LANES known to the compiler, then once `rest` elements. */
#define EACH_VEC(count, statement)                                                                   \
    do {                                                                                             \
        size_t j = 0;                                                                                \
        for (; j + VEC_LANES <= (count); j += VEC_LANES) { enum { n = VEC_LANES }; statement; }      \
        if (j < (count)) { const int n = (int)((count) - j); statement; }                            \
    } while (0)

static inline vec elementwise_load(const b4c_real *p, int n) { return n == VEC_LANES ? v_load(p) : v_load_n(p, n); }
static inline void elementwise_store(b4c_real *p, vec x, int n)
{
    if (n == VEC_LANES) v_store(p, x);
    else v_store_n(p, x, n);
}

/* One loop an activation: inside it the kind is a constant. */
#define EACH_ACT(call)                                                                               \
    switch (act) {                                                                                   \
    case B4C_ACT_GELU: call(B4C_ACT_GELU); break;                                                    \
    case B4C_ACT_GELU_TANH: call(B4C_ACT_GELU_TANH); break;                                          \
    case B4C_ACT_RELU: call(B4C_ACT_RELU); break;                                                    \
    case B4C_ACT_SILU: call(B4C_ACT_SILU); break;                                                    \
    case B4C_ACT_TANH: call(B4C_ACT_TANH); break;                                                    \
    case B4C_ACT_NONE: call(B4C_ACT_NONE); break;                                                    \
    }

static void vector_act(b4c_act act, const b4c_real *x, b4c_real *y, size_t count)
{
#define ACT_LOOP(kind) EACH_VEC(count, elementwise_store(y + j, act_apply(kind, elementwise_load(x + j, n)), n))
    EACH_ACT(ACT_LOOP)
#undef ACT_LOOP
}

static void vector_act_back(b4c_act act, const b4c_real *x, const b4c_real *dy, b4c_real *dx, size_t count)
{
#define SLOPE_LOOP(kind)                                                                             \
    EACH_VEC(count, vec slope = act_slope(kind, elementwise_load(x + j, n));                         \
             elementwise_store(dx + j, v_fma(elementwise_load(dy + j, n), slope, elementwise_load(dx + j, n)), n))
    EACH_ACT(SLOPE_LOOP)
#undef SLOPE_LOOP
}

static void vector_add(const b4c_real *a, const b4c_real *b, b4c_real *y, size_t count)
{
    EACH_VEC(count, elementwise_store(y + j, v_add(elementwise_load(a + j, n), elementwise_load(b + j, n)), n));
}

static void vector_mul(const b4c_real *a, const b4c_real *b, b4c_real *y, size_t count)
{
    EACH_VEC(count, elementwise_store(y + j, v_mul(elementwise_load(a + j, n), elementwise_load(b + j, n)), n));
}

static void vector_axpy(b4c_real a, const b4c_real *x, b4c_real *y, size_t count)
{
    const vec factor = v_set(a);
    EACH_VEC(count, elementwise_store(y + j, v_fma(factor, elementwise_load(x + j, n), elementwise_load(y + j, n)), n));
}

static b4c_real vector_dot(const b4c_real *a, const b4c_real *b, size_t count)
{
    vec s[4] = { v_set(0), v_set(0), v_set(0), v_set(0) };        /* four, so that a sum does not wait for its last step */
    size_t j = 0;
    for (; j + 4 * VEC_LANES <= count; j += 4 * VEC_LANES)
        for (int i = 0; i < 4; i++) s[i] = v_fma(v_load(a + j + i * VEC_LANES), v_load(b + j + i * VEC_LANES), s[i]);
    for (; j < count; j += VEC_LANES) {
        int n = count - j < VEC_LANES ? (int)(count - j) : VEC_LANES;
        s[0] = v_fma(v_load_n(a + j, n), v_load_n(b + j, n), s[0]);
    }
    return v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
}

/* The largest element is subtracted first, so nothing overflows. */
static b4c_real vector_softmax(b4c_real *x, size_t count)
{
    const vec nothing = v_set(-INFINITY);
    vec top = nothing, sum = v_set(0);
    EACH_VEC(count, top = v_max(top, n == VEC_LANES ? v_load(x + j) : v_select(v_first(n), v_load_n(x + j, n), nothing)));
    b4c_real most = v_top(top);
    if (most == -INFINITY) most = 0;                              /* nothing to see: e^-inf makes every weight 0 */
    const vec shift = v_set(most);
    EACH_VEC(count, vec e = v_exp_falling(v_sub(elementwise_load(x + j, n), shift));
             if (n < VEC_LANES) e = v_keep(v_first(n), e);
             sum = v_add(sum, e); elementwise_store(x + j, e, n));
    b4c_real total = v_sum(sum);
    if (total == 0) return -INFINITY;
    const vec inverse = v_set(1 / total);
    EACH_VEC(count, elementwise_store(x + j, v_mul(elementwise_load(x + j, n), inverse), n));
    return most + (b4c_real)log((double)total);
}

/* ---- rotary positions ---------------------------------------------------------------------------------- */

static inline void rotate_halves(const b4c_real *x, b4c_real *y, int half, const b4c_real *cosine, const b4c_real *sine,
                                 bool back, bool add)
{
    EACH_VEC((size_t)half, vec a = elementwise_load(x + j, n); vec b = elementwise_load(x + half + j, n);
             vec c = elementwise_load(cosine + j, n); vec s = elementwise_load(sine + j, n);
             if (back) s = v_sub(v_set(0), s);
             vec ya = v_sub(v_mul(a, c), v_mul(b, s)); vec yb = v_fma(a, s, v_mul(b, c));
             if (add) { ya = v_add(ya, elementwise_load(y + j, n)); yb = v_add(yb, elementwise_load(y + half + j, n)); }
             elementwise_store(y + j, ya, n); elementwise_store(y + half + j, yb, n));
}

static inline void rotate_pairs(const b4c_real *x, b4c_real *y, int d, const b4c_real *cosine, const b4c_real *sine,
                                bool back, bool add)
{
#if VEC_LANES == 1
    for (int i = 0; i < d / 2; i++) {
        b4c_real a = x[2 * i], b = x[2 * i + 1], c = cosine[i], s = back ? -sine[i] : sine[i];
        y[2 * i] = a * c - b * s + (add ? y[2 * i] : 0);
        y[2 * i + 1] = b * c + a * s + (add ? y[2 * i + 1] : 0);
    }
#else
    EACH_VEC((size_t)d, vec a = elementwise_load(x + j, n); vec c = v_load_twice_n(cosine + j / 2, n);
             vec s = v_negate_even(v_load_twice_n(sine + j / 2, n));
             if (back) s = v_sub(v_set(0), s);
             vec turned = v_fma(v_swap_pairs(a), s, v_mul(a, c));
             if (add) turned = v_add(turned, elementwise_load(y + j, n));
             elementwise_store(y + j, turned, n));
#endif
}

static void vector_rotate(const b4c_real *x, int x_ld, b4c_real *y, int y_ld, int heads, int d, const int *pos,
                          const b4c_real *cosine, const b4c_real *sine, bool halves, bool back, bool add, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        size_t at = (size_t)pos[i] * (size_t)(d / 2);
        for (int h = 0; h < heads; h++) {
            const b4c_real *from = x + (size_t)i * (size_t)x_ld + (size_t)h * (size_t)d;
            b4c_real *to = y + (size_t)i * (size_t)y_ld + (size_t)h * (size_t)d;
            if (halves) rotate_halves(from, to, d / 2, cosine + at, sine + at, back, add);
            else rotate_pairs(from, to, d, cosine + at, sine + at, back, add);
        }
    }
}
#endif
