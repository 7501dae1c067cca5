/* path.c - names of files and folders. */
#include "path.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *cli_path(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    return text;
}

bool cli_is_folder(const char *path)
{
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int cli_make_folders(const char *path, b4c_error *err)
{
    char *copy = strdup(path);
    int rc = copy ? 0 : cli_fail(err, B4C_E_MEMORY, "no memory");
    for (char *p = copy; rc == 0 && (p = strchr(p + 1, '/'));) {
        *p = 0;
        if (mkdir(copy, 0777) < 0 && errno != EEXIST)
            rc = cli_fail(err, B4C_E_IO, "cannot make the folder: %s: %s", copy, strerror(errno));
        *p = '/';
    }
    free(copy);
    return rc;
}
