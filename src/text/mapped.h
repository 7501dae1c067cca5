/* mapped.h - a text that was changed before it is cut, each byte with the place it came from.
 *
 * from[i] is the byte of the original where the character begins that byte i stands for;
 * from[bytes] is where all ends. So a part [i, j) comes from [from[i], from[j]). A view is such a
 * text, or a part of one, or a text as it came (from is NULL, places are counted).
 */
#ifndef B4C_TEXT_MAPPED_H
#define B4C_TEXT_MAPPED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define B4C_BLANK_MARK "\xe2\x96\x81" /* U+2581 stands for a blank */

typedef struct b4c_mapped {
    char *text;
    uint32_t *from;
    size_t bytes, room;
    size_t front; /* bytes at the front that were put there and stand for nothing */
} b4c_mapped;

/* Room for `more` bytes, their places and the end. False: no memory. */
bool b4c_mapped_reserve(b4c_mapped *, size_t more);
void b4c_mapped_done(b4c_mapped *);

typedef struct b4c_view {
    const char *text;
    const uint32_t *from; /* [bytes + 1] */
    size_t bytes;
    size_t base;          /* what is added to `from`; without it, place of the first byte */
    size_t front;
} b4c_view;

static inline b4c_view b4c_view_of(const b4c_mapped *m)
{
    return (b4c_view){ m->text, m->from, m->bytes, 0, m->front };
}

/* Bytes [begin, end) of a view. */
static inline b4c_view b4c_view_part(const b4c_view *v, size_t begin, size_t end)
{
    return (b4c_view){ v->text + begin, v->from ? v->from + begin : NULL, end - begin,
                       v->from ? v->base : v->base + begin,
                       v->front > begin ? v->front - begin : 0 };
}

/* Where byte i comes from (i <= bytes); without `from`, i begins a character. */
static inline size_t b4c_view_origin(const b4c_view *v, size_t i)
{
    return v->base + (v->from ? v->from[i] : i);
}
#endif
