/* file.h - whole files mapped for reading, and files that appear only when complete. */
#ifndef B4C_BASE_FILE_H
#define B4C_BASE_FILE_H
#include "base/error.h"
#include <stdio.h>

typedef struct b4c_file {
    const unsigned char *data;
    size_t size;
} b4c_file;
/* Map a regular file for reading. An empty file has data "" and size 0. */
int b4c_file_map(b4c_file *, const char *path, b4c_error *);
void b4c_file_unmap(b4c_file *);
/* The bytes will not be read again soon: let their pages go, so that they do not count as ours. */
void b4c_file_forget(const b4c_file *, const void *from, size_t bytes);

bool b4c_file_exists(const char *path); /* a regular file, following links */
bool b4c_folder_exists(const char *path);
/* "folder/name", malloc'ed. NULL: no memory. */
char *b4c_path_join(const char *folder, const char *name);
/* Folder part of path ("." when it has none), malloc'ed. */
char *b4c_path_folder(const char *path);
const char *b4c_path_name(const char *path); /* points into path */
/* The folder around `folder`, malloc'ed, where that is called `name`: exports stand in onnx/, one
 * below what belongs to them. NULL: it is called otherwise, or no memory. */
char *b4c_path_around(const char *folder, const char *name);
/* False for absolute names, "..", empty parts, NUL: a name from inside a file must stay in its
 * folder. */
bool b4c_path_is_inside(const char *relative);

/* A file written beside its target ("NAME.part") and renamed onto it by _commit, after fsync. _drop
 * removes it. */
typedef struct b4c_writer {
    FILE *stream;
    char *path, *temporary;
} b4c_writer;
int b4c_writer_open(b4c_writer *, const char *path, b4c_error *);
int b4c_writer_write(b4c_writer *, const void *bytes, size_t n, b4c_error *);
int b4c_writer_commit(b4c_writer *, b4c_error *);
void b4c_writer_drop(b4c_writer *); /* takes a committed or zeroed writer too */
#endif
