/* network.c - memory for a spec's weights, and the list of parameters that names each part of it.
 *
 * The idea: one walk over the spec (list_all) allocates and lists at the same time, so that what is
 * listed and what exists cannot differ. Order of the list: embeddings, encoder, decoder, heads;
 * within a layer the order of computation.
 */
#include "model/network.h"
#include "base/error.h"
#include "base/rng.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct maker {
    b4c_network *net;
    const b4c_network_options *options;
    b4c_parameters *list;
    int stack, layer;
    bool failed;             /* sticky: out of memory */
} maker;

enum { FIRST_PIECE = 64 << 10, LARGEST_PIECE = 16 << 20 };

typedef struct part { b4c_role role; int rows; } part;   /* rows of a packed weight */

/* Each piece is twice the last one, since a small model shall take little. */
static bool add_piece(b4c_network *net, size_t least)
{
    size_t bytes = net->pieces ? 2 * net->piece[net->pieces - 1].bytes : FIRST_PIECE;
    if (bytes > LARGEST_PIECE) bytes = LARGEST_PIECE;
    if (bytes < least) bytes = least;
    b4c_network_piece *grown = realloc(net->piece, (size_t)(net->pieces + 1) * sizeof *grown);
    if (!grown) return false;
    net->piece = grown;
    void *data = b4c_block_new(bytes);
    if (!data) return false;
    grown[net->pieces++] = (b4c_network_piece){ data, bytes };
    net->left = bytes;
    return true;
}

/* Weights are read from front to back: side by side in pieces with room for huge pages. */
void *b4c_network_take(b4c_network *net, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    bytes = (bytes + B4C_ALIGN - 1) / B4C_ALIGN * B4C_ALIGN;
    if (bytes > net->left && !add_piece(net, bytes)) return NULL;
    const b4c_network_piece *last = &net->piece[net->pieces - 1];
    net->left -= bytes;
    return (char *)last->data + (last->bytes - net->left - bytes);
}

static void *take(maker *mk, size_t bytes)
{
    void *data = b4c_network_take(mk->net, bytes);
    if (!data) mk->failed = true;
    return data;
}

static b4c_real *take_reals(maker *mk, int rows, int cols)
{
    const size_t bytes = (size_t)rows * (size_t)cols * sizeof(b4c_real);
    mk->net->bytes += bytes;
    return take(mk, bytes);
}

static void list(maker *mk, b4c_parameter p)
{
    b4c_parameters *l = mk->list;
    p.stack = mk->stack;
    p.layer = mk->layer;
    mk->net->parameters += (int64_t)p.rows * p.cols;
    if (l->n == l->room) {
        const int room = l->room ? 2 * l->room : 64;
        b4c_parameter *grown = realloc(l->item, (size_t)room * sizeof *grown);
        if (!grown) {
            mk->failed = l->failed = true;
            return;
        }
        l->item = grown;
        l->room = room;
    }
    l->item[l->n++] = p;
}

static b4c_array make_array(maker *mk, int rows, int cols)
{
    b4c_array a = { .rows = rows, .cols = cols, .x = take_reals(mk, rows, cols) };
    if (mk->options->trained) a.slot = take(mk, sizeof *a.slot);
    return a;
}

static void make_table(maker *mk, b4c_table *t, b4c_role role, int rows, int cols)
{
    const bool token = role == B4C_ROLE_TOKEN;
    /* The token table alone is large enough for its bytes to count. */
    if (token && mk->net->dtype != B4C_F32 && !mk->options->trained) {
        const size_t bytes = (size_t)rows * (size_t)cols * sizeof *t->half;
        t->real = (b4c_array){ .rows = rows, .cols = cols };
        t->half = take(mk, bytes);
        mk->net->bytes += bytes;
    } else if (token && mk->options->tables_apart) {
        t->real = (b4c_array){ .rows = rows, .cols = cols };
        mk->net->bytes += (size_t)rows * (size_t)cols * sizeof(b4c_real);
    } else {
        t->real = make_array(mk, rows, cols);
    }
    list(mk, (b4c_parameter){
                 .role = role, .kind = B4C_KIND_TABLE, .rows = rows, .cols = cols, .table = t });
}

static void make_norm(maker *mk, b4c_norm *norm, b4c_role role, int cols)
{
    const b4c_spec *s = &mk->net->spec;
    *norm = (b4c_norm){ .kind = s->norm, .eps = (b4c_real)s->eps };
    if (s->norm_gain) {
        norm->gain = make_array(mk, 1, cols);
        list(mk, (b4c_parameter){ .role = role,
                                  .kind = B4C_KIND_GAIN,
                                  .rows = 1,
                                  .cols = cols,
                                  .array = &norm->gain });
    }
    if (s->norm_bias) {
        norm->bias = make_array(mk, 1, cols);
        list(mk, (b4c_parameter){ .role = role,
                                  .kind = B4C_KIND_BIAS,
                                  .rows = 1,
                                  .cols = cols,
                                  .array = &norm->bias });
    }
}

/* What is trained has masters instead, and panels only while a product runs. */
static void make_packed(maker *mk, b4c_weight *w, int n, int k, b4c_dtype dtype)
{
    if (mk->options->trained) {
        b4c_packed_place(&w->packed, n, k, dtype, NULL);
        return;
    }
    void *memory = take(mk, b4c_packed_room(n, k, dtype));
    if (!memory) return;
    b4c_packed_place(&w->packed, n, k, dtype, memory);
    w->packed.groups = dtype == B4C_I8 && (mk->net->groups || mk->net->dtype == B4C_I4);
    mk->net->bytes += w->packed.bytes + (dtype == B4C_I8 ? (size_t)n * 8 : 0);
}

/* A pre-norm decoder's stream keeps columns hundreds of times as large as the others, and no norm
 * behind a sum stands in the way: one scale a row leaves the others nothing (SmolLM2: 43 of 164
 * greedy tokens are float32's, in groups 76). Post-norm streams are evened out instead
 * (even.h). */
static bool rows_are_uneven(const b4c_spec *s) { return s->pre_norm && s->causal; }

/* Logits choose tokens with nothing behind them that could even errors out: 4-bit networks have an
 * 8-bit head (SmolLM2's greedy text stays with the reference's four times as long). */
static b4c_dtype dtype_of(const maker *mk, b4c_role role)
{
    const bool head = role == B4C_ROLE_HEAD_OUT && mk->net->dtype == B4C_I4;
    /* A few rows that decide all; in training products are of one type. */
    if (role == B4C_ROLE_CLASSIFIER && !mk->options->trained) return B4C_F32;
    return head ? B4C_I8 : mk->net->dtype;
}

/* A weight [sum of the parts' rows, k], its parts listed one by one; with a bias when the role of
 * its bias is not B4C_ROLES. */
static void make_weight(maker *mk, b4c_weight *w, const part *parts, int n_parts, int k, bool bias)
{
    int n = 0;
    for (int i = 0; i < n_parts; i++) n += parts[i].rows;
    make_packed(mk, w, n, k, dtype_of(mk, parts[0].role));
    if (mk->options->trained) {
        w->master = take_reals(mk, n, k);
        w->slot = take(mk, sizeof *w->slot);
    }
    if (bias) w->bias = make_array(mk, 1, n);
    for (int i = 0, at = 0; i < n_parts; at += parts[i++].rows) {
        const b4c_role role = parts[i].role;
        list(mk, (b4c_parameter){ .role = role,
                                  .kind = B4C_KIND_MATRIX,
                                  .rows = parts[i].rows,
                                  .cols = k,
                                  .weight = w,
                                  .at = at });
        if (bias)
            list(mk, (b4c_parameter){ .role = role == B4C_ROLE_HEAD_OUT ? B4C_ROLE_HEAD_BIAS : role,
                                      .kind = B4C_KIND_BIAS,
                                      .rows = 1,
                                      .cols = parts[i].rows,
                                      .array = &w->bias,
                                      .at = at });
    }
}

static void make_dense(maker *mk, b4c_weight *w, b4c_role role, int n, int k, bool bias)
{
    make_weight(mk, w, &(part){ role, n }, 1, k, bias);
}

static void make_attention(maker *mk, b4c_attention_weights *a, bool cross)
{
    const b4c_spec *s = &mk->net->spec;
    const int q = s->heads * s->head_size, kv = s->kv_heads * s->head_size;
    if (cross) {
        make_dense(mk, &a->qkv, B4C_ROLE_CROSS_QUERY, q, s->width, s->qkv_bias);
        const part parts[] = { { B4C_ROLE_CROSS_KEY, kv }, { B4C_ROLE_CROSS_VALUE, kv } };
        make_weight(mk, &a->kv, parts, 2, s->width, s->qkv_bias);
    } else {
        const part parts[] = { { B4C_ROLE_QUERY, q },
                               { B4C_ROLE_KEY, kv },
                               { B4C_ROLE_VALUE, kv } };
        make_weight(mk, &a->qkv, parts, 3, s->width, s->qkv_bias);
    }
    make_dense(mk, &a->out, cross ? B4C_ROLE_CROSS_OUT : B4C_ROLE_OUT, s->width, q, s->out_bias);
    make_norm(mk, &a->norm, cross ? B4C_ROLE_CROSS_NORM : B4C_ROLE_SELF_NORM, s->width);
}

static void make_block(maker *mk, b4c_block *b, bool cross)
{
    const b4c_spec *s = &mk->net->spec;
    make_attention(mk, &b->self, false);
    if (cross) make_attention(mk, &b->cross, true);
    make_dense(mk, &b->up, B4C_ROLE_UP, s->inner, s->width, s->ffn_bias);
    if (s->gated) make_dense(mk, &b->gate, B4C_ROLE_GATE, s->inner, s->width, s->ffn_bias);
    make_dense(mk, &b->down, B4C_ROLE_DOWN, s->width, s->inner, s->ffn_bias);
    make_norm(mk, &b->norm, B4C_ROLE_FFN_NORM, s->width);
}

/* Angle of pair i of n at a position: position * base^(-i / n). */
static double angle(double position, int i, int n, double base)
{
    return position * pow(base, -(double)i / n);
}

/* Rows of sines and cosines: neighbours (sin, cos) of each pair, or the sines in the first half. */
static void fill_sinusoids(b4c_real *x, int rows, int cols, bool halves)
{
    const int pairs = cols / 2;
    for (int r = 0; r < rows; r++, x += cols)
        for (int i = 0; i < pairs; i++) {
            const double a = angle(r, i, pairs, 10000);
            x[halves ? i : 2 * i] = (b4c_real)sin(a);
            x[halves ? pairs + i : 2 * i + 1] = (b4c_real)cos(a);
        }
}

static void make_rotary(maker *mk)
{
    b4c_network *net = mk->net;
    const b4c_spec *s = &net->spec;
    const int pairs = s->head_size / 2;
    b4c_real *cosine = take_reals(mk, s->max_positions, pairs),
             *sine = take_reals(mk, s->max_positions, pairs);
    if (mk->failed) return;
    for (int p = 0; p < s->max_positions; p++)
        for (int i = 0; i < pairs; i++) {
            const double a = angle(p, i, pairs, s->rotary_base);
            cosine[(size_t)p * (size_t)pairs + (size_t)i] = (b4c_real)cos(a);
            sine[(size_t)p * (size_t)pairs + (size_t)i] = (b4c_real)sin(a);
        }
    net->rotary = (b4c_rotary){ cosine, sine, s->max_positions, s->position_halves };
}

static void make_stack(maker *mk, b4c_stack *st, int layers, bool decoder)
{
    const b4c_spec *s = &mk->net->spec;
    const int rows = s->max_positions + s->position_offset;
    mk->stack = decoder;
    *st = (b4c_stack){ .layers = layers,
                       .blocks = s->shared_layers ? 1 : layers,
                       .both_ways = !decoder && !s->causal };
    st->block = take(mk, (size_t)st->blocks * sizeof *st->block);
    if (mk->failed) return;
    if (s->positions == B4C_POSITION_LEARNED) {
        make_table(mk, &st->position, B4C_ROLE_POSITION, rows, s->embedding_width);
    } else if (s->positions == B4C_POSITION_SINUSOIDAL) {
        st->position.real = (b4c_array){ .rows = rows,
                                         .cols = s->embedding_width,
                                         .x = take_reals(mk, rows, s->embedding_width) };
        if (!mk->failed)
            fill_sinusoids(st->position.real.x, rows, s->embedding_width, s->position_halves);
    } else if (s->positions == B4C_POSITION_BUCKETS) {
        st->buckets = make_array(mk, s->buckets, s->heads);
        list(mk, (b4c_parameter){ .role = B4C_ROLE_BUCKETS,
                                  .kind = B4C_KIND_TABLE,
                                  .rows = s->buckets,
                                  .cols = s->heads,
                                  .array = &st->buckets });
    }
    if (s->embedding_norm)
        make_norm(mk, &st->embedding_norm, B4C_ROLE_EMBEDDING_NORM, s->embedding_width);
    for (mk->layer = 0; mk->layer < st->blocks && !mk->failed; mk->layer++)
        make_block(mk, &st->block[mk->layer], decoder);
    mk->layer = 0;
    if (s->final_norm) make_norm(mk, &st->final_norm, B4C_ROLE_FINAL_NORM, s->width);
}

static void make_head(maker *mk)
{
    b4c_network *net = mk->net;
    const b4c_spec *s = &net->spec;
    int k = s->width;
    if (s->head == B4C_HEAD_TRANSFORM) {
        k = s->embedding_width;
        make_dense(mk, &net->head_dense, B4C_ROLE_HEAD_DENSE, k, s->width, true);
        make_norm(mk, &net->head_norm, B4C_ROLE_HEAD_NORM, k);
    }
    if (!s->tied) {
        make_dense(mk, &net->head_out, B4C_ROLE_HEAD_OUT, s->vocabulary, k, s->head_bias);
        return;
    }
    /* Tied: the token table's rows go into the panels too, and its gradient is the sum of both
     * uses. */
    make_packed(mk, &net->head_out, s->vocabulary, k, dtype_of(mk, B4C_ROLE_HEAD_OUT));
    net->head_out.master = mk->options->trained ? net->token.real.x : NULL;
    net->head_out.slot = net->token.real.slot;
    mk->list->item[0].weight = &net->head_out;
    if (s->head_bias) {
        net->head_out.bias = make_array(mk, 1, s->vocabulary);
        list(mk, (b4c_parameter){ .role = B4C_ROLE_HEAD_BIAS,
                                  .kind = B4C_KIND_BIAS,
                                  .rows = 1,
                                  .cols = s->vocabulary,
                                  .array = &net->head_out.bias });
    }
}

static void make_all(maker *mk)
{
    b4c_network *net = mk->net;
    const b4c_spec *s = &net->spec;
    make_table(mk, &net->token, B4C_ROLE_TOKEN, s->vocabulary, s->embedding_width);
    if (s->segments)
        make_table(mk, &net->segment, B4C_ROLE_SEGMENT, s->segments, s->embedding_width);
    if (b4c_spec_projects(s))
        make_dense(mk, &net->project, B4C_ROLE_PROJECT, s->width, s->embedding_width, s->ffn_bias);
    make_stack(mk, &net->encoder, s->layers, false);
    if (s->decoder_layers) make_stack(mk, &net->decoder, s->decoder_layers, true);
    mk->stack = 0;
    if (s->positions == B4C_POSITION_ROTARY) make_rotary(mk);
    if (s->positions == B4C_POSITION_NEZHA) {
        net->relative = take_reals(mk, 2 * s->relative_max + 1, s->head_size);
        if (!mk->failed)
            fill_sinusoids(net->relative, 2 * s->relative_max + 1, s->head_size, false);
    }
    if (net->has_pooler) make_dense(mk, &net->pooler, B4C_ROLE_POOLER, s->width, s->width, true);
    if (net->has_head && !mk->failed) make_head(mk);
    if (net->classes)
        make_dense(mk, &net->classifier, B4C_ROLE_CLASSIFIER, net->classes,
                   mk->options->class_cols, mk->options->class_bias);
}

int b4c_network_init(b4c_network *net, const b4c_spec *spec, const b4c_network_options *options,
                     b4c_parameters *out, b4c_error *err)
{
    assert(options->dtype != B4C_AUTO && !(options->trained && options->dtype == B4C_I8));
    *net = (b4c_network){ .spec = *spec,
                          .dtype = options->dtype,
                          .groups = options->dtype == B4C_I8 && rows_are_uneven(spec),
                          .has_pooler = options->pooler,
                          .has_head = options->head,
                          .classes = options->classes,
                          .trained = options->trained };
    b4c_parameters own = { 0 };
    maker mk = { .net = net, .options = options, .list = &own };
    make_all(&mk);
    if (mk.failed) {
        b4c_parameters_done(&own);
        b4c_network_done(net);
        return b4c_fail(err, B4C_E_MEMORY,
                        "no memory for the weights of '%s' (%d layers, hidden size %d, %d tokens)",
                        spec->architecture, spec->layers, spec->width, spec->vocabulary);
    }
    if (out) *out = own;
    else b4c_parameters_done(&own);
    return 0;
}

void b4c_network_done(b4c_network *net)
{
    for (int i = 0; i < net->pieces; i++) b4c_block_free(net->piece[i].data, net->piece[i].bytes);
    free(net->piece);
    *net = (b4c_network){ 0 };
}

void b4c_parameters_done(b4c_parameters *l)
{
    free(l->item);
    *l = (b4c_parameters){ 0 };
}

static void write_table(const b4c_table *t, int first, int rows, const b4c_real *x)
{
    const size_t cols = (size_t)t->real.cols, at = (size_t)first * cols, n = (size_t)rows * cols;
    if (t->half && cols % 32 == 0) {         /* rows without padding: an operand's bf16 rows */
        b4c_operand to = { .form = B4C_FORM_BF16, .rows = rows, .cols = t->real.cols };
        to.data = t->half + at;
        to.ld = cols * sizeof *t->half;
        b4c_kernels_get()->operand(x, t->real.cols, &to, 0, rows);
    } else if (t->half) {
        for (size_t i = 0; i < n; i++) t->half[at + i] = b4c_to_bf16((float)x[i]);
    } else if (t->real.x + at != x) {
        memcpy(t->real.x + at, x, n * sizeof *x);
    }
}

void b4c_parameter_write(const b4c_parameter *p, int first, int rows, const b4c_real *x)
{
    assert(first >= 0 && rows >= 0 && first + rows <= p->rows);
    const size_t cols = (size_t)p->cols, n = (size_t)rows * cols;
    if (p->table) write_table(p->table, first, rows, x);
    if (p->array) memcpy(p->array->x + (size_t)p->at + (size_t)first * cols, x, n * sizeof *x);
    if (p->weight) {
        if (p->weight->packed.panels)
            b4c_packed_fill(&p->weight->packed, p->at + first, rows, x, cols);
        if (p->weight->master && !p->table)
            memcpy(p->weight->master + (size_t)(p->at + first) * cols, x, n * sizeof *x);
    }
}

int b4c_network_random(b4c_network *net, const b4c_spec *spec, const b4c_network_options *options,
                       double spread, uint64_t seed, b4c_parameters *out, b4c_error *err)
{
    b4c_parameters l;
    B4C_TRY(b4c_network_init(net, spec, options, &l, err));
    int widest = 1;
    for (int i = 0; i < l.n; i++)
        if (l.item[i].cols > widest) widest = l.item[i].cols;
    b4c_real *row = malloc((size_t)widest * sizeof *row);
    for (int i = 0; row && i < l.n; i++) {
        const b4c_parameter *p = &l.item[i];
        const double mean = p->kind == B4C_KIND_GAIN ? 1 : 0;
        const double scale = p->kind == B4C_KIND_MATRIX ? spread / sqrt(p->cols)
                           : p->kind == B4C_KIND_TABLE  ? 0.5 * spread
                                                        : 0.1;
        b4c_rng rng;
        b4c_rng_init(&rng, seed, (uint64_t)i, 0);
        for (int r = 0; r < p->rows; r++) {
            for (int c = 0; c < p->cols; c++)
                row[c] = (b4c_real)(mean + scale * (double)b4c_rng_normal(&rng));
            b4c_parameter_write(p, r, 1, row);
        }
    }
    const bool failed = !row;
    free(row);
    if (out && !failed) *out = l;
    else b4c_parameters_done(&l);
    if (failed) {
        b4c_network_done(net);
        return b4c_fail(err, B4C_E_MEMORY, "no memory for random weights");
    }
    return 0;
}
