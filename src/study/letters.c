/* letters.c - see letters.h. */
#include "study/letters.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include <stdlib.h>

int b4c_letters_read(b4c_letters *l, const char *text, size_t size, b4c_error *err)
{
    const size_t bad = b4c_utf8_check(text, size);
    *l = (b4c_letters){ 0 };
    if (bad < size) return b4c_utf8_fail("measures", text, size, bad, err);
    if (size > INT32_MAX / B4C_EXPANSION)
        return b4c_fail(err, B4C_E_TEXT, "measures: a text has %zu bytes; at most %d", size,
                        INT32_MAX / B4C_EXPANSION);
    l->c = malloc((size * B4C_EXPANSION + 1) * sizeof *l->c);
    if (!l->c) return b4c_fail(err, B4C_E_MEMORY, "measures: no memory for %zu bytes", size);
    const uint8_t *p = (const uint8_t *)text, *end = p + size;
    while (p < end) {
        uint32_t lower[B4C_EXPANSION];
        const uint32_t c = b4c_utf8_read(p, end, &p);
        if (b4c_is_python_space(c)) continue;
        const int n = b4c_lower(B4C_DIALECT_BERT4KERAS, c, lower);
        for (int i = 0; i < n; i++) l->c[l->n++] = (int32_t)lower[i];
    }
    return 0;
}

void b4c_letters_done(b4c_letters *l)
{
    free(l->c);
    *l = (b4c_letters){ 0 };
}
