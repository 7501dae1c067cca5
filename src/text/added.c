/* added.c - finding special and added tokens.
 *
 * Idea: the texts that hold none should not pay. All tokens of a set usually begin with the same
 * byte, '[', so memchr finds the few places where the trie must look.
 */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include "text/vocab.h"

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;   /* FNV-1a */
    for (; *text; text++) h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

/* Where `text` stands in the hash table, or the free place for it. */
static int *place(const b4c_added *a, const char *text)
{
    uint32_t i = hash(text) & (uint32_t)(a->slots - 1);
    while (a->slot[i] && strcmp(a->token[a->slot[i] - 1].text, text) != 0)
        i = (i + 1) & (uint32_t)(a->slots - 1);
    return &a->slot[i];
}

int b4c_added_find(const b4c_added *a, const char *text)
{
    return a->slots ? *place(a, text) - 1 : -1;
}

static int grow(b4c_added *a)
{
    const int room = a->room * 2 + 16;
    b4c_added_token *token = realloc(a->token, (size_t)room * sizeof *token);
    if (!token) return B4C_E_MEMORY;
    a->token = token;
    a->room = room;
    int slots = 32;
    while (slots < 2 * room) slots *= 2;
    int *slot = calloc((size_t)slots, sizeof *slot);
    if (!slot) return B4C_E_MEMORY;
    free(a->slot);
    a->slot = slot;
    a->slots = slots;
    for (int i = 0; i < a->n; i++) *place(a, a->token[i].text) = i + 1;
    return 0;
}

int b4c_added_put(b4c_added *a, const b4c_added_token *token)
{
    if (a->n >= B4C_VOCAB_MOST) return B4C_E_MEMORY;
    if (a->n == a->room) B4C_TRY(grow(a));
    char *text = strdup(token->text);
    if (!text) return B4C_E_MEMORY;
    *place(a, text) = a->n + 1;
    a->token[a->n] = *token;
    a->token[a->n++].text = text;
    return 0;
}

/* First index in by_id whose token has an id >= id. */
static int first_by_id(const b4c_added *a, int id)
{
    int low = 0, high = a->n;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (a->token[a->by_id[middle]].id < id) low = middle + 1;
        else high = middle;
    }
    return low;
}

int b4c_added_find_id(const b4c_added *a, int id)
{
    const int i = first_by_id(a, id);
    return i < a->n && a->token[a->by_id[i]].id == id ? a->by_id[i] : -1;
}

static int by_text(const void *x, const void *y)
{
    const b4c_key *a = x, *b = y;
    const int order = memcmp(a->text, b->text, a->bytes < b->bytes ? a->bytes : b->bytes);
    return order                ? order
         : a->bytes != b->bytes ? (a->bytes < b->bytes ? -1 : 1)
                                : a->value - b->value;
}

/* Two tokens may have one normalised form: the first is the one that is found. */
static int without_repeats(b4c_key *keys, int n)
{
    int kept = 0;
    qsort(keys, (size_t)n, sizeof *keys, by_text);
    for (int i = 0; i < n; i++)
        if (!kept || keys[kept - 1].bytes != keys[i].bytes ||
            memcmp(keys[kept - 1].text, keys[i].text, keys[i].bytes) != 0)
            keys[kept++] = keys[i];
    return kept;
}

bool b4c_added_begins(const b4c_added *a, const char *text)
{
    for (int i = 0; i < a->n; i++) {
        const size_t n = strlen(a->token[i].text);
        if (a->token[i].special && n && !strncmp(text, a->token[i].text, n)) return true;
    }
    return false;
}

static int index_set(const b4c_added *a, b4c_added_set *set, bool normalized,
                     b4c_normal_form_fn normal_form, const void *arg)
{
    b4c_key *keys = malloc((size_t)(a->n ? a->n : 1) * sizeof *keys);
    b4c_buffer *form = calloc((size_t)(a->n ? a->n : 1), sizeof *form);
    int rc = keys && form ? 0 : B4C_E_MEMORY, n = 0;
    set->only_first = -1;
    for (int i = 0; rc == 0 && i < a->n; i++) {
        if (a->token[i].normalized != normalized) continue;
        const char *text = a->token[i].text;
        size_t bytes = strlen(text);
        if (normalized) {
            if (normal_form(arg, text, &form[i]) < 0 || form[i].failed) rc = B4C_E_MEMORY;
            text = form[i].data; /* nothing may be left of it: then it is never found */
            bytes = form[i].size;
        }
        if (rc < 0 || bytes == 0) continue;
        keys[n++] = (b4c_key){ text, bytes, i };
    }
    if (rc == 0 && normalized) n = without_repeats(keys, n);
    for (int i = 0; i < n; i++) {
        const uint8_t first = (uint8_t)keys[i].text[0];
        set->only_first = i == 0 || set->only_first == first ? first : -1;
        set->first[first] = 1;
    }
    set->n = n;
    if (rc == 0 && n) rc = b4c_trie_build(&set->trie, keys, (size_t)n, NULL);
    for (int i = 0; form && i < a->n; i++) b4c_buffer_done(&form[i]);
    free(form);
    free(keys);
    return rc;
}

typedef struct pair { int id, index; } pair;

static int by_id(const void *x, const void *y)
{
    const pair *a = x, *b = y;
    return a->id != b->id ? (a->id < b->id ? -1 : 1) : a->index - b->index;
}

int b4c_added_index(b4c_added *a, b4c_normal_form_fn form, const void *arg, b4c_error *err)
{
    pair *order = malloc((size_t)(a->n ? a->n : 1) * sizeof *order);
    a->by_id = malloc((size_t)(a->n ? a->n : 1) * sizeof *a->by_id);
    int rc = order && a->by_id ? 0 : B4C_E_MEMORY;
    for (int i = 0; rc == 0 && i < a->n; i++) order[i] = (pair){ a->token[i].id, i };
    if (rc == 0) qsort(order, (size_t)a->n, sizeof *order, by_id);
    for (int i = 0; rc == 0 && i < a->n; i++) a->by_id[i] = order[i].index;
    if (rc == 0) rc = index_set(a, &a->raw, false, form, arg);
    if (rc == 0) rc = index_set(a, &a->normal, true, form, arg);
    if (rc == B4C_E_MEMORY) b4c_fail(err, rc, "added tokens: no memory for %d of them", a->n);
    for (int i = 1; rc == 0 && i < a->n; i++)
        if (order[i].id == order[i - 1].id)
            rc = b4c_fail(err, B4C_E_FORMAT, "added tokens: '%.80s' and '%.80s' both have id %d",
                          a->token[order[i - 1].index].text, a->token[order[i].index].text,
                          order[i].id);
    free(order);
    return rc;
}

void b4c_added_done(b4c_added *a)
{
    for (int i = 0; i < a->n; i++) free((char *)a->token[i].text);
    free(a->token);
    free(a->slot);
    free(a->by_id);
    b4c_trie_done(&a->raw.trie);
    b4c_trie_done(&a->normal.trie);
    *a = (b4c_added){ 0 };
}

/* Is the match beside a word character? */
static bool inside_word(const uint8_t *text, const uint8_t *begin, const uint8_t *stop,
                        const uint8_t *end)
{
    const uint8_t *at;
    if (begin > text) {
        const uint32_t c = b4c_utf8_before(text, begin, &at);
        if (c != B4C_NOT_A_CHAR && b4c_is_word_character(c)) return true;
    }
    if (stop == end) return false;
    const uint32_t c = b4c_utf8_read(stop, end, &at);
    return c != B4C_NOT_A_CHAR && b4c_is_word_character(c);
}

/* Next place >= from where a token may begin, or bytes. */
static size_t candidate(const b4c_added_set *set, const uint8_t *text, size_t bytes, size_t from)
{
    if (set->only_first >= 0) {
        const uint8_t *p = memchr(text + from, set->only_first, bytes - from);
        return p ? (size_t)(p - text) : bytes;
    }
    while (from < bytes && !set->first[text[from]]) from++;
    return from;
}

bool b4c_added_next(const b4c_added *a, const b4c_added_set *set, const char *text, size_t bytes,
                    size_t *from, size_t taken, b4c_added_match *match)
{
    const uint8_t *const base = (const uint8_t *)text, *const end = base + bytes;
    if (set->n == 0) return false;
    size_t at = *from;
    while ((at = candidate(set, base, bytes, at)) < bytes) {
        size_t length = 0;
        const int32_t token = b4c_trie_longest(&set->trie, text + at, bytes - at, &length);
        if (token < 0) {
            at++;
            continue;
        }
        const uint8_t *begin = base + at, *stop = begin + length, *next;
        at += length;
        if (a->token[token].single_word && inside_word(base, begin, stop, end)) continue;
        if (a->token[token].lstrip)
            while (begin > base + taken && b4c_is_blank(b4c_utf8_before(base, begin, &next)))
                begin = next;
        if (a->token[token].rstrip) /* what lies before `taken` is blank and was looked at before */
            for (stop = stop < base + taken ? base + taken : stop; stop < end; stop = next)
                if (!b4c_is_blank(b4c_utf8_read(stop, end, &next))) break;
        if ((size_t)(begin - base) < taken) begin = base + taken;
        if (stop <= begin) continue; /* the blanks it consists of were given to the token before */
        *from = at;
        *match = (b4c_added_match){ (size_t)(begin - base), (size_t)(stop - base), token };
        return true;
    }
    *from = bytes;
    return false;
}
