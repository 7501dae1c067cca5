/* memory.h - aligned blocks for weights, and the arena that activations live in. */
#ifndef B4C_BASE_MEMORY_H
#define B4C_BASE_MEMORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define B4C_ALIGN 64

/* Asks the processor for `bytes` from `ahead` bytes behind x, which will be read soon. For rows so
 * far apart that it does not see itself where the next will be. The place need not exist. */
static inline void b4c_ask_ahead(const void *x, size_t ahead, size_t bytes)
{
    const uintptr_t from = (uintptr_t)x + ahead;
    for (size_t i = 0; i < bytes; i += B4C_ALIGN) __builtin_prefetch((const void *)(from + i));
}

/* 64-byte aligned, from anonymous memory with huge pages asked for when it is large; zeroed. NULL
 * when there is none. */
void *b4c_block_new(size_t bytes);
void b4c_block_free(void *block, size_t bytes); /* takes NULL */
/* Bytes that this process has in memory, without those of mapped files. 0: the system does not
 * say. */
size_t b4c_memory_resident(void);

/* A stack of memory that never moves: address space for `limit` bytes is reserved at once, pages
 * come when first touched and stay. Not thread-safe. */
typedef struct b4c_arena {
    char *base;
    size_t used, peak, limit;
} b4c_arena;
int b4c_arena_init(b4c_arena *, size_t limit); /* 0, or -1: no address space */
void b4c_arena_done(b4c_arena *);
/* 64-byte aligned, not zeroed. NULL: over the limit. */
void *b4c_arena_take(b4c_arena *, size_t bytes);
/* Small pages from here on: little of it will be touched, here and there. */
void b4c_arena_sparse(b4c_arena *);
/* Give pages above `keep` bytes back to the system. Only when nothing above is in use. */
void b4c_arena_trim(b4c_arena *, size_t keep);

/* Growing array of bytes; sticky `failed`. Start from {0}. */
typedef struct b4c_buffer {
    char *data;
    size_t size, room;
    bool failed;
} b4c_buffer;
void b4c_buffer_add(b4c_buffer *, const void *bytes, size_t n);
void b4c_buffer_text(b4c_buffer *, const char *text);
void b4c_buffer_print(b4c_buffer *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void b4c_buffer_done(b4c_buffer *);
/* data is kept NUL-ended beyond size by all three adders. */
#endif
