/* test_op_values.c - ops against numbers worked out elsewhere (numpy, by the formulas of the posts
 * and papers named), and against a naive rendering in double.
 */
#include "base/rng.h"
#include "support/test.h"
#include "tape/ops.h"

#include <math.h>

static b4c_tape tape, recording;

static int set_up(void **state)
{
    (void)state;
    return b4c_tape_init(&tape, b4c_kernels_get(), NULL, B4C_F32, 64 << 20, false) |
           b4c_tape_init(&recording, b4c_kernels_get(), NULL, B4C_F32, 64 << 20, true);
}

static int tear_down(void **state)
{
    (void)state;
    b4c_tape_done(&tape);
    b4c_tape_done(&recording);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    b4c_tape_reset(&tape);
    b4c_tape_reset(&recording);
    return 0;
}

static void assert_about(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("found %.9g, wanted %.9g within %.2g", got, want, tolerance);
}

/* ---- losses --------------------------------------------------------------------------------- */

/* RoFormer-Sim-FT: two classes or three of the same five logits. */
static void a_masked_entropy_chooses_within_its_task(void **state)
{
    (void)state;
    static const double want[5] = { .554355, .854355, .720694, 1.220694, 1.520694 };
    b4c_real z[5] = { .2f, -.1f, .5f, 0, -.3f };
    for (int32_t label = 0; label < 5; label++) {
        b4c_slot slot = { 0 };
        uint8_t allowed[5];
        for (int c = 0; c < 5; c++) allowed[c] = (c < 2) == (label < 2);
        const b4c_tensor loss = b4c_masked_cross_entropy(&recording, b4c_tensor_of(z, 1, 5, &slot),
                                                         &label, allowed);
        assert_about(*loss.x, want[label], 1e-6);
        b4c_backward(&recording, loss);
        for (int c = 0; c < 5; c++) assert_true(allowed[c] ? slot.g[c] != 0 : slot.g[c] == 0);
        b4c_tape_reset(&recording);
    }
}

static void entropy_counts_rows_that_have_a_target(void **state)
{
    (void)state;
    b4c_real z[4] = { 0, 0, 5, 1 };
    const int32_t both[2] = { 1, 0 }, first[2] = { 1, -1 }, none[2] = { -1, -1 };
    const b4c_tensor x = b4c_tensor_of(z, 2, 2, NULL);
    const double two = log(2), other = log(1 + exp(-4));
    assert_about(*b4c_cross_entropy(&tape, x, both, 0).x, (two + other) / 2, 1e-6);
    assert_about(*b4c_cross_entropy(&tape, x, first, 0).x, two, 1e-6);
    assert_true(*b4c_cross_entropy(&tape, x, none, 0).x == 0);
    /* 0.9 of the target's, and 0.1 spread over both */
    assert_about(*b4c_cross_entropy(&tape, x, both, .1f).x,
                 (two + .9 * other + .1 * (other + 2)) / 2, 1e-6);
}

/* One half and one half against three quarters and one quarter: KL 0.143841 and 0.130812. */
static void two_readings_are_apart_by_their_kl_both_ways(void **state)
{
    (void)state;
    b4c_real z[8] = { 0, 0, 2, 1, (b4c_real)log(3), 0, 2, 1 };
    const int32_t both[2] = { 0, 1 }, same[2] = { -1, 0 }, none[2] = { -1, -1 };
    const b4c_tensor x = b4c_tensor_of(z, 4, 2, NULL);
    assert_about(*b4c_agreement(&tape, x, both, 1).x, .274653 / 2, 1e-6);
    assert_about(*b4c_agreement(&tape, x, both, 4).x, .274653 * 2, 4e-6);
    assert_about(*b4c_agreement(&tape, x, same, 1).x, 0, 1e-7);
    assert_true(*b4c_agreement(&tape, x, none, 1).x == 0);
}

static void in_batch_contrast_has_the_posts_values(void **state)
{
    (void)state;
    static const double want[2] = { .179913, .174093 };
    static const b4c_real scale[2] = { 20, 30 };
    b4c_real v[12] = { 1, 0, 0, .8f, .6f, 0, 0, 1, 0, 0, .6f, .8f };
    const int positive[4] = { 1, 0, 3, 2 };
    const b4c_tensor u = b4c_tensor_of(v, 4, 3, NULL);
    for (int i = 0; i < 2; i++)
        assert_about(*b4c_contrastive(&tape, u, positive, scale[i]).x, want[i], 1e-6);
}

static void similarity_distillation_has_the_posts_value(void **state)
{
    (void)state;
    b4c_real v[12] = { 1, 0, 0, .8f, .6f, 0, 0, 1, 0, 0, .6f, .8f },
             t[12] = { 1, 0, 0, .6f, .8f, 0, 0, 1, 0, 0, 0, 1 }, target[16];
    for (int i = 0; i < 16; i++)
        target[i] = t[i / 4 * 3] * t[i % 4 * 3] + t[i / 4 * 3 + 1] * t[i % 4 * 3 + 1] +
                    t[i / 4 * 3 + 2] * t[i % 4 * 3 + 2];
    assert_about(*b4c_similarity_mse(&tape, b4c_tensor_of(v, 4, 3, NULL), target, 100).x, 7.12,
                 1e-5);
}

/* Pairs whose cosines are given, and ordinal labels. */
static double cosent(const double *cosines, const b4c_real *labels)
{
    b4c_real u[12];
    for (int i = 0; i < 3; i++) {
        const b4c_real pair[4] = { 1, 0, (b4c_real)cosines[i],
                                   (b4c_real)sqrt(1 - cosines[i] * cosines[i]) };
        memcpy(u + 4 * i, pair, sizeof pair);
    }
    return *b4c_cosent(&tape, b4c_tensor_of(u, 6, 2, NULL), labels, 20).x;
}

static void cosent_has_the_posts_values(void **state)
{
    (void)state;
    assert_about(cosent((const double[]){ .9, .7, .4 }, (const b4c_real[]){ 1, 0, 0 }), .018194510,
                 1e-6);
    assert_about(cosent((const double[]){ .5, .7, .4 }, (const b4c_real[]){ 1, 0, 0 }), 4.020581139,
                 1e-5);
    assert_about(cosent((const double[]){ .2, .5, .8 }, (const b4c_real[]){ 2, 1, 0 }),
                 12.004951370, 2e-5);
    assert_true(cosent((const double[]){ .2, .5, .8 }, (const b4c_real[]){ 1, 1, 1 }) == 0);
}

static void pair_features_are_both_and_their_distance(void **state)
{
    (void)state;
    b4c_real u[4] = { 1, -2, 3, -5 };
    const b4c_real want[6] = { 1, -2, 3, -5, 2, 3 };
    assert_memory_equal(b4c_pair_features(&tape, b4c_tensor_of(u, 2, 2, NULL)).x, want,
                        sizeof want);
}

/* ---- positions ------------------------------------------------------------------------------ */

static void rotary_positions_turn_neighbouring_pairs(void **state)
{
    (void)state;
    enum { MOST = 8 };
    b4c_real cosine[2 * MOST], sine[2 * MOST];
    for (int i = 0; i < 2 * MOST; i++) {
        cosine[i] = (b4c_real)cos(i / 2 * pow(10000, -(double)(i % 2) / 2));
        sine[i] = (b4c_real)sin(i / 2 * pow(10000, -(double)(i % 2) / 2));
    }
    b4c_rotary rotary = { cosine, sine, MOST, false };
    const int pos[4] = { 1, 5, 7, 4 }, three = 3;
    b4c_real x[16] = { 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 }, y[4] = { .5f, -1, 2, .3f };
    const b4c_real want[8] = { -1.14263966f, 1.9220756f, 2.95985067f, 4.0297995f,
                               2.20151073f,  -.3915999f, 2.7963341f,  4.14493855f };
    const b4c_real *turned = b4c_rotated(&tape, b4c_tensor_of(x, 4, 4, NULL), 1, 4, pos, &rotary).x;
    assert_near(turned, want, 8, 1e-6);
    const b4c_real *other =
        b4c_rotated(&tape, b4c_tensor_of(y, 1, 4, NULL), 1, 4, &three, &rotary).x;
    double apart = 0, near = 0;
    for (int i = 0; i < 4; i++) {
        apart += (double)turned[8 + i] * (double)other[i];       /* <R7 x, R3 y> = <R4 x, y> */
        near += (double)turned[12 + i] * (double)y[i];
    }
    assert_about(apart, 9.404386917, 1e-5);
    assert_about(near, 9.404386917, 1e-5);

    /* Halves: the same turn of columns (i, i + d/2). */
    b4c_real halves[4] = { 1, 3, 2, 4 };
    rotary.halves = true;
    const b4c_real *again =
        b4c_rotated(&tape, b4c_tensor_of(halves, 1, 4, NULL), 1, 4, pos, &rotary).x;
    for (int i = 0; i < 4; i++) assert_about(again[i], want[i % 2 * 2 + i / 2], 1e-6);
}

static void buckets_are_those_of_t5(void **state)
{
    (void)state;
    static const int both[][2] = { { -200, 15 }, { -64, 14 }, { -33, 12 }, { -16, 10 },
                                   { -12, 9 },   { -8, 8 },   { -7, 7 },   { -1, 1 },
                                   { 0, 0 },     { 1, 17 },   { 7, 23 },   { 8, 24 },
                                   { 12, 25 },   { 16, 26 },  { 64, 30 },  { 127, 31 } };
    static const int one[][2] = { { 0, 0 },    { 9, 0 },     { -1, 1 },    { -15, 15 },
                                  { -16, 16 }, { -17, 16 },  { -20, 17 },  { -32, 21 },
                                  { -64, 26 }, { -113, 31 }, { -5000, 31 } };
    for (size_t i = 0; i < COUNT(both); i++)
        assert_int_equal(b4c_bucket(both[i][0], 32, 128, true), both[i][1]);
    for (size_t i = 0; i < COUNT(one); i++)
        assert_int_equal(b4c_bucket(one[i][0], 32, 128, false), one[i][1]);
}

/* ---- attention ------------------------------------------------------------------------------ */

enum { HEADS = 4, KV_HEADS = 2, SIZE = 6, BUCKETS = 8, REACH = 2, CACHE_ROOM = 12 };

static b4c_real *random_rows(b4c_rng *rng, int rows, int cols)
{
    b4c_real *x = b4c_take_rows(&tape, rows, cols);
    assert_non_null(x);
    for (int i = 0; i < rows * cols; i++) x[i] = 2 * b4c_rng_uniform(rng) - 1;
    return x;
}

/* Row i, head h, in double, by the definition. */
static void naive(const b4c_tensor q, const b4c_tensor k, const b4c_tensor v, const b4c_plan *p,
                  const b4c_attend_spec *a, int s, int i, int h, double *y)
{
    const int set = p->head_set ? p->head_set[h] : 0, g = h / (a->heads / a->kv_heads);
    double sum = 0;
    for (int c = 0; c < SIZE; c++) y[c] = 0;
    for (int j = p->from[set][i]; j < p->upto[set][i]; j++) {
        const int away = j - p->pos[i], near = away < -REACH ? -REACH : away > REACH ? REACH : away;
        const b4c_real *rel = a->rel ? a->rel + (near + REACH) * SIZE : NULL;
        const b4c_real *key = b4c_row_of(k, p->k_off[s] + j) + g * SIZE,
                       *value = b4c_row_of(v, p->k_off[s] + j) + g * SIZE;
        double score = 0;
        for (int c = 0; c < SIZE; c++)
            score += (double)b4c_row_of(q, i)[h * SIZE + c] *
                     ((double)key[c] + (rel ? (double)rel[c] : 0)) * (double)a->scale;
        if (a->bias.x)
            score += (double)a->bias
                         .x[b4c_bucket(away, BUCKETS, a->max_distance, a->both_ways) * HEADS + h];
        sum += exp(score);
        for (int c = 0; c < SIZE; c++)
            y[c] += exp(score) * ((double)value[c] + (rel ? (double)rel[c] : 0));
    }
    for (int c = 0; c < SIZE && sum > 0; c++) y[c] /= sum;
}

static void assert_attends(const b4c_tensor q, const b4c_tensor k, const b4c_tensor v,
                           const b4c_plan *p, const b4c_attend_spec *a)
{
    const b4c_tensor y = b4c_attend(&tape, q, k, v, p, a, B4C_ROWS);
    double want[SIZE];
    assert_int_equal(y.rows, p->n_rows);
    for (int s = 0; s < p->n_seq; s++)
        for (int i = p->q_off[s]; i < p->q_off[s + 1]; i++)
            for (int h = 0; h < HEADS; h++) {
                naive(q, k, v, p, a, s, i, h, want);
                for (int c = 0; c < SIZE; c++)
                    assert_about((double)b4c_row_of(y, i)[h * SIZE + c], want[c], 2e-6);
            }
}

/* Every addition to scores and every kind of interval; keys of the batch, and keys in slots of a
 * cache. */
static void attention_is_a_weighted_mean_of_what_is_seen(void **state)
{
    (void)state;
    static const uint8_t head_set[HEADS] = { 0, 1, 1, 0 };
    static const int32_t segments[] = { 0, 0, 1, 1, 1, 0, 0, 1, 0 };
    const int lengths[] = { 5, 3, 1 }, keys[] = { 2, 7, 4 };
    b4c_rng rng;
    b4c_rng_init(&rng, 3, 0, 0);
    for (int addition = 0; addition < 8; addition++) {
        b4c_attend_spec a = {
            .heads = HEADS, .kv_heads = KV_HEADS, .head_size = SIZE, .scale = .7f, .max_distance = 5
        };
        if (addition & 1)
            a.bias = (b4c_array){ BUCKETS, HEADS, random_rows(&rng, BUCKETS, HEADS), NULL };
        if (addition & 2) a.rel = random_rows(&rng, 2 * REACH + 1, SIZE), a.rel_max = REACH;
        a.both_ways = addition & 4;
        const b4c_plan plans[] = {
            b4c_plan_make(&tape, B4C_MASK_FULL, lengths, 3, NULL),
            b4c_plan_make(&tape, B4C_MASK_CAUSAL, lengths, 3, NULL),
            b4c_plan_make(&tape, B4C_MASK_PREFIX, lengths, 3, segments),
            b4c_plan_mix(&tape, B4C_MASK_CAUSAL, B4C_MASK_ANTI, head_set, lengths, 3),
            b4c_plan_cross(&tape, lengths, keys, 3),
        };
        const b4c_tensor q = b4c_tensor_of(random_rows(&rng, 9, HEADS * SIZE), 9, HEADS * SIZE,
                                           NULL);
        const b4c_tensor kv = b4c_tensor_of(random_rows(&rng, 13, 2 * KV_HEADS * SIZE), 13,
                                            2 * KV_HEADS * SIZE, NULL);
        const b4c_tensor k = b4c_columns(kv, 0, KV_HEADS * SIZE),
                         v = b4c_columns(kv, KV_HEADS * SIZE, KV_HEADS * SIZE);
        for (size_t i = 0; i < COUNT(plans); i++) assert_attends(q, k, v, &plans[i], &a);
    }
}

/* The next row of each sequence, its keys in a slot: the same bits as in the whole sequence. */
static void a_row_that_reads_a_cache_has_the_bits_of_the_whole(void **state)
{
    (void)state;
    const int lengths[] = { 7, 4 }, slots[] = { 2, 0 };
    const b4c_attend_spec a = { .heads = HEADS,
                                .kv_heads = KV_HEADS,
                                .head_size = SIZE,
                                .scale = .7f,
                                .max_distance = 5,
                                .bias = { BUCKETS, HEADS, NULL, NULL } };
    b4c_attend_spec spec = a;
    b4c_rng rng;
    b4c_rng_init(&rng, 4, 0, 0);
    spec.bias.x = random_rows(&rng, BUCKETS, HEADS);
    const b4c_plan whole = b4c_plan_make(&tape, B4C_MASK_CAUSAL, lengths, 2, NULL);
    const b4c_tensor q = b4c_tensor_of(random_rows(&rng, 11, HEADS * SIZE), 11, HEADS * SIZE, NULL);
    const b4c_tensor k = b4c_tensor_of(random_rows(&rng, 11, KV_HEADS * SIZE), 11, KV_HEADS * SIZE,
                                       NULL);
    const b4c_tensor v = b4c_tensor_of(random_rows(&rng, 11, KV_HEADS * SIZE), 11, KV_HEADS * SIZE,
                                       NULL);
    const b4c_tensor want = b4c_attend(&tape, q, k, v, &whole, &spec, B4C_ROWS);

    const int rows = 3 * CACHE_ROOM, width = KV_HEADS * SIZE;
    const b4c_tensor cached_k = b4c_tensor_of(random_rows(&rng, rows, width), rows, width, NULL);
    const b4c_tensor cached_v = b4c_tensor_of(random_rows(&rng, rows, width), rows, width, NULL);
    for (int s = 0; s < 2; s++) {
        const size_t bytes = (size_t)(lengths[s] * width) * sizeof(b4c_real);
        memcpy(b4c_row(cached_k.x, width, slots[s] * CACHE_ROOM), b4c_row_of(k, whole.q_off[s]),
               bytes);
        memcpy(b4c_row(cached_v.x, width, slots[s] * CACHE_ROOM), b4c_row_of(v, whole.q_off[s]),
               bytes);
    }
    for (int i = 0; i < 4; i++) { /* row i of the second sequence, row i + 3 of the first */
        const int q_off[] = { 0, 1, 2 }, k_off[] = { 2 * CACHE_ROOM, 0 }, upto[] = { i + 4, i + 1 },
                  from[] = { 0, 0 }, pos[] = { i + 3, i };
        const b4c_plan step = { .n_seq = 2,
                                .n_rows = 2,
                                .q_off = q_off,
                                .k_off = k_off,
                                .k_len = upto,
                                .from = { from },
                                .upto = { upto },
                                .pos = pos };
        const int index[] = { i + 3, 7 + i };
        const b4c_tensor y = b4c_attend(&tape, b4c_gather(&tape, q, index, 2), cached_k, cached_v,
                                        &step, &spec, B4C_ROWS);
        for (int r = 0; r < 2; r++)
            assert_memory_equal(b4c_row_of(y, r), b4c_row_of(want, index[r]),
                                HEADS * SIZE * sizeof(b4c_real));
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void pooling_takes_rows_of_one_sequence(void **state)
{
    (void)state;
    b4c_real x[10] = { 9, 9, 1, 2, 5, -4, -3, 8, 7, 7 };
    const int offsets[4] = { 1, 3, 3, 5 };
    const b4c_tensor rows = b4c_tensor_of(x, 5, 2, NULL);
    const b4c_real first[6] = { 1, 2, 0, 0, -3, 8 }, mean[6] = { 3, -1, 0, 0, 2, 7.5f },
                   most[6] = { 5, 2, 0, 0, 7, 8 };
    assert_memory_equal(b4c_pooled(&tape, rows, offsets, 3, B4C_POOL_ROW_FIRST).x, first,
                        sizeof first);
    assert_memory_equal(b4c_pooled(&tape, rows, offsets, 3, B4C_POOL_ROW_MEAN).x, mean,
                        sizeof mean);
    assert_memory_equal(b4c_pooled(&tape, rows, offsets, 3, B4C_POOL_ROW_MAX).x, most, sizeof most);
    const b4c_real last[6] = { 5, -4, 0, 0, 7, 7 };
    const double by_root[6] = { 6 / sqrt(2), -2 / sqrt(2), 0, 0, 4 / sqrt(2), 15 / sqrt(2) },
                 weighted[6] = { 11. / 3, -2, 0, 0, 11. / 3, 22. / 3 };
    assert_memory_equal(b4c_pooled(&tape, rows, offsets, 3, B4C_POOL_ROW_LAST).x, last,
                        sizeof last);
    const b4c_tensor root = b4c_pooled(&tape, rows, offsets, 3, B4C_POOL_ROW_MEAN_SQRT),
                     weigh = b4c_pooled(&tape, rows, offsets, 3, B4C_POOL_ROW_WEIGHTED);
    for (int i = 0; i < 6; i++) {
        assert_true(fabs((double)b4c_row_of(root, i / 2)[i % 2] - by_root[i]) < 1e-6);
        assert_true(fabs((double)b4c_row_of(weigh, i / 2)[i % 2] - weighted[i]) < 1e-6);
    }
}

static void a_maximum_shows_a_nan(void **state)
{
    (void)state;
    b4c_real x[3] = { 1, NAN, 2 };
    const int offsets[2] = { 0, 3 };
    assert_true(
        isnan(*b4c_pooled(&tape, b4c_tensor_of(x, 3, 1, NULL), offsets, 1, B4C_POOL_ROW_MAX).x));
}

static void unit_rows_have_length_one_and_zero_stays_zero(void **state)
{
    (void)state;
    b4c_real x[4] = { 3, 4, 0, 0 };
    const b4c_real want[4] = { .6f, .8f, 0, 0 };
    const b4c_real *y = b4c_unit(&tape, b4c_tensor_of(x, 2, 2, NULL)).x;
    assert_near(y, want, 4, 1e-7);
    assert_true(y[2] == 0 && y[3] == 0);
}

/* Absent ids add nothing; a bf16 table gives what widening it gives, at widths that are no whole
 * vectors too. */
static void embedding_adds_the_rows_that_are_there(void **state)
{
    (void)state;
    for (int cols = 1; cols < 70; cols += 9) {
        b4c_rng rng;
        b4c_rng_init(&rng, 8, 0, 0);
        b4c_real *exact = random_rows(&rng, 5, cols), *wide = random_rows(&rng, 4, cols);
        uint16_t *half = malloc((size_t)(4 * cols) *
                                sizeof *half); /* ends where the sanitizer's fence begins */
        assert_non_null(half);
        for (int i = 0; i < 4 * cols; i++) wide[i] = b4c_from_bf16(half[i] = b4c_to_bf16(wide[i]));
        const b4c_table a = { .real = { 5, cols, exact, NULL } },
                        b = { .real = { 4, cols, NULL, NULL }, .half = half };
        const b4c_table *const tables[] = { &a, &b };
        const int32_t one[] = { 4, -1, 0, -1 },
                      two[] = { -1, 3, 2, -1 }, *const ids[] = { one, two };
        const b4c_tensor y = b4c_embed(&tape, tables, ids, 2, 4, 1);
        for (int c = 0; c < cols; c++) {
            assert_true(b4c_row_of(y, 0)[c] == exact[4 * cols + c]);
            assert_true(b4c_row_of(y, 1)[c] == wide[3 * cols + c]);
            assert_true(b4c_row_of(y, 2)[c] == exact[c] + wide[2 * cols + c]);
            assert_true(b4c_row_of(y, 3)[c] == 0);
        }
        free(half);
    }
}

static void dropout_keeps_its_share_and_the_mean(void **state)
{
    (void)state;
    enum { ROWS = 200, COLS = 101 };
    b4c_real *ones = b4c_take_rows(&tape, ROWS, COLS);
    for (int i = 0; i < ROWS * COLS; i++) ones[i] = 1;
    const b4c_tensor x = b4c_tensor_of(ones, ROWS, COLS, NULL),
                     a = b4c_dropout(&tape, x, .3f, 7, 1);
    const size_t bytes = ROWS * COLS * sizeof(b4c_real);
    int kept = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        assert_true(a.x[i] == 0 || a.x[i] == 1 / (b4c_real)(1 - .3f));
        kept += a.x[i] != 0;
    }
    assert_about(kept / (double)(ROWS * COLS), .7, 4 * sqrt(.21 / (ROWS * COLS)));
    assert_memory_equal(b4c_dropout(&tape, x, .3f, 7, 1).x, a.x, bytes);
    assert_true(memcmp(b4c_dropout(&tape, x, .3f, 7, 2).x, a.x, bytes) != 0);
    assert_true(memcmp(b4c_dropout(&tape, x, .3f, 8, 1).x, a.x, bytes) != 0);
    assert_ptr_equal(b4c_dropout(&tape, x, 0, 7, 1).x, x.x);
    /* A row's mask depends on neither the rows after it nor the columns beyond. */
    const b4c_tensor part = b4c_dropout(&tape, b4c_tensor_of(ones, 3, COLS - 2, NULL), .3f, 7, 1);
    for (int i = 0; i < 3; i++)
        for (int c = 0; c < COLS - 2; c++)
            assert_true(b4c_row_of(part, i)[c] == b4c_row_of(a, i)[c]);
}

#define VALUE(test) cmocka_unit_test_teardown(test, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE(a_masked_entropy_chooses_within_its_task),
        VALUE(entropy_counts_rows_that_have_a_target),
        VALUE(two_readings_are_apart_by_their_kl_both_ways),
        VALUE(in_batch_contrast_has_the_posts_values),
        VALUE(similarity_distillation_has_the_posts_value),
        VALUE(cosent_has_the_posts_values),
        VALUE(pair_features_are_both_and_their_distance),
        VALUE(rotary_positions_turn_neighbouring_pairs),
        VALUE(buckets_are_those_of_t5),
        VALUE(attention_is_a_weighted_mean_of_what_is_seen),
        VALUE(a_row_that_reads_a_cache_has_the_bits_of_the_whole),
        VALUE(pooling_takes_rows_of_one_sequence),
        VALUE(a_maximum_shows_a_nan),
        VALUE(unit_rows_have_length_one_and_zero_stays_zero),
        VALUE(embedding_adds_the_rows_that_are_there),
        VALUE(dropout_keeps_its_share_and_the_mean),
    };
    return cmocka_run_group_tests_name("tests/unit/test_op_values", tests, set_up, tear_down);
}
