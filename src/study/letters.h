/* letters.h - a text as the measures see it: code points in lower case, without blanks. */
#ifndef B4C_STUDY_LETTERS_H
#define B4C_STUDY_LETTERS_H
#include "base/error.h"
#include <stdint.h>

typedef struct b4c_letters {
    int32_t *c;              /* [n] malloc'ed */
    int n;
} b4c_letters;

/* B4C_E_TEXT: bytes that are not UTF-8, or too many. After failure there is nothing to free. */
int b4c_letters_read(b4c_letters *, const char *text, size_t size, b4c_error *);
void b4c_letters_done(b4c_letters *);
#endif
