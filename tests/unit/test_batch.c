/* test_batch.c - packed examples: what is appended is what stands there, and what may not be. */
#include "support/test.h"
#include "train/task.h"

/* An example with two sequences of n and n + 1 rows, one decoder row and a teacher's row each. */
static void add(b4c_batch *b, int n, float label)
{
    b4c_batch_example(b, label);
    for (int s = 0; s < 2; s++) {
        b4c_batch_sequence(b);
        for (int i = 0; i < n + s; i++) b4c_batch_row(b, 10 * n + i, s, i == 0 ? -1 : i);
        b4c_batch_out(b, n, s);
        b4c_batch_teacher(b, 7);
    }
}

static void same(const b4c_batch *a, const b4c_batch *b)
{
    assert_int_equal(a->n_rows, b->n_rows);
    assert_int_equal(a->n_seq, b->n_seq);
    assert_int_equal(a->n_out, b->n_out);
    assert_int_equal(a->n_teacher, b->n_teacher);
    assert_int_equal(a->n_examples, b->n_examples);
    const size_t rows = (size_t)a->n_rows * sizeof *a->ids,
                 offs = (size_t)(a->n_seq + 1) * sizeof *a->seq_off;
    assert_memory_equal(a->ids, b->ids, rows);
    assert_memory_equal(a->segments, b->segments, rows);
    assert_memory_equal(a->targets, b->targets, rows);
    assert_memory_equal(a->out_ids, b->out_ids, (size_t)a->n_out * sizeof *a->out_ids);
    assert_memory_equal(a->out_targets, b->out_targets, (size_t)a->n_out * sizeof *a->out_ids);
    assert_memory_equal(a->seq_off, b->seq_off, offs);
    assert_memory_equal(a->out_off, b->out_off, offs);
    assert_memory_equal(a->teacher_off, b->teacher_off, offs);
    assert_memory_equal(a->example_off, b->example_off,
                        (size_t)(a->n_examples + 1) * sizeof *a->example_off);
    assert_memory_equal(a->label, b->label, (size_t)a->n_examples * sizeof *a->label);
}

static void a_batch_of_many_is_its_examples_appended_one_by_one(void **state)
{
    (void)state;
    b4c_batch all, one, sum;
    b4c_batch_init(&all);
    b4c_batch_init(&one);
    b4c_batch_init(&sum);
    b4c_batch_clear(&all);
    b4c_batch_clear(&sum);
    for (int i = 0; i < 100; i++) {
        add(&all, 1 + i % 7, (float)i);
        b4c_batch_clear(&one);
        add(&one, 1 + i % 7, (float)i);
        b4c_batch_append(&sum, &one);
    }
    same(&all, &sum);
    assert_int_equal(all.seq_off[all.n_seq], all.n_rows);
    assert_ok(b4c_batch_check(&all, 200, 8, NULL), &(b4c_error){ 0 });
    b4c_batch_done(&all);
    b4c_batch_done(&one);
    b4c_batch_done(&sum);
}

static void cutting_a_batch_forgets_its_last_examples_alone(void **state)
{
    (void)state;
    b4c_batch long_one, wanted;
    b4c_batch_init(&long_one);
    b4c_batch_init(&wanted);
    b4c_batch_clear(&long_one);
    b4c_batch_clear(&wanted);
    for (int i = 0; i < 9; i++) add(&long_one, 1 + i, (float)i);
    for (int i = 0; i < 4; i++) add(&wanted, 1 + i, (float)i);
    b4c_batch_cut(&long_one, 4);
    same(&long_one, &wanted);
    add(&long_one, 3, 1);
    add(&wanted, 3, 1);
    same(&long_one, &wanted);
    b4c_batch_done(&long_one);
    b4c_batch_done(&wanted);
}

static void what_a_model_cannot_take_is_an_error(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_batch b;
    b4c_batch_init(&b);
    b4c_batch_clear(&b);
    assert_fails(b4c_batch_check(&b, 10, 0, &err), &err, B4C_E_ARG, "no examples");
    b4c_batch_example(&b, 0);
    assert_fails(b4c_batch_check(&b, 10, 0, &err), &err, B4C_E_ARG, "no sequence");
    b4c_batch_sequence(&b);
    assert_fails(b4c_batch_check(&b, 10, 0, &err), &err, B4C_E_ARG, "no tokens");
    b4c_batch_row(&b, 9, 0, -1);
    assert_ok(b4c_batch_check(&b, 10, 0, &err), &err);
    b4c_batch_row(&b, 9, 0, 10);
    assert_fails(b4c_batch_check(&b, 10, 0, &err), &err, B4C_E_ARG, "the target of row 1 is 10");
    assert_fails(b4c_batch_check(&b, 11, 1, &err), &err, B4C_E_ARG, "lower max_length");
    b4c_batch_row(&b, -1, 0, -1);
    assert_fails(b4c_batch_check(&b, 11, 0, &err), &err, B4C_E_ARG, "the token of row 2 is -1");
    b4c_batch_done(&b);
}

static void every_task_is_found_by_its_name_and_no_other(void **state)
{
    (void)state;
    for (int i = 0; i < B4C_TASKS; i++)
        assert_int_equal(b4c_task_find(b4c_task_name((b4c_task_kind)i)), i);
    assert_int_equal(b4c_task_find("nonsense"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_of_many_is_its_examples_appended_one_by_one),
        cmocka_unit_test(cutting_a_batch_forgets_its_last_examples_alone),
        cmocka_unit_test(what_a_model_cannot_take_is_an_error),
        cmocka_unit_test(every_task_is_found_by_its_name_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
