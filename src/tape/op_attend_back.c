/* op_attend_back.c - the gradients of softmax attention (op_attend.c).
 *
 * The weights are made again, for a block of queries of one head at a time, and no more memory is
 * needed than that block takes. Only the keys between the block's lowest `from` and highest `upto`
 * take part.
 *
 *     dp_ij = dy_i.v_j    ds_ij = p_ij (dp_ij - sum_j p_ij dp_ij)
 *     dq_i += scale sum_j ds_ij k_j    dk_j += scale sum_i ds_ij q_i    dv_j += sum_i p_ij dy_i
 *     dbias[bucket(j - pos_i)] += ds_ij
 *
 * with NEZHA's R[j - pos_i] added to k_j and v_j. Lanes divide by sequence and key head, or by key
 * head alone where sequences share keys or a bias is learned: no two lanes ever add to the same
 * number.
 */
#include "tape/attend.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 };         /* queries that are taken at once */

static int clip(int x, int most)
{
    return x < -most ? -most : x > most ? most : x;
}

typedef struct attend_back_job {
    const b4c_attend_arg *a;
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

static int rel_rows(const b4c_attend_arg *a)
{
    return a->spec.rel ? 2 * a->spec.rel_max + 1 : 0;
}

static b4c_real *zeroed(b4c_real *x, int rows, int cols)
{
    return memset(x, 0, (size_t)rows * (size_t)cols * sizeof *x);
}

/* Row i of `to` [rows, keys] += row i of `by_distance` at j - pos, for the keys j it sees. */
static void add_by_distance(const b4c_attend_arg *a, const block *b, const b4c_real *by_distance,
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
    const b4c_attend_arg *a = j->a;
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
    const b4c_attend_arg *a = j->a;
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
static void sum_by_distance(const b4c_attend_arg *a, const block *b, int most, b4c_real *to, int ld)
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
    const b4c_attend_arg *a = j->a;
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
    const b4c_attend_arg *a = j->a;
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
    const b4c_attend_arg *a = j->a;
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

void b4c_attend_back(b4c_tape *t, const b4c_record *r)
{
    const b4c_attend_arg *a = r->arg;
    const b4c_array *bias = &a->spec.bias;
    attend_back_job j = { .a = a };
    j.dy = b4c_grad(t, r->out, &j.dy_ld);
    j.dq = b4c_grad(t, a->q, &j.dq_ld);
    j.dk = b4c_grad(t, a->k, &j.dk_ld);
    j.dv = b4c_grad(t, a->v, &j.dv_ld);
    j.dbias = bias->x ? b4c_slot_grad(t, bias->slot, bias->rows, bias->cols) : NULL;
    j.by_head = j.dbias || !keys_are_apart(&a->plan);
    if (bias->x) {
        j.bias = b4c_attend_bias(t, &a->spec, a->span);
        int *bucket = b4c_take(t, (size_t)(2 * a->span + 1) * sizeof *bucket);
        for (int i = 0; bucket && i <= 2 * a->span; i++)
            bucket[i] = b4c_attend_bucket(&a->spec, i - a->span);
        j.bucket = bucket;
    }
    for (int s = 0; s < a->plan.n_seq; s++)
        if (a->plan.k_len[s] > j.most_keys) j.most_keys = a->plan.k_len[s];
    j.scratch_size = BLOCK * (2 * j.most_keys + 2 * a->spec.head_size + rel_rows(a));
    j.scratch = b4c_take_rows(t, b4c_lanes(t), j.scratch_size);
    if (t->failed) return;
    const int units = a->spec.kv_heads * (j.by_head ? 1 : a->plan.n_seq);
    b4c_each(t, attend_back_units, &j, units,
             b4c_grain(t, b4c_attend_work(a) * 3 / 16 * a->spec.heads / (units ? units : 1)));
}
