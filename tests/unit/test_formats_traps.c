/* Files that lie: each mistake that a checkpoint can hold, made on purpose, and the words that it
 * is refused with; and what is legal though unusual. */
#include "support/test.h"

#include "base/json.h"
#include "format_maker.h"
#include "model/format/crc32c.h"
#include "model/format/store.h"

#include <math.h>

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

/* Write, open and fail as said. */
static void refused(const char *name, b4c_buffer *file, int code, const char *part)
{
    b4c_store s;
    b4c_error err = { 0 };
    assert_false(file->failed);
    const char *path = temp_file(name, file->data ? file->data : "", file->size);
    assert_fails(b4c_store_open(&s, path, &err), &err, code, part);
    assert_non_null(strstr(err.message, temp_folder())); /* a file is named */
    assert_null(s.tensor);
    assert_int_equal(b4c_store_open(&s, path, NULL), code);
    b4c_buffer_done(file);
}

static b4c_store opened(const char *name, b4c_buffer *file)
{
    b4c_store s;
    b4c_error err = { 0 };
    assert_false(file->failed);
    assert_ok(b4c_store_open(&s, temp_file(name, file->data, file->size), &err), &err);
    b4c_buffer_done(file);
    return s;
}

/* All elements of the tensor are these. */
static void holds(const b4c_store *s, const char *name, const float *want, int n)
{
    float got[64];
    b4c_error err = { 0 };
    const int i = b4c_store_find(s, name);
    if (i < 0) fail_msg("no tensor '%s'", name);
    const int64_t rows = b4c_stored_rows(&s->tensor[i]);
    assert_int_equal(rows * b4c_stored_row(&s->tensor[i]), n);
    assert_ok(b4c_store_read(s, i, 0, rows, got, &err), &err);
    assert_memory_equal(got, want, (size_t)n * sizeof *got);
}

/* ---- safetensors ---------------------------------------------------------------------------- */

static void a_header_that_lies_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *part;
        int code;
    } cases[] = {
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 20]}}", "'a'", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [7], \"data_offsets\": [0, 28]}}", "24 bytes",
          -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [5], \"data_offsets\": [0, 20]}}", "damaged",
          -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [5], \"data_offsets\": [4, 24]}}", "holes", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [0, 16]},"
          " \"b\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": [8, 24]}}",
          "overlaps", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [24, 0]}}", "range", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [-6], \"data_offsets\": [0, 24]}}", "axis 0",
          -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [6.0], \"data_offsets\": [0, 24]}}", "axis 0",
          -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [4611686018427387904, 4],"
          " \"data_offsets\": [0, 24]}}",
          "[4611686018427387904, 4]", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [0, 4611686018427387904, 4],"
          " \"data_offsets\": [0, 0]}}",
          "'a'", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [6,1,1,1,1,1,1,1,1], \"data_offsets\": [0, "
          "24]}}",
          "9 axes, at most 8", -8 },
        { "{\"a\": {\"shape\": [6], \"data_offsets\": [0, 24]}}", "lacks \"dtype\"", -3 },
        { "{\"a\": 7}", "'a'", -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [0, 12]},"
          " \"a\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [12, 24]}}",
          "a", -3 },
        { "{\"\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 24]}}", "name", -3 },
        { "{\"a\\nb\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 24]}}", "name",
          -3 },
        { "{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 24]}", "JSON", -3 },
        { "{}", "24", -3 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer b = { 0 };
        put_safetensors(&b, cases[i].header, numbers, sizeof numbers);
        refused("lies.safetensors", &b, cases[i].code, cases[i].part);
    }
    b4c_buffer b = { 0 };
    put_number(&b, 99999999, 8); /* a header of 100 MB in a file of 60 bytes */
    b4c_buffer_print(&b, "%052d", 0);
    b.data[8] = '{';
    refused("lies.safetensors", &b, B4C_E_FORMAT, "99999999 bytes");
}

static void unaligned_and_empty_tensors_are_legal(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    char data[1 + sizeof numbers] = { 7 };
    memcpy(data + 1, numbers, sizeof numbers);
    put_safetensors(&b,
                    "{\"__metadata__\": {\"format\": \"pt\"},"
                    " \"m\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data_offsets\": [1, 25]},"
                    " \"none\": {\"dtype\": \"I64\", \"shape\": [0, 5], \"data_offsets\": [1, 1]},"
                    " \"flag\": {\"dtype\": \"BOOL\", \"shape\": [], \"data_offsets\": [0, 1]}}",
                    data, sizeof data);
    b4c_store s = opened("odd.safetensors", &b);
    assert_int_equal(s.n, 3);
    holds(&s, "m", numbers, 6);
    holds(&s, "none", numbers, 0);
    holds(&s, "flag", &(float){ 1 }, 1);
    b4c_store_close(&s);
    b4c_store_close(&s);
}

static void types_that_are_not_read_are_listed(void **state)
{
    (void)state;
    b4c_buffer b = { 0 };
    put_safetensors(&b,
                    "{\"a\": {\"dtype\": \"F8_E4M3\", \"shape\": [8], \"data_offsets\": [0, 8]},"
                    " \"b\": {\"dtype\": \"NEW\", \"shape\": [3], \"data_offsets\": [8, 24]}}",
                    numbers, sizeof numbers);
    b4c_store s = opened("types.safetensors", &b);
    float x[8];
    b4c_error err = { 0 };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s.tensor[i].type, B4C_STORED_OTHER);
        assert_fails(b4c_store_read(&s, i, 0, 1, x, &err), &err, B4C_E_UNSUPPORTED, "element type");
    }
    b4c_store_close(&s);
}

/* All 65,536 halves and bfloats, by their definition. */
static void every_half_is_read_exactly(void **state)
{
    (void)state;
    enum { N = 65536 };
    static uint16_t all[2 * N];
    static float got[N];
    b4c_error err = { 0 };
    b4c_buffer b = { 0 };
    for (int i = 0; i < N; i++) all[i] = all[N + i] = (uint16_t)i;
    put_safetensors(
        &b,
        "{\"b\": {\"dtype\": \"BF16\", \"shape\": [65536], \"data_offsets\": [0, 131072]},"
        " \"h\": {\"dtype\": \"F16\", \"shape\": [65536], \"data_offsets\": [131072, "
        "262144]}}",
        all, sizeof all);
    b4c_store s = opened("halves.safetensors", &b);
    for (int kind = 0; kind < 2; kind++) {
        const int bits = kind ? 10 : 7, bias = kind ? 15 : 127, top = kind ? 31 : 255;
        assert_ok(b4c_store_read(&s, kind, 0, 1, got, &err), &err);
        for (int i = 0; i < N; i++) {
            const int exponent = i >> bits & top, fraction = i & ((1 << bits) - 1);
            double want = exponent == top ? (fraction ? NAN : INFINITY)
                        : exponent        ? ldexp((1 << bits) + fraction, exponent - bias - bits)
                                          : ldexp(fraction, 1 - bias - bits);
            if (i & 0x8000) want = -want;
            if (isnan(want) ? !isnan(got[i]) : got[i] != want || !signbit(got[i]) != !signbit(want))
                fail_msg("%s %04x is %g, wanted %g", kind ? "half" : "bfloat", i, got[i], want);
        }
    }
    b4c_store_close(&s);
}

static void every_integer_type_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *dtype;
        int width;
    } types[] = {
        { "I8", 1 }, { "U8", 1 }, { "I16", 2 }, { "I32", 4 }, { "I64", 8 }, { "F64", 8 }
    };
    for (size_t k = 0; k < COUNT(types); k++) {
        b4c_buffer data = { 0 }, b = { 0 };
        char header[200];
        float want[37];
        for (int i = 0; i < 37; i++) { /* over the blocks of sixteen, and a rest */
            const int x = strcmp(types[k].dtype, "U8") ? 3 * i - 50 : 3 * i;
            const double d = x;
            uint64_t bits = (uint64_t)x;
            if (types[k].dtype[0] == 'F') memcpy(&bits, &d, sizeof bits);
            put_number(&data, bits, types[k].width);
            want[i] = (float)x;
        }
        snprintf(header, sizeof header,
                 "{\"a\": {\"dtype\": \"%s\", \"shape\": [37], \"data_offsets\": [0, %zu]}}",
                 types[k].dtype, data.size);
        put_safetensors(&b, header, data.data, data.size);
        b4c_store s = opened("integers.safetensors", &b);
        holds(&s, "a", want, 37);
        b4c_store_close(&s);
        b4c_buffer_done(&data);
    }
}

/* ---- shards --------------------------------------------------------------------------------- */

static void an_index_that_lies_is_refused(void **state)
{
    (void)state;
    static const char one[] = "{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, "
                              "24]}}";
    static const struct {
        const char *index, *part;
        int code;
    } cases[] = {
        { "{\"weight_map\": {\"a\": \"../one.st\"}}", "'../one.st' lies outside", -3 },
        { "{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "'/etc/passwd' lies outside", -3 },
        { "{\"weight_map\": {\"a\": \"one.st\", \"b\": \"two.st\"}}", "'two.st' is not there", -5 },
        { "{\"weight_map\": {\"a\": \"one.st\", \"b\": \"one.st\"}}", "'b' is to be in 'one.st'",
          -5 },
        { "{\"weight_map\": {\"a\": 3}}", "not a file name", -3 },
        { "{\"weight_map\": {\"a\": \"index.json\"}}", "begins with bytes", -3 },
        { "{\"weight_map\": {}}", "weight_map", -3 },
        { "{\"weights\": 1}", "weight_map", -3 },
        { "{\"metadata\": {\"total_size\": \"big\"}, \"weight_map\": {\"a\": \"one.st\"}}",
          "total_size", -3 },
        { "{\"weight_map\": {\"a\": \"one.st\", \"x\": \"copy.st\"}}", "found twice", -3 },
    };
    b4c_buffer b = { 0 };
    put_safetensors(&b, one, numbers, sizeof numbers);
    temp_file("shards/one.st", b.data, b.size);
    temp_file("shards/copy.st", b.data, b.size);
    b4c_buffer_done(&b);
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer_text(&b, cases[i].index);
        refused("shards/index.json", &b, cases[i].code, cases[i].part);
    }
    b4c_buffer_text(&b,
                    "{\"metadata\": {\"total_size\": 99}, \"weight_map\": {\"a\": \"one.st\"}}");
    b4c_store s = opened("shards/index.json", &b);
    holds(&s, "a", numbers, 6);
    assert_non_null(strstr(s.note, "99 bytes"));
    b4c_store_close(&s);
}

/* ---- what is no checkpoint ------------------------------------------------------------------ */

static void what_is_no_checkpoint_is_called_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *part;
        int code;
    } cases[] = {
        { "", "is empty", -3 },
        { "\x89HDF\r\n\x1a\n....", "HDF5", -8 },
        { "GGUF\3", "GGUF", -8 },
        { "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Git LFS pointer", -3 },
        { "<!DOCTYPE html><html>", "HTML", -3 },
        { "hello", "68 65 6c 6c 6f", -3 },
        { "PK\3\4 but no zip", "directory", -3 },
        { "\x80\2K\1.", "not one that torch.save wrote", -3 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer b = { 0 };
        b4c_buffer_text(&b, cases[i].bytes);
        refused("weights.bin", &b, cases[i].code, cases[i].part);
    }
    b4c_store s;
    b4c_error err = { 0 };
    assert_fails(b4c_store_open(&s, temp_path("nothing"), &err), &err, B4C_E_IO, "nothing");
    temp_text("no weights/config.json", "{}");
    assert_fails(b4c_store_open(&s, temp_path("no weights"), &err), &err, B4C_E_MISSING,
                 "model.safetensors");
    temp_text("two/a.onnx", "x");
    temp_text("two/b.onnx", "x");
    assert_fails(b4c_store_open(&s, temp_path("two"), &err), &err, B4C_E_ARG, "'a.onnx', 'b.onnx'");
}

/* ---- torch ---------------------------------------------------------------------------------- */

#define FLOATS "FloatStorage", "0", 6

static void views_of_a_storage_are_read_as_views(void **state)
{
    (void)state;
    static const pickled_tensor tensors[] = {
        { "plain", FLOATS, 0, 2, { 2, 3 }, { 3, 1 } },
        { "turned", FLOATS, 0, 2, { 3, 2 }, { 1, 3 } },
        { "column", FLOATS, 1, 1, { 2 }, { 3 } },
        { "cube", FLOATS, 0, 3, { 3, 1, 2 }, { 1, 99, 3 } },
        { "number", FLOATS, 5, 0, { 0 }, { 0 } },
        { "nothing", FLOATS, 6, 2, { 0, 4 }, { 4, 1 } },
    };
    const float turned[] = { 1, -4.25f, -2, 5, 3.5f, 6 }, column[] = { -2, 5 };
    for (int legacy = 0; legacy < 2; legacy++) {
        b4c_buffer b = { 0 };
        if (legacy)
            put_torch_legacy(&b, tensors, COUNT(tensors), numbers, 4);
        else
            put_torch_zip(&b, tensors, COUNT(tensors), numbers, sizeof numbers);
        b4c_store s = opened("views.bin", &b);
        assert_int_equal(s.n, COUNT(tensors));
        holds(&s, "plain", numbers, 6);
        holds(&s, "turned", turned, 6);
        holds(&s, "column", column, 2);
        holds(&s, "cube", turned, 6);
        holds(&s, "number", numbers + 5, 1);
        holds(&s, "nothing", numbers, 0);
        b4c_store_close(&s);
    }
}

static void a_tensor_beyond_its_storage_is_refused(void **state)
{
    (void)state;
    static const struct {
        pickled_tensor tensor;
        const char *part;
    } cases[] = {
        { { "t", FLOATS, 0, 2, { 2, 4 }, { 4, 1 } }, "more elements" },
        { { "t", FLOATS, 1, 2, { 2, 3 }, { 3, 1 } }, "reaches element 5" },
        { { "t", FLOATS, 0, 2, { 2, 3 }, { 4, 1 } }, "reaches element 6" },
        { { "t", FLOATS, 7, 0, { 0 }, { 0 } }, "more elements" },
        { { "t", FLOATS, 0, 2, { 3, 100 }, { 1, 0 } }, "contiguous()" },
        { { "t", FLOATS, 0, 1, { 2 }, { INT64_MAX } }, "element" },
        { { "t", FLOATS, 0, 2, { 2, 2 }, { INT64_MAX, INT64_MAX } }, "element" },
        { { "t", FLOATS, 0, 1, { -1 }, { 1 } }, "numbers >= 0" },
        { { "t", FLOATS, 0, 1, { 2 }, { -1 } }, "numbers >= 0" },
        { { "t", FLOATS, -1, 1, { 2 }, { 1 } }, "numbers >= 0" },
        { { "t", FLOATS, 0, 2, { INT64_MAX, 4 }, { 4, 1 } }, "more elements" },
        { { "t", "FloatStorage", "0", INT64_MAX, 0, 1, { 2 }, { 1 } }, "more than the file" },
        { { "t", "FloatStorage", "0", -1, 0, 1, { 2 }, { 1 } }, "more than the file" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer b = { 0 };
        put_torch_zip(&b, &cases[i].tensor, 1, numbers, sizeof numbers);
        refused("beyond.bin", &b, B4C_E_FORMAT, cases[i].part);
    }
    b4c_buffer b = { 0 }; /* the member is shorter than the storage that the pickle speaks of */
    put_torch_zip(&b, &(pickled_tensor){ "t", FLOATS, 0, 1, { 2 }, { 1 } }, 1, numbers, 20);
    refused("beyond.bin", &b, B4C_E_FORMAT, "20 bytes, its storage wants 24");
    put_torch_legacy(&b, &(pickled_tensor){ "t", FLOATS, 0, 1, { 2 }, { 1 } }, 1, numbers, 3);
    refused("beyond.bin", &b, B4C_E_FORMAT, "wants 32 bytes, 26 are left");
}

/* A zip with one pickle of these opcodes. */
static void put_program(b4c_buffer *b, const void *code, size_t n)
{
    zip_maker z = { 0 };
    zip_add(&z, "a/data.pkl", code, n, 0);
    zip_end(&z);
    b4c_buffer_add(b, z.file.data, z.file.size);
    zip_done(&z);
}

static void a_pickle_is_never_executed(void **state)
{
    (void)state;
#define CODE(text) text, sizeof text - 1
    static const struct {
        const char *code;
        size_t n;
        const char *part;
        int code_wanted;
    } cases[] = {
        { CODE("\x80\2cos\nsystem\nX\1\0\0\0x\x85R."), "'os.system'", -8 },
        { CODE("\x80\2c__builtin__\neval\nX\1\0\0\0x\x85R."), "'__builtin__.eval'", -8 },
        { CODE("\x80\4\x8c\5posix\x8c\6system\x93."), "'posix.system'", -8 },
        { CODE("ctorch\nload\n."), "'torch.load'", -8 },
        { CODE("ctorch._utils\n_rebuild_tensor_v2 \n."), "torch._utils", -8 },
        { CODE("(S'x'\nios\nsystem\n."), "opcode 53", -8 }, /* INST */
        { CODE("}X\1\0\0\0x\x81."), "opcode 81", -8 },      /* NEWOBJ */
        { CODE("}R."), "cannot be called", -3 },
        { CODE("K\1K\2R."), "cannot be called", -3 },
        { CODE("."), "without a value", -3 },
        { CODE("K"), "ends too early", -3 },
        { CODE("X\xff\xff\xff\xff"), "ends too early", -3 },
        { CODE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "ends too early", -3 },
        { CODE("h\7."), "memo", -3 },
        { CODE("}r\xff\xff\xff\xff."), "memo", -3 },
        { CODE("t."), "no mark", -3 },
        { CODE("(0."), "nothing to drop", -3 },
        { CODE("}(K\1u."), "key without a value", -3 },
        { CODE("K\1(K\1K\2u."), "no list or dictionary", -3 },
        { CODE("(K\1K\2u."), "items", -3 },
        { CODE("K\1."), "not a dictionary", -8 },
        { CODE("}."), "no tensors", -5 },
        { CODE("K\1Q0}."), "no storage", -3 },
        { CODE("ccollections\nOrderedDict\n]K\1a\x85R."), "OrderedDict", -3 },
    };
#undef CODE
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer b = { 0 };
        put_program(&b, cases[i].code, cases[i].n);
        refused("program.bin", &b, cases[i].code_wanted, cases[i].part);
    }
}

/* d0 = {}, d1 = {1: d0, 2: d0}, d2 = {1: d1, 2: d1}, ...: a tree of 2^60 leaves in 1 KB, and one
 * that holds itself. */
static void dictionaries_in_one_another_do_not_unfold(void **state)
{
    (void)state;
    b4c_buffer code = { 0 }, b = { 0 };
    b4c_buffer_text(&code, "}");
    for (int i = 0; i < 60; i++) {
        b4c_buffer_add(&code, "q\0", 2);
        b4c_buffer_add(&code, "}K\1h\0sK\2h\0s", 11);
    }
    b4c_buffer_text(&code, ".");
    put_program(&b, code.data, code.size);
    refused("deep.bin", &b, B4C_E_FORMAT, "hold one another");
    put_program(&b, "}q\0K\1h\0sK\2h\0s.", 15);
    refused("deep.bin", &b, B4C_E_FORMAT, "hold one another");
    b4c_buffer_done(&code);
}

static void training_checkpoints_give_dotted_names(void **state)
{
    (void)state;
    /* {"epoch": 3, "state_dict": {"w": tensor}, "optimizer": {"state": {0: {"m": tensor}}}} */
    b4c_buffer code = { 0 }, inner = { 0 }, b = { 0 };
    const pickled_tensor w = { "w", FLOATS, 0, 1, { 6 }, { 1 } },
                         m = { "m", FLOATS, 0, 1, { 2 }, { 1 } };
    zip_maker z = { .zip64 = true };
    b4c_buffer_text(&code, "}(");
    put_pickle_text(&code, "epoch");
    put_pickle_int(&code, 3);
    put_pickle_text(&code, "state_dict");
    put_state_dict(&inner, &w, 1, NULL);
    b4c_buffer_add(&code, inner.data, inner.size - 1); /* without STOP */
    put_pickle_text(&code, "optimizer");
    b4c_buffer_text(&code, "}");
    put_pickle_text(&code, "state");
    b4c_buffer_text(&code, "}");
    put_pickle_int(&code, 0);
    b4c_buffer_done(&inner);
    put_state_dict(&inner, &m, 1, NULL);
    b4c_buffer_add(&code, inner.data, inner.size - 1);
    b4c_buffer_text(&code, "ssu.");
    zip_add(&z, "x/data.pkl", code.data, code.size, 0);
    zip_add(&z, "x/data/0", numbers, sizeof numbers, 0);
    zip_end(&z);
    b4c_buffer_add(&b, z.file.data, z.file.size);
    b4c_store s = opened("training.bin", &b);
    assert_int_equal(s.n, 2);
    holds(&s, "state_dict.w", numbers, 6);
    holds(&s, "optimizer.state.0.m", numbers, 2);
    b4c_store_close(&s);
    zip_done(&z);
    b4c_buffer_done(&inner);
    b4c_buffer_done(&code);
}

/* What other Pythons and PyTorches write: parameters, a list of pairs, torch.Size, a GPU's class,
 * a legacy part of a storage. */
static void other_spellings_of_a_tensor_are_understood(void **state)
{
    (void)state;
    b4c_buffer code = { 0 }, b = { 0 };
    zip_maker z = { 0 };
    b4c_buffer_text(&code, "ccollections\nOrderedDict\n(](](");
    put_pickle_text(&code, "w");
    b4c_buffer_text(&code,
                    "ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor\n((");
    put_pickle_text(&code, "storage");
    b4c_buffer_text(&code, "ctorch.cuda\nFloatStorage\n");
    put_pickle_text(&code, "k");
    put_pickle_text(&code, "cuda:0");
    b4c_buffer_text(&code, "K\6(");
    put_pickle_text(&code, "part");
    b4c_buffer_text(&code, "K\2K\4ttQK\1ctorch\nSize\n(K\3t\x85R(K\1ttR\x88]tReetR.");
    zip_add(&z, "x/data.pkl", code.data, code.size, 0);
    zip_add(&z, "x/data/k", numbers, sizeof numbers, 0);
    zip_end(&z);
    b4c_buffer_add(&b, z.file.data, z.file.size);
    b4c_store s = opened("spelling.bin", &b);
    holds(&s, "w", numbers + 3, 3);
    b4c_store_close(&s);
    zip_done(&z);
    b4c_buffer_done(&code);
}

static void a_zip_that_lies_is_refused(void **state)
{
    (void)state;
    const pickled_tensor t = { "t", FLOATS, 0, 1, { 6 }, { 1 } };
    b4c_buffer pickle = { 0 }, b = { 0 };
    put_state_dict(&pickle, &t, 1, NULL);
    static const struct {
        const char *name[3];
        int method;
        const char *order, *part;
        int code;
    } cases[] = {
        { { "a/data.pkl", "a/data/0", "a/byteorder" }, 8, "little", "compressed", -8 },
        { { "a/data.pkl", "a/data/0", "a/byteorder" }, 0, "big", "'big', wanted 'little'", -8 },
        { { "a/data.pkl", "a/data/1", "a/byteorder" }, 0, "little", "'a/data/0' is missing", -3 },
        { { "a/data.pkl", "a/data/0", "a/data/0" }, 0, "little", "twice", -3 },
        { { "a/data.pkl", "a/data/0", "b/data.pkl" }, 0, "little", "exactly one", -3 },
        { { "data.pkl", "a/data/0", "x" }, 0, "little", "exactly one", -3 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        zip_maker z = { 0 };
        zip_add(&z, cases[i].name[0], pickle.data, pickle.size, cases[i].method);
        zip_add(&z, cases[i].name[1], numbers, sizeof numbers, 0);
        zip_add(&z, cases[i].name[2], cases[i].order, strlen(cases[i].order), 0);
        zip_end(&z);
        b4c_buffer_add(&b, z.file.data, z.file.size);
        refused("zip.bin", &b, cases[i].code, cases[i].part);
        zip_done(&z);
    }
    b4c_buffer_done(&pickle);
}

/* ---- TF1 ------------------------------------------------------------------------------------ */

static const int64_t shape[] = { 2, 3 };

/* NAME.index with these entries after the header, NAME.data-00000-of-00001 with the numbers. */
static void put_tf1(b4c_buffer *index, const char *const *keys, b4c_buffer *values, int n)
{
    table_maker t = { 0 };
    b4c_buffer header = { 0 };
    tf1_header(&header, 1);
    table_add(&t, "", 0, &header);
    for (int i = 0; i < n; i++) {
        if (i % 2) table_block(&t); /* several data blocks */
        table_add(&t, keys[i], strlen(keys[i]), &values[i]);
        b4c_buffer_done(&values[i]);
    }
    table_end(&t);
    b4c_buffer_add(index, t.file.data, t.file.size);
    table_done(&t);
    b4c_buffer_done(&header);
    temp_file("m.ckpt.data-00000-of-00001", numbers, sizeof numbers);
}

static void several_blocks_and_both_checksums_are_read(void **state)
{
    (void)state;
    static const char *const keys[] = { "bert/a", "bert/ab", "bert/b" };
    b4c_buffer v[3] = { 0 }, index = { 0 };
    b4c_error err = { 0 };
    float x[6];
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    tf1_entry(&v[1], 1, shape, 1, 0, 8, numbers + 2, 8);
    tf1_entry(&v[2], 1, shape, 1, 0, 16, numbers, 8); /* checksum of other bytes */
    put_tf1(&index, keys, v, 3);
    b4c_store s = opened("m.ckpt.index", &index);
    holds(&s, "bert/a", numbers, 2);
    holds(&s, "bert/a", numbers, 2); /* the second time without comparing */
    holds(&s, "bert/ab", numbers + 2, 2);
    assert_fails(b4c_store_read(&s, b4c_store_find(&s, "bert/b"), 0, 1, x, &err), &err,
                 B4C_E_FORMAT, "'bert/b': checksum");
    b4c_store_close(&s);
}

static void a_tf1_index_that_lies_is_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t shape[2];
        int rank, dtype, shard;
        uint64_t offset, size;
        const char *part;
    } cases[] = {
        { { 2, 4 }, 2, 1, 0, 0, 24, "24 bytes, its shape [2, 4]" },
        { { 2, 3 }, 2, 2, 0, 0, 24, "of f64" },
        { { 2, 3 }, 2, 1, 1, 0, 24, "data file or place" },
        { { 2, 3 }, 2, 1, 0, 4, 24, "bytes 4 to 28 of a file of 24" },
        { { 2, 3 }, 2, 1, 0, UINT64_MAX - 3, 24, "data file or place" },
        { { 2, 3 }, 2, 1, 0, INT64_MAX, 24, "of a file of 24" },
        { { -2, -3 }, 2, 1, 0, 0, 24, "negative" },
        { { INT64_MAX, INT64_MAX }, 2, 1, 0, 0, 24, "[9223372036854775807" },
    };
    static const char *const keys[] = { "a", "b" };
    b4c_buffer v[2] = { 0 }, index = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tf1_entry(&v[0], cases[i].dtype, cases[i].shape, cases[i].rank, cases[i].shard,
                  cases[i].offset, NULL, cases[i].size);
        put_tf1(&index, keys, v, 1);
        refused("m.ckpt.index", &index, B4C_E_FORMAT, cases[i].part);
    }
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    tf1_entry(&v[1], 1, shape, 1, 0, 4, numbers + 1, 8);
    put_tf1(&index, keys, v, 2);
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "shares bytes");
    static const char *const unordered[] = { "b", "a" };
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    tf1_entry(&v[1], 1, shape, 1, 0, 8, numbers + 2, 8);
    put_tf1(&index, unordered, v, 2);
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "not in order");
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    put_tf1(&index, keys, v, 1);
    refused("m.wrong", &index, B4C_E_ARG, "must end in .index");
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    put_tf1(&index, keys, v, 1);
    refused("other.index", &index, B4C_E_MISSING, "'other.data-00000-of-00001' is not there");
    tf1_entry(&v[0], 1, shape, 1, 0, 0, numbers, 8);
    put_tf1(&index, keys, v, 1);
    index.data[3] ^= 1;
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "checksum of a block");

    table_maker t = { .compression = 1 };
    b4c_buffer header = { 0 };
    tf1_header(&header, 1);
    table_add(&t, "", 0, &header);
    table_end(&t);
    refused("m.ckpt.index", &t.file, B4C_E_UNSUPPORTED, "compressed");
    table_done(&t);
    b4c_buffer_done(&header);
}

/* 3,000 keys that share 4,000 bytes: 12 MB of names out of 20 KB. */
static void shared_keys_do_not_unfold(void **state)
{
    (void)state;
    table_maker t = { 0 };
    b4c_buffer header = { 0 }, nothing = { 0 };
    char key[4100];
    memset(key, 'k', sizeof key);
    tf1_header(&header, 1);
    table_add(&t, "", 0, &header);
    for (int i = 0; i < 3000; i++) {
        snprintf(key + 4000, 100, "%08d", i);
        table_add(&t, key, 4008, &nothing);
    }
    table_end(&t);
    refused("m.ckpt.index", &t.file, B4C_E_FORMAT, "longer than any names");
    table_done(&t);
    b4c_buffer_done(&header);
}

/* Key of a slice of variable "v" [2, 3]: columns [start, start + length). */
static size_t slice_key(unsigned char key[16], int start, int length)
{
    const unsigned char bytes[] = { 0,
                                    'v',
                                    0,
                                    1,
                                    1,
                                    2,
                                    0x80,
                                    0x7f,
                                    (unsigned char)(0x80 | start),
                                    (unsigned char)(0x80 | length) };
    memcpy(key, bytes, sizeof bytes);
    return sizeof bytes;
}

/* The variable cut at columns: pieces {start, length}, each with an entry unless its length is 0.
 */
static void put_slices(b4c_buffer *index, const int pieces[2][2], const int64_t widths[2])
{
    table_maker t = { 0 };
    b4c_buffer value = { 0 }, whole = { 0 };
    unsigned char key[16];
    tf1_header(&value, 1);
    table_add(&t, "", 0, &value);
    tf1_entry(&whole, 1, shape, 2, 0, 0, NULL, 0);
    size_t offset = 0;
    for (int i = 0; i < 2; i++) {
        b4c_buffer extents = { 0 }, all = { 0 }, columns = { 0 };
        const int64_t piece[] = { 2, widths[i] };
        const size_t n = (size_t)widths[i] * 2 * 4;
        pb_int(&columns, 1, (uint64_t)pieces[i][0]);
        pb_int(&columns, 2, (uint64_t)pieces[i][1]);
        pb_message(&extents, 1, &all);
        pb_message(&extents, 1, &columns);
        pb_message(&whole, 7, &extents);
        b4c_buffer_done(&value);
        tf1_entry(&value, 1, piece, 2, 0, offset, (const char *)numbers + offset, n);
        offset += n;
        if (widths[i]) table_add(&t, key, slice_key(key, pieces[i][0], pieces[i][1]), &value);
    }
    table_add(&t, "v", 1, &whole);
    table_end(&t);
    b4c_buffer_add(index, t.file.data, t.file.size);
    temp_file("m.ckpt.data-00000-of-00001", numbers, sizeof numbers);
    table_done(&t);
    b4c_buffer_done(&value);
    b4c_buffer_done(&whole);
}

static void slices_cover_their_variable_exactly(void **state)
{
    (void)state;
    static const struct {
        int pieces[2][2];
        int64_t widths[2];
        const char *part;
    } cases[] = {
        { { { 0, 1 }, { 1, 2 } }, { 1, 2 }, NULL },
        { { { 0, 1 }, { 2, 1 } }, { 1, 1 }, "holes" },
        { { { 0, 2 }, { 1, 2 } }, { 1, 1 }, "no entry of its shape" },
        { { { 0, 1 }, { 1, 2 } }, { 1, 0 }, "no entry" },
        { { { 0, 2 }, { 1, 1 } }, { 2, 1 }, "overlap" },
        { { { 0, 1 }, { 1, 3 } }, { 1, 2 }, "beyond its shape" },
    };
    const float want[] = { 1, 3.5f, -4.25f, -2, 5, 6 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_buffer index = { 0 };
        put_slices(&index, cases[i].pieces, cases[i].widths);
        if (cases[i].part) {
            refused("m.ckpt.index", &index, B4C_E_FORMAT, cases[i].part);
        } else {
            b4c_store s = opened("m.ckpt.index", &index);
            assert_int_equal(s.n, 1);
            holds(&s, "v", want, 6);
            b4c_store_close(&s);
        }
    }
    /* its checksums are compared when it is put together */
    b4c_buffer index = { 0 };
    float other[6] = { 0 };
    put_slices(&index, cases[0].pieces, cases[0].widths);
    temp_file("m.ckpt.data-00000-of-00001", other, sizeof other);
    refused("m.ckpt.index", &index, B4C_E_FORMAT, "checksum of slice 0");
}

static void the_file_checkpoint_says_which_prefix(void **state)
{
    (void)state;
    static const char *const keys[] = { "a" };
    for (int i = 0; i < 2; i++) {
        b4c_buffer v = { 0 }, index = { 0 };
        tf1_entry(&v, 1, shape, 1, 0, 0, numbers + 2 * i, 8);
        put_tf1(&index, keys, &v, 1);
        temp_file(i ? "train/x-200.index" : "train/x-100.index", index.data, index.size);
        temp_file(i ? "train/x-200.data-00000-of-00001" : "train/x-100.data-00000-of-00001",
                  numbers + 2 * i, 8);
        b4c_buffer_done(&index);
    }
    b4c_store s;
    b4c_error err = { 0 };
    assert_fails(b4c_store_open(&s, temp_path("train"), &err), &err, B4C_E_ARG, "several models");
    temp_text("train/checkpoint", "model_checkpoint_path: \"/home/someone/train/x-200\"\n"
                                  "all_model_checkpoint_paths: \"x-100\"\n");
    assert_ok(b4c_store_open(&s, temp_path("train"), &err), &err);
    holds(&s, "a", numbers + 2, 2);
    b4c_store_close(&s);
    temp_text("train/checkpoint", "model_checkpoint_path: \"x-100\"\n");
    assert_ok(b4c_store_open(&s, temp_path("train"), &err), &err);
    holds(&s, "a", numbers, 2);
    b4c_store_close(&s);
    temp_text("train/checkpoint", "model_checkpoint_path: \"../../secret\"\n");
    assert_fails(b4c_store_open(&s, temp_path("train"), &err), &err, B4C_E_ARG, "several models");
}

static void checksums_agree_by_instruction_and_by_tables(void **state)
{
    (void)state;
    static unsigned char bytes[40000];
    assert_int_equal(b4c_crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(b4c_crc32c("", 0), 0);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * i >> 3);
    for (size_t n = 0; n < sizeof bytes; n = n * 5 / 4 + 1) {
        const unsigned char *from = bytes + n % 7;
        const size_t size = n < 7 ? n : n - 7;
        const uint32_t whole = b4c_crc32c(from, size);
        assert_int_equal(whole, b4c_crc32c_tables(from, size));
        const size_t half = size / 3;
        assert_int_equal(whole, b4c_crc32c_more(b4c_crc32c(from, half), from + half, size - half));
    }
    assert_int_equal(b4c_crc32c_unmask(tf1_mask(0x12345678)), 0x12345678);
}

/* ---- ONNX ----------------------------------------------------------------------------------- */

/* A matrix [2, 3] = [in, out] called `name`, and what a linear makes of it. */
static const float turned_matrix[] = { 1, -4.25f, -2, 5, 3.5f, 6 };

static void names_come_from_nodes_then_from_biases(void **state)
{
    (void)state;
    static const struct {
        const char *op, *node, *matrix, *bias, *adder, *want;
        bool turned;
    } cases[] = {
        { "MatMul", "/a/b.0/c/MatMul", "onnx::MatMul_7", "a.b.0.c.bias", "Add", "a.b.0.c.weight",
          true },
        { "MatMul", "/a/c/MatMul_3", "val_7", "a.other.bias", "Add", "a.c.weight", true },
        { "MatMul", "/a/c/MatMul/MatMulAddFusion", "7", "a.c.bias", "Add", "a.c.weight", true },
        { "MatMul", "node_MatMul_60", "val_61", "x.query.bias", "Add", "x.query.weight", true },
        { "MatMul", "", "61", "x.dense.bias", "BiasGelu", "x.dense.weight", true },
        { "MatMul", "", "61", "x.dense.bias", "FastGelu", "x.dense.weight", true },
        { "MatMul", "n", "61", "cls.predictions.bias", "Add", "cls.predictions.decoder.weight",
          true },
        { "MatMul", "n", "61", "lm_head.bias", "Add", "lm_head.decoder.weight", true },
        { "MatMul", "/MatMul", "61", "unnamed", "Add", "61", false },
        { "MatMul", "/a/c/MatMul", "a.c.weight", "a.c.bias", "Add", "a.c.weight", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char inputs[100];
        b4c_buffer g = { 0 }, b = { 0 };
        onnx_tensor(&g, cases[i].matrix, 1, shape, 2, numbers, sizeof numbers);
        onnx_tensor(&g, cases[i].bias, 1, shape + 1, 1, numbers, 12);
        snprintf(inputs, sizeof inputs, "x %s", cases[i].matrix);
        onnx_node(&g, cases[i].op, cases[i].node, inputs, "product");
        snprintf(inputs, sizeof inputs, i % 2 ? "product %s" : "%s product", cases[i].bias);
        onnx_node(&g, cases[i].adder, "/add", inputs, "y");
        put_onnx(&b, &g);
        b4c_store s = opened("names.onnx", &b);
        assert_int_equal(s.n, 2);
        holds(&s, cases[i].want, cases[i].turned ? turned_matrix : numbers, 6);
        holds(&s, cases[i].bias, numbers, 3);
        b4c_store_close(&s);
    }
}

static void gemm_keeps_what_is_the_right_way_round(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) { /* transB absent or 1; anonymous or named */
        b4c_buffer g = { 0 }, node = { 0 }, attribute = { 0 }, b = { 0 };
        const char *matrix = k & 1 ? "pooler.dense.weight" : "onnx::Gemm_5";
        onnx_tensor(&g, matrix, 1, shape, 2, numbers, sizeof numbers);
        onnx_tensor(&g, "pooler.dense.bias", 1, shape + 1, 1, numbers, 12);
        pb_text(&node, 1, "x");
        pb_text(&node, 1, matrix);
        pb_text(&node, 1, "pooler.dense.bias");
        pb_text(&node, 2, "y");
        pb_text(&node, 4, "Gemm");
        if (k & 2) {
            pb_text(&attribute, 1, "transB");
            pb_int(&attribute, 3, 1);
            pb_message(&node, 5, &attribute);
        }
        pb_message(&g, 1, &node);
        put_onnx(&b, &g);
        b4c_store s = opened("gemm.onnx", &b);
        holds(&s, "pooler.dense.weight", k == 0 ? turned_matrix : numbers, 6);
        b4c_store_close(&s);
    }
}

static void numbers_in_typed_fields_are_read(void **state)
{
    (void)state;
    static const int half[] = { 0x3c00, 0xc000, 0x4300, 0xc440, 0x4500, 0x4600 };
    for (int k = 0; k < 6; k++) {
        b4c_buffer t = { 0 }, list = { 0 }, g = { 0 }, b = { 0 };
        static const int types[] = { 1, 1, 10, 3, 7, 11 };
        pb_int(&t, 1, 6);
        pb_int(&t, 2, (uint64_t)types[k]);
        for (int i = 0; i < 6; i++) {
            uint32_t bits;
            const double wide = numbers[i];
            uint64_t wide_bits;
            memcpy(&bits, &numbers[i], 4);
            memcpy(&wide_bits, &wide, 8);
            const uint64_t whole = (uint64_t)(int64_t)numbers[i];
            if (k == 0) put_number(&list, bits, 4);
            if (k == 1) pb_fixed32(&t, 4, bits);
            if (k == 2) put_varint(&list, (uint64_t)half[i]);
            if (k == 3) pb_int(&t, 5, whole); /* negative ones take ten bytes */
            if (k == 4) put_varint(&list, whole);
            if (k == 5) put_number(&list, wide_bits, 8);
        }
        if (list.size) pb_message(&t, k == 0 ? 4 : k == 2 ? 5 : k == 4 ? 7 : 10, &list);
        pb_text(&t, 8, "a.b");
        pb_message(&g, 5, &t);
        put_onnx(&b, &g);
        b4c_store s = opened("typed.onnx", &b);
        float want[6];
        for (int i = 0; i < 6; i++) want[i] = k == 3 || k == 4 ? truncf(numbers[i]) : numbers[i];
        holds(&s, "a.b", want, 6);
        b4c_store_close(&s);
    }
}

static void external_data_stay_in_the_folder(void **state)
{
    (void)state;
    static const struct {
        const char *location, *offset, *length, *part;
        int code;
    } cases[] = {
        { "w.bin", "4", "24", NULL, 0 },
        { "w.bin", "4", NULL, NULL, 0 },
        { "w.bin", "8", "24", "bytes 8 to 32 of 28", -3 },
        { "w.bin", "4", "20", "wants 24 bytes", -3 },
        { "w.bin", "4x", NULL, "malformed", -3 },
        { "w.bin", "99999999999999999999", NULL, "malformed", -3 },
        { "../w.bin", NULL, NULL, "outside", -3 },
        { "/etc/passwd", NULL, NULL, "outside", -3 },
        { "gone.bin", NULL, NULL, "'gone.bin' is not there", -5 },
        { NULL, NULL, NULL, "malformed", -3 },
    };
    char bytes[28] = { 0 };
    memcpy(bytes + 4, numbers, sizeof numbers);
    temp_file("w.bin", bytes, sizeof bytes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const pairs[][2] = { { "location", cases[i].location },
                                         { "offset", cases[i].offset },
                                         { "length", cases[i].length } };
        b4c_buffer t = { 0 }, g = { 0 }, b = { 0 };
        pb_int(&t, 1, 6);
        pb_int(&t, 2, 1);
        pb_text(&t, 8, "a.b");
        for (int k = 0; k < 3; k++) {
            b4c_buffer pair = { 0 };
            if (!pairs[k][1]) continue;
            pb_text(&pair, 1, pairs[k][0]);
            pb_text(&pair, 2, pairs[k][1]);
            pb_message(&t, 13, &pair);
        }
        pb_int(&t, 14, 1);
        pb_message(&g, 5, &t);
        put_onnx(&b, &g);
        if (cases[i].code) {
            refused("external.onnx", &b, cases[i].code, cases[i].part);
        } else {
            b4c_store s = opened("external.onnx", &b);
            holds(&s, "a.b", numbers, 6);
            assert_int_equal(s.tensor[0].file, 1);
            b4c_store_close(&s);
        }
    }
}

static void a_graph_that_lies_is_refused(void **state)
{
    (void)state;
    static const int64_t square[] = { 3, 3 }, large[] = { INT64_MAX, 2 }, minus[] = { -1 },
                         deep[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    b4c_buffer g = { 0 }, b = { 0 };
    onnx_tensor(&g, "a.b", 1, square, 2, numbers, sizeof numbers);
    put_onnx(&b, &g);
    refused("lies.onnx", &b, B4C_E_FORMAT, "'a.b': has 24 bytes, its shape of f32 wants 36");
    onnx_tensor(&g, "a.b", 1, large, 2, numbers, sizeof numbers);
    put_onnx(&b, &g);
    refused("lies.onnx", &b, B4C_E_FORMAT, "beyond all memory");
    onnx_tensor(&g, "a.b", 1, minus, 1, numbers, sizeof numbers);
    put_onnx(&b, &g);
    refused("lies.onnx", &b, B4C_E_FORMAT, "negative");
    onnx_tensor(&g, "a.b", 1, deep, 9, numbers, 4);
    put_onnx(&b, &g);
    refused("lies.onnx", &b, B4C_E_FORMAT, "more than 8 axes");
    onnx_tensor(&g, "a.b", 1, shape, 2, numbers, sizeof numbers);
    onnx_tensor(&g, "a.b", 1, shape, 2, numbers, sizeof numbers);
    put_onnx(&b, &g);
    refused("lies.onnx", &b, B4C_E_FORMAT, "found twice");

    /* a million numbers, of which there is none */
    b4c_buffer t = { 0 };
    pb_int(&t, 1, 1000000);
    pb_int(&t, 2, 7);
    pb_text(&t, 8, "a.b");
    pb_message(&g, 5, &t);
    put_onnx(&b, &g);
    refused("lies.onnx", &b, B4C_E_FORMAT, "less data than its shape");

    /* two matrices for one module: copies are one tensor, others are refused */
    const float other[6] = { 9 };
    for (int k = 0; k < 2; k++) {
        onnx_tensor(&g, "m1", 1, shape, 2, numbers, sizeof numbers);
        onnx_tensor(&g, "m2", 1, shape, 2, k ? other : numbers, sizeof numbers);
        onnx_node(&g, "MatMul", "/shared/MatMul", "x m1", "y");
        onnx_node(&g, "MatMul", "/shared/MatMul_1", "y m2", "z");
        put_onnx(&b, &g);
        if (k) {
            refused("lies.onnx", &b, B4C_E_FORMAT, "'shared.weight': the graph gives this name");
        } else {
            b4c_store s = opened("lies.onnx", &b);
            assert_int_equal(s.n, 1);
            holds(&s, "shared.weight", turned_matrix, 6);
            b4c_store_close(&s);
        }
    }
}

static void quantised_tensors_join_their_scales(void **state)
{
    (void)state;
    static const int64_t one[] = { 1 };
    const unsigned char q[] = { 1, 2, 3, 130, 140, 255 }, zeros[] = { 2, 2, 2 }, zero = 128;
    const float scales[] = { 0.5f, 0.25f, 2 };
    const float rows[] = { -0.5f, 64, 0, 34.5f, 2, 506 }; /* [out, in] of [in, out] */
    float table[6];
    b4c_buffer g = { 0 }, b = { 0 };
    for (int i = 0; i < 6; i++) table[i] = (float)(q[i] - zero) * scales[0];
    onnx_tensor(&g, "m_quantized", 2, shape, 2, q, 6);
    onnx_tensor(&g, "m_scale", 1, shape + 1, 1, scales, 12);
    onnx_tensor(&g, "m_zero_point", 2, shape + 1, 1, zeros, 3);
    onnx_tensor(&g, "e.weight_quantized", 2, shape, 2, q, 6);
    onnx_tensor(&g, "e.weight_scale", 1, one, 1, scales, 4);
    onnx_tensor(&g, "e.weight_zero_point", 2, one, 1, &zero, 1);
    onnx_tensor(&g, "l.bias", 1, shape + 1, 1, numbers, 12);
    onnx_node(&g, "MatMulInteger", "q", "x m_quantized - m_zero_point", "i");
    onnx_node(&g, "Cast", "c", "i", "f");
    onnx_node(&g, "Mul", "s", "f x_scale", "p");
    onnx_node(&g, "Add", "a", "l.bias p", "y");
    put_onnx(&b, &g);
    b4c_store s = opened("int8.onnx", &b);
    assert_int_equal(s.n, 3);
    holds(&s, "l.weight", rows, 6);
    holds(&s, "e.weight", table, 6);
    b4c_store_close(&s);

    onnx_tensor(&g, "e.weight_quantized", 2, shape, 2, q, 6);
    put_onnx(&b, &g);
    refused("int8.onnx", &b, B4C_E_UNSUPPORTED, "without float scales");
    onnx_tensor(&g, "e.weight_quantized", 2, shape, 2, q, 6);
    onnx_tensor(&g, "e.weight_scale", 1, shape + 1, 1, scales, 12);
    put_onnx(&b, &g);
    refused("int8.onnx", &b, B4C_E_UNSUPPORTED, "a scale a column");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_that_lies_is_refused),
        cmocka_unit_test(unaligned_and_empty_tensors_are_legal),
        cmocka_unit_test(types_that_are_not_read_are_listed),
        cmocka_unit_test(every_half_is_read_exactly),
        cmocka_unit_test(every_integer_type_is_read),
        cmocka_unit_test(an_index_that_lies_is_refused),
        cmocka_unit_test(what_is_no_checkpoint_is_called_by_its_name),
        cmocka_unit_test(views_of_a_storage_are_read_as_views),
        cmocka_unit_test(a_tensor_beyond_its_storage_is_refused),
        cmocka_unit_test(a_pickle_is_never_executed),
        cmocka_unit_test(dictionaries_in_one_another_do_not_unfold),
        cmocka_unit_test(training_checkpoints_give_dotted_names),
        cmocka_unit_test(other_spellings_of_a_tensor_are_understood),
        cmocka_unit_test(a_zip_that_lies_is_refused),
        cmocka_unit_test(several_blocks_and_both_checksums_are_read),
        cmocka_unit_test(a_tf1_index_that_lies_is_refused),
        cmocka_unit_test(shared_keys_do_not_unfold),
        cmocka_unit_test(slices_cover_their_variable_exactly),
        cmocka_unit_test(the_file_checkpoint_says_which_prefix),
        cmocka_unit_test(checksums_agree_by_instruction_and_by_tables),
        cmocka_unit_test(names_come_from_nodes_then_from_biases),
        cmocka_unit_test(gemm_keeps_what_is_the_right_way_round),
        cmocka_unit_test(numbers_in_typed_fields_are_read),
        cmocka_unit_test(external_data_stay_in_the_folder),
        cmocka_unit_test(a_graph_that_lies_is_refused),
        cmocka_unit_test(quantised_tensors_join_their_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
