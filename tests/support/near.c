/* near.c - see near.h. One body for both types: it reads elements through a function. */
#include "support/test.h"

#include <math.h>

typedef double (*element_fn)(const void *array, size_t i);

static double element_f32(const void *array, size_t i) { return ((const float *)array)[i]; }

static double element_f64(const void *array, size_t i) { return ((const double *)array)[i]; }

static double distance(const void *got, const void *want, size_t n, size_t *at, element_fn element)
{
    double largest = 0, worst = 0;
    *at = 0;
    for (size_t i = 0; i < n; i++) {
        const double g = element(got, i), w = element(want, i);
        if (isfinite(w) && fabs(w) > largest) largest = fabs(w);
        const double d = g == w || (isnan(g) && isnan(w)) ? 0 : fabs(g - w);
        if (d > worst || isnan(d)) {
            worst = isnan(d) ? INFINITY : d;
            *at = i;
        }
    }
    return largest > 0 ? worst / largest : worst;
}

static void check(const void *got, const void *want, size_t n, double tolerance, element_fn element,
                  const char *file, int line)
{
    size_t at;
    const double d = distance(got, want, n, &at, element);
    if (d <= tolerance) return;
    print_error(
        "element %zu of %zu: found %.9g, wanted %.9g; relative to the largest %.3g, allowed %.3g\n",
        at, n, element(got, at), element(want, at), d, tolerance);
    _fail(file, line);
}

double distance_f32(const float *got, const float *want, size_t n, size_t *at)
{
    return distance(got, want, n, at, element_f32);
}

double distance_f64(const double *got, const double *want, size_t n, size_t *at)
{
    return distance(got, want, n, at, element_f64);
}

void check_near_f32(const float *got, const float *want, size_t n, double tolerance,
                    const char *file, int line)
{
    check(got, want, n, tolerance, element_f32, file, line);
}

void check_near_f64(const double *got, const double *want, size_t n, double tolerance,
                    const char *file, int line)
{
    check(got, want, n, tolerance, element_f64, file, line);
}

double cosine_f32(const float *a, const float *b, size_t n)
{
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}
