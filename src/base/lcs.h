/* lcs.h - the length of the longest common subsequence of two sequences of numbers.
 *
 * Bit-parallel: 64 cells of a column of the usual table are one addition (Hyyrö 2004, "Bit-parallel
 * LCS-length computation revisited"), so texts of a thousand characters take some 20 microseconds.
 */
#ifndef B4C_BASE_LCS_H
#define B4C_BASE_LCS_H
#include "base/error.h"

/* What a comparison needs, from call to call: start from {0}, b4c_lcs_done once at the end. */
typedef struct b4c_lcs {
    int32_t *symbol;   /* different ones of the shorter sequence, rising */
    uint64_t *where;   /* [symbols, words] where each stands in it */
    uint64_t *column;  /* [words] */
    size_t room, room_where;
} b4c_lcs;

/* >= 0, or B4C_E_MEMORY. a [n], b [m]. O(n log n + m (n / 64 + log n)) for n <= m. */
int b4c_lcs_length(b4c_lcs *, const int32_t *a, int n, const int32_t *b, int m, b4c_error *);
void b4c_lcs_done(b4c_lcs *);
#endif
