/* writing.c - see writing.h. */
#include "writing.h"
#include "number.h"
#include "signals.h"
#include "utf8.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ----------------------------------------------------------------------------------- */

/* What is typed joins what the model's files say. */

/* Zeroed memory that lives as long as the options. */
static void *take(cli_writing *w, size_t bytes, b4c_error *err)
{
    void **more = realloc(w->memory, (size_t)(w->n_memory + 1) * sizeof *more);
    if (more) w->memory = more;
    void *p = more ? calloc(1, bytes + 1) : NULL;
    if (p) w->memory[w->n_memory++] = p;
    else cli_fail(err, B4C_E_MEMORY, "no memory for the options");
    return p;
}

/* n elements of what the model's files say, and room for `more` behind them. */
static void *joined(cli_writing *w, const void *usual, int n, int more, size_t size, b4c_error *err)
{
    void *all = take(w, (size_t)(n + more) * size, err);
    if (all && n) memcpy(all, usual, (size_t)n * size);
    return all;
}

static int check_utf8(const char *option, const char *text, b4c_error *err)
{
    if (cli_utf8_bad(text, strlen(text)) == strlen(text)) return 0;
    return cli_fail(err, B4C_E_ARG,
                    "not the text it should be: --%s: found bytes that are not UTF-8", option);
}

/* A token by its number, or as the vocabulary spells it. */
static int token_of(const b4c_tokenizer *t, const char *option, const char *typed, int32_t *id,
                    b4c_error *err)
{
    char *end;
    const int found = b4c_tokenizer_find(t, typed);
    const long long number = strtoll(typed, &end, 10);
    if (found >= 0) *id = found;
    else if (*typed && !*end && number >= 0 && number < b4c_tokenizer_count(t))
        *id = (int32_t)number;
    else
        return cli_fail(err, B4C_E_ARG,
                        "wrong value: --%s: found '%s', wanted a token of the vocabulary or a "
                        "number from 0 to %d; bert4c tokenize shows tokens",
                        option, typed, b4c_tokenizer_count(t) - 1);
    return 0;
}

static int read_bias(cli_writing *w, const b4c_tokenizer *t, const cli_list *list, b4c_error *err)
{
    const int usual = w->options.n_bias;
    b4c_bias *all = joined(w, w->options.bias, usual, list->n, sizeof *all, err);
    if (!all) return B4C_E_MEMORY;
    b4c_bias *bias = all + usual;
    for (int i = 0; i < list->n; i++) {
        char *end, name[256];
        const char *typed = list->item[i], *equal = strrchr(typed, '=');
        const double x = equal ? strtod(equal + 1, &end) : 0;
        if (!equal || equal == typed || !equal[1] || *end || isnan(x) ||
            equal - typed >= (int)sizeof name)
            return cli_fail(err, B4C_E_ARG,
                            "wrong value: --logit-bias: found '%s', wanted TOKEN=X with a number X",
                            typed);
        snprintf(name, sizeof name, "%.*s", (int)(equal - typed), typed);
        if (token_of(t, "logit-bias", name, &bias[i].token, err) < 0) return err->code;
        bias[i].bias = (float)x;
    }
    w->options.bias = all;
    w->options.n_bias = usual + list->n;
    return 0;
}

static int read_phrases(cli_writing *w, const b4c_tokenizer *t, const char *option,
                        const cli_list *list, bool must_come, const b4c_phrase **out, int *n,
                        b4c_error *err)
{
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    b4c_encoding e = { 0 };
    how.no_special = true;
    const int usual = *n;
    b4c_phrase *phrase = joined(w, *out, usual, list->n, sizeof *phrase, err);
    int rc = phrase ? 0 : B4C_E_MEMORY;
    *out = phrase;
    *n = usual + list->n;
    for (int i = 0; i < list->n && rc == 0; i++) {
        rc = b4c_tokenize(t, list->item[i], SIZE_MAX, NULL, 0, &how, &e, err);
        if (rc == 0 && e.n == 0)
            rc = cli_fail(err, B4C_E_ARG, "wrong value: --%s: found '%s', which has no token",
                          option, list->item[i]);
        if (rc == 0 && e.unknown && must_come && !w->options.allow_unknown)
            rc = cli_fail(err, B4C_E_ARG,
                          "wrong value: --%s: found '%s', which the vocabulary does not know: its "
                          "unknown token comes with --allow-unknown alone",
                          option, list->item[i]);
        int32_t *ids = rc == 0 ? take(w, (size_t)e.n * sizeof *ids, err) : NULL;
        if (rc == 0 && !ids) rc = B4C_E_MEMORY;
        if (rc < 0) break;
        memcpy(ids, e.ids, (size_t)e.n * sizeof *ids);
        phrase[usual + i] = (b4c_phrase){ ids, e.n };
    }
    b4c_encoding_free(&e);
    return rc;
}

static int read_stop(cli_writing *w, const cli_list *list, b4c_error *err)
{
    const int usual = w->options.n_stop;
    const char **stop = joined(w, w->options.stop, usual, list->n, sizeof *stop, err);
    if (!stop) return B4C_E_MEMORY;
    for (int i = 0; i < list->n; i++) {
        if (check_utf8("stop", list->item[i], err) < 0) return err->code;
        stop[usual + i] = list->item[i];
    }
    w->options.stop = stop;
    w->options.n_stop = usual + list->n;
    return 0;
}

static int read_lists(cli_writing *w, const b4c_tokenizer *t, const cli_settings *s, b4c_error *err)
{
    b4c_generate_options *o = &w->options;
    int rc = read_bias(w, t, &s->logit_bias, err);
    if (rc == 0)
        rc = read_phrases(w, t, "bad-words", &s->bad_words, false, &o->bad, &o->n_bad, err);
    if (rc == 0)
        rc = read_phrases(w, t, "force-words", &s->force_words, true, &o->forced, &o->n_forced,
                          err);
    if (rc == 0) rc = read_stop(w, &s->stop, err);
    int32_t *ends = take(w, (size_t)s->stop_token.n * sizeof *ends, err);
    if (rc == 0 && !ends) rc = B4C_E_MEMORY;
    for (int i = 0; i < s->stop_token.n && rc == 0; i++)
        rc = token_of(t, "stop-token", s->stop_token.item[i], &ends[i], err);
    o->stop_tokens = ends;
    o->n_stop_tokens = s->stop_token.n;
    return rc;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void set_count(const cli_settings *s, const char *name, long long typed, int *field)
{
    if (cli_given(s, name)) *field = (int)typed;
}
static void set_real(const cli_settings *s, const char *name, double typed, float *field)
{
    if (cli_given(s, name)) *field = (float)typed;
}

static int asks_stop(void *arg)
{
    (void)arg;
    return cli_stopped();
}

/* To draw or not: what was typed last decides over what the model's files say. */
static int read_sampling(b4c_generate_options *o, const cli_settings *s, b4c_error *err)
{
    const bool shaped = cli_given(s, "top-k") || cli_given(s, "top-p") || cli_given(s, "min-p") ||
                        cli_given(s, "typical");
    const bool cold = cli_given(s, "temperature") && s->temperature <= 0;
    if (cold && (s->sample || shaped))
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: --temperature 0 takes the likeliest token, found "
                        "an option that draws with it, wanted one of them");
    if (s->sample || shaped || (cli_given(s, "temperature") && !cold)) o->sample = true;
    else if (cold || cli_given(s, "beams")) o->sample = false;
    if (cold) o->temperature = 1;
    if (!o->sample) o->temperature = 1;
    return 0;
}

int cli_writing_read(cli_writing *w, const cli_model *m, const cli_settings *s,
                     const b4c_generate_options *usual, b4c_error *err)
{
    *w = (cli_writing){ .options = *usual, .tokenizer = b4c_model_tokenizer(m->model) };
    b4c_generate_options *o = &w->options;
    set_count(s, "max-new-tokens", s->max_new_tokens, &o->max_new_tokens);
    set_count(s, "min-new-tokens", s->min_new_tokens, &o->min_new_tokens);
    set_count(s, "n", s->n, &o->n);
    set_count(s, "beams", s->beams, &o->beams);
    set_count(s, "beam-groups", s->beam_groups, &o->beam_groups);
    set_count(s, "min-ends", s->min_ends, &o->min_ends);
    set_count(s, "top-k", s->top_k, &o->top_k);
    set_count(s, "no-repeat-ngram", s->no_repeat_ngram, &o->no_repeat_ngram);
    set_count(s, "alternatives", s->alternatives, &o->alternatives);
    set_real(s, "diversity", s->diversity, &o->diversity);
    set_real(s, "length-penalty", s->length_penalty, &o->length_penalty);
    set_real(s, "temperature", s->temperature, &o->temperature);
    set_real(s, "top-p", s->top_p, &o->top_p);
    set_real(s, "min-p", s->min_p, &o->min_p);
    set_real(s, "typical", s->typical, &o->typical);
    set_real(s, "repetition-penalty", s->repetition_penalty, &o->repetition_penalty);
    set_real(s, "presence-penalty", s->presence_penalty, &o->presence_penalty);
    set_real(s, "frequency-penalty", s->frequency_penalty, &o->frequency_penalty);
    if (cli_given(s, "early-stopping")) o->early_stopping = (b4c_early_stopping)s->early_stopping;
    if (cli_given(s, "max-new-tokens") && !cli_given(s, "min-new-tokens") &&
        o->min_new_tokens > o->max_new_tokens)
        o->min_new_tokens = o->max_new_tokens;
    if (s->bert4keras_beam) o->bert4keras_beam = true;
    if (s->bert4keras_beam) o->length_penalty = 1;
    if (cli_given(s, "reading")) o->reading = (b4c_reading)s->reading;
    if (cli_given(s, "truncate")) o->truncate = (b4c_truncate)s->truncate;
    o->allow_unknown = s->allow_unknown;
    set_count(s, "stop-cycle", s->stop_cycle, &o->stop_cycle);
    o->whole_sentences = s->whole_sentences;
    o->logprobs = s->logprobs;
    o->max_source = (int)s->max_length;
    o->seed = (uint64_t)s->seed;
    o->interrupt = asks_stop;
    b4c_model_info info;
    b4c_model_describe(m->model, &info);
    w->familiar = info.read_length;
    if (info.written_length && o->max_new_tokens > info.written_length)
        w->trained = info.written_length;
    if (read_sampling(o, s, err) < 0) return err->code;
    return read_lists(w, b4c_model_tokenizer(m->model), s, err);
}

void cli_writing_done(cli_writing *w)
{
    while (w->n_memory) free(w->memory[--w->n_memory]);
    free(w->memory);
    w->memory = NULL;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void count_cycles(cli_writing *w, const b4c_result *r, int n)
{
    for (int i = 0; i < n; i++) {
        if (!r[i].cycle || w->cycles++) continue;
        char *text = b4c_detokenize(w->tokenizer, r[i].ids + r[i].n - r[i].cycle, r[i].cycle, false,
                                    NULL);
        if (!text) continue;
        snprintf(w->cycle, sizeof w->cycle, "%.*s",
                 (int)cli_width_cut(text, strlen(text), 20), text);
        free(text);
    }
}

void cli_writing_count(cli_writing *w, const b4c_generation *g)
{
    w->unknown += g->unknown;
    for (int i = 0; i < g->n && w->tokenizer; i++) count_cycles(w, g->result[i], g->count[i]);
    w->read += g->tokens_read;
    w->written += g->tokens_written;
    w->empty += g->empty;
    w->at_limit += g->at_limit;
    w->shortened += g->shortened;
    w->cut += g->cut;
    w->texts_cut += g->texts_cut;
    w->unfamiliar += g->unfamiliar;
}

void cli_writing_say_ignored(const b4c_model *m)
{
    json_t *report = json_loads(b4c_model_report(m), 0, NULL), *key;
    char keys[512] = "";
    size_t i;
    json_array_foreach(json_object_get(report, "generation_ignored"), i, key)
        cli_add_name(keys, sizeof keys, -1, json_string_value(key));
    if (*keys)
        cli_say("the model's files ask for %s, which is not done: results may differ from "
                "transformers'; bert4c inspect says why",
                keys);
    json_decref(report);
}

/* "1 result", "1,200 results" */
static const char *counted(long long n, const char *one, char room[48])
{
    char number[32];
    snprintf(room, 48, "%s %s%s", cli_count_text(n, number), one, n == 1 ? "" : "s");
    return room;
}

void cli_writing_say(const cli_writing *w, long long records, double seconds)
{
    char a[32], b[32], c[32], d[48];
    const double rate = seconds > 0 ? (double)w->written / seconds : 0;
    if (records > 1)
        cli_say("%s texts, %s tokens read, %s written in %.1f s: %.0f tokens/s",
                cli_count_text(records, a), cli_count_text(w->read, b),
                cli_count_text(w->written, c), seconds, rate);
    if (w->texts_cut)
        cli_say_cut(w->texts_cut, w->cut);
    if (w->empty)
        cli_say("%s without a token: the model ended at once; --min-new-tokens N forbids that",
                counted(w->empty, "result", d));
    if (w->at_limit)
        cli_say("%s ended by a length limit, not by the model; --max-new-tokens sets it, and "
                "--whole-sentences leaves out what was cut off",
                counted(w->at_limit, "result", d));
    if (w->cycles)
        cli_say("%s ended in a cycle, '%s' again and again: --no-repeat-ngram 4, "
                "--repetition-penalty 1.2 or sampling (--top-p 0.9) breaks it, --stop-cycle 3 "
                "ends it",
                counted(w->cycles, "result", d), w->cycle);
    if (w->unknown)
        cli_say("%s of %s tokens read are unknown to the vocabulary (%.2f %%)",
                cli_count_text(w->unknown, a), cli_count_text(w->read, b),
                100.0 * (double)w->unknown / (double)w->read);
    if (w->options.repetition_penalty > B4C_REPETITION_PENALTY_MOST)
        cli_say("a repetition penalty of %g drives a model to tokens that mean nothing: %g was "
                "used; 1.1 to 1.3 is usual",
                (double)w->options.repetition_penalty, (double)B4C_REPETITION_PENALTY_MOST);
    if (w->unfamiliar)
        cli_say("%s with more than the %d tokens that the model was trained to read: what it "
                "writes then may be worse; --max-length %d cuts",
                counted(w->unfamiliar, "text", d), w->familiar, w->familiar);
    if (w->trained)
        cli_say("the model learnt to write texts of at most %d tokens; --max-new-tokens %d makes "
                "them no longer, or no better",
                w->trained, w->options.max_new_tokens);
    if (w->shortened)
        cli_say("positions of the model left behind %s: fewer than --max-new-tokens asks for",
                counted(w->shortened, "text", d));
}
