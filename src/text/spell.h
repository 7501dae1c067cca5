/* spell.h - generated ids as text for people. */
#ifndef B4C_TEXT_SPELL_H
#define B4C_TEXT_SPELL_H
#include "bert4c.h"

/* As b4c_detokenize without special tokens, but for the blanks that the hub's WordPiece decoder
 * puts between Chinese characters, which nobody wrote: none stands beside a Chinese character or
 * Chinese punctuation. Other tokenizers know where blanks belong, and are left as they are. Text
 * of more tokens begins with that of fewer, but for what decoding mends at the end. malloc'ed;
 * NULL: no memory. */
char *b4c_spell(const b4c_tokenizer *, const int32_t *ids, int n, b4c_error *);
#endif
