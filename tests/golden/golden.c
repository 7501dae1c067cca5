/* golden.c - inputs and outputs of the reference frameworks, and passes of our own. */
#include "golden/golden.h"

#include "kernels/kernels_common.h"
#include "model/config.h"
#include "support/test.h"

static int *ints(const golden *g, const char *name, int *n)
{
    size_t count = 0;
    float *x = golden_tensor(g, name, &count);
    int *y = x ? malloc(count * sizeof *y) : NULL;
    for (size_t i = 0; x && i < count; i++) y[i] = (int)x[i];
    free(x);
    *n = (int)count;
    return y;
}

void golden_open(golden *g, const char *name)
{
    char path[256];
    b4c_error err = { 0 };
    int n;
    *g = (golden){ 0 };
    snprintf(path, sizeof path, "tests/golden/models/%s/io.safetensors", name);
    assert_ok(b4c_store_open(&g->io, path, &err), &err);
    g->lengths = ints(g, "lengths", &g->n_seq);
    g->ids = ints(g, "ids", &g->n_rows);
    g->segments = ints(g, "segments", &n);
    assert_true(g->lengths && g->ids && g->n_seq > 0);
}

void golden_close(golden *g)
{
    b4c_store_close(&g->io);
    free(g->lengths);
    free(g->ids);
    free(g->segments);
    *g = (golden){ 0 };
}

float *golden_tensor(const golden *g, const char *name, size_t *n)
{
    b4c_error err = { 0 };
    const int i = b4c_store_find(&g->io, name);
    *n = 0;
    if (i < 0) return NULL;
    const b4c_stored *t = &g->io.tensor[i];
    *n = (size_t)(b4c_stored_rows(t) * b4c_stored_row(t));
    float *x = malloc(*n * sizeof *x + 1);
    assert_non_null(x);
    assert_ok(b4c_store_read(&g->io, i, 0, b4c_stored_rows(t), x, &err), &err);
    return x;
}

static json_t *config_of(const char *folder, const b4c_store *store, b4c_error *err)
{
    static const char *const names[] = { "config.json", "bert_config.json" };
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (b4c_file_exists(path)) return b4c_json_file(path, err);
    }
    return b4c_config_guess(store, folder, err);
}

int golden_model_load(golden_model *m, const char *folder, b4c_dtype dtype, bool need_head,
                      b4c_error *err)
{
    const b4c_load_options o = {
        .dtype = dtype, .need_head = need_head, .check_numbers = true, .threads = 2
    };
    b4c_spec spec;
    const char *note;
    *m = (golden_model){ .report = json_object() };
    int rc = b4c_store_open(&m->store, folder, err);
    json_t *config = rc < 0 ? NULL : config_of(folder, &m->store, err);
    if (rc == 0 && !config) rc = err->code;
    if (rc == 0) rc = b4c_config_read(&spec, config, &m->store, folder, &note, err);
    if (rc == 0) rc = b4c_network_load(&m->net, &m->store, &spec, &o, &m->loaded, m->report, err);
    json_decref(config);
    if (rc < 0) golden_model_close(m);
    return rc;
}

void golden_model_open(golden_model *m, const char *folder, b4c_dtype dtype, bool need_head)
{
    b4c_error err = { 0 };
    assert_ok(golden_model_load(m, folder, dtype, need_head, &err), &err);
    assert_true(m->net.spec.layers <= GOLDEN_LAYERS);
}

void golden_model_close(golden_model *m)
{
    b4c_network_done(&m->net);
    b4c_store_close(&m->store);
    json_decref(m->report);
    *m = (golden_model){ 0 };
}

/* A copy of a tensor's rows as floats. */
static float *copied(b4c_tensor x)
{
    float *y = malloc((size_t)x.rows * (size_t)x.cols * sizeof *y + 1);
    assert_non_null(y);
    assert_non_null(x.x);
    for (int r = 0; r < x.rows; r++)
        for (int c = 0; c < x.cols; c++)
            y[(size_t)r * (size_t)x.cols + (size_t)c] =
                (float)x.x[(size_t)r * (size_t)x.ld + (size_t)c];
    return y;
}

static void keep_hidden(void *arg, const char *name, int layer, b4c_tensor x)
{
    golden_pass *p = arg;
    if (strcmp(name, "hidden") == 0) p->hidden[layer] = copied(x);
}

void golden_run(golden_pass *p, const golden_model *m, const golden *g, int first, int n,
                const golden_way *way)
{
    const b4c_network *net = &m->net;
    int row = 0;
    b4c_tape t;
    for (int i = 0; i < first; i++) row += g->lengths[i];
    *p = (golden_pass){ .layers = net->spec.layers,
                        .width = net->spec.width,
                        .vocabulary = net->spec.vocabulary };
    for (int i = 0; i < n; i++) p->rows += g->lengths[first + i];
    assert_int_equal(
        b4c_tape_init(&t, way->kernels, way->pool, net->dtype, (size_t)1 << 30, way->recording), 0);
    t.look = keep_hidden;
    t.look_arg = p;
    const int32_t *segments = g->segments ? g->segments + row : NULL;
    const b4c_plan plan = b4c_plan_make(&t, way->mask, g->lengths + first, n, segments);
    const b4c_stack_call call = { .plans = &plan, .n_plans = 1 };
    b4c_tensor x = b4c_input(&t, net, &net->encoder, g->ids + row, segments, &plan,
                             (b4c_dropping){ 0 });
    x = b4c_stack_run(&t, net, &net->encoder, x, &call);
    if (net->has_head) p->logits = copied(b4c_logits(&t, net, x));
    if (net->has_pooler) {
        const b4c_tensor first_rows = b4c_gather(&t, x, plan.q_off, n);
        p->pooled_tanh = copied(b4c_pooler(&t, net, first_rows, true));
        p->pooled_linear = copied(b4c_pooler(&t, net, first_rows, false));
    }
    assert_false(t.failed);
    b4c_tape_done(&t);
}

void golden_pass_free(golden_pass *p)
{
    for (int l = 0; l <= GOLDEN_LAYERS; l++) free(p->hidden[l]);
    free(p->logits);
    free(p->pooled_tanh);
    free(p->pooled_linear);
    *p = (golden_pass){ 0 };
}

void golden_everywhere(const char *const *models, size_t n, golden_body body)
{
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < COUNT(dtypes); d++) {
            char folder[256];
            golden_model m;
            snprintf(folder, sizeof folder, "tests/golden/models/%s", models[i]);
            golden_model_open(&m, folder, dtypes[d], true);
            for (const b4c_kernels *k = next_table(NULL); k; k = next_table(k)) body(&m, k);
            golden_model_close(&m);
        }
}
