/* words.c - cutting text into words.
 *
 * Idea: from the end of a block to its start, the best cut from each character on is the best of "a
 * word that starts here, then the best cut behind it". Words are found by walking the trie, so
 * nothing is stored but one score and one choice a character.
 *
 * Equal to the reference to the last tie: scores are sums in its order (log freq - log total +
 * rest), of equal ones the longer word wins, and the Markov model's "never" is the same huge
 * number, because sums with it round to ties. Source: jieba 0.42.1, jieba/__init__.py and
 * jieba/finalseg/__init__.py (MIT).
 */
#include "text/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/utf8.h"
#include "text/words_file.h"

/* Words the user added, over the dictionary: their own trie, whose value is an index into freq and
 * weight. */
typedef struct own_words {
    b4c_trie trie;
    b4c_key *key;
    int64_t *freq;
    double *weight;
    size_t n, room;
} own_words;

struct b4c_words {
    const b4c_words_header *file;
    b4c_trie trie; /* its units are the file's */
    const int64_t *freq;
    const uint32_t *first;
    const double (*emission)[B4C_WORD_STATES];
    double *weight; /* log of each class' frequency */
    int64_t total;
    double log_total;
    own_words own;
};

/* One block while it is cut: n characters. */
struct b4c_cut_scratch {
    uint32_t *at;                     /* [n + 1] byte of each character */
    uint32_t *code;                   /* [n] */
    double *score;                    /* [n + 1] of the best cut from here on */
    uint32_t *next;                   /* [n] character behind the word that starts here */
    uint8_t (*from)[B4C_WORD_STATES]; /* [n] best state before */
    uint8_t *state;                   /* [n] */
    size_t room;
};

/* ---- opening ----------------------------------------------------------------------------- */

b4c_words *b4c_words_open(const void *data, size_t bytes, const char *where, b4c_error *err)
{
    const b4c_words_header *h = data;
    if (bytes < sizeof *h || h->magic != B4C_WORDS_MAGIC || h->bytes != bytes ||
        b4c_words_size(h) != bytes || h->total < 1) {
        b4c_fail(
            err, B4C_E_FORMAT,
            "dictionary: %s: not a whole dictionary compiled by this version; compile it again",
            where);
        return NULL;
    }
    b4c_words *w = calloc(1, sizeof *w);
    if (w) w->weight = malloc((h->classes + 1) * sizeof *w->weight);
    if (!w || !w->weight) {
        b4c_words_free(w);
        b4c_fail(err, B4C_E_MEMORY, "dictionary: %s: no memory", where);
        return NULL;
    }
    const char *base = data;
    w->file = h;
    /* The trie is only read: the cast takes nothing away that b4c_trie_step would miss. */
    w->trie = (b4c_trie){ (b4c_trie_unit *)(uintptr_t)(base + b4c_words_units_at()), h->units };
    w->freq = (const int64_t *)(const void *)(base + b4c_words_freq_at(h));
    w->first = (const uint32_t *)(const void *)(base + b4c_words_first_at(h));
    w->emission = (const double(*)[B4C_WORD_STATES])(const void *)(base + b4c_words_emission_at(h));
    for (uint32_t i = 0; i < h->classes; i++) w->weight[i] = log((double)w->freq[i]);
    w->total = h->total;
    w->log_total = log((double)w->total);
    return w;
}

b4c_words *b4c_words_default(b4c_error *err)
{
    extern const char b4c_words_data[], b4c_words_data_end[]; /* words_data.S */
    return b4c_words_open(b4c_words_data, (size_t)(b4c_words_data_end - b4c_words_data),
                          "the library's own", err);
}

void b4c_words_free(b4c_words *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->own.n; i++) free((char *)(uintptr_t)w->own.key[i].text);
    free(w->own.key);
    free(w->own.freq);
    free(w->own.weight);
    b4c_trie_done(&w->own.trie);
    free(w->weight);
    free(w);
}

/* ---- the user's words -------------------------------------------------------------------- */

long long b4c_words_freq(const b4c_words *w, const char *word, size_t bytes)
{
    int32_t i = w->own.n ? b4c_trie_find(&w->own.trie, word, bytes) : -1;
    if (i >= 0) return w->own.freq[i];
    i = b4c_trie_find(&w->trie, word, bytes);
    return i < 0 ? 0 : w->freq[i];
}

/* The reference's suggest_freq: as often as the product of its parts' probabilities, and one more.
 */
static int suggest(const b4c_words *w, const char *word, size_t bytes, long long *freq,
                   b4c_error *err)
{
    b4c_cuts cuts = { 0 };
    B4C_TRY(b4c_words_cut(w, word, bytes, false, &cuts, err));
    double p = 1, total = (double)w->total;
    for (size_t i = 0, at = 0; i < cuts.n; at = cuts.end[i++]) {
        const long long seen = b4c_words_freq(w, word + at, cuts.end[i] - at);
        p *= (double)(seen ? seen : 1) / total;
    }
    b4c_cuts_free(&cuts);
    *freq = (long long)(p * total) + 1;
    const long long known = b4c_words_freq(w, word, bytes);
    if (*freq < known) *freq = known;
    return 0;
}

int b4c_words_add(b4c_words *w, const char *word, size_t bytes, long long freq, b4c_error *err)
{
    own_words *o = &w->own;
    if (!bytes || bytes > 1000 || freq > INT32_MAX)
        return b4c_fail(
            err, B4C_E_ARG,
            "user word: found %zu bytes, frequency %lld; wanted 1 to 1000 bytes, at most %d", bytes,
            freq, INT32_MAX);
    if (freq < 0) B4C_TRY(suggest(w, word, bytes, &freq, err));
    int32_t i = o->n ? b4c_trie_find(&o->trie, word, bytes) : -1;
    if (i < 0) {
        if (o->n == o->room) {
            const size_t room = o->room ? 2 * o->room : 64;
            b4c_key *key = realloc(o->key, room * sizeof *key);
            if (key) o->key = key;
            int64_t *f = realloc(o->freq, room * sizeof *f);
            if (f) o->freq = f;
            double *weight = realloc(o->weight, room * sizeof *weight);
            if (weight) o->weight = weight;
            if (!key || !f || !weight) return b4c_fail(err, B4C_E_MEMORY, "user words: no memory");
            o->room = room;
        }
        char *text = malloc(bytes);
        if (!text) return b4c_fail(err, B4C_E_MEMORY, "user words: no memory");
        memcpy(text, word, bytes);
        i = (int32_t)o->n;
        o->key[o->n++] = (b4c_key){ text, bytes, i };
        b4c_trie_done(&o->trie);
        if (b4c_trie_build(&o->trie, o->key, o->n, NULL) < 0)
            return b4c_fail(err, B4C_E_MEMORY, "user words: no memory");
    }
    o->freq[i] = freq;
    o->weight[i] = log((double)(freq ? freq : 1));
    w->total += freq;
    w->log_total = log((double)w->total);
    return 0;
}

int b4c_words_add_file(b4c_words *w, const char *path, b4c_error *err)
{
    b4c_file f = { 0 };
    B4C_TRY(b4c_file_map(&f, path, err));
    const char *p = (const char *)f.data, *end = p + f.size;
    int rc = 0;
    if (f.size >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) p += 3;
    for (long line = 1; p < end && rc >= 0; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p)), *next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        while (stop > p && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t')) stop--;
        while (p < stop && (*p == ' ' || *p == '\t')) p++;
        const char *word = p, *space = memchr(p, ' ', (size_t)(stop - p));
        const size_t bytes = (size_t)((space ? space : stop) - word);
        long long freq = -1;
        if (space && space[1] >= '0' && space[1] <= '9') {
            freq = 0;
            for (const char *d = space + 1; d < stop && *d >= '0' && *d <= '9' && freq <= INT32_MAX;
                 d++)
                freq = 10 * freq + (*d - '0');
        }
        const size_t bad = b4c_utf8_check(word, bytes);
        if (bad < bytes)
            rc = b4c_utf8_fail(path, word, bytes, bad, err);
        else if (bytes)
            rc = b4c_words_add(w, word, bytes, freq, err);
        if (rc < 0) b4c_fail_in(err, "%s: line %ld", path, line);
        p = next;
    }
    b4c_file_unmap(&f);
    return rc;
}

/* ---- output ------------------------------------------------------------------------------ */

static bool put(b4c_cuts *c, size_t end)
{
    if (c->n == c->room) {
        const size_t room = c->room ? 2 * c->room : 256;
        uint32_t *e = realloc(c->end, room * sizeof *e);
        if (!e) return false;
        c->end = e;
        c->room = room;
    }
    c->end[c->n++] = (uint32_t)end;
    return true;
}

static bool scratch_for(struct b4c_cut_scratch *s, size_t n)
{
    if (n < s->room) return true;
    const size_t room = 2 * n + 256;
    void *grown[6] = { realloc(s->at, room * sizeof *s->at) };
    if (grown[0]) s->at = grown[0];
    if ((grown[1] = realloc(s->code, room * sizeof *s->code))) s->code = grown[1];
    if ((grown[2] = realloc(s->score, room * sizeof *s->score))) s->score = grown[2];
    if ((grown[3] = realloc(s->next, room * sizeof *s->next))) s->next = grown[3];
    if ((grown[4] = realloc(s->from, room * sizeof *s->from))) s->from = grown[4];
    if ((grown[5] = realloc(s->state, room * sizeof *s->state))) s->state = grown[5];
    for (int i = 0; i < 6; i++)
        if (!grown[i]) return false;
    s->room = room;
    return true;
}

void b4c_cuts_free(b4c_cuts *c)
{
    if (!c) return;
    if (c->scratch) {
        free(c->scratch->at);
        free(c->scratch->code);
        free(c->scratch->score);
        free(c->scratch->next);
        free(c->scratch->from);
        free(c->scratch->state);
        free(c->scratch);
    }
    free(c->end);
    *c = (b4c_cuts){ 0 };
}

/* ---- characters -------------------------------------------------------------------------- */

static bool is_han(uint32_t c) { return c >= B4C_HAN_FIRST && c <= B4C_HAN_LAST; }
static bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }
static bool is_letter_or_digit(uint32_t c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z' && c < 128);
}

/* What blocks are made of: [4E00-9FD5 a-z A-Z 0-9 + # & . _ % -]. */
static bool in_block(uint32_t c)
{
    return is_han(c) || is_letter_or_digit(c) || c == '+' || c == '#' || c == '&' || c == '.' ||
           c == '_' || c == '%' || c == '-';
}

/* ---- the hidden Markov model ------------------------------------------------------------- */

/* The better of coming from states a < b: the later state wins ties. */
static inline void better(const double *before, const b4c_words_header *h, int to, int a, int b,
                          double emitted, double *score, uint8_t *from)
{
    const double x = before[a] + h->step[a][to] + emitted, y = before[b] + h->step[b][to] + emitted;
    *score = y >= x ? y : x;
    *from = (uint8_t)(y >= x ? b : a);
}

/* Did the user forbid it (frequency 0)? Then the model may not make it either. */
static bool never_a_word(const b4c_words *w, const char *word, size_t bytes)
{
    const int32_t i = b4c_trie_find(&w->own.trie, word, bytes);
    return i >= 0 && w->own.freq[i] == 0;
}

/* Characters [begin, end) of the block, all Han, as words of the most probable states. */
static bool cut_run(const b4c_words *w, struct b4c_cut_scratch *s, size_t begin, size_t end,
                    size_t base, const char *text, b4c_cuts *c)
{
    static const uint8_t before[B4C_WORD_STATES][2] = {
        [B4C_WORD_BEGIN] = { B4C_WORD_END, B4C_WORD_SINGLE },
        [B4C_WORD_END] = { B4C_WORD_BEGIN, B4C_WORD_MIDDLE },
        [B4C_WORD_MIDDLE] = { B4C_WORD_BEGIN, B4C_WORD_MIDDLE },
        [B4C_WORD_SINGLE] = { B4C_WORD_END, B4C_WORD_SINGLE }
    };
    double now[B4C_WORD_STATES], next[B4C_WORD_STATES];
    const double *e = w->emission[s->code[begin] - B4C_HAN_FIRST];
    for (int y = 0; y < B4C_WORD_STATES; y++) now[y] = w->file->start[y] + e[y];
    for (size_t i = begin + 1; i < end; i++) {
        e = w->emission[s->code[i] - B4C_HAN_FIRST];
        for (int y = 0; y < B4C_WORD_STATES; y++)
            better(now, w->file, y, before[y][0], before[y][1], e[y], &next[y], &s->from[i][y]);
        memcpy(now, next, sizeof now);
    }
    uint8_t y = now[B4C_WORD_SINGLE] >= now[B4C_WORD_END] ? B4C_WORD_SINGLE : B4C_WORD_END;
    s->state[end - 1] = y;
    for (size_t i = end - 1; i > begin; i--) s->state[i - 1] = y = s->from[i][y];
    for (size_t i = begin, word = begin; i < end; i++) {
        if (s->state[i] != B4C_WORD_END && s->state[i] != B4C_WORD_SINGLE) continue;
        const bool forced = w->own.n &&
                            never_a_word(w, text + s->at[word], s->at[i + 1] - s->at[word]);
        for (size_t k = forced ? word : i; k <= i; k++)
            if (!put(c, base + s->at[k + 1])) return false;
        word = i + 1;
    }
    return true;
}

/* End of what the reference's [a-zA-Z0-9]+(\.[0-9]+)?%? matches from begin on; begin itself when
 * nothing does. */
static size_t match_number(const uint32_t *code, size_t begin, size_t end)
{
    size_t i = begin;
    while (i < end && is_letter_or_digit(code[i])) i++;
    if (i == begin) return begin;
    if (i + 1 < end && code[i] == '.' && is_digit(code[i + 1]))
        for (i += 2; i < end && is_digit(code[i]);) i++;
    if (i < end && code[i] == '%') i++;
    return i;
}

/* Characters [begin, end) that the dictionary left single. */
static bool cut_unknown(const b4c_words *w, struct b4c_cut_scratch *s, size_t begin, size_t end,
                        size_t base, const char *text, b4c_cuts *c)
{
    while (begin < end) {
        size_t stop = begin;
        if (is_han(s->code[begin])) {
            while (stop < end && is_han(s->code[stop])) stop++;
            if (!cut_run(w, s, begin, stop, base, text, c)) return false;
        } else {
            stop = match_number(s->code, begin, end);
            if (stop == begin) do
                    stop++;
                while (stop < end && !is_han(s->code[stop]) && !is_letter_or_digit(s->code[stop]));
            if (!put(c, base + s->at[stop])) return false;
        }
        begin = stop;
    }
    return true;
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* Weight of the user's word at `node`, else the dictionary's; false: no word ends here. */
static inline bool word_here(const b4c_words *w, uint32_t node, uint32_t own, double *weight)
{
    if (own != B4C_TRIE_NONE) {
        const int32_t i = w->own.trie.unit[own].value;
        if (i >= 0) return *weight = w->own.weight[i], w->own.freq[i] > 0;
    }
    const int32_t class = node != B4C_TRIE_NONE ? w->trie.unit[node].value : -1;
    if (class < 0) return false;
    *weight = w->weight[class];
    return true;
}

/* Best words from the end of the block to its start: fills score and next. */
static void choose(const b4c_words *w, struct b4c_cut_scratch *s, size_t n, const char *text)
{
    const double one = 0.0 - w->log_total;
    const bool own_words_too = w->own.n > 0;
    s->score[n] = 0;
    for (size_t k = n; k-- > 0;) {
        const uint32_t c = s->code[k];
        uint32_t node = is_han(c) ? w->first[c - B4C_HAN_FIRST]
                                  : b4c_trie_step(&w->trie, B4C_TRIE_ROOT, (uint8_t)c);
        uint32_t own = own_words_too ? b4c_trie_walk(&w->own.trie, B4C_TRIE_ROOT, text + s->at[k],
                                                     s->at[k + 1] - s->at[k])
                                     : B4C_TRIE_NONE;
        double best = 0;
        size_t next = 0;
        for (size_t x = k + 1;; x++) {
            double weight;
            if (word_here(w, node, own, &weight)) {
                const double score = weight - w->log_total + s->score[x];
                if (!next || score >= best) best = score, next = x;
            }
            if (x == n || (node == B4C_TRIE_NONE && own == B4C_TRIE_NONE)) break;
            const size_t bytes = s->at[x + 1] - s->at[x];
            if (node != B4C_TRIE_NONE) node = b4c_trie_walk(&w->trie, node, text + s->at[x], bytes);
            if (own != B4C_TRIE_NONE)
                own = b4c_trie_walk(&w->own.trie, own, text + s->at[x], bytes);
        }
        s->score[k] = next ? best : one + s->score[k + 1];
        s->next[k] = (uint32_t)(next ? next : k + 1);
    }
}

/* The pending single characters [begin, end). */
static bool flush(const b4c_words *w, struct b4c_cut_scratch *s, size_t begin, size_t end, bool hmm,
                  size_t base, const char *text, b4c_cuts *c)
{
    if (begin == end) return true;
    if (!hmm) return put(c, base + s->at[end]);
    if (end - begin > 1 && !b4c_words_freq(w, text + s->at[begin], s->at[end] - s->at[begin]))
        return cut_unknown(w, s, begin, end, base, text, c);
    for (size_t i = begin; i < end; i++)
        if (!put(c, base + s->at[i + 1])) return false;
    return true;
}

/* Without the model only runs of letters and digits wait for one another; with it all single
 * characters do. */
static bool cut_block(const b4c_words *w, struct b4c_cut_scratch *s, size_t n, bool hmm,
                      size_t base, const char *text, b4c_cuts *c)
{
    choose(w, s, n, text);
    size_t waiting = 0;
    for (size_t k = 0; k < n;) {
        const size_t next = s->next[k];
        const bool waits = next == k + 1 && (hmm || is_letter_or_digit(s->code[k]));
        if (!waits) {
            if (!flush(w, s, waiting, k, hmm, base, text, c) || !put(c, base + s->at[next]))
                return false;
            waiting = next;
        }
        k = next;
    }
    return flush(w, s, waiting, n, hmm, base, text, c);
}

int b4c_words_cut(const b4c_words *w, const char *text, size_t bytes, bool hmm, b4c_cuts *c,
                  b4c_error *err)
{
    if (bytes >= UINT32_MAX)
        return b4c_fail(
            err, B4C_E_TEXT,
            "words: found a text of %zu bytes, wanted fewer than 4 GiB; cut it into lines", bytes);
    if (!c->scratch) c->scratch = calloc(1, sizeof *c->scratch);
    c->n = 0;
    struct b4c_cut_scratch *s = c->scratch;
    const uint8_t *p = (const uint8_t *)text, *end = p + bytes, *next = p;
    bool ok = s && scratch_for(s, 1);
    while (ok && p < end) {
        const uint8_t *start = p;
        size_t n = 0;
        uint32_t code = 0;
        while (ok && p < end && in_block(code = b4c_utf8_read(p, end, &next))) {
            s->at[n] = (uint32_t)(p - start);
            s->code[n++] = code;
            p = next;
            ok = scratch_for(s, n + 1);
        }
        if (n && ok) {
            s->at[n] = (uint32_t)(p - start);
            ok = cut_block(w, s, n, hmm, (size_t)(start - (const uint8_t *)text),
                           (const char *)start, c);
        } else if (ok) {
            if (code == '\r' && next < end && *next == '\n') next++;
            p = next;
            ok = put(c, (size_t)(p - (const uint8_t *)text));
        }
    }
    return ok ? 0 : b4c_fail(err, B4C_E_MEMORY, "words: no memory for a text of %zu bytes", bytes);
}
