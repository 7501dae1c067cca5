/* memory.c - blocks, the arena and the growing buffer.
 *
 * Idea: large memory comes straight from the system, on a boundary where a huge page can stand,
 * because a forward pass walks through hundreds of megabytes and would otherwise spend its time on
 * page tables. The arena reserves address space once and never moves; the system hands out its
 * pages at first touch.
 *
 *     arena   base                 used        peak              limit
 *              |  taken, in order   |  touched  |  never touched   |
 */
#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Below LARGE, rounding up to huge pages could waste a third. */
enum { HUGE_PAGE = 2 << 20, LARGE = 2 * HUGE_PAGE };

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* `bytes` of zeroed memory, on a 2 MiB boundary and with huge pages asked for when large. */
static void *map_pages(size_t bytes, int flags)
{
    const size_t slack = bytes >= LARGE ? HUGE_PAGE : 0;
    if (bytes > SIZE_MAX / 2) return NULL;
    const size_t size = round_up(bytes, page_size());
    char *p = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
                   -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (!slack) return p;

    /* Page sizes divide HUGE_PAGE, so both cuts fall on page boundaries. */
    const size_t before = round_up((uintptr_t)p, HUGE_PAGE) - (uintptr_t)p, after = slack - before;
    if (before) munmap(p, before);
    if (after) munmap(p + before + size, after);
#ifdef MADV_HUGEPAGE
    (void)madvise(p + before, size, MADV_HUGEPAGE); /* a wish; refusal costs only speed */
#endif
    return p + before;
}

void *b4c_block_new(size_t bytes)
{
    if (bytes >= LARGE) return map_pages(bytes, 0);
    const size_t size = round_up(bytes ? bytes : 1, B4C_ALIGN);
    void *block = aligned_alloc(B4C_ALIGN, size);
    if (block) memset(block, 0, size);
    return block;
}

void b4c_block_free(void *block, size_t bytes)
{
    if (block && bytes >= LARGE)
        munmap(block, round_up(bytes, page_size()));
    else
        free(block);
}

size_t b4c_memory_resident(void)
{
    unsigned long long all = 0, mapped = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    const bool found = fscanf(f, "%*u %llu %llu", &all, &mapped) == 2 && all > mapped;
    fclose(f);
    return found ? (size_t)(all - mapped) * page_size() : 0;
}

/* ---- arena ---------------------------------------------------------------------------------- */

int b4c_arena_init(b4c_arena *a, size_t limit)
{
    *a = (b4c_arena){ 0 };
    /* Where address space is rationed (ulimit -v, strict overcommit), a smaller arena is better
     * than none. */
    for (size_t try = limit ? limit : 1; try; try /= 2) {
        a->base = map_pages(try, MAP_NORESERVE);
        if (a->base) {
            a->limit = round_up(try, page_size());
            return 0;
        }
    }
    return -1;
}

void b4c_arena_done(b4c_arena *a)
{
    if (a->base) munmap(a->base, a->limit);
    *a = (b4c_arena){ 0 };
}

void b4c_arena_sparse(b4c_arena *a)
{
#ifdef MADV_NOHUGEPAGE
    if (a->base) (void)madvise(a->base, a->limit, MADV_NOHUGEPAGE);
#endif
}

void *b4c_arena_take(b4c_arena *a, size_t bytes)
{
    const size_t at = round_up(a->used, B4C_ALIGN);
    if (at > a->limit || bytes > a->limit - at) return NULL;
    a->used = at + bytes;
    if (a->used > a->peak) a->peak = a->used;
    return a->base + at;
}

void b4c_arena_trim(b4c_arena *a, size_t keep)
{
    assert(keep >= a->used);
    const size_t from = round_up(keep, page_size());
    if (from >= a->peak) return;
    (void)madvise(a->base + from, round_up(a->peak, page_size()) - from, MADV_DONTNEED);
    a->peak = keep;
}

/* ---- buffer --------------------------------------------------------------------------------- */

/* Room for n more bytes and the NUL. */
static bool grow(b4c_buffer *b, size_t n)
{
    if (b->failed) return false;
    if (n < b->room - b->size) return true; /* room is 0, or more than size */
    if (n >= SIZE_MAX / 2 - b->size) {
        b->failed = true;
        return false;
    }
    size_t room = b->room * 2;
    if (room < b->size + n + 1) room = round_up(b->size + n + 1, B4C_ALIGN);
    char *data = realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

void b4c_buffer_add(b4c_buffer *b, const void *bytes, size_t n)
{
    if (!grow(b, n)) return;
    if (n) memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = 0;
}

void b4c_buffer_text(b4c_buffer *b, const char *text) { b4c_buffer_add(b, text, strlen(text)); }

void b4c_buffer_print(b4c_buffer *b, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    const int n = vsnprintf(NULL, 0, format, list);
    if (n < 0)
        b->failed = true;
    else if (grow(b, (size_t)n)) {
        vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
    va_end(list);
}

void b4c_buffer_done(b4c_buffer *b)
{
    free(b->data);
    *b = (b4c_buffer){ 0 };
}
