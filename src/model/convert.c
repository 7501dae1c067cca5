/* convert.c - see convert.h.
 *
 * The idea: loading already knows which tensor each parameter is and how it stands there, so
 * converting is the same list walked once more, with the hub's names in place of memory. Parameters
 * that the layout keeps in one tensor (GPT-2's query, key and value) are one output. Rows stream
 * from the mapped store to the file; only a matrix that must be written turned is held whole. Codes
 * come from a network that was loaded in the dtype, so that they are those that loading would make.
 */
#include "model/convert.h"

#include "base/error.h"
#include "model/even.h"
#include "model/format/codes.h"
#include "model/format/reader.h"
#include "model/format/safetensors_write.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 512, PARTS = 3, BLOCK = 1 << 16 };

typedef enum what {
    VALUES,                  /* of parameters */
    CODES, SCALES,           /* of a matrix in int8 or int4 */
    OFFSETS, SHAPE,          /* int4 */
    COLUMNS,                 /* where columns were evened out */
    OTHERS                   /* a tensor that the spec does not know, as it is */
} what;

/* A tensor to be written. */
typedef struct output {
    char name[NAME];
    what what;
    int part[PARTS], parts;  /* parameters, one below the other; OTHERS: part[0] is a tensor */
    int rows, cols;          /* of all parts, [out, in]; vectors [1, n] */
    bool turned, vector, table;
    double square, square_off, largest, largest_off; /* of the values, and of what rounding moved */
} output;

typedef struct converter {
    b4c_store *store;
    const b4c_conversion *how;
    b4c_network net;
    b4c_matching m;
    bool keep_names;         /* they are the hub's already */
    output *out;
    int n, room;
    float *values, *rounded; /* [BLOCK or the widest row] */
    int8_t *codes;
    b4c_safetensors_out file;
    int64_t done, total;
} converter;

static const b4c_weight *weight_of(const converter *c, const output *o)
{
    return c->m.list.item[o->part[0]].weight;
}

/* Is it of a matrix of 4-bit codes? */
static bool is_packed(const converter *c, const output *o)
{
    return o->what != VALUES && o->what != OTHERS && weight_of(c, o)->packed.dtype == B4C_I4;
}

static int no_memory(b4c_error *err) { return b4c_fail(err, B4C_E_MEMORY, "no memory to convert"); }

/* ---- what is written ------------------------------------------------------------------------- */

static output *add_output(converter *c)
{
    if (c->n == c->room) {
        const int room = c->room ? 2 * c->room : 64;
        output *grown = realloc(c->out, (size_t)room * sizeof *grown);
        if (!grown) return NULL;
        c->out = grown;
        c->room = room;
    }
    c->out[c->n] = (output){ 0 };
    return &c->out[c->n++];
}

/* Older spellings of a norm's names become those of today. */
static void take_name(const char *name, char out[NAME])
{
    static const char *const spelling[][2] = { { ".gamma", ".weight" }, { ".beta", ".bias" } };
    snprintf(out, NAME, "%s", name);
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(out), k = strlen(spelling[i][0]);
        if (n > k && strcmp(out + n - k, spelling[i][0]) == 0)
            snprintf(out + n - k, NAME - (n - k), "%s", spelling[i][1]);
    }
}

static void name_of(const converter *c, const b4c_mapping *hub, int i, char out[NAME])
{
    const b4c_parameter *p = &c->m.list.item[i];
    if (c->keep_names) take_name(c->store->tensor[c->m.item[i].tensor].name, out);
    else b4c_mapping_new_name(hub, &c->net.spec, p, out, NAME);
}

static bool has_codes(b4c_dtype dtype) { return dtype == B4C_I8 || dtype == B4C_I4; }

/* Is it a tensor of codes? The token table and a classifier never are. */
static bool in_codes(const converter *c, const b4c_parameter *p)
{
    return has_codes(c->how->dtype) && p->kind == B4C_KIND_MATRIX && p->weight &&
           p->role != B4C_ROLE_CLASSIFIER;
}

static int list_parameter(converter *c, const b4c_mapping *hub, int i, b4c_error *err)
{
    const b4c_parameter *p = &c->m.list.item[i];
    char name[NAME];
    if (c->m.item[i].tensor < 0) return 0;
    name_of(c, hub, i, name);
    const bool vector = p->kind == B4C_KIND_GAIN || p->kind == B4C_KIND_BIAS;
    for (int k = c->n - 1; k >= 0 && k >= c->n - 6; k--) {
        output *o = &c->out[k];
        if (strcmp(o->name, name) || o->parts == PARTS) continue;
        o->part[o->parts++] = i;
        *(vector ? &o->cols : &o->rows) += vector ? p->cols : p->rows;
        return 0;
    }
    output *o = add_output(c);
    if (!o) return no_memory(err);
    memcpy(o->name, name, sizeof o->name);
    o->what = in_codes(c, p) ? CODES : VALUES;
    o->part[o->parts++] = i;
    o->rows = p->rows;
    o->cols = p->cols;
    o->vector = vector;
    o->table = p->role == B4C_ROLE_TOKEN;
    o->turned = !vector && o->what == VALUES &&
                b4c_mapping_turned(c->keep_names ? &c->m.map : hub, p);
    return 0;
}

/* A tied head in codes, made from the rows of the token table. */
static int list_tied_head(converter *c, const b4c_mapping *hub, b4c_error *err)
{
    const b4c_parameter *token = &c->m.list.item[0], head = { .role = B4C_ROLE_HEAD_OUT,
                                                              .kind = B4C_KIND_MATRIX };
    if (!has_codes(c->how->dtype) || !token->weight) return 0;
    output *o = add_output(c);
    if (!o) return no_memory(err);
    b4c_mapping_wanted(c->keep_names ? &c->m.map : hub, &head, o->name, NAME);
    o->what = CODES;
    o->parts = 1;
    o->rows = token->rows;
    o->cols = token->cols;
    return 0;
}

/* What stands beside a matrix of codes? */
static bool is_beside(const converter *c, const output *codes, what w)
{
    if (w == OFFSETS || w == SHAPE) return is_packed(c, codes);
    return w == SCALES || b4c_evened(&c->net, weight_of(c, codes));
}

static void add_tail(output *o, const char *tail)
{
    snprintf(o->name + strlen(o->name), NAME - strlen(o->name), "%s", tail);
}

static int list_scales(converter *c, b4c_error *err)
{
    static const char *const tail[] = { [SCALES] = "_scale", [OFFSETS] = "_offset",
                                        [SHAPE] = "_shape", [COLUMNS] = "_columns" };
    for (int i = 0, n = c->n; i < n; i++) {
        if (c->out[i].what != CODES) continue;
        for (int w = SCALES; w <= COLUMNS; w++) {
            if (!is_beside(c, &c->out[i], (what)w)) continue;
            output *o = add_output(c);
            if (!o) return no_memory(err);
            *o = c->out[i];
            o->what = (what)w;
            add_tail(o, tail[w]);
        }
        if (is_packed(c, &c->out[i])) add_tail(&c->out[i], "_packed");
    }
    return 0;
}

/* Copies of the token table that a tied model's file may hold. */
static bool is_copy(const converter *c, const char *name)
{
    const size_t n = strlen(name);
    static const char *const tails[] = { "lm_head.weight", "coder.embed_tokens.weight" };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        const size_t k = strlen(tails[i]);
        if (n >= k && strcmp(name + n - k, tails[i]) == 0) return i || c->net.spec.tied;
    }
    return false;
}

static int list_others(converter *c, json_t *dropped, b4c_error *err)
{
    char *used = calloc((size_t)c->store->n + 1, 1);
    if (!used) return no_memory(err);
    int rc = 0;
    for (int i = 0; i < c->m.list.n; i++)
        if (c->m.item[i].tensor >= 0) used[c->m.item[i].tensor] = 1;
    for (int i = 0; i < c->store->n && rc == 0; i++) {
        const b4c_stored *t = &c->store->tensor[i];
        if (used[i]) continue;
        const bool kept = c->keep_names && !b4c_name_is_known_extra(t->name) &&
                          !is_copy(c, t->name) && t->type != B4C_STORED_OTHER;
        if (!kept) {
            json_array_append_new(dropped, json_string(t->name));
            continue;
        }
        output *o = add_output(c);
        if (!o) rc = no_memory(err);
        else {
            take_name(t->name, o->name);
            o->what = OTHERS;
            o->part[0] = i;
        }
    }
    free(used);
    return rc;
}

/* ---- types and shapes ------------------------------------------------------------------------ */

/* Does the dtype hold it in its own type? */
static bool is_narrow(const converter *c, const output *o)
{
    const b4c_parameter *p = &c->m.list.item[o->part[0]];
    const bool matrix = p->kind == B4C_KIND_MATRIX && p->role != B4C_ROLE_CLASSIFIER;
    return c->how->dtype != B4C_F32 && (o->table || (matrix && c->how->dtype == B4C_BF16));
}

static bool is_float(b4c_stored_type t)
{
    return t <= B4C_STORED_BF16 || b4c_stored_block(t) > 1;
}

static b4c_tensor_out described(const converter *c, const output *o)
{
    b4c_tensor_out t = { .name = o->name, .tag = o, .type = B4C_STORED_F32, .rank = 2 };
    t.shape[0] = o->turned ? o->cols : o->rows;
    t.shape[1] = o->turned ? o->rows : o->cols;
    if (o->what == OTHERS) {
        const b4c_stored *s = &c->store->tensor[o->part[0]];
        t.type = is_float(s->type) || s->n_quant ? B4C_STORED_F32 : s->type;
        if (t.type == B4C_STORED_F32 && s->rank > 1 && c->how->dtype != B4C_F32)
            t.type = B4C_STORED_BF16;
        t.rank = s->rank;
        memcpy(t.shape, s->shape, sizeof t.shape);
    } else if (o->what == CODES) {
        t.type = is_packed(c, o) ? B4C_STORED_I32 : B4C_STORED_I8;
        if (is_packed(c, o)) t.shape[1] = b4c_code_words(o->cols);
    } else if (o->what == SCALES || o->what == OFFSETS) {
        t.shape[1] = is_packed(c, o) ? b4c_code_groups(o->cols) : 1;
        if (is_packed(c, o)) t.type = o->what == SCALES ? B4C_STORED_BF16 : B4C_STORED_I8;
    } else if (o->what == SHAPE) {
        t.type = B4C_STORED_I64;
        t.rank = 1;
        t.shape[0] = 2;
    } else if (o->what == COLUMNS) {
        t.rank = 1;
        t.shape[0] = o->cols;
    } else {
        if (is_narrow(c, o)) t.type = B4C_STORED_BF16;
        /* BART's bias of logits is [1, n]. */
        if (o->vector && !strstr(o->name, "final_logits_bias")) {
            t.rank = 1;
            t.shape[0] = o->cols;
        }
    }
    return t;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Rows first .. first + rows - 1 of a part, as it stands in the store, checked. */
static int read_rows(converter *c, int part, int first, int rows, float *x, b4c_error *err)
{
    const b4c_parameter *p = &c->m.list.item[part];
    const b4c_matched *at = &c->m.item[part];
    const b4c_stored *t = &c->store->tensor[at->tensor];
    if (t->rank == 1) {
        float *whole = malloc((size_t)t->shape[0] * sizeof *whole);
        if (!whole) return no_memory(err);
        const int rc = b4c_store_read(c->store, at->tensor, 0, 1, whole, err);
        if (rc == 0) memcpy(x, whole + at->at, (size_t)p->cols * sizeof *x);
        free(whole);
        B4C_TRY(rc);
    } else
        B4C_TRY(b4c_store_read(c->store, at->tensor, at->at + first, rows, x, err));
    for (size_t i = 0; i < (size_t)rows * (size_t)p->cols; i++)
        if (!isfinite(x[i]))
            return b4c_fail(err, B4C_E_NUMBER,
                            "%s: '%.200s' has %s; the checkpoint is damaged or its training "
                            "diverged",
                            c->store->file_name[t->file], t->name,
                            isnan(x[i]) ? "NaN" : "an infinity");
    return 0;
}

static void measure(output *o, const float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double a = (double)x[i], off = fabs((double)y[i] - a);
        o->square += a * a;
        o->square_off += off * off;
        if (fabs(a) > o->largest) o->largest = fabs(a);
        if (off > o->largest_off) o->largest_off = off;
    }
}

/* What is stored, as readers will see it. */
static void measure_rounded(converter *c, output *o, size_t n)
{
    for (size_t i = 0; i < n; i++) c->rounded[i] = b4c_from_bf16(b4c_to_bf16(c->values[i]));
    measure(o, c->values, c->rounded, n);
}

static int tell(converter *c, uint64_t bytes, b4c_error *err)
{
    c->done += (int64_t)bytes;
    if (c->how->progress && c->how->progress(c->how->arg, c->done, c->total))
        return b4c_fail(err, B4C_E_STOPPED, "stopped by the caller");
    return 0;
}

/* Rows of the parts, one below the other, as many at a time as the block holds. */
static int put_values(converter *c, output *o, b4c_error *err)
{
    const bool narrow = is_narrow(c, o);
    for (int k = 0; k < o->parts; k++) {
        const b4c_parameter *p = &c->m.list.item[o->part[k]];
        const int most = p->cols < BLOCK ? BLOCK / p->cols : 1;
        for (int r = 0; r < p->rows; r += most) {
            const int rows = p->rows - r < most ? p->rows - r : most;
            const size_t n = (size_t)rows * (size_t)p->cols;
            B4C_TRY(read_rows(c, o->part[k], r, rows, c->values, err));
            if (narrow) measure_rounded(c, o, n);
            B4C_TRY(b4c_safetensors_put(&c->file, c->values, n, err));
            B4C_TRY(tell(c, n * (narrow ? 2 : 4), err));
        }
        b4c_store_forget(c->store, c->m.item[o->part[k]].tensor);
    }
    return 0;
}

/* A matrix [out, in] written as [in, out]: held whole. */
static int put_turned(converter *c, output *o, b4c_error *err)
{
    const size_t rows = (size_t)o->rows, cols = (size_t)o->cols;
    float *x = malloc(rows * cols * sizeof *x), *to = x;
    int rc = x ? 0 : no_memory(err);
    for (int k = 0; k < o->parts && rc == 0; k++) {
        const b4c_parameter *p = &c->m.list.item[o->part[k]];
        rc = read_rows(c, o->part[k], 0, p->rows, to, err);
        to += (size_t)p->rows * cols;
    }
    const size_t most = BLOCK > rows ? BLOCK / rows : 1;
    for (size_t r = 0; r < cols && rc == 0; r += most) {
        const size_t n = cols - r < most ? cols - r : most;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < rows; j++) c->values[i * rows + j] = x[j * cols + r + i];
        if (is_narrow(c, o)) measure_rounded(c, o, n * rows);
        rc = b4c_safetensors_put(&c->file, c->values, n * rows, err);
        if (rc == 0) rc = tell(c, n * rows * (is_narrow(c, o) ? 2 : 4), err);
    }
    free(x);
    return rc;
}

static int put_shape(converter *c, output *o, b4c_error *err)
{
    const int64_t shape[] = { o->rows, o->cols };
    return b4c_safetensors_put_raw(&c->file, shape, 2, err);
}

/* A row of int4 as it is stored, by what of it is wanted; values into c->rounded. */
static int put_groups(converter *c, const output *o, const b4c_packed *w, int row, b4c_error *err)
{
    const int groups = b4c_code_groups(o->cols);
    uint16_t *scale = (uint16_t *)(void *)c->codes;
    b4c_int4_group g;
    for (int i = 0; i < groups; i++) {
        const int at = i * B4C_GROUP, n = o->cols - at < B4C_GROUP ? o->cols - at : B4C_GROUP;
        b4c_packed_group(w, row, at, &g);
        if (o->what == SCALES) scale[i] = g.scale;
        else if (o->what == OFFSETS) c->codes[i] = g.offset;
        else b4c_codes_put(&g, at, (unsigned char *)c->codes);
        for (int k = 0; k < n; k++) c->rounded[at + k] = b4c_int4_value(&g, k);
    }
    const int n = o->what == CODES ? b4c_code_words(o->cols) : groups;
    return b4c_safetensors_put_raw(&c->file, c->codes, (uint64_t)n, err);
}

/* The same of int8. */
static int put_row(converter *c, const output *o, const b4c_packed *w, int row, b4c_error *err)
{
    const float scale = b4c_packed_codes(w, row, c->codes);
    for (int i = 0; i < o->cols; i++) c->rounded[i] = (float)c->codes[i] * scale;
    if (o->what == SCALES) return b4c_safetensors_put(&c->file, &scale, 1, err);
    return b4c_safetensors_put_raw(&c->file, c->codes, (uint64_t)o->cols, err);
}

/* Codes of a matrix, against its values; or what stands beside each row of them. */
static int put_codes(converter *c, output *o, b4c_error *err)
{
    for (int k = 0; k < o->parts; k++) {
        const b4c_parameter *p = &c->m.list.item[o->part[k]];
        const b4c_real *even = b4c_evened(&c->net, p->weight);
        for (int r = 0; r < p->rows; r++) {
            B4C_TRY((is_packed(c, o) ? put_groups : put_row)(c, o, &p->weight->packed, p->at + r,
                                                             err));
            if (o->what != CODES) continue;
            B4C_TRY(read_rows(c, o->part[k], r, 1, c->values, err));
            for (int i = 0; even && i < p->cols; i++) c->rounded[i] *= (float)even[i];
            measure(o, c->values, c->rounded, (size_t)p->cols);
        }
        if (o->what == CODES)
            B4C_TRY(tell(c, (uint64_t)p->rows * (uint64_t)p->cols / (is_packed(c, o) ? 2 : 1),
                         err));
    }
    return 0;
}

static int put_columns(converter *c, output *o, b4c_error *err)
{
    const b4c_real *even = b4c_evened(&c->net, c->m.list.item[o->part[0]].weight);
    for (int i = 0; i < o->cols; i++) c->values[i] = (float)(1 / even[i]);
    return b4c_safetensors_put(&c->file, c->values, (uint64_t)o->cols, err);
}

static int put_other(converter *c, output *o, b4c_stored_type type, b4c_error *err)
{
    const int i = o->part[0];
    const b4c_stored *t = &c->store->tensor[i];
    const int64_t row = b4c_stored_row(t), rows = b4c_stored_rows(t);
    if (type != B4C_STORED_F32 && type != B4C_STORED_BF16) {
        uint64_t n = 0;
        b4c_shape_count(t->shape, t->rank, &n);
        return b4c_safetensors_put_raw(&c->file, t->data, n, err);
    }
    for (int64_t r = 0; r < rows; r++) {
        B4C_TRY(b4c_store_read(c->store, i, r, 1, c->values, err));
        if (type == B4C_STORED_BF16) measure_rounded(c, o, (size_t)row);
        B4C_TRY(b4c_safetensors_put(&c->file, c->values, (uint64_t)row, err));
    }
    return tell(c, (uint64_t)(rows * row) * (type == B4C_STORED_F32 ? 4 : 2), err);
}

static int put(converter *c, output *o, b4c_stored_type type, b4c_error *err)
{
    switch (o->what) {
    case VALUES: return o->turned ? put_turned(c, o, err) : put_values(c, o, err);
    case CODES:
    case SCALES:
    case OFFSETS: return put_codes(c, o, err);
    case SHAPE: return put_shape(c, o, err);
    case COLUMNS: return put_columns(c, o, err);
    case OTHERS: return put_other(c, o, type, err);
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static json_t *reported(const output *o, const b4c_tensor_out *t, int64_t *bytes)
{
    json_t *j = json_object(), *shape = json_array();
    uint64_t n = 0;
    b4c_shape_count(t->shape, t->rank, &n);
    const uint64_t size = n * b4c_stored_width(t->type);
    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    json_object_set_new(j, "name", json_string(t->name));
    json_object_set_new(j, "shape", shape);
    json_object_set_new(j, "type", json_string(b4c_stored_type_name(t->type)));
    json_object_set_new(j, "bytes", json_integer((json_int_t)size));
    *bytes += (int64_t)size;
    if (o->square > 0) {
        json_object_set_new(j, "rms_error", json_real(sqrt(o->square_off / o->square)));
        json_object_set_new(j, "largest_error", json_real(o->largest_off / o->largest));
    }
    return j;
}

static void report_all(const converter *c, const b4c_tensor_out *t, json_t *report)
{
    json_t *list = json_array();
    int64_t before = 0, after = 0;
    for (int i = 0; i < c->n; i++) json_array_append_new(list, reported(t[i].tag, &t[i], &after));
    for (int i = 0; i < c->store->n; i++) before += (int64_t)c->store->tensor[i].bytes;
    json_object_set_new(report, "tensors", list);
    json_object_set_new(report, "bytes_before", json_integer(before));
    json_object_set_new(report, "bytes_after", json_integer(after));
}

static int write_file(converter *c, const char *path, json_t *report, b4c_error *err)
{
    size_t widest = BLOCK;
    b4c_tensor_out *list = calloc((size_t)c->n + 1, sizeof *list);
    int rc = list ? 0 : no_memory(err);
    for (int i = 0; i < c->n && rc == 0; i++) {
        const output *o = &c->out[i];
        const int64_t row = o->what == OTHERS ? b4c_stored_row(&c->store->tensor[o->part[0]])
                                              : (o->rows > o->cols ? o->rows : o->cols);
        list[i] = described(c, o);
        uint64_t n = 0;
        b4c_shape_count(list[i].shape, list[i].rank, &n);
        c->total += (int64_t)(n * b4c_stored_width(list[i].type));
        if ((size_t)row > widest) widest = (size_t)row;
    }
    c->values = malloc(widest * sizeof *c->values);
    c->rounded = malloc(widest * sizeof *c->rounded);
    c->codes = malloc(widest + 2 * B4C_GROUP);
    if (rc == 0 && !(c->values && c->rounded && c->codes)) rc = no_memory(err);
    if (rc == 0) rc = b4c_safetensors_begin(&c->file, path, list, c->n, err);
    for (int i = 0; i < c->n && rc == 0; i++)
        rc = put(c, (output *)(uintptr_t)list[i].tag, list[i].type, err);
    if (rc == 0 && c->file.too_large)
        rc = b4c_fail(err, B4C_E_NUMBER, "%llu of the weights are beyond what %s holds; f32 does",
                      (unsigned long long)c->file.too_large, b4c_dtype_name(c->how->dtype));
    if (rc == 0) rc = b4c_safetensors_commit(&c->file, err);
    b4c_safetensors_drop(&c->file);
    if (rc == 0) report_all(c, list, report);
    free(list);
    return rc;
}

/* The network with its head where there is one: for F32 and BF16 its list alone is wanted, and
 * memory that nobody touches costs nothing. */
static int load(converter *c, const b4c_spec *spec, bool *head, b4c_error *err)
{
    b4c_load_options o = { .dtype = c->how->dtype, .threads = c->how->threads,
                           .check_numbers = true, .matching = &c->m,
                           .classifier = c->how->classifier,
                           .unread = !has_codes(c->how->dtype) };
    b4c_loaded loaded = { 0 };
    B4C_TRY(b4c_store_has_head(c->store, spec, head, err));
    o.need_head = *head;
    json_t *report = json_object();
    const int rc = b4c_network_load(&c->net, c->store, spec, &o, &loaded, report, err);
    json_decref(report);
    return rc;
}

void b4c_matching_done(b4c_matching *m)
{
    b4c_parameters_done(&m->list);
    b4c_mapping_done(&m->map);
    free(m->item);
    *m = (b4c_matching){ 0 };
}

int b4c_convert_weights(const char *path, b4c_store *store, const b4c_spec *spec,
                        const b4c_conversion *how, bool *head, json_t *report, b4c_error *err)
{
    converter c = { .store = store, .how = how };
    b4c_mapping hub = { 0 };
    json_t *dropped = json_array();
    int rc = load(&c, spec, head, err);
    if (rc == 0) rc = b4c_mapping_hub(&hub, spec, err);
    if (rc == 0)
        c.keep_names = strncmp(b4c_naming_name(c.m.map.naming), "hub", 3) == 0 &&
                       strcmp(store->layout, "onnx") != 0;
    for (int i = 0; i < c.m.list.n && rc == 0; i++) rc = list_parameter(&c, &hub, i, err);
    if (rc == 0) rc = list_tied_head(&c, &hub, err);
    if (rc == 0) rc = list_scales(&c, err);
    if (rc == 0) rc = list_others(&c, dropped, err);
    if (rc == 0) rc = write_file(&c, path, report, err);
    json_object_set_new(report, "dropped", dropped);
    b4c_mapping_done(&hub);
    b4c_matching_done(&c.m);
    b4c_network_done(&c.net);
    free(c.out);
    free(c.values);
    free(c.rounded);
    free(c.codes);
    return rc;
}
