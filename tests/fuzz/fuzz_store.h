/* fuzz_store.h - a checkpoint of random bytes: an error with words, or tensors that can be read to
 * the last element. */
#ifndef B4C_FUZZ_STORE_H
#define B4C_FUZZ_STORE_H
#include "model/format/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory with these bytes, grown by zeros to `least`; its descriptor. */
static int fuzz_file(const void *data, size_t size, size_t least)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size) ||
        (least > size && ftruncate(fd, (off_t)least) < 0))
        abort();
    return fd;
}

static void fuzz_open(const char *path)
{
    b4c_error err = { 0 };
    b4c_store s;
    if (b4c_store_open(&s, path, &err) < 0) {
        if (err.code >= 0 || strlen(err.message) < 8) abort();
        return;
    }
    size_t bytes = 0;
    for (int i = 0; i < s.n_files; i++) bytes += s.file[i].size;
    for (int i = 0; i < s.n; i++) {
        const b4c_stored *t = &s.tensor[i];
        const int64_t rows = b4c_stored_rows(t), row = b4c_stored_row(t);
        if (b4c_store_find(&s, t->name) != i) abort();
        if (t->type == B4C_STORED_OTHER) continue;
        /* more than the file can hold: blocks of ggml take two bits or more a number */
        if (rows && row && rows > 4 * (int64_t)bytes / row) abort();
        float *x = malloc((size_t)(rows * row) * sizeof *x + 1);
        if (!x) abort();
        (void)b4c_store_read(&s, i, rows / 2, rows - rows / 2, x, &err);
        (void)b4c_store_read(&s, i, 0, rows, x, &err);
        free(x);
    }
    b4c_store_close(&s);
}

/* One file of these bytes. */
static inline void fuzz_bytes(const uint8_t *data, size_t size)
{
    char path[40];
    const int fd = fuzz_file(data, size, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fuzz_open(path);
    close(fd);
}
#endif
