/* nearest.c - edit distance (Levenshtein), by its one row. */
#include "base/nearest.h"
#include <string.h>

enum { COMPARED = 96 };

int b4c_edits(const char *a, const char *b)
{
    int row[COMPARED + 1];
    const int n = (int)strnlen(a, COMPARED), m = (int)strnlen(b, COMPARED);
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            const int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int best = change < row[j] + 1 ? change : row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *b4c_nearest(const char *typed, const char *const *names, int n)
{
    const char *best = NULL;
    int least = 0;
    for (int i = 0; i < n; i++) {
        const int e = b4c_edits(typed, names[i]);
        const size_t a = strlen(typed), b = strlen(names[i]);
        if (2 * (size_t)e <= (a > b ? a : b) && (!best || e < least)) {
            best = names[i];
            least = e;
        }
    }
    return best;
}
