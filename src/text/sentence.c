/* sentence.c - see sentence.h. */
#include "text/sentence.h"
#include "text/utf8.h"
#include <ctype.h>

static bool is_among(uint32_t c, const uint32_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == c) return true;
    return false;
}

size_t b4c_sentence_end(const char *text, size_t size, bool lines)
{
    static const uint32_t end[] = { 0x3002, 0xff01, 0xff1f, 0xff1b, 0x2026, '!', '?', '.', ';' };
    static const uint32_t after[] = { 0x201d, 0x2019, 0x300d, 0x300f, 0xff09, '"', '\'', ')' };
    const uint8_t *const begin = (const uint8_t *)text, *p = begin, *stop = begin + size;
    size_t last = 0;
    while (p < stop) {
        const uint32_t c = b4c_utf8_read(p, stop, &p);
        bool ends = is_among(c, end, sizeof end / sizeof *end) || (lines && c == '\n');
        if (c == '.' && p < stop && (*p > 0x7f || isalnum(*p))) ends = false;
        if (!ends && last && !is_among(c, after, sizeof after / sizeof *after)) break;
        if (ends || last) last = (size_t)(p - begin);
    }
    return last;
}
