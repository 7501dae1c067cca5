/* plan.c - plans for whole sequences. See plan.h for what an interval means.
 *
 * All arrays of a plan stand in one piece of the tape's arena.
 */
#include "tape/plan.h"

#include <assert.h>
#include <limits.h>

static const b4c_plan failed_plan = { .n_seq = -1 };

/* Rows of all sequences; -1 and a failed tape where an int cannot count them. */
static int total(b4c_tape *t, const int *lengths, int n_seq)
{
    long long n = 0;
    for (int s = 0; s < n_seq; s++) {
        assert(lengths[s] >= 0);
        n += lengths[s];
    }
    if (n > INT_MAX) t->failed = true;
    return t->failed ? -1 : (int)n;
}

/* What all plans share: offsets, positions, and room for `sets` interval sets. Keys are rows. */
static b4c_plan begin_plan(b4c_tape *t, const int *lengths, int n_seq, int sets, int *interval[4])
{
    assert(n_seq >= 0);
    const int rows = total(t, lengths, n_seq);
    if (rows < 0) return failed_plan;
    const size_t count = 3 * (size_t)n_seq + 1 + (size_t)(2 * sets + 1) * (size_t)rows;
    int *p = b4c_take(t, count * sizeof *p);
    if (!p) return failed_plan;
    int *q_off = p, *k_off = q_off + n_seq + 1, *k_len = k_off + n_seq, *pos = k_len + n_seq;
    for (int i = 0; i < 2 * sets; i++) interval[i] = pos + (size_t)(i + 1) * (size_t)rows;
    q_off[0] = 0;
    for (int s = 0; s < n_seq; s++) {
        k_off[s] = q_off[s];
        k_len[s] = lengths[s];
        q_off[s + 1] = q_off[s] + lengths[s];
        for (int i = 0; i < lengths[s]; i++) pos[q_off[s] + i] = i;
    }
    b4c_plan plan = {
        .n_seq = n_seq, .n_rows = rows, .q_off = q_off, .k_off = k_off, .k_len = k_len, .pos = pos
    };
    for (int i = 0; i < sets; i++)
        plan.from[i] = interval[2 * i], plan.upto[i] = interval[2 * i + 1];
    return plan;
}

/* The leading run of segment 0. */
static int prefix_of(const int32_t *segments, int length)
{
    int n = 0;
    while (n < length && segments[n] == 0) n++;
    return n;
}

/* Rows of one sequence; `prefix` counts for B4C_MASK_PREFIX. */
static void fill(b4c_mask mask, int length, int prefix, int *from, int *upto)
{
    for (int i = 0; i < length; i++) {
        from[i] = mask == B4C_MASK_ANTI ? i : 0;
        upto[i] = length;
        if (mask == B4C_MASK_CAUSAL) upto[i] = i + 1;
        if (mask == B4C_MASK_PREFIX) upto[i] = prefix > i + 1 ? prefix : i + 1;
    }
}

b4c_plan b4c_plan_make(b4c_tape *t, b4c_mask mask, const int *lengths, int n_seq,
                       const int32_t *segments)
{
    assert(mask != B4C_MASK_PREFIX || segments);
    int *interval[4];
    b4c_plan p = begin_plan(t, lengths, n_seq, 1, interval);
    for (int s = 0; s < p.n_seq; s++) {
        const int at = p.q_off[s];
        const int prefix = mask == B4C_MASK_PREFIX ? prefix_of(segments + at, lengths[s]) : 0;
        fill(mask, lengths[s], prefix, interval[0] + at, interval[1] + at);
    }
    return p;
}

b4c_plan b4c_plan_mix(b4c_tape *t, b4c_mask first, b4c_mask second, const uint8_t *head_set,
                      const int *lengths, int n_seq)
{
    assert(first != B4C_MASK_PREFIX && second != B4C_MASK_PREFIX && head_set);
    int *interval[4];
    b4c_plan p = begin_plan(t, lengths, n_seq, 2, interval);
    for (int s = 0; s < p.n_seq; s++) {
        const int at = p.q_off[s];
        fill(first, lengths[s], 0, interval[0] + at, interval[1] + at);
        fill(second, lengths[s], 0, interval[2] + at, interval[3] + at);
    }
    p.head_set = head_set;
    return p;
}

b4c_plan b4c_plan_cross(b4c_tape *t, const int *q_lengths, const int *k_lengths, int n_seq)
{
    int *interval[4];
    if (total(t, k_lengths, n_seq) < 0) return failed_plan;
    b4c_plan p = begin_plan(t, q_lengths, n_seq, 1, interval);
    int *k_off = (int *)p.k_off, *k_len = (int *)p.k_len;      /* just made here */
    for (int s = 0, k = 0; s < p.n_seq; k += k_lengths[s++]) {
        k_off[s] = k;
        k_len[s] = k_lengths[s];
        for (int i = p.q_off[s]; i < p.q_off[s + 1]; i++) {
            interval[0][i] = 0;
            interval[1][i] = k_lengths[s];
        }
    }
    return p;
}
