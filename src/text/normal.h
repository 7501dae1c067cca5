/* normal.h - a text as its normalisation leaves it, each character with its place in the original.
 *
 * The usual way from text to tokens (wordpiece.c) never writes the normalised text down. This is
 * for those who must see it whole: added tokens that are sought in it, segmenters, and the function
 * lowercase_and_normalize of bert4keras.
 */
#ifndef B4C_TEXT_NORMAL_H
#define B4C_TEXT_NORMAL_H
#include "base/memory.h"
#include "text/rules.h"
#include "text/utf8.h"

/* A character and where it comes from: bytes [begin, end) and code point `at` of the original. c is
 * B4C_DROPPED for what normalisation deletes: it has a place, but is no part of the text. */
typedef struct b4c_letter { uint32_t c, begin, end, at; } b4c_letter;
#define B4C_DROPPED B4C_NOT_A_CHAR

typedef struct b4c_normal { b4c_letter *letter; size_t n, room; } b4c_normal;

/* Normalise the bytes [from, to) of text; `at` is the index of the code point there. Bytes that are
 * not UTF-8 count as U+FFFD. Hub: Chinese characters get a blank before and behind where the flags
 * set them apart. The letters replace those that were there. 0 or B4C_E_MEMORY. */
int b4c_normal_make(b4c_normal *, const b4c_flags *, const char *text, size_t from, size_t to,
                  uint32_t at);
void b4c_normal_done(b4c_normal *);
/* Append the text of letters to out. */
void b4c_normal_text(const b4c_normal *, b4c_buffer *out);

/* SPEC of bert4keras' snippets.lowercase_and_normalize: Python's lower(), NFD, marks deleted.
 * NUL-ended, the caller frees it with free(); *n (may be NULL) its bytes. NULL: no memory, or not
 * UTF-8. */
char *b4c_lowercase_and_normalize(const char *text, size_t bytes, size_t *n, b4c_error *);
#endif
