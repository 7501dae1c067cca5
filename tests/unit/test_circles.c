/* test_circles.c - results that go round in circles: found and ended; penalties that drive them. */
#include "support/test.h"

#include <string.h>

#include "decode/cycle.h"
#include "decode/request.h"

/* ---- circles --------------------------------------------------------------------------------- */

/* Tokens at the end of ids [n] that are what stands `period` before them, and the first round. */
static int alike(const int32_t *ids, int n, int period)
{
    int same = 0;
    while (same + period < n && ids[n - 1 - same] == ids[n - 1 - same - period]) same++;
    return same + period;
}

static b4c_cycle slow(const int32_t *ids, int n, int times)
{
    for (int period = 1; period <= n; period++) {
        const int tokens = alike(ids, n, period);
        if (tokens / period >= times && tokens >= B4C_CYCLE_TOKENS)
            return (b4c_cycle){ period, tokens / period };
    }
    return (b4c_cycle){ 0, 0 };
}

static void the_shortest_round_is_found_as_by_trying_all(void **state)
{
    (void)state;
    b4c_rng rng;
    int32_t ids[64];
    int border[65], found = 0;
    b4c_rng_init(&rng, 5, 0, 0);
    for (int round = 0; round < 20000; round++) {
        const int n = (int)(b4c_rng_uniform(&rng) * 64);
        const int period = 1 + (int)(b4c_rng_uniform(&rng) * 9);
        const int from = (int)(b4c_rng_uniform(&rng) * 30);
        for (int i = 0; i < n; i++)
            ids[i] = i >= from + period ? ids[i - period] : (int32_t)(b4c_rng_uniform(&rng) * 3);
        if (n && b4c_rng_uniform(&rng) < 0.1f) ids[n - 1] = 2;
        for (int times = 2; times < 5; times++) {
            const b4c_cycle a = b4c_cycle_find(ids, n, times, border), b = slow(ids, n, times);
            assert_int_equal(a.tokens, b.tokens);
            assert_int_equal(a.rounds, b.rounds);
            found += a.tokens > 0;
        }
    }
    assert_true(found > 10000);
}

static void laughter_is_no_circle(void **state)
{
    (void)state;
    static const int32_t laughter[11] = { 0 }, more[12] = { 0 };
    int border[13];
    assert_int_equal(b4c_cycle_find(laughter, 11, 3, border).tokens, 0);
    assert_int_equal(b4c_cycle_find(more, 12, 3, border).rounds, 12);
    assert_int_equal(b4c_cycle_find(NULL, 0, 3, border).tokens, 0);
}

/* ---- requests -------------------------------------------------------------------------------- */

enum { V = 6 };

/* A model whose likeliest token follows the last one in a ring of five; token 5 is never likely. */
static b4c_request *write_ring(const b4c_generate_options *o, int *steps)
{
    b4c_error err = { 0 };
    const b4c_vocabulary_facts f = { V, NULL, 0, -1, -1, -1, -1, NULL, 0 };
    b4c_request *r = b4c_request_new(o, &f, NULL, 0, 1, &err);
    b4c_move moves[8];
    float logits[8 * V];
    if (!r) fail_msg("%s", err.message);
    *steps = 0;
    for (int live = 1; live > 0; ++*steps) {
        for (int i = 0; i < live; i++) {
            int n;
            const int32_t *ids = b4c_request_tokens(r, i, &n);
            for (int k = 0; k < V; k++) logits[i * V + k] = k == V - 1 ? -2 : 1;
            logits[i * V + (n ? (ids[n - 1] + 1) % 5 : 0)] = 3;
        }
        live = b4c_request_step(r, logits, moves, &err);
        if (live < 0) fail_msg("%s", err.message);
    }
    return r;
}

/* REPORTS G02, G09: others repeat themselves up to the limit, and nothing says so. */
static void a_result_in_circles_is_named_and_can_be_ended(void **state)
{
    (void)state;
    int steps;
    const b4c_result *x;
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = 52;
    b4c_request *r = write_ring(&o, &steps);
    assert_int_equal(b4c_request_results(r, &x), 1);
    assert_int_equal(x->finish, B4C_FINISH_LENGTH);
    assert_int_equal(x->cycle, 5);
    assert_int_equal(x->rounds, 10);
    b4c_request_free(r);
    for (int beams = 1; beams < 4; beams += 2)
        for (o.stop_cycle = 2; o.stop_cycle < 6; o.stop_cycle++) {
            o.beams = beams;
            r = write_ring(&o, &steps);
            assert_int_equal(b4c_request_results(r, &x), 1);
            if (beams == 1) assert_int_equal(x->finish, B4C_FINISH_CYCLE);
            if (beams == 1) assert_int_equal(x->n, o.stop_cycle < 3 ? 12 : 5 * o.stop_cycle);
            b4c_request_free(r);
        }
    o.beams = 1;
    o.stop_cycle = 3;
    o.min_new_tokens = 40;
    r = write_ring(&o, &steps);
    assert_int_equal(b4c_request_results(r, &x), 1);
    assert_int_equal(x->n, 40);
    b4c_request_free(r);
    o.stop_cycle = 0;
    o.no_repeat_ngram = 2;
    o.min_new_tokens = 0;
    o.max_new_tokens = 20;
    r = write_ring(&o, &steps);
    assert_int_equal(b4c_request_results(r, &x), 1);
    assert_int_equal(x->cycle, 0);
    b4c_request_free(r);
}

/* REPORTS G20: a high repetition penalty makes others write ((((((((: what was said is forbidden,
 * and only rubbish is left. */
static void a_repetition_penalty_beyond_the_most_is_the_most(void **state)
{
    (void)state;
    int steps, rubbish[3] = { 0 };
    const float penalty[] = { 1.2f, B4C_REPETITION_PENALTY_MOST, 100 };
    for (int i = 0; i < 3; i++) {
        b4c_generate_options o = B4C_GENERATE_DEFAULT;
        const b4c_result *x;
        o.max_new_tokens = 40;
        o.repetition_penalty = penalty[i];
        b4c_request *r = write_ring(&o, &steps);
        assert_int_equal(b4c_request_results(r, &x), 1);
        for (int k = 0; k < x->n; k++) rubbish[i] += x->ids[k] == V - 1;
        b4c_request_free(r);
    }
    assert_int_equal(rubbish[0], 0);
    assert_int_equal(rubbish[2], rubbish[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_round_is_found_as_by_trying_all),
        cmocka_unit_test(laughter_is_no_circle),
        cmocka_unit_test(a_result_in_circles_is_named_and_can_be_ended),
        cmocka_unit_test(a_repetition_penalty_beyond_the_most_is_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
