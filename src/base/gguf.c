/* gguf.c - header, metadata and list of tensors of a GGUF file.
 *
 * Idea: one cursor walks the file from its first byte to the list's end and takes what it has
 * checked; counts are believed only as far as the bytes that are left can hold them.
 * Invariants: every value's bytes hold its count of elements, every string in an array ends within
 * it, keys differ.
 * Source: github.com/ggml-org/ggml, docs/gguf.md.
 */
#include "base/gguf.h"

#include <math.h>
#include <stdlib.h>

#define ALIGNMENT 32 /* where general.alignment does not say otherwise */

static const struct {
    const char *name;
    size_t size; /* 0: it varies */
} kinds[] = {
    [B4C_GGUF_U8] = { "u8", 1 },         [B4C_GGUF_I8] = { "i8", 1 },
    [B4C_GGUF_U16] = { "u16", 2 },       [B4C_GGUF_I16] = { "i16", 2 },
    [B4C_GGUF_U32] = { "u32", 4 },       [B4C_GGUF_I32] = { "i32", 4 },
    [B4C_GGUF_F32] = { "f32", 4 },       [B4C_GGUF_BOOL] = { "bool", 1 },
    [B4C_GGUF_STRING] = { "string", 0 }, [B4C_GGUF_ARRAY] = { "array", 0 },
    [B4C_GGUF_U64] = { "u64", 8 },       [B4C_GGUF_I64] = { "i64", 8 },
    [B4C_GGUF_F64] = { "f64", 8 },
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- the cursor ----------------------------------------------------------------------------- */

static bool take(b4c_span *rest, uint64_t n, b4c_span *out)
{
    if (n > rest->size) return false;
    *out = (b4c_span){ rest->data, (size_t)n };
    rest->data += n;
    rest->size -= (size_t)n;
    return true;
}

static bool take_u32(b4c_span *rest, uint32_t *out)
{
    b4c_span bytes;
    if (!take(rest, 4, &bytes)) return false;
    *out = b4c_u32(bytes.data);
    return true;
}

static bool take_u64(b4c_span *rest, uint64_t *out)
{
    b4c_span bytes;
    if (!take(rest, 8, &bytes)) return false;
    *out = b4c_u64(bytes.data);
    return true;
}

static bool take_text(b4c_span *rest, b4c_span *out)
{
    uint64_t n;
    return take_u64(rest, &n) && take(rest, n, out);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static int fail_pair(const b4c_gguf *g, b4c_span key, b4c_error *err, const char *what)
{
    return b4c_fail(err, B4C_E_FORMAT, "%s: metadata '%.*s' %s; the file is cut or damaged",
                    g->where, B4C_SPAN_ARG(key), what);
}

/* `count` elements of `kind` off the front of *rest. */
static bool take_elements(b4c_span *rest, b4c_gguf_kind kind, uint64_t count, b4c_span *out)
{
    if (kind != B4C_GGUF_STRING)
        return count <= rest->size / kinds[kind].size && take(rest, count * kinds[kind].size, out);
    const unsigned char *begin = rest->data;
    b4c_span text;
    for (uint64_t i = 0; i < count; i++)
        if (!take_text(rest, &text)) return false;
    *out = (b4c_span){ begin, (size_t)(rest->data - begin) };
    return true;
}

static int take_value(const b4c_gguf *g, b4c_span *rest, b4c_gguf_pair *pair, b4c_error *err)
{
    b4c_gguf_value *v = &pair->value;
    uint32_t kind;
    *v = (b4c_gguf_value){ .count = 1 };
    if (!take_u32(rest, &kind)) return fail_pair(g, pair->key, err, "has no type");
    if (kind == B4C_GGUF_ARRAY) {
        v->array = true;
        if (!take_u32(rest, &kind) || !take_u64(rest, &v->count))
            return fail_pair(g, pair->key, err, "is an array without a type and a length");
        if (kind == B4C_GGUF_ARRAY)
            return b4c_fail(err, B4C_E_UNSUPPORTED,
                            "%s: metadata '%.*s' is an array of arrays, which is not read",
                            g->where, B4C_SPAN_ARG(pair->key));
    }
    if (kind >= KINDS)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: metadata '%.*s' is of type %u, known are 0 to %zu; the file is "
                        "damaged or newer than this version",
                        g->where, B4C_SPAN_ARG(pair->key), kind, KINDS - 1);
    v->kind = (b4c_gguf_kind)kind;
    if (!take_elements(rest, v->kind, v->count, &v->bytes))
        return fail_pair(g, pair->key, err, "reaches beyond the file");
    return 0;
}

static int by_key(const void *a, const void *b)
{
    return b4c_span_compare(((const b4c_gguf_pair *)a)->key, ((const b4c_gguf_pair *)b)->key);
}

static int read_pairs(b4c_gguf *g, uint64_t count, b4c_span *rest, b4c_error *err)
{
    /* the shortest: an empty key, a type, a byte */
    if (count > rest->size / 13)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: states %llu pairs of metadata, more than its %zu bytes can hold; it "
                        "is cut or damaged",
                        g->where, (unsigned long long)count, rest->size);
    g->pair = calloc((size_t)count + 1, sizeof *g->pair);
    if (!g->pair)
        return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read its metadata", g->where);
    for (; g->n < count; g->n++) {
        b4c_gguf_pair *pair = &g->pair[g->n];
        if (!take_text(rest, &pair->key))
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: the key of pair %zu of %llu reaches beyond the file; it is cut "
                            "or damaged",
                            g->where, g->n + 1, (unsigned long long)count);
        B4C_TRY(take_value(g, rest, pair, err));
    }
    qsort(g->pair, g->n, sizeof *g->pair, by_key);
    for (size_t i = 1; i < g->n; i++)
        if (by_key(&g->pair[i - 1], &g->pair[i]) == 0)
            return fail_pair(g, g->pair[i].key, err, "is there twice");
    return 0;
}

static int read_alignment(b4c_gguf *g, b4c_error *err)
{
    int64_t alignment = ALIGNMENT;
    B4C_TRY(b4c_gguf_int(g, "general.alignment", 1, 1 << 30, &alignment, err));
    if (alignment & (alignment - 1))
        return b4c_fail(err, B4C_E_FORMAT, "%s: general.alignment is %lld, wanted a power of two",
                        g->where, (long long)alignment);
    g->alignment = (uint64_t)alignment;
    return 0;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static int take_tensor(const b4c_gguf *g, b4c_span *rest, b4c_gguf_tensor *t, b4c_error *err)
{
    uint32_t rank;
    *t = (b4c_gguf_tensor){ 0 };
    if (!take_text(rest, &t->name) || !take_u32(rest, &rank)) goto cut;
    if (rank > B4C_GGUF_RANK)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: tensor '%.*s' has %u axes, at most %d are possible; the file is "
                        "damaged",
                        g->where, B4C_SPAN_ARG(t->name), rank, B4C_GGUF_RANK);
    t->rank = (int)rank;
    for (int i = 0; i < t->rank; i++)
        if (!take_u64(rest, &t->extent[i])) goto cut;
    if (!take_u32(rest, &t->type) || !take_u64(rest, &t->offset)) goto cut;
    if (t->offset % g->alignment)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: tensor '%.*s' begins at byte %llu of the data, wanted a multiple of "
                        "%llu; the file is damaged",
                        g->where, B4C_SPAN_ARG(t->name), (unsigned long long)t->offset,
                        (unsigned long long)g->alignment);
    return 0;
cut:
    return b4c_fail(err, B4C_E_FORMAT,
                    "%s: the list of tensors breaks off in '%.*s'; the file is cut or damaged",
                    g->where, B4C_SPAN_ARG(t->name));
}

static int read_tensors(b4c_gguf *g, uint64_t count, b4c_span *rest, b4c_error *err)
{
    /* the shortest: an empty name, a rank, a type, an offset */
    if (count > rest->size / 24)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: states %llu tensors, more than its %zu bytes can hold; it is cut or "
                        "damaged",
                        g->where, (unsigned long long)count, rest->size);
    g->tensor = calloc((size_t)count + 1, sizeof *g->tensor);
    if (!g->tensor)
        return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to list its tensors", g->where);
    for (; g->n_tensors < count; g->n_tensors++)
        B4C_TRY(take_tensor(g, rest, &g->tensor[g->n_tensors], err));
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

bool b4c_gguf_is(b4c_span file) { return b4c_span_starts(file, "GGUF"); }

static int read_all(b4c_gguf *g, b4c_span file, b4c_error *err)
{
    b4c_span rest = file, magic;
    uint64_t tensors, pairs;
    if (!take(&rest, 4, &magic) || !take_u32(&rest, &g->version) || !take_u64(&rest, &tensors) ||
        !take_u64(&rest, &pairs))
        return b4c_fail(err, B4C_E_FORMAT, "%s: has %zu bytes, its header wants 24; it is cut",
                        g->where, file.size);
    if (g->version != 0 && (g->version & 0xffff) == 0)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: is a big-endian GGUF file, wanted a little-endian one; convert it",
                        g->where);
    if (g->version != 2 && g->version != 3)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: is GGUF of version %u, versions 2 and 3 are read; convert the model "
                        "again",
                        g->where, g->version);
    B4C_TRY(read_pairs(g, pairs, &rest, err));
    B4C_TRY(read_alignment(g, err));
    B4C_TRY(read_tensors(g, tensors, &rest, err));
    const uint64_t end = file.size - rest.size,
                   data = (end + g->alignment - 1) / g->alignment * g->alignment;
    if (data > file.size && g->n_tensors)
        return b4c_fail(err, B4C_E_FORMAT, "%s: ends where its tensors should begin; it is cut",
                        g->where);
    g->data = data < file.size ? (size_t)data : file.size;
    return 0;
}

int b4c_gguf_open(b4c_gguf *g, b4c_span file, const char *where, b4c_error *err)
{
    *g = (b4c_gguf){ .where = where };
    const int rc = read_all(g, file, err);
    if (rc < 0) b4c_gguf_done(g);
    return rc;
}

void b4c_gguf_done(b4c_gguf *g)
{
    free(g->pair);
    free(g->tensor);
    *g = (b4c_gguf){ 0 };
}

/* ---- access --------------------------------------------------------------------------------- */

const b4c_gguf_value *b4c_gguf_find(const b4c_gguf *g, const char *key)
{
    const b4c_gguf_pair wanted = { .key = b4c_span_of(key) },
                        *found = g->n ? bsearch(&wanted, g->pair, g->n, sizeof wanted, by_key)
                                      : NULL;
    return found ? &found->value : NULL;
}

static bool is_integer(b4c_gguf_kind k)
{
    return k != B4C_GGUF_F32 && k != B4C_GGUF_F64 && k != B4C_GGUF_BOOL && k != B4C_GGUF_STRING;
}

static bool is_number(b4c_gguf_kind k) { return k != B4C_GGUF_BOOL && k != B4C_GGUF_STRING; }

static int wrong_kind(const b4c_gguf *g, const char *key, const b4c_gguf_value *v,
                      const char *wanted, b4c_error *err)
{
    return b4c_fail(err, B4C_E_FORMAT, "%s: metadata '%s' is %s%s, wanted %s", g->where, key,
                    v->array ? "an array of " : "of type ", kinds[v->kind].name, wanted);
}

int64_t b4c_gguf_int_at(const b4c_gguf_value *v, uint64_t i)
{
    const unsigned char *at = v->bytes.data + i * kinds[v->kind].size;
    switch (v->kind) {
    case B4C_GGUF_U8: return at[0];
    case B4C_GGUF_BOOL: return at[0] != 0;
    case B4C_GGUF_I8: return (int8_t)at[0];
    case B4C_GGUF_U16: return b4c_u16(at);
    case B4C_GGUF_I16: return (int16_t)b4c_u16(at);
    case B4C_GGUF_U32: return b4c_u32(at);
    case B4C_GGUF_I32: return (int32_t)b4c_u32(at);
    case B4C_GGUF_U64: return b4c_u64(at) > INT64_MAX ? INT64_MAX : (int64_t)b4c_u64(at);
    case B4C_GGUF_I64: return (int64_t)b4c_u64(at);
    default: return 0;
    }
}

double b4c_gguf_real_at(const b4c_gguf_value *v, uint64_t i)
{
    const unsigned char *at = v->bytes.data + i * kinds[v->kind].size;
    float f;
    double d;
    switch (v->kind) {
    case B4C_GGUF_F32: memcpy(&f, at, sizeof f); return (double)f;
    case B4C_GGUF_F64: memcpy(&d, at, sizeof d); return d;
    case B4C_GGUF_U64: return (double)b4c_u64(at);
    default: return (double)b4c_gguf_int_at(v, i);
    }
}

bool b4c_gguf_next_text(b4c_gguf_value *rest, b4c_span *text)
{
    if (rest->count == 0 || !take_text(&rest->bytes, text)) return false;
    rest->count--;
    return true;
}

int b4c_gguf_int(const b4c_gguf *g, const char *key, int64_t low, int64_t high, int64_t *out,
                 b4c_error *err)
{
    const b4c_gguf_value *v = b4c_gguf_find(g, key);
    if (!v) return 0;
    if (v->array || !is_integer(v->kind)) return wrong_kind(g, key, v, "an integer", err);
    const int64_t n = b4c_gguf_int_at(v, 0);
    if (n < low || n > high)
        return b4c_fail(err, B4C_E_FORMAT, "%s: metadata '%s' is %lld, wanted %lld to %lld",
                        g->where, key, (long long)n, (long long)low, (long long)high);
    *out = n;
    return 1;
}

int b4c_gguf_real(const b4c_gguf *g, const char *key, double *out, b4c_error *err)
{
    const b4c_gguf_value *v = b4c_gguf_find(g, key);
    if (!v) return 0;
    if (v->array || !is_number(v->kind)) return wrong_kind(g, key, v, "a number", err);
    const double x = b4c_gguf_real_at(v, 0);
    if (!isfinite(x))
        return b4c_fail(err, B4C_E_FORMAT, "%s: metadata '%s' is %g, wanted a number", g->where,
                        key, x);
    *out = x;
    return 1;
}

int b4c_gguf_bool(const b4c_gguf *g, const char *key, bool *out, b4c_error *err)
{
    const b4c_gguf_value *v = b4c_gguf_find(g, key);
    if (!v) return 0;
    if (v->array || v->kind != B4C_GGUF_BOOL) return wrong_kind(g, key, v, "a bool", err);
    *out = v->bytes.data[0] != 0;
    return 1;
}

int b4c_gguf_text(const b4c_gguf *g, const char *key, b4c_span *out, b4c_error *err)
{
    const b4c_gguf_value *v = b4c_gguf_find(g, key);
    if (!v) return 0;
    if (v->array || v->kind != B4C_GGUF_STRING) return wrong_kind(g, key, v, "a string", err);
    b4c_span bytes = v->bytes;
    (void)take_text(&bytes, out); /* it was when the file was opened */
    return 1;
}

int b4c_gguf_array(const b4c_gguf *g, const char *key, b4c_gguf_kind wanted, b4c_gguf_value *out,
                   b4c_error *err)
{
    const b4c_gguf_value *v = b4c_gguf_find(g, key);
    if (!v) return 0;
    const b4c_gguf_kind k = v->kind;
    const bool fits = wanted == B4C_GGUF_STRING ? k == B4C_GGUF_STRING
                    : wanted == B4C_GGUF_F64    ? is_number(k)
                                                : is_integer(k) || k == B4C_GGUF_BOOL;
    if (!v->array || !fits)
        return wrong_kind(g, key, v,
                          wanted == B4C_GGUF_STRING ? "an array of strings"
                          : wanted == B4C_GGUF_F64  ? "an array of numbers"
                                                    : "an array of integers",
                          err);
    *out = *v;
    return 1;
}
