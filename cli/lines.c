/* lines.c - the lines of a file or pipe, as UTF-8.
 *
 * Bytes come by read() into one buffer, lines are cut from it and then converted: in no encoding
 * offered here is a line end part of a character. A line is at most LINE_MOST bytes, so that a file
 * without line ends is refused, not swallowed.
 */
#include "lines.h"
#include "signals.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_STEP = 1 << 18 };
#define LINE_MOST ((size_t)64 << 20)

bool cli_is_standard_input(const char *name) { return !strcmp(name, "-"); }

const char *cli_shown_name(const char *name)
{
    return cli_is_standard_input(name) ? "standard input" : name;
}

int cli_lines_open(cli_lines *l, const char *name, b4c_error *err)
{
    l->name = name;
    l->fd = cli_is_standard_input(name) ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) return cli_fail(err, B4C_E_IO, "cannot open: %s: %s", name, strerror(errno));
    if (l->fd == STDIN_FILENO && isatty(STDIN_FILENO))
        cli_say("reading texts from the terminal, one a line; Ctrl-D ends");
    l->begin = l->end = l->seen = 0;
    l->ended = false;
    l->number = 0;
    return 0;
}

void cli_lines_close(cli_lines *l)
{
    if (l->fd > STDIN_FILENO) close(l->fd);
    l->fd = -1;
}

void cli_lines_done(cli_lines *l)
{
    cli_lines_close(l);
    cli_recode_close(&l->convert);
    free(l->buffer);
    *l = (cli_lines){ .fd = -1 };
}

static int fill_buffer(cli_lines *l, b4c_error *err)
{
    const char *name = cli_shown_name(l->name);
    if (l->begin) {
        memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
        l->end -= l->begin;
        l->seen -= l->begin;
        l->begin = 0;
    }
    if (l->end > LINE_MOST)
        return cli_fail(err, B4C_E_TEXT,
                        "line too long: %s:%lld: found more than %zu MiB without a line end, "
                        "wanted one text a line",
                        name, l->number + 1, LINE_MOST >> 20);
    if (l->room - l->end < READ_STEP) {
        const size_t room = l->room < READ_STEP ? 2 * READ_STEP : 2 * l->room;
        char *more = realloc(l->buffer, room);
        if (!more)
            return cli_fail(err, B4C_E_MEMORY, "no memory for a line: %s:%lld: %zu bytes", name,
                            l->number + 1, room);
        l->buffer = more;
        l->room = room;
    }
    const ssize_t got = read(l->fd, l->buffer + l->end, l->room - l->end);
    if (got < 0 && errno == EINTR) return 0;
    if (got < 0) return cli_fail(err, B4C_E_IO, "cannot read: %s: %s", name, strerror(errno));
    if (got == 0) l->ended = true;
    l->end += (size_t)got;
    l->bytes += got;
    return 0;
}

static bool can_read_now(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) != 0;
}

/* Convert and check one line; drop a byte order mark. */
static int as_utf8(cli_lines *l, const char **line, size_t *size, b4c_error *err)
{
    size_t bad = 0;
    b4c_error why = { 0 };
    const int rc = cli_recode_text(&l->convert, *line, *size, line, size, &bad, &why);
    if (rc == B4C_E_TEXT)
        return cli_fail(err, rc, "not the text it should be: %s:%lld: byte %zu: %s",
                        cli_shown_name(l->name), l->number, bad + 1, why.message);
    if (rc < 0) return cli_fail(err, rc, "%s", why.message);
    if (l->number == 1 && *size >= 3 && !memcmp(*line, "\xef\xbb\xbf", 3)) {
        *line += 3;
        *size -= 3;
    }
    return CLI_A_LINE;
}

int cli_lines_next(cli_lines *l, bool wait, const char **line, size_t *size, b4c_error *err)
{
    for (;;) {
        const size_t unseen = l->end - l->seen;
        char *end = unseen ? memchr(l->buffer + l->seen, '\n', unseen) : NULL;
        if (!end && l->ended && l->end > l->begin) end = l->buffer + l->end;
        if (end) {
            *line = l->buffer + l->begin;
            *size = (size_t)(end - *line);
            l->begin = l->seen = (size_t)(end - l->buffer) + (end < l->buffer + l->end);
            l->number++;
            if (*size && (*line)[*size - 1] == '\r') --*size;
            return as_utf8(l, line, size, err);
        }
        if (l->ended || cli_stopped()) return CLI_NO_LINE;
        l->seen = l->end;
        if (!wait && !can_read_now(l->fd)) return CLI_NOT_YET;
        if (fill_buffer(l, err) < 0) return err->code;
    }
}
