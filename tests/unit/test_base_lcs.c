/* test_base_lcs.c - the bit-parallel length against the table of the definition. */
#include "base/lcs.h"
#include "base/rng.h"
#include "support/test.h"

enum { MOST = 200 };

static int by_table(const int32_t *a, int n, const int32_t *b, int m)
{
    static int t[MOST + 1][MOST + 1];
    for (int i = 0; i <= n; i++)
        for (int j = 0; j <= m; j++)
            if (!i || !j) t[i][j] = 0;
            else if (a[i - 1] == b[j - 1]) t[i][j] = t[i - 1][j - 1] + 1;
            else t[i][j] = t[i - 1][j] > t[i][j - 1] ? t[i - 1][j] : t[i][j - 1];
    return t[n][m];
}

/* Lengths around multiples of 64 carry between words; few symbols make many matches. */
static void random_sequences_have_the_tables_length(void **state)
{
    (void)state;
    b4c_rng rng;
    b4c_error err = { 0 };
    b4c_lcs l = { 0 };
    b4c_rng_init(&rng, 1, 0, 0);
    for (int k = 0; k < 3000; k++) {
        static const uint32_t alphabets[] = { 1, 2, 4, 30, 5000 };
        int32_t a[MOST], b[MOST];
        const uint32_t symbols = alphabets[k % 5];
        const int n = (int)b4c_rng_below(&rng, MOST + 1), m = (int)b4c_rng_below(&rng, MOST + 1);
        for (int i = 0; i < n; i++) a[i] = (int32_t)b4c_rng_below(&rng, symbols) - 2;
        for (int i = 0; i < m; i++) b[i] = (int32_t)b4c_rng_below(&rng, symbols) - 2;
        assert_int_equal(b4c_lcs_length(&l, a, n, b, m, &err), by_table(a, n, b, m));
    }
    b4c_lcs_done(&l);
}

static void the_ends_are_right(void **state)
{
    (void)state;
    b4c_lcs l = { 0 };
    const int32_t a[] = { 1, 2, 3, 4, 5 }, b[] = { 5, 4, 3, 2, 1 }, c[] = { 9 };
    assert_int_equal(b4c_lcs_length(&l, a, 0, b, 5, NULL), 0);
    assert_int_equal(b4c_lcs_length(&l, a, 5, a, 5, NULL), 5);
    assert_int_equal(b4c_lcs_length(&l, a, 5, b, 5, NULL), 1);
    assert_int_equal(b4c_lcs_length(&l, a, 5, c, 1, NULL), 0);
    b4c_lcs_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sequences_have_the_tables_length),
        cmocka_unit_test(the_ends_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
