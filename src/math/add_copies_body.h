/* add_copies_body.h - what all row-major products for gradients share: where the factors lie, how
 * they are cut, and how sums join c. Included after a vec_<isa>.h.
 */
#ifndef B4C_MATH_ADD_COPIES_BODY_H
#define B4C_MATH_ADD_COPIES_BODY_H
#include "base/memory.h"
#include "math/internal.h"

enum {
    ADD_CHUNK = 256,         /* k of floats that are copied at once; of bf16 twice as many */
    HALF_CHUNK = 2 * ADD_CHUNK,
    ADD_PANELS = 16,         /* of b at once, where half of L2 holds them */
    ADD_PANEL = ADD_CHUNK * B4C_PANEL * 4,   /* bytes of a panel's copy, of either */
    ADD_AHEAD = 8,           /* rows from the one that is copied to the one that is asked for */
};

typedef struct addition {
    int n, k;
    const float *a, *b;
    size_t a_row, a_k, b_k, b_column; /* elements from one to the next */
    float *c;
    size_t ldc;
} addition;

/* Asks for the tile of c that sums will be added to, so that it comes while they are made: it lies
 * in L3 or beyond, for all of c was passed over since the chunk before. */
static inline void add_ahead(const float *c, size_t ldc, int rows)
{
    for (int i = 0; i < rows; i++, c += ldc) {
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + B4C_PANEL / 2, 1);
    }
}

static void add_rows(const float *sum, float *c, size_t ldc, int rows, int columns)
{
    for (int i = 0; i < rows; i++, sum += B4C_PANEL, c += ldc) {
        int j = 0;
        for (; j + VEC_LANES <= columns; j += VEC_LANES)
            v_store(c + j, v_add(v_load(c + j), v_load(sum + j)));
        if (j < columns)
            v_store_n(c + j, v_add(v_load_n(c + j, columns - j), v_load(sum + j)), columns - j);
    }
}

/* How a kind of product copies and multiplies its pieces. */
typedef struct add_way {
    int chunk, rows;         /* the most k, and rows of a, of a piece */
    /* b's k .. k+ks-1, `columns` columns from j on: zeros beside them */
    void (*panel)(const addition *, int k, int ks, int j, int columns, void *panel);
    void (*block)(const addition *, size_t row, int rows, int k, int ks, void *block);
    /* c += block x panels, of columns from j on; ADD_PANEL bytes from panel to panel */
    void (*multiply)(const addition *, int row, int rows, int ks, const void *block,
                     const void *panels, int n_panels, int j);
} add_way;

/* Rows begin .. end-1 of c. block: room for one of the way's. */
B4C_INLINE void add_pieces(const addition *s, const add_way way, int begin, int end, void *block)
{
    char panel[ADD_PANELS * ADD_PANEL] __attribute__((aligned(64)));
    const long fit = (long)b4c_cpu_get()->l2_bytes / 2 / ADD_PANEL;
    const int most = fit < 2 ? 2 : fit < ADD_PANELS ? (int)fit : ADD_PANELS;
    const int all = (s->n + B4C_PANEL - 1) / B4C_PANEL, groups = (all + most - 1) / most;

    for (int k = 0; k < s->k; k += way.chunk) {
        const int ks = s->k - k < way.chunk ? s->k - k : way.chunk;
        for (int g = 0; g < groups; g++) {
            const int from = all * g / groups, panels = all * (g + 1) / groups - from;
            for (int p = 0; p < panels; p++) {
                const int j = (from + p) * B4C_PANEL, left = s->n - j;
                way.panel(s, k, ks, j, left < B4C_PANEL ? left : B4C_PANEL, panel + p * ADD_PANEL);
            }
            for (int row = begin; row < end; row += way.rows) {
                const int rows = end - row < way.rows ? end - row : way.rows;
                way.block(s, (size_t)row, rows, k, ks, block);
                way.multiply(s, row, rows, ks, block, panel, panels, from * B4C_PANEL);
            }
        }
    }
}
#endif
