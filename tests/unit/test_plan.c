/* test_plan.c - plans: each mask's intervals, offsets of keys, prefixes, mixed heads, cross plans.
 */
#include "support/test.h"
#include "tape/plan.h"

static b4c_tape tape;

static int set_up(void **state)
{
    (void)state;
    return b4c_tape_init(&tape, b4c_kernels_get(), NULL, B4C_F32, 1 << 20, false);
}

static int tear_down(void **state)
{
    (void)state;
    b4c_tape_done(&tape);
    return 0;
}

/* Row i of the plan sees exactly the keys that have a 1 in picture[i], keys counted from the
 * sequence's first. */
static void assert_sees(const b4c_plan *p, int set, const char *const *picture)
{
    for (int s = 0; s < p->n_seq; s++)
        for (int i = p->q_off[s]; i < p->q_off[s + 1]; i++) {
            assert_int_equal((int)strlen(picture[i]), p->k_len[s]);
            for (int j = 0; j < p->k_len[s]; j++) {
                const bool sees = j >= p->from[set][i] && j < p->upto[set][i];
                if (sees != (picture[i][j] == '1'))
                    fail_msg("row %d, key %d: %s", i, j, sees ? "seen" : "hidden");
            }
        }
}

static void masks_are_intervals(void **state)
{
    (void)state;
    static const char *const picture[3][6] = {
        { "1111", "1111", "1111", "1111", "11", "11" },
        { "1000", "1100", "1110", "1111", "10", "11" },
        { "1111", "0111", "0011", "0001", "11", "01" },
    };
    static const b4c_mask masks[3] = { B4C_MASK_FULL, B4C_MASK_CAUSAL, B4C_MASK_ANTI };
    const int lengths[] = { 4, 2 };
    for (int m = 0; m < 3; m++) {
        const b4c_plan p = b4c_plan_make(&tape, masks[m], lengths, 2, NULL);
        assert_int_equal(p.n_rows, 6);
        assert_null(p.from[1]);
        assert_null(p.head_set);
        assert_sees(&p, 0, picture[m]);
    }
}

/* SPEC A.4, A.8.5; the prefix is the leading run of segment 0, whatever comes later. */
static void a_prefix_mask_hides_the_answer_from_the_question(void **state)
{
    (void)state;
    static const char *const picture[] = {
        "11100", "11100", "11100", "11110", "11111", /* 0 0 0 1 1 */
        "111",   "111",   "111",                     /* all question: full */
        "100",   "110",   "111",                     /* no question: causal */
        "1000",  "1100",  "1110",  "1111",           /* 0 1 0 0: the later zeros are no prefix */
    };
    static const int32_t segments[] = { 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0 };
    const int lengths[] = { 5, 3, 3, 4 };
    const b4c_plan p = b4c_plan_make(&tape, B4C_MASK_PREFIX, lengths, 4, segments);
    assert_sees(&p, 0, picture);
}

/* c = cumulative sum of segments: j is visible to i where c_j <= c_i. For segments 0..0 1..1 both
 * rules are one. */
static void a_prefix_mask_is_the_cumulative_sum_of_segments(void **state)
{
    (void)state;
    for (int length = 1; length <= 9; length++)
        for (int prefix = 0; prefix <= length; prefix++) {
            int32_t segments[9], c[9];
            for (int i = 0; i < length; i++) {
                segments[i] = i >= prefix;
                c[i] = segments[i] + (i ? c[i - 1] : 0);
            }
            const b4c_plan p = b4c_plan_make(&tape, B4C_MASK_PREFIX, &length, 1, segments);
            for (int i = 0; i < length; i++)
                for (int j = 0; j < length; j++)
                    assert_int_equal(j >= p.from[0][i] && j < p.upto[0][i], c[j] <= c[i]);
        }
}

static void rows_positions_and_keys_stand_end_to_end(void **state)
{
    (void)state;
    const int lengths[] = { 3, 0, 2 }, q_off[] = { 0, 3, 3, 5 }, k_off[] = { 0, 3, 3 },
              pos[] = { 0, 1, 2, 0, 1 };
    const b4c_plan p = b4c_plan_make(&tape, B4C_MASK_FULL, lengths, 3, NULL);
    assert_int_equal(p.n_seq, 3);
    assert_memory_equal(p.q_off, q_off, sizeof q_off);
    assert_memory_equal(p.k_off, k_off, sizeof k_off);
    assert_memory_equal(p.k_len, lengths, sizeof lengths);
    assert_memory_equal(p.pos, pos, sizeof pos);
}

static void mixed_heads_have_two_sets(void **state)
{
    (void)state;
    static const char *const forward[] = { "100", "110", "111" }, *const backward[] = { "111",
                                                                                        "011",
                                                                                        "001" };
    static const uint8_t head_set[4] = { 0, 1, 0, 1 };
    const int length = 3;
    const b4c_plan p = b4c_plan_mix(&tape, B4C_MASK_CAUSAL, B4C_MASK_ANTI, head_set, &length, 1);
    assert_sees(&p, 0, forward);
    assert_sees(&p, 1, backward);
    assert_ptr_equal(p.head_set, head_set);
}

static void a_cross_plan_sees_its_own_source(void **state)
{
    (void)state;
    const int q[] = { 2, 1 }, k[] = { 3, 4 }, k_off[] = { 0, 3 };
    static const char *const picture[] = { "111", "111", "1111" };
    const b4c_plan p = b4c_plan_cross(&tape, q, k, 2);
    assert_int_equal(p.n_rows, 3);
    assert_memory_equal(p.k_off, k_off, sizeof k_off);
    assert_memory_equal(p.k_len, k, sizeof k);
    assert_sees(&p, 0, picture);
}

static void no_sequences_are_a_plan_of_no_rows(void **state)
{
    (void)state;
    const b4c_plan p = b4c_plan_make(&tape, B4C_MASK_FULL, NULL, 0, NULL);
    assert_int_equal(p.n_seq, 0);
    assert_int_equal(p.n_rows, 0);
    assert_int_equal(p.q_off[0], 0);
}

static void a_plan_on_a_failed_tape_says_so(void **state)
{
    (void)state;
    const int length = 1 << 20;
    assert_int_equal(b4c_plan_make(&tape, B4C_MASK_FULL, &length, 1, NULL).n_seq, -1);
    assert_true(tape.failed);
    assert_int_equal(b4c_plan_cross(&tape, &length, &length, 1).n_seq, -1);
    const uint8_t head_set = 0;
    assert_int_equal(b4c_plan_mix(&tape, B4C_MASK_FULL, B4C_MASK_ANTI, &head_set, &length, 1).n_seq,
                     -1);
    b4c_tape_reset(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_intervals),
        cmocka_unit_test(a_prefix_mask_hides_the_answer_from_the_question),
        cmocka_unit_test(a_prefix_mask_is_the_cumulative_sum_of_segments),
        cmocka_unit_test(rows_positions_and_keys_stand_end_to_end),
        cmocka_unit_test(mixed_heads_have_two_sets),
        cmocka_unit_test(a_cross_plan_sees_its_own_source),
        cmocka_unit_test(no_sequences_are_a_plan_of_no_rows),
        cmocka_unit_test(a_plan_on_a_failed_tape_says_so),
    };
    return cmocka_run_group_tests_name("tests/unit/test_plan", tests, set_up, tear_down);
}
