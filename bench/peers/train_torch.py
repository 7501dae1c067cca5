"""Whole training steps in PyTorch, beside build/bench/bench_train: forward, backward, AdamW.

    python bench/peers/train_torch.py [--shape decoder|gpt2] [--dtype f32|bf16] [--threads 2] [--steps 8]

decoder: GPT-2's architecture with 6 layers of 384, a vocabulary of 8,192, 16 sequences of 128. gpt2: GPT-2 124M, 4 sequences of
64, llm.c's setting. bf16: autocast. Prints the median of the steps but the first two.
"""

import argparse
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel

SHAPES = {"decoder": (6, 384, 6, 8192, 16, 128), "gpt2": (12, 768, 12, 50257, 4, 64)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="decoder")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    layers, width, heads, vocabulary, sequences, length = SHAPES[args.shape]
    torch.set_num_threads(args.threads)
    model = GPT2LMHeadModel(GPT2Config(n_layer=layers, n_embd=width, n_head=heads, vocab_size=vocabulary, n_positions=length,
                                       resid_pdrop=0, embd_pdrop=0, attn_pdrop=0))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    took = []
    for _ in range(args.steps):
        ids = torch.randint(vocabulary, (sequences, length))
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=args.dtype == "bf16"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        took.append(time.perf_counter() - start)
    median = sorted(took[2:])[len(took[2:]) // 2]
    print(f"torch {torch.__version__} {args.shape} {args.dtype}: {1e3 * median:.0f} ms a step, {sequences * length / median:.0f} tokens/s")


if __name__ == "__main__":
    main()
