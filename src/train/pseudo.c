/* pseudo.c - the greedy choice, by bit-parallel subsequence lengths. */
#include "train/pseudo.h"
#include "text/utf8.h"
#include <stdlib.h>

static int decode(const b4c_span s, int32_t *to)
{
    const uint8_t *p = s.data, *end = s.data + s.size;
    int n = 0;
    while (p < end) to[n++] = (int32_t)b4c_utf8_read(p, end, &p);
    return n;
}

static int reserve(b4c_pseudo *x, const b4c_span *piece, int n, b4c_error *err)
{
    size_t chars = 0;
    for (int i = 0; i < n; i++) chars += piece[i].size;
    if (chars > x->room) {
        int32_t *p = realloc(x->chars, 3 * chars * sizeof *p);
        if (!p) return b4c_fail(err, B4C_E_MEMORY, "no memory for a text of %zu bytes", chars);
        x->chars = p;
        x->room = chars;
    }
    x->source = x->chars + x->room;
    x->target = x->source + x->room;
    if (n + 1 > x->room_pieces) {
        int *p = realloc(x->offset, ((size_t)n + 1) * sizeof *p);
        if (!p) return b4c_fail(err, B4C_E_MEMORY, "no memory for %d pieces", n);
        x->offset = p;
        x->room_pieces = n + 1;
    }
    return 0;
}

/* The pieces on one side, `moved` being counted to the target. Returns characters. */
static int joined(const b4c_pseudo *x, const bool *in_target, int n, int moved, bool target,
                  int32_t *to)
{
    int size = 0;
    for (int i = 0; i < n; i++) {
        if ((in_target[i] || i == moved) != target) continue;
        const int part = x->offset[i + 1] - x->offset[i];
        memcpy(to + size, x->chars + x->offset[i], (size_t)part * sizeof *to);
        size += part;
    }
    return size;
}

/* The piece that is best moved next. */
static int best_move(b4c_pseudo *x, const bool *in_target, int n, b4c_error *err)
{
    int best = -1, longest = -1;
    for (int i = 0; i < n; i++) {
        if (in_target[i]) continue;
        const int s = joined(x, in_target, n, i, false, x->source);
        const int t = joined(x, in_target, n, i, true, x->target);
        const int l = b4c_lcs_length(&x->lcs, x->source, s, x->target, t, err);
        if (l < 0) return l;
        if (l > longest) {
            longest = l;
            best = i;
        }
    }
    return best;
}

int b4c_pseudo_choose(b4c_pseudo *x, const b4c_span *piece, int n, bool *in_target, b4c_error *err)
{
    B4C_TRY(reserve(x, piece, n, err));
    x->offset[0] = 0;
    for (int i = 0; i < n; i++) {
        x->offset[i + 1] = x->offset[i] + decode(piece[i], x->chars + x->offset[i]);
        in_target[i] = false;
    }
    const int all = x->offset[n];
    int left = n, target = 0;
    do {
        const int i = best_move(x, in_target, n, err);
        if (i < 0) return i;
        in_target[i] = true;
        target += x->offset[i + 1] - x->offset[i];
        left--;
    } while (left > 1 && 4 * target <= all - target);
    if (all - target < target)
        for (int i = 0; i < n; i++) in_target[i] = !in_target[i];
    return 0;
}

void b4c_pseudo_done(b4c_pseudo *x)
{
    b4c_lcs_done(&x->lcs);
    free(x->chars);
    free(x->offset);
    *x = (b4c_pseudo){ 0 };
}

int b4c_pseudo_pack(const int *count, int n, int most, int *next)
{
    int i = *next, size = 0, pieces = 0;
    while (i < n && (pieces < 3 || size + count[i] <= most)) {
        size += count[i++];
        pieces++;
    }
    *next = i;
    return pieces >= 3 ? pieces : 0;
}
