/* test_kept.c - files that an earlier version wrote open in this one; one that a later version
 * wrote is refused by name. REPORTS L24: a published script ended with an error at the next version
 * of the library that it called.
 *
 * tests/golden/kept/ holds a file of each format as the first version to have it wrote it, and is
 * never written again: a new format gets files of its own beside these.
 */
#include "golden/folder.h"
#include "golden/golden.h"
#include "kernels/kernels_common.h"
#include "support/test.h"

#include <math.h>

#define KEPT "tests/golden/kept/"

/* A copy of a kept file with one of its texts changed for another of that length. */
static void copy_changed(const char *to, const char *from, const char *text, const char *other)
{
    size_t n;
    char *bytes = read_file(from, &n), *at = NULL;
    for (size_t i = 0; i + strlen(text) <= n && !at; i++)
        if (!memcmp(bytes + i, text, strlen(text))) at = bytes + i;
    if (*text && !at) fail_msg("%s: no '%s'", from, text);
    if (*text) memcpy(at, other, strlen(other));
    temp_file(to, bytes, n);
    free(bytes);
}

static double lowest_cosine(const golden_pass *a, const golden_pass *b)
{
    double lowest = 1;
    for (int r = 0; r < a->rows; r++) {
        double dot = 0, x2 = 0, y2 = 0;
        for (int i = r * a->width; i < (r + 1) * a->width; i++) {
            const double x = (double)a->hidden[a->layers][i], y = (double)b->hidden[b->layers][i];
            dot += x * y;
            x2 += x * x;
            y2 += y * y;
        }
        lowest = fmin(lowest, dot / sqrt(x2 * y2));
    }
    return lowest;
}

/* Codes of int8 and int4, in the dtype that they were made for, against the model in f32.
 * Tolerances: rounding moves these models, whose weights are large on purpose, by half of that. */
static void codes_of_an_earlier_version_are_read(void **state)
{
    (void)state;
    static const struct { const char *name; b4c_dtype dtype; double cosine; } kinds[] = {
        { "int8", B4C_I8, 0.99 }, { "int4", B4C_I4, 0.9 },
    };
    golden g;
    golden_model exact;
    golden_pass want, got;
    const golden_way way = { .kernels = b4c_kernels_get(), .mask = B4C_MASK_FULL };
    golden_open(&g, "bert");
    golden_model_open(&exact, "tests/golden/models/bert", B4C_F32, false);
    golden_run(&want, &exact, &g, 0, g.n_seq, &way);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char folder[64], config[96], to[64];
        golden_model m;
        b4c_error err = { 0 };
        b4c_model_options o = B4C_MODEL_DEFAULT;
        snprintf(folder, sizeof folder, KEPT "%s", kinds[i].name);
        golden_model_open(&m, folder, kinds[i].dtype, false);
        golden_run(&got, &m, &g, 0, g.n_seq, &way);
        const double cosine = lowest_cosine(&want, &got);
        if (cosine < kinds[i].cosine) fail_msg("%s: cosine %g", folder, cosine);
        golden_pass_free(&got);
        golden_model_close(&m);

        o.dtype = kinds[i].dtype;
        o.weights_only = true;
        b4c_model *whole = b4c_model_open(folder, &o, &err);
        if (!whole) fail_msg("%s", err.message);
        b4c_model_free(whole);
        snprintf(config, sizeof config, "%s/config.json", folder);
        snprintf(to, sizeof to, "later/%s/config.json", kinds[i].name);
        copy_changed(to, config, "\"format\": 1", "\"format\": 2");
        snprintf(config, sizeof config, "%s/model.safetensors", folder);
        snprintf(to, sizeof to, "later/%s/model.safetensors", kinds[i].name);
        copy_changed(to, config, "", "");
        assert_null(b4c_model_open(temp_path("later/%s", kinds[i].name), &o, &err));
        assert_error(&err, B4C_E_UNSUPPORTED, "codes of format 2, wanted 1 at most");
    }
    golden_pass_free(&want);
    golden_model_close(&exact);
    golden_close(&g);
}

/* ---- whitening ------------------------------------------------------------------------------- */

enum { W = 5, N = 200 };

/* The vectors that the kept whitening was made of. */
static void vectors(float *x)
{
    for (int i = 0; i < N; i++)
        for (int k = 0; k < W; k++)
            x[i * W + k] = (float)((i * (7 + 4 * k) + k * k) % (31 + 6 * k)) / 8 + (float)k;
}

/* By its definition: what it makes of them has the mean 0 and the covariance 1. */
static void a_whitening_of_an_earlier_version_whitens(void **state)
{
    (void)state;
    static float x[N * W], y[N * W];
    b4c_error err = { 0 };
    vectors(x);
    b4c_whitening *w = b4c_whitening_open(KEPT "whitening.safetensors", &err);
    if (!w) fail_msg("%s", err.message);
    assert_int_equal(b4c_whitening_rank(w), W);
    assert_ok(b4c_whitening_apply(w, x, N, W, y, &err), &err);
    for (int a = 0; a < W; a++)
        for (int b = 0; b <= a; b++) {
            double sum = 0, product = 0;
            for (int i = 0; i < N; i++) {
                sum += (double)y[i * W + a];
                product += (double)y[i * W + a] * (double)y[i * W + b];
            }
            assert_true(fabs(sum / N) < 1e-5);
            assert_true(fabs(product / (N - 1) - (a == b)) < 1e-5);
        }
    b4c_whitening_free(w);

    size_t n;
    char *bytes = read_file(KEPT "whitening.safetensors", &n);
    bytes[n - sizeof(int32_t)] = 2; /* the narrowest type stands last */
    assert_null(b4c_whitening_open(temp_file("later.safetensors", bytes, n), &err));
    assert_error(&err, B4C_E_UNSUPPORTED, "a whitening of format 2, wanted 1 at most");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_an_earlier_version_are_read),
        cmocka_unit_test(a_whitening_of_an_earlier_version_whitens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
