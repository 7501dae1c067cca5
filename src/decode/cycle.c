/* cycle.c - see cycle.h.
 *
 * The idea: read backwards, an end with period p is a beginning with period p, and the shortest
 * period of every beginning is its length less its longest border (Knuth, Morris, Pratt 1977).
 */
#include "decode/cycle.h"

b4c_cycle b4c_cycle_find(const int32_t *ids, int n, int times, int *border)
{
    b4c_cycle found = { 0, 0 };
    /* border[k]: of the last k tokens, the longest proper part that both begins and ends them */
    border[0] = -1;
    for (int k = 1, b = -1; k <= n; k++) {
        while (b >= 0 && ids[n - 1 - b] != ids[n - k]) b = border[b];
        border[k] = ++b;
        const int period = k - b;
        if (k < B4C_CYCLE_TOKENS || k / period < times) continue;
        if (!found.tokens || period == found.tokens) found = (b4c_cycle){ period, k / period };
    }
    return found;
}
