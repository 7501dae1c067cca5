/* open.c - from a path to the reader that fits: folders, prefixes, indexes of shards, and what a
 * file's bytes say it is.
 *
 * Idea: names choose which file of a folder is meant; after that only content counts. Another
 * layout is one more line in `layouts`. A file that is none of them is named for what it is where
 * people run into it (a Git LFS pointer, an HTML page), because "damaged" would send them the
 * wrong way.
 */
#include "model/format/reader.h"

#include "base/gguf.h"
#include "base/json.h"
#include "model/format/hdf5.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- content -------------------------------------------------------------------------------- */

static const struct layout {
    const char *name;
    bool (*is)(b4c_span);
    int (*read)(b4c_store *, int file, b4c_error *);
} layouts[] = {
    { "safetensors", b4c_safetensors_is, b4c_safetensors_read },
    { "torch", b4c_torch_is, b4c_torch_read },
    { "tf1", b4c_tf1_is, b4c_tf1_read },
    { "hdf5", b4c_hdf5_is, b4c_keras_hdf5_read },
    { "gguf", b4c_gguf_is, b4c_gguf_read },
    { "onnx", b4c_onnx_is, b4c_onnx_read }, /* last: a protobuf has no mark */
};

static const struct {
    const char *starts, *what;
} others[] = {
    { "\x93NUMPY", "an array of NumPy, not a checkpoint" },
    { "version https://git-lfs",
      "a Git LFS pointer: fetch the file that it stands for (git lfs pull)" },
    { "<", "a page of HTML or XML: the download went wrong, fetch it again" },
};

static int unknown(const char *path, b4c_span bytes, b4c_error *err)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (b4c_span_starts(bytes, others[i].starts))
            return b4c_fail(err, B4C_E_FORMAT, "%s: is %s", path, others[i].what);
    if (bytes.size == 0)
        return b4c_fail(err, B4C_E_FORMAT, "%s: is empty, wanted a checkpoint", path);
    char first[3 * 8 + 1] = "";
    for (size_t i = 0; i < 8 && i < bytes.size; i++)
        snprintf(first + 3 * i, 4, " %02x", bytes.data[i]);
    return b4c_fail(err, B4C_E_FORMAT,
                    "%s: begins with bytes%s: not safetensors, not PyTorch's zip or pickle, not a "
                    "TF1 index, not HDF5, not GGUF, not ONNX; it is cut, damaged or no checkpoint",
                    path, first);
}

static bool is_json(b4c_span bytes)
{
    if (b4c_span_starts(bytes, "\xef\xbb\xbf"))
        bytes = (b4c_span){ bytes.data + 3, bytes.size - 3 };
    size_t at = 0;
    while (at < bytes.size && strchr(" \t\r\n", bytes.data[at]) && bytes.data[at]) at++;
    return at < bytes.size && bytes.data[at] == '{';
}

/* Add the tensors of a mapped file of tensors. */
static int read_mapped(b4c_store *s, int file, b4c_error *err)
{
    const b4c_span bytes = b4c_store_bytes(s, file);
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (!layouts[i].is(bytes)) continue;
        if (s->layout && strcmp(s->layout, layouts[i].name) != 0)
            return b4c_fail(err, B4C_E_FORMAT, "%s: is %s, the other shards are %s",
                            s->file_name[file], layouts[i].name, s->layout);
        s->layout = layouts[i].name;
        return layouts[i].read(s, file, err);
    }
    return unknown(s->file_name[file], bytes, err);
}

/* ---- shards --------------------------------------------------------------------------------- */

/* Index of the store's file FOLDER/shard; maps and reads it when it is new. */
static int open_shard(b4c_store *s, const char *index, const char *folder, const char *shard,
                      b4c_error *err)
{
    if (!b4c_path_is_inside(shard))
        return b4c_fail(err, B4C_E_FORMAT,
                        "%s: shard '%s' lies outside the model's folder; refused", index, shard);
    char *path = b4c_path_join(folder, shard);
    if (!path) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to open '%s'", index, shard);
    int file = 0;
    while (file < s->n_files && strcmp(s->file_name[file], path) != 0) file++;
    if (file == s->n_files) {
        int rc = !b4c_file_exists(path)
                   ? b4c_fail(err, B4C_E_MISSING, "%s: shard '%s' is not there; fetch it into %s",
                              index, shard, folder)
                   : b4c_store_map(s, path, err);
        if (rc >= 0) rc = read_mapped(s, rc, err);
        if (rc < 0) file = rc;
    }
    free(path);
    return file;
}

/* Every tensor that weight_map promises is in the shard that it names. */
static int check_map(const b4c_store *s, const char *index, const char *folder, json_t *map,
                     b4c_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value)
    {
        const int i = b4c_store_find(s, name);
        const char *path = i < 0 ? "" : s->file_name[s->tensor[i].file] + strlen(folder);
        while (*path == '/') path++;
        if (i < 0 || strcmp(path, json_string_value(value)) != 0)
            return b4c_fail(
                err, B4C_E_MISSING,
                "%s: tensor '%s' is to be in '%s', but is %s%s; the files are not of one model",
                index, name, json_string_value(value), i < 0 ? "not there" : "in ", path);
    }
    return 0;
}

/* metadata.total_size is often stale (a model saved again in another type): said, not refused. */
static int check_total(b4c_store *s, const char *index, const json_t *root, b4c_error *err)
{
    const json_t *meta = json_object_get(root, "metadata");
    long long stated = -1;
    if (json_is_object(meta))
        B4C_TRY(b4c_json_int(meta, "total_size", 0, (long long)1 << 56, &stated, index, err));
    unsigned long long found = 0;
    for (int i = 0; i < s->n; i++) found += s->tensor[i].bytes;
    if (stated < 0 || (unsigned long long)stated == found) return 0;
    char *note = b4c_store_keep(s, 200);
    if (!note) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", index);
    snprintf(note, 200, "the index states %lld bytes of tensors, the shards hold %llu", stated,
             found);
    s->note = note;
    return 0;
}

static int open_index(b4c_store *s, const char *path, b4c_error *err)
{
    int rc = 0;
    const char *name;
    json_t *value;
    char *folder = b4c_path_folder(path);
    json_t *root = b4c_json_file(path, err), *map = json_object_get(root, "weight_map");
    if (!root || !folder) {
        rc = root ? b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", path)
           : err  ? err->code
                  : B4C_E_FORMAT;
        goto done;
    }
    if (!json_is_object(map) || json_object_size(map) == 0) {
        rc = b4c_fail(err, B4C_E_FORMAT,
                      "%s: no \"weight_map\" with tensors in it; wanted an index of shards, or the "
                      "model's folder",
                      path);
        goto done;
    }
    json_object_foreach(map, name, value)
    {
        if (!json_is_string(value))
            rc = b4c_fail(err, B4C_E_FORMAT, "%s: weight_map of '%s' is not a file name", path,
                          name);
        else
            rc = open_shard(s, path, folder, json_string_value(value), err);
        if (rc < 0) goto done;
    }
    rc = b4c_store_finish(s, err);
    if (rc == 0) rc = check_map(s, path, folder, map, err);
    if (rc == 0) rc = check_total(s, path, root, err);
    if (rc == 0) rc = b4c_store_codes(s, err);
done:
    json_decref(root);
    free(folder);
    return rc;
}

static int open_file(b4c_store *s, const char *path, b4c_error *err)
{
    const int file = b4c_store_map(s, path, err);
    if (file < 0) return file;
    if (is_json(b4c_store_bytes(s, file))) {
        b4c_store_close(s);
        return open_index(s, path, err);
    }
    B4C_TRY(read_mapped(s, file, err));
    B4C_TRY(b4c_store_finish(s, err));
    return strcmp(s->layout, "safetensors") ? 0 : b4c_store_codes(s, err);
}

/* ---- folders and prefixes ------------------------------------------------------------------- */

static char *with_suffix(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    char *joined = malloc(n + m + 1);
    if (!joined) return NULL;
    memcpy(joined, path, n);
    memcpy(joined + n, suffix, m + 1);
    return joined;
}

/* The index that the text protobuf FOLDER/checkpoint names. Training writes absolute paths, and
 * folders move: then the name alone counts. NULL: none. */
static char *checkpoint_index(const char *folder)
{
    char line[4096], *found = NULL;
    char *path = b4c_path_join(folder, "checkpoint");
    FILE *stream = path ? fopen(path, "r") : NULL;
    while (stream && !found && fgets(line, sizeof line, stream)) {
        char *from = strncmp(line, "model_checkpoint_path:", 22) == 0 ? strchr(line, '"') : NULL;
        char *to = from ? strchr(from + 1, '"') : NULL;
        if (!to) continue;
        *to = 0;
        const char *name = b4c_path_is_inside(from + 1) ? from + 1 : b4c_path_name(from + 1);
        char *prefix = *name && b4c_path_is_inside(name) ? b4c_path_join(folder, name) : NULL;
        found = prefix ? with_suffix(prefix, ".index") : NULL;
        free(prefix);
        if (found && !b4c_file_exists(found)) {
            free(found);
            found = NULL;
        }
    }
    if (stream) fclose(stream);
    free(path);
    return found;
}

/* NAME-NNNNN-of-NNNNN.gguf, but not the first: it comes with that. */
static bool is_later_part(const char *name)
{
    const char *end = strstr(name, "-of-");
    unsigned part;
    return end && end - name >= 6 && b4c_span_ends(b4c_span_of(name), ".gguf") &&
           sscanf(end - 6, "-%5u-of-", &part) == 1 && part > 1;
}

/* The only file of the folder that ends so, as a path into *found; NULL when there is none. */
static int only_file(const char *folder, const char *suffix, char **found, b4c_error *err)
{
    *found = NULL;
    DIR *dir = opendir(folder);
    if (!dir) return b4c_fail(err, B4C_E_IO, "%s: the folder cannot be read", folder);
    char *first = NULL;
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        const size_t n = strlen(entry->d_name), m = strlen(suffix);
        if (n <= m || strcmp(entry->d_name + n - m, suffix) != 0) continue;
        if (is_later_part(entry->d_name)) continue;
        if (first) {
            const bool order = strcmp(first, entry->d_name) < 0;
            rc = b4c_fail(err, B4C_E_ARG,
                          "%s: holds several models ('%s', '%s'); name the one you mean", folder,
                          order ? first : entry->d_name, order ? entry->d_name : first);
        } else if (!(first = strdup(entry->d_name))) {
            rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", folder);
        }
    }
    closedir(dir);
    if (rc == 0 && first && !(*found = b4c_path_join(folder, first)))
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory to read it", folder);
    free(first);
    return rc;
}

static int open_folder(b4c_store *s, const char *folder, b4c_error *err)
{
    static const char *const names[] = { "model.safetensors", "model.safetensors.index.json",
                                         "pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "model.onnx",        "onnx/model.onnx" };
    static const char *const only[] = { ".index",   ".safetensors", ".gguf", ".onnx",
                                        ".weights", ".h5",          ".hdf5" };
    char *path = NULL;
    int rc = 0;
    for (size_t i = 0; !path && i < sizeof names / sizeof *names; i++) {
        path = b4c_path_join(folder, names[i]);
        if (path && !b4c_file_exists(path)) {
            free(path);
            path = NULL;
        }
    }
    if (!path) path = checkpoint_index(folder);
    for (size_t i = 0; rc == 0 && !path && i < sizeof only / sizeof *only; i++)
        rc = only_file(folder, only[i], &path, err);
    if (rc == 0 && !path)
        rc = b4c_fail(
            err, B4C_E_MISSING,
            "%s: no weights in the folder; wanted model.safetensors, pytorch_model.bin "
            "(or their .index.json), model.onnx, *.gguf, Keras weights (*.weights, *.h5), or a TF1 "
            "checkpoint (*.index)",
            folder);
    if (rc == 0) rc = open_file(s, path, err);
    free(path);
    return rc;
}

/* Bytes of the prefix in P, P.meta, P.data-00000-of-00001. */
static int prefix_length(const char *path)
{
    const char *dot = strrchr(path, '.');
    unsigned shard, shards;
    int end = 0;
    if (!dot || strchr(dot, '/')) return (int)strlen(path);
    if (sscanf(dot, ".data-%5u-of-%5u%n", &shard, &shards, &end) == 2 && dot[end] == 0)
        return (int)(dot - path);
    return strcmp(dot, ".meta") == 0 ? (int)(dot - path) : (int)strlen(path);
}

int b4c_store_open(b4c_store *s, const char *path, b4c_error *err)
{
    *s = (b4c_store){ 0 };
    int rc;
    char *prefix = strndup(path, (size_t)prefix_length(path)),
         *index = prefix ? with_suffix(prefix, ".index") : NULL;
    const bool is_prefix = prefix && index &&
                           (!b4c_file_exists(path) || strlen(prefix) < strlen(path)) &&
                           b4c_file_exists(index);
    if (!index)
        rc = b4c_fail(err, B4C_E_MEMORY, "%s: no memory to open it", path);
    else if (b4c_folder_exists(path))
        rc = open_folder(s, path, err);
    else if (is_prefix)
        rc = open_file(s, index, err);
    else
        rc = open_file(s, path, err);
    if (rc < 0) b4c_store_close(s);
    free(index);
    free(prefix);
    return rc;
}
