/* select_body.h - passes over one row of numbers from which some are to be chosen. Included after a
 * vec_<isa>.h, act_body.h, row_body.h and elementwise_body.h.
 *
 * The one idea: a choice among a vocabulary is a few of these passes, each of which reads the row
 * once and branches on nothing that is as good as random.
 */
#ifndef B4C_MATH_SELECT_BODY_H
#define B4C_MATH_SELECT_BODY_H
#include "math/kernels.h"

#define GET(p) elementwise_load((p) + j, n)
#define PUT(p, x) elementwise_store((p) + j, x, n)

static b4c_real vector_highest(const b4c_real *x, size_t count)
{
    const vec lowest = v_set(-INFINITY);
    vec top = lowest, tops[4] = { lowest, lowest, lowest, lowest };   /* none waits for another */
    size_t begin = 0;
    for (; begin + 4 * VEC_LANES <= count; begin += 4 * VEC_LANES) {
        B4C_UNROLL
        for (int i = 0; i < 4; i++) tops[i] = v_max(tops[i], v_load(x + begin + i * VEC_LANES));
    }
    x += begin;
    EACH_VEC(count - begin, top = v_max(top, elementwise_first(GET(x), lowest, n)));
    return v_top(v_max(v_max(top, tops[0]), v_max(tops[1], v_max(tops[2], tops[3]))));
}

static b4c_real vector_weigh(const b4c_real *x, size_t count, b4c_real shift, b4c_real *w)
{
    const vec top = v_set(shift), zero = v_set(0);
    vec sum = zero, e;
#define WEIGH (e = v_exp_falling(v_sub(GET(x), top)))
    if (w) EACH_VEC(count, WEIGH; PUT(w, e); sum = v_add(sum, elementwise_first(e, zero, n)));
    else EACH_VEC(count, WEIGH; sum = v_add(sum, elementwise_first(e, zero, n)));
#undef WEIGH
    return v_sum(sum);
}

static b4c_tally vector_at_least(const b4c_real *x, const b4c_real *w, size_t count, b4c_real least)
{
    const vec bound = v_set(least), zero = v_set(0), one = v_set(1), none = v_set(-INFINITY);
    vec mass = zero, counted = zero;
#define HERE v_not_less(elementwise_first(GET(x), none, n), bound)
    if (w)
        EACH_VEC(count, const vmask m = HERE; mass = v_add(mass, v_keep(m, GET(w)));
                 counted = v_add(counted, v_keep(m, one)));
    else
        EACH_VEC(count, counted = v_add(counted, v_keep(HERE, one)));
#undef HERE
    return (b4c_tally){ w ? v_sum(mass) : v_sum(counted), (int)v_sum(counted) };
}

static int vector_drop_below(b4c_real *x, size_t count, b4c_real least)
{
    const vec bound = v_set(least), none = v_set(-INFINITY), one = v_set(1);
    vec left = v_set(0), y;
    EACH_VEC(count, y = GET(x); y = v_select(v_less(y, bound), none, y); PUT(x, y);
             left = v_add(left, v_keep(v_less(none, elementwise_first(y, none, n)), one)));
    return (int)v_sum(left);
}

static int vector_between(const b4c_real *x, const b4c_real *w, size_t count, b4c_real from,
                          b4c_real upto, b4c_real *key, b4c_real *weight)
{
    const vec low = v_set(from), high = v_set(upto), one = v_set(1);
    int to = 0;
    size_t j = 0;
    for (; j + VEC_LANES <= count; j += VEC_LANES) {
        const vec y = v_load(x + j), z = w ? v_load(w + j) : one;
        const vmask m = v_both(v_less(y, high), v_not_less(y, low));
        if (!v_any(m)) continue;
        v_pack(key + to, m, y);
        to += v_pack(weight + to, m, z);
    }
    for (; j < count; j++) {
        if (!(x[j] >= from && x[j] < upto)) continue;
        const b4c_real share = w ? w[j] : 1;
        key[to] = x[j];
        weight[to++] = share;
    }
    return to;
}

/* Blocks of whole vectors without any such element are passed over at once. */
static size_t vector_reach(const b4c_real *x, size_t count, b4c_real least)
{
    enum { VECTORS = 8, BLOCK = VECTORS * VEC_LANES };
    const vec edge = v_set(least), one = v_set(1);
    size_t j = 0;
    for (; j + BLOCK <= count && x[j] < least; j += BLOCK) {
        vec found = v_set(0);
        B4C_UNROLL
        for (int i = 0; i < VECTORS; i++)
            found = v_max(found, v_keep(v_not_less(v_load(x + j + i * VEC_LANES), edge), one));
        if (v_top(found) > 0) break;
    }
    while (j < count && x[j] < least) j++;
    return j;
}
#undef GET
#undef PUT
#endif
