/* onnx_graph.h - an ONNX graph as far as it tells names: constant tensors, the nodes around
 * them, and who makes and uses a value. Seen by the onnx_*.c files only. */
#ifndef B4C_MODEL_FORMAT_ONNX_GRAPH_H
#define B4C_MODEL_FORMAT_ONNX_GRAPH_H
#include "model/format/reader.h"

/* A tensor that the graph holds: an initialiser, or the value of a Constant node. */
typedef struct b4c_onnx_value {
    b4c_span name;
    b4c_stored t;  /* as stored: row-major */
    bool constant; /* of a Constant node: plumbing unless a layer multiplies by it */
    bool hidden;   /* listed under another name, or part of another tensor (scale, zero point) */
} b4c_onnx_value;

typedef struct b4c_onnx_node {
    b4c_span op, name, body; /* body: the message, for attributes */
    int n_input, n_output;
    b4c_span *input, *output; /* an absent optional input has an empty name */
} b4c_onnx_node;

/* `node` makes or uses `name`. */
typedef struct b4c_onnx_link {
    b4c_span name;
    const b4c_onnx_node *node;
} b4c_onnx_link;

typedef struct b4c_onnx_graph {
    b4c_store *store;
    int file;
    b4c_error *err;
    b4c_chunk *memory; /* of inputs, outputs and made names */
    size_t n_value, room_value, n_node, room_node, n_made, n_used;
    b4c_onnx_value *value;      /* sorted by name, no name twice */
    b4c_onnx_node *node;        /* in the file's order, which is the order of computation */
    b4c_onnx_link *made, *used; /* sorted by name, then by node */
} b4c_onnx_graph;

int b4c_onnx_graph_open(b4c_onnx_graph *, b4c_store *, int file, b4c_error *);
void b4c_onnx_graph_done(b4c_onnx_graph *);

b4c_onnx_value *b4c_onnx_find(const b4c_onnx_graph *, b4c_span name); /* NULL: computed */
const b4c_onnx_node *b4c_onnx_maker(const b4c_onnx_graph *,
                                    b4c_span name); /* NULL: none of those kept */
/* The next node that uses `name`, with *at from 0 on; NULL: no more. */
const b4c_onnx_node *b4c_onnx_user(const b4c_onnx_graph *, b4c_span name, size_t *at);
/* The first node of kind `op` that uses `name`. */
const b4c_onnx_node *b4c_onnx_user_of(const b4c_onnx_graph *, b4c_span name, const char *op);
/* Input i; empty when there is none. */
b4c_span b4c_onnx_input(const b4c_onnx_node *, int i);
/* Attributes: true and *out set when there is one of the name and kind. */
bool b4c_onnx_int(const b4c_onnx_node *, const char *name, int64_t *out);
bool b4c_onnx_float(const b4c_onnx_node *, const char *name, float *out);
bool b4c_onnx_text(const b4c_onnx_node *, const char *name, b4c_span *out);

/* onnx_names.c: add the graph's tensors to the store, matrices under their modules' names. Sets
 * *query to the name of the product by the first query matrix, empty when there is none. */
int b4c_onnx_list(b4c_onnx_graph *, b4c_span *query);
/* onnx_facts.c */
b4c_onnx_facts b4c_onnx_look(const b4c_onnx_graph *, b4c_span query);
#endif
