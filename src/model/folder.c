/* folder.c - see folder.h. */
#include "model/folder.h"

#include "base/file.h"
#include "base/json.h"
#include "text/chat_files.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum role { MODEL, TOKENIZER, SETTING } role;

/* Every file that may stand in a model's folder beside its weights, its modules' folders and
 * additional_chat_templates. config.json, without which nothing opens, is the last. */
static const struct {
    const char *name;
    role role;
} known[] = {
    { "vocab.txt", TOKENIZER },
    { "tokenizer.json", TOKENIZER },
    { "tokenizer_config.json", TOKENIZER },
    { "special_tokens_map.json", TOKENIZER },
    { "added_tokens.json", TOKENIZER },
    { "spiece.model", TOKENIZER },
    { "sentencepiece.bpe.model", TOKENIZER },
    { "tokenizer.model", TOKENIZER },
    { "sentencepiece.model", TOKENIZER },
    { "spm.model", TOKENIZER },
    { "vocab.json", TOKENIZER },
    { "merges.txt", TOKENIZER },
    { "chat_template.jinja", TOKENIZER },
    { "chat_template.json", TOKENIZER },
    { "generation_config.json", SETTING },
    { "modules.json", SETTING },
    /* how the transformer reads text: the first that there is, as sentence-transformers has it */
    { "sentence_bert_config.json", SETTING },
    { "sentence_roberta_config.json", SETTING },
    { "sentence_distilbert_config.json", SETTING },
    { "sentence_camembert_config.json", SETTING },
    { "sentence_albert_config.json", SETTING },
    { "sentence_xlm-roberta_config.json", SETTING },
    { "sentence_xlnet_config.json", SETTING },
    { "config_sentence_transformers.json", SETTING },
    { "1_Pooling/config.json", SETTING },
    { "bert_config.json", MODEL },
    { "albert_config.json", MODEL },
    { "config.json", MODEL },
};
enum { KNOWN = sizeof known / sizeof *known };

const char *b4c_folder_name(int i) { return i >= 0 && i < KNOWN ? known[i].name : NULL; }

/* Files of one role; returns how many there were. */
static int copy_all(role wanted, const char *from, const char *to, b4c_error *err)
{
    int copied = 0;
    for (int i = 0; i < KNOWN; i++) {
        if (known[i].role != wanted) continue;
        const int rc = b4c_folder_copy(from, to, known[i].name, err);
        B4C_TRY(rc);
        copied += rc;
    }
    return copied;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* additional_chat_templates: each file in it. */
static int copy_chats(const char *from, const char *to, b4c_error *err)
{
    struct dirent **entry = NULL;
    char name[sizeof B4C_CHAT_FOLDER + sizeof (*entry)->d_name];
    const int n = b4c_chat_list(from, &entry, err);
    int rc = n < 0 ? n : 0;
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s/%s", B4C_CHAT_FOLDER, entry[i]->d_name);
        if (rc >= 0) rc = b4c_folder_copy(from, to, name, err);
        free(entry[i]);
    }
    free(entry);
    return rc < 0 ? rc : 0;
}

/* What a tokenizer's file is called in a model's folder. */
static const char *usual_name(const char *path)
{
    const char *name = b4c_path_name(path), *dot = strrchr(name, '.');
    for (int i = 0; i < KNOWN; i++)
        if (known[i].role == TOKENIZER && strcmp(name, known[i].name) == 0) return known[i].name;
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
    const int n = copy_all(TOKENIZER, from, to, err);
    const int rc = n > 0 ? copy_chats(from, to, err) : 0;
    return rc < 0 ? rc : n;
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
    const int rc = copy_all(SETTING, from, to, err);
    return rc < 0 ? rc : copy_modules(from, to, err);
}
