/* tf1.c - TensorFlow's checkpoint V2 ("tensor bundle"): an index, which is a LevelDB table of
 * protobufs, and data files.
 *
 * Idea: table.c gives the index as a sorted list of (key, value); an entry says type, shape, data
 * file, offset, size and checksum. Variables cut into slices have an entry of their own without
 * data and one entry a slice, under a key that sorts before all names; they are put together when
 * the checkpoint is opened, all others stay in their mapped file.
 * Invariants: data ranges of one file do not overlap, so assembled variables never take more than
 * the files do.
 * Source: tensorflow/core/util/tensor_bundle/, tensorflow/core/protobuf/tensor_bundle.proto,
 * tensorflow/core/util/saved_tensor_slice_util.cc, tensorflow/core/lib/strings/ordered_code.cc.
 */
#include "model/format/crc32c.h"
#include "base/proto.h"
#include "model/format/table.h"

#include <stdio.h>
#include <stdlib.h>

/* DataType of tensorflow/core/framework/types.proto. */
static const struct {
    int64_t number;
    b4c_stored_type type;
} dtypes[] = {
    { 1, B4C_STORED_F32 },   { 2, B4C_STORED_F64 },  { 3, B4C_STORED_I32 }, { 4, B4C_STORED_U8 },
    { 5, B4C_STORED_I16 },   { 6, B4C_STORED_I8 },   { 9, B4C_STORED_I64 }, { 10, B4C_STORED_BOOL },
    { 14, B4C_STORED_BF16 }, { 19, B4C_STORED_F16 },
};

typedef struct entry {
    b4c_span key;
    b4c_stored_type type;
    int rank;
    int64_t shape[B4C_STORED_RANK];
    int64_t shard;
    uint64_t offset, size;
    uint32_t checksum;
    b4c_span value; /* the whole message: slices are read from it */
    bool sliced;
} entry;

typedef struct reader {
    b4c_store *store;
    int index; /* the index file; data file i is index + 1 + i */
    const char *path;
    b4c_error *err;
    b4c_table table;
    int64_t shards;
    entry *entry; /* sorted by key */
    size_t n;
} reader;

static b4c_stored_type type_of(int64_t number)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].number == number) return dtypes[i].type;
    return B4C_STORED_OTHER;
}

/* Keys of slices begin with 0. */
static bool is_slice(const entry *e) { return e->key.data[0] == 0; }

static int fail(reader *r, b4c_span key, const char *what)
{
    if (key.size && key.data[0] == 0) key = b4c_span_of("(a slice)");
    b4c_fail_tensor(r->store, r->index, key, r->err, B4C_E_FORMAT, "%s; the index is damaged",
                    what);
    return B4C_E_FORMAT;
}

/* ---- the index ------------------------------------------------------------------------------ */

/* Header, under the empty key: 1 num_shards, 2 endianness, 3 version { 1 producer, 2
 * min_consumer }. */
static int read_header(reader *r, b4c_span value)
{
    b4c_proto p = { value }, v = { { r->store->file[r->index].data, 0 } };
    b4c_field f;
    int64_t big = 0, consumer = 0;
    int rc;
    while ((rc = b4c_proto_next(&p, &f)) > 0)
        (void)(b4c_field_int(&f, 1, &r->shards) || b4c_field_int(&f, 2, &big) ||
               b4c_field_bytes(&f, 3, &v.rest));
    if (rc == 0)
        while ((rc = b4c_proto_next(&v, &f)) > 0) (void)b4c_field_int(&f, 2, &consumer);
    if (rc < 0 || r->shards < 1 || r->shards > 99999)
        return b4c_fail(
            r->err, B4C_E_FORMAT,
            "%s: its header says %lld data files, wanted 1 to 99999; the index is damaged", r->path,
            (long long)r->shards);
    if (big)
        return b4c_fail(r->err, B4C_E_UNSUPPORTED,
                        "%s: big-endian numbers, wanted little-endian ones", r->path);
    if (consumer > 1)
        return b4c_fail(r->err, B4C_E_UNSUPPORTED,
                        "%s: wants a reader of version %lld, this one has version 1", r->path,
                        (long long)consumer);
    return 0;
}

/* TensorShapeProto: 2 dim { 1 size }, 3 unknown_rank. */
static int read_shape(reader *r, b4c_span shape, entry *e)
{
    b4c_proto p = { shape };
    b4c_field f;
    int rc;
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        int64_t size = 0;
        b4c_proto dim;
        if (!b4c_field_bytes(&f, 2, &dim.rest)) continue;
        while ((rc = b4c_proto_next(&dim, &f)) > 0) (void)b4c_field_int(&f, 1, &size);
        if (rc < 0) break;
        if (e->rank == B4C_STORED_RANK) return fail(r, e->key, "has more than 8 axes");
        if (size < 0) return fail(r, e->key, "has a negative axis");
        e->shape[e->rank++] = size;
    }
    return rc < 0 ? fail(r, e->key, "its shape is malformed") : 0;
}

/* BundleEntryProto: 1 dtype, 2 shape, 3 shard_id, 4 offset, 5 size, 6 crc32c (fixed32, masked),
 * 7 slices. */
static int read_entry(reader *r, b4c_pair pair, entry *e)
{
    b4c_proto p = { pair.value };
    b4c_field f;
    b4c_span shape = { 0, 0 }, slice;
    int64_t dtype = 0, offset = 0, size = 0;
    uint64_t count;
    int rc;
    *e = (entry){ .key = pair.key, .value = pair.value };
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        if (f.number == 6 && f.wire == B4C_WIRE_4)
            e->checksum = b4c_crc32c_unmask((uint32_t)f.value);
        else if (b4c_field_bytes(&f, 7, &slice))
            e->sliced = true;
        else
            (void)(b4c_field_int(&f, 1, &dtype) || b4c_field_bytes(&f, 2, &shape) ||
                   b4c_field_int(&f, 3, &e->shard) || b4c_field_int(&f, 4, &offset) ||
                   b4c_field_int(&f, 5, &size));
    }
    if (rc < 0) return fail(r, e->key, "its entry is malformed");
    if (shape.data) B4C_TRY(read_shape(r, shape, e));
    e->type = type_of(dtype);
    e->offset = (uint64_t)offset;
    e->size = (uint64_t)size;
    if (e->shard < 0 || e->shard >= r->shards || offset < 0 || size < 0)
        return fail(r, e->key, "names a data file or place that is none");
    const size_t width = b4c_stored_width(e->type);
    if (!b4c_shape_count(e->shape, e->rank, &count) ||
        (width && !e->sliced && count * width != e->size)) {
        char text[200];
        return b4c_fail_tensor(
            r->store, r->index, is_slice(e) ? b4c_span_of("(a slice)") : e->key, r->err,
            B4C_E_FORMAT,
            "has %llu bytes, its shape %s of %s wants another number; the index is damaged",
            (unsigned long long)e->size, b4c_shape_text(text, e->shape, e->rank),
            b4c_stored_type_name(e->type));
    }
    return 0;
}

static int read_entries(reader *r)
{
    const b4c_table *table = &r->table;
    if (table->n == 0 || table->pair[0].key.size)
        return b4c_fail(r->err, B4C_E_FORMAT,
                        "%s: a table without a header entry; it is no "
                        "index of a checkpoint",
                        r->path);
    B4C_TRY(read_header(r, table->pair[0].value));
    r->entry = calloc(table->n, sizeof *r->entry);
    if (!r->entry) return b4c_fail_memory(r->store, r->index, r->err);
    for (size_t i = 1; i < table->n; i++) {
        B4C_TRY(read_entry(r, table->pair[i], &r->entry[r->n]));
        r->n++;
    }
    return 0;
}

/* ---- the data files ------------------------------------------------------------------------- */

static int map_shards(reader *r)
{
    const size_t prefix = strlen(r->path) - strlen(".index");
    char *path = malloc(strlen(r->path) + 64);
    if (!path) return b4c_fail_memory(r->store, r->index, r->err);
    int rc = 0;
    memcpy(path, r->path, prefix);
    for (int64_t i = 0; rc >= 0 && i < r->shards; i++) {
        snprintf(path + prefix, 64, ".data-%05lld-of-%05lld", (long long)i, (long long)r->shards);
        rc = b4c_file_exists(path)
               ? b4c_store_map(r->store, path, r->err)
               : b4c_fail(r->err, B4C_E_MISSING,
                          "%s: its data file '%s' is not there; fetch it into the same folder",
                          r->path, b4c_path_name(path));
    }
    free(path);
    r->path = r->store->file_name[r->index];
    return rc < 0 ? rc : 0;
}

static b4c_span data_of(const reader *r, const entry *e)
{
    const b4c_span file = b4c_store_bytes(r->store, r->index + 1 + (int)e->shard);
    return (b4c_span){ file.data + e->offset, (size_t)e->size };
}

static int by_place(const void *a, const void *b)
{
    const entry *const *x = a, *const *y = b;
    if ((*x)->shard != (*y)->shard) return (*x)->shard < (*y)->shard ? -1 : 1;
    if ((*x)->offset != (*y)->offset) return (*x)->offset < (*y)->offset ? -1 : 1;
    return ((*x)->size > (*y)->size) - ((*x)->size < (*y)->size);
}

/* Every range within its file, and none over another. */
static int check_ranges(reader *r)
{
    const entry **order = malloc((r->n + 1) * sizeof *order);
    if (!order) return b4c_fail_memory(r->store, r->index, r->err);
    size_t n = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->n; i++) {
        const entry *e = &r->entry[i];
        const size_t whole = b4c_store_bytes(r->store, r->index + 1 + (int)e->shard).size;
        if (e->sliced) continue;
        if (!b4c_range_in(e->offset, e->size, whole))
            rc = b4c_fail_tensor(
                r->store, r->index + 1 + (int)e->shard,
                is_slice(e) ? b4c_span_of("(a slice)") : e->key, r->err, B4C_E_FORMAT,
                "bytes %llu to %llu of a file of %zu; it is cut or of another checkpoint",
                (unsigned long long)e->offset, (unsigned long long)(e->offset + e->size), whole);
        order[n++] = e;
    }
    if (rc == 0) qsort(order, n, sizeof *order, by_place);
    for (size_t i = 1; rc == 0 && i < n; i++)
        if (order[i]->shard == order[i - 1]->shard &&
            order[i]->offset < order[i - 1]->offset + order[i - 1]->size)
            rc = fail(r, order[i]->key, "shares bytes with another tensor");
    free(order);
    return rc;
}

/* ---- slices --------------------------------------------------------------------------------- */

typedef struct slice {
    int64_t start[B4C_STORED_RANK], length[B4C_STORED_RANK];
    bool whole[B4C_STORED_RANK];
} slice;

/* TensorSliceProto: 1 extent { 1 start, 2 length }; an extent without a length is the whole
 * axis. */
static int read_slice(reader *r, const entry *e, b4c_span bytes, slice *out)
{
    b4c_proto p = { bytes };
    b4c_field f;
    int rc, axis = 0;
    *out = (slice){ 0 };
    while ((rc = b4c_proto_next(&p, &f)) > 0) {
        b4c_proto extent;
        if (!b4c_field_bytes(&f, 1, &extent.rest)) continue;
        if (axis == e->rank) return fail(r, e->key, "a slice of it has more axes than it has");
        bool whole = true;
        while ((rc = b4c_proto_next(&extent, &f)) > 0) {
            (void)b4c_field_int(&f, 1, &out->start[axis]);
            if (b4c_field_int(&f, 2, &out->length[axis])) whole = false;
        }
        if (rc < 0) break;
        out->whole[axis] = whole;
        if (whole) out->length[axis] = e->shape[axis];
        if ((whole && out->start[axis]) ||
            !b4c_range_in((uint64_t)out->start[axis], (uint64_t)out->length[axis],
                          (uint64_t)e->shape[axis]))
            return fail(r, e->key, "a slice of it reaches beyond its shape");
        axis++;
    }
    return rc < 0 || axis != e->rank ? fail(r, e->key, "a slice of it is malformed") : 0;
}

/* Ordered code of a number: -1 as 7f, x >= 0 in the fewest n bytes with x < 2^(7n - 1), the top
 * n bits set in front. */
static size_t put_signed(unsigned char *to, int64_t x)
{
    if (x < 0) {
        to[0] = 0x7f;
        return 1;
    }
    size_t n = 1;
    while (n < 8 && x >> (7 * n - 1)) n++; /* shapes stay below 2^55 */
    for (size_t i = 0; i < n; i++) to[i] = (unsigned char)(x >> (8 * (n - 1 - i)));
    to[0] |= (unsigned char)(0xff00u >> n);
    return n;
}

/* The slice's own entry; NULL: it has none, or there is no memory for its key. */
static const entry *find_slice(const reader *r, const entry *e, const slice *part)
{
    unsigned char *key = malloc(2 * e->key.size + 5 + 16 * B4C_STORED_RANK);
    if (!key) return NULL;
    size_t at = 0;
    key[at++] = 0;
    for (size_t i = 0; i < e->key.size; i++) {
        const unsigned char c = e->key.data[i];
        key[at++] = c;
        if (c == 0 || c == 0xff) key[at++] = (unsigned char)~c;
    }
    key[at++] = 0;
    key[at++] = 1;
    if (e->rank) key[at++] = 1;
    key[at++] = (unsigned char)e->rank;
    for (int i = 0; i < e->rank; i++) {
        at += put_signed(key + at, part->start[i]);
        at += put_signed(key + at, part->whole[i] ? -1 : part->length[i]);
    }
    size_t low = 0, high = r->n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (b4c_span_compare(r->entry[middle].key, (b4c_span){ key, at }) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const bool found = low < r->n &&
                       b4c_span_compare(r->entry[low].key, (b4c_span){ key, at }) == 0;
    free(key);
    return found ? &r->entry[low] : NULL;
}

static bool overlap(const slice *a, const slice *b, int rank)
{
    for (int i = 0; i < rank; i++)
        if (a->start[i] >= b->start[i] + b->length[i] || b->start[i] >= a->start[i] + a->length[i])
            return false;
    return true;
}

/* A slice's elements to their places in the whole. */
static void copy_slice(const entry *e, const b4c_stored *t, const slice *part,
                       const unsigned char *from, unsigned char *to)
{
    const size_t width = b4c_stored_width(t->type);
    const int last = e->rank - 1;
    const size_t run = (size_t)(e->rank ? part->length[last] : 1) * width;
    int64_t at[B4C_STORED_RANK] = { 0 };
    for (int i = 0; i < e->rank; i++)
        if (part->length[i] == 0) return;
    for (;;) {
        size_t offset = 0;
        for (int i = 0; i < e->rank; i++)
            offset += (size_t)(part->start[i] + at[i]) * (size_t)t->stride[i];
        memcpy(to + offset * width, from, run);
        from += run;
        int i = last - 1;
        while (i >= 0 && ++at[i] == part->length[i]) at[i--] = 0;
        if (i < 0) return;
    }
}

/* Put a partitioned variable together. `parts` has room for as many slices as its message has
 * bytes / 2. */
static int assemble(reader *r, const entry *e, b4c_stored *t, slice *parts)
{
    b4c_proto p = { e->value };
    b4c_field f;
    uint64_t count = 0, whole = 0, covered = 0;
    size_t n = 0;
    const size_t width = b4c_stored_width(e->type);
    b4c_span bytes;
    (void)b4c_shape_count(e->shape, e->rank, &whole);
    if (!width)
        return b4c_fail_tensor(r->store, r->index, e->key, r->err, B4C_E_UNSUPPORTED,
                               "is cut in slices of no numeric type");
    while (b4c_proto_next(&p, &f) > 0) {
        if (!b4c_field_bytes(&f, 7, &bytes)) continue;
        slice *part = &parts[n++];
        B4C_TRY(read_slice(r, e, bytes, part));
        for (size_t i = 0; i + 1 < n; i++)
            if (overlap(&parts[i], part, e->rank))
                return fail(r, e->key, "two slices of it overlap");
        const entry *own = find_slice(r, e, part);
        if (!own || own->sliced || own->type != e->type || own->rank != e->rank ||
            memcmp(own->shape, part->length, (size_t)e->rank * sizeof *own->shape) != 0)
            return fail(r, e->key, "a slice of it has no entry of its shape and type");
        (void)b4c_shape_count(part->length, e->rank, &count);
        covered += count; /* disjoint, so no more than the whole */
    }
    if (covered != whole) return fail(r, e->key, "its slices leave holes");
    unsigned char *to = b4c_store_keep(r->store, (size_t)whole * width);
    if (!to) return b4c_fail_memory(r->store, r->index, r->err);
    for (size_t i = 0; i < n; i++) {
        const entry *own = find_slice(r, e, &parts[i]);
        const b4c_span data = own ? data_of(r, own) : (b4c_span){ 0, 0 };
        if (!own) return b4c_fail_memory(r->store, r->index, r->err);
        if (b4c_crc32c(data.data, data.size) != own->checksum)
            return b4c_fail_tensor(
                r->store, r->index + 1 + (int)own->shard, e->key, r->err, B4C_E_FORMAT,
                "checksum of slice %zu differs from the index; the file is damaged, fetch it again",
                i);
        copy_slice(e, t, &parts[i], data.data, to);
    }
    t->data = to;
    t->bytes = (size_t)whole * width;
    return 0;
}

/* ---- tensors -------------------------------------------------------------------------------- */

#define SLICES 4096 /* TensorFlow's partitioners make one a parameter server: dozens */

static int add_entry(reader *r, const entry *e)
{
    b4c_stored t = { .type = e->type, .rank = e->rank, .file = r->index + 1 + (int)e->shard };
    memcpy(t.shape, e->shape, sizeof t.shape);
    b4c_stored_pack(&t);
    if (!e->sliced) {
        const b4c_span data = data_of(r, e);
        t.data = data.data;
        t.bytes = data.size;
        t.has_checksum =
            e->type !=
            B4C_STORED_OTHER; /* of strings it covers other bytes, and nobody reads them */
        t.checksum = e->checksum;
    } else {
        size_t n = 0;
        b4c_proto p = { e->value };
        b4c_field f;
        while (b4c_proto_next(&p, &f) > 0) n += f.number == 7;
        if (n > SLICES)
            return b4c_fail_tensor(r->store, r->index, e->key, r->err, B4C_E_UNSUPPORTED,
                                   "is cut in %zu slices, at most %d "
                                   "are read",
                                   n, SLICES);
        slice *parts = malloc((n + 1) * sizeof *parts);
        const int rc = parts ? assemble(r, e, &t, parts)
                             : b4c_fail_memory(r->store, r->index, r->err);
        free(parts);
        B4C_TRY(rc);
    }
    return b4c_store_add(r->store, &t, e->key, r->err);
}

bool b4c_tf1_is(b4c_span bytes) { return b4c_table_is(bytes); }

int b4c_tf1_read(b4c_store *s, int file, b4c_error *err)
{
    reader r = { .store = s, .index = file, .path = s->file_name[file], .err = err };
    const int from = s->n;
    const b4c_span name = b4c_span_of(r.path);
    if (!b4c_span_ends(name, ".index"))
        return b4c_fail(err, B4C_E_ARG,
                        "%s: is the index of a TF1 checkpoint; its name must end in .index, so "
                        "that its data files "
                        "can be found",
                        r.path);
    if (s->n_files != file + 1)
        return b4c_fail(err, B4C_E_FORMAT, "%s: a TF1 checkpoint cannot be a shard", r.path);
    int rc = b4c_table_open(&r.table, b4c_store_bytes(s, file), r.path, err);
    if (rc == 0) rc = read_entries(&r);
    if (rc == 0) rc = map_shards(&r);
    if (rc == 0) rc = check_ranges(&r);
    for (size_t i = 0; rc == 0 && i < r.n; i++)
        if (!is_slice(&r.entry[i])) rc = add_entry(&r, &r.entry[i]);
    if (rc == 0) rc = b4c_keras_graph(s, from, err);
    free(r.entry);
    b4c_table_done(&r.table);
    return rc;
}
