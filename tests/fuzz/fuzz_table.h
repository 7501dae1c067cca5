/* fuzz_table.h - the tables of TF1 checkpoints, with right checksums around any bytes, and a
 * checkpoint of two files in memory. */
#ifndef B4C_FUZZ_TABLE_H
#define B4C_FUZZ_TABLE_H
#include "fuzz_store.h"

#include "base/memory.h"
#include "model/format/crc32c.h"

static void put(b4c_buffer *b, uint64_t x, int width)
{
    unsigned char bytes[8];
    for (int i = 0; i < width; i++) bytes[i] = (unsigned char)(x >> 8 * i);
    b4c_buffer_add(b, bytes, (size_t)width);
}

static void put_varint(b4c_buffer *b, uint64_t x)
{
    for (; x >= 0x80; x >>= 7) put(b, (x & 0x7f) | 0x80, 1);
    put(b, x, 1);
}

/* The block with no restart points and its trailer; its place into `place`. */
static void put_block(b4c_buffer *file, const void *bytes, size_t n, b4c_buffer *place)
{
    const size_t begin = file->size;
    put_varint(place, begin);
    put_varint(place, n + 4);
    b4c_buffer_add(file, bytes, n);
    put(file, 0, 4);
    put(file, 0, 1);
    const uint32_t crc = b4c_crc32c(file->data + begin, file->size - begin);
    put(file, (crc >> 15 | crc << 17) + 0xa282ead8u, 4);
}

static void put_table(b4c_buffer *file, const void *block, size_t n)
{
    b4c_buffer place = { 0 }, index = { 0 }, footer = { 0 };
    put_block(file, block, n, &place);
    put_varint(&index, 0);
    put_varint(&index, 1);
    put_varint(&index, place.size);
    b4c_buffer_text(&index, "z");
    b4c_buffer_add(&index, place.data, place.size);
    put_block(file, "", 0, &footer);
    put_block(file, index.data, index.size, &footer);
    while (footer.size < 40) put(&footer, 0, 1);
    b4c_buffer_add(file, footer.data, 40);
    put(file, 0xdb4775248b80fb57u, 8);
    b4c_buffer_done(&place);
    b4c_buffer_done(&index);
    b4c_buffer_done(&footer);
}

static char folder[] = "/tmp/fuzz-tf1-XXXXXX";

static void remove_folder(void) { rmdir(folder); }

/* Opens the checkpoint of an index and a data file, the second grown by zeros to `least`. */
static void fuzz_checkpoint(const b4c_buffer *index, const void *data, size_t size, size_t least)
{
    static char name[2][64];
    if (index->failed) abort();
    if (!name[0][0]) {
        if (!mkdtemp(folder) || atexit(remove_folder)) abort();
        snprintf(name[0], sizeof name[0], "%s/m.index", folder);
        snprintf(name[1], sizeof name[1], "%s/m.data-00000-of-00001", folder);
    }
    /* links to files in memory: the names are needed, the disk is not */
    const int file[] = { fuzz_file(index->data, index->size, 0), fuzz_file(data, size, least) };
    for (int i = 0; i < 2; i++) {
        char target[40];
        snprintf(target, sizeof target, "/proc/self/fd/%d", file[i]);
        if (symlink(target, name[i]) < 0) abort();
    }
    fuzz_open(name[0]);
    for (int i = 0; i < 2; i++) {
        unlink(name[i]);
        close(file[i]);
    }
}
#endif
