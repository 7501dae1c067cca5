/* input.c - texts from arguments, files and standard input, a chunk at a time.
 *
 * A line's fields are copied into the chunk, which the command then works on. Invariants: an error
 * is kept until the records before it were given out; pieces are offsets, because the chunk's bytes
 * move while they grow.
 */
#include "input.h"
#include "lines.h"
#include "signals.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 8 << 20, FIELDS = 3 };

struct cli_input {
    const cli_settings *settings;
    cli_want want;
    cli_list file; /* names; arguments come without files */
    const char *standard_input[1];

    /* the file being read */
    int at; /* index into file */
    cli_lines lines;
    cli_format format;
    bool header_due;
    int column[FIELDS]; /* text, second text, label: 0 first; -1: none */
    const char *key[FIELDS];
    const char *or_key;         /* where the first one is absent; NULL: nowhere */
    char *keys;         /* "a,b" cut in two */
    int wanted_columns; /* the highest of them + 1 */

    char *header;
    uint64_t hash;
    long long total; /* bytes of all files; 0: not known */
    b4c_error held;  /* code 0: none */
};

/* ---- opening -------------------------------------------------------------------------------- */

static int look_at_files(cli_input *in, b4c_error *err)
{
    bool known = true;
    for (int i = 0; i < in->file.n; i++) {
        struct stat st;
        const char *name = in->file.item[i];
        const bool pipe = cli_is_standard_input(name);
        if ((pipe ? fstat(STDIN_FILENO, &st) : stat(name, &st)) < 0)
            return cli_fail(err, B4C_E_IO, "cannot open: %s: %s; is the name right?",
                            cli_shown_name(name), strerror(errno));
        if (S_ISDIR(st.st_mode))
            return cli_fail(
                err, B4C_E_IO,
                "cannot read: %s: found a folder, wanted a file of texts; give its files with -f",
                cli_shown_name(name));
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
    *in =
        (cli_input){ .settings = s, .want = want, .file = s->file, .hash = 14695981039346656037u };
    in->lines.fd = -1;
    in->key[0] = want == CLI_PAIR ? "a" : want == CLI_IDS ? "ids" : "text";
    in->key[1] = want == CLI_PAIR ? "b" : NULL;
    in->or_key = want == CLI_MESSAGES && !s->key ? "messages" : NULL;
    if (s->key && cut_in_two(in, "key", s->key, in->key, err) < 0) goto fail;
    in->key[2] = s->label;
    if (!s->text.n && !in->file.n) {
        in->standard_input[0] = "-";
        in->file = (cli_list){ in->standard_input, 1 };
    }
    if (look_at_files(in, err) < 0 || cli_recode_open(&in->lines.convert, s->charset, err) < 0)
        goto fail;
    return in;
fail:
    cli_input_close(in);
    return NULL;
}

void cli_input_close(cli_input *in)
{
    if (!in) return;
    cli_lines_done(&in->lines);
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
                        cli_shown_name(name), strrchr(name, '.'));
    else
        in->format = in->want == CLI_PAIR || s->column || s->header ? CLI_TSV
                   : s->key                                         ? CLI_JSONL
                                                                    : CLI_TEXT;
    if (in->format == CLI_TEXT && in->want == CLI_PAIR)
        return cli_fail(err, B4C_E_ARG,
                        "wrong format: %s: found text, wanted pairs; they come as tsv or jsonl",
                        cli_shown_name(name));
    if (in->format != CLI_TSV && (s->column || s->header))
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: %s: found --%s for a file that is no tsv; --from "
                        "tsv says that it is one",
                        cli_shown_name(name), s->column ? "column" : "header");
    if (in->format != CLI_JSONL && s->key)
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: %s: found --key for a file that is no jsonl; "
                        "--from jsonl says that it is one",
                        cli_shown_name(name));
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
                    cli_shown_name(name), header, spec, option);
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
    if (choose_format(in, name, err) < 0 || cli_lines_open(&in->lines, name, err) < 0)
        return err->code;
    in->header_due = in->format == CLI_TSV && (s->header || names_columns(s));
    return in->format == CLI_TSV && !in->header_due ? find_columns(in, "", err) : 0;
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
            cli_shown_name(in->file.item[in->at]), in->lines.number, column + 1,
            in->wanted_columns);
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
    if (want == CLI_MESSAGES && json_is_array(value)) {
        char *text = json_dumps(value, JSON_COMPACT);
        const int rc = text ? add_bytes(c, text, strlen(text), piece, err)
                            : cli_fail(err, B4C_E_MEMORY, "no memory for a line's messages");
        free(text);
        return rc;
    }
    return B4C_E_FORMAT;
}

static int read_keys(const cli_input *in, cli_chunk *c, const char *line, size_t size,
                     cli_record *r, b4c_error *err)
{
    const char *name = cli_shown_name(in->file.item[in->at]);
    json_error_t why;
    cli_piece *const field[FIELDS] = { &r->text[0], &r->text[1], &r->label };
    int rc = 0;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!object)
        return cli_fail(err, B4C_E_FORMAT,
                        "not JSON: %s:%lld: byte %d: %s; wanted one object a line", name,
                        in->lines.number, why.position, why.text);
    if (!json_is_object(object))
        rc = cli_fail(err, B4C_E_FORMAT, "not an object: %s:%lld: wanted {\"%s\": ...}", name,
                      in->lines.number, in->key[0]);
    for (int k = 0; k < FIELDS && rc == 0; k++) {
        if (!in->key[k]) continue;
        const char *key = in->key[k];
        const json_t *value = json_object_get(object, key);
        if (!value && k == 0 && in->or_key) value = json_object_get(object, key = in->or_key);
        r->json = r->json || (k == 0 && in->want == CLI_MESSAGES && json_is_array(value));
        if (!value)
            rc = cli_fail(err, B4C_E_FORMAT,
                          "no such key: %s:%lld: wanted '%s%s%s'; --%s names another", name,
                          in->lines.number, in->key[k], key == in->key[k] ? "" : "' or '",
                          key == in->key[k] ? "" : key, k == 2 ? "label" : "key");
        else if ((rc = value_text(value, in->want, k == 2, c, field[k], err)) == B4C_E_FORMAT)
            rc = cli_fail(err, B4C_E_FORMAT, "wrong value: %s:%lld: '%s': found %s, wanted %s",
                          name, in->lines.number, key,
                          json_is_object(value)   ? "an object"
                          : json_is_array(value)  ? "an array"
                          : json_is_null(value)   ? "null"
                          : json_is_number(value) ? "a number"
                                                  : "true or false",
                          k == 2                ? "a number"
                          : in->want == CLI_IDS ? "a string or an array of ids"
                          : in->want == CLI_MESSAGES ? "a string or an array of messages"
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
    cli_record r = { .file = in->at, .number = in->lines.number };
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

/* The next record into the chunk: CLI_A_LINE (which may have been a header, and no record),
 * CLI_NO_LINE, CLI_NOT_YET, or negative. */
static int next_record(cli_input *in, cli_chunk *c, b4c_error *err)
{
    const char *line = NULL;
    size_t size = 0;
    if (in->settings->text.n) {
        if (in->at >= in->settings->text.n) return CLI_NO_LINE;
        const int rc = next_argument(in, c, err);
        return rc < 0 ? rc : CLI_A_LINE;
    }
    while (in->at < in->file.n) {
        if (in->lines.fd < 0 && open_file(in, err) < 0) return err->code;
        const int rc = cli_lines_next(&in->lines, c->n == 0, &line, &size, err);
        if (rc == CLI_A_LINE) return take_line(in, c, line, size, err) < 0 ? err->code : rc;
        if (rc < 0 || rc == CLI_NOT_YET || cli_stopped()) return rc;
        cli_lines_close(&in->lines);
        in->at++;
    }
    return CLI_NO_LINE;
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
        if (rc != CLI_A_LINE) break;
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

/* ---- as the library takes them --------------------------------------------------------------- */

static int fill_texts(cli_texts *t, const cli_chunk *c, int first, int parts, b4c_error *err)
{
    const int n = c->n * parts;
    if (n > t->room) {
        cli_texts_done(t);
        t->text = malloc((size_t)n * sizeof *t->text);
        t->size = malloc((size_t)n * sizeof *t->size);
        if (!t->text || !t->size)
            return cli_fail(err, B4C_E_MEMORY, "no memory for %d texts", n);
        t->room = n;
    }
    for (int i = 0; i < n; i++) {
        const cli_piece p = c->record[i / parts].text[first + i % parts];
        t->text[i] = cli_at(c, p);
        t->size[i] = p.size;
    }
    t->n = n;
    return 0;
}

int cli_texts_make(cli_texts *t, const cli_chunk *c, int parts, b4c_error *err)
{
    return fill_texts(t, c, 0, parts, err);
}

int cli_texts_take(cli_texts *t, const cli_chunk *c, int part, b4c_error *err)
{
    return fill_texts(t, c, part, 1, err);
}

void cli_texts_done(cli_texts *t)
{
    free(t->text);
    free(t->size);
    *t = (cli_texts){ 0 };
}

/* ---- what is known of it -------------------------------------------------------------------- */

const char *cli_input_where(const cli_input *in, const cli_record *r, char *room, size_t size)
{
    if (r->file < 0)
        snprintf(room, size, "argument %lld", r->number);
    else
        snprintf(room, size, "%s:%lld", cli_shown_name(in->file.item[r->file]), r->number);
    return room;
}

const char *cli_input_header(const cli_input *in) { return in->header; }
bool cli_input_is_files(const cli_input *in) { return in->settings->text.n == 0; }

long long cli_input_bytes(const cli_input *in, long long *total)
{
    *total = in->total;
    return in->lines.bytes - (long long)(in->lines.end - in->lines.begin);
}
