/* sources.h - an encoder-decoder reads the texts that it will write about.
 *
 * The idea: sources do not know of one another, so each lane takes some of them through the whole
 * encoder by itself, and writes what cross-attention will want of them into the cache; only what
 * would leave lanes idle is read by all lanes together. The same bits either way.
 */
#ifndef B4C_DECODE_SOURCES_H
#define B4C_DECODE_SOURCES_H
#include "model/crew.h"

typedef struct b4c_unread {
    const int32_t *ids;      /* [n] */
    int n, slot;             /* slot: an empty one of the cache */
} b4c_unread;

/* Keys and values of n sources, for every layer of the decoder, into their slots. The crew is
 * joint, before and after; its tapes are reset. B4C_E_MEMORY. */
int b4c_sources_encode(const b4c_network *, b4c_crew *, b4c_cache *, const b4c_unread *, int n,
                     b4c_error *);
#endif
