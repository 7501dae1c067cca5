/* attention_keep_body.h - keys and values that stay for later queries, in the order in which
 * attention's tile reads them. Included after attention_tile_body.h.
 *
 * The idea: a key is turned once, when it comes, not at every step that looks at it. Room for keys
 * is cut into pages of B4C_PAGE keys, so that sequences which began alike share whole pages, and a
 * sequence may lie anywhere. A page holds, for each key head, its panels of keys, then for each its
 * values:
 *
 *     [kv_heads] [PAGE / COLS][d][COLS]        in pairs [PAGE / COLS][d / 2][COLS][2]
 *     [kv_heads] [PAGE][d]                     in pairs [PAGE / 2][d][2]
 *
 * Keys that come together are turned by vectors of them.
 *
 * Invariants: PAGE is a multiple of COLS, so a panel never crosses pages. What a page holds behind
 * its last key is finite as far as values go (they are summed with weights of 0): whoever takes a
 * page zeroes it.
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
static void keep_key(const b4c_real *k, int d, int at, b4c_real *panels)
{
    b4c_real *to = panels + (size_t)(at / COLS) * (size_t)d * COLS + at % COLS;
    for (int c = 0; c < d; c++) to[(size_t)c * COLS] = k[c];
}

#ifdef VEC_PAIRS
/* d is a multiple of VEC_LANES; numbers are rounded as the tile's factors are. */
static void keep_key_pairs(const b4c_real *k, int d, int at, uint16_t *panels)
{
    uint16_t *to = panels + (size_t)(at / COLS) * (size_t)d * COLS + 2 * (at % COLS);
    for (int c = 0; c < d; c += VEC_LANES) {
        uint16_t half[VEC_LANES];
        v_store_bf16_n(half, v_load(k + c), VEC_LANES);
        for (int i = 0; i < VEC_LANES; i += 2, to += 2 * COLS)
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

/* One key and its value, as a page's number `at`. */
static void keep_one(const b4c_real *k, const b4c_real *v, int d, int at, bool pairs, void *keys,
                     void *values)
{
#ifdef VEC_PAIRS
    if (pairs) {
        keep_key_pairs(k, d, at, keys);
        keep_value_pairs(v, d, at, values);
        return;
    }
#endif
    (void)pairs;
    keep_key(k, d, at, keys);
    memcpy((b4c_real *)values + (size_t)at * (size_t)d, v, (size_t)d * sizeof *v);
}

/* VEC_LANES of them, from a multiple of as many on: whole vectors of their panel. */
static void keep_vector(const b4c_keeping *job, const b4c_real *k, const b4c_real *v, int at,
                        bool pairs, void *keys, void *values)
{
    const int d = job->head_size;
    const size_t panel = (size_t)(at / COLS) * (size_t)d * COLS, half = (size_t)(at % COLS);
#ifdef VEC_PAIRS
    if (pairs) {
        uint16_t *to = (uint16_t *)keys + panel + 2 * half;
        attention_turn(k, (size_t)job->k_ld, d, 0, VEC_LANES, (b4c_real *)(void *)to, true);
        attention_pair(v, (size_t)job->v_ld, d, 0, VEC_LANES,
                       (uint16_t *)values + (size_t)at * (size_t)d);
        return;
    }
#endif
    (void)pairs;
    attention_turn(k, (size_t)job->k_ld, d, 0, VEC_LANES, (b4c_real *)keys + panel + half, false);
    for (int i = 0; i < VEC_LANES; i++)
        memcpy((b4c_real *)values + (size_t)(at + i) * (size_t)d, v + (size_t)i * (size_t)job->v_ld,
               (size_t)d * sizeof *v);
}

/* Key head kv of the job's first row alone. */
static void keep_head(const b4c_keeping *job, int kv)
{
    const int d = job->head_size, column = kv * d;
    const bool pairs = heads_in_pairs(d, job->bf16);
    const size_t bytes = vector_page_bytes(job->kv_heads, d, job->bf16);
    char *page = job->pages + (size_t)job->page[job->at / B4C_PAGE] * bytes;
    keep_one(job->k + column, job->v + column, d, job->at % B4C_PAGE, pairs,
             page_keys(page, kv, d, pairs), page_values(page, job->kv_heads, kv, d, pairs));
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
            if (n == VEC_LANES) keep_vector(job, k, v, at, pairs, keys, values);
            else keep_one(k, v, d, at, pairs, keys, values);
        }
    }
}
#endif
