/* path.h - names of files and folders. */
#ifndef CLI_PATH_H
#define CLI_PATH_H
#include "message.h"

/* printf into fresh memory; NULL: there is none. */
char *cli_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool cli_is_folder(const char *path);
/* Make the folders that `path` lies in. */
int cli_make_folders(const char *path, b4c_error *err);
#endif
