/* encode.c - sequences of tokens to sentence vectors.
 *
 * Idea: sequences are cut into blocks of about as many tokens as one lane's caches like, and lanes
 * take block after block, each through all layers, without a word to one another. Where that would
 * leave lanes idle (one sentence, or two and a half), one tape takes all, its ops dividing
 * themselves.
 * A text that comes again in a call is not run again: its vector is the same to the bit.
 * Poolings that read the first token alone ask the last layer for those rows alone.
 */
#include "embed/encode.h"

#include "base/error.h"
#include "embed/repeats.h"
#include <limits.h>
#include <math.h>
#include <string.h>

typedef struct job {
    const b4c_embedding *how;
    b4c_crew *crew;
    const b4c_sequence *seq;
    float *out;
    const int *block;        /* [blocks + 1] first sequence of each */
    int blocks;
} job;

/* ---- one block ------------------------------------------------------------------------------- */

/* The block's tokens end to end. ids or segments, whichever `part` is. */
static int32_t *joined(b4c_tape *t, const b4c_sequence *s, int n, int rows, bool segments)
{
    int32_t *to = b4c_take(t, (size_t)rows * sizeof *to), *at = to;
    for (int i = 0; to && i < n; at += s[i++].length) {
        const int32_t *from = segments ? s[i].segments : s[i].ids;
        if (from) memcpy(at, from, (size_t)s[i].length * sizeof *to);
        else memset(at, 0, (size_t)s[i].length * sizeof *to);
    }
    return to;
}

static bool reads_first_token(b4c_pooling p)
{
    return p == B4C_POOL_CLS || p == B4C_POOL_LINEAR || p == B4C_POOL_TANH;
}

static b4c_tensor pooled(b4c_tape *t, const b4c_embedding *how, b4c_tensor x, b4c_tensor first,
                         const b4c_plan *plan)
{
    const int *off = plan->q_off, n = plan->n_seq;
    switch (how->pooling) {
    case B4C_POOL_LINEAR: return b4c_pooler(t, how->net, x, false);
    case B4C_POOL_TANH: return b4c_pooler(t, how->net, x, true);
    case B4C_POOL_MEAN: return b4c_pooled(t, x, off, n, B4C_POOL_ROW_MEAN);
    case B4C_POOL_MAX: return b4c_pooled(t, x, off, n, B4C_POOL_ROW_MAX);
    case B4C_POOL_MEAN_SQRT: return b4c_pooled(t, x, off, n, B4C_POOL_ROW_MEAN_SQRT);
    case B4C_POOL_WEIGHTED_MEAN: return b4c_pooled(t, x, off, n, B4C_POOL_ROW_WEIGHTED);
    case B4C_POOL_LAST_TOKEN: return b4c_pooled(t, x, off, n, B4C_POOL_ROW_LAST);
    case B4C_POOL_FIRST_LAST:
        return b4c_scaled(t, b4c_sum(t, b4c_pooled(t, first, off, n, B4C_POOL_ROW_MEAN),
                                     b4c_pooled(t, x, off, n, B4C_POOL_ROW_MEAN)), (b4c_real)0.5);
    case B4C_POOL_AUTO:
    case B4C_POOL_CLS: break;
    }
    return x;
}

/* Vectors of n sequences into out [n, width]; false: no memory. */
static bool embed_block(b4c_tape *t, const b4c_embedding *how, const b4c_sequence *s, int n,
                        float *out)
{
    const b4c_network *net = how->net;
    const size_t scope = b4c_scope_open(t);
    int *lengths = b4c_take(t, (size_t)n * sizeof *lengths), rows = 0;
    bool segments = false;
    for (int i = 0; lengths && i < n; i++) {
        rows += lengths[i] = s[i].length;
        segments |= s[i].segments != NULL;
    }
    if (t->failed) return false;
    const int32_t *ids = joined(t, s, n, rows, false);
    const int32_t *segment = segments ? joined(t, s, n, rows, true) : NULL;
    const b4c_plan plan = b4c_plan_make(t, B4C_MASK_FULL, lengths, n, NULL);
    if (t->failed) return false;

    b4c_tensor first = { 0 };
    b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    if (how->pooling == B4C_POOL_FIRST_LAST) call.first = &first;
    if (reads_first_token(how->pooling)) {
        call.only = plan.q_off;
        call.n_only = n;
    }
    b4c_tensor x = b4c_input(t, net, &net->encoder, ids, segment, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(t, net, &net->encoder, x, &call);
    x = pooled(t, how, x, first, &plan);
    for (int i = 0; i < how->n_dense; i++)
        x = b4c_linear(t, x, &how->dense[i].weight, how->dense[i].act, B4C_ROWS);
    x = b4c_columns(x, 0, how->width);
    if (how->normalize) x = b4c_unit(t, x);
    for (int i = 0; !t->failed && i < n; i++)
        for (int c = 0; c < how->width; c++)
            out[(size_t)i * (size_t)how->width + (size_t)c] =
                (float)x.x[(size_t)i * (size_t)x.ld + (size_t)c];
    if (t->failed) return false;
    b4c_drop(t, scope);
    return true;
}

static bool run_block(b4c_tape *t, void *arg, int b)
{
    const job *j = arg;
    const int from = j->block[b], n = j->block[b + 1] - from;
    return embed_block(t, j->how, j->seq + from, n,
                       j->out + (size_t)from * (size_t)j->how->width);
}

/* ---- cutting into blocks --------------------------------------------------------------------- */

static int64_t tokens_of(const b4c_sequence *s, int n)
{
    int64_t tokens = 0;
    for (int i = 0; i < n; i++) tokens += s[i].length;
    return tokens;
}

/* Cut n sequences into at most `wanted` blocks of about equal tokens; returns how many.
 * block [n + 1]. */
static int cut(const b4c_sequence *s, int n, int64_t tokens, int64_t wanted, int *block)
{
    int blocks = 0;
    int64_t before = 0;      /* tokens before sequence i */
    for (int i = 0; i < n; before += s[i++].length) {
        /* A sequence belongs to the block that its middle falls into. */
        const int64_t own = (before + s[i].length / 2) * wanted / tokens;
        if (i == 0 || own != (before - s[i - 1].length + s[i - 1].length / 2) * wanted / tokens)
            block[blocks++] = i;
    }
    block[blocks] = n;
    return blocks;
}

/* Tokens of the busiest lane when lanes take blocks in order. */
static int64_t busiest(const job *j)
{
    int64_t load[64] = { 0 }, most = 0;
    const int lanes = j->crew->lanes < 64 ? j->crew->lanes : 64;
    for (int b = 0; b < j->blocks; b++) {
        int least = 0;
        for (int l = 1; l < lanes; l++)
            if (load[l] < load[least]) least = l;
        load[least] += tokens_of(j->seq + j->block[b], j->block[b + 1] - j->block[b]);
        if (load[least] > most) most = load[least];
    }
    return most;
}

/* Vectors of n sequences; block [n + 1]. false: no memory. */
static bool embed_each(b4c_crew *crew, const b4c_embedding *how, const b4c_sequence *seq, int n,
                       int *block, float *out)
{
    const int64_t tokens = tokens_of(seq, n), lanes = crew->lanes, batch = crew->batch_tokens;
    job j = { .how = how, .crew = crew, .seq = seq, .out = out, .block = block };
    int64_t wanted = (tokens + batch - 1) / batch;
    wanted = (wanted + lanes - 1) / lanes * lanes;     /* so that the last round is a full one */
    j.blocks = cut(seq, n, tokens, wanted, block);
    /* Dividing every op costs about a fifth; an uneven division of the blocks may cost more. */
    if (lanes > 1 && j.blocks <= 4 * lanes && 4 * lanes * busiest(&j) > 5 * tokens) {
        j.blocks = cut(seq, n, tokens, (tokens + lanes * batch - 1) / (lanes * batch), block);
        b4c_tape *t = b4c_crew_joint(crew);
        bool ok = true;
        for (int b = 0; b < j.blocks && ok; b++) ok = run_block(t, &j, b);
        b4c_crew_apart(crew);
        return ok;
    }
    return b4c_crew_take(crew, run_block, &j, j.blocks);
}

int b4c_embed_sequences(b4c_crew *crew, const b4c_embedding *how, const b4c_sequence *seq, int n,
                        float *out, b4c_error *err)
{
    if (n == 0) return 0;
    b4c_tape *t = &crew->tape[0];        /* below what its lane reads stands what the call needs */
    const size_t width = (size_t)how->width, count = (size_t)n;
    for (int i = 0; i < crew->lanes; i++) b4c_tape_reset(&crew->tape[i]);
    b4c_sequence *distinct = b4c_take(t, count * sizeof *distinct);
    const b4c_sequence **sorted = b4c_take(t, count * sizeof *sorted);
    int *of = b4c_take(t, count * sizeof *of), *block = b4c_take(t, (count + 1) * sizeof *block);
    bool ok = !t->failed;
    if (ok) {
        const int different = b4c_without_repeats(seq, n, sorted, distinct, of);
        ok = embed_each(crew, how, distinct, different, block, out);
    }
    for (int i = n - 1; i >= 0 && ok; i--)     /* from the last: of[i] <= i */
        if (of[i] < i)
            memcpy(out + (size_t)i * width, out + (size_t)of[i] * width, width * sizeof *out);
    b4c_crew_rest(crew);
    if (ok) return 0;
    return b4c_fail(err, B4C_E_MEMORY,
                    "no memory for %lld tokens at once; give fewer or shorter texts",
                    (long long)tokens_of(seq, n));
}

int b4c_embed_check(const float *out, int n, int width, int first, b4c_error *err)
{
    for (size_t i = 0; i < (size_t)n * (size_t)width; i++)
        if (!isfinite(out[i]))
            return b4c_fail(err, B4C_E_NUMBER,
                            "text %d: component %d of its vector is %s: numbers overflow in the "
                            "model's layers; dtype f32 bears the largest",
                            first + (int)(i / (size_t)width) + 1, (int)(i % (size_t)width) + 1,
                            isnan(out[i]) ? "NaN" : "infinite");
    return 0;
}
