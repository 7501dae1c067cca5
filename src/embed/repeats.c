/* repeats.c - see repeats.h. By sorting: whatever comes, n sequences cost n log n looks. */
#include "embed/repeats.h"

#include <stdlib.h>
#include <string.h>

static int compare_numbers(const int32_t *a, const int32_t *b, int n)
{
    if (!a || !b) return (a != NULL) - (b != NULL);
    return memcmp(a, b, (size_t)n * sizeof *a);
}

/* Any order in which equal ones are neighbours, the first to come in front. */
static int compare(const void *x, const void *y)
{
    const b4c_sequence *a = *(const b4c_sequence *const *)x, *b = *(const b4c_sequence *const *)y;
    int by = (a->length > b->length) - (a->length < b->length);
    if (by == 0) by = compare_numbers(a->ids, b->ids, a->length);
    if (by == 0) by = compare_numbers(a->segments, b->segments, a->length);
    return by ? by : (a > b) - (a < b);
}

static bool same(const b4c_sequence *a, const b4c_sequence *b)
{
    return a->length == b->length && compare_numbers(a->ids, b->ids, a->length) == 0 &&
           compare_numbers(a->segments, b->segments, a->length) == 0;
}

int b4c_without_repeats(const b4c_sequence *seq, int n, const b4c_sequence **sorted,
                        b4c_sequence *to, int *of)
{
    for (int i = 0; i < n; i++) sorted[i] = seq + i;
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    /* first which one came first, then what number that has */
    for (int i = 0; i < n; i++) {
        const int me = (int)(sorted[i] - seq);
        of[me] = i && same(sorted[i - 1], sorted[i]) ? of[sorted[i - 1] - seq] : me;
    }
    int k = 0;
    for (int i = 0; i < n; i++) {
        const bool is_new = of[i] == i;
        of[i] = is_new ? k : of[of[i]];
        if (is_new) to[k++] = seq[i];
    }
    return k;
}
