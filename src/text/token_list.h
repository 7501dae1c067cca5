/* token_list.h - a text as ids and places, while a model cuts it. */
#ifndef B4C_TEXT_TOKEN_LIST_H
#define B4C_TEXT_TOKEN_LIST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ids, and [begin, end) in bytes of the text. Reused: start from {0}, free once. */
typedef struct b4c_token_list {
    int n, room;
    int *id;
    uint32_t *begin, *end;
} b4c_token_list;

/* Room for n more tokens. False: no memory; the list is as it was. */
bool b4c_token_list_reserve(b4c_token_list *, size_t n);
void b4c_token_list_done(b4c_token_list *);
/* Every run of `missing` from index `first` on becomes one token `unknown`. */
void b4c_token_list_fuse(b4c_token_list *, int first, int missing, int unknown);

/* Within what was reserved. */
static inline void b4c_token_list_add(b4c_token_list *l, int id, size_t begin, size_t end)
{
    l->id[l->n] = id;
    l->begin[l->n] = (uint32_t)begin;
    l->end[l->n++] = (uint32_t)end;
}
#endif
