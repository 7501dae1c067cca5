/* make_words.c - compiles a word dictionary for src/text/words.c.
 *
 *     make_words DICT.txt.gz HMM.txt.gz OUT
 *
 * DICT: lines "word frequency [tag]", jieba's dict.txt. HMM: the Markov model, as its own head
 * says. Runs at build time; plain files are read too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "text/utf8.h"
#include "text/words_file.h"

static void die(const char *what, const char *path, long line)
{
    fprintf(stderr, "make_words: %s: line %ld: %s\n", path, line, what);
    exit(1);
}

static void *need(void *p)
{
    if (!p) die("no memory", "-", 0);
    return p;
}

/* Next line without its end, or NULL at the end of the file. */
static char *read_line(gzFile f, char *line, int room, const char *path, long n)
{
    if (!gzgets(f, line, room)) {
        int code;
        const char *message = gzerror(f, &code);
        if (code != Z_OK && code != Z_STREAM_END) die(message, path, n);
        return NULL;
    }
    const size_t length = strlen(line);
    if (!length || line[length - 1] != '\n') die("line too long or cut", path, n);
    line[strcspn(line, "\r\n")] = 0;
    return line;
}

typedef struct dictionary {
    b4c_key *key;
    size_t n, room;
    int64_t total, *freq;
    size_t classes;
} dictionary;

/* A word that stands twice has the frequency of its last line, while the total counts both, as in
 * the reference. Words come in the order of their lines: `text` of an earlier line lies in no lower
 * place of `key`. */
static const dictionary *sorted;
static int by_text(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int order = strcmp(sorted->key[x].text, sorted->key[y].text);
    return order ? order : (x > y) - (x < y);
}

static void drop_repeats(dictionary *d)
{
    uint32_t *order = need(malloc((d->n + 1) * sizeof *order));
    for (size_t i = 0; i < d->n; i++) order[i] = (uint32_t)i;
    sorted = d;
    qsort(order, d->n, sizeof *order, by_text);
    for (size_t i = 0; i + 1 < d->n; i++)
        if (!strcmp(d->key[order[i]].text, d->key[order[i + 1]].text)) d->key[order[i]].bytes = 0;
    free(order);
    size_t kept = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->key[i].bytes)
            d->key[kept++] = d->key[i];
        else
            free((char *)(uintptr_t)d->key[i].text);
    }
    d->n = kept;
}

static int rising(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static dictionary read_words(const char *path)
{
    dictionary d = { 0 };
    char line[4096];
    gzFile f = gzopen(path, "rb");
    if (!f) die("cannot be opened", path, 0);
    for (long n = 1; read_line(f, line, sizeof line, path, n); n++) {
        char *space = strchr(line, ' '), *end = NULL;
        if (!space || space == line) die("wanted: word frequency", path, n);
        *space = 0;
        const long freq = strtol(space + 1, &end, 10);
        if (end == space + 1 || freq < 1 || freq > INT32_MAX)
            die("wanted a frequency from 1", path, n);
        if (b4c_utf8_check(line, strlen(line)) < strlen(line)) die("not UTF-8", path, n);
        if (d.n == d.room)
            d.key = need(realloc(d.key, (d.room = 2 * d.room + 1024) * sizeof *d.key));
        d.key[d.n++] = (b4c_key){ need(strdup(line)), strlen(line), (int32_t)freq };
        d.total += freq;
    }
    gzclose(f);
    drop_repeats(&d);

    d.freq = need(malloc((d.n + 1) * sizeof *d.freq));
    for (size_t i = 0; i < d.n; i++) d.freq[i] = d.key[i].value;
    qsort(d.freq, d.n, sizeof *d.freq, rising);
    for (size_t i = 0; i < d.n; i++)
        if (!i || d.freq[i] != d.freq[i - 1]) d.freq[d.classes++] = d.freq[i];
    for (size_t i = 0; i < d.n; i++) {
        const int64_t freq = d.key[i].value;
        d.key[i].value =
            (int32_t)((int64_t *)bsearch(&freq, d.freq, d.classes, sizeof freq, rising) - d.freq);
    }
    return d;
}

static int state_of(const char *name, const char *path, long line)
{
    static const char names[] = "BEMS";
    const char *p = name[0] && !name[1] ? strchr(names, name[0]) : NULL;
    if (!p) die("wanted a state B, E, M or S", path, line);
    return (int)(p - names);
}

static double number(const char *text, const char *path, long line)
{
    char *end;
    const double x = strcmp(text, "-") ? strtod(text, &end)
                                       : (end = strchr(text, 0), B4C_WORD_NEVER);
    if (end == text || *end) die("wanted a number", path, line);
    return x;
}

static void read_model(const char *path, b4c_words_header *h, double (*emission)[B4C_WORD_STATES])
{
    for (int a = 0; a < B4C_WORD_STATES; a++) {
        h->start[a] = B4C_WORD_NEVER;
        for (int b = 0; b < B4C_WORD_STATES; b++) h->step[a][b] = B4C_WORD_NEVER;
    }
    for (int c = 0; c < B4C_HAN; c++)
        for (int a = 0; a < B4C_WORD_STATES; a++) emission[c][a] = B4C_WORD_NEVER;
    char line[4096];
    gzFile f = gzopen(path, "rb");
    if (!f) die("cannot be opened", path, 0);
    for (long n = 1; read_line(f, line, sizeof line, path, n); n++) {
        if (line[0] == '#') continue;
        char *field[6];
        int fields = 0;
        for (char *p = strtok(line, " "); p && fields < 6; p = strtok(NULL, " "))
            field[fields++] = p;
        if (fields == 3 && !strcmp(field[0], "start")) {
            h->start[state_of(field[1], path, n)] = number(field[2], path, n);
        } else if (fields == 4 && !strcmp(field[0], "step")) {
            h->step[state_of(field[1], path, n)][state_of(field[2], path, n)] = number(field[3],
                                                                                       path, n);
        } else if (fields == 5) {
            const uint8_t *p = (const uint8_t *)field[0], *next;
            const uint32_t c = b4c_utf8_read(p, p + strlen(field[0]), &next);
            if (*next || c == B4C_NOT_A_CHAR) die("wanted one character", path, n);
            for (int a = 0; a < B4C_WORD_STATES; a++) {
                const double x = number(field[a + 1], path, n);
                if (c >= B4C_HAN_FIRST && c <= B4C_HAN_LAST)
                    emission[c - B4C_HAN_FIRST][a] = x; /* others never meet the model */
            }
        } else {
            die("wanted: start STATE P, step FROM TO P, or CHARACTER B E M S", path, n);
        }
    }
    gzclose(f);
}

static void put(FILE *out, const void *data, size_t bytes, size_t *at)
{
    if (bytes && fwrite(data, 1, bytes, out) != bytes) die("cannot be written", "output", 0);
    *at += bytes;
}

static void pad(FILE *out, size_t to, size_t *at)
{
    static const char zero[64];
    while (*at < to) put(out, zero, to - *at < sizeof zero ? to - *at : sizeof zero, at);
}

int main(int argc, char **argv)
{
    if (argc != 4) return fprintf(stderr, "usage: make_words DICT.txt.gz HMM.txt.gz OUT\n"), 2;
    dictionary d = read_words(argv[1]);
    b4c_trie trie;
    int32_t twice[2];
    if (b4c_trie_build(&trie, d.key, d.n, twice) < 0)
        die("a word stands twice, or no memory", argv[1], 0);

    double(*emission)[B4C_WORD_STATES] = need(malloc((size_t)B4C_HAN * sizeof *emission));
    uint32_t *first = need(malloc((size_t)B4C_HAN * sizeof *first));
    b4c_words_header h = { .magic = B4C_WORDS_MAGIC,
                           .total = d.total,
                           .units = trie.size,
                           .classes = (uint32_t)d.classes };
    read_model(argv[2], &h, emission);
    for (int c = 0; c < B4C_HAN; c++) {
        char text[4];
        first[c] = b4c_trie_walk(&trie, B4C_TRIE_ROOT, text,
                                 (size_t)b4c_utf8_write((uint32_t)(B4C_HAN_FIRST + c), text));
    }
    h.bytes = b4c_words_size(&h);

    FILE *out = fopen(argv[3], "wb");
    if (!out) die("cannot be written", argv[3], 0);
    size_t at = 0;
    put(out, &h, sizeof h, &at);
    pad(out, b4c_words_units_at(), &at);
    put(out, trie.unit, (size_t)trie.size * sizeof *trie.unit, &at);
    pad(out, b4c_words_freq_at(&h), &at);
    put(out, d.freq, d.classes * sizeof *d.freq, &at);
    put(out, first, (size_t)B4C_HAN * sizeof *first, &at);
    pad(out, b4c_words_emission_at(&h), &at);
    put(out, emission, (size_t)B4C_HAN * sizeof *emission, &at);
    if (at != h.bytes || fclose(out)) die("cannot be written", argv[3], 0);

    for (size_t i = 0; i < d.n; i++) free((char *)(uintptr_t)d.key[i].text);
    free(d.key);
    free(d.freq);
    free(emission);
    free(first);
    b4c_trie_done(&trie);
    return 0;
}
