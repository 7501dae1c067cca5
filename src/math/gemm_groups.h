/* gemm_groups.h - what products over int8 rows in groups share: tiles, blocks of rows, epilogue. No
 * include guard on purpose: a body that knows a kind of weight ends with it.
 *
 * A row keeps a scale for each 32 of its numbers: with one scale a row, the few huge columns of a
 * decoder's stream would leave the others nothing. So a group's integers are summed by themselves
 * and added to the output as numbers, group after group in order of k: neither the number of rows
 * nor the division into tiles shows in a result.
 *
 * The including file of the body defines
 *   NAME(x)             the names of its functions
 *   GROUP_ROWS, GROUP_VECTORS   rows of the largest tile; vectors of outputs that it takes at once,
 *                       a divisor of a panel's whose bytes are whole cache lines
 *   EACH_GROUP_ROWS(X)  X(1) .. X(GROUP_ROWS)
 *   W_V, X_V, S_V       4 bytes each of VEC_LANES outputs; 4 bytes of a row for all of them; sums
 *   W_LOAD(p), X_LOAD(p)        X from signed bytes
 *   DOT(s, w, x), TOTAL(s)      sums of at most 8 steps; as a vec of numbers
 *   PREFETCH(p), UNROLL
 * and the body
 *   BLOCK_BYTES         of 64 k of a panel
 *   EXTRA_T, NAME(extra)(scale, sum)    what it keeps of the sum of a group of a row
 *   NAME(step)          64 k of some rows and vectors, added to sum
 *   NAME(last)(w, output, sum)  what becomes of VEC_LANES sums in the end
 */
enum { NAME(most_sums) = 16384 };   /* of groups, on the stack: 64 KiB */
_Static_assert((B4C_I8_COLS / 64 + 1) * 2 * GROUP_ROWS <= NAME(most_sums),
               "room for a tile's rows");

/* out [rows][32]: one panel's outputs, but for bias and activation. */
B4C_INLINE void NAME(tile)(const int rows, const uint8_t *x, size_t x_ld, const EXTRA_T *xs,
                           const float *r, size_t ld, const b4c_packed *w, int panel,
                           b4c_real *out)
{
    const int blocks = w->kp / 64;
    const uint8_t *from = (const uint8_t *)w->panels + (size_t)panel * (size_t)blocks * BLOCK_BYTES;
    for (int first = 0; first < B4C_PANEL; first += GROUP_VECTORS * VEC_LANES) {
        vec sum[GROUP_ROWS][GROUP_VECTORS];
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++) sum[i][j] = v_set(0);
        }
        for (int b = 0; b < blocks; b++)
            NAME(step)(rows, x + (size_t)b * 64, x_ld, xs + 2 * b, r + 2 * b, ld,
                       from + (size_t)b * BLOCK_BYTES, first, sum);
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++) {
                const int at = first + j * VEC_LANES;
                v_store(out + i * B4C_PANEL + at, NAME(last)(w, panel * B4C_PANEL + at, sum[i][j]));
            }
        }
    }
}

static __attribute__((noinline)) void NAME(rows)(int rows, const uint8_t *x, size_t x_ld,
                                                 const EXTRA_T *xs, const float *r, size_t ld,
                                                 const b4c_packed *w, int panel, b4c_real *out)
{
#define SHAPE(n) case n: NAME(tile)(n, x, x_ld, xs, r, ld, w, panel, out); break;
    switch (rows) { EACH_GROUP_ROWS(SHAPE) }
#undef SHAPE
}

/* Of the sum of each group of a row's numbers. */
static void NAME(sums)(const int8_t *x, const float *r, int groups, EXTRA_T *xs)
{
    for (int g = 0; g < groups; g++, x += 32) xs[g] = NAME(extra)(r[g], v_sum_bytes(x));
}

static void NAME(block)(const b4c_gemm *g, int from, int rows, int begin, int end)
{
    const b4c_packed *w = g->w;
    const int groups = w->kp / 32, tiles = (rows + GROUP_ROWS - 1) / GROUP_ROWS;
    const size_t x_ld = g->in.ld;
    const uint8_t *x = (const uint8_t *)g->in.data + (size_t)from * x_ld;
    const finish_fn finish = finish_of(g);
    EXTRA_T xs[NAME(most_sums)];
    b4c_real sum[GROUP_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    const float *r = g->in.scale + (size_t)from * (size_t)groups;
    for (int i = 0; i < rows; i++)
        NAME(sums)((const int8_t *)x + (size_t)i * x_ld, r + i * groups, groups, xs + i * groups);
    for (int p = begin; p < end; p++) {
        epilogue e;
        epilogue_init(&e, g, p, false);
        for (int t = 0; t < tiles; t++) {
            const int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            NAME(rows)(n, x + (size_t)first * x_ld, x_ld, xs + first * groups, r + first * groups,
                       (size_t)groups, w, p, sum);
            finish(&e, sum, from + first, n);
        }
    }
}

/* As gemm_blocks.h: a block of rows stays in 3/8 of L2 while all panels pass over it. */
static void NAME(gemm)(const b4c_gemm *g, int begin, int end)
{
    const long rows = g->in.rows, kp = g->w->kp, stack = NAME(most_sums) / (kp / 32);
    long most = (long)b4c_cpu_get()->l2_bytes * 3 / 8 / kp;
    if (most < GROUP_ROWS) most = GROUP_ROWS;
    if (most > stack) most = stack;
    const long parts = (rows + most - 1) / most;
    assert(g->in.form == B4C_FORM_I8_GROUPS && g->in.cols == g->w->k);
    for (long i = 0; i < parts; i++) {
        const int from = (int)(rows * i / parts), to = (int)(rows * (i + 1) / parts);
        NAME(block)(g, from, to - from, begin, end);
    }
}

#undef NAME
#undef W_V
#undef X_V
#undef S_V
#undef W_LOAD
#undef X_LOAD
#undef DOT
#undef TOTAL
#undef BLOCK_BYTES
#undef EXTRA_T
