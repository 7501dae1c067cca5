/* gemm_groups.h - what products over int8 rows in groups share: tiles, blocks of rows, epilogue. No
 * include guard on purpose: a body that knows a kind of weight ends with it.
 *
 * A row keeps a scale for each 32 of its numbers: with one scale a row, the few huge columns of a
 * decoder's stream would leave the others nothing. So a group's integers are summed by themselves
 * and added to the output as numbers, in order of k: neither the number of rows nor the division
 * into tiles shows in a result.
 *
 * The one idea: multiplying is what a processor has least units for, so all around the products of
 * bytes is done otherwise. Integer sums begin at the bits of a number whose last digit is worth a
 * group's share of the scale (b4c_group_pair): less that number they are numbers, shifted already,
 * and two groups meet the scale together.
 *
 * The including file of the body defines
 *   NAME(x)             the names of its functions
 *   GROUP_ROWS, GROUP_VECTORS   rows of the largest tile; vectors of outputs that it takes at once,
 *                       a divisor of a panel's
 *   EACH_GROUP_ROWS(X)  X(1) .. X(GROUP_ROWS)
 *   GROUP_FEW           rows whose sums of two groups have registers at once
 *   W_V, X_V, S_V       4 bytes each of VEC_LANES outputs; 4 bytes of a row for all of them; sums
 *   W_LOAD(p), X_LOAD(p)        X from signed bytes
 *   S_FROM(p, g)        sums of nothing, of group g of the pair p
 *   DOT(s, w, x)        sums of at most 8 steps
 *   TOTAL(s, p, g)      the numbers that they stand for
 *   PREFETCH(p), UNROLL
 * and the body
 *   BLOCK_BYTES         of 64 k of a panel
 *   AHEAD               bytes by which weights from far away are asked for before their use
 *   NAME(beside)        what a vector of sums has beside it, with
 *   NAME(begin)(rows, beside), NAME(add)(rows, pairs, ld, w, b, ready, output, beside)  of nothing;
 *                       of a block, which is at b
 *   SHARED_LINES        whether both groups of a block stand in the same lines
 *   READY_BLOCKS, NAME(prepare)(w, panel, b, ready)     what `add` may find ready instead, [32]
 *                       words of a block, for that many blocks
 *   NAME(weights)(b, g, k, lane)        4 k of group g of a block
 *   NAME(scale)(b, g, lane)             of group g of VEC_LANES outputs
 *   NAME(joined)(part, value, scale)    what a group of that scale adds to those before it
 *   NAME(last)(w, output, sum, beside, unit)    what becomes of VEC_LANES sums in the end; unit: of
 *                       the row's pairs
 */

enum {
    NAME(lines) = BLOCK_BYTES / 64,
    NAME(lines_at_once) = (NAME(lines) + 15) / 16,      /* of the 16 times that a block is asked */
};

/* Sums of group g of a block, before, during and after its 8 steps of 4 k. */
B4C_INLINE void NAME(start)(const int rows, const b4c_group_pair *p, size_t ld, const int g,
                            S_V s[GROUP_ROWS][GROUP_VECTORS])
{
    (void)p, (void)ld, (void)g;          /* some know what nothing is */
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) s[i][j] = S_FROM(p + (size_t)i * ld, g);
    }
}

/* fetch: weights are asked for AHEAD of their use. */
B4C_INLINE void NAME(dots)(const int rows, const bool fetch, const uint8_t *x, size_t x_ld,
                           const uint8_t *b, int lane, const int g, const int k,
                           S_V s[GROUP_ROWS][GROUP_VECTORS])
{
    W_V w[GROUP_VECTORS];
    UNROLL
    for (int j = 0; j < GROUP_VECTORS; j++) w[j] = NAME(weights)(b, g, k, lane + j * VEC_LANES);
    UNROLL
    for (int i = 0; i < NAME(lines_at_once); i++) {
        const int line = (8 * g + k) * NAME(lines_at_once) + i;
        if (fetch && line < NAME(lines)) PREFETCH((const char *)b + AHEAD + 64 * line);
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        const X_V y = X_LOAD(x + (size_t)i * x_ld + 32 * g + 4 * k);
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) DOT(s[i][j], w[j], y);
    }
}

B4C_INLINE void NAME(join)(const int rows, const b4c_group_pair *p, size_t ld, const uint8_t *b,
                           int lane, const int g, S_V s[GROUP_ROWS][GROUP_VECTORS],
                           vec part[GROUP_ROWS][GROUP_VECTORS])
{
    /* What sums began with is read again: compilers would keep it in registers, for which sums that
     * have none go to memory. */
    __asm__("" : "+r"(p));
    UNROLL
    for (int j = 0; j < GROUP_VECTORS; j++) {
        const vec scale = NAME(scale)(b, g, lane + j * VEC_LANES);
        UNROLL
        for (int i = 0; i < rows; i++)
            part[i][j] = NAME(joined)(part[i][j], TOTAL(s[i][j], p + (size_t)i * ld, g), scale);
    }
}

/* All of group g of a block. */
B4C_INLINE void NAME(group)(const int rows, const bool fetch, const uint8_t *x, size_t x_ld,
                            const b4c_group_pair *p, size_t ld, const uint8_t *b, int lane,
                            const int g, vec part[GROUP_ROWS][GROUP_VECTORS])
{
    S_V s[GROUP_ROWS][GROUP_VECTORS];
    NAME(start)(rows, p, ld, g, s);
    UNROLL
    for (int k = 0; k < 8; k++) NAME(dots)(rows, fetch, x, x_ld, b, lane, g, k, s);
    NAME(join)(rows, p, ld, b, lane, g, s, part);
}

/* 64 k of `rows` rows and some vectors of outputs from `lane` on, added to sum. Where groups share
 * lines, few rows take both together. Where they do not, processors that watch how far an
 * instruction moves from one time to the next want the same ones for both groups: weights come
 * nearly twice as fast. */
B4C_INLINE void NAME(step)(const int rows, const bool fetch, const uint8_t *x, size_t x_ld,
                           const b4c_group_pair *p, size_t ld, const uint8_t *b, int lane,
                           vec sum[GROUP_ROWS][GROUP_VECTORS])
{
    vec part[GROUP_ROWS][GROUP_VECTORS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) part[i][j] = v_set(0);
    }
    if (!SHARED_LINES) {
        for (int g = 0; g < 2; g++) {
            __asm__("" : "+r"(g));               /* compilers would write both out */
            NAME(group)(rows, fetch, x, x_ld, p, ld, b, lane, g, part);
        }
    } else if (rows > GROUP_FEW) {
        NAME(group)(rows, fetch, x, x_ld, p, ld, b, lane, 0, part);
        NAME(group)(rows, fetch, x, x_ld, p, ld, b, lane, 1, part);
    } else {
        S_V s[2][GROUP_ROWS][GROUP_VECTORS];
        NAME(start)(rows, p, ld, 0, s[0]);
        NAME(start)(rows, p, ld, 1, s[1]);
        UNROLL
        for (int k = 0; k < 8; k++) {
            NAME(dots)(rows, fetch, x, x_ld, b, lane, 0, k, s[0]);
            NAME(dots)(rows, fetch, x, x_ld, b, lane, 1, k, s[1]);
        }
        NAME(join)(rows, p, ld, b, lane, 0, s[0], part);
        NAME(join)(rows, p, ld, b, lane, 1, s[1], part);
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        const vec scale = v_set((b4c_real)p[(size_t)i * ld].scale);
        UNROLL
        for (int j = 0; j < GROUP_VECTORS; j++) sum[i][j] = v_fma(part[i][j], scale, sum[i][j]);
    }
}

/* out [rows][32]: one panel's outputs, but for bias and activation. alone: these rows are all there
 * are, nothing is ready, and the panel comes from far away. */
B4C_INLINE void NAME(tile)(const int rows, const bool alone, const uint8_t *x, size_t x_ld,
                           const b4c_group_pair *p, size_t ld, const b4c_packed *w,
                           const int32_t *ready, int panel, b4c_real *out)
{
    const int blocks = w->kp / 64;
    const uint8_t *from = (const uint8_t *)w->panels + (size_t)panel * (size_t)blocks * BLOCK_BYTES;
    for (int first = 0; first < B4C_PANEL; first += GROUP_VECTORS * VEC_LANES) {
        const int output = panel * B4C_PANEL + first;
        NAME(beside) beside[GROUP_ROWS][GROUP_VECTORS];
        vec sum[GROUP_ROWS][GROUP_VECTORS];
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++) sum[i][j] = v_set(0);
        }
        NAME(begin)(rows, beside);
        for (int b = 0; b < blocks; b++) {
            const uint8_t *at = from + (size_t)b * BLOCK_BYTES;
            if (alone) NAME(add)(rows, p + b, ld, w, at, NULL, output, beside);
            NAME(step)(rows, alone, x + (size_t)b * 64, x_ld, p + b, ld, at, first, sum);
        }
        for (int b = 0; !alone && b < blocks; b++)
            NAME(add)(rows, p + b, ld, w, NULL, ready + b * B4C_PANEL, output, beside);
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < GROUP_VECTORS; j++) {
                const int at = j * VEC_LANES;
                v_store(out + i * B4C_PANEL + first + at,
                        NAME(last)(w, output + at, sum[i][j], beside[i][j],
                                   p[(size_t)i * ld].unit));
            }
        }
    }
}

static __attribute__((noinline)) void NAME(rows)(int rows, bool alone, const uint8_t *x,
                                                 size_t x_ld, const b4c_group_pair *p, size_t ld,
                                                 const b4c_packed *w, const int32_t *ready,
                                                 int panel, b4c_real *out)
{
#define SHAPE(n)                                                              \
    case n:                                                                   \
        if (alone) NAME(tile)(n, true, x, x_ld, p, ld, w, ready, panel, out); \
        else NAME(tile)(n, false, x, x_ld, p, ld, w, ready, panel, out);      \
        break;
    switch (rows) { EACH_GROUP_ROWS(SHAPE) }
#undef SHAPE
}

static void NAME(block)(const b4c_gemm *g, int from, int rows, int begin, int end)
{
    const b4c_packed *w = g->w;
    const int tiles = (rows + GROUP_ROWS - 1) / GROUP_ROWS;
    const size_t x_ld = g->in.ld, ld = (size_t)(w->kp / 64), bytes = ld * BLOCK_BYTES;
    const uint8_t *x = (const uint8_t *)g->in.data + (size_t)from * x_ld;
    const b4c_group_pair *pairs = (const b4c_group_pair *)(const void *)g->in.scale;
    const finish_fn finish = finish_of(g);
    b4c_real sum[GROUP_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    int32_t ready[READY_BLOCKS * B4C_PANEL] __attribute__((aligned(64)));
    pairs += (size_t)from * ld;
    for (int p = begin; p < end; p++) {
        epilogue e;
        epilogue_init(&e, g, p, false);
        if (tiles > 1) NAME(prepare)(w, p, (const uint8_t *)w->panels + (size_t)p * bytes, ready);
        for (int t = 0; t < tiles; t++) {
            const int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            NAME(rows)(n, tiles == 1, x + (size_t)first * x_ld, x_ld, pairs + (size_t)first * ld,
                       ld, w, ready, p, sum);
            finish(&e, sum, from + first, n);
        }
    }
}

/* As gemm_blocks.h: a block of rows stays in 3/8 of L2 while all panels pass over it. */
static void NAME(gemm)(const b4c_gemm *g, int begin, int end)
{
    const long rows = g->in.rows, kp = g->w->kp;
    long most = (long)b4c_cpu_get()->l2_bytes * 3 / 8 / kp;
    if (most < GROUP_ROWS) most = GROUP_ROWS;
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
#undef S_FROM
#undef DOT
#undef TOTAL
#undef BLOCK_BYTES
#undef AHEAD
#undef READY_BLOCKS
#undef SHARED_LINES
