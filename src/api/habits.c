/* habits.c - see habits.h. */
#include "api/habits_parts.h"

#include "base/error.h"
#include "base/file.h"
#include <stdio.h>
#include <string.h>

const json_t *b4c_habits_owner(const b4c_habits_sources *s, const char *key)
{
    return s->newer && json_object_get(s->newer, key) ? s->newer : s->older;
}

const json_t *b4c_habits_value(const b4c_habits_sources *s, const char *key)
{
    const json_t *x = s->newer ? json_object_get(s->newer, key) : NULL;
    return x && !json_is_null(x) ? x : json_object_get(s->older, key);
}

int b4c_habits_ids(const json_t *x, int vocabulary, int32_t *out, int most, int *wrong)
{
    const size_t n = json_is_array(x) ? json_array_size(x) : x && !json_is_null(x) ? 1 : 0;
    int found = 0;
    for (size_t i = 0; i < n && found < most; i++) {
        const json_t *one = json_is_array(x) ? json_array_get(x, i) : x;
        const json_int_t id = json_is_integer(one) ? json_integer_value(one) : -1;
        if (id >= 0 && id < vocabulary) out[found++] = (int32_t)id;
        else ++*wrong;
    }
    return found;
}

static int ids_of(const b4c_habits *w, const b4c_habits_sources *s, const char *key, int32_t *out,
                  int most, int *wrong)
{
    return b4c_habits_ids(b4c_habits_value(s, key), w->vocabulary, out, most, wrong);
}

/* ---- usual decoding -------------------------------------------------------------------------- */

static int whole(const b4c_habits_sources *s, const char *key, int low, int *out, b4c_error *err)
{
    long long x;
    const int found = b4c_json_int(b4c_habits_owner(s, key), key, low, 1 << 20, &x, s->where, err);
    if (found == 1) *out = (int)x;
    return found;
}

static int real(const b4c_habits_sources *s, const char *key, float *out, b4c_error *err)
{
    double x;
    const int found = b4c_json_real(b4c_habits_owner(s, key), key, &x, s->where, err);
    if (found == 1) *out = (float)x;
    return found;
}

/* Lengths in the files count the tokens a decoder starts with: `max_length` all of them, and
 * `max_new_tokens` those behind the first. Those of decoder-only models count the prompt. */
static int read_defaults(b4c_habits *w, const b4c_habits_sources *s, b4c_error *err)
{
    b4c_generate_options *o = &w->defaults;
    const bool two = w->reading == B4C_READ_SEQ2SEQ;
    const int start = two && w->n_start ? w->n_start : 1;
    const struct {
        const char *key;
        int low, *field;
    } counts[] = {
        { "num_beams", 1, &o->beams },
        { "num_beam_groups", 1, &o->beam_groups },
        { "no_repeat_ngram_size", 0, &o->no_repeat_ngram },
        { "top_k", 0, &o->top_k },
    };
    const struct {
        const char *key;
        float *field;
    } reals[] = {
        { "temperature", &o->temperature },
        { "top_p", &o->top_p },
        { "min_p", &o->min_p },
        { "typical_p", &o->typical },
        { "repetition_penalty", &o->repetition_penalty },
        { "length_penalty", &o->length_penalty },
        { "diversity_penalty", &o->diversity },
    };
    int length = 0;
    if (two) {
        B4C_TRY(whole(s, "min_length", 0, &length, err));
        if (length > start) o->min_new_tokens = length - start;
        length = 0;
        B4C_TRY(whole(s, "max_length", 0, &length, err));
        if (length > start) o->max_new_tokens = length - start;
    }
    int behind[] = { o->min_new_tokens + start - 1, o->max_new_tokens + start - 1 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        B4C_TRY(whole(s, counts[i].key, counts[i].low, counts[i].field, err));
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        B4C_TRY(real(s, reals[i].key, reals[i].field, err));
    B4C_TRY(whole(s, "min_new_tokens", 0, &behind[0], err));
    B4C_TRY(whole(s, "max_new_tokens", 1, &behind[1], err));
    o->min_new_tokens = behind[0] < start ? 0 : behind[0] - start + 1;
    o->max_new_tokens = behind[1] < start ? 1 : behind[1] - start + 1;
    const json_t *early = b4c_habits_value(s, "early_stopping");
    if (json_is_true(early)) o->early_stopping = B4C_EARLY_ALWAYS;
    if (json_is_string(early)) o->early_stopping = B4C_EARLY_NEVER;
    B4C_TRY(b4c_json_bool(b4c_habits_owner(s, "do_sample"), "do_sample", &o->sample, s->where,
                          err));
    if (o->min_new_tokens > o->max_new_tokens) o->min_new_tokens = o->max_new_tokens;
    return 0;
}

/* ---- beginnings and ends --------------------------------------------------------------------- */

void b4c_habits_note(json_t *report, const char *text)
{
    const json_t *notes = json_object_get(report, "generation_notes");
    if (!notes) json_object_set_new(report, "generation_notes", json_array());
    json_array_append_new(json_object_get(report, "generation_notes"), json_string(text));
}

void b4c_habits_ignore(json_t *report, const char *key, const char *why)
{
    char text[256];
    if (!json_object_get(report, "generation_ignored"))
        json_object_set_new(report, "generation_ignored", json_array());
    json_array_append_new(json_object_get(report, "generation_ignored"), json_string(key));
    snprintf(text, sizeof text, "%s is passed over: %s", key, why);
    b4c_habits_note(report, text);
}

/* T5 with a WordPiece vocabulary is T5 PEGASUS: whatever its config says was left from mT5. */
static bool is_t5_pegasus(const b4c_spec *spec, const b4c_tokenizer_info *tokens)
{
    return tokens && spec->decoder_layers && spec->positions == B4C_POSITION_BUCKETS &&
           tokens->cls >= 0 && tokens->sep >= 0;
}

static void find_ends(b4c_habits *w, const b4c_habits_sources *s,
                      const b4c_tokenizer_info *tokens, json_t *report)
{
    int wrong = 0;
    w->n_end = ids_of(w, s, "eos_token_id", w->end, B4C_HABITS_ENDS, &wrong);
    if (wrong) b4c_habits_note(report, "eos_token_id is no token of the vocabulary: passed over");
    if (w->n_end == 0 && tokens && tokens->end >= 0) w->end[w->n_end++] = tokens->end;
}

static void find_starts(b4c_habits *w, const b4c_habits_sources *s,
                        const b4c_tokenizer_info *tokens, json_t *report)
{
    int wrong = 0;
    w->n_start = ids_of(w, s, "decoder_start_token_id", w->start, 1, &wrong);
    if (wrong)
        b4c_habits_note(report,
                        "decoder_start_token_id is no token of the vocabulary: passed over");
    if (w->n_start == 0) w->n_start = ids_of(w, s, "bos_token_id", w->start, 1, &wrong);
    if (w->n_start == 0 && tokens && tokens->start >= 0) w->start[w->n_start++] = tokens->start;
    if (w->n_start)
        w->n_start += ids_of(w, s, "forced_bos_token_id", w->start + w->n_start, 1,
                             &wrong);
}

/* inspect shows the first end token; chat models have several. */
static void note_ends(const b4c_habits *w, json_t *report)
{
    char text[64 + 16 * B4C_HABITS_ENDS];
    int n = snprintf(text, sizeof text, "any of these tokens ends a result:");
    for (int i = 0; i < w->n_end; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s %d", i ? "," : "", (int)w->end[i]);
    if (w->n_end > 1) b4c_habits_note(report, text);
}

/* What a text without tokens begins with. */
static int32_t find_begin(const b4c_habits *w, const b4c_habits_sources *s,
                          const b4c_tokenizer_info *tokens)
{
    int32_t id;
    int wrong = 0;
    if (ids_of(w, s, "bos_token_id", &id, 1, &wrong)) return id;
    return tokens ? tokens->bos : -1;
}

/* Rules that the file asks for and that are not done: results may differ from the hub's. */
static void note_ignored(const b4c_habits *w, const b4c_habits_sources *s, json_t *report)
{
    static const struct {
        const char *key;
        double off;          /* the number that asks for nothing */
    } rules[] = {
        { "constraints", 0 }, { "dola_layers", 0 }, { "encoder_no_repeat_ngram_size", 0 },
        { "encoder_repetition_penalty", 1 }, { "epsilon_cutoff", 0 }, { "eta_cutoff", 0 },
        { "exponential_decay_length_penalty", 0 }, { "forced_decoder_ids", 0 },
        { "guidance_scale", 1 }, { "max_time", 0 }, { "num_return_sequences", 1 },
        { "penalty_alpha", 0 }, { "renormalize_logits", 0 }, { "sequence_bias", 0 },
        { "top_h", 0 }, { "watermarking_config", 0 },
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const json_t *x = b4c_habits_value(s, rules[i].key);
        const double number = json_number_value(x);
        const bool off = !x || json_is_null(x) || json_is_false(x) ||
                         (json_is_number(x) && number >= rules[i].off && number <= rules[i].off) ||
                         (json_is_array(x) && !json_array_size(x)) ||
                         (json_is_object(x) && !json_object_size(x));
        if (!off) b4c_habits_ignore(report, rules[i].key, "bert4c has no such rule");
    }
    if (w->reading != B4C_READ_SEQ2SEQ && json_number_value(b4c_habits_value(s, "min_length")) > 0)
        b4c_habits_ignore(report, "min_length", "it counts the prompt; min_new_tokens does not");
}

/* BERT's kind writes by UniLM's mask unless its files make it a decoder: is_decoder, or no segments
 * to tell source and target apart. */
static b4c_reading reading_of(const b4c_spec *spec, const json_t *config)
{
    if (spec->decoder_layers) return B4C_READ_SEQ2SEQ;
    if (spec->causal || spec->segments < 2 || json_is_true(json_object_get(config, "is_decoder")))
        return B4C_READ_CAUSAL;
    return B4C_READ_PREFIX;
}

int b4c_habits_read(b4c_habits *w, const b4c_spec *spec, const json_t *config, const char *folder,
                    const b4c_tokenizer_info *tokens, int count, json_t *report, b4c_error *err)
{
    char path[4096];
    json_t *newer = NULL;
    const int n = snprintf(path, sizeof path, "%s/generation_config.json", folder);
    if (n < (int)sizeof path && b4c_file_exists(path)) {
        newer = b4c_json_file(path, err);
        if (!newer) return err && err->code < 0 ? err->code : B4C_E_FORMAT;
    }
    const b4c_habits_sources s = { newer, config, newer ? path : "config.json" };
    *w = (b4c_habits){ .reading = reading_of(spec, config),
                       .closed_source =
                           json_is_true(json_object_get(config, "bert4c_closed_source")),
                       .vocabulary = tokens && count < spec->vocabulary ? count : spec->vocabulary,
                       .defaults = B4C_GENERATE_DEFAULT };
    long long longest = 0, read = 0;
    int rc = b4c_json_int(config, "bert4c_written_length", 1, 1 << 24, &longest, "config.json",
                          err);
    if (rc > 0 && longest < w->defaults.max_new_tokens) w->defaults.max_new_tokens = (int)longest;
    w->written_length = (int)longest;
    if (rc >= 0)
        rc = b4c_json_int(config, "bert4c_read_length", 1, 1 << 24, &read, "config.json", err);
    w->read_length = (int)read;
    find_ends(w, &s, tokens, report);
    find_starts(w, &s, tokens, report);
    w->begin = find_begin(w, &s, tokens);
    if (is_t5_pegasus(spec, tokens)) {
        if (w->n_start != 1 || w->start[0] != tokens->cls || w->n_end != 1 ||
            w->end[0] != tokens->sep)
            b4c_habits_note(report,
                            "a T5 with a WordPiece vocabulary is taken for T5 PEGASUS: it starts "
                            "with [CLS] and ends with [SEP], whatever config.json says");
        w->n_start = w->n_end = 1;
        w->start[0] = tokens->cls;
        w->end[0] = tokens->sep;
    }
    note_ends(w, report);
    if (rc >= 0) rc = read_defaults(w, &s, err);
    if (rc >= 0) rc = b4c_habits_read_lists(w, &s, tokens != NULL, report, err);
    note_ignored(w, &s, report);
    if (rc < 0) b4c_habits_done(w);
    json_decref(newer);
    return rc;
}

void b4c_habits_frame(const b4c_habits *w, b4c_reading reading, b4c_encoding *source)
{
    if (reading == B4C_READ_CAUSAL && !w->closed_source) b4c_encoding_reopen(source);
}
