/* vocab.c - vocabularies from lines and from pairs.
 *
 * Idea: both readers gather keys that point into the source, and one function copies, checks and
 * indexes them. Equal spellings are found by the trie as it is built.
 */
#include "text/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

static int no_memory(const char *name, b4c_error *err)
{
    return b4c_fail(err, B4C_E_MEMORY, "%s: no memory for the vocabulary", name);
}

/* Copy the spellings behind one another and build the trie. `keys` is used up. Two equal keys:
 * B4C_E_FORMAT, ids in twice. */
static int fill(b4c_vocab *v, b4c_key *keys, size_t n, int32_t twice[2], const char *name,
                b4c_error *err)
{
    size_t bytes = 0;
    int32_t last = -1;
    for (size_t i = 0; i < n; i++) {
        bytes += keys[i].bytes + 1;
        if (keys[i].value > last) last = keys[i].value;
    }
    if (bytes >= UINT32_MAX)
        return b4c_fail(err, B4C_E_FORMAT, "%s: the tokens take %zu bytes, wanted less than 4 GiB",
                        name, bytes);
    v->n = last + 1;
    v->bytes = malloc(bytes ? bytes : 1);
    v->at = malloc(((size_t)v->n ? (size_t)v->n : 1) * sizeof *v->at);
    if (!v->bytes || !v->at) return no_memory(name, err);
    memset(v->at, 0xff, (size_t)v->n * sizeof *v->at);

    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        b4c_key *key = &keys[i];
        memcpy(v->bytes + at, key->text, key->bytes);
        v->bytes[at + key->bytes] = 0;
        key->text = v->bytes + at;   /* closer together than where they came from */
        v->at[key->value] = at;
        at += (uint32_t)key->bytes + 1;
        if (key->bytes > (size_t)v->longest) {
            const size_t length = b4c_utf8_count(key->text, key->bytes);
            if (length > (size_t)v->longest) v->longest = (int)length;
        }
    }
    const int rc = b4c_trie_build(&v->trie, keys, n, twice);
    return rc == B4C_E_MEMORY ? no_memory(name, err) : rc;
}

int b4c_vocab_make(b4c_vocab *v, const b4c_key *keys, size_t n, const char *name, b4c_error *err)
{
    *v = (b4c_vocab){ 0 };
    b4c_key *copy = malloc((n ? n : 1) * sizeof *copy);
    uint8_t *taken = calloc(B4C_VOCAB_MOST / 8, 1);
    int rc = copy && taken ? 0 : no_memory(name, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const int32_t id = keys[i].value;
        const int shown = keys[i].bytes < 80 ? (int)keys[i].bytes : 80;
        if (id < 0 || id >= B4C_VOCAB_MOST)
            rc = b4c_fail(err, B4C_E_FORMAT, "%s: token '%.*s' has id %d, wanted 0 to %d", name,
                          shown, keys[i].text, id, B4C_VOCAB_MOST - 1);
        else if (taken[id / 8] >> id % 8 & 1)
            rc = b4c_fail(err, B4C_E_FORMAT,
                          "%s: token '%.*s' has id %d, which another token has too", name, shown,
                          keys[i].text, id);
        else
            taken[id / 8] |= (uint8_t)(1 << id % 8);
    }
    if (rc == 0) {
        if (n) memcpy(copy, keys, n * sizeof *copy);
        int32_t twice[2] = { 0, 0 };
        rc = fill(v, copy, n, twice, name, err);
        if (rc == B4C_E_FORMAT && twice[0] != twice[1])
            b4c_fail(err, rc, "%s: tokens %d and %d are spelt the same", name, twice[0], twice[1]);
    }
    free(copy);
    free(taken);
    if (rc < 0) b4c_vocab_done(v);
    return rc;
}

/* The part of a line that is the token. Of a blank line: all of it. */
static b4c_key token_of(const char *line, size_t n, b4c_dialect dialect)
{
    const uint8_t *begin = (const uint8_t *)line, *end = begin + n, *p = begin, *next;
    if (dialect == B4C_DIALECT_HUB) {
        while (end > begin + 1 && (end[-1] == ' ' || end[-1] == '\t')) end--;
        return (b4c_key){ line, (size_t)(end - begin), 0 };
    }
    const uint8_t *from = NULL;
    for (; p < end; p = next) {
        const uint32_t c = b4c_utf8_read(p, end, &next);
        const bool blank = b4c_is_python_space(c);
        if (blank && from) break;
        if (!blank && !from) from = p;
    }
    if (!from) return (b4c_key){ line, n, 0 };
    return (b4c_key){ (const char *)from, (size_t)(p - from), 0 };
}

static bool is_blank_token(const b4c_key *key)
{
    const uint8_t *next;
    return b4c_is_python_space(
        b4c_utf8_read((const uint8_t *)key->text, (const uint8_t *)key->text + key->bytes, &next));
}

/* Number of the line that holds byte `at`, 1 first. */
static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++) line += text[i] == '\n';
    return line;
}

int b4c_vocab_read(b4c_vocab *v, const char *text, size_t bytes, b4c_dialect dialect,
                   const char *name, b4c_error *err)
{
    *v = (b4c_vocab){ 0 };
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        bytes -= 3;
    }
    if (bytes == 0)
        return b4c_fail(err, B4C_E_FORMAT, "%s: the vocabulary is empty, wanted one token a line",
                        name);
    const size_t bad = b4c_utf8_check(text, bytes);
    if (bad < bytes) {
        char what[300];
        snprintf(what, sizeof what, "%.250s: line %zu", name, line_of(text, bad));
        b4c_utf8_fail(what, text, bytes, bad, err);
        if (err) err->code = B4C_E_FORMAT;
        return B4C_E_FORMAT;
    }
    size_t lines = text[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++) lines += text[i] == '\n';
    if (lines > B4C_VOCAB_MOST)
        return b4c_fail(err, B4C_E_FORMAT, "%s: %zu lines, wanted a vocabulary of at most %d", name,
                        lines, B4C_VOCAB_MOST);

    b4c_key *keys = malloc(lines * sizeof *keys);
    int rc = keys ? 0 : no_memory(name, err);
    const char *line = text, *const end = text + bytes;
    size_t blank = SIZE_MAX; /* bert4keras reads every blank line as the same empty token, so one is
                                the most there can be */
    for (size_t i = 0; rc == 0 && i < lines; i++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        const char *last = stop > line && stop[-1] == '\r' ? stop - 1 : stop;
        if (last == line)
            rc = b4c_fail(err, B4C_E_FORMAT,
                          "%s: line %zu is empty, wanted a token; ids are line numbers, so restore "
                          "or remove the line",
                          name, i + 1);
        else if (memchr(line, 0, (size_t)(last - line)))
            rc = b4c_fail(err, B4C_E_FORMAT, "%s: line %zu has a NUL byte, wanted a token", name,
                          i + 1);
        else
            keys[i] = token_of(line, (size_t)(last - line), dialect);
        if (rc == 0) keys[i].value = (int32_t)i;
        if (rc == 0 && dialect == B4C_DIALECT_BERT4KERAS && is_blank_token(&keys[i])) {
            if (blank != SIZE_MAX)
                rc = b4c_fail(
                    err, B4C_E_FORMAT,
                    "%s: line %zu is blank, as line %zu is; a token has one id, so restore or "
                    "remove one of them",
                    name, i + 1, blank + 1);
            blank = i;
        }
        line = stop + 1;
    }
    if (rc == 0) {
        int32_t twice[2] = { 0, 0 };
        rc = fill(v, keys, lines, twice, name, err);
        if (rc == B4C_E_FORMAT && twice[0] != twice[1])
            b4c_fail(
                err, rc,
                "%s: line %d repeats '%.80s' of line %d; a token has one id, so remove one of them",
                name, twice[1] + 1, v->bytes + v->at[twice[1]], twice[0] + 1);
    }
    free(keys);
    if (rc < 0) b4c_vocab_done(v);
    return rc;
}

void b4c_vocab_done(b4c_vocab *v)
{
    free(v->bytes);
    free(v->at);
    b4c_trie_done(&v->trie);
    *v = (b4c_vocab){ 0 };
}
