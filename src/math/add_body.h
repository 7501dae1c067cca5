/* add_body.h - row-major products for gradients, on the f32 tile of gemm_blocks.h (before it).
 *
 * The idea: a and b are copied in pieces that fit L2, in the order the tile reads, each as seldom
 * as can be: 256 k x up to 512 columns of b once for all rows, and 112 or so rows of a x 256 k once
 * for those columns. Where they lie, rows are often a multiple of 4096 bytes apart, and a few of
 * them fill all places of a cache that they may take. With two strides for each, a and b and their
 * transposes are one case. Order of sums: each chunk of 256 k is one accumulator from zero, in
 * order, and is then added to c; so neither rows nor their division show.
 */
#ifndef B4C_MATH_ADD_BODY_H
#define B4C_MATH_ADD_BODY_H
#include "math/add_copies_body.h"

enum {
    ADD_LD = ADD_CHUNK + 16, /* off the multiples of 4096 bytes */
    ADD_ROWS = 112 / LARGE_ROWS * LARGE_ROWS,
};

/* panel [ks][32] from b's k .. k+ks-1, columns j .. j+columns-1; zeros beside them. */
static void add_panel(const addition *s, int k, int ks, int j, int columns, void *to)
{
    float *panel = to;
    const float *b = s->b + (size_t)k * s->b_k + (size_t)j * s->b_column;
    if (columns < B4C_PANEL) memset(panel, 0, (size_t)ks * B4C_PANEL * sizeof *panel);
    if (s->b_column == 1) {
        for (int l = 0; l < ks; l++, b += s->b_k) {
            b4c_ask_ahead(b, ADD_AHEAD * s->b_k * sizeof *b, (size_t)columns * sizeof *b);
            memcpy(panel + l * B4C_PANEL, b, (size_t)columns * sizeof *panel);
        }
    } else {
        for (int l = 0; l < ks; l++)
            for (int i = 0; i < columns; i++)
                panel[l * B4C_PANEL + i] = b[(size_t)l * s->b_k + (size_t)i * s->b_column];
    }
}

/* Rows row .. row+rows-1 of a, k .. k+ks-1: [rows][ADD_LD], or [ks][ADD_ROWS] where the rows stand
 * side by side. */
static void add_block(const addition *s, size_t row, int rows, int k, int ks, void *to)
{
    float *block = to;
    const float *a = s->a + row * s->a_row + (size_t)k * s->a_k;
    if (s->a_k == 1)
        for (int i = 0; i < rows; i++)
            memcpy(block + i * ADD_LD, a + (size_t)i * s->a_row, (size_t)ks * sizeof *block);
    else
        for (int l = 0; l < ks; l++, a += s->a_k) {
            b4c_ask_ahead(a, ADD_AHEAD * s->a_k * sizeof *a, (size_t)rows * sizeof *a);
            memcpy(block + l * ADD_ROWS, a, (size_t)rows * sizeof *block);
        }
}

/* Rows row .. row+rows-1, of a block, in `panels` panels of columns from j on. */
static void add_tiles(const addition *s, int row, int rows, int ks, const void *from,
                      const void *panels, int n_panels, int j)
{
    const float *block = from, *panel = panels;
    float sum[LARGE_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    const size_t a_row = s->a_k == 1 ? ADD_LD : 1, a_k = s->a_k == 1 ? 1 : ADD_ROWS;
    const int tiles = (rows + LARGE_ROWS - 1) / LARGE_ROWS;
    for (int p = 0; p < n_panels; p++, j += B4C_PANEL, panel += ADD_CHUNK * B4C_PANEL) {
        const int columns = s->n - j < B4C_PANEL ? s->n - j : B4C_PANEL;
        for (int t = 0; t < tiles; t++) {
            const int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            float *c = s->c + (size_t)(row + first) * s->ldc + j;
            add_ahead(c, s->ldc, n);
            f32_large(n, block + (size_t)first * a_row, a_row, a_k, panel, ks, sum);
            add_rows(sum, c, s->ldc, n, columns);
        }
    }
}

static void add(const addition *s, int begin, int end)
{
    float block[ADD_ROWS * ADD_LD] __attribute__((aligned(64)));
    assert(s->a_k == 1 || s->a_row == 1);
    add_pieces(s, (add_way){ ADD_CHUNK, ADD_ROWS, add_panel, add_block, add_tiles }, begin, end,
               block);
}

static void add_nn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                   int ldc, int begin, int end)
{
    (void)m;
    add(&(addition){ n, k, a, b, (size_t)lda, 1, (size_t)ldb, 1, c, (size_t)ldc }, begin, end);
}

static void add_tn(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                   int ldc, int begin, int end)
{
    (void)m;
    add(&(addition){ n, k, a, b, 1, (size_t)lda, (size_t)ldb, 1, c, (size_t)ldc }, begin, end);
}

static void add_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c,
                   int ldc, int begin, int end)
{
    (void)m;
    add(&(addition){ n, k, a, b, (size_t)lda, 1, 1, (size_t)ldb, c, (size_t)ldc }, begin, end);
}

static inline void fill_additions(b4c_kernels *t)
{
    t->add_nn = t->half_nn = add_nn;
    t->add_tn = t->half_tn = add_tn;
    t->add_nt = add_nt;
}
#endif
