/* progress.c - one line on stderr that says how far a run is; only on a terminal, or with
 * --progress. */
#include "progress.h"
#include "number.h"
#include "utf8.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool line_stands; /* one progress line a process; messages wipe it first */

static void wipe(void)
{
    if (line_stands) fputs("\r\033[K", stderr);
    line_stands = false;
}

static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

void cli_progress_start(cli_progress *p, const cli_settings *s, const char *unit)
{
    const bool terminal = isatty(STDERR_FILENO) == 1;
    *p = (cli_progress){ .unit = unit,
                         .terminal = terminal,
                         .on = !s->quiet && (terminal || s->progress),
                         .start = cli_clock() };
    p->shown = p->start;
    if (p->on) cli_on_message(wipe);
}

void cli_progress_show(cli_progress *p, const char *what, long long done, long long part,
                       long long total)
{
    const double now = cli_clock(), took = now - p->start;
    char line[400], a[32], b[32];
    int n = 0;
    if (!p->on || now - p->shown < (p->terminal ? 0.1 : 1.0)) return;
    p->shown = now;
    const bool bytes = !strcmp(p->unit, "bytes");
    const long long rate = took > 0 ? (long long)((double)done / took + 0.5) : 0;
    if (what) n = snprintf(line, sizeof line / 2, "%s  ", what);
    if (n >= (int)sizeof line / 2) n = (int)sizeof line / 2 - 1;
    if (bytes)
        n += snprintf(line + n, sizeof line - (size_t)n, "%s  %s/s", cli_bytes_text(done, a),
                      cli_bytes_text(rate, b));
    else
        n += snprintf(line + n, sizeof line - (size_t)n, "%s %s  %s %s/s", cli_count_text(done, a),
                      p->unit, cli_count_text(rate, b), p->unit);
    if (total > 0 && part <= total) {
        n += snprintf(line + n, sizeof line - (size_t)n, "  %lld%%",
                      (long long)(100.0 * (double)part / (double)total));
        if (part > 0 && took > 1)
            snprintf(line + n, sizeof line - (size_t)n, "  %s left",
                     cli_time_text(took * (double)(total - part) / (double)part, a));
    }
    const size_t fits = p->terminal ? cli_width_cut(line, strlen(line), terminal_columns() - 1)
                                    : strlen(line);
    fprintf(stderr, p->terminal ? "\r%.*s\033[K" : "%.*s\n", (int)fits, line);
    fflush(stderr);
    line_stands = p->terminal;
}

void cli_progress_end(cli_progress *p)
{
    wipe();
    p->on = false;
}
