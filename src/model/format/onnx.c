/* onnx.c - an exported encoder's weights, read from its ONNX graph: graph, names, facts.
 *
 * Only constants and names are taken; the graph is never computed. What is wanted is the model, and
 * b4c has that.
 */
#include "model/format/onnx_graph.h"

#include "base/proto.h"

/* A protobuf has no mark. Writers put fields in order: ModelProto begins with 1 ir_version, a
 * small number, and goes on with a field of its own (2 producer_name .. 8 opset_import, 14
 * metadata_props). */
bool b4c_onnx_is(b4c_span bytes)
{
    uint64_t tag, version;
    return b4c_varint(&bytes, &tag) > 0 && tag == (1 << 3 | B4C_WIRE_VARINT) &&
           b4c_varint(&bytes, &version) > 0 && version > 0 && version < 256 &&
           b4c_varint(&bytes, &tag) > 0 && ((tag >> 3 >= 2 && tag >> 3 <= 8) || tag >> 3 == 14);
}

int b4c_onnx_read(b4c_store *s, int file, b4c_error *err)
{
    b4c_onnx_graph graph;
    b4c_span query;
    int rc = b4c_onnx_graph_open(&graph, s, file, err);
    if (rc == 0) rc = b4c_onnx_list(&graph, &query);
    if (rc == 0) s->facts = b4c_onnx_look(&graph, query);
    b4c_onnx_graph_done(&graph);
    return rc;
}
