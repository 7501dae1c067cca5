/* keras_hdf5.c - Keras' weight files in HDF5, under TF1 names.
 *
 * Attribute layer_names lists the layers in order; each layer's group has weight_names, paths of
 * datasets within that group. The order of a layer's weights tells them apart: their names count
 * what was built before in the same process. A file of model.save has all that in the group
 * model_weights. Lists that are too long for one attribute are cut: layer_names0, layer_names1 ...
 * A model that is another's layer has its own layers' weights in one list, each under its layer's
 * name, so a list is taken in runs of one name.
 * Source: keras 2.3.1, engine/saving.py; tensorflow/python/keras/saving/hdf5_format.py.
 */
#include "model/format/hdf5.h"
#include "model/format/keras_names.h"
#include "model/format/reader.h"

#include <stdio.h>
#include <stdlib.h>

/* Taken from a file's stock for each weight, so that what is kept of them all stays within a
 * constant times the file. */
#define WEIGHT_STEPS 1024

typedef struct reader {
    b4c_store *store;
    int file;
    b4c_hdf5 h;
    uint64_t group; /* that has the layers */
    b4c_keras_layers layers;
    b4c_error *err;
} reader;

/* Weights of a layer that follow one another in its list. */
typedef struct run {
    b4c_span list;  /* whose list it is: the layer's name */
    uint64_t group; /* of that layer */
    b4c_span layer; /* they are this layer's: the same, or a layer of that model */
    const b4c_span *name;
    size_t n;
} run;
typedef int (*run_fn)(reader *, const run *);

static int fail_memory(const reader *r) { return b4c_fail_memory(r->store, r->file, r->err); }

/* ---- lists ---------------------------------------------------------------------------------- */

/* An attribute that may be cut in pieces. 1: it is there; 0: it is not. */
static int read_list(reader *r, uint64_t object, const char *name, b4c_texts *list)
{
    int rc = b4c_hdf5_texts(&r->h, object, name, list, r->err);
    for (int i = 0; rc == 0; i++) {
        char piece[64];
        snprintf(piece, sizeof piece, "%s%d", name, i);
        rc = b4c_hdf5_texts(&r->h, object, piece, list, r->err);
        if (rc == 0) return i > 0;
        if (rc > 0) rc = 0; /* and the next one */
    }
    return rc;
}

/* The object at a path of names between slashes. */
static int find_path(reader *r, uint64_t group, b4c_span path, uint64_t *object)
{
    *object = group;
    for (size_t at = 0; at <= path.size;) {
        const unsigned char *from = path.data + at,
                            *slash = path.size > at ? memchr(from, '/', path.size - at) : NULL;
        const b4c_span name = { from, slash ? (size_t)(slash - from) : path.size - at };
        const int found = b4c_hdf5_find(&r->h, *object, name, object, r->err);
        if (found <= 0) return found;
        at += name.size + 1;
    }
    return 1;
}

static b4c_span first_part(b4c_span path)
{
    const unsigned char *slash = path.size ? memchr(path.data, '/', path.size) : NULL;
    return (b4c_span){ path.data, slash ? (size_t)(slash - path.data) : 0 };
}

static int each_run(reader *r, b4c_span layer, uint64_t group, const b4c_texts *names, run_fn fn)
{
    for (size_t at = 0, n; at < names->n; at += n) {
        const b4c_span part = first_part(names->text[at]);
        for (n = 1; at + n < names->n; n++)
            if (b4c_span_compare(first_part(names->text[at + n]), part) != 0) break;
        const bool own = part.size == 0 || n == names->n;
        const run of = { layer, group, own ? layer : part, names->text + at, n };
        B4C_TRY(fn(r, &of));
    }
    return 0;
}

static int each_layer(reader *r, const b4c_texts *layers, run_fn fn)
{
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < layers->n; i++) {
        const b4c_span layer = layers->text[i];
        b4c_texts names = { 0 };
        uint64_t group;
        rc = find_path(r, r->group, layer, &group);
        if (rc > 0) rc = read_list(r, group, "weight_names", &names);
        if (rc == 0)
            rc = b4c_fail(r->err, B4C_E_FORMAT,
                          "%s: layer '%.*s' is in the list of layers, but has no group with "
                          "weight_names; the file is damaged",
                          r->h.where, B4C_SPAN_ARG(layer));
        if (rc > 0) rc = each_run(r, layer, group, &names, fn);
        free(names.text);
    }
    return rc < 0 ? rc : 0;
}

/* ---- weights -------------------------------------------------------------------------------- */

static int see_run(reader *r, const run *of)
{
    b4c_keras_see(&r->layers, of->layer);
    return 0;
}

/* LIST/NAME without ":0"; NAME alone where that begins with the list's name already. */
static int add_unknown(reader *r, const run *of, b4c_span name, const b4c_stored *t)
{
    const b4c_span part = first_part(name);
    const size_t before = b4c_span_compare(part, of->list) == 0 ? 0 : of->list.size + 1;
    if (b4c_span_ends(name, ":0")) name.size -= 2;
    unsigned char *text = malloc(before + name.size + 1);
    if (!text) return fail_memory(r);
    if (before) {
        memcpy(text, of->list.data, before - 1);
        text[before - 1] = '/';
    }
    memcpy(text + before, name.data, name.size);
    const b4c_span whole = { text, before + name.size };
    const int rc = b4c_store_add(r->store, t, whole, r->err);
    free(text);
    return rc;
}

static int read_weight(reader *r, const run *of, b4c_span name, b4c_stored *t)
{
    uint64_t object;
    const int found = find_path(r, of->group, name, &object);
    if (found == 0)
        return b4c_fail(r->err, B4C_E_FORMAT,
                        "%s: weight '%.*s' of layer '%.*s' is not there; the file is damaged",
                        r->h.where, B4C_SPAN_ARG(name), B4C_SPAN_ARG(of->list));
    B4C_TRY(found);
    B4C_TRY(b4c_hdf5_dataset(&r->h, object, name, t, r->err));
    t->file = r->file;
    return 0;
}

static int add_weights(reader *r, const run *of, b4c_stored *tensor, int *rank)
{
    char name[B4C_KERAS_NAME];
    for (size_t i = 0; i < of->n; i++) {
        B4C_TRY(read_weight(r, of, of->name[i], &tensor[i]));
        rank[i] = tensor[i].rank;
    }
    for (size_t i = 0; i < of->n; i++) {
        bool turned = false;
        if (b4c_keras_name_at(&r->layers, of->layer, rank, (int)of->n, (int)i, name, &turned)) {
            if (turned) b4c_stored_turn(&tensor[i]);
            B4C_TRY(b4c_store_add(r->store, &tensor[i], b4c_span_of(name), r->err));
        } else {
            B4C_TRY(add_unknown(r, of, of->name[i], &tensor[i]));
        }
    }
    return 0;
}

static int add_run(reader *r, const run *of)
{
    int rc = b4c_hdf5_spend(&r->h, of->n * WEIGHT_STEPS, r->err);
    if (rc < 0) return rc;
    b4c_stored *tensor = malloc(of->n * sizeof *tensor);
    int *rank = malloc(of->n * sizeof *rank);
    rc = tensor && rank ? add_weights(r, of, tensor, rank) : fail_memory(r);
    free(tensor);
    free(rank);
    return rc;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* The group that has layer_names; fills the list. */
static int find_layers(reader *r, b4c_texts *layers)
{
    static const char *const later[] = { "layers", "_layer_checkpoint_dependencies" };
    uint64_t object;
    r->group = r->h.root;
    int rc = read_list(r, r->group, "layer_names", layers);
    if (rc == 0) {
        rc = b4c_hdf5_find(&r->h, r->h.root, b4c_span_of("model_weights"), &r->group, r->err);
        if (rc > 0) rc = read_list(r, r->group, "layer_names", layers);
    }
    for (size_t i = 0; rc == 0 && i < sizeof later / sizeof *later; i++) {
        rc = b4c_hdf5_find(&r->h, r->h.root, b4c_span_of(later[i]), &object, r->err);
        if (rc > 0)
            return b4c_fail(r->err, B4C_E_UNSUPPORTED,
                            "%s: is in the layout of Keras 3 (.weights.h5), which does not tell "
                            "weights by name; save it with Keras 2 (TF_USE_LEGACY_KERAS=1)",
                            r->h.where);
    }
    if (rc == 0)
        return b4c_fail(r->err, B4C_E_FORMAT,
                        "%s: is HDF5 without Keras' list of layers (layer_names); wanted a file "
                        "of save_weights or save",
                        r->h.where);
    return rc < 0 ? rc : 0;
}

int b4c_keras_hdf5_read(b4c_store *s, int file, b4c_error *err)
{
    reader r = { .store = s, .file = file, .err = err };
    b4c_texts layers = { 0 };
    int rc = b4c_hdf5_open(&r.h, b4c_store_bytes(s, file), s->file_name[file], err);
    if (rc == 0) rc = find_layers(&r, &layers);
    if (rc == 0) rc = each_layer(&r, &layers, see_run);
    if (rc == 0) rc = each_layer(&r, &layers, add_run);
    free(layers.text);
    return rc;
}
