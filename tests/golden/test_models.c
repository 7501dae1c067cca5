/* test_models.c - encoders against the reference frameworks, on every instruction set of this
 * machine.
 *
 * References: transformers 5.12 and 5.24 on torch 2.14 and 2.15 (RoFormer-V2, NEZHA: with their
 * modules put in), run in float32. Tolerance: 2e-5 of a tensor's largest value, some ten times what
 * two float32 programs differ by on these models, and hundreds of times less than a wrong epsilon
 * or GELU would.
 */
#include "golden/golden.h"
#include "kernels/kernels_common.h"
#include "support/test.h"

#define F32_TOLERANCE 2e-5

static const struct { const char *name; bool head;
} models[] = {
    { "bert", true },        { "bert-noprefix", false },
    { "roformer", true },    { "roformer-factorised", true },
    { "albert", true },      { "nezha", true },
    { "roformer-v2", true }, { "bert-lm", true },
    { "nezha-gpt", true },
};

static const struct { const char *prefix; b4c_mask mask; } masks[] = {
    { "", B4C_MASK_FULL }, { "unilm.", B4C_MASK_PREFIX }, { "causal.", B4C_MASK_CAUSAL },
};

/* Compare with tensor PREFIX + NAME if the golden file has it. 1: compared, 0: it has none. */
static int compare(const golden *g, const char *prefix, const char *name, const float *got,
                   const char *what)
{
    char full[64];
    size_t n, at;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    float *want = golden_tensor(g, full, &n);
    if (!want) return 0;
    assert_non_null(got);
    const double d = distance_f32(got, want, n, &at);
    if (!(d <= F32_TOLERANCE))
        fail_msg("%s %s: off by %g at %zu: %g, wanted %g", what, full, d, at, got[at], want[at]);
    free(want);
    return 1;
}

static int compare_model(const char *name, bool head, const b4c_kernels *kernels)
{
    char folder[256], what[128], tensor[32];
    golden g;
    golden_model m;
    int compared = 0;
    snprintf(folder, sizeof folder, "tests/golden/models/%s", name);
    snprintf(what, sizeof what, "%s on %s", name, kernels->name);
    golden_open(&g, name);
    golden_model_open(&m, folder, B4C_F32, head);
    for (size_t i = 0; i < COUNT(masks); i++) {
        golden_pass p;
        if (masks[i].mask == B4C_MASK_PREFIX && !g.segments) continue;
        golden_run(&p, &m, &g, 0, g.n_seq,
                   &(golden_way){ .kernels = kernels, .mask = masks[i].mask });
        for (int l = 0; l <= p.layers; l++) {
            snprintf(tensor, sizeof tensor, "hidden.%d", l);
            compared += compare(&g, masks[i].prefix, tensor, p.hidden[l], what);
        }
        compared += compare(&g, masks[i].prefix, "logits", p.logits, what);
        if (masks[i].mask == B4C_MASK_FULL) {
            compared += compare(&g, "", "pooled_tanh", p.pooled_tanh, what);
            compared += compare(&g, "", "pooled_linear", p.pooled_linear, what);
        }
        golden_pass_free(&p);
    }
    golden_model_close(&m);
    golden_close(&g);
    return compared;
}

/* REPORTS L04 (factorised embeddings), N14 (the linear pooler has no tanh). */
static void hidden_states_logits_and_pooled_vectors_are_the_references(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++)
        for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k))
            assert_true(compare_model(models[i].name, models[i].head, k) >= models[i].head + 4);
}

/* ---- fewer bits ------------------------------------------------------------------------------ */

static int best(const float *x, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[at]) at = i;
    return at;
}

/* What rounding does to these models, whose weights are large on purpose: the lowest cosine of a
 * row of the last layer to float32's, and the share of rows whose best token is another. */
static void compare_dtype(const char *name, const b4c_kernels *kernels, b4c_dtype dtype,
                          double lowest, double others)
{
    char folder[256];
    golden g;
    golden_model exact, m;
    golden_pass want, got;
    snprintf(folder, sizeof folder, "tests/golden/models/%s", name);
    golden_open(&g, name);
    golden_model_open(&exact, folder, B4C_F32, true);
    golden_model_open(&m, folder, dtype, true);
    const golden_way way = { .kernels = kernels, .mask = B4C_MASK_FULL };
    golden_run(&want, &exact, &g, 0, g.n_seq, &way);
    golden_run(&got, &m, &g, 0, g.n_seq, &way);
    double worst = 1;
    int differ = 0;
    for (int r = 0; r < want.rows; r++) {
        const size_t h = (size_t)r * (size_t)want.width, v = (size_t)r * (size_t)want.vocabulary;
        const double c = cosine_f32(want.hidden[want.layers] + h, got.hidden[got.layers] + h,
                                    (size_t)want.width);
        if (c < worst) worst = c;
        differ += best(want.logits + v, want.vocabulary) != best(got.logits + v, want.vocabulary);
    }
    printf("%s %s %s: lowest cosine %.5f, another best token in %d of %d rows\n", name,
           kernels->name, b4c_dtype_name(dtype), worst, differ, want.rows);
    if (worst < lowest)
        fail_msg("%s %s %s: cosine %g, wanted %g", name, kernels->name, b4c_dtype_name(dtype),
                 worst, lowest);
    assert_true(differ <= others * want.rows);
    golden_pass_free(&want);
    golden_pass_free(&got);
    golden_model_close(&exact);
    golden_model_close(&m);
    golden_close(&g);
}

static void bf16_stays_close(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++)
        for (const b4c_kernels *k = next_table(NULL); models[i].head && k; k = next_table(k))
            compare_dtype(models[i].name, k, B4C_BF16, 0.999, 0.1);
}

static void int8_stays_close(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++)
        for (const b4c_kernels *k = next_table(NULL); models[i].head && k; k = next_table(k))
            compare_dtype(models[i].name, k, B4C_I8, 0.998, 0.15);
}

/* A weight moves by 0.29 of a fifteenth of its group's range: eight percent of its size. Logits of
 * random weights lie so near one another that another of them is often the best. */
static void int4_stays_near(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++)
        for (const b4c_kernels *k = next_table(NULL); models[i].head && k; k = next_table(k))
            compare_dtype(models[i].name, k, B4C_I4, 0.87, 0.75);
}

/* ---- layouts --------------------------------------------------------------------------------- */

/* The same weights in other layouts and types; `lowest` 1: the references' hidden states within the
 * tolerance, else the lowest cosine that rounding to 8 or 16 bits may leave. */
static const struct { const char *folder, *model; bool head; double lowest; } layouts[] = {
    { "bin-zip", "bert", true, 1 },           { "bin-legacy", "bert", true, 1 },
    { "bin-gamma-beta", "bert", true, 1 },    { "bin-strided", "bert", true, 1 },
    { "bin-half", "bert", true, 0.9999 },     { "bf16", "bert", true, 0.9995 },
    { "f16", "bert", true, 0.9999 },          { "sharded", "bert", true, 1 },
    { "padded-and-extra", "bert", true, 1 },  { "onnx-bert", "bert", false, 1 },
    { "onnx-bert-dynamo", "bert", false, 1 }, { "onnx-bert-external", "bert", false, 1 },
    { "onnx-bert-fused", "bert", false, 1 },  { "onnx-bert-f16", "bert", false, 0.9999 },
    { "onnx-bert-mlm", "bert", true, 1 },     { "onnx-bert-int8", "bert", false, 0.99 },
    { "tf1-bert", "bert", true, 1 },          { "tf1-bert-adam", "bert", true, 1 },
    { "tf1-bert-sharded", "bert", true, 1 },  { "tf1-bert-sliced", "bert", true, 1 },
    { "tf1-albert", "albert", true, 1 },      { "tf1-roformer", "roformer", true, 1 },
    { "tf1-roformer-factorised", "roformer-factorised", true, 1 },
    { "keras-bert", "bert", true, 1 },        { "keras-bert-adam", "bert", true, 1 },
    { "keras-h5-bert", "bert", true, 1 },     { "keras-h5-bert-vlen", "bert", true, 1 },
    { "gguf-bert", "bert", false, 1 },        { "gguf-bert-f16", "bert", false, 0.9999 },
};

static void compare_layout(const char *name, const char *source, bool head, double lowest)
{
    char folder[256];
    golden g;
    golden_model m;
    golden_pass p;
    size_t n;
    snprintf(folder, sizeof folder, "tests/golden/formats/%s", name);
    golden_open(&g, source);
    golden_model_open(&m, folder, B4C_F32, head);
    golden_run(&p, &m, &g, 0, g.n_seq, &(golden_way){ .kernels = b4c_kernels_get() });
    snprintf(folder, sizeof folder, "hidden.%d", p.layers);
    float *want = golden_tensor(&g, folder, &n);
    for (int r = 0; r < p.rows && lowest < 1; r++) {
        const size_t at = (size_t)r * (size_t)p.width;
        const double c = cosine_f32(p.hidden[p.layers] + at, want + at, (size_t)p.width);
        if (!(c >= lowest)) fail_msg("%s: cosine of row %d is %g", name, r, c);
    }
    free(want);
    if (lowest == 1) {
        assert_int_equal(compare(&g, "", folder, p.hidden[p.layers], name), 1);
        if (head) assert_int_equal(compare(&g, "", "logits", p.logits, name), 1);
    }
    golden_pass_free(&p);
    golden_model_close(&m);
    golden_close(&g);
}

static void every_layout_computes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(layouts); i++)
        compare_layout(layouts[i].folder, layouts[i].model, layouts[i].head, layouts[i].lowest);
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hidden_states_logits_and_pooled_vectors_are_the_references),
        cmocka_unit_test(every_layout_computes_the_same),
        cmocka_unit_test(bf16_stays_close),
        cmocka_unit_test(int8_stays_close),
        cmocka_unit_test(int4_stays_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
