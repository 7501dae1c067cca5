/* convert_put.c - the numbers of a conversion's tensors.
 *
 * Rows stream from the mapped store to the file; only a matrix that must be written turned is held
 * whole. Codes are taken out of a network's packed weights, and measured against the store's
 * values. Where only some tokens are kept, the rows of all others are passed over here.
 */
#include "model/convert_parts.h"

#include "base/error.h"
#include "model/even.h"
#include "model/format/codes.h"
#include "model/format/reader.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(b4c_error *err) { return b4c_fail(err, B4C_E_MEMORY, "no memory to convert"); }

/* Where row i of what is written stands in the parameter. */
static int old_row(const b4c_converter *c, const b4c_parameter *p, int i)
{
    return b4c_converted_some(c, p) ? c->how->keep[i] : i;
}

/* Rows first .. first + rows - 1 of what is written of a part, as they stand in the store, checked.
 */
static int read_rows(b4c_converter *c, int part, int first, int rows, float *x, b4c_error *err)
{
    const b4c_parameter *p = &c->m.list.item[part];
    const b4c_matched *at = &c->m.item[part];
    const b4c_stored *t = &c->store->tensor[at->tensor];
    size_t n = (size_t)rows * (size_t)p->cols;
    if (t->rank == 1) {
        float *whole = malloc((size_t)t->shape[0] * sizeof *whole);
        if (!whole) return no_memory(err);
        const int rc = b4c_store_read(c->store, at->tensor, 0, 1, whole, err);
        n = (size_t)b4c_converted_rows(c, p);
        for (size_t i = 0; rc == 0 && i < n; i++) x[i] = whole[at->at + old_row(c, p, (int)i)];
        free(whole);
        B4C_TRY(rc);
    } else if (b4c_converted_some(c, p)) {
        for (int i = 0; i < rows; i++)
            B4C_TRY(b4c_store_read(c->store, at->tensor, at->at + old_row(c, p, first + i), 1,
                                   x + (size_t)i * (size_t)p->cols, err));
    } else
        B4C_TRY(b4c_store_read(c->store, at->tensor, at->at + first, rows, x, err));
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return b4c_fail(err, B4C_E_NUMBER,
                            "%s: '%.200s' has %s; the checkpoint is damaged or its training "
                            "diverged",
                            c->store->file_name[t->file], t->name,
                            isnan(x[i]) ? "NaN" : "an infinity");
    return 0;
}

static void measure(b4c_converted *o, const float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double a = (double)x[i], off = fabs((double)y[i] - a);
        o->square += a * a;
        o->square_off += off * off;
        if (fabs(a) > o->largest) o->largest = fabs(a);
        if (off > o->largest_off) o->largest_off = off;
    }
}

/* What is stored, as readers will see it. */
static void measure_rounded(b4c_converter *c, b4c_converted *o, size_t n)
{
    for (size_t i = 0; i < n; i++) c->rounded[i] = b4c_from_bf16(b4c_to_bf16(c->values[i]));
    measure(o, c->values, c->rounded, n);
}

static int tell(b4c_converter *c, uint64_t bytes, b4c_error *err)
{
    c->done += (int64_t)bytes;
    if (c->how->progress && c->how->progress(c->how->arg, c->done, c->total))
        return b4c_fail(err, B4C_E_STOPPED, "stopped by the caller");
    return 0;
}

/* Rows of the parts, one below the other, as many at a time as the block holds. */
static int put_values(b4c_converter *c, b4c_converted *o, b4c_error *err)
{
    const bool narrow = b4c_converted_is_narrow(c, o);
    for (int k = 0; k < o->parts; k++) {
        const b4c_parameter *p = &c->m.list.item[o->part[k]];
        const int all = o->vector ? 1 : b4c_converted_rows(c, p),
                  cols = o->vector ? b4c_converted_rows(c, p) : p->cols;
        const int most = cols < B4C_CONVERT_BLOCK ? B4C_CONVERT_BLOCK / cols : 1;
        for (int r = 0; r < all; r += most) {
            const int rows = all - r < most ? all - r : most;
            const size_t n = (size_t)rows * (size_t)cols;
            B4C_TRY(read_rows(c, o->part[k], r, rows, c->values, err));
            if (narrow) measure_rounded(c, o, n);
            B4C_TRY(b4c_safetensors_put(&c->file, c->values, n, err));
            B4C_TRY(tell(c, n * (narrow ? 2 : 4), err));
        }
        b4c_store_forget(c->store, c->m.item[o->part[k]].tensor);
    }
    return 0;
}

/* A matrix [out, in] written as [in, out]: held whole. */
static int put_turned(b4c_converter *c, b4c_converted *o, b4c_error *err)
{
    const size_t rows = (size_t)o->rows, cols = (size_t)o->cols;
    float *x = malloc(rows * cols * sizeof *x), *to = x;
    int rc = x ? 0 : no_memory(err);
    for (int k = 0; k < o->parts && rc == 0; k++) {
        const b4c_parameter *p = &c->m.list.item[o->part[k]];
        rc = read_rows(c, o->part[k], 0, b4c_converted_rows(c, p), to, err);
        to += (size_t)b4c_converted_rows(c, p) * cols;
    }
    const size_t most = B4C_CONVERT_BLOCK > rows ? B4C_CONVERT_BLOCK / rows : 1;
    for (size_t r = 0; r < cols && rc == 0; r += most) {
        const size_t n = cols - r < most ? cols - r : most;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < rows; j++) c->values[i * rows + j] = x[j * cols + r + i];
        if (b4c_converted_is_narrow(c, o)) measure_rounded(c, o, n * rows);
        rc = b4c_safetensors_put(&c->file, c->values, n * rows, err);
        if (rc == 0) rc = tell(c, n * rows * (b4c_converted_is_narrow(c, o) ? 2 : 4), err);
    }
    free(x);
    return rc;
}

static int put_shape(b4c_converter *c, b4c_converted *o, b4c_error *err)
{
    const int64_t shape[] = { o->rows, o->cols };
    return b4c_safetensors_put_raw(&c->file, shape, 2, err);
}

/* A row of int4 as it is stored, by what of it is wanted; values into c->rounded. */
static int put_groups(b4c_converter *c, const b4c_converted *o, const b4c_packed *w, int row,
                      b4c_error *err)
{
    const int groups = b4c_code_groups(o->cols);
    uint16_t *scale = (uint16_t *)(void *)c->codes;
    b4c_int4_group g;
    for (int i = 0; i < groups; i++) {
        const int at = i * B4C_GROUP, n = o->cols - at < B4C_GROUP ? o->cols - at : B4C_GROUP;
        b4c_packed_group(w, row, at, &g);
        if (o->what == B4C_OUT_SCALES) scale[i] = g.scale;
        else if (o->what == B4C_OUT_OFFSETS) c->codes[i] = g.offset;
        else b4c_codes_put(&g, at, (unsigned char *)c->codes);
        for (int k = 0; k < n; k++) c->rounded[at + k] = b4c_int4_value(&g, k);
    }
    const int n = o->what == B4C_OUT_CODES ? b4c_code_words(o->cols) : groups;
    return b4c_safetensors_put_raw(&c->file, c->codes, (uint64_t)n, err);
}

/* The same of int8. */
static int put_row(b4c_converter *c, const b4c_converted *o, const b4c_packed *w, int row,
                   b4c_error *err)
{
    const float scale = b4c_packed_codes(w, row, c->codes);
    for (int i = 0; i < o->cols; i++) c->rounded[i] = (float)c->codes[i] * scale;
    if (o->what == B4C_OUT_SCALES) return b4c_safetensors_put(&c->file, &scale, 1, err);
    return b4c_safetensors_put_raw(&c->file, c->codes, (uint64_t)o->cols, err);
}

/* Codes of a matrix, against its values; or what stands beside each row of them. */
static int put_codes(b4c_converter *c, b4c_converted *o, b4c_error *err)
{
    const bool packed = b4c_converted_is_packed(c, o);
    for (int k = 0; k < o->parts; k++) {
        const b4c_parameter *p = &c->m.list.item[o->part[k]];
        const b4c_real *even = b4c_evened(&c->net, p->weight);
        const int rows = b4c_converted_rows(c, p);
        for (int r = 0; r < rows; r++) {
            const int from = p->at + old_row(c, p, r);
            B4C_TRY((packed ? put_groups : put_row)(c, o, &p->weight->packed, from, err));
            if (o->what != B4C_OUT_CODES) continue;
            B4C_TRY(read_rows(c, o->part[k], r, 1, c->values, err));
            for (int i = 0; even && i < p->cols; i++) c->rounded[i] *= (float)even[i];
            measure(o, c->values, c->rounded, (size_t)p->cols);
        }
        if (o->what == B4C_OUT_CODES)
            B4C_TRY(tell(c, (uint64_t)rows * (uint64_t)p->cols / (packed ? 2 : 1), err));
    }
    return 0;
}

static int put_columns(b4c_converter *c, b4c_converted *o, b4c_error *err)
{
    const b4c_real *even = b4c_evened(&c->net, c->m.list.item[o->part[0]].weight);
    for (int i = 0; i < o->cols; i++) c->values[i] = (float)(1 / even[i]);
    return b4c_safetensors_put(&c->file, c->values, (uint64_t)o->cols, err);
}

static int put_other(b4c_converter *c, b4c_converted *o, b4c_stored_type type, b4c_error *err)
{
    const int i = o->part[0];
    const b4c_stored *t = &c->store->tensor[i];
    const int64_t row = b4c_stored_row(t), rows = b4c_stored_rows(t);
    if (type != B4C_STORED_F32 && type != B4C_STORED_BF16) {
        uint64_t n = 0;
        b4c_shape_count(t->shape, t->rank, &n);
        return b4c_safetensors_put_raw(&c->file, t->data, n, err);
    }
    for (int64_t r = 0; r < rows; r++) {
        B4C_TRY(b4c_store_read(c->store, i, r, 1, c->values, err));
        if (type == B4C_STORED_BF16) measure_rounded(c, o, (size_t)row);
        B4C_TRY(b4c_safetensors_put(&c->file, c->values, (uint64_t)row, err));
    }
    return tell(c, (uint64_t)(rows * row) * (type == B4C_STORED_F32 ? 4 : 2), err);
}

int b4c_convert_put(b4c_converter *c, b4c_converted *o, b4c_stored_type type, b4c_error *err)
{
    switch (o->what) {
    case B4C_OUT_VALUES: return o->turned ? put_turned(c, o, err) : put_values(c, o, err);
    case B4C_OUT_CODES:
    case B4C_OUT_SCALES:
    case B4C_OUT_OFFSETS: return put_codes(c, o, err);
    case B4C_OUT_SHAPE: return put_shape(c, o, err);
    case B4C_OUT_COLUMNS: return put_columns(c, o, err);
    case B4C_OUT_OTHERS: return put_other(c, o, type, err);
    }
    return 0;
}

