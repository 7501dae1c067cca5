/* options.c - reading arguments by the table of options (option_table.c).
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
    { "chat-template", "chat", "it makes text of messages" },
    { "chat-set", "chat", "it is for a chat's template" },
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
    if (o->at != offsetof(cli_settings, to) || !c) return o->value;
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
        if (o->at == offsetof(cli_settings, to) && !(c->formats >> k & 1)) continue;
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
