/* corpus.c - indexing a mapped file: one pass for the encoding, one for the records. */
#include "train/corpus.h"
#include "text/utf8.h"
#include <stdlib.h>

uint64_t b4c_bytes_hash(b4c_span s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.size; i++) h = (h ^ s.data[i]) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Where the line that begins at `at` ends: its LF, or the end of the file. */
static size_t line_end(const b4c_file *f, size_t at)
{
    const unsigned char *lf = memchr(f->data + at, '\n', f->size - at);
    return lf ? (size_t)(lf - f->data) : f->size;
}

static bool is_blank(const b4c_file *f, size_t from, size_t upto)
{
    while (from < upto &&
           (f->data[from] == ' ' || (f->data[from] >= '\t' && f->data[from] <= '\r')))
        from++;
    return from == upto;
}

/* A line that ends at `end`, without CR. */
static b4c_span span_between(const b4c_file *f, size_t from, size_t end)
{
    while (end > from && (f->data[end - 1] == '\r' || f->data[end - 1] == '\n')) end--;
    return (b4c_span){ f->data + from, end - from };
}

/* Where the record at `at` ends: with its line, or before the next blank line. */
static size_t record_end(const b4c_corpus *c, size_t at)
{
    size_t end = line_end(&c->file, at);
    while (c->blank_lines && end < c->file.size) {
        const size_t next = line_end(&c->file, end + 1);
        if (is_blank(&c->file, end + 1, next)) break;
        end = next;
    }
    return end;
}

b4c_span b4c_corpus_record(const b4c_corpus *c, int64_t i)
{
    const size_t at = (size_t)c->begin[i];
    return span_between(&c->file, at, record_end(c, at));
}

static int64_t line_of(const b4c_file *f, size_t offset)
{
    int64_t line = 1;
    for (size_t at = 0; (at = line_end(f, at)) < offset; at++) line++;
    return line;
}

int64_t b4c_corpus_line(const b4c_corpus *c, int64_t i)
{
    return line_of(&c->file, (size_t)c->begin[i]);
}

b4c_span b4c_tsv_field(b4c_span line, int i)
{
    const unsigned char *p = line.data, *end = line.data + line.size, *tab;
    for (; i > 0; i--, p = tab + 1)
        if (!(tab = memchr(p, '\t', (size_t)(end - p)))) return (b4c_span){ 0 };
    tab = memchr(p, '\t', (size_t)(end - p));
    return (b4c_span){ p, (size_t)((tab ? tab : end) - p) };
}

int b4c_tsv_fields(b4c_span line)
{
    int n = 1;
    for (size_t i = 0; i < line.size; i++) n += line.data[i] == '\t';
    return n;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int check_encoding(const b4c_file *f, const char *path, b4c_error *err)
{
    const size_t at = b4c_utf8_check((const char *)f->data, f->size);
    if (at == f->size) return 0;
    size_t begin = at;
    while (begin > 0 && f->data[begin - 1] != '\n') begin--;
    char where[600];
    snprintf(where, sizeof where, "%.500s: line %lld", path, (long long)line_of(f, begin));
    return b4c_utf8_fail(where, (const char *)f->data + begin, line_end(f, begin) - begin,
                         at - begin, err);
}

/* Held-out or not, by 53 bits of the hash as a number in [0, 1). */
static bool is_held_out(b4c_span record, double share)
{
    return (double)(b4c_bytes_hash(record) >> 11) * 0x1p-53 < share;
}

static int add_record(b4c_corpus *c, size_t at, int64_t *room)
{
    if (c->n == *room) {
        const int64_t more = *room ? 2 * *room : 1024;
        uint64_t *p = realloc(c->begin, (size_t)more * sizeof *p);
        if (!p) return B4C_E_MEMORY;
        c->begin = p;
        *room = more;
    }
    c->begin[c->n++] = at;
    return 0;
}

static int find_records(b4c_corpus *c, const b4c_corpus_options *o)
{
    const b4c_file *f = &c->file;
    int64_t room = 0;
    size_t at = b4c_span_starts((b4c_span){ f->data, f->size }, "\xef\xbb\xbf") ? 3 : 0;
    if (o->header && at < f->size) {
        c->header = span_between(f, at, line_end(f, at));
        at = line_end(f, at) + 1;
    }
    while (at < f->size) {
        const size_t first = line_end(f, at);
        if (is_blank(f, at, first)) {
            at = first + 1;
            continue;
        }
        const size_t end = record_end(c, at);
        if (o->both || is_held_out(span_between(f, at, end), o->held_out) == o->side)
            B4C_TRY(add_record(c, at, &room));
        at = end + 1;
    }
    return 0;
}

int b4c_corpus_open(b4c_corpus *c, const char *path, const b4c_corpus_options *o, b4c_error *err)
{
    *c = (b4c_corpus){ .format = o->format,
                       .blank_lines = o->blank_lines && o->format == B4C_DATA_TEXT };
    int rc = b4c_file_map(&c->file, path, err);
    if (rc < 0) return rc;
    c->path = strdup(path);
    rc = check_encoding(&c->file, path, err);
    if (rc == 0 && (!c->path || find_records(c, o) < 0))
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory for an index of its records", path);
    if (rc == 0 && c->n == 0)
        rc = b4c_fail(err, B4C_E_TEXT, "%s: there is no record%s; wanted lines that are not blank",
                      path,
                      o->both   ? ""
                      : o->side ? " that is held out"
                                : " beside held-out ones");
    if (rc < 0) b4c_corpus_close(c);
    return rc;
}

void b4c_corpus_close(b4c_corpus *c)
{
    if (c->path || c->file.size) b4c_file_unmap(&c->file);
    free(c->path);
    free(c->begin);
    *c = (b4c_corpus){ 0 };
}
