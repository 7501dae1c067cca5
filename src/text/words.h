/* words.h - Chinese words by jieba's algorithm: the dictionary's most probable cut, unknown runs by
 * a hidden Markov model.
 *
 * Cuts equal those of jieba 0.42.1 (`jieba.cut`, HMM on or off) character for character. The
 * dictionary is compiled beforehand (tools/make_words.c) and used where it lies, so opening it
 * costs nothing.
 */
#ifndef B4C_TEXT_WORDS_H
#define B4C_TEXT_WORDS_H
#include "base/error.h"

typedef struct b4c_words b4c_words;

/* The dictionary that the library carries. NULL: no memory. */
b4c_words *b4c_words_default(b4c_error *);
/* A compiled dictionary in memory that outlives the object: `bytes` of data, `where` names it in
 * messages. */
b4c_words *b4c_words_open(const void *data, size_t bytes, const char *where, b4c_error *);
void b4c_words_free(b4c_words *);

/* Add the user's own words, before the first cut. freq < 0: as often as is needed for it to be cut
 * as one word (jieba's suggest_freq); freq 0: never a word. */
int b4c_words_add(b4c_words *, const char *word, size_t bytes, long long freq, b4c_error *);
/* The same from a file of lines "word [freq] [tag]". */
int b4c_words_add_file(b4c_words *, const char *path, b4c_error *);
/* How often the dictionary has seen a word; 0: it does not have it. */
long long b4c_words_freq(const b4c_words *, const char *word, size_t bytes);

/* One text as words. Word i is bytes [end[i-1], end[i]) with end[-1] = 0: together they are the
 * whole text. The arrays are reused: start from {0}, free once. */
typedef struct b4c_cuts {
    size_t n;
    uint32_t *end;
    size_t room;
    struct b4c_cut_scratch *scratch;
} b4c_cuts;

/* Linear in the text's length. Thread-safe on one dictionary. Bytes that are not UTF-8 become words
 * of their own. */
int b4c_words_cut(const b4c_words *, const char *text, size_t bytes, bool hmm, b4c_cuts *,
                  b4c_error *);
void b4c_cuts_free(b4c_cuts *);
#endif
