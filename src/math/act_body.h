/* act_body.h - exp, tanh, the normal distribution's half error function, and the activations made
 * of them.
 *
 * Included after a vec_<isa>.h. The one idea: no branches, but one range reduction or clamp and one
 * polynomial or quotient of polynomials, whose coefficients were fitted for least largest error
 * (Lawson's iteration in double). The bounds beside each function are the largest errors against
 * libm in double over the arguments that tests/kernels/test_vector.c sweeps, and the test holds
 * them (three times as much is allowed where there is no fused multiply-add). NaN gives NaN. In
 * double (gradient tests) the functions are libm's.
 */
#ifndef B4C_MATH_ACT_BODY_H
#define B4C_MATH_ACT_BODY_H
#include "math/kernels.h"

#ifdef B4C_DOUBLE
static inline vec v_exp(vec x) { return exp(x); }
static inline vec v_exp_falling(vec x) { return exp(x); }
static inline vec v_tanh(vec x) { return tanh(x); }
static inline vec v_half_erf(vec x) { return 0.5 * erf(x * 0.70710678118654752440); }
#else

/* e^c for -87.33 <= c <= 88.7, 0 where `keep` does not hold. */
static inline vec v_exp_of(vec c, vmask keep)
{
    const vec one = v_set(1);
    vec n = v_round(v_mul(c, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), c);   /* c - n ln 2 in two steps, the first exact */
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.384363479e-3f);              /* e^r, |r| <= ln 2 / 2, relative error 1.2e-8 */
    p = v_fma(p, r, v_set(8.374171431e-3f));
    p = v_fma(p, r, v_set(4.166800311e-2f));
    p = v_fma(p, r, v_set(1.666643108e-1f));
    p = v_fma(p, r, v_set(4.999999420e-1f));
    p = v_fma(p, r, one);
    p = v_fma(p, r, one);
    return v_keep(keep, v_exp2(p, n));
}

/* e^x. Relative error <= 1.3e-7. Exactly 0 below -87.33 (the result would not be a normal number),
 * so -INFINITY gives 0; exactly 1 at 0; above 88.7 it stays at e^88.7 = 3.3e38, since no user wants
 * the infinity. */
static inline vec v_exp(vec x)
{
    const vec lowest = v_set(-87.33f);
    return v_exp_of(v_min(v_set(88.7f), v_max(lowest, x)), v_not_less(x, lowest));
}

/* The same bits for x <= 0, with less to do. */
static inline vec v_exp_falling(vec x) { return v_exp_of(x, v_not_less(x, v_set(-87.33f))); }

/* tanh x. Relative error <= 5e-7, exactly +-1 from +-9 on (the quotient is 1e-7 too large, so that
 * it is at least 1 there). */
static inline vec v_tanh(vec x)
{
    vec c = v_max(v_set(-9), v_min(v_set(9), x));
    vec s = v_mul(c, c);                         /* x P(x^2) / Q(x^2), relative error 1.2e-7 */
    vec p = v_set(1.335465446e-8f), q = v_set(7.776554471e-7f);
    p = v_fma(p, s, v_set(2.060907689e-5f));
    q = v_fma(q, s, v_set(3.285634006e-4f));
    p = v_fma(p, s, v_set(3.495587945e-3f));
    q = v_fma(q, s, v_set(2.587698008e-2f));
    p = v_fma(p, s, v_set(1.338102650e-1f));
    q = v_fma(q, s, v_set(4.671434075e-1f));
    p = v_fma(p, s, v_set(1.000000079f));
    q = v_fma(q, s, v_set(1));
    return v_max(v_set(-1), v_min(v_set(1), v_mul(v_mul(c, p), v_rcp(q))));
}

/* erf(x / sqrt 2) / 2: what the normal distribution function adds to one half. Absolute error
 * <= 1.2e-7; beyond |x| = 5.5 it stays at the value there, 2e-8 short of one half. */
static inline vec v_half_erf(vec x)
{
    vec c = v_max(v_set(-5.5f), v_min(v_set(5.5f), x));
    vec s = v_mul(c, c);                         /* x P(x^2) / Q(x^2), absolute error 7.6e-9 */
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

/* ---- activations ----------------------------------------------------------------------------- */

#define ACT_SQRT_2_PI ((b4c_real)0.79788456080286535588)                     /* sqrt(2 / pi) */
#define ACT_CUBE ((b4c_real)0.044715)

static inline vec v_relu(vec x) { return v_max(v_set(0), x); }

#ifdef B4C_DOUBLE
static inline vec v_gelu(vec x) { return x * (0.5 + v_half_erf(x)); }
static inline vec v_gelu_tanh(vec x)
{
    return 0.5 * x * (1 + tanh(ACT_SQRT_2_PI * (x + ACT_CUBE * x * x * x)));
}
static inline vec v_gelu_brief(vec x) { return v_gelu(x); }
static inline vec v_gelu_tanh_brief(vec x) { return v_gelu_tanh(x); }
#else
/* Both gelus are relu(x) - g(|x|) with a hump g that starts at 0, is at most 0.17 and dies away
 * before 6.2: so a polynomial for g has a small error for negative x too, where x/2 (1 + erf) would
 * cancel. Segment i is centred on 2i/5, u = 5/2 |x| - i in -0.5 .. 0.5, row j has the factors of
 * u^j. Fitted for least largest error, 1.3e-8; the first segment for relative error, 6e-9. */
typedef float act_hump[6][16] __attribute__((aligned(64)));

/* a/2 erfc(a / sqrt 2) */
static const act_hump act_gelu_hump = {
    { 0, 1.37831286e-1f, 1.69484332e-1f, 1.38083622e-1f, 8.7678872e-2f, 4.55002636e-2f,
      1.96740814e-2f, 7.15436228e-3f, 2.19884072e-3f, 5.72791148e-4f, 1.26685263e-4f, 2.3815348e-5f,
      3.80802953e-6f, 5.18164427e-7f, 6.00214278e-8f, 5.92000626e-9f },
    { 1.99999988e-1f, 7.89080933e-2f, -7.95912556e-3f, -4.71814387e-2f, -4.90696244e-2f,
      -3.40927243e-2f, -1.82197355e-2f, -7.84325134e-3f, -2.77677644e-3f, -8.17495049e-4f,
      -2.01459959e-4f, -4.17338488e-5f, -7.28841906e-6f, -1.07525557e-6f, -1.34207923e-7f,
      -1.4188271e-8f },
    { -6.38304576e-2f, -5.42086139e-2f, -3.15189175e-2f, -8.70050862e-3f, 4.96871164e-3f,
      8.63861479e-3f, 6.73655886e-3f, 3.69828823e-3f, 1.57163909e-3f, 5.36499894e-4f,
      1.49868589e-4f, 3.46289598e-5f, 6.66375036e-6f, 1.07289793e-6f, 1.45007249e-7f,
      1.64918887e-8f },
    { -4.33988816e-6f, 6.03337865e-3f, 8.3057303e-3f, 6.3631041e-3f, 2.72618979e-3f, 1.31924665e-7f,
      -1.00900268e-3f, -9.07854293e-4f, -5.07823948e-4f, -2.10541359e-4f, -6.85187624e-5f,
      -1.79779836e-5f, -3.86024567e-6f, -6.84661359e-7f, -1.0093521e-7f, -1.2423512e-8f },
    { 1.72526797e-3f, 1.13337173e-3f, -1.66485115e-5f, -8.19452223e-4f, -8.65777023e-4f,
      -4.61381889e-4f, -7.81015042e-5f, 8.73560712e-5f, 9.40317041e-5f, 5.31952828e-5f,
      2.13544208e-5f, 6.59161515e-6f, 1.6200504e-6f, 3.23054593e-7f, 5.28749773e-8f,
      7.15806214e-9f },
    { -5.15188476e-5f, -2.0203444e-4f, -2.22783259e-4f, -8.42900554e-5f, 5.32707527e-5f,
      9.12424002e-5f, 5.58389329e-5f, 1.31294901e-5f, -6.43438852e-6f, -8.10502661e-6f,
      -4.49240042e-6f, -1.70416206e-6f, -4.88852777e-7f, -1.1050453e-7f, -2.0117966e-8f,
      -2.98910985e-9f },
};
/* a / (1 + exp(2 sqrt(2/pi) (a + 0.044715 a^3))) */
static const act_hump act_gelu_tanh_hump = {
    { 0, 1.37838826e-1f, 1.69568315e-1f, 1.38297245e-1f, 8.7863043e-2f, 4.54023071e-2f,
      1.92768425e-2f, 6.68889098e-3f, 1.86956429e-3f, 4.12580383e-4f, 7.0246293e-5f, 9.00212581e-6f,
      8.46392027e-7f, 5.68856642e-8f, 2.66209677e-9f, 8.44811721e-11f },
    { 1.99999988e-1f, 7.893648e-2f, -7.83348083e-3f, -4.70904559e-2f, -4.92402129e-2f,
      -3.44397053e-2f, -1.84239838e-2f, -7.78338313e-3f, -2.59725563e-3f, -6.75272197e-4f,
      -1.34049347e-4f, -1.98504113e-5f, -2.13943304e-6f, -1.63631043e-7f, -8.6560128e-9f,
      -3.0860603e-10f },
    { -6.38304576e-2f, -5.41710667e-2f, -3.14803161e-2f, -8.78573861e-3f, 4.82432405e-3f,
      8.63005873e-3f, 6.86677778e-3f, 3.80680873e-3f, 1.58351264e-3f, 4.99115151e-4f,
      1.17899843e-4f, 2.04788703e-5f, 2.5579177e-6f, 2.24316651e-7f, 1.34708458e-8f,
      5.39875034e-10f },
    { -4.4368071e-6f, 6.05038926e-3f, 8.28222465e-3f, 6.31732214e-3f, 2.74194498e-3f,
      6.12672229e-5f, -9.88167827e-4f, -9.36582859e-4f, -5.35804778e-4f, -2.15624008e-4f,
      -6.26125257e-5f, -1.30484259e-5f, -1.92114544e-6f, -1.95871152e-7f, -1.35238043e-8f,
      -6.17440377e-10f },
    { 1.73421134e-3f, 1.13027752e-3f, -2.9427094e-5f, -8.1363169e-4f, -8.46874551e-4f,
      -4.61536838e-4f, -9.34139098e-5f, 8.10291822e-5f, 9.88799584e-5f, 5.80125234e-5f,
      2.21846549e-5f, 5.81450649e-6f, 1.04902892e-6f, 1.28982919e-7f, 1.06360289e-8f,
      5.77025538e-10f },
    { -5.26821677e-5f, -2.05566161e-4f, -2.21874856e-4f, -7.92260616e-5f, 5.22715018e-5f,
      8.62402012e-5f, 5.55282022e-5f, 1.60509644e-5f, -5.34993796e-6f, -8.85749341e-6f,
      -5.11470762e-6f, -1.77195398e-6f, -3.98445508e-7f, -5.90020868e-8f, -5.72601788e-9f,
      -3.59483859e-10f },
};

static inline vec v_hump(const act_hump t, vec x)
{
    const vec magic = v_set(12582912);   /* 1.5 * 2^23: its last bits become the segment */
    const vec scale = v_set(2.5f);
    vec a = v_min(v_set(6.19f), v_abs(x));
    vec z = v_fma(a, scale, magic);
    vec u = v_sub(v_mul(a, scale), v_sub(z, magic));
    vec p = v_look16(t[5], z);
    p = v_fma(p, u, v_look16(t[4], z));
    p = v_fma(p, u, v_look16(t[3], z));
    p = v_fma(p, u, v_look16(t[2], z));
    p = v_fma(p, u, v_look16(t[1], z));
    p = v_fma(p, u, v_look16(t[0], z));
    return v_sub(v_relu(x), p);
}

/* x/2 (1 + erf(x / sqrt 2)). Absolute error <= 3.5e-8 for x < 0, relative 2.5e-7 for x > 0; exactly
 * 0 at 0; below -6.19 it stays at -2e-9. */
static inline vec v_gelu(vec x) { return v_hump(act_gelu_hump, x); }

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). The same bounds. */
static inline vec v_gelu_tanh(vec x) { return v_hump(act_gelu_tanh_hump, x); }

/* The same humps as cubics of |x| itself, in as many segments, for results of int8 products: an
 * error of 9e-6, where an int8 row that reaches 1 has steps of 8e-3. Not centred: at this size the
 * rounding of the larger factors does not show, and a quarter of the work falls away. */
typedef float act_brief_hump[4][16] __attribute__((aligned(64)));

static const act_brief_hump act_brief_gelu_hump = {
    { 0, -0.000975079311f, -0.00655699102f, 0.0285282265f, 0.184252918f, 0.424772412f,
      0.584255934f, 0.554052889f, 0.387741715f, 0.20816192f, 0.0878636613f, 0.0296510793f,
      0.00809624605f, 0.00180466985f, 0.000330609415f, 5.00434835e-05f },
    { 0.500095665f, 0.511595845f, 0.542315483f, 0.443009287f, 0.111816183f, -0.29188329f,
      -0.513862014f, -0.481643409f, -0.31566146f, -0.156534672f, -0.0609161109f, -0.0189944375f,
      -0.00480935723f, -0.000998006319f, -0.000170874657f, -2.42628194e-05f },
    { -0.401856422f, -0.448740304f, -0.505737424f, -0.411805898f, -0.176261112f, 0.0500513576f,
      0.153146267f, 0.141761616f, 0.0865053833f, 0.0394781008f, 0.0141331665f, 0.00406650826f,
      0.00095398241f, 0.000184198812f, 2.94648216e-05f, 3.92367792e-06f },
    { 0.0252795704f, 0.093088299f, 0.128634691f, 0.0989300609f, 0.0429090075f, 0.000536577892f,
      -0.0154394535f, -0.014108452f, -0.00797247514f, -0.00333721098f, -0.00109692744f,
      -0.000290892465f, -6.31807998e-05f, -1.13454253e-05f, -1.69499685e-06f, -2.11634728e-07f },
};
static const act_brief_hump act_brief_gelu_tanh_hump = {
    { 0, -0.00097494066f, -0.00637769559f, 0.0289001986f, 0.181900114f, 0.41878584f, 0.585154057f,
      0.567887604f, 0.400931895f, 0.207701743f, 0.0782841295f, 0.0211323854f, 0.00401039189f,
      0.000524460687f, 4.62850367e-05f, 2.69741736e-06f },
    { 0.500096083f, 0.511600912f, 0.541507721f, 0.441530824f, 0.116028838f, -0.281423748f,
      -0.512564182f, -0.495392531f, -0.328971714f, -0.157810047f, -0.0549049899f, -0.0137002356f,
      -0.00241073524f, -0.000293394784f, -2.41873331e-05f, -1.32153343e-06f },
    { -0.401870012f, -0.448804647f, -0.504558086f, -0.409861028f, -0.178287596f, 0.0444418117f,
      0.151602954f, 0.146057039f, 0.0907232836f, 0.0401572883f, 0.01287104f, 0.00296536856f,
      0.000483503536f, 5.47409218e-05f, 4.21458617e-06f, 2.15856915e-07f },
    { 0.0253999997f, 0.0933334306f, 0.128236637f, 0.0982443616f, 0.0431493297f, 0.00146254152f,
      -0.0151154082f, -0.0145402486f, -0.0084033208f, -0.00342103699f, -0.00100829289f,
      -0.000214264714f, -3.23526619e-05f, -3.40625343e-06f, -2.44868488e-07f, -1.17545644e-08f },
};

static inline vec v_brief_hump(const act_brief_hump t, vec x)
{
    vec a = v_min(v_set(6.19f), v_abs(x));
    vec z = v_fma(a, v_set(2.5f), v_set(12582912));
    vec p = v_look16(t[3], z);
    p = v_fma(p, a, v_look16(t[2], z));
    p = v_fma(p, a, v_look16(t[1], z));
    p = v_fma(p, a, v_look16(t[0], z));
    return v_sub(v_relu(x), p);
}

static inline vec v_gelu_brief(vec x) { return v_brief_hump(act_brief_gelu_hump, x); }
static inline vec v_gelu_tanh_brief(vec x) { return v_brief_hump(act_brief_gelu_tanh_hump, x); }
#endif

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
    case B4C_ACT_GELU_BRIEF: return v_gelu_brief(x);
    case B4C_ACT_GELU_TANH_BRIEF: return v_gelu_tanh_brief(x);
    case B4C_ACT_NONE: break;
    }
    return x;
}

/* The derivative at x. Absolute error <= 1e-6. relu' (0) = 0. */
static inline vec act_slope(b4c_act act, vec x)
{
    const vec one = v_set(1), half = v_set(0.5f);
    switch (act) {
    case B4C_ACT_GELU:
    case B4C_ACT_GELU_BRIEF: { /* Phi(x) + x phi(x) */
        vec density = v_mul(v_exp(v_mul(v_mul(x, x), v_set(-0.5f))),
                            v_set((b4c_real)0.39894228040143267794));
        return v_fma(x, density, v_add(half, v_half_erf(x)));
    }
    case B4C_ACT_GELU_TANH:
    case B4C_ACT_GELU_TANH_BRIEF: { /* x s(z), z = 2 sqrt(2/pi) (x + 0.044715 x^3): s + x s' z' */
        const vec scale = v_set(2 * ACT_SQRT_2_PI);
        vec c = v_max(v_set(-20), v_min(v_set(20), x)), square = v_mul(c, c);
        vec z = v_mul(v_mul(c, scale), v_fma(square, v_set(ACT_CUBE), one));
        vec e = v_exp(v_sub(v_set(0), v_abs(z)));      /* s (1 - s) without cancelling */
        vec r = v_rcp(v_add(one, e));
        vec s = v_select(v_less(z, v_set(0)), v_mul(e, r), r);
        vec dz = v_mul(scale, v_fma(square, v_set(3 * ACT_CUBE), one));
        return v_fma(v_mul(c, dz), v_mul(e, v_mul(r, r)), s);
    }
    case B4C_ACT_RELU: return v_keep(v_less(v_set(0), x), one);
    case B4C_ACT_SILU: {      /* s + x s (1 - s) */
        vec s = v_sigmoid(x);
        return v_fma(v_mul(x, s), v_sub(one, s), s);
    }
    case B4C_ACT_TANH: { vec t = v_tanh(x); return v_sub(one, v_mul(t, t)); }
    case B4C_ACT_NONE: break;
    }
    return one;
}
#endif
