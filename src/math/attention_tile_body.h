/* attention_tile_body.h - the product that attention is made of: a few rows times a matrix, and the
 * two ways in which keys and values become such a matrix. Included after a vec_<isa>.h and
 * row_body.h.
 *
 * The one idea: ROWS x COLS sums stay in registers while the summed axis runs once from front to
 * back, so a sum's order never depends on how many rows or columns stand beside it. Where the
 * instruction set has the words for it (VEC_PAIRS), factors may be bf16, of which a step takes two.
 */
#ifndef B4C_MATH_ATTENTION_TILE_BODY_H
#define B4C_MATH_ATTENTION_TILE_BODY_H
#include "base/memory.h"
#include "math/internal.h"

enum { COLS = 2 * VEC_LANES, ROWS = (VEC_REGISTERS - 4) / 2, MOST_ROWS = 14 };

/* c [rows, cols] = a [rows, steps] b [steps, cols], each row times factor[row] (NULL: 1), sums
 * starting from c itself (`add`) or from 0. In pairs a is [rows][steps][2] and b [steps][cols][2]
 * of bf16. `to` non-NULL: the result goes to that operand instead, at row to_row, column to_col.
 * `ask` non-NULL: what will be read soon, as large as b, or as one vector of its columns
 * (`ask_half`); the processor is asked for it meanwhile. */
typedef struct attention_product {
    const b4c_real *a;
    const uint16_t *a_pairs;                 /* instead of a, unless NULL: then b is pairs, too */
    const void *b;
    size_t a_ld, b_ld;                       /* elements from row to row, from step to step */
    size_t b_next;                           /* from a vector of columns of b to the next */
    int steps, cols;
    b4c_real *c;
    size_t c_ld;
    const b4c_real *factor;
    bool add, ask_half;
    const b4c_operand *to;
    int to_row, to_col;
    const void *ask;
} attention_product;

/* A tile's columns: two whole vectors, one, or some of two. */
typedef enum tile_kind { TILE_TWO, TILE_ONE, TILE_SOME } tile_kind;

typedef struct tile_shape {
    int rows, first, col;    /* its rows and columns in the product */
    tile_kind kind;
    int n0, n1;              /* columns in either vector */
} tile_shape;

/* What a tile asks for in its first step: its share of p->ask, as many bytes a step as it reads of
 * b. Without any, what it reads itself, which costs nothing that can be measured. */
static inline const char *tile_asks(const tile_shape *t, const attention_product *p, const void *b)
{
    const size_t share = (size_t)t->col * (size_t)p->steps * sizeof(vec) / VEC_LANES;
    return p->ask ? (const char *)p->ask + share : (const char *)b;
}

/* A step's share: as one that reads two vectors, or one. */
static inline const char *tile_ask(const char *at, bool half)
{
    __builtin_prefetch(at);
    if (half) return at + sizeof(vec);
    if (2 * sizeof(vec) > B4C_ALIGN) __builtin_prefetch(at + sizeof(vec));
    return at + 2 * sizeof(vec);
}

B4C_INLINE void tile_sums(const tile_shape t, const attention_product *p, vec s[MOST_ROWS][2])
{
    const b4c_real *a = p->a + (size_t)t.first * p->a_ld;
    const b4c_real *b = (const b4c_real *)p->b + t.col;
    const char *ask = tile_asks(&t, p, b);
    for (int k = 0; k < p->steps; k++, b += p->b_ld) {
        ask = tile_ask(ask, p->ask_half);
        vec b0 = t.kind == TILE_SOME ? v_load_n(b, t.n0) : v_load(b), b1 = v_set(0);
        if (t.n1 > 0)
            b1 = t.kind == TILE_SOME ? v_load_n(b + p->b_next, t.n1) : v_load(b + p->b_next);
        B4C_UNROLL
        for (int i = 0; i < t.rows; i++) {
            vec x = v_set(a[(size_t)i * p->a_ld + (size_t)k]);
            s[i][0] = v_fma(x, b0, s[i][0]);
            if (t.kind != TILE_ONE) s[i][1] = v_fma(x, b1, s[i][1]);
        }
    }
}

#ifdef VEC_PAIRS
/* Whole vectors only. */
B4C_INLINE void tile_sums_of_pairs(const tile_shape t, const attention_product *p,
                                   vec s[MOST_ROWS][2])
{
    const uint16_t *a = p->a_pairs + (size_t)t.first * p->a_ld;
    const uint16_t *b = (const uint16_t *)p->b + 2 * t.col;
    const char *ask = tile_asks(&t, p, b);
    for (int k = 0; k < p->steps; k++, a += 2, b += p->b_ld) {
        ask = tile_ask(ask, p->ask_half);
        vpair b0 = v_load_pairs(b), b1 = b0;
        if (t.kind == TILE_TWO) b1 = v_load_pairs(b + p->b_next);
        B4C_UNROLL
        for (int i = 0; i < t.rows; i++) {
            vpair x = v_set_pair(a + (size_t)i * p->a_ld);
            s[i][0] = v_dot_pairs(s[i][0], x, b0);
            if (t.kind == TILE_TWO) s[i][1] = v_dot_pairs(s[i][1], x, b1);
        }
    }
}
#endif

/* Sums to where the product wants them. */
B4C_INLINE void tile_store(const tile_shape t, const attention_product *p, vec s[MOST_ROWS][2])
{
    b4c_real *c = p->c + (size_t)t.first * p->c_ld + t.col;
    if (p->factor) {
        B4C_UNROLL
        for (int i = 0; i < t.rows; i++) {
            vec f = v_set(p->factor[t.first + i]);
            s[i][0] = v_mul(s[i][0], f);
            s[i][1] = v_mul(s[i][1], f);
        }
    }
    if (p->to && t.kind != TILE_SOME) {
        const int at = p->to_col + t.col, next = at + VEC_LANES;   /* multiples of VEC_LANES */
        B4C_UNROLL
        for (int i = 0; i < t.rows; i++) {
            row_lines to = row_of(p->to, p->to_row + t.first + i);
            v_store_bf16_n(row_bf16_line(to, at / 32) + at % 32, s[i][0], VEC_LANES);
            if (t.n1 > 0)
                v_store_bf16_n(row_bf16_line(to, next / 32) + next % 32, s[i][1], VEC_LANES);
        }
        return;
    }
    B4C_UNROLL
    for (int i = 0; i < t.rows; i++, c += p->c_ld) {
        if (t.kind == TILE_SOME) {
            v_store_n(c, s[i][0], t.n0);
            if (t.n1 > 0) v_store_n(c + VEC_LANES, s[i][1], t.n1);
        } else {
            v_store(c, s[i][0]);
            if (t.n1 > 0) v_store(c + VEC_LANES, s[i][1]);
        }
    }
}

B4C_INLINE void tile(const int rows, const tile_kind kind, const attention_product *p, int first,
                     int col)
{
    const int left = p->cols - col;
    const tile_shape t = {
        rows, first, col, kind, kind == TILE_SOME ? row_left(left, 0) : VEC_LANES,
        kind == TILE_SOME ? row_left(left, VEC_LANES) : kind == TILE_TWO ? VEC_LANES : 0,
    };
    vec s[MOST_ROWS][2];
    B4C_UNROLL
    for (int i = 0; i < rows; i++) s[i][0] = s[i][1] = v_set(0);
    if (p->add) {
        const b4c_real *c = p->c + (size_t)first * p->c_ld + col;
        B4C_UNROLL
        for (int i = 0; i < rows; i++, c += p->c_ld) {
            s[i][0] = v_load_n(c, t.n0);
            if (t.n1 > 0) s[i][1] = v_load_n(c + VEC_LANES, t.n1);
        }
    }
#ifdef VEC_PAIRS
    if (kind != TILE_SOME && p->a_pairs) tile_sums_of_pairs(t, p, s);
    else
#endif
        tile_sums(t, p, s);
    tile_store(t, p, s);
}

#define EACH_ROWS(CASE)                                                                          \
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7)                                      \
    CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#define TILE_CASE(n, kind) case n: if (n <= ROWS) tile(n, kind, p, 0, col); break;
#define TWO_CASE(n) TILE_CASE(n, TILE_TWO)
#define ONE_CASE(n) TILE_CASE(n, TILE_ONE)

/* The first `rows` rows of a product. In pairs cols is a multiple of VEC_LANES. */
static void attention_multiply(const attention_product *p, int rows)
{
    for (int col = 0; col < p->cols; col += COLS) {
        const int left = p->cols - col;
        if (left >= COLS) {
            switch (rows) { EACH_ROWS(TWO_CASE) }
        } else if (left == VEC_LANES) {
            switch (rows) { EACH_ROWS(ONE_CASE) }
        } else {
            for (int i = 0; i < rows; i++) tile(1, TILE_SOME, p, i, col);
        }
    }
}

/* ---- keys and values as the matrix of a product ---------------------------------------------- */

/* Rows from .. upto-1 of k [.., d] as columns of panels [panels][d][VEC_LANES], or of
 * [panels][d / 2][VEC_LANES][2] in pairs (d even). The rest of a panel is zero; one without
 * any of them is never read. */
static void attention_turn(const b4c_real *k, size_t ld, int d, int from, int upto,
                           b4c_real *panels, bool pairs)
{
    for (int j = from / VEC_LANES * VEC_LANES; j < upto; j += VEC_LANES) {
        const b4c_real *rows = k + (size_t)j * ld;
        const size_t panel = (size_t)j * (size_t)d;
        for (int c = 0; c < d; c += VEC_LANES) {
            const int n = row_left(d, c);
            vec r[VEC_LANES];
            if (j >= from && j + VEC_LANES <= upto && n == VEC_LANES) {
                B4C_UNROLL
                for (int i = 0; i < VEC_LANES; i++) r[i] = v_load(rows + (size_t)i * ld + c);
            } else {
                for (int i = 0; i < VEC_LANES; i++) {
                    const bool inside = j + i >= from && j + i < upto;
                    r[i] = inside ? v_load_n(rows + (size_t)i * ld + c, n) : v_set(0);
                }
            }
            v_transpose(r);
#ifdef VEC_PAIRS
            if (pairs) {
                uint16_t *to = (uint16_t *)(void *)panels + panel;
                for (int i = 0; i < n; i += 2)
                    v_store_pairs(to + (size_t)(c + i) * VEC_LANES, v_pairs_of(r[i], r[i + 1]));
                continue;
            }
#endif
            b4c_real *to = panels + panel;
            if (n == VEC_LANES) {
                B4C_UNROLL
                for (int i = 0; i < VEC_LANES; i++) v_store(to + (size_t)(c + i) * VEC_LANES, r[i]);
            } else {
                for (int i = 0; i < n; i++) v_store(to + (size_t)(c + i) * VEC_LANES, r[i]);
            }
        }
    }
    (void)pairs;
}

#ifdef VEC_PAIRS
/* Rows 2j and 2j + 1 of v [.., d] side by side, [j][d][2], for all j that have one of the rows
 * from .. upto-1; the other is then zero. d: a multiple of VEC_LANES. */
static void attention_pair(const b4c_real *v, size_t ld, int d, int from, int upto, uint16_t *to)
{
    for (int j = from / 2 * 2; j < upto; j += 2) {
        const b4c_real *row = v + (size_t)j * ld;
        for (int c = 0; c < d; c += VEC_LANES) {
            vec a = j >= from ? v_load(row + c) : v_set(0);
            vec b = j + 1 < upto ? v_load(row + ld + c) : v_set(0);
            v_store_pairs(to + (size_t)j * (size_t)d + 2 * c, v_pairs_of(a, b));
        }
    }
}

/* The same of rows that are bf16 already. */
static void attention_turn_half(const uint16_t *k, size_t ld, int d, int from, int upto,
                                uint16_t *panels)
{
    for (int j = from / VEC_LANES * VEC_LANES; j < upto; j += VEC_LANES) {
        const uint16_t *rows = k + (size_t)j * ld;
        uint16_t *to = panels + (size_t)j * (size_t)d;
        for (int c = 0; c < d / 2; c += VEC_LANES) {
            const int n = row_left(d / 2, c);
            vpair r[VEC_LANES];
            for (int i = 0; i < VEC_LANES; i++) {
                const bool inside = j + i >= from && j + i < upto;
                r[i] = inside ? v_load_pairs_n(rows + (size_t)i * ld + 2 * c, n) : v_no_pairs();
            }
            v_transpose_pairs(r);
            for (int i = 0; i < n; i++) v_store_pairs(to + (size_t)(c + i) * 2 * VEC_LANES, r[i]);
        }
    }
}

static void attention_pair_half(const uint16_t *v, size_t ld, int d, int from, int upto,
                                uint16_t *to)
{
    for (int j = from / 2 * 2; j < upto; j += 2) {
        const uint16_t *row = v + (size_t)j * ld;
        for (int c = 0; c < d / 2; c += VEC_LANES) {
            const int n = row_left(d / 2, c);
            vpair a = j >= from ? v_load_pairs_n(row + 2 * c, n) : v_no_pairs();
            vpair b = j + 1 < upto ? v_load_pairs_n(row + ld + 2 * c, n) : v_no_pairs();
            uint16_t *at = to + (size_t)j * (size_t)d + 4 * c;
            v_store_pairs(at, v_weave_low(a, b));
            if (2 * n > VEC_LANES) v_store_pairs(at + 2 * VEC_LANES, v_weave_high(a, b));
        }
    }
}
#endif
#endif
