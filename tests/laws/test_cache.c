/* test_cache.c - sequences that begin alike share pages of keys and values, and part ways without
 * feeling one another: each is, to the bit, what it would be alone.
 */
#include "golden/golden.h"
#include "kernels/kernels_common.h"
#include "support/test.h"

enum { STEPS = 4, BRANCHES = 3, SLOTS = BRANCHES + 1, ROOM = 64, PAGES = 20 };

static const char *const models[] = { "llama", "gpt2", "nezha-gpt", "qwen2" };

/* A prompt of n tokens, then what branch b goes on with: from = 1 + b. */
static int32_t token(const golden_model *m, int n, int at, int branch)
{
    const int from = at < n ? 0 : branch + 1;
    return (int32_t)((at * 7919 + from * 104729 + 11) % m->net.spec.vocabulary);
}

/* One pass over new rows of slots, whose last layer's rows stay in the tape. */
static b4c_tensor rows(b4c_tape *t, const golden_model *m, b4c_cache *c, const int *slot,
                       const int *length, int n, const int32_t *ids)
{
    const b4c_network *net = &m->net;
    b4c_tape_reset(t);
    const b4c_plan plan = b4c_cache_plan(t, c, B4C_MASK_CAUSAL, slot, length, n);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1, .cache = c };
    const b4c_tensor x = b4c_input(t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    const b4c_tensor y = b4c_stack_run(t, net, &net->encoder, x, &call);
    assert_false(t->failed);
    b4c_cache_grow(c, slot, length, n);
    return y;
}

/* A prompt of n tokens in slot 0, BRANCHES forks of it, and STEPS tokens of each. */
static void branch(const golden_model *m, const b4c_kernels *k, int n, bool root,
                   b4c_cache_memory *home)
{
    b4c_error err = { 0 };
    b4c_cache c;
    b4c_tape t;
    int32_t ids[ROOM];
    golden g = { .n_seq = 1, .n_rows = n + STEPS, .lengths = &g.n_rows, .ids = ids };
    golden_pass want[BRANCHES];
    for (int b = 0; b < BRANCHES; b++) {
        for (int i = 0; i < g.n_rows; i++) ids[i] = token(m, n, i, b);
        golden_run(&want[b], m, &g, 0, 1,
                   &(golden_way){ .kernels = k, .mask = B4C_MASK_CAUSAL });
    }
    const size_t w = (size_t)want[0].width;
    assert_ok(b4c_cache_init(&c, k, &m->net, &m->net.encoder, SLOTS, ROOM, PAGES, home, &err),
              &err);
    assert_int_equal(b4c_tape_init(&t, k, NULL, m->net.dtype, (size_t)64 << 20, false), 0);
    const int first = 0, pages = b4c_pages_of(n);
    for (int i = 0; i < n; i++) ids[i] = token(m, n, i, 0);
    rows(&t, m, &c, &first, &n, 1, ids);
    assert_int_equal(PAGES - c.n_free, pages);
    if (root) b4c_cache_root(&c, first);
    const int held = PAGES - c.n_free; /* an odd last key has a page of its own */
    assert_true(held == pages || (root && n % 2 && held == pages + 1));
    int slot[BRANCHES], one[BRANCHES];
    for (int b = 0; b < BRANCHES; b++) {
        slot[b] = b + 1;
        one[b] = 1;
        b4c_cache_fork(&c, 0, slot[b]);
    }
    b4c_cache_clear(&c, 0);
    assert_int_equal(PAGES - c.n_free, held);        /* a fork holds what there is */
    /* Whole pages are shared on, and all of a trunk's. */
    const int shared = root ? b4c_pages_of(n - n % 2) : n / B4C_PAGE;
    for (int s = 0; s < STEPS; s++) {
        for (int b = 0; b < BRANCHES; b++) ids[b] = token(m, n, n + s, b);
        const b4c_tensor y = rows(&t, m, &c, slot, one, BRANCHES, ids);
        assert_true(PAGES - c.n_free <= b4c_cache_pages_of_forks(n, n + STEPS, BRANCHES));
        if (s == 0) assert_int_equal(PAGES - c.n_free, shared + BRANCHES);
        for (int b = 0; b < BRANCHES; b++) {
            const float *x = want[b].hidden[want[b].layers] + (size_t)(n + s) * w;
            if (memcmp(b4c_row_of(y, b), x, w * sizeof *x) != 0)
                fail_msg("%s, %s, %s: %d tokens, step %d of branch %d differs",
                         m->net.spec.architecture, b4c_dtype_name(m->net.dtype), k->name, n, s, b);
        }
    }
    for (int b = 0; b < BRANCHES; b++) b4c_cache_clear(&c, slot[b]);
    assert_int_equal(c.n_free, PAGES);
    for (int b = 0; b < BRANCHES; b++) golden_pass_free(&want[b]);
    b4c_tape_done(&t);
    b4c_cache_done(&c);
}

enum { PROMPT = 37 };

static void branch_out(const golden_model *m, const b4c_kernels *k)
{
    branch(m, k, PROMPT, false, NULL);
}

static void branch_out_of_a_trunk(const golden_model *m, const b4c_kernels *k)
{
    static const int prompts[] = { 8, 13, 31, 32, 33, PROMPT, 58 };
    for (size_t i = 0; i < COUNT(prompts); i++) branch(m, k, prompts[i], true, NULL);
}

/* In memory where other numbers stand: -3.14, as a float and as two of bf16. */
static void branch_out_in_used_memory(const golden_model *m, const b4c_kernels *k)
{
    b4c_cache_memory home = { 0 };
    branch(m, k, PROMPT, true, &home);
    const char *data = home.data;
    assert_non_null(data);
    for (int root = 0; root <= 1; root++) {
        for (size_t i = 0; i + 1 < home.bytes; i += 2)
            memcpy(home.data + i, &(uint16_t){ 0xc049 }, sizeof(uint16_t));
        branch(m, k, PROMPT, root, &home);
    }
    assert_ptr_equal(home.data, data);
    b4c_cache_memory_done(&home);
}

/* Prompts so long that their attention is cut among three lanes, and a short one. */
static void read_long_prompts(const golden_model *m, const b4c_kernels *k)
{
    enum { LONG = 500, SHORT = 9, ALL = 2 * LONG + SHORT };
    static const int slot[] = { 0, 1, 2 }, length[] = { LONG, SHORT, LONG };
    b4c_error err = { 0 };
    b4c_pool *pool = b4c_pool_new(3);
    float *want = NULL;
    int32_t ids[ALL];
    for (int i = 0; i < ALL; i++) ids[i] = token(m, ALL, i, 0);
    for (int lanes = 1; lanes <= 3; lanes += 2) {
        b4c_cache c;
        b4c_tape t;
        assert_ok(b4c_cache_init(&c, k, &m->net, &m->net.encoder, 3, LONG, 0, NULL, &err), &err);
        assert_int_equal(b4c_tape_init(&t, k, lanes > 1 ? pool : NULL, m->net.dtype,
                                       (size_t)256 << 20, false), 0);
        const b4c_tensor y = rows(&t, m, &c, slot, length, 3, ids);
        const size_t bytes = (size_t)(y.rows * y.cols) * sizeof *y.x;
        if (!want) want = memcpy(malloc(bytes), y.x, bytes);
        else if (memcmp(y.x, want, bytes) != 0)
            fail_msg("%s, %s, %s: three lanes see otherwise", m->net.spec.architecture,
                     b4c_dtype_name(m->net.dtype), k->name);
        b4c_tape_done(&t);
        b4c_cache_done(&c);
    }
    free(want);
    b4c_pool_free(pool);
}

static void a_long_prompt_does_not_feel_how_its_queries_are_cut(void **state)
{
    (void)state;
    static const char *const far[] = { "nezha-gpt" };
    golden_everywhere(far, COUNT(far), read_long_prompts);
}

static void branches_of_one_prompt_do_not_feel_one_another(void **state)
{
    (void)state;
    golden_everywhere(models, COUNT(models), branch_out);
}

static void branches_of_a_trunk_do_not_feel_one_another(void **state)
{
    (void)state;
    golden_everywhere(models, COUNT(models), branch_out_of_a_trunk);
}

static void a_sequence_does_not_feel_what_its_memory_held_before(void **state)
{
    (void)state;
    golden_everywhere(models, COUNT(models), branch_out_in_used_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_of_one_prompt_do_not_feel_one_another),
        cmocka_unit_test(branches_of_a_trunk_do_not_feel_one_another),
        cmocka_unit_test(a_sequence_does_not_feel_what_its_memory_held_before),
        cmocka_unit_test(a_long_prompt_does_not_feel_how_its_queries_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
