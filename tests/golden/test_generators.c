/* test_generators.c - decoders and encoder-decoders against the reference frameworks, on every
 * instruction set of this machine.
 *
 * References and inputs as in test_models.c. T5's scores are not scaled, so its hidden states run
 * into the hundreds and two float32 programs differ by up to 6e-4 of the largest value; BART's
 * logits by 2e-4. Elsewhere 2e-5 holds.
 */
#include "golden/golden.h"
#include "support/test.h"

#include <math.h>

#include "kernels/kernels_common.h"

typedef struct reading {
    const char *name, *prefix;
    double tolerance;
    bool cross_bias, scaled; /* switched on for this reading of T5 PEGASUS */
} reading;

static void compare(const golden *g, const char *prefix, const char *tensor, b4c_tensor x,
                    double tolerance, const char *what)
{
    char full[64];
    size_t n, at;
    snprintf(full, sizeof full, "%s%s", prefix, tensor);
    float *want = golden_tensor(g, full, &n);
    if (!want) fail_msg("%s: the golden file lacks %s", what, full);
    assert_int_equal(n, (size_t)x.rows * (size_t)x.cols);
    float *got = malloc(n * sizeof *got);
    for (int r = 0; r < x.rows; r++)
        for (int c = 0; c < x.cols; c++)
            got[(size_t)r * (size_t)x.cols + (size_t)c] =
                (float)x.x[(size_t)r * (size_t)x.ld + (size_t)c];
    const double d = distance_f32(got, want, n, &at);
    if (!(d <= tolerance))
        fail_msg("%s %s: off by %g at %zu: %g, wanted %g", what, full, d, at, (double)got[at],
                 (double)want[at]);
    free(got);
    free(want);
}

typedef struct watch {
    const golden *g;
    const char *prefix, *stack;
    double tolerance;
    const char *what;
} watch;

static void look(void *arg, const char *name, int layer, b4c_tensor x)
{
    const watch *w = arg;
    char tensor[64];
    if (strcmp(name, "hidden") != 0 || !w->stack) return;
    snprintf(tensor, sizeof tensor, "%shidden.%d", w->stack, layer);
    compare(w->g, w->prefix, tensor, x, w->tolerance, w->what);
}

static int *ints(const golden *g, const char *name, int *n)
{
    size_t count;
    float *x = golden_tensor(g, name, &count);
    if (!x) fail_msg("the golden file lacks %s", name);
    int *y = malloc(count * sizeof *y);
    for (size_t i = 0; i < count; i++) y[i] = (int)x[i];
    free(x);
    *n = (int)count;
    return y;
}

static void check(const reading *r, const b4c_kernels *kernels)
{
    char folder[256], what[128];
    golden g;
    golden_model m;
    b4c_tape t;
    snprintf(folder, sizeof folder, "tests/golden/models/%s", r->name);
    snprintf(what, sizeof what, "%s on %s", r->name, kernels->name);
    golden_open(&g, r->name);
    golden_model_open(&m, folder, B4C_F32, true);
    b4c_network *net = &m.net;
    if (r->cross_bias) net->spec.cross_bias = true;
    if (r->scaled) net->spec.output_scale = 1 / sqrt(net->spec.width);
    watch w = { &g, r->prefix, "", r->tolerance, what };
    assert_int_equal(b4c_tape_init(&t, kernels, NULL, B4C_F32, (size_t)1 << 30, false), 0);
    t.look = look;
    t.look_arg = &w;

    const bool two = net->spec.decoder_layers > 0;
    const b4c_dropping none = { 0 };
    if (two) w.stack = *r->prefix ? NULL : "encoder."; /* other readings share the encoder */
    const b4c_plan plan = b4c_plan_make(&t, two ? B4C_MASK_FULL : B4C_MASK_CAUSAL, g.lengths,
                                        g.n_seq, NULL);
    b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    b4c_tensor x = b4c_input(&t, net, &net->encoder, g.ids, NULL, &plan, none);
    x = b4c_stack_run(&t, net, &net->encoder, x, &call);
    int n_seq = 0, rows, *lengths = NULL;
    int32_t *ids = NULL;
    if (two) {
        w.stack = "decoder.";
        lengths = ints(&g, "target_lengths", &n_seq);
        ids = ints(&g, "target_ids", &rows);
        assert_int_equal(n_seq, g.n_seq);
        const b4c_plan target = b4c_plan_make(&t, B4C_MASK_CAUSAL, lengths, n_seq, NULL);
        const b4c_plan cross = b4c_plan_cross(&t, lengths, g.lengths, n_seq);
        b4c_stack_call second = { .plans = &target, .n_plans = 1, .memory = x, .cross = &cross };
        x = b4c_input(&t, net, &net->decoder, ids, NULL, &target, none);
        x = b4c_stack_run(&t, net, &net->decoder, x, &second);
    }
    compare(&g, r->prefix, "logits", b4c_logits(&t, net, x), r->tolerance, what);
    assert_false(t.failed);
    free(ids);
    free(lengths);
    b4c_tape_done(&t);
    golden_model_close(&m);
    golden_close(&g);
}

static void check_all(const reading *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) check(&r[i], k);
}

static void decoders_compute_what_the_references_do(void **state)
{
    (void)state;
    static const reading r[] = {
        { "gpt2", "", 2e-5, false, false },
        { "openai-gpt", "", 2e-5, false, false },
        { "llama", "", 2e-5, false, false },
        { "qwen2", "", 2e-5, false, false },
    };
    check_all(r, COUNT(r));
}

/* REPORTS L09: T5's embedding was left untied, and random. It is tied and scaled in t5, and neither
 * in mt5. */
static void encoder_decoders_compute_what_the_references_do(void **state)
{
    (void)state;
    static const reading r[] = {
        { "t5", "", 6e-4, false, false },
        { "mt5", "", 6e-4, false, false },
        { "bart", "", 2e-4, false, false },
        { "pegasus", "", 2e-5, false, false },
    };
    check_all(r, COUNT(r));
}

/* The three readings of one set of weights: see docs/models.md. REPORTS L08. */
static void t5_pegasus_is_each_of_its_readings(void **state)
{
    (void)state;
    static const reading r[] = {
        { "t5-pegasus", "", 6e-4, false, false },
        { "t5-pegasus", "cross.", 6e-4, true, false },
        { "t5-pegasus", "pegasus.", 6e-4, true, true },
        { "t5-pegasus-tf", "", 6e-4, false, false },
    };
    check_all(r, COUNT(r));
}

/* Weights under TensorFlow's and llama.cpp's names are what the hub's are. */
static void other_layouts_hold_the_same_weights(void **state)
{
    (void)state;
    static const struct {
        const char *other, *hub;
    } pairs[] = { { "tf1-gpt2", "gpt2" },
                  { "tf1-openai-gpt", "openai-gpt" },
                  { "tf1-t5", "t5" },
                  { "tf1-mt5", "mt5" },
                  { "gguf-gpt2", "gpt2" },
                  { "gguf-llama", "llama" },
                  { "gguf-llama-split", "llama" } };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char folder[256];
        golden_model a, b;
        snprintf(folder, sizeof folder, "tests/golden/formats/%s", pairs[i].other);
        golden_model_open(&a, folder, B4C_F32, true);
        snprintf(folder, sizeof folder, "tests/golden/models/%s", pairs[i].hub);
        golden_model_open(&b, folder, B4C_F32, true);
        const b4c_network *x = &a.net, *y = &b.net;
        assert_int_equal(x->parameters, y->parameters);
        for (int l = 0; l < x->encoder.blocks; l++) {
            const b4c_block *p = &x->encoder.block[l], *q = &y->encoder.block[l];
            assert_memory_equal(p->self.qkv.packed.panels, q->self.qkv.packed.panels,
                                p->self.qkv.packed.bytes);
            assert_memory_equal(p->self.out.packed.panels, q->self.out.packed.panels,
                                p->self.out.packed.bytes);
            assert_memory_equal(p->up.packed.panels, q->up.packed.panels, p->up.packed.bytes);
            assert_memory_equal(p->down.packed.panels, q->down.packed.panels, p->down.packed.bytes);
        }
        for (int l = 0; l < x->decoder.blocks; l++)
            assert_memory_equal(x->decoder.block[l].cross.kv.packed.panels,
                                y->decoder.block[l].cross.kv.packed.panels,
                                x->decoder.block[l].cross.kv.packed.bytes);
        if (x->encoder.block[0].gate.packed.bytes)
            assert_memory_equal(x->encoder.block[0].gate.packed.panels,
                                y->encoder.block[0].gate.packed.panels,
                                x->encoder.block[0].gate.packed.bytes);
        if (x->encoder.buckets.x)
            assert_memory_equal(x->encoder.buckets.x, y->encoder.buckets.x,
                                (size_t)(x->spec.buckets * x->spec.heads) * sizeof(b4c_real));
        assert_memory_equal(x->head_out.packed.panels, y->head_out.packed.panels,
                            x->head_out.packed.bytes);
        golden_model_close(&a);
        golden_model_close(&b);
    }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_compute_what_the_references_do),
        cmocka_unit_test(encoder_decoders_compute_what_the_references_do),
        cmocka_unit_test(t5_pegasus_is_each_of_its_readings),
        cmocka_unit_test(other_layouts_hold_the_same_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
