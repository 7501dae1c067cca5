/* simplify.h - a WordPiece vocabulary without the tokens that no text becomes.
 *
 * bert4keras' load_vocab(simplified=True, startswith): where Chinese characters and punctuation are
 * words of their own, tokens of several characters that hold one of them are never found. Google's
 * 21,128 tokens are 13,584 then, and the models that were trained so (SimBERT, WoBERT, whatever was
 * fine-tuned by bert4keras' examples) have token tables of that many rows.
 */
#ifndef B4C_TEXT_SIMPLIFY_H
#define B4C_TEXT_SIMPLIFY_H
#include "base/memory.h"
#include "bert4c.h"

typedef struct b4c_simplified {
    int n;
    b4c_buffer keep;         /* int32_t [n]: the old ids, in their new order */
    b4c_buffer text;         /* the new vocab.txt */
} b4c_simplified;

/* start: tokens that stand first whatever they hold, parted by commas ("[PAD],[UNK],[CLS],[SEP]").
 * B4C_E_ARG: one of them is no token, or stands twice; B4C_E_UNSUPPORTED: it is no WordPiece. */
int  b4c_simplify(b4c_simplified *, const b4c_tokenizer *, const char *start, b4c_error *);
void b4c_simplified_done(b4c_simplified *);
static inline const int32_t *b4c_simplified_keep(const b4c_simplified *s)
{
    return (const int32_t *)(const void *)s->keep.data;
}
#endif
