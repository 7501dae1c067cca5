/* test_branches.c - attention over kept keys that begin with a trunk: queries of many sequences
 * that share it, or of one sequence, to the bits of each query beside its keys in rows.
 */
#include "attention_scene.h"

#include <math.h>

enum { MOST = 16, PAGES = 64 };

/* Pages in no order, in which other numbers stand: 3.0, as a float and as two of bf16. */
typedef struct pages {
    char *data;
    int page[PAGES];
    size_t bytes;
} pages;

static pages pages_new(const b4c_kernels *t, const b4c_attention *job)
{
    pages p = { .bytes = t->page_bytes(job->kv_heads, job->head_size, job->bf16 && !job->rel) };
    p.data = malloc(PAGES * p.bytes);
    memset(p.data, 0x40, PAGES * p.bytes);
    for (int i = 0; i < PAGES; i++) p.page[i] = (i * 37 + 5) % PAGES;
    return p;
}

/* Keys from .. upto-1 of a scene into pages from number `first` of the list on. */
static void put(const b4c_kernels *t, pages *p, const scene *s, int from, int upto, int first)
{
    const b4c_attention *job = &s->job;
    const b4c_keeping keep = { .kv_heads = job->kv_heads,
                               .head_size = job->head_size,
                               .bf16 = job->bf16 && !job->rel,
                               .k = s->k + from * job->k_ld,
                               .v = s->v + from * job->v_ld,
                               .k_ld = job->k_ld,
                               .v_ld = job->v_ld,
                               .pages = p->data,
                               .page = p->page + first };
    t->keep(&keep, 0, upto - from);
}

/* Scenes of one kind with one query each; their first `trunk` keys are the same. */
typedef struct family {
    scene s[MOST];
    int n, trunk;
} family;

static const int heads[] = { 2, 4, 12, 6 }, kv_heads[] = { 2, 2, 12, 3 },
                 sizes[] = { 64, 32, 16, 10 };

static family family_new(int kind, int n, int trunk, const int *own)
{
    family f = { .n = n, .trunk = trunk };
    for (int i = 0; i < n; i++) {
        scene *s = &f.s[i];
        *s = scene_new(heads[kind], kv_heads[kind], sizes[kind], 1, trunk + own[i], FULL, FULL,
                       (unsigned)(3 * i));
        if (kind == 1) scene_add_bias(s, 20);
        if (kind == 3) scene_add_rel(s, 8);
        memcpy(s->k, f.s[0].k, (size_t)(trunk * s->job.k_ld) * sizeof *s->k);
        memcpy(s->v, f.s[0].v, (size_t)(trunk * s->job.v_ld) * sizeof *s->v);
    }
    return f;
}

/* All scenes' queries as one job. newest: the attention itself puts the last keys away. */
static void check_family(const b4c_kernels *t, family *f, int kind, bool newest)
{
    const b4c_attention *one = &f->s[0].job;
    const int n = f->n, q_ld = one->q_ld, out_ld = f->s[0].out_ld;
    pages p = pages_new(t, one);
    b4c_attention job = *one;
    float *q = calloc((size_t)(n * q_ld), sizeof *q), *out = malloc((size_t)(n * out_ld) * 4);
    float *k = calloc((size_t)(n * one->k_ld), sizeof *k);
    float *v = calloc((size_t)(n * one->v_ld), sizeof *v);
    int from[MOST] = { 0 }, upto[MOST], pos[MOST], branch[MOST], next = b4c_pages_of(f->trunk);
    put(t, &p, &f->s[0], 0, f->trunk, 0);
    for (int i = 0; i < n; i++) {
        scene *s = &f->s[i];
        const int keys = s->job.k_rows, last = keys - 1;
        scene_run(t, s);
        put(t, &p, s, f->trunk, newest ? last : keys, next);
        branch[i] = next;
        next += b4c_pages_of(keys - f->trunk);
        assert_true(next <= PAGES);
        upto[i] = keys;
        pos[i] = last;
        if (keys > job.k_rows) job.k_rows = keys;
        memcpy(q + i * q_ld, s->q, (size_t)s->width * sizeof *q);
        memcpy(k + i * job.k_ld, s->k + last * job.k_ld, (size_t)job.k_ld * sizeof *k);
        memcpy(v + i * job.v_ld, s->v + last * job.v_ld, (size_t)job.v_ld * sizeof *v);
    }
    job.q_rows = n;
    job.q = q;
    job.k = newest ? k : NULL;
    job.v = newest ? v : NULL;
    job.keep = newest;
    job.pages = p.data;
    job.page = p.page;
    job.trunk = f->trunk;
    job.branch = branch;
    job.from = from;
    job.upto = upto;
    job.pos = pos;
    job.out = (b4c_operand){ B4C_FORM_REAL, n, f->s[0].width, out, (size_t)out_ld, NULL };
    void *scratch = malloc(t->attention_scratch(&job));
    const int group = newest ? job.heads / job.kv_heads : job.heads;
    for (int h = 0; h < job.heads; h += group) t->attention(&job, h, h + group, scratch);
    for (int i = 0; i < n; i++)
        if (memcmp(out + i * out_ld, f->s[i].out, (size_t)f->s[i].width * sizeof *out) != 0)
            fail_msg("%s: kind %d: query %d of %d, trunk of %d, differs", t->name, kind, i, n,
                     f->trunk);
    free(p.data);
    free(q);
    free(k);
    free(v);
    free(out);
    free(scratch);
}

static void branches_of_a_trunk_give_the_bits_of_each_alone(void **state)
{
    (void)state;
    static const int trunks[] = { 0, 2, 8, 14, 16, 32, 34, 70 },
                     own[] = { 1, 17, 2, 16, 33, 15, 5, 64, 1, 31, 32, 3, 9, 40 };
    EACH_TABLE(t)
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < COUNT(trunks); i++)
            for (int n = 1; n <= t->attention_rows; n += n == 1 ? 2 : t->attention_rows - 3) {
                family f = family_new(kind, n, trunks[i], own + (n < 14 ? i : 0));
                check_family(t, &f, kind, i % 2);
                for (int s = 0; s < n; s++) scene_done(&f.s[s]);
                if (t->attention_rows <= 3) break;
            }
}

/* What some queries do not see, in a value and in a key: they must not feel it. */
static void check_sequence(const b4c_kernels *t, int kind, mask m, int keys, int trunk, int hidden)
{
    scene s = scene_new(heads[kind], kv_heads[kind], sizes[kind], 9, keys, m, ANTI, 31);
    if (kind == 1) scene_add_bias(&s, 20);
    if (kind == 3) scene_add_rel(&s, 8);
    if (hidden >= 0) s.v[hidden * s.job.v_ld] = s.k[hidden * s.job.k_ld + 3] = INFINITY;
    float *want = scene_results(t, &s);
    pages p = pages_new(t, &s.job);
    put(t, &p, &s, 0, trunk, 0);
    put(t, &p, &s, trunk, keys, b4c_pages_of(trunk));
    s.job.k = s.job.v = NULL;
    s.job.pages = p.data;
    s.job.page = p.page;
    s.job.trunk = trunk;
    scene_run(t, &s);
    for (size_t i = 0; i < s.n_out; i++)
        if (isnan(want[i]) ? !isnan(s.out[i]) : memcmp(&want[i], &s.out[i], sizeof *want) != 0)
            fail_msg("%s: kind %d, mask %d, %d keys, trunk of %d: %g, wanted %g", t->name, kind,
                     (int)m, keys, trunk, (double)s.out[i], (double)want[i]);
    free(p.data);
    free(want);
    scene_done(&s);
}

static void queries_of_one_sequence_do_not_feel_where_its_trunk_ends(void **state)
{
    (void)state;
    static const int keys[] = { 9, 33, 64, 97 }, trunks[] = { 2, 8, 32, 50 };
    EACH_TABLE(t)
    for (int kind = 0; kind < 4; kind++)
        for (int m = 0; m < MASKS; m++)
            for (int i = 0; i < COUNT(keys); i++)
                for (int k = 0; k < COUNT(trunks) && trunks[k] < keys[i]; k++) {
                    check_sequence(t, kind, (mask)m, keys[i], trunks[k], -1);
                    check_sequence(t, kind, (mask)m, keys[i], trunks[k], keys[i] / 2);
                }
}

/* Keys copied from the middle of a page to another's beginning are the same keys. */
static void copied_keys_are_the_same(void **state)
{
    (void)state;
    static const int at[] = { 0, 2, 8, 14, 30 }, keys[] = { 1, 2, 5, 16, 17, 32 };
    EACH_TABLE(t)
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < COUNT(at); i++)
            for (int k = 0; k < COUNT(keys) && at[i] + keys[k] <= B4C_PAGE; k++) {
                const int n = at[i] + keys[k];
                scene s = scene_new(heads[kind], kv_heads[kind], sizes[kind], 1, n, FULL, FULL, 2);
                s.job.head_set = NULL;
                float *want = scene_results(t, &s);
                pages p = pages_new(t, &s.job);
                put(t, &p, &s, 0, n, 0);
                t->copy_kept(s.job.kv_heads, s.job.head_size, s.job.bf16,
                             p.data + (size_t)p.page[0] * p.bytes, at[i],
                             p.data + (size_t)p.page[1] * p.bytes, 0, keys[k]);
                s.job.k = s.job.v = NULL;
                s.job.pages = p.data;
                s.job.page = p.page;
                s.job.trunk = at[i];
                scene_run(t, &s);
                assert_memory_equal(want, s.out, (size_t)s.width * sizeof *want);
                free(p.data);
                free(want);
                scene_done(&s);
            }
}

int main(void)
{
    print_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branches_of_a_trunk_give_the_bits_of_each_alone),
        cmocka_unit_test(queries_of_one_sequence_do_not_feel_where_its_trunk_ends),
        cmocka_unit_test(copied_keys_are_the_same),
    };
    int failed = cmocka_run_group_tests_name("kept keys", tests, scenes_of_numbers, NULL);
    return failed + cmocka_run_group_tests_name("kept keys in pairs", tests, scenes_of_pairs, NULL);
}
