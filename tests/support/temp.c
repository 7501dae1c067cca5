/* temp.c - see temp.h. Paths are kept in a list that is freed at exit, so that leak checks stay
 * quiet. */
#include "support/test.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct kept {
    struct kept *next;
    char text[];
} kept;

static char *folder;
static kept *paths;
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    (void)remove(path);
    return 0;
}

static void remove_all(void)
{
    if (getpid() == owner)
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* not from a forked child */
    free(folder);
    while (paths) {
        kept *next = paths->next;
        free(paths);
        paths = next;
    }
}

const char *temp_folder(void)
{
    if (folder) return folder;
    const char *root = getenv("TMPDIR");
    root = root && *root ? root : "/tmp";
    const size_t n = strlen(root) + sizeof "/bert4c-test-XXXXXX";
    folder = malloc(n);
    assert_non_null(folder);
    snprintf(folder, n, "%s/bert4c-test-XXXXXX", root);
    if (!mkdtemp(folder)) fail_msg("%s: %s", folder, strerror(errno));
    owner = getpid();
    atexit(remove_all);
    return folder;
}

const char *temp_path(const char *format, ...)
{
    char name[1024];
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(name, sizeof name, format, list);
    va_end(list);
    assert_in_range(length, 0, sizeof name - 1);
    const size_t n = strlen(temp_folder()) + 1 + (size_t)length + 1;
    kept *k = malloc(sizeof *k + n);
    assert_non_null(k);
    snprintf(k->text, n, "%s/%s", folder, name);
    k->next = paths;
    paths = k;
    return k->text;
}

const char *temp_file(const char *name, const void *bytes, size_t n)
{
    char *path = (char *)(uintptr_t)temp_path("%s",
                                              name); /* ours: cut at each folder for a moment */
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0777) < 0 && errno != EEXIST) fail_msg("%s: %s", path, strerror(errno));
        *slash = '/';
    }
    FILE *f = fopen(path, "wb");
    if (!f) fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

const char *temp_text(const char *name, const char *text)
{
    return temp_file(name, text, strlen(text));
}

char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    const long size = ftell(f);
    assert_true(size >= 0);
    rewind(f);
    char *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, f), size);
    fclose(f);
    bytes[size] = 0;
    if (n) *n = (size_t)size;
    return bytes;
}
