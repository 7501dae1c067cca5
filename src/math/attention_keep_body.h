/* attention_keep_body.h - keys and values that stay for later queries, in the order in which
 * attention's tile reads them. Included after attention_tile_body.h.
 *
 * The idea: a key is turned once, when it comes, not at every step that looks at it. Room for keys
 * is cut into pages of B4C_PAGE keys, so that sequences which began alike share whole pages, and a
 * sequence may lie anywhere. A page holds, for each key head, its panels of keys, then for each its
 * values:
 *
 *     [kv_heads] [panels][d][VEC_LANES]        in pairs [panels][d / 2][VEC_LANES][2]
 *     [kv_heads] [PAGE][d]                     in pairs [PAGE / 2][d][2]
 *
 * Keys that come together are turned by vectors of them.
 *
 * Invariants: PAGE is a multiple of COLS, so what a tile takes lies in one page. What a page holds
 * behind its last key is finite as far as values go (they are summed with weights of 0): whoever
 * takes a page zeroes it.
 */
#ifndef B4C_MATH_ATTENTION_KEEP_BODY_H
#define B4C_MATH_ATTENTION_KEEP_BODY_H
#include "math/attention_tile_body.h"

/* Head sizes that may go in pairs are multiples of this; 0: none may. */
static int attention_bf16_heads(void)
{
#ifdef VEC_PAIRS
    return b4c_cpu_get()->fast_bf16 ? VEC_LANES : 0;
#else
    return 0;
#endif
}

static bool heads_in_pairs(int head_size, bool bf16)
{
    const int unit = attention_bf16_heads();
    return bf16 && unit && head_size % unit == 0;
}

/* Bytes of a page's keys, and of its values, of one head. */
static size_t page_head_bytes(int head_size, bool pairs)
{
    return (size_t)B4C_PAGE * (size_t)head_size * (pairs ? sizeof(uint16_t) : sizeof(b4c_real));
}

static size_t vector_page_bytes(int kv_heads, int head_size, bool bf16)
{
    return 2 * (size_t)kv_heads * page_head_bytes(head_size, heads_in_pairs(head_size, bf16));
}

/* Key head kv's keys in a page; its values. */
static char *page_keys(char *page, int kv, int head_size, bool pairs)
{
    return page + (size_t)kv * page_head_bytes(head_size, pairs);
}
static char *page_values(char *page, int kv_heads, int kv, int head_size, bool pairs)
{
    return page + (size_t)(kv_heads + kv) * page_head_bytes(head_size, pairs);
}

/* Components [d] of a page's key number `at`, into its panels. */
static void keep_key_numbers(const b4c_real *k, int d, int at, b4c_real *panels)
{
    b4c_real *to = panels + (size_t)(at / VEC_LANES * VEC_LANES) * (size_t)d + at % VEC_LANES;
    for (int c = 0; c < d; c++) to[(size_t)c * VEC_LANES] = k[c];
}

#ifdef VEC_PAIRS
/* d is a multiple of VEC_LANES; numbers are rounded as the tile's factors are. */
static void keep_key_pairs(const b4c_real *k, int d, int at, uint16_t *panels)
{
    uint16_t *to = panels + (size_t)(at / VEC_LANES * VEC_LANES) * (size_t)d + 2 * (at % VEC_LANES);
    for (int c = 0; c < d; c += VEC_LANES) {
        uint16_t half[VEC_LANES];
        v_store_bf16_n(half, v_load(k + c), VEC_LANES);
        for (int i = 0; i < VEC_LANES; i += 2, to += 2 * VEC_LANES)
            memcpy(to, half + i, 2 * sizeof *to);
    }
}

static void keep_value_pairs(const b4c_real *v, int d, int at, uint16_t *pairs)
{
    uint16_t *to = pairs + (size_t)(at / 2) * 2 * (size_t)d + at % 2;
    for (int c = 0; c < d; c += VEC_LANES) {
        uint16_t half[VEC_LANES];
        v_store_bf16_n(half, v_load(v + c), VEC_LANES);
        for (int i = 0; i < VEC_LANES; i++, to += 2) *to = half[i];
    }
}
#endif

/* One key, one value, as a page's number `at`. */
static void keep_key(const b4c_real *k, int d, int at, bool pairs, void *keys)
{
#ifdef VEC_PAIRS
    if (pairs) {
        keep_key_pairs(k, d, at, keys);
        return;
    }
#endif
    (void)pairs;
    keep_key_numbers(k, d, at, keys);
}

static void keep_value(const b4c_real *v, int d, int at, bool pairs, void *values)
{
#ifdef VEC_PAIRS
    if (pairs) {
        keep_value_pairs(v, d, at, values);
        return;
    }
#endif
    (void)pairs;
    memcpy((b4c_real *)values + (size_t)at * (size_t)d, v, (size_t)d * sizeof *v);
}

/* VEC_LANES of both, from a multiple of as many on: whole vectors of their panel. */
static void keep_vector(const b4c_keeping *job, const b4c_real *k, const b4c_real *v, int at,
                        bool pairs, void *keys, void *values)
{
    const int d = job->head_size;
    const size_t panel = (size_t)at * (size_t)d;
#ifdef VEC_PAIRS
    if (pairs) {
        uint16_t *to = (uint16_t *)keys + panel;
        attention_turn(k, (size_t)job->k_ld, d, 0, VEC_LANES, (b4c_real *)(void *)to, true);
        attention_pair(v, (size_t)job->v_ld, d, 0, VEC_LANES,
                       (uint16_t *)values + (size_t)at * (size_t)d);
        return;
    }
#endif
    (void)pairs;
    attention_turn(k, (size_t)job->k_ld, d, 0, VEC_LANES, (b4c_real *)keys + panel, false);
    for (int i = 0; i < VEC_LANES; i++)
        memcpy((b4c_real *)values + (size_t)(at + i) * (size_t)d, v + (size_t)i * (size_t)job->v_ld,
               (size_t)d * sizeof *v);
}

static void vector_keep(const b4c_keeping *job, int begin, int end)
{
    const int d = job->head_size, kv_heads = job->kv_heads;
    const bool pairs = heads_in_pairs(d, job->bf16);
    const size_t bytes = vector_page_bytes(kv_heads, d, job->bf16);
    for (int row = begin, n; row < end; row += n) {
        const b4c_real *k = job->k + (size_t)row * (size_t)job->k_ld;
        const b4c_real *v = job->v + (size_t)row * (size_t)job->v_ld;
        const int key = job->at + row, at = key % B4C_PAGE;
        char *page = job->pages + (size_t)job->page[key / B4C_PAGE] * bytes;
        n = at % VEC_LANES == 0 && end - row >= VEC_LANES ? VEC_LANES : 1;
        for (int h = 0; h < kv_heads; h++, k += d, v += d) {
            void *keys = page_keys(page, h, d, pairs);
            void *values = page_values(page, kv_heads, h, d, pairs);
            if (n == VEC_LANES) {
                keep_vector(job, k, v, at, pairs, keys, values);
            } else {
                keep_key(k, d, at, pairs, keys);
                keep_value(v, d, at, pairs, values);
            }
        }
    }
}

/* Keys as columns of their panels, values as they stand, or in whole pairs. */
static void vector_copy_kept(int kv_heads, int head_size, bool bf16, const char *from, int at,
                             char *to, int to_at, int n)
{
    const bool pairs = heads_in_pairs(head_size, bf16);
    const size_t d = (size_t)head_size, one = pairs ? sizeof(uint16_t) : sizeof(b4c_real);
    /* Bytes of a key in a step of its panel, and of that step. */
    const size_t key = pairs ? 2 * one : one, row = VEC_LANES * key;
    const int steps = pairs ? head_size / 2 : head_size;
    for (int kv = 0; kv < kv_heads; kv++) {
        const char *keys = page_keys((char *)(uintptr_t)from, kv, head_size, pairs);
        char *to_keys = page_keys(to, kv, head_size, pairs);
        for (int j = 0, some; j < n; j += some) {
            const int from_col = (at + j) % VEC_LANES, to_col = (to_at + j) % VEC_LANES;
            const int left = VEC_LANES - from_col, room = VEC_LANES - to_col;
            some = left < room ? left : room;
            if (some > n - j) some = n - j;
            const char *x = keys + (size_t)(at + j - from_col) * d * one + (size_t)from_col * key;
            char *y = to_keys + (size_t)(to_at + j - to_col) * d * one + (size_t)to_col * key;
            for (int c = 0; c < steps; c++, x += row, y += row) memcpy(y, x, (size_t)some * key);
        }
        const char *values = page_values((char *)(uintptr_t)from, kv_heads, kv, head_size, pairs);
        char *to_values = page_values(to, kv_heads, kv, head_size, pairs);
        const int rows = pairs ? n + n % 2 : n;
        memcpy(to_values + (size_t)to_at * d * one, values + (size_t)at * d * one,
               (size_t)rows * d * one);
    }
}
#endif
