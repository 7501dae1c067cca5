/* test_convert_codes.c - integers with scales that a converted folder holds: what is odd about them
 * is refused by name. */
#include "math/kernels.h"
#include "model/format/store.h"
#include "support/test.h"
#include <math.h>

static void codes_with_wrong_scales_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *scale, *columns;
        float value;
        int code;
        const char *part;
    } bad[] = {
        { "\"F32\",\"shape\":[2,1]", "", -1, B4C_E_NUMBER, "wanted 0 or more" },
        { "\"F32\",\"shape\":[2,1]", "", NAN, B4C_E_NUMBER, "wanted 0 or more" },
        { "\"I32\",\"shape\":[2,1]", "", 1, B4C_E_SHAPE, "its codes want 2 of F32" },
        { "\"F32\",\"shape\":[1,2]", "\"F32\",\"shape\":[2]", 3, B4C_E_NUMBER, "a power of two" },
        { "\"F32\",\"shape\":[2]", "\"F32\",\"shape\":[2]", 0.5f, B4C_E_NUMBER, "a power of two" },
    };
    const char *const asymmetric =
        "{\"w\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[0,4]},"
        "\"w_scale\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[4,12]},"
        "\"w_zero_point\":{\"dtype\":\"I8\",\"shape\":[2,1],\"data_offsets\":[12,14]}}";
    char whole[512] = { 0 };
    const uint64_t length = strlen(asymmetric);
    b4c_store none;
    b4c_error why = { 0 };
    memcpy(whole, &length, 8);
    memcpy(whole + 8, asymmetric, length);
    assert_fails(b4c_store_open(&none, temp_file("zero.safetensors", whole, 8 + length + 14), &why),
                 &why, B4C_E_UNSUPPORTED, "has zero points");
    for (size_t i = 0; i < COUNT(bad); i++) {
        char header[512];
        const bool columns = *bad[i].columns;
        int n = snprintf(header, sizeof header,
                         "{\"w\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[0,4]},"
                         "\"w_scale\":{\"dtype\":%s,\"data_offsets\":[4,12]}", bad[i].scale);
        if (columns)
            n += snprintf(header + n, sizeof header - (size_t)n,
                          ",\"w_columns\":{\"dtype\":%s,\"data_offsets\":[12,20]}",
                          bad[i].columns);
        header[n++] = '}';
        char file[1024] = { 0 };
        const float scale[] = { columns ? 1 : bad[i].value, columns ? 1 : bad[i].value },
                    factor[] = { bad[i].value, bad[i].value };
        const uint64_t size = (uint64_t)n;
        memcpy(file, &size, 8);
        memcpy(file + 8, header, (size_t)n);
        memcpy(file + 8 + n + 4, scale, 8);
        memcpy(file + 8 + n + 12, factor, 8);
        b4c_store s;
        b4c_error err = { 0 };
        const char *path = temp_file("codes.safetensors", file, (size_t)n + (columns ? 28 : 20));
        assert_fails(b4c_store_open(&s, path, &err), &err, bad[i].code, bad[i].part);
    }
}

/* A matrix [2, 9] of int4, a part of which may lie. */
static void packed_codes_with_wrong_parts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *codes, *scale, *offset, *shape;
        int64_t rows, cols;
        int code;
        const char *part;
    } bad[] = {
        { "I32\",\"shape\":[2,2]", "BF16\",\"shape\":[2,1]", "I8\",\"shape\":[2,1]",
          "I64\",\"shape\":[2]", 2, 9, 0, NULL },
        { "I32\",\"shape\":[2,2]", "BF16\",\"shape\":[2,1]", "I8\",\"shape\":[2,1]",
          "I64\",\"shape\":[2]", 2, 17, B4C_E_SHAPE, "says [2, 17], but its codes are [2, 2]" },
        { "I32\",\"shape\":[2,2]", "BF16\",\"shape\":[2,1]", "I8\",\"shape\":[2,1]",
          "I64\",\"shape\":[2]", -2, 9, B4C_E_SHAPE, "says [-2, 9]" },
        { "I32\",\"shape\":[2,2]", "BF16\",\"shape\":[2,1]", "I8\",\"shape\":[2,1]",
          "I64\",\"shape\":[2]", 2, INT64_MAX, B4C_E_SHAPE, "says [2, 9223372036854775807]" },
        { "I32\",\"shape\":[2,2]", "F16\",\"shape\":[2,1]", "I8\",\"shape\":[2,1]",
          "I64\",\"shape\":[2]", 2, 9, B4C_E_SHAPE, "want [2, 1] of bf16" },
        { "I32\",\"shape\":[2,2]", "BF16\",\"shape\":[2,1]", "I8\",\"shape\":[1,2]",
          "I64\",\"shape\":[2]", 2, 9, B4C_E_SHAPE, "want [2, 1] of i8" },
        { "I32\",\"shape\":[2,2]", "BF16\",\"shape\":[2,1]", "I8\",\"shape\":[2,1]",
          "I32\",\"shape\":[4]", 2, 9, B4C_E_SHAPE, "wanted [2] of i64" },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char header[600];
        const int n = snprintf(header, sizeof header,
                               "{\"w_packed\":{\"dtype\":\"%s,\"data_offsets\":[0,16]},"
                               "\"w_scale\":{\"dtype\":\"%s,\"data_offsets\":[16,20]},"
                               "\"w_offset\":{\"dtype\":\"%s,\"data_offsets\":[20,22]},"
                               "\"w_shape\":{\"dtype\":\"%s,\"data_offsets\":[22,38]}}",
                               bad[i].codes, bad[i].scale, bad[i].offset, bad[i].shape);
        const int64_t shape[] = { bad[i].rows, bad[i].cols };
        const uint16_t scale[] = { b4c_to_bf16(0.5f), b4c_to_bf16(2) };
        unsigned char file[1024] = { 0 }, *data = file + 8 + n;
        const uint64_t size = (uint64_t)n;
        memcpy(file, &size, 8);
        memcpy(file + 8, header, (size_t)n);
        data[0] = 0x97;          /* row 0: codes 7, 9, then zeros */
        data[12] = 0xf;          /* row 1: code 15 at column 8 */
        memcpy(data + 16, scale, 4);
        data[21] = 8;            /* row 1: half a step */
        memcpy(data + 22, shape, 16);
        b4c_store s;
        b4c_error err = { 0 };
        const char *path = temp_file("packed.safetensors", file, (size_t)n + 46);
        if (bad[i].code) {
            assert_fails(b4c_store_open(&s, path, &err), &err, bad[i].code, bad[i].part);
            continue;
        }
        float x[18];
        assert_ok(b4c_store_open(&s, path, &err), &err);
        assert_ok(b4c_store_read(&s, b4c_store_find(&s, "w"), 0, 2, x, &err), &err);
        assert_true(x[0] == -0.5f && x[1] == 0.5f && x[8] == -4 && x[9] == -15 && x[17] == 15);
        b4c_store_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_with_wrong_scales_are_refused),
        cmocka_unit_test(packed_codes_with_wrong_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
