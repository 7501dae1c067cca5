/* row_body.h - one row between numbers and the forms that products read. Included after a
 * vec_<isa>.h.
 *
 * The one idea: every form keeps a row as lines of 64 bytes (32 bf16 or 64 int8), one after the
 * other, or 1024 bytes apart in the order of AMX tiles; so one loop over lines serves all forms,
 * and whoever makes rows (operand, requantize, norm, attention) writes any. Invariants: what a row
 * has beyond its width is zero (int8: 128, which stands for 0), for products run over it. int8
 * keeps q + 128 in rows, q in tiles and groups. The bytes are the same on every instruction set:
 * they come from the largest value of the row or group, one division, one product and one rounding
 * an element, all exactly defined by IEEE 754.
 */
#ifndef B4C_MATH_ROW_BODY_H
#define B4C_MATH_ROW_BODY_H
#include "math/internal.h"
#include <assert.h>

typedef struct row_lines {
    char *at;                /* its first line */
    size_t step;             /* bytes from line to line */
    int lines;
} row_lines;

static inline row_lines row_of(const b4c_operand *o, int row)
{
    bool tile = o->form == B4C_FORM_TILE_BF16 || o->form == B4C_FORM_TILE_I8;
    const bool bf16 = o->form == B4C_FORM_TILE_BF16 || o->form == B4C_FORM_BF16;
    const int lines = bf16 ? (o->cols + 31) / 32 : (o->cols + 63) / 64;
    assert(tile || o->form == B4C_FORM_BF16 || o->form == B4C_FORM_I8 ||
           o->form == B4C_FORM_I8_GROUPS);
    if (tile) {
        const size_t at = (size_t)(row / 16) * o->ld + (size_t)(row % 16) * 64;
        return (row_lines){ (char *)o->data + at, 1024, lines };
    }
    return (row_lines){ (char *)o->data + (size_t)row * o->ld, 64, lines };
}

static inline uint8_t row_flip(b4c_form form) { return form == B4C_FORM_I8 ? 0x80 : 0; }

/* How many of VEC_LANES elements from j on are within w. */
static inline int row_left(int w, int j)
{
    return w - j >= VEC_LANES ? VEC_LANES : w > j ? w - j : 0;
}

static inline uint16_t *row_bf16_line(row_lines r, int line)
{
    return (uint16_t *)(void *)(r.at + (size_t)line * r.step);
}

/* Where a row is read: numbers, or lines of bf16. */
typedef struct row_source { const b4c_real *real; row_lines bf16; } row_source;

/* A masked store is slow, and what it wrote cannot be read again at once: only where it must be. */
static inline void row_write(b4c_real *y, vec x, int n)
{
    if (n == VEC_LANES) v_store(y, x);
    else v_store_n(y, x, n);
}

static inline vec row_read(const row_source *s, int j, int n)
{
    if (s->real) return n == VEC_LANES ? v_load(s->real + j) : v_load_n(s->real + j, n);
    return v_load_bf16_n(row_bf16_line(s->bf16, j / 32) + j % 32, n);
}

/* ---- bf16 ------------------------------------------------------------------------------------ */

static inline void row_put_bf16(const b4c_real *x, int w, row_lines to)
{
    const row_source s = { .real = x };
    for (int l = 0; l < to.lines; l++) {
        uint16_t *line = row_bf16_line(to, l);
        for (int j = 0; j < 32; j += VEC_LANES)
            v_store_bf16_n(line + j, row_read(&s, l * 32 + j, row_left(w, l * 32 + j)), VEC_LANES);
    }
}

static inline void row_get_bf16(row_lines from, int w, b4c_real *y)
{
    for (int j = 0; j < w; j += VEC_LANES) {
        int n = row_left(w, j);
        row_write(y + j, v_load_bf16_n(row_bf16_line(from, j / 32) + j % 32, n), n);
    }
}

/* ---- int8: value = scale * q, q = nearest even of 127 x / largest ---------------------------- */

/* NaN or infinity where the row has one. */
static inline float row_largest(const row_source *s, int w)
{
    vec a = v_set(0), b = a;
    int j = 0;
    for (; j + 2 * VEC_LANES <= w; j += 2 * VEC_LANES) {
        a = v_absmax(a, row_read(s, j, VEC_LANES));
        b = v_absmax(b, row_read(s, j + VEC_LANES, VEC_LANES));
    }
    for (; j < w; j += VEC_LANES) a = v_absmax(a, row_read(s, j, row_left(w, j)));
    return (float)v_absmax_top(v_absmax(a, b));
}

/* Writing one row's integers, its largest value known. A row whose largest value is NaN or infinity
 * gets the scale NaN, so that every result shows it; one that is all but zero gets the scale 0.
 * Both have only zeros as integers. */
typedef struct row_i8 {
    row_lines to;
    vec inverse;             /* 127 / largest */
    float scale;             /* largest / 127 */
    bool zero;
    uint8_t flip;
} row_i8;

static inline row_i8 row_i8_begin(float largest, row_lines to, uint8_t flip)
{
    bool finite = isfinite(largest), zero = !finite || largest <= B4C_I8_TINY;
    const float scale = !finite ? NAN : zero ? 0 : largest / 127;
    return (row_i8){ to, v_set(zero ? 0 : 127 / largest), scale, zero, flip };
}

enum { LINE_I8 = 64 / VEC_LANES };   /* vectors in a line of int8 */

#ifndef VEC_LINE_I8
B4C_INLINE void v_store_line_i8(uint8_t *line, const vec x[LINE_I8], uint8_t flip)
{
    B4C_UNROLL
    for (int j = 0; j < LINE_I8; j++) v_store_i8_n(line + j * VEC_LANES, x[j], flip, VEC_LANES);
}
#endif

/* 64 elements to line l; x is changed. */
B4C_INLINE void row_i8_line(const row_i8 *q, int l, vec x[LINE_I8])
{
    B4C_UNROLL
    for (int j = 0; j < LINE_I8; j++) x[j] = q->zero ? v_set(0) : v_mul(x[j], q->inverse);
    v_store_line_i8((uint8_t *)q->to.at + (size_t)l * q->to.step, x, q->flip);
}

static inline float row_put_i8(const row_source *s, int w, row_lines to, uint8_t flip)
{
    const row_i8 q = row_i8_begin(row_largest(s, w), to, flip);
    for (int l = 0; l < to.lines; l++) {
        vec x[LINE_I8];
        for (int i = 0; i < LINE_I8; i++) {
            const int j = 64 * l + i * VEC_LANES;
            x[i] = row_read(s, j, row_left(w, j));
        }
        row_i8_line(&q, l, x);
    }
    return q.scale;
}

static inline void row_get_i8(row_lines from, int w, float scale, uint8_t flip, b4c_real *y)
{
    for (int j = 0; j < w; j += VEC_LANES) {
        int n = row_left(w, j);
        const uint8_t *q = (const uint8_t *)from.at + (size_t)(j / 64) * from.step + j % 64;
        row_write(y + j, v_mul(v_load_i8_n(q, flip, n), v_set(scale)), n);
    }
}

/* ---- int8 in groups of 32, each as a row of its own ------------------------------------------ */

/* 64 elements (0 beyond the row), of two groups, to line l; x is changed. */
B4C_INLINE void row_groups_line(vec x[LINE_I8], row_lines to, int l, float *scale)
{
    B4C_UNROLL
    for (int g = 0; g < 2; g++) {
        vec *group = x + g * LINE_I8 / 2, top = v_set(0);
        B4C_UNROLL
        for (int i = 0; i < LINE_I8 / 2; i++) top = v_absmax(top, group[i]);
        const row_i8 q = row_i8_begin((float)v_absmax_top(top), to, 0);
        B4C_UNROLL
        for (int i = 0; i < LINE_I8 / 2; i++)
            group[i] = q.zero ? v_set(0) : v_mul(group[i], q.inverse);
        scale[2 * l + g] = q.scale;
    }
    v_store_line_i8((uint8_t *)to.at + (size_t)l * to.step, x, 0);
}

static inline void row_put_groups(const row_source *s, int w, row_lines to, float *scale)
{
    for (int l = 0; l < to.lines; l++) {
        vec x[LINE_I8];
        for (int i = 0; i < LINE_I8; i++) {
            const int j = 64 * l + i * VEC_LANES, n = row_left(w, j);
            x[i] = n ? row_read(s, j, n) : v_set(0);
        }
        row_groups_line(x, to, l, scale);
    }
}

static inline void row_get_groups(row_lines from, int w, const float *scale, b4c_real *y)
{
    for (int j = 0; j < w; j += VEC_LANES) {
        const int n = row_left(w, j);
        const vec q = v_load_i8_n((const uint8_t *)from.at + j, 0, n);
        v_store_n(y + j, v_mul(q, v_set(scale[j / 32])), n);
    }
}

/* Scales of a row. */
static inline float *row_scales(const b4c_operand *o, int row)
{
    const size_t each = o->form == B4C_FORM_I8_GROUPS ? b4c_round_up((size_t)o->cols, 64) / 32 : 1;
    return o->scale + (size_t)row * each;
}

/* ---- any form but REAL ----------------------------------------------------------------------- */

static inline bool form_is_i8(b4c_form form)
{
    return form == B4C_FORM_I8 || form == B4C_FORM_TILE_I8;
}

static inline void row_put(const b4c_real *x, b4c_operand *out, int row)
{
    row_lines to = row_of(out, row);
    if (out->form == B4C_FORM_I8_GROUPS)
        row_put_groups(&(row_source){ .real = x }, out->cols, to, row_scales(out, row));
    else if (form_is_i8(out->form))
        out->scale[row] = row_put_i8(&(row_source){ .real = x }, out->cols, to,
                                     row_flip(out->form));
    else row_put_bf16(x, out->cols, to);
}

static inline void row_get(const b4c_operand *in, int row, b4c_real *y)
{
    row_lines from = row_of(in, row);
    if (in->form == B4C_FORM_I8_GROUPS) row_get_groups(from, in->cols, row_scales(in, row), y);
    else if (form_is_i8(in->form))
        row_get_i8(from, in->cols, in->scale[row], row_flip(in->form), y);
    else row_get_bf16(from, in->cols, y);
}
#endif
