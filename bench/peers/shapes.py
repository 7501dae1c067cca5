"""Peers on encoders of random weights: sentences/s of a batch, and the latency of one short sentence.

    build/bench/bench_encoder --write --folder DIR       # once: the models
    python bench/peers/shapes.py DIR [--threads 2] [--shape bge-small-zh] [--engines onnxruntime:f32,ctranslate2:int8]
"""
import argparse
import os

import numpy as np

from engines import ENGINES, median_seconds

ALL = "onnxruntime:f32,onnxruntime:int8,openvino:f32,openvino:bf16,openvino:int8,ctranslate2:f32,ctranslate2:int8,torch:f32,torch:bf16"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--shape", default="bert-base,bge-small-zh,minilm-l6")
    p.add_argument("--engines", default=ALL)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--length", type=int, default=32)
    a = p.parse_args()
    for shape in a.shape.split(","):
        for engine in a.engines.split(","):
            name, kind = engine.split(":")
            more = {"replicas": a.threads} if name == "ctranslate2" else {}
            try:
                e = ENGINES[name](os.path.join(a.folder, shape), kind, a.threads, **more)
                ids = (np.arange(a.batch * a.length, dtype=np.int64) * 7919 % 20000).reshape(a.batch, a.length)
                mask = np.ones_like(ids)
                if more:                       # replicas share a batch by halves
                    from concurrent.futures import ThreadPoolExecutor
                    pool = ThreadPoolExecutor(a.threads)
                    parts = np.array_split(np.arange(a.batch), a.threads)
                    t = median_seconds(lambda: list(pool.map(lambda r: e(ids[r], mask[r]), parts)))
                else:
                    t = median_seconds(lambda: e(ids, mask))
                one = median_seconds(lambda: e(ids[:1, :8], mask[:1, :8]))
                print(f"{shape:13s} {name:11s} {kind:5s} {a.batch:4d} x {a.length:<4d} {a.batch / t:9.1f} sentences/s   one of 8 tokens {one * 1e3:7.3f} ms", flush=True)
            except Exception as problem:       # a peer that refuses a type or is not installed is a line, not an end
                print(f"{shape:13s} {name:11s} {kind:5s} not run: {type(problem).__name__}: {str(problem)[:120]}", flush=True)


if __name__ == "__main__":
    main()
