/* output.c - records, to standard output or to FILE.part that becomes FILE.
 *
 * Invariants: a state is saved only after the bytes that it speaks of are on the disk, so it never
 * promises too much; a file has one writer (flock on FILE.part); FILE itself is only ever replaced
 * by a complete file.
 */
#include "output.h"
#include "number.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NPY_HEADER = 128 };
static const char *const format_name[] = { "text", "tsv", "jsonl", "json", "npy" };

/* Options that only one format shows. */
static const struct {
    const char *option;
    cli_format format;
} shown[] = { { "logprobs", CLI_JSONL }, { "alternatives", CLI_JSONL } };

int cli_output_format(const cli_command *c, const cli_settings *s, cli_format *format,
                      b4c_error *err)
{
    static const struct {
        const char *end;
        cli_format format;
    } ends[] = {
        { ".txt", CLI_TEXT },    { ".tsv", CLI_TSV },      { ".tab", CLI_TSV },
        { ".jsonl", CLI_JSONL }, { ".ndjson", CLI_JSONL }, { ".json", CLI_JSON },
        { ".npy", CLI_NPY },
    };
    *format = s->to >= 0 ? (cli_format)s->to : c->format;
    const char *end = s->to < 0 && s->output ? strrchr(s->output, '.') : NULL;
    if (end && !strcmp(end, ".csv"))
        return cli_fail(err, B4C_E_ARG,
                        "unknown format: %s -o %s: found .csv, which is quoted in many ways, "
                        "wanted .tsv or another that --to takes; --to says it whatever the name",
                        c->name, s->output);
    for (size_t i = 0; end && i < sizeof ends / sizeof *ends; i++) {
        if (strcmp(end, ends[i].end)) continue;
        *format = ends[i].format;
        if (!(c->formats >> *format & 1))
            return cli_fail(err, B4C_E_ARG,
                            "wrong format: %s -o %s: %s does not write %s; --to says what to "
                            "write, or bert4c %s -h",
                            c->name, s->output, c->name, format_name[*format], c->name);
    }
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (cli_given(s, shown[i].option) && *format != shown[i].format)
            return cli_fail(err, B4C_E_ARG,
                            "contradicting options: %s: found --%s, which %s does not show, wanted "
                            "--to %s with it",
                            c->name, shown[i].option, format_name[*format],
                            format_name[shown[i].format]);
    return 0;
}

/* ---- bytes to the file ---------------------------------------------------------------------- */

static const char *name_of(const cli_output *o)
{
    return o->target ? o->target : "standard output";
}

static int write_failed(const cli_output *o, b4c_error *err)
{
    const char *again = o->part ? "; make room, then --resume" : "; make room";
    return cli_fail(err, B4C_E_IO, "cannot write: %s: %s%s", o->part ? o->part : name_of(o),
                    strerror(errno), errno == ENOSPC ? again : "");
}

static int write_all(int fd, const char *bytes, size_t size, off_t at)
{
    while (size) {
        const ssize_t n = at < 0 ? write(fd, bytes, size) : pwrite(fd, bytes, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        bytes += n;
        size -= (size_t)n;
        if (at >= 0) at += n;
    }
    return 0;
}

/* Version 1.0 header of float32 [rows, width], always NPY_HEADER bytes, so that the row count can
 * be put in at the end. */
static void npy_header(char header[NPY_HEADER + 1], long long rows, int width)
{
    const union {
        uint16_t x;
        char first;
    } order = { 1 };
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(NPY_HEADER - 10);
    header[9] = 0;
    snprintf(header + 10, NPY_HEADER - 9, "%-*s", NPY_HEADER - 10, "");
    char dict[NPY_HEADER];
    const int n = snprintf(dict, sizeof dict,
                           "{'descr': '%cf4', 'fortran_order': False, 'shape': (%lld, %d), }",
                           order.first ? '<' : '>', rows, width);
    memcpy(header + 10, dict, (size_t)n);
    header[NPY_HEADER - 1] = '\n';
}

static int write_npy_header(cli_output *o, b4c_error *err)
{
    char header[NPY_HEADER + 1];
    npy_header(header, o->records, o->width);
    return write_all(o->fd, header, NPY_HEADER, 0) < 0 ? write_failed(o, err) : 0;
}

/* ---- state ---------------------------------------------------------------------------------- */

static int save_state(cli_output *o, b4c_error *err)
{
    char hash[20];
    int rc = -1;
    o->saved = cli_clock();
    if (!o->part) return 0;
    if (fdatasync(o->fd) < 0) return write_failed(o, err);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)o->input);
    json_t *state = json_pack("{s:O,s:I,s:I,s:s}", "made_by", o->made_by, "records",
                              (json_int_t)o->records, "bytes", (json_int_t)o->written, "input",
                              hash);
    char *text = state ? json_dumps(state, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    char *beside = malloc(strlen(o->state) + 5);
    if (text && beside) {
        sprintf(beside, "%s.new", o->state);
        const int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd >= 0) {
            rc = write_all(fd, text, strlen(text), -1);
            if (rc == 0) rc = fsync(fd);
            if (close(fd) < 0) rc = -1;
            if (rc == 0) rc = rename(beside, o->state);
        }
    } else
        errno = ENOMEM;
    if (rc < 0) cli_fail(err, B4C_E_IO, "cannot write: %s: %s", o->state, strerror(errno));
    free(beside);
    free(text);
    json_decref(state);
    return rc < 0 ? B4C_E_IO : 0;
}

/* Name the first thing that differs between what made the file and this run. */
static int check_same(const cli_output *o, const json_t *then, b4c_error *err)
{
    const char *key;
    json_t *now;
    const json_t *options = json_object_get(o->made_by, "options"),
                 *old = json_object_get(then, "options");
    json_object_foreach((json_t *)options, key, now) if (
        !json_equal(now,
                    json_object_get(
                        old, key))) return cli_fail(err, B4C_E_ARG,
                                                    "another run: %s: found that it was made with "
                                                    "another --%s, wanted the same; give the same "
                                                    "options, or leave --resume out to begin anew",
                                                    o->part, key);
    json_object_foreach(
        (json_t *)old, key,
        now) if (!json_object_get(options, key)) return cli_fail(err, B4C_E_ARG,
                                                                 "another run: %s: found that it "
                                                                 "was made with --%s, wanted the "
                                                                 "same; give the same options, or "
                                                                 "leave --resume out to begin anew",
                                                                 o->part, key);
    json_object_foreach(o->made_by, key, now) if (
        !json_equal(
            now, json_object_get(
                     then,
                     key))) return cli_fail(err, B4C_E_ARG,
                                            "another run: %s: found that it was made with another "
                                            "%s, wanted the same; leave --resume out to begin anew",
                                            o->part, key);
    return 0;
}

static int go_on(cli_output *o, b4c_error *err)
{
    json_error_t why;
    struct stat st;
    int rc = 0;
    if (access(o->state, F_OK) < 0) return 0; /* stopped before its first record, or never begun */
    json_t *state = json_load_file(o->state, JSON_REJECT_DUPLICATES, &why);
    const json_t *records = json_object_get(state, "records"),
                 *bytes = json_object_get(state, "bytes"),
                 *made_by = json_object_get(state, "made_by");
    const char *input = json_string_value(json_object_get(state, "input"));
    if (!json_is_integer(records) || !json_is_integer(bytes) || !json_is_object(made_by) ||
        !input || json_integer_value(records) < 0 || json_integer_value(bytes) < 0)
        rc = cli_fail(err, B4C_E_FORMAT,
                      "cannot resume: %s: found %s, wanted what a stopped run leaves; leave "
                      "--resume out to begin anew",
                      o->state, state ? "other keys" : why.text);
    else if (fstat(o->fd, &st) < 0 || st.st_size < json_integer_value(bytes))
        rc = cli_fail(err, B4C_E_FORMAT,
                      "cannot resume: %s: found %lld bytes, wanted the %lld that %s speaks of; "
                      "leave --resume out to begin anew",
                      o->part, (long long)st.st_size, (long long)json_integer_value(bytes),
                      o->state);
    else if ((rc = check_same(o, made_by, err)) == 0) {
        o->records = json_integer_value(records);
        o->written = json_integer_value(bytes);
        o->input = strtoull(input, NULL, 16);
    }
    json_decref(state);
    return rc;
}

/* ---- opening -------------------------------------------------------------------------------- */

static char *with_end(const char *name, const char *end)
{
    char *path = malloc(strlen(name) + strlen(end) + 1);
    if (path) sprintf(path, "%s%s", name, end);
    return path;
}

static int open_part(cli_output *o, bool resume, b4c_error *err)
{
    struct stat mine, there;
    o->part = with_end(o->target, ".part");
    o->state = with_end(o->target, ".part.json");
    if (!o->part || !o->state) return cli_fail(err, B4C_E_MEMORY, "no memory");
    o->fd = open(o->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (o->fd < 0)
        return cli_fail(err, B4C_E_IO, "cannot write: %s: %s%s", o->part, strerror(errno),
                        errno == ENOENT ? "; make its folder first" : "");
    o->seekable = true;
    /* Whoever held the lock before us may have renamed the file away. */
    if (flock(o->fd, LOCK_EX | LOCK_NB) < 0 || fstat(o->fd, &mine) < 0 ||
        stat(o->part, &there) < 0 || mine.st_ino != there.st_ino) {
        const int rc = cli_fail(
            err, B4C_E_IO,
            "in use: %s: another bert4c is writing it; wait for it, or write to another file",
            o->part);
        free(o->part); /* not ours to clean up */
        o->part = NULL;
        return rc;
    }
    if (resume) {
        if (go_on(o, err) < 0) return err->code;
    } else if (mine.st_size)
        cli_say("%s of a stopped run is begun anew; --resume would have gone on with it", o->part);
    if (!resume) unlink(o->state);
    if (ftruncate(o->fd, o->written) < 0 || lseek(o->fd, o->written, SEEK_SET) < 0)
        return write_failed(o, err);
    o->opened = true;
    return 0;
}

static int open_target(cli_output *o, const cli_settings *s, b4c_error *err)
{
    struct stat st;
    const char *name = s->output && strcmp(s->output, "-") ? s->output : NULL;
    if (!name) {
        o->fd = STDOUT_FILENO;
        o->seekable = fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode) &&
                      lseek(o->fd, 0, SEEK_CUR) == 0;
        return s->resume
                 ? cli_fail(err, B4C_E_ARG, "cannot resume: found standard output, wanted -o FILE")
                 : 0;
    }
    const bool there = stat(name, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        return cli_fail(err, B4C_E_IO, "cannot write: %s: found a folder, wanted a file", name);
    /* Through a link to the file itself: a rename would replace the link. */
    o->target = there ? realpath(name, NULL) : strdup(name);
    if (!o->target) return cli_fail(err, B4C_E_IO, "cannot write: %s: %s", name, strerror(errno));
    if (!there || S_ISREG(st.st_mode)) return open_part(o, s->resume, err);
    if (s->resume)
        return cli_fail(err, B4C_E_ARG, "cannot resume: %s: found a device or pipe, wanted a file",
                        name);
    o->fd = open(name, O_WRONLY | O_CLOEXEC);
    return o->fd < 0 ? cli_fail(err, B4C_E_IO, "cannot write: %s: %s", name, strerror(errno)) : 0;
}

int cli_output_open(cli_output *o, const cli_settings *s, cli_format format, json_t *made_by,
                    int width, b4c_error *err)
{
    b4c_error here;
    if (!err) err = &here;
    *o = (cli_output){
        .format = format, .fd = -1, .width = width, .made_by = made_by, .saved = cli_clock()
    };
    if (!made_by) return cli_fail(err, B4C_E_MEMORY, "no memory");
    json_object_set_new(made_by, "format", json_string(format_name[format]));
    json_object_set_new(made_by, "version", json_string(B4C_VERSION));
    if (format == CLI_NPY) json_object_set_new(made_by, "width", json_integer(width));
    if (open_target(o, s, err) < 0) return err->code;
    if (format != CLI_NPY || o->written) return 0;
    if (!o->seekable)
        return cli_fail(err, B4C_E_ARG,
                        "wrong output: %s: .npy has the number of rows at its beginning, and that "
                        "cannot be written into a pipe; wanted -o FILE.npy",
                        name_of(o));
    if (write_npy_header(o, err) < 0) return err->code;
    o->written = NPY_HEADER;
    return lseek(o->fd, NPY_HEADER, SEEK_SET) < 0 ? write_failed(o, err) : 0;
}

/* ---- adding --------------------------------------------------------------------------------- */

static char *space(cli_output *o, size_t size)
{
    if (o->room - o->used < size) {
        const size_t room = 2 * o->room + size + (1 << 16);
        char *more = o->failed ? NULL : realloc(o->bytes, room);
        if (!more) {
            o->failed = true;
            return NULL;
        }
        o->bytes = more;
        o->room = room;
    }
    return o->bytes + o->used;
}

void cli_put(cli_output *o, const void *bytes, size_t size)
{
    char *to = space(o, size);
    if (!to) return;
    memcpy(to, bytes, size);
    o->used += size;
}

void cli_put_text(cli_output *o, const char *text) { cli_put(o, text, strlen(text)); }

void cli_print(cli_output *o, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n >= 0) cli_put(o, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void cli_put_count(cli_output *o, long long n)
{
    char digits[24];
    int at = sizeof digits;
    unsigned long long left = n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;
    do digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (n < 0) digits[--at] = '-';
    cli_put(o, digits + at, sizeof digits - (size_t)at);
}

void cli_put_json(cli_output *o, const char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    char *p = space(o, 6 * size + 2);
    if (!p) return;
    *p++ = '"';
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        const char *escape = c == '"'  ? "\\\""
                           : c == '\\' ? "\\\\"
                           : c == '\n' ? "\\n"
                           : c == '\r' ? "\\r"
                           : c == '\t' ? "\\t"
                                       : NULL;
        if (escape) {
            *p++ = escape[0];
            *p++ = escape[1];
        } else if (c < 0x20) {
            memcpy(p, "\\u00", 4);
            p[4] = hex[c >> 4];
            p[5] = hex[c & 15];
            p += 6;
        } else
            *p++ = (char)c;
    }
    *p++ = '"';
    o->used = (size_t)(p - o->bytes);
}

void cli_put_field(cli_output *o, const char *text, size_t size)
{
    char *p = space(o, size);
    if (!p) return;
    for (size_t i = 0; i < size; i++)
        p[i] = text[i] == '\t' || text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    o->used += size;
}

void cli_put_float(cli_output *o, float x)
{
    char *p = space(o, CLI_FLOAT_ROOM);
    if (!p) return;
    if (!isfinite(x) && (o->format == CLI_JSONL || o->format == CLI_JSON))
        cli_put_text(o, "null");
    else
        o->used += cli_float_text(x, p);
}

void cli_put_vector(cli_output *o, const float *x, int n)
{
    const char *between = o->format == CLI_JSONL ? "," : o->format == CLI_TSV ? "\t" : " ";
    if (o->format == CLI_NPY) {
        cli_put(o, x, (size_t)n * sizeof *x);
        return;
    }
    if (o->format == CLI_JSONL) cli_put(o, "[", 1);
    for (int i = 0; i < n; i++) {
        if (i) cli_put(o, between, 1);
        cli_put_float(o, x[i]);
    }
    if (o->format == CLI_JSONL) cli_put(o, "]", 1);
}

/* ---- writing and ending --------------------------------------------------------------------- */

int cli_output_flush(cli_output *o, bool save_now, b4c_error *err)
{
    if (o->failed)
        return cli_fail(err, B4C_E_MEMORY, "no memory for the output of one chunk: %s", name_of(o));
    if (o->used && write_all(o->fd, o->bytes, o->used, -1) < 0) return write_failed(o, err);
    o->written += (long long)o->used;
    o->used = 0;
    return save_now || cli_clock() - o->saved >= 1 ? save_state(o, err) : 0;
}

static void sync_folder(const char *path)
{
    char *copy = strdup(path);
    const int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd); /* some file systems cannot: the rename is then as safe as they make it */
        close(fd);
    }
    free(copy);
}

int cli_output_finish(cli_output *o, b4c_error *err)
{
    if (cli_output_flush(o, false, err) < 0) return err ? err->code : B4C_E_IO;
    if (o->format == CLI_NPY && write_npy_header(o, err) < 0) return err ? err->code : B4C_E_IO;
    if (!o->part) return 0;
    if (fsync(o->fd) < 0) return write_failed(o, err);
    if (rename(o->part, o->target) < 0)
        return cli_fail(err, B4C_E_IO, "cannot name the output: %s: %s; it is complete as %s",
                        o->target, strerror(errno), o->part);
    unlink(o->state);
    sync_folder(o->target);
    free(o->part);
    o->part = NULL;
    return 0;
}

void cli_output_close(cli_output *o)
{
    if (o->part && o->opened && o->records == 0) {
        unlink(o->part);
        unlink(o->state);
    }
    if (o->fd > STDERR_FILENO) close(o->fd);
    free(o->target);
    free(o->part);
    free(o->state);
    free(o->bytes);
    json_decref(o->made_by);
    *o = (cli_output){ .fd = -1 };
}
