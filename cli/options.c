/* options.c - the table of options, and reading arguments by it.
 *
 * --name VALUE, --name=VALUE, -x VALUE, -xVALUE, flags bundled (-qh), options and texts in any
 * order, -- before texts that begin with a dash. Names are not abbreviated: a script must not break
 * when an option is added. Given twice, the last one counts (lists collect); what contradicts is an
 * error.
 */
#include "options.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS   (CLI_COMPLETE | CLI_SUMMARIZE)
#define WRITES    (ANSWERS | CLI_PARAPHRASE)
#define TEXTS     (CLI_EMBED | CLI_SIMILAR | CLI_FILL | CLI_TOKENIZE | WRITES | CLI_SCORE)
#define INPUTS    (TEXTS | CLI_EVAL | CLI_COMPARE)
#define VECTORS   (CLI_EMBED | CLI_SIMILAR | CLI_EVAL)
#define MODELS    (INPUTS | CLI_INSPECT | CLI_BENCH)
#define FOLDERS   (MODELS | CLI_CONVERT | CLI_VERIFY)
#define EVERY     (FOLDERS | CLI_PULL | CLI_VERSION | CLI_HELP | CLI_TRAIN)
#define FORMATS   "text|tsv|jsonl|json|npy"
#define AT(field) offsetof(cli_settings, field)

const cli_option cli_options[] = {
    /* name, letter, kind, group, commands, shapes, value, field, low, high, help */
    { "pooling", 0, CLI_IS_CHOICE, CLI_OWN, VECTORS | CLI_BENCH | CLI_PARAPHRASE, true,
      "auto|cls|linear|tanh|mean|max|first-last", AT(pooling), 0, 0,
      "how rows become one vector: first token, pooler without its tanh (SimBERT, RoFormer-Sim), "
      "pooler with it, mean, maximum, "
      "mean of first and last layer; auto: what the model's files say, an error when they say "
      "nothing" },
    { "normalize", 0, CLI_IS_FLAG, CLI_OWN, CLI_EMBED, true, NULL, AT(normalize), 0, 0,
      "vectors of length 1, whatever the model's files say" },
    { "no-normalize", 0, CLI_IS_FLAG, CLI_OWN, CLI_EMBED, true, NULL, AT(no_normalize), 0, 0,
      "vectors as they come out, whatever the model's files say" },
    { "prompt", 0, CLI_IS_TEXT, CLI_OWN, VECTORS, true, "STR", AT(prompt), 0, 0,
      "put STR before every text" },
    { "prompt-name", 0, CLI_IS_TEXT, CLI_OWN, VECTORS, true, "NAME", AT(prompt_name), 0, 0,
      "put the prompt before every text that the model's files call NAME" },
    { "dim", 0, CLI_IS_COUNT, CLI_OWN, VECTORS, true, "K", AT(dim), 1, 1 << 20,
      "keep the first K components, before normalising" },
    { "whiten", 0, CLI_IS_TEXT, CLI_OWN, VECTORS, true, "FILE", AT(whiten), 0, 0,
      "whiten vectors by FILE, which --fit-whitening wrote; --dim keeps the first K components; of "
      "length 1 unless --no-normalize" },
    { "fit-whitening", 0, CLI_IS_TEXT, CLI_OWN, CLI_EMBED, true, "FILE", AT(fit_whitening), 0, 0,
      "learn a whitening of these texts' vectors and write it to FILE, instead of the vectors" },
    { "label", 0, CLI_IS_TEXT, CLI_OWN, CLI_SIMILAR | CLI_EVAL, true, "N", AT(label), 0, 0,
      "column of the labels (1 first, or a header's name; jsonl: a key): adds Spearman, Pearson "
      "and, for labels 0 and 1, AUC and the threshold of the best F1" },
    { "summary", 0, CLI_IS_FLAG, CLI_OWN, CLI_SIMILAR, true, NULL, AT(summary), 0, 0,
      "with --label: the measures only, no line a pair" },
    { "top", 0, CLI_IS_COUNT, CLI_OWN, CLI_FILL, true, "K", AT(top), 1, 1 << 20,
      "candidates a mask (5)" },
    { "pair", 0, CLI_IS_FLAG, CLI_OWN, CLI_TOKENIZE | CLI_SCORE | CLI_EVAL, true, NULL, AT(pair), 0,
      0, "texts come in twos: two arguments, or two columns a line; score: the source, then what "
         "is scored" },
    { "source", 0, CLI_IS_TEXT, CLI_OWN, CLI_SCORE, true, "STR", AT(source), 0, 0,
      "every text is scored as what follows STR" },
    { "keep", 0, CLI_IS_COUNT, CLI_OWN, CLI_PARAPHRASE, true, "K", AT(keep), 1, 10000,
      "the most candidates a text (20)" },
    { "floor", 0, CLI_IS_REAL, CLI_OWN, CLI_PARAPHRASE, true, "F", AT(floor), -1, 1,
      "leave out candidates whose cosine is below F" },
    { "mask", 0, CLI_IS_TEXT, CLI_OWN, CLI_PARAPHRASE, true, "LIST", AT(mask), 0, 0,
      "tokens of the text that are hidden from the model, for freer variants: 6,7 are the sixth "
      "and the seventh" },
    { "chat", 0, CLI_IS_FLAG, CLI_OWN, CLI_COMPLETE, true, NULL, AT(chat), 0, 0,
      "every text is a message, put to the model by the chat template of its files; jsonl: also "
      "arrays of {\"role\", \"content\"} (--key messages)" },
    { "system", 0, CLI_IS_TEXT, CLI_OWN, CLI_COMPLETE, true, "STR", AT(system), 0, 0,
      "with --chat: what the model is told before each message" },
    { "stream", 0, CLI_IS_FLAG, CLI_OWN, CLI_COMPLETE, false, NULL, AT(stream), 0, 0,
      "write text as it comes, as on a terminal" },

    { "max-new-tokens", 0, CLI_IS_COUNT, CLI_DECODING, WRITES, true, "N", AT(max_new_tokens), 1,
      1 << 20,
      "tokens that a result may have (what the model's files say, or 128; paraphrase: 64)" },
    { "min-new-tokens", 0, CLI_IS_COUNT, CLI_DECODING, WRITES, true, "N", AT(min_new_tokens), 0,
      1 << 20, "no end before N tokens" },
    { "n", 'n', CLI_IS_COUNT, CLI_DECODING, WRITES, true, "N", AT(n), 1, 10000,
      "results a text (1), by sampling or beams; paraphrase: samples a text (100)" },
    { "beams", 0, CLI_IS_COUNT, CLI_DECODING, WRITES, true, "N", AT(beams), 1, 256,
      "search with N beams (what the model's files say, or 1; summarize: 3)" },
    { "beam-groups", 0, CLI_IS_COUNT, CLI_DECODING, ANSWERS, true, "N", AT(beam_groups), 1, 256,
      "diverse search: the beams in N groups" },
    { "diversity", 0, CLI_IS_REAL, CLI_DECODING, ANSWERS, true, "X", AT(diversity), 0, 10000,
      "taken off a token's score for each earlier group that chose it" },
    { "length-penalty", 0, CLI_IS_REAL, CLI_DECODING, ANSWERS, true, "X", AT(length_penalty), -100,
      100, "beams are ranked by log-probability / length^X (1)" },
    { "early-stopping", 0, CLI_IS_CHOICE, CLI_DECODING, ANSWERS, true, "heuristic|always|never",
      AT(early_stopping), 0, 0,
      "when a search ends: when no live beam is better at its length; when as many results as "
      "beams are finished; when none can become better" },
    { "bert4keras-beam", 0, CLI_IS_FLAG, CLI_DECODING, ANSWERS, true, NULL, AT(bert4keras_beam), 0,
      0,
      "search as bert4keras does: no length in the score, ended beams but the best are dropped" },
    { "min-ends", 0, CLI_IS_COUNT, CLI_DECODING, ANSWERS, true, "N", AT(min_ends), 1, 1000,
      "with --bert4keras-beam: end tokens that a result holds (1)" },
    { "sample", 0, CLI_IS_FLAG, CLI_DECODING, ANSWERS, true, NULL, AT(sample), 0, 0,
      "draw tokens; the options below mean it too" },
    { "temperature", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "T", AT(temperature), 0, 10000,
      "below 1 the likely tokens become likelier (1); 0: always the likeliest" },
    { "top-k", 0, CLI_IS_COUNT, CLI_DECODING, WRITES, true, "K", AT(top_k), 0, 1 << 30,
      "draw from the K likeliest (0: from all)" },
    { "top-p", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "P", AT(top_p), 1e-9, 1,
      "draw from the fewest that make up P of the probability (1; paraphrase: 0.95)" },
    { "min-p", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "P", AT(min_p), 0, 1,
      "draw from those with at least P of the likeliest's probability" },
    { "typical", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "P", AT(typical), 1e-9, 1,
      "draw from the most typical that make up P of the probability" },
    { "repetition-penalty", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "X", AT(repetition_penalty),
      0.01, 10, "above 1, tokens that are there already become less likely; above 2, 2 is used" },
    { "presence-penalty", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "X", AT(presence_penalty),
      -100, 100, "taken off the logit of tokens that are there already" },
    { "frequency-penalty", 0, CLI_IS_REAL, CLI_DECODING, WRITES, true, "X", AT(frequency_penalty),
      -100, 100, "the same for each time that they are there" },
    { "no-repeat-ngram", 0, CLI_IS_COUNT, CLI_DECODING, WRITES, true, "N", AT(no_repeat_ngram), 0,
      1 << 20, "no N tokens come twice in a row" },
    { "logit-bias", 0, CLI_IS_LIST, CLI_DECODING, WRITES, true, "TOKEN=X", AT(logit_bias), 0, 0,
      "add X to the logit of a token, by its id or as the vocabulary spells it; again for more" },
    { "bad-words", 0, CLI_IS_LIST, CLI_DECODING, WRITES, true, "STR", AT(bad_words), 0, 0,
      "STR's tokens never come; again for more" },
    { "force-words", 0, CLI_IS_LIST, CLI_DECODING, WRITES, true, "STR", AT(force_words), 0, 0,
      "STR's tokens must come; again for more" },
    { "stop", 0, CLI_IS_LIST, CLI_DECODING, WRITES, true, "STR", AT(stop), 0, 0,
      "a result ends before STR; again for more" },
    { "stop-token", 0, CLI_IS_LIST, CLI_DECODING, WRITES, true, "TOKEN", AT(stop_token), 0, 0,
      "a token that ends a result, besides the model's own; again for more" },
    { "stop-cycle", 0, CLI_IS_COUNT, CLI_DECODING, ANSWERS, true, "N", AT(stop_cycle), 2, 1 << 20,
      "a result ends when it says the same N times on end (12 tokens in all at least)" },
    { "whole-sentences", 0, CLI_IS_FLAG, CLI_DECODING, ANSWERS, true, NULL, AT(whole_sentences), 0,
      0, "a result that a limit ends loses what stands behind its last whole sentence" },
    { "allow-unknown", 0, CLI_IS_FLAG, CLI_DECODING, WRITES, true, NULL, AT(allow_unknown), 0, 0,
      "[UNK], [PAD], [MASK] and [CLS] may come" },
    { "logprobs", 0, CLI_IS_FLAG, CLI_DECODING, ANSWERS | CLI_SCORE, true, NULL, AT(logprobs), 0, 0,
      "jsonl: every token with its log-probability" },
    { "alternatives", 0, CLI_IS_COUNT, CLI_DECODING, ANSWERS, true, "K", AT(alternatives), 1, 1000,
      "jsonl: the K likeliest tokens at each place" },
    { "reading", 0, CLI_IS_CHOICE, CLI_DECODING, ANSWERS | CLI_SCORE | CLI_EVAL, true,
      "auto|causal|prefix|seq2seq|masked", AT(reading), 0, 0,
      "how the model reads before it writes: BERT's kind as a language model, or under UniLM's "
      "mask; masked, for score alone: each token from all others (auto: by the model)" },
    { "decode", 0, CLI_IS_FLAG, CLI_OWN, CLI_TOKENIZE, true, NULL, AT(decode), 0, 0,
      "texts are ids parted by blanks; print what they spell" },
    { "no-special", 0, CLI_IS_FLAG, CLI_OWN, CLI_TOKENIZE, true, NULL, AT(no_special), 0, 0,
      "add no [CLS] and [SEP]; with --decode, leave them out" },
    { "plain", 0, CLI_IS_FLAG, CLI_OWN, CLI_TOKENIZE, true, NULL, AT(plain), 0, 0,
      "a [MASK] inside the text is text, not the special token" },
    { "write", 0, CLI_IS_FLAG, CLI_OWN, CLI_VERIFY, false, NULL, AT(write), 0, 0,
      "write the reference that later runs compare with" },
    { "reference", 0, CLI_IS_TEXT, CLI_OWN, CLI_VERIFY, false, "FILE", AT(reference), 0, 0,
      "where it is (verify.json in the model's folder; MODEL.verify.json beside a file)" },
    { "force", 0, CLI_IS_FLAG, CLI_OWN, CLI_CONVERT, false, NULL, AT(force), 0, 0,
      "replace a folder of that name" },
    { "tensors", 0, CLI_IS_FLAG, CLI_OWN, CLI_INSPECT | CLI_CONVERT, false, NULL, AT(tensors), 0, 0,
      "list every tensor with type and shape" },
    { "set", 0, CLI_IS_LIST, CLI_OWN, CLI_TRAIN, false, "KEY=VALUE", AT(set), 0, 0,
      "change the recipe: optimiser.rate=1e-4; again for more" },
    { "seconds", 0, CLI_IS_REAL, CLI_OWN, CLI_BENCH, false, "S", AT(seconds), 0.01, 3600,
      "how long each measurement takes (1)" },
    { "man", 0, CLI_IS_FLAG, CLI_OWN, CLI_HELP, false, NULL, AT(man), 0, 0,
      "write the manual page, in roff" },
    { "markdown", 0, CLI_IS_FLAG, CLI_OWN, CLI_HELP, false, NULL, AT(markdown), 0, 0,
      "write the reference, in Markdown" },

    { "model", 'm', CLI_IS_TEXT, CLI_MODEL, FOLDERS | CLI_TRAIN, false, "MODEL", AT(model), 0, 0,
      "a folder, a file (.safetensors, .bin, .onnx, a TF1 checkpoint's prefix; for tokenize also "
      "vocab.txt or tokenizer.json) or a name on the hub, NAME@REVISION too" },
    { "pull", 0, CLI_IS_FLAG, CLI_MODEL, FOLDERS, false, NULL, AT(pull), 0, 0,
      "download the model from the hub when it is not there yet" },
    { "dtype", 0, CLI_IS_CHOICE, CLI_MODEL, FOLDERS, true,
      "auto|f32|bf16|int8|int4", AT(dtype), 0, 0,
      "how weights are kept and multiplied; auto: bf16 where this machine is faster so, else f32" },
    { "dialect", 0, CLI_IS_CHOICE, CLI_MODEL, MODELS, true, "auto|hub|bert4keras", AT(dialect), 0,
      0, "rules of the tokenizer; auto: by the model's files" },
    { "as", 0, CLI_IS_TEXT, CLI_MODEL,
      ANSWERS | CLI_SCORE | CLI_CONVERT | CLI_VERIFY | CLI_EVAL, true,
      "t5-pegasus", AT(as), 0, 0,
      "compute as T5 PEGASUS was trained (bias in cross-attention, scaled output, exact gelu) "
      "where its folder in the hub's layout calls it mt5" },
    { "max-length", 0, CLI_IS_COUNT, CLI_MODEL, MODELS, true, "N", AT(max_length), 1, 1 << 24,
      "tokens a text may have, special ones included (the model's limit)" },
    { "truncate", 0, CLI_IS_CHOICE, CLI_MODEL, MODELS, true, "right|left|middle|error",
      AT(truncate), 0, 0, "where a longer text is cut (right), or that it is an error" },
    { "threads", 0, CLI_IS_COUNT, CLI_MODEL, MODELS | CLI_VERIFY | CLI_TRAIN, false, "N",
      AT(threads), 1, 1024,
      "threads (the cores this process may use)" },
    { "batch-tokens", 0, CLI_IS_COUNT, CLI_MODEL, MODELS, false, "N", AT(batch_tokens), 1, 1 << 20,
      "tokens a thread takes through the layers at once (chosen); changes speed, never results" },
    { "seed", 0, CLI_IS_COUNT, CLI_MODEL, MODELS, false, "N", AT(seed), 0, 9.2e18,
      "seed of what is random; commands that draw nothing take and ignore it" },

    { "file", 'f', CLI_IS_LIST, CLI_INPUT, INPUTS, false, "FILE", AT(file), 0, 0,
      "read texts from FILE, one a line; again for more files; - is standard input" },
    { "from", 0, CLI_IS_CHOICE, CLI_INPUT, INPUTS, true, "text|tsv|jsonl", AT(from), 0, 0,
      "what the files are (by extension; else text, and tsv where pairs are wanted)" },
    { "column", 0, CLI_IS_TEXT, CLI_INPUT, INPUTS, true, "N", AT(column), 0, 0,
      "tsv: column of the text, 1 first, or a header's name; A,B for pairs (1; 1,2)" },
    { "header", 0, CLI_IS_FLAG, CLI_INPUT, INPUTS, true, NULL, AT(header), 0, 0,
      "tsv: the first line names the columns, even if --column is a number" },
    { "key", 0, CLI_IS_TEXT, CLI_INPUT, INPUTS, true, "NAME", AT(key), 0, 0,
      "jsonl: key of the text; A,B for pairs (text; a,b)" },
    { "encoding", 0, CLI_IS_CHOICE, CLI_INPUT, INPUTS, true, "utf-8|gb18030|big5",
      AT(charset), 0, 0, "of the files (utf-8)" },

    { "output", 'o', CLI_IS_TEXT, CLI_OUTPUT, INPUTS | CLI_INSPECT | CLI_CONVERT, false, "FILE",
      AT(output), 0, 0,
      "write to FILE (standard output): to FILE.part, renamed at the end" },
    { "to", 0, CLI_IS_CHOICE, CLI_OUTPUT, MODELS | CLI_VERSION | CLI_CONVERT, false, FORMATS,
      AT(to), 0, 0,
      "format of the output (by extension of -o)" },
    { "resume", 0, CLI_IS_FLAG, CLI_OUTPUT, TEXTS | CLI_TRAIN, false, NULL, AT(resume), 0, 0,
      "go on with FILE.part of a run that was stopped; train: with the output's checkpoint" },

    { "progress", 0, CLI_IS_FLAG, CLI_GENERAL, MODELS | CLI_PULL | CLI_CONVERT | CLI_TRAIN, false,
      NULL, AT(progress), 0, 0,
      "show progress although standard error is no terminal" },
    { "quiet", 'q', CLI_IS_FLAG, CLI_GENERAL, EVERY, false, NULL, AT(quiet), 0, 0,
      "no messages but errors" },
    { "help", 'h', CLI_IS_FLAG, CLI_GENERAL, EVERY, false, NULL, AT(help), 0, 0,
      "show the options of the command" },
};
const int cli_n_options = sizeof cli_options / sizeof *cli_options;
_Static_assert(sizeof cli_options / sizeof *cli_options <= CLI_MAX_OPTIONS,
               "cli_settings.typed is too short");

/* ---- what contradicts ----------------------------------------------------------------------- */

static const struct {
    const char *a, *b;
} contradictions[] = {
    { "normalize", "no-normalize" },
    { "progress", "quiet" },
    { "prompt", "prompt-name" },
    { "whiten", "fit-whitening" },
    { "fit-whitening", "output" },
    { "fit-whitening", "to" },
    { "fit-whitening", "dim" },
    { "fit-whitening", "normalize" },
    { "fit-whitening", "no-normalize" },
    { "pair", "decode" },
    { "column", "key" },
    { "header", "key" },
    { "man", "markdown" },
    { "resume", "label" },
    { "decode", "plain" },
    { "decode", "truncate" },
    { "decode", "max-length" },
    { "pair", "source" },
    { "stream", "output" },
    { "stream", "beams" },
    { "stream", "n" },
    { "stream", "whole-sentences" },
    { "bert4keras-beam", "sample" },
    { "bert4keras-beam", "length-penalty" },
    { "bert4keras-beam", "early-stopping" },
    { "beam-groups", "sample" },
};
static const struct {
    const char *option, *needs, *why;
} needs[] = {
    { "resume", "output", "it goes on with the .part file of -o" },
    { "summary", "label", "without labels there is nothing to sum up" },
    { "system", "chat", "it is a chat's first message" },
    { "beam-groups", "beams", "groups are made of them" },
    { "diversity", "beam-groups", "it parts them" },
    { "length-penalty", "beams", "it ranks them" },
    { "early-stopping", "beams", "it ends their search" },
    { "bert4keras-beam", "beams", "it is a way to search with them" },
    { "min-ends", "bert4keras-beam", "the other searches end at the first" },
};

static int option_index(const char *name, size_t length)
{
    for (int i = 0; i < cli_n_options; i++)
        if (strlen(cli_options[i].name) == length && !memcmp(cli_options[i].name, name, length))
            return i;
    return -1;
}

bool cli_given(const cli_settings *s, const char *name)
{
    return s->typed[option_index(name, strlen(name))] != NULL;
}

static bool takes(const cli_command *c, const char *option)
{
    return (cli_options[option_index(option, strlen(option))].commands & c->bit) != 0;
}

static int check_together(const cli_command *c, const cli_settings *s, b4c_error *err)
{
    for (size_t i = 0; i < sizeof contradictions / sizeof *contradictions; i++)
        if (cli_given(s, contradictions[i].a) && cli_given(s, contradictions[i].b))
            return cli_fail(err, B4C_E_ARG,
                            "contradicting options: %s: found --%s and --%s, wanted one of them",
                            c->name, contradictions[i].a, contradictions[i].b);
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (takes(c, needs[i].needs) && cli_given(s, needs[i].option) &&
            !cli_given(s, needs[i].needs))
            return cli_fail(err, B4C_E_ARG,
                            "missing option: %s: found --%s, wanted --%s with it; %s", c->name,
                            needs[i].option, needs[i].needs, needs[i].why);
    if (s->text.n && !*c->operands)
        return cli_fail(
            err, B4C_E_ARG,
            "unexpected argument: %s: found '%s', wanted options only; bert4c %s -h lists them",
            c->name, s->text.item[0], c->name);
    for (int i = 0; i < cli_n_options && s->text.n > c->words; i++)
        if (cli_options[i].group == CLI_INPUT && s->typed[i])
            return cli_fail(err, B4C_E_ARG,
                            "contradicting input: %s: found --%s and texts as arguments, wanted "
                            "one source; put the texts into the file or leave --%s out",
                            c->name, cli_options[i].name, cli_options[i].name);
    return 0;
}

/* ---- words and names ------------------------------------------------------------------------ */

const char *cli_word(const char *words, int k, char room[32])
{
    for (; k > 0; k--) {
        words = strchr(words, '|');
        if (!words) return NULL;
        words++;
    }
    size_t n = strcspn(words, "|");
    if (n > 31) n = 31;
    memcpy(room, words, n);
    room[n] = 0;
    return room;
}

/* Edits that turn a into b, an exchange of neighbours being one (optimal string alignment). */
static int distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    int row[3][MOST + 1];
    const int n = (int)strlen(a), m = (int)strlen(b);
    if (n > MOST || m > MOST) return MOST;
    for (int j = 0; j <= m; j++) row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *cli_nearest(const char *typed_name, const char *const *names, int n)
{
    const char *best = NULL;
    int least = 1 + (int)(strlen(typed_name) + 2) / 3;
    for (int i = 0; i < n; i++) {
        const size_t l = strlen(typed_name);
        /* The beginning of a name is that name cut short. */
        const int d = l >= 2 && !strncmp(names[i], typed_name, l) ? 1
                                                                  : distance(typed_name, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int unknown_option(const cli_command *c, const char *arg, b4c_error *err)
{
    const char *names[CLI_MAX_OPTIONS];
    int n = 0;
    const size_t length = strcspn(arg, "=");
    if (!strncmp(arg, "--", 2)) {
        char name[64];
        const int other = option_index(arg + 2, length - 2);
        if (other >= 0)
            for (int i = 0; cli_commands[i]; i++)
                if (cli_options[other].commands & cli_commands[i]->bit)
                    return cli_fail(err, B4C_E_ARG,
                                    "unknown option: %s: found %.*s, which belongs to %s; bert4c "
                                    "%s -h lists what %s takes",
                                    c->name, (int)length, arg, cli_commands[i]->name, c->name,
                                    c->name);
        for (int i = 0; i < cli_n_options; i++)
            if (cli_options[i].commands & c->bit) names[n++] = cli_options[i].name;
        snprintf(name, sizeof name, "%.*s", (int)(length - 2), arg + 2);
        const char *near = cli_nearest(name, names, n);
        if (near)
            return cli_fail(
                err, B4C_E_ARG,
                "unknown option: %s: found %.*s; did you mean --%s? (bert4c %s -h lists them all)",
                c->name, (int)length, arg, near, c->name);
    }
    return cli_fail(err, B4C_E_ARG,
                    "unknown option: %s: found %s; bert4c %s -h lists the options, and texts that "
                    "begin with a dash go after --",
                    c->name, arg, c->name);
}

const char *cli_offered(const cli_command *c, const cli_option *o, char room[64])
{
    if (o->at != AT(to) || !c) return o->value;
    char word[32];
    room[0] = 0;
    for (int k = 0; cli_word(o->value, k, word); k++)
        if (c->formats >> k & 1) {
            if (room[0]) strcat(room, "|");
            strcat(room, word);
        }
    return room;
}

static int set_choice(const cli_command *c, const cli_option *o, int *field, const char *value,
                      b4c_error *err)
{
    char word[32], room[64], words[16][32];
    const char *names[16];
    int n = 0;
    for (int k = 0; n < 16 && cli_word(o->value, k, word); k++) {
        if (o->at == AT(to) && !(c->formats >> k & 1)) continue;
        if (!strcmp(value, word)) {
            *field = k;
            return 0;
        }
        names[n] = strcpy(words[n], word);
        n++;
    }
    const char *near = cli_nearest(value, names, n);
    return cli_fail(err, B4C_E_ARG, "wrong value: %s --%s: found '%s', wanted %s%s%s%s", c->name,
                    o->name, value, cli_offered(c, o, room), near ? "; did you mean " : "",
                    near ? near : "", near ? "?" : "");
}

static int set_number(const cli_command *c, const cli_option *o, void *field, const char *value,
                      b4c_error *err)
{
    char *end;
    errno = 0;
    if (o->kind == CLI_IS_COUNT) {
        const long long x = strtoll(value, &end, 10);
        if (value[strspn(value, "0123456789")] == 0 && *value && !errno && (double)x >= o->low &&
            (double)x <= o->high) {
            *(long long *)field = x;
            return 0;
        }
        return cli_fail(err, B4C_E_ARG,
                        "wrong value: %s --%s: found '%s', wanted a whole number from %.0f to %.0f",
                        c->name, o->name, value, o->low, o->high);
    }
    const double x = strtod(value, &end);
    if (*value && !*end && isfinite(x) && x >= o->low && x <= o->high) {
        *(double *)field = x;
        return 0;
    }
    return cli_fail(err, B4C_E_ARG,
                    "wrong value: %s --%s: found '%s', wanted a number from %g to %g", c->name,
                    o->name, value, o->low, o->high);
}

static int set_option(const cli_command *c, cli_settings *s, int index, const char *value,
                      b4c_error *err)
{
    const cli_option *o = cli_options + index;
    void *field = (char *)s + o->at;
    s->typed[index] = value;
    switch (o->kind) {
    case CLI_IS_FLAG: *(bool *)field = true; return 0;
    case CLI_IS_TEXT: *(const char **)field = value; return 0;
    case CLI_IS_CHOICE: return set_choice(c, o, field, value, err);
    case CLI_IS_LIST: ((cli_list *)field)->item[((cli_list *)field)->n++] = value; return 0;
    default: return set_number(c, o, field, value, err);
    }
}

static int missing_value(const cli_command *c, const cli_option *o, b4c_error *err)
{
    char room[64];
    return cli_fail(err, B4C_E_ARG, "missing value: %s --%s: found nothing after it, wanted %s",
                    c->name, o->name, cli_offered(c, o, room));
}

/* One argument of letters, "-qh" or "-mMODEL" or "-m" MODEL. Returns how many arguments it took, or
 * negative. */
static int read_letters(const cli_command *c, cli_settings *s, int left, char **arg, b4c_error *err)
{
    for (const char *p = arg[0] + 1; *p; p++) {
        int i = 0;
        while (i < cli_n_options &&
               !(cli_options[i].letter == *p && cli_options[i].commands & c->bit))
            i++;
        if (i == cli_n_options) return unknown_option(c, arg[0], err);
        if (cli_options[i].kind == CLI_IS_FLAG) {
            if (set_option(c, s, i, "", err) < 0) return err->code;
            continue;
        }
        if (!p[1] && left < 2) return missing_value(c, cli_options + i, err);
        const int rc = set_option(c, s, i, p[1] ? p + 1 : arg[1], err);
        return rc < 0 ? rc : p[1] ? 1 : 2;
    }
    return 1;
}

static int read_name(const cli_command *c, cli_settings *s, int left, char **arg, b4c_error *err)
{
    const size_t length = strcspn(arg[0] + 2, "=");
    const char *value = arg[0][2 + length] ? arg[0] + 3 + length : NULL;
    const int i = option_index(arg[0] + 2, length);
    if (i < 0 || !(cli_options[i].commands & c->bit)) return unknown_option(c, arg[0], err);
    if (cli_options[i].kind == CLI_IS_FLAG) {
        if (value)
            return cli_fail(err, B4C_E_ARG,
                            "wrong value: %s --%s: found '%s', wanted none: it is a switch",
                            c->name, cli_options[i].name, value);
        return set_option(c, s, i, "", err) < 0 ? err->code : 1;
    }
    if (!value && left < 2) return missing_value(c, cli_options + i, err);
    const int rc = set_option(c, s, i, value ? value : arg[1], err);
    return rc < 0 ? rc : value ? 1 : 2;
}

static cli_list *list_of(const cli_settings *s, int option)
{
    return (cli_list *)(void *)((char *)(uintptr_t)s + cli_options[option].at);
}

static bool make_list(cli_list *list, int most)
{
    list->item = calloc((size_t)most + 1, sizeof *list->item);
    return list->item != NULL;
}

int cli_parse(const cli_command *c, int argc, char **argv, cli_settings *s, b4c_error *err)
{
    bool options_over = false;
    *s = (cli_settings){ .from = -1, .to = -1, .top = 5, .seconds = 1 };
    bool room = make_list(&s->text, argc);
    for (int i = 0; i < cli_n_options; i++)
        if (cli_options[i].kind == CLI_IS_LIST) room &= make_list(list_of(s, i), argc);
    if (!room) return cli_fail(err, B4C_E_MEMORY, "no memory for %d arguments", argc);
    for (int i = 0; i < argc;) {
        int took = 1;
        if (options_over || argv[i][0] != '-')
            s->text.item[s->text.n++] = argv[i];
        else if (!strcmp(argv[i], "--"))
            options_over = true;
        else if (!strcmp(argv[i], "-"))
            return cli_fail(err, B4C_E_ARG,
                            "unclear argument: %s: found a lone -; write -f - for standard input, "
                            "or -- - for the text",
                            c->name);
        else if (argv[i][1] == '-')
            took = read_name(c, s, argc - i, argv + i, err);
        else
            took = read_letters(c, s, argc - i, argv + i, err);
        if (took < 0) return took;
        i += took;
    }
    return s->help ? 0 : check_together(c, s, err);
}

void cli_settings_done(cli_settings *s)
{
    free(s->text.item);
    s->text.item = NULL;
    for (int i = 0; i < cli_n_options; i++)
        if (cli_options[i].kind == CLI_IS_LIST) {
            free(list_of(s, i)->item);
            *list_of(s, i) = (cli_list){ 0 };
        }
}

/* All values of a list, in order. */
static json_t *shape_of(const cli_settings *s, int option)
{
    if (cli_options[option].kind != CLI_IS_LIST)
        return json_stringn_nocheck(s->typed[option], strlen(s->typed[option]));
    json_t *all = json_array();
    const cli_list *list = list_of(s, option);
    for (int i = 0; i < list->n; i++)
        json_array_append_new(all, json_stringn_nocheck(list->item[i], strlen(list->item[i])));
    return all;
}

json_t *cli_settings_shape(const cli_settings *s)
{
    json_t *shape = json_object();
    for (int i = 0; shape && i < cli_n_options; i++)
        if (cli_options[i].shapes && s->typed[i])
            json_object_set_new(shape, cli_options[i].name, shape_of(s, i));
    return shape;
}
