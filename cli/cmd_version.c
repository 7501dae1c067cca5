/* cmd_version.c - version: what results and speed depend on: version, instruction set, threads,
 * Unicode tables. */
#include "commands.h"

static int run(const cli_command *self, const cli_settings *s)
{
    (void)self;
    const char *isa = b4c_isa_name(), *unicode = b4c_unicode_version();
    const int threads = b4c_cpu_count();
    if (s->to == CLI_JSON)
        printf("{\"version\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"unicode\":\"%s\"}\n",
               B4C_VERSION, isa, threads, unicode);
    else
        printf("bert4c %s\nisa %s\nthreads %d\nunicode %s\n", B4C_VERSION, isa, threads, unicode);
    return CLI_DONE;
}

const cli_command cli_version = {
    .bit = CLI_VERSION,
    .name = "version",
    .operands = "",
    .run = run,
    .summary = "Version, instruction set, threads and Unicode tables",
    .formats = 1 << CLI_TEXT | 1 << CLI_JSON,
    .format = CLI_TEXT,
};
