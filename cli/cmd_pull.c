/* cmd_pull.c - pull: a model from the hub into its cache; prints the folder. */
#include "commands.h"
#include "default_model.h"
#include "hub.h"
#include "signals.h"
#include <stdlib.h>

static int run(const cli_command *self, const cli_settings *s)
{
    static const char *const standard[] = { CLI_DEFAULT_ENCODER };
    const int n = s->text.n ? s->text.n : 1;
    (void)self;
    cli_catch_signals();
    for (int i = 0; i < n; i++) {
        b4c_error err = { 0 };
        char *folder = NULL;
        const int rc = cli_hub_pull(s->text.n ? s->text.item[i] : standard[0], s, &folder, &err);
        if (rc < 0 && cli_stopped()) {
            cli_say("stopped; what came is kept, and pull goes on from there");
            return cli_stop_code();
        }
        if (rc < 0) {
            cli_error(&err);
            return cli_exit_code(&err);
        }
        printf("%s\n", folder);
        fflush(stdout);
        free(folder);
    }
    return CLI_DONE;
}

const cli_command cli_pull = {
    .bit = CLI_PULL,
    .name = "pull",
    .operands = "[NAME ...]",
    .run = run,
    .summary = "Download models from the hub",
    .about = "Brings a model's weights, configuration and vocabulary into the cache that the hub's "
             "own programs share (see the environment), and prints the folder. Of several kinds of "
             "weights it takes one, safetensors first, GGUF where there is nothing else or "
             "--weights names it. A download that broke off goes on where it ended; every file is "
             "checked against the hash that the hub tells. NAME is ORG/NAME or ORG/NAME@REVISION; "
             "without it, the default model of embed.",
    .examples = "bert4c pull BAAI/bge-small-zh-v1.5\n"
                "HF_ENDPOINT=https://hf-mirror.com bert4c pull google-bert/bert-base-chinese\n",
};
