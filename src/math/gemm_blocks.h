/* gemm_blocks.h - the product of one type of weight over operands in rows: tiles (gemm_tile.h),
 * blocks, epilogue. No include guard on purpose: gemm_<isa>.c includes it once a type.
 *
 * Blocking: a block of rows stays in 5/8 of L2 while all panels pass over it; k is never split; the
 * block is cut evenly into tiles. Sums go to a few KiB of scratch that the epilogue turns into
 * results while they are in L1. Few rows take several panels at once only where the weights may lie
 * in L2: from memory, one stream from front to back is 15 % faster than four.
 *
 * Beside the words of gemm_tile.h the instruction set defines
 *   LARGE_VECTORS, LARGE(X)             the tile for many rows: X(1) .. X(LARGE_ROWS), each with
 *                                       LARGE_VECTORS vectors, a divisor of a panel's
 *   FEW_ROWS, FEW_PANELS(rows), FEW(X)  shapes for few rows: X(rows, panels), with whole panels
 *   FEW_MOST_PANELS                     the most panels of a shape
 * and for the type A_PLUS_128 as false where A_LOAD takes the 128 off int8 rows.
 */
#ifndef A_NEXT
#define A_NEXT(step, a_step) (a_step)
#endif
#ifndef A_PLUS_128
#define A_PLUS_128 true
#endif
#include "math/gemm_tile.h"

static __attribute__((noinline)) void
NAME(large)(int rows, const A_T *a, size_t a_ld, size_t a_step, const B_T *b, int k, SUM_T *out)
{
#define SHAPE(r)                                                                                  \
    case r: NAME(tile)(r, 1, LARGE_VECTORS, a, a_ld, a_step, b, 0, k, out); break;
    for (int j = 0; j < B4C_PANEL / LANES; j += LARGE_VECTORS) {
        switch (rows) { LARGE(SHAPE) }
        b += LARGE_VECTORS * LANES * GROUP;
        out += LARGE_VECTORS * LANES;
    }
#undef SHAPE
}

static __attribute__((noinline)) void
NAME(few)(int rows, bool one, const A_T *a, size_t a_ld, const B_T *b, size_t panel, int k,
          SUM_T *out)
{
#define SHAPE(r, p)                                                                               \
    case r:                                                                                       \
        if (one || p == 1)                                                                        \
            NAME(tile)(r, 1, B4C_PANEL / LANES, a, a_ld, GROUP, b, panel, k, out);                \
        else                                                                                      \
            NAME(tile)(r, p, B4C_PANEL / LANES, a, a_ld, GROUP, b, panel, k, out);                \
        break;
    switch (rows) { FEW(SHAPE) }
#undef SHAPE
}

/* Rows from .. from+rows-1 in all panels. */
static void NAME(block)(const b4c_gemm *g, int from, int rows, int begin, int end)
{
    const b4c_packed *w = g->w;
    const bool real = g->in.form == B4C_FORM_REAL;
    const size_t a_ld = real ? g->in.ld : g->in.ld / sizeof(A_T);
    const size_t panel = (size_t)w->kp * B4C_PANEL;
    const A_T *a = (const A_T *)g->in.data + (size_t)from * a_ld;
    const B_T *b = (const B_T *)w->panels + (size_t)begin * panel;
    const int tiles = (rows + LARGE_ROWS - 1) / LARGE_ROWS;
    const int together = rows > FEW_ROWS ? 0 : weights_are_near(w) ? FEW_PANELS(rows) : 1;
    SUM_T sum[FEW_MOST_PANELS * LARGE_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    const finish_fn finish = finish_of(g);
    epilogue e;

    for (int p = begin; p < end; b += panel) {
        if (together && p + together <= end) {
            NAME(few)(rows, together == 1, a, a_ld, b, panel, w->k, sum);
            for (int i = 0; i < together; i++, p++) {
                epilogue_init(&e, g, p, A_PLUS_128);
                finish(&e, sum + i * LARGE_ROWS * B4C_PANEL, from, rows);
            }
            b += (size_t)(together - 1) * panel;
            continue;
        }
        epilogue_init(&e, g, p++, A_PLUS_128);
        for (int t = 0; t < tiles; t++) {
            const int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            NAME(large)(n, a + (size_t)first * a_ld, a_ld, GROUP, b, w->k, sum);
            finish(&e, sum, from + first, n);
        }
    }
}

static void NAME(gemm)(const b4c_gemm *g, int begin, int end)
{
    long rows = g->in.rows, bytes = g->w->kp * (long)sizeof(A_T);
    long most = (long)b4c_cpu_get()->l2_bytes * 5 / 8 / bytes;
    if (most < LARGE_ROWS) most = LARGE_ROWS;
    long blocks = (rows + most - 1) / most;
    for (long i = 0; i < blocks; i++) {
        int from = (int)(rows * i / blocks), to = (int)(rows * (i + 1) / blocks);
        NAME(block)(g, from, to - from, begin, end);
    }
}
#include "math/gemm_words_end.h"
