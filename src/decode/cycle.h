/* cycle.h - text that goes round in circles: the end of a result is one run of tokens again and
 * again, as language models do when the likeliest token is taken each time (Holtzman et al. 2020,
 * section 1).
 */
#ifndef B4C_DECODE_CYCLE_H
#define B4C_DECODE_CYCLE_H
#include <stddef.h>
#include <stdint.h>

/* Fewer tokens are no cycle however often they come: laughter, a row of dots. */
enum { B4C_CYCLE_TOKENS = 12 };

typedef struct b4c_cycle {
    int tokens;              /* of one round; 0: no cycle */
    int rounds;              /* whole ones at the end */
} b4c_cycle;

/* The shortest run of tokens that ids [n] end with `times` times (>= 2), B4C_CYCLE_TOKENS tokens in
 * all at least; then how often it really comes. border: room for n + 1. O(n). */
b4c_cycle b4c_cycle_find(const int32_t *ids, int n, int times, int *border);
#endif
