/* test_threads.c - how many threads the command uses and why: said, chosen by one option, and no
 * more than that; no process besides its own.
 */
#include "bert4c.h"
#include "cli/command.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

static run embed(const char *threads)
{
    return threads ? bert4c(NULL, "embed", "-m", tiny_model(), "--threads", threads, "我", NULL)
                   : bert4c(NULL, "embed", "-m", tiny_model(), "我", NULL);
}

/* REPORTS S12: OMP_NUM_THREADS=1 made one framework 43 % slower and another one no different. Here
 * one option decides, other programs' variables do not, and the number is said with its reason. */
static void how_many_threads_work_is_said_with_the_reason(void **state)
{
    (void)state;
    static const char *const others[] = { "OMP_NUM_THREADS", "MKL_NUM_THREADS",
                                          "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS" };
    char said[100];
    const run usual = embed(NULL), three = embed("3");
    const int n = b4c_cpu_count();
    snprintf(said, sizeof said, " kernels, %d thread%s (", n, n == 1 ? "" : "s");
    assert_says(usual, said);
    assert_says(three, " kernels, 3 threads (--threads)\n");
    for (size_t i = 0; i < COUNT(others); i++) setenv(others[i], "1", 1);
    assert_string_equal(embed(NULL).err, usual.err);
    assert_string_equal(embed("3").err, three.err);
    for (size_t i = 0; i < COUNT(others); i++) unsetenv(others[i]);
    assert_string_equal(usual.out, three.out);
}

static void a_process_that_may_use_one_core_says_so(void **state)
{
    (void)state;
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) < 0 || sysconf(_SC_NPROCESSORS_ONLN) < 2) skip();
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    const run r = embed(NULL);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_says(r, " kernels, 1 thread (of ");
    assert_says(r, " cores: affinity or control group allow no more)\n");
}

/* Entries of a folder in /proc, or -1. */
static int entries(const char *format, int pid)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, format, pid);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    return d ? closedir(d), n : -1;
}

/* REPORTS S19, S03: for one sentence a pool of processes was started, and where one of them was
 * killed its parent waited for ever. A command that has answered, and waits for more, is one
 * process with the threads that it was told. */
static void one_sentence_starts_no_process_and_no_thread_beyond_those_asked(void **state)
{
    (void)state;
    if (entries("/proc/%d/task", getpid()) < 0) skip();
    for (int threads = 1; threads <= 3; threads++) {
        char number[16], path[64], children[64] = "", answer[4096];
        snprintf(number, sizeof number, "%d", threads);
        running r = bert4c_start(
            (const char *const[]){ "embed", "-q", "-m", tiny_model(), "--threads", number, NULL });
        assert_int_equal(write(r.in, "我\n", 4), 4);
        assert_true(read(r.out, answer, sizeof answer) > 0);
        assert_int_equal(entries("/proc/%d/task", r.pid), threads);
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)r.pid, (int)r.pid);
        FILE *f = fopen(path, "r");
        if (f) {
            assert_int_equal(fread(children, 1, sizeof children - 1, f), 0);
            fclose(f);
        }
        assert_code(bert4c_wait(&r), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_many_threads_work_is_said_with_the_reason),
        cmocka_unit_test(a_process_that_may_use_one_core_says_so),
        cmocka_unit_test(one_sentence_starts_no_process_and_no_thread_beyond_those_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
