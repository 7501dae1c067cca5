/* save.c - masters, tables and arrays as tensors with the names and turns of a layout.
 *
 * Query, key and value of one packed weight are rows of one master, so a layout that keeps them in
 * one tensor gets that master whole; a layout of its own tensors gets its rows.
 */
#include "model/save.h"
#include "base/error.h"
#include "model/format/safetensors_write.h"
#include <stdlib.h>
#include <string.h>

enum { NAME = 512, BLOCK = 1 << 14 };

/* What a tensor is made of. */
typedef struct saved {
    const b4c_real *x;       /* [rows, cols] */
    size_t rows, cols;
    bool turned;             /* written as [cols, rows] */
    char name[NAME];
} saved;

static void find_values(saved *s, const b4c_mapping *m, const b4c_parameter *p)
{
    const bool whole = b4c_mapping_part(m, p) == 0, vector = p->kind == B4C_KIND_BIAS ||
                                                             p->kind == B4C_KIND_GAIN;
    s->rows = (size_t)p->rows;
    s->cols = (size_t)p->cols;
    if (p->table) {
        s->x = p->table->real.x;
    } else if (p->array) {
        s->x = p->array->x + p->at;
        if (whole && vector) s->cols = (size_t)p->array->cols;
    } else {
        s->x = p->weight->master + (size_t)p->at * (size_t)p->weight->packed.k;
        if (whole) s->rows = (size_t)p->weight->packed.n;
    }
    s->turned = b4c_mapping_turned(m, p);
}

/* BART's logits bias is [1, vocabulary]. */
static bool is_row(const saved *s) { return strstr(s->name, "final_logits_bias") != NULL; }

static b4c_tensor_out described(const saved *s, const b4c_parameter *p, b4c_stored_type type)
{
    const bool vector = p->kind == B4C_KIND_BIAS || p->kind == B4C_KIND_GAIN;
    b4c_tensor_out o = { .name = s->name, .type = type, .tag = s };
    if (vector && !is_row(s)) {
        o.rank = 1;
        o.shape[0] = (int64_t)s->cols;
    } else {
        o.rank = 2;
        o.shape[0] = (int64_t)(s->turned ? s->cols : s->rows);
        o.shape[1] = (int64_t)(s->turned ? s->rows : s->cols);
    }
    return o;
}

/* The tensor's numbers in the order of the file, through a buffer of floats. */
static int put(b4c_safetensors_out *out, const saved *s, float *buffer, b4c_error *err)
{
    const size_t n = s->rows * s->cols;
    for (size_t at = 0; at < n;) {
        size_t k = 0;
        for (; k < BLOCK && at < n; k++, at++)
            buffer[k] = (float)(s->turned ? s->x[at % s->rows * s->cols + at / s->rows] : s->x[at]);
        B4C_TRY(b4c_safetensors_put(out, buffer, k, err));
    }
    return 0;
}

int b4c_network_save(const char *path, const b4c_parameters *list, const b4c_mapping *m,
                     b4c_save_name_fn name, void *arg, b4c_stored_type type, b4c_error *err)
{
    b4c_safetensors_out out = { 0 };
    saved *all = calloc((size_t)list->n, sizeof *all);
    b4c_tensor_out *tensor = calloc((size_t)list->n, sizeof *tensor);
    float *buffer = malloc(BLOCK * sizeof *buffer);
    int n = 0;
    int rc = 0;
    if (!all || !tensor || !buffer)
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory to write it", path);
    for (int i = 0; rc == 0 && i < list->n; i++) {
        const b4c_parameter *p = &list->item[i];
        if (b4c_mapping_part(m, p) > 0) continue;    /* stands in its first part's tensor */
        if (name) name(arg, p, all[n].name, NAME);
        else b4c_mapping_wanted(m, p, all[n].name, NAME);
        find_values(&all[n], m, p);
        tensor[n] = described(&all[n], p, type);
        n++;
    }
    if (rc == 0) rc = b4c_safetensors_begin(&out, path, tensor, n, err);
    for (int i = 0; rc == 0 && i < n; i++) rc = put(&out, tensor[i].tag, buffer, err);
    if (rc == 0) rc = b4c_safetensors_commit(&out, err);
    b4c_safetensors_drop(&out);
    free(buffer);
    free(tensor);
    free(all);
    return rc;
}
