/* metrics.h - how well scores agree with labels. The functions are public: bert4c.h, "measures",
 * has their contracts. */
#ifndef B4C_STUDY_METRICS_H
#define B4C_STUDY_METRICS_H
#include "base/error.h"

/* Average ranks: rank[i] in 1..n of x[i] among x, equal values sharing the mean of their ranks.
 * NaN is refused. */
int b4c_ranks(const double *x, size_t n, double *rank, b4c_error *);
#endif
