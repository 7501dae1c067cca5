/* signals.c - see signals.h. */
#include "signals.h"
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void note(int signal_number) { caught = signal_number; }

void cli_prepare_process(void)
{
    /* `2>&-`: the next file opened would be number 2, and messages would stand among the vectors.
     * What holds the number fails as a closed stream does. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) return;
    signal(SIGXFSZ, SIG_IGN);
}

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
