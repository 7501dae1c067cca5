/* utf8.h - UTF-8, strictly: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 *
 * Invariant: readers never look at or past `end`, whatever the bytes are.
 */
#ifndef B4C_TEXT_UTF8_H
#define B4C_TEXT_UTF8_H
#include "base/error.h"

#define B4C_NOT_A_CHAR 0xffffffffu

/* The character at p (p < end); *next is where the following one starts. B4C_NOT_A_CHAR: the bytes
 * p .. *next - 1 begin no character; as Unicode 3.9 recommends, they are as many as one replacement
 * character should stand for. */
static inline uint32_t b4c_utf8_read(const uint8_t *p, const uint8_t *end, const uint8_t **next)
{
    const uint32_t c = p[0];
    if (c < 0x80) {
        *next = p + 1;
        return c;
    }
    uint32_t low = 0x80, high = 0xbf, n, value;
    if (c >= 0xc2 && c <= 0xdf) {
        n = 1;
        value = c & 0x1f;
    } else if ((c & 0xf0) == 0xe0) {
        n = 2;
        value = c & 0x0f;
        if (c == 0xe0) low = 0xa0;
        if (c == 0xed) high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        n = 3;
        value = c & 0x07;
        if (c == 0xf0) low = 0x90;
        if (c == 0xf4) high = 0x8f;
    } else {
        *next = p + 1;
        return B4C_NOT_A_CHAR;
    }
    const uint8_t *q = p + 1;
    for (; n; n--, q++) {
        if (q == end || *q < low || *q > high) {
            *next = q;
            return B4C_NOT_A_CHAR;
        }
        value = value << 6 | (*q & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *next = q;
    return value;
}

/* The character that ends at p (begin < p); *start is its first byte. B4C_NOT_A_CHAR: none does;
 * *start is p - 1. */
static inline uint32_t b4c_utf8_before(const uint8_t *begin, const uint8_t *p,
                                       const uint8_t **start)
{
    const uint8_t *q = p - 1, *next;
    while (q > begin && p - q < 4 && (*q & 0xc0) == 0x80) q--;
    const uint32_t c = b4c_utf8_read(q, p, &next);
    *start = next == p ? q : p - 1;
    return next == p ? c : B4C_NOT_A_CHAR;
}

/* Bytes written for c (not a surrogate, at most U+10FFFF): 1 to 4. */
static inline int b4c_utf8_write(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Offset of the first byte that begins no character; n when all is UTF-8. */
size_t b4c_utf8_check(const char *text, size_t n);
/* Characters in text that is UTF-8. */
size_t b4c_utf8_count(const char *text, size_t n);
/* Is all of it pairs of GBK and ASCII, with at least two pairs, and not UTF-8? */
bool b4c_looks_like_gbk(const char *text, size_t n);
/* B4C_E_TEXT: `what` has the byte text[at] that is not UTF-8; says so, with what it looks like. */
int b4c_utf8_fail(const char *what, const char *text, size_t n, size_t at, b4c_error *);
#endif
