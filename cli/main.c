/* main.c - bert4c COMMAND ...: the table of commands, and the way to one of them. */
#include "commands.h"
#include "signals.h"
#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_embed,    &cli_similar,   &cli_fill,       &cli_complete,
    &cli_summarize, &cli_paraphrase, &cli_score,     &cli_eval, &cli_compare,      &cli_train,
    &cli_tokenize, &cli_inspect,   &cli_convert,    &cli_verify,    &cli_pull,
    &cli_bench,    &cli_version,
    &cli_help,     NULL,
};

const cli_command *cli_command_find(const char *name)
{
    for (int i = 0; cli_commands[i]; i++)
        if (!strcmp(cli_commands[i]->name, name)) return cli_commands[i];
    return NULL;
}

int cli_unknown_command(const char *name)
{
    const char *names[sizeof cli_commands / sizeof *cli_commands];
    b4c_error err;
    int n = 0;
    while (cli_commands[n]) {
        names[n] = cli_commands[n]->name;
        n++;
    }
    const char *near = cli_nearest(name, names, n);
    if (*name == '-')
        cli_fail(&err, B4C_E_ARG,
                 "no command: found '%s', wanted a command in front of it: bert4c COMMAND %s ...; "
                 "bert4c help lists them",
                 name, name);
    else
        cli_fail(&err, B4C_E_ARG, "unknown command: found '%s'; %s%s%sbert4c help lists them", name,
                 near ? "did you mean " : "", near ? near : "", near ? "? " : "");
    cli_error(&err);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    b4c_error err = { 0 };
    cli_settings settings;
    cli_prepare_process();
    if (argc < 2) {
        cli_usage(stderr, NULL);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "-h") || !strcmp(name, "--help")) name = "help";
    if (!strcmp(name, "--version")) name = "version";
    const cli_command *command = cli_command_find(name);
    if (!command) return cli_unknown_command(name);

    int code = CLI_USAGE;
    if (cli_parse(command, argc - 2, argv + 2, &settings, &err) < 0)
        cli_error(&err);
    else if (settings.help) {
        cli_usage(stdout, command);
        code = CLI_DONE;
    } else {
        if (settings.quiet) cli_be_quiet();
        code = command->run(command, &settings);
    }
    cli_settings_done(&settings);
    /* What did not reach a pipe or a full disk must not look like success. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_fail(&err, B4C_E_IO,
                 "cannot write: standard output: the last bytes were not taken; is the disk full?");
        cli_error(&err);
        if (code == CLI_DONE) code = CLI_FAILED;
    }
    return code;
}
