/* Every prefix of a checkpoint, and every byte of it changed: an error with words, or a model that
 * can be read to its last element. Run under the sanitizers, this is where a reader shows that it
 * believes nothing. */
#include "support/test.h"

#include "format_maker.h"
#include "hdf5_maker.h"
#include "model/format/store.h"

#define FORMATS "tests/golden/formats/"

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

/* Opens `arg` instead of the damaged file where that is only a part of a checkpoint. */
static int read_everything(const char *path, void *arg, b4c_error *err)
{
    b4c_store s;
    int rc = b4c_store_open(&s, arg ? arg : path, err);
    if (rc < 0) return rc;
    size_t bytes = 0;
    for (int i = 0; i < s.n_files; i++) bytes += s.file[i].size;
    for (int i = 0; rc >= 0 && i < s.n; i++) {
        const b4c_stored *t = &s.tensor[i];
        const int64_t rows = b4c_stored_rows(t), row = b4c_stored_row(t);
        if (t->type == B4C_STORED_OTHER) continue;
        /* an element takes two bits or more of its file: that bounds what a caller allocates */
        assert_true(rows == 0 || row == 0 || rows <= 4 * (int64_t)bytes / row);
        float *x = malloc((size_t)(rows * row) * sizeof *x + 1);
        assert_non_null(x);
        rc = b4c_store_read(&s, i, 0, rows, x, err);
        free(x);
    }
    b4c_store_close(&s);
    return rc;
}

/* Of a copy, since the file is damaged in place. Most changes must be noticed when `strict`. */
static void damage(const char *name, const void *bytes, size_t n, size_t step, void *whole)
{
    const char *path = temp_file(name, bytes, n);
    const cut_result r = cut_file(path, step, read_everything, whole);
    assert_true(r.cuts > 0 && r.changes > 0);
    /* A cut file is never a model: what a layout promises of its end is checked. */
    if (r.cuts_taken)
        fail_msg("%s: %ld of %ld cut files were taken for whole ones", name, r.cuts_taken, r.cuts);
}

static void damage_made(const char *name, b4c_buffer *b)
{
    assert_false(b->failed);
    damage(name, b->data, b->size, 1, NULL);
    b4c_buffer_done(b);
}

static void damage_golden(const char *folder, const char *file, const char *whole, size_t step)
{
    size_t n;
    char path[300], name[300];
    snprintf(path, sizeof path, FORMATS "%s/%s", folder, file);
    snprintf(name, sizeof name, "%s/%s", folder, file);
    char *bytes = read_file(path, &n);
    damage(name, bytes, n, step,
           whole ? (void *)(uintptr_t)temp_path("%s/%s", folder, whole) : NULL);
    free(bytes);
}

static void copy_golden(const char *folder, const char *file)
{
    size_t n;
    char path[300], name[300];
    snprintf(path, sizeof path, FORMATS "%s/%s", folder, file);
    snprintf(name, sizeof name, "%s/%s", folder, file);
    char *bytes = read_file(path, &n);
    temp_file(name, bytes, n);
    free(bytes);
}

static const pickled_tensor tensors[] = {
    { "a", "FloatStorage", "0", 6, 0, 2, { 3, 2 }, { 1, 3 } },
    { "b", "FloatStorage", "0", 6, 2, 1, { 4 }, { 1 } },
};

static void damaged_safetensors(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    put_safetensors(&b,
                    "{\"__metadata__\": {\"format\": \"pt\"},"
                    " \"a\": {\"dtype\": \"F32\", \"shape\": [2, 2], \"data_offsets\": [0, 16]},"
                    " \"b\": {\"dtype\": \"BF16\", \"shape\": [4], \"data_offsets\": [16, 24]}}",
                    numbers, sizeof numbers);
    damage_made("made.safetensors", &b);
    static const unsigned char codes[42] = { 0x21, 0x43, [16] = 0x80, 0x3f, 0, 0x40,
                                             [22] = 2, [30] = 9 };
    put_safetensors(&b,
                    "{\"w_packed\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                    "\"w_scale\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[16,20]},"
                    "\"w_offset\":{\"dtype\":\"I8\",\"shape\":[2,1],\"data_offsets\":[20,22]},"
                    "\"w_shape\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[22,38]}}",
                    codes, 38);
    damage_made("packed.safetensors", &b);
    damage_golden("f16", "model.safetensors", NULL, 499);
    for (int i = 1; i <= 3; i++) {
        char shard[50];
        snprintf(shard, sizeof shard, "model-0000%d-of-00003.safetensors", i);
        copy_golden("sharded", shard);
    }
    damage_golden("sharded", "model.safetensors.index.json", NULL, 17);
}

static void damaged_torch_files(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    put_torch_zip(&b, tensors, 2, numbers, sizeof numbers);
    damage_made("made.bin", &b);
    put_torch_legacy(&b, tensors, 2, numbers, 4);
    damage_made("legacy.bin", &b);
    damage_golden("bin-half", "pytorch_model.bin", NULL, 499);
    damage_golden("bin-legacy", "pytorch_model.bin", NULL, 499);
}

static void damaged_zip64(void **state)
{
    (void)state;
    zip_maker z = { .zip64 = true };
    b4c_buffer pickle = { 0 };
    put_state_dict(&pickle, tensors, 2, NULL);
    zip_add(&z, "m/data.pkl", pickle.data, pickle.size, 0);
    zip_add(&z, "m/data/0", numbers, sizeof numbers, 0);
    zip_end(&z);
    damage_made("zip64.bin", &z.file);
    zip_done(&z);
    b4c_buffer_done(&pickle);
}

static void damaged_tf1_indexes_and_data(void **state)
{
    (void)state;
    static const char *const prefix[] = { "tf1-bert", "tf1-bert-sliced", "tf1-bert-sharded" };
    for (size_t i = 0; i < COUNT(prefix); i++) {
        static const char *const data[] = { "bert_model.ckpt.data-00000-of-00001",
                                            "bert_model.ckpt.data-00000-of-00002",
                                            "bert_model.ckpt.data-00001-of-00002" };
        for (int k = i == 2; k < (i == 2 ? 3 : 1); k++) copy_golden(prefix[i], data[k]);
        damage_golden(prefix[i], "bert_model.ckpt.index", NULL, 7);
        if (i == 1) damage_golden(prefix[i], data[0], "bert_model.ckpt.index", 997);
    }
}

static void damaged_onnx_graphs(void **state)
{
    (void)state;
    static const int64_t shape[] = { 2, 3 };
    b4c_buffer g = { 0 }, b = { 0 };
    onnx_node(&g, "MatMul", "/a/MatMul", "x m", "y");
    onnx_node(&g, "Add", "/a/Add", "a.bias y", "z");
    onnx_node(&g, "Identity", "i", "a.bias", "b.bias");
    onnx_tensor(&g, "m", 1, shape, 2, numbers, sizeof numbers);
    onnx_tensor(&g, "a.bias", 1, shape + 1, 1, numbers, 12);
    onnx_tensor(&g, "e_quantized", 3, shape, 2, numbers, 6);
    onnx_tensor(&g, "e_scale", 1, shape, 0, numbers, 4);
    put_onnx(&b, &g);
    damage_made("made.onnx", &b);
    damage_golden("onnx-bert-mlm", "model.onnx", NULL, 997);
    damage_golden("onnx-bert-dynamo", "model.onnx", NULL, 997);
    damage_golden("onnx-bert-fused", "model.onnx", NULL, 997);
    damage_golden("onnx-bert-int8", "model_quantized.onnx", NULL, 499);
    copy_golden("onnx-bert-external", "model.onnx_data");
    damage_golden("onnx-bert-external", "model.onnx", NULL, 299);
}

static void damaged_gguf_files(void **state)
{
    (void)state;
    static const struct {
        int type, bytes;
        int64_t extent;
    } kinds[] = { { 0, 24, 6 },   { 1, 12, 6 },    { 2, 18, 32 },    { 3, 20, 32 },
                  { 6, 22, 32 },  { 7, 24, 32 },   { 8, 34, 32 },    { 10, 84, 256 },
                  { 20, 18, 32 }, { 23, 136, 256 }, { 30, 12, 6 } };
    char bytes[136];
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(37 * i);
    gguf_string(&g, "general.architecture", "test");
    gguf_number(&g, "a.number", 10, 7, 8);
    gguf_array(&g, "texts", 8, 2, "\1\0\0\0\0\0\0\0x\0\0\0\0\0\0\0\0", 17);
    gguf_array(&g, "reals", 6, 2, numbers, 8);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char name[20];
        snprintf(name, sizeof name, "w%zu", i);
        gguf_tensor(&g, name, kinds[i].type, &kinds[i].extent, 1, bytes, (size_t)kinds[i].bytes);
    }
    put_gguf(&b, &g);
    damage_made("made.gguf", &b);
    /* without the padding behind its last tensor, which nobody would miss */
    size_t n;
    char *types = read_file(FORMATS "gguf-types/types.gguf", &n);
    damage("types.gguf", types, n - 32, 61, NULL);
    free(types);
    copy_golden("gguf-llama-split", "model-00002-of-00003.gguf");
    copy_golden("gguf-llama-split", "model-00003-of-00003.gguf");
    damage_golden("gguf-llama-split", "model-00001-of-00003.gguf", NULL, 997);
}

static void damaged_keras_files(void **state)
{
    (void)state;
    static const char *const data = "best_model.weights.data-00000-of-00001";
    copy_golden("keras-bert", data);
    damage_golden("keras-bert", "best_model.weights.index", NULL, 7);
    damage_golden("keras-bert", data, "best_model.weights.index", 1999);
    damage_golden("keras-h5-bert", "best_model.weights", NULL, 1999);
    damage_golden("keras-h5-bert-vlen", "best_model.h5", NULL, 1999);
    for (int fixed = 0; fixed < 2; fixed++) {
        static const int64_t shape[] = { 2, 3 };
        static const char *const layers[] = { "MLM-Norm", "mine" },
                                *const weights[] = { "beta:0", "gamma:0" };
        b4c_buffer b = { 0 };
        h5_messages m = { 0 };
        h5_begin(&b);
        const uint64_t norms[] = { h5_floats(&b, shape, 1, numbers, false),
                                   h5_floats(&b, shape, 1, numbers, true) },
                       mine = h5_floats(&b, shape, 2, numbers, false),
                       groups[] = { h5_layer(&b, layers[0], weights, norms, 2, fixed),
                                    h5_layer(&b, layers[1], weights, &mine, 1, fixed) };
        h5_texts(&b, &m, "layer_names", layers, 2, fixed);
        h5_members(&b, &m, layers, groups, 2);
        h5_end(&b, h5_object(&b, &m, true));
        damage_made("made.h5", &b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_safetensors), cmocka_unit_test(damaged_torch_files),
        cmocka_unit_test(damaged_zip64),       cmocka_unit_test(damaged_tf1_indexes_and_data),
        cmocka_unit_test(damaged_onnx_graphs), cmocka_unit_test(damaged_gguf_files),
        cmocka_unit_test(damaged_keras_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
