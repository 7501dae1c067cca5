/* test_segment.c - laws of a backward that tells when a gradient is whole. */
#include "support/test.h"
#include "tape_net.h"
#include <string.h>

enum { LIMIT = 64 << 20, SLOTS = NET_WEIGHTS + NET_ARRAYS };

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
        cmocka_unit_test(a_gradient_that_is_told_to_be_whole_is_the_last_of_it),
        cmocka_unit_test(a_gradient_that_is_let_go_leaves_its_memory_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
