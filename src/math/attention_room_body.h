/* attention_room_body.h - the memory that attention works in, one block of bytes a thread. Included
 * by attention_body.h.
 *
 * The idea: what is walked together lies together, in rows of the same stride, and every part
 * begins on a line of the cache. Sizes follow from the job alone, so that who calls can ask for
 * them before there is any memory.
 */
#ifndef B4C_MATH_ATTENTION_ROOM_BODY_H
#define B4C_MATH_ATTENTION_ROOM_BODY_H
#include "math/attention_keep_body.h"
#include "math/attention_tile_body.h"
#include "math/internal.h"

/* At most ROWS queries from `row` on, of one head. One of them sees lo .. hi-1 in all; these keys
 * lie in the vectors from first up to last-1. Some blocks make a strip, which takes each step
 * together: the fewer steps, the fewer waits for the last sums of one. Of one head, or of all where
 * one block is all that a head has and its keys lie ready. */
enum { STRIP_BLOCKS = 4, STRIP_BYTES = 16 << 10 };
/* Rows of a strip, and room for whole vectors of one number a row. */
enum { STRIP_ROWS = (STRIP_BLOCKS * ROWS + VEC_LANES - 1) / VEC_LANES * VEC_LANES };
typedef struct attention_block {
    int row, rows, lo, hi, first, last;
    int at;                  /* its first row within the strip */
    int head;
    bool ragged;             /* some of them do not see all of lo .. hi-1 */
} attention_block;

typedef struct attention_room {
    attention_block *block;  /* [2][blocks] of either interval set */
    b4c_real *keys;          /* the panels of one head, of numbers or of pairs */
    b4c_real *weights;       /* [strip][ld] scores, then weights before their division */
    b4c_real *extra;         /* [ld] what the distance adds to the scores of one query */
    b4c_real *out;           /* [ROWS][d] results that do not go to rows of numbers */
    uint16_t *q_pairs;       /* [ROWS][d] */
    uint16_t *w_pairs;       /* [strip][ld] */
    uint16_t *v_pairs;       /* [keys / 2][d][2] */
    b4c_real *rel_keys;      /* NEZHA: the table as keys, [panels][d][VEC_LANES] */
    b4c_real *rel_scores;    /* [strip][rel_ld] of the queries against the table */
    b4c_real *rel_weights;   /* [strip][rel_ld] weights by distance */
    size_t ld, rel_ld;
    int blocks, strip;       /* of the job; in a strip */
    bool pairs;
    size_t bytes;
} attention_room;

static inline int rel_rows(const b4c_attention *job) { return job->rel ? 2 * job->rel_max + 1 : 0; }

static bool attention_in_pairs(const b4c_attention *job)
{
    return !job->rel && heads_in_pairs(job->head_size, job->bf16);
}

/* The parts of a scratch block; base NULL: only sizes are meant. */
static attention_room attention_divide(const b4c_attention *job, void *base)
{
    const size_t d = (size_t)job->head_size, real = sizeof(b4c_real);
    const size_t keys = b4c_round_up((size_t)job->k_rows, COLS);
    const size_t rel = b4c_round_up((size_t)rel_rows(job), COLS);
    attention_room r = { .rel_ld = rel, .pairs = attention_in_pairs(job) };
    r.ld = keys + 16;        /* rows a power of two apart would share few sets of the cache */
    r.blocks = (job->q_rows + ROWS - 1) / ROWS;
    const size_t fit = STRIP_BYTES / (ROWS * r.ld * real);
    r.strip = fit < 1 ? 1 : fit > STRIP_BLOCKS ? STRIP_BLOCKS : (int)fit;
    const size_t rows = (size_t)r.strip * ROWS;
    const size_t half = r.pairs ? sizeof(uint16_t) : 0;
    struct { void *part; size_t bytes; } parts[] = {
        { &r.block, 2 * (size_t)r.blocks * sizeof *r.block },
        { &r.keys, job->pages ? 0 : keys * d * (r.pairs ? half : real) },
        { &r.weights, rows * r.ld * real },
        { &r.extra, r.ld * real },
        { &r.out, ROWS * d * real },
        { &r.q_pairs, ROWS * d * half },
        { &r.w_pairs, rows * r.ld * half },
        { &r.v_pairs, keys * d * half },
        { &r.rel_keys, rel * d * real },
        { &r.rel_scores, rows * rel * real },
        { &r.rel_weights, rows * rel * real },
    };
    r.bytes = base ? b4c_round_up((uintptr_t)base, 64) - (uintptr_t)base : 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        void *at = base ? (char *)base + r.bytes : NULL;
        memcpy(parts[i].part, &at, sizeof at);
        r.bytes += b4c_round_up(parts[i].bytes, 64);
    }
    return r;
}

static size_t vector_attention_scratch(const b4c_attention *job)
{
    return attention_divide(job, NULL).bytes + 64;
}
#endif
