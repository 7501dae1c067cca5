/* crew.h - the lanes that a session works with: one tape each.
 *
 * Two ways to use them. Apart: each lane runs its own tape over its own sequences, without a word
 * to the others; for many sequences. Joint: the first tape alone, its ops dividing themselves among
 * the lanes; for few. Results are the same to the bit.
 */
#ifndef B4C_MODEL_CREW_H
#define B4C_MODEL_CREW_H
#include "model/cache.h"

typedef struct b4c_crew {
    int lanes;
    int batch_tokens;        /* rows that one lane takes through all layers at once */
    b4c_pool *pool;          /* NULL: one lane */
    b4c_tape *tape;          /* [lanes], not recording */
    /* between calls that write: of sequences, and of an encoder-decoder's sources */
    b4c_cache_memory cache, sources;
} b4c_crew;

/* batch_tokens 0: what the kernels want. */
int  b4c_crew_init(b4c_crew *, const b4c_kernels *, b4c_dtype, int lanes, int batch_tokens,
                   b4c_error *);
void b4c_crew_done(b4c_crew *);
/* The first tape, with the pool behind its ops until b4c_crew_apart. */
b4c_tape *b4c_crew_joint(b4c_crew *);
void b4c_crew_apart(b4c_crew *);
/* Apart: fn for i = 0 .. n-1, lane after lane taking the next, each with its own tape, until one
 * returns false. Returns whether none did. */
bool b4c_crew_take(b4c_crew *, bool (*fn)(b4c_tape *, void *arg, int i), void *arg, int n);
/* Give back what an unusually large call took. All tapes are reset. */
void b4c_crew_rest(b4c_crew *);
/* The caches' memory too: a run has failed, so there may be no numbers in it. */
void b4c_crew_forget(b4c_crew *);
#endif
