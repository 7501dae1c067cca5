/* span.h - bytes with their bound: what readers of files pass around instead of bare pointers. */
#ifndef B4C_BASE_SPAN_H
#define B4C_BASE_SPAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct b4c_span {
    const unsigned char *data;
    size_t size;
} b4c_span;

/* For "%.*s" of names that come from files. */
#define B4C_SPAN_ARG(span) (int)((span).size < 500 ? (span).size : 500), (const char *)(span).data

static inline b4c_span b4c_span_of(const char *text)
{
    return (b4c_span){ (const unsigned char *)text, strlen(text) };
}
static inline bool b4c_span_is(b4c_span s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}
static inline bool b4c_span_starts(b4c_span s, const char *text)
{
    return s.size >= strlen(text) && memcmp(s.data, text, strlen(text)) == 0;
}
static inline bool b4c_span_ends(b4c_span s, const char *text)
{
    const size_t n = strlen(text);
    return s.size >= n && memcmp(s.data + s.size - n, text, n) == 0;
}
/* memcmp's order, then length. */
static inline int b4c_span_compare(b4c_span a, b4c_span b)
{
    const size_t n = a.size < b.size ? a.size : b.size;
    const int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}
/* Whether [offset, offset + size) lies in [0, whole). */
static inline bool b4c_range_in(uint64_t offset, uint64_t size, uint64_t whole)
{
    return offset <= whole && size <= whole - offset;
}

/* Little-endian numbers at any address. */
static inline uint16_t b4c_u16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t b4c_u32(const unsigned char *p)
{
    return b4c_u16(p) | (uint32_t)b4c_u16(p + 2) << 16;
}
static inline uint64_t b4c_u64(const unsigned char *p)
{
    return b4c_u32(p) | (uint64_t)b4c_u32(p + 4) << 32;
}
#endif
