/* message.c - one line a message; the rest of the command never writes to stderr itself (but for
 * the progress line). */
#include "message.h"
#include <stdio.h>
#include <string.h>

static bool quiet;
static int rank;
static void (*wipe_line)(void);

int cli_fail(b4c_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}

void cli_add_name(char *names, size_t room, int most, const char *name)
{
    const size_t used = strlen(names);
    if (used + 1 < room)
        snprintf(names + used, room - used, "%s%.*s", used ? ", " : "", most, name);
}

int cli_exit_code(const b4c_error *err) { return err->code == B4C_E_ARG ? CLI_USAGE : CLI_FAILED; }

void cli_be_quiet(void) { quiet = true; }

void cli_be_rank(int number) { rank = number; }

void cli_on_message(void (*wipe)(void)) { wipe_line = wipe; }

static void put_line(char *line)
{
    /* Names and texts come from outside: no escape sequence of theirs reaches the terminal. */
    for (unsigned char *p = (unsigned char *)line; *p; p++)
        if (*p < 0x20 || *p == 0x7f) *p = '?';
    if (wipe_line) wipe_line();
    if (rank > 0) fprintf(stderr, "bert4c: rank %d: %s\n", rank, line);
    else fprintf(stderr, "bert4c: %s\n", line);
    fflush(stderr);
}

void cli_say(const char *format, ...)
{
    char line[2000];
    va_list args;
    if (quiet) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put_line(line);
}

void cli_error(const b4c_error *err)
{
    char line[sizeof err->message];
    memcpy(line, err->message, sizeof line);
    line[sizeof line - 1] = 0;
    put_line(line);
}
