/* repeats.h - sequences that say the same. */
#ifndef B4C_EMBED_REPEATS_H
#define B4C_EMBED_REPEATS_H
#include "embed/encode.h"

/* The different ones among n sequences, in the order of their first coming, into to [n], and into
 * of [n] which of them sequence i is, at most i. sorted: room for n. Returns how many they are. */
int b4c_without_repeats(const b4c_sequence *, int n, const b4c_sequence **sorted, b4c_sequence *to,
                        int *of);
#endif
