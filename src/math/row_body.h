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

#ifndef VEC_TWO_GROUPS
static inline void v_absmax_tops(vec a, vec b, b4c_real top[2])
{
    top[0] = v_absmax_top(a);
    top[1] = v_absmax_top(b);
}
static inline void v_sums_of_bytes(const int8_t *line, int sum[2])
{
    sum[0] = v_sum_bytes(line);
    sum[1] = v_sum_bytes(line + 32);
}
#endif
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

/* ---- int8 in groups of 32 -------------------------------------------------------------------- */

/* The pairs of a row's groups. */
static inline b4c_group_pair *row_pairs(const b4c_operand *o, int row)
{
    const size_t each = b4c_round_up((size_t)o->cols, 64) / 64;
    return (b4c_group_pair *)(void *)o->scale + (size_t)row * each;
}

static inline uint32_t bits_of(float x)
{
    union { float f; uint32_t u; } r = { x };
    return r.u;
}
static inline float from_bits(uint32_t u)
{
    union { uint32_t u; float f; } r = { u };
    return r.f;
}

/* ROW_ROUND: at which a number has no room for a fraction. Exponents of the smaller group of two
 * stop at ROW_FINER, where the larger one drowns it anyway and all numbers are still normal. */
#define ROW_ROUND 12582912.f
enum { ROW_FINER = 20 };

/* What is known of ROW_LINES lines of a row, side by side, for loops that compilers turn into
 * vectors. [2]: of both groups of a line. A row's lines are walked in turns, and some rows take
 * each walk together, so that none waits for the sum or the largest of another. */
enum { ROW_LINES = 16, ROW_TOGETHER = 4, ROW_PARTS = B4C_I8_COLS / 64 / ROW_LINES + 1 };
typedef struct row_groups {
    uint32_t top[2][ROW_LINES];      /* the largest size, as bits */
    float scale[ROW_LINES];
    float inverse[2][ROW_LINES], step[2][ROW_LINES];
    int32_t sum[2][ROW_LINES];       /* of integers */
    float size[2][ROW_LINES];        /* 128 times that, by the group's step */
} row_groups;

static inline int row_parts(row_lines r) { return (r.lines + ROW_LINES - 1) / ROW_LINES; }

/* Before the first walk: what no line fills is defined. */
static inline void row_groups_clear(row_groups *r, row_lines to)
{
    row_groups *last = r + row_parts(to) - 1;
    for (int g = 0; g < 2; g++) {
        for (int i = 0; i < ROW_LINES; i++) last->top[g][i] = 0, last->sum[g][i] = 0;
    }
}

/* The first walk: of line l, 64 numbers x. */
B4C_INLINE void row_groups_look(row_groups *r, int l, const vec x[LINE_I8])
{
    vec of[2] = { v_set(0), v_set(0) };
    b4c_real tops[2];
    B4C_UNROLL
    for (int i = 0; i < LINE_I8; i++)
        of[2 * i / LINE_I8] = v_absmax(of[2 * i / LINE_I8], x[i]);
    v_absmax_tops(of[0], of[1], tops);
    r += l / ROW_LINES;
    r->top[0][l % ROW_LINES] = bits_of((float)tops[0]);
    r->top[1][l % ROW_LINES] = bits_of((float)tops[1]);
}

/* Then the group with the larger numbers says what a line's scale is; the other divides it by the
 * power of two that fits. NaN, infinity and next to nothing: as row_i8_begin has them. */
static inline void row_groups_scales(row_groups *r)
{
    const uint32_t tiny = bits_of(B4C_I8_TINY), infinite = 0x7f800000u;
    uint32_t most[ROW_LINES];
    float inverse[ROW_LINES];
    for (int i = 0; i < ROW_LINES; i++)
        most[i] = r->top[0][i] > r->top[1][i] ? r->top[0][i] : r->top[1][i];
    for (int i = 0; i < ROW_LINES; i++) {
        const bool none = most[i] <= tiny, finite = most[i] < infinite;
        const float size = from_bits(none || !finite ? 0x3f800000u : most[i]);
        const uint32_t scale = bits_of(size / 127), other = none ? 0 : 0x7fc00000u;
        r->scale[i] = from_bits(none || !finite ? other : scale);
        inverse[i] = from_bits(none || !finite ? 0 : bits_of(127 / size));
    }
    for (int g = 0; g < 2; g++) {
        for (int i = 0; i < ROW_LINES; i++) {
            const uint32_t e = (most[i] - r->top[g][i]) >> 23;        /* 2^e top <= most */
            const uint32_t finer = e < ROW_FINER ? e : ROW_FINER;
            r->step[g][i] = from_bits((127 - finer) << 23);
            r->inverse[g][i] = inverse[i] * from_bits((127 + finer) << 23);
        }
    }
}

static inline void row_groups_begin(row_groups *r, row_lines to)
{
    for (int i = 0; i < row_parts(to); i++) row_groups_scales(r + i);
}

/* The second walk. */
B4C_INLINE void row_groups_line(const row_groups *r, row_lines to, int l, const vec x[LINE_I8])
{
    const row_groups *of = r + l / ROW_LINES;
    const int at = l % ROW_LINES;
    const bool none = !(of->scale[at] > 0);
    vec y[LINE_I8];
    B4C_UNROLL
    for (int i = 0; i < LINE_I8; i++) {
        const vec inverse = v_set((b4c_real)of->inverse[2 * i / LINE_I8][at]);
        y[i] = none ? v_set(0) : v_mul(x[i], inverse);
    }
    v_store_line_i8((uint8_t *)to.at + (size_t)l * to.step, y, 0);
}

/* The third. */
static inline void row_groups_sum(row_groups *r, row_lines to)
{
    for (int l = 0; l < to.lines; l++) {
        int sums[2];
        v_sums_of_bytes((const int8_t *)to.at + (size_t)l * to.step, sums);
        r[l / ROW_LINES].sum[0][l % ROW_LINES] = sums[0];
        r[l / ROW_LINES].sum[1][l % ROW_LINES] = sums[1];
    }
}

/* In the end, sums of groups become integers so small that those of the whole row add up in 32
 * bits. */
static inline void row_groups_end(row_groups *r, row_lines to, b4c_group_pair *pair)
{
    const int parts = row_parts(to);
    float top = 0, most = (1 << 30) / B4C_GROUP_SUM / 32;
    for (int n = 16; n < to.lines; n *= 2) most /= 2;
    for (int i = 0; i < parts; i++) {
        float part[ROW_LINES];
        for (int g = 0; g < 2; g++) {
            for (int j = 0; j < ROW_LINES; j++)
                r[i].size[g][j] = 128 * r[i].step[g][j] * (float)r[i].sum[g][j];
        }
        for (int j = 0; j < ROW_LINES; j++) {
            const float a = fabsf(r[i].size[0][j] * r[i].scale[j]);
            const float b = fabsf(r[i].size[1][j] * r[i].scale[j]);
            part[j] = a > b ? a : b;
        }
        const int left = to.lines - i * ROW_LINES;
        for (int j = 0; j < ROW_LINES && j < left; j++) top = part[j] > top ? part[j] : top;
    }
    /* the power of two above the largest, over as many steps */
    const float unit = top > 0 ? from_bits((bits_of(top) & 0x7f800000u) + (1u << 23)) / most : 1;
    const float inverse = 1 / unit;
    for (int i = 0; i < parts; i++) {
        for (int g = 0; g < 2; g++) {
            for (int j = 0; j < ROW_LINES; j++) {
                const float sum = r[i].size[g][j] * r[i].scale[j];
                r[i].sum[g][j] = (int32_t)bits_of(sum * inverse + ROW_ROUND);
                r[i].step[g][j] *= ROW_ROUND;
            }
        }
    }
    for (int l = 0; l < to.lines; l++) {
        const row_groups *of = r + l / ROW_LINES;
        const int at = l % ROW_LINES;
        pair[l].scale = of->scale[at];
        for (int g = 0; g < 2; g++) {
            pair[l].start[g] = of->step[g][at];
            pair[l].after[g] = of->step[g][at] + of->size[g][at];
            pair[l].sum[g] = (int16_t)(uint16_t)of->sum[g][at];
        }
        pair[l].unit = unit / 128;
    }
}

/* Line l of a row; whole: all of it is within the row's width. */
B4C_INLINE void row_get_line(const row_source *s, int w, const bool whole, int l, vec x[LINE_I8])
{
    B4C_UNROLL
    for (int i = 0; i < LINE_I8; i++) {
        const int j = 64 * l + i * VEC_LANES, n = whole ? VEC_LANES : row_left(w, j);
        x[i] = n ? row_read(s, j, n) : v_set(0);
    }
}

/* At most ROW_TOGETHER rows of an operand. */
static void row_put_groups(const row_source *s, int rows, b4c_operand *out, int row)
{
    const int w = out->cols, whole = w / 64;
    row_groups r[ROW_TOGETHER][ROW_PARTS];
    row_lines to[ROW_TOGETHER];
    vec x[LINE_I8];
    for (int i = 0; i < rows; i++) {
        to[i] = row_of(out, row + i);
        row_groups_clear(r[i], to[i]);
        for (int l = 0; l < to[i].lines; l++) {
            if (l < whole) row_get_line(&s[i], w, true, l, x);
            else row_get_line(&s[i], w, false, l, x);
            row_groups_look(r[i], l, x);
        }
    }
    for (int i = 0; i < rows; i++) row_groups_begin(r[i], to[i]);
    for (int i = 0; i < rows; i++) {
        for (int l = 0; l < to[i].lines; l++) {
            if (l < whole) row_get_line(&s[i], w, true, l, x);
            else row_get_line(&s[i], w, false, l, x);
            row_groups_line(r[i], to[i], l, x);
        }
    }
    for (int i = 0; i < rows; i++) row_groups_sum(r[i], to[i]);
    for (int i = 0; i < rows; i++) row_groups_end(r[i], to[i], row_pairs(out, row + i));
}

static inline void row_get_groups(row_lines from, int w, const b4c_group_pair *pair, b4c_real *y)
{
    for (int j = 0; j < w; j += VEC_LANES) {
        const int n = row_left(w, j);
        const b4c_group_pair *p = pair + j / 64;
        const float step = p->start[j / 32 % 2] / ROW_ROUND;
        const vec q = v_load_i8_n((const uint8_t *)from.at + j, 0, n);
        v_store_n(y + j, v_mul(q, v_set((b4c_real)(p->scale * step))), n);
    }
}

/* ---- any form but REAL ----------------------------------------------------------------------- */

static inline bool form_is_i8(b4c_form form)
{
    return form == B4C_FORM_I8 || form == B4C_FORM_TILE_I8;
}

static inline void row_put(const b4c_real *x, b4c_operand *out, int row)
{
    row_lines to = row_of(out, row);
    if (out->form == B4C_FORM_I8_GROUPS) row_put_groups(&(row_source){ .real = x }, 1, out, row);
    else if (form_is_i8(out->form))
        out->scale[row] = row_put_i8(&(row_source){ .real = x }, out->cols, to,
                                     row_flip(out->form));
    else row_put_bf16(x, out->cols, to);
}

static inline void row_get(const b4c_operand *in, int row, b4c_real *y)
{
    row_lines from = row_of(in, row);
    if (in->form == B4C_FORM_I8_GROUPS) row_get_groups(from, in->cols, row_pairs(in, row), y);
    else if (form_is_i8(in->form))
        row_get_i8(from, in->cols, in->scale[row], row_flip(in->form), y);
    else row_get_bf16(from, in->cols, y);
}
#endif
