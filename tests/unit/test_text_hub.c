/* test_text_hub.c - the HUB dialect against tokenizers 0.23.1 (tests/golden/text, made by make.py
 * there) and against the ids of real models' tokenizers (tests/golden/real). */
#include "support/test.h"
#include "unit/text_case.h"

typedef struct judged {
    b4c_tokenizer *t, *other;
    b4c_encoding e;
    int max_length;
    long lines;
} judged;

/* Offsets in code points, as the golden files have them: begin and end by turns. */
static void assert_places(const json_t *want, const b4c_encoding *e, const char *what, long number)
{
    int32_t *flat = malloc((size_t)(2 * e->n + 1) * sizeof *flat);
    assert_non_null(flat);
    for (int i = 0; i < e->n; i++) {
        flat[2 * i] = (int32_t)e->char_begin[i];
        flat[2 * i + 1] = (int32_t)e->char_end[i];
    }
    assert_numbers(want, flat, 2 * e->n, what, number);
    free(flat);
}

static void one_text(const json_t *line, long number, void *arg)
{
    judged *j = arg;
    const json_t *text = json_object_get(line, "text");
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    encode(j->t, s, n, &j->e);
    assert_numbers(json_object_get(line, "cased"), j->e.ids, j->e.n, "cased", number);
    assert_places(json_object_get(line, "cased_at"), &j->e, "cased", number);
    check_laws(j->t, &j->e, s, n, NULL, 0);
    encode(j->other, s, n, &j->e);
    assert_numbers(json_object_get(line, "uncased"), j->e.ids, j->e.n, "uncased", number);
    assert_places(json_object_get(line, "uncased_at"), &j->e, "uncased", number);
    check_laws(j->other, &j->e, s, n, NULL, 0);
    j->lines++;
}

/* Report T10, T19: 215 texts, 92 of them picked to be difficult. */
static void texts_become_the_hubs_ids_at_the_hubs_places(void **state)
{
    (void)state;
    judged j = { .t = open_golden("vocab-zh.txt", B4C_DIALECT_HUB, 0),
                 .other = open_golden("vocab-zh.txt", B4C_DIALECT_HUB, 1) };
    each_line("tests/golden/text/wordpiece.jsonl", one_text, &j);
    assert_int_equal(j.lines, 215);
    b4c_encoding_free(&j.e);
    b4c_tokenizer_free(j.t);
    b4c_tokenizer_free(j.other);
}

static void one_pair(const json_t *line, long number, void *arg)
{
    judged *j = arg;
    const b4c_tokenize_options o = { .max_length = 32 };
    const char *a = json_string_value(json_object_get(line, "a"));
    const char *b = json_string_value(json_object_get(line, "b"));
    encode_with(j->t, a, b, &o, &j->e);
    assert_numbers(json_object_get(line, "ids"), j->e.ids, j->e.n, "pairs", number);
    assert_numbers(json_object_get(line, "segments"), j->e.segments, j->e.n, "pairs", number);
    assert_places(json_object_get(line, "at"), &j->e, "pairs", number);
    check_laws(j->t, &j->e, a, strlen(a), b, strlen(b));
    j->lines++;
}

static void pairs_are_truncated_longest_first_as_the_hub_does(void **state)
{
    (void)state;
    judged j = { .t = open_golden("vocab-zh.txt", B4C_DIALECT_HUB, 1) };
    each_line("tests/golden/text/pairs.jsonl", one_pair, &j);
    assert_int_equal(j.lines, 100);
    b4c_encoding_free(&j.e);
    b4c_tokenizer_free(j.t);
}

static void one_sentence(const json_t *line, long number, void *arg)
{
    judged *j = arg;
    const b4c_tokenize_options o = { .max_length = j->max_length };
    encode_with(j->t, json_string_value(json_object_get(line, "text")), NULL, &o, &j->e);
    assert_numbers(json_object_get(line, "ids"), j->e.ids, j->e.n, "real", number);
    j->lines++;
}

/* Report T16: bge-small-zh-v1.5 does not lower-case, so its GPT is unknown. */
static void real_sentences_become_the_ids_of_real_models(void **state)
{
    (void)state;
    judged zh = { .t = open_golden("vocab-zh.txt", B4C_DIALECT_HUB, 0), .max_length = 512 };
    each_line("tests/golden/real/sentences.jsonl", one_sentence, &zh);
    judged en = { .t = open_golden("vocab-en.txt", B4C_DIALECT_HUB, 1), .max_length = 256 };
    each_line("tests/golden/real/sentences-en.jsonl", one_sentence, &en);
    assert_int_equal(zh.lines + en.lines, 400);
    b4c_encoding_free(&zh.e);
    b4c_encoding_free(&en.e);
    b4c_tokenizer_free(zh.t);
    b4c_tokenizer_free(en.t);
}

/* ---- every combination of flags ------------------------------------------------------------ */

typedef struct settings { json_t *vocab, *texts; b4c_encoding e; long cases; } settings;

/* A tokenizer.json with these settings, as the hub's library writes it. */
static char *tokenizer_json(const json_t *vocab, const json_t *line)
{
    json_t *root = json_pack(
        "{s:O, s:O, s:{s:s}, s:{s:s, s:s, s:b}, s:{s:s, s:s, s:s, s:O, s:O}}", "added_tokens",
        json_object_get(line, "added_tokens"), "normalizer", json_object_get(line, "normalizer"),
        "pre_tokenizer", "type", "BertPreTokenizer", "decoder", "type", "WordPiece", "prefix", "##",
        "cleanup", 1, "model", "type", "WordPiece", "unk_token", "[UNK]",
        "continuing_subword_prefix", "##", "max_input_chars_per_word",
        json_object_get(line, "longest"), "vocab", vocab);
    assert_non_null(root);
    json_t *post = json_pack(
        "{s:s, s:[{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}}],"
        " s:[{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}}],"
        " s:{s:{s:s,s:[i],s:[s]},s:{s:s,s:[i],s:[s]}}}",
        "type", "TemplateProcessing", "single", "SpecialToken", "id", "[CLS]", "type_id", 0,
        "Sequence", "id", "A", "type_id", 0, "SpecialToken", "id", "[SEP]", "type_id", 0, "pair",
        "SpecialToken", "id", "[CLS]", "type_id", 0, "Sequence", "id", "A", "type_id", 0,
        "SpecialToken", "id", "[SEP]", "type_id", 0, "Sequence", "id", "B", "type_id", 1,
        "SpecialToken", "id", "[SEP]", "type_id", 1, "special_tokens", "[CLS]", "id", "[CLS]",
        "ids", 2, "tokens", "[CLS]", "[SEP]", "id", "[SEP]", "ids", 3, "tokens", "[SEP]");
    assert_non_null(post);
    assert_int_equal(json_object_set_new(root, "post_processor", post), 0);
    char *text = json_dumps(root, 0);
    json_decref(root);
    assert_non_null(text);
    return text;
}

static void one_setting(const json_t *line, long number, void *arg)
{
    settings *s = arg;
    if (number == 1) {
        const json_t *list = json_object_get(line, "vocab");
        s->vocab = json_object();
        for (size_t i = 0; i < json_array_size(list); i++)
            json_object_set_new(s->vocab, json_string_value(json_array_get(list, i)),
                                json_integer((json_int_t)i));
        s->texts = json_incref(json_object_get(line, "texts"));
        return;
    }
    char *json = tokenizer_json(s->vocab, json_object_get(line, "settings"));
    b4c_tokenizer *t = make((made_of){ .json = json }, NULL);
    const json_t *cases = json_object_get(line, "cases");
    assert_int_equal(json_array_size(cases), json_array_size(s->texts));
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *text = json_array_get(s->texts, i), *want = json_array_get(cases, i);
        char what[60];
        snprintf(what, sizeof what, "settings, text %zu", i);
        encode(t, json_string_value(text), json_string_length(text), &s->e);
        assert_numbers(json_array_get(want, 0), s->e.ids, s->e.n, what, number);
        assert_places(json_array_get(want, 1), &s->e, what, number);
        s->cases++;
    }
    b4c_tokenizer_free(t);
    free(json);
}

/* Reports T09, T14. */
static void every_combination_of_flags_and_added_tokens_is_honoured(void **state)
{
    (void)state;
    settings s = { 0 };
    each_line("tests/golden/text/settings.jsonl", one_setting, &s);
    assert_true(s.cases > 1500);
    b4c_encoding_free(&s.e);
    json_decref(s.vocab);
    json_decref(s.texts);
}

/* ---- decoding: values by tokenizers 0.23.1 ------------------------------------------------- */

static const char decoder_words[] =
    "[PAD] [UNK] [CLS] [SEP] [MASK] 我 喜 play ##ing , . ! ? ' n't do not s 's m ve 've 're hello";

static void decoding_joins_as_the_hub_does(void **state)
{
    (void)state;
    b4c_tokenizer *t = make_small(decoder_words, B4C_DIALECT_HUB, -1);
    assert_decoded(t, "[CLS] 我 喜 play ##ing [SEP]", false, "我 喜 playing");
    assert_decoded(t, "[CLS] 我 [MASK] [SEP]", true, "[CLS] 我 [MASK] [SEP]");
    assert_decoded(t, "hello , hello ! . ?", false, "hello, hello!.?");
    assert_decoded(t, "hello ' s do not 's 've 're do n't", false,
                   "hello ' s do not's've're don't");
    assert_decoded(t, "##ing play", false, "##ing play");
    assert_decoded(t, "[CLS] ##ing", false, "##ing");
    assert_decoded(t, "", false, "");
    b4c_error err = { 0 };
    assert_null(b4c_detokenize(t, (const int32_t[]){ 24 }, 1, false, &err));
    assert_error(&err, B4C_E_ARG, "id 24 at place 0");
    b4c_tokenizer_free(t);
}

static void clean_up_tokenization_spaces_mends_the_whole_text(void **state)
{
    (void)state;
    char *lines = strdup(decoder_words);
    assert_non_null(lines);
    for (char *p = lines; *p; p++)
        if (*p == ' ') *p = '\n';
    b4c_tokenizer *t = make((made_of){ .vocabulary = lines,
                                       .config = "{\"clean_up_tokenization_spaces\": true}" },
                            NULL);
    assert_decoded(t, "hello ' s", false, "hello's");
    b4c_tokenizer_free(t);
    free(lines);
}

static void without_a_decoder_tokens_are_joined_by_blanks(void **state)
{
    (void)state;
    const char *json =
        "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\",\":3}},"
        "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":"
        "\"BertPreTokenizer\"},\"decoder\":null}";
    b4c_tokenizer *t = make((made_of){ .json = json }, NULL);
    assert_decoded(t, "a ##b , a", false, "a ##b , a");
    b4c_tokenizer_free(t);
}

static void encoding_and_decoding_chinese_gives_it_back_but_for_blanks(void **state)
{
    (void)state;
    b4c_tokenizer *t = open_golden("vocab-zh.txt", B4C_DIALECT_HUB, 1);
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    encode(t, "今天 天气很好，GPT-4 发布了。", SIZE_MAX, &e);
    char *text = b4c_detokenize(t, e.ids, e.n, false, &err);
    assert_non_null(text);
    assert_string_equal(text, "今 天 天 气 很 好 ， gpt - 4 发 布 了 。");
    free(text);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_the_hubs_ids_at_the_hubs_places),
        cmocka_unit_test(pairs_are_truncated_longest_first_as_the_hub_does),
        cmocka_unit_test(real_sentences_become_the_ids_of_real_models),
        cmocka_unit_test(every_combination_of_flags_and_added_tokens_is_honoured),
        cmocka_unit_test(decoding_joins_as_the_hub_does),
        cmocka_unit_test(clean_up_tokenization_spaces_mends_the_whole_text),
        cmocka_unit_test(without_a_decoder_tokens_are_joined_by_blanks),
        cmocka_unit_test(encoding_and_decoding_chinese_gives_it_back_but_for_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
