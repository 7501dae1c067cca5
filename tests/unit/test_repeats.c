/* test_repeats.c - sequences that say the same are found, whatever their number and order. */
#include "support/test.h"

#include "embed/repeats.h"

static uint32_t word(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static bool equal(const b4c_sequence *a, const b4c_sequence *b)
{
    if (a->length != b->length || !a->segments != !b->segments) return false;
    const size_t bytes = (size_t)a->length * sizeof *a->ids;
    return !memcmp(a->ids, b->ids, bytes) &&
           (!a->segments || !memcmp(a->segments, b->segments, bytes));
}

/* Few different tokens and short texts: many come again. */
static void each_is_one_of_the_distinct_which_stand_in_the_order_they_came(void **state)
{
    (void)state;
    enum { MOST = 300, LONGEST = 4 };
    static int32_t ids[MOST][LONGEST], segments[MOST][LONGEST];
    static b4c_sequence seq[MOST], to[MOST];
    static const b4c_sequence *sorted[MOST];
    static int of[MOST];
    uint64_t random = 5;
    for (int round = 0; round < 200; round++) {
        const int n = (int)(word(&random) % (MOST + 1));
        for (int i = 0; i < n; i++) {
            seq[i] = (b4c_sequence){ .ids = ids[i], .length = 1 + (int)(word(&random) % LONGEST) };
            if (round % 3 == 0 && word(&random) % 2) seq[i].segments = segments[i];
            for (int k = 0; k < LONGEST; k++) {
                ids[i][k] = (int32_t)(word(&random) % 3);
                segments[i][k] = (int32_t)(word(&random) % 2);
            }
        }
        const int found = b4c_without_repeats(seq, n, sorted, to, of);
        int known = 0;
        for (int i = 0; i < n; i++) {
            assert_true(of[i] >= 0 && of[i] <= known && of[i] < found);
            assert_true(equal(&seq[i], &to[of[i]]));
            if (of[i] < known) continue;
            for (int k = 0; k < known; k++) assert_false(equal(&to[k], &seq[i]));
            assert_ptr_equal(to[known++].ids, seq[i].ids);
        }
        assert_int_equal(known, found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_one_of_the_distinct_which_stand_in_the_order_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
