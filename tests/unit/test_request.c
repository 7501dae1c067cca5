/* test_request.c - choosing tokens: laws that hold for every combination of options, on a language
 * model that is a hash (toy_language.h); what is odd about results is told.
 */
#include "support/test.h"
#include "unit/text_case.h"
#include "unit/toy_language.h"

#include <math.h>

static void same(const b4c_request *a, const b4c_request *b)
{
    const b4c_result *x, *y;
    const int n = b4c_request_results(a, &x);
    assert_int_equal(n, b4c_request_results(b, &y));
    for (int i = 0; i < n; i++) {
        assert_int_equal(x[i].n, y[i].n);
        assert_memory_equal(x[i].ids, y[i].ids, (size_t)x[i].n * sizeof *x[i].ids);
        assert_int_equal(x[i].finish, y[i].finish);
    }
}

static void greedy_takes_the_best_each_time_and_beam_of_one_is_greedy(void **state)
{
    (void)state;
    for (uint64_t which = 0; which < 200; which++) {
        b4c_generate_options o = B4C_GENERATE_DEFAULT;
        o.max_new_tokens = 12;
        b4c_request *greedy = toy_run(&o, which, 0);
        const b4c_result *g;
        assert_int_equal(b4c_request_results(greedy, &g), 1);
        for (int i = 0; i < g->n; i++) {
            float x[TOY_V];
            toy_logits(which, g->ids, i, x);
            for (int k = 0; k < TOY_V; k++) assert_true(x[g->ids[i]] >= x[k]);
        }
        const double own = toy_logprob(which, g->ids, g->n, g->finish == B4C_FINISH_END);
        assert_true(fabs(g->logprob - own) < 1e-4);
        o.bert4keras_beam = true;
        b4c_request *one = toy_run(&o, which, 0);
        same(greedy, one);
        b4c_request_free(one);
        o.bert4keras_beam = false;
        o.sample = true;
        o.top_k = 1;
        one = toy_run(&o, which, 3);
        same(greedy, one);
        b4c_request_free(one);
        b4c_request_free(greedy);
    }
}

static uint64_t random_state;
static uint32_t word(void)
{
    return (uint32_t)((random_state = toy_mix(random_state + 0x9e3779b97f4a7c15u)) >> 32);
}

/* REPORTS G06; G07: an n-gram that a beam has said is blocked for that beam; K4: bert4keras ends
 * before its minimum, and drops ended beams for good. */
static void every_combination_of_options_keeps_its_promises(void **state)
{
    (void)state;
    static const int32_t bad1[] = { 3, 4 }, forced1[] = { 5, 2 }, forced2[] = { 6 };
    static const b4c_phrase bad[] = { { bad1, 2 } }, forced[] = { { forced1, 2 }, { forced2, 1 } };
    static const b4c_bias bias[] = { { 2, 1.5f }, { 4, -INFINITY } };
    static const int32_t not_first[] = { 0, 6 };
    int ran = 0;
    for (int round = 0; round < 4000; round++) {
        random_state = (uint64_t)round;
        b4c_generate_options o = B4C_GENERATE_DEFAULT;
        o.max_new_tokens = 6 + (int)(word() % 10);
        o.min_new_tokens = word() % 2 ? (int)(word() % 6) : 0;
        o.beams = word() % 3 ? 1 : 1 + (int)(word() % 5);
        o.sample = word() % 2;
        o.n = o.beams > 1 ? 1 + (int)(word() % (uint32_t)o.beams)
            : o.sample    ? 1 + (int)(word() % 5)
                          : 1;
        if (o.beams == 4 && !o.sample && word() % 2) o.beam_groups = 2, o.diversity = 1;
        o.early_stopping = (b4c_early_stopping)(word() % 3);
        o.length_penalty = (float)(word() % 5) / 2;
        o.temperature = 0.5f + (float)(word() % 4) / 2;
        if (word() % 3 == 0) o.top_k = 1 + (int)(word() % 6);
        if (word() % 3 == 0) o.top_p = 0.3f + (float)(word() % 6) / 10;
        if (word() % 3 == 0) o.min_p = (float)(word() % 5) / 20;
        if (word() % 4 == 0) o.typical = 0.5f;
        if (word() % 3 == 0) o.repetition_penalty = 1.3f;
        if (word() % 3 == 0) o.presence_penalty = 0.4f, o.frequency_penalty = 0.2f;
        if (word() % 3 == 0) o.no_repeat_ngram = 2 + (int)(word() % 2);
        if (word() % 3 == 0) o.bad = bad, o.n_bad = 1;
        if (word() % 4 == 0 && !o.no_repeat_ngram) o.forced = forced, o.n_forced = 2;
        if (word() % 4 == 0) o.bias = bias, o.n_bias = 2;
        o.alternatives = word() % 4 == 0 ? 3 : 0;
        if (word() % 4 == 0) o.not_first = not_first, o.n_not_first = 2;
        o.end_at_limit = word() % 4 == 0;
        if (word() % 4 == 0) o.stop_cycle = 2 + (int)(word() % 3);
        o.seed = word();
        if (o.beams == 1 && o.beam_groups > 1) continue;

        b4c_request *r = toy_run(&o, (uint64_t)round, 5), *again = toy_run(&o, (uint64_t)round, 5);
        same(r, again);
        const b4c_result *x;
        const int n = b4c_request_results(r, &x);
        assert_true(n >= 1 && n <= o.n);
        ran++;
        for (int i = 0; i < n; i++) {
            const b4c_result *y = &x[i];
            assert_true(y->n <= o.max_new_tokens);
            if (y->finish == B4C_FINISH_END)
                assert_true(y->n >= o.min_new_tokens);
            else if (o.stop_cycle && y->finish == B4C_FINISH_CYCLE)
                assert_true(y->n >= o.min_new_tokens && y->rounds + 1 >= o.stop_cycle);
            else
                assert_int_equal(y->finish, B4C_FINISH_LENGTH);
            if (i && o.beams > 1) assert_true(x[i - 1].score >= y->score);
            const bool forced_end = o.end_at_limit && y->finish == B4C_FINISH_LENGTH &&
                                    y->n < o.max_new_tokens;
            if (o.end_at_limit && !o.n_forced) assert_true(y->n < o.max_new_tokens);
            if (o.n_not_first && !o.n_forced && y->n)
                assert_true(y->ids[0] != 0 && y->ids[0] != 6);
            assert_true(fabs(y->logprob - toy_logprob((uint64_t)round, y->ids, y->n,
                                                     forced_end || y->finish == B4C_FINISH_END)) <
                        1e-3);
            for (int k = 0; k < y->n; k++) {
                assert_int_not_equal(y->ids[k], TOY_END);
                if (o.n_bias && !o.n_forced) assert_int_not_equal(y->ids[k], 4);
                if (o.n_bad && k && !o.n_forced) assert_false(y->ids[k - 1] == 3 && y->ids[k] == 4);
                for (int a = 1; a < o.alternatives; a++)
                    assert_true(y->alternative[k * o.alternatives + a].p <=
                                y->alternative[k * o.alternatives + a - 1].p);
                const int g = o.no_repeat_ngram;
                for (int a = 0; g && a < k && k + g <= y->n; a++)
                    assert_int_not_equal(memcmp(y->ids + a, y->ids + k, (size_t)g * sizeof *y->ids),
                                         0);
            }
            for (int p = 0; p < o.n_forced; p++) {
                bool found = false;
                for (int k = 0; k + forced[p].n <= y->n; k++)
                    found |= !memcmp(y->ids + k, forced[p].ids,
                                     (size_t)forced[p].n * sizeof *y->ids);
                if (!found) fail_msg("round %d: result %d lacks forced phrase %d", round, i, p);
            }
        }
        b4c_request_free(r);
        b4c_request_free(again);
    }
    assert_true(ran > 3500);
}

static void a_sample_depends_on_seed_and_number_but_not_on_how_many_there_are(void **state)
{
    (void)state;
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.sample = true;
    o.max_new_tokens = 10;
    o.n = 8;
    o.seed = 42;
    b4c_request *eight = toy_run(&o, 3, 1);
    o.n = 3;
    b4c_request *three = toy_run(&o, 3, 1), *other;
    const b4c_result *x, *y;
    assert_int_equal(b4c_request_results(eight, &x), 8);
    assert_int_equal(b4c_request_results(three, &y), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(x[i].n, y[i].n);
        assert_memory_equal(x[i].ids, y[i].ids, (size_t)x[i].n * sizeof *x[i].ids);
    }
    other = toy_run(&o, 3, 2);
    int differ = 0;
    assert_int_equal(b4c_request_results(other, &x), 3);
    for (int i = 0; i < 3; i++)
        differ += x[i].n != y[i].n ||
                  memcmp(x[i].ids, y[i].ids, (size_t)x[i].n * sizeof *x[i].ids) != 0;
    assert_true(differ > 0);
    b4c_request_free(eight);
    b4c_request_free(three);
    b4c_request_free(other);
}

static void results_that_agree_are_one_until_they_part(void **state)
{
    (void)state;
    enum { N = 6, STEPS = 3 };
    const b4c_vocabulary_facts f = toy_facts();
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.sample = true;
    o.top_k = 1;
    o.n = N;
    o.max_new_tokens = o.min_new_tokens = 10;
    o.alternatives = 2;
    b4c_request *r = b4c_request_new(&o, &f, NULL, 0, 0, NULL);
    b4c_move moves[N];
    const b4c_result *x;
    for (int step = 0; step < STEPS; step++) {
        int n;
        float logits[TOY_V];
        const int32_t *ids = b4c_request_tokens(r, 0, &n);
        toy_logits(5, ids, n, logits);
        assert_int_equal(b4c_request_step(r, logits, moves, NULL), 1);
    }
    b4c_request_finish(r, B4C_FINISH_STOPPED);
    assert_int_equal(b4c_request_results(r, &x), N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(x[i].n, STEPS);
        assert_int_equal(x[i].finish, B4C_FINISH_STOPPED);
        assert_memory_equal(x[i].ids, x[0].ids, STEPS * sizeof *x[i].ids);
        assert_memory_equal(x[i].token_logprob, x[0].token_logprob,
                            STEPS * sizeof *x[i].token_logprob);
        assert_memory_equal(x[i].alternative, x[0].alternative,
                            2 * STEPS * sizeof *x[i].alternative);
    }
    b4c_request_free(r);
}

static void what_contradicts_is_an_error_that_names_it(void **state)
{
    (void)state;
    const b4c_vocabulary_facts f = toy_facts();
    static const char *const stop[] = { "a" };
    static const struct {
        b4c_generate_options o;
        const char *part;
    } wrong[] = {
        { { .max_new_tokens = 0 }, "max_new_tokens: found 0" },
        { { .max_new_tokens = 5, .min_new_tokens = 6 }, "min_new_tokens: found 6, wanted 0 to 5" },
        { { .max_new_tokens = 5,
            .n = 2,
            .beams = 1,
            .beam_groups = 1,
            .min_ends = 1,
            .temperature = 1,
            .top_p = 1,
            .typical = 1,
            .repetition_penalty = 1 },
          "n: found 2, wanted 1: several results need sampling or beams" },
        { { .max_new_tokens = 5,
            .n = 1,
            .beams = 3,
            .beam_groups = 2,
            .min_ends = 1,
            .temperature = 1,
            .top_p = 1,
            .typical = 1,
            .repetition_penalty = 1 },
          "beam_groups: found 2, wanted a number that beams is a multiple of" },
        { { .max_new_tokens = 5,
            .n = 1,
            .beams = 2,
            .beam_groups = 1,
            .bert4keras_beam = true,
            .length_penalty = 1,
            .min_ends = 1,
            .temperature = 1,
            .top_p = 1,
            .typical = 1,
            .repetition_penalty = 1,
            .stop = stop,
            .n_stop = 1 },
          "no stop strings" },
        { { .max_new_tokens = 5,
            .n = 1,
            .beams = 1,
            .beam_groups = 1,
            .min_ends = 1,
            .temperature = 1,
            .top_p = 1.5f,
            .typical = 1,
            .repetition_penalty = 1 },
          "top_p: found 1.5" },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        b4c_error err = { 0 };
        assert_null(b4c_request_new(&wrong[i].o, &f, NULL, 0, 0, &err));
        assert_error(&err, B4C_E_ARG, wrong[i].part);
    }
    b4c_error err = { 0 };
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    const b4c_bias out = { TOY_V, 1 };
    o.bias = &out;
    o.n_bias = 1;
    assert_null(b4c_request_new(&o, &f, NULL, 0, 0, &err));
    assert_error(&err, B4C_E_ARG, "found token 7, wanted 0 to 6");
    static const float biases[] = { INFINITY, NAN, 3e38f };
    for (size_t i = 0; i < COUNT(biases); i++) {
        const b4c_bias much = { 1, biases[i] };
        o.bias = &much;
        assert_fails(b4c_request_check(&o, &f, &err), &err, B4C_E_NUMBER,
                     "logit bias of token 1: found");
    }
    o.n_bias = 0;
    o.sample = true;
    o.temperature = 1e-38f;
    assert_fails(b4c_request_check(&o, &f, &err), &err, B4C_E_ARG, "temperature: found");
    o.temperature = 1;
    o.sample = false;
    /* [UNK] comes when it is asked for, and not because an unknown word must come */
    b4c_vocabulary_facts knows = f;
    const int32_t unknown[] = { 1, 3 };
    const b4c_phrase forced = { unknown, 2 };
    knows.unknown = 3;
    o.forced = &forced;
    o.n_forced = 1;
    assert_fails(b4c_request_check(&o, &knows, &err), &err, B4C_E_ARG,
                 "forced phrase 1: found token 3");
    o.allow_unknown = true;
    assert_ok(b4c_request_check(&o, &knows, &err), &err);
    o.allow_unknown = false;
    /* what must come cannot be what must not */
    const int32_t last[] = { 3 };
    const b4c_phrase bad = { last, 1 };
    o.bad = &bad;
    o.n_bad = 1;
    assert_fails(b4c_request_check(&o, &f, &err), &err, B4C_E_ARG, "found bad phrase 1 in it");
    o.n_forced = 0;
    assert_ok(b4c_request_check(&o, &f, &err), &err);
    o.n_bad = 0;
    b4c_request *r = b4c_request_new(&o, &f, NULL, 0, 0, &err);
    float x[TOY_V] = { 0, NAN };
    b4c_move moves[1];
    assert_fails(b4c_request_step(r, x, moves, &err), &err, B4C_E_NUMBER, "token 1 is NaN");
    b4c_request_free(r);
}

/* ---- what is odd about results --------------------------------------------------------------- */

enum { WORDS = 15 };

/* A request whose logits want this sequence, then the end token. */
static b4c_request *dictated(const int32_t *ids, int n, const b4c_tokenizer *t, bool whole)
{
    static const int32_t end[] = { 0 };
    const b4c_vocabulary_facts f = { WORDS, end, 1, -1, -1, -1, -1, t, 0 };
    b4c_error err = { 0 };
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = n;
    o.whole_sentences = whole;
    b4c_request *r = b4c_request_new(&o, &f, NULL, 0, 0, &err);
    if (!r) fail_msg("%s", err.message);
    for (int i = 0, live = 1; live > 0; i++) {
        float logits[WORDS] = { 0 };
        b4c_move move;
        logits[i < n ? ids[i] : 0] = 9;
        live = b4c_request_step(r, logits, &move, &err);
        if (live < 0) fail_msg("%s", err.message);
    }
    return r;
}

/* REPORTS G02, G09: results that go round in circles are told. */
static void a_cycle_at_the_end_is_found(void **state)
{
    (void)state;
    static const struct {
        int32_t ids[24];
        int n, cycle, rounds;
    } cases[] = {
        { { 1, 2, 3, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5 }, 15, 2, 6 },
        { { 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 }, 12, 4, 3 },
        { { 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2 }, 13, 4, 3 }, /* it ends within a round */
        { { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 }, 12, 1, 12 },
        { { 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7 }, 11, 0, 0 },       /* laughter */
        { { 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3 }, 13, 0, 0 }, /* it came to an end */
        { { 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6 }, 12, 0, 0 },
        { { 1 }, 1, 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const b4c_result *x;
        b4c_request *r = dictated(cases[i].ids, cases[i].n, NULL, false);
        assert_int_equal(b4c_request_results(r, &x), 1);
        assert_int_equal(x->n, cases[i].n);
        assert_int_equal(x->cycle, cases[i].cycle);
        assert_int_equal(x->rounds, cases[i].rounds);
        b4c_request_free(r);
    }
}

/* REPORTS G12: a text that the limit ends need not end within a sentence. */
static void whole_sentences_are_kept_where_the_limit_ends(void **state)
{
    (void)state;
    b4c_tokenizer *t = make_small("[SEP] 今 天 好 。 他 说 ” . a ！ ？ [UNK] [CLS] [PAD]",
                                  B4C_DIALECT_BERT4KERAS, -1);
    static const struct {
        int32_t ids[10];
        int n;
        const char *text;
        int left;
    } cases[] = {
        { { 1, 2, 3, 4, 5, 6 }, 6, "今天好。", 4 },
        { { 5, 6, 3, 10, 7, 1 }, 6, "他说好！”", 5 },
        { { 5, 6, 3, 11 }, 4, "他说好？", 4 },
        { { 5, 6, 3 }, 3, "他说好", 3 }, /* there is none */
        { { 1, 8, 2 }, 3, NULL, 3 },     /* nor does a point in the middle end one */
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int whole = 0; whole < 2; whole++) {
            const b4c_result *x;
            double sum = 0;
            b4c_request *r = dictated(cases[i].ids, cases[i].n, t, whole);
            assert_int_equal(b4c_request_results(r, &x), 1);
            assert_int_equal(x->finish, B4C_FINISH_LENGTH);
            assert_int_equal(x->n, whole ? cases[i].left : cases[i].n);
            if (whole && cases[i].text) assert_string_equal(x->text, cases[i].text);
            for (int k = 0; k < x->n; k++) sum += (double)x->token_logprob[k];
            assert_true(fabs(sum - x->logprob) < 1e-5);
            b4c_request_free(r);
        }
    b4c_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_best_each_time_and_beam_of_one_is_greedy),
        cmocka_unit_test(every_combination_of_options_keeps_its_promises),
        cmocka_unit_test(a_sample_depends_on_seed_and_number_but_not_on_how_many_there_are),
        cmocka_unit_test(results_that_agree_are_one_until_they_part),
        cmocka_unit_test(what_contradicts_is_an_error_that_names_it),
        cmocka_unit_test(a_cycle_at_the_end_is_found),
        cmocka_unit_test(whole_sentences_are_kept_where_the_limit_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
