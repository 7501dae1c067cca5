/* chat.c - messages as the text that a chat model reads, by the template of its files.
 *
 * The template runs with what transformers gives it: the messages, whether an answer is asked for,
 * the special tokens by name, and what the caller adds. Source: transformers 5.24,
 * utils/chat_template_utils.py and PreTrainedTokenizerBase.apply_chat_template.
 *
 * What a message says must not speak for the model: a special token that it spells is parted
 * (B4C_PARTING) before the template runs, and stays text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/jinja.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* ---- messages -------------------------------------------------------------------------------- */

static int check_messages(const json_t *messages, b4c_error *err)
{
    size_t i;
    json_t *message;
    if (!json_is_array(messages) || !json_array_size(messages))
        return b4c_fail(
            err, B4C_E_TEXT,
            "chat: wanted a list of messages: [{\"role\": \"user\", \"content\": ...}]");
    json_array_foreach((json_t *)messages, i, message)
        if (!json_is_string(json_object_get(message, "role")))
            return b4c_fail(err, B4C_E_TEXT, "chat: message %zu has no \"role\" that is a text",
                            i + 1);
    return 0;
}

/* ---- what messages spell --------------------------------------------------------------------- */

typedef struct guard {
    const b4c_tokenizer *t;
    bool first[256];         /* some special token begins with this byte */
    bool failed;
} guard;

static void guard_text(guard *g, json_t *string)
{
    const char *text = json_string_value(string);
    const size_t bytes = json_string_length(string);
    b4c_buffer out = { 0 };
    for (size_t at = 0; at < bytes;) {
        const bool special = g->first[(unsigned char)text[at]] &&
                             b4c_added_begins(&g->t->added, text + at);
        do b4c_buffer_add(&out, text + at++, 1);
        while (at < bytes && ((unsigned char)text[at] & 0xc0) == 0x80);
        if (special) b4c_buffer_text(&out, B4C_PARTING);
    }
    if (out.size != bytes && json_string_setn(string, out.data ? out.data : "", out.size) < 0)
        g->failed = true;
    g->failed |= out.failed;
    b4c_buffer_done(&out);
}

static void guard_all(guard *g, json_t *value)
{
    size_t i;
    const char *key;
    json_t *x;
    if (json_is_string(value)) guard_text(g, value);
    json_array_foreach(value, i, x) guard_all(g, x);
    json_object_foreach(value, key, x) guard_all(g, x);
}

/* Part the special tokens in texts of messages, or of what is said aside. */
static int guard_values(const b4c_tokenizer *t, json_t *values, b4c_error *err)
{
    guard g = { .t = t };
    for (int i = 0; i < t->added.n; i++)
        if (t->added.token[i].special) g.first[(unsigned char)t->added.token[i].text[0]] = true;
    guard_all(&g, values);
    return g.failed ? b4c_fail(err, B4C_E_MEMORY, "chat: no memory") : 0;
}

/* ---- the template ---------------------------------------------------------------------------- */

/* Templates fail on a content that is no text in their own words, which do not say whose it is. */
static int fail_content(const json_t *messages, b4c_error *err)
{
    size_t i;
    json_t *message;
    json_array_foreach((json_t *)messages, i, message)
        if (!json_is_string(json_object_get(message, "content"))) {
            b4c_fail_in(err, "chat: message %zu has no \"content\" that is a text", i + 1);
            break;
        }
    return B4C_E_TEXT;
}

/* What a model thought before it answered goes by three names; templates know one or another. */
static void name_thoughts(json_t *messages)
{
    static const char *const names[] = { "reasoning_content", "thinking", "reasoning" };
    size_t i;
    json_t *message;
    json_array_foreach(messages, i, message)
    {
        json_t *thought = NULL;
        for (size_t k = 0; k < sizeof names / sizeof *names && !thought; k++) {
            thought = json_object_get(message, names[k]);
            if (json_is_null(thought)) thought = NULL;
        }
        if (!thought) continue;
        if (!json_object_get(message, "thinking")) json_object_set(message, "thinking", thought);
        json_object_set(message, "reasoning_content", thought);
    }
}

static json_t *variables_of(const b4c_tokenizer *t, json_t *messages, const b4c_chat_options *o,
                            b4c_error *err)
{
    const struct {
        const char *name;
        int id;
    } token[] = { { "bos_token", t->bos },     { "eos_token", t->eos }, { "pad_token", t->pad },
                  { "unk_token", t->unknown }, { "cls_token", t->cls }, { "sep_token", t->sep },
                  { "mask_token", t->mask } };
    json_t *given = NULL;
    if (o->variables) {
        given = b4c_json_parse(o->variables, strlen(o->variables), "chat variables", err);
        if (!given) return NULL;
        if (!json_is_object(given) || guard_values(t, given, err) < 0) {
            if (!json_is_object(given))
                b4c_fail(err, B4C_E_ARG, "chat variables: wanted an object of names and values");
            json_decref(given);
            return NULL;
        }
    }
    json_t *all = json_pack("{s:O,s:b,s:n,s:n}", "messages", messages, "add_generation_prompt",
                            !o->no_answer, "tools", "documents");
    for (size_t i = 0; i < sizeof token / sizeof *token; i++) {
        const char *text = token[i].id >= 0 ? b4c_tokenizer_token(t, token[i].id) : NULL;
        if (text) json_object_set_new(all, token[i].name, json_string(text));
    }
    if (given) json_object_update(all, given);
    json_decref(given);
    if (!all) b4c_fail(err, B4C_E_MEMORY, "chat: no memory");
    return all;
}

/* Notes of the tokenizer say it where there is one that cannot be used. */
static void fail_without(const b4c_tokenizer *t, const char *name, b4c_error *err)
{
    const char *note = t->notes.data ? strstr(t->notes.data, "chat_template") : NULL;
    char names[300] = "";
    for (size_t i = 0; t->chat_names && t->chat_names[i] && i + 1 < sizeof names; i++) {
        names[i] = t->chat_names[i] == '\n' ? ' ' : t->chat_names[i];
        names[i + 1] = 0;
    }
    if (*names)
        b4c_fail(err, B4C_E_MISSING,
                 "chat: found no chat template named '%.100s', wanted one of: %s", name, names);
    else if (note)
        b4c_fail(err, B4C_E_MISSING, "chat: found no chat template: %.*s", (int)strcspn(note, "\n"),
                 note);
    else
        b4c_fail(err, B4C_E_MISSING,
                 "chat: the model's files have no chat template (tokenizer_config.json, "
                 "chat_template.jinja, GGUF); is it a chat model?");
}

static char *run_template(const b4c_tokenizer *t, json_t *messages, const b4c_chat_options *options,
                          b4c_error *err)
{
    const b4c_chat_options o = options ? *options : (b4c_chat_options){ 0 };
    const char *name = o.template_name ? o.template_name : "default";
    const json_t *template = json_object_get(t->chats, name);
    char where[140];
    b4c_buffer out = { 0 };
    if (!template) return fail_without(t, name, err), NULL;
    if (check_messages(messages, err) < 0 || guard_values(t, messages, err) < 0) return NULL;
    name_thoughts(messages);
    snprintf(where, sizeof where, o.template_name ? "chat template '%.100s'" : "chat template",
             name);
    b4c_jinja *j = b4c_jinja_parse(json_string_value(template), json_string_length(template), where,
                                   err);
    if (!j) return NULL;
    json_t *variables = variables_of(t, messages, &o, err);
    int rc = variables ? b4c_jinja_run(j, variables, &out, err) : B4C_E_ARG;
    if (rc == B4C_E_TEXT) rc = fail_content(messages, err);
    json_decref(variables);
    b4c_jinja_free(j);
    b4c_buffer_text(&out, "");
    if (rc == 0 && !out.failed) return out.data;
    b4c_buffer_done(&out);
    return NULL;
}

char *b4c_chat_json(const b4c_tokenizer *t, const char *messages, size_t bytes,
                    const b4c_chat_options *options, b4c_error *err)
{
    json_t *list = b4c_json_parse(messages, bytes == SIZE_MAX ? strlen(messages) : bytes,
                                  "messages", err);
    if (!list) return NULL;
    char *text = run_template(t, list, options, err);
    json_decref(list);
    return text;
}

char *b4c_chat_text(const b4c_tokenizer *t, const b4c_message *messages, int n,
                    const b4c_chat_options *options, b4c_error *err)
{
    json_t *list = json_array();
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        const b4c_message *m = &messages[i];
        const size_t size = m->size == SIZE_MAX ? strlen(m->content) : m->size;
        const size_t bad = b4c_utf8_check(m->content, size);
        if (bad < size)
            rc = b4c_utf8_fail("chat", m->content, size, bad, err);
        else if (json_array_append_new(list, json_pack("{s:s,s:s%}", "role", m->role, "content",
                                                       m->content, size)) < 0)
            rc = b4c_fail(err, B4C_E_MEMORY, "chat: no memory for message %d", i + 1);
    }
    char *text = rc == 0 ? run_template(t, list, options, err) : NULL;
    json_decref(list);
    return text;
}
