/* GGUF: llama.cpp's models against the hub's, every type of number, metadata, split models, and
 * headers that lie.
 *
 * tests/golden/formats/gguf-* are written by gguf 0.19; what its own dequantisation gives for each
 * type is in gguf-types/expected.safetensors.
 */
#include "support/test.h"

#include "base/gguf.h"
#include "format_check.h"
#include "format_golden.h"
#include "format_maker.h"

#define TYPES FORMATS "gguf-types/types.gguf" /* beside what is expected */

static const float numbers[6] = { 1, -2, 3.5f, -4.25f, 5, 6 };

/* ---- whole models --------------------------------------------------------------------------- */

static const rename_rule bert_names[] = {
    { "token_embd_norm", "bert.embeddings.LayerNorm" },
    { "token_embd", "bert.embeddings.word_embeddings" },
    { "position_embd", "bert.embeddings.position_embeddings" },
    { "token_types", "bert.embeddings.token_type_embeddings" },
    { "blk.", "bert.encoder.layer." },
    { "attn_q.", "attention.self.query." },
    { "attn_k.", "attention.self.key." },
    { "attn_v.", "attention.self.value." },
    { "attn_output_norm", "attention.output.LayerNorm" },
    { "attn_output.", "attention.output.dense." },
    { "ffn_up", "intermediate.dense" },
    { "ffn_down", "output.dense" },
    { "layer_output_norm", "output.LayerNorm" },
    { NULL, NULL },
};
static const rename_rule llama_names[] = {
    { "token_embd", "model.embed_tokens" },
    { "output_norm", "model.norm" },
    { "blk.", "model.layers." },
    { "attn_q.", "self_attn.q_proj." },
    { "attn_k.", "self_attn.k_proj." },
    { "attn_v.", "self_attn.v_proj." },
    { "attn_output.", "self_attn.o_proj." },
    { "attn_norm", "input_layernorm" },
    { "ffn_norm", "post_attention_layernorm" },
    { "ffn_gate", "mlp.gate_proj" },
    { "ffn_up", "mlp.up_proj" },
    { "ffn_down", "mlp.down_proj" },
    { NULL, NULL },
};
static const rename_rule llama_head[] = { { "output.weight", "lm_head.weight" }, { NULL, NULL } };
static const rename_rule gpt2_names[] = {
    { "token_embd", "wte" },
    { "position_embd", "wpe" },
    { "output_norm", "ln_f" },
    { "blk.", "h." },
    { "attn_qkv", "attn.c_attn" },
    { "attn_output", "attn.c_proj" },
    { "attn_norm", "ln_1" },
    { "ffn_norm", "ln_2" },
    { "ffn_up", "mlp.c_fc" },
    { "ffn_down", "mlp.c_proj" },
    { NULL, NULL },
};
static const rename_rule gpt2_prefix[] = {
    { "wte", "transformer.wte" },
    { "wpe", "transformer.wpe" },
    { "ln_f", "transformer.ln_f" },
    { "h.", "transformer.h." },
    { NULL, NULL },
};

/* The hub's GPT-2 has [in, out]. */
static bool is_gpt2_matrix(const char *name)
{
    return strstr(name, "blk.") && strstr(name, ".weight") && !strstr(name, "norm");
}

static bool never(const char *name)
{
    (void)name;
    return false;
}

/* By the head size that the file states. */
static void unpair(b4c_store *s)
{
    b4c_error err = { 0 };
    int64_t head = 0;
    assert_int_equal(
        b4c_gguf_int(b4c_store_gguf(s), "llama.rope.dimension_count", 1, 1000, &head, &err), 1);
    for (int i = 0; i < s->n; i++)
        if (strstr(s->tensor[i].name, "attn_q.") || strstr(s->tensor[i].name, "attn_k."))
            assert_ok(b4c_store_unpair(s, i, (int)head, &err), &err);
}

static void models_of_llama_cpp_are_the_hubs(void **state)
{
    (void)state;
    static const golden cases[] = {
        { "gguf-bert", .layout = "gguf", .source = "bert/model.safetensors", .first = bert_names,
          .turned = never, .files = 1 },
        { "gguf-bert-f16", .layout = "gguf", .source = "bert/model.safetensors",
          .first = bert_names, .turned = never, .precision = BY_TYPE },
        { "gguf-llama", .layout = "gguf", .source = "llama/model.safetensors", .first = llama_names,
          .then = llama_head, .turned = never, .prepare = unpair },
        { "gguf-llama-split", .layout = "gguf", .source = "llama/model.safetensors",
          .first = llama_names, .then = llama_head, .turned = never, .prepare = unpair,
          .files = 3 },
        { "gguf-llama-split", "model-00002-of-00003.gguf", .layout = "gguf",
          .source = "llama/model.safetensors", .first = llama_names, .then = llama_head,
          .turned = never, .prepare = unpair, .files = 3 },
        { "gguf-qwen2", .layout = "gguf", .source = "qwen2/model.safetensors", .first = llama_names,
          .turned = never, .precision = BY_TYPE },
        { "gguf-gpt2", .layout = "gguf", .source = "gpt2/model.safetensors", .first = gpt2_names,
          .then = gpt2_prefix, .turned = is_gpt2_matrix },
    };
    for (size_t i = 0; i < COUNT(cases); i++) check_golden(&cases[i]);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void every_type_has_the_numbers_of_ggml(void **state)
{
    (void)state;
    b4c_store s, want;
    b4c_error err = { 0 };
    int blocks = 0;
    assert_ok(b4c_store_open(&s, TYPES, &err), &err);
    assert_ok(b4c_store_open(&want, FORMATS "gguf-types/expected.safetensors", &err), &err);
    assert_int_equal(s.n, 22);
    assert_int_equal(s.n, want.n);
    for (int i = 0; i < s.n; i++) {
        const b4c_stored *t = &s.tensor[i], *u = &want.tensor[i];
        assert_string_equal(t->name, u->name);
        assert_int_equal(t->rank, u->rank);
        assert_memory_equal(t->shape, u->shape, (size_t)t->rank * sizeof *t->shape);
        const int block = b4c_stored_block(t->type);
        blocks += block > 1;
        assert_int_equal(t->bytes, (size_t)(b4c_stored_rows(t) * b4c_stored_row(t) / block) *
                                       b4c_stored_width(t->type));
        assert_int_equal((t->data - s.file[0].data) % 64, 0);
        float *x = read_all(&s, i), *y = read_all(&want, i);
        const size_t n = (size_t)(b4c_stored_rows(t) * b4c_stored_row(t));
        for (size_t k = 0; k < n; k++)
            if (memcmp(&x[k], &y[k], sizeof *x))
                fail_msg("%s [%zu] is %.9g, ggml has %.9g", t->name, k, x[k], y[k]);
        free(x);
        free(y);
    }
    assert_int_equal(blocks, 12);
    b4c_store_close(&s);
    b4c_store_close(&want);
}

/* Two rows of Q8_0: d = 0.5 and 2 (as halves), q = i and -i. */
static void put_q8_rows(unsigned char bytes[2 * 34])
{
    for (int r = 0; r < 2; r++) {
        bytes[34 * r] = 0;
        bytes[34 * r + 1] = r ? 0x40 : 0x38;
        for (int i = 0; i < 32; i++) bytes[34 * r + 2 + i] = (unsigned char)(r ? -i : i);
    }
}

static void blocks_can_be_kept_as_they_are(void **state)
{
    (void)state;
    unsigned char bytes[68];
    static const int64_t extents[] = { 32, 2 };
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    b4c_error err = { 0 };
    float x[64];
    put_q8_rows(bytes);
    gguf_tensor(&g, "w", 8, extents, 2, bytes, sizeof bytes);
    put_gguf(&b, &g);
    b4c_store s = opened("q8.gguf", &b);
    const b4c_stored *t = &s.tensor[0];
    assert_int_equal(t->type, B4C_STORED_Q8_0);
    assert_string_equal(b4c_stored_type_name(t->type), "q8_0");
    assert_int_equal(t->bytes, sizeof bytes);
    assert_memory_equal(t->data, bytes, sizeof bytes);
    assert_ok(b4c_store_read(&s, 0, 1, 1, x, &err), &err);
    for (int i = 0; i < 32; i++) assert_true(x[i] == (float)(-2 * i));

    /* rows are what is packed: columns cannot be had */
    b4c_stored *turned = &s.tensor[0];
    turned->shape[0] = 32;
    turned->shape[1] = 2;
    turned->stride[0] = 1;
    turned->stride[1] = 32;
    assert_fails(b4c_store_read(&s, 0, 0, 32, x, &err), &err, B4C_E_UNSUPPORTED, "turned");
    b4c_store_close(&s);
}

static void rows_of_neighbours_come_in_the_hubs_order(void **state)
{
    (void)state;
    unsigned char bytes[4 * 34];
    static const int64_t square[] = { 1, 6 }, rows[] = { 32, 4 }, vector[] = { 6 };
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    b4c_error err = { 0 };
    const float hub[] = { 1, 3.5f, 5, -2, -4.25f, 6 };
    float x[4 * 32], whole[4 * 32];
    put_q8_rows(bytes);
    memcpy(bytes + 68, bytes, 68);
    bytes[68 + 2 + 31] = 100;
    gguf_tensor(&g, "a", 0, square, 2, numbers, sizeof numbers);
    gguf_tensor(&g, "b", 0, vector, 1, numbers, sizeof numbers);
    gguf_tensor(&g, "c", 8, rows, 2, bytes, sizeof bytes);
    put_gguf(&b, &g);
    b4c_store s = opened("pairs.gguf", &b);
    holds(&s, "a", numbers, 6);
    assert_ok(b4c_store_read(&s, 2, 0, 4, whole, &err), &err);
    for (int i = 0; i < 2; i++) assert_ok(b4c_store_unpair(&s, i, 6, &err), &err);
    holds(&s, "a", hub, 6);
    holds(&s, "b", hub, 6);
    assert_ok(b4c_store_read(&s, 0, 3, 2, x, &err), &err); /* from the middle */
    assert_memory_equal(x, hub + 3, 2 * sizeof *x);
    assert_ok(b4c_store_unpair(&s, 2, 4, &err), &err);
    assert_ok(b4c_store_read(&s, 2, 0, 4, x, &err), &err);
    static const int from[] = { 0, 2, 1, 3 };
    for (int r = 0; r < 4; r++)
        assert_memory_equal(x + 32 * r, whole + 32 * from[r], 32 * sizeof *x);
    assert_fails(b4c_store_unpair(&s, 0, 4, &err), &err, B4C_E_SHAPE, "'a': is [6, 1] of f32");
    assert_fails(b4c_store_unpair(&s, 0, 3, &err), &err, B4C_E_SHAPE, "an even number");
    assert_fails(b4c_store_unpair(&s, 0, 0, &err), &err, B4C_E_SHAPE, "an even number");
    b4c_store_close(&s);
}

/* REPORTS K7: ggml's reader died of a division by such an extent until 2026. */
static void a_tensor_of_nothing_is_empty(void **state)
{
    (void)state;
    static const int64_t none[] = { 32, 0, 3 };
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    b4c_error err = { 0 };
    float x;
    gguf_tensor(&g, "f32", 0, none, 3, "", 0);
    gguf_tensor(&g, "q4_0", 2, none, 2, "", 0);
    gguf_tensor(&g, "scalar", 0, none, 0, numbers, 4);
    put_gguf(&b, &g);
    b4c_store s = opened("empty.gguf", &b);
    for (int i = 0; i < 2; i++)
        assert_ok(b4c_store_read(&s, i, 0, b4c_stored_rows(&s.tensor[i]), &x, &err), &err);
    holds(&s, "scalar", numbers, 1);
    b4c_store_close(&s);

    put_gguf(&b, &g); /* no tensors at all: a vocabulary alone */
    s = opened("none.gguf", &b);
    assert_int_equal(s.n, 0);
    assert_non_null(b4c_store_gguf(&s));
    b4c_store_close(&s);
}

static void types_that_are_not_read_are_named(void **state)
{
    (void)state;
    static const int64_t extents[] = { 256 };
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    b4c_error err = { 0 };
    float x[256];
    gguf_tensor(&g, "new", 1000, extents, 1, numbers, sizeof numbers);
    gguf_tensor(&g, "small", 17, extents, 1, numbers, sizeof numbers);
    put_gguf(&b, &g);
    b4c_store s = opened("other.gguf", &b);
    assert_fails(b4c_store_read(&s, 0, 0, 1, x, &err), &err, B4C_E_UNSUPPORTED, "'new'");
    assert_fails(b4c_store_read(&s, 1, 0, 1, x, &err), &err, B4C_E_UNSUPPORTED, "IQ2_XS");
    b4c_store_close(&s);
}

/* ---- metadata ------------------------------------------------------------------------------- */

static void metadata_of_every_kind_is_read(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    assert_ok(b4c_store_open(&s, TYPES, &err), &err);
    const b4c_gguf *g = b4c_store_gguf(&s);
    assert_non_null(g);
    assert_int_equal(g->alignment, 64);
    static const struct {
        const char *key;
        int64_t value;
    } integers[] = {
        { "test.uint8", 200 },
        { "test.int8", -100 },
        { "test.uint16", 60000 },
        { "test.int16", -30000 },
        { "test.uint32", 4000000000 },
        { "test.int32", -2000000000 },
        { "test.int64", -((int64_t)1 << 62) },
    };
    int64_t n = 0;
    double x = 0;
    for (size_t i = 0; i < COUNT(integers); i++) {
        assert_int_equal(b4c_gguf_int(g, integers[i].key, INT64_MIN, INT64_MAX, &n, &err), 1);
        assert_int_equal(n, integers[i].value);
        assert_int_equal(b4c_gguf_real(g, integers[i].key, &x, &err), 1);
        assert_true(x == (double)integers[i].value);
    }
    assert_int_equal(b4c_gguf_int(g, "test.uint64", 0, INT64_MAX, &n, &err), 1);
    assert_int_equal(n, INT64_MAX); /* 2^63 + 5 */
    assert_int_equal(b4c_gguf_real(g, "test.uint64", &x, &err), 1);
    assert_true(x == 0x1p63);
    assert_int_equal(b4c_gguf_real(g, "test.float32", &x, &err), 1);
    assert_true(x == 1.5);
    assert_int_equal(b4c_gguf_real(g, "test.float64", &x, &err), 1);
    assert_true(x == 0.1);
    bool yes = false;
    assert_int_equal(b4c_gguf_bool(g, "test.bool", &yes, &err), 1);
    assert_true(yes);
    b4c_span text;
    assert_int_equal(b4c_gguf_text(g, "test.string", &text, &err), 1);
    assert_int_equal(text.size, strlen("字符串") + 4);
    assert_memory_equal(text.data, "字符串\0end", text.size);

    b4c_gguf_value v;
    static const int64_t ints[] = { 1, -2, 3 };
    assert_int_equal(b4c_gguf_array(g, "test.array.int32", B4C_GGUF_I64, &v, &err), 1);
    assert_int_equal(v.count, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(b4c_gguf_int_at(&v, (uint64_t)i), ints[i]);
    assert_int_equal(b4c_gguf_array(g, "test.array.int32", B4C_GGUF_F64, &v, &err), 1);
    assert_true(b4c_gguf_real_at(&v, 1) == -2);
    assert_int_equal(b4c_gguf_array(g, "test.array.uint8", B4C_GGUF_I64, &v, &err), 1);
    assert_int_equal(b4c_gguf_int_at(&v, 2), 255);
    assert_int_equal(b4c_gguf_array(g, "test.array.bool", B4C_GGUF_I64, &v, &err), 1);
    assert_true(b4c_gguf_int_at(&v, 0) == 1 && b4c_gguf_int_at(&v, 1) == 0);
    assert_int_equal(b4c_gguf_array(g, "test.array.float32", B4C_GGUF_F64, &v, &err), 1);
    assert_true(b4c_gguf_real_at(&v, 0) == 0.5 && b4c_gguf_real_at(&v, 1) == -1.25);
    static const char *const texts[] = { "", "一", "two" };
    assert_int_equal(b4c_gguf_array(g, "test.array.string", B4C_GGUF_STRING, &v, &err), 1);
    for (int i = 0; i < 3; i++) {
        assert_true(b4c_gguf_next_text(&v, &text));
        assert_true(b4c_span_is(text, texts[i]));
    }
    assert_false(b4c_gguf_next_text(&v, &text));
    b4c_store_close(&s);
}

static void metadata_of_another_type_is_an_error_that_names_it(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    int64_t n = 7;
    double x;
    bool yes;
    b4c_span text;
    b4c_gguf_value v;
    assert_ok(b4c_store_open(&s, TYPES, &err), &err);
    const b4c_gguf *g = b4c_store_gguf(&s);
    assert_int_equal(b4c_gguf_int(g, "absent", 0, 1, &n, &err), 0);
    assert_int_equal(n, 7);
    assert_fails(b4c_gguf_int(g, "test.float32", 0, 9, &n, &err), &err, B4C_E_FORMAT,
                 "types.gguf: metadata 'test.float32' is of type f32, wanted an integer");
    assert_fails(b4c_gguf_int(g, "test.uint8", 0, 9, &n, &err), &err, B4C_E_FORMAT,
                 "is 200, wanted 0 to 9");
    assert_fails(b4c_gguf_int(g, "test.array.int32", 0, 9, &n, &err), &err, B4C_E_FORMAT,
                 "an array of i32");
    assert_fails(b4c_gguf_real(g, "test.string", &x, &err), &err, B4C_E_FORMAT, "a number");
    assert_fails(b4c_gguf_bool(g, "test.uint8", &yes, &err), &err, B4C_E_FORMAT, "a bool");
    assert_fails(b4c_gguf_text(g, "test.bool", &text, &err), &err, B4C_E_FORMAT, "a string");
    assert_fails(b4c_gguf_array(g, "test.array.int32", B4C_GGUF_STRING, &v, &err), &err,
                 B4C_E_FORMAT, "an array of strings");
    assert_fails(b4c_gguf_array(g, "test.array.float32", B4C_GGUF_I64, &v, &err), &err,
                 B4C_E_FORMAT, "an array of integers");
    assert_fails(b4c_gguf_array(g, "test.uint8", B4C_GGUF_I64, &v, &err), &err, B4C_E_FORMAT,
                 "of type u8");
    b4c_store_close(&s);
    assert_ok(b4c_store_open(&s, FORMATS "bf16", &err), &err);
    assert_null(b4c_store_gguf(&s)); /* of another layout */
    b4c_store_close(&s);
}

static void a_vocabulary_is_in_the_first_of_split_files(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    for (int part = 1; part <= 3; part++) {
        b4c_store s;
        b4c_gguf_value v;
        b4c_span text;
        char path[200];
        snprintf(path, sizeof path, FORMATS "gguf-llama-split/model-0000%d-of-00003.gguf", part);
        assert_ok(b4c_store_open(&s, path, &err), &err);
        const b4c_gguf *g = b4c_store_gguf(&s);
        assert_int_equal(b4c_gguf_array(g, "tokenizer.ggml.tokens", B4C_GGUF_STRING, &v, &err), 1);
        assert_int_equal(v.count, 113);
        assert_true(b4c_gguf_next_text(&v, &text) && b4c_span_is(text, "<unk>"));
        assert_int_equal(b4c_gguf_array(g, "tokenizer.ggml.scores", B4C_GGUF_F64, &v, &err), 1);
        assert_true(b4c_gguf_real_at(&v, 112) == -45);
        b4c_store_close(&s);
    }
}

/* ---- what lies ------------------------------------------------------------------------------ */

static void a_gguf_header_that_lies_is_refused(void **state)
{
    (void)state;
    static const struct {
        int at, width; /* of the header */
        uint64_t value;
        int code;
        const char *part;
    } cases[] = {
        { 4, 4, 1, B4C_E_UNSUPPORTED, "version 1, versions 2 and 3 are read" },
        { 4, 4, 4, B4C_E_UNSUPPORTED, "version 4" },
        { 4, 4, 0x03000000, B4C_E_UNSUPPORTED, "big-endian" },
        { 8, 8, UINT64_MAX, B4C_E_FORMAT, "tensors, more than its" },
        { 8, 8, 2, B4C_E_FORMAT, "it is cut" },
        { 16, 8, UINT64_MAX / 13, B4C_E_FORMAT, "pairs of metadata, more than its" },
        { 24, 8, UINT64_MAX, B4C_E_FORMAT, "key of pair 1 of 1" },
        { 35, 4, 13, B4C_E_FORMAT, "is of type 13, known are 0 to 12" },
        { 35, 4, 8, B4C_E_FORMAT, "reaches beyond the file" },
    };
    static const int64_t extents[] = { 6 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gguf_maker g = { 0 };
        b4c_buffer b = { 0 };
        gguf_number(&g, "key", 4, 7, 4); /* its type is at 35 */
        gguf_tensor(&g, "w", 0, extents, 1, numbers, sizeof numbers);
        put_gguf(&b, &g);
        for (int k = 0; k < cases[i].width; k++)
            b.data[cases[i].at + k] = (char)(cases[i].value >> 8 * k);
        refused("lies.gguf", &b, cases[i].code, cases[i].part);
    }
}

/* REPORTS K7: general.alignment of another type ended the process of ggml's reader. */
static void metadata_that_lie_are_refused(void **state)
{
    (void)state;
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    gguf_number(&g, "a", 4, 1, 4);
    gguf_number(&g, "a", 5, 2, 4);
    put_gguf(&b, &g);
    refused("m.gguf", &b, B4C_E_FORMAT, "metadata 'a' is there twice");
    gguf_array(&g, "a", 9, 0, "", 0);
    put_gguf(&b, &g);
    refused("m.gguf", &b, B4C_E_UNSUPPORTED, "array of arrays");
    gguf_array(&g, "a", 10, (uint64_t)1 << 61, "12345678", 8); /* 2^64 bytes */
    put_gguf(&b, &g);
    refused("m.gguf", &b, B4C_E_FORMAT, "reaches beyond the file");
    gguf_array(&g, "a", 8, 2, "\1\0\0\0\0\0\0\0x\2\0\0\0\0\0\0\0y", 18);
    put_gguf(&b, &g);
    refused("m.gguf", &b, B4C_E_FORMAT, "reaches beyond the file");
    static const uint64_t alignments[] = { 0, 3, 48, 1u << 31 };
    for (size_t i = 0; i < COUNT(alignments); i++) {
        gguf_number(&g, "general.alignment", 4, alignments[i], 4);
        put_gguf(&b, &g);
        refused("m.gguf", &b, B4C_E_FORMAT, "general.alignment");
    }
    gguf_string(&g, "general.alignment", "32");
    put_gguf(&b, &g);
    refused("m.gguf", &b, B4C_E_FORMAT, "'general.alignment' is of type string");
}

static void tensors_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t extents[5];
        int rank, type;
        const char *part;
    } cases[] = {
        { { 7 }, 1, 0, "28 bytes from byte 0 on, of 24" },
        { { 1, 1, 1, 1, 1 }, 5, 0, "5 axes" },
        { { -1 }, 1, 0, "beyond all memory" },
        { { INT64_MAX, INT64_MAX }, 2, 0, "[9223372036854775807, 9223372036854775807]" },
        { { (int64_t)1 << 32, (int64_t)1 << 31 }, 2, 0, "beyond all memory" },
        { { (int64_t)1 << 55 }, 1, 28, "of 24 in the file" },
        { { 31 }, 1, 8, "wanted rows of whole blocks of 32" },
        { { 31, 32 }, 2, 8, "shape [32, 31] of q8_0" },
        { { 128 }, 1, 12, "blocks of 256" },
        { { 0 }, 0, 2, "shape [] of q4_0" },
        { { 32 }, 1, 8, "34 bytes from byte 0 on, of 24" },
    };
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gguf_tensor(&g, "w", cases[i].type, cases[i].extents, cases[i].rank, numbers,
                    sizeof numbers);
        put_gguf(&b, &g);
        refused("t.gguf", &b, B4C_E_FORMAT, cases[i].part);
    }
    static const int64_t extents[] = { 6 };
    gguf_tensor(&g, "a", 0, extents, 1, numbers, sizeof numbers);
    gguf_tensor(&g, "a", 0, extents, 1, numbers, sizeof numbers);
    put_gguf(&b, &g);
    refused("t.gguf", &b, B4C_E_FORMAT, "'a': found twice");
    static const struct {
        uint64_t offset;
        const char *part;
    } places[] = { { 0, "shares bytes" },
                   { 4, "wanted a multiple of 32" },
                   { 64, "of 56" },
                   { UINT64_MAX - 31, "of 56" } };
    for (size_t i = 0; i < COUNT(places); i++) {
        gguf_tensor(&g, "a", 0, extents, 1, numbers, sizeof numbers);
        gguf_tensor(&g, "b", 0, extents, 1, numbers, sizeof numbers);
        for (int k = 0; k < 8; k++)
            g.tensors.data[g.tensors.size - 8 + (size_t)k] = (char)(places[i].offset >> 8 * k);
        put_gguf(&b, &g);
        refused("t.gguf", &b, B4C_E_FORMAT, places[i].part);
    }
    gguf_tensor(&g, "a\n", 0, extents, 1, numbers, sizeof numbers);
    put_gguf(&b, &g);
    refused("t.gguf", &b, B4C_E_FORMAT, "controls in it");
}

/* ---- split models --------------------------------------------------------------------------- */

/* NAME with a tensor of one number; the split's metadata as given. */
static void write_part(const char *name, int number, int count, int tensors, const char *tensor)
{
    static const int64_t extents[] = { 6 };
    gguf_maker g = { 0 };
    b4c_buffer b = { 0 };
    gguf_number(&g, "split.no", 2, (uint64_t)number, 2);
    gguf_number(&g, "split.count", 2, (uint64_t)count, 2);
    gguf_number(&g, "split.tensors.count", 5, (uint64_t)tensors, 4);
    gguf_tensor(&g, tensor, 0, extents, 1, numbers, sizeof numbers);
    put_gguf(&b, &g);
    temp_file(name, b.data, b.size);
    b4c_buffer_done(&b);
}

static void parts_of_different_models_are_refused(void **state)
{
    (void)state;
    b4c_store s;
    b4c_error err = { 0 };
    const char *first = temp_path("parts/m-00001-of-00002.gguf"), *folder;
    write_part("parts/m-00001-of-00002.gguf", 0, 2, 2, "a");
    assert_fails(b4c_store_open(&s, first, &err), &err, B4C_E_MISSING,
                 "part 'm-00002-of-00002.gguf' of its 2 is not there");
    write_part("parts/m-00002-of-00002.gguf", 1, 2, 2, "b");
    folder = temp_path("parts");
    assert_ok(b4c_store_open(&s, folder, &err), &err); /* one model, not two */
    holds(&s, "a", numbers, 6);
    holds(&s, "b", numbers, 6);
    b4c_store_close(&s);

    static const struct {
        int number, count, tensors;
        const char *tensor, *part;
    } cases[] = {
        { 0, 2, 2, "b", "says it is part 1 of 2, its name says 2 of 2" },
        { 1, 3, 2, "b", "part 2 of 3" },
        { 1, 2, 2, "a", "found twice" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_part("parts/m-00002-of-00002.gguf", cases[i].number, cases[i].count, cases[i].tensors,
                   cases[i].tensor);
        assert_fails(b4c_store_open(&s, first, &err), &err, B4C_E_FORMAT, cases[i].part);
    }
    write_part("parts/m-00002-of-00002.gguf", 1, 2, 2, "b");
    write_part("parts/m-00001-of-00002.gguf", 0, 2, 3, "a");
    assert_fails(b4c_store_open(&s, first, &err), &err, B4C_E_FORMAT, "states 3 tensors");
    write_part("parts/m-00001-of-00002.gguf", 0, 0, 3, "a");
    assert_fails(b4c_store_open(&s, first, &err), &err, B4C_E_FORMAT, "'split.count' is 0");
    temp_text("parts/m-00001-of-00002.gguf", "something else");
    assert_fails(b4c_store_open(&s, temp_path("parts/m-00002-of-00002.gguf"), &err), &err,
                 B4C_E_FORMAT, "is no GGUF file");
    write_part("alone.gguf", 0, 2, 2, "a");
    assert_fails(b4c_store_open(&s, temp_path("alone.gguf"), &err), &err, B4C_E_ARG,
                 "its name must end in -00001-of-00002.gguf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_of_llama_cpp_are_the_hubs),
        cmocka_unit_test(every_type_has_the_numbers_of_ggml),
        cmocka_unit_test(blocks_can_be_kept_as_they_are),
        cmocka_unit_test(rows_of_neighbours_come_in_the_hubs_order),
        cmocka_unit_test(a_tensor_of_nothing_is_empty),
        cmocka_unit_test(types_that_are_not_read_are_named),
        cmocka_unit_test(metadata_of_every_kind_is_read),
        cmocka_unit_test(metadata_of_another_type_is_an_error_that_names_it),
        cmocka_unit_test(a_vocabulary_is_in_the_first_of_split_files),
        cmocka_unit_test(a_gguf_header_that_lies_is_refused),
        cmocka_unit_test(metadata_that_lie_are_refused),
        cmocka_unit_test(tensors_that_lie_are_refused),
        cmocka_unit_test(parts_of_different_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
