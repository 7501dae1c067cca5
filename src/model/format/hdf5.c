/* hdf5.c - objects, groups, datasets and attributes of an HDF5 file.
 *
 * Idea: every structure is reached by an address, and `at` alone turns addresses into pointers,
 * after it has seen that the bytes are there. Structures may lead in circles: each step is taken
 * from a stock that a sound file does not come near to using up, and B-trees must descend.
 *
 *     object header ── messages: dataspace, datatype, layout, attributes, ...
 *           └── symbol table message ── B-tree ── ... ── symbol nodes: (name, object header)
 *                        └── local heap: the names
 *
 * Source: "HDF5 File Format Specification Version 2.0", sections II.A (superblock 0), III.A to
 * III.E, IV.A.
 */
#include "model/format/hdf5.h"

#include "model/format/reader.h"
#include <stdlib.h>

#define UNDEFINED UINT64_MAX
#define MAGIC     "\x89HDF\r\n\x1a\n"

/* Types of messages. */
enum {
    SPACE = 1,
    TYPE = 3,
    LAYOUT = 8,
    FILTERS = 11,
    ATTRIBUTE = 12,
    CONTINUED = 16,
    SYMBOLS = 17
};
/* Classes of datatypes. */
enum { INTEGER = 0, REAL = 1, STRING = 3, VARYING = 9 };

static int damaged(const b4c_hdf5 *h, b4c_error *err, const char *what)
{
    return b4c_fail(err, B4C_E_FORMAT, "%s: %s; the file is cut or damaged", h->where, what);
}

/* `size` bytes at an address; NULL: not in the file. */
static const unsigned char *at(const b4c_hdf5 *h, uint64_t address, uint64_t size)
{
    return b4c_range_in(address, size, h->file.size) ? h->file.data + address : NULL;
}

/* The same of a structure that begins with a mark. */
static const unsigned char *marked(const b4c_hdf5 *h, uint64_t address, uint64_t size,
                                   const char *mark)
{
    const unsigned char *p = at(h, address, size);
    return p && memcmp(p, mark, 4) == 0 ? p : NULL;
}

int b4c_hdf5_spend(b4c_hdf5 *h, uint64_t steps, b4c_error *err)
{
    if (steps > h->left) return damaged(h, err, "its structures lead in circles");
    h->left -= steps;
    return 0;
}

/* ---- the superblock ------------------------------------------------------------------------- */

bool b4c_hdf5_is(b4c_span file) { return b4c_span_starts(file, MAGIC); }

int b4c_hdf5_open(b4c_hdf5 *h, b4c_span file, const char *where, b4c_error *err)
{
    *h = (b4c_hdf5){ .file = file, .where = where };
    const unsigned char *p = at(h, 0, 96);
    if (!p) return damaged(h, err, "has no whole HDF5 header");
    if (p[8] > 1)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: is HDF5 with a superblock of version %d, 0 and 1 are read, as Keras "
                        "writes them; save the weights without libver='latest'",
                        where, p[8]);
    if (p[13] != 8 || p[14] != 8)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: is HDF5 with addresses of %d and lengths of %d bytes, wanted 8", where,
                        p[13], p[14]);
    if (p[8] == 1) p += 4; /* version 1 has one number more */
    if (b4c_u64(p + 24) != 0 || b4c_u64(p + 40) > file.size)
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: says it has %llu bytes, there are %zu; it is cut or damaged", where,
                        (unsigned long long)b4c_u64(p + 40), file.size);
    h->root = b4c_u64(p + 64);
    h->left = 64 * (uint64_t)file.size + 1000000;
    return 0;
}

/* ---- object headers ------------------------------------------------------------------------- */

typedef struct message {
    int type;
    bool shared; /* its body is a reference */
    b4c_span body;
} message;

#define BLOCKS 32

/* Where a walk over an object's messages is. */
typedef struct walk {
    b4c_hdf5 *h;
    b4c_error *err;
    int left;      /* messages */
    b4c_span rest; /* of the block */
    int n_more;    /* blocks that were announced and not yet read */
    b4c_span more[BLOCKS];
} walk;

static int walk_begin(walk *w, b4c_hdf5 *h, uint64_t object, b4c_error *err)
{
    const unsigned char *p = at(h, object, 16);
    *w = (walk){ .h = h, .err = err };
    if (!p) return damaged(h, err, "an object lies beyond its end");
    if (p[0] != 1)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: an object's header is of version %d, 1 is read, as Keras writes it",
                        h->where, p[0]);
    w->left = b4c_u16(p + 2);
    const uint32_t size = b4c_u32(p + 8);
    if (!at(h, object + 16, size)) return damaged(h, err, "an object's header is cut off");
    w->rest = (b4c_span){ p + 16, size };
    return 0;
}

/* A message that names a further block of the header. */
static int walk_on(walk *w, b4c_span body)
{
    const unsigned char *p = body.data;
    const uint64_t size = body.size < 16 ? 0 : b4c_u64(p + 8);
    p = body.size < 16 ? NULL : at(w->h, b4c_u64(p), size);
    if (!p || w->n_more == BLOCKS)
        return damaged(w->h, w->err, "an object's header goes on beyond its end");
    w->more[w->n_more++] = (b4c_span){ p, (size_t)size };
    return 1;
}

/* 1: *m is the next message; 0: there are no more. */
static int walk_next(walk *w, message *m)
{
    B4C_TRY(b4c_hdf5_spend(w->h, 8, w->err));
    while (w->rest.size < 8) {
        if (w->left == 0 || w->n_more == 0) return 0;
        w->rest = w->more[--w->n_more];
    }
    if (w->left == 0) return 0;
    const unsigned char *p = w->rest.data;
    const uint64_t size = b4c_u16(p + 2);
    if (size > w->rest.size - 8) return damaged(w->h, w->err, "an object's message is cut off");
    *m = (message){ b4c_u16(p), p[4] & 2, { p + 8, (size_t)size } };
    w->rest = (b4c_span){ p + 8 + size, w->rest.size - 8 - (size_t)size };
    w->left--;
    return m->type == CONTINUED ? walk_on(w, m->body) : 1;
}

/* ---- groups --------------------------------------------------------------------------------- */

/* The NUL-ended name at an offset of a local heap's data. */
static bool heap_name(const b4c_span heap, uint64_t offset, b4c_span *name)
{
    if (offset >= heap.size) return false;
    const unsigned char *p = heap.data + offset, *end = memchr(p, 0, heap.size - (size_t)offset);
    if (!end) return false;
    *name = (b4c_span){ p, (size_t)(end - p) };
    return true;
}

static int find_in_node(b4c_hdf5 *h, uint64_t address, b4c_span heap, b4c_span name,
                        uint64_t *object, b4c_error *err)
{
    const unsigned char *p = marked(h, address, 8, "SNOD");
    const int n = p ? b4c_u16(p + 6) : 0;
    if (!p || !at(h, address, 8 + 40 * (uint64_t)n))
        return damaged(h, err, "a group's list of members is broken");
    B4C_TRY(b4c_hdf5_spend(h, 8 + 40 * (uint64_t)n, err));
    for (int i = 0; i < n; i++) {
        b4c_span found;
        const unsigned char *entry = p + 8 + 40 * i;
        if (!heap_name(heap, b4c_u64(entry), &found))
            return damaged(h, err, "a group's member has no name");
        B4C_TRY(b4c_hdf5_spend(h, found.size, err));
        if (b4c_span_compare(found, name) != 0) continue;
        *object = b4c_u64(entry + 8);
        return 1;
    }
    return 0;
}

/* level: what the node must say, or -1 at the top. */
static int find_in_tree(b4c_hdf5 *h, uint64_t address, int level, b4c_span heap, b4c_span name,
                        uint64_t *object, b4c_error *err)
{
    const unsigned char *p = marked(h, address, 24, "TREE");
    const int n = p ? b4c_u16(p + 6) : 0;
    if (!p || p[4] != 0 || (level >= 0 && p[5] != level) || !at(h, address, 32 + 16 * (uint64_t)n))
        return damaged(h, err, "a group's tree is broken");
    B4C_TRY(b4c_hdf5_spend(h, 32 + 16 * (uint64_t)n, err));
    for (int i = 0; i < n; i++) {
        const uint64_t child = b4c_u64(p + 32 + 16 * i);
        const int found = p[5] ? find_in_tree(h, child, p[5] - 1, heap, name, object, err)
                               : find_in_node(h, child, heap, name, object, err);
        if (found) return found;
    }
    return 0;
}

int b4c_hdf5_find(b4c_hdf5 *h, uint64_t group, b4c_span name, uint64_t *object, b4c_error *err)
{
    walk w;
    message m;
    int rc;
    B4C_TRY(walk_begin(&w, h, group, err));
    while ((rc = walk_next(&w, &m)) > 0) {
        if (m.type != SYMBOLS || m.shared || m.body.size < 16) continue;
        const unsigned char *p = marked(h, b4c_u64(m.body.data + 8), 32, "HEAP");
        const uint64_t size = p ? b4c_u64(p + 8) : 0;
        const unsigned char *names = p ? at(h, b4c_u64(p + 24), size) : NULL;
        if (!names) return damaged(h, err, "a group's names are cut off");
        return find_in_tree(h, b4c_u64(m.body.data), -1, (b4c_span){ names, (size_t)size }, name,
                            object, err);
    }
    return rc;
}

/* ---- datatypes and dataspaces --------------------------------------------------------------- */

typedef struct datatype {
    int class, sub; /* sub: of VARYING, 1 is a string */
    bool big;
    uint64_t size;
    b4c_stored_type number; /* or OTHER */
} datatype;

/* IEEE's formats and bfloat16: sizes of exponent and mantissa, and the bias. */
static const struct real {
    b4c_stored_type type;
    unsigned size, exponent, mantissa, bias;
} reals[] = {
    { B4C_STORED_F32, 4, 8, 23, 127 },
    { B4C_STORED_F64, 8, 11, 52, 1023 },
    { B4C_STORED_F16, 2, 5, 10, 15 },
    { B4C_STORED_BF16, 2, 8, 7, 127 },
};

static b4c_stored_type real_type(b4c_span body, uint64_t size)
{
    const unsigned char *p = body.data;
    if (body.size < 20) return B4C_STORED_OTHER;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const struct real *r = &reals[i];
        if (size == r->size && b4c_u16(p + 8) == 0 && b4c_u16(p + 10) == 8 * r->size &&
            p[12] == r->mantissa && p[13] == r->exponent && p[14] == 0 && p[15] == r->mantissa &&
            b4c_u32(p + 16) == r->bias && p[2] == 8 * r->size - 1)
            return r->type;
    }
    return B4C_STORED_OTHER;
}

static b4c_stored_type integer_type(b4c_span body, uint64_t size)
{
    static const b4c_stored_type with_sign[] = {
        [1] = B4C_STORED_I8, [2] = B4C_STORED_I16, [4] = B4C_STORED_I32, [8] = B4C_STORED_I64
    };
    if (body.size < 12 || b4c_u16(body.data + 8) != 0 || b4c_u16(body.data + 10) != 8 * size)
        return B4C_STORED_OTHER;
    if (body.data[1] & 8)
        return size <= 8 && (size & (size - 1)) == 0 && size ? with_sign[size] : B4C_STORED_OTHER;
    return size == 1 ? B4C_STORED_U8 : B4C_STORED_OTHER;
}

static bool read_type(b4c_span body, datatype *t)
{
    if (body.size < 8) return false;
    *t = (datatype){ .class = body.data[0] & 15,
                     .sub = body.data[1] & 15,
                     .size = b4c_u32(body.data + 4),
                     .number = B4C_STORED_OTHER };
    if (t->class == INTEGER || t->class == REAL) t->big = body.data[1] & 1;
    if (t->class == INTEGER) t->number = integer_type(body, t->size);
    if (t->class == REAL) t->number = real_type(body, t->size);
    return true;
}

/* False: malformed, or more axes than are read. */
static bool read_space(b4c_span body, int *rank, int64_t shape[B4C_STORED_RANK], uint64_t *count)
{
    if (body.size < 4) return false;
    const int version = body.data[0];
    const size_t begin = version == 1 ? 8 : 4;
    *rank = body.data[1];
    if ((version != 1 && version != 2) || *rank > B4C_STORED_RANK ||
        body.size < begin + 8 * (size_t)*rank)
        return false;
    for (int i = 0; i < *rank; i++) {
        const uint64_t axis = b4c_u64(body.data + begin + 8 * (size_t)i);
        shape[i] = axis > INT64_MAX ? -1 : (int64_t)axis;
    }
    if (!b4c_shape_count(shape, *rank, count)) return false;
    if (version == 2 && body.data[3] == 2) *count = 0; /* a null space */
    return true;
}

/* ---- attributes ----------------------------------------------------------------------------- */

typedef struct attribute {
    b4c_span name, type, space, data;
} attribute;

/* A part of `size` bytes off the front, in version 1 padded to eight. */
static bool part(b4c_span *rest, uint64_t size, bool padded, b4c_span *out)
{
    const uint64_t whole = padded ? (size + 7) / 8 * 8 : size;
    if (whole > rest->size) return false;
    *out = (b4c_span){ rest->data, (size_t)size };
    rest->data += whole;
    rest->size -= (size_t)whole;
    return true;
}

static bool read_attribute(b4c_span body, attribute *a)
{
    if (body.size < 9) return false;
    const unsigned char *p = body.data;
    const int version = p[0];
    const size_t head = version == 3 ? 9 : 8; /* it has the names' encoding */
    b4c_span rest = { p + head, body.size - head };
    if (version < 1 || version > 3 || !part(&rest, b4c_u16(p + 2), version == 1, &a->name) ||
        !part(&rest, b4c_u16(p + 4), version == 1, &a->type) ||
        !part(&rest, b4c_u16(p + 6), version == 1, &a->space))
        return false;
    a->data = rest;
    if (a->name.size && a->name.data[a->name.size - 1] == 0) a->name.size--;
    return true;
}

/* Object `index` of a collection of the global heap. */
static int heap_object(b4c_hdf5 *h, uint64_t address, uint32_t index, b4c_span *object,
                       b4c_error *err)
{
    const unsigned char *p = marked(h, address, 16, "GCOL");
    const uint64_t whole = p ? b4c_u64(p + 8) : 0;
    if (!p || whole < 16 || !at(h, address, whole))
        return damaged(h, err, "a heap of strings is cut off");
    b4c_span rest = { p + 16, (size_t)whole - 16 };
    while (rest.size >= 16) {
        const uint32_t found = b4c_u16(rest.data);
        const uint64_t size = b4c_u64(rest.data + 8);
        B4C_TRY(b4c_hdf5_spend(h, 16, err));
        if (found == 0) break; /* the free space at its end */
        rest = (b4c_span){ rest.data + 16, rest.size - 16 };
        if (size > rest.size) return damaged(h, err, "a string in a heap is cut off");
        if (found == index) {
            *object = (b4c_span){ rest.data, (size_t)size };
            return 0;
        }
        const size_t step = size > rest.size - 7 ? rest.size : (size_t)(size + 7) / 8 * 8;
        rest = (b4c_span){ rest.data + step, rest.size - step };
    }
    return damaged(h, err, "a string is not in its heap");
}

static int add_text(const b4c_hdf5 *h, b4c_texts *list, b4c_span text, b4c_error *err)
{
    if (list->n == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        b4c_span *more = realloc(list->text, room * sizeof *more);
        if (!more) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", h->where);
        list->text = more;
        list->room = room;
    }
    const unsigned char *end = text.size ? memchr(text.data, 0, text.size) : NULL;
    if (end) text.size = (size_t)(end - text.data);
    list->text[list->n++] = text;
    return 0;
}

static int add_texts(b4c_hdf5 *h, const attribute *a, b4c_texts *list, b4c_error *err)
{
    datatype t;
    int rank;
    int64_t shape[B4C_STORED_RANK];
    uint64_t count;
    if (!read_type(a->type, &t) || !read_space(a->space, &rank, shape, &count))
        return damaged(h, err, "an attribute is malformed");
    if (count == 0) return 0; /* h5py gives empty lists the type of numbers */
    const bool varying = t.class == VARYING && t.sub == 1 && t.size == 16;
    if (!varying && (t.class != STRING || t.size == 0))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: attribute '%.*s' is not a list of strings; is it Keras' file?",
                        h->where, B4C_SPAN_ARG(a->name));
    if (count > a->data.size / t.size) return damaged(h, err, "an attribute is cut off");
    for (uint64_t i = 0; i < count; i++) {
        b4c_span text = { a->data.data + i * t.size, (size_t)t.size };
        if (varying) {
            const unsigned char *p = text.data;
            const uint32_t size = b4c_u32(p);
            text.size = 0;
            if (size) B4C_TRY(heap_object(h, b4c_u64(p + 4), b4c_u32(p + 12), &text, err));
            if (size > text.size) return damaged(h, err, "a string is cut off");
            text.size = size;
        }
        B4C_TRY(b4c_hdf5_spend(h, text.size, err));
        B4C_TRY(add_text(h, list, text, err));
    }
    return 0;
}

int b4c_hdf5_texts(b4c_hdf5 *h, uint64_t object, const char *name, b4c_texts *list, b4c_error *err)
{
    walk w;
    message m;
    attribute a;
    int rc;
    B4C_TRY(walk_begin(&w, h, object, err));
    while ((rc = walk_next(&w, &m)) > 0) {
        if (m.type != ATTRIBUTE || m.shared) continue;
        if (!read_attribute(m.body, &a)) return damaged(h, err, "an attribute is malformed");
        if (!b4c_span_is(a.name, name)) continue;
        rc = add_texts(h, &a, list, err);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

/* ---- datasets ------------------------------------------------------------------------------- */

static int fail_dataset(const b4c_hdf5 *h, b4c_span name, b4c_error *err, int code,
                        const char *what)
{
    return b4c_fail(err, code, "%s: dataset '%.*s' %s", h->where, B4C_SPAN_ARG(name), what);
}

/* The bytes that a layout message says. */
static int read_layout(const b4c_hdf5 *h, b4c_span body, b4c_span name, b4c_stored *t,
                       b4c_error *err)
{
    const unsigned char *p = body.data;
    if (body.size < 4 || p[0] != 3)
        return fail_dataset(h, name, err, B4C_E_UNSUPPORTED,
                            "has a layout that is not of version 3, as Keras writes it");
    if (p[1] == 1 && body.size >= 18) { /* one piece elsewhere */
        const uint64_t address = b4c_u64(p + 2), size = b4c_u64(p + 10);
        if (address == UNDEFINED) return 0; /* nothing was written */
        t->data = at(h, address, size);
        t->bytes = (size_t)size;
        return t->data ? 0
                       : fail_dataset(h, name, err, B4C_E_FORMAT,
                                      "lies beyond the file's end; it is cut or damaged");
    }
    if (p[1] == 0 && b4c_u16(p + 2) <= body.size - 4) { /* in the header */
        t->data = p + 4;
        t->bytes = b4c_u16(p + 2);
        return 0;
    }
    return fail_dataset(h, name, err, B4C_E_UNSUPPORTED,
                        "is in chunks; save the weights without compression");
}

static int read_message(const b4c_hdf5 *h, const message *m, b4c_span name, datatype *type,
                        b4c_stored *t, uint64_t *count, b4c_error *err)
{
    if (m->type == FILTERS)
        return fail_dataset(h, name, err, B4C_E_UNSUPPORTED,
                            "is compressed; save the weights without compression");
    if (m->type != SPACE && m->type != TYPE && m->type != LAYOUT) return 0;
    if (m->shared)
        return fail_dataset(h, name, err, B4C_E_UNSUPPORTED, "shares a part of its header");
    if (m->type == TYPE && !read_type(m->body, type))
        return fail_dataset(h, name, err, B4C_E_FORMAT, "has a malformed type");
    if (m->type == SPACE && !read_space(m->body, &t->rank, t->shape, count))
        return fail_dataset(h, name, err, B4C_E_FORMAT, "has a malformed shape, or too many axes");
    return m->type == LAYOUT ? read_layout(h, m->body, name, t, err) : 0;
}

int b4c_hdf5_dataset(b4c_hdf5 *h, uint64_t object, b4c_span name, b4c_stored *t, b4c_error *err)
{
    walk w;
    message m;
    datatype type;
    uint64_t count = 0;
    unsigned seen = 0;
    int rc;
    *t = (b4c_stored){ .type = B4C_STORED_OTHER };
    B4C_TRY(walk_begin(&w, h, object, err));
    while ((rc = walk_next(&w, &m)) > 0) {
        B4C_TRY(read_message(h, &m, name, &type, t, &count, err));
        if (m.type < 16) seen |= 1u << m.type;
    }
    B4C_TRY(rc);
    if (!(seen & 1u << SPACE) || !(seen & 1u << TYPE) || !(seen & 1u << LAYOUT))
        return fail_dataset(h, name, err, B4C_E_FORMAT, "is none: it lacks a shape, type or data");
    if (type.big)
        return fail_dataset(h, name, err, B4C_E_UNSUPPORTED,
                            "has big-endian numbers, wanted little-endian ones");
    t->type = type.number;
    if (t->type != B4C_STORED_OTHER && count && !t->data)
        return fail_dataset(h, name, err, B4C_E_FORMAT, "was never written");
    if (!t->data) t->data = h->file.data;
    b4c_stored_pack(t);
    return 0;
}
