/* vocab.h - the tokens of a vocabulary: id to spelling by table, spelling to id by trie.
 *
 * Ids are 0 .. n-1; an id may be a hole (a tokenizer.json may skip numbers), which spells NULL. No
 * two ids spell the same. Spellings are UTF-8 without NUL. One may be empty; no text becomes it.
 */
#ifndef B4C_TEXT_VOCAB_H
#define B4C_TEXT_VOCAB_H
#include "text/trie.h"

typedef struct b4c_vocab {
    int n;
    char *bytes;             /* the spellings, each NUL-ended */
    uint32_t *at;            /* [n] where id's spelling begins in bytes; UINT32_MAX: a hole */
    int longest;             /* characters of the longest spelling */
    b4c_trie trie;
} b4c_vocab;

#define B4C_VOCAB_MOST (1 << 22)   /* ids; a larger number is a mistake in a file */

/* What a line of vocab.txt spells. HUB: all of it but blanks at its end. BERT4KERAS: its first word
 * (a count may follow); a line of blanks only spells itself, and no text ever becomes it. `name`
 * names the source in messages. An empty line and a token that was there before are errors with
 * their line numbers. A byte order mark and CRLF are accepted. */
int b4c_vocab_read(b4c_vocab *, const char *text, size_t bytes, b4c_dialect, const char *name,
                   b4c_error *);
/* From pairs; keys' values are the ids, in any order, each once. */
int  b4c_vocab_make(b4c_vocab *, const b4c_key *keys, size_t n, const char *name, b4c_error *);
void b4c_vocab_done(b4c_vocab *);

static inline const char *b4c_vocab_token(const b4c_vocab *v, int id)
{
    return id < 0 || id >= v->n || v->at[id] == UINT32_MAX ? NULL : v->bytes + v->at[id];
}
#endif
