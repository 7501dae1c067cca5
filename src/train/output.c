/* output.c - see output.h. */
#include "train/output.h"
#include "base/error.h"
#include "base/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH = 4096 };

/* What a tokenizer may consist of, and what else a model's folder may hold beside its weights. */
static const char *const tokenizer_files[] = {
    "vocab.txt",   "tokenizer.json",   "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "spiece.model", "tokenizer.model",     "sentencepiece.bpe.model",
    "vocab.json",  "merges.txt",       "chat_template.jinja",
};
static const char *const other_files[] = {
    "generation_config.json", "modules.json", "1_Pooling/config.json",
    "sentence_bert_config.json", "config_sentence_transformers.json",
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

char *b4c_output_path(const char *folder, const char *name, b4c_error *err)
{
    char *path = b4c_path_join(folder, name);
    if (!path) b4c_fail(err, B4C_E_MEMORY, "%s: no memory for a file's name", folder);
    return path;
}

static int make_folder(const char *path, b4c_error *err)
{
    char part[PATH];
    if (snprintf(part, sizeof part, "%s", path) >= PATH)
        return b4c_fail(err, B4C_E_ARG, "%.100s...: the name of the folder is too long", path);
    for (char *c = part + 1;; c++) {
        if (*c && *c != '/') continue;
        const char end = *c;
        *c = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return b4c_fail(err, B4C_E_IO, "%s: cannot make this folder: %s", part,
                            strerror(errno));
        *c = end;
        if (!end) break;
    }
    if (!b4c_folder_exists(path))
        return b4c_fail(err, B4C_E_IO, "%s: this is no folder; name another output", path);
    return 0;
}

static int write_bytes(const char *folder, const char *name, const void *bytes, size_t n,
                       b4c_error *err)
{
    char *path = b4c_output_path(folder, name, err);
    b4c_writer w = { 0 };
    if (!path) return B4C_E_MEMORY;
    int rc = b4c_writer_open(&w, path, err);
    if (rc == 0) rc = b4c_writer_write(&w, bytes, n, err);
    if (rc == 0) rc = b4c_writer_commit(&w, err);
    b4c_writer_drop(&w);
    free(path);
    return rc;
}

int b4c_output_json(const char *folder, const char *name, const json_t *o, b4c_error *err)
{
    char *text = json_dumps(o, JSON_INDENT(2));
    const int rc = text ? write_bytes(folder, name, text, strlen(text), err)
                        : b4c_fail(err, B4C_E_MEMORY, "%s/%s: no memory to write it", folder, name);
    free(text);
    return rc;
}

/* The file, if it is there, under its own name. */
static int copy(const char *from, const char *to, const char *name, b4c_error *err)
{
    char path[PATH];
    b4c_file file;
    if (snprintf(path, sizeof path, "%s/%s", from, name) >= PATH || !b4c_file_exists(path))
        return 0;
    B4C_TRY(b4c_file_map(&file, path, err));
    const int rc = write_bytes(to, name, file.data, file.size, err);
    b4c_file_unmap(&file);
    return rc;
}

/* What a tokenizer's file is called in a model's folder. */
static const char *usual_name(const char *path)
{
    const char *name = b4c_path_name(path), *dot = strrchr(name, '.');
    for (size_t i = 0; i < COUNT(tokenizer_files); i++)
        if (strcmp(name, tokenizer_files[i]) == 0) return tokenizer_files[i];
    if (dot && strcmp(dot, ".model") == 0) return "spiece.model";
    return dot && strcmp(dot, ".json") == 0 ? "tokenizer.json" : "vocab.txt";
}

/* One file, with the merges beside it where it needs some. */
static int copy_file(const char *folder, const char *path, b4c_error *err)
{
    b4c_file file;
    char *beside = b4c_path_folder(path);
    int rc = beside ? b4c_file_map(&file, path, err) : b4c_fail(err, B4C_E_MEMORY, "no memory");
    if (rc == 0) {
        rc = write_bytes(folder, usual_name(path), file.data, file.size, err);
        b4c_file_unmap(&file);
    }
    if (rc == 0 && strcmp(usual_name(path), "vocab.json") == 0)
        rc = copy(beside, folder, "merges.txt", err);
    free(beside);
    return rc;
}

static int copy_tokenizer(const char *folder, const char *tokenizer, b4c_error *err)
{
    if (!b4c_folder_exists(tokenizer)) return copy_file(folder, tokenizer, err);
    for (size_t i = 0; i < COUNT(tokenizer_files); i++)
        B4C_TRY(copy(tokenizer, folder, tokenizer_files[i], err));
    return 0;
}

/* sentence-transformers' files, where it knows the pooling. */
static int write_pooling(const char *folder, const b4c_task *k, int width, b4c_error *err)
{
    const bool mean = k->pooling == B4C_TASK_MEAN, first = k->pooling == B4C_TASK_FIRST;
    if ((!k->by_pair && k->vectors == B4C_VECTORS_FREE) || (!mean && !first)) return 0;
    json_t *modules = json_pack("[{s:i,s:s,s:s,s:s},{s:i,s:s,s:s,s:s}]", "idx", 0, "name", "0",
                                "path", "", "type", "sentence_transformers.models.Transformer",
                                "idx", 1, "name", "1", "path", "1_Pooling", "type",
                                "sentence_transformers.models.Pooling");
    json_t *pooling = json_pack("{s:i,s:b,s:b,s:b}", "word_embedding_dimension", width,
                                "pooling_mode_cls_token", first, "pooling_mode_mean_tokens", mean,
                                "pooling_mode_max_tokens", 0);
    char *part = b4c_output_path(folder, "1_Pooling", err);
    int rc = modules && pooling && part ? make_folder(part, err) : B4C_E_MEMORY;
    if (rc == 0) rc = b4c_output_json(folder, "modules.json", modules, err);
    if (rc == 0) rc = b4c_output_json(part, "config.json", pooling, err);
    free(part);
    json_decref(modules);
    json_decref(pooling);
    return rc;
}

int b4c_output_begin(const char *folder, const char *source, const char *tokenizer,
                     const json_t *config, const json_t *recipe, const b4c_task *k, int width,
                     b4c_error *err)
{
    char part[PATH];
    if (snprintf(part, sizeof part, "%s/checkpoint", folder) >= PATH)
        return b4c_fail(err, B4C_E_ARG, "%.100s...: the name of the folder is too long", folder);
    B4C_TRY(make_folder(part, err));
    if (source) {
        snprintf(part, sizeof part, "%s/1_Pooling", source);
        const bool has_pooling = b4c_folder_exists(part);
        snprintf(part, sizeof part, "%s/1_Pooling", folder);
        if (has_pooling) B4C_TRY(make_folder(part, err));
        for (size_t i = 0; i < COUNT(other_files); i++)
            B4C_TRY(copy(source, folder, other_files[i], err));
    }
    B4C_TRY(copy_tokenizer(folder, tokenizer ? tokenizer : source, err));
    B4C_TRY(write_pooling(folder, k, width, err));
    B4C_TRY(b4c_output_json(folder, "config.json", config, err));
    return b4c_output_json(folder, "recipe.json", recipe, err);
}

/* ---- a batch as JSON ------------------------------------------------------------------------- */

static void put_ints(json_t *o, const char *key, const int32_t *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_integer(x[i]));
    json_object_set_new(o, key, list);
}

json_t *b4c_output_batch(const b4c_batch *b)
{
    json_t *o = json_object(), *labels = json_array();
    put_ints(o, "ids", b->ids, b->n_rows);
    put_ints(o, "segments", b->segments, b->n_rows);
    put_ints(o, "targets", b->targets, b->n_rows);
    put_ints(o, "sequences", b->seq_off, b->n_seq + 1);
    put_ints(o, "decoder_ids", b->out_ids, b->n_out);
    put_ints(o, "decoder_targets", b->out_targets, b->n_out);
    put_ints(o, "decoder_sequences", b->out_off, b->n_seq + 1);
    put_ints(o, "examples", b->example_off, b->n_examples + 1);
    for (int i = 0; i < b->n_examples; i++)
        json_array_append_new(labels, json_real((double)b->label[i]));
    json_object_set_new(o, "labels", labels);
    return o;
}
