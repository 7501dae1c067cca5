/* gemm_scalar.c - products and conversions in plain C: the fallback for any machine, the reference of the kernel tests, and, built
 * with -DB4C_DOUBLE, the arithmetic of the gradient tests.
 *
 * Order of sums: each output is one accumulator that starts at zero and adds a[k] * w[k] for k = 0, 1, ..., rounding both the product
 * and the sum (no fused multiply-add). bf16 values are widened first; int8 sums are exact integers.
 */
#include "math/internal.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { PANEL = B4C_PANEL };

static b4c_form form(b4c_dtype weight)
{
    return weight == B4C_I8 ? B4C_FORM_I8 : weight == B4C_BF16 ? B4C_FORM_BF16 : B4C_FORM_REAL;
}

/* ---- activations --------------------------------------------------------------------------------------- */

static b4c_real activate(b4c_act act, b4c_real x)
{
    switch (act) {
    case B4C_ACT_GELU: return (b4c_real)(0.5 * x * (1 + erf(x * 0.70710678118654752440)));
    case B4C_ACT_GELU_TANH: return (b4c_real)(0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))));
    case B4C_ACT_RELU: return x < 0 ? 0 : x;
    case B4C_ACT_SILU: return (b4c_real)(x / (1 + exp(-x)));
    case B4C_ACT_TANH: return (b4c_real)tanh(x);
    case B4C_ACT_NONE: break;
    }
    return x;
}

/* ---- the product --------------------------------------------------------------------------------------- */

static void product_real(const b4c_real *a, const b4c_real *w, int k, b4c_real y[PANEL])
{
    for (int j = 0; j < PANEL; j++) y[j] = 0;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < PANEL; j++) y[j] += a[i] * w[(size_t)i * PANEL + (size_t)j];
}

static void product_bf16(const uint16_t *a, const uint16_t *w, int k, b4c_real y[PANEL])
{
    for (int j = 0; j < PANEL; j++) y[j] = 0;
    for (int i = 0; i < k; i++) {
        b4c_real x = b4c_from_bf16(a[i]);
        const uint16_t *b = w + (size_t)(i / 2) * PANEL * 2 + (size_t)(i % 2);
        for (int j = 0; j < PANEL; j++) y[j] += x * b4c_from_bf16(b[2 * j]);
    }
}

static void product_i8(const uint8_t *a, const int8_t *w, int k, int32_t y[PANEL])
{
    for (int j = 0; j < PANEL; j++) y[j] = 0;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < PANEL; j++)
            y[j] += a[i] * w[(size_t)(i / 4) * PANEL * 4 + (size_t)j * 4 + (size_t)(i % 4)];
}

static void gemm_row(const b4c_gemm *g, int row, int panel)
{
    const b4c_packed *w = g->w;
    size_t at = (size_t)panel * PANEL * (size_t)w->kp;
    int first = panel * PANEL, n = w->n - first < PANEL ? w->n - first : PANEL;
    b4c_real y[PANEL];

    if (w->dtype == B4C_I8) {
        int32_t sum[PANEL];
        product_i8((const uint8_t *)g->in.data + (size_t)row * g->in.ld, (const int8_t *)w->panels + at, w->k, sum);
        for (int j = 0; j < PANEL; j++)
            y[j] = (b4c_real)(sum[j] - w->sum128[first + j]) * (g->in.scale[row] * w->scale[first + j]);
    } else if (w->dtype == B4C_BF16) {
        const char *a = (const char *)g->in.data + (size_t)row * g->in.ld;
        product_bf16((const uint16_t *)(const void *)a, (const uint16_t *)w->panels + at, w->k, y);
    } else {
        product_real((const b4c_real *)g->in.data + (size_t)row * g->in.ld, (const b4c_real *)w->panels + at, w->k, y);
    }
    for (int j = 0; j < n; j++) {
        if (g->bias) y[j] += g->bias[first + j];
        y[j] = activate(g->act, y[j]);
    }
    if (g->out.form == B4C_FORM_REAL) {
        memcpy((b4c_real *)g->out.data + (size_t)row * g->out.ld + first, y, (size_t)n * sizeof *y);
    } else {
        assert(g->out.form == B4C_FORM_BF16);
        uint16_t *to = (uint16_t *)(void *)((char *)g->out.data + (size_t)row * g->out.ld) + first;
        for (int j = 0; j < PANEL; j++) to[j] = j < n ? b4c_to_bf16((float)y[j]) : 0;
    }
}

static void gemm(const b4c_gemm *g, int begin, int end)
{
    assert(g->in.form == form(g->w->dtype) && g->in.cols == g->w->k && g->out.rows >= g->in.rows);
    for (int panel = begin; panel < end; panel++)
        for (int row = 0; row < g->in.rows; row++) gemm_row(g, row, panel);
}

/* ---- row-major products for gradients ------------------------------------------------------------------- */

static void add_row(b4c_real a, const b4c_real *b, b4c_real *c, int n)
{
    for (int j = 0; j < n; j++) c[j] += a * b[j];
}

static void add_nn(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb, b4c_real *c, int ldc,
                   int begin, int end)
{
    (void)m;
    for (int i = begin; i < end; i++)
        for (int l = 0; l < k; l++)
            add_row(a[(size_t)i * (size_t)lda + (size_t)l], b + (size_t)l * (size_t)ldb, c + (size_t)i * (size_t)ldc, n);
}

static void add_tn(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb, b4c_real *c, int ldc,
                   int begin, int end)
{
    (void)m;
    for (int i = begin; i < end; i++)
        for (int l = 0; l < k; l++)
            add_row(a[(size_t)l * (size_t)lda + (size_t)i], b + (size_t)l * (size_t)ldb, c + (size_t)i * (size_t)ldc, n);
}

static void add_nt(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb, b4c_real *c, int ldc,
                   int begin, int end)
{
    (void)m;
    for (int i = begin; i < end; i++)
        for (int j = 0; j < n; j++) {
            const b4c_real *x = a + (size_t)i * (size_t)lda, *y = b + (size_t)j * (size_t)ldb;
            b4c_real sum = 0;
            for (int l = 0; l < k; l++) sum += x[l] * y[l];
            c[(size_t)i * (size_t)ldc + (size_t)j] += sum;
        }
}

/* ---- conversions ---------------------------------------------------------------------------------------- */

static void put_bf16(const b4c_real *x, int cols, size_t bytes, uint16_t *y)
{
    for (int j = 0; j < cols; j++) y[j] = b4c_to_bf16((float)x[j]);
    memset(y + cols, 0, bytes - (size_t)cols * 2);
}

/* q + 128 with q = round(127 x / largest). A row with NaN or infinity gets the scale NaN, so that its results show it. */
static void put_i8(const b4c_real *x, int cols, size_t bytes, uint8_t *y, float *scale)
{
    float largest = 0;
    bool finite = true;
    for (int j = 0; j < cols; j++) {
        float a = fabsf((float)x[j]);
        if (a > largest) largest = a;
        if (!isfinite(a)) finite = false;
    }
    float inverse = finite && largest > B4C_I8_TINY ? 127 / largest : 0;
    for (int j = 0; j < cols; j++) {
        int q = inverse > 0 ? (int)lrintf((float)x[j] * inverse) : 0;
        y[j] = (uint8_t)((q > 127 ? 127 : q) + 128);
    }
    memset(y + cols, 128, bytes - (size_t)cols);
    *scale = !finite ? NAN : inverse > 0 ? largest / 127 : 0;
}

static void operand(const b4c_real *x, int x_ld, b4c_operand *out, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        const b4c_real *row = x + (size_t)i * (size_t)x_ld;
        char *to = (char *)out->data + (size_t)i * out->ld;
        if (out->form == B4C_FORM_REAL)
            memmove((b4c_real *)out->data + (size_t)i * out->ld, row, (size_t)out->cols * sizeof *row);
        else if (out->form == B4C_FORM_BF16)
            put_bf16(row, out->cols, out->ld, (uint16_t *)(void *)to);
        else {
            assert(out->form == B4C_FORM_I8);
            put_i8(row, out->cols, out->ld, (uint8_t *)to, &out->scale[i]);
        }
    }
}

static void rows(const b4c_operand *in, b4c_real *y, int y_ld, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        const char *from = (const char *)in->data + (size_t)i * in->ld;
        b4c_real *row = y + (size_t)i * (size_t)y_ld;
        if (in->form == B4C_FORM_REAL)
            memmove(row, (const b4c_real *)in->data + (size_t)i * in->ld, (size_t)in->cols * sizeof *row);
        else if (in->form == B4C_FORM_BF16)
            for (int j = 0; j < in->cols; j++) row[j] = b4c_from_bf16(((const uint16_t *)(const void *)from)[j]);
        else
            for (int j = 0; j < in->cols; j++) row[j] = in->scale[i] * (float)(((const uint8_t *)from)[j] - 128);
    }
}

static void requantize(const b4c_operand *in, b4c_operand *out, int begin, int end)
{
    assert(in->form == B4C_FORM_BF16 && out->form == B4C_FORM_I8 && in->cols == out->cols);
    for (int i = begin; i < end; i++) {
        const uint16_t *from = (const uint16_t *)(const void *)((const char *)in->data + (size_t)i * in->ld);
        uint8_t *to = (uint8_t *)out->data + (size_t)i * out->ld;
        float largest = 0;
        bool finite = true;
        for (int j = 0; j < in->cols; j++) {
            float a = fabsf(b4c_from_bf16(from[j]));
            if (a > largest) largest = a;
            if (!isfinite(a)) finite = false;
        }
        float inverse = finite && largest > B4C_I8_TINY ? 127 / largest : 0;
        for (int j = 0; j < in->cols; j++) {
            int q = inverse > 0 ? (int)lrintf(b4c_from_bf16(from[j]) * inverse) : 0;
            to[j] = (uint8_t)((q > 127 ? 127 : q) + 128);
        }
        memset(to + in->cols, 128, out->ld - (size_t)in->cols);
        out->scale[i] = !finite ? NAN : inverse > 0 ? largest / 127 : 0;
    }
}

void b4c_fill_gemm_scalar(b4c_kernels *t)
{
    t->form = form;
    t->bf16_pays = false;
    t->batch_tokens = 128;
    t->gemm = gemm;
    t->add_nn = add_nn;
    t->add_tn = add_tn;
    t->add_nt = add_nt;
    t->operand = operand;
    t->rows = rows;
    t->requantize = requantize;
}
