/* test_noise.c - what is hidden from a model: how often, how, and in which units; and summaries
 * taken from texts. */
#include "support/test.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "train/noise.h"
#include "train/pseudo.h"
#include <math.h>

/* Within four deviations of a binomial count. */
static void assert_share(double count, double n, double p)
{
    if (fabs(count - n * p) > 4 * sqrt(n * p * (1 - p)))
        fail_msg("%g of %g, wanted a share of %g", count, n, p);
}

enum { UNITS = 20000, MASK = 4, VOCABULARY = 50 };
static const b4c_masking masking = { 0.15, MASK, VOCABULARY };

/* SPEC of RoFormer-Sim's masked_encode: of words .12 masked, .015 kept, .015 replaced. */
static void words_are_masked_kept_and_replaced_as_often_as_the_script_does(void **state)
{
    (void)state;
    int *first = calloc(UNITS + 1, sizeof *first);
    int32_t *ids = calloc(3 * UNITS, sizeof *ids), *targets = calloc(3 * UNITS, sizeof *targets);
    b4c_rng rng;
    b4c_rng_init(&rng, 1, 2, 3);
    for (int u = 0; u < UNITS; u++) first[u + 1] = first[u] + 1 + u % 3; /* of 1 to 3 tokens */
    for (int i = 0; i < first[UNITS]; i++) ids[i] = 7;
    const int chosen = b4c_mask_units(&rng, &masking, first, UNITS, ids, targets);
    int masked = 0, kept = 0, replaced = 0, same = 0;
    for (int u = 0; u < UNITS; u++) {
        const int from = first[u], n = first[u + 1] - from;
        int masks = 0, sevens = 0;
        for (int i = from; i < from + n; i++) {
            masks += ids[i] == MASK;
            sevens += ids[i] == 7;
            assert_in_range(ids[i], 1, VOCABULARY - 1);
            assert_int_equal(targets[i], targets[from]); /* a word is chosen as a whole */
        }
        if (targets[from] < 0) assert_int_equal(sevens, n);
        else if (masks == n && n == 3) masked++;
        else if (sevens == n && n == 3) kept++;
        else if (n == 3) replaced++;
        same += targets[from] >= 0;
    }
    assert_int_equal(same, chosen);
    assert_share(chosen, UNITS, 0.15);
    assert_share(masked, UNITS / 3, 0.12);
    assert_share(kept, UNITS / 3, 0.015);
    assert_share(replaced, UNITS / 3, 0.015);
    free(first);
    free(ids);
    free(targets);
}

static void a_short_text_has_at_least_one_target(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 300; seed++) {
        b4c_rng rng;
        int32_t ids[2] = { 7, 8 }, targets[2];
        const int first[] = { 0, 1, 2 };
        b4c_rng_init(&rng, seed, 0, 0);
        assert_true(b4c_mask_some(&rng, &masking, first, 2, ids, targets) >= 1);
        assert_true(targets[0] == 7 || targets[1] == 8);
    }
}

static const char *const texts[] = { "苏剑林发布了RoFormer-Sim模型v2.0，科学技术是第一生产力。",
                                     "unaffable playing 他来到了网易杭研大厦 3.14元", "今" };

/* A unit begins where a word does, and is no part of one. */
static void units_are_whole_words_of_jieba(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_words *words = b4c_words_default(&err);
    b4c_tokenizer *t = b4c_tokenizer_open(
        temp_text("noise/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nplay\n"
                                     "##ing\nro\n##former\nsim\nv\n##2\n2\n0\n苏\n剑\n林\n科\n学\n"),
        B4C_DIALECT_BERT4KERAS, &err);
    b4c_encoding e = { 0 };
    b4c_cuts cuts = { 0 };
    b4c_tokenize_options how = B4C_TOKENIZE_DEFAULT;
    how.no_special = true;
    assert_non_null(t);
    for (size_t i = 0; i < COUNT(texts); i++) {
        int first[100];
        assert_ok(b4c_tokenize(t, texts[i], SIZE_MAX, NULL, 0, &how, &e, &err), &err);
        assert_ok(b4c_words_cut(words, texts[i], strlen(texts[i]), true, &cuts, &err), &err);
        assert_int_equal(b4c_units(&e, 0, e.n, NULL, first), e.n);
        const int n = b4c_units(&e, 0, e.n, &cuts, first);
        assert_int_equal(first[n], e.n);
        for (int u = 0; u < n; u++) {
            const uint32_t begin = e.begin[first[u]], end = e.end[first[u + 1] - 1];
            for (size_t w = 0; w < cuts.n; w++) {
                const uint32_t from = w ? cuts.end[w - 1] : 0, upto = cuts.end[w];
                const bool apart = upto <= begin || from >= end;
                const bool within = from >= begin && upto <= end;
                /* a word around a unit has no token of another unit */
                const bool around = from <= begin && upto >= end &&
                                    (u == 0 || e.end[first[u] - 1] <= from) &&
                                    (u + 1 == n || e.begin[first[u + 1]] >= upto);
                assert_true(apart || within || around);
            }
        }
    }
    b4c_encoding_free(&e);
    b4c_cuts_free(&cuts);
    b4c_tokenizer_free(t);
    b4c_words_free(words);
}

/* What stays keeps its order; ceil(rate n) tokens go; spans do not touch; lengths are Poisson(3)'s,
 * whose mean is 3 (BART: lambda = 3). */
static void infilling_hides_what_it_says_in_spans_of_three_on_average(void **state)
{
    (void)state;
    enum { N = 400, ROUNDS = 300 };
    int32_t ids[N], out[2 * N + 1];
    double spans = 0, hidden = 0, first_half = 0;
    for (int i = 0; i < N; i++) ids[i] = 10 + i;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        b4c_rng rng;
        b4c_rng_init(&rng, 9, round, 0);
        const int n = b4c_infill(&rng, 0.3, MASK, ids, N, out);
        int kept = 0, last = 0, masks = 0;
        for (int i = 0; i < n; i++) {
            if (out[i] == MASK) {
                assert_true(i == 0 || out[i - 1] != MASK);
                masks++;
                first_half += i < n / 2;
                continue;
            }
            assert_true(out[i] > last);
            last = out[i];
            kept++;
        }
        assert_int_equal(kept, N - 120);
        spans += masks;
        hidden += 120;
    }
    assert_true(fabs(hidden / spans - 3) < 0.1); /* deviation of the mean: 1.7 / sqrt(12000) */
    assert_share(first_half, spans, 0.5);
}

static void infilling_bears_every_length_and_rate(void **state)
{
    (void)state;
    int32_t ids[12], out[25];
    for (int i = 0; i < 12; i++) ids[i] = 10 + i;
    for (int n = 0; n <= 12; n++)
        for (int rate = 0; rate <= 10; rate++)
            for (uint32_t seed = 0; seed < 50; seed++) {
                b4c_rng rng;
                b4c_rng_init(&rng, seed, 0, 0);
                const int k = b4c_infill(&rng, rate / 10.0, MASK, ids, n, out);
                int kept = 0;
                assert_true(k <= 2 * n + 1);
                for (int i = 0; i < k; i++) kept += out[i] != MASK;
                assert_int_equal(kept, n - (n * rate + 9) / 10);
            }
}

/* ---- summaries ------------------------------------------------------------------------------- */

static void choose(const char *const *piece, int n, char *source, char *target)
{
    b4c_error err = { 0 };
    b4c_pseudo x = { 0 };
    b4c_span span[16] = { { NULL, 0 } };
    bool chosen[16] = { false };
    source[0] = target[0] = 0;
    for (int i = 0; i < n; i++) span[i] = b4c_span_of(piece[i]);
    assert_ok(b4c_pseudo_choose(&x, span, n, chosen, &err), &err);
    for (int i = 0; i < n; i++) strcat(chosen[i] ? target : source, piece[i]);
    b4c_pseudo_done(&x);
}

/* Values of T5 PEGASUS' own function (train.py: pseudo_summary). */
static void a_summary_is_what_the_script_takes(void **state)
{
    (void)state;
    static const char *const one[] = { "小明喜欢在公园里跑步。", "公园里有很多人。",
                                       "跑步对身体好。", "小明每天在公园跑步锻炼身体。",
                                       "今天下雨了。" };
    static const char *const two[] = { "甲乙丙。", "甲乙丙丁。", "戊己。" };
    char source[400], target[400];
    choose(one, 5, source, target);
    assert_string_equal(source, "小明喜欢在公园里跑步。公园里有很多人。跑步对身体好。今天下雨了。");
    assert_string_equal(target, "小明每天在公园跑步锻炼身体。");
    choose(two, 3, source, target);
    assert_string_equal(source, "甲乙丙丁。戊己。");
    assert_string_equal(target, "甲乙丙。");
}

/* The same greedy choice with the textbook's table for subsequences. */
static int naive_lcs(const char *a, const char *b)
{
    static int table[300][300];
    const int n = (int)strlen(a), m = (int)strlen(b);
    for (int i = 0; i <= n; i++)
        for (int k = 0; k <= m; k++)
            table[i][k] = i == 0 || k == 0       ? 0
                          : a[i - 1] == b[k - 1] ? table[i - 1][k - 1] + 1
                          : table[i - 1][k] > table[i][k - 1] ? table[i - 1][k]
                                                              : table[i][k - 1];
    return table[n][m];
}

static void naive_choice(char piece[][32], int n, bool *chosen)
{
    size_t all = 0, target = 0;
    int left = n;
    for (int i = 0; i < n; i++) all += strlen(piece[i]), chosen[i] = false;
    do {
        int best = -1, longest = -1;
        for (int i = 0; i < n; i++) {
            char s[300] = "", t[300] = "";
            if (chosen[i]) continue;
            for (int k = 0; k < n; k++) strcat(chosen[k] || k == i ? t : s, piece[k]);
            const int l = naive_lcs(s, t);
            if (l > longest) longest = l, best = i;
        }
        chosen[best] = true;
        target += strlen(piece[best]);
        left--;
    } while (left > 1 && !((double)target / (double)(all - target) > 0.25));
    for (int i = 0; i < n && all - target < target; i++) chosen[i] = !chosen[i];
}

static void a_summary_is_what_the_plain_algorithm_takes(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_pseudo x = { 0 };
    b4c_rng rng;
    b4c_rng_init(&rng, 4, 0, 0);
    for (int round = 0; round < 200; round++) {
        const int n = 2 + (int)b4c_rng_below(&rng, 8);
        char piece[9][32];
        b4c_span span[9];
        bool chosen[9], wanted[9];
        for (int i = 0; i < n; i++) {
            const int l = 1 + (int)b4c_rng_below(&rng, 28);
            for (int k = 0; k < l; k++) piece[i][k] = (char)('a' + b4c_rng_below(&rng, 6));
            piece[i][l] = 0;
            span[i] = b4c_span_of(piece[i]);
        }
        naive_choice(piece, n, wanted);
        assert_ok(b4c_pseudo_choose(&x, span, n, chosen, &err), &err);
        assert_memory_equal(chosen, wanted, (size_t)n);
    }
    b4c_pseudo_done(&x);
}

static void packs_are_as_long_as_may_be_and_of_three_pieces(void **state)
{
    (void)state;
    static const int count[] = { 30, 30, 30, 10, 5, 500, 20, 9, 9, 9 };
    int next = 0;
    assert_int_equal(b4c_pseudo_pack(count, 10, 100, &next), 4); /* 30 30 30 10; 5 does not fit */
    assert_int_equal(b4c_pseudo_pack(count, 10, 100, &next), 3); /* 5 500 20: at least three */
    assert_int_equal(next, 7);
    assert_int_equal(b4c_pseudo_pack(count, 10, 100, &next), 3);
    assert_int_equal(b4c_pseudo_pack(count, 10, 100, &next), 0);
    next = 8;
    assert_int_equal(b4c_pseudo_pack(count, 10, 100, &next), 0); /* two are left over */
    assert_int_equal(next, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_masked_kept_and_replaced_as_often_as_the_script_does),
        cmocka_unit_test(a_short_text_has_at_least_one_target),
        cmocka_unit_test(units_are_whole_words_of_jieba),
        cmocka_unit_test(infilling_hides_what_it_says_in_spans_of_three_on_average),
        cmocka_unit_test(infilling_bears_every_length_and_rate),
        cmocka_unit_test(a_summary_is_what_the_script_takes),
        cmocka_unit_test(a_summary_is_what_the_plain_algorithm_takes),
        cmocka_unit_test(packs_are_as_long_as_may_be_and_of_three_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
