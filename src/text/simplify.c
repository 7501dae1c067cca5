/* simplify.c - see simplify.h. Source: bert4keras 0.11.5, tokenizers.py: load_vocab, _is_redundant.
 */
#include "text/simplify.h"

#include "base/error.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include <stdlib.h>
#include <string.h>

static bool is_redundant(const char *token)
{
    const uint8_t *p = (const uint8_t *)token, *const end = p + strlen(token), *next;
    if (b4c_utf8_count(token, (size_t)(end - p)) <= 1) return false;
    if (p[0] == '#' && p[1] == '#') p += 2;
    for (; p < end; p = next) {
        const uint32_t c = b4c_utf8_read(p, end, &next);
        if (b4c_is_chinese(B4C_DIALECT_BERT4KERAS, c) ||
            b4c_is_punctuation(B4C_DIALECT_BERT4KERAS, c))
            return true;
    }
    return false;
}

static void put(b4c_simplified *s, int32_t id, const char *token)
{
    b4c_buffer_add(&s->keep, &id, sizeof id);
    b4c_buffer_text(&s->text, token);
    b4c_buffer_text(&s->text, "\n");
    s->n++;
}

/* The tokens that stand first; taken [count] says which. */
static int put_start(b4c_simplified *s, const b4c_tokenizer *t, const char *start, uint8_t *taken,
                     b4c_error *err)
{
    char name[256];
    while (*start) {
        const size_t n = strcspn(start, ",");
        if (n >= sizeof name) return b4c_fail(err, B4C_E_ARG, "'%.60s...' is no token", start);
        memcpy(name, start, n);
        name[n] = '\0';
        const int id = b4c_trie_find(&t->vocab.trie, name, n);
        if (id < 0 || taken[id])
            return b4c_fail(err, B4C_E_ARG, "tokens that stand first: '%s' %s", name,
                            id < 0 ? "is not in the vocabulary" : "stands twice");
        taken[id] = 1;
        put(s, id, name);
        start += n + (start[n] == ',');
    }
    return 0;
}

int b4c_simplify(b4c_simplified *s, const b4c_tokenizer *t, const char *start, b4c_error *err)
{
    *s = (b4c_simplified){ 0 };
    if (t->kind != B4C_TOKENIZER_WORDPIECE)
        return b4c_fail(err, B4C_E_UNSUPPORTED, "only a WordPiece vocabulary can be simplified");
    uint8_t *taken = calloc((size_t)t->vocab.n + 1, 1);
    int rc = taken ? put_start(s, t, start, taken, err) : 0;
    for (int id = 0; taken && rc == 0 && id < t->vocab.n; id++) {
        const char *token = b4c_vocab_token(&t->vocab, id);
        if (token && !taken[id] && !is_redundant(token)) put(s, id, token);
    }
    if (rc == 0 && (!taken || s->keep.failed || s->text.failed))
        rc = b4c_fail(err, B4C_E_MEMORY, "no memory for a vocabulary");
    free(taken);
    if (rc < 0) b4c_simplified_done(s);
    return rc;
}

void b4c_simplified_done(b4c_simplified *s)
{
    b4c_buffer_done(&s->keep);
    b4c_buffer_done(&s->text);
    *s = (b4c_simplified){ 0 };
}
