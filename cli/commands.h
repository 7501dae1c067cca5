/* commands.h - every command of main.c's table; each stands in its cmd_ file. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H
#include "options.h"

extern const cli_command cli_embed, cli_similar, cli_fill, cli_tokenize, cli_inspect, cli_pull,
    cli_bench, cli_version, cli_help, cli_complete, cli_summarize, cli_paraphrase, cli_score,
    cli_convert, cli_verify, cli_eval, cli_compare, cli_train;

/* Say that there is no such command, with the nearest name; returns the exit code. */
int cli_unknown_command(const char *name);
#endif
