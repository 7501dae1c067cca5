/* score.c - how likely texts are: by reading on (causal), behind a source (prefix, seq2seq), or
 * each token from all others (masked).
 *
 * The idea: everything is passes. A pass is one sequence through the network and the run of its
 * rows whose logits are asked about; a masked text is as many passes as it has tokens. Passes are
 * a long one that is read on, if that is wished, several windows. Passes are
 * packed into batches whatever text they belong to, and logits are made for a slice of rows at a
 * time, so that neither long texts nor large vocabularies need much memory.
 */
#include "api/writing.h"

#include "base/error.h"
#include "decode/filters.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a batch, and logits that exist at once. */
enum { BATCH_ROWS = 2048, SLICE_LOGITS = 8 << 20 };

/* One text: the tokens that are read, [n]; what the encoder reads apart. */
typedef struct text {
    const int32_t *ids, *source;
    int n, n_source;
    int given;               /* the first tokens of ids, which do not count */
} text;

struct b4c_scores_own {
    b4c_sources sources, targets;
    b4c_score *score;        /* [n] */
    b4c_buffer ids;          /* int32_t: tokens that count, of all texts */
    b4c_buffer logprob;      /* float */
};

typedef struct scorer {
    const b4c_model *model;
    b4c_crew *crew;
    b4c_reading reading;
    const text *text;
    int n;
    int window;              /* a longer text is read in windows of so many tokens; 0: at once */
    size_t *at;              /* [n] the text's first token in ids and logprob */
    struct b4c_scores_own *own;
    /* the next pass */
    int next_text, next_token;
} scorer;

/* ---- passes ---------------------------------------------------------------------------------- */

typedef struct pass {
    int text;
    int masked;              /* the token that is hidden, or -1 */
    int begin;               /* the token that is read first */
    int length, first, count;    /* rows; those asked about; the first answers for token `target` */
    int target;
    size_t to;               /* where its first log-probability goes */
} pass;

static bool counts(const b4c_model *m, int32_t id)
{
    return id != m->tokens.cls && id != m->tokens.sep && id != m->tokens.pad;
}

/* Of a text longer than the window, the next piece that was not asked about: half a window of what
 * stands before it is read again (Press et al. 2021: sliding window). */
static void next_window(scorer *s, const text *t, int given, pass *p)
{
    p->target = s->next_token ? s->next_token : given;
    p->begin = s->next_token ? p->target - s->window / 2 : 0;
    p->length = t->n - 1 - p->begin < s->window ? t->n - 1 - p->begin : s->window;
    p->first = p->target - 1 - p->begin;
    p->count = p->length - p->first;
    p->to += (size_t)(p->target - given);
    s->next_token = p->target + p->count;
    if (s->next_token < t->n) return;
    s->next_token = 0;
    s->next_text++;
}

/* The next pass, or false: there is none. */
static bool next_pass(scorer *s, pass *p)
{
    for (; s->next_text < s->n; s->next_text++, s->next_token = 0) {
        const text *t = &s->text[s->next_text];
        *p = (pass){ .text = s->next_text, .masked = -1, .to = s->at[s->next_text] };
        if (s->reading != B4C_READ_MASKED) {
            const int before = s->reading == B4C_READ_SEQ2SEQ ? s->model->habits.n_start : 0;
            const int given = before ? 0 : t->given > 1 ? t->given : 1;
            if (s->window && t->n - 1 > s->window) {
                next_window(s, t, given, p);
                return true;
            }
            p->target = given;
            p->count = t->n - given;
            p->length = before + t->n - 1;       /* the last token is only answered for */
            p->first = before + given - 1;
            s->next_text++;
            if (p->count > 0) return true;
            s->next_text--;
            continue;
        }
        int before = 0;
        for (int k = 0; k < s->next_token; k++) before += counts(s->model, t->ids[k]);
        while (s->next_token < t->n && !counts(s->model, t->ids[s->next_token])) s->next_token++;
        if (s->next_token == t->n) continue;
        p->masked = p->first = p->target = s->next_token++;
        p->length = t->n;
        p->count = 1;
        p->to += (size_t)before;
        return true;
    }
    return false;
}

/* ---- a batch --------------------------------------------------------------------------------- */

typedef struct batch {
    const pass *pass;
    int n, rows, asked;
    int *length, *only, *source_length;
    int32_t *ids, *segments, *source;
    int source_rows;
} batch;

static void put_rows(const scorer *s, const pass *p, int32_t *ids, int32_t *segments)
{
    const b4c_habits *h = &s->model->habits;
    const text *t = &s->text[p->text];
    int k = 0;
    if (s->reading == B4C_READ_SEQ2SEQ)
        for (; k < h->n_start; k++) ids[k] = h->start[k];
    for (int i = 0; k < p->length; k++, i++) ids[k] = t->ids[p->begin + i];
    if (p->masked >= 0) ids[p->masked] = s->model->tokens.mask;
    for (int i = 0; i < p->length; i++)
        segments[i] = s->reading == B4C_READ_PREFIX && i >= t->given;
}

static bool gather(const scorer *s, b4c_tape *t, batch *b)
{
    for (int i = 0; i < b->n; i++) {
        b->rows += b->pass[i].length;
        b->asked += b->pass[i].count;
        b->source_rows += s->text[b->pass[i].text].n_source;
    }
    b->length = b4c_take(t, (size_t)b->n * sizeof *b->length);
    b->source_length = b4c_take(t, (size_t)b->n * sizeof *b->source_length);
    b->only = b4c_take(t, (size_t)b->asked * sizeof *b->only);
    b->ids = b4c_take(t, (size_t)b->rows * sizeof *b->ids);
    b->segments = b4c_take(t, (size_t)b->rows * sizeof *b->segments);
    b->source = b4c_take(t, ((size_t)b->source_rows + 1) * sizeof *b->source);
    if (t->failed) return false;
    for (int i = 0, row = 0, asked = 0, at = 0; i < b->n; i++) {
        const pass *p = &b->pass[i];
        const text *x = &s->text[p->text];
        b->length[i] = p->length;
        b->source_length[i] = x->n_source;
        if (x->n_source) memcpy(b->source + at, x->source, (size_t)x->n_source * sizeof *x->source);
        put_rows(s, p, b->ids + row, b->segments + row);
        for (int k = 0; k < p->count; k++) b->only[asked++] = row + p->first + k;
        row += p->length;
        at += x->n_source;
    }
    return true;
}

/* Rows of the last layer that logits are asked of [asked, width]. */
static b4c_tensor rows_of(const scorer *s, b4c_tape *t, const batch *b)
{
    const b4c_network *net = &s->model->net;
    const b4c_stack *stack = s->reading == B4C_READ_SEQ2SEQ ? &net->decoder : &net->encoder;
    const b4c_mask mask = s->reading == B4C_READ_MASKED   ? B4C_MASK_FULL
                        : s->reading == B4C_READ_PREFIX ? B4C_MASK_PREFIX
                                                        : B4C_MASK_CAUSAL;
    const b4c_plan plan = b4c_plan_make(t, mask, b->length, b->n, b->segments);
    b4c_stack_call call = { .plans = &plan, .n_plans = 1, .only = b->only, .n_only = b->asked };
    b4c_plan cross;
    if (t->failed) return (b4c_tensor){ 0 };
    if (s->reading == B4C_READ_SEQ2SEQ) {
        const b4c_plan full = b4c_plan_make(t, B4C_MASK_FULL, b->source_length, b->n, NULL);
        if (t->failed) return (b4c_tensor){ 0 };
        const b4c_stack_call read = { .plans = &full, .n_plans = 1 };
        const b4c_tensor x =
            b4c_input(t, net, &net->encoder, b->source, NULL, &full, (b4c_dropping){ 0 });
        call.memory = b4c_stack_run(t, net, &net->encoder, x, &read);
        cross = b4c_plan_cross(t, b->length, b->source_length, b->n);
        if (t->failed) return (b4c_tensor){ 0 };
        call.cross = &cross;
    }
    const int32_t *segments = net->spec.segments > 1 ? b->segments : NULL;
    const b4c_tensor x = b4c_input(t, net, stack, b->ids, segments, &plan, (b4c_dropping){ 0 });
    return b4c_stack_run(t, net, stack, x, &call);
}

/* Log-probabilities of a batch into place. */
static int answer(scorer *s, b4c_tape *t, const batch *b, b4c_tensor x, b4c_error *err)
{
    const int v = s->model->habits.vocabulary;
    const int slice = SLICE_LOGITS / s->model->net.spec.vocabulary + 1;
    float *out = (float *)(void *)s->own->logprob.data;
    int32_t *ids = (int32_t *)(void *)s->own->ids.data;
    b4c_rows_of(t, &x);
    for (int i = 0, k = 0, row = 0; i < b->n && !t->failed;) {
        const size_t scope = b4c_scope_open(t);
        const int rows = b->asked - row < slice ? b->asked - row : slice;
        const b4c_tensor logits = b4c_logits(t, &s->model->net, b4c_row_range(x, row, rows));
        for (int r = 0; r < rows && !t->failed; r++) {
            const pass *p = &b->pass[i];
            const float *y = (const float *)(const void *)b4c_row_of(logits, r);
            const int32_t id = s->text[p->text].ids[p->target + k];
            const double z = b4c_log_sum_exp(y, v);
            out[p->to + (size_t)k] = (float)((double)y[id] - z);
            ids[p->to + (size_t)k] = id;
            if (isnan(out[p->to + (size_t)k]))
                return b4c_fail(err, B4C_E_NUMBER, "text %d: token %d: its logit is NaN",
                                p->text + 1, p->target + k + 1);
            if (++k == p->count) k = 0, i++;
        }
        row += rows;
        b4c_drop(t, scope);
    }
    return 0;
}

static int run_all(scorer *s, b4c_error *err)
{
    b4c_tape *t = b4c_crew_joint(s->crew);
    int rc = 0, room = 64;
    pass *pending = malloc((size_t)room * sizeof *pending), next;
    bool more = pending && next_pass(s, &next);
    if (!pending) rc = b4c_fail(err, B4C_E_MEMORY, "no memory to score %d texts", s->n);
    while (more && rc == 0) {
        batch b = { .pass = pending };
        for (int rows = 0; more && (b.n == 0 || rows + next.length <= BATCH_ROWS);) {
            if (b.n == room) {
                pass *wider = realloc(pending, 2 * (size_t)room * sizeof *wider);
                if (!wider) break;
                b.pass = pending = wider;
                room *= 2;
            }
            pending[b.n++] = next;
            rows += next.length + s->text[next.text].n_source;
            more = next_pass(s, &next);
        }
        b4c_tape_reset(t);
        const b4c_tensor x = gather(s, t, &b) ? rows_of(s, t, &b) : (b4c_tensor){ 0 };
        if (!t->failed) rc = answer(s, t, &b, x, err);
        if (t->failed)
            rc = b4c_fail(err, B4C_E_MEMORY, "no memory to score %d rows at once", b.rows);
    }
    free(pending);
    b4c_tape_reset(t);
    b4c_crew_apart(s->crew);
    b4c_crew_rest(s->crew);
    return rc;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* How many tokens of a text count. */
static int counted(const scorer *s, const text *t)
{
    int n = 0;
    if (s->reading == B4C_READ_SEQ2SEQ) return t->n;
    if (s->reading != B4C_READ_MASKED) return t->n - (t->given > 1 ? t->given : 1);
    for (int i = 0; i < t->n; i++) n += counts(s->model, t->ids[i]);
    return n;
}

/* Tokens of a text at most; 0: any. max_length is within the model's (resolve). */
static int limit_of(const b4c_model *m, int max_length)
{
    return max_length ? max_length : m->net.spec.max_positions;
}

static int check_lengths(const scorer *s, int max_length, b4c_error *err)
{
    const int limit = limit_of(s->model, max_length);
    /* The last token needs no position; the decoder's start tokens do. */
    const int before = s->reading == B4C_READ_SEQ2SEQ ? s->model->habits.n_start - 1 : 0;
    for (int i = 0; limit && !s->window && i < s->n; i++) {
        const text *t = &s->text[i];
        const int longest = t->n + before > t->n_source ? t->n + before : t->n_source;
        if (longest > limit)
            return b4c_fail(err, B4C_E_TEXT,
                            "text %d: found %d tokens, wanted at most %d; shorten it", i + 1,
                            longest, limit);
    }
    return 0;
}

/* A window has a row at least for what is read again and one for what is asked. */
enum { SMALLEST_WINDOW = 2 };

static int window_of(const b4c_session *s, b4c_reading r, const b4c_score_options *o, bool source)
{
    const int limit = limit_of(s->model, o->max_length);
    const bool may = o->windows && r == B4C_READ_CAUSAL && !source;
    return may && limit >= SMALLEST_WINDOW ? limit : 0;
}

static int score_all(b4c_session *session, b4c_reading r, const text *texts, int n, int max_length,
                     int window, b4c_scores *out, b4c_error *err)
{
    struct b4c_scores_own *own = out->own;
    scorer s = { .model = session->model, .crew = &session->crew, .reading = r, .text = texts,
                 .n = n, .window = window, .own = own };
    size_t total = 0;
    B4C_TRY(check_lengths(&s, max_length, err));
    s.at = malloc(((size_t)n + 1) * sizeof *s.at);
    own->score = calloc((size_t)n + 1, sizeof *own->score);
    for (int i = 0; s.at && own->score && i < n; i++) {
        const int k = counted(&s, &texts[i]);
        own->score[i].n = k > 0 ? k : 0;
        s.at[i] = total;
        total += (size_t)own->score[i].n;
    }
    own->ids.data = calloc(total + 1, sizeof(int32_t));
    own->logprob.data = calloc(total + 1, sizeof(float));
    int rc = s.at && own->score && own->ids.data && own->logprob.data
               ? run_all(&s, err)
               : b4c_fail(err, B4C_E_MEMORY, "no memory to score %d texts", n);
    for (int i = 0; i < n && rc == 0; i++) {
        b4c_score *x = &own->score[i];
        x->ids = (const int32_t *)(const void *)own->ids.data + s.at[i];
        x->token_logprob = (const float *)(const void *)own->logprob.data + s.at[i];
        for (int k = 0; k < x->n; k++) x->logprob += (double)x->token_logprob[k];
        x->perplexity = x->n ? exp(-x->logprob / x->n) : (double)NAN;
    }
    free(s.at);
    out->n = n;
    out->score = own->score;
    out->reading = r;
    return rc;
}

static int resolve(const b4c_session *s, const b4c_score_options *o, bool source, b4c_reading *r,
                   b4c_error *err)
{
    const b4c_model *m = s->model;
    b4c_reading wanted = o->reading;
    if (o->end < -1 || o->end > 1)
        return b4c_fail(err, B4C_E_ARG, "end is %d, wanted 1, 0 or -1", o->end);
    if (o->max_length < 0 ||
        (m->net.spec.max_positions && o->max_length > m->net.spec.max_positions))
        return b4c_fail(err, B4C_E_ARG, "max_length is %d, the model reads at most %d tokens",
                        o->max_length, m->net.spec.max_positions);
    if (wanted == B4C_READ_AUTO && m->habits.reading == B4C_READ_PREFIX && !source)
        wanted = B4C_READ_MASKED;
    B4C_TRY(b4c_reading_resolve(m, wanted, r, err));
    if (*r == B4C_READ_MASKED && source)
        return b4c_fail(err, B4C_E_ARG, "reading 'masked' takes no source");
    if (*r == B4C_READ_MASKED && (!m->tokenizer || m->tokens.mask < 0))
        return b4c_fail(err, B4C_E_MISSING, "reading 'masked': the tokenizer has no mask token");
    if (*r != B4C_READ_MASKED && *r != B4C_READ_CAUSAL && !source)
        return b4c_fail(err, B4C_E_ARG, "reading '%s': found no source, wanted one a text",
                        b4c_reading_name(*r));
    return 0;
}

static int begin(b4c_scores *out, int n, text **texts, b4c_error *err)
{
    *out = (b4c_scores){ .own = calloc(1, sizeof *out->own) };
    *texts = calloc((size_t)n + 1, sizeof **texts);
    if (out->own && *texts) return 0;
    return b4c_fail(err, B4C_E_MEMORY, "no memory to score %d texts", n);
}

static int end(b4c_scores *out, text *texts, int rc)
{
    free(texts);
    if (rc < 0) b4c_scores_free(out);
    return rc;
}

/* Text i as the reading wants it, from what stands before it and what counts. */
static int read_text(b4c_session *s, b4c_reading r, const b4c_score_options *o, const char *source,
                     size_t source_len, const char *words, size_t len, int i, text *t,
                     struct b4c_scores_own *own, b4c_error *err)
{
    const b4c_model *m = s->model;
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    b4c_encoding e = { 0 };
    b4c_buffer ids = { 0 };
    int rc = 0;
    const bool ends = o->end < 0 ? source != NULL : o->end;
    if (source) {
        rc = b4c_tokenize(m->tokenizer, source, source_len, NULL, 0, &how, &e, err);
        if (rc == 0) b4c_habits_frame(&m->habits, r, &e);
        if (rc == 0 && r != B4C_READ_SEQ2SEQ)
            b4c_buffer_add(&ids, e.ids, (size_t)e.n * sizeof *e.ids);
        if (rc == 0 && r == B4C_READ_SEQ2SEQ)
            rc = b4c_sources_add(&own->sources, i, e.ids, NULL, e.n, err);
        t->given = r == B4C_READ_SEQ2SEQ ? 0 : e.n;
        t->n_source = r == B4C_READ_SEQ2SEQ ? e.n : 0;
        own->targets.stats.unknown += e.unknown;
        how.no_special = true;
    }
    if (rc == 0) rc = b4c_tokenize(m->tokenizer, words, len, NULL, 0, &how, &e, err);
    if (rc == 0) {
        if (r == B4C_READ_CAUSAL) b4c_encoding_reopen(&e);
        for (int k = 0; !source && k < e.n && e.added[k]; k++) t->given = k + 1;
        b4c_buffer_add(&ids, e.ids, (size_t)e.n * sizeof *e.ids);
        if (ends && r != B4C_READ_MASKED && m->habits.n_end)
            b4c_buffer_add(&ids, m->habits.end, sizeof *m->habits.end);
        if (r == B4C_READ_MASKED) t->given = 0;
        own->targets.stats.unknown += e.unknown;
        t->n = (int)(ids.size / sizeof *e.ids);
        if (ids.failed) rc = b4c_fail(err, B4C_E_MEMORY, "no memory for its tokens");
    }
    if (rc == 0)
        rc = b4c_sources_add(&own->targets, i, (const int32_t *)(const void *)ids.data, NULL,
                             t->n, err);
    b4c_buffer_done(&ids);
    b4c_encoding_free(&e);
    return rc;
}

int b4c_score_texts(b4c_session *s, const char *const *sources, const size_t *source_lens,
                    const char *const *texts, const size_t *lens, int n,
                    const b4c_score_options *options, b4c_scores *out, b4c_error *err)
{
    const b4c_score_options o = options ? *options : B4C_SCORE_DEFAULT;
    b4c_reading r;
    text *t = NULL;
    *out = (b4c_scores){ 0 };
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d texts, wanted 0 or more", n);
    if (!s->model->tokenizer)
        return b4c_fail(err, B4C_E_ARG, "the model was opened without its tokenizer; give tokens");
    B4C_TRY(resolve(s, &o, sources != NULL, &r, err));
    int rc = begin(out, n, &t, err);
    if (rc == 0) rc = b4c_sources_init(&out->own->targets, n, err);
    if (rc == 0) rc = b4c_sources_init(&out->own->sources, n, err);
    for (int i = 0; i < n && rc == 0; i++) {
        rc = read_text(s, r, &o, sources ? sources[i] : NULL,
                       source_lens ? source_lens[i] : SIZE_MAX, texts[i], lens ? lens[i] : SIZE_MAX,
                       i, &t[i], out->own, err);
        if (rc < 0 && n > 1) rc = b4c_fail_in(err, "text %d", i + 1);
    }
    for (int i = 0; i < n && rc == 0; i++) {     /* where they stay, now that they move no more */
        t[i].ids = b4c_source_ids(&out->own->targets, i);
        if (t[i].n_source) t[i].source = b4c_source_ids(&out->own->sources, i);
    }
    if (rc == 0) s->stats = out->own->targets.stats;
    if (rc == 0) rc = score_all(s, r, t, n, o.max_length,
                                window_of(s, r, &o, sources != NULL), out, err);
    return end(out, t, rc);
}

static int check_in_windows(const b4c_session *s, const int32_t *ids, int n, int window,
                            b4c_error *err)
{
    int at = 0;
    do {
        const int part = window && n - at > window ? window : n - at;
        B4C_TRY(b4c_check_ids(&s->model->net.spec, ids + at, NULL, &part, 1, err));
        at += part;
    } while (at < n);
    return 0;
}

int b4c_score_ids(b4c_session *s, const int32_t *ids, const int *lengths, const int *given, int n,
                  const b4c_score_options *options, b4c_scores *out, b4c_error *err)
{
    const b4c_score_options o = options ? *options : B4C_SCORE_DEFAULT;
    b4c_reading r;
    text *t = NULL;
    size_t row = 0;
    *out = (b4c_scores){ 0 };
    if (n < 0) return b4c_fail(err, B4C_E_ARG, "%d sequences, wanted 0 or more", n);
    B4C_TRY(resolve(s, &o, given != NULL, &r, err));
    const int window = window_of(s, r, &o, given != NULL);
    int rc = begin(out, n, &t, err);
    for (int i = 0; i < n && rc == 0; row += (size_t)lengths[i++]) {
        const int before = given ? given[i] : 0;
        const bool two = r == B4C_READ_SEQ2SEQ;
        if (before < 0 || before > lengths[i])
            rc = b4c_fail(err, B4C_E_ARG, "%d tokens are given, there are %d", before, lengths[i]);
        else if (two && before < 1)
            rc = b4c_fail(err, B4C_E_ARG, "found no source, wanted one or more tokens");
        else if (two) {      /* the encoder and the decoder have positions of their own */
            const int part[] = { before, lengths[i] - before };
            rc = b4c_check_ids(&s->model->net.spec, ids + row, NULL, part, part[1] ? 2 : 1, err);
        } else {
            rc = check_in_windows(s, ids + row, lengths[i], window, err);
        }
        for (int k = before; k < lengths[i] && rc == 0; k++)     /* each must have a probability */
            if (ids[row + (size_t)k] >= s->model->habits.vocabulary)
                rc = b4c_fail(err, B4C_E_ARG, "token %d: id is %d, wanted 0 to %d", k + 1,
                              (int)ids[row + (size_t)k], s->model->habits.vocabulary - 1);
        if (rc < 0) {
            rc = b4c_fail_in(err, "sequence %d", i + 1);
            break;
        }
        t[i] = (text){ .ids = ids + row + (two ? before : 0), .n = lengths[i] - (two ? before : 0),
                       .source = ids + row, .n_source = two ? before : 0,
                       .given = two ? 0 : before };
    }
    if (rc == 0) s->stats = (b4c_encode_stats){ .tokens = (int64_t)row };
    if (rc == 0) rc = score_all(s, r, t, n, o.max_length, window, out, err);
    return end(out, t, rc);
}

void b4c_scores_free(b4c_scores *s)
{
    if (!s) return;
    if (s->own) {
        b4c_sources_done(&s->own->sources);
        b4c_sources_done(&s->own->targets);
        free(s->own->score);
        free(s->own->ids.data);
        free(s->own->logprob.data);
        free(s->own);
    }
    *s = (b4c_scores){ 0 };
}
