/* utf8.c - whole texts: checking, counting, and guessing what bytes are that are not UTF-8. */
#include "text/utf8.h"

#include <string.h>

size_t b4c_utf8_check(const char *text, size_t n)
{
    const uint8_t *begin = (const uint8_t *)text, *end = begin + n, *p = begin;
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8 && (memcpy(&eight, p, 8), (eight & 0x8080808080808080u) == 0)) {
            p += 8;
            continue;
        }
        const uint8_t *next;
        if (b4c_utf8_read(p, end, &next) == B4C_NOT_A_CHAR) return (size_t)(p - begin);
        p = next;
    }
    return n;
}

size_t b4c_utf8_count(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

bool b4c_looks_like_gbk(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t pairs = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x80) continue;
        if (p[i] == 0x80 || p[i] == 0xff) return false;
        if (i + 1 == n) break;   /* a text cut inside a pair is still GBK */
        i++;
        if (p[i] < 0x40 || p[i] == 0x7f || p[i] == 0xff) return false;
        pairs++;
    }
    return pairs >= 2 && b4c_utf8_check(text, n) < n;
}

int b4c_utf8_fail(const char *what, const char *text, size_t n, size_t at, b4c_error *err)
{
    const uint8_t *p = (const uint8_t *)text;
    const char *guess = "wanted UTF-8; convert it first";
    if (b4c_looks_like_gbk(text, n))
        guess = "it looks like GBK; convert it from GB18030 to UTF-8 first";
    else if (n >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)))
        guess = "it looks like UTF-16; convert it to UTF-8 first";
    return b4c_fail(err, B4C_E_TEXT, "%s: byte %zu (0x%02X) is not UTF-8; %s", what, at, p[at],
                    guess);
}
