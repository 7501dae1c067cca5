/* onnx_graph.c - from the bytes of an ONNX model to its constant tensors and the nodes that can
 * tell what they are.
 *
 * Idea: tensors stay where they are in the file, or in the file that external_data names; only
 * numbers that are written one a varint are unpacked. Of the nodes those kinds are kept that names
 * and facts are read from (`kinds`), so that memory is bounded by the file.
 * Source: github.com/onnx/onnx, onnx/onnx.proto (field numbers stand beside their uses),
 * docs/ExternalData.md.
 */
#include "model/format/onnx_graph.h"

#include "base/proto.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const kinds[] = {
    "MatMul",
    "MatMulInteger",
    "Gemm",
    "Attention",
    "QAttention",
    "Add",
    "Mul",
    "Cast",
    "Identity",
    "Transpose",
    "DequantizeLinear",
    "BiasGelu",
    "FastGelu",
    "Gelu",
    "Erf",
    "Tanh",
    "Relu",
    "Sqrt",
    "Reshape",
    "Concat",
    "LayerNormalization",
    "SkipLayerNormalization",
    "EmbedLayerNormalization",
};

/* TensorProto.DataType. */
static const struct {
    int64_t number;
    b4c_stored_type type;
} dtypes[] = {
    { 1, B4C_STORED_F32 },  { 2, B4C_STORED_U8 },    { 3, B4C_STORED_I8 },   { 5, B4C_STORED_I16 },
    { 6, B4C_STORED_I32 },  { 7, B4C_STORED_I64 },   { 9, B4C_STORED_BOOL }, { 10, B4C_STORED_F16 },
    { 11, B4C_STORED_F64 }, { 16, B4C_STORED_BF16 },
};

static int damaged(b4c_onnx_graph *g, const char *what)
{
    b4c_fail(g->err, B4C_E_FORMAT, "%s: %s; the file is cut, damaged or no ONNX model",
             g->store->file_name[g->file], what);
    return B4C_E_FORMAT;
}

static int no_memory(b4c_onnx_graph *g)
{
    b4c_fail_memory(g->store, g->file, g->err);
    return B4C_E_MEMORY;
}

/* ---- tensors -------------------------------------------------------------------------------- */

/* A TensorProto's fields. Typed data may come in several fields: only where they begin is noted. */
typedef struct proto_tensor {
    b4c_span name, body, raw;
    int64_t dtype, location;
    bool external, has_raw;
} proto_tensor;

/* The field that holds typed numbers of a type: 4 float_data, 5 int32_data, 7 int64_data, 10
 * double_data. */
static uint32_t typed_field(b4c_stored_type type)
{
    switch (type) {
    case B4C_STORED_F32: return 4;
    case B4C_STORED_F64: return 10;
    case B4C_STORED_I64: return 7;
    default: return 5;
    }
}

/* One field of typed numbers, packed or single: count them, and store them when `to` is there
 * (room for `most`). */
static int take_typed(const b4c_field *f, b4c_stored_type type, unsigned char *to, uint64_t *n,
                      uint64_t most)
{
    const size_t width = b4c_stored_width(type);
    const bool floats = type == B4C_STORED_F32 || type == B4C_STORED_F64;
    b4c_span rest = f->bytes;
    uint64_t value = f->value;
    if (f->wire != B4C_WIRE_BYTES) rest.size = 0;
    if (f->wire == B4C_WIRE_BYTES && floats) {
        const uint64_t more = rest.size / width;
        if (rest.size % width || more > most - *n) return -1;
        if (to && more) memcpy(to + *n * width, rest.data, rest.size);
        *n += more;
        return 1;
    }
    if (f->wire != B4C_WIRE_BYTES && f->wire != (!floats      ? B4C_WIRE_VARINT
                                                 : width == 4 ? B4C_WIRE_4
                                                              : B4C_WIRE_8))
        return -1;
    while (f->wire != B4C_WIRE_BYTES || rest.size) {
        if (*n == most || (f->wire == B4C_WIRE_BYTES && b4c_varint(&rest, &value) < 0)) return -1;
        if (to)
            memcpy(to + *n * width, &value,
                   width); /* little-endian: the low bytes are the number */
        (*n)++;
        if (f->wire != B4C_WIRE_BYTES) break;
    }
    return 1;
}

/* Data written as numbers of the message: where they lie when they are one packed field of
 * floats, else unpacked. */
static int read_typed(b4c_onnx_graph *g, const proto_tensor *p, uint64_t count, b4c_stored *t)
{
    const uint32_t number = typed_field(t->type);
    const size_t width = b4c_stored_width(t->type);
    unsigned char *to = NULL;
    if (count >
        p->body
            .size) /* a number takes a byte or more: no memory for numbers that cannot be there */
        return b4c_fail_tensor(g->store, g->file, p->name, g->err, B4C_E_FORMAT,
                               "has less data than its shape wants");
    for (int pass = 0; pass < 2; pass++) {
        b4c_proto m = { p->body };
        b4c_field f;
        uint64_t n = 0;
        while (b4c_proto_next(&m, &f) > 0) {
            if (f.number != number) continue;
            if ((number == 4 || number == 10) && f.wire == B4C_WIRE_BYTES &&
                f.bytes.size == count * width) {
                t->data = f.bytes.data;
                t->bytes = f.bytes.size;
                return 0;
            }
            if (take_typed(&f, t->type, to, &n, count) < 0)
                return b4c_fail_tensor(g->store, g->file, p->name, g->err, B4C_E_FORMAT,
                                       "its numbers do not fit its shape or type");
        }
        if (n != count)
            return b4c_fail_tensor(g->store, g->file, p->name, g->err, B4C_E_FORMAT,
                                   "has %llu numbers, its shape wants %llu", (unsigned long long)n,
                                   (unsigned long long)count);
        if (pass == 0 && !(to = b4c_store_keep(g->store, (size_t)count * width)))
            return no_memory(g);
    }
    t->data = to;
    t->bytes = (size_t)count * width;
    return 0;
}

/* A decimal number; false when it is none. */
static bool read_decimal(b4c_span text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *out > (UINT64_MAX - 9) / 10) return false;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.size > 0;
}

/* Index of the store's file that `location` names, beside the model; mapped when it is new. */
static int external_file(b4c_onnx_graph *g, const proto_tensor *p, b4c_span location)
{
    b4c_store *s = g->store;
    char *name = strndup((const char *)location.data, location.size),
         *folder = b4c_path_folder(s->file_name[g->file]);
    char *path = name && folder && b4c_path_is_inside(name) ? b4c_path_join(folder, name) : NULL;
    int file = 0;
    if (!name || !folder)
        file = no_memory(g);
    else if (strlen(name) != location.size || !b4c_path_is_inside(name))
        file = b4c_fail_tensor(s, g->file, p->name, g->err, B4C_E_FORMAT,
                               "its data file '%s' lies outside the model's folder; refused", name);
    else if (!path)
        file = no_memory(g);
    if (file < 0) goto done;
    while (file < s->n_files && strcmp(s->file_name[file], path) != 0) file++;
    if (file == s->n_files)
        file = b4c_file_exists(path)
                 ? b4c_store_map(s, path, g->err)
                 : b4c_fail_tensor(s, g->file, p->name, g->err, B4C_E_MISSING,
                                   "its data file '%s' is not there; fetch it into %s", name,
                                   folder);
done:
    free(path);
    free(folder);
    free(name);
    return file;
}

/* external_data: repeated { 1 key, 2 value }: location, offset (absent: 0), length (absent: what
 * the shape wants). */
static int read_external(b4c_onnx_graph *g, const proto_tensor *p, uint64_t bytes, b4c_stored *t)
{
    b4c_proto m = { p->body };
    b4c_field f;
    b4c_span location = { NULL, 0 }, pair;
    uint64_t offset = 0, length = bytes;
    bool valid = true;
    while (b4c_proto_next(&m, &f) > 0) {
        if (!b4c_field_bytes(&f, 13, &pair)) continue;
        b4c_proto entry = { pair };
        b4c_span key = { pair.data, 0 }, value = { pair.data, 0 };
        int rc;
        while ((rc = b4c_proto_next(&entry, &f)) > 0)
            (void)(b4c_field_bytes(&f, 1, &key) || b4c_field_bytes(&f, 2, &value));
        if (rc < 0) valid = false;
        if (b4c_span_is(key, "location")) location = value;
        if (b4c_span_is(key, "offset")) valid = valid && read_decimal(value, &offset);
        if (b4c_span_is(key, "length")) valid = valid && read_decimal(value, &length);
    }
    if (!valid || !location.data)
        return b4c_fail_tensor(g->store, g->file, p->name, g->err, B4C_E_FORMAT,
                               "the place of its external data is malformed");
    const int file = external_file(g, p, location);
    if (file < 0) return file;
    const b4c_span data = b4c_store_bytes(g->store, file);
    if (length != bytes || !b4c_range_in(offset, length, data.size))
        return b4c_fail_tensor(g->store, file, p->name, g->err, B4C_E_FORMAT,
                               "wants %llu bytes, found bytes %llu to %llu of %zu; the file is cut "
                               "or of another model",
                               (unsigned long long)bytes, (unsigned long long)offset,
                               (unsigned long long)(offset + length), data.size);
    t->file = file;
    t->data = data.data + offset;
    t->bytes = (size_t)bytes;
    return 0;
}

/* TensorProto: 1 dims, 2 data_type, 3 segment, 8 name, 9 raw_data, 13 external_data, 14
 * data_location. */
static int read_tensor(b4c_onnx_graph *g, b4c_span body, b4c_onnx_value *v)
{
    proto_tensor p = { .name = { body.data, 0 }, .body = body };
    b4c_proto m = { body };
    b4c_field f;
    b4c_stored *t = &v->t;
    uint64_t count;
    int rc;
    *t = (b4c_stored){ .type = B4C_STORED_OTHER, .file = g->file };
    while ((rc = b4c_proto_next(&m, &f)) > 0) {
        if (f.number == 1 && b4c_field_ints(&f, t->shape, &t->rank, B4C_STORED_RANK) < 0) rc = -1;
        if (rc < 0) break;
        if (b4c_field_bytes(&f, 9, &p.raw)) p.has_raw = true;
        (void)(b4c_field_int(&f, 2, &p.dtype) || b4c_field_bytes(&f, 8, &p.name) ||
               b4c_field_int(&f, 14, &p.location));
    }
    if (rc < 0) return damaged(g, "a tensor is malformed or has more than 8 axes");
    v->name = p.name;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].number == p.dtype) t->type = dtypes[i].type;
    if (!b4c_shape_count(t->shape, t->rank, &count))
        return b4c_fail_tensor(g->store, g->file, p.name, g->err, B4C_E_FORMAT,
                               "its shape is negative or beyond all memory");
    b4c_stored_pack(t);
    t->data = body.data;
    const size_t width = b4c_stored_width(t->type);
    if (width == 0 || count == 0) return 0;
    if (p.location == 1) return read_external(g, &p, count * width, t);
    if (!p.has_raw) return read_typed(g, &p, count, t);
    if (p.raw.size != count * width)
        return b4c_fail_tensor(g->store, g->file, p.name, g->err, B4C_E_FORMAT,
                               "has %zu bytes, its shape of %s wants %llu", p.raw.size,
                               b4c_stored_type_name(t->type), (unsigned long long)(count * width));
    t->data = p.raw.data;
    t->bytes = p.raw.size;
    return 0;
}

static int add_value(b4c_onnx_graph *g, b4c_span body, b4c_span name, bool constant)
{
    if (g->n_value == g->room_value) {
        const size_t room = g->room_value ? 2 * g->room_value : 128;
        b4c_onnx_value *more = realloc(g->value, room * sizeof *more);
        if (!more) return no_memory(g);
        g->value = more;
        g->room_value = room;
    }
    b4c_onnx_value *v = &g->value[g->n_value];
    *v = (b4c_onnx_value){ .constant = constant };
    B4C_TRY(read_tensor(g, body, v));
    if (constant) v->name = name;
    g->n_value++;
    return 0;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* AttributeProto: 1 name, 2 f, 3 i, 4 s, 5 t. The field of an attribute, by its name. */
static bool attribute(const b4c_onnx_node *node, const char *name, uint32_t number, b4c_wire wire,
                      b4c_field *out)
{
    b4c_proto m = { node->body };
    b4c_field f;
    b4c_span body;
    while (b4c_proto_next(&m, &f) > 0) {
        if (!b4c_field_bytes(&f, 5, &body)) continue;
        b4c_proto a = { body };
        b4c_span own = { body.data, 0 };
        bool found = false;
        while (b4c_proto_next(&a, &f) > 0) {
            (void)b4c_field_bytes(&f, 1, &own);
            if (f.number == number && f.wire == wire) {
                *out = f;
                found = true;
            }
        }
        if (found && b4c_span_is(own, name)) return true;
    }
    return false;
}

bool b4c_onnx_int(const b4c_onnx_node *node, const char *name, int64_t *out)
{
    b4c_field f;
    if (!attribute(node, name, 3, B4C_WIRE_VARINT, &f)) return false;
    *out = (int64_t)f.value;
    return true;
}

bool b4c_onnx_float(const b4c_onnx_node *node, const char *name, float *out)
{
    b4c_field f;
    if (!attribute(node, name, 2, B4C_WIRE_4, &f)) return false;
    *out = b4c_field_float(&f);
    return true;
}

bool b4c_onnx_text(const b4c_onnx_node *node, const char *name, b4c_span *out)
{
    b4c_field f;
    if (!attribute(node, name, 4, B4C_WIRE_BYTES, &f)) return false;
    *out = f.bytes;
    return true;
}

static bool is_kept(b4c_span op)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (b4c_span_is(op, kinds[i])) return true;
    return false;
}

/* NodeProto: 1 input, 2 output, 3 name, 4 op_type, 5 attribute. */
static int read_node(b4c_onnx_graph *g, b4c_span body)
{
    b4c_onnx_node node = { .op = { body.data, 0 }, .name = { body.data, 0 }, .body = body };
    b4c_proto m = { body };
    b4c_field f;
    int rc;
    while ((rc = b4c_proto_next(&m, &f)) > 0) {
        node.n_input += f.number == 1;
        node.n_output += f.number == 2;
        (void)(b4c_field_bytes(&f, 3, &node.name) || b4c_field_bytes(&f, 4, &node.op));
    }
    if (rc < 0) return damaged(g, "a node is malformed");
    const bool constant = b4c_span_is(node.op, "Constant") && node.n_output == 1;
    if (!constant && (!is_kept(node.op) || node.n_output == 0 || node.n_input == 0)) return 0;
    node.input = b4c_chunk_take(&g->memory,
                                (size_t)(node.n_input + node.n_output) * sizeof *node.input);
    if (!node.input) return no_memory(g);
    node.output = node.input + node.n_input;
    node.n_input = node.n_output = 0;
    for (m.rest = body; b4c_proto_next(&m, &f) > 0;) {
        if (b4c_field_bytes(&f, 1, &node.input[node.n_input])) node.n_input++;
        if (b4c_field_bytes(&f, 2, &node.output[node.n_output])) node.n_output++;
    }
    if (constant)
        return node.n_output && attribute(&node, "value", 5, B4C_WIRE_BYTES, &f)
                 ? add_value(g, f.bytes, node.output[0], true)
                 : 0;
    if (g->n_node == g->room_node) {
        const size_t room = g->room_node ? 2 * g->room_node : 256;
        b4c_onnx_node *more = realloc(g->node, room * sizeof *more);
        if (!more) return no_memory(g);
        g->node = more;
        g->room_node = room;
    }
    g->node[g->n_node++] = node;
    return 0;
}

/* ---- looking up ----------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    return b4c_span_compare(((const b4c_onnx_value *)a)->name, ((const b4c_onnx_value *)b)->name);
}

static int by_link(const void *a, const void *b)
{
    const b4c_onnx_link *x = a, *y = b;
    const int order = b4c_span_compare(x->name, y->name);
    return order ? order : (x->node > y->node) - (x->node < y->node);
}

/* Index of the first link of a name. */
static size_t first_link(const b4c_onnx_link *link, size_t n, b4c_span name)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (b4c_span_compare(link[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

b4c_onnx_value *b4c_onnx_find(const b4c_onnx_graph *g, b4c_span name)
{
    const b4c_onnx_value key = { .name = name };
    return g->n_value && name.size ? bsearch(&key, g->value, g->n_value, sizeof key, by_value)
                                   : NULL;
}

const b4c_onnx_node *b4c_onnx_maker(const b4c_onnx_graph *g, b4c_span name)
{
    const size_t i = first_link(g->made, g->n_made, name);
    return i < g->n_made && b4c_span_compare(g->made[i].name, name) == 0 ? g->made[i].node : NULL;
}

const b4c_onnx_node *b4c_onnx_user(const b4c_onnx_graph *g, b4c_span name, size_t *at)
{
    const size_t i = first_link(g->used, g->n_used, name) + *at;
    (*at)++;
    return i < g->n_used && b4c_span_compare(g->used[i].name, name) == 0 ? g->used[i].node : NULL;
}

const b4c_onnx_node *b4c_onnx_user_of(const b4c_onnx_graph *g, b4c_span name, const char *op)
{
    const b4c_onnx_node *node;
    for (size_t at = 0; (node = b4c_onnx_user(g, name, &at));)
        if (b4c_span_is(node->op, op)) return node;
    return NULL;
}

b4c_span b4c_onnx_input(const b4c_onnx_node *node, int i)
{
    return i < node->n_input ? node->input[i] : (b4c_span){ node->body.data, 0 };
}

static int link_nodes(b4c_onnx_graph *g)
{
    size_t n_input = 0, n_output = 0;
    for (size_t i = 0; i < g->n_node; i++) {
        n_input += (size_t)g->node[i].n_input;
        n_output += (size_t)g->node[i].n_output;
    }
    g->used = calloc(n_input + 1, sizeof *g->used);
    g->made = calloc(n_output + 1, sizeof *g->made);
    if (!g->used || !g->made) return no_memory(g);
    for (size_t i = 0; i < g->n_node; i++) {
        const b4c_onnx_node *node = &g->node[i];
        for (int j = 0; j < node->n_input; j++)
            g->used[g->n_used++] = (b4c_onnx_link){ node->input[j], node };
        for (int j = 0; j < node->n_output; j++)
            g->made[g->n_made++] = (b4c_onnx_link){ node->output[j], node };
    }
    qsort(g->used, g->n_used, sizeof *g->used, by_link);
    qsort(g->made, g->n_made, sizeof *g->made, by_link);
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* GraphProto: 1 node, 5 initializer, 15 sparse_initializer. */
static int read_graph(b4c_onnx_graph *g, b4c_span body)
{
    b4c_proto m = { body };
    b4c_field f;
    b4c_span part;
    int rc;
    while ((rc = b4c_proto_next(&m, &f)) > 0) {
        if (b4c_field_bytes(&f, 1, &part)) B4C_TRY(read_node(g, part));
        if (b4c_field_bytes(&f, 5, &part)) B4C_TRY(add_value(g, part, part, false));
        if (f.number == 15)
            return b4c_fail(g->err, B4C_E_UNSUPPORTED, "%s: sparse initialisers, wanted dense ones",
                            g->store->file_name[g->file]);
    }
    if (rc < 0) return damaged(g, "its graph is malformed");
    if (g->n_value) qsort(g->value, g->n_value, sizeof *g->value, by_value);
    for (size_t i = 1; i < g->n_value; i++)
        if (by_value(&g->value[i - 1], &g->value[i]) == 0)
            return b4c_fail_tensor(g->store, g->file, g->value[i].name, g->err, B4C_E_FORMAT,
                                   "found twice, wanted one of each name");
    return link_nodes(g);
}

/* ModelProto: 7 graph, 8 opset_import, which every model has: it mostly stands behind the graph, so
 * that a file cut there is noticed. */
int b4c_onnx_graph_open(b4c_onnx_graph *g, b4c_store *s, int file, b4c_error *err)
{
    *g = (b4c_onnx_graph){ .store = s, .file = file, .err = err };
    b4c_proto m = { b4c_store_bytes(s, file) };
    b4c_field f;
    b4c_span graph = { NULL, 0 }, opset = { NULL, 0 };
    int rc;
    while ((rc = b4c_proto_next(&m, &f)) > 0)
        (void)(b4c_field_bytes(&f, 7, &graph) || b4c_field_bytes(&f, 8, &opset));
    if (rc < 0) return damaged(g, "it ends in the middle of a field");
    if (!graph.data || !opset.data) return damaged(g, "it has no graph or no opset_import");
    return read_graph(g, graph);
}

void b4c_onnx_graph_done(b4c_onnx_graph *g)
{
    b4c_chunk_free(&g->memory);
    free(g->value);
    free(g->node);
    free(g->made);
    free(g->used);
    *g = (b4c_onnx_graph){ 0 };
}
