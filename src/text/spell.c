/* spell.c - see spell.h. */
#include "text/spell.h"

#include "text/tokenizer.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include <string.h>

/* Written without blanks around it: Chinese characters, their punctuation, full-width forms. */
static bool is_tight(uint32_t c)
{
    return b4c_is_chinese(B4C_DIALECT_BERT4KERAS, c) || (c >= 0x3000 && c <= 0x303f) ||
           (c >= 0xff01 && c <= 0xff65) || (c >= 0x2018 && c <= 0x201d) || c == 0x2026;
}

char *b4c_spell(const b4c_tokenizer *t, const int32_t *ids, int n, b4c_error *err)
{
    char *text = b4c_detokenize(t, ids, n, false, err);
    if (!text || !t->prefix || !*t->prefix) return text;
    const uint8_t *p = (const uint8_t *)text, *const end = p + strlen(text);
    char *to = text;
    bool tight = false;
    while (p < end) {
        const uint8_t *next, *after;
        const uint32_t c = b4c_utf8_read(p, end, &next);
        const bool drop =
            c == ' ' && (tight || (next < end && is_tight(b4c_utf8_read(next, end, &after))));
        if (!drop) {
            memmove(to, p, (size_t)(next - p));
            to += next - p;
            tight = is_tight(c);
        }
        p = next;
    }
    *to = 0;
    return text;
}
