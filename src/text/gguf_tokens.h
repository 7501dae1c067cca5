/* gguf_tokens.h - the tokenizer inside a GGUF file. */
#ifndef B4C_TEXT_GGUF_TOKENS_H
#define B4C_TEXT_GGUF_TOKENS_H
#include "base/gguf.h"
#include "text/settings.h"

/* From the file's metadata, tokenizer.ggml.*: models "llama" (SentencePiece BPE), "t5" (Unigram),
 * "gpt2" (byte-level BPE; tokenizer.ggml.pre names its pattern) and "bert" (WordPiece). The file
 * need not stay. NULL: err says why. */
b4c_tokenizer *b4c_tokenizer_from_gguf(const b4c_gguf *, const b4c_tokenizer_options *,
                                       b4c_error *);

/* What the metadata say, before a tokenizer is made of it. */
typedef struct b4c_gguf_tokens {
    const b4c_gguf *g;
    b4c_settings s;
    b4c_source none[B4C_SOURCES];
    uint8_t *kind;           /* [n] of each token: b4c_piece_kind, as tokenizer.ggml.token_type */
    char *spelt;             /* spellings that are not the file's own */
    bool bert;
} b4c_gguf_tokens;

int  b4c_gguf_tokens_read(b4c_gguf_tokens *, const b4c_gguf *, b4c_error *);
void b4c_gguf_tokens_done(b4c_gguf_tokens *);        /* also after a failure */

/* The tokenizer as the hub's files in a folder, which reads back to the same: vocab.txt (bert),
 * a SentencePiece model (llama, t5), tokenizer.json (gpt2), and tokenizer_config.json with the
 * special tokens and the chat template (gguf_files.c). */
int b4c_gguf_tokens_write(const b4c_gguf *, const char *folder, b4c_error *);
#endif
