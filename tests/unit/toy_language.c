/* toy_language.c - see toy_language.h. */
#include "unit/toy_language.h"

#include "support/test.h"

#include <math.h>

uint64_t toy_mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x7fb5d329728ea185u;
    x ^= x >> 27;
    x *= 0x81dadef4bc2dd44du;
    return x ^ x >> 33;
}

void toy_logits(uint64_t which, const int32_t *ids, int n, float *logits)
{
    uint64_t h = toy_mix(which + 12345);
    for (int i = 0; i < n; i++) h = toy_mix(h ^ (uint64_t)(ids[i] + 1));
    for (int i = 0; i < TOY_V; i++) {
        h = toy_mix(h + (uint64_t)i);
        logits[i] = (float)(h >> 40) / (1 << 24) * 5;
    }
}

b4c_vocabulary_facts toy_facts(void)
{
    static const int32_t end[] = { TOY_END };
    return (b4c_vocabulary_facts){ TOY_V, end, 1, -1, -1, -1, -1, NULL, 0 };
}

static void differ(const b4c_request *r, int live)
{
    for (int i = 0; i < live; i++)
        for (int k = 0; k < i; k++) {
            int n, m;
            const int32_t *x = b4c_request_tokens(r, i, &n), *y = b4c_request_tokens(r, k, &m);
            assert_true(n != m || memcmp(x, y, (size_t)n * sizeof *x) != 0);
        }
}

b4c_request *toy_run(const b4c_generate_options *o, uint64_t which, uint64_t number)
{
    b4c_error err = { 0 };
    const b4c_vocabulary_facts f = toy_facts();
    b4c_request *r = b4c_request_new(o, &f, NULL, 0, number, &err);
    if (!r) fail_msg("%s", err.message);
    b4c_move *moves = malloc((size_t)b4c_request_most(r) * sizeof *moves);
    float *logits = malloc((size_t)b4c_request_most(r) * TOY_V * sizeof *logits);
    for (int live = 1, steps = 0; live > 0; steps++) {
        assert_true(steps <= o->max_new_tokens);
        for (int i = 0; i < live; i++) {
            int n;
            const int32_t *ids = b4c_request_tokens(r, i, &n);
            assert_int_equal(n, steps);
            toy_logits(which, ids, n, logits + i * TOY_V);
        }
        const int before = live;
        live = b4c_request_step(r, logits, moves, &err);
        if (live < 0) fail_msg("%s", err.message);
        assert_int_equal(live, b4c_request_live(r));
        assert_true(live <= b4c_request_most(r));
        for (int i = 0; i < live; i++) {
            int n;
            const int32_t *ids = b4c_request_tokens(r, i, &n);
            assert_true(moves[i].parent >= 0 && moves[i].parent < before);
            assert_int_equal(ids[n - 1], moves[i].token);
        }
        if (o->sample) differ(r, live);
    }
    free(moves);
    free(logits);
    return r;
}

double toy_logprob(uint64_t which, const int32_t *ids, int n, bool ended)
{
    double sum = 0;
    for (int i = 0; i < n + ended; i++) {
        float x[TOY_V];
        double z = 0;
        toy_logits(which, ids, i, x);
        for (int k = 0; k < TOY_V; k++) z += exp((double)x[k]);
        sum += (double)x[i < n ? ids[i] : TOY_END] - log(z);
    }
    return sum;
}
