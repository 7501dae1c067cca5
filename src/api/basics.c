/* basics.c - names of things, and the cosine. */
#include "math/kernels.h"

#include <math.h>

const char *b4c_dtype_name(b4c_dtype dtype)
{
    switch (dtype) {
    case B4C_AUTO: return "auto";
    case B4C_F32: return "f32";
    case B4C_BF16: return "bf16";
    case B4C_I8: return "int8";
    case B4C_I4: return "int4";
    }
    return "?";
}

const char *b4c_pooling_name(b4c_pooling pooling)
{
    switch (pooling) {
    case B4C_POOL_AUTO: return "auto";
    case B4C_POOL_CLS: return "cls";
    case B4C_POOL_LINEAR: return "linear";
    case B4C_POOL_TANH: return "tanh";
    case B4C_POOL_MEAN: return "mean";
    case B4C_POOL_MAX: return "max";
    case B4C_POOL_FIRST_LAST: return "first-last";
    case B4C_POOL_MEAN_SQRT: return "sqrt";
    case B4C_POOL_WEIGHTED_MEAN: return "weighted";
    case B4C_POOL_LAST_TOKEN: return "last";
    }
    return "?";
}

const char *b4c_isa_name(void) { return b4c_kernels_get()->name; }

double b4c_cosine(const float *a, const float *b, int n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    if (aa == 0 || bb == 0) return 0;
    /* The root of each apart: their product may leave the range, and rounding may pass 1. */
    return fmax(-1, fmin(1, ab / sqrt(aa) / sqrt(bb)));
}
