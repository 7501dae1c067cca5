/* added.h - tokens that are sought in the text before it is cut into words: [MASK] and its like.
 *
 * Found from the left, the longest at each place (as the hub's tokenizer does). Those marked
 * `normalized` are sought in the normalised text, in the form that normalisation gives them; the
 * others in the text as it came.
 */
#ifndef B4C_TEXT_ADDED_H
#define B4C_TEXT_ADDED_H
#include "base/memory.h"
#include "text/trie.h"

typedef struct b4c_added_token {
    const char *text;        /* the list's own once it is put there */
    int id;
    bool special;            /* left out when ids become text */
    bool single_word;        /* only where no word character touches it */
    bool lstrip, rstrip;     /* blanks before / after it belong to it */
    bool normalized;
} b4c_added_token;

/* Tokens that are sought in one form of the text. */
typedef struct b4c_added_set {
    int n;
    b4c_trie trie;           /* values: indices into token */
    uint8_t first[256];      /* 1: some token begins with this byte */
    int only_first;          /* the byte that all begin with, or -1 */
} b4c_added_set;

typedef struct b4c_added {
    int n, room;
    b4c_added_token *token;
    int slots, *slot;        /* hash table by spelling: index + 1, 0: free */
    int *by_id;              /* indices, ids rising; after _index */
    b4c_added_set raw, normal;
} b4c_added;

/* Add one; text is copied. No token may be spelt so yet. 0 or B4C_E_MEMORY. */
int  b4c_added_put(b4c_added *, const b4c_added_token *);
/* Index of the token spelt so, or -1. */
int  b4c_added_find(const b4c_added *, const char *text);
/* Append the normalised form of text to out; 0 or B4C_E_MEMORY. */
typedef int (*b4c_normal_form_fn)(const void *arg, const char *text, b4c_buffer *out);
/* Does text begin with a special token, as it is spelt? */
bool b4c_added_begins(const b4c_added *, const char *text);
/* After the last _put: make the sets. Two tokens with one id: B4C_E_FORMAT. */
int  b4c_added_index(b4c_added *, b4c_normal_form_fn, const void *arg, b4c_error *);
/* Index of the token with this id, or -1; after _index. */
int  b4c_added_find_id(const b4c_added *, int id);
void b4c_added_done(b4c_added *);

typedef struct b4c_added_match { size_t begin, end; int token; } b4c_added_match;

/* The first token of `set` in text at or after *from; blanks before `taken` (where the last match
 * ended) are not its. Sets *from to where the search goes on. False: there is none. */
bool b4c_added_next(const b4c_added *, const b4c_added_set *, const char *text, size_t bytes,
                    size_t *from, size_t taken, b4c_added_match *);
#endif
