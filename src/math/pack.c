/* pack.c - weights in the order that every instruction set's microkernel reads, and the sizes of
 * operands.
 *
 * The idea: a product takes 32 outputs at a time and walks down k, so a weight is stored as panels
 *
 *     [n/32] [kp/g] [32] [g]        g = 1 (f32), 2 (bf16), 4 (int8)
 *
 * and the kernel reads memory from front to back. g neighbours in k stand together because the
 * instructions of that type sum g products at once; two tiles of AMX are the even and the odd cache
 * lines of the same panel, so one copy serves all. 4-bit panels: pack_int4.c. Invariants: outputs
 * n .. and inputs k .. kp-1 of the padding are zero in every type, with scale and sum128 zero.
 */
#include "base/memory.h"
#include "base/memory.h"
#include "math/internal.h"
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { PANEL = B4C_PANEL };

static int group(b4c_dtype dtype) { return dtype == B4C_I8 ? 4 : dtype == B4C_BF16 ? 2 : 1; }

static size_t element(b4c_dtype dtype)
{
    return dtype == B4C_I8 ? 1 : dtype == B4C_BF16 ? 2 : sizeof(b4c_real);
}

static size_t padded_k(int k, b4c_dtype dtype)
{
    const bool bytes = dtype == B4C_I8 || dtype == B4C_I4;
    return b4c_round_up((size_t)k, bytes ? 64 : dtype == B4C_BF16 ? 32 : 1);
}

size_t b4c_packed_bytes(int n, int k, b4c_dtype dtype)
{
    if (dtype == B4C_I4)
        return (b4c_round_up((size_t)n, PANEL) / PANEL) * (padded_k(k, dtype) / 64) * B4C_I4_BLOCK;
    return b4c_round_up((size_t)n, PANEL) * padded_k(k, dtype) * element(dtype);
}

static size_t outputs_of(int n) { return b4c_round_up((size_t)n, PANEL); }

size_t b4c_packed_room(int n, int k, b4c_dtype dtype)
{
    const size_t scales = dtype == B4C_I8   ? outputs_of(n) * (sizeof(float) + sizeof(int32_t))
                          : dtype == B4C_I4 ? outputs_of(n) * sizeof(float)
                                            : 0;
    return b4c_packed_bytes(n, k, dtype) + scales;
}

void b4c_packed_place(b4c_packed *p, int n, int k, b4c_dtype dtype, void *memory)
{
    assert(n > 0 && k > 0 && dtype != B4C_AUTO);
    *p = (b4c_packed){ .n = n, .k = k, .kp = (int)padded_k(k, dtype), .dtype = dtype };
    p->bytes = b4c_packed_bytes(n, k, dtype);
    p->panels = memory;
    if (dtype != B4C_I8 && dtype != B4C_I4) return;
    p->scale = (float *)(void *)((char *)memory + p->bytes);
    if (dtype == B4C_I8) p->sum128 = (int32_t *)(void *)(p->scale + outputs_of(n));
}

int b4c_packed_init(b4c_packed *p, int n, int k, b4c_dtype dtype)
{
    void *block = b4c_block_new(b4c_packed_room(n, k, dtype));
    *p = (b4c_packed){ 0 };
    if (!block) return B4C_E_MEMORY;
    b4c_packed_place(p, n, k, dtype, block);
    return 0;
}

void b4c_packed_done(b4c_packed *p)
{
    if (p->panels) b4c_block_free(p->panels, b4c_packed_room(p->n, p->k, p->dtype));
    *p = (b4c_packed){ 0 };
}

/* Where output n's first element stands; k moves by groups of PANEL * g elements. */
static size_t column(const b4c_packed *p, int n)
{
    int g = group(p->dtype);
    return (size_t)(n / PANEL) * PANEL * (size_t)p->kp + (size_t)(n % PANEL) * (size_t)g;
}

/* Outputs of one panel, a few inputs of all at a time: those lines of the panel stay in the first
 * cache until they are full. */
enum { STEP = 32 };

static void fill_real(b4c_packed *p, int row, int rows, const b4c_real *w, size_t ld)
{
    b4c_real *panel = (b4c_real *)p->panels + column(p, row);
    for (int from = 0; from < p->k; from += STEP) {
        const int n = p->k - from < STEP ? p->k - from : STEP;
        for (int i = 0; i < rows; i++) {
            const b4c_real *x = w + (size_t)i * ld + from;
            b4c_real *to = panel + (size_t)from * PANEL + i;
            for (int k = 0; k < n; k++) to[k * PANEL] = x[k];
        }
    }
}

/* A constant number, which compilers turn into vectors. */
static void round_step(const b4c_real *x, uint16_t *y)
{
    for (int k = 0; k < STEP; k++) {
        union {
            float f;
            uint32_t u;
        } v = { (float)x[k] };
        const uint32_t near = v.u + 0x7fffu + (v.u >> 16 & 1), quiet = v.u | 0x400000u;
        y[k] = (uint16_t)(((v.u & 0x7fffffffu) > 0x7f800000u ? quiet : near) >> 16);
    }
}

/* Pairs of inputs stand together. */
static void fill_bf16(b4c_packed *p, int row, int rows, const b4c_real *w, size_t ld)
{
    uint16_t *panel = (uint16_t *)p->panels + column(p, row), pairs[STEP + 1];
    for (int from = 0; from < p->k; from += STEP) {
        const int n = p->k - from < STEP ? p->k - from : STEP;
        for (int i = 0; i < rows; i++) {
            const b4c_real *x = w + (size_t)i * ld + from;
            uint16_t *to = panel + (size_t)from * PANEL + 2 * i;
            b4c_ask_ahead(x, 2 * STEP * sizeof *x, STEP * sizeof *x);
            if (n == STEP) round_step(x, pairs);
            for (int k = 0; k < n && n < STEP; k++) pairs[k] = b4c_to_bf16((float)x[k]);
            pairs[n] = 0;
            for (int k = 0; k < n; k += 2) memcpy(to + k * PANEL, pairs + k, 2 * sizeof *to);
        }
    }
}

/* The nearest integer, ties to even, of |x| < 2^22, as the low bits: adding 1.5 * 2^23 leaves no
 * room for a fraction. */
static inline uint32_t nearest(float x)
{
    union {
        float f;
        uint32_t u;
    } r = { x + 12582912.f };
    return r.u;
}

static inline uint32_t size_bits(b4c_real x)
{
    union {
        float f;
        uint32_t u;
    } r = { (float)x };
    return r.u & 0x7fffffffu;
}

/* Symmetric, one scale an output: the largest value becomes 127. A row with NaN or infinity gets
 * the scale NaN, so that it shows. */
static void fill_i8(b4c_packed *p, int n, const b4c_real *w)
{
    union {
        uint32_t u;
        float f;
    } largest = { 0 };
    for (int k = 0; k < p->k; k++)
        if (size_bits(w[k]) > largest.u)
            largest.u = size_bits(w[k]); /* as bits, NaN is the largest of all */
    const bool finite = largest.u < 0x7f800000u, some = finite && largest.f > B4C_I8_TINY;
    const float inverse = some ? 127 / largest.f : 0;
    int8_t *to = (int8_t *)p->panels + column(p, n);
    int32_t sum = 0;
    for (int k = 0; k < p->k; k += 4, to += PANEL * 4)
        for (int j = 0; j < 4 && k + j < p->k; j++) {
            to[j] = some ? (int8_t)(uint8_t)nearest((float)w[k + j] * inverse) : 0;
            sum += to[j];
        }
    p->scale[n] = !finite ? NAN : some ? largest.f / 127 : 0;
    p->sum128[n] = 128 * sum;
}

void b4c_packed_fill(b4c_packed *p, int row, int rows, const b4c_real *w, size_t ld)
{
    assert(row >= 0 && rows >= 0 && row + rows <= p->n);
    for (int i = 0, n; i < rows; i += n) {
        const b4c_real *from = w + (size_t)i * ld;
        const int left = PANEL - (row + i) % PANEL;
        n = p->dtype == B4C_I4 || p->dtype == B4C_I8 ? 1 : rows - i < left ? rows - i : left;
        if (p->dtype == B4C_I4)
            b4c_int4_fill(p, row + i, from);
        else if (p->dtype == B4C_I8)
            fill_i8(p, row + i, from);
        else
            (p->dtype == B4C_BF16 ? fill_bf16 : fill_real)(p, row + i, n, from, ld);
    }
}

b4c_gemm b4c_gemm_of_panel(const b4c_gemm *g, int panel, const b4c_real *w, b4c_packed *p,
                           void *memory)
{
    const int first = panel * PANEL, left = g->w->n - first, n = left < PANEL ? left : PANEL;
    assert(g->w->dtype == B4C_F32 || g->w->dtype == B4C_BF16);
    b4c_packed_place(p, n, g->w->k, g->w->dtype, memory);
    if (n < PANEL || p->kp != p->k) memset(memory, 0, p->bytes);
    b4c_packed_fill(p, 0, n, w + (size_t)first * (size_t)p->k, (size_t)p->k);
    b4c_gemm one = *g;
    one.w = p;
    if (g->bias) one.bias = g->bias + first;
    const size_t wide = g->out.form == B4C_FORM_REAL        ? PANEL * sizeof(b4c_real)
                        : g->out.form == B4C_FORM_TILE_BF16 ? PANEL * 2 * 16
                                                            : PANEL * 2;
    one.out.data = (char *)g->out.data + (size_t)panel * wide;
    one.out.cols = n;
    return one;
}

void b4c_packed_row(const b4c_packed *p, int row, b4c_real *y)
{
    assert(row >= 0 && row < p->n);
    if (p->dtype == B4C_I4) {
        b4c_int4_row(p, row, y);
        return;
    }
    size_t at = column(p, row), g = (size_t)group(p->dtype);
    for (size_t k = 0; k < (size_t)p->k; k++) {
        size_t i = at + k / g * PANEL * g + k % g;
        if (p->dtype == B4C_I8)
            y[k] = (b4c_real)(((const int8_t *)p->panels)[i] * p->scale[row]);
        else if (p->dtype == B4C_BF16)
            y[k] = b4c_from_bf16(((const uint16_t *)p->panels)[i]);
        else
            y[k] = ((const b4c_real *)p->panels)[i];
    }
}

float b4c_packed_codes(const b4c_packed *p, int row, int8_t *codes)
{
    assert(p->dtype == B4C_I8 && row >= 0 && row < p->n);
    const int8_t *from = (const int8_t *)p->panels + column(p, row);
    for (int k = 0; k < p->k; k++) codes[k] = from[(size_t)(k / 4) * PANEL * 4 + (size_t)k % 4];
    return p->scale[row];
}

void b4c_packed_rescale(b4c_packed *p, int row, float scale)
{
    assert(p->dtype == B4C_I8 && row >= 0 && row < p->n);
    if (fabsf(scale - p->scale[row]) <= 4 * FLT_EPSILON * p->scale[row]) p->scale[row] = scale;
}

size_t b4c_spaced(size_t bytes) { return bytes % 4096 == 0 ? bytes + 64 : bytes; }

size_t b4c_operand_bytes(b4c_form form, int rows, int cols, size_t *ld)
{
    size_t n = (size_t)rows, w = (size_t)cols;
    switch (form) {
    case B4C_FORM_REAL: *ld = w; return n * w * sizeof(b4c_real);
    case B4C_FORM_BF16: *ld = b4c_spaced(b4c_round_up(w, 32) * 2); return n * *ld;
    case B4C_FORM_I8:
    case B4C_FORM_I8_GROUPS: *ld = b4c_spaced(b4c_round_up(w, 64)); return n * *ld;
    case B4C_FORM_TILE_BF16: *ld = b4c_round_up(w, 32) * 2 * 16; return (n + 15) / 16 * *ld;
    case B4C_FORM_TILE_I8: *ld = b4c_round_up(w, 64) * 16; return (n + 15) / 16 * *ld;
    case B4C_FORM_NONE: break;
    }
    *ld = 0;
    return 0;
}

size_t b4c_operand_scales(b4c_form form, int rows, int cols)
{
    if (form == B4C_FORM_I8_GROUPS)
        return (size_t)rows * (b4c_round_up((size_t)cols, 64) / 64) *
               (sizeof(b4c_group_pair) / sizeof(float));
    return form == B4C_FORM_I8 || form == B4C_FORM_TILE_I8 ? (size_t)rows : 0;
}
