/* Converting: a folder computes what its source does, to the bit; its tensors are those that the
 * reference library wrote; it is there whole or not at all. */
#include "api/model.h"
#include "base/folder.h"
#include "golden/golden.h"
#include "model/config.h"
#include "support/test.h"
#include <math.h>

static const char *const models[] = {
    "models/albert",      "models/bart",   "models/bert",    "models/bert-lm",
    "models/bert-noprefix", "models/gpt2", "models/llama",   "models/mt5",
    "models/nezha",       "models/nezha-gpt", "models/openai-gpt", "models/pegasus",
    "models/qwen2",       "models/roformer", "models/roformer-factorised", "models/roformer-v2",
    "models/t5",          "models/t5-pegasus",
    /* other layouts; those below here have a source in models/ */
    "formats/bin-zip",    "formats/bin-gamma-beta", "formats/sharded", "formats/padded-and-extra",
    "formats/f16",        "formats/tf1-bert", "formats/tf1-albert", "formats/tf1-gpt2",
    "formats/tf1-mt5",    "formats/tf1-openai-gpt", "formats/tf1-roformer",
    "formats/tf1-roformer-factorised", "formats/tf1-t5", "formats/keras-bert",
    "formats/keras-h5-bert", "formats/gguf-bert", "formats/gguf-gpt2", "formats/gguf-llama",
    "formats/gguf-llama-split", "formats/gguf-qwen2", "formats/onnx-bert", "formats/onnx-bert-mlm",
    "formats/onnx-bert-int8",
};
static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8, B4C_I4 };

static b4c_model *open_with(const char *path, b4c_dtype dtype, bool head)
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = dtype;
    o.weights_only = true;
    o.need_head = head;
    b4c_model *m = b4c_model_open(path, &o, &err);
    if (!m) fail_msg("%s: %s", path, err.message);
    return m;
}

/* With its head, where it has one. */
static b4c_model *open_whole(const char *path, b4c_dtype dtype)
{
    b4c_model *m = open_with(path, dtype, false);
    b4c_model_info info;
    b4c_model_describe(m, &info);
    if (!info.has_head) return m;
    b4c_model_free(m);
    return open_with(path, dtype, true);
}

static const char *source_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "tests/golden/%s", name);
    if (strncmp(name, "formats/gguf", 12) != 0) return path;
    strcat(path, strstr(name, "split") ? "/model-00001-of-00003.gguf" : "/model.gguf");
    return path;
}

/* Where the n-th conversion of a test goes. */
static const char *converted(const char *from, b4c_dtype dtype, int n, json_t **report)
{
    b4c_error err = { 0 };
    char *text = NULL;
    const b4c_convert_options o = { .dtype = dtype, .force = true };
    const char *to = temp_path("converted-%d", n);
    assert_ok(b4c_convert(from, to, &o, &text, &err), &err);
    if (report) *report = json_loads(text, 0, NULL);
    free(text);
    return to;
}

/* ---- what a network computes -------------------------------------------------------------- */

enum { LENGTH = 7, RESULTS = 2 };

typedef struct results {
    b4c_tensor x[RESULTS];
    b4c_tape t;
} results;

/* Logits (or rows) and pooled rows for random ids; a decoder reads what the encoder read. */
static void compute(results *r, const b4c_network *net)
{
    static const int lengths[] = { LENGTH, LENGTH - 2 };
    static int32_t ids[2 * LENGTH];
    b4c_rng rng;
    b4c_rng_init(&rng, 5, 0, 0);
    for (int i = 0; i < 2 * LENGTH; i++)
        ids[i] = (int32_t)b4c_rng_below(&rng, (uint32_t)net->spec.vocabulary);
    *r = (results){ 0 };
    assert_int_equal(b4c_tape_init(&r->t, b4c_kernels_get(), NULL, net->dtype, (size_t)1 << 28,
                                   false), 0);
    const b4c_mask mask = net->spec.causal ? B4C_MASK_CAUSAL : B4C_MASK_FULL;
    const b4c_plan plan = b4c_plan_make(&r->t, mask, lengths, 2, NULL);
    const b4c_stack_call read = { .plans = &plan, .n_plans = 1 };
    b4c_tensor x = b4c_input(&r->t, net, &net->encoder, ids, NULL, &plan, (b4c_dropping){ 0 });
    x = b4c_stack_run(&r->t, net, &net->encoder, x, &read);
    if (net->has_pooler) r->x[1] = b4c_pooler(&r->t, net, x, true);
    if (net->spec.decoder_layers) {
        const b4c_plan own = b4c_plan_make(&r->t, B4C_MASK_CAUSAL, lengths, 2, NULL),
                       cross = b4c_plan_cross(&r->t, lengths, lengths, 2);
        const b4c_stack_call write = { .plans = &own, .n_plans = 1, .memory = x, .cross = &cross };
        const b4c_tensor y = b4c_input(&r->t, net, &net->decoder, ids, NULL, &own,
                                       (b4c_dropping){ 0 });
        x = b4c_stack_run(&r->t, net, &net->decoder, y, &write);
    }
    r->x[0] = net->has_head ? b4c_logits(&r->t, net, x) : x;
    b4c_rows_of(&r->t, &r->x[0]);
    assert_false(r->t.failed);
}

static void same_bits(const char *name, const b4c_model *a, const b4c_model *b)
{
    results x, y;
    compute(&x, &a->net);
    compute(&y, &b->net);
    for (int i = 0; i < RESULTS; i++) {
        assert_int_equal(x.x[i].rows, y.x[i].rows);
        assert_int_equal(x.x[i].cols, y.x[i].cols);
        for (int r = 0; r < x.x[i].rows; r++)
            if (memcmp(b4c_row_of(x.x[i], r), b4c_row_of(y.x[i], r),
                       (size_t)x.x[i].cols * sizeof(b4c_real)) != 0)
                fail_msg("%s (%s): result %d differs in row %d", name,
                         b4c_dtype_name(a->net.dtype), i, r);
    }
    b4c_tape_done(&x.t);
    b4c_tape_done(&y.t);
}

static void a_converted_model_computes_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++)
        for (size_t d = 0; d < COUNT(dtypes); d++) {
            b4c_model *a = open_whole(source_of(models[i]), dtypes[d]);
            b4c_model *b = open_whole(converted(source_of(models[i]), dtypes[d], 0, NULL),
                                      dtypes[d]);
            assert_string_equal(b->info.architecture, a->info.architecture);
            assert_int_equal(b->info.has_head, a->info.has_head);
            assert_int_equal(b->info.has_pooler, a->info.has_pooler);
            assert_int_equal(b->info.reading, a->info.reading);
            assert_string_equal(b->info.layout, "safetensors");
            same_bits(models[i], a, b);
            b4c_model_free(a);
            b4c_model_free(b);
        }
}

/* T5 PEGASUS in TensorFlow's files computes otherwise than what calls itself mt5, and says so. */
static void a_converted_t5_keeps_its_way_of_computing(void **state)
{
    (void)state;
    const char *from = "tests/golden/models/t5-pegasus-tf";
    b4c_model *a = open_whole(from, B4C_F32), *b = open_whole(converted(from, B4C_F32, 0, NULL),
                                                              B4C_F32);
    assert_true(b->net.spec.cross_bias && a->net.spec.cross_bias);
    assert_true(b->net.spec.output_scale == a->net.spec.output_scale);
    same_bits(from, a, b);
    b4c_model_free(a);
    b4c_model_free(b);
}

static void converting_a_converted_model_changes_no_byte(void **state)
{
    (void)state;
    static const char *const some[] = { "models/bert", "models/gpt2", "models/t5",
                                        "formats/tf1-roformer" };
    for (size_t i = 0; i < COUNT(some); i++)
        for (size_t d = 0; d < COUNT(dtypes); d++) {
            size_t n, m;
            const char *once = converted(source_of(some[i]), dtypes[d], 1, NULL);
            char *a = read_file(temp_path("converted-1/model.safetensors"), &n);
            converted(once, dtypes[d], 2, NULL);
            char *b = read_file(temp_path("converted-2/model.safetensors"), &m);
            assert_int_equal(n, m);
            assert_memory_equal(a, b, n);
            free(a);
            free(b);
        }
}

/* Codes are read as values by whoever wants them, and as codes by their dtype. */
static void check_errors(const char *from, b4c_dtype dtype, double worst, double size)
{
    json_t *report, *one;
    size_t i, rounded = 0;
    converted(from, dtype, 3, &report);
    b4c_store a, b;
    b4c_error err = { 0 };
    assert_ok(b4c_store_open(&a, from, &err), &err);
    assert_ok(b4c_store_open(&b, temp_path("converted-3"), &err), &err);
    json_array_foreach(json_object_get(report, "tensors"), i, one) {
        char name[200];
        snprintf(name, sizeof name, "%s", json_string_value(json_object_get(one, "name")));
        char *tail = strstr(name, "_packed");
        if (tail) *tail = '\0';
        const int x = b4c_store_find(&a, name), y = b4c_store_find(&b, name);
        assert_true(y >= 0);
        const json_t *stated = json_object_get(one, "rms_error");
        if (!stated || x < 0 || a.tensor[x].rank != 2) continue;
        const size_t n = (size_t)(b4c_stored_rows(&a.tensor[x]) * b4c_stored_row(&a.tensor[x]));
        float *p = malloc(n * sizeof *p), *q = malloc(n * sizeof *q);
        assert_ok(b4c_store_read(&a, x, 0, b4c_stored_rows(&a.tensor[x]), p, &err), &err);
        assert_ok(b4c_store_read(&b, y, 0, b4c_stored_rows(&b.tensor[y]), q, &err), &err);
        double sum = 0, off = 0;
        for (size_t k = 0; k < n; k++) {
            sum += (double)p[k] * (double)p[k];
            off += ((double)p[k] - (double)q[k]) * ((double)p[k] - (double)q[k]);
        }
        const double error = sqrt(off / sum);
        assert_true(fabs(error - json_real_value(stated)) <= 1e-6 * error);
        assert_true(error > 0 && error < worst);
        rounded++;
        free(p);
        free(q);
    }
    assert_true(rounded > 18);
    assert_true((double)json_integer_value(json_object_get(report, "bytes_after")) <
                size * (double)json_integer_value(json_object_get(report, "bytes_before")));
    json_decref(report);
    b4c_store_close(&a);
    b4c_store_close(&b);
}

/* Of normal numbers: half a step of 127 in a row; of 15 in a group of 32 (pack_int4.c). */
static void codes_are_as_near_as_the_report_says(void **state)
{
    (void)state;
    check_errors(source_of("models/bert"), B4C_I8, 0.01, 0.4);
    check_errors(source_of("models/bert"), B4C_I4, 0.09, 0.4);
}

/* Who opens int4 in another dtype gets its values: those that its own dtype multiplies. */
static void int4_opens_in_every_dtype(void **state)
{
    (void)state;
    const char *from = converted(source_of("models/llama"), B4C_I4, 6, NULL);
    b4c_model *a = open_whole(from, B4C_I4), *b = open_whole(from, B4C_F32);
    const b4c_packed *p = &a->net.encoder.block[0].up.packed,
                     *q = &b->net.encoder.block[0].up.packed;
    float x[512], y[512];
    assert_true(p->dtype == B4C_I4 && q->dtype == B4C_F32 && p->k <= 512 && p->k == q->k);
    for (int r = 0; r < p->n; r++) {
        b4c_packed_row(p, r, x);
        b4c_packed_row(q, r, y);
        assert_memory_equal(x, y, (size_t)p->k * sizeof *x);
    }
    b4c_model_free(a);
    b4c_model_free(b);
    b4c_model_free(open_whole(from, B4C_I8));
    b4c_model_free(open_whole(from, B4C_BF16));
}

/* ---- names and configurations ------------------------------------------------------------- */

/* Every tensor of a conversion to f32 is the reference library's, by name, shape and bytes. Exact:
 * expected.json of each format says that its values were copied. */
static void check_reference(const char *format, const char *model)
{
    char path[256];
    b4c_store a, b;
    b4c_error err = { 0 };
    converted(source_of(format), B4C_F32, 4, NULL);
    assert_ok(b4c_store_open(&a, temp_path("converted-4"), &err), &err);
    snprintf(path, sizeof path, "tests/golden/models/%s", model);
    assert_ok(b4c_store_open(&b, path, &err), &err);
    for (int i = 0; i < a.n; i++) {
        const b4c_stored *x = &a.tensor[i];
        const int k = b4c_store_find(&b, x->name);
        if (k < 0) fail_msg("%s: the reference has no '%s'", format, x->name);
        const b4c_stored *y = &b.tensor[k];
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape);
        if (memcmp(x->data, y->data, x->bytes)) fail_msg("%s: '%s' differs", format, x->name);
    }
    assert_true(a.n + 12 >= b.n); /* what a layout may lack: pooler, head */
    b4c_store_close(&a);
    b4c_store_close(&b);
}

static void names_are_those_of_the_reference_library(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "formats/tf1-bert", "bert" },         { "formats/tf1-albert", "albert" },
        { "formats/tf1-gpt2", "gpt2" },         { "formats/tf1-mt5", "mt5" },
        { "formats/tf1-openai-gpt", "openai-gpt" }, { "formats/tf1-roformer", "roformer" },
        { "formats/tf1-t5", "t5" },             { "formats/keras-bert", "bert" },
        { "formats/gguf-gpt2", "gpt2" },        { "formats/gguf-llama", "llama" },
        { "formats/gguf-llama-split", "llama" }, { "formats/gguf-bert", "bert" },
               { "formats/onnx-bert-mlm", "bert" },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) check_reference(pairs[i][0], pairs[i][1]);
}

static void a_spec_reads_back_from_the_configuration_written_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++) {
        if (strncmp(models[i], "models/", 7) != 0) continue;
        char path[256];
        b4c_error err = { 0 };
        const char *note;
        b4c_spec a, b;
        memset(&a, 0, sizeof a);
        memset(&b, 0, sizeof b);
        snprintf(path, sizeof path, "tests/golden/%s/config.json", models[i]);
        json_t *config = b4c_json_file(path, &err);
        assert_ok(b4c_config_read(&a, config, NULL, path, &note, &err), &err);
        json_t *written = b4c_config_write(&a, true, &err);
        assert_non_null(written);
        assert_ok(b4c_config_read(&b, written, NULL, path, &note, &err), &err);
        json_t *again = b4c_config_write(&b, true, &err);
        assert_true(json_equal(written, again));
        /* fields that no key holds alone */
        assert_true(a.norm == b.norm && a.norm_gain == b.norm_gain && a.qkv_bias == b.qkv_bias &&
                    a.pre_norm == b.pre_norm && a.gated == b.gated && a.head == b.head &&
                    a.output_scale == b.output_scale && a.positions == b.positions &&
                    a.embedding_scale == b.embedding_scale && a.kv_heads == b.kv_heads &&
                    a.head_size == b.head_size && a.act == b.act && a.head_act == b.head_act &&
                    a.segments == b.segments && a.max_positions == b.max_positions &&
                    a.embedding_width == b.embedding_width && a.eps == b.eps &&
                    a.rotary_base == b.rotary_base && a.relative_max == b.relative_max);
        json_decref(config);
        json_decref(written);
        json_decref(again);
    }
}

static void bert4keras_rules_stay_with_its_models(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_tokenizer_info info;
    b4c_tokenizer *t = b4c_tokenizer_open(converted("tests/golden/formats/tf1-bert", B4C_F32, 5,
                                                    NULL), B4C_DIALECT_AUTO, &err);
    assert_non_null(t);
    b4c_tokenizer_describe(t, &info);
    assert_int_equal(info.dialect, B4C_DIALECT_BERT4KERAS);
    b4c_tokenizer_free(t);
}

/* ---- a simplified vocabulary -------------------------------------------------------------- */

static const char *simplified(const char *from, b4c_dtype dtype, int n, json_t **report)
{
    b4c_error err = { 0 };
    char *text = NULL;
    const b4c_convert_options o = { .dtype = dtype, .force = true,
                                    .simplify = "[PAD],[UNK],[CLS],[SEP],[MASK]" };
    const char *to = temp_path("simple-%d", n);
    assert_ok(b4c_convert(from, to, &o, &text, &err), &err);
    *report = json_loads(text, 0, NULL);
    free(text);
    return to;
}

static void fill_first(const char *path, b4c_dtype dtype, const char *text, b4c_fill_result *r,
                       char token[20])
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    b4c_fill_options how = B4C_FILL_DEFAULT;
    o.dtype = dtype;
    o.need_head = true;
    b4c_model *m = b4c_model_open(path, &o, &err);
    if (!m) fail_msg("%s: %s", path, err.message);
    b4c_session *s = b4c_session_new(m, NULL, &err);
    how.top = 1;
    *r = (b4c_fill_result){ 0 };
    assert_ok(b4c_fill(s, text, SIZE_MAX, &how, r, &err), &err);
    snprintf(token, 20, "%s", b4c_tokenizer_token(b4c_model_tokenizer(m), r->best[0].id));
    b4c_session_free(s);
    b4c_model_free(m);
}

/* The rows that are left are those that were there, in every dtype, under the same spellings. */
static void a_simplified_model_knows_the_kept_tokens_as_before(void **state)
{
    (void)state;
    const char *from = "tests/golden/formats/tf1-bert";
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        json_t *report;
        const char *to = simplified(from, dtypes[d], 0, &report);
        const int before = (int)json_integer_value(json_object_get(report, "tokens_before")),
                  after = (int)json_integer_value(json_object_get(report, "tokens_after"));
        assert_true(after < before && after > before / 2);
        json_decref(report);
        b4c_model *a = open_whole(from, dtypes[d]), *b = open_whole(to, dtypes[d]);
        assert_int_equal(b->net.spec.vocabulary, after);
        b4c_error err = { 0 };
        b4c_tokenizer *s = b4c_tokenizer_open(from, B4C_DIALECT_AUTO, &err),
                      *t = b4c_tokenizer_open(to, B4C_DIALECT_AUTO, &err);
        if (!t) fail_msg("%s", err.message);
        assert_int_equal(b4c_tokenizer_count(t), after);
        assert_int_equal(b4c_tokenizer_find(t, "[MASK]"), 4);
        b4c_real x[200], y[200];
        for (int i = 0; i < after; i++) {
            const int old = b4c_tokenizer_find(s, b4c_tokenizer_token(t, i));
            assert_true(old >= 0);
            b4c_packed_row(&a->net.head_out.packed, old, x);
            b4c_packed_row(&b->net.head_out.packed, i, y);
            assert_memory_equal(x, y, (size_t)a->net.head_out.packed.k * sizeof *x);
            assert_true(a->net.head_out.bias.x[old] == b->net.head_out.bias.x[i]);
        }
        b4c_tokenizer_free(s);
        b4c_tokenizer_free(t);
        b4c_model_free(a);
        b4c_model_free(b);
    }
}

/* bert4keras' users save weights of the simplified vocabulary beside the whole vocab.txt. */
static void weights_that_were_trained_so_get_their_vocabulary(void **state)
{
    (void)state;
    size_t n;
    json_t *report;
    b4c_fill_result x, y;
    char p[20], q[20];
    const char *once = simplified("tests/golden/formats/tf1-bert", B4C_F32, 1, &report);
    json_decref(report);
    char *whole = read_file("tests/golden/formats/tf1-bert/vocab.txt", &n);
    fill_first(once, B4C_F32, "[MASK]", &x, p);
    b4c_error err = { 0 };
    const char *theirs = temp_path("theirs");
    assert_ok(b4c_convert(once, theirs, NULL, NULL, &err), &err);
    temp_text("theirs/vocab.txt", whole);
    free(whole);
    assert_null(b4c_model_open(theirs, NULL, &err));
    fill_first(simplified(theirs, B4C_F32, 2, &report), B4C_F32, "[MASK]", &y, q);
    json_decref(report);
    assert_string_equal(p, q);
    assert_true(x.best[0].p == y.best[0].p);
    b4c_fill_result_free(&x);
    b4c_fill_result_free(&y);
    const b4c_convert_options more = { .simplify = "[PAD],[UNK]", .force = true };
    assert_fails(b4c_convert(theirs, temp_path("x"), &more, NULL, &err), &err, B4C_E_SHAPE,
                 "are left of it");
    const b4c_convert_options wrong = { .simplify = "[PAD],[CLS],[PAD]", .force = true };
    assert_fails(b4c_convert(theirs, temp_path("x"), &wrong, NULL, &err), &err, B4C_E_ARG,
                 "'[PAD]' stands twice");
    assert_fails(b4c_convert("tests/golden/formats/gguf-llama/model.gguf", temp_path("x"), &more,
                             NULL, &err), &err, B4C_E_UNSUPPORTED, "only a WordPiece");
}

/* ---- whole or not at all ------------------------------------------------------------------ */

static int stop(void *arg, int64_t done, int64_t total)
{
    assert_true(done <= total && done >= 0);
    return ++*(int *)arg == 3;
}

static void a_folder_appears_whole_or_not_at_all(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    const char *to = temp_path("whole");
    int calls = 0;
    b4c_convert_options o = B4C_CONVERT_DEFAULT;
    o.progress = stop;
    o.progress_arg = &calls;
    assert_fails(b4c_convert("tests/golden/models/bert", to, &o, NULL, &err), &err, B4C_E_STOPPED,
                 "stopped");
    assert_false(b4c_folder_exists(to) || b4c_folder_exists(temp_path("whole.part")));
    assert_fails(b4c_convert("tests/golden/formats/nan", to, NULL, NULL, &err), &err, B4C_E_NUMBER,
                 "has NaN");
    assert_fails(b4c_convert("tests/golden/formats/missing-one", to, NULL, NULL, &err), &err,
                 B4C_E_MISSING, "nearest are");
    assert_false(b4c_folder_exists(to) || b4c_folder_exists(temp_path("whole.part")));

    o.progress = NULL;
    assert_ok(b4c_convert("tests/golden/models/bert", to, &o, NULL, &err), &err);
    temp_text("whole/mine.txt", "kept");
    assert_fails(b4c_convert("tests/golden/models/gpt2", to, &o, NULL, &err), &err, B4C_E_ARG,
                 "found a folder of that name");
    assert_true(b4c_file_exists(temp_path("whole/mine.txt")));
    o.force = true;
    assert_ok(b4c_convert("tests/golden/models/gpt2", to, &o, NULL, &err), &err);
    assert_false(b4c_file_exists(temp_path("whole/mine.txt")));
    assert_false(b4c_folder_exists(temp_path("whole.old")));
    /* a folder onto itself */
    assert_ok(b4c_convert(to, temp_path("whole/"), &o, NULL, &err), &err);
    b4c_model_free(open_whole(to, B4C_F32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_converted_model_computes_the_same_bits),
        cmocka_unit_test(a_converted_t5_keeps_its_way_of_computing),
        cmocka_unit_test(converting_a_converted_model_changes_no_byte),
        cmocka_unit_test(codes_are_as_near_as_the_report_says),
        cmocka_unit_test(int4_opens_in_every_dtype),
        cmocka_unit_test(names_are_those_of_the_reference_library),
        cmocka_unit_test(a_spec_reads_back_from_the_configuration_written_of_it),
        cmocka_unit_test(bert4keras_rules_stay_with_its_models),
        cmocka_unit_test(a_simplified_model_knows_the_kept_tokens_as_before),
        cmocka_unit_test(weights_that_were_trained_so_get_their_vocabulary),
        cmocka_unit_test(a_folder_appears_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
