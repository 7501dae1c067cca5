/* habits_lists.c - tokens that never come, phrases that never or always come, strings that end a
 * result: lists of generation_config.json, as options of writing. See habits_parts.h.
 *
 * Names and meanings are transformers'. An id that is no token can never come, so a phrase with one
 * is left out; what our rules cannot say is noted, never approached.
 */
#include "api/habits_parts.h"

#include "base/error.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct lists {
    b4c_habits *w;
    const b4c_habits_sources *s;
    json_t *report;
    b4c_error *err;
} lists;

/* Zeroed memory that lives as long as the habits; NULL and an error without. */
static void *take(const lists *l, size_t bytes)
{
    const int most = (int)(sizeof l->w->memory / sizeof *l->w->memory);
    void *p = l->w->n_memory < most ? calloc(1, bytes + 1) : NULL;
    if (p) l->w->memory[l->w->n_memory++] = p;
    else b4c_fail(l->err, B4C_E_MEMORY, "%s: no memory for its lists of tokens", l->s->where);
    return p;
}

static int wrong_type(const lists *l, const char *key, const char *wanted)
{
    return b4c_fail(l->err, B4C_E_FORMAT, "%s: \"%s\" is not what it should be, wanted %s",
                    l->s->where, key, wanted);
}

static void note_wrong(const lists *l, const char *key, int wrong)
{
    char text[160];
    if (!wrong) return;
    snprintf(text, sizeof text, "%s: %d with ids that are no token of the vocabulary: passed over",
             key, wrong);
    b4c_habits_note(l->report, text);
}

static bool is_list_of_integers(const json_t *x)
{
    size_t i;
    const json_t *one;
    if (!json_is_array(x) || !json_array_size(x)) return false;
    json_array_foreach((json_t *)(uintptr_t)x, i, one) if (!json_is_integer(one)) return false;
    return true;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static int read_tokens(const lists *l, const char *key, const int32_t **out, int *n)
{
    const json_t *x = b4c_habits_value(l->s, key);
    int wrong = 0;
    if (!x || json_is_null(x) || (json_is_array(x) && !json_array_size(x))) return 0;
    if (!is_list_of_integers(x)) return wrong_type(l, key, "a list of token ids");
    int32_t *ids = take(l, json_array_size(x) * sizeof *ids);
    if (!ids) return B4C_E_MEMORY;
    *n = b4c_habits_ids(x, l->w->vocabulary, ids, (int)json_array_size(x), &wrong);
    *out = ids;
    note_wrong(l, key, wrong);
    return 0;
}

static int read_suppressed(const lists *l)
{
    b4c_generate_options *o = &l->w->defaults;
    const int32_t *ids = NULL;
    int n = 0;
    B4C_TRY(read_tokens(l, "suppress_tokens", &ids, &n));
    if (!n) return 0;
    b4c_bias *bias = take(l, (size_t)n * sizeof *bias);
    if (!bias) return B4C_E_MEMORY;
    for (int i = 0; i < n; i++) bias[i] = (b4c_bias){ ids[i], -INFINITY };
    o->bias = bias;
    o->n_bias = n;
    return 0;
}

/* ---- phrases --------------------------------------------------------------------------------- */

static bool is_end(const b4c_habits *w, const b4c_phrase *p)
{
    for (int i = 0; i < w->n_end && p->n == 1; i++)
        if (w->end[i] == *p->ids) return true;
    return false;
}

/* Phrases of lists of ids, in one block: the phrases, then their tokens. A phrase that only is an
 * end token is none, as in transformers. */
static int read_phrases(const lists *l, const char *key, const b4c_phrase **out, int *n)
{
    const json_t *x = b4c_habits_value(l->s, key), *one;
    size_t i, tokens = 0;
    int wrong = 0;
    if (!x || json_is_null(x)) return 0;
    if (!json_is_array(x)) return wrong_type(l, key, "a list of lists of token ids");
    json_array_foreach((json_t *)(uintptr_t)x, i, one)
    {
        if (!is_list_of_integers(one)) return wrong_type(l, key, "a list of lists of token ids");
        tokens += json_array_size(one);
    }
    b4c_phrase *phrase = take(l, json_array_size(x) * sizeof *phrase + tokens * sizeof(int32_t));
    if (!phrase) return B4C_E_MEMORY;
    int32_t *ids = (int32_t *)(void *)(phrase + json_array_size(x));
    json_array_foreach((json_t *)(uintptr_t)x, i, one)
    {
        int odd = 0;
        const int most = (int)json_array_size(one);
        const b4c_phrase p = { ids, b4c_habits_ids(one, l->w->vocabulary, ids, most, &odd) };
        wrong += odd > 0;
        if (odd || is_end(l->w, &p)) continue;
        phrase[(*n)++] = p;
        ids += p.n;
    }
    *out = phrase;
    note_wrong(l, key, wrong);
    return 0;
}

static int read_forced(const lists *l)
{
    static const char key[] = "force_words_ids";
    b4c_generate_options *o = &l->w->defaults;
    const json_t *x = b4c_habits_value(l->s, key), *first = json_array_get(x, 0);
    if (json_is_array(json_array_get(first, 0))) {
        b4c_habits_ignore(l->report, key, "of its alternatives one would have to be chosen");
        return 0;
    }
    return read_phrases(l, key, &o->forced, &o->n_forced);
}

/* ---- strings --------------------------------------------------------------------------------- */

static int read_stop(const lists *l, bool has_tokenizer)
{
    static const char key[] = "stop_strings", wanted[] = "a text, or a list of texts";
    const json_t *x = b4c_habits_value(l->s, key);
    const size_t n = json_is_array(x) ? json_array_size(x) : x && !json_is_null(x) ? 1 : 0;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(x) ? json_array_get(x, i) : x;
        if (!json_is_string(one) || !json_string_length(one) ||
            strlen(json_string_value(one)) != json_string_length(one))
            return wrong_type(l, key, wanted);
        bytes += json_string_length(one) + 1;
    }
    if (!n) return 0;
    if (!has_tokenizer) {
        b4c_habits_ignore(l->report, key, "the model was opened without its tokenizer");
        return 0;
    }
    const char **stop = take(l, n * sizeof *stop + bytes);
    if (!stop) return B4C_E_MEMORY;
    char *text = (char *)(uintptr_t)(stop + n);
    for (size_t i = 0; i < n; i++) {
        stop[i] = text;
        text = stpcpy(text, json_string_value(json_is_array(x) ? json_array_get(x, i) : x)) + 1;
    }
    l->w->defaults.stop = stop;
    l->w->defaults.n_stop = (int)n;
    return 0;
}

/* ---- the last token -------------------------------------------------------------------------- */

static void read_forced_end(const lists *l)
{
    static const char key[] = "forced_eos_token_id";
    int32_t ids[B4C_HABITS_ENDS];
    int wrong = 0;
    const int n = b4c_habits_ids(b4c_habits_value(l->s, key), l->w->vocabulary, ids,
                                 B4C_HABITS_ENDS, &wrong);
    for (int i = 0; i < n; i++) {
        const b4c_phrase one = { ids + i, 1 };
        if (!is_end(l->w, &one)) wrong++;
    }
    if (wrong) b4c_habits_ignore(l->report, key, "it is none of the model's end tokens");
    else l->w->defaults.end_at_limit = n > 0;
}

int b4c_habits_read_lists(b4c_habits *w, const b4c_habits_sources *s, bool has_tokenizer,
                          json_t *report, b4c_error *err)
{
    const lists l = { w, s, report, err };
    b4c_generate_options *o = &w->defaults;
    B4C_TRY(read_suppressed(&l));
    B4C_TRY(read_tokens(&l, "begin_suppress_tokens", &o->not_first, &o->n_not_first));
    B4C_TRY(read_phrases(&l, "bad_words_ids", &o->bad, &o->n_bad));
    B4C_TRY(read_forced(&l));
    B4C_TRY(read_stop(&l, has_tokenizer));
    read_forced_end(&l);
    return 0;
}

void b4c_habits_done(b4c_habits *w)
{
    while (w->n_memory) free(w->memory[--w->n_memory]);
}
