/* answer.c - see answer.h.
 *
 * On a terminal, or with --stream, one text after another is written as it comes; else a chunk of
 * texts is one batch of the library's.
 */
#include "answer.h"
#include "job.h"
#include "signals.h"
#include "utf8.h"
#include "writing.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct answerer {
    const cli_command *command;
    const cli_settings *settings;
    const char *standard;    /* the model without -m */
    bool summarizes;
    cli_model model;
    const b4c_tokenizer *tokenizer;
    cli_writing writing;
    cli_texts texts;
    cli_texts prompts;       /* what is read for them: the same, or, of messages, their text */
    int chats;               /* how many of the prompts are malloc'ed */
    b4c_chat_options chat;
    char *aside;             /* its variables */
    cli_output *out;         /* of the text that is streamed */
    bool streams;
} answerer;

/* ---- records --------------------------------------------------------------------------------- */

static void put_token(const answerer *a, cli_output *out, int32_t id, float logprob)
{
    const char *token = b4c_tokenizer_token(a->tokenizer, id);
    cli_put_text(out, "{\"token\":");
    cli_put_json(out, token ? token : "", token ? strlen(token) : 0);
    cli_print(out, ",\"id\":%d,\"logprob\":", (int)id);
    cli_put_float(out, logprob);
}

static void put_tokens(const answerer *a, cli_output *out, const b4c_result *x)
{
    const int most = a->writing.options.alternatives;
    cli_put_text(out, ",\"tokens\":[");
    for (int i = 0; i < x->n; i++) {
        if (i) cli_put_text(out, ",");
        put_token(a, out, x->ids[i], x->token_logprob[i]);
        for (int k = 0; k < most; k++) {
            const b4c_candidate *c = x->alternative + (size_t)i * (size_t)most + k;
            cli_put_text(out, k ? "," : ",\"alternatives\":[");
            put_token(a, out, c->id, c->p);
            cli_put_text(out, k + 1 < most ? "}" : "}]");
        }
        cli_put_text(out, "}");
    }
    cli_put_text(out, "]");
}

static void put_jsonl(const answerer *a, cli_output *out, const char *text, size_t size,
                      const b4c_result *x, int n)
{
    cli_put_text(out, "{\"text\":");
    cli_put_json(out, text, size);
    cli_put_text(out, ",\"outputs\":[");
    for (int k = 0; k < n; k++) {
        cli_put_text(out, k ? ",{\"text\":" : "{\"text\":");
        cli_put_json(out, x[k].text, strlen(x[k].text));
        cli_put_text(out, ",\"ids\":[");
        for (int i = 0; i < x[k].n; i++) cli_print(out, "%s%d", i ? "," : "", (int)x[k].ids[i]);
        cli_put_text(out, "],\"logprob\":");
        cli_put_float(out, (float)x[k].logprob);
        if (a->writing.options.beams > 1) {
            cli_put_text(out, ",\"score\":");
            cli_put_float(out, (float)x[k].score);
        }
        cli_print(out, ",\"finish\":\"%s\"", b4c_finish_name(x[k].finish));
        if (x[k].cycle)
            cli_print(out, ",\"cycle\":{\"tokens\":%d,\"rounds\":%d}", x[k].cycle, x[k].rounds);
        if (a->writing.options.logprobs || a->writing.options.alternatives)
            put_tokens(a, out, &x[k]);
        cli_put_text(out, "}");
    }
    cli_put_text(out, "]}\n");
}

/* text: a line, results parted by tabs; tsv: the text first. */
static void put_line(cli_output *out, const char *text, size_t size, const b4c_result *x, int n)
{
    const bool tsv = out->format == CLI_TSV;
    if (tsv) cli_put_field(out, text, size);
    for (int k = 0; k < n; k++) {
        if (k || tsv) cli_put_text(out, "\t");
        cli_put_field(out, x[k].text, strlen(x[k].text));
    }
    cli_put_text(out, "\n");
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static int show(void *arg, int text, const char *piece, size_t bytes)
{
    const answerer *a = arg;
    (void)text;
    if (bytes) {
        cli_put(a->out, piece, bytes);
        (void)cli_output_flush(a->out, false, NULL);
    }
    return cli_stopped() != 0;
}

static int stream_chunk(answerer *a, const cli_chunk *chunk, cli_output *out, b4c_error *err)
{
    int rc = 0;
    a->out = out;
    for (int i = 0; i < chunk->n && rc == 0 && !cli_stopped(); i++) {
        b4c_generation g = { 0 };
        rc = b4c_generate(a->model.session, a->prompts.text + i, a->prompts.size + i, 1,
                          &a->writing.options, &g, err);
        if (rc == 0) cli_writing_count(&a->writing, &g);
        if (rc == 0) cli_put_text(out, "\n");
        b4c_generation_free(&g);
    }
    return rc;
}

static void drop_chats(answerer *a)
{
    for (; a->chats > 0; a->chats--) free((char *)(uintptr_t)a->prompts.text[a->chats - 1]);
}

/* An array of messages; one that does not begin with what the model is told gets --system. */
static char *chat_of_array(const answerer *a, const char *text, size_t size, b4c_error *err)
{
    json_t *list = a->settings->system ? json_loadb(text, size, 0, NULL) : NULL;
    const char *first = json_string_value(json_object_get(json_array_get(list, 0), "role"));
    char *told = NULL, *chat = NULL;
    if (first && strcmp(first, "system") != 0) {
        json_array_insert_new(list, 0, json_pack("{s:s,s:s}", "role", "system", "content",
                                                 a->settings->system));
        told = json_dumps(list, JSON_COMPACT);
        if (!told) cli_fail(err, B4C_E_MEMORY, "no memory for a line's messages");
        else chat = b4c_chat_json(a->tokenizer, told, SIZE_MAX, &a->chat, err);
    } else {
        chat = b4c_chat_json(a->tokenizer, text, size, &a->chat, err);
    }
    json_decref(list);
    free(told);
    return chat;
}

/* A message, after what the model is told first. */
static char *chat_of(const answerer *a, const cli_record *r, const char *text, size_t size,
                     b4c_error *err)
{
    if (r->json) return chat_of_array(a, text, size, err);
    const b4c_message list[] = { { "system", a->settings->system, SIZE_MAX },
                                 { "user", text, size } };
    const int skip = a->settings->system ? 0 : 1;
    return b4c_chat_text(a->tokenizer, list + skip, 2 - skip, &a->chat, err);
}

/* --chat-set KEY=VALUE ... as an object. */
static int read_chat(answerer *a, b4c_error *err)
{
    const cli_list *list = &a->settings->chat_set;
    json_t *all = json_object();
    int rc = 0;
    a->chat.template_name = a->settings->chat_template;
    for (int i = 0; i < list->n && rc == 0; i++) {
        char key[100];
        const char *typed = list->item[i], *equal = strchr(typed, '=');
        const int n = equal ? (int)(equal - typed) : 0;
        json_t *value = equal ? json_loads(equal + 1, JSON_DECODE_ANY, NULL) : NULL;
        if (equal && !value) value = json_string(equal + 1);
        if (n < 1 || n >= (int)sizeof key || !value) {
            json_decref(value);
            rc = cli_fail(err, B4C_E_ARG,
                          "wrong value: --chat-set: found '%s', wanted KEY=VALUE in UTF-8", typed);
            break;
        }
        snprintf(key, sizeof key, "%.*s", n, typed);
        if (json_object_set_new(all, key, value) < 0)
            rc = cli_fail(err, B4C_E_ARG, "wrong value: --chat-set: '%s' is not UTF-8", key);
    }
    if (rc == 0 && list->n) {
        a->chat.variables = a->aside = json_dumps(all, JSON_COMPACT);
        if (!a->aside) rc = cli_fail(err, B4C_E_MEMORY, "no memory for the options");
    }
    json_decref(all);
    return rc;
}

static int make_prompts(answerer *a, const cli_chunk *chunk, b4c_error *err)
{
    drop_chats(a);
    if (cli_texts_make(&a->prompts, chunk, 1, err) < 0) return err->code;
    for (int i = 0; i < chunk->n && a->settings->chat; i++) {
        char *text = chat_of(a, chunk->record + i, a->texts.text[i], a->texts.size[i], err);
        if (!text) return err->code;
        a->prompts.text[i] = text;
        a->prompts.size[i] = strlen(text);
        a->chats = i + 1;
    }
    return 0;
}

static int answer_chunk(void *self, const cli_chunk *chunk, cli_output *out, b4c_error *err)
{
    answerer *a = self;
    b4c_generation g = { 0 };
    int rc = cli_texts_make(&a->texts, chunk, 1, err);
    if (rc == 0) rc = make_prompts(a, chunk, err);
    if (rc < 0) return rc;
    if (a->streams) return stream_chunk(a, chunk, out, err);
    rc = b4c_generate(a->model.session, a->prompts.text, a->prompts.size, chunk->n,
                      &a->writing.options, &g, err);
    if (rc == 0) cli_writing_count(&a->writing, &g);
    for (int i = 0; i < chunk->n && rc == 0; i++)
        if (out->format == CLI_JSONL)
            put_jsonl(a, out, a->texts.text[i], a->texts.size[i], g.result[i], g.count[i]);
        else
            put_line(out, a->texts.text[i], a->texts.size[i], g.result[i], g.count[i]);
    b4c_generation_free(&g);
    return rc;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Text on standard output, one result a text, each token certain when it comes. */
static int choose_stream(answerer *a, b4c_error *err)
{
    const cli_command *self = a->command;
    const cli_settings *s = a->settings;
    b4c_generate_options *o = &a->writing.options;
    cli_format format;
    if (cli_output_format(self, s, &format, err) < 0) return err->code;
    const bool can = format == CLI_TEXT && !s->output && o->n == 1 && o->beams == 1 &&
                     !o->whole_sentences;
    if (s->stream && !can)
        return cli_fail(err, B4C_E_ARG,
                        "contradicting options: %s: --stream goes with text on standard output and "
                        "one result without beams",
                        self->name);
    a->streams = can && (s->stream || (self->bit == CLI_COMPLETE && isatty(STDOUT_FILENO)));
    if (!a->streams) return 0;
    o->stream = show;
    o->stream_arg = a;
    o->interrupt = NULL;     /* what was written stays: the stream ends with its text */
    return 0;
}

static bool has_template(const b4c_tokenizer_info *t, const char *name)
{
    const size_t n = name ? strlen(name) : 0;
    if (!name) return t->chat != NULL;
    for (const char *at = t->chat_names; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strcspn(at, "\n") == n && !memcmp(at, name, n)) return true;
    return false;
}

static int prepare(void *self, b4c_error *err)
{
    answerer *a = self;
    const cli_settings *s = a->settings;
    if (cli_model_open(&a->model, s, a->standard, CLI_WITH_HEAD, err) < 0) return err->code;
    b4c_generate_options usual = b4c_generate_defaults(a->model.model);
    if (a->summarizes && usual.beams == 1 && !usual.sample && !cli_given(s, "beams") &&
        !cli_given(s, "temperature"))
        usual.beams = 3;
    if (!a->summarizes) usual.truncate = B4C_TRUNCATE_LEFT;
    usual.no_special = s->chat;
    a->tokenizer = b4c_model_tokenizer(a->model.model);
    if (cli_writing_read(&a->writing, &a->model, s, &usual, err) < 0) return err->code;
    cli_writing_say_ignored(a->model.model);
    if (s->system && cli_utf8_bad(s->system, strlen(s->system)) < strlen(s->system))
        return cli_fail(err, B4C_E_ARG,
                        "not the text it should be: --system: found bytes that are not UTF-8");
    if (choose_stream(a, err) < 0) return err->code;
    b4c_tokenizer_info tokens;
    b4c_tokenizer_describe(a->tokenizer, &tokens);
    if (s->chat && read_chat(a, err) < 0) return err->code;
    if (s->chat && !has_template(&tokens, s->chat_template)) {
        free(b4c_chat_json(a->tokenizer, "[]", SIZE_MAX, &a->chat, err));
        return err->code;
    }
    /* What is wrong with options shows before the first text. */
    b4c_generation none = { 0 };
    const int rc =
        b4c_generate(a->model.session, NULL, NULL, 0, &a->writing.options, &none, err);
    b4c_generation_free(&none);
    return rc;
}

static void say(const void *self, long long records, double seconds)
{
    const answerer *a = self;
    cli_writing_say(&a->writing, records, seconds);
}

int cli_answer(const cli_command *self, const cli_settings *s, const char *standard,
               bool summarizes)
{
    answerer a = { .command = self, .settings = s, .standard = standard, .summarizes = summarizes };
    const cli_job job = { .command = self,
                          .settings = s,
                          .want = s->chat ? CLI_MESSAGES : CLI_ONE_TEXT,
                          .unit = "texts",
                          .model = &a.model,
                          .self = &a,
                          .prepare = prepare,
                          .chunk = answer_chunk,
                          .say = say };
    const int code = cli_job_run(&job);
    drop_chats(&a);
    free(a.aside);
    cli_texts_done(&a.texts);
    cli_texts_done(&a.prompts);
    cli_writing_done(&a.writing);
    cli_model_close(&a.model);
    return code;
}
