/* request.c - a request's life: its own copy of the options, its hypotheses, the rules on its
 * logits, why it ends. See request.h; options are checked by request_check.c.
 */
#include "decode/request_own.h"

#include "decode/cycle.h"
#include "text/spell.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- beginning and end of a request ---------------------------------------------------------- */

/* A phrase list with its tokens behind it, in one block. */
static b4c_phrase *copy_phrases(const b4c_phrase *p, int n)
{
    size_t tokens = 0;
    for (int i = 0; i < n; i++) tokens += (size_t)p[i].n;
    b4c_phrase *copy = malloc((size_t)n * sizeof *copy + tokens * sizeof(int32_t) + 1);
    if (!copy) return NULL;
    int32_t *ids = (int32_t *)(void *)(copy + n);
    for (int i = 0; i < n; ids += p[i++].n) {
        memcpy(ids, p[i].ids, (size_t)p[i].n * sizeof *ids);
        copy[i] = (b4c_phrase){ ids, p[i].n };
    }
    return copy;
}

static char **copy_strings(const char *const *s, int n)
{
    size_t bytes = 0;
    for (int i = 0; i < n; i++) bytes += strlen(s[i]) + 1;
    char **copy = malloc((size_t)n * sizeof *copy + bytes + 1);
    if (!copy) return NULL;
    char *text = (char *)(copy + n);
    for (int i = 0; i < n; i++) {
        copy[i] = text;
        text = stpcpy(text, s[i]) + 1;
    }
    return copy;
}

static void *copy_of(const void *p, size_t bytes)
{
    void *copy = malloc(bytes + 1);
    if (copy && bytes) memcpy(copy, p, bytes);
    return copy;
}

/* What biases and negative penalties may give a token in one step; `row` is room. */
static double raise_of(const b4c_request *r, float *row)
{
    const b4c_generate_options *o = &r->o;
    double most = 0;
    for (int i = 0; i < o->n_bias; i++) row[o->bias[i].token] = 0;
    for (int i = 0; i < o->n_bias; i++) row[o->bias[i].token] += o->bias[i].bias;
    for (int i = 0; i < o->n_bias; i++) most = fmax(most, (double)row[o->bias[i].token]);
    most += fmax(0, -(double)o->presence_penalty);
    most += fmax(0, -(double)o->frequency_penalty) * (r->n_prompt + o->max_new_tokens);
    return o->sample ? most / (double)o->temperature : most;
}

b4c_request *b4c_request_new(const b4c_generate_options *o, const b4c_vocabulary_facts *f,
                             const int32_t *prompt, int n_prompt, uint64_t number, b4c_error *err)
{
    if (b4c_request_check(o, f, err) < 0) return NULL;
    b4c_request *r = calloc(1, sizeof *r);
    if (!r) return b4c_fail(err, B4C_E_MEMORY, "generation: no memory"), NULL;
    r->o = *o;
    if (o->repetition_penalty > B4C_REPETITION_PENALTY_MOST)
        r->o.repetition_penalty = B4C_REPETITION_PENALTY_MOST;
    r->facts = *f;
    r->number = number;
    r->n_prompt = n_prompt;
    r->n_model_end = f->n_end;
    r->n_end = f->n_end + o->n_stop_tokens;
    r->most = b4c_is_sample(r) ? o->n : o->beams;
    r->history_room = n_prompt + o->max_new_tokens + 1;

    const size_t v = (size_t)f->vocabulary, most = (size_t)r->most;
    r->o.bias = copy_of(o->bias, (size_t)o->n_bias * sizeof *o->bias);
    r->o.not_first = copy_of(o->not_first, (size_t)o->n_not_first * sizeof *o->not_first);
    r->o.bad = copy_phrases(o->bad, o->n_bad);
    r->o.forced = copy_phrases(o->forced, o->n_forced);
    r->o.stop = (const char *const *)copy_strings(o->stop, o->n_stop);
    r->end = malloc(((size_t)r->n_end + 1) * sizeof *r->end);
    r->history = malloc((size_t)r->history_room * sizeof *r->history);
    r->live = calloc(most, sizeof *r->live);
    r->next = calloc(most, sizeof *r->next);
    r->row = malloc(v * sizeof *r->row);
    r->scratch_value = malloc(2 * v * sizeof *r->scratch_value);
    r->seen = calloc(v, 1);
    r->border = malloc(((size_t)o->max_new_tokens + 2) * sizeof *r->border);
    r->rng = calloc(most, sizeof *r->rng);
    r->z = calloc(most, sizeof *r->z);
    r->also = malloc(most * sizeof *r->also);
    bool ok = r->o.bias && r->o.not_first && r->o.bad && r->o.forced && r->o.stop && r->end &&
              r->history && r->live && r->next && r->row && r->scratch_value && r->seen &&
              r->rng && r->z && r->also && r->border;
    if (ok && !b4c_is_sample(r)) ok = b4c_beam_init(r) == 0;
    if (!ok) {
        b4c_request_free(r);
        b4c_fail(err, B4C_E_MEMORY, "generation: no memory for a request of %d results", r->most);
        return NULL;
    }
    if (f->n_end) memcpy(r->end, f->end, (size_t)f->n_end * sizeof *r->end);
    for (int i = 0; i < o->n_stop_tokens; i++) r->end[f->n_end + i] = o->stop_tokens[i];
    if (n_prompt) memcpy(r->history, prompt, (size_t)n_prompt * sizeof *prompt);
    for (int i = 0; i < r->most; i++) {
        b4c_rng_init(&r->rng[i], o->seed, number, (uint32_t)i);
        r->also[i] = i + 1 < r->most ? i + 1 : -1;
    }
    r->n_never = b4c_request_never(o, f, r->never);
    r->raise = raise_of(r, r->row);
    r->n_live = 1;
    r->live[0].cut = SIZE_MAX;
    return r;
}

void b4c_request_free(b4c_request *r)
{
    if (!r) return;
    for (int i = 0; i < r->most && r->live && r->next; i++) {
        b4c_hypothesis_free(&r->live[i]);
        b4c_hypothesis_free(&r->next[i]);
    }
    for (int i = 0; i < r->n_done; i++) b4c_hypothesis_free(&r->done[i]);
    for (int i = 0; i < r->n_result; i++) free((char *)(uintptr_t)r->result[i].text);
    free((void *)(uintptr_t)r->o.bias);
    free((void *)(uintptr_t)r->o.not_first);
    free((void *)(uintptr_t)r->o.bad);
    free((void *)(uintptr_t)r->o.forced);
    free((void *)(uintptr_t)r->o.stop);
    b4c_beam_done(r);
    free(r->result);
    free(r->end);
    free(r->history);
    free(r->live);
    free(r->next);
    free(r->done);
    free(r->row);
    free(r->scratch_value);
    free(r->seen);
    free(r->beside);
    free(r->z);
    free(r->border);
    free(r->rng);
    free(r->also);
    free(r);
}

void b4c_request_share(b4c_request *r, b4c_pool *pool) { r->pool = pool; }

int b4c_request_live(const b4c_request *r) { return r->n_live; }
int b4c_request_most(const b4c_request *r) { return r->most; }
int b4c_request_longest(const b4c_request *r) { return r->o.max_new_tokens; }
int b4c_request_vocabulary(const b4c_request *r) { return r->facts.vocabulary; }

const int32_t *b4c_request_tokens(const b4c_request *r, int i, int *n)
{
    *n = r->live[i].n;
    return r->live[i].ids;
}

/* ---- hypotheses ------------------------------------------------------------------------------ */

void b4c_hypothesis_free(b4c_hypothesis *h)
{
    free(h->ids);
    free(h->token_logprob);
    free(h->alternative);
    *h = (b4c_hypothesis){ 0 };
}

/* The `best` highest of a row of log-probabilities, falling. */
static void best_of(const float *row, int v, int best, b4c_candidate *out)
{
    int n = 0;
    for (int i = 0; i < v; i++) {
        if (n == best && !(row[i] > out[n - 1].p)) continue;
        int k = n < best ? n++ : n - 1;
        for (; k > 0 && row[i] > out[k - 1].p; k--) out[k] = out[k - 1];
        out[k] = (b4c_candidate){ i, row[i] };
    }
}

/* h, with room for `more` tokens; empty when there is no memory. */
static b4c_hypothesis copy_hypothesis(b4c_request *r, const b4c_hypothesis *h, size_t more)
{
    const size_t n = (size_t)h->n, alternatives = (size_t)r->o.alternatives;
    b4c_hypothesis x = *h;
    x.ids = malloc((n + more) * sizeof *x.ids);
    x.token_logprob = malloc((n + more) * sizeof *x.token_logprob);
    x.alternative =
        alternatives ? malloc((n + more) * alternatives * sizeof *x.alternative) : NULL;
    if (!x.ids || !x.token_logprob || (alternatives && !x.alternative)) {
        b4c_hypothesis_free(&x);
        r->failed = true;
    } else if (n) {
        memcpy(x.ids, h->ids, n * sizeof *x.ids);
        memcpy(x.token_logprob, h->token_logprob, n * sizeof *x.token_logprob);
        if (alternatives)
            memcpy(x.alternative, h->alternative, n * alternatives * sizeof *x.alternative);
    }
    return x;
}

void b4c_hypothesis_extend(b4c_request *r, b4c_hypothesis *to, const b4c_hypothesis *h,
                           int32_t token, double logprob, const float *row)
{
    const size_t n = (size_t)h->n, alternatives = (size_t)r->o.alternatives;
    *to = copy_hypothesis(r, h, 1);
    if (r->failed) return;
    to->ids[n] = token;
    to->token_logprob[n] = (float)logprob;
    if (alternatives)
        best_of(row, r->facts.vocabulary, r->o.alternatives, to->alternative + n * alternatives);
    to->n++;
    to->logprob += logprob;
}

/* Room for one more. */
static bool done_grows(b4c_request *r)
{
    if (r->n_done < r->done_room) return true;
    const int room = r->done_room ? 2 * r->done_room : 8;
    b4c_hypothesis *done = realloc(r->done, (size_t)room * sizeof *done);
    if (!done) return false;
    r->done = done;
    r->done_room = room;
    return true;
}

void b4c_request_finished(b4c_request *r, b4c_hypothesis *h, b4c_finish why)
{
    h->finish = why;
    for (int i = b4c_is_sample(r) ? r->also[h->lane] : -1; i >= 0 && !r->failed; i = r->also[i]) {
        b4c_hypothesis same = copy_hypothesis(r, h, 0);
        same.lane = i;
        if (done_grows(r)) r->done[r->n_done++] = same;
        else b4c_hypothesis_free(&same), r->failed = true;
    }
    if (done_grows(r)) r->done[r->n_done++] = *h;
    else b4c_hypothesis_free(h), r->failed = true;
    *h = (b4c_hypothesis){ 0 };
}

void b4c_request_turn(b4c_request *r)
{
    for (int i = 0; i < r->n_live; i++) b4c_hypothesis_free(&r->live[i]);
    b4c_hypothesis *t = r->live;
    r->live = r->next;
    r->next = t;
    r->n_live = r->n_next;
    r->n_next = 0;
    r->steps++;
}

/* ---- rules ----------------------------------------------------------------------------------- */

bool b4c_request_is_end(const b4c_request *r, int32_t token)
{
    return b4c_is_among(r->end, r->n_end, token);
}

int b4c_request_forced(const b4c_request *r, const b4c_hypothesis *h, int *missing, int32_t *next)
{
    int met = 0, longest = -1;
    *missing = 0;
    *next = -1;
    for (int i = 0; i < r->o.n_forced; i++) {
        const b4c_phrase p = r->o.forced[i];
        const size_t bytes = (size_t)p.n * sizeof *p.ids;
        int at = 0, begun = 0;
        while (at + p.n <= h->n && memcmp(h->ids + at, p.ids, bytes)) at++;
        if (at + p.n <= h->n) {
            met += p.n;
            continue;
        }
        for (int k = 1; k < p.n && k <= h->n; k++)
            if (!memcmp(h->ids + h->n - k, p.ids, (size_t)k * sizeof *p.ids)) begun = k;
        if (begun > longest) {
            longest = begun;
            *next = p.ids[begun];
        }
        *missing += p.n;
    }
    return met + (longest > 0 ? longest : 0);
}

void b4c_request_rules(b4c_request *r, const b4c_hypothesis *h, float *row)
{
    const b4c_generate_options *o = &r->o;
    const int v = r->facts.vocabulary, n = r->n_prompt + h->n;
    if (h->n) memcpy(r->history + r->n_prompt, h->ids, (size_t)h->n * sizeof *h->ids);
    if (o->repetition_penalty < 1 || o->repetition_penalty > 1)
        b4c_penalize_repeats(row, v, r->history, n, o->repetition_penalty, r->seen);
    if (o->presence_penalty < 0 || o->presence_penalty > 0 || o->frequency_penalty < 0 ||
        o->frequency_penalty > 0)
        b4c_penalize_counts(row, v, r->history, n, o->presence_penalty, o->frequency_penalty,
                            r->seen);
    if (o->no_repeat_ngram) b4c_ban_ngrams(row, v, r->history, n, o->no_repeat_ngram);
    for (int i = 0; i < o->n_bad; i++)
        b4c_ban_phrase(row, v, r->history, n, o->bad[i].ids, o->bad[i].n);
    for (int i = 0; i < r->n_never; i++) row[r->never[i]] = -INFINITY;
    for (int i = 0; i < o->n_not_first && h->n == 0; i++) row[o->not_first[i]] = -INFINITY;
    for (int i = 0; i < o->n_bias; i++) row[o->bias[i].token] += o->bias[i].bias;

    int missing = 0;
    int32_t next = -1;
    if (o->n_forced) b4c_request_forced(r, h, &missing, &next);
    if (missing || (h->n < o->min_new_tokens && !o->bert4keras_beam))
        for (int i = 0; i < r->n_end; i++) row[r->end[i]] = -INFINITY;
    if (missing && o->max_new_tokens - h->n - 1 <
                       missing) { /* a free token may break off a phrase begun: no time for that */
        const float keep = row[next] > -INFINITY ? row[next] : 0;
        for (int i = 0; i < v; i++) row[i] = -INFINITY;
        row[next] = keep;
    }
    if (o->end_at_limit && !missing && h->n == o->max_new_tokens - 1) {
        for (int i = 0; i < v; i++) row[i] = -INFINITY;
        for (int i = 0; i < r->n_end; i++) row[r->end[i]] = 0;
    }
}

void b4c_request_keep(b4c_request *r, float *row)
{
    const b4c_generate_options *o = &r->o;
    const int v = r->facts.vocabulary;
    b4c_filter_scratch s = { r->scratch_value, 2 * v };
    if (o->top_k) b4c_keep_top_k(row, v, o->top_k, &s);
    if (o->top_p < 1) b4c_keep_top_p(row, v, o->top_p, &s);
    if (o->min_p > 0) b4c_keep_min_p(row, v, o->min_p);
    if (o->typical < 1) b4c_keep_typical(row, v, o->typical, &s);
}

/* Where the first stop string begins in the text of h's tokens from `from` on, `after` bytes of it
 * or later; SIZE_MAX: nowhere. */
static size_t find_stop(b4c_request *r, const b4c_hypothesis *h, int from, size_t after)
{
    char *text = b4c_spell(r->facts.tokenizer, h->ids + from, h->n - from, NULL);
    if (!text) return r->failed = true, SIZE_MAX;
    const size_t size = strlen(text);
    size_t first = SIZE_MAX;
    for (int i = 0; i < r->o.n_stop && after <= size; i++) {
        const char *found = strstr(text + after, r->o.stop[i]);
        if (found && (size_t)(found - text) < first) first = (size_t)(found - text);
    }
    free(text);
    return first;
}

/* Bytes of the text of the tokens that min_new_tokens wants: they are never cut. */
static size_t least_text(b4c_request *r, const b4c_hypothesis *h)
{
    char *text = b4c_spell(r->facts.tokenizer, h->ids, r->o.min_new_tokens, NULL);
    if (!text) return r->failed = true, 0;
    const size_t bytes = strlen(text);
    free(text);
    return bytes;
}

/* Does h end in a cycle, with all it must say said? */
static bool goes_round(const b4c_request *r, const b4c_hypothesis *h)
{
    enum { WINDOW = 2048 };  /* what a step costs has a bound */
    const int window = h->n < WINDOW ? h->n : WINDOW;
    int missing;
    int32_t next;
    if (!b4c_cycle_find(h->ids + h->n - window, window, r->o.stop_cycle, r->border).tokens)
        return false;
    b4c_request_forced(r, h, &missing, &next);
    return missing == 0;
}

b4c_finish b4c_request_why(b4c_request *r, b4c_hypothesis *h)
{
    const int32_t last = h->ids[h->n - 1];
    if (r->o.end_at_limit && h->n >= r->o.max_new_tokens) return B4C_FINISH_LENGTH;
    for (int i = 0; i < r->n_end; i++)
        if (r->end[i] == last) return i < r->n_model_end ? B4C_FINISH_END : B4C_FINISH_STOP;
    if (r->o.n_stop && h->n >= r->o.min_new_tokens) {
        size_t longest = 0;
        for (int i = 0; i < r->o.n_stop; i++)
            if (strlen(r->o.stop[i]) > longest) longest = strlen(r->o.stop[i]);
        /* a stop string that was not there before ends in the last tokens */
        const int window = h->n > (int)longest + 8 ? (int)longest + 8 : h->n;
        if (find_stop(r, h, h->n - window, 0) != SIZE_MAX) {
            h->cut = find_stop(r, h, 0, least_text(r, h));
            if (h->cut != SIZE_MAX) return B4C_FINISH_STOP;
        }
    }
    if (r->o.stop_cycle && h->n >= r->o.min_new_tokens && goes_round(r, h))
        return B4C_FINISH_CYCLE;
    return h->n >= r->o.max_new_tokens ? B4C_FINISH_LENGTH : B4C_FINISH_NONE;
}

/* ---- steps ----------------------------------------------------------------------------------- */

typedef struct summing { b4c_request *r; const float *logits; } summing;

static void sum_some(void *arg, int lane, int lanes)
{
    const summing *s = arg;
    const int v = s->r->facts.vocabulary;
    for (int i = lane; i < s->r->n_live; i += lanes)
        s->r->z[i] = b4c_log_sum_exp(s->logits + (size_t)i * (size_t)v, v);
}

/* Sums of all live rows. They are numbers if the logits are. */
static int sum_rows(b4c_request *r, const float *logits, b4c_error *err)
{
    const int v = r->facts.vocabulary;
    b4c_pool_run(r->n_live > 1 ? r->pool : NULL, sum_some, &(summing){ r, logits });
    for (int i = 0; i < r->n_live; i++) {
        const float *row = logits + (size_t)i * (size_t)v;
        int token = 0;
        if (!isnan(r->z[i])) continue;
        while (token < v - 1 && row[token] <= FLT_MAX) token++;
        return b4c_fail(err, B4C_E_NUMBER, "generation: step %d: the logit of token %d is %s",
                        r->steps, token, isnan(row[token]) ? "NaN" : "infinite");
    }
    return 0;
}

int b4c_request_step(b4c_request *r, float *logits, b4c_move *moves, b4c_error *err)
{
    B4C_TRY(sum_rows(r, logits, err));
    int live;
    if (r->o.bert4keras_beam)
        live = b4c_bert4keras_step(r, logits, moves, err);
    else if (r->o.beams > 1)
        live = b4c_beam_step(r, logits, moves, err);
    else
        live = b4c_sample_step(r, logits, moves, err);
    return r->failed ? b4c_fail(err, B4C_E_MEMORY, "generation: no memory in step %d", r->steps)
                     : live;
}

void b4c_request_finish(b4c_request *r, b4c_finish why)
{
    if (!b4c_is_sample(r)) {
        b4c_beam_finish(r, why);
    } else {
        for (int i = 0; i < r->n_live; i++)
            if (r->live[i].n) b4c_request_finished(r, &r->live[i], why);
    }
    for (int i = 0; i < r->n_live; i++) b4c_hypothesis_free(&r->live[i]);
    r->n_live = 0;
}
