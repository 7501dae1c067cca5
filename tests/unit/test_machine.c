/* test_machine.c - the arithmetic limit that speeds are told against. */
#include "support/test.h"

#include "bert4c.h"

static bool is_known(void) { return b4c_machine_peak(B4C_F32, 1, NULL) > 0; }

static void a_core_does_at_least_a_billion(void **state)
{
    (void)state;
    if (!is_known()) skip();
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8 };
    for (size_t i = 0; i < COUNT(dtypes); i++) {
        const char *name = NULL;
        assert_true(b4c_machine_peak(dtypes[i], 1, &name) > 1e9);
        assert_true(*name);
    }
}

static void the_name_costs_nothing(void **state)
{
    (void)state;
    const char *first, *second;
    b4c_machine_peak(B4C_I8, 1, &first);
    assert_true(b4c_machine_peak(B4C_I8, 0, &second) == 0);
    assert_string_equal(first, second);
}

static void wrong_thread_counts_have_no_limit(void **state)
{
    (void)state;
    assert_true(b4c_machine_peak(B4C_F32, -1, NULL) == 0);
    assert_true(b4c_machine_peak(B4C_F32, 1 << 20, NULL) == 0);
}

static void the_scalar_kernels_have_none(void **state)
{
    (void)state;
    if (strcmp(b4c_isa_name(), "scalar") != 0) skip();
    assert_false(is_known());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_does_at_least_a_billion),
        cmocka_unit_test(the_name_costs_nothing),
        cmocka_unit_test(wrong_thread_counts_have_no_limit),
        cmocka_unit_test(the_scalar_kernels_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
