/* temp.h - a folder of the test's own, which disappears with the process. */
#ifndef B4C_TEST_TEMP_H
#define B4C_TEST_TEMP_H
#include <stddef.h>

/* The folder, made at first use under TMPDIR or /tmp. */
const char *temp_folder(void);
/* "FOLDER/name", for printf-like names. Lives as long as the process. */
const char *temp_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Write a file there (folders in its name are made) and return its path. */
const char *temp_file(const char *name, const void *bytes, size_t n);
const char *temp_text(const char *name, const char *text);

/* A whole file, malloc'ed, with a NUL behind it; fails the test when it cannot be read. */
char *read_file(const char *path, size_t *n);
#endif
