/* message.h - what the command says to people: one line each, on stderr, and nothing but errors
 * under --quiet. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H
#include "bert4c.h"
#include <stdarg.h>

/* Exit codes; a signal adds 128. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* Fill err (may be NULL) and return code. The message says WHAT: WHERE: found X, wanted Y; TRY. */
int cli_fail(b4c_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One more of names that a message lists: "one, two"; at most `most` bytes of it (-1: all), and no
 * more than there is room for. */
void cli_add_name(char *names, size_t room, int most, const char *name);

/* CLI_USAGE where the arguments are to blame, else CLI_FAILED. */
int cli_exit_code(const b4c_error *);

/* "bert4c: ..." on stderr. _say is silent under --quiet, _error never is. Control characters become
 * '?', so that a line stays a line. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_error(const b4c_error *err);
void cli_be_quiet(void);
/* Of several processes that speak at once: errors begin with "rank N". */
void cli_be_rank(int rank);

/* A line that the next message must wipe first: set by the progress line. */
void cli_on_message(void (*wipe)(void));
#endif
