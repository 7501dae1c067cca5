/* gemm_tile.h - the inner loop of a product, for one type of weight. No include guard on purpose:
 * it is included once a type, by gemm_blocks.h or on its own, and gemm_words_end.h clears its words
 * again.
 *
 * The idea: `rows` x (`panels` * `vectors`) sums stay in registers while k runs once from front to
 * back; a step reads one group of k of the weights and of each row. Few rows take several panels at
 * once, because a sum that waits for its own last step (4 to 6 cycles) wants many others beside it.
 * Whatever the shape, an output is ONE accumulator over k in order, so neither the number of rows
 * nor the division into panels shows in the result.
 *
 * The including file defines, for the type:
 *   NAME(x)              the names of its functions
 *   A_T, B_T, SUM_T      elements of rows, panels and sums
 *   GROUP                k values in a step
 *   PHASES               parts of a step: 1, or 2 where weights must first be widened, even and odd
 *                        elements apart. PHASES = GROUP > 1: a part is one k, and nothing is read
 *                        behind the last one, since rows of numbers have no padding
 *   A_V, B_V, SUM_V      what a group of a row, a vector of weights, a vector of sums is kept in
 *   A_LOAD(p, phase), B_LOAD(p, phase), DOT(sum, a, b), SUM_ZERO(), SUM_STORE(p, sum)
 *   A_NEXT(step, a_step) elements from a row's group to its next one
 * and for the instruction set:
 *   LANES                sums in a vector
 *   LARGE_ROWS           rows of the largest tile
 *   MOST_VECTORS         the most vectors of sums a row has in any shape
 *   UNROLL, PREFETCH(p)
 */

enum {
    NAME(ahead) = 64 * 128,     /* bytes by which weights are fetched before their use: 64 steps */
    NAME(singly) = PHASES > 1 && PHASES == GROUP,
};

/* One phase of one step. `rows`, `panels`, `vectors` and `phase` are constants at each call. */
B4C_INLINE void NAME(phase)(const int rows, const int panels, const int vectors, const int phase,
                            const A_T *a, size_t a_ld, const B_T *b, size_t panel,
                            SUM_V sum[LARGE_ROWS][MOST_VECTORS])
{
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
            for (int j = 0; j < vectors * LANES * GROUP * (int)sizeof(B_T); j += 64)
                PREFETCH((const char *)w + NAME(ahead) + j);
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            if (panels == 1) x[i] = A_LOAD(a + (size_t)i * a_ld, phase);
            UNROLL
            for (int j = 0; j < vectors; j++) DOT(sum[i][p * vectors + j], x[i], y[j]);
        }
    }
}

/* Sums over k of `rows` rows and `panels` panels (`panel` elements apart), the first `vectors`
 * vectors of each: out [panels][LARGE_ROWS][32]. */
B4C_INLINE void NAME(tile)(const int rows, const int panels, const int vectors, const A_T *a,
                           size_t a_ld, size_t a_step, const B_T *b, size_t panel, int k,
                           SUM_T *out)
{
    SUM_V sum[LARGE_ROWS][MOST_VECTORS];
    const int steps = NAME(singly) ? k / GROUP : (k + GROUP - 1) / GROUP;
    (void)a_step;
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < panels * vectors; j++) sum[i][j] = SUM_ZERO();
    }
    for (int s = 0; s < steps; s++) {
        UNROLL
        for (int phase = 0; phase < PHASES; phase++)
            NAME(phase)(rows, panels, vectors, phase, a, a_ld, b, panel, sum);
        a += A_NEXT(s, a_step);
        b += B4C_PANEL * GROUP;
    }
    if (NAME(singly) && k % GROUP != 0)
        NAME(phase)(rows, panels, vectors, 0, a, a_ld, b, panel, sum);
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int p = 0; p < panels; p++) {
            UNROLL
            for (int j = 0; j < vectors; j++) {
                SUM_T *to = out + (p * LARGE_ROWS + i) * B4C_PANEL + j * LANES;
                SUM_STORE(to, sum[i][p * vectors + j]);
            }
        }
    }
}
