/* What users of other tools reported about T5's numbers, and must not happen here. */
#include "golden/golden.h"
#include "golden/folder.h"
#include "golden/opened.h"
#include "support/test.h"
#include <math.h>

enum { MOST = 64 };

typedef struct net_of {
    b4c_network net;
    b4c_store store;
    b4c_matching m;
} net_of;

static void open_t5(net_of *n, b4c_dtype dtype)
{
    const b4c_load_options o = { .dtype = dtype, .threads = 1, .check_numbers = true,
                                 .matching = &n->m };
    golden_model g;
    b4c_loaded loaded;
    b4c_error err = { 0 };
    golden_model_open(&g, "tests/golden/models/t5", B4C_F32, false);
    const b4c_spec spec = g.net.spec;
    golden_model_close(&g);
    json_t *report = json_object();
    *n = (net_of){ 0 };
    assert_ok(b4c_store_open(&n->store, "tests/golden/models/t5", &err), &err);
    assert_ok(b4c_network_load(&n->net, &n->store, &spec, &o, &loaded, report, &err), &err);
    json_decref(report);
}

static void close_t5(net_of *n)
{
    b4c_matching_done(&n->m);
    b4c_network_done(&n->net);
    b4c_store_close(&n->store);
}

static void keep_largest(void *arg, const char *name, int layer, b4c_tensor x)
{
    (void)layer;
    if (strcmp(name, "hidden") != 0) return;
    for (int r = 0; r < x.rows; r++)
        for (int c = 0; c < x.cols; c++)
            *(double *)arg = fmax(*(double *)arg, fabs((double)b4c_row_of(x, r)[c]));
}

/* Rows of the first sequence after the encoder [lengths[0], width], malloc'ed. */
static float *encode(const b4c_network *net, const int32_t *ids, const int *lengths, int n,
                     double *largest)
{
    b4c_tape t;
    assert_int_equal(b4c_tape_init(&t, b4c_kernels_get(), NULL, net->dtype, (size_t)1 << 28, false),
                     0);
    t.look = largest ? keep_largest : NULL;
    t.look_arg = largest;
    const b4c_plan plan = b4c_plan_make(&t, B4C_MASK_FULL, lengths, n, NULL);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    b4c_tensor x = b4c_input(&t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(&t, net, &net->encoder, x, &call);
    b4c_rows_of(&t, &x);
    assert_false(t.failed);
    const size_t w = (size_t)net->spec.width;
    float *rows = malloc((size_t)lengths[0] * w * sizeof *rows);
    assert_non_null(rows);
    for (int r = 0; r < lengths[0]; r++)
        for (size_t c = 0; c < w; c++) rows[(size_t)r * w + c] = (float)b4c_row_of(x, r)[c];
    b4c_tape_done(&t);
    return rows;
}

/* N04: T5's encoder had no padding mask, so the rows of 嗨美女，吃饭了吗？ changed with the length of
 * the sentence beside it. Its nine characters and the end token, as ids of the tiny vocabulary. */
static void a_greeting_does_not_feel_the_longer_sentence_beside_it(void **state)
{
    (void)state;
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        net_of n;
        open_t5(&n, dtypes[d]);
        int32_t ids[MOST];
        int lengths[2] = { 10, 0 };
        for (int i = 0; i < MOST; i++) ids[i] = i < 9 ? 20 + i : i == 9 ? 1 : 3 + i % 70;
        float *alone = encode(&n.net, ids, lengths, 1, NULL);
        for (lengths[1] = 1; lengths[1] <= MOST - 10; lengths[1] += 7) {
            float *beside = encode(&n.net, ids, lengths, 2, NULL);
            assert_memory_equal(beside, alone, 10 * (size_t)n.net.spec.width * sizeof *alone);
            free(beside);
        }
        free(alone);
        close_t5(&n);
    }
}

/* The first layer's feed-forward gives numbers of this size once its last matrix is so large. */
static void enlarge(net_of *n, float factor)
{
    int found = 0;
    for (int i = 0; i < n->m.list.n; i++) {
        const b4c_parameter *p = &n->m.list.item[i];
        b4c_error err = { 0 };
        if (p->role != B4C_ROLE_DOWN || p->stack || p->layer) continue;
        const size_t count = (size_t)p->rows * (size_t)p->cols;
        float *x = malloc(count * sizeof *x);
        assert_ok(b4c_store_read(&n->store, n->m.item[i].tensor, 0, p->rows, x, &err), &err);
        for (size_t k = 0; k < count; k++) x[k] *= factor;
        b4c_parameter_write(p, 0, p->rows, x);
        free(x);
        found++;
    }
    assert_int_equal(found, 1);
}

/* N01, N02, N03: values over 65504, the largest of 16-bit floats with 5 bits of exponent, became
 * infinities behind T5's feed-forward, and NaN a layer later. */
static void feed_forwards_beyond_half_floats_stay_numbers(void **state)
{
    (void)state;
    static const struct { b4c_dtype dtype; double cosine; } cases[] = {
        { B4C_F32, 0.999999 }, { B4C_BF16, 0.999 }, { B4C_I8, 0.99 }, { B4C_I4, 0.9 },
    };
    float *right = NULL;
    for (size_t d = 0; d < COUNT(cases); d++) {
        net_of n;
        double largest = 0, dot = 0, x2 = 0, y2 = 0;
        int32_t ids[24];
        const int length = COUNT(ids);
        open_t5(&n, cases[d].dtype);
        enlarge(&n, 1e6f);
        for (int i = 0; i < length; i++) ids[i] = 3 + 7 * i % 100;
        float *rows = encode(&n.net, ids, &length, 1, &largest);
        assert_true(largest > 65504 && isfinite(largest));
        const size_t count = (size_t)length * (size_t)n.net.spec.width;
        if (!right) right = rows;
        for (size_t i = 0; i < count; i++) {
            assert_true(isfinite(rows[i]));
            dot += (double)rows[i] * (double)right[i];
            x2 += (double)rows[i] * (double)rows[i];
            y2 += (double)right[i] * (double)right[i];
        }
        if (dot < cases[d].cosine * sqrt(x2 * y2))
            fail_msg("%s: cosine %g", b4c_dtype_name(cases[d].dtype), dot / sqrt(x2 * y2));
        if (rows != right) free(rows);
        close_t5(&n);
    }
    free(right);
}

static b4c_session *open_bert(const char *folder, b4c_dtype dtype, b4c_model **m)
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = dtype;
    o.need_head = true;
    *m = b4c_model_open(folder, &o, &err);
    if (!*m) fail_msg("%s", err.message);
    b4c_session *s = b4c_session_new(*m, NULL, &err);
    if (!s) fail_msg("%s", err.message);
    return s;
}

/* N01: what overflows in spite of that is an error with its place, and never a result. */
static void an_overflow_is_told_and_never_a_result(void **state)
{
    (void)state;
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };
    static const char *const texts[] = { "我是人", "中[MASK]" };
    static float out[2 * 40];
    const char *folder = folder_make("overflow", "bert");
    folder_fill(temp_path("overflow/model.safetensors"), "bert.embeddings.LayerNorm.weight", 3e38f);
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        b4c_model *m;
        b4c_error err = { 0 };
        b4c_scores scores;
        b4c_fill_result filled;
        b4c_session *s = open_bert(folder, dtypes[d], &m);
        const b4c_encode_options mean = { .pooling = B4C_POOL_MEAN };
        assert_fails(b4c_encode(s, texts, NULL, 2, &mean, out, &err), &err, B4C_E_NUMBER,
                     "text 1: component 1 of its vector is ");
        assert_fails(b4c_encode_ids(s, (const int32_t[]){ 2, 5, 3 }, NULL, &(int){ 3 }, 1, &mean,
                                    out, &err), &err, B4C_E_NUMBER, "overflow");
        assert_fails(b4c_fill(s, texts[1], SIZE_MAX, NULL, &filled, &err), &err, B4C_E_NUMBER,
                     "mask 1: the logit of token ");
        assert_fails(b4c_score_texts(s, NULL, NULL, texts, NULL, 1, NULL, &scores, &err), &err,
                     B4C_E_NUMBER, "text 1: token 2: its logit is NaN");
        b4c_session_free(s);
        b4c_model_free(m);
    }
    /* bf16 ends at 3.39e38: of 40 x 40 numbers that are larger none is kept as an infinity */
    const b4c_convert_options o = { .dtype = B4C_BF16 };
    b4c_error err = { 0 };
    folder = folder_make("wide", "bert");
    folder_fill(temp_path("wide/model.safetensors"),
                "bert.encoder.layer.0.attention.output.dense.weight", 3.4e38f);
    assert_fails(b4c_convert(folder, temp_path("narrow"), &o, NULL, &err), &err, B4C_E_NUMBER,
                 "1600 of the weights are beyond what bf16 holds");
}

/* ---- masks ----------------------------------------------------------------------------------- */

enum { PAIRS = 6, WIDEST = 24 };

/* Log-probabilities of the targets of n pairs, one behind the other. lengths [n]: source and
 * target; given [n]: the source. Returns how many. */
static int targets_of(b4c_session *s, const int32_t *ids, const int *lengths, const int *given,
                      int n, float *out)
{
    b4c_error err = { 0 };
    b4c_scores x;
    int count = 0;
    assert_ok(b4c_score_ids(s, ids, lengths, given, n, NULL, &x, &err), &err);
    for (int i = 0; i < n; i++) {
        assert_int_equal(x.score[i].n, lengths[i] - given[i]);
        memcpy(out + count, x.score[i].token_logprob, (size_t)x.score[i].n * sizeof *out);
        count += x.score[i].n;
    }
    b4c_scores_free(&x);
    return count;
}

/* R09: a user of mT5 did not know that of its two masks neither is made from the ids there, and
 * trained on padding. Here there is none to pass: pairs of any lengths side by side have the bits
 * that each has alone, and an id is a token wherever it stands, that of [PAD] too. */
static void a_pair_is_its_ids_and_lengths_and_no_mask_can_be_forgotten(void **state)
{
    (void)state;
    static const char *const models[] = { "mt5", "t5", "t5-pegasus", "bart" };
    for (size_t m = 0; m < COUNT(models); m++) {
        opened o;
        int32_t ids[PAIRS * WIDEST], padded[WIDEST + 4];
        int lengths[PAIRS], given[PAIRS], row = 0, at = 0;
        float all[PAIRS * WIDEST], one[WIDEST];
        open_golden_model(&o, models[m], B4C_F32, NULL);
        for (int i = 0; i < PAIRS; i++) {
            given[i] = 1 + 7 * i % 11;
            lengths[i] = given[i] + 1 + 5 * i % 12;
            for (int k = 0; k < lengths[i]; k++) ids[row++] = 3 + (11 * k + 5 * i) % 90;
        }
        row = 0;
        const int n = targets_of(o.session, ids, lengths, given, PAIRS, all);
        for (int i = 0; i < PAIRS; row += lengths[i++]) {
            const int k = targets_of(o.session, ids + row, lengths + i, given + i, 1, one);
            assert_memory_equal(one, all + at, (size_t)k * sizeof *one);
            at += k;
        }
        assert_int_equal(at, n);
        /* four [PAD] behind the first source are four tokens of it */
        memcpy(padded, ids, (size_t)given[0] * sizeof *ids);
        memset(padded + given[0], 0, 4 * sizeof *ids);
        memcpy(padded + given[0] + 4, ids + given[0],
               (size_t)(lengths[0] - given[0]) * sizeof *ids);
        lengths[0] += 4;
        given[0] += 4;
        const int k = targets_of(o.session, padded, lengths, given, 1, one);
        assert_memory_not_equal(one, all, (size_t)k * sizeof *one);
        close_golden(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_does_not_feel_the_longer_sentence_beside_it),
        cmocka_unit_test(a_pair_is_its_ids_and_lengths_and_no_mask_can_be_forgotten),
        cmocka_unit_test(feed_forwards_beyond_half_floats_stay_numbers),
        cmocka_unit_test(an_overflow_is_told_and_never_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
