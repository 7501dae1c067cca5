/* text.h - random UTF-8 that is unkind in the ways real text is. The same seed gives the same text
 * everywhere. */
#ifndef B4C_TEST_TEXT_H
#define B4C_TEST_TEXT_H
#include "base/rng.h"

#include <stddef.h>

/* Write one code point as UTF-8; returns its bytes (1..4). No NUL. */
size_t put_utf8(char *out, uint32_t code_point);

/* Up to `characters` code points, and a NUL: ASCII words, Han of every plane, kana, Hangul (jamo
 * too), accents apart and composed, runs of combining marks, controls, blanks of all kinds, emoji
 * with joiners, private use, unassigned, U+FFFD, and what looks like special tokens. Never U+0000,
 * always valid UTF-8. out: room for 8 * characters + 16 bytes. Returns the bytes without the NUL.
 */
size_t random_text(b4c_rng *, int characters, char *out);

/* The same with a few bytes broken: cut sequences, overlong forms, surrogates, stray continuation
 * bytes. May be valid by chance. No NUL inside. Same room. */
size_t random_bytes(b4c_rng *, int characters, char *out);
#endif
