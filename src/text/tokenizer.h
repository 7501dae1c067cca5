/* tokenizer.h - what a tokenizer holds, and how its parts speak to each other.
 *
 *     text ─► tokenize.c: the pair, truncation, special tokens around it
 *               └► wordpiece.c: characters ─► words ─► tokens, by rules.h
 *                    ├► added.c: special and added tokens inside the text
 *                    └► normal.c: the text as normalised, where something must see it whole
 *
 * A tokenizer never changes after it was opened, so threads share it; what a call needs stands on
 * its stack or in the encoding.
 */
#ifndef B4C_TEXT_TOKENIZER_H
#define B4C_TEXT_TOKENIZER_H
#include "base/memory.h"
#include "text/added.h"
#include "text/rules.h"
#include "text/vocab.h"
#include "text/words.h"

/* ---- the template around a text or a pair ---------------------------------------------------- */

#define B4C_TEMPLATE_MOST 16
#define B4C_TEMPLATE_A (-1)
#define B4C_TEMPLATE_B (-2)

typedef struct b4c_template_part {
    int32_t what;            /* an id, or A, B */
    int32_t segment;
} b4c_template_part;

/* A stands before B; B only in the pair's. */
typedef struct b4c_template {
    int n;
    b4c_template_part part[B4C_TEMPLATE_MOST];
    bool missing;            /* [CLS] or [SEP] is no token: the template cannot be used */
} b4c_template;

/* ---- the tokenizer --------------------------------------------------------------------------- */

/* Cuts a normalised text into words (words.h), for vocabularies that hold words. 0, or a negative
 * code with err set. */
typedef int (*b4c_cut_fn)(void *arg, const char *text, size_t bytes, b4c_cuts *, b4c_error *err);

struct b4c_tokenizer {
    b4c_flags flags;
    b4c_vocab vocab;
    b4c_rules rules;
    b4c_added added;
    b4c_template one, two;
    int pad, unknown, cls, sep, mask;   /* ids; -1: none, but unknown >= 0 */
    int max_word;            /* characters; a longer word is unknown */
    char *prefix;            /* of pieces within a word: "##" */
    char *decoder_prefix;    /* what decoding takes off */
    uint32_t inside;         /* the trie's node after prefix; B4C_TRIE_NONE: no token begins so */
    int max_length;          /* tokens; 0: not stated */
    bool wordpiece_decoder;  /* HUB: else tokens are joined by blanks */
    bool cleanup;            /* HUB: of the decoder */
    bool cleanup_all;        /* HUB: of the whole text (clean_up_tokenization_spaces) */
    b4c_cut_fn cut;          /* NULL: none */
    void *cut_arg;
    int word_tokens;         /* tokens of two or more Chinese characters */
    b4c_buffer notes;        /* what was odd in the files, a line each */
};

/* The files that say what a tokenizer is. */
typedef enum b4c_source_kind {
    B4C_SOURCE_TOKENIZER,    /* tokenizer.json: the vocabulary and nearly all else */
    B4C_SOURCE_VOCABULARY,   /* vocab.txt; read where there is no tokenizer.json */
    B4C_SOURCE_CONFIG,       /* tokenizer_config.json: goes before tokenizer.json */
    B4C_SOURCE_SPECIAL,      /* special_tokens_map.json */
    B4C_SOURCE_ADDED,        /* added_tokens.json */
    B4C_SOURCE_MODEL,        /* config.json: tells the hub's layout from bert4keras's */
    B4C_SOURCE_BERT,         /* bert_config.json: there, the layout is Google's */
    B4C_SOURCES
} b4c_source_kind;

/* One of them as it was read. text NULL: absent. */
typedef struct b4c_source {
    const char *text;
    size_t bytes;
    const char *name;        /* for messages */
} b4c_source;

/* A tokenizer from files' contents, which need not stay. NULL: err says why. */
b4c_tokenizer *b4c_tokenizer_make(const b4c_source source[B4C_SOURCES],
                                  const b4c_tokenizer_options *, b4c_error *);

/* Before the tokenizer is shared: let `cut` find words first. arg must stay as long. */
void b4c_tokenizer_set_cut(b4c_tokenizer *, b4c_cut_fn cut, void *arg);

/* ---- one text (wordpiece.c) ------------------------------------------------------------------ */

/* Append the tokens of text to the encoding from e->n on: ids, begin, end, char_begin, char_end.
 * Dropped characters are appended too. find_added: special and added tokens inside the text are
 * found. `what` names the text in messages. */
int b4c_wordpiece(const b4c_tokenizer *, const char *text, size_t bytes, bool find_added,
                  b4c_encoding *, const char *what, b4c_error *);
/* Room for at least n tokens. 0 or B4C_E_MEMORY. */
int b4c_encoding_reserve(b4c_encoding *, int64_t n, b4c_error *);
/* One more dropped character. 0 or B4C_E_MEMORY. */
int b4c_encoding_drop(b4c_encoding *, uint32_t begin);
#endif
