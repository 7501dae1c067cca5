/* test_generate.c - generated tokens equal to the references', all methods and sequences of a model
 * in one run of the engine.
 *
 * gen.*: transformers' generate; b4k.*: bert4keras's beam search. io.json has their settings. So
 * the batches are mixed as no reference ever mixed them: greedy beside beams of several widths,
 * prompts of unequal length, requests that leave early.
 */
#include "golden/golden.h"
#include "golden/settings.h"
#include "support/test.h"

#include <jansson.h>
#include <math.h>

#include "decode/engine.h"
#include "kernels/kernels_common.h"

enum { MOST_JOBS = 64 };

typedef struct run {
    golden g;
    golden_model m;
    json_t *io;
    b4c_job job[MOST_JOBS];
    char name[MOST_JOBS][64];       /* "gen.beam3.0" */
    const int32_t *ends[MOST_JOBS]; /* of the job, [n_ends] */
    int n_ends[MOST_JOBS];
    int n;
    int32_t end[8], start[1];
    int n_end;
    b4c_engine_options o;
} run;

static void add(run *r, const char *kind, const char *method, const b4c_generate_options *o,
                const int32_t *end, int n_end, int first, int count)
{
    const b4c_vocabulary_facts f = { r->m.net.spec.vocabulary, end, n_end, -1, -1, -1, -1, NULL,
                                     0 };
    int row = 0;
    for (int s = 0; s < first; s++) row += r->g.lengths[s];
    for (int s = first; s < first + count; row += r->g.lengths[s++]) {
        b4c_error err = { 0 };
        const bool history = r->o.reading != B4C_READ_SEQ2SEQ;
        assert_true(r->n < MOST_JOBS);
        b4c_request *request = b4c_request_new(o, &f, history ? r->g.ids + row : r->start,
                                               history ? r->g.lengths[s] : 1, 0, &err);
        if (!request) fail_msg("%s: %s", method, err.message);
        snprintf(r->name[r->n], sizeof r->name[0], "%s.%s.%d", kind, method, s);
        r->ends[r->n] = end;
        r->n_ends[r->n] = n_end;
        const int32_t *segments = r->g.segments ? r->g.segments + row : NULL;
        const int last = segments ? segments[r->g.lengths[s] - 1] : 0;
        r->job[r->n++] = (b4c_job){ r->g.ids + row, r->g.lengths[s], request, segments, 1 - last };
    }
}

/* The settings of transformers' methods. */
static void add_transformers(run *r)
{
    const char *method;
    json_t *all = json_object_get(r->io, "generate"), *settings;
    json_object_foreach(all, method, settings)
    {
        const b4c_generate_options o = hub_settings(r->io, settings);
        add(r, "gen", method, &o, r->end, r->n_end, 0, r->g.n_seq);
    }
}

static void add_bert4keras(run *r)
{
    const char *method;
    static int32_t several[8];
    json_t *all = json_object_get(r->io, "beams"), *settings;
    const json_t *ends = json_object_get(r->io, "several_ends");
    for (size_t i = 0; i < json_array_size(ends); i++)
        several[i] = (int32_t)json_integer_value(json_array_get(ends, i));
    json_object_foreach(all, method, settings)
    {
        const b4c_generate_options o = bert4keras_settings(settings, r->o.n_start > 0);
        const bool more = json_is_true(json_object_get(settings, "several_ends"));
        add(r, "b4k", method, &o, more ? several : r->end,
            more ? (int)json_array_size(ends) : r->n_end, 0, r->g.n_seq);
    }
}

static void open_run(run *r, const char *name, b4c_reading reading, b4c_dtype dtype)
{
    char path[256];
    *r = (run){ .o.reading = reading };
    golden_open(&r->g, name);
    snprintf(path, sizeof path, "tests/golden/models/%s", name);
    golden_model_open(&r->m, path, dtype, true);
    snprintf(path, sizeof path, "tests/golden/models/%s/io.json", name);
    r->io = json_load_file(path, 0, NULL);
    assert_non_null(r->io);
    snprintf(path, sizeof path, "tests/golden/models/%s/generation_config.json", name);
    json_t *config = json_load_file(path, 0, NULL);
    r->end[r->n_end++] = (int32_t)setting(config ? config : r->io,
                                          config ? "eos_token_id" : "end", -1);
    assert_true(r->end[0] >= 0);
    json_decref(config);
    r->start[0] = (int32_t)setting(r->io, "decoder_start", -1);
    if (reading == B4C_READ_SEQ2SEQ) {
        assert_true(r->start[0] >= 0);
        r->o.start = r->start;
        r->o.n_start = 1;
    }
}

static void run_all(run *r, const b4c_kernels *kernels, int lanes)
{
    b4c_crew crew;
    b4c_error err = { 0 };
    assert_ok(b4c_crew_init(&crew, kernels, r->m.net.dtype, lanes, 0, &err), &err);
    assert_ok(b4c_engine_run(&r->m.net, &crew, &r->o, r->job, r->n, NULL, NULL, &err), &err);
    b4c_crew_done(&crew);
}

static void close_run(run *r)
{
    for (int i = 0; i < r->n; i++) b4c_request_free(r->job[i].request);
    golden_model_close(&r->m);
    golden_close(&r->g);
    json_decref(r->io);
}

static bool is_end(const run *r, int job, int32_t id)
{
    for (int i = 0; i < r->n_ends[job]; i++)
        if (r->ends[job][i] == id) return true;
    return false;
}

/* Result number k of a job against the file's, whose ids may end in end tokens. */
static void check_result(const run *r, int job, int k, const b4c_result *got, const char *what)
{
    char tensor[96];
    size_t n;
    const bool b4k = strncmp(r->name[job], "b4k", 3) == 0;
    snprintf(tensor, sizeof tensor, b4k ? "%s" : "%s.%d", r->name[job], k);
    float *want = golden_tensor(&r->g, tensor, &n);
    if (!want) fail_msg("%s: the golden file lacks %s", what, tensor);
    const size_t skip = b4k && r->o.n_start ? 1 : 0; /* there the start token is returned too */
    if (got->finish == B4C_FINISH_END)
        while (n > skip && is_end(r, job, (int32_t)want[n - 1])) n--;
    bool same = n - skip == (size_t)got->n;
    for (int i = 0; same && i < got->n; i++) same = got->ids[i] == (int32_t)want[(size_t)i + skip];
    if (!same) {
        for (int i = 0; i < got->n; i++) printf(" %d", got->ids[i]);
        printf(" (finish %d), wanted", got->finish);
        for (size_t i = skip; i < n; i++) printf(" %d", (int)want[i]);
        printf("\n");
        fail_msg("%s: %s differs", what, tensor);
    }
    free(want);
    snprintf(tensor, sizeof tensor, "%s.score", r->name[job]);
    want = golden_tensor(&r->g, tensor, &n);
    if (want) {
        assert_true((size_t)k < n);
        if (!(fabs(got->score - (double)want[k]) < 1e-3 * fmax(1, fabs((double)want[k]))))
            fail_msg("%s: %s is %g, wanted %g", what, tensor, got->score, (double)want[k]);
    }
    free(want);
}

static void check_model(const char *name, b4c_reading reading)
{
    for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) {
        run r;
        char what[128];
        snprintf(what, sizeof what, "%s on %s", name, k->name);
        open_run(&r, name, reading, B4C_F32);
        add_transformers(&r);
        add_bert4keras(&r);
        assert_true(r.n > 0);
        run_all(&r, k, 1);
        for (int j = 0; j < r.n; j++) {
            const b4c_result *x;
            const int n = b4c_request_results(r.job[j].request, &x);
            assert_true(n >= 1);
            for (int i = 0; i < n; i++) check_result(&r, j, i, &x[i], what);
        }
        close_run(&r);
    }
}

static void decoders_write_what_the_references_write(void **state)
{
    (void)state;
    check_model("gpt2", B4C_READ_CAUSAL);
    check_model("openai-gpt", B4C_READ_CAUSAL);
    check_model("llama", B4C_READ_CAUSAL);
    check_model("qwen2", B4C_READ_CAUSAL);
}

/* REPORTS G10, L10; G07: mT5's beams were not transformers', and had no n-gram block. mt5's
 * beam3_ngram2_min6 among these has one for each beam. */
static void encoder_decoders_write_what_the_references_write(void **state)
{
    (void)state;
    check_model("t5", B4C_READ_SEQ2SEQ);
    check_model("mt5", B4C_READ_SEQ2SEQ);
    check_model("bart", B4C_READ_SEQ2SEQ);
    check_model("pegasus", B4C_READ_SEQ2SEQ);
    check_model("t5-pegasus", B4C_READ_SEQ2SEQ);
    check_model("t5-pegasus-tf", B4C_READ_SEQ2SEQ);
}

static void bert_writes_what_the_references_write(void **state)
{
    (void)state;
    check_model("bert-lm", B4C_READ_CAUSAL);
    check_model("nezha-gpt", B4C_READ_CAUSAL);
    check_model("bert-unilm-beam", B4C_READ_PREFIX);
}

/* ---- laws ------------------------------------------------------------------------------------ */

/* Each request alone, on one lane and on three, against all together: the same tokens and scores to
 * the bit. */
static void check_neighbours(const char *name, b4c_reading reading, b4c_dtype dtype)
{
    run all, one;
    open_run(&all, name, reading, dtype);
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = 10;
    o.allow_unknown = true;
    for (int k = 0; k < 4; k++) {
        o.beams = k == 1 ? 3 : 1;
        o.sample = k >= 2;
        o.n = k == 3 ? 4 : 1;
        o.temperature = 1.5f;
        o.top_p = 0.95f;
        o.seed = 9;
        add(&all, "gen", "law", &o, all.end, all.n_end, 0, all.g.n_seq);
    }
    run_all(&all, b4c_kernels_get(), 3);
    for (int j = 0; j < all.n; j++) {
        const int k = j / all.g.n_seq, s = j % all.g.n_seq;
        open_run(&one, name, reading, dtype);
        o.beams = k == 1 ? 3 : 1;
        o.sample = k >= 2;
        o.n = k == 3 ? 4 : 1;
        add(&one, "gen", "law", &o, one.end, one.n_end, s, 1);
        run_all(&one, b4c_kernels_get(), 1);
        const b4c_result *x, *y;
        const int n = b4c_request_results(all.job[j].request, &x);
        assert_int_equal(n, b4c_request_results(one.job[0].request, &y));
        for (int i = 0; i < n; i++) {
            assert_int_equal(x[i].n, y[i].n);
            assert_memory_equal(x[i].ids, y[i].ids, (size_t)x[i].n * sizeof *x[i].ids);
            assert_true(x[i].logprob >= y[i].logprob && x[i].logprob <= y[i].logprob);
        }
        close_run(&one);
    }
    close_run(&all);
}

/* REPORTS N05, N21. */
static void a_request_does_not_feel_its_neighbours(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        b4c_reading reading;
    } models[] = {
        { "gpt2", B4C_READ_CAUSAL },
        { "qwen2", B4C_READ_CAUSAL },
        { "bert-unilm-beam", B4C_READ_PREFIX },
        { "t5", B4C_READ_SEQ2SEQ },
        { "bart", B4C_READ_SEQ2SEQ },
    };
    for (size_t i = 0; i < COUNT(models); i++) {
        check_neighbours(models[i].name, models[i].reading, B4C_F32);
        check_neighbours(models[i].name, models[i].reading, B4C_BF16);
        check_neighbours(models[i].name, models[i].reading, B4C_I8);
        check_neighbours(models[i].name, models[i].reading, B4C_I4);
    }
}

/* A cache that holds few sequences makes jobs wait; what they get is the same. */
static void a_small_cache_changes_nothing(void **state)
{
    (void)state;
    run wide, narrow;
    open_run(&wide, "gpt2", B4C_READ_CAUSAL, B4C_F32);
    open_run(&narrow, "gpt2", B4C_READ_CAUSAL, B4C_F32);
    narrow.o.cache_bytes = 1;
    add_transformers(&wide);
    add_transformers(&narrow);
    run_all(&wide, b4c_kernels_get(), 1);
    run_all(&narrow, b4c_kernels_get(), 1);
    for (int j = 0; j < wide.n; j++) {
        const b4c_result *x, *y;
        assert_int_equal(b4c_request_results(wide.job[j].request, &x),
                         b4c_request_results(narrow.job[j].request, &y));
        assert_int_equal(x->n, y->n);
        assert_memory_equal(x->ids, y->ids, (size_t)x->n * sizeof *x->ids);
    }
    close_run(&wide);
    close_run(&narrow);
}

static void a_prompt_that_is_too_long_is_named(void **state)
{
    (void)state;
    run r;
    b4c_crew crew;
    b4c_error err = { 0 };
    open_run(&r, "gpt2", B4C_READ_CAUSAL, B4C_F32);
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    add(&r, "gen", "long", &o, r.end, 1, 0, 1);
    int32_t ids[64] = { 0 };
    r.job[0].ids = ids;
    r.job[0].n = 64;
    assert_ok(b4c_crew_init(&crew, b4c_kernels_get(), B4C_F32, 1, 0, &err), &err);
    assert_fails(b4c_engine_run(&r.m.net, &crew, &r.o, r.job, r.n, NULL, NULL, &err), &err,
                 B4C_E_ARG, "text 1: found 64 tokens, the model reads at most 63");
    b4c_crew_done(&crew);
    close_run(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_write_what_the_references_write),
        cmocka_unit_test(encoder_decoders_write_what_the_references_write),
        cmocka_unit_test(bert_writes_what_the_references_write),
        cmocka_unit_test(a_request_does_not_feel_its_neighbours),
        cmocka_unit_test(a_small_cache_changes_nothing),
        cmocka_unit_test(a_prompt_that_is_too_long_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
