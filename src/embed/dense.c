/* dense.c - see dense.h. */
#include "embed/dense.h"

#include "base/error.h"
#include "model/format/store.h"
#include <math.h>
#include <stdlib.h>

/* Rows of a tensor of that shape; rows 0: a vector. malloc'ed; NULL: err says why. */
static b4c_real *read_tensor(const b4c_store *store, const char *name, int rows, int cols,
                             b4c_error *err)
{
    const char *file = store->file_name[0];
    const int at = b4c_store_find(store, name);
    const b4c_stored *t = at < 0 ? NULL : &store->tensor[at];
    const size_t n = (size_t)(rows ? rows : 1) * (size_t)cols;
    if (!t) {
        b4c_fail(err, B4C_E_MISSING, "%s: tensor '%s' is missing", file, name);
        return NULL;
    }
    if (t->rank != (rows ? 2 : 1) || t->shape[t->rank - 1] != cols ||
        (rows && t->shape[0] != rows)) {
        b4c_fail(err, B4C_E_SHAPE, "%s: '%s' has not the shape that its config.json says: %d x %d",
                 file, name, rows ? rows : 1, cols);
        return NULL;
    }
    float *x = malloc(n * sizeof *x);
    b4c_real *y = malloc(n * sizeof *y);
    int rc = x && y ? b4c_store_read(store, at, 0, rows ? rows : 1, x, err)
                    : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for '%s'", file, name);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!isfinite(x[i]))
            rc = b4c_fail(err, B4C_E_NUMBER, "%s: '%s' has NaN or infinity", file, name);
        y[i] = (b4c_real)x[i];
    }
    free(x);
    if (rc == 0) return y;
    free(y);
    return NULL;
}

static int read_weights(b4c_dense *d, const b4c_store *store, const b4c_dense_settings *s,
                        b4c_error *err)
{
    b4c_real *w = read_tensor(store, "linear.weight", s->out, s->in, err);
    if (!w) return err->code;
    int rc = b4c_packed_init(&d->weight.packed, s->out, s->in, B4C_F32);
    if (rc < 0)
        b4c_fail(err, rc, "%s: no memory for it", s->folder);
    else
        b4c_packed_fill(&d->weight.packed, 0, s->out, w, (size_t)s->in);
    free(w);
    if (rc < 0 || !s->bias) return rc;
    d->weight.bias = (b4c_array){ .rows = 1, .cols = s->out };
    d->weight.bias.x = read_tensor(store, "linear.bias", 0, s->out, err);
    return d->weight.bias.x ? 0 : err->code;
}

int b4c_dense_open(b4c_dense *d, const b4c_dense_settings *s, b4c_error *err)
{
    b4c_error own = { 0 };
    b4c_store store = { 0 };
    if (!err) err = &own;
    *d = (b4c_dense){ .act = s->act };
    int rc = b4c_store_open(&store, s->folder, err);
    if (rc == 0) rc = read_weights(d, &store, s, err);
    b4c_store_close(&store);
    if (rc < 0) b4c_dense_done(d);
    return rc;
}

void b4c_dense_done(b4c_dense *d)
{
    b4c_packed_done(&d->weight.packed);
    free(d->weight.bias.x);
    *d = (b4c_dense){ 0 };
}
