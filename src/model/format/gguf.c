/* gguf.c - llama.cpp's models: the tensors of a GGUF file, or of all its splits, as a store.
 *
 * Idea: base/gguf.c reads the container; this file knows ggml's types and how a model is split:
 * NAME-00001-of-0000N.gguf, where each part says of what it is a part, and the first has the
 * metadata. Whichever part is opened, the whole model is.
 * Invariant: no tensor's bytes reach into another's.
 * Source: github.com/ggml-org/ggml, include/ggml.h (types); llama.cpp, tools/gguf-split.
 */
#include "model/format/own.h"

#include <stdio.h>
#include <stdlib.h>

/* ggml's types by their numbers; those that are gone or never stand in files are left out. */
static const struct {
    const char *name;
    b4c_stored_type type;
} types[] = {
    [0] = { "F32", B4C_STORED_F32 },        [1] = { "F16", B4C_STORED_F16 },
    [2] = { "Q4_0", B4C_STORED_Q4_0 },      [3] = { "Q4_1", B4C_STORED_Q4_1 },
    [6] = { "Q5_0", B4C_STORED_Q5_0 },      [7] = { "Q5_1", B4C_STORED_Q5_1 },
    [8] = { "Q8_0", B4C_STORED_Q8_0 },      [9] = { "Q8_1", B4C_STORED_OTHER },
    [10] = { "Q2_K", B4C_STORED_Q2_K },     [11] = { "Q3_K", B4C_STORED_Q3_K },
    [12] = { "Q4_K", B4C_STORED_Q4_K },     [13] = { "Q5_K", B4C_STORED_Q5_K },
    [14] = { "Q6_K", B4C_STORED_Q6_K },     [15] = { "Q8_K", B4C_STORED_OTHER },
    [16] = { "IQ2_XXS", B4C_STORED_OTHER }, [17] = { "IQ2_XS", B4C_STORED_OTHER },
    [18] = { "IQ3_XXS", B4C_STORED_OTHER }, [19] = { "IQ1_S", B4C_STORED_OTHER },
    [20] = { "IQ4_NL", B4C_STORED_IQ4_NL }, [21] = { "IQ3_S", B4C_STORED_OTHER },
    [22] = { "IQ2_S", B4C_STORED_OTHER },   [23] = { "IQ4_XS", B4C_STORED_IQ4_XS },
    [24] = { "I8", B4C_STORED_I8 },         [25] = { "I16", B4C_STORED_I16 },
    [26] = { "I32", B4C_STORED_I32 },       [27] = { "I64", B4C_STORED_I64 },
    [28] = { "F64", B4C_STORED_F64 },       [29] = { "IQ1_M", B4C_STORED_OTHER },
    [30] = { "BF16", B4C_STORED_BF16 },     [34] = { "TQ1_0", B4C_STORED_OTHER },
    [35] = { "TQ2_0", B4C_STORED_OTHER },   [39] = { "MXFP4", B4C_STORED_OTHER },
};
#define TYPES (sizeof types / sizeof *types)

/* ---- tensors -------------------------------------------------------------------------------- */

/* Shape, type and bytes of one tensor; its data must lie in `data`. */
static int read_tensor(b4c_store *s, int file, b4c_span data, const b4c_gguf_tensor *from,
                       b4c_stored *t, b4c_error *err)
{
    uint64_t count;
    char text[200];
    *t = (b4c_stored){ .file = file, .type = B4C_STORED_OTHER, .rank = from->rank };
    for (int i = 0; i < t->rank; i++) {
        const uint64_t extent = from->extent[t->rank - 1 - i];
        t->shape[i] = extent > INT64_MAX ? -1 : (int64_t)extent;
    }
    if (from->type < TYPES && types[from->type].name) {
        t->type = types[from->type].type;
        t->foreign = types[from->type].name;
    }
    if (!b4c_shape_count(t->shape, t->rank, &count))
        return b4c_fail_tensor(s, file, from->name, err, B4C_E_FORMAT,
                               "shape %s is beyond all memory; the file is damaged",
                               b4c_shape_text(text, t->shape, t->rank));
    const int block = b4c_stored_block(t->type);
    if (block > 1 && (t->rank == 0 || t->shape[t->rank - 1] % block))
        return b4c_fail_tensor(s, file, from->name, err, B4C_E_FORMAT,
                               "shape %s of %s, wanted rows of whole blocks of %d; the file is "
                               "damaged",
                               b4c_shape_text(text, t->shape, t->rank),
                               b4c_stored_type_name(t->type), block);
    const uint64_t bytes = count / (uint64_t)block * b4c_stored_width(t->type);
    if (!b4c_range_in(from->offset, bytes, data.size))
        return b4c_fail_tensor(s, file, from->name, err, B4C_E_FORMAT,
                               "%llu bytes from byte %llu on, of %zu in the file; it is cut or "
                               "damaged",
                               (unsigned long long)bytes, (unsigned long long)from->offset,
                               data.size);
    t->data = data.data + from->offset;
    t->bytes = (size_t)bytes;
    b4c_stored_pack(t);
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const b4c_stored *const *x = a, *const *y = b;
    if ((*x)->data != (*y)->data) return (*x)->data < (*y)->data ? -1 : 1;
    return ((*x)->bytes > (*y)->bytes) - ((*x)->bytes < (*y)->bytes); /* empty tensors first */
}

/* The store's tensors from index `from` on share no bytes. */
static int check_overlaps(const b4c_store *s, int file, int from, b4c_error *err)
{
    const size_t n = (size_t)(s->n - from);
    const b4c_stored **order = malloc((n + 1) * sizeof *order);
    if (!order) return b4c_fail_memory(s, file, err);
    for (size_t i = 0; i < n; i++) order[i] = &s->tensor[from + (int)i];
    if (n) qsort(order, n, sizeof *order, by_place);
    int rc = 0;
    for (size_t i = 1; rc == 0 && i < n; i++)
        if (order[i]->data < order[i - 1]->data + order[i - 1]->bytes)
            rc = b4c_fail_tensor(s, file, b4c_span_of(order[i]->name), err, B4C_E_FORMAT,
                                 "shares bytes with '%.200s'; the file is damaged",
                                 order[i - 1]->name);
    free(order);
    return rc;
}

static int read_tensors(b4c_store *s, int file, const b4c_gguf *g, b4c_error *err)
{
    const b4c_span bytes = b4c_store_bytes(s, file),
                   data = { bytes.data + g->data, bytes.size - g->data };
    const int from = s->n;
    b4c_stored t;
    if (g->n_tensors > INT32_MAX / 2 - (size_t)from)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "%s: holds %zu tensors, too many to list",
                        s->file_name[file], g->n_tensors);
    for (size_t i = 0; i < g->n_tensors; i++) {
        B4C_TRY(read_tensor(s, file, data, &g->tensor[i], &t, err));
        B4C_TRY(b4c_store_add(s, &t, g->tensor[i].name, err));
    }
    return check_overlaps(s, file, from, err);
}

/* ---- splits --------------------------------------------------------------------------------- */

typedef struct split {
    int64_t number, count, tensors; /* this part, all parts, tensors of all; 0, 1, -1: whole */
} split;

static int read_split(const b4c_gguf *g, split *part, b4c_error *err)
{
    *part = (split){ 0, 1, -1 };
    B4C_TRY(b4c_gguf_int(g, "split.count", 1, 99999, &part->count, err));
    B4C_TRY(b4c_gguf_int(g, "split.no", 0, part->count - 1, &part->number, err));
    B4C_TRY(b4c_gguf_int(g, "split.tensors.count", 0, INT32_MAX, &part->tensors, err));
    return 0;
}

/* Bytes of the name before "-NNNNN-of-NNNNN.gguf" with these numbers; -1: it does not end so. */
static int stem_length(const char *path, const split *part)
{
    char end[64];
    const int n = snprintf(end, sizeof end, "-%05lld-of-%05lld.gguf", (long long)part->number + 1,
                           (long long)part->count);
    const size_t length = strlen(path);
    return length > (size_t)n && strcmp(path + length - (size_t)n, end) == 0
             ? (int)(length - (size_t)n)
             : -1;
}

/* Open the part's container and see that it is part `number` of the same model. */
static int open_part(b4c_store *s, int file, const split *whole, int64_t number, b4c_gguf *g,
                     b4c_error *err)
{
    split part;
    int rc = b4c_gguf_is(b4c_store_bytes(s, file))
               ? b4c_gguf_open(g, b4c_store_bytes(s, file), s->file_name[file], err)
               : b4c_fail(err, B4C_E_FORMAT, "%s: is no GGUF file, wanted part %lld of a model",
                          s->file_name[file], (long long)number + 1);
    if (rc == 0) rc = read_split(g, &part, err);
    if (rc == 0 && (part.number != number || part.count != whole->count))
        rc = b4c_fail(err, B4C_E_FORMAT,
                      "%s: says it is part %lld of %lld, its name says %lld of %lld; the files "
                      "are not of one model",
                      s->file_name[file], (long long)part.number + 1, (long long)part.count,
                      (long long)number + 1, (long long)whole->count);
    if (rc < 0) b4c_gguf_done(g);
    return rc;
}

/* All parts but the one that is open as `file`, whose container is g. The first part's metadata
 * become the store's. */
static int read_parts(b4c_store *s, int file, const split *whole, char *path, int stem, b4c_gguf *g,
                      b4c_error *err)
{
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < whole->count; i++) {
        b4c_gguf other = { 0 }, *part = i == whole->number ? g : &other;
        int at = file;
        if (part != g) {
            snprintf(path + stem, 64, "-%05lld-of-%05lld.gguf", (long long)i + 1,
                     (long long)whole->count);
            at = b4c_file_exists(path)
                   ? b4c_store_map(s, path, err)
                   : b4c_fail(err, B4C_E_MISSING,
                              "%s: part '%s' of its %lld is not there; fetch it into the same "
                              "folder",
                              s->file_name[file], b4c_path_name(path), (long long)whole->count);
            rc = at < 0 ? at : open_part(s, at, whole, i, &other, err);
        }
        if (rc == 0) rc = read_tensors(s, at, part, err);
        if (rc == 0 && i == 0) {
            s->own->gguf = *part;
            *part = (b4c_gguf){ 0 };
        }
        b4c_gguf_done(&other);
    }
    return rc;
}

static int read_whole(b4c_store *s, int file, const split *whole, b4c_gguf *g, b4c_error *err)
{
    const char *name = s->file_name[file];
    const int stem = whole->count > 1 ? stem_length(name, whole) : 0, from = s->n;
    if (stem < 0)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: is part %lld of %lld of a model; its name must end in "
                        "-%05lld-of-%05lld.gguf, so that the others can be found",
                        name, (long long)whole->number + 1, (long long)whole->count,
                        (long long)whole->number + 1, (long long)whole->count);
    char *path = malloc((size_t)stem + 64);
    if (!path) return b4c_fail_memory(s, file, err);
    memcpy(path, name, (size_t)stem);
    const int rc = read_parts(s, file, whole, path, stem, g, err);
    free(path);
    if (rc == 0 && whole->tensors >= 0 && s->n - from != whole->tensors)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: states %lld tensors in all parts, they hold %d; the files are not of "
                        "one model",
                        s->file_name[file], (long long)whole->tensors, s->n - from);
    return rc;
}

int b4c_gguf_read(b4c_store *s, int file, b4c_error *err)
{
    b4c_gguf g;
    split whole;
    if (b4c_store_gguf(s) || s->n)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: GGUF files are joined by their names, not by an index of shards",
                        s->file_name[file]);
    if (!b4c_store_keep(s, 1)) return b4c_fail_memory(s, file, err); /* own is there from here */
    B4C_TRY(b4c_gguf_open(&g, b4c_store_bytes(s, file), s->file_name[file], err));
    int rc = read_split(&g, &whole, err);
    if (rc == 0) rc = read_whole(s, file, &whole, &g, err);
    b4c_gguf_done(&g);
    return rc;
}
