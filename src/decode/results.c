/* results.c - what a request has to show when it is done: results in order, their texts, and what
 * is odd about them: a cycle that would go on for ever, a sentence that the limit cut off.
 */
#include <stdlib.h>
#include <string.h>

#include "decode/cycle.h"
#include "decode/request_own.h"
#include "text/sentence.h"
#include "text/spell.h"

enum { LEAST_ROUNDS = 3 };

static int by_lane(const void *a, const void *b)
{
    const b4c_hypothesis *x = a, *y = b;
    return (x->lane > y->lane) - (x->lane < y->lane);
}

static int by_score(const void *a, const void *b)
{
    const b4c_hypothesis *x = a, *y = b;
    if (x->score < y->score || x->score > y->score) return x->score > y->score ? -1 : 1;
    return by_lane(a, b);
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Bytes up to and with the last end of a sentence; 0: there is none. */
static size_t last_sentence(const char *text)
{
    const size_t size = strlen(text);
    size_t last = 0;
    for (size_t n; (n = b4c_sentence_end(text + last, size - last, false)) > 0;) last += n;
    return last;
}

/* Text of a result, without what a stop string cut off; tokens behind the cut go too. */
static char *text_of(const b4c_request *r, b4c_hypothesis *h, int *n)
{
    char *text = b4c_spell(r->facts.tokenizer, h->ids, *n, NULL);
    if (text && r->o.whole_sentences && h->finish == B4C_FINISH_LENGTH) {
        const size_t whole = last_sentence(text);
        if (whole && whole < strlen(text)) h->cut = whole;
    }
    if (!text || h->cut == SIZE_MAX) return text;
    if (strlen(text) > h->cut) text[h->cut] = 0;
    while (*n) {
        char *shorter = b4c_spell(r->facts.tokenizer, h->ids, *n - 1, NULL);
        const bool goes = shorter && strlen(shorter) >= h->cut;
        free(shorter);
        if (!goes) break;
        --*n;
        h->logprob -= (double)h->token_logprob[*n];
    }
    return text;
}

int b4c_request_results(const b4c_request *request, const b4c_result **results)
{
    b4c_request *r =
        (b4c_request *)(uintptr_t)request; /* results are made when they are first asked for */
    const bool beams = !b4c_is_sample(r);
    if (!r->result && r->n_done) {
        r->result = calloc((size_t)r->n_done, sizeof *r->result);
        if (!r->result) return B4C_E_MEMORY;
        qsort(r->done, (size_t)r->n_done, sizeof *r->done, beams ? by_score : by_lane);
        r->n_result = r->n_done < r->o.n ? r->n_done : r->o.n;
        for (int i = 0; i < r->n_result; i++) {
            b4c_hypothesis *h = &r->done[i];
            int n = h->n;
            while (n && (h->finish != B4C_FINISH_LENGTH || r->o.end_at_limit) &&
                   b4c_request_is_end(r, h->ids[n - 1]) &&
                   (n == h->n || r->o.bert4keras_beam))
                n--;
            char *text = r->facts.tokenizer ? text_of(r, h, &n) : NULL;
            const b4c_cycle cycle = b4c_cycle_find(h->ids, n, LEAST_ROUNDS, r->border);
            r->result[i] = (b4c_result){ .ids = h->ids,
                                         .n = n,
                                         .text = text,
                                         .logprob = h->logprob,
                                         .score = beams ? h->score : h->logprob,
                                         .token_logprob = h->token_logprob,
                                         .alternative = h->alternative,
                                         .finish = h->finish,
                                         .cycle = cycle.tokens,
                                         .rounds = cycle.rounds };
        }
    }
    *results = r->result;
    return r->n_result;
}
