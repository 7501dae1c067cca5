/* words_file.h - the compiled dictionary: what make_words writes and words.c uses where it lies.
 *
 *     header | units of the trie | freq of each class | first [HAN] | emission [HAN][4]
 *
 * The trie's value is a class: words that were seen equally often share one, so that its logarithm
 * is kept once. `first` is the trie's node after a Han character, so that the walk from each
 * position starts behind its first three bytes. Numbers are the machine's own.
 */
#ifndef B4C_TEXT_WORDS_FILE_H
#define B4C_TEXT_WORDS_FILE_H
#include "text/trie.h"

#define B4C_WORDS_MAGIC 0x31445257433442ull /* "B4CWRD1" */
enum { B4C_HAN_FIRST = 0x4e00, B4C_HAN_LAST = 0x9fd5, B4C_HAN = B4C_HAN_LAST - B4C_HAN_FIRST + 1 };

/* States of the hidden Markov model, in the order in which the reference breaks ties: the later
 * wins. */
enum { B4C_WORD_BEGIN, B4C_WORD_END, B4C_WORD_MIDDLE, B4C_WORD_SINGLE, B4C_WORD_STATES };

/* jieba's minus infinity: sums with it must round as they do there, since its ties decide cuts. */
#define B4C_WORD_NEVER (-3.14e100)

typedef struct b4c_words_header {
    uint64_t magic, bytes; /* of the whole file */
    int64_t total;         /* of all frequencies */
    uint32_t units, classes;
    double start[B4C_WORD_STATES], step[B4C_WORD_STATES][B4C_WORD_STATES]; /* step[from][to] */
} b4c_words_header;

/* Offsets of the parts; all are multiples of 8. */
static inline size_t b4c_words_units_at(void) { return (sizeof(b4c_words_header) + 63) / 64 * 64; }
static inline size_t b4c_words_freq_at(const b4c_words_header *h)
{
    return b4c_words_units_at() + ((size_t)h->units * sizeof(b4c_trie_unit) + 63) / 64 * 64;
}
static inline size_t b4c_words_first_at(const b4c_words_header *h)
{
    return b4c_words_freq_at(h) + (size_t)h->classes * sizeof(int64_t);
}
static inline size_t b4c_words_emission_at(const b4c_words_header *h)
{
    return b4c_words_first_at(h) + ((size_t)B4C_HAN * sizeof(uint32_t) + 7) / 8 * 8;
}
static inline size_t b4c_words_size(const b4c_words_header *h)
{
    return b4c_words_emission_at(h) + (size_t)B4C_HAN * B4C_WORD_STATES * sizeof(double);
}
#endif
