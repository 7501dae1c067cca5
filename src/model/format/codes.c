/* codes.c - int8 matrices in safetensors, as `convert --dtype int8` writes them.
 *
 *     NAME          I8  [out, in]   codes, -127 .. 127
 *     NAME_scale    F32 [out, 1]    value = code * scale / column
 *     NAME_columns  F32 [in]        powers of two, where columns were evened out (even.h)
 *
 * The idea: the codes become a tensor like any other, whose values are products; whoever reads
 * floats need not know. Everything in a file is untrusted: sizes, signs and NaN are checked here.
 */
#include "model/format/reader.h"

#include <math.h>
#include <stdio.h>

enum { NAME = 512 };

/* Tensor NAME + tail, or -1. */
static int beside(const b4c_store *s, const b4c_stored *t, const char *tail)
{
    char name[NAME];
    if (snprintf(name, sizeof name, "%s%s", t->name, tail) >= NAME) return -1;
    return b4c_store_find(s, name);
}

/* Its n floats, in the store's memory. */
static int take_floats(b4c_store *s, int tensor, int64_t n, const float **out, b4c_error *err)
{
    const b4c_stored *t = &s->tensor[tensor];
    char text[200];
    uint64_t count = 0;
    if (t->type != B4C_STORED_F32 || !b4c_shape_count(t->shape, t->rank, &count) ||
        count != (uint64_t)n)
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_SHAPE,
                               "is %s of %s, its codes want %lld of F32",
                               b4c_shape_text(text, t->shape, t->rank),
                               b4c_stored_type_name(t->type), (long long)n);
    float *x = b4c_store_keep(s, (size_t)n * sizeof *x);
    if (!x) return b4c_fail_memory(s, t->file, err);
    for (int64_t i = 0; i < n; i++) x[i] = b4c_stored_element(t, (size_t)i);
    *out = x;
    return 0;
}

static bool is_scale(float x) { return isfinite(x) && x >= 0; }
static bool is_factor(float x)
{
    int exponent;
    return isfinite(x) && x >= 1 && frexpf(x, &exponent) == 0.5f && exponent <= 17;
}

static int check_all(const b4c_store *s, int tensor, const float *x, int64_t n,
                     bool (*good)(float), const char *wanted, b4c_error *err)
{
    const b4c_stored *t = &s->tensor[tensor];
    for (int64_t i = 0; i < n; i++)
        if (!good(x[i]))
            return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_NUMBER,
                                   "number %lld is %g, wanted %s", (long long)i, (double)x[i],
                                   wanted);
    return 0;
}

static int join(b4c_store *s, int i, int scale, b4c_error *err)
{
    b4c_stored *t = &s->tensor[i];
    const float *scales, *columns = NULL;
    const int factor = beside(s, t, "_columns");
    if (t->shape[0] > INT32_MAX || t->shape[1] > INT32_MAX)
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_SHAPE,
                               "has more rows or columns than codes may have");
    B4C_TRY(take_floats(s, scale, t->shape[0], &scales, err));
    B4C_TRY(check_all(s, scale, scales, t->shape[0], is_scale, "0 or more", err));
    if (factor >= 0) {
        B4C_TRY(take_floats(s, factor, t->shape[1], &columns, err));
        B4C_TRY(check_all(s, factor, columns, t->shape[1], is_factor,
                          "a power of two from 1 to 65536", err));
    }
    const int32_t *zero = b4c_store_keep(s, (size_t)t->shape[0] * sizeof *zero);
    if (!zero) return b4c_fail_memory(s, t->file, err);
    t->quant_scale = scales;
    t->quant_zero = zero;
    t->n_quant = (int)t->shape[0];
    t->columns = columns;
    t->coded = true;
    return 0;
}

int b4c_store_codes(b4c_store *s, b4c_error *err)
{
    for (int i = 0; i < s->n; i++) {
        const b4c_stored *t = &s->tensor[i];
        if (t->type != B4C_STORED_I8 || t->rank != 2 || t->shape[0] == 0) continue;
        const int scale = beside(s, t, "_scale");
        if (scale >= 0) B4C_TRY(join(s, i, scale, err));
    }
    return 0;
}
