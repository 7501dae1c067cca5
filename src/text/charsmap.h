/* charsmap.h - SentencePiece's normalisation: a table of replacements, blanks as U+2581, and where
 * each byte came from.
 *
 * The table ("precompiled_charsmap") is a double array in Darts-clone's form whose values point at
 * NUL-ended replacements; the longest key at each place is replaced. Source: google/sentencepiece,
 * src/normalizer.cc.
 */
#ifndef B4C_TEXT_CHARSMAP_H
#define B4C_TEXT_CHARSMAP_H
#include "text/mapped.h"
#include "text/trie.h"

typedef struct b4c_charsmap {
    uint32_t *unit; /* the double array, or NULL: nothing is replaced */
    size_t units;
    char *text; /* replacements; the last one is NUL-ended too */
    size_t text_bytes;
    uint8_t first[256]; /* 1: some key begins with this byte */
    b4c_trie keep;      /* strings that are left as they are (user-defined pieces); values unused */
    uint8_t keep_first[256];
    bool dummy_prefix; /* put a blank in front */
    bool squeeze;      /* drop blanks at both ends and all but one within */
    bool mark_blanks;  /* U+2581 for blanks */
    bool suffix;       /* the blank goes behind instead of in front */
} b4c_charsmap;

/* Take the table apart and keep a copy. B4C_E_FORMAT: it is not one. `where` names its file. */
int b4c_charsmap_read(b4c_charsmap *, const void *table, size_t bytes, const char *where,
                      b4c_error *);
void b4c_charsmap_done(b4c_charsmap *);

/* dummy: false leaves out the blank in front that the map may want. 0 or B4C_E_MEMORY. Bytes that
 * are not UTF-8 become U+FFFD. O(bytes). */
int b4c_charsmap_apply(const b4c_charsmap *, const char *text, size_t bytes, bool dummy,
                       b4c_mapped *out);
/* Does text begin with a key of the table? *replacement is NUL-ended, of the shortest such key. */
bool b4c_charsmap_shortest(const b4c_charsmap *, const uint8_t *text, size_t bytes,
                           const char **replacement);
#endif
