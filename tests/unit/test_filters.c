/* test_filters.c - rules on logits: by their definitions, on random rows and on the values of the
 * specification (A.8.6). */
#include "support/test.h"

#include <math.h>

#include "decode/filters.h"

enum { V = 2500 };         /* more than is looked at one by one, or summed at once */
static float room[2 * V];
static b4c_filter_scratch scratch = { room, 2 * V };
static uint64_t random_state = 1;

static uint32_t word(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

/* Logits with ties and tokens that are already out; some rows are flat, some steep, and some hold
 * numbers that penalties have pushed far down. */
static void fill(float *x, int v)
{
    static const float scales[] = { 1, 1, 1e-3f, 30, 1e30f };
    const float scale = scales[word() % COUNT(scales)];
    const bool far = word() % 3 == 0;
    for (int i = 0; i < v; i++) {
        x[i] = word() % 9 ? (float)(word() % 4000) / 300 - 7 : word() % 2 ? 1.5f : -INFINITY;
        x[i] *= scale;
        if (far && word() % 2) x[i] = -1e30f * (float)(word() % 4);
    }
    x[word() % (uint32_t)v] = 2 * scale;
}

static int some_length(void) { return 1 + (int)(word() % (word() % 2 ? 100 : V)); }

static int falling(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void top_p_keeps_the_token_that_crosses_and_no_more(void **state)
{
    (void)state;
    static const struct {
        float p[4];
        int n;
        float top;
        int kept;
    } given[] = { { { .1f, .5f, .15f, .25f }, 4, .7f, 2 },
                  { { .1f, .5f, .15f, .25f }, 4, .75f, 2 },
                  { { .9f, .05f, .05f }, 3, .5f, 1 } };
    for (size_t g = 0; g < COUNT(given); g++) {
        float x[4];
        for (int i = 0; i < given[g].n; i++) x[i] = logf(given[g].p[i]);
        assert_int_equal(b4c_keep_top_p(x, given[g].n, given[g].top, &scratch), given[g].kept);
    }
    for (int round = 0; round < 2000; round++) {
        float x[V], sorted[V];
        const int v = some_length();
        fill(x, v);
        memcpy(sorted, x, sizeof x);
        qsort(sorted, (size_t)v, sizeof *sorted, falling);
        const float p = (float)(1 + word() % 999) / 1000;
        double sum = 0;
        for (int i = 0; i < v && sorted[i] > -INFINITY; i++)
            sum += exp((double)sorted[i] - sorted[0]);
        double above = 0, kept_mass = 0;
        const int kept = b4c_keep_top_p(x, v, p, &scratch);
        int count = 0;
        float lowest = INFINITY;
        for (int i = 0; i < v; i++)
            if (x[i] > -INFINITY) {
                count++;
                kept_mass += exp((double)x[i] - sorted[0]);
                if (x[i] < lowest) lowest = x[i];
            }
        for (int i = 0; i < v; i++)
            if (x[i] > lowest) above += exp((double)x[i] - sorted[0]);
        assert_int_equal(kept, count);
        assert_true(kept_mass >= p * sum * (1 - 1e-5));
        assert_true(above < p * sum * (1 + 1e-5)); /* without the lowest it would not be enough */
    }
}

/* The highest number that reaches p must be found among equals, and far from the best, too. */
static void drawing_by_top_p_is_to_keep_and_then_to_draw(void **state)
{
    (void)state;
    for (int round = 0; round < 4000; round++) {
        float x[V], kept[V];
        const int v = some_length();
        fill(x, v);
        for (int i = 0; i < v && round % 4 == 1; i++) x[i] = roundf(x[i]);
        for (int i = 0; i < v && round % 4 == 2; i++) x[i] = i % 5 ? -1e30f : x[i];
        memcpy(kept, x, sizeof x);
        const float p = (float)(1 + word() % 999) / 1000;
        b4c_categorical all, top;
        b4c_keep_top_p(kept, v, p, &scratch);
        b4c_categorical_all(&all, kept, v);
        b4c_categorical_top_p(&top, x, v, p, &scratch);
        for (int draw = 0; draw < 4; draw++) {
            const float u = (float)(word() % 4096) / 4096;
            assert_int_equal(b4c_categorical_draw(&top, u), b4c_categorical_draw(&all, u));
        }
    }
    const float none[3] = { -INFINITY, -INFINITY, -INFINITY };
    b4c_categorical top;
    b4c_categorical_top_p(&top, none, 3, .5f, &scratch);
    assert_int_equal(b4c_categorical_draw(&top, .5f), -1);
}

static void top_k_keeps_k_and_their_equals(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        float x[V], sorted[V];
        const int v = some_length(), k = 1 + (int)(word() % 40);
        fill(x, v);
        memcpy(sorted, x, sizeof x);
        qsort(sorted, (size_t)v, sizeof *sorted, falling);
        const float least = k <= v ? sorted[k - 1] : -INFINITY;
        int wanted = 0, kept = 0;
        for (int i = 0; i < v; i++) wanted += x[i] > -INFINITY && x[i] >= least;
        const int said = b4c_keep_top_k(x, v, k, &scratch);
        for (int i = 0; i < v; i++) {
            kept += x[i] > -INFINITY;
            if (x[i] > -INFINITY) assert_true(x[i] >= least);
        }
        assert_int_equal(kept, wanted);
        assert_int_equal(said, wanted);
    }
}

static void min_p_is_a_share_of_the_best(void **state)
{
    (void)state;
    float x[] = { logf(.5f), logf(.26f), logf(.24f), -INFINITY };
    assert_int_equal(b4c_keep_min_p(x, 4, .5f), 2);
    assert_true(x[2] == -INFINITY);
    assert_int_equal(b4c_keep_min_p(x, 4, 0), 2);
    assert_int_equal(b4c_keep_min_p(x, 4, 1), 1);
}

static void typical_keeps_what_is_as_surprising_as_the_average(void **state)
{
    (void)state;
    /* entropy of (.6, .2, .1, .1) is 1.0889: .2 (1.609) is nearest with distance .52, then .6
     * (.511) with .58, then .1 with 1.21 */
    float x[] = { logf(.6f), logf(.2f), logf(.1f), logf(.1f) };
    assert_int_equal(b4c_keep_typical(x, 4, .15f, &scratch), 1);
    assert_true(x[1] > -INFINITY);
    float y[] = { logf(.6f), logf(.2f), logf(.1f), logf(.1f) };
    assert_int_equal(b4c_keep_typical(y, 4, .5f, &scratch), 2);
    assert_int_equal(b4c_keep_typical(y, 4, 1, &scratch), 2);
}

static void penalties_count_each_token_as_defined(void **state)
{
    (void)state;
    uint8_t seen[4] = { 0 };
    const int32_t history[] = { 0, 2, 0, 9, -1 };
    float x[] = { 2, 1, -2, 0 };
    b4c_penalize_repeats(x, 4, history, 5, 2, seen);
    assert_true(x[0] == 1 && x[1] == 1 && x[2] == -4 && x[3] == 0);
    b4c_penalize_counts(x, 4, history, 5, .5f, .25f, seen);
    assert_true(x[0] == 0 && x[1] == 1 && x[2] == -4.75f && x[3] == 0);
    for (int i = 0; i < 4; i++) assert_int_equal(seen[i], 0);
}

static void no_ngram_comes_twice_and_no_banned_phrase_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) {
        int32_t history[400];
        const int32_t phrase[] = { 3, 5 };
        int length = 0;
        for (; length < 400; length++) {
            float x[6];
            for (int i = 0; i < 6; i++) x[i] = (float)(word() % 100);
            b4c_ban_ngrams(x, 6, history, length, n);
            b4c_ban_phrase(x, 6, history, length, phrase, 2);
            history[length] = b4c_best_token(x, 6);
            if (history[length] < 0) break;
        }
        assert_true(n > 3 || length < 400); /* six tokens have 6^n n-grams */
        for (int i = 0; i + 1 < length; i++) assert_false(history[i] == 3 && history[i + 1] == 5);
        for (int i = 0; i + n <= length; i++)
            for (int k = i + 1; k + n <= length; k++)
                assert_int_not_equal(memcmp(history + i, history + k, (size_t)n * sizeof *history),
                                     0);
    }
}

static void draws_follow_the_probabilities(void **state)
{
    (void)state;
    const float x[] = { logf(.1f), -INFINITY, logf(.6f), logf(.3f) };
    int count[4] = { 0 };
    enum { DRAWS = 100000 };
    b4c_categorical c;
    b4c_categorical_all(&c, x, 4);
    for (int i = 0; i < DRAWS; i++) count[b4c_categorical_draw(&c, ((float)i + .5f) / DRAWS)]++;
    assert_int_equal(count[1], 0);
    assert_true(abs(count[0] - 10000) < 5 && abs(count[2] - 60000) < 5 &&
                abs(count[3] - 30000) < 5);
    assert_int_equal(b4c_categorical_draw(&c, 0), 0);
    const float out[] = { -INFINITY, -INFINITY };
    b4c_categorical_all(&c, out, 2);
    assert_int_equal(b4c_categorical_draw(&c, .5f), -1);
    assert_int_equal(b4c_best_token(out, 2), -1);
    assert_true(fabs(b4c_log_sum_exp(x, 4)) < 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(top_p_keeps_the_token_that_crosses_and_no_more),
        cmocka_unit_test(drawing_by_top_p_is_to_keep_and_then_to_draw),
        cmocka_unit_test(top_k_keeps_k_and_their_equals),
        cmocka_unit_test(min_p_is_a_share_of_the_best),
        cmocka_unit_test(typical_keeps_what_is_as_surprising_as_the_average),
        cmocka_unit_test(penalties_count_each_token_as_defined),
        cmocka_unit_test(no_ngram_comes_twice_and_no_banned_phrase_once),
        cmocka_unit_test(draws_follow_the_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
