/* steps.h - what the hub's normalizers and pre-tokenizers do to a text before a model cuts it.
 *
 * A tokenizer.json lists small steps, each of which makes a text of a text. They are applied one
 * after another; one that would change nothing costs a look. Results equal those of tokenizers
 * 0.23, but for marks that Unicode has got since version 12. WordPiece has its own way (rules.h).
 */
#ifndef B4C_TEXT_STEPS_H
#define B4C_TEXT_STEPS_H
#include "text/charsmap.h"

typedef enum b4c_step_kind {
    B4C_STEP_FORM,           /* a normal form of Unicode: compose, compatible */
    B4C_STEP_LOWER,          /* lower case, character by character */
    B4C_STEP_STRIP_ACCENTS,  /* all marks go */
    B4C_STEP_STRIP,          /* blanks at the ends go: left, right */
    B4C_STEP_PREPEND,        /* `to` in front of a text that is not empty */
    B4C_STEP_REPLACE,        /* `to` for every `from` */
    B4C_STEP_SQUEEZE,        /* `to` for two blanks and more */
    B4C_STEP_CHARSMAP,       /* SentencePiece's replacements, by graphemes as the hub does */
    B4C_STEP_BLANK_IN_FRONT, /* a blank in front, unless one is there */
    B4C_STEP_MARKS,          /* U+2581 for blanks, and one in front (`front`) unless one is there */
    B4C_STEP_WORDS           /* the same, blanks of any kind and number between words */
} b4c_step_kind;

/* When a blank is put in front. */
typedef enum b4c_prefix { B4C_PREFIX_ALWAYS, B4C_PREFIX_FIRST, B4C_PREFIX_NEVER } b4c_prefix;

typedef struct b4c_step {
    b4c_step_kind kind;
    bool compose, compatible;
    bool left, right;
    b4c_prefix front;  /* FIRST: only where the caller's text begins */
    char *from, *to;   /* the step's own */
    b4c_charsmap map;
} b4c_step;

enum { B4C_STEPS_MOST = 16 };
typedef struct b4c_steps {
    int n;
    b4c_step step[B4C_STEPS_MOST];
} b4c_steps;

void b4c_steps_done(b4c_steps *);
/* Change the view. `first`: it begins where the caller's text begins. Its text then lies in one of
 * the two, or where it was; none of them may be what the view shows at first. Time is linear in
 * the bytes. 0 or B4C_E_MEMORY. */
int b4c_steps_apply(const b4c_steps *, b4c_view *, bool first, b4c_mapped work[2]);
#endif
