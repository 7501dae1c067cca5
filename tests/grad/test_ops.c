/* test_ops.c - the gradient of every op against central differences, in double.
 *
 * A case builds a result from inputs and weights of random shapes and values. The loss is the sum
 * of the result's elements times fixed random numbers. Each element of each input is then moved,
 * and what the loss does is compared with what back says. The list of ops is read from ops.h: an op
 * without a case fails, and so does one without a line in docs/ops.md.
 */
#include "grad/world.h"
#include "support/test.h"
#include "tape/ops.h"

#include <math.h>

/* The difference (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h errs by h^4 f'''''/30 and by 1e-16 f /
 * h. Where the wide step misses, a kink (relu, maximum, absolute value) may lie within it: then the
 * narrow one must hit. */
static const double WIDE = 2e-4, NARROW = 4e-6, TOLERANCE = 1e-7;
enum { SEEDS = 6 };

/* ---- cases ---------------------------------------------------------------------------------- */

typedef b4c_tensor (*build_fn)(world *);
typedef struct op_case { const char *op; build_fn build; int kinds; } op_case;   /* kind < kinds */

/* kind: tables, then two and three of which the last is bf16 and not learned. One may be used
 * twice; some ids are absent. */
static b4c_tensor embed(world *w)
{
    const int n = w->kind < 3 ? w->kind + 1 : w->kind - 1, rows = draw(w, 1, 7),
              cols = draw(w, 1, 9), vocabulary = draw(w, 1, 6);
    const bool twice = n == 3 && draw(w, 0, 1), half = w->kind >= 3;
    b4c_table table[3] = { 0 };
    const b4c_table *tables[3];
    const int32_t *ids[3];
    for (int s = 0; s < n; s++) {
        if (half && s == n - 1) {
            uint16_t *p = b4c_take(w->t, (size_t)(vocabulary * cols) * sizeof *p);
            for (int i = 0; i < vocabulary * cols; i++)
                p[i] = b4c_to_bf16((float)uniform(w, -1, 1));
            table[s] = (b4c_table){ .real = { .rows = vocabulary, .cols = cols }, .half = p };
        } else if (!(twice && s == 1)) {
            table[s].real = array(w, vocabulary, cols, -1, 1);
        }
        tables[s] = twice && s == 1 ? &table[0] : &table[s];
        int *p = ints(w, rows);
        for (int i = 0; i < rows; i++) p[i] = draw(w, s + i ? -1 : 0, vocabulary - 1);
        ids[s] = p;
    }
    return b4c_embed(w->t, tables, ids, n, rows, w->kind % 2 ? 1 : 0.7);
}

/* A weight [n, k] of which two parts have low-rank changes, and the rest stays. */
static b4c_weight changed_weight(world *w, int n, int k)
{
    b4c_real *base = b4c_take_rows(w->t, n, k), *sum = b4c_take_rows(w->t, n, k);
    b4c_low_rank *low = b4c_take(w->t, 2 * sizeof *low);
    for (int i = 0; i < n * k; i++) sum[i] = base[i] = uniform(w, -1, 1);
    for (int i = 0; i < 2; i++) {
        const int rank = draw(w, 1, 3), rows = i ? n - n / 2 - 1 : n / 2;
        const b4c_array a = array(w, rank, k, -1, 1), b = array(w, rows, rank, -1, 1);
        low[i] = (b4c_low_rank){ .at = i ? n - rows : 0, .rows = rows, .rank = rank,
                                 .scale = i ? 0.5 : 2, .a = a.x, .b = b.x, .da = a.slot->g,
                                 .db = b.slot->g };
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < rank; j++)
                for (int c = 0; c < k; c++)
                    sum[(low[i].at + r) * k + c] +=
                        low[i].scale * b.x[r * rank + j] * a.x[j * k + c];
    }
    return (b4c_weight){ .packed = pack(w, n, k, sum), .low = low, .n_low = 2 };
}

/* kind: activation, then shared, frozen, tied, with low-rank changes. */
static b4c_tensor linear(world *w)
{
    enum { ACTS = B4C_ACT_TANH + 1 };
    const int rows = draw(w, 1, 9), k = draw(w, 1, 10), n = w->kind < ACTS ? draw(w, 1, 40) : k;
    const b4c_tensor x = rows_of(w, rows, k);
    if (w->kind == ACTS + 3) {
        const b4c_weight changed = changed_weight(w, draw(w, 4, 40), k);
        return b4c_linear(w->t, x, &changed, B4C_ACT_TANH, B4C_ROWS);
    }
    b4c_weight a = weight(w, n, k, draw(w, 0, 1));
    if (w->kind < ACTS) return b4c_linear(w->t, x, &a, (b4c_act)w->kind, any_want(w));
    if (w->kind == ACTS) { /* one weight, twice in a row, and the input once more beside it */
        const b4c_tensor y = b4c_linear(w->t, x, &a, B4C_ACT_TANH, B4C_ROWS);
        return b4c_sum(w->t, b4c_linear(w->t, y, &a, B4C_ACT_NONE, B4C_ROWS), x);
    }
    if (w->kind == ACTS + 1) {        /* not trained: gradients pass through what the panels hold */
        b4c_real *constant = b4c_take_rows(w->t, n, n);
        for (int i = 0; i < n * n; i++) constant[i] = uniform(w, -1, 1);
        const b4c_weight frozen = { .packed = pack(w, n, n, constant) };
        const b4c_tensor y = b4c_linear(w->t, x, &a, B4C_ACT_GELU, B4C_OPERAND);
        return b4c_linear(w->t, y, &frozen, B4C_ACT_NONE, B4C_ROWS);
    }
    int *ids = ints(w, rows);         /* tied: the same rows are looked up and multiplied with */
    for (int i = 0; i < rows; i++) ids[i] = draw(w, 0, n - 1);
    const b4c_table tied = { .real = { n, k, a.master, a.slot } };
    const b4c_tensor e = b4c_embed(w->t, &(const b4c_table *){ &tied }, &(const int32_t *){ ids },
                                   1, rows, 1);
    return b4c_linear(w->t, b4c_sum(w->t, e, x), &a, B4C_ACT_NONE, B4C_ROWS);
}

/* kind: bits are RMS, gain, bias, residual, sum. */
static b4c_tensor normalize(world *w)
{
    const int rows = draw(w, 1, 6), cols = draw(w, 2, 12);
    const b4c_tensor x = rows_of(w, rows, cols);
    const b4c_tensor residual = w->kind & 8 ? rows_of(w, rows, cols) : (b4c_tensor){ 0 };
    b4c_norm norm = { .kind = w->kind & 1 ? B4C_NORM_RMS : B4C_NORM_LAYER, .eps = 1e-3 };
    if (w->kind & 2) norm.gain = array(w, 1, cols, 0.5, 1.5);
    if (w->kind & 4) norm.bias = array(w, 1, cols, -1, 1);
    b4c_tensor sum;
    const b4c_tensor y = b4c_normalize(w->t, x, residual, &norm, w->kind & 16 ? &sum : NULL,
                                       any_want(w));
    return w->kind & 16 ? b4c_product(w->t, y, sum, B4C_ROWS) : y;
}

static b4c_tensor sum(world *w)
{
    const int rows = draw(w, 1, 6), cols = draw(w, 1, 9);
    const b4c_tensor a = rows_of(w, rows, cols);
    return b4c_sum(w->t, a, w->kind ? a : rows_of(w, rows, cols));
}

static b4c_tensor product(world *w)
{
    const int rows = draw(w, 1, 6), cols = draw(w, 1, 9);
    const b4c_tensor a = rows_of(w, rows, cols);
    return b4c_product(w->t, a, w->kind ? a : rows_of(w, rows, cols), any_want(w));
}

static b4c_tensor scaled(world *w)
{
    return b4c_scaled(w->t, rows_of(w, draw(w, 1, 6), draw(w, 1, 9)), uniform(w, -2, 2));
}

static b4c_tensor activate(world *w)
{
    return b4c_activate(w->t, rows_between(w, draw(w, 1, 6), draw(w, 1, 9), -3, 3),
                        (b4c_act)w->kind, any_want(w));
}

static b4c_tensor dropout(world *w)
{
    return b4c_dropout(w->t, rows_of(w, draw(w, 2, 6), draw(w, 3, 9)), w->kind ? 0.4 : 0, w->seed,
                       5);
}

static b4c_tensor rotated(world *w)
{
    enum { MOST = 9 };
    const int heads = draw(w, 1, 3), half = draw(w, 1, 3), rows = draw(w, 1, 6);
    b4c_real *cosine = b4c_take_rows(w->t, MOST, half), *sine = b4c_take_rows(w->t, MOST, half);
    for (int i = 0; i < MOST * half; i++) {
        const double angle = i / half * pow(100, -(double)(i % half) / half);
        cosine[i] = cos(angle);
        sine[i] = sin(angle);
    }
    int *pos = ints(w, rows);
    for (int i = 0; i < rows; i++) pos[i] = draw(w, 0, MOST - 1);
    const b4c_rotary rotary = { cosine, sine, MOST, w->kind == 1 };
    return b4c_rotated(w->t, rows_of(w, rows, heads * half * 2), heads, half * 2, pos, &rotary);
}

enum { FULL, CAUSAL, ANTI, PREFIX, WINDOW, BLIND, MIXED, CROSS, SHARED_SOURCE, LONG, MASKS };
enum { PLAIN, T5_BOTH, T5_ONE, NEZHA, NEZHA_AND_T5, ADDITIONS };

/* Rows see the last three keys (WINDOW), or random intervals that may be empty (BLIND). */
static b4c_plan odd_plan(world *w, const int *lengths, int n_seq)
{
    b4c_plan p = b4c_plan_make(w->t, B4C_MASK_FULL, lengths, n_seq, NULL);
    int *from = ints(w, p.n_rows), *upto = ints(w, p.n_rows);
    for (int s = 0; s < n_seq; s++)
        for (int i = p.q_off[s]; i < p.q_off[s + 1]; i++) {
            upto[i] = w->kind % MASKS == WINDOW ? p.pos[i] + 1 : draw(w, 0, lengths[s]);
            from[i] = w->kind % MASKS == WINDOW ? (p.pos[i] > 2 ? p.pos[i] - 2 : 0)
                                                : draw(w, 0, lengths[s]);
        }
    from[0] = 0;
    if (upto[0] < 1) upto[0] = 1;
    p.from[0] = from;
    p.upto[0] = upto;
    return p;
}

static b4c_plan any_plan(world *w, int heads, int *key_rows)
{
    static const b4c_mask plain[] = { B4C_MASK_FULL, B4C_MASK_CAUSAL, B4C_MASK_ANTI };
    const int mask = w->kind % MASKS, n_seq = draw(w, 1, 3);
    int *lengths = ints(w, n_seq), *other = ints(w, n_seq), total = 0;
    for (int s = 0; s < n_seq; s++) {
        lengths[s] = mask == LONG ? draw(w, 66, 70) : draw(w, s > 0 ? 0 : 1, 5);
        other[s] = draw(w, 1, 4);
        total += lengths[s];
    }
    *key_rows = total;
    if (mask <= ANTI) return b4c_plan_make(w->t, plain[mask], lengths, n_seq, NULL);
    if (mask == LONG) return b4c_plan_make(w->t, B4C_MASK_CAUSAL, lengths, 1, NULL);
    if (mask == WINDOW || mask == BLIND) return odd_plan(w, lengths, n_seq);
    if (mask == PREFIX) {
        int32_t *segments = ints(w, total);
        for (int i = 0; i < total; i++) segments[i] = draw(w, 0, 1);
        return b4c_plan_make(w->t, B4C_MASK_PREFIX, lengths, n_seq, segments);
    }
    if (mask == MIXED) {
        uint8_t *set = b4c_take(w->t, (size_t)heads);
        for (int h = 0; h < heads; h++) set[h] = (uint8_t)draw(w, 0, 1);
        return b4c_plan_mix(w->t, B4C_MASK_CAUSAL, B4C_MASK_ANTI, set, lengths, n_seq);
    }
    b4c_plan p = b4c_plan_cross(w->t, lengths, other, n_seq);
    *key_rows = 0;
    for (int s = 0; s < n_seq; s++) *key_rows += other[s];
    if (mask == SHARED_SOURCE) {      /* every sequence reads the first one's source */
        int *k_off = ints(w, n_seq), *k_len = ints(w, n_seq), *upto = ints(w, p.n_rows);
        for (int s = 0; s < n_seq; s++) k_off[s] = 0, k_len[s] = other[0];
        for (int i = 0; i < p.n_rows; i++) upto[i] = other[0];
        p.k_off = k_off;
        p.k_len = k_len;
        p.upto[0] = upto;
    }
    return p;
}

/* kind: which keys are seen, times what is added to scores. Heads may share keys. */
static b4c_tensor attend(world *w)
{
    const int addition = w->kind / MASKS, kv_heads = draw(w, 1, 2),
              heads = kv_heads * draw(w, 1, 2), d = draw(w, 1, 5);
    const bool is_long = w->kind % MASKS == LONG;
    b4c_attend_spec spec = {
        .heads = heads, .kv_heads = kv_heads, .head_size = is_long ? 2 : d, .scale = 0.8
    };
    const int size = spec.head_size;
    int key_rows;
    const b4c_plan plan = any_plan(w, heads, &key_rows);
    if (is_long) key_rows = plan.n_rows;
    b4c_tensor q, k, v;
    if (key_rows == plan.n_rows && draw(w, 0, 1)) {      /* views of one fused product */
        const b4c_tensor qkv = rows_of(w, plan.n_rows, (heads + 2 * kv_heads) * size);
        q = b4c_columns(qkv, 0, heads * size);
        k = b4c_columns(qkv, heads * size, kv_heads * size);
        v = b4c_columns(qkv, (heads + kv_heads) * size, kv_heads * size);
    } else {
        q = rows_of(w, plan.n_rows, heads * size);
        k = rows_of(w, key_rows, kv_heads * size);
        v = rows_of(w, key_rows, kv_heads * size);
    }
    if (addition == T5_BOTH || addition == T5_ONE || addition == NEZHA_AND_T5) {
        spec.bias = array(w, 8, heads, -2, 2);
        spec.max_distance = draw(w, 5, 9);
        spec.both_ways = addition != T5_ONE;
    }
    if (addition == NEZHA || addition == NEZHA_AND_T5) {
        spec.rel_max = draw(w, 1, 3);
        b4c_real *rel = b4c_take_rows(w->t, 2 * spec.rel_max + 1, size);
        for (int i = 0; i < (2 * spec.rel_max + 1) * size; i++) rel[i] = uniform(w, -1, 1);
        spec.rel = rel;
    }
    return b4c_attend(w->t, q, k, v, &plan, &spec, any_want(w));
}

static b4c_tensor pooled(world *w)
{
    const int n_seq = draw(w, 1, 4), cols = draw(w, 1, 6);
    int *offsets = ints(w, n_seq + 1);
    offsets[0] = draw(w, 0, 2);
    for (int s = 0; s < n_seq; s++) offsets[s + 1] = offsets[s] + draw(w, s ? 0 : 1, 4);
    return b4c_pooled(w->t, rows_of(w, offsets[n_seq] + 1, cols), offsets, n_seq,
                      (b4c_pool_kind)w->kind);
}

static b4c_tensor gather(world *w)
{
    const int rows = draw(w, 1, 5), n = draw(w, 1, 8), cols = draw(w, 1, 20);
    int *index = ints(w, n);
    for (int i = 0; i < n; i++) index[i] = draw(w, 0, rows - 1);
    return b4c_gather(w->t, rows_of(w, rows, cols), index, n);
}

static b4c_tensor unit(world *w)
{
    return b4c_unit(w->t, rows_between(w, draw(w, 1, 5), draw(w, 2, 8), 0.2, 1.5));
}

/* kind 0 plain, 1 smoothed, 2 no row has a target. */
static b4c_tensor cross_entropy(world *w)
{
    const int rows = draw(w, 2, 6), v = draw(w, 2, 9);
    int *target = ints(w, rows);
    for (int i = 0; i < rows; i++) target[i] = w->kind == 2 ? -1 : i ? draw(w, -1, v - 1) : 0;
    return b4c_cross_entropy(w->t, rows_between(w, rows, v, -3, 3), target, w->kind == 1 ? 0.1 : 0);
}

static b4c_tensor agreement(world *w)
{
    const int m = draw(w, 1, 4), v = draw(w, 2, 7);
    int32_t *target = b4c_take(w->t, (size_t)m * sizeof *target);
    for (int i = 0; i < m; i++) target[i] = i && draw(w, 0, 2) == 0 ? -1 : 0;
    return b4c_agreement(w->t, rows_between(w, 2 * m, v, -3, 3), target, 1.5);
}

static b4c_tensor masked_cross_entropy(world *w)
{
    const int rows = draw(w, 2, 6), v = draw(w, 2, 9);
    int *target = ints(w, rows);
    uint8_t *allowed = b4c_take(w->t, (size_t)(rows * v));
    for (int i = 0; i < rows * v; i++) allowed[i] = (uint8_t)draw(w, 0, 1);
    for (int i = 0; i < rows; i++) {
        target[i] = i ? draw(w, -1, v - 1) : 1;
        if (target[i] >= 0) allowed[i * v + target[i]] = 1;
    }
    return b4c_masked_cross_entropy(w->t, rows_between(w, rows, v, -3, 3), target, allowed);
}

static b4c_tensor contrastive(world *w)
{
    const int n = draw(w, 3, 7);
    int *positive = ints(w, n);
    for (int i = 0; i < n; i++) positive[i] = (i + draw(w, 1, n - 1)) % n;
    if (w->kind == 2) positive[n - 1] = -1;      /* a hard negative asks nothing */
    return b4c_contrastive(w->t, b4c_unit(w->t, rows_of(w, n, draw(w, 2, 5))), positive,
                           w->kind ? 20 : 1);
}

static b4c_tensor similarity_mse(world *w)
{
    const int n = draw(w, 1, 6);
    b4c_real *target = b4c_take_rows(w->t, n, n);
    for (int i = 0; i < n * n; i++) target[i] = uniform(w, -1, 1);
    return b4c_similarity_mse(w->t, rows_of(w, n, draw(w, 1, 5)), target, 100);
}

static b4c_tensor cosent(world *w)
{
    const int n = draw(w, 2, 5);
    b4c_real *labels = b4c_take_rows(w->t, 1, n);
    for (int i = 0; i < n; i++) labels[i] = i < 2 ? i : draw(w, 0, 2);
    return b4c_cosent(w->t, b4c_unit(w->t, rows_of(w, 2 * n, draw(w, 2, 5))), labels,
                      w->kind ? 20 : 1);
}

static b4c_tensor pair_features(world *w)
{
    return b4c_pair_features(w->t, rows_of(w, 2 * draw(w, 1, 4), draw(w, 1, 6)));
}

static const op_case cases[] = {
    { "embed", embed, 5 },
    { "linear", linear, B4C_ACT_TANH + 5 },
    { "normalize", normalize, 32 },
    { "sum", sum, 2 },
    { "product", product, 2 },
    { "scaled", scaled, 1 },
    { "activate", activate, B4C_ACT_TANH + 1 },
    { "dropout", dropout, 2 },
    { "rotated", rotated, 2 },
    { "attend", attend, MASKS * ADDITIONS },
    { "pooled", pooled, 6 },
    { "gather", gather, 1 },
    { "unit", unit, 1 },
    { "cross_entropy", cross_entropy, 3 },
    { "agreement", agreement, 1 },
    { "masked_cross_entropy", masked_cross_entropy, 1 },
    { "contrastive", contrastive, 3 },
    { "similarity_mse", similarity_mse, 1 },
    { "cosent", cosent, 2 },
    { "pair_features", pair_features, 1 },
};

/* ---- checking one case ---------------------------------------------------------------------- */

typedef struct bench { b4c_tape record, plain; b4c_pool *pool; } bench;

/* The loss of the case as its inputs are now. */
static b4c_tensor evaluate(world *w, b4c_tape *t, build_fn build)
{
    b4c_tape_reset(t);
    w->t = t;
    w->next = 0;
    for (int i = 0; i < w->n_packed; i++) b4c_packed_done(&w->packed[i]);
    w->n_packed = 0;
    b4c_rng_init(&w->rng, w->seed, 0, 0);
    const b4c_tensor y = build(w);
    assert_false(t->failed);
    return weighed(w, y);
}

/* The slope of the loss at *x. */
static double slope_at(world *w, b4c_tape *t, build_fn build, b4c_real *x, double h)
{
    static const double step[4] = { -2, -1, 1, 2 }, factor[4] = { 1, -8, 8, -1 };
    const b4c_real kept = *x;
    double slope = 0;
    for (int j = 0; j < 4; j++) {
        *x = kept + step[j] * h;
        slope += factor[j] * *evaluate(w, t, build).x / (12 * h);
    }
    *x = kept;
    return slope;
}

/* The largest gradient of all inputs: what a gradient is small against. */
static double largest(const world *w)
{
    double most = 0;
    for (int k = 0; k < w->n_in; k++)
        for (int i = 0; i < w->in[k].rows * w->in[k].cols; i++)
            most = fmax(most, fabs(w->in[k].g[i]));
    return most;
}

/* Every element of a small input, some 60 of a large one. */
static void check_input(world *w, bench *b, const op_case *c, int k, double most)
{
    const input *p = &w->in[k];
    const int n = p->rows * p->cols, step = n > 120 ? n / 61 : 1;
    double worst = 0, size = 1e-3 * most;
    int where = 0;
    for (int i = 0; i < n; i += step) {
        double slope = slope_at(w, &b->plain, c->build, &p->x[i], WIDE);
        if (!(fabs(slope - p->g[i]) <= TOLERANCE * size))
            slope = slope_at(w, &b->plain, c->build, &p->x[i], NARROW);
        const double off = fabs(slope - p->g[i]);
        if (!(off <= worst)) worst = off, where = i;
        size = fmax(size, fabs(slope));
    }
    if (!(worst <= TOLERANCE * size) && most > 0)
        fail_msg("%s, kind %d, seed %d: input %d [%d, %d], element %d: off by %.3g of %.3g", c->op,
                 w->kind, (int)w->seed, k, p->rows, p->cols, where, worst, size);
}

static void check_case(bench *b, const op_case *c, int kind, int seed)
{
    world w = { .seed = (uint64_t)seed, .kind = kind };
    const double plain = *evaluate(&w, &b->plain, c->build).x;
    const b4c_tensor loss = evaluate(&w, &b->record, c->build);
    assert_true(isfinite(plain));
    if (plain != *loss.x)
        fail_msg("%s, kind %d, seed %d: recording changes the result", c->op, kind, seed);
    b4c_backward(&b->record, loss);
    assert_false(b->record.failed);
    for (int i = 0; i < b->record.lives.n; i++)
        if (b->record.lives.life[i].slot != loss.slot)
            fail_msg("%s, kind %d: a gradient outlived backward", c->op, kind);
    const double most = largest(&w);
    if (most == 0 && !(strcmp(c->op, "cross_entropy") == 0 && kind == 2))
        fail_msg("%s, kind %d, seed %d: no gradient at all", c->op, kind, seed);
    for (int k = 0; k < w.n_in; k++) check_input(&w, b, c, k, most);

    /* tapes look at the world's slots once more when they are reset: while it is there */
    b4c_tape_reset(&b->plain);
    b4c_tape_reset(&b->record);
    for (int i = 0; i < w.n_packed; i++) b4c_packed_done(&w.packed[i]);
    for (int i = 0; i < w.n_in; i++) free(w.in[i].x), free(w.in[i].g);
}

static void run_case(void **state, const char *op)
{
    int found = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (strcmp(cases[i].op, op) != 0) continue;
        found++;
        for (int kind = 0; kind < cases[i].kinds; kind++)
            for (int seed = 1; seed <= SEEDS; seed++) check_case(*state, &cases[i], kind, seed);
    }
    if (!found) fail_msg("ops.h has b4c_%s, and no case here checks its gradient", op);
}

/* ---- the list of ops ------------------------------------------------------------------------ */

enum { MOST_OPS = 64 };
static char ops[MOST_OPS][64];
static int n_ops;

static char *read_whole(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = calloc(1 << 20, 1);
    const size_t n = text ? fread(text, 1, (1 << 20) - 1, f) : 0;
    fclose(f);
    return n ? text : (free(text), NULL);
}

/* Every function of ops.h that takes a tape and returns a tensor. */
static void read_ops(void)
{
    static const char begin[] = "\nb4c_tensor b4c_";
    char *text = read_whole("src/tape/ops.h");
    for (char *p = text; p && (p = strstr(p, begin)) && n_ops < MOST_OPS;) {
        p += sizeof begin - 1;
        const size_t n = strcspn(p, "(");
        if (n >= sizeof ops[0] || strncmp(p + n, "(b4c_tape *", 11) != 0) continue;
        if (n > 5 && strncmp(p + n - 5, "_into", 5) == 0) continue; /* another op's own body */
        memcpy(ops[n_ops++], p, n);
    }
    free(text);
}

static void every_case_names_an_op(void **state)
{
    (void)state;
    assert_true(n_ops >= 19);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int found = 0;
        for (int k = 0; k < n_ops; k++) found += strcmp(cases[i].op, ops[k]) == 0;
        if (found != 1) fail_msg("case %s: ops.h has no such op", cases[i].op);
    }
}

static void every_op_has_a_line_in_the_docs(void **state)
{
    (void)state;
    char *text = read_whole("docs/ops.md");
    assert_non_null(text);
    for (int i = 0; i < n_ops; i++) {
        char name[80];
        snprintf(name, sizeof name, "| `%s` |", ops[i]);
        if (!strstr(text, name)) fail_msg("docs/ops.md has no row %s", name);
    }
    free(text);
}

static void gradients_equal_differences(void **state)
{
    for (int i = 0; i < n_ops; i++) run_case(state, ops[i]);
}

/* The same with three lanes that divide even the smallest work. */
static void gradients_equal_differences_on_three_lanes(void **state)
{
    bench b = *(bench *)*state, *p = &b;
    b.record.pool = b.plain.pool = b.pool;
    b.record.worth = b.plain.worth = 0;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int kind = 0; kind < cases[i].kinds; kind++) check_case(p, &cases[i], kind, SEEDS + 1);
    b4c_tape_reset(&b.record);
    b.record.pool = b.plain.pool = NULL;
    ((bench *)*state)->record = b.record;
    ((bench *)*state)->plain = b.plain;
}

int main(void)
{
    static bench b;
    const b4c_kernels *kernels = b4c_kernels_find("scalar");
    if (!kernels || b4c_tape_init(&b.record, kernels, NULL, B4C_F32, 64 << 20, true) < 0 ||
        b4c_tape_init(&b.plain, kernels, NULL, B4C_F32, 64 << 20, false) < 0 ||
        !(b.pool = b4c_pool_new(3)))
        return 1;
    read_ops();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_names_an_op),
        cmocka_unit_test(every_op_has_a_line_in_the_docs),
        cmocka_unit_test_prestate(gradients_equal_differences, &b),
        cmocka_unit_test_prestate(gradients_equal_differences_on_three_lanes, &b),
    };
    const int failed = cmocka_run_group_tests_name("tests/grad/test_ops", tests, NULL, NULL);
    b4c_tape_done(&b.record);
    b4c_tape_done(&b.plain);
    b4c_pool_free(b.pool);
    return failed;
}
