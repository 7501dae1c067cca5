/* segmentate.h - a text cut into pieces of limited length at punctuation: bert4keras'
 * snippets.text_segmentate. */
#ifndef B4C_TEXT_SEGMENTATE_H
#define B4C_TEXT_SEGMENTATE_H
#include "base/error.h"

/* Pieces of the caller's text: bytes [begin, end). */
typedef struct b4c_segment { size_t begin, end; } b4c_segment;
typedef struct b4c_segments {   /* start from {0} */
    b4c_segment *segment;
    size_t n, room;
} b4c_segments;

/* Cut text (UTF-8) into pieces of at most maxlen characters where separators allow it. seps: the
 * separators, one character each, coarsest first; a piece that is still too long is cut at the next
 * one. A piece keeps the separator it ends with. strips: characters taken off both ends of a piece
 * (after white space), or NULL: white space only. Pieces are appended. 0, B4C_E_TEXT or
 * B4C_E_MEMORY. */
int  b4c_segmentate(const char *text, size_t bytes, size_t maxlen, const char *seps,
                    const char *strips, b4c_segments *, b4c_error *);
void b4c_segments_free(b4c_segments *);
#endif
