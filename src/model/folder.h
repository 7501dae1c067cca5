/* folder.h - what a model's folder in the hub's layout holds beside its weights. */
#ifndef B4C_MODEL_FOLDER_H
#define B4C_MODEL_FOLDER_H
#include "base/folder.h"

/* Name i of the files that may stand there beside weights and folders; NULL behind the last, which
 * is config.json. */
const char *b4c_folder_name(int i);
/* The tokenizer's files from a folder, or one file of it (with the merges beside it where it needs
 * some) under its usual name; the number of them. */
int b4c_copy_tokenizer(const char *from, const char *to, b4c_error *);
/* How it writes and how vectors are made of it: generation_config.json, modules.json and the files
 * that it names. */
int b4c_copy_settings(const char *from, const char *to, b4c_error *);
#endif
