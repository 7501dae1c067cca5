/* test_chat.c - chat templates: the text that transformers makes of them, where they stand in a
 * model's files, and templates that go beyond what is done, or are hostile.
 */
#include "text/jinja.h"
#include "unit/text_case.h"

#include <time.h>

#define VOCABULARY "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<s>\n</s>\na\nb\n"

/* ---- against transformers -------------------------------------------------------------------- */

/* tests/golden/text/make_chat.py says which version, and has the templates. */
typedef struct checked {
    json_t *templates;
    int texts, refusals;
} checked;

static void check_case(const json_t *line, long number, void *arg)
{
    checked *c = arg;
    const char *name = json_string_value(json_object_get(line, "name"));
    json_t *template = json_object_get(line, "template");
    if (!name) return; /* the note */
    if (template) {
        json_object_set(c->templates, name, template);
        return;
    }
    template = json_object_get(c->templates, name);
    b4c_error err = { 0 };
    b4c_buffer out = { 0 };
    b4c_jinja *j = b4c_jinja_parse(json_string_value(template), json_string_length(template), name,
                                   &err);
    if (!j) fail_msg("line %ld: %s", number, err.message);
    json_t *variables = json_pack("{s:O,s:O,s:n,s:n,s:s,s:s}", "messages",
                                  json_object_get(line, "messages"), "add_generation_prompt",
                                  json_object_get(line, "ask"), "tools", "documents", "bos_token",
                                  "<s>", "eos_token", "</s>");
    json_object_update(variables, json_object_get(line, "aside"));
    const int rc = b4c_jinja_run(j, variables, &out, &err);
    const char *text = json_string_value(json_object_get(line, "text")),
               *refused = json_string_value(json_object_get(line, "refused"));
    if (refused) {
        /* Python's own errors have other words than ours */
        const bool own = !*refused || strstr(refused, "undefined") || strstr(refused, "has no ");
        if (rc >= 0) fail_msg("line %ld, %s: found a text", number, name);
        if (!own && !strstr(err.message, refused)) fail_msg("line %ld: %s", number, err.message);
        c->refusals++;
    } else {
        if (rc < 0) fail_msg("line %ld: %s", number, err.message);
        b4c_buffer_text(&out, "");
        if (strcmp(out.data, text) != 0)
            fail_msg("line %ld, %s: found\n%s\nwanted\n%s", number, name, out.data, text);
        c->texts++;
    }
    b4c_buffer_done(&out);
    json_decref(variables);
    b4c_jinja_free(j);
}

static void templates_make_what_transformers_makes(void **state)
{
    (void)state;
    checked c = { json_object(), 0, 0 };
    each_line("tests/golden/text/chat.jsonl", check_case, &c);
    assert_true(c.texts > 400 && c.refusals > 60);
    json_decref(c.templates);
}

/* ---- in a model's files ---------------------------------------------------------------------- */

static const b4c_message hello[] = { { "user", "a b", SIZE_MAX } };

static void check_chat(const char *wanted)
{
    b4c_error err = { 0 };
    b4c_tokenizer *t = b4c_tokenizer_open(temp_path("chat"), B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    b4c_tokenizer_info info;
    b4c_tokenizer_describe(t, &info);
    assert_non_null(info.chat);
    char *text = b4c_chat_text(t, hello, 1, NULL, &err);
    if (!text) fail_msg("%s", err.message);
    assert_string_equal(text, wanted);
    free(text);
    b4c_tokenizer_free(t);
}

static void the_template_stands_in_the_config_or_in_a_file_of_its_own(void **state)
{
    (void)state;
    temp_text("chat/vocab.txt", VOCABULARY);
    temp_text("chat/tokenizer_config.json",
              "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\"}, \"chat_template\": "
              "\"{{ bos_token }}{{ messages[0].content }}{{ eos_token }}\"}");
    check_chat("<s>a b</s>");

    temp_text("chat/tokenizer_config.json",
              "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"no\"}, "
              "{\"name\": \"default\", \"template\": \"{{ messages | length }}\"}]}");
    check_chat("1");

    temp_text("chat/chat_template.jinja", "{{ messages[0].role }}\n");
    check_chat("user");
}

/* By its name alone, wherever it stands: there being tools is no reason to take one for them. */
static void one_of_several_templates_is_taken_by_its_name(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    temp_text("several/vocab.txt", VOCABULARY);
    temp_text("several/tokenizer_config.json",
              "{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"}, "
              "{\"name\": \"tool_use\", \"template\": \"{{ tools | tojson }}{{ x.y }}\"}, "
              "{\"name\": \"rag\", \"template\": \"old\"}]}");
    temp_text("several/additional_chat_templates/rag.jinja", "{{ documents is none }}\n");
    temp_text("several/additional_chat_templates/bad.jinja", "\xff");
    temp_text("several/additional_chat_templates/README", "no template");
    temp_text("several/chat_template.json", "{\"chat_template\": \"of a processor\"}");
    b4c_tokenizer *t = b4c_tokenizer_open(temp_path("several"), B4C_DIALECT_AUTO, &err);
    if (!t) fail_msg("%s", err.message);
    b4c_tokenizer_info info;
    b4c_tokenizer_describe(t, &info);
    assert_string_equal(info.chat, "d");
    assert_string_equal(info.chat_names, "default\ntool_use\nrag");
    assert_non_null(strstr(info.notes, "additional_chat_templates/bad.jinja is not UTF-8"));
    static const struct {
        b4c_chat_options o;
        const char *text;
    } cases[] = {
        { { .variables = "{\"tools\": [1, 2]}" }, "d" },
        { { .template_name = "tool_use", .variables = "{\"tools\": [1, 2], \"x\": {\"y\": 3}}" },
          "[1, 2]3" },
        { { .template_name = "rag" }, "True" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = b4c_chat_text(t, hello, 1, &cases[i].o, &err);
        if (!text) fail_msg("%s", err.message);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
    static const struct {
        b4c_chat_options o;
        int code;
        const char *says;
    } wrong[] = {
        { { .template_name = "nope" }, B4C_E_MISSING, "wanted one of: default tool_use rag" },
        { { .template_name = "tool_use" }, B4C_E_TEXT, "chat template 'tool_use': line 1: 'y' of" },
        { { .variables = "[1]" }, B4C_E_ARG, "wanted an object" },
        { { .variables = "{" }, B4C_E_FORMAT, "chat variables" },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_null(b4c_chat_text(t, hello, 1, &wrong[i].o, &err));
        assert_error(&err, wrong[i].code, wrong[i].says);
    }
    b4c_tokenizer_free(t);
    temp_text("processed/vocab.txt", VOCABULARY);
    temp_text("processed/chat_template.json", "{\"chat_template\": \"of a processor\"}");
    t = b4c_tokenizer_open(temp_path("processed"), B4C_DIALECT_AUTO, &err);
    char *text = b4c_chat_text(t, hello, 1, NULL, &err);
    assert_string_equal(text, "of a processor");
    free(text);
    b4c_tokenizer_free(t);
}

/* As transformers does: whichever name the thoughts have, a template finds them. */
static void thoughts_go_by_every_name(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    static const struct {
        const char *messages, *text;
    } cases[] = {
        { "[{\"role\": \"a\", \"reasoning\": \"r\"}]", "r|r" },
        { "[{\"role\": \"a\", \"thinking\": \"t\", \"reasoning_content\": null}]", "t|t" },
        { "[{\"role\": \"a\", \"reasoning_content\": \"c\"}]", "c|c" },
        { "[{\"role\": \"a\"}]", "|" },
    };
    b4c_tokenizer *t =
        make((made_of){ .vocabulary = VOCABULARY,
                        .config = "{\"chat_template\": \"{{ messages[0].reasoning_content }}|"
                                  "{{ messages[0].thinking }}\"}" },
             NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = b4c_chat_json(t, cases[i].messages, SIZE_MAX, NULL, &err);
        if (!text) fail_msg("%s", err.message);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
    b4c_tokenizer_free(t);
}

static void time_is_the_clocks(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    char before[32], after[32];
    const time_t begin = time(NULL);
    b4c_tokenizer *t =
        make((made_of){ .vocabulary = VOCABULARY,
                        .config = "{\"chat_template\": \"{{ strftime_now('%Y-%m-%d') }}\"}" },
             NULL);
    char *text = b4c_chat_text(t, hello, 1, NULL, &err);
    if (!text) fail_msg("%s", err.message);
    const time_t end = time(NULL);
    strftime(before, sizeof before, "%Y-%m-%d", localtime(&begin));
    strftime(after, sizeof after, "%Y-%m-%d", localtime(&end));
    assert_true(!strcmp(text, before) || !strcmp(text, after));
    free(text);
    b4c_tokenizer_free(t);
}

/* What stands there and cannot be used is told, in the notes and where a chat is wanted. */
static void a_template_that_cannot_be_used_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *config, *jinja, *says;
    } cases[] = {
        { "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"a\"}, 3]}", NULL,
          "no chat template named 'default', wanted one of: rag" },
        { "{\"chat_template\": {\"default\": \"a\"}}", NULL, "neither a text nor a list" },
        { "{\"chat_template\": \"a\"}", "a\xff", "chat_template.jinja is not UTF-8" },
        { "{\"chat_template\": null}", NULL, "is it a chat model?" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        char folder[64], file[96];
        snprintf(folder, sizeof folder, "unusable%zu", i);
        snprintf(file, sizeof file, "%s/vocab.txt", folder);
        temp_text(file, VOCABULARY);
        snprintf(file, sizeof file, "%s/tokenizer_config.json", folder);
        temp_text(file, cases[i].config);
        snprintf(file, sizeof file, "%s/chat_template.jinja", folder);
        if (cases[i].jinja) temp_text(file, cases[i].jinja);
        b4c_tokenizer *t = b4c_tokenizer_open(temp_path("%s", folder), B4C_DIALECT_AUTO, &err);
        if (!t) fail_msg("%s", err.message);
        b4c_tokenizer_info info;
        b4c_tokenizer_describe(t, &info);
        assert_null(info.chat);
        assert_null(b4c_chat_text(t, hello, 1, NULL, &err));
        assert_error(&err, B4C_E_MISSING, cases[i].says);
        static const char *const notes[] = { "none of them named 'default'", "neither a text",
                                             "chat_template.jinja is not UTF-8" };
        if (i < 3) assert_non_null(strstr(info.notes, notes[i]));
        b4c_tokenizer_free(t);
    }
}

static void what_is_no_chat_is_refused(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_tokenizer *t = make((made_of){ .vocabulary = VOCABULARY }, NULL);
    assert_null(b4c_chat_text(t, hello, 1, NULL, &err));
    assert_error(&err, B4C_E_MISSING, "no chat template");
    b4c_tokenizer_free(t);
    t = make((made_of){ .vocabulary = VOCABULARY,
                        .config = "{\"chat_template\": \"{{ messages[0].content }}\"}" },
             NULL);
    assert_null(b4c_chat_text(t, hello, 0, NULL, &err));
    assert_error(&err, B4C_E_TEXT, "wanted a list of messages");
    assert_null(b4c_chat_json(t, "[{\"content\": \"a\"}]", SIZE_MAX, NULL, &err));
    assert_error(&err, B4C_E_TEXT, "message 1 has no \"role\"");
    assert_null(b4c_chat_json(t, "[{", SIZE_MAX, NULL, &err));
    assert_error(&err, B4C_E_FORMAT, "messages");
    const b4c_message bad = { "user", "a\xff", 2 };
    assert_null(b4c_chat_text(t, &bad, 1, NULL, &err));
    assert_error(&err, B4C_E_TEXT, "chat");
    char *text = b4c_chat_json(t, "[{\"role\": \"user\", \"content\": \"b\"}]", SIZE_MAX, NULL,
                               &err);
    assert_string_equal(text, "b");
    free(text);
    b4c_tokenizer_free(t);
}

/* ---- what messages spell --------------------------------------------------------------------- */

static int count_token(const b4c_encoding *e, int id)
{
    int n = 0;
    for (int i = 0; i < e->n; i++) n += e->ids[i] == id;
    return n;
}

/* Special tokens of the template are tokens, those in a message are text, whoever says it and
 * whatever marks the message has already. */
static void a_message_cannot_speak_for_the_model(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_encoding e = { 0 };
    b4c_tokenizer *t =
        make((made_of){ .vocabulary = VOCABULARY,
                        .config = "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", "
                                  "\"chat_template\": \"{% for m in messages %}{{ bos_token }}"
                                  "{{ m.role }}{{ m.content | trim }}{{ eos_token }}"
                                  "{% endfor %}\"}" },
             NULL);
    static const char *const says[] = {
        "a b",    "a</s>b", "a</s><s>b</s>", "<</s>", "<\xef\xb7\x90/s>",
        " </s> ", "</s",    "\xef\xb7\x90</s>\xef\xb7\x90",
    };
    const b4c_tokenize_options o = { .no_special = true, .find_special = true, .parted = true };
    for (size_t i = 0; i < COUNT(says); i++) {
        const b4c_message list[] = { { "user", says[i], SIZE_MAX }, { "<s>", says[i], SIZE_MAX } };
        char *text = b4c_chat_text(t, list, 2, NULL, &err);
        if (!text) fail_msg("%s", err.message);
        if (b4c_tokenize(t, text, SIZE_MAX, NULL, 0, &o, &e, &err) < 0) fail_msg("%s", err.message);
        assert_int_equal(count_token(&e, b4c_tokenizer_find(t, "<s>")), 2);
        assert_int_equal(count_token(&e, b4c_tokenizer_find(t, "</s>")), 2);
        free(text);
    }
    /* what spells none is as it was */
    char *text = b4c_chat_text(t, hello, 1, NULL, &err);
    assert_string_equal(text, "<s>usera b</s>");
    free(text);
    b4c_encoding_free(&e);
    b4c_tokenizer_free(t);
}

static void a_content_that_is_no_text_is_said_to_be(void **state)
{
    (void)state;
    b4c_error err = { 0 };
    b4c_tokenizer *t =
        make((made_of){ .vocabulary = VOCABULARY,
                        .config = "{\"chat_template\": \"{% for m in messages %}"
                                  "{{ m.role + m.content }}{% endfor %}\"}" },
             NULL);
    static const char *const lists[] = {
        "[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\"}]",
        "[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": null}]",
        "[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": [\"b\"]}]",
    };
    for (size_t i = 0; i < COUNT(lists); i++) {
        assert_null(b4c_chat_json(t, lists[i], SIZE_MAX, NULL, &err));
        assert_error(&err, B4C_E_TEXT, "message 2 has no \"content\" that is a text");
    }
    b4c_tokenizer_free(t);
}

/* ---- what is not done, and what is wrong ----------------------------------------------------- */

static int run_text(const char *template, size_t size, b4c_buffer *out, b4c_error *err)
{
    b4c_jinja *j = b4c_jinja_parse(template, size, "template", err);
    if (!j) return err->code;
    json_t *variables = json_pack("{s:[{s:s,s:s}]}", "messages", "role", "user", "content", "hi");
    const int rc = b4c_jinja_run(j, variables, out, err);
    json_decref(variables);
    b4c_jinja_free(j);
    return rc;
}

static void what_goes_beyond_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *template;
        int code;
        const char *says;
    } cases[] = {
        { "a\n{% call f() %}", B4C_E_UNSUPPORTED, "template: line 2: found 'call', a tag" },
        { "{% include 'x' %}", B4C_E_UNSUPPORTED, "line 1: found 'include'" },
        { "\n\n{{ 'x' | wordwrap(3) }}", B4C_E_UNSUPPORTED, "line 3: the filter 'wordwrap'" },
        { "{{ 'x'.encode() }}", B4C_E_UNSUPPORTED, "the method 'encode'" },
        { "{{ 'x' is filter }}", B4C_E_UNSUPPORTED, "the test 'is filter'" },
        { "{{ lipsum() }}", B4C_E_UNSUPPORTED, "the function 'lipsum'" },
        { "{{ messages }}", B4C_E_UNSUPPORTED, "a list or an object is printed" },
        { "{{ 1 < 2 < 3 }}", B4C_E_UNSUPPORTED, "chains of comparisons" },
        { "{% macro f(a) %}{{ a }}{% endmacro %}\n{{ f(1, 2) }}", B4C_E_TEXT,
          "line 2: the macro 'f' takes no such arguments" },
        { "{% macro f() %}{{ caller() }}{% endmacro %}", B4C_E_UNSUPPORTED, "'caller', which" },
        { "{% macro f() %}", B4C_E_FORMAT, "wanted the end of a block" },
        { "{% for a in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}", B4C_E_FORMAT,
          "outside of a loop" },
        { "{{ none | length }}", B4C_E_TEXT, "'length' of a value of another kind" },
        { "{% for a in none %}{% endfor %}", B4C_E_TEXT, "line 1: what is no list" },
        { "{{ messages | tojson(tidy=1) }}", B4C_E_TEXT, "takes no argument tidy" },
        { "{{ namespace(a=1) | tojson }}", B4C_E_TEXT, "'namespace' is no JSON" },
        { "{{ [nothing] }}", B4C_E_UNSUPPORTED, "a list with what is undefined" },
        { "{{ 'a\\ud800' }}", B4C_E_FORMAT, "wanted a text whose escapes are characters" },
        { "{{ strftime_now('%9999d') }}", B4C_E_TEXT, "is too long" },
        { "{% set x = {} %}{% set x.y = 1 %}", B4C_E_TEXT, "'x' is no namespace" },
        { "{% if true %}a", B4C_E_FORMAT, "wanted the end of a block" },
        { "{% endif %}", B4C_E_UNSUPPORTED, "found 'endif'" },
        { "{% break %}", B4C_E_FORMAT, "outside of a loop" },
        { "{{ 'a }}", B4C_E_FORMAT, "wanted its closing quote" },
        { "{{ a ", B4C_E_FORMAT, "wanted the end of the tag" },
        { "{{ a b }}", B4C_E_FORMAT, "found 'b', wanted '}}'" },
        { "{# a", B4C_E_FORMAT, "wanted the end of the comment" },
        { "{{ a[ }}", B4C_E_FORMAT, "wanted a value" },
        { "{{ nothing.x }}", B4C_E_TEXT, "'x' of what is undefined" },
        { "{{ 'a' + 1 }}", B4C_E_TEXT, "a text and a number are added" },
        { "{{ 1 % 0 }}", B4C_E_TEXT, "division by zero" },
        { "{% set x.y = 1 %}", B4C_E_TEXT, "'x' is no namespace" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        b4c_buffer out = { 0 };
        assert_fails(run_text(cases[i].template, strlen(cases[i].template), &out, &err), &err,
                     cases[i].code, cases[i].says);
        b4c_buffer_done(&out);
    }
}

/* Loops in loops, doubled texts and lists, objects that hold themselves: each comes to an end. */
static void hostile_templates_come_to_an_end(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='aaaaaaaaaa') %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x "
        "%}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[1,2]) %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}"
        "{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
        "{% endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[1]) %}{% set ms = namespace(x=[1]) %}{% for a in range(99) %}"
        "{% set ns.x = [ns.x, ns.x] %}{% set ms.x = [ms.x, ms.x] %}{% endfor %}{{ ns.x == ms.x }}",
        "{% set ns = namespace(x='aaaaaaaaaa') %}{% for a in range(20) %}{% set ns.x = "
        "ns.x | replace('a', ns.x) %}{% endfor %}",
        "{% set a = namespace() %}{% set b = namespace(x=a) %}{% set a.x = b %}{{ a == b }}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
        "{{ f(40) }}",
        "{% macro f(n) %}{% for i in [1] %}{{ [[[[f(n + 1)]]]] | tojson }}{% endfor %}"
        "{% endmacro %}{{ f(0) }}",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        b4c_error err = { 0 };
        b4c_buffer out = { 0 };
        const int rc = run_text(cases[i], strlen(cases[i]), &out, &err);
        if (rc != B4C_E_MEMORY) fail_msg("case %zu: %d: %s", i, rc, err.message);
        b4c_buffer_done(&out);
    }
    char deep[20001];
    memset(deep, '(', 20000);
    memcpy(deep, "{{", 2);
    b4c_error err = { 0 };
    assert_fails(run_text(deep, 20000, &(b4c_buffer){ 0 }, &err), &err, B4C_E_FORMAT,
                 "nested too deeply");
}

static void use(const char *bytes, size_t size)
{
    b4c_error err = { 0 };
    b4c_buffer out = { 0 };
    const int rc = run_text(bytes, size, &out, &err);
    if (rc < 0 && !*err.message) fail_msg("no message");
    b4c_buffer_done(&out);
}

static void a_cut_template_is_an_error_or_a_text(void **state)
{
    (void)state;
    static const char template[] =
        "{%- set ns = namespace(a=[1, 'x'], b={'k': -1.5}) -%}\n{# c #}{% for m in messages[::-1] "
        "if "
        "m.role is not none %}{{ m['content'].split('i', 1)[0] | trim ~ (loop.index0 + 1) // 2 }}"
        "{% if 'a' not in ns.a and not loop.last or false %}x{% elif 1 <= 2 %}{{ 'y' if ns else "
        "\"z\\n\" }}{% else %}{% break %}{% endif %}{% set ns.a = ns.b.k %}{% endfor %}"
        "{% set t %}{{ range(2) | join(',') }}{% endset %}{{ t }}";
    b4c_buffer out = { 0 };
    b4c_error err = { 0 };
    assert_ok(run_text(template, sizeof template - 1, &out, &err), &err);
    assert_string_equal(out.data, "h0y0,1");
    b4c_buffer_done(&out);
    for (size_t n = 0; n < sizeof template; n++) {
        char *copy = malloc(n + 1); /* its own, so that reading past it is seen */
        memcpy(copy, template, n);
        use(copy, n);
        for (size_t i = 0; i < n; i += 7) {
            const char kept = copy[i];
            copy[i] = (char)(kept ^ 5);
            use(copy, n);
            copy[i] = kept;
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_make_what_transformers_makes),
        cmocka_unit_test(the_template_stands_in_the_config_or_in_a_file_of_its_own),
        cmocka_unit_test(one_of_several_templates_is_taken_by_its_name),
        cmocka_unit_test(thoughts_go_by_every_name),
        cmocka_unit_test(time_is_the_clocks),
        cmocka_unit_test(a_template_that_cannot_be_used_is_told),
        cmocka_unit_test(what_is_no_chat_is_refused),
        cmocka_unit_test(a_message_cannot_speak_for_the_model),
        cmocka_unit_test(a_content_that_is_no_text_is_said_to_be),
        cmocka_unit_test(what_goes_beyond_is_named_with_its_line),
        cmocka_unit_test(hostile_templates_come_to_an_end),
        cmocka_unit_test(a_cut_template_is_an_error_or_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
