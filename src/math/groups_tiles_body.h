/* groups_tiles_body.h - int8 weights times int8 rows in groups (gemm_int8_groups_body.h), on tiles:
 * to the bit what the vectors give, since a group's sum is an exact integer and groups are added as
 * numbers in order of k on both. Included by gemm_amx.c, after its words and gemm_epilogue.h.
 *
 * The idea: 16 rows x 16 outputs, whose sums as numbers fill half of the vector registers. A group
 * of 32 k is one tile product of half depth; its integers pass through L1 to the vectors, which
 * are two groups behind, so that neither unit waits for the other.
 *
 * Rows stand in row order here, not in tile order: a tile takes 16 of them at the row's stride.
 */
enum {
    GROUP_BYTES = 32,
    GROUP_SUMS = 16 * 16,       /* integers of a group */
    FEW_GROUPS = 15,            /* rows up to which the vectors' own product is taken */
};

/* A group's integers, sums [16][16] += nothing before. Even and odd groups have tiles of their own,
 * so that one begins while the other ends. */
#define GROUP_PRODUCT(c, a, b, x, x_ld, w, sums) \
    do {                                         \
        TILE_ZERO(c);                            \
        TILE_LOAD(a, x, x_ld);                   \
        TILE_LOAD(b, w, 128);                    \
        TILE_I8(c, a, b);                        \
        TILE_STORE(c, sums, LINE);               \
    } while (0)

/* Two neighbouring groups. */
static inline void two_groups(const char *x, size_t x_ld, const char *w, int32_t *sums)
{
    GROUP_PRODUCT(0, 4, 6, x, x_ld, w, sums);
    GROUP_PRODUCT(1, 5, 7, x + GROUP_BYTES, x_ld, w + GROUP_BYTES * B4C_PANEL, sums + GROUP_SUMS);
}

/* r: the first row's scale of this group, those of other rows ld apart. */
static inline void add_group(const int32_t *sums, const float *r, size_t ld, vec sum[16])
{
    UNROLL
    for (int i = 0; i < 16; i++)
        sum[i] = v_fma(_mm512_cvtepi32_ps(_mm512_load_si512(sums + 16 * i)),
                       v_set(r[(size_t)i * ld]), sum[i]);
}

/* out [16][32]: 16 rows at x and one half of a panel's outputs, without bias and activation. */
static __attribute__((noinline)) void sixteen_outputs(const char *x, size_t x_ld, const float *r,
                                                 int groups, const char *w, const float *scale,
                                                 float *out)
{
    const size_t pair = (size_t)2 * GROUP_BYTES * B4C_PANEL;
    int32_t sums[2][2 * GROUP_SUMS] __attribute__((aligned(64)));
    vec sum[16];
    UNROLL
    for (int i = 0; i < 16; i++) sum[i] = v_set(0);
    two_groups(x, x_ld, w, sums[0]);
    for (int g = 0; g < groups; g += 2) {
        const int32_t *ready = sums[g / 2 % 2];
        x += 2 * GROUP_BYTES;
        w += pair;
        if (g + 2 < groups) two_groups(x, x_ld, w, sums[1 - g / 2 % 2]);
        add_group(ready, r + g, (size_t)groups, sum);
        add_group(ready + GROUP_SUMS, r + g + 1, (size_t)groups, sum);
    }
    const vec d = v_load_float(scale);
    UNROLL
    for (int i = 0; i < 16; i++) v_store(out + i * B4C_PANEL, v_mul(sum[i], d));
}

/* Rows from .. from + rows - 1, at least 16: the last 16 may lie over those before them. */
static void groups_block(const b4c_gemm *g, int from, int rows, int begin, int end)
{
    const b4c_packed *w = g->w;
    const int groups = w->kp / GROUP_BYTES;
    const finish_fn finish = finish_of(g);
    float out[16 * B4C_PANEL] __attribute__((aligned(64)));
    for (int p = begin; p < end; p++) {
        const char *panel = (const char *)w->panels + (size_t)p * (size_t)w->kp * B4C_PANEL;
        epilogue e;
        epilogue_init(&e, g, p, false);
        for (int done = 0; done < rows; done += 16) {
            const int first = done + 16 <= rows ? done : rows - 16;
            const size_t row = (size_t)(from + first);
            const char *x = (const char *)g->in.data + row * g->in.ld;
            const float *r = g->in.scale + row * (size_t)groups;
            for (int half = 0; half < 2; half++)
                sixteen_outputs(x, g->in.ld, r, groups, panel + half * LINE,
                           w->scale + p * B4C_PANEL + half * 16, out + half * 16);
            finish(&e, out + (done - first) * B4C_PANEL, from + done, first + 16 - done);
        }
    }
}

/* As gemm_groups.h: a block of rows stays in 3/8 of L2 while all panels pass over it. */
static void groups_tiles(const b4c_gemm *g, int begin, int end)
{
    const long rows = g->in.rows;
    long most = (long)b4c_cpu_get()->l2_bytes * 3 / 8 / g->w->kp;
    if (most < 32) most = 32;
    const long parts = (rows + most - 1) / most;
    tile_config(16, 16, GROUP_BYTES);
    for (long i = 0; i < parts; i++) {
        const int from = (int)(rows * i / parts), to = (int)(rows * (i + 1) / parts);
        groups_block(g, from, to - from, begin, end);
    }
    tile_release();
}
#undef GROUP_PRODUCT
