/* folder.c - see folder.h. */
#include "base/folder.h"

#include "base/file.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096 };

int b4c_folder_make(const char *path, b4c_error *err)
{
    char part[PATH];
    if (!*path || snprintf(part, sizeof part, "%s", path) >= PATH)
        return b4c_fail(err, B4C_E_ARG, "%.100s: the name of the folder is empty or too long",
                        path);
    for (char *c = part + 1;; c++) {
        if (*c && *c != '/') continue;
        const char end = *c;
        *c = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return b4c_fail(err, B4C_E_IO, "%s: cannot make this folder: %s", part,
                            strerror(errno));
        *c = end;
        if (!end) break;
    }
    if (!b4c_folder_exists(path))
        return b4c_fail(err, B4C_E_IO, "%s: this is no folder; name another output", path);
    return 0;
}

int b4c_folder_put(const char *folder, const char *name, const void *bytes, size_t n,
                   b4c_error *err)
{
    char *path = b4c_path_join(folder, name);
    b4c_writer w = { 0 };
    int rc = path ? b4c_writer_open(&w, path, err)
                  : b4c_fail(err, B4C_E_MEMORY, "%s: no memory for a file's name", folder);
    if (rc == 0) rc = b4c_writer_write(&w, bytes, n, err);
    if (rc == 0) rc = b4c_writer_commit(&w, err);
    b4c_writer_drop(&w);
    free(path);
    return rc;
}

int b4c_folder_put_json(const char *folder, const char *name, const json_t *value, b4c_error *err)
{
    char *text = json_dumps(value, JSON_INDENT(2));
    const int rc = text ? b4c_folder_put(folder, name, text, strlen(text), err)
                        : b4c_fail(err, B4C_E_MEMORY, "%s/%s: no memory to write it", folder, name);
    free(text);
    return rc;
}

int b4c_folder_copy(const char *from, const char *to, const char *name, b4c_error *err)
{
    char path[PATH], part[PATH];
    b4c_file file;
    if (snprintf(path, sizeof path, "%s/%s", from, name) >= PATH || !b4c_file_exists(path))
        return 0;
    if (strchr(name, '/')) {
        snprintf(part, sizeof part, "%s/%.*s", to, (int)(strrchr(name, '/') - name), name);
        B4C_TRY(b4c_folder_make(part, err));
    }
    B4C_TRY(b4c_file_map(&file, path, err));
    const int rc = b4c_folder_put(to, name, file.data, file.size, err);
    b4c_file_unmap(&file);
    return rc < 0 ? rc : 1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

int b4c_folder_remove(const char *path, b4c_error *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return 0;
    return b4c_fail(err, B4C_E_IO, "%s: cannot remove it: %s", path, strerror(errno));
}

int b4c_folder_replace(const char *made, const char *target, b4c_error *err)
{
    char aside[PATH];
    if (snprintf(aside, sizeof aside, "%s.old", target) >= PATH)
        return b4c_fail(err, B4C_E_ARG, "%.100s: the name of the folder is too long", target);
    const bool there = b4c_folder_exists(target);
    if (there) B4C_TRY(b4c_folder_remove(aside, err));
    if (there && rename(target, aside) < 0)
        return b4c_fail(err, B4C_E_IO, "%s: cannot put it aside: %s", target, strerror(errno));
    if (rename(made, target) < 0) {
        const int why = errno;
        if (there) (void)rename(aside, target);
        return b4c_fail(err, B4C_E_IO, "%s: cannot give %s this name: %s", target, made,
                        strerror(why));
    }
    return there ? b4c_folder_remove(aside, err) : 0;
}
