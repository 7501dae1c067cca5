/* sha.c - SHA-256 and SHA-1 (FIPS 180-4). One block function each; padding and hex are shared. */
#include "sha.h"
#include <stdio.h>
#include <string.h>

/* Fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t right(uint32_t x, int n) { return x >> n | x << (32 - n); }
static uint32_t left(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void load(uint32_t w[16], const unsigned char *p)
{
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
}

static void block256(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64], s[8];
    load(w, p);
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (right(a, 7) ^ right(a, 18) ^ a >> 3) + w[i - 7] +
               (right(b, 17) ^ right(b, 19) ^ b >> 10);
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        /* s turns instead of moving: a stands at s[-i], b at s[1 - i], ... */
        uint32_t *const at[8] = { s + (64 - i) % 8, s + (65 - i) % 8, s + (66 - i) % 8,
                                  s + (67 - i) % 8, s + (68 - i) % 8, s + (69 - i) % 8,
                                  s + (70 - i) % 8, s + (71 - i) % 8 };
        const uint32_t a = *at[0], b = *at[1], c = *at[2], e = *at[4];
        const uint32_t t = *at[7] + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) +
                           ((e & *at[5]) ^ (~e & *at[6])) + k256[i] + w[i];
        *at[3] += t;
        *at[7] = t + (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

static void block1(uint32_t h[5], const unsigned char *p)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    load(w, p);
    for (int i = 16; i < 80; i++) w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        const uint32_t f = i < 20 ? ((b & c) | (~b & d)) + 0x5a827999
                         : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                  : (b ^ c ^ d) + 0xca62c1d6;
        const uint32_t t = left(a, 5) + f + e + w[i];
        e = d;
        d = c;
        c = left(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void cli_sha256_start(cli_sha *s)
{
    *s = (cli_sha){ .h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                           0x1f83d9ab, 0x5be0cd19 },
                    .words = 8 };
}

void cli_sha1_start(cli_sha *s)
{
    *s = (cli_sha){ .h = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 },
                    .words = 5 };
}

static void one_block(cli_sha *s, const unsigned char *p)
{
    if (s->words == 8)
        block256(s->h, p);
    else
        block1(s->h, p);
}

void cli_sha_add(cli_sha *s, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    const size_t held = s->bytes % 64;
    s->bytes += n;
    if (held + n < 64) {
        memcpy(s->block + held, p, n);
        return;
    }
    if (held) {
        memcpy(s->block + held, p, 64 - held);
        one_block(s, s->block);
        p += 64 - held;
        n -= 64 - held;
    }
    for (; n >= 64; p += 64, n -= 64) one_block(s, p);
    memcpy(s->block, p, n);
}

void cli_sha_end(cli_sha *s, char hex[65])
{
    static const unsigned char pad[64] = { 0x80 };
    unsigned char length[8];
    const uint64_t bits = s->bytes * 8;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    cli_sha_add(s, pad, 1 + (119 - s->bytes % 64) % 64);
    cli_sha_add(s, length, 8);
    for (int i = 0; i < s->words; i++) sprintf(hex + 8 * i, "%08x", s->h[i]);
}
