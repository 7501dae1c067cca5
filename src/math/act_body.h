/* act_body.h - exp, tanh, the normal distribution's half error function, and the activations made of them.
 *
 * Included after a vec_<isa>.h. No tables and no branches: one range reduction or clamp, one polynomial or quotient of
 * polynomials whose coefficients were fitted for least largest error (Lawson's iteration in double). The bounds beside each
 * function are the largest errors against libm in double over all arguments that tests/kernels/test_vector.c sweeps, on
 * every instruction set; the test holds them. NaN gives NaN. In double (gradient tests) the functions are libm's.
 */
#ifndef B4C_MATH_ACT_BODY_H
#define B4C_MATH_ACT_BODY_H
#include "math/kernels.h"

#ifdef B4C_DOUBLE
static inline vec v_exp(vec x) { return exp(x); }
static inline vec v_tanh(vec x) { return tanh(x); }
static inline vec v_half_erf(vec x) { return 0.5 * erf(x * 0.70710678118654752440); }
#else

/* e^x. Relative error <= 1.3e-7. Exactly 0 below -87.33 (the result would not be a normal number), so -INFINITY gives 0;
 * exactly 1 at 0; above 88.7 it stays at e^88.7 = 3.3e38, since no user wants the infinity. */
static inline vec v_exp(vec x)
{
    const vec lowest = v_set(-87.33f), log2_e = v_set(1.44269504f), log2_e_rest = v_set(1.92596299e-8f);
    vec c = v_min(v_set(88.7f), v_max(lowest, x));
    vec n = v_round(v_mul(c, log2_e));
    vec f = v_fma(c, log2_e_rest, v_fma(c, log2_e, v_sub(v_set(0), n)));      /* -0.5 .. 0.5 */
    vec p = v_set(1.535336190e-4f);                                           /* 2^f, relative error 2e-9 */
    p = v_fma(p, f, v_set(1.339887441e-3f));
    p = v_fma(p, f, v_set(9.618437358e-3f));
    p = v_fma(p, f, v_set(5.550332471e-2f));
    p = v_fma(p, f, v_set(2.402264791e-1f));
    p = v_fma(p, f, v_set(6.931472029e-1f));
    p = v_fma(p, f, v_set(1));
    return v_keep(v_not_less(x, lowest), v_exp2(p, n));
}

/* tanh x. Relative error <= 5e-7, |tanh| <= 1. */
static inline vec v_tanh(vec x)
{
    vec c = v_max(v_set(-9), v_min(v_set(9), x)), s = v_mul(c, c);            /* x P(x^2) / Q(x^2), relative error 2.1e-8 */
    vec p = v_set(1.335465312e-8f), q = v_set(7.776554471e-7f);
    p = v_fma(p, s, v_set(2.060907483e-5f));
    q = v_fma(q, s, v_set(3.285634006e-4f));
    p = v_fma(p, s, v_set(3.495587595e-3f));
    q = v_fma(q, s, v_set(2.587698008e-2f));
    p = v_fma(p, s, v_set(1.338102516e-1f));
    q = v_fma(q, s, v_set(4.671434075e-1f));
    p = v_fma(p, s, v_set(9.999999794e-1f));
    q = v_fma(q, s, v_set(1));
    return v_max(v_set(-1), v_min(v_set(1), v_mul(v_mul(c, p), v_rcp(q))));
}

/* erf(x / sqrt 2) / 2: what the normal distribution function adds to one half. Absolute error <= 1.2e-7; beyond |x| = 5.5 it
 * stays at the value there, 2e-8 short of one half. */
static inline vec v_half_erf(vec x)
{
    vec c = v_max(v_set(-5.5f), v_min(v_set(5.5f), x)), s = v_mul(c, c);      /* x P(x^2) / Q(x^2), absolute error 7.6e-9 */
    vec p = v_set(2.278726776e-8f), q = v_set(1.197849042e-6f);
    p = v_fma(p, s, v_set(6.341963903e-6f));
    q = v_fma(q, s, v_set(7.334733345e-5f));
    p = v_fma(p, s, v_set(1.679627133e-4f));
    q = v_fma(q, s, v_set(1.879622598e-3f));
    p = v_fma(p, s, v_set(4.672044082e-3f));
    q = v_fma(q, s, v_set(2.859918954e-2f));
    p = v_fma(p, s, v_set(3.377253270e-2f));
    q = v_fma(q, s, v_set(2.513212185e-1f));
    p = v_fma(p, s, v_set(3.989422456e-1f));
    q = v_fma(q, s, v_set(1));
    return v_mul(v_mul(c, p), v_rcp(q));
}
#endif

/* ---- activations --------------------------------------------------------------------------------- */

/* x/2 (1 + erf(x / sqrt 2)). Absolute error <= 4e-7 for x < 5.5, relative 2e-7 above; below -5.5 exactly 0 (true: > -1.1e-7). In double exact. */
static inline vec v_gelu(vec x)
{
    vec y = v_fma(x, v_half_erf(x), v_mul(x, v_set(0.5f)));
#ifdef B4C_DOUBLE
    return y;
#else
    return v_keep(v_not_less(x, v_set(-5.5f)), y);
#endif
}

#define ACT_SQRT_2_PI ((b4c_real)0.79788456080286535588)                     /* sqrt(2 / pi) */
#define ACT_CUBE ((b4c_real)0.044715)

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Absolute error <= 5e-7 for x < 5.5; below -5.5 exactly 0 (true: > -1e-8). */
static inline vec v_gelu_tanh(vec x)
{
    vec h = v_mul(x, v_set(0.5f)), s = v_mul(x, x);
    vec u = v_mul(v_mul(x, v_set(ACT_SQRT_2_PI)), v_fma(s, v_set(ACT_CUBE), v_set(1)));
    vec y = v_fma(h, v_tanh(u), h);
#ifdef B4C_DOUBLE
    return y;
#else
    return v_keep(v_not_less(x, v_set(-5.5f)), y);
#endif
}

static inline vec v_relu(vec x) { return v_max(v_set(0), x); }

/* 1 / (1 + e^-x) */
static inline vec v_sigmoid(vec x) { return v_rcp(v_add(v_set(1), v_exp(v_sub(v_set(0), x)))); }

/* x / (1 + e^-x). Relative error <= 5e-7 above -80. */
static inline vec v_silu(vec x) { return v_mul(x, v_sigmoid(x)); }

/* `act` is a constant where a loop must be fast: the switch then falls away. */
static inline vec act_apply(b4c_act act, vec x)
{
    switch (act) {
    case B4C_ACT_GELU: return v_gelu(x);
    case B4C_ACT_GELU_TANH: return v_gelu_tanh(x);
    case B4C_ACT_RELU: return v_relu(x);
    case B4C_ACT_SILU: return v_silu(x);
    case B4C_ACT_TANH: return v_tanh(x);
    case B4C_ACT_NONE: break;
    }
    return x;
}

/* The derivative at x. Absolute error <= 1e-6. relu' (0) = 0. */
static inline vec act_slope(b4c_act act, vec x)
{
    const vec one = v_set(1), half = v_set(0.5f);
    switch (act) {
    case B4C_ACT_GELU: {                                                     /* Phi(x) + x phi(x) */
        vec density = v_mul(v_exp(v_mul(v_mul(x, x), v_set(-0.5f))), v_set((b4c_real)0.39894228040143267794));
        return v_fma(x, density, v_add(half, v_half_erf(x)));
    }
    case B4C_ACT_GELU_TANH: {                                                /* (1 + t) / 2 + x/2 (1 - t^2) u' */
        vec s = v_mul(x, x), scale = v_set(ACT_SQRT_2_PI);
        vec t = v_tanh(v_mul(v_mul(x, scale), v_fma(s, v_set(ACT_CUBE), one)));
        vec du = v_mul(scale, v_fma(s, v_set(3 * ACT_CUBE), one));
        vec bend = v_mul(v_mul(x, half), v_mul(v_sub(one, v_mul(t, t)), du));
        return v_add(v_fma(t, half, half), bend);
    }
    case B4C_ACT_RELU: return v_keep(v_less(v_set(0), x), one);
    case B4C_ACT_SILU: {                                                     /* s + x s (1 - s) */
        vec s = v_sigmoid(x);
        return v_fma(v_mul(x, s), v_sub(one, s), s);
    }
    case B4C_ACT_TANH: { vec t = v_tanh(x); return v_sub(one, v_mul(t, t)); }
    case B4C_ACT_NONE: break;
    }
    return one;
}
#endif
