/* convert.c - b4c_convert: a model of any layout as a folder in the hub's.
 *
 * The idea: the folder is made beside its place under another name, whole, and then takes the name;
 * until then nothing that was there is touched. Weights are convert.h's; what stands beside them is
 * copied where it is the hub's already, and else written from what was read.
 */
#include "api/place.h"
#include "base/error.h"
#include "base/file.h"
#include "model/classes.h"
#include "model/config.h"
#include "model/convert.h"
#include "model/folder.h"
#include "text/gguf_tokens.h"
#include "text/simplify.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096 };

typedef struct source {
    const char *path;
    b4c_place place;
    b4c_embed_settings settings;
    b4c_store store;
    b4c_spec spec;
    json_t *config;          /* as it was read, or made */
    bool head;
    const b4c_convert_options *wish;
    b4c_tokenizer_info tokens; /* wish->simplify: what the old tokenizer was */
    b4c_simplified simple;
    bool cut;                /* rows of the token table go */
} source;

static const char *stored_name(b4c_dtype dtype)
{
    return dtype == B4C_F32 ? "float32" : "bfloat16";
}

/* ---- config.json ---------------------------------------------------------------------------- */

/* What the spec does not hold and a configuration of any family may say. */
static void keep_the_rest(json_t *config, const json_t *from)
{
    static const char *const keys[] = {
        "bos_token_id",      "eos_token_id",        "pad_token_id",
        "sep_token_id",      "cls_token_id",        "decoder_start_token_id",
        "is_decoder",        "initializer_range",   "hidden_dropout_prob",
        "attention_probs_dropout_prob",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(from, keys[i]);
        if (value) json_object_set(config, keys[i], value);
    }
}

/* The tokenizer's rules would be taken for the hub's, now that the folder looks like one of its. */
static int keep_dialect(const source *s, json_t *config)
{
    b4c_tokenizer_info info;
    b4c_tokenizer *t = b4c_tokenizer_open(s->path, B4C_DIALECT_AUTO, NULL);
    if (!t) return 0;
    b4c_tokenizer_describe(t, &info);
    b4c_tokenizer_free(t);
    if (info.dialect == B4C_DIALECT_BERT4KERAS)
        json_object_set_new(config, "bert4c_dialect", json_string("bert4keras"));
    return 0;
}

/* Tokens that the configuration names have other numbers now, or none. */
static void renumber(const source *s, json_t *config)
{
    static const char *const keys[] = { "bos_token_id", "eos_token_id", "pad_token_id",
                                        "sep_token_id", "cls_token_id", "mask_token_id",
                                        "decoder_start_token_id" };
    json_object_set_new(config, "vocab_size", json_integer(s->simple.n));
    for (size_t i = 0; s->cut && i < sizeof keys / sizeof *keys; i++) {
        const json_t *old = json_object_get(config, keys[i]);
        int k = 0;
        if (!json_is_integer(old)) continue;
        while (k < s->simple.n && b4c_simplified_keep(&s->simple)[k] != json_integer_value(old))
            k++;
        if (k < s->simple.n) json_object_set_new(config, keys[i], json_integer(k));
        else json_object_del(config, keys[i]);
    }
}

static int put_config(const source *s, b4c_dtype dtype, const char *folder, b4c_error *err)
{
    const b4c_convert_options *o = s->wish;
    const bool hub = json_object_get(s->config, "model_type") && !b4c_store_gguf(&s->store);
    json_t *config = hub ? json_deep_copy(s->config) : b4c_config_write(&s->spec, s->head, err);
    if (!config) return b4c_fail(err, B4C_E_MEMORY, "no memory for the configuration");
    if (!hub) keep_the_rest(config, s->config);
    json_object_del(config, "dtype");
    json_object_del(config, "quantization_config");
    json_object_set_new(config, "torch_dtype", json_string(stored_name(dtype)));
    if (dtype == B4C_I8 || dtype == B4C_I4)
        json_object_set_new(config, "quantization_config",
                            json_pack("{s:s,s:s,s:i}", "quant_method", "bert4c", "dtype",
                                      b4c_dtype_name(dtype), "format", B4C_CODES_FORMAT));
    if (o->as) json_object_set_new(config, "bert4c_as", json_string(o->as));
    keep_dialect(s, config);
    if (o->simplify) renumber(s, config);
    const int rc = b4c_folder_put_json(folder, "config.json", config, err);
    json_decref(config);
    return rc;
}

/* ---- what stands beside --------------------------------------------------------------------- */

/* A model that begins in a folder of its own below modules.json begins beside it now. */
static int put_modules(const source *s, const char *folder, b4c_error *err)
{
    char path[PATH];
    if (!s->place.is_folder || strcmp(s->settings.folder, s->path) == 0) return 0;
    snprintf(path, sizeof path, "%s/modules.json", s->path);
    json_t *modules = b4c_json_file(path, err), *one;
    if (!modules) return err && err->code < 0 ? err->code : B4C_E_FORMAT;
    size_t i;
    json_array_foreach(modules, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));
        const char *dot = type ? strrchr(type, '.') : NULL;
        if (dot && strcmp(dot, ".Transformer") == 0)
            json_object_set_new(one, "path", json_string(""));
    }
    const int rc = b4c_folder_put_json(folder, "modules.json", modules, err);
    json_decref(modules);
    return rc;
}

/* Which tokens begin and end, as generation_config.json says it. */
static int put_generation(const source *s, const char *folder, b4c_error *err)
{
    static const char *const keys[] = { "bos_token_id", "eos_token_id", "pad_token_id" };
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *id = json_object_get(s->config, keys[i]);
        if (id) json_object_set(o, keys[i], id);
    }
    const int rc = json_object_size(o) == 0
                       ? 0
                       : b4c_folder_put_json(folder, "generation_config.json", o, err);
    json_decref(o);
    return rc;
}

/* FILE-tokenizer.json beside FILE.onnx. */
static int copy_named_after(const source *s, const char *folder, b4c_error *err)
{
    char path[PATH];
    const char *dot = strrchr(s->path, '.');
    const int stem = dot && !strchr(dot, '/') ? (int)(dot - s->path) : (int)strlen(s->path);
    if (snprintf(path, sizeof path, "%.*s-tokenizer.json", stem, s->path) >= PATH ||
        !b4c_file_exists(path))
        return 0;
    return b4c_copy_tokenizer(path, folder, err);
}

/* vocab.txt, and beside it what tokenizer.json, which has the old one, may have said alone. */
static int put_simplified(const source *s, const char *folder, b4c_error *err)
{
    char path[PATH];
    const char *from = s->place.folder;
    json_t *config = NULL;
    if (snprintf(path, sizeof path, "%s/tokenizer_config.json", from) < PATH &&
        b4c_file_exists(path)) {
        config = b4c_json_file(path, err);
        if (!config) return err && err->code < 0 ? err->code : B4C_E_FORMAT;
    }
    if (!config) config = json_object();
    json_object_del(config, "added_tokens_decoder");   /* by their old numbers */
    json_object_set_new(config, "do_lower_case", json_boolean(s->tokens.lower_case));
    json_object_set_new(config, "strip_accents", json_boolean(s->tokens.strip_accents));
    json_object_set_new(config, "tokenize_chinese_chars", json_boolean(s->tokens.chinese_chars));
    int rc = b4c_folder_put_json(folder, "tokenizer_config.json", config, err);
    json_decref(config);
    if (rc == 0) rc = b4c_folder_copy(from, folder, "special_tokens_map.json", err);
    if (rc < 0) return rc;
    return b4c_folder_put(folder, "vocab.txt", s->simple.text.data, s->simple.text.size, err);
}

static int put_tokenizer(const source *s, const char *folder, json_t *report, b4c_error *err)
{
    if (s->wish->simplify) return put_simplified(s, folder, err);
    const b4c_gguf *g = b4c_store_gguf(&s->store);
    if (g && b4c_gguf_find(g, "tokenizer.ggml.model")) return b4c_gguf_tokens_write(g, folder, err);
    int copied = b4c_copy_tokenizer(s->place.folder, folder, err);
    if (copied == 0) copied = copy_named_after(s, folder, err);
    B4C_TRY(copied);
    if (copied == 0)
        json_object_set_new(report, "tokenizer_note",
                            json_string("the model came without a tokenizer"));
    return 0;
}

static int put_beside(const source *s, b4c_dtype dtype, const char *folder, json_t *report,
                      b4c_error *err)
{
    B4C_TRY(put_config(s, dtype, folder, err));
    B4C_TRY(put_tokenizer(s, folder, report, err));
    if (b4c_store_gguf(&s->store)) return put_generation(s, folder, err);
    B4C_TRY(b4c_copy_settings(s->place.folder, folder, err));
    if (!s->place.is_folder) return 0;
    B4C_TRY(b4c_copy_settings(s->path, folder, err));
    return put_modules(s, folder, err);
}

/* ---- the vocabulary ------------------------------------------------------------------------- */

/* The simplified vocabulary, and whether the token table has its rows already. */
static int simplify(source *s, json_t *report, b4c_error *err)
{
    b4c_tokenizer *t = b4c_tokenizer_open(s->path, B4C_DIALECT_AUTO, err);
    int64_t rows = 0;
    if (!t) return err && err->code < 0 ? err->code : B4C_E_MISSING;
    const int old = b4c_tokenizer_count(t);
    int rc = b4c_simplify(&s->simple, t, s->wish->simplify, err);
    b4c_tokenizer_describe(t, &s->tokens);
    if (rc == 0) rc = b4c_store_tokens(&s->store, &s->spec, &rows, err);
    b4c_tokenizer_free(t);
    if (rc < 0) return rc;
    const int n = s->simple.n;
    s->cut = rows >= old;
    if (!s->cut && rows != n)
        return b4c_fail(err, B4C_E_SHAPE,
                        "%s: the token table has %lld rows; wanted the vocabulary's %d, or the %d "
                        "that are left of it (tokens that stand first are counted)",
                        s->path, (long long)rows, old, n);
    if (!s->cut) s->spec.vocabulary = n;
    json_object_set_new(report, "tokens_before", json_integer(old));
    json_object_set_new(report, "tokens_after", json_integer(n));
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int open_source(source *s, json_t *report, b4c_error *err)
{
    int length = 0;
    B4C_TRY(b4c_place_find(&s->place, &s->settings, s->path, err));
    B4C_TRY(b4c_store_open(&s->store, s->place.weights, err));
    B4C_TRY(b4c_place_config(&s->place, &s->store, s->wish->as, &s->spec, &s->config, report,
                             &length, err));
    if (s->wish->simplify) B4C_TRY(simplify(s, report, err));
    json_object_set_new(report, "architecture", json_string(s->spec.architecture));
    json_object_set_new(report, "layout", json_string(s->store.layout));
    return 0;
}

static void close_source(source *s)
{
    b4c_store_close(&s->store);
    b4c_place_done(&s->place);
    b4c_embed_settings_done(&s->settings);
    json_decref(s->config);
    b4c_simplified_done(&s->simple);
}

static int fill(source *s, b4c_dtype dtype, const char *folder, json_t *report, b4c_error *err)
{
    char path[PATH];
    b4c_classes classes;
    B4C_TRY(b4c_classes_read(&classes, s->config, s->place.folder, err));
    const b4c_conversion how = { .dtype = dtype, .threads = b4c_load_threads(),
                                 .classifier = classes.said,
                                 .progress = s->wish->progress, .arg = s->wish->progress_arg,
                                 .keep = s->cut ? b4c_simplified_keep(&s->simple) : NULL,
                                 .n_keep = s->simple.n };
    if (snprintf(path, sizeof path, "%s/model.safetensors", folder) >= PATH)
        return b4c_fail(err, B4C_E_ARG, "%.100s: the name of the folder is too long", folder);
    B4C_TRY(b4c_convert_weights(path, &s->store, &s->spec, &how, &s->head, report, err));
    json_object_set_new(report, "dtype", json_string(b4c_dtype_name(dtype)));
    if (s->cut) s->spec.vocabulary = s->simple.n;
    return put_beside(s, dtype, folder, report, err);
}

static int check(const char *folder, const b4c_convert_options *o, b4c_error *err)
{
    if (!folder || !*folder || strlen(folder) > PATH / 2)
        return b4c_fail(err, B4C_E_ARG, "the folder's name is %s",
                        folder && *folder ? "too long" : "empty");
    if (o->dtype < B4C_AUTO || o->dtype > B4C_I4)
        return b4c_fail(err, B4C_E_ARG, "dtype %d does not exist", (int)o->dtype);
    if (b4c_file_exists(folder))
        return b4c_fail(err, B4C_E_ARG, "%s: found a file, wanted the name of a folder", folder);
    if (b4c_folder_exists(folder) && !o->force)
        return b4c_fail(err, B4C_E_ARG,
                        "%s: found a folder of that name; another name, or force, which replaces "
                        "it",
                        folder);
    return 0;
}

int b4c_convert(const char *path, const char *folder, const b4c_convert_options *options,
                char **report, b4c_error *err)
{
    const b4c_convert_options o = options ? *options : B4C_CONVERT_DEFAULT;
    const b4c_dtype dtype = o.dtype == B4C_AUTO ? B4C_F32 : o.dtype;
    source s = { .path = path, .wish = &o };
    char part[PATH];
    if (report) *report = NULL;
    if (!path || !*path || strlen(path) > PATH / 2)
        return b4c_fail(err, B4C_E_ARG, "the model's path is %s", path && *path ? "too long"
                                                                                : "empty");
    B4C_TRY(check(folder, &o, err));
    B4C_TRY(b4c_kernels_check(err));
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    snprintf(part, sizeof part, "%.*s.part", (int)n, folder);
    json_t *said = json_object();
    int rc = open_source(&s, said, err);
    if (rc == 0) rc = b4c_folder_remove(part, err);
    if (rc == 0) rc = b4c_folder_make(part, err);
    const bool made = rc == 0;
    if (rc == 0) rc = fill(&s, dtype, part, said, err);
    part[n] = '\0';
    char target[PATH];
    snprintf(target, sizeof target, "%s", part);
    part[n] = '.';
    if (rc == 0) rc = b4c_folder_replace(part, target, err);
    if (rc < 0 && made) (void)b4c_folder_remove(part, NULL);
    if (rc == 0 && report && !(*report = json_dumps(said, JSON_COMPACT)))
        rc = b4c_fail(err, B4C_E_MEMORY, "no memory for the report");
    json_decref(said);
    close_source(&s);
    return rc;
}
