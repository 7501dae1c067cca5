/* test_specs.c - gradients of whole architectures against finite differences, in double.
 *
 * Each spec is tiny, its weights random; the loss reads every part of it. A parameter's gradient at
 * a few places must be the difference quotient there, by the formula of five points, whose own
 * error is of the order of STEP^4 (two points would not do: T5's scores are not scaled, and its
 * losses bend sharply).
 */
#include "model/config.h"
#include "model/forward.h"
#include "model/names.h"
#include "support/test.h"
#include <math.h>

#define STEP 1e-4
#define TOLERANCE 1e-7

enum { SEQUENCES = 3, PLACES = 6 };

static const int lengths[SEQUENCES] = { 4, 1, 5 }, target_lengths[SEQUENCES] = { 3, 2, 4 };
static const int32_t ids[10] = { 1, 5, 3, 12, 7, 2, 2, 9, 0, 6 },
                     segments[10] = { 0, 0, 1, 1, 0, 0, 0, 0, 1, 1 };
static const int32_t targets[10] = { 2, -1, 5, 7, 1, 0, -1, 12, 3, 9 };
static const int32_t decoder_ids[9] = { 4, 8, 1, 0, 11, 3, 3, 10, 2 };
static const int32_t decoder_targets[9] = { 8, 1, -1, 11, 6, 3, 10, 2, 5 };
static const int32_t positive[SEQUENCES] = { 1, 2, 0 };

typedef struct run_options {
    b4c_mask mask;
    bool mixed;              /* half the heads see forwards, half backwards, in every other layer */
    bool pooled;             /* the pooler and a contrastive loss */
    bool only;               /* the last layer for some rows alone */
    bool cross_bias;         /* T5 PEGASUS: the decoder's distances count in cross-attention */
    double dropout;
    bool recompute;          /* layers are run again in the backward */
} run_options;

/* The loss [1, 1]; with `back` also its gradients. */
static double run(const b4c_network *net, b4c_tape *t, const run_options *o, bool back)
{
    static const uint8_t sets[8] = { 0, 1, 0, 1, 0, 1, 0, 1 };
    static const int rows[5] = { 0, 3, 4, 7, 9 };
    const b4c_spec *s = &net->spec;
    const b4c_dropping drop = { o->dropout, 7, 3 };
    b4c_tape_reset(t);
    b4c_plan plans[2];
    plans[0] = b4c_plan_make(t, o->mask, lengths, SEQUENCES, segments);
    if (o->mixed)
        plans[1] = b4c_plan_mix(t, B4C_MASK_CAUSAL, B4C_MASK_ANTI, sets, lengths, SEQUENCES);
    b4c_stack_call call = { .plans = plans, .n_plans = 1 + o->mixed, .drop = drop,
                            .recompute = o->recompute };
    int32_t chosen[5];
    const int32_t *wanted = targets;
    if (o->only) {
        call.only = rows;
        call.n_only = 5;
        for (int i = 0; i < 5; i++) chosen[i] = targets[rows[i]];
        wanted = chosen;
    }
    b4c_tensor x = b4c_input(t, net, &net->encoder, ids, segments, &plans[0], drop);
    x = b4c_stack_run(t, net, &net->encoder, x, &call);
    b4c_tensor y = x;
    if (s->decoder_layers) {
        const b4c_plan self = b4c_plan_make(t, B4C_MASK_CAUSAL, target_lengths, SEQUENCES, NULL);
        const b4c_plan cross = b4c_plan_cross(t, target_lengths, lengths, SEQUENCES);
        const b4c_stack_call decode = {
            .plans = &self, .n_plans = 1, .memory = x, .cross = &cross, .drop = drop,
            .recompute = o->recompute
        };
        y = b4c_input(t, net, &net->decoder, decoder_ids, NULL, &self, drop);
        y = b4c_stack_run(t, net, &net->decoder, y, &decode);
        wanted = decoder_targets;
    }
    b4c_tensor loss = b4c_cross_entropy(t, b4c_logits(t, net, y), wanted, (b4c_real)0.1);
    if (o->pooled) {
        const b4c_tensor first = b4c_pooler(t, net, b4c_gather(t, x, plans[0].q_off, SEQUENCES),
                                            true);
        loss = b4c_sum(t, loss, b4c_contrastive(t, b4c_unit(t, first), positive, 5));
    }
    assert_false(t->failed);
    const double value = (double)loss.x[0];
    if (back) b4c_backward(t, loss);
    assert_false(t->failed);
    return value;
}

static b4c_real *value_of(const b4c_parameter *p, int r, int c)
{
    if (p->table) return p->table->real.x + r * p->cols + c;
    if (p->array) return p->array->x + p->at + r * p->cols + c;
    return p->weight->master + (p->at + r) * p->weight->packed.k + c;
}

static double gradient_of(const b4c_parameter *p, int r, int c)
{
    const b4c_slot *slot = p->table ? p->table->real.slot
                         : p->array ? p->array->slot
                                    : p->weight->slot;
    assert_non_null(slot);
    if (!slot->g) return 0;
    const int at = p->array ? 0 : p->at;
    return (double)slot->g[(at + r) * slot->ld + (p->array ? p->at : 0) + c];
}

static double loss_at(const b4c_network *net, b4c_tape *t, const run_options *o,
                      b4c_real *x, b4c_real to)
{
    *x = to;
    return run(net, t, o, false);
}

/* All gradients, one parameter after the other; malloc'ed. */
static double *gradients(const b4c_parameters *list, size_t *n)
{
    size_t at = 0;
    *n = 0;
    for (int i = 0; i < list->n; i++) *n += (size_t)(list->item[i].rows * list->item[i].cols);
    double *g = malloc(*n * sizeof *g);
    for (int i = 0; i < list->n; i++)
        for (int r = 0; r < list->item[i].rows; r++)
            for (int c = 0; c < list->item[i].cols; c++)
                g[at++] = gradient_of(&list->item[i], r, c);
    return g;
}

/* Layers that are run again give the same bits, and so does a backward that spends its recording.
 */
static void compare_recomputed(b4c_network *net, const b4c_parameters *list, const run_options *o,
                               const char *name)
{
    double *kept[3], loss[3];
    size_t n;
    for (int way = 0; way < 3; way++) {
        b4c_tape t;
        run_options as = *o;
        as.recompute = way > 0;
        assert_int_equal(
            b4c_tape_init(&t, b4c_kernels_find("scalar"), NULL, B4C_F32, (size_t)64 << 20, true),
            0);
        t.spend = way == 2;
        loss[way] = run(net, &t, &as, true);
        kept[way] = gradients(list, &n);
        assert_int_equal(t.waiting, 0);
        b4c_tape_done(&t);
    }
    for (int way = 1; way < 3; way++) {
        assert_true(loss[way] == loss[0]);
        if (memcmp(kept[way], kept[0], n * sizeof **kept) != 0)
            fail_msg("%s: gradients differ where layers are computed again, way %d", name, way);
    }
    for (int way = 0; way < 3; way++) free(kept[way]);
}

/* Every parameter of the network at PLACES places; returns how many gradients were not zero. */
static int check_all(b4c_network *net, const b4c_parameters *list, const run_options *o,
                     const char *name)
{
    b4c_tape t, plain;
    int alive = 0;
    b4c_rng rng;
    b4c_rng_init(&rng, 5, 0, 0);
    assert_int_equal(
        b4c_tape_init(&t, b4c_kernels_find("scalar"), NULL, B4C_F32, (size_t)64 << 20, true), 0);
    assert_int_equal(
        b4c_tape_init(&plain, b4c_kernels_find("scalar"), NULL, B4C_F32, (size_t)64 << 20, false),
        0);
    const double recorded = run(net, &t, o, true);
    assert_true(recorded == run(net, &plain, o, false));
    for (int i = 0; i < list->n; i++) {
        const b4c_parameter *p = &list->item[i];
        for (int k = 0; k < PLACES; k++) {
            const int r = (int)b4c_rng_below(&rng, (uint32_t)p->rows),
                      c = (int)b4c_rng_below(&rng, (uint32_t)p->cols);
            b4c_real *x = value_of(p, r, c);
            const b4c_real at = *x;
            const double near = loss_at(net, &plain, o, x, at + STEP) -
                                loss_at(net, &plain, o, x, at - STEP);
            const double far = loss_at(net, &plain, o, x, at + 2 * STEP) -
                               loss_at(net, &plain, o, x, at - 2 * STEP);
            loss_at(net, &plain, o, x, at);
            const double want = (8 * near - far) / (12 * STEP), got = gradient_of(p, r, c);
            alive += fabs(got) > TOLERANCE;
            if (!(fabs(got - want) <= TOLERANCE * fmax(1, fabs(want))))
                fail_msg("%s: %s, layer %d, kind %d, [%d, %d]: gradient %.10g, difference %.10g",
                         name, b4c_role_name(p->role), p->layer, (int)p->kind, r, c, got, want);
        }
    }
    b4c_tape_done(&t);
    b4c_tape_done(&plain);
    return alive;
}

/* A spec as a configuration gives it, made tiny. */
static b4c_spec spec_of(const char *config)
{
    b4c_error err = { 0 };
    b4c_spec s;
    const char *note;
    json_t *json = b4c_json_parse(config, strlen(config), "config", &err);
    if (!json) fail_msg("%s", err.message);
    assert_ok(b4c_config_read(&s, json, NULL, "config", &note, &err), &err);
    json_decref(json);
    return s;
}

static void check_spec(const char *config, const run_options *o)
{
    b4c_error err = { 0 };
    b4c_spec s = spec_of(config);
    s.cross_bias = o->cross_bias;
    const b4c_network_options options = {
        .dtype = B4C_F32, .pooler = s.pooler, .head = true, .trained = true
    };
    b4c_network net;
    b4c_parameters list;
    assert_ok(b4c_network_random(&net, &s, &options, 1.2, 11, &list, &err), &err);
    compare_recomputed(&net, &list, o, s.architecture);
    const int alive = check_all(&net, &list, o, s.architecture);
    assert_true(alive > list.n);          /* a loss that reads nothing would pass */
    b4c_parameters_done(&list);
    b4c_network_done(&net);
}

/* ---- the specs ------------------------------------------------------------------------------- */

#define SIZES                                                                                     \
    "\"vocab_size\": 13, \"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": " \
    "2, "                                                                                         \
    "\"intermediate_size\": 12, \"max_position_embeddings\": 6"
#define TWO_STACKS                                                                                \
    "\"vocab_size\": 13, \"d_model\": 8, \"num_decoder_layers\": 3, \"num_heads\": 2, \"d_ff\": " \
    "12, "                                                                                        \
    "\"d_kv\": 6, \"num_layers\": 2, \"relative_attention_num_buckets\": 8, "                     \
    "\"relative_attention_max_distance\": 6"

static void bert_has_the_gradients_of_its_loss(void **state)
{
    (void)state;
    check_spec("{\"model_type\": \"bert\", " SIZES "}", &(run_options){ .pooled = true });
    check_spec("{\"model_type\": \"bert\", " SIZES "}",
               &(run_options){ .mask = B4C_MASK_PREFIX, .dropout = 0.2 });
    check_spec("{\"model_type\": \"bert\", \"embedding_size\": 6, " SIZES "}",
               &(run_options){ .only = true });
}

static void roformer_has_the_gradients_of_its_loss(void **state)
{
    (void)state;
    check_spec("{\"model_type\": \"roformer\", " SIZES "}",
               &(run_options){ .pooled = true, .mask = B4C_MASK_PREFIX });
    check_spec(
        "{\"model_type\": \"roformer\", \"rotary_value\": true, \"embedding_size\": 6, " SIZES "}",
        &(run_options){ .mixed = true });
    check_spec(
        "{\"model_type\": \"roformer\", \"norm_type\": \"rms_norm\", \"use_bias\": false, " SIZES
        "}",
        &(run_options){ .mask = B4C_MASK_FULL });
}

static void albert_and_nezha_have_the_gradients_of_their_losses(void **state)
{
    (void)state;
    check_spec("{\"model_type\": \"albert\", \"embedding_size\": 6, " SIZES "}",
               &(run_options){ .pooled = true });
    check_spec("{\"model_type\": \"nezha\", \"max_relative_position\": 2, " SIZES "}",
               &(run_options){ .pooled = true });
    check_spec("{\"model_type\": \"nezha\", \"max_relative_position\": 2, " SIZES "}",
               &(run_options){ .only = true });
}

static void gpt_has_the_gradients_of_its_loss(void **state)
{
    (void)state;
    check_spec("{\"model_type\": \"gpt2\", \"n_embd\": 8, \"n_layer\": 2, \"n_head\": 2, "
               "\"vocab_size\": 13, \"n_positions\": 6}",
               &(run_options){ .mask = B4C_MASK_CAUSAL });
    check_spec("{\"model_type\": \"openai-gpt\", \"n_embd\": 8, \"n_layer\": 2, \"n_head\": 2, "
               "\"vocab_size\": 13, "
               "\"n_positions\": 6}",
               &(run_options){ .mask = B4C_MASK_CAUSAL });
    check_spec("{\"model_type\": \"llama\", \"num_key_value_heads\": 1, " SIZES "}",
               &(run_options){ .mask = B4C_MASK_CAUSAL });
    check_spec("{\"model_type\": \"qwen2\", \"num_key_value_heads\": 1, " SIZES "}",
               &(run_options){ .mask = B4C_MASK_CAUSAL });
}

static void t5_has_the_gradients_of_its_loss(void **state)
{
    (void)state;
    check_spec("{\"model_type\": \"t5\", " TWO_STACKS "}", &(run_options){ .mask = B4C_MASK_FULL });
    check_spec("{\"model_type\": \"mt5\", " TWO_STACKS "}", &(run_options){ .dropout = 0.1 });
    check_spec("{\"model_type\": \"mt5\", " TWO_STACKS "}", &(run_options){ .cross_bias = true });
}

static void bart_and_pegasus_have_the_gradients_of_their_losses(void **state)
{
    (void)state;
    static const char *const sizes =
        "\"d_model\": 8, \"encoder_layers\": 2, \"decoder_layers\": 1, "
        "\"encoder_attention_heads\": 2, "
        "\"encoder_ffn_dim\": 12, \"vocab_size\": 13, \"max_position_embeddings\": 6";
    char config[512];
    snprintf(config, sizeof config, "{\"model_type\": \"bart\", %s}", sizes);
    check_spec(config, &(run_options){ .mask = B4C_MASK_FULL });
    snprintf(config, sizeof config, "{\"model_type\": \"pegasus\", \"scale_embedding\": true, %s}",
             sizes);
    check_spec(config, &(run_options){ .mask = B4C_MASK_FULL });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bert_has_the_gradients_of_its_loss),
        cmocka_unit_test(roformer_has_the_gradients_of_its_loss),
        cmocka_unit_test(albert_and_nezha_have_the_gradients_of_their_losses),
        cmocka_unit_test(gpt_has_the_gradients_of_its_loss),
        cmocka_unit_test(t5_has_the_gradients_of_its_loss),
        cmocka_unit_test(bart_and_pegasus_have_the_gradients_of_their_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
