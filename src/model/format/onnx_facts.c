/* onnx_facts.c - what of a model's configuration stands in its ONNX graph and not in its tensors'
 * shapes.
 *
 * Some registries carry real models as a lone .onnx beside a tokenizer. Widths, layers and
 * vocabulary are shapes and names; the norm's epsilon, the activation and the size of a head are
 * read here from the operators, as far as exporters of BERT leave them (legacy pieces,
 * LayerNormalization, ONNX Runtime's fused operators).
 */
#include "model/format/onnx_graph.h"

#include <math.h>

/* Graphs hold 1e-12 as the float 9.99999996e-13: six digits are what was meant. */
static double six_digits(double x)
{
    if (!(x > 0 && x < 1)) return 0;
    const double scale = pow(10, 5 - floor(log10(x)));
    return round(x * scale) / scale;
}

/* A stored number: the last element of a tensor with at least one. */
static bool last_number(const b4c_onnx_graph *g, b4c_span name, double *out)
{
    const b4c_onnx_value *v = b4c_onnx_find(g, name);
    uint64_t count;
    if (!v || v->t.type == B4C_STORED_OTHER || !b4c_shape_count(v->t.shape, v->t.rank, &count) ||
        count == 0)
        return false;
    *out = b4c_stored_element(&v->t, (size_t)count - 1);
    return true;
}

/* Of one node, 0 when it is no norm: an attribute, or the number added before a square root. */
static double epsilon_of(const b4c_onnx_graph *g, const b4c_onnx_node *node)
{
    float epsilon = 1e-12f; /* com.microsoft's default */
    double number;
    if (b4c_span_ends(node->op, "LayerNormalization")) {
        if (b4c_span_is(node->op, "LayerNormalization")) epsilon = 1e-5f;
        (void)b4c_onnx_float(node, "epsilon", &epsilon);
        return six_digits(epsilon);
    }
    if (!b4c_span_is(node->op, "Sqrt")) return 0;
    const b4c_onnx_node *add = b4c_onnx_maker(g, b4c_onnx_input(node, 0));
    for (int i = 0; add && b4c_span_is(add->op, "Add") && i < add->n_input; i++)
        if (last_number(g, add->input[i], &number)) return six_digits(number);
    return 0;
}

static const char *activation_of(const b4c_onnx_graph *g, const b4c_onnx_node *node)
{
    b4c_span kind;
    if (b4c_span_is(node->op, "Erf") || b4c_span_is(node->op, "BiasGelu")) return "gelu";
    if (b4c_span_is(node->op, "Gelu"))
        return b4c_onnx_text(node, "approximate", &kind) && b4c_span_is(kind, "tanh") ? "gelu_new"
                                                                                      : "gelu";
    if (b4c_span_is(node->op, "FastGelu")) return "gelu_new";
    if (b4c_span_is(node->op, "Relu")) return "relu";
    /* the pooler's tanh follows its linear; gelu's follows a product */
    const b4c_onnx_node *before = b4c_span_is(node->op, "Tanh")
                                    ? b4c_onnx_maker(g, b4c_onnx_input(node, 0))
                                    : NULL;
    return before && b4c_span_is(before->op, "Mul") ? "gelu_new" : NULL;
}

/* Last axis of the shape to which query + bias is brought: a stored vector, or a Concat of
 * pieces. */
static int head_size_of(const b4c_onnx_graph *g, b4c_span query)
{
    double size;
    const b4c_onnx_node *add = b4c_onnx_user_of(g, query, "Add");
    const b4c_onnx_node *reshape = b4c_onnx_user_of(g, add ? add->output[0] : query, "Reshape");
    if (!reshape) return 0;
    b4c_span shape = b4c_onnx_input(reshape, 1);
    const b4c_onnx_node *concat = b4c_onnx_maker(g, shape);
    if (concat && b4c_span_is(concat->op, "Concat"))
        shape = b4c_onnx_input(concat, concat->n_input - 1);
    return last_number(g, shape, &size) && size >= 1 && size <= 65536 ? (int)size : 0;
}

b4c_onnx_facts b4c_onnx_look(const b4c_onnx_graph *g, b4c_span query)
{
    b4c_onnx_facts facts = { .head_size = query.size ? head_size_of(g, query) : 0 };
    for (size_t i = 0; i < g->n_node; i++) {
        const b4c_onnx_node *node = &g->node[i];
        int64_t heads;
        if (!facts.activation) facts.activation = activation_of(g, node);
        if (facts.epsilon == 0) facts.epsilon = epsilon_of(g, node);
        if (facts.heads == 0 && b4c_span_ends(node->op, "Attention") &&
            b4c_onnx_int(node, "num_heads", &heads) && heads > 0 && heads <= 65536)
            facts.heads = (int)heads;
    }
    return facts;
}
