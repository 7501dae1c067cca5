/* load.c - a checkpoint into a network.
 *
 * The idea: first every parameter is matched with a tensor and every shape checked, then all are
 * read by several threads in blocks of rows that fit the cache, each block being checked for NaN,
 * packed and forgotten. So nothing is allocated but the network, and loading runs at the speed of
 * memory. Invariant: a parameter without a tensor is an error that names it (or, on request, zero
 * and reported), never left to chance.
 */
#include "model/load.h"
#include "base/error.h"
#include "base/pool.h"
#include "model/even.h"
#include "model/names.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FORGOTTEN: blocks of a large tensor whose pages go together. */
enum { BLOCK_BYTES = 256 << 10, FORGOTTEN = 16, PANEL = 32, NAME = 512, MOST_ROWS = 1 << 24 };

/* A parameter, its tensor and its blocks of rows. */
typedef struct load_item {
    const b4c_parameter *p;
    int tensor;          /* -1: missing, stays zero */
    int at;              /* its first row (or element of a vector) in the tensor */
    int rows;            /* of a block */
    int first_block;     /* number of its first block among all */
    const float *mapped; /* its rows in the file, where they lie there as floats; NULL: not so */
    bool kept;           /* the network will read them there too */
    const float *factor; /* [cols] of its columns, or NULL */
    atomic_int left;     /* blocks not read yet; the last one lets the file's pages go */
} load_item;

typedef struct loader {
    b4c_network *net;
    b4c_store *store;
    const b4c_load_options *options;
    b4c_mapping map;
    b4c_parameters list;
    load_item *item; /* [list.n] */
    int blocks;
    size_t block_bytes;     /* the largest block, as b4c_real */
    atomic_int next;        /* block to be taken */
    atomic_int failed_item; /* lowest item that failed, or list.n */
    b4c_error *lane_error;  /* [lanes] */
    int *lane_item;         /* [lanes] item of that error, or list.n */
    char *lane_memory;      /* [lanes, block_bytes] */
} loader;

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
static int64_t rows_wanted(const loader *l, const b4c_parameter *p, int *at)
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

static int check_shape(const loader *l, const b4c_parameter *p, const b4c_stored *t, int *at,
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

/* What training may add to a checkpoint. */
static bool may_be_new(const loader *l, const b4c_parameter *p)
{
    return l->options->trained && p->role >= B4C_ROLE_POOLER;
}

/* All that are missing are counted, the first is named with what resembles it. */
static int check_missing(const loader *l, b4c_error *err)
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
    return b4c_fail(err, B4C_E_MISSING,
                    "%s: tensor '%s'%s missing; nearest are %s; the checkpoint is incomplete or of "
                    "another architecture "
                    "than '%s'",
                    l->store->file_name[0], wanted, n > 1 ? more : " is",
                    b4c_names_nearest(l->store, wanted, near, sizeof near),
                    l->net->spec.architecture);
}

/* Do the rows of a matrix lie one after the other? */
static bool in_order(const b4c_stored *t)
{
    return t->rank == 2 && t->stride[1] == 1 && t->stride[0] == t->shape[1] && !t->paired;
}

/* The rows of a matrix as they lie in the file, when they can be read there. */
static const float *in_place(const b4c_stored *t)
{
    if (sizeof(b4c_real) != sizeof(float) || t->type != B4C_STORED_F32 || t->n_quant) return NULL;
    if (!in_order(t) || (uintptr_t)t->data % sizeof(float)) return NULL;
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
static bool seen_before(const loader *l, int i)
{
    for (int k = i - 1; k >= 0 && k >= i - 6;
         k--) /* query, key and value and their biases follow one another */
        if (l->item[k].tensor == l->item[i].tensor) return true;
    return false;
}

/* Tensor, shape and blocks of every parameter. */
static int match(loader *l, b4c_error *err)
{
    for (int i = 0; i < l->list.n; i++) {
        const b4c_parameter *p = &l->list.item[i];
        load_item *it = &l->item[i];
        it->p = p;
        it->tensor = b4c_mapping_tensor(&l->map, l->store, p);
        if (it->tensor < 0) continue;
        b4c_stored *t = &l->store->tensor[it->tensor];
        if (b4c_mapping_paired(&l->map, p))
            B4C_TRY(b4c_store_unpair(l->store, it->tensor, l->net->spec.head_size, err));
        if (b4c_mapping_turned(&l->map, p) && t->rank == 2 && !t->coded && !seen_before(l, i))
            b4c_stored_turn(t);
        if (p->kind == B4C_KIND_BIAS) flatten(t);
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

/* ---- reading --------------------------------------------------------------------------------- */

/* Index of the first NaN or infinity, or -1. Two floats at a time: an exponent of all ones carries
 * into the sign. */
static long first_bad(const float *x, long n)
{
    const uint64_t exponents = 0x7f8000007f800000u, one = 0x0080000000800000u,
                   signs = 0x8000000080000000u;
    uint64_t any = 0;
    long i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w[4];
        memcpy(w, x + i, sizeof w);
        any |= (((w[0] & exponents) + one) | ((w[1] & exponents) + one) |
                ((w[2] & exponents) + one) | ((w[3] & exponents) + one)) &
               signs;
    }
    if (!any && i == n) return -1;
    for (i = any ? 0 : i; i < n; i++)
        if (!isfinite(x[i])) return i;
    return -1;
}

/* Floats become b4c_real where they stand: from the end, when it is wider. */
static const b4c_real *widened(void *x, size_t n)
{
    if (sizeof(b4c_real) != sizeof(float))
        for (size_t i = n; i-- > 0;) {
            float f;
            memcpy(&f, (char *)x + i * sizeof f, sizeof f);
            const b4c_real r = f;
            memcpy((char *)x + i * sizeof r, &r, sizeof r);
        }
    return x;
}

/* Rows with their columns multiplied, into memory, which may be where they are. */
static const b4c_real *multiplied(const b4c_real *x, const float *factor, int rows, int cols,
                                  b4c_real *memory)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            const size_t at = (size_t)r * (size_t)cols + (size_t)c;
            memory[at] = x[at] * (b4c_real)factor[c];
        }
    return memory;
}

/* A block was read. Pages go when a tensor is done, and on the way of a large one, lest all of it
 * counts beside its packed copy. A page that another lane still reads comes back. */
static void forget(const loader *l, load_item *it, int block)
{
    const b4c_stored *t = &l->store->tensor[it->tensor];
    const bool last = atomic_fetch_sub(&it->left, 1) == 1;
    if (it->kept) return;
    if (last) {
        b4c_store_forget(l->store, it->tensor);
    } else if (block % FORGOTTEN == FORGOTTEN - 1 && in_order(t)) {
        const size_t row = t->bytes / (size_t)t->shape[0], rows = (size_t)it->rows * FORGOTTEN;
        const size_t first = (size_t)it->at + (size_t)(block / FORGOTTEN) * rows;
        b4c_file_forget(&l->store->file[t->file], t->data + first * row, rows * row);
    }
}

static int read_block(const loader *l, load_item *it, int block, void *memory, b4c_error *err)
{
    const b4c_stored *t = &l->store->tensor[it->tensor];
    const b4c_parameter *p = it->p;
    const int first = block * it->rows,
              rows = p->rows - first < it->rows ? p->rows - first : it->rows;
    const long n = (long)rows * p->cols;
    const float *x = it->mapped ? it->mapped + (size_t)(it->at + first) * (size_t)p->cols : memory;
    if (!it->mapped && t->rank == 1) { /* a vector is read whole, and may be a part of it */
        B4C_TRY(b4c_store_read(l->store, it->tensor, 0, 1, memory, err));
        if (it->at) memmove(memory, (const float *)memory + it->at, (size_t)n * sizeof(float));
    } else if (!it->mapped)
        B4C_TRY(b4c_store_read(l->store, it->tensor, it->at + first, rows, memory, err));
    else if (first == 0 && t->has_checksum)
        B4C_TRY(b4c_store_read(l->store, it->tensor, 0, 1, memory, err));
    if (l->options->check_numbers) {
        const long bad = first_bad(x, n);
        if (bad >= 0)
            return b4c_fail(err, B4C_E_NUMBER,
                            "%s: '%.200s' has %s at [%ld, %ld]; the checkpoint is damaged or its "
                            "training diverged",
                            l->store->file_name[t->file], t->name,
                            isnan(x[bad]) ? "NaN" : "an infinity", first + bad / p->cols,
                            bad % p->cols);
    }
    const b4c_real *reals = it->mapped ? (const b4c_real *)(const void *)x
                                       : widened(memory, (size_t)n);
    if (it->factor) reals = multiplied(reals, it->factor, rows, p->cols, memory);
    b4c_parameter_write(p, first, rows, reals);
    if (t->coded && p->weight && l->net->dtype == B4C_I8)
        for (int r = first; r < first + rows; r++)
            b4c_packed_rescale(&p->weight->packed, p->at + r, t->quant_scale[it->at + r]);
    forget(l, it, block);
    return 0;
}

/* The item that block number b belongs to. */
static int item_of(const loader *l, int b)
{
    int low = 0, high = l->list.n - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (l->item[middle].first_block <= b)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* A missing tensor has no blocks: the last item with this first block is the one that has some. */
static void load_lane(void *arg, int lane, int lanes)
{
    (void)lanes;
    loader *l = arg;
    l->lane_item[lane] = l->list.n;
    for (int b; (b = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed)) < l->blocks;) {
        const int i = item_of(l, b);
        if (i >= atomic_load_explicit(&l->failed_item, memory_order_relaxed)) return;
        if (read_block(l, &l->item[i], b - l->item[i].first_block,
                       l->lane_memory + (size_t)lane * l->block_bytes, &l->lane_error[lane]) < 0) {
            l->lane_item[lane] = i;
            int least = atomic_load(&l->failed_item);
            while (i < least && !atomic_compare_exchange_weak(&l->failed_item, &least, i)) {
            }
            return;
        }
    }
}

/* Number the blocks; factors: of those items alone that have factors. */
static void number_blocks(loader *l, bool factors)
{
    l->blocks = 0;
    for (int i = 0; i < l->list.n; i++) {
        load_item *it = &l->item[i];
        const bool wanted = it->tensor >= 0 && (!factors || it->factor);
        const int blocks = wanted ? (it->p->rows + it->rows - 1) / it->rows : 0;
        it->first_block = l->blocks;
        atomic_init(&it->left, blocks);
        l->blocks += blocks;
    }
    atomic_init(&l->next, 0);
    atomic_init(&l->failed_item, l->list.n);
}

static int read_all(loader *l, b4c_pool *pool, bool factors, b4c_error *err)
{
    const int lanes = b4c_pool_lanes(pool);
    number_blocks(l, factors);
    b4c_pool_run(pool, load_lane, l);
    const int failed = atomic_load(&l->failed_item);
    for (int lane = 0; failed < l->list.n && lane < lanes; lane++)
        if (l->lane_item[lane] == failed) {
            if (err) *err = l->lane_error[lane];
            return l->lane_error[lane].code;
        }
    return 0;
}

/* The tensor of a weight's first part that is coded, or NULL. */
static const b4c_stored *coded(const loader *l, const b4c_weight *w)
{
    for (int i = 0; i < l->list.n; i++)
        if (l->list.item[i].weight == w && l->item[i].tensor >= 0 &&
            l->store->tensor[l->item[i].tensor].coded)
            return &l->store->tensor[l->item[i].tensor];
    return NULL;
}

static const float *stored_columns(const void *arg, const b4c_weight *w)
{
    const b4c_stored *t = coded(arg, w);
    return t ? t->columns : NULL;
}

/* int8 rows of a post-norm network: the weights once more, evened; as the
 * file says, if it is int8 too. */
static int even_out(loader *l, b4c_pool *pool, json_t *report, b4c_error *err)
{
    b4c_evenings e;
    if (l->net->dtype == B4C_I8 && coded(l, &l->net->encoder.block[0].up))
        B4C_TRY(b4c_evenings_given(&e, l->net, stored_columns, l, err));
    else
        B4C_TRY(b4c_evenings_measure(&e, l->net, pool, err));
    for (int i = 0; i < l->list.n; i++)
        if (l->list.item[i].kind == B4C_KIND_MATRIX)
            l->item[i].factor = b4c_evenings_of(&e, l->list.item[i].weight);
    const int rc = read_all(l, pool, true, err);
    json_object_set_new(report, "evened_norms", json_integer(e.n));
    b4c_evenings_done(&e);
    return rc;
}

static int read_weights(loader *l, json_t *report, b4c_error *err)
{
    b4c_pool *pool = l->options->threads > 1 ? b4c_pool_new(l->options->threads)
                                             : NULL; /* none: one lane, slower */
    const size_t lanes = (size_t)b4c_pool_lanes(pool);
    l->block_bytes = (l->block_bytes + B4C_ALIGN - 1) / B4C_ALIGN * B4C_ALIGN;
    l->lane_error = calloc(lanes, sizeof *l->lane_error);
    l->lane_item = calloc(lanes, sizeof *l->lane_item);
    l->lane_memory = aligned_alloc(B4C_ALIGN, lanes * l->block_bytes + B4C_ALIGN);
    int rc = l->lane_error && l->lane_item && l->lane_memory
               ? 0
               : b4c_fail(err, B4C_E_MEMORY, "no memory to read the weights");
    if (rc == 0) rc = read_all(l, pool, false, err);
    const bool int8_rows = l->net->dtype == B4C_I8 || l->net->dtype == B4C_I4;
    if (rc == 0 && int8_rows && !l->net->spec.pre_norm)
        rc = even_out(l, pool, report, err);
    b4c_pool_free(pool);
    free(l->lane_error);
    free(l->lane_item);
    free(l->lane_memory);
    return rc;
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

static void write_report(const loader *l, json_t *report)
{
    json_t *files = json_array(), *used = json_array(), *extra = json_array(),
           *missing = json_array();
    char *taken = calloc((size_t)l->store->n + 1, 1);
    for (int i = 0; i < l->store->n_files; i++)
        json_array_append_new(files, json_string(b4c_path_name(l->store->file_name[i])));
    for (int i = 0; i < l->list.n; i++) {
        const load_item *it = &l->item[i];
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

/* What the file has of a head: its transform, or for heads that are the embedding alone, the
 * embedding. */
static bool has_head(const b4c_mapping *m, const b4c_store *store, const b4c_spec *s)
{
    if (s->head == B4C_HEAD_TRANSFORM)
        return b4c_mapping_has(m, store, B4C_ROLE_HEAD_DENSE, B4C_KIND_MATRIX);
    return s->tied || b4c_mapping_has(m, store, B4C_ROLE_HEAD_OUT, B4C_KIND_MATRIX);
}

int b4c_store_has_head(const b4c_store *store, const b4c_spec *spec, bool *has, b4c_error *err)
{
    b4c_mapping m;
    const int rc = b4c_mapping_find(&m, spec, store, err);
    if (rc < 0) return err && store->n_files ? b4c_fail_in(err, "%s", store->file_name[0]) : rc;
    *has = has_head(&m, store, spec);
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

/* An int8 file has a tied head's codes beside its token table, which is bf16: they were made from
 * what the table was rounded from. Then the head is a parameter of its own. */
static int part_coded_head(loader *l, b4c_error *err)
{
    b4c_network *net = l->net;
    const b4c_parameter head = { .role = B4C_ROLE_HEAD_OUT, .kind = B4C_KIND_MATRIX,
                                 .rows = net->head_out.packed.n, .cols = net->head_out.packed.k,
                                 .weight = &net->head_out };
    if (net->dtype != B4C_I8 || !net->has_head || !net->spec.tied) return 0;
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
static int hand_over(loader *l, b4c_matching *m, b4c_error *err)
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
    loader l = { .net = net, .store = store, .options = options };
    *loaded = (b4c_loaded){ 0 };
    *net = (b4c_network){ 0 };
    const bool int8_rows = options->dtype == B4C_I8 || options->dtype == B4C_I4;
    int rc = int8_rows ? check_int8(spec, err) : 0;
    if (rc == 0) rc = b4c_mapping_find(&l.map, spec, store, err);
    if (rc < 0) return err && store->n_files ? b4c_fail_in(err, "%s", store->file_name[0]) : rc;

    loaded->head_in_file = has_head(&l.map, store, spec);
    b4c_network_options o = { .dtype = options->dtype, .head = options->need_head };
    if (options->trained) o = *options->trained;
    else o.pooler = spec->pooler &&
                    b4c_mapping_has(&l.map, store, B4C_ROLE_POOLER, B4C_KIND_MATRIX);
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
    if (!options->unread) rc = read_weights(&l, report, err);
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
