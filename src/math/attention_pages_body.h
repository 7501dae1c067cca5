/* attention_pages_body.h - where kept keys lie: what attention's products ask of pages. Included by
 * attention_body.h.
 *
 * The idea: sequences that began alike share a trunk, and each goes on in a branch. Queries of such
 * sequences make one job: a tile takes the trunk for all of them, as if they were queries of one
 * sequence, and each branch for its own. Either way a sum runs over the same keys in the same
 * order. (Juravsky et al. 2024: Hydragen.)
 */
#ifndef B4C_MATH_ATTENTION_PAGES_BODY_H
#define B4C_MATH_ATTENTION_PAGES_BODY_H
#include "math/attention_room_body.h"

typedef struct attention_head {
    const b4c_attention *job;
    attention_room room;
    int head, kv;            /* of queries; of the keys that they see */
    size_t page_bytes;       /* of kept keys and values */
    const b4c_real *q, *v;   /* columns of this head, of the sequence's first row */
    const uint16_t *q_half, *v_half;     /* instead of them, or NULL */
    const int *from, *upto;  /* [q_rows] */
    bool together;           /* strips go over heads */
    int low, high;           /* keys that any query of the job sees */
    b4c_real inverse[STRIP_ROWS];   /* 1 / sum of weights, 0 for a query that sees nothing */
} attention_head;

/* ---- where a key lies ------------------------------------------------------------------------ */

/* Number `key` of the page, which is the `index`th of its sequence and ends before key `upto`. */
typedef struct attention_place { char *page; int key, index, upto; } attention_place;

/* Page number `index` of row `row`'s sequence. */
static inline char *attention_page(const attention_head *t, int row, int index)
{
    const b4c_attention *job = t->job;
    const int trunk = b4c_pages_of(job->trunk);
    const bool own = job->branch && index >= trunk;
    const int number = job->page[own ? job->branch[row] + index - trunk : index];
    return job->pages + (size_t)number * t->page_bytes;
}

/* Kept key j of the sequence of query `row`. */
static attention_place attention_find(const attention_head *t, int row, int j)
{
    const int trunk = t->job->trunk, key = j < trunk ? j : j - trunk, page = key / B4C_PAGE;
    attention_place at = { .key = key % B4C_PAGE, .index = page };
    at.upto = (page + 1) * B4C_PAGE;
    if (j >= trunk) {
        at.index += b4c_pages_of(trunk);
        at.upto += trunk;
    } else if (at.upto > trunk) {
        at.upto = trunk;
    }
    at.page = attention_page(t, row, at.index);
    return at;
}

/* ---- what will be wanted soon ---------------------------------------------------------------- */

/* What is read a few pages, or branches, after page `index` of `row`: the processor does not see
 * where pages lie. The order is a strip's keys, head by head, then its values, then the next
 * strip's keys. NULL: nothing, or what is so near that it need not be asked for. */
static const void *attention_later(const attention_head *t, int row, int index, bool values)
{
    enum { PAGES_AHEAD = 2, ROWS_AHEAD = 5 };
    const b4c_attention *job = t->job;
    const int d = job->head_size, strip = t->together ? job->kv_heads : 1;
    if (t->room.blocks > 1) return NULL;
    const bool rows = job->q_rows > 1 && job->branch;    /* or pages, of one sequence */
    const int trunk = b4c_pages_of(job->trunk);
    if (rows && index != trunk) return NULL;
    int items = job->q_rows, i = row + ROWS_AHEAD;
    if (!rows) {
        const int behind = t->high > job->trunk ? t->high - job->trunk : 0;
        items = trunk + b4c_pages_of(behind);
        i = index + PAGES_AHEAD;
    }
    int at = (t->kv / strip * 2 + values) * strip * items + t->kv % strip * items + i;
    const int *page = job->page;
    const bool beyond = at >= 2 * items * job->kv_heads;
    if (beyond) {                        /* the next job's first */
        at -= 2 * items * job->kv_heads;
        page = job->later_page;
        items = job->later_pages;
        if (rows || at >= 2 * items * job->kv_heads) return NULL;
    }
    char *data = beyond ? job->pages + (size_t)page[at % items] * t->page_bytes
               : rows   ? attention_page(t, at % items, trunk)
                        : attention_page(t, row, at % items);
    const int part = at / items / strip, kv = part / 2 * strip + at / items % strip;
    return part % 2 ? page_values(data, job->kv_heads, kv, d, t->room.pairs)
                    : page_keys(data, kv, d, t->room.pairs);
}

/* ---- new keys -------------------------------------------------------------------------------- */

/* The newest key of query `row`, and its value, are put away by the first head that looks at them,
 * each just before it is looked at. */
static bool attention_keeps(const attention_head *t)
{
    return t->job->keep && t->head % (t->job->heads / t->job->kv_heads) == 0;
}

static void attention_keep_key(const attention_head *t, int row)
{
    const b4c_attention *job = t->job;
    const int d = job->head_size;
    const attention_place at = attention_find(t, row, t->upto[row] - 1);
    const b4c_real *k = job->k + (size_t)row * (size_t)job->k_ld + (size_t)t->kv * (size_t)d;
    keep_key(k, d, at.key, t->room.pairs, page_keys(at.page, t->kv, d, t->room.pairs));
}

static void attention_keep_value(const attention_head *t, int row)
{
    const b4c_attention *job = t->job;
    const int d = job->head_size;
    const attention_place at = attention_find(t, row, t->upto[row] - 1);
    const b4c_real *v = job->v + (size_t)row * (size_t)job->v_ld + (size_t)t->kv * (size_t)d;
    keep_value(v, d, at.key, t->room.pairs,
               page_values(at.page, job->kv_heads, t->kv, d, t->room.pairs));
}
#endif
