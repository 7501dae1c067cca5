/* test_isa.c - a wish for kernels that this machine lacks. A program of its own, because a process
 * chooses once. */
#include "bert4c.h"
#include "math/kernels.h"
#include "support/test.h"

static void kernels_that_are_not_here_are_an_error_that_lists_the_others(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    assert_null(b4c_model_open("tests/golden/models/bert", NULL, &err));
    assert_error(&err, B4C_E_ARG, "BERT4C_ISA is 'sparc'");
    assert_error(&err, B4C_E_ARG, "scalar");
    assert_fails(b4c_kernels_check(&err), &err, B4C_E_ARG, b4c_isa_name());
    assert_int_equal(b4c_kernels_check(NULL), B4C_E_ARG);
}

int main(void)
{
    setenv("BERT4C_ISA", "sparc", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_that_are_not_here_are_an_error_that_lists_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
