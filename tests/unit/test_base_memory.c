/* Blocks, the arena and the buffer. */
#include "base/memory.h"
#include "support/sanitized.h"
#include "support/test.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void blocks_are_aligned_zeroed_and_whole(void **state)
{
    (void)state;
    const size_t sizes[] = {
        0, 1, 63, 64, 65, 4097, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, (9 << 20) + 777
    };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned char *block = b4c_block_new(sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % B4C_ALIGN, 0);
        if (sizes[i] >= 4 << 20) assert_int_equal((uintptr_t)block % (2 << 20), 0);
        size_t other = 0;
        for (size_t k = 0; k < sizes[i]; k++) other += block[k] != 0;
        assert_int_equal(other, 0);
        memset(block, 0xa5, sizes[i]);
        b4c_block_free(block, sizes[i]);
    }
    b4c_block_free(NULL, 0);
    b4c_block_free(NULL, 8 << 20);
}

static void a_block_that_cannot_be_is_null(void **state)
{
    (void)state;
    assert_null(b4c_block_new(SIZE_MAX));
    assert_null(b4c_block_new(SIZE_MAX - 100));
    assert_null(b4c_block_new(SIZE_MAX / 2));
}

static void what_an_arena_gives_is_apart_and_stays(void **state)
{
    (void)state;
    b4c_arena a;
    assert_int_equal(b4c_arena_init(&a, (size_t)1 << 30), 0);
    assert_true(a.limit >= (size_t)1 << 30);
    unsigned char *part[100];
    for (int i = 0; i < 100; i++) {
        part[i] = b4c_arena_take(&a, (size_t)i * 37);
        assert_non_null(part[i]);
        assert_int_equal((uintptr_t)part[i] % B4C_ALIGN, 0);
        memset(part[i], i, (size_t)i * 37);
    }
    for (int i = 0; i < 100; i++)
        for (int k = 0; k < i * 37; k++) assert_int_equal(part[i][k], i);
    b4c_arena_done(&a);
    b4c_arena_done(&a);
}

static void an_arena_ends_at_its_limit(void **state)
{
    (void)state;
    b4c_arena a;
    assert_int_equal(b4c_arena_init(&a, 1 << 20), 0);
    const size_t used = a.used;
    assert_null(b4c_arena_take(&a, a.limit + 1));
    assert_null(b4c_arena_take(&a, SIZE_MAX));
    assert_null(b4c_arena_take(&a, SIZE_MAX - 30));
    assert_int_equal(a.used, used);
    char *all = b4c_arena_take(&a, a.limit);
    assert_non_null(all);
    all[a.limit - 1] = 1;
    assert_null(b4c_arena_take(&a, 1));
    assert_non_null(b4c_arena_take(&a, 0));
    b4c_arena_done(&a);
}

static void a_trimmed_arena_gives_its_pages_back_and_goes_on(void **state)
{
    (void)state;
    b4c_arena a;
    const size_t big = 16 << 20;
    assert_int_equal(b4c_arena_init(&a, 64 << 20), 0);
    char *kept = b4c_arena_take(&a, 100), *p = b4c_arena_take(&a, big);
    memset(kept, 7, 100);
    memset(p, 1, big);
    assert_true(a.peak >= big);
    a.used = 100;
    b4c_arena_trim(&a, a.used);
    assert_int_equal(a.peak, 100);

    /* Which pages are in memory: only the kept one may be; a huge page counts as one. */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *resident = malloc(big / page);
    assert_non_null(resident);
    if (mincore(a.base + (4 << 20), big - (4 << 20), resident) == 0) {
        size_t n = 0;
        for (size_t i = 0; i < (big - (4 << 20)) / page; i++) n += resident[i] & 1;
        assert_int_equal(n, 0);
    }
    free(resident);
    for (int i = 0; i < 100; i++) assert_int_equal(kept[i], 7);
    p = b4c_arena_take(&a, big);
    assert_int_equal(p[big - 1], 0); /* a fresh page */
    b4c_arena_done(&a);
}

static void an_arena_takes_less_where_address_space_is_short(void **state)
{
    (void)state;
    if (SANITIZED) skip();
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)1 << 30;
    if (setrlimit(RLIMIT_AS, &tight) != 0) skip();
    if (b4c_block_new((size_t)2 << 30)) skip(); /* an emulator that does not keep the limit */
    b4c_arena a;
    const int rc = b4c_arena_init(&a, (size_t)1 << 36);
    const size_t limit = a.limit;
    char *p = rc == 0 ? b4c_arena_take(&a, 1 << 20) : NULL;
    if (p) memset(p, 1, 1 << 20);
    b4c_arena_done(&a);
    setrlimit(RLIMIT_AS, &before);
    assert_int_equal(rc, 0);
    assert_non_null(p);
    assert_in_range(limit, 128 << 20, (size_t)1 << 30);
}

static void a_buffer_grows_and_stays_nul_ended(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    b4c_buffer_add(&b, "", 0);
    assert_int_equal(b.size, 0);
    assert_string_equal(b.data, "");
    for (int i = 0; i < 10000; i++) {
        b4c_buffer_print(&b, "%d,", i);
        b4c_buffer_text(&b, "你");
        b4c_buffer_add(&b, "\0", 1);
        assert_int_equal(b.data[b.size], 0);
    }
    assert_false(b.failed);
    size_t at = 0;
    for (int i = 0; i < 10000; i++) {
        char want[32];
        const int n = snprintf(want, sizeof want, "%d,你", i);
        assert_memory_equal(b.data + at, want, (size_t)n + 1);
        at += (size_t)n + 1;
    }
    assert_int_equal(at, b.size);
    b4c_buffer_done(&b);
    b4c_buffer_done(&b);
    assert_null(b.data);
}

static void a_buffer_that_failed_keeps_what_it_had(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    b4c_buffer_text(&b, "abc");
    b4c_buffer_add(&b, "x", SIZE_MAX - 2);
    assert_true(b.failed);
    b4c_buffer_text(&b, "def");
    b4c_buffer_print(&b, "%d", 1);
    assert_true(b.failed);
    assert_string_equal(b.data, "abc");
    assert_int_equal(b.size, 3);
    b4c_buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_zeroed_and_whole),
        cmocka_unit_test(a_block_that_cannot_be_is_null),
        cmocka_unit_test(what_an_arena_gives_is_apart_and_stays),
        cmocka_unit_test(an_arena_ends_at_its_limit),
        cmocka_unit_test(a_trimmed_arena_gives_its_pages_back_and_goes_on),
        cmocka_unit_test(an_arena_takes_less_where_address_space_is_short),
        cmocka_unit_test(a_buffer_grows_and_stays_nul_ended),
        cmocka_unit_test(a_buffer_that_failed_keeps_what_it_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
