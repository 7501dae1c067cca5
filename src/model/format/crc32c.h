/* crc32c.h - CRC-32C (Castagnoli), as TensorFlow's checkpoints carry it. */
#ifndef B4C_MODEL_FORMAT_CRC32C_H
#define B4C_MODEL_FORMAT_CRC32C_H
#include <stddef.h>
#include <stdint.h>

uint32_t b4c_crc32c(const void *bytes, size_t n);
/* The same by tables, on any machine; b4c_crc32c uses the processor's instruction where there is
 * one. */
uint32_t b4c_crc32c_tables(const void *bytes, size_t n);
/* Goes on from the checksum of the bytes before: crc32c_more(0, x, n) is crc32c(x, n). */
uint32_t b4c_crc32c_more(uint32_t before, const void *bytes, size_t n);
/* LevelDB and TensorFlow store checksums masked, so that a checksum over stored checksums still
 * says something. */
static inline uint32_t b4c_crc32c_unmask(uint32_t masked)
{
    const uint32_t rotated = masked - 0xa282ead8u;
    return rotated >> 17 | rotated << 15;
}
#endif
