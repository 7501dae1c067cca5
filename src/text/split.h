/* split.h - the patterns by which BPE vocabularies cut a text before merging, each
 * written out as what its regular expression matches. Together the parts are the whole text; a part
 * never splits a character.
 */
#ifndef B4C_TEXT_SPLIT_H
#define B4C_TEXT_SPLIT_H
#include "bert4c.h"

typedef enum b4c_split {
    B4C_SPLIT_GPT2, /* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
    B4C_SPLIT_DIGITS, /* every \p{N} alone, GPT2 between them: SmolLM */
    B4C_SPLIT_LLAMA3, /* (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
                         ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
    B4C_SPLIT_QWEN2,  /* the same with \p{N} one at a time */
    B4C_SPLIT_MARKS,  /* every U+2581 begins a part */
    B4C_SPLIT_NONE    /* the text is one part */
} b4c_split;

/* A text being cut: start from { kind, text, text + bytes, NULL }; the text is UTF-8. */
typedef struct b4c_splitter {
    b4c_split kind;
    const uint8_t *p, *end, *stretch;
} b4c_splitter;

/* The next part, [*begin, *stop); false: there is none. All parts together take time linear in the
 * text. */
bool b4c_split_next(b4c_splitter *, const uint8_t **begin, const uint8_t **stop);
#endif
