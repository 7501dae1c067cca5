/* lcs.c - see lcs.h.
 *
 * Bit i of `column` is 0 where the length grows from row i - 1 to row i in the table's present
 * column; at first it grows nowhere. With `match` the rows that hold this column's symbol,
 *     column' = (column + (column & match)) | (column & ~match)
 * and the length is the number of zeros in the end.
 */
#include "base/lcs.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static int make_room(b4c_lcs *l, size_t n, size_t words, b4c_error *err)
{
    if (n > l->room) {
        int32_t *symbol = realloc(l->symbol, n * sizeof *symbol);
        if (symbol) l->symbol = symbol;
        uint64_t *column = realloc(l->column, (n / 64 + 1) * sizeof *column);
        if (column) l->column = column;
        if (!symbol || !column) return b4c_fail(err, B4C_E_MEMORY, "no memory to compare texts");
        l->room = n;
    }
    if (n * words > l->room_where) {
        uint64_t *where = realloc(l->where, n * words * sizeof *where);
        if (!where) return b4c_fail(err, B4C_E_MEMORY, "no memory to compare texts");
        l->where = where;
        l->room_where = n * words;
    }
    return 0;
}

/* The place of x among the symbols, or -1. */
static int find(const int32_t *symbol, int n, int32_t x)
{
    int low = 0, high = n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (symbol[middle] < x) low = middle + 1;
        else high = middle;
    }
    return low < n && symbol[low] == x ? low : -1;
}

static int index_symbols(b4c_lcs *l, const int32_t *a, int n, size_t words)
{
    int symbols = 0;
    memcpy(l->symbol, a, (size_t)n * sizeof *a);
    qsort(l->symbol, (size_t)n, sizeof *l->symbol, by_value);
    for (int i = 0; i < n; i++)
        if (!i || l->symbol[i] != l->symbol[symbols - 1]) l->symbol[symbols++] = l->symbol[i];
    memset(l->where, 0, (size_t)symbols * words * sizeof *l->where);
    for (int i = 0; i < n; i++)
        l->where[(size_t)find(l->symbol, symbols, a[i]) * words + (size_t)i / 64] |=
            (uint64_t)1 << (i % 64);
    return symbols;
}

static void advance(uint64_t *column, const uint64_t *match, size_t words)
{
    uint64_t carry = 0;
    for (size_t w = 0; w < words; w++) {
        const uint64_t c = column[w], hit = c & match[w], with = c + carry, sum = with + hit;
        carry = (with < c) | (sum < hit);
        column[w] = sum | (c & ~match[w]);
    }
}

int b4c_lcs_length(b4c_lcs *l, const int32_t *a, int n, const int32_t *b, int m, b4c_error *err)
{
    if (n > m) return b4c_lcs_length(l, b, m, a, n, err);
    if (!n) return 0;
    const size_t words = ((size_t)n + 63) / 64;
    B4C_TRY(make_room(l, (size_t)n, words, err));
    const int symbols = index_symbols(l, a, n, words);
    memset(l->column, 0xff, words * sizeof *l->column);
    for (int j = 0; j < m; j++) {
        const int at = find(l->symbol, symbols, b[j]);
        if (at >= 0) advance(l->column, l->where + (size_t)at * words, words);
    }
    int length = 0;
    for (int i = 0; i < n; i++) length += !(l->column[i / 64] >> (i % 64) & 1);
    return length;
}

void b4c_lcs_done(b4c_lcs *l)
{
    free(l->symbol);
    free(l->where);
    free(l->column);
    *l = (b4c_lcs){ 0 };
}
