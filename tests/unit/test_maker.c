/* test_maker.c - the rows that each task's examples have, as the scripts that they come from build
 * them. */
#include "support/test.h"
#include "train/maker.h"
#include "unit/text_case.h"
#include <math.h>

enum { CLS = 2, SEP, MASK, A, B, C, D, E, COMMA = 15, STOP, VOCABULARY };

static b4c_tokenizer *tokenizer;

static int open_tokenizer(void **state)
{
    (void)state;
    tokenizer = make_small("[PAD] [UNK] [CLS] [SEP] [MASK] 甲 乙 丙 "
                           "丁 戊 己 庚 辛 科学技术 第一 ， 。",
                           B4C_DIALECT_BERT4KERAS, -1);
    return 0;
}

static int close_tokenizer(void **state)
{
    (void)state;
    b4c_tokenizer_free(tokenizer);
    return 0;
}

static b4c_maker_options options(b4c_task_kind task)
{
    return (b4c_maker_options){ .task = task, .tokenizer = tokenizer,
                                .teacher = task == B4C_TASK_DISTIL ? tokenizer : NULL,
                                .start = CLS, .end = SEP, .vocabulary = VOCABULARY,
                                .max_length = 32, .max_target = 16, .seed = 1, .mask_rate = 0.15,
                                .summary_chars = 768, .negatives = 7 };
}

/* Part `part` of visit `key`, alone in the batch. Returns parts. */
static int make_part(b4c_maker *m, const char *const *text, int n, uint64_t key, uint64_t part,
                b4c_batch *b)
{
    b4c_error err = { 0 };
    const b4c_visit v = { .key = key };
    const b4c_example_place at = { { key, part }, &v };
    static b4c_data_record r;
    r.n = n;
    for (int i = 0; i < n; i++) r.text[i] = b4c_span_of(text[i]);
    b4c_batch_clear(b);
    const int parts = b4c_maker_make(m, &r, 0, &at, b, &err);
    assert_ok(parts, &err);
    return parts;
}

static b4c_maker maker_of(const b4c_maker_options *o)
{
    b4c_error err = { 0 };
    b4c_maker m;
    assert_ok(b4c_maker_init(&m, o, &err), &err);
    return m;
}

#define assert_ids(got, ...)                                                     \
    do {                                                                         \
        const int32_t wanted_[] = { __VA_ARGS__ };                               \
        assert_memory_equal((got), wanted_, sizeof wanted_);                     \
    } while (0)

/* SimBERT's script: [CLS] a [SEP] b [SEP] and [CLS] b [SEP] a [SEP]; asked is what has segment 1,
 * by the row before it. The last [SEP] is read by nobody and has no row. */
static void a_group_gives_both_directions(void **state)
{
    (void)state;
    static const char *const group[] = { "甲乙", "丙丁戊" };
    const b4c_maker_options o = options(B4C_TASK_SIMBERT);
    b4c_maker m = maker_of(&o);
    b4c_batch b;
    bool swapped[2] = { false, false };
    b4c_batch_init(&b);
    for (uint64_t key = 0; key < 20; key++) {
        make_part(&m, group, 2, key, 0, &b);
        assert_int_equal(b.n_seq, 2);
        assert_int_equal(b.n_rows, 7 + 7);
        const bool first = b.ids[1] == A;
        const int s = first ? 0 : 7, t = first ? 7 : 0;
        assert_ids(b.ids + s, CLS, A, B, SEP, C, D, E);
        assert_ids(b.segments + s, 0, 0, 0, 0, 1, 1, 1);
        assert_ids(b.targets + s, -1, -1, -1, C, D, E, SEP);
        assert_ids(b.ids + t, CLS, C, D, E, SEP, A, B);
        assert_ids(b.targets + t, -1, -1, -1, -1, A, B, SEP);
        swapped[first] = true;
    }
    assert_true(swapped[0] && swapped[1]);
    b4c_batch_done(&b);
    b4c_maker_done(&m);
}

/* RoFormer-Sim's stage 1 and 2: half of the sources have noise; targets and the teacher's texts
 * never have. The noise is whole words at 0.15. */
static void half_of_the_sources_are_noisy_and_what_they_give_is_clean(void **state)
{
    (void)state;
    enum { ROUNDS = 4000 };
    static const char *const group[] = { "甲，乙，丙，丁，戊，己，庚，辛", "辛，庚，己，戊，丁，丙，乙，甲" };
    b4c_maker_options o = options(B4C_TASK_DISTIL);
    o.noise = 0.5;
    o.max_length = 40;
    b4c_maker m = maker_of(&o);
    b4c_batch b;
    int touched = 0, sequences = 0;
    b4c_batch_init(&b);
    for (uint64_t key = 0; key < ROUNDS; key++) {
        make_part(&m, group, 2, key, 0, &b);
        for (int s = 0; s < 2; s++, sequences++) {
            const int32_t *ids = b.ids + b.seq_off[s], *teacher = b.teacher_ids + b.teacher_off[s];
            const int rows = b.seq_off[s + 1] - b.seq_off[s];
            assert_int_equal(b.teacher_off[s + 1] - b.teacher_off[s], 17);
            assert_int_equal(rows, 17 + 15);
            assert_true(ids[0] == CLS && ids[16] == SEP); /* never masked */
            touched += memcmp(ids, teacher, 17 * sizeof *ids) != 0;
            for (int i = 0; i < 17; i++) assert_true(teacher[i] != MASK && ids[i] != 0);
            for (int i = 17; i < rows; i++) assert_true(ids[i] >= A);
        }
    }
    /* a noisy source of 15 words is untouched with 0.865^15 (kept words look the same), and a bit
     * more, since a random token may be what stood there: 1/16 of 0.015 */
    const double p = 0.5 * (1 - pow(0.865 + 0.015 / 16, 15)), n = sequences;
    assert_true(fabs(touched - n * p) < 4 * sqrt(n * p * (1 - p)));
    b4c_batch_done(&b);
    b4c_maker_done(&m);
}

/* UniLM and T5 ask for the same tokens of a pair; an encoder-decoder's come behind the start. */
static void a_pair_asks_its_target_and_its_end(void **state)
{
    (void)state;
    static const char *const pair[] = { "甲乙丙", "丁戊" };
    b4c_maker_options o = options(B4C_TASK_SEQ2SEQ);
    b4c_maker m = maker_of(&o);
    b4c_batch b;
    b4c_batch_init(&b);
    make_part(&m, pair, 2, 0, 0, &b);
    assert_int_equal(b.n_rows, 7);
    assert_ids(b.ids, CLS, A, B, C, SEP, D, E);
    assert_ids(b.targets, -1, -1, -1, -1, D, E, SEP);
    b4c_maker_done(&m);
    o.encoder_decoder = true;
    m = maker_of(&o);
    make_part(&m, pair, 2, 0, 0, &b);
    assert_int_equal(b.n_rows, 5);
    assert_int_equal(b.n_out, 3);
    assert_ids(b.ids, CLS, A, B, C, SEP);
    assert_ids(b.out_ids, CLS, D, E);
    assert_ids(b.out_targets, D, E, SEP);
    b4c_batch_done(&b);
    b4c_maker_done(&m);
}

/* bert4keras' truncate_sequences: from the longer one, the first of equals; the ends stay. */
static void a_pair_that_is_too_long_is_cut_on_its_longer_side(void **state)
{
    (void)state;
    static const char *const pair[] = { "甲乙丙丁戊己庚辛", "丁戊" };
    b4c_maker_options o = options(B4C_TASK_SEQ2SEQ);
    b4c_batch b;
    b4c_batch_init(&b);
    for (int l = 4; l <= 14; l++) {
        o.max_length = l;
        b4c_maker m = maker_of(&o);
        make_part(&m, pair, 2, 0, 0, &b);
        int n = 10, k = 3;
        while (n + k - 1 > l) *(n >= k ? &n : &k) -= 1;
        assert_int_equal(b.n_rows, n + k - 1);
        assert_int_equal(b4c_batch_targets(&b), k);
        assert_int_equal(b.ids[n - 1], SEP);
        assert_int_equal(b.targets[b.n_rows - 1], SEP);
        b4c_maker_done(&m);
    }
    b4c_batch_done(&b);
}

/* Windows of a long text together have all its tokens once, each between [CLS] and [SEP]. */
static void windows_of_a_masked_text_cover_it(void **state)
{
    (void)state;
    static const char *const text[] = { "甲乙丙丁，科学技术，戊己庚辛。第一，甲乙丙丁，戊己庚辛。" };
    b4c_maker_options o = options(B4C_TASK_MLM);
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    b4c_batch b;
    b4c_batch_init(&b);
    assert_ok(b4c_tokenize(tokenizer, text[0], SIZE_MAX, NULL, 0, NULL, &e, &err), &err);
    for (int l = 3; l < 40; l++) {
        o.max_length = l;
        o.whole_words = l % 2;
        b4c_maker m = maker_of(&o);
        int at = 1, parts = 1;
        for (int part = 0; part < parts; part++) {
            parts = make_part(&m, text, 1, 3, (uint64_t)part, &b);
            assert_int_equal(b.n_examples, 1);
            assert_true(b.n_rows <= l && b4c_batch_targets(&b) > 0);
            assert_true(b.ids[0] == CLS && b.ids[b.n_rows - 1] == SEP);
            assert_true(b.targets[0] < 0 && b.targets[b.n_rows - 1] < 0);
            for (int i = 1; i < b.n_rows - 1; i++, at++)
                assert_int_equal(b.targets[i] >= 0 ? b.targets[i] : b.ids[i], e.ids[at]);
        }
        assert_int_equal(at, e.n - 1);
        b4c_maker_done(&m);
    }
    b4c_encoding_free(&e);
    b4c_batch_done(&b);
}

static int rows_left(const b4c_encoding *e, int at, int l)
{
    return l < e->n - 1 - at ? l : e->n - 1 - at;
}

/* Rows from `at` to the last sentence that begins in the second half of l rows, or all of these. */
static int rows_to_a_sentence(const b4c_encoding *e, int at, int l)
{
    for (int k = l; at + l < e->n - 1 && k > l / 2; k--) {
        const bool stop = e->ids[at + k - 1] == STOP && e->ids[at + k] != STOP;
        const bool line = e->char_begin[at + k] > e->char_end[at + k - 1];
        if (stop || line) return k;
    }
    return rows_left(e, at, l);
}

/* Every window of a language model begins with a sentence, if one begins in the second half of what
 * the one before it may have; whatever the cut, every token but the first is asked once. */
static void windows_of_a_language_model_begin_with_sentences(void **state)
{
    (void)state;
    static const char *const text[] = { "甲乙丙。丁，戊己庚辛。第一，甲乙丙丁戊己庚辛甲乙丙丁。。戊。"
                                        "科学技术，己庚\n辛甲乙丙丁戊己庚" };
    b4c_maker_options o = options(B4C_TASK_LM);
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    b4c_batch b;
    b4c_batch_init(&b);
    assert_ok(b4c_tokenize(tokenizer, text[0], SIZE_MAX, NULL, 0, NULL, &e, &err), &err);
    assert_int_equal(e.ids[4], STOP);
    for (int l = 3; l < 60; l++) {
        int differ = 0;
        for (int way = 0; way < 2; way++) {
            o.max_length = l;
            o.sentences = way;
            b4c_maker m = maker_of(&o);
            int at = 0, parts = 1;
            for (int part = 0; part < parts; part++) {
                parts = make_part(&m, text, 1, 3, (uint64_t)part, &b);
                assert_int_equal(b.n_examples, 1);
                assert_true(b.n_rows <= l);
                for (int i = 0; i < b.n_rows; i++) {
                    assert_int_equal(b.ids[i], e.ids[at + i]);
                    assert_int_equal(b.targets[i], e.ids[at + i + 1]);
                }
                const int wanted = way ? rows_to_a_sentence(&e, at, l) : rows_left(&e, at, l);
                differ += wanted != rows_left(&e, at, l);
                assert_int_equal(b.n_rows, wanted);
                at += b.n_rows;
            }
            assert_int_equal(at, e.n - 1);
            b4c_maker_done(&m);
        }
        if (l == 12) assert_true(differ >= 2);
    }
    b4c_encoding_free(&e);
    b4c_batch_done(&b);
}

static void twins_are_equal_and_negatives_follow_their_anchor(void **state)
{
    (void)state;
    static const char *const texts[] = { "甲乙", "丙", "丁", "戊" };
    b4c_maker_options o = options(B4C_TASK_SIMCSE);
    b4c_maker m = maker_of(&o);
    b4c_batch b;
    b4c_batch_init(&b);
    make_part(&m, texts, 1, 0, 0, &b);
    assert_int_equal(b.n_rows, 8);
    assert_ids(b.ids, CLS, A, B, SEP, CLS, A, B, SEP);
    b4c_maker_done(&m);
    o = options(B4C_TASK_INFONCE);
    o.negatives = 1;
    m = maker_of(&o);
    make_part(&m, texts, 4, 0, 0, &b);
    assert_int_equal(b.n_seq, 3);
    assert_ids(b.ids, CLS, A, B, SEP, CLS, C, SEP, CLS, D, SEP);
    b4c_batch_done(&b);
    b4c_maker_done(&m);
}

/* Noise is a function of (seed, epoch, record): another record, part or epoch has another. */
static void noise_depends_on_the_place_alone(void **state)
{
    (void)state;
    static const char *const text[] = { "甲，乙，丙，丁，戊，己，庚，辛，甲，乙，丙，丁，戊，己，庚" };
    const b4c_maker_options o = options(B4C_TASK_MLM);
    b4c_maker one = maker_of(&o), two = maker_of(&o);
    b4c_batch a, b;
    int differ = 0;
    b4c_batch_init(&a);
    b4c_batch_init(&b);
    for (uint64_t key = 0; key < 50; key++) {
        make_part(&one, text, 1, key, 0, &a);
        make_part(&two, text, 1, key + 1, 0, &b);
        differ += memcmp(a.ids, b.ids, (size_t)a.n_rows * sizeof *a.ids) != 0;
        make_part(&two, text, 1, key, 0, &b);
        assert_memory_equal(a.ids, b.ids, (size_t)a.n_rows * sizeof *a.ids);
        assert_memory_equal(a.targets, b.targets, (size_t)a.n_rows * sizeof *a.ids);
    }
    assert_in_range(differ, 45, 50);
    b4c_batch_done(&a);
    b4c_batch_done(&b);
    b4c_maker_done(&one);
    b4c_maker_done(&two);
}

static void lengths_and_tokens_that_a_task_needs_are_asked_for(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_maker m;
    b4c_maker_options o = options(B4C_TASK_SIMBERT);
    o.max_length = 5;
    assert_fails(b4c_maker_init(&m, &o, &err), &err, B4C_E_ARG, "wanted at least 6");
    o = options(B4C_TASK_SEQ2SEQ);
    o.max_target = 1;
    assert_fails(b4c_maker_init(&m, &o, &err), &err, B4C_E_ARG, "max_target is 1");
    b4c_tokenizer *plain = b4c_tokenizer_open("tests/golden/bytes/tokenizer.json",
                                              B4C_DIALECT_AUTO, &err);
    assert_non_null(plain);
    o = options(B4C_TASK_MLM);
    o.tokenizer = plain;
    assert_fails(b4c_maker_init(&m, &o, &err), &err, B4C_E_MISSING, "no mask token");
    b4c_tokenizer_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_gives_both_directions),
        cmocka_unit_test(half_of_the_sources_are_noisy_and_what_they_give_is_clean),
        cmocka_unit_test(a_pair_asks_its_target_and_its_end),
        cmocka_unit_test(a_pair_that_is_too_long_is_cut_on_its_longer_side),
        cmocka_unit_test(windows_of_a_masked_text_cover_it),
        cmocka_unit_test(windows_of_a_language_model_begin_with_sentences),
        cmocka_unit_test(twins_are_equal_and_negatives_follow_their_anchor),
        cmocka_unit_test(noise_depends_on_the_place_alone),
        cmocka_unit_test(lengths_and_tokens_that_a_task_needs_are_asked_for),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
