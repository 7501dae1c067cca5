/* Mapped files, paths, and files that appear only when complete. */
#include "base/file.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- reading -------------------------------------------------------------------------------- */

static void a_file_is_mapped_whole(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_file f;
    assert_ok(b4c_file_map(&f, temp_text("模型/词表.txt", "你好\0世界"), &err), &err);
    assert_int_equal(f.size, 6);
    assert_memory_equal(f.data, "你好", 6);
    b4c_file_unmap(&f);
    assert_null(f.data);
    b4c_file_unmap(&f);
}

static void an_empty_file_is_empty(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_file f;
    assert_ok(b4c_file_map(&f, temp_text("empty", ""), &err), &err);
    assert_int_equal(f.size, 0);
    assert_non_null(f.data);
    b4c_file_forget(&f, f.data, 0);
    b4c_file_unmap(&f);
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_file f;
    const char *pipe_path = temp_path("pipe");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_fails(b4c_file_map(&f, temp_folder(), &err), &err, B4C_E_IO,
                 "is a folder, wanted a regular file");
    assert_fails(b4c_file_map(&f, pipe_path, &err), &err, B4C_E_IO, "is a pipe");
    assert_fails(b4c_file_map(&f, "/dev/null", &err), &err, B4C_E_IO, "is a device");
    assert_fails(b4c_file_map(&f, temp_path("没有"), &err), &err, B4C_E_IO,
                 "没有: cannot be opened: No such file");
    assert_int_equal(f.size, 0);
    b4c_file_unmap(&f);
}

static void forgotten_bytes_come_back_when_read(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 16 * page + 100;
    unsigned char *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(i * 7 + i / 251);
    b4c_error err = { 0 };
    b4c_file f;
    assert_ok(b4c_file_map(&f, temp_file("pages", bytes, n), &err), &err);
    for (size_t begin = 0; begin < n; begin += page / 2 + 13)
        for (size_t size = 0; begin + size <= n; size += page - 3) {
            b4c_file_forget(&f, f.data + begin, size);
            assert_memory_equal(f.data, bytes, n);
        }
    b4c_file_forget(&f, f.data, n);
    b4c_file_forget(&f, f.data + 1, SIZE_MAX); /* beyond the file: nothing */
    b4c_file_forget(&f, bytes, n);             /* not of this file: nothing */
    assert_memory_equal(f.data, bytes, n);
    b4c_file_unmap(&f);
    free(bytes);
}

static void forgotten_pages_do_not_count_as_ours(void **state)
{
    (void)state;
    enum { N = 32 << 20 };
    unsigned char *bytes = malloc(N);
    assert_non_null(bytes);
    memset(bytes, 1, N);
    b4c_error err = { 0 };
    b4c_file f;
    assert_ok(b4c_file_map(&f, temp_file("big", bytes, N), &err), &err);
    free(bytes);
    unsigned sum = 0;
    long before[2], after[2];
    for (size_t i = 0; i < N; i += 512) sum += f.data[i];
    assert_int_equal(sum, N / 512);
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm) skip();
    assert_int_equal(fscanf(statm, "%ld %ld", &before[0], &before[1]), 2);
    fclose(statm);
    b4c_file_forget(&f, f.data, N);
    statm = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(statm, "%ld %ld", &after[0], &after[1]), 2);
    fclose(statm);
    b4c_file_unmap(&f);
    /* The page cache may map more than was touched, and emulators report their own; most of it must
     * be gone. */
    if (before[1] * sysconf(_SC_PAGESIZE) < N) skip();
    assert_true((before[1] - after[1]) * sysconf(_SC_PAGESIZE) > N / 2);
}

/* ---- paths ---------------------------------------------------------------------------------- */

static void paths_are_taken_apart_and_joined(void **state)
{
    (void)state;
    static const struct {
        const char *path, *folder, *name;
    } cases[] = {
        { "a/b", "a", "b" },
        { "b", ".", "b" },
        { "/b", "/", "b" },
        { "/a/b/", "/a/b", "" },
        { "a//b", "a", "b" },
        { "", ".", "" },
        { "模型/词表", "模型", "词表" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *folder = b4c_path_folder(cases[i].path);
        assert_string_equal(folder, cases[i].folder);
        assert_string_equal(b4c_path_name(cases[i].path), cases[i].name);
        free(folder);
    }
    static const char *const joins[][3] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "", "b", "b" }, { "/", "b", "/b" }
    };
    for (size_t i = 0; i < COUNT(joins); i++) {
        char *path = b4c_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(path, joins[i][2]);
        free(path);
    }
}

static void names_from_files_stay_inside(void **state)
{
    (void)state;
    const char *inside[] = { "a", "a/b", "a.b/..c", "...", "模型/权重-00001.bin", "./a" };
    const char *outside[] = { "", "/", "/a", "..", "../a", "a/..", "a/../b", "a//b", "a/", "//" };
    for (size_t i = 0; i < COUNT(inside); i++)
        if (!b4c_path_is_inside(inside[i])) fail_msg("refused: %s", inside[i]);
    for (size_t i = 0; i < COUNT(outside); i++)
        if (b4c_path_is_inside(outside[i])) fail_msg("taken: %s", outside[i]);
}

static void existence_tells_files_from_folders(void **state)
{
    (void)state;
    const char *file = temp_text("one", "1"), *link_path = temp_path("link"),
               *dangling = temp_path("dangling");
    assert_int_equal(symlink(file, link_path), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_true(b4c_file_exists(file) && b4c_file_exists(link_path));
    assert_false(b4c_file_exists(dangling) || b4c_file_exists(temp_folder()) ||
                 b4c_file_exists(temp_path("none")));
    assert_true(b4c_folder_exists(temp_folder()));
    assert_false(b4c_folder_exists(file) || b4c_folder_exists(temp_path("none")));
}

/* ---- writing -------------------------------------------------------------------------------- */

static void assert_holds(const char *path, const char *want)
{
    size_t n;
    char *got = read_file(path, &n);
    assert_string_equal(got, want);
    assert_int_equal(n, strlen(want));
    free(got);
}

static int write_text(const char *path, const char *text, b4c_error *err)
{
    b4c_writer w;
    B4C_TRY(b4c_writer_open(&w, path, err));
    const int rc = b4c_writer_write(&w, text, strlen(text), err);
    if (rc < 0) {
        b4c_writer_drop(&w);
        return rc;
    }
    return b4c_writer_commit(&w, err);
}

static void a_file_appears_only_when_complete(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *path = temp_path("结果.txt"), *part = temp_path("结果.txt.part");
    b4c_writer w;
    assert_ok(b4c_writer_open(&w, path, &err), &err);
    assert_ok(b4c_writer_write(&w, "一二三", 9, &err), &err);
    assert_ok(b4c_writer_write(&w, "", 0, &err), &err);
    assert_false(b4c_file_exists(path));
    assert_true(b4c_file_exists(part));
    assert_ok(b4c_writer_commit(&w, &err), &err);
    assert_holds(path, "一二三");
    assert_false(b4c_file_exists(part));
    b4c_writer_drop(&w);
    assert_holds(path, "一二三");
}

static void a_dropped_file_leaves_the_old_one(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *path = temp_text("kept", "old");
    b4c_writer w;
    assert_ok(b4c_writer_open(&w, path, &err), &err);
    assert_ok(b4c_writer_write(&w, "new", 3, &err), &err);
    b4c_writer_drop(&w);
    assert_holds(path, "old");
    assert_false(b4c_file_exists(temp_path("kept.part")));
    b4c_writer zero = { 0 };
    b4c_writer_drop(&zero);
}

static void a_replaced_file_keeps_its_mode(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *path = temp_text("private", "old");
    assert_int_equal(chmod(path, 0640), 0);
    b4c_writer w;
    struct stat st;
    assert_ok(b4c_writer_open(&w, path, &err), &err);
    assert_int_equal(stat(temp_path("private.part"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640); /* before a byte is written */
    assert_ok(b4c_writer_commit(&w, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_link_is_written_through(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *real = temp_text("real/file", "old"), *link_path = temp_path("through");
    assert_int_equal(symlink("real/file", link_path), 0);
    assert_ok(write_text(link_path, "new", &err), &err);
    struct stat st;
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_holds(real, "new");
}

static void two_writers_of_one_file_do_not_mix(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *path = temp_path("shared");
    b4c_writer first, second;
    assert_ok(b4c_writer_open(&first, path, &err), &err);
    assert_fails(b4c_writer_open(&second, path, &err), &err, B4C_E_IO,
                 "another process is writing it");
    assert_ok(b4c_writer_write(&first, "1", 1, &err), &err);
    assert_ok(b4c_writer_commit(&first, &err), &err);
    assert_ok(write_text(path, "2", &err), &err);
    assert_holds(path, "2");
}

static void what_a_crash_left_is_started_over(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    temp_text("again.part", "a long rest of an earlier run");
    assert_ok(write_text(temp_path("again"), "short", &err), &err);
    assert_holds(temp_path("again"), "short");
}

static void only_regular_files_are_replaced(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_writer w;
    assert_fails(b4c_writer_open(&w, "/dev/null", &err), &err, B4C_E_IO, "is a device");
    assert_fails(b4c_writer_open(&w, temp_folder(), &err), &err, B4C_E_IO, "is a folder");
    assert_fails(b4c_writer_open(&w, temp_path("none/such"), &err), &err, B4C_E_IO,
                 "cannot be written: No such file");
    assert_fails(b4c_writer_open(&w, temp_path("new/"), &err), &err, B4C_E_ARG, "no file name");
    const char *trap = temp_path("trap.part");
    assert_int_equal(symlink(temp_text("victim", "precious"), trap), 0);
    assert_fails(b4c_writer_open(&w, temp_path("trap"), &err), &err, B4C_E_IO, "cannot be written");
    assert_holds(temp_path("victim"), "precious");
}

/* A full disk, played by a limit on file sizes: the error comes at the write or at the commit, and
 * nothing is replaced. */
static void a_full_disk_is_an_error_and_leaves_the_old_file(void **state)
{
    (void)state;
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    static const size_t sizes[] = { 5000, 3000000 }; /* less and more than the stream's buffer */
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const char *path = temp_text("full", "old");
        char *bytes = calloc(1, sizes[i]);
        assert_non_null(bytes);
        b4c_error err = { 0 };
        b4c_writer w;
        assert_ok(b4c_writer_open(&w, path, &err), &err);
        tight = before;
        tight.rlim_cur = 4096;
        const int limited = setrlimit(RLIMIT_FSIZE, &tight);
        int rc = b4c_writer_write(&w, bytes, sizes[i], &err);
        if (rc == 0) rc = b4c_writer_commit(&w, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        free(bytes);
        b4c_writer_drop(&w);
        if (limited != 0) skip();
        assert_int_equal(rc, B4C_E_IO);
        assert_error(&err, B4C_E_IO, "cannot be written: File too large");
        assert_holds(path, "old");
        assert_false(b4c_file_exists(temp_path("full.part")));
    }
    signal(SIGXFSZ, handler);
}

static void a_process_that_dies_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = temp_text("survivor", "old");
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        b4c_writer w;
        if (b4c_writer_open(&w, path, NULL) < 0 || b4c_writer_write(&w, "half", 4, NULL) < 0)
            _exit(1);
        fflush(w.stream);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_holds(path, "old");
    b4c_error err = { 0 };
    assert_ok(write_text(path, "new", &err), &err);
    assert_holds(path, "new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_mapped_whole),
        cmocka_unit_test(an_empty_file_is_empty),
        cmocka_unit_test(only_regular_files_are_read),
        cmocka_unit_test(forgotten_bytes_come_back_when_read),
        cmocka_unit_test(forgotten_pages_do_not_count_as_ours),
        cmocka_unit_test(paths_are_taken_apart_and_joined),
        cmocka_unit_test(names_from_files_stay_inside),
        cmocka_unit_test(existence_tells_files_from_folders),
        cmocka_unit_test(a_file_appears_only_when_complete),
        cmocka_unit_test(a_dropped_file_leaves_the_old_one),
        cmocka_unit_test(a_replaced_file_keeps_its_mode),
        cmocka_unit_test(a_link_is_written_through),
        cmocka_unit_test(two_writers_of_one_file_do_not_mix),
        cmocka_unit_test(what_a_crash_left_is_started_over),
        cmocka_unit_test(only_regular_files_are_replaced),
        cmocka_unit_test(a_full_disk_is_an_error_and_leaves_the_old_file),
        cmocka_unit_test(a_process_that_dies_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
