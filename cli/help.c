/* help.c - the table of options as -h, as the manual page, and as the reference in docs/cli.md.
 *
 * The three say the same in the same order, because they walk the same table; man/bert4c.1 and
 * docs/cli.md are written from here (make docs) and a test holds them to it.
 */
#include "options.h"
#include <string.h>

static const char *const title[CLI_GROUPS] = {
    [CLI_OWN] = NULL,      [CLI_DECODING] = "Decoding", [CLI_MODEL] = "Model and machine",
    [CLI_INPUT] = "Input", [CLI_OUTPUT] = "Output",     [CLI_GENERAL] = "Messages",
};
#define CHARACTER                                                                                 \
    "Read the checkpoints people already have, and turn Chinese text into vectors, similarities, " \
    "filled masks, completions, summaries, paraphrases and likelihoods on ordinary CPUs."

static bool takes(const cli_command *c, int option, cli_group g)
{
    return cli_options[option].group == g && cli_options[option].commands & c->bit;
}

static bool takes_any(const cli_command *c, cli_group g)
{
    for (int i = 0; i < cli_n_options; i++)
        if (takes(c, i, g)) return true;
    return false;
}

/* "-m, --model MODEL" */
static const char *spelt(const cli_command *c, const cli_option *o, char room[160])
{
    char words[64];
    const char *value = o->kind == CLI_IS_FLAG ? NULL : cli_offered(c, o, words);
    int n = o->letter ? snprintf(room, 160, "-%c, ", o->letter) : snprintf(room, 160, "    ");
    snprintf(room + n, 160 - (size_t)n, "--%s%s%s", o->name, value ? " " : "", value ? value : "");
    return room;
}

/* Words from column `at` on, in lines of at most 79 columns that begin at `indent`. Bytes are
 * columns: help is ASCII. */
static void wrapped(FILE *to, const char *text, int at, int indent)
{
    bool first = true;
    while (*text) {
        const int n = (int)strcspn(text, " ");
        if (!first && at + 1 + n > 79) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        if (!first) at += fprintf(to, " ");
        at += fprintf(to, "%.*s", n, text);
        first = false;
        text += n;
        text += strspn(text, " ");
    }
    fprintf(to, "\n");
}

static void option_lines(FILE *to, const cli_command *c, cli_group g)
{
    enum { INDENT = 28 };
    char room[160];
    for (int i = 0; i < cli_n_options; i++) {
        if (!takes(c, i, g)) continue;
        int at = fprintf(to, "  %s", spelt(c, cli_options + i, room));
        at += at < INDENT - 1 ? fprintf(to, "%*s", INDENT - at, "")
                              : fprintf(to, "\n%*s", INDENT, "") - at - 1;
        wrapped(to, cli_options[i].help, at, INDENT);
    }
}

/* `about` by paragraphs; lines that begin with two blanks are shown as they are. fn gets each with
 * its kind. */
typedef void (*paragraph_fn)(FILE *, const char *text, int length, bool literal);

static void paragraphs(FILE *to, const char *about, paragraph_fn fn)
{
    for (const char *p = about; p && *p;) {
        const int n = (int)strcspn(p, "\n");
        if (n) fn(to, p, n, !strncmp(p, "  ", 2));
        p += n;
        p += *p == '\n';
    }
}

static void plain_paragraph(FILE *to, const char *text, int length, bool literal)
{
    char room[2000];
    snprintf(room, sizeof room, "%.*s", length, text);
    if (literal)
        fprintf(to, "%s\n", room);
    else {
        fprintf(to, "\n");
        wrapped(to, room, 0, 0);
    }
}

static void example_lines(FILE *to, const cli_command *c, const char *before)
{
    for (const char *p = c->examples; p && *p;) {
        const int n = (int)strcspn(p, "\n");
        fprintf(to, "%s%.*s\n", before, n, p);
        p += n + (p[n] == '\n');
    }
}

static void command_usage(FILE *to, const cli_command *c)
{
    fprintf(to, "Usage: bert4c %s [options]%s%s\n\n%s.\n", c->name, *c->operands ? " " : "",
            c->operands, c->summary);
    paragraphs(to, c->about, plain_paragraph);
    for (cli_group g = 0; g < CLI_GROUPS; g++) {
        if (!takes_any(c, g)) continue;
        if (title[g])
            fprintf(to, "\n%s:\n", title[g]);
        else
            fprintf(to, "\nOptions of %s:\n", c->name);
        option_lines(to, c, g);
    }
    if (c->examples) {
        fprintf(to, "\nExamples:\n");
        example_lines(to, c, "  ");
    }
}

void cli_usage(FILE *to, const cli_command *c)
{
    if (c) {
        command_usage(to, c);
        return;
    }
    fprintf(to, "Usage: bert4c COMMAND [-m MODEL] [options] [TEXT ...]\n\n");
    wrapped(to, CHARACTER, 0, 0);
    fprintf(to, "\nCommands:\n");
    for (int i = 0; cli_commands[i]; i++)
        fprintf(to, "  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    fprintf(to, "\nbert4c COMMAND -h shows the options of a command.\n");
}

/* ---- what holds for all commands, once ------------------------------------------------------ */

static const char general[] =
    "Model. -m takes a folder, a file or a name on the hub, which is looked up in bert4c's own "
    "cache and then in the hub's; nothing is downloaded unless "
    "pull or --pull asks for it. Without -m a command uses its built-in default and says so.\n"
    "\n"
    "Input. Texts are arguments, or one a line with -f FILE, or, with neither, standard input. "
    "Empty lines count: line n of the output answers line n of the "
    "input. A byte order mark and CRLF are accepted. Bytes that are not UTF-8 are an error that "
    "names file, line and byte; --encoding converts.\n"
    "\n"
    "Output. Records go to standard output in order, as they are ready, or with -o to FILE.part, "
    "which becomes FILE at the end. A run with -o that was "
    "stopped, by Ctrl-C, by an error or by a power cut, is gone on with by --resume, which checks "
    "that input, model and options are the same. "
    "Messages go to standard error.\n"
    "\n"
    "Exit status. 0: done. 1: an error, told in one line. 2: the arguments are wrong. 130: stopped "
    "by Ctrl-C, with what was finished kept.";

static const struct {
    const char *name, *what;
} environment[] = {
    { "BERT4C_ISA", "scalar, avx2, avx512, amx or neon: force the kernels of one instruction set" },
    { "BERT4C_CACHE",
      "folder of bert4c's own models (default: bert4c in XDG_CACHE_HOME, else ~/.cache/bert4c)" },
    { "HF_HUB_CACHE", "the hub's cache, shared with its other programs (default: hub in HF_HOME, "
                      "else ~/.cache/huggingface/hub)" },
    { "HF_ENDPOINT", "the hub or a mirror of it (default: https://huggingface.co)" },
    { "HF_TOKEN", "sent to the hub, and to no other host, for private and gated models" },
    { "HF_HUB_OFFLINE", "1: never connect" },
};

/* ---- roff ----------------------------------------------------------------------------------- */

static void roff_text(FILE *to, const char *text, int length)
{
    for (int i = 0; i < length; i++) {
        if (i == 0 && (text[i] == '.' || text[i] == '\'')) fputs("\\&", to);
        if (text[i] == '-')
            fputs("\\-", to);
        else if (text[i] == '\\')
            fputs("\\e", to);
        else
            fputc(text[i], to);
    }
}

static void roff(FILE *to, const char *text) { roff_text(to, text, (int)strlen(text)); }

static void roff_paragraph(FILE *to, const char *text, int length, bool literal)
{
    if (literal)
        fprintf(to, ".nf\n");
    else
        fprintf(to, ".PP\n");
    roff_text(to, text, length);
    fprintf(to, "\n%s", literal ? ".fi\n" : "");
}

static void roff_options(FILE *to, const cli_command *c, cli_group g)
{
    char room[160];
    for (int i = 0; i < cli_n_options; i++) {
        if (!takes(c, i, g)) continue;
        const char *name = spelt(c, cli_options + i, room);
        fprintf(to, ".TP\n.B ");
        roff(to, name + strspn(name, " "));
        fprintf(to, "\n");
        roff(to, cli_options[i].help);
        fprintf(to, "\n");
    }
}

/* An option of a shared group is printed once, by the first command that takes all of the group. */
static const cli_command *one_that_takes(cli_group g)
{
    const cli_command *best = NULL;
    int most = 0;
    for (int k = 0; cli_commands[k]; k++) {
        int n = 0;
        for (int i = 0; i < cli_n_options; i++) n += takes(cli_commands[k], i, g);
        if (n > most) {
            most = n;
            best = cli_commands[k];
        }
    }
    return best;
}

void cli_manual(FILE *to)
{
    fprintf(to, ".\\\" Written by: bert4c help --man\n.TH BERT4C 1 \"\" \"bert4c " B4C_VERSION
                "\" \"User Commands\"\n.SH NAME\nbert4c \\- sentence vectors, similarities and "
                "filled masks by BERT's family\n.SH SYNOPSIS\n.B bert4c\n.I COMMAND\n[\\-m MODEL] "
                "[options] [TEXT ...]\n.SH DESCRIPTION\n");
    roff(to, CHARACTER);
    fprintf(to, "\n");
    paragraphs(to, general, roff_paragraph);
    fprintf(to, ".SH COMMANDS\n");
    for (int i = 0; cli_commands[i]; i++) {
        const cli_command *c = cli_commands[i];
        fprintf(to, ".SS bert4c %s [options]%s%s\n", c->name, *c->operands ? " " : "", c->operands);
        roff(to, c->summary);
        fprintf(to, ".\n");
        paragraphs(to, c->about, roff_paragraph);
        roff_options(to, c, CLI_OWN);
        if (c->examples) {
            fprintf(to, ".PP\nExamples:\n.PP\n.nf\n.RS 4\n");
            for (const char *p = c->examples; *p;) {
                const int n = (int)strcspn(p, "\n");
                roff_text(to, p, n);
                fprintf(to, "\n");
                p += n + (p[n] == '\n');
            }
            fprintf(to, ".RE\n.fi\n");
        }
    }
    fprintf(
        to,
        ".SH OPTIONS OF SEVERAL COMMANDS\n.PP\nbert4c COMMAND \\-h shows which a command takes.\n");
    for (cli_group g = CLI_OWN + 1; g < CLI_GROUPS; g++) {
        fprintf(to, ".SS %s\n", title[g]);
        roff_options(to, one_that_takes(g), g);
    }
    fprintf(to, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) {
        fprintf(to, ".TP\n.B %s\n", environment[i].name);
        roff(to, environment[i].what);
        fprintf(to, "\n");
    }
}

/* ---- Markdown ------------------------------------------------------------------------------- */

static void markdown_text(FILE *to, const char *text, int length)
{
    for (int i = 0; i < length; i++) {
        if (strchr("|[]<*_", text[i])) fputc('\\', to);
        fputc(text[i], to);
    }
}

static void markdown_paragraph(FILE *to, const char *text, int length, bool literal)
{
    if (literal)
        fprintf(to, "    %.*s\n", length - 2, text + 2);
    else {
        fprintf(to, "\n");
        markdown_text(to, text, length);
        fprintf(to, "\n");
    }
}

static void markdown_options(FILE *to, const cli_command *c, cli_group g)
{
    char room[160];
    if (!takes_any(c, g)) return;
    fprintf(to, "\n| option | |\n|---|---|\n");
    for (int i = 0; i < cli_n_options; i++) {
        if (!takes(c, i, g)) continue;
        const char *name = spelt(c, cli_options + i, room);
        fprintf(to, "| `");
        for (name += strspn(name, " "); *name; name++)
            fprintf(to, *name == '|' ? "\\|" : "%c", *name);
        fprintf(to, "` | ");
        markdown_text(to, cli_options[i].help, (int)strlen(cli_options[i].help));
        fprintf(to, " |\n");
    }
}

void cli_markdown(FILE *to)
{
    paragraphs(to, general, markdown_paragraph);
    for (int i = 0; cli_commands[i]; i++) {
        const cli_command *c = cli_commands[i];
        fprintf(to, "\n## bert4c %s\n\n    bert4c %s [options]%s%s\n\n", c->name, c->name,
                *c->operands ? " " : "", c->operands);
        markdown_text(to, c->summary, (int)strlen(c->summary));
        fprintf(to, ".\n");
        paragraphs(to, c->about, markdown_paragraph);
        markdown_options(to, c, CLI_OWN);
        if (c->examples) {
            fprintf(to, "\nExamples:\n\n");
            example_lines(to, c, "    ");
        }
    }
    fprintf(
        to,
        "\n## Options of several commands\n\n`bert4c COMMAND -h` shows which a command takes.\n");
    for (cli_group g = CLI_OWN + 1; g < CLI_GROUPS; g++) {
        fprintf(to, "\n### %s\n", title[g]);
        markdown_options(to, one_that_takes(g), g);
    }
    fprintf(to, "\n## Environment\n\n| variable | |\n|---|---|\n");
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) {
        fprintf(to, "| `%s` | ", environment[i].name);
        markdown_text(to, environment[i].what, (int)strlen(environment[i].what));
        fprintf(to, " |\n");
    }
}
