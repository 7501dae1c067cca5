/* gemm_tile.h - the product of one type of weight: inner loop, blocking, and the call of the epilogue. No include guard on purpose:
 * gemm_<isa>.c includes it once a type.
 *
 * The idea: `rows` x (`panels` * `vectors`) sums stay in registers while k runs once from front to back; a step reads one group of k of
 * the weights and of each row. Few rows take several panels at once, because a sum that waits for its own last step (4 to 6 cycles) wants
 * many others beside it. Whatever the shape, an output is ONE accumulator over k in order, so neither the number of rows nor the division
 * into panels shows in the result.
 *
 * Blocking: a block of rows stays in L2 while all panels pass over it; k is never split; the block is cut evenly into tiles. Sums go to
 * a few KiB of scratch that the epilogue turns into results while they are in L1.
 *
 * The including file defines, for the type:
 *   NAME(x)                 the names of its functions
 *   A_T, B_T, SUM_T         elements of rows, panels and sums
 *   GROUP                   k values in a step
 *   A_V, B_V, SUM_V         what a group of a row, a vector of weights, a vector of sums is kept in
 *   PHASES                  parts in which a step takes its group (1; 2 where weights must first be widened, even and odd k apart)
 *   A_LOAD(p, phase), B_LOAD(p, phase), DOT(sum, a, b), SUM_ZERO(), SUM_STORE(p, sum)
 *   FINISH                  finish_real or finish_i8 (gemm_epilogue.h)
 * and for the instruction set:
 *   LANES                   sums in a vector
 *   LARGE_ROWS, LARGE_VECTORS, LARGE(X)      the tile for many rows: X(1) .. X(LARGE_ROWS); LARGE_VECTORS * LANES divides 32
 *   FEW_ROWS, FEW_PANELS(rows), FEW(X)       shapes for few rows: X(rows, panels), each with whole panels
 *   MOST_VECTORS            the most vectors of sums a row has in any shape
 *   UNROLL, PREFETCH(p)
 */

/* Bytes by which weights are fetched before their use: 32 steps of 128. */
enum { NAME(ahead) = 32 * 128 };

static inline __attribute__((always_inline)) void
NAME(tile)(const int rows, const int panels, const int vectors, const A_T *a, size_t a_ld, const B_T *b, size_t panel, int steps,
           SUM_T *out)
{
    SUM_V sum[LARGE_ROWS][MOST_VECTORS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < panels * vectors; j++) sum[i][j] = SUM_ZERO();
    }
    for (int s = 0; s < steps; s++) {
        UNROLL
        for (int phase = 0; phase < PHASES; phase++) {
            A_V x[LARGE_ROWS];
            if (panels > 1) {
                UNROLL
                for (int i = 0; i < rows; i++) x[i] = A_LOAD(a + (size_t)i * a_ld, phase);
            }
            UNROLL
            for (int p = 0; p < panels; p++) {
                const B_T *w = b + (size_t)p * panel;
                B_V y[MOST_VECTORS];
                UNROLL
                for (int j = 0; j < vectors; j++) y[j] = B_LOAD(w + j * LANES * GROUP, phase);
                if (phase == 0) {
                    UNROLL
                    for (int line = 0; line < vectors * LANES * GROUP * (int)sizeof(B_T); line += 64)
                        PREFETCH((const char *)w + NAME(ahead) + line);
                }
                UNROLL
                for (int i = 0; i < rows; i++) {
                    if (panels == 1) x[i] = A_LOAD(a + (size_t)i * a_ld, phase);
                    UNROLL
                    for (int j = 0; j < vectors; j++) DOT(sum[i][p * vectors + j], x[i], y[j]);
                }
            }
        }
        a += GROUP;
        b += B4C_PANEL * GROUP;
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int p = 0; p < panels; p++) {
            UNROLL
            for (int j = 0; j < vectors; j++)
                SUM_STORE(out + (p * LARGE_ROWS + i) * B4C_PANEL + j * LANES, sum[i][p * vectors + j]);
        }
    }
}

static __attribute__((noinline)) void
NAME(large)(int rows, const A_T *a, size_t a_ld, const B_T *b, int steps, SUM_T *out)
{
#define SHAPE(r) case r: NAME(tile)(r, 1, LARGE_VECTORS, a, a_ld, b, 0, steps, out); break;
    for (int j = 0; j < B4C_PANEL / LANES; j += LARGE_VECTORS, b += LARGE_VECTORS * LANES * GROUP, out += LARGE_VECTORS * LANES) {
        switch (rows) { LARGE(SHAPE) }
    }
#undef SHAPE
}

static __attribute__((noinline)) void
NAME(few)(int rows, const A_T *a, size_t a_ld, const B_T *b, size_t panel, int steps, SUM_T *out)
{
#define SHAPE(r, p) case r: NAME(tile)(r, p, B4C_PANEL / LANES, a, a_ld, b, panel, steps, out); return;
    switch (rows) { FEW(SHAPE) }
#undef SHAPE
}

static void NAME(rows)(const b4c_gemm *g, int from, int to, int begin, int end)
{
    const b4c_packed *w = g->w;
    size_t a_ld = g->in.form == B4C_FORM_REAL ? g->in.ld : g->in.ld / sizeof(A_T), panel = (size_t)w->kp * B4C_PANEL;
    const A_T *a = (const A_T *)g->in.data + (size_t)from * a_ld;
    const B_T *b = (const B_T *)w->panels;
    int rows = to - from, steps = (w->k + GROUP - 1) / GROUP, tiles = (rows + LARGE_ROWS - 1) / LARGE_ROWS;
    int together = rows <= FEW_ROWS ? FEW_PANELS(rows) : 0;
    SUM_T sum[FEW_MOST_PANELS * LARGE_ROWS * B4C_PANEL] __attribute__((aligned(64)));

    for (int p = begin; p < end;) {
        if (together && p + together <= end) {
            NAME(few)(rows, a, a_ld, b + (size_t)p * panel, panel, steps, sum);
            for (int i = 0; i < together; i++, p++)
                FINISH(g, sum + i * LARGE_ROWS * B4C_PANEL, from, rows, p * B4C_PANEL);
            continue;
        }
        for (int t = 0; t < tiles; t++) {
            int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            NAME(large)(n, a + (size_t)first * a_ld, a_ld, b + (size_t)p * panel, steps, sum);
            FINISH(g, sum, from + first, n, p * B4C_PANEL);
        }
        p++;
    }
}

static void NAME(gemm)(const b4c_gemm *g, int begin, int end)
{
    int most = (int)(BLOCK_BYTES / ((size_t)g->w->kp * sizeof(A_T)));
    if (most < LARGE_ROWS) most = LARGE_ROWS;
    int blocks = (g->in.rows + most - 1) / most;
    for (int i = 0; i < blocks; i++)
        NAME(rows)(g, (int)((long)g->in.rows * i / blocks), (int)((long)g->in.rows * (i + 1) / blocks), begin, end);
}

#undef NAME
#undef A_T
#undef B_T
#undef SUM_T
#undef GROUP
#undef PHASES
#undef A_V
#undef B_V
#undef SUM_V
#undef A_LOAD
#undef B_LOAD
#undef DOT
#undef SUM_ZERO
#undef SUM_STORE
#undef FINISH
