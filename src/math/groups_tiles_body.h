/* groups_tiles_body.h - int8 and int4 weights times int8 rows in groups (gemm_int8_groups_body.h,
 * gemm_int4_body.h) on tiles: to the bit what the vectors give, since a group's sum is an exact
 * integer and groups are added as numbers in the same order and by the same operations. Included by
 * gemm_amx.c, after its words and gemm_epilogue.h.
 *
 * The idea: 16 rows x 16 outputs, whose sums as numbers fill half of the vector registers. A group
 * of 32 k is one tile product of half depth; its integers pass through L1 to the vectors, which
 * are two groups behind, so that neither unit waits for the other.
 *
 * Rows stand in row order here, not in tile order: a tile takes 16 of them at the row's stride.
 * Nibbles become bytes a chunk of k at a time, which stays in L1 while all rows of a block pass.
 */
enum {
    GROUP_BYTES = 32,
    GROUP_SUMS = 16 * 16,       /* integers of a group */
    PAIR_BYTES = 2 * GROUP_BYTES * B4C_PANEL,       /* of two groups of a panel */
    CHUNK_GROUPS = 32,          /* int4 */
    GROUPS_BLOCK = 512,         /* rows */
    GROUPS_ROW_SUMS = 16384,    /* int4: of the groups of a block's rows, on the stack: 64 KiB */
    FEW_GROUPS = 15,            /* rows up to which the vectors' own product is taken */
};

/* What a block of rows needs on the stack; int8 takes the first member only. */
typedef struct groups_room {
    float out[GROUPS_BLOCK / 16][16 * B4C_PANEL];
    uint8_t bytes[CHUNK_GROUPS / 2 * PAIR_BYTES];
    float d[CHUNK_GROUPS * B4C_PANEL], e[CHUNK_GROUPS * B4C_PANEL];
    float xs[GROUPS_ROW_SUMS];
} __attribute__((aligned(64))) groups_room;

/* 16 rows, 16 outputs, some groups. An int4 weight is d u + e. */
typedef struct sixteen {
    const char *x;              /* of the first row; rows are x_ld apart */
    const char *w;
    const float *r, *xs;        /* [rows][ld]: scales; int4: scales times sums of a row's group */
    const float *d, *e;         /* int8: d [16]; int4: [groups][32] */
    size_t x_ld, ld;
    int groups;                 /* even */
    bool first;                 /* sums begin here */
} sixteen;

/* A group's integers, sums [16][16]. Even and odd groups have tiles of their own, so that one
 * begins while the other ends. */
#define GROUP_PRODUCT(c, a, b, x, x_ld, w, sums) \
    do {                                         \
        TILE_ZERO(c);                            \
        TILE_LOAD(a, x, x_ld);                   \
        TILE_LOAD(b, w, 2 * LINE);               \
        TILE_I8(c, a, b);                        \
        TILE_STORE(c, sums, LINE);               \
    } while (0)

/* Groups g and g + 1. */
static inline void two_groups(const sixteen *t, int g, int32_t *sums)
{
    const char *x = t->x + (size_t)g * GROUP_BYTES, *w = t->w + (size_t)g / 2 * PAIR_BYTES;
    GROUP_PRODUCT(0, 4, 6, x, t->x_ld, w, sums);
    GROUP_PRODUCT(1, 5, 7, x + GROUP_BYTES, t->x_ld, w + PAIR_BYTES / 2, sums + GROUP_SUMS);
}
#undef GROUP_PRODUCT

B4C_INLINE void add_group(const bool i4, const sixteen *t, int g, const int32_t *sums, vec sum[16])
{
    vec d, e;
    if (i4) {
        d = v_load_float(t->d + g * B4C_PANEL);
        e = v_load_float(t->e + g * B4C_PANEL);
    }
    UNROLL
    for (int i = 0; i < 16; i++) {
        const size_t at = (size_t)i * t->ld + (size_t)g;
        const vec n = _mm512_cvtepi32_ps(_mm512_load_si512(sums + 16 * i)), r = v_set(t->r[at]);
        sum[i] = v_fma(i4 ? v_mul(n, r) : n, i4 ? d : r, sum[i]);
        if (i4) sum[i] = v_fma(v_set(t->xs[at]), e, sum[i]);
    }
}

B4C_INLINE void sixteen_outputs(const bool i4, const sixteen *t, float *out)
{
    int32_t sums[2][2 * GROUP_SUMS] __attribute__((aligned(64)));
    vec sum[16];
    UNROLL
    for (int i = 0; i < 16; i++) sum[i] = t->first ? v_set(0) : v_load(out + i * B4C_PANEL);
    two_groups(t, 0, sums[0]);
    for (int g = 0; g < t->groups; g += 2) {
        const int32_t *ready = sums[g / 2 % 2];
        if (g + 2 < t->groups) two_groups(t, g + 2, sums[1 - g / 2 % 2]);
        add_group(i4, t, g, ready, sum);
        add_group(i4, t, g + 1, ready + GROUP_SUMS, sum);
    }
    UNROLL
    for (int i = 0; i < 16; i++)
        v_store(out + i * B4C_PANEL, i4 ? sum[i] : v_mul(sum[i], v_load_float(t->d)));
}
static __attribute__((noinline)) void sixteen_i8(const sixteen *t, float *out)
{
    sixteen_outputs(false, t, out);
}
static __attribute__((noinline)) void sixteen_i4(const sixteen *t, float *out)
{
    sixteen_outputs(true, t, out);
}

/* Blocks of 64 k of an int4 panel: nibbles as bytes, in the order of an int8 panel; d and e of each
 * group, [groups][32]. */
static void unpack_nibbles(const uint8_t *b, int blocks, uint8_t *bytes, float *d, float *e)
{
    const __m512i low = _mm512_set1_epi8(15);
    for (int i = 0; i < blocks; i++, b += B4C_I4_BLOCK, bytes += PAIR_BYTES) {
        for (int at = 0; at < PAIR_BYTES / 2; at += LINE) {
            const __m512i both = _mm512_loadu_si512(b + at);
            _mm512_store_si512(bytes + at, _mm512_and_si512(both, low));
            _mm512_store_si512(bytes + PAIR_BYTES / 2 + at,
                               _mm512_and_si512(_mm512_srli_epi16(both, 4), low));
        }
        for (int at = 0; at < 2 * B4C_PANEL; at += VEC_LANES, d += VEC_LANES, e += VEC_LANES) {
            const uint16_t *scales = (const uint16_t *)(const void *)(b + B4C_I4_SCALES);
            const vec scale = v_load_bf16_n(scales + at, VEC_LANES);
            const vec c = v_load_i8_n(b + B4C_I4_OFFSETS + at, 0, VEC_LANES);
            v_store(d, scale);
            v_store(e, v_mul(scale, v_sub(v_mul(c, v_set(0.0625f)), v_set(8))));
        }
    }
}

/* Where tile t of a block begins: the last one ends with the block. */
static inline int first_row(int t, int rows) { return t * 16 + 16 <= rows ? t * 16 : rows - 16; }

/* r sum(x) of each group of a block's rows. */
static void groups_xs(const char *x, size_t x_ld, const float *r, int rows, int groups, float *xs)
{
    for (int i = 0; i < rows; i++, x += x_ld)
        for (int k = 0; k < groups; k++, r++, xs++)
            *xs = *r * (float)v_sum_bytes((const int8_t *)x + k * GROUP_BYTES);
}

/* Rows from .. from + rows - 1, at least 16: the last 16 may lie over those before them. */
static void groups_block(const b4c_gemm *g, int from, int rows, int begin, int end,
                         groups_room *room)
{
    const b4c_packed *w = g->w;
    const bool i4 = w->dtype == B4C_I4;
    const int groups = w->kp / GROUP_BYTES, tiles = (rows + 15) / 16;
    const int chunk = i4 ? CHUNK_GROUPS : groups;
    const size_t pair = i4 ? B4C_I4_BLOCK : PAIR_BYTES, x_ld = g->in.ld;
    const finish_fn finish = finish_of(g);
    const float *r = g->in.scale + (size_t)from * (size_t)groups;
    const char *x = (const char *)g->in.data + (size_t)from * x_ld;
    if (i4) groups_xs(x, x_ld, r, rows, groups, room->xs);

    for (int p = begin; p < end; p++) {
        const char *panel = (const char *)w->panels + (size_t)p * (size_t)groups / 2 * pair;
        for (int k = 0; k < groups; k += chunk) {
            const int n = groups - k < chunk ? groups - k : chunk;
            const char *from_k = panel + (size_t)k / 2 * pair;
            if (i4) unpack_nibbles((const uint8_t *)from_k, n / 2, room->bytes, room->d, room->e);
            for (int t = 0; t < 2 * tiles; t++) {
                const int row = first_row(t / 2, rows), half = t % 2;
                const size_t at = (size_t)row * (size_t)groups + (size_t)k;
                const sixteen part = {
                    .x = x + (size_t)row * x_ld + (size_t)k * GROUP_BYTES,
                    .w = (i4 ? (const char *)room->bytes : from_k) + half * LINE,
                    .r = r + at,
                    .xs = room->xs + at,
                    .d = (i4 ? room->d : w->scale + p * B4C_PANEL) + half * 16,
                    .e = room->e + half * 16,
                    .x_ld = x_ld,
                    .ld = (size_t)groups,
                    .groups = n,
                    .first = k == 0,
                };
                (i4 ? sixteen_i4 : sixteen_i8)(&part, room->out[t / 2] + half * 16);
            }
        }
        epilogue e;
        epilogue_init(&e, g, p, false);
        for (int t = 0; t < tiles; t++) {
            const int again = t * 16 - first_row(t, rows);     /* rows that the tile before had */
            finish(&e, room->out[t] + again * B4C_PANEL, from + t * 16, 16 - again);
        }
    }
}

/* Rows that go together, 0: tiles cannot take this product. A block of rows stays in 3/8 of L2
 * while all panels pass over it. */
static int groups_together(const b4c_gemm *g)
{
    const int groups = g->w->kp / GROUP_BYTES;
    if (g->in.form != B4C_FORM_I8_GROUPS || g->in.rows <= FEW_GROUPS) return 0;
    const long l2 = (long)b4c_cpu_get()->l2_bytes * 3 / 8 / g->w->kp;
    const int near = l2 < 32 ? 32 : l2 > GROUPS_BLOCK ? GROUPS_BLOCK : (int)l2;
    const int sums = g->w->dtype == B4C_I4 ? GROUPS_ROW_SUMS / groups : GROUPS_BLOCK;
    return near < sums ? near : sums < 32 ? 0 : sums;
}

static void groups_tiles(const b4c_gemm *g, int together, int begin, int end)
{
    const long rows = g->in.rows, parts = (rows + together - 1) / together;
    groups_room room;
    tile_config(16, 16, GROUP_BYTES);
    for (long i = 0; i < parts; i++) {      /* each of at least 16 rows, since together >= 32 */
        const int from = (int)(rows * i / parts), to = (int)(rows * (i + 1) / parts);
        groups_block(g, from, to - from, begin, end, &room);
    }
    tile_release();
}
