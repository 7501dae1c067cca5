/* test_kinds_golden.c - every kind of vocabulary through the public calls, equal to its reference.
 *
 * tests/golden/pieces: SentencePiece models (0.2.2); tests/golden/bytes: byte-level BPE; hub:
 * Unigram and BPE with what a tokenizer.json puts around them (tokenizers 0.23.3, hub/make.py).
 */
#include "support/test.h"
#include "text/spell.h"
#include "text/stream.h"
#include "text/utf8.h"
#include "unit/text_case.h"

typedef struct golden {
    b4c_tokenizer *t;
    b4c_encoding e;
    const char *name;
    long lines;
} golden;

static void assert_text(const b4c_tokenizer *t, const int32_t *ids, int n, const json_t *wanted,
                        const char *name, long number)
{
    b4c_error err = { 0 };
    char *text = b4c_detokenize(t, ids, n, false, &err);
    if (!text) fail_msg("%s", err.message);
    if (strcmp(text, json_string_value(wanted)) != 0) /* U+0000 ends both */
        fail_msg("%s, line %ld: decoded '%s', wanted '%s'", name, number, text,
                 json_string_value(wanted));
    free(text);
}

/* ---- SentencePiece models ---------------------------------------------------------------- */

/* The reference gives bytes of one character, and parts of what one was replaced by, an empty place
 * each, but the last; here each has the character's. */
static void check_places(const b4c_encoding *e, const json_t *begin, const json_t *end, long number)
{
    for (int i = 0; i < e->n; i++) {
        const size_t k = (size_t)i;
        const long long b = json_integer_value(json_array_get(begin, k)),
                        f = json_integer_value(json_array_get(end, k));
        if ((long long)e->begin[i] == b && (long long)e->end[i] == f) continue;
        if ((long long)e->begin[i] > b || (long long)e->end[i] < f)
            fail_msg("line %ld: token %d is at %u-%u, wanted %lld-%lld", number, i, e->begin[i],
                     e->end[i], b, f);
        bool part = false; /* of a character with its neighbours */
        for (int j = i - 1; j <= i + 1; j += 2)
            part |= j >= 0 && j < e->n && e->begin[j] < e->end[i] && e->end[j] > e->begin[i];
        if (!part) fail_msg("line %ld: token %d is at %u-%u", number, i, e->begin[i], e->end[i]);
    }
}

static void check_pieces(const json_t *line, long number, void *arg)
{
    golden *g = arg;
    const json_t *text = json_object_get(line, "text");
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    encode(g->t, s, n, &g->e);
    assert_numbers(json_object_get(line, "ids"), g->e.ids, g->e.n, g->name, number);
    check_places(&g->e, json_object_get(line, "begin"), json_object_get(line, "end"), number);
    check_laws(g->t, &g->e, s, n, NULL, 0);
    assert_text(g->t, g->e.ids, g->e.n, json_object_get(line, "decoded"), g->name, number);
    g->lines++;
}

static void sentencepiece_models_equal_sentencepiece(void **state)
{
    (void)state;
    static const struct { const char *name; b4c_tokenizer_kind kind; } models[] = {
        { "unigram", B4C_TOKENIZER_UNIGRAM }, { "bpe", B4C_TOKENIZER_BPE },
    };
    for (size_t i = 0; i < COUNT(models); i++) {
        char path[100];
        b4c_tokenizer_info info;
        snprintf(path, sizeof path, "tests/golden/pieces/%s.model", models[i].name);
        golden g = { .t = open_path(path), .name = models[i].name };
        b4c_tokenizer_describe(g.t, &info);
        assert_int_equal(info.kind, models[i].kind);
        strcpy(strrchr(path, '.'), ".jsonl");
        each_line(path, check_pieces, &g);
        assert_true(g.lines >= 200);
        b4c_encoding_free(&g.e);
        b4c_tokenizer_free(g.t);
    }
}

/* ---- byte-level BPE ---------------------------------------------------------------------- */

static void check_bytes(const json_t *line, long number, void *arg)
{
    golden *g = arg;
    const json_t *text = json_object_get(line, "text"), *offsets = json_object_get(line, "offsets");
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    encode(g->t, s, n, &g->e);
    assert_numbers(json_object_get(line, "ids"), g->e.ids, g->e.n, g->name, number);
    check_laws(g->t, &g->e, s, n, NULL, 0);
    for (int i = 0; i < g->e.n; i++) {
        const json_t *pair = json_array_get(offsets, (size_t)i);
        assert_int_equal(g->e.char_begin[i], json_integer_value(json_array_get(pair, 0)));
        assert_int_equal(g->e.char_end[i], json_integer_value(json_array_get(pair, 1)));
    }
    assert_text(g->t, g->e.ids, g->e.n, json_object_get(line, "decoded"), g->name, number);
    g->lines++;
}

static void byte_level_bpe_equals_the_hubs_with_its_offsets(void **state)
{
    (void)state;
    golden g = { .t = open_path("tests/golden/bytes/tokenizer.json"), .name = "gpt2" };
    each_line("tests/golden/bytes/gpt2.jsonl", check_bytes, &g);
    assert_true(g.lines >= 200);
    b4c_encoding_free(&g.e);
    b4c_tokenizer_free(g.t);
}

/* ---- what stands around a model ---------------------------------------------------------- */

enum { VARIANTS = 32 };

typedef struct variants {
    int n;
    const char *name[VARIANTS];
    b4c_tokenizer *t[VARIANTS];
    b4c_encoding e;
    long cases, pairs;
} variants;

static json_t *load(const char *path)
{
    json_error_t at;
    json_t *value = json_load_file(path, 0, &at);
    if (!value) fail_msg("%s: %s", path, at.text);
    return value;
}

/* "=" stands for the map that the model's file has. */
static void put_charsmap(json_t *patch, const json_t *own)
{
    json_t *steps = json_object_get(json_object_get(patch, "normalizer"), "normalizers"), *step;
    size_t i;
    json_array_foreach(steps, i, step) {
        const char *map = json_string_value(json_object_get(step, "precompiled_charsmap"));
        if (map && strcmp(map, "=") == 0)
            json_object_set(step, "precompiled_charsmap",
                            json_object_get(json_object_get(own, "normalizer"),
                                            "precompiled_charsmap"));
    }
}

static b4c_tokenizer *make_variant(const json_t *row)
{
    char path[100];
    const char *model = json_string_value(json_object_get(row, "model"));
    snprintf(path, sizeof path, "tests/golden/%s.json",
             strcmp(model, "bytes") == 0     ? "bytes/tokenizer"
             : strcmp(model, "unigram") == 0 ? "hub/unigram"
                                             : "hub/bpe");
    json_t *patch = json_object_get(row, "patch"),
           *whole = strcmp(model, "wordpiece") == 0 ? json_object() : load(path);
    put_charsmap(patch, whole);
    assert_int_equal(json_object_update(whole, patch), 0);
    char *text = json_dumps(whole, 0);
    b4c_tokenizer *t = make((made_of){ .json = text }, NULL);
    free(text);
    json_decref(whole);
    return t;
}

static void open_variants(variants *v, json_t *rows)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        assert_true(v->n < VARIANTS);
        v->name[v->n] = json_string_value(json_object_get(row, "name"));
        v->t[v->n++] = make_variant(row);
    }
}

static void check_case(const json_t *line, long number, void *arg)
{
    variants *v = arg;
    const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids"),
                 *decoded = json_object_get(line, "decoded"), *pair = json_object_get(line, "pair");
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    b4c_error err = { 0 };
    for (int i = 0; i < v->n; i++) {
        const json_t *want = json_object_get(decoded, v->name[i]), *b;
        encode(v->t[i], s, n, &v->e);
        assert_numbers(json_object_get(ids, v->name[i]), v->e.ids, v->e.n, v->name[i], number);
        check_laws(v->t[i], &v->e, s, n, NULL, 0);
        const int out[2] = { b4c_tokenizer_find(v->t[i], "<new>"),
                             b4c_tokenizer_find(v->t[i], "Éx!") };
        int kept = 0;
        for (int k = 0; k < v->e.n; k++)
            if (v->e.ids[k] != out[0] && v->e.ids[k] != out[1]) v->e.ids[kept++] = v->e.ids[k];
        assert_text(v->t[i], v->e.ids, kept, want ? want : json_object_get(decoded, ""), v->name[i],
                    number);
        if (!(b = json_object_get(pair, v->name[i]))) continue;
        assert_ok(b4c_tokenize(v->t[i], "今天", SIZE_MAX, s, n, NULL, &v->e, &err), &err);
        assert_numbers(b, v->e.ids, v->e.n, v->name[i], number);
        v->pairs++;
    }
    v->cases++;
}

static void each_normalizer_pre_tokenizer_and_template_equals_the_hubs(void **state)
{
    (void)state;
    variants v = { 0 };
    json_t *rows = load("tests/golden/hub/variants.json");
    open_variants(&v, rows);
    assert_int_equal(v.n, 16);
    each_line("tests/golden/hub/cases.jsonl", check_case, &v);
    assert_true(v.cases >= 80 && v.pairs >= 300);
    for (int i = 0; i < v.n; i++) b4c_tokenizer_free(v.t[i]);
    b4c_encoding_free(&v.e);
    json_decref(rows);
}

static void check_decoded(const b4c_tokenizer *t, const json_t *ids, bool keep, const json_t *want,
                          const char *name, size_t number)
{
    int32_t list[200];
    const int n = (int)json_array_size(ids);
    b4c_error err = { 0 };
    assert_true(n <= 200);
    for (int k = 0; k < n; k++)
        list[k] = (int32_t)json_integer_value(json_array_get(ids, (size_t)k));
    char *text = b4c_detokenize(t, list, n, keep, &err);
    if (!text || strcmp(text, json_string_value(want)) != 0)
        fail_msg("%s, text %zu: decoded to '%s', wanted '%s'", name, number, text,
                 json_string_value(want));
    free(text);
}

/* lstrip, rstrip, single_word, normalized, special: in every kind of tokenizer (make_added.py). */
static void added_tokens_are_found_and_decoded_as_their_flags_say(void **state)
{
    (void)state;
    json_t *rows = load("tests/golden/hub/added.json"), *row, *one;
    b4c_encoding e = { 0 };
    size_t i, k, cases = 0;
    json_array_foreach(rows, i, row) {
        const char *name = json_string_value(json_object_get(row, "name"));
        b4c_tokenizer *t = make_variant(row);
        json_array_foreach(json_object_get(row, "cases"), k, one) {
            const json_t *text = json_object_get(one, "text"), *ids = json_object_get(one, "ids");
            const char *s = json_string_value(text);
            encode(t, s, json_string_length(text), &e);
            assert_numbers(ids, e.ids, e.n, name, (long)k);
            check_laws(t, &e, s, json_string_length(text), NULL, 0);
            check_decoded(t, ids, true, json_object_get(one, "decoded"), name, k);
            check_decoded(t, ids, false, json_object_get(one, "plain"), name, k);
            cases++;
        }
        b4c_tokenizer_free(t);
    }
    assert_true(cases >= 600);
    b4c_encoding_free(&e);
    json_decref(rows);
}

/* ---- laws -------------------------------------------------------------------------------- */

typedef struct maker { b4c_tokenizer *t[VARIANTS]; int n; } maker;

static void open_all(maker *m)
{
    variants v = { 0 };
    json_t *rows = load("tests/golden/hub/variants.json");
    open_variants(&v, rows);
    memcpy(m->t, v.t, sizeof v.t);
    m->n = v.n;
    m->t[m->n++] = open_path("tests/golden/pieces/unigram.model");
    m->t[m->n++] = open_path("tests/golden/pieces/bpe.model");
    json_decref(rows);
}

/* Report T02: SentencePiece models have offsets too. */
static void offsets_hold_for_random_texts_in_every_kind(void **state)
{
    (void)state;
    maker m = { 0 };
    open_all(&m);
    b4c_rng r;
    b4c_rng_init(&r, 21, 0, 0);
    b4c_encoding e = { 0 }; /* one for all: what it remembers of one is not taken for another's */
    b4c_error err = { 0 };
    char a[400], b[400];
    for (int i = 0; i < 60 * m.n; i++) {
        const b4c_tokenizer *t = m.t[i % m.n];
        const size_t n = random_text(&r, 40, a), k = random_text(&r, 20, b);
        const bool pair = i / m.n % 3 == 0, cut = i / m.n % 5 == 0;
        const b4c_tokenize_options o = { .plain_text = i / m.n % 2, .max_length = cut ? 12 : 0,
                                         .truncate = (b4c_truncate)(i % 3) };
        assert_ok(b4c_tokenize(t, a, n, pair ? b : NULL, k, &o, &e, &err), &err);
        if (cut) assert_true(e.n <= 12);
        bool told_apart = !pair; /* which text a token is of stands in its segment, if anywhere */
        for (int j = 0; j < e.n; j++) told_apart |= e.segments[j] == 1 && !e.added[j];
        if (told_apart) check_laws(t, &e, a, n, pair ? b : NULL, k);
    }
    b4c_encoding_free(&e);
    for (int i = 0; i < m.n; i++) b4c_tokenizer_free(m.t[i]);
}

static void broken_utf8_is_refused_or_becomes_a_character(void **state)
{
    (void)state;
    maker m = { 0 };
    open_all(&m);
    b4c_encoding e = { 0 }, good = { 0 };
    b4c_error err = { 0 };
    const b4c_tokenize_options repair = { .repair = true };
    for (int i = 0; i < m.n; i++) {
        assert_fails(b4c_tokenize(m.t[i], "a\xff" "b", 3, NULL, 0, NULL, &e, &err), &err,
                     B4C_E_TEXT, "byte");
        assert_ok(b4c_tokenize(m.t[i], "a\xff\xe4\xbd" "b", 5, NULL, 0, &repair, &e, &err), &err);
        assert_int_equal(e.repaired, 2);
        check_laws(m.t[i], &e, "a\xff\xe4\xbd" "b", 5, NULL, 0);
        encode(m.t[i], "a\ufffd\ufffd" "b", SIZE_MAX, &good);
        if (m.t[i]->own_map) continue; /* its map may replace U+FFFD in texts */
        assert_int_equal(e.n, good.n);
        assert_memory_equal(e.ids, good.ids, (size_t)e.n * sizeof *e.ids);
    }
    b4c_encoding_free(&e);
    b4c_encoding_free(&good);
    for (int i = 0; i < m.n; i++) b4c_tokenizer_free(m.t[i]);
}

/* ---- one token after another ------------------------------------------------------------- */

/* A hole is no token, and U+0000 would end a C string. */
static bool is_usual(const char *token)
{
    return token && !strstr(token, "Ā") && strcmp(token, "<0x00>") != 0;
}

static void assert_streamed(const b4c_tokenizer *t, const int32_t *ids, int n, int flags)
{
    b4c_stream s;
    b4c_error err = { 0 };
    char *whole = flags & B4C_STREAM_TIGHT ? b4c_spell(t, ids, n, &err)
                                           : b4c_detokenize(t, ids, n, flags & B4C_STREAM_SPECIAL,
                                                            &err);
    assert_non_null(whole);
    assert_int_equal(b4c_utf8_check(whole, strlen(whole)), strlen(whole));
    b4c_stream_init(&s, t, flags);
    size_t size = 0;
    for (int i = 0; i <= n; i++) {
        const int more = i < n ? b4c_stream_push(&s, ids[i], &err) : b4c_stream_end(&s, &err);
        assert_true(more >= 0);
        size += (size_t)more;
        assert_int_equal(s.text.size, size);
        /* what is certain is whole characters, and stays */
        assert_int_equal(b4c_utf8_check(s.text.data ? s.text.data : "", size), size);
        assert_true(size <= strlen(whole));
        if (size) assert_memory_equal(s.text.data, whole, size);
    }
    assert_int_equal(size, strlen(whole));
    b4c_stream_done(&s);
    free(whole);
}

/* REPORTS V05: odd tokens made bytes that are no UTF-8, and ended a server several times a day. */
static void text_comes_out_token_by_token_as_it_does_at_once(void **state)
{
    (void)state;
    maker m = { 0 };
    open_all(&m);
    m.t[m.n++] = open_golden("vocab-zh.txt", B4C_DIALECT_HUB, -1);
    m.t[m.n++] = open_golden("vocab-zh.txt", B4C_DIALECT_BERT4KERAS, -1);
    m.t[m.n++] = open_golden("vocab-en.txt", B4C_DIALECT_HUB, -1);
    m.t[m.n] = open_golden("vocab-en.txt", B4C_DIALECT_HUB, -1);
    m.t[m.n++]->decoder.cleanup_all = true;
    b4c_rng r;
    b4c_rng_init(&r, 22, 0, 0);
    b4c_encoding e = { 0 };
    char text[400];
    static const char *const hard[] = { "don ' t . ' s 1 . 2 a ' ve ' b", "it 's , n't ( 1 . 3 )",
                                        "\U0001f600你好\U0001f469\u200d\U0001f467 x", "- 3 . ' ' m" };
    for (int i = 0; i < 30 * m.n; i++) {
        const b4c_tokenizer *t = m.t[i % m.n];
        int32_t ids[40];
        int n = 0;
        if (i / m.n < (int)COUNT(hard)) {
            encode(t, hard[i / m.n], SIZE_MAX, &e);
            n = e.n < 40 ? e.n : 40;
            memcpy(ids, e.ids, (size_t)n * sizeof *ids);
        } else if (i / m.n % 2) { /* any tokens at all: halves of characters, too */
            for (n = 0; n < 40; n++) {
                do ids[n] = (int32_t)b4c_rng_below(&r, (uint32_t)b4c_tokenizer_count(t));
                while (!is_usual(b4c_tokenizer_token(t, ids[n])));
            }
        } else {
            const size_t bytes = random_text(&r, 40, text);
            encode(t, text, bytes, &e);
            n = e.n < 40 ? e.n : 40;
            memcpy(ids, e.ids, (size_t)n * sizeof *ids);
        }
        for (int flags = 0; flags < 3; flags++) assert_streamed(t, ids, n, flags);
    }
    b4c_encoding_free(&e);
    for (int i = 0; i < m.n; i++) b4c_tokenizer_free(m.t[i]);
}

static void half_a_character_is_held_back(void **state)
{
    (void)state;
    b4c_tokenizer *t = open_path("tests/golden/bytes/tokenizer.json");
    b4c_encoding e = { 0 };
    b4c_error err = { 0 };
    b4c_stream s;
    encode(t, "a\U0001f4a9", SIZE_MAX, &e);
    assert_int_equal(e.n, 5);
    b4c_stream_init(&s, t, 0);
    static const int wanted[] = { 1, 0, 0, 0, 4 };
    for (int i = 0; i < e.n; i++) assert_int_equal(b4c_stream_push(&s, e.ids[i], &err), wanted[i]);
    assert_int_equal(b4c_stream_push(&s, e.ids[1], &err), 0);
    assert_int_equal(b4c_stream_end(&s, &err), 3);
    assert_string_equal(s.text.data, "a\U0001f4a9\ufffd");
    b4c_stream_done(&s);
    assert_fails(b4c_stream_push(&(b4c_stream){ .t = t }, 5000, &err), &err, B4C_E_ARG,
                 "id 5000 is no token");
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentencepiece_models_equal_sentencepiece),
        cmocka_unit_test(byte_level_bpe_equals_the_hubs_with_its_offsets),
        cmocka_unit_test(each_normalizer_pre_tokenizer_and_template_equals_the_hubs),
        cmocka_unit_test(added_tokens_are_found_and_decoded_as_their_flags_say),
        cmocka_unit_test(offsets_hold_for_random_texts_in_every_kind),
        cmocka_unit_test(broken_utf8_is_refused_or_becomes_a_character),
        cmocka_unit_test(text_comes_out_token_by_token_as_it_does_at_once),
        cmocka_unit_test(half_a_character_is_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
