/* test_seq2seq.c - laws of encoder-decoders, for each architecture, type of weights and instruction
 * set: a target depends on its source, on its own tokens up to there, and on nothing else, to the
 * bit; read at once or token by token.
 */
#include "golden/golden.h"
#include "kernels/kernels_common.h"
#include "support/test.h"

static const char *const models[] = { "t5", "mt5", "t5-pegasus", "t5-pegasus-tf", "bart",
                                      "pegasus" };

enum { N = 5, MOST = 16 };

/* N sources and targets of unequal length, end to end. */
typedef struct input {
    int source_length[N], target_length[N], source_rows, target_rows;
    int32_t source[N * MOST], target[N * MOST];
} input;

static input random_input(const golden_model *m, uint64_t seed)
{
    input in = { 0 };
    b4c_rng rng;
    b4c_rng_init(&rng, seed, 0, 0);
    for (int s = 0; s < N; s++) {
        in.source_rows += in.source_length[s] = 1 + (int)b4c_rng_below(&rng, MOST);
        in.target_rows += in.target_length[s] = 1 + (int)b4c_rng_below(&rng, MOST / 2);
    }
    const uint32_t v = (uint32_t)m->net.spec.vocabulary;
    for (int i = 0; i < in.source_rows; i++) in.source[i] = (int32_t)b4c_rng_below(&rng, v);
    for (int i = 0; i < in.target_rows; i++) in.target[i] = (int32_t)b4c_rng_below(&rng, v);
    return in;
}

typedef struct way {
    const b4c_kernels *kernels;
    b4c_pool *pool;
    bool recording;
} way;

static void open_tape(b4c_tape *t, const golden_model *m, const way *w)
{
    assert_int_equal(
        b4c_tape_init(t, w->kernels, w->pool, m->net.dtype, (size_t)256 << 20, w->recording), 0);
}

/* The encoder's rows of n sequences. */
static b4c_tensor encode(b4c_tape *t, const b4c_network *net, const int32_t *ids,
                         const int *lengths, int n)
{
    const b4c_plan plan = b4c_plan_make(t, B4C_MASK_FULL, lengths, n, NULL);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    const b4c_tensor x = b4c_input(t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    return b4c_stack_run(t, net, &net->encoder, x, &call);
}

/* The decoder's rows, and their logits behind them. malloc'ed: per row width + vocabulary. */
static float *result(b4c_tape *t, const b4c_network *net, b4c_tensor x)
{
    const b4c_tensor logits = b4c_logits(t, net, x);
    assert_false(t->failed);
    const size_t w = (size_t)x.cols, v = (size_t)logits.cols;
    float *y = malloc((size_t)x.rows * (w + v) * sizeof *y);
    assert_non_null(y);
    for (int r = 0; r < x.rows; r++) {
        memcpy(y + (size_t)r * (w + v), b4c_row_of(x, r), w * sizeof *y);
        memcpy(y + (size_t)r * (w + v) + w, b4c_row_of(logits, r), v * sizeof *y);
    }
    return y;
}

/* Sequences first .. first + n - 1 in one batch. */
static float *run(const golden_model *m, const input *in, int first, int n, const way *w)
{
    const b4c_network *net = &m->net;
    b4c_tape t;
    int source = 0, target = 0;
    for (int s = 0; s < first; s++) {
        source += in->source_length[s];
        target += in->target_length[s];
    }
    open_tape(&t, m, w);
    const b4c_tensor memory = encode(&t, net, in->source + source, in->source_length + first, n);
    const b4c_plan plan =
        b4c_plan_make(&t, B4C_MASK_CAUSAL, in->target_length + first, n, NULL);
    const b4c_plan cross =
        b4c_plan_cross(&t, in->target_length + first, in->source_length + first, n);
    const b4c_stack_call call = {
        .plans = &plan, .n_plans = 1, .memory = memory, .cross = &cross
    };
    b4c_tensor x = b4c_input(&t, net, &net->decoder, in->target + target, NULL, &plan,
                             (b4c_dropping){ 0 });
    x = b4c_stack_run(&t, net, &net->decoder, x, &call);
    float *y = result(&t, net, x);
    b4c_tape_done(&t);
    return y;
}

static size_t row_size(const golden_model *m)
{
    return (size_t)(m->net.spec.width + m->net.spec.vocabulary);
}

/* rows of `part` are those of `whole` from row `at` on. */
static void check(const float *whole, int at, const float *part, int rows, const char *what,
                  const golden_model *m, const b4c_kernels *k)
{
    const size_t size = row_size(m);
    if (memcmp(whole + (size_t)at * size, part, (size_t)rows * size * sizeof *part) != 0)
        fail_msg("%s: %s, %s, %s: rows from %d on differ", what, m->net.spec.architecture,
                 b4c_dtype_name(m->net.dtype), k->name, at);
}

static void everywhere(golden_body body)
{
    golden_everywhere(models, COUNT(models), body);
}

/* ---- laws 1 and 3 ---------------------------------------------------------------------------- */

static void alone_and_together(const golden_model *m, const b4c_kernels *k)
{
    const input in = random_input(m, 5);
    const way w = { .kernels = k };
    float *together = run(m, &in, 0, N, &w);
    for (int s = 0, row = 0; s < N; row += in.target_length[s++]) {
        float *alone = run(m, &in, s, 1, &w);
        check(together, row, alone, in.target_length[s], "alone", m, k);
        free(alone);
    }
    free(together);
}

/* REPORTS N05. */
static void a_pair_does_not_feel_its_neighbours(void **state)
{
    (void)state;
    everywhere(alone_and_together);
}

static void with_pools(const golden_model *m, const b4c_kernels *k)
{
    const input in = random_input(m, 6);
    float *one = run(m, &in, 0, N, &(way){ .kernels = k });
    for (int lanes = 2; lanes <= 3; lanes++) {
        b4c_pool *pool = b4c_pool_new(lanes);
        float *many = run(m, &in, 0, N, &(way){ .kernels = k, .pool = pool });
        check(one, 0, many, in.target_rows, "threads", m, k);
        free(many);
        b4c_pool_free(pool);
    }
    free(one);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    everywhere(with_pools);
}

static void recorded(const golden_model *m, const b4c_kernels *k)
{
    const input in = random_input(m, 7);
    float *plain = run(m, &in, 0, N, &(way){ .kernels = k }),
          *taped = run(m, &in, 0, N, &(way){ .kernels = k, .recording = true });
    check(plain, 0, taped, in.target_rows, "recording", m, k);
    free(plain);
    free(taped);
}

static void recording_changes_no_bit(void **state)
{
    (void)state;
    everywhere(recorded);
}

/* ---- law 2 ----------------------------------------------------------------------------------- */

/* One token more of every target that has one at `step`, all in one batch. */
static void next_tokens(b4c_tape *t, const golden_model *m, const input *in, b4c_cache *cache,
                        const b4c_cache *sources, int step, const float *whole,
                        const b4c_kernels *k)
{
    const b4c_network *net = &m->net;
    int slot[N], length[N], row[N], n = 0;
    int32_t ids[N];
    for (int s = 0, at = 0; s < N; at += in->target_length[s++]) {
        if (step >= in->target_length[s]) continue;
        slot[n] = s;
        length[n] = 1;
        row[n] = at + step;
        ids[n++] = in->target[at + step];
    }
    if (!n) return;
    b4c_tape_reset(t);
    const b4c_plan plan = b4c_cache_plan(t, cache, B4C_MASK_CAUSAL, slot, length, n);
    const b4c_plan cross = b4c_cache_source_plan(t, sources, &plan, slot);
    const b4c_stack_call call = {
        .plans = &plan, .n_plans = 1, .cache = cache, .cross = &cross, .sources = sources
    };
    b4c_tensor x = b4c_input(t, net, &net->decoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(t, net, &net->decoder, x, &call);
    float *y = result(t, net, x);
    b4c_cache_grow(cache, slot, length, n);
    for (int i = 0; i < n; i++)
        check(whole, row[i], y + (size_t)i * row_size(m), 1, "step by step", m, k);
    free(y);
}

/* The sources are read once; each step then reads one token of every target that is not finished,
 * so the batch shrinks as targets end. */
static void step_by_step(const golden_model *m, const b4c_kernels *k)
{
    static const int slots[N] = { 0, 1, 2, 3, 4 };
    const input in = random_input(m, 8);
    const b4c_network *net = &m->net;
    const way w = { .kernels = k };
    float *whole = run(m, &in, 0, N, &w);
    b4c_error err = { 0 };
    b4c_cache cache, sources;
    b4c_tape t;
    assert_ok(b4c_cache_init(&cache, k, net, &net->decoder, N, MOST, 0, NULL, &err), &err);
    assert_ok(b4c_cache_init(&sources, k, net, &net->decoder, N, MOST, 0, NULL, &err), &err);
    open_tape(&t, m, &w);
    const b4c_tensor memory = encode(&t, net, in.source, in.source_length, N);
    const b4c_plan to =
        b4c_cache_plan(&t, &sources, B4C_MASK_FULL, slots, in.source_length, N);
    b4c_cache_source(&t, &sources, net, memory, &to);
    b4c_cache_grow(&sources, slots, in.source_length, N);
    assert_false(t.failed);
    for (int step = 0; step < MOST; step++)
        next_tokens(&t, m, &in, &cache, &sources, step, whole, k);
    b4c_tape_done(&t);
    b4c_cache_done(&cache);
    b4c_cache_done(&sources);
    free(whole);
}

static void step_by_step_is_all_at_once(void **state)
{
    (void)state;
    everywhere(step_by_step);
}

/* ---- what is seen ---------------------------------------------------------------------------- */

/* A target's row moves when its own or an earlier target token does, or any token of its source;
 * not when a later token does: no model can learn to look ahead (N07 of the reports: masked keys
 * weigh exactly 0). */
static void perturb(const golden_model *m, const b4c_kernels *k)
{
    const way w = { .kernels = k };
    input in = random_input(m, 9);
    in.source_length[0] = 6;
    in.target_length[0] = 5;
    const size_t size = row_size(m);
    float *before = run(m, &in, 0, 1, &w);
    for (int j = 0; j < 6 + 5; j++) {
        int32_t *token = j < 6 ? &in.source[j] : &in.target[j - 6], kept = *token;
        *token = (kept + 17) % m->net.spec.vocabulary;
        float *after = run(m, &in, 0, 1, &w);
        *token = kept;
        for (int i = 0; i < 5; i++) {
            const bool moved = memcmp(before + (size_t)i * size, after + (size_t)i * size,
                                      size * sizeof *after) != 0;
            if (moved != (j < 6 || j - 6 <= i))
                fail_msg("%s, %s, %s: token %d of the %s %s row %d", m->net.spec.architecture,
                         b4c_dtype_name(m->net.dtype), k->name, j < 6 ? j : j - 6,
                         j < 6 ? "source" : "target", moved ? "moves" : "does not move", i);
        }
        free(after);
    }
    free(before);
}

static void a_row_sees_its_source_and_what_was_written(void **state)
{
    (void)state;
    everywhere(perturb);
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_does_not_feel_its_neighbours),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(recording_changes_no_bit),
        cmocka_unit_test(step_by_step_is_all_at_once),
        cmocka_unit_test(a_row_sees_its_source_and_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
