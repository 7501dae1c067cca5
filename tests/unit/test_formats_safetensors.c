/* safetensors that lie, indexes of shards that lie, files that are something else; and every
 * element type, exactly. */
#include "support/test.h"

#include "format_check.h"
#include "format_maker.h"

#include <math.h>

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

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

/* Report L19: of a model in shards, the file that is not there is named. */
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
        { "\x89HDF\r\n\x1a\n....", "no whole HDF5 header", -3 },
        { "GGUF\3", "header wants 24; it is cut", -3 },
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
