/* bytes_avx2.h - the vector words (vec_scalar.h) that AVX2 and AVX-512 spell alike. */
#ifndef B4C_MATH_BYTES_AVX2_H
#define B4C_MATH_BYTES_AVX2_H
#ifndef __AVX2__
#error "this file wants the flags of AVX2"
#endif
#include <immintrin.h>
#include <stdint.h>

static inline int v_sum_bytes(const int8_t *p)
{
    /* as bytes + 128, of which vpsadbw adds eight at once */
    const __m256i x = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)p),
                                       _mm256_set1_epi8(-128));
    const __m256i four = _mm256_sad_epu8(x, _mm256_setzero_si256());
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(s) - 32 * 128;
}
#endif
