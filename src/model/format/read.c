/* read.c - stored elements of any type and order, as rows of float.
 *
 * Idea: a tensor is read in runs along its last axis; a row-major one is a single run; a matrix
 * that lies transposed goes tile by tile, so that both sides touch whole cache lines. The loops
 * over a fixed number of elements are there for the compiler to vectorise. Data may stand at any
 * address: elements are loaded by memcpy.
 */
#include "model/format/reader.h"

#include "model/format/codes.h"
#include "model/format/crc32c.h"
#include "model/format/gguf_quants.h"
#include "model/format/half.h"
#include "model/format/own.h"
#include <assert.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the layouts are little-endian; write the runs of read.c anew for this machine"
#endif

#define TILE 16

/* ---- one run -------------------------------------------------------------------------------- */

static inline float bfloat_float(uint16_t b)
{
    const uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/* n elements, `step` elements apart, to consecutive floats. */
#define RUN(name, type, value)                                                      \
    static void name(const unsigned char *from, int64_t step, float *to, int64_t n) \
    {                                                                               \
        type x;                                                                     \
        int64_t i = 0;                                                              \
        if (step == 1)                                                              \
            for (; i + 16 <= n; i += 16)                                            \
                for (int j = 0; j < 16; j++) {                                      \
                    memcpy(&x, from + (i + j) * (int64_t)sizeof x, sizeof x);       \
                    to[i + j] = value;                                              \
                }                                                                   \
        for (; i < n; i++) {                                                        \
            memcpy(&x, from + i * step * (int64_t)sizeof x, sizeof x);              \
            to[i] = value;                                                          \
        }                                                                           \
    }
RUN(run_f32, float, x)
RUN(run_f64, double, (float)x)
RUN(run_f16, uint16_t, b4c_from_half(x))
RUN(run_bf16, uint16_t, bfloat_float(x))
RUN(run_i8, int8_t, (float)x)
RUN(run_u8, uint8_t, (float)x)
RUN(run_i16, int16_t, (float)x)
RUN(run_i32, int32_t, (float)x)
RUN(run_i64, int64_t, (float)x)
RUN(run_bool, uint8_t, x ? 1.0f : 0.0f)
#undef RUN

typedef void (*run_fn)(const unsigned char *from, int64_t step, float *to, int64_t n);

static const run_fn runs[] = {
    [B4C_STORED_F32] = run_f32,   [B4C_STORED_F64] = run_f64, [B4C_STORED_F16] = run_f16,
    [B4C_STORED_BF16] = run_bf16, [B4C_STORED_I8] = run_i8,   [B4C_STORED_U8] = run_u8,
    [B4C_STORED_I16] = run_i16,   [B4C_STORED_I32] = run_i32, [B4C_STORED_I64] = run_i64,
    [B4C_STORED_BOOL] = run_bool,
};

float b4c_stored_element(const b4c_stored *t, size_t i)
{
    assert(b4c_stored_block(t->type) == 1);
    float value;
    runs[t->type](t->data + i * b4c_stored_width(t->type), 1, &value, 1);
    return value;
}

/* ---- shapes --------------------------------------------------------------------------------- */

static bool is_packed(const b4c_stored *t)
{
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != step) return false;
        step *= t->shape[i];
    }
    return true;
}

/* Matrix [rows, cols] whose columns are contiguous. */
static void read_transposed(const b4c_stored *t, int64_t first, int64_t rows, float *out)
{
    const run_fn run = runs[t->type];
    const int64_t width = (int64_t)b4c_stored_width(t->type), cols = t->shape[1],
                  step = t->stride[1];
    float tile[TILE][TILE];
    for (int64_t r = 0; r < rows; r += TILE) {
        const int h = (int)(rows - r < TILE ? rows - r : TILE);
        for (int64_t c = 0; c < cols; c += TILE) {
            const int w = (int)(cols - c < TILE ? cols - c : TILE);
            for (int i = 0; i < w; i++)
                run(t->data + ((first + r) + (c + i) * step) * width, 1, tile[i], h);
            if (h == TILE && w == TILE) { /* constant bounds: this is where the time goes */
                for (int j = 0; j < TILE; j++)
                    for (int i = 0; i < TILE; i++) out[(r + j) * cols + c + i] = tile[i][j];
            } else {
                for (int j = 0; j < h; j++)
                    for (int i = 0; i < w; i++) out[(r + j) * cols + c + i] = tile[i][j];
            }
        }
    }
}

/* Any strides: an odometer over the axes between the first and the last. */
static void read_strided(const b4c_stored *t, int64_t first, int64_t rows, float *out)
{
    const run_fn run = runs[t->type];
    const int64_t width = (int64_t)b4c_stored_width(t->type);
    const int last = t->rank - 1;
    int64_t at[B4C_STORED_RANK] = { first };
    if (t->rank < 2) {
        run(t->data, t->rank ? t->stride[0] : 1, out, t->rank ? t->shape[0] : 1);
        return;
    }
    while (at[0] < first + rows) {
        int64_t offset = 0;
        for (int i = 0; i < last; i++) offset += at[i] * t->stride[i];
        run(t->data + offset * width, t->stride[last], out, t->shape[last]);
        out += t->shape[last];
        int i = last - 1;
        while (i > 0 && ++at[i] == t->shape[i]) at[i--] = 0;
        if (i == 0) at[0]++;
    }
}

/* ---- reading -------------------------------------------------------------------------------- */

static int check_sum(const b4c_store *s, int tensor, b4c_error *err)
{
    const b4c_stored *t = &s->tensor[tensor];
    atomic_uchar *checked = &s->own->checked[tensor];
    if (!t->has_checksum || atomic_load_explicit(checked, memory_order_relaxed)) return 0;
    const uint32_t found = b4c_crc32c(t->data, t->bytes);
    if (found != t->checksum)
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_FORMAT,
                               "checksum of its %zu bytes is %08x, the index says %08x; the file "
                               "is damaged, fetch it again",
                               t->bytes, found, t->checksum);
    /* relaxed: it guards nothing, two threads may both have compared */
    atomic_store_explicit(checked, 1, memory_order_relaxed);
    return 0;
}

static int check_readable(const b4c_store *s, const b4c_stored *t, b4c_error *err)
{
    const b4c_span name = b4c_span_of(t->name);
    if (t->type == B4C_STORED_OTHER)
        return b4c_fail_tensor(s, t->file, name, err, B4C_E_UNSUPPORTED,
                               "its element type%s%s is not one that bert4c reads (floats of 16 to "
                               "64 bits, integers, bool, ggml's Q and IQ4 types)",
                               t->foreign ? " " : "", t->foreign ? t->foreign : "");
    if (b4c_stored_block(t->type) > 1 && !is_packed(t))
        return b4c_fail_tensor(s, t->file, name, err, B4C_E_UNSUPPORTED,
                               "is quantised along its rows and cannot be read turned");
    return 0;
}

static void read_groups(const b4c_stored *t, int64_t first, int64_t rows, float *out)
{
    const int cols = (int)t->shape[1];
    b4c_int4_group g;
    for (int64_t r = 0; r < rows; r++, out += cols)
        for (int c = 0; c < cols; c += B4C_GROUP) {
            b4c_stored_group(t, first + r, c, &g);
            const int n = cols - c < B4C_GROUP ? cols - c : B4C_GROUP;
            for (int i = 0; i < n; i++) out[c + i] = b4c_int4_value(&g, i);
        }
}

/* Rows as they are stored. */
static void read_rows(const b4c_stored *t, int64_t first, int64_t rows, float *out)
{
    const int64_t row = b4c_stored_row(t), block = b4c_stored_block(t->type);
    if (t->type == B4C_STORED_I4) {
        read_groups(t, first, rows, out);
    } else if (is_packed(t)) {
        const unsigned char *from = t->data +
                                    first * row / block * (int64_t)b4c_stored_width(t->type);
        if (t->type == B4C_STORED_F32)
            memcpy(out, from, (size_t)(rows * row) * sizeof *out);
        else if (block > 1)
            b4c_blocks_read(t->type, from, out, rows * row / block);
        else
            runs[t->type](from, 1, out, rows * row);
    } else if (t->rank == 2 && t->stride[0] == 1) {
        read_transposed(t, first, rows, out);
    } else {
        read_strided(t, first, rows, out);
    }
}

/* The row where the hub's row r is stored. */
static int64_t paired_row(const b4c_stored *t, int64_t r)
{
    const int64_t half = t->paired / 2, i = r % t->paired, head = r - i;
    return head + (i < half ? 2 * i : 2 * (i - half) + 1);
}

static void read_paired(const b4c_stored *t, int64_t first, int64_t rows, float *out)
{
    const int64_t row = b4c_stored_row(t);
    if (t->rank == 1)
        for (int64_t i = 0; i < row; i++)
            out[i] = b4c_stored_element(t, (size_t)(paired_row(t, i) * t->stride[0]));
    else
        for (int64_t r = 0; r < rows; r++) read_rows(t, paired_row(t, first + r), 1, out + r * row);
}

int b4c_store_read(const b4c_store *s, int tensor, int64_t first, int64_t rows, float *out,
                   b4c_error *err)
{
    assert(tensor >= 0 && tensor < s->n);
    const b4c_stored *t = &s->tensor[tensor];
    const int64_t row = b4c_stored_row(t), all = b4c_stored_rows(t);
    assert(first >= 0 && rows >= 0 && first <= all && rows <= all - first);
    B4C_TRY(check_readable(s, t, err));
    B4C_TRY(check_sum(s, tensor, err));
    if (row == 0 || rows == 0) return 0;
    if (t->paired)
        read_paired(t, first, rows, out);
    else
        read_rows(t, first, rows, out);
    for (int64_t r = 0; r < rows && (t->n_quant || t->columns); r++, out += row) {
        const int64_t q = t->n_quant == 1 ? 0 : first + r;
        const float scale = t->n_quant ? t->quant_scale[q] : 1,
                    zero = t->n_quant ? (float)t->quant_zero[q] : 0;
        for (int64_t i = 0; t->n_quant && i < row; i++) out[i] = (out[i] - zero) * scale;
        for (int64_t i = 0; t->columns && i < row; i++) out[i] /= t->columns[i];
    }
    return 0;
}
