/* batch.h - what one step learns from: examples as packed token ids, and what they should give.
 *
 * The one idea: an example is a batch of one. Whoever makes examples appends rows to a batch, an
 * example at a time, until its budget is full; there is no second form to convert from.
 *
 *     b4c_batch_clear(b);
 *     b4c_batch_example(b, label);                   a new example begins
 *     b4c_batch_sequence(b);                         its first sequence begins
 *     b4c_batch_row(b, id, segment, target);         and has rows, one a token
 *     b4c_batch_out(b, id, target);                  encoder-decoder: rows of the decoder
 *     b4c_batch_teacher(b, id);                      distillation: the clean text for the teacher
 *
 * What an example of each task holds (SPEC 2-4, 8; -1 as target: the row is not asked):
 *
 *     lm               one sequence; target = the next token's id, -1 at the last row
 *     mlm              one sequence, masked; target = the token that stood there, -1 elsewhere
 *     seq2seq          a prefix model: one sequence, source rows with segment 0, target rows with
 *     denoise          segment 1; target = the next row's id where the next row has segment 1.
 *     pseudo_summary   An encoder-decoder: the source in rows, and out rows whose ids are the start
 *                      token and the target shifted, whose targets are the target with its end
 *     simbert          two sequences, a with b and b with a, each as seq2seq for a prefix model
 *     roformer_sim     the same, with noise in sources
 *     distil           the same, and each sequence's clean source for the teacher
 *     roformer_sim_ft  two sequences without targets; label = class 0 .. 4
 *     cosent           two sequences; label = any ordinal number
 *     simcse           two sequences, the same ids
 *     infonce          an anchor, its positive, and any number of hard negatives
 *     classify         one sequence (a pair of texts in it by segments); label = class
 *     pairs            two sequences; label = class
 *
 * Invariants: every example has at least one sequence, every sequence at least one row; ids are in
 * the vocabulary; a sequence is no longer than the model's positions. Random choices are the
 * maker's, from (seed, epoch, record) alone, so that a batch is a function of its place.
 */
#ifndef B4C_TRAIN_BATCH_H
#define B4C_TRAIN_BATCH_H
#include "base/error.h"
#include "base/memory.h"

/* A place in a feed's endless row of examples: opaque to all but the feed, saved in checkpoints.
 * {0, 0} is the beginning. */
typedef struct b4c_place {
    uint64_t record, inside;
} b4c_place;

typedef struct b4c_batch {
    int n_rows, n_seq, n_out, n_teacher, n_examples;
    int32_t *ids, *segments, *targets; /* [n_rows] */
    int *seq_off;                      /* [n_seq + 1] rows of sequence s: seq_off[s] .. */
    int32_t *out_ids, *out_targets;    /* [n_out] */
    int *out_off;                      /* [n_seq + 1] decoder rows of sequence s */
    int32_t *teacher_ids;              /* [n_teacher] */
    int *teacher_off;                  /* [n_seq + 1] */
    int *example_off;                  /* [n_examples + 1] sequences of example e */
    float *label;                      /* [n_examples] */
    b4c_place next;                    /* where the following batch begins: the feed sets it */
    bool failed;                       /* sticky: out of memory */
    int room_rows, room_seq, room_out, room_teacher, room_examples;
} b4c_batch;

void b4c_batch_init(b4c_batch *);
void b4c_batch_done(b4c_batch *);
/* Forget all examples; clears `failed`. Memory stays. */
void b4c_batch_clear(b4c_batch *);

void b4c_batch_example(b4c_batch *, float label);
void b4c_batch_sequence(b4c_batch *);
void b4c_batch_row(b4c_batch *, int32_t id, int32_t segment, int32_t target);
void b4c_batch_out(b4c_batch *, int32_t id, int32_t target);
void b4c_batch_teacher(b4c_batch *, int32_t id);
/* The examples of `from` behind those of `to`. */
void b4c_batch_append(b4c_batch *to, const b4c_batch *from);
/* Forget examples from number n on (one too long for the budget, say). */
void b4c_batch_cut(b4c_batch *, int n);

/* Is it one that a task may take: shapes as above, ids in 0 .. vocabulary-1, lengths within
 * max_positions (0: no limit)? B4C_E_ARG names example and row. */
int b4c_batch_check(const b4c_batch *, int vocabulary, int max_positions, b4c_error *);
#endif
