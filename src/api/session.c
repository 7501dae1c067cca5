/* session.c - sessions, and texts or tokens to vectors. */
#include "api/model.h"

#include "base/error.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 1024, MOST_BATCH = 1 << 20 };

b4c_session *b4c_session_new(const b4c_model *m, const b4c_session_options *options, b4c_error *err)
{
    const b4c_session_options o = options ? *options : (b4c_session_options){ 0 };
    if (o.threads < 0 || o.threads > MOST_THREADS || o.batch_tokens < 0 ||
        o.batch_tokens > MOST_BATCH) {
        b4c_fail(err, B4C_E_ARG,
                 "%d threads with batches of %d tokens, wanted 0 to %d threads and 0 to %d tokens "
                 "(0: chosen)",
                 o.threads, o.batch_tokens, MOST_THREADS, MOST_BATCH);
        return NULL;
    }
    b4c_session *s = calloc(1, sizeof *s);
    if (!s) {
        b4c_fail(err, B4C_E_MEMORY, "no memory for a session");
        return NULL;
    }
    const int lanes = o.threads ? o.threads : b4c_cpu_count();
    s->model = m;
    if (b4c_crew_init(&s->crew, b4c_kernels_get(), m->net.dtype, lanes, o.batch_tokens, err) == 0 &&
        b4c_reader_init(&s->reader, m->tokenizer, lanes, err) == 0)
        return s;
    b4c_session_free(s);
    return NULL;
}

void b4c_session_free(b4c_session *s)
{
    if (!s) return;
    b4c_reader_done(&s->reader);
    b4c_crew_done(&s->crew);
    free(s);
}

void b4c_session_stats(const b4c_session *s, b4c_encode_stats *stats) { *stats = s->stats; }

/* Options and the model's files to what encode does; max_length: of tokens, 0 none. */
static int resolve(const b4c_session *s, const b4c_encode_options *options, b4c_embedding *how,
                   int *max_length, b4c_error *err)
{
    const b4c_encode_options o = options ? *options : B4C_ENCODE_DEFAULT;
    const b4c_model *m = s->model;
    const b4c_spec *spec = &m->net.spec;
    const bool pooler = m->net.has_pooler;
    if (spec->causal)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "'%s' is a decoder, whose tokens do not see the rest of the sentence: "
                        "bert4c makes vectors with encoders",
                        spec->architecture);
    *how = (b4c_embedding){ .net = &m->net,
                            .pooling = o.pooling,
                            .dense = m->dense,
                            .n_dense = m->info.dense_steps,
                            .width = o.dim ? o.dim : m->info.dim };
    if (o.pooling == B4C_POOL_AUTO) {
        how->pooling = m->info.pooling;
        if (how->pooling == B4C_POOL_AUTO)
            return b4c_fail(err, B4C_E_ARG, "pooling: %s; choose cls, %smean, max or first-last",
                            m->settings.unsupported
                                ? m->settings.unsupported
                                : "the model's files do not say how tokens become one vector",
                            pooler ? "linear, tanh, " : "");
    }
    if (how->pooling < B4C_POOL_CLS || how->pooling > B4C_POOL_LAST_TOKEN)
        return b4c_fail(err, B4C_E_ARG, "pooling %d does not exist", (int)how->pooling);
    if (!pooler && (how->pooling == B4C_POOL_LINEAR || how->pooling == B4C_POOL_TANH))
        return b4c_fail(
            err, B4C_E_MISSING,
            "pooling '%s': the model's files hold no pooler; choose cls, mean, max or first-last",
            b4c_pooling_name(how->pooling));
    if (o.dim < 0 || o.dim > m->info.vector_width)
        return b4c_fail(err, B4C_E_ARG, "dim is %d, wanted 1 to %d (0: all)", o.dim,
                        m->info.vector_width);
    if (o.normalize < -1 || o.normalize > 1)
        return b4c_fail(err, B4C_E_ARG, "normalize is %d, wanted 1, 0 or -1", o.normalize);
    how->normalize = o.normalize < 0 ? m->info.normalize : o.normalize;
    if (o.max_length < 0 || (spec->max_positions && o.max_length > spec->max_positions))
        return b4c_fail(err, B4C_E_ARG, "max_length is %d, the model reads at most %d tokens",
                        o.max_length, spec->max_positions);
    *max_length = o.max_length ? o.max_length : m->info.max_length;
    return 0;
}

int b4c_encode_width(const b4c_session *s, const b4c_encode_options *options, b4c_error *err)
{
    b4c_embedding how;
    int max_length;
    B4C_TRY(resolve(s, options, &how, &max_length, err));
    return how.width;
}

int b4c_encode(b4c_session *s, const char *const *texts, const size_t *lens, int n,
               const b4c_encode_options *options, float *out, b4c_error *err)
{
    const b4c_encode_options o = options ? *options : B4C_ENCODE_DEFAULT;
    b4c_embedding how;
    int max_length;
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d texts, wanted 0 or more", n);
    if (!s->model->tokenizer)
        return b4c_fail(
            err, B4C_E_ARG,
            "the model was opened without its tokenizer; use b4c_encode_ids, or open it with one");
    B4C_TRY(resolve(s, options, &how, &max_length, err));
    const char *prompt = o.prompt ? o.prompt : s->model->settings.prompt;
    if (prompt && *prompt && s->model->settings.without_prompt)
        return b4c_fail(err, B4C_E_UNSUPPORTED,
                        "prompt: the model's files leave it out of the pooling (include_prompt), "
                        "which bert4c does not do; give an empty prompt, or put it into the texts");
    const b4c_tokenize_options t = { .max_length = max_length, .truncate = o.truncate };
    const b4c_embed_input in = { .text = texts, .size = lens, .n = n, .prompt = prompt };
    return b4c_embed_texts(&s->reader, &s->crew, &how, &t, &in, out, &s->stats, err);
}

int b4c_check_ids(const b4c_spec *spec, const int32_t *ids, const int32_t *segments,
                  const int *lengths, int n, b4c_error *err)
{
    size_t row = 0;
    for (int i = 0; i < n; i++) {
        if (lengths[i] < 1)
            return b4c_fail(err, B4C_E_ARG, "sequence %d has %d tokens, wanted 1 or more", i + 1,
                            lengths[i]);
        if (spec->max_positions && lengths[i] > spec->max_positions)
            return b4c_fail(err, B4C_E_TEXT,
                            "sequence %d has %d tokens, the model reads at most %d; cut it", i + 1,
                            lengths[i], spec->max_positions);
        for (int j = 0; j < lengths[i]; j++, row++) {
            if (ids[row] < 0 || ids[row] >= spec->vocabulary)
                return b4c_fail(err, B4C_E_ARG, "sequence %d, token %d: id is %d, wanted 0 to %d",
                                i + 1, j + 1, (int)ids[row], spec->vocabulary - 1);
            if (segments && spec->segments &&
                (segments[row] < 0 || segments[row] >= spec->segments))
                return b4c_fail(err, B4C_E_ARG,
                                "sequence %d, token %d: segment is %d, wanted 0 to %d", i + 1,
                                j + 1, (int)segments[row], spec->segments - 1);
        }
    }
    return 0;
}

int b4c_encode_ids(b4c_session *s, const int32_t *ids, const int32_t *segments, const int *lengths,
                   int n, const b4c_encode_options *options, float *out, b4c_error *err)
{
    b4c_embedding how;
    int max_length;
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d sequences, wanted 0 or more", n);
    B4C_TRY(resolve(s, options, &how, &max_length, err));
    B4C_TRY(b4c_check_ids(&s->model->net.spec, ids, segments, lengths, n, err));
    b4c_sequence *seq = malloc(((size_t)n + 1) * sizeof *seq);
    if (!seq) return b4c_fail(err, B4C_E_MEMORY, "no memory for %d sequences", n);
    size_t row = 0;
    for (int i = 0; i < n; row += (size_t)lengths[i++])
        seq[i] = (b4c_sequence){ .ids = ids + row,
                                 .segments = segments ? segments + row : NULL,
                                 .length = lengths[i] };
    int rc = b4c_embed_sequences(&s->crew, &how, seq, n, out, err);
    if (rc == 0) rc = b4c_embed_check(out, n, how.width, 0, err);
    free(seq);
    s->stats = (b4c_encode_stats){ .tokens = (int64_t)row };
    return rc;
}
