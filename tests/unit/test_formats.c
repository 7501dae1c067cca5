/* Every layout that a checkpoint may have, against the model that it was made of.
 *
 * tests/golden/formats holds the weights of tests/golden/models written by the frameworks
 * themselves (PyTorch 2.15, TensorFlow 2.21, ONNX Runtime 1.32). What a reader gives must be the
 * source's numbers bit for bit; half and bf16 files hold them rounded to nearest. The source is
 * read by a reader of this test's own, so that no reader is its own judge.
 */
#include "support/test.h"

#include "base/json.h"
#include "model/format/store.h"

#include <math.h>

#define MODELS  "tests/golden/models/"
#define FORMATS "tests/golden/formats/"

/* ---- the source ----------------------------------------------------------------------------- */

typedef struct reference {
    char *bytes;
    json_t *header;
} reference;

static reference reference_open(const char *path)
{
    size_t n;
    b4c_error err = { 0 };
    reference r = { .bytes = read_file(path, &n) };
    uint64_t size;
    memcpy(&size, r.bytes, sizeof size);
    assert_true(size <= n - 8);
    r.header = b4c_json_parse(r.bytes + 8, size, path, &err);
    if (!r.header) fail_msg("%s", err.message);
    json_object_del(r.header, "__metadata__");
    return r;
}

static void reference_close(reference *r)
{
    json_decref(r->header);
    free(r->bytes);
}

static int64_t axis(const json_t *entry, size_t i)
{
    const json_t *shape = json_object_get(entry, "shape");
    return i < json_array_size(shape) ? json_integer_value(json_array_get(shape, i)) : 1;
}

/* All sources are f32. */
static const char *data_of(const reference *r, const json_t *entry)
{
    uint64_t size;
    memcpy(&size, r->bytes, sizeof size);
    assert_string_equal(json_string_value(json_object_get(entry, "dtype")), "F32");
    return r->bytes + 8 + size +
           json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 0));
}

/* ---- names ---------------------------------------------------------------------------------- */

typedef struct rename {
    const char *from, *to;
} rename_rule;

/* TF1 to hub, first the long ones. */
static const rename_rule tf_bert[] = {
    { "cls/seq_relationship/output_weights", "cls.seq_relationship.weight" },
    { "cls/seq_relationship/output_bias", "cls.seq_relationship.bias" },
    { "cls/predictions/output_bias", "cls.predictions.bias" },
    { "_embeddings", "_embeddings.weight" },
    { "layer_0", "layer.0" },
    { "layer_1", "layer.1" },
    { "layer_2", "layer.2" },
    { "kernel", "weight" },
    { "gamma", "weight" },
    { "beta", "bias" },
    { "/", "." },
    { NULL, NULL },
};
static const rename_rule tf_roformer[] = {
    { "bert/encoder/embedding_hidden_mapping_in", "roformer/embeddings_project" },
    { "bert/", "roformer/" },
    { NULL, NULL },
};
static const rename_rule tf_albert[] = {
    { "cls/predictions/output_bias", "predictions.bias" },
    { "cls/predictions/transform/", "predictions/" },
    { "bert/encoder/transformer/group_0/inner_group_0/LayerNorm_1/",
      "albert.encoder.albert_layer_groups.0.albert_layers.0.full_layer_layer_norm." },
    { "bert/encoder/transformer/group_0/inner_group_0/LayerNorm/",
      "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.LayerNorm." },
    { "bert/encoder/transformer/group_0/inner_group_0/",
      "albert.encoder.albert_layer_groups.0.albert_layers.0." },
    { "attention_1/self/", "attention." },
    { "attention_1/output/", "attention." },
    { "ffn_1/intermediate/output/dense/", "ffn_output." },
    { "ffn_1/intermediate/dense/", "ffn." },
    { "bert/", "albert/" },
    { NULL, NULL },
};
static const rename_rule gamma_beta[] = {
    { "LayerNorm.gamma", "LayerNorm.weight" },
    { "LayerNorm.beta", "LayerNorm.bias" },
    { NULL, NULL },
};

static void rename_all(char name[300], const rename_rule *rule)
{
    for (; rule && rule->from; rule++) {
        char *at = name;
        while ((at = strstr(at, rule->from))) {
            char rest[300];
            snprintf(rest, sizeof rest, "%s", at + strlen(rule->from));
            snprintf(at, 300 - (size_t)(at - name), "%s%s", rule->to, rest);
            at += strlen(rule->to);
        }
    }
}

/* "cls.*" names all that begin so; what follows a blank is a remark. */
static bool is_listed(const char *name, const json_t *patterns)
{
    size_t i;
    const json_t *item;
    json_array_foreach(patterns, i, item)
    {
        const char *p = json_string_value(item);
        const size_t n = strcspn(p, "* ");
        if (strncmp(name, p, n) == 0 && (p[n] == '*' || name[n] == 0)) return true;
    }
    return false;
}

/* ---- comparing ------------------------------------------------------------------------------ */

typedef enum precision { EXACT, HALF, BRAIN } precision;

typedef struct golden {
    const char *folder, *file;   /* file NULL: the folder is opened */
    const char *layout, *source; /* file of MODELS, or of the folder when it begins with "./" */
    const char *strip;           /* prefix of the source's names that the file lacks */
    const rename_rule *first, *then;
    const char *extra[2]; /* beyond expected.json */
    precision precision;
    int files;
} golden;

/* x is `source` rounded to nearest: no farther than half a step, and a number of the type. */
static bool is_rounded(float x, float source, precision p)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (p == EXACT) return memcmp(&x, &source, sizeof x) == 0;
    const double step = p == HALF ? fmax(ldexp(1, ilogb(source) - 10), 0x1p-24)
                                  : ldexp(1, ilogb(source) - 7);
    return (bits & (p == HALF ? 0x1fff : 0xffff)) == 0 && fabs((double)x - source) <= step / 2;
}

/* All elements, a few rows at a time. */
static float *read_all(const b4c_store *s, int i)
{
    b4c_error err = { 0 };
    const b4c_stored *t = &s->tensor[i];
    const int64_t rows = b4c_stored_rows(t), row = b4c_stored_row(t);
    float *x = malloc((size_t)(rows * row + 1) * sizeof *x);
    assert_non_null(x);
    x[rows * row] = 12345;
    for (int64_t at = 0, n = 1; at < rows; at += n, n = n % 19 + 3) {
        if (n > rows - at) n = rows - at;
        assert_ok(b4c_store_read(s, i, at, n, x + at * row, &err), &err);
    }
    assert_true(x[rows * row] == 12345);
    return x;
}

/* Stored tensor i holds the source's numbers; `turned`: it is [in, out], the source [out, in]. */
static void compare(const b4c_store *s, int i, const reference *r, const json_t *entry, bool turned,
                    precision p)
{
    const b4c_stored *t = &s->tensor[i];
    const int64_t rows = axis(entry, 0), cols = axis(entry, 1);
    const char *data = data_of(r, entry);
    assert_int_equal(t->rank, json_array_size(json_object_get(entry, "shape")));
    assert_true(t->rank <= 2);
    if (t->rank > 0) assert_int_equal(t->shape[0], turned ? cols : rows);
    if (t->rank > 1) assert_int_equal(t->shape[1], turned ? rows : cols);
    float *x = read_all(s, i);
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < cols; b++) {
            float want;
            memcpy(&want, data + (a * cols + b) * 4, sizeof want);
            const float got = turned ? x[b * rows + a] : x[a * cols + b];
            if (!is_rounded(got, want, p) && !(isnan(got) && isnan(want)))
                fail_msg("%s: '%s' [%d, %d] is %.9g, the source has %.9g", s->file_name[t->file],
                         t->name, (int)a, (int)b, got, want);
        }
    free(x);
}

static void check_golden(const golden *g)
{
    char path[400];
    b4c_error err = { 0 };
    b4c_store s;
    json_t *expected = NULL;
    snprintf(path, sizeof path, FORMATS "%s/expected.json", g->folder);
    if (b4c_file_exists(path)) assert_non_null(expected = b4c_json_file(path, &err));
    snprintf(path, sizeof path, "%s%s", strncmp(g->source, "./", 2) ? MODELS : FORMATS, g->source);
    reference r = reference_open(path);
    json_t *left = json_copy(r.header);
    snprintf(path, sizeof path, FORMATS "%s%s%s", g->folder, g->file ? "/" : "",
             g->file ? g->file : "");
    assert_ok(b4c_store_open(&s, path, &err), &err);
    assert_string_equal(s.layout, g->layout);
    if (g->files) assert_int_equal(s.n_files, g->files);

    for (int i = 0; i < s.n; i++) {
        const char *name = s.tensor[i].name;
        assert_int_equal(b4c_store_find(&s, name), i);
        char hub[300];
        snprintf(hub, sizeof hub, "%s%s", g->strip ? g->strip : "", name);
        rename_all(hub, g->first);
        rename_all(hub, g->then);
        const json_t *entry = json_object_get(r.header, hub);
        if (!entry) {
            const bool known = is_listed(name, json_object_get(expected, "unexpected")) ||
                               (g->extra[0] && strcmp(name, g->extra[0]) == 0) ||
                               (g->extra[1] && strcmp(name, g->extra[1]) == 0);
            if (!known) fail_msg("%s: '%s' (%s) is not in the source", path, name, hub);
            continue;
        }
        const size_t n = strlen(name);
        compare(&s, i, &r, entry, n > 7 && strcmp(name + n - 7, "/kernel") == 0, g->precision);
        json_object_del(left, hub);
    }
    const char *name;
    json_t *entry;
    json_object_foreach(left, name, entry)
    {
        if (!is_listed(name, json_object_get(expected, "missing_in_file")))
            fail_msg("%s lacks the source's '%s'", path, name);
    }
    assert_int_equal(b4c_store_find(&s, "no such tensor"), -1);
    b4c_store_close(&s);
    json_decref(left);
    json_decref(expected);
    reference_close(&r);
}

#define BERT .source = "bert/model.safetensors"
#define TIED .extra = { "cls.predictions.decoder.weight", "cls.predictions.decoder.bias" }

static void safetensors_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "../models/bert", .layout = "safetensors", BERT, .files = 1 },
        { "../models/roformer", .layout = "safetensors", .source = "roformer/model.safetensors" },
        { "sharded", .layout = "safetensors", BERT, .files = 3 },
        { "sharded", "model.safetensors.index.json", .layout = "safetensors", BERT, .files = 3 },
        { "bf16", .layout = "safetensors", BERT, .precision = BRAIN },
        { "f16", .layout = "safetensors", BERT, .precision = HALF },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static void torch_files_of_every_age_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "bin-zip", .layout = "torch", BERT, TIED, .files = 1 },
        { "bin-zip", "pytorch_model.bin", .layout = "torch", BERT, TIED },
        { "bin-legacy", .layout = "torch", BERT, TIED },
        { "bin-gamma-beta", .layout = "torch", BERT, TIED, .first = gamma_beta },
        { "bin-half", .layout = "torch", BERT, TIED, .precision = HALF },
        { "bin-strided", .layout = "torch", BERT, TIED },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static void tf1_checkpoints_hold_what_was_saved(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "tf1-bert", .layout = "tf1", BERT, .first = tf_bert, .files = 2 },
        { "tf1-bert", "bert_model.ckpt", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-bert", "bert_model.ckpt.index", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-bert", "bert_model.ckpt.data-00000-of-00001", .layout = "tf1", BERT,
          .first = tf_bert },
        { "tf1-bert-sharded", .layout = "tf1", BERT, .first = tf_bert, .files = 3 },
        { "tf1-bert-sliced", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-bert-adam", .layout = "tf1", BERT, .first = tf_bert },
        { "tf1-roformer", .layout = "tf1", .source = "roformer/model.safetensors",
          .first = tf_roformer, .then = tf_bert },
        { "tf1-roformer-factorised", .layout = "tf1",
          .source = "roformer-factorised/model.safetensors", .first = tf_roformer,
          .then = tf_bert },
        { "tf1-albert", .layout = "tf1", .source = "albert/model.safetensors", .first = tf_albert,
          .then = tf_bert },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

static void onnx_exports_hold_what_was_exported(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "onnx-bert", .layout = "onnx", BERT, .strip = "bert." },
        { "onnx-bert-dynamo", .layout = "onnx", BERT, .strip = "bert.",
          .extra = { "embeddings.position_ids" } },
        { "onnx-bert-mlm", .layout = "onnx", BERT, .extra = { "cls.predictions.decoder.weight" } },
        { "onnx-bert-external", .layout = "onnx", BERT, .strip = "bert.", .files = 2 },
        { "onnx-bert-fused", .layout = "onnx", BERT, .strip = "bert." },
        { "onnx-bert-f16", .layout = "onnx", BERT, .strip = "bert.", .precision = HALF },
        { "onnx-bert-int8", "model_quantized.onnx", .layout = "onnx",
          .source = "./onnx-bert-int8/expected.safetensors" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

/* The tied head: listed once more, as a view of the same bytes. */
static void tied_weights_are_stored_once(void **state)
{
    (void)state;
    static const char *const files[] = { FORMATS "bin-zip", FORMATS "bin-legacy" };
    for (size_t i = 0; i < COUNT(files); i++) {
        b4c_store s;
        b4c_error err = { 0 };
        assert_ok(b4c_store_open(&s, files[i], &err), &err);
        const int a = b4c_store_find(&s, "bert.embeddings.word_embeddings.weight");
        const int b = b4c_store_find(&s, "cls.predictions.decoder.weight");
        assert_true(a >= 0 && b >= 0);
        assert_ptr_equal(s.tensor[a].data, s.tensor[b].data);
        b4c_store_close(&s);
    }
}

static void identity_nodes_give_shared_tensors_their_names_back(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    assert_ok(b4c_store_open(&s, FORMATS "onnx-bert-identity", &err), &err);
    json_t *expected = b4c_json_file(FORMATS "onnx-bert-identity/expected.json", &err);
    assert_non_null(expected);
    static const char *const keys[] = { "zeros", "ones" };
    int seen = 0;
    for (int k = 0; k < 2; k++) {
        size_t j;
        const json_t *name;
        json_array_foreach(json_object_get(expected, keys[k]), j, name)
        {
            const int i = b4c_store_find(&s, json_string_value(name));
            assert_true(i >= 0);
            float *x = read_all(&s, i);
            for (int64_t at = 0; at < s.tensor[i].shape[0]; at++) assert_true(x[at] == (float)k);
            free(x);
            seen++;
        }
    }
    assert_int_equal(seen, 6);
    reference r = reference_open(MODELS "bert/model.safetensors");
    for (int i = 0; i < s.n; i++) { /* the others are the source's */
        char name[300];
        snprintf(name, sizeof name, "bert.%s", s.tensor[i].name);
        const json_t *entry = json_object_get(r.header, name);
        assert_non_null(entry);
        if (!is_listed(name + 5, json_object_get(expected, "ones")) &&
            !is_listed(name + 5, json_object_get(expected, "zeros")))
            compare(&s, i, &r, entry, false, EXACT);
    }
    reference_close(&r);
    json_decref(expected);
    b4c_store_close(&s);
}

static void a_graph_tells_what_its_shapes_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        double epsilon;
        int head_size, heads;
    } cases[] = {
        { FORMATS "onnx-bert", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-dynamo", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-mlm", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-fused", 1e-12, 0, 4 },
        { FORMATS "onnx-bert-int8/model_quantized.onnx", 1e-12, 10, 0 },
        { FORMATS "onnx-bert-f16", 5.96046e-8, 10, 0 }, /* the least half that is not 0 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_store s;
        b4c_error err = { 0 };
        assert_ok(b4c_store_open(&s, cases[i].path, &err), &err);
        assert_true(s.facts.epsilon == cases[i].epsilon);
        assert_int_equal(s.facts.head_size, cases[i].head_size);
        assert_int_equal(s.facts.heads, cases[i].heads);
        assert_string_equal(s.facts.activation, "gelu");
        b4c_store_close(&s);
    }
}

/* What the model room must see to refuse it: nothing is invented, nothing repaired. */
static void what_a_file_lacks_or_has_too_much_is_left_so(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    reference r = reference_open(MODELS "bert/model.safetensors");
    assert_ok(b4c_store_open(&s, FORMATS "missing-one", &err), &err);
    assert_int_equal(s.n, (int)json_object_size(r.header) - 1);
    b4c_store_close(&s);

    assert_ok(b4c_store_open(&s, FORMATS "padded-and-extra", &err), &err);
    assert_true(b4c_store_find(&s, "bert.embeddings.position_ids") >= 0);
    const int i = b4c_store_find(&s, "bert.embeddings.word_embeddings.weight");
    const json_t *entry = json_object_get(r.header, "bert.embeddings.word_embeddings.weight");
    assert_int_equal(s.tensor[i].shape[0], 144);
    float *x = read_all(&s, i);
    assert_memory_equal(x, data_of(&r, entry), (size_t)(axis(entry, 0) * axis(entry, 1)) * 4);
    free(x);
    b4c_store_close(&s);

    assert_ok(b4c_store_open(&s, FORMATS "nan", &err), &err);
    int nans = 0;
    for (int t = 0; t < s.n; t++) {
        float *y = read_all(&s, t);
        const int64_t n = b4c_stored_rows(&s.tensor[t]) * b4c_stored_row(&s.tensor[t]);
        for (int64_t at = 0; at < n; at++) nans += isnan(y[at]) != 0;
        free(y);
    }
    assert_true(nans > 0);
    b4c_store_close(&s);
    reference_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_hold_what_was_saved),
        cmocka_unit_test(torch_files_of_every_age_hold_what_was_saved),
        cmocka_unit_test(tf1_checkpoints_hold_what_was_saved),
        cmocka_unit_test(onnx_exports_hold_what_was_exported),
        cmocka_unit_test(tied_weights_are_stored_once),
        cmocka_unit_test(identity_nodes_give_shared_tensors_their_names_back),
        cmocka_unit_test(a_graph_tells_what_its_shapes_do_not),
        cmocka_unit_test(what_a_file_lacks_or_has_too_much_is_left_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
