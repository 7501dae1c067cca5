/* cut.c - see cut.h. Both walks are one: `present` puts a broken copy where the reader looks, and
 * calls it. */
#include "support/test.h"

#include <unistd.h>

typedef struct target {
    unsigned char *good;
    size_t size;
    FILE *file; /* NULL: memory */
    const char *path;
    read_path_fn read_path;
    read_bytes_fn read_bytes;
    void *arg;
} target;

/* Show the reader the first n bytes, the one at `at` changed to `value`. True: it took them. */
static bool present(const target *t, size_t n, size_t at, unsigned char value)
{
    b4c_error err = { 0 };
    int rc;
    if (t->file) {
        /* One file that shrinks or changes by a byte: rewriting it whole each time would take
         * minutes. */
        if (at < t->size) assert_int_equal(pwrite(fileno(t->file), &value, 1, (off_t)at), 1);
        assert_int_equal(ftruncate(fileno(t->file), (off_t)n), 0);
        rc = t->read_path(t->path, t->arg, &err);
        if (at < t->size) assert_int_equal(pwrite(fileno(t->file), t->good + at, 1, (off_t)at), 1);
    } else {
        unsigned char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        memcpy(copy, t->good, n);
        if (at < n) copy[at] = value;
        rc = t->read_bytes(copy, n, t->arg, &err);
        free(copy);
    }
    if (rc >= 0) return true;
    const bool says = err.code == rc && strlen(err.message) >= 8;
    if (!says)
        fail_msg("%zu bytes of %zu, byte %zu = %02x: code %d, but the error is %d, \"%s\"", n,
                 t->size, at, value, rc, err.code, err.message);
    return false;
}

static cut_result walk(const target *t, size_t step)
{
    const size_t nowhere = t->size;
    cut_result r = { 0 };
    if (!present(t, t->size, nowhere, 0))
        fail_msg("the file is refused before anything was changed");

    for (size_t at = 0; at < t->size; at += step) {
        const unsigned char b = t->good[at];
        /* Signs, sizes and lengths are most easily upset by these. */
        const unsigned char to[] = {
            0, 0xff, 0x7f, 0x80, (unsigned char)(b + 1), (unsigned char)(b ^ 0x20)
        };
        for (size_t i = 0; i < COUNT(to); i++) {
            if (to[i] == b) continue;
            r.changes++;
            r.changes_taken += present(t, t->size, at, to[i]);
        }
    }
    assert_true(present(t, t->size, nowhere, 0));
    for (size_t n = t->size; n-- > 0;) {
        if (n % step && n > 64) continue; /* headers always byte by byte */
        r.cuts++;
        r.cuts_taken += present(t, n, nowhere, 0);
    }
    return r;
}

cut_result cut_bytes(const void *bytes, size_t n, size_t step, read_bytes_fn read, void *arg)
{
    target t = { .size = n, .read_bytes = read, .arg = arg, .good = malloc(n ? n : 1) };
    assert_non_null(t.good);
    memcpy(t.good, bytes, n);
    const cut_result r = walk(&t, step);
    free(t.good);
    return r;
}

cut_result cut_file(const char *path, size_t step, read_path_fn read, void *arg)
{
    target t = { .path = path, .read_path = read, .arg = arg };
    t.good = (unsigned char *)read_file(path, &t.size);
    t.file = fopen(path, "r+b");
    assert_non_null(t.file);
    const cut_result r = walk(&t, step);
    assert_int_equal(pwrite(fileno(t.file), t.good, t.size, 0), t.size);
    fclose(t.file);
    free(t.good);
    return r;
}
