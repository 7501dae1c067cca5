/* input.c - texts from arguments, files and standard input, a chunk at a time.
 *
 * Bytes come by read() into one buffer; lines are cut from it, converted to UTF-8 and checked, and
 * their fields copied into the chunk. Invariants: lines are cut before conversion (in no encoding
 * offered here is a line end part of a character); an error is kept until the records before it
 * were given out; a line is at most LINE_MOST bytes, so that a file without line ends is refused,
 * not swallowed.
 */
#include "input.h"
#include "signals.h"
#include "utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 1 << 18, CHUNK_BYTES = 8 << 20, FIELDS = 3 };
#define LINE_MOST ((size_t)64 << 20)

typedef enum { NO_MORE = 0, A_LINE = 1, NOT_YET = 2 } found;

struct cli_input {
    const cli_settings *settings;
    cli_want want;
    cli_list file; /* names; arguments come without files */
    const char *standard_input[1];

    /* the file being read */
    int at, fd; /* index into file; -1: none is open */
    cli_format format;
    char *buffer;
    size_t begin, end, room, seen; /* seen: up to there no line end was found */
    bool ended;
    long long line;
    cli_convert convert;
    bool header_due;
    int column[FIELDS]; /* text, second text, label: 0 first; -1: none */
    const char *key[FIELDS];
    char *keys;         /* "a,b" cut in two */
    int wanted_columns; /* the highest of them + 1 */

    char *header;
    uint64_t hash;
    long long bytes, total;
    b4c_error held; /* code 0: none */
};

/* ---- opening -------------------------------------------------------------------------------- */

static bool is_standard_input(const char *name) { return !strcmp(name, "-"); }
static const char *shown_name(const char *name)
{
    return is_standard_input(name) ? "standard input" : name;
}

static int look_at_files(cli_input *in, b4c_error *err)
{
    bool known = true;
    for (int i = 0; i < in->file.n; i++) {
        struct stat st;
        const char *name = in->file.item[i];
        const bool pipe = is_standard_input(name);
        if ((pipe ? fstat(STDIN_FILENO, &st) : stat(name, &st)) < 0)
            return cli_fail(err, B4C_E_IO, "cannot open: %s: %s; is the name right?",
                            shown_name(name), strerror(errno));
        if (S_ISDIR(st.st_mode))
            return cli_fail(
                err, B4C_E_IO,
                "cannot read: %s: found a folder, wanted a file of texts; give its files with -f",
                shown_name(name));
        if (!pipe && access(name, R_OK) < 0)
            return cli_fail(err, B4C_E_IO, "cannot open: %s: %s", name, strerror(errno));
        if (S_ISREG(st.st_mode))
            in->total += st.st_size;
        else
            known = false;
    }
    if (!known) in->total = 0;
    return 0;
}

/* "a,b" -> two keys or columns. */
static int cut_in_two(cli_input *in, const char *what, const char *value, const char *out[2],
                      b4c_error *err)
{
    const bool pair = in->want == CLI_PAIR;
    in->keys = strdup(value);
    if (!in->keys) return cli_fail(err, B4C_E_MEMORY, "no memory");
    char *comma = pair ? strchr(in->keys, ',') : NULL;
    if (pair && (!comma || comma == in->keys || !comma[1] || strchr(comma + 1, ',')))
        return cli_fail(err, B4C_E_ARG, "wrong value: --%s: found '%s', wanted two, as in %s", what,
                        value, strcmp(what, "key") ? "2,3" : "question,answer");
    if (comma) *comma = 0;
    out[0] = in->keys;
    out[1] = comma ? comma + 1 : NULL;
    return 0;
}

cli_input *cli_input_open(const cli_settings *s, cli_want want, b4c_error *err)
{
    cli_input *in = calloc(1, sizeof *in);
    if (!in) {
        cli_fail(err, B4C_E_MEMORY, "no memory");
        return NULL;
    }
    *in = (cli_input){
        .settings = s, .want = want, .fd = -1, .file = s->file, .hash = 14695981039346656037u
    };
    in->key[0] = want == CLI_PAIR ? "a" : want == CLI_IDS ? "ids" : "text";
    in->key[1] = want == CLI_PAIR ? "b" : NULL;
    if (s->key && cut_in_two(in, "key", s->key, in->key, err) < 0) goto fail;
    in->key[2] = s->label;
    if (!s->text.n && !in->file.n) {
        in->standard_input[0] = "-";
        in->file = (cli_list){ in->standard_input, 1 };
    }
    if (look_at_files(in, err) < 0 || cli_convert_open(&in->convert, s->charset, err) < 0)
        goto fail;
    return in;
fail:
    cli_input_close(in);
    return NULL;
}

void cli_input_close(cli_input *in)
{
    if (!in) return;
    if (in->fd > 0) close(in->fd);
    cli_convert_close(&in->convert);
    free(in->buffer);
    free(in->keys);
    free(in->header);
    free(in);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

static int choose_format(cli_input *in, const char *name, b4c_error *err)
{
    const cli_settings *s = in->settings;
    if (s->from >= 0)
        in->format = (cli_format)s->from;
    else if (ends_with(name, ".tsv") || ends_with(name, ".tab"))
        in->format = CLI_TSV;
    else if (ends_with(name, ".jsonl") || ends_with(name, ".ndjson"))
        in->format = CLI_JSONL;
    else if (ends_with(name, ".csv") || ends_with(name, ".json"))
        return cli_fail(err, B4C_E_UNSUPPORTED,
                        "unknown format: %s: found %s, wanted text, tsv or jsonl; convert it, or "
                        "say with --from what it is",
                        shown_name(name), strrchr(name, '.'));
    else
        in->format = in->want == CLI_PAIR || s->column || s->header ? CLI_TSV
                   : s->key                                         ? CLI_JSONL
                                                                    : CLI_TEXT;
    if (in->format == CLI_TEXT && in->want == CLI_PAIR)
        return cli_fail(err, B4C_E_ARG,
                        "wrong format: %s: found text, wanted pairs; they come as tsv or jsonl",
                        shown_name(name));
    if (in->format != CLI_TSV && (s->column || s->header))
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: %s: found --%s for a file that is no tsv; --from "
                        "tsv says that it is one",
                        shown_name(name), s->column ? "column" : "header");
    if (in->format != CLI_JSONL && s->key)
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: %s: found --key for a file that is no jsonl; "
                        "--from jsonl says that it is one",
                        shown_name(name));
    return 0;
}

static bool is_number(const char *text) { return *text && !text[strspn(text, "0123456789")]; }

/* The column that `spec` names, a number (1 first) or a name in the header line. */
static int find_column(const cli_input *in, const char *option, const char *spec,
                       const char *header, int *column, b4c_error *err)
{
    const char *name = in->file.item[in->at];
    if (is_number(spec)) {
        *column = strlen(spec) < 8 ? atoi(spec) - 1 : -1;
        if (*column >= 0) return 0;
        return cli_fail(
            err, B4C_E_ARG,
            "wrong value: --%s: found '%s', wanted a column: 1 is the first, or a header's name",
            option, spec);
    }
    *column = 0;
    for (const char *p = header;; p++, ++*column) {
        const size_t n = strcspn(p, "\t");
        if (strlen(spec) == n && !memcmp(p, spec, n)) return 0;
        p += n;
        if (!*p) break;
    }
    return cli_fail(err, B4C_E_ARG,
                    "no such column: %s:1: found '%s' as the header, wanted a column '%s' (--%s)",
                    shown_name(name), header, spec, option);
}

static int find_columns(cli_input *in, const char *header, b4c_error *err)
{
    const cli_settings *s = in->settings;
    const char *spec[2] = { "1", in->want == CLI_PAIR ? "2" : NULL };
    if (s->column) {
        free(in->keys);
        in->keys = NULL;
        if (cut_in_two(in, "column", s->column, spec, err) < 0) return err->code;
    }
    in->column[1] = in->column[2] = -1;
    if (find_column(in, "column", spec[0], header, &in->column[0], err) < 0) return err->code;
    if (spec[1] && find_column(in, "column", spec[1], header, &in->column[1], err) < 0)
        return err->code;
    if (s->label && find_column(in, "label", s->label, header, &in->column[2], err) < 0)
        return err->code;
    in->wanted_columns = 0;
    for (int i = 0; i < FIELDS; i++)
        if (in->column[i] >= in->wanted_columns) in->wanted_columns = in->column[i] + 1;
    return 0;
}

/* Is a header needed to understand --column and --label? */
static bool names_columns(const cli_settings *s)
{
    if (s->label && !is_number(s->label)) return true;
    return s->column && s->column[strspn(s->column, "0123456789,")];
}

static int open_file(cli_input *in, b4c_error *err)
{
    const char *name = in->file.item[in->at];
    const cli_settings *s = in->settings;
    if (choose_format(in, name, err) < 0) return err->code;
    in->fd = is_standard_input(name) ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) return cli_fail(err, B4C_E_IO, "cannot open: %s: %s", name, strerror(errno));
    if (in->fd == STDIN_FILENO && isatty(STDIN_FILENO))
        cli_say("reading texts from the terminal, one a line; Ctrl-D ends");
    in->begin = in->end = in->seen = 0;
    in->ended = false;
    in->line = 0;
    in->header_due = in->format == CLI_TSV && (s->header || names_columns(s));
    return in->format == CLI_TSV && !in->header_due ? find_columns(in, "", err) : 0;
}

static void close_file(cli_input *in)
{
    if (in->fd > 0) close(in->fd);
    in->fd = -1;
    in->at++;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static int fill_buffer(cli_input *in, b4c_error *err)
{
    const char *name = shown_name(in->file.item[in->at]);
    if (in->begin) {
        memmove(in->buffer, in->buffer + in->begin, in->end - in->begin);
        in->end -= in->begin;
        in->seen -= in->begin;
        in->begin = 0;
    }
    if (in->end > LINE_MOST)
        return cli_fail(err, B4C_E_TEXT,
                        "line too long: %s:%lld: found more than %zu MiB without a line end, "
                        "wanted one text a line",
                        name, in->line + 1, LINE_MOST >> 20);
    if (in->room - in->end < READ_STEP) {
        const size_t room = in->room < READ_STEP ? 2 * READ_STEP : 2 * in->room;
        char *more = realloc(in->buffer, room);
        if (!more)
            return cli_fail(err, B4C_E_MEMORY, "no memory for a line: %s:%lld: %zu bytes", name,
                            in->line + 1, room);
        in->buffer = more;
        in->room = room;
    }
    const ssize_t got = read(in->fd, in->buffer + in->end, in->room - in->end);
    if (got < 0 && errno == EINTR) return 0;
    if (got < 0) return cli_fail(err, B4C_E_IO, "cannot read: %s: %s", name, strerror(errno));
    if (got == 0) in->ended = true;
    in->end += (size_t)got;
    in->bytes += got;
    return 0;
}

static bool can_read_now(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) != 0;
}

/* The next line without its end, in the buffer until the next call. Returns a `found`, or negative.
 */
static int next_line(cli_input *in, bool wait, const char **line, size_t *size, b4c_error *err)
{
    for (;;) {
        char *end = in->end > in->seen ? memchr(in->buffer + in->seen, '\n', in->end - in->seen)
                                       : NULL;
        if (!end && in->ended && in->end > in->begin) end = in->buffer + in->end;
        if (end) {
            *line = in->buffer + in->begin;
            *size = (size_t)(end - *line);
            in->begin = in->seen = (size_t)(end - in->buffer) + (end < in->buffer + in->end);
            in->line++;
            if (*size && (*line)[*size - 1] == '\r') --*size;
            return A_LINE;
        }
        if (in->ended || cli_stopped()) return NO_MORE;
        in->seen = in->end;
        if (!wait && !can_read_now(in->fd)) return NOT_YET;
        if (fill_buffer(in, err) < 0) return err->code;
    }
}

/* Convert and check one line; drop a byte order mark. */
static int as_utf8(cli_input *in, const char **line, size_t *size, b4c_error *err)
{
    size_t bad = 0;
    b4c_error why = { 0 };
    const int rc = cli_convert_text(&in->convert, *line, *size, line, size, &bad, &why);
    if (rc == B4C_E_TEXT)
        return cli_fail(err, rc, "not the text it should be: %s:%lld: byte %zu: %s",
                        shown_name(in->file.item[in->at]), in->line, bad + 1, why.message);
    if (rc < 0) return cli_fail(err, rc, "%s", why.message);
    if (in->line == 1 && *size >= 3 && !memcmp(*line, "\xef\xbb\xbf", 3)) {
        *line += 3;
        *size -= 3;
    }
    return 0;
}

/* ---- records -------------------------------------------------------------------------------- */

static int add_bytes(cli_chunk *c, const void *bytes, size_t size, cli_piece *piece, b4c_error *err)
{
    if (c->room - c->used < size + 1) {
        const size_t room = 2 * c->room + size + 4096;
        char *more = realloc(c->bytes, room);
        if (!more) return cli_fail(err, B4C_E_MEMORY, "no memory for a text of %zu bytes", size);
        c->bytes = more;
        c->room = room;
    }
    memcpy(c->bytes + c->used, bytes, size);
    c->bytes[c->used + size] = 0;
    *piece = (cli_piece){ c->used, size };
    c->used += size + 1;
    return 0;
}

static int add_record(cli_chunk *c, cli_record r, b4c_error *err)
{
    if (c->n == c->capacity) {
        const int capacity = 2 * c->capacity + 256;
        cli_record *more = realloc(c->record, (size_t)capacity * sizeof *more);
        if (!more) return cli_fail(err, B4C_E_MEMORY, "no memory for %d texts", capacity);
        c->record = more;
        c->capacity = capacity;
    }
    c->record[c->n++] = r;
    return 0;
}

static int read_columns(const cli_input *in, cli_chunk *c, const char *line, size_t size,
                        cli_record *r, b4c_error *err)
{
    if (add_bytes(c, line, size, &r->line, err) < 0) return err->code;
    cli_piece *const field[FIELDS] = { &r->text[0], &r->text[1], &r->label };
    size_t at = 0;
    int column = 0;
    for (;; column++) {
        const char *tab = memchr(line + at, '\t', size - at);
        const size_t n = tab ? (size_t)(tab - line) - at : size - at;
        for (int k = 0; k < FIELDS; k++)
            if (in->column[k] == column) *field[k] = (cli_piece){ r->line.at + at, n };
        if (!tab) break;
        at += n + 1;
    }
    /* An empty line is an empty text, whichever column was asked for; a pair it is not. */
    if (column + 1 < in->wanted_columns && !(size == 0 && in->want != CLI_PAIR))
        return cli_fail(
            err, B4C_E_FORMAT,
            "too few columns: %s:%lld: found %d, wanted column %d; columns are parted by tabs",
            shown_name(in->file.item[in->at]), in->line, column + 1, in->wanted_columns);
    return 0;
}

/* A jsonl value as text: a string; for a label also a number or a truth value; for ids an array of
 * integers. */
static int value_text(const json_t *value, cli_want want, bool label, cli_chunk *c,
                      cli_piece *piece, b4c_error *err)
{
    char room[40];
    if (json_is_string(value))
        return add_bytes(c, json_string_value(value), json_string_length(value), piece, err);
    if (label && json_is_number(value))
        return add_bytes(c, room,
                         (size_t)snprintf(room, sizeof room, "%.17g", json_number_value(value)),
                         piece, err);
    if (label && json_is_boolean(value))
        return add_bytes(c, json_is_true(value) ? "1" : "0", 1, piece, err);
    if (want == CLI_IDS && json_is_array(value)) {
        cli_piece one;
        *piece = (cli_piece){ c->used, 0 };
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *id = json_array_get(value, i);
            if (!json_is_integer(id)) return B4C_E_FORMAT;
            /* Pieces end in NUL; the next one writes over it. */
            if (add_bytes(c, room,
                          (size_t)snprintf(room, sizeof room,
                                           i ? " %" JSON_INTEGER_FORMAT : "%" JSON_INTEGER_FORMAT,
                                           json_integer_value(id)),
                          &one, err) < 0)
                return err->code;
            piece->size += one.size;
            c->used--;
        }
        return add_bytes(c, "", 0, &one, err);
    }
    return B4C_E_FORMAT;
}

static int read_keys(const cli_input *in, cli_chunk *c, const char *line, size_t size,
                     cli_record *r, b4c_error *err)
{
    const char *name = shown_name(in->file.item[in->at]);
    json_error_t why;
    cli_piece *const field[FIELDS] = { &r->text[0], &r->text[1], &r->label };
    int rc = 0;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!object)
        return cli_fail(err, B4C_E_FORMAT,
                        "not JSON: %s:%lld: byte %d: %s; wanted one object a line", name, in->line,
                        why.position, why.text);
    if (!json_is_object(object))
        rc = cli_fail(err, B4C_E_FORMAT, "not an object: %s:%lld: wanted {\"%s\": ...}", name,
                      in->line, in->key[0]);
    for (int k = 0; k < FIELDS && rc == 0; k++) {
        if (!in->key[k]) continue;
        const json_t *value = json_object_get(object, in->key[k]);
        if (!value)
            rc = cli_fail(err, B4C_E_FORMAT,
                          "no such key: %s:%lld: wanted '%s'; --%s names another", name, in->line,
                          in->key[k], k == 2 ? "label" : "key");
        else if ((rc = value_text(value, in->want, k == 2, c, field[k], err)) == B4C_E_FORMAT)
            rc = cli_fail(err, B4C_E_FORMAT, "wrong value: %s:%lld: '%s': found %s, wanted %s",
                          name, in->line, in->key[k],
                          json_is_object(value)   ? "an object"
                          : json_is_array(value)  ? "an array"
                          : json_is_null(value)   ? "null"
                          : json_is_number(value) ? "a number"
                                                  : "true or false",
                          k == 2                ? "a number"
                          : in->want == CLI_IDS ? "a string or an array of ids"
                                                : "a string");
    }
    json_decref(object);
    return rc;
}

static void hash_bytes(uint64_t *hash, const char *bytes, size_t size)
{
    /* FNV-1a; the size goes in first, so that a|bc and ab|c differ. */
    for (int i = 0; i < 8; i++) *hash = (*hash ^ (size >> 8 * i & 255)) * 1099511628211u;
    for (size_t i = 0; i < size; i++) *hash = (*hash ^ (unsigned char)bytes[i]) * 1099511628211u;
}

static int take_line(cli_input *in, cli_chunk *c, const char *line, size_t size, b4c_error *err)
{
    cli_record r = { .file = in->at, .number = in->line };
    if (as_utf8(in, &line, &size, err) < 0) return err->code;
    if (in->header_due) {
        char *header = strndup(line, size);
        if (!header) return cli_fail(err, B4C_E_MEMORY, "no memory");
        const int rc = find_columns(in, header, err);
        if (in->header)
            free(header);
        else
            in->header = header;
        in->header_due = false;
        return rc;
    }
    int rc = in->format == CLI_TSV   ? read_columns(in, c, line, size, &r, err)
           : in->format == CLI_JSONL ? read_keys(in, c, line, size, &r, err)
                                     : add_bytes(c, line, size, &r.text[0], err);
    if (rc < 0) return rc;
    hash_bytes(&in->hash, line, size);
    r.hash = in->hash;
    return add_record(c, r, err);
}

static int next_argument(cli_input *in, cli_chunk *c, b4c_error *err)
{
    const cli_list *text = &in->settings->text;
    cli_record r = { .file = -1, .number = in->at + 1 };
    for (int k = 0; k < (in->want == CLI_PAIR ? 2 : 1); k++, in->at++) {
        if (in->at >= text->n)
            return cli_fail(err, B4C_E_ARG,
                            "odd number of texts: found %d, wanted two for each pair", text->n);
        const char *t = text->item[in->at];
        const size_t size = strlen(t), bad = cli_utf8_bad(t, size);
        if (bad < size)
            return cli_fail(err, B4C_E_TEXT,
                            "not the text it should be: argument %d: byte %zu: found 0x%02X, "
                            "wanted UTF-8; is the terminal's encoding UTF-8?",
                            in->at + 1, bad + 1, (unsigned char)t[bad]);
        if (add_bytes(c, t, size, &r.text[k], err) < 0) return err->code;
        hash_bytes(&in->hash, t, size);
    }
    r.hash = in->hash;
    return add_record(c, r, err);
}

static int next_record(cli_input *in, cli_chunk *c, b4c_error *err)
{
    const char *line = NULL;
    size_t size = 0;
    if (in->settings->text.n) {
        if (in->at >= in->settings->text.n) return NO_MORE;
        const int rc = next_argument(in, c, err);
        return rc < 0 ? rc : A_LINE;
    }
    while (in->at < in->file.n) {
        if (in->fd < 0 && open_file(in, err) < 0) return err->code;
        const int rc = next_line(in, c->n == 0, &line, &size, err);
        if (rc == A_LINE) return take_line(in, c, line, size, err) < 0 ? err->code : A_LINE;
        if (rc < 0 || rc == NOT_YET || cli_stopped()) return rc;
        close_file(in);
    }
    return NO_MORE;
}

int cli_input_next(cli_input *in, cli_chunk *c, int most, b4c_error *err)
{
    c->n = 0;
    c->used = 0;
    while (!in->held.code && c->n < most && c->used < CHUNK_BYTES) {
        const int rc = next_record(in, c, &in->held);
        if (rc < 0) {
            in->held.code = rc;
            break;
        }
        if (rc != A_LINE) break;
    }
    if (c->n || !in->held.code) return c->n;
    if (err) *err = in->held;
    return in->held.code;
}

void cli_chunk_done(cli_chunk *c)
{
    free(c->bytes);
    free(c->record);
    *c = (cli_chunk){ 0 };
}

/* ---- what is known of it -------------------------------------------------------------------- */

const char *cli_input_where(const cli_input *in, const cli_record *r, char *room, size_t size)
{
    if (r->file < 0)
        snprintf(room, size, "argument %lld", r->number);
    else
        snprintf(room, size, "%s:%lld", shown_name(in->file.item[r->file]), r->number);
    return room;
}

const char *cli_input_header(const cli_input *in) { return in->header; }
bool cli_input_is_files(const cli_input *in) { return in->settings->text.n == 0; }

long long cli_input_bytes(const cli_input *in, long long *total)
{
    *total = in->total;
    return in->bytes - (long long)(in->end - in->begin);
}
