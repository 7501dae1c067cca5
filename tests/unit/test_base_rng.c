/* Philox against its authors' known answers, and laws of the draws made from it. */
#include "base/rng.h"
#include "support/test.h"

#include <math.h>

static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    /* Random123 1.14, examples/kat_vectors, "philox4x32 10": counter, key, result */
    static const uint32_t known[3][10] = {
        { 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
          0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
          0x94fdcceb, 0x5001e420, 0x24126ea1 },
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint32_t out[4];
        b4c_philox(known[i], known[i] + 4, out);
        assert_memory_equal(out, known[i] + 6, sizeof out);
    }
}

static void philox_may_write_over_its_counter(void **state)
{
    (void)state;
    uint32_t counter[4] = { 1, 2, 3, 4 }, out[4];
    const uint32_t key[2] = { 5, 6 };
    b4c_philox(counter, key, out);
    b4c_philox(counter, key, counter);
    assert_memory_equal(out, counter, sizeof out);
}

static void a_stream_is_the_blocks_of_its_counter(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 0x0123456789abcdefu, 0xfedcba9876543210u, 7);
    for (uint32_t block = 0; block < 20; block++) {
        const uint32_t counter[4] = { block, 7, 0x76543210u, 0xfedcba98u },
                       key[2] = { 0x89abcdefu, 0x01234567u };
        uint32_t want[4];
        b4c_philox(counter, key, want);
        for (int i = 0; i < 4; i++) assert_int_equal(b4c_rng_word(&r), want[i]);
    }
}

static void streams_differ_in_seed_request_and_lane(void **state)
{
    (void)state;
    uint32_t first[16][8];
    int n = 0;
    for (uint64_t seed = 0; seed < 2; seed++)
        for (uint64_t request = 0; request < 2; request++)
            for (uint32_t lane = 0; lane < 2; lane++) {
                b4c_rng r;
                b4c_rng_init(&r, seed << 32, request << 32, lane);
                for (int i = 0; i < 8; i++) first[n][i] = b4c_rng_word(&r);
                for (int k = 0; k < n; k++)
                    assert_memory_not_equal(first[n], first[k], sizeof first[0]);
                n++;
            }
}

static void uniform_numbers_fill_the_unit_interval(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 1, 2, 3);
    enum { N = 100000 };
    double sum = 0, square = 0;
    for (int i = 0; i < N; i++) {
        const float u = b4c_rng_uniform(&r);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += (double)u * u;
    }
    /* five standard errors: 1/sqrt(12 N) and sqrt(4/45 / N) */
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(square / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
}

static void the_largest_word_is_still_below_one(void **state)
{
    (void)state;
    b4c_rng r = { .word = { 0, 0, 0, 0xffffffff }, .left = 1 };
    assert_true(b4c_rng_uniform(&r) < 1);
    r = (b4c_rng){ .word = { 0, 0, 0, 0xffffffff }, .left = 1 };
    assert_true(b4c_rng_below(&r, 0xffffffff) < 0xffffffff);
    r = (b4c_rng){ .word = { 0, 0, 0, 0 }, .left = 2 };
    assert_true(isfinite(b4c_rng_normal(&r)));
}

static void every_number_below_n_is_as_likely(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 4, 5, 6);
    for (uint32_t n = 1; n <= 7; n++) {
        enum { N = 20000 };
        int count[7] = { 0 };
        for (int i = 0; i < N; i++) {
            const uint32_t x = b4c_rng_below(&r, n);
            assert_true(x < n);
            count[x]++;
        }
        double chi = 0;
        for (uint32_t k = 0; k < n; k++) chi += pow(count[k] - (double)N / n, 2) / ((double)N / n);
        assert_true(chi < 30); /* 6 degrees of freedom: 4e-5 */
    }
    /* 3 * 2^30: by multiplication alone every third result would come twice as often */
    int thirds[3] = { 0 };
    for (int i = 0; i < 30000; i++) thirds[b4c_rng_below(&r, 3u << 30) % 3]++;
    for (int k = 0; k < 3; k++) assert_true(abs(thirds[k] - 10000) < 500);
}

static void normal_numbers_have_normal_moments(void **state)
{
    (void)state;
    b4c_rng r;
    b4c_rng_init(&r, 7, 8, 9);
    enum { N = 200000 };
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    int beyond = 0;
    for (int i = 0; i < N; i++) {
        const double x = b4c_rng_normal(&r);
        m1 += x, m2 += x * x, m3 += x * x * x, m4 += x * x * x * x;
        beyond += fabs(x) > 1.959964;
    }
    assert_true(fabs(m1 / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(m2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m3 / N) < 5 * sqrt(15.0 / N));
    assert_true(fabs(m4 / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(abs(beyond - N / 20) < 5 * (int)sqrt(N * 0.05 * 0.95));
}

static void random_text_is_valid_and_repeatable(void **state)
{
    (void)state;
    char a[8 * 200 + 16], b[8 * 200 + 16];
    for (uint32_t seed = 0; seed < 200; seed++) {
        b4c_rng r, s;
        b4c_rng_init(&r, seed, 0, 0);
        b4c_rng_init(&s, seed, 0, 0);
        const size_t n = random_text(&r, 200, a);
        assert_int_equal(random_text(&s, 200, b), n);
        assert_memory_equal(a, b, n + 1);
        assert_int_equal(strlen(a), n);
        assert_true(n < sizeof a);
        for (size_t i = 0; i < n; i++) { /* no stray or missing continuation bytes */
            const unsigned char c = (unsigned char)a[i];
            const size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
            assert_true(c < 0x80 || c >= 0xc2);
            for (size_t k = 1; k <= more; k++)
                assert_int_equal((unsigned char)a[i + k] & 0xc0, 0x80);
            i += more;
        }
        const size_t m = random_bytes(&s, 200, b);
        assert_int_equal(strlen(b), m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(philox_may_write_over_its_counter),
        cmocka_unit_test(a_stream_is_the_blocks_of_its_counter),
        cmocka_unit_test(streams_differ_in_seed_request_and_lane),
        cmocka_unit_test(uniform_numbers_fill_the_unit_interval),
        cmocka_unit_test(the_largest_word_is_still_below_one),
        cmocka_unit_test(every_number_below_n_is_as_likely),
        cmocka_unit_test(normal_numbers_have_normal_moments),
        cmocka_unit_test(random_text_is_valid_and_repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
