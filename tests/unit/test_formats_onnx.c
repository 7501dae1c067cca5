/* ONNX: how matrices get their modules' names back, every way that numbers are written, and graphs
 * that lie. */
#include "support/test.h"

#include "format_check.h"
#include "format_maker.h"

#include <math.h>

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };
static const int64_t shape[] = { 2, 3 };

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

/* ONNX Runtime's Attention, and QAttention after its quantiser: three views of one matrix. */
static void fused_attention_is_query_key_and_value(void **state)
{
    (void)state;
    static const int64_t fused[] = { 2, 6 }, odd[] = { 2, 4 };
    const float w[12] = { 0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15 };
    const int8_t q[12] = { 0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15 };
    const float scale[6] = { 1, 2, 1, 2, 1, 2 };
    static const char *const parts[] = { "query", "key", "value" };
    for (int quantised = 0; quantised < 2; quantised++) {
        b4c_buffer g = { 0 }, b = { 0 };
        if (quantised) {
            onnx_tensor(&g, "qkv_quantized", 3, fused, 2, q, sizeof q);
            onnx_tensor(&g, "qkv_scale", 1, fused + 1, 1, scale, sizeof scale);
        } else {
            onnx_tensor(&g, "qkv", 1, fused, 2, w, sizeof w);
        }
        onnx_tensor(&g, "b", 1, fused + 1, 1, w, 24);
        onnx_tensor(&g, "bert.encoder.layer.0.output.dense.bias", 1, fused, 1, w, 8);
        onnx_node(&g, quantised ? "QAttention" : "Attention", "A",
                  quantised ? "x qkv_quantized b" : "x qkv b", "y");
        put_onnx(&b, &g);
        b4c_store s = opened("fused.onnx", &b);
        assert_int_equal(s.n, 7);
        for (int i = 0; i < 3; i++) {
            char name[100];
            const float two = quantised ? 2 : 1, c = (float)(2 * i);
            const float matrix[] = { c, 10 + c, two * (c + 1), two * (11 + c) };
            snprintf(name, sizeof name, "bert.encoder.layer.0.attention.self.%s.weight", parts[i]);
            holds(&s, name, matrix, 4);
            snprintf(name, sizeof name, "bert.encoder.layer.0.attention.self.%s.bias", parts[i]);
            holds(&s, name, w + 2 * i, 2);
        }
        b4c_store_close(&s);
    }
    b4c_buffer g = { 0 }, b = { 0 };
    onnx_tensor(&g, "qkv", 1, odd, 2, w, 32);
    onnx_tensor(&g, "b", 1, odd + 1, 1, w, 16);
    onnx_node(&g, "Attention", "A", "x qkv b", "y");
    put_onnx(&b, &g);
    refused("fused.onnx", &b, B4C_E_UNSUPPORTED, "'A' has no fused query");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_from_nodes_then_from_biases),
        cmocka_unit_test(gemm_keeps_what_is_the_right_way_round),
        cmocka_unit_test(numbers_in_typed_fields_are_read),
        cmocka_unit_test(external_data_stay_in_the_folder),
        cmocka_unit_test(a_graph_that_lies_is_refused),
        cmocka_unit_test(quantised_tensors_join_their_scales),
        cmocka_unit_test(fused_attention_is_query_key_and_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
