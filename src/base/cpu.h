/* cpu.h - how many cores this process may really use. b4c_cpu_count itself is public: bert4c.h. */
#ifndef B4C_BASE_CPU_H
#define B4C_BASE_CPU_H

/* CPU time in cores that control groups grant, e.g. 1.5; 0: they set no limit.
 * own_groups: the file "/proc/self/cgroup"; mount: "/sys/fs/cgroup". The least quota from the
 * process's group up to the root counts. Reads version 2 (cpu.max) and version 1
 * (cpu.cfs_quota_us). */
double b4c_cpu_quota(const char *own_groups, const char *mount);
#endif
