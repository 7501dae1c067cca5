/* load_read.c - matched tensors into the weights of a network.
 *
 * The idea: all are read by several threads in blocks of rows that fit the cache, each block being
 * checked for NaN, packed and forgotten. So nothing is allocated but the network, and loading runs
 * at the speed of memory. Codes of 4 bits are taken as they are: they were chosen once, from what
 * is no longer there.
 */
#include "base/error.h"
#include "base/pool.h"
#include "model/even.h"
#include "model/format/codes.h"
#include "model/load_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FORGOTTEN = 16 };     /* blocks of a large tensor whose pages go together */

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
static void forget(const b4c_loader *l, b4c_load_item *it, int block)
{
    const b4c_stored *t = &l->store->tensor[it->tensor];
    const bool last = atomic_fetch_sub(&it->left, 1) == 1;
    if (it->kept) return;
    if (last) {
        b4c_store_forget(l->store, it->tensor);
    } else if (block % FORGOTTEN == FORGOTTEN - 1 && b4c_stored_in_order(t)) {
        const size_t row = t->bytes / (size_t)t->shape[0], rows = (size_t)it->rows * FORGOTTEN;
        const size_t first = (size_t)it->at + (size_t)(block / FORGOTTEN) * rows;
        b4c_file_forget(&l->store->file[t->file], t->data + first * row, rows * row);
    }
}

/* Are the file's 4-bit codes those of the weight? Where columns were evened out, if these are
 * still so. */
static bool are_its_codes(const b4c_loader *l, const b4c_load_item *it)
{
    const b4c_stored *t = &l->store->tensor[it->tensor];
    const b4c_weight *w = it->p->weight;
    if (t->type != B4C_STORED_I4 || !w || w->packed.dtype != B4C_I4) return false;
    return t->columns ? it->factor && l->given : !it->factor;
}

static void put_codes(const b4c_loader *l, const b4c_load_item *it, int first, int rows)
{
    const b4c_parameter *p = it->p;
    b4c_int4_group g;
    for (int r = first; r < first + rows; r++)
        for (int c = 0; c < p->cols; c += B4C_GROUP) {
            b4c_stored_group(&l->store->tensor[it->tensor], it->at + r, c, &g);
            b4c_packed_put_group(&p->weight->packed, p->at + r, c, &g);
        }
}

static int read_block(const b4c_loader *l, b4c_load_item *it, int block, void *memory,
                      b4c_error *err)
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
    if (are_its_codes(l, it)) {
        put_codes(l, it, first, rows);
    } else {
        if (it->factor) reals = multiplied(reals, it->factor, rows, p->cols, memory);
        b4c_parameter_write(p, first, rows, reals);
    }
    if (t->type == B4C_STORED_I8 && t->coded && p->weight && p->weight->packed.dtype == B4C_I8)
        for (int r = first; r < first + rows; r++)
            b4c_packed_rescale(&p->weight->packed, p->at + r, t->quant_scale[it->at + r]);
    forget(l, it, block);
    return 0;
}

/* The item that block number b belongs to. */
static int item_of(const b4c_loader *l, int b)
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
    b4c_loader *l = arg;
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
static void number_blocks(b4c_loader *l, bool factors)
{
    l->blocks = 0;
    for (int i = 0; i < l->list.n; i++) {
        b4c_load_item *it = &l->item[i];
        const bool wanted = it->tensor >= 0 && (!factors || it->factor);
        const int blocks = wanted ? (it->p->rows + it->rows - 1) / it->rows : 0;
        it->first_block = l->blocks;
        atomic_init(&it->left, blocks);
        l->blocks += blocks;
    }
    atomic_init(&l->next, 0);
    atomic_init(&l->failed_item, l->list.n);
}

static int read_all(b4c_loader *l, b4c_pool *pool, bool factors, b4c_error *err)
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

/* The tensor of a weight's first part that has the codes of the network's dtype, or NULL. */
static const b4c_stored *coded(const b4c_loader *l, const b4c_weight *w)
{
    const b4c_stored_type type = l->net->dtype == B4C_I4 ? B4C_STORED_I4 : B4C_STORED_I8;
    for (int i = 0; i < l->list.n; i++) {
        if (l->list.item[i].weight != w || l->item[i].tensor < 0) continue;
        const b4c_stored *t = &l->store->tensor[l->item[i].tensor];
        if (t->coded && t->type == type) return t;
    }
    return NULL;
}

static const float *stored_columns(const void *arg, const b4c_weight *w)
{
    const b4c_stored *t = coded(arg, w);
    return t ? t->columns : NULL;
}

/* int8 rows of a post-norm network: the weights once more, evened; as the
 * file says, if it is int8 too. */
static int even_out(b4c_loader *l, b4c_pool *pool, json_t *report, b4c_error *err)
{
    b4c_evenings e;
    l->given = coded(l, &l->net->encoder.block[0].up) != NULL;
    if (l->given)
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

int b4c_load_read(b4c_loader *l, json_t *report, b4c_error *err)
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
