/* load.c - a checkpoint into a network: every parameter is matched with a tensor and every shape
 * checked, then all are read (load_read.c), and what was found is told.
 *
 * Invariant: a parameter without a tensor is an error that names it (or, on request, zero and
 * reported), never left to chance.
 */
#include "model/load.h"
#include "base/error.h"
#include "model/classes.h"
#include "model/load_parts.h"
#include "model/names.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 256 << 10, PANEL = 32, NAME = 512, MOST_ROWS = 1 << 24 };

/* ---- matching -------------------------------------------------------------------------------- */

static const char *shape_text(const int64_t *shape, int rank, char *out, size_t room)
{
    size_t used = (size_t)snprintf(out, room, "[");
    for (int i = 0; i < rank && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%lld", i ? ", " : "",
                                 (long long)shape[i]);
    if (used < room) snprintf(out + used, room - used, "]");
    return out;
}

/* Rows may be more than the vocabulary: checkpoints are padded to round numbers. */
static bool may_be_padded(b4c_role role)
{
    return role == B4C_ROLE_TOKEN || role == B4C_ROLE_HEAD_OUT || role == B4C_ROLE_HEAD_BIAS;
}

/* Rows (elements of a vector) that the parameter's tensor should have: where query, key and value
 * are one, theirs together. */
static int64_t rows_wanted(const b4c_loader *l, const b4c_parameter *p, int *at)
{
    const b4c_spec *s = &l->net->spec;
    const int64_t own = p->kind == B4C_KIND_TABLE || p->kind == B4C_KIND_MATRIX ? p->rows : p->cols;
    const int part = b4c_mapping_part(&l->map, p), q = s->heads * s->head_size,
              kv = s->kv_heads * s->head_size;
    *at = part <= 0 ? 0 : part == 1 ? q : q + kv;
    return part < 0 ? own : q + 2 * (int64_t)kv;
}

static bool shape_fits(const b4c_parameter *p, const b4c_stored *t, int64_t rows)
{
    if (t->rank < 1 || !(t->shape[0] == rows || (t->shape[0] > rows && t->shape[0] <= MOST_ROWS &&
                                                 may_be_padded(p->role))))
        return false;
    if (p->kind == B4C_KIND_TABLE || p->kind == B4C_KIND_MATRIX)
        return t->rank == 2 && t->shape[1] == p->cols;
    return t->rank == 1;
}

static int check_shape(const b4c_loader *l, const b4c_parameter *p, const b4c_stored *t, int *at,
                       b4c_error *err)
{
    const int64_t rows = rows_wanted(l, p, at);
    if (shape_fits(p, t, rows)) return 0;
    char found[128];
    const bool flat = p->kind == B4C_KIND_GAIN || p->kind == B4C_KIND_BIAS;
    shape_text(t->shape, t->rank, found, sizeof found);
    const char *what = b4c_mapping_turned(&l->map, p) ? " (turned to [out, in])" : "";
    if (flat)
        return b4c_fail(err, B4C_E_SHAPE,
                        "%s: '%.200s' is %s, the configuration wants [%lld]; do config and weights "
                        "belong together?",
                        l->store->file_name[t->file], t->name, found, (long long)rows);
    return b4c_fail(err, B4C_E_SHAPE,
                    "%s: '%.200s' is %s%s, the configuration wants [%lld, %d]; do config and "
                    "weights belong together?",
                    l->store->file_name[t->file], t->name, found, what, (long long)rows, p->cols);
}

static int foreign(const b4c_loader *l, const b4c_stored *t, b4c_error *err)
{
    return b4c_fail(err, B4C_E_UNSUPPORTED,
                    "%s: '%.200s': found codes (%s) of a quantisation that bert4c does not read, "
                    "wanted floats, or what convert writes; take the model as it was before it was "
                    "quantised, or a GGUF file of it",
                    l->store->file_name[t->file], t->name, b4c_stored_type_name(t->type));
}

/* Integers are weights only with the scales that a reader found beside them. Others are codes of
 * another quantisation (bitsandbytes, compressed-tensors): as numbers they would be nonsense. */
static int check_type(const b4c_loader *l, const b4c_stored *t, b4c_error *err)
{
    const bool integers = t->type >= B4C_STORED_I8 && t->type <= B4C_STORED_BOOL;
    return integers && !t->n_quant && !t->coded ? foreign(l, t, err) : 0;
}

/* The codes that stand where weight `wanted` should (GPTQ and AWQ, compressed-tensors), or NULL. */
static const b4c_stored *codes_of(const b4c_store *store, const char *wanted)
{
    static const char *const endings[] = { "qweight", "weight_packed" };
    const size_t stem = strlen(wanted) > 6 ? strlen(wanted) - 6 : 0; /* before "weight" */
    char name[NAME];
    for (size_t i = 0; stem && i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "%.*s%s", (int)stem, wanted, endings[i]);
        const int at = b4c_store_find(store, name);
        if (at >= 0) return &store->tensor[at];
    }
    return NULL;
}

/* What training may add to a checkpoint. */
static bool may_be_new(const b4c_loader *l, const b4c_parameter *p)
{
    return l->options->trained && p->role >= B4C_ROLE_POOLER;
}

/* Is the head all that is missing, from parameter `first` on? */
static bool is_headless(const b4c_loader *l, int first)
{
    const b4c_role role = l->list.item[first].role;
    return (role == B4C_ROLE_HEAD_DENSE || role == B4C_ROLE_HEAD_OUT) &&
           !b4c_mapping_has_head(&l->map, &l->net->spec, l->store);
}

/* All that are missing are counted, the first is named with what resembles it. */
static int check_missing(const b4c_loader *l, b4c_error *err)
{
    int n = 0, first = -1;
    for (int i = 0; i < l->list.n; i++)
        if (l->item[i].tensor < 0) {
            l->list.item[i].missing = true;
            if (may_be_new(l, &l->list.item[i])) continue;
            if (n++ == 0) first = i;
        }
    if (n == 0 || l->options->allow_missing) return 0;
    char wanted[NAME], near[NAME], more[64] = "";
    b4c_mapping_wanted(&l->map, &l->list.item[first], wanted, sizeof wanted);
    if (n > 1) snprintf(more, sizeof more, " and %d more", n - 1);
    const b4c_stored *codes = codes_of(l->store, wanted);
    if (codes) return foreign(l, codes, err);
    b4c_names_nearest(l->store, wanted, near, sizeof near);
    if (is_headless(l, first))
        return b4c_fail(err, B4C_E_MISSING,
                        "%s: no %s: tensor '%s'%s missing; nearest are %s; models for vectors are "
                        "saved without it, take the one that they were made from",
                        l->store->file_name[0],
                        l->net->spec.head == B4C_HEAD_TRANSFORM ? "masked-LM head"
                                                                : "head that gives logits",
                        wanted, n > 1 ? more : " is", near);
    return b4c_fail(err, B4C_E_MISSING,
                    "%s: tensor '%s'%s missing; nearest are %s; the checkpoint is incomplete or of "
                    "another architecture "
                    "than '%s'",
                    l->store->file_name[0], wanted, n > 1 ? more : " is", near,
                    l->net->spec.architecture);
}

/* The rows of a matrix as they lie in the file, when they can be read there. */
static const float *in_place(const b4c_stored *t)
{
    if (sizeof(b4c_real) != sizeof(float) || t->type != B4C_STORED_F32 || t->n_quant) return NULL;
    if (!b4c_stored_in_order(t) || (uintptr_t)t->data % sizeof(float)) return NULL;
    return (const float *)(const void *)t->data;
}

/* [1, n], as BART's logits bias is, is a vector. */
static void flatten(b4c_stored *t)
{
    if (t->rank != 2 || t->shape[0] != 1) return;
    t->shape[0] = t->shape[1];
    t->stride[0] = t->stride[1];
    t->rank = 1;
}

/* Has an earlier parameter the same tensor, so that it stands already as it should? */
static bool seen_before(const b4c_loader *l, int i)
{
    for (int k = i - 1; k >= 0 && k >= i - 6;
         k--) /* query, key and value and their biases follow one another */
        if (l->item[k].tensor == l->item[i].tensor) return true;
    return false;
}

/* Tensor, shape and blocks of every parameter. */
static int match(b4c_loader *l, b4c_error *err)
{
    for (int i = 0; i < l->list.n; i++) {
        const b4c_parameter *p = &l->list.item[i];
        b4c_load_item *it = &l->item[i];
        it->p = p;
        it->tensor = b4c_mapping_tensor(&l->map, l->store, p);
        if (it->tensor < 0) continue;
        b4c_stored *t = &l->store->tensor[it->tensor];
        if (b4c_mapping_paired(&l->map, p))
            B4C_TRY(b4c_store_unpair(l->store, it->tensor, l->net->spec.head_size, err));
        if (b4c_mapping_turned(&l->map, p) && t->rank == 2 && !t->coded && !seen_before(l, i))
            b4c_stored_turn(t);
        if (p->kind == B4C_KIND_BIAS) flatten(t);
        B4C_TRY(check_type(l, t, err));
        B4C_TRY(check_shape(l, p, t, &it->at, err));
        if (t->rank == 1) {
            it->rows = 1;
        } else {
            const size_t row = (size_t)p->cols * sizeof(b4c_real);
            const int fit = row < BLOCK_BYTES ? (int)(BLOCK_BYTES / row) : 1;
            it->rows = fit > PANEL ? fit / PANEL * PANEL : fit;
            it->mapped = in_place(t);
            it->kept = it->mapped && p->role == B4C_ROLE_TOKEN && l->net->dtype == B4C_F32 &&
                       !l->net->trained;
        }
        const size_t bytes = (size_t)it->rows * (size_t)b4c_stored_row(t) * sizeof(b4c_real);
        if (bytes > l->block_bytes) l->block_bytes = bytes;
    }
    return check_missing(l, err);
}

/* ---- the report ------------------------------------------------------------------------------ */

static json_t *tensor_json(const b4c_stored *t, const b4c_parameter *p)
{
    json_t *o = json_object(), *shape = json_array();
    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    json_object_set_new(o, "name", json_string(t->name));
    json_object_set_new(o, "shape", shape);
    json_object_set_new(o, "type", json_string(b4c_stored_type_name(t->type)));
    if (p) {
        json_object_set_new(o, "is", json_string(b4c_role_name(p->role)));
        if (p->role >= B4C_ROLE_QUERY && p->role <= B4C_ROLE_FFN_NORM)
            json_object_set_new(o, "layer", json_integer(p->layer));
    }
    return o;
}

static void write_report(const b4c_loader *l, json_t *report)
{
    json_t *files = json_array(), *used = json_array(), *extra = json_array(),
           *missing = json_array();
    char *taken = calloc((size_t)l->store->n + 1, 1);
    for (int i = 0; i < l->store->n_files; i++)
        json_array_append_new(files, json_string(b4c_path_name(l->store->file_name[i])));
    for (int i = 0; i < l->list.n; i++) {
        const b4c_load_item *it = &l->item[i];
        if (it->tensor >= 0) {
            if (taken) taken[it->tensor] = 1;
            json_array_append_new(used, tensor_json(&l->store->tensor[it->tensor], it->p));
            if (it->p->role == B4C_ROLE_TOKEN &&
                l->store->tensor[it->tensor].shape[0] > it->p->rows)
                json_object_set_new(
                    report, "padded_rows",
                    json_integer(l->store->tensor[it->tensor].shape[0] - it->p->rows));
        } else {
            char wanted[NAME];
            json_array_append_new(
                missing, json_string(b4c_mapping_wanted(&l->map, it->p, wanted, sizeof wanted)));
        }
    }
    for (int i = 0; taken && i < l->store->n; i++)
        if (!taken[i]) {
            json_t *o = tensor_json(&l->store->tensor[i], NULL);
            if (b4c_name_is_known_extra(l->store->tensor[i].name))
                json_object_set_new(o, "harmless", json_true());
            else if (!l->net->has_head && b4c_mapping_is_heads(&l->map, l->store, i))
                json_object_set_new(o, "head", json_true());
            json_array_append_new(extra, o);
        }
    free(taken);
    json_object_set_new(report, "layout", json_string(l->store->layout));
    json_object_set_new(report, "files", files);
    json_object_set_new(report, "names", json_string(b4c_naming_name(l->map.naming)));
    json_object_set_new(report, "prefix", json_string(l->map.prefix));
    json_object_set_new(report, "head_prefix", json_string(l->map.head_prefix));
    json_object_set_new(report, "parameters", json_integer(l->net->parameters));
    json_object_set_new(report, "packed_bytes", json_integer((json_int_t)l->net->bytes));
    json_object_set_new(report, "tensors", used);
    json_object_set_new(report, "unexpected", extra);
    json_object_set_new(report, "missing", missing);
    if (l->store->note) json_object_set_new(report, "note", json_string(l->store->note));
}

/* ---- the whole ------------------------------------------------------------------------------- */

int b4c_store_has_head(const b4c_store *store, const b4c_spec *spec, bool *has, b4c_error *err)
{
    b4c_mapping m;
    const int rc = b4c_mapping_find(&m, spec, store, err);
    if (rc < 0) return err && store->n_files ? b4c_fail_in(err, "%s", store->file_name[0]) : rc;
    *has = b4c_mapping_has_head(&m, spec, store);
    b4c_mapping_done(&m);
    return 0;
}

int b4c_store_tokens(const b4c_store *store, const b4c_spec *spec, int64_t *rows, b4c_error *err)
{
    b4c_mapping m;
    const b4c_parameter token = { .role = B4C_ROLE_TOKEN, .kind = B4C_KIND_TABLE };
    const int rc = b4c_mapping_find(&m, spec, store, err);
    if (rc < 0) return err && store->n_files ? b4c_fail_in(err, "%s", store->file_name[0]) : rc;
    *rows = store->tensor[b4c_mapping_tensor(&m, store, &token)].shape[0];
    b4c_mapping_done(&m);
    return 0;
}

/* The widths that a spec may have and products of int8 rows may not. */
static int check_int8(const b4c_spec *s, b4c_error *err)
{
    const int attention = s->heads * s->head_size;
    const int widest = s->inner > attention ? s->inner : attention;
    if (widest <= B4C_I8_COLS) return 0;
    return b4c_fail(err, B4C_E_UNSUPPORTED,
                    "the %s is %d, and int8 and int4 sum at most %d products: open the model as "
                    "f32 or bf16",
                    widest == s->inner ? "inner size" : "width of all heads", widest,
                    B4C_I8_COLS);
}

/* A file of codes has a tied head's, in int8, beside its token table, which is bf16: they were made
 * from what the table was rounded from. Then the head is a parameter of its own. */
static int part_coded_head(b4c_loader *l, b4c_error *err)
{
    b4c_network *net = l->net;
    const b4c_parameter head = { .role = B4C_ROLE_HEAD_OUT, .kind = B4C_KIND_MATRIX,
                                 .rows = net->head_out.packed.n, .cols = net->head_out.packed.k,
                                 .weight = &net->head_out };
    if (head.weight->packed.dtype != B4C_I8 || !net->has_head || !net->spec.tied) return 0;
    const int tensor = b4c_mapping_tensor(&l->map, l->store, &head);
    if (tensor < 0 || !l->store->tensor[tensor].coded) return 0;
    b4c_parameters *list = &l->list;
    b4c_parameter *grown = realloc(list->item, ((size_t)list->n + 1) * sizeof *grown);
    if (!grown) return b4c_fail(err, B4C_E_MEMORY, "no memory to match tensors");
    list->item = grown;
    list->room = list->n + 1;
    list->item[0].weight = NULL;
    list->item[list->n++] = head;
    return 0;
}

/* What was matched, to the caller. */
static int hand_over(b4c_loader *l, b4c_matching *m, b4c_error *err)
{
    *m = (b4c_matching){ .item = calloc((size_t)l->list.n, sizeof *m->item) };
    if (!m->item) return b4c_fail(err, B4C_E_MEMORY, "no memory to match tensors");
    for (int i = 0; i < l->list.n; i++)
        m->item[i] = (b4c_matched){ l->item[i].tensor, l->item[i].at };
    m->list = l->list;
    m->map = l->map;
    l->map = (b4c_mapping){ 0 };
    return 0;
}

int b4c_network_load(b4c_network *net, b4c_store *store, const b4c_spec *spec,
                     const b4c_load_options *options, b4c_loaded *loaded, json_t *report,
                     b4c_error *err)
{
    b4c_loader l = { .net = net, .store = store, .options = options };
    *loaded = (b4c_loaded){ 0 };
    *net = (b4c_network){ 0 };
    const bool int8_rows = options->dtype == B4C_I8 || options->dtype == B4C_I4;
    int rc = int8_rows ? check_int8(spec, err) : 0;
    if (rc == 0) rc = b4c_mapping_find(&l.map, spec, store, err);
    if (rc < 0) return err && store->n_files ? b4c_fail_in(err, "%s", store->file_name[0]) : rc;

    loaded->head_in_file = b4c_mapping_has_head(&l.map, spec, store);
    b4c_network_options o = { .dtype = options->dtype, .head = options->need_head };
    if (options->trained) o = *options->trained;
    else o.pooler = spec->pooler &&
                    b4c_mapping_has(&l.map, store, B4C_ROLE_POOLER, B4C_KIND_MATRIX);
    if (options->classifier) b4c_classes_find(&l.map, store, spec, &o);
    const b4c_parameter token = { .role = B4C_ROLE_TOKEN, .kind = B4C_KIND_TABLE };
    const b4c_stored *table = &store->tensor[b4c_mapping_tensor(&l.map, store, &token)];
    net->dtype = o.dtype;
    o.tables_apart = o.dtype == B4C_F32 && !o.trained && in_place(table) != NULL;
    rc = b4c_network_init(net, spec, &o, &l.list, err);
    if (rc == 0) rc = part_coded_head(&l, err);
    if (rc < 0) goto done;
    l.item = calloc((size_t)l.list.n, sizeof *l.item);
    rc = l.item ? match(&l, err) : b4c_fail(err, B4C_E_MEMORY, "no memory to match tensors");
    if (rc < 0) goto done;
    if (o.tables_apart) {
        /* Never written: the file is mapped for reading. */
        net->token.real.x = (b4c_real *)(uintptr_t)l.item[0].mapped;
        loaded->keeps_store = true;
    }
    if (!options->unread) rc = b4c_load_read(&l, report, err);
    if (rc < 0) goto done;
    write_report(&l, report);
    if (options->matching) rc = hand_over(&l, options->matching, err);
    else if (options->list) *options->list = l.list;
    if (rc == 0 && (options->matching || options->list)) l.list = (b4c_parameters){ 0 };
done:
    free(l.item);
    b4c_parameters_done(&l.list);
    b4c_mapping_done(&l.map);
    if (rc < 0) b4c_network_done(net);
    return rc;
}
