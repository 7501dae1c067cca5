/* gemm_scalar.c - products and conversions in plain C: the fallback for any machine, the reference
 * of the kernel tests, and, built with -DB4C_DOUBLE, the arithmetic of the gradient tests.
 *
 * Order of sums: each output is one accumulator that starts at zero and adds a[k] * w[k] for k = 0,
 * 1, ..., rounding both the product and the sum (no fused multiply-add). bf16 weights are widened
 * and meet rows of numbers; int8 sums are exact integers.
 */
#include "math/internal.h"
#include "math/vec_scalar.h"

#include "math/act_body.h"
#include <assert.h>

#define UNROLL
static inline vec v_load_float(const float *p) { return *p; }
static inline vec v_sums_i8(const int32_t *sum, const int32_t *sum128)
{
    return (vec)(*sum - *sum128);
}
#include "math/convert_body.h"
#include "math/gemm_epilogue.h"

enum { PANEL = B4C_PANEL };

static b4c_form form(b4c_dtype weight)
{
    if (weight == B4C_I4) return B4C_FORM_I8_GROUPS;
    return weight == B4C_I8 ? B4C_FORM_I8 : B4C_FORM_REAL;
}

/* ---- products with packed weights ----------------------------------------------------------- */

static void product_real(const b4c_real *a, const b4c_real *w, int k, b4c_real y[PANEL])
{
    for (int j = 0; j < PANEL; j++) y[j] = 0;
    for (int i = 0; i < k; i++, w += PANEL)
        for (int j = 0; j < PANEL; j++) y[j] += a[i] * w[j];
}

static void product_bf16(const b4c_real *a, const uint16_t *w, int k, b4c_real y[PANEL])
{
    for (int j = 0; j < PANEL; j++) y[j] = 0;
    for (int i = 0; i < k; i++) {
        const uint16_t *pairs = w + (size_t)(i / 2) * PANEL * 2 + (size_t)(i % 2);
        for (int j = 0; j < PANEL; j++) y[j] += a[i] * b4c_from_bf16(pairs[2 * j]);
    }
}

static void product_i8(const uint8_t *a, const int8_t *w, int k, int32_t y[PANEL])
{
    for (int j = 0; j < PANEL; j++) y[j] = 0;
    for (int i = 0; i < k; i++) {
        const int8_t *fours = w + (size_t)(i / 4) * PANEL * 4 + (size_t)(i % 4);
        for (int j = 0; j < PANEL; j++) y[j] += a[i] * fours[4 * j];
    }
}

/* 4-bit weights: the body of the other sets, four bytes at once in a word. */
static inline uint32_t word(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline int32_t dot_bytes(int32_t sum, uint32_t w, uint32_t x)
{
    for (int i = 0; i < 32; i += 8) sum += (int32_t)(w >> i & 255) * (int8_t)(x >> i & 255);
    return sum;
}

typedef int32_t shorts, short_sums;
static inline short_sums shorts_none(void) { return 0; }
static inline shorts shorts_get(const int32_t *p) { return *p; }
static inline void shorts_put(int32_t *p, shorts x) { *p = x; }
static inline shorts shorts_of(vec a, vec b)
{
    const bool both = v_abs(a) < 32768 && v_abs(b) < 32768;      /* NaN shows elsewhere */
    const uint32_t low = both ? (uint32_t)(int)v_round(a) & 0xffff : 0;
    return (int32_t)(low | (both ? (uint32_t)(int)v_round(b) << 16 : 0));
}
static inline short_sums shorts_dot(short_sums s, shorts w, const int16_t *x)
{
    return s + (int16_t)(w & 0xffff) * x[0] + (w >> 16) * x[1];
}
static inline vec shorts_total(short_sums s) { return (vec)s; }

/* Sums that begin at the bits of a number, and are off by one. */
static inline int32_t sums_from(float x) { return (int32_t)bits_of(x); }
static inline vec sums_less(int32_t s, float x) { return (vec)(from_bits((uint32_t)s) - x); }

#define GROUP_ROWS         1
#define GROUP_FEW          0
#define GROUP_VECTORS      16
#define EACH_GROUP_ROWS(X) X(1)
#define PREFETCH(p)     (void)(p)
#define NAME(x)         i4_##x
#define W_V             uint32_t
#define X_V             uint32_t
#define S_V             int32_t
#define W_LOAD(p)       word(p)
#define LOW(w)          ((w) & 0x0f0f0f0fu)
#define HIGH(w)         ((w) >> 4 & 0x0f0f0f0fu)
#define X_LOAD(p)       word(p)
#define S_FROM(p, g)    sums_from((p)->start[g])
#define DOT(s, w, x)    s = dot_bytes(s, w, x)
#define TOTAL(s, p, g)  sums_less(s, (p)->start[g])
#include "math/gemm_int4_body.h"

/* int8 weights over rows in groups */
static inline int32_t dot_signed(int32_t sum, uint32_t w, uint32_t x)
{
    for (int i = 0; i < 32; i += 8) sum += (int8_t)(w >> i & 255) * (int8_t)(x >> i & 255);
    return sum;
}

#define NAME(x)         i8_groups_##x
#define W_V             uint32_t
#define X_V             uint32_t
#define S_V             int32_t
#define W_LOAD(p)       word(p)
#define X_LOAD(p)       word(p)
#define S_FROM(p, g)    sums_from((p)->start[g])
#define DOT(s, w, x)    s = dot_signed(s, w, x)
#define TOTAL(s, p, g)  sums_less(s, (p)->start[g])
#include "math/gemm_int8_groups_body.h"

static void gemm(const b4c_gemm *g, int begin, int end)
{
    const b4c_packed *w = g->w;
    if (g->in.form == B4C_FORM_I8_GROUPS) {
        (w->dtype == B4C_I4 ? i4_gemm : i8_groups_gemm)(g, begin, end);
        return;
    }
    assert(g->in.form == form(w->dtype) && g->in.cols == w->k && g->out.rows >= g->in.rows);
    finish_fn finish = finish_of(g);
    for (int panel = begin; panel < end; panel++) {
        size_t at = (size_t)panel * PANEL * (size_t)w->kp;
        epilogue e;
        epilogue_init(&e, g, panel, true);
        for (int row = 0; row < g->in.rows; row++) {
            size_t from = (size_t)row * g->in.ld;
            if (w->dtype == B4C_I8) {
                int32_t sums[PANEL];
                product_i8((const uint8_t *)g->in.data + from, (const int8_t *)w->panels + at, w->k,
                           sums);
                finish(&e, sums, row, 1);
            } else {
                const b4c_real *a = (const b4c_real *)g->in.data + from;
                b4c_real sums[PANEL];
                if (w->dtype == B4C_BF16)
                    product_bf16(a, (const uint16_t *)w->panels + at, w->k, sums);
                else
                    product_real(a, (const b4c_real *)w->panels + at, w->k, sums);
                finish(&e, sums, row, 1);
            }
        }
    }
}

/* ---- row-major products for gradients ------------------------------------------------------- */

static void add_row(b4c_real a, const b4c_real *b, b4c_real *c, int n)
{
    for (int j = 0; j < n; j++) c[j] += a * b[j];
}

static void add_nn(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                   b4c_real *c, int ldc, int begin, int end)
{
    (void)m;
    for (int i = begin; i < end; i++)
        for (int l = 0; l < k; l++)
            add_row(a[(size_t)i * (size_t)lda + (size_t)l], b + (size_t)l * (size_t)ldb,
                    c + (size_t)i * (size_t)ldc, n);
}

static void add_tn(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                   b4c_real *c, int ldc, int begin, int end)
{
    (void)m;
    for (int i = begin; i < end; i++)
        for (int l = 0; l < k; l++)
            add_row(a[(size_t)l * (size_t)lda + (size_t)i], b + (size_t)l * (size_t)ldb,
                    c + (size_t)i * (size_t)ldc, n);
}

static void add_nt(int m, int n, int k, const b4c_real *a, int lda, const b4c_real *b, int ldb,
                   b4c_real *c, int ldc, int begin, int end)
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

void b4c_fill_gemm_scalar(b4c_kernels *t)
{
    t->form = form;
    t->bf16_pays = false;
    t->batch_tokens = 128;
    t->gemm = gemm;
    t->add_nn = t->half_nn = add_nn;
    t->add_tn = t->half_tn = add_tn;
    t->add_nt = add_nt;
    fill_conversions(t);
}
