/* gguf_quants.c - ggml's block types, one function a block.
 *
 * Idea: in all of them a value is scale * integer + offset. What differs is where the integers'
 * bits lie: as nibbles the low ones come first, then the high ones of the same bytes; fifth and
 * sixth bits lie apart. The types of 256 (K) cut a block into parts of 16 or 32 with small scales
 * of their own, times the block's.
 * Products and sums are in the order that ggml rounds them in.
 * Source: github.com/ggml-org/ggml, src/ggml-common.h (layouts), gguf-py/gguf/quants.py (values).
 */
#include "model/format/gguf_quants.h"

#include "base/span.h"
#include "model/format/half.h"
#include <assert.h>

static float half_at(const unsigned char *p) { return b4c_from_half(b4c_u16(p)); }

/* ---- 32 values ------------------------------------------------------------------------------ */

/* 16 bytes: their low nibbles, then their high ones; `five`: bit i is the fifth of value i. */
static void nibbles(const unsigned char *q, uint32_t five, int integer[32])
{
    for (int i = 0; i < 16; i++) {
        integer[i] = (q[i] & 15) | (int)(five >> i & 1) << 4;
        integer[16 + i] = q[i] >> 4 | (int)(five >> (16 + i) & 1) << 4;
    }
}

/* d, 16 bytes: d * (q - 8) */
static void q4_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    int q[32];
    nibbles(b + 2, 0, q);
    for (int i = 0; i < 32; i++) y[i] = d * (float)(q[i] - 8);
}

/* d, m, 16 bytes: d * q + m */
static void q4_1(const unsigned char *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    int q[32];
    nibbles(b + 4, 0, q);
    for (int i = 0; i < 32; i++) y[i] = d * (float)q[i] + m;
}

/* d, fifth bits, 16 bytes: d * (q - 16) */
static void q5_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    int q[32];
    nibbles(b + 6, b4c_u32(b + 2), q);
    for (int i = 0; i < 32; i++) y[i] = d * (float)(q[i] - 16);
}

/* d, m, fifth bits, 16 bytes: d * q + m */
static void q5_1(const unsigned char *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    int q[32];
    nibbles(b + 8, b4c_u32(b + 4), q);
    for (int i = 0; i < 32; i++) y[i] = d * (float)q[i] + m;
}

/* d, 32 signed bytes */
static void q8_0(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 32; i++) y[i] = d * (float)(signed char)b[2 + i];
}

/* Levels that are denser around 0. */
static const signed char levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113 };

/* 16 bytes of nibbles that count levels. */
static void level_nibbles(const unsigned char *q, float d, float *y)
{
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)levels[q[i] & 15];
        y[16 + i] = d * (float)levels[q[i] >> 4];
    }
}

static void iq4_nl(const unsigned char *b, float *y) { level_nibbles(b + 2, half_at(b), y); }

/* ---- 256 values ----------------------------------------------------------------------------- */

/* Of two bits, a block has 2 halves of 4 parts of 32: part p of half n is bits 2p of 32 bytes. */
static int two_bits(const unsigned char *q, int n, int p, int l)
{
    return q[32 * n + l] >> 2 * p & 3;
}

/* 16 scales (low nibble) and minima (high), 64 bytes, d, dmin */
static void q2_k(const unsigned char *b, float *y)
{
    const unsigned char *scales = b, *q = b + 16;
    const float d = half_at(b + 80), dmin = half_at(b + 82);
    for (int n = 0; n < 2; n++)
        for (int p = 0; p < 4; p++)
            for (int l = 0; l < 32; l++) {
                const int s = scales[8 * n + 2 * p + l / 16];
                const float scale = d * (float)(s & 15), min = dmin * (float)(s >> 4);
                *y++ = scale * (float)two_bits(q, n, p, l) - min;
            }
}

/* 32 bytes of third bits (unset: 4 less), 64 bytes, 12 bytes of 16 scales in 6 bits, d */
static void q3_k(const unsigned char *b, float *y)
{
    const unsigned char *third = b, *q = b + 32, *s = b + 96;
    const float d = half_at(b + 108);
    float scale[16];
    for (int j = 0; j < 16; j++) {
        const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4, high = s[8 + j % 4] >> 2 * (j / 4) & 3;
        scale[j] = d * (float)((low | high << 4) - 32);
    }
    for (int n = 0; n < 2; n++)
        for (int p = 0; p < 4; p++)
            for (int l = 0; l < 32; l++) {
                const int more = third[l] >> (4 * n + p) & 1;
                *y++ = scale[8 * n + 2 * p + l / 16] *
                       (float)(two_bits(q, n, p, l) - (more ? 0 : 4));
            }
}

/* The 8 scales and minima of 6 bits in 12 bytes that Q4_K and Q5_K have. */
static void six_bits(const unsigned char *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *min = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* d, dmin, 12 bytes of scales, 32 bytes of fifth bits where `five` is not NULL, 128 bytes */
static void four_bits_k(const unsigned char *b, const unsigned char *five, const unsigned char *q,
                        float *y)
{
    const float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j++) {
        int s, m;
        six_bits(b + 4, j, &s, &m);
        const float scale = d * (float)s, min = dmin * (float)m;
        for (int l = 0; l < 32; l++) {
            int integer = q[32 * (j / 2) + l] >> 4 * (j % 2) & 15;
            if (five) integer |= (five[l] >> j & 1) << 4;
            *y++ = scale * (float)integer - min;
        }
    }
}

static void q4_k(const unsigned char *b, float *y) { four_bits_k(b, NULL, b + 16, y); }
static void q5_k(const unsigned char *b, float *y) { four_bits_k(b, b + 16, b + 48, y); }

/* 128 bytes of low nibbles, 64 of upper two bits, 16 signed scales, d */
static void q6_k(const unsigned char *b, float *y)
{
    const unsigned char *low = b, *high = b + 128, *scales = b + 192;
    const float d = half_at(b + 208);
    for (int n = 0; n < 2; n++)
        for (int p = 0; p < 4; p++)
            for (int l = 0; l < 32; l++) {
                const int nibble = low[64 * n + l + 32 * (p & 1)] >> (p < 2 ? 0 : 4) & 15;
                const int integer = (nibble | two_bits(high, n, p, l) << 4) - 32;
                *y++ = d * (float)(signed char)scales[8 * n + 2 * p + l / 16] * (float)integer;
            }
}

/* d, two upper bits and four lower ones of 8 scales, 128 bytes of levels */
static void iq4_xs(const unsigned char *b, float *y)
{
    const float d = half_at(b);
    const int high = b4c_u16(b + 2);
    for (int j = 0; j < 8; j++) {
        const int scale = (b[4 + j / 2] >> 4 * (j % 2) & 15) | (high >> 2 * j & 3) << 4;
        level_nibbles(b + 8 + 16 * j, d * (float)(scale - 32), y + 32 * j);
    }
}

/* --------------------------------------------------------------------------------------------- */

typedef void (*block_fn)(const unsigned char *block, float *y);

static const block_fn readers[] = {
    [B4C_STORED_Q4_0] = q4_0, [B4C_STORED_Q4_1] = q4_1,     [B4C_STORED_Q5_0] = q5_0,
    [B4C_STORED_Q5_1] = q5_1, [B4C_STORED_Q8_0] = q8_0,     [B4C_STORED_Q2_K] = q2_k,
    [B4C_STORED_Q3_K] = q3_k, [B4C_STORED_Q4_K] = q4_k,     [B4C_STORED_Q5_K] = q5_k,
    [B4C_STORED_Q6_K] = q6_k, [B4C_STORED_IQ4_NL] = iq4_nl, [B4C_STORED_IQ4_XS] = iq4_xs,
};

void b4c_blocks_read(b4c_stored_type type, const unsigned char *from, float *to, int64_t blocks)
{
    const size_t width = b4c_stored_width(type);
    const int block = b4c_stored_block(type);
    assert(block > 1 && readers[type]);
    for (int64_t i = 0; i < blocks; i++) readers[type](from + (size_t)i * width, to + i * block);
}
