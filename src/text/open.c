/* open.c - a tokenizer from a folder or a file.
 *
 * Idea: a path leads to the place where the tokenizer stands (a model's weights have it beside
 * them, a GGUF file inside); the files that are there are mapped into a list of sources; make.c
 * makes the tokenizer from their texts.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "text/chat_files.h"
#include "text/gguf_tokens.h"
#include "text/tokenizer.h"

static const char *const source_name[B4C_SOURCES] = {
    [B4C_SOURCE_TOKENIZER] = "tokenizer.json",     [B4C_SOURCE_PIECES] = "spiece.model",
    [B4C_SOURCE_BPE] = "vocab.json",               [B4C_SOURCE_MERGES] = "merges.txt",
    [B4C_SOURCE_VOCABULARY] = "vocab.txt",         [B4C_SOURCE_CONFIG] = "tokenizer_config.json",
    [B4C_SOURCE_SPECIAL] = "special_tokens_map.json",
    [B4C_SOURCE_ADDED] = "added_tokens.json",      [B4C_SOURCE_MODEL] = "config.json",
    [B4C_SOURCE_BERT] = "bert_config.json",
    [B4C_SOURCE_CHAT_JSON] = "chat_template.json",
    [B4C_SOURCE_CHATS] = "additional_chat_templates",
    [B4C_SOURCE_CHAT] = "chat_template.jinja",
};

/* Files that hold a vocabulary, in the order that transformers looks for them; SentencePiece models
 * have many names. */
static const struct {
    int kind;
    const char *name;
} vocabulary_file[] = {
    { B4C_SOURCE_TOKENIZER, "tokenizer.json" },     { B4C_SOURCE_PIECES, "spiece.model" },
    { B4C_SOURCE_PIECES, "sentencepiece.bpe.model" }, { B4C_SOURCE_PIECES, "tokenizer.model" },
    { B4C_SOURCE_PIECES, "sentencepiece.model" },   { B4C_SOURCE_PIECES, "spm.model" },
    { B4C_SOURCE_BPE, "vocab.json" },               { B4C_SOURCE_VOCABULARY, "vocab.txt" },
};

typedef struct files {
    b4c_file file[B4C_SOURCES];
    char *path[B4C_SOURCES];
    b4c_source source[B4C_SOURCES];
    char *chats;             /* what b4c_chat_gather made */
} files;

/* Map `path` (handed over) as a source. */
static int map_source(files *f, int kind, char *path, b4c_error *err)
{
    if (!path) return b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
    f->path[kind] = path;
    B4C_TRY(b4c_file_map(&f->file[kind], path, err));
    f->source[kind] = (b4c_source){ (const char *)f->file[kind].data, f->file[kind].size, path };
    return 0;
}

static int map_if_there(files *f, int kind, const char *folder, b4c_error *err)
{
    char *path = b4c_path_join(folder, source_name[kind]);
    if (path && !b4c_file_exists(path)) {
        free(path);
        return 0;
    }
    return map_source(f, kind, path, err);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcasecmp(text + n - k, end) == 0;
}

/* The folder's vocabulary, malloc'ed, and its kind. NULL: it has none. */
static char *find_vocabulary(const char *folder, int *kind)
{
    for (size_t i = 0; i < sizeof vocabulary_file / sizeof *vocabulary_file; i++) {
        char *path = b4c_path_join(folder, vocabulary_file[i].name);
        *kind = vocabulary_file[i].kind;
        if (path && b4c_file_exists(path)) return path;
        free(path);
    }
    return NULL;
}

static bool vocabulary_in(const char *folder)
{
    int kind;
    char *path = find_vocabulary(folder, &kind);
    free(path);
    return path != NULL;
}

/* Map a vocabulary (its path is handed over) and what belongs to it. */
static int map_vocabulary(files *f, int kind, char *path, const char *folder, b4c_error *err)
{
    B4C_TRY(map_source(f, kind, path, err));
    return kind == B4C_SOURCE_BPE ? map_if_there(f, B4C_SOURCE_MERGES, folder, err) : 0;
}

static int map_folder(files *f, const char *folder, b4c_error *err)
{
    int kind;
    char *path = find_vocabulary(folder, &kind);
    return path ? map_vocabulary(f, kind, path, folder, err) : 0;
}

static int map_file(files *f, const char *path, const char *folder, b4c_error *err)
{
    const bool json = ends_with(path, ".json");
    int kind = json                        ? B4C_SOURCE_TOKENIZER
               : ends_with(path, ".model") ? B4C_SOURCE_PIECES
                                           : B4C_SOURCE_VOCABULARY;
    if (strcmp(b4c_path_name(path), source_name[B4C_SOURCE_BPE]) == 0) kind = B4C_SOURCE_BPE;
    return map_vocabulary(f, kind, strdup(path), folder, err);
}

static bool has_vocabulary(const files *f)
{
    for (int i = 0; i < B4C_SOURCE_CONFIG; i++)
        if (f->path[i]) return true;
    return false;
}

static void drop(files *f)
{
    for (int i = 0; i < B4C_SOURCES; i++) {
        b4c_file_unmap(&f->file[i]);
        free(f->path[i]);
    }
    free(f->chats);
}

static int gather(files *f, const char *path, bool is_folder, const char *folder, b4c_error *err)
{
    B4C_TRY(is_folder ? map_folder(f, folder, err) : map_file(f, path, folder, err));
    if (!has_vocabulary(f)) return 0;
    for (int i = B4C_SOURCE_CONFIG; i < B4C_SOURCES; i++)
        if (i != B4C_SOURCE_CHATS) B4C_TRY(map_if_there(f, i, folder, err));
    b4c_source *chats = &f->source[B4C_SOURCE_CHATS];
    B4C_TRY(b4c_chat_gather(folder, &f->chats, &chats->bytes, err));
    chats->text = f->chats;
    chats->name = source_name[B4C_SOURCE_CHATS];
    return 0;
}

/* The GGUF file of a folder, or the first part of one, malloc'ed. NULL: err says why. */
static char *find_gguf(const char *folder, b4c_error *err)
{
    char *found = NULL;
    int n = 0;
    DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        const char *name = entry->d_name, *of = strstr(name, "-of-");
        const bool later = of && of - name >= 6 && memcmp(of - 6, "-00001", 6) != 0;
        if (!ends_with(name, ".gguf") || later || n++) continue;
        found = b4c_path_join(folder, name);
    }
    if (list) closedir(list);
    if (n == 1 && found) return found;
    free(found);
    if (n > 1)
        b4c_fail(err, B4C_E_ARG, "%s: %d GGUF files in this folder: name the one that is meant",
                 folder, n);
    else
        b4c_fail(err, B4C_E_MISSING,
                 "%s: no tokenizer.json, SentencePiece model, vocab.json, vocab.txt or GGUF file "
                 "in this folder",
                 folder);
    return NULL;
}

static b4c_tokenizer *open_gguf(const char *path, const b4c_tokenizer_options *o, b4c_error *err)
{
    b4c_file file = { 0 };
    b4c_gguf gguf = { 0 };
    b4c_tokenizer *t = NULL;
    if (b4c_file_map(&file, path, err) == 0 &&
        b4c_gguf_open(&gguf, (b4c_span){ file.data, file.size }, path, err) == 0)
        t = b4c_tokenizer_from_gguf(&gguf, o, err);
    b4c_gguf_done(&gguf);
    b4c_file_unmap(&file);
    return t;
}

/* Weights, or a prefix that several files have in common (TensorFlow): a path that is no file, but
 * not by a tokenizer's name. */
static bool is_weights(const char *path)
{
    static const char *const end[] = { ".safetensors", ".onnx", ".bin",  ".pt",      ".pth",
                                       ".h5",          ".hdf5", ".ckpt", ".weights", ".index",
                                       ".index.json" };
    for (size_t i = 0; i < sizeof end / sizeof *end; i++)
        if (ends_with(path, end[i])) return true;
    if (strstr(b4c_path_name(path), ".data-")) return true;
    return !b4c_file_exists(path) && !ends_with(path, ".json") && !ends_with(path, ".txt") &&
           !ends_with(path, ".model");
}

/* Where the tokenizer of a model stands, malloc'ed: beside its weights, there as tokenizer.json or
 * as FILE-tokenizer.json, or, for FOLDER/onnx/model.onnx, one folder up. NULL: no memory. */
static char *find_place(const char *path)
{
    if (b4c_folder_exists(path) || !is_weights(path)) return strdup(path);
    char *folder = b4c_path_folder(path);
    if (!folder || vocabulary_in(folder)) return folder;
    const char *dot = strrchr(b4c_path_name(path), '.');
    const size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    char *other = malloc(stem + sizeof "-tokenizer.json");
    if (other) {
        memcpy(other, path, stem);
        strcpy(other + stem, "-tokenizer.json");
        if (!b4c_file_exists(other)) {
            free(other);
            other = b4c_path_around(folder, "onnx");
            if (other && !vocabulary_in(other)) {
                free(other);
                other = NULL;
            }
        }
    }
    if (!other && !b4c_file_exists(path)) other = strdup(path); /* it is told that there is none */
    if (!other) return folder;
    free(folder);
    return other;
}

b4c_tokenizer *b4c_tokenizer_read(const char *model, const b4c_tokenizer_options *o,
                                  b4c_error *err)
{
    if (ends_with(model, ".gguf") && !b4c_folder_exists(model)) return open_gguf(model, o, err);
    files f = { 0 };
    b4c_tokenizer *t = NULL;
    char *path = find_place(model), *gguf = NULL, *folder = NULL;
    const bool is_folder = path && b4c_folder_exists(path);
    if (path) folder = is_folder ? strdup(path) : b4c_path_folder(path);
    if (!folder) b4c_fail(err, B4C_E_MEMORY, "tokenizer: no memory");
    else if (gather(&f, path, is_folder, folder, err) == 0) {
        if (has_vocabulary(&f)) t = b4c_tokenizer_make(f.source, o, err);
        else if ((gguf = find_gguf(folder, err))) t = open_gguf(gguf, o, err);
    }
    drop(&f);
    free(gguf);
    free(folder);
    free(path);
    return t;
}
