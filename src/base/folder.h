/* folder.h - folders that are written: made, filled file by file, and put in place as a whole. */
#ifndef B4C_BASE_FOLDER_H
#define B4C_BASE_FOLDER_H
#include "base/json.h"

/* The folder and those above it, where they are not there. */
int b4c_folder_make(const char *path, b4c_error *);
/* FOLDER/name, whole or not at all. */
int b4c_folder_put(const char *folder, const char *name, const void *bytes, size_t n, b4c_error *);
int b4c_folder_put_json(const char *folder, const char *name, const json_t *, b4c_error *);
/* FROM/name as TO/name; 1: copied, 0: there is no such file. `name` may have one folder in it,
 * which is made. */
int b4c_folder_copy(const char *from, const char *to, const char *name, b4c_error *);
/* All that is in it, and itself; links are removed, not followed. Nothing there is no error. */
int b4c_folder_remove(const char *path, b4c_error *);
/* `made` takes the name `target`. What stood there is put aside first and removed last, so that a
 * crash leaves the one or the other. */
int b4c_folder_replace(const char *made, const char *target, b4c_error *);
#endif
