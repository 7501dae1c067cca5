/* test_text_trie.c - the double array against looking through a list. */
#include "text/trie.h"

#include "base/rng.h"
#include "support/test.h"

enum { MOST_KEYS = 3000, MOST_BYTES = 12 };

typedef struct list {
    char text[MOST_KEYS][MOST_BYTES];
    b4c_key key[MOST_KEYS];
    size_t n;
} list;

static int find(const list *l, const char *text, size_t bytes)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->key[i].bytes == bytes && memcmp(l->text[i], text, bytes) == 0) return (int)i;
    return -1;
}

/* Distinct keys over `letters` byte values, from `first` on. */
static void fill(list *l, b4c_rng *r, size_t n, int letters, int first)
{
    l->n = 0;
    for (size_t tries = 0; l->n < n && tries < 4 * n; tries++) {
        char *text = l->text[l->n];
        const size_t bytes = 1 + b4c_rng_below(r, MOST_BYTES);
        for (size_t i = 0; i < bytes; i++)
            text[i] = (char)(first + (int)b4c_rng_below(r, (uint32_t)letters));
        if (find(l, text, bytes) < 0) {
            l->key[l->n] = (b4c_key){ text, bytes, (int32_t)l->n };
            l->n++;
        }
    }
}

static void finds_what_a_list_finds(void **state)
{
    (void)state;
    list *l = malloc(sizeof *l);
    assert_non_null(l);
    b4c_rng r;
    b4c_rng_init(&r, 3, 0, 0);
    static const struct { size_t n; int letters, first; } kind[] = {
        { 0, 1, 'a' }, { 1, 1, 0 }, { 12, 1, 'a' }, { 400, 2, 'a' }, { 3000, 4, 254 },
        { 3000, 64, 128 }, { 3000, 256, 0 },
    };
    for (size_t k = 0; k < COUNT(kind); k++) {
        fill(l, &r, kind[k].n, kind[k].letters, kind[k].first);
        b4c_key *keys = malloc((l->n + 1) * sizeof *keys);
        assert_non_null(keys);
        memcpy(keys, l->key, l->n * sizeof *keys);
        b4c_trie trie;
        assert_int_equal(b4c_trie_build(&trie, keys, l->n, NULL), 0);
        for (size_t i = 0; i < l->n; i++)
            assert_int_equal(b4c_trie_find(&trie, l->text[i], l->key[i].bytes), i);
        for (int tries = 0; tries < 3000; tries++) {
            char text[MOST_BYTES];
            for (int i = 0; i < MOST_BYTES; i++)
                text[i] = (char)(kind[k].first + (int)b4c_rng_below(&r, (uint32_t)kind[k].letters));
            const size_t bytes = b4c_rng_below(&r, MOST_BYTES + 1);
            assert_int_equal(b4c_trie_find(&trie, text, bytes), bytes ? find(l, text, bytes) : -1);
            int want = -1;
            size_t want_length = 0, length = 0;
            for (size_t n = 1; n <= bytes; n++) {
                const int i = find(l, text, n);
                if (i >= 0) want = i, want_length = n;
            }
            assert_int_equal(b4c_trie_longest(&trie, text, bytes, &length), want);
            if (want >= 0) assert_int_equal(length, want_length);
        }
        b4c_trie_done(&trie);
        free(keys);
    }
    free(l);
}

static void any_byte_may_follow_any_node(void **state)
{
    (void)state;
    b4c_key keys[] = { { "ab", 2, 0 }, { "\xff\x00z", 3, 1 }, { "\x00", 1, 2 } };
    b4c_trie trie;
    assert_int_equal(b4c_trie_build(&trie, keys, COUNT(keys), NULL), 0);
    for (uint32_t node = 0; node < trie.size; node++)
        for (int byte = 0; byte < 256; byte++) {
            const uint32_t next = b4c_trie_step(&trie, node, (uint8_t)byte);
            assert_true(next == B4C_TRIE_NONE || next < trie.size);
        }
    assert_int_equal(b4c_trie_find(&trie, "\xff\x00z", 3), 1);
    assert_int_equal(b4c_trie_find(&trie, "\x00", 1), 2);
    b4c_trie_done(&trie);
}

static void equal_keys_are_named(void **state)
{
    (void)state;
    b4c_key keys[] = { { "b", 1, 9 }, { "ab", 2, 7 }, { "a", 1, 5 }, { "ab", 2, 2 } };
    b4c_trie trie;
    int32_t twice[2] = { -1, -1 };
    assert_int_equal(b4c_trie_build(&trie, keys, COUNT(keys), twice), B4C_E_FORMAT);
    assert_int_equal(twice[0], 2);
    assert_int_equal(twice[1], 7);
    assert_null(trie.unit);
}

static void an_empty_key_is_left_out(void **state)
{
    (void)state;
    b4c_key keys[] = { { "", 0, 0 }, { "a", 1, 1 }, { "", 0, 2 } };
    b4c_trie trie;
    assert_int_equal(b4c_trie_build(&trie, keys, COUNT(keys), NULL), 0);
    assert_int_equal(b4c_trie_find(&trie, "", 0), -1);
    assert_int_equal(b4c_trie_find(&trie, "a", 1), 1);
    b4c_trie_done(&trie);
}

static void one_very_long_key_is_found(void **state)
{
    (void)state;
    const size_t n = 100000;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'x', n);
    b4c_key keys[] = { { text, n, 0 }, { text, n / 2, 1 } };
    b4c_trie trie;
    assert_int_equal(b4c_trie_build(&trie, keys, COUNT(keys), NULL), 0);
    size_t length = 0;
    assert_int_equal(b4c_trie_longest(&trie, text, n - 1, &length), 1);
    assert_int_equal(length, n / 2);
    assert_int_equal(b4c_trie_find(&trie, text, n), 0);
    b4c_trie_done(&trie);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_list_finds),
        cmocka_unit_test(any_byte_may_follow_any_node),
        cmocka_unit_test(equal_keys_are_named),
        cmocka_unit_test(an_empty_key_is_left_out),
        cmocka_unit_test(one_very_long_key_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
