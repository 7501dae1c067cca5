/* kernels_common.h - what the kernel tests share: cmocka, the tables this machine has, random
 * numbers. */
#ifndef B4C_TESTS_KERNELS_COMMON_H
#define B4C_TESTS_KERNELS_COMMON_H
#include "amx_emulated_table.h"
#include "base/memory.h"
#include "math/kernels.h"

/* cmocka.h wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const table_names[] = { "scalar", "avx2", "avx512", "amx", "neon" };
enum { TABLE_NAMES = sizeof table_names / sizeof *table_names };

/* A table of this machine; AMX with its tiles emulated where it has none. */
static inline const b4c_kernels *find_table(const char *name)
{
    const b4c_kernels *t = b4c_kernels_find(name);
    return t || strcmp(name, "amx") != 0 ? t : amx_emulated_table();
}

/* The tables one after the other: from NULL to NULL. */
static inline const b4c_kernels *next_table(const b4c_kernels *t)
{
    int i = 0;
    while (t && strcmp(table_names[i], t->name) != 0) i++;
    for (i += t != NULL; i < TABLE_NAMES; i++) {
        const b4c_kernels *found = find_table(table_names[i]);
        if (found) return found;
    }
    return NULL;
}

static inline void print_tables(void)
{
    for (int i = 0; i < TABLE_NAMES; i++) {
        const char *name = table_names[i];
        printf("%s: %s\n", name,
               b4c_kernels_find(name) ? "tested"
               : find_table(name)     ? "tested with its tiles emulated"
                                      : "skipped: not on this machine");
    }
    fflush(stdout);
}

/* n numbers, uniform in -size .. size. */
static inline float *random_floats(size_t n, uint32_t seed, float size)
{
    float *x = malloc((n + 1) * sizeof *x);
    uint64_t s = 0x9e3779b97f4a7c15u * (seed + 1);
    for (size_t i = 0; x && i < n; i++) {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        x[i] = size * ((float)(s >> 40) / (float)(1 << 23) - 1);
    }
    return x;
}
#endif
