/* amx_emulated.h - the words of math/amx_tiles.h in C: a file that includes this one first builds
 * the product on tiles for machines without tiles.
 *
 * The arithmetic is the instruction's, to the bit: Intel's Software Developer's Manual (TDPBF16PS,
 * TDPBSSD) gives the operations, and on such a processor 512,000 results equalled this order of
 * sums. bf16: per row and output, the products of even and of odd k are summed apart by fused
 * multiply-adds from zero, then both are added to the sum; denormals are zero.
 */
#define B4C_MATH_AMX_TILES_H
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static _Thread_local struct {
    unsigned char bytes[8][16][64];
    int rows[8];
    int configured;
} emulated;

static void tile_config(int first, int second)
{
    memset(&emulated, 0, sizeof emulated);
    const int rows[8] = { first, first, second, second, first, second, 16, 16 };
    memcpy(emulated.rows, rows, sizeof rows);
    emulated.configured = 1;
}
static void tile_release(void) { emulated.configured = 0; }

static void tile_check(void)
{
    if (!emulated.configured) __builtin_trap(); /* the processor would refuse, too */
}
static void tile_zero(int t)
{
    tile_check();
    memset(emulated.bytes[t], 0, sizeof emulated.bytes[t]);
}
static void tile_load(int t, const void *p, long step)
{
    tile_check();
    tile_zero(t);
    for (int i = 0; i < emulated.rows[t]; i++)
        memcpy(emulated.bytes[t][i], (const char *)p + i * step, 64);
}
static void tile_store(int t, void *p, long step)
{
    tile_check();
    for (int i = 0; i < emulated.rows[t]; i++)
        memcpy((char *)p + i * step, emulated.bytes[t][i], 64);
}

static float half(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    union {
        uint32_t u;
        float f;
    } x = { (uint32_t)h << 16 };
    return x.f;
}
static __attribute__((noinline)) void tile_bf16_row(float *c, const unsigned char *a,
                                                    unsigned char b[16][64])
{
    for (int n = 0; n < 16; n++) {
        float even = 0, odd = 0;
        for (int k = 0; k < 16; k++) {
            even = __builtin_fmaf(half(a + 4 * k), half(b[k] + 4 * n), even);
            odd = __builtin_fmaf(half(a + 4 * k + 2), half(b[k] + 4 * n + 2), odd);
        }
        c[n] += even + odd;
    }
}
static void tile_bf16(int c, int a, int b)
{
    tile_check();
    const unsigned csr = _mm_getcsr();
    _mm_setcsr(csr | 0x8040);
    for (int m = 0; m < emulated.rows[c]; m++) {
        float sum[16];
        memcpy(sum, emulated.bytes[c][m], 64);
        tile_bf16_row(sum, emulated.bytes[a][m], emulated.bytes[b]);
        memcpy(emulated.bytes[c][m], sum, 64);
    }
    _mm_setcsr(csr);
}
static void tile_i8(int c, int a, int b)
{
    tile_check();
    for (int m = 0; m < emulated.rows[c]; m++) {
        int32_t sum[16];
        memcpy(sum, emulated.bytes[c][m], 64);
        for (int n = 0; n < 16; n++)
            for (int k = 0; k < 64; k++)
                sum[n] += (int8_t)emulated.bytes[a][m][k] *
                          (int8_t)emulated.bytes[b][k / 4][4 * n + k % 4];
        memcpy(emulated.bytes[c][m], sum, 64);
    }
}

#define TILE_ZERO(t)            tile_zero(t)
#define TILE_LOAD(t, p, step)   tile_load(t, p, step)
#define TILE_STREAM(t, p, step) tile_load(t, p, step)
#define TILE_STORE(t, p, step)  tile_store(t, p, step)
#define TILE_BF16(c, a, b)      tile_bf16(c, a, b)
#define TILE_I8(c, a, b)        tile_i8(c, a, b)
