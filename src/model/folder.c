/* folder.c - see folder.h. */
#include "model/folder.h"

#include "base/file.h"
#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tokenizer_files[] = {
    "vocab.txt",         "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "spiece.model",   "tokenizer.model",       "sentencepiece.bpe.model",
    "sentencepiece.model", "spm.model",    "vocab.json",            "merges.txt",
    "chat_template.jinja",
};
static const char *const setting_files[] = {
    "generation_config.json",     "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",  "sentence_roberta_config.json",
    "sentence_albert_config.json", "config_sentence_transformers.json",
};

static int copy_all(const char *const *name, size_t n, const char *from, const char *to,
                    b4c_error *err)
{
    int copied = 0;
    for (size_t i = 0; i < n; i++) {
        const int rc = b4c_folder_copy(from, to, name[i], err);
        B4C_TRY(rc);
        copied += rc;
    }
    return copied;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What a tokenizer's file is called in a model's folder. */
static const char *usual_name(const char *path)
{
    const char *name = b4c_path_name(path), *dot = strrchr(name, '.');
    for (size_t i = 0; i < COUNT(tokenizer_files); i++)
        if (strcmp(name, tokenizer_files[i]) == 0) return tokenizer_files[i];
    if (dot && strcmp(dot, ".model") == 0) return "spiece.model";
    return dot && strcmp(dot, ".json") == 0 ? "tokenizer.json" : "vocab.txt";
}

static int copy_file(const char *path, const char *to, b4c_error *err)
{
    b4c_file file;
    char *beside = b4c_path_folder(path);
    int rc = beside ? b4c_file_map(&file, path, err)
                    : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to copy it", path);
    if (rc == 0) {
        rc = b4c_folder_put(to, usual_name(path), file.data, file.size, err);
        b4c_file_unmap(&file);
    }
    if (rc == 0 && strcmp(usual_name(path), "vocab.json") == 0)
        rc = b4c_folder_copy(beside, to, "merges.txt", err);
    free(beside);
    return rc < 0 ? rc : rc + 1;
}

int b4c_copy_tokenizer(const char *from, const char *to, b4c_error *err)
{
    if (!b4c_folder_exists(from)) return copy_file(from, to, err);
    return copy_all(tokenizer_files, COUNT(tokenizer_files), from, to, err);
}

/* A step of modules.json behind the transformer: its settings, and weights as they are. */
static int copy_module(const json_t *module, const char *from, const char *to, b4c_error *err)
{
    static const char *const files[] = { "config.json", "model.safetensors", "pytorch_model.bin" };
    char name[512];
    const char *type = json_string_value(json_object_get(module, "type")),
               *path = json_string_value(json_object_get(module, "path")),
               *dot = type ? strrchr(type, '.') : NULL;
    if (!path || !b4c_path_is_inside(path) || (dot && strcmp(dot, ".Transformer") == 0)) return 0;
    for (size_t i = 0; i < COUNT(files); i++)
        if ((size_t)snprintf(name, sizeof name, "%s/%s", path, files[i]) < sizeof name)
            B4C_TRY(b4c_folder_copy(from, to, name, err));
    return 0;
}

static int copy_modules(const char *from, const char *to, b4c_error *err)
{
    char *path = b4c_path_join(from, "modules.json");
    if (!path) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to copy it", from);
    const bool there = b4c_file_exists(path);
    json_t *modules = there ? b4c_json_file(path, err) : NULL;
    int rc = !there || modules ? 0 : err && err->code < 0 ? err->code : B4C_E_FORMAT;
    for (size_t i = 0; rc == 0 && i < json_array_size(modules); i++)
        rc = copy_module(json_array_get(modules, i), from, to, err);
    json_decref(modules);
    free(path);
    return rc;
}

int b4c_copy_settings(const char *from, const char *to, b4c_error *err)
{
    const int rc = copy_all(setting_files, COUNT(setting_files), from, to, err);
    return rc < 0 ? rc : copy_modules(from, to, err);
}
