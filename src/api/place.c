/* place.c - see place.h. */
#include "api/place.h"

#include "base/error.h"
#include "base/file.h"
#include "model/config.h"
#include "model/convert.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096, LOAD_THREADS = 16 };

/* First of names that is a file in folder; "" when none is. Returns out. */
static const char *first_file(const char *folder, const char *const *names, size_t n,
                              char out[PATH])
{
    for (size_t i = 0; i < n; i++)
        if (snprintf(out, PATH, "%s/%s", folder, names[i]) < PATH && b4c_file_exists(out))
            return out;
    return strcpy(out, "");
}

static const char *config_path(const char *folder, char out[PATH])
{
    static const char *const names[] = { "config.json", "bert_config.json", "albert_config.json" };
    return first_file(folder, names, sizeof names / sizeof *names, out);
}

/* A file's configuration is beside it, or, for FOLDER/onnx/model.onnx, one folder up. */
int b4c_place_find(b4c_place *p, b4c_embed_settings *settings, const char *path, b4c_error *err)
{
    char config[PATH];
    *p = (b4c_place){ .weights = path, .is_folder = b4c_folder_exists(path) };
    if (p->is_folder) {
        B4C_TRY(b4c_embed_settings_read(settings, path, err));
        p->folder = strdup(settings->folder);
        p->weights = settings->folder;
        return p->folder ? 0 : b4c_fail(err, B4C_E_MEMORY, "%s: no memory to open it", path);
    }
    p->folder = b4c_path_folder(path);
    if (p->folder && !*config_path(p->folder, config)) {
        char *above = b4c_path_around(p->folder, "onnx");
        if (above && *config_path(above, config)) {
            free(p->folder);
            p->folder = above;
        } else {
            free(above);
        }
    }
    if (!p->folder) return b4c_fail(err, B4C_E_MEMORY, "%s: no memory to open it", path);
    return b4c_embed_settings_read(settings, p->folder, err);
}

/* `as`, or what the configuration says about it. */
static int follow(b4c_spec *spec, const char *as, const json_t *config, const char *path,
                  b4c_error *err)
{
    if (!as) B4C_TRY(b4c_json_text(config, "bert4c_as", &as, path, err));
    return as ? b4c_config_follow(spec, as, path, err) : 0;
}

/* Codes that a later version wrote may mean something else. */
static int check_codes(const json_t *config, const char *path, b4c_error *err)
{
    const json_t *codes = json_object_get(config, "quantization_config");
    const char *method = json_string_value(json_object_get(codes, "quant_method"));
    long long format = 1;
    if (!method || strcmp(method, "bert4c") != 0) return 0;
    const int rc = b4c_json_int(codes, "format", 1, INT_MAX, &format, path, err);
    if (rc < 0 || format <= B4C_CODES_FORMAT) return rc < 0 ? rc : 0;
    return b4c_fail(err, B4C_E_UNSUPPORTED,
                    "%s: its weights are codes of format %lld, wanted %d at most: a newer bert4c "
                    "wrote them",
                    path, format, B4C_CODES_FORMAT);
}

int b4c_place_config(const b4c_place *p, const b4c_store *store, const char *as, b4c_spec *spec,
                     json_t **kept, json_t *report, int *length, b4c_error *err)
{
    char path[PATH];
    const char *note = NULL;
    json_t *config;
    /* A GGUF file holds all there is to say; a config.json beside it often says next to nothing. */
    const bool inside = b4c_store_gguf(store);
    if (!inside && *config_path(p->folder, path)) {
        config = b4c_json_file(path, err);
    } else {
        snprintf(path, sizeof path, "%.4000s", store->file_name[0]);
        config = b4c_config_guess(store, path, err);
        note = inside ? "the configuration is the GGUF file's own metadata"
                      : "there is no config.json: taken from the shapes of the tensors and from "
                        "the graph";
        json_object_set_new(report, "config_note", json_string(note));
    }
    *kept = config;
    if (!config) return err && err->code < 0 ? err->code : B4C_E_FORMAT;
    long long stated = 0;
    B4C_TRY(check_codes(config, path, err));
    int rc = b4c_config_read(spec, config, store, path, &note, err);
    if (rc == 0)
        rc = b4c_json_int(config, "max_position_embeddings", 1, 1 << 30, &stated, path, err);
    if (rc >= 0) rc = follow(spec, as, config, path, err);
    if (rc < 0) return rc;
    *length = spec->max_positions ? spec->max_positions : (int)stated;
    if (note) json_object_set_new(report, "config_note", json_string(note));
    return 0;
}

void b4c_place_done(b4c_place *p)
{
    free(p->folder);
    *p = (b4c_place){ 0 };
}

int b4c_load_threads(void)
{
    const int cores = b4c_cpu_count();
    return cores < LOAD_THREADS ? cores : LOAD_THREADS;
}
