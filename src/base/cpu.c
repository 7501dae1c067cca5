/* cpu.c - the affinity mask, and the quota of the control group.
 *
 * Idea: a container with two cores of a 64-core machine sees 64 of them; a program that believes it
 * starts 64 threads and is throttled. So the count is the least of what the mask and every
 * enclosing group allow. A file that is absent or unreadable says nothing: then that source sets no
 * limit.
 */
#include "base/cpu.h"

#include "bert4c.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 4096 };

/* First line of "folder/name" without its end; false: none. */
static bool first_line(const char *folder, const char *name, char line[LINE])
{
    char path[2 * LINE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const bool read = fgets(line, LINE, f) != NULL;
    fclose(f);
    return read;
}

/* Cores one group grants; 0: no limit stated there. */
static double group_quota(const char *folder)
{
    char line[LINE];
    double quota = 0, period = 0;
    if (first_line(folder, "cpu.max", line)) { /* "max 100000" or "150000 100000" */
        if (sscanf(line, "%lf %lf", &quota, &period) != 2) return 0;
    } else if (first_line(folder, "cpu.cfs_quota_us", line)) { /* -1: no limit */
        quota = strtod(line, NULL);
        if (!first_line(folder, "cpu.cfs_period_us", line)) return 0;
        period = strtod(line, NULL);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* Least quota of the group mount/path and those around it, up to mount itself. Inside a container,
 * path may name groups that only the host sees; the walk then ends at the mount, which is the
 * container's own group. */
static double least_quota(const char *mount, const char *path)
{
    char folder[2 * LINE];
    snprintf(folder, sizeof folder, "%s%s", mount, path);
    double least = 0;
    for (;;) {
        const double q = group_quota(folder);
        if (q > 0 && (least == 0 || q < least)) least = q;
        if (strlen(folder) <= strlen(mount)) return least;
        *strrchr(folder, '/') = 0;
    }
}

/* Is `word` one of the comma-separated words of list? */
static bool has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, n) == 0 && (at[n] == 0 || at[n] == ',')) return true;
    }
    return false;
}

double b4c_cpu_quota(const char *own_groups, const char *mount)
{
    FILE *f = fopen(own_groups, "re");
    if (!f) return 0;
    double least = 0;
    char line[LINE];
    while (fgets(line, sizeof line, f)) { /* "0::/path" or "4:cpu,cpuacct:/path" */
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path || path[1] != '/') continue;
        *controllers++ = 0;
        *path++ = 0;
        char at[LINE];
        if (*controllers == 0) /* version 2: one tree */
            snprintf(at, sizeof at, "%s", mount);
        else if (has_word(controllers, "cpu")) /* version 1: a tree named by its controllers */
            snprintf(at, sizeof at, "%s/%s", mount, controllers);
        else
            continue;
        const double q = least_quota(at, path);
        if (q > 0 && (least == 0 || q < least)) least = q;
    }
    fclose(f);
    return least;
}

static int affinity_count(void)
{
#ifdef __linux__
    /* The mask grows with the machine; the call refuses a set that is too small. */
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set) break;
        const size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        const int n = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (n > 0) return n;
    }
#endif
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int b4c_cpu_count(void)
{
    const int cores = affinity_count();
    const double quota = b4c_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota <= 0 || quota >= cores) return cores;
    return (int)ceil(quota); /* one core and a half keeps two threads busy most of the time */
}
