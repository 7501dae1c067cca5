/* hdf5_maker.c - see hdf5_maker.h. Written from the format's description, without a line of the
 * reader. */
#include "hdf5_maker.h"

#include "format_maker.h"
#include "support/test.h"

static void pad(b4c_buffer *b)
{
    while (b->size % 8) put_number(b, 0, 1);
}

static void set_number(b4c_buffer *b, uint64_t at, uint64_t x)
{
    for (int i = 0; i < 8; i++) b->data[at + (uint64_t)i] = (char)(x >> 8 * i);
}

void h5_begin(b4c_buffer *b)
{
    b4c_buffer_add(b, "\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", 16);
    put_number(b, 4, 2);
    put_number(b, 16, 2);
    put_number(b, 0, 4);
    put_number(b, 0, 8); /* base */
    put_number(b, UINT64_MAX, 8);
    put_number(b, 0, 8); /* end of the file, at 40 */
    put_number(b, UINT64_MAX, 8);
    put_number(b, 0, 8);
    put_number(b, 0, 8); /* root, at 64 */
    put_number(b, 0, 24);
}

void h5_end(b4c_buffer *b, uint64_t root)
{
    pad(b);
    set_number(b, 40, b->size);
    set_number(b, 64, root);
}

void h5_message(h5_messages *m, int type, const void *body, size_t n)
{
    put_number(&m->bytes, (uint64_t)type, 2);
    put_number(&m->bytes, (n + 7) / 8 * 8, 2);
    put_number(&m->bytes, 0, 4);
    b4c_buffer_add(&m->bytes, body, n);
    pad(&m->bytes);
    m->n++;
}

/* Where the last of the messages begins. */
static size_t last_message(const b4c_buffer *b)
{
    size_t at = 0, last = 0;
    while (at < b->size) {
        last = at;
        at += 8 + (size_t)((unsigned char)b->data[at + 2] | (unsigned char)b->data[at + 3] << 8);
    }
    return last;
}

uint64_t h5_object(b4c_buffer *b, h5_messages *m, bool split)
{
    size_t here = m->bytes.size, rest = 0;
    pad(b);
    const uint64_t address = b->size;
    if (split) {
        here = last_message(&m->bytes);
        rest = m->bytes.size - here;
    }
    put_number(b, 1, 2);
    put_number(b, (uint64_t)m->n + split, 2);
    put_number(b, 1, 4);
    put_number(b, here + (split ? 24 : 0), 4);
    put_number(b, 0, 4);
    b4c_buffer_add(b, m->bytes.data, here);
    if (split) {
        put_number(b, 16, 2);
        put_number(b, 16, 2);
        put_number(b, 0, 4);
        put_number(b, b->size + 16, 8);
        put_number(b, rest, 8);
        b4c_buffer_add(b, m->bytes.data + here, rest);
    }
    b4c_buffer_done(&m->bytes);
    *m = (h5_messages){ 0 };
    return address;
}

static void put_space(b4c_buffer *b, const int64_t *shape, int rank)
{
    put_number(b, 1 | (uint64_t)rank << 8, 8);
    for (int i = 0; i < rank; i++) put_number(b, (uint64_t)shape[i], 8);
}

static void put_f32(b4c_buffer *b)
{
    put_number(b, 0x001f2011, 4); /* version 1, real, implied top bit, sign at 31 */
    put_number(b, 4, 4);
    put_number(b, 32 << 16, 4);
    put_number(b, 0x17000817, 4);
    put_number(b, 127, 4);
}

static void attribute(h5_messages *m, const char *name, const b4c_buffer *type,
                      const b4c_buffer *space, const b4c_buffer *data)
{
    b4c_buffer b = { 0 };
    put_number(&b, 1, 2);
    put_number(&b, strlen(name) + 1, 2);
    put_number(&b, type->size, 2);
    put_number(&b, space->size, 2);
    b4c_buffer_add(&b, name, strlen(name) + 1);
    pad(&b);
    b4c_buffer_add(&b, type->data, type->size);
    pad(&b);
    b4c_buffer_add(&b, space->data, space->size);
    pad(&b);
    if (data->size) b4c_buffer_add(&b, data->data, data->size);
    h5_message(m, 12, b.data, b.size);
    b4c_buffer_done(&b);
}

/* A heap of these strings; they are its objects 1, 2, ... */
static uint64_t put_heap(b4c_buffer *b, const char *const *texts, int n)
{
    pad(b);
    const uint64_t address = b->size;
    b4c_buffer_text(b, "GCOL");
    put_number(b, 1, 4);
    put_number(b, 0, 8);
    for (int i = 0; i < n; i++) {
        put_number(b, (uint64_t)i + 1, 2);
        put_number(b, 1, 6);
        put_number(b, strlen(texts[i]), 8);
        b4c_buffer_text(b, texts[i]);
        pad(b);
    }
    put_number(b, 0, 16); /* free space */
    set_number(b, address + 8, b->size - address);
    return address;
}

void h5_texts(b4c_buffer *b, h5_messages *m, const char *name, const char *const *texts, int n,
              bool fixed)
{
    b4c_buffer type = { 0 }, space = { 0 }, data = { 0 };
    const int64_t shape[] = { n };
    put_space(&space, shape, 1);
    if (n == 0) {
        put_f32(&type);
    } else if (fixed) {
        size_t width = 1;
        for (int i = 0; i < n; i++) width = strlen(texts[i]) > width ? strlen(texts[i]) : width;
        put_number(&type, 0x13, 4);
        put_number(&type, width, 4);
        for (int i = 0; i < n; i++) {
            b4c_buffer_text(&data, texts[i]);
            put_number(&data, 0, (int)(width - strlen(texts[i])));
        }
    } else {
        const uint64_t heap = put_heap(b, texts, n);
        put_number(&type, 0x0119, 4);
        put_number(&type, 16, 4);
        put_number(&type, 0x10, 4); /* of bytes */
        put_number(&type, 1, 4);
        for (int i = 0; i < n; i++) {
            put_number(&data, strlen(texts[i]), 4);
            put_number(&data, heap, 8);
            put_number(&data, (uint64_t)i + 1, 4);
        }
    }
    attribute(m, name, &type, &space, &data);
    b4c_buffer_done(&type);
    b4c_buffer_done(&space);
    b4c_buffer_done(&data);
}

void h5_members(b4c_buffer *b, h5_messages *m, const char *const *names, const uint64_t *objects,
                int n)
{
    b4c_buffer heap = { 0 }, body = { 0 };
    uint64_t *offset = calloc((size_t)n + 1, sizeof *offset);
    put_number(&heap, 0, 8);
    for (int i = 0; i < n; i++) {
        offset[i] = heap.size;
        b4c_buffer_add(&heap, names[i], strlen(names[i]) + 1);
        pad(&heap);
    }
    pad(b);
    const uint64_t at_heap = b->size;
    b4c_buffer_text(b, "HEAP");
    put_number(b, 0, 4);
    put_number(b, heap.size, 8);
    put_number(b, UINT64_MAX, 8);
    put_number(b, at_heap + 32, 8);
    b4c_buffer_add(b, heap.data, heap.size);
    const uint64_t at_list = b->size;
    b4c_buffer_text(b, "SNOD");
    put_number(b, 1, 2);
    put_number(b, (uint64_t)n, 2);
    for (int i = 0; i < n; i++) {
        put_number(b, offset[i], 8);
        put_number(b, objects[i], 8);
        put_number(b, 0, 24);
    }
    const uint64_t at_tree = b->size;
    b4c_buffer_text(b, "TREE");
    put_number(b, 1 << 16, 4); /* of groups, level 0, one child */
    put_number(b, UINT64_MAX, 8);
    put_number(b, UINT64_MAX, 8);
    put_number(b, 0, 8);
    put_number(b, at_list, 8);
    put_number(b, n ? offset[n - 1] : 0, 8);
    put_number(&body, at_tree, 8);
    put_number(&body, at_heap, 8);
    h5_message(m, 17, body.data, body.size);
    free(offset);
    b4c_buffer_done(&heap);
    b4c_buffer_done(&body);
}

void h5_space(h5_messages *m, const int64_t *shape, int rank)
{
    b4c_buffer b = { 0 };
    put_space(&b, shape, rank);
    h5_message(m, 1, b.data, b.size);
    b4c_buffer_done(&b);
}

void h5_f32(h5_messages *m)
{
    b4c_buffer b = { 0 };
    put_f32(&b);
    h5_message(m, 3, b.data, b.size);
    b4c_buffer_done(&b);
}

void h5_layout(h5_messages *m, uint64_t address, uint64_t size)
{
    b4c_buffer b = { 0 };
    put_number(&b, 0x0103, 2);
    put_number(&b, address, 8);
    put_number(&b, size, 8);
    h5_message(m, 8, b.data, b.size);
    b4c_buffer_done(&b);
}

uint64_t h5_floats(b4c_buffer *b, const int64_t *shape, int rank, const float *data, bool compact)
{
    h5_messages m = { 0 };
    size_t n = sizeof *data;
    for (int i = 0; i < rank; i++) n *= (size_t)shape[i];
    h5_space(&m, shape, rank);
    h5_f32(&m);
    if (compact) {
        b4c_buffer body = { 0 };
        put_number(&body, 0x0003, 2);
        put_number(&body, n, 2);
        b4c_buffer_add(&body, data, n);
        h5_message(&m, 8, body.data, body.size);
        b4c_buffer_done(&body);
    } else {
        pad(b);
        h5_layout(&m, b->size, n);
        b4c_buffer_add(b, data, n);
    }
    return h5_object(b, &m, false);
}

uint64_t h5_layer(b4c_buffer *b, const char *layer, const char *const *weights,
                  const uint64_t *datasets, int n, bool fixed)
{
    h5_messages m = { 0 };
    char text[16][100];
    const char *path[16] = { NULL };
    for (int i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "%s/%s", layer, weights[i]);
        path[i] = text[i];
    }
    h5_texts(b, &m, "weight_names", path, n, fixed);
    if (n) {
        h5_messages inner = { 0 };
        h5_members(b, &inner, weights, datasets, n);
        const uint64_t object = h5_object(b, &inner, false);
        h5_members(b, &m, &layer, &object, 1);
    }
    return h5_object(b, &m, false);
}
