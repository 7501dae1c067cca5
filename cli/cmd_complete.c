/* cmd_complete.c - complete: what follows a text. */
#include "answer.h"
#include "commands.h"
#include "default_model.h"

static int run(const cli_command *self, const cli_settings *s)
{
    return cli_answer(self, s, CLI_DEFAULT_DECODER, false);
}

const cli_command cli_complete = {
    .bit = CLI_COMPLETE,
    .name = "complete",
    .operands = "[TEXT ...]",
    .run = run,
    .summary = "What follows a text",
    .about = "Needs a model that writes: GPT, GPT-2, LLaMA, Qwen2; BERT and NEZHA as language "
             "models (--reading causal) or under UniLM's mask (--reading prefix); T5, BART, "
             "PEGASUS. Without options of decoding it takes the likeliest token, or what the "
             "model's generation_config.json says; lists that are typed (--stop, --bad-words, "
             "...) join its own, and what it asks for beyond bert4c's rules is told. An empty text "
             "is continued from the token that begins texts.\n"
             "\n"
             "text: the results of a text in one line, parted by tabs, on a terminal as they come; "
             "tsv: the text before them; jsonl: {\"text\", \"outputs\": [{\"text\", \"ids\", "
             "\"logprob\", \"finish\"}]}, finish being end, length, stop, stopped or cycle; a "
             "result that ends in a cycle has \"cycle\": {\"tokens\", \"rounds\"} too.\n"
             "\n"
             "A result depends on its text, the options and the seed alone: not on the texts "
             "around it, their order or the number of threads.",
    .examples = "bert4c complete -m uer/gpt2-chinese-cluecorpussmall 这是很久之前的事情了\n"
                "bert4c complete -m Qwen/Qwen2.5-0.5B-Instruct --chat 用一句话介绍北京。\n"
                "bert4c complete -m ./gpt --top-p 0.9 --n 5 --seed 7 --to jsonl 今天天气\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_TSV | 1 << CLI_JSONL,
    .format = CLI_TEXT,
};
