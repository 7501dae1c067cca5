/* gemm_amx.c - products on AMX tiles, bf16 and int8, over operands in tile order; f32 and int4 are
 * AVX-512's.
 *
 * The idea: a block of 32 rows x 32 outputs takes four tiles of sums, two of rows and two of
 * weights: four loads for four products. The two weight tiles of a step are the even and the odd
 * cache lines of the panel that every other instruction set reads too. While the products of one
 * block run on the tile unit, the vector units finish the block before it, and the next panel is
 * fetched into L2.
 *
 * Order of sums, bf16: for each 32 k, the products at even k and those at odd k are summed apart,
 * from zero, by fused multiply-adds in order of k; then sum + (even + odd); denormal numbers count
 * as zero, before and after. For one or two rows tiles are the slower way; then fp32 multiply-adds
 * do the same in the same order, so the result does not depend on the number of rows. int8 sums are
 * exact integers: tiles multiply signed bytes, the vectors for few rows unsigned ones (q + 128).
 *
 * Blocking: rows whose operand fits half of L2 go together; in them the k of a panel is cut into
 * chunks of 16 steps (32 KiB) that stay in L1 while 8 blocks pass, whose sums wait in scratch. Rows
 * of an operand stream past L1 meanwhile.
 */
#ifndef __AVX512F__
#error "gemm_amx.c wants the flags of AVX-512 and AMX"
#endif
#define B4C_VEC_BF16
#include "math/internal.h"
#include "math/vec_avx512.h"

#include "math/act_body.h"
#include "math/amx_tiles.h"

#define UNROLL B4C_UNROLL

static inline vec v_load_float(const float *p) { return _mm512_loadu_ps(p); }
static inline vec v_sums_i8(const int32_t *sum, const int32_t *sum128)
{
    return _mm512_cvtepi32_ps(
        _mm512_sub_epi32(_mm512_loadu_si512(sum), _mm512_loadu_si512(sum128)));
}
#include "math/convert_body.h"
#include "math/gemm_epilogue.h"
#include "math/add_tiles_body.h"

enum {
    BLOCK = 32,                 /* rows of a block */
    LINE = 64, TILE = 1024,     /* bytes of a row of a tile, and of all 16 */
    STEP = 2 * TILE,            /* bytes of a panel that a step reads */
    SUMS = BLOCK * B4C_PANEL * 4,   /* bytes */
    CHUNK = 16,                 /* steps of k whose weights stay in L1 */
    TOGETHER = 8,               /* blocks that pass over a chunk */
    FEW_BF16 = 2, FEW_I8 = 6,   /* rows up to which vectors are faster than tiles */
};

/* ---- tiles ---------------------------------------------------------------------------------- */

/* A finished block whose sums are not results yet. */
typedef struct pending {
    epilogue e;
    const void *sums;
    int row, rows, done;
} pending;

static inline void finish_some(pending *p, finish_fn finish, int rows)
{
    if (rows > p->rows - p->done) rows = p->rows - p->done;
    if (rows <= 0) return;
    finish(&p->e, (const char *)p->sums + (size_t)p->done * B4C_PANEL * 4, p->row + p->done, rows);
    p->done += rows;
}

/* Weights to fetch: the next panel, so many lines a step. */
typedef struct ahead { const char *at; int lines; } ahead;

/* `steps` of k for one block: rows at a (and at a + a16, when `two`), weights at b. Beside them
 * `each` rows of the pending block a step. */
B4C_INLINE void block(const bool i8, const bool two, const bool stream, const char *a, size_t a16,
                      const char *b, int steps, bool first, void *sums, pending *last,
                      finish_fn finish, int each, ahead *next)
{
#define PRODUCT(c, a, b)                                                                          \
    do {                                                                                          \
        if (i8) TILE_I8(c, a, b);                                                                 \
        else TILE_BF16(c, a, b);                                                                  \
    } while (0)
    char *s = sums;
    if (first) {
        TILE_ZERO(0);
        TILE_ZERO(1);
        if (two) {
            TILE_ZERO(2);
            TILE_ZERO(3);
        }
    } else {
        TILE_LOAD(0, s, 128);
        TILE_LOAD(1, s + LINE, 128);
        if (two) {
            TILE_LOAD(2, s + 16 * 128, 128);
            TILE_LOAD(3, s + 16 * 128 + LINE, 128);
        }
    }
    for (int k = 0; k < steps; k++, a += TILE, b += STEP) {
        TILE_LOAD(6, b, 128);
        if (stream) TILE_STREAM(4, a, LINE);
        else TILE_LOAD(4, a, LINE);
        TILE_LOAD(7, b + LINE, 128);
        if (two && stream) TILE_STREAM(5, a + a16, LINE);
        else if (two) TILE_LOAD(5, a + a16, LINE);
        PRODUCT(0, 4, 6);
        PRODUCT(1, 4, 7);
        if (two) {
            PRODUCT(2, 5, 6);
            PRODUCT(3, 5, 7);
        }
        for (int i = 0; i < next->lines; i++, next->at += LINE) _mm_prefetch(next->at, _MM_HINT_T1);
        finish_some(last, finish, each);
    }
    finish_some(last, finish, BLOCK); /* its sums may lie where these go */
    TILE_STORE(0, s, 128);
    TILE_STORE(1, s + LINE, 128);
    if (two) {
        TILE_STORE(2, s + 16 * 128, 128);
        TILE_STORE(3, s + 16 * 128 + LINE, 128);
    }
#undef PRODUCT
}

#define BLOCK_FUNCTION(name, i8, two, stream)                                                     \
    static void name(const char *a, size_t a16, const char *b, int steps, bool first, void *sums, \
                     pending *last, finish_fn finish, int each, ahead *next)                      \
    {                                                                                             \
        block(i8, two, stream, a, a16, b, steps, first, sums, last, finish, each, next);          \
    }
BLOCK_FUNCTION(bf16_half, false, false, false)
BLOCK_FUNCTION(bf16_whole, false, true, false)
BLOCK_FUNCTION(bf16_stream, false, true, true)
BLOCK_FUNCTION(i8_half, true, false, false)
BLOCK_FUNCTION(i8_whole, true, true, false)
BLOCK_FUNCTION(i8_stream, true, true, true)

typedef void (*block_fn)(const char *a, size_t a16, const char *b, int steps, bool first,
                         void *sums, pending *last, finish_fn finish, int each, ahead *next);
static const block_fn bf16_blocks[] = { bf16_half, bf16_whole, bf16_stream };
static const block_fn i8_blocks[] = { i8_half, i8_whole, i8_stream };

/* Rows from .. from+rows-1, `from` a multiple of 32; all panels. */
static void tiles(const b4c_gemm *g, int from, int rows, int begin, int end, finish_fn finish)
{
    const b4c_packed *w = g->w;
    const bool i8 = w->dtype == B4C_I8;
    const int steps = w->kp / (i8 ? 64 : 32), blocks = (rows + BLOCK - 1) / BLOCK;
    const int chunks = blocks > 1 ? (steps + CHUNK - 1) / CHUNK : 1;
    const int each = (BLOCK * chunks + steps - 1) / steps;
    const size_t a16 = g->in.ld;
    const char *a = (const char *)g->in.data + (size_t)(from / 16) * a16;
    char sums[TOGETHER][SUMS] __attribute__((aligned(64)));
    pending last = { .rows = 0 };

    for (int p = begin; p < end; p++) {
        const char *b = (const char *)w->panels + (size_t)p * (size_t)steps * STEP;
        ahead next = { b + (size_t)steps * STEP,
                       p + 1 < end ? (STEP / LINE + blocks - 1) / blocks : 0 };
        epilogue e;
        epilogue_init(&e, g, p, false);
        for (int group = 0; group < blocks; group += TOGETHER) {
            int stop = group + TOGETHER < blocks ? group + TOGETHER : blocks;
            for (int c = 0; c < chunks; c++) {
                int k = steps * c / chunks, k_end = steps * (c + 1) / chunks;
                for (int i = group; i < stop; i++) {
                    int left = rows - i * BLOCK;
                    void *s = sums[chunks > 1 ? i - group : 0];
                    const block_fn run = i8 ? i8_blocks[left <= 16 ? 0 : blocks > 1 ? 2 : 1]
                                            : bf16_blocks[left <= 16 ? 0 : blocks > 1 ? 2 : 1];
                    run(a + (size_t)i * 2 * a16 + (size_t)k * TILE, a16, b + (size_t)k * STEP,
                        k_end - k, c == 0, s, &last, finish, each, &next);
                    if (c < chunks - 1) continue;
                    last.e = e;
                    if (e.bias == e.padded_bias) last.e.bias = last.e.padded_bias;
                    last.sums = s;
                    last.row = from + i * BLOCK;
                    last.rows = left < BLOCK ? left : BLOCK;
                    last.done = 0;
                }
            }
        }
    }
    finish_some(&last, finish, BLOCK);
}

/* ---- few rows ------------------------------------------------------------------------------- */

#define LANES        16
#define LARGE_ROWS   6
#define MOST_VECTORS 8
#define PREFETCH(p)  _mm_prefetch(p, _MM_HINT_T0)

static inline __m512i four8(const char *p)
{
    int x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x ^ (int)0x80808080);
}

#define NAME(x)              few_i8_##x
#define A_T                  char
#define B_T                  int8_t
#define SUM_T                int32_t
#define GROUP                4
#define PHASES               1
#define A_V                  __m512i
#define B_V                  __m512i
#define SUM_V                __m512i
#define A_LOAD(p, phase)     four8(p)
#define B_LOAD(p, phase)     _mm512_load_si512(p)
#define A_NEXT(step, a_step) ((step) % 16 == 15 ? TILE - LINE + 4 : 4)
#define DOT(s, a, b)         __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(a), "v"(b))
#define SUM_ZERO()           _mm512_setzero_si512()
#define SUM_STORE(p, s)      _mm512_store_si512(p, s)
#include "math/gemm_tile.h"
#include "math/gemm_words_end.h"

/* rows 1 .. 3 take 4 panels at once, 4 .. 6 take 2; what is left over, one. */
static int few_together(bool i8, int rows) { return i8 && rows <= 3 ? 4 : 2; }

static __attribute__((noinline)) void few_i8(int rows, bool together, const char *a,
                                             const int8_t *b, size_t panel, int k, int32_t *out)
{
#define SHAPE(r, p)                                                 \
    case r:                                                         \
        if (together)                                               \
            few_i8_tile(r, p, 2, a, LINE, 4, b, panel, k, out); \
        else                                                        \
            few_i8_tile(r, 1, 2, a, LINE, 4, b, panel, k, out); \
        break;
    switch (rows) {
        SHAPE(1, 4)
        SHAPE(2, 4)
        SHAPE(3, 4)
        SHAPE(4, 2)
        SHAPE(5, 2)
        SHAPE(6, 2)
    }
#undef SHAPE
}

static inline __m512 wide(__m512i pairs, int odd)
{
    return _mm512_castsi512_ps(odd ? _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000))
                                   : _mm512_slli_epi32(pairs, 16));
}
static inline __m512i pair(const char *p)
{
    int x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

/* The tile's order of sums, for `rows` rows and `panels` panels: see the head. */
B4C_INLINE void few_bf16_tile(const int rows, const int panels, const char *a, const char *b,
                              size_t panel, int steps, float *out)
{
    __m512 sum[FEW_BF16][4];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < 2 * panels; j++) sum[i][j] = _mm512_setzero_ps();
    }
    for (int s = 0; s < steps; s++, a += TILE) {
        __m512 even[FEW_BF16][4], odd[FEW_BF16][4];
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < 2 * panels; j++) even[i][j] = odd[i][j] = _mm512_setzero_ps();
        }
        for (int k = 0; k < LINE; k += 4, b += 2 * LINE) {
            UNROLL
            for (int p = 0; p < panels; p++) {
                const char *w = b + (size_t)p * panel;
                PREFETCH(w + 4096);
                PREFETCH(w + 4096 + LINE);
                UNROLL
                for (int j = 0; j < 2; j++) {
                    __m512i y = _mm512_load_si512(w + j * LINE);
                    UNROLL
                    for (int i = 0; i < rows; i++) {
                        __m512i x = pair(a + i * LINE + k);
                        __m512 *e = &even[i][2 * p + j], *o = &odd[i][2 * p + j];
                        *e = _mm512_fmadd_ps(wide(x, 0), wide(y, 0), *e);
                        *o = _mm512_fmadd_ps(wide(x, 1), wide(y, 1), *o);
                    }
                }
            }
        }
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < 2 * panels; j++)
                sum[i][j] = _mm512_add_ps(sum[i][j], _mm512_add_ps(even[i][j], odd[i][j]));
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < 2 * panels; j++)
            _mm512_store_ps(out + (j / 2 * LARGE_ROWS + i) * B4C_PANEL + j % 2 * LANES, sum[i][j]);
    }
}

static __attribute__((noinline)) void few_bf16(int rows, bool together, const char *a,
                                               const char *b, size_t panel, int steps, float *out)
{
    if (rows == 1 && together)
        few_bf16_tile(1, 2, a, b, panel, steps, out);
    else if (rows == 1)
        few_bf16_tile(1, 1, a, b, panel, steps, out);
    else if (together)
        few_bf16_tile(2, 2, a, b, panel, steps, out);
    else
        few_bf16_tile(2, 1, a, b, panel, steps, out);
}

static void few(const b4c_gemm *g, int begin, int end, finish_fn finish)
{
    enum { FLUSH = 0x8040 }; /* MXCSR: denormals are zero, as operands and as results */
    const b4c_packed *w = g->w;
    const bool i8 = w->dtype == B4C_I8;
    const int rows = g->in.rows, most = few_together(i8, rows);
    const size_t panel = (size_t)w->kp * B4C_PANEL;
    int32_t sums[4 * LARGE_ROWS * B4C_PANEL] __attribute__((aligned(64)));
    epilogue e;

    for (int p = begin; p < end;) {
        const int together = p + most <= end ? most : 1;
        if (i8) {
            few_i8(rows, together > 1, g->in.data, (const int8_t *)w->panels + (size_t)p * panel,
                   panel, w->k, sums);
        } else {
            const unsigned csr = _mm_getcsr();
            _mm_setcsr(csr | FLUSH);
            few_bf16(rows, together > 1, g->in.data,
                     (const char *)w->panels + (size_t)p * panel * 2, panel * 2, w->kp / 32,
                     (float *)(void *)sums);
            _mm_setcsr(csr);
        }
        for (int i = 0; i < together; i++, p++) {
            epilogue_init(&e, g, p, true);
            finish(&e, sums + i * LARGE_ROWS * B4C_PANEL, 0, rows);
        }
    }
}

/* ---- the table ------------------------------------------------------------------------------ */

static void (*vector_gemm)(const b4c_gemm *, int begin, int end);

static void gemm(const b4c_gemm *g, int begin, int end)
{
    const b4c_dtype dtype = g->w->dtype;
    if (dtype == B4C_F32 || g->in.form == B4C_FORM_I8_GROUPS) {
        vector_gemm(g, begin, end);
        return;
    }
    const int rows = g->in.rows;
    const finish_fn finish = finish_of(g);
    assert(g->in.form == (dtype == B4C_I8 ? B4C_FORM_TILE_I8 : B4C_FORM_TILE_BF16));
    if (rows <= (dtype == B4C_I8 ? FEW_I8 : FEW_BF16)) {
        few(g, begin, end, finish);
        return;
    }
    tile_config(rows < 16 ? rows : 16, rows > 16 && rows < 32 ? rows - 16 : 16);
    const long row_bytes = (long)(g->in.ld / 16);
    long most = (long)b4c_cpu_get()->l2_bytes * 15 / 32 / row_bytes / BLOCK * BLOCK;
    if (most < BLOCK) most = BLOCK;
    const long parts = (rows + most - 1) / most;
    for (long i = 0; i < parts; i++) {
        long from = (long)b4c_round_up((size_t)(rows * i / parts), BLOCK);
        long to = i == parts - 1 ? rows
                                 : (long)b4c_round_up((size_t)(rows * (i + 1) / parts), BLOCK);
        if (from < to) tiles(g, (int)from, (int)(to - from), begin, end, finish);
    }
    tile_release();
}

static b4c_form form(b4c_dtype weight)
{
    if (weight == B4C_I8) return B4C_FORM_TILE_I8;
    if (weight == B4C_I4) return B4C_FORM_I8_GROUPS;
    return weight == B4C_BF16 ? B4C_FORM_TILE_BF16 : B4C_FORM_REAL;
}

void b4c_fill_gemm_amx(b4c_kernels *t)
{
    vector_gemm = t->gemm;
    t->form = form;
    t->bf16_pays = true;
    t->batch_tokens = 512;
    t->gemm = gemm;
    t->half_nn = half_nn;
    t->half_tn = half_tn;
    fill_conversions(t);
}
