/* safetensors_write.c - a safetensors file, header first, then the tensors in its order.
 *
 * Invariant: the sum of what was put so far is where the header says the tensor at `at` stands,
 * plus its part that was put.
 * Source: github.com/huggingface/safetensors, safetensors/src/tensor.rs, `serialize`: tensors
 * sorted by type, widest first, then by name; the header padded with blanks to eight bytes.
 */
#include "model/format/safetensors_write.h"

#include "base/json.h"
#include "base/memory.h"
#include "math/kernels.h"
#include "model/format/half.h"
#include "model/format/reader.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define HEADER_LIMIT 100000000u /* the reference's */
#define BATCH        4096

/* Names of types, and the reference's order of them. */
static const struct {
    const char *name;
    int order;
} types[] = {
    [B4C_STORED_BOOL] = { "BOOL", 0 }, [B4C_STORED_U8] = { "U8", 1 },
    [B4C_STORED_I8] = { "I8", 2 },     [B4C_STORED_I16] = { "I16", 3 },
    [B4C_STORED_F16] = { "F16", 4 },   [B4C_STORED_BF16] = { "BF16", 5 },
    [B4C_STORED_I32] = { "I32", 6 },   [B4C_STORED_F32] = { "F32", 7 },
    [B4C_STORED_F64] = { "F64", 8 },   [B4C_STORED_I64] = { "I64", 9 },
};

static int in_order(const void *a, const void *b)
{
    const b4c_tensor_out *x = a, *y = b;
    const int order = types[y->type].order - types[x->type].order;
    return order ? order : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint64_t elements(const b4c_tensor_out *t)
{
    uint64_t count = 0;
    (void)b4c_shape_count(t->shape, t->rank, &count);
    return count;
}

/* ---- the header ----------------------------------------------------------------------------- */

static int check_list(const char *path, const b4c_tensor_out *list, int n, b4c_error *err)
{
    const char **name = malloc(((size_t)n + 1) * sizeof *name);
    char text[200];
    uint64_t count;
    int rc = name ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to write it", path);
    for (int i = 0; rc == 0 && i < n; i++) {
        const b4c_tensor_out *t = &list[i];
        assert(b4c_stored_block(t->type) == 1 && t->type != B4C_STORED_OTHER);
        assert(t->rank >= 0 && t->rank <= B4C_STORED_RANK);
        name[i] = t->name;
        if (!b4c_shape_count(t->shape, t->rank, &count))
            rc = b4c_fail(err, B4C_E_ARG, "%s: tensor '%s': shape %s is beyond all memory", path,
                          t->name, b4c_shape_text(text, t->shape, t->rank));
    }
    if (rc == 0 && n) qsort(name, (size_t)n, sizeof *name, by_name);
    for (int i = 0; rc == 0 && i < n; i++)
        if (strcmp(name[i], i ? name[i - 1] : "__metadata__") == 0)
            rc = b4c_fail(err, B4C_E_ARG, "%s: two tensors are to be called '%s'", path, name[i]);
    free(name);
    return rc;
}

static void put_entry(b4c_buffer *b, const b4c_tensor_out *t, uint64_t *offset)
{
    const uint64_t begin = *offset;
    json_t *name = json_string(t->name);
    char *text = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    *offset += elements(t) * b4c_stored_width(t->type);
    if (!text) b->failed = true;
    b4c_buffer_print(b, ",%s:{\"dtype\":\"%s\",\"shape\":[", text ? text : "", types[t->type].name);
    for (int i = 0; i < t->rank; i++)
        b4c_buffer_print(b, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    b4c_buffer_print(b, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
                     (unsigned long long)*offset);
    free(text);
    json_decref(name);
}

static int write_header(b4c_safetensors_out *out, const char *path, b4c_error *err)
{
    b4c_buffer b = { 0 };
    uint64_t offset = 0;
    unsigned char size[8];
    b4c_buffer_text(&b, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < out->n; i++) put_entry(&b, &out->tensor[i], &offset);
    b4c_buffer_text(&b, "}");
    while (b.size % 8 && !b.failed) b4c_buffer_text(&b, " ");
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)b.size >> 8 * i);
    int rc = b.failed ? b4c_fail(err, B4C_E_ARG,
                                 "%s: no memory for its header, or a name is not UTF-8", path)
           : b.size > HEADER_LIMIT
               ? b4c_fail(err, B4C_E_ARG, "%s: the header has %zu bytes, readers take at most %u",
                          path, b.size, HEADER_LIMIT)
               : b4c_writer_write(&out->writer, size, sizeof size, err);
    if (rc == 0) rc = b4c_writer_write(&out->writer, b.data, b.size, err);
    b4c_buffer_done(&b);
    return rc;
}

/* To the next tensor that has elements. */
static void advance(b4c_safetensors_out *out)
{
    while (out->left == 0 && out->at < out->n)
        if (++out->at < out->n) out->left = elements(&out->tensor[out->at]);
}

int b4c_safetensors_begin(b4c_safetensors_out *out, const char *path, b4c_tensor_out *list, int n,
                          b4c_error *err)
{
    *out = (b4c_safetensors_out){ .tensor = list, .n = n, .at = -1 };
    B4C_TRY(check_list(path, list, n, err));
    if (n) qsort(list, (size_t)n, sizeof *list, in_order);
    B4C_TRY(b4c_writer_open(&out->writer, path, err));
    const int rc = write_header(out, path, err);
    if (rc < 0) b4c_safetensors_drop(out);
    advance(out);
    return rc;
}

/* ---- numbers -------------------------------------------------------------------------------- */

int b4c_safetensors_put_raw(b4c_safetensors_out *out, const void *x, uint64_t n, b4c_error *err)
{
    assert(n == 0 || (out->at < out->n && n <= out->left));
    if (n == 0) return 0;
    const size_t bytes = (size_t)n * b4c_stored_width(out->tensor[out->at].type);
    out->left -= n;
    advance(out);
    return b4c_writer_write(&out->writer, x, bytes, err);
}

/* n <= BATCH numbers as 16 bits. */
static void narrow(b4c_safetensors_out *out, b4c_stored_type type, const float *x, int n,
                   uint16_t *to)
{
    for (int i = 0; i < n; i++)
        to[i] = type == B4C_STORED_F16 ? b4c_to_half(x[i]) : b4c_to_bf16(x[i]);
    const uint16_t infinity = type == B4C_STORED_F16 ? 0x7c00 : 0x7f80;
    for (int i = 0; i < n; i++)
        if ((to[i] & 0x7fff) == infinity && isfinite(x[i])) out->too_large++;
}

int b4c_safetensors_put(b4c_safetensors_out *out, const float *x, uint64_t n, b4c_error *err)
{
    uint16_t narrowed[BATCH];
    assert(n == 0 || (out->at < out->n && n <= out->left));
    if (n == 0) return 0;
    const b4c_stored_type type = out->tensor[out->at].type;
    assert(type == B4C_STORED_F32 || type == B4C_STORED_F16 || type == B4C_STORED_BF16);
    if (type == B4C_STORED_F32) return b4c_safetensors_put_raw(out, x, n, err);
    for (uint64_t i = 0; i < n; i += BATCH) {
        const int part = (int)(n - i < BATCH ? n - i : BATCH);
        narrow(out, type, x + i, part, narrowed);
        B4C_TRY(b4c_safetensors_put_raw(out, narrowed, (uint64_t)part, err));
    }
    return 0;
}

int b4c_safetensors_commit(b4c_safetensors_out *out, b4c_error *err)
{
    assert(out->at == out->n && out->left == 0);
    return b4c_writer_commit(&out->writer, err);
}

void b4c_safetensors_drop(b4c_safetensors_out *out) { b4c_writer_drop(&out->writer); }
