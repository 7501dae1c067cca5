/* gemm_int4_body.h - products with 4-bit weights, over int8 rows in groups. No include guard on
 * purpose: gemm_<isa>.c includes it once a way to multiply bytes, after its vec words and
 * gemm_epilogue.h.
 *
 * A weight is d * (u + c / 16 - 8) with u in 0 .. 15, d (bf16) and c (-128 .. 127) shared by 32
 * neighbours in k: a group. A row's number is r * x, x in -127 .. 127, r shared by the same
 * neighbours: with one scale a row, the few huge columns of a decoder's stream would leave the
 * others nothing. So a group's part of an output is
 *
 *     r sum(x u) * d  +  r sum(x) * d (c / 16 - 8)
 *
 * Both sums are exact integers, the same on every instruction set and however many rows there are;
 * the second one is made once a row. Parts are added as numbers in order of k. Panels: pack_int4.c.
 *
 * The including file defines
 *   NAME(x)             the names of its functions
 *   I4_ROWS, I4_VECTORS rows of the largest tile; vectors of outputs that it takes at once, a
 *                       divisor of a panel's whose bytes are whole cache lines
 *   EACH_I4_ROWS(X)     X(1) .. X(I4_ROWS)
 *   W_V, X_V, S_V       4 bytes each of VEC_LANES outputs; 4 bytes of a row for all of them; sums
 *   W_LOAD(p), LOW(w), HIGH(w)    nibbles as bytes 0 .. 15
 *   X_LOAD(p)           from signed bytes
 *   S_ZERO(), DOT(s, w, x), TOTAL(s)    sums of at most 8 steps, as a vec of numbers
 *   PREFETCH(p), UNROLL
 */
enum {
    NAME(ahead) = 4096,         /* bytes by which weights are fetched before their use */
    NAME(most_sums) = 16384,    /* of groups, on the stack: 64 KiB */
};
_Static_assert((B4C_I8_COLS / 64 + 1) * 2 * I4_ROWS <= NAME(most_sums), "room for a tile's rows");

/* 64 k of `rows` rows and some vectors of outputs from `first` on, added to sum. */
B4C_INLINE void NAME(step)(const int rows, const uint8_t *x, size_t x_ld, const float *xs,
                           const float *r, size_t ld, const uint8_t *b, int first,
                           vec sum[I4_ROWS][I4_VECTORS])
{
    S_V s[2][I4_ROWS][I4_VECTORS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < I4_VECTORS; j++) s[0][i][j] = s[1][i][j] = S_ZERO();
    }
    UNROLL
    for (int k = 0; k < 8; k++) {
        const uint8_t *w = b + k * 4 * B4C_PANEL + first * 4;
        W_V low[I4_VECTORS], high[I4_VECTORS];
        UNROLL
        for (int j = 0; j < I4_VECTORS; j++) {
            const W_V both = W_LOAD(w + j * 4 * VEC_LANES);
            low[j] = LOW(both);
            high[j] = HIGH(both);
        }
        UNROLL
        for (int line = 0; line < I4_VECTORS * 4 * VEC_LANES; line += 64)
            PREFETCH((const char *)w + NAME(ahead) + line);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const X_V x0 = X_LOAD(x + (size_t)i * x_ld + 4 * k);
            const X_V x1 = X_LOAD(x + (size_t)i * x_ld + 32 + 4 * k);
            UNROLL
            for (int j = 0; j < I4_VECTORS; j++) {
                DOT(s[0][i][j], low[j], x0);
                DOT(s[1][i][j], high[j], x1);
            }
        }
    }
    const uint16_t *scales = (const uint16_t *)(const void *)(b + B4C_I4_SCALES);
    UNROLL
    for (int line = B4C_I4_SCALES; line < B4C_I4_BLOCK; line += 64)
        PREFETCH((const char *)b + NAME(ahead) + line);
    UNROLL
    for (int g = 0; g < 2; g++) {
        UNROLL
        for (int j = 0; j < I4_VECTORS; j++) {
            const int at = g * B4C_PANEL + first + j * VEC_LANES;
            const vec d = v_load_bf16_n(scales + at, VEC_LANES);
            const vec c = v_load_i8_n(b + B4C_I4_OFFSETS + at, 0, VEC_LANES);
            const vec e = v_mul(d, v_sub(v_mul(c, v_set((b4c_real)0.0625)), v_set(8)));
            UNROLL
            for (int i = 0; i < rows; i++) {
                const size_t group = (size_t)i * ld + (size_t)g;
                const vec scaled = v_mul(TOTAL(s[g][i][j]), v_set((b4c_real)r[group]));
                const vec part = v_fma(scaled, d, sum[i][j]);
                sum[i][j] = v_fma(v_set((b4c_real)xs[group]), e, part);
            }
        }
    }
}

/* out [rows][32]: one panel's outputs, but for bias and activation. */
B4C_INLINE void NAME(tile)(const int rows, const uint8_t *x, size_t x_ld, const float *xs,
                           const float *r, size_t ld, const uint8_t *panel, int blocks,
                           b4c_real *out)
{
    for (int first = 0; first < B4C_PANEL; first += I4_VECTORS * VEC_LANES) {
        vec sum[I4_ROWS][I4_VECTORS];
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < I4_VECTORS; j++) sum[i][j] = v_set(0);
        }
        for (int b = 0; b < blocks; b++)
            NAME(step)(rows, x + (size_t)b * 64, x_ld, xs + 2 * b, r + 2 * b, ld,
                       panel + (size_t)b * B4C_I4_BLOCK, first, sum);
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < I4_VECTORS; j++)
                v_store(out + i * B4C_PANEL + first + j * VEC_LANES, sum[i][j]);
        }
    }
}

static __attribute__((noinline)) void NAME(rows)(int rows, const uint8_t *x, size_t x_ld,
                                                 const float *xs, const float *r, size_t ld,
                                                 const uint8_t *panel, int blocks, b4c_real *out)
{
#define SHAPE(n) case n: NAME(tile)(n, x, x_ld, xs, r, ld, panel, blocks, out); break;
    switch (rows) { EACH_I4_ROWS(SHAPE) }
#undef SHAPE
}

/* The sum of each group of a row's numbers. */
static void NAME(sums)(const int8_t *x, const float *r, int groups, float *xs)
{
    for (int g = 0; g < groups; g++, x += 32) {
        int sum = 0;
        for (int i = 0; i < 32; i++) sum += x[i];
        xs[g] = r[g] * (float)sum;
    }
}

static void NAME(block)(const b4c_gemm *g, int from, int rows, int begin, int end)
{
    const b4c_packed *w = g->w;
    const int blocks = w->kp / 64, groups = 2 * blocks, tiles = (rows + I4_ROWS - 1) / I4_ROWS;
    const size_t x_ld = g->in.ld;
    const uint8_t *x = (const uint8_t *)g->in.data + (size_t)from * x_ld;
    const finish_fn finish = finish_of(g);
    float xs[NAME(most_sums)];
    b4c_real sum[I4_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    const float *r = g->in.scale + (size_t)from * (size_t)groups;
    for (int i = 0; i < rows; i++)
        NAME(sums)((const int8_t *)x + (size_t)i * x_ld, r + i * groups, groups, xs + i * groups);
    for (int p = begin; p < end; p++) {
        const size_t at = (size_t)p * (size_t)blocks * B4C_I4_BLOCK;
        const uint8_t *panel = (const uint8_t *)w->panels + at;
        epilogue e;
        epilogue_init(&e, g, p, false);
        for (int t = 0; t < tiles; t++) {
            const int first = rows * t / tiles, n = rows * (t + 1) / tiles - first;
            NAME(rows)(n, x + (size_t)first * x_ld, x_ld, xs + first * groups, r + first * groups,
                       (size_t)groups, panel, blocks, sum);
            finish(&e, sum, from + first, n);
        }
    }
}

/* As gemm_blocks.h: a block of rows stays in 3/8 of L2 while all panels pass over it. */
static void NAME(gemm)(const b4c_gemm *g, int begin, int end)
{
    const long rows = g->in.rows, kp = g->w->kp, stack = NAME(most_sums) / (kp / 32);
    long most = (long)b4c_cpu_get()->l2_bytes * 3 / 8 / kp;
    if (most < I4_ROWS) most = I4_ROWS;
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
#undef LOW
#undef HIGH
#undef X_LOAD
#undef S_ZERO
#undef DOT
#undef TOTAL
