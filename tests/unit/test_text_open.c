/* test_text_open.c - what the files of a folder make of a tokenizer, and files that are wrong. */
#include "support/test.h"
#include "text/vocab_json.h"
#include "unit/text_case.h"

static const char lines[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\ne\né\nA\n我\n##我\n你\nI\n";

/* A tokenizer.json over a small vocabulary; `rest` follows the model: ",\"normalizer\":...". */
static char json_text[4000];
static const char *json_with(const char *rest)
{
    snprintf(json_text, sizeof json_text,
             "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":{\"[PAD]\":0,"
             "\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"[MASK]\":4,\"a\":5,\"b\":6,\"##b\":7,\"e\":8,"
             "\"A\":9,\"我\":10,\"##你\":11,\"你\":12,\"é\":13}}%s}", rest);
    return json_text;
}

#define BERT_NORMAL ",\"normalizer\":{\"type\":\"BertNormalizer\"}"
#define BERT_WORDS ",\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"

/* ---- folders ------------------------------------------------------------------------------- */

/* A folder with these files; NULL ends the list of name, content pairs. */
static b4c_tokenizer *open_folder(const char *folder, const char *const *files, b4c_dialect d)
{
    char name[200];
    for (int i = 0; files[i]; i += 2) {
        snprintf(name, sizeof name, "%s/%s", folder, files[i]);
        temp_text(name, files[i + 1]);
    }
    b4c_error err = { 0 };
    b4c_tokenizer *t = b4c_tokenizer_open(temp_path("%s", folder), d, &err);
    if (!t) fail_msg("%s: %s", folder, err.message);
    return t;
}

static void the_files_decide_the_dialect(void **state)
{
    (void)state;
    static const char hub_model[] = "{\"model_type\":\"bert\",\"vocab_size\":15}";
    static const char own_model[] = "{\"hidden_size\":40,\"vocab_size\":15}";
    const struct { const char *files[9]; b4c_dialect want; } cases[] = {
        { { "vocab.txt", lines }, B4C_DIALECT_HUB },
        { { "vocab.txt", lines, "config.json", hub_model }, B4C_DIALECT_HUB },
        { { "vocab.txt", lines, "config.json", own_model }, B4C_DIALECT_BERT4KERAS },
        { { "vocab.txt", lines, "bert_config.json", own_model }, B4C_DIALECT_BERT4KERAS },
        { { "vocab.txt", lines, "bert_config.json", own_model, "tokenizer_config.json", "{}" },
          B4C_DIALECT_HUB },
        { { "vocab.txt", lines, "bert_config.json", own_model, "config.json", hub_model },
          B4C_DIALECT_HUB },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char folder[40];
        snprintf(folder, sizeof folder, "dialect-%zu", i);
        b4c_tokenizer *t = open_folder(folder, cases[i].files, B4C_DIALECT_AUTO);
        assert_int_equal(describe(t).dialect, cases[i].want);
        assert_true(describe(t).lower_case);
        b4c_tokenizer_free(t);
    }
    const char *const files[] = { "tokenizer.json", json_with(BERT_NORMAL BERT_WORDS), NULL };
    b4c_tokenizer *t = open_folder("dialect-json", files, B4C_DIALECT_AUTO);
    assert_int_equal(describe(t).dialect, B4C_DIALECT_HUB);
    b4c_tokenizer_free(t);
    t = open_folder("dialect-json", files, B4C_DIALECT_BERT4KERAS);
    assert_int_equal(describe(t).dialect, B4C_DIALECT_BERT4KERAS);
    assert_tokens(t, "[MASK]é", "[UNK] [UNK] [UNK] e");
    b4c_tokenizer_free(t);
}

static void tokenizer_json_goes_before_vocab_txt(void **state)
{
    (void)state;
    const char *const files[] = { "tokenizer.json", json_with(BERT_NORMAL BERT_WORDS), "vocab.txt",
                                  "broken\n\nbroken\n", NULL };
    b4c_tokenizer *t = open_folder("before", files, B4C_DIALECT_AUTO);
    assert_int_equal(b4c_tokenizer_count(t), 14);
    b4c_tokenizer_free(t);
}

static void a_file_is_read_with_the_settings_beside_it(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    temp_text("beside/tokenizer_config.json", "{\"do_lower_case\":false,\"model_max_length\":77}");
    const char *path = temp_text("beside/words.txt", lines);
    b4c_tokenizer *t = b4c_tokenizer_open(path, B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    assert_true(!describe(t).lower_case && describe(t).max_length == 77);
    b4c_tokenizer_free(t);
    path = temp_text("beside/other.JSON", json_with(BERT_NORMAL BERT_WORDS));
    t = b4c_tokenizer_open(path, B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    assert_tokens(t, "A", "A");
    b4c_tokenizer_free(t);
}

static void a_file_that_is_no_vocabulary_is_named(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    temp_text("spm/spiece.model", "x");
    assert_null(b4c_tokenizer_open(temp_path("spm"), B4C_DIALECT_AUTO, &err));
    assert_error(&err, B4C_E_FORMAT, "spiece.model: not a SentencePiece model");
    assert_null(b4c_tokenizer_open(NULL, B4C_DIALECT_AUTO, &err));
    assert_null(b4c_tokenizer_open(temp_path("spm/nothing.txt"), B4C_DIALECT_AUTO, NULL));
    b4c_tokenizer_free(NULL);
}

/* ---- tokenizer_config.json and its neighbours ---------------------------------------------- */

static void a_limit_of_1e30_is_no_limit(void **state)
{
    (void)state;
    static const struct { const char *value; int want; } cases[] = {
        { "512", 512 }, { "512.0", 512 }, { "1000000000000000019884624838656", 0 },
        { "1e30", 0 }, { "null", 0 }, { "-1", 0 }, { "0", 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char config[100];
        snprintf(config, sizeof config, "{\"do_lower_case\":false,\"model_max_length\":%s}",
                 cases[i].value);
        b4c_tokenizer *t = make((made_of){ .vocabulary = lines, .config = config }, NULL);
        assert_int_equal(describe(t).max_length, cases[i].want);
        assert_false(describe(t).lower_case);
        b4c_tokenizer_free(t);
    }
}

static void flags_are_read_and_null_leaves_the_default(void **state)
{
    (void)state;
    static const struct { const char *config; bool lower, strip, chinese, clean; } cases[] = {
        { "{}", true, true, true, true },
        { "{\"do_lower_case\":false}", false, false, true, true },
        { "{\"do_lower_case\":null,\"strip_accents\":null}", true, true, true, true },
        { "{\"strip_accents\":false}", true, false, true, true },
        { "{\"do_lower_case\":false,\"strip_accents\":true}", false, true, true, true },
        { "{\"tokenize_chinese_chars\":false,\"clean_text\":false}", true, true, false, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_tokenizer *t = make((made_of){ .vocabulary = lines, .config = cases[i].config }, NULL);
        const b4c_tokenizer_info info = describe(t);
        assert_int_equal(info.lower_case, cases[i].lower);
        assert_int_equal(info.strip_accents, cases[i].strip);
        assert_int_equal(info.chinese_chars, cases[i].chinese);
        assert_int_equal(info.clean_text, cases[i].clean);
        b4c_tokenizer_free(t);
    }
}

static void what_the_config_says_goes_before_tokenizer_json(void **state)
{
    (void)state;
    const char *json = json_with(
        ",\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true,"
        "\"strip_accents\":false,\"handle_chinese_chars\":true}" BERT_WORDS);
    b4c_tokenizer *t = make((made_of){ .json = json }, NULL);
    assert_tokens(t, "A é我你", "a é 我 你");
    b4c_tokenizer_free(t);
    t = make((made_of){ .json = json, .config = "{\"model_max_length\":9}" }, NULL);
    assert_true(describe(t).lower_case && !describe(t).strip_accents);
    assert_int_equal(describe(t).max_length, 9);
    b4c_tokenizer_free(t);
    t = make((made_of){ .json = json, .config = "{\"do_lower_case\":false,\"strip_accents\":null,"
                                                "\"tokenize_chinese_chars\":false}" }, NULL);
    assert_tokens(t, "A é 我你", "A é 我 ##你");
    b4c_tokenizer_free(t);
    const b4c_tokenizer_options o = { B4C_DIALECT_AUTO, 1, 1, 1, -1, NULL };
    t = make((made_of){ .json = json, .config = "{\"do_lower_case\":false}" }, &o);
    assert_tokens(t, "A é 我你", "a e 我 你");
    b4c_tokenizer_free(t);
}

static void special_tokens_may_have_other_names(void **state)
{
    (void)state;
    static const char words[] = "<pad>\n<unk>\n<s>\n</s>\n<mask>\na\n<e>\n";
    b4c_tokenizer *t = make(
        (made_of){ .vocabulary = words,
                   .config = "{\"unk_token\":\"<unk>\",\"cls_token\":{\"content\":\"<s>\"},"
                             "\"additional_special_tokens\":[\"<e>\"]}",
                   .special = "{\"cls_token\":\"a\",\"sep_token\":\"</s>\",\"pad_token\":null,"
                              "\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true}}" }, NULL);
    const b4c_tokenizer_info info = describe(t);
    assert_true(info.unknown == 1 && info.cls == 2 && info.sep == 3 && info.mask == 4);
    assert_int_equal(info.pad, -1);
    assert_tokens(t, "a <mask> <e>", "a <mask> <e>");
    assert_bytes(t, "a <mask> <e>", "0-1 1-8 9-12");
    b4c_tokenizer_free(t);
}

static void added_tokens_come_from_every_file_that_has_them(void **state)
{
    (void)state;
    b4c_tokenizer *t = make(
        (made_of){ .vocabulary = lines,
                   .config = "{\"added_tokens_decoder\":{\"4\":{\"content\":\"[MASK]\",\"special\":"
                             "true,\"rstrip\":true},\"20\":{\"content\":\"<x>\"}},"
                             "\"never_split\":[\"ab\",\"我\"]}",
                   .added = "{\"<y>\":16,\"我你\":15}" }, NULL);
    assert_int_equal(b4c_tokenizer_count(t), 21);
    assert_string_equal(b4c_tokenizer_token(t, 16), "<y>");
    assert_null(b4c_tokenizer_token(t, 17));
    assert_bytes(t, "[MASK] a<x><Y>", "0-7 7-8 8-11 11-14");
    assert_tokens(t, "[MASK] a<x><Y>", "[MASK] a <x> <y>");
    assert_non_null(strstr(describe(t).notes, "'ab' is named"));
    b4c_tokenizer_free(t);
}

static void files_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    const struct { made_of files; const char *why; } cases[] = {
        { { .vocabulary = lines, .added = "{\"[MASK]\":5}" }, "'[MASK]' has id 5" },
        { { .vocabulary = lines, .added = "{\"<x>\":5}" }, "which is 'a'" },
        { { .vocabulary = lines, .added = "{\"<x>\":20,\"<y>\":20}" }, "both have id 20" },
        { { .vocabulary = lines, .added = "{\"<x>\":-1}" }, "not a number" },
        { { .vocabulary = lines, .added = "{\"<x>\":\"7\"}" }, "not a number" },
        { { .vocabulary = lines, .added = "{\"\":20}" }, "not a number" },
        { { .vocabulary = lines, .added = "[]" }, "not an object" },
        { { .vocabulary = lines, .special = "7" }, "not an object" },
        { { .vocabulary = lines, .config = "[]" }, "not an object" },
        { { .vocabulary = lines, .config = "{\"do_lower_case\":1}" }, "do_lower_case" },
        { { .vocabulary = lines, .config = "{\"mask_token\":[]}" }, "neither a string" },
        { { .vocabulary = lines, .config = "{\"mask_token\":\"\"}" }, "neither a string" },
        { { .vocabulary = lines, .config = "{\"model_max_length\":\"x\"}" }, "model_max_length" },
        { { .vocabulary = lines, .config = "{\"added_tokens_decoder\":{\"x\":\"y\"}}" }, "'x'" },
        { { .vocabulary = lines, .config = "{\"added_tokens_decoder\":{\"99999999999\":\"y\"}}" },
          "is not an id" },
        { { .vocabulary = lines, .config = "{\"a\":1,\"a\":2}" }, "duplicate" },
        { { .vocabulary = "a\nb\n" }, "no unknown token '[UNK]'" },
        { { .vocabulary = lines, .config = "{\"unk_token\":\"<unk>\"}" }, "'<unk>'" },
        { { .config = "{}" }, "no tokenizer.json, SentencePiece model, vocab.json or vocab.txt" },
        { { .vocabulary = lines, .config = "{\"tokenizer_class\":\"BertJapaneseTokenizer\"}" },
          "Japanese" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        b4c_tokenizer *t = try_make(cases[i].files, NULL, &err);
        if (t) fail_msg("case %zu was taken", i);
        assert_non_null(strstr(err.message, cases[i].why));
        assert_true(err.code < 0);
        assert_null(try_make(cases[i].files, NULL, NULL));
    }
}

/* ---- tokenizer.json ------------------------------------------------------------------------ */

static void assert_json_tokens(const char *rest, const char *text, const char *tokens)
{
    b4c_tokenizer *t = make((made_of){ .json = json_with(rest) }, NULL);
    assert_tokens(t, text, tokens);
    b4c_tokenizer_free(t);
}

static void normalizers_may_be_spelt_in_several_ways(void **state)
{
    (void)state;
    assert_json_tokens(BERT_NORMAL BERT_WORDS, "AÉ我你", "[UNK] 我 你");
    assert_json_tokens(BERT_NORMAL BERT_WORDS, "A É我你", "a e 我 你");
    assert_json_tokens(",\"normalizer\":null" BERT_WORDS, "A é 我你 \u200b", "A é 我 ##你 [UNK]");
    assert_json_tokens(BERT_WORDS, "A é", "A é");
    assert_json_tokens(
        ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"},"
        "{\"type\":\"NFD\"},{\"type\":\"StripAccents\"}]}" BERT_WORDS,
        "A É", "a e");
    assert_json_tokens(
        ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
        "\"BertNormalizer\",\"lowercase\":false},{\"type\":\"Lowercase\"}]}" BERT_WORDS,
        "A é", "a é");
    /* sentence-transformers 6 of a model with do_lower_case */
    assert_json_tokens(
        ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"},"
        "{\"type\":\"BertNormalizer\",\"lowercase\":false}]}" BERT_WORDS, "A é我", "a é 我");
    assert_json_tokens(BERT_NORMAL
                       ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                       "\"WhitespaceSplit\"},{\"type\":\"BertPreTokenizer\"}]}",
                       "a 我", "a 我");
}

static void the_post_processor_is_the_template(void **state)
{
    (void)state;
    static const char template[] = BERT_NORMAL BERT_WORDS
        ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
        "\"id\":\"M\","
        "\"type_id\":1}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{"
        "\"id\":\"A\","
        "\"type_id\":0}},{\"SpecialToken\":{\"id\":\"M\",\"type_id\":0}},{\"Sequence\":{\"id\":"
        "\"B\","
        "\"type_id\":1}}],\"special_tokens\":{\"M\":{\"id\":\"M\",\"ids\":[4,0],\"tokens\":[\"x\","
        "\"y\"]}}}";
    b4c_encoding e = { 0 };
    b4c_tokenizer *t = make((made_of){ .json = json_with(template) }, NULL);
    encode_with(t, "a", NULL, NULL, &e);
    assert_int_equal(e.n, 3);
    assert_true(e.ids[0] == 4 && e.ids[1] == 0 && e.ids[2] == 5 && e.segments[0] == 1);
    encode_with(t, "a", "b", NULL, &e);
    assert_int_equal(e.n, 4);
    assert_true(e.ids[0] == 5 && e.ids[1] == 4 && e.ids[2] == 0 && e.ids[3] == 6);
    assert_true(e.segments[2] == 0 && e.segments[3] == 1 && e.added[1] && !e.added[3]);
    b4c_tokenizer_free(t);

    t = make((made_of){ .json = json_with(
                            BERT_NORMAL BERT_WORDS
                            ",\"post_processor\":{\"type\":"
                            "\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]}") },
             NULL);
    encode_with(t, "a", "b", NULL, &e);
    assert_true(e.n == 5 && e.ids[0] == 2 && e.ids[4] == 3 && e.segments[4] == 1);
    b4c_tokenizer_free(t);

    t = make((made_of){ .json = json_with(BERT_NORMAL BERT_WORDS) }, NULL);
    encode_with(t, "a", "b", NULL, &e);
    assert_true(e.n == 2 && e.segments[1] == 1);
    b4c_tokenizer_free(t);
    b4c_encoding_free(&e);
}

static void truncation_and_padding_in_the_file_are_ignored(void **state)
{
    (void)state;
    b4c_encoding e = { 0 };
    b4c_tokenizer *t = make(
        (made_of){ .json = json_with(BERT_NORMAL BERT_WORDS ",\"truncation\":{\"max_length\":2},"
                                     "\"padding\":{\"strategy\":{\"Fixed\":128}}") }, NULL);
    encode_with(t, "a a a", NULL, NULL, &e);
    assert_int_equal(e.n, 3);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

static void what_is_not_done_is_refused_by_name(void **state)
{
    (void)state;
#define WORDS BERT_NORMAL BERT_WORDS
    const struct { const char *rest; int code; const char *why;
    } cases[] = {
        { BERT_NORMAL, B4C_E_UNSUPPORTED, "pre_tokenizer is 'null'" },
        { BERT_NORMAL ",\"pre_tokenizer\":{\"type\":\"Metaspace\"}", B4C_E_UNSUPPORTED,
          "Metaspace" },
        { BERT_NORMAL ",\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}", B4C_E_UNSUPPORTED,
          "WhitespaceSplit" },
        { ",\"normalizer\":{\"type\":\"NFKC\"}" BERT_WORDS, B4C_E_UNSUPPORTED, "NFKC" },
        { ",\"normalizer\":{\"type\":\"NFD\"}" BERT_WORDS, B4C_E_UNSUPPORTED, "NFD" },
        { ",\"normalizer\":{\"type\":\"StripAccents\"}" BERT_WORDS, B4C_E_UNSUPPORTED,
          "StripAccents" },
        { ",\"normalizer\":{\"type\":\"Sequence\"}" BERT_WORDS, B4C_E_FORMAT, "normalizers" },
        { ",\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":\"yes\"}" BERT_WORDS,
          B4C_E_FORMAT, "lowercase" },
        { WORDS ",\"post_processor\":{\"type\":\"RobertaProcessing\"}", B4C_E_FORMAT, "\"cls\"" },
        { WORDS ",\"post_processor\":{\"type\":\"Unheard\"}", B4C_E_UNSUPPORTED, "Unheard" },
        { WORDS ",\"post_processor\":{\"type\":\"TemplateProcessing\"}", B4C_E_FORMAT, "single" },
        { WORDS ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[]}",
          B4C_E_FORMAT, "leaves out a text" },
        { WORDS
          ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
          "\"B\",\"type_id\":0}}]}",
          B4C_E_UNSUPPORTED, "'B'" },
        { WORDS
          ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
          "{\"id\":\"[CLS]\",\"type_id\":0}}]}",
          B4C_E_FORMAT, "no ids" },
        { WORDS
          ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
          "\"A\",\"type_id\":999}}]}",
          B4C_E_FORMAT, "type_id" },
        { WORDS ",\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":["
                "\"x\",99]}",
          B4C_E_FORMAT, "id 99" },
        { WORDS ",\"post_processor\":{\"type\":\"BertProcessing\"}", B4C_E_FORMAT, "\"cls\"" },
        { WORDS ",\"added_tokens\":{}", B4C_E_FORMAT, "added_tokens" },
        { WORDS ",\"added_tokens\":[{\"content\":\"x\"}]", B4C_E_FORMAT, "no id" },
        { WORDS ",\"added_tokens\":[{\"id\":20}]", B4C_E_FORMAT, "content" },
        { WORDS ",\"added_tokens\":[{\"id\":20,\"content\":\"x\"},{\"id\":21,\"content\":\"x\"}]",
          B4C_E_FORMAT, "twice" },
        { WORDS ",\"added_tokens\":[{\"id\":3,\"content\":\"[CLS]\"}]", B4C_E_FORMAT,
          "the vocabulary says" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        assert_null(try_make((made_of){ .json = json_with(cases[i].rest) }, NULL, &err));
        assert_error(&err, cases[i].code, cases[i].why);
    }
    static const struct { const char *json; int code; const char *why;
    } models[] = {
        { "[]", B4C_E_FORMAT, "not an object" },
        { "{\"model\":{\"type\":\"WordLevel\"}}", B4C_E_UNSUPPORTED, "WordLevel" },
        { "{\"model\":{\"type\":\"Unigram\"}}", B4C_E_FORMAT, "neither an object" },
        { "{\"do_lower_case\":true}", B4C_E_FORMAT, "no \"model\"" },
        { "{\"model\":{\"vocab\":[]}}", B4C_E_FORMAT, "vocab" },
        { "{\"model\":{\"vocab\":{\"a\":-1}}}", B4C_E_FORMAT, "'a'" },
        { "{\"model\":{\"vocab\":{\"a\":1.5}}}", B4C_E_FORMAT, "'a'" },
        { "{\"model\":{\"vocab\":{\"a\":99999999}}}", B4C_E_FORMAT, "'a'" },
        { "{\"model\":{\"vocab\":{\"a\":1,\"b\":1}}" BERT_WORDS "}", B4C_E_FORMAT,
          "another token" },
        { "{\"model\":{\"vocab\":{\"a\":1,\"a\":2}}" BERT_WORDS "}", B4C_E_FORMAT,
          "1 and 2 are spelt the same" },
        { "{\"model\":{\"vocab\":{\"a\":1},\"vocab\":{}}}", B4C_E_FORMAT, "duplicate" },
        { "{\"model\":{\"max_input_chars_per_word\":-5,\"vocab\":{}}}", B4C_E_FORMAT, "-5" },
        { "{\"model\":{\"vocab\":{}}}", B4C_E_UNSUPPORTED, "pre_tokenizer" },
        { "{\"model\":{\"vocab\":{}}" BERT_WORDS "}", B4C_E_MISSING, "[UNK]" },
        { "{", B4C_E_FORMAT, "JSON" },
        { "", B4C_E_FORMAT, "JSON" },
    };
    for (size_t i = 0; i < COUNT(models); i++) {
        b4c_error err = { 0 };
        assert_null(try_make((made_of){ .json = models[i].json }, NULL, &err));
        assert_error(&err, models[i].code, models[i].why);
    }
}

static void longer_words_and_other_prefixes_are_honoured(void **state)
{
    (void)state;
    b4c_tokenizer *t = make(
        (made_of){ .json = "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"max_input_"
                           "chars_per_word\":"
                           "3,\"continuing_subword_prefix\":\"@\",\"vocab\":{\"?\":0,\"a\":1,\"@"
                           "b\":2,\"@a\":3}}" BERT_NORMAL BERT_WORDS
                           ",\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"@\"}}" },
        NULL);
    assert_tokens(t, "ab aba abab", "a @b a @b @a ?");
    b4c_error err = { 0 };
    char *text = b4c_detokenize(t, (const int32_t[]){ 1, 2, 1 }, 3, false, &err);
    assert_string_equal(text, "ab a");
    free(text);
    b4c_tokenizer_free(t);
    t = make(
        (made_of){
            .json = "{\"model\":{\"type\":\"WordPiece\",\"max_input_chars_per_word\":2000000000,"
                    "\"continuing_subword_prefix\":\"\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"ab\":2}"
                    "}" BERT_NORMAL BERT_WORDS "}" },
        NULL);
    assert_tokens(t, "aba", "ab a");
    char *long_word = malloc(100001);
    assert_non_null(long_word);
    memset(long_word, 'a', 100000);
    long_word[100000] = 0;
    b4c_encoding e = { 0 };
    encode(t, long_word, SIZE_MAX, &e);
    assert_int_equal(e.n, 100000);
    b4c_encoding_free(&e);
    free(long_word);
    b4c_tokenizer_free(t);
}

/* A plain vocabulary is lifted out of the file before the rest is parsed; one that is not plain is
 * left to the JSON reader. Both must come to the same. */
static void a_lifted_vocabulary_is_the_one_that_json_reads(void **state)
{
    (void)state;
    static const struct { const char *vocab; bool lifted; } cases[] = {
        { "{\"[UNK]\":0,\"a\":1,\"我\":2,\"\\\\\":3,\"\\\"\":4}", true },
        { " { \"[UNK]\" : 0 ,\n\t\"\\u6211\\u00e9\" : 1 , \"\\n\\t\\/\" : 2 } ", true },
        { "{\"[UNK]\":0,\"\\ud83d\\ude00\":1}", true },
        { "{\"[UNK]\":0,\"a\":1.0}", false },
        { "{\"[UNK]\":0,\"a\":1e0}", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char json[500];
        b4c_lifted lifted;
        snprintf(json, sizeof json,
                 "{\"version\":\"1.0 \\\" } \",\"x\":[{\"vocab\":{}},null,-1.5e3],\"model\":{"
                 "\"type\":\"WordPiece\",\"vocab\":%s}" BERT_NORMAL BERT_WORDS "}",
                 cases[i].vocab);
        assert_int_equal(b4c_vocab_lift(&lifted, json, strlen(json)), cases[i].lifted);
        json_t *root = json_loads(json, 0, NULL);
        assert_non_null(root);
        const char *token;
        json_t *id;
        size_t n = 0;
        b4c_tokenizer *t = make((made_of){ .json = json }, NULL);
        json_object_foreach(json_object_get(json_object_get(root, "model"), "vocab"), token, id) {
            n++;
            assert_int_equal(b4c_tokenizer_find(t, token), json_number_value(id));
        }
        assert_int_equal(b4c_tokenizer_count(t), n);
        if (cases[i].lifted) assert_int_equal(lifted.n, n);
        b4c_tokenizer_free(t);
        json_decref(root);
        b4c_lifted_done(&lifted);
    }
    static const char *const wrong[] = {
        "",
        "{",
        "{\"model\"",
        "{\"model\":{\"vocab\":{\"a\":1",
        "{\"model\":{\"vocab\":{\"a\":01}}}",
        "{\"model\":{\"vocab\":{\"a\":-1}}}",
        "{\"model\":{\"vocab\":{\"a\n\":1}}}",
        "{\"model\":7}",
        "{\"model\":{\"vocab\":{\"\\u0000\":1}}}",
        "{\"model\":{\"vocab\":{\"\\x\":1}}}",
        "{\"a\\",
        "{\"model\":{\"vocab\":{\"\xff\":1}}}",
        "{\"model\":{\"vocab\":{\"a\":1,}}}",
        "{\"a\":]}",
        "{\"model\":{\"vocab\":{}}}",
        "{\"model\":{\"vocab\":{\"a\":99999999}}}",
        "[[[[[[[[",
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        b4c_lifted lifted;
        char *exact = malloc(strlen(wrong[i]) + 1);   /* so that a read beyond the end is seen */
        assert_non_null(exact);
        memcpy(exact, wrong[i], strlen(wrong[i]));
        assert_false(b4c_vocab_lift(&lifted, exact, strlen(wrong[i])));
        assert_null(lifted.keys);
        free(exact);
    }
}

/* ---- damage -------------------------------------------------------------------------------- */

static int make_damaged(const void *bytes, size_t n, void *arg, b4c_error *err)
{
    const int kind = *(const int *)arg;
    b4c_source source[B4C_SOURCES] = { 0 };
    if (kind != B4C_SOURCE_TOKENIZER)
        source[B4C_SOURCE_VOCABULARY] = (b4c_source){ lines, strlen(lines), "vocab.txt" };
    source[kind] = (b4c_source){ bytes, n, "damaged" };
    b4c_tokenizer *t = b4c_tokenizer_make(source, NULL, err);
    if (!t) return err->code;
    b4c_encoding e = { 0 };
    const char *text = "[MASK] Aé我你 <x>ab\u200b";
    const b4c_tokenize_options o = { .max_length = 16 };
    b4c_error other;
    if (b4c_tokenize(t, text, SIZE_MAX, text, SIZE_MAX, &o, &e, &other) == 0) {
        for (int i = 0; i < e.n; i++) assert_non_null(b4c_tokenizer_token(t, e.ids[i]));
        char *back = b4c_detokenize(t, e.ids, e.n, true, &other);
        assert_non_null(back);
        free(back);
    }
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
    return 0;
}

/* Report T22: a vocabulary that a tool did not expect ended its process. */
static void any_damage_is_an_error_or_another_tokenizer(void **state)
{
    (void)state;
    static const char *const files[B4C_SOURCES] = {
        [B4C_SOURCE_TOKENIZER] =
            "{\"model\":{\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"我\":9}}" BERT_NORMAL BERT_WORDS
            ",\"added_tokens\":[{\"id\":3,\"content\":\"<x>\",\"lstrip\":true,\"normalized\":true}]"
            ","
            "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"S\",1],\"cls\":[\"C\",2]}}",
        [B4C_SOURCE_CONFIG] =
            "{\"do_lower_case\":true,\"model_max_length\":512,\"cls_token\":{\"content\":"
            "\"[CLS]\",\"lstrip\":true},\"added_tokens_decoder\":{\"20\":\"<x>\"}}",
        [B4C_SOURCE_SPECIAL] =
            "{\"mask_token\":\"[MASK]\",\"additional_special_tokens\":[\"a\",\"b\"]}",
        [B4C_SOURCE_ADDED] = "{\"<x>\":20,\"我你\":21}",
    };
    for (int kind = 0; kind < B4C_SOURCES; kind++) {
        if (!files[kind]) continue;
        const cut_result r = cut_bytes(files[kind], strlen(files[kind]), 1, make_damaged, &kind);
        assert_true(r.cuts > 0 && r.changes > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_decide_the_dialect),
        cmocka_unit_test(tokenizer_json_goes_before_vocab_txt),
        cmocka_unit_test(a_file_is_read_with_the_settings_beside_it),
        cmocka_unit_test(a_file_that_is_no_vocabulary_is_named),
        cmocka_unit_test(a_limit_of_1e30_is_no_limit),
        cmocka_unit_test(flags_are_read_and_null_leaves_the_default),
        cmocka_unit_test(what_the_config_says_goes_before_tokenizer_json),
        cmocka_unit_test(special_tokens_may_have_other_names),
        cmocka_unit_test(added_tokens_come_from_every_file_that_has_them),
        cmocka_unit_test(files_that_contradict_each_other_are_refused),
        cmocka_unit_test(normalizers_may_be_spelt_in_several_ways),
        cmocka_unit_test(the_post_processor_is_the_template),
        cmocka_unit_test(truncation_and_padding_in_the_file_are_ignored),
        cmocka_unit_test(what_is_not_done_is_refused_by_name),
        cmocka_unit_test(longer_words_and_other_prefixes_are_honoured),
        cmocka_unit_test(a_lifted_vocabulary_is_the_one_that_json_reads),
        cmocka_unit_test(any_damage_is_an_error_or_another_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
