/* add_half_body.h - the products of add_body.h with factors rounded to bf16, for processors whose
 * bf16 instruction is fast. A file of kernels includes it behind add_body.h and bf16's
 * gemm_blocks.h.
 *
 * The same blocks; the copies that are made anyway round, and put the two k of a pair side by side
 * as the instruction wants them. Chunks are of 512 k: as many bytes. Sums are f32, each chunk one
 * accumulator from zero.
 */
#ifndef B4C_MATH_ADD_HALF_BODY_H
#define B4C_MATH_ADD_HALF_BODY_H

#include "math/half_copies_body.h"

enum { HALF_LD = 2 * ADD_LD };

/* Rows of a: [rows][HALF_LD], or pairs [ks / 2][ADD_ROWS][2] where the rows stand side by side. */
static void half_block(const addition *s, size_t row, int rows, int k, int ks, void *to)
{
    uint16_t *block = to;
    const float *a = s->a + row * s->a_row + (size_t)k * s->a_k;
    if (s->a_k == 1)
        for (int i = 0; i < rows; i++, a += s->a_row, block += HALF_LD)
            half_row(a, ks, s->a_row, block);
    else
        for (int l = 0; l < ks; l += 2, block += 2 * ADD_ROWS) {
            const float *lo = a + (size_t)l * s->a_k;
            for (int i = 0; i < 2; i++)
                b4c_ask_ahead(lo, (ADD_AHEAD + i) * s->a_k * sizeof *lo, (size_t)rows * sizeof *lo);
            half_pairs(lo, l + 1 < ks ? lo + s->a_k : NULL, rows, block);
        }
}

static void half_tiles(const addition *s, int row, int rows, int ks, const void *from,
                       const void *panels, int n_panels, int j)
{
    const uint16_t *block = from, *panel = panels;
    float sum[LARGE_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    const size_t a_row = s->a_k == 1 ? HALF_LD : 2, a_k = s->a_k == 1 ? 2 : 2 * ADD_ROWS;
    const int tiles = (rows + LARGE_ROWS - 1) / LARGE_ROWS;
    for (int p = 0; p < n_panels; p++, j += B4C_PANEL, panel += HALF_CHUNK * B4C_PANEL) {
        const int columns = s->n - j < B4C_PANEL ? s->n - j : B4C_PANEL;
        for (int t = 0; t < tiles; t++) {
            const int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            float *c = s->c + (size_t)(row + first) * s->ldc + j;
            add_ahead(c, s->ldc, n);
            bf16_large(n, block + (size_t)first * a_row, a_row, a_k, panel, ks, sum);
            add_rows(sum, c, s->ldc, n, columns);
        }
    }
}

static void add_half(const addition *s, int begin, int end)
{
    uint16_t block[ADD_ROWS * HALF_LD + 32] __attribute__((aligned(64)));
    assert(s->b_column == 1 && (s->a_k == 1 || s->a_row == 1));
    add_pieces(s, (add_way){ HALF_CHUNK, ADD_ROWS, half_panel, half_block, half_tiles }, begin, end,
               block);
}
#endif
