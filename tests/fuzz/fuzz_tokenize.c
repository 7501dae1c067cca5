/* Tokenizer files and a text from anywhere: an error with words, or tokens that obey the laws.
 *
 * The input: one byte of choices, then parts divided by a byte 0xFF (never UTF-8): tokenizer.json
 * or vocab.txt, tokenizer_config.json, added_tokens.json, a text, a second text. Parts may be
 * missing.
 */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTS = 5 };

typedef struct part { const char *text; size_t bytes; } part;

static void insist(bool holds)
{
    if (!holds) abort();
}

static void check(const b4c_tokenizer *t, const b4c_encoding *e, const part *text)
{
    uint32_t begin[2] = { 0, 0 }, end[2] = { 0, 0 };
    for (int i = 0; i < e->n; i++) {
        insist(b4c_tokenizer_token(t, e->ids[i]) != NULL);
        if (e->added[i]) continue;
        const int s = e->segments[i] != 0;
        insist(e->begin[i] < e->end[i] && e->begin[i] >= begin[s] && e->end[i] >= end[s]);
        insist(e->char_begin[i] < e->char_end[i] && e->char_begin[i] <= e->begin[i]);
        begin[s] = e->begin[i];
        end[s] = e->end[i];
    }
    for (int i = 0; i < e->n_dropped; i++)
        insist(e->dropped[i] < text[i >= e->dropped_in_first].bytes);
}

static void use(const b4c_tokenizer *t, uint8_t choices, const part *text)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    part parts[PARTS] = { { NULL, 0 } };
    const uint8_t *at = data + 1, *const end = data + size;
    char *own[PARTS] = { NULL };
    for (int i = 0; i < PARTS; i++) {
        const uint8_t *stop = at < end ? memchr(at, 0xff, (size_t)(end - at)) : NULL;
        if (!stop) stop = end;
        /* of exactly its size, so that reads beyond it are seen */
        own[i] = malloc((size_t)(stop - at) + (stop == at));
        if (!own[i]) abort();
        if (stop > at) memcpy(own[i], at, (size_t)(stop - at));
        parts[i] = (part){ own[i], (size_t)(stop - at) };
        at = stop < end ? stop + 1 : end;
    }
    b4c_source source[B4C_SOURCES] = { { NULL, 0, NULL } };
    const int kind = parts[0].bytes && parts[0].text[0] == '{' ? B4C_SOURCE_TOKENIZER
                                                               : B4C_SOURCE_VOCABULARY;
    source[kind] = (b4c_source){ parts[0].text, parts[0].bytes, "vocabulary" };
    if (parts[1].bytes)
        source[B4C_SOURCE_CONFIG] = (b4c_source){ parts[1].text, parts[1].bytes, "config" };
    if (parts[2].bytes)
        source[B4C_SOURCE_ADDED] = (b4c_source){ parts[2].text, parts[2].bytes, "added" };
    for (int dialect = 1; dialect <= 2; dialect++) {
        const b4c_tokenizer_options o = { (b4c_dialect)dialect, -1, -1, -1, -1, NULL };
        b4c_error err = { 0 };
        b4c_tokenizer *t = b4c_tokenizer_make(source, &o, &err);
        if (!t) insist(err.code < 0 && strlen(err.message) > 8);
        else use(t, data[0], &parts[3]);
        b4c_tokenizer_free(t);
    }
    for (int i = 0; i < PARTS; i++) free(own[i]);
    return 0;
}
