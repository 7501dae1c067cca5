/* convert.c - see convert.h.
 *
 * The idea: loading already knows which tensor each parameter is and how it stands there, so
 * converting is the same list walked once more, with the hub's names in place of memory. Parameters
 * that the layout keeps in one tensor (GPT-2's query, key and value) are one output. Codes come
 * from a network that was loaded in the dtype, so that they are those that loading would make. The
 * numbers are written by convert_put.c.
 */
#include "model/convert_parts.h"

#include "base/error.h"
#include "model/even.h"
#include "model/format/codes.h"
#include "model/format/reader.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(b4c_error *err) { return b4c_fail(err, B4C_E_MEMORY, "no memory to convert"); }

/* ---- what is written ------------------------------------------------------------------------- */

static b4c_converted *add_output(b4c_converter *c)
{
    if (c->n == c->room) {
        const int room = c->room ? 2 * c->room : 64;
        b4c_converted *grown = realloc(c->out, (size_t)room * sizeof *grown);
        if (!grown) return NULL;
        c->out = grown;
        c->room = room;
    }
    c->out[c->n] = (b4c_converted){ 0 };
    return &c->out[c->n++];
}

/* Older spellings of a norm's names become those of today. */
static void take_name(const char *name, char out[B4C_CONVERT_NAME])
{
    static const char *const spelling[][2] = { { ".gamma", ".weight" }, { ".beta", ".bias" } };
    snprintf(out, B4C_CONVERT_NAME, "%s", name);
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(out), k = strlen(spelling[i][0]);
        if (n > k && strcmp(out + n - k, spelling[i][0]) == 0)
            snprintf(out + n - k, B4C_CONVERT_NAME - (n - k), "%s", spelling[i][1]);
    }
}

static void name_of(const b4c_converter *c, const b4c_mapping *hub, int i,
                    char out[B4C_CONVERT_NAME])
{
    const b4c_parameter *p = &c->m.list.item[i];
    if (c->keep_names) take_name(c->store->tensor[c->m.item[i].tensor].name, out);
    else b4c_mapping_new_name(hub, &c->net.spec, p, out, B4C_CONVERT_NAME);
}

static bool has_codes(b4c_dtype dtype) { return dtype == B4C_I8 || dtype == B4C_I4; }

/* Is it a tensor of codes? The token table and a classifier never are. */
static bool in_codes(const b4c_converter *c, const b4c_parameter *p)
{
    return has_codes(c->how->dtype) && p->kind == B4C_KIND_MATRIX && p->weight &&
           p->role != B4C_ROLE_CLASSIFIER;
}

static int list_parameter(b4c_converter *c, const b4c_mapping *hub, int i, b4c_error *err)
{
    const b4c_parameter *p = &c->m.list.item[i];
    char name[B4C_CONVERT_NAME];
    if (c->m.item[i].tensor < 0) return 0;
    name_of(c, hub, i, name);
    const bool vector = p->kind == B4C_KIND_GAIN || p->kind == B4C_KIND_BIAS;
    for (int k = c->n - 1; k >= 0 && k >= c->n - 6; k--) {
        b4c_converted *o = &c->out[k];
        if (strcmp(o->name, name) || o->parts == B4C_CONVERT_PARTS) continue;
        o->part[o->parts++] = i;
        *(vector ? &o->cols : &o->rows) += b4c_converted_rows(c, p);
        return 0;
    }
    b4c_converted *o = add_output(c);
    if (!o) return no_memory(err);
    memcpy(o->name, name, sizeof o->name);
    o->what = in_codes(c, p) ? B4C_OUT_CODES : B4C_OUT_VALUES;
    o->part[o->parts++] = i;
    o->rows = vector ? 1 : b4c_converted_rows(c, p);
    o->cols = vector ? b4c_converted_rows(c, p) : p->cols;
    o->vector = vector;
    o->table = p->role == B4C_ROLE_TOKEN;
    o->turned = !vector && o->what == B4C_OUT_VALUES &&
                b4c_mapping_turned(c->keep_names ? &c->m.map : hub, p);
    return 0;
}

/* A tied head in codes, made from the rows of the token table. */
static int list_tied_head(b4c_converter *c, const b4c_mapping *hub, b4c_error *err)
{
    const b4c_parameter *token = &c->m.list.item[0], head = { .role = B4C_ROLE_HEAD_OUT,
                                                              .kind = B4C_KIND_MATRIX };
    if (!has_codes(c->how->dtype) || !token->weight) return 0;
    b4c_converted *o = add_output(c);
    if (!o) return no_memory(err);
    b4c_mapping_wanted(c->keep_names ? &c->m.map : hub, &head, o->name, B4C_CONVERT_NAME);
    o->what = B4C_OUT_CODES;
    o->parts = 1;
    o->rows = b4c_converted_rows(c, token);
    o->cols = token->cols;
    return 0;
}

/* What stands beside a matrix of codes? */
static bool is_beside(const b4c_converter *c, const b4c_converted *codes, b4c_converted_what w)
{
    if (w == B4C_OUT_OFFSETS || w == B4C_OUT_SHAPE) return b4c_converted_is_packed(c, codes);
    return w == B4C_OUT_SCALES || b4c_evened(&c->net, b4c_converted_weight(c, codes));
}

static void add_tail(b4c_converted *o, const char *tail)
{
    snprintf(o->name + strlen(o->name), B4C_CONVERT_NAME - strlen(o->name), "%s", tail);
}

static int list_scales(b4c_converter *c, b4c_error *err)
{
    static const char *const tail[] = { [B4C_OUT_SCALES] = "_scale",
                                        [B4C_OUT_OFFSETS] = "_offset",
                                        [B4C_OUT_SHAPE] = "_shape",
                                        [B4C_OUT_COLUMNS] = "_columns" };
    for (int i = 0, n = c->n; i < n; i++) {
        if (c->out[i].what != B4C_OUT_CODES) continue;
        for (int w = B4C_OUT_SCALES; w <= B4C_OUT_COLUMNS; w++) {
            if (!is_beside(c, &c->out[i], (b4c_converted_what)w)) continue;
            b4c_converted *o = add_output(c);
            if (!o) return no_memory(err);
            *o = c->out[i];
            o->what = (b4c_converted_what)w;
            add_tail(o, tail[w]);
        }
        if (b4c_converted_is_packed(c, &c->out[i])) add_tail(&c->out[i], "_packed");
    }
    return 0;
}

/* Copies of the token table that a tied model's file may hold. */
static bool is_copy(const b4c_converter *c, const char *name)
{
    const size_t n = strlen(name);
    static const char *const tails[] = { "lm_head.weight", "coder.embed_tokens.weight" };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        const size_t k = strlen(tails[i]);
        if (n >= k && strcmp(name + n - k, tails[i]) == 0) return i || c->net.spec.tied;
    }
    return false;
}

static int list_others(b4c_converter *c, json_t *dropped, b4c_error *err)
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
                          !is_copy(c, t->name) && t->type != B4C_STORED_OTHER &&
                          !(c->how->keep && t->rank && t->shape[0] == c->net.spec.vocabulary);
        if (!kept) {
            json_array_append_new(dropped, json_string(t->name));
            continue;
        }
        b4c_converted *o = add_output(c);
        if (!o) rc = no_memory(err);
        else {
            take_name(t->name, o->name);
            o->what = B4C_OUT_OTHERS;
            o->part[0] = i;
        }
    }
    free(used);
    return rc;
}

/* ---- types and shapes ------------------------------------------------------------------------ */

static bool is_float(b4c_stored_type t)
{
    return t <= B4C_STORED_BF16 || b4c_stored_block(t) > 1;
}

static b4c_tensor_out described(const b4c_converter *c, const b4c_converted *o)
{
    b4c_tensor_out t = { .name = o->name, .tag = o, .type = B4C_STORED_F32, .rank = 2 };
    t.shape[0] = o->turned ? o->cols : o->rows;
    t.shape[1] = o->turned ? o->rows : o->cols;
    if (o->what == B4C_OUT_OTHERS) {
        const b4c_stored *s = &c->store->tensor[o->part[0]];
        t.type = is_float(s->type) || s->n_quant ? B4C_STORED_F32 : s->type;
        if (t.type == B4C_STORED_F32 && s->rank > 1 && c->how->dtype != B4C_F32)
            t.type = B4C_STORED_BF16;
        t.rank = s->rank;
        memcpy(t.shape, s->shape, sizeof t.shape);
    } else if (o->what == B4C_OUT_CODES) {
        t.type = b4c_converted_is_packed(c, o) ? B4C_STORED_I32 : B4C_STORED_I8;
        if (b4c_converted_is_packed(c, o)) t.shape[1] = b4c_code_words(o->cols);
    } else if (o->what == B4C_OUT_SCALES || o->what == B4C_OUT_OFFSETS) {
        t.shape[1] = b4c_converted_is_packed(c, o) ? b4c_code_groups(o->cols) : 1;
        if (b4c_converted_is_packed(c, o))
            t.type = o->what == B4C_OUT_SCALES ? B4C_STORED_BF16 : B4C_STORED_I8;
    } else if (o->what == B4C_OUT_SHAPE) {
        t.type = B4C_STORED_I64;
        t.rank = 1;
        t.shape[0] = 2;
    } else if (o->what == B4C_OUT_COLUMNS) {
        t.rank = 1;
        t.shape[0] = o->cols;
    } else {
        if (b4c_converted_is_narrow(c, o)) t.type = B4C_STORED_BF16;
        /* BART's bias of logits is [1, n]. */
        if (o->vector && !strstr(o->name, "final_logits_bias")) {
            t.rank = 1;
            t.shape[0] = o->cols;
        }
    }
    return t;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static json_t *reported(const b4c_converted *o, const b4c_tensor_out *t, int64_t *bytes)
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

static void report_all(const b4c_converter *c, const b4c_tensor_out *t, json_t *report)
{
    json_t *list = json_array();
    int64_t before = 0, after = 0;
    for (int i = 0; i < c->n; i++) json_array_append_new(list, reported(t[i].tag, &t[i], &after));
    for (int i = 0; i < c->store->n; i++) before += (int64_t)c->store->tensor[i].bytes;
    json_object_set_new(report, "tensors", list);
    json_object_set_new(report, "bytes_before", json_integer(before));
    json_object_set_new(report, "bytes_after", json_integer(after));
}

static int write_file(b4c_converter *c, const char *path, json_t *report, b4c_error *err)
{
    size_t widest = B4C_CONVERT_BLOCK;
    b4c_tensor_out *list = calloc((size_t)c->n + 1, sizeof *list);
    int rc = list ? 0 : no_memory(err);
    for (int i = 0; i < c->n && rc == 0; i++) {
        const b4c_converted *o = &c->out[i];
        const int64_t row = o->what == B4C_OUT_OTHERS
                                ? b4c_stored_row(&c->store->tensor[o->part[0]])
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
        rc = b4c_convert_put(c, (b4c_converted *)(uintptr_t)list[i].tag, list[i].type, err);
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
static int load(b4c_converter *c, const b4c_spec *spec, bool *head, b4c_error *err)
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
    b4c_converter c = { .store = store, .how = how };
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
