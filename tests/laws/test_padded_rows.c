/* test_padded_rows.c - embeddings have more rows than there are tokens, for round numbers: rows
 * without a token are never written and weigh nothing, and a conversion bears them. Sizes are those
 * that users reported.
 *
 * The model is a GPT-2 whose last norm gives ones whatever comes in, so that a token's logit is the
 * sum of its row: that of a row without a token is far above all others.
 */
#include "bert4c.h"
#include "model/format/safetensors_write.h"
#include "support/test.h"

enum { WIDTH = 8, POSITIONS = 32 };

typedef struct size {
    int tokens, rows;
} size;
static const size sizes[] = { { 50257, 50304 }, { 60515, 60928 }, { 32022, 32256 } };

/* ---- a model's folder ------------------------------------------------------------------------ */

static float value_of(const char *name, size_t i, int tokens)
{
    if (strstr(name, "ln_f.bias")) return 1;
    if (strstr(name, "ln_f")) return 0;
    if (strstr(name, "ln_")) return strstr(name, "weight") ? 1 : 0;
    if (strstr(name, "wte") && i / WIDTH >= (size_t)tokens) return 100;
    uint32_t h = (uint32_t)i * 2654435761u;
    h ^= h >> 15;
    return (float)(h % 2001) / 1000 - 1;
}

static void write_weights(const char *path, size s)
{
    b4c_tensor_out list[] = {
        { "transformer.wte.weight", B4C_STORED_F32, 2, { s.rows, WIDTH }, NULL },
        { "transformer.wpe.weight", B4C_STORED_F32, 2, { POSITIONS, WIDTH }, NULL },
        { "transformer.h.0.ln_1.weight", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.h.0.ln_1.bias", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.h.0.attn.c_attn.weight", B4C_STORED_F32, 2, { WIDTH, 3 * WIDTH }, NULL },
        { "transformer.h.0.attn.c_attn.bias", B4C_STORED_F32, 1, { 3 * WIDTH }, NULL },
        { "transformer.h.0.attn.c_proj.weight", B4C_STORED_F32, 2, { WIDTH, WIDTH }, NULL },
        { "transformer.h.0.attn.c_proj.bias", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.h.0.ln_2.weight", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.h.0.ln_2.bias", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.h.0.mlp.c_fc.weight", B4C_STORED_F32, 2, { WIDTH, 4 * WIDTH }, NULL },
        { "transformer.h.0.mlp.c_fc.bias", B4C_STORED_F32, 1, { 4 * WIDTH }, NULL },
        { "transformer.h.0.mlp.c_proj.weight", B4C_STORED_F32, 2, { 4 * WIDTH, WIDTH }, NULL },
        { "transformer.h.0.mlp.c_proj.bias", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.ln_f.weight", B4C_STORED_F32, 1, { WIDTH }, NULL },
        { "transformer.ln_f.bias", B4C_STORED_F32, 1, { WIDTH }, NULL },
    };
    b4c_error err = { 0 };
    b4c_safetensors_out out;
    float *x = malloc((size_t)s.rows * WIDTH * sizeof *x);
    assert_non_null(x);
    assert_ok(b4c_safetensors_begin(&out, path, list, COUNT(list), &err), &err);
    for (size_t t = 0; t < COUNT(list); t++) {
        const size_t n = (size_t)(list[t].shape[0] * (list[t].rank > 1 ? list[t].shape[1] : 1));
        for (size_t i = 0; i < n; i++) x[i] = value_of(list[t].name, i, s.tokens);
        assert_ok(b4c_safetensors_put(&out, x, n, &err), &err);
    }
    assert_ok(b4c_safetensors_commit(&out, &err), &err);
    free(x);
}

/* `stated`: vocab_size of its configuration. `added`: the last tokens stand in added_tokens.json.
 */
static const char *make_folder(const char *name, size s, int stated, int added)
{
    char path[64], *text = malloc((size_t)s.tokens * 12 + 64);
    assert_non_null(text);
    int n = sprintf(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 5; i < s.tokens - added; i++) n += sprintf(text + n, "w%d\n", i);
    snprintf(path, sizeof path, "%s/vocab.txt", name);
    temp_text(path, text);
    snprintf(path, sizeof path, "%s/config.json", name);
    sprintf(text,
            "{\"model_type\":\"gpt2\",\"vocab_size\":%d,\"n_embd\":%d,\"n_layer\":1,"
            "\"n_head\":2,\"n_positions\":%d}",
            stated, WIDTH, POSITIONS);
    temp_text(path, text);
    for (n = sprintf(text, "{"); added > 0; added--)
        n += sprintf(text + n, "\"<new%d>\": %d%s", added, s.tokens - added, added > 1 ? "," : "}");
    snprintf(path, sizeof path, "%s/added_tokens.json", name);
    if (n > 1) temp_text(path, text);
    free(text);
    write_weights(temp_path("%s/model.safetensors", name), s);
    return temp_path("%s", name);
}

static b4c_session *open_model(const char *folder, b4c_dtype dtype, b4c_model **m)
{
    b4c_error err = { 0 };
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = dtype;
    o.need_head = true;
    *m = b4c_model_open(folder, &o, &err);
    if (!*m) fail_msg("%s: %s", folder, err.message);
    b4c_session *s = b4c_session_new(*m, &(b4c_session_options){ .threads = 2 }, &err);
    if (!s) fail_msg("%s", err.message);
    return s;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void check_writing(b4c_session *s, int tokens)
{
    static const char *const text = "w7 w8";
    for (int way = 0; way < 4; way++) {
        b4c_error err = { 0 };
        b4c_generation g;
        b4c_generate_options o = B4C_GENERATE_DEFAULT;
        o.max_new_tokens = 6;
        o.allow_unknown = true;
        o.logprobs = true;
        if (way == 1) o.beams = o.n = 3;
        if (way >= 2) o.sample = true, o.n = 8;
        if (way == 3) o.temperature = 100;
        assert_ok(b4c_generate(s, &text, NULL, 1, &o, &g, &err), &err);
        for (int k = 0; k < g.count[0]; k++) {
            const b4c_result *r = &g.result[0][k];
            assert_true(r->n > 0);
            for (int i = 0; i < r->n; i++) {
                assert_true(r->ids[i] >= 0 && r->ids[i] < tokens);
                /* rows without a token, of exp(800) each, would leave nothing for the others */
                assert_true(r->token_logprob[i] > -40);
            }
        }
        b4c_generation_free(&g);
    }
}

/* REPORTS L17. The configuration may state either number. */
static void rows_without_a_token_are_never_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (int padded = 0; padded < 2; padded++) {
            b4c_model *m;
            b4c_session *s = open_model(
                make_folder("writes", sizes[i], padded ? sizes[i].rows : sizes[i].tokens, 0),
                padded ? B4C_F32 : B4C_I8, &m);
            check_writing(s, sizes[i].tokens);
            b4c_session_free(s);
            b4c_model_free(m);
        }
}

static void rows_without_a_token_weigh_nothing(void **state)
{
    (void)state;
    static const char *const text = "w7 w8 w9 w31999 w5";
    const size bare = { sizes[2].tokens, sizes[2].tokens };
    b4c_scores with, without;
    b4c_error err = { 0 };
    b4c_model *a, *b;
    b4c_session *padded = open_model(make_folder("with", sizes[2], sizes[2].rows, 0), B4C_F32, &a),
                *plain = open_model(make_folder("without", bare, bare.rows, 0), B4C_F32, &b);
    assert_ok(b4c_score_texts(padded, NULL, NULL, &text, NULL, 1, NULL, &with, &err), &err);
    assert_ok(b4c_score_texts(plain, NULL, NULL, &text, NULL, 1, NULL, &without, &err), &err);
    assert_true(with.score[0].n == without.score[0].n && with.score[0].n >= 5);
    assert_memory_equal(with.score[0].token_logprob, without.score[0].token_logprob,
                        (size_t)with.score[0].n * sizeof(float));
    b4c_scores_free(&with);
    b4c_scores_free(&without);
    b4c_session_free(padded);
    b4c_session_free(plain);
    b4c_model_free(a);
    b4c_model_free(b);
}

/* ---- converting ------------------------------------------------------------------------------ */

static void same_text(b4c_session *a, b4c_session *b)
{
    static const char *const text = "w7 w8";
    b4c_error err = { 0 };
    b4c_generation x, y;
    b4c_generate_options o = B4C_GENERATE_DEFAULT;
    o.max_new_tokens = 6;
    o.sample = true;
    o.n = 4;
    assert_ok(b4c_generate(a, &text, NULL, 1, &o, &x, &err), &err);
    assert_ok(b4c_generate(b, &text, NULL, 1, &o, &y, &err), &err);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(x.result[0][k].n, y.result[0][k].n);
        assert_memory_equal(x.result[0][k].ids, y.result[0][k].ids,
                            (size_t)x.result[0][k].n * sizeof(int32_t));
    }
    b4c_generation_free(&x);
    b4c_generation_free(&y);
}

/* REPORTS L16: tokens in added_tokens.json, or rows beyond them, ended others' conversion. */
static void added_tokens_and_padded_rows_are_converted(void **state)
{
    (void)state;
    static const b4c_dtype dtypes[] = { B4C_F32, B4C_BF16, B4C_I8 };
    for (int padded = 0; padded < 2; padded++) {
        const char *from = make_folder("source", sizes[0], padded ? sizes[0].rows : sizes[0].tokens,
                                       3);
        for (size_t d = 0; d < COUNT(dtypes); d++) {
            b4c_error err = { 0 };
            const b4c_convert_options o = { .dtype = dtypes[d], .force = true };
            b4c_model *a, *b;
            assert_ok(b4c_convert(from, temp_path("target"), &o, NULL, &err), &err);
            b4c_session *before = open_model(from, dtypes[d], &a),
                        *after = open_model(temp_path("target"), dtypes[d], &b);
            const b4c_tokenizer *t = b4c_model_tokenizer(b);
            assert_int_equal(b4c_tokenizer_count(t), sizes[0].tokens);
            assert_int_equal(b4c_tokenizer_find(t, "<new1>"), 50256);
            same_text(before, after);
            check_writing(after, sizes[0].tokens);
            b4c_session_free(before);
            b4c_session_free(after);
            b4c_model_free(a);
            b4c_model_free(b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_a_token_are_never_written),
        cmocka_unit_test(rows_without_a_token_weigh_nothing),
        cmocka_unit_test(added_tokens_and_padded_rows_are_converted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
