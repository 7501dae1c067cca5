/* format_maker.c - see format_maker.h. Written from the formats' descriptions, without a line of
 * the readers. */
#include "format_maker.h"

#include "support/test.h"

void put_number(b4c_buffer *b, uint64_t x, int width)
{
    for (int i = 0; i < width; i++) {
        const unsigned char byte = (unsigned char)(i < 8 ? x >> 8 * i : 0);
        b4c_buffer_add(b, &byte, 1);
    }
}

void put_varint(b4c_buffer *b, uint64_t x)
{
    for (; x >= 0x80; x >>= 7) put_number(b, (x & 0x7f) | 0x80, 1);
    put_number(b, x, 1);
}

void put_safetensors(b4c_buffer *b, const char *header, const void *data, size_t n)
{
    put_number(b, strlen(header), 8);
    b4c_buffer_text(b, header);
    b4c_buffer_add(b, data, n);
}

/* ---- zip ------------------------------------------------------------------------------------ */

void zip_add(zip_maker *z, const char *name, const void *bytes, size_t n, int method)
{
    const uint64_t offset = z->file.size, all = 0xffffffffu;
    b4c_buffer_text(&z->file, "PK\3\4");
    put_number(&z->file, 45, 2);
    put_number(&z->file, 0, 2);
    put_number(&z->file, (uint64_t)method, 2);
    put_number(&z->file, 0, 4); /* time */
    put_number(&z->file, 0, 4); /* checksum */
    put_number(&z->file, z->zip64 ? all : n, 4);
    put_number(&z->file, z->zip64 ? all : n, 4);
    put_number(&z->file, strlen(name), 2);
    put_number(&z->file, 0, 2);
    b4c_buffer_text(&z->file, name);
    b4c_buffer_add(&z->file, bytes, n);

    b4c_buffer *d = &z->directory;
    b4c_buffer_text(d, "PK\1\2");
    put_number(d, 45, 2);
    put_number(d, 45, 2);
    put_number(d, 0, 2);
    put_number(d, (uint64_t)method, 2);
    put_number(d, 0, 8);
    put_number(d, z->zip64 ? all : n, 4);
    put_number(d, z->zip64 ? all : n, 4);
    put_number(d, strlen(name), 2);
    put_number(d, z->zip64 ? 28 : 0, 2);
    put_number(d, 0, 10); /* comment, disk, attributes */
    put_number(d, z->zip64 ? all : offset, 4);
    b4c_buffer_text(d, name);
    if (z->zip64) {
        put_number(d, 1, 2);
        put_number(d, 24, 2);
        put_number(d, n, 8);
        put_number(d, n, 8);
        put_number(d, offset, 8);
    }
    z->n++;
}

void zip_end(zip_maker *z)
{
    const uint64_t offset = z->file.size, size = z->directory.size, n = (uint64_t)z->n;
    b4c_buffer_add(&z->file, z->directory.data, size);
    if (z->zip64) {
        const uint64_t end = z->file.size;
        b4c_buffer_text(&z->file, "PK\6\6");
        put_number(&z->file, 44, 8);
        put_number(&z->file, 45 | 45 << 16, 4);
        put_number(&z->file, 0, 8);
        put_number(&z->file, n, 8);
        put_number(&z->file, n, 8);
        put_number(&z->file, size, 8);
        put_number(&z->file, offset, 8);
        b4c_buffer_text(&z->file, "PK\6\7");
        put_number(&z->file, 0, 4);
        put_number(&z->file, end, 8);
        put_number(&z->file, 1, 4);
    }
    b4c_buffer_text(&z->file, "PK\5\6");
    put_number(&z->file, 0, 4);
    put_number(&z->file, z->zip64 ? 0xffff : n, 2);
    put_number(&z->file, z->zip64 ? 0xffff : n, 2);
    put_number(&z->file, z->zip64 ? 0xffffffffu : size, 4);
    put_number(&z->file, z->zip64 ? 0xffffffffu : offset, 4);
    put_number(&z->file, 0, 2);
}

void zip_done(zip_maker *z)
{
    b4c_buffer_done(&z->file);
    b4c_buffer_done(&z->directory);
}

/* ---- pickle --------------------------------------------------------------------------------- */

void put_pickle_text(b4c_buffer *b, const char *text)
{
    put_number(b, 'X', 1);
    put_number(b, strlen(text), 4);
    b4c_buffer_text(b, text);
}

void put_pickle_int(b4c_buffer *b, int64_t x)
{
    put_number(b, 0x8a, 1);
    put_number(b, 8, 1);
    put_number(b, (uint64_t)x, 8);
}

static void put_tuple(b4c_buffer *b, const int64_t *x, int n)
{
    b4c_buffer_text(b, "(");
    for (int i = 0; i < n; i++) put_pickle_int(b, x[i]);
    b4c_buffer_text(b, "t");
}

static void put_tensor(b4c_buffer *b, const pickled_tensor *t, const char *call)
{
    b4c_buffer_print(b, "c%s\n((", call);
    put_pickle_text(b, "storage");
    b4c_buffer_print(b, "ctorch\n%s\n", t->type);
    put_pickle_text(b, t->key);
    put_pickle_text(b, "cpu");
    put_pickle_int(b, t->count);
    b4c_buffer_text(b, "tQ");
    put_pickle_int(b, t->offset);
    put_tuple(b, t->shape, t->rank);
    put_tuple(b, t->stride, t->rank);
    put_number(b, 0x89, 1);
    b4c_buffer_text(b, "ccollections\nOrderedDict\n)RtR");
}

void put_state_dict(b4c_buffer *b, const pickled_tensor *t, int n, const char *call)
{
    put_number(b, 0x0280, 2);
    b4c_buffer_text(b, "ccollections\nOrderedDict\n)R(");
    for (int i = 0; i < n; i++) {
        put_pickle_text(b, t[i].name);
        put_tensor(b, &t[i], call ? call : "torch._utils\n_rebuild_tensor_v2");
    }
    b4c_buffer_text(b, "u.");
}

void put_torch_zip(b4c_buffer *b, const pickled_tensor *t, int n, const void *storage, size_t bytes)
{
    zip_maker z = { 0 };
    b4c_buffer pickle = { 0 };
    put_state_dict(&pickle, t, n, NULL);
    zip_add(&z, "any name/data.pkl", pickle.data, pickle.size, 0);
    zip_add(&z, "any name/byteorder", "little", 6, 0);
    for (int i = 0; i < n; i++) { /* each storage once */
        char name[100];
        bool seen = false;
        for (int j = 0; j < i; j++) seen |= strcmp(t[i].key, t[j].key) == 0;
        snprintf(name, sizeof name, "any name/data/%s", t[i].key);
        if (!seen) zip_add(&z, name, storage, bytes, 0);
    }
    zip_end(&z);
    b4c_buffer_add(b, z.file.data, z.file.size);
    zip_done(&z);
    b4c_buffer_done(&pickle);
}

void put_torch_legacy(b4c_buffer *b, const pickled_tensor *t, int n, const void *storage, int width)
{
    put_number(b, 0x0280, 2);
    put_number(b, 0x0a8a, 2);
    b4c_buffer_add(b, "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 11);
    b4c_buffer_add(b, "\x80\x02M\xe9\x03.", 6);
    b4c_buffer_add(b, "\x80\x02}", 3);
    put_pickle_text(b, "little_endian");
    b4c_buffer_add(b, "\x88s.", 3);
    put_state_dict(b, t, n, NULL);
    b4c_buffer_add(b, "\x80\x02]", 3);
    put_pickle_text(b, t[0].key);
    b4c_buffer_text(b, "a.");
    put_number(b, (uint64_t)t[0].count, 8);
    b4c_buffer_add(b, storage, (size_t)t[0].count * (size_t)width);
}

/* ---- protobuf, ONNX ------------------------------------------------------------------------- */

void pb_int(b4c_buffer *b, int field, uint64_t x)
{
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, x);
}

void pb_bytes(b4c_buffer *b, int field, const void *bytes, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    b4c_buffer_add(b, bytes, n);
}

void pb_text(b4c_buffer *b, int field, const char *text) { pb_bytes(b, field, text, strlen(text)); }

void pb_message(b4c_buffer *b, int field, b4c_buffer *message)
{
    pb_bytes(b, field, message->size ? message->data : "", message->size);
    b4c_buffer_done(message);
}

void pb_fixed32(b4c_buffer *b, int field, uint32_t x)
{
    put_varint(b, (uint64_t)field << 3 | 5);
    put_number(b, x, 4);
}

void onnx_tensor(b4c_buffer *graph, const char *name, int type, const int64_t *shape, int rank,
                 const void *data, size_t n)
{
    b4c_buffer t = { 0 };
    for (int i = 0; i < rank; i++) pb_int(&t, 1, (uint64_t)shape[i]);
    pb_int(&t, 2, (uint64_t)type);
    pb_text(&t, 8, name);
    pb_bytes(&t, 9, data, n);
    pb_message(graph, 5, &t);
}

void onnx_node(b4c_buffer *graph, const char *op, const char *name, const char *inputs,
               const char *output)
{
    b4c_buffer node = { 0 };
    for (const char *at = inputs; *at;) {
        const size_t n = strcspn(at, " ");
        pb_bytes(&node, 1, at, *at == '-' ? 0 : n);
        at += n + (at[n] == ' ');
    }
    pb_text(&node, 2, output);
    pb_text(&node, 3, name);
    pb_text(&node, 4, op);
    pb_message(graph, 1, &node);
}

void put_onnx(b4c_buffer *b, b4c_buffer *graph)
{
    b4c_buffer opset = { 0 };
    pb_int(b, 1, 7);
    pb_text(b, 2, "test");
    pb_message(b, 7, graph);
    pb_int(&opset, 2, 14);
    pb_message(b, 8, &opset);
}

/* ---- TF1 ------------------------------------------------------------------------------------ */

static uint32_t crc32c(const void *bytes, size_t n) /* bit by bit */
{
    uint32_t r = ~0u;
    for (size_t i = 0; i < n; i++) {
        r ^= ((const unsigned char *)bytes)[i];
        for (int k = 0; k < 8; k++) r = r & 1 ? r >> 1 ^ 0x82f63b78u : r >> 1;
    }
    return ~r;
}

uint32_t tf1_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

/* A block with one restart point, its trailer, and its place into `place`. */
static void end_block(table_maker *t, b4c_buffer *block, b4c_buffer *place)
{
    put_number(block, 0, 4);
    put_number(block, 1, 4);
    put_varint(place, t->file.size);
    put_varint(place, block->size);
    put_number(block, (uint64_t)t->compression, 1);
    const uint32_t crc = tf1_mask(crc32c(block->data, block->size));
    b4c_buffer_add(&t->file, block->data, block->size);
    put_number(&t->file, crc, 4);
    b4c_buffer_done(block);
}

static void add_entry(b4c_buffer *block, size_t shared, const char *key, size_t n,
                      const b4c_buffer *value)
{
    put_varint(block, shared);
    put_varint(block, n - shared);
    put_varint(block, value->size);
    b4c_buffer_add(block, key + shared, n - shared);
    if (value->size) b4c_buffer_add(block, value->data, value->size);
}

void table_add(table_maker *t, const void *key, size_t n, const b4c_buffer *value)
{
    size_t shared = 0;
    if (t->block.size)
        while (shared < n && shared < t->key.size &&
               ((const char *)key)[shared] == t->key.data[shared])
            shared++;
    add_entry(&t->block, shared, key, n, value);
    b4c_buffer_done(&t->key);
    b4c_buffer_add(&t->key, key, n);
}

void table_block(table_maker *t)
{
    b4c_buffer place = { 0 };
    end_block(t, &t->block, &place);
    add_entry(&t->index, 0, t->key.data, t->key.size, &place);
    b4c_buffer_done(&place);
}

void table_end(table_maker *t)
{
    b4c_buffer places = { 0 }, meta = { 0 };
    if (t->block.size) table_block(t);
    end_block(t, &meta, &places);
    end_block(t, &t->index, &places);
    b4c_buffer_add(&t->file, places.data, places.size);
    for (size_t i = places.size; i < 40; i++) put_number(&t->file, 0, 1);
    put_number(&t->file, 0xdb4775248b80fb57u, 8);
    b4c_buffer_done(&places);
}

void table_done(table_maker *t)
{
    b4c_buffer_done(&t->file);
    b4c_buffer_done(&t->block);
    b4c_buffer_done(&t->index);
    b4c_buffer_done(&t->key);
}

void tf1_header(b4c_buffer *b, int shards)
{
    b4c_buffer version = { 0 };
    pb_int(b, 1, (uint64_t)shards);
    pb_int(&version, 1, 1);
    pb_message(b, 3, &version);
}

void tf1_entry(b4c_buffer *b, int dtype, const int64_t *shape, int rank, int shard, uint64_t offset,
               const void *data, size_t n)
{
    b4c_buffer sizes = { 0 };
    pb_int(b, 1, (uint64_t)dtype);
    for (int i = 0; i < rank; i++) {
        b4c_buffer dim = { 0 };
        pb_int(&dim, 1, (uint64_t)shape[i]);
        pb_message(&sizes, 2, &dim);
    }
    pb_message(b, 2, &sizes);
    if (shard) pb_int(b, 3, (uint64_t)shard);
    if (offset) pb_int(b, 4, offset);
    pb_int(b, 5, n);
    if (data) pb_fixed32(b, 6, tf1_mask(crc32c(data, n)));
}

/* ---- GGUF ----------------------------------------------------------------------------------- */

void gguf_text(b4c_buffer *b, const char *text)
{
    put_number(b, strlen(text), 8);
    b4c_buffer_text(b, text);
}

void gguf_number(gguf_maker *g, const char *key, int kind, uint64_t value, int width)
{
    gguf_text(&g->pairs, key);
    put_number(&g->pairs, (uint64_t)kind, 4);
    put_number(&g->pairs, value, width);
    g->n++;
}

void gguf_string(gguf_maker *g, const char *key, const char *value)
{
    gguf_text(&g->pairs, key);
    put_number(&g->pairs, 8, 4);
    gguf_text(&g->pairs, value);
    g->n++;
}

void gguf_array(gguf_maker *g, const char *key, int kind, uint64_t n, const void *bytes,
                size_t size)
{
    gguf_text(&g->pairs, key);
    put_number(&g->pairs, 9, 4);
    put_number(&g->pairs, (uint64_t)kind, 4);
    put_number(&g->pairs, n, 8);
    b4c_buffer_add(&g->pairs, bytes, size);
    g->n++;
}

static void gguf_pad(b4c_buffer *b, size_t alignment)
{
    while (b->size % (alignment ? alignment : 32)) put_number(b, 0, 1);
}

void gguf_tensor(gguf_maker *g, const char *name, int type, const int64_t *extents, int rank,
                 const void *data, size_t n)
{
    gguf_pad(&g->data, g->alignment);
    gguf_text(&g->tensors, name);
    put_number(&g->tensors, (uint64_t)rank, 4);
    for (int i = 0; i < rank; i++) put_number(&g->tensors, (uint64_t)extents[i], 8);
    put_number(&g->tensors, (uint64_t)type, 4);
    put_number(&g->tensors, g->data.size, 8);
    b4c_buffer_add(&g->data, data, n);
    g->n_tensors++;
}

void put_gguf(b4c_buffer *b, gguf_maker *g)
{
    b4c_buffer_text(b, "GGUF");
    put_number(b, g->version ? (uint64_t)g->version : 3, 4);
    put_number(b, (uint64_t)g->n_tensors, 8);
    put_number(b, (uint64_t)g->n, 8);
    b4c_buffer_add(b, g->pairs.data, g->pairs.size);
    b4c_buffer_add(b, g->tensors.data, g->tensors.size);
    if (g->n_tensors) gguf_pad(b, g->alignment);
    b4c_buffer_add(b, g->data.data, g->data.size);
    b4c_buffer_done(&g->pairs);
    b4c_buffer_done(&g->tensors);
    b4c_buffer_done(&g->data);
    *g = (gguf_maker){ 0 };
}
