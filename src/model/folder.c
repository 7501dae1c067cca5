/* folder.c - see folder.h. */
#include "model/folder.h"

#include "base/file.h"
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
    "1_Pooling/config.json",      "2_Normalize/config.json",
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

int b4c_copy_settings(const char *from, const char *to, b4c_error *err)
{
    const int rc = copy_all(setting_files, COUNT(setting_files), from, to, err);
    return rc < 0 ? rc : 0;
}
