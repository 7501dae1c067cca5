/* fuzz_text.h - what holds of every tokenizer and every text, for the targets that make tokenizers
 * from anything.
 */
#ifndef B4C_FUZZ_TEXT_H
#define B4C_FUZZ_TEXT_H
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

typedef struct part { const char *text; size_t bytes; } part;

static inline void insist(bool holds)
{
    if (!holds) abort();
}

static inline void check(const b4c_tokenizer *t, const b4c_encoding *e, const part *text)
{
    uint32_t begin[2] = { 0, 0 }, end[2] = { 0, 0 };
    for (int i = 0; i < e->n; i++) {
        insist(b4c_tokenizer_token(t, e->ids[i]) != NULL);
        if (e->added[i]) continue;
        const int s = e->segments[i] != 0;
        /* only a blank put in front of the text has no place of its own */
        insist(e->begin[i] < e->end[i] ||
               (t->kind != B4C_TOKENIZER_WORDPIECE && e->begin[i] == e->end[i]));
        insist(e->begin[i] >= begin[s] && e->end[i] >= end[s] && e->end[i] <= text[s].bytes);
        insist(e->char_begin[i] <= e->char_end[i] && e->char_begin[i] <= e->begin[i]);
        begin[s] = e->begin[i];
        end[s] = e->end[i];
    }
    for (int i = 0; i < e->n_dropped; i++)
        insist(e->dropped[i] < text[i >= e->dropped_in_first].bytes);
}

static inline void use(const b4c_tokenizer *t, uint8_t choices, const part *text)
{
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    const b4c_tokenize_options o = {
        .max_length = choices & 1 ? 3 + choices / 16 : 0,
        .truncate = (b4c_truncate)(choices / 2 % 4),
        .no_special = choices & 8,
        .plain_text = choices & 16,
        .find_special = choices & 32,
        .repair = choices & 64,
    };
    const char *second = choices & 128 ? text[1].text : NULL;
    if (b4c_tokenize(t, text[0].text, text[0].bytes, second, text[1].bytes, &o, &e, &err) < 0)
        insist(err.code < 0 && strlen(err.message) > 8);
    else {
        /* a template may give a text any segment; places are only known where they are 0 and 1 */
        bool usual = true;
        for (int i = 0; i < e.n; i++) usual = usual && (e.segments[i] == 0 || e.segments[i] == 1);
        if (usual && !t->cut && t->two.n == 5) check(t, &e, text);
        char *back = b4c_detokenize(t, e.ids, e.n, choices & 2, &err);
        insist(back != NULL && b4c_utf8_check(back, strlen(back)) == strlen(back));
        free(back);
    }
    b4c_encoding_free(&e);
}
#endif
