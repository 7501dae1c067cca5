/* overlap.c - ROUGE and BLEU of Chinese: how alike two texts are by the characters they share.
 *
 * One idea: both texts become sequences of code points (lower case, without blanks), n-grams are
 * sorted arrays, and what two of them share is a walk through both. Sources: Lin 2004, "ROUGE"
 * (n-grams counted as often as they stand in both; longest common subsequence; F with beta 1);
 * Papineni et al. 2002, BLEU of one sentence, and Chen and Cherry 2014, smoothing 1. The characters
 * as words are bert4keras's (SPEC A.7); the pip package `rouge` of its time counts each n-gram once
 * and so differs in the second decimal.
 */
#include "base/lcs.h"
#include "study/letters.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_GRAM = 4 };
/* What an n-gram order without a match counts as (Chen and Cherry's epsilon, as nltk has it). */
static const double no_match = 0.1;

/* ---- n-grams --------------------------------------------------------------------------------- */

typedef struct gram {
    int32_t c[MOST_GRAM];
} gram;

static int by_letters(const void *a, const void *b)
{
    const gram *x = a, *y = b;
    for (int i = 0; i < MOST_GRAM; i++)
        if (x->c[i] != y->c[i]) return x->c[i] < y->c[i] ? -1 : 1;
    return 0;
}

/* The n-grams of a text, sorted; how many. */
static int grams_of(gram *g, const b4c_letters *l, int n)
{
    const int count = l->n - n + 1;
    for (int i = 0; i < count; i++) {
        g[i] = (gram){ { 0 } };
        memcpy(g[i].c, l->c + i, (size_t)n * sizeof *l->c);
    }
    if (count > 1) qsort(g, (size_t)count, sizeof *g, by_letters);
    return count > 0 ? count : 0;
}

/* How many of a's n-grams stand in b, each as often at most as it stands there. */
static int shared(const gram *a, int n, const gram *b, int m)
{
    int both = 0;
    for (int i = 0, j = 0; i < n && j < m;) {
        const int order = by_letters(a + i, b + j);
        both += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return both;
}

/* ---- the measures ---------------------------------------------------------------------------- */

static double f1(double both, double found, double wanted)
{
    return both > 0 ? 2 * both / (found + wanted) : 0;
}

static void measure(b4c_overlap *out, const b4c_letters *found, const b4c_letters *wanted, gram *a,
                    gram *b, int lcs)
{
    double log_precision = 0;
    bool any = false;
    for (int n = 1; n <= MOST_GRAM; n++) {
        const int in_a = grams_of(a, found, n), in_b = grams_of(b, wanted, n);
        const int both = shared(a, in_a, b, in_b);
        if (n == 1) out->rouge_1 = f1(both, in_a, in_b);
        if (n == 2) out->rouge_2 = f1(both, in_a, in_b);
        if (n == 1) any = both > 0;
        log_precision += log((both ? both : no_match) / (in_a ? in_a : 1)) / MOST_GRAM;
    }
    out->rouge_l = f1(lcs, found->n, wanted->n);
    /* Short answers are precise too easily. */
    const double brevity = found->n > wanted->n ? 0 : 1 - (double)wanted->n / found->n;
    out->bleu = any ? exp(brevity + log_precision) : 0;
}

int b4c_overlap_measure(const char *found, size_t found_size, const char *wanted,
                        size_t wanted_size, b4c_overlap *out, b4c_error *err)
{
    b4c_letters a = { 0 }, b = { 0 };
    gram *grams = NULL;
    b4c_lcs work = { 0 };
    *out = (b4c_overlap){ 0 };
    int rc = b4c_letters_read(&a, found, found_size, err);
    if (rc == 0) rc = b4c_letters_read(&b, wanted, wanted_size, err);
    if (rc == 0 && a.n && b.n) {
        grams = malloc(((size_t)a.n + (size_t)b.n) * sizeof *grams);
        rc = grams ? b4c_lcs_length(&work, a.c, a.n, b.c, b.n, err)
                   : b4c_fail(err, B4C_E_MEMORY, "measures: no memory for %d n-grams", a.n + b.n);
        if (rc >= 0) measure(out, &a, &b, grams, grams + a.n, rc);
    }
    free(grams);
    b4c_letters_done(&a);
    b4c_letters_done(&b);
    b4c_lcs_done(&work);
    return rc < 0 ? rc : 0;
}
