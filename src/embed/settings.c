/* settings.c - reading what a model's files say about sentence vectors; see settings.h. */
#include "embed/settings.h"

#include "base/error.h"
#include "base/file.h"
#include "model/folder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096 };

/* FOLDER/part/name as JSON; NULL with *rc 0 where there is no such file. */
static json_t *optional(const char *folder, const char *part, const char *name, char path[PATH],
                        int *rc, b4c_error *err)
{
    *rc = 0;
    const int n = snprintf(path, PATH, "%s/%s%s%s", folder, part, *part ? "/" : "", name);
    if (n >= PATH || !b4c_file_exists(path)) return NULL;
    b4c_error own = { 0 };
    json_t *value = b4c_json_file(path, &own);
    if (!value) {
        *rc = own.code;
        if (err) *err = own;
    }
    return value;
}

static int note_unsupported(b4c_embed_settings *s, const char *where, const char *what,
                            b4c_error *err)
{
    if (s->unsupported) return 0;
    char text[256];
    snprintf(text, sizeof text, "%s asks for '%.100s', which bert4c does not do",
             b4c_path_name(where), what);
    s->unsupported = strdup(text);
    return s->unsupported ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", where);
}

static int read_pooling(b4c_embed_settings *s, const char *folder, const char *part, b4c_error *err)
{
    static const struct { const char *mode, *key; b4c_pooling pooling; } modes[] = {
        { "cls", "pooling_mode_cls_token", B4C_POOL_CLS },
        { "mean", "pooling_mode_mean_tokens", B4C_POOL_MEAN },
        { "max", "pooling_mode_max_tokens", B4C_POOL_MAX },
        { "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", B4C_POOL_MEAN_SQRT },
        { "weightedmean", "pooling_mode_weightedmean_tokens", B4C_POOL_WEIGHTED_MEAN },
        { "lasttoken", "pooling_mode_lasttoken", B4C_POOL_LAST_TOKEN },
    };
    char path[PATH];
    int rc, chosen = 0;
    json_t *config = optional(folder, part, "config.json", path, &rc, err);
    if (!config) return rc;
    const char *mode = NULL;
    bool with_prompt = true;
    /* a list of one is that one; of several, their vectors end to end */
    const json_t *list = json_object_get(config, "pooling_mode");
    const size_t listed = json_array_size(list);
    if (listed) mode = listed == 1 ? json_string_value(json_array_get(list, 0)) : "";
    else rc = b4c_json_text(config, "pooling_mode", &mode, path, err);
    if (listed > 1) chosen = (int)listed;
    for (size_t i = 0; i < sizeof modes / sizeof *modes && rc >= 0; i++) {
        bool on = mode && strcmp(mode, modes[i].mode) == 0;
        if (!mode) rc = b4c_json_bool(config, modes[i].key, &on, path, err);
        if (rc < 0 || !on) continue;
        s->pooling = modes[i].pooling;
        chosen++;
    }
    if (rc >= 0) rc = b4c_json_bool(config, "include_prompt", &with_prompt, path, err);
    if (rc >= 0 && mode && !chosen) rc = note_unsupported(s, path, mode, err);
    if (rc >= 0 && chosen > 1) rc = note_unsupported(s, path, "several poolings side by side", err);
    s->without_prompt = !with_prompt;
    json_decref(config);
    return rc < 0 ? rc : 0;
}

/* What a dense step asks for that is not done; NULL: nothing. */
static const char *odd_dense(const b4c_embed_settings *s, const char *input, const char *output,
                             bool residual, bool known)
{
    if (s->normalize) return "Dense behind Normalize";
    if (s->n_dense == B4C_DENSE_MOST) return "more than four Dense";
    if (residual) return "Dense with use_residual";
    if (!known) return "another activation in Dense";
    return strcmp(input, "sentence_embedding") || strcmp(output, input) ? "Dense of tokens" : NULL;
}

static int read_dense(b4c_embed_settings *s, const char *folder, const char *part, b4c_error *err)
{
    static const struct { const char *name; b4c_act act; } acts[] = {
        { "Tanh", B4C_ACT_TANH }, { "Identity", B4C_ACT_NONE }, { "ReLU", B4C_ACT_RELU },
        { "GELU", B4C_ACT_GELU }, { "SiLU", B4C_ACT_SILU },
    };
    char path[PATH];
    const char *act = "Tanh", *input = "sentence_embedding", *output = input;
    long long in = 0, out = 0;
    bool residual = false, known = false;
    int rc;
    b4c_dense_settings d = { .bias = true };
    json_t *config = optional(folder, part, "config.json", path, &rc, err);
    if (!config && rc == 0)
        return b4c_fail(err, B4C_E_MISSING, "%s: the Dense step has no config.json", path);
    if (!config) return rc;
    rc = b4c_json_int(config, "in_features", 1, 1 << 20, &in, path, err);
    if (rc >= 0) rc = b4c_json_int(config, "out_features", 1, 1 << 20, &out, path, err);
    if (rc >= 0 && (!in || !out))
        rc = b4c_fail(err, B4C_E_FORMAT, "%s: wanted in_features and out_features", path);
    if (rc >= 0) rc = b4c_json_bool(config, "bias", &d.bias, path, err);
    if (rc >= 0) rc = b4c_json_bool(config, "use_residual", &residual, path, err);
    if (rc >= 0) rc = b4c_json_text(config, "activation_function", &act, path, err);
    if (rc >= 0) rc = b4c_json_text(config, "module_input_name", &input, path, err);
    output = input;
    if (rc >= 0) rc = b4c_json_text(config, "module_output_name", &output, path, err);
    const char *dot = strrchr(act, '.');
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(dot ? dot + 1 : act, acts[i].name) == 0) {
            d.act = acts[i].act;
            known = true;
        }
    const char *odd = rc < 0 ? NULL : odd_dense(s, input, output, residual, known);
    if (odd) rc = note_unsupported(s, path, odd, err);
    json_decref(config);
    if (rc < 0 || odd) return rc;
    d.in = (int)in;
    d.out = (int)out;
    d.folder = b4c_path_join(folder, part);
    s->dense[s->n_dense++] = d;
    return d.folder ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", path);
}

/* One step of modules.json; *found: it is the transformer. */
static int read_module(b4c_embed_settings *s, const char *folder, const json_t *module,
                       const char *where, bool *found, b4c_error *err)
{
    const char *type = NULL, *path = "";
    if (!json_is_object(module))
        return b4c_fail(err, B4C_E_FORMAT, "%s: a module is not an object", where);
    B4C_TRY(b4c_json_text(module, "type", &type, where, err));
    B4C_TRY(b4c_json_text(module, "path", &path, where, err));
    if (!type) return b4c_fail(err, B4C_E_FORMAT, "%s: a module has no 'type'", where);
    if (*path && !b4c_path_is_inside(path))
        return b4c_fail(err, B4C_E_FORMAT, "%s: path '%.200s' leaves the model's folder; refused",
                        where, path);
    const char *dot = strrchr(type, '.'), *name = dot ? dot + 1 : type;
    if (strcmp(name, "Transformer") == 0) {
        *found = true;
        if (!*path) return 0;
        free(s->folder);
        s->folder = b4c_path_join(folder, path);
        return s->folder ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", where);
    }
    if (strcmp(name, "Pooling") == 0) return read_pooling(s, folder, path, err);
    if (strcmp(name, "Dense") == 0 && *path) return read_dense(s, folder, path, err);
    if (strcmp(name, "Normalize") == 0) {
        s->normalize = true;
        return 0;
    }
    if (strcmp(name, "Dropout") == 0) return 0;   /* of training alone */
    return note_unsupported(s, where, name, err);
}

static int read_modules(b4c_embed_settings *s, const char *folder, b4c_error *err)
{
    char where[PATH];
    int rc;
    bool found = false;
    json_t *modules = optional(folder, "", "modules.json", where, &rc, err);
    if (!modules) return rc < 0 ? rc : read_pooling(s, folder, "1_Pooling", err);
    if (!json_is_array(modules))
        rc = b4c_fail(err, B4C_E_FORMAT, "%s: not a list of modules", where);
    for (size_t i = 0; rc == 0 && i < json_array_size(modules); i++)
        rc = read_module(s, folder, json_array_get(modules, i), where, &found, err);
    if (rc == 0 && !found && s->unsupported)
        rc = b4c_fail(err, B4C_E_UNSUPPORTED,
                      "%s: names no Transformer, and %s; a folder in it that has a config.json of "
                      "its own opens by itself",
                      where, s->unsupported);
    json_decref(modules);
    return rc;
}

/* How the transformer reads text: in the first of the files that there is, as
 * sentence-transformers has it. */
static int read_reading(b4c_embed_settings *s, b4c_error *err)
{
    char where[PATH];
    int rc = 0;
    long long length = 0;
    json_t *config = NULL;
    const char *name;
    for (int i = 0; !config && rc == 0 && (name = b4c_folder_name(i)); i++)
        if (!strncmp(name, "sentence_", 9))
            config = optional(s->folder, "", name, where, &rc, err);
    if (!config) return rc;
    rc = b4c_json_int(config, "max_seq_length", 1, 1 << 30, &length, where, err);
    if (rc >= 0) rc = b4c_json_bool(config, "do_lower_case", &s->lower_case, where, err);
    json_decref(config);
    s->max_length = (int)length;
    return rc < 0 ? rc : 0;
}

static int read_vectors(b4c_embed_settings *s, const char *folder, b4c_error *err)
{
    char where[PATH];
    const char *chosen = NULL, *name;
    json_t *value;
    long long dim = 0;
    int rc;
    json_t *config = optional(folder, "", "config_sentence_transformers.json", where, &rc, err);
    if (!config) return rc;
    json_t *prompts = json_object_get(config, "prompts");
    rc = b4c_json_int(config, "truncate_dim", 1, 1 << 30, &dim, where, err);
    s->dim = (int)dim;
    if (rc >= 0) rc = b4c_json_text(config, "default_prompt_name", &chosen, where, err);
    if (rc >= 0 && json_is_object(prompts)) {
        s->prompts = json_incref(prompts);
        json_object_foreach(prompts, name, value)
            if (!json_is_string(value) && rc >= 0)
                rc = b4c_fail(err, B4C_E_FORMAT, "%s: prompt '%.100s' is not a text", where, name);
    } else if (rc >= 0 && prompts && !json_is_null(prompts)) {
        rc = b4c_fail(err, B4C_E_FORMAT, "%s: 'prompts' is not an object", where);
    }
    if (rc >= 0 && chosen) {
        s->prompt = json_string_value(json_object_get(s->prompts, chosen));
        if (!s->prompt)
            rc = b4c_fail(err, B4C_E_FORMAT,
                          "%s: default_prompt_name is '%.100s', but there is no such prompt", where,
                          chosen);
    }
    json_decref(config);
    return rc < 0 ? rc : 0;
}

int b4c_embed_settings_read(b4c_embed_settings *s, const char *folder, b4c_error *err)
{
    *s = (b4c_embed_settings){ .folder = strdup(folder) };
    int rc = s->folder ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", folder);
    if (rc == 0) rc = read_modules(s, folder, err);
    if (rc == 0) rc = read_reading(s, err);
    if (rc == 0) rc = read_vectors(s, folder, err);
    if (rc < 0) b4c_embed_settings_done(s);
    return rc;
}

void b4c_embed_settings_done(b4c_embed_settings *s)
{
    free(s->folder);
    for (int i = 0; i < s->n_dense; i++) free(s->dense[i].folder);
    free(s->unsupported);
    json_decref(s->prompts);
    *s = (b4c_embed_settings){ 0 };
}
