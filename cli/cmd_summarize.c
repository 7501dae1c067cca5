/* cmd_summarize.c - summarize: a title or summary of a text. */
#include "answer.h"
#include "commands.h"
#include "default_model.h"

static int run(const cli_command *self, const cli_settings *s)
{
    return cli_answer(self, s, CLI_DEFAULT_SUMMARIZER, true);
}

const cli_command cli_summarize = {
    .bit = CLI_SUMMARIZE,
    .name = "summarize",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "A title or summary of a text",
    .about =
        "As complete, with a search of 3 beams where neither options nor the model's files say "
             "otherwise: for T5, mT5, T5 PEGASUS, BART, PEGASUS, and for BERT and RoFormer trained "
             "under UniLM's mask. A text that is too long loses its end (--truncate).\n"
             "\n"
             "T5 PEGASUS is known by its WordPiece vocabulary: it starts with [CLS] and ends with "
             "[SEP], whatever config.json says. A folder in the hub's layout is computed as the "
             "hub does; --as t5-pegasus computes what the authors' code does.",
    .examples =
        "bert4c summarize -m ./t5-pegasus-small --beams 3 --max-new-tokens 32 -f news.txt\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_TSV | 1 << CLI_JSONL,
    .format = CLI_TEXT,
};
