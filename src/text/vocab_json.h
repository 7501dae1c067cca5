/* vocab_json.h - the vocabulary lifted out of a tokenizer.json before the rest is parsed.
 *
 * Vocabulary and merges are nearly all of such a file, and a general JSON reader spends tens of
 * milliseconds on making hundreds of thousands of values of them that live for a moment. What is
 * lifted is plain: strings and numbers. Anything else is left where it is, for the strict reader to
 * take or to refuse.
 */
#ifndef B4C_TEXT_VOCAB_JSON_H
#define B4C_TEXT_VOCAB_JSON_H
#include "base/json.h"
#include "base/memory.h"
#include "text/bpe.h"

/* A vocabulary as a file lists it. Spellings belong to the file or to `unescaped`. */
typedef struct b4c_lifted {
    b4c_key *keys;           /* values: ids, or in a list of pieces their order */
    size_t n, room;
    double *score;           /* [n] of pieces; NULL: tokens have none */
    b4c_bpe_pair *pair;      /* merges, in rank order */
    size_t pairs, pair_room;
    char *unescaped;
    size_t used;             /* bytes of it */
    b4c_buffer rest;         /* the file with an empty vocabulary and no merges */
} b4c_lifted;

/* Of a tokenizer.json: its model's vocab and merges. True: lifted. False: nothing was (there is no
 * vocabulary, it is not plain, no memory); *out holds nothing. */
bool b4c_vocab_lift(b4c_lifted *out, const char *json, size_t bytes);
/* The same of a vocab.json, which is the vocabulary itself. */
bool b4c_vocab_lift_all(b4c_lifted *out, const char *json, size_t bytes);

/* The slow way, from values that must live as long: B4C_E_FORMAT says what is wrong. */
int b4c_vocab_take(b4c_lifted *, json_t *vocab, const char *where, b4c_error *);
int b4c_merges_take(b4c_lifted *, const json_t *merges, const char *where, b4c_error *);

/* One more pair: "left right", as merges.txt and GGUF write it. B4C_E_FORMAT: it is none. */
int b4c_lifted_merge(b4c_lifted *, const char *line, size_t bytes, const char *where, b4c_error *);
void b4c_lifted_done(b4c_lifted *);
#endif
