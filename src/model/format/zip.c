/* zip.c - just enough of a zip archive: find the directory at its end, and each member's bytes.
 *
 * Members of checkpoints are stored as they are (method 0), so that they can be mapped; a
 * compressed or encrypted member is refused. Sizes beyond 4 GB stand in the zip64 records. The
 * directory is believed for sizes, the local header only for where the bytes begin.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
 */
#include "model/format/zip.h"

#include <stdlib.h>

#define END_SIZE     22
#define END64_SIZE   56
#define LOCATOR_SIZE 20
#define ENTRY_SIZE   46
#define LOCAL_SIZE   30

static bool has_mark(b4c_span file, uint64_t at, size_t size, const char mark[4])
{
    return b4c_range_in(at, size, file.size) && memcmp(file.data + at, mark, 4) == 0;
}

/* The directory's range and number of entries. */
static bool find_directory(b4c_span file, uint64_t *offset, uint64_t *size, uint64_t *n)
{
    if (file.size < END_SIZE) return false;
    /* The end record is last but for a comment of at most 65,535 bytes. */
    const size_t lowest = file.size > END_SIZE + 65535u ? file.size - END_SIZE - 65535u : 0;
    size_t end = file.size - END_SIZE;
    while (!has_mark(file, end, END_SIZE, "PK\5\6") ||
           b4c_u16(file.data + end + 20) != file.size - end - END_SIZE)
        if (end-- == lowest) return false;
    const unsigned char *p = file.data + end;
    *n = b4c_u16(p + 10);
    *size = b4c_u32(p + 12);
    *offset = b4c_u32(p + 16);
    if (end >= LOCATOR_SIZE && has_mark(file, end - LOCATOR_SIZE, LOCATOR_SIZE, "PK\6\7")) {
        const uint64_t at = b4c_u64(file.data + end - LOCATOR_SIZE + 8);
        if (!has_mark(file, at, END64_SIZE, "PK\6\6")) return false;
        *n = b4c_u64(file.data + at + 32);
        *size = b4c_u64(file.data + at + 40);
        *offset = b4c_u64(file.data + at + 48);
    }
    return b4c_range_in(*offset, *size, file.size) && *n <= *size / ENTRY_SIZE;
}

/* Fields of all ones stand in the extra record 1, in this order. */
static bool read_zip64(b4c_span extra, uint64_t *size, uint64_t *packed, uint64_t *offset)
{
    uint64_t *const field[] = { size, packed, offset };
    for (size_t at = 0; at + 4 <= extra.size;) {
        const unsigned id = b4c_u16(extra.data + at), length = b4c_u16(extra.data + at + 2);
        at += 4;
        if (length > extra.size - at) return false;
        if (id == 1) {
            size_t from = at;
            for (int i = 0; i < 3; i++) {
                if (*field[i] != 0xffffffffu) continue;
                if (from + 8 > at + length) return false;
                *field[i] = b4c_u64(extra.data + from);
                from += 8;
            }
            return true;
        }
        at += length;
    }
    return true;
}

/* One directory entry at *at; moves *at behind it. */
static int read_entry(b4c_zip_member *m, b4c_span file, b4c_span directory, size_t *at,
                      const char *where, b4c_error *err)
{
    const unsigned char *p = directory.data + *at;
    if (!has_mark(directory, *at, ENTRY_SIZE, "PK\1\2"))
        return b4c_fail(err, B4C_E_FORMAT, "%s: the zip directory is damaged at byte %zu", where,
                        *at);
    const unsigned flags = b4c_u16(p + 8), method = b4c_u16(p + 10);
    const size_t name = b4c_u16(p + 28), extra = b4c_u16(p + 30), comment = b4c_u16(p + 32);
    uint64_t packed = b4c_u32(p + 20), size = b4c_u32(p + 24), offset = b4c_u32(p + 42);
    if (!b4c_range_in(*at + ENTRY_SIZE, name + extra + comment, directory.size))
        return b4c_fail(err, B4C_E_FORMAT, "%s: the zip directory is cut at byte %zu", where, *at);
    m->name = (b4c_span){ p + ENTRY_SIZE, name };
    *at += ENTRY_SIZE + name + extra + comment;
    if (!read_zip64((b4c_span){ p + ENTRY_SIZE + name, extra }, &size, &packed, &offset) ||
        !has_mark(file, offset, LOCAL_SIZE, "PK\3\4"))
        return b4c_fail(err, B4C_E_FORMAT, "%s: member '%.*s' of the zip has no header", where,
                        B4C_SPAN_ARG(m->name));
    if (method != 0 || flags & 1 || packed != size)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "%s: member '%.*s' of the zip is compressed or encrypted (method %u), "
                        "wanted it stored; save the model anew",
                        where, B4C_SPAN_ARG(m->name), method);
    const uint64_t begin = offset + LOCAL_SIZE + b4c_u16(file.data + offset + 26) +
                           b4c_u16(file.data + offset + 28);
    if (!b4c_range_in(begin, size, file.size))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: member '%.*s' of the zip ends outside the file; it is cut or damaged",
                        where, B4C_SPAN_ARG(m->name));
    m->data = (b4c_span){ file.data + begin, size };
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return b4c_span_compare(((const b4c_zip_member *)a)->name, ((const b4c_zip_member *)b)->name);
}

int b4c_zip_open(b4c_zip *zip, b4c_span file, const char *where, b4c_error *err)
{
    uint64_t offset, size, n;
    *zip = (b4c_zip){ 0 };
    if (!find_directory(file, &offset, &size, &n))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: a zip without a directory at its end: the file is cut or damaged",
                        where);
    zip->member = calloc(n + 1, sizeof *zip->member);
    if (!zip->member) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", where);
    for (size_t at = 0; zip->n < n; zip->n++)
        B4C_TRY(read_entry(&zip->member[zip->n], file, (b4c_span){ file.data + offset, size }, &at,
                           where, err));
    qsort(zip->member, zip->n, sizeof *zip->member, by_name);
    for (size_t i = 1; i < zip->n; i++)
        if (by_name(&zip->member[i - 1], &zip->member[i]) == 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: the zip holds '%.*s' twice", where,
                            B4C_SPAN_ARG(zip->member[i].name));
    return 0;
}

void b4c_zip_done(b4c_zip *zip)
{
    free(zip->member);
    *zip = (b4c_zip){ 0 };
}

const b4c_zip_member *b4c_zip_find(const b4c_zip *zip, b4c_span name)
{
    const b4c_zip_member key = { .name = name };
    return zip->n ? bsearch(&key, zip->member, zip->n, sizeof key, by_name) : NULL;
}
