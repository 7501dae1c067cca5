/* add_copies_body.h - what all row-major products for gradients share: where the factors lie, how
 * they are cut, and how sums join c. Included after a vec_<isa>.h.
 */
#ifndef B4C_MATH_ADD_COPIES_BODY_H
#define B4C_MATH_ADD_COPIES_BODY_H
#include "base/memory.h"
#include "math/internal.h"

enum {
    ADD_CHUNK = 256,         /* k of floats that are copied at once; of bf16 twice as many */
    HALF_CHUNK = 2 * ADD_CHUNK,
    ADD_PANELS = 16,         /* of b at once, where half of L2 holds them */
    ADD_AHEAD = 8,           /* rows from the one that is copied to the one that is asked for */
};

typedef struct addition {
    int n, k;
    const float *a, *b;
    size_t a_row, a_k, b_k, b_column; /* elements from one to the next */
    float *c;
    size_t ldc;
} addition;

/* The panels of b, 32 KiB each, that are copied together: how many groups make all of n. */
typedef struct add_groups { int all, n; } add_groups;

static inline add_groups add_groups_of(const addition *s)
{
    const long fit = (long)b4c_cpu_get()->l2_bytes / 2 / (ADD_CHUNK * B4C_PANEL * 4);
    const int most = fit < 2 ? 2 : fit < ADD_PANELS ? (int)fit : ADD_PANELS;
    const int all = (s->n + B4C_PANEL - 1) / B4C_PANEL;
    return (add_groups){ all, (all + most - 1) / most };
}

/* Asks for the tile of c that sums will be added to, so that it comes while they are made: it lies
 * in L3 or beyond, for all of c was passed over since the chunk before. */
static inline void add_ahead(const float *c, size_t ldc, int rows)
{
    for (int i = 0; i < rows; i++, c += ldc) {
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + B4C_PANEL / 2, 1);
    }
}

static void add_rows(const float *sum, float *c, size_t ldc, int rows, int columns)
{
    for (int i = 0; i < rows; i++, sum += B4C_PANEL, c += ldc) {
        int j = 0;
        for (; j + VEC_LANES <= columns; j += VEC_LANES)
            v_store(c + j, v_add(v_load(c + j), v_load(sum + j)));
        if (j < columns)
            v_store_n(c + j, v_add(v_load_n(c + j, columns - j), v_load(sum + j)), columns - j);
    }
}
#endif
