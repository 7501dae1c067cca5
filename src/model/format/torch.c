/* torch.c - pytorch_model.bin: a zip with a pickle and one member a storage (PyTorch 1.6 on), or
 * the legacy form of five pickles and the storages behind them, in which many Chinese BERTs of 2019
 * and 2020 are published.
 *
 * Idea: both forms hold the same pickle, a dictionary of _rebuild_tensor_v2(storage, offset, shape,
 * strides, ...); they differ only in where a storage's bytes are. So: read the pickle, find the
 * bytes of every storage that it names, then walk the dictionary. Tensors may share a storage (tied
 * weights) or be any view of it; dictionaries inside dictionaries (training checkpoints:
 * {"state_dict": {...}, "epoch": 3}) give dotted names, and what is no tensor is left out.
 * Source: torch/serialization.py (_load, _legacy_load), torch/_utils.py (_rebuild_tensor_v2,
 * _rebuild_parameter).
 */
#include "model/format/pickle.h"
#include "model/format/zip.h"

#include "base/memory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH 8 /* of dictionaries within dictionaries */

static const struct {
    const char *name;
    b4c_stored_type type;
} storage_types[] = {
    { "FloatStorage", B4C_STORED_F32 }, { "DoubleStorage", B4C_STORED_F64 },
    { "HalfStorage", B4C_STORED_F16 },  { "BFloat16Storage", B4C_STORED_BF16 },
    { "CharStorage", B4C_STORED_I8 },   { "ByteStorage", B4C_STORED_U8 },
    { "ShortStorage", B4C_STORED_I16 }, { "IntStorage", B4C_STORED_I32 },
    { "LongStorage", B4C_STORED_I64 },  { "BoolStorage", B4C_STORED_BOOL },
};

typedef struct storage {
    b4c_span key;
    b4c_stored_type type;
    int64_t count;
    b4c_span data;
} storage;

typedef struct reader {
    b4c_store *store;
    int file;
    const char *path;
    b4c_error *err;
    b4c_pickle pickle;
    storage *storages; /* sorted by key, no key twice */
    size_t n_storages;
    b4c_buffer name; /* of the tensor being added */
    size_t budget;   /* dictionary entries that may still be walked */
} reader;

/* ---- the allow-list ------------------------------------------------------------------------- */

/* B4C_STORED_OTHER: not the name of a storage class. Files saved on a GPU say torch.cuda. */
static b4c_stored_type storage_type(b4c_span global)
{
    const char *const module = b4c_span_starts(global, "torch.cuda ") ? "torch.cuda " : "torch ";
    if (!b4c_span_starts(global, module)) return B4C_STORED_OTHER;
    const b4c_span name = { global.data + strlen(module), global.size - strlen(module) };
    for (size_t i = 0; i < sizeof storage_types / sizeof *storage_types; i++)
        if (b4c_span_is(name, storage_types[i].name)) return storage_types[i].type;
    return B4C_STORED_OTHER;
}

static bool allow(b4c_span global)
{
    static const char *const names[] = { "collections OrderedDict", "torch._utils _rebuild_tensor",
                                         "torch._utils _rebuild_tensor_v2",
                                         "torch._utils _rebuild_parameter", "torch Size" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (b4c_span_is(global, names[i])) return true;
    return storage_type(global) != B4C_STORED_OTHER;
}

/* ---- pickled values ------------------------------------------------------------------------- */

static bool is_call(const b4c_pickled *v, const char *what)
{
    return v->kind == B4C_PICKLE_CALL && b4c_span_is(v->item[0]->text, what);
}

/* Argument i of a call, or item i of a tuple; NULL: none. */
static const b4c_pickled *item(const b4c_pickled *v, size_t i)
{
    if (v->kind == B4C_PICKLE_CALL) v = v->item[1];
    return i < v->n ? v->item[i] : NULL;
}

static const b4c_pickled *item_of(const b4c_pickled *v, size_t i, b4c_pickle_kind kind)
{
    const b4c_pickled *found = item(v, i);
    return found && found->kind == kind ? found : NULL;
}

static int fail(reader *r, const char *what)
{
    return b4c_fail(r->err, B4C_E_FORMAT,
                    "%s: %s; the file is damaged or not written by torch.save", r->path, what);
}

/* ---- storages ------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return b4c_span_compare(((const storage *)a)->key, ((const storage *)b)->key);
}

/* The storage of a persistent id: ("storage", class, key, where it lived, elements[, view]). */
static int read_id(reader *r, const b4c_pickled *persistent, storage *out)
{
    const b4c_pickled *id = persistent->item[0];
    const b4c_pickled *kind = item_of(id, 0, B4C_PICKLE_TEXT),
                      *class = item_of(id, 1, B4C_PICKLE_GLOBAL);
    const b4c_pickled *key = item_of(id, 2, B4C_PICKLE_TEXT),
                      *count = item_of(id, 4, B4C_PICKLE_INT);
    if (id->kind != B4C_PICKLE_TUPLE || !kind || !b4c_span_is(kind->text, "storage") || !class ||
        !key || !count)
        return fail(r, "the pickle refers to something that is no storage");
    *out = (storage){ .key = key->text, .type = storage_type(class->text), .count = count->number };
    if (out->type == B4C_STORED_OTHER) return fail(r, "a storage is of no known class");
    if (out->count < 0 ||
        (uint64_t)out->count > r->store->file[r->file].size / b4c_stored_width(out->type))
        return b4c_fail(r->err, B4C_E_FORMAT,
                        "%s: storage '%.*s' is to have %" PRId64
                        " elements of %s, more than the file; it is cut "
                        "or damaged",
                        r->path, B4C_SPAN_ARG(out->key), out->count,
                        b4c_stored_type_name(out->type));
    return 0;
}

/* All storages that the pickles name, each once. */
static int list_storages(reader *r)
{
    const b4c_pickle *p = &r->pickle;
    r->storages = calloc(p->n_persistent + 1, sizeof *r->storages);
    if (!r->storages) return b4c_fail_memory(r->store, r->file, r->err);
    for (size_t i = 0; i < p->n_persistent; i++)
        B4C_TRY(read_id(r, p->persistent[i], &r->storages[i]));
    qsort(r->storages, p->n_persistent, sizeof *r->storages, by_key);
    for (size_t i = 0; i < p->n_persistent; i++) {
        const storage *x = &r->storages[i],
                      *last = r->n_storages ? &r->storages[r->n_storages - 1] : NULL;
        if (!last || by_key(x, last) != 0)
            r->storages[r->n_storages++] = *x;
        else if (x->type != last->type || x->count != last->count)
            return fail(r, "one storage has two types or sizes");
    }
    return 0;
}

static storage *find_storage(const reader *r, b4c_span key)
{
    const storage wanted = { .key = key };
    return r->n_storages ? bsearch(&wanted, r->storages, r->n_storages, sizeof wanted, by_key)
                         : NULL;
}

/* ---- tensors -------------------------------------------------------------------------------- */

/* A tuple of numbers, or torch.Size of one. Negative: not that, or too long. */
static int read_numbers(const b4c_pickled *v, int64_t out[B4C_STORED_RANK])
{
    if (v && is_call(v, "torch Size")) v = item_of(v, 0, B4C_PICKLE_TUPLE);
    if (!v || v->kind != B4C_PICKLE_TUPLE || v->n > B4C_STORED_RANK) return -1;
    for (size_t i = 0; i < v->n; i++) {
        if (v->item[i]->kind != B4C_PICKLE_INT || v->item[i]->number < 0) return -1;
        out[i] = v->item[i]->number;
    }
    return (int)v->n;
}

static int add_tensor(reader *r, const b4c_pickled *v, b4c_span name)
{
    b4c_store *s = r->store;
    const b4c_pickled *where = item_of(v, 0, B4C_PICKLE_PERSISTENT),
                      *offset = item_of(v, 1, B4C_PICKLE_INT);
    b4c_stored t = { .file = r->file };
    uint64_t count;
    t.rank = read_numbers(item(v, 2), t.shape);
    if (!where || !offset || offset->number < 0 || t.rank < 0 ||
        read_numbers(item(v, 3), t.stride) != t.rank)
        return b4c_fail_tensor(
            s, r->file, name, r->err, B4C_E_FORMAT,
            "is not (storage, offset, shape, strides) with up to %d axes and numbers >= 0",
            B4C_STORED_RANK);
    const b4c_pickled *id = where->item[0], *view = item_of(id, 5, B4C_PICKLE_TUPLE);
    const storage *from = find_storage(r, id->item[2]->text);
    /* Legacy files may call a part of a storage a storage: (key, offset, size). */
    const b4c_pickled *shift = view ? item_of(view, 1, B4C_PICKLE_INT) : NULL;
    uint64_t skip = (uint64_t)offset->number;
    if (view && (!shift || shift->number < 0)) return fail(r, "a view of a storage has no offset");
    if (shift) skip += (uint64_t)shift->number; /* both below 2^63 */
    const size_t width = b4c_stored_width(from->type);
    if (!from->data.data)
        return b4c_fail_tensor(s, r->file, name, r->err, B4C_E_FORMAT,
                               "its storage '%.*s' is not in the file; it is cut or damaged",
                               B4C_SPAN_ARG(from->key));
    if (skip > (uint64_t)from->count || !b4c_shape_count(t.shape, t.rank, &count) ||
        count > (uint64_t)from->count)
        return b4c_fail_tensor(s, r->file, name, r->err, B4C_E_FORMAT,
                               "wants more elements than its storage '%.*s' has (%" PRId64
                               "); if it is an expanded view, save it "
                               "with contiguous()",
                               B4C_SPAN_ARG(from->key), from->count);
    t.type = from->type;
    t.data = from->data.data + skip * width;
    t.bytes = from->data.size - skip * width;
    B4C_TRY(b4c_store_add(s, &t, name, r->err));
    /* In a storage that it shares, its own bytes are those up to its last element; the range was
     * just checked. */
    size_t last = 0;
    for (int i = 0; i < t.rank; i++)
        last += (size_t)(t.shape[i] ? t.shape[i] - 1 : 0) * (size_t)t.stride[i];
    s->tensor[s->n - 1].bytes = count ? (last + 1) * width : 0;
    return 0;
}

/* Tensors of a dictionary; r->name holds the prefix of its keys. */
static int walk(reader *r, const b4c_pickled *dict, int depth)
{
    const size_t prefix = r->name.size;
    for (size_t i = 0; i + 1 < dict->n; i += 2) {
        const b4c_pickled *key = dict->item[i], *v = dict->item[i + 1];
        if (r->budget-- == 0) return fail(r, "its dictionaries hold one another");
        r->name.size = prefix;
        if (key->kind == B4C_PICKLE_TEXT)
            b4c_buffer_add(&r->name, key->text.data, key->text.size);
        else if (key->kind == B4C_PICKLE_INT)
            b4c_buffer_print(&r->name, "%" PRId64, key->number);
        else
            continue;
        if (r->name.failed) return b4c_fail_memory(r->store, r->file, r->err);
        while (is_call(v, "torch._utils _rebuild_parameter") && item_of(v, 0, B4C_PICKLE_CALL))
            v = item(v, 0);
        if (v->kind == B4C_PICKLE_DICT && depth < DEPTH) {
            b4c_buffer_text(&r->name, ".");
            B4C_TRY(walk(r, v, depth + 1));
        } else if (is_call(v, "torch._utils _rebuild_tensor_v2") ||
                   is_call(v, "torch._utils _rebuild_tensor")) {
            B4C_TRY(
                add_tensor(r, v, (b4c_span){ (const unsigned char *)r->name.data, r->name.size }));
        }
    }
    r->name.size = prefix;
    return 0;
}

static int walk_root(reader *r, const b4c_pickled *root, size_t pickle_size)
{
    const int before = r->store->n;
    if (root->kind != B4C_PICKLE_DICT)
        return b4c_fail(
            r->err, B4C_E_UNSUPPORTED,
            "%s: the pickle is not a dictionary of tensors; save the model's state_dict()",
            r->path);
    r->budget = pickle_size; /* each entry took at least one byte to write */
    B4C_TRY(walk(r, root, 0));
    if (r->store->n == before)
        return b4c_fail(r->err, B4C_E_MISSING, "%s: no tensors in its pickle", r->path);
    return 0;
}

/* ---- the zip form --------------------------------------------------------------------------- */

/* The archive's only NAME/data.pkl; its folder, slash included, into *folder. */
static const b4c_zip_member *find_pickle(const b4c_zip *zip, b4c_span *folder)
{
    const b4c_zip_member *found = NULL;
    for (size_t i = 0; i < zip->n; i++) {
        const b4c_span name = zip->member[i].name;
        if (!b4c_span_ends(name, "/data.pkl")) continue;
        if (found) return NULL;
        found = &zip->member[i];
        *folder = (b4c_span){ name.data, name.size - strlen("data.pkl") };
    }
    return found;
}

/* The member FOLDER + sub + name. */
static const b4c_zip_member *find_member(reader *r, const b4c_zip *zip, b4c_span folder,
                                         const char *sub, b4c_span name)
{
    b4c_buffer path = { 0 };
    b4c_buffer_add(&path, folder.data, folder.size);
    b4c_buffer_text(&path, sub);
    b4c_buffer_add(&path, name.data, name.size);
    const b4c_zip_member *found =
        path.failed ? NULL
                    : b4c_zip_find(zip, (b4c_span){ (const unsigned char *)path.data, path.size });
    if (path.failed) b4c_fail_memory(r->store, r->file, r->err);
    b4c_buffer_done(&path);
    return found;
}

static int place_members(reader *r, const b4c_zip *zip, b4c_span folder)
{
    for (size_t i = 0; i < r->n_storages; i++) {
        storage *x = &r->storages[i];
        const size_t bytes = (size_t)x->count * b4c_stored_width(x->type);
        const b4c_zip_member *m = find_member(r, zip, folder, "data/", x->key);
        if (!m)
            return b4c_fail(r->err, B4C_E_FORMAT,
                            "%s: member '%.*sdata/%.*s' is missing; the file is damaged", r->path,
                            B4C_SPAN_ARG(folder), B4C_SPAN_ARG(x->key));
        if (m->data.size < bytes)
            return b4c_fail(
                r->err, B4C_E_FORMAT,
                "%s: member '%.*s' has %zu bytes, its storage wants %zu; the file is damaged",
                r->path, B4C_SPAN_ARG(m->name), m->data.size, bytes);
        x->data = (b4c_span){ m->data.data, bytes };
    }
    return 0;
}

static int read_archive(reader *r, const b4c_zip *zip)
{
    b4c_span folder;
    const b4c_pickled *root;
    const b4c_zip_member *data = find_pickle(zip, &folder);
    if (!data)
        return b4c_fail(r->err, B4C_E_FORMAT,
                        "%s: a zip without exactly one 'NAME/data.pkl'; wanted one that "
                        "torch.save wrote",
                        r->path);
    const b4c_zip_member *order = find_member(r, zip, folder, "", b4c_span_of("byteorder"));
    if (order && !b4c_span_is(order->data, "little"))
        return b4c_fail(r->err, B4C_E_UNSUPPORTED, "%s: byte order '%.*s', wanted 'little'",
                        r->path, B4C_SPAN_ARG(order->data));
    b4c_span pickle = data->data;
    B4C_TRY(b4c_pickle_load(&r->pickle, &pickle, &root, r->path, r->err));
    B4C_TRY(list_storages(r));
    B4C_TRY(place_members(r, zip, folder));
    return walk_root(r, root, data->data.size);
}

static int read_zip(reader *r, b4c_span bytes)
{
    b4c_zip zip;
    int rc = b4c_zip_open(&zip, bytes, r->path, r->err);
    if (rc == 0) rc = read_archive(r, &zip);
    b4c_zip_done(&zip);
    return rc;
}

/* ---- the legacy form ------------------------------------------------------------------------ */

static const unsigned char magic[10] = {
    0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19
};

/* Behind the last pickle, in the order of `keys`: u64 elements, elements. */
static int place_rest(reader *r, const b4c_pickled *keys, b4c_span rest)
{
    for (size_t i = 0; i < keys->n; i++) {
        const b4c_pickled *key = keys->item[i];
        storage *x = key->kind == B4C_PICKLE_TEXT ? find_storage(r, key->text) : NULL;
        if (!x || x->data.data) return fail(r, "its list of storages does not fit its tensors");
        const size_t bytes = (size_t)x->count * b4c_stored_width(x->type);
        if (rest.size < 8 || rest.size - 8 < bytes || b4c_u64(rest.data) != (uint64_t)x->count)
            return b4c_fail(
                r->err, B4C_E_FORMAT,
                "%s: storage '%.*s' wants %zu bytes, %zu are left; the file is cut or damaged",
                r->path, B4C_SPAN_ARG(x->key), bytes + 8, rest.size);
        x->data = (b4c_span){ rest.data + 8, bytes };
        rest = (b4c_span){ rest.data + 8 + bytes, rest.size - 8 - bytes };
    }
    return 0;
}

static int read_legacy(reader *r, b4c_span rest)
{
    const b4c_pickled *part[5] = { 0 }; /* magic, version, system, tensors, keys */
    size_t size = 0;
    for (int i = 0; i < 5; i++) {
        const size_t before = rest.size;
        B4C_TRY(b4c_pickle_load(&r->pickle, &rest, &part[i], r->path, r->err));
        if (i == 0 && (part[0]->kind != B4C_PICKLE_TEXT || part[0]->text.size != sizeof magic ||
                       memcmp(part[0]->text.data, magic, sizeof magic) != 0))
            return b4c_fail(r->err, B4C_E_FORMAT, "%s: a pickle, but not one that torch.save wrote",
                            r->path);
        if (i == 1 && (part[1]->kind != B4C_PICKLE_INT || part[1]->number != 1001))
            return b4c_fail(r->err, B4C_E_UNSUPPORTED,
                            "%s: legacy torch file of an unknown version, wanted 1001", r->path);
        if (i == 3) size = before - rest.size;
    }
    for (size_t i = 0; part[2]->kind == B4C_PICKLE_DICT && i + 1 < part[2]->n; i += 2)
        if (part[2]->item[i]->kind == B4C_PICKLE_TEXT &&
            b4c_span_is(part[2]->item[i]->text, "little_endian") &&
            part[2]->item[i + 1]->kind == B4C_PICKLE_BOOL && part[2]->item[i + 1]->number == 0)
            return b4c_fail(r->err, B4C_E_UNSUPPORTED,
                            "%s: big-endian numbers, wanted little-endian ones", r->path);
    if (part[4]->kind != B4C_PICKLE_LIST) return fail(r, "it has no list of storages");
    B4C_TRY(list_storages(r));
    B4C_TRY(place_rest(r, part[4], rest));
    return walk_root(r, part[3], size);
}

/* ---- both ----------------------------------------------------------------------------------- */

static bool is_zip(b4c_span bytes) { return b4c_span_starts(bytes, "PK\3\4"); }

bool b4c_torch_is(b4c_span bytes)
{
    return is_zip(bytes) ||
           (bytes.size > 2 && bytes.data[0] == 0x80 && bytes.data[1] >= 2 && bytes.data[1] <= 5);
}

int b4c_torch_read(b4c_store *s, int file, b4c_error *err)
{
    reader r = { .store = s,
                 .file = file,
                 .path = s->file_name[file],
                 .err = err,
                 .pickle = { .allow = allow } };
    const b4c_span bytes = b4c_store_bytes(s, file);
    const int rc = is_zip(bytes) ? read_zip(&r, bytes) : read_legacy(&r, bytes);
    b4c_pickle_done(&r.pickle);
    b4c_buffer_done(&r.name);
    free(r.storages);
    return rc;
}
