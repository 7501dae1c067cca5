/* The pool: every lane once, whatever sleeps, and back again. test_base_pool_condvar.c runs the
 * same on the other build. */
#include "base/pool.h"
#include "support/test.h"

#include <assert.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 8 };

typedef struct tally {
    int runs[MOST];
    int lanes;
    long sum;
} tally;

static void count_lane(void *arg, int lane, int lanes)
{
    tally *t = arg;
    assert(lane >= 0 && lane < lanes);
    t->runs[lane]++;
    if (lane == 0) t->lanes = lanes;
}

static void every_lane_runs_once_a_call(void **state)
{
    (void)state;
    for (int lanes = 1; lanes <= MOST; lanes++) {
        b4c_pool *p = b4c_pool_new(lanes);
        assert_non_null(p);
        assert_int_equal(b4c_pool_lanes(p), lanes);
        tally t = { 0 };
        enum { CALLS = 300 };
        for (int i = 0; i < CALLS; i++) b4c_pool_run(p, count_lane, &t);
        assert_int_equal(t.lanes, lanes);
        for (int k = 0; k < MOST; k++) assert_int_equal(t.runs[k], k < lanes ? CALLS : 0);
        b4c_pool_free(p);
    }
}

static void no_pool_is_one_lane(void **state)
{
    (void)state;
    tally t = { 0 };
    b4c_pool_run(NULL, count_lane, &t);
    assert_int_equal(t.runs[0], 1);
    assert_int_equal(t.lanes, 1);
    assert_int_equal(b4c_pool_lanes(NULL), 1);
    b4c_pool_free(NULL);
}

typedef struct sum_job {
    const int *x;
    long n, part[MOST];
} sum_job;

static void sum_lane(void *arg, int lane, int lanes)
{
    sum_job *j = arg;
    long begin, end, sum = 0;
    b4c_share(j->n, lane, lanes, &begin, &end);
    for (long i = begin; i < end; i++) sum += j->x[i];
    j->part[lane] = sum;
}

/* What one region writes, the next must see, from any lane: plain memory, so that TSan judges the
 * pool's order. */
static void regions_follow_one_another(void **state)
{
    (void)state;
    enum { N = 1000, CALLS = 2000 };
    static int x[N];
    b4c_pool *p = b4c_pool_new(4);
    for (int c = 0; c < CALLS; c++) {
        x[c % N] += 3;
        sum_job j = { .x = x, .n = N };
        b4c_pool_run(p, sum_lane, &j);
        assert_int_equal(j.part[0] + j.part[1] + j.part[2] + j.part[3], 3 * (c + 1));
    }
    b4c_pool_free(p);
}

static void nap(long microseconds)
{
    nanosleep(&(struct timespec){ .tv_nsec = microseconds * 1000 }, NULL);
}

static void slow_lane(void *arg, int lane, int lanes)
{
    if (lane == *(int *)arg % lanes) nap(300);
}

/* Pauses longer than the spin put workers to sleep; a slow lane puts the caller to sleep. All must
 * wake. */
static void sleepers_wake(void **state)
{
    (void)state;
    b4c_pool *p = b4c_pool_new(3);
    tally t = { 0 };
    for (int i = 0; i < 150; i++) {
        nap(i % 3 * 100);
        b4c_pool_run(p, count_lane, &t);
        b4c_pool_run(p, slow_lane, &i);
    }
    for (int k = 0; k < 3; k++) assert_int_equal(t.runs[k], 150);
    b4c_pool_free(p);
}

static void a_pool_that_sleeps_burns_no_time(void **state)
{
    (void)state;
    b4c_pool *p = b4c_pool_new(2);
    tally t = { 0 };
    b4c_pool_run(p, count_lane, &t);
    nap(20000);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    nap(200000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    const double used = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
    assert_true(used < 0.1);
    b4c_pool_free(p);
}

static void pools_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        b4c_pool *p = b4c_pool_new(1 + i % MOST);
        tally t = { 0 };
        if (i % 2) b4c_pool_run(p, count_lane, &t);
        b4c_pool_free(p);
    }
}

/* Does the system (an emulator may not) wipe a page in a forked child? Without that the pool cannot
 * know. */
static bool forks_wipe(void)
{
#ifdef MADV_WIPEONFORK
    bool *word = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(word != MAP_FAILED);
    *word = true;
    int status = 0;
    if (madvise(word, (size_t)sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) == 0) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(*word ? 0 : 1);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    munmap(word, 1);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
#else
    return false;
#endif
}

/* A server that opens its model and then forks: the child has no workers, and must neither hang nor
 * lose lanes. */
static void a_forked_child_can_go_on(void **state)
{
    (void)state;
    if (!forks_wipe()) skip();
    b4c_pool *p = b4c_pool_new(3);
    tally t = { 0 };
    b4c_pool_run(p, count_lane, &t);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        b4c_pool_run(p, count_lane, &t);
        const bool all = t.runs[0] == 2 && t.runs[1] == 2 && t.runs[2] == 2;
        b4c_pool_free(p);
        _exit(all ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    b4c_pool_run(p, count_lane, &t);
    assert_int_equal(t.runs[2], 2);
    b4c_pool_free(p);
}

static void shares_cover_everything_once(void **state)
{
    (void)state;
    for (long n = 0; n < 40; n++)
        for (int lanes = 1; lanes < 9; lanes++) {
            long at = 0;
            for (int lane = 0; lane < lanes; lane++) {
                long begin, end;
                b4c_share(n, lane, lanes, &begin, &end);
                assert_int_equal(begin, at);
                assert_in_range(end - begin, n / lanes, n / lanes + 1);
                at = end;
            }
            assert_int_equal(at, n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lane_runs_once_a_call),
        cmocka_unit_test(no_pool_is_one_lane),
        cmocka_unit_test(regions_follow_one_another),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(a_pool_that_sleeps_burns_no_time),
        cmocka_unit_test(pools_come_and_go),
        cmocka_unit_test(a_forked_child_can_go_on),
        cmocka_unit_test(shares_cover_everything_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
