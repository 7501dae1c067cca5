/* table.c - the table format of LevelDB, as TensorFlow writes its indexes: uncompressed, read once
 * from front to back.
 *
 *     data blocks | metaindex block (empty) | index block: last key of a data block -> its place |
 * footer, 48 bytes
 *
 * A block: entries (bytes shared with the key before, own bytes, value), restart points, their
 * count; behind it one byte of type and a masked CRC-32C. Reading in order needs no restart points.
 * Since keys share prefixes, a small file can unfold to very long lists of keys; KEY_FACTOR bounds
 * that (BERT's index unfolds to less than twice its size).
 * Source: github.com/google/leveldb, doc/table_format.md and table/block_builder.cc.
 */
#include "model/format/table.h"

#include "model/format/crc32c.h"
#include "base/proto.h"
#include <stdlib.h>

#define FOOTER     48
#define TRAILER    5
#define KEY_FACTOR 32
#define MAGIC      0xdb4775248b80fb57u

typedef struct unfolding {
    b4c_table *table;
    size_t left;
    const char *where;
    b4c_error *err;
} unfolding;

bool b4c_table_is(b4c_span file)
{
    return file.size >= FOOTER && b4c_u64(file.data + file.size - 8) == MAGIC;
}

static int damaged(const unfolding *u, const char *what)
{
    b4c_fail(u->err, B4C_E_FORMAT, "%s: %s; the index is damaged", u->where, what);
    return B4C_E_FORMAT;
}

/* A place, two varints off the front of *s. */
static bool take_place(b4c_span *s, uint64_t *offset, uint64_t *size)
{
    return b4c_varint(s, offset) > 0 && b4c_varint(s, size) > 0;
}

/* Entries of the block at a place: its bytes without the restart points. */
static int open_block(const unfolding *u, b4c_span file, uint64_t offset, uint64_t size,
                      b4c_span *entries)
{
    const size_t whole = file.size - FOOTER;
    if (!b4c_range_in(offset, size, whole) || !b4c_range_in(offset + size, TRAILER, whole))
        return damaged(u, "a block lies outside the file");
    const unsigned char *block = file.data + offset, type = block[size];
    if (b4c_crc32c(block, (size_t)size + 1) != b4c_crc32c_unmask(b4c_u32(block + size + 1)))
        return damaged(u, "the checksum of a block differs");
    if (type != 0)
        return b4c_fail(
            u->err, B4C_E_UNSUPPORTED,
            "%s: a block is compressed (type %u); TensorFlow does not write such indexes", u->where,
            type);
    if (size < 4) return damaged(u, "a block is too short");
    const uint64_t restarts = b4c_u32(block + size - 4);
    if (restarts > (size - 4) / 4) return damaged(u, "a block has more restart points than room");
    *entries = (b4c_span){ block, (size_t)(size - 4 - 4 * restarts) };
    return 0;
}

/* The entry off the front of *s, its key after that of the pair before. */
static int take_entry(unfolding *u, b4c_span *s, b4c_span before, b4c_pair *out)
{
    uint64_t shared, own, value;
    if (b4c_varint(s, &shared) < 0 || b4c_varint(s, &own) < 0 || b4c_varint(s, &value) < 0 ||
        own > s->size || value > s->size - own || shared > before.size)
        return damaged(u, "an entry ends outside its block");
    const size_t length = (size_t)(shared + own);
    if (length + 16 > u->left) return damaged(u, "its keys are longer than any names");
    unsigned char *key = b4c_chunk_take(&u->table->memory, length + 1);
    if (!key) return b4c_fail(u->err, B4C_E_MEMORY, "%s: no memory to read it", u->where);
    u->left -= length + 16;
    if (shared) memcpy(key, before.data, (size_t)shared);
    memcpy(key + shared, s->data, (size_t)own);
    *out = (b4c_pair){ { key, length }, { s->data + own, (size_t)value } };
    *s = (b4c_span){ s->data + own + value, s->size - (size_t)(own + value) };
    return 0;
}

static int add_pair(unfolding *u, b4c_pair pair)
{
    b4c_table *t = u->table;
    if (t->n && b4c_span_compare(t->pair[t->n - 1].key, pair.key) >= 0)
        return damaged(u, "its keys are not in order");
    if (t->n == t->room) {
        const size_t room = t->room ? 2 * t->room : 256;
        b4c_pair *more = realloc(t->pair, room * sizeof *more);
        if (!more) return b4c_fail(u->err, B4C_E_MEMORY, "%s: no memory to read it", u->where);
        t->pair = more;
        t->room = room;
    }
    t->pair[t->n++] = pair;
    return 0;
}

static int read_block(unfolding *u, b4c_span file, uint64_t offset, uint64_t size)
{
    b4c_span entries;
    b4c_pair pair = { { 0, 0 }, { 0, 0 } };
    B4C_TRY(open_block(u, file, offset, size, &entries));
    while (entries.size) {
        B4C_TRY(take_entry(u, &entries, pair.key, &pair));
        B4C_TRY(add_pair(u, pair));
    }
    return 0;
}

int b4c_table_open(b4c_table *t, b4c_span file, const char *where, b4c_error *err)
{
    unfolding u = { .table = t, .left = KEY_FACTOR * file.size, .where = where, .err = err };
    b4c_span footer = { file.data + file.size - FOOTER, FOOTER - 8 }, index;
    b4c_pair pair = { { 0, 0 }, { 0, 0 } };
    uint64_t offset, size, end = 0;
    *t = (b4c_table){ 0 };
    if (!take_place(&footer, &offset, &size) || !take_place(&footer, &offset, &size))
        return damaged(&u, "its footer is malformed");
    B4C_TRY(open_block(&u, file, offset, size, &index));
    while (index.size) {
        B4C_TRY(take_entry(&u, &index, pair.key, &pair));
        if (!take_place(&pair.value, &offset, &size))
            return damaged(&u, "a place of a block is malformed");
        if (offset < end) return damaged(&u, "its blocks are not in order");
        B4C_TRY(read_block(&u, file, offset, size));
        end = offset + size;
    }
    return 0;
}

void b4c_table_done(b4c_table *t)
{
    b4c_chunk_free(&t->memory);
    free(t->pair);
    *t = (b4c_table){ 0 };
}
