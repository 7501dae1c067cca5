"""Writes tests/golden/train from the folders of a reference run (train-NAME with config.json,
model.safetensors, io.safetensors): models that several cases share once, gradients and changes
after five steps as halves, each tensor divided by its largest value so that halves have the same
precision in all.

    python3 pack.py REFERENCE_MODELS
"""
import hashlib, json, os, struct, sys
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "F16": np.float16}


def read(path):
    raw = open(path, "rb").read()
    n, = struct.unpack("<Q", raw[:8])
    head = json.loads(raw[8:8 + n])
    head.pop("__metadata__", None)
    return {k: np.frombuffer(raw[8 + n:][v["data_offsets"][0]:v["data_offsets"][1]],
                             TYPES[v["dtype"]]).reshape(v["shape"]) for k, v in head.items()}


def write(path, tensors):
    names = {np.dtype(t): n for n, t in TYPES.items()}
    head, data = {}, b""
    for k in sorted(tensors, key=lambda k: (-tensors[k].dtype.itemsize, k)):
        x = np.ascontiguousarray(tensors[k])
        head[k] = {"dtype": names[x.dtype], "shape": list(x.shape),
                   "data_offsets": [len(data), len(data) + x.nbytes]}
        data += x.tobytes()
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def padded(io, name, fill=0):
    """A file's rows, one sequence behind the other, as [sequences, longest]; None: ones."""
    lengths = io["lengths"].astype(int)
    out = np.full((len(lengths), max(lengths)), fill, int)
    ends = np.cumsum(lengths)
    for i, n in enumerate(lengths):
        out[i, :n] = io[name].reshape(-1)[ends[i] - n:ends[i]] if name else 1
    return out


def halves(out, name, x):
    most = float(np.abs(x).max()) or 1.0
    out[name] = (x / most).astype(np.float16)
    out["most." + name] = np.array([most], np.float32)


def learn(optimiser, loss, at_first):
    """The losses before, between and behind five steps; at_first() sees the first gradients."""
    history = []
    for step in range(6):
        optimiser.zero_grad()
        value = loss()
        history.append(value.item())
        value.backward()
        if step == 0:
            at_first()
        if step < 5:
            optimiser.step()
    return history


def main(source):
    models = {}
    for case in sorted(d for d in os.listdir(source) if d.startswith("train-")):
        folder = os.path.join(source, case)
        raw = open(os.path.join(folder, "model.safetensors"), "rb").read()
        key = hashlib.sha256(raw + open(os.path.join(folder, "config.json"), "rb").read()).hexdigest()
        if key not in models:
            models[key] = case[6:]
            to = os.path.join(HERE, case[6:])
            os.makedirs(to, exist_ok=True)
            for f in ("config.json", "model.safetensors"):
                open(os.path.join(to, f), "wb").write(open(os.path.join(folder, f), "rb").read())
        before, io, out = read(os.path.join(folder, "model.safetensors")), read(os.path.join(folder, "io.safetensors")), {}
        for k, x in io.items():
            if k.startswith("grad."):
                halves(out, k, x)
            elif k.startswith("after."):
                if k[6:] in before:
                    halves(out, "moved." + k[6:], x - before[k[6:]])
            else:
                out[k] = x
        write(os.path.join(HERE, case[6:] + ".safetensors"), out)
        print(case[6:], "model", models[key], len(out), "tensors")


if __name__ == "__main__":
    main(sys.argv[1])
