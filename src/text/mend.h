/* mend.h - how bert4keras joins tokens to a text: Tokenizer.decode, character by character.
 *
 * It joins the tokens first and then mends the whole text with four substitutions. Each of them
 * looks only a few characters ahead, so here they are a chain that characters pass through, and
 * what comes out at its end is final.
 */
#ifndef B4C_TEXT_MEND_H
#define B4C_TEXT_MEND_H
#include "base/memory.h"
#include <stdint.h>

enum { B4C_MEND_AHEAD = 8 };

/* Characters that may be the beginning of what a substitution looks for. */
typedef struct b4c_mend_queue {
    uint32_t c[B4C_MEND_AHEAD];
    int n;
} b4c_mend_queue;

typedef struct b4c_mender {
    uint32_t last;           /* character joined; 0: none yet */
    bool after_blank;
    b4c_mend_queue contraction, number;
    bool drop_blank;         /* the character before takes the blank behind it */
    bool begun;              /* a character has come out */
    b4c_buffer blanks;       /* at the end, perhaps: then they go */
} b4c_mender;

/* Start from {0}. What is final is added to out. */
void b4c_mend_token(b4c_mender *, const char *token, b4c_buffer *out);
void b4c_mend_end(b4c_mender *, b4c_buffer *out);
void b4c_mend_done(b4c_mender *);
#endif
