/* keras_graph.c - checkpoints that tf.keras writes: a TF1 checkpoint whose keys are places in an
 * object graph, and a graph that knows what stands there.
 *
 * A weight's key is layer_with_weights-I/PATH/.ATTRIBUTES/VARIABLE_VALUE. I counts layers, so the
 * same weight has another key in another model; the graph's entry for the key has its full name,
 * whose first part is the layer's name. Together they say LAYER and PATH, which keras_names.h
 * knows. The graph's edges are not needed: a key is a path in it already.
 * Source: tensorflow/core/protobuf/trackable_object_graph.proto.
 */
#include "base/proto.h"
#include "model/format/crc32c.h"
#include "model/format/keras_names.h"
#include "model/format/reader.h"

#include <stdlib.h>

#define GRAPH     "_CHECKPOINTABLE_OBJECT_GRAPH"
#define LAYER_KEY "layer_with_weights-"
#define VALUE_KEY "/.ATTRIBUTES/VARIABLE_VALUE"

typedef struct reader {
    b4c_store *store;
    int from; /* its tensors: [from, store->n), names ascending until they are changed */
    int n;
    const char **key; /* [n] their names in the file */
    int graph;        /* the tensor that holds it */
    int renamed;
    b4c_error *err;
} reader;

static int fail(const reader *r, const char *what)
{
    return b4c_fail_tensor(r->store, r->store->tensor[r->graph].file, b4c_span_of(GRAPH), r->err,
                           B4C_E_FORMAT, "%s; the checkpoint is damaged, fetch it again", what);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Index of the store's tensor that has this key, or -1. */
static int find_key(const reader *r, const char *key)
{
    const char **found = bsearch(&key, r->key, (size_t)r->n, sizeof *r->key, by_key);
    return found ? r->from + (int)(found - r->key) : -1;
}

/* ---- the graph ------------------------------------------------------------------------------ */

/* The text of a string scalar: its length, a masked checksum of the length, its bytes. The
 * entry's checksum covers the length as 4 bytes (8, when it is that long), that checksum and the
 * text. */
static int open_text(const reader *r, b4c_span *text)
{
    const b4c_stored *t = &r->store->tensor[r->graph];
    b4c_span rest = { t->data, t->bytes };
    uint64_t size;
    unsigned char length[8];
    if (t->rank != 0 || b4c_varint(&rest, &size) < 0 || rest.size < 4 || size != rest.size - 4)
        return fail(r, "is not one string");
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(size >> 8 * i);
    uint32_t sum = b4c_crc32c(length, size >> 32 ? 8 : 4);
    if (sum != b4c_crc32c_unmask(b4c_u32(rest.data)))
        return fail(r, "the checksum of its length differs");
    sum = b4c_crc32c_more(sum, rest.data, 4);
    sum = b4c_crc32c_more(sum, rest.data + 4, (size_t)size);
    if (sum != t->checksum) return fail(r, "its checksum differs from the index");
    *text = (b4c_span){ rest.data + 4, (size_t)size };
    return 0;
}

/* SerializedTensor: 1 name, 2 full_name, 3 checkpoint_key. */
typedef struct attribute {
    b4c_span name, full_name, key;
} attribute;

/* What is to be done with each attribute of the graph. */
typedef int (*attribute_fn)(reader *, b4c_keras_layers *, const attribute *);

/* TrackableObjectGraph: 1 node { 2 attribute }. */
static int each_attribute(reader *r, b4c_span graph, b4c_keras_layers *layers, attribute_fn fn)
{
    b4c_proto nodes = { graph }, node, fields;
    b4c_field f;
    int rc;
    while ((rc = b4c_proto_next(&nodes, &f)) > 0) {
        if (!b4c_field_bytes(&f, 1, &node.rest)) continue;
        while ((rc = b4c_proto_next(&node, &f)) > 0) {
            attribute a = { { 0, 0 }, { 0, 0 }, { 0, 0 } };
            if (!b4c_field_bytes(&f, 2, &fields.rest)) continue;
            while ((rc = b4c_proto_next(&fields, &f)) > 0)
                (void)(b4c_field_bytes(&f, 1, &a.name) || b4c_field_bytes(&f, 2, &a.full_name) ||
                       b4c_field_bytes(&f, 3, &a.key));
            if (rc < 0) break;
            B4C_TRY(fn(r, layers, &a));
        }
        if (rc < 0) break;
    }
    return rc < 0 ? fail(r, "is malformed") : 0;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* LAYER and PATH of a layer's weight; false: it is something else, such as an optimiser's. */
static bool split(const attribute *a, b4c_span *layer, b4c_span *path)
{
    const size_t mark = strlen(LAYER_KEY), end = strlen(VALUE_KEY);
    const unsigned char *slash = a->full_name.size
                                   ? memchr(a->full_name.data, '/', a->full_name.size)
                                   : NULL;
    if (!b4c_span_is(a->name, "VARIABLE_VALUE") || !slash || !b4c_span_ends(a->key, VALUE_KEY))
        return false;
    *layer = (b4c_span){ a->full_name.data, (size_t)(slash - a->full_name.data) };
    /* the last layer_with_weights-I/ in the key: a model may be a layer of another */
    const b4c_span key = { a->key.data, a->key.size - end };
    size_t at = key.size;
    while (at-- > 0) {
        if (at > 0 && key.data[at - 1] != '/') continue;
        b4c_span rest = { key.data + at, key.size - at };
        if (!b4c_span_starts(rest, LAYER_KEY)) continue;
        const unsigned char *after = memchr(rest.data + mark, '/', rest.size - mark);
        if (!after) return false;
        *path = (b4c_span){ after + 1, (size_t)(key.data + key.size - after - 1) };
        return path->size && *path->data != '.'; /* .OPTIMIZER_SLOT */
    }
    return false;
}

static bool is_slot(b4c_span path)
{
    for (size_t i = 0; i < path.size; i++)
        if (b4c_span_starts((b4c_span){ path.data + i, path.size - i }, "/.OPTIMIZER_SLOT/"))
            return true;
    return false;
}

static int see(reader *r, b4c_keras_layers *layers, const attribute *a)
{
    b4c_span layer, path;
    (void)r;
    if (split(a, &layer, &path)) b4c_keras_see(layers, layer);
    return 0;
}

/* The key as text, with i1_dense for i0_dense if `sibling`: NULL: no memory. */
static char *key_text(const attribute *a, bool sibling)
{
    char *text = strndup((const char *)a->key.data, a->key.size);
    char *first = text && sibling ? strstr(text, "/i0_dense/") : NULL;
    if (first) first[2] = '1';
    return text;
}

/* Whether the layer of this weight has an i1_dense; -1: no memory. */
static int is_gated(const reader *r, const attribute *a)
{
    char *text = key_text(a, true);
    if (!text) return -1;
    const bool has = strstr(text, "/i1_dense/") && find_key(r, text) >= 0;
    free(text);
    return has;
}

static int rename_weight(reader *r, b4c_keras_layers *layers, const attribute *a)
{
    b4c_span layer, path;
    char name[B4C_KERAS_NAME];
    bool turned = false;
    if (!split(a, &layer, &path) || is_slot(path)) return 0;
    char *key = key_text(a, false);
    const int tensor = key ? find_key(r, key) : -1, gated = is_gated(r, a);
    free(key);
    if (gated < 0) return b4c_fail_memory(r->store, r->store->tensor[r->graph].file, r->err);
    if (tensor < 0) return 0; /* in the graph, but not saved */
    b4c_stored *t = &r->store->tensor[tensor];
    if (t->name != r->key[tensor - r->from]) return fail(r, "names a weight twice");
    r->renamed++;
    if (b4c_keras_name(layers, layer, path, gated, name, &turned) && (!turned || t->rank == 2)) {
        if (turned) b4c_stored_turn(t);
        return b4c_store_rename(r->store, tensor, b4c_span_of(name), r->err);
    }
    /* a layer of the user's own: LAYER/PATH */
    char *joined = malloc(layer.size + 1 + path.size);
    if (!joined) return b4c_fail_memory(r->store, t->file, r->err);
    memcpy(joined, layer.data, layer.size);
    joined[layer.size] = '/';
    memcpy(joined + layer.size + 1, path.data, path.size);
    const b4c_span whole = { (const unsigned char *)joined, layer.size + 1 + path.size };
    const int rc = b4c_store_rename(r->store, tensor, whole, r->err);
    free(joined);
    return rc;
}

int b4c_keras_graph(b4c_store *s, int from, b4c_error *err)
{
    reader r = { .store = s, .from = from, .n = s->n - from, .err = err };
    b4c_keras_layers layers = { 0 };
    b4c_span graph;
    r.key = malloc(((size_t)r.n + 1) * sizeof *r.key);
    if (!r.key) return b4c_fail_memory(s, 0, err);
    for (int i = 0; i < r.n; i++) r.key[i] = s->tensor[from + i].name;
    r.graph = find_key(&r, GRAPH);
    int rc = 0;
    if (r.graph >= 0) {
        rc = open_text(&r, &graph);
        if (rc == 0) rc = each_attribute(&r, graph, &layers, see);
        if (rc == 0) rc = each_attribute(&r, graph, &layers, rename_weight);
        if (r.renamed) s->layout = "keras"; /* else variables of a program of somebody's own */
    }
    free(r.key);
    return rc;
}
