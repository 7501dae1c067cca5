/* test_kinds_open.c - vocabularies of every kind from their files: which class puts what around a
 * text, what the files may lack, and what is refused.
 */
#include <math.h>

#include "base/gguf.h"
#include "support/test.h"
#include "text/gguf_tokens.h"
#include "unit/format_maker.h"
#include "unit/text_case.h"

/* ---- SentencePiece models ---------------------------------------------------------------- */

/* A folder with one of the golden models and two files beside it; NULL: absent. */
static const char *pieces_folder(const char *model, const char *file, const char *config,
                                 const char *hub_model)
{
    static int n;
    size_t bytes;
    char path[100];
    snprintf(path, sizeof path, "tests/golden/pieces/%s.model", model);
    char *data = read_file(path, &bytes);
    snprintf(path, sizeof path, "pieces-%d/%s", n, file);
    temp_file(path, data, bytes);
    free(data);
    snprintf(path, sizeof path, "pieces-%d/tokenizer_config.json", n);
    if (config) temp_text(path, config);
    snprintf(path, sizeof path, "pieces-%d/config.json", n);
    if (hub_model) temp_text(path, hub_model);
    return temp_path("pieces-%d", n++);
}

static b4c_tokenizer *open_pieces(const char *model, const char *file, const char *config,
                                  const char *hub_model)
{
    return open_path(pieces_folder(model, file, config, hub_model));
}

/* REPORTS L09: a converted T5's tokenizer forgot the end token. */
static void the_class_says_what_stands_around_pieces(void **state)
{
    (void)state;
    b4c_tokenizer *t = open_pieces("unigram", "spiece.model",
                                   "{\"tokenizer_class\":\"T5Tokenizer\"}", NULL);
    assert_int_equal(b4c_tokenizer_count(t), 3100);
    assert_all(t, "今天", NULL, "631 2");
    assert_all(t, "今天", "今天", "631 2 631 2");
    assert_all(t, "今天<extra_id_0>今天<extra_id_99></s>", NULL, "631 3099 631 3000 2 2");
    assert_int_equal(describe(t).eos, 2);
    assert_true(describe(t).bos == 1 && describe(t).pad == -1 && describe(t).unknown == 0);
    b4c_tokenizer_free(t);

    t = open_pieces("bpe", "tokenizer.model", NULL, "{\"model_type\":\"llama\"}");
    assert_all(t, "今天", "今天", "1 1346 484 1 1346 484");
    assert_true(describe(t).start == 1 && describe(t).end == 2);
    assert_true(describe(t).kind == B4C_TOKENIZER_BPE);
    b4c_tokenizer_free(t);
    t = open_pieces("bpe", "tokenizer.model",
                    "{\"tokenizer_class\":\"LlamaTokenizerFast\",\"add_bos_token\":false,"
                    "\"add_eos_token\":true,\"legacy\":false}", NULL);
    assert_all(t, "今天<s>今天", NULL, "1346 484 1 484 2"); /* a blank at the text's front only */
    b4c_tokenizer_free(t);
    t = open_pieces("bpe", "tokenizer.model",
                    "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_prefix_space\":false}", NULL);
    assert_all(t, "今天", NULL, "1 484");
    b4c_tokenizer_free(t);

    t = open_pieces("unigram", "spiece.model", NULL, "{\"model_type\":\"pegasus\"}");
    assert_all(t, "今天", "今天", "734 734 1");
    assert_int_equal(b4c_tokenizer_find(t, "<unk_102>"), 104);
    assert_true(describe(t).unknown == 105 && describe(t).pad == 0 && describe(t).mask == 3);
    b4c_tokenizer_free(t);
    t = open_pieces("unigram", "sentencepiece.bpe.model",
                    "{\"tokenizer_class\":\"XLMRobertaTokenizer\"}", NULL);
    assert_all(t, "今天<mask>", "今天", "0 632 3001 2 2 632 2");
    assert_true(describe(t).cls == 0 && describe(t).sep == 2 && describe(t).unknown == 3);
    b4c_tokenizer_free(t);

    t = open_pieces("unigram", "spiece.model", "{\"tokenizer_class\":\"OwnTokenizer\"}", NULL);
    assert_all(t, "今天</s>", NULL, "631 65 1704 442 2304"); /* no class makes that a token */
    assert_non_null(strstr(describe(t).notes, "OwnTokenizer"));
    b4c_tokenizer_free(t);
    b4c_error err = { 0 };
    t = b4c_tokenizer_open(pieces_folder("unigram", "spiece.model",
                                         "{\"tokenizer_class\":\"AlbertTokenizer\"}", NULL),
                           B4C_DIALECT_AUTO, &err);
    assert_null(t);
    assert_error(&err, B4C_E_UNSUPPORTED, "AlbertTokenizer");
}

static void wordpieces_options_are_refused_elsewhere(void **state)
{
    (void)state;
    b4c_tokenizer_options o[4] = { B4C_TOKENIZER_DEFAULT, B4C_TOKENIZER_DEFAULT,
                                   B4C_TOKENIZER_DEFAULT, B4C_TOKENIZER_DEFAULT };
    o[0].dialect = B4C_DIALECT_BERT4KERAS;
    o[1].lower_case = 0;
    o[2].words = 1;
    o[3].user_words = "words.txt";
    for (size_t i = 0; i < COUNT(o); i++) {
        b4c_error err = { 0 };
        assert_null(b4c_tokenizer_open_with("tests/golden/pieces/bpe.model", &o[i], &err));
        assert_error(&err, B4C_E_ARG, "choices of WordPiece");
    }
}

/* ---- vocab.json and merges.txt ----------------------------------------------------------- */

static char *vocab_json, *merges_txt;

/* The golden tokenizer.json as these two. */
static int divide(void **state)
{
    (void)state;
    json_t *whole = json_load_file("tests/golden/bytes/tokenizer.json", 0, NULL), *pair;
    const json_t *model = json_object_get(whole, "model");
    b4c_buffer lines = { 0 };
    size_t i;
    b4c_buffer_text(&lines, "#version: 0.2\n");
    json_array_foreach(json_object_get(model, "merges"), i, pair)
        b4c_buffer_print(&lines, "%s %s\r\n", json_string_value(json_array_get(pair, 0)),
                         json_string_value(json_array_get(pair, 1)));
    merges_txt = lines.data;
    vocab_json = json_dumps(json_object_get(model, "vocab"), JSON_ENSURE_ASCII);
    json_decref(whole);
    return lines.failed || !vocab_json ? -1 : 0;
}

static int unite(void **state)
{
    (void)state;
    free(vocab_json);
    free(merges_txt);
    return 0;
}

static void vocab_json_with_merges_is_the_same_as_tokenizer_json(void **state)
{
    (void)state;
    temp_text("bpe/vocab.json", vocab_json);
    temp_text("bpe/merges.txt", merges_txt);
    temp_text("bpe/tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\"}");
    temp_text("bpe/vocab.txt", "not read");
    b4c_tokenizer *whole = open_path("tests/golden/bytes/tokenizer.json");
    b4c_tokenizer *parts[2] = { open_path(temp_path("bpe")),
                                open_path(temp_path("bpe/vocab.json")) };
    b4c_rng r;
    b4c_rng_init(&r, 31, 0, 0);
    b4c_encoding a = { 0 }, b = { 0 };
    char text[400];
    for (int i = 0; i < 400; i++) {
        const size_t n = random_text(&r, 40, text);
        encode(whole, text, n, &a);
        encode(parts[i & 1], text, n, &b);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.ids, b.ids, (size_t)a.n * sizeof *a.ids);
        assert_memory_equal(a.begin, b.begin, (size_t)a.n * sizeof *a.begin);
    }
    assert_true(describe(parts[0]).bos == 0 && describe(parts[0]).eos == 0);
    assert_int_equal(describe(parts[0]).kind, B4C_TOKENIZER_BYTE_BPE);
    b4c_encoding_free(&a);
    b4c_encoding_free(&b);
    b4c_tokenizer_free(whole);
    b4c_tokenizer_free(parts[0]);
    b4c_tokenizer_free(parts[1]);
}

static b4c_tokenizer *make_bpe(const char *config, const char *added, const char *model)
{
    return make((made_of){ .bpe = vocab_json, .merges = merges_txt, .config = config,
                           .added = added, .model = model }, NULL);
}

static void the_class_says_what_stands_around_byte_level_bpe(void **state)
{
    (void)state;
    b4c_tokenizer *t = make_bpe("{\"add_bos_token\":true}", NULL, "{\"model_type\":\"gpt2\"}");
    assert_all(t, "ab", "ab", "0 65 66 0 65 66");
    b4c_tokenizer_free(t);
    t = make_bpe("{\"tokenizer_class\":\"Qwen2Tokenizer\",\"eos_token\":\"<|im_end|>\"}",
                 "{\"<|im_end|>\":3000,\"<tool>\":3001}", NULL);
    assert_all(t, "12<|im_end|>e\u0301<tool>", NULL, "17 18 3000 128 103 3001"); /* composed */
    assert_true(describe(t).eos == 3000 && describe(t).pad == -1);
    b4c_tokenizer_free(t);
    t = make_bpe("{\"tokenizer_class\":\"RobertaTokenizer\",\"cls_token\":\"<s>\",\"sep_token\":"
                 "\"</s>\",\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true},"
                 "\"add_prefix_space\":true}",
                 "{\"<s>\":3000,\"</s>\":3001,\"<mask>\":3002}", NULL);
    assert_all(t, "a <mask>", "b", "3000 221 65 3002 3001 3001 221 66 3001");
    assert_int_equal(describe(t).mask, 3002);
    b4c_tokenizer_free(t);
    t = make_bpe("{\"tokenizer_class\":\"BartTokenizer\"}", NULL, NULL);
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    assert_fails(b4c_tokenize(t, "a", 1, NULL, 0, NULL, &e, &err), &err, B4C_E_MISSING,
                 "lacks a token that stands around every text");
    b4c_tokenizer_free(t);
    b4c_encoding_free(&e);
}

static void wrong_bpe_files_are_refused(void **state)
{
    (void)state;
    const struct { made_of files; int code; const char *why; } cases[] = {
        { { .bpe = vocab_json }, B4C_E_MISSING, "no merges.txt" },
        { { .bpe = "{\"a</w>\":0}", .merges = "" }, B4C_E_UNSUPPORTED, "</w>" },
        { { .bpe = "{\"a\":0,\"b\":0}", .merges = "" }, B4C_E_FORMAT, "id 0" },
        { { .bpe = "{\"a\":0,\"a\":1}", .merges = "" }, B4C_E_FORMAT, "both \"a\"" },
        { { .bpe = "{\"a\":-1}", .merges = "" }, B4C_E_FORMAT, "'a'" },
        { { .bpe = "[]", .merges = "" }, B4C_E_FORMAT, "found 0 tokens" },
        { { .bpe = "{\"a\":0", .merges = "" }, B4C_E_FORMAT, "JSON" },
        { { .bpe = "{\"a\":0}", .merges = "a" }, B4C_E_FORMAT, "merge 0" },
        { { .bpe = "{\"a\":0}", .merges = "a  a" }, B4C_E_FORMAT, "merge 0" },
        { { .bpe = "{\"a\":0}", .merges = "a a" }, B4C_E_FORMAT, "no tokens of the vocabulary" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        assert_null(try_make(cases[i].files, NULL, &err));
        assert_error(&err, cases[i].code, cases[i].why);
    }
}

/* ---- tokenizer.json ---------------------------------------------------------------------- */

#define UNIGRAM(rest)                                                                   \
    "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1.5]," \
    "[\"\\u2581\",-2e0],[\"\\u2581a\",-1.25]]}" rest "}"
#define BPE(model, rest)                                                              \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"?\":3},\"merges\":" \
    "[[\"a\",\"b\"]]" model "}" rest "}"
#define BYTES ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define NORMAL(part) ",\"normalizer\":" part
#define BEFORE(part) ",\"pre_tokenizer\":" part

static void small_files_are_read(void **state)
{
    (void)state;
    static const struct { const char *json, *text, *wanted; } cases[] = {
        { UNIGRAM(""), "aa", "a a" },
        { UNIGRAM(BEFORE("{\"type\":\"Metaspace\",\"add_prefix_space\":false}")), "a a",
          "a \u2581a" },
        { UNIGRAM(BEFORE("{\"type\":\"Metaspace\"}")), "a bba", "\u2581a \u2581 <unk> a" },
        { BPE("", BYTES), "abcb", "ab b" },
        { BPE(",\"unk_token\":\"?\",\"fuse_unk\":true", ""), "abccb", "ab ? b" },
        { BPE("", NORMAL("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"},{"
                         "\"type\":\"Strip\"},{\"type\":\"Prepend\",\"prepend\":\"b\"}]}")),
          " AB ", "b ab" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}", "ab", "ab" },
        { "{\"model\":{\"vocab\":[[\"a\",-1],[\"?\",0]],\"unk_id\":1}}", "a", "a" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_tokenizer *t = make((made_of){ .json = cases[i].json }, NULL);
        assert_tokens(t, cases[i].text, cases[i].wanted);
        b4c_tokenizer_free(t);
    }
}

static void what_is_not_done_is_refused_by_name(void **state)
{
    (void)state;
#define SPLIT(pattern, rest) "{\"type\":\"Split\",\"pattern\":" pattern ",\"behavior\":" rest "}"
#define SEQUENCE(parts) "{\"type\":\"Sequence\",\"pretokenizers\":[" parts "]}"
    static const struct { const char *json; int code; const char *why; } cases[] = {
        { UNIGRAM(NORMAL("{\"type\":\"Nmt\"}")), B4C_E_UNSUPPORTED, "'Nmt'" },
        { UNIGRAM(NORMAL("{\"type\":\"BertNormalizer\"}")), B4C_E_UNSUPPORTED, "BertNormalizer" },
        { UNIGRAM(NORMAL("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"\"}")),
          B4C_E_UNSUPPORTED, "'x+'" },
        { UNIGRAM(NORMAL("{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"a\"}")),
          B4C_E_FORMAT, "Replace" },
        { UNIGRAM(NORMAL("{\"type\":\"Replace\",\"content\":\"a\"}")), B4C_E_FORMAT, "Replace" },
        { UNIGRAM(NORMAL("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"}")),
          B4C_E_FORMAT, "base64" },
        { UNIGRAM(NORMAL("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}")),
          B4C_E_FORMAT, "precompiled_charsmap" },
        { UNIGRAM(NORMAL("{\"type\":\"Sequence\"}")), B4C_E_FORMAT, "normalizers" },
        { UNIGRAM(NORMAL("{\"type\":\"Strip\",\"strip_left\":3}")), B4C_E_FORMAT, "strip_left" },
        { UNIGRAM(BEFORE("{\"type\":\"Metaspace\",\"replacement\":\"_\"}")), B4C_E_UNSUPPORTED,
          "'_'" },
        { UNIGRAM(BEFORE("{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}")),
          B4C_E_UNSUPPORTED, "'last'" },
        { UNIGRAM(BEFORE("{\"type\":\"WhitespaceSplit\"}")), B4C_E_UNSUPPORTED, "WhitespaceSplit" },
        { UNIGRAM(BEFORE("{\"type\":\"Punctuation\"}")), B4C_E_UNSUPPORTED, "Punctuation" },
        { UNIGRAM(BYTES), B4C_E_UNSUPPORTED, "Unigram model over ByteLevel" },
        { BPE("", BEFORE(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}"))),
          B4C_E_UNSUPPORTED, "Digits" },
        { BPE("", BEFORE(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":false},{\"type\":"
                                  "\"ByteLevel\"}"))), B4C_E_UNSUPPORTED, "Digits" },
        { BPE("", BEFORE(SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":"
                                  "\"ByteLevel\"}"))), B4C_E_UNSUPPORTED, "add_prefix_space" },
        { BPE("", BEFORE(SPLIT("{\"Regex\":\"[a-z]+\"}", "\"Isolated\""))), B4C_E_UNSUPPORTED,
          "'[a-z]+'" },
        { BPE("", BEFORE(SPLIT("{\"String\":\" \"}", "\"MergedWithPrevious\""))), B4C_E_UNSUPPORTED,
          "MergedWithPrevious" },
        { BPE("", BEFORE(SEQUENCE("{\"type\":\"ByteLevel\"},{\"type\":\"ByteLevel\"}"))),
          B4C_E_UNSUPPORTED, "ByteLevel" },
        { BPE("", BEFORE("{\"type\":\"Sequence\"}")), B4C_E_FORMAT, "pretokenizers" },
        { BPE(",\"end_of_word_suffix\":\"</w>\"", BYTES), B4C_E_UNSUPPORTED, "end_of_word_suffix" },
        { BPE(",\"continuing_subword_prefix\":\"##\"", BYTES), B4C_E_UNSUPPORTED, "'##'" },
        { BPE(",\"unk_token\":\"!\"", ""), B4C_E_FORMAT, "unknown token '!'" },
        { BPE(",\"fuse_unk\":7", ""), B4C_E_FORMAT, "fuse_unk" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", B4C_E_FORMAT, "merge" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.0},\"merges\":[3]}}", B4C_E_FORMAT,
          "merge 0" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", B4C_E_FORMAT,
          "merge 0" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":[[\"a\",0]],\"merges\":[]}}", B4C_E_FORMAT,
          "not an object" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":{\"a\":0}}}", B4C_E_FORMAT,
          "not a list" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]]}}", B4C_E_UNSUPPORTED,
          "unk_id" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":9,\"vocab\":[[\"a\",-1]]}}", B4C_E_FORMAT,
          "no unknown piece" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",-1],[\"\",0]]}}",
          B4C_E_FORMAT, "piece 1 is empty" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",-1],[\"a\",0]]}}",
          B4C_E_FORMAT, NULL }, /* the unknown one and another: see below */
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",\"b\"]]}}", B4C_E_FORMAT,
          "piece 0 is not [text, score]" },
        { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",1e999]]}}", B4C_E_FORMAT,
          "JSON" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        b4c_tokenizer *t = try_make((made_of){ .json = cases[i].json }, NULL, &err);
        if (!cases[i].why) { /* spelt the same, but only one of them is cut from texts */
            assert_non_null(t);
            b4c_tokenizer_free(t);
            continue;
        }
        if (t) fail_msg("taken: %s", cases[i].json);
        assert_error(&err, cases[i].code, cases[i].why);
    }
}

static int use_json(const void *bytes, size_t n, void *arg, b4c_error *err)
{
    (void)arg;
    b4c_source source[B4C_SOURCES] = { 0 };
    source[B4C_SOURCE_TOKENIZER] = (b4c_source){ bytes, n, "tokenizer.json" };
    b4c_tokenizer *t = b4c_tokenizer_make(source, NULL, err);
    if (!t) return err->code;
    b4c_encoding e = { 0 };
    const int rc = b4c_tokenize(t, "a b\u4f60 ab", 9, NULL, 0, NULL, &e, err);
    char *text = rc < 0 ? NULL : b4c_detokenize(t, e.ids, e.n, true, err);
    if (rc == 0) assert_non_null(text);
    free(text);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
    return rc;
}

static void a_cut_or_changed_file_is_an_error_or_a_tokenizer(void **state)
{
    (void)state;
    static const char *const files[] = {
        UNIGRAM(BEFORE("{\"type\":\"Metaspace\",\"split\":true}") NORMAL(
            "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":\"Replace\","
            "\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"}]}")),
        BPE(",\"byte_fallback\":true,\"unk_token\":\"?\"",
            ",\"added_tokens\":[{\"id\":3,\"content\":\"?\",\"special\":true}],\"decoder\":{"
            "\"type\":\"ByteFallback\"}"),
        BPE("", BYTES ",\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"a\",0],"
                      "\"cls\":[\"b\",1]}"),
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        const cut_result r = cut_bytes(files[i], strlen(files[i]), 1, use_json, NULL);
        assert_int_equal(r.cuts_taken, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_class_says_what_stands_around_pieces),
        cmocka_unit_test(wordpieces_options_are_refused_elsewhere),
        cmocka_unit_test(vocab_json_with_merges_is_the_same_as_tokenizer_json),
        cmocka_unit_test(the_class_says_what_stands_around_byte_level_bpe),
        cmocka_unit_test(wrong_bpe_files_are_refused),
        cmocka_unit_test(small_files_are_read),
        cmocka_unit_test(what_is_not_done_is_refused_by_name),
        cmocka_unit_test(a_cut_or_changed_file_is_an_error_or_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, divide, unite);
}
