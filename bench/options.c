/* options.c - the options of a benchmark, by a table. See bench.h. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const bench_option *find(const bench_option *list, const char *name)
{
    while (list->name && strcmp(list->name, name) != 0) list++;
    return list->name ? list : NULL;
}

int bench_read_options(int argc, char **argv, const bench_option *list)
{
    const char *slash = strrchr(argv[0], '/'), *program = slash ? slash + 1 : argv[0];
    for (int i = 1; i < argc; i++) {
        const bench_option *o = find(list, argv[i]);
        if (o && o->flag) {
            *o->flag = true;
            continue;
        }
        if (!o || i + 1 == argc) {
            fprintf(stderr, "%s: %s %s; known are", program,
                    o ? "there is no value behind" : "unknown option", argv[i]);
            for (; list->name; list++) fprintf(stderr, " %s", list->name);
            fprintf(stderr, "\n");
            return 2;
        }
        const char *value = argv[++i];
        if (o->count) *o->count = atoi(value);
        if (o->number) *o->number = atof(value);
        if (o->text) *o->text = value;
    }
    return 0;
}
