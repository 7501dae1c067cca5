/* unicode.h - what the two dialects know about one character.
 *
 * The hub's tokenizer classifies by tables of its own (hub_tables.h), fixed for ever; bert4keras by
 * Python's unicodedata, for which utf8proc stands here (they differ only in characters that one of
 * them does not know yet).
 */
#ifndef B4C_TEXT_UNICODE_H
#define B4C_TEXT_UNICODE_H
#include "bert4c.h"

typedef struct b4c_range { uint32_t low, high; } b4c_range;
typedef struct b4c_lower_pair { uint32_t upper, lower; } b4c_lower_pair;

#define B4C_EXPANSION 4   /* characters that one becomes at most, decomposed or lower-cased */
#define B4C_CAPITAL_SIGMA 0x3a3u
#define B4C_FINAL_SIGMA 0x3c2u

/* Chinese, so that it stands as a word of its own: CJK ideographs, not kana or hangul. The hub
 * leaves out U+2B820-2B91F. */
bool b4c_is_chinese(b4c_dialect, uint32_t c);
bool b4c_is_punctuation(b4c_dialect, uint32_t c);
/* Controls and formats that cleaning deletes, U+0000 and U+FFFD among them. */
bool b4c_is_removed(b4c_dialect, uint32_t c);
/* Nonspacing marks, deleted when accents are stripped. */
bool b4c_is_mark(b4c_dialect, uint32_t c);
/* White_Space of Unicode. */
bool b4c_is_blank(uint32_t c);
/* What Python's str.split() and strip() take for white space. */
bool b4c_is_python_space(uint32_t c);
/* What bert4keras turns into a blank: space, tab, line ends, Zs. */
bool b4c_is_plain_space(uint32_t c);
/* \w of regular expressions, \d of Python's. */
bool b4c_is_word_character(uint32_t c);
bool b4c_is_digit(uint32_t c);
/* Canonical combining class: 0 for most, else what marks after one letter are sorted by. */
int b4c_combining_class(uint32_t c);

/* Canonical decomposition / lower case of one character, without context. Returns how many. */
int b4c_decompose(b4c_dialect, uint32_t c, uint32_t out[B4C_EXPANSION]);
int b4c_lower(b4c_dialect, uint32_t c, uint32_t out[B4C_EXPANSION]);

/* Python's str.lower() writes a capital sigma at the end of a word as U+03C2. Is the one at `at`
 * (bytes; `text` is UTF-8) final? Unicode 3.13, Final_Sigma. All sigmas of a text together take
 * time linear in its length. */
bool b4c_sigma_is_final(const uint8_t *text, const uint8_t *end, const uint8_t *at);
#endif
