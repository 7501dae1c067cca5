/* The other kinds of vocabulary, and a text, from anywhere: SentencePiece models, vocab.json with
 * merges.txt, GGUF metadata: an error with words, or tokens that obey the laws.
 *
 * The input: one byte of choices, one of the kind, one with the text's length, the text, the
 * vocabulary; vocab.json and merges.txt are parted by a byte 0xFF.
 */
#include "base/gguf.h"
#include "fuzz/fuzz_text.h"
#include "text/gguf_tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES, MERGES, GGUF, KINDS };

static b4c_tokenizer *make_merges(const char *bytes, size_t n, b4c_error *err)
{
    b4c_source source[B4C_SOURCES] = { { NULL, 0, NULL } };
    const char *parted = n ? memchr(bytes, 0xff, n) : NULL;
    const size_t first = parted ? (size_t)(parted - bytes) : n;
    source[B4C_SOURCE_BPE] = (b4c_source){ bytes, first, "vocab.json" };
    if (parted) source[B4C_SOURCE_MERGES] = (b4c_source){ parted + 1, n - first - 1, "merges.txt" };
    return b4c_tokenizer_make(source, NULL, err);
}

static b4c_tokenizer *make_gguf(const char *bytes, size_t n, b4c_error *err)
{
    b4c_gguf g = { 0 };
    b4c_tokenizer *t = NULL;
    if (b4c_gguf_open(&g, (b4c_span){ (const unsigned char *)bytes, n }, "gguf", err) == 0)
        t = b4c_tokenizer_from_gguf(&g, NULL, err);
    b4c_gguf_done(&g);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    const size_t text = data[2] < size - 3 ? data[2] : size - 3, rest = size - 3 - text;
    /* of exactly their sizes, so that reads beyond them are seen */
    char *const said = malloc(text + 1), *const bytes = malloc(rest + 1);
    if (!said || !bytes) abort();
    memcpy(said, data + 3, text);
    memcpy(bytes, data + 3 + text, rest);
    b4c_error err = { 0 };
    b4c_source source[B4C_SOURCES] = { { NULL, 0, NULL } };
    source[B4C_SOURCE_PIECES] = (b4c_source){ bytes, rest, "spiece.model" };
    const int kind = data[1] % KINDS;
    b4c_tokenizer *t = kind == PIECES ? b4c_tokenizer_make(source, NULL, &err)
                     : kind == MERGES ? make_merges(bytes, rest, &err)
                                      : make_gguf(bytes, rest, &err);
    const part parts[2] = { { said, text }, { said, text } };
    if (!t)
        insist(err.code < 0 && strlen(err.message) > 8);
    else
        use(t, data[0], parts);
    b4c_tokenizer_free(t);
    free(said);
    free(bytes);
    return 0;
}
