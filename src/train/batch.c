/* batch.c - packed examples: growing arrays side by side, and their checks.
 *
 * Arrays of one axis (rows, sequences, decoder rows, ...) have one room and grow together. Offsets
 * always end with the count, so that a reader never asks whether a sequence is the last.
 */
#include "train/batch.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* `array` with room for `n` elements; the old one, and `failed`, when there is no memory. */
static void *grown(b4c_batch *b, void *array, int n, size_t size)
{
    void *p = b->failed ? NULL : realloc(array, (size_t)n * size);
    if (!p) b->failed = true;
    return p ? p : array;
}

/* Twice the room, until n fit. */
static int doubled(int room, int n)
{
    int more = room ? room : 64;
    while (more < n) more *= 2;
    return more;
}

#define GROW(field, n) b->field = grown(b, b->field, n, sizeof *b->field)

static bool room_for_rows(b4c_batch *b, int n)
{
    if (n <= b->room_rows) return true;
    const int more = doubled(b->room_rows, n);
    GROW(ids, more);
    GROW(segments, more);
    GROW(targets, more);
    if (!b->failed) b->room_rows = more;
    return !b->failed;
}

static bool room_for_out(b4c_batch *b, int n)
{
    if (n <= b->room_out) return true;
    const int more = doubled(b->room_out, n);
    GROW(out_ids, more);
    GROW(out_targets, more);
    if (!b->failed) b->room_out = more;
    return !b->failed;
}

static bool room_for_teacher(b4c_batch *b, int n)
{
    if (n <= b->room_teacher) return true;
    const int more = doubled(b->room_teacher, n);
    GROW(teacher_ids, more);
    if (!b->failed) b->room_teacher = more;
    return !b->failed;
}

/* Offsets have one element more than there are sequences, examples. */
static bool room_for_sequences(b4c_batch *b, int n)
{
    if (n < b->room_seq) return true;
    const int more = doubled(b->room_seq, n + 1);
    GROW(seq_off, more);
    GROW(out_off, more);
    GROW(teacher_off, more);
    if (!b->failed) b->room_seq = more;
    return !b->failed;
}

static bool room_for_examples(b4c_batch *b, int n)
{
    if (n < b->room_examples) return true;
    const int more = doubled(b->room_examples, n + 1);
    GROW(example_off, more);
    GROW(label, more);
    if (!b->failed) b->room_examples = more;
    return !b->failed;
}

/* The ends of the last sequence and example, after rows came. */
static void close_offsets(b4c_batch *b)
{
    if (b->failed) return;
    b->seq_off[b->n_seq] = b->n_rows;
    b->out_off[b->n_seq] = b->n_out;
    b->teacher_off[b->n_seq] = b->n_teacher;
    b->example_off[b->n_examples] = b->n_seq;
}

void b4c_batch_init(b4c_batch *b)
{
    *b = (b4c_batch){ 0 };
}

void b4c_batch_done(b4c_batch *b)
{
    free(b->ids);
    free(b->segments);
    free(b->targets);
    free(b->seq_off);
    free(b->out_ids);
    free(b->out_targets);
    free(b->out_off);
    free(b->teacher_ids);
    free(b->teacher_off);
    free(b->example_off);
    free(b->label);
    *b = (b4c_batch){ 0 };
}

void b4c_batch_clear(b4c_batch *b)
{
    b->n_rows = b->n_seq = b->n_out = b->n_teacher = b->n_examples = 0;
    b->next = (b4c_place){ 0 };
    b->failed = false;
    if (room_for_sequences(b, 0) && room_for_examples(b, 0)) close_offsets(b);
}

void b4c_batch_example(b4c_batch *b, float label)
{
    if (b->failed || !room_for_sequences(b, b->n_seq) ||
        !room_for_examples(b, b->n_examples + 1))
        return;
    b->label[b->n_examples++] = label;
    close_offsets(b);
}

void b4c_batch_sequence(b4c_batch *b)
{
    if (b->failed || !room_for_sequences(b, b->n_seq + 1)) return;
    assert(b->n_examples > 0);
    b->n_seq++;
    close_offsets(b);
}

void b4c_batch_row(b4c_batch *b, int32_t id, int32_t segment, int32_t target)
{
    if (b->failed || !room_for_rows(b, b->n_rows + 1)) return;
    assert(b->n_seq > 0);
    b->ids[b->n_rows] = id;
    b->segments[b->n_rows] = segment;
    b->targets[b->n_rows++] = target;
    b->seq_off[b->n_seq] = b->n_rows;
}

void b4c_batch_out(b4c_batch *b, int32_t id, int32_t target)
{
    if (b->failed || !room_for_out(b, b->n_out + 1)) return;
    assert(b->n_seq > 0);
    b->out_ids[b->n_out] = id;
    b->out_targets[b->n_out++] = target;
    b->out_off[b->n_seq] = b->n_out;
}

void b4c_batch_teacher(b4c_batch *b, int32_t id)
{
    if (b->failed || !room_for_teacher(b, b->n_teacher + 1)) return;
    assert(b->n_seq > 0);
    b->teacher_ids[b->n_teacher++] = id;
    b->teacher_off[b->n_seq] = b->n_teacher;
}

static void append_ints(int *to, const int *from, int n, int shift)
{
    for (int i = 0; i < n; i++) to[i] = from[i] + shift;
}

static void append_ids(int32_t *to, const int32_t *from, int n)
{
    if (n > 0) memcpy(to, from, (size_t)n * sizeof *to);
}

void b4c_batch_append(b4c_batch *b, const b4c_batch *from)
{
    b->failed = b->failed || from->failed;
    if (b->failed || from->n_examples == 0) return;
    if (!room_for_rows(b, b->n_rows + from->n_rows) ||
        !room_for_out(b, b->n_out + from->n_out) ||
        !room_for_teacher(b, b->n_teacher + from->n_teacher) ||
        !room_for_sequences(b, b->n_seq + from->n_seq) ||
        !room_for_examples(b, b->n_examples + from->n_examples))
        return;
    append_ids(b->ids + b->n_rows, from->ids, from->n_rows);
    append_ids(b->segments + b->n_rows, from->segments, from->n_rows);
    append_ids(b->targets + b->n_rows, from->targets, from->n_rows);
    append_ids(b->out_ids + b->n_out, from->out_ids, from->n_out);
    append_ids(b->out_targets + b->n_out, from->out_targets, from->n_out);
    append_ids(b->teacher_ids + b->n_teacher, from->teacher_ids, from->n_teacher);
    append_ints(b->seq_off + b->n_seq, from->seq_off, from->n_seq + 1, b->n_rows);
    append_ints(b->out_off + b->n_seq, from->out_off, from->n_seq + 1, b->n_out);
    append_ints(b->teacher_off + b->n_seq, from->teacher_off, from->n_seq + 1, b->n_teacher);
    append_ints(b->example_off + b->n_examples, from->example_off, from->n_examples + 1, b->n_seq);
    memcpy(b->label + b->n_examples, from->label, (size_t)from->n_examples * sizeof *b->label);
    b->n_rows += from->n_rows;
    b->n_out += from->n_out;
    b->n_teacher += from->n_teacher;
    b->n_seq += from->n_seq;
    b->n_examples += from->n_examples;
}

void b4c_batch_cut(b4c_batch *b, int n)
{
    if (b->failed || n >= b->n_examples) return;
    b->n_examples = n;
    b->n_seq = b->example_off[n];
    b->n_rows = b->seq_off[b->n_seq];
    b->n_out = b->out_off[b->n_seq];
    b->n_teacher = b->teacher_off[b->n_seq];
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int check_ids(const char *what, const int32_t *ids, int from, int upto, int low,
                     int vocabulary, int example, b4c_error *err)
{
    for (int i = from; i < upto; i++)
        if (ids[i] < low || ids[i] >= vocabulary)
            return b4c_fail(err, B4C_E_ARG,
                            "example %d of the batch: %s of row %d is %d, wanted %d to %d", example,
                            what, i - from, (int)ids[i], low, vocabulary - 1);
    return 0;
}

static int check_length(int rows, int max_positions, int example, const char *what, b4c_error *err)
{
    if (max_positions == 0 || rows <= max_positions) return 0;
    return b4c_fail(err, B4C_E_ARG,
                    "example %d of the batch: %s has %d tokens, the model has %d positions; lower "
                    "max_length",
                    example, what, rows, max_positions);
}

static int check_sequence(const b4c_batch *b, int s, int example, int vocabulary,
                          int max_positions, b4c_error *err)
{
    const int from = b->seq_off[s], upto = b->seq_off[s + 1];
    const int out = b->out_off[s], out_end = b->out_off[s + 1];
    if (upto == from)
        return b4c_fail(err, B4C_E_ARG, "example %d of the batch: a sequence has no tokens",
                        example);
    B4C_TRY(check_length(upto - from, max_positions, example, "a sequence", err));
    B4C_TRY(check_length(out_end - out, max_positions, example, "a target", err));
    B4C_TRY(check_ids("the token", b->ids, from, upto, 0, vocabulary, example, err));
    B4C_TRY(check_ids("the target", b->targets, from, upto, -1, vocabulary, example, err));
    B4C_TRY(check_ids("the decoder's token", b->out_ids, out, out_end, 0, vocabulary, example,
                      err));
    return check_ids("the decoder's target", b->out_targets, out, out_end, -1, vocabulary, example,
                     err);
}

int b4c_batch_check(const b4c_batch *b, int vocabulary, int max_positions, b4c_error *err)
{
    if (b->failed) return b4c_fail(err, B4C_E_MEMORY, "no memory for a batch");
    if (b->n_examples == 0) return b4c_fail(err, B4C_E_ARG, "a batch has no examples");
    for (int e = 0; e < b->n_examples; e++) {
        if (b->example_off[e] == b->example_off[e + 1])
            return b4c_fail(err, B4C_E_ARG, "example %d of the batch has no sequence", e);
        for (int s = b->example_off[e]; s < b->example_off[e + 1]; s++)
            B4C_TRY(check_sequence(b, s, e, vocabulary, max_positions, err));
    }
    return 0;
}
