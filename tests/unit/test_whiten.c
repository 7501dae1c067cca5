/* test_whiten.c - eigenvectors by their definition, and whitened vectors by theirs. */
#include "base/rng.h"
#include "embed/eigen.h"
#include "support/test.h"

#include <math.h>

static double *random_symmetric(int n, uint64_t seed)
{
    b4c_rng rng;
    b4c_rng_init(&rng, seed, 0, 0);
    double *a = malloc((size_t)(n * n) * sizeof *a);
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = (double)b4c_rng_normal(&rng);
    return a;
}

static void check_eigen(const double *a, int n)
{
    b4c_error err = { 0 };
    double *q = malloc((size_t)(n * n) * sizeof *q), *value = malloc((size_t)n * sizeof *value);
    double scale = 1e-300;
    memcpy(q, a, (size_t)(n * n) * sizeof *q);
    for (int i = 0; i < n * n; i++) scale = fmax(scale, fabs(a[i]));
    assert_ok(b4c_eigen_symmetric(q, n, value, &err), &err);
    for (int r = 0; r < n; r++) {
        if (r) assert_true(value[r] <= value[r - 1]);
        for (int i = 0; i < n; i++) { /* a q = value q, and q's rows are orthogonal */
            double sum = 0, both = 0;
            for (int j = 0; j < n; j++) sum += a[i * n + j] * q[r * n + j];
            for (int j = 0; j < n; j++) both += q[r * n + j] * q[i * n + j];
            if (fabs(sum - value[r] * q[r * n + i]) > 1e-12 * scale * n)
                fail_msg("size %d: vector %d is none: off by %g", n, r,
                         sum - value[r] * q[r * n + i]);
            assert_true(fabs(both - (i == r)) < 1e-12);
        }
    }
    free(q);
    free(value);
}

static void eigenvectors_are_what_they_are_called(void **state)
{
    (void)state;
    static const int sizes[] = { 1, 2, 3, 7, 40, 129 };
    for (size_t k = 0; k < COUNT(sizes); k++) {
        double *a = random_symmetric(sizes[k], k);
        check_eigen(a, sizes[k]);
        free(a);
    }
    /* by hand, and where values are equal, zero or far apart */
    static const double two[4] = { 2, 1, 1, 2 }, zero[9] = { 0 },
                        one[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 },
                        far[9] = { 1e12, 1, 0, 1, 1, 1e-6, 0, 1e-6, 1e-12 };
    check_eigen(two, 2);
    check_eigen(zero, 3);
    check_eigen(one, 3);
    check_eigen(far, 3);
    double a[4] = { 2, 1, 1, 2 }, value[2];
    assert_int_equal(b4c_eigen_symmetric(a, 2, value, NULL), 0);
    assert_true(fabs(value[0] - 3) < 1e-14 && fabs(value[1] - 1) < 1e-14);
    double bad[4] = { NAN, 0, 0, 1 };
    assert_int_equal(b4c_eigen_symmetric(bad, 2, value, NULL), B4C_E_NUMBER);
}

enum { N = 400, W = 24 };

/* Vectors with a mean far from zero, and components that lean on one another. */
static float *vectors(int directions)
{
    b4c_rng rng;
    b4c_rng_init(&rng, 9, 0, 0);
    float mix[W][W], *x = malloc((size_t)(N * W) * sizeof *x);
    for (int i = 0; i < W * W; i++) mix[i / W][i % W] = b4c_rng_normal(&rng);
    for (int r = 0; r < N; r++) {
        float z[W];
        for (int i = 0; i < W; i++) z[i] = i < directions ? b4c_rng_normal(&rng) : 0;
        for (int i = 0; i < W; i++) {
            x[r * W + i] = 100;
            for (int j = 0; j < W; j++) x[r * W + i] += mix[j][i] * z[j];
        }
    }
    return x;
}

static b4c_whitening *fit(const float *x, size_t step)
{
    b4c_error err = { 0 };
    b4c_whitening *w = b4c_whitening_new(W, &err);
    if (!w) fail_msg("%s", err.message);
    for (size_t at = 0; at < N; at += step)
        assert_ok(b4c_whitening_add(w, x + at * W, at + step < N ? step : N - at, &err), &err);
    assert_ok(b4c_whitening_solve(w, &err), &err);
    return w;
}

static void whitened_vectors_have_covariance_one(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    float *x = vectors(W), *y = malloc((size_t)(N * W) * sizeof *y), *z = malloc(N * 5 * sizeof *z);
    b4c_whitening *w = fit(x, 400);
    assert_int_equal(b4c_whitening_width(w), W);
    assert_int_equal(b4c_whitening_rank(w), W);
    assert_ok(b4c_whitening_apply(w, x, N, W, y, &err), &err);
    for (int i = 0; i < W; i++)
        for (int j = 0; j < W; j++) {
            double mean = 0, both = 0;
            for (int r = 0; r < N; r++) {
                mean += (double)y[r * W + i] / N;
                both += (double)y[r * W + i] * (double)y[r * W + j] / (N - 1);
            }
            /* results are floats: 1e-7 of each */
            assert_true(fabs(mean) < 1e-6);
            if (fabs(both - (i == j)) > 1e-6) fail_msg("covariance %d, %d: %g", i, j, both);
        }
    /* fewer components are the first ones; vectors may come in any number of calls */
    b4c_whitening *parts = fit(x, 7);
    assert_ok(b4c_whitening_apply(parts, x, N, 5, z, &err), &err);
    for (int r = 0; r < N; r++)
        for (int i = 0; i < 5; i++) assert_true(fabsf(z[r * 5 + i] - y[r * W + i]) < 1e-5f);
    b4c_whitening_free(w);
    b4c_whitening_free(parts);
    free(x);
    free(y);
    free(z);
}

static void a_file_gives_the_same_bits(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    float *x = vectors(W), a[W], b[W];
    b4c_whitening *w = fit(x, 50);
    const char *path = temp_path("white.safetensors");
    temp_folder();
    assert_ok(b4c_whitening_save(w, path, &err), &err);
    b4c_whitening *read = b4c_whitening_open(path, &err);
    if (!read) fail_msg("%s", err.message);
    assert_ok(b4c_whitening_apply(w, x, 1, W, a, &err), &err);
    assert_ok(b4c_whitening_apply(read, x, 1, W, b, &err), &err);
    assert_memory_equal(a, b, sizeof a);
    b4c_whitening_free(w);
    b4c_whitening_free(read);
    free(x);
    assert_null(b4c_whitening_open("tests/golden/models/bert/model.safetensors", &err));
    assert_error(&err, B4C_E_FORMAT, "is this a whitening?");
}

static void directions_without_variance_are_left_out(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    float *x = vectors(6), y[W];
    b4c_whitening *w = fit(x, 400);
    assert_int_equal(b4c_whitening_rank(w), 6);
    assert_fails(b4c_whitening_apply(w, x, 1, 7, y, &err), &err, B4C_E_ARG, "in 6 directions");
    b4c_whitening_free(w);
    free(x);
}

static void what_cannot_be_whitened_is_refused(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    float x[2 * W] = { 0 };
    assert_null(b4c_whitening_new(0, &err));
    b4c_whitening *w = b4c_whitening_new(W, &err);
    assert_fails(b4c_whitening_solve(w, &err), &err, B4C_E_ARG, "2 at least");
    assert_fails(b4c_whitening_save(w, temp_path("none"), &err), &err, B4C_E_ARG, "not solved");
    assert_ok(b4c_whitening_add(w, x, 2, &err), &err);
    assert_fails(b4c_whitening_solve(w, &err), &err, B4C_E_ARG, "are the same");
    x[3] = NAN;
    assert_fails(b4c_whitening_add(w, x, 1, &err), &err, B4C_E_NUMBER, "vector 3 is not finite");
    b4c_whitening_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvectors_are_what_they_are_called),
        cmocka_unit_test(whitened_vectors_have_covariance_one),
        cmocka_unit_test(a_file_gives_the_same_bits),
        cmocka_unit_test(directions_without_variance_are_left_out),
        cmocka_unit_test(what_cannot_be_whitened_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
