/* lines.h - the lines of a file or pipe, as UTF-8. */
#ifndef CLI_LINES_H
#define CLI_LINES_H
#include "utf8.h"

typedef struct cli_lines {
    const char *name; /* of the file, for messages; "-" is standard input */
    int fd;           /* -1: nothing is open */
    char *buffer;
    size_t begin, end, room, seen; /* seen: up to there no line end was found */
    bool ended;
    long long number; /* of the last line, from 1 */
    long long bytes;  /* read from all files so far */
    cli_recode convert;
} cli_lines;

/* Start from {.fd = -1}; open one file after another. */
int cli_lines_open(cli_lines *, const char *name, b4c_error *);
void cli_lines_close(cli_lines *);
void cli_lines_done(cli_lines *);

/* The next line without its end, which holds until the next call. CLI_NOT_YET: a pipe has none now
 * and `wait` was false. CLI_NO_LINE: the end, or a signal came. Negative: an error. */
enum { CLI_NO_LINE = 0, CLI_A_LINE = 1, CLI_NOT_YET = 2 };
int cli_lines_next(cli_lines *, bool wait, const char **line, size_t *size, b4c_error *);

/* "standard input" for "-". */
const char *cli_shown_name(const char *name);
bool cli_is_standard_input(const char *name);
#endif
