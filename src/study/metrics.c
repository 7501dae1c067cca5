/* metrics.c - Pearson, Spearman, area under the ROC curve, best F1: how well scores agree with
 * labels; and classes that were said with those that were meant.
 *
 * One idea: everything but Pearson is a walk over the scores in order, where a run of equal scores
 * counts as one step. Ties therefore never depend on the order of the input. Invariants: sums are
 * in double and centred, so that scores far from zero lose nothing; what is not defined (a constant
 * side, one class only) is NaN and not an error; a NaN that comes in is.
 *
 * Sources: Spearman as Pearson of average ranks (Kendall 1945, ties); AUC as the Mann-Whitney
 * statistic over the product of the class sizes, from average ranks (Hanley and McNeil 1982).
 */
#include "study/metrics.h"
#include <math.h>
#include <stdlib.h>

typedef struct scored { double score; size_t at; } scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Scores with their places, rising; the caller frees *out. */
static int in_order(scored **out, const double *x, size_t n, b4c_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return b4c_fail(err, B4C_E_NUMBER, "measures: value %zu: found NaN, wanted a number",
                            i + 1);
    scored *s = n > SIZE_MAX / sizeof *s ? NULL : malloc((n ? n : 1) * sizeof *s);
    if (!s) return b4c_fail(err, B4C_E_MEMORY, "measures: no memory for %zu scores", n);
    for (size_t i = 0; i < n; i++) s[i] = (scored){ x[i], i };
    qsort(s, n, sizeof *s, by_score);
    *out = s;
    return 0;
}

/* First place after `from` whose score is another. */
static size_t run_end(const scored *s, size_t n, size_t from)
{
    size_t to = from + 1;
    while (to < n && s[to].score == s[from].score) to++;
    return to;
}

static int are_labels(const double *label, size_t n, size_t *positive, b4c_error *err)
{
    *positive = 0;
    for (size_t i = 0; i < n; i++) {
        if (label[i] != 0 && label[i] != 1)
            return b4c_fail(err, B4C_E_ARG, "measures: label %zu: found %g, wanted 0 or 1", i + 1,
                            label[i]);
        *positive += label[i] == 1;
    }
    return 0;
}

int b4c_ranks(const double *x, size_t n, double *rank, b4c_error *err)
{
    scored *s;
    B4C_TRY(in_order(&s, x, n, err));
    for (size_t i = 0, to; i < n; i = to) {
        to = run_end(s, n, i);
        for (size_t j = i; j < to; j++) rank[s[j].at] = 0.5 * (double)(i + 1 + to);
    }
    free(s);
    return 0;
}

double b4c_pearson(const double *a, const double *b, size_t n)
{
    double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        mean_a += a[i];
        mean_b += b[i];
    }
    if (n) {
        mean_a /= (double)n;
        mean_b /= (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        const double x = a[i] - mean_a, y = b[i] - mean_b;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    if (!(aa > 0) || !(bb > 0)) return NAN;
    return ab / (sqrt(aa) * sqrt(bb));
}

int b4c_spearman(const double *a, const double *b, size_t n, double *out, b4c_error *err)
{
    int rc = 0;
    double *rank = n > SIZE_MAX / (2 * sizeof *rank) ? NULL
        : malloc((n ? 2 * n : 1) * sizeof *rank);
    if (!rank) return b4c_fail(err, B4C_E_MEMORY, "measures: no memory for %zu ranks", n);
    if ((rc = b4c_ranks(a, n, rank, err)) == 0 && (rc = b4c_ranks(b, n, rank + n, err)) == 0)
        *out = b4c_pearson(rank, rank + n, n);
    free(rank);
    return rc;
}

int b4c_auc(const double *score, const double *label, size_t n, double *out, b4c_error *err)
{
    size_t positive;
    B4C_TRY(are_labels(label, n, &positive, err));
    scored *s;
    B4C_TRY(in_order(&s, score, n, err));
    /* (positive, negative) pairs in the right order; a tie is half a pair */
    double pairs = 0;
    size_t negative = 0;
    for (size_t i = 0, to; i < n; i = to) {
        size_t here = 0;
        to = run_end(s, n, i);
        for (size_t j = i; j < to; j++) here += label[s[j].at] == 1;
        const size_t others = to - i - here;
        pairs += (double)here * ((double)negative + 0.5 * (double)others);
        negative += others;
    }
    *out = positive && negative ? pairs / ((double)positive * (double)negative) : NAN;
    free(s);
    return 0;
}

int b4c_best_f1(const double *score, const double *label, size_t n, double *f1, double *threshold,
                b4c_error *err)
{
    size_t positive, found = 0;
    B4C_TRY(are_labels(label, n, &positive, err));
    scored *s;
    B4C_TRY(in_order(&s, score, n, err));
    *f1 = *threshold = NAN;
    /* From the highest score down: everything seen so far is called positive. */
    for (size_t to = n, from; to > 0 && positive; to = from) {
        for (from = to; from > 0 && s[from - 1].score == s[to - 1].score; from--)
            found += label[s[from - 1].at] == 1;
        const double f = 2.0 * (double)found / (double)(n - from + positive);
        if (!(f <= *f1)) {
            *f1 = f;
            /* Halfway to the next lower score: new ones are judged by the middle of the gap. */
            const double low = from ? s[from - 1].score : s[from].score,
                middle = low + 0.5 * (s[from].score - low);
            *threshold = middle > low ? middle : s[from].score;
        }
    }
    free(s);
    return 0;
}

/* ---- classes --------------------------------------------------------------------------------- */

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

void b4c_classes_measure(const int64_t *counts, int classes, double *accuracy, double *macro_f1,
                         b4c_class_measure *each)
{
    const size_t n = (size_t)classes;
    int64_t all = 0, all_right = 0;
    double sum = 0;
    int used = 0;
    for (size_t c = 0; c < n; c++) {
        b4c_class_measure m = { 0 };
        const int64_t right = counts[c * n + c];
        for (size_t k = 0; k < n; k++) {
            m.meant += counts[c * n + k];
            m.said += counts[k * n + c];
        }
        m.precision = share(right, m.said);
        m.recall = share(right, m.meant);
        m.f1 = share(2 * right, m.meant + m.said);
        all += m.meant;
        all_right += right;
        sum += m.f1;
        used += m.meant + m.said > 0;
        if (each) each[c] = m;
    }
    *accuracy = all ? (double)all_right / (double)all : NAN;
    *macro_f1 = used ? sum / used : NAN;
}
