/* test_api_writing.c - laws of writing through the public calls: a result does not feel other texts
 * or threads; streams, scores and paraphrases agree with what was written. */
#include "golden/opened.h"
#include "support/test.h"

#include <math.h>

/* ---- laws ------------------------------------------------------------------------------------ */

static const char *const texts[] = { "中国人",     "我想一天",       "",
                                     "大小有天地", "他们在这里工作", "中国人" };
enum { N = COUNT(texts) };

static b4c_generate_options sampling(int n)
{
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.sample = true;
    o.n = n;
    o.top_p = 0.95f;
    o.max_new_tokens = 12;
    o.seed = 7;
    o.logprobs = true;
    return o;
}

static void assert_same_result(const b4c_result *a, const b4c_result *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, (size_t)a->n * sizeof *a->ids);
    assert_memory_equal(a->token_logprob, b->token_logprob, (size_t)a->n * sizeof(float));
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->finish, b->finish);
}

static void a_result_does_not_feel_other_texts_or_threads(void **state)
{
    (void)state;
    opened o, other;
    b4c_error err = { 0 };
    const b4c_generate_options how = sampling(3);
    b4c_generation all, one;
    open_unilm(&o, 3);
    open_unilm(&other, 1);
    assert_ok(b4c_generate(o.session, texts, NULL, N, &how, &all, &err), &err);
    for (int i = N - 1; i >= 0; i--) {
        assert_ok(b4c_generate(other.session, texts + i, NULL, 1, &how, &one, &err), &err);
        assert_int_equal(all.count[i], 3);
        assert_int_equal(one.count[0], 3);
        for (int k = 0; k < 3; k++) assert_same_result(&all.result[i][k], &one.result[0][k]);
        b4c_generation_free(&one);
    }
    /* equal texts, equal samples; another seed, others */
    assert_same_result(&all.result[0][1], &all.result[5][1]);
    b4c_generate_options reseeded = how;
    reseeded.seed++;
    assert_ok(b4c_generate(o.session, texts, NULL, N, &reseeded, &one, &err), &err);
    int differ = 0;
    for (int i = 0; i < N; i++) differ += strcmp(one.result[i][0].text, all.result[i][0].text) != 0;
    assert_true(differ > 0);
    b4c_generation_free(&one);
    b4c_generation_free(&all);
    close_golden(&o);
    close_golden(&other);
}

static void special_tokens_come_only_when_asked(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_tokenizer_info info;
    b4c_generation g;
    int found[2] = { 0 };
    open_unilm(&o, 1);
    b4c_tokenizer_describe(b4c_model_tokenizer(o.model), &info);
    for (int allow = 0; allow < 2; allow++) {
        b4c_generate_options how = sampling(200);
        how.top_p = 1;
        how.temperature = 3;
        how.allow_unknown = allow;
        assert_ok(b4c_generate(o.session, texts, NULL, N, &how, &g, &err), &err);
        for (int i = 0; i < g.n; i++)
            for (int k = 0; k < g.count[i]; k++)
                for (int j = 0; j < g.result[i][k].n; j++) {
                    const int id = g.result[i][k].ids[j];
                    found[allow] += id == info.unknown || id == info.pad || id == info.mask ||
                                    id == info.cls;
                }
        b4c_generation_free(&g);
    }
    assert_int_equal(found[0], 0);
    assert_true(found[1] > 0);
    close_golden(&o);
}

/* ---- streaming ------------------------------------------------------------------------------- */

typedef struct heard {
    char text[N][4096];
    int steps, pieces, stop_after;
} heard;

static int hear(void *arg, int text, const char *piece, size_t bytes)
{
    heard *h = arg;
    h->steps++;
    h->pieces += bytes > 0;
    if (bytes) assert_int_not_equal(piece[0] & 0xc0, 0x80); /* begins with a whole character */
    strncat(h->text[text], piece, bytes);
    return h->stop_after && h->steps >= h->stop_after;
}

static void pieces_make_the_text(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    open_unilm(&o, 2);
    for (int way = 0; way < 3; way++) {
        heard *h = calloc(1, sizeof *h);
        b4c_generation g;
        b4c_generate_options how = sampling(1);
        how.min_new_tokens = 6;
        how.stream = hear;
        how.stream_arg = h;
        const char *stop[] = { "日中" };
        if (way == 1) how.stop = stop, how.n_stop = 1;
        if (way == 2) how.sample = false, how.top_p = 1, how.beams = 3;
        assert_ok(b4c_generate(o.session, texts, NULL, N, &how, &g, &err), &err);
        for (int i = 0; i < N; i++) assert_string_equal(h->text[i], g.result[i][0].text);
        if (way < 2) assert_true(h->pieces > 2 * N);
        b4c_generation_free(&g);
        free(h);
    }
    close_golden(&o);
}

/* What a stop string cuts is neither text nor counted; the least tokens are never cut, and none is
 * left behind them. */
static void a_stop_string_cuts_behind_the_least_tokens(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_generation g;
    static const char *const stop[] = { "子", "日", "可" };
    int stopped = 0, late = 0;
    open_unilm(&o, 2);
    for (int least = 0; least < 8; least++) {
        b4c_generate_options how = sampling(8);
        how.min_new_tokens = least;
        how.stop = stop;
        how.n_stop = COUNT(stop);
        assert_ok(b4c_generate(o.session, texts, NULL, N, &how, &g, &err), &err);
        for (int i = 0; i < N * 8; i++) {
            const b4c_result *r = &g.result[i / 8][i % 8];
            char *kept = b4c_detokenize(b4c_model_tokenizer(o.model), r->ids,
                                        least < r->n ? least : r->n, false, &err);
            size_t letters = 0; /* results are written without blanks between Chinese ones */
            for (size_t k = 0; kept[k]; k++)
                if (kept[k] != ' ') kept[letters++] = kept[k];
            kept[letters] = 0;
            assert_int_equal(strncmp(r->text, kept, letters), 0);
            for (size_t k = 0; k < COUNT(stop); k++) {
                assert_null(strstr(r->text + letters, stop[k]));
                late += strstr(kept, stop[k]) != NULL;
            }
            free(kept);
            if (r->finish != B4C_FINISH_STOP) continue;
            double sum = 0;
            for (int k = 0; k < r->n; k++) sum += (double)r->token_logprob[k];
            assert_true(r->n >= least && fabs(sum - r->logprob) < 1e-4);
            stopped++;
        }
        b4c_generation_free(&g);
    }
    assert_true(stopped > 50 && late > 50);
    close_golden(&o);
}

static int now(void *arg) { return ++*(int *)arg > 4; }

static void a_caller_can_stop(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_generation g;
    b4c_generate_options how = sampling(1);
    heard *h = calloc(1, sizeof *h);
    int asked = 0;
    open_unilm(&o, 1);
    how.min_new_tokens = how.max_new_tokens = 30;
    how.stream = hear;
    how.stream_arg = h;
    h->stop_after = 5;
    assert_ok(b4c_generate(o.session, texts, NULL, 1, &how, &g, &err), &err);
    assert_int_equal(g.result[0][0].finish, B4C_FINISH_STOPPED);
    assert_int_equal(g.result[0][0].n, 5);
    assert_string_equal(h->text[0], g.result[0][0].text);
    b4c_generation_free(&g);
    how.stream = NULL;
    how.interrupt = now;
    how.interrupt_arg = &asked;
    assert_fails(b4c_generate(o.session, texts, NULL, N, &how, &g, &err), &err, B4C_E_STOPPED,
                 "stop");
    assert_null(g.own);
    close_golden(&o);
    free(h);
}

/* ---- scores ---------------------------------------------------------------------------------- */

/* What was written, scored all at once, has the log-probabilities it was written with. */
static void check_score(const char *name, b4c_reading reading)
{
    opened o;
    b4c_error err = { 0 };
    b4c_generation g;
    b4c_model_info info;
    open_golden_model(&o, name, B4C_F32, NULL);
    b4c_model_describe(o.model, &info);
    b4c_generate_options how = sampling(2);
    b4c_score_options as = B4C_SCORE_DEFAULT;
    how.reading = as.reading = reading;
    assert_ok(b4c_generate_ids(o.session, o.g.ids, NULL, o.g.lengths, o.g.n_seq, &how, &g, &err),
              &err);
    int32_t ids[2048];
    int lengths[64], given[64], n = 0, used = 0, row = 0;
    for (int i = 0; i < g.n; row += o.g.lengths[i++])
        for (int k = 0; k < g.count[i]; k++, n++) {
            const b4c_result *x = &g.result[i][k];
            given[n] = o.g.lengths[i];
            lengths[n] = given[n] + x->n + (x->finish == B4C_FINISH_END);
            assert_true(used + lengths[n] <= 2048 && n < 64);
            memcpy(ids + used, o.g.ids + row, (size_t)given[n] * sizeof *ids);
            memcpy(ids + used + given[n], x->ids, (size_t)x->n * sizeof *ids);
            if (x->finish == B4C_FINISH_END) ids[used + lengths[n] - 1] = info.end;
            used += lengths[n];
        }
    b4c_scores all, one;
    assert_ok(b4c_score_ids(o.session, ids, lengths, given, n, &as, &all, &err), &err);
    assert_int_equal(all.reading, reading);
    n = used = 0;
    for (int i = 0; i < g.n; i++)
        for (int k = 0; k < g.count[i]; k++, used += lengths[n++]) {
            const b4c_result *x = &g.result[i][k];
            const b4c_score *y = &all.score[n];
            assert_int_equal(y->n, lengths[n] - given[n]);
            for (int j = 0; j < x->n; j++)
                assert_true(fabs((double)(x->token_logprob[j] - y->token_logprob[j])) < 1e-3);
            assert_true(fabs(x->logprob - y->logprob) < 1e-3 * fmax(1, fabs(x->logprob)));
            assert_true(fabs(y->perplexity - exp(-y->logprob / y->n)) < 1e-9 * y->perplexity);
            /* alone: the same bits */
            assert_ok(
                b4c_score_ids(o.session, ids + used, lengths + n, given + n, 1, &as, &one, &err),
                &err);
            assert_memory_equal(one.score[0].token_logprob, y->token_logprob,
                                (size_t)y->n * sizeof(float));
            b4c_scores_free(&one);
        }
    b4c_scores_free(&all);
    b4c_generation_free(&g);
    close_golden(&o);
}

static void what_was_written_is_as_likely_as_it_was(void **state)
{
    (void)state;
    check_score("gpt2", B4C_READ_CAUSAL);
    check_score("llama", B4C_READ_CAUSAL);
    check_score("bert-lm", B4C_READ_CAUSAL);
    check_score("bert-unilm-beam", B4C_READ_PREFIX);
    check_score("t5", B4C_READ_SEQ2SEQ);
    check_score("bart", B4C_READ_SEQ2SEQ);
    check_score("t5-pegasus-tf", B4C_READ_SEQ2SEQ);
}

/* Sources and texts that end in the middle of a longer string are scored as far as they go. */
/* Each window as a text of its own has the same bits, and every token but the first counts once. */
static void a_long_text_is_scored_in_windows(void **state)
{
    enum { LENGTH = 29, WINDOW = 8 };
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_scores all, one;
    b4c_score_options how = B4C_SCORE_DEFAULT;
    int32_t ids[LENGTH];
    open_golden_model(&o, "gpt2", B4C_F32, NULL);
    for (int i = 0; i < LENGTH; i++) ids[i] = 7 + 5 * i % 90;
    const int whole[2] = { LENGTH, 3 };
    how.max_length = WINDOW;
    assert_int_equal(b4c_score_ids(o.session, ids, whole, NULL, 1, &how, &all, &err), B4C_E_TEXT);
    how.windows = true;
    assert_ok(b4c_score_ids(o.session, ids, whole, NULL, 1, &how, &all, &err), &err);
    assert_int_equal(all.score[0].n, LENGTH - 1);
    int target = 1;
    for (int begin = 0; target < LENGTH; begin = target - WINDOW / 2) {
        const int n = LENGTH - begin < WINDOW + 1 ? LENGTH - begin : WINDOW + 1;
        how.max_length = 0;
        assert_ok(b4c_score_ids(o.session, ids + begin, &n, NULL, 1, &how, &one, &err), &err);
        for (; target < begin + n; target++)
            assert_true(all.score[0].token_logprob[target - 1] ==
                        one.score[0].token_logprob[target - begin - 1]);
        b4c_scores_free(&one);
    }
    b4c_scores_free(&all);
    /* with a source the length stays a limit */
    const int given = 1;
    how.max_length = WINDOW;
    assert_int_equal(b4c_score_ids(o.session, ids, whole, &given, 1, &how, &all, &err),
                     B4C_E_TEXT);
    close_golden(&o);
}

static void a_score_reads_as_many_bytes_as_it_is_told(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_scores whole, part;
    open_unilm(&o, 1);
    const char *const source[] = { "中国", "大小" }, *const text[] = { "人", "子" },
               *const longer_source[] = { "中国人", "大小大" }, *const longer[] = { "人大", "子" };
    const size_t source_len[] = { 6, 6 }, len[] = { 3, 3 };
    assert_ok(b4c_score_texts(o.session, source, NULL, text, NULL, 2, NULL, &whole, &err), &err);
    assert_ok(b4c_score_texts(o.session, longer_source, source_len, longer, len, 2, NULL, &part,
                              &err),
              &err);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(part.score[i].n, whole.score[i].n);
        assert_true(part.score[i].logprob == whole.score[i].logprob);
    }
    b4c_scores_free(&whole);
    b4c_scores_free(&part);
    close_golden(&o);
}

/* Each token as fill finds it with a mask in its place. */
static void a_masked_score_is_what_fill_says(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_scores scores;
    b4c_fill_result fill;
    open_unilm(&o, 2);
    const b4c_fill_options every = { .top = 137 };
    assert_ok(b4c_score_texts(o.session, NULL, NULL, texts, NULL, N, NULL, &scores, &err), &err);
    assert_int_equal(scores.reading, B4C_READ_MASKED);
    assert_int_equal(scores.score[0].n, 3);
    assert_int_equal(scores.score[2].n, 0);
    assert_true(isnan(scores.score[2].perplexity));
    static const char *const masked[] = { "[MASK]国人", "中[MASK]人", "中国[MASK]" };
    for (int k = 0; k < 3; k++) {
        assert_ok(b4c_fill(o.session, masked[k], strlen(masked[k]), &every, &fill, &err), &err);
        double p = 0;
        for (int i = 0; i < fill.top; i++)
            if (fill.best[i].id == scores.score[0].ids[k]) p = (double)fill.best[i].p;
        assert_true(fabs(log(p) - (double)scores.score[0].token_logprob[k]) < 1e-3);
        b4c_fill_result_free(&fill);
    }
    b4c_scores_free(&scores);
    close_golden(&o);
}

/* ---- paraphrases ----------------------------------------------------------------------------- */

static b4c_paraphrase_options freely(void)
{
    b4c_paraphrase_options o = B4C_PARAPHRASE_DEFAULT;
    o.generate.n = 60;
    o.generate.max_new_tokens = 3;
    o.generate.temperature = 2;
    o.generate.seed = 5;
    o.pooling = B4C_POOL_CLS;
    o.keep = 0;
    return o;
}

static void strip(char *to, const char *text)
{
    for (; *text; text++)
        if (*text != ' ') *to++ = *text;
    *to = 0;
}

static void paraphrases_are_others_distinct_and_ranked(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_paraphrases p, q;
    b4c_paraphrase_options how = freely();
    /* blanks do not make another text of it */
    static const char *const some[] = { "中", "日 日", "大小" };
    open_unilm(&o, 2);
    assert_ok(b4c_paraphrase_texts(o.session, some, NULL, 3, &how, &p, &err), &err);
    assert_true(p.repeats > 0);
    int dropped = 0;
    for (int i = 0; i < 3; i++) {
        float *v = malloc(2 * 40 * sizeof *v);
        assert_true(p.count[i] > 5);
        dropped += 60 - p.count[i];
        for (int k = 0; k < p.count[i]; k++) {
            const b4c_paraphrase *c = &p.candidate[i][k];
            char a[256], b[256];
            strip(a, c->text);
            strip(b, some[i]);
            assert_string_not_equal(a, b);
            assert_true(*a);
            for (int j = 0; j < k; j++) {
                strip(b, p.candidate[i][j].text);
                assert_string_not_equal(a, b);
            }
            if (k) assert_true(c->cosine <= p.candidate[i][k - 1].cosine);
            const b4c_encode_options e = { .pooling = B4C_POOL_CLS, .normalize = 1 };
            const char *two[] = { some[i], c->text };
            assert_ok(b4c_encode(o.session, two, NULL, 2, &e, v, &err), &err);
            assert_true(fabs(b4c_cosine(v, v + 40, 40) - (double)c->cosine) < 1e-6);
        }
        free(v);
    }
    assert_int_equal(p.repeats, dropped);
    /* fewer, and not too far */
    how.keep = 4;
    how.floor = p.candidate[0][2].cosine;
    assert_ok(b4c_paraphrase_texts(o.session, some, NULL, 3, &how, &q, &err), &err);
    assert_true(q.count[0] >= 3 && q.count[0] <= 4);
    assert_true(q.below > 0);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < q.count[i]; k++) {
            assert_true(q.candidate[i][k].cosine >= how.floor);
            assert_string_equal(q.candidate[i][k].text, p.candidate[i][k].text);
        }
    b4c_paraphrases_free(&q);
    b4c_paraphrases_free(&p);
    close_golden(&o);
}

static void paraphrases_do_not_feel_other_texts_or_threads(void **state)
{
    (void)state;
    opened o, other;
    b4c_error err = { 0 };
    b4c_paraphrases p, q;
    const b4c_paraphrase_options how = freely();
    open_unilm(&o, 3);
    open_unilm(&other, 1);
    assert_ok(b4c_paraphrase_texts(o.session, texts, NULL, N, &how, &p, &err), &err);
    for (int i = 0; i < N; i++) {
        assert_ok(b4c_paraphrase_texts(other.session, texts + i, NULL, 1, &how, &q, &err), &err);
        assert_int_equal(p.count[i], q.count[0]);
        for (int k = 0; k < q.count[0]; k++) {
            assert_string_equal(p.candidate[i][k].text, q.candidate[0][k].text);
            assert_memory_equal(&p.candidate[i][k].cosine, &q.candidate[0][k].cosine,
                                sizeof(float));
        }
        b4c_paraphrases_free(&q);
    }
    b4c_paraphrases_free(&p);
    close_golden(&o);
    close_golden(&other);
}

/* The samples of a masked text are those of the text with [MASK] there; its own are others. */
static void masked_positions_are_read_as_masks(void **state)
{
    (void)state;
    opened o;
    b4c_error err = { 0 };
    b4c_paraphrases p;
    b4c_generation g;
    b4c_paraphrase_options how = freely();
    const char *text[] = { "大小有天地" };
    const int mask[] = { 2, 3 };
    open_unilm(&o, 1);
    how.mask = mask;
    how.n_mask = 2;
    const b4c_tokenizer *t = b4c_model_tokenizer(o.model);
    b4c_encoding e = { 0 };
    assert_ok(b4c_tokenize(t, text[0], SIZE_MAX, NULL, 0, NULL, &e, &err), &err);
    e.ids[2] = e.ids[3] = b4c_tokenizer_find(t, "[MASK]");
    assert_ok(b4c_generate_ids(o.session, e.ids, NULL, &e.n, 1, &how.generate, &g, &err), &err);
    assert_ok(b4c_paraphrase_texts(o.session, text, NULL, 1, &how, &p, &err), &err);
    assert_true(p.count[0] > 5);
    for (int k = 0; k < p.count[0]; k++) {
        bool found = false;
        for (int j = 0; j < g.count[0]; j++)
            found |= !strcmp(g.result[0][j].text, p.candidate[0][k].text);
        if (!found) fail_msg("%s is not among the samples", p.candidate[0][k].text);
    }
    b4c_paraphrases_free(&p);
    static const int wrong[] = { 6, 0 };
    for (int i = 0; i < 2; i++) {
        how.mask = wrong + i;
        how.n_mask = 1;
        assert_fails(b4c_paraphrase_texts(o.session, text, NULL, 1, &how, &p, &err), &err,
                     B4C_E_ARG, "wanted 1 to 5");
    }
    b4c_generation_free(&g);
    b4c_encoding_free(&e);
    close_golden(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_does_not_feel_other_texts_or_threads),
        cmocka_unit_test(special_tokens_come_only_when_asked),
        cmocka_unit_test(pieces_make_the_text),
        cmocka_unit_test(a_stop_string_cuts_behind_the_least_tokens),
        cmocka_unit_test(a_caller_can_stop),
        cmocka_unit_test(what_was_written_is_as_likely_as_it_was),
        cmocka_unit_test(a_long_text_is_scored_in_windows),
        cmocka_unit_test(a_score_reads_as_many_bytes_as_it_is_told),
        cmocka_unit_test(a_masked_score_is_what_fill_says),
        cmocka_unit_test(paraphrases_are_others_distinct_and_ranked),
        cmocka_unit_test(paraphrases_do_not_feel_other_texts_or_threads),
        cmocka_unit_test(masked_positions_are_read_as_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
