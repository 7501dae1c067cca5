/* signals.h - what a process starts with, and what it is told: Ctrl-C asks a run to stop after what
 * it is doing; a second one ends the process at once. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H
#include <stdbool.h>

/* First of all: files get no standard stream's number, and a file that may grow no further is an
 * error of writing it, not the end. */
void cli_prepare_process(void);
void cli_catch_signals(void); /* interrupt, terminate, hang up */
void cli_catch_user_signal(void); /* USR1 too: what mpirun hands on without an end */
bool cli_stopped(void);
int cli_stop_code(void); /* 128 + the signal */
#endif
