/* test_attention.c - attention of every instruction set against double loops, and the laws that
 * hold to the bit: a query sees its interval and nothing else, alone or beside others, with its
 * keys in the batch or in a cache. */
#include "attention_scene.h"

#include <math.h>

static void attention_is_the_softmax_of_what_is_visible(void **state)
{
    (void)state;
    static const int sizes[] = { 8, 12, 16, 24, 32, 40, 64, 128 },
                     keys[] = { 1, 2, 7, 15, 16, 17, 31, 32, 33, 50, 64, 65, 130, 300 };
    EACH_TABLE(t)
    for (int i = 0; i < COUNT(sizes); i++)
        for (int j = 0; j < COUNT(keys); j++) {
            const int n = i * COUNT(keys) + j, k = keys[j],
                      q = n % 3 == 0 ? k : 1 + n * 7 % (k < 40 ? k : 40);
            scene s = scene_new(n % 4 == 3 ? 4 : 2, 2, sizes[i], q, k, (mask)(n % MASKS),
                                (mask)(n % 5 ? n % MASKS : CAUSAL), (unsigned)n);
            if (n % 4 == 1) scene_add_bias(&s, n % 8 == 1 ? 3 : 400);
            if (n % 4 == 2 || n % 16 == 1) scene_add_rel(&s, n % 8 == 2 ? 64 : 4);
            if (n % 3 == 1) scene_add_weights(&s);
            scene_check(t, &s);
            scene_done(&s);
        }
}

static void every_number_of_queries_is_right(void **state)
{
    (void)state;
    EACH_TABLE(t)
    for (int n = 1; n <= 45; n++) {
        scene s = scene_new(3, 3, 16, n, n, (mask)(n % MASKS), FULL, (unsigned)n);
        scene_add_weights(&s);
        scene_check(t, &s);
        scene_done(&s);
    }
}

static void a_query_that_sees_nothing_gives_zeros(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        scene s = scene_new(2, 1, 24, 20, 33, FULL, CAUSAL, 5);
        scene_add_rel(&s, 8);
        scene_add_weights(&s);
        for (int i = 0; i < 20; i += 3) {
            s.interval[0][i] = s.interval[1][i] = i;
            s.interval[2][i] = 30;
            s.interval[3][i] = 4;
        }
        scene_run(t, &s);
        for (int i = 0; i < 20; i += 3) {
            for (int c = 0; c < s.width; c++) assert_true(s.out[i * s.out_ld + c] == 0);
            for (int h = 0; h < 2; h++)
                for (int j = 0; j < 33; j++) assert_true(s.weights[(h * 20 + i) * 33 + j] == 0);
        }
        for (int i = 0; i < 20; i++)
            s.interval[0][i] = s.interval[1][i] = s.interval[2][i] = s.interval[3][i] = 7;
        for (int i = 0; i < 33 * s.job.v_ld; i++) s.v[i] = NAN; /* nobody looks */
        scene_run(t, &s);
        for (int i = 0; i < 20; i++)
            for (int c = 0; c < s.width; c++) assert_true(s.out[i * s.out_ld + c] == 0);
        scene_done(&s);
    }
}

/* Queries one at a time, and in twos and sevens, give the bits of all at once. */
static void a_query_does_not_feel_its_neighbours(void **state)
{
    (void)state;
    EACH_TABLE(t)
    for (int m = 0; m < MASKS; m++)
        for (int step = 1; step <= 7; step += step == 1 ? 1 : 5) {
            scene s = scene_new(4, 2, 32, 41, 71, (mask)m, CAUSAL, 9);
            if (m % 3 == 1) scene_add_bias(&s, 6);
            if (m % 3 == 2) scene_add_rel(&s, 6);
            scene_run(t, &s);
            float *all = malloc(s.n_out * sizeof *all);
            memcpy(all, s.out, s.n_out * sizeof *all);
            for (size_t i = 0; i < s.n_out; i++) s.out[i] = 55;
            for (int i = 0; i < 41; i += step) {
                b4c_attention part = s.job;
                part.q_rows = i + step < 41 ? step : 41 - i;
                part.q += i * part.q_ld;
                part.from += i;
                part.upto += i;
                if (part.from2) {
                    part.from2 += i;
                    part.upto2 += i;
                }
                part.pos += i;
                part.out_row = i;
                for (int h = 0; h < 4; h++)
                    t->attention(&part, 3 - h, 4 - h, s.scratch); /* heads in any order */
            }
            assert_memory_equal(all, s.out, s.n_out * sizeof *all);
            free(all);
            scene_done(&s);
        }
}

/* Token by token, the keys of the past in a cache with other strides and room for more: the bits of
 * one causal pass. */
static void cached_steps_give_the_bits_of_all_at_once(void **state)
{
    (void)state;
    enum { N = 67, ROOM = 90 };
    EACH_TABLE(t)
    for (int kind = 0; kind < 3; kind++) {
        scene s = scene_new(2, 2, 64, N, N, CAUSAL, CAUSAL, 21);
        if (kind == 1) scene_add_bias(&s, 20);
        if (kind == 2) scene_add_rel(&s, 64);
        scene_run(t, &s);
        const int ld = 2 * s.width;
        float *cache = random_floats((size_t)(ROOM * ld), 4, 9), one[128];
        for (int i = 0; i < N; i++) {
            memcpy(cache + i * ld, s.k + i * s.job.k_ld, (size_t)s.width * sizeof *cache);
            memcpy(cache + i * ld + s.width, s.v + i * s.job.v_ld, (size_t)s.width * sizeof *cache);
            b4c_attention step = s.job;
            const int from = 0, upto = i + 1;
            step.q_rows = 1;
            step.k_rows = i + 1;
            step.q += i * step.q_ld;
            step.k = cache;
            step.v = cache + s.width;
            step.k_ld = step.v_ld = ld;
            step.from = &from;
            step.upto = &upto;
            step.pos += i;
            step.out = (b4c_operand){ B4C_FORM_REAL, 1, s.width, one, 128, NULL };
            t->attention(&step, 0, 2, s.scratch);
            assert_memory_equal(one, s.out + i * s.out_ld, sizeof one);
        }
        free(cache);
        scene_done(&s);
    }
}

/* The scene's keys and values put away, in pages that lie in no order; each row by itself where
 * `singly`. Frees: pages. */
static char *keep(const b4c_kernels *t, b4c_attention *job, int *page, bool singly)
{
    const int pages = job->k_rows / B4C_PAGE + 1;    /* one more key finds room */
    const bool bf16 = job->bf16 && !job->rel;
    char *data = calloc((size_t)pages, t->page_bytes(job->kv_heads, job->head_size, bf16));
    for (int i = 0; i < pages; i++) page[i] = (i + pages / 2) % pages;
    const b4c_keeping all = { .kv_heads = job->kv_heads,
                              .head_size = job->head_size,
                              .bf16 = bf16,
                              .k = job->k,
                              .v = job->v,
                              .k_ld = job->k_ld,
                              .v_ld = job->v_ld,
                              .pages = data,
                              .page = page };
    if (!singly) t->keep(&all, 0, job->k_rows);
    for (int i = 0; i < job->k_rows && singly; i++) {
        b4c_keeping one = all;
        one.k += i * all.k_ld;
        one.v += i * all.v_ld;
        one.at = i;
        t->keep(&one, 0, 1);
    }
    job->k = job->v = NULL;
    job->pages = data;
    job->page = page;
    return data;
}

static void check_kept(const b4c_kernels *t, int kind, mask m, int k_rows, int hidden)
{
    static const int heads[] = { 2, 4, 3, 2 }, kv_heads[] = { 2, 2, 1, 2 },
                     sizes[] = { 64, 32, 16, 10 };
    scene s = scene_new(heads[kind], kv_heads[kind], sizes[kind], 9, k_rows, m, ANTI, 31);
    if (kind == 1) scene_add_bias(&s, 20);
    if (kind == 2) scene_add_rel(&s, 64);
    /* what some queries do not see, in a value and in a key */
    if (hidden >= 0) s.v[hidden * s.job.v_ld] = s.k[hidden * s.job.k_ld + 3] = INFINITY;
    float *want = scene_results(t, &s);
    int page[8];
    char *pages = keep(t, &s.job, page, kind % 2 == 1);
    scene_run(t, &s);
    for (size_t i = 0; i < s.n_out; i++)
        if (isnan(want[i]) ? !isnan(s.out[i]) : memcmp(&want[i], &s.out[i], sizeof *want) != 0)
            fail_msg("%s: kind %d, mask %d, %d keys: %g, wanted %g", t->name, kind, (int)m, k_rows,
                     (double)s.out[i], (double)want[i]);
    free(pages);
    free(want);
    scene_done(&s);
}

static void kept_keys_give_the_bits_of_rows(void **state)
{
    (void)state;
    static const int rows[] = { 1, 31, 32, 33, 64, 97, 200 };
    EACH_TABLE(t)
    for (int kind = 0; kind < 4; kind++)
        for (int m = 0; m < MASKS; m++)
            for (int i = 0; i < COUNT(rows); i++) {
                check_kept(t, kind, (mask)m, rows[i], -1);
                check_kept(t, kind, (mask)m, rows[i], rows[i] - 1);
                check_kept(t, kind, (mask)m, rows[i], rows[i] / 2);
            }
}

/* The newest key of one query, put away by the attention that looks at it, beside those of before;
 * head by head, and all heads at once. */
static void check_keeping(const b4c_kernels *t, int kind, int k_rows)
{
    static const int heads[] = { 2, 4, 12, 6 }, kv_heads[] = { 2, 2, 12, 3 },
                     sizes[] = { 64, 32, 16, 10 };
    scene s = scene_new(heads[kind], kv_heads[kind], sizes[kind], 1, k_rows, FULL, FULL, 5);
    const int group = heads[kind] / kv_heads[kind];
    if (kind == 1) scene_add_bias(&s, 20);
    if (kind == 3) scene_add_rel(&s, 8);
    s.job.head_set = NULL;
    float *want = scene_results(t, &s);
    int page[8];
    const b4c_real *k = s.job.k, *v = s.job.v;
    for (int apart = 0; apart < 2; apart++) {
        s.job.k = k;
        s.job.v = v;
        s.job.k_rows = k_rows - 1;
        memset(s.out, 0, s.n_out * sizeof *s.out);
        char *pages = keep(t, &s.job, page, true);
        b4c_attention job = s.job;
        job.k_rows = k_rows;
        job.k = k + (k_rows - 1) * job.k_ld;
        job.v = v + (k_rows - 1) * job.v_ld;
        job.keep = true;
        job.later_page = page;
        job.later_pages = 1;
        for (int h = 0, n = apart ? group : job.heads; h < job.heads; h += n)
            t->attention(&job, h, h + n, s.scratch);
        for (int c = 0; c < s.width; c++)
            if (memcmp(&want[c], &s.out[c], sizeof *want) != 0)
                fail_msg("%s: kind %d, %d keys: %g, wanted %g", t->name, kind, k_rows,
                         (double)s.out[c], (double)want[c]);
        free(pages);
    }
    free(want);
    scene_done(&s);
}

static void a_key_may_be_put_away_by_the_query_that_sees_it_first(void **state)
{
    (void)state;
    static const int rows[] = { 1, 2, 31, 32, 33, 64, 97 };
    EACH_TABLE(t)
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < COUNT(rows); i++) check_keeping(t, kind, rows[i]);
}

static void what_is_hidden_cannot_be_felt(void **state)
{
    (void)state;
    static const float poison[] = { NAN, INFINITY, -INFINITY, 3e38f };
    EACH_TABLE(t)
    for (int m = CAUSAL; m < MASKS; m++)
        for (int bad = 0; bad < 50; bad += 7)
            for (int p = 0; p < COUNT(poison); p++) {
                scene s = scene_new(2, 2, 16, 50, 50, (mask)m, (mask)m, 31);
                if (m == WINDOW) scene_add_rel(&s, 8);
                scene_run(t, &s);
                float *good = malloc(s.n_out * sizeof *good);
                memcpy(good, s.out, s.n_out * sizeof *good);
                for (int c = 0; c < s.width; c++)
                    s.k[bad * s.job.k_ld + c] = s.v[bad * s.job.v_ld + c] = poison[p];
                scene_run(t, &s);
                for (int i = 0; i < 50; i++) {
                    const bool sees = s.interval[0][i] <= bad && bad < s.interval[1][i];
                    const size_t row = (size_t)(i * s.out_ld);
                    if (!sees)
                        assert_memory_equal(good + row, s.out + row,
                                            (size_t)s.width * sizeof *good);
                    for (int c = 0; sees && p == 0 && c < s.width; c++)
                        assert_true(isnan(s.out[row + (size_t)c]));
                }
                free(good);
                scene_done(&s);
            }
}

static void large_scores_do_not_overflow(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        scene s = scene_new(1, 1, 32, 9, 40, FULL, FULL, 41);
        for (int i = 0; i < 9 * s.job.q_ld; i++) s.q[i] *= 1e4f;
        scene_run(t, &s);
        for (int i = 0; i < 9; i++) /* all weight on the largest score: that key's value */
            for (int c = 0; c < 32; c++) {
                double best = -INFINITY;
                int at = 0;
                for (int j = 0; j < 40; j++) {
                    double dot = 0;
                    for (int e = 0; e < 32; e++)
                        dot += (double)s.q[i * s.job.q_ld + e] * s.k[j * s.job.k_ld + e];
                    if (dot > best) {
                        best = dot;
                        at = j;
                    }
                }
                float got = s.out[i * s.out_ld + c]; /* bf16 may find another key the best */
                assert_true(scenes_in_bf16 ? fabsf(got) < 2.01f : got == s.v[at * s.job.v_ld + c]);
            }
        scene_done(&s);
    }
}

/* BF16, in rows or tiles, is the rounding of the rows of numbers, and its padding is zero. */
static void the_operand_is_the_rounding_of_the_rows(void **state)
{
    (void)state;
    static const struct {
        int heads, d;
    } shapes[] = { { 12, 64 }, { 12, 32 }, { 3, 8 }, { 5, 12 }, { 3, 24 }, { 1, 16 }, { 7, 5 } };
    static const b4c_form forms[] = { B4C_FORM_BF16, B4C_FORM_TILE_BF16 };
    EACH_TABLE(t)
    for (int i = 0; i < COUNT(shapes); i++)
        for (int f = 0; f < COUNT(forms); f++) {
            scene s = scene_new(shapes[i].heads, shapes[i].heads, shapes[i].d, 21, 37, PREFIX,
                                PREFIX, 51);
            scene_run(t, &s);
            size_t ld, bytes = b4c_operand_bytes(forms[f], 30, s.width, &ld);
            uint8_t *data = b4c_block_new(bytes);
            memset(data, 0x55, bytes);
            s.job.out = (b4c_operand){ forms[f], 30, s.width, data, ld, NULL };
            s.job.out_row = 4;
            t->attention(&s.job, 0, s.job.heads, s.scratch);
            for (int r = 0; r < 30; r++)
                for (int c = 0; c < (s.width + 31) / 32 * 32; c++) {
                    size_t at = forms[f] == B4C_FORM_BF16
                                  ? (size_t)r * ld + (size_t)c * 2
                                  : (size_t)(r / 16) * ld + (size_t)(c / 32) * 1024 +
                                        (size_t)(r % 16) * 64 + (size_t)(c % 32) * 2;
                    uint16_t got, want = 0x5555;
                    memcpy(&got, data + at, 2);
                    if (r >= 4 && r < 25)
                        want = c < s.width ? b4c_to_bf16(s.out[(r - 4) * s.out_ld + c]) : 0;
                    if (got != want)
                        fail_msg("%s: row %d column %d is %04x, not %04x", t->name, r, c, got,
                                 want);
                }
            b4c_block_free(data, bytes);
            scene_done(&s);
        }
}

static void query_heads_that_share_keys_see_the_same_keys(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        scene s = scene_new(6, 2, 32, 19, 44, CAUSAL, CAUSAL, 61);
        scene_run(t, &s);
        const int d = 32, ld = 6 * d;
        float *k = malloc((size_t)(44 * ld) * sizeof *k),
              *v = malloc((size_t)(44 * ld) * sizeof *v);
        float *shared = malloc(s.n_out * sizeof *shared);
        for (int j = 0; j < 44; j++)
            for (int h = 0; h < 6; h++) {
                memcpy(k + j * ld + h * d, s.k + j * s.job.k_ld + h / 3 * d, (size_t)d * sizeof *k);
                memcpy(v + j * ld + h * d, s.v + j * s.job.v_ld + h / 3 * d, (size_t)d * sizeof *v);
            }
        memcpy(shared, s.out, s.n_out * sizeof *shared);
        s.job.kv_heads = 6;
        s.job.k = k;
        s.job.v = v;
        s.job.k_ld = s.job.v_ld = ld;
        scene_run(t, &s);
        assert_memory_equal(shared, s.out, s.n_out * sizeof *shared);
        free(k);
        free(v);
        free(shared);
        scene_done(&s);
    }
}

/* Queries, keys and values that are bf16 already give the bits of those that are rounded on the
 * way. */
static void bf16_rows_are_read_as_they_are(void **state)
{
    (void)state;
    static const int sizes[] = { 16, 32, 48, 64, 128 }, rows[] = { 1, 2, 11, 33, 60 };
    EACH_TABLE(t)
    for (int i = 0; i < COUNT(sizes) * COUNT(rows); i++) {
        const int d = sizes[i / COUNT(rows)], n = rows[i % COUNT(rows)];
        if (!scenes_in_bf16 || !t->bf16_heads || d % t->bf16_heads) continue;
        scene s = scene_new(4, 2, d, n, n, (mask)(i % MASKS), FULL, (unsigned)i);
        if (i % 2) scene_add_bias(&s, 5);
        scene_run(t, &s);
        float *want = malloc(s.n_out * sizeof *want);
        memcpy(want, s.out, s.n_out * sizeof *want);
        const float *from[3] = { s.q, s.k, s.v };
        const int ld[3] = { s.job.q_ld, s.job.k_ld, s.job.v_ld };
        uint16_t *half[3];
        for (int a = 0; a < 3; a++) {
            half[a] = malloc((size_t)(n * ld[a]) * sizeof *half[a]);
            for (int j = 0; j < n * ld[a]; j++) half[a][j] = b4c_to_bf16(from[a][j]);
        }
        s.job.q = s.job.k = s.job.v = NULL;
        s.job.q_half = half[0];
        s.job.k_half = half[1];
        s.job.v_half = half[2];
        scene_run(t, &s);
        assert_memory_equal(want, s.out, s.n_out * sizeof *want);
        for (int a = 0; a < 3; a++) free(half[a]);
        free(want);
        scene_done(&s);
    }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_the_softmax_of_what_is_visible),
        cmocka_unit_test(every_number_of_queries_is_right),
        cmocka_unit_test(a_query_that_sees_nothing_gives_zeros),
        cmocka_unit_test(a_query_does_not_feel_its_neighbours),
        cmocka_unit_test(cached_steps_give_the_bits_of_all_at_once),
        cmocka_unit_test(kept_keys_give_the_bits_of_rows),
        cmocka_unit_test(a_key_may_be_put_away_by_the_query_that_sees_it_first),
        cmocka_unit_test(what_is_hidden_cannot_be_felt),
        cmocka_unit_test(large_scores_do_not_overflow),
        cmocka_unit_test(the_operand_is_the_rounding_of_the_rows),
        cmocka_unit_test(query_heads_that_share_keys_see_the_same_keys),
        cmocka_unit_test(bf16_rows_are_read_as_they_are),
    };
    int failed = cmocka_run_group_tests_name("attention", tests, scenes_of_numbers, NULL);
    return failed + cmocka_run_group_tests_name("attention with bf16 products", tests,
                                                scenes_of_pairs, NULL);
}
