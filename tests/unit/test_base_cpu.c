/* Core counts: the mask, and control groups of both versions played by folders. */
#include "base/cpu.h"
#include "support/test.h"

#include <sched.h>

/* Quota of a process whose /proc/self/cgroup says `groups`, under the folder `mount`. */
static double quota(const char *mount, const char *groups)
{
    return b4c_cpu_quota(temp_text("groups", groups), temp_path("%s", mount));
}

static bool equal(double a, double b) { return a > b - 1e-9 && a < b + 1e-9; }

static void version_two_takes_the_least_on_the_way_up(void **state)
{
    (void)state;
    temp_text("v2/cpu.max", "800000 100000\n");
    temp_text("v2/kubepods/cpu.max", "150000 100000\n");
    temp_text("v2/kubepods/pod/cpu.max", "max 100000\n");
    temp_text("v2/wide/cpu.max", "6400000 100000\n");
    assert_true(equal(quota("v2", "0::/kubepods/pod\n"), 1.5));
    assert_true(equal(quota("v2", "0::/wide\n"), 8));
    assert_true(equal(quota("v2", "0::/\n"), 8));
}

/* REPORTS S10: the limit of a pod. */
static void a_container_sees_its_own_group_at_the_mount(void **state)
{
    (void)state;
    temp_text("inner/cpu.max", "50000 100000\n");
    assert_true(equal(quota("inner", "0::/docker/0123456789abcdef\n"), 0.5));
    assert_true(equal(quota("inner", "0::/../../other\n"), 0.5));
}

static void version_one_is_found_by_its_controllers(void **state)
{
    (void)state;
    temp_text("v1/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
    temp_text("v1/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    temp_text("v1/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    temp_text("v1/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    const char *groups =
        "5:cpuset:/job\n4:cpu,cpuacct:/job\n3:memory:/job\n1:name=systemd:/x\n0::/\n";
    assert_true(equal(quota("v1", groups), 2.5));
    assert_true(equal(quota("v1", "4:cpu,cpuacct:/elsewhere\n"), 0));
    assert_true(equal(quota("v1", "4:cpuset:/job\n"), 0));
}

static void what_is_absent_or_broken_sets_no_limit(void **state)
{
    (void)state;
    temp_text("odd/cpu.max", "");
    temp_text("odd/a/cpu.max", "what 100000\n");
    temp_text("odd/b/cpu.max", "100000 0\n");
    temp_text("odd/c/cpu.max", "-5 100000\n");
    const char *groups[] = { "", "\n", ":", "::", "cpu", "0::", "0::relative\n", "0::/\n",
                             "0::/a\n", "0::/b\n", "0::/c\n", "0::/none\n", "1:cpu:/x\n" };
    for (size_t i = 0; i < COUNT(groups); i++) assert_true(equal(quota("odd", groups[i]), 0));
    assert_true(equal(b4c_cpu_quota(temp_path("no file"), temp_folder()), 0));
}

static void a_long_path_is_no_trouble(void **state)
{
    (void)state;
    char line[6000] = "0::";
    for (size_t i = 3; i < sizeof line - 1; i++) line[i] = i % 10 == 3 ? '/' : 'x';
    assert_true(equal(quota("v2", line), 8));
}

static void the_count_respects_the_mask(void **state)
{
    (void)state;
    const int all = b4c_cpu_count();
    assert_true(all >= 1);
    cpu_set_t before, one;
    if (sched_getaffinity(0, sizeof before, &before) != 0) skip();
    int first = 0;
    while (!CPU_ISSET(first, &before)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    const int narrow = b4c_cpu_count();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(narrow, 1);
    assert_int_equal(b4c_cpu_count(), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_two_takes_the_least_on_the_way_up),
        cmocka_unit_test(a_container_sees_its_own_group_at_the_mount),
        cmocka_unit_test(version_one_is_found_by_its_controllers),
        cmocka_unit_test(what_is_absent_or_broken_sets_no_limit),
        cmocka_unit_test(a_long_path_is_no_trouble),
        cmocka_unit_test(the_count_respects_the_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
