/* test_feed.c - from files to batches: an epoch has every record once, any place is reached at
 * once, and what is wrong in the data is told with file and line. */
#include "support/test.h"
#include "train/data.h"
#include "train/order.h"
#include "unit/text_case.h"
#include <math.h>

/* ---- the order ------------------------------------------------------------------------------- */

static void an_epoch_visits_every_record_once(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 3000; n += n < 70 ? 1 : 331)
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            bool *seen = calloc(n, sizeof *seen);
            for (uint64_t i = 0; i < n; i++) {
                const uint64_t p = b4c_permuted(i, n, 7, epoch);
                assert_true(p < n && !seen[p]);
                seen[p] = true;
            }
            free(seen);
        }
}

/* A permutation that is as good as random leaves one in n where it was, and puts each record
 * anywhere: over many epochs the mean place of record 0 is (n-1)/2, +- 4 deviations of a mean. */
static void the_order_of_an_epoch_looks_random(void **state)
{
    (void)state;
    enum { N = 100, EPOCHS = 4000 };
    int same = 0, rising = 0;
    double sum = 0;
    for (uint64_t e = 0; e < EPOCHS; e++) {
        const uint64_t a = b4c_permuted(0, N, 1, e), b = b4c_permuted(1, N, 1, e);
        same += a == 0;
        rising += a < b;
        sum += (double)a;
    }
    assert_true(fabs(sum / EPOCHS - 49.5) < 4 * 28.9 / sqrt(EPOCHS));
    assert_true(abs(same - EPOCHS / N) < 4 * 7);
    assert_true(abs(rising - EPOCHS / 2) < 4 * 32);
}

static void weights_say_how_often_and_turns_say_who(void **state)
{
    (void)state;
    b4c_order o = { .file = { { 10, 2, 0 }, { 7, 0.5, 0 }, { 5, 1, 1 } }, .n_files = 3,
                    .turn = { 0, 1, 0 }, .n_turns = 3, .n_pools = 2, .seed = 3 };
    int first[10] = { 0 }, second[7] = { 0 }, third[5] = { 0 };
    b4c_order_begin(&o);
    assert_int_equal(o.total[0], 20 + 4);
    for (uint64_t p = 0; p < 3 * 12 * 7; p++) { /* seven epochs of the first pool */
        b4c_visit v;
        assert_true(b4c_order_at(&o, p, &v));
        assert_int_equal(v.file == 2, p % 3 == 1);
        if (v.file == 0) first[v.record]++;
        if (v.file == 1) second[v.record]++;
        if (v.file == 2) third[v.record]++;
    }
    for (int i = 0; i < 10; i++) assert_int_equal(first[i], 14);
    for (int i = 0; i < 7; i++) assert_int_equal(second[i], 4); /* 7 epochs of 4 in 7 */
    for (int i = 0; i < 5; i++) assert_in_range(third[i], 16, 17); /* 84 visits of 5 */
}

/* ---- feeds ----------------------------------------------------------------------------------- */

enum { CLS = 2, SEP = 3, ZERO = 22, VOCABULARY = 32 };

static b4c_tokenizer *tokenizer;

static int open_tokenizer(void **state)
{
    (void)state;
    tokenizer = make_small("[PAD] [UNK] [CLS] [SEP] [MASK] 今 天 气 很 好 我 喜 欢 北 京 不 "
                           "错 ， 。 a b c 零 一 二 三 四 五 六 七 八 九",
                           B4C_DIALECT_BERT4KERAS, -1);
    return 0;
}

static int close_tokenizer(void **state)
{
    (void)state;
    b4c_tokenizer_free(tokenizer);
    return 0;
}

static b4c_feed_wish wish_of(b4c_task_kind task, const json_t *data)
{
    return (b4c_feed_wish){ .task = task, .data = data, .folder = temp_path("feed"),
                            .tokenizer = tokenizer,
                            .teacher = task == B4C_TASK_DISTIL ? tokenizer : NULL,
                            .start = CLS, .end = SEP, .vocabulary = VOCABULARY, .max_length = 16,
                            .max_target = 8, .batch_tokens = 64, .seed = 5 };
}

static json_t *json_of(const char *text)
{
    b4c_error err = { 0 };
    json_t *v = b4c_json_parse(text, strlen(text), "test", &err);
    if (!v) fail_msg("%s", err.message);
    return v;
}

/* The four digits of a number, each a token. */
static int spell(int n, char *to)
{
    static const char digits[10][4] = { "零", "一", "二", "三", "四", "五", "六", "七", "八", "九" };
    return sprintf(to, "%s%s%s%s", digits[n / 1000 % 10], digits[n / 100 % 10], digits[n / 10 % 10],
                   digits[n % 10]);
}

/* A file of n times the format, with the number for each '%'. */
static void numbered(const char *name, int n, const char *format)
{
    char *text = calloc((size_t)n, 200), *p = text;
    for (int i = 0; i < n; i++)
        for (const char *f = format; *f; f++) p += *f == '%' ? spell(i, p) : sprintf(p, "%c", *f);
    temp_text(name, text);
    free(text);
}

static void write_data(void)
{
    numbered("feed/lines.txt", 50, "%%%%%%\n");
    numbered("feed/pairs.tsv", 30, "a%\tb%\t1\n");
    numbered("feed/nli.jsonl", 20,
             "{\"a\":\"%\",\"b\":\"%a\",\"label\":\"neutral\"}\n{\"a\":\"%\",\"b\":\"c\","
             "\"label\":\"-\"}\n");
    numbered("feed/groups.jsonl", 20, "{\"text\":\"a%\",\"synonyms\":[\"b%\",\"c%\"]}\n");
    char document[4000] = "";
    for (int i = 0; i < 5; i++)
        strcat(document, "今天天气很好。我喜欢北京。今天天气不错，我很喜欢。北京很好，我不喜欢今天天气。"
                         "我喜欢今天。今天很好。天气不错。北京不错。我喜欢天气，不喜欢北京天气。\n\n");
    temp_text("feed/documents.txt", document);
}

typedef struct kind {
    b4c_task_kind task;
    const char *data;
    bool encoder_decoder;
} kind;

static const kind kinds[] = {
    { B4C_TASK_LM, "{\"files\":[\"lines.txt\"]}", false },
    { B4C_TASK_MLM, "{\"files\":[\"lines.txt\"]}", false },
    { B4C_TASK_MLM, "{\"files\":[\"lines.txt\"],\"whole_words\":false}", false },
    { B4C_TASK_SEQ2SEQ, "{\"files\":[\"pairs.tsv\"]}", false },
    { B4C_TASK_SEQ2SEQ, "{\"files\":[\"pairs.tsv\"]}", true },
    { B4C_TASK_DENOISE, "{\"files\":[\"documents.txt\"],\"records\":\"blank_lines\"}", true },
    { B4C_TASK_DENOISE, "{\"files\":[\"documents.txt\"]}", false },
    { B4C_TASK_PSEUDO_SUMMARY, "{\"files\":[\"documents.txt\"],\"records\":\"blank_lines\"}",
      true },
    { B4C_TASK_PSEUDO_SUMMARY, "{\"files\":[\"documents.txt\"]}", false },
    { B4C_TASK_SIMBERT, "{\"files\":[\"groups.jsonl\"]}", false },
    { B4C_TASK_ROFORMER_SIM, "{\"files\":[\"groups.jsonl\"]}", false },
    { B4C_TASK_DISTIL, "{\"files\":[\"groups.jsonl\"]}", false },
    { B4C_TASK_ROFORMER_SIM_FT, "{\"files\":[\"pairs.tsv\",\"nli.jsonl\"]}", false },
    { B4C_TASK_COSENT, "{\"files\":[\"pairs.tsv\",\"nli.jsonl\"]}", false },
    { B4C_TASK_SIMCSE, "{\"files\":[\"lines.txt\"]}", false },
    { B4C_TASK_INFONCE, "{\"files\":[\"pairs.tsv\"],\"negatives\":1}", false },
    { B4C_TASK_CLASSIFY, "{\"files\":[\"pairs.tsv\"],\"fields\":{\"text\":1,\"pair\":2,"
                         "\"label\":3}}", false },
    { B4C_TASK_PAIRS, "{\"files\":[\"pairs.tsv\"]}", false },
};

/* Some tasks have more than max_length rows in an example. */
static b4c_feed *open_kind(const kind *k, json_t *data)
{
    b4c_error err = { 0 };
    b4c_feed_wish w = wish_of(k->task, data);
    b4c_feed *f;
    w.encoder_decoder = k->encoder_decoder;
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    return f;
}

static void same_batch(const b4c_batch *a, const b4c_batch *b)
{
    assert_int_equal(a->n_rows, b->n_rows);
    assert_int_equal(a->n_seq, b->n_seq);
    assert_int_equal(a->n_out, b->n_out);
    assert_int_equal(a->n_examples, b->n_examples);
    assert_memory_equal(a->ids, b->ids, (size_t)a->n_rows * sizeof *a->ids);
    assert_memory_equal(a->targets, b->targets, (size_t)a->n_rows * sizeof *a->ids);
    assert_memory_equal(a->seq_off, b->seq_off, (size_t)(a->n_seq + 1) * sizeof *a->seq_off);
    if (a->n_out)
        assert_memory_equal(a->out_ids, b->out_ids, (size_t)a->n_out * sizeof *a->out_ids);
    assert_true(a->next.record == b->next.record && a->next.inside == b->next.inside);
}

/* Shapes, ids, lengths and labels are what tasks take; a batch stays within its budget. */
static void every_task_gets_batches_it_may_take(void **state)
{
    (void)state;
    static const b4c_spec spec = { .architecture = "bert", .pooler = true }, two = {
        .architecture = "t5", .decoder_layers = 1 };
    write_data();
    for (size_t i = 0; i < COUNT(kinds); i++) {
        b4c_error err = { 0 };
        b4c_task task;
        b4c_batch b;
        json_t *data = json_of(kinds[i].data);
        b4c_feed *f = open_kind(&kinds[i], data);
        const b4c_spec *s = kinds[i].encoder_decoder ? &two : &spec;
        b4c_batch_init(&b);
        assert_ok(b4c_task_make(&task, kinds[i].task, s, 2, &err), &err);
        assert_true(f->records > 0);
        for (int n = 0; n < 40; n++) {
            assert_int_equal(f->next(f, &b, &err), 1);
            assert_true(b.n_rows + b.n_out <= 64);
            assert_ok(b4c_batch_check(&b, VOCABULARY, 16, &err), &err);
            assert_ok(b4c_task_check(&task, s, &b, &err), &err);
            if (kinds[i].task == B4C_TASK_DISTIL) assert_true(b.n_teacher > 0);
        }
        b4c_batch_done(&b);
        f->free(f);
        json_decref(data);
    }
}

static void any_batch_can_be_the_first(void **state)
{
    (void)state;
    enum { BATCHES = 30 };
    write_data();
    for (size_t i = 0; i < COUNT(kinds); i++) {
        b4c_error err = { 0 };
        b4c_batch all[BATCHES], b;
        b4c_place from = { 0 };
        json_t *data = json_of(kinds[i].data);
        b4c_feed *f = open_kind(&kinds[i], data);
        b4c_batch_init(&b);
        for (int n = 0; n < BATCHES; n++) {
            b4c_batch_init(&all[n]);
            assert_int_equal(f->next(f, &all[n], &err), 1);
        }
        for (int n = 0; n < BATCHES; n += 3) {
            from = n ? all[n - 1].next : (b4c_place){ 0, 0 };
            assert_ok(f->seek(f, from, &err), &err);
            for (int k = n; k < n + 2 && k < BATCHES; k++) {
                assert_int_equal(f->next(f, &b, &err), 1);
                same_batch(&b, &all[k]);
            }
        }
        for (int n = 0; n < BATCHES; n++) b4c_batch_done(&all[n]);
        b4c_batch_done(&b);
        f->free(f);
        json_decref(data);
    }
}

/* What an `lm` feed of one round asks for, in order. */
static void a_language_model_is_asked_every_token_once(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    write_data();
    json_t *data = json_of("{\"files\":[\"lines.txt\"]}");
    b4c_feed_wish w = wish_of(B4C_TASK_LM, data);
    w.once = true;
    b4c_feed *f;
    b4c_batch b;
    b4c_batch_init(&b);
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    for (int round = 0; round < 2; round++) {
        b4c_encoding e = { 0 };
        int line = -1, at = 0, rc;
        char text[100];
        while ((rc = f->next(f, &b, &err)) == 1)
            for (int r = 0; r < b.n_rows; r++) {
                if (line < 0 || at + 1 == e.n) {
                    int bytes = 0;
                    line++;
                    for (int k = 0; k < 6; k++) bytes += spell(line, text + bytes);
                    at = 0;
                    assert_ok(b4c_tokenize(tokenizer, text, SIZE_MAX, NULL, 0, NULL, &e, &err),
                              &err);
                }
                assert_int_equal(b.ids[r], e.ids[at]);
                assert_int_equal(b.targets[r], e.ids[++at]);
            }
        assert_int_equal(rc, 0);
        assert_int_equal(line, 49);
        assert_int_equal(at + 1, e.n);
        b4c_encoding_free(&e);
        assert_ok(f->seek(f, (b4c_place){ 0, 0 }, &err), &err);
    }
    b4c_batch_done(&b);
    f->free(f);
    json_decref(data);
}

static void the_two_pools_of_fine_tuning_alternate(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    write_data();
    json_t *data = json_of("{\"files\":[\"pairs.tsv\",\"nli.jsonl\"],\"threshold\":0.5}");
    b4c_feed_wish w = wish_of(B4C_TASK_ROFORMER_SIM_FT, data);
    b4c_feed *f;
    b4c_batch b;
    int n = 0;
    b4c_batch_init(&b);
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    assert_int_equal(f->left_out, 20);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(f->next(f, &b, &err), 1);
        for (int e = 0; e < b.n_examples; e++, n++)
            assert_true(b.label[e] == (n % 2 ? 4.0f : 1.0f));
    }
    b4c_batch_done(&b);
    f->free(f);
    json_decref(data);
}

/* Lines of one side, counted by their first number. */
static void count_lines(bool held_out, int *count)
{
    b4c_error err = { 0 };
    json_t *data = json_of("{\"files\":[\"lines.txt\"],\"held_out\":0.3}");
    b4c_feed_wish w = wish_of(B4C_TASK_SIMCSE, data);
    b4c_feed *f;
    b4c_batch b;
    w.once = true;
    w.held_out = held_out;
    w.max_length = 26;
    b4c_batch_init(&b);
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    while (f->next(f, &b, &err) == 1)
        for (int e = 0; e < b.n_examples; e++) {
            int n = 0;
            for (int i = 1; i < 5; i++)
                n = 10 * n + b.ids[b.seq_off[2 * e] + i] - ZERO;
            assert_in_range(n, 0, 49);
            count[n]++;
        }
    b4c_batch_done(&b);
    f->free(f);
    json_decref(data);
}

static void held_out_records_are_on_one_side(void **state)
{
    (void)state;
    int train[50] = { 0 }, held[50] = { 0 }, n = 0;
    write_data();
    count_lines(false, train);
    count_lines(true, held);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(train[i] + held[i], 1);
        n += held[i];
    }
    assert_in_range(n, 5, 26); /* 15 +- 3.3 deviations */
}

/* ---- what may be wrong ----------------------------------------------------------------------- */

static void wrong_data_are_told_with_file_and_line(void **state)
{
    (void)state;
    static const struct wrong {
        b4c_task_kind task;
        const char *data, *text;
        int code;
        const char *part;
    } wrong[] = {
        { B4C_TASK_LM, "{\"files\":[\"w.txt\"]}", "好\n\xff\n", B4C_E_TEXT,
          "w.txt: line 2: byte 0" },
        { B4C_TASK_LM, "{\"files\":[\"w.txt\"]}", "", B4C_E_TEXT, "no record" },
        { B4C_TASK_LM, "{\"files\":[\"w.txt\"]}", " \n\n", B4C_E_TEXT, "no record" },
        { B4C_TASK_LM, "{\"files\":[\"none.txt\"]}", "", B4C_E_IO, "none.txt" },
        { B4C_TASK_LM, "{\"file\":[]}", "", B4C_E_ARG, "did you mean files" },
        { B4C_TASK_LM, "{\"files\":[]}", "", B4C_E_MISSING, "no \"files\"" },
        { B4C_TASK_LM, "{\"files\":[3]}", "", B4C_E_MISSING, "names no file" },
        { B4C_TASK_LM, "{\"files\":[{\"file\":\"w.txt\",\"weight\":0}]}", "a\n", B4C_E_ARG,
          "\"weight\" is 0" },
        { B4C_TASK_LM, "{\"files\":[\"w.txt\"],\"format\":\"csv\"}", "a\n", B4C_E_ARG, "jsonl" },
        { B4C_TASK_SEQ2SEQ, "{\"files\":[\"w.txt\"]}", "a\tb\n", B4C_E_ARG, "plain text" },
        { B4C_TASK_SEQ2SEQ, "{\"files\":[\"w.txt\"],\"format\":\"tsv\"}", "a\tb\n\na\n",
          B4C_E_FORMAT, "w.txt: line 3: has 1 column, wanted column 2" },
        { B4C_TASK_COSENT, "{\"files\":[\"w.txt\"],\"format\":\"tsv\"}", "a\tb\t1\na\tb\tx\n",
          B4C_E_FORMAT, "w.txt: line 2: wanted a number" },
        { B4C_TASK_PAIRS, "{\"files\":[\"w.txt\"],\"format\":\"tsv\"}", "a\tb\t0.5\n",
          B4C_E_FORMAT, "found 0.5" },
        { B4C_TASK_PAIRS, "{\"files\":[\"w.txt\"],\"format\":\"tsv\",\"labels\":[\"x\"]}",
          "a\tb\ty\n", B4C_E_FORMAT, "none of the data's \"labels\": found 'y'" },
        { B4C_TASK_SEQ2SEQ, "{\"files\":[\"w.txt\"],\"format\":\"jsonl\"}",
          "{\"source\":\"a\",\"target\":\"b\"}\n{\"source\":\"a\"}\n", B4C_E_MISSING,
          "w.txt: line 2: there is no key \"target\"" },
        { B4C_TASK_SEQ2SEQ, "{\"files\":[\"w.txt\"],\"format\":\"jsonl\"}", "{\"source\":",
          B4C_E_FORMAT, "w.txt: line 1: record: line 1" },
        { B4C_TASK_SEQ2SEQ,
          "{\"files\":[\"w.txt\"],\"format\":\"tsv\",\"fields\":{\"target\":\"z\"}}",
          "x\ty\na\tb\n", B4C_E_MISSING, "no column is named \"z\"" },
        { B4C_TASK_SEQ2SEQ,
          "{\"files\":[\"w.txt\"],\"format\":\"tsv\",\"fields\":{\"tarket\":\"z\"}}", "x\ty\n",
          B4C_E_ARG, "did you mean target" },
        { B4C_TASK_SIMBERT, "{\"files\":[\"w.txt\"],\"format\":\"jsonl\"}", "[\"a\"]\n",
          B4C_E_TEXT, "no record can be used" },
        { B4C_TASK_COSENT, "{\"files\":[\"w.txt\"],\"format\":\"tsv\",\"turns\":[\"q\"]}",
          "a\tb\t1\n", B4C_E_ARG, "no file is of pool \"q\"" },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        b4c_error err = { 0 };
        b4c_feed *f = NULL;
        temp_text("feed/w.txt", wrong[i].text);
        json_t *data = json_of(wrong[i].data);
        const b4c_feed_wish w = wish_of(wrong[i].task, data);
        assert_fails(b4c_feed_open(&f, &w, &err), &err, wrong[i].code, wrong[i].part);
        assert_null(f);
        json_decref(data);
    }
}

static void a_budget_below_one_example_is_refused(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_feed *f;
    write_data();
    json_t *data = json_of("{\"files\":[\"groups.jsonl\"]}");
    b4c_feed_wish w = wish_of(B4C_TASK_SIMBERT, data);
    w.batch_tokens = 31;
    assert_fails(b4c_feed_open(&f, &w, &err), &err, B4C_E_ARG, "may have 32 tokens");
    w.batch_tokens = 0;
    w.batch_examples = 3;
    b4c_batch b;
    b4c_batch_init(&b);
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(f->next(f, &b, &err), 1);
        assert_int_equal(b.n_examples, 3);
    }
    f->free(f);
    b4c_batch_done(&b);
    json_decref(data);
}

static void data_that_give_no_example_are_an_error_not_a_loop(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_feed *f;
    b4c_batch b;
    temp_text("feed/short.txt", "今\n天\n");
    json_t *data = json_of("{\"files\":[\"short.txt\"]}");
    const b4c_feed_wish w = wish_of(B4C_TASK_PSEUDO_SUMMARY, data);
    b4c_batch_init(&b);
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    assert_fails(f->next(f, &b, &err), &err, B4C_E_TEXT, "no record gives an example");
    f->free(f);
    b4c_batch_done(&b);
    json_decref(data);
}

static void unknown_tokens_are_counted(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_feed *f;
    temp_text("feed/odd.txt", "今天龙\r\n今天龍\n");
    json_t *data = json_of("{\"files\":[\"odd.txt\"]}");
    const b4c_feed_wish w = wish_of(B4C_TASK_LM, data);
    assert_ok(b4c_feed_open(&f, &w, &err), &err);
    assert_true(fabs(f->unknown - 1.0 / 3) < 1e-12);
    f->free(f);
    json_decref(data);
}

/* Open the damaged file for a task and take a few batches. */
static int read_damaged(const char *path, void *arg, b4c_error *err)
{
    b4c_feed_wish w = wish_of(*(b4c_task_kind *)arg, NULL);
    b4c_feed *f;
    b4c_batch b;
    json_t *data = json_pack("{s:[s]}", "files", path);
    w.data = data;
    b4c_batch_init(&b);
    int rc = b4c_feed_open(&f, &w, err);
    for (int i = 0; i < 3 && rc >= 0; i++) {
        const int got = f->next(f, &b, err);
        if (got < 0) rc = got;
        if (got > 0 && b4c_batch_check(&b, VOCABULARY, 16, err) < 0) rc = err->code;
        if (i == 2 || rc < 0) f->free(f);
    }
    b4c_batch_done(&b);
    json_decref(data);
    return rc < 0 ? rc : 0;
}

static void damaged_files_are_read_or_refused(void **state)
{
    (void)state;
    static const struct damaged {
        b4c_task_kind task;
        const char *name, *text;
    } files[] = {
        { B4C_TASK_LM, "feed/damaged.txt", "\xef\xbb\xbf今天\r\n\n  \n北京好\n" },
        { B4C_TASK_COSENT, "feed/damaged.tsv", "今天\t北京\t1\n好\t很好\tneutral\n好\t错\t-\n" },
        { B4C_TASK_SIMBERT, "feed/damaged.jsonl",
          "{\"text\":\"今\",\"synonyms\":[\"天\",\"\\u6c14\"]}\n[\"a\",\"b\"]\n" },
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        b4c_task_kind task = files[i].task;
        cut_file(temp_text(files[i].name, files[i].text), 1, read_damaged, &task);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_visits_every_record_once),
        cmocka_unit_test(the_order_of_an_epoch_looks_random),
        cmocka_unit_test(weights_say_how_often_and_turns_say_who),
        cmocka_unit_test(every_task_gets_batches_it_may_take),
        cmocka_unit_test(any_batch_can_be_the_first),
        cmocka_unit_test(a_language_model_is_asked_every_token_once),
        cmocka_unit_test(the_two_pools_of_fine_tuning_alternate),
        cmocka_unit_test(held_out_records_are_on_one_side),
        cmocka_unit_test(wrong_data_are_told_with_file_and_line),
        cmocka_unit_test(a_budget_below_one_example_is_refused),
        cmocka_unit_test(data_that_give_no_example_are_an_error_not_a_loop),
        cmocka_unit_test(unknown_tokens_are_counted),
        cmocka_unit_test(damaged_files_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
