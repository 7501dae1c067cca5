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
    CHUNK_PAIRS = 16,           /* int4 */
    GROUPS_BLOCK = 512,         /* rows */
    FEW_GROUPS = 15,            /* rows up to which the vectors' own product is taken */
};

/* What a block of rows needs on the stack; int8 takes the first member only. */
typedef struct groups_room {
    float out[GROUPS_BLOCK / 16][16 * B4C_PANEL];
    int32_t beside[GROUPS_BLOCK / 16][16 * B4C_PANEL];      /* offsets times sums of rows */
    uint8_t bytes[CHUNK_PAIRS * PAIR_BYTES];
    float d[2 * CHUNK_PAIRS * B4C_PANEL];
    int32_t offsets[CHUNK_PAIRS * B4C_PANEL];       /* two of 16 bits */
} __attribute__((aligned(64))) groups_room;

/* 16 rows, 16 outputs, some pairs of groups. */
typedef struct sixteen {
    const char *x;              /* of the first row; rows are x_ld apart */
    const char *w;
    const b4c_group_pair *p;    /* [rows][ld] */
    const float *d;             /* int8: [16]; int4: [groups][32] */
    const int32_t *offsets;     /* int4: [pairs][32] */
    size_t x_ld, ld;
    int pairs;
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

/* Both groups of pair b. */
static inline void two_groups(const sixteen *t, int b, int32_t *sums)
{
    const char *x = t->x + (size_t)b * 2 * GROUP_BYTES, *w = t->w + (size_t)b * PAIR_BYTES;
    GROUP_PRODUCT(0, 4, 6, x, t->x_ld, w, sums);
    GROUP_PRODUCT(1, 5, 7, x + GROUP_BYTES, t->x_ld, w + PAIR_BYTES / 2, sums + GROUP_SUMS);
}
#undef GROUP_PRODUCT

/* As TOTAL of gemm_groups.h. */
static inline vec group_value(const int32_t *sums, const float *start)
{
    const __m512i from = _mm512_castps_si512(_mm512_set1_ps(*start));
    const __m512i sum = _mm512_add_epi32(_mm512_load_si512(sums), from);
    return _mm512_sub_ps(_mm512_castsi512_ps(sum), _mm512_set1_ps(*start));
}

B4C_INLINE void add_pair(const bool i4, const sixteen *t, int b, const int32_t *sums, vec sum[16])
{
    vec d[2];
    if (i4)
        for (int g = 0; g < 2; g++) d[g] = v_load_float(t->d + (2 * b + g) * B4C_PANEL);
    UNROLL
    for (int i = 0; i < 16; i++) {
        const b4c_group_pair *p = t->p + (size_t)i * t->ld + b;
        const vec v0 = group_value(sums + 16 * i, p->start);
        const vec v1 = group_value(sums + GROUP_SUMS + 16 * i, p->start + 1);
        const vec part = i4 ? v_fma(v1, d[1], v_mul(v0, d[0])) : v_add(v0, v1);
        sum[i] = v_fma(part, v_set(p->scale), sum[i]);
    }
}

B4C_INLINE void sixteen_outputs(const bool i4, const sixteen *t, float *out)
{
    int32_t sums[2][2 * GROUP_SUMS] __attribute__((aligned(64)));
    vec sum[16];
    UNROLL
    for (int i = 0; i < 16; i++) sum[i] = t->first ? v_set(0) : v_load(out + i * B4C_PANEL);
    two_groups(t, 0, sums[0]);
    for (int b = 0; b < t->pairs; b++) {
        if (b + 1 < t->pairs) two_groups(t, b + 1, sums[(b + 1) % 2]);
        add_pair(i4, t, b, sums[b % 2], sum);
    }
    UNROLL
    for (int i = 0; i < 16; i++)
        v_store(out + i * B4C_PANEL, i4 ? sum[i] : v_mul(sum[i], v_load_float(t->d)));
}
static __attribute__((noinline)) void sixteen_i8(const sixteen *t, float *out)
{
    sixteen_outputs(false, t, out);
}
/* The sums of a row's groups times the offsets of the weights' are integers by themselves. */
static __attribute__((noinline)) void sixteen_i4(const sixteen *t, float *out, int32_t *beside)
{
    __m512i sum[16];
    sixteen_outputs(true, t, out);
    UNROLL
    for (int i = 0; i < 16; i++)
        sum[i] = t->first ? _mm512_setzero_si512() : _mm512_load_si512(beside + i * B4C_PANEL);
    for (int b = 0; b < t->pairs; b++) {
        const __m512i offsets = _mm512_load_si512(t->offsets + b * B4C_PANEL);
        UNROLL
        for (int i = 0; i < 16; i++) {
            const __m512i of_row = pair((const char *)t->p[(size_t)i * t->ld + (size_t)b].sum);
            __asm__("vpdpwssd %2, %1, %0" : "+v"(sum[i]) : "v"(offsets), "v"(of_row));
        }
    }
    UNROLL
    for (int i = 0; i < 16; i++) _mm512_store_si512(beside + i * B4C_PANEL, sum[i]);
}

/* Some blocks of 64 k of an int4 panel: nibbles as bytes in the order of an int8 panel, the scales
 * of each group, and d (c / 16 - 8) in units of the outputs. */
static void unpack_nibbles(const uint8_t *b, int blocks, const float *unit, groups_room *room)
{
    const __m512i low = _mm512_set1_epi8(15);
    for (int i = 0; i < blocks; i++, b += B4C_I4_BLOCK) {
        uint8_t *bytes = room->bytes + (size_t)i * PAIR_BYTES;
        for (int at = 0; at < PAIR_BYTES / 2; at += LINE) {
            const __m512i both = _mm512_loadu_si512(b + at);
            _mm512_store_si512(bytes + at, _mm512_and_si512(both, low));
            _mm512_store_si512(bytes + PAIR_BYTES / 2 + at,
                               _mm512_and_si512(_mm512_srli_epi16(both, 4), low));
        }
        for (int lane = 0; lane < B4C_PANEL; lane += VEC_LANES) {
            const vec inverse = v_div(v_set(1), v_load_float(unit + lane));
            __m512i offset[2];
            for (int g = 0; g < 2; g++) {
                const int at = g * B4C_PANEL + lane;
                const uint16_t *scales = (const uint16_t *)(const void *)(b + B4C_I4_SCALES);
                const vec d = v_load_bf16_n(scales + at, VEC_LANES);
                const vec c = v_load_i8_n(b + B4C_I4_OFFSETS + at, 0, VEC_LANES);
                const vec e = v_mul(d, v_sub(v_mul(c, v_set(0.0625f)), v_set(8)));
                v_store(room->d + 2 * i * B4C_PANEL + at, d);
                offset[g] = _mm512_cvtps_epi32(v_mul(e, inverse));
            }
            _mm512_store_si512(room->offsets + i * B4C_PANEL + lane,
                               _mm512_mask_blend_epi16(0xaaaaaaaau, offset[0],
                                                       _mm512_slli_epi32(offset[1], 16)));
        }
    }
}

/* Where tile t of a block begins: the last one ends with the block. */
static inline int first_row(int t, int rows) { return t * 16 + 16 <= rows ? t * 16 : rows - 16; }

/* What stands beside 16 rows' sums is added to them. p: of their first row. */
static void add_beside(const b4c_group_pair *p, size_t ld, const float *unit, const int32_t *beside,
                       float *out)
{
    for (int i = 0; i < 16; i++, p += ld, beside += B4C_PANEL, out += B4C_PANEL)
        for (int lane = 0; lane < B4C_PANEL; lane += VEC_LANES) {
            const vec units = v_mul(v_load_float(unit + lane), v_set(p->unit));
            const vec sum = _mm512_cvtepi32_ps(_mm512_load_si512(beside + lane));
            v_store(out + lane, v_fma(sum, units, v_load(out + lane)));
        }
}

/* Rows from .. from + rows - 1, at least 16: the last 16 may lie over those before them. */
static void groups_block(const b4c_gemm *g, int from, int rows, int begin, int end,
                         groups_room *room)
{
    const b4c_packed *w = g->w;
    const bool i4 = w->dtype == B4C_I4;
    const int blocks = w->kp / 64, tiles = (rows + 15) / 16, chunk = i4 ? CHUNK_PAIRS : blocks;
    const size_t block = i4 ? B4C_I4_BLOCK : PAIR_BYTES, x_ld = g->in.ld, ld = (size_t)blocks;
    const finish_fn finish = finish_of(g);
    const b4c_group_pair *p = (const b4c_group_pair *)(const void *)g->in.scale + (size_t)from * ld;
    const char *x = (const char *)g->in.data + (size_t)from * x_ld;

    for (int panel = begin; panel < end; panel++) {
        const char *weights = (const char *)w->panels + (size_t)panel * ld * block;
        float unit[B4C_PANEL];
        for (int j = 0; i4 && j < B4C_PANEL; j++) {
            const float own = w->scale[panel * B4C_PANEL + j];
            unit[j] = own > 0x1p-100f ? own : 0x1p-100f;
        }
        for (int b = 0; b < blocks; b += chunk) {
            const int n = blocks - b < chunk ? blocks - b : chunk;
            const char *from_b = weights + (size_t)b * block;
            if (i4) unpack_nibbles((const uint8_t *)from_b, n, unit, room);
            for (int t = 0; t < 2 * tiles; t++) {
                const int row = first_row(t / 2, rows), half = t % 2 * 16;
                const sixteen part = {
                    .x = x + (size_t)row * x_ld + (size_t)b * 2 * GROUP_BYTES,
                    .w = (i4 ? (const char *)room->bytes : from_b) + half * 4,
                    .p = p + (size_t)row * ld + b,
                    .d = (i4 ? room->d : w->scale + panel * B4C_PANEL) + half,
                    .offsets = room->offsets + half,
                    .x_ld = x_ld,
                    .ld = ld,
                    .pairs = n,
                    .first = b == 0,
                };
                float *out = room->out[t / 2] + half;
                if (i4) sixteen_i4(&part, out, room->beside[t / 2] + half);
                else sixteen_i8(&part, out);
            }
        }
        epilogue e;
        epilogue_init(&e, g, panel, false);
        for (int t = 0; t < tiles; t++) {
            const int row = first_row(t, rows), again = t * 16 - row; /* the tile before had them */
            float *out = room->out[t];
            if (i4) add_beside(p + (size_t)row * ld, ld, unit, room->beside[t], out);
            finish(&e, out + again * B4C_PANEL, from + t * 16, 16 - again);
        }
    }
}

/* Rows that go together, 0: this product is the vectors' own. A block of rows stays in 3/8 of L2
 * while all panels pass over it. */
static int groups_together(const b4c_gemm *g)
{
    if (g->in.form != B4C_FORM_I8_GROUPS || g->in.rows <= FEW_GROUPS) return 0;
    const long l2 = (long)b4c_cpu_get()->l2_bytes * 3 / 8 / g->w->kp;
    return l2 < 32 ? 32 : l2 > GROUPS_BLOCK ? GROUPS_BLOCK : (int)l2;
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
