/* store.c - the list of tensors that every reader fills, its memory, and the checks that hold for
 * all layouts.
 *
 * Idea: a store owns two kinds of memory: mapped files, and blocks for what cannot stay in them
 * (names, assembled or unpacked data). Both live until the store is closed, so a tensor is only
 * pointers and numbers.
 * Invariant: an added tensor has no element outside its bytes; reading therefore checks nothing
 * again.
 */
#include "model/format/reader.h"

#include "model/format/own.h"
#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#define CHUNK 65536

/* ---- types and shapes ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t width; /* bytes of a block */
    int block;    /* elements of one */
} types[] = {
    [B4C_STORED_F32] = { "f32", 4, 1 },         [B4C_STORED_F64] = { "f64", 8, 1 },
    [B4C_STORED_F16] = { "f16", 2, 1 },         [B4C_STORED_BF16] = { "bf16", 2, 1 },
    [B4C_STORED_I8] = { "i8", 1, 1 },           [B4C_STORED_U8] = { "u8", 1, 1 },
    [B4C_STORED_I16] = { "i16", 2, 1 },         [B4C_STORED_I32] = { "i32", 4, 1 },
    [B4C_STORED_I64] = { "i64", 8, 1 },         [B4C_STORED_BOOL] = { "bool", 1, 1 },
    [B4C_STORED_Q4_0] = { "q4_0", 18, 32 },     [B4C_STORED_Q4_1] = { "q4_1", 20, 32 },
    [B4C_STORED_Q5_0] = { "q5_0", 22, 32 },     [B4C_STORED_Q5_1] = { "q5_1", 24, 32 },
    [B4C_STORED_Q8_0] = { "q8_0", 34, 32 },     [B4C_STORED_Q2_K] = { "q2_k", 84, 256 },
    [B4C_STORED_Q3_K] = { "q3_k", 110, 256 },   [B4C_STORED_Q4_K] = { "q4_k", 144, 256 },
    [B4C_STORED_Q5_K] = { "q5_k", 176, 256 },   [B4C_STORED_Q6_K] = { "q6_k", 210, 256 },
    [B4C_STORED_IQ4_NL] = { "iq4_nl", 18, 32 }, [B4C_STORED_IQ4_XS] = { "iq4_xs", 136, 256 },
    [B4C_STORED_I4] = { "i4", 4, 8 },
    [B4C_STORED_OTHER] = { "other", 0, 1 },
};

const char *b4c_stored_type_name(b4c_stored_type type) { return types[type].name; }
size_t b4c_stored_width(b4c_stored_type type) { return types[type].width; }
int b4c_stored_block(b4c_stored_type type) { return types[type].block; }

bool b4c_shape_count(const int64_t *shape, int rank, uint64_t *count)
{
    const uint64_t most = (uint64_t)1 << 56;
    uint64_t product = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return false;
        if (shape[i] == 0)
            empty = true;
        else if ((uint64_t)shape[i] > most / product)
            return false;
        else
            product *= (uint64_t)shape[i];
    }
    *count = empty ? 0 : product;
    return true;
}

void b4c_stored_pack(b4c_stored *t)
{
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = step;
        step *= t->shape[i] ? t->shape[i] : 1;
    }
}

void b4c_stored_turn(b4c_stored *t)
{
    assert(t->rank == 2);
    const int64_t shape = t->shape[0], stride = t->stride[0];
    t->shape[0] = t->shape[1];
    t->stride[0] = t->stride[1];
    t->shape[1] = shape;
    t->stride[1] = stride;
}

int64_t b4c_stored_rows(const b4c_stored *t) { return t->rank < 2 ? 1 : t->shape[0]; }

int64_t b4c_stored_row(const b4c_stored *t)
{
    int64_t n = 1;
    for (int i = t->rank < 2 ? 0 : 1; i < t->rank; i++) n *= t->shape[i];
    return n;
}

const char *b4c_shape_text(char text[200], const int64_t *shape, int rank)
{
    int at = snprintf(text, 200, "[");
    for (int i = 0; i < rank; i++)
        at += snprintf(text + at, 200 - (size_t)at, "%s%lld", i ? ", " : "", (long long)shape[i]);
    snprintf(text + at, 200 - (size_t)at, "]");
    return text;
}

/* ---- failing -------------------------------------------------------------------------------- */

int b4c_fail_tensor(const b4c_store *s, int file, b4c_span name, b4c_error *err, int code,
                    const char *format, ...)
{
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return b4c_fail(err, code, "%s: tensor '%.*s': %s", s->file_name[file], B4C_SPAN_ARG(name),
                    text);
}

int b4c_fail_memory(const b4c_store *s, int file, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", s->file_name[file]);
}

/* ---- memory --------------------------------------------------------------------------------- */

static b4c_store_own *own_of(b4c_store *s)
{
    if (!s->own) s->own = calloc(1, sizeof *s->own);
    return s->own;
}

/* Its memory follows it. */
struct b4c_chunk {
    alignas(16) b4c_chunk *next;
    size_t size, used;
};

void *b4c_chunk_take(b4c_chunk **list, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    b4c_chunk *chunk = *list;
    if (!chunk || bytes > chunk->size - chunk->used) {
        const size_t size = bytes > CHUNK ? bytes : CHUNK;
        chunk = calloc(1, sizeof *chunk + size);
        if (!chunk) return NULL;
        chunk->size = size;
        /* a large block is full at once: the chunk that has room stays in front */
        b4c_chunk **front = *list && bytes > CHUNK / 2 ? &(*list)->next : list;
        chunk->next = *front;
        *front = chunk;
    }
    void *at = (char *)(chunk + 1) + chunk->used;
    chunk->used += bytes;
    return at;
}

void b4c_chunk_free(b4c_chunk **list)
{
    for (b4c_chunk *chunk = *list, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *list = NULL;
}

void *b4c_store_keep(b4c_store *s, size_t bytes)
{
    b4c_store_own *own = own_of(s);
    return own ? b4c_chunk_take(&own->chunk, bytes) : NULL;
}

int b4c_store_map(b4c_store *s, const char *path, b4c_error *err)
{
    b4c_file *file = realloc(s->file, ((size_t)s->n_files + 1) * sizeof *file);
    if (file) s->file = file;
    char **name = file ? realloc(s->file_name, ((size_t)s->n_files + 1) * sizeof *name) : NULL;
    if (name) s->file_name = name;
    char *copy = name ? strdup(path) : NULL;
    if (!copy) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to open it", path);
    int rc = b4c_file_map(&s->file[s->n_files], path, err);
    if (rc < 0) {
        free(copy);
        return rc;
    }
    s->file_name[s->n_files] = copy;
    return s->n_files++;
}

void b4c_store_close(b4c_store *s)
{
    if (s->own) {
        b4c_chunk_free(&s->own->chunk);
        free(s->own->checked);
        b4c_gguf_done(&s->own->gguf);
        free(s->own);
    }
    for (int i = 0; i < s->n_files; i++) {
        b4c_file_unmap(&s->file[i]);
        free(s->file_name[i]);
    }
    free(s->file);
    free(s->file_name);
    free(s->tensor);
    *s = (b4c_store){ 0 };
}

/* ---- the list ------------------------------------------------------------------------------- */

/* Names go into messages, reports and JSON. */
static bool is_printable(b4c_span name)
{
    for (size_t at = 0; at < name.size;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t n = utf8proc_iterate(name.data + at,
                                                    (utf8proc_ssize_t)(name.size - at), &c);
        if (n <= 0 || c < 0x20 || c == 0x7f) return false;
        at += (size_t)n;
    }
    return name.size > 0;
}

/* The last element's end within the tensor's bytes. */
static int check_range(const b4c_store *s, const b4c_stored *t, b4c_span name, b4c_error *err)
{
    char text[200];
    uint64_t count, last = 0;
    if (!b4c_shape_count(t->shape, t->rank, &count))
        return b4c_fail_tensor(s, t->file, name, err, B4C_E_FORMAT,
                               "shape %s is negative or beyond all memory",
                               b4c_shape_text(text, t->shape, t->rank));
    if (t->type == B4C_STORED_OTHER || count == 0) return 0;
    for (int i = 0; i < t->rank; i++) {
        uint64_t way;
        if (t->stride[i] < 0 ||
            __builtin_mul_overflow((uint64_t)t->shape[i] - 1, (uint64_t)t->stride[i], &way) ||
            __builtin_add_overflow(last, way, &last))
            return b4c_fail_tensor(s, t->file, name, err, B4C_E_FORMAT,
                                   "stride %lld of axis %d leads out of memory",
                                   (long long)t->stride[i], i);
    }
    if (last >= t->bytes / b4c_stored_width(t->type) * (uint64_t)b4c_stored_block(t->type))
        return b4c_fail_tensor(
            s, t->file, name, err, B4C_E_FORMAT,
            "shape %s of %s reaches element %llu, but it has %zu bytes; the file is cut or damaged",
            b4c_shape_text(text, t->shape, t->rank), b4c_stored_type_name(t->type),
            (unsigned long long)last, t->bytes);
    return 0;
}

/* A copy of a name that may stand in messages. */
static int keep_name(b4c_store *s, int file, b4c_span name, const char **out, b4c_error *err)
{
    if (!is_printable(name))
        return b4c_fail_tensor(s, file, name, err, B4C_E_FORMAT,
                               "the name is empty, not UTF-8 or has controls in it");
    char *copy = b4c_store_keep(s, name.size + 1); /* zeroed */
    if (!copy) return b4c_fail_memory(s, file, err);
    memcpy(copy, name.data, name.size);
    *out = copy;
    return 0;
}

int b4c_store_rename(b4c_store *s, int tensor, b4c_span name, b4c_error *err)
{
    return keep_name(s, s->tensor[tensor].file, name, &s->tensor[tensor].name, err);
}

int b4c_store_add(b4c_store *s, const b4c_stored *t, b4c_span name, b4c_error *err)
{
    const char *copy;
    assert(t->rank >= 0 && t->rank <= B4C_STORED_RANK && t->file >= 0 && t->file < s->n_files);
    B4C_TRY(keep_name(s, t->file, name, &copy, err));
    B4C_TRY(check_range(s, t, name, err));
    b4c_store_own *own = own_of(s);
    if (s->n == own->room) {
        const int room = own->room ? 2 * own->room : 64;
        b4c_stored *more = room > own->room ? realloc(s->tensor, (size_t)room * sizeof *more)
                                            : NULL;
        if (more) {
            s->tensor = more;
            own->room = room;
        }
    }
    if (s->n == own->room) return b4c_fail_memory(s, t->file, err);
    s->tensor[s->n] = *t;
    s->tensor[s->n++].name = copy;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const b4c_stored *)a)->name, ((const b4c_stored *)b)->name);
}

int b4c_store_sort(b4c_store *s, b4c_error *err)
{
    if (s->n) qsort(s->tensor, (size_t)s->n, sizeof *s->tensor, by_name);
    for (int i = 1; i < s->n; i++) {
        const b4c_stored *a = &s->tensor[i - 1], *b = &s->tensor[i];
        if (strcmp(a->name, b->name) == 0)
            return b4c_fail(err, B4C_E_FORMAT,
                            "%s: tensor '%s': found twice, also in %s; wanted one of each name",
                            s->file_name[b->file], b->name, s->file_name[a->file]);
    }
    return 0;
}

int b4c_store_finish(b4c_store *s, b4c_error *err)
{
    B4C_TRY(b4c_store_sort(s, err));
    b4c_store_own *own = own_of(s);
    if (own) own->checked = calloc((size_t)s->n + 1, sizeof *own->checked);
    if (!own || !own->checked)
        return b4c_fail(err, B4C_E_MEMORY, "no memory for a list of %d tensors", s->n);
    return 0;
}

int b4c_store_find(const b4c_store *s, const char *name)
{
    if (s->n == 0) return -1;
    const b4c_stored key = { .name = name },
                     *found = bsearch(&key, s->tensor, (size_t)s->n, sizeof key, by_name);
    return found ? (int)(found - s->tensor) : -1;
}

const b4c_gguf *b4c_store_gguf(const b4c_store *s)
{
    return s->own && s->own->gguf.where ? &s->own->gguf : NULL;
}

int b4c_store_unpair(b4c_store *s, int tensor, int head, b4c_error *err)
{
    b4c_stored *t = &s->tensor[tensor];
    char text[200];
    if (head < 2 || head % 2 || t->rank == 0 || t->shape[0] % head ||
        (t->rank == 1 && b4c_stored_block(t->type) > 1))
        return b4c_fail_tensor(s, t->file, b4c_span_of(t->name), err, B4C_E_SHAPE,
                               "is %s of %s, wanted heads of %d, an even number",
                               b4c_shape_text(text, t->shape, t->rank),
                               b4c_stored_type_name(t->type), head);
    t->paired = head;
    return 0;
}

void b4c_store_forget(const b4c_store *s, int tensor)
{
    const b4c_stored *t = &s->tensor[tensor];
    b4c_file_forget(&s->file[t->file], t->data,
                    t->bytes); /* does nothing to memory of the store's own */
}
