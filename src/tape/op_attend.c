/* op_attend.c - softmax attention over a plan's intervals.
 *
 * Forward is one kernel call per sequence and head; nothing of size [queries, keys] is kept. Back
 * makes the weights again, for a block of queries of one head at a time, and needs no more memory
 * than that block. Only the keys between the block's lowest `from` and highest `upto` take part.
 *
 *     s_ij = scale q_i.k_j + bias[bucket(j - pos_i)]    p_i = softmax over visible j
 *     y_i = sum_j p_ij v_j
 *     dp_ij = dy_i.v_j    ds_ij = p_ij (dp_ij - sum_j p_ij dp_ij)
 *     dq_i += scale sum_j ds_ij k_j    dk_j += scale sum_i ds_ij q_i    dv_j += sum_i p_ij dy_i
 *     dbias[bucket(j - pos_i)] += ds_ij
 *
 * NEZHA's fixed table R adds R[j - pos_i] to k_j and to v_j wherever they stand above. Lanes divide
 * forward by sequence and head, back by sequence and key head, or by key head alone where sequences
 * share keys or a bias is learned: no two lanes ever add to the same number.
 *
 * Sources: Vaswani et al. 2017; Raffel et al. 2020 (buckets); Shaw et al. 2018 and Wei et al. 2019
 * (NEZHA).
 */
#include "tape/kept.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 };         /* queries that back takes at once */

typedef struct attend_arg {
    b4c_attend_spec spec;    /* spec.pos is never NULL */
    b4c_plan plan;
    b4c_tensor q, k, v;
    const b4c_kept *kept;    /* instead of k and v, or NULL: then those are rows to be put away */
    const b4c_plan *self;    /* first, by this plan; NULL: nothing is */
    int span;                /* farthest distance whose bias differs from its neighbour's */
} attend_arg;

/* ---- T5's relative bias --------------------------------------------------------------------- */

int b4c_bucket(int distance, int buckets, int max_distance, bool both_ways)
{
    int base = 0, n = buckets, far;
    if (both_ways) {
        n /= 2;
        if (distance > 0) base = n;
        far = abs(distance);
    } else {
        far = distance < 0 ? -distance : 0;
    }
    const int exact = n / 2;
    if (far < exact) return base + far;
    if (far >= max_distance) return base + n - 1;
    const double grown = log((double)far / exact) / log((double)max_distance / exact) * (n - exact);
    return base + (exact + (int)grown < n - 1 ? exact + (int)grown : n - 1);
}

/* Distances beyond max_distance all share a bucket, and those that no row sees do not matter. */
static int widest(const b4c_plan *p, const int *pos, int max_distance)
{
    int span = 0;
    for (int set = 0; set < 2 && p->from[set]; set++)
        for (int i = 0; i < p->n_rows; i++) {
            const int back = pos[i] - p->from[set][i], ahead = p->upto[set][i] - 1 - pos[i];
            if (back > span) span = back;
            if (ahead > span) span = ahead;
        }
    return span < max_distance ? span : max_distance;
}

static int bucket_of(const b4c_attend_spec *s, int distance)
{
    return b4c_bucket(distance, s->bias.rows, s->max_distance, s->both_ways);
}

/* The bias as attention reads it: [heads, 2 span + 1], by distance. */
static b4c_real *spread_bias(b4c_tape *t, const b4c_attend_spec *s, int span)
{
    const int wide = 2 * span + 1;
    b4c_real *y = b4c_take_rows(t, s->heads, wide);
    for (int i = 0; y && i < wide; i++) {
        const b4c_real *row = s->bias.x + (size_t)bucket_of(s, i - span) * (size_t)s->heads;
        for (int h = 0; h < s->heads; h++) b4c_row(y, wide, h)[i] = row[h];
    }
    return y;
}

static int clip(int x, int most)
{
    return x < -most ? -most : x > most ? most : x;
}

/* ---- forward -------------------------------------------------------------------------------- */

typedef struct attend_job {
    const attend_arg *a;
    const b4c_real *bias;    /* [heads, 2 span + 1] or NULL */
    b4c_operand out;
    bool bf16;               /* weights are bf16 or int8: products of attention may be, too */
    int together;            /* heads of a unit */
    int cuts;                /* of a sequence's queries, each a unit for itself */
    char *scratch;           /* [lanes, scratch_bytes] */
    size_t scratch_bytes;
} attend_job;

/* A tensor that has bf16 rows only; its row i, and its stride in elements. */
static bool is_half(b4c_tensor x) { return !x.x && x.in.form == B4C_FORM_BF16; }
static int half_ld(b4c_tensor x) { return (int)(x.in.ld / sizeof(uint16_t)); }
static const uint16_t *half_row(b4c_tensor x, int i)
{
    return (const uint16_t *)x.in.data + (size_t)i * (size_t)half_ld(x);
}

b4c_want b4c_attend_reads(const b4c_tape *t, const b4c_attend_spec *s)
{
    const int unit = t->kernels->bf16_heads;
    const bool half = t->dtype != B4C_F32 && !s->rel && unit && s->head_size % unit == 0;
    return half ? B4C_HALF : B4C_ROWS;
}

/* Cut number `cut` of sequence s's queries. */
static b4c_attention attention_of(const attend_job *j, int s, int cut)
{
    const attend_arg *a = j->a;
    const b4c_plan *p = &a->plan;
    const long all = p->q_off[s + 1] - p->q_off[s];
    const int row = p->q_off[s] + (int)(all * cut / j->cuts);
    b4c_attention n = {
        .heads = a->spec.heads,
        .kv_heads = a->spec.kv_heads,
        .head_size = a->spec.head_size,
        .scale = a->spec.scale,
        .q_rows = p->q_off[s] + (int)(all * (cut + 1) / j->cuts) - row,
        .k_rows = p->k_len[s],
        .q_ld = a->q.ld,
        .k_ld = a->k.ld,
        .v_ld = a->v.ld,
        .from = p->from[0] + row,
        .upto = p->upto[0] + row,
        .pos = a->spec.pos + row,
        .bias = j->bias,
        .span = a->span,
        .rel = a->spec.rel,
        .rel_max = a->spec.rel_max,
        .bf16 = j->bf16,
        .out = j->out,
        .out_row = row,
    };
    if (a->kept) {
        n.q = b4c_row_of(a->q, row);
        n.pages = a->kept->pages;
        n.page = a->kept->page + p->k_off[s];
        if (s + 1 < p->n_seq) {
            n.later_page = a->kept->page + p->k_off[s + 1];
            n.later_pages = (p->k_len[s + 1] + B4C_PAGE - 1) / B4C_PAGE;
        }
    } else if (is_half(a->q)) {
        n.q_half = half_row(a->q, row);
        n.k_half = half_row(a->k, p->k_off[s]);
        n.v_half = half_row(a->v, p->k_off[s]);
        n.q_ld = half_ld(a->q);
        n.k_ld = half_ld(a->k);
        n.v_ld = half_ld(a->v);
    } else {
        n.q = b4c_row_of(a->q, row);
        n.k = b4c_row_of(a->k, p->k_off[s]);
        n.v = b4c_row_of(a->v, p->k_off[s]);
    }
    if (p->head_set) {
        n.head_set = p->head_set;
        n.from2 = p->from[1] + row;
        n.upto2 = p->upto[1] + row;
    }
    return n;
}

/* Row `row` of k and v, of sequence s, as something to keep. */
static b4c_keeping keeping_of(const b4c_tape *t, const b4c_kept *kept, const b4c_plan *p,
                              b4c_tensor k, b4c_tensor v, int s, int row)
{
    return (b4c_keeping){
        .kv_heads = kept->kv_heads,
        .head_size = kept->head_size,
        .bf16 = t->dtype != B4C_F32 && !kept->rel,
        .k = b4c_row_of(k, row),
        .v = b4c_row_of(v, row),
        .k_ld = k.ld,
        .v_ld = v.ld,
        .at = p->pos[row],
        .pages = kept->pages,
        .page = kept->page + p->k_off[s],
    };
}

/* Unit: a head of a sequence's cut, heads first, then cuts: the last may see the most keys and
 * comes first. Where keys are put away, all heads of a key head. */
static void attend_heads(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const attend_job *j = arg;
    const attend_arg *a = j->a;
    const int units = a->spec.heads / j->together;
    for (int u = begin; u < end;) {
        const int h = u % units, upto = units - h < end - u ? units : h + end - u;
        const int s = u / units / j->cuts, cut = j->cuts - 1 - u / units % j->cuts;
        b4c_attention n = attention_of(j, s, cut);
        b4c_keeping keep;
        if (a->self) {
            keep = keeping_of(t, a->kept, a->self, a->k, a->v, s, a->self->q_off[s]);
            n.keep = &keep;
        }
        if (n.q_rows > 0)
            t->kernels->attention(&n, h * j->together, upto * j->together,
                                  j->scratch + (size_t)lane * j->scratch_bytes);
        u += upto - h;
    }
}

static void take_scratch(b4c_tape *t, attend_job *j)
{
    for (int i = 0; i < j->a->plan.n_seq * j->cuts; i++) {
        const b4c_attention n = attention_of(j, i / j->cuts, i % j->cuts);
        const size_t bytes = t->kernels->attention_scratch(&n);
        if (bytes > j->scratch_bytes) j->scratch_bytes = bytes;
    }
    j->scratch_bytes = (j->scratch_bytes + B4C_ALIGN - 1) / B4C_ALIGN * B4C_ALIGN;
    j->scratch = b4c_take(t, (size_t)b4c_lanes(t) * j->scratch_bytes);
}

/* Where few heads are all there is and keys lie ready, long sequences are cut, so that no lane
 * waits for another's last head. */
static int cuts_of(const b4c_tape *t, const attend_arg *a)
{
    enum { CUT_ROWS = 112, CUTS = 8, ENOUGH = 32 };
    const int units = a->plan.n_seq * a->spec.heads, lanes = b4c_lanes(t);
    const int rows = a->plan.n_rows / (a->plan.n_seq ? a->plan.n_seq : 1);
    if (lanes == 1 || !a->kept || a->self || units >= ENOUGH * lanes) return 1;
    return rows / CUT_ROWS > CUTS ? CUTS : rows / CUT_ROWS > 1 ? rows / CUT_ROWS : 1;
}

/* Multiply-adds of one head in all sequences. */
static double work_of_head(const attend_arg *a)
{
    double pairs = 0;
    for (int s = 0; s < a->plan.n_seq; s++)
        pairs += (double)(a->plan.q_off[s + 1] - a->plan.q_off[s]) * a->plan.k_len[s];
    return pairs * 2 * a->spec.head_size;
}

/* ---- back ----------------------------------------------------------------------------------- */

typedef struct attend_back_job {
    const attend_arg *a;
    bool by_head;            /* unit: a key head in all sequences; else a key head of a sequence */
    const b4c_real *bias;
    const int *bucket;       /* [2 span + 1] */
    const b4c_real *dy;
    b4c_real *dq, *dk, *dv, *dbias;
    int dy_ld, dq_ld, dk_ld, dv_ld;
    int most_keys;
    b4c_real *scratch;       /* [lanes, scratch_size] */
    int scratch_size;
} attend_back_job;

/* One head's block of queries, and the block of keys that they see. */
typedef struct block {
    int head, row, rows;     /* rows of q */
    int column;              /* of the head's keys and values */
    int low, keys, key;      /* keys low .. low + keys - 1 of the sequence: rows `key` .. of k */
    const int *from, *upto;  /* [rows], within the sequence's keys */
    b4c_real *p, *ds;        /* [rows, keys] */
    b4c_real *q, *t;         /* [rows, d] scaled queries; a product */
    b4c_real *rel;           /* [rows, 2 rel_max + 1] */
} block;

static int rel_rows(const attend_arg *a)
{
    return a->spec.rel ? 2 * a->spec.rel_max + 1 : 0;
}

static b4c_real *zeroed(b4c_real *x, int rows, int cols)
{
    return memset(x, 0, (size_t)rows * (size_t)cols * sizeof *x);
}

/* Row i of `to` [rows, keys] += row i of `by_distance` at j - pos, for the keys j it sees. */
static void add_by_distance(const attend_arg *a, const block *b, const b4c_real *by_distance,
                            int ld, int most, b4c_real *to)
{
    for (int i = 0; i < b->rows; i++) {
        const int pos = a->spec.pos[b->row + i];
        const b4c_real *from = by_distance + (size_t)i * (size_t)ld + most;
        for (int j = b->from[i]; j < b->upto[i]; j++)
            b4c_row(to, b->keys, i)[j - b->low] += from[clip(j - pos, most)];
    }
}

/* p = softmax of the block's scores. */
static void make_weights(const b4c_kernels *k, const attend_back_job *j, const block *b)
{
    const attend_arg *a = j->a;
    const int d = a->spec.head_size, n = rel_rows(a);
    const b4c_real *keys = b4c_row_of(a->k, b->key) + b->column;
    zeroed(b->q, b->rows, d);
    for (int i = 0; i < b->rows; i++)
        k->axpy(a->spec.scale, b4c_row_of(a->q, b->row + i) + b->head * d, b4c_row(b->q, d, i),
                (size_t)d);
    k->add_nt(b->rows, b->keys, d, b->q, d, keys, a->k.ld, zeroed(b->p, b->rows, b->keys), b->keys,
              0, b->rows);
    if (j->bias)
        add_by_distance(a, b, j->bias + (size_t)b->head * (size_t)(2 * a->span + 1), 0, a->span,
                        b->p);
    if (n) {
        k->add_nt(b->rows, n, d, b->q, d, a->spec.rel, d, zeroed(b->rel, b->rows, n), n, 0,
                  b->rows);
        add_by_distance(a, b, b->rel, n, a->spec.rel_max, b->p);
    }
    for (int i = 0; i < b->rows; i++) {
        b4c_real *p = b4c_row(b->p, b->keys, i);
        for (int c = 0; c < b->from[i] - b->low && c < b->keys; c++) p[c] = -INFINITY;
        for (int c = b->upto[i] - b->low > 0 ? b->upto[i] - b->low : 0; c < b->keys; c++)
            p[c] = -INFINITY;
        k->softmax(p, (size_t)b->keys);
    }
}

/* ds from p and dy. */
static void make_score_gradient(const b4c_kernels *k, const attend_back_job *j, const block *b)
{
    const attend_arg *a = j->a;
    const int d = a->spec.head_size, n = rel_rows(a);
    const b4c_real *dy = j->dy + (size_t)b->row * (size_t)j->dy_ld + b->head * d;
    const b4c_real *values = b4c_row_of(a->v, b->key) + b->column;
    k->add_nt(b->rows, b->keys, d, dy, j->dy_ld, values, a->v.ld, zeroed(b->ds, b->rows, b->keys),
              b->keys, 0, b->rows);
    if (n) {
        k->add_nt(b->rows, n, d, dy, j->dy_ld, a->spec.rel, d, zeroed(b->rel, b->rows, n), n, 0,
                  b->rows);
        add_by_distance(a, b, b->rel, n, a->spec.rel_max, b->ds);
    }
    for (int i = 0; i < b->rows; i++) {
        b4c_real *p = b4c_row(b->p, b->keys, i), *ds = b4c_row(b->ds, b->keys, i);
        const b4c_real along = k->dot(p, ds, (size_t)b->keys);
        k->mul(p, ds, ds, (size_t)b->keys);
        k->axpy(-along, p, ds, (size_t)b->keys);
    }
}

/* to [rows, 2 most + 1] or one row of it: sums of ds by distance. */
static void sum_by_distance(const attend_arg *a, const block *b, int most, b4c_real *to, int ld)
{
    for (int i = 0; i < b->rows; i++) {
        const int pos = a->spec.pos[b->row + i];
        b4c_real *sum = b4c_row(to, ld, i) + most;
        for (int j = b->from[i]; j < b->upto[i]; j++)
            sum[clip(j - pos, most)] += b4c_row(b->ds, b->keys, i)[j - b->low];
    }
}

static void send_back(const b4c_kernels *k, const attend_back_job *j, const block *b)
{
    const attend_arg *a = j->a;
    const int d = a->spec.head_size, n = rel_rows(a), at = b->column;
    const b4c_real *dy = j->dy + (size_t)b->row * (size_t)j->dy_ld + b->head * d;
    if (j->dv)
        k->add_tn(b->keys, d, b->rows, b->p, b->keys, dy, j->dy_ld,
                  b4c_row(j->dv, j->dv_ld, b->key) + at, j->dv_ld, 0, b->keys);
    if (j->dk)
        k->add_tn(b->keys, d, b->rows, b->ds, b->keys, b->q, d,
                  b4c_row(j->dk, j->dk_ld, b->key) + at, j->dk_ld, 0, b->keys);
    if (j->dbias)
        for (int i = 0; i < b->rows; i++)
            for (int key = b->from[i]; key < b->upto[i]; key++) {
                const int bucket =
                    j->bucket[a->span + clip(key - a->spec.pos[b->row + i], a->span)];
                j->dbias[(size_t)bucket * (size_t)a->spec.heads + (size_t)b->head] +=
                    b4c_row(b->ds, b->keys, i)[key - b->low];
            }
    if (!j->dq) return;
    k->add_nn(b->rows, d, b->keys, b->ds, b->keys, b4c_row_of(a->k, b->key) + at, a->k.ld,
              zeroed(b->t, b->rows, d), d, 0, b->rows);
    if (n) {
        sum_by_distance(a, b, a->spec.rel_max, zeroed(b->rel, b->rows, n), n);
        k->add_nn(b->rows, d, n, b->rel, n, a->spec.rel, d, b->t, d, 0, b->rows);
    }
    for (int i = 0; i < b->rows; i++)
        k->axpy(a->spec.scale, b4c_row(b->t, d, i),
                b4c_row(j->dq, j->dq_ld, b->row + i) + b->head * d, (size_t)d);
}

/* Queries row .. of sequence s and head h that one block holds. false: none of them sees a key. */
static bool cut_block(const attend_back_job *j, int s, int h, int row, b4c_real *scratch, block *b)
{
    const attend_arg *a = j->a;
    const b4c_plan *p = &a->plan;
    const int set = p->head_set ? p->head_set[h] : 0, left = p->q_off[s + 1] - row;
    const int d = a->spec.head_size, group = a->spec.heads / a->spec.kv_heads;
    *b = (block){ .head = h, .row = row, .rows = left < BLOCK ? left : BLOCK };
    b->column = h / group * d;
    b->from = p->from[set] + row;
    b->upto = p->upto[set] + row;
    int high = 0;
    b->low = p->k_len[s];
    for (int i = 0; i < b->rows; i++) {
        if (b->from[i] >= b->upto[i]) continue;
        if (b->from[i] < b->low) b->low = b->from[i];
        if (b->upto[i] > high) high = b->upto[i];
    }
    if (high <= b->low) return false;
    b->keys = high - b->low;
    b->key = p->k_off[s] + b->low;
    b->p = scratch;
    b->ds = b->p + (size_t)BLOCK * (size_t)j->most_keys;
    b->q = b->ds + (size_t)BLOCK * (size_t)j->most_keys;
    b->t = b->q + (size_t)BLOCK * (size_t)d;
    b->rel = b->t + (size_t)BLOCK * (size_t)d;
    return true;
}

static void attend_back_units(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const attend_back_job *j = arg;
    const attend_arg *a = j->a;
    const int kv_heads = a->spec.kv_heads, group = a->spec.heads / kv_heads;
    b4c_real *scratch = b4c_row(j->scratch, j->scratch_size, lane);
    block b;
    for (int u = begin; u < end; u++) {
        const int first = j->by_head ? 0 : u / kv_heads;
        const int last = j->by_head ? a->plan.n_seq - 1 : first;
        for (int s = first; s <= last; s++)
            for (int h = u % kv_heads * group; h < (u % kv_heads + 1) * group; h++)
                for (int row = a->plan.q_off[s]; row < a->plan.q_off[s + 1]; row += BLOCK) {
                    if (!cut_block(j, s, h, row, scratch, &b)) continue;
                    make_weights(t->kernels, j, &b);
                    make_score_gradient(t->kernels, j, &b);
                    send_back(t->kernels, j, &b);
                }
    }
}

static bool keys_are_apart(const b4c_plan *p)
{
    for (int s = 1; s < p->n_seq; s++)
        if (p->k_off[s] < p->k_off[s - 1] + p->k_len[s - 1]) return false;
    return true;
}

static void attend_back(b4c_tape *t, const b4c_record *r)
{
    const attend_arg *a = r->arg;
    const b4c_array *bias = &a->spec.bias;
    attend_back_job j = { .a = a };
    j.dy = b4c_grad(t, r->out, &j.dy_ld);
    j.dq = b4c_grad(t, a->q, &j.dq_ld);
    j.dk = b4c_grad(t, a->k, &j.dk_ld);
    j.dv = b4c_grad(t, a->v, &j.dv_ld);
    j.dbias = bias->x ? b4c_slot_grad(t, bias->slot, bias->rows, bias->cols) : NULL;
    j.by_head = j.dbias || !keys_are_apart(&a->plan);
    if (bias->x) {
        j.bias = spread_bias(t, &a->spec, a->span);
        int *bucket = b4c_take(t, (size_t)(2 * a->span + 1) * sizeof *bucket);
        for (int i = 0; bucket && i <= 2 * a->span; i++)
            bucket[i] = bucket_of(&a->spec, i - a->span);
        j.bucket = bucket;
    }
    for (int s = 0; s < a->plan.n_seq; s++)
        if (a->plan.k_len[s] > j.most_keys) j.most_keys = a->plan.k_len[s];
    j.scratch_size = BLOCK * (2 * j.most_keys + 2 * a->spec.head_size + rel_rows(a));
    j.scratch = b4c_take_rows(t, b4c_lanes(t), j.scratch_size);
    if (t->failed) return;
    const int units = a->spec.kv_heads * (j.by_head ? 1 : a->plan.n_seq);
    b4c_each(t, attend_back_units, &j, units,
             b4c_grain(t, work_of_head(a) * 3 / 16 * a->spec.heads / (units ? units : 1)));
}

/* ---- the op --------------------------------------------------------------------------------- */

/* y of a's queries over its keys, wherever those are. */
static b4c_tensor attend(b4c_tape *t, attend_arg a, b4c_want want)
{
    const b4c_attend_spec *spec = &a.spec;
    const int heads = spec->heads;
    assert(a.plan.n_rows == a.q.rows && heads % spec->kv_heads == 0);
    assert(a.q.cols == heads * spec->head_size);
    assert(!spec->bias.x || spec->bias.cols == heads);
    if (!a.spec.pos) a.spec.pos = a.plan.pos;
    if (spec->bias.x) a.span = widest(&a.plan, a.spec.pos, spec->max_distance);
    b4c_tensor y = b4c_fresh_spaced(t, a.q.rows, a.q.cols, want);
    b4c_record *r = b4c_remember(t, attend_back, y);
    if (r) r->arg = b4c_copy(t, &a, sizeof a);
    b4c_reads(t, spec->bias.x ? spec->bias.slot : NULL);

    const size_t mark = b4c_scope_open(t);
    attend_job j = { .a = &a, .bf16 = t->dtype != B4C_F32, .together = 1 };
    j.cuts = cuts_of(t, &a);
    if (a.self) j.together = heads / spec->kv_heads;
    j.out = b4c_target(t, &y);
    if (spec->bias.x) j.bias = spread_bias(t, spec, a.span);
    take_scratch(t, &j);
    if (t->failed) return (b4c_tensor){ 0 };
    /* One query waits for the sums of one, and for the keys: a quarter of a product's speed. */
    const double at_once = a.plan.n_rows > a.plan.n_seq ? 16 : 4;
    const int units = a.plan.n_seq * j.cuts * (heads / j.together);
    b4c_each(t, attend_heads, &j, units,
             b4c_grain(t, work_of_head(&a) / at_once * heads / (units ? units : 1)));
    b4c_settle(t, &y, &j.out);
    b4c_drop(t, mark);
    return t->failed ? (b4c_tensor){ 0 } : y;
}

b4c_tensor b4c_attend(b4c_tape *t, b4c_tensor q, b4c_tensor k, b4c_tensor v, const b4c_plan *plan,
                      const b4c_attend_spec *spec, b4c_want want)
{
    if (t->failed) return (b4c_tensor){ 0 };
    assert((q.x && k.x && v.x) || (is_half(q) && is_half(k) && is_half(v)));
    assert(k.cols == spec->kv_heads * spec->head_size && v.cols == k.cols && v.rows == k.rows);
    for (int s = 0; s < plan->n_seq; s++)
        assert(plan->k_off[s] >= 0 && plan->k_off[s] + plan->k_len[s] <= k.rows);
    return attend(t, (attend_arg){ .spec = *spec, .plan = *plan, .q = q, .k = k, .v = v }, want);
}

b4c_tensor b4c_attend_kept(b4c_tape *t, b4c_tensor q, const b4c_kept *kept, const b4c_plan *plan,
                           const b4c_attend_spec *spec, b4c_want want)
{
    if (t->failed) return (b4c_tensor){ 0 };
    assert(!t->recording && q.x && !kept->rel == !spec->rel);
    assert(kept->kv_heads == spec->kv_heads && kept->head_size == spec->head_size);
    return attend(t, (attend_arg){ .spec = *spec, .plan = *plan, .q = q, .kept = kept }, want);
}

/* One new row a sequence is put away by the lane that looks at it, while its page is near. */
b4c_tensor b4c_attend_keeping(b4c_tape *t, b4c_tensor q, b4c_tensor k, b4c_tensor v,
                              const b4c_kept *kept, const b4c_plan *self, const b4c_plan *plan,
                              const b4c_attend_spec *spec, b4c_want want)
{
    if (t->failed) return (b4c_tensor){ 0 };
    /* whole key heads are a lane's units: enough to divide them evenly */
    const bool even = spec->heads == spec->kv_heads ||
                      self->n_seq * spec->kv_heads >= 8 * b4c_lanes(t);
    bool singly = even && self->n_rows == self->n_seq && plan->n_rows == self->n_rows;
    for (int s = 0; s < self->n_seq && singly; s++)
        singly = self->q_off[s] == s && plan->q_off[s] == s;
    if (!singly) {
        b4c_keep(t, kept, self, k, v);
        return b4c_attend_kept(t, q, kept, plan, spec, want);
    }
    assert(!t->recording && q.x && k.x && v.x && !kept->rel == !spec->rel);
    assert(k.rows == self->n_rows && k.cols == kept->kv_heads * kept->head_size);
    const attend_arg a = { .spec = *spec, .plan = *plan, .q = q, .k = k, .v = v, .kept = kept,
                           .self = self };
    return attend(t, a, want);
}

/* ---- keeping -------------------------------------------------------------------------------- */

typedef struct keep_job {
    const b4c_kept *kept;
    const b4c_plan *plan;
    b4c_tensor k, v;
} keep_job;

/* Unit: a row. Rows of a sequence follow one another. */
static void keep_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const keep_job *j = arg;
    const b4c_plan *p = j->plan;
    int s = 0;
    for (int row = begin, next; row < end; row = next) {
        while (p->q_off[s + 1] <= row) s++;
        next = p->q_off[s + 1] < end ? p->q_off[s + 1] : end;
        const b4c_keeping to = keeping_of(t, j->kept, p, j->k, j->v, s, row);
        t->kernels->keep(&to, 0, next - row);
    }
}

void b4c_keep(b4c_tape *t, const b4c_kept *kept, const b4c_plan *plan, b4c_tensor k, b4c_tensor v)
{
    if (t->failed) return;
    assert(k.x && v.x && k.rows == plan->n_rows && v.rows == k.rows);
    assert(k.cols == kept->kv_heads * kept->head_size && v.cols == k.cols);
    keep_job j = { kept, plan, k, v };
    b4c_each(t, keep_rows, &j, k.rows, b4c_grain(t, 4.0 * k.cols));
}
