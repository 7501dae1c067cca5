/* vocab_json.h - the vocabulary lifted out of a tokenizer.json before the rest is parsed.
 *
 * The vocabulary is nearly all of such a file, and a general JSON reader spends some 15 ms on
 * making a hundred thousand values of it that live for a moment. What is lifted is plain: strings
 * and numbers. Anything else is left where it is, for the strict reader to take or to refuse.
 */
#ifndef B4C_TEXT_VOCAB_JSON_H
#define B4C_TEXT_VOCAB_JSON_H
#include "base/memory.h"
#include "text/trie.h"

typedef struct b4c_lifted {
    b4c_key *keys; /* spellings point into the JSON text or into `unescaped`; values: ids */
    size_t n, room;
    char *unescaped;
    b4c_buffer rest;         /* the file with an empty vocabulary */
} b4c_lifted;

/* True: lifted. False: nothing was (no vocabulary at model.vocab, not plain, no memory); *out holds
 * nothing. */
bool b4c_vocab_lift(b4c_lifted *out, const char *json, size_t bytes);
void b4c_lifted_done(b4c_lifted *);
#endif
