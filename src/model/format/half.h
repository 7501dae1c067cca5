/* half.h - IEEE half precision to and from float. */
#ifndef B4C_MODEL_FORMAT_HALF_H
#define B4C_MODEL_FORMAT_HALF_H
#include <stdint.h>
#include <string.h>

/* Selection instead of branches, and no denormal float on the way, so that flushing modes do not
 * matter. */
static inline float b4c_from_half(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fffu;
    const float tiny = (float)(int)rest * 0x1p-24f; /* exponent 0 */
    uint32_t bits, tiny_bits;
    memcpy(&tiny_bits, &tiny, 4);
    bits = (rest << 13) +
           (rest >= 0x7c00 ? (uint32_t)(255 - 31) << 23 : (uint32_t)(127 - 15) << 23);
    bits = (rest < 0x0400 ? tiny_bits : bits) | sign;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/* To nearest, ties to even; infinity from 65520 on; NaN stays NaN. */
static inline uint16_t b4c_to_half(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return sign | 0x7e00;
    if (bits >= 0x477ff000) return sign | 0x7c00;
    if (bits < 0x38800000) { /* below 2^-14: a whole number of 2^-24 */
        const uint32_t exponent = bits >> 23;
        if (exponent < 102) return sign; /* below 2^-25 */
        const uint32_t fraction = (bits & 0x7fffff) | 0x800000, shift = 126 - exponent,
                       half = 1u << (shift - 1), rest = fraction & (2 * half - 1);
        uint32_t whole = fraction >> shift;
        whole += rest > half || (rest == half && (whole & 1));
        return (uint16_t)(sign | whole);
    }
    bits += 0xfff + (bits >> 13 & 1);
    bits -= (uint32_t)(127 - 15) << 23;
    return (uint16_t)(sign | (bits >> 13));
}
#endif
