/* test_recompute.c - laws of what spares memory: weights without panels, gradients that are told to
 * be whole. */
#include "kernels/amx_emulated_table.h"
#include "support/test.h"
#include "tape_net.h"
#include <string.h>

enum { LIMIT = 64 << 20, SLOTS = NET_WEIGHTS + NET_ARRAYS };

/* ---- weights without panels ------------------------------------------------------------------ */

static void compare_products(const b4c_kernels *kernels, b4c_dtype dtype, int rows, b4c_act act,
                             b4c_want want)
{
    enum { N = 77, K = 45 };
    b4c_tape t;
    b4c_rng rng;
    b4c_real x[40 * K], master[N * K], bias[N];
    b4c_rng_init(&rng, 3, 0, 0);
    for (int i = 0; i < rows * K; i++) x[i] = (b4c_real)b4c_rng_normal(&rng);
    for (int i = 0; i < N * K; i++) master[i] = (b4c_real)b4c_rng_normal(&rng);
    for (int i = 0; i < N; i++) bias[i] = (b4c_real)b4c_rng_normal(&rng);
    b4c_weight whole = { .bias = { 1, N, bias, NULL } }, bare = { .master = master };
    bare.bias = whole.bias;
    assert_int_equal(b4c_packed_init(&whole.packed, N, K, dtype), 0);
    b4c_packed_fill(&whole.packed, 0, N, master, K);
    b4c_packed_place(&bare.packed, N, K, dtype, NULL);
    assert_int_equal(b4c_tape_init(&t, kernels, NULL, dtype, LIMIT, false), 0);
    const b4c_tensor in = b4c_tensor_of(x, rows, K, NULL);
    b4c_tensor a = b4c_linear(&t, in, &whole, act, want), b = b4c_linear(&t, in, &bare, act, want);
    b4c_rows_of(&t, &a);
    b4c_rows_of(&t, &b);
    assert_false(t.failed);
    for (int i = 0; i < rows; i++)
        if (memcmp(b4c_row_of(a, i), b4c_row_of(b, i), N * sizeof *a.x) != 0)
            fail_msg("%s, dtype %d: row %d of %d differs without panels", kernels->name, dtype, i,
                     rows);
    b4c_tape_done(&t);
    b4c_packed_done(&whole.packed);
}

static void products_are_the_same_without_panels(void **state)
{
    static const char *const tables[] = { "scalar", "avx2", "avx512", "amx", "neon" };
    static const int rows[] = { 1, 3, 16, 40 };
    (void)state;
    for (size_t k = 0; k < COUNT(tables); k++) {
        const b4c_kernels *kernels = b4c_kernels_find(tables[k]);
        if (!kernels && strcmp(tables[k], "amx") == 0) kernels = amx_emulated_table();
        for (size_t r = 0; kernels && r < COUNT(rows); r++)
            for (b4c_act act = B4C_ACT_NONE; act <= B4C_ACT_TANH; act++)
                for (b4c_want want = B4C_ROWS; want <= B4C_BOTH; want++) {
                    compare_products(kernels, B4C_F32, rows[r], act, want);
                    compare_products(kernels, B4C_BF16, rows[r], act, want);
                }
    }
}

/* ---- whole gradients ------------------------------------------------------------------------- */

typedef struct told {
    b4c_tape *tape;
    b4c_slot *slot[2 * SLOTS];
    b4c_real *copy[2 * SLOTS];
    bool drop;
    int n;
} told;

static size_t bytes_of(const b4c_slot *s)
{
    return (size_t)s->rows * (size_t)s->ld * sizeof(b4c_real);
}

static void note(void *arg, b4c_slot *slot)
{
    told *w = arg;
    assert_true(w->n < 2 * SLOTS);
    w->slot[w->n] = slot;
    w->copy[w->n] = slot->g ? memcpy(malloc(bytes_of(slot)), slot->g, bytes_of(slot)) : NULL;
    w->n++;
    if (w->drop) b4c_slot_drop(w->tape, slot);
}

static void told_done(told *w)
{
    for (int i = 0; i < w->n; i++) free(w->copy[i]);
    w->n = 0;
}

static tape_net *small_net(void)
{
    const int lengths[] = { 5, 9, 1, 7 };
    tape_net *net = tape_net_new(B4C_F32, 16, 2, lengths, 4);
    tape_net_lend(net);
    return net;
}

static void a_gradient_that_is_told_to_be_whole_is_the_last_of_it(void **state)
{
    (void)state;
    tape_net *net = small_net();
    b4c_tape t;
    told w = { .tape = &t };
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, LIMIT, true), 0);
    for (int again = 0; again < 2; again++) {
        b4c_tape_reset(&t);
        t.whole = note;
        t.whole_arg = &w;
        b4c_backward(&t, tape_net_run(&t, net).loss);
        assert_false(t.failed);
        int with = 0;
        for (int i = 0; i < w.n; i++) {
            with += w.copy[i] != NULL;
            assert_true(!w.copy[i] == !w.slot[i]->g);
            if (w.copy[i])
                assert_memory_equal(w.copy[i], w.slot[i]->g, bytes_of(w.slot[i]));
            for (int k = 0; k < i; k++) assert_ptr_not_equal(w.slot[i], w.slot[k]);
        }
        int learned = 0;
        for (int i = 0; i < net->n_weight; i++) learned += net->weight_slot[i].g != NULL;
        for (int i = 0; i < net->n_array; i++) learned += net->array_slot[i].g != NULL;
        assert_int_equal(with, learned);
        assert_true(learned > 8);
        told_done(&w);
    }
    b4c_tape_done(&t);
    tape_net_free(net);
}

static void a_gradient_that_is_let_go_leaves_its_memory_to_others(void **state)
{
    (void)state;
    tape_net *net = small_net();
    size_t peak[2];
    for (int drop = 0; drop < 2; drop++) {
        b4c_tape t;
        told w = { .tape = &t, .drop = drop };
        assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, B4C_F32, LIMIT, true), 0);
        t.whole = note;
        t.whole_arg = &w;
        b4c_backward(&t, tape_net_run(&t, net).loss);
        assert_false(t.failed);
        peak[drop] = t.lives.arena.peak;
        if (drop)
            for (int i = 0; i < w.n; i++) assert_null(w.slot[i]->g);
        told_done(&w);
        b4c_tape_done(&t);
    }
    assert_true(peak[1] < peak[0]);
    tape_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_the_same_without_panels),
        cmocka_unit_test(a_gradient_that_is_told_to_be_whole_is_the_last_of_it),
        cmocka_unit_test(a_gradient_that_is_let_go_leaves_its_memory_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
