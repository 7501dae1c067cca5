/* op_attend.c - softmax attention over a plan's intervals, forward.
 *
 * One kernel call per sequence and head, or per head of sequences that share a trunk of kept keys;
 * nothing of size [queries, keys] is kept. Back: op_attend_back.c.
 *
 *     s_ij = scale q_i.k_j + bias[bucket(j - pos_i)]    p_i = softmax over visible j
 *     y_i = sum_j p_ij v_j
 *
 * NEZHA's fixed table R adds R[j - pos_i] to k_j and to v_j wherever they stand above.
 *
 * Sources: Vaswani et al. 2017; Raffel et al. 2020 (buckets); Shaw et al. 2018 and Wei et al. 2019
 * (NEZHA).
 */
#include "tape/attend.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

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

int b4c_attend_bucket(const b4c_attend_spec *s, int distance)
{
    return b4c_bucket(distance, s->bias.rows, s->max_distance, s->both_ways);
}

b4c_real *b4c_attend_bias(b4c_tape *t, const b4c_attend_spec *s, int span)
{
    const int wide = 2 * span + 1;
    b4c_real *y = b4c_take_rows(t, s->heads, wide);
    for (int i = 0; y && i < wide; i++) {
        const b4c_real *row = s->bias.x + (size_t)b4c_attend_bucket(s, i - span) * (size_t)s->heads;
        for (int h = 0; h < s->heads; h++) b4c_row(y, wide, h)[i] = row[h];
    }
    return y;
}

/* ---- forward -------------------------------------------------------------------------------- */

typedef struct attend_job {
    const b4c_attend_arg *a;
    const b4c_real *bias;    /* [heads, 2 span + 1] or NULL */
    b4c_operand out;
    bool bf16;               /* weights are bf16 or int8: products of attention may be, too */
    int together;            /* heads of a unit */
    int cuts;                /* of a group's queries, each a job for itself */
    int groups;              /* of sequences that are one job of the kernel */
    const int *group;        /* [groups + 1] the first of each; NULL: each sequence is one */
    const int *branch;       /* [rows] of such a group (b4c_attention); NULL: none */
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

/* First sequence of group g. */
static int first_of(const attend_job *j, int g) { return j->group ? j->group[g] : g; }

/* Kept keys of sequence s's trunk. */
static int trunk_of(const b4c_plan *p, int s) { return p->trunk ? p->trunk[s] : 0; }

/* Cut number `cut` of group g's queries. */
static b4c_attention attention_of(const attend_job *j, int g, int cut)
{
    const b4c_attend_arg *a = j->a;
    const b4c_plan *p = &a->plan;
    const int s = first_of(j, g), next = first_of(j, g + 1);
    const long all = p->q_off[next] - p->q_off[s];
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
        n.trunk = trunk_of(p, s);
        n.branch = j->branch ? j->branch + row : NULL;
        for (int i = s + 1; i < next; i++)
            if (p->k_len[i] > n.k_rows) n.k_rows = p->k_len[i];
        if (a->self) {
            n.keep = true;
            n.k = b4c_row_of(a->k, row);
            n.v = b4c_row_of(a->v, row);
        }
        if (next < p->n_seq) {
            const int trunk = trunk_of(p, next);
            n.later_page = a->kept->page + p->k_off[next];
            n.later_pages = b4c_pages_of(trunk) + b4c_pages_of(p->k_len[next] - trunk);
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

/* Unit: a head of a group's cut, heads first, then cuts, of which the last may see the most keys
 * and comes first; where keys are put away, all heads of a key head. */
static void attend_heads(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    const attend_job *j = arg;
    const int units = j->a->spec.heads / j->together;
    for (int u = begin; u < end;) {
        const int h = u % units, upto = units - h < end - u ? units : h + end - u;
        const int g = u / units / j->cuts, cut = j->cuts - 1 - u / units % j->cuts;
        const b4c_attention n = attention_of(j, g, cut);
        if (n.q_rows > 0)
            t->kernels->attention(&n, h * j->together, upto * j->together,
                                  j->scratch + (size_t)lane * j->scratch_bytes);
        u += upto - h;
    }
}

static void take_scratch(b4c_tape *t, attend_job *j)
{
    for (int i = 0; i < j->groups * j->cuts; i++) {
        const b4c_attention n = attention_of(j, i / j->cuts, i % j->cuts);
        const size_t bytes = t->kernels->attention_scratch(&n);
        if (bytes > j->scratch_bytes) j->scratch_bytes = bytes;
    }
    j->scratch_bytes = (j->scratch_bytes + B4C_ALIGN - 1) / B4C_ALIGN * B4C_ALIGN;
    j->scratch = b4c_take(t, (size_t)b4c_lanes(t) * j->scratch_bytes);
}

/* Where few heads are all there is and keys lie ready, long sequences are cut, so that no lane
 * waits for another's last head. */
static int cuts_of(const b4c_tape *t, const b4c_attend_arg *a)
{
    enum { CUT_ROWS = 112, CUTS = 8, ENOUGH = 32 };
    const int units = a->plan.n_seq * a->spec.heads, lanes = b4c_lanes(t);
    const int rows = a->plan.n_rows / (a->plan.n_seq ? a->plan.n_seq : 1);
    if (lanes == 1 || !a->kept || a->self || units >= ENOUGH * lanes) return 1;
    return rows / CUT_ROWS > CUTS ? CUTS : rows / CUT_ROWS > 1 ? rows / CUT_ROWS : 1;
}

double b4c_attend_work(const b4c_attend_arg *a)
{
    double pairs = 0;
    for (int s = 0; s < a->plan.n_seq; s++)
        pairs += (double)(a->plan.q_off[s + 1] - a->plan.q_off[s]) * a->plan.k_len[s];
    return pairs * 2 * a->spec.head_size;
}

/* ---- the op --------------------------------------------------------------------------------- */

/* Does each sequence have one row? */
static bool one_row_each(const b4c_plan *p)
{
    bool one = p->n_rows == p->n_seq;
    for (int s = 0; s < p->n_seq && one; s++) one = p->q_off[s] == s;
    return one;
}

/* Sequences s and s - 1 have one trunk. */
static bool share_trunk(const b4c_attend_arg *a, int s)
{
    const b4c_plan *p = &a->plan;
    return p->trunk[s] && p->trunk[s] == p->trunk[s - 1] &&
           a->kept->page[p->k_off[s]] == a->kept->page[p->k_off[s - 1]];
}

/* Sequences of one trunk and one row each become jobs together: as many as the kernel takes at
 * once, and as leave enough units for all lanes. */
static void make_groups(b4c_tape *t, attend_job *j)
{
    const b4c_attend_arg *a = j->a;
    const b4c_plan *p = &a->plan;
    bool any = false;
    if (!p->trunk || !one_row_each(p)) return;
    for (int s = 1; s < p->n_seq; s++) any |= share_trunk(a, s);
    int *group = any ? b4c_take(t, (size_t)(p->n_seq + 1) * sizeof *group) : NULL;
    int *branch = any ? b4c_take(t, (size_t)p->n_rows * sizeof *branch) : NULL;
    if (!group || !branch) return;
    const int units = a->spec.heads / j->together, lanes = b4c_lanes(t);
    int most = p->n_seq * units / (8 * lanes), n = 0;
    if (most > t->kernels->attention_rows) most = t->kernels->attention_rows;
    for (int s = 0, end; s < p->n_seq; s = end) {
        for (end = s + 1; end < p->n_seq && share_trunk(a, end);) end++;
        const int parts = most > 1 ? (end - s + most - 1) / most : end - s;
        for (int i = 0; i < parts; i++) group[n++] = s + (int)((long)(end - s) * i / parts);
    }
    group[n] = p->n_seq;
    for (int g = 0; g < n; g++)
        for (int s = group[g]; s < group[g + 1]; s++)
            branch[s] = p->k_off[s] + b4c_pages_of(trunk_of(p, s)) - p->k_off[group[g]];
    j->groups = n;
    j->group = group;
    j->branch = branch;
}

/* y of a's queries over its keys, wherever those are. */
static b4c_tensor attend(b4c_tape *t, b4c_attend_arg a, b4c_want want)
{
    const b4c_attend_spec *spec = &a.spec;
    const int heads = spec->heads;
    assert(a.plan.n_rows == a.q.rows && heads % spec->kv_heads == 0);
    assert(a.q.cols == heads * spec->head_size);
    assert(!spec->bias.x || spec->bias.cols == heads);
    if (!a.spec.pos) a.spec.pos = a.plan.pos;
    if (spec->bias.x) a.span = widest(&a.plan, a.spec.pos, spec->max_distance);
    b4c_tensor y = b4c_fresh_spaced(t, a.q.rows, a.q.cols, want);
    b4c_record *r = b4c_remember(t, b4c_attend_back, y);
    if (r) r->arg = b4c_copy(t, &a, sizeof a);
    b4c_reads(t, spec->bias.x ? spec->bias.slot : NULL);

    const size_t mark = b4c_scope_open(t);
    attend_job j = { .a = &a, .bf16 = t->dtype != B4C_F32, .together = 1 };
    j.cuts = cuts_of(t, &a);
    j.groups = a.plan.n_seq;
    if (a.self) j.together = heads / spec->kv_heads;
    if (a.kept) make_groups(t, &j);
    j.out = b4c_target(t, &y);
    if (spec->bias.x) j.bias = b4c_attend_bias(t, spec, a.span);
    take_scratch(t, &j);
    if (t->failed) return (b4c_tensor){ 0 };
    /* One query waits for the sums of one, and for the keys: a quarter of a product's speed. */
    const double at_once = a.plan.n_rows > a.plan.n_seq ? 16 : 4;
    const int units = j.groups * j.cuts * (heads / j.together);
    b4c_each(t, attend_heads, &j, units,
             b4c_grain(t, b4c_attend_work(&a) / at_once * heads / (units ? units : 1)));
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
    const b4c_attend_arg a = { .spec = *spec, .plan = *plan, .q = q, .k = k, .v = v };
    return attend(t, a, want);
}

b4c_tensor b4c_attend_kept(b4c_tape *t, b4c_tensor q, const b4c_kept *kept, const b4c_plan *plan,
                           const b4c_attend_spec *spec, b4c_want want)
{
    if (t->failed) return (b4c_tensor){ 0 };
    assert(!t->recording && q.x && !kept->rel == !spec->rel);
    assert(kept->kv_heads == spec->kv_heads && kept->head_size == spec->head_size);
    return attend(t, (b4c_attend_arg){ .spec = *spec, .plan = *plan, .q = q, .kept = kept }, want);
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
    if (!even || !one_row_each(self) || !one_row_each(plan)) {
        b4c_keep(t, kept, self, k, v);
        return b4c_attend_kept(t, q, kept, plan, spec, want);
    }
    assert(!t->recording && q.x && k.x && v.x && !kept->rel == !spec->rel);
    assert(k.rows == self->n_rows && k.cols == kept->kv_heads * kept->head_size);
    const b4c_attend_arg a = { .spec = *spec, .plan = *plan, .q = q, .k = k, .v = v, .kept = kept,
                           .self = self };
    return attend(t, a, want);
}

/* ---- keeping -------------------------------------------------------------------------------- */

typedef struct keep_job {
    const b4c_kept *kept;
    const b4c_plan *plan;
    b4c_tensor k, v;
} keep_job;

/* Unit: a row. Rows of a sequence follow one another, behind its trunk. */
static void keep_rows(b4c_tape *t, void *arg, int begin, int end, int lane)
{
    (void)lane;
    const keep_job *j = arg;
    const b4c_plan *p = j->plan;
    const b4c_kept *kept = j->kept;
    int s = 0;
    for (int row = begin, next; row < end; row = next) {
        while (p->q_off[s + 1] <= row) s++;
        next = p->q_off[s + 1] < end ? p->q_off[s + 1] : end;
        const b4c_keeping to = {
            .kv_heads = kept->kv_heads,
            .head_size = kept->head_size,
            .bf16 = t->dtype != B4C_F32 && !kept->rel,
            .k = b4c_row_of(j->k, row),
            .v = b4c_row_of(j->v, row),
            .k_ld = j->k.ld,
            .v_ld = j->v.ld,
            .at = p->pos[row] - trunk_of(p, s),
            .pages = kept->pages,
            .page = kept->page + p->k_off[s] + b4c_pages_of(trunk_of(p, s)),
        };
        assert(to.at >= 0);
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
