/* gguf_tokens.h - the tokenizer inside a GGUF file. */
#ifndef B4C_TEXT_GGUF_TOKENS_H
#define B4C_TEXT_GGUF_TOKENS_H
#include "base/gguf.h"

/* From the file's metadata, tokenizer.ggml.*: models "llama" (SentencePiece BPE), "t5" (Unigram),
 * "gpt2" (byte-level BPE; tokenizer.ggml.pre names its pattern) and "bert" (WordPiece). The file
 * need not stay. NULL: err says why. */
b4c_tokenizer *b4c_tokenizer_from_gguf(const b4c_gguf *, const b4c_tokenizer_options *,
                                       b4c_error *);
#endif
