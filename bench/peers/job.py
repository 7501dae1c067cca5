"""The whole job of a user: a TSV of sentence pairs in, unit vectors in a .npy out, from process start.

    time python bench/peers/job.py MODEL_FOLDER pairs.tsv out.npy --engine openvino:bf16 --batch 128 --streams 2

MODEL_FOLDER: config.json, model.safetensors, tokenizer.json of a BERT pooled by its first token. Sentences are sorted by length and
padded to the longest of their batch, as good users of these engines do; --unsorted leaves them in order.
"""
import argparse
import time

START = time.perf_counter()

import os  # noqa: E402

import numpy as np  # noqa: E402

from engines import ENGINES  # noqa: E402


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("tsv")
    p.add_argument("out")
    p.add_argument("--engine", default="onnxruntime:f32")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--streams", type=int, default=1)
    p.add_argument("--unsorted", action="store_true")
    a = p.parse_args()
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(a.folder, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(512)
    name, kind = a.engine.split(":")
    more = {"streams": a.streams} if name == "openvino" else {"replicas": a.threads} if name == "ctranslate2" else {}
    texts = [t for line in open(a.tsv, encoding="utf-8") for t in line.rstrip("\n").split("\t")[:2]]
    if kind == "int8" and name == "openvino":
        some = tokenizer.encode_batch(texts[:200])
        more["calibration"] = [(np.array([e.ids]), np.ones((1, len(e.ids)), np.int64)) for e in some]
    engine = ENGINES[name](a.folder, kind, a.threads, **more)
    loaded = time.perf_counter()
    ids = [e.ids for e in tokenizer.encode_batch_fast(texts)]
    order = range(len(ids)) if a.unsorted else sorted(range(len(ids)), key=lambda i: len(ids[i]))
    parts = [list(order[i:i + a.batch]) for i in range(0, len(ids), a.batch)]

    def padded(rows):
        x = np.zeros((len(rows), max(len(ids[i]) for i in rows)), np.int64)
        mask = np.zeros_like(x)
        for r, i in enumerate(rows):
            x[r, :len(ids[i])], mask[r, :len(ids[i])] = ids[i], 1
        return x, mask

    vectors = None
    if name == "openvino":
        results = engine.many([padded(rows) for rows in parts])
    elif name == "ctranslate2":
        from concurrent.futures import ThreadPoolExecutor
        results = list(ThreadPoolExecutor(a.threads).map(lambda rows: engine(*padded(rows)), parts))
    else:
        results = [engine(*padded(rows)) for rows in parts]
    for rows, v in zip(parts, results):
        if vectors is None:
            vectors = np.empty((len(ids), v.shape[1]), np.float32)
        vectors[rows] = v
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    np.save(a.out, vectors)
    end = time.perf_counter()
    print(f"{a.engine} batch {a.batch} streams {a.streams}: load {loaded - START:.2f} s, job {end - loaded:.2f} s "
          f"({len(ids) / (end - loaded):.0f} sentences/s), from start {end - START:.2f} s")


if __name__ == "__main__":
    main()
