/* Tokenizer files and a text from anywhere: an error with words, or tokens that obey the laws.
 *
 * The input: one byte of choices, then parts divided by a byte 0xFF (never UTF-8): tokenizer.json
 * or vocab.txt, tokenizer_config.json, added_tokens.json, a text, a second text. Parts may be
 * missing.
 */
#include "fuzz/fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTS = 5 };

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
