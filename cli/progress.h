/* progress.h - one line on stderr that says how far a run is; only on a terminal, or with
 * --progress. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H
#include "options.h"

typedef struct cli_progress {
    const char *unit;
    bool on, terminal;
    double start, shown;
} cli_progress;

void cli_progress_start(cli_progress *, const cli_settings *, const char *unit);
/* done of what `unit` says; part and total (bytes; total 0: not known) give share and time left. At
 * most ten times a second on a terminal, else once a second. unit "bytes": done is told as such.
 * what: a name in front, or NULL. */
void cli_progress_show(cli_progress *, const char *what, long long done, long long part,
                       long long total);
void cli_progress_end(cli_progress *);
#endif
