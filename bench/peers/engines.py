"""The peers behind one face: an engine takes padded ids and gives the first token's last hidden state.

Every engine is built from the same folder (config.json + model.safetensors of a BERT), so that all compute the same numbers.
Versions measured: see the table in README.md. Nothing here is needed to build, run or test bert4c.
"""
import json
import os
import struct
import time

import numpy as np


def load_folder(folder):
    """config and {name: array} of a hub folder; names without a prefix."""
    config = json.load(open(os.path.join(folder, "config.json")))
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    weights = {}
    for name, t in header.items():
        if name == "__metadata__" or t["dtype"] not in kinds:
            continue
        a, b = t["data_offsets"]
        weights[name.removeprefix("bert.")] = np.frombuffer(data[a:b], kinds[t["dtype"]]).reshape(t["shape"])
    return config, weights


def export_onnx(folder, path):
    """The plain-operator graph that exporters write, opset 17."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    c, w = load_folder(folder)
    heads, width = c["num_attention_heads"], c["hidden_size"]
    d = width // heads
    nodes, constants = [], []

    def constant(name, value):
        # ascontiguousarray would make a scalar an array of one, and Gather would keep an axis of one.
        constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(op, inputs, output, **attributes):
        nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def norm(x, prefix, out):
        return node("LayerNormalization", [x, constant(prefix + ".weight", w[prefix + ".weight"]), constant(prefix + ".bias", w[prefix + ".bias"])],
                    out, axis=-1, epsilon=float(c["layer_norm_eps"]))

    def dense(x, prefix, out):
        y = node("MatMul", [x, constant(prefix + ".weight", w[prefix + ".weight"].T)], out + "/MatMul")
        return node("Add", [y, constant(prefix + ".bias", w[prefix + ".bias"])], out)

    constant("split", np.array([0, 0, heads, d], np.int64))
    constant("join", np.array([0, 0, width], np.int64))
    constant("scale", np.array(d ** -0.5, np.float32))
    for name, value in (("half", 0.5), ("one", 1.0), ("sqrt2", 2 ** 0.5), ("hide", -1e9)):
        constant(name, np.array(value, np.float32))
    word = node("Gather", [constant("word", w["embeddings.word_embeddings.weight"]), "ids"], "word_rows")
    rows = node("Slice", [constant("position", w["embeddings.position_embeddings.weight"]), constant("zero", np.array([0], np.int64)),
                          node("Slice", [node("Shape", ["ids"], "shape"), constant("from1", np.array([1], np.int64)),
                                         constant("to2", np.array([2], np.int64))], "length")], "position_rows")
    x = node("Add", [node("Add", [word, rows], "sum0"), constant("segment", w["embeddings.token_type_embeddings.weight"][0])], "sum1")
    x = norm(x, "embeddings.LayerNorm", "x0")
    seen = node("Unsqueeze", [node("Cast", ["mask"], "mask_real", to=TensorProto.FLOAT), constant("axes12", np.array([1, 2], np.int64))], "seen")
    bias = node("Mul", [node("Sub", ["one", seen], "hidden"), "hide"], "mask_bias")
    for l in range(c["num_hidden_layers"]):
        p, o = f"encoder.layer.{l}.", f"l{l}/"

        def split(kind, order):
            y = node("Reshape", [dense(x, p + "attention.self." + kind, o + kind), "split"], o + kind + "4")
            return node("Transpose", [y], o + kind + "t", perm=order)

        q, k, v = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
        s = node("Add", [node("Mul", [node("MatMul", [q, k], o + "qk"), "scale"], o + "scaled"), bias], o + "masked")
        a = node("MatMul", [node("Softmax", [s], o + "softmax", axis=-1), v], o + "av")
        a = node("Reshape", [node("Transpose", [a], o + "avt", perm=[0, 2, 1, 3]), "join"], o + "att")
        x = norm(node("Add", [dense(a, p + "attention.output.dense", o + "o"), x], o + "r1"), p + "attention.output.LayerNorm", o + "n1")
        h = dense(x, p + "intermediate.dense", o + "f1")
        g = node("Add", [node("Erf", [node("Div", [h, "sqrt2"], o + "g1")], o + "g2"), "one"], o + "g3")
        h = node("Mul", [node("Mul", [h, g], o + "g4"), "half"], o + "gelu")
        x = norm(node("Add", [dense(h, p + "output.dense", o + "f2"), x], o + "r2"), p + "output.LayerNorm", o + "n2")
    node("Gather", [x, constant("first", np.array(0, np.int64))], "vector", axis=1)
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "length"]) for n in ("ids", "mask")]
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", width])
    graph = helper.make_graph(nodes, "bert", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def export_ct2(folder, path):
    import ctranslate2
    from ctranslate2.specs import common_spec, transformer_spec

    c, w = load_folder(folder)
    spec = transformer_spec.TransformerEncoderModelSpec(
        transformer_spec.TransformerEncoderSpec(
            c["num_hidden_layers"], c["num_attention_heads"], pre_norm=False, activation=common_spec.Activation.GELU,
            layernorm_embedding=True, num_source_embeddings=2, embeddings_merge=common_spec.EmbeddingsMerge.ADD),
        pooling_layer=False)
    e = spec.encoder

    def linear(s, *prefixes):
        s.weight = np.concatenate([w[p + ".weight"] for p in prefixes])
        s.bias = np.concatenate([w[p + ".bias"] for p in prefixes])

    def norm(s, prefix):
        s.gamma, s.beta = w[prefix + ".weight"], w[prefix + ".bias"]

    e.scale_embeddings = False
    e.embeddings[0].weight = w["embeddings.word_embeddings.weight"]
    e.embeddings[1].weight = w["embeddings.token_type_embeddings.weight"]
    e.position_encodings.encodings = w["embeddings.position_embeddings.weight"]
    norm(e.layernorm_embedding, "embeddings.LayerNorm")
    for l, layer in enumerate(e.layer):
        p = f"encoder.layer.{l}."
        linear(layer.self_attention.linear[0], *(p + "attention.self." + k for k in ("query", "key", "value")))
        linear(layer.self_attention.linear[1], p + "attention.output.dense")
        norm(layer.self_attention.layer_norm, p + "attention.output.LayerNorm")
        linear(layer.ffn.linear_0, p + "intermediate.dense")
        linear(layer.ffn.linear_1, p + "output.dense")
        norm(layer.ffn.layer_norm, p + "output.LayerNorm")
    tokens = [f"t{i}" for i in range(w["embeddings.word_embeddings.weight"].shape[0])]
    spec.register_vocabulary(tokens)
    spec.config.unk_token = tokens[0]
    spec.config.layer_norm_epsilon = c["layer_norm_eps"]
    spec.validate()
    os.makedirs(path, exist_ok=True)
    spec.save(path)


class OnnxRuntime:
    def __init__(self, folder, kind, threads):
        import onnxruntime as ort
        path = os.path.join(folder, "peer.onnx")
        if not os.path.exists(path):
            export_onnx(folder, path)
        if kind == "int8":
            from onnxruntime.quantization import QuantType, quantize_dynamic
            small = os.path.join(folder, "peer.int8.onnx")
            if not os.path.exists(small):
                quantize_dynamic(path, small, weight_type=QuantType.QInt8)
            path = small
        o = ort.SessionOptions()
        o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
        self.session = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])

    def __call__(self, ids, mask):
        return self.session.run(["vector"], {"ids": ids, "mask": mask})[0]


class OpenVINO:
    """kind f32 or bf16 (the plugin's inference precision); int8 is NNCF's post-training quantisation of calibration ids."""

    def __init__(self, folder, kind, threads, streams=1, calibration=None):
        import openvino as ov
        path = os.path.join(folder, "peer.onnx")
        if not os.path.exists(path):
            export_onnx(folder, path)
        core = ov.Core()
        model = core.read_model(path)
        if kind == "int8":
            import nncf
            small = os.path.join(folder, "peer.int8.xml")
            if os.path.exists(small):
                model = core.read_model(small)
            else:
                if calibration is None:
                    rng = np.random.default_rng(0)
                    calibration = [(rng.integers(0, 20000, (1, 24)), np.ones((1, 24), np.int64)) for _ in range(200)]
                data = nncf.Dataset(calibration, lambda p: {"ids": p[0], "mask": p[1]})
                model = nncf.quantize(model, data, model_type=nncf.ModelType.TRANSFORMER, preset=nncf.QuantizationPreset.MIXED,
                                      subset_size=len(calibration))
                ov.save_model(model, small)
        self.compiled = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams, "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32" if kind == "f32" else "bf16"})
        self.queue = ov.AsyncInferQueue(self.compiled, streams)

    def __call__(self, ids, mask):
        return self.compiled({"ids": ids, "mask": mask})[0]

    def many(self, batches):
        out = [None] * len(batches)

        def keep(request, i):
            out[i] = request.get_output_tensor(0).data.copy()

        self.queue.set_callback(keep)
        for i, (ids, mask) in enumerate(batches):
            self.queue.start_async({"ids": ids, "mask": mask}, i)
        self.queue.wait_all()
        return out


class CTranslate2:
    def __init__(self, folder, kind, threads, replicas=1):
        import ctranslate2
        path = os.path.join(folder, "peer.ct2")
        if not os.path.exists(path):
            export_ct2(folder, path)
        self.ct2 = ctranslate2
        self.encoder = ctranslate2.Encoder(path, device="cpu", compute_type="float32" if kind == "f32" else kind,
                                           inter_threads=replicas, intra_threads=max(1, threads // replicas))

    def __call__(self, ids, mask):
        batch = [row[:n].tolist() for row, n in zip(ids, mask.sum(1))]
        zeros = [[0] * len(row) for row in batch]
        return np.asarray(self.encoder.forward_batch(batch, token_type_ids=zeros).last_hidden_state)[:, 0]


class PyTorch:
    def __init__(self, folder, kind, threads):
        import torch
        torch.set_num_threads(threads)
        self.torch, self.kind = torch, torch.float32 if kind == "f32" else torch.bfloat16
        self.c, w = load_folder(folder)
        self.w = {n: torch.tensor(a).to(self.kind) for n, a in w.items()}

    def __call__(self, ids, mask):
        t, f = self.torch, self.torch.nn.functional
        w, heads, width = self.w, self.c["num_attention_heads"], self.c["hidden_size"]
        with t.inference_mode():
            n, length = ids.shape
            x = f.embedding(t.from_numpy(ids), w["embeddings.word_embeddings.weight"])
            x = x + w["embeddings.position_embeddings.weight"][:length] + w["embeddings.token_type_embeddings.weight"][0]

            def norm(x, p):
                return f.layer_norm(x, (width,), w[p + ".weight"], w[p + ".bias"], self.c["layer_norm_eps"])

            def dense(x, p):
                return f.linear(x, w[p + ".weight"], w[p + ".bias"])

            x = norm(x, "embeddings.LayerNorm")
            seen = None if mask.all() else t.from_numpy(mask.astype(bool))[:, None, None, :]
            for l in range(self.c["num_hidden_layers"]):
                p = f"encoder.layer.{l}."
                q, k, v = (dense(x, p + "attention.self." + s).view(n, length, heads, -1).transpose(1, 2) for s in ("query", "key", "value"))
                a = f.scaled_dot_product_attention(q, k, v, attn_mask=seen).transpose(1, 2).reshape(n, length, width)
                x = norm(dense(a, p + "attention.output.dense") + x, p + "attention.output.LayerNorm")
                x = norm(dense(f.gelu(dense(x, p + "intermediate.dense")), p + "output.dense") + x, p + "output.LayerNorm")
            return x[:, 0].float().numpy()


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVINO, "ctranslate2": CTranslate2, "torch": PyTorch}


def median_seconds(call, least=5, spend=1.5):
    times = []
    while len(times) < least or (sum(times) < spend and len(times) < 200):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))
