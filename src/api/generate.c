/* generate.c - texts in, texts out: sources as tokens, one engine run over all of them, results.
 *
 * The idea: a call is one continuous batch. A text's random stream is numbered by what its tokens
 * are, so the place of a text in the call, and so the way a caller divides a file, changes nothing.
 */
#include "api/writing.h"

#include "base/error.h"
#include "text/stream.h"
#include <stdlib.h>
#include <string.h>

struct b4c_generation_own {
    b4c_sources sources;
    b4c_job *job;            /* [n] */
    int *count;              /* [n] */
    const b4c_result **result;       /* [n] */
};

/* ---- sources --------------------------------------------------------------------------------- */

int b4c_sources_init(b4c_sources *s, int n, b4c_error *err)
{
    *s = (b4c_sources){ .n = n };
    s->length = calloc((size_t)n + 1, sizeof *s->length);
    s->at = calloc((size_t)n + 1, sizeof *s->at);
    return s->length && s->at ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for %d texts", n);
}

void b4c_sources_done(b4c_sources *s)
{
    b4c_buffer_done(&s->ids);
    b4c_buffer_done(&s->segments);
    free(s->length);
    free(s->at);
    *s = (b4c_sources){ 0 };
}

int b4c_sources_add(b4c_sources *s, int i, const int32_t *ids, const int32_t *segments, int n,
                    b4c_error *err)
{
    s->at[i] = s->ids.size / sizeof *ids;
    s->length[i] = n;
    b4c_buffer_add(&s->ids, ids, (size_t)n * sizeof *ids);
    if (segments) b4c_buffer_add(&s->segments, segments, (size_t)n * sizeof *segments);
    s->stats.tokens += n;
    return s->ids.failed || s->segments.failed
             ? b4c_fail(err, B4C_E_MEMORY, "no memory for the tokens of %d texts", s->n)
             : 0;
}

const char *b4c_reading_name(b4c_reading reading)
{
    switch (reading) {
    case B4C_READ_AUTO: return "auto";
    case B4C_READ_CAUSAL: return "causal";
    case B4C_READ_PREFIX: return "prefix";
    case B4C_READ_SEQ2SEQ: return "seq2seq";
    case B4C_READ_MASKED: return "masked";
    }
    return "?";
}

const char *b4c_finish_name(b4c_finish finish)
{
    switch (finish) {
    case B4C_FINISH_NONE: return "none";
    case B4C_FINISH_END: return "end";
    case B4C_FINISH_LENGTH: return "length";
    case B4C_FINISH_STOP: return "stop";
    case B4C_FINISH_STOPPED: return "stopped";
    case B4C_FINISH_CYCLE: return "cycle";
    }
    return "?";
}

int b4c_reading_resolve(const b4c_model *m, b4c_reading wanted, b4c_reading *out, b4c_error *err)
{
    const b4c_spec *s = &m->net.spec;
    const b4c_reading r = wanted == B4C_READ_AUTO ? m->habits.reading : wanted;
    if (r < B4C_READ_CAUSAL || r > B4C_READ_MASKED)
        return b4c_fail(err, B4C_E_ARG, "reading %d does not exist", (int)r);
    if (!m->loaded.head_in_file)
        return b4c_fail(err, B4C_E_MISSING,
                        "the model's files hold no head that gives logits, so it cannot write");
    if (!m->net.has_head)
        return b4c_fail(err, B4C_E_ARG,
                        "the model was opened without its head; open it with need_head");
    const bool two = s->decoder_layers > 0;
    if (two != (r == B4C_READ_SEQ2SEQ))
        return b4c_fail(err, B4C_E_ARG, "reading '%s': '%s' %s", b4c_reading_name(r),
                        s->architecture,
                        two ? "has an encoder and a decoder, wanted seq2seq"
                            : "has one stack, wanted causal or prefix");
    if (s->causal && r != B4C_READ_CAUSAL)
        return b4c_fail(err, B4C_E_ARG, "reading '%s': '%s' is a decoder, wanted causal",
                        b4c_reading_name(r), s->architecture);
    if (r == B4C_READ_PREFIX && s->segments < 2)
        return b4c_fail(err, B4C_E_ARG,
                        "reading 'prefix': the model has no second segment for what it writes, "
                        "wanted causal");
    if (two && m->habits.n_start == 0)
        return b4c_fail(err, B4C_E_MISSING,
                        "the model's files do not say what its decoder starts with; put "
                        "decoder_start_token_id into config.json");
    *out = r;
    return 0;
}

/* Tokens of a source: what was asked for, or what leaves room to write. */
static int source_limit(const b4c_model *m, b4c_reading r, const b4c_generate_options *o,
                        int *limit, b4c_error *err)
{
    const int most = m->net.spec.max_positions;
    if (o->max_source < 0 || (most && o->max_source > most))
        return b4c_fail(err, B4C_E_ARG,
                        "generation: max_source: found %d, wanted 0 to %d, the positions that the "
                        "model has",
                        o->max_source, most);
    *limit = o->max_source ? o->max_source : m->info.max_length;
    if (o->max_source || !most || r == B4C_READ_SEQ2SEQ) return 0;
    /* Source and result share the positions; what is to be written gets at most half of them. */
    const int own = o->max_new_tokens < most / 2 ? o->max_new_tokens : most / 2;
    if (*limit == 0 || *limit > most - own) *limit = most - own;
    return 0;
}

/* What stands for a text without tokens: the token that begins a text. */
static int begin_nothing(const b4c_model *m, b4c_reading r, b4c_encoding *e, b4c_error *err)
{
    if (r != B4C_READ_CAUSAL || m->habits.begin < 0)
        return b4c_fail(err, B4C_E_TEXT,
                        "no token is left of it, and the model's files name none that begins a "
                        "text, so there is nothing to go on");
    B4C_TRY(b4c_encoding_reserve(e, 1, err));
    e->ids[0] = m->habits.begin;
    e->n = 1;
    return 0;
}

int b4c_sources_read(b4c_session *s, b4c_sources *to, b4c_reading r, const char *const *texts,
                     const size_t *lens, int n, const b4c_generate_options *o, b4c_error *err)
{
    const b4c_model *m = s->model;
    b4c_tokenize_options how = { .truncate = o->truncate, .no_special = o->no_special,
                                 .find_special = o->no_special, .parted = o->no_special };
    b4c_encoding e = { 0 };
    *to = (b4c_sources){ 0 };
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d texts, wanted 0 or more", n);
    if (!m->tokenizer)
        return b4c_fail(err, B4C_E_ARG, "the model was opened without its tokenizer; give tokens");
    B4C_TRY(source_limit(m, r, o, &how.max_length, err));
    int rc = b4c_sources_init(to, n, err);
    for (int i = 0; i < n && rc == 0; i++) {
        rc = b4c_tokenize(m->tokenizer, texts[i], lens ? lens[i] : SIZE_MAX, NULL, 0, &how, &e,
                          err);
        if (rc == 0) b4c_habits_frame(&m->habits, r, &e);
        if (rc == 0 && e.n == 0) rc = begin_nothing(m, r, &e, err);
        if (rc < 0) {
            if (n > 1) rc = b4c_fail_in(err, "text %d", i + 1);
            break;
        }
        rc = b4c_sources_add(to, i, e.ids, NULL, e.n, err);
        to->stats.cut += e.cut;
        to->stats.unknown += e.unknown;
        to->stats.texts_cut += e.cut > 0;
    }
    b4c_encoding_free(&e);
    return rc;
}

/* ---- streaming ------------------------------------------------------------------------------- */

/* Text of a result that grows, and how far the caller has it: all that is certain, but for a blank
 * at its end and what may be the beginning of a stop string. */
typedef struct growing {
    b4c_stream text;
    bool begun;
    int tokens;              /* that went into it */
    size_t given;            /* bytes of it that the caller has */
} growing;

typedef struct stream {
    const b4c_model *model;
    const b4c_generate_options *o;
    b4c_job *job;
    bool interrupted;
    bool pieces;             /* one hypothesis from the beginning: its text only grows */
    growing *result;         /* [n] */
} stream;

/* Bytes of text [n] that no stop string can begin in. */
static size_t before_stop(const b4c_generate_options *o, const char *text, size_t n)
{
    size_t safe = n;
    for (int i = 0; i < o->n_stop; i++) {
        const size_t length = strlen(o->stop[i]);
        for (size_t at = n > length ? n - length : 0; at < safe; at++)
            if (!strncmp(text + at, o->stop[i], n - at)) safe = at;
    }
    return safe;
}

static int tell(stream *s, int job, const char *text, size_t upto)
{
    const size_t from = s->result[job].given;
    if (upto <= from) return s->o->stream(s->o->stream_arg, job, "", 0);
    s->result[job].given = upto;
    return s->o->stream(s->o->stream_arg, job, text + from, upto - from);
}

static int watch(void *arg, int job)
{
    stream *s = arg;
    if (!s->interrupted && s->o->interrupt) s->interrupted = s->o->interrupt(s->o->interrupt_arg);
    if (s->interrupted || !s->o->stream) return s->interrupted;
    if (!s->pieces) return s->o->stream(s->o->stream_arg, job, "", 0);
    int n;
    const int32_t *ids = b4c_request_tokens(s->job[job].request, 0, &n);
    growing *g = &s->result[job];
    if (!g->begun) b4c_stream_init(&g->text, s->model->tokenizer, B4C_STREAM_TIGHT);
    g->begun = true;
    while (g->tokens < n && b4c_stream_push(&g->text, ids[g->tokens], NULL) >= 0) g->tokens++;
    const char *text = g->text.text.data;
    size_t sure = g->text.text.size;
    while (sure && text[sure - 1] == ' ') sure--;
    return tell(s, job, text, before_stop(s->o, text, sure));
}

static int stream_init(stream *s, int n, b4c_error *err)
{
    s->pieces = s->o->n == 1 && s->o->beams == 1 && s->model->tokenizer &&
                !s->o->whole_sentences;
    s->result = calloc((size_t)n + 1, sizeof *s->result);
    return s->result ? 0 : b4c_fail(err, B4C_E_MEMORY, "no memory for %d streams", n);
}

/* What is left of each text. */
static void stream_end(stream *s, const b4c_generation *g)
{
    for (int i = 0; i < g->n; i++) {
        const char *text = g->count[i] ? g->result[i][0].text : NULL;
        const size_t bytes = text ? strlen(text) : 0;
        if (bytes > s->result[i].given) (void)tell(s, i, text, bytes);
    }
}

static void stream_done(stream *s, int n)
{
    for (int i = 0; s->result && i < n; i++)
        if (s->result[i].begun) b4c_stream_done(&s->result[i].text);
    free(s->result);
}

/* ---- the run --------------------------------------------------------------------------------- */

/* A number for the random stream of a text, by its tokens (FNV-1a). */
static uint64_t number_of(const int32_t *ids, int n)
{
    uint64_t h = 14695981039346656037u;
    for (int i = 0; i < n; i++) h = (h ^ (uint32_t)ids[i]) * 1099511628211u;
    return h;
}

static b4c_vocabulary_facts facts_of(const b4c_model *m)
{
    const b4c_habits *w = &m->habits;
    const bool special = m->tokenizer != NULL;
    return (b4c_vocabulary_facts){
        .vocabulary = w->vocabulary,
        .end = w->end,
        .n_end = w->n_end,
        .unknown = special ? m->tokens.unknown : -1,
        .pad = special ? m->tokens.pad : -1,
        .mask = special ? m->tokens.mask : -1,
        .cls = special ? m->tokens.cls : -1,
        .tokenizer = m->tokenizer,
        .begun = m->net.spec.decoder_layers && w->n_start ? w->n_start - 1 : 0,
    };
}

int b4c_writing_check(const b4c_model *m, const b4c_generate_options *o, b4c_error *err)
{
    const b4c_vocabulary_facts facts = facts_of(m);
    const int rc = b4c_request_check(o, &facts, err);
    if (rc < 0 && b4c_request_check(&m->habits.defaults, &facts, NULL) < 0)
        (void)b4c_fail_in(err, "with what the model's generation_config.json says");
    return rc;
}

static int make_jobs(const b4c_model *m, b4c_reading r, const b4c_generate_options *o,
                     b4c_generation *g, b4c_error *err)
{
    const b4c_habits *w = &m->habits;
    const b4c_vocabulary_facts facts = facts_of(m);
    const b4c_sources *s = &g->own->sources;
    const int most = m->net.spec.max_positions;
    for (int i = 0; i < g->n; i++) {
        const int32_t *ids = b4c_source_ids(s, i), *said = NULL;
        int n_said = 0;
        /* What counts as said already for rules on repetition. */
        if (r == B4C_READ_CAUSAL) said = ids, n_said = s->length[i];
        if (r == B4C_READ_SEQ2SEQ) said = w->start, n_said = w->n_start;
        b4c_request *request =
            b4c_request_new(o, &facts, said, n_said, number_of(ids, s->length[i]), err);
        if (!request) return err->code;
        const int32_t *segments =
            s->segments.size ? (int32_t *)(void *)s->segments.data + s->at[i] : NULL;
        /* Given segments are a dialogue's: the other speaker answers. */
        const bool second = segments ? segments[s->length[i] - 1] == 0 : r == B4C_READ_PREFIX;
        g->own->job[i] =
            (b4c_job){ ids, s->length[i], request, segments,
                       m->net.spec.segments > 1 && second ? 1 : 0 };
        const int before = r == B4C_READ_SEQ2SEQ ? w->n_start : s->length[i];
        g->shortened += most && before - 1 > most - o->max_new_tokens;
        g->unfamiliar += w->read_length && s->length[i] > w->read_length;
    }
    return 0;
}

static int collect(b4c_generation *g, b4c_error *err)
{
    for (int i = 0; i < g->n; i++) {
        const int n = b4c_request_results(g->own->job[i].request, &g->own->result[i]);
        if (n < 0) return b4c_fail(err, n, "no memory for the results");
        g->own->count[i] = n;
        for (int k = 0; k < n; k++) {
            const b4c_result *x = &g->own->result[i][k];
            g->tokens_written += x->n;
            g->empty += x->n == 0;
            g->at_limit += x->finish == B4C_FINISH_LENGTH;
        }
    }
    return 0;
}

static int run(b4c_session *s, b4c_reading r, const b4c_generate_options *o, b4c_generation *g,
               b4c_error *err)
{
    const b4c_habits *w = &s->model->habits;
    const b4c_engine_options engine = { .reading = r, .start = w->start, .n_start = w->n_start };
    stream st = { .model = s->model, .o = o, .job = g->own->job };
    B4C_TRY(make_jobs(s->model, r, o, g, err));
    int rc = o->stream ? stream_init(&st, g->n, err) : 0;
    if (rc == 0)
        rc = b4c_engine_run(&s->model->net, &s->crew, &engine, g->own->job, g->n,
                            o->stream || o->interrupt ? watch : NULL, &st, err);
    if (rc == 0 && st.interrupted) rc = b4c_fail(err, B4C_E_STOPPED, "stopped on request");
    if (rc == 0) rc = collect(g, err);
    if (rc == 0 && o->stream) stream_end(&st, g);
    stream_done(&st, g->n);
    b4c_crew_rest(&s->crew);
    return rc;
}

int b4c_write(b4c_session *s, b4c_reading r, b4c_sources *sources, const b4c_generate_options *o,
              b4c_generation *g, b4c_error *err)
{
    const int n = sources->n;
    b4c_error own = { 0 };
    if (!err) err = &own;
    struct b4c_generation_own *x = calloc(1, sizeof *x);
    if (x) {
        x->job = calloc((size_t)n + 1, sizeof *x->job);
        x->count = calloc((size_t)n + 1, sizeof *x->count);
        x->result = calloc((size_t)n + 1, sizeof *x->result);
    }
    *g = (b4c_generation){ .n = n, .own = x };
    if (!x || !x->job || !x->count || !x->result) {
        b4c_sources_done(sources);
        b4c_generation_free(g);
        return b4c_fail(err, B4C_E_MEMORY, "no memory for %d texts", n);
    }
    x->sources = *sources;
    *sources = (b4c_sources){ 0 };
    g->count = x->count;
    g->result = x->result;
    g->tokens_read = x->sources.stats.tokens;
    g->texts_cut = x->sources.stats.texts_cut;
    g->unknown = x->sources.stats.unknown;
    g->cut = x->sources.stats.cut;
    s->stats = x->sources.stats;
    const int rc = run(s, r, o, g, err);
    if (rc < 0) b4c_generation_free(g);
    return rc;
}

void b4c_generation_free(b4c_generation *g)
{
    if (!g) return;
    struct b4c_generation_own *x = g->own;
    if (x) {
        for (int i = 0; x->job && i < g->n; i++) b4c_request_free(x->job[i].request);
        b4c_sources_done(&x->sources);
        free(x->job);
        free(x->count);
        free(x->result);
        free(x);
    }
    *g = (b4c_generation){ 0 };
}

/* ---- calls ----------------------------------------------------------------------------------- */

b4c_generate_options b4c_generate_defaults(const b4c_model *m) { return m->habits.defaults; }

/* The options of a call, and how it reads. */
static int resolve(const b4c_session *s, const b4c_generate_options *options,
                   b4c_generate_options *o, b4c_reading *r, b4c_error *err)
{
    *o = options ? *options : b4c_generate_defaults(s->model);
    B4C_TRY(b4c_reading_resolve(s->model, o->reading, r, err));
    if (*r == B4C_READ_MASKED)
        return b4c_fail(err, B4C_E_ARG, "reading 'masked' is for scoring, not for writing");
    return b4c_writing_check(s->model, o, err);
}

int b4c_generate(b4c_session *s, const char *const *texts, const size_t *lens, int n,
                 const b4c_generate_options *options, b4c_generation *g, b4c_error *err)
{
    b4c_generate_options o;
    b4c_reading r;
    b4c_sources sources = { 0 };
    *g = (b4c_generation){ 0 };
    B4C_TRY(resolve(s, options, &o, &r, err));
    const int rc = b4c_sources_read(s, &sources, r, texts, lens, n, &o, err);
    if (rc == 0) return b4c_write(s, r, &sources, &o, g, err);
    b4c_sources_done(&sources);
    return rc;
}

int b4c_generate_ids(b4c_session *s, const int32_t *ids, const int32_t *segments,
                     const int *lengths, int n, const b4c_generate_options *options,
                     b4c_generation *g, b4c_error *err)
{
    b4c_generate_options o;
    b4c_reading r;
    b4c_sources sources = { 0 };
    *g = (b4c_generation){ 0 };
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d sequences, wanted 0 or more", n);
    B4C_TRY(resolve(s, options, &o, &r, err));
    B4C_TRY(b4c_check_ids(&s->model->net.spec, ids, segments, lengths, n, err));
    int rc = b4c_sources_init(&sources, n, err);
    size_t row = 0;
    for (int i = 0; i < n && rc == 0; row += (size_t)lengths[i++])
        rc = b4c_sources_add(&sources, i, ids + row, segments ? segments + row : NULL, lengths[i],
                             err);
    if (rc == 0) return b4c_write(s, r, &sources, &o, g, err);
    b4c_sources_done(&sources);
    return rc;
}
