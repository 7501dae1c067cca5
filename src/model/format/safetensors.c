/* safetensors.c - the hub's own format: u64 header size, a JSON header, then the tensors' bytes
 * without gaps.
 *
 * The header is {"NAME": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]},
 * "__metadata__": {text: text}}. The reference reader refuses holes and overlaps, so that no bytes
 * can hide in a file; so does this one. Old files start their data at any address; b4c_store_read
 * does not mind.
 * Source: github.com/huggingface/safetensors, README and safetensors/src/tensor.rs.
 */
#include "model/format/reader.h"

#include "base/json.h"
#include <stdlib.h>

#define HEADER_LIMIT 100000000u /* the reference's */

static const struct {
    const char *name;
    b4c_stored_type type;
    unsigned bits;
} dtypes[] = {
    { "F32", B4C_STORED_F32, 32 },      { "F16", B4C_STORED_F16, 16 },
    { "BF16", B4C_STORED_BF16, 16 },    { "F64", B4C_STORED_F64, 64 },
    { "I8", B4C_STORED_I8, 8 },         { "U8", B4C_STORED_U8, 8 },
    { "I16", B4C_STORED_I16, 16 },      { "I32", B4C_STORED_I32, 32 },
    { "I64", B4C_STORED_I64, 64 },      { "BOOL", B4C_STORED_BOOL, 8 },
    { "U16", B4C_STORED_OTHER, 16 },    { "U32", B4C_STORED_OTHER, 32 },
    { "U64", B4C_STORED_OTHER, 64 },    { "C64", B4C_STORED_OTHER, 64 },
    { "F8_E5M2", B4C_STORED_OTHER, 8 }, { "F8_E4M3", B4C_STORED_OTHER, 8 },
    { "F8_E8M0", B4C_STORED_OTHER, 8 }, { "F4", B4C_STORED_OTHER, 4 },
    { "F6_E2M3", B4C_STORED_OTHER, 6 }, { "F6_E3M2", B4C_STORED_OTHER, 6 },
};
#define N_DTYPES (sizeof dtypes / sizeof *dtypes)

bool b4c_safetensors_is(b4c_span bytes)
{
    return bytes.size >= 10 && b4c_u64(bytes.data) <= HEADER_LIMIT && bytes.data[8] == '{';
}

/* A number >= 0 in item i of a list. */
static bool list_number(const json_t *list, size_t i, int64_t *out)
{
    const json_t *item = json_array_get(list, i);
    if (!json_is_integer(item) || json_integer_value(item) < 0) return false;
    *out = json_integer_value(item);
    return true;
}

static int read_entry(b4c_store *s, int file, b4c_span data, b4c_span name, const json_t *entry,
                      b4c_error *err)
{
    b4c_stored t = { .file = file, .type = B4C_STORED_OTHER };
    int64_t begin, end;
    uint64_t count;
    char text[200];
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *shape = json_object_get(entry, "shape"),
                 *range = json_object_get(entry, "data_offsets");
    if (!dtype || !json_is_array(shape) || json_array_size(range) != 2)
        return b4c_fail_tensor(s, file, name, err, B4C_E_FORMAT,
                               "its header lacks \"dtype\", \"shape\" or \"data_offsets\"");
    if (json_array_size(shape) > B4C_STORED_RANK)
        return b4c_fail_tensor(s, file, name, err, B4C_E_UNSUPPORTED,
                               "has %zu axes, at most %d are read", json_array_size(shape),
                               B4C_STORED_RANK);
    t.rank = (int)json_array_size(shape);
    for (int i = 0; i < t.rank; i++)
        if (!list_number(shape, (size_t)i, &t.shape[i]))
            return b4c_fail_tensor(s, file, name, err, B4C_E_FORMAT,
                                   "axis %d of its shape is not a number >= 0", i);
    if (!list_number(range, 0, &begin) || !list_number(range, 1, &end) || begin > end ||
        (uint64_t)end > data.size)
        return b4c_fail_tensor(s, file, name, err, B4C_E_FORMAT,
                               "its data_offsets are not a range within the %zu bytes of data; the "
                               "file is cut or damaged",
                               data.size);
    size_t kind = 0;
    while (kind < N_DTYPES && strcmp(dtypes[kind].name, dtype) != 0) kind++;
    if (kind < N_DTYPES) t.type = dtypes[kind].type;
    if (!b4c_shape_count(t.shape, t.rank, &count) ||
        (kind < N_DTYPES && (count * dtypes[kind].bits % 8 ||
                             count * dtypes[kind].bits / 8 != (uint64_t)(end - begin))))
        return b4c_fail_tensor(s, file, name, err, B4C_E_FORMAT,
                               "has %lld bytes, its shape %s of %s wants another number",
                               (long long)(end - begin), b4c_shape_text(text, t.shape, t.rank),
                               dtype);
    t.data = data.data + begin;
    t.bytes = (size_t)(end - begin);
    b4c_stored_pack(&t);
    return b4c_store_add(s, &t, name, err);
}

static int by_place(const void *a, const void *b)
{
    const b4c_stored *const *x = a, *const *y = b;
    if ((*x)->data != (*y)->data) return (*x)->data < (*y)->data ? -1 : 1;
    return ((*x)->bytes > (*y)->bytes) - ((*x)->bytes < (*y)->bytes); /* empty tensors first */
}

/* The tensors from index `from` on fill the data, each byte once. */
static int check_cover(const b4c_store *s, int file, int from, b4c_span data, b4c_error *err)
{
    const size_t n = (size_t)(s->n - from);
    const b4c_stored **order = malloc((n + 1) * sizeof *order);
    if (!order) return b4c_fail_memory(s, file, err);
    for (size_t i = 0; i < n; i++) order[i] = &s->tensor[from + (int)i];
    qsort(order, n, sizeof *order, by_place);
    size_t at = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const size_t begin = (size_t)(order[i]->data - data.data);
        if (begin != at)
            rc = b4c_fail_tensor(
                s, file, b4c_span_of(order[i]->name), err, B4C_E_FORMAT,
                "begins at byte %zu of the data, the tensors before it end at %zu: %s are refused",
                begin, at, begin < at ? "overlaps" : "holes");
        at = begin + order[i]->bytes;
    }
    if (rc == 0 && at != data.size)
        rc = b4c_fail(err, B4C_E_FORMAT,
                      "%s: the tensors take %zu bytes, the file has %zu for them; it is damaged",
                      s->file_name[file], at, data.size);
    free(order);
    return rc;
}

int b4c_safetensors_read(b4c_store *s, int file, b4c_error *err)
{
    const b4c_span bytes = b4c_store_bytes(s, file);
    const char *path = s->file_name[file];
    const uint64_t size = b4c_u64(bytes.data);
    const int from = s->n;
    if (size > bytes.size - 8)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: the header has %llu bytes, the file only %zu; it is cut", path,
                        (unsigned long long)size, bytes.size);
    const b4c_span data = { bytes.data + 8 + size, bytes.size - 8 - size };
    json_t *header = b4c_json_parse((const char *)bytes.data + 8, size, path, err);
    if (!header) return err ? err->code : B4C_E_FORMAT;
    int rc = 0;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        rc = read_entry(s, file, data, b4c_span_of(name), entry, err);
        if (rc < 0) break;
    }
    json_decref(header);
    return rc < 0 ? rc : check_cover(s, file, from, data, err);
}
