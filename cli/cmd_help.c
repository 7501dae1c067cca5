/* cmd_help.c - help: the commands, one of them, the manual page, the reference. */
#include "commands.h"

static int run(const cli_command *self, const cli_settings *s)
{
    (void)self;
    if (s->man)
        cli_manual(stdout);
    else if (s->markdown)
        cli_markdown(stdout);
    else if (!s->text.n)
        cli_usage(stdout, NULL);
    for (int i = 0; i < s->text.n; i++) {
        const cli_command *c = cli_command_find(s->text.item[i]);
        if (!c) return cli_unknown_command(s->text.item[i]);
        cli_usage(stdout, c);
    }
    return CLI_DONE;
}

const cli_command cli_help = {
    .bit = CLI_HELP,
    .name = "help",
    .operands = "[COMMAND ...]",
    .run = run,
    .summary = "The commands, or the options of one",
    .examples = "bert4c help embed\n",
};
