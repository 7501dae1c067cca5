/* test_network.c - laws of the network, for each architecture, type of weights and instruction set:
 * what a row becomes depends on what it may see and on nothing else, to the bit.
 */
#include "golden/golden.h"
#include "kernels/kernels_common.h"
#include "support/test.h"

static const char *const models[] = {
    "bert", "roformer", "roformer-factorised", "roformer-v2", "albert", "nezha", "bert-unilm-beam",
    "bert-lm", "nezha-gpt", "openai-gpt", "gpt2", "llama", "qwen2",
};

static void everywhere(golden_body body)
{
    golden_everywhere(models, COUNT(models), body);
}

/* n random sequences of 1 .. most tokens; from the middle on, segment 1. */
static golden random_input(const golden_model *m, int n, int most, uint64_t seed)
{
    golden g = { .n_seq = n, .lengths = malloc((size_t)n * sizeof *g.lengths) };
    b4c_rng rng;
    b4c_rng_init(&rng, seed, 0, 0);
    for (int i = 0; i < n; i++)
        g.n_rows += g.lengths[i] = 1 + (int)b4c_rng_below(&rng, (uint32_t)most);
    g.ids = malloc((size_t)g.n_rows * sizeof *g.ids);
    g.segments = malloc((size_t)g.n_rows * sizeof *g.segments);
    for (int i = 0, row = 0; i < n; i++)
        for (int p = 0; p < g.lengths[i]; p++, row++) {
            g.ids[row] = (int32_t)b4c_rng_below(&rng, (uint32_t)m->net.spec.vocabulary);
            g.segments[row] = p >= (g.lengths[i] + 1) / 2;
        }
    return g;
}

static void check_rows(const golden_pass *whole, int at, const golden_pass *part, const char *what,
                       const golden_model *m, const b4c_kernels *k)
{
    const size_t w = (size_t)whole->width, v = (size_t)whole->vocabulary;
    for (int l = 0; l <= whole->layers; l++)
        if (memcmp(whole->hidden[l] + (size_t)at * w, part->hidden[l],
                   (size_t)part->rows * w * sizeof(float)) != 0)
            fail_msg("%s: %s, %s, %s: layer %d differs", what, m->net.spec.architecture,
                     b4c_dtype_name(m->net.dtype), k->name, l);
    if (memcmp(whole->logits + (size_t)at * v, part->logits,
               (size_t)part->rows * v * sizeof(float)) != 0)
        fail_msg("%s: %s, %s, %s: logits differ", what, m->net.spec.architecture,
                 b4c_dtype_name(m->net.dtype), k->name);
}

/* ---- law 1 ----------------------------------------------------------------------------------- */

static void alone_and_together(const golden_model *m, const b4c_kernels *k)
{
    static const int sizes[] = { 2, 3, 17 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        golden g = random_input(m, sizes[i], 24, 100 + i);
        const golden_way way = { .kernels = k, .mask = i % 2 ? B4C_MASK_PREFIX : B4C_MASK_FULL };
        golden_pass together, alone;
        golden_run(&together, m, &g, 0, g.n_seq, &way);
        for (int s = 0, row = 0; s < g.n_seq; row += g.lengths[s++]) {
            golden_run(&alone, m, &g, s, 1, &way);
            check_rows(&together, row, &alone, "alone", m, k);
            golden_pass_free(&alone);
        }
        golden_pass_free(&together);
        golden_close(&g);
    }
}

/* REPORTS N08, N20. */
static void a_sentence_does_not_feel_its_neighbours(void **state)
{
    (void)state;
    everywhere(alone_and_together);
}

static void with_pools(const golden_model *m, const b4c_kernels *k)
{
    golden g = random_input(m, 5, 24, 7);
    golden_pass one, many;
    golden_run(&one, m, &g, 0, g.n_seq, &(golden_way){ .kernels = k });
    for (int lanes = 2; lanes <= 3; lanes++) {
        b4c_pool *pool = b4c_pool_new(lanes);
        golden_run(&many, m, &g, 0, g.n_seq, &(golden_way){ .kernels = k, .pool = pool });
        check_rows(&one, 0, &many, "threads", m, k);
        golden_pass_free(&many);
        b4c_pool_free(pool);
    }
    golden_pass_free(&one);
    golden_close(&g);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    everywhere(with_pools);
}

/* ---- law 3 ----------------------------------------------------------------------------------- */

static void recorded(const golden_model *m, const b4c_kernels *k)
{
    golden g = random_input(m, 4, 20, 9);
    golden_pass plain, taped;
    golden_run(&plain, m, &g, 0, g.n_seq, &(golden_way){ .kernels = k });
    golden_run(&taped, m, &g, 0, g.n_seq, &(golden_way){ .kernels = k, .recording = true });
    check_rows(&plain, 0, &taped, "recording", m, k);
    golden_pass_free(&plain);
    golden_pass_free(&taped);
    golden_close(&g);
}

static void recording_changes_no_bit(void **state)
{
    (void)state;
    everywhere(recorded);
}

/* ---- law 2 ----------------------------------------------------------------------------------- */

/* Rows of the last layer for lengths[s] new tokens of each slot s. */
static float *step(b4c_tape *t, const golden_model *m, b4c_cache *c, b4c_mask mask,
                   const int32_t *ids, const int32_t *segments, const int *lengths, int n)
{
    static const int slots[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    const b4c_network *net = &m->net;
    b4c_tape_reset(t);
    const b4c_plan plan = b4c_cache_plan(t, c, mask, slots, lengths, n);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1, .cache = c };
    b4c_tensor x = b4c_input(t, net, &net->encoder, ids, segments, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(t, net, &net->encoder, x, &call);
    assert_false(t->failed);
    b4c_cache_grow(c, slots, lengths, n);
    float *y = malloc((size_t)x.rows * (size_t)x.cols * sizeof *y);
    memcpy(y, x.x, (size_t)x.rows * (size_t)x.cols * sizeof *y);
    return y;
}

/* Sources read at once, then each target token by itself, three sequences of unequal length side by
 * side. */
static void step_by_step(const golden_model *m, const b4c_kernels *k)
{
    enum { N = 3 };
    static const int source[N] = { 4, 1, 7 }, all[N] = { 9, 6, 12 };
    golden g = random_input(m, 1, 1, 3);
    golden_close(&g);
    b4c_rng rng;
    b4c_rng_init(&rng, 21, 0, 0);
    g = (golden){ .n_seq = N,
                  .n_rows = 27,
                  .lengths = malloc(sizeof all),
                  .ids = malloc(27 * sizeof(int32_t)),
                  .segments = malloc(27 * sizeof(int32_t)) };
    memcpy(g.lengths, all, sizeof all);
    for (int s = 0, row = 0; s < N; s++)
        for (int p = 0; p < all[s]; p++, row++) {
            g.ids[row] = (int32_t)b4c_rng_below(&rng, (uint32_t)m->net.spec.vocabulary);
            g.segments[row] = p >= source[s];
        }
    golden_pass want;
    golden_run(&want, m, &g, 0, N, &(golden_way){ .kernels = k, .mask = B4C_MASK_PREFIX });

    b4c_error err = { 0 };
    b4c_cache cache;
    b4c_tape t;
    assert_ok(b4c_cache_init(&cache, k, &m->net, &m->net.encoder, N, 16, 0, NULL, &err), &err);
    assert_int_equal(b4c_tape_init(&t, k, NULL, m->net.dtype, (size_t)64 << 20, false), 0);
    const size_t w = (size_t)want.width;
    int32_t ids[16], segments[16];
    for (int from = 0, steps = 0; steps <= 5; from = 1, steps++) {
        int lengths[N], rows = 0, at = 0;
        for (int s = 0; s < N; at += all[s++]) {
            const int begin = from ? source[s] + steps - 1 : 0;
            lengths[s] = from ? 1 : source[s];
            memcpy(ids + rows, g.ids + at + begin, (size_t)lengths[s] * sizeof *ids);
            memcpy(segments + rows, g.segments + at + begin, (size_t)lengths[s] * sizeof *segments);
            rows += lengths[s];
        }
        float *got = step(&t, m, &cache, from ? B4C_MASK_CAUSAL : B4C_MASK_FULL, ids, segments,
                          lengths, N),
              *row = got;
        at = 0;
        for (int s = 0; s < N; at += all[s++]) {
            const int begin = at + (from ? source[s] + steps - 1 : 0);
            if (memcmp(row, want.hidden[want.layers] + (size_t)begin * w,
                       (size_t)lengths[s] * w * sizeof *row) != 0)
                fail_msg("%s, %s, %s: step %d of sequence %d differs", m->net.spec.architecture,
                         b4c_dtype_name(m->net.dtype), k->name, steps, s);
            row += (size_t)lengths[s] * w;
        }
        free(got);
    }
    b4c_tape_done(&t);
    b4c_cache_done(&cache);
    golden_pass_free(&want);
    golden_close(&g);
}

/* REPORTS G15. */
static void step_by_step_is_all_at_once(void **state)
{
    (void)state;
    everywhere(step_by_step);
}

/* ---- some rows ------------------------------------------------------------------------------- */

static void some_rows(const golden_model *m, const b4c_kernels *k)
{
    golden g = random_input(m, 4, 20, 33);
    golden_pass want;
    b4c_tape t;
    golden_run(&want, m, &g, 0, g.n_seq, &(golden_way){ .kernels = k });
    assert_int_equal(b4c_tape_init(&t, k, NULL, m->net.dtype, (size_t)64 << 20, false), 0);
    const b4c_network *net = &m->net;
    const b4c_plan plan = b4c_plan_make(&t, B4C_MASK_FULL, g.lengths, g.n_seq, NULL);
    int only[64], n = 0;
    for (int i = 0; i < g.n_rows && n < 64; i += 1 + i % 3) only[n++] = i;
    b4c_tensor first;
    const b4c_stack_call call = {
        .plans = &plan, .n_plans = 1, .only = only, .n_only = n, .first = &first
    };
    b4c_tensor x = b4c_input(&t, net, &net->encoder, g.ids, g.segments, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(&t, net, &net->encoder, x, &call);
    assert_false(t.failed);
    assert_int_equal(x.rows, n);
    const size_t w = (size_t)want.width;
    for (int i = 0; i < n; i++)
        assert_memory_equal(x.x + (size_t)i * (size_t)x.ld,
                            want.hidden[want.layers] + (size_t)only[i] * w, w * sizeof(float));
    for (int i = 0; i < g.n_rows; i++)
        assert_memory_equal(first.x + (size_t)i * (size_t)first.ld, want.hidden[1] + (size_t)i * w,
                            w * sizeof(float));
    b4c_tape_done(&t);
    golden_pass_free(&want);
    golden_close(&g);
}

static void a_row_asked_for_alone_is_the_same(void **state)
{
    (void)state;
    everywhere(some_rows);
}

/* ---- what is seen ---------------------------------------------------------------------------- */

static bool sees(b4c_mask mask, int prefix, int i, int j)
{
    switch (mask) {
    case B4C_MASK_FULL: return true;
    case B4C_MASK_CAUSAL: return j <= i;
    case B4C_MASK_ANTI: return j >= i;
    case B4C_MASK_PREFIX: return j < prefix || j <= i;
    }
    return false;
}

/* Change one token after another: the rows that become others are exactly those that may see it.
 * These masks are transitive, so it holds through all layers. */
static void perturb(const golden_model *m, const b4c_kernels *k)
{
    enum { LENGTH = 9, PREFIX = 4 };
    static const b4c_mask all[] = { B4C_MASK_FULL, B4C_MASK_CAUSAL, B4C_MASK_ANTI,
                                    B4C_MASK_PREFIX };
    int length = LENGTH;
    int32_t ids[LENGTH] = { 5, 9, 2, 14, 3, 30, 7, 8, 11 },
            segments[LENGTH] = { 0, 0, 0, 0, 1, 1, 1, 1, 1 };
    golden g = {
        .n_seq = 1, .n_rows = LENGTH, .lengths = &length, .ids = ids, .segments = segments
    };
    for (size_t a = 0; a < COUNT(all); a++) {
        const golden_way way = { .kernels = k, .mask = all[a] };
        golden_pass before, after;
        golden_run(&before, m, &g, 0, 1, &way);
        const size_t w = (size_t)before.width;
        for (int j = 0; j < LENGTH; j++) {
            ids[j] += 50;
            golden_run(&after, m, &g, 0, 1, &way);
            ids[j] -= 50;
            for (int i = 0; i < LENGTH; i++) {
                const float *x = before.hidden[before.layers] + (size_t)i * w,
                            *y = after.hidden[after.layers] + (size_t)i * w;
                const bool moved = memcmp(x, y, w * sizeof *x) != 0;
                if (moved != sees(all[a], PREFIX, i, j))
                    fail_msg("%s, %s, %s: mask %d: token %d %s row %d", m->net.spec.architecture,
                             b4c_dtype_name(m->net.dtype), k->name, (int)all[a], j,
                             moved ? "moves" : "does not move", i);
            }
            golden_pass_free(&after);
        }
        golden_pass_free(&before);
    }
}

static void a_token_moves_the_rows_that_see_it_and_no_others(void **state)
{
    (void)state;
    everywhere(perturb);
}

/* The last of these rows is that of a network of one layer, whose heads see by `sets`. */
static void one_layer(const b4c_network *net, const int32_t *ids, int n, const uint8_t *sets,
                      float *y)
{
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, (size_t)64 << 20, false),
                     0);
    const b4c_plan plan = b4c_plan_mix(&t, B4C_MASK_CAUSAL, B4C_MASK_ANTI, sets, &n, 1);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    b4c_tensor x = b4c_input(&t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(&t, net, &net->encoder, x, &call);
    assert_false(t.failed);
    memcpy(y, x.x, (size_t)n * (size_t)x.cols * sizeof *y);
    b4c_tape_done(&t);
}

static const b4c_spec small = {
    .architecture = "small",
    .vocabulary = 40,
    .embedding_width = 24,
    .width = 24,
    .heads = 4,
    .kv_heads = 4,
    .head_size = 6,
    .inner = 48,
    .layers = 1,
    .embedding_scale = 1,
    .norm_gain = true,
    .norm_bias = true,
    .eps = 1e-12,
    .embedding_norm = true,
    .act = B4C_ACT_GELU,
    .scaled = true,
    .qkv_bias = true,
    .out_bias = true,
    .ffn_bias = true,
    .tied = true,
    .output_scale = 1,
};

static void heads_of_two_kinds_see_in_two_directions(void **state)
{
    (void)state;
    enum { N = 7 };
    static const uint8_t forward[4] = { 0, 0, 0, 0 }, backward[4] = { 1, 1, 1, 1 },
                         half[4] = { 0, 1, 0, 1 };
    static const struct { const uint8_t *sets; bool before, after; } cases[] = {
        { forward, true, false }, { backward, false, true }, { half, true, true },
    };
    b4c_error err = { 0 };
    b4c_network net;
    assert_ok(b4c_network_random(&net, &small, &(b4c_network_options){ .dtype = B4C_F32 }, 1, 4,
                                 NULL, &err),
              &err);
    int32_t ids[N] = { 3, 8, 1, 30, 22, 9, 5 };
    float x[N * 24], y[N * 24];
    for (size_t c = 0; c < COUNT(cases); c++)
        for (int j = 0; j < N; j++) {
            one_layer(&net, ids, N, cases[c].sets, x);
            ids[j] += 7;
            one_layer(&net, ids, N, cases[c].sets, y);
            ids[j] -= 7;
            for (int i = 0; i < N; i++) {
                const bool moved = memcmp(x + i * 24, y + i * 24, 24 * sizeof *x) != 0;
                assert_int_equal(moved, i == j || (j < i ? cases[c].before : cases[c].after));
            }
        }
    b4c_network_done(&net);
}

/* SPEC 1.7: a two-way network without positions cannot tell the order of words; a one-way network
 * can. */
static void order_without_positions_is_seen_one_way_only(void **state)
{
    (void)state;
    enum { N = 6 };
    b4c_error err = { 0 };
    golden_model m = { 0 };
    b4c_spec two_layers = small;
    two_layers.layers = 2;
    assert_ok(b4c_network_random(&m.net, &two_layers, &(b4c_network_options){ .dtype = B4C_F32 }, 1,
                                 4, NULL, &err),
              &err);
    int lengths = N;
    int32_t ids[N] = { 3, 8, 1, 30, 22, 9 }, turned[N] = { 22, 9, 30, 1, 3, 8 };
    static const int to[N] = { 4, 5, 3, 2, 0, 1 };
    golden a = { .n_seq = 1, .n_rows = N, .lengths = &lengths, .ids = ids }, b = a;
    b.ids = turned;
    for (int mask = B4C_MASK_FULL; mask <= B4C_MASK_CAUSAL; mask++) {
        golden_pass x, y;
        const golden_way way = { .kernels = b4c_kernels_get(), .mask = (b4c_mask)mask };
        golden_run(&x, &m, &a, 0, 1, &way);
        golden_run(&y, &m, &b, 0, 1, &way);
        double farthest = 0;
        for (int i = 0; i < N; i++) {
            size_t at;
            const double d = distance_f32(y.hidden[2] + to[i] * 24, x.hidden[2] + i * 24, 24, &at);
            if (d > farthest) farthest = d;
        }
        assert_true(mask == B4C_MASK_FULL ? farthest < 1e-5 : farthest > 1e-2);
        golden_pass_free(&x);
        golden_pass_free(&y);
    }
    b4c_network_done(&m.net);
}

/* SimBERT's promise: one pass gives the source's vector and the target's logits. */
static void source_and_target(const golden_model *m, const b4c_kernels *k)
{
    int length = 8;
    int32_t ids[8] = { 2, 20, 21, 3, 40, 41, 42, 3 }, segments[8] = { 0, 0, 0, 0, 1, 1, 1, 1 };
    golden g = { .n_seq = 1, .n_rows = 8, .lengths = &length, .ids = ids, .segments = segments };
    const golden_way prefix = { .kernels = k, .mask = B4C_MASK_PREFIX }, full = { .kernels = k };
    golden_pass one, other, alone;
    golden_run(&one, m, &g, 0, 1, &prefix);
    for (int i = 4; i < 8; i++) ids[i] += 30;
    golden_run(&other, m, &g, 0, 1, &prefix);
    length = g.n_rows = 4;
    golden_run(&alone, m, &g, 0, 1, &full);
    check_rows(&one, 0, &alone, "source", m, k);
    check_rows(&other, 0, &alone, "source", m, k);
    golden_pass_free(&one);
    golden_pass_free(&other);
    golden_pass_free(&alone);
}

static void the_source_does_not_feel_its_target(void **state)
{
    (void)state;
    everywhere(source_and_target);
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentence_does_not_feel_its_neighbours),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(recording_changes_no_bit),
        cmocka_unit_test(step_by_step_is_all_at_once),
        cmocka_unit_test(a_row_asked_for_alone_is_the_same),
        cmocka_unit_test(a_token_moves_the_rows_that_see_it_and_no_others),
        cmocka_unit_test(heads_of_two_kinds_see_in_two_directions),
        cmocka_unit_test(order_without_positions_is_seen_one_way_only),
        cmocka_unit_test(the_source_does_not_feel_its_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
