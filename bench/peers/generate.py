"""Peers that write: prompt and single-stream speed of a decoder, beams of an encoder-decoder.

    python bench/peers/generate.py llama FILE.gguf [--prompt 512] [--generate 128]
    python bench/peers/generate.py transformers FILE.gguf [--dtype bf16]
    python bench/peers/generate.py ct2 FOLDER          # makes a random model there; needs transformers and torch
    python bench/peers/generate.py samples FOLDER      # FOLDER: bench_generate's roformer-base; needs transformers and torch

llama: llama.cpp by llama-cpp-python, with and without flash attention. ct2: CTranslate2 int8, a random mT5 of T5 PEGASUS
small's shape, 64 sources of 400 tokens, beam 3, 30 tokens, in batches and with replicas as given.
"""
import argparse
import os
import time

import numpy as np


def median(xs):
    return float(np.median(xs))


def llama(a):
    import llama_cpp
    for flash in (True, False):
        m = llama_cpp.Llama(a.path, n_ctx=a.prompt + a.generate + 8, n_threads=a.threads, n_threads_batch=a.threads,
                            n_batch=512, n_ubatch=512, flash_attn=flash, logits_all=False, verbose=False)
        ids = [1000 + i * 7 % 20000 for i in range(a.prompt)]
        prompt, step = [], []
        for _ in range(a.rounds):
            m.reset()
            t = time.perf_counter()
            m.eval(ids)
            prompt.append(time.perf_counter() - t)
            m.reset()
            m.eval(ids[:16])
            for i in range(a.generate):
                t = time.perf_counter()
                m.eval([ids[i % a.prompt]])
                step.append(time.perf_counter() - t)
        print(f"llama.cpp {os.path.basename(a.path)} flash {flash}: prompt {a.prompt}: {a.prompt / median(prompt):.0f} tokens/s, "
              f"next {1 / median(step):.1f} tokens/s ({median(step) * 1e3:.3f} ms)", flush=True)
        m.close()


def transformers(a):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.set_num_threads(a.threads)
    # SmolLM2-135M's shape; speed does not hang on the weights.
    c = LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                    num_key_value_heads=3, tie_word_embeddings=True, max_position_embeddings=8192)
    m = LlamaForCausalLM(c).eval().to(torch.bfloat16 if a.dtype == "bf16" else torch.float32)
    ids = torch.arange(a.prompt)[None] * 7 % 20000 + 1000
    with torch.inference_mode():
        prompt, step = [], []
        for _ in range(a.rounds + 1):
            t = time.perf_counter()
            m(ids, use_cache=True, logits_to_keep=1)
            prompt.append(time.perf_counter() - t)
            out = m(ids[:, :16], use_cache=True, logits_to_keep=1)
            for i in range(16):
                t = time.perf_counter()
                out = m(ids[:, i:i + 1], past_key_values=out.past_key_values, use_cache=True)
                step.append(time.perf_counter() - t)
    print(f"transformers {a.dtype}: prompt {a.prompt}: {a.prompt / median(prompt[1:]):.0f} tokens/s, next {1 / median(step):.1f} tokens/s", flush=True)


def make_mt5(folder):
    """Random weights and a vocabulary of names: only the shape counts."""
    from tokenizers import Tokenizer, models
    from transformers import MT5Config, MT5ForConditionalGeneration, PreTrainedTokenizerFast
    config = MT5Config(vocab_size=50000, d_model=512, d_kv=64, d_ff=1024, num_layers=8, num_decoder_layers=8,
                       num_heads=6, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
    MT5ForConditionalGeneration(config).save_pretrained(folder)
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{f"t{i}": i for i in range(3, 50000)}}
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<unk>")), pad_token="<pad>",
                            eos_token="</s>", unk_token="<unk>").save_pretrained(folder)


def ct2(a):
    import ctranslate2
    out = os.path.join(a.path, "peer.ct2")
    if not os.path.exists(out):
        from ctranslate2.converters import TransformersConverter
        make_mt5(a.path)
        TransformersConverter(a.path).convert(out)
    sources = [[f"t{(i * 7919 + s * 31) % 49000 + 300}" for i in range(400)] for s in range(64)]
    for replicas, batch in ((a.threads, 8), (a.threads, 16), (1, 32)):
        t = ctranslate2.Translator(out, device="cpu", compute_type="int8", inter_threads=replicas, intra_threads=a.threads // replicas)
        took = []
        for _ in range(a.rounds):
            start = time.perf_counter()
            t.translate_batch(sources, beam_size=3, max_batch_size=batch, max_decoding_length=30, min_decoding_length=30)
            took.append(time.perf_counter() - start)
        print(f"CTranslate2 int8, {replicas} replicas, batch {batch}: {64 / median(took):.2f} sources/s", flush=True)


def samples(a):
    """100 samples of 20 tokens for a source of 14, all of the sequence read anew for every token, as bert4keras samples;
    then every result as a vector, to rank them."""
    import torch
    from transformers import RoFormerConfig, RoFormerForMaskedLM
    torch.set_num_threads(a.threads)
    model = RoFormerForMaskedLM(RoFormerConfig.from_pretrained(a.path)).eval().to(torch.bfloat16 if a.dtype == "bf16" else torch.float32)
    ids = torch.arange(14)[None].repeat(100, 1) * 7 + 1000
    took = []
    for _ in range(a.rounds):
        start = time.perf_counter()
        with torch.inference_mode():
            own = ids
            for _ in range(20):
                p = torch.softmax(model(own).logits[:, -1].float(), -1)
                top, at = p.sort(-1, descending=True)
                top[top.cumsum(-1) - top >= 0.95] = 0
                own = torch.cat([own, at.gather(1, torch.multinomial(top, 1))], 1)
            model.roformer(own[:, 14:]).last_hidden_state[:, 0]
        took.append(time.perf_counter() - start)
    print(f"transformers {a.dtype}, no cache: 100 samples of 20 tokens, ranked: {median(took):.1f} s", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("peer", choices=["llama", "transformers", "ct2", "samples"])
    p.add_argument("path", nargs="?")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--generate", type=int, default=128)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--dtype", default="bf16")
    a = p.parse_args()
    {"llama": llama, "transformers": transformers, "ct2": ct2, "samples": samples}[a.peer](a)


if __name__ == "__main__":
    main()
