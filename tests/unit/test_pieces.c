/* test_pieces.c - SentencePiece models: ids and places equal to sentencepiece 0.2.2.
 *
 * tests/golden/pieces: a BPE model (identity normalisation, byte fallback, user-defined pieces) and
 * a Unigram model (nmt_nfkc, byte fallback, user-defined pieces, no dummy prefix), trained on open
 * text. A line: text, ids, begin and end in bytes of the text, decoded. The reference gives the
 * bytes of one character an empty place each, but the last; here each has the character's.
 */
#include "support/lines.h"
#include "support/test.h"

#include "base/file.h"
#include "text/pieces.h"
#include "text/utf8.h"

static void open_model(b4c_pieces *m, const char *name)
{
    b4c_file f;
    b4c_error err = { 0 };
    char path[100];
    snprintf(path, sizeof path, "tests/golden/pieces/%s.model", name);
    assert_ok(b4c_file_map(&f, path, &err), &err);
    assert_ok(b4c_pieces_read(m, f.data, f.size, path, &err), &err);
    b4c_file_unmap(&f);
}

typedef struct judged {
    const char *name;
    b4c_pieces m;
    b4c_piece_list l;
} judged;

static void check_line(const json_t *line, long number, void *arg)
{
    judged *g = arg;
    b4c_piece_list *l = &g->l;
    const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids");
    const json_t *begin = json_object_get(line, "begin"), *end = json_object_get(line, "end");
    b4c_error err = { 0 };
    assert_ok(b4c_pieces_encode(&g->m, json_string_value(text), json_string_length(text), l, &err),
              &err);
    if ((size_t)l->tokens.n != json_array_size(ids))
        fail_msg("%s line %ld: %d pieces, wanted %zu", g->name, number, l->tokens.n,
                 json_array_size(ids));
    for (int i = 0; i < l->tokens.n; i++) {
        const size_t k = (size_t)i;
        if (l->tokens.id[i] != json_integer_value(json_array_get(ids, k)))
            fail_msg("%s line %ld: piece %d is %d, wanted %lld", g->name, number, i,
                     l->tokens.id[i], json_integer_value(json_array_get(ids, k)));
        if (g->m.piece[l->tokens.id[i]].kind == B4C_PIECE_BYTE) continue;
        assert_int_equal(l->tokens.begin[i], json_integer_value(json_array_get(begin, k)));
        assert_int_equal(l->tokens.end[i], json_integer_value(json_array_get(end, k)));
    }
}

static void check_model(const char *name)
{
    judged g = { .name = name };
    open_model(&g.m, name);
    char path[100];
    snprintf(path, sizeof path, "tests/golden/pieces/%s.jsonl", name);
    assert_true(each_line(path, check_line, &g) > 200);
    b4c_piece_list_done(&g.l);
    b4c_pieces_done(&g.m);
}

static void unigram_equals_the_reference(void **state)
{
    (void)state;
    check_model("unigram");
}

static void bpe_equals_the_reference(void **state)
{
    (void)state;
    check_model("bpe");
}

static void places_stay_within_the_text_and_never_fall(void **state)
{
    (void)state;
    static const char *const names[] = { "unigram", "bpe" };
    for (size_t k = 0; k < COUNT(names); k++) {
        b4c_pieces m;
        b4c_piece_list l = { 0 };
        b4c_error err = { 0 };
        open_model(&m, names[k]);
        uint64_t random = 7;
        for (int round = 0; round < 2000; round++) {
            char text[128];
            size_t n = 0;
            while (n < 100) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                const uint32_t r = (uint32_t)(random >> 33);
                if (r % 8 < 4)
                    n += (size_t)b4c_utf8_write(0x4e00 + r / 8 % 0x1000, text + n);
                else if (r % 8 < 6)
                    text[n++] = (char)(r / 8); /* any byte, broken UTF-8 too */
                else
                    n += (size_t)b4c_utf8_write(0x20 + r / 8 % 0x3000, text + n);
            }
            assert_ok(b4c_pieces_encode(&m, text, n, &l, &err), &err);
            for (int i = 0; i < l.tokens.n; i++) {
                assert_true(l.tokens.id[i] >= 0 && l.tokens.id[i] < m.n);
                assert_true(l.tokens.begin[i] <= l.tokens.end[i] && l.tokens.end[i] <= n);
                if (i) assert_true(l.tokens.begin[i] >= l.tokens.begin[i - 1]);
            }
        }
        b4c_piece_list_done(&l);
        b4c_pieces_done(&m);
    }
}

/* Joins the best pair again and again, by the definition: ends of the pieces of text, characters at
 * first. */
static int merge_slowly(const b4c_pieces *m, const char *text, size_t n, uint32_t *end)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || (text[i + 1] & 0xc0) != 0x80) end[count++] = (uint32_t)i + 1;
    for (;;) {
        int best = -1;
        float score = 0;
        for (int i = 0; i + 1 < count; i++) {
            const uint32_t begin = i ? end[i - 1] : 0;
            const int32_t id = b4c_trie_find(&m->trie, text + begin, end[i + 1] - begin);
            if (id < 0 || (best >= 0 && m->piece[id].score <= score)) continue;
            best = i;
            score = m->piece[id].score;
        }
        if (best < 0) return count;
        memmove(end + best, end + best + 1, (size_t)(--count - best) * sizeof *end);
    }
}

static void merging_equals_its_definition_in_short_and_long_stretches(void **state)
{
    (void)state;
    b4c_pieces m;
    b4c_piece_list l = { 0 };
    b4c_error err = { 0 };
    open_model(&m, "bpe");
    m.map.dummy_prefix = false;
    uint64_t random = 11;
    for (int round = 0; round < 300; round++) {
        char text[600];
        uint32_t end[600];
        size_t n = 0;
        const size_t length = round % 3 ? 40 : 500;
        while (n < length) { /* few different letters, so that they stand side by side in pieces */
            random = random * 6364136223846793005u + 1442695040888963407u;
            text[n++] = "aeinorst"[random >> 61];
        }
        assert_ok(b4c_pieces_encode(&m, text, n, &l, &err), &err);
        const int count = merge_slowly(&m, text, n, end);
        assert_int_equal(l.tokens.n, count);
        for (int i = 0; i < count; i++) assert_int_equal(l.tokens.end[i], end[i]);
    }
    b4c_piece_list_done(&l);
    b4c_pieces_done(&m);
}

static int read_model(const void *bytes, size_t n, void *arg, b4c_error *err)
{
    (void)arg;
    b4c_pieces m;
    B4C_TRY(b4c_pieces_read(&m, bytes, n, "cut", err));
    b4c_piece_list l = { 0 };
    const int rc = b4c_pieces_encode(&m, "北京大学 ab\xff", 16, &l, err);
    b4c_piece_list_done(&l);
    b4c_pieces_done(&m);
    return rc;
}

static void a_cut_or_changed_model_is_an_error_or_a_model(void **state)
{
    (void)state;
    size_t size;
    char *bytes = read_file("tests/golden/pieces/bpe.model", &size);
    const cut_result r = cut_bytes(bytes, size, 211, read_model, NULL);
    assert_true(r.cuts > r.cuts_taken);
    free(bytes);
    bytes = read_file("tests/golden/pieces/unigram.model", &size);
    cut_bytes(bytes, size, 4001, read_model, NULL);
    free(bytes);
    b4c_pieces m;
    b4c_error err = { 0 };
    assert_fails(b4c_pieces_read(&m, "", 0, "empty.model", &err), &err, B4C_E_FORMAT,
                 "empty.model: found no pieces");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unigram_equals_the_reference),
        cmocka_unit_test(bpe_equals_the_reference),
        cmocka_unit_test(places_stay_within_the_text_and_never_fall),
        cmocka_unit_test(merging_equals_its_definition_in_short_and_long_stretches),
        cmocka_unit_test(a_cut_or_changed_model_is_an_error_or_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
