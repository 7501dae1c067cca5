/* test_metrics.c - measures against values worked out by hand, and the laws they obey. */
#include "study/metrics.h"
#include "support/test.h"

#include <math.h>

#define NEAR(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

/* SPEC A.8.9 */
static const double label5[] = { 1, 0, 1, 0, 0 }, score5[] = { .9, .1, .4, .5, .2 };

static void spearman_shares_ranks_among_ties(void **state)
{
    (void)state;
    double r;
    assert_int_equal(b4c_spearman(label5, score5, 5, &r, NULL), 0);
    NEAR(r, 0.57735027, 5e-9);
}

static void ranks_of_equal_values_are_their_mean(void **state)
{
    (void)state;
    const double x[] = { 7, 3, 7, -1, 7 }, want[] = { 4, 2, 4, 1, 4 };
    double rank[5];
    assert_int_equal(b4c_ranks(x, 5, rank, NULL), 0);
    for (int i = 0; i < 5; i++) NEAR(rank[i], want[i], 0);
}

static void pearson_by_hand(void **state)
{
    (void)state;
    /* deviations .6 -.4 .6 -.4 -.4 and .48 -.32 -.02 .08 -.22: .46 / sqrt(1.2 * .388) */
    NEAR(b4c_pearson(label5, score5, 5), 0.46 / sqrt(1.2 * 0.388), 1e-15);
}

static void pearson_does_not_mind_a_distant_origin(void **state)
{
    (void)state;
    double far[5];
    for (int i = 0; i < 5; i++) far[i] = 1e6 + score5[i];
    NEAR(b4c_pearson(label5, far, 5), b4c_pearson(label5, score5, 5), 1e-9);
}

static void auc_counts_pairs_in_the_right_order(void **state)
{
    (void)state;
    double auc;
    assert_int_equal(b4c_auc(score5, label5, 5, &auc, NULL),
                     0); /* .9 beats three, .4 beats two, of six */
    NEAR(auc, 5.0 / 6, 1e-15);
    const double tied[] = { .5, .5, .5, .5 }, label[] = { 1, 0, 0, 1 };
    assert_int_equal(b4c_auc(tied, label, 4, &auc, NULL), 0);
    NEAR(auc, 0.5, 0);
}

static void best_f1_and_its_threshold_by_hand(void **state)
{
    (void)state;
    double f1, threshold;
    /* cuts above .9 | .5 | .4 | .2 | .1: 2/3, 1/2, 4/5, 4/6, 4/7 */
    assert_int_equal(b4c_best_f1(score5, label5, 5, &f1, &threshold, NULL), 0);
    NEAR(f1, 0.8, 1e-15);
    NEAR(threshold, 0.3, 1e-15);
}

static void a_threshold_reproduces_its_f1(void **state)
{
    (void)state;
    double score[97], label[97], f1, threshold;
    uint32_t seed = 7;
    for (int i = 0; i < 97; i++) {
        seed = seed * 1664525u + 1013904223u;
        label[i] = seed >> 31;
        seed = seed * 1664525u + 1013904223u;
        score[i] = (double)(seed >> 28) + 2 * label[i]; /* many ties */
    }
    assert_int_equal(b4c_best_f1(score, label, 97, &f1, &threshold, NULL), 0);
    int hit = 0, called = 0, positive = 0;
    for (int i = 0; i < 97; i++) {
        positive += label[i] == 1;
        called += score[i] >= threshold;
        hit += label[i] == 1 && score[i] >= threshold;
    }
    NEAR(f1, 2.0 * hit / (called + positive), 1e-15);
}

static void order_of_the_input_does_not_matter(void **state)
{
    (void)state;
    const double label[] = { 1, 0, 1, 0, 1, 0 }, score[] = { 2, 2, 1, 1, 2, 3 };
    const double label2[] = { 0, 0, 0, 1, 1, 1 }, score2[] = { 3, 2, 1, 1, 2, 2 };
    double a, b, f, g, t, u;
    assert_int_equal(b4c_auc(score, label, 6, &a, NULL), 0);
    assert_int_equal(b4c_auc(score2, label2, 6, &b, NULL), 0);
    assert_int_equal(b4c_best_f1(score, label, 6, &f, &t, NULL), 0);
    assert_int_equal(b4c_best_f1(score2, label2, 6, &g, &u, NULL), 0);
    assert_true(a == b && f == g && t == u);
}

static void what_is_not_defined_is_nan(void **state)
{
    (void)state;
    const double same[] = { 3, 3, 3 }, rising[] = { 1, 2, 3 }, ones[] = { 1, 1, 1 };
    double x, y;
    assert_true(isnan(b4c_pearson(same, rising, 3)));
    assert_true(isnan(b4c_pearson(rising, rising, 1)));
    assert_true(isnan(b4c_pearson(rising, rising, 0)));
    assert_int_equal(b4c_spearman(same, rising, 3, &x, NULL), 0);
    assert_true(isnan(x));
    assert_int_equal(b4c_auc(rising, ones, 3, &x, NULL), 0);
    assert_true(isnan(x));
    assert_int_equal(b4c_best_f1(rising, same, 0, &x, &y, NULL), 0);
    assert_true(isnan(x) && isnan(y));
}

static void wrong_labels_and_nan_are_named(void **state)
{
    (void)state;
    const double label[] = { 0, 2, 1 }, score[] = { 1, 2, 3 }, bad[] = { 1, NAN, 2 },
                 good[] = { 0, 1, 1 };
    b4c_error err = { 0 };
    double x, y;
    assert_int_equal(b4c_auc(score, label, 3, &x, &err), B4C_E_ARG);
    assert_non_null(strstr(err.message, "label 2: found 2, wanted 0 or 1"));
    assert_int_equal(b4c_best_f1(score, label, 3, &x, &y, &err), B4C_E_ARG);
    assert_int_equal(b4c_auc(bad, good, 3, &x, &err), B4C_E_NUMBER);
    assert_int_equal(b4c_spearman(score, bad, 3, &x, &err), B4C_E_NUMBER);
    assert_non_null(strstr(err.message, "value 2"));
    assert_int_equal(b4c_spearman(bad, score, 3, &x, NULL), B4C_E_NUMBER);
}

/* Rows are what texts are: of 4 cats 3 are found, of 3 dogs 1, birds are nowhere. By hand: cat 3 of
 * 5 said, 3 of 4 meant; dog 1 of 2 and of 3. */
static void classes_are_measured_by_hand(void **state)
{
    (void)state;
    const int64_t counts[] = { 3, 1, 0, 2, 1, 0, 0, 0, 0 };
    b4c_class_measure each[3];
    double accuracy, macro;
    b4c_classes_measure(counts, 3, &accuracy, &macro, each);
    assert_true(fabs(accuracy - 4. / 7) < 1e-15);
    assert_int_equal(each[0].meant, 4);
    assert_int_equal(each[0].said, 5);
    assert_true(fabs(each[0].precision - 3. / 5) < 1e-15);
    assert_true(fabs(each[0].recall - 3. / 4) < 1e-15);
    assert_true(fabs(each[0].f1 - 2. / 3) < 1e-15);
    assert_true(fabs(each[1].f1 - 2. / 5) < 1e-15);
    assert_true(each[2].precision == 0 && each[2].recall == 0 && each[2].f1 == 0);
    assert_true(fabs(macro - (2. / 3 + 2. / 5) / 2) < 1e-15); /* birds do not count */
}

/* A class that is only said, or only meant, counts with F1 0. */
static void a_class_that_is_never_right_counts_as_nothing(void **state)
{
    (void)state;
    const int64_t counts[] = { 2, 1, 0, 0 };
    double accuracy, macro;
    b4c_classes_measure(counts, 2, &accuracy, &macro, NULL);
    assert_true(fabs(accuracy - 2. / 3) < 1e-15 && fabs(macro - 0.4) < 1e-15);
    const int64_t none[4] = { 0 };
    b4c_classes_measure(none, 2, &accuracy, &macro, NULL);
    assert_true(isnan(accuracy) && isnan(macro));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spearman_shares_ranks_among_ties),
        cmocka_unit_test(ranks_of_equal_values_are_their_mean),
        cmocka_unit_test(pearson_by_hand),
        cmocka_unit_test(pearson_does_not_mind_a_distant_origin),
        cmocka_unit_test(auc_counts_pairs_in_the_right_order),
        cmocka_unit_test(best_f1_and_its_threshold_by_hand),
        cmocka_unit_test(a_threshold_reproduces_its_f1),
        cmocka_unit_test(order_of_the_input_does_not_matter),
        cmocka_unit_test(what_is_not_defined_is_nan),
        cmocka_unit_test(wrong_labels_and_nan_are_named),
        cmocka_unit_test(classes_are_measured_by_hand),
        cmocka_unit_test(a_class_that_is_never_right_counts_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
