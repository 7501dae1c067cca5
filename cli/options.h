/* options.h - what can be typed: commands, and one table of options from which parsing, -h, the man
 * page and docs/cli.md come.
 *
 * An option has one name and one meaning whichever command takes it. To add one: a row in
 * option_table.c, a field in cli_settings. To add a command: a bit here, a cli_command in its cmd_
 * file, a row in main.c.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
#include "message.h"
#include <jansson.h>
#include <stdio.h>

enum {
    CLI_EMBED = 1 << 0,
    CLI_SIMILAR = 1 << 1,
    CLI_FILL = 1 << 2,
    CLI_TOKENIZE = 1 << 3,
    CLI_INSPECT = 1 << 4,
    CLI_PULL = 1 << 5,
    CLI_BENCH = 1 << 6,
    CLI_VERSION = 1 << 7,
    CLI_HELP = 1 << 8,
    CLI_COMPLETE = 1 << 9,
    CLI_SUMMARIZE = 1 << 10,
    CLI_PARAPHRASE = 1 << 11,
    CLI_SCORE = 1 << 12,
    CLI_EVAL = 1 << 20,
    CLI_CONVERT = 1 << 21,
    CLI_VERIFY = 1 << 22,
    CLI_TRAIN = 1 << 23,
    CLI_COMPARE = 1 << 24
};

/* Formats of input and output; a set of them is a mask of 1 << format. */
typedef enum cli_format { CLI_TEXT, CLI_TSV, CLI_JSONL, CLI_JSON, CLI_NPY } cli_format;
typedef enum cli_charset { CLI_UTF8, CLI_GB18030, CLI_GBK, CLI_BIG5 } cli_charset;

#define CLI_MAX_OPTIONS 128

typedef struct cli_list {
    const char **item;
    int n;
} cli_list;

typedef struct cli_settings {
    cli_list text; /* what is not an option: the texts */
    /* model and machine */
    const char *model; /* NULL: the default of the command */
    bool pull, lower;
    int dtype, truncate, dialect, pooling; /* b4c_dtype, b4c_truncate, b4c_dialect, b4c_pooling */
    long long threads, batch_tokens, max_length, seed; /* 0: chosen */
    /* input and output */
    cli_list file;
    int from, to, charset; /* cli_format, -1: by extension; cli_charset */
    const char *column, *key, *label, *output, *simplify;
    bool header, resume, progress, quiet, help;
    /* one command's own */
    bool normalize, no_normalize, summary, pair, decode, no_special, plain, tensors, man, markdown,
        force, write;
    const char *prompt, *prompt_name;
    long long dim, top;
    double seconds;
    /* writing; what was not typed stays as the model or the command has it */
    bool sample, whole_sentences, bert4keras_beam, allow_unknown, logprobs, stream;
    int early_stopping, reading; /* b4c_early_stopping, b4c_reading */
    const char *as, *reference, *source, *mask, *system, *whiten, *fit_whitening;
    bool chat;
    const char *chat_template, *weights;
    cli_list chat_set;
    long long max_new_tokens, min_new_tokens, n, beams, beam_groups, min_ends, top_k,
        no_repeat_ngram, alternatives, keep, stop_cycle;
    double diversity, length_penalty, temperature, top_p, min_p, typical, repetition_penalty,
        presence_penalty, frequency_penalty, floor;
    cli_list set;
    cli_list logit_bias, bad_words, force_words, stop, stop_token;
    /* typed [option]: the value as it was typed, "" for a flag, NULL when it was not given */
    const char *typed[CLI_MAX_OPTIONS];
} cli_settings;

typedef struct cli_command {
    unsigned bit;
    const char *name, *operands; /* "[TEXT ...]" */
    int words;                   /* how many of the operands are words of the command, not texts */
    const char *summary;         /* one line, without a full stop */
    const char *about;           /* paragraphs; a line that starts with two blanks stays as it is */
    const char *examples;        /* lines of shell */
    unsigned formats;            /* of --to; 0: it has none */
    cli_format format;           /* the default */
    int (*run)(const struct cli_command *, const cli_settings *); /* returns the exit code */
} cli_command;

/* main.c: the table of commands, ended by one without a name. */
extern const cli_command *const cli_commands[];
const cli_command *cli_command_find(const char *name); /* or NULL */

typedef enum cli_kind {
    CLI_IS_FLAG,
    CLI_IS_COUNT,
    CLI_IS_REAL,
    CLI_IS_TEXT,
    CLI_IS_CHOICE,
    CLI_IS_LIST
} cli_kind;
typedef enum cli_group {
    CLI_OWN,
    CLI_DECODING,
    CLI_MODEL,
    CLI_INPUT,
    CLI_OUTPUT,
    CLI_GENERAL,
    CLI_GROUPS
} cli_group;

typedef struct cli_option {
    const char *name;
    char letter; /* or 0 */
    cli_kind kind;
    cli_group group;
    unsigned commands; /* those that take it */
    bool shapes;       /* the records depend on it: a resumed run must have the same */
    const char *value; /* its name in help; CHOICE: the words, parted by | */
    size_t at;         /* offset of its field in cli_settings */
    double low, high;  /* COUNT, REAL */
    const char *help;
} cli_option;

extern const cli_option cli_options[];
extern const int cli_n_options;

/* Read the arguments that follow the command's name. 0, or negative: a usage error. */
int cli_parse(const cli_command *, int argc, char **argv, cli_settings *, b4c_error *);
void cli_settings_done(cli_settings *);
/* Was the option of this name, which must be in the table, typed? */
bool cli_given(const cli_settings *, const char *name);
/* The options that shape the records, as typed: {"dtype": "bf16", ...}. NULL: no memory. */
json_t *cli_settings_shape(const cli_settings *);
/* What help calls the option's value; for --to the words that the command (NULL: any) offers. NULL:
 * a flag. */
const char *cli_offered(const cli_command *, const cli_option *, char room[64]);
/* The k-th of words parted by |, NUL-ended in room; NULL when there are fewer. */
const char *cli_word(const char *words, int k, char room[32]);
/* The one of n names that `typed` was most likely meant to be, or NULL. */
const char *cli_nearest(const char *typed, const char *const *names, int n);

/* help.c */
void cli_usage(FILE *, const cli_command *); /* NULL: of the whole */
void cli_manual(FILE *);                     /* the man page, roff */
void cli_markdown(FILE *);                   /* the part of docs/cli.md that is generated */
#endif
