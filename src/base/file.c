/* file.c - files mapped whole, paths, and files that appear only when complete.
 *
 * Idea: a reader sees a file as one array of bytes; a writer's file is not there until every byte
 * is on the disk. While it is written it is "NAME.part" beside its target, locked, so that two
 * writers of one target cannot mix their bytes; what a crash leaves is a .part file, which the next
 * writer starts over. A mapped file must not be truncated by others while it is mapped (SIGBUS):
 * true of every program that maps.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* strerror: safe between threads in glibc (2.32) and musl. */
static int fail_system(b4c_error *err, const char *path, const char *what)
{
    const int code = errno == ENOMEM ? B4C_E_MEMORY : B4C_E_IO;
    return b4c_fail(err, code, "%s: %s: %s", path, what, strerror(errno));
}

static int fail_kind(b4c_error *err, const char *path, mode_t mode)
{
    return b4c_fail(err, B4C_E_IO, "%s: is %s, wanted a regular file", path,
                    S_ISDIR(mode)    ? "a folder"
                    : S_ISFIFO(mode) ? "a pipe"
                    : S_ISSOCK(mode) ? "a socket"
                                     : "a device");
}

/* ---- reading -------------------------------------------------------------------------------- */

int b4c_file_map(b4c_file *file, const char *path, b4c_error *err)
{
    *file = (b4c_file){ .data = (const unsigned char *)"" };
    int rc = 0;
    struct stat st;
    /* O_NONBLOCK: a pipe without a writer must not hang us */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_system(err, path, "cannot be opened");
    if (fstat(fd, &st) < 0) {
        rc = fail_system(err, path, "cannot be examined");
    } else if (!S_ISREG(st.st_mode)) {
        rc = fail_kind(err, path, st.st_mode);
    } else if ((uintmax_t)st.st_size > SIZE_MAX / 2) {
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: %jd bytes are more than this machine can address",
                      path, (intmax_t)st.st_size);
    } else if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            rc = fail_system(err, path, "cannot be mapped");
        } else {
            file->data = data;
            file->size = (size_t)st.st_size;
        }
    }
    close(fd);
    return rc;
}

void b4c_file_unmap(b4c_file *file)
{
    if (file->size) munmap((void *)(uintptr_t)file->data, file->size);
    *file = (b4c_file){ 0 };
}

void b4c_file_forget(const b4c_file *file, const void *from, size_t bytes)
{
    /* Whole pages inside the range only: the neighbours' bytes on the outer pages may be wanted
     * still. */
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), low = (uintptr_t)file->data,
                    high = low + file->size;
    uintptr_t begin = (uintptr_t)from, end;
    if (begin < low || begin > high || bytes > high - begin) return;
    end = (begin + bytes) / page * page;
    begin = (begin + page - 1) / page * page;
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* ---- paths ---------------------------------------------------------------------------------- */

bool b4c_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool b4c_folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *b4c_path_join(const char *folder, const char *name)
{
    const size_t n = strlen(folder), m = strlen(name);
    const bool slash = n > 0 && folder[n - 1] != '/';
    char *path = malloc(n + slash + m + 1);
    if (!path) return NULL;
    memcpy(path, folder, n);
    if (slash) path[n] = '/';
    memcpy(path + n + slash, name, m + 1);
    return path;
}

char *b4c_path_around(const char *folder, const char *name)
{
    return strcmp(b4c_path_name(folder), name) == 0 ? b4c_path_join(folder, "..") : NULL;
}

const char *b4c_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *b4c_path_folder(const char *path)
{
    size_t n = (size_t)(b4c_path_name(path) - path);
    while (n > 1 && path[n - 1] == '/') n--;
    return n ? strndup(path, n) : strdup(".");
}

bool b4c_path_is_inside(const char *relative)
{
    for (const char *part = relative;;) {
        const size_t n = strcspn(part, "/");
        if (n == 0) return false;
        if (n == 2 && part[0] == '.' && part[1] == '.') return false;
        if (part[n] == 0) return true;
        part += n + 1;
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Open and lock "NAME.part", whoever left it there. Returns a descriptor, or -1 with errno. */
static int open_locked(const char *temporary)
{
    for (;;) {
        struct stat open_one, named_one;
        const int fd = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                            0666);
        if (fd < 0) return -1;
        /* Some network file systems know no locks; there, as anywhere without them, writers must
         * not meet. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) goto fail;
        if (fstat(fd, &open_one) < 0) goto fail;
        if (!S_ISREG(open_one.st_mode)) {
            errno = EEXIST;
            goto fail;
        }
        /* Between open and lock, its writer may have renamed it: then what we hold is a finished
         * file. */
        if (lstat(temporary, &named_one) == 0 && named_one.st_ino == open_one.st_ino &&
            named_one.st_dev == open_one.st_dev) {
            if (ftruncate(fd, 0) == 0) return fd;
            goto fail;
        }
        close(fd);
        continue;
    fail:;
        const int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
}

int b4c_writer_open(b4c_writer *w, const char *path, b4c_error *err)
{
    *w = (b4c_writer){ 0 };
    int rc = 0, fd = -1;
    struct stat st;
    const bool exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode)) return fail_kind(err, path, st.st_mode);
    if (*b4c_path_name(path) == 0)
        return b4c_fail(err, B4C_E_ARG, "'%s': no file name, wanted one", path);

    /* Through a link, so that the file it names is replaced and the link stays. */
    w->path = exists ? realpath(path, NULL) : strdup(path);
    const size_t n = w->path ? strlen(w->path) : 0;
    w->temporary = w->path ? malloc(n + sizeof ".part") : NULL;
    if (!w->temporary) {
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory to write it", path);
        goto fail;
    }
    memcpy(w->temporary, w->path, n);
    memcpy(w->temporary + n, ".part", sizeof ".part");

    fd = open_locked(w->temporary);
    if (fd < 0) {
        rc = errno == EWOULDBLOCK
               ? b4c_fail(err, B4C_E_IO,
                          "%s: another process is writing it; wait for it or choose another name",
                          path)
               : fail_system(err, w->temporary, "cannot be written");
        goto fail;
    }
    /* Before the first byte, so that what was private stays so. */
    if (exists) (void)fchmod(fd, st.st_mode & 0777);
    w->stream = fdopen(fd, "wb");
    if (w->stream) return 0;
    rc = fail_system(err, path, "cannot be written");
    unlink(w->temporary);
    close(fd);
fail:
    free(w->temporary);
    free(w->path);
    *w = (b4c_writer){ 0 };
    return rc;
}

int b4c_writer_write(b4c_writer *w, const void *bytes, size_t n, b4c_error *err)
{
    if (n == 0 || fwrite(bytes, 1, n, w->stream) == n) return 0;
    return fail_system(err, w->path, "cannot be written");
}

/* A rename is on the disk only when its folder is. Best effort: not every file system can. */
static void sync_folder(const char *path)
{
    char *folder = b4c_path_folder(path);
    const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(folder);
}

int b4c_writer_commit(b4c_writer *w, b4c_error *err)
{
    int rc = 0;
    /* ferror: a caller may write to the stream itself and forget to look. */
    if (fflush(w->stream) != 0 || ferror(w->stream) ||
        (fsync(fileno(w->stream)) < 0 && errno != EINVAL))
        rc = fail_system(err, w->path, "cannot be written");
    else if (rename(w->temporary, w->path) < 0)
        rc = fail_system(err, w->path, "cannot take its name");
    if (rc < 0) {
        b4c_writer_drop(w);
        return rc;
    }
    sync_folder(w->path);
    fclose(w->stream); /* last, since it gives the lock up; after fsync it has nothing to lose */
    free(w->temporary);
    free(w->path);
    *w = (b4c_writer){ 0 };
    return 0;
}

void b4c_writer_drop(b4c_writer *w)
{
    if (w->stream) {
        unlink(w->temporary);
        fclose(w->stream);
    }
    free(w->temporary);
    free(w->path);
    *w = (b4c_writer){ 0 };
}
