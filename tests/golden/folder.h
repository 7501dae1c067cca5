/* folder.h - model folders made for a test: a golden model with a vocabulary, and whatever else. */
#ifndef B4C_TEST_FOLDER_H
#define B4C_TEST_FOLDER_H
#include "bert4c.h"

/* A folder NAME of the test's own with the golden model's configuration and weights and a
 * vocabulary of its size; more files may be put into it by temp_text. Returns its path. */
const char *folder_make(const char *name, const char *golden_model);

/* Write a safetensors file with the tensors of another, each under the name that `rename` gives it;
 * NULL leaves a tensor out. */
typedef const char *(*rename_fn)(const char *name, char *room, size_t size);
const char *folder_rename(const char *to, const char *from, rename_fn);

/* Every number of an F32 tensor of a safetensors file becomes x. */
void folder_fill(const char *path, const char *tensor, float x);

/* Texts of the vocabulary's characters and of other kinds, by number: the same number, the same
 * text. NUL-ended, malloc'ed. */
char *folder_text(int number);
#endif
