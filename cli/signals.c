/* signals.c - Ctrl-C asks a run to stop after what it is doing; a second one ends the process at
 * once. */
#include "signals.h"
#include <signal.h>

static volatile sig_atomic_t caught;

static void note(int signal_number) { caught = signal_number; }

/* What the caller told us to ignore (nohup) stays ignored. */
static void catch_one(int signal_number)
{
    struct sigaction action;
    if (sigaction(signal_number, NULL, &action) < 0 || action.sa_handler == SIG_IGN) return;
    /* No SA_RESTART: a read that waits for a pipe ends. SA_RESETHAND: the second signal has its
     * usual effect. */
    action = (struct sigaction){ .sa_handler = note, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

void cli_catch_signals(void)
{
    catch_one(SIGINT);
    catch_one(SIGTERM);
    catch_one(SIGHUP);
}

void cli_catch_user_signal(void) { catch_one(SIGUSR1); }

bool cli_stopped(void) { return caught != 0; }
int cli_stop_code(void) { return 128 + caught; }
