/* onnx_names.c - the names that an export took from its matrices, found again in the graph.
 *
 * Exporters keep the module's name for embeddings, biases and norms, but fold a linear's transposed
 * weight [in, out] into a constant called onnx::MatMul_541 or val_64. Who the matrix is, is told by
 * what multiplies by it:
 *   1. the node's name: /encoder/layer.0/attention/self/query/MatMul;
 *   2. else the bias that is added to the product: encoder.layer.0.attention.self.query.bias.
 * It is listed under its module's name, as [out, in] by exchanged strides; a tensor whose name ends
 * in .weight is a module's own already and is listed as it lies.
 *
 * Equal tensors are stored once and named again by Identity nodes. ONNX Runtime's optimiser puts
 * query, key and value side by side in one Attention matrix: three views. Its quantiser stores
 * NAME_quantized with NAME_scale and NAME_zero_point: one tensor NAME.
 */
#include "model/format/onnx_graph.h"

#include <stdio.h>
#include <stdlib.h>

/* A tensor with a name that the graph gives. */
typedef struct named {
    b4c_span name;
    b4c_stored t;
    size_t order;
} named;

typedef struct lister {
    b4c_onnx_graph *g;
    named *found;
    size_t n, room;
    int layers;      /* Attention nodes met */
    b4c_span prefix; /* what stands before "encoder.layer." in the file's names */
    b4c_span query;  /* product by the first query matrix */
} lister;

static b4c_span cut(b4c_span s, size_t begin, size_t end)
{
    return (b4c_span){ s.data + begin, end - begin };
}

/* Index behind the last `c`, 0 when there is none. */
static size_t after_last(b4c_span s, unsigned char c)
{
    size_t i = s.size;
    while (i > 0 && s.data[i - 1] != c) i--;
    return i;
}

static bool contains(b4c_span s, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= s.size; i++)
        if (memcmp(s.data + i, text, n) == 0) return true;
    return false;
}

static b4c_span join(lister *l, b4c_span a, const char *b)
{
    const size_t n = strlen(b);
    unsigned char *text = b4c_chunk_take(&l->g->memory, a.size + n + 1);
    if (!text) return (b4c_span){ NULL, 0 };
    memcpy(text, a.data, a.size);
    memcpy(text + a.size, b, n);
    return (b4c_span){ text, a.size + n };
}

static int note(lister *l, b4c_span name, const b4c_stored *t)
{
    if (!name.data) return b4c_fail_memory(l->g->store, l->g->file, l->g->err);
    if (l->n == l->room) {
        const size_t room = l->room ? 2 * l->room : 128;
        named *more = realloc(l->found, room * sizeof *more);
        if (!more) return b4c_fail_memory(l->g->store, l->g->file, l->g->err);
        l->found = more;
        l->room = room;
    }
    l->found[l->n] = (named){ name, *t, l->n };
    l->n++;
    return 0;
}

/* ---- following values ----------------------------------------------------------------------- */

/* The stored tensor that a value is a copy of; *flipped: exchanged axes on the way. NULL:
 * computed. */
static b4c_onnx_value *source(const b4c_onnx_graph *g, b4c_span name, bool *flipped)
{
    *flipped = false;
    for (int steps = 0; steps < 16; steps++) {
        b4c_onnx_value *v = b4c_onnx_find(g, name);
        const b4c_onnx_node *node = v ? NULL : b4c_onnx_maker(g, name);
        if (v || !node) return v;
        if (b4c_span_is(node->op, "Transpose"))
            *flipped = !*flipped;
        else if (!b4c_span_is(node->op, "Identity") && !b4c_span_is(node->op, "Cast") &&
                 !b4c_span_is(node->op, "DequantizeLinear"))
            return NULL;
        name = b4c_onnx_input(node, 0);
    }
    return NULL;
}

/* Where the product is in floats: behind the Cast and the Mul by the scales that follow an
 * integer product. */
static b4c_span product_of(const b4c_onnx_graph *g, const b4c_onnx_node *node)
{
    b4c_span out = node->output[0];
    if (!b4c_span_is(node->op, "MatMulInteger")) return out;
    static const char *const steps[] = { "Cast", "Mul" };
    for (int i = 0; i < 2; i++) {
        const b4c_onnx_node *next = b4c_onnx_user_of(g, out, steps[i]);
        if (next) out = next->output[0];
    }
    return out;
}

/* Name of the bias that is added to a value, by Add or by an operator that has swallowed one;
 * empty: none. */
static b4c_span bias_of(const b4c_onnx_graph *g, b4c_span value)
{
    static const char *const adders[] = { "Add", "BiasGelu", "FastGelu", "SkipLayerNormalization" };
    const b4c_onnx_node *node;
    for (size_t at = 0; (node = b4c_onnx_user(g, value, &at));) {
        for (size_t i = 0; i < sizeof adders / sizeof *adders; i++) {
            if (!b4c_span_is(node->op, adders[i])) continue;
            for (int j = 0; j < node->n_input; j++)
                if (b4c_span_ends(node->input[j], ".bias") &&
                    !b4c_span_ends(node->input[j], "LayerNorm.bias") &&
                    b4c_onnx_find(g, node->input[j]))
                    return node->input[j];
        }
    }
    return (b4c_span){ value.data, 0 };
}

/* ---- names of matrices ---------------------------------------------------------------------- */

/* "/a/b.0/c/MatMul" -> "a.b.0.c.weight". Empty: the node is not named after a module. */
static b4c_span name_by_node(lister *l, b4c_span node)
{
    if (node.size == 0 || node.data[0] != '/') return (b4c_span){ node.data, 0 };
    size_t end = node.size;
    for (;;) { /* .../MatMul, .../MatMul_1, .../MatMul_quant, .../MatMul/MatMulAddFusion */
        const size_t begin = after_last(cut(node, 0, end), '/');
        const b4c_span part = cut(node, begin, end);
        if (!b4c_span_starts(part, "MatMul") && !b4c_span_starts(part, "Gemm")) break;
        end = begin - 1;
        if (end == 0) return cut(node, 0, 0);
    }
    if (end == node.size) return cut(node, 0, 0);
    const b4c_span name = join(l, cut(node, 1, end), ".weight");
    for (size_t i = 0; name.data && i < name.size; i++)
        if (name.data[i] == '/') ((unsigned char *)(uintptr_t)name.data)[i] = '.';
    return name;
}

/* "a.b.bias" -> "a.b.weight"; the bias of a masked-LM head stands beside its decoder, not in it. */
static b4c_span name_by_bias(lister *l, b4c_span bias)
{
    if (bias.size == 0) return bias;
    const b4c_span module = cut(bias, 0, bias.size - strlen(".bias"));
    return join(l, module,
                b4c_span_ends(module, "predictions") || b4c_span_ends(module, "lm_head")
                    ? ".decoder.weight"
                    : ".weight");
}

static void exchange(b4c_stored *t)
{
    const int64_t shape = t->shape[0], stride = t->stride[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = shape;
    t->stride[0] = t->stride[1];
    t->stride[1] = stride;
}

static int fail_columns(const b4c_onnx_graph *g, const b4c_onnx_value *v)
{
    return b4c_fail_tensor(
        g->store, v->t.file, v->name, g->err, B4C_E_UNSUPPORTED,
        "has a scale a column, and no linear that multiplies by it as [in, out] is known");
}

/* MatMul, MatMulInteger, Gemm by a stored matrix. */
static int name_matrix(lister *l, const b4c_onnx_node *node)
{
    const b4c_onnx_graph *g = l->g;
    const bool gemm = b4c_span_is(node->op, "Gemm");
    int64_t out_in = 0;
    bool flipped;
    b4c_onnx_value *v = source(g, b4c_onnx_input(node, 1), &flipped);
    if (!v || v->t.rank != 2) return 0;
    const b4c_span product = product_of(g, node);
    b4c_span bias = gemm ? b4c_onnx_input(node, 2) : bias_of(g, product);
    if (!b4c_span_ends(bias, ".bias")) bias.size = 0;
    if (gemm) (void)b4c_onnx_int(node, "transB", &out_in);

    b4c_span name = v->name;
    if (!b4c_span_ends(name, ".weight")) {
        name = name_by_node(l, node->name);
        if (name.data && name.size == 0) name = name_by_bias(l, bias);
        if (name.data && name.size == 0) return 0; /* stays under its own name */
        b4c_stored t = v->t;
        if ((out_in != 0) == flipped)
            exchange(&t);
        else if (t.n_quant > 1)
            return fail_columns(g, v);
        v->hidden = true;
        B4C_TRY(note(l, name, &t));
    }
    if (l->query.size == 0 && (contains(name, "query") || contains(name, "q_lin")))
        l->query = product;
    return 0;
}

static b4c_span prefix_of(const b4c_onnx_graph *g)
{
    static const char mark[] = "encoder.layer.";
    for (size_t i = 0; i < g->n_value; i++) {
        const b4c_span name = g->value[i].name;
        for (size_t j = 0; j + sizeof mark - 1 <= name.size; j++)
            if (memcmp(name.data + j, mark, sizeof mark - 1) == 0) return cut(name, 0, j);
    }
    return b4c_span_of("");
}

/* com.microsoft Attention (x, weight [in, 3 out], bias [3 out], ...): query | key | value by
 * columns. */
static int name_attention(lister *l, const b4c_onnx_node *node)
{
    static const char *const parts[] = { "query", "key", "value" };
    const b4c_onnx_graph *g = l->g;
    bool turned, flipped;
    b4c_onnx_value *w = source(g, b4c_onnx_input(node, 1), &turned),
                   *b = source(g, b4c_onnx_input(node, 2), &flipped);
    if (!w) return 0; /* ONNX's own Attention, of computed values */
    if (turned || !b || w->t.rank != 2 || b->t.rank != 1 || w->t.shape[1] % 3 ||
        b->t.shape[0] != w->t.shape[1] || b->t.n_quant ||
        (w->t.n_quant > 1 && w->t.n_quant != w->t.shape[1]))
        return b4c_fail(g->err, B4C_E_UNSUPPORTED,
                        "%s: node '%.*s' has no fused query, key and value of one width",
                        g->store->file_name[g->file], B4C_SPAN_ARG(node->name));
    const int64_t width = w->t.shape[1] / 3;
    for (int i = 0; i < 3; i++) {
        char text[80];
        b4c_stored matrix = w->t, vector = b->t;
        matrix.shape[1] = vector.shape[0] = width;
        matrix.data += (size_t)(i * width) * b4c_stored_width(matrix.type);
        matrix.bytes -= (size_t)(i * width) * b4c_stored_width(matrix.type);
        vector.data += (size_t)(i * width) * b4c_stored_width(vector.type);
        vector.bytes = (size_t)width * b4c_stored_width(vector.type);
        if (matrix.n_quant > 1) {
            matrix.quant_scale += i * width;
            matrix.quant_zero += i * width;
            matrix.n_quant = (int)width;
        }
        exchange(&matrix);
        snprintf(text, sizeof text, "encoder.layer.%d.attention.self.%s.weight", l->layers,
                 parts[i]);
        B4C_TRY(note(l, join(l, l->prefix, text), &matrix));
        snprintf(text, sizeof text, "encoder.layer.%d.attention.self.%s.bias", l->layers, parts[i]);
        B4C_TRY(note(l, join(l, l->prefix, text), &vector));
    }
    w->hidden = b->hidden = true;
    l->layers++;
    return 0;
}

/* A second name for a stored tensor. */
static int name_copy(lister *l, const b4c_onnx_node *node)
{
    bool flipped;
    const b4c_span name = node->output[0];
    const b4c_onnx_value *v = source(l->g, b4c_onnx_input(node, 0), &flipped);
    if (!v || flipped || v->t.n_quant > 1 || !contains(name, ".") || name.data[0] == '/') return 0;
    return note(l, name, &v->t);
}

/* ---- quantised tensors ---------------------------------------------------------------------- */

/* NAME_quantized, NAME_scale, NAME_zero_point become one tensor NAME. Scales are one for all, or
 * one a column of a matrix [in, out], which is a row once its module's name has turned it. */
static int join_quantised(lister *l, b4c_onnx_value *v)
{
    static const char ending[] = "_quantized";
    b4c_onnx_graph *g = l->g;
    if (!b4c_span_ends(v->name, ending) ||
        (v->t.type != B4C_STORED_I8 && v->t.type != B4C_STORED_U8))
        return 0;
    const b4c_span base = cut(v->name, 0, v->name.size - strlen(ending));
    const b4c_span scale_name = join(l, base, "_scale"), zero_name = join(l, base, "_zero_point");
    b4c_onnx_value *scale = scale_name.data ? b4c_onnx_find(g, scale_name) : NULL,
                   *zero = zero_name.data ? b4c_onnx_find(g, zero_name) : NULL;
    uint64_t n = 1, n_zero = 1;
    if (scale) (void)b4c_shape_count(scale->t.shape, scale->t.rank, &n);
    if (zero) (void)b4c_shape_count(zero->t.shape, zero->t.rank, &n_zero);
    if (!scale || scale->t.type != B4C_STORED_F32 ||
        (zero && (zero->t.type != v->t.type || n_zero != n)) ||
        (n != 1 && (v->t.rank != 2 || n != (uint64_t)v->t.shape[1])))
        return b4c_fail_tensor(
            g->store, g->file, v->name, g->err, B4C_E_UNSUPPORTED,
            "is quantised without float scales '%.*s_scale', one or one a column",
            B4C_SPAN_ARG(base));
    float *scales = b4c_store_keep(g->store, n * sizeof *scales);
    int32_t *zeros = b4c_store_keep(g->store, n * sizeof *zeros);
    if (!scales || !zeros) return b4c_fail_memory(g->store, g->file, g->err);
    for (uint64_t i = 0; i < n; i++) {
        scales[i] = b4c_stored_element(&scale->t, i);
        zeros[i] = zero ? (int32_t)b4c_stored_element(&zero->t, i) : 0;
    }
    v->t.quant_scale = scales;
    v->t.quant_zero = zeros;
    v->t.n_quant = (int)n;
    scale->hidden = true;
    if (zero) zero->hidden = true;
    return 0;
}

/* ---- the list ------------------------------------------------------------------------------- */

/* Shape vectors, position ids without a module, scalars: what the graph computes with. */
static bool is_plumbing(const b4c_onnx_value *v)
{
    uint64_t count = 0;
    (void)b4c_shape_count(v->t.shape, v->t.rank, &count);
    const bool number = v->t.type == B4C_STORED_F32 || v->t.type == B4C_STORED_F16 ||
                        v->t.type == B4C_STORED_BF16 || v->t.type == B4C_STORED_F64 || v->t.n_quant;
    return v->constant || v->name.size == 0 || v->name.data[0] == '/' ||
           (!contains(v->name, ".") && (!number || count < 2));
}

static int by_name(const void *a, const void *b)
{
    const named *x = a, *y = b;
    const int order = b4c_span_compare(x->name, y->name);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Whether two tensors of one name are the same numbers: exporters unroll shared layers into
 * copies. */
static bool is_same(const b4c_stored *a, const b4c_stored *b)
{
    return a->type == b->type && a->rank == b->rank && a->bytes == b->bytes &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           memcmp(a->stride, b->stride, sizeof a->stride) == 0 &&
           (a->data == b->data || memcmp(a->data, b->data, a->bytes) == 0);
}

static int add_named(lister *l)
{
    b4c_onnx_graph *g = l->g;
    if (l->n) qsort(l->found, l->n, sizeof *l->found, by_name);
    for (size_t i = 0; i < l->n; i++) {
        named *x = &l->found[i];
        const b4c_onnx_value *own = b4c_onnx_find(g, x->name);
        if (own && !own->hidden && !own->constant)
            continue; /* a tied head, named and stored a second time */
        if (i > 0 && b4c_span_compare(x->name, l->found[i - 1].name) == 0) {
            if (is_same(&x->t, &l->found[i - 1].t)) continue;
            return b4c_fail_tensor(g->store, x->t.file, x->name, g->err, B4C_E_FORMAT,
                                   "the graph gives this name to two matrices");
        }
        B4C_TRY(b4c_store_add(g->store, &x->t, x->name, g->err));
    }
    return 0;
}

static int add_values(lister *l)
{
    b4c_onnx_graph *g = l->g;
    for (size_t i = 0; i < g->n_value; i++) {
        const b4c_onnx_value *v = &g->value[i];
        if (v->hidden || is_plumbing(v)) continue;
        const b4c_span name = v->t.n_quant ? cut(v->name, 0, v->name.size - strlen("_quantized"))
                                           : v->name;
        if (v->t.n_quant > 1) return fail_columns(g, v);
        B4C_TRY(b4c_store_add(g->store, &v->t, name, g->err));
    }
    return 0;
}

int b4c_onnx_list(b4c_onnx_graph *g, b4c_span *query)
{
    lister l = { .g = g, .prefix = prefix_of(g), .query = b4c_span_of("") };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_value; i++) rc = join_quantised(&l, &g->value[i]);
    for (size_t i = 0; rc == 0 && i < g->n_node; i++) {
        const b4c_onnx_node *node = &g->node[i];
        if (b4c_span_is(node->op, "MatMul") || b4c_span_is(node->op, "MatMulInteger") ||
            b4c_span_is(node->op, "Gemm"))
            rc = name_matrix(&l, node);
        else if (b4c_span_is(node->op, "Attention") || b4c_span_is(node->op, "QAttention"))
            rc = name_attention(&l, node);
        else if (b4c_span_is(node->op, "Identity"))
            rc = name_copy(&l, node);
    }
    if (rc == 0) rc = add_named(&l);
    if (rc == 0) rc = add_values(&l);
    *query = l.query;
    free(l.found);
    return rc;
}
