/* settings.c - see settings.h. */
#include "golden/settings.h"

long long setting(const json_t *o, const char *key, long long otherwise)
{
    const json_t *x = json_object_get(o, key);
    return json_is_integer(x) ? json_integer_value(x) : otherwise;
}

static float real(const json_t *o, const char *key, double otherwise)
{
    const json_t *x = json_object_get(o, key);
    return (float)(json_is_number(x) ? json_number_value(x) : otherwise);
}

b4c_generate_options hub_settings(const json_t *io, const json_t *method)
{
    const json_t *early = json_object_get(method, "early_stopping");
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = (int)setting(io, "max_new_tokens", 0);
    o.min_new_tokens = (int)setting(method, "min_new_tokens", 0);
    o.beams = (int)setting(method, "num_beams", 1);
    o.n = (int)setting(method, "num_return_sequences", 1);
    o.no_repeat_ngram = (int)setting(method, "no_repeat_ngram_size", 0);
    o.length_penalty = real(method, "length_penalty", 1);
    o.repetition_penalty = real(method, "repetition_penalty", 1);
    o.early_stopping = json_is_true(early)   ? B4C_EARLY_ALWAYS
                     : json_is_string(early) ? B4C_EARLY_NEVER
                                             : B4C_EARLY_HEURISTIC;
    o.allow_unknown = true;
    return o;
}

b4c_generate_options bert4keras_settings(const json_t *method, bool start)
{
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.bert4keras_beam = true;
    o.beams = (int)setting(method, "topk", 1);
    o.max_new_tokens = (int)setting(method, "maxlen", 0);
    o.min_new_tokens = (int)setting(method, "minlen", 1);
    if (start && o.min_new_tokens > 0) o.min_new_tokens--;
    o.min_ends = (int)setting(method, "min_ends", 1);
    return o;
}
