/* text_case.c - see text_case.h. */
#include "unit/text_case.h"

#include "text/utf8.h"

b4c_tokenizer *try_make(made_of m, const b4c_tokenizer_options *o, b4c_error *err)
{
    b4c_source source[B4C_SOURCES] = { 0 };
    const struct {
        b4c_source_kind kind;
        const char *text, *name;
    } parts[] = {
        { B4C_SOURCE_TOKENIZER, m.json, "tokenizer.json" },
        { B4C_SOURCE_VOCABULARY, m.vocabulary, "vocab.txt" },
        { B4C_SOURCE_BPE, m.bpe, "vocab.json" },
        { B4C_SOURCE_MERGES, m.merges, "merges.txt" },
        { B4C_SOURCE_CONFIG, m.config, "tokenizer_config.json" },
        { B4C_SOURCE_SPECIAL, m.special, "special_tokens_map.json" },
        { B4C_SOURCE_ADDED, m.added, "added_tokens.json" },
        { B4C_SOURCE_MODEL, m.model, "config.json" },
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        if (parts[i].text)
            source[parts[i].kind] =
                (b4c_source){ parts[i].text, strlen(parts[i].text), parts[i].name };
    return b4c_tokenizer_make(source, o, err);
}

b4c_tokenizer *make(made_of m, const b4c_tokenizer_options *o)
{
    b4c_error err = { 0 };
    b4c_tokenizer *t = try_make(m, o, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

b4c_tokenizer *make_small(const char *tokens, b4c_dialect dialect, int lower)
{
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    o.dialect = dialect;
    o.lower_case = lower;
    char *lines = strdup(tokens);
    assert_non_null(lines);
    for (char *p = lines; *p; p++)
        if (*p == ' ') *p = '\n';
    b4c_tokenizer *t = make((made_of){ .vocabulary = lines }, &o);
    free(lines);
    return t;
}

b4c_tokenizer *open_golden(const char *name, b4c_dialect dialect, int lower)
{
    b4c_error err = { 0 };
    b4c_tokenizer_options o = B4C_TOKENIZER_DEFAULT;
    o.dialect = dialect;
    o.lower_case = lower;
    char path[200];
    snprintf(path, sizeof path, "tests/golden/text/%s", name);
    b4c_tokenizer *t = b4c_tokenizer_open_with(path, &o, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

void encode(const b4c_tokenizer *t, const char *text, size_t len, b4c_encoding *e)
{
    b4c_error err = { 0 };
    assert_ok(b4c_tokenize(t, text, len, NULL, 0, NULL, e, &err), &err);
}

void encode_with(const b4c_tokenizer *t, const char *a, const char *b,
                 const b4c_tokenize_options *o, b4c_encoding *e)
{
    b4c_error err = { 0 };
    assert_ok(b4c_tokenize(t, a, SIZE_MAX, b, SIZE_MAX, o, e, &err), &err);
}

typedef enum show { TOKENS, CHARS, BYTES, DROPPED } show;

static void assert_shown(const b4c_tokenizer *t, const char *text, show what, const char *wanted)
{
    b4c_encoding e = { 0 };
    b4c_buffer out = { 0 };
    encode(t, text, SIZE_MAX, &e);
    check_laws(t, &e, text, strlen(text), NULL, 0);
    const int n = what == DROPPED ? e.n_dropped : e.n;
    for (int i = 0; i < n; i++) {
        if (what != DROPPED && e.added[i]) continue;
        if (out.size) b4c_buffer_text(&out, " ");
        if (what == TOKENS) b4c_buffer_text(&out, b4c_tokenizer_token(t, e.ids[i]));
        if (what == CHARS) b4c_buffer_print(&out, "%u-%u", e.char_begin[i], e.char_end[i]);
        if (what == BYTES) b4c_buffer_print(&out, "%u-%u", e.begin[i], e.end[i]);
        if (what == DROPPED) b4c_buffer_print(&out, "%u", e.dropped[i]);
    }
    b4c_buffer_text(&out, "");
    if (strcmp(out.data, wanted) != 0) fail_msg("'%s': '%s', wanted '%s'", text, out.data, wanted);
    b4c_buffer_done(&out);
    b4c_encoding_free(&e);
}

void assert_tokens(const b4c_tokenizer *t, const char *text, const char *wanted)
{
    assert_shown(t, text, TOKENS, wanted);
}

void assert_chars(const b4c_tokenizer *t, const char *text, const char *wanted)
{
    assert_shown(t, text, CHARS, wanted);
}

void assert_bytes(const b4c_tokenizer *t, const char *text, const char *wanted)
{
    assert_shown(t, text, BYTES, wanted);
}

void assert_dropped(const b4c_tokenizer *t, const char *text, const char *wanted)
{
    assert_shown(t, text, DROPPED, wanted);
}

/* ---- laws ---------------------------------------------------------------------------------- */

typedef struct places {
    size_t n;                        /* code points; bytes of no UTF-8 count as one each run */
    uint32_t *at;                    /* [n + 1] where each begins */
    uint32_t *index;                 /* [bytes + 1] code point that begins there, or UINT32_MAX */
    uint8_t *covered;                /* [n] */
} places;

static places find_places(const char *text, size_t len)
{
    places p = { .at = malloc((len + 1) * 4), .index = malloc((len + 1) * 4),
                 .covered = calloc(len + 1, 1) };
    assert_true(p.at && p.index && p.covered);
    memset(p.index, 0xff, (len + 1) * 4);
    const uint8_t *const base = (const uint8_t *)text, *const end = base + len, *q = base;
    while (q < end) {
        p.at[p.n] = (uint32_t)(q - base);
        p.index[q - base] = (uint32_t)p.n++;
        (void)b4c_utf8_read(q, end, &q);
    }
    p.at[p.n] = (uint32_t)len;
    p.index[len] = (uint32_t)p.n;
    return p;
}

static bool is_blank_at(const places *p, const char *text, size_t i)
{
    const uint8_t *const base = (const uint8_t *)text, *next;
    return b4c_is_blank(b4c_utf8_read(base + p->at[i], base + p->at[i + 1], &next));
}

static void check_text(const b4c_encoding *e, int segment, const char *text, size_t len,
                       const uint32_t *dropped, int n_dropped, bool may_be_empty)
{
    places p = find_places(text, len);
    uint32_t begin = 0, end = 0;
    for (int i = 0; i < e->n; i++) {
        if (e->segments[i] != segment || e->added[i]) continue;
        assert_true(e->begin[i] + !may_be_empty <= e->end[i] && e->end[i] <= len);
        assert_true(e->begin[i] >= begin && e->end[i] >= end);
        begin = e->begin[i];
        end = e->end[i];
        assert_int_equal(p.index[begin], e->char_begin[i]);
        assert_int_equal(p.index[end], e->char_end[i]);
        for (uint32_t k = e->char_begin[i]; k < e->char_end[i]; k++) p.covered[k] = 1;
    }
    for (int i = 0; i < n_dropped; i++) {
        assert_true(dropped[i] < len && (i == 0 || dropped[i] > dropped[i - 1]));
        assert_int_not_equal(p.index[dropped[i]], UINT32_MAX);
        p.covered[p.index[dropped[i]]] = 1;
    }
    for (size_t i = 0; !e->cut && i < p.n; i++)
        if (!p.covered[i] && !is_blank_at(&p, text, i))
            fail_msg("character %zu (byte %u) is neither covered nor dropped", i, p.at[i]);
    free(p.at);
    free(p.index);
    free(p.covered);
}

void check_laws(const b4c_tokenizer *t, const b4c_encoding *e, const char *a, size_t len_a,
                const char *b, size_t len_b)
{
    b4c_tokenizer_info info;
    b4c_tokenizer_describe(t, &info);
    int unknown = 0;
    assert_true(e->n >= 0 && e->n <= e->room);
    for (int i = 0; i < e->n; i++) {
        assert_non_null(b4c_tokenizer_token(t, e->ids[i]));
        assert_true(e->segments[i] == 0 || e->segments[i] == 1);
        if (e->added[i]) assert_true(e->begin[i] == 0 && e->end[i] == 0 && e->char_end[i] == 0);
        else unknown += e->ids[i] == info.unknown;
    }
    assert_int_equal(unknown, e->unknown);
    assert_true(e->dropped_in_first <= e->n_dropped);
    /* a blank that was put in front of a text may be a token alone */
    const bool empty = info.kind != B4C_TOKENIZER_WORDPIECE;
    check_text(e, 0, a, len_a, e->dropped, e->dropped_in_first, empty);
    if (b)
        check_text(e, 1, b, len_b, e->dropped + e->dropped_in_first,
                   e->n_dropped - e->dropped_in_first, empty);
}

void assert_decoded(const b4c_tokenizer *t, const char *tokens, bool keep, const char *wanted)
{
    int32_t ids[32];
    int n = 0;
    char *copy = strdup(tokens);
    assert_non_null(copy);
    for (char *token = strtok(copy, " "); token; token = strtok(NULL, " "))
        ids[n++] = b4c_tokenizer_find(t, token);
    b4c_error err = { 0 };
    char *text = b4c_detokenize(t, ids, n, keep, &err);
    if (!text) fail_msg("%s", err.message);
    assert_string_equal(text, wanted);
    free(text);
    free(copy);
}

/* ---- golden files -------------------------------------------------------------------------- */

void assert_numbers(const json_t *list, const int32_t *got, int n, const char *what, long number)
{
    if ((size_t)n != json_array_size(list))
        fail_msg("%s, line %ld: %d numbers, wanted %zu", what, number, n, json_array_size(list));
    for (int i = 0; i < n; i++) {
        const long long want = json_integer_value(json_array_get(list, (size_t)i));
        if (got[i] != want)
            fail_msg("%s, line %ld: number %d is %d, wanted %lld", what, number, i, got[i], want);
    }
}

b4c_tokenizer_info describe(const b4c_tokenizer *t)
{
    b4c_tokenizer_info info;
    b4c_tokenizer_describe(t, &info);
    return info;
}

b4c_tokenizer *open_path(const char *path)
{
    b4c_error err = { 0 };
    b4c_tokenizer *t = b4c_tokenizer_open(path, B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    return t;
}

void assert_all(const b4c_tokenizer *t, const char *a, const char *b, const char *wanted)
{
    b4c_encoding e = { 0 };
    b4c_buffer out = { 0 };
    encode_with(t, a, b, NULL, &e);
    for (int i = 0; i < e.n; i++) b4c_buffer_print(&out, "%s%d", i ? " " : "", e.ids[i]);
    b4c_buffer_text(&out, "");
    if (strcmp(out.data, wanted) != 0) fail_msg("'%s': %s, wanted %s", a, out.data, wanted);
    b4c_buffer_done(&out);
    b4c_encoding_free(&e);
}
