/* cut.h - what a reader of files must bear: every prefix of a good file, and every byte of it
 * changed.
 *
 * A reader opens, looks at everything it would use, closes, and returns 0 or a negative code with
 * `err` filled. Either answer is fine, a crash or a message without words is not: run these under
 * the sanitizers.
 */
#ifndef B4C_TEST_CUT_H
#define B4C_TEST_CUT_H
#include "bert4c.h"

typedef int (*read_path_fn)(const char *path, void *arg, b4c_error *err);
typedef int (*read_bytes_fn)(const void *bytes, size_t n, void *arg, b4c_error *err);

/* How many of the broken files the reader took for good ones. */
typedef struct cut_result {
    long cuts, cuts_taken, changes, changes_taken;
} cut_result;

/* `path`: a good file, changed in place and put back. It must be read without error before and
 * after. step: 1 tries every byte, k every k-th (for big files). */
cut_result cut_file(const char *path, size_t step, read_path_fn, void *arg);
/* The same for readers of memory; each call gets an array of exactly its size, so that ASan sees
 * reads beyond it. */
cut_result cut_bytes(const void *bytes, size_t n, size_t step, read_bytes_fn, void *arg);
#endif
