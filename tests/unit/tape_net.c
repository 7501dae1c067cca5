/* tape_net.c - see tape_net.h. */
#include "tape_net.h"
#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static b4c_real *random_rows(b4c_rng *rng, int rows, int cols, double middle, double spread)
{
    const size_t n = (size_t)rows * (size_t)cols;
    b4c_real *x = malloc((n + 1) * sizeof *x);
    assert(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (b4c_real)(middle + spread * (2 * (double)b4c_rng_uniform(rng) - 1));
    return x;
}

/* Learned arrays bring memory for their gradients. */
static b4c_array learned(tape_net *net, b4c_rng *rng, int rows, int cols, double middle,
                         double spread)
{
    assert(net->n_array < NET_ARRAYS);
    b4c_slot *slot = &net->array_slot[net->n_array];
    *slot = (b4c_slot){ .rows = rows, .ld = cols };
    slot->g = calloc((size_t)rows * (size_t)cols, sizeof(b4c_real));
    const b4c_array a = { rows, cols, random_rows(rng, rows, cols, middle, spread), slot };
    net->array[net->n_array++] = a;
    return a;
}

static void add_weight(tape_net *net, b4c_rng *rng, b4c_dtype dtype, int n, int k)
{
    assert(net->n_weight < NET_WEIGHTS);
    b4c_weight *w = &net->weight[net->n_weight];
    w->slot = &net->weight_slot[net->n_weight++];
    *w->slot = (b4c_slot){ .rows = n, .ld = k };
    w->slot->g = calloc((size_t)n * (size_t)k, sizeof(b4c_real));
    w->master = random_rows(rng, n, k, 0, 1.5 / sqrt(k));
    const int rc = b4c_packed_init(&w->packed, n, k, dtype);
    assert(rc == 0);
    (void)rc;
    b4c_packed_fill(&w->packed, 0, n, w->master, (size_t)k);
}

enum { QKV, OUT, GATE, UP, DOWN, HEAD, POOLER };

static void add_layers(tape_net *net, b4c_rng *rng, b4c_dtype dtype)
{
    const int w = net->width;
    add_weight(net, rng, dtype, 3 * w, w);
    add_weight(net, rng, dtype, w, w);
    add_weight(net, rng, dtype, net->inner, w);
    add_weight(net, rng, dtype, net->inner, w);
    add_weight(net, rng, dtype, w, net->inner);
    add_weight(net, rng, dtype, net->vocabulary, w);
    add_weight(net, rng, dtype, w, w);
    net->norm[0] = (b4c_norm){ B4C_NORM_LAYER, (b4c_real)1e-6, learned(net, rng, 1, w, 1, 0.3),
                               learned(net, rng, 1, w, 0, 0.3), NULL };
    net->norm[1] =
        (b4c_norm){ B4C_NORM_RMS, (b4c_real)1e-6, learned(net, rng, 1, w, 1, 0.3), { 0 }, NULL };
    net->norm[2] =
        (b4c_norm){ B4C_NORM_LAYER, (b4c_real)1e-6, { 0 }, learned(net, rng, 1, w, 0, 0.3), NULL };
    net->weight[QKV].bias = learned(net, rng, 1, 3 * w, 0, 0.2);
    net->attention = (b4c_attend_spec){ .heads = net->heads,
                                        .kv_heads = net->heads,
                                        .head_size = w / net->heads,
                                        .max_distance = 9,
                                        .both_ways = true };
    net->attention.scale = (b4c_real)(1 / sqrt(w / net->heads));
    net->attention.bias = learned(net, rng, 8, net->heads, 0, 1);
    learned(net, rng, net->vocabulary, w, 0, 1);       /* tokens */
    const int half = w / net->heads / 2;
    for (int i = 0; i < 2; i++) net->angles[i] = random_rows(rng, NET_ROWS_MOST, half, 0, 0);
    for (int i = 0; i < NET_ROWS_MOST * half; i++) {
        const double angle = i / half * pow(10000, -(double)(i % half) / half);
        net->angles[0][i] = (b4c_real)cos(angle);
        net->angles[1][i] = (b4c_real)sin(angle);
    }
}

tape_net *tape_net_new(b4c_dtype dtype, int width, int heads, const int *lengths, int n_seq)
{
    tape_net *net = calloc(1, sizeof *net);
    assert(net && n_seq <= NET_SEQUENCES_MOST && n_seq % 2 == 0 && width % (2 * heads) == 0);
    *net = (tape_net){
        .width = width, .heads = heads, .inner = 2 * width - 3, .vocabulary = 41, .n_seq = n_seq
    };
    b4c_rng rng;
    b4c_rng_init(&rng, 5, 0, 0);
    for (int s = 0; s < n_seq; s++) {
        net->lengths[s] = lengths[s];
        net->offsets[s + 1] = net->offsets[s] + lengths[s];
        net->positive[s] = s ^ 1;
        net->labels[s] = (b4c_real)(s % 3);
    }
    net->rows = net->offsets[n_seq];
    assert(net->rows <= NET_ROWS_MOST);
    for (int i = 0; i < net->rows; i++) {
        net->ids[i] = (int32_t)b4c_rng_below(&rng, (uint32_t)net->vocabulary);
        net->target[i] = i % 3 ? (int32_t)b4c_rng_below(&rng, (uint32_t)net->vocabulary) : -1;
        net->index[i] = net->rows - 1 - i;
        for (int c = 0; c < net->vocabulary; c++)
            net->allowed[i * net->vocabulary + c] = (uint8_t)(b4c_rng_below(&rng, 2) ||
                                                              c == net->target[i]);
    }
    for (int i = 0; i < n_seq * n_seq; i++) net->similar[i] = b4c_rng_uniform(&rng);
    add_layers(net, &rng, dtype);
    return net;
}

void tape_net_free(tape_net *net)
{
    for (int i = 0; i < net->n_weight; i++) {
        b4c_packed_done(&net->weight[i].packed);
        free(net->weight[i].master);
        free(net->weight_slot[i].g);
    }
    for (int i = 0; i < net->n_array; i++) {
        free(net->array[i].x);
        free(net->array_slot[i].g);
    }
    free(net->angles[0]);
    free(net->angles[1]);
    free(net);
}

static void slots_of(tape_net *net, void (*each)(b4c_slot *))
{
    for (int i = 0; i < net->n_weight; i++) each(&net->weight_slot[i]);
    for (int i = 0; i < net->n_array; i++) each(&net->array_slot[i]);
}

static void zero(b4c_slot *s)
{
    if (s->g) memset(s->g, 0, (size_t)s->rows * (size_t)s->ld * sizeof *s->g);
}

static void lend(b4c_slot *s)
{
    free(s->g);
    s->g = NULL;
}

void tape_net_lend(tape_net *net)
{
    slots_of(net, lend);
}

void tape_net_zero(tape_net *net)
{
    slots_of(net, zero);
}

size_t tape_net_gradients(const tape_net *net, b4c_real *out)
{
    size_t n = 0;
    for (int i = 0; i < net->n_weight + net->n_array; i++) {
        const b4c_slot *s = i < net->n_weight ? &net->weight_slot[i]
                                              : &net->array_slot[i - net->n_weight];
        const size_t size = (size_t)s->rows * (size_t)s->ld;
        if (out) memcpy(out + n, s->g, size * sizeof *out);
        n += size;
    }
    return n;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static b4c_tensor attention(b4c_tape *t, const tape_net *net, b4c_tensor x, const b4c_plan *plan)
{
    const int w = net->width, d = w / net->heads;
    const b4c_rotary rotary = { net->angles[0], net->angles[1], NET_ROWS_MOST, false };
    const size_t scope = b4c_scope_open(t);
    const b4c_tensor qkv = b4c_linear(t, x, &net->weight[QKV], B4C_ACT_NONE, B4C_ROWS);
    const b4c_tensor q = b4c_rotated(t, b4c_columns(qkv, 0, w), net->heads, d, plan->pos, &rotary);
    const b4c_tensor k = b4c_rotated(t, b4c_columns(qkv, w, w), net->heads, d, plan->pos, &rotary);
    const b4c_tensor y = b4c_attend(t, q, k, b4c_columns(qkv, 2 * w, w), plan, &net->attention,
                                    B4C_OPERAND);
    return b4c_scope_close(t, scope, b4c_linear(t, y, &net->weight[OUT], B4C_ACT_NONE, B4C_ROWS));
}

static b4c_tensor feed_forward(b4c_tape *t, const tape_net *net, b4c_tensor x)
{
    const size_t scope = b4c_scope_open(t);
    const b4c_tensor gate = b4c_linear(t, x, &net->weight[GATE], B4C_ACT_SILU, B4C_ROWS);
    const b4c_tensor up = b4c_linear(t, x, &net->weight[UP], B4C_ACT_NONE, B4C_ROWS);
    const b4c_tensor h = b4c_product(t, gate, up, B4C_OPERAND);
    return b4c_scope_close(t, scope, b4c_linear(t, h, &net->weight[DOWN], B4C_ACT_NONE, B4C_ROWS));
}

static b4c_tensor block(b4c_tape *t, const tape_net *net)
{
    static const b4c_tensor none;
    const b4c_table tokens = { .real = net->array[net->n_array - 1] };
    const b4c_plan plan = b4c_plan_make(t, B4C_MASK_CAUSAL, net->lengths, net->n_seq, NULL);
    b4c_tensor x = b4c_embed(t, &(const b4c_table *){ &tokens }, &(const int32_t *){ net->ids }, 1,
                             net->rows, (b4c_real)0.9);
    x = b4c_normalize(t, x, none, &net->norm[0], NULL, B4C_BOTH);
    b4c_tensor sum;
    b4c_tensor h = b4c_normalize(t, attention(t, net, x, &plan), x, &net->norm[1], &sum,
                                 B4C_OPERAND);
    h = b4c_sum(t, sum, b4c_dropout(t, feed_forward(t, net, h), (b4c_real)0.2, 9, 1));
    return b4c_normalize(t, h, none, &net->norm[2], NULL, B4C_BOTH);
}

tape_net_result tape_net_run(b4c_tape *t, const tape_net *net)
{
    const b4c_tensor rows = block(t, net);
    b4c_tensor hidden = b4c_linear(t, rows, &net->weight[POOLER], B4C_ACT_GELU, B4C_BOTH);
    hidden = b4c_gather(t, hidden, net->index, net->rows);
    const b4c_tensor logits = b4c_linear(t, hidden, &net->weight[HEAD], B4C_ACT_NONE, B4C_ROWS);
    b4c_tensor loss = b4c_cross_entropy(t, logits, net->target, (b4c_real)0.1);
    loss = b4c_sum(t, loss, b4c_masked_cross_entropy(t, logits, net->target, net->allowed));

    const b4c_tensor mean = b4c_pooled(t, rows, net->offsets, net->n_seq, B4C_POOL_ROW_MEAN);
    const b4c_tensor first = b4c_pooled(t, rows, net->offsets, net->n_seq, B4C_POOL_ROW_FIRST);
    const b4c_tensor most = b4c_pooled(t, rows, net->offsets, net->n_seq, B4C_POOL_ROW_MAX);
    b4c_tensor u = b4c_activate(t, b4c_sum(t, b4c_sum(t, mean, first), most), B4C_ACT_TANH,
                                B4C_OPERAND);
    u = b4c_unit(t, b4c_linear(t, u, &net->weight[POOLER], B4C_ACT_NONE, B4C_ROWS));
    loss = b4c_sum(t, loss, b4c_contrastive(t, u, net->positive, 20));
    loss = b4c_sum(t, loss,
                   b4c_scaled(t, b4c_similarity_mse(t, u, net->similar, 3), (b4c_real)0.5));
    loss = b4c_sum(t, loss, b4c_cosent(t, u, net->labels, 20));
    const b4c_tensor pairs = b4c_pair_features(t, u);
    const int begin[2] = { 0, net->n_seq / 2 };
    int *offsets = b4c_copy(t, begin, sizeof begin);
    const b4c_tensor one = b4c_pooled(t, pairs, offsets, 1, B4C_POOL_ROW_MEAN);
    return (tape_net_result){ rows, b4c_sum(t, loss, b4c_columns(one, 2 * net->width + 1, 1)) };
}
