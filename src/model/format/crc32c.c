/* crc32c.c - CRC-32C by the processor's instruction (x86: SSE4.2, ARM: the CRC extension), else by
 * eight tables.
 *
 * Idea: the register holds the remainder of what was read, reflected (polynomial 0x82f63b78),
 * complemented at both ends. The tables are built on the stack, once a call, from sixteen
 * constants: no state, and 2 us against the milliseconds of the megabytes for which they are built;
 * short inputs go by the sixteen constants alone.
 */
#include "model/format/crc32c.h"

#include <string.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

/* Remainders of the sixteen nibbles. */
static const uint32_t nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static inline uint32_t byte_step(uint32_t r, unsigned char byte)
{
    r ^= byte;
    r = r >> 4 ^ nibble[r & 15];
    return r >> 4 ^ nibble[r & 15];
}

static uint32_t run_tables(uint32_t r, const unsigned char *p, size_t n)
{
    if (n >= 16384) { /* t[k][b]: remainder of byte b with k zero bytes behind it */
        uint32_t t[8][256];
        for (int b = 0; b < 256; b++) t[0][b] = byte_step(0, (unsigned char)b);
        for (int k = 1; k < 8; k++)
            for (int b = 0; b < 256; b++) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 255];
        for (; n >= 8; n -= 8, p += 8) {
            r ^= p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
            r = t[7][r & 255] ^ t[6][r >> 8 & 255] ^ t[5][r >> 16 & 255] ^ t[4][r >> 24] ^
                t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
        }
    }
    while (n--) r = byte_step(r, *p++);
    return r;
}

#if defined(__x86_64__)
static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) static uint32_t run_instruction(uint32_t r,
                                                                  const unsigned char *p, size_t n)
{
    uint64_t wide = r, word;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    r = (uint32_t)wide;
    while (n--) r = _mm_crc32_u8(r, *p++);
    return r;
}
#elif defined(__aarch64__) && defined(__linux__)
static int has_instruction(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

__attribute__((target("+crc"))) static uint32_t run_instruction(uint32_t r, const unsigned char *p,
                                                                size_t n)
{
    uint64_t word;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        r = __crc32cd(r, word);
    }
    while (n--) r = __crc32cb(r, *p++);
    return r;
}
#else
static int has_instruction(void) { return 0; }
#define run_instruction run_tables
#endif

uint32_t b4c_crc32c_more(uint32_t before, const void *bytes, size_t n)
{
    return ~(has_instruction() ? run_instruction : run_tables)(~before, bytes, n);
}

uint32_t b4c_crc32c(const void *bytes, size_t n) { return b4c_crc32c_more(0, bytes, n); }
uint32_t b4c_crc32c_tables(const void *bytes, size_t n) { return ~run_tables(~0u, bytes, n); }
