/* text_case.h - tokenizers made in memory, and what tests of them compare. */
#ifndef B4C_TEST_TEXT_CASE_H
#define B4C_TEST_TEXT_CASE_H
#include "support/lines.h"
#include "support/test.h"
#include "text/tokenizer.h"

/* What a tokenizer is made of; NULL: absent. */
typedef struct made_of {
    const char *json, *vocabulary, *config, *special, *added, *bpe, *merges, *model;
} made_of;

/* A tokenizer from these texts; the error is the caller's. */
b4c_tokenizer *try_make(made_of, const b4c_tokenizer_options *, b4c_error *);
/* The same, which must work. */
b4c_tokenizer *make(made_of, const b4c_tokenizer_options *);
/* A vocabulary (tokens separated by blanks) in a dialect; lower: -1 as by default. */
b4c_tokenizer *make_small(const char *tokens, b4c_dialect, int lower);
/* tests/golden/text/NAME. */
b4c_tokenizer *open_golden(const char *name, b4c_dialect, int lower);

/* The tokenizer at a path, which must open. */
b4c_tokenizer *open_path(const char *path);
b4c_tokenizer_info describe(const b4c_tokenizer *);
/* All ids of a text or a pair, special ones too, separated by blanks. */
void assert_all(const b4c_tokenizer *, const char *a, const char *b, const char *wanted);

/* Encode, which must work. len SIZE_MAX: to the NUL. */
void encode(const b4c_tokenizer *, const char *text, size_t len, b4c_encoding *);
void encode_with(const b4c_tokenizer *, const char *a, const char *b, const b4c_tokenize_options *,
                 b4c_encoding *);
/* Tokens of the text between [CLS] and [SEP], as the vocabulary spells them, separated by blanks.
 */
void assert_tokens(const b4c_tokenizer *, const char *text, const char *wanted);
/* "begin-end begin-end ..." of the same tokens, in code points / bytes. */
void assert_chars(const b4c_tokenizer *, const char *text, const char *wanted);
void assert_bytes(const b4c_tokenizer *, const char *text, const char *wanted);
/* Byte offsets of what was dropped, separated by blanks. */
void assert_dropped(const b4c_tokenizer *, const char *text, const char *wanted);

/* What tokens, as the vocabulary spells them, separated by blanks, are decoded to; keep: special
 * tokens too. */
void assert_decoded(const b4c_tokenizer *, const char *tokens, bool keep, const char *wanted);

/* What holds for every encoding of these texts: arrays agree with one another, offsets never fall,
 * lie at ends of characters and within the text, in bytes and code points alike; every character
 * that is not blank is covered or dropped, unless something was cut. */
void check_laws(const b4c_tokenizer *, const b4c_encoding *, const char *a, size_t len_a,
                const char *b, size_t len_b);

/* Fails unless got [n] are the numbers of the JSON list. */
void assert_numbers(const json_t *list, const int32_t *got, int n, const char *what, long number);
#endif
