/* request_check.c - are a request's options in their ranges, and do none contradict one another?
 *
 * What is wrong is found here, before the first step; ways to choose (sample.c, beam.c) may then
 * rely on it.
 */
#include "decode/request_own.h"

#include <string.h>

/* Beyond them logits become infinite, which filters do not know. */
#define MOST_BIAS         1e9f
#define LEAST_TEMPERATURE 1e-6f

typedef struct range {
    const char *name;
    double value, low, high;
} range;

static int check_numbers(const b4c_generate_options *o, const b4c_vocabulary_facts *f,
                         b4c_error *err)
{
    const range ranges[] = {
        { "max_new_tokens", o->max_new_tokens, 1, 1 << 20 },
        { "min_new_tokens", o->min_new_tokens, 0, o->max_new_tokens },
        { "n", o->n, 1, 10000 },
        { "beams", o->beams, 1, 256 },
        { "beam_groups", o->beam_groups, 1, o->beams },
        { "diversity", (double)o->diversity, 0, 1e4 },
        { "length_penalty", (double)o->length_penalty, -100, 100 },
        { "min_ends", o->min_ends, 1, o->max_new_tokens },
        { "temperature", (double)o->temperature, 0, 1e4 },
        { "top_k", o->top_k, 0, 1 << 30 },
        { "top_p", (double)o->top_p, 1e-9, 1 },
        { "min_p", (double)o->min_p, 0, 1 },
        { "typical", (double)o->typical, 1e-9, 1 },
        { "repetition_penalty", (double)o->repetition_penalty, 0.01, 100 },
        { "presence_penalty", (double)o->presence_penalty, -100, 100 },
        { "frequency_penalty", (double)o->frequency_penalty, -100, 100 },
        { "no_repeat_ngram", o->no_repeat_ngram, 0, 1 << 20 },
        { "stop_cycle", o->stop_cycle, 0, 1 << 20 },
        { "alternatives", o->alternatives, 0, f->vocabulary },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return b4c_fail(err, B4C_E_ARG, "generation: %s: found %g, wanted %g to %g",
                            ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    const struct {
        bool wrong;
        const char *name;
        double value;
        const char *wanted;
    } pairs[] = {
        { o->beams % o->beam_groups != 0, "beam_groups", o->beam_groups,
          "a number that beams is a multiple of" },
        { o->beams > 1 && o->n > o->beams, "n", o->n, "at most as many as beams" },
        { o->beams == 1 && o->n > 1 && !o->sample, "n", o->n,
          "1: several results need sampling or beams" },
        { o->beam_groups == 1 && o->diversity > 0, "diversity", (double)o->diversity,
          "0, or several beam_groups" },
        { o->beam_groups > 1 && o->sample, "beam_groups", o->beam_groups, "1 with sampling" },
        { o->bert4keras_beam && (o->sample || o->beam_groups > 1 || o->n > 1 || o->n_forced > 0 ||
                                 o->length_penalty < 1 || o->length_penalty > 1),
          "bert4keras_beam", 1,
          "no sampling, groups, several results, forced phrases or length penalty with it" },
        { o->bert4keras_beam && (o->stop_cycle || o->n_stop > 0), "bert4keras_beam", 1,
          "no stop strings and no stop_cycle with it" },
        { o->end_at_limit && f->n_end + o->n_stop_tokens == 0, "end_at_limit", 1,
          "an end token: the model's files name none" },
        { o->stop_cycle == 1, "stop_cycle", o->stop_cycle, "0, or 2 at least" },
        { !o->bert4keras_beam && o->min_ends > 1, "min_ends", o->min_ends,
          "1, or bert4keras_beam" },
        { o->n_stop > 0 && !f->tokenizer, "stop strings", o->n_stop,
          "none: the model was opened without its tokenizer" },
        { o->sample && o->temperature < LEAST_TEMPERATURE, "temperature", (double)o->temperature,
          "1e-6 at least with sampling, which is as good as none" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].wrong)
            return b4c_fail(err, B4C_E_ARG, "generation: %s: found %g, wanted %s", pairs[i].name,
                            pairs[i].value, pairs[i].wanted);
    return 0;
}

static int check_token(const b4c_vocabulary_facts *f, const char *what, int32_t token,
                       b4c_error *err)
{
    if (token >= 0 && token < f->vocabulary) return 0;
    return b4c_fail(err, B4C_E_ARG, "generation: %s: found token %d, wanted 0 to %d", what, token,
                    f->vocabulary - 1);
}

int b4c_request_never(const b4c_generate_options *o, const b4c_vocabulary_facts *f,
                      int32_t never[B4C_NEVER_MOST])
{
    const int32_t all[B4C_NEVER_MOST] = { f->unknown, f->pad, f->mask, f->cls };
    int n = 0;
    for (int i = 0; i < B4C_NEVER_MOST && !o->allow_unknown; i++)
        if (all[i] >= 0 && all[i] < f->vocabulary && !b4c_is_among(f->end, f->n_end, all[i]) &&
            !b4c_is_among(o->stop_tokens, o->n_stop_tokens, all[i]))
            never[n++] = all[i];
    return n;
}

static bool holds(const b4c_phrase *all, const b4c_phrase *part)
{
    for (int at = 0; at + part->n <= all->n; at++)
        if (!memcmp(all->ids + at, part->ids, (size_t)part->n * sizeof *part->ids)) return true;
    return false;
}

static int check_tokens(const b4c_generate_options *o, const b4c_vocabulary_facts *f,
                        b4c_error *err)
{
    const struct {
        const char *what;
        const b4c_phrase *phrase;
        int n;
    } lists[] = { { "bad phrase", o->bad, o->n_bad }, { "forced phrase", o->forced, o->n_forced } };
    for (int i = 0; i < o->n_bias; i++) {
        B4C_TRY(check_token(f, "logit bias", o->bias[i].token, err));
        if (!(o->bias[i].bias <= MOST_BIAS))
            return b4c_fail(err, B4C_E_NUMBER,
                            "generation: logit bias of token %d: found %g, wanted %g at most; "
                            "-infinity forbids a token",
                            o->bias[i].token, (double)o->bias[i].bias, (double)MOST_BIAS);
    }
    for (int i = 0; i < o->n_stop_tokens; i++)
        B4C_TRY(check_token(f, "stop token", o->stop_tokens[i], err));
    for (int i = 0; i < o->n_not_first; i++)
        B4C_TRY(check_token(f, "token that may not come first", o->not_first[i], err));
    for (int i = 0; i < o->n_stop; i++)
        if (!o->stop[i][0])
            return b4c_fail(err, B4C_E_ARG, "generation: stop string %d is empty", i + 1);
    int32_t never[B4C_NEVER_MOST];
    const int n_never = b4c_request_never(o, f, never);
    int forced = 0;
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < lists[l].n; i++) {
            if (lists[l].phrase[i].n < 1)
                return b4c_fail(err, B4C_E_ARG, "generation: %s %d is empty", lists[l].what, i + 1);
            for (int k = 0; k < lists[l].phrase[i].n; k++) {
                const int32_t token = lists[l].phrase[i].ids[k];
                B4C_TRY(check_token(f, lists[l].what, token, err));
                if (l == 1 && b4c_is_among(never, n_never, token))
                    return b4c_fail(err, B4C_E_ARG,
                                    "generation: forced phrase %d: found token %d, [UNK] or the "
                                    "like, wanted tokens that may come; does the vocabulary know "
                                    "its words?",
                                    i + 1, token);
            }
            if (l == 1) forced += lists[l].phrase[i].n;
        }
    for (int i = 0; i < o->n_forced; i++)
        for (int k = 0; k < o->n_bad; k++)
            if (holds(&o->forced[i], &o->bad[k]))
                return b4c_fail(err, B4C_E_ARG,
                                "generation: forced phrase %d: found bad phrase %d in it, wanted "
                                "one of them",
                                i + 1, k + 1);
    if (forced > o->max_new_tokens)
        return b4c_fail(err, B4C_E_ARG,
                        "generation: forced phrases have %d tokens, max_new_tokens is %d", forced,
                        o->max_new_tokens);
    return 0;
}

int b4c_request_check(const b4c_generate_options *o, const b4c_vocabulary_facts *f, b4c_error *err)
{
    B4C_TRY(check_numbers(o, f, err));
    return check_tokens(o, f, err);
}
