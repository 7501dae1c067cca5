/* cmd_inspect.c - inspect: what a model is, what its files held, and which commands it serves.
 *
 * All that is known is gathered into one JSON object; --to json writes it, text shows it to people.
 * A model that cannot be opened whole is opened with less asked of it (its tokenizer, its numbers),
 * and what was wrong is part of what is told.
 */
#include "commands.h"
#include "default_model.h"
#include "model.h"
#include "number.h"
#include "output.h"
#include <stdlib.h>
#include <string.h>

/* ---- opening, with faults ------------------------------------------------------------------- */

static b4c_model *open_somehow(const char *path, const cli_settings *s, json_t *faults,
                               b4c_error *err)
{
    b4c_model_options o = B4C_MODEL_DEFAULT;
    o.dtype = (b4c_dtype)s->dtype;
    o.dialect = (b4c_dialect)s->dialect;
    o.lower_case = s->lower;
    o.allow_missing = true;
    for (;;) {
        b4c_model *m = b4c_model_open(path, &o, err);
        if (m) {
            b4c_model_info info;
            b4c_model_describe(m, &info);
            if (!info.has_head || o.need_head) return m;
            /* There is a head: read it too, or its tensors would count as unexpected. */
            b4c_model_free(m);
            o.need_head = true;
            continue;
        }
        if (err->code == B4C_E_NUMBER && o.check_numbers) {
            o.check_numbers = false;
            json_object_set_new(faults, "numbers", json_string(err->message));
        } else if (!o.weights_only && err->code != B4C_E_MEMORY) {
            /* If it was not the tokenizer, the next attempt says so again. */
            o.weights_only = true;
            json_object_set_new(faults, "tokenizer", json_string(err->message));
        } else
            return NULL;
    }
}

/* ---- gathering ------------------------------------------------------------------------------ */

static void set_text(json_t *o, const char *key, const char *value)
{
    json_object_set_new(o, key, json_string(value));
}
static void set_count(json_t *o, const char *key, long long n)
{
    json_object_set_new(o, key, json_integer(n));
}
static void set_truth(json_t *o, const char *key, bool b)
{
    json_object_set_new(o, key, json_boolean(b));
}

static json_t *describe_tokenizer(const b4c_tokenizer *t)
{
    static const char *const dialect[] = { "auto", "hub", "bert4keras" };
    b4c_tokenizer_info info;
    json_t *o = json_object(), *special = json_object();
    b4c_tokenizer_describe(t, &info);
    const struct {
        const char *name;
        int id;
    } ids[] = {
        { "pad", info.pad }, { "unknown", info.unknown }, { "cls", info.cls },
        { "sep", info.sep }, { "mask", info.mask },       { "bos", info.bos },
        { "eos", info.eos },
    };
    set_text(o, "kind", b4c_tokenizer_kind_name(info.kind));
    set_count(o, "tokens", b4c_tokenizer_count(t));
    if (info.max_length) set_count(o, "max_length", info.max_length);
    set_truth(o, "words", info.words);
    set_text(o, "dialect", dialect[info.dialect]);
    set_truth(o, "lower_case", info.lower_case);
    set_truth(o, "strip_accents", info.strip_accents);
    set_truth(o, "chinese_chars", info.chinese_chars);
    set_count(o, "word_tokens", info.word_tokens);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id >= 0)
            json_object_set_new(special, ids[i].name,
                                json_pack("{s:s*,s:i}", "token", b4c_tokenizer_token(t, ids[i].id),
                                          "id", ids[i].id));
    json_object_set_new(o, "special", special);
    if (info.chat) set_text(o, "chat_template", info.chat);
    if (strchr(info.chat_names, '\n') || (*info.chat_names && !info.chat))
        set_text(o, "chat_templates", info.chat_names);
    if (*info.notes) set_text(o, "notes", info.notes);
    return o;
}

/* A token by number, with its spelling where there is one; -1: none. */
static void set_token(json_t *o, const char *key, const b4c_model *m, int id)
{
    const b4c_tokenizer *t = b4c_model_tokenizer(m);
    if (id < 0) return;
    const char *token = t ? b4c_tokenizer_token(t, id) : NULL;
    json_object_set_new(o, key, json_pack("{s:s*,s:i}", "token", token, "id", id));
}

static json_t *describe_model(const b4c_model *m)
{
    b4c_model_info i;
    json_t *o = json_object();
    b4c_model_describe(m, &i);
    set_text(o, "architecture", i.architecture);
    set_text(o, "layout", i.layout);
    set_count(o, "layers", i.layers);
    set_count(o, "width", i.width);
    set_count(o, "heads", i.heads);
    set_count(o, "inner", i.inner);
    set_count(o, "vocabulary", i.vocabulary);
    set_count(o, "embedding_width", i.embedding_width);
    set_count(o, "max_positions", i.max_positions);
    set_text(o, "dtype", b4c_dtype_name(i.dtype));
    set_text(o, "pooling", i.pooling == B4C_POOL_AUTO ? "not said" : b4c_pooling_name(i.pooling));
    set_count(o, "dense_steps", i.dense_steps);
    set_count(o, "vector_width", i.vector_width);
    set_count(o, "dim", i.dim);
    set_truth(o, "normalize", i.normalize);
    set_truth(o, "has_pooler", i.has_pooler);
    set_truth(o, "has_mlm", i.has_mlm);
    set_truth(o, "has_head", i.has_head);
    set_text(o, "reading", b4c_reading_name(i.reading));
    set_token(o, "start", m, i.start);
    set_token(o, "end", m, i.end);
    set_count(o, "max_length", i.max_length);
    set_count(o, "written_length", i.written_length);
    set_count(o, "read_length", i.read_length);
    set_count(o, "parameters", i.parameters);
    set_count(o, "packed_bytes", (long long)i.packed_bytes);
    if (i.classes) {
        json_t *names = json_array();
        for (int k = 0; k < i.classes; k++)
            json_array_append_new(names, json_string(b4c_model_label(m, k)));
        json_object_set_new(o, "classes", names);
        set_truth(o, "classes_of_pairs", i.classes_of_pairs);
    }
    return o;
}

/* Commands that the model serves, and the others with what is missing. */
static void set_served(json_t *o, const b4c_model *m, const json_t *report, const json_t *faults)
{
    b4c_model_info i;
    b4c_model_describe(m, &i);
    const char *tokenizer = b4c_model_tokenizer(m) ? NULL : "its tokenizer cannot be read";
    const char *all = json_array_size(json_object_get(report, "missing")) ? "tensors are missing"
                    : json_object_get(faults, "numbers")                  ? "it has NaN or infinity"
                                                                          : tokenizer;
    const char *writes = all || i.has_head ? all : "it has no head that gives logits";
    const bool decoder = i.reading == B4C_READ_CAUSAL && !i.has_mlm && i.has_head;
    char unsaid[320];
    const char *why = json_string_value(json_object_get(report, "pooling_note"));
    snprintf(unsaid, sizeof unsaid, "only with --pooling: %s",
             why ? why : "its files do not say which");
    const char *vectors = all                          ? all
                        : decoder                      ? "it is a decoder"
                        : i.pooling != B4C_POOL_AUTO ? NULL
                                                       : unsaid;
    const char *measured = writes ? writes
                         : i.reading != B4C_READ_PREFIX ? "it does not read by UniLM's mask"
                         : i.has_pooler                 ? NULL
                                                        : vectors;
    const struct {
        const char *command, *lacks;
    } command[] = {
        { "embed", vectors },
        { "similar", vectors },
        { "fill", all || i.has_mlm ? all : "it has no masked-LM head" },
        { "complete", writes },
        { "summarize", writes },
        { "paraphrase", measured },
        { "score", writes },
        { "tokenize", tokenizer },
        { "eval classify", all || i.classes > 1 ? all : "it has no classifier" },
    };
    json_t *serves = json_array(), *not = json_object();
    for (size_t k = 0; k < sizeof command / sizeof *command; k++)
        if (command[k].lacks)
            set_text(not, command[k].command, command[k].lacks);
        else
            json_array_append_new(serves, json_string(command[k].command));
    json_object_set_new(o, "serves", serves);
    json_object_set_new(o, "does_not_serve", not );
}

static json_t *gather(const b4c_model *m, const char *path, json_t *faults)
{
    json_t *o = json_object();
    json_t *report = json_loads(b4c_model_report(m), 0, NULL);
    set_text(o, "path", path);
    json_object_set_new(o, "model", describe_model(m));
    if (b4c_model_tokenizer(m))
        json_object_set_new(o, "tokenizer", describe_tokenizer(b4c_model_tokenizer(m)));
    set_served(o, m, report, faults);
    json_object_set(o, "faults", faults);
    json_object_set_new(o, "report", report ? report : json_object());
    return o;
}

/* ---- showing -------------------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}
static long long count_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}
static bool truth_of(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static void row(cli_output *out, const char *name) { cli_print(out, "%-13s ", name); }

static void show_token(cli_output *out, const char *what, const json_t *token)
{
    if (!token) return;
    cli_print(out, "%s %s (%lld)", what, text_of(token, "token"), count_of(token, "id"));
}

/* "2 of texts: negative, positive" */
static void show_classes(cli_output *out, const json_t *m)
{
    const json_t *names = json_object_get(m, "classes");
    const size_t n = json_array_size(names);
    if (n == 0) return;
    row(out, "classes");
    cli_print(out, "%zu of %s:", n, truth_of(m, "classes_of_pairs") ? "pairs" : "texts");
    for (size_t i = 0; i < n && i < 10; i++)
        cli_print(out, i ? ", %s" : " %s", json_string_value(json_array_get(names, i)));
    cli_put_text(out, n > 10 ? ", ...\n" : "\n");
}

static void show_model(cli_output *out, const json_t *m)
{
    char a[32], b[32];
    row(out, "architecture");
    cli_print(out, "%s: %lld layers, width %lld, %lld heads, inner %lld",
              text_of(m, "architecture"), count_of(m, "layers"), count_of(m, "width"),
              count_of(m, "heads"), count_of(m, "inner"));
    if (count_of(m, "embedding_width") != count_of(m, "width"))
        cli_print(out, ", embeddings of %lld", count_of(m, "embedding_width"));
    if (count_of(m, "max_positions"))
        cli_print(out, ", %lld positions", count_of(m, "max_positions"));
    cli_put_text(out, "\n");
    row(out, "parameters");
    cli_print(out, "%s, %s as %s\n", cli_count_text(count_of(m, "parameters"), a),
              cli_bytes_text(count_of(m, "packed_bytes"), b), text_of(m, "dtype"));
    row(out, "heads");
    cli_print(out, "pooler: %s, masked LM: %s\n", truth_of(m, "has_pooler") ? "yes" : "no",
              truth_of(m, "has_mlm") ? "yes" : "no");
    if (truth_of(m, "has_head")) {
        row(out, "writes");
        cli_print(out, "reading %s", text_of(m, "reading"));
        show_token(out, ", starts with", json_object_get(m, "start"));
        show_token(out, ", ends with", json_object_get(m, "end"));
        if (count_of(m, "written_length"))
            cli_print(out, ", trained on texts of at most %lld tokens",
                      count_of(m, "written_length"));
        cli_put_text(out, "\n");
    }
    row(out, "vectors");
    cli_print(out, "pooling: %s, %s", text_of(m, "pooling"),
              truth_of(m, "normalize") ? "length 1" : "not normalised");
    if (count_of(m, "dense_steps"))
        cli_print(out, ", %lld dense layer%s to %lld", count_of(m, "dense_steps"),
                  count_of(m, "dense_steps") == 1 ? "" : "s", count_of(m, "vector_width"));
    if (count_of(m, "dim") != count_of(m, "vector_width"))
        cli_print(out, ", the first %lld components", count_of(m, "dim"));
    if (count_of(m, "max_length"))
        cli_print(out, ", at most %lld tokens", count_of(m, "max_length"));
    cli_put_text(out, "\n");
    show_classes(out, m);
}

static void show_tokenizer(cli_output *out, const json_t *t)
{
    const char *name;
    json_t *one;
    bool first = true;
    char a[32];
    row(out, "tokenizer");
    cli_print(out, "%s, %s tokens", text_of(t, "kind"), cli_count_text(count_of(t, "tokens"), a));
    /* The other kinds have no such rules, or spell them out in their own pipelines. */
    if (strcmp(text_of(t, "kind"), b4c_tokenizer_kind_name(B4C_TOKENIZER_WORDPIECE)) == 0)
        cli_print(out, ", %s dialect, lower case: %s, accents: %s, Chinese characters: %s",
                  text_of(t, "dialect"), truth_of(t, "lower_case") ? "yes" : "no",
                  truth_of(t, "strip_accents") ? "stripped" : "kept",
                  truth_of(t, "chinese_chars") ? "one word each" : "not parted");
    if (truth_of(t, "words")) cli_put_text(out, ", Chinese cut into words first");
    cli_put_text(out, "\n");
    row(out, "special");
    json_object_foreach(json_object_get(t, "special"), name, one)
    {
        cli_put_text(out, first ? "" : "  ");
        first = false;
        cli_print(out, "%s %s %lld", name, text_of(one, "token"), count_of(one, "id"));
    }
    if (first) cli_put_text(out, "none");
    cli_put_text(out, "\n");
    if (json_object_get(t, "chat_template")) {
        row(out, "chat");
        cli_put_text(out, "its files have a template: complete --chat\n");
    }
    if (json_object_get(t, "chat_templates")) {
        row(out, "chat");
        cli_put_text(out, "templates by name (--chat-template):");
        for (const char *at = text_of(t, "chat_templates"); *at;) {
            const size_t n = strcspn(at, "\n");
            cli_put_text(out, " ");
            cli_put(out, at, n);
            at += n + (at[n] != 0);
        }
        cli_put_text(out, "\n");
    }
}

static void show_tensor(cli_output *out, const json_t *t)
{
    size_t i;
    json_t *n;
    cli_put_text(out, text_of(t, "name"));
    cli_print(out, " %s [", text_of(t, "type"));
    json_array_foreach(json_object_get(t, "shape"), i, n)
        cli_print(out, i ? ", %lld" : "%lld", (long long)json_integer_value(n));
    cli_print(out, "]%s", truth_of(t, "harmless") ? " (harmless)" : "");
}

/* A list of the report, one line each: tensors as objects or names. */
static void show_list(cli_output *out, const char *name, const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)list, i, one)
    {
        row(out, i ? "" : name);
        if (json_is_string(one))
            cli_put_text(out, json_string_value(one));
        else
            show_tensor(out, one);
        cli_put_text(out, "\n");
    }
}

/* "F32 71, I64 1" */
static void show_types(cli_output *out, const json_t *tensors)
{
    json_t *types = json_object(), *one;
    const char *name;
    size_t i;
    json_array_foreach((json_t *)tensors, i, one)
        set_count(types, text_of(one, "type"), count_of(types, text_of(one, "type")) + 1);
    i = 0;
    json_object_foreach(types, name, one)
        cli_print(out, i++ ? ", %s %lld" : "%s %lld", name, (long long)json_integer_value(one));
    json_decref(types);
}

static void show_report(cli_output *out, const json_t *r, bool tensors)
{
    static const char *const notes[] = { "note", "config_note", "tokenizer_notes", "pooling_note" };
    size_t i;
    json_t *one;
    row(out, "files");
    json_array_foreach(json_object_get(r, "files"), i, one)
    {
        if (i) cli_put_text(out, ", ");
        cli_put_text(out, json_string_value(one));
    }
    cli_print(out, " (%s); names: %s", text_of(r, "layout"), text_of(r, "names"));
    if (*text_of(r, "prefix")) cli_print(out, ", prefix %s", text_of(r, "prefix"));
    cli_put_text(out, "\n");
    row(out, "tensors");
    cli_print(out, "%zu read (", json_array_size(json_object_get(r, "tensors")));
    show_types(out, json_object_get(r, "tensors"));
    cli_print(out, "), %zu missing, %zu unexpected\n",
              json_array_size(json_object_get(r, "missing")),
              json_array_size(json_object_get(r, "unexpected")));
    show_list(out, "missing", json_object_get(r, "missing"));
    show_list(out, "unexpected", json_object_get(r, "unexpected"));
    if (count_of(r, "rows_without_token")) {
        row(out, "padding");
        cli_print(out, "%lld rows of the embedding have no token\n",
                  count_of(r, "rows_without_token"));
    }
    for (i = 0; i < sizeof notes / sizeof *notes; i++) {
        for (const char *line = text_of(r, notes[i]); *line;) {
            const size_t n = strcspn(line, "\n");
            row(out, "note");
            cli_put_field(out, line, n);
            cli_put_text(out, "\n");
            line += n + (line[n] != 0);
        }
    }
    json_array_foreach(json_object_get(r, "generation_notes"), i, one)
    {
        row(out, "note");
        cli_print(out, "%s\n", json_string_value(one));
    }
    if (tensors) show_list(out, "read", json_object_get(r, "tensors"));
}

static void show(cli_output *out, const json_t *o, bool tensors)
{
    const char *name;
    size_t i;
    json_t *value;
    row(out, "model");
    cli_put_text(out, text_of(o, "path"));
    cli_put_text(out, "\n");
    show_model(out, json_object_get(o, "model"));
    if (json_object_get(o, "tokenizer")) show_tokenizer(out, json_object_get(o, "tokenizer"));
    show_report(out, json_object_get(o, "report"), tensors);
    const json_t *faults = json_object_get(o, "faults");
    row(out, "numbers");
    cli_put_text(out, json_object_get(faults, "numbers") ? "NaN or infinity, see below\n"
                                                         : "no NaN, no infinity\n");
    json_object_foreach((json_t *)faults, name, value)
    {
        row(out, "fault");
        cli_put_text(out, json_string_value(value));
        cli_put_text(out, "\n");
    }
    row(out, "serves");
    json_array_foreach(json_object_get(o, "serves"), i, value)
        cli_print(out, i ? ", %s" : "%s", json_string_value(value));
    cli_put_text(out, i ? "\n" : "nothing\n");
    json_object_foreach(json_object_get(o, "does_not_serve"), name, value)
        cli_print(out, "%-13s %s: %s\n", "not", name, json_string_value(value));
}

/* ---- the command ---------------------------------------------------------------------------- */

static int write_it(const cli_command *self, const cli_settings *s, const json_t *o, b4c_error *err)
{
    cli_output out;
    cli_format format;
    if (cli_output_format(self, s, &format, err) < 0) return err->code;
    int rc = cli_output_open(&out, s, format, json_object(), 0, err);
    if (rc == 0) {
        char *text = format == CLI_JSON ? json_dumps(o, JSON_INDENT(1)) : NULL;
        if (format != CLI_JSON)
            show(&out, o, s->tensors);
        else if (text) {
            cli_put_text(&out, text);
            cli_put_text(&out, "\n");
        }
        free(text);
        rc = cli_output_finish(&out, err);
    }
    cli_output_close(&out);
    return rc;
}

static int run(const cli_command *self, const cli_settings *s)
{
    b4c_error err = { 0 };
    b4c_model *m = NULL;
    json_t *faults = json_object();
    char *path = NULL;
    int rc = 0;
    if (s->text.n > 1 || (s->text.n && s->model))
        rc = cli_fail(&err, B4C_E_ARG, "too many models: inspect: found '%s' too, wanted one",
                      s->text.item[s->text.n - 1]);
    else {
        cli_settings mine = *s;
        if (s->text.n) mine.model = s->text.item[0];
        path = cli_model_find(&mine, CLI_DEFAULT_ENCODER, &err);
        if (path) m = open_somehow(path, s, faults, &err);
        if (!m) rc = err.code;
    }
    if (rc == 0) {
        json_t *o = gather(m, path, faults);
        rc = write_it(self, s, o, &err);
        json_decref(o);
    }
    if (rc < 0) cli_error(&err);
    json_decref(faults);
    b4c_model_free(m);
    free(path);
    return rc < 0 ? cli_exit_code(&err) : CLI_DONE;
}

const cli_command cli_inspect = {
    .bit = CLI_INSPECT,
    .name = "inspect",
    .operands = "[MODEL]",
    .run = run,
    .summary = "What a model is, and which commands it serves",
    .about =
        "Architecture, vocabulary and special ids, pooling, and what its files held: tensors read, "
        "missing and "
        "unexpected, types, NaN. A model with faults is shown with them as far as it can be read.",
    .examples = "bert4c inspect -m BAAI/bge-small-zh-v1.5\n"
                "bert4c inspect ./model --tensors\n",
    .formats = 1 << CLI_TEXT | 1 << CLI_JSON,
    .format = CLI_TEXT,
};
