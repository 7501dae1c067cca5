/* token_list.c - see token_list.h. */
#include "text/token_list.h"
#include <stdlib.h>

bool b4c_token_list_reserve(b4c_token_list *l, size_t n)
{
    if ((size_t)(l->room - l->n) >= n) return true;
    if (n > (size_t)(INT32_MAX / 2 - l->n)) return false;
    const int room = 2 * (l->n + (int)n) + 64;
    void *id = realloc(l->id, (size_t)room * sizeof *l->id);
    if (id) l->id = id;
    void *begin = realloc(l->begin, (size_t)room * sizeof *l->begin);
    if (begin) l->begin = begin;
    void *end = realloc(l->end, (size_t)room * sizeof *l->end);
    if (end) l->end = end;
    if (!id || !begin || !end) return false;
    l->room = room;
    return true;
}

void b4c_token_list_done(b4c_token_list *l)
{
    free(l->id);
    free(l->begin);
    free(l->end);
    *l = (b4c_token_list){ 0 };
}

void b4c_token_list_fuse(b4c_token_list *l, int first, int missing, int unknown)
{
    int kept = first;
    bool before = false;
    for (int i = first; i < l->n; i++) {
        const bool is = l->id[i] == missing;
        if (is && before) {
            l->end[kept - 1] = l->end[i];
            continue;
        }
        before = is;
        l->id[kept] = is ? unknown : l->id[i];
        l->begin[kept] = l->begin[i];
        l->end[kept++] = l->end[i];
    }
    l->n = kept;
}
