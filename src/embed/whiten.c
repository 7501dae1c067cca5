/* whiten.c - whitening of sentence vectors: bert4c.h, "whitening", has the contracts.
 *
 * y = (x - mean) W with W = U S^-1/2, where U S U^T is the covariance (n - 1) of the vectors that
 * were added: their covariance becomes 1, and the first k columns keep what varies most. Source: Su
 * et al. 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval".
 * Sums are in double, about the first vector, so that a mean far from zero loses nothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embed/eigen.h"
#include "model/format/safetensors_write.h"

/* A direction whose variance is below this part of the largest does not vary. */
#define NO_VARIANCE 1e-10

struct b4c_whitening {
    int width, rank; /* rank 0: not solved */
    size_t n;
    double *first;   /* [width] */
    double *sum;     /* [width] of x - first */
    double *squares; /* [width, width] of its products, upper half */
    double *mean;    /* [width] */
    double *columns; /* [rank, width]: W's columns, one a row */
};

void b4c_whitening_free(b4c_whitening *w)
{
    if (!w) return;
    free(w->first);
    free(w->sum);
    free(w->squares);
    free(w->mean);
    free(w->columns);
    free(w);
}

static int no_memory(int width, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "whitening: no memory for vectors of %d", width);
}

b4c_whitening *b4c_whitening_new(int width, b4c_error *err)
{
    if (width < 1 || width > 1 << 15) {
        b4c_fail(err, B4C_E_ARG, "whitening: vectors of %d, wanted 1 to %d", width, 1 << 15);
        return NULL;
    }
    const size_t w = (size_t)width;
    b4c_whitening *x = calloc(1, sizeof *x);
    if (x) {
        x->width = width;
        x->first = calloc(w, sizeof *x->first);
        x->sum = calloc(w, sizeof *x->sum);
        x->squares = calloc(w * w, sizeof *x->squares);
        x->mean = calloc(w, sizeof *x->mean);
    }
    if (x && x->first && x->sum && x->squares && x->mean) return x;
    no_memory(width, err);
    b4c_whitening_free(x);
    return NULL;
}

int b4c_whitening_add(b4c_whitening *w, const float *vectors, size_t n, b4c_error *err)
{
    const size_t width = (size_t)w->width;
    double *d = malloc(width * sizeof *d);
    if (!d) return no_memory(w->width, err);
    int rc = 0;
    for (size_t k = 0; k < n && rc == 0; k++) {
        const float *x = vectors + k * width;
        double size = 0;
        for (size_t i = 0; i < width; i++) size += fabs((double)x[i]);
        if (!isfinite(size)) {
            rc = b4c_fail(err, B4C_E_NUMBER, "whitening: vector %zu is not finite", w->n + 1);
            break;
        }
        if (!w->n++)
            for (size_t i = 0; i < width; i++) w->first[i] = (double)x[i];
        for (size_t i = 0; i < width; i++) {
            d[i] = (double)x[i] - w->first[i];
            w->sum[i] += d[i];
        }
        for (size_t i = 0; i < width; i++) {
            double *row = w->squares + i * width;
            const double factor = d[i];
            for (size_t j = i; j < width; j++) row[j] += factor * d[j];
        }
    }
    free(d);
    return rc;
}

int b4c_whitening_solve(b4c_whitening *w, b4c_error *err)
{
    const size_t width = (size_t)w->width;
    if (w->n < 2)
        return b4c_fail(err, B4C_E_ARG, "whitening: %zu vectors were added, wanted 2 at least",
                        w->n);
    double *a = malloc(width * width * sizeof *a), *value = malloc(width * sizeof *value);
    int rc = a && value ? 0 : no_memory(w->width, err);
    const double n = (double)w->n;
    for (size_t i = 0; i < width && rc == 0; i++) {
        w->mean[i] = w->first[i] + w->sum[i] / n;
        for (size_t j = i; j < width; j++)
            a[i * width + j] = a[j * width + i] =
                (w->squares[i * width + j] - w->sum[i] * w->sum[j] / n) / (n - 1);
    }
    if (rc == 0) rc = b4c_eigen_symmetric(a, w->width, value, err);
    int rank = 0;
    while (rc == 0 && rank < w->width && value[rank] > value[0] * NO_VARIANCE && value[rank] > 0)
        rank++;
    if (rc == 0 && !rank)
        rc = b4c_fail(err, B4C_E_ARG, "whitening: all %zu vectors are the same", w->n);
    for (int r = 0; r < rank && rc == 0; r++) {
        double *row = a + (size_t)r * width;
        /* which of v and -v it is, is nobody's choice: the largest component is positive */
        size_t largest = 0;
        for (size_t i = 1; i < width; i++)
            if (fabs(row[i]) > fabs(row[largest])) largest = i;
        const double factor = (row[largest] < 0 ? -1 : 1) / sqrt(value[r]);
        for (size_t i = 0; i < width; i++) row[i] *= factor;
    }
    free(value);
    if (rc < 0) {
        free(a);
        return rc;
    }
    free(w->columns);
    w->columns = a;
    w->rank = rank;
    return 0;
}

int b4c_whitening_width(const b4c_whitening *w) { return w->width; }
int b4c_whitening_rank(const b4c_whitening *w) { return w->rank; }

int b4c_whitening_apply(const b4c_whitening *w, const float *x, size_t n, int keep, float *y,
                        b4c_error *err)
{
    const size_t width = (size_t)w->width, k = (size_t)keep;
    if (keep < 1 || keep > w->rank)
        return b4c_fail(err, B4C_E_ARG,
                        "whitening: %d components are asked for; its vectors vary in %d directions",
                        keep, w->rank);
    double *d = malloc(width * sizeof *d);
    if (!d) return no_memory(w->width, err);
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < width; i++) d[i] = (double)x[r * width + i] - w->mean[i];
        for (size_t c = 0; c < k; c++) {
            const double *column = w->columns + c * width;
            double sum = 0;
            for (size_t i = 0; i < width; i++) sum += d[i] * column[i];
            y[r * k + c] = (float)sum;
        }
    }
    free(d);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Of the file. One without it is of format 1. */
enum { FORMAT = 1 };

int b4c_whitening_save(const b4c_whitening *w, const char *path, b4c_error *err)
{
    int32_t format = FORMAT;
    b4c_tensor_out list[] = {
        { "format", B4C_STORED_I32, 1, { 1 }, &format },
        { "mean", B4C_STORED_F64, 1, { w->width }, w->mean },
        { "columns", B4C_STORED_F64, 2, { w->rank, w->width }, w->columns },
    };
    const int n = sizeof list / sizeof *list;
    b4c_safetensors_out out;
    if (!w->rank) return b4c_fail(err, B4C_E_ARG, "whitening: it was not solved yet");
    B4C_TRY(b4c_safetensors_begin(&out, path, list, n, err));
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const int64_t *shape = list[i].shape, rows = list[i].rank == 2 ? shape[1] : 1;
        rc = b4c_safetensors_put_raw(&out, list[i].tag, (uint64_t)(shape[0] * rows), err);
    }
    if (rc == 0) rc = b4c_safetensors_commit(&out, err);
    b4c_safetensors_drop(&out);
    return rc;
}

static int read_tensor(const b4c_store *s, const char *name, int rank, const char *path,
                       const b4c_stored **out, b4c_error *err)
{
    const int at = b4c_store_find(s, name);
    const b4c_stored *t = at < 0 ? NULL : &s->tensor[at];
    if (!t || t->type != B4C_STORED_F64 || t->rank != rank)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: found no tensor '%s' of doubles with %d axes; is this a whitening?",
                        path, name, rank);
    *out = t;
    return 0;
}

static int read_parts(b4c_whitening *w, const b4c_store *s, const char *path, b4c_error *err)
{
    const b4c_stored *mean, *columns;
    const int stated = b4c_store_find(s, "format");
    float format = FORMAT;
    if (stated >= 0 && s->tensor[stated].rank == 1 && s->tensor[stated].shape[0] == 1)
        B4C_TRY(b4c_store_read(s, stated, 0, 1, &format, err));
    if (format > FORMAT)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: a whitening of format %g, wanted %d at most: a newer bert4c wrote it",
                        path, (double)format, FORMAT);
    B4C_TRY(read_tensor(s, "mean", 1, path, &mean, err));
    B4C_TRY(read_tensor(s, "columns", 2, path, &columns, err));
    const int64_t width = mean->shape[0], rank = columns->shape[0];
    if (width < 1 || width > 1 << 15 || rank < 1 || rank > width || columns->shape[1] != width)
        return b4c_fail(err, B4C_E_SHAPE,
                        "%s: found a mean of %lld and columns [%lld, %lld], wanted [1 to width, "
                        "width]",
                        path, (long long)width, (long long)rank, (long long)columns->shape[1]);
    const size_t n = (size_t)width, all = n * (size_t)rank;
    w->width = (int)width;
    w->rank = (int)rank;
    w->mean = malloc(n * sizeof *w->mean);
    w->columns = malloc(all * sizeof *w->columns);
    if (!w->mean || !w->columns) return no_memory(w->width, err);
    memcpy(w->mean, mean->data, n * sizeof *w->mean);
    memcpy(w->columns, columns->data, all * sizeof *w->columns);
    for (size_t i = 0; i < all + n; i++)
        if (!isfinite(i < n ? w->mean[i] : w->columns[i - n]))
            return b4c_fail(err, B4C_E_NUMBER, "%s: NaN or infinity in it", path);
    return 0;
}

b4c_whitening *b4c_whitening_open(const char *path, b4c_error *err)
{
    b4c_store s = { 0 };
    b4c_whitening *w = calloc(1, sizeof *w);
    int rc = w ? b4c_store_open(&s, path, err) : no_memory(0, err);
    if (rc == 0) rc = read_parts(w, &s, path, err);
    b4c_store_close(&s);
    if (rc == 0) return w;
    b4c_whitening_free(w);
    return NULL;
}
