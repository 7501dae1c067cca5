/* eigen.c - see eigen.h. Every inner loop runs along rows: the vectors are kept one a row. */
#include "embed/eigen.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TURNS = 60 };

static double product(const double *x, const double *y, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

static void add_times(double *x, double factor, const double *y, int n)
{
    for (int i = 0; i < n; i++) x[i] += factor * y[i];
}

/* The reflection 1 - 2 v v^T that turns x [m] into a multiple of its first unit vector, which is
 * returned; v has length 1, or is 0 where x is that already. */
static double reflection(const double *x, int m, double *v)
{
    double largest = 0, length = 0;
    for (int i = 0; i < m; i++) largest = fmax(largest, fabs(x[i]));
    memset(v, 0, (size_t)m * sizeof *v);
    if (!(largest > 0)) return 0;
    for (int i = 0; i < m; i++) {
        v[i] = x[i] / largest;
        length += v[i] * v[i];
    }
    length = sqrt(length);
    const double first = v[0] > 0 ? -length : length;
    v[0] -= first;
    const double norm = sqrt(product(v, v, m));
    for (int i = 0; i < m && norm > 0; i++) v[i] /= norm;
    return first * largest;
}

/* a becomes the rows of q with q a q^T of three diagonals: `middle` [n], and `beside` [n - 1]. */
static void reduce(double *a, int n, double *q, double *middle, double *beside, double *v,
                   double *w)
{
    memset(q, 0, (size_t)n * (size_t)n * sizeof *q);
    for (int i = 0; i < n; i++) q[(size_t)i * (size_t)n + (size_t)i] = 1;
    for (int k = 0; k + 1 < n; k++) {
        const int m = n - k - 1;
        double *row = a + (size_t)k * (size_t)n;
        middle[k] = row[k];
        beside[k] = reflection(row + k + 1, m, v);
        /* the rest: b - 2 v w^T - 2 w v^T with w = b v - (v.bv) v */
        double along = 0;
        for (int i = 0; i < m; i++) {
            w[i] = product(a + (size_t)(k + 1 + i) * (size_t)n + k + 1, v, m);
            along += v[i] * w[i];
        }
        add_times(w, -along, v, m);
        for (int i = 0; i < m; i++) {
            double *r = a + (size_t)(k + 1 + i) * (size_t)n + k + 1;
            add_times(r, -2 * v[i], w, m);
            add_times(r, -2 * w[i], v, m);
        }
        /* rows k + 1 .. of q turn alike */
        memset(w, 0, (size_t)n * sizeof *w);
        for (int i = 0; i < m; i++) add_times(w, v[i], q + (size_t)(k + 1 + i) * (size_t)n, n);
        for (int i = 0; i < m; i++) add_times(q + (size_t)(k + 1 + i) * (size_t)n, -2 * v[i], w, n);
    }
    middle[n - 1] = a[(size_t)n * (size_t)n - 1];
}

/* One implicit QL turn on rows l .. m; the vectors in q turn with it. */
static void turn(double *q, int n, double *d, double *e, int l, int m)
{
    double g = (d[l + 1] - d[l]) / (2 * e[l]);
    g = d[m] - d[l] + e[l] / (g + copysign(hypot(g, 1), g));
    double s = 1, c = 1, p = 0;
    for (int i = m - 1; i >= l; i--) {
        const double f = s * e[i], b = c * e[i];
        double r = hypot(f, g);
        if (i + 1 < n - 1) e[i + 1] = r;
        if (!(r > 0)) {
            d[i + 1] -= p;
            if (m < n - 1) e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        double *x = q + (size_t)i * (size_t)n, *y = x + n;
        for (int k = 0; k < n; k++) {
            const double t = y[k];
            y[k] = s * x[k] + c * t;
            x[k] = c * x[k] - s * t;
        }
    }
    d[l] -= p;
    e[l] = g;
    if (m < n - 1) e[m] = 0;
}

static int diagonalise(double *q, int n, double *d, double *e, b4c_error *err)
{
    for (int l = 0; l < n; l++)
        for (int turns = 0;; turns++) {
            int m = l;
            while (m < n - 1 && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1]))) m++;
            if (m == l && isfinite(d[l])) break;
            if (turns == MOST_TURNS || !isfinite(d[l]))
                return b4c_fail(err, B4C_E_NUMBER,
                                "eigenvalues: no convergence; are all numbers finite?");
            turn(q, n, d, e, l, m);
        }
    return 0;
}

typedef struct place {
    double value;
    int at;
} place;

static int falling(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->value < y->value || x->value > y->value) return x->value > y->value ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

int b4c_eigen_symmetric(double *a, int n, double *value, b4c_error *err)
{
    const size_t width = (size_t)n;
    double *q = malloc((width * width + 4 * width + 1) * sizeof *q);
    place *order = malloc((width + 1) * sizeof *order);
    int rc = q && order ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for %d eigenvectors", n);
    if (rc == 0 && n > 0) {
        double *d = q + width * width, *e = d + width, *v = e + width, *w = v + width;
        reduce(a, n, q, d, e, v, w);
        rc = diagonalise(q, n, d, e, err);
        for (int i = 0; i < n; i++) order[i] = (place){ d[i], i };
        if (rc == 0) qsort(order, width, sizeof *order, falling);
        for (int i = 0; rc == 0 && i < n; i++) {
            value[i] = order[i].value;
            memcpy(a + (size_t)i * width, q + (size_t)order[i].at * width, width * sizeof *a);
        }
    }
    free(order);
    free(q);
    return rc;
}
