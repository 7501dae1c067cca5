/* rules.h - what a tokenizer does with each character, worked out once.
 *
 * Cleaning, setting Chinese apart, decomposing, dropping accents, lower case and the class of what
 * comes out depend on one character alone. So the outcome for every character of the basic plane
 * stands in a table, with the token's id where the character is a word of its own; the rest is
 * worked out when met. What depends on neighbours is an entry of its own kind (MARK and BARRIER:
 * canonical order; SIGMA: Python's final sigma).
 */
#ifndef B4C_TEXT_RULES_H
#define B4C_TEXT_RULES_H
#include "text/unicode.h"
#include "text/vocab.h"

typedef struct b4c_flags {
    b4c_dialect dialect;     /* HUB or BERT4KERAS */
    bool lower;
    bool strip_accents;      /* BERT4KERAS: = lower */
    bool chinese;            /* Chinese characters are words; BERT4KERAS: true */
    bool clean;              /* BERT4KERAS: true */
} b4c_flags;

typedef enum b4c_char_kind {
    B4C_KIND_LETTER,         /* itself, part of a word. The zero entry */
    B4C_KIND_OTHER,          /* part of a word as another character: the payload */
    B4C_KIND_SINGLE,         /* a word of its own; payload: its id */
    B4C_KIND_SPACE,
    B4C_KIND_DROP,           /* nothing, as if it had not been there */
    B4C_KIND_BARRIER,        /* nothing, but marks do not move across it */
    B4C_KIND_LATER,          /* in the table: ask b4c_rules_entries */
    B4C_KIND_MARK,           /* as OTHER, but sorted among its neighbours by combining class */
    B4C_KIND_SIGMA           /* capital sigma, lower-cased by its context */
} b4c_char_kind;

#define B4C_ENTRY(kind, payload) ((uint32_t)(kind) << 28 | (uint32_t)(payload))
#define B4C_ENTRY_KIND(entry) ((b4c_char_kind)((entry) >> 28))
#define B4C_ENTRY_PAYLOAD(entry) ((entry) & 0xfffffffu)

typedef struct b4c_rules {
    b4c_flags flags;
    uint32_t *table;         /* [65536] entries; no MARK, no SIGMA */
    const b4c_vocab *vocab;
    int unknown;             /* id of the unknown token */
} b4c_rules;

/* vocab must stay as long as the rules. 0 or B4C_E_MEMORY. About 2 ms. */
int  b4c_rules_make(b4c_rules *, const b4c_flags *, const b4c_vocab *, int unknown);
void b4c_rules_done(b4c_rules *);

/* Entries of any character, without LETTER and LATER: 1 to B4C_EXPANSION of them. */
int b4c_rules_entries(const b4c_rules *, uint32_t c, uint32_t out[B4C_EXPANSION]);

/* ---- the two steps, for texts that are normalised before they are cut -------------------- */

/* What normalisation makes of c: 0 to B4C_EXPANSION characters, lower case without context. Where
 * it is 0, *barrier says whether marks may not move across. */
int b4c_rules_normalize(const b4c_flags *, uint32_t c, uint32_t out[B4C_EXPANSION], bool *barrier);
/* Kind of a character that was normalised: LETTER, SINGLE, SPACE or BARRIER (dropped). chinese:
 * Chinese characters are words. */
b4c_char_kind b4c_rules_classify(const b4c_flags *, uint32_t c, bool chinese);
/* Id of the token that is one character, or the unknown token's. */
int b4c_rules_single(const b4c_rules *, uint32_t c);
#endif
