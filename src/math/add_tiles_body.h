/* add_tiles_body.h - the products of add_half_body.h on AMX tiles. gemm_amx.c includes it, behind
 * amx_tiles.h and vec_avx512.h.
 *
 * The same chunks of k and panels of b, which tiles read as they lie (gemm_amx.c); a is copied in
 * tile order, [16 rows][steps of 32 k][16][64 bytes], by rounding where its rows stand one behind
 * the other, by 16 x 16 transposes of pairs where they stand side by side. A block of 32 x 32 sums
 * is one accumulator from zero a chunk of k, in the tile's order, and is then added to c: so
 * neither rows nor their division show.
 */
#ifndef B4C_MATH_ADD_TILES_BODY_H
#define B4C_MATH_ADD_TILES_BODY_H
#include "math/add_copies_body.h"
#include "math/half_copies_body.h"

enum {
    TILES_ROWS = 128,                    /* of a that are copied at once */
    TILES_STEPS = HALF_CHUNK / 32,
    TILES_STRIP = TILES_STEPS * 1024,    /* bytes of 16 rows */
};

static inline size_t tiles_steps(int ks) { return (size_t)(ks + 31) / 32; }

/* Steps are whole: zeros behind the last k. */
static void tiles_panel(const addition *s, int k, int ks, int j, int columns, void *panel)
{
    const size_t pairs = ((size_t)ks + 1) / 2;
    half_panel(s, k, ks, j, columns, panel);
    memset((uint16_t *)panel + 2 * B4C_PANEL * pairs, 0,
           (tiles_steps(ks) * 16 - pairs) * 2 * B4C_PANEL * sizeof(uint16_t));
}

/* x[i][j] <-> x[j][i], 16 x 16 words of 32 bits: by words, pairs, fours, eights. */
static inline void tiles_turn(__m512i x[16])
{
    __m512i y[16];
    B4C_UNROLL
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    B4C_UNROLL
    for (int i = 0; i < 16; i += 4) {
        B4C_UNROLL
        for (int j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm512_unpacklo_epi64(y[i + j], y[i + j + 2]);
            x[i + 2 * j + 1] = _mm512_unpackhi_epi64(y[i + j], y[i + j + 2]);
        }
    }
    B4C_UNROLL
    for (int i = 0; i < 16; i += 8) {
        B4C_UNROLL
        for (int j = 0; j < 4; j++) {
            y[i + j] = _mm512_shuffle_i32x4(x[i + j], x[i + j + 4], 0x88);
            y[i + j + 4] = _mm512_shuffle_i32x4(x[i + j], x[i + j + 4], 0xdd);
        }
    }
    B4C_UNROLL
    for (int j = 0; j < 8; j++) {
        x[j] = _mm512_shuffle_i32x4(y[j], y[j + 8], 0x88);
        x[j + 8] = _mm512_shuffle_i32x4(y[j], y[j + 8], 0xdd);
    }
}

/* 16 rows of a that stand side by side (`rows` of them exist), one step of k, as one tile. */
static void tiles_turned(const addition *s, const float *a, int rows, int ks, char *tile)
{
    const __mmask16 m = first_lanes(rows);
    __m512i x[16];
    B4C_UNROLL
    for (int i = 0; i < 16; i++, a += 2 * s->a_k) {
        const __m512 lo = 2 * i < ks ? _mm512_maskz_loadu_ps(m, a) : _mm512_setzero_ps(),
                     hi = 2 * i + 1 < ks ? _mm512_maskz_loadu_ps(m, a + s->a_k)
                                         : _mm512_setzero_ps();
        x[i] = half_pair(lo, hi);
    }
    tiles_turn(x);
    B4C_UNROLL
    for (int i = 0; i < 16; i++) _mm512_store_si512(tile + 64 * i, x[i]);
}

/* Rows row .. row+rows-1 of a, k .. k+ks-1, in tile order; rows beyond are left as they are. */
static void tiles_block(const addition *s, size_t row, int rows, int k, int ks, void *block)
{
    const float *a = s->a + row * s->a_row + (size_t)k * s->a_k;
    const size_t steps = tiles_steps(ks);
    for (int i = 0; i < rows && s->a_k == 1; i++, a += s->a_row) {
        char *to = (char *)block + (size_t)(i / 16) * TILES_STRIP + (size_t)(i % 16) * 64;
        for (size_t l = 0; l < steps; l++, to += 1024) {
            const int left = ks - 32 * (int)l;
            if (left < 32) memset(to, 0, 64);
            half_row(a + 32 * l, left < 32 ? left : 32, s->a_row, (uint16_t *)(void *)to);
        }
    }
    for (int i = 0; i < rows && s->a_k != 1; i += 16)
        for (size_t l = 0; l < steps; l++)
            tiles_turned(s, a + i + 32 * l * s->a_k, rows - i, ks - 32 * (int)l,
                         (char *)block + (size_t)(i / 16) * TILES_STRIP + l * 1024);
}

/* 32 x 32 sums (`two`: 16 more rows than the first 16), a at a block, b at a panel. */
B4C_INLINE void tiles_sums(const bool two, const char *a, const char *b, size_t steps, float *sum)
{
    TILE_ZERO(0);
    TILE_ZERO(1);
    if (two) {
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
    for (size_t l = 0; l < steps; l++, a += 1024, b += 2048) {
        TILE_LOAD(6, b, 128);
        TILE_LOAD(4, a, 64);
        TILE_LOAD(7, b + 64, 128);
        if (two) TILE_LOAD(5, a + TILES_STRIP, 64);
        TILE_BF16(0, 4, 6);
        TILE_BF16(1, 4, 7);
        if (two) {
            TILE_BF16(2, 5, 6);
            TILE_BF16(3, 5, 7);
        }
    }
    TILE_STORE(0, sum, 128);
    TILE_STORE(1, sum + 16, 128);
    if (two) {
        TILE_STORE(2, sum + 16 * B4C_PANEL, 128);
        TILE_STORE(3, sum + 16 * B4C_PANEL + 16, 128);
    }
}

static void tiles_rows(const addition *s, int row, int rows, int ks, const void *block,
                       const void *panels, int n_panels, int j)
{
    const char *panel = panels;
    float sum[32 * B4C_PANEL] __attribute__((aligned(64)));
    for (int p = 0; p < n_panels; p++, j += B4C_PANEL, panel += ADD_PANEL) {
        const int columns = s->n - j < B4C_PANEL ? s->n - j : B4C_PANEL;
        for (int i = 0; i < rows; i += 32) {
            const int n = rows - i < 32 ? rows - i : 32;
            const char *a = (const char *)block + (size_t)(i / 16) * TILES_STRIP;
            float *c = s->c + (size_t)(row + i) * s->ldc + j;
            add_ahead(c, s->ldc, n);
            if (n > 16) tiles_sums(true, a, panel, tiles_steps(ks), sum);
            else tiles_sums(false, a, panel, tiles_steps(ks), sum);
            add_rows(sum, c, s->ldc, n, columns);
        }
    }
}

static void add_half(const addition *s, int begin, int end)
{
    char block[TILES_ROWS / 16 * TILES_STRIP] __attribute__((aligned(64)));
    if (begin >= end) return;
    tile_config(16, 16);
    add_pieces(s, (add_way){ HALF_CHUNK, TILES_ROWS, tiles_panel, tiles_block, tiles_rows }, begin,
               end, block);
    tile_release();
}
#endif
